// The program bus: one video and one audio producer that fans consume, fed by whichever source is on air.
// It relays packets of the studio and of the standby clip with continuous numbers (layer-rewriter.ts), carries
// out the chooser's decisions at key frames, authors sender reports, forwards key frame requests and watches
// for silence, all in the media node's thread. Who may watch and how packets reach them is mediasoup's.
//
// A *feed* is one incoming RTP stream (source, kind, layer); a *layer* is one outgoing stream. Each layer is
// owned by the feed it relays. A switch changes what is wanted; a layer changes owner at the wanted feed's
// next key frame and relays the old owner until then; audio follows the first video layer.
// Clock: docs/decisions/0003-program-clock.md.

import { randomInt } from 'node:crypto';
import type { types } from 'mediasoup';
import type { VideoCodec } from '../protocol/media.ts';
import { Chooser, type Decision, type ProgramLock, type StudioMediaState } from './chooser.ts';
import { LayerRewriter, type Rewritten } from './layer-rewriter.ts';
import type { IngestHealth } from './node-api.ts';
import {
  circularDistance,
  clockRateHz,
  programTimestamp,
  readRtcp,
  readRtpHeader,
  startsKeyFrame,
  writeSenderReport,
  type ProgramCodec,
} from './rtp.ts';
import { StandbyPlayer, type StandbyClip } from './standby.ts';
import { StudioIngest, createFeed, isFlowing, noteArrival, type Feed, type Kind } from './studio-ingest.ts';

/** One outgoing RTP stream of the program. */
type Layer = {
  readonly kind: Kind;
  readonly index: number;
  readonly codec: ProgramCodec;
  readonly rewriter: LayerRewriter;
  owner: Feed | undefined;
  /** The owner before: stragglers of its may still fill holes. */
  previous: Feed | undefined;
  /** How far the owner's timestamps are ahead of program time, smoothed; `undefined` until known. */
  aheadMs: number | undefined;
};

export type ProgramBusOptions = {
  readonly router: types.Router;
  readonly codec: VideoCodec;
  /** Simulcast layers, 1-3, low to high. */
  readonly layers: number;
  /** The first one; `setStandby` puts another in its place. Without a clip the studio stays on air whatever happens. */
  readonly standby?: StandbyClip | undefined;
  readonly onProgram: (decision: Decision) => void;
  readonly onStudioMedia: (state: StudioMediaState) => void;
  /** For what should not happen but must not stop the program. */
  readonly warn: (message: string, cause?: unknown) => void;
};

/** The watchdog's step: a fraction of the silence it looks for. */
const watchMs = 20;
/** A watchdog that comes this late was stalled itself. */
const stallMs = 80;
const senderReportMs = 500;
/**
 * Key frames cost bandwidth: requests closer together than this are answered by one. Chromium ignores those less than
 * 300 ms after its last key frame (its `EncoderRtcpFeedback`), and mediasoup then asks again only after a second: a switch
 * would take that second. So none is asked for that soon after one was asked for, nor after one came.
 */
const keyFrameIntervalMs = 330;
/**
 * The same key frame begins on all layers within this, also where the sender is short of breath; the next comes later. Taken for
 * another, a layer's would be the answer to somebody who asked after theirs had gone by: they would wait for a second.
 */
const oneKeyFrameMs = 250;
/** Sound and picture captured together never arrive further apart than this; beyond it a clock is wrong. */
const maxSkewMs = 150;
/** A sound card or mixer that stalled leaves its timestamps behind for good, and reports must say so; more than this is nonsense. */
const maxReportedSkewMs = 5_000;
/**
 * How much longer the studio's sound has been on its way than its picture when both arrive together: sound waits in the mixer (35 ms quiet,
 * 60 busy), for its block (10) and for its packet to fill (20), and decodes 7 ms late; a fan's browser takes for granted that
 * sound and picture reach ear and eye equally fast, which they do not by some 20 ms. Measured at a fan's ear and eye (`npm run soak`)
 * as 80 to 125, 95 in the middle; a fan's browser leaves up to 40 ms uncorrected, mostly with the picture late, which is allowed for.
 */
export const soundUntoldMs = 85;
/** A way on which nothing comes later than this is as it was. */
const steadyMs = 30;
/** Reports jitter by a millisecond or two; clocks drift far slower. */
const aheadSmoothing = 0.3;
/** A new audience (a node that took over, an edge that was joined) may make the clip skip to a key frame this long, … */
const gatheringMs = 3_000;
/** … and this often. */
const skipIntervalMs = 150;
const ssrcBase = { audio: 0x0a00_0001, video: 0x0b00_0001 } as const satisfies Record<Kind, number>;

/** Payload types of the program, on every router alike. mediasoup itself hands out 100 and up for RTX. */
export const programPayloadType = { opus: 111, vp8: 112, h264: 113 } as const satisfies Record<
  ProgramCodec,
  number
>;

/** Parameters of the program's H.264: constrained baseline, one frame per access unit, any fragmentation. */
export const h264Parameters = {
  'packetization-mode': 1,
  'profile-level-id': '42e01f',
  'level-asymmetry-allowed': 1,
};

export class ProgramBus {
  readonly videoProducer: types.Producer;
  readonly audioProducer: types.Producer;
  readonly #options: ProgramBusOptions;
  readonly #transport: types.DirectTransport;
  readonly #chooser: Chooser;
  readonly #layers: Readonly<Record<Kind, readonly Layer[]>>;
  #clip:
    | { readonly player: StandbyPlayer; readonly feeds: Readonly<Record<Kind, readonly Feed[]>> }
    | undefined;
  readonly #timers: readonly NodeJS.Timeout[];
  #studio: StudioIngest | undefined;
  /** Counts attachments: one that took long to open must not replace a later one. */
  #attachments = 0;
  /** Program time minus capture time for everything the studio sends; fixed while it is on air. */
  #studioTransitMs: number | undefined;
  #carriedOut: Decision;
  #studioMedia: StudioMediaState = 'absent';
  #watchedMs = performance.now();
  #keyFrameAskedMs = -Infinity;
  #studioKeyFrameMs = -Infinity;
  #keyFrameTimer: NodeJS.Timeout | undefined;
  #gatheringUntilMs = -Infinity;
  #skippedMs = -Infinity;
  #skipTimer: NodeJS.Timeout | undefined;
  readonly #counts = { keyFrameRequests: 0, keyFramesAsked: 0, late: 0, jumped: 0, takeovers: 0 };
  #closed = false;

  /** Creates the program's producers; nothing is sent before `setOnAir(true)`. */
  static async create(options: ProgramBusOptions): Promise<ProgramBus> {
    const transport = await options.router.createDirectTransport();
    const videoProducer = await transport.produce({
      kind: 'video',
      rtpParameters: videoParameters(options.codec, options.layers),
      // The bus limits key frame requests itself, over all layers and viewers.
      keyFrameRequestDelay: 0,
    });
    const audioProducer = await transport.produce({ kind: 'audio', rtpParameters: audioParameters });
    return new ProgramBus(options, transport, { video: videoProducer, audio: audioProducer });
  }

  private constructor(
    options: ProgramBusOptions,
    transport: types.DirectTransport,
    producers: Readonly<Record<Kind, types.Producer>>,
  ) {
    this.#options = options;
    this.#transport = transport;
    this.videoProducer = producers.video;
    this.audioProducer = producers.audio;
    this.#chooser = new Chooser({ standbyReady: options.standby !== undefined, nowMs: performance.now() });
    this.#carriedOut = this.#chooser.decision;
    this.#layers = {
      video: Array.from({ length: options.layers }, (_, index) =>
        createLayer('video', index, codecOf(options.codec)),
      ),
      audio: [createLayer('audio', 0, 'opus')],
    };
    this.#clip = options.standby && this.#loadClip(options.standby);
    transport.on('rtcp', (packet) => this.#onFeedback(packet));
    this.#timers = [
      // After a stall of this thread timers run before what has meanwhile arrived. Let it be read first, or
      // every stall would look like a dead studio.
      setInterval(() => setImmediate(() => this.#watch()), watchMs),
      setInterval(() => this.#reportAll(), senderReportMs),
      setInterval(() => void this.#studio?.measure(performance.now()), 1000),
    ];
  }

  // ── what the control plane asks for ───────────────────────────────────────────────────────────────────

  /** Makes these producers the studio's program; earlier ones are let go. Rejects if mediasoup refuses them. */
  async attachStudio(producers: { video?: types.Producer; audio?: types.Producer }): Promise<void> {
    this.#attachments += 1;
    const attachment = this.#attachments;
    this.#releaseStudio();
    this.#decide();
    if (!producers.video) return;
    const ingest = await StudioIngest.open({
      router: this.#options.router,
      producers,
      onPacket: (feed, packet) => {
        if (this.#studio === ingest) this.#relay(feed, packet);
      },
      onProducerClosed: (kind) => {
        if (this.#studio === ingest) this.#onStudioClosed(kind);
      },
      warn: this.#options.warn,
    });
    if (this.#closed || attachment !== this.#attachments) return ingest.close();
    this.#studio = ingest;
    this.#chooser.studioAttached({ hasAudio: producers.audio !== undefined }, performance.now());
    // It may have closed while the ingest was opening.
    if (producers.video.closed) this.#releaseStudio();
    this.#decide();
  }

  /** A whole audience is about to arrive: for a moment the clip goes to a key frame when it is asked for one. */
  expectAudience(): void {
    this.#gatheringUntilMs = performance.now() + gatheringMs;
  }

  setOnAir(onAir: boolean): void {
    if (onAir) this.expectAudience();
    this.#chooser.setOnAir(onAir, performance.now());
    this.#decide();
  }

  setLock(lock: ProgramLock): void {
    this.#chooser.setLock(lock, performance.now());
    this.#decide();
  }

  /**
   * Another standby clip from now on. When it is on air the new one begins at once with a key frame for every layer, and
   * fans see a cut, not a gap. The player before is let go.
   */
  setStandby(clip: StandbyClip): void {
    if (this.#closed) return;
    const before = this.#clip;
    this.#clip = this.#loadClip(clip);
    this.#chooser.setStandbyReady(performance.now());
    const isOnAir = this.#carriedOut.source === 'standby';
    if (before?.player.isPlaying && isOnAir) this.#clip.player.start();
    // Everything it owned was taken over by the first frames of the new one.
    before?.player.close();
    for (const layer of this.#allLayers()) {
      if (layer.owner?.source === 'standby' && !this.#isOfClip(layer.owner)) layer.owner = undefined;
    }
    this.#decide();
  }

  /** What fans get now, and why. */
  get decision(): Decision {
    return this.#carriedOut;
  }

  get studioMedia(): StudioMediaState {
    return this.#studioMedia;
  }

  /** Health of what the studio sends over the last second; `undefined` until there is one to speak of. */
  get ingestHealth(): IngestHealth | undefined {
    return this.#studio?.health;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#keyFrameTimer);
    clearTimeout(this.#skipTimer);
    this.#clip?.player.close();
    this.#studio?.close();
    this.#transport.close();
  }

  snapshot() {
    const layerState = ({ index, owner, rewriter, aheadMs }: Layer) => ({
      index,
      owner: owner ? `${owner.source}/${owner.layer}` : null,
      ...rewriter.counts,
      aheadMs: Math.round((aheadMs ?? 0) * 10) / 10,
    });
    return {
      closed: this.#closed,
      chooser: this.#chooser.snapshot(performance.now()),
      video: this.#layers.video.map(layerState),
      audio: this.#layers.audio.map(layerState),
      studio: this.#studio?.snapshot() ?? null,
      standby: this.#clip?.player.snapshot() ?? null,
      counts: { ...this.#counts },
    };
  }

  // ── one packet ────────────────────────────────────────────────────────────────────────────────────────

  /** `dueMs`: the program time of this packet's frame, where it is known exactly (the clip). */
  #relay(feed: Feed, packet: Buffer, dueMs?: number): void {
    const header = readRtpHeader(packet);
    if (!header) return;
    const nowMs = performance.now();
    const layers = this.#layers[feed.kind];
    const codec = layers[0]?.codec ?? 'opus';
    const isKeyFrame = startsKeyFrame(codec, packet.subarray(header.payloadAt, header.payloadEnd));
    noteArrival(feed, header, nowMs);
    if (feed.source === 'studio') {
      if (feed.kind === 'video' && isKeyFrame) {
        this.#answerWaiting(nowMs);
        this.#chooser.keyFrame(nowMs);
      } else this.#chooser.heard(feed.kind, nowMs);
    }
    for (const layer of layers) {
      if (isKeyFrame && layer.owner !== feed && this.#mayTakeOver(layer, feed)) {
        this.#takeOver(layer, feed, packet, dueMs ?? this.#programTime(feed, header.timestamp, nowMs));
      }
      if (layer.owner === feed) this.#send(layer, this.#account(layer, layer.rewriter.rewrite(packet)));
      else if (layer.previous === feed) this.#send(layer, layer.rewriter.rewriteRetired(packet));
    }
  }

  #mayTakeOver(layer: Layer, feed: Feed): boolean {
    if (this.#wantedFeed(layer) !== feed) return false;
    // Sound comes with its picture: as soon as one video layer has switched.
    return layer.kind === 'video' || this.#layers.video.some(({ owner }) => owner?.source === feed.source);
  }

  #takeOver(layer: Layer, feed: Feed, packet: Buffer, programMs: number): void {
    const begun = layer.rewriter.begin(packet, programTimestamp(programMs, layer.codec));
    if (begun === 'begun') {
      layer.previous = layer.owner;
      layer.owner = feed;
      layer.aheadMs = undefined;
      this.#counts.takeovers += 1;
      // Viewers can move to a layer only once they know its clock: tell them with its first packet.
      setImmediate(() => this.#report(layer));
    } else {
      // The new sound repeats time already sent. Silence the old meanwhile, or the new never catches up.
      layer.owner = undefined;
    }
  }

  /** Takes note of what could not be sent; a sender that began anew is taken over again at its next key frame. */
  #account(layer: Layer, rewritten: Rewritten): Rewritten {
    if (rewritten === 'late') this.#counts.late += 1;
    if (rewritten === 'jumped') {
      this.#counts.jumped += 1;
      layer.owner = undefined;
    }
    return rewritten;
  }

  #send(layer: Layer, rewritten: Rewritten): void {
    if (typeof rewritten === 'string') return;
    const producer = layer.kind === 'video' ? this.videoProducer : this.audioProducer;
    if (!producer.closed) producer.send(rewritten);
  }

  // ── time ──────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Program time (node's monotonic ms) of a studio frame: its capture plus the shortest way the studio's
   * *video* has had, for picture and sound alike, so that they stay as far apart as they were captured.
   */
  #programTime(feed: Feed, timestamp: number, nowMs: number): number {
    const earliestMs = feed.clock.earliestArrivalMs(timestamp) ?? nowMs;
    const programMs = this.#capturedAtProgramMs(feed, timestamp);
    if (programMs === undefined) return earliestMs;
    // A sender whose clocks are nonsense must not tear sound and picture apart.
    return Math.max(earliestMs - maxSkewMs, Math.min(earliestMs + maxSkewMs, programMs));
  }

  /** When it was captured, in program time; `undefined` for a picture before its sender's first report. */
  #capturedAtProgramMs(feed: Feed, timestamp: number): number | undefined {
    this.#studioTransitMs ??= this.#studio?.shortestVideoTransitMs;
    const transitMs = this.#studioTransitMs;
    if (feed.kind === 'video') {
      const captureMs = feed.clock.captureMs(timestamp);
      return captureMs === undefined || transitMs === undefined ? undefined : captureMs + transitMs;
    }
    const quickestMs = this.#studio?.quickestVideoTransitMs(performance.now());
    const latelyMs = this.#studio?.shortestVideoTransitMs;
    const isSteady = quickestMs !== undefined && latelyMs !== undefined && latelyMs - quickestMs < steadyMs;
    const arrivedMs = feed.clock.quickestArrivalMs(timestamp, isSteady ? 'steady' : 'unsteady');
    if (arrivedMs === undefined) return undefined;
    // The quickest sound came as the quickest picture did; that one's place in program time is known.
    const pictureMs = transitMs === undefined || quickestMs === undefined ? 0 : transitMs - quickestMs;
    return arrivedMs + pictureMs - soundUntoldMs;
  }

  #reportAll(): void {
    for (const layer of this.#allLayers()) this.#report(layer);
  }

  /**
   * A sender report. Program timestamps are the node's clock; where a layer is ahead of that or behind (its
   * sender's clocks drift, its reports came late, its start was pushed back), the report tells the truth, and
   * viewers keep lips in sync without any timestamp on air being bent.
   */
  #report(layer: Layer): void {
    if (this.#closed || !layer.owner) return;
    const nowMs = performance.now();
    const measuredMs = this.#measureAheadMs(layer, layer.owner);
    if (measuredMs !== undefined) {
      const before = layer.aheadMs ?? measuredMs;
      layer.aheadMs = before + (measuredMs - before) * aheadSmoothing;
    }
    this.#transport.sendRtcp(
      writeSenderReport({
        ssrc: layer.rewriter.ssrc,
        unixMs: performance.timeOrigin + nowMs,
        timestamp: programTimestamp(nowMs + (layer.aheadMs ?? 0), layer.codec),
        ...layer.rewriter.counts,
      }),
    );
  }

  #measureAheadMs(layer: Layer, owner: Feed): number | undefined {
    if (owner.lastTimestamp === undefined) return undefined;
    const stamped = layer.rewriter.timestampFor(owner.lastTimestamp);
    if (stamped === undefined) return undefined;
    // The clip's own timestamps are program time.
    const programMs = this.#capturedAtProgramMs(owner, owner.lastTimestamp);
    if (owner.source === 'studio' && programMs === undefined) return undefined;
    const truth = programMs === undefined ? owner.lastTimestamp : programTimestamp(programMs, layer.codec);
    const aheadMs = (circularDistance(truth, stamped, 32) * 1000) / clockRateHz[layer.codec];
    const pictureMs =
      layer.kind === 'audio'
        ? this.#layers.video.find((each) => each.owner?.source === owner.source)?.aheadMs
        : undefined;
    return pictureMs === undefined
      ? aheadMs
      : Math.max(pictureMs - maxReportedSkewMs, Math.min(pictureMs + maxReportedSkewMs, aheadMs));
  }

  // ── decisions ─────────────────────────────────────────────────────────────────────────────────────────

  #watch(): void {
    if (this.#closed) return;
    const nowMs = performance.now();
    const stalledMs = nowMs - this.#watchedMs;
    this.#watchedMs = nowMs;
    // When this thread itself was held up, so was what it should have heard: look again in a moment.
    if (stalledMs > stallMs) return;
    this.#decide();
    const isPending = (layer: Layer) => {
      const wanted = this.#wantedFeed(layer);
      return wanted?.source === 'studio' && wanted !== layer.owner && isFlowing(wanted, nowMs);
    };
    if (this.#chooser.wantsKeyFrame || this.#layers.video.some(isPending)) this.#askForKeyFrame();
    // The clip plays on until the last layer has left it.
    const clipIsOver = this.#carriedOut.source !== 'standby' && !this.#isRelaying('standby');
    if (clipIsOver) this.#clip?.player.stop();
  }

  #decide(): void {
    if (this.#closed) return;
    const nowMs = performance.now();
    const decision = this.#chooser.decide(nowMs);
    const before = this.#carriedOut;
    if (decision !== before) {
      this.#carriedOut = decision;
      if (decision.source !== before.source) this.#carryOut(decision);
      this.#options.onProgram(decision);
    }
    const studioMedia = this.#chooser.studioMedia(nowMs);
    if (studioMedia === this.#studioMedia) return;
    this.#studioMedia = studioMedia;
    this.#options.onStudioMedia(studioMedia);
  }

  #carryOut({ source }: Decision): void {
    switch (source) {
      case 'studio':
        // A new turn on air is a new look at the clocks.
        this.#studioTransitMs = undefined;
        // A switch waits for nobody: not for the limit that viewers' requests share.
        this.#keyFrameAskedMs = -Infinity;
        this.#askForKeyFrame();
        break;
      case 'standby':
        if (this.#allLayers().every(({ owner }) => owner?.source === 'standby')) break;
        // Started anew, it brings a key frame for every layer at once. Layers it still has begin anew with it.
        for (const layer of this.#allLayers()) if (layer.owner?.source === 'standby') layer.owner = undefined;
        this.#clip?.player.start();
        break;
      case 'none':
        for (const layer of this.#allLayers()) layer.owner = undefined;
        this.#clip?.player.stop();
        break;
    }
  }

  /**
   * The feed a layer ought to relay: the one that matches it, or, where the studio has fewer layers or has
   * paused one (a busy laptop, a narrow uplink), the nearest one that flows, rather a lower than a higher.
   */
  #wantedFeed(layer: Layer): Feed | undefined {
    const { source } = this.#carriedOut;
    if (source === 'none') return undefined;
    const feeds = source === 'studio' ? this.#studio?.feeds[layer.kind] : this.#clip?.feeds[layer.kind];
    if (!feeds) return undefined;
    const top = this.#layers[layer.kind].length - 1;
    const match = top === 0 ? feeds.length - 1 : Math.round((layer.index * (feeds.length - 1)) / top);
    const matching = feeds[match];
    const nowMs = performance.now();
    if (source === 'standby' || !matching || isFlowing(matching, nowMs)) return matching;
    return (
      [...feeds.slice(0, match).toReversed(), ...feeds.slice(match + 1)].find((feed) =>
        isFlowing(feed, nowMs),
      ) ?? matching
    );
  }

  #onStudioClosed(kind: Kind): void {
    if (kind === 'video') this.#releaseStudio();
    else {
      this.#chooser.audioDetached(performance.now());
      for (const layer of this.#layers.audio) if (layer.owner?.source === 'studio') layer.owner = undefined;
    }
    this.#decide();
  }

  #releaseStudio(): void {
    const studio = this.#studio;
    if (!studio) return;
    this.#studio = undefined;
    this.#studioTransitMs = undefined;
    for (const layer of this.#allLayers()) {
      if (layer.owner?.source === 'studio') layer.owner = undefined;
      layer.previous = undefined;
    }
    studio.close();
    this.#chooser.studioDetached(performance.now());
  }

  // ── key frames ────────────────────────────────────────────────────────────────────────────────────────

  #onFeedback(packet: Buffer): void {
    if (readRtcp(packet).keyFrameRequests.length === 0) return;
    this.#counts.keyFrameRequests += 1;
    if (this.#isRelaying('studio')) return this.#askForKeyFrame();
    // The clip has a key frame every second and cannot make another; those who join one by one wait for it.
    if (performance.now() < this.#gatheringUntilMs) this.#skipToKeyFrame();
  }

  /** Asks the studio for a key frame now, or as soon as the rate limit allows. */
  #askForKeyFrame(): void {
    const lastMs = Math.max(this.#keyFrameAskedMs, this.#studioKeyFrameMs);
    const waitMs = lastMs + keyFrameIntervalMs - performance.now();
    if (waitMs > 0) {
      this.#keyFrameTimer ??= setTimeout(() => {
        this.#keyFrameTimer = undefined;
        this.#askForKeyFrame();
      }, waitMs);
      return;
    }
    if (!this.#studio) return;
    clearTimeout(this.#keyFrameTimer);
    this.#keyFrameTimer = undefined;
    this.#keyFrameAskedMs = performance.now();
    this.#counts.keyFramesAsked += 1;
    this.#studio.requestKeyFrame();
  }

  /** All layers have their key frame within a few packets: whoever asked before the first of them has been answered by it. */
  #answerWaiting(nowMs: number): void {
    const isFirst = nowMs - this.#studioKeyFrameMs > oneKeyFrameMs;
    this.#studioKeyFrameMs = nowMs;
    if (!isFirst) return;
    clearTimeout(this.#keyFrameTimer);
    this.#keyFrameTimer = undefined;
  }

  /** Lets the clip go to a key frame now, or as soon as the rate limit allows: what was asked is never forgotten. */
  #skipToKeyFrame(): void {
    const waitMs = this.#skippedMs + skipIntervalMs - performance.now();
    if (waitMs > 0) {
      this.#skipTimer ??= setTimeout(() => {
        this.#skipTimer = undefined;
        this.#skipToKeyFrame();
      }, waitMs);
      return;
    }
    this.#skippedMs = performance.now();
    this.#clip?.player.skipToKeyFrame();
  }

  #loadClip(clip: StandbyClip) {
    const feeds: Readonly<Record<Kind, readonly Feed[]>> = {
      video: Array.from(clip.layers.keys(), (index) => createFeed('standby', 'video', index)),
      audio: [createFeed('standby', 'audio', 0)],
    };
    const player = new StandbyPlayer(clip, ({ kind, layer }, packet, dueMs) => {
      const feed = feeds[kind][layer];
      if (feed) this.#relay(feed, packet, dueMs);
    });
    return { player, feeds };
  }

  #isOfClip(feed: Feed): boolean {
    return this.#clip?.feeds[feed.kind].includes(feed) ?? false;
  }

  #allLayers(): Layer[] {
    return [...this.#layers.video, ...this.#layers.audio];
  }

  #isRelaying(source: Feed['source']): boolean {
    return this.#allLayers().some(({ owner }) => owner?.source === source);
  }
}

function createLayer(kind: Kind, index: number, codec: ProgramCodec): Layer {
  const rewriter = new LayerRewriter({
    codec,
    ssrc: ssrcBase[kind] + index,
    payloadType: programPayloadType[codec],
    // Below 2^15, so that SRTP's rollover counter is not guessed wrongly at the start (RFC 3711 §3.3.1).
    firstSequenceNumber: randomInt(0x8000),
  });
  return { kind, index, codec, rewriter, owner: undefined, previous: undefined, aheadMs: undefined };
}

function codecOf(codec: VideoCodec): ProgramCodec {
  return codec === 'VP8' ? 'vp8' : 'h264';
}

const rtcp = { cname: 'program', reducedSize: true };

function videoParameters(codec: VideoCodec, layers: number): types.RtpParameters {
  const programCodec = codecOf(codec);
  return {
    codecs: [
      {
        mimeType: codec === 'VP8' ? 'video/VP8' : 'video/H264',
        payloadType: programPayloadType[programCodec],
        clockRate: clockRateHz[programCodec],
        ...(codec === 'H264' ? { parameters: h264Parameters } : {}),
        rtcpFeedback: [
          { type: 'nack' },
          { type: 'nack', parameter: 'pli' },
          { type: 'ccm', parameter: 'fir' },
        ],
      },
    ],
    encodings: Array.from({ length: layers }, (_, index) => ({
      ssrc: ssrcBase.video + index,
      // Browsers send VP8 simulcast with three temporal layers. Undeclared, mediasoup would drop two of them:
      // viewers would get a quarter of the frames.
      ...(codec === 'VP8' && layers > 1 ? { scalabilityMode: 'L1T3' } : {}),
    })),
    rtcp,
  };
}

const audioParameters: types.RtpParameters = {
  codecs: [
    {
      mimeType: 'audio/opus',
      payloadType: programPayloadType.opus,
      clockRate: clockRateHz.opus,
      channels: 2,
      // `sprop-stereo` is what makes browsers play both channels; in-band FEC hides single losses.
      parameters: { 'sprop-stereo': 1, useinbandfec: 1 },
    },
  ],
  encodings: [{ ssrc: ssrcBase.audio }],
  rtcp,
};
