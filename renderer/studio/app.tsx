// The studio page: one window with everything a director needs, laid out so that nothing covers the program.
// Here: the frame of the page, the top bar, the health line and the keys. The panels are in their own files; what
// anything does is in engine.ts.
import { useEffect, useRef, useState } from 'react';
import { formatCount, formatRunningTime } from '../ui/format.ts';
import { Button } from '../ui/controls.tsx';
import { ConnectionPanel } from './connection-panel.tsx';
import { DropPanel } from './drop.tsx';
import { healthFigures, healthLines, type HealthFacts } from './health.ts';
import { PeoplePanel } from './people.tsx';
import { SourcesPanel, SoundPanel } from './sources.tsx';
import { Stage } from './stage.tsx';
import { StandbyPanel } from './standby-panel.tsx';
import type { Studio } from './engine.ts';
import { StudioContext, useDesk, useInputs, useServerNow, useSession, useShow, useStudio } from './hooks.ts';
import { cameraRole, micRoles } from './inputs.ts';

export const App = ({ studio }: { studio: Studio }) => (
  <StudioContext value={studio}>
    <Page />
  </StudioContext>
);

const Page = () => {
  const connection = useSession((state) => state.connection);
  const ready = useShow((show) => show !== null);
  const [keysShown, setKeysShown] = useState(false);
  useKeys(() => setKeysShown((shown) => !shown));
  if (connection.kind === 'refused') return <Refused text={connection.text} />;
  if (!ready) return <Opening />;
  return (
    <div className="studio">
      <TopBar />
      <main className="desk">
        <Stage />
        <div className="desk-lower">
          <SourcesPanel />
          <SoundPanel />
          <StandbyPanel />
          <ConnectionPanel />
        </div>
      </main>
      <aside className="side" aria-label="Drop and people">
        <DropPanel />
        <PeoplePanel />
      </aside>
      <HealthLine onKeys={() => setKeysShown((shown) => !shown)} />
      {keysShown && <KeyList onClose={() => setKeysShown(false)} />}
    </div>
  );
};

const Opening = () => (
  <main className="notice-page">
    <h1>Opening the studio</h1>
    <p role="status">Connecting to the server.</p>
  </main>
);

const Refused = ({ text }: { text: string }) => {
  const studio = useStudio();
  return (
    <main className="notice-page">
      <h1>The studio cannot open</h1>
      <p role="alert">{text}</p>
      <Button kind="action" large onPress={() => studio.session.retryNow()}>
        Try again
      </Button>
    </main>
  );
};

const TopBar = () => {
  const viewers = useShow((show) => show?.viewers ?? 0);
  const delay = useSession((state) => state.health?.viewerDelayMs ?? null);
  return (
    <header className="top">
      <AirState />
      <TitleField />
      <p className="top-figures" aria-label="Audience">
        <span>{formatCount(viewers, 'watching', 'watching')}</span>
        {delay && <span>{Math.round(delay.median)} ms behind</span>}
      </p>
      <AirButtons />
    </header>
  );
};

const AirState = () => {
  const phase = useShow((show) => show?.phase ?? null);
  const source = useShow((show) => show?.program.source ?? 'none');
  const nowMs = useServerNow(phase?.kind === 'live' ? 500 : null);
  if (phase?.kind === 'live') {
    const standby = source === 'standby';
    return (
      <p className={`air ${standby ? 'air-standby' : 'air-live'}`}>
        <span className="air-dot" aria-hidden="true" />
        <strong>{standby ? 'LIVE · STANDBY CLIP' : 'LIVE'}</strong>
        <time>{formatRunningTime(nowMs - phase.sinceMs)}</time>
      </p>
    );
  }
  return (
    <p className="air">
      <strong>{phase?.kind === 'ended' ? 'SHOW ENDED' : 'OFF AIR'}</strong>
      {phase?.kind === 'ended' && <time>{formatRunningTime(phase.endedMs - phase.sinceMs)}</time>}
    </p>
  );
};

const TitleField = () => {
  const studio = useStudio();
  const title = useShow((show) => show?.title ?? '');
  const [draft, setDraft] = useState<string | null>(null);
  const save = () => {
    const next = draft?.trim() ?? '';
    if (next !== '' && next !== title) void studio.setTitle(next).then(() => setDraft(null));
    else setDraft(null);
  };
  return (
    <h1 className="top-title">
      <input
        aria-label="Show title"
        value={draft ?? title}
        maxLength={80}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={save}
        onKeyDown={(event) => {
          if (event.key === 'Enter') event.currentTarget.blur();
          if (event.key === 'Escape') setDraft(null);
        }}
      />
    </h1>
  );
};

const goLiveWords = { no: 'Go live', testingConnection: 'Skip the test', starting: 'Going live' } as const;

const AirButtons = () => {
  const studio = useStudio();
  const phase = useShow((show) => show?.phase.kind ?? 'setup');
  const lock = useShow((show) => show?.program.lock ?? 'none');
  const endArmed = useDesk((desk) => desk.endArmed);
  const going = useDesk((desk) => desk.going);
  if (phase === 'ended') {
    return (
      <div className="top-buttons">
        <Button kind="action" onPress={() => void studio.newShow()}>
          Prepare the next show
        </Button>
      </div>
    );
  }
  if (phase === 'setup') {
    return (
      <div className="top-buttons">
        <Button
          kind="action"
          keyHint="⇧L"
          disabled={going === 'starting'}
          title="Tests the connection first"
          onPress={() => void studio.goLive()}
        >
          {goLiveWords[going]}
        </Button>
      </div>
    );
  }
  return (
    <div className="top-buttons">
      <Button
        keyHint="⇧S"
        kind={lock === 'standby' ? 'look' : 'plain'}
        pressed={lock === 'standby'}
        title="Fans see the standby clip until you press this again"
        onPress={() => void studio.lockStandby(lock !== 'standby')}
      >
        {lock === 'standby' ? 'Standby locked' : 'Standby'}
      </Button>
      <Button keyHint="⇧E" kind={endArmed ? 'look' : 'plain'} onPress={() => void studio.end()}>
        {endArmed ? 'Press again to end' : 'End'}
      </Button>
    </div>
  );
};

/** What went wrong and what was done about it, in words; the figures for those who want them. */
const HealthLine = ({ onKeys }: { onKeys: () => void }) => {
  const studio = useStudio();
  const session = useSession((state) => state);
  const desk = useDesk((state) => state);
  const cameraStats = useInputs((inputs) => inputs.cameraStats);
  const cameraHealth = useInputs((inputs) => inputs.cameraHealth);
  const micHealth = useInputs((inputs) => inputs.micHealth);
  const nowMs = useServerNow(1_000);
  const facts: HealthFacts = {
    nowMs,
    connection: session.connection.kind,
    show: session.show,
    health: session.health,
    camera: studio.inputs.report(cameraRole),
    microphones: micRoles.map((role) => ({
      role,
      input: studio.inputs.report(role),
      sound: micHealth[role],
    })),
    picture: cameraHealth,
    sending: desk.sending.kind,
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
          <p className="health-line" data-tone={worst.tone}>
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
      <dl className="health-figures">
        {healthFigures(session.health, cameraStats?.framesPerSecond ?? null).map(
          ({ name, value, detail }) => (
            <div key={name} title={detail}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
        )}
      </dl>
      <Button kind="quiet" keyHint="?" onPress={onKeys}>
        Keys
      </Button>
    </footer>
  );
};

const keyTable: readonly { keys: string; does: string }[] = [
  { keys: 'Shift + L', does: 'Go live' },
  { keys: 'Shift + E, twice', does: 'End the show' },
  { keys: 'Shift + S', does: 'Lock the standby clip, or unlock it' },
  { keys: '1', does: 'Camera alone' },
  { keys: '2', does: 'Camera and guest side by side' },
  { keys: '3', does: 'Guest alone' },
  { keys: 'Q', does: 'QR code on or off' },
  { keys: 'T', does: 'Lower third on or off' },
  { keys: 'R', does: 'Rehearse the standby clip, before going live' },
  { keys: 'C', does: 'Test the connection, before going live' },
  { keys: 'Shift + D', does: 'Start the drop, pause it, go on' },
  { keys: 'Shift + K', does: 'Count down to the drop' },
  { keys: 'Shift + M', does: 'One minute more for the drop' },
  { keys: 'Shift + X, twice', does: 'End the drop; before its start, call it off' },
  { keys: 'B', does: 'One sold at the table' },
  { keys: 'Enter', does: 'Resume the show after a reload' },
  { keys: '?', does: 'Show or hide this list' },
];

/** A sheet over the side panels, never over the program. */
const KeyList = ({ onClose }: { onClose: () => void }) => {
  const sheet = useRef<HTMLDivElement>(null);
  useEffect(() => sheet.current?.querySelector('button')?.focus(), []);
  return (
    <div
      ref={sheet}
      className="keys"
      role="dialog"
      aria-label="Keys"
      onKeyDown={(event) => {
        if (event.key === 'Escape') onClose();
      }}
    >
      <div className="panel-head">
        <h2>Keys</h2>
        <Button kind="quiet" onPress={onClose}>
          Close
        </Button>
      </div>
      <dl>
        {keyTable.map(({ keys, does }) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
};

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]');

/** Keys of the whole page. Ignored while typing, and when a browser or system shortcut is meant. */
const useKeys = (toggleList: () => void) => {
  const studio = useStudio();
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const actions: Record<string, () => void> = {
        L: () => void studio.goLive(),
        E: () => void studio.end(),
        S: () => void studio.lockStandby(studio.session.store.getState().show?.program.lock !== 'standby'),
        1: () => studio.setView('camera'),
        2: () => studio.setView('sideBySide'),
        3: () => studio.setView('guest'),
        q: () => studio.setQr(!studio.store.getState().scene.qrVisible),
        t: () => studio.setLowerThird(studio.store.getState().scene.lowerThird === null),
        c: () => {
          if (studio.session.store.getState().show?.phase.kind !== 'live') void studio.connection.run('full');
        },
        D: () => void studio.shop.startOrPause(),
        K: () => void studio.shop.countDown(),
        M: () => void studio.shop.extend(),
        X: () => void studio.shop.end(),
        b: () => void studio.shop.recordSale(1),
        r: () => void studio.standby.rehearse(),
        '?': toggleList,
      };
      // A focused button keeps its own Enter.
      if (event.key === 'Enter' && !(event.target instanceof HTMLButtonElement)) studio.resume();
      const action = actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [studio, toggleList]);
};
