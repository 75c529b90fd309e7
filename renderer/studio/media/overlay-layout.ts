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

/** What a code with its words takes at most, and the least width that a headline beside it is worth. */
const qrUnits = {
  card: { width: 150, height: 240 },
  strip: { width: 310, height: 150 },
  code: { width: 136, height: 160 },
} as const;
const leastBesideUnits = 130;

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
  /** Top of the headline, and its most width, in pixels. */
  readonly titleTop: number;
  readonly titleWidthPx: number;
  /** Foot of what stands in the lower third, and its most width, in pixels. */
  readonly lowerFoot: number;
  readonly lowerWidthPx: number;
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
  const { qr, logo } = overlays;
  const qrCorner = qr?.corner ?? null;
  const wantedCorner = logo?.corner ?? 'topLeft';
  const logoCorner = wantedCorner === qrCorner ? mirrored[wantedCorner] : wantedCorner;
  const logoHeightPx = evenCeil(logoUnits * unit);
  const titleSide = qrCorner === 'topLeft' ? 'right' : 'left';
  const lowerSide = qrCorner === 'bottomLeft' ? 'right' : 'left';
  const underLogo = logo !== null && logoCorner === (titleSide === 'left' ? 'topLeft' : 'topRight');
  const overLogo = logo !== null && logoCorner === (lowerSide === 'left' ? 'bottomLeft' : 'bottomRight');
  const logoStepPx = logoHeightPx + gapUnits * unit;

  const safeWidth = size.width - 2 * across;
  const code = qr === null ? null : qrUnits[qr.style];
  const besideCode = safeWidth - ((code?.width ?? 0) + gapUnits) * unit;
  /** Room beside the code, or all of it above or below one that leaves too little. */
  const roomAt = (edge: 'top' | 'bottom') => {
    const isThere = code !== null && qrCorner !== null && qrCorner.startsWith(edge);
    if (!isThere) return { widthPx: safeWidth, stepPx: 0 };
    if (besideCode >= leastBesideUnits * unit) return { widthPx: besideCode, stepPx: 0 };
    return { widthPx: safeWidth, stepPx: (code.height + gapUnits) * unit };
  };
  const title = roomAt('top');
  const lower = roomAt('bottom');
  return {
    unit,
    safe: { left: across, top: down, right: size.width - across, bottom },
    logoCorner,
    logoHeightPx,
    tickerHeightPx,
    titleTop: down + Math.max(title.stepPx, underLogo ? logoStepPx : 0),
    titleWidthPx: title.widthPx,
    titleSide,
    lowerFoot: bottom - Math.max(lower.stepPx, overLogo ? logoStepPx : 0),
    lowerWidthPx: lower.widthPx,
    lowerSide,
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
  const corners = [logo?.corner, qr?.corner, qr?.style];
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
