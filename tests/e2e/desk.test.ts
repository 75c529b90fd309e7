// The production desk in a real Chromium with two like cameras: scenes built, previewed, taken and found again after a
// reload; a camera that is pulled is covered by its backup and comes back. Against the real server.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { expectAccessible } from '../support/accessible.ts';
import { connect } from '../support/client.ts';
import type { TestServer } from '../support/server.ts';
import { showId } from '../../sfu-server/protocol/state.ts';
import {
  colourAt,
  difference,
  expectNoOverflow,
  goLive,
  openPerson,
  patiently,
  pixelsOf,
  seePictures,
  turnOn,
  useServerPerTry,
} from './studio-steps.ts';

const preview = '[aria-label="Preview: the scene that is next"]';
const composed = '[aria-label="Program: the picture as it is composed"]';
const onAir = '[aria-label="Program: the picture fans get"]';

let browser: Browser;
let server: TestServer;
useServerPerTry(
  ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream=device-count=2,fps=30'],
  (openBrowser, started) => {
    [browser, server] = [openBrowser, started];
  },
);

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

/** What fans are told is on. */
const programNow = async () => {
  const fan = await connect(server.origin);
  const id = showId.parse(server.showId);
  const { state } = await fan.channel.call('join', { as: 'viewer', showId: id, rtpCapabilities: null });
  fan.close();
  return state.program;
};

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
  await page.keyboard.press('h');
  await page.getByRole('tab', { name: 'Recording' }).click();
  await expectAccessible(page);
  await page.keyboard.press('j');
  await expectAccessible(page);
  await page.getByRole('tab', { name: 'Mixer' }).click();
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
    .getByText(/unplugged \d:\d\d ago/)
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

  // [L1] Without a backup its last picture is held, then fans get the standby clip, and the camera again by itself.
  await page.getByLabel('When it fails').selectOption({ label: 'no backup' });
  await plug(page, deviceA, false);
  const covered = page.getByText(/^Standby clip on air .*: Cam A has no picture/);
  await covered.first().waitFor();
  expect(await programNow()).toMatchObject({ source: 'standby', reason: 'directorLock', lock: 'standby' });
  await seePictures(page, onAir);
  await plug(page, deviceA, true);
  await covered.first().waitFor({ state: 'detached' });
  await expect.poll(programNow, patiently).toMatchObject({ source: 'studio', lock: 'none' });
  await seePictures(page, onAir);

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
});

/** An empty page of another origin. */
const listenElsewhere = async () => {
  const elsewhere = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>Encoder</title>');
  });
  await new Promise<void>((resolve) => void elsewhere.listen(0, '127.0.0.1', resolve));
  const address = elsewhere.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => {
      elsewhere.close();
      elsewhere.closeAllConnections();
    },
  };
};

/** What an encoder does (RFC 9725), by a page of another origin: a green picture and a tone. Answers what the server did. */
const encoderScript = `
  globalThis.sessions = [];
  globalThis.publish = async (address, key) => {
    const canvas = document.createElement('canvas');
    canvas.width = 640;
    canvas.height = 360;
    const pen = canvas.getContext('2d');
    let step = 0;
    setInterval(() => {
      pen.fillStyle = '#10a030';
      pen.fillRect(0, 0, 640, 360);
      pen.fillStyle = '#ffffff';
      pen.fillRect((step++ * 8) % 640, 340, 40, 20);
    }, 33);
    const sound = new AudioContext();
    const tone = new OscillatorNode(sound, { frequency: 1000 });
    const out = new MediaStreamAudioDestinationNode(sound);
    tone.connect(out);
    tone.start();
    const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    const stream = canvas.captureStream(30);
    for (const track of [...stream.getVideoTracks(), ...out.stream.getAudioTracks()]) {
      connection.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
    }
    await connection.setLocalDescription();
    const response = await fetch(address, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', authorization: 'Bearer ' + key },
      body: connection.localDescription.sdp,
    });
    const text = await response.text();
    if (response.status !== 201) return { status: response.status, text };
    await connection.setRemoteDescription({ type: 'answer', sdp: text });
    sessions.push(new URL(response.headers.get('location'), address).href);
    return { status: response.status, text: '' };
  };
  globalThis.leave = async (index, key) => {
    const headers = { authorization: 'Bearer ' + key };
    return (await fetch(sessions[index], { method: 'DELETE', headers })).status;
  };
`;

it('[WHIP4] takes an encoder’s picture and sound, a newer one in its place, and is told when it leaves or its key is withdrawn', async () => {
  const { context, page, errors } = await openPerson(browser, server.studioUrl);
  await page.getByLabel('Add a source').selectOption({ label: 'Encoder (WHIP)' });
  await row(page, 'Encoder').getByText('no key yet').waitFor();
  await page.getByRole('button', { name: 'Make a key for Encoder' }).click();
  const [address, key] = await Promise.all(
    ['address for Encoder', 'key for Encoder'].map((label) =>
      page.getByRole('textbox', { name: label }).inputValue(),
    ),
  );
  await row(page, 'Encoder').getByText('waits for its encoder').waitFor();
  await expectAccessible(page);

  const elsewhere = await listenElsewhere();
  const encoder = await openPerson(browser, elsewhere.url);
  await encoder.page.evaluate(encoderScript);
  const publish = (): Promise<unknown> =>
    encoder.page.evaluate(`publish(${JSON.stringify(address)}, ${JSON.stringify(key)})`);
  const leave = (index: number): Promise<unknown> =>
    encoder.page.evaluate(`leave(${index}, ${JSON.stringify(key)})`);
  // Refused until the source itself has been saved; and so is who asks too often.
  await expect.poll(publish, { interval: 1_000 }).toEqual({ status: 201, text: '' });
  const lives = row(page, 'Encoder').getByText(/live \d+\.\d fps/);
  await lives.waitFor();

  // On program its picture is seen and its sound heard; beside it neither.
  const strip = page.getByRole('group', { name: 'Encoder', exact: true });
  await strip.getByText('waiting').waitFor();
  await page.getByRole('button', { name: 'Add scene' }).click();
  await page.getByRole('tab', { name: 'Scene' }).click();
  await page.getByLabel('Layout').selectOption({ label: 'Full' });
  await page
    .getByLabel(/: source$/)
    .first()
    .selectOption({ label: 'Encoder' });
  await page.keyboard.press('Shift+2');
  const green = async () => {
    const { red, green } = colourAt(await pixelsOf(page, composed), 0.5, 0.5);
    return green - red;
  };
  await expect.poll(green, patiently).toBeGreaterThan(80);
  await strip.getByText('in the program').waitFor();
  const level = page.getByRole('meter', { name: 'Program level' });
  await expect
    .poll(async () => Number(await level.getAttribute('aria-valuenow')), patiently)
    .toBeGreaterThan(-30);
  await page.getByRole('tab', { name: 'Sources' }).click();

  expect(await publish()).toEqual({ status: 201, text: '' });
  await row(page, 'Encoder').getByText('another encoder took over').waitFor();
  expect(await leave(0)).toBe(404);
  await lives.waitFor();
  expect(await leave(1)).toBe(200);
  await row(page, 'Encoder')
    .getByText(/left \d:\d\d ago/)
    .waitFor();

  await page.getByRole('button', { name: 'More: Encoder' }).click();
  await page.getByRole('button', { name: 'Withdraw the key for Encoder' }).click();
  await page.getByRole('button', { name: 'Press again: Withdraw the key for Encoder' }).click();
  await row(page, 'Encoder').getByText('no key yet').waitFor();
  expect(await publish()).toMatchObject({ status: 401 });
  expect(errors).toEqual([]);
  await encoder.context.close();
  await context.close();
  elsewhere.close();
});
