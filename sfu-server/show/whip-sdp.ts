// An encoder's SDP offer as what a media node's transport needs, and what the node gives as the SDP answer (RFC 9725 §4.2, RFC 8866,
// RFC 9143). One picture and one sound at most, bundled, no simulcast: that is what encoders send. Pure.
// Not its job: HTTP (whip-routes.ts), or opening anything (encoders.ts).
import * as sdp from 'sdp-transform';
import * as z from 'zod/mini';
import { AppError } from '../protocol/errors.ts';
import {
  dtlsParameters,
  rtpParameters,
  type DtlsParameters,
  type MediaKind,
  type RtpCapabilities,
  type RtpParameters,
  type TransportOffer,
} from '../protocol/media.ts';

const word = z.pipe(z.union([z.string(), z.number()]), z.transform(String));
const payload = z.int().check(z.minimum(0), z.maximum(127));
const list = <T extends z.ZodMiniType>(of: T, most: number) =>
  z.prefault(z.array(of).check(z.maxLength(most)), []);

const fingerprint = z.object({
  type: z.string(),
  hash: z.string().check(z.regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){19,63}$/i)),
});

/** As sdp-transform names the lines of one `m=` section. */
const section = z.object({
  type: z.string(),
  protocol: z.string(),
  port: z.int(),
  mid: z.optional(word),
  direction: z.prefault(z.string(), 'sendrecv'),
  setup: z.optional(z.string()),
  fingerprint: z.optional(fingerprint),
  rtcpMux: z.optional(z.string()),
  rtp: list(
    z.object({
      payload,
      codec: z.string(),
      rate: z.optional(z.number()),
      encoding: z.optional(word),
    }),
    128,
  ),
  fmtp: list(z.object({ payload, config: z.string() }), 128),
  rtcpFb: list(
    z.object({
      payload: z.union([payload, z.literal('*')]),
      type: z.string(),
      subtype: z.optional(z.string()),
    }),
    512,
  ),
  ext: list(z.object({ value: z.int(), uri: z.string(), 'encrypt-uri': z.optional(z.string()) }), 64),
  ssrcs: list(z.object({ id: z.number(), attribute: z.optional(z.string()), value: z.optional(word) }), 64),
  ssrcGroups: list(z.object({ semantics: z.string(), ssrcs: z.string() }), 16),
});
type Section = z.infer<typeof section>;

const description = z.object({
  setup: z.optional(z.string()),
  fingerprint: z.optional(fingerprint),
  groups: list(z.object({ type: z.string(), mids: word }), 8),
  media: z.array(section).check(z.maxLength(8)),
});

/** One of the encoder's streams as a media node produces it, and what the answer says of it. */
export type OfferedMedia = {
  readonly kind: MediaKind;
  readonly mid: string;
  readonly rtpParameters: RtpParameters;
};

export type EncoderOffer = {
  readonly dtlsParameters: DtlsParameters;
  /** In the order of the offer, which is the answer's. */
  readonly media: readonly OfferedMedia[];
};

const refuse = (sentence: string): AppError => new AppError('invalidParams', sentence);

const readFmtp = (config: string): Record<string, string | number> =>
  Object.fromEntries(
    config.split(';').flatMap((each) => {
      const [name = '', value = ''] = each.trim().split('=');
      if (name === '') return [];
      return [[name, /^\d{1,9}$/.test(value) && name !== 'profile-level-id' ? Number(value) : value]];
    }),
  );

/** What is asked of the sender; loss is mended by retransmission where it offers that. */
const feedback = {
  video: ['nack', 'nack pli', 'ccm fir', 'transport-cc', 'goog-remb'],
  audio: ['transport-cc'],
} as const satisfies Record<MediaKind, readonly string[]>;

/** Streams are told apart by mid or SSRC; ids of simulcast layers are not asked for. */
const layerIds: readonly string[] = [
  'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
];

/** The first of the encoder's codecs that every page of a show can receive; H.264 only in the mode that splits pictures. */
const chooseCodec = (of: Section, kind: MediaKind) => {
  for (const { payload: payloadType, codec, rate, encoding } of of.rtp) {
    const given = readFmtp(of.fmtp.find((each) => each.payload === payloadType)?.config ?? '');
    const name = codec.toLowerCase();
    if (kind === 'audio' && name === 'opus' && rate === 48_000 && encoding === '2') {
      const parameters = { minptime: 10, useinbandfec: 1, 'sprop-stereo': 1 };
      return { mimeType: 'audio/opus', payloadType, clockRate: 48_000, channels: 2, parameters };
    }
    if (kind === 'video' && name === 'vp8') {
      return { mimeType: 'video/VP8', payloadType, clockRate: 90_000, parameters: {} };
    }
    if (kind === 'video' && name === 'h264' && given['packetization-mode'] === 1) {
      // Encoders send main and high profile too. Browsers decode them, and routers know one name for all.
      const parameters = {
        'packetization-mode': 1,
        'profile-level-id': '42e01f',
        'level-asymmetry-allowed': 1,
      };
      return { mimeType: 'video/H264', payloadType, clockRate: 90_000, parameters };
    }
  }
  return null;
};

const encodingOf = ({ ssrcs, ssrcGroups }: Section) => {
  const pair = ssrcGroups
    .find(({ semantics }) => semantics === 'FID')
    ?.ssrcs.split(' ')
    .map(Number);
  const ssrc = pair?.[0] ?? ssrcs[0]?.id;
  const rtx = pair?.[1];
  return {
    ...(ssrc !== undefined && { ssrc }),
    ...(rtx !== undefined && { rtx: { ssrc: rtx } }),
  };
};

const readMedia = (of: Section, kind: MediaKind, mid: string, can: RtpCapabilities): OfferedMedia => {
  const codec = chooseCodec(of, kind);
  if (codec === null) {
    throw refuse(
      kind === 'video'
        ? 'The encoder offers no picture that can be used here. Set it to H.264 or VP8.'
        : 'The encoder offers no sound that can be used here. Set it to Opus, 48 kHz, stereo.',
    );
  }
  const wanted: readonly string[] = feedback[kind];
  const rtcpFeedback = of.rtcpFb
    .filter((each) => each.payload === codec.payloadType || each.payload === '*')
    .filter(({ type, subtype }) => wanted.includes(subtype === undefined ? type : `${type} ${subtype}`))
    .map(({ type, subtype }) => ({ type, ...(subtype !== undefined && { parameter: subtype }) }));
  const resending = of.rtp.find(
    (each) =>
      each.codec.toLowerCase() === 'rtx' &&
      of.fmtp.some(
        ({ payload, config }) => payload === each.payload && readFmtp(config)['apt'] === codec.payloadType,
      ),
  );
  const encoding = encodingOf(of);
  const known = new Set(
    (can.headerExtensions ?? []).filter((each) => each.kind === kind).map(({ uri }): string => uri),
  );
  const headerExtensions = of.ext
    .filter((each) => each['encrypt-uri'] === undefined)
    .filter(({ uri }) => known.has(uri) && !layerIds.includes(uri))
    .map(({ value, uri }) => ({ uri, id: value }));
  const hasMid = headerExtensions.some(({ uri }) => uri === 'urn:ietf:params:rtp-hdrext:sdes:mid');
  if (encoding.ssrc === undefined && !hasMid) {
    throw refuse(
      'The offer names neither an SSRC nor the mid header extension, so its streams cannot be told apart.',
    );
  }
  const rtx = encoding.rtx !== undefined && resending !== undefined;
  const cname = of.ssrcs.find(({ attribute }) => attribute === 'cname')?.value;
  const parsed = rtpParameters.safeParse({
    mid,
    codecs: [
      { ...codec, rtcpFeedback },
      ...(rtx
        ? [
            {
              mimeType: 'video/rtx',
              payloadType: resending.payload,
              clockRate: codec.clockRate,
              parameters: { apt: codec.payloadType },
            },
          ]
        : []),
    ],
    headerExtensions,
    encodings: [rtx ? encoding : { ...(encoding.ssrc !== undefined && { ssrc: encoding.ssrc }) }],
    rtcp: { reducedSize: true, ...(cname !== undefined && { cname }) },
  });
  if (!parsed.success) throw refuse('The offer cannot be understood: a number in it is out of range.');
  return { kind, mid, rtpParameters: parsed.data };
};

/** Throws `invalidParams` with a sentence for whoever has set the encoder up. `can`: what the routers can. */
export const readOffer = (text: string, can: RtpCapabilities): EncoderOffer => {
  let given: unknown;
  try {
    given = sdp.parse(text);
  } catch (error) {
    throw new AppError('invalidParams', 'This is no SDP offer.', { cause: error });
  }
  const parsed = description.safeParse(given);
  if (!parsed.success || parsed.data.media.length === 0) throw refuse('This is no SDP offer.');
  const { media: sections, groups } = parsed.data;
  const bundled = new Set(groups.find(({ type }) => type === 'BUNDLE')?.mids.split(' '));
  const media = sections.map((each, index): OfferedMedia => {
    const { type: kind, protocol, mid = String(index) } = each;
    if (kind !== 'audio' && kind !== 'video') throw refuse('The offer holds more than picture and sound.');
    if (protocol !== 'UDP/TLS/RTP/SAVPF' || each.rtcpMux === undefined) {
      throw refuse('The offer is not of WebRTC: it needs UDP/TLS/RTP/SAVPF and rtcp-mux.');
    }
    if (each.direction !== 'sendonly' && each.direction !== 'sendrecv') {
      throw refuse('The offer sends nothing: WHIP is for sending.');
    }
    if (sections.length > 1 && !bundled.has(mid)) throw refuse('Picture and sound have to be bundled.');
    return readMedia(each, kind, mid, can);
  });
  if (new Set(media.map(({ kind }) => kind)).size < media.length) {
    throw refuse('The offer holds several pictures or several sounds. Send one of each.');
  }
  const [first] = sections;
  const print = first?.fingerprint ?? parsed.data.fingerprint;
  const setup = first?.setup ?? parsed.data.setup;
  if (print === undefined) throw refuse('The offer has no DTLS fingerprint.');
  if (setup !== undefined && setup !== 'actpass' && setup !== 'active') {
    throw refuse('The offer has to let this server wait for the connection (setup:actpass).');
  }
  // The answer says `passive`: the encoder begins.
  const dtls = dtlsParameters.safeParse({
    role: 'client',
    fingerprints: [{ algorithm: print.type.toLowerCase(), value: print.hash }],
  });
  if (!dtls.success) throw refuse('The DTLS fingerprint of the offer is not understood.');
  return { dtlsParameters: dtls.data, media };
};

const fmtpOf = (parameters: RtpParameters['codecs'][number]['parameters'], kind: MediaKind): string => {
  // A receiver asks for stereo by another word than a sender offers it by (RFC 7587 §7).
  const asked = kind === 'audio' ? { minptime: 10, useinbandfec: 1, stereo: 1 } : (parameters ?? {});
  return Object.entries(asked)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(';');
};

/** The server waits at the addresses of the transport, which are all known: nothing is trickled. */
export const writeAnswer = ({ media }: EncoderOffer, transport: TransportOffer): string => {
  const { iceParameters, iceCandidates, dtlsParameters: dtls } = transport;
  const print = dtls.fingerprints.find(({ algorithm }) => algorithm === 'sha-256') ?? dtls.fingerprints[0];
  const [candidate] = iceCandidates;
  return sdp.write({
    version: 0,
    origin: {
      username: '-',
      sessionId: Date.now(),
      sessionVersion: 1,
      netType: 'IN',
      ipVer: 4,
      address: '0.0.0.0',
    },
    name: '-',
    timing: { start: 0, stop: 0 },
    icelite: 'ice-lite',
    groups: [{ type: 'BUNDLE', mids: media.map(({ mid }) => mid).join(' ') }],
    media: media.map(({ kind, mid, rtpParameters: { codecs, headerExtensions } }) => ({
      type: kind,
      port: candidate?.port ?? 9,
      protocol: 'UDP/TLS/RTP/SAVPF',
      payloads: codecs.map(({ payloadType }) => payloadType).join(' '),
      connection: { version: 4, ip: '0.0.0.0' },
      mid,
      direction: 'recvonly',
      rtcpMux: 'rtcp-mux',
      rtcpRsize: 'rtcp-rsize',
      iceUfrag: iceParameters.usernameFragment,
      icePwd: iceParameters.password,
      candidates: iceCandidates.map((each) => ({
        foundation: each.foundation,
        component: 1,
        transport: each.protocol,
        priority: each.priority,
        ip: each.address,
        port: each.port,
        type: each.type,
        ...(each.tcpType !== undefined && { tcptype: each.tcpType }),
      })),
      endOfCandidates: 'end-of-candidates',
      setup: 'passive',
      fingerprint: { type: print?.algorithm, hash: print?.value },
      rtp: codecs.map(({ mimeType, payloadType, clockRate, channels }) => ({
        payload: payloadType,
        codec: mimeType.slice(kind.length + 1),
        rate: clockRate,
        ...(channels !== undefined && { encoding: channels }),
      })),
      fmtp: codecs.flatMap(({ payloadType, parameters }) => {
        const config = fmtpOf(parameters, kind);
        return config === '' ? [] : [{ payload: payloadType, config }];
      }),
      rtcpFb: codecs.flatMap(({ payloadType, rtcpFeedback }) =>
        (rtcpFeedback ?? []).map(({ type, parameter }) => ({
          payload: payloadType,
          type,
          ...(parameter !== undefined && { subtype: parameter }),
        })),
      ),
      ext: (headerExtensions ?? []).map(({ uri, id }) => ({ value: id, uri })),
    })),
  });
};
