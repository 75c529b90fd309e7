// Brings the picture to the sound as soon as a fan turns sound on. The browser does this by itself from sender reports, but slowly: it
// took some 15 s for 150 ms. So the picture is held back at once by nearly what it will be; the browser does the rest.
// Not its job: asking the connection (program-watch.ts does, for all), the truth about sound and picture, which is in the sender
// reports (the program bus), and whether there is sound at all.
import { soundBufferedMs, type PlaybackSample } from './playback.ts';

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

/** How long the picture is to be held back for a sound that is buffered so long, given how long it is now. */
export const heldBackMs = (bufferedMs: number, nowMs: number): number => {
  const wanted = Math.round(Math.min(longestMs, bufferedMs + moreThanSoundMs));
  return Math.abs(wanted - nowMs) < smallestMs ? nowMs : wanted;
};

export type LipSyncOptions = {
  /** Of the program's picture; undefined while there is none, or where the browser cannot be asked. */
  receiver: () => { jitterBufferTarget: number | null } | undefined;
};

export type LipSync = ReturnType<typeof createLipSync>;

export const createLipSync = ({ receiver }: LipSyncOptions) => {
  let following = false;
  let before: PlaybackSample | null = null;
  let heldMs = 0;

  const hold = (ms: number) => {
    heldMs = ms;
    const picture = receiver();
    if (picture && picture.jitterBufferTarget !== ms) picture.jitterBufferTarget = ms;
  };
  const stop = () => {
    following = false;
    hold(0);
  };

  return {
    /** Each sample of the program, whoever asked for it. While sound is off they are remembered, so that the first one after tells. */
    sampled: (now: PlaybackSample) => {
      if (before && now.atMs - before.atMs < shortestLookMs) return;
      const bufferedMs = before ? soundBufferedMs(before, now) : null;
      before = now;
      if (following && bufferedMs !== null) hold(heldBackMs(bufferedMs, heldMs));
    },
    follow: (sound: 'off' | 'on') => {
      if (sound === 'off') stop();
      else following = true;
    },
    /** Other consumers: what was counted of the earlier ones says nothing of these. */
    consumersChanged: () => {
      before = null;
      hold(heldMs);
    },
    close: stop,
    snapshot: () => ({ heldBackMs: heldMs }),
  };
};
