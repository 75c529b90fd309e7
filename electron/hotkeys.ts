// Keys that work while another program has the keyboard, as long as the studio wants them. The system gives each to one program
// only. Not its job: what they do (the page's key-map.ts).
import type { GlobalShortcut } from 'electron';
import type { DesktopParams } from './desktop-api.ts';

export type Hotkeys = {
  /** Replaces those set before. Returns the ids whose keys another program has. */
  set(hotkeys: DesktopParams<'setHotkeys'>['hotkeys']): string[];
  close(): void;
};

export const createHotkeys = (options: {
  globalShortcut: Pick<GlobalShortcut, 'register' | 'unregister'>;
  onPress: (id: string) => void;
}): Hotkeys => {
  const { globalShortcut, onPress } = options;
  let held: string[] = [];
  const release = () => {
    for (const accelerator of held) globalShortcut.unregister(accelerator);
    held = [];
  };
  return {
    set: (hotkeys) => {
      release();
      return hotkeys.flatMap(({ id, accelerator }) => {
        if (!globalShortcut.register(accelerator, () => onPress(id))) return [id];
        held.push(accelerator);
        return [];
      });
    },
    close: release,
  };
};
