// Starts the real Chromium that browser tests drive: always headless, loopback only, timers never throttled.
// Not its job: pages, servers, or closing what it starts (the test that launches a browser closes it).

import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';

/** What every Chromium of the tests gets: headless, quiet on the network, timers never throttled. */
export const quietArgs = [
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

export const chromiumArgs = ['--no-sandbox', ...quietArgs];

/** `CHROMIUM_BIN`, which `npm test` sets, else Debian's. */
export const chromiumBin = (): string => process.env['CHROMIUM_BIN'] ?? '/usr/bin/chromium';

/** Flags for a synthetic camera and microphone that are allowed without a question. */
export const fakeMediaArgs = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream=fps=30'];

/** The caller closes it. `env` is added to the environment of this process. */
export async function launchBrowser(
  extraArgs: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumBin(),
    args: [...chromiumArgs, ...extraArgs],
    env: { ...process.env, ...env },
  });
}

/** After this what a test waits for is not coming: long, as nothing is measured by it, and a machine may be slow and busy. */
export const patienceMs = 60_000;

const startWithinMs = patienceMs;

/** Where a Chromium's DevTools listen (a `ws:` address), which it says on its error output. Rejects when it does not start. */
export const debuggerAddress = (output: NodeJS.ReadableStream): Promise<string> =>
  new Promise((resolve, reject) => {
    const notStarted = () => reject(new Error('Chromium did not start.'));
    const patience = setTimeout(notStarted, startWithinMs);
    let text = '';
    // Read for as long as it runs: a full pipe would stop it.
    output.on('data', (chunk: Buffer) => {
      if (text.length < 100_000) text += chunk.toString();
      const found = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
      if (found === undefined) return;
      clearTimeout(patience);
      resolve(found);
    });
    output.once('end', () => {
      clearTimeout(patience);
      notStarted();
    });
  });
