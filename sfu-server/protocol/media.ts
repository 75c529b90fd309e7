// Shapes of WebRTC parameters as they cross the channel (page ↔ server, control plane ↔ media node).
// They follow mediasoup's own types field by field; unknown codecs and extensions are refused here, at the door.
import * as z from 'zod/mini';

const text = (max: number) => z.string().check(z.maxLength(max));
const uint32 = z.int().check(z.minimum(0), z.maximum(0xffff_ffff));
const payloadType = z.int().check(z.minimum(0), z.maximum(127));
const codecParameters = z.record(text(64), z.union([text(256), z.number(), z.boolean(), z.null()]));
const rtcpFeedback = z.object({ type: text(32), parameter: z.optional(text(32)) });

export const mediaKind = z.enum(['audio', 'video']);
export type MediaKind = z.infer<typeof mediaKind>;

const producerId = text(64).check(z.minLength(1));
/** What somebody sends who is here; null: not that. */
export const producersOf = {
  videoProducerId: z.nullable(producerId),
  audioProducerId: z.nullable(producerId),
} as const;

/** The codecs a program can have. One per show: every layer and the standby clip use it. */
export const videoCodec = z.enum(['VP8', 'H264']);
export type VideoCodec = z.infer<typeof videoCodec>;

const headerExtensionUri = z.enum([
  'urn:ietf:params:rtp-hdrext:sdes:mid',
  'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
  'urn:3gpp:video-orientation',
  'urn:ietf:params:rtp-hdrext:toffset',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
  'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  'urn:mediasoup:params:rtp-hdrext:packet-id',
]);

export const rtpCapabilities = z.object({
  codecs: z.optional(
    z
      .array(
        z.object({
          kind: mediaKind,
          mimeType: text(32),
          preferredPayloadType: payloadType,
          clockRate: uint32,
          channels: z.optional(z.int().check(z.minimum(1), z.maximum(8))),
          parameters: z.optional(codecParameters),
          rtcpFeedback: z.optional(z.array(rtcpFeedback).check(z.maxLength(16))),
        }),
      )
      .check(z.maxLength(64)),
  ),
  headerExtensions: z.optional(
    z
      .array(
        z.object({
          kind: mediaKind,
          uri: headerExtensionUri,
          preferredId: z.int().check(z.minimum(1), z.maximum(255)),
          preferredEncrypt: z.optional(z.boolean()),
          direction: z.optional(z.enum(['sendrecv', 'sendonly', 'recvonly', 'inactive'])),
        }),
      )
      .check(z.maxLength(64)),
  ),
});
export type RtpCapabilities = z.infer<typeof rtpCapabilities>;

// Without `msid`: which stream a track belongs to is the receiving page's business, and a sender's own ids are not passed on.
export const rtpParameters = z.object({
  mid: z.optional(text(64)),
  codecs: z
    .array(
      z.object({
        mimeType: text(32),
        payloadType,
        clockRate: uint32,
        channels: z.optional(z.int().check(z.minimum(1), z.maximum(8))),
        parameters: z.optional(codecParameters),
        rtcpFeedback: z.optional(z.array(rtcpFeedback).check(z.maxLength(16))),
      }),
    )
    .check(z.minLength(1), z.maxLength(8)),
  headerExtensions: z.optional(
    z
      .array(
        z.object({
          uri: headerExtensionUri,
          id: z.int().check(z.minimum(1), z.maximum(255)),
          encrypt: z.optional(z.boolean()),
          parameters: z.optional(codecParameters),
        }),
      )
      .check(z.maxLength(32)),
  ),
  encodings: z.optional(
    z
      .array(
        z.object({
          ssrc: z.optional(uint32),
          rid: z.optional(text(16)),
          codecPayloadType: z.optional(payloadType),
          rtx: z.optional(z.object({ ssrc: uint32 })),
          dtx: z.optional(z.boolean()),
          scalabilityMode: z.optional(text(16)),
          maxBitrate: z.optional(uint32),
        }),
      )
      .check(z.maxLength(4)),
  ),
  rtcp: z.optional(
    z.object({
      cname: z.optional(text(256)),
      reducedSize: z.optional(z.boolean()),
      mux: z.optional(z.boolean()),
    }),
  ),
});
export type RtpParameters = z.infer<typeof rtpParameters>;

export const iceParameters = z.object({
  usernameFragment: text(256),
  password: text(256),
  iceLite: z.optional(z.boolean()),
});

export const dtlsParameters = z.object({
  role: z.optional(z.enum(['auto', 'client', 'server'])),
  fingerprints: z
    .array(
      z.object({
        algorithm: z.enum(['sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512']),
        value: text(256),
      }),
    )
    .check(z.minLength(1), z.maxLength(8)),
});
export type DtlsParameters = z.infer<typeof dtlsParameters>;

/** What a browser needs to open a WebRtcTransport (mediasoup-client `TransportOptions`). */
export const transportOffer = z.object({
  id: text(64),
  iceParameters,
  iceCandidates: z
    .array(
      z.object({
        foundation: text(64),
        priority: uint32,
        address: text(256),
        ip: text(256),
        protocol: z.enum(['udp', 'tcp']),
        port: z.int().check(z.minimum(0), z.maximum(65535)),
        type: z.enum(['host', 'srflx', 'prflx', 'relay']),
        tcpType: z.optional(z.enum(['active', 'passive', 'so'])),
      }),
    )
    .check(z.maxLength(16)),
  dtlsParameters,
});
export type TransportOffer = z.infer<typeof transportOffer>;

/** What a browser needs to receive one stream (mediasoup-client `ConsumerOptions`). */
export const consumerOffer = z.object({
  id: text(64),
  producerId: text(64),
  kind: mediaKind,
  rtpParameters,
});
export type ConsumerOffer = z.infer<typeof consumerOffer>;

/** SRTP keys of a pipe between two media nodes (mediasoup `SrtpParameters`). */
export const srtpParameters = z.object({
  cryptoSuite: z.enum([
    'AEAD_AES_256_GCM',
    'AEAD_AES_128_GCM',
    'AES_CM_128_HMAC_SHA1_80',
    'AES_CM_128_HMAC_SHA1_32',
  ]),
  keyBase64: text(256),
});
export type SrtpParameters = z.infer<typeof srtpParameters>;
