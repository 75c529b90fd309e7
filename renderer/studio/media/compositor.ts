// The page's side of the compositor: owns the program track and the worker, hands sources and scenes over.
// Not its job: drawing or timing, which run in compositor.worker.ts so that a busy or hidden page never stops the
// program; opening cameras (devices.ts); sending the track anywhere.

import type { BackendWish } from './backend-choice.ts';
import type {
  CompositorCommand,
  CompositorReport,
  CompositorStats,
  StepDownReport,
} from './compositor.worker.ts';
import type { Lut } from './cube.ts';
import type { Output, Scene, Size, Transition } from './scene.ts';
import type { PictureHealth } from './source-health.ts';
import type { StingerReport } from './stinger-store.ts';
import { checkOutput, createScene } from './scene.ts';

export type { CompositorStats, StepDownReport } from './compositor.worker.ts';
export type { SourceStats } from './source-intake.ts';

/** The picture can be held back at most this long: it costs a frame of memory for every frame interval. */
export const longestVideoDelayMs = 500;

/** One source can be held back at most this long: some 10 MB of 360-line pictures, some 90 MB of 1080. */
export const longestSourceDelayMs = 1_000;

export interface CompositorOptions {
  readonly output: Output;
  /** Shown until the first `setScene`; the default slate without one. */
  readonly scene?: Scene;
  /** `auto` without it: the graphics card where a real one makes frames well in time. */
  readonly backend?: BackendWish;
  /** True without it: gives up second output, preview rate, frame rate and size, in that order, when frames are late. */
  readonly stepsDown?: boolean;
}

export type CompositorState = 'running' | 'failed' | 'closed';

export interface CompositorSnapshot {
  readonly state: CompositorState;
  /** As it is now: less than was asked for after a step down. */
  readonly output: Output;
  readonly scene: Scene;
  readonly preview: Scene | null;
  readonly second: Size | null;
  readonly sourceIds: readonly string[];
  readonly videoDelayMs: number;
  /** Of single sources that are held back. */
  readonly sourceDelaysMs: Readonly<Record<string, number>>;
  /** The last second; null before the first second is over. */
  readonly stats: CompositorStats | null;
}

export interface Compositor {
  /** The program picture: always running, at `output.fps`, from creation to `close()`. */
  readonly track: MediaStreamVideoTrack;
  /** The scene that is next, at half the program's size and rate; without one the track rests. */
  readonly previewTrack: MediaStreamVideoTrack;
  /** Changes what is on program, with its next frame and without a transition. */
  setScene(scene: Scene): void;
  /** Makes a scene the program, with its next frames. A transition that still runs ends at once. */
  take(scene: Scene, transition: Transition): void;
  setPreview(scene: Scene | null): void;
  /**
   * Starts a second output, which shows the program's scene laid out for its own aspect, at the program's rate. Replaces
   * one that runs. Its track ends when the machine cannot afford it, and `onStepDown` says so. Throws a RangeError for a
   * size no encoder takes.
   */
  openSecondOutput(size: Size): MediaStreamVideoTrack;
  closeSecondOutput(): void;
  /**
   * Adds a source, or replaces its track in place (a replugged camera): the last picture stays until the new track
   * delivers. The track stays the caller's and is not stopped here.
   */
  addSource(sourceId: string, track: MediaStreamTrack): void;
  /** Adds or replaces a source that does not move: an image, a colour, a test card. The picture is handed over. */
  addStill(sourceId: string, picture: ImageBitmap): void;
  /**
   * Holds one source's pictures back; clamped to 0..{@link longestSourceDelayMs}. Holds for its id until it is changed,
   * whether or not the source is there.
   */
  setSourceDelayMs(sourceId: string, delayMs: number): void;
  /** Forgets a source and its last picture. Unknown ids are ignored. */
  removeSource(sourceId: string): void;
  /** Gives or replaces a table that layers name in their colour. */
  addLut(lutId: string, lut: Lut): void;
  removeLut(lutId: string): void;
  /** Gives or replaces the picture of a logo, which is handed over. */
  addLogo(logoId: string, picture: ImageBitmap): void;
  removeLogo(logoId: string): void;
  /**
   * Gives or replaces a stinger: a clip with alpha, WebM with VP8 or VP9. It is decoded beside the program; until it is
   * ready a take with it is a cut. `onStinger` tells when it is, or why the file cannot be one.
   */
  addStinger(stingerId: string, file: Blob): void;
  removeStinger(stingerId: string): void;
  /** The tracks of the sources that have one, as they enter here. */
  sourceTracks(): ReadonlyMap<string, MediaStreamTrack>;
  /** Calls back when a source came, went, got another track or another delay. Returns the function that ends it. */
  onSources(listener: () => void): () => void;
  /** Calls back once a second. Returns the function that ends it. */
  onStats(listener: (stats: CompositorStats) => void): () => void;
  /** Calls back when a source falls ill or recovers, within some 200 ms. Returns the function that ends it. */
  onHealth(listener: (sourceId: string, health: PictureHealth) => void): () => void;
  /** Calls back when a stinger is ready for every output, or cannot be used. Returns the function that ends it. */
  onStinger(listener: (stingerId: string, stinger: StingerReport) => void): () => void;
  /** Calls back when the machine was too slow and something was given up. Returns the function that ends it. */
  onStepDown(listener: (step: StepDownReport) => void): () => void;
  /** Calls back with one sentence when something is wrong though the program goes on. Returns the function that ends it. */
  onFault(listener: (sentence: string) => void): () => void;
  /** Holds the picture back to meet a later sound; clamped to 0..{@link longestVideoDelayMs}. */
  setVideoDelayMs(delayMs: number): void;
  close(): void;
  snapshot(): CompositorSnapshot;
}

/** Starts a compositor. Throws a RangeError for an output no encoder takes. */
export function createCompositor(options: CompositorOptions): Compositor {
  let output = checkOutput(options.output);
  const worker = new Worker(new URL('./compositor.worker.ts', import.meta.url), {
    type: 'module',
    name: 'compositor',
  });
  const generator = new MediaStreamTrackGenerator({ kind: 'video' });
  const previewGenerator = new MediaStreamTrackGenerator({ kind: 'video' });
  let second: { readonly generator: MediaStreamVideoTrack; readonly size: Size } | null = null;
  /** By id; null for a still. */
  const sources = new Map<string, MediaStreamTrack | null>();
  const sourceDelays = new Map<string, number>();
  const sourceListeners = new Set<() => void>();
  const statsListeners = new Set<(stats: CompositorStats) => void>();
  const healthListeners = new Set<(sourceId: string, health: PictureHealth) => void>();
  const stingerListeners = new Set<(stingerId: string, stinger: StingerReport) => void>();
  const stepDownListeners = new Set<(step: StepDownReport) => void>();
  const faultListeners = new Set<(sentence: string) => void>();
  let state: CompositorState = 'running';
  let scene = options.scene ?? createScene([]);
  let preview: Scene | null = null;
  let videoDelayMs = 0;
  let stats: CompositorStats | null = null;

  const tellSources = (): void => sourceListeners.forEach((listener) => listener());
  const setSource = (sourceId: string, track: MediaStreamTrack | null): void => {
    sources.set(sourceId, track);
    tellSources();
  };
  const send = (command: CompositorCommand, transfer: Transferable[] = []): void => {
    if (state !== 'closed') worker.postMessage(command, transfer);
  };
  const endSecond = (): void => {
    second?.generator.stop();
    second = null;
  };
  const tellFault = (sentence: string): void => faultListeners.forEach((listener) => listener(sentence));

  worker.addEventListener('message', ({ data }: MessageEvent<CompositorReport>) => {
    if (data.kind === 'fault') {
      tellFault(data.sentence);
      return;
    }
    if (data.kind === 'health') {
      healthListeners.forEach((listener) => listener(data.sourceId, data.health));
      return;
    }
    if (data.kind === 'stinger') {
      stingerListeners.forEach((listener) => listener(data.stingerId, data.stinger));
      return;
    }
    if (data.kind === 'stepDown') {
      ({ output } = data.step);
      if (data.step.kind === 'closeSecond') endSecond();
      stepDownListeners.forEach((listener) => listener(data.step));
      return;
    }
    const latest = data.stats;
    stats = latest;
    statsListeners.forEach((listener) => listener(latest));
  });
  worker.addEventListener('error', (event) => {
    state = 'failed';
    tellFault(
      `The compositor stopped (${event.message || 'it could not be loaded'}): reload the studio page.`,
    );
  });

  const { writable } = generator;
  const { writable: previewWritable } = previewGenerator;
  const { backend = 'auto', stepsDown = true } = options;
  send({ kind: 'start', output, backend, stepsDown, writable, previewWritable }, [writable, previewWritable]);
  send({ kind: 'scene', scene });

  return {
    track: generator,
    previewTrack: previewGenerator,

    setScene(next) {
      scene = next;
      send({ kind: 'scene', scene });
    },

    take(next, transition) {
      scene = next;
      send({ kind: 'take', scene, transition });
    },

    setPreview(next) {
      preview = next;
      send({ kind: 'preview', scene: preview });
    },

    openSecondOutput(wanted) {
      const { width, height } = checkOutput({ ...wanted, fps: output.fps });
      endSecond();
      const made = new MediaStreamTrackGenerator({ kind: 'video' });
      second = { generator: made, size: { width, height } };
      send({ kind: 'openSecond', size: second.size, writable: made.writable }, [made.writable]);
      return made;
    },

    closeSecondOutput() {
      if (second === null) return;
      endSecond();
      send({ kind: 'closeSecond' });
    },

    addSource(sourceId, track) {
      if (state === 'closed') return;
      // Two frames: enough to ride out a slow moment, too few to add delay.
      const { readable } = new MediaStreamTrackProcessor({ track: asVideo(track), maxBufferSize: 2 });
      setSource(sourceId, track);
      send({ kind: 'source', sourceId, readable }, [readable]);
    },

    addStill(sourceId, picture) {
      if (state === 'closed') return picture.close();
      setSource(sourceId, null);
      send({ kind: 'still', sourceId, picture }, [picture]);
    },

    setSourceDelayMs(sourceId, wantedMs) {
      const delayMs = Math.max(0, Math.min(longestSourceDelayMs, wantedMs));
      if (delayMs === 0) sourceDelays.delete(sourceId);
      else sourceDelays.set(sourceId, delayMs);
      send({ kind: 'sourceDelay', sourceId, delayMs });
      tellSources();
    },

    removeSource(sourceId) {
      if (!sources.delete(sourceId)) return;
      send({ kind: 'remove', sourceId });
      tellSources();
    },

    addLut: (lutId, lut) => send({ kind: 'lut', lutId, lut }),
    removeLut: (lutId) => send({ kind: 'lut', lutId, lut: null }),
    addLogo(logoId, picture) {
      if (state === 'closed') return picture.close();
      send({ kind: 'logo', logoId, picture }, [picture]);
    },
    removeLogo: (logoId) => send({ kind: 'logo', logoId, picture: null }),

    addStinger: (stingerId, file) => send({ kind: 'stinger', stingerId, file }),
    removeStinger: (stingerId) => send({ kind: 'stinger', stingerId, file: null }),

    sourceTracks: () =>
      new Map([...sources].flatMap(([id, track]) => (track === null ? [] : [[id, track] as const]))),

    onSources(listener) {
      sourceListeners.add(listener);
      return () => sourceListeners.delete(listener);
    },

    onStats(listener) {
      statsListeners.add(listener);
      return () => statsListeners.delete(listener);
    },

    onHealth(listener) {
      healthListeners.add(listener);
      return () => healthListeners.delete(listener);
    },

    onStinger(listener) {
      stingerListeners.add(listener);
      return () => stingerListeners.delete(listener);
    },

    onStepDown(listener) {
      stepDownListeners.add(listener);
      return () => stepDownListeners.delete(listener);
    },

    onFault(listener) {
      faultListeners.add(listener);
      return () => faultListeners.delete(listener);
    },

    setVideoDelayMs(delayMs) {
      videoDelayMs = Math.max(0, Math.min(longestVideoDelayMs, delayMs));
      send({ kind: 'delay', delayMs: videoDelayMs });
      tellSources();
    },

    close() {
      if (state === 'closed') return;
      state = 'closed';
      worker.terminate();
      generator.stop();
      previewGenerator.stop();
      endSecond();
      sources.clear();
      sourceListeners.clear();
      statsListeners.clear();
      healthListeners.clear();
      stingerListeners.clear();
      stepDownListeners.clear();
      faultListeners.clear();
    },

    snapshot: () => ({
      state,
      output,
      scene,
      preview,
      second: second?.size ?? null,
      sourceIds: [...sources.keys()],
      videoDelayMs,
      sourceDelaysMs: Object.fromEntries(sourceDelays),
      stats,
    }),
  };
}

function asVideo(track: MediaStreamTrack): MediaStreamVideoTrack {
  if (!isVideo(track))
    throw new TypeError('A sound track cannot be shown: give the compositor a video track.');
  return track;
}

function isVideo(track: MediaStreamTrack): track is MediaStreamVideoTrack {
  return track.kind === 'video';
}
