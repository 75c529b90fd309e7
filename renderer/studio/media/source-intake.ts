// How pictures of sources come in: reads the frames of each, holds them back where it has a delay, takes those in that are
// wanted, judges each source by them, and counts. Stills come in here too, and are kept should the backend be lost.
// Not its job: what is on program (compositor.worker.ts), or pixels (the backends).

import type { Backend } from './backend.ts';
import { createFrameDelay, type FrameDelay } from './frame-delay.ts';
import { createFramePace, type FramePace } from './frame-pace.ts';
import { createPictureJudge, type PictureHealth, type PictureJudge } from './source-health.ts';

export interface SourceStats {
  readonly framesPerSecond: number;
  /** Null before the first frame. */
  readonly lastFrameAgeMs: number | null;
  /** The visible picture, as last seen; 0 before the first frame. */
  readonly width: number;
  readonly height: number;
  readonly format: string;
  readonly health: PictureHealth;
}

/** What a source's pictures are for at this moment. */
export type SourceUse =
  /** `isClock`: each of them makes a program frame. */
  | { readonly kind: 'program'; readonly fps: number; readonly isClock: boolean }
  /** The preview, or being ready for a cut: one picture in this time is enough. */
  | { readonly kind: 'spare'; readonly everyMs: number };

export interface SourceIntake {
  /** Opens a source, or takes over an open one in place: its last picture stays until the new track delivers. */
  open(sourceId: string, readable: ReadableStream<VideoFrame>): void;
  /** A picture that does not move: it has no clock of its own and cannot fall ill. The picture is handed over. */
  showStill(sourceId: string, picture: ImageBitmap): Promise<void>;
  /** Stops a source or a still; unknown ids are ignored. */
  remove(sourceId: string): void;
  /** Holds even when the source comes later, goes and comes back; 0 ends it. */
  setDelayMs(sourceId: string, delayMs: number): void;
  /** Whether a source has frames of its own. */
  has(sourceId: string): boolean;
  /** The backend has lost its pictures: stills, which come only once, are given to it again. */
  restoreStills(): void;
  /** Tells of each source whose health has changed since the last look. */
  look(onChange: (sourceId: string, health: PictureHealth) => void): void;
  /** Frames held here at this moment. */
  readonly openFrames: number;
  /** Since the last call. */
  takeStats(): { readonly framesIn: number; readonly sources: Readonly<Record<string, SourceStats>> };
}

/** For the first pictures out of a delay to be judged. */
const fillGraceMs = 200;

interface Source {
  readonly judge: PictureJudge;
  judged: PictureHealth['kind'];
  readonly reader: ReadableStreamDefaultReader<VideoFrame>;
  /** Null: its pictures are shown as they come. */
  delay: FrameDelay | null;
  /** While a longer delay fills up no picture comes out, and none is missed. */
  fillsUntilMs: number;
  lastFrameAtMs: number | null;
  ingestedAtMs: number;
  frames: number;
  width: number;
  height: number;
  format: string;
  /** Least seen difference between arrival here and the frame's own timestamp: maps its clock onto ours. */
  clockOffsetMs: number;
  /** Which of its frames the program takes. */
  readonly pace: FramePace;
}

const epochMs = (): number => performance.timeOrigin + performance.now();

export function createSourceIntake(options: {
  backend: Backend;
  useOf: (sourceId: string) => SourceUse;
  /** A picture was taken in: `mediaMs` is its moment by this thread's clock, `workMs` what it cost. */
  onPicture: (picture: { mediaMs: number; workMs: number; isClock: boolean }) => void;
  onFault: (what: string, error: unknown) => void;
}): SourceIntake {
  const { backend, useOf, onPicture, onFault } = options;
  const sources = new Map<string, Source>();
  const stills = new Map<string, ImageBitmap>();
  /** By source, whether or not it is open; in milliseconds. */
  const delays = new Map<string, number>();
  /** Frames that are being read. */
  let reading = 0;
  let framesIn = 0;

  const ingestStill = async (sourceId: string, picture: ImageBitmap): Promise<void> => {
    const frame = new VideoFrame(picture, { timestamp: 0 });
    reading++;
    try {
      await backend.ingest(sourceId, frame);
    } catch (error) {
      onFault('An image cannot be shown', error);
    } finally {
      frame.close();
      reading--;
    }
  };

  const closeStill = (sourceId: string): void => {
    stills.get(sourceId)?.close();
    stills.delete(sourceId);
  };

  const stopReading = (source: Source): void => {
    source.delay?.close();
    source.delay = null;
    source.reader.cancel().catch((error: unknown) => onFault('A source did not let go', error));
  };

  const closeSource = (sourceId: string): void => {
    const source = sources.get(sourceId);
    if (source === undefined) return;
    sources.delete(sourceId);
    stopReading(source);
  };

  const setDelayMs: SourceIntake['setDelayMs'] = (sourceId, delayMs) => {
    const beforeMs = delays.get(sourceId) ?? 0;
    if (delayMs === 0) delays.delete(sourceId);
    else delays.set(sourceId, delayMs);
    const source = sources.get(sourceId);
    if (source === undefined || (delayMs === 0 && source.delay === null)) return;
    const longerMs = source.delay === null ? delayMs : delayMs - beforeMs;
    if (longerMs > 0) source.fillsUntilMs = performance.now() + longerMs + fillGraceMs;
    if (delayMs === 0) {
      source.delay?.close();
      source.delay = null;
    } else if (source.delay === null) {
      source.delay = createFrameDelay(
        delayMs,
        async (frame, mediaMs) => showFrame(sourceId, source, frame, mediaMs),
        (error) => onFault(`A picture of ${sourceId} was lost`, error),
      );
    } else source.delay.setDelayMs(delayMs);
  };

  const readFrames = async (sourceId: string, source: Source): Promise<void> => {
    for (;;) {
      let frame: VideoFrame | undefined;
      try {
        frame = (await source.reader.read()).value;
        if (frame === undefined) return;
        reading++;
        if (sources.get(sourceId) === source) await takeFrame(sourceId, source, frame);
      } catch (error) {
        onFault(`A picture of ${sourceId} was lost`, error);
        if (frame === undefined) return;
      } finally {
        if (frame !== undefined) {
          frame.close();
          reading--;
        }
      }
    }
  };

  const takeFrame = async (sourceId: string, source: Source, frame: VideoFrame): Promise<void> => {
    const nowMs = performance.now();
    framesIn++;
    source.frames++;
    source.lastFrameAtMs = nowMs;
    source.width = frame.visibleRect?.width ?? frame.codedWidth;
    source.height = frame.visibleRect?.height ?? frame.codedHeight;
    source.format = frame.format ?? 'opaque';
    const mediaMs = onOurClock(source, frame.timestamp / 1000, nowMs);
    if (source.delay === null) await showFrame(sourceId, source, frame, mediaMs);
    else await source.delay.hold(frame, mediaMs);
  };

  /** Takes a picture in that is due now, where one is wanted of its source. */
  const showFrame = async (
    sourceId: string,
    source: Source,
    frame: VideoFrame,
    mediaMs: number,
  ): Promise<void> => {
    if (sources.get(sourceId) !== source) return;
    const nowMs = performance.now();
    const use = useOf(sourceId);
    const isWanted =
      use.kind === 'program'
        ? source.pace.takes(mediaMs, use.fps)
        : nowMs - source.ingestedAtMs >= use.everyMs;
    if (!isWanted) return;
    source.ingestedAtMs = nowMs;
    await backend.ingest(sourceId, frame);
    const sample = backend.sample(sourceId);
    if (sample !== null) source.judge.frame(sample, epochMs());
    const isClock = use.kind === 'program' && use.isClock;
    onPicture({ mediaMs, workMs: performance.now() - nowMs, isClock });
  };

  const healthOf = (source: Source): PictureHealth => {
    const health = source.judge.health(epochMs());
    const isFilling = health.kind === 'stopped' && performance.now() < source.fillsUntilMs;
    return isFilling ? { kind: 'moving' } : health;
  };

  return {
    open(sourceId, readable) {
      closeStill(sourceId);
      const before = sources.get(sourceId);
      const source: Source = {
        judge: createPictureJudge(),
        judged: before?.judged ?? 'waiting',
        reader: readable.getReader(),
        delay: null,
        fillsUntilMs: -Infinity,
        lastFrameAtMs: before?.lastFrameAtMs ?? null,
        ingestedAtMs: -Infinity,
        frames: 0,
        width: before?.width ?? 0,
        height: before?.height ?? 0,
        format: before?.format ?? '',
        clockOffsetMs: Infinity,
        pace: createFramePace(),
      };
      sources.set(sourceId, source);
      if (before !== undefined) stopReading(before);
      setDelayMs(sourceId, delays.get(sourceId) ?? 0);
      void readFrames(sourceId, source);
    },
    async showStill(sourceId, picture) {
      closeSource(sourceId);
      closeStill(sourceId);
      stills.set(sourceId, picture);
      await ingestStill(sourceId, picture);
    },
    remove(sourceId) {
      closeSource(sourceId);
      closeStill(sourceId);
      backend.forget(sourceId);
    },
    setDelayMs,
    has: (sourceId) => sources.has(sourceId),
    restoreStills() {
      for (const [sourceId, picture] of stills) void ingestStill(sourceId, picture);
    },
    look(onChange) {
      for (const [sourceId, source] of sources) {
        const health = healthOf(source);
        if (health.kind === source.judged) continue;
        source.judged = health.kind;
        onChange(sourceId, health);
      }
    },
    get openFrames() {
      return [...sources.values()].reduce((sum, { delay }) => sum + (delay?.heldFrames ?? 0), reading);
    },
    takeStats() {
      const nowMs = performance.now();
      const stats = [...sources].map(([sourceId, source]): [string, SourceStats] => {
        const { frames, lastFrameAtMs, width, height, format } = source;
        source.frames = 0;
        const lastFrameAgeMs = lastFrameAtMs === null ? null : nowMs - lastFrameAtMs;
        const health = healthOf(source);
        return [sourceId, { framesPerSecond: frames, lastFrameAgeMs, width, height, format, health }];
      });
      const taken = framesIn;
      framesIn = 0;
      return { framesIn: taken, sources: Object.fromEntries(stats) };
    },
  };
}

/**
 * Turns a source's own timestamps into times of this thread's clock. The least delay seen is taken for no delay; it
 * creeps up by 0.1 % so that a source whose clock drifts, or that jumps, is followed.
 */
function onOurClock(source: Source, timestampMs: number, arrivalMs: number): number {
  const offset = arrivalMs - timestampMs;
  const jumped = Math.abs(offset - source.clockOffsetMs) > 500;
  source.clockOffsetMs = jumped ? offset : Math.min(offset, source.clockOffsetMs + 0.03);
  return timestampMs + source.clockOffsetMs;
}
