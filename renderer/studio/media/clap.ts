// How far sound and picture are apart, by a clap: a flash that is seen and a beep that is heard at the same moment, again and
// again. Pure. Not its job: making claps (clap-sheet.tsx), reading tracks (clap.worker.ts), or putting delays right (lip-sync.ts).

/** The tone of the beep: small loudspeakers have it, rooms and engines do not. */
export const clapHz = 2_000;
export const clapEveryMs = 1_000;
export const clapLengthMs = 80;

/** A picture as this many by this many mean brightnesses, 0 to 255, row by row. */
export const clapGrid = { columns: 16, rows: 9 } as const;

const flashRise = 35;
/** Once seen or heard, the rest of a clap, its echo and the camera's own settling are not another one. */
const deafMs = 450;
const picturesRemembered = 12;

export interface FlashDetector {
  /** Answers true where a flash begins. Times in ms of any one clock. */
  picture(grid: ArrayLike<number>, atMs: number): boolean;
}

/** A flash is where some part of the picture is suddenly brighter than it was for the last half second. */
export const createFlashDetector = (): FlashDetector => {
  let usual: Float32Array | null = null;
  let lastMs = -Infinity;
  return {
    picture: (grid, atMs) => {
      if (usual === null) {
        usual = Float32Array.from(grid);
        return false;
      }
      let rise = 0;
      for (let i = 0; i < usual.length; i++) {
        const now = grid[i] ?? 0;
        const before = usual[i] ?? 0;
        rise = Math.max(rise, now - before);
        // What has become darker is the new usual at once: the end of a flash is not half a second of twilight.
        usual[i] = now < before ? now : before + (now - before) / picturesRemembered;
      }
      if (rise < flashRise || atMs - lastMs < deafMs) return false;
      lastMs = atMs;
      return true;
    },
  };
};

const windowMs = 4;
const leastLevel = 0.002;
const timesUsual = 5;

export interface BeepDetector {
  /** Answers the moments at which beeps begin in these samples, in ms from the first of them. */
  samples(samples: Float32Array): number[];
}

/** Listens for {@link clapHz} alone (Goertzel's algorithm), so that talk and traffic are no beep. */
export const createBeepDetector = (sampleRate: number): BeepDetector => {
  const frames = Math.round((sampleRate * windowMs) / 1000);
  const turn = 2 * Math.cos((2 * Math.PI * clapHz) / sampleRate);
  let usual = 0;
  let filled = 0;
  let before = 0;
  let last = 0;
  let heardFrames = Infinity;
  return {
    samples: (samples) => {
      const onsets: number[] = [];
      for (let i = 0; i < samples.length; i++) {
        const next = (samples[i] ?? 0) + turn * last - before;
        before = last;
        last = next;
        heardFrames++;
        if (++filled < frames) continue;
        const power = last * last + before * before - turn * last * before;
        const level = (2 * Math.sqrt(Math.max(0, power))) / frames;
        filled = before = last = 0;
        const isBeep = level > leastLevel && level > usual * timesUsual;
        if (isBeep && heardFrames > (deafMs / 1000) * sampleRate) {
          heardFrames = 0;
          onsets.push(((i + 1 - frames / 2) / sampleRate) * 1000);
        }
        usual += (Math.min(level, usual * 2 + leastLevel) - usual) * 0.02;
      }
      return onsets;
    },
  };
};

export type ClapResult =
  /** Positive: the sound comes after the picture. */
  | { readonly kind: 'measured'; readonly offsetMs: number; readonly claps: number }
  | { readonly kind: 'notSeen' }
  | { readonly kind: 'notHeard' }
  /** Seen and heard, but at no steady distance. */
  | { readonly kind: 'unsteady' };

export const clapsNeeded = 5;
const mostOffsetMs = 450;
const steadyMs = 25;

/** Pairs each flash with the beep nearest to it; times of both on one clock, in ms. */
export const judgeClaps = (flashesMs: readonly number[], beepsMs: readonly number[]): ClapResult => {
  if (flashesMs.length < clapsNeeded) return { kind: 'notSeen' };
  if (beepsMs.length < clapsNeeded) return { kind: 'notHeard' };
  const offsets = flashesMs.flatMap((flashMs) => {
    const nearest = beepsMs.reduce<number | null>((best, beepMs) => {
      const offset = beepMs - flashMs;
      return best === null || Math.abs(offset) < Math.abs(best) ? offset : best;
    }, null);
    return nearest !== null && Math.abs(nearest) <= mostOffsetMs ? [nearest] : [];
  });
  if (offsets.length < clapsNeeded) return { kind: 'unsteady' };
  const offsetMs = median(offsets);
  if (median(offsets.map((each) => Math.abs(each - offsetMs))) > steadyMs) return { kind: 'unsteady' };
  return { kind: 'measured', offsetMs: Math.round(offsetMs), claps: offsets.length };
};

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
};

/** Delays in ms: of the picture, and of each sound by its id. */
export interface Delays {
  readonly videoDelayMs: number;
  readonly soundDelayMs: Readonly<Record<string, number>>;
}

/**
 * The delays that bring sound and picture together. What is already delayed gives way first, so that the program is never
 * later than it has to be; sounds keep their distances from each other.
 */
export const alignDelays = ({ videoDelayMs, soundDelayMs }: Delays, offsetMs: number): Delays => {
  const sounds = Object.entries(soundDelayMs);
  const common = sounds.reduce((least, [, delayMs]) => Math.min(least, delayMs), Infinity);
  const shift = (byMs: number) =>
    Object.fromEntries(sounds.map(([id, delayMs]) => [id, Math.round(delayMs + byMs)]));
  if (offsetMs >= 0) {
    const lessSound = sounds.length === 0 ? 0 : Math.min(offsetMs, common);
    return {
      videoDelayMs: Math.round(videoDelayMs + offsetMs - lessSound),
      soundDelayMs: shift(-lessSound),
    };
  }
  const lessVideo = Math.min(-offsetMs, videoDelayMs);
  return { videoDelayMs: Math.round(videoDelayMs - lessVideo), soundDelayMs: shift(-offsetMs - lessVideo) };
};
