// A fan and a studio whose network goes and comes back, in real Chromium, over a way that can be cut: nobody reloads anything.
// The order of remedies is tests/renderer/ladder.test.ts; how long each outage lasts on a screen is `npm run chaos`.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import * as z from 'zod';
import { expectAccessible } from '../support/accessible.ts';
import { launchBrowser, patienceMs } from '../support/browser.ts';
import { nightTee } from '../support/products.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { openSyntheticStudio, type SyntheticStudio } from '../support/synthetic-studio/index.ts';
import type { SyntheticStudioPage } from '../support/synthetic-studio/page.ts';
import { openWeakPath, type WeakPath } from '../support/weak-path.ts';
import { seePictures } from './studio-steps.ts';

declare const syntheticStudio: SyntheticStudioPage;

let server: TestServer;
let browser: Browser;
let studioPath: WeakPath;
let fanPath: WeakPath;
let studio: SyntheticStudio;
let fan: Page;
const problems: string[] = [];

/** Requests the fan's page has sent, by name, on whichever socket. */
const asked: string[] = [];

const badge = (kind: string) => fan.locator(`.badge-${kind}`).waitFor({ timeout: patienceMs });

const request = z.object({ q: z.number(), m: z.string() });
const noteRequests = (page: Page) => {
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => {
      const sent = request.safeParse(JSON.parse(payload.toString()));
      if (sent.success) asked.push(sent.data.m);
    });
  });
};

/** What a phone's browser says of its network; desktop browsers do not tell which one it is. */
const phoneNetwork = () => {
  const network = Object.assign(new EventTarget(), { type: 'wifi' });
  Object.defineProperty(navigator, 'connection', { value: network });
};

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  [studioPath, fanPath] = await Promise.all([openWeakPath(server.origin), openWeakPath(server.origin)]);
  studio = await openSyntheticStudio(browser, server, studioPath);
  await studio.call('setProduct', nightTee);
  await studio.goLive();
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
  await fanPath.install(context);
  await context.addInitScript(phoneNetwork);
  fan = await context.newPage();
  fan.on('pageerror', (error) => problems.push(error.message));
  noteRequests(fan);
  await fan.goto(`${fanPath.origin}/watch/${server.showId}`);
  await badge('live');
  await fan.evaluate(() => {
    document.body.dataset['sameDocument'] = 'yes';
  });
});

// Also for the second try of a test that failed in an outage.
beforeEach(async () => {
  for (const path of [studioPath, fanPath]) {
    path.mend();
    path.setWeather({});
  }
  await studio.show('calm');
  await badge('live');
});
afterAll(async () => {
  await browser.close();
  await Promise.all([studioPath.close(), fanPath.close()]);
  await server.close();
});

test.each<[string, () => void]>([
  ['the browser is online again', () => void dispatchEvent(new Event('online'))],
  [
    'the phone goes from Wi-Fi to mobile',
    () => {
      const network: unknown = Reflect.get(navigator, 'connection');
      if (!(network instanceof EventTarget)) throw new Error('It says nothing of its network.');
      Reflect.set(network, 'type', 'cellular');
      network.dispatchEvent(new Event('change'));
    },
  ],
])(
  '[RECOVER4] %s: another way to the same transport at once, under a picture that goes on',
  async (_, change) => {
    asked.length = 0;
    await fan.evaluate(change);
    await expect.poll(() => asked).toContain('restartIce');
    await seePictures(fan, '#program', 15);
    expect(asked).not.toContain('openReceive');
  },
);

test('[RECOVER4] back from the background: nothing is done about a picture that flows, and ICE at once about a dead path', async () => {
  asked.length = 0;
  const shown = () => void document.dispatchEvent(new Event('visibilitychange'));
  await fan.evaluate(shown);
  await seePictures(fan, '#program', 5);
  expect(asked).not.toContain('restartIce');
  // By itself the page would ask for a key frame, and for nothing more while the answer to that is owed. Looked at again and
  // again until it says what is wrong, as a slow machine may take its time to find out.
  await fan.evaluate(() => {
    const looking = setInterval(() => {
      document.dispatchEvent(new Event('visibilitychange'));
      if (document.querySelector('.badge-reconnecting')) clearInterval(looking);
    }, 100);
  });
  fanPath.cut();
  await expect.poll(() => asked).toContain('restartIce');
  expect(asked).not.toContain('consume');
  expect(asked).not.toContain('openReceive');
  fanPath.mend();
  await badge('live');
  await seePictures(fan, '#program', 15);
});

test('the layer follows the bandwidth: a smaller picture where the large one no longer fits, the large one when it does', async () => {
  const height = () => fan.evaluate(() => document.querySelector<HTMLVideoElement>('#program')?.videoHeight);
  await expect.poll(height).toBe(360);
  // The layers then take about 800 and 220 kbit/s.
  await studio.show('busy');
  fanPath.setWeather({ kbps: 400 });
  await expect.poll(height).toBe(180);
  // It is a picture that moves, not one that was left.
  await seePictures(fan, '#program', 15);
  fanPath.setWeather({});
  await expect.poll(height).toBe(360);
});

test('[RECOVER7] without network a fan sees moving pictures and the card; the show is back by itself when the network is', async () => {
  await fan.waitForFunction(() => {
    const clip = document.querySelector('#standby');
    return clip instanceof HTMLVideoElement && clip.readyState >= 2;
  });
  expect(await fan.locator('#standby').isVisible()).toBe(false);

  fanPath.cut();
  await badge('reconnecting');
  await fan.locator('#standby').waitFor({ state: 'visible', timeout: patienceMs });
  await seePictures(fan, '#standby', 10);
  expect(await fan.getByRole('article', { name: 'Night tee' }).innerText()).toContain('50 left of 50');
  await fan.getByRole('button', { name: 'Retry now' }).waitFor();
  await expectAccessible(fan);

  fanPath.mend();
  await badge('live');
  await fan.locator('#standby').waitFor({ state: 'hidden' });
  await seePictures(fan, '#program', 15);
  expect(await fan.evaluate(() => document.body.dataset['sameDocument'])).toBe('yes');
});

test('[RECOVER3] an outage long enough to lose the socket is survived too, on the same page', async () => {
  fanPath.cut();
  await badge('reconnecting');
  // The server has been silent for so long that the page tries a new session; that one hangs in the cut as well.
  await fan.locator('.recovering').getByText('The show cannot be reached').waitFor({ timeout: patienceMs });
  fanPath.mend();
  await badge('live');
  await seePictures(fan, '#program', 15);
  expect(await fan.evaluate(() => document.body.dataset['sameDocument'])).toBe('yes');
  expect(problems).toEqual([]);
});

/** What the studio's encoder of the program's picture has done so far, all layers together. */
const encoded = () =>
  studio.page.evaluate(async () => {
    const report = await syntheticStudio.open?.sent[0]?.stats();
    const streams: { ssrc: number; frames: number }[] = [];
    report?.forEach((stat: RTCOutboundRtpStreamStats) => {
      if (stat.type === 'outbound-rtp') streams.push({ ssrc: stat.ssrc, frames: stat.framesEncoded ?? 0 });
    });
    return {
      ssrcs: streams.map(({ ssrc }) => ssrc).toSorted((a, b) => a - b),
      frames: streams.reduce((sum, { frames }) => sum + frames, 0),
      media: syntheticStudio.open?.session.snapshot().media?.send,
      sending: syntheticStudio.open?.session.store.getState().sending.kind,
    };
  });

test('[RECOVER5] a studio whose path is cut knows it by itself, and goes on with the same encoder when it is back', async () => {
  await expect.poll(async () => (await encoded()).sending).toBe('flowing');
  const before = await encoded();
  expect(before.frames).toBeGreaterThan(30);

  studioPath.cut();
  await badge('standby');
  await expect.poll(async () => (await encoded()).sending).toBe('stalled');

  studioPath.mend();
  await badge('live');
  await expect.poll(async () => (await encoded()).sending).toBe('flowing');
  const after = await encoded();
  expect(after.ssrcs).toEqual(before.ssrcs);
  expect(after.frames).toBeGreaterThan(before.frames);
  expect(after.media?.recoveries).toBeGreaterThan(before.media?.recoveries ?? 0);
});
