// What a scene says: layouts, where layers land, how one scene becomes the next, how overlays come and go. Pure.

import { expect, test } from 'vitest';
import type { Composition, Drawing } from '../../renderer/studio/media/backend.ts';
import { createOverlay } from '../../renderer/studio/media/mixing.ts';
import { overlayKey, planOverlays } from '../../renderer/studio/media/overlay-layout.ts';
import { createOverlayMotion } from '../../renderer/studio/media/overlay-motion.ts';
import type { Preparation } from '../../renderer/studio/media/preparation.ts';
import { placeLayer } from '../../renderer/studio/media/placement.ts';
import type { Layer, QrCard, Rect, Rotation } from '../../renderer/studio/media/scene.ts';
import {
  checkOutput,
  createLayer,
  createScene,
  layoutLayers,
  layoutPlaces,
  layouts,
  layoutScene,
  noOverlays,
  turnScene,
} from '../../renderer/studio/media/scene.ts';
import { createStage } from '../../renderer/studio/media/stage.ts';
import { createStepDownJudge } from '../../renderer/studio/media/step-down.ts';
import { createSwitcher } from '../../renderer/studio/media/switcher.ts';

const output = { width: 640, height: 360 };
const names = (layers: readonly Layer[]) => layers.map(({ sourceId }) => sourceId);

test('each layout gives its sources places in order that neither overlap by accident nor leave the picture', () => {
  for (const aspect of ['landscape', 'portrait'] as const) {
    for (const layout of layouts) {
      const ids = ['a', 'b', 'c', 'd'].slice(0, layoutPlaces[layout]);
      const layers = layoutLayers(layout, ids, aspect);
      expect(names(layers)).toEqual(ids);
      for (const { rect } of layers) {
        expect(Math.min(rect.x, rect.y)).toBeGreaterThanOrEqual(0);
        expect(Math.max(rect.x + rect.width, rect.y + rect.height)).toBeLessThanOrEqual(1 + 1e-9);
      }
      const [base] = layers;
      const tiles = base?.rect.width === 1 && base.rect.height === 1 ? layers.slice(1) : layers;
      tiles.forEach((one, i) =>
        tiles.slice(i + 1).forEach((other) => expect(overlap(one.rect, other.rect)).toBe(0)),
      );
    }
  }
});

const overlap = (a: Rect, b: Rect): number =>
  Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));

test('a layout of two with one source shows it full; an empty place of a larger one stays empty', () => {
  const ids = (cameraId: string | null, guestId: string | null) =>
    names(layoutScene({ layout: 'sideBySide', cameraId, guestId }).layers);
  expect(ids('cam', 'guest')).toEqual(['cam', 'guest']);
  expect(ids('cam', null)).toEqual(['cam']);
  expect(ids(null, 'guest')).toEqual(['guest']);
  expect(ids(null, null)).toEqual([]);
  expect(layoutLayers('pictureInPicture', ['a', null])[0]?.rect.width).toBe(1);
  const four = layoutLayers('four', ['a', null, 'c', 'd']);
  expect(names(four)).toEqual(['a', 'c', 'd']);
  expect(four[1]?.rect.y).toBeGreaterThan(0.5);
});

test('for the other aspect the same sources are laid out anew and keep their look', () => {
  const colour = { exposureEv: 1, contrast: 1, saturation: 1, temperature: 0, lutId: null, lutAmount: 1 };
  const beside = createScene(
    layoutLayers('sideBySide', ['a', 'b']).map((layer) => ({ ...layer, colour, rotation: 90 as const })),
  );
  const turned = turnScene(beside, 'portrait').layers;
  expect(names(turned)).toEqual(['a', 'b']);
  expect(turned.map(({ rect }) => rect.width)).toEqual([1, 1]);
  expect(turned.every((layer) => layer.colour === colour && layer.rotation === 90)).toBe(true);
  const inset = turnScene(createScene(layoutLayers('pictureInPicture', ['a', 'b'])), 'portrait').layers;
  expect(inset[0]?.rect.height).toBe(1);
  expect(inset[1]?.rect.height).toBeLessThan(0.5);
});

test('layers land on even pixels: cover cuts the longer side, contain leaves ground', () => {
  const upright = { rotation: 0, flip: 'none' } as const;
  expect(placeLayer(createLayer('a'), { width: 640, height: 480 }, output)).toEqual({
    crop: { x: 0, y: 60, width: 640, height: 360 },
    target: { x: 0, y: 0, width: 640, height: 360 },
    ...upright,
  });
  const phone = { width: 360, height: 640 };
  expect(placeLayer(createLayer('a', { fit: 'contain' }), phone, output)?.target).toEqual({
    x: 218,
    y: 0,
    width: 202,
    height: 360,
  });
  const third = createLayer('a', { rect: { x: 0, y: 0, width: 0.333, height: 1 } });
  for (const [width, height] of [
    [641, 359],
    [33, 17],
    [1, 1],
  ] as const) {
    const { x, y, ...size } = placeLayer(third, { width, height }, output)?.target ?? {
      x: 1,
      y: 1,
      width: 1,
      height: 1,
    };
    expect([x % 2, y % 2, size.width % 2, size.height % 2]).toEqual([0, 0, 0, 0]);
  }
  const sliver = createLayer('a', { rect: { x: 0, y: 0, width: 0.001, height: 1 } });
  expect(placeLayer(sliver, output, output)).toBeNull();
});

test('a layer moved off the picture is cut by the edge and not squeezed', () => {
  const moved = (x: number, y: number, flip: Layer['flip'] = 'none') =>
    placeLayer(createLayer('a', { rect: { x, y, width: 1, height: 1 }, flip }), output, output);
  expect(moved(-0.25, 0)).toMatchObject({
    crop: { x: 160, y: 0, width: 480, height: 360 },
    target: { x: 0, y: 0, width: 480, height: 360 },
  });
  expect(moved(0, 0.5)).toMatchObject({
    crop: { x: 0, y: 0, width: 640, height: 180 },
    target: { x: 0, y: 180, width: 640, height: 180 },
  });
  // In a mirror the source's right side lies left.
  expect(moved(-0.25, 0, 'horizontal')?.crop).toMatchObject({ x: 0, width: 480 });
  expect(moved(1.1, 0)).toBeNull();
});

test('the crop of a turned camera is that of the picture as it is seen', () => {
  const size = { width: 640, height: 360 };
  const portrait = { width: 360, height: 640 };
  const cropOf = (rotation: Rotation) =>
    placeLayer(
      createLayer('a', { rotation, crop: { x: 0, y: 0, width: 0.5, height: 0.5 } }),
      size,
      rotation === 180 ? size : portrait,
    )?.crop;
  // The upper left of what is seen is another corner of what is stored.
  expect(cropOf(90)).toEqual({ x: 0, y: 180, width: 320, height: 180 });
  expect(cropOf(180)).toEqual({ x: 320, y: 180, width: 320, height: 180 });
  expect(cropOf(270)).toEqual({ x: 320, y: 0, width: 320, height: 180 });
  // A crop of nothing would show nothing.
  const slip = createLayer('a', { crop: { x: 0.5, y: 0.5, width: 0, height: 0 } });
  expect(placeLayer(slip, size, size)?.crop).toMatchObject({ width: 640, height: 360 });
});

test('an output no encoder takes is refused in words; odd sides are rounded down', () => {
  expect(checkOutput({ width: 641, height: 361, fps: 30 })).toEqual({ width: 640, height: 360, fps: 30 });
  expect(() => checkOutput({ width: 0, height: 360, fps: 30 })).toThrow('not possible');
  expect(() => checkOutput({ width: 640, height: 360, fps: Number.NaN })).toThrow('not possible');
});

test('a transition lasts as long in program time as it was asked to, whatever the frame rate', () => {
  const [one, two, three] = ['a', 'b', 'c'].map((id) => createScene([createLayer(id)]));
  if (one === undefined || two === undefined || three === undefined) throw new Error('three scenes');
  const switcher = createSwitcher(one, (id) => (id === 'sweep' ? 800 : null));
  expect(switcher.at(1_000_000)).toEqual({ kind: 'scene', scene: one });
  switcher.take(two, { kind: 'fade', durationMs: 500 });
  expect(switcher.scenes()).toEqual([one, two]);
  expect(switcher.at(1_100_000)).toEqual({ kind: 'fade', from: one, to: two, amount: 0.2 });
  // What is becoming the program can change on its way: a price, a stock.
  const changed = { ...two, slate: { title: 'x', note: '' } };
  switcher.show(changed);
  expect(switcher.at(1_400_000)).toEqual({ kind: 'fade', from: one, to: changed, amount: 0.8 });
  expect(switcher.at(1_500_000)).toEqual({ kind: 'scene', scene: changed });
  expect(switcher.scenes()).toEqual([changed]);

  switcher.take(three, { kind: 'wipe', durationMs: 1_000 });
  expect(switcher.at(2_000_000)).toMatchObject({ kind: 'wipe', amount: 0.5 });
  switcher.take(one, { kind: 'cut' });
  expect(switcher.at(2_033_000)).toEqual({ kind: 'scene', scene: one });

  switcher.take(two, { kind: 'stinger', stingerId: 'sweep', cutAtMs: 400 });
  expect(switcher.at(2_333_000)).toMatchObject({ kind: 'stinger', scene: one, atMs: 300 });
  expect(switcher.at(2_533_000)).toMatchObject({ kind: 'stinger', scene: two, atMs: 500 });
  expect(switcher.at(2_833_000)).toEqual({ kind: 'scene', scene: two });
  switcher.take(one, { kind: 'stinger', stingerId: 'gone', cutAtMs: 400 });
  expect(switcher.at(2_900_000)).toEqual({ kind: 'scene', scene: one });
});

test('late frames for three seconds give up one thing after another; a hiccup or a slow camera gives up nothing', () => {
  const judge = createStepDownJudge();
  const good = { framesOut: 30, late: 0, meanWorkMs: 5 };
  const bad = { framesOut: 25, late: 9, meanWorkMs: 20 };
  const load = { output: { width: 1920, height: 1080, fps: 60 }, hasSecond: true, hasFastPreview: true };
  const run = (seconds: readonly (typeof good)[], now: typeof load) =>
    seconds.map((second) => judge.second(second, now)).filter((step) => step !== null);
  expect(run([bad, bad, bad, bad, bad, good, bad, bad], load)).toEqual([]);
  expect(run([bad], load)).toMatchObject([{ kind: 'closeSecond' }]);
  expect(run([bad, bad, bad, bad, bad, bad], { ...load, hasSecond: false })).toMatchObject([
    { kind: 'slowPreview' },
  ]);
  const bare = { ...load, hasSecond: false, hasFastPreview: false };
  const sixBad = Array.from({ length: 6 }, () => bad);
  expect(run(sixBad, bare)).toMatchObject([
    { kind: 'output', output: { width: 1920, height: 1080, fps: 30 } },
  ]);
  const slower = { ...bare, output: { width: 1920, height: 1080, fps: 30 } };
  expect(run(sixBad, slower)).toMatchObject([{ output: { width: 1280, height: 720, fps: 30 } }]);
  const upright = { ...bare, output: { width: 720, height: 1280, fps: 30 } };
  expect(run(sixBad, upright)).toMatchObject([{ output: { width: 540, height: 960, fps: 30 } }]);
  const least = { ...bare, output: { width: 640, height: 360, fps: 30 } };
  expect(run(sixBad, least)).toEqual([]);
  // A camera of 15 frames/s makes every frame late, and less to compose would not help it.
  const slowCamera = { framesOut: 30, late: 15, meanWorkMs: 2 };
  expect(
    run(
      Array.from({ length: 9 }, () => slowCamera),
      load,
    ),
  ).toEqual([]);
});

test('an overlay is there within 250 ms of program time, changes its words in place, and is gone as fast', () => {
  const drawingOf = (x: number): Drawing => {
    const rgba = new Uint8ClampedArray(8 * 4 * 4).fill(255);
    return { x, y: 300, width: 8, height: 4, rgba, planes: createOverlay(rgba, 8, 4) };
  };
  const motion = createOverlayMotion('lowerThird', output, true);
  expect(motion.at(0)).toEqual([]);
  motion.show(drawingOf(32));
  expect(motion.at(10_000_000)[0]?.opacity).toBe(0);
  const [middle] = motion.at(10_080_000);
  expect(middle?.opacity).toBeGreaterThan(0.3);
  expect(middle?.opacity).toBeLessThan(1);
  expect(middle?.x).toBeLessThan(32);
  expect((middle?.x ?? 1) % 2).toBe(0);
  expect(motion.at(10_250_000)).toMatchObject([{ x: 32, y: 300, opacity: 1 }]);
  motion.show(drawingOf(40));
  expect(motion.at(10_283_000)).toMatchObject([{ x: 40, opacity: 1 }]);
  motion.hide();
  expect(motion.at(10_300_000)).toMatchObject([{ opacity: 1 }]);
  expect(motion.at(10_550_000)).toEqual([]);

  // A preview needs no show.
  const still = createOverlayMotion('qr', output, false);
  still.show(drawingOf(32));
  expect(still.at(0)).toMatchObject([{ x: 32, y: 300, opacity: 1 }]);
});

test('overlays keep out of the way of the code, and are drawn anew only for what changes them', () => {
  const qr = {
    url: 'https://a.example',
    productName: 'Tee',
    priceText: '£20',
    insteadOfText: '',
    clockText: '',
    stockText: '',
    soldOut: false,
    style: 'card',
    corner: 'topLeft',
  } as const;
  const logo = { logoId: 'l', corner: 'topLeft' } as const;
  const title = { text: 'Drop 7', note: '' };
  expect(planOverlays({ ...noOverlays, qr, logo, title }, output)).toMatchObject({
    logoCorner: 'topRight',
    titleSide: 'right',
    titleTop: 66,
    lowerSide: 'left',
  });
  const low = planOverlays(
    { ...noOverlays, qr: { ...qr, corner: 'bottomLeft' }, ticker: { text: 'x' } },
    output,
  );
  expect(low.lowerSide).toBe('right');
  // Beside a wide strip on an upright picture is no room: the headline goes below it.
  const strip = { ...qr, style: 'strip' } as const;
  const uprightPlan = planOverlays({ ...noOverlays, qr: strip, title }, { width: 360, height: 640 });
  expect(uprightPlan.titleTop).toBeGreaterThan(32 + 150);
  expect(planOverlays({ ...noOverlays, qr: strip, title }, output).titleWidthPx).toBeLessThan(270);
  expect(low.safe.bottom).toBeLessThan(360 - low.tickerHeightPx);
  const before = { ...noOverlays, title, qr };
  const after = { ...before, qr: { ...qr, stockText: '3 left' } };
  expect(overlayKey('title', before)).toBe(overlayKey('title', after));
  expect(overlayKey('qr', before)).not.toBe(overlayKey('qr', after));
  expect(overlayKey('ticker', before)).toBeNull();
});

test('a card that may be next is drawn after what is wanted, and is in the very next frame when its time has come', async () => {
  const blank = (): Drawing => {
    const rgba = new Uint8ClampedArray(16);
    return { x: 0, y: 0, width: 2, height: 2, rgba, planes: createOverlay(rgba, 2, 2) };
  };
  /** By the words of the card; an order waits for its answer. */
  const ordered: { words: string; answer: (drawing: Drawing) => void; refuse: (error: Error) => void }[] = [];
  const preparation: Preparation = {
    draw: (order) =>
      order.kind === 'slate'
        ? Promise.resolve(null)
        : new Promise((answer, refuse) =>
            ordered.push({ words: order.overlays.qr?.stockText ?? '', answer, refuse }),
          ),
    bake: () => Promise.reject(new Error('Nothing is graded here.')),
    decodeStinger: () => Promise.reject(new Error('There is no stinger here.')),
    setLut: () => {},
    setLogo: () => {},
    close: () => {},
  };
  let composed: Composition | undefined;
  const noFrame = new Error('Frames are made in browsers only.');
  const faults: string[] = [];
  const stage = createStage({
    view: {
      compose: (composition) => {
        composed = composition;
        throw noFrame;
      },
      close: () => {},
    },
    size: output,
    preparation,
    stingers: { lengthMs: () => null, at: () => null },
    animated: false,
    onFault: (what) => faults.push(what),
  });
  const onPicture = (): Drawing | undefined => {
    expect(() => stage.compose(0)).toThrow(noFrame);
    return composed?.overlays[0]?.drawing;
  };
  const card = (stockText: string): QrCard => ({
    url: 'https://drop.example',
    productName: 'Tee',
    priceText: '€20',
    insteadOfText: '',
    clockText: '',
    stockText,
    soldOut: false,
    style: 'card',
    corner: 'topRight',
  });
  const show = (now: string, soon: readonly string[]) =>
    stage.show(createScene([], { overlays: { ...noOverlays, qr: card(now), qrSoon: soon.map(card) } }));
  const words = () => ordered.map((order) => order.words);
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  /** The drawing that answers the latest order. */
  const drawn = async (): Promise<Drawing> => {
    const drawing = blank();
    ordered.at(-1)?.answer(drawing);
    await turn();
    return drawing;
  };

  show('5 left', ['4 left', '5 left, 0:09']);
  expect(words()).toEqual(['5 left']);
  const five = await drawn();
  expect(onPicture()).toBe(five);
  expect(words()).toEqual(['5 left', '4 left']);
  const four = await drawn();
  await drawn();
  expect(words()).toEqual(['5 left', '4 left', '5 left, 0:09']);
  expect(onPicture()).toBe(five);

  show('4 left', ['3 left']);
  expect(onPicture()).toBe(four);
  await turn();
  // Two at once were not foreseen: the old card stays until the new one is drawn, however late the other comes.
  expect(words().slice(3)).toEqual(['3 left']);
  show('2 left', ['1 left']);
  expect(words().slice(4)).toEqual(['2 left']);
  ordered[3]?.answer(blank());
  await turn();
  expect(onPicture()).toBe(four);
  ordered[4]?.answer(blank());
  await turn();
  expect(onPicture()).not.toBe(four);

  // One that cannot be drawn beforehand is asked for again, and told of, when it is wanted.
  expect(words().slice(5)).toEqual(['1 left']);
  ordered[5]?.refuse(new Error('too long'));
  await turn();
  expect(faults).toEqual([]);
  show('1 left', []);
  expect(words().slice(6)).toEqual(['1 left']);
  ordered[6]?.refuse(new Error('too long'));
  await turn();
  expect(faults).toEqual(['The overlay cannot be drawn']);
});
