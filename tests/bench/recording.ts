// What the studio's recording costs the program, and what a `kill -9` of the studio costs the recording. In a real Chromium.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { startLabServer } from '../studio-media/lab-server.ts';
import { launchKillable, type KillableBrowser } from '../support/killable-browser.ts';

const inLab = async <T>(
  work: (open: () => Promise<{ browser: KillableBrowser; page: Page }>) => Promise<T>,
): Promise<T> => {
  const server = await startLabServer();
  const profile = await mkdtemp(join(tmpdir(), 'ld-recording-bench-'));
  let browser: KillableBrowser | undefined;
  try {
    return await work(async () => {
      browser = await launchKillable(profile);
      const page = await browser.page(server.url);
      await page.waitForFunction(() => 'lab' in globalThis);
      return { browser, page };
    });
  } finally {
    await browser?.close();
    await server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
};

/** Ms of program, picture and sound, that are not on the disk after the studio's browser was killed. */
export const measureRecordingLost = (): Promise<number> =>
  inLab(async (open) => {
    const first = await open();
    const zeroMs = await first.page.evaluate(async () => {
      const rig = await lab.startRecordingRig({
        picture: lab.startCamera().track,
        sound: lab.startMicrophone().track,
      });
      await rig.desk.start();
      rig.desk.mark();
      const zero =
        performance.timeOrigin + performance.now() - (rig.desk.store.getState().markers[0]?.atMs ?? 0);
      await rig.until(({ files }) => (files[0]?.lengthMs ?? 0) > 8_000);
      return zero;
    });
    const killedMs = await first.browser.kill();
    const second = await open();
    const endMs = await second.page.evaluate(async () => {
      const files = lab.createBrowserFiles();
      const name = (await files.list()).find((file) => file.name.endsWith('Program.mp4'))?.name ?? '';
      const { video, audio } = await lab.lookIntoRecording(await files.blob(name));
      return 1000 * Math.min(video?.times.at(-1) ?? 0, audio?.times.at(-1) ?? 0);
    });
    return Math.round(killedMs - zeroMs - endMs);
  });

export type RecordingCost = {
  /** Program frames that came late, and what a frame cost, without a recording and with one. */
  readonly without: { readonly latePct: number; readonly msPerFrame: number };
  readonly recording: { readonly latePct: number; readonly msPerFrame: number };
};

/** The same program with and without its recording, in turns (A B A B A B), so that a busy moment hits both. */
export const measureRecordingCost = (seconds = 4, rounds = 3): Promise<RecordingCost> =>
  inLab(async (open) => {
    const { page } = await open();
    return page.evaluate(
      async ({ seconds, rounds }) => {
        const camera = lab.startCamera().track;
        const rig = await lab.startRecordingRig({ picture: camera, sound: lab.startMicrophone().track });
        await lab.untilStats(rig.compositor, ({ framesOut }) => framesOut > 20);
        const watch = async () => {
          const seen = { late: 0, frames: 0, workMs: 0 };
          let left = seconds;
          await lab.untilStats(rig.compositor, ({ late, framesOut, meanWorkMs }) => {
            seen.late += late;
            seen.frames += framesOut;
            seen.workMs += meanWorkMs * framesOut;
            left -= 1;
            return left === 0;
          });
          return seen;
        };
        const sums = { without: [await watch()], recording: new Array<Awaited<ReturnType<typeof watch>>>() };
        for (let round = 0; round < rounds; round += 1) {
          await rig.desk.start();
          await rig.until(({ files }) => (files[0]?.lengthMs ?? 0) > 1_000);
          sums.recording.push(await watch());
          await rig.desk.stop();
          sums.without.push(await watch());
        }
        rig.close();
        const mean = (all: readonly Awaited<ReturnType<typeof watch>>[]) => {
          const sum = (of: (each: Awaited<ReturnType<typeof watch>>) => number) =>
            all.reduce((total, each) => total + of(each), 0);
          const frames = Math.max(
            1,
            sum((each) => each.frames),
          );
          return {
            latePct: (100 * sum((each) => each.late)) / frames,
            msPerFrame: sum((each) => each.workMs) / frames,
          };
        };
        return { without: mean(sums.without), recording: mean(sums.recording) };
      },
      { seconds, rounds },
    );
  });

export const benchRecording = async () => {
  const cost = await measureRecordingCost();
  const recordingLostMs = await measureRecordingLost();
  const words = ({ latePct, msPerFrame }: RecordingCost['without']) =>
    `${latePct.toFixed(1)} % late, ${msPerFrame.toFixed(2)} ms per frame`;
  console.log(
    [
      `program without a recording: ${words(cost.without)}`,
      `program while it is recorded: ${words(cost.recording)}`,
      `kill -9 of the studio: ${recordingLostMs} ms of the recording lost`,
    ].join('\n'),
  );
  return { recordingCost: cost, recordingLostMs };
};
