// The top of the page: on air or not and for how long, the title, the audience, and the buttons that start, cover and end a show.
// Not its job: what they do (engine.ts).
import { useState } from 'react';
import type { Health } from '../../sfu-server/protocol/messages.ts';
import { Button } from '../ui/controls.tsx';
import { formatCount, formatRate, formatRunningTime } from '../ui/format.ts';
import { useDesk, useLayout, useServerNow, useSession, useShow, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';

/** Picture and sound together, as the server gets them. */
const sendingKbps = (health: Health | null): number =>
  health ? health.layers.reduce((sum, { kbps }) => sum + kbps, health.audioKbps) : 0;

export const TopBar = () => {
  const viewers = useShow((show) => show?.viewers ?? 0);
  const delay = useSession((state) => state.health?.viewerDelayMs ?? null);
  const upKbps = useSession(({ health }) => sendingKbps(health));
  return (
    <header className="top">
      <AirState />
      <TitleField />
      <p className="top-figures" aria-label="Audience">
        <span>{formatCount(viewers, 'watching', 'watching')}</span>
        {delay && <span>{Math.round(delay.median)} ms behind</span>}
        {upKbps > 0 && <span>{formatRate(upKbps)} up</span>}
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

const goLiveWords = {
  no: 'Go live',
  testingConnection: 'Skip the test',
  asking: 'Go live anyway',
  starting: 'Going live',
} as const;

const AirButtons = () => {
  const studio = useStudio();
  const layout = useLayout();
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
        <Button keyHint={keyHint('preflight')} onPress={() => layout.toggleSheet('preflight')}>
          Pre-flight
        </Button>
        <Button
          kind={going === 'asking' ? 'look' : 'action'}
          keyHint={keyHint('goLive')}
          disabled={going === 'starting'}
          title="Tests the connection and goes through the pre-flight list first"
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
        keyHint={keyHint('standby')}
        kind={lock === 'standby' ? 'look' : 'plain'}
        pressed={lock === 'standby'}
        title="Fans see the standby clip until you press this again"
        onPress={() => void studio.lockStandby(lock !== 'standby')}
      >
        {lock === 'standby' ? 'Standby locked' : 'Standby'}
      </Button>
      <Button keyHint={keyHint('end')} kind={endArmed ? 'look' : 'plain'} onPress={() => void studio.end()}>
        {endArmed ? 'Press again to end' : 'End'}
      </Button>
    </div>
  );
};
