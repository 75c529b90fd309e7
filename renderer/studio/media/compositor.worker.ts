// The compositor's thread: reads frames of every source, keeps the program's clock, and puts frames on the program, the
// preview and the second output. The primary source's frames are the clock; when they stop, this thread's own timer
// keeps the program running.
// Not its job: what a frame shows (stage.ts), pixels (the backends), slow work (preparation.worker.ts), or anything that
// needs the page, which may be busy or hidden.

import type { BackendWish } from './backend-choice.ts';
import { chooseBackend } from './backend-choice.ts';
import type { Lut } from './cube.ts';
import { createFramePace, type FramePace } from './frame-pace.ts';
import { createFrameDelay, type FrameDelay } from './frame-delay.ts';
import type { Grader } from './grader.ts';
import { createGrader } from './grader.ts';
import type { Backend } from './backend.ts';
import type { Outlet } from './outlet.ts';
import { createOutlet } from './outlet.ts';
import type { Preparation } from './preparation.ts';
import { createPreparation } from './preparation.ts';
import type { Output, Scene, Size, Transition } from './scene.ts';
import { aspectOf, turnScene } from './scene.ts';
import { createPictureJudge, type PictureHealth, type PictureJudge } from './source-health.ts';
import type { Stage } from './stage.ts';
import { createStage } from './stage.ts';
import type { StepDown, StepDownJudge } from './step-down.ts';
import { createStepDownJudge } from './step-down.ts';
import { createStingerStore, type StingerReport } from './stinger-store.ts';

/** From the page. Streams and pictures are transferred, not copied. */
export type CompositorCommand =
  | {
      readonly kind: 'start';
      readonly output: Output;
      readonly backend: BackendWish;
      readonly stepsDown: boolean;
      readonly writable: WritableStream<VideoFrame>;
      readonly previewWritable: WritableStream<VideoFrame>;
    }
  | { readonly kind: 'scene'; readonly scene: Scene }
  | { readonly kind: 'take'; readonly scene: Scene; readonly transition: Transition }
  | { readonly kind: 'preview'; readonly scene: Scene | null }
  | { readonly kind: 'openSecond'; readonly size: Size; readonly writable: WritableStream<VideoFrame> }
  | { readonly kind: 'closeSecond' }
  | { readonly kind: 'source'; readonly sourceId: string; readonly readable: ReadableStream<VideoFrame> }
  | { readonly kind: 'still'; readonly sourceId: string; readonly picture: ImageBitmap }
  | { readonly kind: 'remove'; readonly sourceId: string }
  /** Holds even when the source comes later, goes and comes back; 0 ends it. */
  | { readonly kind: 'sourceDelay'; readonly sourceId: string; readonly delayMs: number }
  | { readonly kind: 'lut'; readonly lutId: string; readonly lut: Lut | null }
  | { readonly kind: 'stinger'; readonly stingerId: string; readonly file: Blob | null }
  | { readonly kind: 'logo'; readonly logoId: string; readonly picture: ImageBitmap | null }
  | { readonly kind: 'delay'; readonly delayMs: number };

/** To the page. */
export type CompositorReport =
  | { readonly kind: 'stats'; readonly stats: CompositorStats }
  /** At once, when a source falls ill or recovers. */
  | { readonly kind: 'health'; readonly sourceId: string; readonly health: PictureHealth }
  | { readonly kind: 'stinger'; readonly stingerId: string; readonly stinger: StingerReport }
  | { readonly kind: 'stepDown'; readonly step: StepDownReport }
  | { readonly kind: 'fault'; readonly sentence: string };

/** The machine was too slow for what was asked. */
export interface StepDownReport {
  /** What was given up. */
  readonly kind: StepDown['kind'];
  /** For the director. */
  readonly sentence: string;
  /** The program's from now on. */
  readonly output: Output;
}

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

/** A source that nobody sees is still taken in this often, so that a cut to it has a picture at once. */
const idleIngestMs = 500;

/** The preview and its sources run at a rate a director can judge a picture by. */
const previewEveryFrames = 2;
const slowPreviewEveryFrames = 6;
const previewShare = 0.5;

const healthEveryMs = 200;

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

/** One output: what is on it, where its frames go, and which of the program's frames it takes part in. */
interface Channel {
  readonly size: Size;
  readonly stage: Stage;
  readonly outlet: Outlet;
  readonly everyFrames: number;
}

interface Studio {
  output: Output;
  readonly backend: Backend;
  readonly preparation: Preparation;
  readonly grader: Grader;
  program: Channel;
  preview: Channel;
  /** Null where the director would rather have late frames than fewer. */
  readonly stepDown: StepDownJudge | null;
}

let studio: Studio | null = null;
/** Whether a scene is on the preview. */
let previewIsOn = false;
let second: Channel | null = null;
/** By which everything that leaves here is held back. */
let programDelayMs = 0;
const sources = new Map<string, Source>();
const stills = new Map<string, ImageBitmap>();
/** By source, whether or not it is open; in milliseconds. */
const sourceDelays = new Map<string, number>();

let lastOutMs = performance.now();
let lastTimestampUs = 0;
let repeatDueMs = 0;
let frameNumber = 0;
/** Frames of sources that are being read. */
let readingFrames = 0;
let counts = freshCounts();

function freshCounts() {
  return {
    framesIn: 0,
    framesOut: 0,
    repeats: 0,
    late: 0,
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
      start(data);
      break;
    case 'scene':
      changeScene((stage, turn) => stage.show(turn(data.scene)));
      break;
    case 'take':
      changeScene((stage, turn) => stage.take(turn(data.scene), data.transition));
      break;
    case 'preview':
      previewIsOn = data.scene !== null;
      if (data.scene !== null) studio?.preview.stage.show(data.scene);
      wantGrades();
      break;
    case 'openSecond':
      openSecond(data.size, data.writable);
      break;
    case 'closeSecond':
      closeSecond();
      break;
    case 'source':
      openSource(data.sourceId, data.readable);
      break;
    case 'still':
      void showStill(data.sourceId, data.picture);
      break;
    case 'remove':
      closeSource(data.sourceId);
      closeStill(data.sourceId);
      studio?.backend.forget(data.sourceId);
      break;
    case 'sourceDelay':
      delaySource(data.sourceId, data.delayMs);
      break;
    case 'lut':
      studio?.preparation.setLut(data.lutId, data.lut);
      studio?.grader.lutChanged(data.lutId);
      break;
    case 'logo':
      studio?.preparation.setLogo(data.logoId, data.picture);
      for (const { stage } of channels()) stage.redrawLogo();
      break;
    case 'stinger':
      stingers.set(data.stingerId, data.file);
      break;
    case 'delay':
      ({ delayMs: programDelayMs } = data);
      for (const { outlet } of channels()) outlet.setDelayMs(data.delayMs);
      break;
  }
});

function start({
  output,
  backend: wish,
  stepsDown,
  writable,
  previewWritable,
}: Extract<CompositorCommand, { kind: 'start' }>): void {
  const backend = chooseBackend(wish, output, () => {
    for (const [sourceId, picture] of stills) void ingestStill(sourceId, picture);
  });
  const preparation = createPreparation();
  const grader = createGrader(backend, preparation, (error) =>
    reportFault('A colour cannot be shown', error),
  );
  const previewSize = { width: evenHalf(output.width), height: evenHalf(output.height) };
  const common = { backend, preparation };
  studio = {
    output,
    backend,
    preparation,
    grader,
    program: openChannel(common, output, writable, true, 1),
    preview: openChannel(common, previewSize, previewWritable, false, previewEveryFrames),
    stepDown: stepsDown ? createStepDownJudge() : null,
  };
  lastOutMs = performance.now();
  repeatDueMs = lastOutMs;
  armRepeat();
  setInterval(reportStats, 1000);
  setInterval(reportHealth, healthEveryMs);
}

const evenHalf = (value: number): number => Math.max(16, Math.round((value * previewShare) / 2) * 2);

function openChannel(
  common: Pick<Studio, 'backend' | 'preparation'>,
  size: Size,
  writable: WritableStream<VideoFrame>,
  animated: boolean,
  everyFrames: number,
): Channel {
  const outlet = createOutlet(writable, (error) => reportFault('A track took no frame', error));
  return { size, stage: openStage(common, size, animated), outlet, everyFrames };
}

function openStage(
  { backend, preparation }: Pick<Studio, 'backend' | 'preparation'>,
  size: Size,
  animated: boolean,
): Stage {
  if (animated) stingers.addSize(size);
  const view = backend.openView(size);
  return createStage({ view, size, preparation, stingers, animated, onFault: reportFault });
}

/** Gives something up, so that the program's frames come in time again. */
function stepDown(stats: CompositorStats): void {
  if (studio === null) return;
  const step = studio.stepDown?.second(stats, {
    output: studio.output,
    hasSecond: second !== null,
    hasFastPreview: previewIsOn && studio.preview.everyFrames === previewEveryFrames,
  });
  if (step === undefined || step === null) return;
  switch (step.kind) {
    case 'closeSecond':
      closeSecond();
      break;
    case 'slowPreview':
      studio.preview = { ...studio.preview, everyFrames: slowPreviewEveryFrames };
      break;
    case 'output':
      changeOutput(studio, step.output);
      break;
  }
  const { kind, sentence } = step;
  report({ kind: 'stepDown', step: { kind, sentence, output: studio.output } });
}

/** The same scene in another size, on the same track. */
function changeOutput(of: Studio, output: Output): void {
  const { program } = of;
  of.output = output;
  if (output.width === program.size.width && output.height === program.size.height) return;
  const stage = openStage(of, output, true);
  stage.show(program.stage.scene);
  of.program = { ...program, size: output, stage };
  program.stage.close();
  stingers.removeSize(program.size);
}

const stingers = createStingerStore(
  async (file, size) => {
    if (studio === null) throw new Error('The compositor has not started.');
    return studio.preparation.decodeStinger(file, size);
  },
  (stingerId, stinger) => report({ kind: 'stinger', stingerId, stinger }),
);

function channels(): readonly Channel[] {
  if (studio === null) return [];
  return second === null ? [studio.program, studio.preview] : [studio.program, studio.preview, second];
}

/** Does the same to the program and, turned to its aspect, to the second output. */
function changeScene(change: (stage: Stage, turn: (scene: Scene) => Scene) => void): void {
  if (studio === null) return;
  change(studio.program.stage, (scene) => scene);
  if (second !== null) change(second.stage, (scene) => turnScene(scene, secondAspect));
  wantGrades();
}

let secondAspect: ReturnType<typeof aspectOf> = 'portrait';

function openSecond(size: Size, writable: WritableStream<VideoFrame>): void {
  if (studio === null) return;
  closeSecond();
  secondAspect = aspectOf(size);
  second = openChannel(studio, size, writable, true, 1);
  second.outlet.setDelayMs(programDelayMs);
  second.stage.show(turnScene(studio.program.stage.scene, secondAspect));
}

function closeSecond(): void {
  if (second === null) return;
  second.stage.close();
  second.outlet.close();
  stingers.removeSize(second.size);
  second = null;
}

function wantGrades(): void {
  studio?.grader.want([...programScenes(), ...previewScenes()]);
}

const programScenes = (): readonly Scene[] => studio?.program.stage.scenes() ?? [];
const previewScenes = (): readonly Scene[] =>
  previewIsOn && studio !== null ? studio.preview.stage.scenes() : [];

const shows = (scenes: readonly Scene[], sourceId: string): boolean =>
  scenes.some(({ layers }) => layers.some((layer) => layer.sourceId === sourceId));

/** Whose frames are the clock: the first source of the program that runs. */
function primaryId(): string | null {
  const layers = studio?.program.stage.scene.layers ?? [];
  return layers.find(({ sourceId }) => sources.has(sourceId))?.sourceId ?? null;
}

// Sources

/** Opens a source, or takes over an open one in place: its last picture stays until the new track delivers. */
function openSource(sourceId: string, readable: ReadableStream<VideoFrame>): void {
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
  delaySource(sourceId, sourceDelays.get(sourceId) ?? 0);
  void readFrames(sourceId, source);
}

function closeSource(sourceId: string): void {
  const source = sources.get(sourceId);
  if (source === undefined) return;
  sources.delete(sourceId);
  stopReading(source);
}

/** A picture that does not move: it has no clock of its own and cannot fall ill. Kept, should the backend be lost. */
async function showStill(sourceId: string, picture: ImageBitmap): Promise<void> {
  closeSource(sourceId);
  closeStill(sourceId);
  stills.set(sourceId, picture);
  await ingestStill(sourceId, picture);
}

async function ingestStill(sourceId: string, picture: ImageBitmap): Promise<void> {
  const frame = new VideoFrame(picture, { timestamp: 0 });
  readingFrames++;
  try {
    await studio?.backend.ingest(sourceId, frame);
  } catch (error) {
    reportFault('An image cannot be shown', error);
  } finally {
    frame.close();
    readingFrames--;
  }
}

function closeStill(sourceId: string): void {
  stills.get(sourceId)?.close();
  stills.delete(sourceId);
}

function delaySource(sourceId: string, delayMs: number): void {
  const beforeMs = sourceDelays.get(sourceId) ?? 0;
  if (delayMs === 0) sourceDelays.delete(sourceId);
  else sourceDelays.set(sourceId, delayMs);
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
      (error) => reportFault(`A picture of ${sourceId} was lost`, error),
    );
  } else source.delay.setDelayMs(delayMs);
}

function stopReading(source: Source): void {
  source.delay?.close();
  source.delay = null;
  source.reader.cancel().catch((error: unknown) => reportFault('A source did not let go', error));
}

async function readFrames(sourceId: string, source: Source): Promise<void> {
  for (;;) {
    let frame: VideoFrame | undefined;
    try {
      frame = (await source.reader.read()).value;
      if (frame === undefined) return;
      readingFrames++;
      if (sources.get(sourceId) === source) await takeFrame(sourceId, source, frame);
    } catch (error) {
      reportFault(`A picture of ${sourceId} was lost`, error);
      if (frame === undefined) return;
    } finally {
      if (frame !== undefined) {
        frame.close();
        readingFrames--;
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
  const mediaMs = onOurClock(source, frame.timestamp / 1000, nowMs);
  if (source.delay === null) await showFrame(sourceId, source, frame, mediaMs);
  else await source.delay.hold(frame, mediaMs);
}

/** Takes a picture in that is due now, where one is wanted of its source, and makes a program frame if it is the clock. */
async function showFrame(
  sourceId: string,
  source: Source,
  frame: VideoFrame,
  mediaMs: number,
): Promise<void> {
  if (studio === null || sources.get(sourceId) !== source) return;
  const { output, backend } = studio;
  const nowMs = performance.now();
  const isPrimary = sourceId === primaryId();
  if (shows(programScenes(), sourceId)) {
    if (!source.pace.takes(mediaMs, output.fps)) return;
  } else {
    const everyMs = shows(previewScenes(), sourceId)
      ? (studio.preview.everyFrames * 900) / output.fps
      : idleIngestMs;
    if (nowMs - source.ingestedAtMs < everyMs) return;
  }
  source.ingestedAtMs = nowMs;
  await backend.ingest(sourceId, frame);
  const sample = backend.sample(sourceId);
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

// Program

function emit(mediaMs: number, ingestMs: number): void {
  if (studio === null) return;
  const startMs = performance.now();
  // Encoders drop frames that do not advance; a millisecond is the least they all tell apart.
  const timestampUs = Math.max(Math.round(mediaMs * 1000), lastTimestampUs + 1000);
  const { program, preview, output } = studio;
  program.outlet.put(program.stage.compose(timestampUs));
  lastTimestampUs = timestampUs;
  frameNumber++;

  const nowMs = performance.now();
  const gapMs = nowMs - lastOutMs;
  lastOutMs = nowMs;
  repeatDueMs = nowMs + stallMs;
  counts.framesOut++;
  counts.worstGapMs = Math.max(counts.worstGapMs, gapMs);
  if (gapMs > 1500 / output.fps) counts.late++;
  // After the program's frame is on its way: what helps the director never makes fans wait.
  if (second !== null) second.outlet.put(second.stage.compose(timestampUs));
  if (previewIsOn && frameNumber % preview.everyFrames === 0) {
    preview.outlet.put(preview.stage.compose(timestampUs));
  }
  const workMs = performance.now() - startMs;
  counts.workMs += workMs;
  counts.worstWorkMs = Math.max(counts.worstWorkMs, workMs + ingestMs);
}

/** One timer for as long as the program runs: it wakes when a repeat may be due and looks whether it is. */
function armRepeat(): void {
  setTimeout(
    () => {
      const nowMs = performance.now();
      if (studio !== null && nowMs >= repeatDueMs - 1) {
        const dueMs = repeatDueMs;
        counts.repeats++;
        emit(nowMs, 0);
        // Due from the last due time, so that a late timer does not slow the program down.
        repeatDueMs = Math.max(dueMs, nowMs - stallMs) + 1000 / studio.output.fps;
      }
      armRepeat();
    },
    Math.max(1, Math.min(stallMs, repeatDueMs - performance.now())),
  );
}

const epochMs = (): number => performance.timeOrigin + performance.now();

function healthOf(source: Source): PictureHealth {
  const health = source.judge.health(epochMs());
  const isFilling = health.kind === 'stopped' && performance.now() < source.fillsUntilMs;
  return isFilling ? { kind: 'moving' } : health;
}

function reportHealth(): void {
  for (const [sourceId, source] of sources) {
    const health = healthOf(source);
    if (health.kind === source.judged) continue;
    source.judged = health.kind;
    report({ kind: 'health', sourceId, health });
  }
}

function reportStats(): void {
  if (studio === null) return;
  const nowMs = performance.now();
  const bySource: Record<string, SourceStats> = {};
  for (const [sourceId, source] of sources) {
    bySource[sourceId] = {
      framesPerSecond: source.frames,
      lastFrameAgeMs: source.lastFrameAtMs === null ? null : nowMs - source.lastFrameAtMs,
      width: source.width,
      height: source.height,
      format: source.format,
      health: healthOf(source),
    };
    source.frames = 0;
  }
  const { workMs, ...rest } = counts;
  const stats: CompositorStats = {
    ...rest,
    backend: studio.backend.name,
    dropped: studio.program.outlet.takeDropped(),
    meanWorkMs: workMs / Math.max(1, counts.framesOut),
    openFrames: [...sources.values()].reduce(
      (sum, { delay }) => sum + (delay?.heldFrames ?? 0),
      channels().reduce((sum, { outlet }) => sum + outlet.openFrames, readingFrames),
    ),
    sources: bySource,
  };
  report({ kind: 'stats', stats });
  stepDown(stats);
  counts = freshCounts();
}
