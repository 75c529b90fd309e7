// Listens to the keys of the page and shows the list of them. What the keys are and do is key-map.ts.
import { useEffect } from 'react';
import { useStore } from 'zustand';
import { Sheet } from './frame.tsx';
import { useLayout, useStudio } from './hooks.ts';
import {
  bindingFor,
  countsNow,
  keyGroups,
  keyMap,
  keyName,
  messageKeys,
  type KeyBinding,
} from './key-map.ts';

/** What text is typed into; a slider or a tick box leaves letters to the desk. */
const typing =
  'input:not([type=range], [type=checkbox], [type=radio], [type=button], [type=file], [type=color]), textarea, select, [contenteditable]';

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches(typing);

/** Keys that press whatever has the focus: what was reached by keyboard keeps them. */
const pressesFocused = (name: string, target: EventTarget | null): boolean =>
  (name === 'Enter' || name === 'Space') &&
  target instanceof HTMLElement &&
  target.matches('button, a, summary, input, [role=button], [role=tab], [role=separator]');

const timeWords = { live: 'while live', offAir: 'before going live' } as const;

/** Keys of the whole page. Ignored while typing. */
export const useKeys = (): void => {
  const studio = useStudio();
  const layout = useLayout();
  useEffect(() => {
    const desk = { studio, layout };
    const held = new Map<string, KeyBinding>();
    const isLive = () => studio.session.store.getState().show?.phase.kind === 'live';
    const stopHotkeys = studio.hotkeys.onPress((binding) => {
      if (countsNow(binding, isLive())) binding.press(desk);
    });
    let byPointer = false;
    const onDown = (event: KeyboardEvent) => {
      byPointer = false;
      if (event.defaultPrevented || event.repeat || isTyping(event.target)) return;
      const name = keyName(event);
      if (name === null || pressesFocused(name, event.target)) return;
      const binding = bindingFor(name, isLive());
      if (!binding) return;
      event.preventDefault();
      if (binding.release) held.set(event.code, binding);
      binding.press(desk);
    };
    const onUp = (event: KeyboardEvent) => {
      held.get(event.code)?.release?.(desk);
      held.delete(event.code);
    };
    const letGo = () => {
      for (const binding of held.values()) binding.release?.(desk);
      held.clear();
    };
    // A button pressed with the pointer hands the keyboard back: the next Space is the desk's, not that button again.
    const onClick = (event: MouseEvent) => {
      const button = event.target instanceof Element ? event.target.closest('button') : null;
      if (event.detail > 0 && button && button === document.activeElement) button.blur();
    };
    // The same for a list that was chosen from with the pointer.
    const onPointer = () => {
      byPointer = true;
    };
    const onChange = ({ target }: Event) => {
      if (byPointer && target instanceof HTMLSelectElement) target.blur();
    };
    document.addEventListener('pointerdown', onPointer);
    document.addEventListener('change', onChange);
    document.addEventListener('keydown', onDown);
    document.addEventListener('keyup', onUp);
    document.addEventListener('click', onClick);
    window.addEventListener('blur', letGo);
    return () => {
      letGo();
      stopHotkeys();
      document.removeEventListener('pointerdown', onPointer);
      document.removeEventListener('change', onChange);
      document.removeEventListener('keydown', onDown);
      document.removeEventListener('keyup', onUp);
      document.removeEventListener('click', onClick);
      window.removeEventListener('blur', letGo);
    };
  }, [studio, layout]);
};

export const KeyList = ({ onClose }: { onClose: () => void }) => (
  <Sheet label="Keys" onClose={onClose}>
    {keyGroups.map((group) => {
      const own = keyMap.filter((binding) => binding.group === group && binding.words !== '');
      if (own.length === 0) return null;
      return (
        <section key={group} className="key-group">
          <h3>{group}</h3>
          <dl>
            {own.map(({ id, keys, words, when, twice }) => (
              <div key={id}>
                <dt>
                  <kbd>{keys.replaceAll('+', ' + ')}</kbd>
                </dt>
                <dd>
                  {words}
                  {when && <span className="hint"> · {timeWords[when]}</span>}
                  {twice && <span className="hint"> · twice</span>}
                </dd>
              </div>
            ))}
          </dl>
        </section>
      );
    })}
    <section className="key-group">
      <h3>Among the chat’s messages</h3>
      <dl>
        {messageKeys.map(({ keys, words }) => (
          <div key={keys}>
            <dt>
              <kbd>{keys.replaceAll('+', ' + ')}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
    </section>
    <GlobalKeys />
  </Sheet>
);

/** In the desktop app: the same by keys that work while another program is in front. */
const GlobalKeys = () => {
  const { hotkeys } = useStudio();
  const state = useStore(hotkeys.store);
  if (state.kind === 'unavailable') return null;
  const taken = state.kind === 'on' ? state.taken : [];
  return (
    <section className="key-group">
      <h3>While another program is in front</h3>
      <label className="check">
        <input
          type="checkbox"
          checked={state.kind === 'on'}
          onChange={(event) => void hotkeys.setOn(event.target.checked)}
        />
        Global hotkeys
      </label>
      <dl>
        {keyMap.flatMap(({ id, words, globalKeys }) =>
          globalKeys === undefined
            ? []
            : [
                <div key={id}>
                  <dt>
                    <kbd>{globalKeys.replaceAll('+', ' + ')}</kbd>
                  </dt>
                  <dd>
                    {words}
                    {taken.includes(id) && (
                      <span className="form-wrong"> · another program has these keys</span>
                    )}
                  </dd>
                </div>,
              ],
        )}
      </dl>
    </section>
  );
};
