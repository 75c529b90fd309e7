// A co-host by link: joins, is put on the picture, hears everyone but themselves, comes back after a reload, is shown
// the door. Two real Chromium windows against the real server.
import type { Browser, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { expectAccessible } from '../support/accessible.ts';
import { fakeMediaArgs } from '../support/browser.ts';
import type { TestServer } from '../support/server.ts';
import {
  colourAt,
  patiently,
  expectNoOverflow,
  goLive,
  laptop,
  openPerson,
  openStudio,
  phone,
  pixelsOf,
  seePictures,
  useServerPerTry,
} from './studio-steps.ts';

const program = '[aria-label="Program: the picture fans get"]';
const programAtGuest = '[aria-label="The program fans see"]';

const invite = async (studio: Page, name: string): Promise<string> => {
  await studio.getByRole('tab', { name: 'People' }).click();
  await studio.getByLabel('Guest’s name').fill(name);
  await studio.getByRole('button', { name: 'Invite' }).click();
  return studio.getByLabel(`link for ${name}`, { exact: true }).inputValue();
};

const join = async (guest: Page): Promise<void> => {
  await guest.getByRole('button', { name: 'Turn on camera and microphone' }).click();
  await guest.getByRole('heading', { name: 'Ready to join' }).waitFor();
  await guest.getByRole('button', { name: 'Join the show' }).click();
  await guest.getByRole('heading', { name: 'Waiting' }).waitFor();
};

const banner = (guest: Page, words: string) =>
  guest.getByRole('heading', { name: words, exact: true }).waitFor();

/** Before the page's own code: a camera of one colour and a microphone of one tone, and an ear at what is played. */
const becomeSynthetic = (page: Page, colour: string, toneHz: number) =>
  page.addInitScript(
    ({ colour, toneHz }) => {
      const played: HTMLMediaElement[] = [];
      Object.assign(globalThis, { played });
      const sound = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'srcObject');
      Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', {
        ...sound,
        set(this: HTMLMediaElement, stream: MediaProvider | null) {
          played.push(this);
          sound?.set?.call(this, stream);
        },
      });
      const camera = () => {
        const canvas = document.createElement('canvas');
        canvas.width = 640;
        canvas.height = 360;
        const pen = canvas.getContext('2d');
        let step = 0;
        setInterval(() => {
          if (!pen) return;
          pen.fillStyle = colour;
          pen.fillRect(0, 0, 640, 360);
          pen.fillStyle = '#fff';
          pen.fillRect((step += 8) % 640, 340, 40, 20);
        }, 33);
        return canvas.captureStream(30);
      };
      const microphone = () => {
        const context = new AudioContext();
        const out = context.createMediaStreamDestination();
        const tone = new OscillatorNode(context, { frequency: toneHz });
        tone.connect(new GainNode(context, { gain: 0.3 })).connect(out);
        tone.start();
        return out.stream;
      };
      // The studio trusts the list of devices, so these are in it.
      const devices = [
        { kind: 'videoinput', deviceId: 'synthetic-camera', groupId: 'synthetic', label: 'Synthetic camera' },
        { kind: 'audioinput', deviceId: 'synthetic-tone', groupId: 'synthetic', label: 'Synthetic tone' },
      ];
      const named = (stream: MediaStream, index: number) => {
        for (const track of stream.getTracks()) {
          const settings = track.getSettings();
          track.getSettings = () => ({ ...settings, ...devices[index], kind: undefined });
          Object.defineProperty(track, 'label', { value: devices[index]?.label });
        }
        return stream;
      };
      Object.assign(navigator.mediaDevices, {
        enumerateDevices: () => Promise.resolve(devices),
        getUserMedia: (constraints: MediaStreamConstraints) =>
          Promise.resolve(constraints.video ? named(camera(), 0) : named(microphone(), 1)),
      });
    },
    { colour, toneHz },
  );

/**
 * Level of each tone in what the page plays now (or its video, for a fan), in dB: the most of a second and a half, or what
 * was heard when the first of them was loud enough.
 */
const levelsHeard = (page: Page, tonesHz: number[], enoughDb = Infinity): Promise<number[]> =>
  page.evaluate(
    async ({ tonesHz, enoughDb }) => {
      const played: unknown = Reflect.get(globalThis, 'played');
      const elements = Array.isArray(played) ? played : [];
      const heard = elements.findLast(
        (each): each is HTMLMediaElement =>
          each instanceof HTMLMediaElement &&
          (each instanceof HTMLVideoElement || !each.muted) &&
          each.srcObject instanceof MediaStream &&
          each.srcObject.getAudioTracks().length > 0,
      );
      if (!(heard?.srcObject instanceof MediaStream)) return tonesHz.map(() => -Infinity);
      const context = new AudioContext();
      const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0.6 });
      context.createMediaStreamSource(heard.srcObject).connect(analyser);
      const bins = new Float32Array(analyser.frequencyBinCount);
      const best = tonesHz.map(() => -Infinity);
      const endAt = performance.now() + 1_500;
      while (performance.now() < endAt && !((best[0] ?? -Infinity) > enoughDb)) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
        analyser.getFloatFrequencyData(bins);
        tonesHz.forEach((tone, index) => {
          const bin = Math.round((tone * analyser.fftSize) / context.sampleRate);
          best[index] = Math.max(best[index] ?? -Infinity, bins[bin] ?? -Infinity);
        });
      }
      await context.close();
      return best;
    },
    { tonesHz, enoughDb },
  );

const audibleDb = -45;

/** Resolves when the page plays the tone. */
const hears = async (page: Page, toneHz: number): Promise<void> => {
  await expect
    .poll(async () => (await levelsHeard(page, [toneHz], audibleDb))[0] ?? -Infinity, patiently)
    .toBeGreaterThan(audibleDb);
};

describe('co-host', () => {
  let browser: Browser;
  let server: TestServer;
  useServerPerTry(fakeMediaArgs, (openBrowser, started) => {
    [browser, server] = [openBrowser, started];
  });

  it('joins by link, is put on air and taken off, comes back after a reload, and loses the link when removed', async () => {
    const { context, page: studio, errors } = await openStudio(browser, server);
    const link = await invite(studio, 'Ana Ferreira');
    const {
      context: guestContext,
      page: guest,
      errors: guestErrors,
    } = await openPerson(browser, link, phone);
    expect(guest.url()).toBe(`${server.origin}/cohost`);
    await expectAccessible(guest);
    await guest.getByRole('button', { name: 'Turn on camera and microphone' }).click();
    await seePictures(guest, '[aria-label="Your own picture"]');
    await guest.getByLabel('Microphone', { exact: true }).selectOption({ label: 'Fake Audio Input 1' });
    await guest.getByRole('button', { name: 'Mute' }).waitFor();
    // Nobody sees them before they join.
    await studio.getByText('not here').waitFor();
    await guest.getByRole('button', { name: 'Join the show' }).click();
    await banner(guest, 'Waiting');
    await seePictures(studio, '[aria-label="Ana Ferreira’s camera"]');

    await goLive(studio);
    await guest.getByText('You are not on air. The director sees you.').waitFor();
    await seePictures(guest, programAtGuest);
    await studio.getByRole('button', { name: 'Side by side: Ana Ferreira' }).click();
    await banner(guest, 'ON AIR');
    await expectAccessible(guest);
    await expectNoOverflow(guest);
    // The dark line between the two halves is in the middle of the composed picture.
    await expect
      .poll(async () => colourAt(await pixelsOf(studio, program), 0.5, 0.2).green, patiently)
      .toBeLessThan(40);
    await expectAccessible(studio);

    await guest.reload();
    await banner(guest, 'ON AIR');
    await seePictures(studio, '[aria-label="Ana Ferreira’s camera"]');
    await expect
      .poll(async () => colourAt(await pixelsOf(studio, program), 0.5, 0.2).green, patiently)
      .toBeLessThan(40);

    // Camera off leaves the guest's sound on air and the studio's camera alone on the picture.
    await guest.getByRole('button', { name: 'Turn camera off' }).click();
    await studio.getByText('camera off').waitFor();
    await expect
      .poll(async () => colourAt(await pixelsOf(studio, program), 0.5, 0.2).green, patiently)
      .toBeGreaterThan(80);
    await guest.getByRole('button', { name: 'Turn camera on' }).click();
    await seePictures(studio, '[aria-label="Ana Ferreira’s camera"]');

    await studio.keyboard.press('Shift+1');
    await banner(guest, 'Waiting');
    await studio.getByRole('button', { name: 'Remove Ana Ferreira' }).click();
    await studio.getByRole('button', { name: 'Remove for good: Ana Ferreira' }).click();
    await guest.getByText('The director has withdrawn this link. Ask for a new one.').waitFor();
    await expectAccessible(guest);
    await guest.goto('about:blank');
    await guest.goto(link);
    await guest.getByRole('heading', { name: 'You are not in the show' }).waitFor();

    expect(errors).toEqual([]);
    expect(guestErrors).toEqual([]);
    await Promise.all([context.close(), guestContext.close()]);
  });

  it('hears everyone but themselves, and is heard in the program only while on it', async () => {
    const studioTone = 997;
    const guestTone = 1847;
    const studioContext = await browser.newContext({ viewport: laptop });
    const studio = await studioContext.newPage();
    await becomeSynthetic(studio, '#802020', studioTone);
    await studio.goto(server.studioUrl);
    await studio.getByRole('button', { name: 'Turn on camera and microphone' }).click();
    await studio.getByText(/live \d+\.\d fps/).waitFor();
    await goLive(studio);
    const guestContext = await browser.newContext({ viewport: phone });
    const guest = await guestContext.newPage();
    await becomeSynthetic(guest, '#202080', guestTone);
    await guest.goto(await invite(studio, 'Bo'));
    await join(guest);
    const fanContext = await browser.newContext({ viewport: laptop });
    const fan = await fanContext.newPage();
    await becomeSynthetic(fan, '#000', 0);
    await fan.goto(server.viewerUrl);
    await fan.locator('.badge-live').waitFor();
    await fan.getByRole('button', { name: 'Tap for sound' }).click();
    await hears(fan, studioTone);
    const [live = -Infinity, waiting = -Infinity] = await levelsHeard(fan, [studioTone, guestTone]);
    expect(live - waiting).toBeGreaterThan(20);
    await studio.getByRole('button', { name: 'Full: Bo' }).click();
    await banner(guest, 'ON AIR');
    await hears(fan, guestTone);

    await hears(guest, studioTone);
    const [others = -Infinity, self = -Infinity] = await levelsHeard(guest, [studioTone, guestTone]);
    expect(others - self).toBeGreaterThan(30);

    // After a reload they hear the others again.
    await guest.reload();
    await banner(guest, 'ON AIR');
    await hears(guest, studioTone);

    // The director hears a guest by choice, on this computer only.
    await studio.getByRole('button', { name: 'Hear Bo' }).click();
    await hears(studio, guestTone);
    await Promise.all([studioContext.close(), guestContext.close(), fanContext.close()]);
  });
});
