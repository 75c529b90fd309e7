// Makes one continuous RTP stream out of packets that come from a changing series of streams: sequence
// number, timestamp, and for VP8 picture id and TL0PICIDX run on as if nothing had happened.
// One rewriter per outgoing layer (SSRC). Pure: it owns no clock; the caller says which program timestamp
// the first packet of a new stream should carry. When to switch is not decided here (program-bus.ts).

import {
  circularDistance,
  clockRateHz,
  readRtpHeader,
  readVp8Descriptor,
  rtpHeaderBytes,
  writeRtpHeader,
  type ProgramCodec,
  type RtpHeader,
} from './rtp.ts';

export type LayerRewriterOptions = {
  readonly codec: ProgramCodec;
  readonly ssrc: number;
  readonly payloadType: number;
  /** Sequence number of the first packet; random in production (RFC 3550 §5.1), chosen in tests. */
  readonly firstSequenceNumber: number;
};

/**
 * What became of a packet:
 * - a `Buffer`: send it;
 * - `late`: it belongs before the stream's first packet here; there is no room for it, drop it;
 * - `jumped`: the stream restarted with unrelated numbers; call `begin()` at its next key frame;
 * - `unreadable`: not an RTP packet.
 */
export type Rewritten = Buffer | 'late' | 'jumped' | 'unreadable';

/** What became of the attempt to begin a stream: `overlaps` = wait, its audio repeats time already sent. */
export type Begun = 'begun' | 'overlaps' | 'unreadable';

/** Offsets that carry one incoming stream into the outgoing one. "Extended" numbers do not wrap. */
type Mapping = {
  readonly firstExtendedIn: number;
  readonly firstExtendedOut: number;
  highestExtendedIn: number;
  highestTimestampIn: number;
  /** Newest last. More than one entry only while a timing correction is being spread over frames. */
  offsets: { readonly fromTimestampIn: number; readonly ticks: number }[];
  readonly pictureIdOffset: number;
  readonly tl0PicIdxOffset: number;
  /** 7 bit picture ids are widened: the last one seen, unwrapped. */
  lastPictureIdIn: number;
};

/** More than this many packets missing (or back in time) is no loss but a restarted sender. */
const jumpPackets = 3000;
/** A correction bends frame spacing by at most this share: invisible, and soon done. */
const slewShare = 0.1;
const offsetHistory = 64;
/** Audio that would repeat more than this is not an overlap but a broken clock: carry on regardless. */
const maxAudioOverlapS = 0.5;
const opusFrameS = 0.02;

export class LayerRewriter {
  readonly ssrc: number;
  readonly codec: ProgramCodec;
  readonly #payloadType: number;
  readonly #clockRate: number;
  #current: Mapping | undefined;
  /** The stream before this one: its stragglers may still fill holes it left, never go beyond them. */
  #retired: Mapping | undefined;
  #lastExtendedOut: number;
  #lastTimestamp: number | undefined;
  #lastPictureId = 0;
  #lastTl0PicIdx = 0;
  #correctionTicks = 0;
  #packetCount = 0;
  #octetCount = 0;

  constructor(options: LayerRewriterOptions) {
    this.codec = options.codec;
    this.ssrc = options.ssrc;
    this.#payloadType = options.payloadType;
    this.#clockRate = clockRateHz[options.codec];
    this.#lastExtendedOut = 0x10000 + options.firstSequenceNumber - 1;
  }

  /** Timestamp of the newest frame sent, `undefined` before the first. */
  get lastTimestamp(): number | undefined {
    return this.#lastTimestamp;
  }

  /** Packets and payload bytes sent so far, for sender reports. */
  get counts(): { packetCount: number; octetCount: number } {
    return { packetCount: this.#packetCount, octetCount: this.#octetCount };
  }

  /**
   * Takes `packet` as the first of a new stream, to be stamped `wantedTimestamp`; pass the same packet to
   * `rewrite()` next. If that time has already been sent, video begins just after it and pays the
   * difference back over the following frames; audio answers `overlaps` until its time comes.
   */
  begin(packet: Buffer, wantedTimestamp: number): Begun {
    const header = readRtpHeader(packet);
    if (header === undefined) return 'unreadable';
    let timestampOut = wantedTimestamp >>> 0;
    let correction = 0;
    if (this.#lastTimestamp !== undefined) {
      const step = Math.round(this.#clockRate * (this.codec === 'opus' ? opusFrameS : 0.001));
      const earliest = (this.#lastTimestamp + step) >>> 0;
      const overlap = circularDistance(timestampOut, earliest, 32);
      if (overlap > 0) {
        if (this.codec === 'opus' && overlap < this.#clockRate * maxAudioOverlapS) return 'overlaps';
        if (this.codec !== 'opus') correction = -overlap;
        timestampOut = earliest;
      }
    }
    const payload = packet.subarray(header.payloadAt, header.payloadEnd);
    const descriptor = this.codec === 'vp8' ? readVp8Descriptor(payload) : undefined;
    this.#retired = this.#current;
    this.#current = {
      firstExtendedIn: 0x10000 + header.sequenceNumber,
      firstExtendedOut: this.#lastExtendedOut + 1,
      highestExtendedIn: 0x10000 + header.sequenceNumber,
      highestTimestampIn: header.timestamp,
      offsets: [{ fromTimestampIn: header.timestamp, ticks: (timestampOut - header.timestamp) | 0 }],
      pictureIdOffset: this.#lastPictureId + 1 - (descriptor?.pictureId ?? 0),
      tl0PicIdxOffset: this.#lastTl0PicIdx + 1 - (descriptor?.tl0PicIdx ?? 0),
      lastPictureIdIn: descriptor?.pictureId ?? 0,
    };
    this.#correctionTicks = correction;
    return 'begun';
  }

  /** Rewrites a packet of the current stream. Before any `begin()` everything is `late`. */
  rewrite(packet: Buffer): Rewritten {
    const header = readRtpHeader(packet);
    if (header === undefined) return 'unreadable';
    const mapping = this.#current;
    if (mapping === undefined) return 'late';
    const ahead = circularDistance(mapping.highestExtendedIn, header.sequenceNumber, 16);
    if (Math.abs(ahead) > jumpPackets) return 'jumped';
    const extendedIn = mapping.highestExtendedIn + ahead;
    if (extendedIn < mapping.firstExtendedIn) return 'late';
    if (ahead > 0) {
      mapping.highestExtendedIn = extendedIn;
      this.#advanceTime(mapping, header.timestamp);
    }
    return this.#compose(packet, header, mapping, extendedIn);
  }

  /** Rewrites a straggler of the stream before: only where that stream left a hole. */
  rewriteRetired(packet: Buffer): Rewritten {
    const header = readRtpHeader(packet);
    if (header === undefined) return 'unreadable';
    const retired = this.#retired;
    if (retired === undefined) return 'late';
    const ahead = circularDistance(retired.highestExtendedIn, header.sequenceNumber, 16);
    const extendedIn = retired.highestExtendedIn + ahead;
    const hole = ahead < 0 && ahead > -jumpPackets && extendedIn >= retired.firstExtendedIn;
    return hole ? this.#compose(packet, header, retired, extendedIn) : 'late';
  }

  /** The program timestamp that a frame stamped `timestampIn` by the current stream gets. */
  timestampFor(timestampIn: number): number | undefined {
    return this.#current && (timestampIn + offsetAt(this.#current, timestampIn)) >>> 0;
  }

  #advanceTime(mapping: Mapping, timestampIn: number): void {
    const elapsed = circularDistance(mapping.highestTimestampIn, timestampIn, 32);
    if (elapsed <= 0) return;
    mapping.highestTimestampIn = timestampIn;
    const limit = Math.floor(elapsed * slewShare);
    const change = Math.max(-limit, Math.min(limit, this.#correctionTicks));
    if (change === 0) return;
    this.#correctionTicks -= change;
    // Packets of earlier frames may still be under way; they keep the offset of their own frame.
    mapping.offsets.push({ fromTimestampIn: timestampIn, ticks: offsetAt(mapping, timestampIn) + change });
    if (mapping.offsets.length > offsetHistory) mapping.offsets.shift();
  }

  /** Copies the payload behind a fresh header: CSRCs, extensions and padding of the ingest stay behind. */
  #compose(packet: Buffer, header: RtpHeader, mapping: Mapping, extendedIn: number): Buffer {
    const extendedOut = mapping.firstExtendedOut + (extendedIn - mapping.firstExtendedIn);
    const timestamp = (header.timestamp + offsetAt(mapping, header.timestamp)) >>> 0;
    const payload = packet.subarray(header.payloadAt, header.payloadEnd);
    const out =
      this.codec === 'vp8'
        ? this.#composeVp8(payload, mapping)
        : Buffer.allocUnsafe(rtpHeaderBytes + payload.length);
    if (this.codec !== 'vp8') payload.copy(out, rtpHeaderBytes);
    writeRtpHeader(out, {
      payloadType: this.#payloadType,
      marker: header.marker,
      sequenceNumber: extendedOut,
      timestamp,
      ssrc: this.ssrc,
    });
    if (extendedOut > this.#lastExtendedOut) this.#lastExtendedOut = extendedOut;
    if (this.#lastTimestamp === undefined || circularDistance(this.#lastTimestamp, timestamp, 32) > 0) {
      this.#lastTimestamp = timestamp;
    }
    this.#packetCount += 1;
    this.#octetCount += out.length - rtpHeaderBytes;
    return out;
  }

  /** VP8 with both picture ids rewritten; a 7 bit picture id becomes 15 bit, as the outgoing stream's are. */
  #composeVp8(payload: Buffer, mapping: Mapping): Buffer {
    const descriptor = readVp8Descriptor(payload);
    const widen = descriptor?.pictureId !== undefined && descriptor.pictureIdBits === 7;
    const out = Buffer.allocUnsafe(rtpHeaderBytes + payload.length + (widen ? 1 : 0));
    if (!widen) payload.copy(out, rtpHeaderBytes);
    if (descriptor === undefined) return out;
    let tl0PicIdxAt = rtpHeaderBytes + descriptor.tl0PicIdxAt;
    if (descriptor.pictureId !== undefined) {
      const pictureIdAt = rtpHeaderBytes + descriptor.pictureIdAt;
      if (widen) {
        payload.copy(out, rtpHeaderBytes, 0, descriptor.pictureIdAt);
        payload.copy(out, pictureIdAt + 2, descriptor.pictureIdAt + 1);
        tl0PicIdxAt += 1;
      }
      const advance = circularDistance(
        mapping.lastPictureIdIn,
        descriptor.pictureId,
        descriptor.pictureIdBits,
      );
      const unwrapped = mapping.lastPictureIdIn + advance;
      if (advance > 0) mapping.lastPictureIdIn = unwrapped;
      const pictureId = (unwrapped + mapping.pictureIdOffset) & 0x7fff;
      out.writeUInt16BE(0x8000 | pictureId, pictureIdAt);
      if (circularDistance(this.#lastPictureId, pictureId, 15) > 0) this.#lastPictureId = pictureId;
    }
    if (descriptor.tl0PicIdx !== undefined) {
      const tl0PicIdx = (descriptor.tl0PicIdx + mapping.tl0PicIdxOffset) & 0xff;
      out.writeUInt8(tl0PicIdx, tl0PicIdxAt);
      if (circularDistance(this.#lastTl0PicIdx, tl0PicIdx, 8) > 0) this.#lastTl0PicIdx = tl0PicIdx;
    }
    return out;
  }
}

/** The offset that applies to a frame: the newest entry not younger than it. */
function offsetAt(mapping: Mapping, timestampIn: number): number {
  for (let index = mapping.offsets.length - 1; index >= 0; index -= 1) {
    const entry = mapping.offsets[index];
    if (entry && circularDistance(entry.fromTimestampIn, timestampIn, 32) >= 0) return entry.ticks;
  }
  return mapping.offsets[0]?.ticks ?? 0;
}
