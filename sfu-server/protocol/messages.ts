// Everything a page and the server may say to each other: one table, from which all types and checks follow.
// The rules behind it have ids in SPEC.md. The meaning of state is in state.ts, the mechanics in channel.ts.
import * as z from 'zod/mini';
import type { Contract, Params, ParamsInput, Payload, Result } from './channel.ts';
import {
  consumerOffer,
  dtlsParameters,
  iceParameters,
  mediaKind,
  rtpCapabilities,
  rtpParameters,
  transportOffer,
  videoCodec,
} from './media.ts';
import { chatEvents, chatRequests } from './chat.ts';
import { orderEvents, orderRequests } from './order-messages.ts';
import { encoderRequests } from './encoders.ts';
import { productionRequests, sourceId } from './production.ts';
import { shopEvents, shopRequests } from './shop-messages.ts';
import { crewId } from './shop.ts';
import { standbyRequests } from './standby.ts';
import { guest, guestId, scene, showId, showState, stateChange } from './state.ts';

const id = z.string().check(z.minLength(1), z.maxLength(64));
const token = z.string().check(z.minLength(16), z.maxLength(128));
const nothing = z.object({});
const title = z.string().check(z.trim(), z.minLength(1, 'give the show a title'), z.maxLength(80));

const anyone = ['viewer', 'cohost', 'studio'] as const;
const senders = ['cohost', 'studio'] as const;
const director = ['studio'] as const;

/** A receive transport with its consumers: everything a page needs for a picture, in one answer. */
const receiving = z.object({ transport: transportOffer, consumers: z.array(consumerOffer) });
export type Receiving = z.infer<typeof receiving>;

/** What a sent stream is for. The server refuses uses the role does not have. */
export const producerUse = z.discriminatedUnion('kind', [
  /** The studio's finished program. */
  z.object({ kind: z.literal('program') }),
  /** A co-host's own camera or microphone. */
  z.object({ kind: z.literal('guest') }),
  /** From the studio to one guest: everyone but that guest. Audio only. */
  z.object({ kind: z.literal('mixMinus'), guestId }),
  /** From the studio to itself, to test the connection. Video only. */
  z.object({ kind: z.literal('loop') }),
]);
export type ProducerUse = z.infer<typeof producerUse>;

export const consumeTarget = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('program') }),
  /** Studio only. */
  z.object({ kind: z.literal('guest'), guestId }),
  /** Co-host only: the mix made for them. */
  z.object({ kind: z.literal('mixMinus') }),
  /** Studio only, while the show is not live: the standby clip as fans would get it, from its beginning. */
  z.object({ kind: z.literal('rehearsal') }),
  /** Studio only: what an encoder sends to a source. */
  z.object({ kind: z.literal('encoder'), sourceId }),
]);
export type ConsumeTarget = z.infer<typeof consumeTarget>;

/** What one viewer sees, every few seconds. `delayMs`: capture to screen as far as the page can tell. */
export const playbackReport = z.object({
  delayMs: z.nullable(z.number().check(z.minimum(0), z.maximum(60_000))),
  fps: z.number().check(z.minimum(0), z.maximum(240)),
  height: z.int().check(z.minimum(0), z.maximum(10_000)),
  freezes: z.int().check(z.minimum(0)),
});

export const showContract = {
  name: 'live-drop',
  version: 1,
  requests: {
    /** The only request before a role is known. `rtpCapabilities` null: no media wanted (product page). */
    join: {
      from: ['anonymous'],
      params: z.discriminatedUnion('as', [
        z.object({
          as: z.literal('viewer'),
          showId,
          resumeToken: z.optional(token),
          rtpCapabilities: z.nullable(rtpCapabilities),
        }),
        z.object({ as: z.literal('cohost'), token, rtpCapabilities }),
        z.object({ as: z.literal('studio'), key: token, rtpCapabilities }),
        /** A phone of the crew: no media. */
        z.object({ as: z.literal('crew'), token }),
      ]),
      result: z.object({
        participantId: id,
        guestId: z.nullable(guestId),
        crewId: z.nullable(crewId),
        /** Given again on reconnect, it replaces the old connection instead of adding a second one. */
        resumeToken: token,
        state: showState,
        /** Null where no media was asked for, the show has ended, or the media node is restarting (`mediaReset` follows). */
        media: z.nullable(receiving),
        codec: videoCodec,
        /** Address under which fans reach this server, no trailing slash. */
        publicOrigin: z.string().check(z.maxLength(256)),
        /** The page is open on the computer the server runs on: what passes between them leaves by no line. */
        sameMachine: z.boolean(),
      }),
    },

    // Media. Transports, producers and consumers belong to the participant that opened them.
    openReceive: { from: anyone, params: z.object({ rtpCapabilities }), result: receiving },
    openSend: { from: senders, params: nothing, result: transportOffer },
    connectTransport: {
      from: anyone,
      params: z.object({ transportId: id, dtlsParameters }),
      result: nothing,
    },
    restartIce: { from: anyone, params: z.object({ transportId: id }), result: iceParameters },
    produce: {
      from: senders,
      params: z.object({ transportId: id, kind: mediaKind, rtpParameters, use: producerUse }),
      result: z.object({ producerId: id }),
    },
    closeProducer: { from: senders, params: z.object({ producerId: id }), result: nothing },
    /** On the transport of the last `openReceive` or `join`. A viewer may receive the program anew, and nothing else. */
    consume: {
      from: anyone,
      params: z.object({ target: consumeTarget, rtpCapabilities }),
      result: z.object({ consumers: z.array(consumerOffer) }),
    },
    /** The connection test: two transports of the studio's own; a picture sent on one comes back on the other. One at a time. */
    openLoop: {
      from: director,
      params: nothing,
      result: z.object({ send: transportOffer, receive: transportOffer }),
    },
    consumeLoop: {
      from: director,
      params: z.object({ producerId: id, rtpCapabilities }),
      result: z.object({ consumers: z.array(consumerOffer) }),
    },
    closeLoop: { from: director, params: nothing, result: nothing },
    closeConsumer: { from: anyone, params: z.object({ consumerId: id }), result: nothing },
    /** A viewer's sound begins paused: their page opens muted, and what is not heard is not sent. */
    pauseConsumer: {
      from: anyone,
      params: z.object({ consumerId: id, paused: z.boolean() }),
      result: nothing,
    },
    preferLayer: {
      from: anyone,
      params: z.object({ consumerId: id, spatialLayer: z.int().check(z.minimum(0), z.maximum(2)) }),
      result: nothing,
    },
    requestKeyframe: { from: anyone, params: z.object({ consumerId: id }), result: nothing },
    reportPlayback: { from: ['viewer'], params: playbackReport, result: nothing },

    // The show.
    setTitle: { from: director, params: z.object({ title }), result: nothing },
    setScene: { from: director, params: z.object({ scene }), result: nothing },
    /** Waits up to 10 s for a picture that has only begun to arrive. */
    goLive: { from: director, params: nothing, result: nothing, timeoutMs: 20_000 },
    endShow: { from: director, params: nothing, result: nothing },
    /** Only after the show has ended: makes the next one. The studio then joins again. */
    newShow: { from: director, params: z.object({ title }), result: z.object({ showId }) },
    lockProgram: { from: director, params: z.object({ lock: z.enum(['none', 'standby']) }), result: nothing },

    ...productionRequests,
    ...encoderRequests,
    ...standbyRequests,
    ...shopRequests,
    ...orderRequests,
    ...chatRequests,

    // Co-hosts. A token is shown once; the server keeps only its hash.
    inviteGuest: {
      from: director,
      params: z.object({ name: z.string().check(z.trim(), z.minLength(1, 'give a name'), z.maxLength(40)) }),
      result: z.object({ guest, token }),
    },
    renewGuestLink: { from: director, params: z.object({ guestId }), result: z.object({ token }) },
    revokeGuest: { from: director, params: z.object({ guestId }), result: nothing },
  },
  events: {
    ...shopEvents,
    ...orderEvents,
    ...chatEvents,
    /** First word of the server: what its routers can do, so that `join` needs no round trip of its own for it. */
    capabilities: z.object({ rtpCapabilities }),
    state: z.object({ seq: z.int(), change: stateChange }),
    /** The media node behind these transports is gone: open new ones. A viewer is given theirs with it, unless it could not be had. */
    mediaReset: z.object({ receive: z.boolean(), send: z.boolean(), receiving: z.nullable(receiving) }),
    consumerClosed: z.object({ consumerId: id }),
    /** To a co-host: their mix-minus is there (consume it) or gone. */
    mixMinus: z.object({ available: z.boolean() }),
    /** To the studio, every second while it sends. */
    health: z.object({
      layers: z.array(z.object({ kbps: z.number(), fps: z.number() })),
      audioKbps: z.number(),
      rttMs: z.number(),
      lossPct: z.number(),
      studioMedia: z.enum(['absent', 'warming', 'ready', 'degraded', 'dead']),
      /** Why the server no longer records the program; null: it does, or need not. */
      recordingStopped: z.nullable(z.string()),
      /** Over the viewers' last reports; null without any. */
      viewerDelayMs: z.nullable(z.object({ median: z.number(), p95: z.number() })),
      viewerFps: z.nullable(z.number()),
    }),
    /** Something the person should know, in one sentence. */
    notice: z.object({ text: z.string().check(z.maxLength(300)) }),
  },
} as const satisfies Contract;

export type ShowContract = typeof showContract;
export type ShowRequest = Extract<keyof ShowContract['requests'], string>;
export type ShowEvent = Extract<keyof ShowContract['events'], string>;
export type ShowParams<N extends ShowRequest> = Params<ShowContract, N>;
export type ShowParamsInput<N extends ShowRequest> = ParamsInput<ShowContract, N>;
export type ShowResult<N extends ShowRequest> = Result<ShowContract, N>;
export type Joined = ShowResult<'join'>;
export type Health = Payload<ShowContract, 'health'>;
