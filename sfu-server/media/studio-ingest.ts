// What the studio sends, tapped into this thread: its producers consumed on a direct transport, packets told
// apart by layer, sender reports turned into a clock per stream, health measured once a second.
// Whether it goes on air, and as what, is program-bus.ts's and chooser.ts's business.

import type { types } from 'mediasoup';
import { IngestClock } from './ingest-clock.ts';
import type { IngestHealth } from './node-api.ts';
import { clockRateHz, unixMsFromNtp, type RtpHeader } from './rtp.ts';

export type Kind = 'audio' | 'video';

/** One incoming RTP stream (source, kind, layer) and what is known about it. */
export type Feed = {
  readonly source: 'studio' | 'standby';
  readonly kind: Kind;
  readonly layer: number;
  readonly clock: IngestClock;
  /** Monotonic ms; `-Infinity` before the first packet. */
  lastPacketMs: number;
  payloadBytes: number;
  frames: number;
  lastTimestamp: number | undefined;
};

export function createFeed(source: Feed['source'], kind: Kind, layer: number): Feed {
  return {
    source,
    kind,
    layer,
    clock: new IngestClock(kind === 'audio' ? clockRateHz.opus : clockRateHz.vp8),
    lastPacketMs: -Infinity,
    payloadBytes: 0,
    frames: 0,
    lastTimestamp: undefined,
  };
}

/** Notes a packet's arrival in its feed. */
export function noteArrival(feed: Feed, header: RtpHeader, nowMs: number): void {
  feed.lastPacketMs = nowMs;
  feed.payloadBytes += header.payloadEnd - header.payloadAt;
  if (header.timestamp !== feed.lastTimestamp) feed.frames += 1;
  feed.lastTimestamp = header.timestamp;
  if (feed.source === 'studio') feed.clock.arrived(header.timestamp, nowMs);
}

/** A simulcast layer that sent nothing for this long is not being sent. */
const layerSilentMs = 400;

export function isFlowing(feed: Feed, nowMs: number): boolean {
  return nowMs - feed.lastPacketMs <= layerSilentMs;
}

const least = (values: readonly (number | undefined)[]): number | undefined => {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
};

/** Of streams that tell the same time; one that is paused says nothing of the way now, unless all are. */
export const quickestTransitMs = (feeds: readonly Feed[], nowMs: number): number | undefined => {
  const flowing = feeds.filter((feed) => isFlowing(feed, nowMs));
  return least((flowing.length > 0 ? flowing : feeds).map(({ clock }) => clock.quickestTransitMs()));
};

export type StudioProducers = Readonly<Partial<Record<Kind, types.Producer>>>;

export type StudioIngestOptions = {
  readonly router: types.Router;
  readonly producers: StudioProducers;
  readonly onPacket: (feed: Feed, packet: Buffer) => void;
  /** A producer of the studio closed: it will send no more. Not called after `close()`. */
  readonly onProducerClosed: (kind: Kind) => void;
  readonly warn: (message: string, cause?: unknown) => void;
};

type Totals = {
  readonly atMs: number;
  readonly received: number;
  readonly lost: number;
  readonly feeds: ReadonlyMap<Feed, readonly [bytes: number, frames: number]>;
};

export class StudioIngest {
  readonly feeds: Readonly<Record<Kind, readonly Feed[]>>;
  readonly #options: StudioIngestOptions;
  readonly #transport: types.DirectTransport;
  readonly #consumers: Partial<Record<Kind, types.Consumer>> = {};
  /** Which layer a sender's SSRC is; learnt from statistics, because with rids it is not known before. */
  readonly #layerOfSsrc = new Map<number, number>();
  #learning = false;
  #totals: Totals | undefined;
  #health: IngestHealth | undefined;
  #closed = false;

  /** Packets flow as soon as this resolves. Rejects if mediasoup refuses the producers. */
  static async open(options: StudioIngestOptions): Promise<StudioIngest> {
    const ingest = new StudioIngest(options, await options.router.createDirectTransport());
    try {
      await Promise.all([ingest.#tap('video'), ingest.#tap('audio')]);
    } catch (error) {
      ingest.close();
      throw error;
    }
    return ingest;
  }

  private constructor(options: StudioIngestOptions, transport: types.DirectTransport) {
    this.#options = options;
    this.#transport = transport;
    const feeds = (kind: Kind) =>
      (options.producers[kind]?.rtpParameters.encodings ?? []).map((_, layer) =>
        createFeed('studio', kind, layer),
      );
    this.feeds = { video: feeds('video'), audio: feeds('audio') };
  }

  /** What the last second was like; `undefined` during the first. */
  get health(): IngestHealth | undefined {
    return this.#health;
  }

  /** The shortest way from capture to this thread that any video layer has had lately, ms; see IngestClock. */
  get shortestVideoTransitMs(): number | undefined {
    return least(this.feeds.video.map(({ clock }) => clock.minTransitMs()));
  }

  /** The same over the window in which sound and picture are compared. */
  quickestVideoTransitMs(nowMs: number): number | undefined {
    return quickestTransitMs(this.feeds.video, nowMs);
  }

  /** Asks for a key frame on every layer. */
  requestKeyFrame(): void {
    const consumer = this.#consumers.video;
    if (!consumer || consumer.closed) return;
    consumer.requestKeyFrame().catch((error: unknown) => {
      if (!consumer.closed) this.#options.warn('The studio could not be asked for a key frame.', error);
    });
  }

  /** Takes stock of the time since the last call; call once a second. */
  async measure(nowMs: number): Promise<void> {
    const before = this.#totals;
    let received = 0;
    let lost = 0;
    let rttMs = 0;
    for (const producer of [this.#options.producers.video, this.#options.producers.audio]) {
      if (!producer || producer.closed || this.#closed) continue;
      try {
        for (const stat of await producer.getStats()) {
          received += stat.packetCount;
          lost += stat.packetsLost;
          rttMs = Math.max(rttMs, stat.roundTripTime ?? 0);
        }
      } catch (error) {
        if (!this.#isGone(producer)) this.#options.warn("The studio's statistics are not available.", error);
        return;
      }
    }
    const all = [...this.feeds.video, ...this.feeds.audio];
    this.#totals = {
      atMs: nowMs,
      received,
      lost,
      feeds: new Map(all.map((feed) => [feed, [feed.payloadBytes, feed.frames]])),
    };
    if (!before || nowMs <= before.atMs) return;
    const seconds = (nowMs - before.atMs) / 1000;
    const rates = (feed: Feed) => {
      const [bytes, frames] = before.feeds.get(feed) ?? [0, 0];
      return {
        kbps: Math.round(((feed.payloadBytes - bytes) * 8) / 1000 / seconds),
        fps: Math.round(((feed.frames - frames) / seconds) * 10) / 10,
      };
    };
    const lostNow = Math.max(0, lost - before.lost);
    const expected = received - before.received + lostNow;
    this.#health = {
      layers: this.feeds.video.map(rates),
      audioKbps: this.feeds.audio.map(rates)[0]?.kbps ?? 0,
      lossPct: expected > 0 ? Math.round((lostNow / expected) * 1000) / 10 : 0,
      rttMs: Math.round(rttMs),
      transitMs: this.#transitMs(),
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#transport.close();
  }

  snapshot() {
    const nowMs = performance.now();
    return {
      closed: this.#closed,
      health: this.#health ?? null,
      feeds: [...this.feeds.video, ...this.feeds.audio].map((feed) => ({
        kind: feed.kind,
        layer: feed.layer,
        flowing: isFlowing(feed, nowMs),
        frames: feed.frames,
        reports: feed.clock.reports,
      })),
    };
  }

  async #tap(kind: Kind): Promise<void> {
    const producer = this.#options.producers[kind];
    if (!producer) return;
    const consumer = await this.#transport.consume({
      producerId: producer.id,
      rtpCapabilities: this.#options.router.rtpCapabilities,
      // All simulcast layers, each with an SSRC of its own, in the order of the producer's encodings.
      pipe: true,
      enableRtx: false,
    });
    this.#consumers[kind] = consumer;
    const feedOfSsrc = new Map<number, Feed>();
    for (const [layer, { ssrc }] of (consumer.rtpParameters.encodings ?? []).entries()) {
      const feed = this.feeds[kind][layer];
      if (feed && ssrc !== undefined) feedOfSsrc.set(ssrc, feed);
    }
    consumer.on('rtp', (packet) => {
      const feed = packet.length >= 12 ? feedOfSsrc.get(packet.readUInt32BE(8)) : undefined;
      if (feed && !this.#closed) this.#options.onPacket(feed, packet);
    });
    // The consumer, not the producer, is watched: its end also covers a transport or router that went away.
    consumer.observer.once('close', () => {
      if (!this.#closed) this.#options.onProducerClosed(kind);
    });
    // Direct transports deliver no sender reports; the trace of them is the only way to the sender's clock.
    const onTrace = ({ type, info }: types.ProducerTraceEventData) => {
      if (type === 'sr') this.#onSenderReport(kind, info);
    };
    producer.on('trace', onTrace);
    // The producer may outlive this tap and be tapped again.
    consumer.observer.once('close', () => producer.off('trace', onTrace));
    await producer.enableTraceEvent(['sr']);
  }

  #onSenderReport(kind: Kind, info: Record<string, unknown>): void {
    if (this.#closed) return;
    const captureMs = unixMsFromNtp({ seconds: Number(info['ntpSec']), fraction: Number(info['ntpFrac']) });
    const layer = this.feeds[kind].length === 1 ? 0 : this.#layerOfSsrc.get(Number(info['ssrc']));
    if (layer === undefined) void this.#learnSsrcs(kind);
    else if (Number.isFinite(captureMs)) {
      this.feeds[kind][layer]?.clock.reported(captureMs, Number(info['rtpTs']) >>> 0);
    }
  }

  async #learnSsrcs(kind: Kind): Promise<void> {
    const producer = this.#options.producers[kind];
    if (!producer || this.#learning) return;
    this.#learning = true;
    const encodings = producer.rtpParameters.encodings ?? [];
    try {
      for (const { ssrc, rid } of await producer.getStats()) {
        const layer = encodings.findIndex(
          (each) => each.ssrc === ssrc || (rid !== undefined && each.rid === rid),
        );
        if (layer >= 0) this.#layerOfSsrc.set(ssrc, layer);
      }
    } catch (error) {
      if (!this.#isGone(producer)) this.#options.warn("The studio's streams could not be told apart.", error);
    } finally {
      this.#learning = false;
    }
  }

  /** A producer may close while it is being asked something: no news then. */
  #isGone(producer: types.Producer): boolean {
    return this.#closed || producer.closed;
  }

  /** Null until reports came. Only meaningful when both machines' clocks agree (as on one machine). */
  #transitMs(): number | null {
    const transitMs = this.shortestVideoTransitMs;
    // Capture is Unix time, arrival is monotonic: bring them together before telling a person.
    return transitMs === undefined ? null : Math.round((transitMs + performance.timeOrigin) * 10) / 10;
  }
}
