// The short buffer between a sound source and the mixing desk, whose clocks are never quite the same: keeps the delay
// small, plays a little faster or slower to hold it there, and measures how far the source's clock is off. Pure.
// Not its job: carrying blocks to it (mixing-desk.worker.ts), sound that says when it is due (timed-buffer.ts), or what is done
// with the sound (channel-strip.ts).
import { framesAfter, SoundRing } from './sound-ring.ts';

/** What a buffer says about itself. */
export interface BufferReport {
  /** The slack at the worst moment, plus the block it came in: what this source adds to the delay. */
  readonly bufferedMs: number;
  /** Times it ran dry since the last report. */
  readonly underruns: number;
  /** How much faster the source's clock runs than the program's, in parts per million; null until it is known. */
  readonly driftPpm: number | null;
}

/**
 * Close together: what the buffer holds is a delay of sound against picture that nobody down the line knows of, and sender
 * reports allow for its middle (`soundUntoldMs` in program-bus.ts).
 */
const leastReserveMs = 25;
const mostReserveMs = 50;
const settleSeconds = 0.5;
/** What is older was held up with the whole machine for so long that nobody wants to hear it any more. */
const staleMs = 600;

/**
 * Chromium's own track input grows with every hiccup of the machine, up to 100 ms, and never shrinks again. Here the slack
 * (what is left when the next block comes, at the worst moment of the last half second) is steered to a small reserve by playing up to 2 % faster or
 * slower, which also takes up the drift between the two clocks. An underrun makes the reserve larger; calm makes it
 * smaller again.
 */
export class SteeredBuffer {
  readonly #programRate: number;
  readonly #ring = new SoundRing();
  readonly #drift = new DriftMeter();
  #rate: number;
  #read = 0;
  #playing = false;
  #speed = 1;
  #reserveMs = leastReserveMs;
  #leastMs = Infinity;
  #slackMs = 0;
  #blockMs = 10;
  #readMs = 10;
  #lastWriteMs = 0;
  #underruns = 0;
  #clockFrames: number;
  #sinceSettled = 0;

  /** `programRate`: the rate it is read at, in Hz. `clockFrames`: what the program's clock has counted before its first read. */
  constructor(programRate: number, clockFrames = 0) {
    this.#clockFrames = clockFrames;
    this.#programRate = programRate;
    this.#rate = programRate;
  }

  /**
   * The source's next samples at its own rate: first all of the left side, then all of the right. `atMs`: when they came, by
   * the program's clock.
   */
  write(samples: Float32Array, sampleRate: number, atMs: number): void {
    if (sampleRate !== this.#rate) {
      this.#rate = sampleRate;
      this.#playing = false;
      this.#read = this.#ring.written;
      this.#drift.restart();
    }
    // What is left, as if it were read sample by sample: reading in blocks, it would look a block better or worse with the moment.
    const sinceReadMs = clamp(atMs - this.#clockMs(), 0, this.#readMs);
    this.#leastMs = Math.min(this.#leastMs, this.#bufferedMs() - sinceReadMs);
    this.#lastWriteMs = atMs;
    const frames = samples.length / 2;
    this.#ring.write(samples);
    this.#blockMs = (frames / sampleRate) * 1000;
    this.#drift.arrived((this.#ring.written / sampleRate) * 1000, atMs);
  }

  /** Another source takes over: what is known of the old one's clock is forgotten, its last sound is played. */
  restart(): void {
    this.#drift.restart();
  }

  /** Fills both, which are equally long; silence while there is nothing to play. */
  read(left: Float32Array, right: Float32Array): void {
    const frames = left.length;
    this.#clockFrames += frames;
    this.#steer(frames);
    const step = (this.#rate / this.#programRate) * this.#speed;
    if (this.#playing && this.#ring.written - this.#read < frames * step + framesAfter) this.#runDry();
    if (!this.#playing) {
      left.fill(0);
      right.fill(0);
      return;
    }
    this.#read = this.#ring.read(this.#read, step, left, right);
  }

  /** Counts underruns anew from here. */
  report(): BufferReport {
    const underruns = this.#underruns;
    this.#underruns = 0;
    return {
      bufferedMs: this.#playing ? this.#slackMs + this.#blockMs : 0,
      underruns,
      driftPpm: this.#drift.ppm(),
    };
  }

  #runDry(): void {
    this.#playing = false;
    this.#underruns++;
    this.#reserveMs = Math.min(mostReserveMs, this.#reserveMs * 1.5);
  }

  #clockMs(): number {
    return (this.#clockFrames / this.#programRate) * 1000;
  }

  #bufferedMs(): number {
    return ((this.#ring.written - this.#read) / this.#rate) * 1000;
  }

  #steer(frames: number): void {
    const bufferedMs = this.#bufferedMs();
    const readMs = (frames / this.#programRate) * 1000;
    this.#readMs = readMs;
    if (bufferedMs > staleMs) this.#playing = false;
    if (!this.#playing) {
      // However much came while nothing played, start as close to now as is safe: the next block is still so far away.
      const awayMs = clamp(this.#blockMs - (this.#clockMs() - this.#lastWriteMs), 0, this.#blockMs);
      const neededMs = this.#reserveMs + readMs + awayMs;
      if (bufferedMs >= neededMs) {
        this.#read = Math.max(1, this.#ring.written - (neededMs / 1000) * this.#rate);
        this.#playing = true;
        this.#speed = 1;
        this.#leastMs = Infinity;
      }
    }
    this.#sinceSettled += frames;
    if (this.#sinceSettled < this.#programRate * settleSeconds) return;
    this.#sinceSettled = 0;
    this.#drift.settle();
    if (this.#playing && this.#leastMs < Infinity) this.#settle();
  }

  /** Twice a second: judges the slack of the last half second and sets the speed for the next. */
  #settle(): void {
    this.#slackMs = this.#leastMs;
    this.#leastMs = Infinity;
    const surplusMs = this.#slackMs - this.#reserveMs;
    if (surplusMs > 60) {
      this.#read += ((surplusMs / 1000) * this.#rate) | 0;
      this.#speed = 1;
    } else {
      // Within 3 ms nothing is done: a steady speed of exactly one is the cleanest sound.
      this.#speed = Math.abs(surplusMs) < 3 ? 1 : 1 + clamp(surplusMs / 1500, -0.02, 0.02);
    }
    this.#reserveMs = Math.max(leastReserveMs, this.#reserveMs - 0.05);
  }
}

/** Half seconds that are looked back on: two minutes. */
const driftPoints = 240;
/** Before that the machine's own unevenness is larger than any drift: 15 s. */
const driftPointsNeeded = 30;
/** A step this large is lost or doubled sound, not a clock. */
const jumpMs = 25;

/**
 * How a source's clock runs against the program's: the slope of "how much sound has come" over the time it took, a straight
 * line through the earliest arrivals of each half second, because whatever is late was only held up on its way.
 */
class DriftMeter {
  readonly #atMs = new Float64Array(driftPoints);
  readonly #aheadMs = new Float64Array(driftPoints);
  #count = 0;
  #best = -Infinity;
  #bestAtMs = 0;

  /** `soundMs` of sound have come by `atMs`. */
  arrived(soundMs: number, atMs: number): void {
    const ahead = soundMs - atMs;
    if (ahead <= this.#best) return;
    this.#best = ahead;
    this.#bestAtMs = atMs;
  }

  settle(): void {
    if (this.#best === -Infinity) return;
    const last = this.#aheadMs[(this.#count + driftPoints - 1) % driftPoints] ?? 0;
    if (this.#count > 0 && Math.abs(this.#best - last) > jumpMs) this.#count = 0;
    const slot = this.#count % driftPoints;
    this.#atMs[slot] = this.#bestAtMs;
    this.#aheadMs[slot] = this.#best;
    this.#count++;
    this.#best = -Infinity;
  }

  restart(): void {
    this.#count = 0;
    this.#best = -Infinity;
  }

  ppm(): number | null {
    const count = Math.min(this.#count, driftPoints);
    if (count < driftPointsNeeded) return null;
    let atSum = 0;
    let aheadSum = 0;
    for (let i = 0; i < count; i++) {
      atSum += this.#atMs[i] ?? 0;
      aheadSum += this.#aheadMs[i] ?? 0;
    }
    let together = 0;
    let spread = 0;
    for (let i = 0; i < count; i++) {
      const at = (this.#atMs[i] ?? 0) - atSum / count;
      together += at * ((this.#aheadMs[i] ?? 0) - aheadSum / count);
      spread += at * at;
    }
    return spread > 0 ? (together / spread) * 1e6 : null;
  }
}

const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));
