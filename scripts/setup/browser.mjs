// Finds the programs that show a page: Chromium for tests and for the app window, Electron for the desktop app.
// Either may have to be fetched; Electron's download is tried once, with a limit, and the outcome remembered.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { installDebianPackages, isDebian } from './debian.mjs';
import { findOnPath, isExecutable, runCommand } from './processes.mjs';
import { SetupError, failureNote } from './steps.mjs';

const chromiumNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

/** Places outside PATH where browsers install themselves. */
function usualPlaces(env) {
  if (process.platform === 'darwin') {
    const apps = ['/Applications', join(homedir(), 'Applications')];
    const names = ['Google Chrome', 'Chromium'];
    return apps.flatMap((dir) => names.map((name) => join(dir, `${name}.app`, 'Contents', 'MacOS', name)));
  }
  if (process.platform === 'win32') {
    const bases = [env.PROGRAMFILES, env['PROGRAMFILES(X86)'], env.LOCALAPPDATA].filter(Boolean);
    const tails = ['Google/Chrome/Application/chrome.exe', 'Chromium/Application/chrome.exe'];
    return bases.flatMap((base) => tails.map((tail) => join(base, tail)));
  }
  return [];
}

/**
 * @param {{ root: string, report?: (text: string) => void, env?: Record<string, string | undefined>,
 *   install?: typeof installDebianPackages, playwrightPath?: typeof playwrightChromium }} options
 * @returns {Promise<string>} path of a Chromium or Chrome
 * @throws {SetupError}
 */
export async function ensureChromium({
  root,
  report = () => {},
  env = process.env,
  install = installDebianPackages,
  playwrightPath = playwrightChromium,
}) {
  const given = env.CHROMIUM_BIN;
  if (given !== undefined && given !== '') {
    if (isExecutable(given)) return given;
    throw new SetupError(
      `CHROMIUM_BIN names ${given}, which cannot be run.`,
      'Correct the variable, or unset it.',
    );
  }
  const found = () => findOnPath(chromiumNames, env.PATH) ?? usualPlaces(env).find(isExecutable);
  const here = found() ?? playwrightPath(root);
  if (here !== undefined) return here;
  if (isDebian(env)) {
    await install(['chromium'], report);
    const installed = found();
    if (installed !== undefined) return installed;
  }
  throw new SetupError(
    'No Chromium or Chrome was found.',
    'Install one (on Debian: sudo apt-get install chromium; elsewhere: npx playwright-core install chromium), or set CHROMIUM_BIN.',
  );
}

function playwrightChromium(root) {
  const path = createRequire(join(root, 'package.json'))('playwright-core').chromium.executablePath();
  return path && isExecutable(path) ? path : undefined;
}

const electronLimitMs = 90_000;
const connectLimitMs = 3000;
const weekMs = 7 * 24 * 60 * 60 * 1000;

/** Whether Electron's own program is installed beside its package. */
export function electronInstalled(root) {
  const dir = join(root, 'node_modules', 'electron');
  const pathFile = join(dir, 'path.txt');
  return existsSync(pathFile) && existsSync(join(dir, 'dist', readFileSync(pathFile, 'utf8').trim()));
}

/**
 * Electron, if it is here or can be had: one bounded try a week for each version.
 * @param {{ root: string, cache: string, retry?: boolean, report?: (text: string) => void,
 *   reachable?: typeof canConnect, download?: (root: string) => Promise<unknown> }} options
 * @returns {Promise<{ installed: true } | { installed: false, why: string }>}
 */
export async function ensureElectron({
  root,
  cache,
  retry = false,
  report = () => {},
  reachable = canConnect,
  download = runElectronInstaller,
}) {
  if (electronInstalled(root)) return { installed: true };
  const { version } = JSON.parse(
    readFileSync(join(root, 'node_modules', 'electron', 'package.json'), 'utf8'),
  );
  const note = failureNote(join(cache, `electron-${version}.json`), weekMs);
  if (retry) note.forget();
  const before = note.read();
  if (before !== undefined) return { installed: false, why: `${before}; --retry-electron tries again` };
  try {
    report(`fetching Electron ${version} (at most ${electronLimitMs / 1000} s)`);
    await reachable(electronHost());
    await download(root);
    if (electronInstalled(root)) return { installed: true };
    throw new Error('its installer left no program behind');
  } catch (error) {
    const why = `Electron ${version} cannot be had: ${error.message.split('\n')[0]}`;
    note.write(why);
    return { installed: false, why };
  }
}

/** Where Electron's installer will connect to: a proxy, a mirror, or its releases. */
export function electronHost(env = process.env) {
  const via =
    env.HTTPS_PROXY ||
    env.https_proxy ||
    env.ELECTRON_MIRROR ||
    env.npm_config_electron_mirror ||
    'https://github.com';
  const url = new URL(via);
  return { host: url.hostname, port: Number(url.port) || (url.protocol === 'http:' ? 80 : 443) };
}

function runElectronInstaller(root) {
  const installer = join(root, 'node_modules', 'electron', 'install.js');
  return runCommand(process.execPath, [installer], { cwd: root, timeoutMs: electronLimitMs });
}

/** Rejects when nothing answers at an address within three seconds. */
function canConnect({ host, port }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const end = (error) => {
      clearTimeout(limit);
      socket.destroy();
      if (error === undefined) resolve();
      else reject(new Error(`${host} cannot be reached (${error.code ?? error.message})`));
    };
    const limit = setTimeout(
      () => end(new Error(`no answer within ${connectLimitMs / 1000} s`)),
      connectLimitMs,
    );
    socket.once('connect', () => end());
    socket.once('error', end);
  });
}
