// Pictures as planes: 8-bit luma with chroma at half the width and height (I420), BT.601 limited range, and the
// operations the compositor needs on them. Plain typed arrays, no allocation on the way of a frame.
// Not its job: where a picture comes from or goes to (cpu-backend.ts), or what a scene says (scene.ts).

/** An I420 picture in one buffer: luma, then U, then V, each without padding. Odd sides round chroma up. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly chromaWidth: number;
  readonly chromaHeight: number;
  readonly data: Uint8Array<ArrayBuffer>;
  readonly y: Uint8Array<ArrayBuffer>;
  readonly u: Uint8Array<ArrayBuffer>;
  readonly v: Uint8Array<ArrayBuffer>;
}

/** A rectangle in luma pixels. */
interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A colour as Y, U, V bytes. */
export type Yuv = readonly [y: number, u: number, v: number];

export function createPicture(width: number, height: number): Picture {
  const chromaWidth = (width + 1) >> 1;
  const chromaHeight = (height + 1) >> 1;
  const lumaSize = width * height;
  const chromaSize = chromaWidth * chromaHeight;
  const data = new Uint8Array(lumaSize + 2 * chromaSize);
  return {
    width,
    height,
    chromaWidth,
    chromaHeight,
    data,
    y: data.subarray(0, lumaSize),
    u: data.subarray(lumaSize, lumaSize + chromaSize),
    v: data.subarray(lumaSize + chromaSize),
  };
}

/** Fills an area with even corners. */
export function fillArea(picture: Picture, area: Area, [y, u, v]: Yuv): void {
  fillPlane(picture.y, picture.width, area.x, area.y, area.width, area.height, y);
  const x2 = area.x >> 1;
  const y2 = area.y >> 1;
  const width2 = (area.width + 1) >> 1;
  const height2 = (area.height + 1) >> 1;
  fillPlane(picture.u, picture.chromaWidth, x2, y2, width2, height2, u);
  fillPlane(picture.v, picture.chromaWidth, x2, y2, width2, height2, v);
}

function fillPlane(
  plane: Uint8Array,
  stride: number,
  x: number,
  y: number,
  width: number,
  height: number,
  value: number,
): void {
  for (let row = y; row < y + height; row++) plane.fill(value, row * stride + x, row * stride + x + width);
}

/** Copies a whole picture into another at an even position. The target must be large enough. */
export function copyPicture(from: Picture, to: Picture, x: number, y: number): void {
  if (from.width === to.width && from.height === to.height) {
    to.data.set(from.data);
    return;
  }
  copyPlane(from.y, from.width, from.height, to.y, to.width, x, y);
  copyPlane(from.u, from.chromaWidth, from.chromaHeight, to.u, to.chromaWidth, x >> 1, y >> 1);
  copyPlane(from.v, from.chromaWidth, from.chromaHeight, to.v, to.chromaWidth, x >> 1, y >> 1);
}

function copyPlane(
  from: Uint8Array,
  width: number,
  height: number,
  to: Uint8Array,
  stride: number,
  x: number,
  y: number,
): void {
  for (let row = 0; row < height; row++) {
    to.set(from.subarray(row * width, (row + 1) * width), (y + row) * stride + x);
  }
}

// Colour

/** How a source's numbers mean colour. BT.709, BT.601 and BT.2020 (non-constant luminance) are told apart. */
export interface ColourCoding {
  readonly matrix: 'bt601' | 'bt709' | 'bt2020';
  readonly fullRange: boolean;
}

/** What every program picture is, because a VP8 viewer takes its planes for this. */
export const programColour: ColourCoding = { matrix: 'bt601', fullRange: false };

// Kr and Kb of ITU-R BT.601, BT.709 and BT.2020.
const weights = { bt601: [0.299, 0.114], bt709: [0.2126, 0.0722], bt2020: [0.2627, 0.0593] } as const;

/** Exact (unrounded) Y, U, V of an RGB colour with components 0..255. */
export function rgbToYuv(red: number, green: number, blue: number, coding = programColour): Yuv {
  const [kr, kb] = weights[coding.matrix];
  const luma = kr * red + (1 - kr - kb) * green + kb * blue;
  const u = (blue - luma) / (2 * (1 - kb));
  const v = (red - luma) / (2 * (1 - kr));
  if (coding.fullRange) return [luma, 128 + u, 128 + v];
  return [16 + (luma * 219) / 255, 128 + (u * 224) / 255, 128 + (v * 224) / 255];
}

/** Exact RGB (not clipped) of Y, U, V bytes. The inverse of {@link rgbToYuv}. */
export function yuvToRgb(y: number, u: number, v: number, coding = programColour): [number, number, number] {
  const [kr, kb] = weights[coding.matrix];
  const luma = coding.fullRange ? y : ((y - 16) * 255) / 219;
  const chroma = coding.fullRange ? 1 : 255 / 224;
  const red = luma + 2 * (1 - kr) * chroma * (v - 128);
  const blue = luma + 2 * (1 - kb) * chroma * (u - 128);
  return [red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue];
}

/** Look-up tables, in 1/65536, that turn one colour coding into the program's. */
export interface ColourTransform {
  readonly lumaOfY: Int32Array;
  readonly lumaOfU: Int32Array;
  readonly lumaOfV: Int32Array;
  readonly uOfU: Int32Array;
  readonly uOfV: Int32Array;
  readonly vOfU: Int32Array;
  readonly vOfV: Int32Array;
}

/** The transform to the program's colours, or null when the source already has them. */
export function colourTransform(from: ColourCoding): ColourTransform | null {
  if (from.matrix === programColour.matrix && from.fullRange === programColour.fullRange) return null;
  // The change is linear, so three probes around grey give it whole.
  const black = rgbToYuv(...yuvToRgb(0, 128, 128, from));
  const perY = rgbToYuv(...yuvToRgb(1, 128, 128, from))[0] - black[0];
  const perU = rgbToYuv(...yuvToRgb(0, 129, 128, from));
  const perV = rgbToYuv(...yuvToRgb(0, 128, 129, from));
  const table = (slope: number, centre: number, start: number): Int32Array =>
    Int32Array.from({ length: 256 }, (_, i) => Math.round((start + slope * (i - centre)) * 65536));
  return {
    lumaOfY: table(perY, 0, black[0] + 0.5),
    lumaOfU: table(perU[0] - black[0], 128, 0),
    lumaOfV: table(perV[0] - black[0], 128, 0),
    uOfU: table(perU[1] - black[1], 128, 128.5),
    uOfV: table(perV[1] - black[1], 128, 0),
    vOfU: table(perU[2] - black[2], 128, 128.5),
    vOfV: table(perV[2] - black[2], 128, 0),
  };
}

/** Converts a picture in place. */
export function applyColour(picture: Picture, transform: ColourTransform): void {
  const { width, height, chromaWidth, chromaHeight, u, v } = picture;
  const { lumaOfY, lumaOfU, lumaOfV, uOfU, uOfV, vOfU, vOfV } = transform;
  // A clamped view rounds nothing here (the shift already did) but saves two comparisons per sample.
  const y = new Uint8ClampedArray(picture.y.buffer, picture.y.byteOffset, picture.y.length);
  const uOut = new Uint8ClampedArray(u.buffer, u.byteOffset, u.length);
  const vOut = new Uint8ClampedArray(v.buffer, v.byteOffset, v.length);
  for (let row = 0; row < chromaHeight; row++) {
    const top = row * 2 * width;
    const hasSecondRow = row * 2 + 1 < height;
    for (let column = 0; column < chromaWidth; column++) {
      const chroma = row * chromaWidth + column;
      const cu = at(u, chroma);
      const cv = at(v, chroma);
      const shift = at(lumaOfU, cu) + at(lumaOfV, cv);
      const left = top + column * 2;
      const hasSecondColumn = column * 2 + 1 < width;
      y[left] = (at(lumaOfY, at(y, left)) + shift) >> 16;
      if (hasSecondColumn) y[left + 1] = (at(lumaOfY, at(y, left + 1)) + shift) >> 16;
      if (hasSecondRow) {
        y[left + width] = (at(lumaOfY, at(y, left + width)) + shift) >> 16;
        if (hasSecondColumn) y[left + width + 1] = (at(lumaOfY, at(y, left + width + 1)) + shift) >> 16;
      }
      uOut[chroma] = (at(uOfU, cu) + at(uOfV, cv)) >> 16;
      vOut[chroma] = (at(vOfU, cu) + at(vOfV, cv)) >> 16;
    }
  }
}

// Every index in this file is in range by construction; this gives it a plain number for the compiler, and V8 inlines it.
function at(array: Uint8Array | Uint8ClampedArray | Int32Array | Uint16Array, index: number): number {
  return array[index] ?? 0;
}

// Other layouts

/** Splits interleaved chroma (NV12's second plane) into the picture's U and V. */
export function splitChroma(interleaved: Uint8Array, picture: Picture): void {
  const { u, v } = picture;
  for (let i = 0; i < u.length; i++) {
    u[i] = at(interleaved, 2 * i);
    v[i] = at(interleaved, 2 * i + 1);
  }
}

/** Converts RGBA (or BGRA) bytes, four per pixel, to the program's colours; chroma is the mean of its four pixels. */
export function rgbToPicture(rgb: Uint8Array, order: 'rgb' | 'bgr', picture: Picture): void {
  const { width, height, chromaWidth, chromaHeight, y, u, v } = picture;
  const redAt = order === 'rgb' ? 0 : 2;
  const blueAt = 2 - redAt;
  // BT.601 limited in 1/65536: luma 65.481 / 128.553 / 24.966, chroma 112 and its shares.
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const p = (row * width + column) * 4;
      const luma = 16829 * at(rgb, p + redAt) + 33039 * at(rgb, p + 1) + 6416 * at(rgb, p + blueAt);
      y[row * width + column] = (luma + 1_081_344) >> 16;
    }
  }
  for (let row = 0; row < chromaHeight; row++) {
    const top = row * 2 * width;
    const bottom = row * 2 + 1 < height ? top + width : top;
    for (let column = 0; column < chromaWidth; column++) {
      const left = column * 2;
      const right = left + 1 < width ? left + 1 : left;
      const a = (top + left) * 4;
      const b = (top + right) * 4;
      const c = (bottom + left) * 4;
      const d = (bottom + right) * 4;
      const red = at(rgb, a + redAt) + at(rgb, b + redAt) + at(rgb, c + redAt) + at(rgb, d + redAt);
      const green = at(rgb, a + 1) + at(rgb, b + 1) + at(rgb, c + 1) + at(rgb, d + 1);
      const blue = at(rgb, a + blueAt) + at(rgb, b + blueAt) + at(rgb, c + blueAt) + at(rgb, d + blueAt);
      const i = row * chromaWidth + column;
      u[i] = (-9714 * red - 19070 * green + 28784 * blue + 33_685_504) >> 18;
      v[i] = (28784 * red - 24103 * green - 4681 * blue + 33_685_504) >> 18;
    }
  }
}

/** Turns a picture clockwise by 90, 180 or 270 degrees into one of matching size. */
export function rotatePicture(from: Picture, to: Picture, degrees: 90 | 180 | 270): void {
  rotatePlane(from.y, from.width, from.height, to.y, degrees);
  rotatePlane(from.u, from.chromaWidth, from.chromaHeight, to.u, degrees);
  rotatePlane(from.v, from.chromaWidth, from.chromaHeight, to.v, degrees);
}

function rotatePlane(
  from: Uint8Array,
  width: number,
  height: number,
  to: Uint8Array,
  degrees: 90 | 180 | 270,
): void {
  if (degrees === 180) {
    for (let i = 0, last = width * height - 1; i <= last; i++) to[i] = at(from, last - i);
    return;
  }
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const target =
        degrees === 90 ? column * height + (height - 1 - row) : (width - 1 - column) * height + row;
      to[target] = at(from, row * width + column);
    }
  }
}

// Scaling

/** Scales pictures; keeps the halved copies and weight tables of earlier calls, since sizes seldom change. */
export interface Scaler {
  /** Scales `crop` (in source luma pixels, fractions allowed) to fill `to`. */
  scale(from: Picture, crop: Area, to: Picture): void;
}

interface PlaneCrop {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Axis {
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** Share of `second`, 0..256. */
  readonly weight: Int32Array;
}

/**
 * Box filter by halves until less than 2:1 is left, then bilinear: no shimmering from skipped pixels, and a cost that
 * stays near one pass over the source.
 */
export function createScaler(): Scaler {
  const halves = new Map<string, Uint8Array>();
  const axes = new Map<string, Axis>();

  const halfBuffer = (key: string, size: number): Uint8Array => {
    const kept = halves.get(key);
    if (kept !== undefined && kept.length === size) return kept;
    const made = new Uint8Array(size);
    halves.set(key, made);
    return made;
  };

  const axisFor = (start: number, length: number, limit: number, size: number): Axis => {
    const key = `${start}/${length}/${limit}/${size}`;
    const kept = axes.get(key);
    if (kept !== undefined) return kept;
    const made = makeAxis(start, length, limit, size);
    if (axes.size > 32) axes.clear();
    axes.set(key, made);
    return made;
  };

  const scalePlane = (
    name: string,
    source: Uint8Array,
    sourceWidth: number,
    sourceHeight: number,
    sourceCrop: PlaneCrop,
    to: Uint8Array,
    width: number,
    height: number,
  ): void => {
    let plane = source;
    let planeWidth = sourceWidth;
    let planeHeight = sourceHeight;
    let { x, y, width: cropWidth, height: cropHeight } = sourceCrop;
    for (let level = 0; cropWidth >= 2 * width && cropHeight >= 2 * height; level++) {
      const halfWidth = (planeWidth + 1) >> 1;
      const halfHeight = (planeHeight + 1) >> 1;
      const half = halfBuffer(`${name}${level}`, halfWidth * halfHeight);
      halvePlane(plane, planeWidth, planeHeight, half);
      plane = half;
      planeWidth = halfWidth;
      planeHeight = halfHeight;
      x /= 2;
      y /= 2;
      cropWidth /= 2;
      cropHeight /= 2;
    }
    const wholeStep = cropWidth === width && cropHeight === height;
    if (wholeStep && Number.isInteger(x) && Number.isInteger(y)) {
      for (let row = 0; row < height; row++) {
        const start = (y + row) * planeWidth + x;
        to.set(plane.subarray(start, start + width), row * width);
      }
      return;
    }
    const columns = axisFor(x, cropWidth, planeWidth, width);
    const rows = axisFor(y, cropHeight, planeHeight, height);
    bilinear(plane, planeWidth, columns, rows, to, width, height);
  };

  return {
    scale(from, crop, to) {
      scalePlane('y', from.y, from.width, from.height, crop, to.y, to.width, to.height);
      const half = { x: crop.x / 2, y: crop.y / 2, width: crop.width / 2, height: crop.height / 2 };
      const { chromaWidth, chromaHeight } = from;
      scalePlane('u', from.u, chromaWidth, chromaHeight, half, to.u, to.chromaWidth, to.chromaHeight);
      scalePlane('v', from.v, chromaWidth, chromaHeight, half, to.v, to.chromaWidth, to.chromaHeight);
    },
  };
}

function makeAxis(start: number, length: number, limit: number, size: number): Axis {
  const axis = { first: new Int32Array(size), second: new Int32Array(size), weight: new Int32Array(size) };
  for (let i = 0; i < size; i++) {
    // Centre of target sample i, as a position between source sample centres.
    const position = Math.max(0, Math.min(limit - 1, start + ((i + 0.5) * length) / size - 0.5));
    const first = Math.floor(position);
    axis.first[i] = first;
    axis.second[i] = Math.min(limit - 1, first + 1);
    axis.weight[i] = Math.round((position - first) * 256);
  }
  return axis;
}

function halvePlane(from: Uint8Array, width: number, height: number, to: Uint8Array): void {
  const halfWidth = (width + 1) >> 1;
  const halfHeight = (height + 1) >> 1;
  for (let row = 0; row < halfHeight; row++) {
    const top = row * 2 * width;
    const bottom = row * 2 + 1 < height ? top + width : top;
    const target = row * halfWidth;
    const pairs = width >> 1;
    for (let column = 0; column < pairs; column++) {
      const left = column * 2;
      const sum =
        at(from, top + left) +
        at(from, top + left + 1) +
        at(from, bottom + left) +
        at(from, bottom + left + 1);
      to[target + column] = (sum + 2) >> 2;
    }
    if (pairs < halfWidth) {
      to[target + pairs] = (at(from, top + width - 1) + at(from, bottom + width - 1) + 1) >> 1;
    }
  }
}

function bilinear(
  from: Uint8Array,
  stride: number,
  columns: Axis,
  rows: Axis,
  to: Uint8Array,
  width: number,
  height: number,
): void {
  const { first, second, weight } = columns;
  for (let row = 0; row < height; row++) {
    const top = at(rows.first, row) * stride;
    const bottom = at(rows.second, row) * stride;
    const down = at(rows.weight, row);
    const up = 256 - down;
    const target = row * width;
    for (let column = 0; column < width; column++) {
      const left = at(first, column);
      const right = at(second, column);
      const share = at(weight, column);
      const rest = 256 - share;
      const above = at(from, top + left) * rest + at(from, top + right) * share;
      const below = at(from, bottom + left) * rest + at(from, bottom + right) * share;
      to[target + column] = (above * up + below * down + 32768) >> 16;
    }
  }
}

// Overlays

/** A drawing ready to be laid over a picture: colour already multiplied by alpha, and only the runs that show. */
export interface Overlay {
  readonly colour: Picture;
  /** 255 − alpha for each luma sample and each chroma sample. */
  readonly lumaThrough: Uint8Array;
  readonly chromaThrough: Uint8Array;
  /** Runs as start, end (exclusive), opaque (1) or blended (0). */
  readonly lumaRuns: Int32Array;
  readonly chromaRuns: Int32Array;
}

/** Prepares an overlay from straight (not premultiplied) RGBA of the program's size, as `getImageData` gives it. */
export function createOverlay(rgba: Uint8ClampedArray, width: number, height: number): Overlay {
  const colour = createPicture(width, height);
  const { chromaWidth, chromaHeight } = colour;
  const lumaThrough = new Uint8Array(width * height).fill(255);
  const chromaThrough = new Uint8Array(chromaWidth * chromaHeight).fill(255);
  const sums = new Float32Array(chromaWidth * chromaHeight * 3);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const i = row * width + column;
      const alpha = rgba[i * 4 + 3] ?? 0;
      if (alpha === 0) continue;
      const [y, u, v] = rgbToYuv(rgba[i * 4] ?? 0, rgba[i * 4 + 1] ?? 0, rgba[i * 4 + 2] ?? 0);
      colour.y[i] = Math.round((y * alpha) / 255);
      lumaThrough[i] = 255 - alpha;
      const chroma = ((row >> 1) * chromaWidth + (column >> 1)) * 3;
      sums[chroma] = (sums[chroma] ?? 0) + u * alpha;
      sums[chroma + 1] = (sums[chroma + 1] ?? 0) + v * alpha;
      sums[chroma + 2] = (sums[chroma + 2] ?? 0) + alpha;
    }
  }
  for (let i = 0; i < chromaThrough.length; i++) {
    colour.u[i] = Math.round((sums[i * 3] ?? 0) / (4 * 255));
    colour.v[i] = Math.round((sums[i * 3 + 1] ?? 0) / (4 * 255));
    chromaThrough[i] = 255 - Math.round((sums[i * 3 + 2] ?? 0) / 4);
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

function findRuns(through: Uint8Array, stride: number): Int32Array {
  const runs: number[] = [];
  for (let row = 0; row < through.length; row += stride) {
    const end = row + stride;
    let i = row;
    while (i < end) {
      if (through[i] === 255) {
        i++;
        continue;
      }
      const start = i;
      while (i < end && through[i] === 0) i++;
      if (i - start >= shortestOpaqueRun) {
        runs.push(start, i, 1);
        continue;
      }
      while (i < end && through[i] !== 255 && !opaqueAhead(through, i, end)) i++;
      runs.push(start, i, 0);
    }
  }
  return Int32Array.from(runs);
}

function opaqueAhead(through: Uint8Array, start: number, end: number): boolean {
  if (start + shortestOpaqueRun > end) return false;
  for (let i = start; i < start + shortestOpaqueRun; i++) if (through[i] !== 0) return false;
  return true;
}

/** Lays an overlay over a picture of the same size. */
export function blendOverlay(overlay: Overlay, picture: Picture): void {
  blendPlane(overlay.colour.y, overlay.lumaThrough, overlay.lumaRuns, picture.y);
  blendPlane(overlay.colour.u, overlay.chromaThrough, overlay.chromaRuns, picture.u);
  blendPlane(overlay.colour.v, overlay.chromaThrough, overlay.chromaRuns, picture.v);
}

function blendPlane(colour: Uint8Array, through: Uint8Array, runs: Int32Array, to: Uint8Array): void {
  for (let run = 0; run < runs.length; run += 3) {
    const start = at(runs, run);
    const end = at(runs, run + 1);
    if (at(runs, run + 2) === 1) {
      to.set(colour.subarray(start, end), start);
      continue;
    }
    // 0x8081 / 2^23 is 1/255 exactly enough for every product of two bytes.
    for (let i = start; i < end; i++) {
      to[i] = at(colour, i) + (((at(to, i) * at(through, i) + 127) * 0x8081) >>> 23);
    }
  }
}
