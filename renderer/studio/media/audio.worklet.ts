// The mixer's processors on the audio thread: an input that keeps a track's delay small, a limiter that never lets a
// sample over its ceiling, and a meter that reads many inputs at once. No allocation per block.
// Not its job: routing and levels (mixer.ts), reading tracks (audio-input.worker.ts).

import type { InputReport, SoundBlock } from './audio-input.worker.ts';

// The audio thread's globals; TypeScript's DOM library does not carry them.
declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const silence = new Float32Array(128);
const quantum = 128;

/**
 * Plays the blocks that arrive on its port, at the audio thread's rate.
 *
 * Chromium's own track input grows with every hiccup of the machine, up to 100 ms, and never shrinks again. Here the
 * slack (sound left at the emptiest moment of the last half second) is steered to a small reserve by playing up to 2 %
 * faster or slower, which also absorbs the drift between the two clocks. An underrun makes the reserve larger; calm
 * makes it smaller again.
 */
class TrackInput extends AudioWorkletProcessor {
  static readonly #ringSize = 65_536;
  static readonly #windowQuanta = Math.round((sampleRate * 0.5) / quantum);
  readonly #left = new Float32Array(TrackInput.#ringSize);
  readonly #right = new Float32Array(TrackInput.#ringSize);
  #rate = sampleRate;
  #written = 0;
  #read = 0;
  #playing = false;
  #speed = 1;
  #reserveMs = 6;
  #leastMs = Infinity;
  #quanta = 0;
  #slackMs = 0;
  #blockMs = 10;
  #underruns = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<MessagePort>) => {
      data.onmessage = ({ data: block }: MessageEvent<SoundBlock>) => this.#write(block);
    };
  }

  #write({ samples, sampleRate: rate }: SoundBlock): void {
    if (rate !== this.#rate) {
      this.#rate = rate;
      this.#playing = false;
      this.#read = this.#written;
    }
    const frames = samples.length / 2;
    const mask = TrackInput.#ringSize - 1;
    for (let i = 0; i < frames; i++) {
      const at = (this.#written + i) & mask;
      this.#left[at] = samples[i] ?? 0;
      this.#right[at] = samples[frames + i] ?? 0;
    }
    this.#written += frames;
    this.#blockMs = (frames / rate) * 1000;
  }

  process(_: unknown, [output]: readonly (readonly Float32Array[])[]): boolean {
    const left = output?.[0];
    const right = output?.[1];
    if (left === undefined || right === undefined) return true;
    this.#steer();
    const step = (this.#rate / sampleRate) * this.#speed;
    // Three more: the interpolation looks one sample back and two ahead.
    if (this.#playing && this.#written - this.#read < quantum * step + 3) this.#runDry();
    if (!this.#playing) return true;
    for (let i = 0; i < quantum; i++) {
      left[i] = interpolate(this.#left, this.#read);
      right[i] = interpolate(this.#right, this.#read);
      this.#read += step;
    }
    return true;
  }

  #runDry(): void {
    this.#playing = false;
    this.#underruns++;
    this.#reserveMs = Math.min(60, this.#reserveMs * 1.5);
  }

  #steer(): void {
    const bufferedMs = ((this.#written - this.#read) / this.#rate) * 1000;
    // After a pause of the whole graph the buffer is old: begin again at the newest sound.
    if (bufferedMs > 300) this.#playing = false;
    if (!this.#playing) {
      if (bufferedMs >= this.#reserveMs + this.#blockMs) {
        // However much came while nothing played, start as close to now as is safe.
        this.#read = Math.max(1, this.#written - ((this.#reserveMs + this.#blockMs) / 1000) * this.#rate);
        this.#playing = true;
        this.#speed = 1;
        this.#leastMs = Infinity;
      }
    } else {
      this.#leastMs = Math.min(this.#leastMs, bufferedMs);
    }
    if (++this.#quanta % TrackInput.#windowQuanta !== 0) return;
    if (this.#playing) this.#settle();
    if (this.#quanta % (2 * TrackInput.#windowQuanta) !== 0) return;
    this.port.postMessage({
      bufferedMs: this.#playing ? this.#slackMs + this.#blockMs : 0,
      underruns: this.#underruns,
    } satisfies InputReport);
    this.#underruns = 0;
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
      this.#speed = Math.abs(surplusMs) < 3 ? 1 : 1 + Math.max(-0.02, Math.min(0.02, surplusMs / 1500));
    }
    this.#reserveMs = Math.max(6, this.#reserveMs - 0.05);
  }
}

/** Four-point Hermite interpolation in a ring whose size is a power of two. */
function interpolate(ring: Float32Array, position: number): number {
  const mask = ring.length - 1;
  const whole = Math.floor(position);
  const t = position - whole;
  const b = ring[whole & mask] ?? 0;
  if (t === 0) return b;
  const a = ring[(whole - 1) & mask] ?? 0;
  const c = ring[(whole + 1) & mask] ?? 0;
  const d = ring[(whole + 2) & mask] ?? 0;
  const slope = (c - a) / 2;
  const bend = a - 2.5 * b + 2 * c - d / 2;
  const twist = (d - a) / 2 + 1.5 * (b - c);
  return ((twist * t + bend) * t + slope) * t + b;
}

/**
 * Look-ahead peak limiter, stereo-linked: inaudible below the ceiling, and 2 ms late.
 * The gain each sample needs is held for the look-ahead (sliding minimum) and then averaged over it, so the gain has
 * arrived when the peak does: the output cannot exceed the ceiling.
 */
class Limiter extends AudioWorkletProcessor {
  readonly #ceiling = 10 ** (-1 / 20);
  readonly #length = Math.round(sampleRate * 0.002);
  readonly #release = 1 - Math.exp(-1 / (sampleRate * 0.08));
  readonly #left = new Float32Array(this.#length);
  readonly #right = new Float32Array(this.#length);
  readonly #envelope = new Float64Array(this.#length).fill(1);
  // One longer than the look-ahead: a sample's need holds from its arrival to its leaving, both included.
  readonly #needed = new Float32Array(this.#length + 1).fill(1);
  #at = 0;
  #heldAt = 0;
  #lowest = 1;
  #lowestAge = 0;
  #current = 1;
  #sum = this.#length;

  process(
    [input]: readonly (readonly Float32Array[])[],
    [output]: readonly (readonly Float32Array[])[],
  ): boolean {
    const outLeft = output?.[0];
    const outRight = output?.[1] ?? outLeft;
    if (outLeft === undefined || outRight === undefined) return true;
    const left = input?.[0] ?? silence;
    const right = input?.[1] ?? left;
    for (let i = 0; i < outLeft.length; i++) {
      const l = left[i] ?? 0;
      const r = right[i] ?? 0;
      const gain = this.#gainFor(Math.max(Math.abs(l), Math.abs(r)));
      const at = this.#at;
      outLeft[i] = (this.#left[at] ?? 0) * gain;
      outRight[i] = (this.#right[at] ?? 0) * gain;
      this.#left[at] = l;
      this.#right[at] = r;
      this.#at = at + 1 === this.#length ? 0 : at + 1;
    }
    return true;
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

/** Reads peak and mean square of every input and posts them 20 times a second as [peak, rms] per input. */
class Meter extends AudioWorkletProcessor {
  readonly #every = Math.round(sampleRate / 20);
  #samples = 0;
  #peaks = new Float32Array(0);
  #squares = new Float64Array(0);

  process(inputs: readonly (readonly Float32Array[])[]): boolean {
    if (this.#peaks.length !== inputs.length) {
      this.#peaks = new Float32Array(inputs.length);
      this.#squares = new Float64Array(inputs.length);
    }
    for (let slot = 0; slot < inputs.length; slot++) this.#read(slot, inputs[slot] ?? []);
    this.#samples += quantum;
    if (this.#samples < this.#every) return true;
    const levels = new Float32Array(inputs.length * 2);
    for (let slot = 0; slot < inputs.length; slot++) {
      levels[slot * 2] = this.#peaks[slot] ?? 0;
      levels[slot * 2 + 1] = Math.sqrt((this.#squares[slot] ?? 0) / this.#samples);
    }
    this.port.postMessage(levels, [levels.buffer]);
    this.#peaks.fill(0);
    this.#squares.fill(0);
    this.#samples = 0;
    return true;
  }

  #read(slot: number, channels: readonly Float32Array[]): void {
    let peak = this.#peaks[slot] ?? 0;
    let loudest = 0;
    for (const channel of channels) {
      let square = 0;
      for (const sample of channel) {
        const size = Math.abs(sample);
        if (size > peak) peak = size;
        square += sample * sample;
      }
      loudest = Math.max(loudest, square);
    }
    this.#peaks[slot] = peak;
    this.#squares[slot] = (this.#squares[slot] ?? 0) + loudest;
  }
}

registerProcessor('input', TrackInput);
registerProcessor('limiter', Limiter);
registerProcessor('meter', Meter);
