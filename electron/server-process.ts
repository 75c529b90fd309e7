// The bundled server's life as seen from the shell: start, ready, killed and started again on the same port, stop.
// It does not know Electron (main.ts hands in `fork`) nor the server beyond its path, its ready message and its stop
// message. Nothing it logs contains the studio key.
import * as z from 'zod/mini';

/** What the server says once it listens. `studioUrl` carries the studio key in its fragment. */
const readyMessage = z.object({
  type: z.literal('ready'),
  origin: z.url(),
  studioUrl: z.url(),
  viewerUrl: z.url(),
  cohostUrl: z.url(),
});
export type ServerAddresses = Omit<z.output<typeof readyMessage>, 'type'>;

export type ServerState =
  | { phase: 'stopped' }
  | { phase: 'starting'; pid: number | undefined }
  | { phase: 'ready'; pid: number | undefined; addresses: ServerAddresses; sinceMs: number }
  /** Gone without being asked to; started again in `delayMs`. */
  | { phase: 'restarting'; reason: string; delayMs: number }
  /** The first start failed: trying again by itself would fail the same way. `start()` tries once more. */
  | { phase: 'failed'; reason: string }
  | { phase: 'stopping'; pid: number | undefined };

/** As much of Electron's `UtilityProcess` as is needed. */
export interface ServerChild {
  readonly pid: number | undefined;
  readonly stdout: NodeJS.ReadableStream | null;
  readonly stderr: NodeJS.ReadableStream | null;
  postMessage(message: unknown): void;
  kill(): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'exit', listener: (code: number) => void): unknown;
}

export type ServerProcessOptions = {
  /** Starts the server with these arguments, its output piped. */
  fork: (args: readonly string[]) => ServerChild;
  args: readonly string[];
  /** Every line the server writes, and what happens to it; already free of keys. */
  log: (line: string) => void;
  onState: (state: ServerState) => void;
  limits?: Partial<ServerLimits>;
};

export type ServerLimits = {
  /** A server that is not ready by then is ended and counts as gone. */
  readyTimeoutMs: number;
  /** Time for a clean stop, then for SIGTERM, before it is ended the hard way. */
  stopTimeoutMs: number;
  termTimeoutMs: number;
  /** Wait before the n-th restart in a row: doubled from the first to the last. */
  firstDelayMs: number;
  lastDelayMs: number;
  /** Ready for this long: the next failure starts the back-off from its beginning. */
  settledAfterMs: number;
};

const defaultLimits: ServerLimits = {
  readyTimeoutMs: 30_000,
  stopTimeoutMs: 5_000,
  termTimeoutMs: 2_000,
  // A killed server leaves fans without a picture, so the first restart is nearly at once.
  firstDelayMs: 100,
  lastDelayMs: 5_000,
  settledAfterMs: 30_000,
};

const keptErrorLines = 12;

export class ServerProcess {
  readonly #options: ServerProcessOptions;
  readonly #limits: ServerLimits;
  #state: ServerState = { phase: 'stopped' };
  #child: ServerChild | undefined;
  /** Kept over restarts: the same port means that pages, links and printed QR codes stay good. */
  #addresses: ServerAddresses | undefined;
  #restarts = 0;
  #failuresInARow = 0;
  #timer: NodeJS.Timeout | undefined;
  #errorLines: string[] = [];
  #closing: Promise<void> | undefined;
  #exited: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(options: ServerProcessOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
  }

  get state(): ServerState {
    return this.#state;
  }

  /** Times the server came to be started again by itself. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Where the server was last ready; stays known while it restarts. */
  get addresses(): ServerAddresses | undefined {
    return this.#addresses;
  }

  /** Starts the server; does nothing while one runs, is about to be restarted, or after `close`. */
  start(): void {
    if (this.#closing !== undefined) return;
    if (this.#state.phase === 'stopped' || this.#state.phase === 'failed') this.#launch();
  }

  /** To the server, if one is ready. */
  send(message: object): void {
    if (this.#state.phase === 'ready') this.#child?.postMessage(message);
  }

  /** Asks the server to stop, then insists. Resolves when its process is gone. Safe to call again. */
  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  /** For the debug page and bug reports: no keys in it. */
  snapshot() {
    return {
      phase: this.#state.phase,
      pid: this.#child?.pid,
      origin: this.#addresses?.origin,
      restarts: this.#restarts,
      failuresInARow: this.#failuresInARow,
    };
  }

  #launch(): void {
    this.#errorLines = [];
    this.#exited = Promise.withResolvers();
    const child = this.#options.fork([...this.#options.args, ...this.#portArgs()]);
    this.#child = child;
    this.#readLines(child.stdout, () => undefined);
    this.#readLines(child.stderr, (line) => {
      this.#errorLines = [...this.#errorLines, line].slice(-keptErrorLines);
    });
    child.on('message', (message) => this.#onMessage(child, message));
    child.on('exit', (code) => this.#onExit(child, code));
    this.#enter({ phase: 'starting', pid: child.pid });
    this.#after(this.#limits.readyTimeoutMs, () => {
      this.#options.log(`server: not ready after ${this.#limits.readyTimeoutMs} ms, ending it`);
      forceKill(child);
    });
  }

  #portArgs(): string[] {
    if (this.#addresses === undefined) return [];
    // Where it listens; the studio's address may be that of a proxy.
    const { port, protocol } = new URL(this.#addresses.origin);
    return ['--port', port === '' ? (protocol === 'https:' ? '443' : '80') : port];
  }

  #onMessage(child: ServerChild, message: unknown): void {
    const ready = readyMessage.safeParse(message);
    if (!ready.success || child !== this.#child || this.#state.phase !== 'starting') return;
    const { origin, studioUrl, viewerUrl, cohostUrl } = ready.data;
    const addresses = { origin, studioUrl, viewerUrl, cohostUrl };
    this.#addresses = addresses;
    this.#enter({ phase: 'ready', pid: child.pid, addresses, sinceMs: performance.now() });
  }

  #onExit(child: ServerChild, code: number): void {
    if (child !== this.#child) return;
    this.#child = undefined;
    this.#exited.resolve();
    const before = this.#state;
    if (before.phase === 'stopping') {
      this.#enter({ phase: 'stopped' });
    } else if (this.#addresses === undefined) {
      // The server's last word on stderr is the sentence for the director; its own log lines there are JSON.
      const sentence = this.#errorLines.findLast((line) => line.trim() !== '' && !line.startsWith('{'));
      this.#enter({ phase: 'failed', reason: sentence ?? `It ended with code ${code}.` });
    } else {
      const settled =
        before.phase === 'ready' && performance.now() - before.sinceMs >= this.#limits.settledAfterMs;
      this.#failuresInARow = settled ? 1 : this.#failuresInARow + 1;
      this.#restarts += 1;
      const delayMs = Math.min(
        this.#limits.firstDelayMs * 2 ** (this.#failuresInARow - 1),
        this.#limits.lastDelayMs,
      );
      this.#enter({ phase: 'restarting', reason: `ended with code ${code}`, delayMs });
      this.#after(delayMs, () => this.#launch());
    }
  }

  async #stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) {
      this.#enter({ phase: 'stopped' });
      return;
    }
    const listens = this.#state.phase === 'ready';
    this.#enter({ phase: 'stopping', pid: child.pid });
    const terminate = () => {
      child.kill();
      this.#after(this.#limits.termTimeoutMs, () => {
        this.#options.log('server: did not stop on SIGTERM, ending it');
        forceKill(child);
      });
    };
    // A server that is still starting does not read messages yet.
    if (!listens) {
      terminate();
    } else {
      child.postMessage({ type: 'stop' });
      this.#after(this.#limits.stopTimeoutMs, () => {
        this.#options.log('server: did not stop when asked, sending SIGTERM');
        terminate();
      });
    }
    await this.#exited.promise;
  }

  #enter(state: ServerState): void {
    clearTimeout(this.#timer);
    this.#state = state;
    this.#options.log(`server: ${describe(state)}`);
    this.#options.onState(state);
  }

  #after(delayMs: number, run: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(run, delayMs);
  }

  /** Passes output on line by line; the machine-readable ready line holds the studio key and is dropped. */
  #readLines(stream: NodeJS.ReadableStream | null, keep: (line: string) => void): void {
    if (stream === null) return;
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('LIVE_DROP_READY ')) continue;
        const clean = withoutKeys(line);
        keep(clean);
        this.#options.log(clean);
      }
    });
  }
}

/** Keys travel in URL fragments only; cutting every fragment keeps them out of logs. */
const withoutKeys = (line: string): string => line.replaceAll(/(\bhttps?:\/\/[^\s#"]+)#[^\s"]*/g, '$1#…');

const describe = (state: ServerState): string => {
  switch (state.phase) {
    case 'stopped':
    case 'stopping':
    case 'starting':
      return state.phase;
    case 'ready':
      return `ready at ${state.addresses.origin}`;
    case 'restarting':
      return `gone (${state.reason}), starting again in ${state.delayMs} ms`;
    case 'failed':
      return `could not start (${state.reason})`;
  }
};

/** SIGKILL, which `kill()` of a utility process does not send. A process that is already gone is what was wanted. */
const forceKill = (child: ServerChild): void => {
  if (child.pid === undefined) {
    child.kill();
    return;
  }
  try {
    process.kill(child.pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
};
