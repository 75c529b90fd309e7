// The desktop app's recording folder: what a page may do there, and what it may not.
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRecordings } from '../../electron/recordings.ts';

let home: string;
let shown: (string | undefined)[];
let chosen: string | undefined;

const open = () =>
  createRecordings({
    defaultFolder: join(home, 'Videos', 'Live Drop Studio'),
    noteFile: join(home, 'recording-folder.json'),
    askForFolder: () => Promise.resolve(chosen),
    show: (_folder, file) => {
      shown.push(file);
      return Promise.resolve();
    },
  });
const piece = (text: string) => Uint8Array.from(Buffer.from(text));

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'ld-recordings-'));
  shown = [];
  chosen = undefined;
});
afterEach(() => rm(home, { recursive: true, force: true }));

test('a recording is written piece by piece, listed, read, shown and removed; nothing is written over', async () => {
  const recordings = open();
  const { handlers } = recordings;
  const { folder, freeBytes } = await handlers.recordingFolder({});
  expect(folder).toBe(join(home, 'Videos', 'Live Drop Studio'));
  expect(freeBytes).toBeGreaterThan(0);
  const { file } = await handlers.createRecording({ name: 'A.mp4' });
  await handlers.writeRecording({ file, position: 0, bytes: piece('first ') });
  // On the disk before it was answered: no flush, no close is needed.
  expect(await readFile(join(folder, 'A.mp4'), 'utf8')).toBe('first ');
  await handlers.writeRecording({ file, position: 6, bytes: piece('second') });
  await expect(handlers.writeRecording({ file, position: 13, bytes: piece('hole') })).rejects.toThrow(
    'holes',
  );
  await expect(handlers.createRecording({ name: 'A.mp4' })).rejects.toThrow('already');
  await expect(handlers.removeRecording({ name: 'A.mp4' })).rejects.toThrow('still being written');
  await expect(handlers.mendRecording({ name: 'A.mp4', keepBytes: 1, index: piece('') })).rejects.toThrow(
    'still being written',
  );
  expect(recordings.snapshot().open).toEqual(['A.mp4']);
  await handlers.closeRecording({ file });
  await expect(handlers.writeRecording({ file, position: 12, bytes: piece('late') })).rejects.toThrow(
    'not there',
  );

  await handlers.writeRecordingNote({ name: 'A.markers.json', text: '{}' });
  await handlers.writeRecordingNote({ name: 'A.markers.json', text: '{"markers":[]}' });
  const { files } = await handlers.listRecordings({});
  expect(Object.fromEntries(files.map(({ name, bytes }) => [name, bytes]))).toEqual({
    'A.markers.json': 14,
    'A.mp4': 12,
  });
  const { bytes } = await handlers.readRecording({ name: 'A.mp4', from: 6, to: 99 });
  expect(Buffer.from(bytes).toString()).toBe('second');
  await handlers.mendRecording({ name: 'A.mp4', keepBytes: 6, index: piece('index') });
  expect(await readFile(join(folder, 'A.mp4'), 'utf8')).toBe('first index');
  await handlers.showRecording({ name: 'A.mp4' });
  expect(shown).toEqual([join(folder, 'A.mp4')]);
  await handlers.removeRecording({ name: 'A.mp4' });
  expect(await readdir(folder)).toEqual(['A.markers.json']);
});

test('what a page that is gone left open is closed, and can then be mended', async () => {
  const recordings = open();
  const { handlers } = recordings;
  const { file } = await handlers.createRecording({ name: 'B.mp4' });
  await handlers.writeRecording({ file, position: 0, bytes: piece('half') });
  await recordings.closeFiles();
  expect(recordings.snapshot().open).toEqual([]);
  await handlers.mendRecording({ name: 'B.mp4', keepBytes: 2, index: piece('!') });
  const { bytes } = await handlers.readRecording({ name: 'B.mp4', from: 0, to: 9 });
  expect(Buffer.from(bytes).toString()).toBe('ha!');
});

test('no link leads out of the folder, other files are not seen, and open files have a limit', async () => {
  const recordings = open();
  const { handlers } = recordings;
  const { folder } = await handlers.recordingFolder({});
  const secret = join(home, 'secret.mp4');
  await writeFile(secret, 'secret');
  await symlink(secret, join(folder, 'link.mp4'));
  await mkdir(join(folder, 'folder.mp4'));
  await writeFile(join(folder, 'letter.txt'), 'private');
  expect((await handlers.listRecordings({})).files).toEqual([]);
  for (const name of ['link.mp4', 'folder.mp4', 'absent.mp4']) {
    await expect(handlers.readRecording({ name, from: 0, to: 9 })).rejects.toThrow('not there');
    await expect(handlers.removeRecording({ name })).rejects.toThrow('not there');
  }
  await expect(handlers.createRecording({ name: 'link.mp4' })).rejects.toThrow('already');
  expect(await readFile(secret, 'utf8')).toBe('secret');
  for (let n = 0; n < 64; n += 1) await handlers.createRecording({ name: `${n}.mp4` });
  await expect(handlers.createRecording({ name: 'more.mp4' })).rejects.toMatchObject({ code: 'limit' });
  // Node ends a process that leaves files to the garbage collector.
  await recordings.closeFiles();
  expect(recordings.snapshot().open).toEqual([]);
});

test('the folder is the one the director chose last, also next time; a damaged note means the usual one', async () => {
  const elsewhere = join(home, 'Disk 2');
  chosen = elsewhere;
  expect((await open().handlers.chooseRecordingFolder({})).folder).toBe(elsewhere);
  chosen = undefined;
  expect((await open().handlers.chooseRecordingFolder({})).folder).toBe(elsewhere);
  await writeFile(join(home, 'recording-folder.json'), '{"folder":');
  expect((await open().handlers.recordingFolder({})).folder).toContain('Videos');
});

test('a folder that cannot be written to is said in words, not as a bug', async () => {
  await writeFile(join(home, 'Videos'), 'a file where the folder should be');
  await expect(open().handlers.createRecording({ name: 'A.mp4' })).rejects.toMatchObject({
    code: 'storeFailed',
    message: 'The recording folder cannot be written to.',
  });
});
