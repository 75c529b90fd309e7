// The sound of the program: inputs with channel choice, gain, delay and mute; a limited program mix; a mix-minus for
// each guest (everything but that guest); meters; and a monitor through which the director hears guests.
// Not its job: opening microphones (devices.ts), sending tracks anywhere, or drawing meters.

// oxlint-disable-next-line import/default -- Vite answers this query with the address of the compiled file
import workletUrl from './audio.worklet.ts?worker&url';
import type { AudioInputCommand, InputReport } from './audio-input.worker.ts';

declare global {
  /** Chromium's addition to Web Audio (TypeScript's DOM library knows only `setSinkId`). */
  interface AudioContextOptions {
    sinkId?: string | { readonly type: 'none' };
  }
}

/**
 * Which channels of a track are used. A field mixer with two lavaliers on one stereo USB input is two inputs of the same
 * track, one `left` and one `right`; each is then heard on both sides.
 */
export type ChannelMode = 'stereo' | 'left' | 'right';

export interface InputOptions {
  /** `guest` inputs come over the network and are what the monitor plays. */
  readonly kind: 'local' | 'guest';
  readonly mode: ChannelMode;
  /** -60 to +24. */
  readonly gainDb: number;
  readonly muted: boolean;
  /** 0 to 1000; meets a later picture. */
  readonly delayMs: number;
}

/** Levels of the last twentieth of a second, in dB below full scale; silence is -100. */
export interface Levels {
  readonly peakDb: number;
  readonly rmsDb: number;
}

/** Inputs are read after gain and before mute, so that a muted microphone still shows that it lives. */
export interface MeterReading {
  readonly program: Levels;
  readonly inputs: Readonly<Record<string, Levels>>;
}

export interface InputSnapshot extends InputOptions, InputReport {
  readonly trackState: MediaStreamTrackState;
}

export interface MixerSnapshot {
  /** `suspended` means the browser waits for a click: call `resume()` from one. */
  readonly state: 'running' | 'suspended' | 'closed';
  readonly sampleRate: number;
  /** What the audio thread adds by itself. */
  readonly baseLatencyMs: number;
  readonly inputs: Readonly<Record<string, InputSnapshot>>;
  readonly mixMinusIds: readonly string[];
  readonly monitoring: boolean;
}

export interface Mixer {
  /** The stereo program mix, limited to -1 dBFS. */
  readonly programTrack: MediaStreamTrack;
  /** Adds an input. Throws when the id is taken or no slot is free. The track stays the caller's. */
  addInput(id: string, track: MediaStreamTrack, options?: Partial<InputOptions>): void;
  /** Changes are ramped, so they never click. Throws for an unknown id. */
  updateInput(id: string, options: Partial<InputOptions>): void;
  /** A replugged microphone takes its old place. Throws for an unknown id. */
  replaceTrack(id: string, track: MediaStreamTrack): void;
  removeInput(id: string): void;
  /** Everything but `id`, which need not be an input yet. Made at the first call, the same track until released. */
  mixMinusTrack(id: string): MediaStreamTrack;
  releaseMixMinus(id: string): void;
  /** Plays guests to the director, on the default output. Rejects when the browser refuses to play. */
  setMonitoring(on: boolean): Promise<void>;
  /** Calls back about 20 times a second. Returns the function that ends it. */
  onMeters(listener: (reading: MeterReading) => void): () => void;
  /** To be called from a click when the snapshot says `suspended`. */
  resume(): Promise<void>;
  close(): void;
  snapshot(): MixerSnapshot;
}

/** Slot 0 of the meter reads the program. */
const meterSlots = 17;
const silenceDb = -100;
const rampSeconds = 0.01;

const defaultOptions: InputOptions = { kind: 'local', mode: 'stereo', gainDb: 0, muted: false, delayMs: 0 };

/** A sum with its limiter and the track that carries it. */
interface Bus {
  readonly sum: GainNode;
  readonly limiter: AudioWorkletNode;
  readonly destination: MediaStreamAudioDestinationNode;
}

interface Input {
  options: InputOptions;
  track: MediaStreamTrack;
  report: InputReport;
  readonly source: AudioWorkletNode;
  readonly splitter: ChannelSplitterNode;
  readonly gain: GainNode;
  readonly delay: DelayNode;
  readonly fader: GainNode;
  readonly slot: number;
  /** Chromium delivers a received track's sound only while some element plays it. */
  pump: HTMLAudioElement | null;
}

/** Makes the audio graph at 48 kHz. Rejects when the audio thread cannot load its processors. */
export async function createMixer(): Promise<Mixer> {
  // No sink: the program must not depend on headphones being plugged in, nor wait for a sound card's buffer. Chromium skips
  // what such a context is late for, and time skipped is sound lost: with buffers of 10 ms it ran at 0.8-0.98 of real time.
  const context = new AudioContext({
    sampleRate: 48000,
    latencyHint: 0.03,
    sinkId: { type: 'none' },
  });
  await context.audioWorklet.addModule(workletUrl);
  const carrier = new Worker(new URL('./audio-input.worker.ts', import.meta.url), {
    type: 'module',
    name: 'audio-input',
  });

  const inputs = new Map<string, Input>();
  const mixMinuses = new Map<string, Bus>();
  const listeners = new Set<(reading: MeterReading) => void>();
  let monitoring = false;
  let closed = false;

  const createBus = (): Bus => {
    const sum = stereoGain(context);
    const limiter = new AudioWorkletNode(context, 'limiter', { outputChannelCount: [2] });
    const destination = new MediaStreamAudioDestinationNode(context, { channelCount: 2 });
    sum.connect(limiter).connect(destination);
    return { sum, limiter, destination };
  };
  const removeBus = (bus: Bus): void => {
    bus.sum.disconnect();
    bus.limiter.disconnect();
    bus.destination.stream.getTracks().forEach((track) => track.stop());
  };

  const program = createBus();
  const monitor = createBus();
  const monitorPlayer = new Audio();
  monitorPlayer.srcObject = monitor.destination.stream;

  const meter = new AudioWorkletNode(context, 'meter', { numberOfInputs: meterSlots, numberOfOutputs: 1 });
  // The meter's own output is silent; being connected is what makes the audio thread run it.
  meter.connect(context.destination);
  program.limiter.connect(meter, 0, 0);
  meter.port.addEventListener('message', ({ data }: MessageEvent<Float32Array>) => {
    const read = (slot: number): Levels => ({
      peakDb: toDb(data[slot * 2] ?? 0),
      rmsDb: toDb(data[slot * 2 + 1] ?? 0),
    });
    const byInput = Object.fromEntries([...inputs].map(([id, { slot }]) => [id, read(slot)]));
    const reading = { program: read(0), inputs: byInput };
    listeners.forEach((listener) => listener(reading));
  });
  meter.port.start();

  const inputOf = (id: string): Input => {
    const input = inputs.get(id);
    if (input === undefined) throw new Error(`There is no sound input "${id}": add it first.`);
    return input;
  };

  const freeSlot = (): number => {
    const taken = new Set([...inputs.values()].map(({ slot }) => slot));
    for (let slot = 1; slot < meterSlots; slot++) if (!taken.has(slot)) return slot;
    throw new Error(`The mixer has ${meterSlots - 1} inputs and all are in use: remove one first.`);
  };

  /** Connects what the options say; safe to call again after any change. */
  const route = (id: string, input: Input): void => {
    const { source, splitter, gain, fader, options } = input;
    source.disconnect();
    splitter.disconnect();
    if (options.mode === 'stereo') {
      source.connect(gain);
    } else {
      source.connect(splitter);
      splitter.connect(gain, options.mode === 'left' ? 0 : 1);
    }
    fader.disconnect();
    fader.connect(program.sum);
    if (options.kind === 'guest') fader.connect(monitor.sum);
    for (const [excludedId, bus] of mixMinuses) if (excludedId !== id) fader.connect(bus.sum);
  };

  const setLevels = ({ gain, fader, delay, options }: Input): void => {
    const now = context.currentTime;
    gain.gain.setTargetAtTime(10 ** (clamp(options.gainDb, -60, 24) / 20), now, rampSeconds);
    fader.gain.setTargetAtTime(options.muted ? 0 : 1, now, rampSeconds);
    delay.delayTime.setTargetAtTime(clamp(options.delayMs, 0, 1000) / 1000, now, rampSeconds);
  };

  /** Sends a track's sound to its processor; without a port, to the one the input has already. */
  const carry = (inputId: string, track: MediaStreamTrack, port: MessagePort | null): void => {
    const { readable } = new MediaStreamTrackProcessor({ track: asSound(track) });
    const command: AudioInputCommand = { kind: 'open', inputId, readable, port };
    carrier.postMessage(command, port === null ? [readable] : [readable, port]);
  };

  const startPump = (kind: InputOptions['kind'], track: MediaStreamTrack): HTMLAudioElement | null => {
    if (kind !== 'guest') return null;
    const pump = new Audio();
    pump.muted = true;
    pump.srcObject = new MediaStream([track]);
    // Muted playing is always allowed; the only refusal left is being replaced while starting, which is harmless.
    pump.play().catch((error: unknown) => {
      if (!(error instanceof DOMException && error.name === 'AbortError')) throw error;
    });
    return pump;
  };

  const stopPump = (input: Input): void => {
    if (input.pump !== null) input.pump.srcObject = null;
    input.pump = null;
  };

  const startContext = async (): Promise<void> => {
    if (!closed && context.state !== 'running') await context.resume();
  };
  // Without a click or an open microphone this waits, and the snapshot says so; the promise then simply stays open.
  void startContext();

  return {
    programTrack: firstTrack(program.destination),

    addInput(id, track, options = {}) {
      if (inputs.has(id))
        throw new Error(`The sound input "${id}" exists already: replace its track instead.`);
      const whole = { ...defaultOptions, ...options };
      const input: Input = {
        options: whole,
        track,
        report: { bufferedMs: 0, underruns: 0 },
        source: new AudioWorkletNode(context, 'input', { numberOfInputs: 0, outputChannelCount: [2] }),
        splitter: new ChannelSplitterNode(context, { numberOfOutputs: 2 }),
        gain: stereoGain(context, 10 ** (clamp(whole.gainDb, -60, 24) / 20)),
        delay: new DelayNode(context, { maxDelayTime: 1, delayTime: clamp(whole.delayMs, 0, 1000) / 1000 }),
        fader: stereoGain(context, whole.muted ? 0 : 1),
        slot: freeSlot(),
        pump: startPump(whole.kind, track),
      };
      const { port1, port2 } = new MessageChannel();
      input.source.port.postMessage(port2, [port2]);
      input.source.port.onmessage = ({ data }: MessageEvent<InputReport>) => {
        input.report = data;
      };
      carry(id, track, port1);
      input.gain.connect(input.delay);
      input.delay.connect(input.fader);
      input.delay.connect(meter, 0, input.slot);
      inputs.set(id, input);
      route(id, input);
      // An open microphone lifts the browser's demand for a click.
      void startContext();
    },

    updateInput(id, options) {
      const input = inputOf(id);
      const before = input.options;
      input.options = { ...before, ...options };
      if (before.kind !== input.options.kind) {
        stopPump(input);
        input.pump = startPump(input.options.kind, input.track);
      }
      if (before.kind !== input.options.kind || before.mode !== input.options.mode) route(id, input);
      setLevels(input);
    },

    replaceTrack(id, track) {
      const input = inputOf(id);
      carry(id, track, null);
      stopPump(input);
      input.track = track;
      input.pump = startPump(input.options.kind, track);
    },

    removeInput(id) {
      const input = inputs.get(id);
      if (input === undefined) return;
      inputs.delete(id);
      stopPump(input);
      carrier.postMessage({ kind: 'close', inputId: id } satisfies AudioInputCommand);
      for (const node of [input.source, input.splitter, input.gain, input.delay, input.fader]) {
        node.disconnect();
      }
    },

    mixMinusTrack(id) {
      const kept = mixMinuses.get(id);
      if (kept !== undefined) return firstTrack(kept.destination);
      const bus = createBus();
      mixMinuses.set(id, bus);
      for (const [inputId, { fader }] of inputs) if (inputId !== id) fader.connect(bus.sum);
      return firstTrack(bus.destination);
    },

    releaseMixMinus(id) {
      const bus = mixMinuses.get(id);
      if (bus === undefined) return;
      mixMinuses.delete(id);
      for (const [inputId, { fader }] of inputs) if (inputId !== id) fader.disconnect(bus.sum);
      removeBus(bus);
    },

    async setMonitoring(on) {
      monitoring = on;
      if (on) await monitorPlayer.play();
      else monitorPlayer.pause();
    },

    onMeters(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    resume: startContext,

    close() {
      if (closed) return;
      closed = true;
      listeners.clear();
      carrier.terminate();
      monitorPlayer.pause();
      monitorPlayer.srcObject = null;
      for (const input of inputs.values()) stopPump(input);
      for (const bus of [program, monitor, ...mixMinuses.values()]) removeBus(bus);
      inputs.clear();
      mixMinuses.clear();
      void context.close();
    },

    snapshot: () => ({
      state: closed ? 'closed' : context.state === 'running' ? 'running' : 'suspended',
      sampleRate: context.sampleRate,
      baseLatencyMs: context.baseLatency * 1000,
      inputs: Object.fromEntries(
        [...inputs].map(([id, { options, report, track }]) => [
          id,
          { ...options, ...report, trackState: track.readyState },
        ]),
      ),
      mixMinusIds: [...mixMinuses.keys()],
      monitoring,
    }),
  };
}

function stereoGain(context: AudioContext, gain = 1): GainNode {
  return new GainNode(context, { gain, channelCount: 2, channelCountMode: 'explicit' });
}

function asSound(track: MediaStreamTrack): MediaStreamAudioTrack {
  if (!isSound(track)) throw new TypeError('A picture cannot be heard: give the mixer a sound track.');
  return track;
}

function isSound(track: MediaStreamTrack): track is MediaStreamAudioTrack {
  return track.kind === 'audio';
}

function firstTrack(destination: MediaStreamAudioDestinationNode): MediaStreamTrack {
  const [track] = destination.stream.getAudioTracks();
  if (track === undefined) throw new Error('The browser made a sound output without a track.');
  return track;
}

const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));
const toDb = (level: number): number => (level > 1e-5 ? 20 * Math.log10(level) : silenceDb);
