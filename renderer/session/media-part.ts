// The contract between a session and its lazily loaded media part, and the media types pages use. Types and numbers only:
// importing this never pulls the media code into a page.
import type { StoreApi } from 'zustand/vanilla';
import type { Clock } from '../../sfu-server/protocol/channel.ts';
import type { RtpCapabilities } from '../../sfu-server/protocol/media.ts';
import type {
  ConsumeTarget,
  Joined,
  ProducerUse,
  Receiving,
  ShowParamsInput,
  ShowRequest,
  ShowResult,
} from '../../sfu-server/protocol/messages.ts';
import type { Jump } from './ladder.ts';
import type { SessionState } from './session.ts';

export type Tracks = { video: MediaStreamTrack | null; audio: MediaStreamTrack | null };

export type PublishOptions = {
  /** Simulcast layers of a video, each half the size of the next; 1 when left out. */
  layers?: 1 | 2 | 3;
  /** Of the top layer (video) or the whole stream (audio), in kbit/s. */
  maxKbps?: number;
};

/** A stream this page sends. It survives reconnects and restarts of the media node by being produced again. */
export interface Publication {
  /** Sends another track from now on, without the receivers noticing more than the change of content. */
  replaceTrack(track: MediaStreamTrack): Promise<void>;
  /** `spare`: half the size and a third of the frames, for a picture that only the crew sees. Sound is not changed. */
  setEffort(effort: 'full' | 'spare'): Promise<void>;
  /** Null while it is not being sent. */
  stats(): Promise<RTCStatsReport | null>;
  /** Idempotent. The track itself is the caller's and goes on. */
  close(): void;
}

/** What a target sends, as it comes and goes. */
export interface Subscription {
  readonly tracks: Tracks;
  /** Called with every change from now on; returns its own unsubscribe. */
  onTracks(listener: (tracks: Tracks) => void): () => void;
  close(): void;
}

/** The program as this page plays it. */
export type ProgramStats = {
  fps: number;
  width: number;
  height: number;
  /** Sending node to screen: half the round trip, jitter buffer and decoding. Null until frames have been decoded. */
  delayMs: number | null;
  /** Since the page was opened. */
  freezes: number;
  rttMs: number | null;
  kbps: number;
};

/** Bit/s of each layer, low to high: a quarter of the pixels looks as good with some 28 % of the bits. */
export const layerBitrates = (layers: number, maxKbps: number): number[] =>
  Array.from({ length: layers }, (_, layer) => Math.round(maxKbps * 1000 * 0.28 ** (layers - 1 - layer)));

/** A way between this page and the server's announced address. */
export type Way = 'udp' | 'tcp';

/** `full` fills the line as far as the server lets a studio; `quick` only sees whether a show would come through. */
export type LoopEffort = 'quick' | 'full';

/** What a picture sent to the server and back met. `limit`: whether the line carried no more, or the test sent no more.
 *  `lossPct`: 0-100 over both directions. */
export type LoopReport = { way: Way; address: string; port: number } & (
  | { kind: 'shut' }
  | { kind: 'open'; kbps: number; limit: 'line' | 'test'; lossPct: number; rttMs: number }
);

export type MediaHost = {
  clock: Clock;
  store: StoreApi<SessionState>;
  call<N extends ShowRequest>(name: N, params: ShowParamsInput<N>): Promise<ShowResult<N>>;
  random: () => number;
  /** How long the server has owed its oldest answer; 0 when it owes none. */
  unansweredForMs: () => number;
  /** Leaves this connection for a new one, by resume token, at once. */
  renew: () => void;
};

export type MediaSnapshot = {
  receive: {
    transport: string;
    consumers: number;
    feeds: number;
    recoveries: number;
    /** Where the program stands on the recovery ladder; how many rungs were tried; how often it was brought back to live. */
    ladder: string;
    tried: number;
    broughtBack: number;
  };
  send: { transport: string; publications: number; sending: number; recoveries: number; ladder: string };
};

export interface MediaPart {
  /** Learns what the server's routers can do; resolves with what this browser can receive of it. */
  prepare(offered: RtpCapabilities): Promise<RtpCapabilities>;
  joined(joined: Joined): void;
  /** `receiving`: the new path, where the server has opened it already. */
  reset(what: { receive: boolean; send: boolean; receiving: Receiving | null }): void;
  consumerClosed(consumerId: string): void;
  mixMinusChanged(): void;
  publish(track: MediaStreamTrack, use: ProducerUse, options?: PublishOptions): Promise<Publication>;
  subscribe(target: ConsumeTarget): Subscription;
  /** Since the last call, up to when the program was last looked at: a second ago at most while all is well. */
  programStats(): ProgramStats | null;
  countFrames(counter: (() => number) | null): void;
  preferLayer(height: number): void;
  setSound(sound: 'off' | 'on'): void;
  /** Studio only: sends a picture to the server and back. See loop.ts. */
  measureLoop(way: Way, effort: LoopEffort): Promise<LoopReport>;
  /** Something has happened to the page or its network: straight to the right rung. */
  jump(why: Jump): void;
  close(): void;
  snapshot(): MediaSnapshot;
}
