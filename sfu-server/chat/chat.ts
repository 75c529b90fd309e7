// The chat of one show: takes what is written, holds back what the director should see first, carries out what they decide, keeps it
// for a restart, and tells all who have it open, at most four times a second and encoded once for all who are told the same.
// Not its job: what is held back (moderation.ts), who asks (show/chat-door.ts), what a pinned message becomes (show/show.ts).
import * as z from 'zod/mini';
import { hashToken, newPublicId } from '../access/tokens.ts';
import { createRate, networkOf } from '../access/rates.ts';
import { encodeEvent, type Clock, type EncodedEvent } from '../protocol/channel.ts';
import {
  chatHistory,
  chatMessageId,
  chatRole,
  chatSettings,
  chatWriterId,
  defaultChatRules,
  holdReason,
  mutedWriter,
  type ChatMessage,
  type ChatMessageId,
  type ChatNews,
  type ChatSettings,
  type ChatState,
  type ChatWriterId,
  type HoldReason,
  type MutedWriter,
} from '../protocol/chat.ts';
import { AppError } from '../protocol/errors.ts';
import { showContract, type ShowContract } from '../protocol/messages.ts';
import type { ShowId } from '../protocol/state.ts';
import type { Store } from '../store/database.ts';
import { looksOfCast, problemWithName, reasonToHold } from './moderation.ts';

const newsEveryMs = 250;
const maxKept = 2_000;
const maxHeld = 200;
/** What waits is read by one person: nobody gets to fill it. */
const maxHeldOf = { writer: 3, network: 20 };
const maxMuted = 500;
/** The same words so often in a row are enough. */
const maxRepeats = 2;
/** What people wrote is theirs: a day to look something up, then it goes. */
const keptAfterShowMs = 24 * 3_600_000;

/** Of a fan a secret of their device; host and co-hosts are who their link says. */
export type Writer =
  | { role: 'fan'; id: ChatWriterId; name: string; address: string }
  | { role: 'cohost' | 'host'; id: ChatWriterId; name: string };

/** A page that has the chat open. */
export type ChatWatcher = {
  sees: 'all' | 'shown';
  /** Whose own messages it sees while they are held. */
  writerId: ChatWriterId | null;
  send: (event: EncodedEvent<ShowContract>) => void;
};

export type Chat = ReturnType<typeof createChat>;

export type ChatOptions = {
  store: Pick<Store, 'query' | 'command' | 'transaction'>;
  show: ShowId;
  clock: Clock;
  /** Null while the show is not over. */
  endedMs: number | null;
  /** Names of those who have a part in the show, and of the show. */
  cast: () => readonly string[];
  /** Something may not be seen any more: `isRemoved` says what. */
  onRemoved: () => void;
  log: { error(detail: object, text: string): void };
};

const messageRow = z.object({
  id: chatMessageId,
  seq: z.int(),
  writer_id: chatWriterId,
  client_id: z.string(),
  role: chatRole,
  name: z.string(),
  text: z.string(),
  at_ms: z.int(),
  state: z.enum(['shown', 'held', 'removed']),
  reason: z.nullable(holdReason),
});

type Kept = ChatMessage & { author: { writerId: ChatWriterId }; clientId: string };

const keptOf = (row: z.infer<typeof messageRow>): Kept => ({
  id: row.id,
  seq: row.seq,
  atMs: row.at_ms,
  author: { role: row.role, name: row.name, writerId: row.writer_id },
  text: row.text,
  // The table keeps a reason with everything that is held.
  state: row.state === 'held' && row.reason ? { kind: 'held', reason: row.reason } : stateOf(row.state),
  clientId: row.client_id,
});
const stateOf = (kind: 'shown' | 'held' | 'removed'): Kept['state'] =>
  kind === 'shown' ? { kind: 'shown' } : { kind: 'removed' };

/** Nobody can tell from it which device wrote, nor that the same one wrote in another show. */
export const fanWriterId = (show: ShowId, writerToken: string): ChatWriterId =>
  chatWriterId.parse(hashToken(`chat ${show} ${writerToken}`));

export const createChat = (options: ChatOptions) => {
  const { store, show, clock, cast, onRemoved, log } = options;
  const { query, command, transaction } = store;
  const now = () => clock.now();
  const rates = {
    writer: createRate({
      now,
      burst: 5,
      perSecond: 0.5,
      sentence: 'Slow down a little, then send it again.',
    }),
    // Fans in one room share an address. Half of the whole chat's: nobody can have it for themselves.
    address: createRate({
      now,
      burst: 20,
      perSecond: 4,
      sentence: 'Many write from your network. Try again in a moment.',
    }),
    room: createRate({
      now,
      burst: 40,
      perSecond: 8,
      sentence: 'Everybody writes at once. Try again in a moment.',
    }),
  };

  // --- kept --------------------------------------------------------------------------------------------------------------

  const insert = command(
    `INSERT INTO chat_messages (id, show_id, seq, writer_id, client_id, role, name, text, at_ms, state, reason)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const decide = command('UPDATE chat_messages SET state = ?, seq = ? WHERE id = ?');
  const drop = command('DELETE FROM chat_messages WHERE id = ?');
  const mute = command('INSERT OR IGNORE INTO chat_muted (show_id, writer_id, name) VALUES (?, ?, ?)');
  const unmute = command('DELETE FROM chat_muted WHERE show_id = ? AND writer_id = ?');
  const saveRoom = command('INSERT OR REPLACE INTO chat_rooms (show_id, writing, rules) VALUES (?, ?, ?)');
  const over = `(SELECT id FROM shows WHERE phase ->> '$.kind' = 'ended' AND phase ->> '$.endedMs' <= ?)`;
  const forgetting = [
    command(`DELETE FROM chat_messages WHERE show_id IN ${over}`),
    command(`DELETE FROM chat_muted WHERE show_id IN ${over}`),
    command(`DELETE FROM chat_rooms WHERE show_id IN ${over}`),
    command(
      `UPDATE shows SET scene = json_set(scene, '$.pinned', NULL)
         WHERE scene ->> '$.pinned.messageId' IS NOT NULL AND id IN ${over}`,
    ),
  ];
  /** Of every show that has been over for a day. */
  const forget = () =>
    transaction(() => {
      for (const one of forgetting) one(now() - keptAfterShowMs);
    });
  forget();

  /** In the order of the feed. */
  const messages = new Map<ChatMessageId, Kept>(
    query(messageRow, 'SELECT * FROM chat_messages WHERE show_id = ? ORDER BY seq')
      .all(show)
      .map((row) => [row.id, keptOf(row)]),
  );
  const muted = new Map<ChatWriterId, MutedWriter>(
    query(mutedWriter, 'SELECT writer_id AS "writerId", name FROM chat_muted WHERE show_id = ? ORDER BY name')
      .all(show)
      .map((one) => [one.writerId, one]),
  );
  let settings: ChatSettings = query(
    chatSettings,
    'SELECT writing, rules FROM chat_rooms WHERE show_id = ?',
  ).one(show) ?? { writing: 'open', rules: defaultChatRules };
  let seq = [...messages.values()].at(-1)?.seq ?? 0;
  let isOver = options.endedMs !== null;
  let closed = false;

  let isForgotten = options.endedMs !== null && options.endedMs + keptAfterShowMs <= now();

  /** What waits, and from which network as far as this process knows: addresses are not kept. */
  const held = new Map<ChatMessageId, { writerId: ChatWriterId; network: string | null }>();
  /** Of each writer what a write is compared with. */
  const saidBy = new Map<
    ChatWriterId,
    { byClientId: Map<string, ChatMessageId>; lastTexts: readonly string[] }
  >();
  const noteSaid = ({ id, author: { writerId }, clientId, text }: Kept) => {
    const said = saidBy.get(writerId) ?? { byClientId: new Map(), lastTexts: [] };
    said.byClientId.set(clientId, id);
    saidBy.set(writerId, {
      ...said,
      lastTexts: [...said.lastTexts, text.toLowerCase()].slice(-maxRepeats),
    });
  };
  const dropSaid = ({ author: { writerId }, clientId }: Kept) => {
    const said = saidBy.get(writerId);
    said?.byClientId.delete(clientId);
    if (said?.byClientId.size === 0) saidBy.delete(writerId);
  };
  for (const message of messages.values()) {
    noteSaid(message);
    const { writerId } = message.author;
    if (message.state.kind === 'held') held.set(message.id, { writerId, network: null });
  }
  let lookingTaken = { names: '', looks: looksOfCast([]) };
  const looksTaken = (): ReadonlySet<string> => {
    const names = cast();
    const key = names.join('\n');
    if (key !== lookingTaken.names) lookingTaken = { names: key, looks: looksOfCast(names) };
    return lookingTaken.looks;
  };
  const known = (id: ChatMessageId): Kept => {
    const message = messages.get(id);
    if (!message) throw new AppError('notFound', 'This message is not there any more.');
    return message;
  };

  // --- telling -----------------------------------------------------------------------------------------------------------

  const watchers = new Set<ChatWatcher>();
  /** By id: whether all could see it since the last news. */
  const changed = new Map<ChatMessageId, boolean>();
  let untold: Partial<Pick<ChatNews, 'settings' | 'muted'>> = {};
  let toldMs = Number.NEGATIVE_INFINITY;
  let cancelNews: (() => void) | undefined;
  let batches = 0;

  const asSeenBy = (sees: ChatWatcher['sees'], { clientId: _, ...message }: Kept): ChatMessage =>
    sees === 'all' ? message : { ...message, author: { ...message.author, writerId: null } };
  const encode = (news: ChatNews) => encodeEvent(showContract, 'chat', news);
  const isEmpty = (news: ChatNews) =>
    news.messages.length + news.removed.length === 0 && !news.settings && !news.muted;

  const newsFor = (sees: ChatWatcher['sees']): ChatNews => {
    const seen = [...changed].flatMap(([id]) => messages.get(id) ?? []);
    const { muted: mutedNow, settings: settingsNow } = untold;
    return {
      messages: seen
        .filter(({ state }) => sees === 'all' || state.kind === 'shown')
        .map((message) => asSeenBy(sees, message)),
      removed: [...changed].flatMap(([id, wasSeen]) => {
        const kind = messages.get(id)?.state.kind;
        const isGone = sees === 'all' ? kind === undefined : wasSeen && kind !== 'shown';
        return isGone ? [id] : [];
      }),
      ...(settingsNow && { settings: settingsNow }),
      ...(mutedNow && sees === 'all' && { muted: mutedNow }),
    };
  };
  /** What is nobody's business but the writer's and the director's: held, and removed before anybody saw it. */
  const ownNews = (): Map<ChatWriterId, ChatNews> => {
    const own = new Map<ChatWriterId, ChatNews>();
    for (const [id, wasSeen] of changed) {
      const message = messages.get(id);
      if (!message || wasSeen || message.state.kind === 'shown') continue;
      const { writerId } = message.author;
      const news = own.get(writerId) ?? { messages: [], removed: [] };
      if (message.state.kind === 'held') news.messages.push(asSeenBy('shown', message));
      else news.removed.push(id);
      own.set(writerId, news);
    }
    return own;
  };
  const tell = () => {
    cancelNews?.();
    cancelNews = undefined;
    const news = { all: newsFor('all'), shown: newsFor('shown') };
    const own = ownNews();
    changed.clear();
    untold = {};
    toldMs = now();
    batches += 1;
    const encoded = { all: encode(news.all), shown: encode(news.shown) };
    for (const { sees, writerId, send } of watchers) {
      if (!isEmpty(news[sees])) send(encoded[sees]);
      const mine = sees === 'shown' && writerId !== null ? own.get(writerId) : undefined;
      if (mine) send(encode(mine));
    }
  };
  const tellSoon = () => {
    if (!closed) cancelNews ??= clock.after(Math.max(0, toldMs + newsEveryMs - now()), tell);
  };
  const change = (message: Kept, wasShown: boolean) => {
    changed.set(message.id, wasShown || (changed.get(message.id) ?? false));
    messages.set(message.id, message);
    if (message.state.kind !== 'held') held.delete(message.id);
  };

  // --- writing -----------------------------------------------------------------------------------------------------------

  const written = (writer: Writer, clientId: string): Kept | undefined => {
    const id = saidBy.get(writer.id)?.byClientId.get(clientId);
    return id === undefined ? undefined : messages.get(id);
  };
  const repeats = (writer: Writer, text: string): boolean => {
    const last = saidBy.get(writer.id)?.lastTexts ?? [];
    return last.length === maxRepeats && last.every((one) => one === text.toLowerCase());
  };
  const mayWait = (writer: Extract<Writer, { role: 'fan' }>, network: string) => {
    const waiting = [...held.values()];
    if (waiting.filter(({ writerId }) => writerId === writer.id).length >= maxHeldOf.writer) {
      throw new AppError('tooFast', `${maxHeldOf.writer} of yours wait for the host. Give them a moment.`);
    }
    if (
      held.size >= maxHeld ||
      waiting.filter((one) => one.network === network).length >= maxHeldOf.network
    ) {
      throw new AppError('tooFast', 'Very many messages wait for the host. Try again in a while.');
    }
  };
  /**
   * Why it waits for the director; null where all may see it. Throws, in words for the fan, where they may not write this now. What is
   * refused is counted all the same: guessing names is not free.
   */
  const admit = (writer: Extract<Writer, { role: 'fan' }>, text: string): HoldReason | null => {
    if (settings.writing === 'closed') {
      throw new AppError('wrongPhase', 'The host has closed the chat for now.');
    }
    if (muted.has(writer.id)) throw new AppError('muted');
    const network = networkOf(writer.address);
    rates.writer.check(writer.id);
    rates.address.check(network);
    rates.room.check('room');
    rates.writer.spend(writer.id);
    rates.address.spend(network);
    const problem = problemWithName(writer.name, looksTaken());
    if (problem !== null) throw new AppError('badName', problem);
    if (repeats(writer, text)) throw new AppError('tooFast', 'You have said that. Everybody can read it.');
    const reason = reasonToHold(text);
    if (reason !== null) mayWait(writer, network);
    // Who is refused takes nobody's turn.
    rates.room.spend('room');
    return reason;
  };
  const oldestDecided = (): Kept | undefined => {
    for (const message of messages.values()) if (message.state.kind !== 'held') return message;
    return undefined;
  };
  const keep = (message: Kept) =>
    transaction(() => {
      const { id, author, text, atMs, state, clientId } = message;
      const reason = state.kind === 'held' ? state.reason : null;
      const { writerId, role, name } = author;
      insert(id, show, message.seq, writerId, clientId, role, name, text, atMs, state.kind, reason);
      if (messages.size < maxKept) return undefined;
      const oldest = oldestDecided();
      if (oldest) drop(oldest.id);
      return oldest;
    });

  /** In one transaction, with `andAlso`: all of it or nothing. */
  const removeAll = (found: readonly Kept[], andAlso: () => void = () => {}) => {
    const going = found.filter(({ state }) => state.kind !== 'removed');
    transaction(() => {
      for (const message of going) decide('removed', message.seq, message.id);
      andAlso();
    });
    for (const message of going) {
      change({ ...message, state: { kind: 'removed' } }, message.state.kind === 'shown');
    }
  };

  // --- the end -----------------------------------------------------------------------------------------------------------

  let cancelForgetting = () => {};
  const forgetLater = (endedMs: number) => {
    cancelForgetting();
    cancelForgetting = clock.after(Math.max(0, endedMs + keptAfterShowMs - now()), () => {
      try {
        forget();
        isForgotten = true;
        // To all, also of what they may not know: no page keeps any of it.
        for (const id of messages.keys()) changed.set(id, true);
        for (const kept of [messages, held, saidBy, muted]) kept.clear();
        untold = { muted: [] };
        tell();
        onRemoved();
      } catch (error) {
        // The next start, or the next show, does it.
        log.error({ err: error }, 'the chat of a show that is over could not be deleted');
      }
    });
  };
  if (options.endedMs !== null && !isForgotten) forgetLater(options.endedMs);

  return {
    /** What this page may know. From now on it hears of changes; ends with `unwatch`. */
    watch: (watcher: ChatWatcher): { chat: ChatState; unwatch: () => void } => {
      watchers.add(watcher);
      const { sees, writerId } = watcher;
      const all = [...messages.values()];
      const waiting = all.filter(
        ({ state, author }) => state.kind === 'held' && (sees === 'all' || author.writerId === writerId),
      );
      const seen = all.filter(
        ({ state }) => state.kind === 'shown' || (sees === 'all' && state.kind === 'removed'),
      );
      const recent = seen.slice(sees === 'all' ? -chatHistory.studio : -chatHistory.fan);
      return {
        chat: {
          settings,
          messages: [...recent, ...waiting]
            .sort((a, b) => a.seq - b.seq)
            .map((message) => asSeenBy(sees, message)),
          muted: sees === 'all' ? [...muted.values()] : [],
        },
        unwatch: () => void watchers.delete(watcher),
      };
    },
    /** `text` and name: tidied. Repeated with the same `clientId` it changes nothing. It is kept when this returns. */
    write: (writer: Writer, { clientId, text }: { clientId: string; text: string }): ChatMessage => {
      const again = written(writer, clientId);
      if (again) return asSeenBy('shown', again);
      if (isOver) throw new AppError('wrongPhase', 'The show is over, and so is its chat.');
      const reason = writer.role === 'fan' ? admit(writer, text) : null;
      const message: Kept = {
        id: chatMessageId.parse(newPublicId()),
        seq: seq + 1,
        atMs: now(),
        author: { role: writer.role, name: writer.name, writerId: writer.id },
        text,
        state: reason === null ? { kind: 'shown' } : { kind: 'held', reason },
        clientId,
      };
      const dropped = keep(message);
      seq = message.seq;
      if (dropped) {
        messages.delete(dropped.id);
        dropSaid(dropped);
      }
      noteSaid(message);
      if (reason !== null && writer.role === 'fan') {
        held.set(message.id, { writerId: writer.id, network: networkOf(writer.address) });
      }
      change(message, false);
      tellSoon();
      return asSeenBy('shown', message);
    },
    /** What was held, or removed by mistake. */
    show: (id: ChatMessageId) => {
      const message = known(id);
      if (message.state.kind === 'shown') return;
      // What was held is new to everybody; what was removed by mistake goes back to where it stood.
      const place = message.state.kind === 'held' ? seq + 1 : message.seq;
      decide('shown', place, id);
      seq = Math.max(seq, place);
      if (place !== message.seq) messages.delete(id);
      change({ ...message, seq: place, state: { kind: 'shown' } }, false);
      tellSoon();
    },
    /** Told without waiting for other news. */
    remove: (id: ChatMessageId) => {
      removeAll([known(id)]);
      tell();
      // Also of one that was removed before: what did not work then is done now.
      onRemoved();
    },
    /** By the director, or with the whole chat. */
    isRemoved: (id: ChatMessageId): boolean => isForgotten || messages.get(id)?.state.kind === 'removed',
    /** All that wait and stand no later than `upTo` in the feed. */
    removeWaiting: (upTo: number) => {
      const waiting = [...held.keys()].flatMap((id) => messages.get(id) ?? []);
      removeAll(waiting.filter((message) => message.seq <= upTo));
      tell();
    },
    /** What waits goes with it; `remove`: what all could read, too. */
    mute: (writerId: ChatWriterId, shown: 'keep' | 'remove') => {
      const own = [...(saidBy.get(writerId)?.byClientId.values() ?? [])].flatMap(
        (id) => messages.get(id) ?? [],
      );
      const isMuted = muted.has(writerId);
      const last = own.at(-1);
      if (!last && isMuted) return;
      if (!last) throw new AppError('notFound', 'Nobody has written under this name.');
      if (last.author.role !== 'fan') {
        throw new AppError(
          'forbidden',
          'Only fans can be muted. A co-host’s link is renewed or removed under People.',
        );
      }
      if (!isMuted && muted.size >= maxMuted)
        throw new AppError('limit', `${maxMuted} are muted. Close the chat instead.`);
      removeAll(
        own.filter(({ state }) => shown === 'remove' || state.kind === 'held'),
        () => mute(show, writerId, last.author.name),
      );
      if (!isMuted) {
        muted.set(writerId, { writerId, name: last.author.name });
        untold = { ...untold, muted: [...muted.values()] };
      }
      tell();
      if (shown === 'remove') onRemoved();
    },
    unmute: (writerId: ChatWriterId) => {
      if (!muted.has(writerId)) return;
      unmute(show, writerId);
      muted.delete(writerId);
      untold = { ...untold, muted: [...muted.values()] };
      tell();
    },
    saveSettings: (next: ChatSettings) => {
      saveRoom(show, next.writing, next.rules);
      settings = next;
      untold = { ...untold, settings };
      tell();
    },
    showEnded: (endedMs: number) => {
      isOver = true;
      forgetLater(endedMs);
    },
    close: () => {
      closed = true;
      cancelNews?.();
      cancelForgetting();
      watchers.clear();
    },
    snapshot: () => ({
      writing: settings.writing,
      messages: messages.size,
      held: held.size,
      removed: [...messages.values()].filter(({ state }) => state.kind === 'removed').length,
      muted: muted.size,
      watchers: watchers.size,
      batches,
      seq,
    }),
  };
};
