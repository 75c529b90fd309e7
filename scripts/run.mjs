// The one way in: `node scripts/run.mjs <target> [-- args]`. Makes the tree ready, step by step, then runs the target.
// Plain JavaScript without dependencies: it runs on Node 20 in a tree where nothing is installed yet.
// It decides which steps a target needs; what a step does is in scripts/setup.

import { dirname, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureChromium, ensureElectron } from './setup/browser.mjs';
import { runFastChecks, runTests } from './setup/checks.mjs';
import { binOf, runForeground } from './setup/processes.mjs';
import {
  hasDisplay,
  startAppWindow,
  startDesktop,
  startRemoteWindow,
  startServerAlone,
} from './setup/start.mjs';
import { cacheDir, explain, SetupError, step } from './setup/steps.mjs';
import { ensureTestTools } from './setup/test-tools.mjs';
import { ensureLab, ensureNode, ensurePackages, ensurePages, ensureServer } from './setup/tree.mjs';
import { ensureWorker } from './setup/worker.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const script = (path, ...rest) =>
  runForeground(process.execPath, [join(root, ...path.split('/')), ...rest], { cwd: root });
const tool = (packageName, command, ...rest) =>
  runForeground(process.execPath, [binOf(root, packageName, command), ...rest], { cwd: root });

const checkTypesAndStyle = () => runFastChecks(root);
const test = (args) => runTests(root, args);
const chaos = (args) => script('scripts/chaos.ts', ...args);
const rehearse = (args) => script('scripts/rehearse.ts', ...args);

/** Steps after `node` and `packages`, and the run itself, which resolves with the exit code. */
const targets = {
  start: { steps: ['worker', 'pages', 'server'], run: start },
  test: { steps: ['worker', 'chromium', 'testTools', 'pages', 'server', 'lab'], run: test },
  rehearse: { steps: ['worker', 'chromium', 'pages', 'server'], run: rehearse },
  chaos: { steps: ['worker', 'chromium', 'pages', 'server'], run: chaos },
  show: {
    steps: ['worker', 'chromium', 'pages', 'server'],
    run: (args) => script('scripts/show.ts', ...args),
  },
  server: { steps: ['worker', 'pages', 'server'], run: (args) => startServerAlone({ root, args }) },
  soak: {
    steps: ['worker', 'chromium', 'pages', 'server'],
    run: (args) => script('scripts/soak.ts', ...args),
  },
  check: {
    steps: ['worker', 'chromium', 'testTools', 'pages', 'server', 'lab'],
    run: async (args) => {
      const fast = await checkTypesAndStyle();
      return (await test(args)) || fast;
    },
  },
  'check:fast': { steps: [], run: checkTypesAndStyle },
  bench: {
    steps: ['worker', 'chromium', 'pages', 'server'],
    run: (args) => script('tests/bench/main.ts', ...args),
  },
  shots: {
    steps: ['worker', 'chromium', 'pages', 'server'],
    run: (args) => script('scripts/shots.ts', ...args),
  },
  package: {
    steps: ['worker', 'pages'],
    run: (args) => tool('@electron-forge/cli', 'electron-forge', 'make', ...args),
  },
  format: {
    steps: [],
    run: (args) => tool('oxfmt', 'oxfmt', ...(args.length > 0 ? args : ['.'])),
  },
};

const steps = {
  worker: async () => {
    const worker = await step('worker', (report) => ensureWorker({ root, cache: cacheDir(), report }), {
      describe: ({ path, from }) => `${from}: ${path}`,
    });
    process.env.MEDIASOUP_WORKER_BIN = worker.path;
  },
  chromium: async () => {
    process.env.CHROMIUM_BIN = await step('chromium', (report) => ensureChromium({ root, report }), {
      describe: (path) => path,
    });
  },
  testTools: () =>
    step('test tools', (report) => ensureTestTools({ report }), {
      describe: (programs) => programs.join(', '),
    }),
  server: () =>
    step('server', (report) => ensureServer(root, report), {
      describe: (built) => (built ? 'built' : 'up to date'),
    }),
  pages: () =>
    step('pages', (report) => ensurePages(root, report), {
      describe: (built) => (built ? 'built' : 'up to date'),
    }),
  lab: () =>
    step('lab', (report) => ensureLab(root, report), {
      describe: (built) => (built ? 'built' : 'up to date'),
    }),
};

/** `--server https://… --key-file …`: the studio of a server that runs elsewhere. */
function remoteFlags(args) {
  const valueOf = (name) => {
    const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
    return at < 0 ? undefined : args[at].includes('=') ? args[at].slice(name.length + 1) : args[at + 1];
  };
  const server = valueOf('--server');
  return server === undefined ? undefined : { server, keyFile: valueOf('--key-file') };
}

async function start(args) {
  if (!hasDisplay()) {
    console.log('There is no display here: running the rehearsal instead of the studio.');
    await steps.chromium();
    return rehearse([]);
  }
  const remote = remoteFlags(args);
  const rest = args.filter((arg) => arg !== '--retry-electron');
  const electron = await step(
    'electron',
    (report) => ensureElectron({ root, cache: cacheDir(), retry: rest.length < args.length, report }),
    {
      describe: (found) =>
        found.installed ? 'installed' : `${found.why}. The studio opens in a Chromium window.`,
    },
  );
  if (electron.installed) return startDesktop(root, rest);
  await steps.chromium();
  if (remote !== undefined) {
    const profileDir = join(cacheDir(), 'studio-window');
    return startRemoteWindow({ chromium: process.env.CHROMIUM_BIN, ...remote, profileDir });
  }
  return startAppWindow({ root, chromium: process.env.CHROMIUM_BIN, args: rest });
}

async function main([targetName = '', ...rest]) {
  const target = Object.hasOwn(targets, targetName) ? targets[targetName] : undefined;
  if (target === undefined)
    throw new SetupError(
      `There is no target "${targetName}".`,
      `Use one of: ${Object.keys(targets).join(', ')}.`,
    );

  if (process.env.LIVE_DROP_NODE !== process.execPath) {
    const node = await step('node', (report) => ensureNode(root, report), { describe: (path) => path });
    process.env.PATH = `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`;
    // The rest of the work is the newer Node's, this file included.
    if (node !== process.execPath) {
      const env = { ...process.env, LIVE_DROP_NODE: node };
      return runForeground(node, [fileURLToPath(import.meta.url), targetName, ...rest], { env });
    }
  }

  const args = rest[0] === '--' ? rest.slice(1) : rest;
  await step('packages', (report) => ensurePackages(root, report), {
    describe: (installed) => (installed ? 'installed' : 'up to date'),
  });
  for (const name of target.steps) await steps[name]();
  // From the second start on a server loads in half the time, which fans feel when it has to be started again.
  process.env.NODE_COMPILE_CACHE ??= join(cacheDir(), 'node-compile-cache');
  return target.run(args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`\n${explain(error)}`);
  process.exitCode = 1;
}
