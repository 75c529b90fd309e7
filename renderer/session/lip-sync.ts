// Brings picture and sound together as soon as a fan turns sound on. The browser does this by itself from sender reports, but
// slowly (it took some 15 s for 150 ms), and leaves up to 30 ms. So the picture is held back at once by nearly what it will be; and
// where it comes later than that, as on a busy machine, what the browser leaves is taken from the sound, in small steps.
// Not its job: asking the connection (program-watch.ts does, for all), the truth about sound and picture, which is in the sender
// reports (the program bus), and whether there is sound at all.
import { soundBufferedMs, soundNeededMs, type PlaybackSample } from './playback.ts';

/** Over less than this, one late packet would be a trend. */
const shortestLookMs = 450;
/**
 * A picture's buffer counts its decoding too, a sound's does not, and sound takes some 30 ms more from its buffer to the ear:
 * measured there, lips and words meet at 110 ms more than the sound's. Some of that is left to the browser: were the picture
 * ever the later one, it would hold the sound back, and this the picture again.
 */
export const moreThanSoundMs = 105;
const longestMs = 300;
/** Smaller changes are not worth a picture that speeds up or slows down. */
const smallestMs = 10;

/** The middle of so many looks is believed: a report that came late makes one of them wrong by a lot. */
const looksBelieved = 5;
/** Nobody hears this, and the browser's own word jitters by it. */
export const toleratedMs = 8;
/** At each look at most: sound that is stretched by more than this in a second is heard. */
export const soundStepMs = 6;
/** Who is later than this by their own machine's fault has other troubles. */
export const longestSoundMs = 120;

/** How long the picture is to be held back for a sound that is buffered so long, given how long it is now. */
export const heldBackMs = (bufferedMs: number, nowMs: number): number => {
  const wanted = Math.round(Math.min(longestMs, bufferedMs + moreThanSoundMs));
  return Math.abs(wanted - nowMs) < smallestMs ? nowMs : wanted;
};

/** How much longer than the network asks the sound is to wait, given how long it does now and how late it is (negative: early). */
export const soundHeldMs = (lateMs: number, nowMs: number): number => {
  if (Math.abs(lateMs) <= toleratedMs) return nowMs;
  const step = Math.max(-soundStepMs, Math.min(soundStepMs, -lateMs));
  return Math.max(0, Math.min(longestSoundMs, nowMs + step));
};

type Receiver = { jitterBufferTarget: number | null };

export type LipSyncOptions = {
  /** Of the program's picture and sound; undefined while there is none, or where the browser cannot be asked. */
  receiver: (kind: 'audio' | 'video') => Receiver | undefined;
};

export type LipSync = ReturnType<typeof createLipSync>;

export const createLipSync = ({ receiver }: LipSyncOptions) => {
  let following = false;
  let before: PlaybackSample | null = null;
  let pictureMs = 0;
  let soundMs = 0;
  let lateMs: number[] = [];

  const ask = (kind: 'audio' | 'video', targetMs: number) => {
    const asked = receiver(kind);
    if (asked && asked.jitterBufferTarget !== targetMs) asked.jitterBufferTarget = targetMs;
  };
  const holdPicture = (ms: number) => {
    pictureMs = ms;
    ask('video', ms);
  };
  /** By so much more than the network asks for. */
  const holdSound = (ms: number, neededMs: number) => {
    soundMs = ms;
    ask('audio', ms === 0 ? 0 : Math.round(neededMs + ms));
  };
  const stop = () => {
    following = false;
    lateMs = [];
    holdPicture(0);
    holdSound(0, 0);
  };

  const trimSound = (late: number | null, neededMs: number | null) => {
    if (late === null || neededMs === null) return;
    lateMs = [...lateMs, late].slice(-looksBelieved);
    const middle = lateMs.toSorted((a, b) => a - b)[Math.floor(looksBelieved / 2)];
    if (lateMs.length === looksBelieved && middle !== undefined)
      holdSound(soundHeldMs(middle, soundMs), neededMs);
  };

  return {
    /** Each sample of the program, whoever asked for it. While sound is off they are remembered, so that the first one after tells. */
    sampled: (now: PlaybackSample) => {
      if (before && now.atMs - before.atMs < shortestLookMs) return;
      const bufferedMs = before ? soundBufferedMs(before, now) : null;
      const neededMs = before ? soundNeededMs(before, now) : null;
      before = now;
      if (!following || bufferedMs === null) return;
      // What the sound waits for the picture's sake must not hold back the picture in turn.
      holdPicture(heldBackMs(Math.max(0, bufferedMs - soundMs), pictureMs));
      trimSound(now.soundLateMs, neededMs);
    },
    follow: (sound: 'off' | 'on') => {
      if (sound === 'off') stop();
      else following = true;
    },
    /** Other consumers: what was counted of the earlier ones says nothing of these. */
    consumersChanged: () => {
      before = null;
      lateMs = [];
      holdPicture(pictureMs);
      holdSound(0, 0);
    },
    close: stop,
    snapshot: () => ({ heldBackMs: pictureMs, soundHeldMs: soundMs }),
  };
};
