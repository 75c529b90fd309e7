// One media node: a mediasoup worker with one router and one WebRtcServer, the transports of those who send and
// watch, pipes to other nodes, and on the origin the program bus. It implements the requests of node-api.ts.
// Real mediasoup objects are held, not wrapped; maps are cleaned only where mediasoup says an object closed.
// Not here: the thread and its channel (node.ts); who may do what (the control plane).

import { createSocket } from 'node:dgram';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createWorker, type types } from 'mediasoup';
import * as z from 'zod/mini';
import type { Handlers, Payload, ServerEnd } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import {
  rtpParameters as rtpParametersSchema,
  type ConsumerOffer,
  type RtpParameters,
} from '../protocol/media.ts';
import type { ClipFiles, NodeConfig, NodeContract } from './node-api.ts';
import { ProgramBus, h264Parameters, programPayloadType, type ProgramBusOptions } from './program-bus.ts';
import { createRecorder, type Recorder } from './recorder.ts';
import { clockRateHz } from './rtp.ts';
import { loadStandbyClip, type StandbyClip } from './standby.ts';
import type { Kind } from './studio-ingest.ts';

export type EmitNodeEvent = ServerEnd<NodeContract>['emit'];

export type MediaNodeOptions = {
  readonly config: NodeConfig;
  readonly emit: EmitNodeEvent;
  readonly warn: (message: string, cause?: unknown) => void;
};

type TransportData = { readonly participantId: string };

/** Both codecs on every router: the program has one of them, a co-host's camera may have the other. */
export const mediaCodecs: types.RouterRtpCodecCapability[] = [
  {
    kind: 'audio',
    mimeType: 'audio/opus',
    clockRate: clockRateHz.opus,
    channels: 2,
    preferredPayloadType: programPayloadType.opus,
  },
  {
    kind: 'video',
    mimeType: 'video/VP8',
    clockRate: clockRateHz.vp8,
    preferredPayloadType: programPayloadType.vp8,
  },
  {
    kind: 'video',
    mimeType: 'video/H264',
    clockRate: clockRateHz.h264,
    preferredPayloadType: programPayloadType.h264,
    parameters: h264Parameters,
  },
];

const programKinds = { none: [], video: ['video'], both: ['video', 'audio'] } as const satisfies Record<
  string,
  readonly Kind[]
>;

/** What a viewer is sent before anything is known about the way there: enough for the top layer at once. */
const initialOutgoingBitrate = 1_200_000;
const portAttempts = 8;
const loopDelayResolutionMs = 10;
const pulseMs = 500;
/** Fans see nothing new meanwhile; a machine that is merely busy answers far sooner. */
const frozenMs = 2_500;
/** Long enough for whoever asked for it to begin receiving. */
const rehearsalLingersMs = 5_000;

export class MediaNode {
  readonly #config: NodeConfig;
  readonly #emit: EmitNodeEvent;
  readonly #warn: MediaNodeOptions['warn'];
  readonly #worker: types.Worker;
  readonly #router: types.Router;
  readonly #server: types.WebRtcServer;
  readonly #transports = new Map<string, types.WebRtcTransport<TransportData>>();
  readonly #pipes = new Map<string, types.PipeTransport>();
  readonly #producers = new Map<string, types.Producer>();
  readonly #consumers = new Map<string, types.Consumer>();
  /** The program as it comes out of each pipe. */
  readonly #feeds = new Map<string, Partial<Record<Kind, types.Producer>>>();
  /** The pipe whose program is served here; null: the bus's own. */
  #feedInUse: string | null = null;
  readonly #loopDelay = monitorEventLoopDelay({ resolution: loopDelayResolutionMs });
  readonly #loopTimer: NodeJS.Timeout;
  readonly #pulseTimer: NodeJS.Timeout;
  #onFrozen: ((error: Error) => void) | undefined;
  #pulseAskedMs: number | undefined;
  #worstLoopDelayMs = 0;
  #bus: ProgramBus | undefined;
  /** The clip in use, by the id it was named with; the product's own has none. */
  #clip: { readonly clipId: string | null; readonly clip: StandbyClip } | undefined;
  #ownClip: StandbyClip | undefined;
  /** Orders about the clip run one after another: reading takes a moment, and the last one named shall stay. */
  #clipQueue: Promise<unknown> = Promise.resolve();
  #rehearsal: { readonly bus: ProgramBus; watchedMs: number } | undefined;
  #recorder: Recorder | undefined;
  #closed = false;
  readonly rtcPort: number;

  /** Starts worker, router, sockets and, on the origin, the bus. Rejects with a sentence for the director. */
  static async start(options: MediaNodeOptions): Promise<MediaNode> {
    const { config } = options;
    const worker = await createWorker({
      ...(config.workerBin === undefined ? {} : { workerBin: config.workerBin }),
      logLevel: config.logLevel,
    });
    try {
      const router = await worker.createRouter({ mediaCodecs });
      const { server, port } = await openServer(worker, config);
      const node = new MediaNode(options, worker, router, server, port);
      if (config.role !== 'edge') await node.#startBus();
      return node;
    } catch (error) {
      worker.close();
      throw error;
    }
  }

  private constructor(
    options: MediaNodeOptions,
    worker: types.Worker,
    router: types.Router,
    server: types.WebRtcServer,
    rtcPort: number,
  ) {
    this.#config = options.config;
    this.#emit = options.emit;
    this.#warn = options.warn;
    this.#worker = worker;
    this.#router = router;
    this.#server = server;
    this.rtcPort = rtcPort;
    this.#loopDelay.enable();
    this.#pulseTimer = setInterval(() => void this.#feelPulse(), pulseMs);
    this.#loopTimer = setInterval(() => {
      this.#worstLoopDelayMs = Math.max(0, this.#loopDelay.max / 1e6 - loopDelayResolutionMs);
      this.#loopDelay.reset();
      this.#endUnwatchedRehearsal();
    }, 1000);
  }

  get rtpCapabilities(): types.RtpCapabilities {
    return this.#router.rtpCapabilities;
  }

  get workerPid(): number {
    return this.#worker.pid;
  }

  get hasBus(): boolean {
    return this.#bus !== undefined;
  }

  /** Calls back when the mediasoup worker ends unasked, or no longer answers; the node is of no use then. */
  onDied(listener: (error: Error) => void): void {
    this.#worker.once('died', listener);
    this.#onFrozen = listener;
  }

  /** Says what fans see now: for a control plane that has just connected. */
  announceProgram(): void {
    if (!this.#bus) return;
    const { source, reason } = this.#bus.decision;
    this.#emit('program', { source, reason });
    this.#emit('studioMedia', { state: this.#bus.studioMedia });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#loopTimer);
    clearInterval(this.#pulseTimer);
    this.#loopDelay.disable();
    this.#rehearsal?.bus.close();
    // The file is closed behind us: it is whole up to its last block at any time.
    void this.#recorder?.close();
    this.#bus?.close();
    this.#worker.close();
  }

  snapshot() {
    return {
      name: this.#config.name,
      role: this.#config.role,
      closed: this.#closed,
      rtcPort: this.rtcPort,
      workerPid: this.#worker.pid,
      transports: [...this.#transports.values()].map((transport) => ({
        id: transport.id,
        participantId: transport.appData.participantId,
        ice: transport.iceState,
        dtls: transport.dtlsState,
        tuple: transport.iceSelectedTuple ?? null,
      })),
      pipes: [...this.#pipes].map(([pipeId, { tuple }]) => ({ pipeId, tuple })),
      producers: [...this.#producers.values()].map(({ id, kind, type, paused, score }) => ({
        id,
        kind,
        type,
        paused,
        score,
      })),
      consumers: this.#consumers.size,
      program: {
        from: this.#feedInUse ?? 'bus',
        video: this.#program('video')?.id ?? null,
        audio: this.#program('audio')?.id ?? null,
      },
      bus: this.#bus?.snapshot() ?? null,
      clip: this.#clip?.clipId ?? null,
      rehearsal: this.#rehearsal?.bus.snapshot() ?? null,
      recorder: this.#recorder?.snapshot() ?? null,
    };
  }

  /** One handler per request of the contract. */
  readonly handlers: Handlers<NodeContract> = {
    openTransport: async ({ participantId, maxIncomingBitrate }) => {
      const transport = await this.#router.createWebRtcTransport({
        webRtcServer: this.#server,
        enableUdp: true,
        enableTcp: true,
        preferUdp: true,
        initialAvailableOutgoingBitrate: initialOutgoingBitrate,
        appData: { participantId },
      });
      this.#hold(this.#transports, transport);
      this.#watchTransport(transport);
      if (maxIncomingBitrate !== undefined) await transport.setMaxIncomingBitrate(maxIncomingBitrate);
      const { id, iceParameters, iceCandidates, dtlsParameters } = transport;
      return { id, iceParameters, iceCandidates, dtlsParameters };
    },
    connectTransport: async ({ transportId, dtlsParameters }) => {
      await this.#transport(transportId).connect({ dtlsParameters });
      return {};
    },
    restartIce: ({ transportId }) => this.#transport(transportId).restartIce(),
    closeTransport: ({ transportId }) => {
      this.#transports.get(transportId)?.close();
      return {};
    },

    produce: async ({ transportId, kind, rtpParameters, paused }) => {
      const producer = await refusable(
        this.#transport(transportId).produce({ kind, rtpParameters, paused: paused ?? false }),
      );
      this.#hold(this.#producers, producer);
      producer.observer.once('close', () => this.#emit('producerClosed', { producerId: producer.id }));
      return { producerId: producer.id };
    },
    closeProducer: ({ producerId }) => {
      this.#producers.get(producerId)?.close();
      return {};
    },

    consume: async ({ transportId, producerIds, program, silent, rtpCapabilities }) => {
      const transport = this.#transport(transportId);
      const sources = producerIds.map((producerId) => this.#find(this.#producers, producerId));
      const wanted = programKinds[program];
      for (const kind of wanted) {
        const producer = this.#program(kind);
        if (!producer) throw new AppError('mediaUnavailable');
        sources.push(producer);
      }
      const offer = async (producer: types.Producer): Promise<ConsumerOffer> => {
        // They begin at once: mediasoup asks for a key frame when the transport connects.
        const consumer = await refusable(
          transport.consume({
            producerId: producer.id,
            rtpCapabilities,
            paused: silent === true && producer.kind === 'audio',
          }),
        );
        this.#hold(this.#consumers, consumer);
        this.#watchConsumer(consumer);
        const { id, kind, rtpParameters } = consumer;
        return { id, producerId: producer.id, kind, rtpParameters: forChannel(rtpParameters) };
      };
      return { consumers: await Promise.all(sources.map(offer)) };
    },
    openReceive: async ({ participantId, ...what }) => {
      const transport = await this.handlers.openTransport({ participantId });
      try {
        return {
          transport,
          ...(await this.handlers.consume({ transportId: transport.id, producerIds: [], ...what })),
        };
      } catch (error) {
        this.#transports.get(transport.id)?.close();
        throw error;
      }
    },
    closeConsumer: ({ consumerId }) => {
      this.#consumers.get(consumerId)?.close();
      return {};
    },
    pauseConsumer: async ({ consumerId, paused }) => {
      const consumer = this.#find(this.#consumers, consumerId);
      await (paused ? consumer.pause() : consumer.resume());
      return {};
    },
    preferLayer: async ({ consumerId, spatialLayer }) => {
      const consumer = this.#find(this.#consumers, consumerId);
      if (consumer.type === 'simulcast') await consumer.setPreferredLayers({ spatialLayer });
      return {};
    },
    requestKeyframe: async ({ consumerId }) => {
      await this.#find(this.#consumers, consumerId).requestKeyFrame();
      return {};
    },

    openPipe: async ({ pipeId }) => {
      const pipe = await this.#router.createPipeTransport({
        listenInfo: { protocol: 'udp', ...this.#address },
        enableSrtp: true,
        enableRtx: true,
      });
      this.#pipes.get(pipeId)?.close();
      this.#pipes.set(pipeId, pipe);
      pipe.observer.once('close', () => {
        if (this.#pipes.get(pipeId) === pipe) this.#pipes.delete(pipeId);
      });
      const { srtpParameters, tuple } = pipe;
      if (!srtpParameters) throw new Error('mediasoup gave a pipe without SRTP keys');
      return { address: tuple.localAddress, port: tuple.localPort, srtpParameters };
    },
    connectPipe: async ({ pipeId, address, port, srtpParameters }) => {
      await this.#find(this.#pipes, pipeId).connect({ ip: address, port, srtpParameters });
      return {};
    },
    sendProgram: async ({ pipeId }) => {
      const pipe = this.#find(this.#pipes, pipeId);
      this.#bus?.expectAudience();
      const producers = [];
      for (const producer of [this.#program('video'), this.#program('audio')]) {
        if (!producer) throw new AppError('mediaUnavailable');
        const { kind, rtpParameters } = await pipe.consume({ producerId: producer.id });
        producers.push({ producerId: producer.id, kind, rtpParameters: forChannel(rtpParameters) });
      }
      return { producers };
    },
    receiveProgram: async ({ pipeId, producers }) => {
      const pipe = this.#find(this.#pipes, pipeId);
      const feed: Partial<Record<Kind, types.Producer>> = {};
      for (const { producerId, kind, rtpParameters } of producers) {
        feed[kind] = await pipe.produce({ id: producerId, kind, rtpParameters });
      }
      this.#feeds.set(pipeId, feed);
      pipe.observer.once('close', () => this.#feeds.delete(pipeId));
      return {};
    },
    useProgram: ({ pipeId }) => {
      if (pipeId !== null) this.#find(this.#feeds, pipeId);
      this.#feedInUse = pipeId;
      return {};
    },
    closePipe: ({ pipeId }) => {
      this.#pipes.get(pipeId)?.close();
      return {};
    },

    attachStudio: async ({ videoProducerId, audioProducerId }) => {
      // One that closed on the way here is simply not there: the bus shows what that means.
      const pick = (id: string | null) => (id === null ? undefined : this.#producers.get(id));
      await this.#originBus.attachStudio({ video: pick(videoProducerId), audio: pick(audioProducerId) });
      return {};
    },
    setOnAir: ({ onAir, show }) => {
      const bus = this.#originBus;
      if (onAir && show !== undefined) this.#recorder?.start(show);
      if (!onAir) this.#recorder?.stop();
      bus.setOnAir(onAir);
      return {};
    },
    lockProgram: ({ lock }) => {
      this.#originBus.setLock(lock);
      return {};
    },

    setStandby: ({ clip }) => {
      const result = this.#clipQueue.then(() => this.#useClip(clip));
      this.#clipQueue = result.catch(() => undefined); // The caller gets the error; the queue goes on.
      return result;
    },
    checkClip: async ({ codec, files }) => {
      const { lengthMs } = await loadStandbyClip(files, codec);
      return { lengthMs };
    },
    rehearseStandby: async () => {
      if (!this.#clip) throw new AppError('mediaUnavailable', 'There is no standby clip to rehearse.');
      const bus = await this.#openBus(this.#clip.clip, { onProgram: () => {}, onStudioMedia: () => {} });
      this.#rehearsal?.bus.close();
      this.#rehearsal = { bus, watchedMs: performance.now() };
      const producers = [bus.videoProducer, bus.audioProducer];
      for (const producer of producers) this.#hold(this.#producers, producer);
      bus.setLock('standby');
      bus.setOnAir(true);
      return { producerIds: producers.map(({ id }) => id) };
    },

    inspect: async () => {
      const { ru_utime, ru_stime } = await this.#worker.getResourceUsage();
      return {
        transports: this.#transports.size,
        producers: this.#producers.size,
        consumers: this.#consumers.size,
        workerCpuMs: ru_utime + ru_stime,
        loopDelayMs: Math.round(this.#worstLoopDelayMs * 10) / 10,
        ingest: this.#bus?.ingestHealth ?? null,
        recordingStopped: stoppedBecause(this.#recorder),
        detail: this.snapshot(),
      };
    },
    shutdown: () => {
      this.close();
      return {};
    },
  };

  async #startBus(): Promise<void> {
    const { program, standbyFiles, chosenClip, recordings } = this.#config;
    if (standbyFiles.length > 0) {
      this.#ownClip = await loadStandbyClip(standbyFiles, program.codec);
      this.#clip = { clipId: null, clip: this.#ownClip };
    }
    if (chosenClip) await this.#readClip(chosenClip);
    this.#bus = await this.#openBus(this.#clip?.clip, {
      onProgram: ({ source, reason }) => this.#emit('program', { source, reason }),
      onStudioMedia: (state) => this.#emit('studioMedia', { state }),
    });
    const bus = this.#bus;
    if (recordings === undefined) return;
    this.#recorder = await createRecorder({
      router: this.#router,
      program: { video: bus.videoProducer, audio: bus.audioProducer },
      codec: program.codec,
      folder: recordings,
      warn: this.#warn,
    });
  }

  #openBus(
    standby: StandbyClip | undefined,
    listeners: Pick<ProgramBusOptions, 'onProgram' | 'onStudioMedia'>,
  ): Promise<ProgramBus> {
    const { codec, layers } = this.#config.program;
    return ProgramBus.create({
      router: this.#router,
      codec,
      layers,
      standby,
      warn: this.#warn,
      ...listeners,
    });
  }

  async #useClip(wanted: ClipFiles | null): Promise<{ problem: string | null }> {
    const bus = this.#originBus;
    const before = this.#clip;
    if (before?.clipId === (wanted?.clipId ?? null)) return { problem: null };
    const problem = await this.#readClip(wanted);
    if (this.#clip && this.#clip !== before) {
      bus.setStandby(this.#clip.clip);
      this.#rehearsal?.bus.setStandby(this.#clip.clip);
    }
    return { problem };
  }

  /** Makes it the clip in use, or the product's own where it cannot be read; then says why. */
  async #readClip(wanted: ClipFiles | null): Promise<string | null> {
    const own = this.#ownClip && { clipId: null, clip: this.#ownClip };
    if (!wanted) {
      this.#clip = own;
      return null;
    }
    try {
      const clip = await loadStandbyClip(wanted.files, this.#config.program.codec);
      this.#clip = { clipId: wanted.clipId, clip };
      return null;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#warn('The chosen standby clip cannot be read; the one of the product is used.', error);
      this.#clip = own;
      return error.message;
    }
  }

  #endUnwatchedRehearsal(): void {
    const rehearsal = this.#rehearsal;
    if (!rehearsal) return;
    const nowMs = performance.now();
    const ids = [rehearsal.bus.videoProducer.id, rehearsal.bus.audioProducer.id];
    const isWatched = [...this.#consumers.values()].some(({ producerId }) => ids.includes(producerId));
    if (isWatched) rehearsal.watchedMs = nowMs;
    if (nowMs - rehearsal.watchedMs < rehearsalLingersMs) return;
    this.#rehearsal = undefined;
    rehearsal.bus.close();
  }

  /** A worker that hangs keeps its sockets and is not missed by anybody: it is asked, and ended when it stays silent. */
  async #feelPulse(): Promise<void> {
    const nowMs = performance.now();
    if (this.#pulseAskedMs !== undefined) {
      if (nowMs - this.#pulseAskedMs < frozenMs) return;
      this.#warn(`The mediasoup worker ${this.#worker.pid} has not answered for ${frozenMs} ms; ending it.`);
      process.kill(this.#worker.pid, 'SIGKILL');
      this.#onFrozen?.(new Error('it no longer answered'));
      return;
    }
    this.#pulseAskedMs = nowMs;
    try {
      await this.#worker.getResourceUsage();
      this.#pulseAskedMs = undefined;
    } catch (error) {
      // One that has died says so itself.
      if (!this.#worker.closed && !this.#worker.died)
        this.#warn('The mediasoup worker did not answer.', error);
    }
  }

  /** The program as it is consumed here; there is none on an edge whose feed is gone. */
  #program(kind: Kind): types.Producer | undefined {
    if (this.#feedInUse !== null) return this.#feeds.get(this.#feedInUse)?.[kind];
    return kind === 'video' ? this.#bus?.videoProducer : this.#bus?.audioProducer;
  }

  get #originBus(): ProgramBus {
    if (!this.#bus) throw new AppError('mediaUnavailable', 'Only the origin node runs the program.');
    return this.#bus;
  }

  get #address(): { ip: string; announcedAddress?: string } {
    return listenAddress(this.#config);
  }

  #transport(transportId: string): types.WebRtcTransport<TransportData> {
    return this.#find(this.#transports, transportId);
  }

  #find<T>(map: ReadonlyMap<string, T>, id: string): T {
    const found = map.get(id);
    if (found === undefined) throw new AppError('notFound');
    return found;
  }

  /** Keeps a mediasoup object by its id until it closes, for whatever reason. */
  #hold<T extends { id: string; observer: { once(event: 'close', listener: () => void): unknown } }>(
    map: Map<string, T>,
    object: T,
  ): void {
    map.set(object.id, object);
    object.observer.once('close', () => map.delete(object.id));
  }

  #watchTransport(transport: types.WebRtcTransport<TransportData>): void {
    const transportId = transport.id;
    let last = '';
    const tell = () => {
      const state = transportState(transport);
      if (state === last) return;
      last = state;
      this.#emit('transportState', { transportId, state });
    };
    transport.on('icestatechange', tell);
    transport.on('dtlsstatechange', tell);
    transport.observer.once('close', tell);
  }

  #watchConsumer(consumer: types.Consumer): void {
    const consumerId = consumer.id;
    // When its transport goes the page knows already; when its producer goes it must be told.
    consumer.once('producerclose', () => this.#emit('consumerClosed', { consumerId }));
    consumer.on('layerschange', (layers) =>
      this.#emit('consumerLayer', { consumerId, spatialLayer: layers?.spatialLayer ?? null }),
    );
  }
}

/** mediasoup types some fields as unknown; the protocol's schema says what may cross. */
function forChannel(parameters: types.RtpParameters): RtpParameters {
  return z.parse(rtpParametersSchema, parameters);
}

function stoppedBecause(recorder: Recorder | undefined): string | null {
  const state = recorder?.state();
  return state?.kind === 'stopped' ? state.reason : null;
}

/** Parameters mediasoup cannot work with are the sender's fault, and said so; anything else is a bug. */
async function refusable<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof TypeError || (error instanceof Error && error.name === 'UnsupportedError')) {
      throw new AppError('invalidParams', `The media cannot be handled: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

function transportState(transport: types.WebRtcTransport): Payload<NodeContract, 'transportState'>['state'] {
  if (transport.closed || transport.dtlsState === 'closed' || transport.dtlsState === 'failed')
    return 'closed';
  if (transport.iceState === 'disconnected') return 'disconnected';
  return transport.dtlsState === 'connected' ? 'connected' : 'connecting';
}

function listenAddress(config: NodeConfig): { ip: string; announcedAddress?: string } {
  const { listenIp: ip, announcedAddress } = config;
  return announcedAddress === '' || announcedAddress === ip ? { ip } : { ip, announcedAddress };
}

/** Opens the one UDP and TCP port. A port of 0 takes any that is free for both. */
async function openServer(
  worker: types.Worker,
  config: NodeConfig,
): Promise<{ server: types.WebRtcServer; port: number }> {
  const address = listenAddress(config);
  const open = (port: number) =>
    worker.createWebRtcServer({
      listenInfos: [
        { protocol: 'udp', ...address, port },
        { protocol: 'tcp', ...address, port },
      ],
    });
  for (let attempt = 1; ; attempt += 1) {
    const port = config.rtcPort === 0 ? await freeUdpPort(config.listenIp) : config.rtcPort;
    try {
      return { server: await open(port), port };
    } catch (error) {
      // A free UDP port may be taken for TCP: try another, unless this very one was asked for.
      if (config.rtcPort === 0 && attempt < portAttempts) continue;
      throw new AppError(
        'portTaken',
        `The media server cannot use port ${port} on ${config.listenIp}. Close the program that uses it, or choose other ports with --rtc-port.`,
        { cause: error },
      );
    }
  }
}

function freeUdpPort(ip: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', reject);
    socket.bind(0, ip, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
