// The director's own standby clip, from a file on the laptop to the fan's screen: imported in the studio page, rehearsed, shown
// when the director locks standby, and still there when the server has been killed.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { expectAccessible } from '../support/accessible.ts';
import { fakeMediaArgs, launchBrowser } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import {
  goLive,
  openPerson,
  openStudio,
  patiently,
  pixelsOf,
  readCode,
  seePictures,
} from './studio-steps.ts';

const rehearsal = '[aria-label="Rehearsal: the standby clip as fans would get it"]';
const anyVideo = fileURLToPath(new URL('../../assets/standby/lo.webm', import.meta.url));
const slow = { timeout: 120_000 };

let data: string;
let server: TestServer;
let browser: Browser;

// All anew for a second try.
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'live-drop-clip-'));
  [server, browser] = await Promise.all([startServer({ data }), launchBrowser(fakeMediaArgs)]);
});
afterEach(async () => {
  await browser.close();
  await server.close();
  await rm(data, { recursive: true, force: true });
});

const snapshot = z.object({
  nodes: z.array(z.object({ name: z.string(), detail: z.object({ rehearsal: z.nullable(z.object({})) }) })),
});

/** The nodes on which a rehearsal has a program bus. */
const rehearsedOn = async (): Promise<string[]> => {
  const answer = await fetch(`${server.origin}/api/debug`, {
    headers: { authorization: `Bearer ${server.studioKey}` },
  });
  const { nodes } = snapshot.parse(await answer.json());
  return nodes.flatMap(({ name, detail }) => (detail.rehearsal === null ? [] : [name]));
};

test('[STANDBY3] [STANDBY8] a clip the director imports is rehearsed unseen, shown to fans on standby, and survives the server', async () => {
  const { page: studio, errors } = await openStudio(browser, server);
  const { page: fan } = await openPerson(browser, server.viewerUrl, { width: 390, height: 844 });
  const home = `${server.origin}/`;

  await studio.getByRole('tab', { name: 'Standby' }).click();
  await studio.getByRole('button', { name: 'Clips' }).click();
  const sheet = studio.getByRole('dialog', { name: 'Standby clips' });
  await sheet.getByLabel('Import a clip').setInputFiles(anyVideo);
  await sheet.getByRole('button', { name: 'Cancel' }).click();
  await sheet.getByText('Import cancelled.').waitFor();
  expect(await sheet.getByRole('listitem').allInnerTexts()).toEqual([
    expect.stringMatching(/^Built-in clip[\s\S]*● In use$/),
  ]);
  await sheet.getByLabel('Import a clip').setInputFiles(anyVideo);
  await sheet.getByText('“lo” is ready and in use.').waitFor(slow);
  await sheet.getByText('● In use').waitFor();
  await expectAccessible(studio);
  await studio.keyboard.press('Escape');

  await studio.keyboard.press('r');
  await seePictures(studio, rehearsal, 10);
  await expect.poll(async () => readCode(await pixelsOf(studio, rehearsal)), patiently).toBe(home);
  expect(await rehearsedOn()).toHaveLength(1);
  // Fans who wait see nothing of it.
  expect(
    await fan.locator('#program').evaluate((video) => video instanceof HTMLVideoElement && video.videoWidth),
  ).toBe(0);
  await studio.getByRole('button', { name: 'Stop' }).click();
  await studio.locator(rehearsal).waitFor({ state: 'detached' });
  await expect.poll(rehearsedOn, patiently).toEqual([]);

  await goLive(studio);
  await seePictures(fan, '#program', 10);
  await studio.keyboard.press('Shift+S');
  await studio.getByText('STANDBY CLIP ON AIR', { exact: true }).waitFor();
  await expect.poll(async () => readCode(await pixelsOf(fan, '#program')), patiently).toBe(home);
  expect(errors).toEqual([]);

  const { port } = new URL(server.origin);
  await server.stop('SIGKILL');
  server = await startServer({ data, port: Number(port) });
  await studio.getByRole('button', { name: /^Standby locked/ }).waitFor(slow);
  expect(await studio.getByRole('region', { name: 'Standby', exact: true }).innerText()).toContain('lo');
  await expect.poll(async () => readCode(await pixelsOf(fan, '#program')), patiently).toBe(home);

  // Looked at, put aside for the built-in one under the fans' eyes, and removed.
  await studio.getByRole('button', { name: 'Clips' }).click();
  await sheet.getByRole('button', { name: 'Preview lo' }).click();
  await seePictures(studio, '.clip-preview', 5);
  expect(await sheet.getByRole('button', { name: 'Remove lo' }).count()).toBe(0);
  await sheet.getByRole('button', { name: 'Use Built-in clip' }).click();
  await expect.poll(async () => readCode(await pixelsOf(fan, '#program')), patiently).toBeNull();
  await seePictures(fan, '#program', 5);
  await sheet.getByRole('button', { name: 'Remove lo' }).click();
  await sheet.getByRole('button', { name: 'Press again: Remove lo' }).click();
  await expect
    .poll(() => sheet.getByRole('listitem').allInnerTexts(), patiently)
    .toEqual([expect.stringMatching(/^Built-in clip[\s\S]*● In use$/)]);
  expect(await studio.locator('.clip-preview').count()).toBe(0);
});
