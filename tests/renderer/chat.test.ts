// A page's part in the chat against a far end in memory: what is written arrives once, whatever the line does, and nothing is lost from
// the field. How it looks and the server's rules are tested elsewhere (tests/e2e/chat.test.ts, tests/sfu-server/chat.test.ts).
import { expect, it } from 'vitest';
import { createChat, type ChatDevice } from '../../renderer/session/chat.ts';
import { createSession } from '../../renderer/session/session.ts';
import { createChatDesk } from '../../renderer/studio/chat-desk.ts';
import { createSteadyPress } from '../../renderer/studio/steady-press.ts';
import {
  chatMessageId,
  defaultChatRules,
  type ChatMessage,
  type ChatSettings,
  type ChatState,
} from '../../sfu-server/protocol/chat.ts';
import { serveChannel, type Handlers, type ServerEnd } from '../../sfu-server/protocol/channel.ts';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { showContract, type ShowContract, type ShowParams } from '../../sfu-server/protocol/messages.ts';
import { showId, type ShowState } from '../../sfu-server/protocol/state.ts';
import { freshShow, joinAnswer } from '../support/page-states.ts';
import { fakeClock, settled, wirePair } from '../support/wires.ts';

const { id } = freshShow;
const show: ShowState = { ...freshShow, viewers: 1 };
const line = (text: string, seq: number, state: ChatMessage['state'] = { kind: 'shown' }): ChatMessage => ({
  id: chatMessageId.parse(`m ${text}`),
  seq,
  atMs: seq,
  author: { role: 'fan', name: 'Ada', writerId: null },
  text,
  state,
});

const refuse = () => Promise.reject(new AppError('forbidden'));
const refuseAll: Handlers<ShowContract> = new Proxy(Object.create(null), { get: () => refuse });

type Written = ShowParams<'writeMessage'>;

/** A far end that keeps what is written by its `clientId`, as the server does. */
const farEnd = (role: 'viewer' | 'studio' = 'viewer') => {
  const clock = fakeClock();
  const ends: ServerEnd<ShowContract>[] = [];
  const carriers: { lose: () => void }[] = [];
  const opened: (string | null)[] = [];
  const written = new Map<string, Written>();
  const messages = new Map<string, ChatMessage>();
  let state = show;
  let settings: ChatSettings = { writing: 'open', rules: defaultChatRules };
  let reachable = true;
  let answers: (asked: Written) => ChatMessage | Promise<ChatMessage> = ({ text }) =>
    line(text, written.size);
  const chatState = (): ChatState => ({
    settings,
    messages: [...messages.values()],
    muted: [],
  });
  const session = createSession({
    identity: { as: 'viewer', showId: id },
    media: false,
    location: { origin: 'http://drop.example' },
    clock,
    random: () => 0.5,
    awake: () => () => {},
    open: () => {
      const { client, server } = wirePair();
      carriers.push({ lose: () => server.close(1006, '') });
      if (!reachable) {
        server.close(1006, '');
        return client;
      }
      let known: 'anonymous' | 'viewer' | 'studio' = 'anonymous';
      ends.push(
        serveChannel<ShowContract>({
          contract: showContract,
          wire: server,
          clock,
          role: () => known,
          onBug: (error) => {
            throw error;
          },
          handlers: {
            ...refuseAll,
            join: () => {
              known = role;
              return joinAnswer(state);
            },
            openChat: ({ writerToken }) => {
              opened.push(writerToken);
              return chatState();
            },
            writeMessage: async (asked) => {
              const message = await answers(asked);
              written.set(asked.clientId, asked);
              messages.set(asked.clientId, message);
              return { message };
            },
            saveChatSettings: (asked) => {
              settings = asked.settings;
              ends.at(-1)?.emit('chat', { messages: [], removed: [], settings });
              return {};
            },
          },
        }),
      );
      return client;
    },
  });
  return {
    session,
    clock,
    opened,
    written,
    answer: (next: typeof answers) => {
      answers = next;
    },
    say: (message: ChatMessage) => ends.at(-1)?.emit('chat', { messages: [message], removed: [] }),
    settings: () => settings,
    /** Another show takes the place of this one. */
    setShow: (title: string) => {
      state = { ...show, id: showId.parse(title), title };
      messages.clear();
    },
    lose: () => carriers.at(-1)?.lose(),
    setReachable: (is: boolean) => {
      reachable = is;
    },
  };
};

const keeper = (): ChatDevice & { kept: () => { token: string; name: string } | null } => {
  let kept: { token: string; name: string } | null = null;
  return { read: () => kept, keep: (writer) => (kept = writer), kept: () => kept };
};

it('asks nothing of who only reads, and keeps secret and name once something was taken', async () => {
  const far = farEnd();
  const device = keeper();
  const chat = createChat(far.session, device);
  const close = chat.open();
  await settled();
  expect(far.opened).toEqual([null]);
  far.say(line('hello', 1));
  await settled();
  expect(chat.store.getState().chat?.messages.map(({ text }) => text)).toEqual(['hello']);
  expect(device.kept()).toBe(null);

  chat.setName(' Ada ');
  chat.setDraft('hi all');
  far.answer(() => Promise.reject(new AppError('badName', 'Choose another.')));
  chat.send();
  await settled();
  expect(chat.store.getState()).toMatchObject({
    draft: 'hi all',
    sending: { kind: 'refused', code: 'badName', text: 'Choose another.' },
  });
  expect(device.kept()).toBe(null);
  far.answer(({ text }) => line(text, 2, { kind: 'held', reason: 'link' }));
  chat.send();
  await settled();
  expect(chat.store.getState()).toMatchObject({ draft: '', sending: { kind: 'idle' } });
  expect(chat.store.getState().chat?.messages.at(-1)?.state.kind).toBe('held');
  expect(device.kept()?.name).toBe('Ada');
  // From then on this page is told of its own held messages.
  expect(far.opened).toEqual([null, device.kept()?.token]);
  close();
  far.session.close();

  const later = farEnd();
  const again = createChat(later.session, device);
  again.open();
  await settled();
  expect(again.store.getState().name).toBe('Ada');
  expect(later.opened).toEqual([device.kept()?.token]);
  later.session.close();
});

it('sends what the line has swallowed when it is back, once, and keeps what was typed meanwhile', async () => {
  const far = farEnd();
  const chat = createChat(far.session, keeper());
  chat.open();
  await settled();
  chat.setName('Ada');
  chat.setDraft('is it heavy?');
  // The server has it, the answer is lost.
  far.answer(({ text }) => {
    far.lose();
    return line(text, 1);
  });
  far.setReachable(false);
  chat.send();
  await settled();
  expect(chat.store.getState()).toMatchObject({ draft: 'is it heavy?', sending: { kind: 'waiting' } });
  chat.send();
  chat.setDraft('is it heavy? size M');
  far.setReachable(true);
  far.answer(({ text }) => line(text, 1));
  far.clock.advance(1_000);
  await settled();
  await settled();
  expect([...far.written.values()].map(({ text }) => text)).toEqual(['is it heavy?']);
  expect(chat.store.getState()).toMatchObject({ draft: 'is it heavy? size M', sending: { kind: 'idle' } });
  expect(chat.store.getState().chat?.messages.map(({ text }) => text)).toEqual(['is it heavy?']);
  far.session.close();
});

it('says that there was no answer, and pressing again makes no second message', async () => {
  const far = farEnd();
  const chat = createChat(far.session, keeper());
  chat.open();
  await settled();
  chat.setName('Ada');
  chat.setDraft('hello');
  let arrived = '';
  far.answer(({ clientId }) => {
    arrived = clientId;
    return new Promise(() => {});
  });
  chat.send();
  await settled();
  // Beats keep the connection; only this answer is missing.
  far.clock.advance(10_000);
  await settled();
  expect(chat.store.getState()).toMatchObject({
    draft: 'hello',
    sending: { kind: 'refused', code: 'timeout' },
  });
  far.answer(({ text }) => line(text, 1));
  chat.send();
  await settled();
  expect([...far.written.keys()]).toEqual([arrived]);
  expect(chat.store.getState().draft).toBe('');
  far.session.close();
});

it('sends later, after no answer, only what still stands in the field', async () => {
  const far = farEnd();
  const chat = createChat(far.session, keeper());
  chat.open();
  await settled();
  chat.setName('Ada');
  const comeBack = async () => {
    far.lose();
    await settled();
    far.clock.advance(1_000);
    await settled();
    await settled();
  };
  for (const [typed, then] of [
    ['this?', 'this? no, that'],
    ['or that?', ''],
  ] as const) {
    far.answer(() => new Promise(() => {}));
    chat.setDraft(typed);
    chat.send();
    await settled();
    far.clock.advance(10_000);
    await settled();
    expect(chat.store.getState().sending).toMatchObject({ kind: 'refused', code: 'timeout' });
    chat.setDraft(then);
    far.answer(({ text }) => line(text, 1));
    await comeBack();
    expect(chat.store.getState()).toMatchObject({ draft: then, sending: { kind: 'idle' } });
  }
  expect([...far.written.values()]).toEqual([]);

  // What waits for the line is taken back by emptying the field.
  far.setReachable(false);
  chat.setDraft('never mind');
  far.lose();
  await settled();
  chat.send();
  await settled();
  expect(chat.store.getState().sending.kind).toBe('waiting');
  chat.setDraft('');
  far.setReachable(true);
  far.clock.advance(5_000);
  await settled();
  await settled();
  expect([...far.written.values()]).toEqual([]);
  expect(chat.store.getState().sending.kind).toBe('idle');
  far.session.close();
});

it('counts for the director what is new in this show only, and saves both of two changes made at once', async () => {
  const far = farEnd('studio');
  const desk = createChatDesk({
    session: far.session,
    change: () => {},
    call: async (work) => {
      await work();
      return { ok: true };
    },
  });
  await settled();
  far.say(line('hello', 1_000));
  await settled();
  expect(desk.store.getState().unread).toBe(1);
  far.setShow('Next');
  far.lose();
  await settled();
  far.clock.advance(1_000);
  await settled();
  await settled();
  expect(desk.chat.store.getState().chat?.messages).toEqual([]);
  expect(desk.store.getState().unread).toBe(0);
  far.say(line('first of the next', 1));
  await settled();
  expect(desk.store.getState().unread).toBe(1);

  // The field saves as it loses the keyboard to the button that closes the chat.
  const saved = [desk.saveSettings({ rules: 'Only kind words.' }), desk.saveSettings({ writing: 'closed' })];
  await Promise.all(saved);
  expect(far.settings()).toEqual({ writing: 'closed', rules: 'Only kind words.' });
  desk.close();
  far.session.close();
});

it('counts a press only on what has stood there, and neither a second click nor a second key', () => {
  let now = 0;
  const press = createSteadyPress(() => now);
  const [click, again, key] = [{ detail: 1 }, { detail: 2 }, { detail: 0 }];
  press.stands(['a', 'b']);
  expect(press.counts(click)).toBe(true);
  expect(press.counts(again)).toBe(false);
  now = 1_000;
  expect(press.counts(key)).toBe(true);
  now += 100;
  // The keyboard is already on the next one.
  expect(press.counts(key)).toBe(false);
  // What comes at the end moves nothing.
  press.stands(['a', 'b', 'c']);
  expect(press.counts(click)).toBe(true);
  press.stands(['b', 'c']);
  expect(press.counts(click)).toBe(false);
  now += 499;
  expect(press.counts(click)).toBe(false);
  now += 1;
  expect(press.counts(click)).toBe(true);
  press.appeared();
  expect([press.counts(click), press.counts(again)]).toEqual([false, false]);
});
