// What a studio's page holds: memory of its browser, its script's heap after a clean-up, and frames that were thrown away
// without being closed, which Chromium says itself. Measures only.
import { execFileSync } from 'node:child_process';
import type { Page } from 'playwright-core';
import * as z from 'zod';
import { say } from './screens.ts';

export type Memory = {
  /** All processes of the page's browser, in MB; null where the system cannot be asked. */
  browserMb(): Promise<number | null>;
  /** The page's heap in MB, once everything that nobody holds is gone. */
  heapMb(): Promise<number>;
  /** Since the watch began: times Chromium said that a frame was collected without being closed, on the page or in its workers. */
  unclosedFrames(): number;
};

const processes = z.object({ processInfo: z.array(z.object({ id: z.number() })) });
const metrics = z.object({ metrics: z.array(z.object({ name: z.string(), value: z.number() })) });
const unclosed = /garbage collected without being closed/;

export const watchMemory = async (page: Page): Promise<Memory> => {
  const browser = page.context().browser();
  if (!browser) throw new Error('The studio has no browser process.');
  const whole = await browser.newBrowserCDPSession();
  const own = await page.context().newCDPSession(page);
  await own.send('Performance.enable');
  let unclosedFrames = 0;
  page.on('console', (message) => {
    if (!unclosed.test(message.text())) return;
    unclosedFrames += 1;
    say(`${message.text()} (${message.location().url})`);
  });
  return {
    browserMb: async () => {
      const { processInfo } = processes.parse(await whole.send('SystemInfo.getProcessInfo'));
      try {
        const list = processInfo.map(({ id }) => id).join(',');
        const rss = execFileSync('ps', ['-o', 'rss=', '-p', list], { encoding: 'utf8' });
        const sumKb = rss.split('\n').reduce((kb, line) => kb + Number(line.trim()), 0);
        return Math.round(sumKb / 1024);
      } catch {
        return null; // No `ps` here.
      }
    },
    heapMb: async () => {
      await own.send('HeapProfiler.collectGarbage');
      const read = metrics.parse(await own.send('Performance.getMetrics'));
      const bytes = read.metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0;
      return Math.round((bytes / 1024 / 1024) * 10) / 10;
    },
    unclosedFrames: () => unclosedFrames,
  };
};
