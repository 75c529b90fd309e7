// What the tests of studio and co-host do again and again, said once: open a page as a person would, look at pictures,
// listen, check accessibility. Everything works from outside the pages; they know nothing of being tested.
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { decodeQR } from 'qr/decode.js';
import { afterAll, beforeEach, expect } from 'vitest';
import { launchBrowser, patienceMs } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';

export type Viewport = { width: number; height: number };
export const laptop: Viewport = { width: 1280, height: 720 };
export const phone: Viewport = { width: 390, height: 844 };

/** A window of its own, as another person's browser; tabs of one window slow each other down. */
export const openPerson = async (
  browser: Browser,
  url: string,
  viewport: Viewport = laptop,
): Promise<{ context: BrowserContext; page: Page; errors: string[] }> => {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    // The content security policy reports here; so does anything a page could not load.
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(url);
  return { context, page, errors };
};

/** Between tests: what one that failed has left running would be in the way of its second try. */
export const closePeople = async (browser: Browser): Promise<void> => {
  await Promise.all(browser.contexts().map((context) => context.close()));
};

/**
 * Registers the hooks of a file: one browser, and for each test and each of its tries a server of its own, for whose end the next one
 * does not wait. `onReady` is told of both before a test begins.
 */
export const useServerPerTry = (
  browserArgs: readonly string[],
  onReady: (browser: Browser, server: TestServer) => void,
): void => {
  let browser: Browser | undefined;
  const closing: Promise<void>[] = [];
  beforeEach(async () => {
    browser ??= await launchBrowser(browserArgs);
    const people = browser;
    const server = await startServer();
    onReady(people, server);
    return async () => {
      closing.push(server.close());
      await closePeople(people);
    };
  });
  afterAll(() => Promise.all([browser?.close(), ...closing]));
};

/** Opens the studio and turns on the synthetic camera and the system's default microphone. */
export const openStudio = async (browser: Browser, server: TestServer, viewport: Viewport = laptop) => {
  const person = await openPerson(browser, server.studioUrl, viewport);
  await turnOn(person.page);
  return person;
};

export const turnOn = async (page: Page): Promise<void> => {
  await page.getByRole('button', { name: 'Turn on camera and microphone' }).click();
  await page.getByText(/live \d+\.\d fps/).waitFor();
  await microphoneLives(page);
};

/** Chromium's synthetic microphone beeps at full scale, which the mixer says of it. */
export const microphoneLives = (page: Page): Promise<void> =>
  page
    .getByRole('group', { name: 'Lav L' })
    .getByText(/^(live|distorts)$/)
    .waitFor();

/** Without the connection test, which has tests of its own. */
export const goLive = async (page: Page): Promise<void> => {
  const skip = page.getByRole('button', { name: 'Skip the test' });
  const onAir = page.getByText('ON AIR', { exact: true }).first();
  await page.getByRole('button', { name: /^Go live/ }).click();
  await skip.or(onAir).first().waitFor();
  // It may end by itself before it is skipped.
  void skip.click().catch(() => undefined);
  await onAir.waitFor();
};

export const addProduct = async (page: Page, name = 'Night tee', stock = '50'): Promise<void> => {
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Price').fill('19.90');
  await page.getByLabel('How many').fill(stock);
  await page.getByRole('button', { name: 'Add product' }).click();
  await page.getByText(`${stock} left of ${stock}`).waitFor();
};

/** Waits for this many new pictures to be shown by a video; a frozen or empty one never gets there. */
export const seePictures = async (page: Page, video: string, count = 15): Promise<void> => {
  await page.locator(video).waitFor();
  await page.locator(video).evaluate(
    (element, count) =>
      new Promise<void>((resolve, reject) => {
        if (!(element instanceof HTMLVideoElement)) return reject(new Error('That is no video.'));
        let seen = 0;
        const next = () => {
          seen += 1;
          if (seen >= count) resolve();
          else element.requestVideoFrameCallback(next);
        };
        element.requestVideoFrameCallback(next);
      }),
    count,
  );
};

/** For `expect.poll`: generous, as a loaded machine adapts its bitrate slowly. */
export const patiently = { timeout: patienceMs, interval: 200 };

export type Pixels = { width: number; height: number; data: Uint8Array };

/** The picture a video shows now, as RGBA. */
export const pixelsOf = async (page: Page, video: string): Promise<Pixels> => {
  const { width, height, base64 } = await page.locator(video).evaluate((element) => {
    if (!(element instanceof HTMLVideoElement)) throw new Error('That is no video.');
    const canvas = new OffscreenCanvas(element.videoWidth, element.videoHeight);
    const pen = canvas.getContext('2d');
    if (!pen) throw new Error('No canvas.');
    pen.drawImage(element, 0, 0);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    let text = '';
    for (let at = 0; at < data.length; at += 8192) {
      text += String.fromCharCode(...data.subarray(at, at + 8192));
    }
    return { width: canvas.width, height: canvas.height, base64: btoa(text) };
  });
  return { width, height, data: new Uint8Array(Buffer.from(base64, 'base64')) };
};

/** The text of the code in a picture, or null. */
export const readCode = (picture: Pixels): string | null => {
  try {
    return decodeQR(picture, { timeLimit: 1_000 });
  } catch {
    return null; // The decoder throws when it finds no code.
  }
};

/** Share of pixels that differ by more than noise between two pictures of the same size, 0…1. */
export const difference = (a: Pixels, b: Pixels): number => {
  if (a.width !== b.width || a.height !== b.height) return 1;
  let differing = 0;
  for (let at = 0; at < a.data.length; at += 4) {
    if (Math.abs((a.data[at + 1] ?? 0) - (b.data[at + 1] ?? 0)) > 24) differing += 1;
  }
  return differing / (a.width * a.height);
};

/** Mean colour of a part of a picture; x and y in shares of its size. */
export const colourAt = ({ width, height, data }: Pixels, x: number, y: number) => {
  const at = (Math.floor(y * height) * width + Math.floor(x * width)) * 4;
  return { red: data[at] ?? 0, green: data[at + 1] ?? 0, blue: data[at + 2] ?? 0 };
};

/** Nothing sticks out sideways. */
export const expectNoOverflow = async (page: Page): Promise<void> => {
  const widths = await page.evaluate(() => ({
    page: document.documentElement.scrollWidth,
    window: document.documentElement.clientWidth,
  }));
  expect(widths.page).toBe(widths.window);
};
