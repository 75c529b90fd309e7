// The studio without its page: wires devices, compositor, mixer and session into a program, and does what the director
// asks. One store for what the page shows besides the session's own.
// Not its job: drawing (the panels), devices by role (inputs.ts), guests' streams (guests.ts), words (health.ts).
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { Product, Stock } from '../../sfu-server/protocol/shop.ts';
import {
  featuredProduct,
  type GuestId,
  type Layout,
  type Scene,
  type ShowState,
} from '../../sfu-server/protocol/state.ts';
import { createSession, type Publication, type Session, type SessionState } from '../session/session.ts';
import { formatMoney, formatStock } from '../ui/format.ts';
import { offerOf, saleClock } from '../ui/offer.ts';
import { keepAwake } from './desktop.ts';
import { createConnectionDesk, type ConnectionDesk } from './connection.ts';
import { createStandbyDesk, type StandbyDesk } from './standby.ts';
import { createGuestDesk, guestSourceId, type GuestDesk } from './guests.ts';
import { cameraRole, createInputs, outputFor, programSend, readSettings, type Inputs } from './inputs.ts';
import { createHotkeys, type Hotkeys } from './hotkeys.ts';
import { createLog, type Log } from './log.ts';
import { createUplinkJudge, factsForLog } from './log-facts.ts';
import { createPreflight, type Preflight } from './preflight-desk.ts';
import { createDesktopFiles } from './recording/desktop-files.ts';
import { createRecordingDesk, type RecordingDesk } from './recording/desk.ts';
import { createBrowserFiles } from './recording/files.ts';
import { createRecordingLibrary, type RecordingLibrary } from './recording/library.ts';
import { listRecordingSources } from './recording/sources.ts';
import { createShopDesk, type ShopDesk } from './shop-desk.ts';
import { reportSources, type Pipeline, type SourceReport } from './source-report.ts';
import { createSoundDesk, type SoundDesk } from './sound.ts';
import { createCompositor, type Compositor } from './media/compositor.ts';
import {
  createMixer,
  silentLevels,
  type ChannelLevels,
  type MeterReading,
  type Mixer,
} from './media/mixer.ts';
import { layoutScene, type QrCard, type Scene as PictureScene } from './media/scene.ts';

/** The program's way to the server. */
export type Sending =
  /** No picture yet, or no show to send to. */
  | { kind: 'idle' }
  /** This page opened while its show was on air: fans see standby until the director resumes. */
  | { kind: 'offerResume' }
  | { kind: 'starting' }
  | { kind: 'sending' }
  | { kind: 'failed'; text: string };

export type DeskState = {
  sending: Sending;
  /** What the director wants composed; ahead of the server's copy by one round trip. */
  scene: Scene;
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

/** What putting somebody on the picture means to a director. */
export type View = 'camera' | 'sideBySide' | 'guest';

/** Done, or a sentence that says what to do. */
export type Outcome = { ok: true } | { ok: false; text: string };

export type LowerThird = NonNullable<Scene['lowerThird']>;

export interface Studio {
  readonly session: Session;
  readonly inputs: Inputs;
  readonly sound: SoundDesk;
  readonly guests: GuestDesk;
  readonly connection: ConnectionDesk;
  readonly shop: ShopDesk;
  readonly standby: StandbyDesk;
  /** What happened so far, in words. */
  readonly log: Log;
  readonly hotkeys: Hotkeys;
  readonly preflight: Preflight;
  readonly recording: RecordingDesk;
  /** What was recorded. */
  readonly recordings: RecordingLibrary;
  readonly store: StoreApi<DeskState>;
  /** The composed picture as it is sent. */
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

  setView(view: View, guestId?: GuestId): void;
  setQr(visible: boolean): void;
  setLowerThird(visible: boolean): void;
  setLowerThirdWords(words: LowerThird): void;

  invite(name: string): Promise<Outcome>;
  renewLink(guestId: GuestId): Promise<Outcome>;
  revoke(guestId: GuestId): Promise<Outcome>;

  /** The page's latest trouble has been read. */
  dismissTrouble(): void;
  close(): void;
  snapshot(): object;
}

/** A second press counts as meant within this time. */
const endArmedMs = 4_000;
/** How long Go live waits for a camera that is being opened. */
const warmUpMs = 10_000;

/** The card on the picture is narrow: large numbers leave the total out. */
const cardStock = (stock: Stock): string =>
  stock.total < 1_000 ? formatStock(stock) : formatStock(stock).replace(/ of .*$/, '');

const emptyScene: Scene = { layout: 'full', guestId: null, lowerThird: null, qrVisible: false };

const sentence = (error: unknown): string => {
  if (error instanceof AppError) return error.message;
  throw error; // Not expected: a bug, for the browser's own report.
};

/** Opens the studio. Rejects when this browser cannot compose or mix. */
export const createStudio = async (options: { key: string }): Promise<Studio> => {
  const { quality } = readSettings();
  const output = outputFor(quality);
  const mixer: Mixer = createMixer();
  const compositor: Compositor = createCompositor({ output });
  const session = createSession({ identity: { as: 'studio', key: options.key }, media: true });
  const store = createStore<DeskState>(() => ({
    sending: { kind: 'idle' },
    scene: emptyScene,
    trouble: null,
    fault: null,
    soundWaits: false,
    going: 'no',
    endArmed: false,
    guestLinks: {},
  }));
  const tell = (text: string) => store.setState({ trouble: text });
  const inputs = createInputs({ compositor, output, onTrouble: tell });
  const sound = createSoundDesk({ mixer, compositor, onTrouble: tell });
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
    sources: () =>
      listRecordingSources({
        compositor,
        nameOf: (id) => show()?.guests.find((guest) => guestSourceId(guest.id) === id)?.name ?? id,
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

  let publications: Publication[] = [];
  /** Whether this page may send into a show that is on air: it put it there, or the director pressed Resume. */
  let mayGoOn = false;

  const stopSending = () => {
    for (const publication of publications) publication.close();
    publications = [];
    store.setState({ sending: { kind: 'idle' } });
  };

  const startSending = async () => {
    store.setState({ sending: { kind: 'starting' } });
    const { layers, videoKbps, audioKbps } = programSend(quality);
    try {
      publications = await Promise.all([
        session.publish(compositor.track, { kind: 'program' }, { layers, maxKbps: videoKbps }),
        session.publish(mixer.programTrack, { kind: 'program' }, { maxKbps: audioKbps }),
      ]);
      if (closed) return stopSending();
      store.setState({ sending: { kind: 'sending' } });
    } catch (error) {
      store.setState({ sending: { kind: 'failed', text: sentence(error) } });
    }
  };

  /** Looks at where things stand and takes the next step, if there is one. */
  const advance = () => {
    const { connection } = session.store.getState();
    const state = show();
    if (closed || !state || connection.kind !== 'joined') return;
    const { sending } = store.getState();
    if (state.phase.kind === 'ended') {
      mayGoOn = false;
      if (sending.kind !== 'idle') stopSending();
      return;
    }
    if (state.phase.kind === 'setup') mayGoOn = true;
    if (sending.kind !== 'idle' && sending.kind !== 'failed' && sending.kind !== 'offerResume') return;
    if (!mayGoOn) store.setState({ sending: { kind: 'offerResume' } });
    else if (inputs.hasPicture()) void startSending();
  };

  // --- The picture -------------------------------------------------------------------------------------------------

  /** Scene changes still on their way to the server. */
  let wishes = 0;
  let publicOrigin = '';
  let composed = '';

  const qrCard = (state: ShowState, product: Product): QrCard => {
    const nowMs = Date.now() + session.clockOffsetMs();
    const offer = offerOf(state, product, nowMs);
    const money = (priceMinor: number) => formatMoney(priceMinor, product.currency);
    return {
      url: `${publicOrigin}/shop/${state.id}/${product.id}`,
      productName: product.name,
      priceText: money(offer.priceMinor),
      insteadOfText: offer.insteadOfMinor === null ? '' : money(offer.insteadOfMinor),
      stockText:
        offer.sale.kind === 'before'
          ? 'Starts in'
          : offer.sale.kind === 'paused'
            ? 'Paused'
            : cardStock(offer.stock),
      clockText: saleClock(offer, nowMs),
      soldOut: offer.stock.left === 0,
      style: 'card',
      corner: 'topRight',
    };
  };

  const pictureScene = (state: ShowState, scene: Scene): PictureScene => {
    const product = featuredProduct(state);
    const card = scene.qrVisible && product ? qrCard(state, product) : null;
    const feed = scene.guestId === null ? undefined : guests.store.getState()[scene.guestId];
    const guestId = scene.guestId !== null && feed?.video ? guestSourceId(scene.guestId) : null;
    const cameraId = inputs.store.getState().camera.kind === 'empty' ? null : cameraRole;
    return layoutScene({
      layout: scene.layout,
      // A guest alone replaces the camera; while their picture is missing the camera stays.
      cameraId: scene.layout === 'full' && guestId !== null ? null : cameraId,
      guestId,
      lowerThird: scene.lowerThird,
      qr: card,
      slate: { title: state.title, note: 'The picture is on its way' },
    });
  };

  const compose = () => {
    const state = show();
    if (!state || closed) return;
    const next = pictureScene(state, store.getState().scene);
    const text = JSON.stringify(next);
    if (text === composed) return;
    composed = text;
    compositor.setScene(next);
  };

  const wishScene = (change: Partial<Scene>) => {
    const scene = { ...store.getState().scene, ...change };
    store.setState({ scene });
    compose();
    const state = show();
    if (state) guests.follow(state.guests, scene.guestId);
    wishes += 1;
    void act(() => session.call('setScene', { scene })).finally(() => {
      wishes -= 1;
      // The server's word counts, whether it agreed, refused, or changed its mind meanwhile.
      const state = show();
      if (wishes > 0 || !state) return;
      store.setState({ scene: state.scene });
      guests.follow(state.guests, state.scene.guestId);
      compose();
    });
  };

  const guestToShow = (): GuestId | null => {
    const here = (show()?.guests ?? []).filter(({ presence }) => presence.kind === 'here');
    const { guestId } = store.getState().scene;
    return here.find(({ id }) => id === guestId)?.id ?? here[0]?.id ?? null;
  };

  // --- Following the session ---------------------------------------------------------------------------------------

  const onSession = (now: SessionState, before?: SessionState) => {
    if (now.connection.kind === 'joined') ({ publicOrigin } = now.connection);
    if (now.notice !== null && now.notice !== before?.notice) tell(now.notice);
    if (now.show) {
      if (wishes === 0 && now.show.scene !== before?.show?.scene) store.setState({ scene: now.show.scene });
      guests.follow(now.show.guests, store.getState().scene.guestId);
      awake.setLive(now.show.phase.kind === 'live');
    }
    compose();
    advance();
  };

  const unsubscribe = [
    session.store.subscribe(onSession),
    guests.store.subscribe(compose),
    inputs.store.subscribe((now, before) => {
      if (now.camera !== before.camera) compose();
      if (now.camera !== before.camera || now.cameraStats !== before.cameraStats) advance();
    }),
    compositor.onFault((fault) => store.setState({ fault })),
    compositor.onStats((stats) => recording.programSecond(stats)),
    compositor.onStats(() => store.setState({ soundWaits: mixer.snapshot().monitorWaits })),
    mixer.onFault((fault) => store.setState({ fault })),
  ];
  // Clocks in the picture move by the second; where nothing has changed nothing is drawn.
  const clockTick = setInterval(compose, 1_000);
  const letSoundStart = () => void mixer.resume();
  document.addEventListener('pointerdown', letSoundStart);
  document.addEventListener('keydown', letSoundStart);
  onSession(session.store.getState());
  const openDevices = async () => {
    const fresh = !inputs.store.getState().settings.camera && !sound.inUse();
    // One after another: two permission questions at once cover each other.
    await inputs.openAll(fresh);
    await sound.openAll(fresh);
  };
  if (inputs.setUpBefore || sound.inUse()) void openDevices();

  // --- Log and field card -------------------------------------------------------------------------------------------------------

  const pipeline = (): Pipeline => ({ picture: compositor.snapshot().stats, sound: mixer.snapshot() });
  const sources = (): SourceReport[] => reportSources(inputs, sound, pipeline());
  const uplink = createUplinkJudge();
  const lookForLog = () => {
    const state = session.store.getState();
    log.look(
      factsForLog({
        session: state,
        desk: store.getState(),
        sources: sources(),
        uplink: uplink.look(state.health, Date.now()),
      }),
    );
  };
  unsubscribe.push(
    session.store.subscribe(lookForLog),
    inputs.store.subscribe(lookForLog),
    sound.store.subscribe((now, before) => {
      if (now.channels !== before.channels || now.settings !== before.settings) lookForLog();
    }),
    store.subscribe(lookForLog),
  );

  const preflight = createPreflight({
    session,
    inputs,
    mixer,
    connection,
    sources,
    pipeline,
    recording: () => recording.report(),
    luts: () => ({ wanted: 0, missing: [] }),
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
        const { kind } = inputs.store.getState().camera;
        return inputs.hasPicture() || (kind !== 'opening' && kind !== 'live');
      };
      const done = () => {
        clearTimeout(patience);
        stop();
        resolve();
      };
      const patience = setTimeout(done, warmUpMs);
      const stop = inputs.store.subscribe(() => {
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
    const fix = connection.shutOut(quality);
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
      if (!inputs.hasPicture()) {
        throw new AppError('noPicture', 'There is no picture yet. Turn on a camera, then go live.');
      }
      if (going !== 'asking') {
        await connectionTested();
        if (await cardAsks()) return store.setState({ going: 'asking' });
      }
      store.setState({ going: 'starting' });
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
    inputs,
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
    previewTrack: compositor.track,
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
      return act(() => session.call('lockProgram', { lock: locked ? 'standby' : 'none' }));
    },
    resume: () => {
      if (store.getState().sending.kind !== 'offerResume') return;
      if (!inputs.hasPicture()) return tell('There is no picture yet. Turn on a camera, then resume.');
      mayGoOn = true;
      advance();
    },

    setView: (view, wanted) => {
      if (view === 'camera') return wishScene({ layout: 'full', guestId: null });
      const guestId = wanted ?? guestToShow();
      if (guestId === null) return tell('No guest is here yet. Invite one under People.');
      const layout: Layout = view === 'sideBySide' ? 'sideBySide' : 'full';
      wishScene({ layout, guestId });
    },
    setQr: (qrVisible) => {
      const state = show();
      if (qrVisible && (!state || !featuredProduct(state)))
        return tell('There is nothing to sell yet. Add a product under Drop.');
      wishScene({ qrVisible });
    },
    setLowerThird: (visible) => {
      const { lowerThird } = inputs.store.getState().settings;
      if (visible && lowerThird.title.trim() === '') return tell('Write a name for the lower third first.');
      wishScene({ lowerThird: visible ? lowerThird : null });
    },
    setLowerThirdWords: (lowerThird) => {
      inputs.setSettings({ lowerThird });
      if (store.getState().scene.lowerThird && lowerThird.title.trim() !== '') wishScene({ lowerThird });
    },

    invite: (name) =>
      attempt(async () => {
        const { guest, token } = await session.call('inviteGuest', { name });
        keepLink(guest.id, token);
      }),
    renewLink: (guestId) =>
      act(async () => keepLink(guestId, (await session.call('renewGuestLink', { guestId })).token)),
    revoke: (guestId) => act(() => session.call('revokeGuest', { guestId })),

    dismissTrouble: () => store.setState({ trouble: null }),
    close: () => {
      if (closed) return;
      closed = true;
      clearTimeout(disarm);
      clearInterval(clockTick);
      for (const stop of unsubscribe) stop();
      document.removeEventListener('pointerdown', letSoundStart);
      document.removeEventListener('keydown', letSoundStart);
      for (const publication of publications) publication.close();
      guests.close();
      shop.close();
      standby.close();
      preflight.close();
      hotkeys.close();
      recordings.close();
      recording.close();
      inputs.close();
      sound.close();
      session.close();
      compositor.close();
      mixer.close();
      awake.close();
    },
    snapshot: () => ({
      desk: store.getState(),
      inputs: inputs.snapshot(),
      sound: sound.snapshot(),
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
