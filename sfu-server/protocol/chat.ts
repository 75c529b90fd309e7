// The chat of a show: messages, what fans may write, who is told what, and how a page keeps its copy. Part of messages.ts.
// The rules have ids in SPEC.md ([CHAT…]); what is held back, and how often somebody may write, is the server's (sfu-server/chat/).
import * as z from 'zod/mini';
import type { RequestSpec } from './channel.ts';

const id = z.string().check(z.minLength(1), z.maxLength(64));
export const chatMessageId = id.brand('ChatMessageId');
export type ChatMessageId = z.infer<typeof chatMessageId>;
/** Who wrote, as far as anybody is told: the same for all messages of a device in one show, and of use nowhere else. */
export const chatWriterId = id.brand('ChatWriterId');
export type ChatWriterId = z.infer<typeof chatWriterId>;

export const maxChatText = 300;
export const maxChatName = 30;
export const maxChatRules = 200;
export const defaultChatRules = 'Be kind. Links and phone numbers wait for the host.';

/** Scripts in which a joiner, or the sign that keeps letters from joining, changes a word (Unicode, chapters 9 and 12). */
const joiningLetter =
  '[\\p{scx=Arab}\\p{scx=Syrc}\\p{scx=Nkoo}\\p{scx=Mong}\\p{scx=Deva}\\p{scx=Beng}\\p{scx=Guru}\\p{scx=Gujr}\\p{scx=Orya}\\p{scx=Taml}\\p{scx=Telu}\\p{scx=Knda}\\p{scx=Mlym}\\p{scx=Sinh}]';
const emoji = '[\\p{Extended_Pictographic}\\p{Emoji_Modifier}]';
/** What is not seen, but for what an emoji or a word falls apart without. */
const invisible = new RegExp(
  [
    `(?<=${emoji}\\uFE0F?)\\u200D(?=\\p{Extended_Pictographic})`,
    `(?<=${joiningLetter}(?<=[\\p{L}\\p{M}]))[\\u200C\\u200D](?=${joiningLetter}(?<=[\\p{L}\\p{M}]))`,
    `(?<=${emoji})[\\uFE0E\\uFE0F]`,
    '(?<=[0-9#*])\\uFE0F(?=\\u20E3)',
    '([\\p{Default_Ignorable_Code_Point}\\p{Cc}\\p{Cf}\\p{Cs}\\p{Co}])',
  ].join('|'),
  'gu',
);

/** One line as people mean it: one form for letters that look alike (UAX 15), nothing invisible, no line breaks. */
export const tidied = (text: string): string =>
  text
    .normalize('NFKC')
    // Among them a braille cell without dots.
    .replace(/[\s\p{Zl}\p{Zp}\u2800]+/gu, ' ')
    .replace(invisible, (sign, unseen: string | undefined) => (unseen === undefined ? sign : ''))
    // A tower of accents covers the lines above and below.
    .replace(/(\p{M}{3})\p{M}+/gu, '$1')
    .replace(/ {2,}/g, ' ')
    .trim();

/** Length is of the tidied text, in UTF-16 units, as a text field counts. */
const line = (most: number, empty: string) =>
  z.pipe(
    z.pipe(z.string().check(z.maxLength(2_000, 'this is too long')), z.transform(tidied)),
    z.string().check(z.minLength(1, empty), z.maxLength(most, `${most} letters at most`)),
  );
export const chatText = line(maxChatText, 'write something first');
export const chatName = line(maxChatName, 'say what to call you');

export const chatRole = z.enum(['fan', 'cohost', 'host']);
export type ChatRole = z.infer<typeof chatRole>;

/** What the server looks for in the words of fans. */
export const holdReason = z.enum(['swearing', 'link', 'contact']);
export type HoldReason = z.infer<typeof holdReason>;

export const chatMessage = z.object({
  id: chatMessageId,
  /** Place in the feed: rises with every message, and one that was held takes its place when it is shown. */
  seq: z.int(),
  atMs: z.number(),
  author: z.object({
    role: chatRole,
    name: z.string(),
    /** Null in the copies of all but the studio. */
    writerId: z.nullable(chatWriterId),
  }),
  text: z.string(),
  /** All see `shown`; the studio sees all, and a writer their own while it is held. */
  state: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('shown') }),
    z.object({ kind: z.literal('held'), reason: holdReason }),
    z.object({ kind: z.literal('removed') }),
  ]),
});
export type ChatMessage = z.infer<typeof chatMessage>;

export const chatSettings = z.object({
  /** `closed`: only host and co-hosts write. */
  writing: z.enum(['open', 'closed']),
  /** Said where somebody is about to write. */
  rules: z.string(),
});
export type ChatSettings = z.infer<typeof chatSettings>;

/** Somebody who may not write for the rest of the show. `name`: what they called themselves last. */
export const mutedWriter = z.object({ writerId: chatWriterId, name: z.string() });
export type MutedWriter = z.infer<typeof mutedWriter>;

/** What a page knows of the chat: messages in their order, the oldest first. */
export const chatState = z.object({
  settings: chatSettings,
  messages: z.array(chatMessage),
  /** The studio only. */
  muted: z.array(mutedWriter),
});
export type ChatState = z.infer<typeof chatState>;

/** All that has happened since the last one, each message as it is now. */
export const chatNews = z.object({
  messages: z.array(chatMessage),
  /** No longer to be seen by whoever gets this. */
  removed: z.array(chatMessageId),
  settings: z.optional(chatSettings),
  muted: z.optional(z.array(mutedWriter)),
});
export type ChatNews = z.infer<typeof chatNews>;

/** Of shown messages that a page which opens the chat is given. */
export const chatHistory = { fan: 50, studio: 200 } as const;
/** A page that stays for the whole show keeps so many. */
const maxKept = 400;

/** Folds news into a page's copy. Pure; the same news twice change nothing more. What is held is never dropped for length. */
export const applyChatNews = (chat: ChatState, news: ChatNews): ChatState => {
  const gone = new Set<string>(news.removed);
  const fresh = new Map<string, ChatMessage>(news.messages.map((message) => [message.id, message]));
  const messages = [...chat.messages.filter((message) => !fresh.has(message.id)), ...fresh.values()]
    .filter((message) => !gone.has(message.id))
    .sort((a, b) => a.seq - b.seq);
  const surplus = messages.length - maxKept;
  return {
    settings: news.settings ?? chat.settings,
    muted: news.muted ?? chat.muted,
    messages:
      surplus > 0
        ? messages.filter((message, index) => index >= surplus || message.state.kind === 'held')
        : messages,
  };
};

const nothing = z.object({});
const anyone = ['viewer', 'cohost', 'studio'] as const;
const director = ['studio'] as const;
/** A secret that the device of a fan makes and keeps; null for who has none, and for host and co-hosts. */
const writerToken = z.nullable(z.string().check(z.minLength(16), z.maxLength(128)));
const ofMessage = z.object({ messageId: chatMessageId });

export const chatRequests = {
  /** From now on this connection hears `chat`. Repeated with a secret once there is one. */
  openChat: { from: anyone, params: z.object({ writerToken }), result: chatState },
  /**
   * Repeated with the same `clientId` it is the same message, in its present state. Refused with `badName`, `muted`, `tooFast`, or
   * `wrongPhase` where nobody may write, each in words for who writes. `name` is a fan's; others have the one they are known by.
   */
  writeMessage: {
    from: anyone,
    params: z.object({ clientId: id, writerToken, name: z.nullable(chatName), text: chatText }),
    result: z.object({ message: chatMessage }),
  },
  /** One that was held, or that was removed by mistake. To the picture it comes by `setScene`, as all that lies over it. */
  showMessage: { from: director, params: ofMessage, result: nothing },
  /** Leaves all pages at once, and the picture if it is pinned. */
  removeMessage: { from: director, params: ofMessage, result: nothing },
  /** All that wait, at once. `upTo`: the newest of them the director has seen. */
  removeWaiting: { from: director, params: z.object({ upTo: z.int() }), result: nothing },
  /** For the rest of the show. What they have waiting is removed, with `shown: 'remove'` all they wrote. */
  muteWriter: {
    from: director,
    params: z.object({ writerId: chatWriterId, shown: z.enum(['keep', 'remove']) }),
    result: nothing,
  },
  unmuteWriter: { from: director, params: z.object({ writerId: chatWriterId }), result: nothing },
  saveChatSettings: {
    from: director,
    params: z.object({
      settings: z.object({
        writing: chatSettings.shape.writing,
        rules: line(maxChatRules, 'say how people should behave'),
      }),
    }),
    result: nothing,
  },
} as const satisfies Readonly<Record<string, RequestSpec>>;

export const chatEvents = {
  /** At most four times a second. */
  chat: chatNews,
} as const;
