// The chat through real sockets of a real server: what each role may ask and hears, a page that comes back, the picture's pinned words,
// and a server that is killed in the middle of it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { applyChatNews, type ChatMessage, type ChatState } from '../../sfu-server/protocol/chat.ts';
import { emptyScene } from '../../sfu-server/protocol/state.ts';
import { join, joinGuest, joinStudio, joinViewer, refusal, type JoinedClient } from '../support/client.ts';
import { startServer, type TestServer } from '../support/server.ts';

let data: string;
let server: TestServer;
beforeAll(async () => {
  data = await mkdtemp(joinPath(tmpdir(), 'live-drop-chat-'));
  server = await startServer({ data });
});
afterAll(async () => {
  await server.close();
  await rm(data, { recursive: true, force: true });
});

type Chatting = JoinedClient & {
  chat: () => ChatState;
  texts: () => string[];
  write: (text: string, clientId?: string) => Promise<ChatMessage>;
  /** Resolves when this page's copy is so. */
  until: (isSo: (chat: ChatState) => boolean) => Promise<void>;
};

const chatting = async (page: JoinedClient, token: string | null, name: string | null): Promise<Chatting> => {
  const watchers = new Set<() => void>();
  let chat: ChatState | undefined;
  page.channel.on('chat', (news) => {
    if (chat) chat = applyChatNews(chat, news);
    for (const watcher of watchers) watcher();
  });
  chat = await page.channel.call('openChat', { writerToken: token });
  const now = () => {
    if (!chat) throw new Error('The chat is not open.');
    return chat;
  };
  return {
    ...page,
    chat: now,
    texts: () => now().messages.map(({ text }) => text),
    write: async (text, clientId = crypto.randomUUID()) =>
      (await page.channel.call('writeMessage', { clientId, writerToken: token, name, text })).message,
    until: (isSo) =>
      new Promise((resolve) => {
        const look = () => {
          if (!isSo(now())) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
  };
};
const has = (text: string) => (chat: ChatState) => chat.messages.some((message) => message.text === text);
const token = (of: string) => `${of} `.padEnd(32, 'x').replace(' ', '-');
const studioPage = async (at = server) => chatting(await joinStudio(at.origin, at.studioKey), null, null);
const fanPage = async (name: string, at = server, resume?: string) =>
  chatting(await joinViewer(at.origin, at.showId, resume), token(name), name);

it('[CHAT3] [CHAT6] [CHAT7] lets each role do what it may and hear what it should', async () => {
  const studio = await studioPage();
  const link = await studio.channel.call('inviteGuest', { name: 'Mira' });
  const mira = await chatting(await joinGuest(server.origin, link.token), null, 'Host');
  const [ada, bob] = [await fanPage('Ada'), await fanPage('Bob')];

  const hello = await ada.write('hello from Ada');
  expect(hello).toMatchObject({
    state: { kind: 'shown' },
    author: { role: 'fan', name: 'Ada', writerId: null },
  });
  // What a page says of its own role or name counts for fans only, and for them not as a role.
  expect((await mira.write('hello from Mira')).author).toMatchObject({ role: 'cohost', name: 'Mira' });
  expect((await studio.write('welcome: example.com')).author).toMatchObject({ role: 'host', name: 'Host' });
  const asHost = { clientId: 'c', writerToken: token('Eve'), name: 'Host', text: 'I am the host' };
  expect(await refusal(bob.channel.call('writeMessage', asHost))).toBe('badName');
  expect(await refusal(bob.channel.call('writeMessage', { ...asHost, name: 'mira' }))).toBe('badName');
  expect(await refusal(bob.channel.call('writeMessage', { ...asHost, name: null }))).toBe('badName');
  expect(await refusal(bob.channel.call('writeMessage', { ...asHost, name: 'Eve', text: ' \n ' }))).toBe(
    'invalidParams',
  );

  const held = await ada.write('mail me@example.com');
  expect(held.state).toEqual({ kind: 'held', reason: 'contact' });
  await Promise.all([studio, mira, bob, ada].map((page) => page.until(has('welcome: example.com'))));
  await studio.until(has('mail me@example.com'));
  expect(mira.texts()).not.toContain('mail me@example.com');
  expect(bob.texts()).not.toContain('mail me@example.com');
  expect(JSON.stringify(bob.chat())).not.toMatch(/"writerId":"/);

  const { writerId } = studio.chat().messages.find(({ id }) => id === held.id)?.author ?? {};
  if (!writerId) throw new Error('The studio is not told who wrote.');
  for (const page of [ada, bob, mira]) {
    const { channel } = page;
    const settings = { writing: 'closed', rules: 'none' } as const;
    expect(await refusal(channel.call('showMessage', { messageId: held.id }))).toBe('forbidden');
    expect(await refusal(channel.call('removeMessage', { messageId: hello.id }))).toBe('forbidden');
    expect(await refusal(channel.call('muteWriter', { writerId, shown: 'remove' }))).toBe('forbidden');
    expect(await refusal(channel.call('removeWaiting', { upTo: held.seq }))).toBe('forbidden');
    expect(await refusal(channel.call('unmuteWriter', { writerId }))).toBe('forbidden');
    expect(await refusal(channel.call('saveChatSettings', { settings }))).toBe('forbidden');
  }
  const phone = await studio.channel.call('inviteCrew', { name: 'Table' });
  const crew = await join(server.origin, () => ({ as: 'crew', token: phone.token }));
  expect(await refusal(crew.channel.call('openChat', { writerToken: null }))).toBe('forbidden');
  crew.close();

  await studio.channel.call('showMessage', { messageId: held.id });
  await bob.until(has('mail me@example.com'));

  // On the picture, and off it with the message.
  const pinned = { name: 'Ada', text: 'hello from Ada', messageId: hello.id };
  await studio.channel.call('setScene', { scene: { ...emptyScene, pinned } });
  await studio.change((change) => change.kind === 'scene' && change.scene.pinned !== null);
  await studio.channel.call('removeMessage', { messageId: hello.id });
  await studio.change((change) => change.kind === 'scene' && change.scene.pinned === null);
  await bob.until((chat) => !has('hello from Ada')(chat));
  // A page that was just about to pin it.
  await studio.channel.call('setScene', { scene: { ...emptyScene, pinned, qrVisible: true } });
  await studio.change(
    (change) => change.kind === 'scene' && change.scene.qrVisible && change.scene.pinned === null,
  );

  await studio.channel.call('muteWriter', { writerId, shown: 'keep' });
  expect(await refusal(ada.write('me again'))).toBe('muted');
  await studio.channel.call('saveChatSettings', {
    settings: { writing: 'closed', rules: 'Only kind words.' },
  });
  expect(await refusal(bob.write('hello?'))).toBe('wrongPhase');
  await bob.until(({ settings }) => settings.writing === 'closed' && settings.rules === 'Only kind words.');
  await studio.channel.call('saveChatSettings', { settings: { writing: 'open', rules: 'Be kind.' } });
  // One page cannot make the server read it all out again and again.
  const openings = Array.from({ length: 10 }, () => bob.channel.call('openChat', { writerToken: null }));
  expect(await refusal(Promise.all(openings))).toBe('tooFast');
  for (const page of [ada, bob, mira, studio]) page.close();
});

it('[CHAT5] doubles nothing when a page comes back, and loses nothing that was answered when the server is killed', async () => {
  const cyd = await fanPage('Cyd');
  const first = await cyd.write('is it still there?', 'once');
  cyd.drop();
  const back = await fanPage('Cyd', server, cyd.joined.resumeToken);
  expect(back.texts().filter((text) => text === 'is it still there?')).toHaveLength(1);
  expect((await back.write('is it still there?', 'once')).id).toBe(first.id);
  const held = await back.write('my shop: cyd.shop/new', 'later');
  const { port } = new URL(server.origin);
  await server.stop('SIGKILL');
  server = await startServer({ data, port: Number(port) });
  const again = await fanPage('Cyd', server);
  expect(again.texts().filter((text) => text === 'is it still there?')).toHaveLength(1);
  expect(again.chat().messages.find(({ id }) => id === held.id)?.state.kind).toBe('held');
  expect((await again.write('my shop: cyd.shop/new', 'later')).id).toBe(held.id);
  const studio = await studioPage(server);
  expect(studio.chat().muted.map(({ name }) => name)).toEqual(['Ada']);
  await studio.channel.call('showMessage', { messageId: held.id });
  await again.until(({ messages }) =>
    messages.some(({ id, state }) => id === held.id && state.kind === 'shown'),
  );
  for (const page of [again, studio]) page.close();
});
