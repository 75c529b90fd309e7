// A studio and a viewer without browsers, on a real mediasoup router: the studio sends real encoded frames as RTP
// with sender reports and answers key frame requests; the viewer records every packet the program delivers.
import type { types } from 'mediasoup';
import { programPayloadType } from '../../sfu-server/media/program-bus.ts';
import {
  clockRateHz,
  readRtcp,
  readRtpHeader,
  readVp8Descriptor,
  startsKeyFrame,
  writeSenderReport,
  type ProgramCodec,
} from '../../sfu-server/media/rtp.ts';
import {
  StandbyPlayer,
  loadStandbyClip,
  type ClipSink,
  type StandbyClip,
} from '../../sfu-server/media/standby.ts';

const folder = new URL('../../assets/standby/', import.meta.url).pathname;
export const clipFiles = (codec: 'VP8' | 'H264'): string[] =>
  ['lo', 'hi'].map((name) => `${folder}${name}.${codec === 'VP8' ? 'webm' : 'mp4'}`);

/** The default clip, cut to two seconds so that its seam comes round quickly. */
export async function shortClip(codec: 'VP8' | 'H264'): Promise<StandbyClip> {
  const clip = await loadStandbyClip(clipFiles(codec), codec);
  const lengthMs = 2000;
  const early = ({ atMs }: { atMs: number }) => atMs < lengthMs;
  return {
    ...clip,
    lengthMs,
    layers: clip.layers.map((frames) => frames.filter(early)),
    audio: clip.audio.filter(early),
  };
}

/** Every packet of the studio ends with these bytes, the clip's do not: so a viewer can tell them apart. */
const studioMark = Buffer.from('studio');
/** The studio's clocks have nothing to do with the node's. */
const senderClockAheadMs = 123_456_789;
/** Chromium's reports give the times of each track a constant of their own. */
const soundReportedLateMs = 140;
const timestampOffset = 0x8000_1234;

export class StudioStandIn {
  readonly video: types.Producer;
  readonly audio: types.Producer;
  keyFrameRequests = 0;
  /** When the last one was sent. */
  keyFrameMs = -Infinity;
  /** Layers that are not sent, as by a laptop that is too busy. */
  readonly pausedLayers = new Set<number>();
  /** Marks VP8 frames as three temporal layers, as browsers send simulcast: 0 2 1 2. */
  temporalLayers = false;
  readonly #transport: types.DirectTransport;
  /** Apart, so that a key frame does not disturb the sound. */
  readonly #players: { readonly video: StandbyPlayer; readonly audio: StandbyPlayer };
  readonly #reports: NodeJS.Timeout;

  static async open(router: types.Router, clip: StandbyClip, layers: number): Promise<StudioStandIn> {
    const transport = await router.createDirectTransport();
    const codec: ProgramCodec = clip.codec === 'VP8' ? 'vp8' : 'h264';
    const parameters = router.rtpCapabilities.codecs?.find(
      (each) => each.mimeType.toLowerCase() === `video/${codec}`,
    );
    const video = await transport.produce({
      kind: 'video',
      rtpParameters: {
        codecs: [
          {
            mimeType: `video/${clip.codec}`,
            payloadType: programPayloadType[codec],
            clockRate: 90_000,
            parameters: parameters?.parameters ?? {},
            rtcpFeedback: [{ type: 'nack', parameter: 'pli' }],
          },
        ],
        encodings: Array.from({ length: layers }, (_, index) => ({ ssrc: 2000 + index })),
      },
    });
    const audio = await transport.produce({
      kind: 'audio',
      rtpParameters: {
        codecs: [
          { mimeType: 'audio/opus', payloadType: programPayloadType.opus, clockRate: 48_000, channels: 2 },
        ],
        encodings: [{ ssrc: 1000 }],
      },
    });
    return new StudioStandIn(transport, video, audio, clip, layers);
  }

  private constructor(
    transport: types.DirectTransport,
    video: types.Producer,
    audio: types.Producer,
    clip: StandbyClip,
    layers: number,
  ) {
    this.#transport = transport;
    this.video = video;
    this.audio = audio;
    const send: ClipSink = (stream, packet) => {
      if (stream.kind === 'video' && this.pausedLayers.has(stream.layer)) return;
      const out = Buffer.concat([packet, studioMark]);
      const codec: ProgramCodec = clip.codec === 'VP8' ? 'vp8' : 'h264';
      const header = readRtpHeader(packet);
      const payload = packet.subarray(header?.payloadAt, header?.payloadEnd);
      if (stream.kind === 'video' && startsKeyFrame(codec, payload)) this.keyFrameMs = performance.now();
      const type = programPayloadType[stream.kind === 'audio' ? 'opus' : codec];
      if (this.temporalLayers && codec === 'vp8' && stream.kind === 'video') markTemporalLayer(out);
      out.writeUInt8((packet.readUInt8(1) & 0x80) | type, 1);
      out.writeUInt32BE((packet.readUInt32BE(4) + timestampOffset) >>> 0, 4);
      out.writeUInt32BE((stream.kind === 'audio' ? 1000 : 2000) + stream.layer, 8);
      (stream.kind === 'audio' ? audio : video).send(out);
    };
    this.#players = {
      video: new StandbyPlayer({ ...clip, layers: clip.layers.slice(0, layers), audio: [] }, send),
      audio: new StandbyPlayer({ ...clip, layers: [] }, send),
    };
    // An encoder answers a key frame request at once: so does starting the clip anew. Like Chromium it ignores those that come
    // less than 300 ms after its last key frame.
    transport.on('rtcp', (packet) => {
      const requests = readRtcp(packet).keyFrameRequests.length;
      this.keyFrameRequests += requests;
      const isDeaf = performance.now() < this.keyFrameMs + 300;
      if (requests > 0 && !isDeaf && this.#players.video.isPlaying) this.#players.video.start();
    });
    this.#reports = setInterval(() => this.#report(layers), 250);
  }

  start(): void {
    this.#players.video.start();
    this.#players.audio.start();
    this.#report(this.video.rtpParameters.encodings?.length ?? 1);
  }

  /** Falls silent without a word, as when the laptop loses its network. */
  stop(): void {
    this.#players.video.stop();
    this.#players.audio.stop();
  }

  close(): void {
    clearInterval(this.#reports);
    this.stop();
    this.#transport.close();
  }

  #report(layers: number): void {
    if (!this.#players.audio.isPlaying) return;
    const nowMs = performance.now();
    const clockMs = performance.timeOrigin + nowMs + senderClockAheadMs;
    const report = (ssrc: number, codec: ProgramCodec, unixMs = clockMs) =>
      this.#transport.sendRtcp(
        writeSenderReport({
          ssrc,
          unixMs,
          timestamp: (Math.round((nowMs * clockRateHz[codec]) / 1000) + timestampOffset) >>> 0,
          packetCount: 1,
          octetCount: 1,
        }),
      );
    report(1000, 'opus', clockMs + soundReportedLateMs);
    for (let layer = 0; layer < layers; layer += 1) report(2000 + layer, 'vp8');
  }
}

/** Every fourth frame is of layer 0 and counts in TL0PICIDX; the layer sync bit lets receivers climb at any frame. */
const markTemporalLayer = (packet: Buffer): void => {
  const descriptor = readVp8Descriptor(packet.subarray(12));
  const pictureId = descriptor?.pictureId ?? 0;
  packet.writeUInt8((pictureId >> 2) & 0xff, 12 + (descriptor?.tl0PicIdxAt ?? 0));
  packet.writeUInt8(
    ((([0, 2, 1, 2] as const)[pictureId & 3] ?? 0) << 6) | 0x20,
    12 + (descriptor?.tl0PicIdxAt ?? 0) + 1,
  );
};

export type Received = {
  readonly kind: 'audio' | 'video';
  readonly ssrc: number;
  readonly atMs: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly marker: boolean;
  readonly keyFrame: boolean;
  readonly source: 'studio' | 'standby';
  readonly pictureId: number | undefined;
  readonly tl0: number | undefined;
};

/** Receives every layer of the program, as an edge node does. */
export class ViewerStandIn {
  readonly packets: Received[] = [];
  readonly consumers: readonly types.Consumer[];
  readonly #transport: types.DirectTransport;
  #waiting: { until: (packet: Received) => boolean; resolve: (packet: Received) => void }[] = [];

  /**
   * `pipe`: all layers, as an edge receives them; else the one layer mediasoup chooses, as a browser does. Without
   * congestion feedback, which a stand-in could not answer and would be throttled for.
   */
  static async open(
    router: types.Router,
    producers: readonly types.Producer[],
    pipe = true,
  ): Promise<ViewerStandIn> {
    const transport = await router.createDirectTransport();
    const codecs = (router.rtpCapabilities.codecs ?? []).map((codec) => ({
      ...codec,
      rtcpFeedback: codec.rtcpFeedback?.filter(({ type }) => type === 'nack' || type === 'ccm'),
    }));
    const consumers = [];
    for (const { id } of producers) {
      consumers.push(
        await transport.consume({
          producerId: id,
          rtpCapabilities: { codecs, headerExtensions: [] },
          pipe,
          enableRtx: false,
        }),
      );
    }
    return new ViewerStandIn(transport, consumers);
  }

  private constructor(transport: types.DirectTransport, consumers: readonly types.Consumer[]) {
    this.#transport = transport;
    this.consumers = consumers;
    for (const consumer of consumers) {
      const mimeType = consumer.rtpParameters.codecs[0]?.mimeType.toLowerCase();
      const codec: ProgramCodec =
        mimeType === 'video/vp8' ? 'vp8' : mimeType === 'video/h264' ? 'h264' : 'opus';
      consumer.on('rtp', (packet) => this.#receive(consumer.kind, codec, packet));
    }
  }

  /** Resolves with the first packet from now on for which `until` holds. */
  next(until: (packet: Received) => boolean): Promise<Received> {
    return new Promise((resolve) => this.#waiting.push({ until, resolve }));
  }

  /** Packets of each outgoing layer, in order of arrival. */
  get layers(): Received[][] {
    return [...Map.groupBy(this.packets, ({ ssrc }) => ssrc).values()];
  }

  close(): void {
    this.#transport.close();
  }

  #receive(kind: 'audio' | 'video', codec: ProgramCodec, packet: Buffer): void {
    const header = readRtpHeader(packet);
    if (!header) throw new Error('the program sent something that is not RTP');
    const payload = packet.subarray(header.payloadAt, header.payloadEnd);
    const descriptor = codec === 'vp8' ? readVp8Descriptor(payload) : undefined;
    const received: Received = {
      kind,
      ssrc: header.ssrc,
      atMs: performance.now(),
      sequence: header.sequenceNumber,
      timestamp: header.timestamp,
      marker: header.marker,
      keyFrame: startsKeyFrame(codec, payload),
      source: payload.subarray(-studioMark.length).equals(studioMark) ? 'studio' : 'standby',
      pictureId: descriptor?.pictureId,
      tl0: descriptor?.tl0PicIdx,
    };
    this.packets.push(received);
    const due = this.#waiting.filter(({ until }) => until(received));
    this.#waiting = this.#waiting.filter((each) => !due.includes(each));
    for (const { resolve } of due) resolve(received);
  }
}

/** Resolves after so many milliseconds of media time: for watching a stretch of the program, never for luck. */
export const watchFor = (durationMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });

/** How long the machine has kept this thread, on which studio, bus and viewer of a test run, from its work at most. */
export const watchStalls = (): { worstMs(): number; close(): void } => {
  const everyMs = 10;
  let worstMs = 0;
  let lastMs = performance.now();
  const look = () => {
    const nowMs = performance.now();
    worstMs = Math.max(worstMs, nowMs - lastMs - everyMs);
    lastMs = nowMs;
  };
  const timer = setInterval(look, everyMs);
  return {
    worstMs: () => {
      look();
      return Math.max(0, worstMs);
    },
    close: () => clearInterval(timer),
  };
};
