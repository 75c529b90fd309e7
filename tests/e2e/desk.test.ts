// The production desk in a real Chromium with two like cameras: scenes built, previewed, taken and found again after a
// reload; a camera that is pulled is covered by its backup and comes back. Against the real server.
import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import {
  colourAt,
  difference,
  expectAccessible,
  expectNoOverflow,
  goLive,
  openPerson,
  patiently,
  pixelsOf,
  seePictures,
  turnOn,
} from './studio-steps.ts';

const preview = '[aria-label="Preview: the scene that is next"]';
const composed = '[aria-label="Program: the picture as it is composed"]';
const onAir = '[aria-label="Program: the picture fans get"]';

let browser: Browser;
let server: TestServer;
beforeAll(async () => {
  browser = await launchBrowser([
    '--use-fake-ui-for-media-stream',
    '--use-fake-device-for-media-stream=device-count=2,fps=30',
  ]);
  server = await startServer();
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

/** Lets the page's list of devices be shortened, as the system would when one is pulled. */
const plugs = (page: Page) =>
  page.addInitScript(() => {
    const all = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    const pulled = new Set<string>();
    navigator.mediaDevices.enumerateDevices = async () =>
      (await all()).filter(({ deviceId }) => !pulled.has(deviceId));
    const plug = (deviceId: string, isIn: boolean) => {
      if (isIn) pulled.delete(deviceId);
      else pulled.add(deviceId);
      navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
    };
    Object.assign(globalThis, { plug });
  });
const plug = (page: Page, deviceId: string, isIn: boolean) =>
  page.evaluate(`plug(${JSON.stringify(deviceId)}, ${isIn})`);

const row = (page: Page, name: string) => page.locator('.picture-source', { hasText: name });
const scene = (page: Page, name: string) =>
  page.getByRole('group', { name: 'Scenes' }).getByRole('button', { name });
const isOnProgram = (page: Page, name: string) =>
  scene(page, name)
    .getByText(/^on (program|air)$/)
    .waitFor();

it('builds two scenes, takes them by cut and fade, lays words over them, undoes edits, finds all back after a reload, and covers a pulled camera', async () => {
  const { context, page, errors } = await openPerson(browser, server.studioUrl);
  await plugs(page);
  await page.reload();
  await turnOn(page);
  await seePictures(page, composed);

  // A second camera of the same make gets the device that is left.
  await page.getByLabel('Add a source').selectOption({ label: 'Camera' });
  await row(page, 'Cam B')
    .getByText(/live \d+\.\d fps/)
    .waitFor();
  const deviceOf = (name: string) => page.getByLabel(`${name} device`).inputValue();
  const [deviceA, deviceB] = [await deviceOf('Cam A'), await deviceOf('Cam B')];
  expect(deviceA).not.toBe(deviceB);

  // A scene of both, built in preview while the first stays on program.
  await page.getByRole('button', { name: 'Add scene' }).click();
  await page.getByRole('tab', { name: 'Scene' }).click();
  await page.getByLabel('Scene name').fill('Both');
  await page.keyboard.press('Enter');
  await page.getByLabel('Layout').selectOption({ label: 'Side by side' });
  await page.getByLabel('Right: source').selectOption({ label: 'Cam B' });
  await isOnProgram(page, 'Cam A');
  await seePictures(page, preview, 5);
  await expectAccessible(page);
  await expectNoOverflow(page);
  // Of one take only what is on program changes; of an undo only what is in preview.
  await page.keyboard.press('Control+z');
  await expect.poll(() => page.getByLabel('Right: source').inputValue(), patiently).toBe('');
  await page.keyboard.press('Control+Shift+z');
  await expect.poll(() => page.getByLabel('Right: source').inputValue(), patiently).not.toBe('');
  const before = await pixelsOf(page, composed);
  await page.keyboard.press('Enter');
  await isOnProgram(page, 'Both');
  await expect
    .poll(async () => difference(before, await pixelsOf(page, composed)), patiently)
    .toBeGreaterThan(0.1);
  // What was on program is next.
  expect(await scene(page, 'Cam A').getAttribute('aria-pressed')).toBe('true');
  await page.keyboard.press('Space');
  await isOnProgram(page, 'Cam A');
  await page.keyboard.press('Shift+2');
  await isOnProgram(page, 'Both');

  // A free scene: its frames move by the arrow keys, over the preview only.
  await page.getByRole('button', { name: 'Add scene' }).click();
  await page.getByLabel('Layout').selectOption({ label: 'Free' });
  await page.getByLabel('Add a source to the scene').selectOption({ label: 'Cam B' });
  const frame = page.getByRole('group', { name: 'Cam B: arrow keys move it' });
  const [at] = [await frame.boundingBox()];
  await frame.focus();
  await page.keyboard.press('Shift+ArrowLeft');
  await expect
    .poll(async () => (await frame.boundingBox())?.x ?? 0, patiently)
    .toBeLessThan((at?.x ?? 0) - 5);
  await expectAccessible(page);
  await page.getByText('saved', { exact: true }).waitFor();

  // Out as a file, and in again; half a file is refused and costs nothing.
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export scenes' }).click();
  const exported = await readFile(await (await downloading).path());
  const file = page.getByLabel('File of scenes');
  const half = { name: 'half.json', mimeType: 'application/json' };
  await file.setInputFiles({ ...half, buffer: exported.subarray(0, exported.length / 2) });
  await page.getByText(/This file is damaged or holds no scenes, so nothing was changed/).waitFor();
  await page.getByRole('button', { name: 'Dismiss' }).click();
  await scene(page, 'Both').waitFor();
  const renamed = exported.toString('utf8').replace('"Both"', '"Together"');
  await file.setInputFiles({ ...half, buffer: Buffer.from(renamed) });
  await scene(page, 'Together').waitFor();
  await page.getByRole('button', { name: /^Undo/ }).click();
  await scene(page, 'Both').waitFor();

  // Words over the picture, by key: what is on is the server's, and fans get it.
  await page.getByRole('tab', { name: 'Overlays' }).click();
  await page.getByLabel('Title, headline').fill('Night market');
  await page.keyboard.press('Tab');
  await page.keyboard.type('Two nights');
  await page.keyboard.press('Enter');
  expect(await page.getByLabel('Title, second line').inputValue()).toBe('Two nights');
  await page.getByLabel('Message to pin').fill('Is it true to size?');
  await page.keyboard.press('Enter');
  await expectAccessible(page);
  await expectNoOverflow(page);
  await page.keyboard.press('1');
  await goLive(page);
  await seePictures(page, onAir);
  /** The blue bar at the left edge of a headline and of a message. */
  const hasBar = (y: number) => async () => {
    const { red, green, blue } = colourAt(await pixelsOf(page, onAir), 34 / 640, y);
    return blue > 140 && blue > red + 60 && blue > green + 20;
  };
  const [headline, message] = [40 / 360, 315 / 360];
  expect(await hasBar(headline)()).toBe(false);
  await page.keyboard.press('Shift+T');
  await page.keyboard.press('u');
  await expect.poll(hasBar(headline), patiently).toBe(true);
  await expect.poll(hasBar(message), patiently).toBe(true);
  await page.keyboard.press('u');
  await expect.poll(hasBar(message), patiently).toBe(false);

  // L1: pulled, held, covered, and back in its place.
  await page.getByRole('tab', { name: 'Sources' }).click();
  await page.getByRole('button', { name: 'More: Cam A' }).click();
  await page.getByLabel('When it fails').selectOption({ label: 'show Cam B' });
  await page.keyboard.press('Shift+1');
  await isOnProgram(page, 'Cam A');
  await plug(page, deviceA, false);
  await page
    .getByText(/unplugged 0:0\d ago/)
    .first()
    .waitFor();
  await page
    .getByText(/Cam A .*showing Cam B/)
    .first()
    .waitFor();
  await seePictures(page, onAir);
  expect(await deviceOf('Cam B')).toBe(deviceB);
  await plug(page, deviceA, true);
  await row(page, 'Cam A')
    .getByText(/live \d+\.\d fps/)
    .waitFor();
  await page
    .getByText(/showing Cam B/)
    .first()
    .waitFor({ state: 'detached' });
  expect(await deviceOf('Cam A')).toBe(deviceA);

  await page.reload();
  const resume = page.getByRole('button', { name: /^Resume the show/ });
  await expect.poll(() => resume.isEnabled(), patiently).toBe(true);
  await resume.click();
  await isOnProgram(page, 'Cam A');
  await page.getByText('ON AIR', { exact: true }).first().waitFor();
  await scene(page, 'Both').waitFor();
  await scene(page, 'Scene 3').waitFor();
  expect(await page.getByRole('button', { name: /^Title/ }).getAttribute('aria-pressed')).toBe('true');
  await expect.poll(() => deviceOf('Cam A'), patiently).toBe(deviceA);
  await expect.poll(() => deviceOf('Cam B'), patiently).toBe(deviceB);
  expect(errors).toEqual([]);
  await context.close();
}, 90_000);
