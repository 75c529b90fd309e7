// Judges a source by its media: whether its picture moves, stands still or is black, whether its sound is alive, silent or
// distorted. Pure: samples and times come in. Reading samples is the compositor's and the mixer's job; what to do about a
// sick source is the desk's.

/** Times are epoch milliseconds; `sinceMs` is when the state began, not when it was recognised. */
export type PictureHealth =
  /** No frame has come yet. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'moving' }
  /** Frames come, and each is the one before: a sensor's noise never repeats, so the camera or its driver hangs. */
  | { readonly kind: 'frozen'; readonly sinceMs: number }
  | { readonly kind: 'black'; readonly sinceMs: number }
  /** No frames come. */
  | { readonly kind: 'stopped'; readonly sinceMs: number };

export type SoundHealth =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'alive' }
  | { readonly kind: 'silent'; readonly sinceMs: number }
  /** At full scale again and again: the preamplifier or the gain is too high. */
  | { readonly kind: 'clipped'; readonly sinceMs: number };

/** A thin grid over a picture's luma. */
export interface PictureSample {
  readonly hash: number;
  readonly meanLuma: number;
  readonly brightestLuma: number;
}

const gridColumns = 64;
const gridRows = 36;

/** Hash by FNV-1a over a grid of luma samples, a few microseconds whatever the size. */
export function samplePicture(luma: Uint8Array, width: number, height: number): PictureSample {
  let hash = 0x811c9dc5;
  let sum = 0;
  let brightestLuma = 0;
  let count = 0;
  for (let row = 0; row < gridRows; row++) {
    const start = Math.floor(((row + 0.5) * height) / gridRows) * width;
    for (let column = 0; column < gridColumns; column++) {
      const value = luma[start + Math.floor(((column + 0.5) * width) / gridColumns)] ?? 0;
      hash = Math.imul(hash ^ value, 0x01000193);
      sum += value;
      if (value > brightestLuma) brightestLuma = value;
      count++;
    }
  }
  return { hash: hash >>> 0, meanLuma: sum / count, brightestLuma };
}

/** A cable that is knocked makes a pause; a second of the same picture is no pause. */
const frozenAfterMs = 1_000;
const stoppedAfterMs = 700;
const blackAfterMs = 500;
/** Limited range: black is 16. A lens cap lets noise through; a dark alley has lamps in it. */
const blackMeanLuma = 22;
const blackBrightestLuma = 48;

export interface PictureJudge {
  frame(sample: PictureSample, nowMs: number): void;
  /** A new track took the source's place: what was seen of the old one is forgotten. */
  restart(): void;
  health(nowMs: number): PictureHealth;
}

export function createPictureJudge(): PictureJudge {
  let lastFrameMs: number | null = null;
  let lastHash: number | null = null;
  let sameSinceMs = 0;
  let samePictures = 0;
  let blackSinceMs: number | null = null;
  return {
    frame({ hash, meanLuma, brightestLuma }, nowMs) {
      lastFrameMs = nowMs;
      if (hash !== lastHash) {
        sameSinceMs = nowMs;
        samePictures = 0;
      } else samePictures++;
      lastHash = hash;
      const black = meanLuma <= blackMeanLuma && brightestLuma <= blackBrightestLuma;
      blackSinceMs = black ? (blackSinceMs ?? nowMs) : null;
    },
    restart() {
      lastFrameMs = null;
      lastHash = null;
      blackSinceMs = null;
    },
    health(nowMs) {
      if (lastFrameMs === null) return { kind: 'waiting' };
      if (nowMs - lastFrameMs >= stoppedAfterMs) return { kind: 'stopped', sinceMs: lastFrameMs };
      // Black first: a camera that delivers nothing but black also repeats itself.
      if (blackSinceMs !== null && nowMs - blackSinceMs >= blackAfterMs) {
        return { kind: 'black', sinceMs: blackSinceMs };
      }
      // One repeat is a camera that is slower than its frame rate says.
      if (samePictures >= 2 && nowMs - sameSinceMs >= frozenAfterMs) {
        return { kind: 'frozen', sinceMs: sameSinceMs };
      }
      return { kind: 'moving' };
    },
  };
}

/** Below this a microphone delivers nothing: a quiet room through a preamplifier is well above. */
const silentDb = -75;
const silentAfterMs = 900;
const clippedDb = -0.1;
/** So many readings at full scale within the window are distortion and not one loud clap. */
const clippedReadings = 4;
const clippedWindowMs = 1_000;
const clippedHoldMs = 2_000;

export interface SoundJudge {
  /** `peakDb`: full scale is 0. */
  reading(peakDb: number, nowMs: number): void;
  restart(): void;
  health(nowMs: number): SoundHealth;
}

export function createSoundJudge(): SoundJudge {
  let heard = false;
  let silentSinceMs: number | null = null;
  let clips: number[] = [];
  let clippedSinceMs: number | null = null;
  return {
    reading(peakDb, nowMs) {
      heard = true;
      silentSinceMs = peakDb <= silentDb ? (silentSinceMs ?? nowMs) : null;
      if (peakDb < clippedDb) return;
      clips = [...clips.filter((atMs) => nowMs - atMs < clippedWindowMs), nowMs];
      if (clips.length >= clippedReadings) clippedSinceMs ??= clips[0] ?? nowMs;
    },
    restart() {
      heard = false;
      silentSinceMs = null;
      clippedSinceMs = null;
      clips = [];
    },
    health(nowMs) {
      if (!heard) return { kind: 'waiting' };
      const lastClipMs = clips.at(-1);
      if (lastClipMs === undefined || nowMs - lastClipMs > clippedHoldMs) clippedSinceMs = null;
      if (silentSinceMs !== null && nowMs - silentSinceMs >= silentAfterMs) {
        return { kind: 'silent', sinceMs: silentSinceMs };
      }
      return clippedSinceMs === null ? { kind: 'alive' } : { kind: 'clipped', sinceMs: clippedSinceMs };
    },
  };
}
