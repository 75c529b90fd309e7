// The soak: a whole show for as long as asked, with one fan listening; sound against picture by flash and beep at the fan's
// screen, memory of the studio, open frames. `npm run soak [-- --minutes 30] [--json FILE]`. Fails when lips and words part by
// more than 45 ms in any minute or at more than one beep in twenty, or when memory or open frames climb.
// Measures only; the product does not know it is watched.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BrowserContext, Page } from 'playwright-core';
import * as z from 'zod';
import { launchBrowser } from '../tests/support/browser.ts';
import { startServer } from '../tests/support/server.ts';
import {
  inbound,
  installCounters,
  playoutMs,
  rtcStats,
  studioTotals,
  type Inbound,
  type RtcStat,
} from './rehearsal/counters.ts';
import { watchMemory, type Memory } from './rehearsal/memory.ts';
import { openStudio, openViewer, setUpShow } from './rehearsal/people.ts';
import {
  at,
  avOffsets,
  clearSeen,
  firstFrame,
  framesOf,
  observe,
  rounded,
  say,
} from './rehearsal/screens.ts';

const { values: flags } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, json: { type: 'string' } },
});
const settings = z
  .object({ minutes: z.coerce.number().min(1).max(600), json: z.string().optional() })
  .parse(flags);

/** What ear and eye forgive (ITU-R BT.1359: detectable from 45 ms early). */
const mostOffsetMs = 45;
const sampleEveryMs = 10_000;
const judgedOverMs = 60_000;
/** How often the fan's browser is asked what it believes itself: one answer alone is as rough as its clock of packets. */
const beliefEveryMs = 2_000;
/** Encoders and jitter buffers find their level first; the browser’s lip sync takes most of a minute. */
const warmUpMs = 60_000;
/** A page's heap breathes by this much; a leak of one frame a second passes it within three minutes. */
const mostGrowthMb = 120;
const mostOpenFrames = 60;

/** One look at the show. A null was not to be had: no beep was heard, or the system cannot be asked. */
type Sample = {
  /** Since the fan listens. */
  atMs: number;
  /** Of each beep that was heard: positive means the sound came after the picture. */
  avOffsetsMs: number[];
  /** The same as the fan's browser has it, which knows nothing of the studio: what is left is the studio's or the server's. */
  browserOffsetMs: number | null;
  /** From the fan's jitter buffer to the ear, and from a picture's handing over to the eye. */
  toEarMs: number;
  toEyeMs: number;
  /** Where time goes: sound in the mixer, then each in its jitter buffer at the fan's. */
  mixerMs: number;
  soundBufferMs: number | null;
  pictureBufferMs: number | null;
  memoryMb: number | null;
  openFrames: number;
  fps: number;
};

const bufferMs = (before: Inbound | undefined, now: Inbound | undefined): number | null => {
  if (!before || !now || before.ssrc !== now.ssrc) return null;
  const emitted = now.jitterBufferEmittedCount - before.jitterBufferEmittedCount;
  return emitted > 0 ? rounded(((now.jitterBufferDelay - before.jitterBufferDelay) * 1000) / emitted) : null;
};

const isKnown = (value: number | null): value is number => value !== null;
const median = (values: readonly number[]): number | null =>
  values.length > 0 ? rounded(at(values, 0.5)) : null;

/** By the times of capture that picture and sound now played claim (RTCP sender reports): positive, sound is later. */
const believedOffsetMs = (stats: readonly RtcStat[]): number | null => {
  const sound = inbound(stats, 'audio')?.estimatedPlayoutTimestamp;
  const picture = inbound(stats, 'video')?.estimatedPlayoutTimestamp;
  return sound !== undefined && picture !== undefined ? picture - sound : null;
};

const sample = async (fan: Page, studio: Page, memory: Memory, sinceMs: number): Promise<Sample> => {
  const before = await rtcStats(fan);
  await clearSeen([fan]);
  const beganMs = performance.now();
  const beliefs: number[] = [];
  for (let watchedMs = 0; watchedMs < sampleEveryMs; watchedMs += beliefEveryMs) {
    await observe(beliefEveryMs);
    const believed = believedOffsetMs(await rtcStats(fan));
    if (believed !== null) beliefs.push(believed);
  }
  const frames = await framesOf(fan);
  const watchedForMs = performance.now() - beganMs;
  const beeps = await fan.evaluate(() => window.rehearsal.beeps);
  const now = await rtcStats(fan);
  // A beep is heard where it leaves the jitter buffer, a picture seen when it is handed to the screen; to ear and eye they take
  // as long as the browser says.
  const toEarMs = playoutMs(before, now);
  const toEyeMs = median(frames.map((frame) => frame.toEyeMs)) ?? 0;
  const avOffsetsMs = avOffsets(frames, beeps).map((offsetMs) => rounded(offsetMs + toEarMs - toEyeMs));
  const [sound, picture] = [inbound(now, 'audio'), inbound(now, 'video')];
  const totals = await studioTotals(studio);
  return {
    atMs: Math.round(performance.now() - sinceMs),
    avOffsetsMs,
    browserOffsetMs: median(beliefs),
    toEarMs: rounded(toEarMs),
    toEyeMs,
    mixerMs: rounded(totals.sound.bufferedMs),
    soundBufferMs: bufferMs(inbound(before, 'audio'), sound),
    pictureBufferMs: bufferMs(inbound(before, 'video'), picture),
    memoryMb: await memory.browserMb(),
    openFrames: totals.picture.openFrames,
    fps: rounded((frames.length * 1000) / watchedForMs),
  };
};

const judge = (samples: readonly Sample[], unclosedFrames: number) => {
  // A trend, not one moment in which the machine was busy: the median of each minute.
  const perMinute = Math.round(judgedOverMs / sampleEveryMs);
  const minutes = Array.from({ length: Math.ceil(samples.length / perMinute) }, (_, n) =>
    samples.slice(n * perMinute, (n + 1) * perMinute),
  );
  const offsets = minutes.map((minute) => median(minute.flatMap(({ avOffsetsMs }) => avOffsetsMs)));
  const apart = samples.flatMap(({ avOffsetsMs }) => avOffsetsMs.map(Math.abs));
  const memory = samples.map(({ memoryMb }) => memoryMb).filter(isKnown);
  const fifth = Math.max(1, Math.floor(memory.length / 5));
  const memoryFirst = median(memory.slice(fifth, 2 * fifth));
  const memoryLast = median(memory.slice(-fifth));
  const grownMb = memoryFirst === null || memoryLast === null ? null : memoryLast - memoryFirst;
  const openFrames = Math.max(...samples.map((one) => one.openFrames));
  const apartMs = apart.length > 0 ? rounded(at(apart, 0.95)) : null;
  const faults = [
    ...(apartMs !== null && apartMs > mostOffsetMs
      ? [`one beep in twenty was ${apartMs} ms or more from its flash`]
      : []),
    ...offsets.flatMap((offset, n) =>
      offset === null
        ? [`no beep was heard in minute ${n + 1}`]
        : Math.abs(offset) > mostOffsetMs
          ? [`sound and picture were ${offset} ms apart in minute ${n + 1}`]
          : [],
    ),
    ...(grownMb !== null && grownMb > mostGrowthMb ? [`memory grew by ${grownMb} MB`] : []),
    ...(openFrames > mostOpenFrames ? [`${openFrames} frames were open at once`] : []),
    ...(unclosedFrames > 0 ? [`${unclosedFrames} frames were thrown away without being closed`] : []),
  ];
  return {
    avOffsetMsByMinute: offsets,
    avOffsetMsP95: apartMs,
    memoryGrownMb: grownMb,
    mostOpenFrames: openFrames,
    unclosedFrames,
    faults,
  };
};

const soak = async (studio: Page, memory: Memory, fan: Page): Promise<Sample[]> => {
  await firstFrame(fan);
  await fan.getByRole('button', { name: /sound/i }).first().click();
  await observe(warmUpMs);
  say(`the fan listens; ${settings.minutes} minutes begin`);
  const sinceMs = performance.now();
  const samples: Sample[] = [];
  while (performance.now() - sinceMs < settings.minutes * 60_000) {
    const one = await sample(fan, studio, memory, sinceMs);
    samples.push(one);
    if (samples.length % 3 !== 0) continue;
    const shown = (value: number | null) => value ?? '–';
    say(
      `sound ${shown(median(one.avOffsetsMs))} ms after picture (${shown(one.browserOffsetMs)} at the fan’s alone), ` +
        `in buffers ${one.mixerMs} + ${shown(one.soundBufferMs)} and ${shown(one.pictureBufferMs)} ms, ` +
        `${shown(one.memoryMb)} MB, ${one.openFrames} frames, ${one.fps} fps`,
    );
  }
  return samples;
};

const withCounters = async (context: BrowserContext) => {
  await context.addInitScript(installCounters);
};

const profile = mkdtempSync(join(tmpdir(), 'live-drop-soak-'));
const server = await startServer({ args: ['--log-level', 'warn'] });
const browser = await launchBrowser();
try {
  const studio = await openStudio(profile, server.studioUrl, withCounters);
  try {
    const memory = await watchMemory(studio.page);
    await setUpShow(studio.page);
    await studio.page.getByRole('button', { name: 'Go live' }).click();
    await studio.page.getByRole('button', { name: /^End/ }).waitFor();
    const samples = await soak(
      studio.page,
      memory,
      await openViewer(browser, server.viewerUrl, withCounters),
    );
    const verdict = judge(samples, memory.unclosedFrames());
    say(
      `sound after picture, by minutes: ${verdict.avOffsetMsByMinute.map((ms) => ms ?? '–').join(', ')} ms`,
    );
    say(`19 of 20 beeps were at most ${verdict.avOffsetMsP95 ?? '–'} ms from their flash`);
    say(`memory grew by ${verdict.memoryGrownMb ?? '–'} MB, at most ${verdict.mostOpenFrames} open frames`);
    if (settings.json) {
      const report = { minutes: settings.minutes, ...verdict, samples };
      writeFileSync(settings.json, `${JSON.stringify(report, null, 2)}\n`);
    }
    for (const fault of verdict.faults) console.error(`✗ ${fault}`);
    if (verdict.faults.length > 0) process.exitCode = 1;
    else say('✓ lips and words stay together, and nothing climbs');
  } finally {
    await studio.context.close();
  }
} catch (error) {
  console.error('The soak stopped:', error);
  process.exitCode = 1;
} finally {
  await browser.close();
  await server.close();
  rmSync(profile, { recursive: true, force: true });
}
