// The sending side of a page: one transport and the publications on it, produced again after every outage.
// Which tracks are sent, and when, is the page's business.
import type { Device } from 'mediasoup-client';
import type { Producer, ProducerOptions, Transport } from 'mediasoup-client/types';
import * as z from 'zod/mini';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { rtpParameters } from '../../sfu-server/protocol/media.ts';
import { producerUse, type ProducerUse } from '../../sfu-server/protocol/messages.ts';
import { layerBitrates, type MediaHost, type Publication, type PublishOptions } from './media-part.ts';

const retryMs = 1_000;
/** A restarted ICE that has not connected by then gets a new transport. */
const healMs = 2_500;
const defaultVideoKbps = 900;
const defaultAudioKbps = 128;

/** mediasoup-client asks by event and wants its answer by callback. */
export const answerTo = <T>(
  request: () => Promise<T>,
  done: (result: T) => void,
  failed: (error: Error) => void,
) => {
  const answer = async () => {
    try {
      done(await request());
    } catch (error) {
      failed(error instanceof Error ? error : new Error(String(error)));
    }
  };
  void answer();
};

const fullFps = 60;
const spareFps = 10;

type Sent = {
  track: MediaStreamTrack;
  use: ProducerUse;
  options: PublishOptions;
  effort: 'full' | 'spare';
  producer: Producer | null;
  closed: boolean;
  /** Settles `publish`; later outcomes have nobody to tell and are retried. */
  settled: { done: () => void; failed: (error: Error) => void } | null;
};

export const createSending = (host: MediaHost, device: () => Device) => {
  const { clock, store } = host;
  const call: MediaHost['call'] = (name, params) => host.call(name, params);
  const publications = new Set<Sent>();
  let transport: Transport | null = null;
  let generation = 0;
  let closed = false;
  let cancelRetry = () => {};
  let cancelHeal = () => {};

  const connected = () => store.getState().connection.kind === 'joined';
  const onlyExpected = (error: unknown) => {
    if (!(error instanceof AppError) && !closed) reportError(error);
  };

  const producerOptions = ({ track, use, options }: Sent): ProducerOptions => {
    // One stream id per use, so that receivers keep its sound and picture together.
    const streamId = use.kind;
    const shared = { track, streamId, stopTracks: false, appData: { use } };
    if (track.kind === 'audio') {
      const kbps = options.maxKbps ?? defaultAudioKbps;
      return {
        ...shared,
        encodings: [{ maxBitrate: kbps * 1000 }],
        // Steady packets are how the server knows that a source lives: no DTX.
        codecOptions: {
          opusStereo: true,
          opusFec: true,
          opusDtx: false,
          opusPtime: 20,
          opusMaxAverageBitrate: kbps * 1000,
        },
      };
    }
    const { connection } = store.getState();
    const wanted = connection.kind === 'joined' ? `video/${connection.codec}` : '';
    const codec = device().sendRtpCapabilities.codecs?.find(
      (candidate) => candidate.mimeType.toLowerCase() === wanted.toLowerCase(),
    );
    if (!codec) {
      throw new AppError(
        'forbidden',
        `This browser cannot send ${wanted || 'video'}. Use a current Chrome or Edge.`,
      );
    }
    const layers = options.layers ?? 1;
    const maxKbps = options.maxKbps ?? defaultVideoKbps;
    return {
      ...shared,
      codec,
      encodings: layerBitrates(layers, maxKbps).map((maxBitrate, layer) => ({
        maxBitrate,
        scaleResolutionDownBy: 2 ** (layers - 1 - layer),
      })),
      codecOptions: { videoGoogleStartBitrate: Math.min(maxKbps, 900) },
    };
  };

  /** One encoding only: simulcast has its own ladder. */
  const applyEffort = async ({ producer, effort, track }: Sent): Promise<void> => {
    if (!producer || producer.closed || track.kind !== 'video') return;
    const spare = effort === 'spare';
    await producer.setRtpEncodingParameters({
      scaleResolutionDownBy: spare ? 2 : 1,
      maxFramerate: spare ? spareFps : fullFps,
    });
  };

  const produce = async (sent: Sent): Promise<void> => {
    const on = transport;
    if (!on || on.closed || sent.closed) return;
    if (sent.producer && !sent.producer.closed) return;
    try {
      const producer = await on.produce(producerOptions(sent));
      if (sent.closed || on !== transport) {
        producer.close();
        return;
      }
      sent.producer = producer;
      if (sent.effort === 'spare') await applyEffort(sent);
      // The track may have been exchanged while the server answered.
      if (producer.track !== sent.track) await producer.replaceTrack({ track: sent.track });
      sent.settled?.done();
      sent.settled = null;
    } catch (error) {
      if (on !== transport) return; // The new transport produces everything itself.
      const final = error instanceof AppError ? !error.retry : true;
      if (final && sent.settled) {
        publications.delete(sent);
        sent.settled.failed(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      onlyExpected(error);
      if (!final) clock.after(retryMs, () => void produce(sent));
    }
  };

  const openTransport = async () => {
    const mine = ++generation;
    const offer = await call('openSend', {});
    if (mine !== generation || closed) return;
    const opened = device().createSendTransport(offer);
    opened.on('connect', ({ dtlsParameters }, done, failed) => {
      answerTo(() => call('connectTransport', { transportId: opened.id, dtlsParameters }), done, failed);
    });
    opened.on('produce', ({ kind, rtpParameters: parameters, appData }, done, failed) => {
      const request = async () => {
        const use = z.parse(producerUse, appData.use);
        const params = {
          transportId: opened.id,
          kind,
          rtpParameters: z.parse(rtpParameters, parameters),
          use,
        };
        const { producerId } = await call('produce', params);
        return { id: producerId };
      };
      answerTo(request, done, failed);
    });
    opened.on('connectionstatechange', (state) => {
      if (opened !== transport) return;
      if (state === 'connected') cancelHeal();
      if (state === 'disconnected' || state === 'failed') heal(opened);
    });
    const old = transport;
    transport = opened;
    for (const sent of publications) sent.producer = null;
    await Promise.all([...publications].map(produce));
    old?.close();
  };

  /** A transport exists only once there is something to send. */
  const open = () => {
    cancelRetry();
    cancelHeal();
    if (closed || !connected()) return;
    if (publications.size === 0) {
      transport?.close();
      transport = null;
      return;
    }
    openTransport().catch((error: unknown) => {
      onlyExpected(error);
      if (error instanceof AppError && error.retry) {
        cancelRetry = clock.after(retryMs, open);
        return;
      }
      for (const sent of publications) {
        sent.settled?.failed(error instanceof Error ? error : new Error(String(error)));
        if (sent.settled) publications.delete(sent);
      }
    });
  };

  const heal = (broken: Transport) => {
    cancelHeal();
    cancelHeal = clock.after(healMs, () => {
      if (broken === transport && broken.connectionState !== 'connected') open();
    });
    if (!connected()) return;
    call('restartIce', { transportId: broken.id })
      .then((iceParameters) => (broken.closed ? undefined : broken.restartIce({ iceParameters })))
      .catch(onlyExpected); // The timer above opens a new transport instead.
  };

  return {
    /** After a join, or when the media node behind the transport is gone. */
    open,
    publish: (
      track: MediaStreamTrack,
      use: ProducerUse,
      options: PublishOptions = {},
    ): Promise<Publication> => {
      const sent: Sent = {
        track,
        use,
        options,
        effort: 'full',
        producer: null,
        closed: false,
        settled: null,
      };
      publications.add(sent);
      const publication: Publication = {
        replaceTrack: async (next) => {
          sent.track = next;
          if (sent.producer && !sent.producer.closed) await sent.producer.replaceTrack({ track: next });
        },
        setEffort: async (effort) => {
          if (sent.effort === effort) return;
          sent.effort = effort;
          await applyEffort(sent);
        },
        stats: async () => (sent.producer && !sent.producer.closed ? sent.producer.getStats() : null),
        close: () => {
          if (sent.closed) return;
          sent.closed = true;
          publications.delete(sent);
          const { producer } = sent;
          if (!producer || producer.closed) return;
          producer.close();
          if (connected()) call('closeProducer', { producerId: producer.id }).catch(onlyExpected);
        },
      };
      const taken = new Promise<Publication>((resolve, reject) => {
        sent.settled = { done: () => resolve(publication), failed: reject };
      });
      if (transport && !transport.closed) void produce(sent);
      else if (publications.size === 1) open();
      return taken;
    },
    close: () => {
      if (closed) return;
      closed = true;
      generation += 1;
      cancelRetry();
      cancelHeal();
      transport?.close();
      for (const sent of publications) sent.settled?.failed(new AppError('closed'));
      publications.clear();
    },
    snapshot: () => ({
      transport: transport?.connectionState ?? 'none',
      publications: publications.size,
      sending: [...publications].filter((sent) => sent.producer && !sent.producer.closed).length,
    }),
  };
};
