// The server's life under the shell, with real child processes: start, failure, crash loop, clean and unclean ends.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import {
  ServerProcess,
  type ServerChild,
  type ServerLimits,
  type ServerState,
} from '../../electron/server-process.ts';

const entry = fileURLToPath(new URL('./fixture/server.ts', import.meta.url));
const bootstrap = fileURLToPath(
  new URL('../support/electron-stand-in/utility-bootstrap.ts', import.meta.url),
);

const opened: ServerProcess[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
});

const startServer = (env: Record<string, string> = {}, limits: Partial<ServerLimits> = {}) => {
  const states: ServerState[] = [];
  const lines: string[] = [];
  const pids: number[] = [];
  const waiting: (() => void)[] = [];
  const server = new ServerProcess({
    fork: (args): ServerChild => {
      const child = fork(entry, [...args], {
        env: { ...process.env, ...env },
        execArgv: ['--import', bootstrap],
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      if (child.pid !== undefined) pids.push(child.pid);
      return {
        pid: child.pid,
        stdout: child.stdout,
        stderr: child.stderr,
        // As in Electron, a message to a process that has just ended is lost without a word.
        postMessage: (message) =>
          void (typeof message === 'object' && message !== null && child.send(message, () => {})),
        kill: () => child.kill(),
        on: (event: string, listener: unknown) =>
          child.on(event, (value: unknown) => {
            // A process ended by a signal has no code; Electron reports a number.
            if (typeof listener === 'function') Reflect.apply(listener, undefined, [value ?? 1]);
          }),
      };
    },
    args: ['--data', 'unused'],
    log: (line) => lines.push(line),
    onState: (state) => {
      states.push(state);
      for (const wake of waiting.splice(0)) wake();
    },
    limits,
  });
  opened.push(server);
  server.start();
  /** Resolves with the n-th state of this phase. */
  const reached = async <P extends ServerState['phase']>(
    phase: P,
    nth = 1,
  ): Promise<ServerState & { phase: P }> => {
    for (;;) {
      const found = states.filter((state): state is ServerState & { phase: P } => state.phase === phase)[
        nth - 1
      ];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => void waiting.push(resolve));
    }
  };
  return { server, states, lines, pids, reached };
};

const phases = (states: readonly ServerState[]) => states.map(({ phase }) => phase);

test('starts, is ready, stops when asked, and close() may be called twice', async () => {
  const { server, states, reached, lines } = startServer();
  const { addresses } = await reached('ready');
  expect(addresses.studioUrl).toBe(`${addresses.origin}/studio#key=secret-of-the-fixture`);
  expect(server.snapshot()).toMatchObject({ phase: 'ready', origin: addresses.origin, restarts: 0 });
  await Promise.all([server.close(), server.close()]);
  expect(phases(states)).toEqual(['starting', 'ready', 'stopping', 'stopped']);
  server.start();
  expect(server.state.phase).toBe('stopped');
  expect(lines.join('\n')).toContain('Studio: http://127.0.0.1:');
  expect(lines.join('\n')).not.toContain('secret-of-the-fixture');
  expect(JSON.stringify(server.snapshot())).not.toContain('secret-of-the-fixture');
});

test('a server that cannot start fails with its own sentence and is not tried again by itself', async () => {
  const { server, states, reached } = startServer({ FIXTURE_FAIL: 'The disk is full. Free some space.' });
  expect((await reached('failed')).reason).toBe('The disk is full. Free some space.');
  server.start();
  await reached('failed', 2);
  expect(phases(states)).toEqual(['starting', 'failed', 'starting', 'failed']);
});

test('a server that keeps dying is restarted on its port, waiting longer each time', async () => {
  const { server, states, reached } = startServer(
    { FIXTURE_DIES: '1' },
    { firstDelayMs: 10, lastDelayMs: 25, settledAfterMs: 60_000 },
  );
  await reached('ready', 4);
  const delays = states.flatMap((state) => (state.phase === 'restarting' ? [state.delayMs] : []));
  expect(delays).toEqual([10, 20, 25]);
  const origins = states.flatMap((state) => (state.phase === 'ready' ? [state.addresses.origin] : []));
  expect(new Set(origins).size).toBe(1);
  expect(server.restarts).toBe(3);
});

test('a server that settled before it died starts again without the longer wait', async () => {
  const { states, pids, reached } = startServer({}, { firstDelayMs: 10, settledAfterMs: 0 });
  for (const nth of [1, 2]) {
    await reached('ready', nth);
    const pid = pids.at(-1);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  }
  await reached('ready', 3);
  expect(states.flatMap((state) => (state.phase === 'restarting' ? [state.delayMs] : []))).toEqual([10, 10]);
});

test('a server that never gets ready is ended and reported', async () => {
  const { pids, reached } = startServer({ FIXTURE_MUTE: '1' }, { readyTimeoutMs: 300 });
  await reached('failed');
  expect(() => process.kill(pids[0] ?? 0, 0)).toThrow('ESRCH');
});

test('a server that ignores the stop message and SIGTERM is ended the hard way', async () => {
  const { server, pids, lines, reached } = startServer(
    { FIXTURE_DEAF: '1' },
    { stopTimeoutMs: 100, termTimeoutMs: 100 },
  );
  await reached('ready');
  await server.close();
  expect(lines).toContain('server: did not stop when asked, sending SIGTERM');
  expect(lines).toContain('server: did not stop on SIGTERM, ending it');
  expect(() => process.kill(pids[0] ?? 0, 0)).toThrow('ESRCH');
});

test('closing while a restart is pending starts nothing any more', async () => {
  const { server, pids, reached } = startServer(
    { FIXTURE_DIES: '1' },
    { firstDelayMs: 60_000, lastDelayMs: 60_000 },
  );
  await reached('restarting');
  await server.close();
  expect(server.state.phase).toBe('stopped');
  expect(pids).toHaveLength(1);
});
