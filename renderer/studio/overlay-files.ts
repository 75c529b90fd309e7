// The files behind overlays and transitions on this machine: the logo's picture and the stinger's clip. Gives them to the
// compositor as the production names them, and says of each whether it is there.
// Not its job: keeping files (source-files.ts), decoding (media/), or when a stinger runs (program-desk.ts).
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { Compositor } from './media/compositor.ts';
import type { ProductionDesk } from './production-desk.ts';
import type { SourceFiles } from './source-files.ts';

export type FileState =
  /** None has been chosen. */
  | { readonly kind: 'none' }
  | { readonly kind: 'opening' }
  | { readonly kind: 'ready'; readonly lengthMs: number | null }
  /** It was chosen on another machine, or the browser's data was cleared. */
  | { readonly kind: 'missing' }
  /** `sentence`: what to do. */
  | { readonly kind: 'failed'; readonly sentence: string };

export type OverlayFilesState = { readonly logo: FileState; readonly stinger: FileState };

export interface OverlayFiles {
  readonly store: StoreApi<OverlayFilesState>;
  close(): void;
  snapshot(): object;
}

/** A logo is at most an eighth of the picture high: more pixels would only cost memory. */
const logoHeightPx = 256;

const openLogo = async (file: Blob): Promise<ImageBitmap | null> => {
  const whole = await createImageBitmap(file).catch(() => null);
  if (whole === null || whole.height <= logoHeightPx) return whole;
  const small = await createImageBitmap(whole, { resizeHeight: logoHeightPx, resizeQuality: 'high' });
  whole.close();
  return small;
};

export const createOverlayFiles = (options: {
  production: ProductionDesk;
  compositor: Compositor;
  files: Pick<SourceFiles, 'get'>;
  tell: (text: string) => void;
}): OverlayFiles => {
  const { production, compositor, files, tell } = options;
  const store = createStore<OverlayFilesState>(() => ({ logo: { kind: 'none' }, stinger: { kind: 'none' } }));
  const opened: Record<keyof OverlayFilesState, string | null> = { logo: null, stinger: null };
  let closed = false;

  const enter = (what: keyof OverlayFilesState, state: FileState) => store.setState({ [what]: state });

  const remove = (what: keyof OverlayFilesState, fileId: string) =>
    what === 'logo' ? compositor.removeLogo(fileId) : compositor.removeStinger(fileId);

  const open = async (what: keyof OverlayFilesState, fileId: string) => {
    const file = await files.get(fileId);
    const wanted = () => !closed && opened[what] === fileId;
    if (!wanted()) return;
    if (file === null) return enter(what, { kind: 'missing' });
    if (what === 'stinger') return compositor.addStinger(fileId, file);
    const picture = await openLogo(file);
    if (!wanted()) return picture?.close();
    if (picture === null) {
      const sentence = 'This is no picture that can be read. Choose a PNG, WebP or JPEG.';
      return enter('logo', { kind: 'failed', sentence });
    }
    compositor.addLogo(fileId, picture);
    enter('logo', { kind: 'ready', lengthMs: null });
  };

  const follow = (what: keyof OverlayFilesState, fileId: string | null) => {
    const before = opened[what];
    // One that was missing may have been chosen again, and be there now.
    const isMissing = store.getState()[what].kind === 'missing';
    if (fileId === before && !isMissing) return;
    opened[what] = fileId;
    if (before !== null && before !== fileId) remove(what, before);
    if (fileId === null) return enter(what, { kind: 'none' });
    if (fileId !== before) enter(what, { kind: 'opening' });
    open(what, fileId).catch((error: unknown) => {
      if (opened[what] !== fileId) return;
      const sentence = `The ${what} cannot be read (${String(error)}). Choose it again.`;
      enter(what, { kind: 'failed', sentence });
      tell(sentence);
    });
  };

  const followAll = () => {
    const { loaded, production: document } = production.store.getState();
    if (!loaded) return;
    follow('logo', document.overlays.logo.fileId);
    follow('stinger', document.transition.stinger?.fileId ?? null);
  };
  const unsubscribe = [
    production.store.subscribe((now, before) => {
      const { production: next } = now;
      const { production: last } = before;
      const isNew = next.overlays !== last.overlays || next.transition !== last.transition;
      if (isNew || now.loaded !== before.loaded) followAll();
    }),
    compositor.onStinger((fileId, stinger) => {
      if (fileId === opened.stinger) enter('stinger', stinger);
    }),
  ];
  followAll();

  return {
    store,
    close: () => {
      closed = true;
      for (const stop of unsubscribe) stop();
    },
    snapshot: () => store.getState(),
  };
};
