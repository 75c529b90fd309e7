// The clock of a recording: where in the file a picture or a block of sound belongs. All files of a take count from the
// same moment, so that an editor lays them side by side at 0. Pure; times of this clock are milliseconds from that moment.
// A stream's own timestamps are as even as its device; when they arrive says where they belong: the least delay seen is
// taken for none, and creeps up so that a drifting clock is followed.

/** Maps a stream's timestamps to the clock by which they arrive. */
const createArrivalClock = (creepMs: number) => {
  let offsetMs = Infinity;
  return (timestampMs: number, arrivalMs: number): number => {
    const seenMs = arrivalMs - timestampMs;
    const jumped = Math.abs(seenMs - offsetMs) > 500;
    offsetMs = jumped ? seenMs : Math.min(seenMs, offsetMs + creepMs);
    return timestampMs + offsetMs;
  };
};

/** Two pictures are never closer: their order must survive any player's rounding. */
const leastStepMs = 1;

/** `zeroMs`: the take's start on the clock of `arrivalMs`. */
export const createPictureTimeline = (zeroMs: number) => {
  const clock = createArrivalClock(0.03);
  let heldBackMs = 0;
  let lastMs: number | null = null;
  const advance = (atMs: number): number => {
    // The first picture stands at 0 whenever it came: a file that begins later would be laid at the wrong place.
    lastMs = lastMs === null ? 0 : Math.max(atMs, lastMs + leastStepMs);
    return lastMs;
  };
  return {
    /** How much later than they came pictures stand from now on; 0 at first. */
    holdBack: (nextMs: number): void => {
      heldBackMs = nextMs;
    },
    /** Where a new picture belongs; null for one from before the take. */
    place: (timestampUs: number, arrivalMs: number): number | null => {
      const atMs = clock(timestampUs / 1000, arrivalMs) - zeroMs + heldBackMs;
      return atMs < 0 && lastMs === null ? null : advance(atMs);
    },
    /** Where the last picture is shown once more. */
    repeat: (atMs: number): number => advance(atMs),
    /** Of the last picture; -1 before the first. */
    endMs: (): number => lastMs ?? -1,
  };
};

/** Sound that strays less from its place is left alone: filling and cutting are heard. */
const toleranceMs = 60;

export type SoundPlace = {
  /** Silence to write before the block. */
  readonly silentFrames: number;
  /** False: the file has this moment already. */
  readonly isWanted: boolean;
};

export const createSoundTimeline = (zeroMs: number, sampleRate: number) => {
  const clock = createArrivalClock(0.01);
  let frames = 0;
  const toFrames = (ms: number): number => Math.round((ms * sampleRate) / 1000);
  return {
    /** Tells the clock when a block came, without placing it. */
    hear: (timestampUs: number, arrivalMs: number): void => {
      clock(timestampUs / 1000, arrivalMs);
    },
    /** What to do with a block of sound. Counts it, and the silence, as written. */
    place: (timestampUs: number, blockFrames: number, arrivalMs: number): SoundPlace => {
      const atMs = clock(timestampUs / 1000, arrivalMs) - zeroMs;
      const strayMs = atMs - (frames * 1000) / sampleRate;
      if (strayMs < -toleranceMs) return { silentFrames: 0, isWanted: false };
      const silentFrames = strayMs > toleranceMs ? toFrames(strayMs) : 0;
      frames += silentFrames + blockFrames;
      return { silentFrames, isWanted: true };
    },
    /** How much silence it takes to reach a moment; counts it as written. */
    fill: (untilMs: number): number => {
      const missing = Math.max(0, toFrames(untilMs) - frames);
      frames += missing;
      return missing;
    },
    endMs: (): number => (frames * 1000) / sampleRate,
  };
};
