// The controls crew pages are made of: buttons, toggles, fields, links to copy, level meters.
// Each carries its own label and state in words; none knows what it controls.
import { useEffect, useId, useRef, useState, type ReactNode } from 'react';

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

/** A second press counts as meant within this time. */
const armedMs = 4_000;

/** For what cannot be taken back: the first press arms it for a few seconds, the second does it. */
export const TwiceButton = (props: {
  children: ReactNode;
  onPress: () => void;
  kind?: ButtonKind;
  /** What it does and to what: "Remove Night tee". */
  label: string;
}) => {
  const [armed, setArmed] = useState(false);
  useEffect(() => {
    if (!armed) return;
    const timer = setTimeout(() => setArmed(false), armedMs);
    return () => clearTimeout(timer);
  }, [armed]);
  return (
    <Button
      kind={armed ? 'look' : (props.kind ?? 'quiet')}
      label={armed ? `Press again: ${props.label}` : props.label}
      onPress={() => {
        setArmed(!armed);
        if (armed) props.onPress();
      }}
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

/** Peak and average level, in dBFS. */
export type Level = { peakDb: number; rmsDb: number };

const floorDb = -60;
/** How fast a bar falls once the sound is gone, so that a short word can be read: about what a programme meter does. */
const fallDbPerSecond = 24;
const peakHeldMs = 1_200;
const share = (db: number): number => Math.min(1, Math.max(0, (db - floorDb) / -floorDb));
/** Screen readers are told the level this often; the bar itself moves with every report. */
const spokenEveryMs = 1_000;

/** A level meter that paints itself from a feed, outside React: twenty reports a second must not re-render a page. */
export const Meter = (props: { label: string; feed: (onLevel: (level: Level) => void) => () => void }) => {
  const root = useRef<HTMLDivElement>(null);
  const bar = useRef<HTMLDivElement>(null);
  const mark = useRef<HTMLDivElement>(null);
  const { feed } = props;
  useEffect(() => {
    /** Moved by transforms alone, and only when it shows: a meter that lays the page out costs more than the sound. */
    const place = (element: HTMLElement | null, transform: string) => {
      if (element && element.style.transform !== transform) element.style.transform = transform;
    };
    let spokenAt = 0;
    let shownAt = performance.now();
    let shownDb = floorDb;
    let peak = { db: floorDb, atMs: 0 };
    return feed(({ peakDb, rmsDb }) => {
      const element = root.current;
      if (!element) return;
      const now = performance.now();
      shownDb = Math.max(rmsDb, shownDb - (fallDbPerSecond * (now - shownAt)) / 1000, floorDb);
      shownAt = now;
      if (peakDb >= peak.db || now - peak.atMs > peakHeldMs) peak = { db: peakDb, atMs: now };
      place(bar.current, `scaleX(${share(shownDb).toFixed(2)})`);
      place(mark.current, `translateX(${Math.round(share(Math.max(peak.db, shownDb)) * 100)}%)`);
      const zone = peak.db > -3 ? 'hot' : peak.db > -50 ? 'sound' : 'quiet';
      if (element.dataset['zone'] !== zone) element.dataset['zone'] = zone;
      if (now - spokenAt < spokenEveryMs) return;
      spokenAt = now;
      const spoken = Math.round(shownDb);
      element.setAttribute('aria-valuenow', String(spoken));
      element.setAttribute('aria-valuetext', spoken <= floorDb ? 'silent' : `${spoken} decibels`);
    });
  }, [feed]);
  return (
    <div
      ref={root}
      className="meter"
      role="meter"
      aria-label={`${props.label} level`}
      aria-valuemin={floorDb}
      aria-valuemax={0}
      aria-valuenow={floorDb}
    >
      <div ref={bar} className="meter-bar" />
      <div ref={mark} className="meter-peak" />
    </div>
  );
};
