// Plays the program in the page's one video element: tracks in and out, sound, size of layer, wake lock, reports.
// No interface here and no React: interface.tsx shows the state that this keeps.
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { Session } from '../session/session.ts';

export type PlayingState = {
  /** Whether a frame has ever been on screen: before that there is nothing worth keeping. */
  hasFrame: boolean;
  sound: 'off' | 'on';
  /** The browser wants a tap before it plays anything at all. */
  needsTap: boolean;
};

export interface Playing {
  readonly store: StoreApi<PlayingState>;
  /** Must be called from a tap or key press the first time: browsers give sound only for a gesture. */
  setSound(sound: 'off' | 'on'): void;
  toggleFullscreen(): void;
  close(): void;
}

const reportEveryMs = 5_000;
const programAspect = 16 / 9;

export const playProgram = (session: Session, video: HTMLVideoElement, frame: HTMLElement): Playing => {
  const store = createStore<PlayingState>(() => ({ hasFrame: false, sound: 'off', needsTap: false }));
  // One stream for the life of the page: tracks change inside it, so the element keeps its last frame in between.
  const stream = new MediaStream();
  const stopping = new AbortController();
  const { signal } = stopping;
  let closed = false;

  video.muted = true;
  session.countFrames(() => video.getVideoPlaybackQuality().totalVideoFrames);

  const play = async () => {
    try {
      await video.play();
      store.setState({ needsTap: false });
    } catch (error) {
      // A newer load replaced this one, or the browser insists on a gesture; the second needs the person.
      if (error instanceof DOMException && error.name === 'NotAllowedError')
        store.setState({ needsTap: true, sound: 'off' });
    }
  };

  // A video element holds the page's load event back until it has data: before the show that would never come, and the
  // browser would show a page that never finishes loading.
  const attach = () => {
    if (closed || video.srcObject === stream) return;
    const live = session.store.getState().show?.phase.kind === 'live';
    if (!live && document.readyState !== 'complete') return;
    video.srcObject = stream;
    void play();
  };
  addEventListener('load', attach, { signal });

  const put = (kind: 'video' | 'audio', next: MediaStreamTrack | null) => {
    const old = stream.getTracks().find((track) => track.kind === kind);
    if (old === next || (!old && !next)) return;
    // The last picture stays until another one is there.
    if (!next && kind === 'video') return;
    if (next) stream.addTrack(next);
    if (old) stream.removeTrack(old);
    if (video.srcObject) void play();
  };
  const putTracks = () => {
    const { program } = session.store.getState();
    put('video', program.video);
    // A muted element still runs a sound card for its track: a page that opens muted does without.
    put('audio', store.getState().sound === 'on' ? program.audio : null);
  };
  const stopFollowing = session.store.subscribe((state, before) => {
    if (state.program !== before.program) putTracks();
    if (state.show !== before.show) attach();
  });
  putTracks();
  attach();

  video.addEventListener(
    'resize',
    () => {
      if (video.videoWidth === 0) return;
      store.setState({ hasFrame: true });
      // The director may send portrait, and the standby clip is wide: the frame follows what is shown.
      frame.dataset['shape'] = video.videoHeight > video.videoWidth ? 'tall' : 'wide';
    },
    { signal },
  );
  // Some systems pause a video of a hidden page and leave it paused.
  document.addEventListener(
    'visibilitychange',
    () => {
      if (document.visibilityState !== 'visible') return;
      if (video.paused) void play();
      void keepAwake();
    },
    { signal },
  );

  const size = new ResizeObserver(([entry]) => {
    if (!entry) return;
    const { width, height } = entry.contentRect;
    const shown = Math.min(height, width / programAspect) * devicePixelRatio;
    if (shown > 0) session.preferLayer(Math.round(shown));
  });
  size.observe(frame);

  // A phone that dims in the middle of a drop loses a buyer.
  let wakeLock: WakeLockSentinel | null = null;
  const keepAwake = async () => {
    if (!('wakeLock' in navigator) || document.visibilityState !== 'visible') return;
    if (wakeLock && !wakeLock.released) return;
    try {
      wakeLock = await navigator.wakeLock.request('screen');
    } catch {
      wakeLock = null; // Low battery or a policy: the show goes on with the system's own dimming.
    }
  };
  video.addEventListener('playing', () => void keepAwake(), { signal });

  const report = async () => {
    const { connection, show } = session.store.getState();
    if (connection.kind !== 'joined' || show?.phase.kind !== 'live') return;
    const stats = await session.programStats();
    if (!stats || closed) return;
    const { delayMs, fps, height, freezes } = stats;
    await session.call('reportPlayback', {
      delayMs: delayMs === null ? null : Math.min(60_000, delayMs),
      fps: Math.min(240, fps),
      height,
      freezes,
    });
  };
  const reporting = setInterval(() => {
    report().catch((error: unknown) => {
      // A report lost in an outage is not worth repeating; the next one says the same.
      if (!(error instanceof AppError)) reportError(error);
    });
  }, reportEveryMs);

  return {
    store,
    setSound: (sound) => {
      video.muted = sound === 'off';
      session.setSound(sound);
      store.setState({ sound });
      putTracks();
      void play();
    },
    toggleFullscreen: () => {
      const done = document.fullscreenElement ? document.exitFullscreen() : frame.requestFullscreen();
      done.catch(() => {}); // Refused by the browser or not there (iPhone): the page stays as it is.
    },
    close: () => {
      if (closed) return;
      closed = true;
      stopping.abort();
      stopFollowing();
      session.countFrames(null);
      size.disconnect();
      clearInterval(reporting);
      void wakeLock?.release();
      video.srcObject = null;
    },
  };
};
