// The recording's thread: one for all files, away from the page, whose buttons stay quick, and from the program's picture.
// Opens files in the browser's own storage itself; bytes for a folder of the desktop app go back to the page, piece by piece.
// Not its job: encoding and muxing (file-recorder.ts), what to record (desk.ts).
import { examineRecording } from './fragments.ts';
import { recordFile, type FileRecorder, type PictureOrder } from './file-recorder.ts';
import {
  noProgress,
  recordingsFolder,
  type FileProgress,
  type MendOutcome,
  type PieceWriter,
} from './files.ts';

declare global {
  /** A worker's own, which TypeScript's DOM library does not carry (WHATWG File System, §2.7). */
  interface FileSystemSyncAccessHandle {
    read(into: Uint8Array<ArrayBuffer>, options?: { at?: number }): number;
    write(bytes: Uint8Array<ArrayBuffer>, options?: { at?: number }): number;
    truncate(size: number): void;
    getSize(): number;
    flush(): void;
    close(): void;
  }
  interface FileSystemFileHandle {
    createSyncAccessHandle(): Promise<FileSystemSyncAccessHandle>;
  }
}

/** `FileNumber` names a file between page and thread, once per page. */
export type FileNumber = number;

export type RecorderCommand =
  | {
      readonly kind: 'record';
      readonly file: FileNumber;
      /** Null: pieces are given to the page. */
      readonly storedAs: string | null;
      readonly zeroMs: number;
      readonly title: string;
      readonly picture: PictureOrder | null;
      readonly sound: { readonly blocks: ReadableStream<AudioData> } | null;
    }
  | { readonly kind: 'holdBack'; readonly file: FileNumber; readonly heldBackMs: number }
  | { readonly kind: 'finish'; readonly file: FileNumber }
  /** The page's answer to a piece. */
  | { readonly kind: 'written'; readonly file: FileNumber; readonly problem: string | null }
  /** Finishes a file of the browser's storage that was cut off. */
  | { readonly kind: 'mend'; readonly name: string };

export type RecorderReport =
  /** Once, when the thread has been loaded. */
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'piece';
      readonly file: FileNumber;
      readonly position: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
    }
  /** Once a second. */
  | { readonly kind: 'progress'; readonly file: FileNumber; readonly progress: FileProgress }
  /** `problem`: why it ended before it was told to. */
  | {
      readonly kind: 'finished';
      readonly file: FileNumber;
      readonly progress: FileProgress;
      readonly problem: string | null;
    }
  | {
      readonly kind: 'mended';
      readonly name: string;
      readonly outcome: MendOutcome;
    };

const progressEveryMs = 1_000;

const report = (message: RecorderReport): void => self.postMessage(message);
const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const openFolder = async (): Promise<FileSystemDirectoryHandle> => {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(recordingsFolder, { create: true });
};

const isThere = async (folder: FileSystemDirectoryHandle, name: string): Promise<boolean> => {
  try {
    await folder.getFileHandle(name);
    return true;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotFoundError') return false;
    throw error;
  }
};

/** A new file in the browser's storage. Rejects when there is one of that name: nothing is ever written over. */
const createStoredFile = async (name: string): Promise<PieceWriter> => {
  const folder = await openFolder();
  if (await isThere(folder, name)) throw new Error(`There is a recording “${name}” already.`);
  const handle = await (await folder.getFileHandle(name, { create: true })).createSyncAccessHandle();
  return {
    write: (position, bytes) => {
      const written = handle.write(bytes, { at: position });
      // Short writes are how a full disk shows itself here, when it is not by an exception.
      if (written < bytes.length) throw new Error('The disk is full.');
      handle.flush();
      return Promise.resolve();
    },
    close: () => {
      handle.close();
      return Promise.resolve();
    },
  };
};

type Answer = { resolve: () => void; reject: (error: Error) => void };
/** Who waits for the page to have written a piece. */
const answers = new Map<FileNumber, Answer>();

const pageWriter = (file: FileNumber): PieceWriter => ({
  write: (position, bytes) =>
    new Promise((resolve, reject) => {
      answers.set(file, { resolve, reject });
      // Copied, not transferred: the muxer looks at its bytes once more.
      report({ kind: 'piece', file, position, bytes });
    }),
  close: () => Promise.resolve(),
});

const files = new Map<FileNumber, FileRecorder>();
const problems = new Map<FileNumber, string>();
/** A file may be told to finish before it was made. */
const opening = new Map<FileNumber, Promise<void>>();

const finish = async (file: FileNumber): Promise<void> => {
  await opening.get(file);
  opening.delete(file);
  const recorder = files.get(file);
  if (!recorder) return;
  files.delete(file);
  await recorder.close();
  report({ kind: 'finished', file, progress: recorder.snapshot(), problem: problems.get(file) ?? null });
  problems.delete(file);
};

const record = async (order: Extract<RecorderCommand, { kind: 'record' }>): Promise<void> => {
  const { file, storedAs, zeroMs, title, picture, sound } = order;
  try {
    const writer = storedAs === null ? pageWriter(file) : await createStoredFile(storedAs);
    const failed = (error: unknown) => {
      problems.set(file, words(error));
      void finish(file);
    };
    files.set(file, recordFile({ writer, zeroMs, title, picture, sound, failed }));
  } catch (error) {
    for (const stream of [picture?.frames, sound?.blocks]) stream?.cancel().catch(() => undefined);
    report({ kind: 'finished', file, progress: noProgress, problem: words(error) });
  }
};

const holdBack = async (file: FileNumber, heldBackMs: number): Promise<void> => {
  await opening.get(file);
  files.get(file)?.holdBack(heldBackMs);
};

const mend = async (name: string): Promise<MendOutcome> => {
  const folder = await openFolder();
  const handle = await (await folder.getFileHandle(name)).createSyncAccessHandle();
  try {
    const mending = await examineRecording(handle.getSize(), (from, to) => {
      const bytes = new Uint8Array(to - from);
      return Promise.resolve(bytes.subarray(0, handle.read(bytes, { at: from })));
    });
    if (mending.kind !== 'cutOff') return mending.kind;
    handle.truncate(mending.keepBytes);
    handle.write(mending.index, { at: mending.keepBytes });
    handle.flush();
    return 'mended';
  } finally {
    handle.close();
  }
};

const answerMend = async (name: string): Promise<void> => {
  // A file that another window writes to cannot be opened here, and must not be.
  const outcome = await mend(name).catch((): MendOutcome => 'leftAlone');
  report({ kind: 'mended', name, outcome });
};

self.addEventListener('message', ({ data }: MessageEvent<RecorderCommand>) => {
  switch (data.kind) {
    case 'record':
      opening.set(data.file, record(data));
      break;
    case 'holdBack':
      void holdBack(data.file, data.heldBackMs);
      break;
    case 'finish':
      void finish(data.file);
      break;
    case 'written': {
      const answer = answers.get(data.file);
      answers.delete(data.file);
      if (data.problem === null) answer?.resolve();
      else answer?.reject(new Error(data.problem));
      break;
    }
    case 'mend':
      void answerMend(data.name);
      break;
  }
});

setInterval(() => {
  for (const [file, recorder] of files) {
    report({ kind: 'progress', file, progress: recorder.snapshot() });
  }
}, progressEveryMs);

report({ kind: 'ready' });
