// Runs the mixing desk on a thread and a clock of its own: sound of tracks in, blocks of 10 ms out, on the dot, past the page,
// which may be busy or hidden. A late wake-up renders all that is due, so that sound never loses time against picture.
// Not its job: mixing (mixing-desk.ts), or which tracks and outputs there are (mixer.ts).

import {
  MixingDesk,
  blockFrames,
  blockMs,
  deskRate,
  type InputOptions,
  type Listening,
  type MeterReading,
  type OutputId,
} from './mixing-desk.ts';
import type { BufferReport } from './steered-buffer.ts';

/** From the page. */
export type DeskCommand =
  | {
      readonly kind: 'input';
      readonly id: string;
      readonly options: InputOptions;
      readonly readable: ReadableStream<AudioData>;
    }
  /** Another track takes over an input. */
  | { readonly kind: 'track'; readonly id: string; readonly readable: ReadableStream<AudioData> }
  | { readonly kind: 'update'; readonly id: string; readonly options: InputOptions }
  | { readonly kind: 'removeInput'; readonly id: string }
  | { readonly kind: 'output'; readonly id: OutputId; readonly writable: WritableStream<AudioData> }
  | { readonly kind: 'removeOutput'; readonly id: OutputId }
  | { readonly kind: 'listen'; readonly listening: Listening };

/** How the desk keeps time, since it began. */
export interface ClockReport {
  readonly renderedMs: number;
  /** Time it could not catch up with: the machine stood still for longer than {@link mostCatchUpMs}. */
  readonly skippedMs: number;
  /** The latest wake-up of the last second. */
  readonly latestMs: number;
  /** Blocks that a listener did not take in time, by listener; one that is not there took all. */
  readonly droppedBlocks: Readonly<Partial<Record<OutputId, number>>>;
  /** Time spent on mixing in the last second, in per cent of it. */
  readonly busyPct: number;
}

/** To the page: levels 20 times a second, the rest once. */
export type DeskReport =
  | { readonly kind: 'levels'; readonly reading: MeterReading }
  | {
      readonly kind: 'second';
      readonly inputs: Readonly<Record<string, BufferReport>>;
      readonly clock: ClockReport;
    };

/** Beyond this what is old is left out: nobody wants to hear half a second late what was said. */
const mostCatchUpMs = 500;
/**
 * A listener that is so many blocks behind gets no more until it has taken some. All that is caught up with at once must fit: sound
 * that is left out here is time that the sender loses for good, and fans' lips are apart for half a minute.
 */
const mostQueuedBlocks = mostCatchUpMs / blockMs + 10;
const levelsEveryBlocks = 5;
const reportEveryBlocks = 100;

interface Source {
  reader: ReadableStreamDefaultReader<AudioData>;
}

const desk = new MixingDesk();
const sources = new Map<string, Source>();
const outputs = new Map<OutputId, WritableStreamDefaultWriter<AudioData>>();
const tell = (report: DeskReport): void => self.postMessage(report);

self.addEventListener('message', ({ data }: MessageEvent<DeskCommand>) => {
  switch (data.kind) {
    case 'input':
      desk.addInput(data.id, data.options);
      openSource(data.id, data.readable);
      break;
    case 'track':
      desk.restart(data.id);
      openSource(data.id, data.readable);
      break;
    case 'update':
      desk.updateInput(data.id, data.options);
      break;
    case 'removeInput':
      closeSource(data.id);
      desk.removeInput(data.id);
      break;
    case 'output':
      desk.addOutput(data.id);
      outputs.set(data.id, data.writable.getWriter());
      break;
    case 'removeOutput':
      closeOutput(data.id);
      break;
    case 'listen':
      desk.listen(data.listening);
      break;
  }
});

// Tracks in

function openSource(id: string, readable: ReadableStream<AudioData>): void {
  closeSource(id);
  const source = { reader: readable.getReader() };
  sources.set(id, source);
  void carry(id, source);
}

function closeSource(id: string): void {
  const source = sources.get(id);
  sources.delete(id);
  if (source !== undefined) void stopReading(source);
}

/** A track that has already ended refuses to be cancelled; then there is nothing left to stop. */
async function stopReading({ reader }: Source): Promise<void> {
  await Promise.allSettled([reader.cancel()]);
}

async function carry(id: string, source: Source): Promise<void> {
  const { reader } = source;
  let samples = new Float32Array(2 * blockFrames);
  for (let sound = (await reader.read()).value; sound !== undefined; sound = (await reader.read()).value) {
    const { numberOfFrames, numberOfChannels, sampleRate, timestamp } = sound;
    if (samples.length !== 2 * numberOfFrames) samples = new Float32Array(2 * numberOfFrames);
    for (let channel = 0; channel < 2; channel++) {
      // A mono microphone is heard on both sides.
      sound.copyTo(samples.subarray(channel * numberOfFrames, (channel + 1) * numberOfFrames), {
        planeIndex: Math.min(channel, numberOfChannels - 1),
        format: 'f32-planar',
      });
    }
    sound.close();
    if (sources.get(id) !== source) return;
    // Chromium tells each thread a track's times by that thread's own clock.
    const dueMs = onDesk(timestamp / 1000);
    desk.write(id, samples, sampleRate, onDesk(performance.now()), dueMs);
  }
}

// The clock, and blocks out

const startedAt = performance.now();
let blocks = 0;
let skippedBlocks = 0;
const droppedBlocks: Partial<Record<OutputId, number>> = {};
let latestMs = 0;
let busyMs = 0;
const block = new Float32Array(2 * blockFrames);

/** A moment by the desk's clock, which has never counted what was skipped. */
const onDesk = (atMs: number): number => atMs - startedAt - skippedBlocks * blockMs;

/** Blocks that should have been rendered by now and are not. */
const blocksDue = (): number => Math.floor((performance.now() - startedAt) / blockMs) - blocks;

/** Sound that came while this thread slept is still on its way into the buffers: it goes first. */
const afterArrivals = new MessageChannel();
afterArrivals.port2.onmessage = () => {
  renderDue();
  sleep();
};

function sleep(): void {
  const dueMs = startedAt + (blocks + 1) * blockMs;
  setTimeout(wake, Math.max(0, dueMs - performance.now()));
}

function wake(): void {
  const due = blocksDue();
  if (due > 0) latestMs = Math.max(latestMs, performance.now() - startedAt - (blocks + 1) * blockMs);
  if (due > 1) {
    afterArrivals.port1.postMessage(null);
    return;
  }
  renderDue();
  sleep();
}

function renderDue(): void {
  const beganMs = performance.now();
  const behind = blocksDue() - mostCatchUpMs / blockMs;
  if (behind > 0) {
    blocks += Math.ceil(behind);
    skippedBlocks += Math.ceil(behind);
  }
  for (let due = blocksDue(); due > 0; due--) renderBlock();
  busyMs += performance.now() - beganMs;
}

function renderBlock(): void {
  desk.render();
  for (const [id, writer] of outputs) {
    if (!desk.read(id, block)) continue;
    if ((writer.desiredSize ?? 0) < -mostQueuedBlocks) {
      droppedBlocks[id] = (droppedBlocks[id] ?? 0) + 1;
      continue;
    }
    const sound = new AudioData({
      format: 'f32-planar',
      sampleRate: deskRate,
      numberOfFrames: blockFrames,
      numberOfChannels: 2,
      timestamp: blocks * blockMs * 1000,
      data: block,
    });
    // Refused once its track has been stopped: then nobody listens any more.
    writer.write(sound).catch(() => {
      sound.close();
      if (outputs.get(id) === writer) closeOutput(id);
    });
  }
  blocks++;
  if (blocks % levelsEveryBlocks === 0) tell({ kind: 'levels', reading: desk.takeLevels() });
  if (blocks % reportEveryBlocks !== 0) return;
  const clock: ClockReport = {
    renderedMs: (blocks - skippedBlocks) * blockMs,
    skippedMs: skippedBlocks * blockMs,
    latestMs,
    droppedBlocks: { ...droppedBlocks },
    busyPct: (busyMs / (reportEveryBlocks * blockMs)) * 100,
  };
  latestMs = 0;
  busyMs = 0;
  tell({ kind: 'second', inputs: desk.takeReports(), clock });
}

function closeOutput(id: OutputId): void {
  const writer = outputs.get(id);
  if (writer === undefined) return;
  desk.removeOutput(id);
  outputs.delete(id);
  delete droppedBlocks[id];
  void Promise.allSettled([writer.close()]);
}

sleep();
