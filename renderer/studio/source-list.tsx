// The pictures a director composes with: what is behind each source, how it is, how it is mounted and graded, and what takes
// its place when it fails. Also the question which of several like cameras is which.
// Not its job: opening anything (picture-sources.ts), sound (sources.tsx), or where a source is shown (scene-panel.tsx).
import { useRef, useState } from 'react';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import {
  maxVideoDelayMs,
  type ColourSettings,
  type LossRule,
  type Look,
  type Source,
  type SourceId,
  type SourceOrigin,
} from '../../sfu-server/protocol/production.ts';
import { Button, Field, Select, type Choice } from '../ui/controls.tsx';
import { formatDuration } from '../ui/format.ts';
import { EncoderSettings, EncoderState } from './encoder-settings.tsx';
import { useDesk, useNow, usePictures, useProduction, useShow, useStudio } from './hooks.ts';
import { parseCube } from './media/cube.ts';
import { NumberField } from './number-field.tsx';
import { castOf, compositorIdOf } from './picture.ts';
import type { PictureFeed } from './picture-sources.ts';
import { newSourceId } from './production-desk.ts';
import { Remap } from './remap.tsx';
import { mayFail, newSource, nextName, plainColour } from './scenes.ts';
import { ScreenPicker } from './screen-picker.tsx';
import './source-list.css';

const none = '';

export const SourceList = () => {
  const sources = useProduction(({ production }) => production.sources);
  const unclear = usePictures((state) => state.unclear);
  const [open, setOpen] = useState<SourceId | null>(null);
  return (
    <>
      {unclear.map((each) => (
        <Remap key={each.sourceIds.join()} unclear={each} />
      ))}
      {sources.map((source) => (
        <SourceRow
          key={source.id}
          source={source}
          open={open === source.id}
          onOpen={() => setOpen(open === source.id ? null : source.id)}
        />
      ))}
      <AddSource onAdded={setOpen} />
      <ScreenPicker />
    </>
  );
};

/** The feed behind a source; a seat's is its guest's. */
const useFeed = (source: Source): PictureFeed | null => {
  const guests = useShow((show) => show?.guests ?? noGuests);
  const production = useProduction((state) => state.production);
  const id = compositorIdOf(source.id, production, castOf(production, guests));
  return usePictures(({ feeds }) => (id === null ? null : (feeds[id] ?? null)));
};
const noGuests: readonly never[] = [];

/** Whether fans see it, or would if the show were on. */
const useOnProgram = (id: SourceId): boolean => {
  const first = useProduction(({ production }) => production.scenes[0]?.items ?? noGuests);
  return useDesk((desk) => (desk.scene.picture?.items ?? first).some(({ sourceId }) => sourceId === id));
};

const SourceRow = ({ source, open, onOpen }: { source: Source; open: boolean; onOpen: () => void }) => {
  const feed = useFeed(source);
  const onProgram = useOnProgram(source.id);
  return (
    <div className="source picture-source" data-program={onProgram}>
      <span className="source-role" title={onProgram ? `${source.name} is on program` : source.name}>
        {source.name}
      </span>
      <Behind source={source} />
      <FeedState source={source} feed={feed} />
      <Button kind="quiet" pressed={open} label={`More: ${source.name}`} onPress={onOpen}>
        More
      </Button>
      {open && <SourceSettings source={source} onProgram={onProgram} />}
    </div>
  );
};

// --- What is behind it -------------------------------------------------------------------------------------------------

const Behind = ({ source }: { source: Source }) => {
  switch (source.origin.kind) {
    case 'camera':
      return <CameraChoice source={source} />;
    case 'screen':
      return <ScreenChoice source={source} />;
    case 'image':
      return <FileChoice source={source} origin={source.origin} accept="image/*" />;
    case 'video':
      return <FileChoice source={source} origin={source.origin} accept="video/*" />;
    case 'guest':
      return <SeatChoice source={source} guestId={source.origin.guestId} />;
    case 'encoder':
      return <EncoderState source={source} />;
    case 'colour':
      return <ColourChoice source={source} hex={source.origin.hex} />;
    case 'testCard':
      return <span className="hint">bars and circle</span>;
  }
};

/** Chromium appends USB ids in brackets, which tell a director nothing. */
const shortLabel = (label: string): string => label.replace(/ \([0-9a-f]{4}:[0-9a-f]{4}\)$/i, '');

const CameraChoice = ({ source }: { source: Source }) => {
  const studio = useStudio();
  const cameras = usePictures((state) => state.cameras);
  const state = usePictures(({ feeds }) => feeds[source.id]?.state ?? null);
  const device = state?.kind === 'live' || state?.kind === 'unplugged' ? state.device : null;
  const named = cameras.filter(({ deviceId }) => deviceId !== '');
  const like = (label: string) => named.filter((each) => each.label === label);
  const choices: Choice[] = named.map((camera) => {
    const twins = like(camera.label);
    const number = twins.length > 1 ? ` · ${twins.indexOf(camera) + 1}` : '';
    return { value: camera.deviceId, text: `${shortLabel(camera.label) || 'A camera'}${number}` };
  });
  // The chosen one stays in the list while it is unplugged.
  if (device && !named.some(({ deviceId }) => deviceId === device.deviceId)) {
    choices.unshift({ value: device.deviceId, text: shortLabel(device.label) });
  }
  const unnamed = named.length === 0;
  return (
    <>
      <Select
        label={`${source.name} device`}
        labelHidden
        value={device?.deviceId ?? none}
        choices={[{ value: none, text: 'No camera' }, ...choices]}
        onChange={(deviceId) => {
          if (deviceId === none) studio.pictures.turnOff(source.id);
          else void studio.pictures.openCamera(source.id, deviceId);
        }}
      />
      {(state?.kind === 'failed' || (state?.kind === 'off' && unnamed)) && (
        <Button onPress={() => void studio.pictures.openCamera(source.id)}>
          {state.kind === 'failed' ? 'Try again' : 'Turn on'}
        </Button>
      )}
    </>
  );
};

const ScreenChoice = ({ source }: { source: Source }) => {
  const studio = useStudio();
  const live = usePictures(({ feeds }) => feeds[source.id]?.state.kind === 'live');
  return (
    <div className="button-row">
      <Button
        label={`${live ? 'Change' : 'Share a screen'}: ${source.name}`}
        title="A screen or a window; the browser asks which"
        onPress={() => void studio.screens.share(source.id)}
      >
        {live ? 'Change' : 'Share a screen'}
      </Button>
      {live && (
        <Button
          kind="quiet"
          label={`Stop: ${source.name}`}
          onPress={() => studio.pictures.turnOff(source.id)}
        >
          Stop
        </Button>
      )}
    </div>
  );
};

const FileChoice = (props: {
  source: Source;
  origin: Extract<SourceOrigin, { kind: 'image' | 'video' }>;
  accept: string;
}) => {
  const { source, origin, accept } = props;
  const studio = useStudio();
  const input = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const choose = async (file: File) => {
    setBusy(true);
    const fileId = await studio.keepFile(file);
    setBusy(false);
    if (fileId === null) return;
    const change = { origin: { ...origin, fileId, fileName: file.name.slice(0, 200) } };
    studio.production.edit({ kind: 'changeSource', id: source.id, change });
  };
  const words = busy ? 'Keeping' : origin.fileName === '' ? 'Choose a file' : shortName(origin.fileName);
  return (
    <div className="button-row">
      <Button
        disabled={busy}
        label={`${words}: ${source.name}`}
        {...(origin.fileName !== '' && { title: origin.fileName })}
        onPress={() => input.current?.click()}
      >
        {words}
      </Button>
      <input
        ref={input}
        type="file"
        hidden
        accept={accept}
        aria-label={`${source.name}: file`}
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          if (file) void choose(file);
          event.target.value = '';
        }}
      />
    </div>
  );
};

const shortName = (name: string): string =>
  name.length > 18 ? `${name.slice(0, 10)}…${name.slice(-7)}` : name;

const SeatChoice = ({ source, guestId }: { source: Source; guestId: string | null }) => {
  const studio = useStudio();
  const guests = useShow((show) => show?.guests ?? noGuests);
  return (
    <Select
      label={`${source.name}: who`}
      labelHidden
      value={guestId ?? none}
      choices={[
        { value: none, text: 'Whoever is here' },
        ...guests.map(({ id, name }) => ({ value: id, text: name })),
      ]}
      onChange={(value) => {
        const chosen = guests.find(({ id }) => id === value)?.id ?? null;
        const change = { origin: { kind: 'guest', guestId: chosen } } as const;
        studio.production.edit({ kind: 'changeSource', id: source.id, change });
      }}
    />
  );
};

const ColourChoice = ({ source, hex }: { source: Source; hex: string }) => {
  const studio = useStudio();
  return (
    <input
      type="color"
      className="colour-choice"
      aria-label={`${source.name}: colour`}
      value={hex}
      onChange={(event) =>
        studio.production.edit(
          {
            kind: 'changeSource',
            id: source.id,
            change: { origin: { kind: 'colour', hex: event.target.value.toLowerCase() } },
          },
          `hex ${source.id}`,
        )
      }
    />
  );
};

// --- How it is -----------------------------------------------------------------------------------------------------------

const goneWords: Partial<Record<SourceOrigin['kind'], string>> = { screen: 'ended', encoder: 'left' };

/** One word or two for a source, as the row says it. */
const feedWords = (
  source: Source,
  feed: PictureFeed | null,
  nowMs: number,
): { tone: string; text: string } => {
  if (!feed) return { tone: 'off', text: source.origin.kind === 'guest' ? 'nobody here' : 'off' };
  const { state, health, stats } = feed;
  switch (state.kind) {
    case 'off':
      return { tone: 'off', text: 'off' };
    case 'opening':
      return { tone: 'off', text: 'opening' };
    case 'failed':
      return { tone: 'look', text: state.word };
    case 'unplugged': {
      const ago = `${formatDuration(nowMs - state.sinceMs)} ago`;
      return { tone: 'look', text: `${goneWords[source.origin.kind] ?? 'unplugged'} ${ago}` };
    }
    case 'live':
      break;
  }
  if (!mayFail(source.origin)) return { tone: 'fine', text: 'ready' };
  switch (health.kind) {
    case 'waiting':
      return { tone: 'off', text: 'no picture yet' };
    case 'stopped':
      return { tone: 'look', text: 'frozen' };
    case 'frozen':
      return { tone: 'look', text: 'same picture' };
    case 'black':
      return { tone: 'look', text: 'black' };
    case 'moving':
      return { tone: 'fine', text: stats ? `live ${stats.framesPerSecond.toFixed(1)} fps` : 'starting' };
  }
};

const FeedState = ({ source, feed }: { source: Source; feed: PictureFeed | null }) => {
  const nowMs = useNow(feed?.state.kind === 'unplugged' ? 1_000 : null);
  const { tone, text } = feedWords(source, feed, nowMs);
  return (
    <span
      className="source-state"
      data-tone={tone}
      title={feed?.state.kind === 'failed' ? feed.state.sentence : undefined}
    >
      {text}
    </span>
  );
};

// --- Its settings --------------------------------------------------------------------------------------------------------

const SourceSettings = ({ source, onProgram }: { source: Source; onProgram: boolean }) => (
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

/** Pictures that move and are opened here; a guest's picture and sound come together. */
const mayBeDelayed = ({ kind }: SourceOrigin): boolean =>
  kind === 'camera' || kind === 'screen' || kind === 'video';

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
          label="Video delay"
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

// --- More sources --------------------------------------------------------------------------------------------------------

const kinds: readonly { kind: SourceOrigin['kind']; words: string; origin: SourceOrigin }[] = [
  { kind: 'camera', words: 'Camera', origin: { kind: 'camera' } },
  { kind: 'screen', words: 'Screen or window', origin: { kind: 'screen' } },
  { kind: 'image', words: 'Image', origin: { kind: 'image', fileId: null, fileName: '' } },
  { kind: 'video', words: 'Video', origin: { kind: 'video', fileId: null, fileName: '', loop: true } },
  { kind: 'encoder', words: 'Encoder (WHIP)', origin: { kind: 'encoder' } },
  { kind: 'guest', words: 'Seat for a guest', origin: { kind: 'guest', guestId: null } },
  { kind: 'colour', words: 'Colour', origin: { kind: 'colour', hex: '#1d2027' } },
  { kind: 'testCard', words: 'Test card', origin: { kind: 'testCard' } },
];

const AddSource = ({ onAdded }: { onAdded: (id: SourceId) => void }) => {
  const studio = useStudio();
  return (
    <Select
      label="Add a source"
      labelHidden
      value={none}
      choices={[
        { value: none, text: '+ Add a source' },
        ...kinds.map(({ kind, words }) => ({ value: kind, text: words })),
      ]}
      onChange={(value) => {
        const chosen = kinds.find(({ kind }) => kind === value);
        if (!chosen) return;
        const id = newSourceId();
        const { production } = studio.production.store.getState();
        const source = newSource(id, nextName(production, chosen.kind), chosen.origin);
        studio.production.edit({ kind: 'addSource', source });
        if (chosen.kind === 'camera') void studio.pictures.openCamera(id);
        else if (chosen.kind === 'screen') void studio.screens.share(id);
        else onAdded(id);
      }}
    />
  );
};
