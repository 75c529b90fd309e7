// A page's part in the chat: opens it after every join, folds what the server says into one store, and sends what is written so that
// it arrives once, whatever the line does meanwhile. Framework-free.
// Not its job: how it looks (ui/chat-feed.tsx, ui/chat-line.tsx), what is held back (the server).
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError, type ErrorCode } from '../../sfu-server/protocol/errors.ts';
import { applyChatNews, tidied, type ChatState } from '../../sfu-server/protocol/chat.ts';
import type { Session } from './session.ts';

export type ChatSending =
  | { kind: 'idle' }
  | { kind: 'sending' }
  /** The line is down: it is sent as soon as there is one. */
  | { kind: 'waiting' }
  /** Not sent, and why, for whoever wrote it. The text is still in the field. */
  | { kind: 'refused'; code: ErrorCode; text: string };

export type ChatPage = {
  /** Null until it was first opened; then as last known of this show. */
  chat: ChatState | null;
  /** In the field. */
  draft: string;
  /** What a fan is called; empty while they have said nothing. */
  name: string;
  sending: ChatSending;
};

/** Where a fan's device keeps its secret and name. */
export type ChatDevice = {
  read(): { token: string; name: string } | null;
  keep(writer: { token: string; name: string }): void;
};

export interface Chat {
  readonly store: StoreApi<ChatPage>;
  setDraft(text: string): void;
  setName(name: string): void;
  /** Sends what is in the field. Does nothing while it is empty or on its way. */
  send(): void;
  /** From now on it hears and sends, and comes back after every outage. Returns its own end, after which it may be opened anew. */
  open(): () => void;
}

/** 192 random bits: who has it writes as this device. */
const newSecret = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(24)))).replace(/[+/]/g, '_');

/** `device`: a fan's; null for host and co-hosts, who are known. */
export const createChat = (session: Session, device: ChatDevice | null): Chat => {
  const kept = device?.read() ?? null;
  let token = kept?.token ?? null;
  /** The server has taken a message under this secret. */
  let known = kept !== null;
  const secret = (): string => (token ??= newSecret());
  let isOpen = false;
  /** Sent again with the same id it is the same message. */
  let attempt: { clientId: string; text: string; name: string } | null = null;
  const store = createStore<ChatPage>(() => ({
    chat: null,
    draft: '',
    name: kept?.name ?? '',
    sending: { kind: 'idle' },
  }));

  const fold = (news: Parameters<typeof applyChatNews>[1]) => {
    const { chat } = store.getState();
    if (chat) store.setState({ chat: applyChatNews(chat, news) });
  };
  const ask = async () => {
    const chat = await session.call('openChat', { writerToken: token });
    if (isOpen) store.setState({ chat });
  };
  /** The next join does it again. */
  const askSafely = () =>
    void ask().catch((error: unknown) => {
      if (!(error instanceof AppError)) reportError(error);
    });

  const deliver = async () => {
    if (!attempt) return;
    const mine = attempt;
    const { text, clientId } = mine;
    store.setState({ sending: { kind: 'sending' } });
    try {
      const name = device ? mine.name : null;
      const writerToken = device ? secret() : null;
      const { message } = await session.call('writeMessage', { clientId, writerToken, name, text });
      if (attempt !== mine) return;
      attempt = null;
      const isFirst = device !== null && !known;
      if (device) device.keep({ token: secret(), name: tidied(mine.name) });
      known = true;
      store.setState(({ draft }) => ({
        sending: { kind: 'idle' },
        // What was typed meanwhile stays.
        draft: draft === text ? '' : draft,
      }));
      if (message.state.kind !== 'removed') fold({ messages: [message], removed: [] });
      // From now on this page is told of its own held messages too.
      if (isFirst) askSafely();
    } catch (error) {
      if (!(error instanceof AppError)) return reportError(error);
      if (attempt !== mine) return;
      if (error.code === 'closed') return store.setState({ sending: { kind: 'waiting' } });
      // It may have arrived all the same: sent again it is the same message.
      if (error.code !== 'timeout') attempt = null;
      store.setState({ sending: { kind: 'refused', code: error.code, text: error.message } });
    }
  };

  let openedOf: string | null = null;
  const onJoined = () => {
    const show = session.store.getState().show?.id ?? null;
    // Of another show nothing is known yet.
    if (show !== openedOf && openedOf !== null) store.setState({ chat: null });
    openedOf = show;
    askSafely();
    // What was refused and then changed in the field is the writer's again.
    if (attempt && store.getState().sending.kind !== 'idle') void deliver();
  };
  const open = () => {
    isOpen = true;
    const unsubscribe = [
      session.listen('chat', fold),
      session.store.subscribe((now, before) => {
        if (now.connection.kind === 'joined' && now.connection !== before.connection) onJoined();
      }),
    ];
    if (session.store.getState().connection.kind === 'joined') onJoined();
    return () => {
      isOpen = false;
      for (const stop of unsubscribe) stop();
    };
  };

  const send = () => {
    const { draft: text, name, sending } = store.getState();
    if (sending.kind === 'sending' || sending.kind === 'waiting' || tidied(text) === '') return;
    const isSame = attempt !== null && attempt.text === text && attempt.name === name;
    if (!isSame) attempt = { clientId: newSecret(), text, name };
    void deliver();
  };

  return {
    store,
    setDraft: (draft) => {
      const { sending } = store.getState();
      const isTakenBack = sending.kind === 'waiting' && tidied(draft) === '';
      if (isTakenBack) attempt = null;
      const isOver = isTakenBack || sending.kind === 'refused';
      store.setState({ draft, ...(isOver && { sending: { kind: 'idle' } }) });
    },
    setName: (name) => store.setState({ name }),
    send,
    open,
  };
};
