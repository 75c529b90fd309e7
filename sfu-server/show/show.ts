// One show: its state, who is in it, and what the director may do with it. Every change is stored, numbered and told to all.
// It never imports its members: a browser, a recorder or an encoder is whatever implements Member.
import { encodeEvent, type Clock, type EncodedEvent } from '../protocol/channel.ts';
import { AppError, type CloseReason } from '../protocol/errors.ts';
import { showContract, type Health, type ShowContract, type ShowParams } from '../protocol/messages.ts';
import {
  applyChange,
  changeFor,
  stateFor,
  type Guest,
  type GuestId,
  type Role,
  type Scene,
  type ShowState,
  type StateChange,
} from '../protocol/state.ts';
import { hashToken, newPublicId, newToken } from '../access/tokens.ts';
import { createChat } from '../chat/chat.ts';
import type { CrewId, CrewMember } from '../protocol/shop.ts';
import type { Encoder } from '../protocol/encoders.ts';
import type { Standby } from '../protocol/standby.ts';
import { createShop, type Trade } from '../shop/shop.ts';
import type { ShowRow, Store } from '../store/database.ts';
import type { LiveNode, Placement, ProgramEvent, StudioMedia } from './placement.ts';

/** Somebody or something in the show. All calls are made by the show; none of them may throw. */
export interface Member {
  readonly id: string;
  readonly role: Role;
  readonly guestId: GuestId | null;
  readonly crewId: CrewId | null;
  /** Counts as audience. A product page follows the stock but does not watch. */
  readonly watching: boolean;
  send(event: EncodedEvent<ShowContract>): void;
  close(reason: CloseReason): void;
  /** All that was opened on this node is gone. */
  nodeLost(node: LiveNode): void;
  /** The program's feed on this node is gone, the rest stands. */
  feedLost(node: LiveNode): void;
  producerClosed(producerId: string): void;
  consumerClosed(consumerId: string): void;
}

type Log = { info(detail: object, text: string): void; error(detail: object, text: string): void };

export type ShowOptions = {
  row: ShowRow;
  store: Store;
  trade: Trade;
  /** The server's clips belong to no show; the one in use is part of every show's state. */
  standby: () => Standby;
  /** Encoders belong to no show either. */
  encoders: () => Encoder[];
  clock: Clock;
  log: Log;
  /** Null for a show of the past: it has a state but no media. */
  placement: Pick<Placement, 'attachStudio' | 'setOnAir' | 'lockProgram' | 'inspectOrigin'> | null;
};

export type Show = ReturnType<typeof createShow>;

type PlaybackReport = ShowParams<'reportPlayback'>;

const maxGuests = 8;
const maxCrew = 20;
/** Joins and leaves come in bursts; fans need the count, not each step. */
const viewerCountMs = 500;
const healthMs = 1_000;
/** Going live waits so long for the studio's media to arrive at all, and so long for it to be healthy. */
const firstMediaMs = 3_000;
const studioReadyMs = 10_000;
/** A viewer's report older than this no longer counts. */
const reportLifeMs = 12_000;

export const createShow = ({ row, store, clock, log, placement, standby, encoders, trade }: ShowOptions) => {
  const members = new Map<string, Member>();
  const reports = new Map<string, PlaybackReport & { atMs: number }>();
  const mixMinus = new Map<GuestId, string>();
  let studioMedia: StudioMedia = 'absent';
  let studioProducers: { video: string | null; audio: string | null } = { video: null, audio: null };
  let closed = false;

  /** Told to the shop, which is made before the state that it is part of. */
  let over = row.phase.kind === 'ended';
  const shop = createShop({
    store,
    show: row.id,
    clock,
    isOver: () => over,
    tell: (next) => change(next),
    title: () => state.title,
    tellCrew: (order) => {
      const event = encodeEvent(showContract, 'counterOrder', order);
      for (const member of members.values()) {
        if (member.role === 'studio' || member.role === 'crew') member.send(event);
      }
    },
    trade,
    log,
  });
  const chat = createChat({
    store,
    show: row.id,
    clock,
    endedMs: row.phase.kind === 'ended' ? row.phase.endedMs : null,
    // Of the seller the first line: the others are an address.
    cast: () => [
      ...state.guests.map(({ name }) => name),
      state.title,
      state.shop.seller.trim().split('\n')[0] ?? '',
    ],
    onRemoved: () => {
      const scene = withoutRemovedWords(state.scene);
      if (scene !== state.scene) setScene(scene);
    },
    log,
  });
  /** A page may still have words pinned that were removed from the chat meanwhile; so may the store. */
  const withoutRemovedWords = (scene: Scene): Scene => {
    const { pinned } = scene;
    const isGone = pinned?.messageId !== undefined && chat.isRemoved(pinned.messageId);
    return isGone ? { ...scene, pinned: null } : scene;
  };
  let state: ShowState = {
    seq: 0,
    id: row.id,
    title: row.title,
    phase: row.phase,
    program: { source: 'none', reason: 'notOnAir', sinceMs: clock.now(), lock: row.lock },
    standby: standby(),
    ...shop.state(),
    viewers: 0,
    studio: 'absent',
    scene: withoutRemovedWords(row.scene),
    guests: store.guests(row.id).map((guest): Guest => ({ ...guest, presence: { kind: 'away' } })),
    crew: store.crew(row.id).map((one): CrewMember => ({ ...one, presence: 'away' })),
    encoders: encoders(),
  };

  /** The one place where the state changes: fold, then tell everybody who may know. */
  const change = (next: StateChange) => {
    const seq = state.seq + 1;
    state = applyChange(state, seq, next);
    // Encoded once for all who are told the same; a role that is told something else gets its own.
    const encoded = new Map<StateChange, EncodedEvent<ShowContract>>();
    for (const member of members.values()) {
      const told = changeFor(member.role, next);
      if (told === null) continue;
      let event = encoded.get(told);
      if (!event) encoded.set(told, (event = encodeEvent(showContract, 'state', { seq, change: told })));
      member.send(event);
    }
  };
  /** What happened, for later. A disk that takes no more must not stop the show itself. */
  const record = (kind: string, detail: unknown) => {
    try {
      store.addEvent(row.id, kind, detail, clock.now());
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      log.error({ err: error, kind }, 'an event of the show could not be kept');
    }
  };

  /** Director's orders that wait for the media nodes run one after another. */
  let queue: Promise<unknown> = Promise.resolve();
  const serial = <T>(run: () => Promise<T>): Promise<T> => {
    const result = queue.then(run);
    queue = result.catch(() => undefined); // The caller gets the error; the queue goes on.
    return result;
  };

  const isStudioShowing = () => studioMedia === 'ready' || studioMedia === 'degraded';
  const awaitingStudio = new Set<() => void>();
  /** Resolves when the studio's media could go on air; `noPicture` when it does not come to that in time. */
  const studioShows = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        awaitingStudio.delete(look);
        cancelFirst();
        cancelLast();
        finish();
      };
      const giveUp = () => settle(() => reject(new AppError('noPicture')));
      const look = () => {
        if (isStudioShowing()) settle(resolve);
      };
      const cancelFirst = clock.after(firstMediaMs, () => {
        if (studioMedia === 'absent') giveUp();
      });
      const cancelLast = clock.after(studioReadyMs, giveUp);
      awaitingStudio.add(look);
      look();
    });

  const media = () => {
    if (!placement) throw new AppError('wrongPhase', 'This show is over.');
    return placement;
  };

  const countWatching = (): number => {
    let watching = 0;
    for (const member of members.values()) if (member.watching) watching += 1;
    return watching;
  };
  let cancelViewerCount: (() => void) | undefined;
  const countViewers = () => {
    cancelViewerCount ??= clock.after(viewerCountMs, () => {
      cancelViewerCount = undefined;
      const viewers = countWatching();
      if (viewers !== state.viewers) change({ kind: 'viewers', viewers });
    });
  };

  const memberOf = (
    role: Role,
    guestId: GuestId | null,
    crewId: CrewId | null = null,
  ): Member | undefined => {
    for (const member of members.values()) {
      if (member.role === role && member.guestId === guestId && member.crewId === crewId) return member;
    }
    return undefined;
  };

  const viewerHealth = (): Pick<Health, 'viewerDelayMs' | 'viewerFps'> => {
    const now = clock.now();
    const fresh = [...reports.values()].filter((report) => now - report.atMs < reportLifeMs);
    const delays = fresh.flatMap((report) => report.delayMs ?? []).sort((a, b) => a - b);
    const at = (share: number) => delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? 0;
    return {
      viewerDelayMs: delays.length > 0 ? { median: at(0.5), p95: at(0.95) } : null,
      viewerFps: fresh.length > 0 ? fresh.reduce((sum, report) => sum + report.fps, 0) / fresh.length : null,
    };
  };

  /** Once a second to the studio, while there is one. */
  const tellHealth = async () => {
    const studio = memberOf('studio', null);
    const inspected = studio && placement ? await placement.inspectOrigin() : null;
    if (!studio || !inspected) return;
    const ingest = inspected.ingest;
    studio.send(
      encodeEvent(showContract, 'health', {
        layers: ingest?.layers ?? [],
        audioKbps: ingest?.audioKbps ?? 0,
        rttMs: ingest?.rttMs ?? 0,
        lossPct: ingest?.lossPct ?? 0,
        studioMedia,
        recordingStopped: inspected.recordingStopped,
        ...viewerHealth(),
      }),
    );
  };
  let cancelHealth = () => {};
  const healthLoop = () => {
    tellHealth().catch((error: unknown) => {
      // The node may be restarting; the next second tells.
      if (!(error instanceof AppError)) log.error({ err: error }, 'health could not be read');
    });
    cancelHealth = clock.after(healthMs, healthLoop);
  };
  if (placement) {
    healthLoop();
    const restored = [placement.lockProgram(row.lock), placement.setOnAir(row.phase.kind === 'live', row.id)];
    Promise.all(restored).catch((error: unknown) =>
      log.error({ err: error }, 'the show could not be resumed'),
    );
  }

  const knownGuest = (id: GuestId): Guest => {
    const guest = state.guests.find((one) => one.id === id);
    if (!guest) throw new AppError('notFound', 'This guest is not in the show any more.');
    return guest;
  };

  const setScene = (wanted: Scene) => {
    const scene = withoutRemovedWords(wanted);
    for (const guestId of scene.guestIds) knownGuest(guestId);
    store.saveScene(row.id, scene);
    change({ kind: 'scene', scene });
  };

  const tellMixMinus = (guestId: GuestId) =>
    memberOf('cohost', guestId)?.send(
      encodeEvent(showContract, 'mixMinus', { available: mixMinus.has(guestId) }),
    );

  const knownCrew = (id: CrewId): CrewMember => {
    const found = state.crew.find((one) => one.id === id);
    if (!found) throw new AppError('notFound', 'This link is not in the show any more.');
    return found;
  };

  const attachStudio = async () => {
    await media().attachStudio({
      videoProducerId: studioProducers.video,
      audioProducerId: studioProducers.audio,
    });
  };

  return {
    id: row.id,
    state: () => state,
    /** What it sells; every change there becomes one of this show's. */
    shop,
    chat,
    /** Throws `notFound` for one who is not in the show any more. */
    guestName: (id: GuestId): string => knownGuest(id).name,
    isLive: () => state.phase.kind === 'live',

    // --- members -----------------------------------------------------------------------------------------------------

    /** A member with the same id, the same guest or a second studio takes the place of the first. */
    join: (member: Member): ShowState => {
      const sameId = members.get(member.id);
      const samePerson =
        member.role === 'viewer' ? undefined : memberOf(member.role, member.guestId, member.crewId);
      for (const previous of new Set([sameId, samePerson])) {
        if (!previous) continue;
        members.delete(previous.id);
        previous.close('replaced');
      }
      members.set(member.id, member);
      if (member.role === 'studio' && state.studio === 'absent')
        change({ kind: 'studio', studio: 'present' });
      if (member.role === 'cohost' && member.guestId !== null) {
        const guest = knownGuest(member.guestId);
        if (guest.presence.kind === 'away') {
          const presence = { kind: 'here', videoProducerId: null, audioProducerId: null } as const;
          change({ kind: 'guest', guest: { ...guest, presence } });
        }
      }
      if (member.crewId !== null) {
        change({ kind: 'crew', crew: { ...knownCrew(member.crewId), presence: 'here' } });
      }
      if (member.watching) countViewers();
      return stateFor(member.role, state);
    },
    /** After `join` was answered: what a member must know that is not state. */
    welcome: (member: Member) => {
      if (member.guestId !== null && mixMinus.has(member.guestId)) tellMixMinus(member.guestId);
    },
    /** The connection is gone; media may go on for a while (participant.ts decides). */
    leave: (member: Member) => {
      if (members.get(member.id) !== member) return;
      members.delete(member.id);
      reports.delete(member.id);
      if (member.role === 'studio') change({ kind: 'studio', studio: 'absent' });
      const crew = state.crew.find(({ id }) => id === member.crewId);
      if (crew) change({ kind: 'crew', crew: { ...crew, presence: 'away' } });
      if (member.watching) countViewers();
    },
    hasGuestMember: (guestId: GuestId): boolean => memberOf('cohost', guestId) !== undefined,
    viewerCount: countWatching,
    isWatching: (memberId: string): boolean => members.get(memberId)?.watching === true,
    reportPlayback: (member: Member, report: PlaybackReport) => {
      reports.set(member.id, { ...report, atMs: clock.now() });
    },

    // --- media of members --------------------------------------------------------------------------------------------

    studioProduced: async (kind: 'audio' | 'video', producerId: string) => {
      studioProducers = { ...studioProducers, [kind]: producerId };
      await attachStudio();
    },
    /** Ignores producers that a newer studio page has already replaced. */
    studioProducerClosed: async (producerId: string) => {
      const { video, audio } = studioProducers;
      if (video !== producerId && audio !== producerId) return;
      studioProducers = {
        video: video === producerId ? null : video,
        audio: audio === producerId ? null : audio,
      };
      if (placement) await attachStudio();
    },
    guestProduced: (guestId: GuestId, kind: 'audio' | 'video', producerId: string) => {
      const guest = knownGuest(guestId);
      const before =
        guest.presence.kind === 'here' ? guest.presence : { videoProducerId: null, audioProducerId: null };
      const presence = {
        kind: 'here',
        videoProducerId: kind === 'video' ? producerId : before.videoProducerId,
        audioProducerId: kind === 'audio' ? producerId : before.audioProducerId,
      } as const;
      change({ kind: 'guest', guest: { ...guest, presence } });
    },
    guestProducerClosed: (guestId: GuestId, producerId: string) => {
      const guest = state.guests.find((one) => one.id === guestId);
      if (guest?.presence.kind !== 'here') return;
      const { videoProducerId, audioProducerId } = guest.presence;
      if (videoProducerId !== producerId && audioProducerId !== producerId) return;
      const presence = {
        kind: 'here',
        videoProducerId: videoProducerId === producerId ? null : videoProducerId,
        audioProducerId: audioProducerId === producerId ? null : audioProducerId,
      } as const;
      change({ kind: 'guest', guest: { ...guest, presence } });
    },
    /** Nobody is behind the link any more and their media is closed. */
    guestGone: (guestId: GuestId) => {
      const guest = state.guests.find((one) => one.id === guestId);
      if (!guest || guest.presence.kind === 'away') return;
      change({ kind: 'guest', guest: { ...guest, presence: { kind: 'away' } } });
    },
    guestProducers: (guestId: GuestId): string[] => {
      const { presence } = knownGuest(guestId);
      if (presence.kind === 'away') return [];
      return [presence.videoProducerId, presence.audioProducerId].filter((id) => id !== null);
    },
    mixMinusProduced: (guestId: GuestId, producerId: string) => {
      knownGuest(guestId);
      mixMinus.set(guestId, producerId);
      tellMixMinus(guestId);
    },
    mixMinusClosed: (guestId: GuestId, producerId: string) => {
      if (mixMinus.get(guestId) !== producerId) return;
      mixMinus.delete(guestId);
      tellMixMinus(guestId);
    },
    mixMinusProducer: (guestId: GuestId): string | undefined => mixMinus.get(guestId),

    // --- from the media nodes ----------------------------------------------------------------------------------------

    programSwitched: ({ source, reason }: ProgramEvent) => {
      const { program } = state;
      if (program.source === source && program.reason === reason) return;
      change({ kind: 'program', program: { source, reason, sinceMs: clock.now(), lock: program.lock } });
      if (state.phase.kind === 'live') record('program', { source, reason });
    },
    standbyChanged: () => {
      const next = standby();
      change({ kind: 'standby', standby: next });
      record('standby', { clipId: next.clipId, problem: next.problem });
    },
    encodersChanged: () => change({ kind: 'encoders', encoders: encoders() }),
    studioMedia: (next: StudioMedia) => {
      studioMedia = next;
      for (const look of awaitingStudio) look();
    },
    nodeLost: (node: LiveNode) => {
      for (const member of members.values()) member.nodeLost(node);
    },
    feedLost: (node: LiveNode) => {
      for (const member of members.values()) member.feedLost(node);
    },
    producerClosed: (producerId: string) => {
      for (const member of members.values()) member.producerClosed(producerId);
    },
    consumerClosed: (consumerId: string) => {
      // Viewers learn of lost media by nodeLost and feedLost; only the crew consumes things that come and go.
      for (const member of members.values()) {
        if (member.role !== 'viewer') member.consumerClosed(consumerId);
      }
    },

    // --- the director ------------------------------------------------------------------------------------------------

    setTitle: (title: string) => {
      store.saveTitle(row.id, title);
      change({ kind: 'title', title });
    },
    setScene,
    goLive: async () => {
      const mayGoLive = () => {
        if (state.phase.kind !== 'ended') return state.phase.kind === 'setup';
        throw new AppError('wrongPhase', 'This show has ended. Start a new show to go live again.');
      };
      if (!mayGoLive()) return;
      // Not in the queue: the director may change their mind meanwhile.
      await studioShows();
      await serial(async () => {
        if (!mayGoLive()) return;
        if (!isStudioShowing()) throw new AppError('noPicture');
        const phase = { kind: 'live', sinceMs: clock.now() } as const;
        store.savePhase(row.id, phase);
        await media().setOnAir(true, row.id);
        change({ kind: 'phase', phase });
        record('live', {});
      });
    },
    endShow: () =>
      serial(async () => {
        if (state.phase.kind !== 'live') throw new AppError('wrongPhase', 'The show is not live.');
        const phase = { kind: 'ended', sinceMs: state.phase.sinceMs, endedMs: clock.now() } as const;
        store.savePhase(row.id, phase);
        change({ kind: 'phase', phase });
        over = true;
        shop.showEnded();
        chat.showEnded(phase.endedMs);
        record('ended', {});
        await media().setOnAir(false);
      }),
    lockProgram: (lock: 'none' | 'standby') =>
      serial(async () => {
        store.saveLock(row.id, lock);
        await media().lockProgram(lock);
        if (state.program.lock !== lock) change({ kind: 'program', program: { ...state.program, lock } });
        record('lock', { lock });
      }),

    inviteGuest: (name: string): { guest: Guest; token: string } => {
      if (state.guests.length >= maxGuests) {
        throw new AppError('limit', `There are already ${maxGuests} guests. Remove one first.`);
      }
      const token = newToken();
      const added = store.addGuest(row.id, newPublicId(), name, hashToken(token), clock.now());
      const guest: Guest = { ...added, presence: { kind: 'away' } };
      change({ kind: 'guest', guest });
      record('invited', { guestId: guest.id });
      return { guest, token };
    },
    /** The old link stops working at once, also for somebody who is in by it. */
    renewGuestLink: (guestId: GuestId): string => {
      knownGuest(guestId);
      const token = newToken();
      store.renewGuestToken(guestId, hashToken(token));
      memberOf('cohost', guestId)?.close('revoked');
      return token;
    },
    revokeGuest: (guestId: GuestId) => {
      knownGuest(guestId);
      store.revokeGuest(guestId, clock.now());
      const { guestIds } = state.scene;
      if (guestIds.includes(guestId)) {
        setScene({ ...state.scene, guestIds: guestIds.filter((each) => each !== guestId) });
      }
      const member = memberOf('cohost', guestId);
      change({ kind: 'guestRemoved', guestId });
      member?.close('revoked');
      record('revoked', { guestId });
    },

    // --- the crew on their phones ------------------------------------------------------------------------------------

    inviteCrew: (name: string): { crew: CrewMember; token: string } => {
      if (state.crew.length >= maxCrew) {
        throw new AppError('limit', `There are already ${maxCrew} crew links. Remove one first.`);
      }
      const token = newToken();
      const added = store.addCrew(row.id, newPublicId(), name, hashToken(token), clock.now());
      const crew: CrewMember = { ...added, presence: 'away' };
      change({ kind: 'crew', crew });
      record('crewInvited', { crewId: crew.id });
      return { crew, token };
    },
    /** The old link stops working at once, also for somebody who is in by it. */
    renewCrewLink: (crewId: CrewId): string => {
      knownCrew(crewId);
      const token = newToken();
      store.renewCrewToken(crewId, hashToken(token));
      memberOf('crew', null, crewId)?.close('revoked');
      return token;
    },
    revokeCrew: (crewId: CrewId) => {
      knownCrew(crewId);
      store.revokeCrew(crewId, clock.now());
      const member = memberOf('crew', null, crewId);
      change({ kind: 'crewRemoved', crewId });
      member?.close('revoked');
      record('crewRevoked', { crewId });
    },

    close: async (reason: CloseReason = 'serverClosing') => {
      if (closed) return;
      closed = true;
      cancelHealth();
      cancelViewerCount?.();
      for (const member of members.values()) member.close(reason);
      members.clear();
      chat.close();
      await shop.close();
    },
    snapshot: () => ({
      id: row.id,
      seq: state.seq,
      phase: state.phase.kind,
      program: state.program,
      studioMedia,
      studioProducers,
      members: members.size,
      shop: shop.snapshot(),
      chat: chat.snapshot(),
      guests: state.guests.map(({ id, name, presence }) => ({ id, name, presence: presence.kind })),
    }),
  };
};
