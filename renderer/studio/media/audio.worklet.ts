// The two audio processors of the mixer, run on the audio thread: a limiter that never lets a sample over its ceiling,
// and a meter that reads many inputs at once. No allocation per block.
// Not its job: routing and levels (mixer.ts).

// The audio thread's globals; TypeScript's DOM library does not carry them.
declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const silence = new Float32Array(128);

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
    this.#samples += 128;
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

registerProcessor('limiter', Limiter);
registerProcessor('meter', Meter);
