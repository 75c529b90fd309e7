// The studio without its page: wires devices, compositor, mixer and session into a program, and does what the director
// asks. One store for what the page shows besides the session's own.
// Not its job: drawing (the panels), sources (picture-sources.ts, sound.ts, guests.ts), scenes and their edits
// (production-desk.ts), who stands in for whom (picture.ts), words (health.ts).
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { SceneId } from '../../sfu-server/protocol/production.ts';
import {
  emptyScene,
  featuredProduct,
  guestId,
  type GuestId,
  type Scene,
  type ShowState,
} from '../../sfu-server/protocol/state.ts';
import { createSession, type Session, type SessionState } from '../session/session.ts';
import { keepAwake } from './desktop.ts';
import { createChatDesk, type ChatDesk } from './chat-desk.ts';
import { createConnectionDesk, type ConnectionDesk } from './connection.ts';
import { createStandbyDesk, type StandbyDesk } from './standby.ts';
import { createGuestDesk, type GuestDesk } from './guests.ts';
import { createSettings, outputFor, programSend, type Settings } from './settings.ts';
import { guestSourceId } from './picture.ts';
import type { SourcePicture } from './picture-report.ts';
import { createOverlayDesk, type OverlayDesk } from './overlay-desk.ts';
import { createOverlayFiles, type OverlayFiles } from './overlay-files.ts';
import { createPictureSources, type PictureSources } from './picture-sources.ts';
import { createProductionDesk, type ProductionDesk } from './production-desk.ts';
import { createProgramSending, type ProgramSending, type Sending } from './program-sending.ts';
import { createProgramDesk, type Cover, type ProgramDesk, type View } from './program-desk.ts';
import { createSourceFiles } from './source-files.ts';
import { createHotkeys, type Hotkeys } from './hotkeys.ts';
import { createLog, type Log } from './log.ts';
import { createUplinkJudge, factsForLog } from './log-facts.ts';
import { createPreflight, type Preflight } from './preflight-desk.ts';
import { createDesktopFiles } from './recording/desktop-files.ts';
import { createRecordingDesk, type RecordingDesk } from './recording/desk.ts';
import { createBrowserFiles } from './recording/files.ts';
import { createRecordingLibrary, type RecordingLibrary } from './recording/library.ts';
import { listRecordingSources, secondOutputSource } from './recording/sources.ts';
import { createScreenDesk, type ScreenDesk } from './screen-desk.ts';
import { createShopDesk, type ShopDesk } from './shop-desk.ts';
import { createLateShare, reportSources, type Pipeline, type SourceReport } from './source-report.ts';
import { createSoundDesk, type SoundDesk } from './sound.ts';
import { createCompositor, type Compositor } from './media/compositor.ts';
import {
  createMixer,
  silentLevels,
  type ChannelLevels,
  type MeterReading,
  type Mixer,
} from './media/mixer.ts';

export type DeskState = {
  sending: Sending;
  /** What is on program; ahead of the server's copy by one round trip. */
  scene: Scene;
  /** What this page does by itself because sources on program have no picture. */
  cover: Cover;
  /** The last thing that did not work, in one sentence. */
  trouble: string | null;
  /** What is wrong with composing, in one sentence; it goes when the page is reloaded. */
  fault: string | null;
  /** The browser plays nothing to the director before a click. Fans hear the show all the same. */
  soundWaits: boolean;
  /**
   * On the way to being live. A second press while the connection is tested skips the test; while `asking`, because the field
   * card is not green, it goes live all the same.
   */
  going: 'no' | 'testingConnection' | 'asking' | 'starting';
  /** End was pressed once. */
  endArmed: boolean;
  /** Links made since the page opened; a token is shown only once. */
  guestLinks: Readonly<Record<GuestId, string>>;
};

/** Done, or a sentence that says what to do. */
export type Outcome = { ok: true } | { ok: false; text: string };

export interface Studio {
  readonly session: Session;
  readonly settings: Settings;
  readonly sound: SoundDesk;
  readonly guests: GuestDesk;
  readonly connection: ConnectionDesk;
  readonly shop: ShopDesk;
  readonly standby: StandbyDesk;
  readonly production: ProductionDesk;
  readonly pictures: PictureSources;
  readonly screens: ScreenDesk;
  readonly overlays: OverlayDesk;
  readonly chat: ChatDesk;
  readonly overlayFiles: OverlayFiles;
  /** What happened so far, in words. */
  readonly log: Log;
  readonly hotkeys: Hotkeys;
  readonly preflight: Preflight;
  readonly recording: RecordingDesk;
  /** What was recorded. */
  readonly recordings: RecordingLibrary;
  readonly store: StoreApi<DeskState>;
  /** The composed picture as it is sent. */
  readonly programTrack: MediaStreamTrack;
  /** The scene that is next; smaller and slower than the program. */
  readonly previewTrack: MediaStreamTrack;
  /** Levels of one input by id, or of the `program`. The same function for the same id. */
  meterFeed(id: string): (onLevel: (level: ChannelLevels) => void) => () => void;

  /** Every source as it is at this moment. */
  sources(): SourceReport[];
  pipeline(): Pipeline;

  /** Opens the devices that were in use last time; on a fresh machine the default camera and one microphone. */
  openDevices(): Promise<void>;
  setTitle(title: string): Promise<Outcome>;
  goLive(): Promise<Outcome>;
  /** The answer to `asking`: not live yet. */
  notYet(): void;
  /** The first call arms, a second within a few seconds ends the show. */
  end(): Promise<Outcome>;
  newShow(): Promise<Outcome>;
  lockStandby(locked: boolean): Promise<Outcome>;
  /** Takes the show up again after a reload. Nothing to do otherwise. */
  resume(): void;

  /** Every source of pictures as it is at this moment. */
  reportPictures(): SourcePicture[];

  /** Puts the scene in preview on program, and what was on program into preview. `auto`: by the chosen transition. */
  take(how: 'cut' | 'auto'): void;
  /** Straight to program by a cut; preview stays. */
  takeScene(id: SceneId): void;
  /** A guest on the picture, or off it, whatever the scenes are. */
  setView(view: View, guestId?: GuestId): void;

  invite(name: string): Promise<Outcome>;
  renewLink(guestId: GuestId): Promise<Outcome>;
  revoke(guestId: GuestId): Promise<Outcome>;

  /** Keeps a file for a source on this machine; null, with a sentence in the health line, when that is not possible. */
  keepFile(file: File): Promise<string | null>;

  /** Something the director should know, in one sentence. */
  tell(text: string): void;
  /** The page's latest trouble has been read. */
  dismissTrouble(): void;
  close(): void;
  snapshot(): object;
}

/** A second press counts as meant within this time. */
const endArmedMs = 4_000;
/** How long Go live waits for a camera that is being opened. */
const warmUpMs = 10_000;

const sentence = (error: unknown): string => {
  if (error instanceof AppError) return error.message;
  throw error; // Not expected: a bug, for the browser's own report.
};

/** Opens the studio. Rejects when this browser cannot compose or mix. */
export const createStudio = async (options: { key: string }): Promise<Studio> => {
  const settings = createSettings();
  // As it was when the page opened: another format is another page.
  const format = settings.store.getState();
  const output = outputFor(format);
  const mixer: Mixer = createMixer();
  const compositor: Compositor = createCompositor({ output });
  const session = createSession({ identity: { as: 'studio', key: options.key }, media: true });
  const store = createStore<DeskState>(() => ({
    sending: { kind: 'idle' },
    scene: emptyScene,
    cover: { standIns: [], clipFor: null, empty: true },
    trouble: null,
    fault: null,
    soundWaits: false,
    going: 'no',
    endArmed: false,
    guestLinks: {},
  }));
  const tell = (text: string) => store.setState({ trouble: text });
  const files = createSourceFiles();
  const sound = createSoundDesk({ mixer, compositor, onTrouble: tell });
  const pictures = createPictureSources({
    compositor,
    sound,
    subscribe: (sourceId) => session.subscribe({ kind: 'encoder', sourceId }),
    files,
    output,
    onTrouble: tell,
  });
  const screens = createScreenDesk({ desktop: window.desktop, pictures, tell });
  const production = createProductionDesk({ session, tell });
  const overlayFiles = createOverlayFiles({ production, compositor, files, tell });
  const guests = createGuestDesk({ session, compositor, mixer, sound, onTrouble: tell });
  const connection = createConnectionDesk(session);
  const shop = createShopDesk({
    session,
    key: options.key,
    tell: (trouble) => store.setState({ trouble }),
  });
  const standby = createStandbyDesk({ session, key: options.key });
  const log = createLog({ storage: sessionStorage, nowMs: () => Date.now() });
  const hotkeys = createHotkeys({ desktop: window.desktop, storage: localStorage });
  const awake = keepAwake();
  let closed = false;

  const show = (): ShowState | null => session.store.getState().show;
  /** Of a source, a microphone or a guest, as the director knows it. */
  const sourceName = (id: string): string => {
    const guest = show()?.guests.find((each) => guestSourceId(each.id) === id);
    const { settings, attached } = sound.store.getState();
    const picture = production.store.getState().production.sources.find((each) => each.id === id);
    const channel = settings.channels.find((each) => each.id === id);
    return guest?.name ?? picture?.name ?? channel?.name ?? attached[id]?.name ?? id;
  };
  const recordingFiles = window.desktop
    ? createDesktopFiles(window.desktop.recordings)
    : createBrowserFiles();
  const recording = createRecordingDesk({
    show: () => {
      const state = show();
      return state && { id: state.id, title: state.title, phase: state.phase.kind };
    },
    onShow: session.store.subscribe,
    files: recordingFiles,
    program: { picture: compositor.track, sound: mixer.programTrack },
    secondOutput: secondOutputSource(compositor, output),
    sources: () =>
      listRecordingSources({
        compositor,
        mixer,
        nameOf: sourceName,
      }),
    onSources: (changed) => compositor.onSources(changed),
  });
  const recordings = createRecordingLibrary({ files: recordingFiles, key: options.key });
  const attempt = async (work: () => Promise<unknown>): Promise<Outcome> => {
    try {
      await work();
      return { ok: true };
    } catch (error) {
      return { ok: false, text: sentence(error) };
    }
  };
  /** For buttons and keys, which have no place of their own for a sentence. */
  const act = async (work: () => Promise<unknown>): Promise<Outcome> => {
    const outcome = await attempt(work);
    store.setState({ trouble: outcome.ok ? null : outcome.text });
    return outcome;
  };

  // --- The program's way out ---------------------------------------------------------------------------------------

  const sending: ProgramSending = createProgramSending({
    publish: () => {
      const { layers, videoKbps, audioKbps } = programSend(format);
      const use = { kind: 'program' } as const;
      return [
        session.publish(compositor.track, use, { layers, maxKbps: videoKbps }),
        session.publish(mixer.programTrack, use, { maxKbps: audioKbps }),
      ];
    },
    hasPicture: () => pictures.hasPicture(),
    onChange: (now) => store.setState({ sending: now }),
    onBug: reportError,
  });
  const advance = () => {
    const { connection } = session.store.getState();
    if (connection.kind === 'joined') sending.look(show()?.phase.kind ?? null);
  };

  let publicOrigin = '';
  const program: ProgramDesk = createProgramDesk({
    session,
    compositor,
    production,
    pictures,
    guests,
    files: overlayFiles,
    output,
    store,
    publicOrigin: () => publicOrigin,
    call: act,
    tell,
  });
  const overlays: OverlayDesk = createOverlayDesk({
    production,
    scene: () => store.getState().scene,
    change: (change) => program.change(change),
    hasProduct: () => {
      const state = show();
      return state !== null && featuredProduct(state) !== null;
    },
    tell,
  });

  const chat = createChatDesk({ session, change: (change) => program.change(change), call: act });

  // --- Following the session ---------------------------------------------------------------------------------------

  const onSession = (now: SessionState, before?: SessionState) => {
    if (now.connection.kind === 'joined') ({ publicOrigin } = now.connection);
    if (now.notice !== null && now.notice !== before?.notice) tell(now.notice);
    if (now.show) {
      program.follow(now.show, before?.show ?? null);
      awake.setLive(now.show.phase.kind === 'live');
    }
    program.compose();
    advance();
  };

  /** Until the server has answered there are no sources, only a guess. */
  const followProduction = () => {
    const { loaded, production: document } = production.store.getState();
    if (loaded) pictures.follow(document.sources);
  };

  /** Files that nothing names any more go, once per page, and never beside a show. */
  let swept = false;
  const sweepFiles = () => {
    const phase = show()?.phase.kind;
    const named = production.filesNamed();
    if (swept || named === null || phase === undefined || phase === 'live') return;
    swept = true;
    // What cannot be deleted now is asked for again by the next page.
    files.sweep(named, Date.now()).catch(() => undefined);
  };

  const unsubscribe = [
    session.store.subscribe(onSession),
    session.store.subscribe(sweepFiles),
    guests.store.subscribe((feeds) => {
      const ids = Object.entries(feeds).flatMap(([id, feed]) => (feed.video ? [guestId.parse(id)] : []));
      pictures.followGuests(new Set(ids.map(guestSourceId)));
      program.compose();
    }),
    production.store.subscribe((now, before) => {
      if (now.production !== before.production || now.loaded !== before.loaded) followProduction();
      if (now.loaded && !before.loaded) sweepFiles();
      program.compose();
    }),
    pictures.store.subscribe(() => {
      program.compose();
      advance();
    }),
    overlayFiles.store.subscribe(() => program.compose()),
    compositor.onFault((fault) => store.setState({ fault })),
    compositor.onStepDown(({ kind, sentence }) => {
      store.setState({ fault: sentence });
      if (kind === 'closeSecond') recording.secondOutputGone();
    }),
    compositor.onStats((stats) => recording.programSecond(stats)),
    compositor.onStats(() => store.setState({ soundWaits: mixer.snapshot().monitorWaits })),
    mixer.onFault((fault) => store.setState({ fault })),
  ];
  // Clocks in the picture move by the second; where nothing has changed nothing is drawn.
  const clockTick = setInterval(() => {
    program.compose();
    advance();
  }, 1_000);
  const letSoundStart = () => void mixer.resume();
  document.addEventListener('pointerdown', letSoundStart);
  document.addEventListener('keydown', letSoundStart);
  onSession(session.store.getState());
  followProduction();
  const openDevices = async () => {
    const fresh = !pictures.setUpBefore && !sound.inUse();
    // One after another: two permission questions at once cover each other.
    await pictures.openAll();
    await sound.openAll(fresh);
  };
  if (sound.inUse()) void sound.openAll(false);

  // --- Log and field card -------------------------------------------------------------------------------------------------------

  const late = createLateShare();
  const pipeline = (): Pipeline => ({
    picture: compositor.snapshot().stats,
    sound: mixer.snapshot(),
    latePct: late.pct(),
  });
  const sources = (): SourceReport[] => reportSources(program.reports(), sound, pipeline());
  const uplink = createUplinkJudge();
  const lookForLog = () => {
    const state = session.store.getState();
    log.look(
      factsForLog({
        session: state,
        desk: store.getState(),
        sources: sources(),
        recording: recording.store.getState(),
        uplink: uplink.look(state.health, Date.now()),
      }),
    );
  };
  unsubscribe.push(
    compositor.onStats((stats) => late.second(stats)),
    session.store.subscribe(lookForLog),
    sound.store.subscribe((now, before) => {
      if (now.channels !== before.channels || now.settings !== before.settings) lookForLog();
    }),
    pictures.store.subscribe(lookForLog),
    recording.store.subscribe(lookForLog),
    store.subscribe(lookForLog),
  );

  const preflight = createPreflight({
    session,
    settings,
    mixer,
    connection,
    sources,
    pipeline,
    recording: () => recording.report(),
    luts: () => pictures.luts(),
  });

  // --- What the director asks --------------------------------------------------------------------------------------

  const feeds = new Map<string, ReturnType<Studio['meterFeed']>>();
  const meterFeed: Studio['meterFeed'] = (id) => {
    const known = feeds.get(id);
    if (known) return known;
    const levelOf = (reading: MeterReading) => (id === 'program' ? reading.program : reading.inputs[id]);
    const feed: ReturnType<Studio['meterFeed']> = (onLevel) =>
      mixer.onMeters((reading) => onLevel(levelOf(reading) ?? silentLevels));
    feeds.set(id, feed);
    return feed;
  };

  /** Resolves when a camera that is only just opening gives a picture, or turns out to give none. */
  const cameraSettled = (): Promise<void> =>
    new Promise((resolve) => {
      const settled = () => {
        const states = Object.values(pictures.store.getState().feeds).map(({ state }) => state.kind);
        return !store.getState().cover.empty || !states.some((kind) => kind === 'opening' || kind === 'live');
      };
      const done = () => {
        clearTimeout(patience);
        stop();
        resolve();
      };
      const patience = setTimeout(done, warmUpMs);
      const stop = pictures.store.subscribe(() => {
        if (settled()) done();
      });
      if (settled()) done();
    });

  let skipConnectionTest = () => {};
  /** A show that nobody can reach is better found out now. A recent test counts, and so does one that could not be made. */
  const connectionTested = async () => {
    if (connection.isFresh()) return;
    store.setState({ going: 'testingConnection' });
    const skipped = new Promise<'skipped'>((resolve) => {
      skipConnectionTest = () => resolve('skipped');
    });
    if ((await Promise.race([connection.run('quick'), skipped])) === 'skipped') return;
    const fix = connection.shutOut(format);
    if (fix !== null) throw new AppError('mediaUnavailable', `${fix} Go live again to go live as it is.`);
  };

  /** Whether something on the field card is not ready. The uplink has been asked about by its own test. */
  const cardAsks = async (): Promise<boolean> => {
    await preflight.check();
    return preflight.items().some(({ id, tone }) => tone === 'wrong' && id !== 'uplink');
  };

  const goLive = async (): Promise<Outcome> => {
    const { going } = store.getState();
    if (going === 'testingConnection') skipConnectionTest();
    if (show()?.phase.kind !== 'setup' || (going !== 'no' && going !== 'asking')) return { ok: true };
    store.setState({ going: 'starting' });
    const outcome = await act(async () => {
      await cameraSettled();
      if (store.getState().cover.empty) {
        throw new AppError('noPicture', 'There is no picture yet. Turn on a camera, then go live.');
      }
      if (going !== 'asking') {
        await connectionTested();
        if (await cardAsks()) return store.setState({ going: 'asking' });
      }
      store.setState({ going: 'starting' });
      program.settle();
      // The server waits for what it has only just begun to get.
      await session.call('goLive', {});
    });
    if (store.getState().going !== 'asking') store.setState({ going: 'no' });
    return outcome;
  };

  let disarm: ReturnType<typeof setTimeout> | undefined;
  const end = async (): Promise<Outcome> => {
    if (show()?.phase.kind !== 'live') return { ok: true };
    clearTimeout(disarm);
    if (store.getState().endArmed) {
      store.setState({ endArmed: false });
      return act(() => session.call('endShow', {}));
    }
    store.setState({ endArmed: true });
    disarm = setTimeout(() => store.setState({ endArmed: false }), endArmedMs);
    return { ok: true };
  };

  const keepLink = (guestId: GuestId, token: string) =>
    store.setState(({ guestLinks }) => ({
      guestLinks: { ...guestLinks, [guestId]: `${publicOrigin}/cohost#t=${token}` },
    }));

  return {
    session,
    settings,
    sound,
    guests,
    connection,
    shop,
    standby,
    log,
    hotkeys,
    preflight,
    recording,
    recordings,
    store,
    production,
    pictures,
    screens,
    overlays,
    chat,
    overlayFiles,
    programTrack: compositor.track,
    previewTrack: compositor.previewTrack,
    meterFeed,
    sources,
    pipeline,
    openDevices,

    setTitle: (title) => act(() => session.call('setTitle', { title })),
    goLive,
    notYet: () => {
      if (store.getState().going === 'asking') store.setState({ going: 'no' });
    },
    end,
    newShow: () => act(() => session.call('newShow', { title: show()?.title ?? 'Next show' })),
    lockStandby: async (locked) => {
      if (show()?.phase.kind !== 'live') return { ok: true };
      program.leaveCover();
      return act(() => session.call('lockProgram', { lock: locked ? 'standby' : 'none' }));
    },
    resume: () => {
      if (store.getState().sending.kind !== 'offerResume') return;
      if (store.getState().cover.empty) {
        return tell('There is no picture yet. Turn on a camera, then resume.');
      }
      sending.goOn();
      advance();
    },

    reportPictures: () => program.reports(),

    take: (how) => program.take(how),
    takeScene: (id) => program.takeScene(id),
    setView: (view, guest) => program.setView(view, guest),

    invite: (name) =>
      attempt(async () => {
        const { guest, token } = await session.call('inviteGuest', { name });
        keepLink(guest.id, token);
      }),
    renewLink: (guestId) =>
      act(async () => keepLink(guestId, (await session.call('renewGuestLink', { guestId })).token)),
    revoke: (guestId) => act(() => session.call('revokeGuest', { guestId })),

    keepFile: async (file) => {
      try {
        return await files.put(file);
      } catch (error) {
        tell(error instanceof AppError ? error.message : `The file cannot be kept (${String(error)}).`);
        return null;
      }
    },
    tell,
    dismissTrouble: () => store.setState({ trouble: null }),
    close: () => {
      if (closed) return;
      closed = true;
      clearTimeout(disarm);
      clearInterval(clockTick);
      program.close();
      for (const stop of unsubscribe) stop();
      document.removeEventListener('pointerdown', letSoundStart);
      document.removeEventListener('keydown', letSoundStart);
      sending.close();
      guests.close();
      shop.close();
      standby.close();
      overlays.close();
      chat.close();
      overlayFiles.close();
      production.close();
      screens.close();
      pictures.close();
      preflight.close();
      hotkeys.close();
      recordings.close();
      recording.close();
      sound.close();
      session.close();
      compositor.close();
      mixer.close();
      awake.close();
    },
    snapshot: () => ({
      desk: store.getState(),
      sending: sending.snapshot(),
      settings: settings.store.getState(),
      sound: sound.snapshot(),
      program: program.snapshot(),
      production: production.snapshot(),
      pictures: pictures.snapshot(),
      screens: screens.snapshot(),
      overlays: overlays.snapshot(),
      chat: chat.snapshot(),
      overlayFiles: overlayFiles.snapshot(),
      guests: guests.snapshot(),
      shop: shop.snapshot(),
      standby: standby.snapshot(),
      recording: recording.snapshot(),
      session: session.snapshot(),
      compositor: compositor.snapshot(),
      mixer: mixer.snapshot(),
    }),
  };
};
