// A whole show by a script, ten minutes long, with an account of every frame and every sample: painted by a camera, composed,
// encoded, received, on a fan's screen, in the recording. `npm run show [-- --minutes 10] [--json FILE]`. Fails when fans saw
// black or nothing new for too long, when frames are missing that no station says it dropped, or when something grows.
// Measures only; the product does not know it is watched. What is played is running-order.ts, what is counted accounts.ts.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import * as z from 'zod';
import { launchBrowser } from '../tests/support/browser.ts';
import { joinStudio } from '../tests/support/client.ts';
import { startServer, type TestServer } from '../tests/support/server.ts';
import { flow, framesRead, look, sum, type Flow, type Found, type Moment } from './rehearsal/accounts.ts';
import { installCounters, rtcStats, studioTotals } from './rehearsal/counters.ts';
import { bars, lowerBars } from './rehearsal/devices.ts';
import { printLines, type Line } from './rehearsal/lines.ts';
import { watchMemory } from './rehearsal/memory.ts';
import { openStudio, openViewer, withTwoCameras } from './rehearsal/people.ts';
import { readRecording, type Recorded } from './rehearsal/recorded.ts';
import { playShow, setUpDesk } from './rehearsal/running-order.ts';
import { framesOf, longestGap, observe, onScreen, rounded, say } from './rehearsal/screens.ts';
import { installProbe, type Captured, type SeenFrame } from './rehearsal/probe.ts';
import { installWholeScreen, wholeScreenEveryMs } from './rehearsal/whole-screen.ts';

const { values: flags } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, json: { type: 'string' } },
});
const settings = z
  .object({ minutes: z.coerce.number().min(1).max(600), json: z.string().optional() })
  .parse(flags);

/** What a show may cost, wherever it runs. */
const budgets = {
  /** Without anything new on a fan's screen: shorter than what people call a freeze. */
  gapMs: 500,
  /** Of all frames, missing from one station to the next without either saying so. */
  unexplainedPct: 1,
  /** Of what a camera painted while it filled the program, missing in the end, whatever the reason: two busy cores drop some. */
  lostPct: 10,
  /** Of the mixer's time against the clock's, and of sound packets against time. */
  soundPct: 0.5,
  /** Of the samples a fan heard, made up because none had come in time. */
  concealedPct: 2,
  /** Of a recording: its sound is that much longer or shorter than its picture. */
  recordedApartMs: 150,
  heapGrowthMb: 20,
  openFrames: 20,
} as const;

/** Frames on their way at each end of a count. */
const onTheWay = 12;

/** What is for sale, as the director made it before the doors opened. */
const stockShop = async (server: TestServer) => {
  const director = await joinStudio(server.origin, server.studioKey);
  const { channel } = director;
  const { productId } = await channel.call('saveProduct', {
    draft: {
      kind: 'physical',
      id: null,
      name: 'Night tee',
      description: 'Printed tonight.',
      priceMinor: 2_500,
      vatNote: '',
      maxPerBuyer: null,
      selling: 'open',
      pictureUrl: null,
      variants: [{ id: null, name: 'Plain', sku: 'TEE', priceMinor: null, stockTotal: 900 }],
    },
  });
  await channel.call('featureProduct', { productId });
  await channel.call('saveDrop', {
    draft: {
      id: null,
      name: 'Midnight',
      items: [{ productId, quantity: null, priceMinor: 2_000, flash: null, collector: null }],
      lengthMs: 1_200_000,
      earlyAccessMs: null,
    },
  });
  director.close();
};

const momentOf = async (studio: Page, fan: Page): Promise<Moment> => {
  // The compositor reports once a second: everything else is read at that moment.
  const totals = await studioTotals(studio);
  const [sent, received, presented] = await Promise.all([
    rtcStats(studio),
    rtcStats(fan),
    fan.evaluate(() => window.rehearsal.presented),
  ]);
  return { atMs: totals.picture.atMs, totals, sent, received, presented };
};

type Account = {
  show: Flow;
  /** Only while the studio, not the standby clip, was what fans got. */
  onAir: Flow;
  onScreen: Found;
  inRecording: Found;
  recorded: Recorded;
  /** While it was counted; and how many of them the compositor took out of the cameras' tracks. */
  painted: number[];
  read: number;
  notTaken: number[];
  /** Pictures on the fan's screen in which no camera could be read though one filled the program: the standby clip, or blurred. */
  unreadable: number;
  /** Pictures on the fan's screen that the probe looked at. */
  lookedAt: number;
  presented: number;
  longestGapMs: number;
  black: number;
  looks: number;
  heapMb: { before: number; after: number };
  openFrames: number;
  unclosedFrames: number;
};

/** The studio's own recording of the show that has ended, as a director would take it along. */
const takeRecording = async (studio: Page, folder: string): Promise<string> => {
  await studio.getByRole('tab', { name: 'Recording' }).click();
  await studio.getByRole('button', { name: 'Recordings' }).click();
  const downloads = studio.getByRole('button', { name: /^Download: .*Program$/ });
  await downloads.first().waitFor();
  const parts = await downloads.count();
  if (parts !== 1) throw new Error(`The recording is in ${parts} parts: it was interrupted.`);
  const coming = studio.waitForEvent('download');
  await downloads.first().click();
  const path = join(folder, 'program.mp4');
  await (await coming).saveAs(path);
  return path;
};

const capturedOf = (frames: readonly SeenFrame[]): Captured[] =>
  frames.flatMap(({ camera, capturedMs }) =>
    camera === null || capturedMs === null ? [] : [{ camera, capturedMs }],
  );

const run = async (server: TestServer, browser: Browser, folder: string): Promise<Account> => {
  await stockShop(server);
  const counted = async (context: BrowserContext) => {
    await context.addInitScript(installCounters);
  };
  const studio = await openStudio(join(folder, 'profile'), server.studioUrl, counted, withTwoCameras);
  try {
    const { page } = studio;
    page.setDefaultTimeout(60_000);
    const memory = await watchMemory(page);
    await setUpDesk(page);
    await page.getByRole('button', { name: 'Go live' }).click();
    await page.getByRole('button', { name: /^End/ }).waitFor();
    const fan = await openViewer(browser, server.viewerUrl, async (context) => {
      await counted(context);
      await context.addInitScript(installWholeScreen, wholeScreenEveryMs);
    });
    fan.setDefaultTimeout(60_000);
    await onScreen(fan, 'studio');
    await fan.getByRole('button', { name: /sound/i }).first().click();
    await observe(5_000);
    const heapBefore = await memory.heapMb();
    say(`the show is live; ${settings.minutes} minutes begin`);

    const first = await momentOf(page, fan);
    const onAir: Flow[] = [];
    let since: Moment | null = first;
    let openFrames = 0;
    const takeMoment = async () => {
      const now = await momentOf(page, fan);
      openFrames = Math.max(openFrames, now.totals.picture.openFrames);
      return now;
    };
    const stretches = await playShow(
      {
        studio: page,
        fan,
        browser,
        origin: server.origin,
        showId: server.showId,
        standby: async (is) => {
          const now = await takeMoment();
          if (is === 'coming' && since) onAir.push(flow(since, now));
          since = is === 'coming' ? null : now;
        },
      },
      performance.now() + settings.minutes * 60_000,
    );
    const last = await takeMoment();
    if (since) onAir.push(flow(since, last));
    const frames = await framesOf(fan);
    const screen = await fan.evaluate(() => ({
      black: window.wholeScreen.black,
      looks: window.wholeScreen.looks,
    }));
    const heapAfter = await memory.heapMb();
    // The cameras say what they painted a second later.
    await observe(1_500);
    const cameras = await page.evaluate(() =>
      (window.rehearsalCameras ?? []).map(({ paintedMs, notTaken }) => ({ paintedMs, notTaken })),
    );
    await page.keyboard.press('Shift+E');
    await page.keyboard.press('Shift+E');
    await fan.getByText(/ended/i).first().waitFor();
    say('the show has ended');
    const file = await takeRecording(page, folder);
    await fan.context().close();
    const reader = await openReader(browser, server);
    const recorded = await readRecording(file, reader);
    await reader.context().close();
    say('the recording is read');
    const painted = cameras.map(({ paintedMs }) => paintedMs);
    const during = ({ atMs }: Moment, then: Moment) =>
      painted.map((times) => times.filter((each) => each >= atMs && each <= then.atMs).length);
    const sources = Object.keys(first.totals.picture.read);
    const forFans = stretches.filter(({ fans }) => fans);
    return {
      show: flow(first, last),
      onAir: sum(onAir),
      onScreen: look(painted, forFans, capturedOf(frames)),
      inRecording: look(painted, stretches, recorded.seen),
      recorded,
      painted: during(first, last),
      read: framesRead(first, last, sources),
      notTaken: cameras.map(({ notTaken }) => notTaken),
      unreadable: frames.filter(
        ({ atMs, camera }) =>
          camera === null && forFans.some(({ fromMs, toMs }) => atMs > fromMs + 1_000 && atMs < toMs),
      ).length,
      lookedAt: frames.length,
      presented: last.presented,
      longestGapMs: longestGap(frames),
      ...screen,
      heapMb: { before: heapBefore, after: heapAfter },
      openFrames,
      unclosedFrames: memory.unclosedFrames(),
    };
  } finally {
    await studio.context.close();
  }
};

/** A page with nothing but the probe, which reads pictures of a file. */
const openReader = async (browser: Browser, server: TestServer): Promise<Page> => {
  const context = await browser.newContext();
  await context.addInitScript(installProbe, [bars, lowerBars]);
  const page = await context.newPage();
  await page.goto(`${server.origin}/healthz`);
  return page;
};

// --- The books -------------------------------------------------------------------------------------------------------------

const share = (part: number, whole: number): number => (whole > 0 ? (part / whole) * 100 : 0);
const pct = (value: number): string => `${rounded(value)} %`;

const judge = (account: Account): Line[] => {
  const { show, onAir, onScreen: screen, inRecording, recorded, heapMb } = account;
  /** What one station gave and the next did not get, less what either says it dropped, and what may just be on its way. */
  const hop = (name: string, given: number, got: number, whole: number): Line => {
    const missing = given - got;
    const met = share(Math.max(0, missing - onTheWay), whole) <= budgets.unexplainedPct;
    // More than was given: the server fell to the standby clip by itself for a moment.
    const note = missing < 0 ? `${-missing} not the studio’s` : `${missing} unexplained`;
    return { name, value: String(got), note: `${note}, ≤ ${budgets.unexplainedPct} %`, met };
  };
  const limit = (name: string, value: number, most: number, unit: string): Line => ({
    name,
    value: `${rounded(value)} ${unit}`,
    note: `≤ ${most} ${unit}`,
    met: value <= most,
  });
  /** `said`: what stations on the way say themselves that they left out. */
  const found = (name: string, { painted, lost, lostPct, longestLoss }: Found, said: number): Line[] => {
    const unexplained = share(Math.max(0, lost - said - onTheWay), painted);
    const longest =
      lost > 0 ? `, at most ${Math.round(longestLoss.ms)} ms in a row in “${longestLoss.during}”` : '';
    return [
      {
        name,
        value: `${painted - lost} of ${painted}`,
        note: `${lost} lost (${pct(lostPct)}${longest}), ≤ ${budgets.lostPct} %`,
        met: lostPct <= budgets.lostPct,
      },
      {
        name: '  of the lost, said by nobody',
        value: pct(unexplained),
        note: `≤ ${budgets.unexplainedPct} %`,
        met: unexplained <= budgets.unexplainedPct,
      },
    ];
  };
  const paintedInAll = account.painted.reduce((sum, one) => sum + one, 0);
  const notRead = paintedInAll - account.read;
  const leftOutBefore = notRead + show.dropped;
  const leftOutAfter =
    show.toEncoder -
    show.encoded +
    onAir.decoderDropped +
    (account.presented - account.lookedAt) +
    account.unreadable;
  const mixed = share(Math.abs(show.mixWallMs - show.mixedMs - show.mixSkippedMs), show.mixWallMs);
  /** A packet holds 20 ms. What the mixer said it left out cannot have been sent. */
  const packets = (show.seconds * 1000 - show.mixSkippedMs - show.droppedBlocks * 10) / 20;
  return [
    {
      name: 'painted by the cameras',
      value: account.painted.join(' + '),
      note: `${account.notTaken.join(' + ')} nobody had room for`,
    },
    {
      name: 'taken out of their tracks',
      value: String(account.read),
      note: `${notRead} replaced by a later one while the compositor was busy`,
    },
    {
      name: 'composed',
      value: String(show.composed),
      note: `${show.repeats} of them repeats, ${show.late} late, ${show.dropped} dropped`,
    },
    hop('given to the encoder', show.composed - show.dropped, show.toEncoder, show.composed),
    {
      name: 'encoded',
      value: String(show.encoded),
      note: `${show.toEncoder - show.encoded} left out by the encoder`,
    },
    {
      name: 'encoded while on air',
      value: String(onAir.encoded),
      note: `${onAir.encodedForFan} of them in the size the fan gets`,
    },
    hop('received by the fan', onAir.encodedForFan, onAir.received, onAir.encoded),
    hop('decoded', onAir.received - onAir.decoderDropped, onAir.decoded, onAir.encoded),
    {
      name: 'put on the screen',
      value: String(onAir.presented),
      note: `${onAir.decoderDropped} dropped; of ${account.presented} in all, the standby clip's too, ${account.lookedAt} were looked at`,
    },
    {
      name: 'standby, or not readable',
      value: `${account.unreadable} pictures`,
      note: 'on the fan’s screen while a camera filled the program',
    },
    ...found('painted → on the fan’s screen', screen, leftOutBefore + leftOutAfter),
    ...found('painted → in the recording', inRecording, leftOutBefore),
    limit('longest without a new picture', account.longestGapMs, budgets.gapMs, 'ms'),
    {
      name: 'black',
      value: `${account.black} of ${account.looks} looks`,
      note: '0',
      met: account.black === 0,
    },
    {
      name: 'mixed',
      value: `${Math.round(show.mixedMs * 48)} samples in ${rounded(show.mixWallMs / 1000)} s`,
      note: `${show.mixSkippedMs} ms skipped, ${pct(mixed)} unexplained, ≤ ${budgets.soundPct} %`,
      met: mixed <= budgets.soundPct,
    },
    {
      name: 'program sound not taken from the mixer',
      value: `${show.droppedBlocks} blocks of 10 ms`,
      note: `inputs ran dry ${show.underruns} times`,
    },
    {
      name: 'sound given to the encoder',
      value: `${rounded(show.soundToEncoderMs / 1000)} s`,
      note: `of ${rounded(show.seconds)} s`,
    },
    {
      name: 'sound packets sent',
      value: String(show.soundPacketsSent),
      note: `of ${Math.round(packets)}: 50 a second less what was left out, ± ${budgets.soundPct} %`,
      met: share(Math.abs(packets - show.soundPacketsSent), packets) <= budgets.soundPct,
    },
    {
      name: 'sound packets received on air',
      value: String(onAir.soundPacketsReceived),
      note: `of ${onAir.soundPacketsSent}, ${onAir.soundPacketsLost} lost`,
      met:
        share(
          Math.max(0, onAir.soundPacketsSent - onAir.soundPacketsReceived - onTheWay),
          onAir.soundPacketsSent,
        ) <= budgets.unexplainedPct,
    },
    {
      name: 'samples played on air',
      value: String(onAir.playedSamples),
      note: `${onAir.stretchedSamples} stretched or squeezed`,
    },
    limit('concealed of them', share(onAir.concealedSamples, onAir.playedSamples), budgets.concealedPct, '%'),
    {
      name: 'recorded',
      value: `${recorded.pictures} pictures in ${rounded(recorded.pictureMs / 1000)} s`,
      note: `longest gap ${Math.round(recorded.longestGapMs)} ms`,
    },
    limit(
      'recorded sound against picture',
      Math.abs(recorded.soundMs - recorded.pictureMs),
      budgets.recordedApartMs,
      'ms',
    ),
    {
      name: 'the studio page’s heap',
      value: `${heapMb.before} → ${heapMb.after} MB`,
      note: `+ ${budgets.heapGrowthMb} MB at most`,
      met: heapMb.after - heapMb.before <= budgets.heapGrowthMb,
    },
    limit('frames open at once', account.openFrames, budgets.openFrames, 'frames'),
    limit('frames never closed', account.unclosedFrames, 0, 'frames'),
  ];
};

const folder = mkdtempSync(join(tmpdir(), 'live-drop-show-'));
const server = await startServer({ args: ['--log-level', 'warn'] });
const browser = await launchBrowser();
try {
  const account = await run(server, browser, folder);
  const lines = judge(account);
  printLines(lines);
  if (settings.json) {
    const { recorded, ...rest } = account;
    const { seen, ...file } = recorded;
    const report = {
      minutes: settings.minutes,
      budgets,
      ...rest,
      recorded: { ...file, readable: seen.length },
    };
    writeFileSync(settings.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  const unmet = lines.filter(({ met }) => met === false);
  if (unmet.length > 0) process.exitCode = 1;
  else say('✓ every frame and every sample is accounted for');
} catch (error) {
  console.error('The show stopped:', error);
  const log = server.log();
  if (log) console.error(`The server said:\n${log}`);
  process.exitCode = 1;
} finally {
  await browser.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
