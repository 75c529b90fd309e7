// The rehearsal: the whole job once, unattended, with real parts, measured at the viewers' screens, printed as a table.
// `npm run rehearse [-- --json FILE] [--codec H264] [--seconds 20]`. Measures only; the product does not know it is watched.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { decodeQR } from 'qr/decode.js';
import * as z from 'zod';
import { chromiumArgs, chromiumBin, launchBrowser } from '../tests/support/browser.ts';
import { startServer, type TestServer } from '../tests/support/server.ts';
import {
  bars,
  beepMs,
  flashEveryMs,
  installSyntheticDevices,
  type DeviceSetUp,
} from './rehearsal/devices.ts';
import { installProbe, type SeenFrame } from './rehearsal/probe.ts';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'string' },
    codec: { type: 'string', default: 'VP8' },
    seconds: { type: 'string', default: '20' },
    viewers: { type: 'string', default: '3' },
  },
});
const settings = z
  .object({
    json: z.string().optional(),
    codec: z.enum(['VP8', 'H264']),
    seconds: z.coerce.number().min(5).max(600),
    viewers: z.coerce.number().int().min(1).max(20),
  })
  .parse(flags);

type Report = {
  glassToGlassMs: { median: number; p95: number };
  joinMs: { median: number; max: number };
  switchGapMs: { max: number };
  killGapMs: number;
  returnMs: number;
  avOffsetMs: number;
  qrDecoded: string;
  stockLagMs: number;
  viewers: number;
  framesDroppedPct: number;
  machineLoad: number;
};

const at = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new Error('Nothing was measured.');
  return value;
};
const rounded = (value: number) => Math.round(value * 10) / 10;

const said = performance.now();
const say = (text: string) =>
  console.log(`${((performance.now() - said) / 1000).toFixed(1).padStart(6)} s  ${text}`);
/** Time that must pass for there to be something to measure; not a wait for an event. */
const observe = (durationMs: number) => new Promise((resolve) => setTimeout(resolve, durationMs));

const cpuTicks = () => {
  let busy = 0;
  let all = 0;
  for (const { times } of cpus()) {
    all += times.user + times.nice + times.sys + times.irq + times.idle;
    busy += times.user + times.nice + times.sys + times.irq;
  }
  return { busy, all };
};

const person = (
  name: string,
  toneHz: number,
  colour: DeviceSetUp['colour'],
  withBars: boolean,
): DeviceSetUp => ({
  name,
  bars: withBars ? bars : null,
  toneHz,
  flashEveryMs,
  beepMs,
  colour,
});
const director = person('Clock', 1_000, [105, 120, 140], true);
const coHost = person('Guest', 440, [120, 150, 100], false);

// --- The people of the rehearsal -------------------------------------------------------------------------------------------

/** A browser of its own with a profile that survives, so that it can be killed and come back as a director's would. */
const openStudio = async (profile: string, url: string) => {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumBin(),
    args: chromiumArgs,
    viewport: { width: 1280, height: 800 },
  });
  await context.addInitScript(installSyntheticDevices, director);
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

const openViewer = async (browser: Browser, url: string): Promise<Page> => {
  // As large as the picture itself: without a GPU, scaling three windows up would be most of the work measured.
  const context = await browser.newContext({ viewport: { width: 640, height: 720 } });
  await context.addInitScript(installProbe, bars);
  const page = await context.newPage();
  page.on('pageerror', (error) => say(`viewer page error: ${error.message}`));
  await page.goto(url);
  return page;
};

const firstFrame = (page: Page) => page.waitForFunction(() => window.rehearsal.firstFrameMs !== null);
const joinMs = (page: Page) =>
  page.evaluate(() => (window.rehearsal.firstFrameMs ?? Number.NaN) - window.rehearsal.navigatedMs);
const clearSeen = (pages: readonly Page[]) =>
  Promise.all(
    pages.map((page) =>
      page.evaluate(() => {
        window.rehearsal.frames.length = 0;
        window.rehearsal.beeps.length = 0;
      }),
    ),
  );
const framesOf = (page: Page): Promise<SeenFrame[]> => page.evaluate(() => window.rehearsal.frames);

/** Waits until what is on screen is (not) the studio's camera; seen in the picture, not in the page's state. */
const onScreen = (page: Page, what: 'studio' | 'standby') =>
  page.waitForFunction(
    (wanted) => {
      const last = window.rehearsal.frames.slice(-3);
      return (
        last.length === 3 && last.every(({ capturedMs }) => (capturedMs !== null) === (wanted === 'studio'))
      );
    },
    what,
    { polling: 50 },
  );

const longestGap = (frames: readonly SeenFrame[]): number =>
  frames.reduce((worst, { atMs }, index) => Math.max(worst, atMs - (frames[index - 1]?.atMs ?? atMs)), 0);

// --- Measurements ----------------------------------------------------------------------------------------------------------

const avOffset = (frames: readonly SeenFrame[], beeps: readonly number[]): number[] => {
  const delayAt = (atMs: number): number | undefined => {
    const near = frames.filter((frame) => frame.capturedMs !== null && Math.abs(frame.atMs - atMs) < 250);
    const delays = near.flatMap(({ atMs: seen, capturedMs }) =>
      capturedMs === null ? [] : [seen - capturedMs],
    );
    return delays.length > 0 ? at(delays, 0.5) : undefined;
  };
  return beeps.flatMap((heardMs) => {
    // The beep belongs to the last flash before it.
    const soundDelay = heardMs % flashEveryMs;
    const pictureDelay = delayAt(heardMs);
    return soundDelay < 1_000 && pictureDelay !== undefined ? [soundDelay - pictureDelay] : [];
  });
};

const steadyShow = async (viewers: readonly Page[], seconds: number) => {
  await clearSeen(viewers);
  await observe(seconds * 1000);
  const delays: number[] = [];
  const offsets: number[] = [];
  let shown = 0;
  let captured = 0;
  for (const page of viewers) {
    const frames = await framesOf(page);
    const live = frames.flatMap((frame) =>
      frame.capturedMs === null ? [] : [{ ...frame, capturedMs: frame.capturedMs }],
    );
    delays.push(...live.map(({ atMs, capturedMs }) => atMs - capturedMs));
    offsets.push(...avOffset(frames, await page.evaluate(() => window.rehearsal.beeps)));
    const first = live[0];
    const last = live.at(-1);
    if (!first || !last) throw new Error('A viewer saw nothing of the studio.');
    shown += new Set(live.map(({ capturedMs }) => capturedMs)).size;
    captured += Math.round((last.capturedMs - first.capturedMs) / (1000 / 30)) + 1;
  }
  return { delays, offsets, droppedPct: Math.max(0, (1 - shown / captured) * 100) };
};

const plannedSwitches = async (studio: Page, viewers: readonly Page[], times: number): Promise<number> => {
  let worst = 0;
  for (let n = 0; n < times; n += 1) {
    await clearSeen(viewers);
    await observe(500);
    await studio.keyboard.press('Shift+S');
    const wanted = n % 2 === 0 ? 'standby' : 'studio';
    await Promise.all(viewers.map((page) => onScreen(page, wanted)));
    await observe(1_000);
    for (const page of viewers) worst = Math.max(worst, longestGap(await framesOf(page)));
    // An odd number of switches ends on standby; the studio is brought back unmeasured.
  }
  if (times % 2 === 1) {
    await studio.keyboard.press('Shift+S');
    await Promise.all(viewers.map((page) => onScreen(page, 'studio')));
  }
  return worst;
};

/** As a phone does: looks again until it can read the code, for a few seconds at most. */
const readQr = async (page: Page): Promise<string> => {
  const giveUpAt = performance.now() + 8_000;
  for (;;) {
    const { width, height, rgba } = await page.evaluate(() => window.rehearsal.picture());
    try {
      return decodeQR({ width, height, data: new Uint8ClampedArray(Buffer.from(rgba, 'base64')) });
    } catch (error) {
      if (performance.now() > giveUpAt) {
        await page.screenshot({ path: join(tmpdir(), 'live-drop-unreadable-code.png') });
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`The code cannot be read from a picture of ${width}×${height} (${reason}).`, {
          cause: error,
        });
      }
      await observe(200);
    }
  }
};

const recordSale = (studio: Page) => studio.getByRole('button', { name: '+1 sold' });

/** From the director's tap to the new count on every viewer's card and in every viewer's picture. */
const stockChange = async (studio: Page, viewers: readonly Page[]): Promise<number> => {
  const changes = viewers.map((page) =>
    page.evaluate(async () => {
      const onCard = new Promise<number>((resolve) => {
        const before = document.body.innerText.match(/\d+ left of \d+/)?.[0];
        const observer = new MutationObserver(() => {
          if (document.body.innerText.match(/\d+ left of \d+/)?.[0] === before) return;
          observer.disconnect();
          resolve(performance.timeOrigin + performance.now());
        });
        observer.observe(document.body, { childList: true, subtree: true, characterData: true });
      });
      // The lower part of the card with the code, where the count stands; nothing else moves there.
      const inPicture = window.rehearsal.whenChanged({ left: 0.795, top: 0.44, width: 0.17, height: 0.105 });
      return Math.max(await onCard, await inPicture);
    }),
  );
  // The watchers above are in place once every page has answered something after them.
  await Promise.all(viewers.map((page) => page.evaluate(() => undefined)));
  const pressedMs = await recordSale(studio).evaluate((button: HTMLElement) => {
    button.click();
    return performance.timeOrigin + performance.now();
  });
  return Math.max(...(await Promise.all(changes))) - pressedMs;
};

// --- The evening -----------------------------------------------------------------------------------------------------------

const setUpShow = async (studio: Page) => {
  await studio.getByRole('button', { name: 'Turn on camera and microphone' }).click();
  await studio.getByLabel('Name', { exact: true }).fill('Night tee');
  await studio.getByLabel('Price').fill('25');
  await studio.getByLabel('How many').fill('50');
  await studio.getByRole('button', { name: 'Add product' }).click();
  await recordSale(studio).waitFor();
  await studio.getByLabel('Show title').fill('Rehearsal');
  await studio.getByLabel('Show title').press('Enter');
};

const inviteGuest = async (
  studio: Page,
  browser: Browser,
): Promise<{ context: BrowserContext; page: Page }> => {
  await studio.getByLabel('Guest’s name').fill('Ada');
  await studio.getByRole('button', { name: 'Invite' }).click();
  const link = await studio.getByRole('textbox', { name: 'link for Ada' }).inputValue();
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
  await context.addInitScript(installSyntheticDevices, coHost);
  const page = await context.newPage();
  page.on('pageerror', (error) => say(`guest page error: ${error.message}`));
  await page.goto(link);
  await page.getByRole('button', { name: 'Turn on camera and microphone' }).click();
  await page.getByRole('button', { name: 'Join the show' }).click();
  return { context, page };
};

const rehearse = async (server: TestServer, browser: Browser, profile: string) => {
  const load = cpuTicks();
  let studio = await openStudio(profile, server.studioUrl);
  try {
    await setUpShow(studio.page);
    await studio.page.getByRole('button', { name: 'Go live' }).click();
    await studio.page.getByRole('button', { name: /^End/ }).waitFor();
    say('the show is live');

    const viewers: Page[] = [];
    const joins: number[] = [];
    for (let n = 0; n < settings.viewers; n += 1) {
      const page = await openViewer(browser, server.viewerUrl);
      await firstFrame(page);
      joins.push(await joinMs(page));
      viewers.push(page);
    }
    const first = viewers[0];
    if (!first) throw new Error('There are no viewers.');
    say(`${viewers.length} viewers see the show`);

    // The co-host leaves before anything is timed: on two cores a fifth browser page would be most of what is measured.
    const guest = await inviteGuest(studio.page, browser);
    await guest.page.getByText('Waiting').first().waitFor();
    await studio.page.keyboard.press('2');
    await guest.page.getByText('ON AIR').first().waitFor();
    await observe(2_000);
    await studio.page.keyboard.press('1');
    await guest.page.getByText('Waiting').first().waitFor();
    await guest.context.close();
    say('the co-host was on air beside the camera, and left');

    await Promise.all(viewers.map((page) => onScreen(page, 'studio')));
    // Encoder and jitter buffers find their level before anything is judged.
    await observe(5_000);

    const steady = await steadyShow(viewers, settings.seconds);
    say('watched the steady show');
    // Muted, as the page opens, the picture waits for nobody. With sound it is held back until lips and words agree.
    await first.getByRole('button', { name: /sound/i }).first().click();
    await observe(8_000);
    const listening = await steadyShow([first], settings.seconds / 2);
    say('listened to it');
    const qrDecoded = await readQr(first);
    const stockLagMs = await stockChange(studio.page, viewers);
    say('read the code and followed a sale');

    const switchGap = await plannedSwitches(studio.page, viewers, 3);
    say('switched three times');

    await observe(2_000);
    await clearSeen(viewers);
    await observe(500);
    process.kill(studio.pid, 'SIGKILL');
    await Promise.all(viewers.map((page) => onScreen(page, 'standby')));
    let killGapMs = 0;
    for (const page of viewers) {
      const frames = await framesOf(page);
      const lastLive = frames.findLast(({ capturedMs }) => capturedMs !== null);
      const next = frames.find(
        ({ atMs, capturedMs }) => capturedMs === null && atMs > (lastLive?.atMs ?? Infinity),
      );
      if (!lastLive || !next) throw new Error('The fall to standby was not seen.');
      killGapMs = Math.max(killGapMs, next.atMs - lastLive.atMs);
    }
    say('the studio was killed, fans saw standby');

    studio = await openStudio(profile, server.studioUrl);
    await clearSeen(viewers);
    const resume = studio.page.getByRole('button', { name: 'Resume the show' });
    await resume.waitFor();
    await studio.page.waitForFunction(
      () => document.querySelector('[aria-label="Resume the show"] button:not([disabled])') !== null,
    );
    const resumedMs = Date.now();
    await resume.click();
    await Promise.all(viewers.map((page) => onScreen(page, 'studio')));
    let returnMs = 0;
    for (const page of viewers) {
      const back = (await framesOf(page)).find(
        ({ capturedMs, atMs }) => capturedMs !== null && atMs > resumedMs,
      );
      if (!back) throw new Error('The return of the studio was not seen.');
      returnMs = Math.max(returnMs, back.atMs - resumedMs);
    }
    say('the studio resumed the show');

    await studio.page.keyboard.press('Shift+E');
    await studio.page.keyboard.press('Shift+E');
    await first.getByText(/ended/i).first().waitFor();
    say('the show has ended');

    const loadNow = cpuTicks();
    const report: Report = {
      glassToGlassMs: { median: rounded(at(steady.delays, 0.5)), p95: rounded(at(steady.delays, 0.95)) },
      joinMs: { median: rounded(at(joins, 0.5)), max: rounded(Math.max(...joins)) },
      switchGapMs: { max: rounded(switchGap) },
      killGapMs: rounded(killGapMs),
      returnMs: rounded(returnMs),
      avOffsetMs: rounded(at(listening.offsets, 0.5)),
      qrDecoded,
      stockLagMs: rounded(stockLagMs),
      viewers: viewers.length,
      framesDroppedPct: rounded(steady.droppedPct),
      machineLoad: Math.round(((loadNow.busy - load.busy) / (loadNow.all - load.all)) * 100) / 100,
    };
    return { report, listeningMs: { median: at(listening.delays, 0.5), p95: at(listening.delays, 0.95) } };
  } finally {
    await studio.context.close();
  }
};

const print = ({ report, listeningMs }: Awaited<ReturnType<typeof rehearse>>) => {
  const rows: [string, string, string, boolean | null][] = [
    ['delay, camera to screen, median', `${report.glassToGlassMs.median} ms`, '', null],
    [
      'delay, camera to screen, p95',
      `${report.glassToGlassMs.p95} ms`,
      '≤ 150 ms',
      report.glassToGlassMs.p95 <= 150,
    ],
    ['the same with sound on, median', `${rounded(listeningMs.median)} ms`, '', null],
    ['the same with sound on, p95', `${rounded(listeningMs.p95)} ms`, '', null],
    ['page opened → first picture, median', `${report.joinMs.median} ms`, '', null],
    ['page opened → first picture, worst', `${report.joinMs.max} ms`, '', null],
    [
      'planned switch, longest gap',
      `${report.switchGapMs.max} ms`,
      '≤ 150 ms',
      report.switchGapMs.max <= 150,
    ],
    ['studio killed → standby on screen', `${report.killGapMs} ms`, '≤ 400 ms', report.killGapMs <= 400],
    ['studio resumed → live on screen', `${report.returnMs} ms`, '', null],
    ['sound behind picture', `${report.avOffsetMs} ms`, '± 60 ms', Math.abs(report.avOffsetMs) <= 60],
    ['QR code in the picture', report.qrDecoded, 'readable', report.qrDecoded.includes('/shop/')],
    ['sale → card and picture', `${report.stockLagMs} ms`, '≤ 200 ms', report.stockLagMs <= 200],
    ['frames dropped', `${report.framesDroppedPct} %`, '', null],
    ['viewers', String(report.viewers), '', null],
    ['machine busy', `${Math.round(report.machineLoad * 100)} %`, '', null],
  ];
  const width = (column: 0 | 1 | 2) => Math.max(...rows.map((row) => row[column].length));
  console.log();
  for (const [name, value, goal, met] of rows) {
    const mark = met === null ? ' ' : met ? '✓' : '✗';
    console.log(`${mark} ${name.padEnd(width(0))}  ${value.padEnd(width(1))}  ${goal}`);
  }
};

const profile = mkdtempSync(join(tmpdir(), 'live-drop-rehearsal-'));
const server = await startServer({ args: ['--codec', settings.codec, '--log-level', 'warn'] });
const browser = await launchBrowser();
try {
  const rehearsed = await rehearse(server, browser, profile);
  print(rehearsed);
  if (settings.json) writeFileSync(settings.json, `${JSON.stringify(rehearsed.report, null, 2)}\n`);
} catch (error) {
  console.error('The rehearsal stopped:', error);
  const log = server.log();
  if (log) console.error(`The server said:\n${log}`);
  process.exitCode = 1;
} finally {
  await browser.close();
  await server.close();
  rmSync(profile, { recursive: true, force: true });
}
