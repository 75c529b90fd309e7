// The `start` target once the tree is ready: the desktop app, else the same studio in a Chromium app window; and `server`,
// which has no window. It starts and stops; what the studio and its server do is theirs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { binOf, forwardSignals, runForeground } from './processes.mjs';
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
  const appArgs = [...rootFlags, ...joinSwitches(args)];
  const forge = [binOf(root, '@electron-forge/cli', 'electron-forge'), 'start'];
  return runForeground(process.execPath, appArgs.length > 0 ? [...forge, '--', ...appArgs] : forge, {
    cwd: root,
  });
}

/**
 * Starts the server and opens the studio in a Chromium app window. Ends when the window is closed or a stop signal comes;
 * whichever it is, both are stopped. A server that ends by itself is started again.
 * @param {{ root: string, chromium: string, args: string[] }} options `args` are the server's
 * @returns {Promise<number>} exit code
 */
export async function startAppWindow({ root, chromium, args }) {
  const { data } = await serverSettings(args);
  const stopped = stopSignal();
  const server = keepServer((more) =>
    spawn(process.execPath, [join(root, 'dist', 'server.mjs'), ...args, ...more], {
      cwd: root,
      env: { ...process.env, LIVE_DROP_READY_KEY: 'shown' },
      stdio: ['ignore', 'pipe', 'inherit'],
      // A group of its own: Ctrl-C comes here first, and the window closes before the server does.
      detached: process.platform !== 'win32',
    }),
  );
  let browser;
  try {
    const ready = await Promise.race([server.ready, stopped.then(() => undefined)]);
    if (ready === undefined) return 0;
    await printAddresses(ready);
    // The studio's address holds the key of the house: it goes to the crew's terminal and nowhere else.
    console.log(`Studio    ${ready.studioUrl}`);
    browser = openWindow(chromium, ready.studioUrl, join(data, 'studio-window'));
    return await Promise.race([once(browser, 'close').then(() => 0), stopped]);
  } finally {
    await Promise.all([stop(browser), server.stop()]);
  }
}

/**
 * Runs the server on its own, for studios elsewhere, and prints where fans and co-hosts come in and what a studio needs.
 * @param {{ root: string, args: string[] }} options `args` are the server's
 * @returns {Promise<number>} its exit code
 */
export async function startServerAlone({ root, args }) {
  const { data } = await serverSettings(args);
  const server = spawn(process.execPath, [join(root, 'dist', 'server.mjs'), ...args], {
    cwd: root,
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  const stopForwarding = forwardSignals(server);
  const closed = once(server, 'close').then(([code]) => code ?? 1);
  try {
    const ready = await readyLine(server);
    await printAddresses(ready);
    // A page gets a camera from https or from its own machine only.
    const isSecure = ready.viewerUrl.startsWith('https:');
    const { origin } = new URL(isSecure ? ready.viewerUrl : ready.studioUrl);
    const where = isSecure ? '' : ' (on this machine; from others it needs https, see docs/server.md)';
    console.log(`Studio    npm start -- --server ${origin} --key-file studio.key${where}`);
    console.log(`Key       ${join(data, 'studio.key')} (copy it; whoever has it is the director)`);
    return await closed;
  } catch (error) {
    await stop(server);
    // Asked to stop before it was ready: nothing has failed.
    if (server.exitCode === 0) return 0;
    throw error;
  } finally {
    stopForwarding();
  }
}

/** The settings of a server that starts with these flags. */
async function serverSettings(args) {
  const { parseConfig } = await import('../../sfu-server/config.ts');
  try {
    return parseConfig(args, process.env);
  } catch (error) {
    throw new SetupError(error.message, 'See the settings in docs/server.md.', { cause: error });
  }
}

/**
 * Opens the studio page of a server that runs elsewhere. Nothing of the server runs here.
 * @param {{ chromium: string, server: string, keyFile: string | undefined, profileDir: string }} options
 * @returns {Promise<number>} exit code
 * @throws {SetupError} when the address or the key cannot be used
 */
export async function startRemoteWindow({ chromium, server, keyFile, profileDir }) {
  const { remoteAddresses } = await import('../../electron/remote-server.ts');
  let addresses;
  try {
    addresses = remoteAddresses({ server, keyFile });
  } catch (error) {
    throw new SetupError(error.message, 'See docs/server.md.');
  }
  console.log(`The studio of ${addresses.origin} opens in its window.`);
  await printAddresses(addresses);
  const stopped = stopSignal();
  const browser = openWindow(chromium, addresses.studioUrl, profileDir);
  try {
    return await Promise.race([once(browser, 'close').then(() => 0), stopped]);
  } finally {
    await stop(browser);
  }
}

/**
 * Keeps a server running: one that ends unasked after it was ready is started again on its port, sooner or later by how
 * often it has done so, and fans and studio come back by themselves.
 * @param {(args: string[]) => import('node:child_process').ChildProcess} start
 */
export function keepServer(start, { firstDelayMs = 100, lastDelayMs = 5000, settledAfterMs = 30_000 } = {}) {
  let stopping = false;
  let failures = 0;
  let pause;
  let child = start([]);
  const ready = readyLine(child);
  const watch = (more) => {
    const since = performance.now();
    child.once('close', (code) => {
      if (stopping || more === undefined) return;
      failures = performance.now() - since > settledAfterMs ? 1 : failures + 1;
      const delayMs = Math.min(lastDelayMs, firstDelayMs * 2 ** (failures - 1));
      console.error(`The server ended (${code ?? 'killed'}); it is started again in ${delayMs} ms.`);
      pause = setTimeout(() => {
        child = start(more);
        watch(more);
        // Its own end is what matters, and watched above.
        readyLine(child).catch(() => undefined);
      }, delayMs);
    });
  };
  ready.then(
    ({ origin }) => watch(['--port', new URL(origin).port]),
    () => undefined, // Told to whoever awaits `ready`.
  );
  return {
    ready,
    stop: () => {
      stopping = true;
      clearTimeout(pause);
      return stop(child);
    },
  };
}

/** Resolves with the exit code 0 when this program is asked to stop. */
function stopSignal() {
  return Promise.race(['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal))).then(() => 0);
}

/** Prints where fans and co-hosts come in, and the fans' address as a QR code. */
async function printAddresses(addresses) {
  const { addressLines } = await import('../../electron/address-lines.ts');
  console.log(addressLines(addresses, process.stdout.isTTY ? 'term' : 'ascii'));
}

/** Electron reads a switch in one piece only: `--port 80` becomes `--port=80`. */
export function joinSwitches(args) {
  return args.reduce((joined, arg) => {
    const before = joined.at(-1);
    const isValue = !arg.startsWith('--') && before?.startsWith('--') && !before.includes('=');
    return isValue ? [...joined.slice(0, -1), `${before}=${arg}`] : [...joined, arg];
  }, []);
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
