// WHIP encoders (RFC 9725) as sources of the studio: who holds which key, who sends with it, and what of it arrives. One encoder to a
// source: a newer one takes the older one's place. They belong to the server and stay through the end of a show.
// Not its job: HTTP (whip-routes.ts), SDP (whip-sdp.ts), or what the studio makes of the picture.
import type { EncoderKeys } from '../access/encoder-keys.ts';
import { createRate } from '../access/rates.ts';
import { newPublicId } from '../access/tokens.ts';
import type { Clock } from '../protocol/channel.ts';
import type { Encoder } from '../protocol/encoders.ts';
import { AppError } from '../protocol/errors.ts';
import type { MediaKind } from '../protocol/media.ts';
import type { SourceId } from '../protocol/production.ts';
import type { LiveNode, Placement, TransportState } from './placement.ts';
import { readOffer, writeAnswer } from './whip-sdp.ts';

export type EncodersOptions = {
  keys: EncoderKeys;
  placement: Pick<Placement, 'origin' | 'capabilities'>;
  /** Whether the director's production has this source, and an encoder is behind it. */
  hasSource: (id: SourceId) => boolean;
  clock: Clock;
  log: { info(detail: object, text: string): void; error(detail: object, text: string): void };
};

export type Encoders = ReturnType<typeof createEncoders>;

/** A publication, from its answer to its end. Only a connected one counts as here. */
type Session = {
  readonly id: string;
  readonly sourceId: SourceId;
  readonly node: LiveNode;
  readonly transportId: string;
  readonly producers: Partial<Record<MediaKind, string>>;
  readonly tookOver: boolean;
  connected: boolean;
  cancelWait: () => void;
};

/** An encoder that has its answer and does not come is given up. */
const connectMs = 15_000;
/** Bit/s, asked of the encoder: 1080p60 at its best, and no more than a venue's link bears beside the program. */
const maxIncomingBitrate = 12_000_000;
/** An encoder that is refused tries again and again; one that guesses is told so. */
const publishing = { burst: 10, perSecond: 0.5 };
const guessing = { burst: 10, perSecond: 0.1 };

export const createEncoders = ({ keys, placement, hasSource, clock, log }: EncodersOptions) => {
  const sessions = new Map<SourceId, Session>();
  const published = createRate({ now: () => clock.now(), ...publishing });
  const guessed = createRate({ now: () => clock.now(), ...guessing });
  let tell = () => {};
  let closed = false;

  const closeTransport = ({ node, transportId }: Pick<Session, 'node' | 'transportId'>) => {
    node.end.call('closeTransport', { transportId }).catch((error: unknown) => {
      // A node that is gone has closed everything itself.
      if (error instanceof AppError && error.code === 'closed') return;
      log.error({ err: error }, "an encoder's transport could not be closed");
    });
  };

  const end = (session: Session, why: string) => {
    if (sessions.get(session.sourceId) !== session) return;
    sessions.delete(session.sourceId);
    session.cancelWait();
    closeTransport(session);
    log.info({ sourceId: session.sourceId, why }, 'an encoder has stopped');
    tell();
  };

  /** Whoever is refused here learns nothing about which sources there are. Throws `badToken` and `tooFast`. */
  const authorize = (sourceId: SourceId, key: string, address: string) => {
    // Before the limit: who guesses must not lock out an encoder behind the same address.
    if (keys.opens(sourceId, key) && hasSource(sourceId)) return;
    guessed.spend(address);
    throw new AppError(
      'badToken',
      'This key does not open this address. Copy both from the studio again, or make a new key there.',
    );
  };

  const produce = async (sdp: string, sourceId: SourceId) => {
    const can = placement.capabilities();
    if (!can) throw new AppError('mediaUnavailable');
    const offer = readOffer(sdp, can);
    const node = placement.origin();
    const transport = await node.end.call('openTransport', {
      participantId: `encoder ${sourceId}`.slice(0, 64),
      maxIncomingBitrate,
    });
    const transportId = transport.id;
    const producers: Session['producers'] = {};
    try {
      await node.end.call('connectTransport', { transportId, dtlsParameters: offer.dtlsParameters });
      for (const { kind, rtpParameters } of offer.media) {
        producers[kind] = (await node.end.call('produce', { transportId, kind, rtpParameters })).producerId;
      }
    } catch (error) {
      closeTransport({ node, transportId });
      throw error;
    }
    return { node, transportId, producers, answer: writeAnswer(offer, transport) };
  };

  const presenceOf = (sourceId: SourceId): Encoder['presence'] => {
    const session = sessions.get(sourceId);
    if (!session?.connected) return { kind: 'away' };
    const { video = null, audio = null } = session.producers;
    return { kind: 'here', videoProducerId: video, audioProducerId: audio, tookOver: session.tookOver };
  };

  const endAll = (which: (session: Session) => boolean, why: string) => {
    for (const session of sessions.values()) if (which(session)) end(session, why);
  };

  return {
    /** Every source that has a key. */
    state: (): Encoder[] => keys.sources().map((sourceId) => ({ sourceId, presence: presenceOf(sourceId) })),
    /** Called whenever `state` may have changed. */
    onChange: (listener: () => void) => {
      tell = listener;
    },

    renewKey: (sourceId: SourceId): string => {
      const key = keys.renew(sourceId, hasSource);
      endAll((session) => session.sourceId === sourceId, 'a new key was made');
      tell();
      return key;
    },
    withdrawKey: (sourceId: SourceId): void => {
      keys.withdraw(sourceId);
      endAll((session) => session.sourceId === sourceId, 'its key was withdrawn');
      tell();
    },

    /**
     * An encoder begins. Answers its session and the SDP answer. Throws `badToken`, `tooFast`, `invalidParams` and
     * `mediaUnavailable` as sentences for whoever set it up.
     */
    publish: async (
      sourceId: SourceId,
      from: { key: string; address: string; sdp: string },
    ): Promise<{ sessionId: string; answer: string }> => {
      authorize(sourceId, from.key, from.address);
      published.spend(sourceId);
      const { answer, ...opened } = await produce(from.sdp, sourceId);
      // The key may have been withdrawn, its source removed, or everything closed, while the node worked.
      if (closed || !keys.opens(sourceId, from.key) || !hasSource(sourceId)) {
        closeTransport(opened);
        throw new AppError('badToken');
      }
      const before = sessions.get(sourceId);
      if (before) end(before, 'another took its place');
      const session: Session = {
        ...opened,
        id: newPublicId(),
        sourceId,
        tookOver: before?.connected === true,
        connected: false,
        cancelWait: clock.after(connectMs, () => end(session, 'it never connected')),
      };
      sessions.set(sourceId, session);
      return { sessionId: session.id, answer };
    },
    /** The encoder says goodbye. Throws `badToken`, and `notFound` for a session that is over. */
    unpublish: (sourceId: SourceId, from: { key: string; address: string; sessionId: string }): void => {
      authorize(sourceId, from.key, from.address);
      const session = sessions.get(sourceId);
      if (session?.id !== from.sessionId) throw new AppError('notFound', 'This session is over.');
      end(session, 'it said so');
    },
    /** What the studio consumes; empty while nobody sends. */
    producers: (sourceId: SourceId): string[] => {
      const presence = presenceOf(sourceId);
      if (presence.kind === 'away') return [];
      return [presence.videoProducerId, presence.audioProducerId].filter((id) => id !== null);
    },

    // --- from the media nodes --------------------------------------------------------------------------------------------

    transportState: (transportId: string, state: TransportState) => {
      const session = [...sessions.values()].find((each) => each.transportId === transportId);
      if (!session) return;
      if (state === 'closed' || state === 'disconnected') end(session, 'its connection is gone');
      else if (state === 'connected' && !session.connected) {
        session.connected = true;
        session.cancelWait();
        log.info({ sourceId: session.sourceId }, 'an encoder sends');
        tell();
      }
    },
    nodeLost: (node: LiveNode) => endAll((session) => session.node === node, 'its media node is gone'),
    /** The director's document has changed: encoders of sources that are no longer in it have nowhere to send to. */
    productionChanged: () => endAll(({ sourceId }) => !hasSource(sourceId), 'its source was removed'),

    close: () => {
      closed = true;
      tell = () => {};
      endAll(() => true, 'the server stops');
    },
    snapshot: () => ({
      keys: keys.sources().length,
      sessions: [...sessions.values()].map(({ sourceId, connected, producers, node }) => ({
        sourceId,
        connected,
        kinds: Object.keys(producers),
        node: node.name,
      })),
    }),
  };
};
