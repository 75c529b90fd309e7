// RTP and RTCP as bytes: reading headers and payload descriptors, finding key frames, authoring sender
// reports, splitting encoded frames into payloads and joining them again. Pure: no sockets, no clock, no mediasoup.
// Every reader accepts any bytes and answers `undefined` for what it cannot read; none of them throws.
// Not here: which packet is sent when (program-bus.ts, standby.ts) and continuity (layer-rewriter.ts).

/** Largest RTP payload we author, in bytes: leaves room for headers, SRTP and a VPN below a 1280 byte MTU. */
export const maxPayloadBytes = 1180;

export const rtpHeaderBytes = 12;

/** The codecs a program can have; `opus` for audio, one of the others for video. */
export type ProgramCodec = 'vp8' | 'h264' | 'opus';

/** Clock rates in Hz (RFC 7741 §4.1, RFC 6184 §8.2.1, RFC 7587 §4.1). */
export const clockRateHz: Readonly<Record<ProgramCodec, number>> = {
  vp8: 90_000,
  h264: 90_000,
  opus: 48_000,
};

/** The program's timestamp at an instant: a pure function of the node's monotonic clock (ms), modulo 2^32. */
export function programTimestamp(nodeMs: number, codec: ProgramCodec): number {
  return Math.round((nodeMs * clockRateHz[codec]) / 1000) >>> 0;
}

/** The fields of an RTP header (RFC 3550 §5.1) that a relay needs. Offsets are from the packet's first byte. */
export type RtpHeader = {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly ssrc: number;
  /** First byte after CSRCs and header extensions. */
  readonly payloadAt: number;
  /** One past the last payload byte; padding lies beyond. */
  readonly payloadEnd: number;
};

/** Reads an RTP header, or `undefined` if the bytes are not one whole RTP packet. */
export function readRtpHeader(packet: Buffer): RtpHeader | undefined {
  if (packet.length < rtpHeaderBytes) return undefined;
  const flags = packet.readUInt8(0);
  if (flags >> 6 !== 2) return undefined;
  let payloadAt = rtpHeaderBytes + (flags & 0x0f) * 4;
  if ((flags & 0x10) !== 0) {
    if (payloadAt + 4 > packet.length) return undefined;
    payloadAt += 4 + 4 * packet.readUInt16BE(payloadAt + 2);
  }
  const paddingBytes = (flags & 0x20) === 0 ? 0 : packet.readUInt8(packet.length - 1);
  const payloadEnd = packet.length - paddingBytes;
  if (payloadAt > payloadEnd) return undefined;
  const typeByte = packet.readUInt8(1);
  return {
    payloadType: typeByte & 0x7f,
    marker: (typeByte & 0x80) !== 0,
    sequenceNumber: packet.readUInt16BE(2),
    timestamp: packet.readUInt32BE(4),
    ssrc: packet.readUInt32BE(8),
    payloadAt,
    payloadEnd,
  };
}

/** Writes a bare 12 byte header at the start of `packet`: no CSRC, no extension, no padding. */
export function writeRtpHeader(
  packet: Buffer,
  header: Pick<RtpHeader, 'payloadType' | 'marker' | 'sequenceNumber' | 'timestamp' | 'ssrc'>,
): void {
  packet.writeUInt8(0x80, 0);
  packet.writeUInt8((header.marker ? 0x80 : 0) | (header.payloadType & 0x7f), 1);
  packet.writeUInt16BE(header.sequenceNumber & 0xffff, 2);
  packet.writeUInt32BE(header.timestamp >>> 0, 4);
  packet.writeUInt32BE(header.ssrc >>> 0, 8);
}

// ── VP8 (RFC 7741) ──────────────────────────────────────────────────────────────────────────────────────

/** A VP8 payload descriptor (RFC 7741 §4.2) and the one bit of the frame header that says "key frame". */
export type Vp8Descriptor = {
  /** First packet of the first partition: the start of a frame. */
  readonly startsFrame: boolean;
  readonly isKeyFrame: boolean;
  readonly pictureId: number | undefined;
  /** 7 or 15; meaningless without a picture id. */
  readonly pictureIdBits: 7 | 15;
  readonly tl0PicIdx: number | undefined;
  /** Offsets within the payload; -1 where the field is absent. */
  readonly pictureIdAt: number;
  readonly tl0PicIdxAt: number;
  /** Where the VP8 bitstream begins within the payload. */
  readonly bitstreamAt: number;
};

/** Reads a VP8 payload descriptor, or `undefined` if it is cut short. */
export function readVp8Descriptor(payload: Buffer): Vp8Descriptor | undefined {
  const first = payload[0];
  if (first === undefined) return undefined;
  let at = 1;
  let pictureId: number | undefined;
  let pictureIdBits: 7 | 15 = 15;
  let tl0PicIdx: number | undefined;
  let pictureIdAt = -1;
  let tl0PicIdxAt = -1;
  if ((first & 0x80) !== 0) {
    const present = payload[at];
    if (present === undefined) return undefined;
    at += 1;
    if ((present & 0x80) !== 0) {
      const high = payload[at];
      if (high === undefined) return undefined;
      pictureIdAt = at;
      if ((high & 0x80) === 0) {
        pictureId = high;
        pictureIdBits = 7;
        at += 1;
      } else {
        const low = payload[at + 1];
        if (low === undefined) return undefined;
        pictureId = ((high & 0x7f) << 8) | low;
        at += 2;
      }
    }
    if ((present & 0x40) !== 0) {
      tl0PicIdx = payload[at];
      if (tl0PicIdx === undefined) return undefined;
      tl0PicIdxAt = at;
      at += 1;
    }
    if ((present & 0x30) !== 0) at += 1;
  }
  const bitstream = payload[at];
  if (bitstream === undefined) return undefined;
  const startsFrame = (first & 0x10) !== 0 && (first & 0x07) === 0;
  return {
    startsFrame,
    // The P bit of the frame tag is inverted: 0 means key frame (RFC 6386 §9.1).
    isKeyFrame: startsFrame && (bitstream & 0x01) === 0,
    pictureId,
    pictureIdBits,
    tl0PicIdx,
    pictureIdAt,
    tl0PicIdxAt,
    bitstreamAt: at,
  };
}

/**
 * Splits one encoded VP8 frame into payloads, each with a descriptor that carries a 15 bit picture id and
 * TL0PICIDX (both zero here: whoever sends the packet writes them). One temporal layer.
 */
export function packetizeVp8(frame: Buffer): Buffer[] {
  const room = maxPayloadBytes - vp8DescriptorBytes;
  return splitEvenly(frame, room).map((part, index) =>
    Buffer.concat([Buffer.from([0x80 | (index === 0 ? 0x10 : 0), 0xe0, 0x80, 0, 0, 0]), part]),
  );
}
const vp8DescriptorBytes = 6;

/** The VP8 frame in these payloads, given whole and in order; `undefined` if its start is missing (RFC 7741 §4.2). */
export function joinVp8(payloads: readonly Buffer[]): Buffer | undefined {
  const parts: Buffer[] = [];
  for (const payload of payloads) {
    const descriptor = readVp8Descriptor(payload);
    if (!descriptor || descriptor.startsFrame !== (parts.length === 0)) return undefined;
    parts.push(payload.subarray(descriptor.bitstreamAt));
  }
  return parts.length === 0 ? undefined : Buffer.concat(parts);
}

/** Width and height of a picture, pixels. */
export type PictureSize = { readonly width: number; readonly height: number };

/** What a VP8 key frame says of its size (RFC 6386 §9.1); `undefined` for any other frame. */
export function readVp8Size(frame: Buffer): PictureSize | undefined {
  if (frame.length < 10 || (frame.readUInt8(0) & 0x01) !== 0 || frame.readUIntBE(3, 3) !== 0x9d012a) {
    return undefined;
  }
  return { width: frame.readUInt16LE(6) & 0x3fff, height: frame.readUInt16LE(8) & 0x3fff };
}

// ── H.264 (RFC 6184, packetization mode 1) ──────────────────────────────────────────────────────────────

const nalIdr = 5;
const nalSei = 6;
const nalSps = 7;
const nalPps = 8;
const nalAccessUnitDelimiter = 9;
const nalStapA = 24;
const nalFuA = 28;

/**
 * Whether this payload opens a key frame that a decoder can start from: an SPS, alone or first in a STAP-A.
 * An IDR slice without parameter sets does not count: a decoder would apply those of the previous source.
 */
export function startsH264KeyFrame(payload: Buffer): boolean {
  const type = (payload[0] ?? 0) & 0x1f;
  if (type === nalSps) return true;
  if (type !== nalStapA) return false;
  for (let at = 1; at + 2 < payload.length; at += 2 + payload.readUInt16BE(at)) {
    if (((payload[at + 2] ?? 0) & 0x1f) === nalSps) return true;
  }
  return false;
}

/**
 * Splits one H.264 access unit into payloads. `parameterSets` (SPS and PPS NAL units) go first, as one STAP-A,
 * and are given exactly for key frames. SEI, delimiters and in-band parameter sets are dropped.
 */
export function packetizeH264(nalUnits: readonly Buffer[], parameterSets: readonly Buffer[]): Buffer[] {
  const payloads: Buffer[] = [];
  if (parameterSets.length > 0) payloads.push(aggregate(parameterSets));
  for (const unit of nalUnits) {
    const header = unit[0];
    if (header === undefined) continue;
    const type = header & 0x1f;
    if ([nalSei, nalSps, nalPps, nalAccessUnitDelimiter].includes(type)) continue;
    if (unit.length <= maxPayloadBytes) {
      payloads.push(unit);
      continue;
    }
    const parts = splitEvenly(unit.subarray(1), maxPayloadBytes - 2);
    for (const [index, part] of parts.entries()) {
      const start = index === 0 ? 0x80 : 0;
      const end = index === parts.length - 1 ? 0x40 : 0;
      payloads.push(Buffer.concat([Buffer.from([(header & 0xe0) | nalFuA, start | end | type]), part]));
    }
  }
  return payloads;
}

/**
 * The NAL units in these payloads, given whole and in order: single ones, STAP-A and FU-A (RFC 6184 §5.6-5.8).
 * `undefined` if a fragment's start or end is missing or a length is wrong.
 */
export function joinH264(payloads: readonly Buffer[]): Buffer[] | undefined {
  const units: Buffer[] = [];
  let fragments: Buffer[] | undefined;
  for (const payload of payloads) {
    const header = payload[0];
    if (header === undefined) return undefined;
    const type = header & 0x1f;
    if (type !== nalFuA) {
      if (fragments) return undefined;
      if (type !== nalStapA) {
        units.push(payload);
        continue;
      }
      const aggregated = splitNalUnits(payload.subarray(1), 2);
      if (aggregated.reduce((sum, unit) => sum + 2 + unit.length, 1) !== payload.length) return undefined;
      units.push(...aggregated);
      continue;
    }
    const fragmentHeader = payload[1];
    if (fragmentHeader === undefined || ((fragmentHeader & 0x80) !== 0) === (fragments !== undefined)) {
      return undefined;
    }
    fragments ??= [Buffer.from([(header & 0xe0) | (fragmentHeader & 0x1f)])];
    fragments.push(payload.subarray(2));
    if ((fragmentHeader & 0x40) === 0) continue;
    units.push(Buffer.concat(fragments));
    fragments = undefined;
  }
  return fragments ? undefined : units;
}

/** NAL units as one sample of a container: each after its length in four bytes (ISO 14496-15 §5.2.3). */
export function prefixNalUnits(units: readonly Buffer[]): Buffer {
  return Buffer.concat(
    units.flatMap((unit) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(unit.length);
      return [length, unit];
    }),
  );
}

/** What a container must say of H.264: its decoder configuration record (ISO 14496-15 §5.2.4) and picture size. */
export type H264Description = PictureSize & { readonly codec: string; readonly record: Buffer };

/** Of a key frame's NAL units; `undefined` without parameter sets or for a profile beyond 4:2:0 without scaling lists. */
export function describeH264(units: readonly Buffer[]): H264Description | undefined {
  const find = (wanted: number) => units.find((unit) => ((unit[0] ?? 0) & 0x1f) === wanted);
  const [sps, pps] = [find(nalSps), find(nalPps)];
  const size = sps && readSpsSize(sps);
  if (!sps || !pps || !size) return undefined;
  const lengthOf = (unit: Buffer) => Buffer.from([unit.length >> 8, unit.length & 0xff]);
  const profile = sps.subarray(1, 4);
  return {
    ...size,
    codec: `avc1.${profile.toString('hex')}`,
    record: Buffer.concat([
      Buffer.from([1]),
      profile,
      Buffer.from([0xff, 0xe1]),
      lengthOf(sps),
      sps,
      Buffer.from([1]),
      lengthOf(pps),
      pps,
    ]),
  };
}

/** ITU-T H.264 §7.3.2.1.1, as far as the picture's size; bits beyond the end read as 0. */
function readSpsSize(sps: Buffer): PictureSize | undefined {
  // §7.4.1.1: a 3 after two zero bytes only keeps start codes from appearing.
  const bytes = [...sps.subarray(4)].filter(
    (byte, at) => !(byte === 3 && sps[at + 3] === 0 && sps[at + 2] === 0),
  );
  let position = 0;
  const bit = () => {
    const value = ((bytes[position >> 3] ?? 0) >> (7 - (position & 7))) & 1;
    position += 1;
    return value;
  };
  const exponential = () => {
    let zeros = 0;
    while (zeros < 31 && bit() === 0) zeros += 1;
    let value = 1;
    for (let count = 0; count < zeros; count += 1) value = value * 2 + bit();
    return value - 1;
  };
  exponential();
  if ([100, 110, 122, 244].includes(sps[1] ?? 0)) {
    if (exponential() !== 1) return undefined;
    exponential();
    exponential();
    bit();
    if (bit() === 1) return undefined;
  }
  exponential();
  const orderType = exponential();
  if (orderType === 0) exponential();
  else if (orderType === 1) {
    bit();
    exponential();
    exponential();
    for (let count = Math.min(255, exponential()); count > 0; count -= 1) exponential();
  }
  exponential();
  bit();
  const widthInBlocks = exponential() + 1;
  const heightInMaps = exponential() + 1;
  const framesOnly = bit();
  if (framesOnly === 0) bit();
  bit();
  const [left, right, top, bottom] =
    bit() === 1 ? [exponential(), exponential(), exponential(), exponential()] : [0, 0, 0, 0];
  const rows = 2 - framesOnly;
  const width = widthInBlocks * 16 - 2 * (left + right);
  const height = heightInMaps * 16 * rows - 2 * rows * (top + bottom);
  return width > 0 && height > 0 && width <= 8192 && height <= 8192 ? { width, height } : undefined;
}

/** One STAP-A (RFC 6184 §5.7.1) of small NAL units; its importance is that of the most important unit. */
function aggregate(units: readonly Buffer[]): Buffer {
  const importance = Math.max(...units.map((unit) => (unit[0] ?? 0) & 0x60));
  return Buffer.concat([
    Buffer.from([importance | nalStapA]),
    ...units.flatMap((unit) => [Buffer.from([unit.length >> 8, unit.length & 0xff]), unit]),
  ]);
}

/** Splits an access unit of length-prefixed NAL units (ISO 14496-15); a broken length ends the list. */
export function splitNalUnits(accessUnit: Buffer, lengthBytes: number): Buffer[] {
  const units: Buffer[] = [];
  for (let at = 0; at + lengthBytes < accessUnit.length;) {
    const length = accessUnit.readUIntBE(at, lengthBytes);
    at += lengthBytes;
    if (length === 0 || at + length > accessUnit.length) break;
    units.push(accessUnit.subarray(at, at + length));
    at += length;
  }
  return units;
}

/** Whether an access unit holds an IDR slice: what a container's "key" flag ought to mean. */
export function hasIdrSlice(nalUnits: readonly Buffer[]): boolean {
  return nalUnits.some((unit) => ((unit[0] ?? 0) & 0x1f) === nalIdr);
}

/** Parts of nearly equal size, none above `maxBytes`: a last packet of a few bytes wastes a header. */
function splitEvenly(bytes: Buffer, maxBytes: number): Buffer[] {
  const count = Math.max(1, Math.ceil(bytes.length / maxBytes));
  const size = Math.ceil(bytes.length / count);
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

// ── any codec ───────────────────────────────────────────────────────────────────────────────────────────

/** Whether a decoder can start at this payload. Every Opus packet is such a start (RFC 6716 §1). */
export function startsKeyFrame(codec: ProgramCodec, payload: Buffer): boolean {
  if (codec === 'opus') return true;
  if (codec === 'h264') return startsH264KeyFrame(payload);
  return readVp8Descriptor(payload)?.isKeyFrame ?? false;
}

// ── RTCP (RFC 3550, RFC 4585, RFC 5104) ─────────────────────────────────────────────────────────────────

const ntpEpochOffsetS = 2_208_988_800;
const fractionPerMs = 2 ** 32 / 1000;

/** An instant as NTP: seconds since 1900 and a 32 bit fraction (RFC 3550 §4). */
export type NtpTime = { readonly seconds: number; readonly fraction: number };

export function ntpFromUnixMs(unixMs: number): NtpTime {
  const seconds = Math.floor(unixMs / 1000);
  return {
    seconds: (seconds + ntpEpochOffsetS) >>> 0,
    fraction: Math.floor((unixMs - seconds * 1000) * fractionPerMs) >>> 0,
  };
}

export function unixMsFromNtp(ntp: NtpTime): number {
  return (ntp.seconds - ntpEpochOffsetS) * 1000 + ntp.fraction / fractionPerMs;
}

export type SenderReport = {
  readonly ssrc: number;
  /** The instant at which a frame stamped `timestamp` is (or would be) sent, Unix milliseconds. */
  readonly unixMs: number;
  readonly timestamp: number;
  readonly packetCount: number;
  readonly octetCount: number;
};

/** One sender report without reception blocks (RFC 3550 §6.4.1), 28 bytes. */
export function writeSenderReport(report: SenderReport): Buffer {
  const bytes = Buffer.alloc(28);
  const ntp = ntpFromUnixMs(report.unixMs);
  bytes.writeUInt8(0x80, 0);
  bytes.writeUInt8(rtcpSenderReport, 1);
  bytes.writeUInt16BE(bytes.length / 4 - 1, 2);
  bytes.writeUInt32BE(report.ssrc >>> 0, 4);
  bytes.writeUInt32BE(ntp.seconds, 8);
  bytes.writeUInt32BE(ntp.fraction, 12);
  bytes.writeUInt32BE(report.timestamp >>> 0, 16);
  bytes.writeUInt32BE(report.packetCount >>> 0, 20);
  bytes.writeUInt32BE(report.octetCount >>> 0, 24);
  return bytes;
}

const rtcpSenderReport = 200;
const rtcpPayloadFeedback = 206;
const feedbackPli = 1;
const feedbackFir = 4;

/** What the bus reads from a compound RTCP packet. */
export type RtcpContents = {
  /** SSRCs for which a receiver asks for a key frame, by PLI (RFC 4585 §6.3.1) or FIR (RFC 5104 §4.3.1). */
  readonly keyFrameRequests: readonly number[];
  readonly senderReports: readonly SenderReport[];
};

/** Reads a compound RTCP packet; parts it does not know, or that are cut short, are passed over. */
export function readRtcp(compound: Buffer): RtcpContents {
  const keyFrameRequests: number[] = [];
  const senderReports: SenderReport[] = [];
  for (let at = 0; at + 4 <= compound.length;) {
    const end = at + 4 + 4 * compound.readUInt16BE(at + 2);
    if (end > compound.length) break;
    const type = compound.readUInt8(at + 1);
    const format = compound.readUInt8(at) & 0x1f;
    if (type === rtcpPayloadFeedback && format === feedbackPli && end - at >= 12) {
      keyFrameRequests.push(compound.readUInt32BE(at + 8));
    } else if (type === rtcpPayloadFeedback && format === feedbackFir) {
      for (let entry = at + 12; entry + 8 <= end; entry += 8)
        keyFrameRequests.push(compound.readUInt32BE(entry));
    } else if (type === rtcpSenderReport && end - at >= 28) {
      senderReports.push({
        ssrc: compound.readUInt32BE(at + 4),
        unixMs: unixMsFromNtp({
          seconds: compound.readUInt32BE(at + 8),
          fraction: compound.readUInt32BE(at + 12),
        }),
        timestamp: compound.readUInt32BE(at + 16),
        packetCount: compound.readUInt32BE(at + 20),
        octetCount: compound.readUInt32BE(at + 24),
      });
    }
    at = end;
  }
  return { keyFrameRequests, senderReports };
}

// ── counting on a circle ────────────────────────────────────────────────────────────────────────────────

/** The signed distance from `from` to `to` on a circle of 2^bits values; in [-2^(bits-1), 2^(bits-1)). */
export function circularDistance(from: number, to: number, bits: 7 | 8 | 15 | 16 | 32): number {
  const shift = 32 - bits;
  return ((to - from) << shift) >> shift;
}
