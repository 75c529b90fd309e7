// What the program shows, as plain data: layers of sources, what lies over them, how one scene becomes the next, and the
// layouts a director chooses from. One description for every backend; pure, so that pages, workers and tests share it.
// Not its job: where a layer lands in pixels (placement.ts), drawing (overlay.ts), pixels or time.

import type {
  Brand,
  Corner,
  LowerThird,
  PinnedMessage,
  QrStyle,
  TitleCard,
} from '../../../sfu-server/protocol/overlays.ts';
import { defaultBrand } from '../../../sfu-server/protocol/overlays.ts';

export { brandFonts, defaultBrand } from '../../../sfu-server/protocol/overlays.ts';
export type {
  Brand,
  BrandFont,
  Corner,
  LowerThird,
  PinnedMessage,
  QrStyle,
  TitleCard,
} from '../../../sfu-server/protocol/overlays.ts';

/** Size of a picture in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Size and rate of the program picture. Width and height in pixels are even; fps in frames per second. */
export interface Output extends Size {
  readonly fps: number;
}

/** A rectangle in fractions of a picture: (0,0) is the top left corner, (1,1) the bottom right. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const wholeRect: Rect = { x: 0, y: 0, width: 1, height: 1 };

/** `cover` fills the rectangle and cuts what is over; `contain` shows the whole source with ground around it. */
export type Fit = 'cover' | 'contain';

/** As a mirror does: `horizontal` swaps left and right, `vertical` top and bottom. */
export type Flip = 'none' | 'horizontal' | 'vertical' | 'both';

/** Degrees clockwise, for a camera that stands on its side. */
export type Rotation = 0 | 90 | 180 | 270;

/** Corrections of one source, then its look. */
export interface Colour {
  /** In stops: +1 doubles the light. -3..3. */
  readonly exposureEv: number;
  /** About middle grey, 0..2; 1 leaves it. */
  readonly contrast: number;
  /** 0 is grey, 1 leaves it, 2 at most. */
  readonly saturation: number;
  /** -1 bluer .. 1 warmer. */
  readonly temperature: number;
  /** A table given to the compositor with `addLut`; one it does not have changes nothing. */
  readonly lutId: string | null;
  /** How much of the table's change is taken, 0..1. */
  readonly lutAmount: number;
}

export const neutralColour: Colour = {
  exposureEv: 0,
  contrast: 1,
  saturation: 1,
  temperature: 0,
  lutId: null,
  lutAmount: 1,
};

/** True when a source comes out as it went in. */
export function isNeutral(colour: Colour): boolean {
  const { exposureEv, contrast, saturation, temperature, lutId, lutAmount } = colour;
  const looks = lutId !== null && lutAmount > 0;
  return exposureEv === 0 && contrast === 1 && saturation === 1 && temperature === 0 && !looks;
}

/** One source placed on the program. Later layers lie over earlier ones. Make it with {@link createLayer}. */
export interface Layer {
  readonly sourceId: string;
  /** Where on the program; what lies outside the picture is not seen. */
  readonly rect: Rect;
  readonly fit: Fit;
  /** The part shown, in fractions of the source after its rotation and before its flip. */
  readonly crop: Rect;
  readonly rotation: Rotation;
  readonly flip: Flip;
  /** Null leaves the source's colours alone. */
  readonly colour: Colour | null;
  /** 0 unseen .. 1 solid. */
  readonly opacity: number;
}

/** A whole, upright, solid layer that fills the program, changed as asked. */
export function createLayer(sourceId: string, change: Partial<Omit<Layer, 'sourceId'>> = {}): Layer {
  return {
    sourceId,
    rect: wholeRect,
    fit: 'cover',
    crop: wholeRect,
    rotation: 0,
    flip: 'none',
    colour: null,
    opacity: 1,
    ...change,
  };
}

// Overlays

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
  readonly style: QrStyle;
  readonly corner: Corner;
}

export interface Logo {
  /** A picture given to the compositor with `addLogo`; one it does not have is not shown. */
  readonly logoId: string;
  readonly corner: Corner;
}

/** One line that runs along the bottom edge. */
export interface Ticker {
  readonly text: string;
}

/** What lies over the sources; null is not shown. */
export interface Overlays {
  readonly qr: QrCard | null;
  /** Cards that may well be the next: drawn beforehand, so that the one it is stands in the very next frame. */
  readonly qrSoon: readonly QrCard[];
  readonly lowerThird: LowerThird | null;
  readonly title: TitleCard | null;
  readonly logo: Logo | null;
  readonly ticker: Ticker | null;
  readonly pinned: PinnedMessage | null;
  readonly brand: Brand;
}

export const noOverlays: Overlays = {
  qr: null,
  qrSoon: [],
  lowerThird: null,
  title: null,
  logo: null,
  ticker: null,
  pinned: null,
  brand: defaultBrand,
};

/** Shown while no layer has a picture yet. */
export interface Slate {
  readonly title: string;
  readonly note: string;
}

export const defaultSlate: Slate = { title: 'Live soon', note: 'The picture is on its way' };

export interface Scene {
  /** The first layer with a running source is the primary one: its frames are the program's clock. */
  readonly layers: readonly Layer[];
  readonly overlays: Overlays;
  readonly slate: Slate;
}

export function createScene(layers: readonly Layer[], change: Partial<Omit<Scene, 'layers'>> = {}): Scene {
  return { layers, overlays: noOverlays, slate: defaultSlate, ...change };
}

/**
 * How a scene becomes the program. Overlays that both scenes have stay where they are: only the sources change under
 * them, so that a code can be scanned throughout.
 */
export type Transition =
  | { readonly kind: 'cut' }
  /** A wipe goes from left to right. */
  | { readonly kind: 'fade' | 'wipe'; readonly durationMs: number }
  /** A clip with alpha, given with `addStinger`, runs over the sources; they change under it at `cutAtMs`. */
  | { readonly kind: 'stinger'; readonly stingerId: string; readonly cutAtMs: number };

/** Longer would keep a director waiting for their own picture. */
export const longestTransitionMs = 5_000;

// Layouts

export const layouts = ['full', 'sideBySide', 'pictureInPicture', 'three', 'four', 'productCloseUp'] as const;
export type Layout = (typeof layouts)[number];

/** How many sources each layout has a place for. */
export const layoutPlaces: Readonly<Record<Layout, number>> = {
  full: 1,
  sideBySide: 2,
  pictureInPicture: 2,
  three: 3,
  four: 4,
  productCloseUp: 2,
};

/** Which way round the output is. */
export type Aspect = 'landscape' | 'portrait';

export const aspectOf = ({ width, height }: Size): Aspect => (width >= height ? 'landscape' : 'portrait');

/** A thin line of ground keeps two similar pictures apart. */
const gutter = 0.006;
const near = 0.5 - gutter / 2;
const far = 0.5 + gutter / 2;
const rect = (x: number, y: number, width: number, height: number): Rect => ({ x, y, width, height });

type Place = Partial<Pick<Layer, 'rect' | 'crop' | 'fit'>>;

/** The middle of a product, closer: half the area of the source. */
const closeUp = rect(0.15, 0.15, 0.7, 0.7);

const places: Readonly<Record<Aspect, Readonly<Record<Layout, readonly Place[]>>>> = {
  landscape: {
    full: [{}],
    sideBySide: [{ rect: rect(0, 0, near, 1) }, { rect: rect(far, 0, near, 1) }],
    pictureInPicture: [{}, { rect: rect(0.03, 0.66, 0.29, 0.29) }],
    three: [
      { rect: rect(0, 0, 0.66 - gutter / 2, 1) },
      { rect: rect(0.66 + gutter / 2, 0, 0.34 - gutter / 2, near) },
      { rect: rect(0.66 + gutter / 2, far, 0.34 - gutter / 2, near) },
    ],
    four: [
      { rect: rect(0, 0, near, near) },
      { rect: rect(far, 0, near, near) },
      { rect: rect(0, far, near, near) },
      { rect: rect(far, far, near, near) },
    ],
    productCloseUp: [{ crop: closeUp }, { rect: rect(0.03, 0.7, 0.25, 0.25) }],
  },
  portrait: {
    full: [{}],
    sideBySide: [{ rect: rect(0, 0, 1, near) }, { rect: rect(0, far, 1, near) }],
    pictureInPicture: [{}, { rect: rect(0.05, 0.72, 0.36, 0.2) }],
    three: [
      { rect: rect(0, 0, 1, near) },
      { rect: rect(0, far, near, near) },
      { rect: rect(far, far, near, near) },
    ],
    four: [
      { rect: rect(0, 0, near, near) },
      { rect: rect(far, 0, near, near) },
      { rect: rect(0, far, near, near) },
      { rect: rect(far, far, near, near) },
    ],
    productCloseUp: [{ crop: closeUp }, { rect: rect(0.05, 0.74, 0.36, 0.2) }],
  },
};

/**
 * The layers of a layout. Sources take the places in order; null leaves a place empty (the studio's ground shows).
 * `full` with several sources takes the first there is, and a layout of two with only one source shows it full.
 */
export function layoutLayers(
  layout: Layout,
  sourceIds: readonly (string | null)[],
  aspect: Aspect = 'landscape',
): readonly Layer[] {
  const wanted = sourceIds.slice(0, layout === 'full' ? undefined : layoutPlaces[layout]);
  const there = wanted.filter((sourceId) => sourceId !== null);
  const [first] = there;
  if (first === undefined) return [];
  const shown = layoutPlaces[layout] === 2 && there.length === 1 ? 'full' : layout;
  const placed: readonly (string | null)[] = shown === 'full' ? [first] : wanted;
  return placed.flatMap((sourceId, index) =>
    sourceId === null ? [] : [createLayer(sourceId, places[aspect][shown][index] ?? {})],
  );
}

/** The layout that gives each of so many sources a place. */
const layoutFor = (count: number): Layout =>
  count <= 1 ? 'full' : count === 2 ? 'sideBySide' : count === 3 ? 'three' : 'four';

/**
 * The scene for an output of the other aspect: the same sources, laid out anew, with their own colours and rotation.
 * A small picture over a full one stays small.
 */
export function turnScene(scene: Scene, aspect: Aspect): Scene {
  const [first, second] = scene.layers;
  if (first === undefined) return scene;
  const inset = second !== undefined && scene.layers.length === 2 && covers(first.rect);
  const layout = inset ? 'pictureInPicture' : layoutFor(scene.layers.length);
  const laidOut = layoutLayers(
    layout,
    scene.layers.map(({ sourceId }) => sourceId),
    aspect,
  );
  const layers = laidOut.map((layer, index) => ({
    ...layer,
    ...pickLook(scene.layers[index] ?? layer),
  }));
  return { ...scene, layers };
}

const pickLook = ({ colour, rotation, flip, opacity, crop }: Layer): Partial<Layer> => ({
  colour,
  rotation,
  flip,
  opacity,
  crop,
});

/** True when nothing of the program is left beside the rectangle. */
export const covers = ({ x, y, width, height }: Rect): boolean =>
  x <= 0 && y <= 0 && x + width >= 1 && y + height >= 1;

export interface LayoutChoice {
  readonly layout: 'full' | 'sideBySide';
  readonly cameraId: string | null;
  readonly guestId: string | null;
  readonly lowerThird?: LowerThird | null;
  readonly qr?: QrCard | null;
  readonly slate?: Slate;
}

/**
 * The scene for a camera and a guest. `full` shows the camera, or the guest when there is no camera; `sideBySide` shows
 * both, and falls back to `full` while one of them is missing.
 */
export function layoutScene(choice: LayoutChoice): Scene {
  const { layout, cameraId, guestId, lowerThird = null, qr = null, slate = defaultSlate } = choice;
  const overlays = { ...noOverlays, lowerThird, qr };
  return createScene(layoutLayers(layout, [cameraId, guestId]), { overlays, slate });
}

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

const evenFloor = (value: number): number => Math.floor(value / 2) * 2;
