// The page's side of the recording's thread: hands it copies of tracks, passes pieces on to a desktop folder, and tells how
// each file does. The tracks stay the caller's. Not its job: what to record and when to stop (desk.ts).
import {
  noProgress,
  type FileProgress,
  type MendOutcome,
  type PieceWriter,
  type RecordingFiles,
} from './files.ts';
import type { FileNumber, RecorderCommand, RecorderReport } from './recorder.worker.ts';

export type RecordingOrder = {
  /** Of the file; there must be none of that name. */
  readonly name: string;
  /** Of the show, kept in the file. */
  readonly title: string;
  /** The take's start, 0 in each of its files, in ms of Unix time. */
  readonly zeroMs: number;
  readonly picture: MediaStreamTrack | null;
  /** Must be at 48 kHz, as everything from the mixer is. */
  readonly sound: MediaStreamTrack | null;
  /** How much later than it comes the picture stands in the file. */
  readonly heldBackMs: number;
  /** Of the picture. */
  readonly bitsPerPixel: number;
  readonly onProgress: (progress: FileProgress) => void;
};

export interface RecordedFile {
  readonly name: string;
  /** From the next picture on. */
  holdBack(heldBackMs: number): void;
  /** Ends the file properly; may be called twice. */
  finish(): Promise<void>;
  /** When its last byte is on disk, told to or not. `problem`: why it ended by itself, in words of the system. */
  readonly ended: Promise<{ progress: FileProgress; problem: string | null }>;
}

export interface Recorder {
  /** What cannot be recorded has ended at once, with its problem. */
  record(order: RecordingOrder): RecordedFile;
  /** Finishes a file that was cut off by a crash or a reload. One that is being written is left alone. */
  mend(name: string): Promise<MendOutcome>;
  close(): void;
  /** `failed`: why nothing can be recorded until the page is loaded again. */
  snapshot(): { open: string[]; failed: string | null };
}

type OpenFile = {
  readonly order: RecordingOrder;
  readonly tracks: readonly MediaStreamTrack[];
  readonly writer: Promise<PieceWriter> | null;
  readonly end: (how: { progress: FileProgress; problem: string | null }) => void;
};

const isPicture = (track: MediaStreamTrack): track is MediaStreamVideoTrack => track.kind === 'video';
const isSound = (track: MediaStreamTrack): track is MediaStreamAudioTrack => track.kind === 'audio';
const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const createRecorder = (files: RecordingFiles): Recorder => {
  const worker = new Worker(new URL('./recorder.worker.ts', import.meta.url), {
    type: 'module',
    name: 'recorder',
  });
  const open = new Map<FileNumber, OpenFile>();
  const mending = new Map<string, (outcome: MendOutcome) => void>();
  let lastFile = 0;
  let closed = false;
  let isReady = false;
  let failed: string | null = null;

  const send = (command: RecorderCommand, transfer: Transferable[] = []): void => {
    if (!closed) worker.postMessage(command, transfer);
  };

  const letGo = async (file: FileNumber, progress: FileProgress, problem: string | null) => {
    const entry = open.get(file);
    if (!entry) return;
    open.delete(file);
    for (const track of entry.tracks) track.stop();
    // Whatever closing says, every piece was written before.
    const writer = await entry.writer?.catch(() => null);
    await writer?.close().catch(() => undefined);
    entry.end({ progress, problem });
  };

  const writePiece = async ({ file, position, bytes }: Extract<RecorderReport, { kind: 'piece' }>) => {
    let problem: string | null = null;
    try {
      const writer = await open.get(file)?.writer;
      if (!writer) throw new Error('The file is closed.');
      await writer.write(position, bytes);
    } catch (error) {
      problem = words(error);
    }
    send({ kind: 'written', file, problem });
  };

  const leaveUnmended = () => {
    for (const answer of mending.values()) answer('leftAlone');
    mending.clear();
  };

  /** Copies of the tracks as streams for the thread. Throws, with nothing left open, when one of them has ended. */
  const openStreams = (order: RecordingOrder) => {
    const picture = order.picture?.clone();
    const sound = order.sound?.clone();
    const tracks = [picture, sound].filter((track) => track !== undefined);
    try {
      // Two pictures wait at most; when the encoder is slower than that, the recording loses some, and only it.
      const frames =
        picture && isPicture(picture)
          ? new MediaStreamTrackProcessor({ track: picture, maxBufferSize: 2 }).readable
          : null;
      // A second of sound costs little, and a thread that was held up for less than that then loses none.
      const blocks =
        sound && isSound(sound)
          ? new MediaStreamTrackProcessor({ track: sound, maxBufferSize: 100 }).readable
          : null;
      return { tracks, frames, blocks };
    } catch (error) {
      for (const track of tracks) track.stop();
      throw error;
    }
  };
  const neverBegun = (name: string, problem: string): RecordedFile => ({
    name,
    ended: Promise.resolve({ progress: noProgress, problem }),
    holdBack: () => {},
    finish: () => Promise.resolve(),
  });

  worker.addEventListener('message', ({ data }: MessageEvent<RecorderReport>) => {
    switch (data.kind) {
      case 'ready':
        isReady = true;
        break;
      case 'piece':
        void writePiece(data);
        break;
      case 'progress':
        open.get(data.file)?.order.onProgress(data.progress);
        break;
      case 'finished':
        void letGo(data.file, data.progress, data.problem);
        break;
      case 'mended':
        mending.get(data.name)?.(data.outcome);
        mending.delete(data.name);
        break;
    }
  });
  worker.addEventListener('error', (event) => {
    // One that fell over a single file goes on with the next; one that never ran will not.
    if (!isReady) failed = 'the recorder could not be loaded';
    const problem = failed ?? event.message;
    for (const file of open.keys()) void letGo(file, noProgress, problem);
    leaveUnmended();
  });

  return {
    record: (order) => {
      if (failed !== null) return neverBegun(order.name, failed);
      let streams: ReturnType<typeof openStreams>;
      try {
        streams = openStreams(order);
      } catch (error) {
        return neverBegun(order.name, words(error));
      }
      const { tracks, frames, blocks } = streams;
      lastFile += 1;
      const file = lastFile;
      let { heldBackMs } = order;
      const { promise: ended, resolve: end } = Promise.withResolvers<Awaited<RecordedFile['ended']>>();
      const writer = files.kind === 'desktop' ? files.create(order.name) : null;
      // Told to the thread with the first piece.
      writer?.catch(() => undefined);
      open.set(file, { order, tracks, writer, end });
      send(
        {
          kind: 'record',
          file,
          storedAs: files.kind === 'browser' ? order.name : null,
          zeroMs: order.zeroMs,
          title: order.title,
          picture: frames && { frames, heldBackMs, bitsPerPixel: order.bitsPerPixel },
          sound: blocks && { blocks },
        },
        [frames, blocks].filter((stream) => stream !== null),
      );
      return {
        name: order.name,
        ended,
        holdBack: (nextMs) => {
          if (nextMs === heldBackMs || !open.has(file)) return;
          heldBackMs = nextMs;
          send({ kind: 'holdBack', file, heldBackMs });
        },
        finish: async () => {
          // The streams end with their tracks, and nothing is left in them.
          for (const track of tracks) track.stop();
          if (open.has(file)) send({ kind: 'finish', file });
          await ended;
        },
      };
    },
    mend: (name) => {
      if (files.kind === 'desktop') return files.mend(name);
      if (failed !== null || closed) return Promise.resolve('leftAlone');
      return new Promise((resolve) => {
        mending.set(name, resolve);
        send({ kind: 'mend', name });
      });
    },
    close: () => {
      if (closed) return;
      closed = true;
      worker.terminate();
      for (const file of open.keys()) void letGo(file, noProgress, null);
      leaveUnmended();
    },
    snapshot: () => ({ open: [...open.values()].map(({ order }) => order.name), failed }),
  };
};
