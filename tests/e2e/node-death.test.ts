// A media node dies under a live show: a real fan page has pictures again from the spare, the show comes back live, and
// nobody reloads. How long it takes is measured by `npm run chaos`, not here.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { launchBrowser } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { openSyntheticStudio, type SyntheticStudio } from '../support/synthetic-studio/index.ts';

let server: TestServer;
let browser: Browser;
let studio: SyntheticStudio;
let fan: Page;
let loads = 0;

const debugShape = z.object({
  shows: z.object({ current: z.object({ program: z.object({ source: z.string() }) }) }),
  placement: z.object({
    takeovers: z.number(),
    pipes: z.array(z.object({ open: z.boolean() })),
    nodes: z.array(z.object({ state: z.string(), role: z.string().nullable() })),
  }),
  nodes: z.array(z.object({ role: z.string(), detail: z.object({ workerPid: z.number() }) })),
});
const recordingsShape = z.object({ recordings: z.array(z.object({ bytes: z.number() })) });
const debug = async () => {
  const headers = { authorization: `Bearer ${server.studioKey}` };
  const answer = await fetch(`${server.origin}/api/debug`, { headers });
  return debugShape.parse(await answer.json());
};

/** Origin, edge and a spare that is joined to both: nothing is on its way any more. */
const allInPlace = async () => {
  await expect
    .poll(async () => {
      const { placement } = await debug();
      const parts = ['edge', 'origin', 'spare'].filter((part) =>
        placement.nodes.some(({ role }) => role === part),
      );
      return [parts.join(' '), placement.pipes.filter(({ open }) => open).length];
    })
    .toEqual(['edge origin spare', 3]);
};

/** Sizes of the program's recordings, the latest first. */
const recorded = async (): Promise<number[]> => {
  const headers = { authorization: `Bearer ${server.studioKey}` };
  const answer = await fetch(`${server.origin}/api/recordings`, { headers });
  const { recordings } = recordingsShape.parse(await answer.json());
  return recordings.map(({ bytes }) => bytes);
};

const onAir = async (source: string) => {
  await expect.poll(async () => (await debug()).shows.current.program.source, { interval: 100 }).toBe(source);
};

/** Notes when each picture comes onto the fan's screen. */
const watchFrames = (page: Page) =>
  page.evaluate(() => {
    const video = document.querySelector('video');
    if (!video) throw new Error('There is no video.');
    const times: number[] = [];
    Object.assign(globalThis, { frameTimes: times });
    const next = () => {
      times.push(performance.timeOrigin + performance.now());
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  });
const frameTimes = async (): Promise<number[]> =>
  z.array(z.number()).parse(await fan.evaluate(() => Reflect.get(globalThis, 'frameTimes')));
const framesSince = async (atMs: number, count: number) => {
  await expect
    .poll(async () => (await frameTimes()).filter((each) => each > atMs).length)
    .toBeGreaterThan(count);
};
const nowMs = () => performance.timeOrigin + performance.now();

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  studio = await openSyntheticStudio(browser, server);
  await studio.goLive();
  fan = await (await browser.newContext({ viewport: { width: 640, height: 700 } })).newPage();
  fan.on('load', () => (loads += 1));
  await fan.goto(server.viewerUrl);
  await watchFrames(fan);
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

test.each(['edge', 'origin'])(
  '[NODE2] [NODE4] the %s is killed: pictures go on from the spare, the show is live again by itself',
  async (role) => {
    await allInPlace();
    await onAir('studio');
    const before = await debug();
    await framesSince(nowMs(), 20);
    const killedAtMs = nowMs();
    process.kill(before.nodes.find((node) => node.role === role)?.detail.workerPid ?? 0, 'SIGKILL');
    await framesSince(killedAtMs + 500, 20);
    await onAir('studio');
    await framesSince(nowMs(), 20);

    // The origin writes the server's recording: another goes on in another file.
    await expect
      .poll(async () => (await recorded()).filter((bytes) => bytes > 0).length)
      .toBe(role === 'origin' ? 2 : 1);
    expect((await debug()).placement.takeovers).toBe(before.placement.takeovers + 1);
    expect(loads).toBe(1);
    const times = (await frameTimes()).filter((at) => at > killedAtMs - 200);
    const gapMs = Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? at)));
    console.log(`longest time without a new picture, ${role} killed: ${gapMs.toFixed(0)} ms`);
  },
  120_000,
);
