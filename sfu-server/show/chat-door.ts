// Answers what a page asks of its show's chat. Knows who is on the line and under which name they write; the rules are in chat/.
import { createRate } from '../access/rates.ts';
import { fanWriterId, type Writer } from '../chat/chat.ts';
import type { Clock, EncodedEvent, Handlers } from '../protocol/channel.ts';
import { chatWriterId, type chatRequests, type ChatWriterId } from '../protocol/chat.ts';
import { AppError } from '../protocol/errors.ts';
import type { ShowContract } from '../protocol/messages.ts';
import type { Member, Show } from './show.ts';

type ChatHandlers = Pick<Handlers<ShowContract>, keyof typeof chatRequests>;

export type ChatDoorOptions = {
  /** Throws `forbidden` before the page has joined. */
  joined: () => { show: Show; member: Member };
  /** Network address of the page. */
  address: string;
  send: (event: EncodedEvent<ShowContract>) => void;
  clock: Clock;
};

const hostId = chatWriterId.parse('host');

export const createChatDoor = ({ joined, address, send, clock }: ChatDoorOptions) => {
  const chat = () => joined().show.chat;
  let unwatch = () => {};
  // A page needs it once a join, and once more when its fan has first written.
  const opened = createRate({
    now: () => clock.now(),
    burst: 5,
    perSecond: 0.1,
    sentence: 'This page has asked for the chat very often. Try again in ten seconds.',
  });

  /** Null: a fan who has not written yet. */
  const writerId = (writerToken: string | null): ChatWriterId | null => {
    const { show, member } = joined();
    if (member.role === 'studio') return hostId;
    if (member.guestId !== null) return chatWriterId.parse(`cohost ${member.guestId}`);
    return writerToken === null ? null : fanWriterId(show.id, writerToken);
  };
  const writer = (writerToken: string | null, name: string | null): Writer => {
    const { show, member } = joined();
    const id = writerId(writerToken);
    if (id === null || (member.role === 'viewer' && name === null)) {
      throw new AppError('badName', 'Say what to call you first.');
    }
    if (member.role === 'studio') return { role: 'host', id, name: 'Host' };
    if (member.guestId !== null) return { role: 'cohost', id, name: show.guestName(member.guestId) };
    return { role: 'fan', id, name: name ?? '', address };
  };

  const handlers: ChatHandlers = {
    openChat: ({ writerToken }) => {
      opened.spend('page');
      unwatch();
      const sees = joined().member.role === 'studio' ? 'all' : 'shown';
      const watching = chat().watch({ sees, writerId: writerId(writerToken), send });
      unwatch = watching.unwatch;
      return watching.chat;
    },
    writeMessage: ({ clientId, writerToken, name, text }) => ({
      message: chat().write(writer(writerToken, name), { clientId, text }),
    }),
    showMessage: ({ messageId }) => done(chat().show(messageId)),
    removeMessage: ({ messageId }) => done(chat().remove(messageId)),
    removeWaiting: ({ upTo }) => done(chat().removeWaiting(upTo)),
    muteWriter: (params) => done(chat().mute(params.writerId, params.shown)),
    unmuteWriter: (params) => done(chat().unmute(params.writerId)),
    saveChatSettings: ({ settings }) => done(chat().saveSettings(settings)),
  };

  return { handlers, close: () => unwatch() };
};

/** Requests that only do something answer with nothing. */
const done = (_result: void): Record<string, never> => ({});
