// The compositor as a director uses it, in a real Chromium: takes, preview, second output, stills, LUTs, stingers; codes
// that are read wherever they stand; nothing that is kept.

import { expect, test } from 'vitest';
import { useLab } from './lab-page.ts';

const openPage = useLab(['--enable-unsafe-swiftshader', '--use-angle=swiftshader']);

const near = (seen: readonly number[] | undefined, expected: readonly number[], tolerance: number): boolean =>
  expected.every((value, i) => Math.abs((seen?.[i] ?? NaN) - value) <= tolerance);

test('a scene becomes the program by a fade, a wipe and a stinger, while preview and second output do their part', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    const compositor = lab.createCompositor({
      output: { width: 640, height: 360, fps: 30 },
      stepsDown: false,
    });
    const faults: string[] = [];
    compositor.onFault((sentence) => faults.push(sentence));
    const one = (colour: readonly [number, number, number]) => ({
      quadrants: [colour, colour, colour, colour],
    });
    const [red, blue] = [
      [220, 20, 20],
      [20, 20, 220],
    ] as const;
    compositor.addSource('a', lab.startCamera({ picture: one(red) }).track);
    compositor.addSource('b', lab.startCamera({ picture: one(blue) }).track);
    const [sceneA, sceneB] = [
      lab.createScene([lab.createLayer('a')]),
      lab.createScene([lab.createLayer('b')]),
    ];
    const middle = [[0.5, 0.5]] as const;
    const sides = [
      [0.25, 0.5],
      [0.75, 0.5],
    ] as const;
    const program = lab.startProbe(compositor.track);
    const preview = lab.startProbe(compositor.previewTrack);
    compositor.setScene(sceneA);
    await lab.untilColour(program, middle, 0, red);

    compositor.setPreview(sceneB);
    await lab.untilColour(preview, middle, 0, blue);
    const stillA = await program.pixels(middle);

    compositor.take(sceneB, { kind: 'fade', durationMs: 1_500 });
    await lab.untilColour(program, middle, 0, [120, 20, 120]);
    await lab.untilColour(program, middle, 0, blue);
    compositor.take(sceneA, { kind: 'wipe', durationMs: 1_500 });
    const wiped = (await lab.untilColour(program, sides, 0, red)).rgb;
    await lab.untilColour(program, sides, 1, red);

    // Laid out for its own shape: what is beside in one is below in the other.
    const second = lab.startProbe(compositor.openSecondOutput({ width: 360, height: 640 }));
    compositor.take(lab.createScene(lab.layoutLayers('sideBySide', ['a', 'b'])), { kind: 'cut' });
    const lowerHalf = (await lab.untilColour(second, [[0.5, 0.75]], 0, blue)).rgb;
    await lab.untilColour(second, [[0.5, 0.25]], 0, red);
    compositor.closeSecondOutput();

    // A still has no frames of its own: the timer keeps the program going.
    const canvas = new OffscreenCanvas(64, 36);
    const pen = canvas.getContext('2d');
    if (pen === null) throw new Error('no canvas');
    pen.fillStyle = 'rgb(200, 180, 20)';
    pen.fillRect(0, 0, 64, 36);
    compositor.addStill('card', canvas.transferToImageBitmap());
    compositor.setScene(lab.createScene([lab.createLayer('card')]));
    await lab.untilColour(program, middle, 0, [200, 180, 20]);

    // A table that answers the same green for everything, half of it taken.
    const green = Array.from({ length: 8 }, () => '0.1 0.7 0.1').join('\n');
    compositor.addLut('green', lab.parseCube(`LUT_3D_SIZE 2\n${green}`));
    const colour = { ...lab.neutralColour, lutId: 'green', lutAmount: 0.5 };
    compositor.setScene(lab.createScene([lab.createLayer('card', { colour })]));
    const graded = (await lab.untilColour(program, middle, 0, [113, 179, 23])).rgb;
    compositor.addLut('green', lab.parseCube(`LUT_3D_SIZE 2\n${green.replaceAll('0.7', '0.1')}`));
    await lab.untilColour(program, middle, 0, [113, 103, 23]);
    compositor.removeSource('card');

    const stinger = (stingerId: string, file: Blob) =>
      new Promise<{ kind: string; sentence?: string }>((resolve) => {
        const stop = compositor.onStinger((id, report) => {
          if (id !== stingerId) return;
          stop();
          resolve(report);
        });
        compositor.addStinger(stingerId, file);
      });
    const broken = await stinger('broken', new Blob(['no video']));
    const ready = await stinger('left', await lab.makeStinger());
    compositor.setScene(sceneA);
    await lab.untilColour(program, middle, 0, red);
    compositor.take(sceneB, { kind: 'stinger', stingerId: 'left', cutAtMs: 0 });
    let covered: readonly (readonly number[])[] = [];
    for (let frame = 0; frame < 10 && !((covered[0]?.[1] ?? 0) > 150); frame++) {
      covered = await program.pixels(sides);
    }
    const after = (await lab.untilColour(program, sides, 0, blue)).rgb;
    compositor.close();
    return { stillA, wiped, lowerHalf, graded, broken, ready, covered, after, faults };
  });
  expect(near(result.stillA[0], [220, 20, 20], 6)).toBe(true);
  expect(near(result.wiped[1], [20, 20, 220], 6)).toBe(true);
  expect(near(result.graded[0], [113, 179, 23], 8)).toBe(true);
  expect(near(result.covered[0], [0, 192, 0], 12)).toBe(true);
  expect(near(result.covered[1], [20, 20, 220], 8)).toBe(true);
  expect(near(result.after[1], [20, 20, 220], 6)).toBe(true);
  expect(result.broken.sentence).toContain('cannot be a stinger');
  expect(result.ready.kind).toBe('ready');
  expect(result.faults).toEqual([]);
  await page.close();
});

test('every style of the code is read from 360 lines in every corner, sold out or not, in both shapes', async () => {
  const page = await openPage();
  const url = 'https://192.168.178.123:8443/shop/Vh2kQ9pZ/night-tee-black';
  const unread = await page.evaluate(async (url) => {
    const failed: string[] = [];
    for (const style of ['card', 'strip', 'code'] as const) {
      for (const [turn, corner] of (
        ['topLeft', 'topRight', 'bottomLeft', 'bottomRight'] as const
      ).entries()) {
        const soldOut = turn % 2 === 1;
        const size = turn < 2 ? { width: 640, height: 360 } : { width: 360, height: 640 };
        const qr = {
          url,
          productName: 'Night tee, black',
          priceText: '£20',
          insteadOfText: '£28',
          clockText: '0:42',
          stockText: '12 left of 50',
          soldOut,
          style,
          corner,
        };
        const overlays = {
          ...lab.noOverlays,
          qr,
          title: { text: 'Drop 7: Night shift', note: 'Fifty pieces' },
          lowerThird: { title: 'Anna Kowalska', subtitle: 'Live from Dalston' },
          pinned: { name: 'mira', text: 'Is the black one heavier than last year?' },
          ticker: { text: 'Free shipping until midnight' },
        };
        const pixels = await lab.drawOverlays(overlays, size, null);
        if (lab.readCode(pixels, size) !== url) failed.push(`${style} ${corner}`);
      }
    }
    return failed;
  }, url);
  expect(unread).toEqual([]);
  await page.close();
});

test.each([
  ['cpu', 500],
  ['webgl', 90],
] as const)(
  'on the %s no frame is kept after %i of them, with sources coming and going under takes',
  async (backend, wanted) => {
    const page = await openPage();
    const result = await page.evaluate(
      async ({ backend, wanted }) => {
        const output = { width: 320, height: 180, fps: 60 };
        const compositor = lab.createCompositor({ output, backend, stepsDown: false });
        const camera = () => lab.startCamera({ width: 320, height: 180, fps: 60, picture: 'scenery' });
        const cameras = [camera(), camera()];
        cameras.forEach(({ track }, i) => compositor.addSource(`cam${i}`, track));
        compositor.openSecondOutput({ width: 180, height: 320 });
        compositor.setVideoDelayMs(100);
        const scenes = (['full', 'sideBySide', 'pictureInPicture'] as const).map((layout) =>
          lab.createScene(lab.layoutLayers(layout, ['cam0', 'cam1'])),
        );
        compositor.setPreview(scenes[1] ?? null);
        let frames = 0;
        let mostOpen = 0;
        let name = '';
        await lab.untilStats(compositor, (stats) => {
          frames += stats.framesOut;
          mostOpen = Math.max(mostOpen, stats.openFrames);
          name = stats.backend;
          const scene = scenes[Math.floor(frames / 50) % scenes.length] ?? lab.createScene([]);
          compositor.take(scene, { kind: 'fade', durationMs: 400 });
          // A camera is unplugged and comes back.
          const next = camera();
          cameras.push(next);
          compositor.removeSource('cam1');
          compositor.addSource('cam1', next.track);
          return frames >= wanted;
        });
        compositor.setPreview(null);
        compositor.closeSecondOutput();
        compositor.setVideoDelayMs(0);
        compositor.removeSource('cam0');
        compositor.removeSource('cam1');
        const after = await lab.untilStats(compositor, ({ framesIn }) => framesIn === 0);
        compositor.close();
        cameras.forEach((source) => source.close());
        return { mostOpen, after, name };
      },
      { backend, wanted },
    );
    expect(result.name).toBe(backend === 'cpu' ? 'cpu-i420' : 'webgl2');
    // Held back by 100 ms: six on their way, three being written, and those of the sources and the other outputs.
    expect(result.mostOpen).toBeLessThanOrEqual(24);
    expect(result.after.openFrames).toBeLessThanOrEqual(2);
    await page.close();
  },
);

test('on a machine too slow for it the second output ends, then the program is made smaller on the same track; the director is told', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    // Three scaled layers of 4K are too much for any processor.
    const output = { width: 3840, height: 2160, fps: 30 };
    const compositor = lab.createCompositor({ output, backend: 'cpu' });
    const gaveUp: string[] = [];
    const told = new Promise<{ sentence: string; height: number }>((resolve) =>
      compositor.onStepDown(({ kind, sentence, output: { height } }) => {
        gaveUp.push(kind);
        if (kind === 'output') resolve({ sentence, height });
      }),
    );
    const second = compositor.openSecondOutput({ width: 2160, height: 3840 });
    const picture = { quadrants: Array.from({ length: 4 }, () => [220, 20, 20] as const) };
    for (const id of ['a', 'b', 'c']) {
      compositor.addSource(id, lab.startCamera({ width: 320, height: 180, fps: 30, picture }).track);
    }
    compositor.setScene(lab.createScene(lab.layoutLayers('three', ['a', 'b', 'c'])));
    const { sentence, height } = await told;
    const { output: now, second: size } = compositor.snapshot();
    const probe = lab.startProbe(compositor.track);
    const { rgb } = await lab.untilColour(probe, [[0.2, 0.5]], 0, [220, 20, 20]);
    compositor.close();
    return { sentence, height, rgb, now, gaveUp, second: [second.readyState, size] };
  });
  expect(result.gaveUp.slice(0, 2)).toEqual(['closeSecond', 'output']);
  expect(result.second).toEqual(['ended', null]);
  expect(result.sentence).toContain('720 lines');
  expect(result.height).toBe(720);
  expect(near(result.rgb[0], [220, 20, 20], 6)).toBe(true);
  expect(result.now).toMatchObject({ width: 1280, height: 720 });
  await page.close();
});
