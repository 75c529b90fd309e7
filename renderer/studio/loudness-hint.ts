// How loud the program has been of late, against what players at home level to, in words. Pure.
// Not its job: measuring (media/sound-meter.ts) or drawing.
import { toLufs } from './media/loudness.ts';

/** What services level to; -16 suits phones, -23 is broadcast (EBU R 128). */
export const loudnessTargets = [-14, -16, -18, -23] as const;

const windowMs = 30_000;
const everyMs = 100;
const absoluteGateLufs = -70;
const relativeGateLu = 10;
/** So much speech is needed before a judgement: 3 s. */
const leastBlocks = 30;
/** Within this nobody hears a difference worth a hand on the fader. */
const closeEnoughLu = 1.5;

export interface LoudnessWindow {
  /** The momentary loudness, as often as it comes; ten a second are kept. */
  add(momentaryLufs: number, nowMs: number): void;
  /** Of the last half minute with both gates of BS.1770-4, so that pauses do not count; null without enough sound. */
  gatedLufs(): number | null;
}

export const createLoudnessWindow = (): LoudnessWindow => {
  let blocks: { atMs: number; power: number }[] = [];
  const powerOf = (lufs: number) => 10 ** ((lufs + 0.691) / 10);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    add: (momentaryLufs, nowMs) => {
      if (nowMs - (blocks.at(-1)?.atMs ?? -Infinity) < everyMs * 0.9) return;
      blocks.push({ atMs: nowMs, power: powerOf(momentaryLufs) });
      blocks = blocks.filter(({ atMs }) => nowMs - atMs < windowMs);
    },
    gatedLufs: () => {
      const loud = blocks.map(({ power }) => power).filter((power) => toLufs(power) > absoluteGateLufs);
      if (loud.length < leastBlocks) return null;
      const gate = toLufs(mean(loud)) - relativeGateLu;
      return toLufs(mean(loud.filter((power) => toLufs(power) > gate)));
    },
  };
};

/** What a director does about it. Null loudness: nothing to judge yet. */
export const loudnessHint = (lufs: number | null, targetLufs: number): string => {
  if (lufs === null) return 'Speak for a few seconds.';
  const off = lufs - targetLufs;
  if (Math.abs(off) <= closeEnoughLu) return 'Right on target.';
  return `${Math.round(Math.abs(off))} LU too ${off < 0 ? 'quiet' : 'loud'}.`;
};
