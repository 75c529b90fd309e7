// The pictures behind the production's sources, guests as far as their health is concerned: has them opened, gives them to the
// compositor and what sound they have to the mixer, watches them, tells cameras apart, and says of each how it stands.
// Not its job: what is behind one that is no camera (source-content.ts), the document (production-desk.ts), colour tables
// (source-luts.ts), what is drawn where (picture.ts), microphones, words for the page.
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { Source, SourceId } from '../../sfu-server/protocol/production.ts';
import {
  createDeviceSlot,
  findSame,
  listDevices,
  openCamera,
  recallDevice,
  type DeviceIdentity,
  type DeviceSlot,
} from '../ui/devices.ts';
import { matchCameras, type UnclearCameras, type WantedCamera } from './camera-match.ts';
import { failedWord } from './device-words.ts';
import type { Compositor, SourceStats } from './media/compositor.ts';
import type { PictureHealth } from './media/source-health.ts';
import { mayFail, newSource } from './scenes.ts';
import type { SoundDesk } from './sound.ts';
import {
  askForScreen,
  openContent,
  playScreen,
  type Content,
  type ContentOptions,
  type ContentSink,
} from './source-content.ts';
import { createSourceLuts } from './source-luts.ts';
import { createLossWatch, type LossWatch, type Standing } from './source-loss.ts';

export type FeedState =
  /** Not turned on, or not shared. */
  | { readonly kind: 'off' }
  | { readonly kind: 'opening' }
  | { readonly kind: 'live'; readonly device: DeviceIdentity | null }
  /** It was there and went; a camera is taken again when it is back. */
  | { readonly kind: 'unplugged'; readonly device: DeviceIdentity | null; readonly sinceMs: number }
  /** `sentence`: what to do. */
  | { readonly kind: 'failed'; readonly word: string; readonly sentence: string };

export type PictureFeed = {
  readonly state: FeedState;
  readonly health: PictureHealth;
  readonly standing: Standing;
  /** The last second, as the compositor received it; null before. */
  readonly stats: SourceStats | null;
};

export type PictureSourcesState = {
  /** By the source's id; guests by `guestSourceId`. */
  readonly feeds: Readonly<Record<SourceId, PictureFeed>>;
  /** Cameras to choose from; without names until one has been allowed. */
  readonly cameras: readonly DeviceIdentity[];
  /** Cameras that several sources might mean: the director is asked. */
  readonly unclear: readonly UnclearCameras[];
};

export interface PictureSources {
  readonly store: StoreApi<PictureSourcesState>;
  /** Whether cameras have been used on this machine, so that opening them asks nobody anything. */
  readonly setUpBefore: boolean;
  /** Opens, changes and closes what the document says. Cameras and screens wait until they are turned on. */
  follow(sources: readonly Source[]): void;
  /** The guests whose picture arrives, by `guestSourceId`. */
  followGuests(ids: ReadonlySet<SourceId>): void;
  /** Turns on the cameras that were in use last time; on a fresh machine the first. */
  openAll(): Promise<void>;
  /** Turns a camera on: the given one, else the remembered, else one that nobody uses. */
  openCamera(id: SourceId, deviceId?: string): Promise<void>;
  /** Asks the browser which screen or window to show. Only from a press. */
  shareScreen(id: SourceId): Promise<void>;
  /** Lets a camera or screen go. */
  turnOff(id: SourceId): void;
  /** The director's answer to `unclear`. */
  assign(answer: ReadonlyMap<SourceId, DeviceIdentity>): Promise<void>;
  /** A video begins anew, as it is taken to program. */
  restart(id: SourceId): void;
  /** Sources whose picture fans get: their sound is in the program, that of the others only in a solo. */
  followProgram(ids: ReadonlySet<string>): void;
  standingOf(id: SourceId): Standing['kind'];
  /** Colour tables that sources name, and the names of sources whose table is not on this machine. */
  luts(): { wanted: number; missing: string[] };
  /** Something that is there has a picture. */
  hasPicture(): boolean;
  close(): void;
  snapshot(): object;
}

/** One source, and what is behind it: a camera's slot, a content, or (a guest) neither. */
type Feed = {
  source: Source;
  watch: LossWatch;
  state: FeedState;
  health: PictureHealth;
  standing: Standing;
  stats: SourceStats | null;
  slot: DeviceSlot | null;
  content: Content | null;
  sound: MediaStreamTrack | null;
  /** Aborted when its content, or what is being opened, is no longer wanted. */
  wanted: AbortController;
};

const inUseKey = 'studio.cameras';
const inUseSchema = z.array(z.string());
const waiting: PictureHealth = { kind: 'waiting' };

const readInUse = (storage: Storage): Set<string> => {
  try {
    const stored = inUseSchema.safeParse(JSON.parse(storage.getItem(inUseKey) ?? '[]'));
    return new Set(stored.success ? stored.data : []);
  } catch (error) {
    if (error instanceof SyntaxError) return new Set();
    throw error;
  }
};

/** Of these the picture itself tells whether they are well; the others stand still or pause by their nature. */
const isJudged = ({ origin }: Source): boolean => mayFail(origin);

export type PictureSourcesOptions = ContentOptions & {
  compositor: Compositor;
  sound: Pick<SoundDesk, 'attach' | 'detach' | 'setOnAir' | 'setPictureDelayMs'>;
  storage?: Storage;
};

export const createPictureSources = (options: PictureSourcesOptions): PictureSources => {
  const { compositor, sound, files, output, onTrouble, storage = localStorage } = options;
  const store = createStore<PictureSourcesState>(() => ({ feeds: {}, cameras: [], unclear: [] }));
  const feeds = new Map<SourceId, Feed>();
  const inUse = readInUse(storage);
  /** Cameras lie on their side only where their mount does: a tall program is cut from a wide picture. */
  const cameraSize = {
    width: Math.max(output.width, output.height),
    height: Math.min(output.width, output.height),
    fps: output.fps,
  };
  let onProgram: ReadonlySet<string> = new Set();
  /** The director has turned cameras on, on this page or the one before. */
  let mayOpen = inUse.size > 0;
  let closed = false;

  const keepInUse = () => storage.setItem(inUseKey, JSON.stringify([...inUse]));

  // --- How each stands ---------------------------------------------------------------------------------------------

  const shown = ({ state, health, standing, stats }: Feed): PictureFeed => ({
    state,
    health,
    standing,
    stats,
  });
  const tell = () => {
    if (closed) return;
    const now = store.getState().feeds;
    const next = Object.fromEntries(
      [...feeds].map(([id, feed]): [SourceId, PictureFeed] => {
        const before = now[id];
        const after = shown(feed);
        const same =
          before !== undefined &&
          before.state === after.state &&
          before.health === after.health &&
          before.standing === after.standing &&
          before.stats === after.stats;
        return [id, same ? before : after];
      }),
    );
    store.setState({ feeds: next });
  };

  let lookAgain: ReturnType<typeof setTimeout> | undefined;
  /** Lets every watch look at the newest facts, and again when the first of them is due. */
  const judge = () => {
    if (closed) return;
    const nowMs = Date.now();
    let dueMs = Infinity;
    for (const feed of feeds.values()) {
      const here = feed.state.kind === 'live';
      const seen = feed.health.kind !== 'waiting';
      const health: PictureHealth = isJudged(feed.source) || !seen ? feed.health : { kind: 'moving' };
      feed.standing = feed.watch.look({ here, health }, feed.source.lossRule, nowMs);
      dueMs = Math.min(dueMs, feed.watch.dueMs() ?? Infinity);
    }
    clearTimeout(lookAgain);
    if (dueMs < Infinity) lookAgain = setTimeout(judge, Math.max(0, dueMs - nowMs) + 1);
    tell();
  };

  const enter = (feed: Feed, state: FeedState) => {
    feed.state = state;
    judge();
  };

  const stopHealth = compositor.onHealth((id, health) => {
    for (const [sourceId, feed] of feeds) if (sourceId === id) feed.health = health;
    judge();
  });
  const stopStats = compositor.onStats(({ sources }) => {
    for (const [id, feed] of feeds) {
      feed.stats = sources[id] ?? null;
      if (feed.stats) feed.health = feed.stats.health;
    }
    judge();
  });

  // --- Cameras -----------------------------------------------------------------------------------------------------

  const identityOf = (feed: Feed): DeviceIdentity | null => {
    const { state } = feed;
    const known = state.kind === 'live' || state.kind === 'unplugged' ? state.device : null;
    return known ?? recallDevice(feed.source.id);
  };
  const wantedCameras = (): WantedCamera[] =>
    [...feeds].flatMap(([sourceId, feed]) => {
      const identity = feed.slot && inUse.has(sourceId) ? identityOf(feed) : null;
      return identity ? [{ sourceId, identity }] : [];
    });

  const readCameras = async () => {
    const cameras = await listDevices('camera');
    if (closed) return;
    // A camera whose source is live is that source's, whatever else looks the same.
    const { unclear } = matchCameras(wantedCameras(), cameras);
    store.setState({ cameras, unclear });
  };
  const refreshCameras = () => {
    readCameras().catch((error: unknown) =>
      onTrouble(`The list of cameras cannot be read (${String(error)}).`),
    );
  };

  const createCameraSlot = (feed: Feed): DeviceSlot => {
    const { id } = feed.source;
    const same = (identity: DeviceIdentity, present: readonly DeviceIdentity[]) => {
      const match = matchCameras(wantedCameras(), present);
      return wantedCameras().some(({ sourceId }) => sourceId === id)
        ? match.found.get(id)
        : findSame(identity, present);
    };
    return createDeviceSlot({
      kind: 'camera',
      role: id,
      same,
      open: (request) => openCamera({ ...cameraSize, ...request, role: feed.source.name, key: id, same }),
      onTrack: (track) => {
        compositor.addSource(id, track);
        inUse.add(id);
        keepInUse();
      },
      onState: (state) => {
        if (state.kind === 'live') enter(feed, { kind: 'live', device: state.identity });
        else if (state.kind === 'unplugged') {
          enter(feed, { kind: 'unplugged', device: state.identity, sinceMs: state.sinceMs });
        } else if (state.kind === 'failed') {
          const { kind, sentence } = state.problem;
          enter(feed, { kind: 'failed', word: failedWord[kind], sentence });
        } else enter(feed, { kind: state.kind === 'opening' ? 'opening' : 'off' });
        refreshCameras();
      },
    });
  };

  const turnCameraOn = async (id: SourceId, deviceId?: string) => {
    const feed = feeds.get(id);
    if (!feed?.slot) return;
    mayOpen = true;
    if (deviceId !== undefined || recallDevice(id) !== null) {
      inUse.add(id);
      await feed.slot.open(deviceId);
      return;
    }
    const devices: MediaDevices | undefined = navigator.mediaDevices;
    const cameras = devices ? await listDevices('camera') : [];
    const taken = new Set(wantedCameras().map(({ identity }) => identity.deviceId));
    const free = cameras.find((camera) => !taken.has(camera.deviceId));
    // Without names none is told from another yet: the browser's default is as good as any.
    if (free === undefined && taken.size > 0) {
      const { name } = feed.source;
      const sentence = `${name}: every camera is in use by another source. Plug one in, then turn it on.`;
      return enter(feed, { kind: 'failed', word: 'none left', sentence });
    }
    await feed.slot.open(free?.deviceId === '' ? undefined : free?.deviceId);
  };

  // --- What is no camera ---------------------------------------------------------------------------------------------

  const giveSound = (feed: Feed, track: MediaStreamTrack | null) => {
    const { id, name, origin } = feed.source;
    if (feed.sound && !track) sound.detach(id);
    feed.sound = track;
    const kind = origin.kind === 'encoder' ? 'feed' : 'file';
    if (track) sound.attach(id, { name, kind, onAir: onProgram.has(id), track });
  };

  const letGo = (feed: Feed) => {
    feed.wanted.abort();
    feed.wanted = new AbortController();
    giveSound(feed, null);
    feed.content?.close();
    feed.content = null;
  };

  const fail = (feed: Feed, word: string, sentence: string) =>
    enter(feed, { kind: 'failed', word, sentence });

  const sinkOf = (feed: Feed, signal: AbortSignal): ContentSink => {
    const whileWanted =
      <Told extends unknown[]>(tell: (...told: Told) => void) =>
      (...told: Told) => {
        if (!signal.aborted) tell(...told);
      };
    const { id } = feed.source;
    return {
      picture: whileWanted((picture) => {
        if (picture instanceof ImageBitmap) {
          compositor.addStill(id, picture);
          feed.health = { kind: 'moving' };
        } else compositor.addSource(id, picture);
        enter(feed, { kind: 'live', device: null });
      }),
      sound: whileWanted((track) => giveSound(feed, track)),
      waits: whileWanted(() => enter(feed, { kind: 'off' })),
      gone: whileWanted(() => enter(feed, { kind: 'unplugged', device: null, sinceMs: Date.now() })),
    };
  };

  const shareScreen = async (id: SourceId) => {
    const feed = feeds.get(id);
    if (!feed || feed.source.origin.kind !== 'screen') return;
    const shared = await askForScreen(output.fps);
    if (shared.kind === 'failed') fail(feed, shared.word, shared.sentence);
    if (shared.kind !== 'shared') return;
    const isStill = feeds.get(id) === feed && feed.source.origin.kind === 'screen';
    if (!isStill) return shared.track.stop();
    letGo(feed);
    feed.content = playScreen(shared.track, sinkOf(feed, feed.wanted.signal));
  };

  const openUnasked = async (feed: Feed) => {
    const { name, origin } = feed.source;
    const { signal } = feed.wanted;
    // What is drawn here is there at once: a colour that is being chosen neither comes nor goes.
    if (origin.kind !== 'colour' && origin.kind !== 'testCard') enter(feed, { kind: 'opening' });
    try {
      const content = await openContent(feed.source, options, sinkOf(feed, signal), signal);
      if (signal.aborted) content?.close();
      else feed.content = content;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof AppError)) onTrouble(`${name} cannot be opened (${String(error)}).`);
      const sentence = error instanceof AppError ? error.message : 'It cannot be opened.';
      fail(feed, origin.kind === 'encoder' ? 'no feed' : 'no file', `${name}: ${sentence}`);
    }
  };

  /** Opens what needs nobody's leave. */
  const begin = (feed: Feed) => {
    letGo(feed);
    switch (feed.source.origin.kind) {
      case 'camera':
        feed.slot = createCameraSlot(feed);
        if (mayOpen && inUse.has(feed.source.id)) void feed.slot.open();
        return;
      case 'screen':
      case 'guest':
        return;
      case 'image':
      case 'video':
      case 'encoder':
      case 'colour':
      case 'testCard':
        void openUnasked(feed);
    }
  };

  // --- Following the document -------------------------------------------------------------------------------------

  const luts = createSourceLuts({ compositor, files, onTrouble });

  const delay = (id: SourceId, delayMs: number) => {
    compositor.setSourceDelayMs(id, delayMs);
    sound.setPictureDelayMs(id, delayMs);
  };

  const end = (id: SourceId, feed: Feed) => {
    feeds.delete(id);
    feed.slot?.close();
    letGo(feed);
    // A guest's picture is the guest desk's.
    if (id.startsWith('guest:')) return;
    compositor.removeSource(id);
    delay(id, 0);
  };

  const addFeed = (source: Source): Feed => {
    const feed: Feed = {
      source,
      watch: createLossWatch(),
      state: { kind: 'off' },
      health: waiting,
      standing: { kind: 'absent' },
      stats: null,
      slot: null,
      content: null,
      sound: null,
      wanted: new AbortController(),
    };
    feeds.set(source.id, feed);
    return feed;
  };

  const devices: MediaDevices | undefined = navigator.mediaDevices;
  devices?.addEventListener('devicechange', refreshCameras);
  if (devices) refreshCameras();

  return {
    store,
    setUpBefore: inUse.size > 0,
    follow: (sources) => {
      // A seat has no picture of its own: the guest on it has.
      const own = sources.filter(({ origin }) => origin.kind !== 'guest');
      const wanted = new Set(own.map(({ id }) => id));
      for (const [id, feed] of feeds) if (!id.startsWith('guest:') && !wanted.has(id)) end(id, feed);
      for (const source of own) {
        const feed = feeds.get(source.id);
        if (source.videoDelayMs !== (feed?.source.videoDelayMs ?? 0)) {
          delay(source.id, source.videoDelayMs);
        }
        if (!feed) begin(addFeed(source));
        else if (feed.source !== source) {
          const before = feed.source;
          feed.source = source;
          const isNew = JSON.stringify(before.origin) !== JSON.stringify(source.origin);
          const isRenamed = source.origin.kind === 'testCard' && before.name !== source.name;
          if (isNew || isRenamed) begin(feed);
          else if (before.name !== source.name) giveSound(feed, feed.sound);
        }
      }
      luts.follow(sources);
      refreshCameras();
      judge();
    },
    followGuests: (ids) => {
      for (const [id, feed] of feeds) if (id.startsWith('guest:') && !ids.has(id)) end(id, feed);
      for (const id of ids) {
        if (feeds.has(id)) continue;
        const feed = addFeed(newSource(id, 'Guest', { kind: 'guest', guestId: null }));
        feed.state = { kind: 'live', device: null };
      }
      judge();
    },
    openAll: async () => {
      mayOpen = true;
      const cameras = [...feeds].filter(([, { slot }]) => slot !== null).map(([id]) => id);
      const before = cameras.filter((id) => inUse.has(id));
      // One after another: two permission questions at once cover each other.
      for (const id of before.length > 0 ? before : cameras.slice(0, 1)) {
        const kind = feeds.get(id)?.state.kind;
        if (kind !== 'live' && kind !== 'opening') await turnCameraOn(id);
      }
    },
    openCamera: turnCameraOn,
    shareScreen,
    turnOff: (id) => {
      const feed = feeds.get(id);
      if (!feed) return;
      inUse.delete(id);
      keepInUse();
      feed.slot?.empty();
      letGo(feed);
      compositor.removeSource(id);
      feed.health = waiting;
      feed.stats = null;
      // On purpose: nothing to hold, and nothing that would have to be covered for.
      feed.watch = createLossWatch();
      enter(feed, { kind: 'off' });
    },
    assign: async (answer) => {
      for (const [id, { deviceId }] of answer) await turnCameraOn(id, deviceId);
      refreshCameras();
    },
    restart: (id) => feeds.get(id)?.content?.restart(),
    followProgram: (ids) => {
      const before = onProgram;
      onProgram = ids;
      for (const [id, feed] of feeds) {
        if (feed.sound && before.has(id) !== ids.has(id)) sound.setOnAir(id, ids.has(id));
      }
    },
    standingOf: (id) => feeds.get(id)?.standing.kind ?? 'absent',
    luts: () => ({
      wanted: luts.wanted,
      missing: [...feeds.values()].flatMap(({ source }) => (luts.isMissing(source) ? [source.name] : [])),
    }),
    hasPicture: () =>
      [...feeds.values()].some(({ state, health }) => state.kind === 'live' && health.kind !== 'waiting'),
    close: () => {
      if (closed) return;
      closed = true;
      clearTimeout(lookAgain);
      stopHealth();
      stopStats();
      devices?.removeEventListener('devicechange', refreshCameras);
      for (const feed of feeds.values()) {
        feed.slot?.close();
        letGo(feed);
      }
      feeds.clear();
    },
    snapshot: () => ({
      feeds: Object.fromEntries([...feeds].map(([id, feed]) => [id, shown(feed)])),
      cameras: store.getState().cameras.length,
      unclear: store.getState().unclear.length,
    }),
  };
};
