// The messages of a chat: who said what, newest at the bottom. It follows the end until somebody scrolls up, then stays where it is and
// says how much is new. Not its job: where messages come from (session/chat.ts), what may be done with them (each page).
import { useState, type ReactNode } from 'react';
import { useStore } from 'zustand';
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { ChatMessage, ChatRole } from '../../sfu-server/protocol/chat.ts';
import './chat.css';

/** So close to the end counts as at the end: a line, or what a finger leaves. */
const nearEndPx = 32;

const roleWords: Readonly<Record<ChatRole, string | null>> = { fan: null, cohost: 'Co-host', host: 'Host' };

/** The role is drawn, never typed: a fan who calls themselves something gets no tag. */
export const MessageWords = ({ message }: { message: ChatMessage }) => {
  const { role, name } = message.author;
  const tag = roleWords[role];
  return (
    <p className="chat-words">
      {role !== 'host' && <bdi className="chat-author">{name}</bdi>}
      {tag !== null && <span className="chat-role">{tag}</span>}
      <span className="visually-hidden">: </span>
      <bdi className="chat-text">{message.text}</bdi>
    </p>
  );
};

/** Keeps a scrolling list at its end while it is there; counts what comes while it is not. */
export type FeedEnd = {
  readonly store: StoreApi<{ unseen: number }>;
  /** The list's ref. */
  attach: (list: HTMLElement | null) => (() => void) | undefined;
  toEnd: () => void;
};

export type FeedEndOptions = {
  /** Stays where it is also at the end, while the pointer or the keyboard is among the messages: what is aimed at does not move. */
  rests: boolean;
};

const belowPx = (list: HTMLElement): number => list.scrollHeight - list.scrollTop - list.clientHeight;

const messagesAmong = (nodes: NodeList): number =>
  [...nodes].filter((node) => node instanceof HTMLElement && node.classList.contains('chat-message')).length;

export const createFeedEnd = ({ rests }: FeedEndOptions): FeedEnd => {
  const store = createStore(() => ({ unseen: 0 }));
  let feed: HTMLElement | null = null;
  let atEnd = true;
  const toEnd = () => {
    atEnd = true;
    store.setState({ unseen: 0 });
    if (feed) feed.scrollTop = feed.scrollHeight;
  };
  let isPointedAt = false;
  const isResting = (): boolean =>
    rests && (isPointedAt || (feed?.parentElement?.contains(document.activeElement) ?? false));
  const follow = () => {
    if (atEnd && !isResting()) toEnd();
  };
  return {
    store,
    toEnd,
    attach: (list) => {
      if (!list) return undefined;
      feed = list;
      const onScroll = () => {
        atEnd = belowPx(list) <= nearEndPx;
        if (atEnd) store.setState({ unseen: 0 });
      };
      const onChange = (records: readonly MutationRecord[]) => {
        if (atEnd && (!isResting() || belowPx(list) <= 1)) return toEnd();
        const more = records.reduce(
          (sum, { addedNodes, removedNodes }) =>
            sum + messagesAmong(addedNodes) - messagesAmong(removedNodes),
          store.getState().unseen,
        );
        store.setState({ unseen: Math.max(0, more) });
      };
      // With the button that leads to the end: on the way to it nothing moves either.
      const around = list.parentElement ?? list;
      const ends = new AbortController();
      const listen = (target: HTMLElement, type: string, onEvent: (event: Event) => void) =>
        target.addEventListener(type, onEvent, { signal: ends.signal });
      listen(list, 'scroll', onScroll);
      if (rests) {
        listen(around, 'pointerenter', () => {
          isPointedAt = true;
        });
        listen(around, 'pointerleave', () => {
          isPointedAt = false;
          follow();
        });
        listen(around, 'focusout', (event) => {
          const next = event instanceof FocusEvent ? event.relatedTarget : null;
          if (!(next instanceof Node && around.contains(next))) follow();
        });
      }
      // The list itself may become lower or higher, too: a keyboard, a separator.
      const size = new ResizeObserver(follow);
      const content = new MutationObserver(onChange);
      size.observe(list);
      // A message may become higher without a new one: it waits no longer, or is on the picture.
      content.observe(list, { childList: true, subtree: true });
      toEnd();
      return () => {
        size.disconnect();
        content.disconnect();
        ends.abort();
        isPointedAt = false;
        feed = null;
      };
    },
  };
};

export const NewMessages = ({ end }: { end: FeedEnd }) => {
  const unseen = useStore(end.store, (state) => state.unseen);
  return unseen === 0 ? null : (
    <button type="button" className="chat-new" onClick={end.toEnd}>
      {unseen} new
    </button>
  );
};

/** What host and co-hosts have said since the page has the chat, for who hears the page; a crowd would drown everything else. */
const Announced = ({ messages }: { messages: readonly ChatMessage[] }) => {
  const [sinceSeq] = useState(messages.at(-1)?.seq ?? 0);
  const said = messages.filter(
    ({ seq, author, state }) => seq > sinceSeq && author.role !== 'fan' && state.kind === 'shown',
  );
  return (
    <div className="visually-hidden" aria-live="polite" aria-relevant="additions">
      {said.slice(-3).map((message) => (
        <MessageWords key={message.id} message={message} />
      ))}
    </div>
  );
};

/** For fans and co-hosts: to be read. `empty`: in place of messages while there are none. */
export const ChatFeed = ({ messages, empty }: { messages: readonly ChatMessage[]; empty: ReactNode }) => {
  const [end] = useState(() => createFeedEnd({ rests: false }));
  const { attach } = end;
  return (
    <div className="chat-frame">
      <div
        ref={attach}
        className="chat-feed"
        role="log"
        aria-label="Chat messages"
        aria-live="off"
        // What scrolls must be reached by keyboard.
        tabIndex={0}
      >
        {messages.length === 0 && <p className="chat-empty">{empty}</p>}
        {messages.map((message) => (
          <div key={message.id} className="chat-message" data-role={message.author.role}>
            <MessageWords message={message} />
            {message.state.kind === 'held' && <p className="chat-note">Waits for the host</p>}
          </div>
        ))}
      </div>
      <NewMessages end={end} />
      <Announced messages={messages} />
    </div>
  );
};
