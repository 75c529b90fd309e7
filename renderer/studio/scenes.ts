// What may be done to a production, and undone: one pure function per question, no clock, no server, no page.
// Not its job: keeping the document (production-desk.ts), or what is on program: the scene there stays as it was taken, whatever
// is edited or undone; its sources’ and overlays’ looks and the words of overlays follow (overlay-desk.ts).
import { defaultOverlays, type OverlaySettings } from '../../sfu-server/protocol/overlays.ts';
import {
  maxItems,
  maxScenes,
  maxSources,
  type Item,
  type Layout,
  type Look,
  type Production,
  type ProductionScene,
  type SceneId,
  type Source,
  type SourceId,
  type SourceOrigin,
  type TransitionSettings,
} from '../../sfu-server/protocol/production.ts';
import { neutralColour } from './media/scene.ts';

export type Edit =
  | { kind: 'addSource'; source: Source }
  | { kind: 'changeSource'; id: SourceId; change: Partial<Omit<Source, 'id'>> }
  /** Also takes it out of every scene and every rule. */
  | { kind: 'removeSource'; id: SourceId }
  | { kind: 'addScene'; scene: ProductionScene }
  | { kind: 'changeScene'; id: SceneId; change: Partial<Pick<ProductionScene, 'name' | 'layout'>> }
  /** `by` places to the right; negative: to the left. */
  | { kind: 'moveScene'; id: SceneId; by: number }
  | { kind: 'removeScene'; id: SceneId }
  | { kind: 'addItem'; sceneId: SceneId; item: Item }
  | { kind: 'changeItem'; sceneId: SceneId; index: number; change: Partial<Item> }
  /** `by` layers up; negative: down. */
  | { kind: 'moveItem'; sceneId: SceneId; index: number; by: number }
  | { kind: 'removeItem'; sceneId: SceneId; index: number }
  | { kind: 'setTransition'; transition: TransitionSettings }
  | { kind: 'setOverlays'; change: Partial<OverlaySettings> }
  /** An imported document in the place of all there is. */
  | { kind: 'replace'; production: Production };

export const plainLook: Look = { flip: 'none', rotation: 0, colour: null };
export const plainColour: NonNullable<Look['colour']> = { ...neutralColour, lutId: null };
export const wholePicture = { x: 0, y: 0, width: 1, height: 1 } as const;

export const newItem = (sourceId: SourceId): Item => ({
  sourceId,
  rect: wholePicture,
  crop: wholePicture,
  fit: 'cover',
});

/** How many sources a layout shows; `free` shows all there are. */
export const slotsOf: Readonly<Record<Layout, number>> = {
  full: 1,
  sideBySide: 2,
  pictureInPicture: 2,
  three: 3,
  four: 4,
  productCloseUp: 2,
  free: maxItems,
};

/** A source that ends, hangs or goes dark by accident; slides, files and test pictures stand still on purpose. */
export const mayFail = ({ kind }: SourceOrigin): boolean =>
  kind === 'camera' || kind === 'guest' || kind === 'encoder';

export const newSource = (id: SourceId, name: string, origin: SourceOrigin): Source => ({
  id,
  name,
  origin,
  look: plainLook,
  lossRule: {
    frozen: mayFail(origin),
    black: origin.kind === 'camera' || origin.kind === 'encoder',
    backupId: null,
    otherwise: origin.kind === 'camera' || origin.kind === 'encoder' ? 'clip' : 'slate',
  },
  videoDelayMs: 0,
});

export const newScene = (
  id: SceneId,
  name: string,
  layout: Layout,
  sourceIds: readonly SourceId[],
): ProductionScene => ({ id, name, layout, items: sourceIds.slice(0, slotsOf[layout]).map(newItem) });

/** What a fresh machine begins with: one camera, alone on the picture. */
export const freshProduction = (ids: { source: SourceId; scene: SceneId }): Production => ({
  version: 1,
  sources: [newSource(ids.source, 'Cam A', { kind: 'camera' })],
  scenes: [newScene(ids.scene, 'Cam A', 'full', [ids.source])],
  transition: { kind: 'fade', durationMs: 300, stinger: null },
  overlays: defaultOverlays,
});

const cameraLetters = 'ABCDEFGHIJKLMNOPQRSTUVWX';
const kindWords: Readonly<Record<Exclude<SourceOrigin['kind'], 'camera'>, string>> = {
  screen: 'Screen',
  image: 'Image',
  video: 'Video',
  guest: 'Guest',
  encoder: 'Encoder',
  colour: 'Colour',
  testCard: 'Test card',
};

/** The next free word for a source of a kind: "Cam C", "Image 2". */
export const nextName = (production: Production, kind: SourceOrigin['kind']): string => {
  const taken = new Set(production.sources.map(({ name }) => name));
  const words =
    kind === 'camera'
      ? cameraLetters.split('').map((letter) => `Cam ${letter}`)
      : Array.from({ length: maxSources + 1 }, (_, index) =>
          index === 0 ? kindWords[kind] : `${kindWords[kind]} ${index + 1}`,
        );
  return words.find((word) => !taken.has(word)) ?? words.at(-1) ?? kind;
};

const withItems = (
  production: Production,
  sceneId: SceneId,
  change: (items: readonly Item[]) => Item[],
): Production => ({
  ...production,
  scenes: production.scenes.map((scene) =>
    scene.id === sceneId ? { ...scene, items: change(scene.items) } : scene,
  ),
});

const moved = <T>(list: readonly T[], from: number, by: number): T[] => {
  const one = list[from];
  if (one === undefined) return [...list];
  const rest = list.toSpliced(from, 1);
  return rest.toSpliced(Math.max(0, Math.min(rest.length, from + by)), 0, one);
};

/** The document after an edit; the same object when there is nothing to do. What would cross a limit is left out (`refusal`). */
export const applyEdit = (production: Production, edit: Edit): Production => {
  if (refusal(production, edit) !== null) return production;
  switch (edit.kind) {
    case 'addSource':
      return { ...production, sources: [...production.sources, edit.source] };
    case 'changeSource':
      return {
        ...production,
        sources: production.sources.map((one) => (one.id === edit.id ? { ...one, ...edit.change } : one)),
      };
    case 'removeSource':
      return {
        ...production,
        sources: production.sources
          .filter(({ id }) => id !== edit.id)
          .map((one) =>
            one.lossRule.backupId === edit.id
              ? { ...one, lossRule: { ...one.lossRule, backupId: null } }
              : one,
          ),
        scenes: production.scenes.map((scene) => ({
          ...scene,
          items: scene.items.filter(({ sourceId }) => sourceId !== edit.id),
        })),
      };
    case 'addScene':
      return { ...production, scenes: [...production.scenes, edit.scene] };
    case 'changeScene':
      return {
        ...production,
        scenes: production.scenes.map((one) => (one.id === edit.id ? { ...one, ...edit.change } : one)),
      };
    case 'moveScene': {
      const from = production.scenes.findIndex(({ id }) => id === edit.id);
      return { ...production, scenes: moved(production.scenes, from, edit.by) };
    }
    case 'removeScene':
      return { ...production, scenes: production.scenes.filter(({ id }) => id !== edit.id) };
    case 'addItem':
      return withItems(production, edit.sceneId, (items) => [...items, edit.item]);
    case 'changeItem':
      return withItems(production, edit.sceneId, (items) =>
        items.map((one, index) => (index === edit.index ? { ...one, ...edit.change } : one)),
      );
    case 'moveItem':
      return withItems(production, edit.sceneId, (items) => moved(items, edit.index, edit.by));
    case 'removeItem':
      return withItems(production, edit.sceneId, (items) => items.toSpliced(edit.index, 1));
    case 'setTransition':
      return { ...production, transition: edit.transition };
    case 'setOverlays':
      return { ...production, overlays: { ...production.overlays, ...edit.change } };
    case 'replace':
      return edit.production;
  }
};

/** Why an edit is not possible, in one sentence; null: it is. */
export const refusal = (production: Production, edit: Edit): string | null => {
  switch (edit.kind) {
    case 'addSource':
      return production.sources.length < maxSources
        ? null
        : `There are already ${maxSources} sources. Remove one first.`;
    case 'addScene':
      return production.scenes.length < maxScenes
        ? null
        : `There are already ${maxScenes} scenes. Remove one first.`;
    case 'removeScene':
      return production.scenes.length > 1 ? null : 'This is the only scene. Add another before removing it.';
    case 'addItem': {
      const scene = production.scenes.find(({ id }) => id === edit.sceneId);
      return scene && scene.items.length >= maxItems
        ? `A scene holds ${maxItems} sources. Remove one first.`
        : null;
    }
    case 'changeSource':
    case 'removeSource':
    case 'changeScene':
    case 'moveScene':
    case 'changeItem':
    case 'moveItem':
    case 'removeItem':
    case 'setTransition':
    case 'setOverlays':
    case 'replace':
      return null;
  }
};

/** A document with its way back. `gesture`: edits of one drag or one slider are one step. */
export type History = {
  readonly past: readonly Production[];
  readonly present: Production;
  readonly future: readonly Production[];
  readonly gesture: string | null;
};

/** The ids of all files (source-files.ts) that the document or its way back and forth still name. */
export const filesNamedIn = ({ past, present, future }: History): ReadonlySet<string> =>
  new Set(
    [...past, present, ...future]
      .flatMap(({ sources, overlays, transition }) => [
        ...sources.flatMap(({ origin, look }) => [
          'fileId' in origin ? origin.fileId : null,
          look.colour?.lutId ?? null,
        ]),
        overlays.logo.fileId,
        transition.stinger?.fileId ?? null,
      ])
      .filter((fileId) => fileId !== null),
  );

const stepsKept = 100;

export const startHistory = (present: Production): History => ({
  past: [],
  present,
  future: [],
  gesture: null,
});

/** Edits in a row with the same `gesture` are undone together; null: a step of its own. */
export const edited = (history: History, edit: Edit, gesture: string | null = null): History => {
  const present = applyEdit(history.present, edit);
  if (present === history.present) return history;
  const goesOn = gesture !== null && gesture === history.gesture;
  return {
    past: goesOn ? history.past : [...history.past, history.present].slice(-stepsKept),
    present,
    future: [],
    gesture,
  };
};

export const undone = (history: History): History => {
  const before = history.past.at(-1);
  if (before === undefined) return history;
  return {
    past: history.past.slice(0, -1),
    present: before,
    future: [history.present, ...history.future],
    gesture: null,
  };
};

export const redone = (history: History): History => {
  const [next, ...future] = history.future;
  if (next === undefined) return history;
  return { past: [...history.past, history.present], present: next, future, gesture: null };
};
