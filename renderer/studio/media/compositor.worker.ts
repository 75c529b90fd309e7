// The compositor's thread: keeps the program's clock, and puts frames on the program, the preview and the second output. The
// primary source's frames are the clock; when they stop, this thread's own timer keeps the program running.
// Not its job: reading sources (source-intake.ts), what a frame shows (stage.ts), pixels (the backends), slow work (preparation.worker.ts), or anything that
// needs the page, which may be busy or hidden.

import type { BackendWish } from './backend-choice.ts';
import { chooseBackend } from './backend-choice.ts';
import type { Lut } from './cube.ts';
import type { Grader } from './grader.ts';
import { createGrader } from './grader.ts';
import type { Backend } from './backend.ts';
import type { Outlet } from './outlet.ts';
import { createOutlet } from './outlet.ts';
import type { Preparation } from './preparation.ts';
import { createPreparation } from './preparation.ts';
import type { Output, Scene, Size, Transition } from './scene.ts';
import { aspectOf, turnScene } from './scene.ts';
import type { PictureHealth } from './source-health.ts';
import { createSourceIntake, type SourceIntake, type SourceStats, type SourceUse } from './source-intake.ts';
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
  readonly intake: SourceIntake;
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
let lastOutMs = performance.now();
let lastTimestampUs = 0;
let repeatDueMs = 0;
let frameNumber = 0;
let counts = freshCounts();

function freshCounts() {
  return {
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
      studio?.intake.open(data.sourceId, data.readable);
      break;
    case 'still':
      void studio?.intake.showStill(data.sourceId, data.picture);
      break;
    case 'remove':
      studio?.intake.remove(data.sourceId);
      break;
    case 'sourceDelay':
      studio?.intake.setDelayMs(data.sourceId, data.delayMs);
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
  const backend = chooseBackend(wish, output, () => studio?.intake.restoreStills());
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
    intake: createSourceIntake({ backend, useOf, onPicture, onFault: reportFault }),
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

/** The clock is the first source of the program that runs. */
function isClock(sourceId: string): boolean {
  const layers = studio?.program.stage.scene.layers ?? [];
  return layers.find((layer) => studio?.intake.has(layer.sourceId))?.sourceId === sourceId;
}

function useOf(sourceId: string): SourceUse {
  if (studio === null) return { kind: 'spare', everyMs: idleIngestMs };
  const { output, preview } = studio;
  if (shows(programScenes(), sourceId)) {
    return { kind: 'program', fps: output.fps, isClock: isClock(sourceId) };
  }
  const everyMs = shows(previewScenes(), sourceId) ? (preview.everyFrames * 900) / output.fps : idleIngestMs;
  return { kind: 'spare', everyMs };
}

// Program

function onPicture(picture: { mediaMs: number; workMs: number; isClock: boolean }): void {
  counts.workMs += picture.workMs;
  if (picture.isClock) emit(picture.mediaMs, picture.workMs);
}

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

function reportHealth(): void {
  studio?.intake.look((sourceId, health) => report({ kind: 'health', sourceId, health }));
}

function reportStats(): void {
  if (studio === null) return;
  const { workMs, ...rest } = counts;
  const stats: CompositorStats = {
    ...rest,
    ...studio.intake.takeStats(),
    backend: studio.backend.name,
    dropped: studio.program.outlet.takeDropped(),
    meanWorkMs: workMs / Math.max(1, counts.framesOut),
    openFrames: channels().reduce((sum, { outlet }) => sum + outlet.openFrames, studio.intake.openFrames),
  };
  report({ kind: 'stats', stats });
  stepDown(stats);
  counts = freshCounts();
}
