// The sound of the program, as the page holds it: inputs by id, a program track, a mix-minus for each guest, stems, levels, and
// a monitor for the director's ears. The mixing itself runs in a worker by its own clock (mixing-desk.worker.ts).
// Not its job: opening microphones (devices.ts), what the director chose (sound.ts), sending tracks, or drawing meters.

import { plainStrip } from './channel-strip.ts';
import {
  deskRate,
  type InputOptions,
  type Listening,
  type MeterReading,
  type MonitorSource,
  type OutputId,
} from './mixing-desk.ts';
import type { ClockReport, DeskCommand, DeskReport } from './mixing-desk.worker.ts';
import type { BufferReport } from './steered-buffer.ts';

export { silentLevels } from './mixing-desk.ts';
export type { ChannelLevels, InputOptions, MeterReading, MonitorSource } from './mixing-desk.ts';

export interface InputSnapshot extends InputOptions, BufferReport {
  readonly trackState: MediaStreamTrackState;
}

export interface Monitor {
  readonly on: boolean;
  readonly source: MonitorSource;
  /** Device id of the output; empty is the system's default. */
  readonly outputId: string;
}

export interface MixerSnapshot {
  /** `failed`: the worker could not be started or died; the page has to be loaded again. */
  readonly state: 'running' | 'failed' | 'closed';
  readonly sampleRate: number;
  readonly inputs: Readonly<Record<string, InputSnapshot>>;
  readonly mixMinusIds: readonly string[];
  readonly monitor: Monitor;
  /** The browser plays nothing to the director before a click: call `resume()` from one. */
  readonly monitorWaits: boolean;
  readonly soloIds: readonly string[];
  readonly talkback: boolean;
  /** How well the desk keeps time; null before its first second is over. */
  readonly clock: ClockReport | null;
}

export interface Mixer {
  /** The stereo program mix, limited to -1 dBTP. */
  readonly programTrack: MediaStreamTrack;
  /** What the director hears; silent while the monitor is off. */
  readonly monitorTrack: MediaStreamTrack;
  /** Adds an input. Throws when the id is taken. The track stays the caller's. */
  addInput(id: string, track: MediaStreamTrack, options?: Partial<InputOptions>): void;
  /** Changes are ramped, so they never click. Throws for an unknown id. */
  updateInput(id: string, options: Partial<InputOptions>): void;
  /** A replugged microphone takes its old place; the track it has already changes nothing. Throws for an unknown id. */
  replaceTrack(id: string, track: MediaStreamTrack): void;
  removeInput(id: string): void;
  hasInput(id: string): boolean;
  /** Everything but `id`, which need not be an input yet. Made at the first call, the same track until released. */
  mixMinusTrack(id: string): MediaStreamTrack;
  releaseMixMinus(id: string): void;
  /** One input by itself, before pan and mute, for recording. Silent while there is no such input. */
  stemTrack(id: string): MediaStreamTrack;
  releaseStem(id: string): void;
  /** The director hears these alone, before pan and mute; the program is not touched. None: the monitor's source again. */
  setSolo(ids: readonly string[]): void;
  /** Opens the talkback inputs to all mix-minuses, or closes them. */
  setTalkback(on: boolean): void;
  /** Rejects when the output is gone; the monitor is then off. */
  setMonitor(monitor: Monitor): Promise<void>;
  /** Calls back about 20 times a second. Returns the function that ends it. */
  onMeters(listener: (reading: MeterReading) => void): () => void;
  /** Calls back with one sentence when the mixer cannot go on. Returns the function that ends it. */
  onFault(listener: (sentence: string) => void): () => void;
  /** To be called from a click when the snapshot says `monitorWaits`. */
  resume(): Promise<void>;
  close(): void;
  snapshot(): MixerSnapshot;
}

const defaultOptions: InputOptions = { ...plainStrip, kind: 'local', onAir: true };
/** Half a second: what the desk catches up with after the machine stood still must not have been thrown away meanwhile. */
const queuedBlocks = 50;

interface Input {
  options: InputOptions;
  track: MediaStreamTrack;
  report: BufferReport;
  /** Chromium delivers a received track's sound only while some element plays it. */
  pump: HTMLAudioElement | null;
}

export function createMixer(): Mixer {
  const worker = new Worker(new URL('./mixing-desk.worker.ts', import.meta.url), {
    type: 'module',
    name: 'mixing-desk',
  });
  const inputs = new Map<string, Input>();
  const outputs = new Map<OutputId, MediaStreamTrack>();
  const listeners = new Set<(reading: MeterReading) => void>();
  const faultListeners = new Set<(sentence: string) => void>();
  let state: MixerSnapshot['state'] = 'running';
  let monitor: Monitor = { on: false, source: 'guests', outputId: '' };
  let listening: Listening = { on: false, source: 'guests', soloIds: [], talkback: false };
  let monitorWaits = false;
  let clock: ClockReport | null = null;

  const send = (command: DeskCommand, transfer: Transferable[] = []): void => {
    if (state !== 'closed') worker.postMessage(command, transfer);
  };

  worker.addEventListener('message', ({ data }: MessageEvent<DeskReport>) => {
    if (data.kind === 'levels') {
      // What was removed meanwhile is no longer of interest.
      const known = Object.entries(data.reading.inputs).filter(([id]) => inputs.has(id));
      const reading = { ...data.reading, inputs: Object.fromEntries(known) };
      listeners.forEach((listener) => listener(reading));
      return;
    }
    clock = data.clock;
    for (const [id, report] of Object.entries(data.inputs)) {
      const input = inputs.get(id);
      if (input !== undefined) input.report = report;
    }
  });
  worker.addEventListener('error', (event) => {
    state = 'failed';
    const reason = event.message || 'it could not be loaded';
    faultListeners.forEach((listener) =>
      listener(`The mixer stopped (${reason}), fans hear nothing: reload the studio page.`),
    );
  });

  const openOutput = (id: OutputId): MediaStreamTrack => {
    const kept = outputs.get(id);
    if (kept !== undefined) return kept;
    const generator = new MediaStreamTrackGenerator({ kind: 'audio' });
    outputs.set(id, generator);
    send({ kind: 'output', id, writable: generator.writable }, [generator.writable]);
    return generator;
  };
  const closeOutput = (id: OutputId): void => {
    const track = outputs.get(id);
    if (track === undefined) return;
    outputs.delete(id);
    send({ kind: 'removeOutput', id });
    track.stop();
  };

  const programTrack = openOutput('program');
  const monitorTrack = openOutput('monitor');
  const ears = new Audio();
  ears.srcObject = new MediaStream([monitorTrack]);

  const inputOf = (id: string): Input => {
    const input = inputs.get(id);
    if (input === undefined) throw new Error(`There is no sound input "${id}": add it first.`);
    return input;
  };
  const readableOf = (track: MediaStreamTrack): ReadableStream<AudioData> =>
    new MediaStreamTrackProcessor({ track: asSound(track), maxBufferSize: queuedBlocks }).readable;

  const startPump = (kind: InputOptions['kind'], track: MediaStreamTrack): HTMLAudioElement | null => {
    if (kind !== 'guest' && kind !== 'feed') return null;
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

  const listen = (change: Partial<Listening>): void => {
    listening = { ...listening, ...change };
    send({ kind: 'listen', listening });
  };

  const playMonitor = async (): Promise<void> => {
    try {
      await ears.play();
      monitorWaits = false;
    } catch (error) {
      // A page without a click so far, which is no fault: the first click brings it.
      if (!(error instanceof DOMException && error.name === 'NotAllowedError')) throw error;
      monitorWaits = true;
    }
  };

  return {
    programTrack,
    monitorTrack,

    addInput(id, track, options = {}) {
      if (inputs.has(id))
        throw new Error(`The sound input "${id}" exists already: replace its track instead.`);
      const readable = readableOf(track);
      const whole = { ...defaultOptions, ...options };
      inputs.set(id, {
        options: whole,
        track,
        report: { bufferedMs: 0, underruns: 0, driftPpm: null },
        pump: startPump(whole.kind, track),
      });
      send({ kind: 'input', id, options: whole, readable }, [readable]);
    },

    updateInput(id, options) {
      const input = inputOf(id);
      const { kind } = input.options;
      input.options = { ...input.options, ...options };
      if (kind !== input.options.kind) {
        stopPump(input);
        input.pump = startPump(input.options.kind, input.track);
      }
      send({ kind: 'update', id, options: input.options });
    },

    replaceTrack(id, track) {
      const input = inputOf(id);
      // Reading it anew would empty its buffer: a hole in the program.
      if (input.track === track) return;
      const readable = readableOf(track);
      send({ kind: 'track', id, readable }, [readable]);
      stopPump(input);
      input.track = track;
      input.pump = startPump(input.options.kind, track);
    },

    removeInput(id) {
      const input = inputs.get(id);
      if (input === undefined) return;
      inputs.delete(id);
      stopPump(input);
      send({ kind: 'removeInput', id });
    },

    hasInput: (id) => inputs.has(id),

    mixMinusTrack: (id) => openOutput(`mixMinus ${id}`),
    releaseMixMinus: (id) => closeOutput(`mixMinus ${id}`),
    stemTrack: (id) => openOutput(`stem ${id}`),
    releaseStem: (id) => closeOutput(`stem ${id}`),

    setSolo: (soloIds) => listen({ soloIds }),
    setTalkback: (talkback) => listen({ talkback }),

    async setMonitor(wanted) {
      monitor = wanted;
      listen({ on: wanted.on, source: wanted.source });
      try {
        if (ears.sinkId !== wanted.outputId) await ears.setSinkId(wanted.outputId);
        if (wanted.on) await playMonitor();
        else ears.pause();
      } catch (error) {
        // Another wish has come meanwhile, and is being met.
        if (monitor !== wanted) return;
        monitor = { ...wanted, on: false };
        listen({ on: false });
        ears.pause();
        throw error;
      }
    },

    onMeters(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    onFault(listener) {
      faultListeners.add(listener);
      return () => faultListeners.delete(listener);
    },

    async resume() {
      if (monitorWaits && monitor.on && state === 'running') await playMonitor();
    },

    close() {
      if (state === 'closed') return;
      state = 'closed';
      worker.terminate();
      listeners.clear();
      faultListeners.clear();
      ears.pause();
      ears.srcObject = null;
      for (const input of inputs.values()) stopPump(input);
      for (const track of outputs.values()) track.stop();
      inputs.clear();
      outputs.clear();
    },

    snapshot: () => ({
      state,
      sampleRate: deskRate,
      inputs: Object.fromEntries(
        [...inputs].map(([id, { options, report, track }]) => [
          id,
          { ...options, ...report, trackState: track.readyState },
        ]),
      ),
      mixMinusIds: [...outputs.keys()].flatMap((id) =>
        id.startsWith('mixMinus ') ? [id.slice('mixMinus '.length)] : [],
      ),
      monitor,
      monitorWaits: monitorWaits && monitor.on,
      soloIds: listening.soloIds,
      talkback: listening.talkback,
      clock,
    }),
  };
}

function asSound(track: MediaStreamTrack): MediaStreamAudioTrack {
  if (!isSound(track)) throw new TypeError('A picture cannot be heard: give the mixer a sound track.');
  return track;
}

function isSound(track: MediaStreamTrack): track is MediaStreamAudioTrack {
  return track.kind === 'audio';
}
