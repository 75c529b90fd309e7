// Devices in a real Chromium with its synthetic cameras and microphones: opened, refused, remembered, unplugged.
// Unplugging is played by hiding a device from the list and telling the page so, as the system would; what is opened
// and stopped is real.

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import type { LabServer } from './lab-server.ts';
import { startLabServer } from './lab-server.ts';

let server: LabServer;
beforeAll(async () => {
  server = await startLabServer();
});
afterAll(async () => {
  await server.close();
});

async function onPage(args: readonly string[], use: (page: Page) => Promise<void>): Promise<void> {
  const browser = await launchBrowser(args);
  try {
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.waitForFunction(() => 'lab' in globalThis);
    await use(page);
  } finally {
    await browser.close();
  }
}

const allowed = '--use-fake-ui-for-media-stream';
const twoDevices = '--use-fake-device-for-media-stream=device-count=2,fps=30';

test('a role gets the device it had, and never another one silently', async () => {
  await onPage([allowed, twoDevices], async (page) => {
    const result = await page.evaluate(async () => {
      const wanted = { width: 640, height: 360, fps: 30 };
      const first = await lab.openCamera({ role: 'Cam A', ...wanted });
      const cameras = await lab.listDevices('camera');
      const second = await lab.openCamera({ role: 'Cam B', deviceId: cameras[1]?.deviceId ?? '', ...wanted });
      const secondAgain = await lab.openCamera({ role: 'Cam B', ...wanted });
      const music = await lab.openMicrophone({ role: 'Lav', processing: 'music' });
      const speech = await lab.openMicrophone({ role: 'Laptop', processing: 'speech' });
      const unknown = await lab.openCamera({ role: 'Cam C', deviceId: 'no-such-camera', ...wanted });
      const memory = { getItem: () => '{"Cam A": 5', setItem: () => undefined };
      const damaged = await lab.openCamera({ role: 'Cam A', ...wanted, memory });
      const describe = (opened: typeof first) =>
        opened.ok
          ? { label: opened.identity.label, settings: opened.track.getSettings() }
          : { problem: opened.problem };
      return {
        cameras: cameras.map(({ label }) => label),
        first: describe(first),
        second: describe(second),
        secondAgain: describe(secondAgain),
        music: describe(music),
        speech: describe(speech),
        unknown: describe(unknown),
        damaged: describe(damaged),
      };
    });
    expect(result.cameras).toHaveLength(2);
    expect(result.first).toMatchObject({ label: result.cameras[0], settings: { width: 640, height: 360 } });
    expect(result.second).toMatchObject({ label: result.cameras[1] });
    expect(result.secondAgain).toMatchObject({ label: result.cameras[1] });
    const processed = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    expect(result.speech).toMatchObject({ settings: processed });
    expect(result.music).toMatchObject({ settings: raw });
    expect(result.unknown).toMatchObject({ problem: { kind: 'gone' } });
    expect(result.unknown.problem?.sentence).toContain('Cam C: its camera is not connected');
    expect(result.damaged).toMatchObject({ label: result.cameras[0] });
  });
});

test('an unplugged device is said, waited for, and taken again into the same slot; another is not', async () => {
  await onPage([allowed, twoDevices], async (page) => {
    const result = await page.evaluate(async () => {
      const all = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
      const hidden = new Set<string>();
      navigator.mediaDevices.enumerateDevices = async () =>
        (await all()).filter(({ deviceId }) => !hidden.has(deviceId));
      const changed = () => navigator.mediaDevices.dispatchEvent(new Event('devicechange'));

      const states: string[] = [];
      const tracks: MediaStreamTrack[] = [];
      let arrived: (() => void) | null = null;
      const wanted = { width: 640, height: 360, fps: 30 };
      const makeSlot = (role: string) =>
        lab.createDeviceSlot({
          kind: 'camera',
          role,
          open: async (request) => lab.openCamera({ role, ...wanted, ...request }),
          onTrack: (track) => tracks.push(track),
          onState: ({ kind }) => {
            states.push(kind);
            arrived?.();
          },
        });
      const untilState = async (kind: string) => {
        while (states.at(-1) !== kind) await new Promise<void>((resolve) => (arrived = resolve));
      };

      const slot = makeSlot('Cam A');
      const live = await slot.open();
      const cameraId = live.kind === 'live' ? live.identity.deviceId : '';
      hidden.add(cameraId);
      changed();
      await untilState('unplugged');
      const stopped = tracks[0]?.readyState;
      // Something else is plugged in meanwhile: the other camera is there, and must not be taken.
      changed();
      await navigator.mediaDevices.enumerateDevices();
      const whileGone = states.length;

      // A studio opened while the camera is away waits for it too.
      const reopened = makeSlot('Cam A');
      const waiting = await reopened.open();
      reopened.close();
      states.pop();

      // The system does not always tell; the slot looks for itself.
      hidden.clear();
      await untilState('live');
      const again = slot.snapshot().state;
      const sameAgain =
        again.kind === 'live' && again.identity.deviceId === cameraId && again.track === tracks[1];

      // The track ends by itself though the device is listed: taken again at once.
      tracks[1]?.stop();
      tracks[1]?.dispatchEvent(new Event('ended'));
      await untilState('unplugged');
      await untilState('live');
      slot.empty();
      slot.close();
      slot.close();
      return {
        states,
        stopped,
        whileGone,
        waiting: waiting.kind,
        sameAgain,
        trackStates: tracks.map(({ readyState }) => readyState),
      };
    });
    expect(result.stopped).toBe('ended');
    expect(result.whileGone).toBe(3);
    expect(result.waiting).toBe('unplugged');
    expect(result.sameAgain).toBe(true);
    expect(result.states.slice(0, 3)).toEqual(['opening', 'live', 'unplugged']);
    expect(result.states.slice(-4)).toEqual(['live', 'unplugged', 'live', 'empty']);
    expect(result.trackStates).toEqual(['ended', 'ended', 'ended']);
  });
});

test('a refused camera is said in words a director understands', async () => {
  await onPage(['--deny-permission-prompts', twoDevices], async (page) => {
    const result = await page.evaluate(async () => {
      const states: string[] = [];
      const slot = lab.createDeviceSlot({
        kind: 'camera',
        role: 'Cam A',
        open: async (request) =>
          lab.openCamera({ role: 'Cam A', width: 640, height: 360, fps: 30, ...request }),
        onTrack: () => states.push('track'),
        onState: ({ kind }) => states.push(kind),
      });
      const state = await slot.open();
      const microphone = await lab.openMicrophone({ role: 'Lav', processing: 'music' });
      return { state, states, microphone };
    });
    expect(result.states).toEqual(['opening', 'failed']);
    expect(result.state).toMatchObject({ kind: 'failed', problem: { kind: 'denied' } });
    expect(result.microphone).toMatchObject({ ok: false, problem: { kind: 'denied' } });
    expect(JSON.stringify(result.microphone)).toContain(
      'Lav: the microphone is not allowed. Allow it for this page',
    );
  });
});

test('no camera at all, and one that does not answer in time, are told apart', async () => {
  await onPage([allowed, '--use-fake-device-for-media-stream=device-count=0'], async (page) => {
    const none = await page.evaluate(async () =>
      lab.openCamera({ role: 'Cam A', width: 640, height: 360, fps: 30 }),
    );
    expect(none).toMatchObject({ ok: false, problem: { kind: 'none' } });
    expect(JSON.stringify(none)).toContain('no camera is connected. Plug one in');
  });
  await onPage([allowed, twoDevices], async (page) => {
    const result = await page.evaluate(async () => {
      const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      let release: (() => void) | undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const opened: Promise<MediaStream>[] = [];
      // A driver that answers only after the time-out.
      navigator.mediaDevices.getUserMedia = async (constraints) => {
        const stream = real(constraints);
        opened.push(stream);
        await held;
        return stream;
      };
      const wanted = { role: 'Cam A', width: 640, height: 360, fps: 30 };
      const timedOut = await lab.openCamera({ ...wanted, timeoutMs: 300 });
      const gaveUp = new AbortController();
      const pending = lab.openCamera({ ...wanted, signal: gaveUp.signal });
      gaveUp.abort();
      const cancelled = await pending;
      const late = await Promise.all(opened);
      const tracks = late.flatMap((stream) => stream.getTracks());
      const before = tracks.map(({ readyState }) => readyState);
      release?.();
      const anyLive = () => tracks.some(({ readyState }) => readyState === 'live');
      while (anyLive()) await new Promise((resolve) => requestAnimationFrame(resolve));
      return { timedOut, cancelled, before };
    });
    expect(result.timedOut).toMatchObject({ ok: false, problem: { kind: 'timed-out' } });
    expect(result.cancelled).toMatchObject({ ok: false, problem: { kind: 'cancelled' } });
    // Both came too late, live, and were let go: the page above waited for that.
    expect(result.before).toEqual(['live', 'live']);
  });
});
