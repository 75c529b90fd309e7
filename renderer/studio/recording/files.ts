// Where recordings lie: in the browser's own storage (a plain tab), or in a folder (the desktop app). One small interface,
// so that nothing else knows which. Here: the interface and the browser's storage, whose files the recording's thread writes.
// Not its job: the desktop's folder (desktop-files.ts), what is in a file (fragments.ts).

/** Of the browser's storage. */
export const recordingsFolder = 'recordings';

/** Takes a file's bytes. Pieces come in order; each resolves when it is on disk. */
export interface PieceWriter {
  write(position: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  close(): Promise<void>;
}

/** How a file does while it is written. */
export interface FileProgress {
  readonly bytes: number;
  readonly pieces: number;
  readonly frames: number;
  /** Pictures shown again because none came, in a file with sound. */
  readonly repeats: number;
  /** Times in the file. */
  readonly pictureMs: number;
  readonly soundMs: number;
  /** Empty until the first picture or sound. */
  readonly codecs: readonly string[];
}

export const noProgress: FileProgress = {
  bytes: 0,
  pieces: 0,
  frames: 0,
  repeats: 0,
  pictureMs: 0,
  soundMs: 0,
  codecs: [],
};

/** `empty`: nothing in it can be played. `leftAlone`: somebody is writing to it, or it is gone. */
export type MendOutcome = 'finished' | 'mended' | 'empty' | 'leftAlone';

export type StoredFile = {
  readonly name: string;
  readonly bytes: number;
  /** Of its last change, in ms of Unix time. */
  readonly changedMs: number;
};

interface AnyFiles {
  /** In no order. */
  list(): Promise<StoredFile[]>;
  /** Bytes `from` to `to`; fewer at the end of the file. */
  read(name: string, from: number, to: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Writes a small text file whole or not at all, over an earlier one. */
  writeText(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** What may still be written; null where nobody says. */
  freeBytes(): Promise<number | null>;
}

/** Written and mended by the recording's thread. */
export interface BrowserFiles extends AnyFiles {
  readonly kind: 'browser';
  /** For a download: a view of the file, not a copy. */
  blob(name: string): Promise<Blob>;
}

/** Written from the page, for the thread cannot reach the desktop's bridge. */
export interface DesktopFiles extends AnyFiles {
  readonly kind: 'desktop';
  /** Rejects when there is a file of that name. */
  create(name: string): Promise<PieceWriter>;
  mend(name: string): Promise<MendOutcome>;
  folder(): Promise<string>;
  /** Asks the director; the folder as it is then. */
  chooseFolder(): Promise<string>;
  /** Opens the folder in the system's own window, with the file chosen when there is a name. */
  show(name?: string): Promise<void>;
}

export type RecordingFiles = BrowserFiles | DesktopFiles;

const openFolder = async (): Promise<FileSystemDirectoryHandle> => {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(recordingsFolder, { create: true });
};

const isFile = (handle: FileSystemHandle): handle is FileSystemFileHandle => handle.kind === 'file';

/** Recordings in this browser's storage for this address (Origin Private File System). */
export const createBrowserFiles = (): BrowserFiles => {
  const openFile = async (name: string): Promise<File> =>
    (await (await openFolder()).getFileHandle(name)).getFile();
  return {
    kind: 'browser',
    list: async () => {
      const found: StoredFile[] = [];
      for await (const handle of (await openFolder()).values()) {
        if (!isFile(handle)) continue;
        const { size, lastModified } = await handle.getFile();
        found.push({ name: handle.name, bytes: size, changedMs: lastModified });
      }
      return found;
    },
    read: async (name, from, to) =>
      new Uint8Array(await (await openFile(name)).slice(from, to).arrayBuffer()),
    writeText: async (name, text) => {
      const handle = await (await openFolder()).getFileHandle(name, { create: true });
      // Written beside the file and put in its place at the end.
      const writable = await handle.createWritable();
      await writable.write(text);
      await writable.close();
    },
    remove: async (name) => (await openFolder()).removeEntry(name),
    freeBytes: async () => {
      const { quota, usage } = await navigator.storage.estimate();
      return quota === undefined ? null : Math.max(0, quota - (usage ?? 0));
    },
    blob: openFile,
  };
};
