// A server that runs elsewhere (docs/server.md), as seen from the shell: an address and a key instead of a process. There is
// nothing to start, watch or stop: the window and the page's own session keep trying while it is away. Also used, without
// Electron, by `npm start -- --server`. The key is read from a file and travels in a fragment only.
import { readFileSync } from 'node:fs';
import type { ServerAddresses, ServerState } from './server-process.ts';

export type RemoteServerOptions = {
  /** Origin of the server, as in https://drop.example. */
  server: string;
  /** A copy of the server's studio.key. */
  keyFile: string | undefined;
};

const loopbackNames: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);
const keyShape = /^[\w-]{24,128}$/;

/** Throws an `Error` whose message is a sentence for the director. */
export const remoteAddresses = ({ server, keyFile }: RemoteServerOptions): ServerAddresses => {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (!url || !['https:', 'http:'].includes(url.protocol) || url.username !== '') {
    throw new Error(`--server must be an address such as https://drop.example, not "${server}".`);
  }
  if (url.protocol === 'http:' && !loopbackNames.has(url.hostname)) {
    throw new Error(
      `Browsers give cameras to secure pages only: ${url.origin} must be https. Give that server a certificate (docs/server.md).`,
    );
  }
  if (keyFile === undefined) {
    throw new Error(
      "Say --key-file with a copy of the server's studio.key; it is in the folder of its --data.",
    );
  }
  let key: string;
  try {
    key = readFileSync(keyFile, 'utf8').trim();
  } catch (error) {
    throw new Error(
      `The key file ${keyFile} cannot be read. Copy studio.key from the server's --data folder.`,
      {
        cause: error,
      },
    );
  }
  if (!keyShape.test(key)) {
    throw new Error(`${keyFile} holds no studio key. Copy studio.key from the server's --data folder.`);
  }
  const { origin } = url;
  return {
    origin,
    studioUrl: `${origin}/studio#key=${key}`,
    viewerUrl: `${origin}/`,
    cohostUrl: `${origin}/cohost`,
  };
};

/** The part of a server that the shell deals with; `ServerProcess` is the other implementation. */
export class RemoteServer {
  readonly restarts = 0;
  readonly #options: RemoteServerOptions & { onState: (state: ServerState) => void };
  #state: ServerState = { phase: 'stopped' };
  #addresses: ServerAddresses | undefined;

  constructor(options: RemoteServerOptions & { onState: (state: ServerState) => void }) {
    this.#options = options;
  }

  get state(): ServerState {
    return this.#state;
  }

  get addresses(): ServerAddresses | undefined {
    return this.#addresses;
  }

  /** Looks at the address and the key; whether anybody answers there is the window's to find out. */
  start(): void {
    try {
      const addresses = remoteAddresses(this.#options);
      this.#addresses = addresses;
      this.#enter({ phase: 'ready', pid: undefined, addresses, sinceMs: performance.now() });
    } catch (error) {
      this.#enter({ phase: 'failed', reason: error instanceof Error ? error.message : String(error) });
    }
  }

  close(): Promise<void> {
    this.#enter({ phase: 'stopped' });
    return Promise.resolve();
  }

  snapshot() {
    return { phase: this.#state.phase, origin: this.#addresses?.origin };
  }

  #enter(state: ServerState): void {
    this.#state = state;
    this.#options.onState(state);
  }
}
