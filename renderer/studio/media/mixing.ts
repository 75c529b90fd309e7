// Laying pictures over one another, in I420: drawings with alpha, layers that let through, fades and wipes. Plain typed
// arrays, no allocation on the way of a frame; every index is in range by construction, as in i420.ts.
// Not its job: drawing what lies over a picture (overlay.ts), or when and how far (switcher.ts, overlay-motion.ts).

import type { Picture } from './i420.ts';
import { copyPicture, createPicture, lumaOf, uOf, vOf } from './i420.ts';

/** A drawing ready to be laid over a picture: colour already multiplied by alpha, and only the runs that show. */
export interface Overlay {
  readonly colour: Picture;
  /** 255 − alpha for each luma sample and each chroma sample. */
  readonly lumaThrough: Uint8Array<ArrayBuffer>;
  readonly chromaThrough: Uint8Array<ArrayBuffer>;
  /** Runs as row, start, end (exclusive), opaque (1) or blended (0). */
  readonly lumaRuns: Int32Array<ArrayBuffer>;
  readonly chromaRuns: Int32Array<ArrayBuffer>;
}

/** Prepares an overlay from straight (not premultiplied) RGBA of the given size, as `getImageData` gives it. */
export function createOverlay(rgba: Uint8ClampedArray, width: number, height: number): Overlay {
  const colour = createPicture(width, height);
  const { chromaWidth, chromaHeight, y, u, v } = colour;
  const pixels = new Uint32Array(rgba.buffer, rgba.byteOffset, width * height);
  const lumaThrough = new Uint8Array(width * height).fill(255);
  const chromaThrough = new Uint8Array(chromaWidth * chromaHeight).fill(255);
  const block = [0, 0, 0, 0];
  for (let row = 0; row < chromaHeight; row++) {
    const down = row * 2 + 1 < height ? width : 0;
    for (let column = 0; column < chromaWidth; column++) {
      const a = row * 2 * width + column * 2;
      const b = column * 2 + 1 < width ? a + 1 : a;
      if (((pixels[a] ?? 0) | (pixels[b] ?? 0) | (pixels[a + down] ?? 0) | (pixels[b + down] ?? 0)) === 0)
        continue;
      block[0] = a;
      block[1] = b;
      block[2] = a + down;
      block[3] = b + down;
      let alphas = 0;
      let uSum = 0;
      let vSum = 0;
      for (const i of block) {
        const pixel = pixels[i] ?? 0;
        const alpha = pixel >>> 24;
        const red = pixel & 255;
        const green = (pixel >> 8) & 255;
        const blue = (pixel >> 16) & 255;
        const luma = lumaOf.red * red + lumaOf.green * green + lumaOf.blue * blue + 16 * 65536;
        y[i] = Math.round((luma * alpha) / (255 * 65536));
        lumaThrough[i] = 255 - alpha;
        alphas += alpha;
        uSum += (uOf.red * red + uOf.green * green + uOf.blue * blue + 128 * 65536) * alpha;
        vSum += (vOf.red * red + vOf.green * green + vOf.blue * blue + 128 * 65536) * alpha;
      }
      const i = row * chromaWidth + column;
      u[i] = Math.round(uSum / (4 * 255 * 65536));
      v[i] = Math.round(vSum / (4 * 255 * 65536));
      chromaThrough[i] = 255 - Math.round(alphas / 4);
    }
  }
  return {
    colour,
    lumaThrough,
    chromaThrough,
    lumaRuns: findRuns(lumaThrough, width),
    chromaRuns: findRuns(chromaThrough, chromaWidth),
  };
}

/** Runs never cross a row, and an opaque run is at least this long: shorter ones cost more than they save. */
const shortestOpaqueRun = 8;

function findRuns(through: Uint8Array, stride: number): Int32Array<ArrayBuffer> {
  const runs: number[] = [];
  for (let start = 0, row = 0; start < through.length; start += stride, row++) {
    const end = start + stride;
    let i = start;
    while (i < end) {
      if (through[i] === 255) {
        i++;
        continue;
      }
      const first = i;
      while (i < end && through[i] === 0) i++;
      if (i - first >= shortestOpaqueRun) {
        runs.push(row, first - start, i - start, 1);
        continue;
      }
      while (i < end && through[i] !== 255 && !opaqueAhead(through, i, end)) i++;
      runs.push(row, first - start, i - start, 0);
    }
  }
  return Int32Array.from(runs);
}

function opaqueAhead(through: Uint8Array, start: number, end: number): boolean {
  if (start + shortestOpaqueRun > end) return false;
  for (let i = start; i < start + shortestOpaqueRun; i++) if (through[i] !== 0) return false;
  return true;
}

/** In 1/256, so that the loops can shift. */
const weightOf = (share: number): number => Math.round(Math.max(0, Math.min(1, share)) * 256);

/**
 * Lays an overlay over a picture. `x` and `y` are even and say where its top left corner goes; what lies outside the
 * picture is left out. `opacity` is 0..1.
 */
export function blendOverlay(overlay: Overlay, picture: Picture, x = 0, y = 0, opacity = 1): void {
  const { colour, lumaThrough, chromaThrough, lumaRuns, chromaRuns } = overlay;
  const weight = weightOf(opacity);
  if (weight === 0) return;
  const { width, height, chromaWidth, chromaHeight } = picture;
  const x2 = x >> 1;
  const y2 = y >> 1;
  const from2 = colour.chromaWidth;
  blendPlane(colour.y, lumaThrough, lumaRuns, colour.width, picture.y, width, height, x, y, weight);
  blendPlane(
    colour.u,
    chromaThrough,
    chromaRuns,
    from2,
    picture.u,
    chromaWidth,
    chromaHeight,
    x2,
    y2,
    weight,
  );
  blendPlane(
    colour.v,
    chromaThrough,
    chromaRuns,
    from2,
    picture.v,
    chromaWidth,
    chromaHeight,
    x2,
    y2,
    weight,
  );
}

function blendPlane(
  colour: Uint8Array,
  through: Uint8Array,
  runs: Int32Array,
  fromStride: number,
  to: Uint8Array,
  width: number,
  height: number,
  x: number,
  y: number,
  weight: number,
): void {
  for (let run = 0; run < runs.length; run += 4) {
    const fromRow = runs[run] ?? 0;
    const row = fromRow + y;
    if (row < 0 || row >= height) continue;
    const first = Math.max(runs[run + 1] ?? 0, -x);
    const last = Math.min(runs[run + 2] ?? 0, width - x);
    if (first >= last) continue;
    const start = fromRow * fromStride + first;
    const end = fromRow * fromStride + last;
    const shift = row * width + x + first - start;
    if (weight === 256) {
      if ((runs[run + 3] ?? 0) === 1) {
        to.set(colour.subarray(start, end), start + shift);
        continue;
      }
      // 0x8081 / 2^23 is 1/255 exactly enough for every product of two bytes.
      for (let i = start; i < end; i++) {
        const at = i + shift;
        to[at] = (colour[i] ?? 0) + ((((to[at] ?? 0) * (through[i] ?? 0) + 127) * 0x8081) >>> 23);
      }
      continue;
    }
    for (let i = start; i < end; i++) {
      const at = i + shift;
      const below = to[at] ?? 0;
      const over = (colour[i] ?? 0) + (((below * (through[i] ?? 0) + 127) * 0x8081) >>> 23);
      to[at] = below + (((over - below) * weight + 128) >> 8);
    }
  }
}

/** Lays a picture over a larger one at an even position, wholly inside; `opacity` is 0..1. */
export function blendPicture(from: Picture, to: Picture, x: number, y: number, opacity: number): void {
  const weight = weightOf(opacity);
  if (weight === 256) {
    copyPicture(from, to, x, y);
    return;
  }
  fadeRows(from.y, from.width, from.height, to.y, to.width, x, y, weight);
  const { chromaWidth, chromaHeight } = from;
  fadeRows(from.u, chromaWidth, chromaHeight, to.u, to.chromaWidth, x >> 1, y >> 1, weight);
  fadeRows(from.v, chromaWidth, chromaHeight, to.v, to.chromaWidth, x >> 1, y >> 1, weight);
}

function fadeRows(
  from: Uint8Array,
  width: number,
  height: number,
  to: Uint8Array,
  stride: number,
  x: number,
  y: number,
  weight: number,
): void {
  for (let row = 0; row < height; row++) {
    const start = row * width;
    const shift = (y + row) * stride + x - start;
    for (let i = start; i < start + width; i++) {
      const below = to[i + shift] ?? 0;
      to[i + shift] = below + ((((from[i] ?? 0) - below) * weight + 128) >> 8);
    }
  }
}

/** Shows the left `amount` (0..1) of `over` in a picture of the same size. */
export function wipePicture(over: Picture, picture: Picture, amount: number): void {
  const columns = Math.round((Math.max(0, Math.min(1, amount)) * picture.width) / 2);
  wipePlane(over.y, picture.y, picture.width, Math.min(picture.width, columns * 2));
  wipePlane(over.u, picture.u, picture.chromaWidth, columns);
  wipePlane(over.v, picture.v, picture.chromaWidth, columns);
}

function wipePlane(from: Uint8Array, to: Uint8Array, stride: number, columns: number): void {
  for (let start = 0; start < to.length; start += stride) {
    to.set(from.subarray(start, start + columns), start);
  }
}
