// A page without a browser: the channel's client end over a real socket of the `ws` package. For tests of the server's rules.
// It opens no media; what needs pictures is tested with real browsers.
import { WebSocket } from 'ws';
import { connectChannel, type ClientEnd, type Clock, type Wire } from '../../sfu-server/protocol/channel.ts';
import { AppError, type CloseReason, type ErrorCode } from '../../sfu-server/protocol/errors.ts';
import type { RtpCapabilities } from '../../sfu-server/protocol/media.ts';
import {
  showContract,
  type Joined,
  type ShowContract,
  type ShowParamsInput,
} from '../../sfu-server/protocol/messages.ts';
import type { StateChange } from '../../sfu-server/protocol/state.ts';

export const realClock: Clock = {
  now: () => Date.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

export type TestClient = {
  channel: ClientEnd<ShowContract>;
  /** The server's routers can do this; it is the first thing a page hears. */
  capabilities: RtpCapabilities;
  changes: StateChange[];
  /** Resolves with the first change that matches, also one that has already come. */
  change(matches: (change: StateChange) => boolean): Promise<StateChange>;
  closed: Promise<CloseReason>;
  /** Says goodbye, as a page does that is left. */
  close(): void;
  /** Ends without a word, as a connection does that breaks. */
  drop(): void;
};

/** Opens `/socket` of a running server; resolves when the server has said its capabilities. `ca`: PEM that is believed. */
export const connect = async (
  origin: string,
  headers: Record<string, string> = {},
  ca?: string,
): Promise<TestClient> => {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/socket`, { headers, ca });
  const early: string[] = [];
  let deliver = (text: string): void => void early.push(text);
  socket.on('message', (data: Buffer) => deliver(data.toString('utf8')));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  const wire: Wire = {
    send: (text) => socket.send(text),
    close: (code, reason) => socket.close(code, reason),
    onText: (listener) => {
      deliver = listener;
      for (const text of early.splice(0)) listener(text);
    },
    onClose: (listener) => void socket.once('close', (code) => listener(code)),
    backlog: () => socket.bufferedAmount,
  };
  const violations: string[] = [];
  const channel = connectChannel({
    contract: showContract,
    wire,
    clock: realClock,
    onViolation: (what) => violations.push(what),
  });
  const changes: StateChange[] = [];
  const watchers = new Set<() => void>();
  channel.on('state', ({ change }) => {
    changes.push(change);
    for (const watcher of watchers) watcher();
  });
  const closed = new Promise<CloseReason>((resolve) => channel.onClose(resolve));
  const capabilities = await new Promise<RtpCapabilities>((resolve, reject) => {
    channel.on('capabilities', ({ rtpCapabilities }) => resolve(rtpCapabilities));
    channel.onClose((reason) => reject(new Error(`closed: ${reason}`)));
  });
  return {
    channel,
    capabilities,
    changes,
    change: (matches) =>
      new Promise((resolve) => {
        const look = () => {
          const found = changes.find(matches);
          if (!found) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
      }),
    closed,
    close: () => channel.close(),
    drop: () => socket.terminate(),
  };
};

export type JoinedClient = TestClient & { joined: Joined };

export const join = async (
  origin: string,
  who: (capabilities: RtpCapabilities) => ShowParamsInput<'join'>,
): Promise<JoinedClient> => {
  const client = await connect(origin);
  try {
    return { ...client, joined: await client.channel.call('join', who(client.capabilities)) };
  } catch (error) {
    client.close();
    throw error;
  }
};

export const joinStudio = (origin: string, key: string) =>
  join(origin, (rtpCapabilities) => ({ as: 'studio', key, rtpCapabilities }));
export const joinGuest = (origin: string, token: string) =>
  join(origin, (rtpCapabilities) => ({ as: 'cohost', token, rtpCapabilities }));
export const joinViewer = (origin: string, showId: string, resumeToken?: string) =>
  join(origin, () => ({ as: 'viewer', showId, resumeToken, rtpCapabilities: null }));

/** The code an expected failure came with. */
export const refusal = async (promise: Promise<unknown>): Promise<ErrorCode> => {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  throw new Error('It was not refused.');
};
