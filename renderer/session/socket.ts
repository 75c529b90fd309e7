// What the browser gives the channel: a WebSocket as a wire, the page's clock, and a word when the network is back.
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

/** Calls back when waiting any longer is pointless: the network is back, or the person looks at the page again. */
export const onAwake = (listener: () => void): (() => void) => {
  const shown = () => {
    if (document.visibilityState === 'visible') listener();
  };
  addEventListener('online', listener);
  document.addEventListener('visibilitychange', shown);
  return () => {
    removeEventListener('online', listener);
    document.removeEventListener('visibilitychange', shown);
  };
};
