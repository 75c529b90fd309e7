// The sending side of a page: one transport and the publications on it, repaired or produced again after every outage.
// Which tracks are sent, and when, is the page's business.
import type { Device } from 'mediasoup-client';
import type { Producer, ProducerOptions, Transport } from 'mediasoup-client/types';
import * as z from 'zod/mini';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { rtpParameters } from '../../sfu-server/protocol/media.ts';
import { producerUse, type ProducerUse } from '../../sfu-server/protocol/messages.ts';
import {
  climb,
  jump as jumpOn,
  level,
  levelEveryMs,
  noticeMs,
  sendPlan,
  serverState,
  type Evidence,
  type Jump,
  type Ladder,
  type Rung,
} from './ladder.ts';
import { layerBitrates, type MediaHost, type Publication, type PublishOptions } from './media-part.ts';
import { readSent } from './playback.ts';

const retryMs = 1_000;
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
  let cancelLook = () => {};
  let ladder: Ladder = level;
  let openedAtMs = clock.now();
  /** RTCP of the server: it is what says that packets arrive, many times a second. */
  let heard = { bytes: 0, atMs: clock.now() };
  let put = { packets: 0, atMs: Number.NEGATIVE_INFINITY };
  let recoveries = 0;

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
    const old = transport;
    transport = opened;
    openedAtMs = clock.now();
    heard = { bytes: 0, atMs: openedAtMs };
    put = { packets: 0, atMs: Number.NEGATIVE_INFINITY };
    for (const sent of publications) sent.producer = null;
    await Promise.all([...publications].map(produce));
    old?.close();
  };

  /** A transport exists only once there is something to send. */
  const open = () => {
    cancelRetry();
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

  // --- Noticing that nothing arrives -----------------------------------------------------------------------------------

  /** The track goes on and so does its encoder: only the way to the server is another one. */
  const restartIce = async () => {
    const healing = transport;
    if (!healing || healing.closed || !connected()) return;
    try {
      const iceParameters = await call('restartIce', { transportId: healing.id });
      if (!healing.closed) await healing.restartIce({ iceParameters });
    } catch (error) {
      if (!healing.closed) onlyExpected(error); // The ladder's next rung opens a new transport.
    }
  };

  const carryOut = (rung: Rung | null) => {
    if (!rung) return;
    recoveries += 1;
    if (rung === 'session') host.renew();
    else if (rung === 'transport') open();
    else void restartIce();
  };

  const neverConnected = () =>
    put.packets === 0 &&
    transport?.connectionState !== 'connected' &&
    [...publications].some(({ producer }) => producer !== null);

  const evidence = (): Evidence => {
    const nowMs = clock.now();
    return {
      nowMs,
      // A page that sends nothing, with its camera and microphone gone, is owed no answer.
      due: transport !== null && (neverConnected() || nowMs - put.atMs < noticeMs * 2),
      movedAtMs: heard.atMs,
      heardAtMs: heard.atMs,
      openedAtMs,
      server: connected() ? serverState(host.unansweredForMs()) : 'away',
    };
  };

  const say = (seen: Evidence) => {
    const before = store.getState().sending;
    if (publications.size === 0 || !transport) {
      if (before.kind !== 'none') store.setState({ sending: { kind: 'none' } });
    } else if (ladder.kind === 'level') {
      if (before.kind !== 'flowing') store.setState({ sending: { kind: 'flowing' } });
    } else if (before.kind !== 'stalled' || before.trying !== ladder.rung) {
      store.setState({ sending: { kind: 'stalled', sinceMs: seen.movedAtMs, trying: ladder.rung } });
    }
  };

  const look = async () => {
    const watched = transport;
    if (watched && !watched.closed) {
      const report = readSent(await watched.getStats());
      if (closed || watched !== transport) return;
      const nowMs = clock.now();
      if (report.rtcpBytes !== heard.bytes) heard = { bytes: report.rtcpBytes, atMs: nowMs };
      // What was never confirmed is judged from when it was first sent.
      if (put.packets === 0 && report.packets > 0) heard = { ...heard, atMs: nowMs };
      if (report.packets !== put.packets) put = { packets: report.packets, atMs: nowMs };
    }
    const seen = evidence();
    const step = climb(sendPlan, ladder, seen, host.random());
    ladder = step.ladder;
    carryOut(step.rung);
    say(seen);
  };

  const watch = () => {
    cancelLook = clock.after(levelEveryMs, () => {
      look()
        .catch(onlyExpected)
        .finally(() => {
          if (!closed) watch();
        });
    });
  };
  watch();

  return {
    /** After a join, or when the media node behind the transport is gone. */
    open,
    jump: (why: Jump) => {
      const step = jumpOn(sendPlan, ladder, evidence(), why, host.random());
      ladder = step.ladder;
      carryOut(step.rung);
    },
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
      cancelLook();
      transport?.close();
      for (const sent of publications) sent.settled?.failed(new AppError('closed'));
      publications.clear();
    },
    snapshot: () => ({
      transport: transport?.connectionState ?? 'none',
      publications: publications.size,
      sending: [...publications].filter(({ producer }) => producer && !producer.closed).length,
      recoveries,
      ladder: ladder.kind === 'level' ? 'level' : (ladder.rung ?? 'noticed'),
    }),
  };
};
