// A channel strip by known tones: what comes out of each of its works, and that no change is heard as a click.

import { expect, test } from 'vitest';
import { ChannelStrip, plainStrip, type StripSettings } from '../../renderer/studio/media/channel-strip.ts';

const rate = 48_000;
const block = 128;

type Sides = readonly [left: Float32Array<ArrayBuffer>, right: Float32Array<ArrayBuffer>];

const sine = (hertz: number, db: number, seconds: number): Float32Array<ArrayBuffer> =>
  Float32Array.from(
    { length: Math.round((seconds * rate) / block) * block },
    (_, i) => 10 ** (db / 20) * Math.sin((2 * Math.PI * hertz * i) / rate),
  );

/** What a strip makes of a sound; `changes` happen at their times in seconds. */
function throughStrip(
  settings: Partial<StripSettings>,
  [left, right]: Sides,
  changes: readonly (readonly [atS: number, change: Partial<StripSettings>])[] = [],
) {
  const strip = new ChannelStrip(rate, { ...plainStrip, ...settings });
  const own: Sides = [left.slice(), right.slice()];
  const mix: Sides = [new Float32Array(left.length), new Float32Array(left.length)];
  let now = { ...plainStrip, ...settings };
  const due = [...changes];
  for (let from = 0; from < left.length; from += block) {
    const next = due[0];
    if (next && from / rate >= next[0]) {
      now = { ...now, ...next[1] };
      strip.set(now);
      due.shift();
    }
    const part = (samples: Float32Array) => samples.subarray(from, from + block);
    strip.process(part(own[0]), part(own[1]), part(mix[0]), part(mix[1]));
  }
  return { own, mix, strip };
}

/** Peak level of a sine by its mean square over the last part. */
const levelDb = (samples: Float32Array, lastSeconds = 0.25): number => {
  const part = samples.subarray(samples.length - Math.round(lastSeconds * rate));
  const square = part.reduce((sum, sample) => sum + sample * sample, 0) / part.length;
  return 10 * Math.log10(Math.max(1e-20, 2 * square));
};
const both = (samples: Float32Array<ArrayBuffer>): Sides => [samples, samples.slice()];

test('a plain strip changes nothing at all, and gain is in dB', () => {
  const tone = sine(1000, -12, 0.5);
  const { mix } = throughStrip({}, both(tone));
  expect(mix[0]).toEqual(tone);
  expect(mix[1]).toEqual(tone);
  for (const gainDb of [-24, -6, 12])
    expect(levelDb(throughStrip({ gainDb }, both(tone)).mix[0])).toBeCloseTo(-12 + gainDb, 2);
});

test('a compressor turns 10 dB above its threshold into 2.5 at 4:1, and leaves what is below alone', () => {
  const compressor = { thresholdDb: -30, ratio: 4, attackMs: 5, releaseMs: 200, makeUpDb: 0 };
  const out = (db: number, change = {}) =>
    levelDb(throughStrip({ compressor: { ...compressor, ...change } }, both(sine(1000, db, 1.5))).mix[0]);
  expect(Math.abs(out(-20) - -27.5)).toBeLessThan(0.5);
  expect(Math.abs(out(-10) - -25)).toBeLessThan(0.5);
  expect(Math.abs(out(-20, { ratio: 2 }) - -25)).toBeLessThan(0.5);
  expect(Math.abs(out(-20, { makeUpDb: 6 }) - -21.5)).toBeLessThan(0.5);
  expect(out(-40)).toBeCloseTo(-40, 1);
  const { strip } = throughStrip({ compressor }, both(sine(1000, -20, 1)));
  expect(strip.reductionDb).toBeCloseTo(-7.5, 0);
});

test('a compressor answers within its attack and lets go within its release', () => {
  const loudThenQuiet = new Float32Array(block * 1125);
  loudThenQuiet.set(sine(1000, -10, 1).subarray(0, block * 375));
  loudThenQuiet.set(sine(1000, -40, 2).subarray(0, block * 750), block * 375);
  const compressor = { thresholdDb: -30, ratio: 4, attackMs: 10, releaseMs: 200, makeUpDb: 0 };
  const { mix } = throughStrip({ compressor }, both(loudThenQuiet));
  const at = (seconds: number) => levelDb(mix[0].subarray(0, Math.round(seconds * rate)), 0.01);
  expect(at(0.01), 'not at once').toBeGreaterThan(-20);
  expect(at(0.06), 'after some attacks').toBeLessThan(-24);
  expect(at(1.05), 'still down').toBeLessThan(-47);
  expect(at(2.2), 'let go').toBeGreaterThan(-41);
});

test('a high-pass is at -3 dB at its corner, falls by 12 dB per octave, and leaves voices alone', () => {
  for (const highPassHz of [80, 120, 200]) {
    const out = (hertz: number) =>
      levelDb(throughStrip({ highPassHz }, both(sine(hertz, -6, 1))).mix[0], 0.5) + 6;
    expect(Math.abs(out(highPassHz) + 3.01)).toBeLessThan(0.2);
    expect(Math.abs(out(highPassHz / 2) + 12.3)).toBeLessThan(0.4);
    expect(Math.abs(out(highPassHz * 10))).toBeLessThan(0.1);
  }
});

test('a gate closes on what is quieter, holds through the pauses of a sentence, and opens without eating the first sound', () => {
  const quiet = throughStrip({ gateDb: -40 }, both(sine(500, -50, 1.5)));
  expect(levelDb(quiet.mix[0], 0.2)).toBeLessThan(-100);
  expect(quiet.strip.gateClosed).toBe(true);
  expect(levelDb(throughStrip({ gateDb: -40 }, both(sine(500, -30, 1))).mix[0])).toBeCloseTo(-30, 1);
  // A word, 0.2 s of pause, a word, a second of hum, a word.
  const speech = sine(500, -50, 2.4);
  const word = sine(500, -20, 0.2);
  for (const atS of [0, 0.4, 2]) speech.set(word, Math.round(atS * rate));
  const { mix } = throughStrip({ gateDb: -35 }, both(speech));
  const between = (fromS: number, toS: number) =>
    levelDb(mix[0].subarray(0, Math.round(toS * rate)), toS - fromS);
  expect(between(0.22, 0.38), 'the pause stays as it is').toBeCloseTo(-50, 0);
  expect(between(1.6, 1.9), 'the hum is gone').toBeLessThan(-90);
  expect(between(2.004, 2.02), 'the word is there').toBeGreaterThan(-21);
});

test('pan is as loud everywhere, mute is silence, and a side can stand alone', () => {
  const tone = sine(1000, -12, 0.5);
  for (const pan of [-1, -0.4, 0, 0.7, 1]) {
    const [left, right] = throughStrip({ pan }, both(tone)).mix;
    const power = 10 ** (levelDb(left) / 10) + 10 ** (levelDb(right) / 10);
    expect(10 * Math.log10(power / 2)).toBeCloseTo(-12, 1);
  }
  expect(levelDb(throughStrip({ pan: 1 }, both(tone)).mix[0])).toBeLessThan(-90);
  const { own, mix } = throughStrip({ muted: true }, both(tone));
  expect([levelDb(mix[0]) < -190, levelDb(own[0])]).toEqual([true, expect.closeTo(-12, 1)]);
  const lavs: Sides = [sine(600, -20, 0.5), sine(1400, -30, 0.5)];
  const right = throughStrip({ mode: 'right' }, lavs);
  expect(right.mix[0]).toEqual(lavs[1]);
  expect(right.mix[1]).toEqual(lavs[1]);
  expect(20 * Math.log10(right.strip.takeDevicePeak())).toBeCloseTo(-30, 1);
  expect(right.strip.takeDevicePeak()).toBe(0);
});

test('a delay is exact to the sample up to a second', () => {
  for (const delayMs of [0, 5, 250, 1000]) {
    const click = new Float32Array(block * 400);
    click[1000] = 1;
    const { mix } = throughStrip({ delayMs }, both(click));
    expect(mix[0].indexOf(1)).toBe(1000 + delayMs * 48);
  }
});

test('no change clicks: nothing moves much faster than the tone itself', () => {
  const tone = sine(200, -12, 1.5);
  const steepest = (samples: Float32Array) =>
    samples.reduce((most, sample, i) => Math.max(most, Math.abs(sample - (samples[i - 1] ?? 0))), 0);
  const compressor = { thresholdDb: -30, ratio: 8, attackMs: 1, releaseMs: 50, makeUpDb: 6 };
  const changes: readonly Partial<StripSettings>[] = [
    { muted: true },
    { gainDb: -30 },
    { pan: -1 },
    { highPassHz: 200 },
    { gateDb: -10 },
    { compressor },
    { delayMs: 333 },
  ];
  for (const change of changes) {
    const back = Object.fromEntries(
      Object.entries(plainStrip).filter(([name]) => Object.hasOwn(change, name)),
    );
    const { mix } = throughStrip({}, both(tone), [
      [0.4, change],
      [1, back],
    ]);
    // The tone's own slope, louder by make-up or pan, and what a ramp adds. A click would be 20 times as steep.
    for (const side of mix)
      expect(steepest(side), `change ${JSON.stringify(change)}`).toBeLessThan(steepest(tone) * 2.2);
  }
});
