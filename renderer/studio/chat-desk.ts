// What the director does with the chat: shows, removes, mutes, pins, closes it, writes as host. Where the keyboard should go in its
// panel, as a key asks for it. Not its job: what is held and who is told (the server), drawing (chat-panel.tsx).
import { createStore, type StoreApi } from 'zustand/vanilla';
import type {
  ChatMessage,
  ChatMessageId,
  ChatSettings,
  ChatWriterId,
} from '../../sfu-server/protocol/chat.ts';
import { maxPinnedText } from '../../sfu-server/protocol/overlays.ts';
import type { Scene } from '../../sfu-server/protocol/state.ts';
import { createChat, type Chat } from '../session/chat.ts';
import type { Session } from '../session/session.ts';
import type { Outcome } from './engine.ts';

export type ChatDeskState = {
  /** Where a key wants the keyboard; null once the panel has put it there. */
  wanted: 'line' | 'waiting' | null;
  /** Rules and muted fans are shown in place of the messages. */
  house: boolean;
  /** What others wrote while the panel was behind another. */
  unread: number;
};

export interface ChatDesk {
  readonly chat: Chat;
  readonly store: StoreApi<ChatDeskState>;
  /** What was held, or removed by mistake. */
  show(id: ChatMessageId): Promise<Outcome>;
  /** Off every page at once, and off the picture. */
  remove(id: ChatMessageId): Promise<Outcome>;
  /** All that wait, up to this `seq`: what came later nobody has looked at. */
  removeWaiting(upTo: number): Promise<Outcome>;
  /** What they have waiting is removed; `shown: 'remove'`: also what all could read. */
  mute(writerId: ChatWriterId, shown: 'keep' | 'remove'): Promise<Outcome>;
  unmute(writerId: ChatWriterId): Promise<Outcome>;
  /** What is left out stays, or becomes what was asked for last. */
  saveSettings(change: Partial<ChatSettings>): Promise<Outcome>;
  /** Puts it on the picture in the place of another; what is too long for a picture is cut. */
  pin(message: ChatMessage): void;
  unpin(): void;
  goTo(place: 'line' | 'waiting'): void;
  /** Somebody can see the messages. Returns its own end. */
  watch(): () => void;
  showHouse(shown: boolean): void;
  /** The keyboard is where it was wanted. */
  arrived(): void;
  close(): void;
  snapshot(): object;
}

const forPicture = (text: string): string =>
  text.length <= maxPinnedText ? text : `${text.slice(0, maxPinnedText - 1).trimEnd()}…`;

export const createChatDesk = (options: {
  session: Session;
  /** Changes what is on program, here at once and on the server. */
  change: (change: Partial<Scene>) => void;
  /** Runs a request; what did not work is said. */
  call: (work: () => Promise<unknown>) => Promise<Outcome>;
}): ChatDesk => {
  const { session, change, call } = options;
  const store = createStore<ChatDeskState>(() => ({ wanted: null, house: false, unread: 0 }));
  const chat = createChat(session, null);
  const close = chat.open();
  /** On its way to the server. */
  let askedFor: ChatSettings | null = null;
  let panels = 0;
  /** Null: what was written before this page opened is not new. */
  let seenSeq: number | null = null;
  const look = () => {
    const messages = chat.store.getState().chat?.messages;
    if (!messages || panels > 0) seenSeq = null;
    if (!messages) return setUnread(0);
    seenSeq ??= messages.at(-1)?.seq ?? 0;
    const seen = seenSeq;
    const isUnread = (message: ChatMessage) =>
      message.seq > seen && message.state.kind === 'shown' && message.author.role !== 'host';
    setUnread(messages.filter(isUnread).length);
  };
  const setUnread = (unread: number) => {
    if (unread !== store.getState().unread) store.setState({ unread });
  };
  const stopLooking = chat.store.subscribe(look);
  return {
    chat,
    store,
    show: (messageId) => call(() => session.call('showMessage', { messageId })),
    remove: (messageId) => call(() => session.call('removeMessage', { messageId })),
    removeWaiting: (upTo) => call(() => session.call('removeWaiting', { upTo })),
    mute: (writerId, shown) => call(() => session.call('muteWriter', { writerId, shown })),
    unmute: (writerId) => call(() => session.call('unmuteWriter', { writerId })),
    saveSettings: async (change) => {
      const before = askedFor ?? chat.store.getState().chat?.settings;
      if (!before) return { ok: false, text: 'The chat is not open yet.' };
      const settings = { ...before, ...change };
      askedFor = settings;
      const outcome = await call(() => session.call('saveChatSettings', { settings }));
      // The server has told of it before it answered.
      if (askedFor === settings) askedFor = null;
      return outcome;
    },
    pin: ({ id, author, text }) =>
      change({ pinned: { name: author.name, text: forPicture(text), messageId: id } }),
    unpin: () => change({ pinned: null }),
    goTo: (wanted) => store.setState({ wanted, house: false }),
    watch: () => {
      panels += 1;
      look();
      return () => {
        panels -= 1;
      };
    },
    showHouse: (house) => store.setState({ house }),
    arrived: () => store.setState({ wanted: null }),
    close: () => {
      stopLooking();
      close();
    },
    snapshot: () => {
      const { chat: known, sending } = chat.store.getState();
      return { messages: known?.messages.length ?? 0, sending: sending.kind };
    },
  };
};
