// The way from one fan's browser to the server, in a test's hands: pages and socket through a TCP relay, media through UDP
// relays, all of which can be cut, and the media thinned out, delayed and slowed down. Loopback only.
// The product knows nothing of it: the page's candidates are rewritten in the page, its address is the relay's.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, connect as connectTcp, type Socket } from 'node:net';
import type { BrowserContext } from 'playwright-core';

const loopback = '127.0.0.1';

/** What the media's way is like, in both directions. */
export type Weather = {
  /** Share of packets lost, in percent. */
  lossPct?: number;
  /** Up to so much delay, another for every `jitterSlotMs`; order is kept, as on one radio link. */
  jitterMs?: number;
  /** Bits beyond this wait, up to `queueMs`, then are lost. */
  kbps?: number;
};

const jitterSlotMs = 40;
const queueMs = 400;

export type WeakPath = {
  /** The server's address by this way. */
  readonly origin: string;
  /** To be called before the context opens its first page. */
  install(context: BrowserContext): Promise<void>;
  /** Nothing passes from now on; connections stay open, as they do when a phone loses its network. */
  cut(): void;
  mend(): void;
  setWeather(weather: Weather): void;
  /** Packets of media that passed and that were lost, since it was opened. */
  snapshot(): { passed: number; lost: number };
  close(): Promise<void>;
};

type LinkState = { cut: boolean; closed: boolean; weather: Weather; passed: number; lost: number };

/** One direction of one flow. */
const createLink = (state: LinkState) => {
  let slot = -1;
  let slotDelayMs = 0;
  let lastDueMs = 0;
  let freeAtMs = 0;
  return (bytes: number, deliver: () => void) => {
    const { lossPct = 0, jitterMs = 0, kbps } = state.weather;
    if (state.cut || Math.random() * 100 < lossPct) {
      state.lost += 1;
      return;
    }
    const nowMs = performance.now();
    let dueMs = nowMs;
    if (jitterMs > 0) {
      const current = Math.floor(nowMs / jitterSlotMs);
      if (current !== slot) slotDelayMs = Math.random() * jitterMs;
      slot = current;
      dueMs += slotDelayMs;
    }
    if (kbps !== undefined) {
      freeAtMs = Math.max(freeAtMs, nowMs);
      if (freeAtMs - nowMs > queueMs) {
        state.lost += 1;
        return;
      }
      freeAtMs += (bytes * 8) / kbps;
      dueMs = Math.max(dueMs, freeAtMs);
    }
    dueMs = Math.max(dueMs, lastDueMs);
    lastDueMs = dueMs;
    state.passed += 1;
    if (dueMs - nowMs < 1) return deliver();
    setTimeout(() => {
      if (!state.closed) deliver();
    }, dueMs - nowMs);
  };
};

const bound = (socket: UdpSocket): Promise<number> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, loopback, () => resolve(socket.address().port));
  });

/** Runs in the page: media goes to the relay's ports, and only by UDP. Asking takes its time. */
const relayCandidates = () => {
  const known = new Map<number, Promise<number>>();
  window.knownRelay = (port) => {
    const answer = known.get(port) ?? window.relayedPort(port);
    known.set(port, answer);
    return answer;
  };
  class RelayedConnection extends RTCPeerConnection {
    override async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
      const lines: string[] = [];
      for (const line of (description.sdp ?? '').split('\r\n')) {
        const candidate = /^(a=candidate:\S+ \d+ (\w+) \d+ \S+ )(\d+)( .*)$/.exec(line);
        if (!candidate) lines.push(line);
        else if (candidate[2]?.toLowerCase() === 'udp')
          lines.push(`${candidate[1]}${await window.knownRelay(Number(candidate[3]))}${candidate[4]}`);
      }
      return super.setRemoteDescription({ type: description.type, sdp: lines.join('\r\n') });
    }
  }
  Object.defineProperty(window, 'RTCPeerConnection', { value: RelayedConnection });
};

declare global {
  interface Window {
    relayedPort(port: number): Promise<number>;
    /** The same, asked once for each port. */
    knownRelay(port: number): Promise<number>;
  }
}

/** Opens the way to a server on this machine's loopback. The caller closes it. */
export const openWeakPath = async (serverOrigin: string): Promise<WeakPath> => {
  const state: LinkState = { cut: false, closed: false, weather: {}, passed: 0, lost: 0 };
  const serverPort = Number(new URL(serverOrigin).port);

  const connections = new Set<{ fan: Socket; server: Socket }>();
  const tcp = createServer((fan) => {
    const server = connectTcp(serverPort, loopback);
    const connection = { fan, server };
    connections.add(connection);
    const end = () => {
      connections.delete(connection);
      fan.destroy();
      server.destroy();
    };
    for (const [from, to] of [
      [fan, server],
      [server, fan],
    ] as const) {
      from.on('data', (bytes) => void to.write(bytes));
      from.on('close', end);
      from.on('error', end);
      if (state.cut) from.pause();
    }
  });
  const port = await new Promise<number>((resolve, reject) => {
    tcp.once('error', reject);
    tcp.listen(0, loopback, () => {
      const address = tcp.address();
      if (address !== null && typeof address === 'object') resolve(address.port);
    });
  });

  const sockets: UdpSocket[] = [];
  const relays = new Map<number, Promise<number>>();
  const relay = async (target: number): Promise<number> => {
    const near = createSocket('udp4');
    sockets.push(near);
    const flows = new Map<number, (bytes: Buffer) => void>();
    const openFlow = (fanPort: number) => {
      const far = createSocket('udp4');
      sockets.push(far);
      const up = createLink(state);
      const down = createLink(state);
      // The server or the page is gone: packets into nowhere are lost, as they would be.
      const ignore = () => {};
      far.on('error', ignore);
      far.on('message', (bytes) => {
        down(bytes.length, () => near.send(bytes, fanPort, loopback, ignore));
      });
      const send = (bytes: Buffer) => {
        up(bytes.length, () => far.send(bytes, target, loopback, ignore));
      };
      flows.set(fanPort, send);
      return send;
    };
    near.on('message', (bytes, { port: fanPort }) => (flows.get(fanPort) ?? openFlow(fanPort))(bytes));
    return bound(near);
  };

  return {
    origin: `http://${loopback}:${port}`,
    install: async (context) => {
      await context.exposeFunction('relayedPort', (target: number) => {
        const known = relays.get(target) ?? relay(target);
        relays.set(target, known);
        return known;
      });
      await context.addInitScript(relayCandidates);
    },
    cut: () => {
      state.cut = true;
      for (const { fan, server } of connections) {
        fan.pause();
        server.pause();
      }
    },
    mend: () => {
      state.cut = false;
      for (const { fan, server } of connections) {
        fan.resume();
        server.resume();
      }
    },
    setWeather: (weather) => {
      state.weather = weather;
    },
    snapshot: () => ({ passed: state.passed, lost: state.lost }),
    close: async () => {
      if (state.closed) return;
      state.closed = true;
      for (const { fan, server } of connections) {
        fan.destroy();
        server.destroy();
      }
      for (const socket of sockets.splice(0)) socket.close();
      await new Promise<void>((resolve) => void tcp.close(() => resolve()));
    },
  };
};
