// The last second or more of a stereo sound, which can be read at any place between its samples. Pure.
// Not its job: where to read (steered-buffer.ts, timed-buffer.ts).

/** 1.3 s of a device at 96 kHz. A power of two. */
export const ringFrames = 131_072;
const mask = ringFrames - 1;

/** What an interpolated sample looks at after its place: itself and two more. */
export const framesAfter = 3;

export class SoundRing {
  readonly #left = new Float32Array(ringFrames);
  readonly #right = new Float32Array(ringFrames);
  #written = 0;

  /** Frames since the beginning. */
  get written(): number {
    return this.#written;
  }

  /** First all of the left side, then all of the right. */
  write(samples: Float32Array): void {
    const frames = samples.length / 2;
    for (let i = 0; i < frames; i++) {
      const at = (this.#written + i) & mask;
      this.#left[at] = samples[i] ?? 0;
      this.#right[at] = samples[frames + i] ?? 0;
    }
    this.#written += frames;
    this.#silenceNext();
  }

  writeSilence(frames: number): void {
    this.#silenceNext(frames);
    this.#written += frames;
    this.#silenceNext();
  }

  /** The interpolation of a last sample looks further: at silence, not at what was there a second ago. */
  #silenceNext(frames = framesAfter): void {
    for (let i = 0; i < frames; i++) {
      const at = (this.#written + i) & mask;
      this.#left[at] = 0;
      this.#right[at] = 0;
    }
  }

  /** Fills both from `position` on, a frame of the ring every `1 / step` of theirs. Answers the position after them. */
  read(position: number, step: number, left: Float32Array, right: Float32Array): number {
    let at = position;
    for (let i = 0; i < left.length; i++) {
      left[i] = interpolate(this.#left, at);
      right[i] = interpolate(this.#right, at);
      at += step;
    }
    return at;
  }
}

/** Four-point Hermite interpolation. */
function interpolate(ring: Float32Array, position: number): number {
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
