// The program while nobody sees the studio: behind another tab, minimised, and with its page stuck on top of that, in a
// browser that throttles what is hidden.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { PlainBrowser } from '../support/plain-browser.ts';
import { launchPlain } from '../support/plain-browser.ts';
import type { LabServer } from './lab-server.ts';
import { startLabServer } from './lab-server.ts';

let server: LabServer | undefined;
let browser: PlainBrowser | undefined;

beforeAll(async () => {
  server = await startLabServer();
  browser = await launchPlain(server.url);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const seen = z.object({ visibility: z.string(), frames: z.number(), worstGapMs: z.number() });

/** On the page: two cameras, a program with both and its preview; `watch` counts the program's frames for two seconds. */
const setUp = `(async () => {
  const compositor = lab.createCompositor({ output: { width: 640, height: 360, fps: 30 }, stepsDown: false });
  compositor.addSource('a', lab.startCamera().track);
  compositor.addSource('b', lab.startCamera().track);
  const scene = lab.createScene(lab.layoutLayers('pictureInPicture', ['a', 'b']));
  const full = lab.createScene([lab.createLayer('b')]);
  compositor.setScene(scene);
  compositor.setPreview(full);
  const probe = lab.startProbe(compositor.track);
  await lab.untilStats(compositor, ({ framesOut }) => framesOut > 25);
  globalThis.watch = async (blockMs) => {
    await probe.takeTimes();
    compositor.take(compositor.snapshot().scene === full ? scene : full, { kind: 'fade', durationMs: 1500 });
    const untilMs = performance.now() + blockMs;
    while (performance.now() < untilMs);
    if (blockMs === 0) {
      let reports = 0;
      await lab.untilStats(compositor, () => ++reports === 3);
    }
    const { arrivalsMs } = await probe.takeTimes();
    return { visibility: document.visibilityState, frames: arrivalsMs.length, worstGapMs: lab.worstGap(arrivalsMs) };
  };
})()`;

test('frames keep coming behind another tab, minimised, and while the hidden page is stuck for 2 s', async () => {
  if (browser === undefined) throw new Error('no browser');
  const studio = browser;
  const watch = async (blockMs: number) => seen.parse(await studio.evaluate(`watch(${blockMs})`));
  const untilHidden = `new Promise((done) => {
    const look = () => document.visibilityState === 'hidden' && done();
    document.addEventListener('visibilitychange', look);
    look();
  })`;
  await studio.evaluate(setUp);
  expect(await studio.evaluate('document.visibilityState')).toBe('visible');
  await studio.cover();
  await studio.evaluate(untilHidden);
  const behind = await watch(0);
  const stuck = await watch(2_000);
  await studio.minimise();
  const minimised = await watch(0);
  for (const { visibility, frames, worstGapMs } of [behind, stuck, minimised]) {
    expect(visibility).toBe('hidden');
    // Two seconds make sixty frames on a calm machine; a timer of a hidden page would make two, a page that is stuck none.
    expect(frames).toBeGreaterThan(20);
    expect(worstGapMs).toBeLessThan(900);
  }
});
