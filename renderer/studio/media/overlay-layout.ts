// Where overlays stand so that they keep out of each other's way and inside the safe area, and when one has to be drawn
// anew. Numbers only.
// Not its job: drawing (overlay.ts, qr-card.ts) or motion (overlay-motion.ts).

import type { OverlayKind } from './overlay-motion.ts';
import type { Corner, Overlays, Size } from './scene.ts';

/** A twentieth on each side, as EBU R 95 keeps graphics: a player's own controls and rounded screens take less. */
const safeShare = 0.05;

/** In 1/360 of the picture's shorter side. */
const tickerUnits = 26;
const logoUnits = 40;
const gapUnits = 8;

export interface OverlayPlan {
  /** Pixels for each 1/360 of the picture's shorter side. */
  readonly unit: number;
  /** Free of anything that is laid along an edge, in pixels. */
  readonly safe: {
    readonly left: number;
    readonly top: number;
    readonly right: number;
    readonly bottom: number;
  };
  readonly logoCorner: Corner;
  readonly logoHeightPx: number;
  readonly tickerHeightPx: number;
  /** Top of the headline, in pixels. */
  readonly titleTop: number;
  /** Which side the headline, and the lower third with the pinned message, stand on: where the code is not. */
  readonly titleSide: 'left' | 'right';
  readonly lowerSide: 'left' | 'right';
}

export function planOverlays(overlays: Overlays, size: Size): OverlayPlan {
  const unit = Math.min(size.width, size.height) / 360;
  const tickerHeightPx = overlays.ticker === null ? 0 : evenCeil(tickerUnits * unit);
  const across = Math.round(size.width * safeShare);
  const down = Math.round(size.height * safeShare);
  const bottom = size.height - Math.max(down, tickerHeightPx === 0 ? 0 : tickerHeightPx + gapUnits * unit);
  const qrCorner = overlays.qr?.corner ?? null;
  const wantedCorner = overlays.logo?.corner ?? 'topLeft';
  const logoCorner = wantedCorner === qrCorner ? mirrored[wantedCorner] : wantedCorner;
  const logoHeightPx = evenCeil(logoUnits * unit);
  const titleSide = qrCorner === 'topLeft' ? 'right' : 'left';
  const underLogo = overlays.logo !== null && logoCorner === (titleSide === 'left' ? 'topLeft' : 'topRight');
  return {
    unit,
    safe: { left: across, top: down, right: size.width - across, bottom },
    logoCorner,
    logoHeightPx,
    tickerHeightPx,
    titleTop: down + (underLogo ? logoHeightPx + gapUnits * unit : 0),
    titleSide,
    lowerSide: qrCorner === 'bottomLeft' || logoCorner === 'bottomLeft' ? 'right' : 'left',
  };
}

const mirrored: Readonly<Record<Corner, Corner>> = {
  topLeft: 'topRight',
  topRight: 'topLeft',
  bottomLeft: 'bottomRight',
  bottomRight: 'bottomLeft',
};

const evenCeil = (value: number): number => Math.ceil(value / 2) * 2;

/** What an overlay looks like, as a text: another text, another drawing. Null: it is not shown. */
export function overlayKey(kind: OverlayKind, overlays: Overlays): string | null {
  const words = overlays[kind];
  if (words === null) return null;
  const { brand, ticker, logo, qr, lowerThird } = overlays;
  const hasTicker = ticker !== null;
  const corners = [logo?.corner, qr?.corner];
  switch (kind) {
    case 'ticker':
      return JSON.stringify([words, brand]);
    case 'qr':
      return JSON.stringify([words, brand, hasTicker]);
    case 'logo':
    case 'title':
    case 'lowerThird':
      return JSON.stringify([words, brand, hasTicker, corners]);
    case 'pinned':
      return JSON.stringify([
        words,
        brand,
        hasTicker,
        corners,
        lowerThird === null,
        lowerThird?.subtitle === '',
      ]);
  }
}
