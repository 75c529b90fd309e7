// A canvas held in memory (no graphics card in between) with what every drawing needs: fonts, rounded panels, words that
// fit. Answers drawings ready for both backends.
// Not its job: what is drawn (overlay.ts, qr-card.ts).

import type { Drawing } from './backend.ts';
import { createOverlay } from './mixing.ts';
import type { Brand, BrandFont, Size } from './scene.ts';

export type Pen = OffscreenCanvasRenderingContext2D;

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const systemStack = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';

const fontStacks: Readonly<Record<BrandFont, string>> = {
  system: systemStack,
  sans: '"Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif',
  serif: 'Georgia, "Times New Roman", "Liberation Serif", "DejaVu Serif", serif',
  condensed:
    '"Arial Narrow", "Roboto Condensed", "Liberation Sans Narrow", "DejaVu Sans Condensed", sans-serif',
  rounded: '"SF Pro Rounded", "Nunito", "Arial Rounded MT Bold", "Quicksand", "DejaVu Sans", sans-serif',
  mono: '"SF Mono", Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace',
};

/** A CSS font. */
export const fontOf = (brand: Brand, weight: number, sizePx: number): string =>
  `${weight} ${sizePx}px ${fontStacks[brand.font]}`;

/** Secondary words: the brand's text colour, a little towards its panel. */
export const dimOf = ({ text, panel }: Brand): string => mix(text, panel, 0.2);
/** A panel lets a little of the picture through. */
export const panelOf = ({ panel }: Brand): string => withAlpha(panel, 0.9);
/** For what runs out: amber whatever the brand, as on the pages, and readable on its panel. */
export function alertOf({ panel }: Brand): string {
  const [red, green, blue] = channels(panel);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? '#9a4a00' : '#ffb020';
}

const channels = (colour: string): readonly [number, number, number] => {
  const value = Number.parseInt(/^#[0-9a-f]{6}$/i.test(colour) ? colour.slice(1) : '808080', 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
};

export const withAlpha = (colour: string, alpha: number): string =>
  `rgba(${channels(colour).join()},${alpha})`;

function mix(colour: string, other: string, share: number): string {
  const to = channels(other);
  const mixed = channels(colour).map((value, i) => Math.round(value + ((to[i] ?? 0) - value) * share));
  return `rgb(${mixed.join()})`;
}

/** A canvas of the caller's own, for work that goes on over more than one turn. */
export function openCanvas({ width, height }: Size): Pen {
  const pen = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (pen === null) throw new Error('This browser has no canvas to draw overlays on.');
  return pen;
}

/** Outputs of two shapes and the ticker's band; a picture of 1080 lines is 8 MB. */
const mostPens = 3;
const pens = new Map<string, Pen>();

/** A clean canvas until the next call for this size. One that is kept draws a card in a third of the time that a new one takes. */
export function cleanCanvas(size: Size): Pen {
  const key = `${size.width}×${size.height}`;
  const kept = pens.get(key);
  const pen = kept ?? openCanvas(size);
  kept?.reset();
  // The latest one is the last to go.
  pens.delete(key);
  pens.set(key, pen);
  const [oldest] = pens.keys();
  if (pens.size > mostPens && oldest !== undefined) pens.delete(oldest);
  return pen;
}

/** What is inside the box, grown to even edges and cut to the canvas; `at` moves it on the output. */
export function toDrawing(pen: Pen, box: Box, at?: { readonly x: number; readonly y: number }): Drawing {
  const { width: mostX, height: mostY } = pen.canvas;
  const left = Math.max(0, Math.floor(box.x / 2) * 2);
  const top = Math.max(0, Math.floor(box.y / 2) * 2);
  const width = Math.min(mostX - left, Math.ceil((box.x + box.width - left) / 2) * 2);
  const height = Math.min(mostY - top, Math.ceil((box.y + box.height - top) / 2) * 2);
  const { data } = pen.getImageData(left, top, Math.max(2, width), Math.max(2, height));
  const rgba = new Uint8ClampedArray(data);
  const size = { width: Math.max(2, width), height: Math.max(2, height) };
  return {
    x: at?.x ?? left,
    y: at?.y ?? top,
    ...size,
    rgba,
    planes: createOverlay(rgba, size.width, size.height),
  };
}

export function fillRounded(pen: Pen, { x, y, width, height }: Box, radius: number): void {
  pen.beginPath();
  pen.roundRect(x, y, width, height, radius);
  pen.fill();
}

/** The text, or as much of it as fits, with an ellipsis. */
export function fitText(pen: Pen, text: string, width: number): string {
  if (pen.measureText(text).width <= width) return text;
  const characters = Array.from(text);
  while (characters.length > 0 && pen.measureText(`${characters.join('').trimEnd()}…`).width > width) {
    characters.pop();
  }
  return `${characters.join('').trimEnd()}…`;
}

export function wrapText(pen: Pen, text: string, width: number, mostLines: number): string[] {
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
