// One connection of one page: who it is, what it may touch, and the media it opened on the nodes.
// Turns requests into calls on the show and on nodes. Holds no state of the show.
import {
  serveChannel,
  type Clock,
  type EncodedEvent,
  type Handlers,
  type Wire,
} from '../protocol/channel.ts';
import { AppError, type CloseReason } from '../protocol/errors.ts';
import type { ConsumerOffer, RtpCapabilities } from '../protocol/media.ts';
import {
  showContract,
  type Joined,
  type ProducerUse,
  type Receiving,
  type ShowContract,
  type ShowParams,
} from '../protocol/messages.ts';
import type { CrewId } from '../protocol/shop.ts';
import type { GuestId, Role } from '../protocol/state.ts';
import type { VideoCodec } from '../protocol/media.ts';
import { hashToken, newToken, sameToken } from '../access/tokens.ts';
import type { Store } from '../store/database.ts';
import type { LiveNode, Placement, Served } from './placement.ts';
import type { Member, Show } from './show.ts';
import { createChatDoor } from './chat-door.ts';
import { createOrderDoor, type OrderLimits } from './order-door.ts';
import { createShopDoor, type ShopLimits } from './shop-door.ts';
import type { Clips } from './clips.ts';
import type { Encoders } from './encoders.ts';
import type { Productions } from './productions.ts';
import type { Shows } from './shows.ts';

export type ParticipantOptions = {
  wire: Wire;
  clock: Clock;
  shows: Shows;
  placement: Placement;
  store: Store;
  clips: Clips;
  productions: Productions;
  encoders: Encoders;
  studioKey: string;
  codec: VideoCodec;
  publicOrigin: string;
  /** The page is open on this computer. */
  sameMachine: boolean;
  maxViewers: number;
  /** The server is about to stop and takes nobody in any more. */
  draining: () => boolean;
  /** Network address of the page. */
  address: string;
  shopLimits: ShopLimits;
  orderLimits: OrderLimits;
  log: { info(detail: object, text: string): void; error(detail: object, text: string): void };
};

export type Participant = {
  /** Closes the connection and, unless it is about to come back, its media. Idempotent. */
  close(reason: CloseReason): void;
  /** One sentence for the person at the page. */
  notify(text: string): void;
  /** Requests of this page that are being worked on. */
  pending(): number;
  /** Called once, when connection and media are gone. */
  onGone(listener: () => void): void;
  snapshot(): unknown;
};

type Identity = { kind: 'anonymous'; refusals: number } | { kind: 'joined'; show: Show; member: Member };
type Who = { show: Show; role: Role; guestId: GuestId | null; crewId: CrewId | null; id: string };
type Sent = { node: LiveNode; use: ProducerUse; kind: 'audio' | 'video' };

/** A page whose socket is lost may still have its media path: that lives on so long, until the page has reconnected. */
const graceMs = 5_000;
const maxRefusedJoins = 5;
const maxTransports = 6;
/** The program and eight guests twice over, as a page lets go of the old only when it has the new. */
const maxConsumers = 40;
const maxProducers = { studio: 12, cohost: 4, crew: 0, viewer: 0 } as const satisfies Record<Role, number>;
/** What a sender may push at most, bit/s: a laptop's uplink is shared by all. */
const maxIncomingBitrate = {
  studio: 8_000_000,
  cohost: 2_000_000,
  crew: 0,
  viewer: 0,
} as const satisfies Record<Role, number>;

/** A co-host hears the program through their mix-minus, never themselves. */
const programFor = (role: Role): 'video' | 'both' => (role === 'cohost' ? 'video' : 'both');

const servedAs = (role: Role): Served => (role === 'viewer' ? 'viewer' : 'crew');

export const createParticipant = (options: ParticipantOptions): Participant => {
  const { clock, shows, placement, log } = options;
  let identity: Identity = { kind: 'anonymous', refusals: 0 };
  const transports = new Map<string, LiveNode>();
  const producers = new Map<string, Sent>();
  const consumers = new Map<string, LiveNode>();
  const sendTransports: string[] = [];
  let receive: { transportId: string; node: LiveNode; release: () => void } | undefined;
  let media: 'open' | 'released' = 'open';
  const goneListeners: (() => void)[] = [];

  const joined = () => {
    if (identity.kind !== 'joined') throw new AppError('forbidden');
    return identity;
  };

  const unlessGone = (what: string) => (error: unknown) => {
    // A node that is gone has closed everything itself.
    if (error instanceof AppError && error.code === 'closed') return;
    log.error({ err: error }, what);
  };

  const owned = <T>(map: ReadonlyMap<string, T>, id: string): T => {
    const value = map.get(id);
    if (value === undefined) throw new AppError('notFound');
    return value;
  };

  // --- media -----------------------------------------------------------------------------------------------------------

  const checkTransports = () => {
    if (transports.size >= maxTransports) throw new AppError('limit', 'Too many connections from one page.');
  };
  const keepTransport = (transportId: string, node: LiveNode) => {
    transports.set(transportId, node);
    if (media !== 'released') return;
    closeTransport(transportId); // The page has gone meanwhile.
    throw new AppError('mediaUnavailable');
  };
  const openTransport = async (node: LiveNode, role: Role) => {
    checkTransports();
    const offer = await node.end.call('openTransport', {
      participantId: joined().member.id,
      maxIncomingBitrate: maxIncomingBitrate[role] || undefined,
    });
    keepTransport(offer.id, node);
    return offer;
  };

  const closeTransport = (transportId: string) => {
    const node = transports.get(transportId);
    if (!node) return;
    transports.delete(transportId);
    node.end.call('closeTransport', { transportId }).catch(unlessGone('a transport could not be closed'));
  };

  /** The one before goes on until what was sent on it is sent anew; of a page that tries again and again no more are kept. */
  const openSend = async () => {
    const offer = await openTransport(placement.origin(), joined().member.role);
    sendTransports.push(offer.id);
    for (const earlier of sendTransports.splice(0, sendTransports.length - 2)) closeTransport(earlier);
    return offer;
  };

  const closeReceive = () => {
    if (!receive) return;
    closeTransport(receive.transportId);
    receive.release();
    receive = undefined;
    consumers.clear();
  };

  const consumeOn = async (
    target: { transportId: string; node: LiveNode },
    what: { producerIds: string[]; program: 'none' | 'video' | 'both'; silent?: boolean },
    rtpCapabilities: RtpCapabilities,
  ): Promise<ConsumerOffer[]> => {
    const { transportId, node } = target;
    const answer = await node.end.call('consume', { transportId, rtpCapabilities, ...what });
    for (const consumer of answer.consumers) consumers.set(consumer.id, node);
    return answer.consumers;
  };

  /** What this page can receive, as it last said. */
  let receivable: RtpCapabilities | null = null;

  /** Viewers on the least loaded edge, the crew on the origin, where guests and mix-minus are. Of two at once, the later counts. */
  const openReceive = async (role: Role, rtpCapabilities: RtpCapabilities): Promise<Receiving> => {
    receivable = rtpCapabilities;
    closeReceive();
    checkTransports();
    const place = role === 'viewer' ? placement.place() : { node: placement.origin(), release: () => {} };
    try {
      const opened = await place.node.end.call('openReceive', {
        participantId: joined().member.id,
        program: programFor(role),
        silent: role === 'viewer',
        rtpCapabilities,
      });
      keepTransport(opened.transport.id, place.node);
      closeReceive();
      receive = { transportId: opened.transport.id, ...place };
      for (const consumer of opened.consumers) consumers.set(consumer.id, place.node);
      return opened;
    } catch (error) {
      place.release();
      throw error;
    }
  };

  /** The studio's connection test: a pair of transports that have nothing to do with the show. */
  let loop: { send: string; receive: { transportId: string; node: LiveNode } } | undefined;
  const closeLoop = () => {
    if (!loop) return;
    const { send, receive: back } = loop;
    loop = undefined;
    for (const [producerId, { use }] of producers) if (use.kind === 'loop') producers.delete(producerId);
    closeTransport(send);
    closeTransport(back.transportId);
  };
  const openLoop = async (role: Role) => {
    closeLoop();
    const node = placement.origin();
    const send = await openTransport(node, role);
    const back = await openTransport(node, role);
    loop = { send: send.id, receive: { transportId: back.id, node } };
    return { send, receive: back };
  };

  const forgetProducer = (producerId: string) => {
    const sent = producers.get(producerId);
    if (!sent || identity.kind !== 'joined') return;
    producers.delete(producerId);
    const { show, member } = identity;
    if (sent.use.kind === 'program') {
      show.studioProducerClosed(producerId).catch(unlessGone('the program could not be detached'));
    } else if (sent.use.kind === 'mixMinus') show.mixMinusClosed(sent.use.guestId, producerId);
    else if (sent.use.kind === 'loop') return;
    else if (member.guestId !== null) show.guestProducerClosed(member.guestId, producerId);
  };

  const releaseMedia = () => {
    if (media === 'released') return;
    media = 'released';
    closeReceive();
    for (const transportId of transports.keys()) closeTransport(transportId);
    for (const producerId of producers.keys()) forgetProducer(producerId);
    if (identity.kind === 'joined') {
      const { show, member } = identity;
      if (member.guestId !== null && !show.hasGuestMember(member.guestId)) show.guestGone(member.guestId);
    }
    for (const listener of goneListeners) listener();
  };

  // --- joining ---------------------------------------------------------------------------------------------------------

  type JoinParams = ShowParams<'join'>;

  /** Who the presented secret makes this connection. Throws `badToken`, `revoked`, `noShow` or `full`. */
  const identify = (params: JoinParams): Who => {
    switch (params.as) {
      case 'studio':
        if (!sameToken(params.key, options.studioKey)) throw new AppError('badToken');
        return { show: shows.current(), role: 'studio', guestId: null, crewId: null, id: newToken() };
      case 'cohost': {
        const guest = options.store.guestByToken(hashToken(params.token));
        if (!guest) throw new AppError('badToken');
        if (guest.revoked_ms !== null) throw new AppError('revoked');
        const show = shows.find(guest.show_id);
        if (show !== shows.current()) throw new AppError('badToken', 'This link was for an earlier show.');
        return { show, role: 'cohost', guestId: guest.id, crewId: null, id: newToken() };
      }
      case 'viewer': {
        const show = shows.find(params.showId);
        // The resume token is the member's id: presenting it takes the earlier connection's place.
        const id = params.resumeToken ?? newToken();
        const comesToWatch = params.rtpCapabilities !== null && !show.isWatching(id);
        if (comesToWatch && show.viewerCount() >= options.maxViewers) throw new AppError('full');
        return { show, role: 'viewer', guestId: null, crewId: null, id };
      }
      case 'crew': {
        const crew = options.store.crewByToken(hashToken(params.token));
        if (!crew) throw new AppError('badToken');
        if (crew.revoked_ms !== null) throw new AppError('revoked');
        const show = shows.find(crew.show_id);
        return { show, role: 'crew', guestId: null, crewId: crew.id, id: newToken() };
      }
    }
  };

  const refused = () => {
    if (identity.kind !== 'anonymous') return;
    identity = { ...identity, refusals: identity.refusals + 1 };
    if (identity.refusals >= maxRefusedJoins) channel.close('flood', 'Too many attempts.');
  };

  const join = async (params: JoinParams): Promise<Joined> => {
    if (options.draining()) throw new AppError('draining');
    let who: Who;
    try {
      who = identify(params);
    } catch (error) {
      refused();
      throw error;
    }
    const { show, role, guestId, crewId } = who;
    const rtpCapabilities = params.as === 'crew' ? null : params.rtpCapabilities;
    const member: Member = {
      id: who.id,
      role,
      guestId,
      crewId,
      watching: role === 'viewer' && rtpCapabilities !== null,
      send: (event: EncodedEvent<ShowContract>) => channel.emitEncoded(event),
      close: (reason) => channel.close(reason),
      nodeLost,
      feedLost,
      producerClosed: forgetProducer,
      consumerClosed: (consumerId) => {
        if (consumers.delete(consumerId)) channel.emit('consumerClosed', { consumerId });
      },
    };
    identity = { kind: 'joined', show, member };
    const state = show.join(member);
    const media = await firstMedia(show, role, rtpCapabilities);
    // What is not state follows the answer: a page that has only just joined is not listening yet.
    setImmediate(() => show.welcome(member));
    return {
      participantId: member.id.slice(0, 8),
      guestId,
      crewId,
      resumeToken: member.id,
      state,
      media,
      codec: options.codec,
      publicOrigin: options.publicOrigin,
      sameMachine: options.sameMachine,
    };
  };

  /** A node that is restarting must not keep anybody from joining: the picture follows by `mediaReset`. */
  const firstMedia = async (show: Show, role: Role, rtpCapabilities: RtpCapabilities | null) => {
    if (rtpCapabilities === null || show !== shows.current()) return null;
    try {
      return await openReceive(role, rtpCapabilities);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      placement
        .ready(servedAs(role))
        .then(() => resetMedia({ receive: true, send: false }))
        .catch(unlessGone('a late joiner could not be told'));
      return null;
    }
  };

  /** Told when there is something to come back to; where there is already, before anything else is done about the failure. */
  const whenServed = (tell: () => Promise<void> | void) => {
    const who = servedAs(joined().member.role);
    const told = placement.serves(who) ? Promise.resolve(tell()) : placement.ready(who).then(tell);
    told.catch(unlessGone('a page could not be told of what it has lost'));
  };

  /** A viewer is given a new path with the news: to ask for it would take them a round trip more under a picture that stands. */
  const resetMedia = async (lost: { receive: boolean; send: boolean }): Promise<void> => {
    const { role } = joined().member;
    const receiving =
      lost.receive && role === 'viewer' && receivable !== null
        ? await openReceive(role, receivable).catch((error: unknown) => {
            if (!(error instanceof AppError)) throw error;
            return null; // They ask, again and again.
          })
        : null;
    channel.emit('mediaReset', { ...lost, receiving });
  };

  /** All that was opened there is gone. */
  const nodeLost = (node: LiveNode) => {
    const receiving = receive?.node === node;
    if (receiving) {
      transports.delete(receive?.transportId ?? '');
      closeReceive();
    }
    let sending = false;
    for (const [transportId, at] of transports) {
      if (at !== node) continue;
      transports.delete(transportId);
      sending = true;
    }
    for (const [producerId, sent] of producers) if (sent.node === node) forgetProducer(producerId);
    if (receiving || sending) whenServed(() => resetMedia({ receive: receiving, send: sending }));
  };

  /** The program is gone and its transport stands: a page that consumes anew on it is spared a new connection. */
  const feedLost = (node: LiveNode) => {
    if (receive?.node !== node) return;
    const gone = [...consumers].flatMap(([consumerId, at]) => (at === node ? [consumerId] : []));
    for (const consumerId of gone) consumers.delete(consumerId);
    whenServed(() => {
      for (const consumerId of gone) channel.emit('consumerClosed', { consumerId });
    });
  };

  // --- requests --------------------------------------------------------------------------------------------------------

  const mayProduce = (role: Role, use: ProducerUse, kind: 'audio' | 'video'): boolean => {
    if (use.kind === 'guest') return role === 'cohost';
    if (use.kind === 'mixMinus') return role === 'studio' && kind === 'audio';
    if (use.kind === 'loop') return role === 'studio' && kind === 'video';
    return role === 'studio';
  };

  const consumeProducers = async (
    show: Show,
    role: Role,
    params: ShowParams<'consume'>,
  ): Promise<string[]> => {
    const { target } = params;
    if (target.kind === 'rehearsal') {
      if (role !== 'studio' || !receive) throw new AppError('forbidden');
      if (show.isLive()) throw new AppError('wrongPhase', 'The show is live. Use Standby to show the clip.');
      return (await receive.node.end.call('rehearseStandby', {})).producerIds;
    }
    if (target.kind === 'guest') {
      if (role !== 'studio') throw new AppError('forbidden');
      return show.guestProducers(target.guestId);
    }
    if (target.kind === 'encoder') {
      if (role !== 'studio') throw new AppError('forbidden');
      return options.encoders.producers(target.sourceId);
    }
    if (target.kind === 'mixMinus') {
      const { guestId } = joined().member;
      if (guestId === null) throw new AppError('forbidden');
      const producerId = show.mixMinusProducer(guestId);
      if (producerId === undefined) throw new AppError('notFound', 'There is no sound for you yet.');
      return [producerId];
    }
    return [];
  };

  const shopDoor = createShopDoor({
    joined,
    address: options.address,
    limits: options.shopLimits,
    tellMine: (mine) => channel.emit('mine', mine),
  });
  const orderDoor = createOrderDoor({
    joined,
    buyer: shopDoor.buyer,
    address: options.address,
    limits: options.orderLimits,
    tell: (receipt) => channel.emit('receipt', receipt),
  });
  const chatDoor = createChatDoor({
    joined,
    address: options.address,
    send: (event) => channel.emitEncoded(event),
    clock,
  });
  const handlers: Handlers<ShowContract> = {
    join,
    openReceive: ({ rtpCapabilities }) => openReceive(joined().member.role, rtpCapabilities),
    openSend,
    connectTransport: (params) => owned(transports, params.transportId).end.call('connectTransport', params),
    restartIce: (params) => owned(transports, params.transportId).end.call('restartIce', params),
    produce: async ({ transportId, kind, rtpParameters, use }) => {
      const { show, member } = joined();
      const node = owned(transports, transportId);
      if (!mayProduce(member.role, use, kind)) throw new AppError('forbidden');
      if (producers.size >= maxProducers[member.role])
        throw new AppError('limit', 'Too many streams from one page.');
      const { producerId } = await node.end.call('produce', { transportId, kind, rtpParameters });
      producers.set(producerId, { node, use, kind });
      if (use.kind === 'program') await show.studioProduced(kind, producerId);
      else if (use.kind === 'mixMinus') show.mixMinusProduced(use.guestId, producerId);
      else if (use.kind === 'loop') return { producerId };
      else if (member.guestId !== null) show.guestProduced(member.guestId, kind, producerId);
      return { producerId };
    },
    closeProducer: async ({ producerId }) => {
      const { node } = owned(producers, producerId);
      forgetProducer(producerId);
      return node.end.call('closeProducer', { producerId });
    },
    consume: async (params) => {
      const { show, member } = joined();
      if (!receive) throw new AppError('mediaUnavailable');
      if (consumers.size >= maxConsumers) throw new AppError('limit', 'Too many streams to one page.');
      const producerIds = await consumeProducers(show, member.role, params);
      const program = params.target.kind === 'program' ? programFor(member.role) : 'none';
      const silent = member.role === 'viewer';
      return {
        consumers: await consumeOn(receive, { producerIds, program, silent }, params.rtpCapabilities),
      };
    },
    openLoop: () => openLoop(joined().member.role),
    consumeLoop: async ({ producerId, rtpCapabilities }) => {
      if (!loop || owned(producers, producerId).use.kind !== 'loop') throw new AppError('notFound');
      const what = { producerIds: [producerId], program: 'none' as const };
      return { consumers: await consumeOn(loop.receive, what, rtpCapabilities) };
    },
    closeLoop: () => done(closeLoop()),
    closeConsumer: async ({ consumerId }) => {
      const node = owned(consumers, consumerId);
      consumers.delete(consumerId);
      return node.end.call('closeConsumer', { consumerId });
    },
    pauseConsumer: (params) => owned(consumers, params.consumerId).end.call('pauseConsumer', params),
    preferLayer: (params) => owned(consumers, params.consumerId).end.call('preferLayer', params),
    requestKeyframe: (params) => owned(consumers, params.consumerId).end.call('requestKeyframe', params),
    reportPlayback: (report) => {
      const { show, member } = joined();
      show.reportPlayback(member, report);
      return {};
    },

    setTitle: ({ title }) => done(joined().show.setTitle(title)),
    setScene: ({ scene }) => done(joined().show.setScene(scene)),
    goLive: async () => done(await joined().show.goLive()),
    endShow: async () => done(await joined().show.endShow()),
    newShow: ({ title }) => ({ showId: shows.startNew(title) }),
    lockProgram: async ({ lock }) => done(await joined().show.lockProgram(lock)),
    production: () => options.productions.load(),
    saveProduction: ({ production }) => {
      const savedMs = options.productions.save(production);
      options.encoders.productionChanged();
      return { savedMs };
    },
    renewEncoderKey: ({ sourceId }) => ({ key: options.encoders.renewKey(sourceId) }),
    withdrawEncoderKey: ({ sourceId }) => done(options.encoders.withdrawKey(sourceId)),
    clips: () => ({ clips: options.clips.list() }),
    chooseClip: async ({ clipId }) => done(await options.clips.choose(clipId)),
    removeClip: async ({ clipId }) => done(await options.clips.remove(clipId)),
    ...shopDoor.handlers,
    ...orderDoor.handlers,
    ...chatDoor.handlers,
    inviteGuest: ({ name }) => joined().show.inviteGuest(name),
    renewGuestLink: ({ guestId }) => ({ token: joined().show.renewGuestLink(guestId) }),
    revokeGuest: ({ guestId }) => done(joined().show.revokeGuest(guestId)),
  };

  const channel = serveChannel({
    contract: showContract,
    wire: options.wire,
    clock,
    handlers,
    role: () => (identity.kind === 'joined' ? identity.member.role : 'anonymous'),
    onBug: (error, request) => log.error({ err: error, request }, 'a request failed by a bug'),
    onReady: () => {
      const rtpCapabilities = placement.capabilities();
      if (rtpCapabilities) channel.emit('capabilities', { rtpCapabilities });
      else {
        placement
          .ready('crew')
          .then(() => channel.emit('capabilities', { rtpCapabilities: placement.capabilities() ?? {} }))
          .catch(unlessGone('a page could not be told the capabilities'));
      }
    },
  });

  let cancelGrace = () => {};
  channel.onClose((reason) => {
    shopDoor.close();
    orderDoor.close();
    chatDoor.close();
    if (identity.kind === 'anonymous') return releaseMedia();
    const { show, member } = identity;
    show.leave(member);
    // A sender's page says goodbye also when it is only reloaded.
    const comesBack =
      ['lost', 'replaced', 'slow'].includes(reason) || (reason === 'done' && member.role !== 'viewer');
    if (comesBack) cancelGrace = clock.after(graceMs, releaseMedia);
    else releaseMedia();
  });

  return {
    close: (reason) => {
      channel.close(reason);
      cancelGrace();
      releaseMedia();
    },
    notify: (text) => channel.emit('notice', { text }),
    pending: () => channel.snapshot().pending,
    onGone: (listener) => {
      if (media === 'released') listener();
      else goneListeners.push(listener);
    },
    snapshot: () => ({
      role: identity.kind === 'joined' ? identity.member.role : 'anonymous',
      transports: transports.size,
      producers: [...producers.values()].map(({ use, kind }) => `${use.kind}/${kind}`),
      consumers: consumers.size,
      channel: channel.snapshot(),
    }),
  };
};

/** Requests that only do something answer with nothing. */
const done = (_result: void): Record<string, never> => ({});
