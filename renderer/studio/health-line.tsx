// The foot of the page: what went wrong and what was done about it, in words; the figures for those who want them.
// Not its job: finding the words (health.ts).
import { useStore } from 'zustand';
import { Button } from '../ui/controls.tsx';
import { healthFigures, healthLines, type HealthFacts } from './health.ts';
import { useDesk, useLayout, useServerNow, useSession, useSound, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import { clockTime } from './log.ts';

export const HealthLine = () => {
  const studio = useStudio();
  const layout = useLayout();
  const session = useSession((state) => state);
  const desk = useDesk((state) => state);
  const channels = useSound((sound) => sound.settings.channels);
  const channelStates = useSound((sound) => sound.channels);
  const { phase, disk } = useStore(studio.recording.store);
  const nowMs = useServerNow(1_000);
  const pictures = studio.reportPictures();
  const { clipFor: clipForId } = desk.cover;
  const clipFor =
    clipForId === null ? null : (pictures.find(({ id }) => id === clipForId)?.name ?? 'A source');
  /** The camera that sets the pace of the program. */
  const first = pictures.find(({ onProgram, stats }) => onProgram && stats !== null);
  const facts: HealthFacts = {
    nowMs,
    connection: session.connection.kind,
    show: session.show,
    health: session.health,
    pictures,
    clipFor,
    microphones: channels.map(({ id, name, backupId }) => {
      const state = channelStates[id];
      const backup = channels.find((channel) => channel.id === backupId);
      return {
        role: name,
        input: studio.sound.report(id),
        sound: state?.health ?? { kind: 'waiting' },
        spokenForBy: state?.place.kind === 'backup' ? backup?.name : undefined,
      };
    }),
    sending: desk.sending.kind,
    latePct: studio.pipeline().latePct,
    recording:
      phase.kind === 'recording'
        ? {
            sinceMs: phase.startMs + studio.session.clockOffsetMs(),
            roomMs: disk.kind === 'unknown' ? null : disk.leftMs,
          }
        : null,
    fault: desk.fault,
  };
  const [worst, ...others] = healthLines(facts);
  return (
    <footer className="health">
      <div className="health-words" role="status">
        {desk.trouble !== null && (
          <p className="health-line" data-tone="wrong">
            <strong>{desk.trouble}</strong>
            <Button kind="quiet" onPress={() => studio.dismissTrouble()}>
              Dismiss
            </Button>
          </p>
        )}
        {desk.trouble === null && worst && (
          <p className="health-line" data-tone={worst.tone} title={worst.text}>
            <span className="health-mark" aria-hidden="true" />
            {worst.text}
            {others.length > 0 && (
              <span className="health-more" title={others.map(({ text }) => text).join('\n')}>
                {' '}
                {others[0]?.text}
                {others.length > 1 && ` (and ${others.length - 1} more)`}
              </span>
            )}
          </p>
        )}
      </div>
      <LatestInLog besides={[desk.trouble, worst?.text]} />
      <dl className="health-figures">
        {healthFigures(session.health, first?.stats?.framesPerSecond ?? null).map(
          ({ name, value, detail }) => (
            <div key={name} title={detail}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
        )}
      </dl>
      <Button kind="quiet" keyHint={keyHint('keys')} onPress={() => layout.toggleSheet('keys')}>
        Keys
      </Button>
    </footer>
  );
};

/** The newest line of the log, unless it stands beside it already, and the way to the rest of it. */
const LatestInLog = ({ besides }: { besides: readonly (string | null | undefined)[] }) => {
  const { log } = useStudio();
  const layout = useLayout();
  const latest = useStore(log.store, ({ lines }) => lines.at(-1));
  if (!latest || besides.includes(latest.text)) return null;
  return (
    <button
      type="button"
      className="health-latest"
      title={`${latest.text}\nOpens the log`}
      onClick={() => layout.open('log')}
    >
      <span className="health-latest-words">
        <time>{clockTime(latest.atMs)}</time> {latest.text}
      </span>
    </button>
  );
};
