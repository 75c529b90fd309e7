// The line somebody writes into, and in place what a fan is asked once: their name, under the rules of the house. Says in words what
// became of a message that did not go. Not its job: sending (session/chat.ts).
import { useEffect, useId, useRef, useState, type Ref } from 'react';
import { useStore } from 'zustand';
import { maxChatName, maxChatText } from '../../sfu-server/protocol/chat.ts';
import type { Chat, ChatSending } from '../session/chat.ts';
import './chat.css';

/** Before that nobody needs to count. */
const sayLeftBelow = 40;

const wordsOf = (sending: ChatSending, left: number): string => {
  switch (sending.kind) {
    case 'refused':
      return sending.text;
    case 'waiting':
      return 'No connection. It is sent as soon as there is one.';
    case 'idle':
    case 'sending':
      return left < sayLeftBelow ? `${left} letters left` : '';
  }
};

/** `asksName`: of fans; host and co-hosts are known. */
export const ChatLine = (props: {
  chat: Chat;
  asksName: boolean;
  label: string;
  /** In the empty field; a phone has room for few letters. */
  placeholder: string;
  inputRef?: Ref<HTMLInputElement>;
}) => {
  const { chat, asksName, label, placeholder, inputRef } = props;
  const page = useStore(chat.store);
  const id = useId();
  const nameField = useRef<HTMLInputElement>(null);
  const [begun, setBegun] = useState(false);
  const [changing, setChanging] = useState(page.name === '');
  const { sending, draft, name } = page;
  const badName = sending.kind === 'refused' && sending.code === 'badName';
  const asks = asksName && begun && (changing || badName);
  useEffect(() => {
    if (badName) nameField.current?.focus();
  }, [badName]);
  const words = wordsOf(sending, maxChatText - draft.length);

  const send = () => {
    if (asksName && name.trim() === '') {
      setChanging(true);
      nameField.current?.focus();
      return;
    }
    chat.send();
    setChanging(false);
  };
  return (
    <form
      className="chat-write"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {asks && (
        <div className="chat-asks">
          <p id={`${id}rules`} className="chat-rules">
            {page.chat?.settings.rules}
          </p>
          <label className="chat-name-label" htmlFor={`${id}name`}>
            Your name here
          </label>
          <input
            ref={nameField}
            id={`${id}name`}
            className="chat-input"
            value={name}
            maxLength={maxChatName}
            autoComplete="nickname"
            enterKeyHint="next"
            aria-describedby={`${id}rules`}
            aria-invalid={badName || undefined}
            onChange={(event) => chat.setName(event.target.value)}
          />
        </div>
      )}
      <div className="chat-line">
        <input
          ref={inputRef}
          className="chat-input"
          aria-label={label}
          aria-describedby={`${id}words`}
          placeholder={placeholder}
          value={draft}
          maxLength={maxChatText}
          autoComplete="off"
          enterKeyHint="send"
          onFocus={() => setBegun(true)}
          onKeyDown={(event) => {
            // A key that is still held from elsewhere sends nothing.
            if (event.key === 'Enter' && event.repeat) event.preventDefault();
          }}
          onChange={(event) => chat.setDraft(event.target.value)}
        />
        <button
          type="submit"
          className="chat-send"
          disabled={draft.trim() === '' || sending.kind === 'sending'}
        >
          Send
        </button>
      </div>
      {asksName && begun && !asks && (
        <p className="chat-as">
          <span className="chat-as-name">As {name}</span>
          <button type="button" className="chat-change" onClick={() => setChanging(true)}>
            Change name
          </button>
        </p>
      )}
      <p id={`${id}words`} className="chat-outcome" role="status">
        {words}
      </p>
    </form>
  );
};
