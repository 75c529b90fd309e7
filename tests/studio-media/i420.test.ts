// Pixels by reference: every operation of the CPU path against the textbook formula in floating point.

import { expect, test } from 'vitest';
import type { Picture } from '../../renderer/studio/media/i420.ts';
import {
  applyColour,
  colourTransform,
  copyPicture,
  createPicture,
  createScaler,
  fillArea,
  rgbToPicture,
  rgbToYuv,
  rotatePicture,
  splitChroma,
  turnPicture,
  yuvToRgb,
} from '../../renderer/studio/media/i420.ts';
import {
  blendOverlay,
  blendPicture,
  createOverlay,
  wipePicture,
} from '../../renderer/studio/media/mixing.ts';

/** Repeatable noise. */
function noise(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state >> 16;
  });
}

function noisyPicture(width: number, height: number): Picture {
  const picture = createPicture(width, height);
  picture.data.set(noise(picture.data.length).map((value) => 16 + ((value * 220) >> 8)));
  return picture;
}

const worstDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] ?? NaN))), 0);

const differenceFrom = (plane: ArrayLike<number>, value: number): number =>
  worstDifference(
    plane,
    Array.from(plane, () => value),
  );

test('the primaries have the BT.601 numbers every VP8 viewer expects', () => {
  const rounded = (red: number, green: number, blue: number) => rgbToYuv(red, green, blue).map(Math.round);
  expect(rounded(255, 0, 0)).toEqual([81, 90, 240]);
  expect(rounded(0, 255, 0)).toEqual([145, 54, 34]);
  expect(rounded(0, 0, 255)).toEqual([41, 240, 110]);
  expect(rounded(255, 255, 255)).toEqual([235, 128, 128]);
});

test('a canvas picture converts within one step of the formula, in both byte orders and odd sizes', () => {
  const [width, height] = [7, 5];
  const rgba = noise(width * height * 4);
  const bgra = rgba.map((_, i) => rgba[i - (i % 4) + ([2, 1, 0, 3][i % 4] ?? 0)] ?? 0);
  const picture = createPicture(width, height);
  const swapped = createPicture(width, height);
  rgbToPicture(rgba, 'rgb', picture);
  rgbToPicture(bgra, 'bgr', swapped);
  expect(swapped.data).toEqual(picture.data);

  const pixel = (x: number, y: number) => {
    const at = (Math.min(y, height - 1) * width + Math.min(x, width - 1)) * 4;
    return rgbToYuv(rgba[at] ?? 0, rgba[at + 1] ?? 0, rgba[at + 2] ?? 0);
  };
  const luma = Array.from(picture.y, (_, i) => pixel(i % width, Math.floor(i / width))[0]);
  const chroma = (plane: 1 | 2) =>
    Array.from(picture.u, (_, i) => {
      const x = (i % 4) * 2;
      const y = Math.floor(i / 4) * 2;
      const four = [pixel(x, y), pixel(x + 1, y), pixel(x, y + 1), pixel(x + 1, y + 1)];
      return four.reduce((sum, yuv) => sum + yuv[plane], 0) / 4;
    });
  expect(worstDifference(picture.y, luma)).toBeLessThan(0.6);
  expect(worstDifference(picture.u, chroma(1))).toBeLessThan(0.6);
  expect(worstDifference(picture.v, chroma(2))).toBeLessThan(0.6);
});

test('BT.709 and full-range pictures become BT.601 limited; what already is stays untouched', () => {
  expect(colourTransform({ matrix: 'bt601', fullRange: false })).toBeNull();
  for (const coding of [
    { matrix: 'bt709', fullRange: false },
    { matrix: 'bt601', fullRange: true },
    { matrix: 'bt709', fullRange: true },
    { matrix: 'bt2020', fullRange: false },
  ] as const) {
    const transform = colourTransform(coding);
    if (transform === null) throw new Error('expected a transform');
    for (const rgb of [
      [255, 0, 0],
      [0, 0, 255],
      [200, 120, 80],
      [240, 240, 240],
    ] as const) {
      const [red, green, blue] = rgb;
      const source = rgbToYuv(red, green, blue, coding);
      const [y = 0, u = 0, v = 0] = source.map((value) => Math.min(255, Math.round(value)));
      const picture = createPicture(3, 3);
      picture.y.fill(y);
      picture.u.fill(u);
      picture.v.fill(v);
      applyColour(picture, transform);
      const expected = rgbToYuv(...yuvToRgb(y, u, v, coding));
      expect(differenceFrom(picture.y, expected[0])).toBeLessThan(0.6);
      expect(differenceFrom(picture.u, expected[1])).toBeLessThan(0.6);
      expect(differenceFrom(picture.v, expected[2])).toBeLessThan(0.6);
    }
  }
});

test('interleaved chroma is told apart', () => {
  const picture = createPicture(4, 4);
  splitChroma(Uint8Array.from([1, 9, 2, 8, 3, 7, 4, 6]), picture);
  expect([...picture.u, ...picture.v]).toEqual([1, 2, 3, 4, 9, 8, 7, 6]);
});

test('turning a picture four times by 90° gives it back, and a corner goes where it should', () => {
  const picture = noisyPicture(6, 4);
  const right = createPicture(4, 6);
  const half = createPicture(6, 4);
  const left = createPicture(4, 6);
  const whole = createPicture(6, 4);
  rotatePicture(picture, right, 90);
  expect(right.y[3]).toBe(picture.y[0]);
  rotatePicture(right, half, 90);
  rotatePicture(half, left, 90);
  rotatePicture(left, whole, 90);
  expect(whole.data).toEqual(picture.data);
  const direct = createPicture(6, 4);
  rotatePicture(picture, direct, 180);
  expect(direct.data).toEqual(half.data);
  const directLeft = createPicture(4, 6);
  rotatePicture(picture, directLeft, 270);
  expect(directLeft.data).toEqual(left.data);
});

test('a mirror swaps sides after the turn, and twice gives the picture back', () => {
  const picture = noisyPicture(6, 4);
  const mirrored = createPicture(6, 4);
  turnPicture(picture, mirrored, 0, true, false);
  expect([...mirrored.y.subarray(0, 6)]).toEqual([...picture.y.subarray(0, 6)].toReversed());
  const both = createPicture(6, 4);
  turnPicture(picture, both, 0, true, true);
  const half = createPicture(6, 4);
  rotatePicture(picture, half, 180);
  expect(both.data).toEqual(half.data);
  const turned = createPicture(4, 6);
  turnPicture(picture, turned, 90, true, false);
  const right = createPicture(4, 6);
  rotatePicture(picture, right, 90);
  const rightMirrored = createPicture(4, 6);
  turnPicture(right, rightMirrored, 0, true, false);
  expect(turned.data).toEqual(rightMirrored.data);
});

test('scaling by one copies, by half averages, and in between interpolates', () => {
  const scaler = createScaler();
  const source = noisyPicture(16, 12);

  const cut = createPicture(8, 6);
  scaler.scale(source, { x: 4, y: 2, width: 8, height: 6 }, cut);
  expect([...cut.y.subarray(0, 8)]).toEqual([...source.y.subarray(2 * 16 + 4, 2 * 16 + 12)]);

  const halved = createPicture(8, 6);
  scaler.scale(source, { x: 0, y: 0, width: 16, height: 12 }, halved);
  const mean = ((source.y[0] ?? 0) + (source.y[1] ?? 0) + (source.y[16] ?? 0) + (source.y[17] ?? 0)) / 4;
  expect(Math.abs((halved.y[0] ?? 0) - mean)).toBeLessThanOrEqual(0.5);

  const reference = (width: number, height: number) =>
    Array.from({ length: width * height }, (_, i) => {
      const sample = (x: number, y: number) =>
        source.y[Math.max(0, Math.min(11, y)) * 16 + Math.max(0, Math.min(15, x))] ?? 0;
      const x = (((i % width) + 0.5) * 16) / width - 0.5;
      const y = ((Math.floor(i / width) + 0.5) * 12) / height - 0.5;
      const [x0, y0] = [Math.floor(x), Math.floor(y)];
      const [fx, fy] = [x - x0, y - y0];
      const top = sample(x0, y0) * (1 - fx) + sample(x0 + 1, y0) * fx;
      const bottom = sample(x0, y0 + 1) * (1 - fx) + sample(x0 + 1, y0 + 1) * fx;
      return top * (1 - fy) + bottom * fy;
    });
  for (const [width, height] of [
    [24, 18],
    [11, 9],
    [32, 24],
  ] as const) {
    const scaled = createPicture(width, height);
    scaler.scale(source, { x: 0, y: 0, width: 16, height: 12 }, scaled);
    expect(worstDifference(scaled.y, reference(width, height))).toBeLessThanOrEqual(1.5);
  }
});

test('a fine stripe pattern turns grey when scaled far down, instead of shimmering', () => {
  const source = createPicture(320, 180);
  source.y.forEach((_, i) => (source.y[i] = i % 2 === 0 ? 16 : 236));
  const small = createPicture(80, 44);
  createScaler().scale(source, { x: 0, y: 0, width: 320, height: 180 }, small);
  expect(differenceFrom(small.y, 126)).toBeLessThanOrEqual(2);
});

test('an overlay blends like the formula where it is thin, replaces where it is solid, and is absent elsewhere', () => {
  const [width, height] = [32, 8];
  const rgba = new Uint8ClampedArray(width * height * 4);
  const alphaAt = (x: number, y: number) => (y < 2 ? 0 : x < 12 ? 255 : x < 20 ? 128 : x === 25 ? 255 : 0);
  for (let i = 0; i < width * height; i++) {
    rgba.set([240, 60, 20, alphaAt(i % width, Math.floor(i / width))], i * 4);
  }
  const picture = noisyPicture(width, height);
  const before = createPicture(width, height);
  copyPicture(picture, before, 0, 0);
  blendOverlay(createOverlay(rgba, width, height), picture);

  const [luma, u] = rgbToYuv(240, 60, 20);
  const expectedLuma = Array.from(before.y, (value, i) => {
    const alpha = alphaAt(i % width, Math.floor(i / width)) / 255;
    return value * (1 - alpha) + luma * alpha;
  });
  expect(worstDifference(picture.y, expectedLuma)).toBeLessThanOrEqual(1.5);
  const expectedU = Array.from(before.u, (value, i) => {
    const [x, y] = [(i % 16) * 2, Math.floor(i / 16) * 2];
    const alpha = (alphaAt(x, y) + alphaAt(x + 1, y) + alphaAt(x, y + 1) + alphaAt(x + 1, y + 1)) / 4 / 255;
    return value * (1 - alpha) + u * alpha;
  });
  expect(worstDifference(picture.u, expectedU)).toBeLessThanOrEqual(1.5);
});

test('an overlay that is partly beside the picture is cut there, and one half faded is half as strong', () => {
  const rgba = new Uint8ClampedArray(16 * 8 * 4).fill(255);
  const overlay = createOverlay(rgba, 16, 8);
  for (const [x, y] of [
    [-6, -4],
    [26, 6],
    [40, 2],
    [4, -20],
  ] as const) {
    const picture = noisyPicture(32, 12);
    const before = [...picture.y];
    blendOverlay(overlay, picture, x, y, 0.5);
    const expected = before.map((value, i) => {
      const [column, row] = [(i % 32) - x, Math.floor(i / 32) - y];
      const isUnder = column >= 0 && column < 16 && row >= 0 && row < 8;
      return isUnder ? (value + 235) / 2 : value;
    });
    expect(worstDifference(picture.y, expected)).toBeLessThanOrEqual(1);
  }
});

test('a fade is the mean by weight, and a wipe shows the new picture up to its edge', () => {
  const [from, to] = [noisyPicture(16, 8), createPicture(16, 8)];
  fillArea(to, { x: 0, y: 0, width: 16, height: 8 }, [200, 90, 60]);
  const faded = createPicture(16, 8);
  copyPicture(from, faded, 0, 0);
  blendPicture(to, faded, 0, 0, 0.25);
  expect(
    worstDifference(
      faded.y,
      Array.from(from.y, (value) => value * 0.75 + 50),
    ),
  ).toBeLessThanOrEqual(1);
  const wiped = createPicture(16, 8);
  copyPicture(from, wiped, 0, 0);
  wipePicture(to, wiped, 0.5);
  expect([...wiped.y.subarray(16, 24)]).toEqual(Array.from({ length: 8 }, () => 200));
  expect([...wiped.y.subarray(24, 32)]).toEqual([...from.y.subarray(24, 32)]);
  expect([...wiped.u.subarray(0, 4)]).toEqual([90, 90, 90, 90]);
});

test('filling and copying stay inside their area', () => {
  const picture = createPicture(8, 8);
  fillArea(picture, { x: 2, y: 2, width: 4, height: 4 }, [200, 50, 60]);
  expect(picture.y.filter((value) => value === 200)).toHaveLength(16);
  expect([...picture.u]).toEqual([0, 0, 0, 0, 0, 50, 50, 0, 0, 50, 50, 0, 0, 0, 0, 0]);
  const small = createPicture(2, 2);
  small.data.fill(7);
  copyPicture(small, picture, 6, 6);
  expect(picture.y.filter((value) => value === 7)).toHaveLength(4);
  expect(picture.u[15]).toBe(7);
});
