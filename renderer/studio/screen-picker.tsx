// The list of screens and windows to share, in the desktop app; a browser asks by itself. What a choice does is screen-desk.ts's.
import { useEffect, useRef } from 'react';
import { useStore } from 'zustand';
import { Button } from '../ui/controls.tsx';
import { useStudio } from './hooks.ts';
import './screen-picker.css';

export const ScreenPicker = () => {
  const { screens: desk } = useStudio();
  const choosing = useStore(desk.store, ({ choosing }) => choosing);
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = choosing !== null;
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  if (!choosing) return null;
  return (
    <dialog
      ref={dialog}
      className="screen-picker"
      aria-label="Choose what to share"
      onClose={() => desk.cancel()}
    >
      <div className="panel-head">
        <h3>Choose what to share</h3>
        <Button kind="quiet" onPress={() => desk.cancel()}>
          Cancel
        </Button>
      </div>
      {choosing.screens.length === 0 && (
        <p className="hint">
          The system shows no screen or window. On a Mac, allow this app under Privacy, Screen Recording.
        </p>
      )}
      <ul className="screen-list">
        {choosing.screens.map(({ id, name, kind, thumbnailUrl }) => (
          <li key={id}>
            <button type="button" className="screen-choice" onClick={() => void desk.choose(id)}>
              {thumbnailUrl === null ? (
                <span className="screen-blank">no picture</span>
              ) : (
                <img src={thumbnailUrl} alt="" />
              )}
              <span className="screen-name">{name}</span>
              <span className="hint">{kind}</span>
            </button>
          </li>
        ))}
      </ul>
    </dialog>
  );
};
