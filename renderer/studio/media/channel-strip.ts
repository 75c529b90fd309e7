// One channel of the mixer as arithmetic: side, gain, high-pass, gate, compressor, delay, then pan and mute, in this order.
// Every change is ramped, so nothing clicks. Pure; no allocation per block.
// Not its job: where sound comes from (steered-buffer.ts), who hears it (mixer.ts), or levels (sound-meter.ts).

/**
 * Which sides of a stereo source are used. A field mixer with two lavaliers on one USB plug is two channels of the same
 * device, one `left` and one `right`; each is then heard on both sides.
 */
export type ChannelMode = 'stereo' | 'left' | 'right';

export interface Compressor {
  /** -60 to 0. Peak level, stereo-linked. */
  readonly thresholdDb: number;
  /** 1 to 20: so many dB above the threshold come out as one. */
  readonly ratio: number;
  /** 1 to 200. */
  readonly attackMs: number;
  /** 20 to 2000. */
  readonly releaseMs: number;
  /** 0 to 24: added afterwards. */
  readonly makeUpDb: number;
}

export interface StripSettings {
  readonly mode: ChannelMode;
  /** -60 to +24. */
  readonly gainDb: number;
  /** The corner: -3 dB there, 12 dB per octave below. Null: off. */
  readonly highPassHz: number | null;
  /** -80 to -10: quieter than this is closed. Null: off. */
  readonly gateDb: number | null;
  readonly compressor: Compressor | null;
  /** 0 to 1000; meets a later picture. */
  readonly delayMs: number;
  /** -1 left to 1 right, as loud everywhere: 0 dB in the middle, +3 dB at a side. */
  readonly pan: number;
  readonly muted: boolean;
}

export const plainStrip: StripSettings = {
  mode: 'stereo',
  gainDb: 0,
  highPassHz: null,
  gateDb: null,
  compressor: null,
  delayMs: 0,
  pan: 0,
  muted: false,
};

export const longestSoundDelayMs = 1_000;
/** Of a sound that came with a picture: its own, and what the picture and the whole program are held back by. */
export const longestHoldMs = 2_500;

/** Levels are judged, and gains ramped, in steps this long: a third of a millisecond. */
const stepFrames = 16;
const fadeSeconds = 0.01;
const delayFadeSeconds = 0.02;
/** Below this a filter's memory is nothing but slow arithmetic. */
const nothing = 1e-18;

/** {@link ChannelStrip.process} takes whole steps of 16 samples. */
export class ChannelStrip {
  readonly #rate: number;
  #settings: StripSettings = plainStrip;
  #gain: number;
  #postLeft: number;
  #postRight: number;
  readonly #highPass: HighPass;
  readonly #gate: Gate;
  readonly #compression: Compression;
  readonly #delay: Delay;
  #dynamics = 1;
  #devicePeak = 0;

  /** Starts as `settings` say, without a ramp. */
  constructor(sampleRate: number, settings: StripSettings = plainStrip) {
    this.#rate = sampleRate;
    this.#highPass = new HighPass(sampleRate);
    this.#gate = new Gate(sampleRate);
    this.#compression = new Compression(sampleRate);
    this.#delay = new Delay(sampleRate);
    this.set(settings);
    this.#gain = this.#gainGoal();
    [this.#postLeft, this.#postRight] = this.#postGoal();
  }

  set(settings: StripSettings): void {
    this.#settings = settings;
    this.#highPass.set(settings.highPassHz);
    this.#gate.set(settings.gateDb);
    this.#compression.set(settings.compressor);
    this.#delay.set(Math.round((clamp(settings.delayMs, 0, longestHoldMs) / 1000) * this.#rate));
  }

  /** How far gate and compressor turn down at this moment, make-up left out, in dB: 0 or less, at least -100. */
  get reductionDb(): number {
    return Math.max(-100, 20 * Math.log10(Math.max(1e-5, this.#gate.gain * this.#compression.reduction)));
  }

  get gateClosed(): boolean {
    return this.#gate.closed;
  }

  /** The largest sample the source itself delivered since the last call, before anything was done to it. */
  takeDevicePeak(): number {
    const peak = this.#devicePeak;
    this.#devicePeak = 0;
    return peak;
  }

  /**
   * Changes `left` and `right`, the source's sound, into the channel's own before pan and mute (what is metered and
   * soloed), and fills `postLeft` and `postRight` with what goes into the mix. All equally long, a multiple of 16.
   */
  process(left: Float32Array, right: Float32Array, postLeft: Float32Array, postRight: Float32Array): void {
    this.#pickSide(left, right);
    this.#applyGain(left, right);
    this.#highPass.process(left, right);
    this.#applyDynamics(left, right);
    this.#delay.process(left, right);
    this.#mix(left, right, postLeft, postRight);
  }

  #pickSide(left: Float32Array, right: Float32Array): void {
    const { mode } = this.#settings;
    if (mode === 'left') right.set(left);
    else if (mode === 'right') left.set(right);
    let peak = this.#devicePeak;
    for (const sample of left) if (sample > peak || -sample > peak) peak = Math.abs(sample);
    if (mode === 'stereo')
      for (const sample of right) if (sample > peak || -sample > peak) peak = Math.abs(sample);
    this.#devicePeak = peak;
  }

  #gainGoal(): number {
    return 10 ** (clamp(this.#settings.gainDb, -60, 24) / 20);
  }

  #applyGain(left: Float32Array, right: Float32Array): void {
    const goal = this.#gainGoal();
    let gain = this.#gain;
    if (gain === goal) {
      if (gain === 1) return;
      scale(left, gain);
      scale(right, gain);
      return;
    }
    const move = 1 - Math.exp(-1 / (this.#rate * fadeSeconds));
    for (let i = 0; i < left.length; i++) {
      gain += (goal - gain) * move;
      left[i] = (left[i] ?? 0) * gain;
      right[i] = (right[i] ?? 0) * gain;
    }
    this.#gain = Math.abs(goal - gain) < 1e-4 * goal ? goal : gain;
  }

  #applyDynamics(left: Float32Array, right: Float32Array): void {
    if (!this.#gate.working && !this.#compression.working && this.#dynamics === 1) return;
    for (let from = 0; from < left.length; from += stepFrames) {
      let peak = 0;
      for (let i = from; i < from + stepFrames; i++) {
        const size = Math.max(Math.abs(left[i] ?? 0), Math.abs(right[i] ?? 0));
        if (size > peak) peak = size;
      }
      const goal = this.#gate.step(peak) * this.#compression.step(peak);
      const gain = this.#dynamics;
      const rise = (goal - gain) / stepFrames;
      for (let i = 0; i < stepFrames; i++) {
        const now = gain + rise * (i + 1);
        left[from + i] = (left[from + i] ?? 0) * now;
        right[from + i] = (right[from + i] ?? 0) * now;
      }
      this.#dynamics = goal;
    }
  }

  #postGoal(): [left: number, right: number] {
    const { pan, muted } = this.#settings;
    if (muted) return [0, 0];
    if (pan === 0) return [1, 1];
    const angle = ((clamp(pan, -1, 1) + 1) * Math.PI) / 4;
    return [Math.SQRT2 * Math.cos(angle), Math.SQRT2 * Math.sin(angle)];
  }

  #mix(left: Float32Array, right: Float32Array, postLeft: Float32Array, postRight: Float32Array): void {
    const [goalLeft, goalRight] = this.#postGoal();
    let l = this.#postLeft;
    let r = this.#postRight;
    if (l === goalLeft && r === goalRight) {
      for (let i = 0; i < left.length; i++) {
        postLeft[i] = (left[i] ?? 0) * l;
        postRight[i] = (right[i] ?? 0) * r;
      }
      return;
    }
    const move = 1 - Math.exp(-1 / (this.#rate * fadeSeconds));
    for (let i = 0; i < left.length; i++) {
      l += (goalLeft - l) * move;
      r += (goalRight - r) * move;
      postLeft[i] = (left[i] ?? 0) * l;
      postRight[i] = (right[i] ?? 0) * r;
    }
    this.#postLeft = Math.abs(goalLeft - l) < 1e-5 ? goalLeft : l;
    this.#postRight = Math.abs(goalRight - r) < 1e-5 ? goalRight : r;
  }
}

/** Second-order Butterworth, stereo. A new corner is faded to over 10 ms from the filter before. */
class HighPass {
  readonly #rate: number;
  #hz: number | null = null;
  #now = new HighPassFilter(null, 1);
  #before: HighPassFilter | null = null;
  #fade = 1;
  #oldLeft = new Float32Array(0);
  #oldRight = new Float32Array(0);
  #worked = false;

  constructor(sampleRate: number) {
    this.#rate = sampleRate;
  }

  set(hz: number | null): void {
    if (hz === this.#hz) return;
    this.#hz = hz;
    // The first corner is where it starts.
    this.#before = this.#worked ? this.#now : null;
    this.#now = new HighPassFilter(hz, this.#rate);
    this.#fade = 0;
  }

  process(left: Float32Array, right: Float32Array): void {
    this.#worked = true;
    if (this.#before === null) {
      this.#now.process(left, right);
      return;
    }
    if (this.#oldLeft.length !== left.length) {
      this.#oldLeft = new Float32Array(left.length);
      this.#oldRight = new Float32Array(left.length);
    }
    this.#oldLeft.set(left);
    this.#oldRight.set(right);
    this.#before.process(this.#oldLeft, this.#oldRight);
    this.#now.process(left, right);
    const rise = 1 / (this.#rate * fadeSeconds);
    for (let i = 0; i < left.length; i++) {
      this.#fade = Math.min(1, this.#fade + rise);
      left[i] = (left[i] ?? 0) * this.#fade + (this.#oldLeft[i] ?? 0) * (1 - this.#fade);
      right[i] = (right[i] ?? 0) * this.#fade + (this.#oldRight[i] ?? 0) * (1 - this.#fade);
    }
    if (this.#fade === 1) this.#before = null;
  }
}

/** Without a corner it lets everything through. */
class HighPassFilter {
  readonly #b: number;
  readonly #a1: number;
  readonly #a2: number;
  readonly #off: boolean;
  /** Transposed direct form II: two values per side. */
  readonly #memory = new Float64Array(4);

  constructor(hz: number | null, sampleRate: number) {
    // The bilinear transform with its frequency bent so that the corner is where it is said to be.
    const k = Math.tan((Math.PI * clamp(hz ?? 0, 0, 1000)) / sampleRate);
    const norm = 1 / (1 + Math.SQRT2 * k + k * k);
    this.#b = norm;
    this.#a1 = 2 * (k * k - 1) * norm;
    this.#a2 = (1 - Math.SQRT2 * k + k * k) * norm;
    this.#off = hz === null;
  }

  process(left: Float32Array, right: Float32Array): void {
    if (this.#off) return;
    this.#filter(left, 0);
    this.#filter(right, 2);
  }

  #filter(samples: Float32Array, side: number): void {
    const b = this.#b;
    const a1 = this.#a1;
    const a2 = this.#a2;
    let s1 = this.#memory[side] ?? 0;
    let s2 = this.#memory[side + 1] ?? 0;
    for (let i = 0; i < samples.length; i++) {
      const x = samples[i] ?? 0;
      const y = b * x + s1;
      s1 = -2 * b * x - a1 * y + s2;
      s2 = b * x - a2 * y;
      samples[i] = y;
    }
    this.#memory[side] = Math.abs(s1) < nothing ? 0 : s1;
    this.#memory[side + 1] = Math.abs(s2) < nothing ? 0 : s2;
  }
}

/** Opens at once, stays open for the pauses inside a sentence, closes softly. */
class Gate {
  static readonly #hysteresisDb = 4;
  readonly #opening: number;
  readonly #closing: number;
  readonly #holdSteps: number;
  #openAt: number | null = null;
  #closeBelow = 0;
  #heldSteps = 0;
  #gain = 1;
  #closed = false;

  constructor(sampleRate: number) {
    const stepsPerSecond = sampleRate / stepFrames;
    this.#opening = 1 - Math.exp(-1 / (stepsPerSecond * 0.001));
    this.#closing = 1 - Math.exp(-1 / (stepsPerSecond * 0.06));
    this.#holdSteps = Math.round(stepsPerSecond * 0.25);
  }

  get gain(): number {
    return this.#gain;
  }
  get closed(): boolean {
    return this.#closed;
  }
  get working(): boolean {
    return this.#openAt !== null || this.#gain !== 1;
  }

  set(thresholdDb: number | null): void {
    this.#openAt = thresholdDb === null ? null : 10 ** (thresholdDb / 20);
    this.#closeBelow = thresholdDb === null ? 0 : 10 ** ((thresholdDb - Gate.#hysteresisDb) / 20);
  }

  step(peak: number): number {
    if (this.#openAt === null || peak >= this.#openAt) {
      this.#closed = false;
      this.#heldSteps = 0;
    } else if (peak >= this.#closeBelow && !this.#closed) {
      this.#heldSteps = 0;
    } else if (++this.#heldSteps >= this.#holdSteps) {
      this.#closed = true;
    }
    const goal = this.#closed ? 0 : 1;
    this.#gain += (goal - this.#gain) * (goal > this.#gain ? this.#opening : this.#closing);
    if (Math.abs(goal - this.#gain) < 1e-5) this.#gain = goal;
    return this.#gain;
  }
}

/**
 * Feed-forward, on the peak level in dB: the reduction is held by a decoupled release and smoothed by the attack
 * (Giannoulis, Massberg, Reiss: Digital Dynamic Range Compressor Design, JAES 60 (6), 2012).
 */
class Compression {
  static readonly #kneeDb = 4;
  readonly #stepsPerSecond: number;
  #settings: Compressor | null = null;
  #attack = 1;
  #release = 1;
  /** In dB, 0 or more. */
  #held = 0;
  #smoothed = 0;
  #makeUpDb = 0;

  constructor(sampleRate: number) {
    this.#stepsPerSecond = sampleRate / stepFrames;
  }

  get working(): boolean {
    return this.#settings !== null || this.#smoothed !== 0 || this.#makeUpDb !== 0;
  }
  /** As a factor, make-up left out. */
  get reduction(): number {
    return 10 ** (-this.#smoothed / 20);
  }

  set(settings: Compressor | null): void {
    this.#settings = settings;
    const { attackMs, releaseMs } = settings ?? { attackMs: 10, releaseMs: 100 };
    this.#attack = 1 - Math.exp(-1000 / (this.#stepsPerSecond * clamp(attackMs, 1, 200)));
    this.#release = 1 - Math.exp(-1000 / (this.#stepsPerSecond * clamp(releaseMs, 20, 2000)));
  }

  step(peak: number): number {
    const wanted = this.#settings === null ? 0 : this.#wantedDb(this.#settings, peak);
    const released = this.#held + (wanted - this.#held) * this.#release;
    this.#held = Math.max(wanted, released);
    this.#smoothed += (this.#held - this.#smoothed) * this.#attack;
    const makeUpDb = this.#settings?.makeUpDb ?? 0;
    this.#makeUpDb += (makeUpDb - this.#makeUpDb) * 0.01;
    if (Math.abs(makeUpDb - this.#makeUpDb) < 1e-3) this.#makeUpDb = makeUpDb;
    if (this.#settings === null && this.#smoothed < 1e-3) this.#smoothed = this.#held = 0;
    return 10 ** ((this.#makeUpDb - this.#smoothed) / 20);
  }

  #wantedDb({ thresholdDb, ratio }: Compressor, peak: number): number {
    const over = 20 * Math.log10(Math.max(peak, 1e-6)) - thresholdDb;
    const knee = Compression.#kneeDb;
    const slope = 1 - 1 / clamp(ratio, 1, 20);
    if (over <= -knee / 2) return 0;
    if (over >= knee / 2) return slope * over;
    return (slope * (over + knee / 2) ** 2) / (2 * knee);
  }
}

/** Stereo. A new length is faded to over 20 ms: nothing is bent in pitch. */
class Delay {
  readonly #left: Float32Array;
  readonly #right: Float32Array;
  readonly #rise: number;
  #written = 0;
  #frames = 0;
  #before = 0;
  #goal = 0;
  #fade = 1;
  #worked = false;

  constructor(sampleRate: number) {
    const most = (longestHoldMs / 1000) * sampleRate + 256;
    const size = 2 ** Math.ceil(Math.log2(most));
    this.#left = new Float32Array(size);
    this.#right = new Float32Array(size);
    this.#rise = 1 / (sampleRate * delayFadeSeconds);
  }

  set(frames: number): void {
    // The first length is where it starts.
    if (!this.#worked) this.#frames = frames;
    this.#goal = frames;
  }

  process(left: Float32Array, right: Float32Array): void {
    this.#worked = true;
    const mask = this.#left.length - 1;
    const start = this.#written;
    for (let i = 0; i < left.length; i++) {
      this.#left[(start + i) & mask] = left[i] ?? 0;
      this.#right[(start + i) & mask] = right[i] ?? 0;
    }
    this.#written = (start + left.length) & mask;
    if (this.#fade === 1 && this.#goal !== this.#frames) {
      this.#before = this.#frames;
      this.#frames = this.#goal;
      this.#fade = 0;
    }
    if (this.#fade === 1 && this.#frames === 0) return;
    for (let i = 0; i < left.length; i++) {
      const at = (start + i - this.#frames) & mask;
      let l = this.#left[at] ?? 0;
      let r = this.#right[at] ?? 0;
      if (this.#fade < 1) {
        this.#fade = Math.min(1, this.#fade + this.#rise);
        const old = (start + i - this.#before) & mask;
        l = l * this.#fade + (this.#left[old] ?? 0) * (1 - this.#fade);
        r = r * this.#fade + (this.#right[old] ?? 0) * (1 - this.#fade);
      }
      left[i] = l;
      right[i] = r;
    }
  }
}

function scale(samples: Float32Array, gain: number): void {
  for (let i = 0; i < samples.length; i++) samples[i] = (samples[i] ?? 0) * gain;
}

const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));
