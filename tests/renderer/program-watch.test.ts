// What a page makes of what it sees of the program, on a clock that stands still: how late the picture may be, and what
// it says of an outage. The order of remedies is tests/renderer/ladder.test.ts.
import { expect, test } from 'vitest';
import { createStore } from 'zustand/vanilla';
import { delayBudgetMs, type Rung } from '../../renderer/session/ladder.ts';
import type { PlaybackSample } from '../../renderer/session/playback.ts';
import { createProgramWatch } from '../../renderer/session/program-watch.ts';
import { joinedSession, liveShow } from '../support/page-states.ts';
import { fakeClock, settled } from '../support/wires.ts';

const fps = 30;
const lookMs = 50;

/** A fan's page at a live show: a picture every 33 ms, each so late on its screen, until it stops. */
const page = () => {
  const clock = fakeClock();
  const store = createStore(() => joinedSession({ show: liveShow }));
  let lateMs = 100;
  let path: 'works' | 'dead' = 'works';
  let frames = 0;
  let lateSeconds = 0;
  let owesForMs = 0;
  const tried: Rung[] = [];
  const sample = (): PlaybackSample => ({
    atMs: clock.now(),
    pathBytes: frames * 1_000,
    videoBytes: frames * 1_000,
    audioBytes: 0,
    framesDecoded: Math.floor(frames),
    width: 640,
    height: 360,
    freezes: 0,
    processingSeconds: lateSeconds,
    soundWaitedSeconds: 0,
    soundSamples: 0,
    rttMs: 0,
  });
  const watch = createProgramWatch({
    clock,
    store,
    random: () => 1,
    framesShown: () => null,
    sample: () => Promise.resolve(sample()),
    unansweredForMs: () => owesForMs,
    carryOut: (rung) => void tried.push(rung),
    onError: (error) => {
      throw error;
    },
    onSample: () => {},
    onHeight: () => {},
  });
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += lookMs) {
      if (path === 'works') {
        frames += (fps * lookMs) / 1_000;
        lateSeconds += ((fps * lookMs) / 1_000) * (lateMs / 1_000);
      }
      clock.advance(lookMs);
      await settled();
    }
  };
  return {
    clock,
    store,
    watch,
    tried,
    pass,
    picture: () => store.getState().picture,
    late: (ms: number) => {
      lateMs = ms;
    },
    path: (next: 'works' | 'dead') => {
      path = next;
    },
    owe: (forMs: number) => {
      owesForMs = forMs;
    },
  };
};

test('[RECOVER6] a picture over its delay budget for five seconds is received anew, ever more rarely while it does not help', async () => {
  const { pass, late, tried, watch } = page();
  await pass(3_000);
  late(delayBudgetMs + 200);
  await pass(5_000);
  expect(tried).toEqual([]);
  await pass(2_500);
  expect(tried).toEqual(['consumer']);
  // What the session does then: other consumers, whose buffers are empty.
  watch.consumersChanged();
  await pass(9_000);
  expect(tried).toEqual(['consumer']);
  await pass(5_000);
  expect(tried).toEqual(['consumer', 'consumer']);
  expect(watch.snapshot()).toMatchObject({ broughtBack: 2 });

  late(100);
  await pass(30_000);
  expect(tried).toHaveLength(2);
  watch.close();
});

test('[RECOVER6] late for a moment only, or within the budget, it is left alone', async () => {
  const { pass, late, tried, watch } = page();
  late(delayBudgetMs);
  await pass(20_000);
  late(delayBudgetMs + 400);
  await pass(4_000);
  late(200);
  await pass(20_000);
  expect(tried).toEqual([]);
  watch.close();
});

test('[RECOVER1] an outage is said within a second, with what is known of the server', async () => {
  const { clock, store, pass, path, owe, picture, watch } = page();
  await pass(2_000);
  expect(picture()).toEqual({ kind: 'flowing' });
  path('dead');
  const deadAtMs = clock.now();
  await pass(950);
  expect(picture()).toMatchObject({ kind: 'stalled', sinceMs: deadAtMs, owesSinceMs: null, leftAtMs: null });
  owe(500);
  await pass(100);
  expect(picture()).toMatchObject({ kind: 'stalled', owesSinceMs: expect.any(Number) });

  // The server is lost as well, and back before the picture: that it was gone is still known.
  const { connection } = store.getState();
  const leftAtMs = clock.now();
  store.setState({ connection: { kind: 'reconnecting', sinceMs: leftAtMs, attempt: 1 } });
  owe(0);
  await pass(300);
  expect(picture()).toMatchObject({ kind: 'stalled', owesSinceMs: null, leftAtMs });
  store.setState({ connection });
  await pass(300);
  expect(picture()).toMatchObject({ kind: 'stalled', leftAtMs });
  path('works');
  await pass(300);
  expect(picture()).toEqual({ kind: 'flowing' });
  path('dead');
  await pass(1_000);
  expect(picture()).toMatchObject({ kind: 'stalled', leftAtMs: null });
  watch.close();
});
