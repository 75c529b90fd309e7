// Draws the code that sells: on the program in three styles, and over a standby clip. What matters is that a phone reads
// it from the smallest picture fans get, so modules are whole pixels and stand on chroma samples.
// Not its job: other overlays (overlay.ts), or what price and stock are (the room state says).

import { encodeQR } from 'qr';
import type { Drawing } from './backend.ts';
import type { OverlayPlan } from './overlay-layout.ts';
import type { Box, Pen } from './pen.ts';
import {
  alertOf,
  cleanCanvas,
  dimOf,
  fillRounded,
  fitText,
  fontOf,
  panelOf,
  toDrawing,
  wrapText,
} from './pen.ts';
import type { Brand, Corner, QrCard, Size } from './scene.ts';
import { defaultBrand } from './scene.ts';

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

type Modules = readonly (readonly boolean[])[];

/**
 * A code as rows of modules, true for dark, without quiet zone.
 * Takes the smallest version that holds the text, then the strongest error correction that version allows.
 */
export function qrModules(text: string): Modules {
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
let lastCode: { readonly url: string; readonly modules: Modules } | null = null;

function codeFor(url: string): Modules {
  if (lastCode?.url !== url) lastCode = { url, modules: qrModules(url) };
  return lastCode.modules;
}

/** Side of one module in whole pixels for a code of `modules` on a picture whose shorter side is `shorterPx`. */
export function qrModulePx(modules: number, shorterPx: number): number {
  const side = modules + 2 * quietModules;
  const px = Math.max(smallestModulePx, Math.floor((shorterPx * 0.35) / side));
  if (px * side > shorterPx * 0.6) {
    throw new QrTooLongError(
      'The product address is too long for a code that can be read from the picture: use a shorter address.',
    );
  }
  return px;
}

/** A card as it is being drawn. `side`: of the code with its quiet zone, in pixels. */
interface Sheet {
  readonly pen: Pen;
  readonly card: QrCard;
  readonly brand: Brand;
  readonly plan: OverlayPlan;
  readonly modules: Modules;
  readonly modulePx: number;
  readonly side: number;
}

/** Throws {@link QrTooLongError}. */
export function drawQrCard(card: QrCard, brand: Brand, size: Size, plan: OverlayPlan): Drawing {
  const modules = codeFor(card.url);
  const modulePx = qrModulePx(modules.length, Math.min(size.width, size.height));
  const side = (modules.length + 2 * quietModules) * modulePx;
  const sheet: Sheet = { pen: cleanCanvas(size), card, brand, plan, modules, modulePx, side };
  switch (card.style) {
    case 'card':
      return drawBelow(sheet);
    case 'strip':
      return drawBeside(sheet);
    case 'code':
      return drawAlone(sheet);
  }
}

/** The box of a corner, its edges on chroma samples, so that the white stays white beside a coloured picture. */
function inCorner(corner: Corner, width: number, height: number, { safe }: OverlayPlan): Box {
  const isLeft = corner === 'topLeft' || corner === 'bottomLeft';
  const isTop = corner === 'topLeft' || corner === 'topRight';
  const x = Math.floor((isLeft ? safe.left : safe.right - width) / 2) * 2;
  const y = Math.floor((isTop ? safe.top : safe.bottom - height) / 2) * 2;
  return { x, y, width, height };
}

/** The product's name in lines, with the pen set to write them. */
function wrapName({ pen, card, brand, plan }: Sheet, textWidth: number, mostLines: number) {
  pen.font = fontOf(brand, 600, 15 * plan.unit);
  const nameLines = wrapText(pen, card.productName, textWidth, mostLines);
  return { nameLines, nameHeight: nameLines.length * 17 * plan.unit };
}

/** The panel, the code on it and the words. `first`: the first baseline. */
function fillPanel(
  sheet: Sheet,
  box: Box,
  code: { left: number; top: number },
  words: { nameLines: readonly string[]; left: number; first: number; width: number },
): Drawing {
  const { pen, brand, plan, modules, modulePx } = sheet;
  pen.fillStyle = panelOf(brand);
  fillRounded(pen, box, 8 * plan.unit);
  drawCode(pen, modules, modulePx, code.left, code.top);
  drawWords(sheet, words.nameLines, words.left, words.first, words.width);
  return toDrawing(pen, box);
}

const paddingOf = ({ unit }: OverlayPlan): number => Math.round(7 * unit);

function drawBelow(sheet: Sheet): Drawing {
  const { card, plan, side } = sheet;
  const { unit } = plan;
  const padding = paddingOf(plan);
  const width = side - 4 * unit;
  const { nameLines, nameHeight } = wrapName(sheet, width, 2);
  const height = Math.round(padding + side + 8 * unit + nameHeight + 44 * unit);
  const box = inCorner(card.corner, side + 2 * padding, height, plan);
  const code = { left: box.x + padding, top: box.y + padding };
  const words = { nameLines, left: code.left + 2 * unit, first: code.top + side + 20 * unit, width };
  return fillPanel(sheet, box, code, words);
}

function drawBeside(sheet: Sheet): Drawing {
  const { card, plan, side } = sheet;
  const { unit, safe } = plan;
  const padding = paddingOf(plan);
  const width = Math.min(150 * unit, safe.right - safe.left - side - 3 * padding);
  const { nameLines, nameHeight } = wrapName(sheet, width, 3);
  const height = side + 2 * padding;
  const box = inCorner(card.corner, Math.round(side + width + 4 * padding), height, plan);
  // The code is nearest to the edge of the picture, the words lean on it.
  const codeIsLeft = card.corner === 'topLeft' || card.corner === 'bottomLeft';
  const codeLeft = codeIsLeft ? box.x + padding : box.x + box.width - padding - side;
  const left = codeIsLeft ? codeLeft + side + padding : box.x + 2 * padding;
  const first = box.y + (height - nameHeight - 34 * unit) / 2 + 13 * unit;
  const code = { left: evenFloor(codeLeft), top: box.y + padding };
  return fillPanel(sheet, box, code, { nameLines, left, first, width });
}

function drawAlone({ pen, card, brand, plan, modules, modulePx, side }: Sheet): Drawing {
  // Nothing is laid over the code itself: its foot holds one of the marks a phone looks for.
  const bandHeight = card.soldOut ? Math.round(20 * plan.unit) : 0;
  const box = inCorner(card.corner, side, side + bandHeight, plan);
  drawCode(pen, modules, modulePx, box.x, box.y);
  if (card.soldOut) {
    pen.fillStyle = brand.panel;
    pen.fillRect(box.x, box.y + side, side, bandHeight);
    pen.fillStyle = alertOf(brand);
    pen.font = fontOf(brand, 700, 14 * plan.unit);
    pen.textAlign = 'center';
    pen.fillText('Sold out', box.x + side / 2, box.y + side + 15 * plan.unit);
  }
  return toDrawing(pen, box);
}

/** In 1/360 of the picture's shorter side; below it a phone's owner no longer reads it. */
const smallestPriceUnits = 11;

/** Name, price with what it stands in for and its clock, stock; `first` is the first baseline. */
function drawWords(
  { pen, card, brand, plan: { unit } }: Sheet,
  nameLines: readonly string[],
  left: number,
  first: number,
  textWidth: number,
): void {
  let baseline = first;
  pen.font = fontOf(brand, 600, 15 * unit);
  pen.fillStyle = brand.text;
  for (const line of nameLines) {
    pen.fillText(line, left, baseline);
    baseline += 17 * unit;
  }
  pen.fillStyle = card.soldOut ? alertOf(brand) : brand.text;
  const price = card.soldOut ? 'Sold out' : card.priceText;
  const priceLine = baseline + 5 * unit;
  const clockWidthNow = (): number =>
    card.clockText === '' ? 0 : pen.measureText(card.clockText).width + 8 * unit;
  // A price is not cut short where smaller figures show it whole.
  for (let units = 19; units >= smallestPriceUnits; units--) {
    pen.font = fontOf(brand, 700, units * unit);
    if (pen.measureText(price).width + clockWidthNow() <= textWidth) break;
  }
  const clockWidth = clockWidthNow();
  const shown = fitText(pen, price, textWidth - clockWidth);
  pen.fillText(shown, left, priceLine);
  const priceWidth = pen.measureText(shown).width;
  if (card.clockText !== '') {
    pen.fillStyle = alertOf(brand);
    pen.fillText(card.clockText, left + textWidth - clockWidth + 8 * unit, priceLine);
  }
  pen.font = fontOf(brand, 500, 13 * unit);
  pen.fillStyle = dimOf(brand);
  const before = pen.measureText(card.insteadOfText).width;
  if (!card.soldOut && card.insteadOfText !== '' && priceWidth + before + 8 * unit < textWidth - clockWidth) {
    const x = left + priceWidth + 6 * unit;
    pen.fillText(card.insteadOfText, x, priceLine);
    pen.fillRect(x, priceLine - 4.5 * unit, before, Math.max(1, 1.2 * unit));
  }
  const below = card.soldOut ? card.priceText : card.stockText;
  pen.fillText(fitText(pen, below, textWidth), left, baseline + 22 * unit);
}

function drawCode(pen: Pen, modules: Modules, modulePx: number, left: number, top: number): void {
  const side = (modules.length + 2 * quietModules) * modulePx;
  pen.fillStyle = '#ffffff';
  pen.fillRect(left, top, side, side);
  pen.fillStyle = '#000000';
  modules.forEach((row, rowIndex) => {
    const y = top + (rowIndex + quietModules) * modulePx;
    // One stroke for neighbours: half as many as there are dark modules.
    for (let from = row.indexOf(true); from !== -1;) {
      const next = row.indexOf(false, from);
      const to = next === -1 ? row.length : next;
      pen.fillRect(left + (from + quietModules) * modulePx, y, (to - from) * modulePx, modulePx);
      from = row.indexOf(true, to);
    }
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
  const pen = cleanCanvas(size);
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
  const brand = defaultBrand;
  const padding = 4;
  const margin = 6;
  pen.font = fontOf(brand, 600, 8);
  const titleLines = wrapText(pen, card.title, side - 2, 2);
  const width = side + 2 * padding;
  const height = padding + side + 4 + titleLines.length * 9 + 13;
  const left = 320 - width - margin;
  pen.fillStyle = panelOf(brand);
  fillRounded(pen, { x: left, y: margin, width, height }, 4);
  drawCode(pen, modules, clipModulePx, left + padding, margin + padding);
  let baseline = margin + padding + side + 4 + 6;
  pen.font = fontOf(brand, 600, 8);
  pen.fillStyle = brand.text;
  for (const line of titleLines) {
    pen.fillText(line, left + padding + 1, baseline);
    baseline += 9;
  }
  pen.font = fontOf(brand, 700, 9);
  pen.fillStyle = brand.accent;
  pen.fillText('Scan to shop', left + padding + 1, baseline + 2);
  return pen.getImageData(0, 0, size.width, size.height).data;
}

const evenFloor = (value: number): number => Math.floor(value / 2) * 2;
