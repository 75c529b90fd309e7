// The chat on a co-host's page: they read what fans read, and write under their own name. Not its job: what a chat looks like
// (ui/chat-feed.tsx, ui/chat-line.tsx).
import { useEffect, useState } from 'react';
import { useStore } from 'zustand';
import { createChat, type Chat } from '../session/chat.ts';
import type { Session } from '../session/session.ts';
import { ChatFeed } from '../ui/chat-feed.tsx';
import { ChatLine } from '../ui/chat-line.tsx';

export const BoothChat = ({ session }: { session: Session }) => {
  const [chat] = useState(() => createChat(session, null));
  useEffect(() => chat.open(), [chat]);
  return <OpenChat chat={chat} />;
};

const OpenChat = ({ chat }: { chat: Chat }) => {
  const known = useStore(chat.store, (page) => page.chat);
  if (!known) return null;
  return (
    <section className="booth-chat" aria-label="Chat">
      <h2>Chat with the fans</h2>
      <ChatFeed messages={known.messages} empty="Nobody has written yet." />
      <ChatLine chat={chat} asksName={false} label="Write as co-host" placeholder="Message" />
    </section>
  );
};
