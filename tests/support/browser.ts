// Starts the real Chromium that browser tests drive: always headless, loopback only, timers never throttled.
// Not its job: pages, servers, or closing what it starts (the test that launches a browser closes it).

import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';

export const chromiumArgs = [
  '--no-sandbox',
  '--headless=new',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
];

/** Flags for a synthetic camera and microphone that are allowed without a question. */
export const fakeMediaArgs = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream=fps=30'];

/** Launches Chromium (`CHROMIUM_BIN`, else Debian's). The caller closes it. */
export async function launchBrowser(extraArgs: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['CHROMIUM_BIN'] ?? '/usr/bin/chromium',
    args: [...chromiumArgs, ...extraArgs],
  });
}
