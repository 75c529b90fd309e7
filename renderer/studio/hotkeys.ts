// The desktop app's global hotkeys: on or off as the director wants, kept on this machine, passed on when pressed. In a plain
// browser tab there are none. Not its job: which keys (key-map.ts) or taking them from the system (electron/hotkeys.ts).
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { DesktopApi } from '../../electron/desktop-api.ts';
import { keyMap, type KeyBinding } from './key-map.ts';

export type HotkeysState =
  /** A browser tab, or a desktop app without them. */
  | { kind: 'unavailable' }
  | { kind: 'off' }
  /** `taken`: ids whose keys another program has. */
  | { kind: 'on'; taken: readonly string[] };

export interface Hotkeys {
  readonly store: StoreApi<HotkeysState>;
  setOn(on: boolean): Promise<void>;
  /** Calls back with what was pressed. Returns the way to stop. */
  onPress(listener: (binding: KeyBinding) => void): () => void;
  close(): void;
}

const hotkeysKey = 'studio.hotkeys';

/** Electron's words for keys as the table writes them. */
export const acceleratorOf = (keys: string): string => keys.replace(/^Ctrl\b/, 'CommandOrControl');

export const globalBindings = (map: readonly KeyBinding[] = keyMap): { id: string; accelerator: string }[] =>
  map.flatMap(({ id, globalKeys }) =>
    globalKeys === undefined ? [] : [{ id, accelerator: acceleratorOf(globalKeys) }],
  );

export const createHotkeys = (options: {
  desktop: DesktopApi | undefined;
  storage: Pick<Storage, 'getItem' | 'setItem'>;
}): Hotkeys => {
  const { desktop, storage } = options;
  const store = createStore<HotkeysState>(() => (desktop ? { kind: 'off' } : { kind: 'unavailable' }));
  const listeners = new Set<(binding: KeyBinding) => void>();
  const stop = desktop?.onHotkey((id) => {
    const binding = keyMap.find((one) => one.id === id);
    if (binding) for (const listener of listeners) listener(binding);
  });

  const apply = async (on: boolean) => {
    if (!desktop) return;
    try {
      const taken = await desktop.setHotkeys(on ? globalBindings() : []);
      store.setState(on ? { kind: 'on', taken } : { kind: 'off' }, true);
    } catch {
      // The shell has logged why; the studio's own keys work without it.
      store.setState({ kind: 'unavailable' }, true);
    }
  };
  if (storage.getItem(hotkeysKey) === 'on') void apply(true);

  return {
    store,
    setOn: async (on) => {
      storage.setItem(hotkeysKey, on ? 'on' : 'off');
      await apply(on);
    },
    onPress: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: () => {
      stop?.();
      listeners.clear();
    },
  };
};
