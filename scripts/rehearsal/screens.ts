// What a rehearsal looks at: viewers' screens through the probe, and the numbers made of what was seen.
import type { Page } from 'playwright-core';
import { flashEveryMs } from './devices.ts';
import type { SeenFrame } from './probe.ts';

export const at = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new Error('Nothing was measured.');
  return value;
};
export const rounded = (value: number) => Math.round(value * 10) / 10;

const said = performance.now();
export const say = (text: string) =>
  console.log(`${((performance.now() - said) / 1000).toFixed(1).padStart(6)} s  ${text}`);
/** Time that must pass for there to be something to measure; not a wait for an event. */
export const observe = (durationMs: number) => new Promise((resolve) => setTimeout(resolve, durationMs));

export const firstFrame = (page: Page) => page.waitForFunction(() => window.rehearsal.firstFrameMs !== null);
export const joinMs = (page: Page) =>
  page.evaluate(() => (window.rehearsal.firstFrameMs ?? Number.NaN) - window.rehearsal.navigatedMs);
export const clearSeen = (pages: readonly Page[]) =>
  Promise.all(
    pages.map((page) =>
      page.evaluate(() => {
        window.rehearsal.frames.length = 0;
        window.rehearsal.beeps.length = 0;
      }),
    ),
  );
export const framesOf = (page: Page): Promise<SeenFrame[]> => page.evaluate(() => window.rehearsal.frames);

/** Waits until what is on screen is (not) the studio's camera; seen in the picture, not in the page's state. */
export const onScreen = (page: Page, what: 'studio' | 'standby') =>
  page.waitForFunction(
    (wanted) => {
      const last = window.rehearsal.frames.slice(-3);
      return (
        last.length === 3 && last.every(({ capturedMs }) => (capturedMs !== null) === (wanted === 'studio'))
      );
    },
    what,
    { polling: 50 },
  );

export const longestGap = (frames: readonly SeenFrame[]): number =>
  frames.reduce((worst, { atMs }, index) => Math.max(worst, atMs - (frames[index - 1]?.atMs ?? atMs)), 0);

/** How far each beep came after its flash, in ms; what was late for some other reason than its own is left out. */
export const avOffsets = (frames: readonly SeenFrame[], beeps: readonly number[]): number[] => {
  const delayAt = (atMs: number): number | undefined => {
    const near = frames.filter((frame) => frame.capturedMs !== null && Math.abs(frame.atMs - atMs) < 250);
    const delays = near.flatMap(({ atMs: seen, capturedMs }) =>
      capturedMs === null ? [] : [seen - capturedMs],
    );
    return delays.length > 0 ? at(delays, 0.5) : undefined;
  };
  return beeps.flatMap((heardMs) => {
    // The beep belongs to the last flash before it.
    const soundDelay = heardMs % flashEveryMs;
    const pictureDelay = delayAt(heardMs);
    return soundDelay < 1_000 && pictureDelay !== undefined ? [soundDelay - pictureDelay] : [];
  });
};
