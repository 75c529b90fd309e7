// What a page receives besides the program: guests, encoders and the rehearsed standby clip for the studio, their mix for a co-host.
// Each feed follows what its target sends now, over whichever path the page has. Opening paths is receiving.ts.
import type { Consumer } from 'mediasoup-client/types';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { Encoder } from '../../sfu-server/protocol/encoders.ts';
import type { ConsumeTarget } from '../../sfu-server/protocol/messages.ts';
import type { Guest } from '../../sfu-server/protocol/state.ts';
import type { MediaHost, Subscription, Tracks } from './media-part.ts';

export const noTracks: Tracks = { video: null, audio: null };

export const tracksOf = (consumers: readonly Consumer[]): Tracks => ({
  video: consumers.find((consumer) => consumer.kind === 'video')?.track ?? null,
  audio: consumers.find((consumer) => consumer.kind === 'audio')?.track ?? null,
});

const names = {
  program: 'The program',
  mixMinus: 'The sound for you',
  rehearsal: 'The standby clip',
  encoder: 'What an encoder sends',
} as const satisfies Record<Exclude<ConsumeTarget['kind'], 'guest'>, string>;

/** Between attempts to receive what the server refused for now: doubling up to the last. */
const retryMs = { first: 1_000, most: 15_000 };
type Feed = {
  target: ConsumeTarget;
  /** Names what it was made from; another key means consume anew. */
  key: string | null;
  /** A key that was refused for good: not asked for again, but the next one is. */
  refusedKey: string | null;
  consumers: Consumer[];
  tracks: Tracks;
  listeners: Set<(tracks: Tracks) => void>;
  refreshing: boolean;
  failures: number;
  cancelRetry: () => void;
  closed: boolean;
};

/** `Path`: whatever carries streams, told apart by its id; a mediasoup transport. */
export type FeedsOptions<Path extends { id: string }> = {
  host: MediaHost;
  path: () => Path | null;
  program: () => readonly Consumer[];
  consume: (on: Path, target: ConsumeTarget) => Promise<Consumer[]>;
  drop: (consumers: readonly Consumer[]) => void;
  connected: () => boolean;
  onlyExpected: (error: unknown) => void;
};

export const createFeeds = <Path extends { id: string }>(options: FeedsOptions<Path>) => {
  const { host, path, onlyExpected } = options;
  const { store, clock } = host;
  const feeds = new Set<Feed>();
  let mixMinusSeen = 0;

  const give = (feed: Feed, tracks: Tracks) => {
    if (feed.tracks.video === tracks.video && feed.tracks.audio === tracks.audio) return;
    feed.tracks = tracks;
    for (const listener of feed.listeners) listener(tracks);
  };

  const keyOfSender = (transport: Path, sender: Pick<Guest | Encoder, 'presence'> | undefined) => {
    if (sender?.presence.kind !== 'here') return null;
    const { videoProducerId, audioProducerId } = sender.presence;
    if (!videoProducerId && !audioProducerId) return null;
    return `${transport.id} ${videoProducerId} ${audioProducerId}`;
  };

  /** Names what the target sends now, or null when it sends nothing. */
  const keyOf = (target: ConsumeTarget): string | null => {
    const transport = path();
    if (!transport) return null;
    const { show, mixMinusAvailable } = store.getState();
    switch (target.kind) {
      case 'program':
        return `${transport.id} program`;
      case 'mixMinus':
        return mixMinusAvailable ? `${transport.id} mix ${mixMinusSeen}` : null;
      case 'rehearsal':
        return `${transport.id} rehearsal`;
      case 'guest':
        return keyOfSender(
          transport,
          show?.guests.find((guest) => guest.id === target.guestId),
        );
      case 'encoder':
        return keyOfSender(
          transport,
          show?.encoders.find((encoder) => encoder.sourceId === target.sourceId),
        );
    }
  };

  const nameOf = (target: ConsumeTarget): string => {
    if (target.kind !== 'guest') return names[target.kind];
    const found = store.getState().show?.guests.find((guest) => guest.id === target.guestId);
    return found?.name ?? 'A guest';
  };

  const failed = (feed: Feed, error: unknown) => {
    onlyExpected(error);
    if (feed.closed || !options.connected()) return; // The next join refreshes everything.
    if (error instanceof AppError && error.retry) {
      feed.failures += 1;
      const waitMs = Math.min(retryMs.most, retryMs.first * 2 ** (feed.failures - 1));
      feed.cancelRetry = clock.after(waitMs, () => void refresh(feed));
      return;
    }
    feed.refusedKey = keyOf(feed.target);
    // What has just gone is no failure; its end is on the way as a change of state.
    if (error instanceof AppError && error.code === 'notFound') return;
    const why = error instanceof Error ? error.message : String(error);
    store.setState({ notice: `${nameOf(feed.target)} cannot be received here: ${why}` });
  };

  /** Brings one feed to what its target sends now. Runs one at a time per feed and repeats until nothing has changed. */
  const refresh = async (feed: Feed): Promise<void> => {
    if (feed.refreshing) return;
    feed.refreshing = true;
    feed.cancelRetry();
    try {
      while (!feed.closed && feed.key !== keyOf(feed.target)) {
        const key = keyOf(feed.target);
        const on = path();
        const old = feed.consumers;
        if (key === null || !on) {
          feed.consumers = [];
          give(feed, noTracks);
        } else if (feed.target.kind === 'program') {
          give(feed, tracksOf(options.program()));
        } else {
          if (key === feed.refusedKey) return;
          const consumers = await options.consume(on, feed.target);
          if (on !== path() || feed.closed) {
            options.drop(consumers);
            continue;
          }
          feed.consumers = consumers;
          give(feed, tracksOf(consumers));
        }
        feed.key = key;
        feed.failures = 0;
        options.drop(old);
      }
    } catch (error) {
      failed(feed, error);
    } finally {
      feed.refreshing = false;
    }
  };

  const refreshAll = async (): Promise<void> => {
    await Promise.all([...feeds].map(refresh));
  };

  return {
    refresh: refreshAll,
    /** The program has other consumers. */
    programIs: (tracks: Tracks) => {
      for (const feed of feeds) if (feed.target.kind === 'program') give(feed, tracks);
    },
    /** Another mix for this guest is there, or none. */
    mixMinusChanged: () => {
      mixMinusSeen += 1;
      void refreshAll();
    },
    consumerClosed: (consumerId: string) => {
      for (const feed of feeds) {
        const gone = feed.consumers.find((consumer) => consumer.id === consumerId);
        if (!gone) continue;
        gone.close();
        feed.consumers = feed.consumers.filter((consumer) => consumer !== gone);
        give(feed, tracksOf(feed.consumers));
      }
    },
    subscribe: (target: ConsumeTarget): Subscription => {
      const feed: Feed = {
        target,
        key: null,
        refusedKey: null,
        consumers: [],
        tracks: noTracks,
        listeners: new Set(),
        refreshing: false,
        failures: 0,
        cancelRetry: () => {},
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
          feed.cancelRetry();
          feeds.delete(feed);
          options.drop(feed.consumers);
          give(feed, noTracks);
        },
      };
    },
    close: () => {
      for (const feed of feeds) {
        feed.closed = true;
        feed.cancelRetry();
      }
      feeds.clear();
    },
    snapshot: () => ({
      feeds: feeds.size,
      consumers: [...feeds].reduce((sum, feed) => sum + feed.consumers.length, 0),
    }),
  };
};
