// The chat's rules on real SQLite and a clock moved by hand: what is held, which names are free, who may write how often, who is told
// what, and that decisions and repeats come to the same whatever their order.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createChat, fanWriterId, type Chat, type Writer } from '../../sfu-server/chat/chat.ts';
import { looksOfCast, problemWithName, reasonToHold } from '../../sfu-server/chat/moderation.ts';
import {
  applyChatNews,
  chatEvents,
  chatMessageId,
  chatRequests,
  chatWriterId,
  defaultChatRules,
  tidied,
  type ChatMessage,
  type ChatNews,
  type ChatState,
} from '../../sfu-server/protocol/chat.ts';
import * as z from 'zod/mini';
import { AppError, type ErrorCode } from '../../sfu-server/protocol/errors.ts';
import { emptyScene, showId, type Scene } from '../../sfu-server/protocol/state.ts';
import { createPaymentDesk } from '../../sfu-server/shop/payments/desk.ts';
import { createShow } from '../../sfu-server/show/show.ts';
import { openStore, type ShowRow, type Store } from '../../sfu-server/store/database.ts';
import { emptyShop } from '../support/products.ts';
import { fakeClock, type FakeClock } from '../support/wires.ts';

const dayMs = 24 * 3_600_000;

describe('words', () => {
  const text = (given: string) => chatRequests.writeMessage.params.shape.text.safeParse(given);

  it('[CHAT1] are one visible line of 1 to 300 letters, and a name of 1 to 30', () => {
    expect(tidied('  two\n\nlines\tand\u200b \u202Ereversed\u0000 ')).toBe('two lines and reversed');
    expect(tidied('ｆｕｌｌ ｗｉｄｔｈ')).toBe('full width');
    expect(tidied('👨‍👩‍👧 and 🏳️‍🌈')).toBe('👨‍👩‍👧 and 🏳️‍🌈');
    // A skin tone, a heart and joined people survive; so do words that are written with a joiner or its opposite.
    for (const whole of ['👩🏽‍💻', '👩🏽‍❤️‍💋‍👨🏿', '1️⃣', 'می‌خواهم', 'क्‍ष']) expect(tidied(whole)).toBe(whole);
    expect(tidied('a\u3164b\u200dc\uFE0F\u200cd\u034Fe1\uFE0F \uFFA0\u2800\u2800 f')).toBe('abcde1 f');
    expect(tidied(`a${'\u0301'.repeat(50)}`).length).toBeLessThan(6);
    expect(text('x'.repeat(300)).success).toBe(true);
    for (const bad of [
      '',
      ' \n ',
      '\u200b\u200d',
      '\u3164\u2800',
      '\uFE0F',
      'x'.repeat(301),
      'x'.repeat(100_000),
    ]) {
      expect(text(bad).success).toBe(false);
    }
    const { name } = chatRequests.writeMessage.params.shape;
    expect(name.safeParse('Ada\nL').data).toBe('Ada L');
    for (const bad of ['', ' \u2060 ', 'x'.repeat(31)]) expect(name.safeParse(bad).success).toBe(false);
    expect(name.safeParse(null).data).toBe(null);
  });

  it.each([
    [
      'swearing',
      ['fuck', 'FUUUCK', 'f u c k that', 'f.u.c.k', 'f-u-c-k', 'ｆｕｃｋ', 'ⓕⓤⓒⓚ', 'fսck', 'fück', 'sh1t'],
    ],
    ['swearing', ['s\u200bh\u200bi\u200bt', 's\u0301hit', 'you absolute c u n t!', 'oh bollocks']],
    [
      'link',
      ['https://x.example', 'hxxp://x', 'www.example.org', 'see bit.ly/abc', 'example.com', 'EXAMPLE . com'],
    ],
    [
      'link',
      ['example dot com', 'example(.)net', 'example [dot] shop', 't.me/x', 'http://10.0.0.1', '10.0.0.1:80'],
    ],
    [
      'contact',
      ['call 07700 900123', '+44 20 7946', '０７７００９００１２３', '٠٧٧٠٠٩٠٠١٢٣', '0 7 7 0 0 9 0 0 1 2 3'],
    ],
    ['contact', ['me@example.com', 'me (at) example dot com', 'me [at] example.org']],
  ])('[CHAT2] wait for the director: %s %j', (reason, texts) => {
    expect(texts.map((one) => [one, reasonToHold(tidied(one))])).toEqual(texts.map((one) => [one, reason]));
  });

  it('[CHAT2] that only look bad to a machine are let through', () => {
    const decent = [
      'I am from Scunthorpe, near Penistone',
      'assassin in the cockpit of a classic bass cocktail',
      'Dickies jacket, shiitake mushrooms, Moby Dick',
      'push it, mass hit, pass it, but this title',
      'Essex, Sussex, Cockburn, Hancock',
      'U S A all the way, a b c, b u t t e r',
      'love it.So is the tee.but small, e.g. this one',
      '£20 or £25? 1 000 000 of them',
      'it was 2026-11-22 18:20:30, order 12345678',
      'size 38/40/42, 10/10, 100% cotton, v1.5.2',
      'hi @all, see you at the table',
      'ça va? そうですね 你好 привет مرحبا',
    ];
    expect(decent.filter((one) => reasonToHold(tidied(one)) !== null)).toEqual([]);
  });

  it('[CHAT3] never make a fan look like the host or a co-host', () => {
    const taken = [
      'Host',
      'h0st',
      'ＨＯＳＴ',
      'нost',
      'The Host',
      'h o s t',
      'Co-Host',
      'Ho\u200bst',
      'Hóst',
      'Hosst',
      'Ho\u3164st',
      'Ho\u2800st',
      'Hⲟst',
      'TheHost',
      'thehost',
      'Your real host',
      'officialhost',
      'Host2',
      'x_Host 24',
      'Mod',
      'Staff 🔥',
      'seller',
      'SupportTeam',
    ];
    const cast = ['Mira', 'mіra', 'M1ra', 'M i r a', 'MIRA!', 'Adm1n', 'Moderat0r', 'the director'];
    const named = looksOfCast(['Mira', 'Night drop', '']);
    for (const name of [...taken, ...cast, 'TheRealMira', 'Mi\u3164ra', 'night drop!', 'Ana Анна'])
      expect([name, problemWithName(tidied(name), named)]).not.toContain(null);
    for (const name of ['🔥', '...', 'fuck', 'call me 07700 900123', 'my.shop/x']) {
      expect([name, problemWithName(tidied(name), looksOfCast([]))]).not.toContain(null);
    }
    const free = [
      'Ghost',
      'Mirabel',
      'Ana',
      '李雷',
      'Zoë 🔥',
      'Hostess',
      '7',
      'Анна',
      'Νίκος',
      'Mira2',
      'Steam',
      'Theo',
    ];
    expect(free.filter((name) => problemWithName(tidied(name), named) !== null)).toEqual([]);
  });
});

describe('a chat', () => {
  let folder: string;
  let store: Store;
  let clock: FakeClock;
  let chat: Chat;
  let removals: number;
  const show = showId.parse('show');

  const open = () =>
    createChat({
      store,
      show,
      clock,
      endedMs: null,
      cast: () => ['Mira'],
      onRemoved: () => (removals += 1),
      log: { error: () => {} },
    });
  /** A new process over the same database. */
  const restart = () => {
    chat.close();
    chat = open();
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'live-drop-chat-'));
    store = openStore(join(folder, 'show.db'));
    clock = fakeClock();
    store.addShow(show, 'Night drop', clock.now());
    removals = 0;
    chat = open();
  });
  afterEach(() => {
    chat.close();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const fan = (name: string, address = `of ${name}`): Extract<Writer, { role: 'fan' }> => ({
    role: 'fan',
    id: fanWriterId(show, `secret of ${name}`),
    name,
    address,
  });
  const host: Writer = { role: 'host', id: chatWriterId.parse('host'), name: 'Host' };
  let written = 0;
  const say = (writer: Writer, text: string, clientId = `m${(written += 1)}`) =>
    chat.write(writer, { clientId, text });
  const refusal = (run: () => unknown): { code: ErrorCode; message: string } | null => {
    try {
      run();
      return null;
    } catch (error) {
      if (error instanceof AppError) return { code: error.code, message: error.message };
      throw error;
    }
  };
  type Page = { state: () => ChatState; texts: () => string[]; events: () => number; news: ChatNews[] };
  const event = z.object({ n: z.literal('chat'), p: chatEvents.chat });
  /** A page as it folds what it hears. */
  const page = (sees: 'all' | 'shown', writer: Writer | null = null): Page => {
    const news: ChatNews[] = [];
    const watching = chat.watch({
      sees,
      writerId: writer?.id ?? null,
      send: ({ text }) => {
        const { p } = event.parse(JSON.parse(text));
        news.push(p);
        state = applyChatNews(state, p);
      },
    });
    let state = watching.chat;
    return {
      state: () => state,
      texts: () => state.messages.map((message) => message.text),
      events: () => news.length,
      news,
    };
  };
  const soon = () => clock.advance(250);

  it('[CHAT2] [CHAT6] [CHAT7] shows a held message to its writer and the studio only, until the studio shows it', () => {
    const [ada, bob] = [fan('Ada'), fan('Bob')];
    const pages = { studio: page('all'), ada: page('shown', ada), bob: page('shown', bob) };
    const held = say(ada, 'see my shop at example.com');
    expect(held.state).toEqual({ kind: 'held', reason: 'link' });
    say(bob, 'hello');
    soon();
    expect(pages.studio.texts()).toEqual(['see my shop at example.com', 'hello']);
    expect(pages.ada.texts()).toEqual(['see my shop at example.com', 'hello']);
    expect(pages.bob.texts()).toEqual(['hello']);
    expect(JSON.stringify([pages.bob.news, pages.ada.news])).not.toContain(ada.id);
    expect(page('shown').texts()).toEqual(['hello']);
    expect(page('shown', ada).texts()).toEqual(['see my shop at example.com', 'hello']);
    restart();
    const again = { studio: page('all'), bob: page('shown', bob) };
    chat.show(held.id);
    chat.show(held.id);
    soon();
    // New to everybody else: it comes as the newest.
    expect(again.bob.texts()).toEqual(['hello', 'see my shop at example.com']);
    expect(again.studio.texts()).toEqual(again.bob.texts());
    expect(page('shown').texts()).toEqual(again.bob.texts());
  });

  it('[CHAT7] takes a removed message from every page at once, and puts back what was removed by mistake', () => {
    const ada = fan('Ada');
    const one = say(ada, 'one');
    say(ada, 'two');
    soon();
    const pages = { studio: page('all'), fan: page('shown') };
    chat.remove(one.id);
    expect(pages.fan.texts()).toEqual(['two']);
    expect(page('shown').texts()).toEqual(['two']);
    expect(pages.studio.state().messages.map(({ state }) => state.kind)).toEqual(['removed', 'shown']);
    chat.remove(one.id);
    expect([removals, chat.isRemoved(one.id)]).toEqual([2, true]);
    chat.show(one.id);
    soon();
    expect(pages.fan.texts()).toEqual(['one', 'two']);
    expect(refusal(() => chat.remove(chatMessageId.parse('nobody wrote this')))?.code).toBe('notFound');
  });

  it('[CHAT7] mutes for the show, over a restart, and takes what waits with it', () => {
    const [ada, bob] = [fan('Ada'), fan('Bob')];
    const mine = page('shown', ada);
    say(ada, 'hello');
    say(ada, 'fuck this');
    soon();
    expect(mine.texts()).toEqual(['hello', 'fuck this']);
    chat.mute(ada.id, 'keep');
    chat.mute(ada.id, 'keep');
    expect(mine.texts()).toEqual(['hello']);
    restart();
    expect(page('all').state().muted).toEqual([{ writerId: ada.id, name: 'Ada' }]);
    expect(page('shown').state().muted).toEqual([]);
    expect(refusal(() => say({ ...ada, name: 'Somebody else' }, 'me again'))?.code).toBe('muted');
    say(bob, 'not me');
    chat.unmute(ada.id);
    say(ada, 'thanks');
    say(host, 'welcome');
    expect(refusal(() => chat.mute(host.id, 'keep'))?.code).toBe('forbidden');
    expect(refusal(() => chat.mute(chatWriterId.parse('nobody'), 'keep'))?.code).toBe('notFound');
    // All they wrote, also later and also of who is muted already.
    soon();
    const others = page('shown');
    expect(others.texts()).toEqual(['hello', 'not me', 'thanks', 'welcome']);
    chat.mute(ada.id, 'keep');
    chat.mute(ada.id, 'remove');
    expect(others.texts()).toEqual(['not me', 'welcome']);
    expect(page('all').state().muted).toHaveLength(1);
    restart();
    expect(page('shown').texts()).toEqual(['not me', 'welcome']);
  });

  it('[CHAT7] removes all that wait, but for what came after the last the studio has seen', () => {
    const fans = Array.from({ length: 5 }, (_, n) => fan(`Fan ${n}`));
    for (const one of fans) say(one, 'see example.com');
    const seen = page('all').state().messages.at(-1)?.seq ?? 0;
    const later = say(fan('Late'), 'see example.org');
    soon();
    const pages = { studio: page('all'), first: page('shown', fans[0]) };
    expect(pages.first.texts()).toEqual(['see example.com']);
    chat.removeWaiting(seen);
    chat.removeWaiting(seen);
    expect(pages.first.texts()).toEqual([]);
    const waiting = () => pages.studio.state().messages.filter(({ state }) => state.kind === 'held');
    expect(waiting().map(({ id }) => id)).toEqual([later.id]);
    restart();
    expect(chat.snapshot()).toMatchObject({ held: 1, removed: 5 });
  });

  it('[CHAT4] slows down a fan, a network and a crowd, in words, and never the host', () => {
    const ada = fan('Ada');
    const many = (writer: Writer, count: number) =>
      Array.from({ length: count }, (_, n) => refusal(() => say(writer, `line ${written} ${n}`)));
    expect(many(ada, 7).map((no) => no?.code ?? 'taken')).toEqual([
      ...Array(5).fill('taken'),
      'tooFast',
      'tooFast',
    ]);
    clock.advance(2_000);
    expect(many(ada, 2).map((no) => no?.code ?? 'taken')).toEqual(['taken', 'tooFast']);
    expect(refusal(() => say(ada, 'again'))?.message).toContain('Slow down');
    const room = Array.from({ length: 60 }, (_, n) => fan(`Fan ${n}`, 'one network'));
    expect(room.filter((one) => refusal(() => say(one, 'hi')) === null)).toHaveLength(20);
    clock.advance(60_000);
    const crowd = Array.from({ length: 200 }, (_, n) => fan(`Someone ${n}`));
    expect(crowd.filter((one) => refusal(() => say(one, 'hi')) === null)).toHaveLength(40);
    // Whoever has many addresses of one network has one.
    clock.advance(60_000);
    const cloud = Array.from({ length: 60 }, (_, n) => fan(`One ${n}`, `2001:db8:5:6::${n + 1}`));
    expect(cloud.filter((one) => refusal(() => say(one, 'hi')) === null)).toHaveLength(20);
    expect(refusal(() => say(fan('Another', '2001:db8:5:7::1'), 'hi'))).toBe(null);
    expect(many(host, 100).every((no) => no === null)).toBe(true);
    expect(chat.snapshot()).toMatchObject({ messages: 5 + 1 + 20 + 40 + 21 + 100, held: 0 });
  });

  it('[CHAT4] counts what is refused, so that guessing names is not free', () => {
    const eve = fan('Host');
    const codes = Array.from({ length: 6 }, () => refusal(() => say(eve, 'I am the host'))?.code);
    expect(codes).toEqual([...Array(5).fill('badName'), 'tooFast']);
    // Of the room they have taken nothing.
    const crowd = Array.from({ length: 41 }, (_, n) => fan(`Fan ${n}`));
    expect(crowd.filter((one) => refusal(() => say(one, 'hi')) === null)).toHaveLength(40);
  });

  it('[CHAT4] lets 3 of a fan and 20 of a network wait for the director', () => {
    const ada = fan('Ada');
    const link = (writer: Writer) =>
      refusal(() => say(writer, `see ${(written += 1)}.example.com`))?.code ?? 'taken';
    expect(Array.from({ length: 4 }, () => link(ada))).toEqual(['taken', 'taken', 'taken', 'tooFast']);
    expect(refusal(() => say(ada, 'hello all'))).toBe(null);
    const crowd = Array.from({ length: 25 }, (_, n) => fan(`Fan ${n}`, 'one network'));
    const outcomes = crowd.map((one) => {
      clock.advance(1_000);
      return link(one);
    });
    expect(outcomes.filter((outcome) => outcome === 'taken')).toHaveLength(20);
    const [first] = page('all').state().messages;
    if (first) chat.show(first.id);
    clock.advance(10_000);
    expect(link(ada)).toBe('taken');
    expect(link(fan('Bob'))).toBe('taken');
  });

  it('[CHAT4] takes the same words twice, not three times in a row', () => {
    const ada = fan('Ada');
    const twice = [say(ada, 'Hello'), say(ada, 'hello')];
    expect(new Set(twice.map(({ id }) => id)).size).toBe(2);
    expect(refusal(() => say(ada, 'HELLO'))?.code).toBe('tooFast');
    say(ada, 'something else');
    say(ada, 'hello');
  });

  it('[CHAT7] is closed to fans and not to the host, and says its rules to all', () => {
    const fans = page('shown');
    expect(fans.state().settings).toEqual({ writing: 'open', rules: defaultChatRules });
    chat.saveSettings({ writing: 'closed', rules: 'Only kind words.' });
    expect(fans.state().settings).toEqual({ writing: 'closed', rules: 'Only kind words.' });
    restart();
    expect(refusal(() => say(fan('Ada'), 'hi'))).toEqual({
      code: 'wrongPhase',
      message: 'The host has closed the chat for now.',
    });
    say(host, 'back in a minute');
    expect(page('shown').state().settings.writing).toBe('closed');
  });

  it('[CHAT6] gives a joiner the last 50 shown, the studio 200 and all that wait, and keeps 2000', () => {
    const ada = fan('Ada');
    const first = say(ada, 'me@example.com');
    for (let n = 0; n < 2_100; n += 1) say(host, `line ${n}`);
    const fans = page('shown').state().messages;
    expect(fans).toHaveLength(50);
    expect(fans.at(-1)?.text).toBe('line 2099');
    const all = page('all').state().messages;
    expect(all).toHaveLength(201);
    expect(all[0]?.id).toBe(first.id);
    const kept = chat.snapshot();
    restart();
    expect(chat.snapshot()).toMatchObject({ messages: kept.messages, held: 1, seq: kept.seq });
    expect(kept.messages).toBe(2_000);
  });

  it('[CHAT8] tells a crowd of messages in a few events, the first at once', () => {
    const fans = page('shown');
    say(host, 'first');
    clock.advance(0);
    expect(fans.events()).toBe(1);
    for (let n = 0; n < 100; n += 1) {
      say(host, `line ${n}`);
      clock.advance(10);
    }
    soon();
    expect(fans.texts()).toHaveLength(101);
    expect(fans.events()).toBeLessThanOrEqual(6);
    const last = say(host, 'oops');
    const before = fans.events();
    chat.remove(last.id);
    expect(fans.events()).toBe(before + 1);
    expect(fans.texts()).not.toContain('oops');
  });

  it('[CHAT9] is deleted a day after the show, also by a server that was off then', () => {
    const ada = fan('Ada');
    const message = say(ada, 'hello');
    chat.mute(ada.id, 'keep');
    const held = say(fan('Cyd'), 'see example.com');
    const pages = { studio: page('all'), writer: page('shown', fan('Cyd')) };
    soon();
    expect(pages.writer.state().messages.at(-1)?.id).toBe(held.id);
    const end = (endedMs: number) => {
      store.savePhase(show, { kind: 'ended', sinceMs: 0, endedMs });
      const row = store.show(show);
      if (row)
        store.saveScene(show, {
          ...row.scene,
          pinned: { name: 'Ada', text: 'hello', messageId: message.id },
        });
      chat.showEnded(endedMs);
    };
    end(clock.now());
    expect(refusal(() => say(host, 'too late'))?.code).toBe('wrongPhase');
    const fans = page('shown');
    clock.advance(dayMs - 1);
    expect(fans.texts()).toEqual(['hello']);
    clock.advance(1);
    expect(fans.texts()).toEqual([]);
    expect(page('all').state()).toMatchObject({ messages: [], muted: [] });
    // Pages that stayed open keep nothing either.
    expect(pages.studio.state()).toMatchObject({ messages: [], muted: [] });
    expect(pages.writer.texts()).toEqual([]);
    expect([removals, chat.isRemoved(message.id)]).toEqual([1, true]);
    expect(store.show(show)?.scene.pinned).toBe(null);

    const other = showId.parse('other');
    store.addShow(other, 'Another', clock.now());
    restart();
    say(fan('Bob'), 'hello');
    end(clock.now());
    chat.close();
    clock.advance(2 * dayMs);
    // Whichever show is opened next.
    createChat({
      store,
      show: other,
      clock,
      endedMs: null,
      cast: () => [],
      onRemoved: () => {},
      log: { error: () => {} },
    }).close();
    chat = open();
    expect(chat.snapshot().messages).toBe(0);
  });

  it('[CHAT9] leaves nothing of it on the picture of a show that stays loaded, or was read before', async () => {
    const id = showId.parse('loaded');
    const load = (row: ShowRow) =>
      createShow({
        row,
        store,
        clock,
        log: { info: () => {}, error: () => {} },
        placement: null,
        encoders: () => [],
        standby: () => emptyShop.standby,
        trade: { desk: createPaymentDesk({}), goods: folder, publicOrigin: () => 'https://drop.example' },
      });
    const rowNow = (): ShowRow => {
      const row = store.show(id);
      if (!row) throw new Error('The show is not there.');
      return row;
    };
    const evening = load(store.addShow(id, 'Evening', clock.now()));
    const { id: messageId } = evening.chat.write(fan('Ada'), { clientId: 'm', text: 'so soft!' });
    const pinned: Scene = { ...emptyScene, pinned: { name: 'Ada', text: 'so soft!', messageId } };
    evening.setScene(pinned);
    await evening.close();
    store.savePhase(id, { kind: 'ended', sinceMs: clock.now(), endedMs: clock.now() });
    const stale = rowNow();
    expect(stale.scene).toEqual(pinned);

    const loaded = load(stale);
    clock.advance(dayMs - 1);
    expect(loaded.state().scene).toEqual(pinned);
    clock.advance(1);
    expect(loaded.state().scene).toEqual(emptyScene);
    // A page that still has it.
    loaded.setScene({ ...pinned, qrVisible: true });
    expect(loaded.state().scene).toEqual({ ...emptyScene, qrVisible: true });
    await loaded.close();
    const again = load(stale);
    expect(again.state().scene).toEqual(emptyScene);
    expect(rowNow().scene.pinned).toBe(null);
    await again.close();
  });

  it('[CHAT5] [CHAT7] comes to the same whatever is repeated, and every page agrees with a fresh one', () => {
    const writers = [fan('Ada'), fan('Bob'), host];
    const texts = ['hello', 'see example.com', 'oh fuck', 'nice one', 'me@example.com'];
    const step = fc.oneof(
      fc.record({ do: fc.constant('say'), who: fc.nat(2), what: fc.nat(4), client: fc.nat(5) }),
      fc.record({
        do: fc.constantFrom('show', 'remove', 'mute', 'unmute'),
        who: fc.nat(2),
        what: fc.nat(9),
        client: fc.nat(9),
      }),
      fc.record({
        do: fc.constantFrom('wait', 'join'),
        who: fc.nat(2),
        what: fc.nat(4),
        client: fc.nat(5),
      }),
    );
    type Step = { do: string; who: number; what: number; client: number };
    const run = (one: Step, ids: string[]) => {
      const writer = writers[one.who] ?? host;
      const id = chatMessageId.parse(ids[one.what] ?? 'none');
      if (one.do === 'say') ids.push(say(writer, texts[one.what] ?? '', `c${one.client}`).id);
      else if (one.do === 'show') chat.show(id);
      else if (one.do === 'remove') chat.remove(id);
      else if (one.do === 'mute') chat.mute(writer.id, one.client % 2 === 0 ? 'keep' : 'remove');
      else if (one.do === 'unmute') chat.unmute(writer.id);
    };
    const plain = (messages: ChatMessage[]) =>
      messages.map(({ id, seq, state, text }) => ({ id, seq, state, text }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        // A new show for each series; the database is the same.
        store.command('DELETE FROM chat_messages')();
        store.command('DELETE FROM chat_muted')();
        restart();
        clock.advance(120_000);
        const audience = writers.map((writer) => ({
          writer,
          at: page(writer === host ? 'all' : 'shown', writer),
        }));
        const ids: string[] = [];
        for (const one of steps) {
          if (one.do === 'wait') clock.advance(1_000);
          if (one.do === 'join') page('shown');
          const before = chat.snapshot();
          const first = refusal(() => run(one, ids));
          const between = chat.snapshot();
          const second = refusal(() => run(one, ids));
          const after = chat.snapshot();
          // Done once or refused twice; never done twice.
          expect({ ...after, batches: 0 }).toEqual({ ...between, batches: 0 });
          if (first !== null) expect([before.seq, second?.code]).toEqual([after.seq, first.code]);
        }
        soon();
        for (const { writer, at } of audience) {
          const fresh = page(writer === host ? 'all' : 'shown', writer);
          expect(plain(at.state().messages)).toEqual(plain(fresh.state().messages));
          expect(at.state().muted).toEqual(fresh.state().muted);
        }
        const [stored, memory] = [chat.snapshot(), page('all').texts()];
        restart();
        expect(page('all').texts()).toEqual(memory);
        expect(chat.snapshot().held).toBe(stored.held);
      }),
      { numRuns: 60 },
    );
  });
});
