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

const messagesAmong = (nodes: NodeList): number =>
  [...nodes].filter((node) => node instanceof HTMLElement && node.classList.contains('chat-message')).length;

export const createFeedEnd = (): FeedEnd => {
  const store = createStore(() => ({ unseen: 0 }));
  let feed: HTMLElement | null = null;
  let atEnd = true;
  const toEnd = () => {
    atEnd = true;
    store.setState({ unseen: 0 });
    if (feed) feed.scrollTop = feed.scrollHeight;
  };
  const follow = () => {
    if (atEnd) toEnd();
  };
  return {
    store,
    toEnd,
    attach: (list) => {
      if (!list) return undefined;
      feed = list;
      const onScroll = () => {
        atEnd = list.scrollHeight - list.scrollTop - list.clientHeight <= nearEndPx;
        if (atEnd) store.setState({ unseen: 0 });
      };
      const onChange = (records: readonly MutationRecord[]) => {
        if (atEnd) return toEnd();
        const more = records.reduce(
          (sum, { addedNodes, removedNodes }) =>
            sum + messagesAmong(addedNodes) - messagesAmong(removedNodes),
          store.getState().unseen,
        );
        store.setState({ unseen: Math.max(0, more) });
      };
      // The list itself may become lower or higher, too: a keyboard, a separator.
      const size = new ResizeObserver(follow);
      const content = new MutationObserver(onChange);
      size.observe(list);
      // A message may become higher without a new one: it waits no longer, or is on the picture.
      content.observe(list, { childList: true, subtree: true });
      list.addEventListener('scroll', onScroll);
      toEnd();
      return () => {
        size.disconnect();
        content.disconnect();
        list.removeEventListener('scroll', onScroll);
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

/** For fans and co-hosts: to be read. `empty`: in place of messages while there are none. */
export const ChatFeed = ({ messages, empty }: { messages: readonly ChatMessage[]; empty: ReactNode }) => {
  const [end] = useState(createFeedEnd);
  const { attach } = end;
  return (
    <div className="chat-frame">
      <div
        ref={attach}
        className="chat-feed"
        role="log"
        aria-label="Chat messages"
        aria-live="polite"
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
    </div>
  );
};
