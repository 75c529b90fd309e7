// Images, videos and colour tables that sources use, kept in the browser's private folder on this machine under the digest of
// what is in them, so that a reload finds them again and the same file is kept once.
// Not its job: reading what is in a file (source-content.ts), or which source uses which (the production).
import { AppError } from '../../sfu-server/protocol/errors.ts';

export interface SourceFiles {
  /** Keeps a file and answers its id. Throws `tooLarge` and `storeFull` as sentences. */
  put(file: Blob): Promise<string>;
  /** Null when this machine does not have it: it was chosen on another one, or the browser's data was cleared. */
  get(fileId: string): Promise<File | null>;
  /**
   * Deletes what is not in `named`, but nothing of the last day: another window may have undone its way to it, or be
   * about to name it.
   */
  sweep(named: ReadonlySet<string>, nowMs: number): Promise<void>;
}

const folderName = 'source-files';
/** Hashed in one piece, so it has to fit into memory for a moment. */
export const maxSourceFileBytes = 300_000_000;

const keptUnnamedMs = 24 * 60 * 60_000;

const hex = (bytes: ArrayBuffer): string =>
  [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const isFile = (handle: FileSystemHandle): handle is FileSystemFileHandle => handle.kind === 'file';

const isMissing = (error: unknown): boolean =>
  error instanceof DOMException && error.name === 'NotFoundError';

export const createSourceFiles = (): SourceFiles => {
  const folder = async () =>
    (await navigator.storage.getDirectory()).getDirectoryHandle(folderName, { create: true });
  return {
    put: async (file) => {
      if (file.size > maxSourceFileBytes) {
        throw new AppError('tooLarge', 'This file is larger than 300 MB. Export a shorter or smaller one.');
      }
      const bytes = await file.arrayBuffer();
      const fileId = hex(await crypto.subtle.digest('SHA-256', bytes));
      try {
        const handle = await (await folder()).getFileHandle(fileId, { create: true });
        const writable = await handle.createWritable();
        await writable.write(bytes);
        await writable.close();
      } catch (error) {
        if (error instanceof DOMException && error.name === 'QuotaExceededError') {
          throw new AppError('storeFull', undefined, { cause: error });
        }
        throw error;
      }
      return fileId;
    },
    sweep: async (named, nowMs) => {
      const kept = await folder();
      const old: string[] = [];
      for await (const handle of kept.values()) {
        if (named.has(handle.name) || !isFile(handle)) continue;
        if (nowMs - (await handle.getFile()).lastModified > keptUnnamedMs) old.push(handle.name);
      }
      for (const fileId of old) await kept.removeEntry(fileId);
    },
    get: async (fileId) => {
      try {
        const file = await (await (await folder()).getFileHandle(fileId)).getFile();
        // A page that was closed while it wrote leaves an empty file behind.
        return file.size > 0 ? file : null;
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },
  };
};
