// The pictures a director composes with: what is behind each source, and how it is. Also the question which of several like
// cameras is which.
// Not its job: a source's settings (source-settings.tsx), opening anything (picture-sources.ts), sound (sources.tsx), or where a
// source is shown (scene-panel.tsx).
import { useState } from 'react';
import type { Source, SourceId, SourceOrigin } from '../../sfu-server/protocol/production.ts';
import { Button, Select, type Choice } from '../ui/controls.tsx';
import { formatDuration } from '../ui/format.ts';
import { pictureTrouble, shortLabel } from './device-words.ts';
import { EncoderState } from './encoder-settings.tsx';
import { FileChoice } from './file-choice.tsx';
import { useDesk, useNow, usePictures, useProduction, useShow, useStudio } from './hooks.ts';
import { castOf, compositorIdOf } from './picture.ts';
import { howGone } from './picture-report.ts';
import type { PictureFeed } from './picture-sources.ts';
import { newSourceId } from './production-desk.ts';
import { Remap } from './remap.tsx';
import { mayFail, newSource, nextName } from './scenes.ts';
import { ScreenPicker } from './screen-picker.tsx';
import { SourceSettings } from './source-settings.tsx';
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
      return <SourceFile source={source} origin={source.origin} accept="image/*" />;
    case 'video':
      return <SourceFile source={source} origin={source.origin} accept="video/*" />;
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

const SourceFile = (props: {
  source: Source;
  origin: Extract<SourceOrigin, { kind: 'image' | 'video' }>;
  accept: string;
}) => {
  const { source, origin, accept } = props;
  const studio = useStudio();
  return (
    <FileChoice
      label={source.name}
      accept={accept}
      fileName={origin.fileName}
      onFile={(fileId, fileName) => {
        const change = { origin: { ...origin, fileId, fileName } };
        studio.production.edit({ kind: 'changeSource', id: source.id, change });
      }}
    />
  );
};

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
      return { tone: 'look', text: `${howGone(source.origin)} ${ago}` };
    }
    case 'live':
      break;
  }
  if (!mayFail(source.origin)) return { tone: 'fine', text: 'ready' };
  switch (health.kind) {
    case 'waiting':
      return { tone: 'off', text: 'no picture yet' };
    case 'stopped':
    case 'frozen':
    case 'black':
      return { tone: 'look', text: pictureTrouble[health.kind].word };
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
