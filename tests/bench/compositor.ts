// What a composed frame costs in a real Chromium, by number of layers, with and without a LUT, at 360p and 720p, against
// a thread that only copies frames, in turns within the same run. `npm run bench -- compositor [--json FILE]`.
// Not its job: pixels being right (tests/studio-media), or the way to a viewer (the rehearsal).

import { availableParallelism, loadavg } from 'node:os';
import type { Page } from 'playwright-core';
import { launchBrowser } from '../support/browser.ts';
import { startLabServer } from '../studio-media/lab-server.ts';

export interface CompositorCase {
  readonly layers: number;
  readonly lut: boolean;
  readonly height: number;
  /** Reading, converting and composing, per program frame. */
  readonly msPerFrame: number;
  /** Copying one source's frame, measured before and after. */
  readonly passThroughMs: number;
  /** Program frames that came more than one and a half intervals after the one before, in percent. */
  readonly latePct: number;
}

export interface CompositorBench {
  readonly cases: readonly CompositorCase[];
  /** What a `kill -9` of a recording studio page cost. */
  readonly recordingLostMs: number;
}

const seconds = { settle: 0.2, compose: 2, passThrough: 0.5 } as const;
const fps = 30;

export async function benchCompositor(options: {
  readonly measureRecordingLoss: () => Promise<number>;
}): Promise<CompositorBench> {
  const server = await startLabServer();
  const browser = await launchBrowser();
  const cases: CompositorCase[] = [];
  try {
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.waitForFunction(() => 'lab' in globalThis);
    console.log('layers  LUT  lines   ms/frame   pass-through   late');
    for (const height of [360, 720]) {
      for (const layers of [1, 2, 3, 4]) {
        for (const lut of [false, true]) {
          const one = { layers, lut, height, ...(await measure(page, layers, lut, height)) };
          cases.push(one);
          console.log(
            `${String(layers).padStart(6)}  ${lut ? 'yes' : ' no'}  ${String(height).padStart(5)}   ${one.msPerFrame.toFixed(2).padStart(8)}   ${one.passThroughMs.toFixed(2).padStart(12)}   ${one.latePct.toFixed(1).padStart(4)} %   (load per core ${((loadavg()[0] ?? 0) / availableParallelism()).toFixed(2)})`,
          );
        }
      }
    }
  } finally {
    await browser.close();
    await server.close();
  }
  return { cases, recordingLostMs: await options.measureRecordingLoss() };
}

/** Pass-through, compositor, pass-through, compositor; each alone while its turn lasts. */
async function measure(
  page: Page,
  layers: number,
  lut: boolean,
  height: number,
): Promise<Pick<CompositorCase, 'msPerFrame' | 'passThroughMs' | 'latePct'>> {
  return page.evaluate(
    async ({ layers, lut, height, fps, seconds }) => {
      const size = { width: (height * 16) / 9, height };
      const passThroughMs: number[] = [];
      const msPerFrame: number[] = [];
      let late = 0;
      let frames = 0;
      const wait = async (s: number) =>
        new Promise((resolve) => {
          setTimeout(resolve, s * 1000);
        });

      for (let turn = 0; turn < 2; turn++) {
        const camera = lab.startCamera({ ...size, fps, picture: 'scenery' });
        const bare = lab.startPassThrough(camera.track);
        await wait(seconds.settle);
        await bare.takeCost();
        await wait(seconds.passThrough);
        passThroughMs.push((await bare.takeCost()).msPerFrame);
        bare.close();
        camera.close();

        const cameras = Array.from({ length: layers }, () =>
          lab.startCamera({ ...size, fps, picture: 'scenery' }),
        );
        const compositor = lab.createCompositor({ output: { ...size, fps }, stepsDown: false });
        const colour = lut ? { ...lab.neutralColour, lutId: 'look' } : null;
        if (lut) compositor.addLut('look', lab.parseCube(lab.makeCube(33)));
        const layout = (['full', 'pictureInPicture', 'three', 'four'] as const)[layers - 1] ?? 'four';
        const placed = lab.layoutLayers(
          layout,
          cameras.map((_, i) => `cam${i}`),
        );
        const qr = {
          url: 'https://192.168.178.123:8443/shop/Vh2kQ9pZ/night-tee-black',
          productName: 'Night tee, black',
          priceText: '£20',
          stockText: '12 left of 50',
          insteadOfText: '',
          clockText: '',
          soldOut: false,
          style: 'card',
          corner: 'topRight',
        } as const;
        cameras.forEach(({ track }, i) => compositor.addSource(`cam${i}`, track));
        compositor.setScene(
          lab.createScene(
            placed.map((layer) => ({ ...layer, colour })),
            { overlays: { ...lab.noOverlays, qr } },
          ),
        );
        let reports = 0;
        await lab.untilStats(compositor, (stats) => {
          // The first second's report began before sources, drawings and grades were there.
          if (reports > 0) {
            msPerFrame.push(stats.meanWorkMs);
            late += stats.late;
            frames += stats.framesOut;
          }
          return reports++ >= seconds.compose;
        });
        compositor.close();
        cameras.forEach((source) => source.close());
      }
      const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
      return {
        msPerFrame: mean(msPerFrame),
        passThroughMs: mean(passThroughMs),
        latePct: (100 * late) / Math.max(1, frames),
      };
    },
    { layers, lut, height, fps, seconds },
  );
}
