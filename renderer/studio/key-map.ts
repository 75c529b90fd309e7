// Every key of the studio: what it is called, when it counts, what it does. The one place with keys: the page's handler, the
// list on `?`, the hints on buttons and the desktop app's global hotkeys all come from here.
// Not its job: listening (key-list.tsx) or doing any of it (engine.ts and the desks beside it).
import type { Layout } from './layout.ts';
import type { Studio } from './engine.ts';

/** What a key may reach. */
export type Desk = { studio: Studio; layout: Layout };

/** `live`: while a show is on air. `offAir`: while none is. Left out: always. */
export type KeyTime = 'live' | 'offAir';

export type KeyBinding = {
  id: string;
  /** As a person writes it: 'Shift+L', 'Q', '1', 'Space', 'Ctrl+Z'. Letters and digits are keys, other signs are what is typed. */
  keys: string;
  group: KeyGroup;
  /** For the list; empty: another line speaks for it. */
  words: string;
  when?: KeyTime;
  /** Pressed twice within a few seconds before anything happens; the list says so. */
  twice?: boolean;
  /** In the desktop app, while another program has the keyboard; with Ctrl or Alt, which on a Mac is Command. */
  globalKeys?: string;
  press: (desk: Desk) => void;
  /** For keys that are held: on letting go, and when the page loses the keyboard. */
  release?: (desk: Desk) => void;
};

export const keyGroups = ['Show', 'Picture', 'Sound', 'Drop', 'Desk'] as const;
export type KeyGroup = (typeof keyGroups)[number];

const isLocked = (studio: Studio): boolean =>
  studio.session.store.getState().show?.program.lock === 'standby';

/** The one after `current`, from the last to the first; the first where it is none of them. */
const nextOf = <T>(all: readonly T[], current: T | null): T | undefined =>
  all[(current === null ? 0 : all.indexOf(current) + 1) % all.length];

// One line or block each, by group. A key that is taken fails tests/renderer/key-map.test.ts.
const bindings = [
  {
    id: 'goLive',
    keys: 'Shift+L',
    group: 'Show',
    words: 'Go live',
    when: 'offAir',
    press: ({ studio }) => void studio.goLive(),
  },
  {
    id: 'end',
    keys: 'Shift+E',
    group: 'Show',
    words: 'End the show',
    when: 'live',
    twice: true,
    press: ({ studio }) => void studio.end(),
  },
  {
    id: 'standby',
    keys: 'Shift+S',
    group: 'Show',
    words: 'Lock the standby clip, or unlock it',
    when: 'live',
    globalKeys: 'Ctrl+Alt+S',
    press: ({ studio }) => void studio.lockStandby(!isLocked(studio)),
  },
  {
    id: 'preflight',
    keys: 'P',
    group: 'Show',
    words: 'Pre-flight list',
    press: ({ layout }) => layout.toggleSheet('preflight'),
  },
  {
    id: 'rehearse',
    keys: 'R',
    group: 'Show',
    words: 'Rehearse the standby clip',
    when: 'offAir',
    press: ({ studio }) => void studio.standby.rehearse(),
  },
  {
    id: 'testConnection',
    keys: 'C',
    group: 'Show',
    words: 'Test the connection',
    when: 'offAir',
    press: ({ studio, layout }) => {
      layout.open('connection');
      void studio.connection.run('full');
    },
  },
  {
    id: 'cut',
    keys: 'Space',
    group: 'Picture',
    words: 'Cut: preview becomes program at once',
    globalKeys: 'Ctrl+Alt+C',
    press: ({ studio }) => studio.take('cut'),
  },
  {
    id: 'auto',
    keys: 'Enter',
    group: 'Picture',
    words: 'Auto: preview becomes program by the transition. After a reload: resume the show',
    globalKeys: 'Ctrl+Alt+A',
    press: ({ studio }) => {
      if (studio.store.getState().sending.kind === 'offerResume') studio.resume();
      else studio.take('auto');
    },
  },
  {
    id: 'undo',
    keys: 'Ctrl+Z',
    group: 'Picture',
    words: 'Undo an edit of scenes, sources or overlays. The scene on program stays',
    press: ({ studio }) => studio.production.undo(),
  },
  {
    id: 'redo',
    keys: 'Ctrl+Shift+Z',
    group: 'Picture',
    words: 'Redo it',
    press: ({ studio }) => studio.production.redo(),
  },
  {
    id: 'qr',
    keys: 'Q',
    group: 'Picture',
    words: 'QR code on or off',
    press: ({ studio }) => studio.overlays.toggle('qr'),
  },
  {
    id: 'title',
    keys: 'Shift+T',
    group: 'Picture',
    words: 'Title on or off',
    press: ({ studio }) => studio.overlays.toggle('title'),
  },
  {
    id: 'lowerThird',
    keys: 'T',
    group: 'Picture',
    words: 'Lower third on or off',
    press: ({ studio }) => studio.overlays.toggle('lowerThird'),
  },
  {
    id: 'ticker',
    keys: 'Y',
    group: 'Picture',
    words: 'Ticker on or off',
    press: ({ studio }) => studio.overlays.toggle('ticker'),
  },
  {
    id: 'logo',
    keys: 'G',
    group: 'Picture',
    words: 'Logo on or off',
    press: ({ studio }) => studio.overlays.toggle('logo'),
  },
  {
    id: 'pin',
    keys: 'U',
    group: 'Picture',
    words: 'Unpin the message on the picture, or pin the one that was typed',
    press: ({ studio }) => studio.overlays.togglePin(),
  },
  {
    id: 'nextGuest',
    keys: 'I',
    group: 'Picture',
    words: 'Put a guest on program beside the camera; again: the next one who is here',
    press: ({ studio }) => {
      const guests = studio.session.store.getState().show?.guests ?? [];
      const here = guests.flatMap(({ id, presence }) => (presence.kind === 'here' ? [id] : []));
      studio.setView('sideBySide', nextOf(here, studio.store.getState().scene.guestIds[0] ?? null));
    },
  },
  {
    id: 'guestsOff',
    keys: 'O',
    group: 'Picture',
    words: 'Take guests off program: the camera alone',
    press: ({ studio }) => studio.setView('camera'),
  },
  {
    id: 'previousStrip',
    keys: '[',
    group: 'Sound',
    words: 'Choose the strip to the left',
    press: ({ studio }) => studio.sound.selectNext(-1),
  },
  {
    id: 'nextStrip',
    keys: ']',
    group: 'Sound',
    words: 'Choose the strip to the right',
    press: ({ studio }) => studio.sound.selectNext(1),
  },
  {
    id: 'muteStrip',
    keys: 'M',
    group: 'Sound',
    words: 'Mute the chosen strip, or open it',
    press: ({ studio }) => studio.sound.toggleMute(),
  },
  {
    id: 'soloStrip',
    keys: 'S',
    group: 'Sound',
    words: 'Hear the chosen strip alone',
    press: ({ studio }) => studio.sound.toggleSolo(),
  },
  {
    id: 'talkback',
    keys: 'V',
    group: 'Sound',
    words: 'Talk to guests, while held',
    press: ({ studio }) => studio.sound.talk(true),
    release: ({ studio }) => studio.sound.talk(false),
  },
  {
    id: 'drop',
    keys: 'Shift+D',
    group: 'Drop',
    words: 'Start the drop, pause it, go on',
    press: ({ studio }) => void studio.shop.startOrPause(),
  },
  {
    id: 'countDown',
    keys: 'Shift+K',
    group: 'Drop',
    words: 'Count down to the drop',
    press: ({ studio }) => void studio.shop.countDown(),
  },
  {
    id: 'extendDrop',
    keys: 'Shift+M',
    group: 'Drop',
    words: 'One minute more for the drop',
    press: ({ studio }) => void studio.shop.extend(),
  },
  {
    id: 'endDrop',
    keys: 'Shift+X',
    group: 'Drop',
    words: 'End the drop; before its start, call it off',
    twice: true,
    press: ({ studio }) => void studio.shop.end(),
  },
  {
    id: 'nextProduct',
    keys: 'F',
    group: 'Drop',
    words: 'Show fans the next product',
    press: ({ studio }) => {
      const show = studio.session.store.getState().show;
      const ids = show?.products.map(({ id }) => id) ?? [];
      const productId = nextOf(ids, show?.featuredProductId ?? null);
      if (productId !== undefined) void studio.shop.press('featureProduct', { productId });
    },
  },
  {
    id: 'sold',
    keys: 'B',
    group: 'Drop',
    words: 'One sold at the table',
    press: ({ studio }) => void studio.shop.recordSale(1),
  },
  {
    id: 'marker',
    keys: 'K',
    group: 'Show',
    words: 'Mark this moment in the recording',
    globalKeys: 'Ctrl+Alt+K',
    press: ({ studio }) => studio.recording.mark(),
  },
  {
    id: 'writeChat',
    keys: 'A',
    group: 'Desk',
    words: 'Write in the chat; Escape goes back to the desk',
    press: ({ studio, layout }) => {
      layout.open('chat');
      studio.chat.goTo('line');
    },
  },
  {
    id: 'waitingChat',
    keys: 'N',
    group: 'Desk',
    words: 'To the next chat message that waits for you',
    press: ({ studio, layout }) => {
      layout.open('chat');
      studio.chat.goTo('waiting');
    },
  },
  {
    id: 'health',
    keys: 'H',
    group: 'Desk',
    words: 'Show the health figures',
    press: ({ layout }) => layout.open('health'),
  },
  {
    id: 'log',
    keys: 'J',
    group: 'Desk',
    words: 'Show the log',
    press: ({ layout }) => layout.open('log'),
  },
  {
    id: 'keys',
    keys: '?',
    group: 'Desk',
    words: 'Show or hide this list',
    press: ({ layout }) => layout.toggleSheet('keys'),
  },
] as const satisfies readonly KeyBinding[];

export type KeyId = (typeof bindings)[number]['id'];

const sceneAt = (studio: Studio, index: number) =>
  studio.production.store.getState().production.scenes[index]?.id;

/** Digits stand for scenes by their place in the row. */
const sceneBindings = Array.from({ length: 9 }, (_, index): KeyBinding[] => [
  {
    id: `scene${index + 1}`,
    keys: String(index + 1),
    group: 'Picture',
    words: index === 0 ? 'First scene into preview; 2 to 9: the others' : '',
    press: ({ studio }) => {
      const id = sceneAt(studio, index);
      if (id) studio.production.choose(id);
    },
  },
  {
    id: `takeScene${index + 1}`,
    keys: `Shift+${index + 1}`,
    group: 'Picture',
    words: index === 0 ? 'First scene straight to program; Shift + 2 to 9: the others' : '',
    press: ({ studio }) => {
      const id = sceneAt(studio, index);
      if (id) studio.takeScene(id);
    },
  },
]).flat();

export const keyMap: readonly KeyBinding[] = [...bindings, ...sceneBindings];

/** Of a chat message that has the focus, for the list; the panel hears them itself. */
export const messageKeys = [
  { keys: 'Shift+Tab', words: 'From the line you write in to the messages' },
  { keys: '↑ ↓', words: 'To the message before it or after it' },
  { keys: 'Enter', words: 'To what can be done about it: pin it to the picture, remove it, mute its writer' },
  { keys: 'Delete', words: 'Remove it from every page and the picture' },
] as const;

const modifierSigns: Readonly<Record<string, string>> = { Shift: '⇧', Ctrl: '⌃', Alt: '⌥' };
const keySigns: Readonly<Record<string, string>> = { Space: '␣', Enter: '⏎' };

/** For the face of a button: "⇧S". */
export const keyHint = (id: KeyId): string => hintOf(keyMap.find((binding) => binding.id === id)?.keys ?? '');

const hintOf = (keys: string): string =>
  keys
    .split('+')
    .map((part) => modifierSigns[part] ?? keySigns[part] ?? part)
    .join('');

/** The name of the key that was pressed, as the table writes it; null for a modifier alone. */
export const keyName = (
  event: Pick<KeyboardEvent, 'key' | 'code' | 'shiftKey' | 'ctrlKey' | 'metaKey' | 'altKey'>,
): string | null => {
  if (['Shift', 'Control', 'Alt', 'Meta', 'AltGraph', 'Dead'].includes(event.key)) return null;
  // With Shift a digit's key types something else, on some layouts without it too: its place counts.
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
  const isLetter = /^\p{L}$/u.test(event.key);
  const name = digit ?? (event.key === ' ' ? 'Space' : isLetter ? event.key.toUpperCase() : event.key);
  // Of a sign such as "?" it is the layout's business whether Shift makes it.
  const isSign = digit === undefined && !isLetter && name.length === 1;
  const modifiers = [
    ...(event.ctrlKey || event.metaKey ? ['Ctrl'] : []),
    ...(event.altKey ? ['Alt'] : []),
    ...(event.shiftKey && !isSign ? ['Shift'] : []),
  ];
  return [...modifiers, name].join('+');
};

export const countsNow = ({ when }: KeyBinding, live: boolean): boolean =>
  when === undefined || (when === 'live') === live;

/** Null when no key of this name counts now. */
export const bindingFor = (
  name: string,
  live: boolean,
  map: readonly KeyBinding[] = keyMap,
): KeyBinding | null => map.find((binding) => binding.keys === name && countsNow(binding, live)) ?? null;

/** Pairs of ids that one key would mean at the same time. */
export const keyConflicts = (map: readonly KeyBinding[] = keyMap): string[] =>
  map.flatMap((one, at) =>
    map
      .slice(at + 1)
      .filter((other) => other.keys === one.keys && !(one.when && other.when && one.when !== other.when))
      .map((other) => `${one.keys}: ${one.id}, ${other.id}`),
  );
