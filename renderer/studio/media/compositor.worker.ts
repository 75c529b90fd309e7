// The compositor's thread: reads frames of every source, lets the backend draw the scene, and writes program frames.
// The primary source's frames are the clock; when they stop, this thread's own timer keeps the program running.
// Not its job: pixels (cpu-backend.ts), or anything that needs the page, which may be busy or hidden.

import type { Backend } from './cpu-backend.ts';
import { createCpuBackend } from './cpu-backend.ts';
import type { Output, Scene } from './scene.ts';
import { createPictureJudge, type PictureHealth, type PictureJudge } from './source-health.ts';

/** From the page. Streams are transferred, not copied. */
export type CompositorCommand =
  | { readonly kind: 'start'; readonly output: Output; readonly writable: WritableStream<VideoFrame> }
  | { readonly kind: 'scene'; readonly scene: Scene }
  | { readonly kind: 'source'; readonly sourceId: string; readonly readable: ReadableStream<VideoFrame> }
  | { readonly kind: 'remove'; readonly sourceId: string }
  | { readonly kind: 'delay'; readonly delayMs: number };

/** To the page. */
export type CompositorReport =
  | { readonly kind: 'stats'; readonly stats: CompositorStats }
  /** At once, when a source falls ill or recovers. */
  | { readonly kind: 'health'; readonly sourceId: string; readonly health: PictureHealth }
  | { readonly kind: 'fault'; readonly sentence: string };

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

/** What happened in the last second. */
export interface CompositorStats {
  readonly backend: string;
  readonly framesIn: number;
  readonly framesOut: number;
  /** Program frames that the timer made because the primary source gave none. */
  readonly repeats: number;
  /** Program frames that came more than one and a half intervals after the one before. */
  readonly late: number;
  /** Composed but not sent, because the encoder did not keep up. */
  readonly dropped: number;
  readonly worstGapMs: number;
  /** Reading, converting and composing, per program frame. */
  readonly meanWorkMs: number;
  readonly worstWorkMs: number;
  /** Frames this thread holds at this moment; anything that grows is a leak. */
  readonly openFrames: number;
  readonly sources: Readonly<Record<string, SourceStats>>;
}

/** A primary source silent for longer than this is stalled, and the timer takes over. */
const stallMs = 55;

/** A source off the program is still sampled this often, so that a cut to it has a picture at once. */
const idleIngestMs = 500;

const healthEveryMs = 200;

interface Source {
  readonly judge: PictureJudge;
  judged: PictureHealth['kind'];
  readonly reader: ReadableStreamDefaultReader<VideoFrame>;
  lastFrameAtMs: number | null;
  ingestedAtMs: number;
  frames: number;
  width: number;
  height: number;
  format: string;
  /** Least seen difference between arrival here and the frame's own timestamp: maps its clock onto ours. */
  clockOffsetMs: number;
  /** Earliest media time of the next frame the program takes, in this thread's clock. */
  nextFrameMs: number;
}

interface Program {
  readonly output: Output;
  readonly backend: Backend;
  readonly writer: WritableStreamDefaultWriter<VideoFrame>;
}

let program: Program | null = null;
const sources = new Map<string, Source>();
let primaryId: string | null = null;
let onScene: ReadonlySet<string> = new Set();
let delayMs = 0;
let delayedTimer: ReturnType<typeof setTimeout> | undefined;
const delayed: { readonly frame: VideoFrame; readonly dueMs: number }[] = [];

let lastOutMs = performance.now();
let lastTimestampUs = 0;
let repeatDueMs = 0;
let openFrames = 0;
/** Frames handed to the program track that it has not taken yet. */
let writing = 0;
const mostWriting = 3;
let counts = freshCounts();

function freshCounts() {
  return {
    framesIn: 0,
    framesOut: 0,
    repeats: 0,
    late: 0,
    dropped: 0,
    worstGapMs: 0,
    workMs: 0,
    worstWorkMs: 0,
  };
}

const report = (message: CompositorReport): void => self.postMessage(message);

/** Says what went wrong; the program goes on. */
function reportFault(what: string, error: unknown): void {
  report({ kind: 'fault', sentence: `${what}: ${error instanceof Error ? error.message : String(error)}` });
}

self.addEventListener('message', ({ data }: MessageEvent<CompositorCommand>) => {
  switch (data.kind) {
    case 'start':
      start(data.output, data.writable);
      break;
    case 'scene':
      showScene(data.scene);
      break;
    case 'source':
      openSource(data.sourceId, data.readable);
      break;
    case 'remove':
      removeSource(data.sourceId);
      break;
    case 'delay':
      delayMs = data.delayMs;
      releaseDelayed();
      break;
  }
});

function start(output: Output, writable: WritableStream<VideoFrame>): void {
  program = { output, backend: createCpuBackend(output), writer: writable.getWriter() };
  lastOutMs = performance.now();
  repeatDueMs = lastOutMs;
  armRepeat();
  setInterval(reportStats, 1000);
  setInterval(reportHealth, healthEveryMs);
}

function showScene(scene: Scene): void {
  primaryId = scene.layers[0]?.sourceId ?? null;
  onScene = new Set(scene.layers.map(({ sourceId }) => sourceId));
  try {
    program?.backend.show(scene);
  } catch (error) {
    reportFault('The overlay cannot be drawn', error);
  }
}

// Sources

/** Opens a source, or takes over an open one in place: its last picture stays until the new track delivers. */
function openSource(sourceId: string, readable: ReadableStream<VideoFrame>): void {
  const before = sources.get(sourceId);
  const source: Source = {
    judge: createPictureJudge(),
    judged: before?.judged ?? 'waiting',
    reader: readable.getReader(),
    lastFrameAtMs: before?.lastFrameAtMs ?? null,
    ingestedAtMs: -Infinity,
    frames: 0,
    width: before?.width ?? 0,
    height: before?.height ?? 0,
    format: before?.format ?? '',
    clockOffsetMs: Infinity,
    nextFrameMs: -Infinity,
  };
  sources.set(sourceId, source);
  if (before !== undefined) stopReading(before);
  void readFrames(sourceId, source);
}

function removeSource(sourceId: string): void {
  const source = sources.get(sourceId);
  if (source === undefined) return;
  sources.delete(sourceId);
  stopReading(source);
  program?.backend.forget(sourceId);
}

function stopReading(source: Source): void {
  source.reader.cancel().catch((error: unknown) => reportFault('A source did not let go', error));
}

async function readFrames(sourceId: string, source: Source): Promise<void> {
  for (;;) {
    let frame: VideoFrame | undefined;
    try {
      frame = (await source.reader.read()).value;
      if (frame === undefined) return;
      openFrames++;
      if (sources.get(sourceId) === source) await takeFrame(sourceId, source, frame);
    } catch (error) {
      reportFault(`A picture of ${sourceId} was lost`, error);
      if (frame === undefined) return;
    } finally {
      if (frame !== undefined) {
        frame.close();
        openFrames--;
      }
    }
  }
}

async function takeFrame(sourceId: string, source: Source, frame: VideoFrame): Promise<void> {
  const nowMs = performance.now();
  counts.framesIn++;
  source.frames++;
  source.lastFrameAtMs = nowMs;
  source.width = frame.visibleRect?.width ?? frame.codedWidth;
  source.height = frame.visibleRect?.height ?? frame.codedHeight;
  source.format = frame.format ?? 'opaque';
  if (program === null) return;

  const mediaMs = onOurClock(source, frame.timestamp / 1000, nowMs);
  const isPrimary = sourceId === primaryId;
  if (isPrimary && !isDue(source, mediaMs, program.output.fps)) return;
  if (!onScene.has(sourceId) && nowMs - source.ingestedAtMs < idleIngestMs) return;
  source.ingestedAtMs = nowMs;
  await program.backend.ingest(sourceId, frame);
  const sample = program.backend.sample(sourceId);
  if (sample !== null) source.judge.frame(sample, epochMs());
  counts.workMs += performance.now() - nowMs;
  if (isPrimary) emit(mediaMs, performance.now() - nowMs);
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

/** Holds a faster source down to the program's rate; one within a tenth of it passes whole. */
function isDue(source: Source, mediaMs: number, fps: number): boolean {
  const shortestMs = 900 / fps;
  const jumpedBack = source.nextFrameMs - mediaMs > 2 * shortestMs;
  if (!jumpedBack && mediaMs < source.nextFrameMs - 0.4 * shortestMs) return false;
  source.nextFrameMs = Math.max(jumpedBack ? mediaMs : source.nextFrameMs, mediaMs) + shortestMs;
  return true;
}

// Program

function emit(mediaMs: number, ingestMs: number): void {
  if (program === null) return;
  const startMs = performance.now();
  // Encoders drop frames that do not advance; a millisecond is the least they all tell apart.
  const timestampUs = Math.max(Math.round(mediaMs * 1000), lastTimestampUs + 1000);
  const frame = program.backend.compose(timestampUs);
  openFrames++;
  lastTimestampUs = timestampUs;

  const nowMs = performance.now();
  const gapMs = nowMs - lastOutMs;
  lastOutMs = nowMs;
  repeatDueMs = nowMs + stallMs;
  counts.framesOut++;
  counts.workMs += nowMs - startMs;
  counts.worstWorkMs = Math.max(counts.worstWorkMs, nowMs - startMs + ingestMs);
  counts.worstGapMs = Math.max(counts.worstGapMs, gapMs);
  if (gapMs > 1500 / program.output.fps) counts.late++;
  if (delayMs === 0 && delayed.length === 0) write(frame);
  else delay(frame, nowMs + delayMs);
}

function write(frame: VideoFrame): void {
  if (program === null) return;
  if (writing >= mostWriting) {
    // The encoder does not keep up. A picture that waited would make all later ones late for good.
    frame.close();
    openFrames--;
    counts.dropped++;
    return;
  }
  writing++;
  program.writer
    .write(frame)
    .catch((error: unknown) => {
      frame.close();
      reportFault('The program track took no frame', error);
    })
    .finally(() => {
      writing--;
      openFrames--;
    });
}

/** One timer for as long as the program runs: it wakes when a repeat may be due and looks whether it is. */
function armRepeat(): void {
  setTimeout(
    () => {
      const nowMs = performance.now();
      if (program !== null && nowMs >= repeatDueMs - 1) {
        const dueMs = repeatDueMs;
        counts.repeats++;
        emit(nowMs, 0);
        // Due from the last due time, so that a late timer does not slow the program down.
        repeatDueMs = Math.max(dueMs, nowMs - stallMs) + 1000 / program.output.fps;
      }
      armRepeat();
    },
    Math.max(1, Math.min(stallMs, repeatDueMs - performance.now())),
  );
}

/** Frames wait here while the program picture is held back to meet the sound. */
function delay(frame: VideoFrame, dueMs: number): void {
  delayed.push({ frame, dueMs });
  if (delayed.length === 1) armDelayed();
}

function armDelayed(): void {
  clearTimeout(delayedTimer);
  const first = delayed[0];
  if (first !== undefined) delayedTimer = setTimeout(releaseDelayed, first.dueMs - performance.now());
}

function releaseDelayed(): void {
  const nowMs = performance.now();
  for (let first = delayed[0]; first !== undefined; first = delayed[0]) {
    if (first.dueMs > nowMs + 1 && first.dueMs <= nowMs + delayMs) break;
    delayed.shift();
    write(first.frame);
  }
  armDelayed();
}

const epochMs = (): number => performance.timeOrigin + performance.now();

function reportHealth(): void {
  for (const [sourceId, source] of sources) {
    const health = source.judge.health(epochMs());
    if (health.kind === source.judged) continue;
    source.judged = health.kind;
    report({ kind: 'health', sourceId, health });
  }
}

function reportStats(): void {
  if (program === null) return;
  const nowMs = performance.now();
  const bySource: Record<string, SourceStats> = {};
  for (const [sourceId, source] of sources) {
    bySource[sourceId] = {
      framesPerSecond: source.frames,
      lastFrameAgeMs: source.lastFrameAtMs === null ? null : nowMs - source.lastFrameAtMs,
      width: source.width,
      height: source.height,
      format: source.format,
      health: source.judge.health(epochMs()),
    };
    source.frames = 0;
  }
  const { workMs, ...rest } = counts;
  report({
    kind: 'stats',
    stats: {
      ...rest,
      backend: program.backend.name,
      meanWorkMs: workMs / Math.max(1, counts.framesOut),
      openFrames,
      sources: bySource,
    },
  });
  counts = freshCounts();
}
