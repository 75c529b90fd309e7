// The controls crew pages are made of: buttons, toggles, fields, links to copy.
// Each carries its own label and state in words; none knows what it controls.
import { useEffect, useId, useRef, useState, type ReactNode } from 'react';
import { useTwice } from './use-twice.ts';

export type ButtonKind = 'plain' | 'action' | 'look' | 'quiet';

export const Button = (props: {
  children: ReactNode;
  onPress: () => void;
  kind?: ButtonKind;
  /** Shown beside the label, such as "⇧S"; the key itself is handled by the page. */
  keyHint?: string;
  disabled?: boolean;
  /** For toggles: whether it is on. */
  pressed?: boolean;
  large?: boolean;
  /** Longer words for those who cannot see the surroundings. */
  label?: string;
  /** Why it is disabled, or what it does. */
  title?: string;
}) => (
  <button
    type="button"
    className={`button button-${props.kind ?? 'plain'}${props.large ? ' button-large' : ''}`}
    disabled={props.disabled}
    aria-pressed={props.pressed}
    aria-label={props.label}
    title={props.title}
    onClick={props.onPress}
  >
    <span className="button-words">{props.children}</span>
    {props.keyHint !== undefined && (
      <kbd className="key-hint" aria-hidden="true">
        {props.keyHint}
      </kbd>
    )}
  </button>
);

/** For what cannot be taken back: the first press arms it for a few seconds, the second does it. */
export const TwiceButton = (props: {
  children: ReactNode;
  onPress: () => void;
  kind?: ButtonKind;
  /** What it does and to what: "Remove Night tee". */
  label: string;
}) => {
  const { armed, press } = useTwice(props.onPress);
  return (
    <Button
      kind={armed ? 'look' : (props.kind ?? 'quiet')}
      label={armed ? `Press again: ${props.label}` : props.label}
      onPress={press}
    >
      {armed ? 'Press again' : props.children}
    </Button>
  );
};

const FieldLabel = (props: { htmlFor: string; label: string; hidden: boolean }) => (
  <label htmlFor={props.htmlFor} className={props.hidden ? 'visually-hidden' : 'field-label'}>
    {props.label}
  </label>
);

export const Field = (props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  onDone?: () => void;
  placeholder?: string;
  inputMode?: 'text' | 'decimal' | 'numeric';
  maxLength?: number;
  /** The label is read out but not seen: only where the surroundings say it. */
  labelHidden?: boolean;
  invalid?: boolean;
  /** Shown as dots: a key somebody could read over the director's shoulder. */
  secret?: boolean;
}) => {
  const id = useId();
  return (
    <div className="field">
      <FieldLabel htmlFor={id} label={props.label} hidden={props.labelHidden ?? false} />
      <input
        id={id}
        className="input"
        type={props.secret ? 'password' : 'text'}
        value={props.value}
        placeholder={props.placeholder}
        inputMode={props.inputMode}
        maxLength={props.maxLength}
        aria-invalid={props.invalid || undefined}
        autoComplete="off"
        onChange={(event) => props.onChange(event.target.value)}
        onBlur={props.onDone}
        onKeyDown={(event) => {
          if (event.key === 'Enter') event.currentTarget.blur();
        }}
      />
    </div>
  );
};

export type Choice = { value: string; text: string };

export const Select = (props: {
  label: string;
  value: string;
  choices: readonly Choice[];
  onChange: (value: string) => void;
  labelHidden?: boolean;
  disabled?: boolean;
}) => {
  const id = useId();
  return (
    <div className="field">
      <FieldLabel htmlFor={id} label={props.label} hidden={props.labelHidden ?? false} />
      <select
        id={id}
        className="input select"
        value={props.value}
        disabled={props.disabled}
        onChange={(event) => props.onChange(event.target.value)}
      >
        {props.choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.text}
          </option>
        ))}
      </select>
    </div>
  );
};

const copiedForMs = 2_000;

/** A link that is there to be passed on. Copying is confirmed in words; the text can be selected by hand too. */
export const CopyLink = (props: { label: string; url: string; children?: ReactNode }) => {
  const [state, setState] = useState<'idle' | 'copied' | 'byHand'>('idle');
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (state === 'idle') return;
    const timer = setTimeout(() => setState('idle'), copiedForMs);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = () => {
    input.current?.select();
    navigator.clipboard.writeText(props.url).then(
      () => setState('copied'),
      // Without permission for the clipboard the link stays selected: one key press copies it.
      () => setState('byHand'),
    );
  };
  const words = { idle: 'Copy', copied: 'Copied', byHand: 'Press Ctrl+C' }[state];
  return (
    <div className="copy-link">
      <input
        ref={input}
        className="input copy-link-url"
        readOnly
        value={props.url}
        aria-label={props.label}
        onFocus={(event) => event.currentTarget.select()}
      />
      <Button onPress={copy} label={`${words} ${props.label}`}>
        <span aria-live="polite">{words}</span>
      </Button>
      {props.children}
    </div>
  );
};
