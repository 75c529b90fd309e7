// Chaos: a show is on the air, and each of its parts is killed or cut in turn while fans watch. Measured on their screens.
// `npm run chaos [-- --json FILE] [--only NAME] [--codec H264]`. Fails on a black picture, a lost hold, or a page that would
// have needed a reload. What a failure is and how it is healed is here; people and probes are the rehearsal's.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import * as z from 'zod';
import { launchBrowser } from '../tests/support/browser.ts';
import { startServer, type TestServer } from '../tests/support/server.ts';
import { openWeakPath, type Weather } from '../tests/support/weak-path.ts';
import { holdOnePiece } from './rehearsal/buyer.ts';
import { openStudio, openViewer, setUpShow } from './rehearsal/people.ts';
import { at, clearSeen, framesOf, observe, onScreen, rounded, say } from './rehearsal/screens.ts';
import type { SeenFrame } from './rehearsal/probe.ts';
import { installWholeScreen, wholeScreenEveryMs } from './rehearsal/whole-screen.ts';

const failureNames = [
  'cameraFrozen',
  'cameraEnded',
  'studioKilled',
  'originWorkerKilled',
  'edgeWorkerKilled',
  'serverKilled',
  'pathCut3s',
  'pathCut15s',
  'loss5pct',
  'jitter100ms',
  'kbps400',
] as const;
type FailureName = (typeof failureNames)[number];

const { values: flags } = parseArgs({
  options: {
    json: { type: 'string' },
    only: { type: 'string' },
    codec: { type: 'string', default: 'VP8' },
  },
});
const settings = z
  .object({
    json: z.string().optional(),
    only: z.enum(failureNames, { error: `--only takes one of ${failureNames.join(', ')}` }).optional(),
    codec: z.enum(['VP8', 'H264']),
  })
  .parse(flags);

/** A viewer's page as the failures see it; `name` for the messages. */
type Fan = { name: string; page: Page };

type Run = {
  /** Longest time without a new picture on a fan's screen, the page's own clip included. */
  gapMs: number;
  /** From when the failure was healed, or began where it heals by itself, to the live picture. */
  backMs: number;
  /** From the beginning of the failure to the page's own clip; null where it was not needed. */
  ownClipMs: number | null;
  /** A hold that was made before the failure and is not there, unchanged, after it. */
  lostHolds: number;
  blackFrames: number;
};

type Result = Run & {
  /** Worst of several runs; the others are medians. */
  gapMaxMs: number;
  runs: number;
};

/** What happens, which fans are concerned, and from when on the live picture is waited for (epoch ms). */
type Failure = {
  name: FailureName;
  what: string;
  runs: number;
  fans: 'all' | 'onWeakPath';
  goal: (result: Result) => { words: string; met: boolean } | null;
  happen: () => Promise<number>;
};

const giveUpMs = 60_000;

const debugSnapshot = z.object({
  nodes: z.array(
    z.object({ role: z.string(), viewers: z.number(), detail: z.object({ workerPid: z.number() }) }),
  ),
});

const freePort = async (): Promise<number> => {
  const path = await openWeakPath('http://127.0.0.1:1');
  await path.close();
  return Number(new URL(path.origin).port);
};

/** Keeps the server running as a supervisor would: ended, it is started again with the same command line. */
const supervise = async () => {
  const data = mkdtempSync(join(tmpdir(), 'live-drop-chaos-'));
  const port = await freePort();
  const start = () => startServer({ data, port, args: ['--codec', settings.codec, '--log-level', 'error'] });
  let current: TestServer = await start();
  return {
    server: () => current,
    /** Resolves when it is ready again. */
    kill: async () => {
      await current.stop('SIGKILL');
      current = await start();
    },
    workerPid: async (role: 'origin' | 'edge'): Promise<number> => {
      const answer = await fetch(`${current.origin}/api/debug`, {
        headers: { authorization: `Bearer ${current.studioKey}` },
      });
      const { nodes } = debugSnapshot.parse(await answer.json());
      const found = nodes.find((node) => node.role === role && (role === 'origin' || node.viewers > 0));
      if (!found) throw new Error(`There is no ${role} node.`);
      return found.detail.workerPid;
    },
    close: async () => {
      await current.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
};

// --- Looking at the screens ------------------------------------------------------------------------------------------------

const clearScreens = async (fans: readonly Fan[]) => {
  await clearSeen(fans.map(({ page }) => page));
  await Promise.all(fans.map(({ page }) => page.evaluate(() => window.wholeScreen.clear())));
};

/** Resolves when what the camera captured after `sinceMs` is on every screen, and stays there. */
const liveAgain = (fans: readonly Fan[], sinceMs: number) =>
  Promise.all(
    fans.map(({ page }) =>
      page.waitForFunction(
        (since) => {
          const last = window.rehearsal.frames.slice(-3);
          const programInFront = window.wholeScreen.pictures.at(-1)?.from === 'program';
          return (
            programInFront &&
            last.length === 3 &&
            last.every(({ capturedMs }) => capturedMs !== null && capturedMs > since)
          );
        },
        sinceMs,
        { polling: 50, timeout: giveUpMs },
      ),
    ),
  );

const shownOn = ({ page }: Fan) =>
  page.evaluate(() => {
    const { pictures, looks, black } = window.wholeScreen;
    return { pictures: [...pictures], looks, black, navigatedMs: window.rehearsal.navigatedMs };
  });

/** A picture that old is a frozen camera's; a pause between pictures that long is seen as one. */
const staleMs = 2_000;
const pauseMs = 400;

/** When the last pause in the live picture ended, epoch ms; null without one after `sinceMs`. */
const endOfInterruption = (frames: readonly SeenFrame[], sinceMs: number): number | null => {
  const live = frames.filter(({ atMs, capturedMs }) => capturedMs !== null && atMs - capturedMs < staleMs);
  const ends = live.flatMap(({ atMs }, index) => {
    const before = live[index - 1]?.atMs ?? atMs;
    return atMs > sinceMs && atMs - before > pauseMs ? [atMs] : [];
  });
  return ends.at(-1) ?? null;
};

const judge = async (fan: Fan, beganMs: number, healedMs: number): Promise<Omit<Run, 'lostHolds'>> => {
  const { pictures, looks, black } = await shownOn(fan);
  if (looks === 0) throw new Error(`Nobody has looked at ${fan.name}’s screen.`);
  const times = pictures.map(({ atMs }) => atMs);
  const gapMs = times.reduce((worst, atMs, index) => Math.max(worst, atMs - (times[index - 1] ?? atMs)), 0);
  const interrupted = endOfInterruption(await framesOf(fan.page), beganMs);
  const ownClip = pictures.find(({ atMs, from }) => from === 'standby' && atMs >= beganMs);
  return {
    gapMs,
    backMs: interrupted === null ? 0 : Math.max(0, interrupted - healedMs),
    ownClipMs: ownClip ? ownClip.atMs - beganMs : null,
    blackFrames: black,
  };
};

const worstOf = (runs: readonly Omit<Run, 'lostHolds'>[]): Omit<Run, 'lostHolds'> => ({
  gapMs: Math.max(...runs.map(({ gapMs }) => gapMs)),
  backMs: Math.max(...runs.map(({ backMs }) => backMs)),
  ownClipMs: runs.reduce<number | null>(
    (worst, { ownClipMs }) => (ownClipMs === null ? worst : Math.max(worst ?? 0, ownClipMs)),
    null,
  ),
  blackFrames: runs.reduce((sum, { blackFrames }) => sum + blackFrames, 0),
});

const summary = (runs: readonly Run[]): Result => ({
  ...worstOf(runs),
  lostHolds: runs.reduce((sum, { lostHolds }) => sum + lostHolds, 0),
  gapMs: at(
    runs.map(({ gapMs }) => gapMs),
    0.5,
  ),
  backMs: at(
    runs.map(({ backMs }) => backMs),
    0.5,
  ),
  gapMaxMs: Math.max(...runs.map(({ gapMs }) => gapMs)),
  runs: runs.length,
});

const endure = async (failure: Failure, fans: readonly Fan[], server: () => TestServer): Promise<Result> => {
  const runs: Run[] = [];
  for (let n = 0; n < failure.runs; n += 1) {
    await liveAgain(fans, Date.now());
    await observe(2_000);
    const held = await holdOnePiece(server().origin, server().showId);
    await clearScreens(fans);
    await observe(500);
    const beganMs = Date.now();
    const healedMs = await failure.happen();
    await liveAgain(fans, healedMs);
    await observe(1_000);
    const seen = worstOf(await Promise.all(fans.map((fan) => judge(fan, beganMs, healedMs))));
    runs.push({ ...seen, lostHolds: await held.lost(server().origin) });
  }
  return summary(runs);
};

// --- The evening -----------------------------------------------------------------------------------------------------------

const chaos = async (closers: (() => Promise<unknown>)[]): Promise<Map<FailureName, Result>> => {
  const supervisor = await supervise();
  closers.push(() => supervisor.close());
  const browser = await launchBrowser();
  closers.push(() => browser.close());
  const profile = mkdtempSync(join(tmpdir(), 'live-drop-chaos-studio-'));
  closers.push(() => Promise.resolve(rmSync(profile, { recursive: true, force: true })));
  let studio = await openStudio(profile, supervisor.server().studioUrl);
  closers.push(() => studio.context.close());
  await setUpShow(studio.page);
  await studio.page.getByRole('button', { name: 'Go live' }).click();
  await studio.page.getByRole('button', { name: /^End/ }).waitFor();

  const path = await openWeakPath(supervisor.server().origin);
  closers.push(() => path.close());
  const watchUrl = (origin: string) => `${origin}/watch/${supervisor.server().showId}`;
  const near: Fan = {
    name: 'The fan nearby',
    page: await openViewer(browser, watchUrl(supervisor.server().origin), async (context) => {
      await context.addInitScript(installWholeScreen, wholeScreenEveryMs);
    }),
  };
  const far: Fan = {
    name: 'The fan on a weak path',
    page: await openViewer(browser, watchUrl(path.origin), async (context) => {
      await path.install(context);
      await context.addInitScript(installWholeScreen, wholeScreenEveryMs);
    }),
  };
  const everybody = [near, far];
  await Promise.all(everybody.map(({ page }) => onScreen(page, 'studio')));
  const navigated = await Promise.all(everybody.map(async (fan) => (await shownOn(fan)).navigatedMs));
  // The page's own clip is fetched quietly a few seconds after the first picture.
  await Promise.all(
    everybody.map(({ page }) =>
      page.waitForFunction(() => {
        const clip = document.querySelector('#standby');
        return clip instanceof HTMLVideoElement && clip.readyState >= 2;
      }),
    ),
  );
  say('the show is live, two fans watch and have their own standby clip');

  const killed = async (role: 'origin' | 'edge') => {
    const pid = await supervisor.workerPid(role);
    const nowMs = Date.now();
    process.kill(pid, 'SIGKILL');
    return nowMs;
  };
  const cutFor = async (durationMs: number) => {
    path.cut();
    await observe(durationMs);
    path.mend();
    return Date.now();
  };
  const weatherFor = async (weather: Weather) => {
    path.setWeather(weather);
    await observe(10_000);
    path.setWeather({});
    return Date.now();
  };
  const workerGoal = ({ gapMs, gapMaxMs }: Result) => ({
    words: 'gap ≤ 400 ms, never over 1 s',
    met: gapMs <= 400 && gapMaxMs <= 1_000,
  });
  const pathGoal = ({ backMs }: Result) => ({ words: 'back ≤ 150 ms', met: backMs <= 150 });

  const failures: readonly Failure[] = [
    {
      name: 'cameraFrozen',
      what: 'the camera’s picture stands still for 4 s',
      runs: 1,
      fans: 'all',
      goal: () => null,
      happen: async () => {
        await studio.page.evaluate(() => window.rehearsalCameras?.[0]?.set('frozen'));
        await observe(4_000);
        await studio.page.evaluate(() => window.rehearsalCameras?.[0]?.set('running'));
        return Date.now();
      },
    },
    {
      name: 'cameraEnded',
      what: 'the camera’s cable is pulled and put back',
      runs: 1,
      fans: 'all',
      goal: () => null,
      happen: async () => {
        const nowMs = Date.now();
        await studio.page.evaluate(() => window.rehearsalCameras?.[0]?.end());
        return nowMs;
      },
    },
    {
      name: 'studioKilled',
      what: 'the studio is killed, opened again and resumes',
      runs: 1,
      fans: 'all',
      goal: ({ gapMs }) => ({ words: 'gap ≤ 400 ms', met: gapMs <= 400 }),
      happen: async () => {
        process.kill(studio.pid, 'SIGKILL');
        await Promise.all(everybody.map(({ page }) => onScreen(page, 'standby')));
        studio = await openStudio(profile, supervisor.server().studioUrl);
        const resume = studio.page.locator('[aria-label="Resume the show"] button:not([disabled])');
        await resume.waitFor();
        const nowMs = Date.now();
        await resume.click();
        return nowMs;
      },
    },
    {
      name: 'originWorkerKilled',
      what: 'the media worker that takes the studio’s program is killed',
      runs: 3,
      fans: 'all',
      goal: workerGoal,
      happen: () => killed('origin'),
    },
    {
      name: 'edgeWorkerKilled',
      what: 'the media worker that serves the fans is killed',
      runs: 3,
      fans: 'all',
      goal: workerGoal,
      happen: () => killed('edge'),
    },
    {
      name: 'serverKilled',
      what: 'the whole server is killed, its supervisor starts it again',
      runs: 1,
      fans: 'all',
      goal: ({ backMs, ownClipMs, gapMs }) => ({
        words: 'back ≤ 5 s, a moving picture within 2.5 s',
        met: backMs <= 5_000 && gapMs <= 2_500 && (ownClipMs ?? 0) <= 2_500,
      }),
      happen: async () => {
        const nowMs = Date.now();
        await supervisor.kill();
        return nowMs;
      },
    },
    {
      name: 'pathCut3s',
      what: 'a fan’s network is gone for 3 s',
      runs: 3,
      fans: 'onWeakPath',
      goal: pathGoal,
      happen: () => cutFor(3_000),
    },
    {
      name: 'pathCut15s',
      what: 'a fan’s network is gone for 15 s',
      runs: 1,
      fans: 'onWeakPath',
      goal: pathGoal,
      happen: () => cutFor(15_000),
    },
    {
      name: 'loss5pct',
      what: 'a fan’s network loses 5 % of all packets',
      runs: 1,
      fans: 'onWeakPath',
      goal: () => null,
      happen: () => weatherFor({ lossPct: 5 }),
    },
    {
      name: 'jitter100ms',
      what: 'a fan’s network delays packets by up to 100 ms',
      runs: 1,
      fans: 'onWeakPath',
      goal: () => null,
      happen: () => weatherFor({ jitterMs: 100 }),
    },
    {
      name: 'kbps400',
      what: 'a fan’s network carries 400 kbit/s',
      runs: 1,
      fans: 'onWeakPath',
      goal: () => null,
      happen: () => weatherFor({ kbps: 400 }),
    },
  ];

  const results = new Map<FailureName, Result>();
  for (const failure of failures) {
    if (settings.only && settings.only !== failure.name) continue;
    const fans = failure.fans === 'all' ? everybody : [far];
    const result = await endure(failure, fans, supervisor.server);
    results.set(failure.name, result);
    report(failure, result);
    for (const [index, fan] of everybody.entries()) {
      const { navigatedMs } = await shownOn(fan);
      if (navigatedMs !== navigated[index]) throw new Error(`${fan.name} has loaded the page again.`);
    }
  }
  return results;
};

const report = ({ what, goal }: Failure, result: Result) => {
  const met = goal(result);
  const gap =
    result.runs > 1
      ? `${rounded(result.gapMs)} (most ${rounded(result.gapMaxMs)})`
      : `${rounded(result.gapMs)}`;
  const parts = [
    `longest gap ${gap} ms`,
    `back after ${rounded(result.backMs)} ms`,
    ...(result.ownClipMs === null ? [] : [`own clip after ${rounded(result.ownClipMs)} ms`]),
    ...(result.blackFrames > 0 ? [`${result.blackFrames} black`] : []),
    ...(met ? [`${met.met ? '✓' : '✗'} ${met.words}`] : []),
  ];
  say(`${what}: ${parts.join(', ')}`);
};

const print = (results: ReadonlyMap<FailureName, Result>) => {
  const head = ['failure', 'gap ms', 'most ms', 'back ms', 'own clip ms', 'black', 'lost holds'];
  const rows = [...results].map(([name, result]) => [
    name,
    String(rounded(result.gapMs)),
    String(rounded(result.gapMaxMs)),
    String(rounded(result.backMs)),
    result.ownClipMs === null ? '–' : String(rounded(result.ownClipMs)),
    String(result.blackFrames),
    String(result.lostHolds),
  ]);
  const width = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  console.log();
  for (const row of [head, ...rows]) {
    console.log(
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(width[0] ?? 0) : cell.padStart(width[column] ?? 0),
        )
        .join('  '),
    );
  }
};

const closers: (() => Promise<unknown>)[] = [];
try {
  const results = await chaos(closers);
  print(results);
  if (settings.json) {
    const json = Object.fromEntries(
      [...results].map(([name, result]) => [
        name,
        {
          ...result,
          gapMs: rounded(result.gapMs),
          gapMaxMs: rounded(result.gapMaxMs),
          backMs: rounded(result.backMs),
          ownClipMs: result.ownClipMs === null ? null : rounded(result.ownClipMs),
        },
      ]),
    );
    writeFileSync(settings.json, `${JSON.stringify(json, null, 2)}\n`);
  }
  const black = [...results].filter(([, { blackFrames }]) => blackFrames > 0);
  const lost = [...results].filter(([, { lostHolds }]) => lostHolds > 0);
  for (const [name] of black) console.error(`A black picture was seen: ${name}.`);
  for (const [name] of lost) console.error(`A hold was lost: ${name}.`);
  if (black.length + lost.length > 0) process.exitCode = 1;
} catch (error) {
  console.error('The show did not survive:', error);
  process.exitCode = 1;
} finally {
  for (const close of closers.toReversed()) await close().catch((error: unknown) => console.error(error));
}
