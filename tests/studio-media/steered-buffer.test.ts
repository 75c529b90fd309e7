// The buffer between two clocks: half an hour of a device that runs fast or slow, in simulated time, sample by sample.

import { expect, test } from 'vitest';
import { SteeredBuffer } from '../../renderer/studio/media/steered-buffer.ts';

const rate = 48_000;
const block = 480;
/** The desk reads as much at once as devices deliver. */
const quantum = 480;
const burstMs = 10;

/** A device whose clock is off by `ppm` plays a saw of one second, so that each sample says when it was made. */
function simulate(options: { ppm: number; minutes: number; stallEveryMs?: number }) {
  const buffer = new SteeredBuffer(rate);
  const blockMs = (block / rate) * 1000;
  const trueBlockMs = blockMs / (1 + options.ppm / 1e6);
  let seed = 1;
  const random = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  const samples = new Float32Array(block * 2);
  let blocks = 0;
  const write = (atMs: number) => {
    for (let i = 0; i < block; i++) {
      const saw = ((blocks * block + i) % rate) / rate;
      samples[i] = saw;
      samples[block + i] = saw;
    }
    buffer.write(samples, rate, atMs);
    blocks++;
  };
  const left = new Float32Array(quantum);
  const right = new Float32Array(quantum);
  const delaysMs: number[] = [];
  const speeds: number[] = [];
  let played = 0;
  let underruns = 0;
  let arrivesMs = 0;
  let asleepUntilMs = 0;
  const end = options.minutes * 60_000;
  for (let burst = 0; burst * burstMs < end; burst++) {
    // The desk wakes a little late, and now and then much later: then it renders all that is due.
    const nowMs = burst * burstMs + random() * 3 + (burst % 977 === 500 ? 80 : 0);
    if (nowMs < asleepUntilMs) continue;
    asleepUntilMs = nowMs;
    // What the device has made arrives a little later, now and then much later.
    while (arrivesMs <= nowMs) {
      write(Math.max(arrivesMs, nowMs - burstMs));
      const madeMs = (blocks + 1) * trueBlockMs;
      const stalled = options.stallEveryMs !== undefined && madeMs % options.stallEveryMs < 15;
      arrivesMs = Math.max(arrivesMs, madeMs + random() * 4 + (stalled ? 60 : 0));
    }
    for (; played + quantum <= (nowMs * rate) / 1000; played += quantum) {
      const before = left[quantum - 1] ?? 0;
      buffer.read(left, right);
      const saw = left[0] ?? 0;
      // Near the edge of the saw the interpolation sees both ends of it.
      if (saw < 0.02 || saw > 0.98 || before > saw) continue;
      speeds.push((((left[64] ?? 0) - saw) / 64) * rate - 1);
      const madeMs = saw * 1000 * (trueBlockMs / blockMs);
      const heardMs = (played / rate) * 1000;
      // The whole second is found again by taking the nearest.
      const whole = Math.round((heardMs - madeMs) / (1000 * (trueBlockMs / blockMs)));
      delaysMs.push(heardMs - madeMs - whole * 1000 * (trueBlockMs / blockMs));
    }
    underruns += buffer.report().underruns;
  }
  return { delaysMs, speeds, underruns, report: buffer.report() };
}

test.each([200, -200])(
  'a clock that is off by %i ppm is measured, and lips stay with words for half an hour',
  (ppm) => {
    const { delaysMs, speeds, report, underruns } = simulate({ ppm, minutes: 30 });
    // Uncorrected, the sound would be 360 ms off at the end.
    const settled = delaysMs.slice(delaysMs.length >> 6);
    const spread = Math.max(...minutes(settled, Math.max)) - Math.min(...minutes(settled, Math.min));
    expect(spread).toBeLessThan(20);
    expect(underruns).toBeLessThan(2);
    expect(Math.abs((report.driftPpm ?? 0) - ppm)).toBeLessThan(15);
    // Two per cent is a third of a semitone; a drift needs far less.
    expect(
      Math.max(...minutes(speeds.slice(1000), (...part) => Math.max(...part.map(Math.abs)))),
    ).toBeLessThan(0.021);
  },
  60_000,
);

test('after hiccups the delay comes back down, and no drift is made up', () => {
  const { delaysMs, report } = simulate({ ppm: 0, minutes: 5, stallEveryMs: 20_000 });
  const last = delaysMs.slice(-2000);
  expect(last.reduce((sum, delay) => sum + delay, 0) / last.length).toBeLessThan(80);
  expect(Math.abs(report.driftPpm ?? 0)).toBeLessThan(25);
});

/** The values in parts that fit a call. */
function minutes(values: readonly number[], of: (...part: number[]) => number): number[] {
  const parts: number[] = [];
  for (let from = 0; from < values.length; from += 10_000)
    parts.push(of(...values.slice(from, from + 10_000)));
  return parts;
}
