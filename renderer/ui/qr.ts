// A QR code as one path of squares, for SVG: crisp at any size, no canvas, no inline style. The studio's picture draws its own.
import { encodeQR } from 'qr';

/** Quiet zone on each side, in modules: ISO/IEC 18004 §9.1 asks for four. */
const quietModules = 4;

/** `side`: width of the view box the path is drawn in, quiet zone included. */
export const qrPath = (text: string): { side: number; path: string } => {
  const rows = encodeQR(text, 'raw', { ecc: 'medium', border: quietModules });
  const path = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ''))).join('');
  return { side: rows.length, path };
};
