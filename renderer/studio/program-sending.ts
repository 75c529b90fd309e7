// The program's way to the server: when its picture and sound are sent, what happens when that is refused, and that a page
// which opened while its show is on air asks the director first.
// Not its job: what the program is (program-desk.ts), keeping a path alive (session/sending.ts), or words on the screen.
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { ShowState } from '../../sfu-server/protocol/state.ts';
import type { Publication } from '../session/session.ts';

/** The program's way to the server. */
export type Sending =
  /** No picture yet, or no show to send to. */
  | { kind: 'idle' }
  /** This page opened while its show was on air: fans see standby until the director resumes. */
  | { kind: 'offerResume' }
  | { kind: 'starting' }
  | { kind: 'sending' }
  | { kind: 'failed'; text: string };

export interface ProgramSending {
  /** Takes the next step, if there is one; the show's phase, or null while there is no show. Cheap when nothing has changed. */
  look(phase: ShowState['phase']['kind'] | null): void;
  /** The director has said that this page sends into the show that is on air. */
  goOn(): void;
  close(): void;
  snapshot(): { sending: Sending; publications: number; failures: number };
}

const firstWaitMs = 1_000;
const longestWaitMs = 30_000;

export const createProgramSending = (options: {
  /** Picture and sound of the program, each on its way. */
  publish: () => readonly Promise<Pick<Publication, 'close'>>[];
  hasPicture: () => boolean;
  onChange: (sending: Sending) => void;
  /** What nobody expected. */
  onBug: (error: unknown) => void;
  nowMs?: () => number;
}): ProgramSending => {
  const { publish, hasPicture, onChange, onBug, nowMs = () => performance.now() } = options;
  let sending: Sending = { kind: 'idle' };
  let publications: Pick<Publication, 'close'>[] = [];
  /** Whether this page may send into a show that is on air: it put it there, or the director pressed Resume. */
  let mayGoOn = false;
  let failures = 0;
  let againAtMs = 0;
  let closed = false;

  const enter = (next: Sending) => {
    if (next.kind === 'idle' && sending.kind === 'idle') return;
    sending = next;
    onChange(next);
  };
  const closeAll = () => {
    for (const publication of publications) publication.close();
    publications = [];
  };

  /** What failed for now is tried again ever more rarely; what is refused for good waits for a reload of the page. */
  const fail = (error: unknown) => {
    const isExpected = error instanceof AppError;
    againAtMs =
      isExpected && !error.retry
        ? Number.POSITIVE_INFINITY
        : nowMs() + Math.min(longestWaitMs, firstWaitMs * 2 ** failures);
    failures += 1;
    const text = isExpected ? error.message : 'The program cannot be sent. Reload this page.';
    enter({ kind: 'failed', text });
    if (!isExpected) onBug(error);
  };

  const start = async () => {
    enter({ kind: 'starting' });
    const opened = await Promise.allSettled(publish());
    publications = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const refused = opened.find((one) => one.status === 'rejected');
    // Half a program helps nobody, and would stay with the server beside the next attempt.
    if (closed || refused || !mayGoOn) closeAll();
    if (closed) return;
    if (refused) return fail(refused.reason);
    failures = 0;
    enter({ kind: mayGoOn ? 'sending' : 'idle' });
  };

  return {
    look(phase) {
      if (closed || phase === null) return;
      if (phase === 'ended') {
        mayGoOn = false;
        failures = 0;
        againAtMs = 0;
        if (sending.kind === 'starting') return;
        closeAll();
        return enter({ kind: 'idle' });
      }
      if (phase === 'setup') mayGoOn = true;
      if (sending.kind === 'starting' || sending.kind === 'sending') return;
      if (sending.kind === 'failed' && nowMs() < againAtMs) return;
      if (!mayGoOn) {
        if (sending.kind !== 'offerResume') enter({ kind: 'offerResume' });
      } else if (hasPicture()) void start();
    },
    goOn() {
      mayGoOn = true;
    },
    close() {
      closed = true;
      closeAll();
    },
    snapshot: () => ({ sending, publications: publications.length, failures }),
  };
};
