// Finds or makes the mediasoup worker: the one given, one cached before, the official download, or a local build.
// What goes into the cache has run, and a local build has also carried real media (worker/prove.mjs).

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packageVersion, recipeHash } from '../worker/recipe.mjs';
import { installDebianPackages } from './debian.mjs';
import { isExecutable } from './processes.mjs';
import { SetupError, failureNote } from './steps.mjs';

const program = process.platform === 'win32' ? 'mediasoup-worker.exe' : 'mediasoup-worker';
const downloadLimitMs = 15_000;
const dayMs = 24 * 60 * 60 * 1000;

/**
 * @typedef {{ path: string, from: 'given' | 'cache' | 'download' | 'build' }} FoundWorker
 */

/**
 * @param {{ root: string, cache: string, env?: Record<string, string | undefined>, report?: (text: string) => void,
 *   download?: typeof downloadWorker, build?: typeof buildLocally }} options
 * @returns {Promise<FoundWorker>}
 * @throws {SetupError}
 */
export async function ensureWorker({
  root,
  cache,
  env = process.env,
  report = () => {},
  download = downloadWorker,
  build = buildLocally,
}) {
  const given = env.MEDIASOUP_WORKER_BIN;
  if (given !== undefined && given !== '') {
    if (runs(given)) return { path: given, from: 'given' };
    throw new SetupError(
      `MEDIASOUP_WORKER_BIN names ${given}, which is not a mediasoup worker that runs here.`,
      'Correct the variable, or unset it to have a worker found or built.',
    );
  }
  const workerDir = join(root, 'node_modules', 'mediasoup', 'worker');
  const version = packageVersion(workerDir);
  const home = join(cache, 'mediasoup-worker');
  const path = cachedWorkerPath(cache, version);
  if (runs(path)) return { path, from: 'cache' };

  const scratch = join(home, `scratch-${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  try {
    const note = failureNote(join(home, `download-${version}.json`), dayMs);
    const before = note.read();
    if (before === undefined) {
      report('downloading the official build');
      try {
        install(await download({ version, dir: scratch, env }), path);
        note.forget();
        return { path, from: 'download' };
      } catch (error) {
        note.write(error.message);
        report(`no official build (${error.message})`);
      }
    } else {
      report(`official build not tried again today (${before})`);
    }
    install(await build({ workerDir, dir: scratch, report }), path);
    return { path, from: 'build' };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Where a worker for this package version and this recipe is kept. */
export function cachedWorkerPath(cache, version) {
  return join(cache, 'mediasoup-worker', `${version}-${recipeHash()}`, program);
}

/** Whether a file is a worker that starts here: without its parent's version it says so and ends with code 41. */
export function runs(path) {
  if (!isExecutable(path)) return false;
  return spawnSync(path, [], { env: {}, stdio: 'ignore', timeout: 5000 }).status === 41;
}

/** Address of the official build, named as the package's own installer names it. */
export function downloadUrl(version, env = process.env) {
  const base =
    env.MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL ||
    'https://github.com/versatica/mediasoup/releases/download';
  const kernel = process.platform === 'linux' ? `-kernel${release().split('.')[0]}` : '';
  return `${base}/${version}/mediasoup-worker-${version}-${process.platform}-${process.arch}${kernel}.tgz`;
}

/** Fetches the official build into `dir`; everything within one time limit. */
export async function downloadWorker({ version, dir, env, timeoutMs = downloadLimitMs }) {
  let archive;
  try {
    const response = await fetch(downloadUrl(version, env), { signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    archive = Buffer.from(await response.arrayBuffer());
  } catch (error) {
    const reason =
      error.name === 'TimeoutError'
        ? `no answer within ${timeoutMs / 1000} s`
        : (error.cause?.message ?? error.message);
    throw new Error(reason, { cause: error });
  }
  const path = join(dir, program);
  writeFileSync(path, fileInTar(gunzipSync(archive), program));
  chmodSync(path, 0o755);
  if (!runs(path)) throw new Error('the official build does not run on this system');
  return path;
}

/** Contents of one file of a tar archive (POSIX ustar: 512-byte headers, octal sizes). */
export function fileInTar(tar, name) {
  for (let offset = 0; offset + 512 <= tar.length;) {
    const entry = tar.toString('utf8', offset, offset + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(tar.toString('utf8', offset + 124, offset + 136), 8);
    if (entry.replace(/^\.\//, '') === name) return tar.subarray(offset + 512, offset + 512 + size);
    if (!Number.isFinite(size)) break;
    offset += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`the archive holds no ${name}`);
}

/** What a local build is made with; loaded when it is needed, which is once for a machine. */
const compileHere = async (options) => (await import('../worker/build.mjs')).buildWorker(options);
const missingHere = async () => (await import('../worker/build.mjs')).missingDebianPackages();
const proveHere = async (path) => (await import('../worker/prove.mjs')).proveWorker(path);

/**
 * Builds the worker from the package's sources and lets it carry media before anybody gets it.
 * @throws {SetupError}
 */
export async function buildLocally({
  workerDir,
  dir,
  report,
  missing = missingHere,
  compile = compileHere,
  prove = proveHere,
}) {
  await installDebianPackages(await missing(), report);
  report('building it from the package’s sources (2 to 3 minutes on two cores, once)');
  let path;
  try {
    path = await compile({ workerDir, buildDir: dir, onProgress: everyQuarter(report) });
  } catch (error) {
    if (error.name === 'RecipeError') throw new SetupError(error.message, 'See above.', { cause: error });
    throw new SetupError(
      `The mediasoup worker cannot be built here. ${error.message}`,
      'On Debian 12 or later run this once as root, or allow access to github.com for the official build, or set MEDIASOUP_WORKER_BIN.',
      { cause: error },
    );
  }
  report('proving it: DTLS handshake and media both ways');
  try {
    await prove(path);
  } catch (error) {
    throw new SetupError(
      `The worker was built, but ${error.message}.`,
      'It is not kept. Set MEDIASOUP_WORKER_BIN to a worker that works, and report the OpenSSL and libsrtp versions of this system.',
      { cause: error },
    );
  }
  return path;
}

function install(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  const partial = `${to}.${process.pid}`;
  renameSync(from, partial);
  // The last move is atomic: another start sees a whole worker or none.
  renameSync(partial, to);
}

/** Turns ninja's "[12/87] name" lines into a word at each quarter. */
function everyQuarter(report) {
  let said = 0;
  return (line) => {
    const [, done, total] = /^\[(\d+)\/(\d+)\]/.exec(line) ?? [];
    if (done === undefined) return;
    const quarter = Math.floor((Number(done) / Number(total)) * 4);
    if (quarter > said && quarter < 4) report(`${quarter * 25} % of the files compiled`);
    said = Math.max(said, quarter);
  };
}
