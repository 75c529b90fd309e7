// Pictures as planes: 8-bit luma with chroma at half the width and height (I420), BT.601 limited range, and the
// operations the compositor needs on them. Plain typed arrays, no allocation on the way of a frame. Every index is in
// range by construction: `?? 0` is there for the compiler, and costs the loops nothing measurable.
// Not its job: where a picture comes from or goes to (cpu-backend.ts), what a scene says (scene.ts), or what lies over
// pictures (mixing.ts).

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
export interface Area {
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

/** The linear change from one colour coding to the program's, in 1/65536. Chroma counts from 128. */
export interface ColourTransform {
  readonly lumaStart: number;
  readonly lumaPerY: number;
  readonly lumaPerU: number;
  readonly lumaPerV: number;
  readonly uPerU: number;
  readonly uPerV: number;
  readonly vPerU: number;
  readonly vPerV: number;
}

/** The transform to the program's colours, or null when the source already has them. */
export function colourTransform(from: ColourCoding): ColourTransform | null {
  if (from.matrix === programColour.matrix && from.fullRange === programColour.fullRange) return null;
  // The change is linear, so three steps away from black give it whole.
  const black = rgbToYuv(...yuvToRgb(0, 128, 128, from));
  const perY = rgbToYuv(...yuvToRgb(1, 128, 128, from));
  const perU = rgbToYuv(...yuvToRgb(0, 129, 128, from));
  const perV = rgbToYuv(...yuvToRgb(0, 128, 129, from));
  const fixed = (value: number): number => Math.round(value * 65536);
  return {
    lumaStart: fixed(black[0]),
    lumaPerY: fixed(perY[0] - black[0]),
    lumaPerU: fixed(perU[0] - black[0]),
    lumaPerV: fixed(perV[0] - black[0]),
    uPerU: fixed(perU[1] - black[1]),
    uPerV: fixed(perV[1] - black[1]),
    vPerU: fixed(perU[2] - black[2]),
    vPerV: fixed(perV[2] - black[2]),
  };
}

/** Rounds a value in 1/65536 when its fraction is shifted away. */
const half = 32768;
const chromaCentre = 128 * 65536 + half;

/** Converts a picture in place. */
export function applyColour(picture: Picture, transform: ColourTransform): void {
  const { width, height, chromaWidth, chromaHeight } = picture;
  const { lumaStart, lumaPerY, lumaPerU, lumaPerV, uPerU, uPerV, vPerU, vPerV } = transform;
  // Clamped views: what falls outside 0..255 is held at the ends.
  const y = clampedView(picture.y);
  const u = clampedView(picture.u);
  const v = clampedView(picture.v);
  for (let row = 0; row < chromaHeight; row++) {
    const top = row * 2 * width;
    // On the last row and column of an odd picture the neighbour is the sample itself, written twice alike.
    const down = row * 2 + 1 < height ? width : 0;
    for (let column = 0; column < chromaWidth; column++) {
      const i = row * chromaWidth + column;
      const cu = (u[i] ?? 0) - 128;
      const cv = (v[i] ?? 0) - 128;
      u[i] = (cu * uPerU + cv * uPerV + chromaCentre) >> 16;
      v[i] = (cu * vPerU + cv * vPerV + chromaCentre) >> 16;
      const shift = lumaStart + cu * lumaPerU + cv * lumaPerV + half;
      const a = top + column * 2;
      const b = column * 2 + 1 < width ? a + 1 : a;
      const lumaA = y[a] ?? 0;
      const lumaB = y[b] ?? 0;
      const lumaC = y[a + down] ?? 0;
      const lumaD = y[b + down] ?? 0;
      y[a] = (lumaA * lumaPerY + shift) >> 16;
      y[b] = (lumaB * lumaPerY + shift) >> 16;
      y[a + down] = (lumaC * lumaPerY + shift) >> 16;
      y[b + down] = (lumaD * lumaPerY + shift) >> 16;
    }
  }
}

function clampedView(plane: Uint8Array<ArrayBuffer>): Uint8ClampedArray<ArrayBuffer> {
  return new Uint8ClampedArray(plane.buffer, plane.byteOffset, plane.length);
}

// Other layouts

/** Splits interleaved chroma (NV12's second plane) into the picture's U and V. */
export function splitChroma(interleaved: Uint8Array, picture: Picture): void {
  const { u, v } = picture;
  for (let i = 0; i < u.length; i++) {
    u[i] = interleaved[2 * i] ?? 0;
    v[i] = interleaved[2 * i + 1] ?? 0;
  }
}

/** BT.601 limited range from 8-bit RGB, in 1/65536. */
export const lumaOf = { red: 16829, green: 33039, blue: 6416, start: 16.5 * 65536 } as const;
export const uOf = { red: -9714, green: -19070, blue: 28784 } as const;
export const vOf = { red: 28784, green: -24103, blue: -4681 } as const;

/**
 * Converts RGBA (or BGRA) bytes, four per pixel, to the program's colours; chroma is the mean of its four pixels.
 * Alpha is ignored. The bytes start at a multiple of four in their buffer.
 */
export function rgbToPicture(
  rgb: Uint8Array | Uint8ClampedArray,
  order: 'rgb' | 'bgr',
  picture: Picture,
): void {
  const { width, height, chromaWidth, chromaHeight, y, u, v } = picture;
  const pixels = new Uint32Array(rgb.buffer, rgb.byteOffset, width * height);
  const redAt = order === 'rgb' ? 0 : 16;
  const blueAt = 16 - redAt;
  const { red: lr, green: lg, blue: lb, start } = lumaOf;
  for (let row = 0; row < chromaHeight; row++) {
    const top = row * 2 * width;
    const down = row * 2 + 1 < height ? width : 0;
    for (let column = 0; column < chromaWidth; column++) {
      const a = top + column * 2;
      const b = column * 2 + 1 < width ? a + 1 : a;
      const pa = pixels[a] ?? 0;
      const pb = pixels[b] ?? 0;
      const pc = pixels[a + down] ?? 0;
      const pd = pixels[b + down] ?? 0;
      const ra = (pa >> redAt) & 255;
      const rb = (pb >> redAt) & 255;
      const rc = (pc >> redAt) & 255;
      const rd = (pd >> redAt) & 255;
      const ga = (pa >> 8) & 255;
      const gb = (pb >> 8) & 255;
      const gc = (pc >> 8) & 255;
      const gd = (pd >> 8) & 255;
      const ba = (pa >> blueAt) & 255;
      const bb = (pb >> blueAt) & 255;
      const bc = (pc >> blueAt) & 255;
      const bd = (pd >> blueAt) & 255;
      y[a] = (lr * ra + lg * ga + lb * ba + start) >> 16;
      y[b] = (lr * rb + lg * gb + lb * bb + start) >> 16;
      y[a + down] = (lr * rc + lg * gc + lb * bc + start) >> 16;
      y[b + down] = (lr * rd + lg * gd + lb * bd + start) >> 16;
      const red = ra + rb + rc + rd;
      const green = ga + gb + gc + gd;
      const blue = ba + bb + bc + bd;
      const i = row * chromaWidth + column;
      u[i] = (uOf.red * red + uOf.green * green + uOf.blue * blue + 4 * chromaCentre) >> 18;
      v[i] = (vOf.red * red + vOf.green * green + vOf.blue * blue + 4 * chromaCentre) >> 18;
    }
  }
}

/** Turns a picture clockwise by 90, 180 or 270 degrees into one of matching size. */
export function rotatePicture(from: Picture, to: Picture, degrees: 90 | 180 | 270): void {
  turnPicture(from, to, degrees, false, false);
}

/** Turns a picture clockwise, then mirrors it, into one of matching size. */
export function turnPicture(
  from: Picture,
  to: Picture,
  degrees: 0 | 90 | 180 | 270,
  mirrored: boolean,
  upsideDown: boolean,
): void {
  const turn = turnOf(degrees, mirrored, upsideDown);
  turnPlane(from.y, from.width, from.height, to.y, turn);
  turnPlane(from.u, from.chromaWidth, from.chromaHeight, to.u, turn);
  turnPlane(from.v, from.chromaWidth, from.chromaHeight, to.v, turn);
}

/** Every quarter turn with mirrors is: swap the axes or not, then run along each of them forwards or backwards. */
interface Turn {
  readonly swaps: boolean;
  readonly backwardsX: boolean;
  readonly backwardsY: boolean;
}

function turnOf(degrees: 0 | 90 | 180 | 270, mirrored: boolean, upsideDown: boolean): Turn {
  return {
    swaps: degrees === 90 || degrees === 270,
    backwardsX: (degrees === 90 || degrees === 180) !== mirrored,
    backwardsY: (degrees === 180 || degrees === 270) !== upsideDown,
  };
}

function turnPlane(from: Uint8Array, width: number, height: number, to: Uint8Array, turn: Turn): void {
  const newWidth = turn.swaps ? height : width;
  const newHeight = turn.swaps ? width : height;
  const alongX = (turn.swaps ? width : 1) * (turn.backwardsX ? -1 : 1);
  const alongY = (turn.swaps ? 1 : width) * (turn.backwardsY ? -1 : 1);
  const first =
    (turn.backwardsX ? -alongX * (newWidth - 1) : 0) + (turn.backwardsY ? -alongY * (newHeight - 1) : 0);
  for (let row = 0; row < newHeight; row++) {
    let at = first + row * alongY;
    const end = (row + 1) * newWidth;
    for (let target = row * newWidth; target < end; target++, at += alongX) to[target] = from[at] ?? 0;
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

/** Where each target sample lies between two neighbouring source samples. */
interface Axis {
  readonly first: Int32Array;
  /** Share of the sample after `first`, 0..256. */
  readonly weight: Int32Array;
}

/**
 * Box filter by halves until less than 2:1 is left, then bilinear: no shimmering from skipped pixels, and a cost that
 * stays near one pass over the source.
 */
export function createScaler(): Scaler {
  const halves = new Map<string, Uint8Array>();
  let blendedRow = new Int32Array(0);
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
      const halved = halfBuffer(`${name}${level}`, halfWidth * halfHeight);
      halvePlane(plane, planeWidth, planeHeight, halved);
      plane = halved;
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
    if (blendedRow.length < planeWidth + 1) blendedRow = new Int32Array(planeWidth + 1);
    bilinear(plane, planeWidth, columns, rows, to, blendedRow);
  };

  return {
    scale(from, crop, to) {
      scalePlane('y', from.y, from.width, from.height, crop, to.y, to.width, to.height);
      const halfCrop = { x: crop.x / 2, y: crop.y / 2, width: crop.width / 2, height: crop.height / 2 };
      const { chromaWidth, chromaHeight } = from;
      scalePlane('u', from.u, chromaWidth, chromaHeight, halfCrop, to.u, to.chromaWidth, to.chromaHeight);
      scalePlane('v', from.v, chromaWidth, chromaHeight, halfCrop, to.v, to.chromaWidth, to.chromaHeight);
    },
  };
}

function makeAxis(start: number, length: number, limit: number, size: number): Axis {
  const axis = { first: new Int32Array(size), weight: new Int32Array(size) };
  for (let i = 0; i < size; i++) {
    // Centre of target sample i, as a position between source sample centres.
    const position = Math.max(0, Math.min(limit - 1, start + ((i + 0.5) * length) / size - 0.5));
    const first = Math.floor(position);
    axis.first[i] = first;
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
        (from[top + left] ?? 0) +
        (from[top + left + 1] ?? 0) +
        (from[bottom + left] ?? 0) +
        (from[bottom + left + 1] ?? 0);
      to[target + column] = (sum + 2) >> 2;
    }
    if (pairs < halfWidth) {
      to[target + pairs] = ((from[top + width - 1] ?? 0) + (from[bottom + width - 1] ?? 0) + 1) >> 1;
    }
  }
}

/** Blends two source rows into `blended` (in 1/256), then its neighbours into each target sample. */
function bilinear(
  from: Uint8Array,
  stride: number,
  columns: Axis,
  rows: Axis,
  to: Uint8Array,
  blended: Int32Array,
): void {
  const { first, weight } = columns;
  const width = first.length;
  const lastRow = from.length / stride - 1;
  const left = first[0] ?? 0;
  const right = Math.min(stride - 1, (first[width - 1] ?? 0) + 1);
  for (let row = 0; row < rows.first.length; row++) {
    const above = rows.first[row] ?? 0;
    const top = above * stride;
    const bottom = Math.min(lastRow, above + 1) * stride;
    const down = rows.weight[row] ?? 0;
    for (let column = left; column <= right; column++) {
      const upper = from[top + column] ?? 0;
      blended[column] = upper * 256 + ((from[bottom + column] ?? 0) - upper) * down;
    }
    blended[right + 1] = blended[right] ?? 0;
    const target = row * width;
    for (let column = 0; column < width; column++) {
      const at = first[column] ?? 0;
      const before = blended[at] ?? 0;
      to[target + column] =
        (before * 256 + ((blended[at + 1] ?? 0) - before) * (weight[column] ?? 0) + half) >> 16;
    }
  }
}
