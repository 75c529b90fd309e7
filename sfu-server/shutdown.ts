// How the server stops: it takes nobody in, tells everybody, lets what is being worked on finish, closes its parts in
// the reverse of the order in which they came, and ends. Bounded: whatever hangs, the process is gone a few seconds after
// it was asked. What the parts are is main.ts's business.
import type { Clock } from './protocol/channel.ts';
import type { CloseReason } from './protocol/errors.ts';

type Person = { notify(text: string): void; pending(): number; close(reason: CloseReason): void };
type Part = { close(): void | Promise<void> };

export type ShutdownOptions = {
  clock: Clock;
  log: { info(detail: object, text: string): void; error(detail: object, text: string): void };
  participants: ReadonlySet<Person>;
  exit: () => void;
};

const notice = 'The server is being restarted. The show comes back by itself in a moment.';
/** Requests in work, and the notice on its way, get this long. */
const finishMs = 1_000;
const lookEveryMs = 50;
/** From the first word to the end, come what may. */
const boundMs = 4_500;
/** A terminal sends Ctrl+C to a whole family of processes, and parents pass it on: that is one word, not two. */
const sameWordMs = 300;

type State = { kind: 'serving' } | { kind: 'draining'; sinceMs: number };

export const createShutdown = ({ clock, log, participants, exit }: ShutdownOptions) => {
  const parts: Part[] = [];
  let state: State = { kind: 'serving' };

  const finished = () =>
    new Promise<void>((resolve) => {
      const giveUpAt = clock.now() + finishMs;
      const look = () => {
        let pending = 0;
        for (const person of participants) pending += person.pending();
        if (pending === 0 || clock.now() >= giveUpAt) resolve();
        else clock.after(lookEveryMs, look);
      };
      // The notice leaves before the first look.
      clock.after(lookEveryMs, look);
    });

  const drain = async () => {
    for (const person of participants) person.notify(notice);
    await finished();
    for (const person of participants) person.close('serverClosing');
    for (const part of parts.toReversed()) {
      try {
        await part.close();
      } catch (error) {
        log.error({ err: error }, 'a part of the server did not close cleanly');
      }
    }
  };

  /** Idempotent: for a parent that asks. */
  const stop = () => {
    if (state.kind === 'draining') return;
    state = { kind: 'draining', sinceMs: clock.now() };
    log.info({ participants: participants.size }, 'stopping: nobody is let in any more');
    clock.after(boundMs, () => {
      log.error({ boundMs }, 'stopping took too long and was cut short');
      exit();
    });
    void drain().then(exit);
  };

  return {
    /** Closed when the server stops, before everything that was added earlier. */
    add: <P extends Part>(part: P): P => {
      parts.push(part);
      return part;
    },
    draining: () => state.kind === 'draining',
    stop,
    /** For signals: the first stops the server, one more ends it at once. */
    signalled: () => {
      if (state.kind === 'draining' && clock.now() - state.sinceMs > sameWordMs) exit();
      else stop();
    },
  };
};
