// The receiving side of a page: one transport, the program on it, and feeds of guests or mixes; heals itself.
// A new path is opened before the old one is closed, so the last picture stays until the next one is there.
import { parseScalabilityMode, type Device } from 'mediasoup-client';
import type { Consumer, Transport } from 'mediasoup-client/types';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { ConsumerOffer, RtpCapabilities } from '../../sfu-server/protocol/media.ts';
import { rtpCapabilities } from '../../sfu-server/protocol/media.ts';
import type { ConsumeTarget, Receiving } from '../../sfu-server/protocol/messages.ts';
import * as z from 'zod/mini';
import type { MediaHost, ProgramStats, Subscription, Tracks } from './media-part.ts';
import { layerFor, nextRemedy, readSample, stallMs, statsBetween, type PlaybackSample } from './playback.ts';

const unknownToClient = 'urn:ietf:params:rtp-hdrext:toffset';
const isKnown = <Uri extends string>(uri: Uri): uri is Exclude<Uri, typeof unknownToClient> =>
  uri !== unknownToClient;

/** Header extensions as mediasoup-client's types know them. Routers announce one more that nobody here needs to read. */
export const clientExtensions = <Uri extends string, Rest>(
  extensions: readonly (Rest & { uri: Uri })[] | undefined,
) => extensions?.flatMap(({ uri, ...rest }) => (isKnown(uri) ? [{ ...rest, uri }] : []));

const noTracks: Tracks = { video: null, audio: null };
const watchEveryMs = 250;
/** A first picture may take this long before its absence is called an outage. */
const firstFrameMs = 4_000;
/** Between attempts to open a path that the server refused for now. */
const retryMs = 1_000;

const tracksOf = (consumers: readonly Consumer[]): Tracks => ({
  video: consumers.find((consumer) => consumer.kind === 'video')?.track ?? null,
  audio: consumers.find((consumer) => consumer.kind === 'audio')?.track ?? null,
});

/** One stream per person, so that their sound and picture stay together. An SDP stream id holds no space (RFC 8830). */
const streamIdOf = (target: ConsumeTarget): string =>
  target.kind === 'guest' ? `guest-${target.guestId}` : target.kind;

/** What one subscription currently has. `key` names what it was made from; another key means consume anew. */
type Feed = {
  target: ConsumeTarget;
  key: string | null;
  consumers: Consumer[];
  tracks: Tracks;
  listeners: Set<(tracks: Tracks) => void>;
  refreshing: boolean;
  closed: boolean;
};

export const createReceiving = (host: MediaHost, device: () => Device) => {
  const { clock, store } = host;
  const call: MediaHost['call'] = (name, params) => host.call(name, params);
  let transport: Transport | null = null;
  let program: Consumer[] = [];
  const feeds = new Set<Feed>();
  // Every opening takes a number; one that finds a later number when it is done throws its own work away.
  let generation = 0;
  let mixMinusSeen = 0;
  let shownHeight: number | null = null;
  let askedLayer: number | null = null;
  let topHeight = 0;
  let recoveries = 0;
  let freezesBefore = 0;
  let reported: PlaybackSample | null = null;
  let latest: PlaybackSample | null = null;
  let arrivedAtMs = clock.now();
  let decodedAtMs = clock.now();
  let keyframeAskedAtMs = 0;
  let sound: 'off' | 'on' = 'off';
  let remediesTried = 0;
  let closed = false;
  let cancelWatch = () => {};
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
    opened.on('connectionstatechange', (state) => {
      if (opened !== transport) return;
      if (state === 'disconnected' || state === 'failed') void restartIce();
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

  const setProgram = (consumers: Consumer[]) => {
    freezesBefore += latest?.freezes ?? 0;
    reported = null;
    latest = null;
    program = consumers;
    const tracks = tracksOf(consumers);
    store.setState({ program: tracks });
    for (const feed of feeds) if (feed.target.kind === 'program') give(feed, tracks);
    askedLayer = null;
    applyLayer();
    if (sound === 'on') applySound();
  };

  const adopt = async (receiving: Receiving) => {
    const mine = ++generation;
    const opened = openTransport(receiving);
    try {
      const consumers = await consumeAll(opened, receiving.consumers, 'program');
      if (mine !== generation || closed) return opened.close();
      const old = transport;
      transport = opened;
      setProgram(consumers);
      await Promise.all([...feeds].map(refresh));
      old?.close();
    } catch (error) {
      opened.close();
      throw error;
    }
  };

  /** Opens a new path and moves everything onto it. Tried again while the server says "not now". */
  const reopen = () => {
    cancelRetry();
    if (closed || !connected()) return; // The next join brings a path of its own.
    recoveries += 1;
    call('openReceive', { rtpCapabilities: capabilities() })
      .then(adopt)
      .catch((error: unknown) => {
        onlyExpected(error);
        if (error instanceof AppError && error.retry) cancelRetry = clock.after(retryMs, reopen);
      });
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
      onlyExpected(error); // The ladder's next step opens a new path.
    }
  };

  const askKeyframe = () => {
    const video = program.find((consumer) => consumer.kind === 'video');
    if (!video || !connected()) return;
    keyframeAskedAtMs = clock.now();
    call('requestKeyframe', { consumerId: video.id }).catch(onlyExpected);
  };

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
    const layer = layerFor(shownHeight, spatialLayers, topHeight || (spatialLayers === 3 ? 720 : 360));
    if (layer === askedLayer) return;
    askedLayer = layer;
    call('preferLayer', { consumerId: video.id, spatialLayer: layer }).catch(onlyExpected);
  };

  // --- Noticing that nothing comes -----------------------------------------------------------------------------------

  const sampleProgram = async (): Promise<PlaybackSample | null> => {
    const watched = transport;
    const tracks = tracksOf(program);
    if (!watched || watched.closed || !tracks.video) return null;
    const report = await watched.getStats();
    if (watched !== transport) return null;
    return readSample(report, { video: tracks.video.id, audio: tracks.audio?.id ?? '' }, clock.now());
  };

  const look = async () => {
    const show = store.getState().show;
    const sample = await sampleProgram();
    const nowMs = clock.now();
    const expected = show?.phase.kind === 'live';
    if (!expected || !connected()) {
      // Without a show nothing is due; without the server nothing can be tried: the remedies wait.
      arrivedAtMs = nowMs;
      remediesTried = 0;
    }
    if (!expected) {
      decodedAtMs = nowMs;
      store.setState({ picture: { kind: 'none' } });
    }
    if (sample) {
      const bytesBefore = latest ? latest.videoBytes + latest.audioBytes : 0;
      if (sample.videoBytes + sample.audioBytes > bytesBefore) {
        arrivedAtMs = nowMs;
        remediesTried = 0;
      }
      if (sample.framesDecoded !== (latest?.framesDecoded ?? 0)) decodedAtMs = nowMs;
      if (sample.height > topHeight) {
        topHeight = sample.height;
        applyLayer();
      }
      latest = sample;
    }
    if (!expected) return;
    const stalledMs = nowMs - decodedAtMs;
    const { picture } = store.getState();
    if (stalledMs < watchEveryMs * 2 && sample && sample.framesDecoded > 0) {
      if (picture.kind !== 'flowing') store.setState({ picture: { kind: 'flowing' } });
    } else if (
      stalledMs >= (picture.kind === 'none' ? firstFrameMs : stallMs) &&
      picture.kind !== 'stalled'
    ) {
      store.setState({ picture: { kind: 'stalled', sinceMs: decodedAtMs } });
    }
    if (!connected()) return;
    // Bytes come but no frame does: the decoder waits for a keyframe.
    if (stalledMs >= stallMs && nowMs - arrivedAtMs < stallMs && nowMs - keyframeAskedAtMs >= stallMs) {
      askKeyframe();
    }
    const remedy = nextRemedy(nowMs - arrivedAtMs, remediesTried);
    if (!remedy) return;
    remediesTried += 1;
    if (remedy === 'restartIce' && transport) void restartIce();
    else reopen();
  };

  const watch = () => {
    cancelWatch = clock.after(watchEveryMs, () => {
      look()
        .catch(onlyExpected)
        .finally(() => {
          if (!closed) watch();
        });
    });
  };
  watch();

  // --- Feeds besides the program -------------------------------------------------------------------------------------

  const give = (feed: Feed, tracks: Tracks) => {
    if (feed.tracks.video === tracks.video && feed.tracks.audio === tracks.audio) return;
    feed.tracks = tracks;
    for (const listener of feed.listeners) listener(tracks);
  };

  /** Names what the target sends now, or null when it sends nothing. */
  const keyOf = (target: ConsumeTarget): string | null => {
    if (!transport) return null;
    const { show, mixMinusAvailable } = store.getState();
    switch (target.kind) {
      case 'program':
        return `${transport.id} program`;
      case 'mixMinus':
        return mixMinusAvailable ? `${transport.id} mix ${mixMinusSeen}` : null;
      case 'guest': {
        const presence = show?.guests.find((guest) => guest.id === target.guestId)?.presence;
        if (presence?.kind !== 'here') return null;
        const { videoProducerId, audioProducerId } = presence;
        if (!videoProducerId && !audioProducerId) return null;
        return `${transport.id} ${videoProducerId} ${audioProducerId}`;
      }
    }
  };

  const dropConsumers = (consumers: Consumer[]) => {
    for (const consumer of consumers) {
      if (!consumer.closed) {
        consumer.close();
        if (connected()) call('closeConsumer', { consumerId: consumer.id }).catch(onlyExpected);
      }
    }
  };

  /** Brings one feed to what its target sends now. Runs one at a time per feed and repeats until nothing has changed. */
  const refresh = async (feed: Feed): Promise<void> => {
    if (feed.refreshing) return;
    feed.refreshing = true;
    try {
      while (!feed.closed && feed.key !== keyOf(feed.target)) {
        const key = keyOf(feed.target);
        const on = transport;
        const old = feed.consumers;
        if (key === null || !on) {
          feed.consumers = [];
          give(feed, noTracks);
        } else if (feed.target.kind === 'program' && program.length > 0) {
          give(feed, tracksOf(program));
        } else {
          const answer = await call('consume', { target: feed.target, rtpCapabilities: capabilities() });
          const consumers = await consumeAll(on, answer.consumers, streamIdOf(feed.target));
          if (on !== transport || feed.closed) {
            dropConsumers(consumers);
            continue;
          }
          if (feed.target.kind === 'program') setProgram(consumers);
          else feed.consumers = consumers;
          give(feed, tracksOf(consumers));
        }
        feed.key = key;
        dropConsumers(old);
      }
    } catch (error) {
      onlyExpected(error);
      if (!closed && connected()) clock.after(retryMs, () => void refresh(feed));
    } finally {
      feed.refreshing = false;
    }
  };

  const refreshFeeds = () => {
    for (const feed of feeds) void refresh(feed);
  };

  const subscribe = (target: ConsumeTarget): Subscription => {
    const feed: Feed = {
      target,
      key: null,
      consumers: [],
      tracks: noTracks,
      listeners: new Set(),
      refreshing: false,
      closed: false,
    };
    feeds.add(feed);
    void refresh(feed);
    return {
      get tracks() {
        return feed.tracks;
      },
      onTracks: (listener) => {
        feed.listeners.add(listener);
        return () => void feed.listeners.delete(listener);
      },
      close: () => {
        if (feed.closed) return;
        feed.closed = true;
        feeds.delete(feed);
        dropConsumers(feed.consumers);
        give(feed, noTracks);
      },
    };
  };

  return {
    /** After a join: what it brought, or nothing while the media node restarts (`mediaReset` follows). */
    open: (receiving: Receiving | null) => {
      if (receiving) adopt(receiving).catch(onlyExpected);
    },
    reopen,
    consumerClosed: (consumerId: string) => {
      if (program.some((consumer) => consumer.id === consumerId)) {
        program.find((consumer) => consumer.id === consumerId)?.close();
        return reopen();
      }
      for (const feed of feeds) {
        const gone = feed.consumers.find((consumer) => consumer.id === consumerId);
        if (!gone) continue;
        gone.close();
        feed.consumers = feed.consumers.filter((consumer) => consumer !== gone);
        give(feed, tracksOf(feed.consumers));
      }
    },
    /** The show's guests have changed. */
    refreshFeeds,
    /** Another mix for this guest is there, or none. */
    mixMinusChanged: () => {
      mixMinusSeen += 1;
      refreshFeeds();
    },
    subscribe,
    programStats: async (): Promise<ProgramStats | null> => {
      const sample = await sampleProgram();
      if (!sample) return null;
      const stats = statsBetween(reported, sample, freezesBefore);
      reported = sample;
      return stats;
    },
    /** A viewer's sound is sent only while it is wanted. */
    setSound: (wanted: 'off' | 'on') => {
      if (sound === wanted) return;
      sound = wanted;
      applySound();
    },
    preferLayer: (height: number) => {
      shownHeight = height;
      applyLayer();
    },
    close: () => {
      if (closed) return;
      closed = true;
      generation += 1;
      cancelWatch();
      cancelRetry();
      for (const feed of feeds) feed.closed = true;
      feeds.clear();
      transport?.close();
      store.setState({ program: noTracks, picture: { kind: 'none' } });
    },
    snapshot: () => ({
      transport: transport?.connectionState ?? 'none',
      consumers: program.length + [...feeds].reduce((sum, feed) => sum + feed.consumers.length, 0),
      feeds: feeds.size,
      recoveries,
    }),
  };
};
