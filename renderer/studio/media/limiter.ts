// The program's limiter: nothing leaves above its ceiling, between samples included (true peak, BS.1770-4). Pure.
// Not its job: making sound even (that is each channel's compressor in channel-strip.ts), or reading levels.

import { peakInGap, peakTaps, peakTapsBefore } from './true-peak.ts';

/** Opus overshoots a little when fans decode it: 1 dB is what EBU R 128 leaves for that. */
export const programCeilingDbtp = -1;

const lookAheadSeconds = 0.002;
const releaseSeconds = 0.08;
/** So many samples behind the newest one, its gaps on both sides can be looked into. */
const peakDelay = peakTaps - peakTapsBefore - 1;

/**
 * Look-ahead peak limiter, stereo-linked: inaudible below the ceiling, and 2.25 ms late at 48 kHz.
 * The gain each sample needs is held for the look-ahead (sliding minimum) and then averaged over it, so the gain has
 * arrived when the peak does: no sample can exceed the ceiling, and between samples the gain moves too slowly to matter.
 */
export class Limiter {
  readonly #ceiling: number;
  readonly #length: number;
  readonly #release: number;
  readonly #left: Float32Array;
  readonly #right: Float32Array;
  readonly #envelope: Float64Array;
  // One longer than the look-ahead: a sample's need holds from its arrival to its leaving, both included.
  readonly #needed: Float32Array;
  /** The newest samples after the last `peakTaps` older ones, in one piece. */
  #recentLeft = new Float32Array(peakTaps);
  #recentRight = new Float32Array(peakTaps);
  #gapBefore = 0;
  #at = 0;
  #heldAt = 0;
  #lowest = 1;
  #lowestAge = 0;
  #current = 1;
  #sum: number;
  #gain = 1;

  constructor(sampleRate: number, ceilingDb: number = programCeilingDbtp) {
    this.#ceiling = 10 ** (ceilingDb / 20);
    this.#length = Math.round(sampleRate * lookAheadSeconds);
    this.#release = 1 - Math.exp(-1 / (sampleRate * releaseSeconds));
    this.#left = new Float32Array(this.#length);
    this.#right = new Float32Array(this.#length);
    this.#envelope = new Float64Array(this.#length).fill(1);
    this.#needed = new Float32Array(this.#length + 1).fill(1);
    this.#sum = this.#length;
  }

  /** How far it turns down at the end of the last block, in dB: 0 or less. */
  get reductionDb(): number {
    return 20 * Math.log10(this.#gain);
  }

  /** All four equally long. */
  process(left: Float32Array, right: Float32Array, outLeft: Float32Array, outRight: Float32Array): void {
    const frames = outLeft.length;
    this.#append(left, right, frames);
    const recentLeft = this.#recentLeft;
    const recentRight = this.#recentRight;
    const worthLooking = this.#ceiling / 2;
    for (let i = 0; i < frames; i++) {
      const now = i + peakTaps - peakDelay;
      const l = recentLeft[now] ?? 0;
      const r = recentRight[now] ?? 0;
      const size = Math.max(Math.abs(l), Math.abs(r));
      // Where neither neighbour reaches half of the ceiling, nothing between them exceeds it in practice.
      let gap = 0;
      if (Math.max(Math.abs(l), Math.abs(recentLeft[now + 1] ?? 0)) >= worthLooking) {
        gap = peakInGap(recentLeft, now - peakTapsBefore);
      }
      if (Math.max(Math.abs(r), Math.abs(recentRight[now + 1] ?? 0)) >= worthLooking) {
        gap = Math.max(gap, peakInGap(recentRight, now - peakTapsBefore));
      }
      const gain = this.#gainFor(Math.max(size, gap, this.#gapBefore));
      this.#gapBefore = gap;
      const at = this.#at;
      outLeft[i] = (this.#left[at] ?? 0) * gain;
      outRight[i] = (this.#right[at] ?? 0) * gain;
      this.#left[at] = l;
      this.#right[at] = r;
      this.#at = at + 1 === this.#length ? 0 : at + 1;
      this.#gain = gain;
    }
  }

  #append(left: Float32Array, right: Float32Array, frames: number): void {
    if (this.#recentLeft.length !== peakTaps + frames) {
      this.#recentLeft = new Float32Array(peakTaps + frames);
      this.#recentRight = new Float32Array(peakTaps + frames);
    }
    this.#recentLeft.copyWithin(0, frames);
    this.#recentRight.copyWithin(0, frames);
    this.#recentLeft.set(left, peakTaps);
    this.#recentRight.set(right, peakTaps);
  }

  #gainFor(peak: number): number {
    const at = this.#at;
    const needed = peak > this.#ceiling ? this.#ceiling / peak : 1;
    this.#heldAt = this.#heldAt === this.#length ? 0 : this.#heldAt + 1;
    this.#needed[this.#heldAt] = needed;
    this.#lowestAge++;
    if (needed <= this.#lowest) {
      this.#lowest = needed;
      this.#lowestAge = 0;
    } else if (this.#lowestAge > this.#length) {
      this.#findLowest();
    }
    this.#current = Math.min(this.#lowest, this.#current + (1 - this.#current) * this.#release);
    this.#sum += this.#current - (this.#envelope[at] ?? 1);
    this.#envelope[at] = this.#current;
    // Rounding must not carry the mean over what any sample allowed.
    return Math.min(1, this.#sum / this.#length);
  }

  /** Looks the window through again when the lowest has left it; at rest that is once per window. */
  #findLowest(): void {
    this.#lowest = 1;
    this.#lowestAge = 0;
    for (let age = this.#length; age >= 0; age--) {
      const index = (this.#heldAt - age + this.#needed.length) % this.#needed.length;
      const needed = this.#needed[index] ?? 1;
      if (needed <= this.#lowest) {
        this.#lowest = needed;
        this.#lowestAge = age;
      }
    }
  }
}
