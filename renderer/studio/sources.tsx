// Which device plays which role in the picture, and its state in words.
// Not its job: opening devices (inputs.ts), sound (mixer-panel.tsx) or guests' links (people.tsx).
import { Button, Select } from '../ui/controls.tsx';
import { deviceChoices, noDevice, slotWords } from './device-words.ts';
import { useInputs, useNow, useShow, useStudio } from './hooks.ts';
import { cameraRole, studioSettings } from './inputs.ts';
import type { SlotState } from '../ui/devices.ts';
import './sources.css';

export const SourcesPanel = () => (
  <section className="panel sources" aria-labelledby="sources-head">
    <div className="panel-head">
      <h2 id="sources-head">Sources</h2>
      <Quality />
    </div>
    <CameraRow />
  </section>
);

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

const CameraRow = () => {
  const studio = useStudio();
  const state = useInputs((inputs) => inputs.camera);
  const devices = useInputs((inputs) => inputs.cameras);
  const unnamed = devices.every(({ deviceId }) => deviceId === '');
  return (
    <div className="source">
      <span className="source-role">{cameraRole}</span>
      <Select
        label={`${cameraRole} device`}
        labelHidden
        value={'identity' in state ? state.identity.deviceId : noDevice}
        choices={deviceChoices(state, devices, 'camera')}
        onChange={(deviceId) => {
          if (deviceId === noDevice) studio.inputs.empty();
          else void studio.inputs.open(deviceId);
        }}
      />
      <CameraState state={state} />
      {(state.kind === 'failed' || (state.kind === 'empty' && unnamed)) && (
        <Button onPress={() => void studio.inputs.open()}>
          {state.kind === 'failed' ? 'Try again' : 'Turn on'}
        </Button>
      )}
    </div>
  );
};

const CameraState = ({ state }: { state: SlotState }) => {
  const stats = useInputs((inputs) => inputs.cameraStats);
  const nowMs = useNow(state.kind === 'unplugged' ? 1_000 : null);
  const words = () => {
    if (state.kind !== 'live') return slotWords(state, nowMs);
    if (!stats || stats.lastFrameAgeMs === null) return { tone: 'off', text: 'no picture yet' };
    if (stats.lastFrameAgeMs > 1_000) return { tone: 'look', text: 'frozen' };
    return { tone: 'fine', text: `live ${stats.framesPerSecond.toFixed(1)} fps` };
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
