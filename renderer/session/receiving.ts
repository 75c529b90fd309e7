// The receiving side of a page: one transport, the program on it, and what the recovery ladder asks to be done to them.
// A new path is opened before the old one is closed, so the last picture stays until the next one is there.
import { parseScalabilityMode, type Device } from 'mediasoup-client';
import type { Consumer, Transport } from 'mediasoup-client/types';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { ConsumerOffer, RtpCapabilities } from '../../sfu-server/protocol/media.ts';
import { rtpCapabilities } from '../../sfu-server/protocol/media.ts';
import type { ConsumeTarget, Receiving } from '../../sfu-server/protocol/messages.ts';
import * as z from 'zod/mini';
import { createFeeds, noTracks, tracksOf } from './feeds.ts';
import type { Rung } from './ladder.ts';
import type { MediaHost, ProgramStats } from './media-part.ts';
import { createLipSync } from './lip-sync.ts';
import { layerFor, readSample, statsBetween, type PlaybackSample } from './playback.ts';
import { createProgramWatch } from './program-watch.ts';

const unknownToClient = 'urn:ietf:params:rtp-hdrext:toffset';
const isKnown = <Uri extends string>(uri: Uri): uri is Exclude<Uri, typeof unknownToClient> =>
  uri !== unknownToClient;

/** Header extensions as mediasoup-client's types know them. Routers announce one more that nobody here needs to read. */
export const clientExtensions = <Uri extends string, Rest>(
  extensions: readonly (Rest & { uri: Uri })[] | undefined,
) => extensions?.flatMap(({ uri, ...rest }) => (isKnown(uri) ? [{ ...rest, uri }] : []));

/** Between attempts to open a path that the server refused for now: doubling up to the last. */
const retryMs = { first: 500, most: 8_000 };
const handOverMs = 3_000;
const handOverLookMs = 50;

/** One stream per person, so that their sound and picture stay together. An SDP stream id holds no space (RFC 8830). */
const streamIdOf = (target: ConsumeTarget): string =>
  target.kind === 'guest' ? `guest-${target.guestId}` : target.kind;

export const createReceiving = (host: MediaHost, device: () => Device) => {
  const { clock, store } = host;
  const call: MediaHost['call'] = (name, params) => host.call(name, params);
  let transport: Transport | null = null;
  let program: Consumer[] = [];
  // Every opening takes a number; one that finds a later number when it is done throws its own work away.
  let generation = 0;
  let refusals = 0;
  /** The program whose end the server has told: its consumers are not there any more. */
  let forsaken: readonly Consumer[] = [];
  let shownHeight: number | null = null;
  let askedLayer: number | null = null;
  let recoveries = 0;
  let freezesBefore = 0;
  let reported: PlaybackSample | null = null;
  let sound: 'off' | 'on' = 'off';
  let closed = false;
  let cancelRetry = () => {};

  const capabilities = (): RtpCapabilities => z.parse(rtpCapabilities, device().recvRtpCapabilities);
  const connected = () => store.getState().connection.kind === 'joined';
  /** Errors on the way to a picture are expected during an outage; the watch goes on trying. A bug is not. */
  const onlyExpected = (error: unknown) => {
    if (!(error instanceof AppError) && !closed) reportError(error);
  };

  const openTransport = (receiving: Receiving): Transport => {
    const opened = device().createRecvTransport(receiving.transport);
    opened.on('connect', ({ dtlsParameters }, done, failed) => {
      // Not awaited: connectivity checks start while the message is still on its way, one round trip earlier.
      call('connectTransport', { transportId: opened.id, dtlsParameters }).catch((error: unknown) => {
        failed(error instanceof Error ? error : new Error(String(error)));
        onlyExpected(error);
      });
      done();
    });
    return opened;
  };

  const consumeAll = async (on: Transport, offers: ConsumerOffer[], streamId: string) => {
    const consumers = await Promise.all(
      offers.map((offer) =>
        on.consume({
          ...offer,
          streamId,
          rtpParameters: {
            ...offer.rtpParameters,
            headerExtensions: clientExtensions(offer.rtpParameters.headerExtensions),
          },
        }),
      ),
    );
    for (const consumer of consumers) {
      const receiver = consumer.rtpReceiver;
      // As little delay as the network allows; browsers without it keep their own target.
      if (receiver && 'jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
    }
    return consumers;
  };

  const consume = async (on: Transport, target: ConsumeTarget): Promise<Consumer[]> => {
    const { consumers } = await call('consume', { target, rtpCapabilities: capabilities() });
    try {
      return on.closed ? [] : await consumeAll(on, consumers, streamIdOf(target));
    } catch (error) {
      if (on.closed) return []; // Another path has taken over in the middle.
      throw error;
    }
  };

  const dropConsumers = (consumers: readonly Consumer[]) => {
    for (const consumer of consumers) {
      if (consumer.closed) continue;
      consumer.close();
      if (connected() && consumers !== forsaken)
        call('closeConsumer', { consumerId: consumer.id }).catch(onlyExpected);
    }
  };

  const setProgram = (consumers: Consumer[]) => {
    freezesBefore += watch.consumersChanged();
    reported = null;
    program = consumers;
    lipSync.consumersChanged();
    const tracks = tracksOf(consumers);
    store.setState({ program: tracks });
    feeds.programIs(tracks);
    askedLayer = null;
    applyLayer();
    if (sound === 'on') applySound();
  };

  /** Where the old path still brings a picture, the new one takes over when it has one too. */
  const firstPicture = async (on: Transport, consumers: readonly Consumer[]): Promise<void> => {
    const { video } = tracksOf(consumers);
    if (!video) return;
    const giveUpAtMs = clock.now() + handOverMs;
    while (watch.arriving() && clock.now() < giveUpAtMs && !on.closed) {
      const report = await on.getStats();
      const { framesDecoded } = readSample(report, { video: video.id, audio: '' }, clock.now());
      if (framesDecoded > 0) return;
      await new Promise<void>((resolve) => void clock.after(handOverLookMs, resolve));
    }
  };

  const adopt = async (receiving: Receiving, old: 'alive' | 'gone') => {
    const mine = ++generation;
    const opened = openTransport(receiving);
    try {
      const consumers = await consumeAll(opened, receiving.consumers, 'program');
      if (old === 'alive') await firstPicture(opened, consumers);
      if (mine !== generation || closed) return opened.close();
      const replaced = transport;
      transport = opened;
      watch.pathOpened();
      setProgram(consumers);
      await feeds.refresh();
      replaced?.close();
    } catch (error) {
      opened.close();
      throw error;
    }
  };

  // --- What the ladder asks for ------------------------------------------------------------------------------------------

  const askKeyframe = () => {
    const video = program.find((consumer) => consumer.kind === 'video');
    if (!video || !connected()) return;
    call('requestKeyframe', { consumerId: video.id }).catch(onlyExpected);
  };

  /** The program anew on the same path: a consumer the server has lost, or a jitter buffer that has grown. */
  const reconsume = async () => {
    const on = transport;
    if (!on || on.closed || !connected()) return;
    recoveries += 1;
    const mine = ++generation;
    const consumers = await consume(on, { kind: 'program' });
    if (mine !== generation || on !== transport || closed) return dropConsumers(consumers);
    const old = program;
    setProgram(consumers);
    dropConsumers(old);
  };

  const restartIce = async () => {
    const healing = transport;
    if (!healing || !connected()) return;
    recoveries += 1;
    try {
      const iceParameters = await call('restartIce', { transportId: healing.id });
      if (healing.closed) return;
      await healing.restartIce({ iceParameters });
      askKeyframe();
    } catch (error) {
      if (!healing.closed) onlyExpected(error);
    }
  };

  const gaveUp = (error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    store.setState({ notice: `The picture cannot be played here: ${why}` });
  };

  /** Opens a new path and moves everything onto it. Tried again, ever more rarely, while the server says "not now". */
  const reopen = (old: 'alive' | 'gone' = 'gone') => {
    cancelRetry();
    if (closed || !connected()) return; // The next join brings a path of its own.
    recoveries += 1;
    call('openReceive', { rtpCapabilities: capabilities() })
      .then((receiving) => {
        refusals = 0;
        return adopt(receiving, old);
      })
      .catch((error: unknown) => {
        onlyExpected(error);
        if (!(error instanceof AppError) || !error.retry) return gaveUp(error);
        refusals += 1;
        const waitMs = Math.min(retryMs.most, retryMs.first * 2 ** (refusals - 1));
        cancelRetry = clock.after(waitMs, () => reopen(old));
      });
  };

  /** Of a path that was to be mended, and could not be. */
  const elseReopen = (error: unknown) => {
    onlyExpected(error);
    reopen();
  };

  const carryOut = (rung: Rung) => {
    switch (rung) {
      case 'keyframe':
        return askKeyframe();
      case 'consumer':
        return void reconsume().catch(onlyExpected); // The next rung is due anyway.
      case 'ice':
        return void restartIce();
      case 'transport':
        return reopen();
      case 'session':
        recoveries += 1;
        return host.renew();
    }
  };

  // --- Sound, layer, statistics ----------------------------------------------------------------------------------------

  const applySound = () => {
    const audio = program.find((consumer) => consumer.kind === 'audio');
    if (!audio || !connected()) return;
    call('pauseConsumer', { consumerId: audio.id, paused: sound === 'off' }).catch(onlyExpected);
  };

  const applyLayer = () => {
    const video = program.find((consumer) => consumer.kind === 'video');
    if (!video || shownHeight === null || !connected()) return;
    const mode = video.rtpParameters.encodings?.[0]?.scalabilityMode;
    const { spatialLayers } = parseScalabilityMode(mode);
    if (spatialLayers < 2) return;
    const topHeight = watch.topHeight() || (spatialLayers === 3 ? 720 : 360);
    const layer = layerFor(shownHeight, spatialLayers, topHeight);
    if (layer === askedLayer) return;
    askedLayer = layer;
    call('preferLayer', { consumerId: video.id, spatialLayer: layer }).catch(onlyExpected);
  };

  const sample = async (): Promise<PlaybackSample | null> => {
    const watched = transport;
    const tracks = tracksOf(program);
    if (!watched || watched.closed || !tracks.video) return null;
    const report = await watched.getStats();
    if (watched !== transport) return null;
    return readSample(report, { video: tracks.video.id, audio: tracks.audio?.id ?? '' }, clock.now());
  };

  let framesShown: (() => number) | null = null;
  const watch = createProgramWatch({
    clock,
    store,
    random: host.random,
    framesShown: () => framesShown?.() ?? null,
    sample,
    unansweredForMs: host.unansweredForMs,
    carryOut,
    onError: onlyExpected,
    onSample: (taken) => lipSync.sampled(taken),
    onHeight: applyLayer,
  });
  const lipSync = createLipSync({
    receiver: () => {
      const receiver = program.find((consumer) => consumer.kind === 'video')?.rtpReceiver;
      return receiver && 'jitterBufferTarget' in receiver ? receiver : undefined;
    },
  });
  const feeds = createFeeds({
    host,
    path: () => transport,
    program: () => program,
    consume,
    drop: dropConsumers,
    connected,
    onlyExpected,
  });

  return {
    /** After a join: what it brought, or nothing while the media node restarts (`mediaReset` follows). */
    open: (receiving: Receiving | null) => {
      cancelRetry();
      if (receiving) adopt(receiving, 'alive').catch(onlyExpected);
    },
    reopen: () => reopen(),
    /** The path before is gone, and the server has opened this one in its place. */
    replace: (opened: Receiving) => {
      cancelRetry();
      recoveries += 1;
      adopt(opened, 'gone').catch(elseReopen);
    },
    jump: watch.jump,
    consumerClosed: (consumerId: string) => {
      if (!program.some(({ id }) => id === consumerId)) return feeds.consumerClosed(consumerId);
      // Picture and sound go together: the first word of it is enough. They are closed, as ever, when there are others.
      if (forsaken === program) return;
      forsaken = program;
      // The first key frame came while the page was still making room for it; the browser would miss it for 200 ms before it asks.
      // Not so where a thin line is what stopped the picture: it carries one key frame at a time.
      reconsume().then(askKeyframe).catch(elseReopen);
    },
    /** The show's guests or encoders have changed. */
    refreshFeeds: () => void feeds.refresh(),
    mixMinusChanged: feeds.mixMinusChanged,
    subscribe: feeds.subscribe,
    programStats: (): ProgramStats | null => {
      const now = watch.latest();
      if (!now) return null;
      const stats = statsBetween(reported, now, freezesBefore);
      reported = now;
      return stats;
    },
    /** A viewer's sound is sent only while it is wanted. */
    setSound: (wanted: 'off' | 'on') => {
      if (sound === wanted) return;
      sound = wanted;
      applySound();
      lipSync.follow(wanted);
    },
    countFrames: (counter: (() => number) | null) => {
      framesShown = counter;
    },
    preferLayer: (height: number) => {
      shownHeight = height;
      applyLayer();
    },
    close: () => {
      if (closed) return;
      closed = true;
      generation += 1;
      watch.close();
      lipSync.close();
      feeds.close();
      cancelRetry();
      transport?.close();
      store.setState({ program: noTracks, picture: { kind: 'none' } });
    },
    snapshot: () => {
      const others = feeds.snapshot();
      return {
        transport: transport?.connectionState ?? 'none',
        consumers: program.length + others.consumers,
        feeds: others.feeds,
        recoveries,
        ...watch.snapshot(),
        ...lipSync.snapshot(),
      };
    },
  };
};
