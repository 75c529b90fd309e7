// Watches the program as it arrives and keeps two things true: what the page says of the picture, and where it stands on
// the recovery ladder. It decides when something is tried; how it is done is receiving.ts.
import type { StoreApi } from 'zustand/vanilla';
import type { Clock } from '../../sfu-server/protocol/channel.ts';
import {
  arrivingMs,
  climb,
  climbingEveryMs,
  judgeDelay,
  jump,
  level,
  levelEveryMs,
  noticeMs,
  onTime,
  receivePlan,
  serverState,
  type Evidence,
  type Jump,
  type Ladder,
  type Rung,
} from './ladder.ts';
import { statsBetween, type PlaybackSample } from './playback.ts';
import type { SessionState } from './session.ts';

/** A first picture may take this long before its absence is called an outage. */
const firstPictureMs = 4_000;
/** While pictures are seen to move, the connection itself is asked this often, for the delay and the size. */
const fullLookEveryMs = 1_000;

export type WatchOptions = {
  clock: Clock;
  store: StoreApi<SessionState>;
  random: () => number;
  /** Pictures the page has shown so far, where it counts them: far cheaper to ask than the connection. Else null. */
  framesShown: () => number | null;
  /** This moment of the program; null while there is no path. Nobody else asks: at most once a second while all is well. */
  sample: () => Promise<PlaybackSample | null>;
  /** How long the server has owed an answer. */
  unansweredForMs: () => number;
  carryOut: (rung: Rung) => void;
  /** Errors that are no news during an outage are swallowed there. */
  onError: (error: unknown) => void;
  /** Every moment that was looked at. */
  onSample: (sample: PlaybackSample) => void;
  /** The picture has become larger than any before. */
  onHeight: (height: number) => void;
};

export const createProgramWatch = (options: WatchOptions) => {
  const { clock, store, carryOut } = options;
  let ladder: Ladder = level;
  let lateness = onTime;
  let latest: PlaybackSample | null = null;
  let heardBytes = 0;
  let heardAtMs = clock.now();
  let movedAtMs = clock.now();
  let openedAtMs = clock.now();
  let judgedDelayAt: PlaybackSample | null = null;
  let topHeight = 0;
  let tried = 0;
  let closed = false;
  let cancel = () => {};

  const due = () => store.getState().show?.phase.kind === 'live';

  /** The last time the server was away: since when, and when that was last seen. */
  let left = { sinceMs: 0, seenAtMs: Number.NEGATIVE_INFINITY };
  const noteServer = () => {
    const { connection } = store.getState();
    if (connection.kind === 'reconnecting') left = { sinceMs: connection.sinceMs, seenAtMs: clock.now() };
  };

  const evidence = (): Evidence => {
    const away = store.getState().connection.kind !== 'joined';
    return {
      nowMs: clock.now(),
      due: due(),
      movedAtMs,
      heardAtMs,
      openedAtMs,
      server: away ? 'away' : serverState(options.unansweredForMs()),
    };
  };

  const take = (rung: Rung | null) => {
    if (!rung) return;
    tried += 1;
    carryOut(rung);
  };

  const sayPicture = () => {
    const nowMs = clock.now();
    const { picture } = store.getState();
    if (!due()) {
      if (picture.kind !== 'none') store.setState({ picture: { kind: 'none' } });
      return;
    }
    const stalledMs = nowMs - movedAtMs;
    if (latest && latest.framesDecoded > 0 && stalledMs < noticeMs) {
      if (picture.kind !== 'flowing') store.setState({ picture: { kind: 'flowing' } });
      return;
    }
    if (stalledMs < (picture.kind === 'none' ? firstPictureMs : noticeMs)) return;
    const trying = ladder.kind === 'climbing' ? ladder.rung : null;
    const owedMs = options.unansweredForMs();
    const owesSinceMs = serverState(owedMs) === 'answers' ? null : nowMs - owedMs;
    const leftAtMs = left.seenAtMs > movedAtMs ? left.sinceMs : null;
    const before = picture.kind === 'stalled' ? picture : null;
    const isNews =
      before?.trying !== trying ||
      (before.owesSinceMs === null) !== (owesSinceMs === null) ||
      before.leftAtMs !== leftAtMs;
    if (isNews)
      store.setState({ picture: { kind: 'stalled', sinceMs: movedAtMs, trying, owesSinceMs, leftAtMs } });
  };

  /** Every second or so: over less, one late frame would be a trend. */
  const judge = (sample: PlaybackSample) => {
    if (judgedDelayAt && sample.atMs - judgedDelayAt.atMs < 1_000) return;
    const { delayMs } = statsBetween(judgedDelayAt, sample, 0);
    const known = judgedDelayAt !== null && ladder.kind === 'level';
    judgedDelayAt = sample;
    if (!known) return;
    const judged = judgeDelay(lateness, delayMs, sample.atMs);
    lateness = judged.lateness;
    if (judged.bringBack) take('consumer');
  };

  let shownBefore: number | null = null;
  /** Whether another picture was shown since the last look. */
  const hasMoved = (): boolean => {
    const shown = options.framesShown();
    const moved = shown !== null && shown !== shownBefore;
    shownBefore = shown;
    return moved;
  };

  const look = async () => {
    noteServer();
    const moved = hasMoved();
    if (moved) movedAtMs = clock.now();
    const lookedAgoMs = latest ? clock.now() - latest.atMs : Infinity;
    if (moved && due() && ladder.kind === 'level' && lookedAgoMs < fullLookEveryMs) {
      heardAtMs = movedAtMs;
      sayPicture();
      return;
    }
    const sample = await options.sample();
    if (closed) return;
    const nowMs = clock.now();
    if (!due()) heardAtMs = movedAtMs = nowMs; // Nothing is expected, so nothing is missing.
    if (sample) {
      if (sample.pathBytes !== heardBytes) {
        heardBytes = sample.pathBytes;
        heardAtMs = nowMs;
      }
      // A page that is hidden shows nothing, but decodes. What was decoded longer ago than a look is no news.
      const decoded = sample.framesDecoded !== (latest?.framesDecoded ?? 0);
      if (decoded && (shownBefore === null || lookedAgoMs < 2 * levelEveryMs)) movedAtMs = nowMs;
      if (sample.height > topHeight) {
        topHeight = sample.height;
        options.onHeight(topHeight);
      }
      latest = sample;
      options.onSample(sample);
      if (due()) judge(sample);
    }
    const step = climb(receivePlan, ladder, evidence(), options.random());
    ladder = step.ladder;
    take(step.rung);
    sayPicture();
  };

  const watch = () => {
    cancel = clock.after(ladder.kind === 'level' ? levelEveryMs : climbingEveryMs, () => {
      look()
        .catch(options.onError)
        .finally(() => {
          if (!closed) watch();
        });
    });
  };
  watch();

  return {
    /** The program now comes over another path: counters begin anew, and it gets its time. */
    pathOpened: () => {
      openedAtMs = clock.now();
      heardBytes = 0;
    },
    /** Other consumers, on whichever path. Freezes of the earlier ones are given back, to be kept. */
    consumersChanged: (): number => {
      const freezes = latest?.freezes ?? 0;
      latest = null;
      judgedDelayAt = null;
      return freezes;
    },
    jump: (why: Jump) => {
      const step = jump(receivePlan, ladder, evidence(), why, options.random());
      ladder = step.ladder;
      take(step.rung);
    },
    /** Whether bytes have just come over the path, whatever they are. */
    arriving: () => clock.now() - heardAtMs < arrivingMs,
    topHeight: () => topHeight,
    /** The last moment looked at; null before the first of these consumers. */
    latest: () => latest,
    close: () => {
      closed = true;
      cancel();
    },
    snapshot: () => ({
      ladder: ladder.kind === 'level' ? 'level' : (ladder.rung ?? 'noticed'),
      tried,
      broughtBack: lateness.brought,
    }),
  };
};
