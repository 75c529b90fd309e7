// The desk as the log watches it, taken from the stores of session, inputs, guests and desk. Pure.
// Not its job: the words (log.ts).
import type { Health } from '../../sfu-server/protocol/messages.ts';
import type { SessionState } from '../session/session.ts';
import type { DeskState } from './engine.ts';
import type { LogFacts, SourceCondition, SourceFacts } from './log.ts';
import type { RecordingState } from './recording/desk.ts';
import type { SourceReport } from './source-report.ts';

export const factsForLog = (desk: {
  session: SessionState;
  desk: DeskState;
  sources: readonly SourceReport[];
  recording: RecordingState;
  uplink: LogFacts['uplink'];
}): LogFacts => {
  const { show, health, connection } = desk.session;
  const { sending, scene } = desk.desk;
  return {
    connection: connection.kind,
    show: show && {
      id: show.id,
      title: show.title,
      phase: show.phase.kind,
      source: show.program.source,
      reason: show.program.reason,
      standbyName: show.standby.name,
      guests: show.guests.map(({ id, name, presence }) => ({
        id,
        name,
        here: presence.kind === 'here',
        onProgram: scene.guestIds.includes(id),
      })),
      drops: show.drops.map(({ id, name, state }) => ({ id, name, state })),
      products: show.products.map(({ id, name, stock }) => ({ id, name, soldOut: stock.left === 0 })),
    },
    sources: desk.sources.map(sourceFacts),
    uplink: desk.uplink,
    recording: recordingFacts(desk.recording),
    recordingStopped: health?.recordingStopped ?? null,
    sendingFailed: sending.kind === 'failed' ? sending.text : null,
    fault: desk.desk.fault,
    trouble: desk.desk.trouble,
  };
};

const recordingFacts = ({ phase, note }: RecordingState): LogFacts['recording'] => ({
  on: phase.kind !== 'off',
  name: phase.kind === 'recording' ? phase.take : '',
  note: note && note.tone !== 'done' ? { tone: note.tone, text: note.text } : null,
});

const conditionOf = (input: SourceReport['input'], media: SourceReport['media']): SourceCondition => {
  if (input.kind === 'gone') return input.how;
  if (input.kind !== 'live') return input.kind;
  return media === 'well' ? 'live' : media;
};

const sourceFacts = ({ id, name, medium, input, media, instead }: SourceReport): SourceFacts => ({
  id,
  name,
  medium,
  condition: conditionOf(input, media),
  instead,
  failure: input.kind === 'failed' ? input.text : null,
});

/** Above these fans are likely to notice; the same bounds as the health line's. */
const lossyPct = 2;
const slowMs = 250;
/** A change counts once it has lasted this long: one bad second is no news. */
const settleMs = 4_000;

export interface UplinkJudge {
  look(health: Health | null, nowMs: number): LogFacts['uplink'];
}

export const createUplinkJudge = (): UplinkJudge => {
  let settled: LogFacts['uplink'] = 'unknown';
  let candidate: { uplink: LogFacts['uplink']; sinceMs: number } = { uplink: 'unknown', sinceMs: 0 };
  return {
    look: (health, nowMs) => {
      const uplink =
        !health || health.layers.length === 0
          ? 'unknown'
          : health.lossPct >= lossyPct
            ? 'lossy'
            : health.rttMs >= slowMs
              ? 'slow'
              : 'good';
      if (candidate.uplink !== uplink) candidate = { uplink, sinceMs: nowMs };
      if (nowMs - candidate.sinceMs >= settleMs) settled = candidate.uplink;
      return settled;
    },
  };
};
