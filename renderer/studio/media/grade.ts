// One source's colour, baked: corrections and a LUT become one table, so that a frame costs the same whatever they are.
// The formula itself is exact and slow (`gradeColour`); the baked forms are tables of it, in YUV for the CPU and in RGB
// for a graphics card.
// Not its job: reading .cube files (cube.ts), or when a grade is baked (preparation.worker.ts).

import type { Lut, Rgb } from './cube.ts';
import { sampleLut } from './cube.ts';
import type { Picture } from './i420.ts';
import { rgbToYuv, yuvToRgb } from './i420.ts';
import type { Colour } from './scene.ts';

/** A grade in both forms. Plain data, so that a worker can hand it over. */
export interface BakedGrade {
  /**
   * Luma for each luma 0..255 at each point of the chroma grid: `((u * 33 + v) << 8) | luma`, where a step of the grid
   * is 8 codes.
   */
  readonly luma: Uint8Array<ArrayBuffer>;
  /** U in the low and V in the high half, in 1/16, for each second luma: `((u * 33 + v) << 7) | (luma >> 1)`. */
  readonly chroma: Uint32Array<ArrayBuffer>;
  /** RGBA bytes of a cube of `cubeSize` points; red runs fastest. */
  readonly cube: Uint8Array<ArrayBuffer>;
  readonly cubeSize: number;
}

const chromaPoints = 33;
const chromaStep = 8;
/** The formula is asked for every fourth luma; between them a grade is as good as straight. */
const lumaStep = 4;
const leastCubePoints = 33;

/** How much red gains and blue loses at a temperature of 1. */
const warmth = 0.2;
const middleGrey = 0.5;

/** The graded colour, exactly. Inputs and results 0..1; `lut` is that of `colour.lutId`, null without one. */
export function gradeColour(colour: Colour, lut: Lut | null, input: Rgb): Rgb {
  // Light doubles per stop; the picture's numbers are its 2.2th root, so they take the root of the gain.
  const gain = 2 ** (colour.exposureEv / 2.2);
  const redGain = 1 + warmth * colour.temperature;
  const blueGain = 1 - warmth * colour.temperature;
  // White keeps its brightness, whatever its hue becomes.
  const level = gain / (0.299 * redGain + 0.587 + 0.114 * blueGain);
  const contrasted = (value: number): number => (value - middleGrey) * colour.contrast + middleGrey;
  const red = contrasted(input[0] * level * redGain);
  const green = contrasted(input[1] * level);
  const blue = contrasted(input[2] * level * blueGain);
  const grey = 0.299 * red + 0.587 * green + 0.114 * blue;
  const saturated = (value: number): number => clamp01(grey + (value - grey) * colour.saturation);
  const corrected: Rgb = [saturated(red), saturated(green), saturated(blue)];
  if (lut === null || colour.lutAmount <= 0) return corrected;
  const looked = sampleLut(lut, corrected);
  const mixed = (channel: 0 | 1 | 2): number =>
    clamp01(corrected[channel] + (looked[channel] - corrected[channel]) * colour.lutAmount);
  return [mixed(0), mixed(1), mixed(2)];
}

const clamp01 = (value: number): number => Math.max(0, Math.min(1, value));
const byte = (value: number): number => Math.max(0, Math.min(255, Math.round(value)));

/** Takes some tens of milliseconds: not for the thread that makes frames. */
export function bakeGrade(colour: Colour, lut: Lut | null): BakedGrade {
  const luma = new Uint8Array((chromaPoints * chromaPoints) << 8);
  const chroma = new Uint32Array((chromaPoints * chromaPoints) << 7);
  const column = Array.from({ length: 256 / lumaStep + 1 }, () => [0, 0, 0] as readonly number[]);
  for (let u = 0; u < chromaPoints; u++) {
    for (let v = 0; v < chromaPoints; v++) {
      for (let i = 0; i < column.length; i++) {
        column[i] = gradeYuv(colour, lut, i * lumaStep, u * chromaStep, v * chromaStep);
      }
      const cell = u * chromaPoints + v;
      for (let y = 0; y < 256; y++) {
        const share = (y % lumaStep) / lumaStep;
        const low = column[Math.floor(y / lumaStep)] ?? [];
        const high = column[Math.floor(y / lumaStep) + 1] ?? low;
        const between = (i: number): number => (low[i] ?? 0) + ((high[i] ?? 0) - (low[i] ?? 0)) * share;
        luma[(cell << 8) | y] = byte(between(0));
        // Each entry stands for two lumas: the even one's value is half a step of luma off at most.
        if (y % 2 === 0) {
          const u16 = Math.round(Math.max(0, Math.min(255, between(1))) * 16);
          const v16 = Math.round(Math.max(0, Math.min(255, between(2))) * 16);
          chroma[(cell << 7) | (y >> 1)] = u16 | (v16 << 16);
        }
      }
    }
  }
  const cubeSize = Math.max(leastCubePoints, lut?.kind === '3D' ? lut.size : 0);
  return { luma, chroma, cube: bakeCube(colour, lut, cubeSize), cubeSize };
}

/** What YUV codes can say beyond what RGB can is kept as it was: neighbours of the purest colours stay right. */
function gradeYuv(colour: Colour, lut: Lut | null, y: number, u: number, v: number): readonly number[] {
  const [red, green, blue] = yuvToRgb(y, u, v);
  const inside: Rgb = [clamp01(red / 255), clamp01(green / 255), clamp01(blue / 255)];
  const [r, g, b] = gradeColour(colour, lut, inside);
  return rgbToYuv(red + (r - inside[0]) * 255, green + (g - inside[1]) * 255, blue + (b - inside[2]) * 255);
}

function bakeCube(colour: Colour, lut: Lut | null, size: number): Uint8Array<ArrayBuffer> {
  const cube = new Uint8Array(size ** 3 * 4);
  const last = size - 1;
  let at = 0;
  for (let b = 0; b < size; b++) {
    for (let g = 0; g < size; g++) {
      for (let r = 0; r < size; r++) {
        const [red, green, blue] = gradeColour(colour, lut, [r / last, g / last, b / last]);
        cube[at++] = byte(red * 255);
        cube[at++] = byte(green * 255);
        cube[at++] = byte(blue * 255);
        cube[at++] = 255;
      }
    }
  }
  return cube;
}

/**
 * Grades a picture into one of the same size, which may be itself. Chroma is interpolated between three corners of its
 * cell in the grid; the luma of a block's four pixels shares the cell.
 */
export function gradePicture(from: Picture, to: Picture, grade: BakedGrade): void {
  const { width, height, chromaWidth, chromaHeight, y, u, v } = from;
  const { luma, chroma } = grade;
  const { y: toY, u: toU, v: toV } = to;
  for (let row = 0; row < chromaHeight; row++) {
    const top = row * 2 * width;
    // On the last row and column of an odd picture the neighbour is the sample itself, written twice alike.
    const down = row * 2 + 1 < height ? width : 0;
    for (let column = 0; column < chromaWidth; column++) {
      const i = row * chromaWidth + column;
      const cu = u[i] ?? 0;
      const cv = v[i] ?? 0;
      const fu = cu & 7;
      const fv = cv & 7;
      const low = (cu >> 3) * chromaPoints + (cv >> 3);
      const middle = fu >= fv ? low + chromaPoints : low + 1;
      const high = low + chromaPoints + 1;
      const lowWeight = 8 - (fu >= fv ? fu : fv);
      const highWeight = fu >= fv ? fv : fu;
      const middleWeight = 8 - lowWeight - highWeight;
      const a = top + column * 2;
      const b = column * 2 + 1 < width ? a + 1 : a;
      const ya = y[a] ?? 0;
      const yb = y[b] ?? 0;
      const yc = y[a + down] ?? 0;
      const yd = y[b + down] ?? 0;
      const l = low << 8;
      const m = middle << 8;
      const h = high << 8;
      toY[a] =
        ((luma[l + ya] ?? 0) * lowWeight +
          (luma[m + ya] ?? 0) * middleWeight +
          (luma[h + ya] ?? 0) * highWeight +
          4) >>
        3;
      toY[b] =
        ((luma[l + yb] ?? 0) * lowWeight +
          (luma[m + yb] ?? 0) * middleWeight +
          (luma[h + yb] ?? 0) * highWeight +
          4) >>
        3;
      toY[a + down] =
        ((luma[l + yc] ?? 0) * lowWeight +
          (luma[m + yc] ?? 0) * middleWeight +
          (luma[h + yc] ?? 0) * highWeight +
          4) >>
        3;
      toY[b + down] =
        ((luma[l + yd] ?? 0) * lowWeight +
          (luma[m + yd] ?? 0) * middleWeight +
          (luma[h + yd] ?? 0) * highWeight +
          4) >>
        3;
      const mean = (ya + yb + yc + yd + 2) >> 3;
      const packed =
        (chroma[(low << 7) + mean] ?? 0) * lowWeight +
        (chroma[(middle << 7) + mean] ?? 0) * middleWeight +
        (chroma[(high << 7) + mean] ?? 0) * highWeight;
      toU[i] = ((packed & 0xffff) + 64) >> 7;
      toV[i] = ((packed >>> 16) + 64) >> 7;
    }
  }
}
