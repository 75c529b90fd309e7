// Which frames of a source a program takes: a faster source is held down to the program's rate, evenly and to the frame; one that
// is as fast or slower passes whole. Pure: times come in.
// Not its job: whose frames are the clock, or repeats of one that has stopped (compositor.worker.ts).

export interface FramePace {
  /** Whether the program takes the frame made at `mediaMs`, any clock that runs evenly. Asked once for every frame, in order. */
  takes(mediaMs: number, programFps: number): boolean;
}

/** What a source is taken for until it has shown how fast it is. */
const unknownIntervalMs = 1000 / 30;
/** A longer gap is a pause and says nothing of a rate. */
const longestGapMs = 250;
/** Frames that the rate is judged by, at first and at most: in poor light and on a busy machine single ones come at any time. */
const firstJudgedBy = 8;
const judgedBy = 45;
/** A source whose frames are as far apart as this share of the program's, or further, passes whole. */
const slowShare = 0.87;

export function createFramePace(): FramePace {
  let lastMs = -Infinity;
  let intervalMs = unknownIntervalMs;
  let judged = firstJudgedBy;
  let nextMs = -Infinity;
  return {
    takes(mediaMs, programFps) {
      const stepMs = 1000 / programFps;
      const gapMs = mediaMs - lastMs;
      lastMs = mediaMs;
      if (gapMs > 0 && gapMs < longestGapMs) {
        intervalMs += (gapMs - intervalMs) / judged;
        judged = Math.min(judgedBy, judged + 1);
      }
      // Near the program's rate its clock is only not quite ours: a frame left out now and then would be seen.
      const isSlow = intervalMs > slowShare * stepMs;
      const jumpedBack = nextMs - mediaMs > 2 * stepMs;
      if (!isSlow && !jumpedBack && mediaMs < nextMs - 0.4 * stepMs) return false;
      // On the grid as it stood, so that many frames are neither more nor fewer than asked; anew where it was left.
      const isOnGrid = !isSlow && !jumpedBack && mediaMs - nextMs < stepMs;
      nextMs = (isOnGrid ? nextMs : mediaMs) + stepMs;
      return true;
    },
  };
}
