// The tree's own needs: a Node new enough, the packages of the lockfile, the built pages, server and test page. Each is done only when a stamp
// says that what it was made from has changed. Runs on Node 20 and later, before any package is installed.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { binOf, findOnPath, isExecutable, runCommand } from './processes.mjs';
import { SetupError } from './steps.mjs';

export const requiredNodeMajor = 24;

export function nodeMajor(version = process.versions.node) {
  return Number(version.split('.')[0]);
}

/**
 * The Node to run everything else with: this one, or one installed from the npm registry into tools/node.
 * @param {string} root
 * @param {(text: string) => void} report
 * @param {{ version?: string, npm?: typeof runNpm }} [options] `version` of the Node that runs this
 * @returns {Promise<string>} path of the program
 * @throws {SetupError}
 */
export async function ensureNode(root, report, { version = process.versions.node, npm = runNpm } = {}) {
  if (nodeMajor(version) >= requiredNodeMajor) return process.execPath;
  const toolsDir = join(root, 'tools', 'node');
  const ready = installedNode(toolsDir);
  if (ready !== undefined) return ready;
  report(`this Node is ${version}; installing a newer one into tools/node`);
  await npm(['ci', ...npmFlags], { cwd: toolsDir, node: process.execPath });
  const node = installedNode(toolsDir);
  if (node !== undefined) return node;
  throw new SetupError(
    `Node ${version} is too old and the registry has no newer one for ${process.platform} ${process.arch}.`,
    `Install Node ${requiredNodeMajor} or later from nodejs.org and start again.`,
  );
}

/** Path of the Node program in a tools folder, whichever platform's package was installed. */
export function installedNode(toolsDir) {
  const modules = join(toolsDir, 'node_modules');
  if (!existsSync(modules)) return undefined;
  const program = process.platform === 'win32' ? 'node.exe' : 'node';
  return readdirSync(modules)
    .filter((name) => name.startsWith('node-'))
    .map((name) => join(modules, name, 'bin', program))
    .find(isExecutable);
}

// Said outright, whatever the user's own npm settings are: optional and development packages are needed, install
// scripts are not (they download from places that may be unreachable).
const npmFlags = ['--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];

/** Installs the lockfile's packages when they are not the ones installed. Returns whether it had to. */
export async function ensurePackages(root, report, npm = runNpm) {
  const stampFile = join(root, 'node_modules', '.live-drop-stamp');
  const wanted = packagesStamp(root);
  if (readIfThere(stampFile) === wanted) return false;
  report('installing from package-lock.json');
  await npm(['ci', ...npmFlags], { cwd: root, node: process.execPath });
  writeFileSync(stampFile, wanted);
  return true;
}

/** What the installed packages depend on: the lockfile and the Node that chose among optional ones. */
export function packagesStamp(root, major = nodeMajor()) {
  const lockfile = readFileSync(join(root, 'package-lock.json'));
  return createHash('sha256')
    .update(lockfile)
    .update(`\0node ${major} ${process.platform} ${process.arch}`)
    .digest('hex');
}

/** Runs npm's own script under a given Node: the `npm` on PATH would run under another. */
async function runNpm(args, { cwd, node }) {
  const cli = npmCli();
  if (cli === undefined)
    throw new SetupError(
      'npm cannot be found.',
      'Start this with "npm start" or "npm test", or put npm on your PATH.',
    );
  const env = {
    ...process.env,
    PATH: `${dirname(node)}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH ?? ''}`,
  };
  // Settings of the npm that started us (its prefix, its workspace) are not for this one.
  for (const name of Object.keys(env))
    if (/^npm_(config_(local_)?prefix|package_|lifecycle_|command)/.test(name)) delete env[name];
  try {
    await runCommand(node, [cli, ...args], { cwd, env });
  } catch (error) {
    throw new SetupError(
      `npm ${args[0]} failed in ${cwd}.\n${npmReasons(error)}`,
      'Check that the npm registry can be reached and that the folder may be written, then start again.',
      { cause: error },
    );
  }
}

/** npm's reasons come first and its usage text last, so the end of its output says nothing. */
function npmReasons(error) {
  const reasons = (error.output ?? '').split('\n').filter((line) => /^npm (error|ERR!) ./.test(line));
  return reasons.length === 0 ? error.message : reasons.slice(0, 30).join('\n');
}

function npmCli() {
  const given = process.env.npm_execpath;
  if (given !== undefined && /npm-cli\.(c|m)?js$/.test(given) && existsSync(given)) return given;
  const beside = [
    dirname(process.execPath),
    dirname(findOnPath(['npm']) ?? ''),
    dirname(findOnPath(['node']) ?? ''),
  ];
  for (const dir of beside)
    for (const place of ['../lib/node_modules/npm', 'node_modules/npm', '../share/nodejs/npm']) {
      const cli = join(dir, place, 'bin', 'npm-cli.js');
      if (existsSync(cli)) return cli;
    }
  return undefined;
}

const builds = {
  pages: {
    sources: ['renderer', 'sfu-server/protocol', 'package-lock.json'],
    config: 'renderer/vite.config.ts',
    stamp: 'dist/renderer/.stamp',
  },
  server: {
    sources: ['sfu-server', 'package-lock.json'],
    config: 'sfu-server/vite.config.ts',
    stamp: 'dist/server.stamp',
  },
  lab: {
    sources: ['tests/studio-media/fixture', 'renderer', 'sfu-server/protocol', 'package-lock.json'],
    config: 'tests/studio-media/lab.config.ts',
    stamp: 'dist/lab/.stamp',
  },
};

/** Builds the browser pages when their sources changed. Returns whether it had to. */
export const ensurePages = (root, report) =>
  ensureBuilt(root, builds.pages, () => report('building the pages'));

/** Builds `dist/server.mjs` when its sources changed. Returns whether it had to. */
export const ensureServer = (root, report) =>
  ensureBuilt(root, builds.server, () => report('building the server'));

/** Builds `dist/lab`, the page on which tests drive the studio's media, when its sources changed. Returns whether it had to. */
export const ensureLab = (root, report) =>
  ensureBuilt(root, builds.lab, () => report('building the page of the media tests'));

async function ensureBuilt(root, { sources, config, stamp }, report) {
  const stampFile = join(root, stamp);
  const known = parseStamp(readIfThere(stampFile));
  const files = sources.flatMap((source) => sourceFiles(root, source));
  // Sizes and times are enough to know that nothing changed; when they differ, contents decide.
  const quick = digest(files.map(({ path, size, mtimeMs }) => `${path} ${size} ${mtimeMs}`));
  if (known?.quick === quick) return false;
  const content = digest(files.map(({ path }) => `${path} ${digest([readFileSync(join(root, path))])}`));
  if (known?.content !== content) {
    report();
    await buildWithVite(root, config);
  }
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, JSON.stringify({ quick, content }));
  return known?.content !== content;
}

async function buildWithVite(root, config) {
  try {
    await runCommand(
      process.execPath,
      [binOf(root, 'vite'), 'build', '--config', join(root, config), '--logLevel', 'warn'],
      { cwd: root },
    );
  } catch (error) {
    throw new SetupError(
      `${dirname(config)} does not build. ${error.message}`,
      'Mend the source the message names.',
      {
        cause: error,
      },
    );
  }
}

function sourceFiles(root, source) {
  const at = statSync(join(root, source), { throwIfNoEntry: false });
  if (at === undefined) return [];
  if (at.isFile()) return [{ path: source, size: at.size, mtimeMs: at.mtimeMs }];
  return readdirSync(join(root, source), { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => sourceFiles(root, `${source}/${entry.name}`));
}

function digest(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\n');
  return hash.digest('hex');
}

function parseStamp(text) {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    // A stamp cut short by a crash is no stamp: build again.
    return undefined;
  }
}

function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
