// Draws what lies over (or behind) the sources, each on its own: headline, lower third, pinned message, ticker, logo,
// slate, and by way of qr-card.ts the code. Runs only when words change, and not on the thread that makes frames.
// Not its job: motion (overlay-motion.ts), per-frame work, or deciding what the scene says.

import type { Drawing } from './backend.ts';
import type { OverlayKind } from './overlay-motion.ts';
import type { OverlayPlan } from './overlay-layout.ts';
import { planOverlays } from './overlay-layout.ts';
import type { Box, Pen } from './pen.ts';
import {
  cleanCanvas,
  dimOf,
  fillRounded,
  fitText,
  fontOf,
  panelOf,
  toDrawing,
  withAlpha,
  wrapText,
} from './pen.ts';
import { drawQrCard } from './qr-card.ts';
import type { Brand, LowerThird, Overlays, PinnedMessage, Size, Slate, Ticker, TitleCard } from './scene.ts';
import { defaultBrand, defaultSlate, noOverlays } from './scene.ts';

/**
 * One overlay for an output of this size; null when the scene does not show it. `logo` is the picture of its logo.
 * Throws QrTooLongError where a code cannot be drawn.
 */
export function drawOverlay(
  kind: OverlayKind,
  overlays: Overlays,
  size: Size,
  logo: ImageBitmap | null,
): Drawing | null {
  const { brand, qr, lowerThird, title, ticker, pinned } = overlays;
  const plan = planOverlays(overlays, size);
  switch (kind) {
    case 'qr':
      return qr === null ? null : drawQrCard(qr, brand, size, plan);
    case 'lowerThird':
      return lowerThird === null ? null : drawLowerThird(lowerThird, brand, size, plan);
    case 'title':
      return title === null ? null : drawTitle(title, brand, size, plan);
    case 'ticker':
      return ticker === null ? null : drawTicker(ticker, brand, size, plan);
    case 'pinned':
      return pinned === null ? null : drawPinned(pinned, overlays, size, plan);
    case 'logo':
      return overlays.logo === null || logo === null ? null : drawLogo(logo, size, plan);
  }
}

/** Fills the output for the time before any source has a picture. */
export function drawSlate(size: Size, slate: Slate, brand: Brand): Drawing {
  const pen = cleanCanvas(size);
  const { width, height } = size;
  const unit = Math.min(width, height) / 360;
  pen.fillStyle = '#0c0d10';
  pen.fillRect(0, 0, width, height);
  const glow = pen.createRadialGradient(width / 2, height * 1.1, 0, width / 2, height * 1.1, width * 0.6);
  glow.addColorStop(0, withAlpha(brand.accent, 0.22));
  glow.addColorStop(1, withAlpha(brand.accent, 0));
  pen.fillStyle = glow;
  pen.fillRect(0, 0, width, height);
  pen.textAlign = 'center';
  pen.fillStyle = brand.text;
  pen.font = fontOf(brand, 700, 34 * unit);
  pen.fillText(fitText(pen, slate.title, width * 0.86), width / 2, height * 0.5);
  pen.fillStyle = brand.accent;
  pen.fillRect(width / 2 - 24 * unit, height * 0.5 + 16 * unit, 48 * unit, 3 * unit);
  pen.fillStyle = dimOf(brand);
  pen.font = fontOf(brand, 400, 17 * unit);
  pen.fillText(fitText(pen, slate.note, width * 0.86), width / 2, height * 0.5 + 48 * unit);
  return toDrawing(pen, { x: 0, y: 0, width, height });
}

/** Draws one of everything, so that fonts and code are ready when the first is wanted on air. */
export function warmUpDrawing(): void {
  const size = { width: 640, height: 360 };
  const qr = {
    url: 'https://a.example/shop',
    productName: 'x',
    priceText: '£1',
    stockText: '1',
    insteadOfText: '',
    clockText: '',
    soldOut: false,
    style: 'card',
    corner: 'topRight',
  } as const;
  const overlays = { ...noOverlays, qr, lowerThird: { title: 'Live soon', subtitle: '12 left of 50' } };
  drawOverlay('qr', overlays, size, null);
  drawOverlay('lowerThird', overlays, size, null);
  drawSlate(size, defaultSlate, defaultBrand);
}

/** A panel of this size on one side of the safe area, its foot at `bottom`. */
function panelBox(
  plan: OverlayPlan,
  side: 'left' | 'right',
  width: number,
  height: number,
  bottom: number,
): Box {
  const x = side === 'left' ? plan.safe.left : plan.safe.right - width;
  return { x: Math.round(x), y: Math.round(bottom - height), width, height };
}

/** A panel with a bar of the brand's colour along its left edge. */
function drawPanel(pen: Pen, box: Box, brand: Brand, unit: number): void {
  pen.fillStyle = panelOf(brand);
  fillRounded(pen, box, 8 * unit);
  pen.save();
  pen.beginPath();
  pen.roundRect(box.x, box.y, box.width, box.height, 8 * unit);
  pen.clip();
  pen.fillStyle = brand.accent;
  pen.fillRect(box.x, box.y, Math.round(4 * unit), box.height);
  pen.restore();
}

const lowerThirdUnits = (words: LowerThird): number => (words.subtitle === '' ? 38 : 57);

function drawLowerThird(words: LowerThird, brand: Brand, size: Size, plan: OverlayPlan): Drawing {
  const pen = cleanCanvas(size);
  const { unit, lowerSide, lowerFoot, lowerWidthPx } = plan;
  const titleFont = fontOf(brand, 700, 21 * unit);
  const subtitleFont = fontOf(brand, 500, 14.5 * unit);
  const padding = 12 * unit;
  const bar = Math.round(4 * unit);
  const widest = Math.min(size.width * 0.62, lowerWidthPx - bar - 2 * padding);
  pen.font = titleFont;
  const title = fitText(pen, words.title, widest);
  const titleWidth = pen.measureText(title).width;
  pen.font = subtitleFont;
  const subtitle = fitText(pen, words.subtitle, widest);
  const textWidth = Math.max(titleWidth, pen.measureText(subtitle).width);
  const height = Math.round(lowerThirdUnits(words) * unit);
  const box = panelBox(plan, lowerSide, bar + textWidth + 2 * padding, height, lowerFoot);
  drawPanel(pen, box, brand, unit);
  const textLeft = box.x + bar + padding;
  pen.fillStyle = brand.text;
  pen.font = titleFont;
  pen.fillText(title, textLeft, box.y + 26 * unit);
  if (words.subtitle !== '') {
    pen.fillStyle = dimOf(brand);
    pen.font = subtitleFont;
    pen.fillText(subtitle, textLeft, box.y + 46 * unit);
  }
  return toDrawing(pen, box);
}

function drawTitle(words: TitleCard, brand: Brand, size: Size, plan: OverlayPlan): Drawing {
  const pen = cleanCanvas(size);
  const { unit, titleSide, titleTop, titleWidthPx } = plan;
  const padding = 14 * unit;
  const bar = Math.round(4 * unit);
  const widest = Math.min(size.width * 0.58, titleWidthPx - bar - 2 * padding);
  pen.font = fontOf(brand, 800, 28 * unit);
  const lines = wrapText(pen, words.text, widest, 2);
  const lineWidths = lines.map((line) => pen.measureText(line).width);
  pen.font = fontOf(brand, 500, 15 * unit);
  const note = fitText(pen, words.note, widest);
  const textWidth = Math.max(...lineWidths, note === '' ? 0 : pen.measureText(note).width, 1);
  const height = Math.round((12 + lines.length * 32 + (note === '' ? 4 : 26)) * unit);
  const box = panelBox(plan, titleSide, bar + textWidth + 2 * padding, height, titleTop + height);
  drawPanel(pen, box, brand, unit);
  const left = box.x + bar + padding;
  let baseline = box.y + 36 * unit;
  pen.font = fontOf(brand, 800, 28 * unit);
  pen.fillStyle = brand.text;
  for (const line of lines) {
    pen.fillText(line, left, baseline);
    baseline += 32 * unit;
  }
  if (note !== '') {
    pen.font = fontOf(brand, 500, 15 * unit);
    pen.fillStyle = dimOf(brand);
    pen.fillText(note, left, baseline - 8 * unit);
  }
  return toDrawing(pen, box);
}

function drawPinned(words: PinnedMessage, overlays: Overlays, size: Size, plan: OverlayPlan): Drawing {
  const pen = cleanCanvas(size);
  const { brand, lowerThird } = overlays;
  const { unit, lowerSide, lowerFoot, lowerWidthPx } = plan;
  const padding = 12 * unit;
  const bar = Math.round(4 * unit);
  const widest = Math.min(size.width * 0.5, lowerWidthPx - bar - 2 * padding);
  const textFont = fontOf(brand, 500, 16 * unit);
  pen.font = textFont;
  const lines = wrapText(pen, words.text, widest, 3);
  const lineWidths = lines.map((line) => pen.measureText(line).width);
  pen.font = fontOf(brand, 700, 13 * unit);
  const name = fitText(pen, words.name, widest);
  const textWidth = Math.max(...lineWidths, pen.measureText(name).width, 1);
  const height = Math.round((32 + lines.length * 21) * unit);
  const foot =
    lowerThird === null ? lowerFoot : lowerFoot - Math.round((lowerThirdUnits(lowerThird) + 8) * unit);
  const box = panelBox(plan, lowerSide, bar + textWidth + 2 * padding, height, foot);
  drawPanel(pen, box, brand, unit);
  const left = box.x + bar + padding;
  pen.fillStyle = brand.accent;
  pen.fillText(name, left, box.y + 20 * unit);
  pen.font = textFont;
  pen.fillStyle = brand.text;
  lines.forEach((line, i) => pen.fillText(line, left, box.y + (41 + i * 21) * unit));
  return toDrawing(pen, box);
}

/** A longer band would cost more memory than a line is worth. */
const longestTickerPx = 8192;

/** A band at least as wide as the picture, which joins its own beginning. */
function drawTicker({ text }: Ticker, brand: Brand, size: Size, plan: OverlayPlan): Drawing {
  const { unit, tickerHeightPx } = plan;
  const font = fontOf(brand, 600, 15 * unit);
  const gap = 40 * unit;
  const measure = cleanCanvas({ width: 2, height: 2 });
  measure.font = font;
  const line = fitText(measure, text.replace(/\s+/g, ' ').trim(), longestTickerPx - gap - size.width);
  const period = Math.ceil((measure.measureText(line).width + gap) / 2) * 2;
  // Repeated so often that one turn of the band fills the picture.
  const turns = Math.max(1, Math.ceil(size.width / period));
  const width = period * turns;
  const pen = cleanCanvas({ width, height: tickerHeightPx });
  pen.fillStyle = brand.panel;
  pen.fillRect(0, 0, width, tickerHeightPx);
  pen.fillStyle = brand.accent;
  pen.fillRect(0, 0, width, Math.max(2, Math.round(2 * unit)));
  pen.font = font;
  pen.fillStyle = brand.text;
  for (let turn = 0; turn < turns; turn++) {
    pen.fillText(line, turn * period + gap / 2, tickerHeightPx / 2 + 6 * unit);
  }
  const box = { x: 0, y: 0, width, height: tickerHeightPx };
  return toDrawing(pen, box, { x: 0, y: Math.floor((size.height - tickerHeightPx) / 2) * 2 });
}

/** As high as its place, and no wider than a third of the picture. */
function drawLogo(logo: ImageBitmap, size: Size, plan: OverlayPlan): Drawing {
  const pen = cleanCanvas(size);
  const { safe, logoCorner, logoHeightPx } = plan;
  const scale = Math.min(logoHeightPx / logo.height, size.width / 3 / logo.width);
  const width = logo.width * scale;
  const height = logo.height * scale;
  const isLeft = logoCorner === 'topLeft' || logoCorner === 'bottomLeft';
  const isTop = logoCorner === 'topLeft' || logoCorner === 'topRight';
  const x = isLeft ? safe.left : safe.right - width;
  const y = isTop ? safe.top : safe.bottom - height;
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(logo, x, y, width, height);
  return toDrawing(pen, { x, y, width, height });
}
