// Live levels of one sound: peak, average, loudness (ITU-R BS.1770-4, EBU Tech 3341) and true peak. Pure; no
// allocation per block. Not its job: whole files (loudness.ts), or drawing.

import { kWeighting, toLufs } from './loudness.ts';
import { peakInGap, peakTaps, peakTapsBefore } from './true-peak.ts';

/** Levels of the last twentieth of a second, in dB below full scale; loudness in LUFS. Silence is {@link silenceDb}. */
export interface Levels {
  readonly peakDb: number;
  readonly rmsDb: number;
  /** Above 0 what is between samples distorts though no sample does. */
  readonly truePeakDb: number;
  /** Over 0.4 s. */
  readonly momentaryLufs: number;
  /** Over 3 s. */
  readonly shortTermLufs: number;
}

export const silenceDb = -100;

/** Loudness is summed in steps of 50 ms, of which its windows are whole multiples. */
const stepSeconds = 0.05;
const momentarySteps = 8;
const shortTermSteps = 60;
/** Below this a filter's memory is nothing but slow arithmetic. */
const nothing = 1e-18;

/** Reads 48 kHz sound: the weighting's coefficients are for that rate. */
export class SoundMeter {
  readonly #stepFrames: number;
  readonly #steps = new Float64Array(shortTermSteps);
  #step = 0;
  #stepPower = 0;
  #framesInStep = 0;
  /** Memory of both filters of both sides: x1 x2 y1 y2 z1 z2 each. */
  readonly #memory = new Float64Array(12);
  #recentLeft = new Float32Array(peakTaps);
  #recentRight = new Float32Array(peakTaps);
  #peak = 0;
  #truePeak = 0;
  #squareLeft = 0;
  #squareRight = 0;
  #frames = 0;

  constructor(sampleRate: number) {
    this.#stepFrames = Math.round(sampleRate * stepSeconds);
  }

  /** Both equally long. */
  process(left: Float32Array, right: Float32Array): void {
    const frames = left.length;
    this.#squareLeft += this.#readPeak(left);
    this.#squareRight += this.#readPeak(right);
    this.#frames += frames;
    this.#lookBetween(left, right, frames);
    for (let from = 0; from < frames;) {
      const to = Math.min(frames, from + this.#stepFrames - this.#framesInStep);
      this.#stepPower += this.#weigh(left, 0, from, to) + this.#weigh(right, 6, from, to);
      this.#framesInStep += to - from;
      from = to;
      if (this.#framesInStep < this.#stepFrames) continue;
      this.#steps[this.#step] = this.#stepPower / this.#stepFrames;
      this.#step = (this.#step + 1) % shortTermSteps;
      this.#stepPower = 0;
      this.#framesInStep = 0;
    }
  }

  /** What was heard since the last call; loudness over its own windows. */
  take(): Levels {
    const frames = Math.max(1, this.#frames);
    const levels = {
      peakDb: toDb(this.#peak),
      rmsDb: toDb(Math.sqrt(Math.max(this.#squareLeft, this.#squareRight) / frames)),
      truePeakDb: toDb(this.#truePeak),
      momentaryLufs: this.#loudness(momentarySteps),
      shortTermLufs: this.#loudness(shortTermSteps),
    };
    this.#peak = 0;
    this.#truePeak = 0;
    this.#squareLeft = 0;
    this.#squareRight = 0;
    this.#frames = 0;
    return levels;
  }

  #loudness(steps: number): number {
    let power = 0;
    for (let age = 1; age <= steps; age++) {
      power += this.#steps[(this.#step - age + shortTermSteps) % shortTermSteps] ?? 0;
    }
    return power > 0 ? Math.max(silenceDb, toLufs(power / steps)) : silenceDb;
  }

  #readPeak(samples: Float32Array): number {
    let peak = this.#peak;
    let square = 0;
    for (const sample of samples) {
      const size = Math.abs(sample);
      if (size > peak) peak = size;
      square += sample * sample;
    }
    this.#peak = peak;
    return square;
  }

  #lookBetween(left: Float32Array, right: Float32Array, frames: number): void {
    if (this.#recentLeft.length !== peakTaps + frames) {
      this.#recentLeft = new Float32Array(peakTaps + frames);
      this.#recentRight = new Float32Array(peakTaps + frames);
    }
    // A reading counts from the samples on; what lies between them follows a quarter of a millisecond later.
    if (this.#peak > this.#truePeak) this.#truePeak = this.#peak;
    this.#lookBetweenOne(this.#recentLeft, left, frames);
    this.#lookBetweenOne(this.#recentRight, right, frames);
  }

  #lookBetweenOne(recent: Float32Array, samples: Float32Array, frames: number): void {
    recent.copyWithin(0, frames);
    recent.set(samples, peakTaps);
    let most = this.#truePeak;
    for (let i = 1; i <= frames; i++) {
      // A neighbour is rarely less than 0.7 of what lies beside it: only sound above 12 kHz does that.
      const neighbour = Math.max(
        Math.abs(recent[i + peakTapsBefore] ?? 0),
        Math.abs(recent[i + peakTapsBefore + 1] ?? 0),
      );
      if (neighbour < most * 0.7) continue;
      const peak = peakInGap(recent, i);
      if (peak > most) most = peak;
    }
    this.#truePeak = most;
  }

  /** The sum of squares of a part of a channel after the K weighting. */
  #weigh(samples: Float32Array, memory: number, from: number, to: number): number {
    const [head, highPass] = kWeighting;
    if (head === undefined || highPass === undefined) return 0;
    const [hb0, hb1, hb2] = head.b;
    const [ha1, ha2] = head.a;
    const [pb0, pb1, pb2] = highPass.b;
    const [pa1, pa2] = highPass.a;
    const m = this.#memory;
    let x1 = m[memory] ?? 0;
    let x2 = m[memory + 1] ?? 0;
    let y1 = m[memory + 2] ?? 0;
    let y2 = m[memory + 3] ?? 0;
    let z1 = m[memory + 4] ?? 0;
    let z2 = m[memory + 5] ?? 0;
    let power = 0;
    for (let i = from; i < to; i++) {
      const x = samples[i] ?? 0;
      const y = hb0 * x + hb1 * x1 + hb2 * x2 - ha1 * y1 - ha2 * y2;
      const z = pb0 * y + pb1 * y1 + pb2 * y2 - pa1 * z1 - pa2 * z2;
      x2 = x1;
      x1 = x;
      y2 = y1;
      y1 = y;
      z2 = z1;
      z1 = z;
      power += z * z;
    }
    m[memory] = x1;
    m[memory + 1] = x2;
    m[memory + 2] = settle(y1);
    m[memory + 3] = settle(y2);
    m[memory + 4] = settle(z1);
    m[memory + 5] = settle(z2);
    return power;
  }
}

const settle = (value: number): number => (Math.abs(value) < nothing ? 0 : value);
const toDb = (level: number): number => (level > 1e-5 ? 20 * Math.log10(level) : silenceDb);
