// Look-up tables for colour in the `.cube` format (Adobe Cube LUT Specification 1.0, and the input ranges Resolve
// writes), and the exact value of one for a colour. A damaged file is refused in words, with the line.
// Not its job: pictures, or speed (grade.ts bakes a table once, backends apply that).

import { AppError } from '../../../sfu-server/protocol/errors.ts';

export interface Lut {
  /** As written in the file; may be empty. */
  readonly title: string;
  readonly kind: '1D' | '3D';
  /** Points along each axis. */
  readonly size: number;
  /** Inputs that the first and the last point stand for, per channel. */
  readonly domainMin: Rgb;
  readonly domainMax: Rgb;
  /** Red, green and blue of each point. In a 3D table red runs fastest, then green, then blue. */
  readonly values: Float32Array<ArrayBuffer>;
}

/** Nominal 0..1; tables may answer a little outside. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** A 65-point table of long numbers is 10 MB; anything larger is something else. */
export const largestCubeBytes = 16_000_000;
const most3dPoints = 65;
const most1dPoints = 65_536;

/** Reads a `.cube` file. Throws `AppError('badLut')` with a sentence that names the line. */
export function parseCube(text: string): Lut {
  if (text.length > largestCubeBytes) {
    throw refusal('This file is too large for a LUT: 16 MB are the most. Export it with 65 points or fewer.');
  }
  const header = { title: '', domainMin: [0, 0, 0] as Rgb, domainMax: [1, 1, 1] as Rgb };
  let size: { readonly kind: Lut['kind']; readonly points: number } | null = null;
  let values = new Float32Array(0);
  let filled = 0;
  let lineNumber = 0;

  for (let start = 0; start < text.length;) {
    const end = text.indexOf('\n', start);
    const line = text.slice(start, end === -1 ? undefined : end).trim();
    start = end === -1 ? text.length : end + 1;
    lineNumber++;
    if (line === '' || line.startsWith('#')) continue;
    const words = line.split(/\s+/);
    const [keyword = ''] = words;

    if (/^[-+.\d]/.test(keyword)) {
      if (size === null) throw at(lineNumber, 'numbers come before LUT_1D_SIZE or LUT_3D_SIZE');
      const rgb = numbers(words, 3, lineNumber);
      if (filled === values.length) throw at(lineNumber, `there are more points than ${values.length / 3}`);
      values.set(rgb, filled);
      filled += 3;
      continue;
    }
    switch (keyword) {
      case 'TITLE':
        header.title = line
          .replace(/^TITLE\s*/, '')
          .replace(/^"|"$/g, '')
          .slice(0, 200);
        break;
      case 'DOMAIN_MIN':
        header.domainMin = numbers(words.slice(1), 3, lineNumber);
        break;
      case 'DOMAIN_MAX':
        header.domainMax = numbers(words.slice(1), 3, lineNumber);
        break;
      case 'LUT_1D_INPUT_RANGE':
      case 'LUT_3D_INPUT_RANGE': {
        const [low, high] = numbers(words.slice(1), 2, lineNumber);
        header.domainMin = [low, low, low];
        header.domainMax = [high, high, high];
        break;
      }
      case 'LUT_1D_SIZE':
      case 'LUT_3D_SIZE': {
        if (size !== null) {
          throw at(
            lineNumber,
            'there is a second size: export the 1D and the 3D table as files of their own',
          );
        }
        const kind = keyword === 'LUT_1D_SIZE' ? '1D' : '3D';
        size = { kind, points: readSize(words[1], kind, lineNumber) };
        values = new Float32Array(3 * (kind === '1D' ? size.points : size.points ** 3));
        break;
      }
      default:
        throw at(lineNumber, `“${keyword.slice(0, 40)}” is not known in a .cube file`);
    }
  }

  if (size === null) throw refusal('This is not a .cube file: it says neither LUT_1D_SIZE nor LUT_3D_SIZE.');
  if (filled < values.length) {
    throw refusal(
      `This LUT is cut off: it promises ${values.length / 3} points and has ${filled / 3}. Export or download it again.`,
    );
  }
  if (header.domainMin.some((low, channel) => low >= (header.domainMax[channel] ?? low))) {
    throw refusal('The domain of this LUT is empty: DOMAIN_MIN must be below DOMAIN_MAX. Export it again.');
  }
  return { ...header, kind: size.kind, size: size.points, values };
}

const refusal = (sentence: string): AppError => new AppError('badLut', sentence);
const at = (line: number, what: string): AppError =>
  refusal(`Line ${line} of this LUT cannot be read: ${what}.`);

function readSize(word: string | undefined, kind: Lut['kind'], line: number): number {
  const points = Number(word);
  const most = kind === '1D' ? most1dPoints : most3dPoints;
  if (!Number.isInteger(points) || points < 2 || points > most) {
    throw at(line, `a ${kind} table has 2 to ${most} points, not “${(word ?? '').slice(0, 20)}”`);
  }
  return points;
}

function numbers(words: readonly string[], count: 2, line: number): [number, number];
function numbers(words: readonly string[], count: 3, line: number): [number, number, number];
function numbers(words: readonly string[], count: number, line: number): number[] {
  const found = words.map(Number);
  if (found.length !== count || !found.every((value) => Number.isFinite(value) && Math.abs(value) <= 1e4)) {
    throw at(line, `it should hold ${count} numbers`);
  }
  return found;
}

/** The table's answer for a colour: linear in 1D, tetrahedral in 3D. Inputs outside the domain take its edge. */
export function sampleLut(lut: Lut, colour: Rgb): Rgb {
  const position = (channel: 0 | 1 | 2): number => {
    const low = lut.domainMin[channel];
    const share = (colour[channel] - low) / (lut.domainMax[channel] - low);
    return Math.max(0, Math.min(1, share)) * (lut.size - 1);
  };
  const [red, green, blue] = [position(0), position(1), position(2)];
  return lut.kind === '1D' ? curves(lut, red, green, blue) : tetrahedral(lut, red, green, blue);
}

function curves({ values, size }: Lut, red: number, green: number, blue: number): Rgb {
  const along = (position: number, channel: number): number => {
    const before = Math.min(size - 2, Math.floor(position));
    const low = values[before * 3 + channel] ?? 0;
    return low + ((values[before * 3 + 3 + channel] ?? 0) - low) * (position - before);
  };
  return [along(red, 0), along(green, 1), along(blue, 2)];
}

/**
 * Each cell of the grid is six tetrahedra along its grey diagonal; a colour is the weighted mean of the four corners
 * around it, so that greys between equal corners stay grey.
 */
function tetrahedral({ values, size }: Lut, red: number, green: number, blue: number): Rgb {
  const r = Math.min(size - 2, Math.floor(red));
  const g = Math.min(size - 2, Math.floor(green));
  const b = Math.min(size - 2, Math.floor(blue));
  const fr = red - r;
  const fg = green - g;
  const fb = blue - b;
  const stepR = 3;
  const stepG = 3 * size;
  const stepB = 3 * size * size;
  const low = r * stepR + g * stepG + b * stepB;
  const high = low + stepR + stepG + stepB;
  // From the dark corner along the axis of the largest fraction first, then the middle one.
  const [most, middle, least, first, second] =
    fr >= fg
      ? fg >= fb
        ? [fr, fg, fb, stepR, stepG]
        : fr >= fb
          ? [fr, fb, fg, stepR, stepB]
          : [fb, fr, fg, stepB, stepR]
      : fr >= fb
        ? [fg, fr, fb, stepG, stepR]
        : fg >= fb
          ? [fg, fb, fr, stepG, stepB]
          : [fb, fg, fr, stepB, stepG];
  const mixed = (channel: number): number =>
    (1 - most) * (values[low + channel] ?? 0) +
    (most - middle) * (values[low + first + channel] ?? 0) +
    (middle - least) * (values[low + first + second + channel] ?? 0) +
    least * (values[high + channel] ?? 0);
  return [mixed(0), mixed(1), mixed(2)];
}
