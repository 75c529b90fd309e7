// The life of a drop as a pure state machine: what time does to it, what the director may do with it, what stock does to it.
// Nothing here knows the clock, the database or what is sold; drops.ts does.
import { AppError } from '../protocol/errors.ts';
import type { DropState } from '../protocol/shop.ts';

type Length = { lengthMs: number | null };

const running = (startedMs: number, { lengthMs }: Length): DropState => ({
  kind: 'running',
  startedMs,
  pausedForMs: 0,
  endsMs: lengthMs === null ? null : startedMs + lengthMs,
});

/** One step that is due by `nowMs`, or the state itself. */
const step = (state: DropState, length: Length, nowMs: number): DropState => {
  switch (state.kind) {
    case 'scheduled':
      if (nowMs < state.startsMs - state.countdownMs) return state;
      return state.countdownMs > 0
        ? { kind: 'countdown', startsMs: state.startsMs }
        : running(state.startsMs, length);
    case 'countdown':
      return nowMs < state.startsMs ? state : running(state.startsMs, length);
    case 'running':
    case 'soldOut':
      if (state.endsMs === null || nowMs < state.endsMs) return state;
      return { kind: 'ended', startedMs: state.startedMs, endedMs: state.endsMs, by: 'time' };
    case 'ready':
    case 'paused':
    case 'ended':
      return state;
  }
};

/** What the drop has become by `nowMs`, however long nobody looked: also after the server was away. */
export const advanced = (state: DropState, length: Length, nowMs: number): DropState => {
  const next = step(state, length, nowMs);
  return next === state ? state : advanced(next, length, nowMs);
};

/** When time next changes it; null: only people do. */
export const nextChangeMs = (state: DropState): number | null => {
  switch (state.kind) {
    case 'scheduled':
      return state.startsMs - state.countdownMs;
    case 'countdown':
      return state.startsMs;
    case 'running':
    case 'soldOut':
      return state.endsMs;
    case 'ready':
    case 'paused':
    case 'ended':
      return null;
  }
};

/** `selling`: something is left or held. A drop is sold out when nothing can come back by itself, and runs again when it does. */
export const withStockLeft = (state: DropState, selling: boolean, nowMs: number): DropState => {
  if (state.kind === 'running' && !selling) return { ...state, kind: 'soldOut', soldOutMs: nowMs };
  if (state.kind === 'soldOut' && selling) {
    const { startedMs, pausedForMs, endsMs } = state;
    return { kind: 'running', startedMs, pausedForMs, endsMs };
  }
  return state;
};

export type DropAction =
  /** `countdownMs` null: at once. */
  | { kind: 'start'; countdownMs: number | null }
  | { kind: 'schedule'; startsMs: number; countdownMs: number | null }
  | { kind: 'cancelStart' }
  | { kind: 'pause' }
  | { kind: 'resume' }
  | { kind: 'extend'; byMs: number }
  | { kind: 'end'; by: 'director' | 'nextDrop' | 'showEnd' };

const refused = (text: string): never => {
  throw new AppError('wrongPhase', text);
};

/** The state after a person's action at `nowMs`. Throws `wrongPhase` with a sentence where it makes no sense. */
export const acted = (state: DropState, action: DropAction, length: Length, nowMs: number): DropState => {
  const waits = state.kind === 'ready' || state.kind === 'scheduled' || state.kind === 'countdown';
  const begun = state.kind === 'running' || state.kind === 'paused' || state.kind === 'soldOut';
  switch (action.kind) {
    case 'start':
      if (!waits)
        return refused(
          state.kind === 'ended' ? 'This drop is over. Restart it.' : 'This drop is already on.',
        );
      return action.countdownMs === null
        ? running(nowMs, length)
        : { kind: 'countdown', startsMs: nowMs + action.countdownMs };
    case 'schedule': {
      if (!waits) return refused('This drop has already begun.');
      const countdownMs = action.countdownMs ?? 0;
      if (action.startsMs - countdownMs <= nowMs) {
        return refused('That is too soon for its countdown. Start it now, or choose a later time.');
      }
      return { kind: 'scheduled', startsMs: action.startsMs, countdownMs };
    }
    case 'cancelStart':
      return state.kind === 'scheduled' || state.kind === 'countdown'
        ? { kind: 'ready' }
        : refused('There is no start to take back.');
    case 'pause':
      return state.kind === 'running'
        ? { ...state, kind: 'paused', pausedMs: nowMs }
        : refused('Only a drop that is running can be paused.');
    case 'resume': {
      if (state.kind !== 'paused') return refused('This drop is not paused.');
      const { startedMs, endsMs } = state;
      const restedMs = nowMs - state.pausedMs;
      return {
        kind: 'running',
        startedMs,
        pausedForMs: state.pausedForMs + restedMs,
        endsMs: endsMs === null ? null : endsMs + restedMs,
      };
    }
    case 'extend':
      if (!begun) return refused('Only a drop that has begun can be extended.');
      if (state.endsMs === null) return refused('This drop goes on until it is sold out.');
      return { ...state, endsMs: state.endsMs + action.byMs };
    case 'end':
      if (begun) return { kind: 'ended', startedMs: state.startedMs, endedMs: nowMs, by: action.by };
      if (waits && action.by === 'showEnd') {
        return { kind: 'ended', startedMs: null, endedMs: nowMs, by: 'showEnd' };
      }
      return refused(waits ? 'This drop has not begun.' : 'This drop is already over.');
  }
};
