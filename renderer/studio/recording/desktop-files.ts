// Recordings in a folder of this computer, by the desktop app's bridge. The bridge knows names and bytes only.
import type { DesktopRecordings } from '../../../electron/desktop-api.ts';
import type { DesktopFiles } from './files.ts';
import { examineRecording } from './fragments.ts';

export const createDesktopFiles = (desktop: DesktopRecordings): DesktopFiles => ({
  kind: 'desktop',
  list: () => desktop.list(),
  read: (name, from, to) => desktop.read(name, from, to),
  writeText: (name, text) => desktop.writeNote(name, text),
  remove: (name) => desktop.remove(name),
  freeBytes: async () => (await desktop.folder()).freeBytes,
  create: async (name) => {
    const file = await desktop.create(name);
    return {
      write: (position, bytes) => desktop.write(file, position, bytes),
      close: () => desktop.close(file),
    };
  },
  mend: async (name) => {
    try {
      const stored = (await desktop.list()).find((file) => file.name === name);
      if (!stored) return 'leftAlone';
      const mending = await examineRecording(stored.bytes, (from, to) => desktop.read(name, from, to));
      if (mending.kind !== 'cutOff') return mending.kind;
      await desktop.mend(name, mending.keepBytes, mending.index);
      return 'mended';
    } catch {
      // It is being written, or was removed meanwhile: the shell says which in its log, and neither is ours to change.
      return 'leftAlone';
    }
  },
  folder: async () => (await desktop.folder()).folder,
  chooseFolder: async () => (await desktop.chooseFolder()).folder,
  show: (name) => desktop.show(name),
});
