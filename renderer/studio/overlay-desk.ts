// Overlays on the picture and off it, as the director asks: by a press, or by editing words that are on. What is on is in the
// room's state, so that every page and a reloaded studio agree.
// Not its job: what a press becomes on the picture (overlays.ts), the way to the server (program-desk.ts), files (overlay-files.ts).
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { PinnedMessage } from '../../sfu-server/protocol/overlays.ts';
import type { Scene } from '../../sfu-server/protocol/state.ts';
import { followWords, isShown, withWords, type OverlayName } from './overlays.ts';
import type { ProductionDesk } from './production-desk.ts';

export type OverlayDeskState = {
  /** A message being typed, which the key pins. */
  draft: PinnedMessage;
};

export interface OverlayDesk {
  readonly store: StoreApi<OverlayDeskState>;
  /** Says what is missing when it cannot be on. */
  show(name: OverlayName, visible: boolean): void;
  toggle(name: OverlayName): void;
  type(draft: PinnedMessage): void;
  /** Puts the message that was typed on the picture, in the place of another. */
  pin(): void;
  unpin(): void;
  /** For the key: takes a pinned message off, or pins what was typed. */
  togglePin(): void;
  close(): void;
  snapshot(): object;
}

const nothingTyped: PinnedMessage = { name: '', text: '' };

export const createOverlayDesk = (options: {
  production: ProductionDesk;
  scene: () => Scene;
  /** Changes what is on program, here at once and on the server. */
  change: (change: Partial<Scene>) => void;
  hasProduct: () => boolean;
  tell: (text: string) => void;
}): OverlayDesk => {
  const { production, scene, change, hasProduct, tell } = options;
  const store = createStore<OverlayDeskState>(() => ({ draft: nothingTyped }));
  const settings = () => production.store.getState().production.overlays;

  const unfollow = production.store.subscribe((now, before) => {
    const [next, last] = [now.production.overlays, before.production.overlays];
    // What the server has just brought is no edit.
    if (!before.loaded || next === last) return;
    const words = followWords(scene(), last, next);
    if (words) change(words);
  });

  const missing: Readonly<Record<OverlayName, string>> = {
    qr: 'There is nothing to sell yet. Add a product under Drop.',
    title: 'Write the title under Overlays first.',
    lowerThird: 'Write a name for the lower third first, under Overlays.',
    ticker: 'Write a line for the ticker under Overlays first.',
    logo: 'Choose a picture for the logo under Overlays first.',
  };

  const shown = (name: OverlayName): Partial<Scene> | null => {
    switch (name) {
      case 'qr':
        return hasProduct() ? { qrVisible: true } : null;
      case 'logo':
        return settings().logo.fileId === null ? null : { logoVisible: true };
      case 'title':
      case 'lowerThird':
      case 'ticker':
        return withWords(settings(), name);
    }
  };
  const hidden: Readonly<Record<OverlayName, Partial<Scene>>> = {
    qr: { qrVisible: false },
    logo: { logoVisible: false },
    title: { title: null },
    lowerThird: { lowerThird: null },
    ticker: { ticker: null },
  };

  const show = (name: OverlayName, visible: boolean) => {
    const next = visible ? shown(name) : hidden[name];
    if (next) change(next);
    else tell(missing[name]);
  };
  const pin = () => {
    const { name, text } = store.getState().draft;
    if (text.trim() === '') return tell('Type a message under Overlays, then pin it.');
    change({ pinned: { name: name.trim(), text: text.trim() } });
    store.setState({ draft: nothingTyped });
  };
  const unpin = () => {
    if (scene().pinned) change({ pinned: null });
  };

  return {
    store,
    show,
    toggle: (name) => show(name, !isShown(scene(), name)),
    type: (draft) => store.setState({ draft }),
    pin,
    unpin,
    togglePin: () => (scene().pinned ? unpin() : pin()),
    close: unfollow,
    snapshot: () => store.getState(),
  };
};
