// RTP as bytes: readers, packetizers, sender reports, and above all the continuity of a rewritten layer over any
// series of switches. rtp.js serves as the independent reader.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompoundPacket, PliPacket, RtpPacket, SenderReportPacket, isRtp } from 'rtp.js/packets';
import { nodeBufferToDataView } from 'rtp.js/utils';
import { LayerRewriter } from '../../sfu-server/media/layer-rewriter.ts';
import {
  circularDistance,
  describeH264,
  joinH264,
  joinVp8,
  maxPayloadBytes,
  packetizeH264,
  packetizeVp8,
  readRtcp,
  readRtpHeader,
  readVp8Descriptor,
  rtpHeaderBytes,
  splitNalUnits,
  startsH264KeyFrame,
  startsKeyFrame,
  unixMsFromNtp,
  writeRtpHeader,
  writeSenderReport,
} from '../../sfu-server/media/rtp.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

type Vp8Fields = { pictureId: number; bits: 7 | 15; tl0: number; key: boolean; start: boolean };
const vp8Payload = ({ pictureId, bits, tl0, key, start }: Vp8Fields, content: number): Buffer =>
  Buffer.from([
    0x80 | (start ? 0x10 : 0),
    0xc0,
    ...(bits === 15 ? [0x80 | ((pictureId >> 8) & 0x7f), pictureId & 0xff] : [pictureId & 0x7f]),
    tl0 & 0xff,
    key ? 0x00 : 0x01,
    content & 0xff,
    (content >> 8) & 0xff,
  ]);

const rtp = (
  payload: Buffer,
  header: { seq: number; ts: number; marker?: boolean },
  extensionBytes = 0,
): Buffer => {
  const packet = Buffer.concat([
    Buffer.alloc(rtpHeaderBytes),
    ...(extensionBytes > 0
      ? [Buffer.from([0xbe, 0xde, 0, extensionBytes / 4]), Buffer.alloc(extensionBytes)]
      : []),
    payload,
  ]);
  writeRtpHeader(packet, {
    payloadType: 96,
    marker: header.marker ?? false,
    sequenceNumber: header.seq,
    timestamp: header.ts,
    ssrc: 1,
  });
  if (extensionBytes > 0) packet.writeUInt8(0x90, 0);
  return packet;
};

describe('readers', () => {
  it('never throw and never read outside, whatever the bytes', () => {
    fc.assert(
      fc.property(
        bytes(200),
        fc.constantFrom('vp8' as const, 'h264' as const, 'opus' as const),
        (packet, codec) => {
          const header = readRtpHeader(packet);
          if (header) {
            expect(header.payloadAt).toBeLessThanOrEqual(header.payloadEnd);
            expect(header.payloadEnd).toBeLessThanOrEqual(packet.length);
          }
          const descriptor = readVp8Descriptor(packet);
          if (descriptor) expect(descriptor.bitstreamAt).toBeLessThan(packet.length);
          startsKeyFrame(codec, packet);
          splitNalUnits(packet, 4);
          readRtcp(packet);
          const rewriter = new LayerRewriter({ codec, ssrc: 7, payloadType: 100, firstSequenceNumber: 0 });
          rewriter.begin(packet, 0);
          rewriter.rewrite(packet);
          rewriter.rewriteRetired(packet);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('agree with rtp.js about every packet rtp.js accepts', () => {
    const valid = fc.record({
      payload: bytes(40),
      seq: fc.nat(0xffff),
      ts: fc.nat(0xffff_ffff),
      ext: fc.constantFrom(0, 4, 12),
    });
    fc.assert(
      fc.property(valid, ({ payload, seq, ts, ext }) => {
        const packet = rtp(payload, { seq, ts }, ext);
        const header = readRtpHeader(packet);
        const other = new RtpPacket(nodeBufferToDataView(packet));
        expect(header).toMatchObject({
          sequenceNumber: other.getSequenceNumber(),
          timestamp: other.getTimestamp(),
        });
        expect((header?.payloadEnd ?? 0) - (header?.payloadAt ?? 0)).toBe(other.getPayload().byteLength);
      }),
    );
  });

  it('take a key frame of H.264 only with its parameter sets', () => {
    const sps = Buffer.from([0x67, 1, 2, 3]);
    const pps = Buffer.from([0x68, 4]);
    const [aggregated, slice] = packetizeH264([Buffer.from([0x65, 9])], [sps, pps]);
    expect(aggregated && startsH264KeyFrame(aggregated)).toBe(true);
    expect(slice && startsH264KeyFrame(slice)).toBe(false);
    expect(startsH264KeyFrame(sps)).toBe(true);
    expect(startsH264KeyFrame(Buffer.from([0x7c, 0x85, 0]))).toBe(false);
  });
});

describe('packetizers', () => {
  it('split a VP8 frame so that its parts are the frame again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), (length) => {
        const frame = Buffer.alloc(length, 0xa5);
        const payloads = packetizeVp8(frame);
        expect(Math.max(...payloads.map((each) => each.length))).toBeLessThanOrEqual(maxPayloadBytes);
        const read = payloads.map((payload) => ({ payload, descriptor: readVp8Descriptor(payload) }));
        expect(read.map(({ descriptor }) => descriptor?.startsFrame)).toEqual(
          payloads.map((_, index) => index === 0),
        );
        expect(
          Buffer.concat(read.map((each) => each.payload.subarray(each.descriptor?.bitstreamAt))),
        ).toEqual(frame);
      }),
      { numRuns: 50 },
    );
  });

  it('split H.264 NAL units into FU-A fragments that join again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9000 }), (length) => {
        const unit = Buffer.concat([Buffer.from([0x65]), Buffer.alloc(length - 1, 0x5a)]);
        const payloads = packetizeH264([unit], []);
        expect(Math.max(...payloads.map((each) => each.length))).toBeLessThanOrEqual(maxPayloadBytes);
        if (length <= maxPayloadBytes) {
          expect(payloads).toEqual([unit]);
          return;
        }
        const headers = payloads.map((each) => each.readUInt8(1));
        expect(headers.map((each) => each & 0x80)).toEqual(
          headers.map((_, index) => (index === 0 ? 0x80 : 0)),
        );
        expect(headers.map((each) => each & 0x40)).toEqual(
          headers.map((_, i) => (i === headers.length - 1 ? 0x40 : 0)),
        );
        const first = payloads[0]?.readUInt8(0) ?? 0;
        const joined = Buffer.from([(first & 0xe0) | ((headers[0] ?? 0) & 0x1f)]);
        expect(Buffer.concat([joined, ...payloads.map((each) => each.subarray(2))])).toEqual(unit);
      }),
      { numRuns: 50 },
    );
  });
});

describe('joining payloads again', () => {
  const nalUnit = fc
    .tuple(fc.constantFrom(0x41, 0x65, 0x61), fc.uint8Array({ minLength: 1, maxLength: 4000 }))
    .map(([header, rest]) => Buffer.concat([Buffer.from([header]), rest]));
  const parameterSet = (header: number) =>
    fc
      .uint8Array({ minLength: 3, maxLength: 40 })
      .map((rest) => Buffer.concat([Buffer.from([header]), rest]));

  it('gives back the VP8 frame that was split, and nothing without its start', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 9000 }), (content) => {
        const frame = Buffer.from(content);
        const payloads = packetizeVp8(frame);
        expect(joinVp8(payloads)).toEqual(frame);
        expect(joinVp8(payloads.slice(1))).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });

  it('gives back the NAL units that were split, and nothing when a fragment is missing', () => {
    fc.assert(
      fc.property(
        fc.array(nalUnit, { minLength: 1, maxLength: 4 }),
        fc.option(fc.tuple(parameterSet(0x67), parameterSet(0x68)), { nil: [] }),
        (units, sets) => {
          const payloads = packetizeH264(units, sets);
          expect(joinH264(payloads)).toEqual([...sets, ...units]);
          if (((payloads.at(-1)?.[0] ?? 0) & 0x1f) === 28) {
            expect(joinH264(payloads.slice(0, -1))).toBeUndefined();
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(bytes(40), { maxLength: 4 }), (payloads) => {
        joinVp8(payloads);
        const units = joinH264(payloads);
        if (units) describeH264(units);
      }),
    );
  });
});

describe('RTCP', () => {
  it('writes sender reports that rtp.js reads, to the millisecond', () => {
    const unixMs = 1_800_000_000_123.25;
    const report = writeSenderReport({
      ssrc: 5,
      unixMs,
      timestamp: 0xffff_fff0,
      packetCount: 3,
      octetCount: 99,
    });
    const read = new SenderReportPacket(nodeBufferToDataView(report));
    expect(read.dump()).toMatchObject({ ssrc: 5, rtpTimestamp: 0xffff_fff0, packetCount: 3, octetCount: 99 });
    expect(unixMsFromNtp({ seconds: read.getNtpSeconds(), fraction: read.getNtpFraction() })).toBeCloseTo(
      unixMs,
      2,
    );
    expect(readRtcp(report).senderReports[0]?.unixMs).toBeCloseTo(unixMs, 2);
  });

  it('finds PLI and FIR in a compound packet and passes over the rest', () => {
    const compound = new CompoundPacket();
    const report = new SenderReportPacket();
    report.setSsrc(1);
    const pli = new PliPacket();
    pli.setSenderSsrc(1);
    pli.setMediaSsrc(0x0b00_0001);
    compound.addPacket(report);
    compound.addPacket(pli);
    compound.serialize();
    const view = compound.getView();
    const fir = Buffer.from([0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 42, 1, 0, 0, 0]);
    const all = Buffer.concat([Buffer.from(view.buffer, view.byteOffset, view.byteLength), fir]);
    expect(readRtcp(all).keyFrameRequests).toEqual([0x0b00_0001, 42]);
  });
});

// ── continuity ──────────────────────────────────────────────────────────────────────────────────────────

const segment = fc.record({
  seq: fc.nat(0xffff),
  ts: fc.nat(0xffff_ffff),
  pictureId: fc.nat(0x7fff),
  bits: fc.constantFrom(7 as const, 15 as const),
  tl0: fc.nat(0xff),
  /** Packets of each frame. */
  frames: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 40 }),
  /** Where neighbouring packets swap places, and which come twice. */
  swaps: fc.array(fc.nat(200), { maxLength: 10 }),
  twice: fc.array(fc.nat(200), { maxLength: 5 }),
  /** This packet comes only after the next stream has begun. */
  straggler: fc.option(fc.nat(200), { nil: undefined }),
  /** Milliseconds between the last frame's time and this stream's wanted time; negative overlaps. */
  gapMs: fc.integer({ min: -200, max: 400 }),
});

type Sent = {
  frame: string;
  sequence: number;
  timestamp: number;
  pictureId: number;
  tl0: number;
  marker: boolean;
};

const readSent = (out: Buffer, frame: string): Sent => {
  expect(isRtp(nodeBufferToDataView(out))).toBe(true);
  const packet = new RtpPacket(nodeBufferToDataView(out));
  expect(packet.getSsrc()).toBe(77);
  expect(packet.getPayloadType()).toBe(100);
  expect(packet.getExtensions().size).toBe(0);
  const descriptor = readVp8Descriptor(out.subarray(rtpHeaderBytes));
  return {
    frame,
    sequence: packet.getSequenceNumber(),
    timestamp: packet.getTimestamp(),
    pictureId: descriptor?.pictureId ?? -1,
    tl0: descriptor?.tl0PicIdx ?? -1,
    marker: packet.getMarker(),
  };
};

describe('a rewritten layer', () => {
  it('is one continuous stream over any switches, wrap-arounds, swaps, repeats and stragglers', () => {
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 6 }), fc.nat(0x7fff), (segments, first) => {
        const rewriter = new LayerRewriter({
          codec: 'vp8',
          ssrc: 77,
          payloadType: 100,
          firstSequenceNumber: first,
        });
        const sent = new Map<string, Sent>();
        const accept = (out: ReturnType<LayerRewriter['rewrite']>, id: string, frame: string) => {
          if (typeof out === 'string') throw new Error(`${id} was ${out}`);
          const now = readSent(out, frame);
          const before = sent.get(id);
          if (before) expect(now).toEqual(before);
          sent.set(id, now);
        };
        let held: { packet: Buffer; id: string; frame: string } | undefined;
        let wanted = 0xffff_0000;
        const order: string[] = [];
        for (const [turn, s] of segments.entries()) {
          let seq = s.seq;
          const packets = s.frames.flatMap((count, f) =>
            Array.from({ length: count }, (_, index) => {
              const fields = {
                pictureId: s.pictureId + f,
                bits: s.bits,
                tl0: s.tl0 + f,
                key: f === 0,
                start: index === 0,
              };
              const marker = index === count - 1;
              const packet = rtp(
                vp8Payload(fields, seq),
                { seq, ts: s.ts + f * 3000, marker },
                f % 3 === 0 ? 8 : 0,
              );
              seq += 1;
              return { packet, id: `${turn}/${f}/${index}`, frame: `${turn}/${f}` };
            }),
          );
          order.push(...packets.map(({ id }) => id));
          // The first packet opens the stream and the last closes it; everything between may be disturbed.
          const arriving = [...packets];
          for (const at of s.swaps) {
            const index = 1 + (at % Math.max(1, arriving.length - 2));
            const [a, b] = [arriving[index], arriving[index + 1]];
            if (a && b && index + 1 < arriving.length - 1) [arriving[index], arriving[index + 1]] = [b, a];
          }
          const late =
            s.straggler === undefined || turn === segments.length - 1 ? 0 : s.straggler % packets.length;
          const straggler = late > 0 && late < packets.length - 1 ? packets[late] : undefined;
          const opening = packets[0];
          if (!opening) return;
          wanted = ((rewriter.lastTimestamp ?? wanted) + s.gapMs * 90) >>> 0;
          expect(rewriter.begin(opening.packet, wanted)).toBe('begun');
          for (const [index, each] of arriving.entries()) {
            if (each === straggler) continue;
            accept(rewriter.rewrite(each.packet), each.id, each.frame);
            if (index === 0 && held) accept(rewriter.rewriteRetired(held.packet), held.id, held.frame);
            if (s.twice.includes(index)) accept(rewriter.rewrite(each.packet), each.id, each.frame);
          }
          held = straggler;
        }
        let before: Sent | undefined;
        for (const id of order) {
          const now = sent.get(id);
          if (!now) throw new Error(`${id} was never sent`);
          if (before) {
            expect(circularDistance(before.sequence, now.sequence, 16)).toBe(1);
            const sameFrame = before.frame === now.frame;
            expect(circularDistance(before.pictureId, now.pictureId, 15)).toBe(sameFrame ? 0 : 1);
            expect(circularDistance(before.tl0, now.tl0, 8)).toBe(sameFrame ? 0 : 1);
            const step = circularDistance(before.timestamp, now.timestamp, 32);
            if (sameFrame) expect(step).toBe(0);
            else expect(step).toBeGreaterThan(0);
          }
          before = now;
        }
      }),
      { numRuns: 120 },
    );
  });

  const opened = (codec: 'vp8' | 'opus', wanted: number) => {
    const rewriter = new LayerRewriter({ codec, ssrc: 77, payloadType: 100, firstSequenceNumber: 10 });
    const packet = (seq: number, ts: number) =>
      rtp(vp8Payload({ pictureId: seq, bits: 15, tl0: seq, key: true, start: true }, 0), { seq, ts });
    rewriter.begin(packet(100, 5000), wanted);
    rewriter.rewrite(packet(100, 5000));
    return { rewriter, packet };
  };

  it('drops what belongs before the switch, and says when a sender began anew', () => {
    const { rewriter, packet } = opened('vp8', 0);
    expect(rewriter.rewrite(packet(99, 2000))).toBe('late');
    expect(rewriter.rewrite(packet(101, 8000))).toBeInstanceOf(Buffer);
    expect(rewriter.rewrite(packet(20_000, 8000))).toBe('jumped');
    expect(rewriter.rewrite(packet(102, 11_000))).toBeInstanceOf(Buffer);
  });

  it('begins video that overlaps at once and pays the time back within 10 % of frame spacing', () => {
    const { rewriter, packet } = opened('vp8', 90_000);
    // 50 ms too early: begins 1 ms after the last frame, then closes the 51 ms gap frame by frame.
    expect(rewriter.begin(packet(500, 0), 90_000 - 4500)).toBe('begun');
    const times: number[] = [];
    for (let frame = 0; frame < 30; frame += 1) {
      const out = rewriter.rewrite(packet(500 + frame, frame * 3000));
      times.push(typeof out === 'string' ? -1 : out.readUInt32BE(4));
    }
    const steps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(times[0]).toBe(90_090);
    expect(Math.min(...steps)).toBe(2700);
    expect(steps.at(-1)).toBe(3000);
    expect(times.at(-1)).toBe(90_000 - 4500 + 29 * 3000);
  });

  it('makes audio that would repeat sent time wait for its turn', () => {
    const { rewriter, packet } = opened('opus', 48_000);
    expect(rewriter.begin(packet(500, 0), 48_000)).toBe('overlaps');
    expect(rewriter.begin(packet(501, 960), 48_960)).toBe('begun');
  });
});
