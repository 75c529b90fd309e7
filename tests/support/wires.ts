// Test carriers for the channel: an in-memory pair that keeps order, and a clock that moves only when told.
// Nothing here knows a contract.
import type { Clock, Wire } from '../../sfu-server/protocol/channel.ts';

type Side = Wire & { closedWith: () => number | undefined };

/** Two ends joined in memory; messages arrive in order, in a later microtask, as on a real carrier. */
export const wirePair = (): { client: Side; server: Side } => {
  const end = () => {
    const texts: ((text: string) => void)[] = [];
    const closes: ((code: number) => void)[] = [];
    return { texts, closes, closed: undefined as number | undefined };
  };
  const client = end();
  const server = end();
  const side = (own: ReturnType<typeof end>, far: ReturnType<typeof end>): Side => ({
    send: (text) =>
      queueMicrotask(() => {
        if (far.closed === undefined) for (const listener of far.texts) listener(text);
      }),
    close: (code) => {
      if (own.closed !== undefined) return;
      own.closed = code;
      queueMicrotask(() => {
        if (far.closed !== undefined) return;
        far.closed = code;
        for (const listener of far.closes) listener(code);
      });
    },
    onText: (listener) => void own.texts.push(listener),
    onClose: (listener) => void own.closes.push(listener),
    backlog: () => 0,
    closedWith: () => own.closed,
  });
  return { client: side(client, server), server: side(server, client) };
};

export type FakeClock = Clock & { advance(byMs: number): void; pending(): number };

/** Time stands still until `advance`; timers run in order of their time. */
export const fakeClock = (startMs = 1_000_000): FakeClock => {
  let now = startMs;
  let timers: { at: number; run: () => void }[] = [];
  return {
    now: () => now,
    after: (delayMs, run) => {
      const timer = { at: now + delayMs, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    advance: (byMs) => {
      const until = now + byMs;
      for (;;) {
        const next = timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers = timers.filter((timer) => timer !== next);
        now = Math.max(now, next.at);
        next.run();
      }
      now = until;
    },
    pending: () => timers.length,
  };
};

/** Lets everything already on its way arrive. */
export const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
