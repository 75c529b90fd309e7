// What a page does when a stream beside the program is refused: asks again ever more rarely, or gives up and says so.
// Streams that really flow are tests/renderer/session-media.test.ts.
import { describe, expect, test } from 'vitest';
import { createStore } from 'zustand/vanilla';
import { createFeeds } from '../../renderer/session/feeds.ts';
import type { MediaHost } from '../../renderer/session/media-part.ts';
import { AppError, type ErrorCode } from '../../sfu-server/protocol/errors.ts';
import { joinedSession } from '../support/page-states.ts';
import { fakeClock, settled } from '../support/wires.ts';

/** A co-host's page whose mix is there, and whose requests for it are refused as told. */
const page = (refusals: (asked: number) => ErrorCode | null) => {
  const clock = fakeClock();
  const store = createStore(() => joinedSession({ mixMinusAvailable: true }));
  const host: MediaHost = {
    clock,
    store,
    call: () => Promise.reject(new Error('Only consume is asked for here.')),
    random: () => 1,
    unansweredForMs: () => 0,
    renew: () => {},
  };
  const path = { id: 'path' };
  const askedAtMs: number[] = [];
  const startMs = clock.now();
  const feeds = createFeeds({
    host,
    path: () => path,
    program: () => [],
    consume: () => {
      askedAtMs.push(clock.now() - startMs);
      const code = refusals(askedAtMs.length);
      return code === null ? Promise.resolve([]) : Promise.reject(new AppError(code));
    },
    drop: () => {},
    connected: () => store.getState().connection.kind === 'joined',
    onlyExpected: (error) => {
      if (!(error instanceof AppError)) throw error;
    },
  });
  const pass = async (ms: number) => {
    for (let step = 0; step < ms; step += 500) {
      await settled();
      clock.advance(500);
    }
    await settled();
  };
  return { feeds, store, askedAtMs, pass };
};

describe('[RECOVER8] a stream that is refused', () => {
  test('for now: asked again after 1, 2, 4, 8 and then every 15 seconds, without bothering anybody', async () => {
    const { feeds, store, askedAtMs, pass } = page(() => 'mediaUnavailable');
    feeds.subscribe({ kind: 'mixMinus' });
    await pass(46_000);
    expect(askedAtMs).toEqual([0, 1_000, 3_000, 7_000, 15_000, 30_000, 45_000]);
    expect(store.getState().notice).toBeNull();
    feeds.close();
    await pass(30_000);
    expect(askedAtMs).toHaveLength(7);
  });

  test('for good: asked once, and the page says why; the next mix is asked for again', async () => {
    const { feeds, store, askedAtMs, pass } = page((asked) => (asked === 1 ? 'forbidden' : null));
    feeds.subscribe({ kind: 'mixMinus' });
    await pass(60_000);
    expect(askedAtMs).toEqual([0]);
    expect(store.getState().notice).toBe(
      'The sound for you cannot be received here: Your link does not allow this.',
    );
    feeds.mixMinusChanged();
    await pass(1_000);
    expect(askedAtMs).toHaveLength(2);
  });

  test('because it has just gone: neither asked again nor spoken of', async () => {
    const { feeds, store, askedAtMs, pass } = page(() => 'notFound');
    feeds.subscribe({ kind: 'mixMinus' });
    await pass(60_000);
    expect(askedAtMs).toEqual([0]);
    expect(store.getState().notice).toBeNull();
  });
});
