// Pictures that the studio draws itself and that never move: a plain colour and a test card.
// Not its job: images from files (source-content.ts), or what lies over the program (overlay.ts).
import type { Size } from './scene.ts';

const penOf = ({
  width,
  height,
}: Size): { canvas: OffscreenCanvas; pen: OffscreenCanvasRenderingContext2D } => {
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext('2d');
  if (!pen) throw new Error('This browser gives no canvas to draw on.');
  return { canvas, pen };
};

/** `hex`: such as #1a2b3c. Small: one colour needs no detail. */
export function drawColour(hex: string): ImageBitmap {
  const { canvas, pen } = penOf({ width: 16, height: 16 });
  pen.fillStyle = hex;
  pen.fillRect(0, 0, 16, 16);
  return canvas.transferToImageBitmap();
}

/** 75 % bars as of SMPTE ECR 1-1978: white, yellow, cyan, green, magenta, red, blue. */
const bars = ['#bfbfbf', '#bfbf00', '#00bfbf', '#00bf00', '#bf00bf', '#bf0000', '#0000bf'] as const;
const ramp = 16;

/** Bars for colour, a ramp for light, a circle for shape, and the name to tell one from another. */
export function drawTestCard(size: Size, name: string): ImageBitmap {
  const { canvas, pen } = penOf(size);
  const { width, height } = size;
  const barsHeight = Math.round(height * 0.7);
  bars.forEach((colour, index) => {
    pen.fillStyle = colour;
    const left = Math.round((index * width) / bars.length);
    pen.fillRect(left, 0, Math.round(((index + 1) * width) / bars.length) - left, barsHeight);
  });
  for (let step = 0; step < ramp; step++) {
    const grey = Math.round((step * 255) / (ramp - 1));
    pen.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    const left = Math.round((step * width) / ramp);
    pen.fillRect(left, barsHeight, Math.round(((step + 1) * width) / ramp) - left, height - barsHeight);
  }
  const unit = Math.min(width, height);
  pen.lineWidth = Math.max(2, unit / 120);
  pen.strokeStyle = '#fff';
  pen.beginPath();
  pen.arc(width / 2, height / 2, unit * 0.4, 0, 2 * Math.PI);
  pen.stroke();
  pen.font = `600 ${Math.round(unit / 12)}px system-ui, sans-serif`;
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  const words = `${name} · ${width}×${height}`;
  const wordsWidth = Math.min(width * 0.9, pen.measureText(words).width + unit / 10);
  pen.fillStyle = '#000';
  pen.fillRect((width - wordsWidth) / 2, height / 2 - unit / 12, wordsWidth, unit / 6);
  pen.fillStyle = '#fff';
  pen.fillText(words, width / 2, height / 2, width * 0.86);
  return canvas.transferToImageBitmap();
}
