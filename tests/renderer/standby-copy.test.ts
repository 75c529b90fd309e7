// The clip a fan's page keeps for when server and picture are gone: when it is fetched, from whom it is kept away, when it
// plays. On a clock that stands still, from a real server; on a real screen it is tests/e2e/recovery.test.ts.
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createStore } from 'zustand/vanilla';
import type { SessionState } from '../../renderer/session/session.ts';
import { copyDueAtMs, keepStandbyCopy, type StandbyCopyOptions } from '../../renderer/viewer/standby-copy.ts';
import { joined, joinedSession, liveShow } from '../support/page-states.ts';
import { fakeClock, settled } from '../support/wires.ts';

const away = (sinceMs: number): SessionState['connection'] => ({ kind: 'reconnecting', sinceMs, attempt: 1 });
const stalled = (sinceMs: number, but: { owesSinceMs?: number; leftAtMs?: number } = {}) =>
  ({ kind: 'stalled', sinceMs, trying: null, owesSinceMs: null, leftAtMs: null, ...but }) as const;
const flowing = { kind: 'flowing' } as const;

test.each<[string, Pick<SessionState, 'connection' | 'picture'>, number | null]>([
  ['a picture that flows needs none', { connection: away(0), picture: flowing }, null],
  ['both gone: two seconds after the later of them', { connection: away(500), picture: stalled(100) }, 2_500],
  [
    'the server answers: the picture has a remedy or two',
    { connection: joined, picture: stalled(100) },
    5_100,
  ],
  ['the server owes an answer', { connection: joined, picture: stalled(100, { owesSinceMs: 900 }) }, 2_100],
  [
    'it has only just been asked',
    { connection: joined, picture: stalled(100, { owesSinceMs: 1_500 }) },
    2_500,
  ],
  [
    'the server was gone and is back before its picture: what was promised holds',
    { connection: joined, picture: stalled(100, { leftAtMs: 300 }) },
    2_300,
  ],
  [
    'nobody is let in',
    { connection: { kind: 'refused', code: 'full', text: '' }, picture: stalled(0) },
    null,
  ],
])('[RECOVER7] when it is due: %s', (_, known, dueAtMs) => {
  expect(copyDueAtMs({ ...known, show: liveShow })).toBe(dueAtMs);
  expect(copyDueAtMs({ ...known, show: { ...liveShow, phase: { kind: 'setup' } } })).toBeNull();
});

let server: Server;
let origin = '';
const asked: string[] = [];
const sizes: Record<string, number> = { '/small': 1_000, '/large': 1_500_001 };
beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(200, { 'content-length': sizes[request.url ?? ''] ?? 0 });
    response.end(Buffer.alloc(sizes[request.url ?? ''] ?? 0));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('It listens nowhere.');
  origin = `http://127.0.0.1:${address.port}`;
});
afterAll(() => void server.close());

/** A fan's page at a live show whose picture is not there yet. `link`: what the browser says of the way. */
const page = (clip: string, link?: unknown) => {
  const clock = fakeClock();
  const session = createStore(() => joinedSession({ show: liveShow }));
  const playing = createStore(() => ({ sound: 'on' as const }));
  const element: StandbyCopyOptions['video'] & { paused: boolean } = {
    src: '',
    paused: true,
    muted: true,
    hidden: true,
    currentTime: 0,
    load: () => {},
    play: () => {
      element.paused = false;
      return Promise.resolve();
    },
    pause: () => {
      element.paused = true;
    },
    removeAttribute: () => {},
  };
  const copy = keepStandbyCopy({
    session: { store: session },
    playing: { store: playing },
    video: element,
    url: () => `${origin}${clip}`,
    clock,
    random: () => 1,
    link: () => link,
  });
  const decided = (): Promise<string> =>
    new Promise((resolve) => {
      const look = () => {
        const state = copy.store.getState().copy;
        if (state === 'ready' || state === 'declined') resolve(state);
      };
      copy.store.subscribe(look);
      look();
    });
  /** Time passes, and what it set going has happened. */
  const pass = async (ms: number) => {
    clock.advance(ms);
    await settled();
  };
  const change = (next: Partial<SessionState>) => session.setState(next);
  return { clock, change, element, copy, decided, pass };
};

test('[RECOVER7] it is fetched once, quietly, some seconds after the first picture', async () => {
  const { change, copy, decided, pass } = page('/small');
  asked.length = 0;
  await pass(60_000);
  expect(copy.store.getState().copy).toBe('none');
  change({ picture: flowing });
  await pass(4_900);
  expect(asked).toEqual([]);
  await pass(100);
  expect(await decided()).toBe('ready');
  change({ picture: stalled(0) });
  change({ picture: flowing });
  await pass(60_000);
  expect(asked).toEqual(['/small']);
  copy.close();
});

test.each([
  ['Save-Data', { saveData: true }, '/small'],
  ['2G', { effectiveType: '2g' }, '/small'],
  ['less than a megabit', { downlink: 0.5 }, '/small'],
  ['a clip that is too large', undefined, '/large'],
])('[RECOVER7] %s: nothing is kept, and nothing plays', async (_, link, clip) => {
  asked.length = 0;
  const { clock, change, element, copy, decided, pass } = page(clip, link);
  change({ picture: flowing });
  await pass(5_000);
  expect(await decided()).toBe('declined');
  expect(asked).toEqual(link === undefined ? ['/large'] : []);
  change({ connection: away(clock.now()), picture: stalled(clock.now()) });
  await pass(10_000);
  expect([element.paused, copy.store.getState().onScreen]).toEqual([true, false]);
  copy.close();
});

test('[RECOVER7] it rolls unseen and unheard before it is due, is seen and heard when it is, and goes with the picture', async () => {
  const { clock, change, element, copy, decided, pass } = page('/small');
  change({ picture: flowing });
  await pass(5_000);
  await decided();
  const sinceMs = clock.now();
  await pass(700);
  change({ connection: away(sinceMs), picture: stalled(sinceMs) });
  await pass(499);
  expect(element.paused).toBe(true);
  await pass(1);
  expect(element).toMatchObject({ paused: false, muted: true, hidden: true });
  // The server is back, its picture is not: the clip comes all the same, and stays until there is something better.
  change({ connection: joined, picture: stalled(sinceMs, { leftAtMs: sinceMs }) });
  await pass(799);
  expect(element.hidden).toBe(true);
  await pass(1);
  expect(element).toMatchObject({ paused: false, muted: false, hidden: false });
  expect(copy.store.getState().onScreen).toBe(true);
  change({ picture: flowing });
  expect(element).toMatchObject({ paused: true, hidden: true, currentTime: 0 });

  // The picture was back before its time: nothing is seen of it.
  change({ connection: away(clock.now()), picture: stalled(clock.now()) });
  await pass(1_500);
  expect(element).toMatchObject({ paused: false, hidden: true });
  change({ connection: joined, picture: flowing });
  await pass(5_000);
  expect(element).toMatchObject({ paused: true, hidden: true });
  copy.close();
});
