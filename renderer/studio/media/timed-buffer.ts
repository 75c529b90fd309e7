// The buffer between sound that says when it is due and the mixing desk: what a file plays leaves the desk on its moment, however
// unevenly the machine's threads run, as long as it comes before that. One clock: nothing has to be steered. Pure.
// Not its job: sources with a clock of their own (steered-buffer.ts), or saying when sound is due (video-file.worker.ts).
import { SoundRing } from './sound-ring.ts';
import type { BufferReport } from './steered-buffer.ts';

/** Clocks are told in tenths of a millisecond; less than this is no reason to move the sound that plays. */
const toleranceMs = 5;
/** A pause this long is filled; before a longer one all that is left has been played. */
const mostSilenceMs = 1_000;

export class TimedBuffer {
  readonly #ring = new SoundRing();
  readonly #programRate: number;
  #rate: number;
  #read = 0;
  /** When what comes after the last frame is due. */
  #dueEndMs = 0;
  #playing = false;
  #clockFrames: number;
  #leastMs = Infinity;
  #blockMs = 10;
  #underruns = 0;

  /** `programRate`: the rate it is read at, in Hz. `clockFrames`: what the program's clock has counted before its first read. */
  constructor(programRate: number, clockFrames = 0) {
    this.#clockFrames = clockFrames;
    this.#programRate = programRate;
    this.#rate = programRate;
  }

  /**
   * The next samples at the source's own rate: first all of the left side, then all of the right. `arrivedMs` and `dueMs`: when they
   * came and when the first of them is due, by the program's clock. Sound that is
   * due before what came last takes its place: the source has started over.
   */
  write(samples: Float32Array, sampleRate: number, arrivedMs: number, dueMs: number): void {
    const gapMs = dueMs - this.#dueEndMs;
    if (dueMs < this.#clockMs()) this.#underruns++;
    if (sampleRate !== this.#rate || gapMs < -toleranceMs || gapMs > mostSilenceMs) {
      this.#rate = sampleRate;
      this.#read = this.#ring.written;
    } else if (gapMs > toleranceMs) this.#ring.writeSilence(Math.round((gapMs / 1000) * sampleRate));
    this.#leastMs = Math.min(this.#leastMs, dueMs - arrivedMs);
    this.#ring.write(samples);
    this.#blockMs = (samples.length / 2 / sampleRate) * 1000;
    this.#dueEndMs = dueMs + this.#blockMs;
  }

  /** Nothing is known of a clock that could be forgotten. */
  restart(): void {}

  /** Fills both, which are equally long; silence while nothing is due. */
  read(left: Float32Array, right: Float32Array): void {
    const step = this.#rate / this.#programRate;
    const { written } = this.#ring;
    const due = written - ((this.#dueEndMs - this.#clockMs()) / 1000) * this.#rate;
    this.#clockFrames += left.length;
    const tolerance = (toleranceMs / 1000) * this.#rate;
    // What came too late is left out. What plays goes on without a seam.
    if (due > this.#read + tolerance) this.#read = Math.min(due, written);
    const isDue = due >= this.#read - tolerance;
    this.#playing = isDue && this.#read + left.length * step <= written + 1;
    if (this.#playing) this.#read = this.#ring.read(this.#read, step, left, right);
    else {
      left.fill(0);
      right.fill(0);
    }
  }

  /** Counts underruns anew from here. */
  report(): BufferReport {
    const bufferedMs = this.#playing && this.#leastMs < Infinity ? this.#leastMs + this.#blockMs : 0;
    const underruns = this.#underruns;
    this.#underruns = 0;
    this.#leastMs = Infinity;
    return { bufferedMs, underruns, driftPpm: null };
  }

  #clockMs(): number {
    return (this.#clockFrames / this.#programRate) * 1000;
  }
}
