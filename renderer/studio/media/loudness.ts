// Loudness and true peak of 48 kHz sound by ITU-R BS.1770-4, and levelling to a target with a look-ahead limiter.
// Pure arithmetic on arrays. Not its job: where sound comes from, or live levels (sound-meter.ts).

import { peakInGap, peakTaps, peakTapsBefore } from './true-peak.ts';

/** Left and right, equally long, at 48 kHz. */
export type Stereo = readonly [left: Float32Array<ArrayBuffer>, right: Float32Array<ArrayBuffer>];

const rate = 48_000;

export type Biquad = { readonly b: readonly [number, number, number]; readonly a: readonly [number, number] };

/** The two stages of the K weighting at 48 kHz (BS.1770-4, Annex 1, tables 1 and 2): the head, and the high-pass. */
export const kWeighting: readonly Biquad[] = [
  {
    b: [1.53512485958697, -2.69169618940638, 1.19839281085285],
    a: [-1.69065929318241, 0.73248077421585],
  },
  { b: [1, -2, 1], a: [-1.99004745483398, 0.99007225036621] },
];

const blockFrames = 0.4 * rate;
const stepFrames = 0.1 * rate;
const absoluteGateLufs = -70;
const relativeGateLu = -10;

/** Of the mean square of K-weighted sound, summed over channels. */
export const toLufs = (power: number): number => -0.691 + 10 * Math.log10(power);
const fromDb = (db: number): number => 10 ** (db / 20);
const toDb = (amplitude: number): number => 20 * Math.log10(amplitude);

/**
 * Integrated loudness in LUFS with both gates. `-Infinity` where nothing is louder than -70 LUFS, and for sound shorter
 * than one block of 400 ms.
 */
export function integratedLoudness([left, right]: Stereo): number {
  const steps = Math.floor(left.length / stepFrames);
  const stepPower = new Float64Array(steps);
  for (const channel of [left, right]) addStepPowers(channel, stepPower);
  const perBlock = blockFrames / stepFrames;
  const blocks: number[] = [];
  for (let first = 0; first + perBlock <= steps; first++) {
    let power = 0;
    for (let step = first; step < first + perBlock; step++) power += stepPower[step] ?? 0;
    blocks.push(power / blockFrames);
  }
  const loud = blocks.filter((power) => toLufs(power) > absoluteGateLufs);
  if (loud.length === 0) return -Infinity;
  const relativeGate = toLufs(mean(loud)) + relativeGateLu;
  return toLufs(mean(loud.filter((power) => toLufs(power) > relativeGate)));
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Adds the sums of squares of each 100 ms of a channel after the K weighting. */
function addStepPowers(channel: Float32Array, stepPower: Float64Array): void {
  const [head, highPass] = kWeighting;
  if (head === undefined || highPass === undefined) return;
  let [x1, x2, y1, y2, z1, z2] = [0, 0, 0, 0, 0, 0];
  for (let step = 0; step < stepPower.length; step++) {
    let power = 0;
    for (let i = step * stepFrames; i < (step + 1) * stepFrames; i++) {
      const x = channel[i] ?? 0;
      const y = head.b[0] * x + head.b[1] * x1 + head.b[2] * x2 - head.a[0] * y1 - head.a[1] * y2;
      const z =
        highPass.b[0] * y + highPass.b[1] * y1 + highPass.b[2] * y2 - highPass.a[0] * z1 - highPass.a[1] * z2;
      x2 = x1;
      x1 = x;
      y2 = y1;
      y1 = y;
      z2 = z1;
      z1 = z;
      power += z * z;
    }
    stepPower[step] = (stepPower[step] ?? 0) + power;
  }
}

/**
 * The largest of both channels at and just after each sample, between samples included. Where neither neighbour reaches
 * half of `above`, nothing between them exceeds it in practice, and the costly look in between is spared.
 */
function peakEnvelope([left, right]: Stereo, above: number): Float32Array<ArrayBuffer> {
  const envelope = new Float32Array(left.length);
  const before = peakTapsBefore;
  const padded = new Float32Array(left.length + peakTaps);
  for (const channel of [left, right]) {
    padded.set(channel, before);
    for (let i = 0; i < channel.length; i++) {
      let peak = Math.abs(padded[i + before] ?? 0);
      if (peak >= above / 2 || Math.abs(padded[i + before + 1] ?? 0) >= above / 2) {
        peak = Math.max(peak, peakInGap(padded, i));
      }
      if (peak > (envelope[i] ?? 0)) envelope[i] = peak;
    }
  }
  return envelope;
}

/** True peak in dBTP; `-Infinity` for silence. */
export function truePeakDbtp(sound: Stereo): number {
  return toDb(peakEnvelope(sound, 0).reduce((most, value) => Math.max(most, value), 0));
}

export interface LoudnessTarget {
  readonly integratedLufs: number;
  /** What no true peak exceeds afterwards. */
  readonly ceilingDbtp: number;
  /** Quiet sound is not raised by more: it would be its noise that is heard. */
  readonly mostGainDb: number;
}

/**
 * For a clip: -16 LUFS, what phones and laptops play well. The ceiling lies below the -1 dBTP that fans get, because
 * decoding Opus overshoots a little.
 */
export const clipLoudness: LoudnessTarget = { integratedLufs: -16, ceilingDbtp: -2, mostGainDb: 20 };

/** A copy at the target's loudness, or as near as the limits let it come. Silence stays silence. */
export function levelLoudness(sound: Stereo, target: LoudnessTarget = clipLoudness): Stereo {
  const measured = integratedLoudness(sound);
  if (measured === -Infinity) return amplify(sound, 1);
  let gainDb = Math.min(target.mostGainDb, target.integratedLufs - measured);
  let levelled = limit(amplify(sound, fromDb(gainDb)), target.ceilingDbtp);
  // What the limiter takes away is given back, as far as it goes: dense sound converges in two rounds.
  for (let round = 0; round < 2; round++) {
    const missing = target.integratedLufs - integratedLoudness(levelled);
    if (Math.abs(missing) < 0.2 || gainDb >= target.mostGainDb) break;
    gainDb = Math.min(target.mostGainDb, gainDb + missing);
    levelled = limit(amplify(sound, fromDb(gainDb)), target.ceilingDbtp);
  }
  return levelled;
}

const amplify = ([left, right]: Stereo, gain: number): Stereo => [
  left.map((sample) => sample * gain),
  right.map((sample) => sample * gain),
];

const lookAheadFrames = 0.005 * rate;

/**
 * Turns both channels down together around every peak above the ceiling: the least gain of the next and last 5 ms,
 * smoothed over as long, so that it is down in time and does not click. Changes the sound in place and returns it.
 */
function limit(sound: Stereo, ceilingDbtp: number): Stereo {
  const ceiling = fromDb(ceilingDbtp);
  const envelope = peakEnvelope(sound, ceiling);
  if (envelope.every((peak) => peak <= ceiling)) return sound;
  const needed = envelope.map((peak) => (peak > ceiling ? ceiling / peak : 1));
  const gain = smooth(slidingMinimum(needed, lookAheadFrames), lookAheadFrames);
  for (const channel of sound) {
    for (let i = 0; i < channel.length; i++) channel[i] = (channel[i] ?? 0) * (gain[i] ?? 1);
  }
  // A moving gain may leave a hair above the ceiling between two samples.
  const over = truePeakDbtp(sound) - ceilingDbtp;
  return over > 0 ? amplify(sound, fromDb(-over)) : sound;
}

/** The least of `reach` values to either side, by a queue of candidates. */
function slidingMinimum(values: Float32Array, reach: number): Float32Array<ArrayBuffer> {
  const result = new Float32Array(values.length);
  const candidates = new Int32Array(values.length);
  let first = 0;
  let last = 0;
  for (let ahead = 0; ahead < values.length + reach; ahead++) {
    const value = values[ahead];
    if (value !== undefined) {
      while (last > first && (values[candidates[last - 1] ?? 0] ?? 1) >= value) last--;
      candidates[last++] = ahead;
    }
    const at = ahead - reach;
    if (at < 0) continue;
    while ((candidates[first] ?? 0) < at - reach) first++;
    result[at] = values[candidates[first] ?? 0] ?? 1;
  }
  return result;
}

/** The mean of `reach` values to either side; beyond the ends the value is 1. */
function smooth(values: Float32Array, reach: number): Float32Array<ArrayBuffer> {
  const result = new Float32Array(values.length);
  const valueAt = (i: number): number => values[i] ?? 1;
  let sum = 0;
  for (let i = -reach; i <= reach; i++) sum += valueAt(i);
  for (let i = 0; i < values.length; i++) {
    result[i] = sum / (2 * reach + 1);
    sum += valueAt(i + reach + 1) - valueAt(i - reach);
  }
  return result;
}
