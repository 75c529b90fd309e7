// The director's production on this page: loaded from the server, edited with undo, kept there as it changes, exported to a
// file and imported again; and which scene is in preview. One store for the panels.
// Not its job: what an edit does (scenes.ts), what is on program (program-desk.ts), pictures of sources (picture-sources.ts).
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import {
  fitsOneMessage,
  production as productionSchema,
  sceneId,
  sourceId,
  type Production,
  type ProductionScene,
  type SceneId,
  type SourceId,
} from '../../sfu-server/protocol/production.ts';
import type { Session } from '../session/session.ts';
import {
  edited,
  filesNamedIn,
  freshProduction,
  redone,
  refusal,
  startHistory,
  undone,
  type Edit,
  type History,
} from './scenes.ts';

export type Saving =
  | { kind: 'saved' }
  | { kind: 'pending' }
  /** It is tried again by itself. */
  | { kind: 'failed'; text: string };

export type ProductionState = {
  /** False until the server has answered: what is shown until then is not kept. */
  loaded: boolean;
  production: Production;
  canUndo: boolean;
  canRedo: boolean;
  previewId: SceneId;
  saving: Saving;
};

export interface ProductionDesk {
  readonly store: StoreApi<ProductionState>;
  /** Edits with the same `gesture` in a row are undone together. Says why when it is not possible. */
  edit(edit: Edit, gesture?: string): void;
  undo(): void;
  redo(): void;
  /** Puts a scene into preview. */
  choose(id: SceneId): void;
  scene(id: SceneId): ProductionScene | null;
  /**
   * Files the document or an undo needs. Null while that is not known: nothing was loaded, or not the newest document.
   */
  filesNamed(): ReadonlySet<string> | null;
  /** The document as a file to keep. */
  exportFile(): Blob;
  /** Takes a file's document in the place of this one; undo brings it back. A damaged file changes nothing. */
  importFile(file: Blob): Promise<void>;
  close(): void;
  snapshot(): object;
}

const saveAfterMs = 600;
const retryMs = 4_000;
const unsavedKey = 'studio.production.unsaved';
const previewKey = 'studio.preview';
/** Ten times the largest document there can be. */
const maxFileBytes = 1_000_000;

/** Edits that this machine could not send any more, and the document they were made on: when the server had kept it. */
const unsavedEdits = z.object({ basedOnSavedMs: z.nullable(z.number()), production: productionSchema });

const tooLarge =
  'The scenes would be too large to be saved. Remove a scene, source or layer that is not needed first.';

const exported = z.object({ kind: z.literal('live-drop-production'), production: productionSchema });

/** Not `randomUUID`: pages that are not https have none, and have to open to say so. */
const newId = (): string =>
  [...crypto.getRandomValues(new Uint8Array(10))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
export const newSourceId = (): SourceId => sourceId.parse(newId());
export const newSceneId = (): SceneId => sceneId.parse(newId());

const parsed = <T>(schema: z.ZodMiniType<T>, text: string | null): T | null => {
  try {
    const result = schema.safeParse(JSON.parse(text ?? 'null'));
    return result.success ? result.data : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
};

const timeOf = (ms: number): string =>
  new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export const createProductionDesk = (options: {
  session: Pick<Session, 'store' | 'call'>;
  /** Something the director should know, in one sentence. */
  tell: (text: string) => void;
  storage?: Storage;
}): ProductionDesk => {
  const { session, tell, storage = localStorage } = options;
  let history: History = startHistory(freshProduction({ source: newSourceId(), scene: newSceneId() }));
  let closed = false;
  let loading = false;
  /** What was loaded is the newest there was. */
  let isWhole = false;
  let saveTimer: ReturnType<typeof setTimeout> | undefined;
  /** As the server has it. */
  let saved: Production | null = null;
  let savedMs: number | null = null;

  const firstScene = (production: Production): SceneId => {
    const [first] = production.scenes;
    if (!first) throw new Error('A production has at least one scene.');
    return first.id;
  };
  const store = createStore<ProductionState>(() => ({
    loaded: false,
    production: history.present,
    canUndo: false,
    canRedo: false,
    previewId: firstScene(history.present),
    saving: { kind: 'saved' },
  }));

  /** The scene in preview; where it is gone, the one in its place. */
  const previewIn = (production: Production): SceneId => {
    const { previewId, production: before } = store.getState();
    if (production.scenes.some(({ id }) => id === previewId)) return previewId;
    const at = before.scenes.findIndex(({ id }) => id === previewId);
    return (production.scenes[Math.max(0, at)] ?? production.scenes.at(-1))?.id ?? firstScene(production);
  };
  const show = (next: History) => {
    history = next;
    store.setState({
      production: next.present,
      canUndo: next.past.length > 0,
      canRedo: next.future.length > 0,
      previewId: previewIn(next.present),
    });
  };

  // --- Kept on the server ------------------------------------------------------------------------------------------

  const keepUnsaved = () =>
    storage.setItem(
      unsavedKey,
      JSON.stringify({ basedOnSavedMs: savedMs, production: history.present } satisfies z.input<
        typeof unsavedEdits
      >),
    );
  const save = async () => {
    clearTimeout(saveTimer);
    const { present } = history;
    if (closed || present === saved || session.store.getState().connection.kind !== 'joined') return;
    try {
      ({ savedMs } = await session.call('saveProduction', { production: present }));
      saved = present;
      if (history.present !== present) {
        keepUnsaved();
        return saveSoon(saveAfterMs);
      }
      // Only now: a page that is closed before has it here.
      storage.removeItem(unsavedKey);
      store.setState({ saving: { kind: 'saved' } });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      store.setState({ saving: { kind: 'failed', text: `Scenes are not saved yet: ${error.message}` } });
      saveSoon(retryMs);
    }
  };
  const saveSoon = (waitMs: number) => {
    clearTimeout(saveTimer);
    if (!closed) saveTimer = setTimeout(() => void save(), waitMs);
  };
  const changed = (next: History) => {
    if (next === history || !store.getState().loaded) return;
    if (next.present !== history.present && !fitsOneMessage(next.present)) return tell(tooLarge);
    show(next);
    keepUnsaved();
    if (store.getState().saving.kind !== 'failed') store.setState({ saving: { kind: 'pending' } });
    saveSoon(saveAfterMs);
  };

  const load = async () => {
    if (loading || closed) return;
    loading = true;
    try {
      const kept = await session.call('production', {});
      const { production, fellBack } = kept;
      const stored = parsed(unsavedEdits, storage.getItem(unsavedKey));
      // A page that is closed may have been heard without hearing so.
      const arrived = JSON.stringify(stored?.production) === JSON.stringify(production);
      const unsaved = stored !== null && !arrived && fitsOneMessage(stored.production) ? stored : null;
      const overtaken =
        unsaved !== null && production !== null && (kept.savedMs ?? 0) > (unsaved.basedOnSavedMs ?? 0);
      saved = production;
      savedMs = kept.savedMs;
      if (overtaken) {
        show(edited(startHistory(unsaved.production), { kind: 'replace', production }));
        tell(
          'Scenes were edited in this browser and not saved, and have been saved from elsewhere since. These are the saved ones; Undo brings this browser’s back.',
        );
      } else show(startHistory(unsaved?.production ?? production ?? history.present));
      const { present } = history;
      // A fresh document, or an older one, says nothing about the files of the one that is lost.
      isWhole = production !== null && fellBack === null;
      const preview = present.scenes.find(({ id }) => id === storage.getItem(previewKey));
      store.setState({ loaded: true, previewId: preview?.id ?? firstScene(present) });
      if (fellBack !== null) {
        tell(
          fellBack.savedMs === null
            ? 'The saved scenes cannot be read. The studio starts with new ones; import a file if you have one.'
            : `The newest saved scenes cannot be read. These are the last good ones, from ${timeOf(fellBack.savedMs)}.`,
        );
      }
      if (present !== production) saveSoon(0);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // The connection went; joining again asks again.
      if (error.code !== 'closed') tell(`The scenes could not be loaded: ${error.message}`);
    } finally {
      loading = false;
    }
  };
  const follow = () => {
    if (session.store.getState().connection.kind !== 'joined') return;
    if (!store.getState().loaded) void load();
    else if (history.present !== saved) saveSoon(0);
  };
  const unfollow = session.store.subscribe((now, before) => {
    if (now.connection.kind !== before.connection.kind) follow();
  });
  follow();

  return {
    store,
    edit: (edit, gesture) => {
      const why = refusal(history.present, edit);
      if (why !== null) return tell(why);
      changed(edited(history, edit, gesture ?? null));
    },
    undo: () => changed(undone(history)),
    redo: () => changed(redone(history)),
    choose: (id) => {
      if (!history.present.scenes.some((scene) => scene.id === id)) return;
      store.setState({ previewId: id });
      storage.setItem(previewKey, id);
    },
    scene: (id) => history.present.scenes.find((scene) => scene.id === id) ?? null,
    filesNamed: () => (isWhole ? filesNamedIn(history) : null),
    exportFile: () =>
      new Blob([JSON.stringify({ kind: 'live-drop-production', production: history.present }, null, 2)], {
        type: 'application/json',
      }),
    importFile: async (file) => {
      const document = file.size > maxFileBytes ? null : parsed(exported, await file.text());
      if (document === null) {
        return tell(
          'This file is damaged or holds no scenes, so nothing was changed. Choose one that was exported here.',
        );
      }
      changed(edited(history, { kind: 'replace', production: document.production }));
    },
    close: () => {
      if (closed) return;
      clearTimeout(saveTimer);
      // A page that is left in the middle of an edit; what does not get out is in this machine's storage.
      void save();
      closed = true;
      unfollow();
    },
    snapshot: () => {
      const { loaded, previewId, saving, production } = store.getState();
      return {
        loaded,
        previewId,
        saving,
        scenes: production.scenes.map(({ id, name, layout, items }) => ({
          id,
          name,
          layout,
          items: items.length,
        })),
        undoSteps: history.past.length,
      };
    },
  };
};
