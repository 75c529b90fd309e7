// What the program shows, as plain data: layers of sources, a lower third, a QR card, and the slate behind it all.
// One description for every backend; pure, so that pages, workers and tests can share it.
// Not its job: drawing (overlay.ts), pixels (i420.ts, cpu-backend.ts) or time (compositor.worker.ts).

/** Size and rate of the program picture. Width and height in pixels are even; fps in frames per second. */
export interface Output {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
}

/** A rectangle in fractions of the program picture: (0,0) is the top left corner, (1,1) the bottom right. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** `cover` fills the rectangle and crops what is over; `contain` shows the whole source with ground around it. */
export type Fit = 'cover' | 'contain';

/** One source placed on the program. Later layers lie over earlier ones. */
export interface Layer {
  readonly sourceId: string;
  readonly rect: Rect;
  readonly fit: Fit;
}

export interface LowerThird {
  readonly title: string;
  readonly subtitle: string;
}

/** The card that sells: a code that leads to `url`, and what a viewer must know before scanning it. */
export interface QrCard {
  readonly url: string;
  readonly productName: string;
  /** Already formatted for the show's locale, such as "£20". */
  readonly priceText: string;
  /** The price it stands in for, struck through; empty: there is none. */
  readonly insteadOfText: string;
  /** What is counted down, such as "4 min" or "0:12"; empty: no clock runs. */
  readonly clockText: string;
  /** Already worded, such as "12 left of 50". */
  readonly stockText: string;
  readonly soldOut: boolean;
}

/** Shown while no layer has a picture yet. */
export interface Slate {
  readonly title: string;
  readonly note: string;
}

export interface Scene {
  /** The first layer is the primary one: its frames are the program's clock. */
  readonly layers: readonly Layer[];
  readonly lowerThird: LowerThird | null;
  readonly qr: QrCard | null;
  readonly slate: Slate;
}

export type Layout = 'full' | 'side-by-side';

export interface LayoutChoice {
  readonly layout: Layout;
  readonly cameraId: string | null;
  readonly guestId: string | null;
  readonly lowerThird?: LowerThird | null;
  readonly qr?: QrCard | null;
  readonly slate?: Slate;
}

export const defaultSlate: Slate = { title: 'Live soon', note: 'The picture is on its way' };

const whole: Rect = { x: 0, y: 0, width: 1, height: 1 };
// A thin line of ground between the halves keeps two similar pictures apart.
const leftHalf: Rect = { x: 0, y: 0, width: 0.497, height: 1 };
const rightHalf: Rect = { x: 0.503, y: 0, width: 0.497, height: 1 };

/**
 * The scene for one of the simple layouts. `full` shows the camera, or the guest when there is no camera;
 * `side-by-side` shows camera and guest, and falls back to `full` while one of them is missing.
 */
export function layoutScene(choice: LayoutChoice): Scene {
  return {
    layers: layersFor(choice),
    lowerThird: choice.lowerThird ?? null,
    qr: choice.qr ?? null,
    slate: choice.slate ?? defaultSlate,
  };
}

function layersFor({ layout, cameraId, guestId }: LayoutChoice): readonly Layer[] {
  if (layout === 'side-by-side' && cameraId !== null && guestId !== null) {
    return [
      { sourceId: cameraId, rect: leftHalf, fit: 'cover' },
      { sourceId: guestId, rect: rightHalf, fit: 'cover' },
    ];
  }
  const only = cameraId ?? guestId;
  return only === null ? [] : [{ sourceId: only, rect: whole, fit: 'cover' }];
}

/** A rectangle in whole pixels. */
export interface PixelRect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where a source is cut and where the cut lands. The destination is even, as 4:2:0 chroma requires. */
export interface Placement {
  /** Part of the source picture, in source pixels; fractions allowed. */
  readonly crop: Rect;
  /** Part of the program picture, even in all four numbers. */
  readonly target: PixelRect;
}

/**
 * Places a source of the given size on the program.
 * Returns null when the layer would be smaller than one chroma sample or lies outside the picture.
 */
export function placeLayer(
  layer: Layer,
  source: { readonly width: number; readonly height: number },
  output: { readonly width: number; readonly height: number },
): Placement | null {
  const frame = evenRect(layer.rect, output);
  if (frame === null || source.width < 1 || source.height < 1) return null;
  const scaleX = frame.width / source.width;
  const scaleY = frame.height / source.height;
  if (layer.fit === 'cover') {
    const scale = Math.max(scaleX, scaleY);
    const width = Math.min(source.width, frame.width / scale);
    const height = Math.min(source.height, frame.height / scale);
    // Whole chroma samples: a crop that needs no scaling is then a plain copy.
    const x = evenFloor((source.width - width) / 2);
    const y = evenFloor((source.height - height) / 2);
    return { crop: { x, y, width, height }, target: frame };
  }
  const scale = Math.min(scaleX, scaleY);
  const width = Math.max(2, Math.min(frame.width, even(source.width * scale)));
  const height = Math.max(2, Math.min(frame.height, even(source.height * scale)));
  const target = {
    x: frame.x + evenFloor((frame.width - width) / 2),
    y: frame.y + evenFloor((frame.height - height) / 2),
    width,
    height,
  };
  return { crop: { x: 0, y: 0, width: source.width, height: source.height }, target };
}

function evenRect(rect: Rect, output: { readonly width: number; readonly height: number }): PixelRect | null {
  const left = clamp(even(rect.x * output.width), 0, output.width);
  const top = clamp(even(rect.y * output.height), 0, output.height);
  const right = clamp(even((rect.x + rect.width) * output.width), 0, output.width);
  const bottom = clamp(even((rect.y + rect.height) * output.height), 0, output.height);
  return right - left < 2 || bottom - top < 2
    ? null
    : { x: left, y: top, width: right - left, height: bottom - top };
}

const even = (value: number): number => Math.round(value / 2) * 2;
const evenFloor = (value: number): number => Math.floor(value / 2) * 2;
const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));

/** Rounds an output down to even sides and refuses what no encoder takes. */
export function checkOutput(output: Output): Output {
  const { width, height, fps } = output;
  if (!(width >= 16 && height >= 16 && width <= 4096 && height <= 4096 && fps >= 1 && fps <= 60)) {
    throw new RangeError(
      `A program of ${width}×${height} at ${fps} frames/s is not possible: choose 16-4096 pixels a side and 1-60 frames/s.`,
    );
  }
  return { width: evenFloor(width), height: evenFloor(height), fps };
}
