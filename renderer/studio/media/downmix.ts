// Sound of a file as the two sides of the mixer: one microphone on both, surround folded down.
// Not its job: decoding, sample rates (resample.ts), or when it is heard.
import type { AudioSample } from 'mediabunny';
import type { Stereo } from './loudness.ts';

/** How much of each channel beyond the second is heard on the left and on the right (ITU-R BS.775): L R C LFE Ls Rs. */
const shares: readonly (readonly [left: number, right: number])[] = [
  [1, 0],
  [0, 1],
  [Math.SQRT1_2, Math.SQRT1_2],
  [0, 0],
  [Math.SQRT1_2, 0],
  [0, Math.SQRT1_2],
];

/** All of the sample at its own rate. The sample stays the caller's. */
export function downmix(sample: AudioSample): Stereo {
  const { numberOfFrames } = sample;
  const channels = Math.min(sample.numberOfChannels, shares.length);
  const left = new Float32Array(numberOfFrames);
  const right = new Float32Array(numberOfFrames);
  const samples = new Float32Array(numberOfFrames);
  for (let channel = 0; channel < channels; channel++) {
    sample.copyTo(samples, { planeIndex: channel, format: 'f32-planar' });
    const [toLeft, toRight] = channels === 1 ? [1, 1] : (shares[channel] ?? [0, 0]);
    for (let i = 0; i < numberOfFrames; i++) {
      left[i] = (left[i] ?? 0) + toLeft * (samples[i] ?? 0);
      right[i] = (right[i] ?? 0) + toRight * (samples[i] ?? 0);
    }
  }
  return [left, right];
}
