// Images, videos and colour tables that sources use, kept in the browser's private folder on this machine under the digest of
// what is in them, so that a reload finds them again and the same file is kept once.
// Not its job: reading what is in a file (picture-sources.ts), or which source uses which (the production).
import { AppError } from '../../sfu-server/protocol/errors.ts';

export interface SourceFiles {
  /** Keeps a file and answers its id. Throws `tooLarge` and `storeFull` as sentences. */
  put(file: Blob): Promise<string>;
  /** Null when this machine does not have it: it was chosen on another one, or the browser's data was cleared. */
  get(fileId: string): Promise<File | null>;
}

const folderName = 'source-files';
/** Hashed in one piece, so it has to fit into memory for a moment. */
export const maxSourceFileBytes = 300_000_000;

const hex = (bytes: ArrayBuffer): string =>
  [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

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
