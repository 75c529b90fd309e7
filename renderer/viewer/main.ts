// Entry of the fan page: session and picture at once, the interface as soon as it has loaded.
// Kept free of React on purpose, so that the first frame waits for nothing it does not need.
import * as z from 'zod/mini';
import { showId } from '../../sfu-server/protocol/state.ts';
import { createSession } from '../session/session.ts';
import { pageClock } from '../session/socket.ts';
import { playProgram } from './playing.ts';
import { keepStandbyCopy } from './standby-copy.ts';

const interfaceAfterMs = 1_000;

const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}.`);
  return found;
};

const videoElement = (id: string): HTMLVideoElement => {
  const found = element(id);
  if (!(found instanceof HTMLVideoElement)) throw new Error(`#${id} is not a video.`);
  return found;
};

// An address without a show is answered by the server: there is no show there.
const parsed = z.safeParse(showId, decodeURIComponent(location.pathname.split('/')[2] ?? ''));
const session = createSession({
  identity: { as: 'viewer', showId: parsed.success ? parsed.data : z.parse(showId, 'none') },
  media: true,
});
const playing = playProgram(session, videoElement('program'), element('frame'));
const standbyVideo = videoElement('standby');
const standby = keepStandbyCopy({
  session,
  playing,
  video: standbyVideo,
  url: ({ show }) => show?.standby.fallbackUrl ?? null,
  clock: pageClock,
});

/** The picture first: the interface comes with the first frame, or as soon as it is clear that there will be none soon. */
const pictureOrReason = new Promise<void>((resolve) => {
  const look = () => {
    const { connection, show } = session.store.getState();
    const live = show === null || show.phase.kind === 'live';
    if (live && connection.kind !== 'refused' && !playing.store.getState().hasFrame) return;
    stopSession();
    stopPlaying();
    clearTimeout(patience);
    resolve();
  };
  const stopSession = session.store.subscribe(look);
  const stopPlaying = playing.store.subscribe(look);
  const patience = setTimeout(resolve, interfaceAfterMs);
});
await pictureOrReason;
const { mountInterface } = await import('./interface.tsx');
mountInterface({ session, playing, standby, overlay: element('overlay'), beside: element('beside') });

addEventListener('pagehide', (event) => {
  if (event.persisted) return; // It may come back, and then reconnects by itself.
  standby.close();
  playing.close();
  session.close();
});
