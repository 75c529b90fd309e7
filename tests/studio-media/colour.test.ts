// Colour by reference numbers: .cube files as the field writes them, their exact values, and what the fast tables make
// of whole pictures.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Lut, Rgb } from '../../renderer/studio/media/cube.ts';
import { parseCube, sampleLut } from '../../renderer/studio/media/cube.ts';
import { bakeGrade, gradeColour, gradePicture } from '../../renderer/studio/media/grade.ts';
import { createPicture, rgbToYuv, yuvToRgb } from '../../renderer/studio/media/i420.ts';
import { neutralColour } from '../../renderer/studio/media/scene.ts';

/** A file with a value for each point of a grid. */
function cubeFile(size: number, at: (rgb: Rgb) => Rgb, header: readonly string[] = []): string {
  const lines = [`LUT_3D_SIZE ${size}`, ...header];
  const share = (i: number) => i / (size - 1);
  for (let b = 0; b < size; b++) {
    for (let g = 0; g < size; g++) {
      for (let r = 0; r < size; r++) {
        lines.push(
          at([share(r), share(g), share(b)])
            .map((value) => value.toFixed(6))
            .join(' '),
        );
      }
    }
  }
  return lines.join('\n');
}

const identity = (rgb: Rgb): Rgb => rgb;
/** Teal shadows, orange lights, and a curve: what a look is made of. */
const look = ([r, g, b]: Rgb): Rgb => [
  r ** 1.2 + 0.05 * r * (1 - b),
  g ** 1.1,
  0.06 + 0.88 * b - 0.1 * r * b,
];

const expectRgb = (seen: Rgb, expected: Rgb, tolerance = 1e-6): void =>
  expected.forEach((value, i) => expect(Math.abs((seen[i] ?? NaN) - value)).toBeLessThanOrEqual(tolerance));

test('a table of two points is read with its comments, title, domain and line ends', () => {
  const lut = parseCube(
    [
      '# made by hand',
      'TITLE "Night drop"',
      '',
      'LUT_3D_SIZE 2',
      'DOMAIN_MIN 0 0 0',
      'DOMAIN_MAX 2 1 1',
      '0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 0 1\n1 0 1\n0 1 1\n1e0 1.0 .5',
    ].join('\r\n'),
  );
  expect(lut).toMatchObject({ title: 'Night drop', kind: '3D', size: 2, domainMax: [2, 1, 1] });
  // Red runs to 2 here: 1 is half way.
  expectRgb(sampleLut(lut, [1, 0, 0]), [0.5, 0, 0]);
  expectRgb(sampleLut(lut, [2, 1, 1]), [1, 1, 0.5]);
  expectRgb(sampleLut(lut, [9, -9, 0]), [1, 0, 0]);
});

test('between the points a colour is the weighted mean of its tetrahedron, by hand', () => {
  // Eight corners with unlike values, so that a wrong one would be seen.
  const corners = [0, 0.1, 0.3, 0.45, 0.2, 0.35, 0.6, 1];
  const lut = parseCube(
    ['LUT_3D_SIZE 2', ...corners.map((value) => `${value} ${value} ${value}`)].join('\n'),
  );
  const value = (rgb: Rgb) => sampleLut(lut, rgb)[0];
  // r ≥ g ≥ b goes black → red → yellow → white, each with the difference of the fractions.
  expect(value([0.8, 0.5, 0.2])).toBeCloseTo(0.2 * 0 + 0.3 * 0.1 + 0.3 * 0.45 + 0.2 * 1, 6);
  // b ≥ g ≥ r goes black → blue → cyan → white.
  expect(value([0.1, 0.4, 0.9])).toBeCloseTo(0.1 * 0 + 0.5 * 0.2 + 0.3 * 0.6 + 0.1 * 1, 6);
  // g ≥ b ≥ r goes black → green → cyan → white.
  expect(value([0.2, 0.7, 0.3])).toBeCloseTo(0.3 * 0 + 0.4 * 0.3 + 0.1 * 0.6 + 0.2 * 1, 6);
  // r ≥ b ≥ g, b ≥ r ≥ g, g ≥ r ≥ b
  expect(value([0.6, 0.1, 0.5])).toBeCloseTo(0.4 * 0 + 0.1 * 0.1 + 0.4 * 0.35 + 0.1 * 1, 6);
  expect(value([0.5, 0.1, 0.6])).toBeCloseTo(0.4 * 0 + 0.1 * 0.2 + 0.4 * 0.35 + 0.1 * 1, 6);
  expect(value([0.5, 0.6, 0.1])).toBeCloseTo(0.4 * 0 + 0.1 * 0.3 + 0.4 * 0.45 + 0.1 * 1, 6);
});

test('a 17- and a 65-point table give their own values at the points and an affine look everywhere', () => {
  const affine = ([r, g, b]: Rgb): Rgb => [0.9 * r + 0.05, 0.2 + 0.5 * g + 0.1 * b, 0.7 * b + 0.1 * r];
  for (const size of [17, 65]) {
    const lut = parseCube(cubeFile(size, affine));
    expectRgb(
      sampleLut(lut, [5 / (size - 1), 3 / (size - 1), 1]),
      affine([5 / (size - 1), 3 / (size - 1), 1]),
      2e-6,
    );
    for (const rgb of [
      [0.123, 0.456, 0.789],
      [0.999, 0.001, 0.5],
      [0.31, 0.31, 0.31],
    ] as const)
      expectRgb(sampleLut(lut, rgb), affine(rgb), 2e-6);
  }
});

test('a 1D table bends each channel by itself, and reads the input range of its maker', () => {
  const rows = Array.from({ length: 17 }, (_, i) => `${(i / 16) ** 2} ${i / 16} ${1 - i / 16}`);
  const lut = parseCube(['LUT_1D_SIZE 17', 'LUT_1D_INPUT_RANGE 0.0 1.0', ...rows].join('\n'));
  expectRgb(sampleLut(lut, [0.5, 0.5, 0.25]), [0.25, 0.5, 0.75]);
  expect(sampleLut(lut, [0.53125, 0, 0])[0]).toBeCloseTo((0.25 + (9 / 16) ** 2) / 2, 6);
});

test('a file that cannot be used is refused in a sentence that names the line', () => {
  const refusal = (text: string): string => {
    try {
      parseCube(text);
    } catch (error) {
      if (error instanceof Error) return error.message;
    }
    return 'was taken';
  };
  expect(refusal('hello')).toContain('Line 1');
  expect(refusal('')).toContain('not a .cube file');
  expect(refusal('LUT_3D_SIZE 2\n0 0 0\n1 0')).toContain('Line 3');
  expect(refusal('LUT_3D_SIZE 2\n0 0 0\n1 0 NaN')).toContain('Line 3');
  expect(refusal('LUT_3D_SIZE 2\n0 0 0')).toContain('promises 8 points and has 1');
  expect(refusal('LUT_3D_SIZE 66')).toContain('2 to 65');
  expect(refusal('LUT_1D_SIZE 2\n0 0 0\n1 1 1\n2 2 2')).toContain('more points than 2');
  expect(refusal('LUT_1D_SIZE 2\nLUT_3D_SIZE 2')).toContain('second size');
  expect(refusal('0 0 0\nLUT_1D_SIZE 2')).toContain('come before');
  expect(refusal('LUT_1D_SIZE 2\nDOMAIN_MAX 0 0 0\n0 0 0\n1 1 1')).toContain('domain');
  expect(refusal(' '.repeat(16_000_001))).toContain('too large');
});

test('whatever is in a file, it is read or refused in words', () => {
  const line = fc.oneof(
    fc.constantFrom(
      'LUT_3D_SIZE 2',
      'LUT_1D_SIZE 2',
      'DOMAIN_MIN 0 0 0',
      'DOMAIN_MAX 1 1 1',
      '0 0 0',
      '1 .5 -3',
    ),
    fc.string({ maxLength: 20 }),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 14 }), (lines) => {
      try {
        const lut = parseCube(lines.join('\n'));
        expect(sampleLut(lut, [0.2, 0.5, 0.9]).every(Number.isFinite)).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ code: 'badLut' });
      }
    }),
  );
});

test('each control does what its name says', () => {
  const graded = (change: Partial<typeof neutralColour>, rgb: Rgb) =>
    gradeColour({ ...neutralColour, ...change }, null, rgb);
  expectRgb(graded({}, [0.2, 0.5, 0.9]), [0.2, 0.5, 0.9]);
  // A stop doubles linear light.
  expect(graded({ exposureEv: 1 }, [0.5, 0.5, 0.5])[0] ** 2.2).toBeCloseTo(2 * 0.5 ** 2.2, 6);
  expect(graded({ exposureEv: 3 }, [0.9, 0.5, 0.1])[0]).toBe(1);
  expectRgb(graded({ contrast: 2 }, [0.5, 0.6, 0.4]), [0.5, 0.7, 0.3]);
  expectRgb(graded({ saturation: 0 }, [1, 0, 0]), [0.299, 0.299, 0.299]);
  const warm = graded({ temperature: 1 }, [0.5, 0.5, 0.5]);
  expect(warm[0]).toBeGreaterThan(warm[2] + 0.15);
  expect(0.299 * warm[0] + 0.587 * warm[1] + 0.114 * warm[2]).toBeCloseTo(0.5, 6);
  const lut = parseCube(cubeFile(17, () => [1, 1, 1]));
  expectRgb(gradeColour({ ...neutralColour, lutId: 'x', lutAmount: 0.5 }, lut, [0.2, 0, 1]), [0.6, 0.5, 1]);
});

/** Every seventh code of U and V with every fifth of Y that is a colour: each as a block of 2×2 alike. */
function colours(): readonly (readonly [number, number, number])[] {
  const found: (readonly [number, number, number])[] = [];
  for (let y = 16; y <= 235; y += 5) {
    for (let u = 16; u <= 240; u += 7) {
      for (let v = 16; v <= 240; v += 7) {
        if (yuvToRgb(y, u, v).every((value) => value >= 0 && value <= 255)) found.push([y, u, v]);
      }
    }
  }
  return found;
}

function gradeAll(lut: Lut | null, change: Partial<typeof neutralColour>) {
  const colour = { ...neutralColour, lutId: lut === null ? null : 'x', ...change };
  const all = colours();
  const picture = createPicture(all.length * 2, 2);
  all.forEach(([y, u, v], i) => {
    for (const at of [2 * i, 2 * i + 1, picture.width + 2 * i, picture.width + 2 * i + 1]) picture.y[at] = y;
    picture.u[i] = u;
    picture.v[i] = v;
  });
  const graded = createPicture(picture.width, 2);
  gradePicture(picture, graded, bakeGrade(colour, lut));
  const errors = all.map(([y, u, v], i) => {
    const [r, g, b] = yuvToRgb(y, u, v);
    const [red, green, blue] = gradeColour(colour, lut, [r / 255, g / 255, b / 255]);
    const expected = rgbToYuv(red * 255, green * 255, blue * 255);
    const seen = [graded.y[2 * i] ?? 0, graded.u[i] ?? 0, graded.v[i] ?? 0];
    return Math.max(...expected.map((value, channel) => Math.abs(value - (seen[channel] ?? NaN))));
  });
  return { worst: Math.max(...errors), mean: errors.reduce((a, b) => a + b, 0) / errors.length };
}

test('a neutral table leaves every colour within 2 codes, 17 to 65 points', () => {
  for (const size of [17, 33, 65]) {
    const { worst } = gradeAll(parseCube(cubeFile(size, identity)), {});
    expect(worst).toBeLessThanOrEqual(2);
  }
});

test('pictures are graded as the exact formula says, with controls and a look at once', () => {
  const lut = parseCube(cubeFile(33, look));
  const looked = gradeAll(lut, {});
  expect(looked.worst).toBeLessThanOrEqual(5);
  expect(looked.mean).toBeLessThan(0.8);
  const both = gradeAll(lut, { exposureEv: 0.5, saturation: 1.2, temperature: 0.2, lutAmount: 0.8 });
  // Where light is clipped the exact formula has an edge that a table rounds.
  expect(both.worst).toBeLessThanOrEqual(16);
  expect(both.mean).toBeLessThan(1.2);
});

test('a picture of odd size is graded to its last row and column, also in place', () => {
  const picture = createPicture(7, 5);
  picture.data.fill(128);
  gradePicture(picture, picture, bakeGrade({ ...neutralColour, contrast: 0 }, null));
  const grey = Math.round(rgbToYuv(127.5, 127.5, 127.5)[0]);
  expect([...picture.y].every((value) => Math.abs(value - grey) <= 1)).toBe(true);
});
