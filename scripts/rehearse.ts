// The rehearsal: the whole job once, unattended, with real parts, measured at the viewers' screens, printed as a table.
// `npm run rehearse [-- --json FILE] [--codec H264] [--seconds 20]`. Measures only; the product does not know it is watched.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { decodeQR } from 'qr/decode.js';
import * as z from 'zod';
import { launchBrowser } from '../tests/support/browser.ts';
import { startServer, type TestServer } from '../tests/support/server.ts';
import { printLines, type Line } from './rehearsal/lines.ts';
import { rehearsalReport, reportLines, type RehearsalReport } from './rehearsal/report.ts';
import { inviteGuest, openStudio, openViewer, recordSale, setUpShow } from './rehearsal/people.ts';
import {
  at,
  avOffsets,
  clearSeen,
  firstFrame,
  framesOf,
  joinMs,
  longestGap,
  observe,
  onScreen,
  rounded,
  say,
} from './rehearsal/screens.ts';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'string' },
    codec: { type: 'string', default: 'VP8' },
    seconds: { type: 'string', default: '20' },
    viewers: { type: 'string', default: '3' },
  },
});
const settings = z
  .object({
    json: z.string().optional(),
    codec: z.enum(['VP8', 'H264']),
    seconds: z.coerce.number().min(5).max(600),
    viewers: z.coerce.number().int().min(1).max(20),
  })
  .parse(flags);

const cpuTicks = () => {
  let busy = 0;
  let all = 0;
  for (const { times } of cpus()) {
    all += times.user + times.nice + times.sys + times.irq + times.idle;
    busy += times.user + times.nice + times.sys + times.irq;
  }
  return { busy, all };
};

// --- Measurements ----------------------------------------------------------------------------------------------------------

const steadyShow = async (viewers: readonly Page[], seconds: number) => {
  await clearSeen(viewers);
  await observe(seconds * 1000);
  const delays: number[] = [];
  const offsets: number[] = [];
  let shown = 0;
  let captured = 0;
  for (const page of viewers) {
    const frames = await framesOf(page);
    const live = frames.flatMap((frame) =>
      frame.capturedMs === null ? [] : [{ ...frame, capturedMs: frame.capturedMs }],
    );
    delays.push(...live.map(({ atMs, capturedMs }) => atMs - capturedMs));
    offsets.push(...avOffsets(frames, await page.evaluate(() => window.rehearsal.beeps)));
    const first = live[0];
    const last = live.at(-1);
    if (!first || !last) throw new Error('A viewer saw nothing of the studio.');
    shown += new Set(live.map(({ capturedMs }) => capturedMs)).size;
    captured += Math.round((last.capturedMs - first.capturedMs) / (1000 / 30)) + 1;
  }
  return { delays, offsets, droppedPct: Math.max(0, (1 - shown / captured) * 100) };
};

const plannedSwitches = async (studio: Page, viewers: readonly Page[], times: number): Promise<number> => {
  let worst = 0;
  for (let n = 0; n < times; n += 1) {
    await clearSeen(viewers);
    await observe(500);
    await studio.keyboard.press('Shift+S');
    const wanted = n % 2 === 0 ? 'standby' : 'studio';
    await Promise.all(viewers.map((page) => onScreen(page, wanted)));
    await observe(1_000);
    for (const page of viewers) worst = Math.max(worst, longestGap(await framesOf(page)));
    // An odd number of switches ends on standby; the studio is brought back unmeasured.
  }
  if (times % 2 === 1) {
    await studio.keyboard.press('Shift+S');
    await Promise.all(viewers.map((page) => onScreen(page, 'studio')));
  }
  return worst;
};

/**
 * As a phone does: looks again until it can read the code, for a few seconds at most. It is made for 360 lines: a machine that was
 * short of breath for a moment gets fewer, and half a minute to get its breath back.
 */
const readQr = async (page: Page): Promise<string> => {
  const beganMs = performance.now();
  let giveUpAt = Infinity;
  for (;;) {
    const { width, height, rgba } = await page.evaluate(() => window.rehearsal.picture());
    const nowMs = performance.now();
    giveUpAt = Math.min(giveUpAt, height >= 360 ? nowMs + 8_000 : beganMs + 30_000);
    try {
      return decodeQR({ width, height, data: new Uint8ClampedArray(Buffer.from(rgba, 'base64')) });
    } catch (error) {
      if (performance.now() > giveUpAt) {
        await page.screenshot({ path: join(tmpdir(), 'live-drop-unreadable-code.png') });
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`The code cannot be read from a picture of ${width}×${height} (${reason}).`, {
          cause: error,
        });
      }
      await observe(200);
    }
  }
};

/** From the director's tap to the new count on a viewer's card, and in the picture beside it. */
type SaleSeen = { cardMs: number; pictureMs: number };

/** One sale, as each viewer saw it. */
const stockChange = async (studio: Page, viewers: readonly Page[]): Promise<SaleSeen[]> => {
  const changes = viewers.map((page) =>
    page.evaluate(async () => {
      const onCard = new Promise<number>((resolve) => {
        const before = document.body.innerText.match(/\d+ left of \d+/)?.[0];
        const observer = new MutationObserver(() => {
          if (document.body.innerText.match(/\d+ left of \d+/)?.[0] === before) return;
          observer.disconnect();
          resolve(performance.timeOrigin + performance.now());
        });
        observer.observe(document.body, { childList: true, subtree: true, characterData: true });
      });
      // Where the first number of "50 left of 50" stands on the card with the code; nothing else moves there.
      const inPicture = window.rehearsal.whenChanged({ left: 0.762, top: 0.5, width: 0.05, height: 0.05 });
      return { cardMs: await onCard, pictureMs: await inPicture };
    }),
  );
  // The watchers above are in place once every page has answered something after them.
  await Promise.all(viewers.map((page) => page.evaluate(() => undefined)));
  const pressedMs = await recordSale(studio).evaluate((button: HTMLElement) => {
    button.click();
    return performance.timeOrigin + performance.now();
  });
  const seen = await Promise.all(changes);
  return seen.map(({ cardMs, pictureMs }) => ({
    cardMs: cardMs - pressedMs,
    pictureMs: pictureMs - pressedMs,
  }));
};

/** So many that one hiccup of the machine is not what is told. */
const salesFollowed = 5;

const followSales = async (studio: Page, viewers: readonly Page[]): Promise<SaleSeen[][]> => {
  const sales: SaleSeen[][] = [];
  for (let n = 0; n < salesFollowed; n += 1) {
    sales.push(await stockChange(studio, viewers));
    await observe(500);
  }
  return sales;
};

/** In the middle of all sales: when the last of those who count had seen it. */
const lastToSee = (sales: readonly SaleSeen[][], whenMs: (seen: SaleSeen) => number): number =>
  at(
    sales.map((seen) => Math.max(...seen.map(whenMs))),
    0.5,
  );

// --- The evening -----------------------------------------------------------------------------------------------------------

const rehearse = async (server: TestServer, browser: Browser, profile: string) => {
  const load = cpuTicks();
  let studio = await openStudio(profile, server.studioUrl);
  try {
    await setUpShow(studio.page);
    await studio.page.getByRole('button', { name: 'Go live' }).click();
    await studio.page.getByRole('button', { name: /^End/ }).waitFor();
    say('the show is live');

    const viewers: Page[] = [];
    const joins: number[] = [];
    for (let n = 0; n < settings.viewers; n += 1) {
      const page = await openViewer(browser, server.viewerUrl);
      await firstFrame(page);
      joins.push(await joinMs(page));
      viewers.push(page);
    }
    const first = viewers[0];
    if (!first) throw new Error('There are no viewers.');
    say(`${viewers.length} viewers see the show`);

    // The co-host leaves before anything is timed: on two cores a fifth browser page would be most of what is measured.
    const guest = await inviteGuest(studio.page, browser);
    await guest.page.getByText('Waiting').first().waitFor();
    await studio.page.getByRole('button', { name: /^Side by side: / }).click();
    await guest.page.getByText('ON AIR').first().waitFor();
    await observe(2_000);
    await studio.page.getByRole('button', { name: /^Take off / }).click();
    await guest.page.getByText('Waiting').first().waitFor();
    await guest.context.close();
    say('the co-host was on air beside the camera, and left');

    await Promise.all(viewers.map((page) => onScreen(page, 'studio')));
    // Encoder and jitter buffers find their level before anything is judged.
    await observe(5_000);

    const steady = await steadyShow(viewers, settings.seconds);
    say('watched the steady show');
    // Muted, as the page opens, the picture waits for nobody. With sound it is held back until lips and words agree.
    await first.getByRole('button', { name: /sound/i }).first().click();
    await observe(8_000);
    const listening = await steadyShow([first], settings.seconds / 2);
    say('listened to it');
    const qrDecoded = await readQr(first);
    const sales = await followSales(studio.page, viewers);
    say(`read the code and followed ${salesFollowed} sales`);

    const switchGap = await plannedSwitches(studio.page, viewers, 3);
    say('switched three times');

    await observe(2_000);
    await clearSeen(viewers);
    await observe(500);
    process.kill(studio.pid, 'SIGKILL');
    await Promise.all(viewers.map((page) => onScreen(page, 'standby')));
    let killGapMs = 0;
    for (const page of viewers) {
      const frames = await framesOf(page);
      const lastLive = frames.findLast(({ capturedMs }) => capturedMs !== null);
      const next = frames.find(
        ({ atMs, capturedMs }) => capturedMs === null && atMs > (lastLive?.atMs ?? Infinity),
      );
      if (!lastLive || !next) throw new Error('The fall to standby was not seen.');
      killGapMs = Math.max(killGapMs, next.atMs - lastLive.atMs);
    }
    say('the studio was killed, fans saw standby');

    studio = await openStudio(profile, server.studioUrl);
    await clearSeen(viewers);
    const resume = studio.page.getByRole('button', { name: 'Resume the show' });
    await resume.waitFor();
    await studio.page.waitForFunction(
      () => document.querySelector('[aria-label="Resume the show"] button:not([disabled])') !== null,
    );
    const resumedMs = Date.now();
    await resume.click();
    await Promise.all(viewers.map((page) => onScreen(page, 'studio')));
    let returnMs = 0;
    for (const page of viewers) {
      const back = (await framesOf(page)).find(
        ({ capturedMs, atMs }) => capturedMs !== null && atMs > resumedMs,
      );
      if (!back) throw new Error('The return of the studio was not seen.');
      returnMs = Math.max(returnMs, back.atMs - resumedMs);
    }
    say('the studio resumed the show');

    await studio.page.keyboard.press('Shift+E');
    await studio.page.keyboard.press('Shift+E');
    await first.getByText(/ended/i).first().waitFor();
    say('the show has ended');

    const loadNow = cpuTicks();
    const report: RehearsalReport = {
      glassToGlassMs: { median: rounded(at(steady.delays, 0.5)), p95: rounded(at(steady.delays, 0.95)) },
      joinMs: { median: rounded(at(joins, 0.5)), max: rounded(Math.max(...joins)) },
      switchGapMs: { max: rounded(switchGap) },
      killGapMs: rounded(killGapMs),
      returnMs: rounded(returnMs),
      avOffsetMs: rounded(at(listening.offsets, 0.5)),
      qrDecoded,
      stockLagMs: rounded(lastToSee(sales, ({ cardMs, pictureMs }) => Math.max(cardMs, pictureMs))),
      viewers: viewers.length,
      framesDroppedPct: rounded(steady.droppedPct),
      machineLoad: Math.round(((loadNow.busy - load.busy) / (loadNow.all - load.all)) * 100) / 100,
    };
    return {
      report,
      listeningMs: { median: at(listening.delays, 0.5), p95: at(listening.delays, 0.95) },
      saleMs: {
        card: lastToSee(sales, ({ cardMs }) => cardMs),
        // The first viewer listens, and waits for the sound.
        picture:
          viewers.length > 1
            ? lastToSee(
                sales.map((seen) => seen.slice(1)),
                ({ pictureMs }) => pictureMs,
              )
            : null,
      },
    };
  } finally {
    await studio.context.close();
  }
};

/** What the file does not hold: with sound on the picture is held back until lips and words agree. */
const listeningLines = ({ median, p95 }: { median: number; p95: number }): Line[] => [
  { name: 'with sound on, median', value: `${rounded(median)} ms`, note: 'camera to screen' },
  { name: 'with sound on, p95', value: `${rounded(p95)} ms`, note: 'camera to screen' },
];

/** Neither are these in the file: the parts of `stockLagMs`, of which the picture with sound is the last. */
const saleLines = ({ card, picture }: { card: number; picture: number | null }): Line[] => {
  const onCard = { name: 'sale, on the card', value: `${rounded(card)} ms`, note: 'on every viewer’s' };
  if (picture === null) return [onCard];
  return [onCard, { name: 'sale, in the picture', value: `${rounded(picture)} ms`, note: 'without sound' }];
};

const profile = mkdtempSync(join(tmpdir(), 'live-drop-rehearsal-'));
const server = await startServer({ args: ['--codec', settings.codec, '--log-level', 'warn'] });
const browser = await launchBrowser();
try {
  const rehearsed = await rehearse(server, browser, profile);
  const report = rehearsalReport.parse(rehearsed.report);
  printLines([
    ...reportLines(report),
    ...listeningLines(rehearsed.listeningMs),
    ...saleLines(rehearsed.saleMs),
  ]);
  if (settings.json) writeFileSync(settings.json, `${JSON.stringify(report, null, 2)}\n`);
} catch (error) {
  console.error('The rehearsal stopped:', error);
  const log = server.log();
  if (log) console.error(`The server said:\n${log}`);
  process.exitCode = 1;
} finally {
  await browser.close();
  await server.close();
  rmSync(profile, { recursive: true, force: true });
}
