// Choosing what to share: in a browser its own question, in the desktop app a list of screens and windows, or the system's own picker.
// Not its job: what becomes of the picture (picture-sources.ts), or drawing the list (screen-picker.tsx).
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { DesktopApi, DesktopScreen } from '../../electron/desktop-api.ts';
import type { SourceId } from '../../sfu-server/protocol/production.ts';
import type { PictureSources } from './picture-sources.ts';

export type ScreenChoosing = { readonly sourceId: SourceId; readonly screens: readonly DesktopScreen[] };

export interface ScreenDesk {
  /** What there is to choose from, while the director is asked by this page. */
  readonly store: StoreApi<{ choosing: ScreenChoosing | null }>;
  /** Only from a press. */
  share(sourceId: SourceId): Promise<void>;
  choose(screenId: string): Promise<void>;
  cancel(): void;
  close(): void;
  snapshot(): object;
}

export const createScreenDesk = (options: {
  desktop: Pick<DesktopApi, 'screens'> | undefined;
  pictures: Pick<PictureSources, 'shareScreen'>;
  tell: (text: string) => void;
}): ScreenDesk => {
  const { desktop, pictures, tell } = options;
  const store = createStore<{ choosing: ScreenChoosing | null }>(() => ({ choosing: null }));
  /** The shell's refusals are sentences. */
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      tell(error instanceof Error ? error.message : String(error));
    }
  };
  let closed = false;
  const cancel = () => store.setState({ choosing: null });
  return {
    store,
    share: async (sourceId) => {
      if (!desktop) return pictures.shareScreen(sourceId);
      await attempt(async () => {
        const { systemPicker, screens } = await desktop.screens.list();
        if (systemPicker) return pictures.shareScreen(sourceId);
        if (!closed) store.setState({ choosing: { sourceId, screens } });
      });
    },
    choose: async (screenId) => {
      const { choosing } = store.getState();
      if (!choosing || !desktop) return;
      store.setState({ choosing: null });
      await attempt(async () => {
        await desktop.screens.choose(screenId);
        await pictures.shareScreen(choosing.sourceId);
      });
    },
    cancel,
    close: () => {
      closed = true;
      cancel();
    },
    // Names of windows may be private.
    snapshot: () => ({ offered: store.getState().choosing?.screens.length ?? null }),
  };
};
