// The server's clock: the time of day at the start of the process, carried on by a counter that only runs forward.
// Somebody setting the machine's clock, or a time server correcting it, moves no deadline, ends no hold and loses no
// connection; times on new records follow after the next start. Used by the control plane and by every media node.
import type { Clock } from './protocol/channel.ts';

/** `now`: Unix time in whole milliseconds, never stepping. `after`: timers of the same counter. */
export const steadyClock: Clock = {
  now: () => Math.floor(performance.timeOrigin + performance.now()),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

const lookEveryMs = 5_000;
/** Less is a time server's fine adjustment. */
const stepMs = 1_000;

/** Calls back with how far the machine's clock is ahead of ours (ms), whenever that has changed by a step. */
export const watchWallClock = (onStep: (aheadMs: number) => void) => {
  const ahead = () => Date.now() - steadyClock.now();
  let toldMs = ahead();
  const timer = setInterval(() => {
    const aheadMs = ahead();
    if (Math.abs(aheadMs - toldMs) < stepMs) return;
    toldMs = aheadMs;
    onStep(Math.round(aheadMs));
  }, lookEveryMs);
  timer.unref();
  return { close: () => clearInterval(timer), snapshot: () => ({ wallClockAheadMs: Math.round(ahead()) }) };
};
