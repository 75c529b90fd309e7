// The mixing desk itself, a block of 10 ms at a time: inputs with their buffers and strips, and what each listener gets of them:
// program, monitor, a mix-minus for each guest, stems. Pure: samples in, samples out, no allocation per block.
// Not its job: time and streams (mixing-desk.worker.ts), tracks and devices (mixer.ts), what a strip does (channel-strip.ts).

import { ChannelStrip, type StripSettings } from './channel-strip.ts';
import { Limiter } from './limiter.ts';
import { SoundMeter, silenceDb, type Levels } from './sound-meter.ts';
import { SteeredBuffer, type BufferReport } from './steered-buffer.ts';
import { TimedBuffer } from './timed-buffer.ts';

export const deskRate = 48_000;
export const blockFrames = 480;
export const blockMs = (blockFrames / deskRate) * 1000;

export interface InputOptions extends StripSettings {
  /**
   * `guest`: a person who comes over the network. `feed`: what else does, such as an encoder. `talkback`: heard by guests alone, and
   * only while talkback is on. `file`: played by this machine, its samples say when they are due. It is so from the beginning, or never.
   */
  readonly kind: 'local' | 'guest' | 'feed' | 'talkback' | 'file';
  /** Held out of the mix without being muted: a guest who waits, a backup microphone that is not needed. */
  readonly onAir: boolean;
}

/** What the director hears while nothing is soloed. */
export type MonitorSource = 'guests' | 'program';

/** What the director has their ears and mouth at. */
export interface Listening {
  readonly on: boolean;
  readonly source: MonitorSource;
  /** These alone, before pan and mute; none: the source. */
  readonly soloIds: readonly string[];
  /** Talkback inputs are open to the guests. */
  readonly talkback: boolean;
}

/** Who gets sound: the program, the director, a guest (everything but themselves), a recording of one input by itself. */
export type OutputId = 'program' | 'monitor' | `mixMinus ${string}` | `stem ${string}`;

/** A channel's levels before pan and mute, so that a muted microphone still shows that it lives. */
export interface ChannelLevels extends Levels {
  /** What the source itself delivers, before gain and gate. */
  readonly devicePeakDb: number;
  /** How far gate and compressor, or the program's limiter, turn it down: 0 or less. */
  readonly reductionDb: number;
  readonly gateClosed: boolean;
}

export interface MeterReading {
  readonly program: ChannelLevels;
  readonly inputs: Readonly<Record<string, ChannelLevels>>;
}

export const silentLevels: ChannelLevels = {
  peakDb: silenceDb,
  rmsDb: silenceDb,
  truePeakDb: silenceDb,
  momentaryLufs: silenceDb,
  shortTermLufs: silenceDb,
  devicePeakDb: silenceDb,
  reductionDb: 0,
  gateClosed: false,
};

class Sides {
  readonly left = new Float32Array(blockFrames);
  readonly right = new Float32Array(blockFrames);

  clear(): void {
    this.left.fill(0);
    this.right.fill(0);
  }

  copy(from: Sides): void {
    this.left.set(from.left);
    this.right.set(from.right);
  }

  add(more: Sides): void {
    for (let i = 0; i < blockFrames; i++) {
      this.left[i] = (this.left[i] ?? 0) + (more.left[i] ?? 0);
      this.right[i] = (this.right[i] ?? 0) + (more.right[i] ?? 0);
    }
  }
}

interface Input {
  options: InputOptions;
  readonly buffer: SteeredBuffer | TimedBuffer;
  readonly strip: ChannelStrip;
  readonly meter: SoundMeter;
  /** Before pan and mute. */
  readonly own: Sides;
  /** What goes into the mix. */
  readonly post: Sides;
}

interface Output {
  readonly sides: Sides;
  /** Null for a stem, which is recorded as it is. */
  readonly limiter: Limiter | null;
}

export class MixingDesk {
  readonly #inputs = new Map<string, Input>();
  readonly #outputs = new Map<OutputId, Output>();
  readonly #programMeter = new SoundMeter(deskRate);
  readonly #program: Output = { sides: new Sides(), limiter: new Limiter(deskRate) };
  /** Rendered so far: the desk's clock. */
  #frames = 0;
  #listening: Listening = { on: false, source: 'guests', soloIds: [], talkback: false };

  constructor() {
    this.#outputs.set('program', this.#program);
  }

  addInput(id: string, options: InputOptions): void {
    this.#inputs.set(id, {
      options,
      buffer:
        options.kind === 'file'
          ? new TimedBuffer(deskRate, this.#frames)
          : new SteeredBuffer(deskRate, this.#frames),
      strip: new ChannelStrip(deskRate, this.#stripSettings(options)),
      meter: new SoundMeter(deskRate),
      own: new Sides(),
      post: new Sides(),
    });
  }

  /** Ramped. Unknown ids are ignored, here and below: their last messages may cross their removal. */
  updateInput(id: string, options: InputOptions): void {
    const input = this.#inputs.get(id);
    if (input === undefined) return;
    input.options = options;
    input.strip.set(this.#stripSettings(options));
  }

  removeInput(id: string): void {
    this.#inputs.delete(id);
  }

  /**
   * A source's next samples at its own rate, first all of the left side, then all of the right. By the desk's clock: when they arrived,
   * and what the source says of their moment, which counts for files alone.
   */
  write(id: string, samples: Float32Array, sampleRate: number, arrivedMs: number, dueMs: number): void {
    this.#inputs.get(id)?.buffer.write(samples, sampleRate, arrivedMs, dueMs);
  }

  /** Another source has taken over the input. */
  restart(id: string): void {
    this.#inputs.get(id)?.buffer.restart();
  }

  addOutput(id: OutputId): void {
    if (id === 'program') return;
    this.#outputs.set(id, {
      sides: new Sides(),
      limiter: id.startsWith('stem ') ? null : new Limiter(deskRate),
    });
  }

  removeOutput(id: OutputId): void {
    if (id !== 'program') this.#outputs.delete(id);
  }

  listen(listening: Listening): void {
    const changed = listening.talkback !== this.#listening.talkback;
    this.#listening = listening;
    if (!changed) return;
    for (const { options, strip } of this.#inputs.values()) {
      if (options.kind === 'talkback') strip.set(this.#stripSettings(options));
    }
  }

  /** The next 10 ms of everything; `output` then has them. */
  render(): void {
    for (const { buffer, strip, meter, own, post } of this.#inputs.values()) {
      buffer.read(own.left, own.right);
      strip.process(own.left, own.right, post.left, post.right);
      meter.process(own.left, own.right);
    }
    // The program first: the monitor may play it.
    for (const [id, output] of this.#outputs) this.#mix(id, output);
    this.#programMeter.process(this.#program.sides.left, this.#program.sides.right);
    this.#frames += blockFrames;
  }

  /** The block last rendered, left side first, into an array of twice its length. False: nobody listens there now. */
  read(id: OutputId, into: Float32Array): boolean {
    const output = this.#outputs.get(id);
    if (output === undefined || (id === 'monitor' && !this.#listening.on)) return false;
    into.set(output.sides.left);
    into.set(output.sides.right, blockFrames);
    return true;
  }

  /** Levels since the last call. */
  takeLevels(): MeterReading {
    const inputs: Record<string, ChannelLevels> = {};
    for (const [id, { meter, strip }] of this.#inputs) {
      inputs[id] = {
        ...meter.take(),
        devicePeakDb: toDb(strip.takeDevicePeak()),
        reductionDb: strip.reductionDb,
        gateClosed: strip.gateClosed,
      };
    }
    const program = this.#programMeter.take();
    const reductionDb = this.#program.limiter?.reductionDb ?? 0;
    return { program: { ...program, devicePeakDb: program.peakDb, reductionDb, gateClosed: false }, inputs };
  }

  /** What each input's buffer says; underruns since the last call. */
  takeReports(): Readonly<Record<string, BufferReport>> {
    return Object.fromEntries([...this.#inputs].map(([id, { buffer }]) => [id, buffer.report()]));
  }

  /** What the strip is told: whoever is not to be heard is muted there, by a ramp. */
  #stripSettings(options: InputOptions): StripSettings {
    const closed = options.kind === 'talkback' && !this.#listening.talkback;
    return { ...options, muted: options.muted || !options.onAir || closed };
  }

  #mix(id: OutputId, { sides, limiter }: Output): void {
    if (id === 'monitor' && !this.#listening.on) return;
    if (id.startsWith('stem ')) {
      const input = this.#inputs.get(id.slice('stem '.length));
      if (input === undefined) sides.clear();
      else sides.copy(input.own);
      return;
    }
    sides.clear();
    const { soloIds, source } = this.#listening;
    const playsProgram = id === 'monitor' && soloIds.length === 0 && source === 'program';
    if (playsProgram) sides.copy(this.#program.sides);
    else {
      const leftOut = id.startsWith('mixMinus ') ? id.slice('mixMinus '.length) : null;
      for (const [inputId, { options, own, post }] of this.#inputs) {
        if (id === 'program') {
          if (options.kind !== 'talkback') sides.add(post);
        } else if (id !== 'monitor') {
          if (inputId !== leftOut) sides.add(post);
        } else if (soloIds.includes(inputId)) sides.add(own);
        else if (soloIds.length === 0 && options.kind === 'guest') sides.add(post);
      }
    }
    limiter?.process(sides.left, sides.right, sides.left, sides.right);
  }
}

const toDb = (level: number): number => (level > 1e-5 ? 20 * Math.log10(level) : silenceDb);
