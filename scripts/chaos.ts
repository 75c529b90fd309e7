// Chaos: a show is on the air, and each of its parts is killed or cut in turn while fans watch. Measured on their screens.
// `npm run chaos [-- --json FILE] [--only NAME,NAME] [--codec H264]`. Fails on a black picture, a lost hold, or a page that would
// have needed a reload. What a failure is and how it is healed is here; what it did is judged in rehearsal/damage.ts.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import * as z from 'zod';
import { launchBrowser } from '../tests/support/browser.ts';
import { startServer, type TestServer } from '../tests/support/server.ts';
import { openWeakPath, type WeakPath, type Weather } from '../tests/support/weak-path.ts';
import { holdOnePiece } from './rehearsal/buyer.ts';
import { lowerBars } from './rehearsal/devices.ts';
import {
  chaosFile,
  damageTo,
  summary,
  verdict,
  worstOf,
  type Damage,
  type Result,
  type Run,
} from './rehearsal/damage.ts';
import { inviteGuest, openStudio, openViewer, setUpShow, type CoHost } from './rehearsal/people.ts';
import { clearSeen, framesOf, observe, onScreen, rounded, say } from './rehearsal/screens.ts';
import { installWholeScreen, wholeScreenEveryMs } from './rehearsal/whole-screen.ts';

const failureNames = [
  'cameraFrozen',
  'cameraEnded',
  'coHostKilled',
  'coHostCut3s',
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
    only: z
      .string()
      .transform((names) => names.split(','))
      .pipe(z.array(z.enum(failureNames, { error: `--only takes some of ${failureNames.join(', ')}` })))
      .optional(),
    codec: z.enum(['VP8', 'H264']),
  })
  .parse(flags);

/** A viewer's page as the failures see it; `name` for the messages. */
type Fan = { name: string; page: Page };

/** What happens, which fans are concerned, and from when on the live picture is waited for (epoch ms). */
type Failure = {
  name: FailureName;
  what: string;
  runs: number;
  fans: 'all' | 'onWeakPath';
  /** Whose picture is waited for, by the number of the camera; any where it is left out. */
  camera?: number;
  /** What has to be there first; resolves with what puts it away again. */
  prepare?: () => Promise<() => Promise<void>>;
  goal: (result: Result) => { words: string; met: boolean } | null;
  happen: () => Promise<number>;
};

const giveUpMs = 60_000;

const debugSnapshot = z.object({
  placement: z.object({ pipes: z.array(z.object({ open: z.boolean() })) }),
  nodes: z.array(
    z.object({
      role: z.string(),
      viewers: z.number(),
      detail: z.object({ workerPid: z.number(), rtcPort: z.number() }),
    }),
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
  const debug = async () => {
    const headers = { authorization: `Bearer ${current.studioKey}` };
    const answer = await fetch(`${current.origin}/api/debug`, { headers });
    return debugSnapshot.parse(await answer.json());
  };
  return {
    server: () => current,
    /** Resolves when it is ready again. */
    kill: async () => {
      await current.stop('SIGKILL');
      current = await start();
    },
    workerPid: async (role: 'origin' | 'edge'): Promise<number> => {
      const { nodes } = await debug();
      const found = nodes.find((node) => node.role === role && (role === 'origin' || node.viewers > 0));
      if (!found) throw new Error(`There is no ${role} node.`);
      return found.detail.workerPid;
    },
    /** Resolves when every part is played and the spare is joined to the others; with the ports for media. */
    whole: async (): Promise<number[]> => {
      for (const untilMs = Date.now() + giveUpMs; Date.now() < untilMs; await observe(200)) {
        const { nodes, placement } = await debug();
        const roles = new Set(nodes.map(({ role }) => role));
        if (roles.size === 3 && placement.pipes.length === 3 && placement.pipes.every(({ open }) => open))
          return nodes.map(({ detail }) => detail.rtcPort);
      }
      throw new Error('The media nodes are not all back and joined.');
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

/** Resolves when what the camera captured after `sinceMs` is on every screen, and stays there; with the fans who wait in vain. */
const notLive = async (fans: readonly Fan[], sinceMs: number, camera?: number): Promise<Fan[]> => {
  const looks = await Promise.allSettled(
    fans.map(({ page }) =>
      page.waitForFunction(
        ({ since, wanted }) => {
          const last = window.rehearsal.frames.slice(-3);
          const programInFront = window.wholeScreen.pictures.at(-1)?.from === 'program';
          return (
            programInFront &&
            last.length === 3 &&
            last.every(({ capturedMs }) => capturedMs !== null && capturedMs > since) &&
            last.every((frame) => wanted === undefined || frame.camera === wanted)
          );
        },
        { since: sinceMs, wanted: camera },
        { polling: 50, timeout: giveUpMs },
      ),
    ),
  );
  return fans.filter((_, index) => looks[index]?.status === 'rejected');
};

const shownOn = ({ page }: Fan) =>
  page.evaluate(() => {
    const { pictures, looks, black } = window.wholeScreen;
    return { pictures: [...pictures], looks, black, navigatedMs: window.rehearsal.navigatedMs };
  });

const judge = async (
  fan: Fan,
  when: { beganMs: number; healedMs: number },
  camera?: number,
): Promise<Damage> => {
  const shown = await shownOn(fan);
  if (shown.looks === 0) throw new Error(`Nobody has looked at ${fan.name}’s screen.`);
  const frames = await framesOf(fan.page);
  const waitedFor = frames.filter((frame) => camera === undefined || frame.camera === camera);
  return damageTo(shown, waitedFor, when);
};

const namesOf = (fans: readonly (Fan | null)[]) => fans.flatMap((fan) => fan?.name ?? []);

type Scene = { fans: readonly Fan[]; server: () => TestServer; settle: () => Promise<void> };

const endure = async (failure: Failure, { fans, server, settle }: Scene): Promise<Result> => {
  const runs: Run[] = [];
  for (let n = 0; n < failure.runs; n += 1) {
    await settle();
    const missing = namesOf(await notLive(fans, Date.now(), failure.camera));
    if (missing.length > 0) throw new Error(`There is no live picture to begin with: ${missing.join(', ')}.`);
    await observe(2_000);
    const held = await holdOnePiece(server().origin, server().showId);
    await clearScreens(fans);
    const loadedMs = await Promise.all(fans.map(async (fan) => (await shownOn(fan)).navigatedMs));
    await observe(500);
    const beganMs = Date.now();
    const healedMs = await failure.happen();
    const stuck = await notLive(fans, healedMs, failure.camera);
    await observe(1_000);
    const seen = worstOf(
      await Promise.all(fans.map((fan) => judge(fan, { beganMs, healedMs }, failure.camera))),
    );
    const loadedAgain = await Promise.all(
      fans.map(async (fan, index) => ((await shownOn(fan)).navigatedMs === loadedMs[index] ? null : fan)),
    );
    const reloads = namesOf([...stuck, ...loadedAgain]);
    runs.push({ ...seen, lostHolds: await held.lost(server().origin), reloads });
    // As the fan would do; what comes next is judged by itself.
    await Promise.all(stuck.map(({ page }) => page.reload()));
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

  const settle = async () => {
    const ports = await supervisor.whole();
    // A relay opened on the way back would be time that only this script takes.
    await far.page.evaluate((all) => Promise.all(all.map((port) => window.knownRelay(port))), ports);
  };
  const killed = async (role: 'origin' | 'edge') => {
    const pid = await supervisor.workerPid(role);
    const nowMs = Date.now();
    process.kill(pid, 'SIGKILL');
    return nowMs;
  };
  const cutFor = async (durationMs: number, cut: WeakPath = path) => {
    cut.cut();
    await observe(durationMs);
    cut.mend();
    return Date.now();
  };

  const coHostPath = await openWeakPath(supervisor.server().origin);
  closers.push(() => coHostPath.close());
  let coHost: CoHost | undefined;
  /** A co-host fills the program. */
  const takeIn = async () => {
    const { page: desk } = studio;
    coHost = await inviteGuest(desk, browser, 'Ada', {
      origin: coHostPath.origin,
      prepare: (context) => coHostPath.install(context),
      bars: lowerBars,
    });
    const { context } = coHost;
    await desk.getByRole('button', { name: 'Full: Ada' }).click();
    await coHost.page.getByText('ON AIR').first().waitFor();
    return async () => {
      await desk.getByRole('button', { name: 'Take off Ada' }).click();
      await desk.getByRole('button', { name: 'Remove Ada' }).click();
      await desk.getByRole('button', { name: 'Remove for good: Ada' }).click();
      await context.close();
    };
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
      name: 'coHostKilled',
      what: 'a co-host’s page crashes while they fill the program, and is opened again',
      runs: 1,
      fans: 'all',
      camera: 1,
      prepare: takeIn,
      goal: () => null,
      happen: async () => {
        await coHost?.page.goto('chrome://crash').catch(() => undefined);
        await observe(3_000);
        const nowMs = Date.now();
        await coHost?.join();
        return nowMs;
      },
    },
    {
      name: 'coHostCut3s',
      what: 'a co-host’s network is gone for 3 s while they fill the program',
      runs: 1,
      fans: 'all',
      camera: 1,
      prepare: takeIn,
      goal: () => null,
      happen: () => cutFor(3_000, coHostPath),
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
    if (settings.only && !settings.only.includes(failure.name)) continue;
    const fans = failure.fans === 'all' ? everybody : [far];
    const putAway = await failure.prepare?.();
    const result = await endure(failure, { fans, server: supervisor.server, settle });
    results.set(failure.name, result);
    report(failure, result);
    await putAway?.();
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
  if (settings.json) writeFileSync(settings.json, `${JSON.stringify(chaosFile(results), null, 2)}\n`);
  const broken = verdict(results);
  for (const sentence of broken) console.error(sentence);
  if (broken.length > 0) process.exitCode = 1;
} catch (error) {
  console.error('The show did not survive:', error);
  process.exitCode = 1;
} finally {
  for (const close of closers.toReversed()) await close().catch((error: unknown) => console.error(error));
}
