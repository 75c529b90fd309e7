// Which device plays which role, its state in words, and how each sound goes into the program.
// Not its job: opening devices (inputs.ts) or guests' links (people.tsx).
import { Button, Meter, Select, type Choice } from '../ui/controls.tsx';
import { formatDuration } from '../ui/format.ts';
import { guestSourceId } from './guests.ts';
import { useDesk, useInputs, useNow, useShow, useStudio } from './hooks.ts';
import { cameraRole, micRoles, studioSettings, type InputRole, type MicRole } from './inputs.ts';
import type { DeviceIdentity, SlotState } from '../ui/devices.ts';
import './sources.css';

const none = '';

export const SourcesPanel = () => {
  const camera = useInputs((inputs) => inputs.camera);
  const mics = useInputs((inputs) => inputs.mics);
  const cameras = useInputs((inputs) => inputs.cameras);
  const microphones = useInputs((inputs) => inputs.microphones);
  return (
    <section className="panel sources" aria-labelledby="sources-head">
      <div className="panel-head">
        <h2 id="sources-head">Sources</h2>
        <Quality />
      </div>
      <SourceRow role={cameraRole} state={camera} devices={cameras} kind="camera" />
      {micRoles.map((role) => (
        <SourceRow key={role} role={role} state={mics[role]} devices={microphones} kind="microphone" />
      ))}
    </section>
  );
};

/** The browser needs a new compositor for another size; the simplest honest way to it is a fresh page. */
const Quality = () => {
  const studio = useStudio();
  const quality = useInputs((inputs) => inputs.settings.quality);
  const live = useShow((show) => show?.phase.kind === 'live');
  return (
    <Select
      label="Program size"
      labelHidden
      value={quality}
      disabled={live}
      choices={[
        { value: '360p', text: '640 × 360' },
        { value: '720p', text: '1280 × 720' },
      ]}
      onChange={(value) => {
        const chosen = studioSettings.shape.quality.safeParse(value);
        if (!chosen.success) return;
        studio.inputs.setSettings({ quality: chosen.data });
        location.reload();
      }}
    />
  );
};

const choicesFor = (state: SlotState, devices: readonly DeviceIdentity[], kind: string): Choice[] => {
  const named = devices.filter(({ deviceId }) => deviceId !== '');
  const choices = named.map(({ deviceId, label }) => ({
    value: deviceId,
    text: shortLabel(label) || `A ${kind}`,
  }));
  // The chosen one stays in the list while it is unplugged.
  if ('identity' in state && !named.some(({ deviceId }) => deviceId === state.identity.deviceId)) {
    choices.unshift({ value: state.identity.deviceId, text: shortLabel(state.identity.label) });
  }
  return [{ value: none, text: `No ${kind}` }, ...choices];
};

/** Chromium appends USB ids in brackets, which tell a director nothing. */
const shortLabel = (label: string): string => label.replace(/ \([0-9a-f]{4}:[0-9a-f]{4}\)$/i, '');

const SourceRow = (props: {
  role: InputRole;
  state: SlotState;
  devices: readonly DeviceIdentity[];
  kind: 'camera' | 'microphone';
}) => {
  const studio = useStudio();
  const { role, state, devices, kind } = props;
  const unnamed = devices.every(({ deviceId }) => deviceId === '');
  return (
    <div className="source">
      <span className="source-role">{role}</span>
      <Select
        label={`${role} device`}
        labelHidden
        value={'identity' in state ? state.identity.deviceId : none}
        choices={choicesFor(state, devices, kind)}
        onChange={(deviceId) => {
          if (deviceId === none) studio.inputs.empty(role);
          else void studio.inputs.open(role, deviceId);
        }}
      />
      <SourceState role={role} state={state} />
      {(state.kind === 'failed' || (state.kind === 'empty' && unnamed)) && (
        <Button onPress={() => void studio.inputs.open(role)}>
          {state.kind === 'failed' ? 'Try again' : 'Turn on'}
        </Button>
      )}
    </div>
  );
};

const SourceState = ({ role, state }: { role: InputRole; state: SlotState }) => {
  const stats = useInputs((inputs) => inputs.cameraStats);
  const nowMs = useNow(state.kind === 'unplugged' ? 1_000 : null);
  const words = (): { tone: string; text: string } => {
    switch (state.kind) {
      case 'empty':
        return { tone: 'off', text: 'off' };
      case 'opening':
        return { tone: 'off', text: 'opening' };
      case 'live': {
        if (role !== cameraRole) return { tone: 'fine', text: 'live' };
        if (!stats || stats.lastFrameAgeMs === null) return { tone: 'off', text: 'no picture yet' };
        if (stats.lastFrameAgeMs > 1_000) return { tone: 'look', text: 'frozen' };
        return { tone: 'fine', text: `live ${stats.framesPerSecond.toFixed(1)} fps` };
      }
      case 'unplugged':
        return { tone: 'look', text: `unplugged ${formatDuration(nowMs - state.sinceMs)} ago` };
      case 'failed':
        return { tone: 'look', text: failedWord[state.problem.kind] };
    }
  };
  const { tone, text } = words();
  return (
    <span
      className="source-state"
      data-tone={tone}
      title={state.kind === 'failed' ? state.problem.sentence : undefined}
    >
      {text}
    </span>
  );
};

const failedWord = {
  denied: 'not allowed',
  insecure: 'needs https',
  none: 'none connected',
  busy: 'in use elsewhere',
  'timed-out': 'did not open',
  gone: 'not connected',
  cancelled: 'off',
  unknown: 'cannot open',
} as const;

export const SoundPanel = () => {
  const soundWaits = useDesk((desk) => desk.soundWaits);
  const mics = useInputs((inputs) => inputs.mics);
  const guests = useShow((show) => show?.guests ?? noGuests);
  const onProgram = useDesk((desk) => desk.scene.guestId);
  const inUse = micRoles.filter((role) => mics[role].kind !== 'empty');
  return (
    <section className="panel sound" aria-labelledby="sound-head">
      <div className="panel-head">
        <h2 id="sound-head">Sound</h2>
        {soundWaits && inUse.length > 0 && (
          <span className="source-state" data-tone="look">
            click anywhere to start sound
          </span>
        )}
      </div>
      {inUse.length === 0 && <p className="hint">No microphone is on. Fans will hear nothing.</p>}
      {inUse.map((role) => (
        <MicStrip key={role} role={role} />
      ))}
      {guests
        .filter(({ presence }) => presence.kind === 'here' && presence.audioProducerId !== null)
        .map(({ id, name }) => (
          <Strip
            key={id}
            name={name}
            meter={guestSourceId(id)}
            note={id === onProgram ? 'in the program' : 'waiting'}
          />
        ))}
      <Strip name="Program" meter="program" note="" />
    </section>
  );
};

const noGuests: readonly never[] = [];

const Strip = ({ name, meter, note }: { name: string; meter: string; note: string }) => {
  const studio = useStudio();
  return (
    <div className="strip">
      <span className="strip-name" title={name}>
        {name}
      </span>
      <Meter label={name} feed={studio.meterFeed(meter)} />
      <span className="strip-note">{note}</span>
    </div>
  );
};

const MicStrip = ({ role }: { role: MicRole }) => {
  const studio = useStudio();
  const settings = useInputs((inputs) => inputs.settings.mics[role]);
  return (
    <div className="strip">
      <span className="strip-name">{role}</span>
      <Meter label={role} feed={studio.meterFeed(role)} />
      <div className="strip-controls">
        <Select
          label={`${role} channel`}
          labelHidden
          value={settings.mode}
          choices={channelChoices}
          onChange={(mode) => {
            if (mode === 'stereo' || mode === 'left' || mode === 'right')
              studio.inputs.setMic(role, { mode });
          }}
        />
        <label className="gain">
          <span className="visually-hidden">{role} gain</span>
          <input
            type="range"
            min={-24}
            max={24}
            step={1}
            value={settings.gainDb}
            aria-valuetext={`${settings.gainDb} decibels`}
            onChange={(event) => studio.inputs.setMic(role, { gainDb: event.target.valueAsNumber })}
          />
          <span className="gain-value" aria-hidden="true">
            {settings.gainDb > 0 ? `+${settings.gainDb}` : settings.gainDb} dB
          </span>
        </label>
        <Button
          kind={settings.muted ? 'look' : 'plain'}
          pressed={settings.muted}
          label={`${settings.muted ? 'Muted' : 'Mute'}: ${role}`}
          onPress={() => studio.inputs.setMic(role, { muted: !settings.muted })}
        >
          {settings.muted ? 'Muted' : 'Mute'}
        </Button>
      </div>
    </div>
  );
};

const channelChoices: readonly Choice[] = [
  { value: 'stereo', text: 'Stereo' },
  { value: 'left', text: 'Left' },
  { value: 'right', text: 'Right' },
];
