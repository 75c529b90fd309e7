// Starts the media nodes' threads, gives the control plane a channel to each, and starts a node again when it ends.
// Knows nothing of what nodes do (media/node.ts) or what they are used for (show/placement.ts).
import { Worker } from 'node:worker_threads';
import { connectChannel, type ClientEnd, type Clock, type Payload, type Wire } from './protocol/channel.ts';
import { AppError, closeCodes } from './protocol/errors.ts';
import { nodeContract, type NodeConfig, type NodeContract } from './media/node-api.ts';

export type NodeReady = Payload<NodeContract, 'ready'>;

/** A node as the control plane sees it over time. `generation` rises with every restart. */
export type NodeState =
  | { kind: 'starting'; generation: number }
  | { kind: 'up'; generation: number; end: ClientEnd<NodeContract>; ready: NodeReady }
  | { kind: 'down'; generation: number; reason: string }
  | { kind: 'closed'; generation: number };

export type NodeConnection = {
  readonly name: string;
  state(): NodeState;
  /** Called with every new state, in order. */
  onState(listener: (state: NodeState) => void): void;
  /** It is missed: a start that was put off for the fans' sake is made as soon as may be. */
  hurry(): void;
  /** Ends the thread and its mediasoup worker. Idempotent. */
  close(): Promise<void>;
  snapshot(): object;
};

export type NodeOptions = {
  name: string;
  /** What a start is told; a node that comes back may have another part than the first time. */
  config: (generation: number) => NodeConfig;
  /** The thread's entry: media/node.ts, or its built form in the desktop app. */
  entry: URL;
  clock: Clock;
  log: { info(detail: object, text: string): void; error(detail: object, text: string): void };
};

/** Resolves when the node is up; rejects when its first starts fail, which no later try will mend. */
export const firstStart = (node: NodeConnection): Promise<void> =>
  new Promise((resolve, reject) => {
    const look = (state: NodeState) => {
      if (state.kind === 'up') resolve();
      if (state.kind === 'down' && state.generation >= hopelessAfterStarts) {
        const text = `The video server (${node.name}) does not start: ${state.reason.replace(/\.$/, '')}.`;
        reject(new AppError('mediaUnavailable', text));
      }
    };
    node.onState(look);
    look(node.state());
  });

const hopelessAfterStarts = 3;
/** A busy machine takes its time to load a thread, a worker and the standby clip. */
const startTimeoutMs = 60_000;
const shutdownTimeoutMs = 2_000;
const restartDelayMs = { first: 50, most: 5_000 };
/**
 * Starting takes a core for half a second. Where a spare has taken over, that is the fans', who all connect anew, and the
 * studio's: what starts now will only be the next spare.
 */
const fansFirstMs = 2_500;
/** A node that lived this long starts again without the growing delay. */
const healthyAfterMs = 30_000;

const threadWire = (thread: Worker): Wire => ({
  send: (text) => thread.postMessage(text),
  // A thread has no close codes: ending it is the owner's call, and the exit is what the listener hears.
  close: () => {},
  onText: (listener) =>
    void thread.on('message', (message: unknown) => {
      if (typeof message === 'string') listener(message);
    }),
  onClose: (listener) => void thread.once('exit', () => listener(closeCodes.lost.code)),
  backlog: () => 0,
});

/** Starts one node in a thread of this process and keeps it alive until `close()`. */
export const startNode = ({ name, config, entry, clock, log }: NodeOptions): NodeConnection => {
  const listeners: ((state: NodeState) => void)[] = [];
  let state: NodeState = { kind: 'starting', generation: 1 };
  let thread: Worker | undefined;
  let cancelRestart = () => {};
  let startedAt = 0;
  let restartDueMs = 0;
  let failures = 0;
  let restarts = 0;

  const become = (next: NodeState) => {
    state = next;
    for (const listener of listeners) listener(next);
  };

  const start = (generation: number) => {
    startedAt = clock.now();
    become({ kind: 'starting', generation });
    const started = new Worker(entry, { workerData: config(generation), name });
    thread = started;
    let failure = 'the thread ended';
    const end = connectChannel({
      contract: nodeContract,
      wire: threadWire(started),
      clock,
      firstWordMs: startTimeoutMs,
      onViolation: (what) => log.error({ node: name, what }, 'media node broke the contract'),
    });
    /** Known at the first sign, whichever that is: fans wait for what follows. */
    const gone = () => {
      if (thread !== started) return;
      thread = undefined;
      void started.terminate();
      end.close('lost');
      if (state.kind === 'closed') return;
      log.error({ node: name, failure }, 'media node ended');
      failures = clock.now() - startedAt > healthyAfterMs ? 0 : failures + 1;
      const delayMs = Math.min(restartDelayMs.most, restartDelayMs.first * 2 ** Math.max(0, failures - 1));
      restarts += 1;
      restartDueMs = clock.now() + delayMs;
      cancelRestart = clock.after(Math.max(delayMs, fansFirstMs), () => start(generation + 1));
      become({ kind: 'down', generation, reason: failure });
    };
    started.on('error', (error) => {
      failure = error instanceof Error ? error.message : String(error);
    });
    end.on('ready', (ready) => {
      log.info({ node: name, port: ready.rtcPort, pid: ready.workerPid }, 'media node ready');
      become({ kind: 'up', generation, end, ready });
    });
    end.on('workerDied', ({ message }) => {
      failure = `the mediasoup worker died: ${message}`;
      gone();
    });
    // A thread that has stopped answering is as good as gone.
    end.onClose(gone);
    started.once('exit', gone);
  };
  start(1);

  return {
    name,
    state: () => state,
    onState: (listener) => void listeners.push(listener),
    hurry: () => {
      if (state.kind !== 'down') return;
      const { generation } = state;
      cancelRestart();
      cancelRestart = clock.after(Math.max(0, restartDueMs - clock.now()), () => start(generation + 1));
    },
    close: async () => {
      if (state.kind === 'closed') return;
      const last = state;
      become({ kind: 'closed', generation: last.generation });
      cancelRestart();
      const ending = thread;
      if (!ending) return;
      const exited = new Promise<void>((resolve) => void ending.once('exit', () => resolve()));
      const cancelKill = clock.after(shutdownTimeoutMs, () => void ending.terminate());
      if (last.kind === 'up') {
        // The thread may end before its answer arrives; the exit is what counts.
        await Promise.race([last.end.call('shutdown', {}).catch(() => undefined), exited]);
      } else void ending.terminate();
      await exited;
      cancelKill();
    },
    snapshot: () => ({
      name,
      state: state.kind,
      generation: state.generation,
      restarts,
    }),
  };
};
