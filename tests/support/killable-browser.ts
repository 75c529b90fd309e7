// A Chromium whose process can be killed as a crash would, on a profile that outlives it. Playwright's own launchers keep
// their process to themselves, so it is started here and driven over its debugging port.
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { chromiumArgs, chromiumBin, debuggerAddress } from './browser.ts';

export interface KillableBrowser {
  /** A new page; an error on it is thrown by `kill` or `close`. */
  page(url: string): Promise<Page>;
  /** SIGKILL to the browser and every process of its own. Resolves with the moment, in ms of Unix time. */
  kill(): Promise<number>;
  close(): Promise<void>;
}

export const launchKillable = async (
  profile: string,
  extraArgs: readonly string[] = [],
): Promise<KillableBrowser> => {
  // What a killed browser leaves behind would keep the next one from this profile.
  for (const lock of ['SingletonLock', 'SingletonSocket', 'SingletonCookie']) {
    await rm(join(profile, lock), { force: true });
  }
  const child = spawn(
    chromiumBin(),
    [
      ...chromiumArgs,
      `--user-data-dir=${profile}`,
      '--remote-debugging-port=0',
      // Ends it when this process is gone, however that came about: the pipe breaks.
      '--remote-debugging-pipe',
      ...extraArgs,
      'about:blank',
    ],
    // A group of its own, so that its children go with it.
    { detached: true, stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] },
  );
  const exited = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  const killGroup = () => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    process.kill(-child.pid, 'SIGKILL');
  };
  const errors: Error[] = [];
  let browser: Browser;
  try {
    if (!child.stderr) throw new Error('Chromium’s error output cannot be read.');
    browser = await chromium.connectOverCDP(await debuggerAddress(child.stderr));
  } catch (error) {
    killGroup();
    throw error;
  }
  return {
    page: async (url) => {
      const page = await browser.contexts()[0]?.newPage();
      if (!page) throw new Error('Chromium has no context.');
      page.on('pageerror', (error) => errors.push(error));
      await page.goto(url);
      return page;
    },
    kill: async () => {
      const atMs = Date.now();
      killGroup();
      await exited;
      await browser.close().catch(() => undefined);
      for (const error of errors.splice(0)) throw error;
      return atMs;
    },
    close: async () => {
      await browser.close().catch(() => undefined);
      killGroup();
      await exited;
      for (const error of errors.splice(0)) throw error;
    },
  };
};
