// The chat under the picture, or beside it: loaded when the page has nothing more urgent to do. It never moves the picture, and keeps
// the line somebody writes into above a phone's keyboard. Not its job: what a chat looks like (ui/chat-feed.tsx, ui/chat-line.tsx).
import { useEffect, useState } from 'react';
import { useStore } from 'zustand';
import * as z from 'zod/mini';
import { createChat, type Chat, type ChatDevice } from '../session/chat.ts';
import type { Session } from '../session/session.ts';
import { ChatFeed } from '../ui/chat-feed.tsx';
import { ChatLine } from '../ui/chat-line.tsx';
import { useSession } from '../ui/use-session.ts';

const writerKey = 'chat.writer';
const keptWriter = z.object({
  token: z.string().check(z.minLength(16), z.maxLength(128)),
  name: z.string().check(z.minLength(1), z.maxLength(60)),
});

/** A browser that keeps nothing (private windows) writes all the same, only under a new secret after a reload. */
const device: ChatDevice = {
  read: () => {
    try {
      const kept = keptWriter.safeParse(JSON.parse(localStorage.getItem(writerKey) ?? 'null'));
      return kept.success ? kept.data : null;
    } catch {
      return null;
    }
  },
  keep: (writer) => {
    try {
      localStorage.setItem(writerKey, JSON.stringify(writer));
    } catch {
      // Full or forbidden: it lasts as long as the page.
    }
  },
};

/**
 * Browsers that lay the keyboard over the page say so by what is left to see: the page is made as high as that, for who writes here.
 * Other fields, such as the checkout's, are the browser's to show.
 */
const useRoomAboveKeyboard = () => {
  useEffect(() => {
    const seen = window.visualViewport;
    if (!seen) return;
    const { style } = document.documentElement;
    const fit = () => {
      const line = document.activeElement?.closest('.chat-write') ?? null;
      // Zoomed in by fingers it says nothing of a keyboard.
      const isTyping = line !== null && seen.scale <= 1.01;
      const covered = isTyping ? Math.max(0, Math.round(innerHeight - seen.height)) : 0;
      style.setProperty('--keyboard', `${covered}px`);
      line?.scrollIntoView({ block: 'nearest' });
      if (covered > 0) scrollTo(0, 0);
    };
    seen.addEventListener('resize', fit);
    // From one field to another the keyboard stays.
    document.addEventListener('focusin', fit);
    return () => {
      seen.removeEventListener('resize', fit);
      document.removeEventListener('focusin', fit);
      style.removeProperty('--keyboard');
    };
  }, []);
};

export const ViewerChat = ({ session }: { session: Session }) => {
  const [chat] = useState(() => createChat(session, device));
  useRoomAboveKeyboard();
  useEffect(() => chat.open(), [chat]);
  return <OpenChat session={session} chat={chat} />;
};

const OpenChat = ({ session, chat }: { session: Session; chat: Chat }) => {
  const known = useStore(chat.store, (page) => page.chat);
  const phase = useSession(session, (state) => state.show?.phase.kind ?? 'setup');
  if (!known) return null;
  const closed =
    phase === 'ended'
      ? 'The show is over, and so is its chat.'
      : known.settings.writing === 'closed'
        ? 'The host has closed the chat for now.'
        : null;
  if (phase === 'ended' && known.messages.length === 0) return null;
  return (
    <section className="chat" aria-label="Chat">
      <ChatFeed messages={known.messages} empty="Nobody has written yet. Say hello." />
      {closed === null ? (
        <ChatLine chat={chat} asksName label="Write a message" placeholder="Message" />
      ) : (
        <p className="chat-closed" role="status">
          {closed}
        </p>
      )}
    </section>
  );
};
