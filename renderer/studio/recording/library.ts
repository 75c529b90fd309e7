// What was recorded, to look at: takes with their files, lengths, stills and markers, and beside them the server's own
// copies. Looks, hands out and removes; never writes a recording. One store for the panel's list.
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { CanvasSink, Input, InputVideoTrack } from 'mediabunny';
import type { RecordingFiles, StoredFile } from './files.ts';
import { takeNotes, toWebVtt, withMarkerName, type Marker, type TakeNotes } from './markers.ts';
import { markerNames, programSource, readRecordingName, readTakeName, takeOf, takeOfNotes } from './names.ts';
import { saveAddress, saveFile } from '../../ui/save-file.ts';

export type ListedFile = StoredFile & {
  readonly source: string;
  /** Null until it was looked into, or when it cannot be read. */
  readonly lengthMs: number | null;
  /** Of the first picture; null without one. */
  readonly stillUrl: string | null;
};

export type ListedTake = {
  readonly take: string;
  readonly show: string;
  /** `2026-11-22 21-04-09`. */
  readonly stamp: string;
  /** The program first. */
  readonly files: readonly ListedFile[];
  readonly markers: readonly Marker[];
};

const serverRecording = z.object({ name: z.string(), bytes: z.number(), changedMs: z.number() });
export type ServerRecording = z.output<typeof serverRecording>;
const serverTicket = z.object({ ticket: z.string() });
const serverList = z.object({ recordings: z.array(serverRecording) });

export type LibraryState = {
  /** Newest first; null until it was asked for. */
  takes: readonly ListedTake[] | null;
  /** The copies of the server; null where it gives none. */
  server: readonly ServerRecording[] | null;
  problem: string | null;
};

export interface RecordingLibrary {
  readonly store: StoreApi<LibraryState>;
  /** `recording`: names of files that are being written, which are left alone. */
  refresh(recording: readonly string[]): Promise<void>;
  /** The whole take with all its files; gone for good. */
  remove(take: string): Promise<void>;
  /** Gives a marker a name, in the take's list and its chapters; an empty one takes it away. */
  nameMarker(take: string, index: number, name: string): Promise<void>;
  /** In a plain browser tab a download; in the desktop app the folder opens with the file chosen. */
  handOut(name: string): Promise<void>;
  handOutServer(name: string): Promise<void>;
  close(): void;
}

const mostTakes = 50;
const stillWidth = 192;
/** Notes are small; anything else is not ours. */
const mostNotesBytes = 1024 * 1024;

export const createRecordingLibrary = (options: { files: RecordingFiles; key: string }): RecordingLibrary => {
  const { files, key } = options;
  const store = createStore<LibraryState>(() => ({ takes: null, server: null, problem: null }));
  const looked = new Map<string, { bytes: number; lengthMs: number | null; stillUrl: string | null }>();
  let closed = false;

  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
      store.setState({ problem: null });
    } catch (error) {
      store.setState({ problem: `${what} (${error instanceof Error ? error.message : String(error)}).` });
    }
  };
  const server = async (path: string, method = 'GET'): Promise<Response | null> => {
    const headers = { authorization: `Bearer ${key}` };
    const answer = await fetch(path, { method, headers }).catch(() => null);
    return answer?.ok ? answer : null;
  };

  const open = async (
    file: StoredFile,
  ): Promise<{ input: Input; sink: (track: InputVideoTrack) => CanvasSink }> => {
    // Loaded with the first look: the page does without it until then.
    const { BlobSource, CanvasSink, CustomSource, Input, MP4 } = await import('mediabunny');
    const source =
      files.kind === 'browser'
        ? new BlobSource(await files.blob(file.name))
        : new CustomSource({
            getSize: () => file.bytes,
            read: (from, to) => files.read(file.name, from, to),
          });
    return {
      input: new Input({ source, formats: [MP4] }),
      sink: (track) => new CanvasSink(track, { width: stillWidth }),
    };
  };

  /** Reads a file's length and first picture. One at a time, so that a long list costs a live show little. */
  const look = async (file: StoredFile) => {
    const known = looked.get(file.name);
    if (known?.bytes === file.bytes) return known;
    const { input, sink } = await open(file);
    try {
      const lengthMs = Math.round((await input.computeDuration()) * 1000);
      const video = await input.getPrimaryVideoTrack();
      let stillUrl: string | null = null;
      if (video && (await video.canDecode())) {
        const still = await sink(video).getCanvas(0);
        const canvas = still?.canvas;
        if (canvas instanceof OffscreenCanvas) {
          stillUrl = URL.createObjectURL(await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.8 }));
        } else if (canvas) {
          stillUrl = canvas.toDataURL('image/jpeg', 0.8);
        }
      }
      const seen = { bytes: file.bytes, lengthMs, stillUrl };
      looked.set(file.name, seen);
      return seen;
    } finally {
      input.dispose();
    }
  };

  /** Null when there are none, or they are damaged: the recording itself does not need them. */
  const readNotes = async (
    take: string,
    stored: ReadonlyMap<string, StoredFile>,
  ): Promise<TakeNotes | null> => {
    const { json } = markerNames(take);
    const bytes = stored.get(json)?.bytes ?? 0;
    if (bytes === 0 || bytes > mostNotesBytes) return null;
    try {
      const text = new TextDecoder().decode(await files.read(json, 0, bytes));
      const notes = takeNotes.safeParse(JSON.parse(text));
      return notes.success ? notes.data : null;
    } catch {
      return null;
    }
  };
  const allNotes = async (stored: ReadonlyMap<string, StoredFile>): Promise<Map<string, TakeNotes>> => {
    const found = new Map<string, TakeNotes>();
    for (const name of stored.keys()) {
      const take = takeOfNotes(name);
      const notes = take === null ? null : await readNotes(take, stored);
      if (take !== null && notes !== null) found.set(take, notes);
    }
    return found;
  };
  const filesByName = async (): Promise<ReadonlyMap<string, StoredFile>> =>
    new Map((await files.list()).map((file) => [file.name, file]));

  const setLooks = (name: string, seen: { lengthMs: number | null; stillUrl: string | null }) =>
    store.setState(({ takes }) => ({
      takes:
        takes?.map((take) => ({
          ...take,
          files: take.files.map((file) => (file.name === name ? { ...file, ...seen } : file)),
        })) ?? null,
    }));

  const refresh = (recording: readonly string[]) =>
    attempt('The recordings cannot be listed', async () => {
      const [stored, answer] = await Promise.all([files.list(), server('/api/recordings')]);
      const byName = new Map(stored.map((file) => [file.name, file]));
      const notes = await allNotes(byName);
      // By the notes first: a source that joined later has the take's name no longer in its own.
      const noted = new Map(
        [...notes].flatMap(([take, { files: named }]) => named.map(({ name }) => [name, take] as const)),
      );
      const takes = new Map<string, ListedFile[]>();
      for (const file of stored) {
        const parts = readRecordingName(file.name);
        const take = noted.get(file.name) ?? takeOf(file.name);
        if (parts === null || take === null || file.bytes === 0 || recording.includes(file.name)) continue;
        const listed = {
          ...file,
          source: parts.source,
          lengthMs: null,
          stillUrl: null,
          ...looked.get(file.name),
        };
        takes.set(take, [...(takes.get(take) ?? []), listed]);
      }
      const listed: ListedTake[] = [];
      for (const [take, inTake] of takes) {
        const parts = readTakeName(take);
        if (parts === null) continue;
        const order = (file: ListedFile) => (file.source === programSource ? '' : file.source);
        listed.push({
          take,
          show: parts.show,
          stamp: parts.stamp,
          files: inTake.toSorted((a, b) => order(a).localeCompare(order(b))),
          markers: notes.get(take)?.markers ?? [],
        });
      }
      const newest = listed.toSorted((a, b) => b.stamp.localeCompare(a.stamp)).slice(0, mostTakes);
      const said = serverList.safeParse(await answer?.json().catch(() => null));
      store.setState({ takes: newest, server: said.success ? said.data.recordings : null });
      for (const file of newest.flatMap((take) => take.files)) {
        if (closed) return;
        // One that cannot be read is listed all the same: it may be what the director looks for.
        setLooks(file.name, await look(file).catch(() => ({ lengthMs: null, stillUrl: null })));
      }
    });

  return {
    store,
    refresh,
    remove: (take) =>
      attempt('The recording cannot be deleted', async () => {
        const found = store.getState().takes?.find((each) => each.take === take);
        const { json, vtt } = markerNames(take);
        const stored = new Set((await files.list()).map(({ name }) => name));
        const names = [...(found?.files ?? []).map(({ name }) => name), json, vtt];
        for (const name of names.filter((each) => stored.has(each))) await files.remove(name);
        store.setState(({ takes }) => ({ takes: takes?.filter((each) => each.take !== take) ?? null }));
      }),
    nameMarker: (take, index, name) =>
      attempt('The marker cannot be named', async () => {
        const notes = await readNotes(take, await filesByName());
        if (!notes) throw new Error('its list is gone or damaged');
        const markers = [...withMarkerName(notes.markers, index, name)];
        const { json, vtt } = markerNames(take);
        await files.writeText(json, `${JSON.stringify({ ...notes, markers }, null, 2)}\n`);
        await files.writeText(vtt, toWebVtt(markers));
        store.setState(({ takes }) => ({
          takes: takes?.map((each) => (each.take === take ? { ...each, markers } : each)) ?? null,
        }));
      }),
    handOut: (name) =>
      attempt('The recording cannot be opened', async () => {
        if (files.kind === 'desktop') await files.show(name);
        else saveFile(await files.blob(name), name);
      }),
    handOutServer: (name) =>
      attempt('The server does not give the recording', async () => {
        const path = `/api/recordings/${encodeURIComponent(name)}`;
        const answer = await server(`${path}/ticket`, 'POST');
        if (!answer) throw new Error('it cannot be reached');
        // Hours of recording are no matter for this page's memory: the browser downloads them by itself.
        const { ticket } = serverTicket.parse(await answer.json());
        saveAddress(`${path}?ticket=${ticket}`, name);
      }),
    close: () => {
      closed = true;
      for (const { stillUrl } of looked.values()) if (stillUrl !== null) URL.revokeObjectURL(stillUrl);
      looked.clear();
    },
  };
};
