// What is on program and what is next: composes both from scenes, sources and overlays, takes one for the other, covers for
// sources that are lost, and tells guests that they are in the picture.
// Not its job: scenes and their edits (production-desk.ts), who stands in for whom (picture.ts), the program's way to the
// server (engine.ts).
import type { StoreApi } from 'zustand/vanilla';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { ProgramPicture, SceneId, SourceId } from '../../sfu-server/protocol/production.ts';
import {
  featuredProduct,
  type GuestId,
  type Scene,
  type ShowState,
} from '../../sfu-server/protocol/state.ts';
import type { Session } from '../session/session.ts';
import type { DeskState, Outcome } from './engine.ts';
import type { GuestDesk } from './guests.ts';
import type { Compositor } from './media/compositor.ts';
import {
  aspectOf,
  createScene,
  type Output,
  type Scene as PictureScene,
  type Slate,
  type Transition,
} from './media/scene.ts';
import type { OverlayFiles } from './overlay-files.ts';
import { overlaysOf, saleCards } from './overlays.ts';
import { castOf, guestSourceId, resolvePicture, transitionOf, type ResolvedPicture } from './picture.ts';
import { reportPictures, type SourcePicture } from './picture-report.ts';
import type { PictureSources } from './picture-sources.ts';
import type { ProductionDesk } from './production-desk.ts';
import { newItem } from './scenes.ts';

export type Cover = {
  /** Backups that are drawn for lost sources. */
  standIns: ResolvedPicture['standIns'];
  /** The source for which fans get the standby clip. */
  clipFor: SourceId | null;
  /** Nothing on program has a picture. */
  empty: boolean;
};

/** What putting somebody on the picture means to a director. */
export type View = 'camera' | 'sideBySide' | 'guest';

export interface ProgramDesk {
  /** Brings program and preview in line with everything they follow from. Cheap when nothing has changed. */
  compose(): void;
  /** The server's newest word on the show. */
  follow(show: ShowState, before: ShowState | null): void;
  /** Changes what is on program, here at once and on the server. */
  change(change: Partial<Scene>): void;
  take(how: 'cut' | 'auto'): void;
  takeScene(id: SceneId): void;
  setView(view: View, guestId?: GuestId): void;
  /** Before going live: from then on an edit of the first scene is no longer seen until it is taken. */
  settle(): void;
  /** The director has spoken about the standby clip: what this page began by itself it no longer ends. */
  leaveCover(): void;
  /** Every source of pictures as it is at this moment. */
  reports(): SourcePicture[];
  close(): void;
  snapshot(): { onProgram: readonly SourceId[]; cover: Cover; waitingForServer: number };
}

/** That this page locked the standby clip, and not the director, holds over a reload. */
const coveringKey = 'studio.covering';
const cut: Transition = { kind: 'cut' };

export const createProgramDesk = (options: {
  session: Session;
  compositor: Compositor;
  production: ProductionDesk;
  pictures: PictureSources;
  guests: GuestDesk;
  files: OverlayFiles;
  output: Output;
  /** `scene` and `cover` are written here, and nowhere else. */
  store: StoreApi<DeskState>;
  /** Where fans reach the server, no trailing slash. */
  publicOrigin: () => string;
  /** Runs a request; what did not work is said. */
  call: (work: () => Promise<unknown>) => Promise<Outcome>;
  tell: (text: string) => void;
}): ProgramDesk => {
  const { session, compositor, production, pictures, guests, files, output, store, publicOrigin, tell } =
    options;
  let closed = false;
  const show = (): ShowState | null => session.store.getState().show;

  /** Scene changes still on their way to the server. */
  let wishes = 0;
  let composed = '';

  /** What is on program. Before the first take that is the first scene, as it is edited. */
  const programPicture = (): ProgramPicture | null => {
    const taken = store.getState().scene.picture;
    const [first] = production.store.getState().production.scenes;
    return taken ?? (first ? pictureOf(first.id) : null);
  };
  /** A copy of a scene, as it is taken. */
  const pictureOf = (id: SceneId): ProgramPicture | null => {
    const scene = production.scene(id);
    return scene && { sceneId: scene.id, layout: scene.layout, items: scene.items };
  };
  const resolve = (state: ShowState, picture: ProgramPicture | null): ResolvedPicture => {
    const document = production.store.getState().production;
    return resolvePicture(picture ?? { layout: 'full', items: [] }, {
      production: document,
      cast: castOf(document, state.guests),
      standingOf: (id) => pictures.standingOf(id),
      aspect: aspectOf(output),
    });
  };

  const slateOf = (state: ShowState): Slate => ({ title: state.title, note: 'The picture is on its way' });

  const withOverlays = (state: ShowState, { layers }: ResolvedPicture): PictureScene => {
    const { scene } = store.getState();
    const product = featuredProduct(state);
    const settings = production.store.getState().production.overlays;
    const nowMs = Date.now() + session.clockOffsetMs();
    const overlays = overlaysOf({
      scene,
      settings,
      sale:
        scene.qrVisible && product
          ? saleCards({ show: state, product, settings: settings.qrCard, origin: publicOrigin(), nowMs })
          : null,
      hasLogo: files.store.getState().logo.kind === 'ready',
    });
    return createScene(layers, { overlays, slate: slateOf(state) });
  };

  const autoTransition = (): Transition => {
    const { transition } = production.store.getState().production;
    const { made, word } = transitionOf(transition, files.store.getState().stinger);
    if (word !== null) tell(word);
    return made;
  };

  let previewed = '';
  /** Sources only: overlays stay on program whatever is taken under them. */
  const composePreview = (state: ShowState) => {
    const picture = pictureOf(production.store.getState().previewId);
    const next = picture && createScene(resolve(state, picture).layers, { slate: slateOf(state) });
    const text = JSON.stringify(next);
    if (text === previewed) return;
    previewed = text;
    compositor.setPreview(next);
  };

  /** Brings the picture in line with everything it follows from; `transition`: the way it comes on program. */
  const compose = (transition?: Transition) => {
    const state = show();
    if (!state || closed) return;
    const resolved = resolve(state, programPicture());
    const next = withOverlays(state, resolved);
    const text = JSON.stringify(next);
    if (transition && text !== composed) compositor.take(next, transition);
    else if (text !== composed) compositor.setScene(next);
    composed = text;
    pictures.followProgram(new Set(resolved.layers.map(({ sourceId }) => sourceId)));
    composePreview(state);
    coverFor(state, resolved);
    tellGuests(resolved);
  };

  /** The director has taken the standby clip off, or kept it, while nothing else was left: that holds until a source is back. */
  let coverDeclined = false;

  /** The last resort of L1: where nothing of the picture is left, fans get the standby clip until something is back. */
  const coverFor = (state: ShowState, { standIns, nothing }: ResolvedPicture) => {
    const live = state.phase.kind === 'live' && store.getState().sending.kind === 'sending';
    const { lock } = state.program;
    let covering = sessionStorage.getItem(coveringKey) === state.id;
    const locks = (wanted: 'none' | 'standby') => {
      covering = wanted === 'standby';
      if (covering) sessionStorage.setItem(coveringKey, state.id);
      else sessionStorage.removeItem(coveringKey);
      session.call('lockProgram', { lock: wanted }).catch((error: unknown) => {
        if (!(error instanceof AppError)) throw error;
        sessionStorage.removeItem(coveringKey);
        tell(error.message);
      });
    };
    if (nothing !== 'clip') coverDeclined = false;
    if (live && nothing === 'clip' && lock === 'none' && !covering && !coverDeclined) locks('standby');
    else if (live && nothing !== 'clip' && covering && lock === 'standby') locks('none');
    const clipFor = covering ? (programPicture()?.items[0]?.sourceId ?? null) : null;
    const before = store.getState().cover;
    const cover = { standIns, clipFor, empty: nothing !== null };
    if (JSON.stringify(before) !== JSON.stringify(cover)) store.setState({ cover });
  };

  /** Guests learn that they are in the picture also where that follows from no press of the director. */
  const tellGuests = ({ guestIds }: ResolvedPicture) => {
    const { scene, sending } = store.getState();
    const known = production.store.getState().loaded && wishes === 0 && sending.kind === 'sending';
    if (known && guestIds.join() !== scene.guestIds.join()) wishScene({ guestIds: [...guestIds] });
  };

  const wishScene = (change: Partial<Scene>, transition?: Transition) => {
    const scene = { ...store.getState().scene, ...change };
    store.setState({ scene });
    wishes += 1;
    compose(transition);
    const state = show();
    if (state) guests.follow(state.guests, scene.guestIds);
    void options
      .call(() => session.call('setScene', { scene }))
      .finally(() => {
        wishes -= 1;
        // The server's word counts, whether it agreed, refused, or changed its mind meanwhile.
        const state = show();
        if (wishes > 0 || !state) return;
        store.setState({ scene: state.scene });
        guests.follow(state.guests, state.scene.guestIds);
        compose();
      });
  };

  const putOnProgram = (picture: ProgramPicture, transition: Transition) => {
    const state = show();
    if (!state) return;
    const before = new Set(programPicture()?.items.map(({ sourceId }) => sourceId));
    for (const { sourceId } of picture.items) if (!before.has(sourceId)) pictures.restart(sourceId);
    wishScene({ picture, guestIds: [...resolve(state, picture).guestIds] }, transition);
  };

  /** The camera that a guest is put beside: the one on program, else the first there is. */
  const mainCamera = (): SourceId | null => {
    const { sources } = production.store.getState().production;
    const cameras = new Set(sources.flatMap(({ id, origin }) => (origin.kind === 'camera' ? [id] : [])));
    const onProgram = programPicture()?.items.find(({ sourceId }) => cameras.has(sourceId));
    return onProgram?.sourceId ?? [...cameras][0] ?? null;
  };

  const guestToShow = (): GuestId | null => {
    const here = (show()?.guests ?? []).filter(({ presence }) => presence.kind === 'here');
    const { guestIds } = store.getState().scene;
    return here.find(({ id }) => guestIds.includes(id))?.id ?? here[0]?.id ?? null;
  };

  return {
    compose,
    follow: (state, before) => {
      if (wishes === 0 && state.scene !== before?.scene) store.setState({ scene: state.scene });
      guests.follow(state.guests, store.getState().scene.guestIds);
    },
    change: wishScene,
    take: (how) => {
      const { previewId } = production.store.getState();
      const picture = pictureOf(previewId);
      if (!picture) return;
      const before = programPicture()?.sceneId ?? null;
      putOnProgram(picture, how === 'cut' ? cut : autoTransition());
      if (before !== null && before !== previewId) production.choose(before);
    },
    takeScene: (id) => {
      const picture = pictureOf(id);
      if (picture) putOnProgram(picture, cut);
    },
    setView: (view, wanted) => {
      const main = mainCamera();
      if (view === 'camera') {
        if (main) putOnProgram({ sceneId: null, layout: 'full', items: [newItem(main)] }, cut);
        return;
      }
      const guest = wanted ?? guestToShow();
      if (guest === null) return tell('No guest is here yet. Invite one under People.');
      const items = [newItem(guestSourceId(guest))];
      if (view === 'sideBySide' && main) items.unshift(newItem(main));
      // A guest alone replaces the camera; while their picture is missing the camera stays.
      else if (main) items.push(newItem(main));
      putOnProgram({ sceneId: null, layout: view === 'sideBySide' ? 'sideBySide' : 'full', items }, cut);
    },
    settle: () => {
      const picture = programPicture();
      if (picture && !store.getState().scene.picture) putOnProgram(picture, cut);
    },
    leaveCover: () => {
      sessionStorage.removeItem(coveringKey);
      coverDeclined = true;
    },
    reports: () => {
      const document = production.store.getState().production;
      return reportPictures({
        production: document,
        cast: castOf(document, show()?.guests ?? []),
        feeds: pictures.store.getState().feeds,
        onProgram: programPicture()?.items.map(({ sourceId }) => sourceId) ?? [],
        standIns: store.getState().cover.standIns,
        nowMs: Date.now(),
      });
    },
    close: () => {
      closed = true;
    },
    snapshot: () => ({
      onProgram: programPicture()?.items.map(({ sourceId }) => sourceId) ?? [],
      cover: store.getState().cover,
      waitingForServer: wishes,
    }),
  };
};
