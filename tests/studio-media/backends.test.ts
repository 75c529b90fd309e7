// Both backends against the same pictures, worked out pixel by pixel in floating point from what the scene says, with
// nothing of the product's own maths. In a real Chromium; the graphics card is a software one here.

import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { isSoftwareRenderer } from '../../renderer/studio/media/backend-choice.ts';
import type { Layer, Rect, Scene, Size } from '../../renderer/studio/media/scene.ts';
import {
  aspectOf,
  createLayer,
  createScene,
  layoutLayers,
  neutralColour,
} from '../../renderer/studio/media/scene.ts';
import type { BackendOrder } from './fixture/backend-lab.ts';
import { paint } from './fixture/painting.ts';
import { useLab } from './lab-page.ts';

const openPage = useLab(['--enable-unsafe-swiftshader', '--use-angle=swiftshader']);
let page: Page;
beforeAll(async () => {
  page = await openPage();
});

const size: Size = { width: 320, height: 180 };
const sources = {
  cam: { painting: 'sunset', width: 320, height: 180 },
  guest: { painting: 'forest', width: 200, height: 240 },
} as const satisfies BackendOrder['sources'];
const names = new Map<string, { painting: (typeof sources)[keyof typeof sources]['painting'] } & Size>(
  Object.entries(sources),
);

type Rgb = readonly [number, number, number];
const ground: Rgb = [0x0c, 0x0d, 0x10];

const mix = (from: Rgb, to: Rgb, share: number): Rgb => [
  from[0] + (to[0] - from[0]) * share,
  from[1] + (to[1] - from[1]) * share,
  from[2] + (to[2] - from[2]) * share,
];

/** What a layer shows at a place of the output, in fractions; null beside it. Follows the words of scene.ts alone. */
function layerAt(layer: Layer, x: number, y: number, output: Size): Rgb | null {
  const source = names.get(layer.sourceId);
  if (source === undefined) return null;
  const { rect, crop, rotation, flip, fit } = layer;
  const isSideways = rotation === 90 || rotation === 270;
  const seenWidth = crop.width * (isSideways ? source.height : source.width);
  const seenHeight = crop.height * (isSideways ? source.width : source.height);
  const frameWidth = rect.width * output.width;
  const frameHeight = rect.height * output.height;
  const scale = (fit === 'cover' ? Math.max : Math.min)(frameWidth / seenWidth, frameHeight / seenHeight);
  // From the middle of the frame, in pixels of what is seen, then in fractions of the crop.
  let u = ((x - rect.x - rect.width / 2) * output.width) / scale / seenWidth + 0.5;
  let v = ((y - rect.y - rect.height / 2) * output.height) / scale / seenHeight + 0.5;
  const isBeside = x < rect.x || x > rect.x + rect.width || y < rect.y || y > rect.y + rect.height;
  if (isBeside || u < 0 || u > 1 || v < 0 || v > 1) return null;
  if (flip === 'horizontal' || flip === 'both') u = 1 - u;
  if (flip === 'vertical' || flip === 'both') v = 1 - v;
  u = crop.x + u * crop.width;
  v = crop.y + v * crop.height;
  const [sx, sy] =
    rotation === 0 ? [u, v] : rotation === 90 ? [v, 1 - u] : rotation === 180 ? [1 - u, 1 - v] : [1 - v, u];
  return paint(source.painting, sx, sy);
}

function sceneAt(scene: Scene, x: number, y: number, output: Size): Rgb {
  return scene.layers.reduce<Rgb>((below, layer) => {
    const seen = layerAt(layer, x, y, output);
    return seen === null ? below : mix(below, seen, layer.opacity);
  }, ground);
}

/** Edges of layers, where a pixel may belong to either side, in fractions of the output. */
const nearEdge = (rects: readonly Rect[], x: number, y: number, output: Size): boolean =>
  rects.some(({ x: left, y: top, width, height }) => {
    const marginX = 3 / output.width;
    const marginY = 3 / output.height;
    const isNear =
      Math.min(Math.abs(x - left), Math.abs(x - left - width)) < marginX ||
      Math.min(Math.abs(y - top), Math.abs(y - top - height)) < marginY;
    return isNear;
  });

interface Difference {
  readonly worst: number;
  readonly mean: number;
  readonly at: string;
}

function compare(
  seen: Uint8Array,
  output: Size,
  expected: (x: number, y: number) => Rgb,
  edges: readonly Rect[],
  everyPixels = 1,
): Difference {
  let worst = 0;
  let sum = 0;
  let count = 0;
  let at = '';
  for (let pixel = 0; pixel * everyPixels < output.width * output.height; pixel++) {
    const i = pixel * everyPixels;
    const x = ((i % output.width) + 0.5) / output.width;
    const y = (Math.floor(i / output.width) + 0.5) / output.height;
    if (nearEdge(edges, x, y, output)) continue;
    const rgb = expected(x, y);
    for (let channel = 0; channel < 3; channel++) {
      const value = rgb[channel] ?? NaN;
      const difference = Math.abs(value - (seen[pixel * 4 + channel] ?? NaN));
      sum += difference;
      count++;
      if (!(difference <= worst)) {
        worst = difference;
        at = `${x.toFixed(3)},${y.toFixed(3)} channel ${channel}: ${seen[pixel * 4 + channel]} for ${value.toFixed(1)}`;
      }
    }
  }
  return { worst, mean: sum / count, at };
}

/** In RGB codes. */
function expectClose(
  { worst, mean, at }: Difference,
  most: { worst: number; mean?: number },
  name = '',
): void {
  expect(worst, `${name} at ${at}`).toBeLessThanOrEqual(most.worst);
  expect(mean, `${name}, mean`).toBeLessThanOrEqual(most.mean ?? most.worst);
}

/** The place of a layer on the output after `contain` shrank it: its picture's own edges. */
function pictureEdges(layer: Layer, output: Size): readonly Rect[] {
  const source = names.get(layer.sourceId);
  if (layer.fit === 'cover' || source === undefined) return [layer.rect];
  const isSideways = layer.rotation === 90 || layer.rotation === 270;
  const width = layer.crop.width * (isSideways ? source.height : source.width);
  const height = layer.crop.height * (isSideways ? source.width : source.height);
  const scale = Math.min(
    (layer.rect.width * output.width) / width,
    (layer.rect.height * output.height) / height,
  );
  const w = (width * scale) / output.width;
  const h = (height * scale) / output.height;
  const middleX = layer.rect.x + layer.rect.width / 2;
  const middleY = layer.rect.y + layer.rect.height / 2;
  return [layer.rect, { x: middleX - w / 2, y: middleY - h / 2, width: w, height: h }];
}

const half = { x: 0.25, y: 0.1, width: 0.7, height: 0.5 };
const scenes: Readonly<Record<string, Scene>> = {
  'one source, full': createScene([createLayer('cam')]),
  'side by side': createScene(layoutLayers('sideBySide', ['cam', 'guest'])),
  'picture in picture': createScene(layoutLayers('pictureInPicture', ['cam', 'guest'])),
  'four places, two of them filled': createScene(layoutLayers('four', ['guest', null, 'cam', null])),
  'a close-up': createScene(layoutLayers('productCloseUp', ['cam', 'guest'])),
  'contained, with ground around it': createScene([createLayer('guest', { fit: 'contain' })]),
  'turned by 90° and cropped': createScene([
    createLayer('guest', { rotation: 90, crop: { x: 0.1, y: 0.2, width: 0.6, height: 0.7 } }),
  ]),
  'upside down in a corner': createScene([createLayer('cam', { rotation: 180, rect: half })]),
  'turned by 270° and mirrored': createScene([
    createLayer('cam', { rotation: 270, flip: 'horizontal', fit: 'contain' }),
  ]),
  'mirrored both ways': createScene([createLayer('cam', { flip: 'both' })]),
  'half transparent over another': createScene([
    createLayer('cam'),
    createLayer('guest', { rect: half, opacity: 0.4, flip: 'vertical' }),
  ]),
  'partly beside the picture': createScene([
    createLayer('cam', { rect: { x: -0.3, y: 0.25, width: 0.8, height: 0.9 }, flip: 'horizontal' }),
  ]),
};

const compose = async (
  order: Omit<BackendOrder, 'size' | 'sources'> & Partial<Pick<BackendOrder, 'sources'>>,
  output = size,
): Promise<Uint8Array> => {
  const wanted = { sources, ...order, size: output };
  return Buffer.from(await page.evaluate(async (order) => lab.composeOnce(order), wanted), 'base64');
};

describe.each(['cpu', 'webgl'] as const)('the %s backend', (backend) => {
  test('puts every layout, crop, turn, mirror and blend where the scene says', async () => {
    for (const [name, scene] of Object.entries(scenes)) {
      const seen = await compose({ backend, shot: { kind: 'scene', scene } });
      const edges = scene.layers.flatMap((layer) => pictureEdges(layer, size));
      const seenAs = compare(seen, size, (x, y) => sceneAt(scene, x, y, size), edges);
      expectClose(seenAs, { worst: 9, mean: 1.6 }, name);
    }
  });

  test('shows the same scene upright', async () => {
    const portrait = { width: 180, height: 320 };
    const scene = createScene(layoutLayers('three', ['cam', 'guest', 'cam'], 'portrait'));
    const seen = await compose({ backend, shot: { kind: 'scene', scene } }, portrait);
    const edges = scene.layers.map(({ rect }) => rect);
    expectClose(
      compare(seen, portrait, (x, y) => sceneAt(scene, x, y, portrait), edges),
      { worst: 9 },
    );
  });

  test('makes 1080 lines of a camera of 1080 lines, in both shapes', async () => {
    const large = { ...sources, cam: { ...sources.cam, width: 1920, height: 1080 } };
    for (const output of [
      { width: 1920, height: 1080 },
      { width: 1080, height: 1920 },
    ]) {
      const scene = createScene(layoutLayers('pictureInPicture', ['cam', 'guest'], aspectOf(output)));
      // A prime, so that the places wander over every column.
      const everyPixels = 37;
      const seen = await compose(
        { backend, sources: large, shot: { kind: 'scene', scene }, everyPixels },
        output,
      );
      const edges = scene.layers.map(({ rect }) => rect);
      const seenAs = compare(seen, output, (x, y) => sceneAt(scene, x, y, output), edges, everyPixels);
      expectClose(seenAs, { worst: 9, mean: 1.6 }, `${output.width}x${output.height}`);
    }
  });

  test('fades and wipes between two scenes', async () => {
    const from = createScene([createLayer('cam')]);
    const to = createScene([createLayer('guest', { flip: 'horizontal' })]);
    const wholeEdges = [{ x: 0, y: 0, width: 1, height: 1 }];
    const faded = await compose({ backend, shot: { kind: 'fade', from, to, amount: 0.3 } });
    const fade = compare(
      faded,
      size,
      (x, y) => mix(sceneAt(from, x, y, size), sceneAt(to, x, y, size), 0.3),
      wholeEdges,
    );
    expectClose(fade, { worst: 6 }, 'fade');
    const wiped = await compose({ backend, shot: { kind: 'wipe', from, to, amount: 0.4 } });
    const wipe = compare(wiped, size, (x, y) => sceneAt(x < 0.4 ? to : from, x, y, size), [
      { x: 0, y: 0, width: 0.4, height: 1 },
    ]);
    expectClose(wipe, { worst: 6 }, 'wipe');
  });

  test('lays drawings over it, at their place, as solid as they are', async () => {
    const scene = createScene([createLayer('cam')]);
    const box = { x: 300, y: 20, width: 60, height: 40 };
    const seen = await compose({
      backend,
      shot: { kind: 'scene', scene },
      overlays: [
        { x: 40, y: 60, width: 80, height: 40, rgba: [255, 220, 40, 255], opacity: 1 },
        { ...box, rgba: [20, 60, 250, 128], opacity: 0.5 },
      ],
    });
    const edges = [
      { x: 40 / 320, y: 60 / 180, width: 80 / 320, height: 40 / 180 },
      { x: 300 / 320, y: 20 / 180, width: 60 / 320, height: 40 / 180 },
    ];
    const isIn = (x: number, y: number, { x: left, y: top, width, height }: Rect) =>
      x > left && x < left + width && y > top && y < top + height;
    const [solid, thin] = edges;
    if (solid === undefined || thin === undefined) throw new Error('two boxes');
    const expected = (x: number, y: number): Rgb => {
      const below = sceneAt(scene, x, y, size);
      if (isIn(x, y, solid)) return [255, 220, 40];
      return isIn(x, y, thin) ? mix(below, [20, 60, 250], 0.25) : below;
    };
    expectClose(compare(seen, size, expected, [...edges, { x: 0, y: 0, width: 1, height: 1 }]), { worst: 8 });
  });

  test('grades one source and leaves the other alone', async () => {
    const cube = ['LUT_3D_SIZE 2'];
    for (const [r, g, b] of corners) cube.push(warm([r, g, b]).join(' '));
    const colour = { ...neutralColour, lutId: 'warm', lutAmount: 0.5 };
    const layers = layoutLayers('sideBySide', ['cam', 'guest']);
    const scene = createScene(layers.map((layer, i) => (i === 0 ? { ...layer, colour } : layer)));
    const seen = await compose({
      backend,
      shot: { kind: 'scene', scene },
      grade: { colour, cube: cube.join('\n') },
    });
    const expected = (x: number, y: number): Rgb => {
      const plain = sceneAt(scene, x, y, size);
      if (x > 0.5) return plain;
      const [r, g, b] = warm([plain[0] / 255, plain[1] / 255, plain[2] / 255]);
      return mix(plain, [r * 255, g * 255, b * 255], 0.5);
    };
    const edges = scene.layers.map(({ rect }) => rect);
    expectClose(compare(seen, size, expected, edges), { worst: 9, mean: 1.8 });
  });
});

const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((i): Rgb => [i & 1, (i >> 1) & 1, i >> 2]);
/** Linear, so that it is what its corners say everywhere. */
const warm = ([r, g, b]: Rgb): Rgb => [0.9 * r + 0.1, 0.8 * g + 0.1 * r, 0.6 * b + 0.1 * g];

test('when the graphics card is taken away the last picture stands until the CPU has the next one', async () => {
  const { names, middles, fellBack } = await page.evaluate(async () => lab.loseCard());
  expect(names).toEqual(['webgl2', 'cpu-i420', 'cpu-i420']);
  expect(fellBack).toBe(1);
  const expected = [
    [200, 40, 40],
    [200, 40, 40],
    [40, 40, 200],
  ];
  const differences = middles.flatMap((rgb, i) =>
    rgb.map((value, channel) => Math.abs(value - (expected[i]?.[channel] ?? NaN))),
  );
  expect(Math.max(...differences)).toBeLessThanOrEqual(5);
});

test('software that plays a graphics card is not taken for one', () => {
  const names = [
    'ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero)), SwiftShader driver)',
    'llvmpipe (LLVM 15.0.7, 256 bits)',
    'ANGLE (Microsoft, Microsoft Basic Render Driver Direct3D11)',
  ];
  expect(names.map(isSoftwareRenderer)).toEqual([true, true, true]);
  expect(isSoftwareRenderer('ANGLE (Apple, ANGLE Metal Renderer: Apple M2, Unspecified Version)')).toBe(
    false,
  );
  expect(isSoftwareRenderer('ANGLE (Intel, Intel(R) UHD Graphics 620 Direct3D11)')).toBe(false);
});
