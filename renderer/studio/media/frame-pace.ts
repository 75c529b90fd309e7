// Which frames of a source a program takes: a faster source is held down to the program's rate, evenly and to the frame; one that
// is as fast or slower passes whole. Pure: times come in.
// Not its job: whose frames are the clock, or repeats of one that has stopped (compositor.worker.ts).

export interface FramePace {
  /** Whether the program takes the frame made at `mediaMs`, any clock that runs evenly. Asked once for every frame, in order. */
  takes(mediaMs: number, programFps: number): boolean;
}

/** A longer gap is a pause: what came before says nothing of the rate after it. */
const longestGapMs = 250;
/**
 * The rate is the time of so many frames together. Single gaps say nothing: in poor light and on a busy machine frames come late
 * and then in bursts, and one left out of a camera that is as fast as the program is seen twice, as a gap and as a repeat.
 */
const judgedBy = 60;
const leastJudgedBy = 8;
/** A source whose frames are as far apart as this share of the program's, or further, passes whole. */
const slowShare = 0.87;

export function createFramePace(): FramePace {
  let times: number[] = [];
  let nextMs = -Infinity;
  const isSlow = (stepMs: number): boolean => {
    const [first] = times;
    const last = times.at(-1);
    if (first === undefined || last === undefined || times.length <= leastJudgedBy) return true;
    return (last - first) / (times.length - 1) > slowShare * stepMs;
  };
  return {
    takes(mediaMs, programFps) {
      const stepMs = 1000 / programFps;
      const gapMs = mediaMs - (times.at(-1) ?? mediaMs);
      if (gapMs < 0 || gapMs > longestGapMs) times = [];
      times.push(mediaMs);
      if (times.length > judgedBy) times.shift();
      // Near the program's rate its clock is only not quite ours: a frame left out now and then would be seen.
      const isWhole = isSlow(stepMs);
      const jumpedBack = nextMs - mediaMs > 2 * stepMs;
      if (!isWhole && !jumpedBack && mediaMs < nextMs - 0.4 * stepMs) return false;
      // On the grid as it stood, so that many frames are neither more nor fewer than asked; anew where it was left.
      const isOnGrid = !isWhole && !jumpedBack && mediaMs - nextMs < stepMs;
      nextMs = (isOnGrid ? nextMs : mediaMs) + stepMs;
      return true;
    },
  };
}
