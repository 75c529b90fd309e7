// The people of a rehearsal: a director with a browser of their own, fans, a co-host. Each does what a person would, by the
// words on the page. What they see is judged in screens.ts.
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import * as z from 'zod';
import { chromiumArgs, chromiumBin } from '../../tests/support/browser.ts';
import {
  bars,
  beepMs,
  flashEveryMs,
  installSyntheticDevices,
  lowerBars,
  type Bars,
  type DeviceSetUp,
} from './devices.ts';
import { installProbe } from './probe.ts';
import { say } from './screens.ts';

const clock = { flashEveryMs, beepMs };
/** A camera and a microphone at one table; a second camera of the same make for those who ask for it. */
const director: DeviceSetUp = {
  ...clock,
  cameras: [{ label: 'Clock camera', bars, colour: [105, 120, 140] }],
  microphone: 'Clock microphone',
  toneHz: 1_000,
};
export const withTwoCameras: DeviceSetUp = {
  ...director,
  cameras: [...director.cameras, { label: 'Clock camera', bars: lowerBars, colour: [125, 140, 115] }],
};
const coHost = (ownBars: Bars | null): DeviceSetUp => ({
  ...clock,
  cameras: [{ label: 'Guest camera', bars: ownBars, colour: [120, 150, 100] }],
  microphone: 'Guest microphone',
  toneHz: 440,
});

/**
 * A browser of its own with a profile that survives, so that it can be killed and come back as a director's would.
 * `prepare`: what else is put into it before the page loads.
 */
export const openStudio = async (
  profile: string,
  url: string,
  prepare: (context: BrowserContext) => Promise<void> = () => Promise.resolve(),
  devices: DeviceSetUp = director,
) => {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumBin(),
    args: chromiumArgs,
    viewport: { width: 1280, height: 800 },
  });
  await context.addInitScript(installSyntheticDevices, devices);
  await prepare(context);
  const page = context.pages()[0] ?? (await context.newPage());
  page.on('pageerror', (error) => say(`studio page error: ${error.message}`));
  await page.goto(url);
  return { context, page, pid: await browserPid(page) };
};

const processes = z.object({ processInfo: z.array(z.object({ type: z.string(), id: z.number() })) });

const browserPid = async (page: Page): Promise<number> => {
  const browser = page.context().browser();
  if (!browser) throw new Error('The studio has no browser process.');
  const cdp = await browser.newBrowserCDPSession();
  const { processInfo } = processes.parse(await cdp.send('SystemInfo.getProcessInfo'));
  const found = processInfo.find(({ type }) => type === 'browser');
  if (!found) throw new Error('The studio’s browser process was not found.');
  return found.id;
};

/** `prepare`: what else is put into the fan's browser before the page loads. */
export const openViewer = async (
  browser: Browser,
  url: string,
  prepare: (context: BrowserContext) => Promise<void> = () => Promise.resolve(),
): Promise<Page> => {
  // As large as the picture itself: without a GPU, scaling three windows up would be most of the work measured.
  const context = await browser.newContext({ viewport: { width: 640, height: 720 } });
  await context.addInitScript(installProbe, [bars, lowerBars]);
  await prepare(context);
  const page = await context.newPage();
  page.on('pageerror', (error) => say(`viewer page error: ${error.message}`));
  await page.goto(url);
  return page;
};

export const recordSale = (studio: Page) => studio.getByRole('button', { name: '+1 sold' });

/** On two cores a second encoder would be much of what is measured; what recording costs is `npm run bench -- recording`. */
const doNotRecord = async (studio: Page) => {
  await studio.getByRole('tab', { name: 'Recording' }).click();
  await studio.getByRole('button', { name: 'Recordings' }).click();
  await studio.getByLabel('Record by itself while the show is live').uncheck();
  await studio.keyboard.press('Escape');
};

export const setUpShow = async (studio: Page, recording: 'on' | 'off' = 'off') => {
  await studio.getByRole('button', { name: 'Turn on camera and microphone' }).click();
  await studio.getByLabel('Name', { exact: true }).fill('Night tee');
  await studio.getByLabel('Price').fill('25');
  await studio.getByLabel('How many').fill('50');
  await studio.getByRole('button', { name: 'Add product' }).click();
  await recordSale(studio).waitFor();
  await studio.getByLabel('Show title').fill('Rehearsal');
  await studio.getByLabel('Show title').press('Enter');
  if (recording === 'off') await doNotRecord(studio);
};

export type CoHost = {
  context: BrowserContext;
  page: Page;
  /** By the same link once more, in a new page. */
  join(): Promise<Page>;
};

/** `way`: by another address than the link's, with something put into the browser before, or with a camera that can be told apart. */
export const inviteGuest = async (
  studio: Page,
  browser: Browser,
  name = 'Ada',
  way: { origin?: string; prepare?: (context: BrowserContext) => Promise<void>; bars?: Bars } = {},
): Promise<CoHost> => {
  await studio.getByRole('tab', { name: 'People' }).click();
  await studio.getByLabel('Guest’s name').fill(name);
  await studio.getByRole('button', { name: 'Invite' }).click();
  const link = await studio.getByRole('textbox', { name: `link for ${name}` }).inputValue();
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
  await context.addInitScript(installSyntheticDevices, coHost(way.bars ?? null));
  await way.prepare?.(context);
  const { pathname, hash, origin } = new URL(link);
  const join = async () => {
    const page = await context.newPage();
    page.on('pageerror', (error) => say(`guest page error: ${error.message}`));
    await page.goto(`${way.origin ?? origin}${pathname}${hash}`);
    await page.getByRole('button', { name: 'Turn on camera and microphone' }).click();
    await page.getByRole('button', { name: 'Join the show' }).click();
    return page;
  };
  return { context, page: await join(), join };
};
