// The connection test as a director understands it: runs both ways one after the other, keeps the last result of the main and
// of the backup line, and says what was measured, how many fans that means, and the one thing to do. With the server on this
// computer no packet leaves it: ports and addresses are tried, the line is not. Measuring is session/loop.ts; showing it is
// connection-panel.tsx.
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { LoopEffort, LoopReport, Session, Way } from '../session/session.ts';
import { formatCount } from '../ui/format.ts';
import { programSend, type ProgramFormat } from './settings.ts';

export type ConnectionReport = { atMs: number; serverIsHere: boolean; udp: LoopReport; tcp: LoopReport };

export type ConnectionTest =
  | { kind: 'never' }
  | { kind: 'running'; way: Way }
  | { kind: 'done'; report: ConnectionReport }
  | { kind: 'failed'; text: string };

/** What this computer hangs on: the director says which, no page can tell. */
export const lines = ['main', 'backup'] as const;
export type Line = (typeof lines)[number];
export const lineNames = { main: 'Main line', backup: 'Backup line' } as const satisfies Record<Line, string>;

export type ConnectionTests = {
  /** The one this computer is on now. */
  readonly line: Line;
  readonly tests: Readonly<Record<Line, ConnectionTest>>;
};

/** One size fans can get: its height and what one of them takes with sound. */
export type Rung = { height: number; kbps: number };

export type ConnectionFacts = {
  report: Pick<ConnectionReport, 'udp' | 'tcp'>;
  /** From low to high. */
  ladder: readonly Rung[];
  /** What this page sends in all, every layer and the sound. */
  sendKbps: number;
  /** Whether the server is on this computer: every fan's picture leaves by its line, of which the test sees nothing. */
  serverIsHere: boolean;
};

export type ConnectionWords = {
  tone: 'fine' | 'look' | 'wrong';
  /** What was measured, and what it means for fans. */
  verdict: string;
  /** The one thing to fix, or null. */
  fix: string | null;
};

type OpenReport = Extract<LoopReport, { kind: 'open' }>;

const loopback = /^(?:127\.|localhost$|::1$|\[::1\]$)/;

/** What the judgement needs besides the report: the sizes sent. */
export const factsOf = (report: ConnectionReport, format: ProgramFormat): ConnectionFacts => {
  const { ladder, sendKbps } = programSend(format);
  return { report, ladder, sendKbps, serverIsHere: report.serverIsHere };
};

/** A result older than this is taken again before a show goes live. */
export const freshMs = 10 * 60_000;
/** Bursts, retransmissions and other people on the same line take their share. */
const usableShare = 0.8;
/** For saying what an upload is worth in fans where none could be measured. */
const exampleLineKbps = 10_000;
const lossToFixPct = 2;
const rttToFixMs = 200;

const megabits = (kbps: number): string => `${(kbps / 1000).toFixed(1)} Mb/s`;
const viewers = (count: number): string => formatCount(count, 'fan', 'fans');

/** A test that ran out of things to send says nothing against the line. */
const isThin = ({ sendKbps }: ConnectionFacts, { kbps, limit }: OpenReport): boolean =>
  limit === 'line' && kbps * usableShare < sendKbps;

const carries = (facts: ConnectionFacts, best: OpenReport): string => {
  const { ladder, serverIsHere, sendKbps } = facts;
  if (!serverIsHere) {
    const howMuch = isThin(facts, best) ? 'only ' : best.limit === 'test' ? 'at least ' : '';
    return `The way to the server carries ${howMuch}${megabits(best.kbps)}; the show needs ${megabits(sendKbps)}.`;
  }
  const sizes = ladder.toReversed().map(({ height, kbps: each }) => {
    return `${viewers(Math.floor((exampleLineKbps * usableShare) / each))} at ${height}p`;
  });
  return `The picture went out and came back on this computer. The line to fans was not measured: every ${exampleLineKbps / 1000} Mb/s of upload carries ${sizes.join(', or ')}.`;
};

const place = ({ address, port }: LoopReport) => `${address || 'the server'}, port ${port}`;

/** What shuts fans out comes before what annoys them: the first that is true is the one thing to do. */
const fixForShut = (
  { report: { udp, tcp }, serverIsHere }: ConnectionFacts,
  best: LoopReport,
): string | null => {
  const where = serverIsHere ? 'on this computer' : 'on the server';
  if (best.kind === 'shut') {
    return `Nothing comes through to ${place(best)}. Open this port for UDP and TCP in the firewall ${where}.`;
  }
  if (udp.kind === 'shut') {
    return `UDP does not come through to ${place(udp)}: fans get TCP, which stutters on bad networks. Open the port for UDP in the firewall ${where}.`;
  }
  if (tcp.kind === 'shut') {
    return `TCP does not come through to ${place(tcp)}: fans whose network blocks UDP see nothing. Open the port for TCP in the firewall ${where}.`;
  }
  return null;
};

const fixForLine = (facts: ConnectionFacts, best: OpenReport): string | null => {
  if (isThin(facts, best)) {
    return 'The line is too thin for this size. Choose a smaller program size, or another network.';
  }
  if (best.lossPct > lossToFixPct) {
    return `${best.lossPct.toFixed(1)} % of the packets get lost. Use a cable, or go closer to the access point.`;
  }
  if (best.rttMs > rttToFixMs) {
    return `The way there and back takes ${best.rttMs} ms. Use a nearer server, or another network.`;
  }
  return null;
};

/** Between two programs of one computer there is no line to blame: only the computer itself. */
const fixForThisComputer = (facts: ConnectionFacts, best: OpenReport): string => {
  if (loopback.test(best.address)) {
    return 'Only this computer can watch: the server announces itself as local. Start it with the address fans can reach.';
  }
  if (isThin(facts, best) || best.lossPct > lossToFixPct || best.rttMs > rttToFixMs) {
    return 'This computer is too busy: the picture did not even reach its own server whole. Close other programs, or choose a smaller program size.';
  }
  return 'Measure the upload of the line with a speed test, or run the server elsewhere: this test then measures the way to it.';
};

const fixFor = (facts: ConnectionFacts, best: LoopReport): string | null => {
  const shut = fixForShut(facts, best);
  if (shut !== null || best.kind === 'shut') return shut;
  return facts.serverIsHere ? fixForThisComputer(facts, best) : fixForLine(facts, best);
};

/** Pure. */
export const connectionWords = (facts: ConnectionFacts): ConnectionWords => {
  const { udp, tcp } = facts.report;
  const best = udp.kind === 'open' ? udp : tcp;
  const fix = fixFor(facts, best);
  if (best.kind === 'shut') return { tone: 'wrong', verdict: 'No picture comes through.', fix };
  return {
    tone: isThin(facts, best) ? 'wrong' : fix === null ? 'fine' : 'look',
    verdict: carries(facts, best),
    fix,
  };
};

export type ConnectionDesk = {
  readonly store: StoreApi<ConnectionTests>;
  /** Of the line this computer is on. */
  test(): ConnectionTest;
  /** Says which line this computer is on now. Ignored while a test runs. */
  choose(line: Line): void;
  /** One at a time: a second call waits for the first. Never rejects; what went wrong is in the store. */
  run(effort: LoopEffort): Promise<void>;
  isFresh(): boolean;
  /** What keeps fans out by the last test, in words; null when both ways are open or nothing is known. */
  shutOut(format: ProgramFormat): string | null;
};

export const createConnectionDesk = (session: Pick<Session, 'measureLoop' | 'store'>): ConnectionDesk => {
  const store = createStore<ConnectionTests>(() => ({
    line: 'main',
    tests: { main: { kind: 'never' }, backup: { kind: 'never' } },
  }));
  let running: Promise<void> | null = null;
  const current = (): ConnectionTest => store.getState().tests[store.getState().line];
  const enter = (test: ConnectionTest) =>
    store.setState(({ line, tests }) => ({ tests: { ...tests, [line]: test } }));
  const measure = async (way: Way, effort: LoopEffort): Promise<LoopReport> => {
    enter({ kind: 'running', way });
    return session.measureLoop(way, effort);
  };
  const test = async (effort: LoopEffort): Promise<void> => {
    try {
      const udp = await measure('udp', effort);
      const tcp = await measure('tcp', effort);
      const { connection } = session.store.getState();
      const serverIsHere = connection.kind === 'joined' && connection.sameMachine;
      enter({ kind: 'done', report: { atMs: Date.now(), serverIsHere, udp, tcp } });
    } catch (error) {
      // The page's own errors are bugs; what the server or the network says is a result.
      if (!(error instanceof AppError)) reportError(error);
      const text = error instanceof AppError ? error.message : 'The test did not work. Reload the studio.';
      enter({ kind: 'failed', text });
    } finally {
      running = null;
    }
  };
  return {
    store,
    test: current,
    choose: (line) => {
      if (running === null) store.setState({ line });
    },
    run: (effort) => (running ??= test(effort)),
    shutOut: (format) => {
      const state = current();
      if (state.kind !== 'done') return null;
      const { udp, tcp } = state.report;
      if (udp.kind === 'open' && tcp.kind === 'open') return null;
      return connectionWords(factsOf(state.report, format)).fix;
    },
    isFresh: () => {
      const state = current();
      return state.kind === 'done' && Date.now() - state.report.atMs < freshMs;
    },
  };
};
