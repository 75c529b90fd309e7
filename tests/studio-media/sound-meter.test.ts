// Live meters by the reference signals of EBU Tech 3341, and the limiter by sound that is louder between samples than at them.

import { expect, test } from 'vitest';
import { Limiter } from '../../renderer/studio/media/limiter.ts';
import { truePeakDbtp } from '../../renderer/studio/media/loudness.ts';
import { SoundMeter } from '../../renderer/studio/media/sound-meter.ts';

const rate = 48_000;
const block = 128;

/** Sine parts one after the other, again and again: [peak level in dBFS, seconds]. */
function tones(parts: readonly (readonly [db: number, seconds: number])[], times = 1, hertz = 1000) {
  const samples: number[] = [];
  for (let round = 0; round < times; round++) {
    for (const [db, seconds] of parts) {
      const end = samples.length + Math.round(seconds * rate);
      while (samples.length < end)
        samples.push(10 ** (db / 20) * Math.sin((2 * Math.PI * hertz * samples.length) / rate));
    }
  }
  return Float32Array.from(samples);
}

/** Readings every twentieth of a second, the same sound on both sides. */
function readings(samples: Float32Array) {
  const meter = new SoundMeter(rate);
  const levels = [];
  let frames = 0;
  for (let from = 0; from + block <= samples.length; from += block) {
    const part = samples.subarray(from, from + block);
    meter.process(part, part);
    frames += block;
    if (frames < rate / 20) continue;
    frames = 0;
    levels.push({ atS: (from + block) / rate, ...meter.take() });
  }
  return levels;
}

test('momentary and short-term loudness read the EBU tones within 0.1 LU', () => {
  for (const lufs of [-23, -33]) {
    const last = readings(tones([[lufs, 5]])).at(-1);
    expect(Math.abs((last?.momentaryLufs ?? 0) - lufs)).toBeLessThan(0.1);
    expect(Math.abs((last?.shortTermLufs ?? 0) - lufs)).toBeLessThan(0.1);
  }
  // Tech 3341, case 9: the short-term loudness stands still at -23 after 3 s.
  const case9 = readings(tones([[-20, 1.34], [-30, 1.66]], 4)).filter(({ atS }) => atS > 3.1); // oxfmt-ignore
  for (const { shortTermLufs } of case9) expect(Math.abs(shortTermLufs + 23)).toBeLessThan(0.1);
  // Case 12: the momentary loudness stands still at -23 after 1 s.
  const case12 = readings(tones([[-20, 0.18], [-30, 0.22]], 12)).filter(({ atS }) => atS > 1.1); // oxfmt-ignore
  for (const { momentaryLufs } of case12) expect(Math.abs(momentaryLufs + 23)).toBeLessThan(0.1);
});

test('true peak sees what lies between samples, and silence is silence', () => {
  // Tech 3341, cases 15 to 18: half scale at a quarter, a sixth and an eighth of the rate, between +0.2 and -0.4 dB.
  for (const [part, degrees] of [
    [4, 0],
    [4, 45],
    [6, 60],
    [8, 67.5],
  ] as const) {
    // oxfmt-ignore
    const samples = Float32Array.from(
      { length: rate },
      (_, i) => 0.5 * Math.sin((2 * Math.PI * i) / part + (degrees * Math.PI) / 180),
    );
    const { truePeakDb = 0, peakDb = 0 } = readings(samples)[10] ?? {};
    expect(truePeakDb + 6.02, `${part} ${degrees}`).toBeGreaterThan(-0.4);
    expect(truePeakDb + 6.02, `${part} ${degrees}`).toBeLessThan(0.2);
    if (degrees === 45) expect(peakDb).toBeLessThan(-8.9);
  }
  expect(readings(new Float32Array(rate)).at(-1)).toMatchObject({
    peakDb: -100,
    truePeakDb: -100,
    momentaryLufs: -100,
  });
});

/** What leaves a limiter, both sides the same. */
function limited(samples: Float32Array): Float32Array<ArrayBuffer> {
  const limiter = new Limiter(rate);
  const out = new Float32Array(samples.length);
  const other = new Float32Array(block);
  for (let from = 0; from + block <= samples.length; from += block) {
    const part = samples.subarray(from, from + block);
    limiter.process(part, part, out.subarray(from, from + block), other);
  }
  return out;
}

test('the limiter keeps true peaks under -1 dBTP, whatever comes', () => {
  // Faded in and out: a sound that is cut off rings where a file is measured, though nothing was played there.
  const ofLength = (at: (i: number) => number) =>
    Float32Array.from(
      { length: block * 400 },
      (_, i) => at(i) * Math.min(1, i / 200, Math.max(0, block * 397 - i) / 200),
    );
  let seed = 7;
  const random = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 31 - 1;
  const hard = {
    'samples at 0.99, peaks at 1.4 between them': ofLength(
      (i) => 1.4 * Math.sin((Math.PI * i) / 2 + Math.PI / 4),
    ),
    'a slow sweep of phase': ofLength((i) => 1.3 * Math.sin((Math.PI * i) / 2.03)),
    noise: ofLength(() => 2 * random()),
    'claps in silence': ofLength((i) => (i % 4000 < 40 ? 3 * random() : 0)),
    'a voice far too loud': ofLength((i) => 4 * Math.sin(i / 40) * Math.sin(i / 3000)),
  };
  for (const [name, samples] of Object.entries(hard)) {
    const out = limited(samples);
    expect(truePeakDbtp([out, out]), `${name}, limited`).toBeLessThan(-0.9);
    expect(truePeakDbtp([out, out]), `${name}, limited`).toBeGreaterThan(-3);
  }
  const quiet = tones([[-12, 0.4]]);
  const untouched = limited(quiet);
  // 2.25 ms late, and otherwise the same to the last bit.
  expect(untouched.subarray(108, 10_000)).toEqual(quiet.subarray(0, 9_892));
});
