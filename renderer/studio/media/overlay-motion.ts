// How an overlay comes and goes: which drawing is on the picture at a moment of program time, where, and how solid. The
// drawing itself stays as it is; it is moved and blended, so that an animation costs no redraw.
// Not its job: drawing (overlay.ts), or deciding what is shown (the scene does).

import type { Drawing, PlacedDrawing } from './backend.ts';
import type { Size } from './scene.ts';

export const overlayKinds = ['logo', 'title', 'pinned', 'lowerThird', 'ticker', 'qr'] as const;
/** From the lowest to the highest: nothing ever lies over the code that sells. */
export type OverlayKind = (typeof overlayKinds)[number];

const comingMs = 220;
const goingMs = 160;

/** Where each comes from, in 1/360 of the picture's shorter side. */
const starts: Readonly<Record<OverlayKind, { readonly x: number; readonly y: number }>> = {
  logo: { x: 0, y: 0 },
  title: { x: -24, y: 0 },
  pinned: { x: 0, y: 16 },
  lowerThird: { x: -32, y: 0 },
  ticker: { x: 0, y: 28 },
  qr: { x: 0, y: 12 },
};

/** In 1/360 of the picture's shorter side per second: some two words. */
const tickerSpeed = 60;

export interface OverlayMotion {
  /** Puts a drawing on the picture with the next frame. One that stands there already is replaced without motion. */
  show(drawing: Drawing): void;
  /** Lets it go. */
  hide(): void;
  /** True while nothing is, or comes back to be, on the picture. */
  readonly isEmpty: boolean;
  /** What the frame of this time shows. */
  at(timestampUs: number): readonly PlacedDrawing[];
}

/** `animated` false: comes and goes at once, as a preview should. */
export function createOverlayMotion(kind: OverlayKind, size: Size, animated: boolean): OverlayMotion {
  const unit = Math.min(size.width, size.height) / 360;
  let shown: Drawing | null = null;
  /** When it began to come or go; null: with the next frame. */
  let sinceUs: number | null = null;
  let going = false;

  const solid = (timestampUs: number): number => {
    if (!animated) return going ? 0 : 1;
    sinceUs ??= timestampUs;
    const share = (timestampUs - sinceUs) / 1000 / (going ? goingMs : comingMs);
    const eased = 1 - (1 - Math.max(0, Math.min(1, share))) ** 3;
    return going ? 1 - eased : eased;
  };

  return {
    show(drawing) {
      if (shown === null || going) {
        sinceUs = null;
        going = false;
      }
      shown = drawing;
    },
    hide() {
      if (shown === null || going) return;
      going = true;
      sinceUs = null;
    },
    get isEmpty() {
      return shown === null || going;
    },
    at(timestampUs) {
      if (shown === null) return [];
      const opacity = solid(timestampUs);
      if (going && opacity <= 0) {
        shown = null;
        return [];
      }
      const start = starts[kind];
      // What stands on the right comes from the right.
      const side = shown.x + shown.width / 2 > size.width / 2 ? -1 : 1;
      const x = shown.x + even(side * start.x * unit * (1 - opacity));
      const y = shown.y + even(start.y * unit * (1 - opacity));
      if (kind !== 'ticker') return [{ drawing: shown, x, y, opacity }];
      // The band repeats itself: its beginning follows its end.
      const gone = even(((timestampUs / 1e6) * tickerSpeed * unit) % shown.width);
      return [
        { drawing: shown, x: -gone, y, opacity },
        { drawing: shown, x: shown.width - gone, y, opacity },
      ];
    },
  };
}

const even = (value: number): number => Math.round(value / 2) * 2;
