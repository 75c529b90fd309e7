// What chaos makes of the pictures it has seen: figures per failure, its file, and whether the show has survived.
import { expect, test } from 'vitest';
import {
  chaosFile,
  damageTo,
  summary,
  verdict,
  worstOf,
  type Damage,
  type Run,
} from '../../scripts/rehearsal/damage.ts';

const every33Ms = (fromMs: number, untilMs: number) =>
  Array.from({ length: Math.ceil((untilMs - fromMs) / 33) }, (_, n) => fromMs + n * 33);
const shown = (times: readonly number[], from: string) => times.map((atMs) => ({ atMs, from }));
const live = (times: readonly number[], lateMs = 60) =>
  times.map((atMs) => ({ atMs, toEyeMs: 16, camera: 0, capturedMs: atMs - lateMs, width: 640 }));

test('a failure bridged by the page’s own clip: the gap is to the clip, the way back to the live picture', () => {
  const before = every33Ms(0, 1_000);
  const clip = every33Ms(3_100, 4_500);
  const after = every33Ms(4_500, 5_500);
  const pictures = [...shown(before, 'program'), ...shown(clip, 'standby'), ...shown(after, 'program')];
  const when = { beganMs: 1_000, healedMs: 4_400 };
  const damage = damageTo({ pictures, black: 0 }, [...live(before), ...live(after)], when);
  expect(damage).toEqual({ gapMs: 3_100 - 990, backMs: 100, ownClipMs: 2_100, blackFrames: 0 });
});

test('what healed before anybody could see it took no time; an old picture counts as none', () => {
  const times = every33Ms(0, 4_000);
  const when = { beganMs: 1_000, healedMs: 1_000 };
  const pictures = shown(times, 'program');
  expect(damageTo({ pictures, black: 2 }, live(times), when)).toEqual({
    gapMs: 33,
    backMs: 0,
    ownClipMs: null,
    blackFrames: 2,
  });
  // The camera is frozen from 1 s to 3 s: what moves on the screen is the same picture, ever older.
  const frozen = [...live(every33Ms(0, 1_000)), ...live(every33Ms(1_000, 3_000), 2_500), ...live([3_033])];
  expect(damageTo({ pictures, black: 0 }, frozen, when).backMs).toBe(2_033);
});

const unharmed: Damage = { gapMs: 40, backMs: 0, ownClipMs: null, blackFrames: 0 };
const fine: Run = { ...unharmed, lostHolds: 0, reloads: [] };

test('the worst fan counts, the median run and the worst gap of all', () => {
  expect(
    worstOf([
      { gapMs: 40, backMs: 90, ownClipMs: 2_100, blackFrames: 1 },
      { gapMs: 300, backMs: 0, ownClipMs: null, blackFrames: 1 },
    ]),
  ).toEqual({ gapMs: 300, backMs: 90, ownClipMs: 2_100, blackFrames: 2 });
  const runs = [900, 200, 300].map((gapMs, n) => ({ ...fine, gapMs, backMs: n * 100, lostHolds: n }));
  expect(summary(runs)).toMatchObject({ gapMs: 300, gapMaxMs: 900, backMs: 100, lostHolds: 3, runs: 3 });
});

test('a black picture, a lost hold and a reload fail the run; a missed goal for a time does not', () => {
  const of = (run: Partial<Run>) => new Map([['serverKilled', summary([fine, { ...fine, ...run }])]]);
  expect(verdict(of({}))).toEqual([]);
  expect(verdict(of({ gapMs: 9_000, backMs: 9_000 }))).toEqual([]);
  expect(verdict(of({ blackFrames: 1 }))).toEqual(['A black picture was seen: serverKilled.']);
  expect(verdict(of({ lostHolds: 1 }))).toEqual(['A hold was lost: serverKilled.']);
  expect(verdict(of({ reloads: ['The fan nearby'] }))).toEqual([
    'The fan nearby needed a reload: serverKilled.',
  ]);
});

test('the file holds these four figures of each failure and nothing else', () => {
  const result = summary([{ ...fine, gapMs: 40.123, ownClipMs: 2_000, reloads: ['The fan nearby'] }]);
  expect(chaosFile(new Map([['pathCut3s', result]]))).toEqual({
    pathCut3s: { gapMs: 40.1, backMs: 0, lostHolds: 0, blackFrames: 0 },
  });
});
