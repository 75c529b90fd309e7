// L3: the page's own copy of the standby clip, fetched quietly once the picture has been seen, played when picture and server
// are both gone. Its own video element lies over the program's; the live picture takes over when it moves again.
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { Clock } from '../../sfu-server/protocol/channel.ts';
import type { Session, SessionState } from '../session/session.ts';
import type { PlayingState } from './playing.ts';

export type StandbyCopyState = {
  /** `declined`: Save-Data, a slow link, or a clip that is too large. */
  copy: 'none' | 'fetching' | 'ready' | 'declined';
  /** It is what the fan sees. */
  onScreen: boolean;
};

export interface StandbyCopy {
  readonly store: StoreApi<StandbyCopyState>;
  close(): void;
}

const goneMs = 2_000;
/** It went when the picture did, but that shows only when it is asked something and does not answer for so long. */
const owedMs = 1_000;
/** A decoder takes its time to begin, most on the machine that is busy with the outage itself: it is set going so much earlier. */
const rollUpMs = 800;
/** Where the server answers, the picture is expected back within a remedy or two. */
const goneButServedMs = 5_000;
const maxBytes = 1_500_000;
const cacheName = 'live-drop-standby-1';
/** The picture's first moments have the way to themselves. */
const quietMs = 1_000;
/** A crowd that came for the same first second does not fetch in the same one. */
const spreadMs = 4_000;

type Known = Pick<SessionState, 'connection' | 'picture' | 'show'>;

/** When the copy is to take over, on the session's clock; null while there is no reason to. */
export const copyDueAtMs = ({ connection, picture, show }: Known): number | null => {
  if (show?.phase.kind !== 'live' || picture.kind !== 'stalled') return null;
  switch (connection.kind) {
    case 'reconnecting':
      return Math.max(picture.sinceMs, connection.sinceMs) + goneMs;
    case 'joined':
      if (picture.owesSinceMs !== null)
        return Math.max(picture.sinceMs + goneMs, picture.owesSinceMs + owedMs);
      // A server that is back is not yet a picture: what was promised when it went still holds.
      if (picture.leftAtMs !== null) return Math.max(picture.sinceMs, picture.leftAtMs) + goneMs;
      return picture.sinceMs + goneButServedMs;
    case 'connecting':
    case 'refused':
      return null;
  }
};

/** Once on screen it stays until there is something better to look at. */
const isOver = ({ picture, show }: Known): boolean =>
  picture.kind === 'flowing' || show?.phase.kind !== 'live';

/** By what the fan's browser says of the way here (W3C NetInfo, `navigator.connection`); nothing said is nothing against it. */
const isDear = (link: unknown): boolean => {
  if (typeof link !== 'object' || link === null) return false;
  const said = (name: string): unknown => Reflect.get(link, name);
  const downlinkMbps = said('downlink');
  return (
    said('saveData') === true ||
    ['slow-2g', '2g'].includes(String(said('effectiveType'))) ||
    (typeof downlinkMbps === 'number' && downlinkMbps > 0 && downlinkMbps < 1)
  );
};

/** Null when it is larger than a page may keep quietly. */
const fetchClip = async (url: string, signal: AbortSignal): Promise<Blob | null> => {
  // Only in a secure context; elsewhere the clip is fetched once per visit.
  const kept = 'caches' in globalThis ? await caches.open(cacheName) : null;
  const stored = await kept?.match(url);
  if (stored) return stored.blob();
  const answer = await fetch(url, { signal, priority: 'low' });
  const length = Number(answer.headers.get('content-length') ?? Number.NaN);
  if (!answer.ok || !(length <= maxBytes)) {
    void answer.body?.cancel();
    return null;
  }
  if (kept) {
    // One show, one clip: what an earlier one left is thrown away.
    for (const request of await kept.keys()) await kept.delete(request);
    await kept.put(url, answer.clone());
  }
  return answer.blob();
};

export type StandbyCopyOptions = {
  session: Pick<Session, 'store'>;
  playing: { readonly store: StoreApi<Pick<PlayingState, 'sound'>> };
  video: Pick<
    HTMLVideoElement,
    'src' | 'load' | 'play' | 'pause' | 'paused' | 'muted' | 'hidden' | 'currentTime' | 'removeAttribute'
  >;
  /** Where the small clip is; null while there is none. */
  url: (state: SessionState) => string | null;
  /** The session's. */
  clock: Clock;
  random?: () => number;
  /** What the browser says of the way to the server, if anything. */
  link?: () => unknown;
};

export const keepStandbyCopy = (options: StandbyCopyOptions): StandbyCopy => {
  const { session, playing, video, clock } = options;
  const random = options.random ?? Math.random;
  const link = options.link ?? (() => Reflect.get(navigator, 'connection'));
  const store = createStore<StandbyCopyState>(() => ({ copy: 'none', onScreen: false }));
  const stopping = new AbortController();
  let fetchedUrl: string | null = null;
  let objectUrl: string | null = null;
  let cancelShow = () => {};
  let cancelLoad = () => {};
  /** Whether the browser plays it; null while it does not have to. */
  let rolling: Promise<boolean> | null = null;

  const load = async (url: string) => {
    if (isDear(link())) return store.setState({ copy: 'declined' });
    store.setState({ copy: 'fetching' });
    const clip = await fetchClip(url, stopping.signal);
    if (stopping.signal.aborted) return;
    if (!clip) return store.setState({ copy: 'declined' });
    if (objectUrl) URL.revokeObjectURL(objectUrl);
    objectUrl = URL.createObjectURL(clip);
    // In the element before it is needed: its first picture is there at once.
    video.src = objectUrl;
    video.load();
    store.setState({ copy: 'ready' });
  };

  /** Plays unseen and unheard, so that it moves from the moment it is seen. */
  const roll = () => {
    if (rolling || store.getState().copy !== 'ready') return;
    video.muted = true;
    // Where not even that is allowed the last picture stays.
    rolling = video.play().then(
      () => true,
      () => false,
    );
  };

  const show = async () => {
    roll();
    const mine = rolling;
    const plays = await mine;
    if (!plays || mine !== rolling || store.getState().onScreen) return;
    video.hidden = false;
    store.setState({ onScreen: true });
    video.muted = playing.store.getState().sound === 'off';
    // Some browsers pause a video that begins to sound without a gesture of its own.
    if (!video.paused) return;
    video.muted = true;
    await video.play();
  };

  const hide = () => {
    cancelShow();
    if (!rolling) return;
    rolling = null;
    video.hidden = true;
    video.pause();
    video.currentTime = 0;
    store.setState({ onScreen: false });
  };

  const follow = (state: SessionState) => {
    const url = options.url(state);
    if (state.picture.kind === 'flowing' && url !== null && url !== fetchedUrl) {
      fetchedUrl = url;
      cancelLoad();
      cancelLoad = clock.after(quietMs + random() * spreadMs, () => {
        load(url).catch(() => {
          store.setState({ copy: 'none' });
          fetchedUrl = null; // Tried again when the picture next comes back.
        });
      });
    }
    if (isOver(state)) return hide();
    const dueAtMs = copyDueAtMs(state);
    cancelShow();
    if (dueAtMs === null || store.getState().onScreen) return;
    const waitMs = Math.max(0, dueAtMs - clock.now());
    cancelShow = clock.after(Math.max(0, waitMs - rollUpMs), () => {
      roll();
      cancelShow = clock.after(Math.min(rollUpMs, waitMs), () => void show());
    });
  };

  const stopFollowing = session.store.subscribe(follow);
  const stopListening = playing.store.subscribe(({ sound }) => {
    if (store.getState().onScreen) video.muted = sound === 'off';
  });
  follow(session.store.getState());

  return {
    store,
    close: () => {
      if (stopping.signal.aborted) return;
      stopping.abort();
      stopFollowing();
      stopListening();
      cancelShow();
      cancelLoad();
      video.removeAttribute('src');
      if (objectUrl) URL.revokeObjectURL(objectUrl);
    },
  };
};
