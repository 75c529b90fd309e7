// The `start` target once the tree is ready: the desktop app, else the same studio in a Chromium app window.
// It starts and stops; what the studio and its server do is theirs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { binOf, runForeground } from './processes.mjs';
import { SetupError } from './steps.mjs';

const readyPrefix = 'LIVE_DROP_READY ';
const readyLimitMs = 60_000;
const stopLimitMs = 5000;

/** Whether a window can be shown here. */
export function hasDisplay(env = process.env, platform = process.platform) {
  return platform === 'win32' || platform === 'darwin' || Boolean(env.DISPLAY || env.WAYLAND_DISPLAY);
}

/** Starts the desktop app with Electron Forge. Resolves with its exit code. */
export function startDesktop(root, args) {
  const rootFlags = process.platform === 'linux' && process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const appArgs = [...rootFlags, ...args];
  const forge = [binOf(root, '@electron-forge/cli', 'electron-forge'), 'start'];
  return runForeground(process.execPath, appArgs.length > 0 ? [...forge, '--', ...appArgs] : forge, {
    cwd: root,
  });
}

/**
 * Starts the server and opens the studio in a Chromium app window. Ends when the window is closed, the server ends or
 * a stop signal comes; whichever it is, both are stopped.
 * @param {{ root: string, chromium: string, args: string[] }} options `args` are the server's
 * @returns {Promise<number>} exit code
 */
export async function startAppWindow({ root, chromium, args }) {
  const { parseConfig } = await import('../../sfu-server/config.ts');
  const { data } = parseConfig(args, process.env);
  const server = spawn(process.execPath, [join(root, 'sfu-server', 'main.ts'), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    // A group of its own: Ctrl-C comes here first, and the window closes before the server does.
    detached: process.platform !== 'win32',
  });
  const serverClosed = once(server, 'close').then(([code]) => code ?? 1);
  const stopped = once(process, 'SIGINT').then(() => 0);
  const terminated = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGHUP')]).then(() => 0);
  let browser;
  try {
    const ready = await Promise.race([
      readyLine(server),
      stopped.then(() => undefined),
      terminated.then(() => undefined),
    ]);
    if (ready === undefined) return 0;
    await printAddresses(ready);
    browser = openWindow(chromium, ready.studioUrl, join(data, 'studio-window'));
    const windowClosed = once(browser, 'close').then(() => 0);
    return await Promise.race([windowClosed, serverClosed, stopped, terminated]);
  } finally {
    await Promise.all([stop(browser), stop(server)]);
  }
}

/** Prints the addresses of a running server, and the viewers' as a QR code. */
export async function printAddresses({ studioUrl, cohostUrl, viewerUrl }) {
  const { default: encodeQR } = await import('qr');
  const lines = [
    encodeQR(viewerUrl, process.stdout.isTTY ? 'term' : 'ascii'),
    `Viewers   ${viewerUrl}`,
    ...(cohostUrl === undefined ? [] : [`Co-hosts  ${cohostUrl}`]),
    // The studio's address holds the key of the house: it goes to the crew's terminal and nowhere else.
    `Studio    ${studioUrl}`,
  ];
  console.log(lines.join('\n'));
}

/**
 * The addresses a starting server announces on its standard output; its other lines are shown.
 * @param {import('node:child_process').ChildProcess} server
 * @throws {SetupError} when it ends or stays silent instead
 */
export function readyLine(server, { limitMs = readyLimitMs } = {}) {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => {
      reject(
        new SetupError(
          `The server was not ready after ${limitMs / 1000} s.`,
          'See its messages above, then start again.',
        ),
      );
    }, limitMs);
    createInterface({ input: server.stdout }).on('line', (line) => {
      if (!line.startsWith(readyPrefix)) return console.log(line);
      clearTimeout(limit);
      return resolve(JSON.parse(line.slice(readyPrefix.length)));
    });
    server.once('close', (code) => {
      clearTimeout(limit);
      reject(
        new SetupError(`The server ended with code ${code} before it was ready.`, 'See its message above.'),
      );
    });
  });
}

function openWindow(chromium, studioUrl, profileDir) {
  mkdirSync(profileDir, { recursive: true });
  const flags = [
    `--app=${studioUrl}`,
    `--user-data-dir=${profileDir}`,
    '--no-first-run',
    '--no-default-browser-check',
    '--autoplay-policy=no-user-gesture-required',
    // The program must keep its frame rate when another window covers the studio.
    '--disable-background-timer-throttling',
    '--disable-renderer-backgrounding',
    '--disable-backgrounding-occluded-windows',
    '--window-size=1600,900',
  ];
  if (process.platform === 'linux' && process.getuid?.() === 0) flags.push('--no-sandbox');
  return spawn(chromium, flags, { stdio: 'ignore', detached: process.platform !== 'win32' });
}

/** Asks a child to stop, and after a while no longer asks. */
async function stop(child) {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  const insist = setTimeout(() => child.kill('SIGKILL'), stopLimitMs);
  await closed;
  clearTimeout(insist);
}
