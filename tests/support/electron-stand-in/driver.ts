// How the desktop specs drive the app: one interface, two ways. With Electron's binary installed the app runs in it through
// Playwright's `_electron`; without it, in the stand-in. Specs do not know which; their titles say it.
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { _electron, chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import type * as Electron from 'electron';
import * as z from 'zod/mini';

export interface DesktopApp {
  /** The app's main process. */
  readonly pid: number;
  /** The first open page whose address begins so; waits for it. */
  page(addressPrefix: string): Promise<Page>;
  pages(): readonly Page[];
  /** Runs a self-contained function in the main process with the electron module; argument and result cross as JSON. */
  main<A>(run: (electron: typeof Electron, arg: A) => unknown, arg: A): Promise<unknown>;
  /** Everything the app wrote so far. */
  output(): string;
  /** Resolves with the exit code once the main process is gone. */
  exited: Promise<number | null>;
  /** Ends what is left, however the test went. */
  dispose(): Promise<void>;
}

export type LaunchOptions = { args: readonly string[]; env: NodeJS.ProcessEnv };

export interface DesktopDriver {
  readonly name: string;
  launch(options: LaunchOptions): Promise<DesktopApp>;
  /** Starts the app a second time and resolves with its exit code. */
  launchAgain(options: LaunchOptions): Promise<number | null>;
}

const root = fileURLToPath(new URL('../../..', import.meta.url));
const mainScript = join(root, '.vite', 'build', 'main.mjs');

const electronBinary = (): string | undefined => {
  const given = process.env.ELECTRON_BIN;
  if (given !== undefined) return given;
  const note = join(root, 'node_modules', 'electron', 'path.txt');
  if (!existsSync(note)) return undefined;
  const installed = join(root, 'node_modules', 'electron', 'dist', readFileSync(note, 'utf8').trim());
  return existsSync(installed) ? installed : undefined;
};

/** The real Electron where its binary is, else the stand-in. */
export const desktopDriver = (): DesktopDriver => {
  const binary = electronBinary();
  return binary === undefined ? standIn : realElectron(binary);
};

const waitForPage = async (pages: () => readonly Page[], context: BrowserContext, prefix: string) => {
  const wanted = (page: Page) => page.url().startsWith(prefix);
  for (;;) {
    const found = pages().find(wanted);
    if (found !== undefined) return found;
    // Whichever comes first: a new page, or one of the present pages arriving at its address.
    await Promise.race([
      context.waitForEvent('page'),
      ...pages().map((page) =>
        page.waitForURL((url) => url.href.startsWith(prefix), { waitUntil: 'commit' }),
      ),
    ]);
  }
};

// ---- the stand-in ----------------------------------------------------------------------------------------------------

const startStandIn = (options: LaunchOptions): ChildProcess =>
  fork(mainScript, [...options.args], {
    env: options.env,
    execArgv: ['--import', fileURLToPath(new URL('./register.ts', import.meta.url))],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => void child.once('exit', (code) => resolve(code)));

/** Politely, then not: the app may hold its window open. */
const end = async (child: ChildProcess, exited: Promise<unknown>): Promise<void> => {
  child.kill('SIGTERM');
  const insist = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await exited;
  clearTimeout(insist);
};

const report = z.union([
  z.object({ debugger: z.string() }),
  z.object({ evaluated: z.number(), value: z.optional(z.unknown()), error: z.optional(z.string()) }),
]);

const standIn: DesktopDriver = {
  name: 'stand-in over Chromium',
  launchAgain: (options) => exitOf(startStandIn(options)),
  launch: async (options) => {
    const child = startStandIn(options);
    const exited = exitOf(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    }
    const debuggerUrl = Promise.withResolvers<string>();
    const calls = new Map<number, PromiseWithResolvers<unknown>>();
    child.on('message', (message) => {
      const said = report.parse(message);
      if ('debugger' in said) return debuggerUrl.resolve(said.debugger);
      const call = calls.get(said.evaluated);
      if (said.error === undefined) call?.resolve(said.value);
      else call?.reject(new Error(said.error));
    });
    child.once('exit', (code) => {
      const gone = new Error(`The app ended with code ${code}.\n${output}`);
      debuggerUrl.reject(gone);
      for (const call of calls.values()) call.reject(gone);
    });
    const browser: Browser = await chromium.connectOverCDP(await debuggerUrl.promise);
    const [context] = browser.contexts();
    if (context === undefined || child.pid === undefined) throw new Error('Chromium has no context.');
    let lastCall = 0;
    const main: DesktopApp['main'] = (run, arg) => {
      lastCall += 1;
      const answer = Promise.withResolvers<unknown>();
      calls.set(lastCall, answer);
      child.send({ evaluate: lastCall, source: run.toString(), arg });
      return answer.promise;
    };
    return {
      pid: child.pid,
      page: (prefix) => waitForPage(() => context.pages(), context, prefix),
      pages: () => context.pages(),
      main,
      output: () => output,
      exited,
      dispose: async () => {
        await browser.close();
        await end(child, exited);
      },
    };
  },
};

// ---- the real thing --------------------------------------------------------------------------------------------------

const electronArgs = (options: LaunchOptions) => [
  root,
  ...options.args,
  '--use-fake-device-for-media-stream',
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

const realElectron = (executablePath: string): DesktopDriver => ({
  name: 'Electron',
  launchAgain: async (options) => {
    const { spawn } = await import('node:child_process');
    return exitOf(spawn(executablePath, electronArgs(options), { env: options.env, stdio: 'ignore' }));
  },
  launch: async (options) => {
    const env = Object.fromEntries(
      Object.entries(options.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    );
    const electron = await _electron.launch({ executablePath, args: electronArgs(options), env });
    const child = electron.process();
    const exited = exitOf(child);
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    if (child.pid === undefined) throw new Error('Electron did not start.');
    return {
      pid: child.pid,
      page: (prefix) => waitForPage(() => electron.windows(), electron.context(), prefix),
      pages: () => electron.windows(),
      // As text, because Playwright's types want to see through the argument, which is the caller's own.
      main: (run, arg) =>
        electron.evaluate(
          // oxlint-disable-next-line no-eval, typescript/no-unsafe-call
          (module, [source, json]): unknown => (0, eval)(`(${source})`)(module, JSON.parse(json)),
          [run.toString(), JSON.stringify(arg ?? null)] as const,
        ),
      output: () => output,
      exited,
      dispose: () => end(child, exited),
    };
  },
});
