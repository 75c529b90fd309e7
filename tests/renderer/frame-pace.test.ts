// Which frames of a source a program takes: as many as were asked for at every rate of the studio, and all of them where the
// source is no faster.
import { expect, test } from 'vitest';
import { createFramePace } from '../../renderer/studio/media/frame-pace.ts';
import { rates } from '../../renderer/studio/settings.ts';

/** A minute of a source's frames, and the times of those taken. `jitterMs`: each is late by up to so much. */
const taken = (sourceFps: number, programFps: number, jitterMs = 0): number[] => {
  const pace = createFramePace();
  let seed = 7;
  const late = () => {
    seed = (seed * 16_807) % 2_147_483_647;
    return (seed / 2_147_483_647) * jitterMs;
  };
  return Array.from({ length: sourceFps * 60 }, (_, n) => (n * 1000) / sourceFps + late()).filter((atMs) =>
    pace.takes(atMs, programFps),
  );
};
const perSecond = (times: readonly number[]): number => {
  const settled = times.filter((atMs) => atMs >= 2_000);
  return ((settled.length - 1) * 1000) / ((settled.at(-1) ?? 0) - (settled[0] ?? 0));
};
const longestGapMs = (times: readonly number[]): number =>
  Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? atMs)));

test.each(rates)('a camera of 60 frames a second makes a program of %i, evenly', (fps) => {
  for (const jitterMs of [0, 5]) {
    const times = taken(60, fps, jitterMs);
    expect(perSecond(times)).toBeCloseTo(fps, 1);
    // Never two steps apart: at most one of the source's frames more than the step.
    expect(longestGapMs(times)).toBeLessThan(1000 / fps + 1000 / 60 + 2 * jitterMs + 1);
  }
});

test('a camera of 30 makes 24 and 25 exactly, and passes whole where it is as fast, a little faster or slower', () => {
  expect(perSecond(taken(30, 24))).toBeCloseTo(24, 1);
  expect(perSecond(taken(30, 25))).toBeCloseTo(25, 1);
  for (const [sourceFps, programFps] of [
    [30, 30],
    [30.3, 30],
    [29.97, 30],
    [30, 60],
    [60, 60],
  ] as const) {
    expect(taken(sourceFps, programFps, 4)).toHaveLength(Math.floor(sourceFps * 60));
  }
});

test('a camera of 30 on a busy machine, late here and in bursts there, passes whole', () => {
  for (const jitterMs of [15, 30, 33]) expect(taken(30, 30, jitterMs)).toHaveLength(1_800);
  const pace = createFramePace();
  // Once a second the machine stands still for 200 ms and then hands over what has piled up.
  const inBursts = Array.from({ length: 1_800 }, (_, n) => {
    const dueMs = (n * 1000) / 30;
    const intoSecondMs = dueMs % 1000;
    return intoSecondMs >= 500 && intoSecondMs < 700 ? dueMs - intoSecondMs + 700 + (n % 30) : dueMs;
  });
  expect(inBursts.filter((atMs) => !pace.takes(atMs, 30))).toEqual([]);
});

test('a pause, or a clock that starts over, costs no frame and brings no burst', () => {
  const pace = createFramePace();
  const times = Array.from({ length: 240 }, (_, n) => (n * 1000) / 60);
  for (const atMs of times) pace.takes(atMs, 30);
  const after = (fromMs: number) =>
    times.map((atMs) => fromMs + atMs).filter((atMs) => pace.takes(atMs, 30)).length;
  expect(after(60_000)).toBeCloseTo(120, -1);
  expect(after(0)).toBeCloseTo(120, -1);
});
