// The mixer: a strip for every microphone, guest and other sound, the program's strip, monitor and talkback.
// Not its job: what a strip does (sound.ts), its settings in depth (strip-sheet.tsx), or keys (they call the same functions).
import { useState } from 'react';
import { Button, Select } from '../ui/controls.tsx';
import { slotWords, type StateWords } from './device-words.ts';
import { useDesk, useNow, useShow, useSound, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import { loudnessHint, loudnessTargets } from './loudness-hint.ts';
import type { StripSettings } from './media/channel-strip.ts';
import { LevelMeter } from './level-meter.tsx';
import { LipSyncSheet } from './lip-sync-sheet.tsx';
import { StripSheet } from './strip-sheet.tsx';
import type { ChannelSettings } from './sound-settings.ts';
import type { AttachedStrip, ChannelState } from './sound.ts';
import './mixer-panel.css';

export const MixerPanel = () => {
  const studio = useStudio();
  const soundWaits = useDesk((desk) => desk.soundWaits);
  const channels = useSound((sound) => sound.settings.channels);
  const attached = useSound((sound) => sound.attached);
  const inUse = useSound((sound) => Object.values(sound.channels).some(({ slot }) => slot.kind !== 'empty'));
  const [openId, setOpenId] = useState<string | null>(null);
  const [lipSyncShown, setLipSyncShown] = useState(false);
  const strips = [...channels.map(({ id }) => String(id)), ...Object.keys(attached)];
  const openStrip = strips.includes(openId ?? '') ? openId : null;

  /** Left and right walk the strips, as on a console; inside a slider they move the slider. */
  const walk = (event: React.KeyboardEvent<HTMLDivElement>) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0 || !(event.target instanceof HTMLElement) || event.target.matches('input, select')) return;
    const at = strips.indexOf(event.target.closest<HTMLElement>('[data-strip]')?.dataset['strip'] ?? '');
    const next = strips[at + step];
    if (next === undefined) return;
    event.preventDefault();
    event.currentTarget.querySelector<HTMLElement>(`[data-strip="${CSS.escape(next)}"] button`)?.focus();
  };

  return (
    <section className="panel mixer" aria-labelledby="mixer-head">
      <div className="panel-head">
        <h2 id="mixer-head">Mixer</h2>
        <span className="mixer-hint" role="status">
          {soundWaits ? 'Click anywhere to hear the monitor' : !inUse && 'No microphone is on'}
        </span>
        <Talkback />
        <Button
          kind="quiet"
          title="Another microphone or line"
          onPress={() => setOpenId(studio.sound.addChannel())}
        >
          Add mic
        </Button>
        <MonitorControls />
      </div>
      <div className="mixer-desk">
        <div className="mixer-strips" onKeyDown={walk}>
          {channels.map((channel) => (
            <ChannelStripView key={channel.id} channel={channel} onMore={() => setOpenId(channel.id)} />
          ))}
          {Object.entries(attached).map(([id, { name, kind, onAir, strip }]) => (
            <StripView
              key={id}
              id={id}
              name={name}
              strip={strip}
              state={onAir ? { tone: 'fine', text: 'in the program' } : { tone: 'off', text: 'waiting' }}
              onMore={() => setOpenId(id)}
              note={attachedNotes[kind]}
            />
          ))}
        </div>
        <ProgramStrip onLipSync={() => setLipSyncShown(true)} />
      </div>
      {openStrip !== null && <StripSheet key={openStrip} id={openStrip} onClose={() => setOpenId(null)} />}
      {lipSyncShown && <LipSyncSheet onClose={() => setLipSyncShown(false)} />}
    </section>
  );
};

const attachedNotes = { guest: 'guest', feed: 'encoder', file: 'video' } as const satisfies Record<
  AttachedStrip['kind'],
  string
>;

const Talkback = () => {
  const studio = useStudio();
  const talking = useSound((sound) => sound.talking);
  const guests = useShow((show) => (show?.guests ?? []).some(({ presence }) => presence.kind === 'here'));
  if (!guests && !talking) return null;
  return (
    <button
      type="button"
      className={`button ${talking ? 'button-look' : 'button-plain'}`}
      aria-pressed={talking}
      title="Only guests hear you while you hold this, or its key"
      onPointerDown={() => studio.sound.talk(true)}
      onPointerUp={() => studio.sound.talk(false)}
      onPointerLeave={() => studio.sound.talk(false)}
      onKeyDown={(event) => {
        if (event.key === ' ' && !event.repeat) studio.sound.talk(true);
      }}
      onKeyUp={(event) => {
        if (event.key === ' ') studio.sound.talk(false);
      }}
      onBlur={() => studio.sound.talk(false)}
    >
      <span className="button-words">{talking ? 'Talking to guests' : 'Hold to talk'}</span>
      <kbd className="key-hint" aria-hidden="true">
        {keyHint('talkback')}
      </kbd>
    </button>
  );
};

const MonitorControls = () => {
  const studio = useStudio();
  const monitor = useSound((sound) => sound.settings.monitor);
  const outputs = useSound((sound) => sound.outputs);
  const soloed = useSound((sound) => sound.soloIds.length > 0);
  return (
    <div className="mixer-monitor" role="group" aria-label="Monitor">
      <Button
        pressed={monitor.on}
        title="What you hear in your headphones; fans never hear it"
        onPress={() => void studio.sound.setMonitor({ on: !monitor.on })}
      >
        {monitor.on && soloed ? 'Monitor: solo' : 'Monitor'}
      </Button>
      <Select
        label="Monitor plays"
        labelHidden
        value={monitor.source}
        choices={[
          { value: 'guests', text: 'Guests' },
          { value: 'program', text: 'Program' },
        ]}
        onChange={(source) =>
          void studio.sound.setMonitor({ source: source === 'program' ? 'program' : 'guests' })
        }
      />
      {outputs.length > 0 && (
        <Select
          label="Monitor output"
          labelHidden
          value={monitor.outputId}
          choices={[
            { value: '', text: 'Default output' },
            ...outputs.map(({ deviceId, label }) => ({ value: deviceId, text: label || 'An output' })),
          ]}
          onChange={(outputId) => void studio.sound.setMonitor({ outputId })}
        />
      )}
    </div>
  );
};

/** What is to be said of a microphone, worst first. */
const channelWords = ({ slot, health, place }: ChannelState, nowMs: number): StateWords => {
  if (place.kind === 'backup') return { tone: 'look', text: 'backup is on' };
  if (slot.kind !== 'live') return slotWords(slot, nowMs);
  if (health.kind === 'silent') return { tone: 'look', text: 'silent' };
  if (health.kind === 'clipped') return { tone: 'look', text: 'distorts' };
  if (place.kind === 'waiting') return { tone: 'off', text: 'stands by' };
  return slotWords(slot, nowMs);
};

const ChannelStripView = ({ channel, onMore }: { channel: ChannelSettings; onMore: () => void }) => {
  const studio = useStudio();
  const state = useSound((sound) => sound.channels[channel.id]);
  const nowMs = useNow(state?.slot.kind === 'unplugged' ? 1_000 : null);
  if (!state) return null;
  const { slot } = state;
  const asks = slot.kind === 'empty' || slot.kind === 'failed';
  return (
    <StripView
      id={channel.id}
      name={channel.name}
      strip={channel.strip}
      state={channelWords(state, nowMs)}
      stateDetail={slot.kind === 'failed' ? slot.problem.sentence : undefined}
      onMore={onMore}
      note={channel.use === 'talkback' ? 'talkback' : ''}
      turnOn={
        asks
          ? {
              words: slot.kind === 'failed' ? 'Try again' : 'Turn on',
              press: () => void studio.sound.open(channel.id),
            }
          : undefined
      }
    />
  );
};

const StripView = (props: {
  id: string;
  name: string;
  strip: StripSettings;
  state: StateWords;
  stateDetail?: string | undefined;
  onMore: () => void;
  note: string;
  turnOn?: { words: string; press: () => void } | undefined;
}) => {
  const studio = useStudio();
  const { id, name, strip, state } = props;
  const soloed = useSound((sound) => sound.soloIds.includes(id));
  const selected = useSound((sound) => sound.selectedId === id);
  return (
    <div
      className={`strip${props.turnOn ? ' strip-idle' : ''}`}
      role="group"
      aria-label={name}
      data-strip={id}
      data-selected={selected}
      onFocus={() => studio.sound.select(id)}
      onPointerDown={() => studio.sound.select(id)}
    >
      <span className="strip-name" title={name}>
        {name}
      </span>
      <span className="source-state" data-tone={state.tone} title={props.stateDetail ?? props.note}>
        {state.text}
      </span>
      {props.turnOn ? (
        <div className="strip-off">
          <Button label={`${props.turnOn.words}: ${name}`} onPress={props.turnOn.press}>
            {props.turnOn.words}
          </Button>
        </div>
      ) : (
        <>
          <LevelMeter label={name} feed={studio.meterFeed(id)} />
          <input
            className="fader"
            type="range"
            aria-label={`${name} gain`}
            title={`Gain ${strip.gainDb > 0 ? '+' : ''}${strip.gainDb} dB; double-click for 0`}
            min={-40}
            max={24}
            step={1}
            value={strip.gainDb}
            aria-valuetext={`${strip.gainDb} decibels`}
            onChange={(event) => studio.sound.setStrip(id, { gainDb: event.target.valueAsNumber })}
            onDoubleClick={() => studio.sound.setStrip(id, { gainDb: 0 })}
          />
        </>
      )}
      <div className="strip-buttons">
        <Button
          kind={strip.muted ? 'look' : 'plain'}
          pressed={strip.muted}
          label={`${strip.muted ? 'Muted' : 'Mute'}: ${name}`}
          onPress={() => studio.sound.setStrip(id, { muted: !strip.muted })}
        >
          <span className="strip-word" data-short="M">
            {strip.muted ? 'Muted' : 'Mute'}
          </span>
        </Button>
        <Button
          pressed={soloed}
          label={`Solo: ${name}`}
          title="You hear this one alone; fans hear no difference"
          onPress={() => studio.sound.setSolo(id, !soloed)}
        >
          <span className="strip-word" data-short="S">
            Solo
          </span>
        </Button>
      </div>
      <div className="strip-more">
        <Button kind="quiet" label={`More: ${name}`} title={worksOf(strip)} onPress={props.onMore}>
          More{worksOf(strip) !== '' && ' ●'}
        </Button>
      </div>
    </div>
  );
};

/** What is switched on in the strip, so that nothing works unseen. */
const worksOf = ({ highPassHz, gateDb, compressor, delayMs, mode, pan }: StripSettings): string =>
  [
    mode !== 'stereo' && `${mode} side`,
    highPassHz !== null && `high-pass ${highPassHz} Hz`,
    gateDb !== null && `gate ${gateDb} dB`,
    compressor !== null && `compressor ${compressor.ratio}:1`,
    delayMs > 0 && `delay ${delayMs} ms`,
    pan !== 0 && 'pan',
  ]
    .filter((work) => work !== false)
    .join(', ');

const ProgramStrip = ({ onLipSync }: { onLipSync: () => void }) => {
  const studio = useStudio();
  const lufs = useSound((sound) => sound.programLufs);
  const target = useSound((sound) => sound.settings.targetLufs);
  const hint = loudnessHint(lufs, target);
  return (
    <div className="strip strip-program" role="group" aria-label="Program sound">
      <span className="strip-name">Program</span>
      <LevelMeter label="Program" feed={studio.meterFeed('program')} target={target} />
      <p className="strip-hint" role="status" title={hint}>
        {hint}
      </p>
      <Select
        label="Loudness target"
        labelHidden
        value={String(target)}
        choices={loudnessTargets.map((lufs) => ({ value: String(lufs), text: `−${Math.abs(lufs)} LUFS` }))}
        onChange={(value) => {
          const chosen = loudnessTargets.find((lufs) => String(lufs) === value);
          if (chosen !== undefined) studio.sound.setTarget(chosen);
        }}
      />
      <div className="strip-more">
        <Button kind="quiet" title="Sound and picture together, by a clap" onPress={onLipSync}>
          Lip sync
        </Button>
      </div>
    </div>
  );
};
