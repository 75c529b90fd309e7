// The page of the synthetic studio: the product's own session publishes a drawn picture and a tone.
// Driven from the test process through `globalThis.studio`; index.ts bundles and serves it.
import { AppError } from '../../../sfu-server/protocol/errors.ts';
import type { ShowRequest } from '../../../sfu-server/protocol/messages.ts';
import {
  createSession,
  type Publication,
  type Subscription,
  type Tracks,
} from '../../../renderer/session/session.ts';

export type SyntheticStudioOptions = { key: string; width?: number; height?: number; layers?: 1 | 2 | 3 };

/** Bars that move, and the wall clock in 24 squares: a picture that is never the same twice and can be read back. */
const draw = (context: CanvasRenderingContext2D, width: number, height: number) => {
  const now = Math.floor(performance.timeOrigin + performance.now());
  const clock = now % 2 ** 24;
  context.fillStyle = '#203a66';
  context.fillRect(0, 0, width, height);
  const cell = width / 26;
  for (let bit = 0; bit < 24; bit += 1) {
    context.fillStyle = (clock >> bit) & 1 ? '#fff' : '#000';
    context.fillRect((bit + 1) * cell, height * 0.2, cell, height * 0.3);
  }
  context.fillStyle = '#e8b04b';
  context.fillRect(((now / 8) % (width + 80)) - 80, height * 0.62, 80, height * 0.2);
};

/** What no encoder can foresee: the picture then takes all the bandwidth it may. */
const drawGrain = (context: CanvasRenderingContext2D, width: number, height: number) => {
  const grain = width / 64;
  for (let y = height / 2; y < height; y += grain) {
    for (let x = 0; x < width; x += grain) {
      context.fillStyle = `hsl(${Math.floor(Math.random() * 360)} 60% 50%)`;
      context.fillRect(x, y, grain, grain);
    }
  }
};

/** A drawn picture and a tone, until closed. */
const openSource = (width: number, height: number) => {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This browser cannot draw.');
  let picture: 'calm' | 'busy' = 'calm';
  const drawing = setInterval(() => {
    draw(context, width, height);
    if (picture === 'busy') drawGrain(context, width, height);
  }, 1000 / 30);
  draw(context, width, height);
  const audioContext = new AudioContext();
  const destination = audioContext.createMediaStreamDestination();
  const tone = new OscillatorNode(audioContext, { frequency: 440 });
  const level = new GainNode(audioContext, { gain: 0.2 });
  tone.connect(level).connect(destination);
  tone.start();
  const video = canvas.captureStream(30).getVideoTracks()[0];
  const audio = destination.stream.getAudioTracks()[0];
  if (!video || !audio) throw new Error('Nothing to send.');
  return {
    video,
    audio,
    show: (wanted: typeof picture) => {
      picture = wanted;
    },
    close: () => {
      clearInterval(drawing);
      void audioContext.close();
    },
  };
};

const openStudio = async (options: SyntheticStudioOptions) => {
  const { key, width = 640, height = 360, layers = 2 } = options;
  const session = createSession({ identity: { as: 'studio', key }, media: true });
  const source = openSource(width, height);
  const sent: Publication[] = await Promise.all([
    session.publish(source.video, { kind: 'program' }, { layers, maxKbps: 800 }),
    session.publish(source.audio, { kind: 'program' }, { maxKbps: 96 }),
  ]);
  return {
    session,
    source,
    sent,
    close: () => {
      source.close();
      session.close();
    },
  };
};

/** A co-host who sends, and listens to the mix made for them. */
const openGuest = async (token: string) => {
  const session = createSession({ identity: { as: 'cohost', token }, media: true });
  const source = openSource(320, 180);
  const mix = await session.subscribe({ kind: 'mixMinus' });
  const sent: Publication[] = await Promise.all([
    session.publish(source.video, { kind: 'guest' }, { maxKbps: 300 }),
    session.publish(source.audio, { kind: 'guest' }, { maxKbps: 64 }),
  ]);
  return {
    session,
    source,
    sent,
    mix,
    close: () => {
      source.close();
      session.close();
    },
  };
};

/** Resolves when the subscription's tracks are as `wanted` says, such as "video+audio" or "none". */
const tracksBecome = (subscription: Subscription, wanted: string): Promise<void> =>
  new Promise((resolve) => {
    const check = ({ video, audio }: Tracks) => {
      const have = [video && 'video', audio && 'audio'].filter(Boolean).join('+') || 'none';
      if (have !== wanted) return;
      stop();
      resolve();
    };
    const stop = subscription.onTracks(check);
    check(subscription.tracks);
  });

/** Resolves once this many frames of a track have been on screen. */
const framesOf = async (track: MediaStreamTrack, count: number): Promise<number> => {
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = new MediaStream([track]);
  document.body.append(video);
  await video.play();
  for (let seen = 0; seen < count; seen += 1) {
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  }
  video.remove();
  return count;
};

/** Puts the show on air as soon as the server takes picture and sound for ready. On a busy machine that may come and go. */
const goLive = async (session: ReturnType<typeof createSession>): Promise<void> => {
  for (;;) {
    await mediaReady(session);
    try {
      await session.call('goLive', {});
      return;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'noPicture') throw error;
      // The next word on health tells whether it is ready again.
      await new Promise<void>((resolve) => {
        const stop = session.store.subscribe((state, before) => {
          if (state.health === before.health) return;
          stop();
          resolve();
        });
      });
    }
  }
};

/** Resolves once the server calls the studio's media ready. */
const mediaReady = async (session: ReturnType<typeof createSession>): Promise<void> =>
  new Promise((resolve) => {
    const check = () => {
      if (session.store.getState().health?.studioMedia !== 'ready') return;
      stop();
      resolve();
    };
    const stop = session.store.subscribe(check);
    check();
  });

type Studio = Awaited<ReturnType<typeof openStudio>>;
const page = {
  createSession,
  openStudio,
  openGuest,
  tracksBecome,
  framesOf,
  mediaReady,
  goLive,
  open: null as Studio | null,
  guest: null as Awaited<ReturnType<typeof openGuest>> | null,
  subscription: null as Subscription | null,
  /** As the open studio; the parameters were checked by the test's own types. */
  call: async (name: ShowRequest, json: string): Promise<unknown> => {
    if (!page.open) throw new Error('The studio is not open.');
    return page.open.session.call(name, JSON.parse(json));
  },
};
export type SyntheticStudioPage = typeof page;
Object.assign(globalThis, { syntheticStudio: page });
