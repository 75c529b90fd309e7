// The studio page's frame without a page: the table of keys, and the sizes of its panels.
import { describe, expect, it } from 'vitest';
import { desktopRequests } from '../../electron/desktop-api.ts';
import {
  bindingFor,
  keyConflicts,
  keyHint,
  keyMap,
  keyName,
  type KeyBinding,
} from '../../renderer/studio/key-map.ts';
import { globalBindings } from '../../renderer/studio/hotkeys.ts';
import { createLayout as openLayout, edges, usualSizes } from '../../renderer/studio/layout.ts';

const pressed = (key: string, code: string, modifiers: Partial<KeyboardEvent> = {}) =>
  keyName({ key, code, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...modifiers });

describe('keys', () => {
  it('mean one thing at a time, and no id is there twice', () => {
    expect(keyConflicts()).toEqual([]);
    expect(new Set(keyMap.map(({ id }) => id)).size).toBe(keyMap.length);
    const press = () => {};
    const line = (id: string, when?: KeyBinding['when']): KeyBinding => ({
      id,
      keys: 'X',
      group: 'Desk',
      words: id,
      press,
      ...(when && { when }),
    });
    expect(keyConflicts([line('a'), line('b', 'live')])).toEqual(['X: a, b']);
    expect(keyConflicts([line('a', 'offAir'), line('b', 'live')])).toEqual([]);
  });

  it('are found by every name the table writes', () => {
    for (const { keys, when } of keyMap) {
      const parts = keys.split('+');
      const name = parts.at(-1) ?? '';
      const typed = {
        key: name === 'Space' ? ' ' : name,
        code: /^\d$/.test(name) ? `Digit${name}` : '',
        shiftKey: parts.includes('Shift'),
        ctrlKey: parts.includes('Ctrl'),
        metaKey: false,
        altKey: parts.includes('Alt'),
      };
      expect(keyName(typed)).toBe(keys);
      expect(bindingFor(keys, when === 'live')?.keys).toBe(keys);
    }
  });

  it('are the same on keyboards that type other signs', () => {
    // A French keyboard types "&" for 1, a German one "!" for Shift+1 and "?" with Shift, an English one too.
    expect(pressed('&', 'Digit1')).toBe('1');
    expect(pressed('!', 'Digit1', { shiftKey: true })).toBe('Shift+1');
    expect(pressed('?', 'Minus', { shiftKey: true })).toBe('?');
    expect(pressed('z', 'KeyY', { metaKey: true })).toBe('Ctrl+Z');
    expect(pressed('Q', 'KeyQ')).toBe('Q'); // Caps lock.
    expect(pressed('Shift', 'ShiftLeft', { shiftKey: true })).toBeNull();
    expect(keyHint('standby')).toBe('⇧S');
  });

  it('offer the desktop app only hotkeys it takes', () => {
    const hotkeys = globalBindings();
    expect(hotkeys.map(({ id }) => id)).toEqual(expect.arrayContaining(['standby', 'cut', 'marker']));
    expect(desktopRequests.setHotkeys.params.safeParse({ hotkeys }).success).toBe(true);
    expect(new Set(hotkeys.map(({ accelerator }) => accelerator)).size).toBe(hotkeys.length);
  });

  it('count only at their time', () => {
    expect(bindingFor('Shift+L', false)?.id).toBe('goLive');
    expect(bindingFor('Shift+L', true)).toBeNull();
    expect(bindingFor('Shift+E', false)).toBeNull();
    expect(bindingFor('Ctrl+Q', true)).toBeNull();
  });

  it('go round the guests who are here, and the products', () => {
    const done: unknown[] = [];
    const guests = [
      { id: 'ada', presence: { kind: 'here' } },
      { id: 'bob', presence: { kind: 'away' } },
      { id: 'cyd', presence: { kind: 'here' } },
    ];
    const press = (
      key: string,
      onProgram: string[],
      featuredProductId: string | null,
      products: string[],
    ) => {
      const show = { guests, featuredProductId, products: products.map((id) => ({ id })) };
      const studio = Object.assign(Object.create(null), {
        session: { store: { getState: () => ({ show }) } },
        store: { getState: () => ({ scene: { guestIds: onProgram } }) },
        shop: { press: (_: string, params: object) => done.push(params) },
        setView: (...view: unknown[]) => done.push(view),
      });
      bindingFor(key, true)?.press({ studio, layout: createLayout(storage()) });
    };
    press('I', [], null, []);
    press('I', ['ada'], null, []);
    press('I', ['cyd'], null, []);
    press('O', ['ada'], null, []);
    expect(done).toEqual([['sideBySide', 'ada'], ['sideBySide', 'cyd'], ['sideBySide', 'ada'], ['camera']]);
    done.length = 0;
    press('F', [], null, ['tee', 'cap']);
    press('F', [], 'tee', ['tee', 'cap']);
    press('F', [], 'cap', ['tee', 'cap']);
    press('F', [], null, []);
    expect(done).toEqual([{ productId: 'tee' }, { productId: 'cap' }, { productId: 'tee' }]);
  });
});

const storage = (text: string | null = null) => {
  let kept = text;
  return {
    getItem: () => kept,
    setItem: (_key: string, next: string) => {
      kept = next;
    },
  };
};

const room = { innerWidth: 1280, innerHeight: 720 };
const usual = usualSizes(room);
const createLayout = (kept: ReturnType<typeof storage>) => openLayout(kept, room);

describe('layout', () => {
  it('keeps sizes and open panels over a reload, within their bounds', () => {
    const kept = storage();
    const layout = createLayout(kept);
    layout.setSize('side', 400.4);
    layout.setSize('dock', 9_000);
    layout.open('health');
    layout.open('log');
    layout.open('health');
    layout.toggleSheet('keys');
    const again = createLayout(kept).store.getState();
    expect(again.sizes).toEqual({
      side: 400,
      dock: edges.dock.most,
      dockSplit: usual.dockSplit,
      sideSplit: usual.sideSplit,
    });
    expect(again.opened).toEqual(['health', 'log']);
    expect(again.sheet).toBeNull();
    layout.resetSize('side');
    expect(layout.store.getState().sizes.side).toBe(usual.side);
  });

  it('starts as usual when what was kept cannot be read', () => {
    for (const text of ['', '{', '[]', '{"moved":{"side":"wide"},"opened":[]}']) {
      expect(createLayout(storage(text)).store.getState().sizes.side).toBe(usual.side);
    }
    const tight = createLayout(storage('{"moved":{"side":1},"opened":[]}'));
    expect(tight.store.getState().sizes.side).toBe(edges.side.least);
  });

  it('follows the window where the director has moved nothing', () => {
    const growing = { innerWidth: 1280, innerHeight: 720 };
    const layout = openLayout(storage(), growing);
    const { dock } = layout.store.getState().sizes;
    layout.open('health');
    Object.assign(growing, { innerWidth: 1600, innerHeight: 1000 });
    layout.fit();
    expect(layout.store.getState().sizes.dock).toBeGreaterThan(dock);
    layout.setSize('dock', 200);
    layout.fit();
    expect(layout.store.getState().sizes.dock).toBe(200);
  });

  it('has one sheet at a time', () => {
    const layout = createLayout(storage());
    const sheet = () => layout.store.getState().sheet;
    layout.toggleSheet('keys');
    layout.toggleSheet('clips');
    expect(sheet()).toBe('clips');
    layout.toggleSheet('clips');
    expect(sheet()).toBeNull();
  });
});
