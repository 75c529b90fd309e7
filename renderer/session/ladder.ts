// The recovery ladder: from what is seen of a path, what to try next, from the mildest remedy to the strongest.
// Pure: time, dice and evidence come in, a rung comes out. Reading the evidence and carrying out a rung are
// program-watch.ts with receiving.ts, and sending.ts.

/**
 * `keyframe`: ask for a picture that needs no earlier one. `consumer`: receive the program anew on the same path, with an
 * empty jitter buffer. `ice`: find another way to the same transport (RFC 8445 §2.4). `transport`: a new one.
 * `session`: a new connection to the server, by resume token, with everything anew.
 */
export type Rung = 'keyframe' | 'consumer' | 'ice' | 'transport' | 'session';

export type Evidence = {
  nowMs: number;
  /** Something should be arriving: the show is live, or this page is sending. */
  due: boolean;
  /** When there last was a new picture; for a sender, when the far side last confirmed what it got. */
  movedAtMs: number;
  /** When the last byte came over the path. */
  heardAtMs: number;
  /** When the path was opened; it gets `settleMs` before anything stronger than a keyframe request. */
  openedAtMs: number;
  /**
   * `owes`: it was asked and has not answered yet, for `owesMs` now; `silent`: for `unansweredMs`.
   * `away`: not connected; the session is at it.
   */
  server: 'answers' | 'owes' | 'silent' | 'away';
};

export type Ladder =
  | { kind: 'level' }
  | {
      kind: 'climbing';
      sinceMs: number;
      /** Tried last. */
      rung: Rung | null;
      next: number;
      round: number;
      dueMs: number;
      knocks: number;
      knockDueMs: number;
    };

export type Plan = {
  /** In order, each with the time it is given before the next. */
  readonly rungs: readonly { readonly rung: Rung; readonly waitMs: number }[];
  /** Where the next round begins, with doubled waits. */
  readonly again: number;
};

export const receivePlan: Plan = {
  rungs: [
    { rung: 'keyframe', waitMs: 300 },
    { rung: 'consumer', waitMs: 500 },
    { rung: 'ice', waitMs: 2_500 },
    { rung: 'transport', waitMs: 4_000 },
    { rung: 'session', waitMs: 4_000 },
  ],
  again: 2,
};

/** A sender repairs its path for longer before it takes a new one: that would start its encoder anew. */
export const sendPlan: Plan = {
  rungs: [
    { rung: 'ice', waitMs: 2_500 },
    { rung: 'ice', waitMs: 4_000 },
    { rung: 'transport', waitMs: 5_000 },
    { rung: 'session', waitMs: 5_000 },
  ],
  again: 1,
};

/** Nothing new for this long is an outage. With a look every `levelEveryMs` it is noticed within a second. */
export const noticeMs = 700;
export const levelEveryMs = 200;
/** During an outage the path's return is looked for more often: each look late is a frozen picture longer. */
export const climbingEveryMs = 50;
/**
 * Longer than an answer takes, and shorter than the first rung: what is asked over a dead path piles up and is carried out when
 * it comes back, and a consumer that is replaced just then costs the picture that had already returned.
 */
const owesMs = 200;
const unansweredMs = 4_000;

/** How a connected server stands, by how long it has owed its oldest answer. */
export const serverState = (unansweredForMs: number): Evidence['server'] =>
  unansweredForMs >= unansweredMs ? 'silent' : unansweredForMs >= owesMs ? 'owes' : 'answers';

const settleMs = 2_500;
const longestWaitMs = 15_000;
/** Bytes this recent mean that the path works and only the picture is missing. */
export const arrivingMs = 300;
const knockEveryMs = 150;
const mostKnocks = 5;
const hurryAfterMs = 500;

export const level: Ladder = { kind: 'level' };

type Climbing = Extract<Ladder, { kind: 'climbing' }>;
type Step = { ladder: Ladder; rung: Rung | null };

const begin = (seen: Evidence, next = 0): Climbing => ({
  kind: 'climbing',
  sinceMs: seen.movedAtMs,
  rung: null,
  next,
  round: 0,
  dueMs: seen.nowMs,
  knocks: 0,
  knockDueMs: seen.nowMs,
});

const isArriving = ({ nowMs, heardAtMs }: Evidence) => nowMs - heardAtMs < arrivingMs;

/** A crowd that lost the same server must not come back in one instant: between three quarters and all of the wait. */
const spread = (waitMs: number, dice: number) => waitMs * (0.75 + dice / 4);

/** `wanted`: this rung and no other. */
const take = (plan: Plan, climbing: Climbing, seen: Evidence, dice: number, wanted = false): Step => {
  const arriving = isArriving(seen);
  // Where bytes arrive the way is good, and it may just be a slow machine that is short of pictures: it gets more time.
  const skipped = arriving && !wanted && plan.rungs[climbing.next]?.rung === 'ice';
  const index = climbing.next + (skipped ? 1 : 0);
  const { rung, waitMs } = plan.rungs[index] ?? { rung: 'session', waitMs: longestWaitMs };
  const last = index >= plan.rungs.length - 1;
  const wait = Math.min(longestWaitMs, waitMs * (arriving ? 3 : 1) * 2 ** climbing.round);
  return {
    rung,
    ladder: {
      ...climbing,
      rung,
      next: last ? plan.again : index + 1,
      round: climbing.round + (last ? 1 : 0),
      dueMs: seen.nowMs + spread(wait, dice),
    },
  };
};

/** One look: where the page stands on the ladder now, and what is to be tried at once, if anything. */
export const climb = (plan: Plan, before: Ladder, seen: Evidence, dice: number): Step => {
  const { nowMs } = seen;
  if (!seen.due || nowMs - seen.movedAtMs < noticeMs) return { ladder: level, rung: null };
  const climbing = before.kind === 'climbing' ? before : begin(seen);
  const arriving = isArriving(seen);

  if (seen.server === 'away') {
    // The session comes back at its own pace and brings a path; only a path that works again is a reason to hurry it.
    // An attempt that was already on its way gets a moment to arrive as well.
    const hurry = arriving && climbing.rung !== 'session' && nowMs >= climbing.knockDueMs;
    const knockDueMs = arriving ? climbing.knockDueMs : nowMs + hurryAfterMs;
    const waiting = { ...climbing, knockDueMs, dueMs: nowMs + settleMs, next: 0, round: 0 };
    return hurry
      ? { ladder: { ...waiting, rung: 'session' }, rung: 'session' }
      : { ladder: { ...waiting, rung: arriving ? climbing.rung : null }, rung: null };
  }
  if (seen.server === 'silent') {
    // Whatever else would be tried has to be asked of the server.
    if (nowMs < climbing.dueMs && climbing.rung === 'session') return { ladder: climbing, rung: null };
    return take(plan, { ...climbing, next: plan.rungs.length - 1 }, seen, dice);
  }
  if (arriving && climbing.knocks < mostKnocks) {
    // The path is there and the decoder waits. Repeated, as a request or its answer may be lost like anything else.
    if (nowMs < climbing.knockDueMs) return { ladder: climbing, rung: null };
    const knocks = climbing.knocks + 1;
    const knockDueMs = nowMs + knockEveryMs;
    const dueMs = Math.max(climbing.dueMs, knockDueMs);
    return { ladder: { ...climbing, rung: 'keyframe', knocks, knockDueMs, dueMs }, rung: 'keyframe' };
  }
  // A server that could not be asked has only just become reachable when it answers: so may have the picture's path.
  if (seen.server === 'owes')
    return { ladder: { ...climbing, dueMs: Math.max(climbing.dueMs, nowMs + arrivingMs) }, rung: null };
  const rested = arriving ? climbing : { ...climbing, knocks: 0 };
  if (nowMs < rested.dueMs || nowMs - seen.openedAtMs < settleMs) return { ladder: rested, rung: null };
  return take(plan, rested, seen, dice);
};

/** Why the page need not wait for its turn. `shown`: back from the background. `asked`: somebody pressed "Retry now". */
export type Jump = 'networkChanged' | 'shown' | 'asked';

/** Straight to the rung that fits what has just happened; null where nothing is wrong or the session is at it. */
export const jump = (plan: Plan, before: Ladder, seen: Evidence, why: Jump, dice: number): Step => {
  const nothing: Step = { ladder: before, rung: null };
  if (!seen.due || seen.server === 'away') return nothing;
  const stalled = seen.nowMs - seen.movedAtMs >= noticeMs;
  // Pages are not run in the background: what looks like a stall may only be an old clock. A dead path shows at the next look.
  if (why === 'shown' && (!stalled || isArriving(seen))) return nothing;
  if (why === 'asked' && !stalled) return nothing;
  const climbing = before.kind === 'climbing' ? before : begin(seen);
  const rung: Rung = why === 'asked' ? 'transport' : 'ice';
  const next = plan.rungs.findIndex((planned) => planned.rung === rung);
  return take(plan, { ...climbing, next, round: 0 }, seen, dice, true);
};

// --- Delay -------------------------------------------------------------------------------------------------------------------

/** A picture later than this is no longer live: answers in the chat, the countdown and the stock are ahead of it. */
export const delayBudgetMs = 800;
const overBudgetMs = 5_000;
const longestRestMs = 60_000;

export type Lateness = { overSinceMs: number | null; brought: number; restUntilMs: number };
export const onTime: Lateness = { overSinceMs: null, brought: 0, restUntilMs: 0 };

/** Whether the picture is to be brought back to live now. Each time that did not last, it is left alone for longer. */
export const judgeDelay = (
  before: Lateness,
  delayMs: number | null,
  nowMs: number,
): { lateness: Lateness; bringBack: boolean } => {
  if (delayMs === null) return { lateness: before, bringBack: false };
  if (delayMs <= delayBudgetMs) {
    const calm = nowMs > before.restUntilMs;
    return {
      lateness: { ...before, overSinceMs: null, brought: calm ? 0 : before.brought },
      bringBack: false,
    };
  }
  const overSinceMs = before.overSinceMs ?? nowMs;
  if (nowMs - overSinceMs < overBudgetMs || nowMs < before.restUntilMs) {
    return { lateness: { ...before, overSinceMs }, bringBack: false };
  }
  const restUntilMs = nowMs + Math.min(longestRestMs, overBudgetMs * 2 ** (before.brought + 1));
  return { lateness: { overSinceMs: null, brought: before.brought + 1, restUntilMs }, bringBack: true };
};
