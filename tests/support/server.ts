// Starts the real server for a test: its own process, data folder and ports, stopped as the system would stop it.
// Not its job: building the pages (`npm test` has), or driving a browser (browser.ts).
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { ensureServer } from '../../scripts/setup/tree.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Built at the first start of a process; `npm test` has done it before, a single test file run by hand may not have. */
let upToDate: Promise<boolean> | undefined;
const readyMark = 'LIVE_DROP_READY ';
const readyLine = z.object({
  origin: z.string(),
  studioUrl: z.string(),
  viewerUrl: z.string(),
  cohostUrl: z.string(),
});

export type TestServer = z.infer<typeof readyLine> & {
  studioKey: string;
  showId: string;
  data: string;
  pid: number;
  /** Process ids of its mediasoup workers, to kill or to freeze. */
  workerPids(): number[];
  /** All it has logged so far. */
  log(): string;
  /** Resolves with the exit code once the process is gone. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Stops it and removes its data. Idempotent. */
  close(): Promise<void>;
};

export type TestServerOptions = {
  /** Reuses a data folder, to come back with the same shows; it is then the caller's to remove. */
  data?: string;
  /** Port of HTTP and socket; chosen by the system when left out. */
  port?: number;
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** No file of its may grow beyond so many blocks (of 512 or 1024 bytes): a disk that is full. */
  fileBlocks?: number;
};

/** The server's only child processes are its media workers. One that has ended and waits for its parent to take note is none. */
const childrenOf = (pid: number): number[] =>
  execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='])
    .toString()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([id, parent, state = '']) =>
      Number(parent) === pid && !state.startsWith('Z') ? [Number(id)] : [],
    );

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    else child.once('exit', resolve);
  });

/** Resolves when the server is ready; rejects with what it logged when it ends before. */
export const startServer = async (options: TestServerOptions = {}): Promise<TestServer> => {
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'live-drop-test-')));
  await (upToDate ??= ensureServer(root, () => {}));
  const command = [
    process.execPath,
    join(root, 'dist/server.mjs'),
    `--data=${data}`,
    `--port=${options.port ?? 0}`,
    '--announced-address=127.0.0.1',
    ...(options.args ?? []),
  ];
  const limited = ['/bin/sh', '-c', `ulimit -f ${options.fileBlocks}; exec "$0" "$@"`, ...command];
  const [program = '', ...args] = options.fileBlocks === undefined ? command : limited;
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LIVE_DROP_RTC_PORT: '0', LIVE_DROP_READY_KEY: 'shown', ...options.env },
  });
  // A test run that is itself killed leaves no server behind.
  const killWithParent = () => void child.kill('SIGKILL');
  process.once('exit', killWithParent);
  child.once('exit', () => process.off('exit', killWithParent));
  let log = '';
  let out = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const ready = await new Promise<z.infer<typeof readyLine>>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      const line = out.split('\n').find((each) => each.startsWith(readyMark));
      if (line !== undefined && out.includes('\n', out.indexOf(readyMark))) {
        resolve(readyLine.parse(JSON.parse(line.slice(readyMark.length))));
      }
    });
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Error(`The server ended with ${code} before it was ready:\n${log}`)),
    );
  });

  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal);
    return exitOf(child);
  };
  return {
    ...ready,
    studioKey: new URLSearchParams(new URL(ready.studioUrl).hash.slice(1)).get('key') ?? '',
    showId: new URL(ready.viewerUrl).pathname.split('/').at(-1) ?? '',
    data,
    pid: child.pid ?? 0,
    workerPids: () => childrenOf(child.pid ?? 0),
    log: () => log,
    stop,
    close: async () => {
      await stop();
      if (options.data === undefined) await rm(data, { recursive: true, force: true });
    },
  };
};
