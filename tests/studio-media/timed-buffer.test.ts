// The buffer for sound that says when it is due: however it arrives, it is heard on its moment.

import { expect, test } from 'vitest';
import { TimedBuffer } from '../../renderer/studio/media/timed-buffer.ts';

const rate = 48_000;
const blockFrames = 480;
const blockMs = 10;

/** Reads blocks in turn, the first ends at 10 ms; answers what was heard at each millisecond: the moment it was made for, or null. */
function createListener(buffer: TimedBuffer) {
  const [left, right] = [new Float32Array(blockFrames), new Float32Array(blockFrames)];
  const heardMs: (number | null)[] = [];
  return {
    heardMs,
    readUntil: (endMs: number) => {
      while (heardMs.length < endMs) {
        buffer.read(left, right);
        for (let ms = 0; ms < blockMs; ms++) {
          const sample = left[ms * 48 + 24] ?? 0;
          expect(right[ms * 48 + 24]).toBe(sample);
          heardMs.push(sample === 0 ? null : sample * 1000 - 0.5);
        }
      }
    },
  };
}

/** 10 ms of sound whose every sample says for which moment it was made. */
function piece(madeForMs: number, sampleRate = rate): Float32Array {
  const frames = (sampleRate * blockMs) / 1000;
  const samples = new Float32Array(frames * 2);
  for (let i = 0; i < frames; i++)
    samples[i] = samples[frames + i] = (madeForMs + (i / sampleRate) * 1000) / 1000;
  return samples;
}

const offMs = (heardMs: readonly (number | null)[], from: number, to: number): number =>
  Math.max(...heardMs.slice(from, to).map((made, i) => Math.abs((made ?? Infinity) - (from + i))));

test.each([48_000, 44_100])(
  'sound at %i Hz that comes early, however unevenly, is heard on its moment',
  (sampleRate) => {
    const buffer = new TimedBuffer(rate);
    const { heardMs, readUntil } = createListener(buffer);
    let dueMs = 100;
    let seed = 7;
    for (let nowMs = 0; nowMs < 20_000; nowMs += blockMs) {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      // Its thread stands still for up to 150 ms, then writes all that is due within the next 200.
      const wakes = nowMs % 1000 <= 850 && seed % 3 > 0;
      for (const endMs = wakes ? nowMs + 200 : 0; dueMs < endMs; dueMs += blockMs)
        buffer.write(piece(dueMs, sampleRate), sampleRate, nowMs, dueMs + (seed % 2) * 0.2);
      readUntil(nowMs);
    }
    expect(heardMs.slice(0, 99).every((made) => made === null)).toBe(true);
    expect(offMs(heardMs, 101, heardMs.length)).toBeLessThan(1.5);
    expect(buffer.report().underruns).toBe(0);
  },
);

test('what comes too late is left out, a pause is silent, and starting over leaves nothing of before', () => {
  const buffer = new TimedBuffer(rate);
  const { heardMs, readUntil } = createListener(buffer);
  const write = (fromMs: number, toMs: number, saidLaterMs = 0) => {
    for (let dueMs = fromMs; dueMs < toMs; dueMs += blockMs)
      buffer.write(piece(dueMs), rate, heardMs.length, dueMs + saidLaterMs);
  };
  write(10, 100);
  readUntil(150);
  // 50 ms of it are over.
  write(100, 300);
  readUntil(200);
  expect(offMs(heardMs, 11, 95)).toBeLessThan(1.5);
  expect(heardMs.slice(101, 150).every((made) => made === null)).toBe(true);
  expect(offMs(heardMs, 151, 200)).toBeLessThan(1.5);
  expect(buffer.report().underruns).toBe(5);

  // Its sound is shorter than its picture: 60 ms of nothing before the next round.
  write(360, 500);
  readUntil(400);
  expect(offMs(heardMs, 201, 299)).toBeLessThan(1.5);
  expect(heardMs.slice(301, 359).every((made) => made === null)).toBe(true);
  expect(offMs(heardMs, 361, 400)).toBeLessThan(1.5);

  // Played from the beginning again: its first second is due now.
  write(10, 200, 390);
  readUntil(580);
  const again = heardMs.map((made) => (made === null ? null : made + 390));
  expect(offMs(again, 401, 580)).toBeLessThan(1.5);
});
