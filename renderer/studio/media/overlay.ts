// Draws what lies over (or behind) the sources: lower third, QR card, slate. Runs only when their words change, on an
// OffscreenCanvas held in memory (no GPU round trip), and answers straight RGBA for createOverlay.
// Not its job: per-frame work, or deciding what the scene says.

import { encodeQR } from 'qr';
import type { LowerThird, QrCard, Slate } from './scene.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

const colours = {
  ground: '#0c0d10',
  panel: 'rgba(21, 23, 28, 0.9)',
  text: '#f2f4f8',
  dim: '#c3c9d4',
  accent: '#5b8cff',
  amber: '#ffb020',
} as const;

const fontStack = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';

/** The quiet zone ISO/IEC 18004 asks for around a code, in modules. */
const quietModules = 4;

/** Modules smaller than this do not survive a 360-line VP8 picture at 500 kbit/s. */
const smallestModulePx = 3;

/** What lies over a standby clip. */
export interface ShopCard {
  /** Where the code leads. */
  readonly url: string;
  readonly title: string;
}

/** Thrown when a product's address is too long for a code that a phone can read from the picture. */
export class QrTooLongError extends Error {
  override name = 'QrTooLongError';
}

/**
 * A code as rows of modules, true for dark, without quiet zone.
 * Takes the smallest version that holds the text, then the strongest error correction that version allows.
 */
export function qrModules(text: string): readonly (readonly boolean[])[] {
  let best = encodeQR(text, 'raw', { ecc: 'low', border: 1 });
  for (const ecc of ['medium', 'quartile', 'high'] as const) {
    const stronger = encodeQR(text, 'raw', { ecc, border: 1 });
    if (stronger.length > best.length) break;
    best = stronger;
  }
  // The encoder always adds at least one light module around; the card draws its own quiet zone.
  return best.slice(1, -1).map((row) => row.slice(1, -1));
}

// Stock changes by the minute, the address hardly ever: the last code is kept.
let lastCode: { readonly url: string; readonly modules: readonly (readonly boolean[])[] } | null = null;

function codeFor(url: string): readonly (readonly boolean[])[] {
  if (lastCode?.url !== url) lastCode = { url, modules: qrModules(url) };
  return lastCode.modules;
}

/** Side of one module in whole pixels for a code of `modules` on a picture `pictureHeight` high. */
export function qrModulePx(modules: number, pictureHeight: number): number {
  const side = modules + 2 * quietModules;
  const px = Math.max(smallestModulePx, Math.floor((pictureHeight * 0.35) / side));
  if (px * side > pictureHeight * 0.6) {
    throw new QrTooLongError(
      'The product address is too long for a code that can be read from the picture: use a shorter address.',
    );
  }
  return px;
}

/** RGBA of the given size, transparent where the picture shows through; null when there is nothing to draw. */
export function drawOverlay(
  size: Size,
  words: { readonly lowerThird: LowerThird | null; readonly qr: QrCard | null },
): Uint8ClampedArray | null {
  if (words.lowerThird === null && words.qr === null) return null;
  const pen = openCanvas(size);
  if (words.lowerThird !== null) drawLowerThird(pen, size, words.lowerThird);
  if (words.qr !== null) drawQrCard(pen, size, words.qr);
  return pen.getImageData(0, 0, size.width, size.height).data;
}

/** Opaque RGBA of the given size for the time before any source has a picture. */
export function drawSlate(size: Size, slate: Slate): Uint8ClampedArray {
  const pen = openCanvas(size);
  const unit = size.height / 360;
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, size.width, size.height);
  const glow = pen.createRadialGradient(
    size.width / 2,
    size.height * 1.1,
    0,
    size.width / 2,
    size.height * 1.1,
    size.width * 0.6,
  );
  glow.addColorStop(0, 'rgba(91, 140, 255, 0.22)');
  glow.addColorStop(1, 'rgba(91, 140, 255, 0)');
  pen.fillStyle = glow;
  pen.fillRect(0, 0, size.width, size.height);
  pen.textAlign = 'center';
  pen.fillStyle = colours.text;
  pen.font = `700 ${34 * unit}px ${fontStack}`;
  pen.fillText(fitText(pen, slate.title, size.width * 0.86), size.width / 2, size.height * 0.5);
  pen.fillStyle = colours.accent;
  pen.fillRect(size.width / 2 - 24 * unit, size.height * 0.5 + 16 * unit, 48 * unit, 3 * unit);
  pen.fillStyle = colours.dim;
  pen.font = `400 ${17 * unit}px ${fontStack}`;
  pen.fillText(fitText(pen, slate.note, size.width * 0.86), size.width / 2, size.height * 0.5 + 48 * unit);
  return pen.getImageData(0, 0, size.width, size.height).data;
}

function openCanvas({ width, height }: Size): OffscreenCanvasRenderingContext2D {
  const pen = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (pen === null) throw new Error('This browser has no canvas to draw overlays on.');
  return pen;
}

function drawLowerThird(pen: OffscreenCanvasRenderingContext2D, size: Size, words: LowerThird): void {
  const unit = size.height / 360;
  const titleFont = `700 ${21 * unit}px ${fontStack}`;
  const subtitleFont = `500 ${14.5 * unit}px ${fontStack}`;
  const padding = 12 * unit;
  const left = Math.round(20 * unit);
  const widest = size.width * 0.62;
  const hasSubtitle = words.subtitle !== '';
  pen.font = titleFont;
  const title = fitText(pen, words.title, widest);
  const titleWidth = pen.measureText(title).width;
  pen.font = subtitleFont;
  const subtitle = fitText(pen, words.subtitle, widest);
  const textWidth = Math.max(titleWidth, pen.measureText(subtitle).width);
  const height = Math.round((hasSubtitle ? 57 : 38) * unit);
  const top = size.height - height - Math.round(22 * unit);
  const bar = Math.round(4 * unit);

  pen.fillStyle = colours.panel;
  roundedRect(pen, left, top, bar + textWidth + 2 * padding, height, 8 * unit);
  pen.save();
  pen.beginPath();
  pen.roundRect(left, top, bar + textWidth + 2 * padding, height, 8 * unit);
  pen.clip();
  pen.fillStyle = colours.accent;
  pen.fillRect(left, top, bar, height);
  pen.restore();

  const textLeft = left + bar + padding;
  pen.fillStyle = colours.text;
  pen.font = titleFont;
  pen.fillText(title, textLeft, top + 26 * unit);
  if (!hasSubtitle) return;
  pen.fillStyle = colours.dim;
  pen.font = subtitleFont;
  pen.fillText(subtitle, textLeft, top + 46 * unit);
}

function drawQrCard(pen: OffscreenCanvasRenderingContext2D, size: Size, card: QrCard): void {
  const unit = size.height / 360;
  const modules = codeFor(card.url);
  const modulePx = qrModulePx(modules.length, size.height);
  const side = (modules.length + 2 * quietModules) * modulePx;
  const padding = Math.round(7 * unit);
  const textWidth = side - 4 * unit;

  pen.font = `600 ${15 * unit}px ${fontStack}`;
  const nameLines = wrapText(pen, card.productName, textWidth, 2);
  const nameHeight = nameLines.length * 17 * unit;
  const width = side + 2 * padding;
  const height = Math.round(padding + side + 8 * unit + nameHeight + 44 * unit);
  const margin = Math.round(12 * unit);
  // Even corners keep the code's edges on chroma samples, so the white stays white beside a coloured picture.
  const left = (size.width - width - margin) & ~1;
  const top = margin & ~1;

  pen.fillStyle = colours.panel;
  roundedRect(pen, left, top, width, height, 8 * unit);
  const codeLeft = left + padding;
  const codeTop = top + padding;
  drawCode(pen, modules, modulePx, codeLeft, codeTop);

  const textLeft = codeLeft + 2 * unit;
  let baseline = codeTop + side + 8 * unit + 12 * unit;
  pen.font = `600 ${15 * unit}px ${fontStack}`;
  pen.fillStyle = colours.text;
  for (const line of nameLines) {
    pen.fillText(line, textLeft, baseline);
    baseline += 17 * unit;
  }
  pen.font = `700 ${19 * unit}px ${fontStack}`;
  pen.fillStyle = card.soldOut ? colours.amber : colours.text;
  const price = card.soldOut ? 'Sold out' : card.priceText;
  const priceLine = baseline + 5 * unit;
  const clockWidth = card.clockText === '' ? 0 : pen.measureText(card.clockText).width + 8 * unit;
  const shown = fitText(pen, price, textWidth - clockWidth);
  pen.fillText(shown, textLeft, priceLine);
  const priceWidth = pen.measureText(shown).width;
  if (card.clockText !== '') {
    pen.fillStyle = colours.amber;
    pen.fillText(card.clockText, textLeft + textWidth - clockWidth + 8 * unit, priceLine);
  }
  pen.font = `500 ${13 * unit}px ${fontStack}`;
  pen.fillStyle = colours.dim;
  const before = pen.measureText(card.insteadOfText).width;
  if (!card.soldOut && card.insteadOfText !== '' && priceWidth + before + 8 * unit < textWidth - clockWidth) {
    const left = textLeft + priceWidth + 6 * unit;
    pen.fillText(card.insteadOfText, left, priceLine);
    pen.fillRect(left, priceLine - 4.5 * unit, before, Math.max(1, 1.2 * unit));
  }
  const below = card.soldOut ? card.priceText : card.stockText;
  pen.fillText(fitText(pen, below, textWidth), textLeft, baseline + 22 * unit);
}

function drawCode(
  pen: OffscreenCanvasRenderingContext2D,
  modules: readonly (readonly boolean[])[],
  modulePx: number,
  left: number,
  top: number,
): void {
  const side = (modules.length + 2 * quietModules) * modulePx;
  pen.fillStyle = '#ffffff';
  pen.fillRect(left, top, side, side);
  pen.fillStyle = '#000000';
  modules.forEach((row, rowIndex) => {
    row.forEach((dark, columnIndex) => {
      if (!dark) return;
      const x = left + (columnIndex + quietModules) * modulePx;
      pen.fillRect(x, top + (rowIndex + quietModules) * modulePx, modulePx, modulePx);
    });
  });
}

/**
 * Side of one module, in pixels of a picture 180 lines high, for a code that is read from every layer of a clip. A clip
 * is encoded beforehand, at rates that keep a standing code sharp down to two pixels a module.
 */
const clipModulePx = 2;

/**
 * RGBA of the given size, a multiple of 320×180: the card that lies over a standby clip, with the code of the shop, the
 * show's title and what to do. The same drawing at each size, module for module, so that no layer has to scale a code.
 */
export function drawShopCard(size: Size, card: ShopCard): Uint8ClampedArray {
  const pen = openCanvas(size);
  // Drawn as on the smallest layer: what is in whole pixels there is so on the others.
  const zoom = size.height / 180;
  pen.scale(zoom, zoom);
  const modules = codeFor(card.url);
  const side = (modules.length + 2 * quietModules) * clipModulePx;
  if (side > 180 * 0.6) {
    throw new QrTooLongError(
      'The address of the shop is too long for a code that can be read from the picture: use a shorter address.',
    );
  }
  const padding = 4;
  const margin = 6;
  pen.font = `600 8px ${fontStack}`;
  const titleLines = wrapText(pen, card.title, side - 2, 2);
  const width = side + 2 * padding;
  const height = padding + side + 4 + titleLines.length * 9 + 13;
  const left = 320 - width - margin;
  pen.fillStyle = colours.panel;
  roundedRect(pen, left, margin, width, height, 4);
  drawCode(pen, modules, clipModulePx, left + padding, margin + padding);
  let baseline = margin + padding + side + 4 + 6;
  pen.font = `600 8px ${fontStack}`;
  pen.fillStyle = colours.text;
  for (const line of titleLines) {
    pen.fillText(line, left + padding + 1, baseline);
    baseline += 9;
  }
  pen.font = `700 9px ${fontStack}`;
  pen.fillStyle = colours.accent;
  pen.fillText('Scan to shop', left + padding + 1, baseline + 2);
  return pen.getImageData(0, 0, size.width, size.height).data;
}

function roundedRect(
  pen: OffscreenCanvasRenderingContext2D,
  x: number,
  y: number,
  width: number,
  height: number,
  radius: number,
): void {
  pen.beginPath();
  pen.roundRect(x, y, width, height, radius);
  pen.fill();
}

/** The text, or as much of it as fits, with an ellipsis. */
function fitText(pen: OffscreenCanvasRenderingContext2D, text: string, width: number): string {
  if (pen.measureText(text).width <= width) return text;
  const characters = Array.from(text);
  while (characters.length > 0 && pen.measureText(`${characters.join('').trimEnd()}…`).width > width) {
    characters.pop();
  }
  return `${characters.join('').trimEnd()}…`;
}

function wrapText(
  pen: OffscreenCanvasRenderingContext2D,
  text: string,
  width: number,
  mostLines: number,
): string[] {
  const lines: string[] = [];
  let rest = text.trim();
  while (rest !== '' && lines.length < mostLines - 1 && pen.measureText(rest).width > width) {
    const words = rest.split(/\s+/);
    let line = words.shift() ?? '';
    for (let next = words[0]; next !== undefined; next = words[0]) {
      if (pen.measureText(`${line} ${next}`).width > width) break;
      line = `${line} ${next}`;
      words.shift();
    }
    lines.push(fitText(pen, line, width));
    rest = words.join(' ');
  }
  if (rest !== '') lines.push(fitText(pen, rest, width));
  return lines;
}
