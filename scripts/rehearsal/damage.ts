// What a failure did to the fans: from the pictures on their screens to figures, and from figures to the verdict. Pure.
// Not its job: making things fail (chaos.ts), or looking at screens (probe.ts, whole-screen.ts).
import { at, rounded } from './screens.ts';
import type { SeenFrame } from './probe.ts';
import type { Shown } from './whole-screen.ts';

/** What one failure did to one fan. */
export type Damage = {
  /** Longest time without a new picture on the screen, the page's own clip included. */
  gapMs: number;
  /** From when the failure was healed, or began where it heals by itself, to the live picture. */
  backMs: number;
  /** From the beginning of the failure to the page's own clip; null where it was not needed. */
  ownClipMs: number | null;
  blackFrames: number;
};

/** The worst fan's, and the buyer's. */
export type Run = Damage & {
  /** A hold that was made before the failure and is not there, unchanged, after it. */
  lostHolds: number;
  /** Fans who would have had to load the page again, or whose page did so by itself. */
  reloads: readonly string[];
};

/** `gapMs` and `backMs` are medians of the runs, all else is the worst of them. */
export type Result = Run & { gapMaxMs: number; runs: number };

/** A picture that old is a frozen camera's; a pause between pictures that long is seen as one. */
const staleMs = 2_000;
const pauseMs = 400;

/** When the last pause in the live picture ended, epoch ms; null without one after `sinceMs`. */
const endOfInterruption = (frames: readonly SeenFrame[], sinceMs: number): number | null => {
  const live = frames.filter(({ atMs, capturedMs }) => capturedMs !== null && atMs - capturedMs < staleMs);
  const ends = live.flatMap(({ atMs }, index) => {
    const before = live[index - 1]?.atMs ?? atMs;
    return atMs > sinceMs && atMs - before > pauseMs ? [atMs] : [];
  });
  return ends.at(-1) ?? null;
};

/** One fan's screen during one failure. `frames`: the program's, with what they say of themselves. Times are epoch ms. */
export const damageTo = (
  { pictures, black }: Pick<Shown, 'pictures' | 'black'>,
  frames: readonly SeenFrame[],
  { beganMs, healedMs }: { beganMs: number; healedMs: number },
): Damage => {
  const times = pictures.map(({ atMs }) => atMs);
  const gapMs = times.reduce((worst, atMs, index) => Math.max(worst, atMs - (times[index - 1] ?? atMs)), 0);
  const interruptedMs = endOfInterruption(frames, beganMs);
  const ownClip = pictures.find(({ atMs, from }) => from === 'standby' && atMs >= beganMs);
  return {
    gapMs,
    backMs: interruptedMs === null ? 0 : Math.max(0, interruptedMs - healedMs),
    ownClipMs: ownClip ? ownClip.atMs - beganMs : null,
    blackFrames: black,
  };
};

const most = (values: readonly (number | null)[]): number | null =>
  values.reduce<number | null>(
    (worst, value) => (value === null ? worst : Math.max(worst ?? value, value)),
    null,
  );
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Of all fans in one run. */
export const worstOf = (fans: readonly Damage[]): Damage => ({
  gapMs: most(fans.map(({ gapMs }) => gapMs)) ?? 0,
  backMs: most(fans.map(({ backMs }) => backMs)) ?? 0,
  ownClipMs: most(fans.map(({ ownClipMs }) => ownClipMs)),
  blackFrames: sum(fans.map(({ blackFrames }) => blackFrames)),
});

/** Of all runs of one failure, of which there is at least one. */
export const summary = (runs: readonly Run[]): Result => {
  const gaps = runs.map(({ gapMs }) => gapMs);
  const backs = runs.map(({ backMs }) => backMs);
  return {
    ...worstOf(runs),
    gapMs: at(gaps, 0.5),
    backMs: at(backs, 0.5),
    lostHolds: sum(runs.map(({ lostHolds }) => lostHolds)),
    reloads: [...new Set(runs.flatMap(({ reloads }) => reloads))],
    gapMaxMs: Math.max(...gaps),
    runs: runs.length,
  };
};

/** What must never happen, in sentences; none when the show has survived. A missed goal for a time is not among them. */
export const verdict = (results: ReadonlyMap<string, Result>): string[] =>
  [...results].flatMap(([failure, { blackFrames, lostHolds, reloads }]) => [
    ...(blackFrames > 0 ? [`A black picture was seen: ${failure}.`] : []),
    ...(lostHolds > 0 ? [`A hold was lost: ${failure}.`] : []),
    ...reloads.map((fan) => `${fan} needed a reload: ${failure}.`),
  ]);

export type ChaosFile = Record<
  string,
  { gapMs: number; backMs: number; lostHolds: number; blackFrames: number }
>;

/** What `--json` writes. */
export const chaosFile = (results: ReadonlyMap<string, Result>): ChaosFile =>
  Object.fromEntries(
    [...results].map(([failure, { gapMs, backMs, lostHolds, blackFrames }]) => [
      failure,
      { gapMs: rounded(gapMs), backMs: rounded(backMs), lostHolds, blackFrames },
    ]),
  );
