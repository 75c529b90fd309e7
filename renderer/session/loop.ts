// The connection test of the studio: sends itself a picture through the server by one protocol, and measures what arrives.
// Loaded only when it is asked for. What the figures mean to a director is the studio's business (studio/connection.ts).
import type { Device } from 'mediasoup-client';
import type { Transport } from 'mediasoup-client/types';
import * as z from 'zod/mini';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { rtpCapabilities, rtpParameters, type TransportOffer } from '../../sfu-server/protocol/media.ts';
import type { LoopEffort, LoopReport, MediaHost, Way } from './media-part.ts';
import { clientExtensions } from './receiving.ts';
import { answerTo } from './sending.ts';

const connectMs = 6_000;
const firstPictureMs = 4_000;
/** `climbMs`: bandwidth estimation climbs from its start to what the way carries. The server takes 8 Mb/s from a studio. */
const efforts = {
  quick: { testKbps: 1_500, startKbps: 1_200, climbMs: 200, measureMs: 500 },
  full: { testKbps: 8_000, startKbps: 2_000, climbMs: 1_500, measureMs: 2_000 },
} as const satisfies Record<LoopEffort, object>;

/** Noise that no encoder can shrink, so that the test fills the bit rate it is given. */
const createNoise = () => {
  const width = 640;
  const height = 360;
  const bytes = (width * height * 3) / 2;
  const pictures = Array.from({ length: 6 }, () => {
    const picture = new Uint8Array(bytes);
    // getRandomValues gives at most this much at a time.
    for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(picture.subarray(at, at + 65_536));
    return picture;
  });
  const track = new MediaStreamTrackGenerator({ kind: 'video' });
  const writer = track.writable.getWriter();
  let count = 0;
  const timer = setInterval(() => {
    if ((writer.desiredSize ?? 0) <= 0) return;
    const picture = pictures[count++ % pictures.length];
    if (!picture) return;
    const timestamp = Math.round(performance.now() * 1000);
    const frame = new VideoFrame(picture, {
      format: 'I420',
      codedWidth: width,
      codedHeight: height,
      timestamp,
    });
    writer.write(frame).catch(() => frame.close()); // The track has been stopped.
  }, 1000 / 30);
  return {
    track,
    close: () => {
      clearInterval(timer);
      track.stop();
    },
  };
};

const inbound = z.object({
  type: z.literal('inbound-rtp'),
  kind: z.literal('video'),
  bytesReceived: z.number(),
  packetsReceived: z.number(),
  packetsLost: z.optional(z.number()),
});
const pair = z.object({
  type: z.literal('candidate-pair'),
  nominated: z.literal(true),
  currentRoundTripTime: z.optional(z.number()),
  availableOutgoingBitrate: z.optional(z.number()),
});

/** Above this share of what it may send, the test is at its own end, not the line's. */
const fullShare = 0.75;

const findStat = <T extends z.ZodMiniType>(report: RTCStatsReport, schema: T): z.infer<T> | null => {
  for (const stat of report.values()) {
    const parsed = z.safeParse(schema, stat);
    if (parsed.success) return parsed.data;
  }
  return null;
};

/** Resolves once the transport's DTLS stands. */
const connected = (transport: Transport): Promise<void> =>
  new Promise((resolve) => {
    transport.on('connectionstatechange', (state) => {
      if (state === 'connected') resolve();
    });
  });

/**
 * One way (UDP or TCP) from this page to the server's announced address and back. `full` takes some 4 s, `quick` one, a shut way 6 s.
 * Rejects with an `AppError` when the server does not take part; a way that is shut is an answer, not an error.
 */
export const measureLoop = async (
  host: MediaHost,
  device: Device,
  way: Way,
  effort: LoopEffort,
): Promise<LoopReport> => {
  const { testKbps, startKbps, climbMs, measureMs } = efforts[effort];
  const call: MediaHost['call'] = (name, params) => host.call(name, params);
  const wait = (delayMs: number) => new Promise<void>((resolve) => void host.clock.after(delayMs, resolve));
  const { connection } = host.store.getState();
  const mimeType = connection.kind === 'joined' ? `video/${connection.codec}`.toLowerCase() : '';
  const codec = device.sendRtpCapabilities.codecs?.find((each) => each.mimeType.toLowerCase() === mimeType);

  const offer = await call('openLoop', {});
  const byWay = ({ iceCandidates, ...rest }: TransportOffer): TransportOffer => ({
    ...rest,
    iceCandidates: iceCandidates.filter(({ protocol }) => protocol === way),
  });
  const candidate = byWay(offer.send).iceCandidates[0];
  const shut: LoopReport = {
    kind: 'shut',
    way,
    address: candidate?.address ?? '',
    port: candidate?.port ?? 0,
  };
  if (!candidate) return shut;

  const send = device.createSendTransport(byWay(offer.send));
  const receive = device.createRecvTransport(byWay(offer.receive));
  const noise = createNoise();
  try {
    for (const transport of [send, receive]) {
      transport.on('connect', ({ dtlsParameters }, done, failed) => {
        answerTo(() => call('connectTransport', { transportId: transport.id, dtlsParameters }), done, failed);
      });
    }
    send.on('produce', ({ kind, rtpParameters: parameters }, done, failed) => {
      const request = async () => {
        const use = { kind: 'loop' } as const;
        const parsed = z.parse(rtpParameters, parameters);
        const answer = await call('produce', { transportId: send.id, kind, rtpParameters: parsed, use });
        return { id: answer.producerId };
      };
      answerTo(request, done, failed);
    });
    const bothConnected = Promise.all([connected(send), connected(receive)]).then(() => true);
    const producer = await send.produce({
      track: noise.track,
      stopTracks: false,
      codec,
      encodings: [{ maxBitrate: testKbps * 1000 }],
      codecOptions: { videoGoogleStartBitrate: startKbps },
    });
    const capabilities = z.parse(rtpCapabilities, device.recvRtpCapabilities);
    const { consumers } = await call('consumeLoop', {
      producerId: producer.id,
      rtpCapabilities: capabilities,
    });
    const [back] = consumers;
    if (!back) throw new AppError('mediaUnavailable');
    const headerExtensions = clientExtensions(back.rtpParameters.headerExtensions);
    const consumer = await receive.consume({
      ...back,
      rtpParameters: { ...back.rtpParameters, headerExtensions },
    });
    const open = await Promise.race([bothConnected, wait(connectMs).then(() => false)]);
    if (!open) return shut;

    const arrived = async () => findStat(await consumer.getStats(), inbound);
    // The first picture of noise is a large one, and a slow computer takes its time over it.
    const giveUpAtMs = host.clock.now() + firstPictureMs;
    while (!(await arrived())?.bytesReceived) {
      if (host.clock.now() > giveUpAtMs) return shut;
      await wait(100);
    }
    await wait(climbMs);
    const before = await arrived();
    await wait(measureMs);
    const after = await arrived();
    const path = findStat(await send.getStats(), pair);
    if (!before || !after) return shut;
    const lost = Math.max(0, (after.packetsLost ?? 0) - (before.packetsLost ?? 0));
    const got = after.packetsReceived - before.packetsReceived;
    const kbps = Math.round(((after.bytesReceived - before.bytesReceived) * 8) / measureMs);
    // A slow computer encodes less than the line would carry; the estimate knows.
    const carriesKbps = (path?.availableOutgoingBitrate ?? 0) / 1000;
    return {
      ...shut,
      kind: 'open',
      kbps,
      limit: kbps > testKbps * fullShare || carriesKbps * fullShare > kbps ? 'test' : 'line',
      lossPct: (lost / Math.max(1, got + lost)) * 100,
      rttMs: Math.round((path?.currentRoundTripTime ?? 0) * 1000),
    };
  } finally {
    noise.close();
    send.close();
    receive.close();
    call('closeLoop', {}).catch(() => {}); // The server forgets it with the connection, or with the next test.
  }
};
