// Where a layer lands: which part of the stored source picture goes to which pixels of the output. Pure maths, shared by
// every backend, by the clip importer and by tests.
// Not its job: what a scene says (scene.ts), or moving pixels.

import type { Flip, Layer, Rect, Rotation, Size } from './scene.ts';

/** A rectangle in whole pixels. */
export interface PixelRect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where a source is cut and where the cut lands. The destination is even, as 4:2:0 chroma requires. */
export interface Placement {
  /** Part of the source picture as it is stored (before rotation), in source pixels; fractions allowed. */
  readonly crop: Rect;
  /** Part of the output, even in all four numbers, never outside it. */
  readonly target: PixelRect;
  /** How the cut is turned clockwise, and then mirrored, to fill the target. */
  readonly rotation: Rotation;
  readonly flip: Flip;
}

/** What of a layer decides where it lands. */
export type Framing = Pick<Layer, 'rect' | 'fit' | 'crop' | 'rotation' | 'flip'>;

/**
 * Places a source of the given stored size on an output.
 * Returns null when the layer would be smaller than one chroma sample or lies outside the picture.
 */
export function placeLayer(layer: Framing, source: Size, output: Size): Placement | null {
  const { rotation, flip } = layer;
  const frame = evenRect(layer.rect, output);
  if (frame === null || source.width < 1 || source.height < 1) return null;
  const upright = sideways(rotation) ? { width: source.height, height: source.width } : source;
  const kept = keptPart(layer.crop, upright);
  const fitted = layer.fit === 'cover' ? fill(kept, frame) : show(kept, frame);
  const seen = clip(fitted, output, flip);
  return seen === null
    ? null
    : { crop: toStored(seen.crop, upright, rotation), target: seen.target, rotation, flip };
}

export const sideways = (rotation: Rotation): boolean => rotation === 90 || rotation === 270;

interface Fitted {
  /** In pixels of the upright source. */
  readonly crop: Rect;
  readonly target: PixelRect;
}

/** In source pixels. A crop of less than a pixel is a slip of the hand, and the whole source is shown. */
function keptPart(crop: Rect, upright: Size): Rect {
  const left = clamp(crop.x, 0, 1) * upright.width;
  const top = clamp(crop.y, 0, 1) * upright.height;
  const right = clamp(crop.x + crop.width, 0, 1) * upright.width;
  const bottom = clamp(crop.y + crop.height, 0, 1) * upright.height;
  return right - left < 1 || bottom - top < 1
    ? { x: 0, y: 0, width: upright.width, height: upright.height }
    : { x: left, y: top, width: right - left, height: bottom - top };
}

/** The middle of what is kept that has the frame's shape. */
function fill(kept: Rect, frame: PixelRect): Fitted {
  const scale = Math.max(frame.width / kept.width, frame.height / kept.height);
  const width = Math.min(kept.width, frame.width / scale);
  const height = Math.min(kept.height, frame.height / scale);
  // Whole chroma samples: a cut that needs no scaling is then a plain copy.
  const x = evenStart(kept.x, kept.width - width);
  const y = evenStart(kept.y, kept.height - height);
  return { crop: { x, y, width, height }, target: frame };
}

function evenStart(start: number, spare: number): number {
  if (spare <= 0) return start;
  return clamp(evenFloor(start + spare / 2), start, start + spare);
}

/** All that is kept, in the middle of the frame. */
function show(kept: Rect, frame: PixelRect): Fitted {
  const scale = Math.min(frame.width / kept.width, frame.height / kept.height);
  const width = Math.max(2, Math.min(frame.width, even(kept.width * scale)));
  const height = Math.max(2, Math.min(frame.height, even(kept.height * scale)));
  const target = {
    x: frame.x + evenFloor((frame.width - width) / 2),
    y: frame.y + evenFloor((frame.height - height) / 2),
    width,
    height,
  };
  return { crop: kept, target };
}

/** Leaves out what lies beside the output, from source and target alike. */
function clip({ crop, target }: Fitted, output: Size, flip: Flip): Fitted | null {
  const left = Math.max(0, target.x);
  const top = Math.max(0, target.y);
  const right = Math.min(output.width, target.x + target.width);
  const bottom = Math.min(output.height, target.y + target.height);
  if (right - left < 2 || bottom - top < 2) return null;
  const width = right - left;
  const height = bottom - top;
  if (width === target.width && height === target.height) return { crop, target };
  const across = crop.width / target.width;
  const down = crop.height / target.height;
  // In a mirror the part beside the left edge is the source's right one.
  const mirrored = flip === 'horizontal' || flip === 'both';
  const upsideDown = flip === 'vertical' || flip === 'both';
  const lostLeft = mirrored ? target.x + target.width - right : left - target.x;
  const lostTop = upsideDown ? target.y + target.height - bottom : top - target.y;
  return {
    crop: {
      x: crop.x + lostLeft * across,
      y: crop.y + lostTop * down,
      width: width * across,
      height: height * down,
    },
    target: { x: left, y: top, width, height },
  };
}

/** The rectangle of an upright source in the picture as it is stored. */
function toStored(crop: Rect, upright: Size, rotation: Rotation): Rect {
  const { x, y, width, height } = crop;
  switch (rotation) {
    case 0:
      return crop;
    case 90:
      return { x: y, y: upright.width - x - width, width: height, height: width };
    case 180:
      return { x: upright.width - x - width, y: upright.height - y - height, width, height };
    case 270:
      return { x: upright.height - y - height, y: x, width: height, height: width };
  }
}

/** Pixels of a rectangle that may lie partly outside; null when it is too small or wholly outside. */
function evenRect(rect: Rect, output: Size): PixelRect | null {
  const left = even(rect.x * output.width);
  const top = even(rect.y * output.height);
  const right = even((rect.x + rect.width) * output.width);
  const bottom = even((rect.y + rect.height) * output.height);
  const isSeen = right > 0 && bottom > 0 && left < output.width && top < output.height;
  return right - left < 2 || bottom - top < 2 || !isSeen
    ? null
    : { x: left, y: top, width: right - left, height: bottom - top };
}

const even = (value: number): number => Math.round(value / 2) * 2;
const evenFloor = (value: number): number => Math.floor(value / 2) * 2;
const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));
