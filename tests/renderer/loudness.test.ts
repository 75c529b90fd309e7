// Loudness against the reference tones of EBU Tech 3341 and BS.1770-4, levelling, and the change of sample rate.

import { expect, test } from 'vitest';
import type { Stereo } from '../../renderer/studio/media/loudness.ts';
import {
  clipLoudness,
  integratedLoudness,
  levelLoudness,
  truePeakDbtp,
} from '../../renderer/studio/media/loudness.ts';
import { resample } from '../../renderer/studio/media/resample.ts';

const rate = 48_000;
const fromDb = (db: number) => 10 ** (db / 20);

/** Sine parts one after the other: [peak level in dBFS, seconds]. The same on both sides. */
function tones(parts: readonly (readonly [db: number, seconds: number])[], hertz = 1000): Stereo {
  const lengths = parts.map(([, seconds]) => Math.round(seconds * rate));
  const channel = new Float32Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  parts.forEach(([db], part) => {
    const level = fromDb(db);
    for (const end = at + (lengths[part] ?? 0); at < end; at++) {
      channel[at] = level * Math.sin((2 * Math.PI * hertz * at) / rate);
    }
  });
  return [channel, channel];
}

/** Noise with the crest of speech: short loud syllables, long quiet ones. */
function syllables(seconds: number, peak: number): Stereo {
  let seed = 7;
  const channel = Float32Array.from({ length: seconds * rate }, (_, i) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    const loud = i % 24_000 < 2400 ? 1 : 0.08;
    return peak * loud * (seed / 2 ** 31 - 1);
  });
  return [channel, channel.slice()];
}

test('integrated loudness meets the reference tones within 0.1 LU, gates included', () => {
  // BS.1770-4: a 997 Hz sine at 0 dBFS on one side is -3.01 LUFS; on both, at -20 dBFS, -20.
  const [left] = tones([[0, 5]], 997);
  expect(integratedLoudness([left, new Float32Array(left.length)])).toBeCloseTo(-3.01, 1);
  expect(integratedLoudness(tones([[-20, 5]], 997))).toBeCloseTo(-20, 1);
  // EBU Tech 3341, cases 1 to 5.
  expect(integratedLoudness(tones([[-23, 20]]))).toBeCloseTo(-23, 1);
  expect(integratedLoudness(tones([[-33, 20]]))).toBeCloseTo(-33, 1);
  const case3 = tones([
    [-36, 10],
    [-23, 60],
    [-36, 10],
  ]);
  expect(integratedLoudness(case3)).toBeCloseTo(-23, 1);
  const case4 = tones([
    [-72, 10],
    [-36, 10],
    [-23, 60],
    [-36, 10],
    [-72, 10],
  ]);
  expect(integratedLoudness(case4)).toBeCloseTo(-23, 1);
  const case5 = tones([
    [-26, 20],
    [-20, 20.1],
    [-26, 20],
  ]);
  expect(integratedLoudness(case5)).toBeCloseTo(-23, 1);
  expect(integratedLoudness(tones([[-90, 5]]))).toBe(-Infinity);
});

test('true peak sees what lies between the samples (EBU Tech 3341, cases 15 to 19)', () => {
  const sine = (cyclesPerSample: number, phaseDegrees: number, db: number): Stereo => {
    const channel = Float32Array.from(
      { length: rate },
      (_, i) =>
        // Faded in: a tone that starts at full level rings above it in any filter.
        Math.min(1, i / 4800) *
        Math.min(1, (rate - i) / 4800) *
        fromDb(db) *
        Math.sin(2 * Math.PI * cyclesPerSample * i + (phaseDegrees * Math.PI) / 180),
    );
    return [channel, new Float32Array(channel.length)];
  };
  for (const [cycles, phase, db] of [
    [1 / 4, 0, -6],
    [1 / 4, 45, -6],
    [1 / 6, 60, -6],
    [1 / 8, 67.5, -6],
    [1 / 4, 45, 3],
  ] as const) {
    const peak = truePeakDbtp(sine(cycles, phase, db));
    expect(peak).toBeGreaterThan(db - 0.4);
    expect(peak).toBeLessThan(db + 0.2);
  }
  expect(truePeakDbtp([new Float32Array(480), new Float32Array(480)])).toBe(-Infinity);
});

test('levelling brings quiet, loud and peaky sound to the target and no peak above the ceiling', () => {
  for (const sound of [tones([[-34, 4]]), tones([[0, 4]]), syllables(6, 0.9), syllables(6, 0.2)]) {
    const levelled = levelLoudness(sound);
    expect(Math.abs(integratedLoudness(levelled) - clipLoudness.integratedLufs)).toBeLessThan(1);
    expect(truePeakDbtp(levelled)).toBeLessThanOrEqual(clipLoudness.ceilingDbtp + 0.01);
    expect(levelled[0]).toHaveLength(sound[0].length);
  }
});

test('levelling does not raise noise without end, and leaves silence silent', () => {
  const whisper = tones([[-60, 3]]);
  expect(integratedLoudness(levelLoudness(whisper))).toBeCloseTo(-40, 1);
  expect(
    levelLoudness([new Float32Array(rate), new Float32Array(rate)])[0].every((sample) => sample === 0),
  ).toBe(true);
});

test('a change of sample rate keeps a tone, its level and its place, and lets nothing fold back', () => {
  for (const fromRate of [44_100, 22_050, 96_000, 16_000]) {
    const sine = Float32Array.from(
      { length: fromRate },
      (_, i) => 0.5 * Math.sin((2 * Math.PI * 1000 * i) / fromRate),
    );
    const output = resample(sine, fromRate, rate, rate);
    let worst = 0;
    for (let i = 2000; i < rate - 2000; i++) {
      worst = Math.max(worst, Math.abs((output[i] ?? 0) - 0.5 * Math.sin((2 * Math.PI * 1000 * i) / rate)));
    }
    expect(worst).toBeLessThan(0.001);
  }
  const above = Float32Array.from({ length: 96_000 }, (_, i) =>
    Math.sin((2 * Math.PI * 30_000 * i) / 96_000),
  );
  const folded = resample(above, 96_000, rate, rate).subarray(2000, -2000);
  expect(folded.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)).toBeLessThan(0.001);
});
