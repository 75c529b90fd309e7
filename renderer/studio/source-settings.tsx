// A source's settings: its name, what takes its place when it fails, how it is mounted and graded, and its end.
// Not its job: what is behind it (source-list.tsx), or doing any of it (picture-sources.ts, picture.ts).
import { useRef, useState } from 'react';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import {
  maxVideoDelayMs,
  type ColourSettings,
  type LossRule,
  type Look,
  type Source,
  type SourceOrigin,
} from '../../sfu-server/protocol/production.ts';
import { Button, Field, Select } from '../ui/controls.tsx';
import { EncoderSettings } from './encoder-settings.tsx';
import { useProduction, useStudio } from './hooks.ts';
import { parseCube } from './media/cube.ts';
import { NumberField } from './number-field.tsx';
import { mayFail, plainColour } from './scenes.ts';
import './source-settings.css';

const none = '';

export const SourceSettings = ({ source, onProgram }: { source: Source; onProgram: boolean }) => (
  <div className="source-settings" role="group" aria-label={`Settings of ${source.name}`}>
    <SourceName key={source.name} source={source} />
    {source.origin.kind === 'encoder' && <EncoderSettings source={source} />}
    <LossSettings source={source} />
    <LookSettings source={source} />
    <ColourSliders source={source} />
    <RemoveSource source={source} onProgram={onProgram} />
  </div>
);

const SourceName = ({ source }: { source: Source }) => {
  const studio = useStudio();
  const [name, setName] = useState(source.name);
  const rename = () => {
    const next = name.trim();
    if (next === '' || next === source.name) return setName(source.name);
    studio.production.edit({ kind: 'changeSource', id: source.id, change: { name: next } });
  };
  return <Field label="Source name" maxLength={40} value={name} onChange={setName} onDone={rename} />;
};

const otherwiseWords: Readonly<Record<LossRule['otherwise'], string>> = {
  clip: 'then the standby clip',
  slate: 'then the title',
  hold: 'keep its last picture',
};

/** What happens by itself when it fails: in the order in which it happens. */
const LossSettings = ({ source }: { source: Source }) => {
  const studio = useStudio();
  const sources = useProduction(({ production }) => production.sources);
  const { lossRule } = source;
  const set = (change: Partial<LossRule>) =>
    studio.production.edit({
      kind: 'changeSource',
      id: source.id,
      change: { lossRule: { ...lossRule, ...change } },
    });
  return (
    <div className="settings-row" role="group" aria-label="What stands in">
      <Select
        label="When it fails"
        value={lossRule.backupId ?? none}
        choices={[
          { value: none, text: 'no backup' },
          ...sources
            .filter(({ id }) => id !== source.id)
            .map(({ id, name }) => ({ value: id, text: `show ${name}` })),
        ]}
        onChange={(value) => set({ backupId: sources.find(({ id }) => id === value)?.id ?? null })}
      />
      <Select
        label="If nothing is left"
        value={lossRule.otherwise}
        choices={Object.entries(otherwiseWords).map(([value, text]) => ({ value, text }))}
        onChange={(value) => {
          if (value === 'clip' || value === 'slate' || value === 'hold') set({ otherwise: value });
        }}
      />
      {mayFail(source.origin) && (
        <>
          <Button
            pressed={lossRule.frozen}
            title="A picture that never changes counts as failed"
            onPress={() => set({ frozen: !lossRule.frozen })}
          >
            Frozen fails
          </Button>
          <Button
            pressed={lossRule.black}
            title="A black picture counts as failed"
            onPress={() => set({ black: !lossRule.black })}
          >
            Black fails
          </Button>
        </>
      )}
    </div>
  );
};

const flipChoices: readonly { value: Look['flip']; text: string }[] = [
  { value: 'none', text: 'not mirrored' },
  { value: 'horizontal', text: 'mirrored' },
  { value: 'vertical', text: 'upside down' },
  { value: 'both', text: 'both' },
];
const rotations = [0, 90, 180, 270] as const;

/** Pictures that move and are opened here. */
const mayBeDelayed = ({ kind }: SourceOrigin): boolean =>
  kind === 'camera' || kind === 'screen' || kind === 'video' || kind === 'encoder';
/** Their sound goes with the picture. */
const hasOwnSound = ({ kind }: SourceOrigin): boolean => kind === 'video' || kind === 'encoder';

const LookSettings = ({ source }: { source: Source }) => {
  const studio = useStudio();
  const set = (change: Partial<Look>) =>
    studio.production.edit({
      kind: 'changeSource',
      id: source.id,
      change: { look: { ...source.look, ...change } },
    });
  return (
    <div className="settings-row" role="group" aria-label="How it is mounted">
      <Select
        label="Rotation"
        value={String(source.look.rotation)}
        choices={rotations.map((degrees) => ({ value: String(degrees), text: `${degrees}°` }))}
        onChange={(value) => {
          const rotation = rotations.find((degrees) => String(degrees) === value);
          if (rotation !== undefined) set({ rotation });
        }}
      />
      <Select
        label="Mirror"
        value={source.look.flip}
        choices={flipChoices}
        onChange={(value) => {
          const flip = flipChoices.find((each) => each.value === value)?.value;
          if (flip) set({ flip });
        }}
      />
      {mayBeDelayed(source.origin) && (
        <NumberField
          label={hasOwnSound(source.origin) ? 'Delay of picture and sound' : 'Video delay'}
          unit="ms"
          value={source.videoDelayMs}
          step={10}
          least={0}
          most={maxVideoDelayMs}
          onChange={(ms) =>
            studio.production.edit(
              { kind: 'changeSource', id: source.id, change: { videoDelayMs: Math.round(ms) } },
              `delay ${source.id}`,
            )
          }
        />
      )}
    </div>
  );
};

const sliders: readonly {
  name: 'exposureEv' | 'contrast' | 'saturation' | 'temperature';
  words: string;
  least: number;
  most: number;
}[] = [
  { name: 'exposureEv', words: 'Exposure', least: -3, most: 3 },
  { name: 'contrast', words: 'Contrast', least: 0, most: 2 },
  { name: 'saturation', words: 'Saturation', least: 0, most: 2 },
  { name: 'temperature', words: 'Temperature', least: -1, most: 1 },
];

const ColourSliders = ({ source }: { source: Source }) => {
  const studio = useStudio();
  const input = useRef<HTMLInputElement>(null);
  const colour = source.look.colour ?? plainColour;
  const set = (change: Partial<ColourSettings> | null, gesture?: string) =>
    studio.production.edit(
      {
        kind: 'changeSource',
        id: source.id,
        change: { look: { ...source.look, colour: change && { ...colour, ...change } } },
      },
      gesture,
    );
  const loadLut = async (file: File) => {
    try {
      parseCube(await file.text());
    } catch (error) {
      if (error instanceof AppError) return studio.tell(error.message);
      throw error;
    }
    const lutId = await studio.keepFile(file);
    if (lutId !== null) set({ lutId });
  };
  return (
    <div className="colour-settings" role="group" aria-label="Colour">
      {sliders.map(({ name, words, least, most }) => (
        <label key={name} className="slider">
          <span>{words}</span>
          <input
            type="range"
            min={least}
            max={most}
            step={0.05}
            value={colour[name]}
            onChange={(event) => set({ [name]: event.target.valueAsNumber }, `${name} ${source.id}`)}
            onDoubleClick={() => set({ [name]: plainColour[name] })}
          />
          <span className="slider-value">{colour[name].toFixed(2)}</span>
        </label>
      ))}
      <div className="button-row">
        <Button
          label={`${colour.lutId === null ? 'Load LUT' : 'Change LUT'}: ${source.name}`}
          title="A .cube file, 1D or 3D"
          onPress={() => input.current?.click()}
        >
          {colour.lutId === null ? 'Load LUT' : 'Change LUT'}
        </Button>
        {colour.lutId !== null && (
          <>
            <label className="slider">
              <span>LUT</span>
              <input
                type="range"
                aria-label="Strength of the LUT"
                min={0}
                max={1}
                step={0.05}
                value={colour.lutAmount}
                onChange={(event) => set({ lutAmount: event.target.valueAsNumber }, `lut ${source.id}`)}
              />
            </label>
            <Button kind="quiet" label="Off: the LUT" onPress={() => set({ lutId: null })}>
              Off
            </Button>
          </>
        )}
        <Button kind="quiet" disabled={source.look.colour === null} onPress={() => set(null)}>
          Reset colour
        </Button>
        <input
          ref={input}
          type="file"
          hidden
          accept=".cube"
          aria-label={`${source.name}: LUT file`}
          onChange={(event) => {
            const [file] = event.target.files ?? [];
            if (file) void loadLut(file);
            event.target.value = '';
          }}
        />
      </div>
    </div>
  );
};

const RemoveSource = ({ source, onProgram }: { source: Source; onProgram: boolean }) => {
  const studio = useStudio();
  const [asked, setAsked] = useState(false);
  const remove = () => studio.production.edit({ kind: 'removeSource', id: source.id });
  if (!asked) {
    return (
      <div className="button-row">
        <Button kind="quiet" label={`Remove ${source.name}`} onPress={() => setAsked(true)}>
          Remove
        </Button>
      </div>
    );
  }
  return (
    <div className="button-row">
      <Button kind="look" onPress={remove}>
        {onProgram ? 'It is on program: remove it now' : 'Remove from all scenes'}
      </Button>
      <Button kind="quiet" onPress={() => setAsked(false)}>
        Keep
      </Button>
    </div>
  );
};
