// What is in the scene that is in preview: its layout, which source is in which place, and the exact numbers. Also the
// collection of scenes as a file.
// Not its job: dragging (placement-editor.tsx), taking (stage.tsx), what is behind a source (source-list.tsx).
import { useRef, useState } from 'react';
import {
  layouts,
  type Item,
  type Layout,
  type ProductionScene,
  type SourceId,
} from '../../sfu-server/protocol/production.ts';
import { Button, Field, Select, type Choice } from '../ui/controls.tsx';
import { saveFile } from '../ui/save-file.ts';
import { useDesk, useProduction, useShow, useStudio } from './hooks.ts';
import { NumberField } from './number-field.tsx';
import { guestSourceId } from './picture.ts';
import { newItem, slotsOf, wholePicture } from './scenes.ts';
import './scene-panel.css';

const layoutWords: Readonly<Record<Layout, string>> = {
  full: 'Full',
  sideBySide: 'Side by side',
  pictureInPicture: 'Picture in picture',
  three: 'Three',
  four: 'Four',
  productCloseUp: 'Product close-up',
  free: 'Free',
};

const placeWords: Readonly<Record<Layout, readonly string[]>> = {
  full: ['Picture'],
  sideBySide: ['Left', 'Right'],
  pictureInPicture: ['Behind', 'In front'],
  three: ['Large', 'Top right', 'Bottom right'],
  four: ['Top left', 'Top right', 'Bottom left', 'Bottom right'],
  productCloseUp: ['Product', 'Beside'],
  free: ['Back', 'Layer 2', 'Layer 3', 'Layer 4', 'Layer 5', 'Layer 6'],
};

export const ScenePanel = () => {
  const scene = useProduction(({ production, previewId }) =>
    production.scenes.find(({ id }) => id === previewId),
  );
  return (
    <section className="panel scene-panel" aria-labelledby="scene-head">
      <div className="panel-head">
        <h2 id="scene-head">Scene in preview</h2>
        <Saved />
      </div>
      {scene && <SceneEditor key={scene.id} scene={scene} />}
      <Collection />
    </section>
  );
};

const Saved = () => {
  const saving = useProduction((state) => state.saving);
  if (saving.kind === 'failed') {
    return (
      <span className="source-state" data-tone="look" title={saving.text}>
        not saved yet, trying again
      </span>
    );
  }
  return <span className="hint">{saving.kind === 'saved' ? 'saved' : 'saving'}</span>;
};

const SceneEditor = ({ scene }: { scene: ProductionScene }) => {
  const studio = useStudio();
  const shown = scene.layout === 'free' ? scene.items.length : slotsOf[scene.layout];
  return (
    <>
      <div className="scene-head">
        <SceneName key={scene.name} scene={scene} />
        <Select
          label="Layout"
          labelHidden
          value={scene.layout}
          choices={layouts.map((layout) => ({ value: layout, text: layoutWords[layout] }))}
          onChange={(value) => {
            const layout = layouts.find((each) => each === value);
            if (layout) studio.production.edit({ kind: 'changeScene', id: scene.id, change: { layout } });
          }}
        />
      </div>
      <ol className="scene-places">
        {Array.from({ length: shown }, (_, index) => (
          <Place key={index} scene={scene} index={index} />
        ))}
      </ol>
      {scene.layout === 'free' && <AddPlace scene={scene} />}
      <SceneOrder scene={scene} />
    </>
  );
};

const SceneName = ({ scene }: { scene: ProductionScene }) => {
  const studio = useStudio();
  const [name, setName] = useState(scene.name);
  const rename = () => {
    if (name.trim() === '' || name.trim() === scene.name) return setName(scene.name);
    studio.production.edit({ kind: 'changeScene', id: scene.id, change: { name: name.trim() } });
  };
  return (
    <Field label="Scene name" labelHidden maxLength={40} value={name} onChange={setName} onDone={rename} />
  );
};

const none = '';

/** Every source of the document, and the guests who are here. */
const useSourceChoices = (): Choice[] => {
  const sources = useProduction(({ production }) => production.sources);
  const guests = useShow((show) => show?.guests ?? noGuests);
  return [
    ...sources.map(({ id, name }) => ({ value: id, text: name })),
    ...guests
      .filter(({ presence }) => presence.kind === 'here')
      .map(({ id, name }) => ({ value: guestSourceId(id), text: name })),
  ];
};
const noGuests: readonly never[] = [];

const Place = ({ scene, index }: { scene: ProductionScene; index: number }) => {
  const studio = useStudio();
  const [open, setOpen] = useState(false);
  const choices = useSourceChoices();
  const item = scene.items[index];
  const words = placeWords[scene.layout][index] ?? `Place ${index + 1}`;
  const known = item === undefined || choices.some(({ value }) => value === item.sourceId);
  const choose = (value: string) => {
    const chosen = choices.find((each) => each.value === value);
    if (value === none && item) {
      return studio.production.edit({ kind: 'removeItem', sceneId: scene.id, index });
    }
    if (!chosen) return;
    const sourceId = toSourceId(chosen.value, studio);
    if (sourceId === null) return;
    if (item) studio.production.edit({ kind: 'changeItem', sceneId: scene.id, index, change: { sourceId } });
    else studio.production.edit({ kind: 'addItem', sceneId: scene.id, item: newItem(sourceId) });
  };
  return (
    <li className="scene-place">
      <span className="scene-place-name">{words}</span>
      <Select
        label={`${words}: source`}
        labelHidden
        value={item?.sourceId ?? none}
        choices={[
          { value: none, text: 'Nothing' },
          ...choices,
          ...(known || !item ? [] : [{ value: item.sourceId, text: 'A source that is gone' }]),
        ]}
        onChange={choose}
      />
      <Button
        kind="quiet"
        pressed={open}
        disabled={!item}
        label={`Adjust: ${words}`}
        onPress={() => setOpen(!open)}
      >
        Adjust
      </Button>
      {item && open && <PlaceNumbers scene={scene} item={item} index={index} words={words} />}
    </li>
  );
};

/** The id behind a choice: only ids that exist are chosen. */
const toSourceId = (value: string, studio: ReturnType<typeof useStudio>): SourceId | null => {
  const { sources } = studio.production.store.getState().production;
  const guests = studio.session.store.getState().show?.guests ?? noGuests;
  const ids = [...sources.map(({ id }) => id), ...guests.map(({ id }) => guestSourceId(id))];
  return ids.find((id) => id === value) ?? null;
};

const AddPlace = ({ scene }: { scene: ProductionScene }) => {
  const studio = useStudio();
  const choices = useSourceChoices();
  return (
    <Select
      label="Add a source to the scene"
      labelHidden
      value={none}
      choices={[{ value: none, text: '+ Add a source' }, ...choices]}
      onChange={(value) => {
        const sourceId = toSourceId(value, studio);
        if (sourceId === null) return;
        // Beside what is there, so that it is seen and can be taken hold of.
        const rect = scene.items.length === 0 ? wholePicture : { x: 0.55, y: 0.55, width: 0.4, height: 0.4 };
        const item = { ...newItem(sourceId), rect };
        studio.production.edit({ kind: 'addItem', sceneId: scene.id, item });
      }}
    />
  );
};

type Side = 'left' | 'top' | 'right' | 'bottom';

/** Least and most are fractions of the picture. */
const placeNumbers: readonly { of: keyof Item['rect']; label: string; least: number; most: number }[] = [
  { of: 'x', label: 'Left', least: -1, most: 1 },
  { of: 'y', label: 'Top', least: -1, most: 1 },
  { of: 'width', label: 'Width', least: 0.05, most: 2 },
  { of: 'height', label: 'Height', least: 0.05, most: 2 },
];

/** With `across` it shares one length of the source, of which a twentieth stays. */
const cutNumbers: readonly { side: Side; across: Side; label: string }[] = [
  { side: 'left', across: 'right', label: 'Cut left' },
  { side: 'top', across: 'bottom', label: 'Cut top' },
  { side: 'right', across: 'left', label: 'Cut right' },
  { side: 'bottom', across: 'top', label: 'Cut bottom' },
];
const leastLeft = 0.05;

const cutsOf = ({ x, y, width, height }: Item['crop']): Readonly<Record<Side, number>> => ({
  left: x,
  top: y,
  right: 1 - x - width,
  bottom: 1 - y - height,
});
const cropOf = ({ left, top, right, bottom }: Readonly<Record<Side, number>>): Item['crop'] => ({
  x: left,
  y: top,
  width: Math.max(leastLeft, 1 - left - right),
  height: Math.max(leastLeft, 1 - top - bottom),
});

const PlaceNumbers = (props: { scene: ProductionScene; item: Item; index: number; words: string }) => {
  const { scene, item, index, words } = props;
  const studio = useStudio();
  const change = (change: Partial<Item>, what: string) =>
    studio.production.edit(
      { kind: 'changeItem', sceneId: scene.id, index, change },
      `${what} ${scene.id} ${index}`,
    );
  const { rect } = item;
  const cuts = cutsOf(item.crop);
  return (
    <div className="scene-numbers">
      {scene.layout === 'free' && (
        <div className="number-row" role="group" aria-label={`${words}: place in percent`}>
          {placeNumbers.map(({ of, label, least, most }) => (
            <NumberField
              key={of}
              label={label}
              unit="%"
              value={rect[of]}
              scale={100}
              least={least}
              most={most}
              onChange={(value) => change({ rect: { ...rect, [of]: value } }, of)}
            />
          ))}
        </div>
      )}
      <div className="number-row" role="group" aria-label={`${words}: cut from the source in percent`}>
        {cutNumbers.map(({ side, across, label }) => (
          <NumberField
            key={side}
            label={label}
            unit="%"
            value={cuts[side]}
            scale={100}
            least={0}
            most={1 - leastLeft - cuts[across]}
            onChange={(value) => change({ crop: cropOf({ ...cuts, [side]: value }) }, 'crop')}
          />
        ))}
      </div>
      <div className="button-row">
        <Button
          pressed={item.fit === 'contain'}
          label={`Whole source: ${words}`}
          title="With a border instead of a cut"
          onPress={() => change({ fit: item.fit === 'contain' ? 'cover' : 'contain' }, 'fit')}
        >
          Whole source
        </Button>
        {scene.layout === 'free' && (
          <>
            <Button
              label={`Up: ${words}`}
              disabled={index === scene.items.length - 1}
              onPress={() => studio.production.edit({ kind: 'moveItem', sceneId: scene.id, index, by: 1 })}
            >
              Up
            </Button>
            <Button
              label={`Down: ${words}`}
              disabled={index === 0}
              onPress={() => studio.production.edit({ kind: 'moveItem', sceneId: scene.id, index, by: -1 })}
            >
              Down
            </Button>
          </>
        )}
        <Button
          kind="quiet"
          label={`Reset: ${words}`}
          onPress={() => change({ rect: wholePicture, crop: wholePicture, fit: 'cover' }, 'reset')}
        >
          Reset
        </Button>
      </div>
    </div>
  );
};

const SceneOrder = ({ scene }: { scene: ProductionScene }) => {
  const studio = useStudio();
  const scenes = useProduction(({ production }) => production.scenes);
  const onProgram = useDesk((desk) => desk.scene.picture?.sceneId === scene.id);
  const [asked, setAsked] = useState(false);
  const at = scenes.findIndex(({ id }) => id === scene.id);
  const move = (by: number) => studio.production.edit({ kind: 'moveScene', id: scene.id, by });
  const remove = () => studio.production.edit({ kind: 'removeScene', id: scene.id });
  return (
    <div className="button-row">
      <Button kind="quiet" label="Scene to the left" disabled={at <= 0} onPress={() => move(-1)}>
        ←
      </Button>
      <Button
        kind="quiet"
        label="Scene to the right"
        disabled={at === scenes.length - 1}
        onPress={() => move(1)}
      >
        →
      </Button>
      {asked ? (
        <>
          <Button kind="look" onPress={remove}>
            {onProgram ? 'Remove, though it is on program' : 'Remove the scene'}
          </Button>
          <Button kind="quiet" onPress={() => setAsked(false)}>
            Keep
          </Button>
        </>
      ) : (
        <Button
          kind="quiet"
          disabled={scenes.length === 1}
          title="What is on program stays until another scene is taken"
          onPress={() => setAsked(true)}
        >
          Remove
        </Button>
      )}
    </div>
  );
};

/** All scenes and sources as a file, to keep or to carry to another machine. */
const Collection = () => {
  const studio = useStudio();
  const file = useRef<HTMLInputElement>(null);
  const title = useShow((show) => show?.title ?? 'scenes');
  const save = () => {
    const name = title.replace(/[^\p{L}\p{N} _-]/gu, '').trim() || 'scenes';
    saveFile(studio.production.exportFile(), `${name}.scenes.json`);
  };
  return (
    <div className="button-row scene-collection">
      <Button kind="quiet" title="All scenes and sources as a file" onPress={save}>
        Export scenes
      </Button>
      <Button
        kind="quiet"
        title="In the place of all scenes and sources here. Undo brings these back."
        onPress={() => file.current?.click()}
      >
        Import scenes
      </Button>
      <input
        ref={file}
        type="file"
        hidden
        accept=".json,application/json"
        aria-label="File of scenes"
        onChange={(event) => {
          const [chosen] = event.target.files ?? [];
          if (chosen) void studio.production.importFile(chosen);
          event.target.value = '';
        }}
      />
    </div>
  );
};
