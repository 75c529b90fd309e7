// The contract between the control plane and one media node, the same for a thread next door and a host near the venue.
// Pure: shapes and names only. The node's side is node.ts; the control plane's side is show/placement.ts.
import * as z from 'zod/mini';
import {
  consumerOffer,
  dtlsParameters,
  iceParameters,
  mediaKind,
  rtpCapabilities,
  rtpParameters,
  srtpParameters,
  transportOffer,
  videoCodec,
} from '../protocol/media.ts';
import type { Contract } from '../protocol/channel.ts';
import { onAirSource, switchReason } from '../protocol/state.ts';

const id = z.string().check(z.minLength(1), z.maxLength(64));
const port = z.int().check(z.minimum(0), z.maximum(65535));
const nothing = z.object({});

/** A standby clip in files: one per layer from low to high, in the program's codec. */
export const clipFiles = z.object({
  clipId: id,
  files: z.array(z.string()).check(z.minLength(1), z.maxLength(3)),
});
export type ClipFiles = z.infer<typeof clipFiles>;

/** What a node is told when its thread starts (workerData); it answers by the `ready` event or the thread ends with an error. */
export const nodeConfig = z.object({
  name: z.string(),
  /** An origin and a spare start with a program bus, off air; an edge has none. A spare may become either. */
  role: z.enum(['origin', 'edge', 'spare']),
  /** Address the sockets bind to, and the one written into ICE candidates. */
  listenIp: z.string(),
  announcedAddress: z.string(),
  /** One port for UDP and the same for TCP; 0 lets the system choose. */
  rtcPort: port,
  program: z.object({
    codec: videoCodec,
    /** Simulcast layers from low to high. */
    layers: z.int().check(z.minimum(1), z.maximum(3)),
  }),
  /** The clip that comes with the product, one file per layer from low to high, in the program's codec. Not read by an edge. */
  standbyFiles: z.array(z.string()),
  /** The clip to begin with instead, where the director has chosen one. */
  chosenClip: z.optional(clipFiles),
  /** Folder for recordings of the program; without it none are made. */
  recordings: z.optional(z.string()),
  workerBin: z.optional(z.string()),
  logLevel: z.enum(['debug', 'warn', 'error', 'none']),
});
export type NodeConfig = z.infer<typeof nodeConfig>;

/** One stream of the program as it travels through a pipe (mediasoup `PipeConsumer` → `PipeTransport.produce`). */
const pipedProducer = z.object({ producerId: id, kind: mediaKind, rtpParameters });

const layerHealth = z.object({ kbps: z.number(), fps: z.number() });
/** Health of what the studio sends, seen from the origin node. Rates over the last second. */
export const ingestHealth = z.object({
  layers: z.array(layerHealth),
  audioKbps: z.number(),
  /** Share of packets lost on the way in, 0-100, and the sender's round trip. */
  lossPct: z.number(),
  rttMs: z.number(),
  /** Arrival minus capture by the sender's own reports; null until two have come. */
  transitMs: z.nullable(z.number()),
});
export type IngestHealth = z.infer<typeof ingestHealth>;

const program = z.enum(['none', 'video', 'both']);

export const nodeContract = {
  name: 'media-node',
  version: 1,
  requests: {
    /** Opens a WebRtcTransport on the node's one WebRtcServer. `maxIncomingBitrate` in bit/s guards the laptop's link. */
    openTransport: {
      from: ['control'],
      params: z.object({ participantId: id, maxIncomingBitrate: z.optional(z.int()) }),
      result: transportOffer,
    },
    connectTransport: {
      from: ['control'],
      params: z.object({ transportId: id, dtlsParameters }),
      result: nothing,
    },
    restartIce: { from: ['control'], params: z.object({ transportId: id }), result: iceParameters },
    /** Closing what is already gone is not an error. */
    closeTransport: { from: ['control'], params: z.object({ transportId: id }), result: nothing },

    produce: {
      from: ['control'],
      params: z.object({ transportId: id, kind: mediaKind, rtpParameters, paused: z.optional(z.boolean()) }),
      result: z.object({ producerId: id }),
    },
    closeProducer: { from: ['control'], params: z.object({ producerId: id }), result: nothing },
    /** Consumes producers of this node (`producerIds`) and, with `program`, the program's video and audio. */
    consume: {
      from: ['control'],
      params: z.object({
        transportId: id,
        producerIds: z.array(id).check(z.maxLength(16)),
        program,
        /** Sound begins paused: nothing is sent, and no viewer holds the picture back for it, until `pauseConsumer`. */
        silent: z.optional(z.boolean()),
        rtpCapabilities,
      }),
      result: z.object({ consumers: z.array(consumerOffer) }),
    },
    /** Both at once, for who only watches: a transport with the program on it. Where that cannot be had, no transport is left. */
    openReceive: {
      from: ['control'],
      params: z.object({ participantId: id, program, silent: z.optional(z.boolean()), rtpCapabilities }),
      result: z.object({ transport: transportOffer, consumers: z.array(consumerOffer) }),
    },
    closeConsumer: { from: ['control'], params: z.object({ consumerId: id }), result: nothing },
    pauseConsumer: {
      from: ['control'],
      params: z.object({ consumerId: id, paused: z.boolean() }),
      result: nothing,
    },
    /** Highest simulcast layer wanted, 0 = low. Bandwidth may still choose a lower one. */
    preferLayer: {
      from: ['control'],
      params: z.object({ consumerId: id, spatialLayer: z.int().check(z.minimum(0), z.maximum(2)) }),
      result: nothing,
    },
    requestKeyframe: { from: ['control'], params: z.object({ consumerId: id }), result: nothing },

    // Pipes: both nodes open one, each is told the other's address and keys, then the program is sent across.
    openPipe: {
      from: ['control'],
      params: z.object({ pipeId: id }),
      result: z.object({ address: z.string(), port, srtpParameters }),
    },
    connectPipe: {
      from: ['control'],
      params: z.object({ pipeId: id, address: z.string(), port, srtpParameters }),
      result: nothing,
    },
    /** Origin: consumes the program into the pipe. */
    sendProgram: {
      from: ['control'],
      params: z.object({ pipeId: id }),
      result: z.object({ producers: z.array(pipedProducer) }),
    },
    /** Produces here what comes out of the pipe; it is served from `useProgram` on. */
    receiveProgram: {
      from: ['control'],
      params: z.object({ pipeId: id, producers: z.array(pipedProducer) }),
      result: nothing,
    },
    /** What `consume` with `program` serves from now on: what comes by this pipe, or (null) this node's own bus. */
    useProgram: { from: ['control'], params: z.object({ pipeId: z.nullable(id) }), result: nothing },
    closePipe: { from: ['control'], params: z.object({ pipeId: id }), result: nothing },

    // The program bus (origin only).
    /** Names the producers that are the studio's program, or takes them away (null). Replaces earlier ones. */
    attachStudio: {
      from: ['control'],
      params: z.object({ videoProducerId: z.nullable(id), audioProducerId: z.nullable(id) }),
      result: nothing,
    },
    /**
     * On air: the chooser runs (studio when healthy, else standby), and the program is recorded under the name of
     * `show`. Off air: nothing is sent.
     */
    setOnAir: {
      from: ['control'],
      params: z.object({ onAir: z.boolean(), show: z.optional(id) }),
      result: nothing,
    },
    /** The director's lock; automatics never override `standby`. */
    lockProgram: {
      from: ['control'],
      params: z.object({ lock: z.enum(['none', 'standby']) }),
      result: nothing,
    },

    /**
     * The clip fans get when the studio's picture is gone; null: the one that comes with the product. Read once: naming it
     * again is free. One that cannot be read gives way to the product's own, and `problem` says why.
     */
    setStandby: {
      from: ['control'],
      params: z.object({ clip: z.nullable(clipFiles) }),
      result: z.object({ problem: z.nullable(z.string()) }),
      timeoutMs: 30_000,
    },
    /** Reads a clip as `setStandby` would and lets go of it. Answers `badClip` with what to do. Any node can. */
    checkClip: {
      from: ['control'],
      params: z.object({
        codec: videoCodec,
        files: z.array(z.string()).check(z.minLength(1), z.maxLength(3)),
      }),
      result: z.object({ lengthMs: z.number() }),
      timeoutMs: 30_000,
    },
    /**
     * The standby clip through a program bus of its own, from its beginning: for whoever consumes these producers and nobody
     * else. Ends a few seconds after the last has stopped.
     */
    rehearseStandby: {
      from: ['control'],
      params: nothing,
      result: z.object({ producerIds: z.array(id) }),
    },

    /** For health line, debug page and metrics. */
    inspect: {
      from: ['control'],
      params: nothing,
      result: z.object({
        transports: z.number(),
        producers: z.number(),
        consumers: z.number(),
        /** mediasoup worker's CPU so far, milliseconds user + system. */
        workerCpuMs: z.number(),
        /** Worst delay of this thread's event loop over the last second. */
        loopDelayMs: z.number(),
        ingest: z.nullable(ingestHealth),
        /** Why the program is no longer recorded although it should be; null: it is, or nobody asked for it. */
        recordingStopped: z.nullable(z.string()),
        /** Free-form state of the node's parts for the debug page. */
        detail: z.record(z.string(), z.unknown()),
      }),
    },
    /** Closes everything; the thread ends by itself afterwards. */
    shutdown: { from: ['control'], params: nothing, result: nothing },
  },
  events: {
    /** `hasBus`: it can become the origin. */
    ready: z.object({ rtpCapabilities, rtcPort: port, workerPid: z.number(), hasBus: z.boolean() }),
    /** What fans see now and why; sent on every change and when the bus starts. */
    program: z.object({ source: onAirSource, reason: switchReason }),
    /** Health of the studio's media as the chooser judges it: `studioReady` = it could go on air now. */
    studioMedia: z.object({ state: z.enum(['absent', 'warming', 'ready', 'degraded', 'dead']) }),
    producerClosed: z.object({ producerId: id }),
    consumerClosed: z.object({ consumerId: id }),
    transportState: z.object({
      transportId: id,
      state: z.enum(['connecting', 'connected', 'disconnected', 'closed']),
    }),
    /** A simulcast consumer now gets this layer (null: nothing). */
    consumerLayer: z.object({ consumerId: id, spatialLayer: z.nullable(z.number()) }),
    /** The mediasoup worker died: the thread ends after this. */
    workerDied: z.object({ message: z.string() }),
  },
} as const satisfies Contract;

export type NodeContract = typeof nodeContract;
