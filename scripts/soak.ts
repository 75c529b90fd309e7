// The soak: a whole show for as long as asked, with one fan listening; sound against picture by flash and beep at the fan's
// screen, memory of the studio, open frames. `npm run soak [-- --minutes 30] [--json FILE]`. Fails when lips and words part by
// more than 45 ms, or when memory or open frames climb. Measures only; the product does not know it is watched.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BrowserContext, CDPSession, Page } from 'playwright-core';
import * as z from 'zod';
import { launchBrowser } from '../tests/support/browser.ts';
import { startServer } from '../tests/support/server.ts';
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
const sampleEveryMs = 5_000;
/** Encoders and jitter buffers find their level first; the browser’s lip sync takes most of a minute. */
const warmUpMs = 60_000;
/** A page's heap breathes by this much; a leak of one frame a second passes it within three minutes. */
const mostGrowthMb = 120;
const mostOpenFrames = 60;

type Sample = {
  /** Since the fan listens. */
  atMs: number;
  /** Median of the last five seconds: positive means the sound comes after the picture. Null: no beep was heard. */
  avOffsetMs: number | null;
  /** All of the studio's browser; null where the system cannot be asked. */
  memoryMb: number | null;
  openFrames: number | null;
  fps: number;
};

declare global {
  interface Window {
    /** The latest report of the studio's compositor, as it comes from its worker. */
    soakOpenFrames?: number;
  }
}

/** For `addInitScript`: listens to the compositor's reports. Runs in the page. */
const installOpenFrames = (): void => {
  const isReport = (data: unknown): data is { stats: { openFrames: number } } =>
    typeof data === 'object' && data !== null && 'stats' in data;
  window.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      if (options?.name !== 'compositor') return;
      this.addEventListener('message', (event) => {
        if (event instanceof MessageEvent && isReport(event.data))
          window.soakOpenFrames = event.data.stats.openFrames;
      });
    }
  };
};

const processes = z.object({ processInfo: z.array(z.object({ id: z.number() })) });

const memoryMb = async (cdp: CDPSession): Promise<number | null> => {
  const { processInfo } = processes.parse(await cdp.send('SystemInfo.getProcessInfo'));
  try {
    const list = processInfo.map(({ id }) => id).join(',');
    const rss = execFileSync('ps', ['-o', 'rss=', '-p', list], { encoding: 'utf8' });
    const sum = rss.split('\n').reduce((kb, line) => kb + Number(line.trim()), 0);
    return Math.round(sum / 1024);
  } catch {
    return null; // No `ps` here.
  }
};

const sample = async (fan: Page, studio: Page, cdp: CDPSession, sinceMs: number): Promise<Sample> => {
  await clearSeen([fan]);
  await observe(sampleEveryMs);
  const frames = await framesOf(fan);
  const offsets = avOffsets(frames, await fan.evaluate(() => window.rehearsal.beeps));
  return {
    atMs: Math.round(performance.now() - sinceMs),
    avOffsetMs: offsets.length > 0 ? rounded(at(offsets, 0.5)) : null,
    memoryMb: await memoryMb(cdp),
    openFrames: (await studio.evaluate(() => window.soakOpenFrames)) ?? null,
    fps: rounded((frames.length * 1000) / sampleEveryMs),
  };
};

const isKnown = (value: number | null): value is number => value !== null;

const judge = (samples: readonly Sample[]) => {
  const fifth = Math.max(1, Math.floor(samples.length / 5));
  const medianOf = (part: readonly Sample[], pick: (one: Sample) => number | null) => {
    const known = part.map(pick).filter(isKnown);
    return known.length > 0 ? at(known, 0.5) : null;
  };
  // A trend, not one moment in which the machine was busy: the median of each fifth of the run.
  const offsets = Array.from({ length: 5 }, (_, n) =>
    medianOf(samples.slice(n * fifth, (n + 1) * fifth), ({ avOffsetMs }) => avOffsetMs),
  );
  const memoryFirst = medianOf(samples.slice(fifth, 2 * fifth), ({ memoryMb }) => memoryMb);
  const memoryLast = medianOf(samples.slice(-fifth), ({ memoryMb }) => memoryMb);
  const grownMb = memoryFirst === null || memoryLast === null ? null : memoryLast - memoryFirst;
  const openFrames = Math.max(0, ...samples.map((one) => one.openFrames).filter(isKnown));
  const faults = [
    ...offsets.flatMap((offset, n) =>
      offset === null
        ? [`no beep was heard in part ${n + 1} of 5`]
        : Math.abs(offset) > mostOffsetMs
          ? [`sound and picture were ${offset} ms apart in part ${n + 1} of 5`]
          : [],
    ),
    ...(grownMb !== null && grownMb > mostGrowthMb ? [`memory grew by ${grownMb} MB`] : []),
    ...(openFrames > mostOpenFrames ? [`${openFrames} frames were open at once`] : []),
  ];
  return { avOffsetMsByFifth: offsets, memoryGrownMb: grownMb, mostOpenFrames: openFrames, faults };
};

const soak = async (studio: { context: BrowserContext; page: Page }, fan: Page): Promise<Sample[]> => {
  const browser = studio.context.browser();
  if (!browser) throw new Error('The studio has no browser process.');
  const cdp = await browser.newBrowserCDPSession();
  await firstFrame(fan);
  await fan.getByRole('button', { name: /sound/i }).first().click();
  await observe(warmUpMs);
  say(`the fan listens; ${settings.minutes} minutes begin`);
  const sinceMs = performance.now();
  const samples: Sample[] = [];
  while (performance.now() - sinceMs < settings.minutes * 60_000) {
    const one = await sample(fan, studio.page, cdp, sinceMs);
    samples.push(one);
    if (samples.length % 6 === 0) {
      const { avOffsetMs, memoryMb, openFrames, fps } = one;
      say(
        `sound ${avOffsetMs ?? '–'} ms after picture, ${memoryMb ?? '–'} MB, ${openFrames ?? '–'} frames, ${fps} fps`,
      );
    }
  }
  return samples;
};

const profile = mkdtempSync(join(tmpdir(), 'live-drop-soak-'));
const server = await startServer({ args: ['--log-level', 'warn'] });
const browser = await launchBrowser();
try {
  const studio = await openStudio(profile, server.studioUrl, async (context) => {
    await context.addInitScript(installOpenFrames);
  });
  try {
    await setUpShow(studio.page);
    await studio.page.getByRole('button', { name: 'Go live' }).click();
    await studio.page.getByRole('button', { name: /^End/ }).waitFor();
    const samples = await soak(studio, await openViewer(browser, server.viewerUrl));
    const verdict = judge(samples);
    say(`sound after picture, by fifths: ${verdict.avOffsetMsByFifth.map((ms) => ms ?? '–').join(', ')} ms`);
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
