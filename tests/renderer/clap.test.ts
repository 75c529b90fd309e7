// Lip-sync by claps, with pictures and sounds of known distance.
import { describe, expect, test } from 'vitest';
import {
  alignDelays,
  clapGrid,
  clapHz,
  createBeepDetector,
  createFlashDetector,
  judgeClaps,
} from '../../renderer/studio/media/clap.ts';

const rate = 48_000;
let seed = 3;
const random = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;

/** A hand-held night scene with a screen in one corner that flashes for 80 ms at each full second plus `lateMs`. */
function flashes(lateMs: number, seconds: number): number[] {
  const detector = createFlashDetector();
  const seen: number[] = [];
  for (let atMs = random() * 33; atMs < seconds * 1000; atMs += 1000 / 30) {
    const light = atMs % 1000 >= lateMs && atMs % 1000 < lateMs + 80;
    const grid = Array.from({ length: clapGrid.columns * clapGrid.rows }, (_, i) =>
      i % clapGrid.columns < 4 && i < 64 ? (light ? 190 : 35) + random() * 12 : 60 + random() * 18,
    );
    if (detector.picture(grid, atMs)) seen.push(atMs);
  }
  return seen;
}

/** A room with talk in it and a beep of 80 ms at each full second plus `lateMs`. */
function beeps(lateMs: number, seconds: number, level = 0.05): number[] {
  const detector = createBeepDetector(rate);
  const heard: number[] = [];
  for (let block = 0; block * 10 < seconds * 1000; block++) {
    const samples = Float32Array.from({ length: 480 }, (_, i) => {
      const atMs = block * 10 + i / 48;
      const beeping = atMs % 1000 >= lateMs && atMs % 1000 < lateMs + 80;
      const talk = 0.08 * Math.sin(atMs * 1.1) * Math.sin(atMs / 90) + 0.01 * (random() - 0.5);
      return talk + (beeping ? level * Math.sin((2 * Math.PI * clapHz * atMs) / 1000) : 0);
    });
    heard.push(...detector.samples(samples).map((offsetMs) => block * 10 + offsetMs));
  }
  return heard;
}

test.each([0, 40, 130, 300])(
  'sound that is %i ms late is found to within a frame, in a noisy room',
  (lateMs) => {
    const result = judgeClaps(flashes(200, 9), beeps(200 + lateMs, 9));
    expect(result.kind === 'measured' ? result.offsetMs : NaN).toBeGreaterThan(lateMs - 34);
    expect(result.kind === 'measured' ? result.offsetMs : NaN).toBeLessThan(lateMs + 10);
  },
);

test('sound that is early is found too', () => {
  const result = judgeClaps(flashes(400, 9), beeps(150, 9));
  expect(result.kind === 'measured' ? result.offsetMs : NaN).toBeGreaterThan(-284);
  expect(result.kind === 'measured' ? result.offsetMs : NaN).toBeLessThan(-240);
});

test('says what is missing, or that there is no steady distance', () => {
  const seen = flashes(200, 9);
  expect(judgeClaps([], beeps(200, 9))).toEqual({ kind: 'notSeen' });
  expect(judgeClaps(seen, beeps(200, 9, 0.0005))).toEqual({ kind: 'notHeard' });
  const anywhere = seen.map((atMs) => atMs + random() * 400);
  expect(judgeClaps(seen, anywhere)).toEqual({ kind: 'unsteady' });
});

describe('delays', () => {
  test('go to the one that is early, after what the other has been delayed by', () => {
    const mics = { 'mic-1': 0, 'mic-2': 30 };
    expect(alignDelays({ videoDelayMs: 0, soundDelayMs: mics }, 70)).toEqual({
      videoDelayMs: 70,
      soundDelayMs: mics,
    });
    expect(alignDelays({ videoDelayMs: 50, soundDelayMs: mics }, -70)).toEqual({
      videoDelayMs: 0,
      soundDelayMs: { 'mic-1': 20, 'mic-2': 50 },
    });
    expect(alignDelays({ videoDelayMs: 0, soundDelayMs: { 'mic-1': 100, 'mic-2': 130 } }, 70)).toEqual({
      videoDelayMs: 0,
      soundDelayMs: { 'mic-1': 30, 'mic-2': 60 },
    });
    expect(alignDelays({ videoDelayMs: 10, soundDelayMs: {} }, 70).videoDelayMs).toBe(80);
  });
});
