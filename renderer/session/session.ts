// A page's membership of a show: joins, folds what the server says into one store, and comes back after an outage.
// Framework-free. Sound and picture are in media.ts, loaded only by pages that want them; what is shown is each page's own.
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError, closeCodes, errorTable, type CloseReason } from '../../sfu-server/protocol/errors.ts';
import {
  connectChannel,
  type ClientEnd,
  type Clock,
  type Payload,
  type Wire,
} from '../../sfu-server/protocol/channel.ts';
import { rtpCapabilities, type RtpCapabilities, type VideoCodec } from '../../sfu-server/protocol/media.ts';
import {
  showContract,
  type ConsumeTarget,
  type Health,
  type Joined,
  type ProducerUse,
  type ShowContract,
  type ShowEvent,
  type ShowParamsInput,
  type ShowRequest,
  type ShowResult,
} from '../../sfu-server/protocol/messages.ts';
import {
  applyChange,
  type GuestId,
  type ShowId,
  type ShowState,
  type StateChange,
} from '../../sfu-server/protocol/state.ts';
import type { Rung } from './ladder.ts';
import type {
  LoopEffort,
  LoopReport,
  MediaPart,
  ProgramStats,
  Publication,
  PublishOptions,
  Subscription,
  Way,
} from './media-part.ts';
import { onAwake, openSocket, pageClock, socketUrl, type Awake } from './socket.ts';

export type {
  LoopEffort,
  LoopReport,
  ProgramStats,
  Publication,
  PublishOptions,
  Subscription,
  Tracks,
  Way,
} from './media-part.ts';

/** Who this page is, taken from its own address. */
export type Identity =
  | { as: 'viewer'; showId: ShowId }
  | { as: 'cohost'; token: string }
  | { as: 'crew'; token: string }
  | { as: 'studio'; key: string };

export type Connection =
  | { kind: 'connecting' }
  | {
      kind: 'joined';
      participantId: string;
      guestId: GuestId | null;
      codec: VideoCodec;
      /** Address under which fans reach this server, no trailing slash. */
      publicOrigin: string;
      /** The server runs on the computer this page is open on. */
      sameMachine: boolean;
    }
  /** `sinceMs` on the session's clock. The show and the picture stay as last known meanwhile. */
  | { kind: 'reconnecting'; sinceMs: number; attempt: number }
  /** Final: nothing is tried until `retryNow`. `text` is a sentence for the person at the page. */
  | { kind: 'refused'; code: string; text: string };

/** Whether the program reaches this page, judged by what arrives and never by what a connection says of itself. */
export type Picture =
  | { kind: 'none' }
  | { kind: 'flowing' }
  /**
   * `trying`: what was tried last to bring it back. `owesSinceMs`: since when the server has not answered either, if so.
   * `leftAtMs`: when the server was lost in this very outage, also if it is back already; null if it was there all the time.
   */
  | {
      kind: 'stalled';
      sinceMs: number;
      trying: Rung | null;
      owesSinceMs: number | null;
      leftAtMs: number | null;
    };

/** Whether what this page sends arrives, judged by what the server says of it. */
export type SendingState =
  | { kind: 'none' }
  | { kind: 'flowing' }
  | { kind: 'stalled'; sinceMs: number; trying: Rung | null };

export type SessionState = {
  connection: Connection;
  show: ShowState | null;
  health: Health | null;
  mixMinusAvailable: boolean;
  notice: string | null;
  program: { video: MediaStreamTrack | null; audio: MediaStreamTrack | null };
  picture: Picture;
  sending: SendingState;
};

export type SessionOptions = {
  identity: Identity;
  /** False: state only, and the media code is never loaded. */
  media: boolean;
  /** Origin of the server; the page's own when left out. */
  location?: { origin: string };
  clock?: Clock;
  /** The carrier, the wake-up call and the dice; a test's own. */
  open?: (url: string) => Wire;
  awake?: (listener: (why: Awake) => void) => () => void;
  random?: () => number;
};

export type SessionSnapshot = {
  connection: Connection['kind'];
  attempt: number;
  seq: number | null;
  clockOffsetMs: number;
  violations: number;
  channel: ReturnType<ClientEnd<ShowContract>['snapshot']> | null;
  media: ReturnType<MediaPart['snapshot']> | null;
};

export interface Session {
  readonly store: StoreApi<SessionState>;
  /** Rejects with an `AppError` whose message may be shown as it is. */
  call<N extends ShowRequest>(name: N, params: ShowParamsInput<N>): Promise<ShowResult<N>>;
  /** What the server says besides the state of the show, from now on and across reconnects. Returns its own end. */
  listen<N extends ShowEvent>(name: N, listener: (payload: Payload<ShowContract, N>) => void): () => void;
  /** Resolves once the server takes the stream; from then on it comes back by itself after any outage. */
  publish(track: MediaStreamTrack, use: ProducerUse, options?: PublishOptions): Promise<Publication>;
  /** Resolves at once; tracks come and go with what the target sends. */
  subscribe(target: ConsumeTarget): Promise<Subscription>;
  /** Null without a program on this page. */
  programStats(): Promise<ProgramStats | null>;
  /** `height`: device pixels the program is shown at; a layer no larger than needed is asked for. */
  preferLayer(height: number): void;
  /** A page that shows the program counts its pictures (`null`: no longer); then the connection is asked for far less. */
  countFrames(counter: (() => number) | null): void;
  /** Whether a viewer wants the program's sound: it is not sent before. Crew pages get theirs anyway. */
  setSound(sound: 'off' | 'on'): void;
  /** Studio only: what a picture sent to the server and back meets on this way. */
  measureLoop(way: Way, effort: LoopEffort): Promise<LoopReport>;
  /** Somebody does not want to wait: the next attempt, or the next remedy for the picture, is made at once. */
  retryNow(): void;
  /** Server clock minus this page's, in milliseconds. */
  clockOffsetMs(): number;
  close(): void;
  snapshot(): SessionSnapshot;
}

/** A server that is started again is back within seconds: so many attempts stay close together. */
const briskAttempts = 12;

/**
 * Waits between attempts: doubling from 250 ms up to 1 s, and for a server that stays away up to 4 s. Each is between half and all
 * of it, so that a crowd spreads out. The studio, of which there is one and for which everybody waits, waits at most 400 ms.
 */
export const backOffMs = (attempt: number, random: number, as: Identity['as'] = 'viewer'): number => {
  const mostMs = as === 'studio' ? 400 : attempt <= briskAttempts ? 1_000 : 4_000;
  return Math.min(mostMs, 250 * 2 ** Math.min(attempt - 1, 10)) * (0.5 + random / 2);
};

const fetchCapabilities = async (origin: string): Promise<RtpCapabilities> => {
  const answer = await fetch(`${origin}/api/capabilities`);
  return z.parse(rtpCapabilities, await answer.json());
};

const refusals: Partial<Record<CloseReason, string>> = {
  revoked: errorTable.revoked.text,
  replaced: 'This link was opened in another window, so this one has stopped.',
  version: 'The show has been updated. Reload the page.',
  flood: 'This page sent too much at once and was disconnected. Reload the page.',
};

/** Before anything has come. */
export const initialSession: SessionState = {
  connection: { kind: 'connecting' },
  show: null,
  health: null,
  mixMinusAvailable: false,
  notice: null,
  program: { video: null, audio: null },
  picture: { kind: 'none' },
  sending: { kind: 'none' },
};

export const createSession = (options: SessionOptions): Session => {
  const { identity } = options;
  const clock = options.clock ?? pageClock;
  const open = options.open ?? openSocket;
  const random = options.random ?? Math.random;
  const origin = (options.location ?? location).origin;
  const store = createStore<SessionState>(() => initialSession);
  let channel: ClientEnd<ShowContract> | null = null;
  let resumeToken: string | undefined;
  let offsetMs = 0;
  let violations = 0;
  let attempt = 0;
  let cancelRetry = () => {};
  let closed = false;
  // In the order they were asked: the first is the oldest.
  const unanswered = new Set<{ atMs: number }>();

  const call: Session['call'] = async (name, params) => {
    if (!channel) throw new AppError('closed');
    const asked = { atMs: clock.now() };
    // What has a time-out of its own may take its time: it says nothing about the server.
    if (!('timeoutMs' in showContract.requests[name])) unanswered.add(asked);
    const result = await channel.call(name, params).finally(() => unanswered.delete(asked));
    // The studio is still in the show that ended: join the one just made.
    if (name === 'newShow') rejoin('done');
    return result;
  };

  const attachments = new Set<(to: ClientEnd<ShowContract>) => void>();
  const listen: Session['listen'] = (name, listener) => {
    let listening = true;
    const attach = (to: ClientEnd<ShowContract>) =>
      to.on(name, (payload) => {
        if (listening) listener(payload);
      });
    attachments.add(attach);
    if (channel) attach(channel);
    return () => {
      listening = false;
      attachments.delete(attach);
    };
  };

  const unansweredForMs = () => {
    const [oldest] = unanswered;
    return oldest ? clock.now() - oldest.atMs : 0;
  };

  // The media code is fetched while the socket opens, so that neither waits for the other.
  let mediaPart: MediaPart | null = null;
  let mediaLoading: Promise<MediaPart> | null = null;
  const loadMedia = (): Promise<MediaPart> => {
    mediaLoading ??= import('./media.ts').then(
      ({ createMedia }) => {
        mediaPart = createMedia({ clock, call, store, random, unansweredForMs, renew });
        if (closed) mediaPart.close();
        return mediaPart;
      },
      (cause: unknown) => {
        mediaLoading = null; // The next attempt fetches it anew.
        throw new AppError('mediaUnavailable', 'The player could not be loaded. Trying again.', { cause });
      },
    );
    return mediaLoading;
  };

  const joinParams = (rtpCapabilities: RtpCapabilities | null): ShowParamsInput<'join'> => {
    switch (identity.as) {
      case 'viewer':
        return { as: 'viewer', showId: identity.showId, resumeToken, rtpCapabilities };
      case 'cohost':
        return { as: 'cohost', token: identity.token, rtpCapabilities: rtpCapabilities ?? {} };
      case 'crew':
        return { as: 'crew', token: identity.token };
      case 'studio':
        return { as: 'studio', key: identity.key, rtpCapabilities: rtpCapabilities ?? {} };
    }
  };

  const refuse = (code: string, text: string) => {
    cancelRetry();
    store.setState({ connection: { kind: 'refused', code, text } });
  };

  const scheduleRetry = () => {
    attempt += 1;
    const before = store.getState().connection;
    const sinceMs = before.kind === 'reconnecting' ? before.sinceMs : clock.now();
    store.setState({ connection: { kind: 'reconnecting', sinceMs, attempt }, health: null });
    cancelRetry();
    cancelRetry = clock.after(backOffMs(attempt, random(), identity.as), connect);
  };

  const onJoined = (joined: Joined) => {
    attempt = 0;
    resumeToken = joined.resumeToken;
    const { participantId, guestId, codec, publicOrigin, sameMachine } = joined;
    store.setState({
      connection: { kind: 'joined', participantId, guestId, codec, publicOrigin, sameMachine },
      show: joined.state,
      notice: null,
      mixMinusAvailable: false, // Said again right after the join where there is one.
    });
  };

  /** One attempt: a socket, the hello, the join. Ends in `joined`, a retry, or `refused`. */
  const connect = () => {
    cancelRetry();
    const mine = connectChannel({
      contract: showContract,
      wire: open(socketUrl(origin)),
      clock,
      onViolation: () => {
        violations += 1;
      },
    });
    channel = mine;
    const current = () => channel === mine;

    // Changes may overtake the answer to `join`; they are folded into the snapshot it brings.
    let early: { seq: number; change: StateChange }[] | null = [];
    const fold = (seq: number, change: StateChange) => {
      const { show } = store.getState();
      if (show && seq > show.seq) store.setState({ show: applyChange(show, seq, change) });
    };
    mine.on('state', ({ seq, change }) => {
      if (early) early.push({ seq, change });
      else fold(seq, change);
    });
    mine.on('health', (health) => store.setState({ health }));
    mine.on('notice', ({ text }) => store.setState({ notice: text }));
    mine.on('mixMinus', ({ available }) => {
      store.setState({ mixMinusAvailable: available });
      mediaPart?.mixMinusChanged();
    });
    mine.on('mediaReset', (what) => mediaPart?.reset(what));
    mine.on('consumerClosed', ({ consumerId }) => mediaPart?.consumerClosed(consumerId));
    for (const attach of attachments) attach(mine);

    const capabilities = new Promise<RtpCapabilities>((resolve) => {
      mine.on('capabilities', ({ rtpCapabilities }) => resolve(rtpCapabilities));
    });
    const ask = async (): Promise<Joined> => {
      if (!options.media) return mine.call('join', joinParams(null));
      const [media, offered] = await Promise.all([loadMedia(), capabilities]);
      return mine.call('join', joinParams(await media.prepare(offered)));
    };
    const join = async () => {
      try {
        const joined = await ask();
        if (!current()) return;
        onJoined(joined);
        for (const { seq, change } of early ?? []) fold(seq, change);
        early = null;
        mediaPart?.joined(joined);
      } catch (error) {
        if (!current()) return; // The channel's own end has already decided what comes next.
        channel = null;
        mine.close('done');
        if (error instanceof AppError && !error.retry) return refuse(error.code, error.message);
        if (error instanceof Error) store.setState({ notice: error.message });
        scheduleRetry();
      }
    };

    mine.onClose((reason) => {
      if (!current()) return;
      offsetMs = mine.clockOffsetMs();
      channel = null;
      if (closed) return;
      if (closeCodes[reason].reconnect) return scheduleRetry();
      refuse(reason, refusals[reason] ?? 'The server closed the connection. Reload the page.');
    });

    void join();
  };

  /** `lost`: the earlier connection's media may go on until this one has its own; `done`: it is over. */
  const rejoin = (why: 'lost' | 'done') => {
    const old = channel;
    channel = null;
    old?.close(why);
    if (!closed) connect();
  };

  /** The show and the picture stay as last known until the new connection has joined. */
  const renew = () => {
    const { connection } = store.getState();
    if (closed || connection.kind === 'refused') return;
    if (connection.kind === 'joined') {
      store.setState({
        connection: { kind: 'reconnecting', sinceMs: clock.now(), attempt: 1 },
        health: null,
      });
    }
    rejoin('lost');
  };

  const retryNow = () => {
    const { kind } = store.getState().connection;
    if (closed || kind === 'connecting') return;
    if (kind === 'joined') return mediaPart?.jump('asked');
    if (kind === 'refused') store.setState({ connection: { kind: 'connecting' } });
    rejoin('lost');
  };
  const stopListening = (options.awake ?? onAwake)((why) => {
    const { kind } = store.getState().connection;
    // Only a wait is cut short: an attempt on its way keeps its socket.
    if (kind === 'reconnecting' && !channel) retryNow();
    else if (kind === 'joined') mediaPart?.jump(why);
  });

  // The browser takes its time to say what it can play: it is asked while the socket opens. Only a head start, so that a
  // failure is nobody's business: the socket says the same.
  if (options.media) {
    Promise.all([loadMedia(), fetchCapabilities(origin)])
      .then(([media, offered]) => media.prepare(offered))
      .catch(() => {});
  }
  connect();

  return {
    store,
    call,
    listen,
    publish: async (track, use, publishOptions) => (await loadMedia()).publish(track, use, publishOptions),
    subscribe: async (target) => (await loadMedia()).subscribe(target),
    programStats: async () => (mediaPart ? mediaPart.programStats() : null),
    countFrames: (counter) => {
      void loadMedia().then(
        (media) => media.countFrames(counter),
        () => {}, // Loading is reported by the attempt that waits for it.
      );
    },
    preferLayer: (height) => {
      void loadMedia().then(
        (media) => media.preferLayer(height),
        () => {}, // Asked again by the page when its size changes; loading is reported by the attempt that waits.
      );
    },
    measureLoop: async (way, effort) => (await loadMedia()).measureLoop(way, effort),
    setSound: (sound) => {
      void loadMedia().then(
        (media) => media.setSound(sound),
        () => {}, // Loading is reported by the attempt that waits for it.
      );
    },
    retryNow,
    clockOffsetMs: () => channel?.clockOffsetMs() ?? offsetMs,
    close: () => {
      if (closed) return;
      closed = true;
      cancelRetry();
      stopListening();
      mediaPart?.close();
      channel?.close('done');
      channel = null;
    },
    snapshot: () => ({
      connection: store.getState().connection.kind,
      attempt,
      seq: store.getState().show?.seq ?? null,
      clockOffsetMs: channel?.clockOffsetMs() ?? offsetMs,
      violations,
      channel: channel?.snapshot() ?? null,
      media: mediaPart?.snapshot() ?? null,
    }),
  };
};
