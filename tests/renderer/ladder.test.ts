// The recovery ladder as a pure machine: a world is played to it in steps of 50 ms, and what it tried is compared.
// Whether the rungs themselves mend anything is tests/e2e/recovery.test.ts.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  climb,
  delayBudgetMs,
  judgeDelay,
  jump,
  level,
  noticeMs,
  onTime,
  receivePlan,
  sendPlan,
  type Evidence,
  type Jump,
  type Ladder,
  type Plan,
  type Rung,
} from '../../renderer/session/ladder.ts';

type World = {
  /** No picture and no bytes between these times, ms. */
  picture?: (atMs: number) => boolean;
  bytes?: (atMs: number) => boolean;
  server?: (atMs: number) => Evidence['server'];
  due?: (atMs: number) => boolean;
  jumps?: readonly { atMs: number; why: Jump }[];
  openedAtMs?: number;
  plan?: Plan;
  dice?: number;
};

const lookEveryMs = 50;
const never = () => false;
const always = () => true;
/** The time of the outage in every world: counters are what they were at 0. */
const play = (world: World, untilMs: number): { tried: [number, Rung][]; ladder: Ladder } => {
  const { picture = never, bytes = never, server = () => 'answers', due = always } = world;
  const { plan = receivePlan, dice = 1, jumps = [] } = world;
  let ladder: Ladder = level;
  let movedAtMs = 0;
  let heardAtMs = 0;
  const tried: [number, Rung][] = [];
  for (let nowMs = 0; nowMs <= untilMs; nowMs += lookEveryMs) {
    if (picture(nowMs)) movedAtMs = nowMs;
    if (bytes(nowMs)) heardAtMs = nowMs;
    const seen: Evidence = {
      nowMs,
      due: due(nowMs),
      movedAtMs,
      heardAtMs,
      openedAtMs: world.openedAtMs ?? -60_000,
      server: server(nowMs),
    };
    const steps = jumps.filter(({ atMs }) => atMs === nowMs).map(({ why }) => why);
    for (const why of steps) {
      const step = jump(plan, ladder, seen, why, dice);
      ladder = step.ladder;
      if (step.rung) tried.push([nowMs, step.rung]);
    }
    const step = climb(plan, ladder, seen, dice);
    ladder = step.ladder;
    if (step.rung) tried.push([nowMs, step.rung]);
  }
  return { tried, ladder };
};

test('[RECOVER1] an outage is known by frames and bytes within a second, whatever else there is to be seen', () => {
  const server = fc.constantFrom('answers', 'owes', 'away', 'silent');
  fc.assert(
    fc.property(server, fc.integer({ min: 1_000, max: 20_000 }), fc.boolean(), (said, stopsAtMs, comes) => {
      const world: World = { server: () => said, bytes: (at) => comes || at < stopsAtMs };
      // While frames come nothing is an outage, not even a server that is gone.
      expect(play({ ...world, picture: always }, stopsAtMs).tried).toEqual([]);
      const stops: World = { ...world, picture: (at) => at < stopsAtMs, server: () => 'answers' };
      const [first] = play(stops, stopsAtMs + 1_000).tried;
      expect(first?.[0]).toBeGreaterThan(stopsAtMs);
      expect(first?.[1]).toBe('keyframe');
    }),
    { numRuns: 50 },
  );
});

describe('[RECOVER2] the order of remedies', () => {
  test('nothing is done about a flowing picture, about less than the limit, or when nothing is due', () => {
    expect(play({ picture: always, bytes: always }, 5_000).tried).toEqual([]);
    expect(play({ picture: (at) => at >= noticeMs - 50, bytes: always }, noticeMs + 200).tried).toEqual([]);
    expect(play({ due: never }, 60_000)).toEqual({ tried: [], ladder: level });
  });

  test('a dead path: keyframe, consumer, ICE, transport, session, then again from ICE with doubled waits', () => {
    expect(play({}, 30_000).tried).toEqual([
      [700, 'keyframe'],
      [1_000, 'consumer'],
      [1_500, 'ice'],
      [4_000, 'transport'],
      [8_000, 'session'],
      [12_000, 'ice'],
      [17_000, 'transport'],
      [25_000, 'session'],
    ]);
  });

  test('waits are capped, and spread so that a crowd does not come back in one instant', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (dice) => {
        const times = play({ dice }, 300_000).tried.map(([atMs]) => atMs);
        const waits = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
        expect(Math.max(...waits)).toBeLessThanOrEqual(15_000 + lookEveryMs);
        expect(waits.at(-1)).toBeGreaterThanOrEqual(15_000 * 0.75);
      }),
      { numRuns: 20 },
    );
    expect(play({ dice: 0 }, 3_000).tried).not.toEqual(play({ dice: 1 }, 3_000).tried);
  });

  test('bytes without a picture: keyframes are asked for repeatedly, then the stronger remedies, ICE left out', () => {
    expect(play({ bytes: always }, 8_000).tried).toEqual([
      ...[700, 850, 1_000, 1_150, 1_300].map((atMs) => [atMs, 'keyframe']),
      [1_450, 'keyframe'],
      [2_350, 'consumer'],
      [3_850, 'transport'],
    ]);
  });

  test('when bytes come again a keyframe is asked for at once, in whatever wait the ladder is', () => {
    const { tried } = play({ bytes: (at) => at >= 3_000 }, 3_200);
    expect(tried.slice(3)).toEqual([
      [3_000, 'keyframe'],
      [3_150, 'keyframe'],
    ]);
    const back = play({ bytes: (at) => at >= 3_000, picture: (at) => at >= 3_100 }, 10_000);
    expect(back.tried.slice(3)).toEqual([[3_000, 'keyframe']]);
    expect(back.ladder).toEqual(level);
  });

  test('a new path gets its time before anything stronger than a keyframe request', () => {
    expect(play({ openedAtMs: 0 }, 3_000).tried).toEqual([
      [2_500, 'keyframe'],
      [2_800, 'consumer'],
    ]);
  });
});

describe('[RECOVER3] when the server does not answer', () => {
  test('away: the session comes back at its own pace, and what it brings gets its time', () => {
    const { tried } = play({ server: (at) => (at < 5_000 ? 'away' : 'answers') }, 7_800);
    expect(tried).toEqual([
      [7_450, 'keyframe'],
      [7_750, 'consumer'],
    ]);
  });
  test('away, and the path works again: the session is hurried, once', () => {
    expect(play({ server: () => 'away', bytes: (at) => at > 3_000 }, 6_000).tried).toEqual([
      [3_500, 'session'],
    ]);
  });
  test('owing: nothing more is asked, and what comes back with the answer gets a moment to show itself', () => {
    const gone = (at: number) => at < 3_000;
    const { tried } = play(
      { server: (at) => (at >= 900 && gone(at) ? 'owes' : 'answers'), bytes: (at) => at >= 3_150 },
      3_400,
    );
    expect(tried).toEqual([
      [700, 'keyframe'],
      [3_150, 'keyframe'],
      [3_300, 'keyframe'],
    ]);
  });
  test('silent: only a new session is tried, as all else must be asked of the server', () => {
    const { tried } = play({ server: (at) => (at < 2_000 ? 'answers' : 'silent') }, 12_000);
    expect(tried).toEqual([
      [700, 'keyframe'],
      [1_000, 'consumer'],
      [1_500, 'ice'],
      [2_000, 'session'],
      [6_000, 'session'],
    ]);
  });
});

describe('[RECOVER4] straight to the right rung', () => {
  test('another network: a new way to the transport at once, also while the picture still flows', () => {
    const flowing = { picture: always, bytes: always };
    expect(play({ ...flowing, jumps: [{ atMs: 1_000, why: 'networkChanged' }] }, 3_000).tried).toEqual([
      [1_000, 'ice'],
    ]);
  });
  test('back from the background: nothing where it flows, ICE where the path is dead', () => {
    const shown = [{ atMs: 2_000, why: 'shown' }] as const;
    expect(play({ picture: always, bytes: always, jumps: shown }, 3_000).tried).toEqual([]);
    const { tried } = play({ jumps: shown, openedAtMs: 1_900 }, 2_100);
    expect(tried).toEqual([[2_000, 'ice']]);
  });
  test('"Retry now": a new transport at once, and nothing where nothing is wrong', () => {
    const asked = [{ atMs: 2_000, why: 'asked' }] as const;
    expect(play({ jumps: asked }, 2_000).tried.at(-1)).toEqual([2_000, 'transport']);
    expect(play({ picture: always, bytes: always, jumps: asked }, 3_000).tried).toEqual([]);
  });
});

test('[RECOVER5] a sender repairs its path twice before it takes another one', () => {
  expect(play({ plan: sendPlan }, 13_000).tried).toEqual([
    [700, 'ice'],
    [3_200, 'ice'],
    [7_200, 'transport'],
    [12_200, 'session'],
  ]);
});

describe('[RECOVER6] the delay budget', () => {
  const run = (delayAt: (atMs: number) => number | null, untilMs: number): number[] => {
    let lateness = onTime;
    const brought: number[] = [];
    for (let nowMs = 0; nowMs <= untilMs; nowMs += 1_000) {
      const judged = judgeDelay(lateness, delayAt(nowMs), nowMs);
      lateness = judged.lateness;
      if (judged.bringBack) brought.push(nowMs);
    }
    return brought;
  };
  test('within the budget, or over it for less than five seconds, nothing happens', () => {
    expect(run(() => delayBudgetMs, 60_000)).toEqual([]);
    expect(run((at) => (at % 6_000 < 5_000 ? delayBudgetMs + 1 : 100), 60_000)).toEqual([]);
    expect(run(() => null, 60_000)).toEqual([]);
  });
  test('over it for five seconds it is brought back; where that does not help, ever more rarely', () => {
    expect(run(() => 2_000, 200_000)).toEqual([5_000, 15_000, 35_000, 75_000, 135_000, 195_000]);
  });
  test('what helped and lasted counts as the first time again', () => {
    const late = (at: number) => (at < 6_000 || at > 60_000 ? 2_000 : 100);
    expect(run(late, 78_000)).toEqual([5_000, 66_000, 76_000]);
  });
});
