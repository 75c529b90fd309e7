// The director's recording: starts and stops takes, with the show or by hand, of the program and, if chosen, of its second
// shape and of every source; watches the disk and the program's punctuality; sets markers. One store for the panel.
// It only borrows tracks: nothing here can hold up the program. Not its job: encoding (recorder.ts), the list of what was
// recorded (library.ts), drawing (recording-panel.tsx).
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { RecordingReport } from '../preflight.ts';
import { noProgress, type FileProgress, type RecordingFiles } from './files.ts';
import { createLoadGuard, createRate, judgeDisk, type DiskVerdict } from './guard.ts';
import { toWebVtt, withMarker, withMarkerName, type Marker, type TakeNotes } from './markers.ts';
import { markerNames, programSource, readRecordingName, recordingName, takeName } from './names.ts';
import { createRecorder, type RecordedFile } from './recorder.ts';

/** Something that can have a file of its own. */
export type RecordingSource = {
  readonly id: string;
  /** As the director knows it, "Cam A". */
  readonly name: string;
  /** `output`: a picture of the compositor's, recorded with the program's sound. */
  readonly kind: 'output' | 'picture' | 'sound';
  /** What it is taken from: when that is another, a new file is begun. */
  readonly input: unknown;
  /** How much later than its track gives it the program shows a picture: it stands there in its file, in step with the sounds. */
  readonly heldBackMs: number;
  /** The track stays its owner's. */
  open(): MediaStreamTrack;
  /** Nobody records it any more. */
  close(): void;
};

/** As much of the show as a recording goes by. */
export type RecordedShow = {
  readonly id: string;
  readonly title: string;
  readonly phase: 'setup' | 'live' | 'ended';
};

export type TakeFile = {
  readonly name: string;
  readonly source: string;
  readonly bytes: number;
  readonly lengthMs: number;
  /** `gaveWay`: closed before its take, whole, so that the program goes on. */
  readonly state: 'recording' | 'done' | 'gaveWay' | 'failed';
};

export type RecordingPhase =
  | { readonly kind: 'off' }
  | { readonly kind: 'recording'; readonly take: string; readonly startMs: number }
  | { readonly kind: 'stopping' };

export type RecordingState = {
  phase: RecordingPhase;
  /** Of the take that runs, or of the last one. The program comes first. */
  files: readonly TakeFile[];
  disk: DiskVerdict;
  markers: readonly Marker[];
  /** What the director should know, in one sentence. */
  note: { tone: 'done' | 'look' | 'wrong'; text: string } | null;
  settings: RecordingSettings;
};

const recordingSettings = z.object({
  /** Records by itself as long as the show is live. */
  withShow: z.boolean(),
  /** Every source and every sound in a file of its own, beside the program. */
  sources: z.boolean(),
  /** The program in its other shape, laid out anew, for clips and social. */
  secondOutput: z.prefault(z.boolean(), false),
});
export type RecordingSettings = z.output<typeof recordingSettings>;

const defaultSettings: RecordingSettings = { withShow: true, sources: false, secondOutput: false };
const settingsKey = 'studio.recording';
/** Which show this window no longer records by itself, held over a reload. */
const declinedKey = 'studio.recording.declined';

export interface RecordingDesk {
  readonly store: StoreApi<RecordingState>;
  /** Where recordings lie. */
  readonly files: RecordingFiles;
  /** As its files are called. */
  readonly secondOutputName: string;
  start(): Promise<void>;
  /** Resolves when every file is closed. Until the next show it does not start by itself again. */
  stop(): Promise<void>;
  /** Marks this moment; nothing happens while nothing is recorded. */
  mark(): void;
  /** Gives a marker of the running take a name; an empty one takes it away. */
  nameMarker(index: number, name: string): void;
  /** Whether and where, for the list before a show. */
  report(): RecordingReport;
  setSettings(change: Partial<RecordingSettings>): void;
  dismissNote(): void;
  /** Tells what the compositor did in the last second, so that all else gives way to a program that comes late. */
  programSecond(stats: { late: number; framesOut: number }): void;
  /** Tells that the compositor has given up its second output. */
  secondOutputGone(): void;
  close(): void;
  snapshot(): object;
}

const diskCheckMs = 2_000;
const programBitsPerPixel = 0.2;
const sourceBitsPerPixel = 0.12;
/** What a track without a size yet is taken for, and what sound takes, in the forecast before anything is written. */
const expectedSize = { width: 1280, height: 720 };
const expectedFps = 30;
const soundBytesPerSecond = 20_000;
/** A take that ends by itself, as when an encoder is taken away, is followed by the next, this often in this time. */
const restarts = { most: 3, withinMs: 60_000 };

const readSettings = (): RecordingSettings => {
  try {
    const stored = recordingSettings.safeParse(JSON.parse(localStorage.getItem(settingsKey) ?? 'null'));
    return stored.success ? stored.data : defaultSettings;
  } catch (error) {
    if (error instanceof SyntaxError) return defaultSettings;
    throw error;
  }
};

type Take = {
  readonly name: string;
  readonly show: string;
  /** By this machine's clock, and by the one that never jumps. */
  readonly startMs: number;
  readonly zeroMs: number;
  /** What is being written, by source. */
  readonly running: Map<string, RunningFile>;
  /** All that was begun. */
  readonly written: TakeNotes['files'];
  markers: readonly Marker[];
};
type RunningFile = {
  readonly source: RecordingSource;
  readonly file: RecordedFile;
};
/** What can be given up beside the program. */
type Extra = 'sources' | 'secondOutput';
const extraOf = ({ kind }: RecordingSource): Extra => (kind === 'output' ? 'secondOutput' : 'sources');
const isProgram = ({ id }: RecordingSource): boolean => id === programSource;

const expectedBytesPerSecond = (picture: unknown, bitsPerPixel: number): number => {
  // A track of the compositor's own may not know its size, nor its rate.
  const { width, height } = {
    ...expectedSize,
    ...(picture instanceof MediaStreamTrack && picture.getSettings()),
  };
  return (width * height * expectedFps * bitsPerPixel) / 8;
};

const epochMs = (): number => performance.timeOrigin + performance.now();

export const createRecordingDesk = (options: {
  /** Null while the server has not said, or cannot be reached. */
  show: () => RecordedShow | null;
  onShow: (changed: () => void) => () => void;
  files: RecordingFiles;
  program: { readonly picture: MediaStreamTrack; readonly sound: MediaStreamTrack };
  secondOutput: RecordingSource;
  /** What there is beside the program; asked when a take starts and whenever `onSources` calls. */
  sources: () => readonly RecordingSource[];
  onSources: (changed: () => void) => () => void;
}): RecordingDesk => {
  const { show, files } = options;
  const recorder = createRecorder(files);
  const store = createStore<RecordingState>(() => ({
    phase: { kind: 'off' },
    files: [],
    disk: { kind: 'unknown' },
    markers: [],
    note: null,
    settings: readSettings(),
  }));
  const rate = createRate();
  const load = createLoadGuard();
  let take: Take | undefined;
  let lastStartMs = 0;
  let restartedMs: number[] = [];
  /** The show that is no longer recorded by itself: the director ended it by hand, or it could not go on. */
  let declined = sessionStorage.getItem(declinedKey);
  const decline = (showId: string | null) => {
    declined = showId;
    if (showId === null) sessionStorage.removeItem(declinedKey);
    else sessionStorage.setItem(declinedKey, showId);
  };
  /** Until this take is over, or the director asks for it again. */
  const gaveWay = new Set<Extra>();
  /** Could not be recorded by itself once: from the same input it would fail again. */
  const unfit = new Map<string, RecordingSource['input']>();
  let closed = false;

  const tell = (tone: 'done' | 'look' | 'wrong', text: string) => store.setState({ note: { tone, text } });

  // --- Files of a take -----------------------------------------------------------------------------------------------

  const setFile = (name: string, change: Partial<TakeFile>) =>
    store.setState((state) => ({
      files: state.files.map((file) => (file.name === name ? { ...file, ...change } : file)),
    }));
  const figures = ({ bytes, pictureMs, soundMs }: FileProgress) => ({
    bytes,
    lengthMs: Math.max(pictureMs, soundMs),
  });

  const notesOf = ({ show, startMs, written, markers }: Take): TakeNotes => ({
    version: 1,
    show,
    startMs,
    files: written,
    markers: [...markers],
  });
  /** One after the other: the last word is the one that stays. */
  let noting = Promise.resolve();
  const writeNotes = (of: Take) => {
    const names = markerNames(of.name);
    const write = async (earlier: Promise<void>) => {
      await earlier;
      try {
        await files.writeText(names.json, `${JSON.stringify(notesOf(of), null, 2)}\n`);
        await files.writeText(names.vtt, toWebVtt(of.markers));
      } catch {
        tell('wrong', 'The markers could not be saved. The recording itself goes on.');
      }
    };
    noting = write(noting);
  };

  const setMarkers = (of: Take, markers: readonly Marker[]) => {
    of.markers = markers;
    store.setState({ markers });
    writeNotes(of);
  };

  /** Two sources may have one name. */
  const freeName = (make: (suffix: string) => string): string => {
    const taken = new Set(store.getState().files.map(({ name }) => name));
    let name = make('');
    for (let turn = 2; taken.has(name); turn += 1) name = make(` ${turn}`);
    return name;
  };

  const addFile = (to: Take, source: RecordingSource) => {
    // One that joins later has a start of its own, in its name and in its times.
    const isLate = epochMs() - to.zeroMs > 1_000;
    const startMs = isLate ? Date.now() : to.startMs;
    const name = freeName((suffix) => recordingName(to.show, startMs, source.name + suffix));
    to.written.push({ name, source: source.name, startMs });
    // Only there does it say where a file with a later start belongs.
    if (isLate) writeNotes(to);
    const track = source.open();
    const isOutput = source.kind === 'output';
    const file = recorder.record({
      name,
      title: `${to.show}: ${source.name}`,
      zeroMs: isLate ? epochMs() : to.zeroMs,
      picture: source.kind === 'sound' ? null : track,
      sound: isOutput ? options.program.sound : source.kind === 'sound' ? track : null,
      heldBackMs: source.heldBackMs,
      bitsPerPixel: isOutput ? programBitsPerPixel : sourceBitsPerPixel,
      onProgress: (progress) => setFile(name, figures(progress)),
    });
    to.running.set(source.id, { source, file });
    store.setState((state) => ({
      files: [...state.files, { name, source: source.name, ...figures(noProgress), state: 'recording' }],
    }));
    const ended = async () => {
      const { progress, problem } = await file.ended;
      const isTakenOver = [...(take?.running.values() ?? [])].some(
        (other) => other.file !== file && other.source.id === source.id,
      );
      if (!isTakenOver) source.close();
      const was = store.getState().files.find((each) => each.name === name)?.state;
      const whole = was === 'gaveWay' ? was : 'done';
      setFile(name, { ...figures(progress), state: problem === null ? whole : 'failed' });
      // Without a single picture or sound there is nothing to keep.
      if (progress.bytes === 0) await files.remove(name).catch(() => undefined);
      else if (problem !== null) await recorder.mend(name);
      if (to.running.get(source.id)?.file !== file) return;
      to.running.delete(source.id);
      if (problem === null) return;
      if (isProgram(source)) return programEnded(to, problem);
      unfit.set(source.id, source.input);
      tell('look', `${source.name} is no longer recorded by itself (${problem}). The program still is.`);
    };
    ended().catch((error: unknown) => tell('wrong', `A recording did not end well (${String(error)}).`));
  };

  const programEnded = (of: Take, problem: string) => {
    if (take !== of) return;
    void stopTake();
    const nowMs = Date.now();
    restartedMs = [...restartedMs.filter((atMs) => nowMs - atMs < restarts.withinMs), nowMs];
    const isHopeless = recorder.snapshot().failed !== null || restartedMs.length > restarts.most;
    if (store.getState().disk.kind === 'full' || isHopeless) {
      decline(show()?.id ?? null);
      tell('wrong', `The recording stopped (${problem}). What there is so far can be played.`);
      return;
    }
    tell('look', `The recording was interrupted (${problem}) and goes on in a new file.`);
    startTake();
  };

  // --- Takes ---------------------------------------------------------------------------------------------------------

  const isFit = ({ id, input }: RecordingSource) => !unfit.has(id) || unfit.get(id) !== input;

  /** What there is to record beside the program. */
  const wantedExtras = (): RecordingSource[] => {
    const { settings } = store.getState();
    return [
      ...(settings.secondOutput && !gaveWay.has('secondOutput') ? [options.secondOutput] : []),
      ...(settings.sources && !gaveWay.has('sources') ? options.sources() : []),
    ].filter(isFit);
  };

  const followSources = () => {
    if (!take) return;
    const wanted = wantedExtras();
    for (const [id, { source, file }] of take.running) {
      const still = wanted.find((each) => each.id === id && each.input === source.input);
      if (still) file.holdBack(still.heldBackMs);
      if (isProgram(source) || still) continue;
      take.running.delete(id);
      void file.finish();
    }
    for (const source of wanted) {
      if (!take.running.has(source.id)) addFile(take, source);
    }
  };

  const startTake = () => {
    if (take || closed) return;
    // Two takes in a second would have one name.
    const startMs = Math.max(Date.now(), lastStartMs + 1_000);
    lastStartMs = startMs;
    const title = show()?.title ?? '';
    const next: Take = {
      name: takeName(title, startMs),
      show: title,
      startMs,
      zeroMs: epochMs(),
      running: new Map(),
      written: [],
      markers: [],
    };
    take = next;
    gaveWay.clear();
    load.restart();
    unfit.clear();
    store.setState({ phase: { kind: 'recording', take: next.name, startMs }, files: [], markers: [] });
    const { picture } = options.program;
    addFile(next, {
      id: programSource,
      name: programSource,
      kind: 'output',
      input: picture,
      heldBackMs: 0,
      open: () => picture,
      close: () => {},
    });
    followSources();
    writeNotes(next);
    // Asks that the browser never throws recordings away to make room; it may say no.
    if (files.kind === 'browser') navigator.storage.persist().catch(() => false);
    void checkDisk();
  };

  const stopTake = async () => {
    const ending = take;
    if (!ending) return;
    take = undefined;
    const running = [...ending.running.values()];
    store.setState({ phase: { kind: 'stopping' } });
    await Promise.all(running.map(({ file }) => file.finish()));
    writeNotes(ending);
    if (!take) store.setState({ phase: { kind: 'off' } });
  };

  const runningExtras = (): RunningFile[] =>
    [...(take?.running.values() ?? [])].filter(({ source }) => !isProgram(source));

  /** Closes these files properly and says so; nothing happens where there are none. */
  const giveWay = (why: string, extras: readonly Extra[]) => {
    const ending = runningExtras().filter(({ source }) => extras.includes(extraOf(source)));
    if (ending.length === 0) return;
    for (const extra of extras) gaveWay.add(extra);
    for (const { file } of ending) setFile(file.name, { state: 'gaveWay' });
    followSources();
    const gone = new Set(ending.map(({ source }) => extraOf(source)));
    const words = {
      sources: 'The sources are no longer recorded one by one',
      secondOutput: `“${options.secondOutput.name}” is no longer recorded, its file is closed`,
    };
    tell('look', `${why} ${[...gone].map((extra) => words[extra]).join('. ')}; the program still is.`);
  };

  const checkDisk = async () => {
    const freeBytes = await files.freeBytes().catch(() => null);
    if (closed) return;
    const { files: known, disk: before } = store.getState();
    const written = known.reduce((sum, { bytes }) => sum + bytes, 0);
    rate.add(written, performance.now());
    const programBytes = expectedBytesPerSecond(options.program.picture, programBitsPerPixel);
    const expectedOf = ({ kind, input }: RecordingSource): number =>
      kind === 'output'
        ? programBytes + soundBytesPerSecond
        : kind === 'picture'
          ? expectedBytesPerSecond(input, sourceBitsPerPixel)
          : soundBytesPerSecond;
    const expected = wantedExtras().reduce(
      (sum, source) => sum + expectedOf(source),
      programBytes + soundBytesPerSecond,
    );
    const disk = judgeDisk({
      freeBytes,
      bytesPerSecond: take ? rate.bytesPerSecond(expected) : expected,
      sources: runningExtras().length > 0,
    });
    store.setState({ disk });
    if (!take) return;
    // Sounds come and go without a word.
    followSources();
    if (disk.kind === 'stopSources')
      giveWay('The disk has room for less than five minutes.', ['sources', 'secondOutput']);
    if (disk.kind === 'low' && before.kind !== 'low') {
      tell(
        'look',
        'The disk has room for less than ten minutes of recording. Delete old ones, or make room.',
      );
    }
    if (disk.kind === 'full') {
      decline(show()?.id ?? null);
      void stopTake();
      tell('wrong', 'The disk is full: the recording has ended properly. The show goes on.');
    }
  };
  /** In words, for the list before a show. */
  let place = 'this browser';
  const findPlace = async () => {
    if (files.kind === 'desktop') place = await files.folder();
  };
  findPlace().catch(() =>
    tell('wrong', 'The recording folder cannot be reached. Choose another one under Recordings.'),
  );
  const diskTimer = setInterval(() => void checkDisk(), diskCheckMs);
  void checkDisk();

  // --- The show ------------------------------------------------------------------------------------------------------

  const follow = () => {
    const state = show();
    // An outage says nothing about the show: what runs goes on.
    if (!state || closed) return;
    if (state.phase === 'live') {
      if (store.getState().settings.withShow && declined !== state.id && !take) startTake();
    } else if (state.phase === 'ended' && followed === 'live') void stopTake();
    followed = state.phase;
  };
  let followed: RecordedShow['phase'] = 'setup';

  /** What an earlier page of this studio could not finish. */
  const mendEarlier = async () => {
    const found = (await files.list()).filter(({ name }) => readRecordingName(name) !== null);
    for (const { name } of found) {
      const isOurs = recorder.snapshot().open.includes(name);
      if (!isOurs && (await recorder.mend(name)) === 'empty') await files.remove(name);
    }
  };
  mendEarlier().catch((error: unknown) =>
    tell('look', `Earlier recordings cannot be read (${String(error)}).`),
  );

  const unsubscribe = [options.onShow(follow), options.onSources(followSources)];
  follow();

  return {
    store,
    files,
    secondOutputName: options.secondOutput.name,
    start: async () => {
      decline(null);
      restartedMs = [];
      store.setState({ note: null });
      await checkDisk();
      if (store.getState().disk.kind === 'full') tell('wrong', 'The disk is full. Make room, then record.');
      else startTake();
    },
    stop: async () => {
      // In a rehearsal it says nothing about the show.
      const state = show();
      if (state?.phase === 'live') decline(state.id);
      await stopTake();
    },
    report: () => {
      const { phase, disk, settings, note } = store.getState();
      if (recorder.snapshot().failed !== null)
        return { kind: 'failed', text: 'The recorder could not be loaded. Load this page again.' };
      if (phase.kind !== 'recording' && disk.kind === 'full')
        return { kind: 'failed', text: 'There is no room left for a recording.' };
      if (phase.kind !== 'recording' && note?.tone === 'wrong') return { kind: 'failed', text: note.text };
      if (phase.kind !== 'recording' && !settings.withShow) return { kind: 'off' };
      return {
        kind: phase.kind === 'recording' ? 'recording' : 'ready',
        place,
        roomMs: disk.kind === 'unknown' ? null : disk.leftMs,
      };
    },
    mark: () => {
      if (take) setMarkers(take, withMarker(take.markers, Math.round(epochMs() - take.zeroMs)));
    },
    nameMarker: (index, name) => {
      if (take) setMarkers(take, withMarkerName(take.markers, index, name));
    },
    setSettings: (change) => {
      const settings = { ...store.getState().settings, ...change };
      store.setState({ settings });
      localStorage.setItem(settingsKey, JSON.stringify(settings));
      if (change.sources === true) gaveWay.delete('sources');
      if (change.secondOutput === true) gaveWay.delete('secondOutput');
      if (change.sources !== undefined || change.secondOutput !== undefined) followSources();
      if (change.withShow === true) follow();
    },
    dismissNote: () => store.setState({ note: null }),
    programSecond: (stats) => {
      const extras = runningExtras();
      if (extras.length === 0 || !load.second(stats)) return;
      const hasSources = extras.some(({ source }) => extraOf(source) === 'sources');
      giveWay('The program came late.', [hasSources ? 'sources' : 'secondOutput']);
    },
    secondOutputGone: () => giveWay('This computer was too slow.', ['secondOutput']),
    close: () => {
      if (closed) return;
      closed = true;
      clearInterval(diskTimer);
      for (const stop of unsubscribe) stop();
      recorder.close();
    },
    snapshot: () => {
      const { phase, files: taken, disk, markers } = store.getState();
      return { phase, files: taken, disk, markers: markers.length, ...recorder.snapshot() };
    },
  };
};
