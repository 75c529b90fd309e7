// A strip's settings in depth: device, side, use, backup; filter, gate, compressor, pan, delay. Lies over the mixer, never over
// the pictures. Not its job: what they do (media/channel-strip.ts).
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Button, Field, Select } from '../ui/controls.tsx';
import { deviceChoices, noDevice } from './device-words.ts';
import { useSound, useStudio } from './hooks.ts';
import type { Compressor, StripSettings } from './media/channel-strip.ts';
import { longestChannelName, speechCompressor, type ChannelSettings } from './sound-settings.ts';

export const StripSheet = ({ id, onClose }: { id: string; onClose: () => void }) => {
  const studio = useStudio();
  const sheet = useRef<HTMLDivElement>(null);
  const channel = useSound((sound) => sound.settings.channels.find((each) => each.id === id));
  const attached = useSound((sound) => sound.attached[id]);
  useEffect(() => sheet.current?.querySelector('button')?.focus(), []);
  const strip = channel?.strip ?? attached?.strip;
  if (!strip) return null;
  const name = channel?.name ?? attached?.name ?? '';
  const set = (change: Partial<StripSettings>) => studio.sound.setStrip(id, change);
  return (
    <div
      ref={sheet}
      className="strip-sheet"
      role="dialog"
      aria-label={`${name}, all settings`}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onClose();
      }}
    >
      <div className="panel-head">
        <h3>{name}</h3>
        <Button kind="quiet" onPress={onClose}>
          Close
        </Button>
      </div>
      <div className="strip-settings">
        {channel && <ChannelFields channel={channel} onGone={onClose} />}
        <StripFields strip={strip} set={set} />
      </div>
    </div>
  );
};

const ChannelFields = ({ channel, onGone }: { channel: ChannelSettings; onGone: () => void }) => {
  const studio = useStudio();
  const { sound } = studio;
  const { id } = channel;
  const slot = useSound((state) => state.channels[id]?.slot ?? { kind: 'empty' as const });
  const microphones = useSound((state) => state.microphones);
  const channels = useSound((state) => state.settings.channels);
  const [removing, setRemoving] = useState(false);
  const others = channels.filter((each) => each.id !== id);
  return (
    <>
      <Field
        label="Name"
        value={channel.name}
        maxLength={longestChannelName}
        onChange={(name) => {
          if (name !== '') sound.change(id, { name });
        }}
      />
      <Select
        label="Microphone"
        value={'identity' in slot ? slot.identity.deviceId : noDevice}
        choices={deviceChoices(slot, microphones, 'microphone')}
        onChange={(deviceId) => {
          if (deviceId === noDevice) sound.empty(id);
          else void sound.open(id, deviceId);
        }}
      />
      <Select
        label="Side"
        value={channel.strip.mode}
        choices={[
          { value: 'stereo', text: 'Both sides' },
          { value: 'left', text: 'Left only' },
          { value: 'right', text: 'Right only' },
        ]}
        onChange={(mode) => {
          if (mode === 'stereo' || mode === 'left' || mode === 'right') sound.setStrip(id, { mode });
        }}
      />
      {channel.strip.mode === 'stereo' && slot.kind === 'live' && (
        <Button
          title="For a field mixer with a lavalier on each side: this channel keeps the left, a new one gets the right"
          onPress={() => void sound.split(id)}
        >
          Split into two lavs
        </Button>
      )}
      <Select
        label="Backup"
        value={channel.backupId ?? ''}
        choices={[
          { value: '', text: 'None' },
          ...others.map((each) => ({ value: each.id, text: each.name })),
        ]}
        onChange={(value) =>
          sound.change(id, { backupId: others.find((each) => each.id === value)?.id ?? null })
        }
      />
      <Select
        label="Use"
        value={channel.use}
        choices={[
          { value: 'program', text: 'Program' },
          { value: 'talkback', text: 'Talkback to guests' },
        ]}
        onChange={(use) => sound.change(id, { use: use === 'talkback' ? 'talkback' : 'program' })}
      />
      <Select
        label="Room"
        value={channel.processing}
        choices={[
          { value: 'music', text: 'As it is' },
          { value: 'speech', text: 'Cancel echo and noise' },
        ]}
        onChange={(processing) =>
          sound.change(id, { processing: processing === 'speech' ? 'speech' : 'music' })
        }
      />
      <Button
        kind={removing ? 'look' : 'quiet'}
        onPress={() => {
          if (!removing) return setRemoving(true);
          sound.removeChannel(id);
          onGone();
        }}
      >
        {removing ? 'Press again to remove' : 'Remove this channel'}
      </Button>
    </>
  );
};

const highPassChoices = [
  { value: '', text: 'Off' },
  ...[60, 80, 100, 120, 160, 200].map((hz) => ({ value: String(hz), text: `${hz} Hz` })),
];

const StripFields = ({
  strip,
  set,
}: {
  strip: StripSettings;
  set: (change: Partial<StripSettings>) => void;
}) => {
  const { compressor } = strip;
  const setCompressor = (change: Partial<Compressor>) => {
    if (compressor) set({ compressor: { ...compressor, ...change } });
  };
  return (
    <>
      <Select
        label="High-pass"
        value={strip.highPassHz === null ? '' : String(strip.highPassHz)}
        choices={highPassChoices}
        onChange={(hz) => set({ highPassHz: hz === '' ? null : Number(hz) })}
      />
      <Slider
        label="Pan"
        value={strip.pan}
        low={-1}
        high={1}
        step={0.1}
        words={panWords(strip.pan)}
        onChange={(pan) => set({ pan })}
      />
      <Slider
        label="Delay"
        value={strip.delayMs}
        low={0}
        high={1000}
        step={5}
        words={`${strip.delayMs} ms`}
        onChange={(delayMs) => set({ delayMs })}
      />
      <Part label="Gate" on={strip.gateDb !== null} onToggle={(on) => set({ gateDb: on ? -45 : null })}>
        {strip.gateDb !== null && (
          <Slider
            label="Opens at"
            value={strip.gateDb}
            low={-80}
            high={-10}
            step={1}
            words={`${strip.gateDb} dB`}
            onChange={(gateDb) => set({ gateDb })}
          />
        )}
      </Part>
      <Part
        label="Compressor"
        on={compressor !== null}
        onToggle={(on) => set({ compressor: on ? speechCompressor : null })}
      >
        {compressor && (
          <>
            <Slider
              label="Threshold"
              value={compressor.thresholdDb}
              low={-60}
              high={0}
              step={1}
              words={`${compressor.thresholdDb} dB`}
              onChange={(thresholdDb) => setCompressor({ thresholdDb })}
            />
            <Slider
              label="Ratio"
              value={compressor.ratio}
              low={1}
              high={20}
              step={0.5}
              words={`${compressor.ratio} : 1`}
              onChange={(ratio) => setCompressor({ ratio })}
            />
            <Slider
              label="Attack"
              value={compressor.attackMs}
              low={1}
              high={200}
              step={1}
              words={`${compressor.attackMs} ms`}
              onChange={(attackMs) => setCompressor({ attackMs })}
            />
            <Slider
              label="Release"
              value={compressor.releaseMs}
              low={20}
              high={2000}
              step={10}
              words={`${compressor.releaseMs} ms`}
              onChange={(releaseMs) => setCompressor({ releaseMs })}
            />
            <Slider
              label="Make-up"
              value={compressor.makeUpDb}
              low={0}
              high={24}
              step={1}
              words={`+${compressor.makeUpDb} dB`}
              onChange={(makeUpDb) => setCompressor({ makeUpDb })}
            />
          </>
        )}
      </Part>
    </>
  );
};

const panWords = (pan: number): string => {
  if (Math.abs(pan) < 0.05) return 'middle';
  return `${Math.round(Math.abs(pan) * 100)} % ${pan < 0 ? 'left' : 'right'}`;
};

/** One work of the strip with its switch; its settings are there while it is on. */
const Part = (props: {
  label: string;
  on: boolean;
  onToggle: (on: boolean) => void;
  children: ReactNode;
}) => (
  <fieldset className="strip-part">
    <legend className="visually-hidden">{props.label}</legend>
    <Button
      pressed={props.on}
      label={`${props.label}: ${props.on ? 'on' : 'off'}`}
      onPress={() => props.onToggle(!props.on)}
    >
      {props.label}: {props.on ? 'on' : 'off'}
    </Button>
    {props.children}
  </fieldset>
);

/** A value with its words; the words are what a screen reader says. */
export const Slider = (props: {
  label: string;
  value: number;
  low: number;
  high: number;
  step: number;
  words: string;
  onChange: (value: number) => void;
}) => (
  <label className="strip-slider">
    <span className="field-label">{props.label}</span>
    <span className="strip-slider-value" aria-hidden="true">
      {props.words}
    </span>
    <input
      type="range"
      min={props.low}
      max={props.high}
      step={props.step}
      value={props.value}
      aria-label={props.label}
      aria-valuetext={props.words}
      onChange={(event) => props.onChange(event.target.valueAsNumber)}
    />
  </label>
);
