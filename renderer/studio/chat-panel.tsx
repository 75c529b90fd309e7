// The chat as the director has it: what waits for them first, then everything in order with what can be done about it, a line to write
// as host, and the rules of the house. Not its job: doing any of it (chat-desk.ts).
import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type MouseEvent } from 'react';
import { useStore } from 'zustand';
import {
  maxChatRules,
  type ChatMessage,
  type ChatMessageId,
  type ChatState,
  type HoldReason,
} from '../../sfu-server/protocol/chat.ts';
import type { ChatPage } from '../session/chat.ts';
import { MessageWords, NewMessages, createFeedEnd } from '../ui/chat-feed.tsx';
import { ChatLine } from '../ui/chat-line.tsx';
import { Button, Field, TwiceButton } from '../ui/controls.tsx';
import { useDesk, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import { createSteadyPress } from './steady-press.ts';
import './chat-panel.css';

const useChat = <T,>(select: (page: ChatPage) => T): T => useStore(useStudio().chat.chat.store, select);

const isWaiting = ({ state }: ChatMessage): boolean => state.kind === 'held';
const waitWords = (count: number): string => (count === 1 ? '1 waits for you' : `${count} wait for you`);

/** A click among messages leaves it where it is: with the line somebody writes into, or with the desk. */
const keepKeyboard = (event: MouseEvent) => event.preventDefault();

/** For the element around buttons: `places` says what they are for, in their order. */
const useSteadyPress = (places: readonly string[]) => {
  const [press] = useState(() => createSteadyPress(() => performance.now()));
  useLayoutEffect(() => press.stands(places));
  return {
    appeared: press.appeared,
    guards: {
      onClickCapture: (event: MouseEvent) => {
        if (!press.counts(event)) event.stopPropagation();
      },
      onKeyDownCapture: (event: KeyboardEvent) => {
        if (event.repeat && (event.key === 'Enter' || event.key === ' ')) event.preventDefault();
      },
    },
  };
};

/** On the panel's tab: it may be behind another. */
export const ChatTabCount = () => {
  const waiting = useChat(({ chat }) => chat?.messages.filter(isWaiting).length ?? 0);
  const unread = useStore(useStudio().chat.store, (state) => state.unread);
  if (waiting === 0) {
    return unread === 0 ? null : <span className="chat-tab-new">{unread} new</span>;
  }
  return (
    <span className="chat-tab-count" title={waitWords(waiting)}>
      <span className="visually-hidden">, </span>
      {waiting} waiting
    </span>
  );
};

export const ChatPanel = () => {
  const studio = useStudio();
  const chat = useChat((page) => page.chat);
  useEffect(() => studio.chat.watch(), [studio]);
  return (
    <section className="panel chat-panel" aria-labelledby="chat-head">
      <h2 id="chat-head">Chat</h2>
      {chat ? <OpenChat chat={chat} /> : <p className="hint">Opening the chat.</p>}
    </section>
  );
};

const OpenChat = ({ chat }: { chat: ChatState }) => {
  const studio = useStudio();
  const wanted = useStore(studio.chat.store, (state) => state.wanted);
  const line = useRef<HTMLInputElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const house = useStore(studio.chat.store, (state) => state.house);
  const waiting = chat.messages.filter(isWaiting);
  useEffect(() => {
    if (wanted === null) return;
    const next = panel.current?.querySelector<HTMLElement>('.chat-waits button');
    if (wanted === 'waiting' && next) next.focus();
    else line.current?.focus();
    studio.chat.arrived();
  }, [wanted, studio]);
  return (
    <div
      ref={panel}
      className="chat-panel-body"
      onKeyDown={(event) => {
        // Back to the desk and its keys.
        if (event.key === 'Escape' && event.target instanceof HTMLElement) event.target.blur();
      }}
    >
      {house ? (
        <House chat={chat} />
      ) : (
        <>
          {chat.settings.writing === 'closed' && (
            <p className="chat-shut">Closed to fans. They read on; you and co-hosts write.</p>
          )}
          {waiting.length > 0 && <Waiting messages={waiting} />}
          <Feed
            messages={chat.messages.filter((message) => !isWaiting(message))}
            muted={chat.muted}
            above={waiting.length}
          />
        </>
      )}
      <div className="chat-foot">
        <ChatLine
          chat={studio.chat.chat}
          asksName={false}
          label="Write as host"
          placeholder={`Write as host (${keyHint('writeChat')})`}
          inputRef={line}
        />
        <Button
          kind="quiet"
          pressed={house}
          label="House: rules, muted fans, closing the chat"
          onPress={() => studio.chat.showHouse(!house)}
        >
          House
        </Button>
      </div>
    </div>
  );
};

// --- What waits -------------------------------------------------------------------------------------------------------

const reasonWords: Readonly<Record<HoldReason, string>> = {
  swearing: 'swearing',
  link: 'a link',
  contact: 'a number or address',
};

/** So many are looked at one by one. */
const fewWaiting = 3;

const Waiting = ({ messages }: { messages: readonly ChatMessage[] }) => {
  const studio = useStudio();
  const newest = messages.at(-1);
  const { appeared, guards } = useSteadyPress(messages.map(({ id }) => id));
  useLayoutEffect(appeared, [appeared]);
  const decide = (how: 'show' | 'remove', id: ChatMessageId) => {
    void studio.chat[how](id);
    // Somebody works through the queue by keyboard: the next one gets the focus before this one goes with it.
    const button = document.activeElement;
    const row = button?.matches(':focus-visible') ? button.closest('.chat-waits') : null;
    if (!row) return;
    const next = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector('button');
    if (next) next.focus();
    else studio.chat.goTo('line');
  };
  return (
    <div className="chat-waiting" role="group" aria-label="Waiting for you" {...guards}>
      <div className="chat-waiting-head" onMouseDown={keepKeyboard}>
        <h3>
          {waitWords(messages.length)} <kbd className="key-hint">{keyHint('waitingChat')}</kbd>
        </h3>
        {messages.length > fewWaiting && newest && (
          <TwiceButton
            label={`Remove all ${messages.length} that wait`}
            onPress={() => void studio.chat.removeWaiting(newest.seq)}
          >
            Remove all
          </TwiceButton>
        )}
      </div>
      <ul className="chat-waiting-list">
        {messages.map((message) => (
          <li
            key={message.id}
            className="chat-waits"
            data-role={message.author.role}
            onMouseDown={keepKeyboard}
          >
            <div>
              <MessageWords message={message} />
              {message.state.kind === 'held' && (
                <p className="chat-reason">{reasonWords[message.state.reason]}</p>
              )}
            </div>
            <div className="button-row">
              <Button
                label={`Show what ${message.author.name} wrote`}
                onPress={() => decide('show', message.id)}
              >
                Show
              </Button>
              <Button
                kind="quiet"
                label={`Remove what ${message.author.name} wrote`}
                onPress={() => decide('remove', message.id)}
              >
                Remove
              </Button>
            </div>
          </li>
        ))}
      </ul>
    </div>
  );
};

// --- The feed ---------------------------------------------------------------------------------------------------------

const Feed = (props: {
  messages: readonly ChatMessage[];
  muted: ChatState['muted'];
  /** Messages that wait, and take room above the feed. */
  above: number;
}) => {
  const { messages, muted, above } = props;
  // With more the room for what waits is full, and nothing below it moves.
  const { guards } = useSteadyPress([String(Math.min(above, fewWaiting + 1))]);
  const studio = useStudio();
  const [end] = useState(() => createFeedEnd({ rests: true }));
  const { attach } = end;
  const pinnedId = useDesk(({ scene }) => scene.pinned?.messageId ?? null);
  /** What can be done about a message is beside it while it is under the pointer, tapped or focused. */
  const [pointed, setPointed] = useState<ChatMessageId | null>(null);
  const [focused, setFocused] = useState<ChatMessageId | null>(null);
  const [lastFocused, setLastFocused] = useState<ChatMessageId | null>(null);
  const tabStop = messages.some(({ id }) => id === lastFocused) ? lastFocused : (messages.at(-1)?.id ?? null);
  const frame = useRef<HTMLDivElement>(null);
  const rowOf = (id: ChatMessageId) =>
    frame.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`);
  useLayoutEffect(() => {
    // A button that is gone with what it did, such as Unpin, leaves the keyboard on its message.
    if (focused !== null && document.activeElement === document.body) rowOf(focused)?.focus();
  });
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-id]') : null;
    const at = messages.findIndex(({ id }) => id === row?.dataset.id);
    const current = messages[at];
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!row || !current) return;
    if (event.target === row && (event.key === 'Enter' || event.key === ' ')) {
      // Into what can be done about the message, and never a take of the desk.
      row.querySelector('button')?.focus();
    } else if (step !== undefined) {
      const next = messages[at + step];
      if (next) rowOf(next.id)?.focus();
    } else if (event.key === 'Delete') {
      if (current.state.kind === 'shown') void studio.chat.remove(current.id);
    } else return;
    event.preventDefault();
  };
  return (
    <div ref={frame} className="chat-frame" {...guards}>
      <div
        ref={attach}
        className="chat-feed"
        role="log"
        aria-label="Chat messages"
        // A director reads it; a crowd's messages read out would drown everything else.
        aria-live="off"
        onKeyDown={onKeyDown}
        onPointerLeave={({ pointerType }) => {
          // A finger leaves when it is lifted; what it chose stays.
          if (pointerType === 'mouse') setPointed(null);
        }}
      >
        {messages.length === 0 && <p className="chat-empty">Nobody has written yet.</p>}
        {messages.map((message) => (
          <div
            key={message.id}
            data-id={message.id}
            className="chat-message"
            data-role={message.author.role}
            data-state={message.state.kind}
            tabIndex={message.id === tabStop ? 0 : -1}
            onFocus={() => {
              setFocused(message.id);
              setLastFocused(message.id);
            }}
            onBlur={({ currentTarget, relatedTarget }) => {
              if (!currentTarget.contains(relatedTarget)) setFocused(null);
            }}
            onPointerEnter={() => setPointed(message.id)}
            onMouseDown={keepKeyboard}
          >
            <MessageWords message={message} />
            {message.id === pinnedId && <p className="chat-note">On the picture</p>}
            {message.state.kind === 'removed' && <p className="chat-note">Removed: nobody sees it</p>}
            {(message.id === pointed || message.id === focused) && (
              <Actions
                message={message}
                isPinned={message.id === pinnedId}
                isMuted={muted.some(({ writerId }) => writerId === message.author.writerId)}
              />
            )}
          </div>
        ))}
      </div>
      <NewMessages end={end} />
    </div>
  );
};

const Actions = (props: { message: ChatMessage; isPinned: boolean; isMuted: boolean }) => {
  const { message, isPinned, isMuted } = props;
  const { chat } = useStudio();
  const { id, author } = message;
  const { writerId } = author;
  const isRemoved = message.state.kind === 'removed';
  const { guards } = useSteadyPress([
    message.state.kind,
    isPinned ? 'pinned' : 'free',
    isMuted ? 'muted' : 'heard',
  ]);
  return (
    <div className="chat-actions" {...guards}>
      {isPinned ? (
        <Button pressed label="Take it off the picture" onPress={() => chat.unpin()}>
          Unpin
        </Button>
      ) : (
        // Who is muted is not put on the picture, and their row needs the room.
        !isRemoved &&
        !isMuted && (
          <Button label={`Pin ${author.name}’s message to the picture`} onPress={() => chat.pin(message)}>
            Pin
          </Button>
        )
      )}
      {isRemoved ? (
        <Button label={`Show ${author.name}’s message again`} onPress={() => void chat.show(id)}>
          Show again
        </Button>
      ) : (
        <Button
          label={`Remove ${author.name}’s message`}
          title="Off every page at once (Delete)"
          onPress={() => void chat.remove(id)}
        >
          Remove
        </Button>
      )}
      {author.role === 'fan' && writerId !== null && (
        <Button
          kind="quiet"
          pressed={isMuted}
          label={`Mute ${author.name}`}
          title="For the rest of the show"
          onPress={() => void (isMuted ? chat.unmute(writerId) : chat.mute(writerId, 'keep'))}
        >
          {isMuted ? 'Unmute' : 'Mute'}
        </Button>
      )}
      {isMuted && writerId !== null && (
        <TwiceButton
          label={`Remove all that ${author.name} wrote`}
          onPress={() => void chat.mute(writerId, 'remove')}
        >
          Remove all
        </TwiceButton>
      )}
    </div>
  );
};

// --- Rules of the house -----------------------------------------------------------------------------------------------

const House = ({ chat: { settings, muted } }: { chat: ChatState }) => {
  const studio = useStudio();
  const [typed, setTyped] = useState<string | null>(null);
  const isGivenUp = useRef(false);
  const isClosed = settings.writing === 'closed';
  const saveRules = () => {
    const rules = isGivenUp.current ? '' : (typed?.trim() ?? '');
    if (rules !== '' && rules !== settings.rules) void studio.chat.saveSettings({ rules });
    isGivenUp.current = false;
    setTyped(null);
  };
  return (
    <div
      className="chat-house"
      role="group"
      aria-label="Rules and muted fans"
      onKeyDown={(event) => {
        // The panel takes the focus away for it, which would save.
        if (event.key === 'Escape') isGivenUp.current = typed !== null;
      }}
    >
      <Button
        kind={isClosed ? 'look' : 'plain'}
        pressed={isClosed}
        title="Fans read on; only you and co-hosts write"
        onPress={() => void studio.chat.saveSettings({ writing: isClosed ? 'open' : 'closed' })}
      >
        {isClosed ? 'Open to fans again' : 'Close to fans'}
      </Button>
      <Field
        label="Shown to fans before they first write"
        maxLength={maxChatRules}
        value={typed ?? settings.rules}
        onChange={setTyped}
        onDone={saveRules}
      />
      {muted.length > 0 && (
        <ul className="chat-muted" aria-label="Muted for the show">
          {muted.map(({ writerId, name }) => (
            <li key={writerId}>
              <span className="chat-muted-name">{name}</span>
              <Button kind="quiet" label={`Unmute ${name}`} onPress={() => void studio.chat.unmute(writerId)}>
                Unmute
              </Button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
};
