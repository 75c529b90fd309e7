// Recordings on disk for the studio page: one folder, plain names, no path ever from the page. Files are made new, never
// written over; each piece is on the disk before it is answered.
// Not its job: what is in a file (renderer/studio/recording), asking the director for a folder (main.ts hands that in).
import { constants } from 'node:fs';
import {
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  statfs,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { AppError } from '../sfu-server/protocol/errors.ts';
import { recordingFileName, type DesktopHandlers } from './desktop-api.ts';

/** As many sources as a show can have, twice over. */
const maxOpenFiles = 64;
const maxListed = 2_000;

const folderNote = z.object({ folder: z.string().check(z.minLength(1)) });

export type RecordingHandlers = Pick<
  DesktopHandlers,
  | 'recordingFolder'
  | 'chooseRecordingFolder'
  | 'showRecording'
  | 'createRecording'
  | 'writeRecording'
  | 'closeRecording'
  | 'listRecordings'
  | 'readRecording'
  | 'mendRecording'
  | 'writeRecordingNote'
  | 'removeRecording'
>;

export interface Recordings {
  readonly handlers: RecordingHandlers;
  /** Closes what a page that is gone left open. */
  closeFiles(): Promise<void>;
  snapshot(): { folder: string; open: string[] };
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

const notFound = () => new AppError('notFound', 'This recording is not there any more.');
const notWritten = (cause: unknown) =>
  new AppError(
    'storeFailed',
    hasCode(cause, 'ENOSPC') ? 'The disk is full.' : 'The recording folder cannot be written to.',
    { cause },
  );

export const createRecordings = (options: {
  /** Used until the director chooses another. */
  defaultFolder: string;
  /** Remembers the choice. */
  noteFile: string;
  /** Asks the director; undefined: stay. */
  askForFolder: (now: string) => Promise<string | undefined>;
  /** Opens the system's window on the folder, with the file chosen where there is one. */
  show: (folder: string, file: string | undefined) => Promise<void>;
}): Recordings => {
  const files = new Map<number, { name: string; handle: FileHandle; bytes: number }>();
  let lastFile = 0;
  let chosen: string | undefined;

  const folder = async (): Promise<string> => {
    if (chosen !== undefined) return chosen;
    try {
      chosen = z.parse(folderNote, JSON.parse(await readFile(options.noteFile, 'utf8'))).folder;
    } catch {
      // None was chosen yet, or the note is damaged: the usual place is as good as any.
      chosen = options.defaultFolder;
    }
    return chosen;
  };
  const folderMade = async (): Promise<string> => {
    const path = await folder();
    await mkdir(path, { recursive: true }).catch((error: unknown) => {
      throw notWritten(error);
    });
    return path;
  };
  const fileOf = (file: number) => {
    const found = files.get(file);
    if (!found) throw notFound();
    return found;
  };
  const isOpen = (name: string): boolean => [...files.values()].some((file) => file.name === name);
  /** The path of a file that is there, and is a file: no link leads out of the folder. */
  const existing = async (name: string): Promise<string> => {
    const path = join(await folder(), name);
    const found = await lstat(path).catch(() => undefined);
    if (!found?.isFile()) throw notFound();
    return path;
  };
  const describe = async () => {
    const path = await folderMade();
    const disk = await statfs(path).catch(() => undefined);
    return { folder: path, freeBytes: disk ? disk.bavail * disk.bsize : null };
  };

  return {
    handlers: {
      recordingFolder: describe,
      chooseRecordingFolder: async () => {
        const asked = await options.askForFolder(await folder());
        if (asked !== undefined) {
          chosen = asked;
          await writeFile(options.noteFile, JSON.stringify({ folder: asked }), { mode: 0o600 });
        }
        return describe();
      },
      showRecording: async ({ name }) => {
        await options.show(await folderMade(), name === undefined ? undefined : await existing(name));
        return {};
      },
      createRecording: async ({ name }) => {
        if (files.size >= maxOpenFiles) {
          throw new AppError('limit', 'Too many recordings are being written. Stop some first.');
        }
        let handle: FileHandle;
        try {
          handle = await open(join(await folderMade(), name), 'wx', 0o600);
        } catch (error) {
          if (hasCode(error, 'EEXIST')) {
            throw new AppError('storeFailed', `There is a recording “${name}” already.`, { cause: error });
          }
          throw notWritten(error);
        }
        lastFile += 1;
        files.set(lastFile, { name, handle, bytes: 0 });
        return { file: lastFile };
      },
      writeRecording: async ({ file, position, bytes }) => {
        const to = fileOf(file);
        // Only ever grown: a hole would be read as damage.
        if (position > to.bytes) throw new AppError('invalidParams', 'A recording is written without holes.');
        try {
          await to.handle.write(bytes, 0, bytes.length, position);
          await to.handle.datasync();
        } catch (error) {
          throw notWritten(error);
        }
        to.bytes = Math.max(to.bytes, position + bytes.length);
        return {};
      },
      closeRecording: async ({ file }) => {
        const { handle } = fileOf(file);
        files.delete(file);
        await handle.close();
        return {};
      },
      listRecordings: async () => {
        const path = await folderMade();
        const names = (await readdir(path)).filter((name) => recordingFileName.safeParse(name).success);
        const found = await Promise.allSettled(
          names.slice(0, maxListed).map(async (name) => {
            const { size, mtimeMs } = await lstat(await existing(name));
            return { name, bytes: size, changedMs: Math.round(mtimeMs) };
          }),
        );
        return { files: found.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])) };
      },
      readRecording: async ({ name, from, to }) => {
        const handle = await open(await existing(name), constants.O_RDONLY);
        try {
          const bytes = new Uint8Array(Math.max(0, to - from));
          const { bytesRead } = await handle.read(bytes, 0, bytes.length, from);
          return { bytes: bytes.subarray(0, bytesRead) };
        } finally {
          await handle.close();
        }
      },
      mendRecording: async ({ name, keepBytes, index }) => {
        if (isOpen(name)) throw new AppError('wrongPhase', 'This recording is still being written.');
        const handle = await open(await existing(name), constants.O_RDWR);
        try {
          const { size } = await handle.stat();
          if (keepBytes > size) throw new AppError('invalidParams', 'The recording is shorter than that.');
          await handle.truncate(keepBytes);
          await handle.write(index, 0, index.length, keepBytes);
          await handle.datasync();
        } catch (error) {
          throw error instanceof AppError ? error : notWritten(error);
        } finally {
          await handle.close();
        }
        return {};
      },
      writeRecordingNote: async ({ name, text }) => {
        const path = join(await folderMade(), name);
        try {
          // Beside it first: a crash in between leaves the earlier note.
          await writeFile(`${path}.part`, text, { mode: 0o600 });
          await rename(`${path}.part`, path);
        } catch (error) {
          throw notWritten(error);
        }
        return {};
      },
      removeRecording: async ({ name }) => {
        if (isOpen(name)) throw new AppError('wrongPhase', 'This recording is still being written.');
        await rm(await existing(name));
        return {};
      },
    },
    closeFiles: async () => {
      const left = [...files.values()];
      files.clear();
      await Promise.allSettled(left.map(({ handle }) => handle.close()));
    },
    snapshot: () => ({
      folder: chosen ?? options.defaultFolder,
      open: [...files.values()].map(({ name }) => name),
    }),
  };
};
