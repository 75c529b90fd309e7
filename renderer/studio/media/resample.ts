// Changes the sample rate of sound by windowed sinc interpolation, whole arrays at a time. Pure arithmetic.
// Not its job: live sound, whose rate is followed in steered-buffer.ts.

/** Zero crossings of the sinc to either side: some -80 dB of what would alias. */
const halfWidth = 24;
/** Of the lower of both Nyquist frequencies: room for the filter to fall in. */
const passBand = 0.94;

/** `frames` samples at `toRate`, from the start of the input; beyond its end there is silence. Rates in Hz. */
export function resample(
  input: Float32Array,
  fromRate: number,
  toRate: number,
  frames: number,
): Float32Array<ArrayBuffer> {
  const output = new Float32Array(frames);
  if (fromRate === toRate) {
    output.set(input.subarray(0, frames));
    return output;
  }
  const common = greatestCommonDivisor(fromRate, toRate);
  const phases = toRate / common;
  const advance = fromRate / common;
  const cutoff = passBand * Math.min(1, toRate / fromRate);
  const reach = Math.ceil(halfWidth / cutoff);
  const padded = new Float32Array(Math.ceil((frames * fromRate) / toRate) + 2 * reach + 1);
  padded.set(input.subarray(0, padded.length - reach), reach - 1);
  const kernels = new Map<number, Float64Array>();
  for (let i = 0; i < frames; i++) {
    // In whole numbers, so that a minute is exactly a minute.
    const middle = Math.floor((i * advance) / phases);
    const phase = (i * advance) % phases;
    let kernel = kernels.get(phase);
    if (kernel === undefined) {
      kernel = makeKernel(phase / phases, cutoff, reach);
      kernels.set(phase, kernel);
    }
    let sum = 0;
    for (let tap = 0; tap < kernel.length; tap++) sum += (kernel[tap] ?? 0) * (padded[middle + tap] ?? 0);
    output[i] = sum;
  }
  return output;
}

function makeKernel(shift: number, cutoff: number, reach: number): Float64Array {
  const kernel = Float64Array.from({ length: 2 * reach }, (_, tap) => {
    const x = tap - reach + 1 - shift;
    const window = Math.cos((Math.PI * x) / (2 * reach)) ** 2;
    const angle = Math.PI * cutoff * x;
    return (angle === 0 ? 1 : Math.sin(angle) / angle) * window;
  });
  const sum = kernel.reduce((total, tap) => total + tap, 0);
  return kernel.map((tap) => tap / sum);
}

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b);
