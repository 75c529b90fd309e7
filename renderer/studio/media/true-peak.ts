// What sound reaches between its samples, by fourfold oversampling (ITU-R BS.1770-4, Annex 2). Pure arithmetic, shared by
// whole files (loudness.ts) and live sound (limiter.ts, sound-meter.ts).

const oversampling = 4;

/** Samples that are looked at to find the sound between two of them: half before, half after. */
export const peakTaps = 24;
/** The gap that is looked into lies behind the sample this far from the first of the taps. */
export const peakTapsBefore = peakTaps / 2 - 1;

/** Interpolates a quarter, a half and three quarters of the way between two samples: sinc under a cosine-squared window. */
const interpolators: readonly Float64Array[] = Array.from({ length: oversampling - 1 }, (_, phase) => {
  const shift = (phase + 1) / oversampling;
  const taps = Float64Array.from({ length: peakTaps }, (_, tap) => {
    const x = tap - peakTapsBefore - shift;
    const window = Math.cos((Math.PI * x) / peakTaps) ** 2;
    return (Math.sin(Math.PI * x) / (Math.PI * x)) * window;
  });
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
});

/**
 * The largest size of the sound in the gap after the sample at `from + peakTapsBefore`, without that sample itself.
 * Samples from `from` to `from + peakTaps` must be there.
 */
export function peakInGap(samples: Float32Array, from: number): number {
  let peak = 0;
  for (const taps of interpolators) {
    let value = 0;
    for (let tap = 0; tap < peakTaps; tap++) value += (taps[tap] ?? 0) * (samples[from + tap] ?? 0);
    const size = Math.abs(value);
    if (size > peak) peak = size;
  }
  return peak;
}
