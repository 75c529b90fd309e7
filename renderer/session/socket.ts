// What the browser gives the channel: a WebSocket as a wire, the page's clock, and a word when the network is back or another.
// It knows nothing of the messages (channel.ts) nor of when to connect again (session.ts).
import type { Clock, Wire } from '../../sfu-server/protocol/channel.ts';

/** Address of the show's socket on the page's own server. */
export const socketUrl = (origin: string): string => `${origin.replace(/^http/, 'ws')}/socket`;

/**
 * Opens a WebSocket (RFC 6455). What is sent before it is open is kept and sent in order once it is;
 * a socket that never opens ends like one that was lost: with its close code.
 */
export const openSocket = (url: string): Wire => {
  const socket = new WebSocket(url);
  const waiting: string[] = [];
  socket.addEventListener('open', () => {
    for (const text of waiting.splice(0)) socket.send(text);
  });
  return {
    send: (text) => {
      if (socket.readyState === WebSocket.CONNECTING) waiting.push(text);
      else socket.send(text); // After the close this is discarded by the browser, as a lost message would be.
    },
    close: (code, reason) => socket.close(code, reason),
    onText: (listener) =>
      socket.addEventListener('message', (event: MessageEvent<unknown>) => {
        if (typeof event.data === 'string') listener(event.data);
      }),
    onClose: (listener) => socket.addEventListener('close', (event) => listener(event.code)),
    backlog: () => socket.bufferedAmount,
  };
};

/** Wall-clock milliseconds that never jump while the page lives. */
export const pageClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

/** The network is back or is another one; or the person looks at the page again. */
export type Awake = 'networkChanged' | 'shown';

/** The Network Information API, where there is one (W3C NetInfo; Chromium on phones). */
const networkType = (): { type: string; source: EventTarget } | null => {
  const source: unknown = Reflect.get(navigator, 'connection');
  if (!(source instanceof EventTarget)) return null;
  const type: unknown = Reflect.get(source, 'type');
  return typeof type === 'string' ? { type, source } : null;
};

/** Calls back when waiting any longer is pointless. Returns its own end. */
export const onAwake = (listener: (why: Awake) => void): (() => void) => {
  const stopping = new AbortController();
  const { signal } = stopping;
  addEventListener('online', () => listener('networkChanged'), { signal });
  document.addEventListener(
    'visibilitychange',
    () => {
      if (document.visibilityState === 'visible') listener('shown');
    },
    { signal },
  );
  // It also tells of every new estimate of speed; only Wi-Fi ↔ mobile is another way to the server.
  let before = networkType();
  before?.source.addEventListener(
    'change',
    () => {
      const now = networkType();
      if (now && now.type !== 'none' && now.type !== before?.type) listener('networkChanged');
      before = now;
    },
    { signal },
  );
  return () => stopping.abort();
};
