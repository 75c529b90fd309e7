// A small field for one number: typed and confirmed, or stepped with the arrow keys. Out of range goes to the nearest.
// Not its job: what the number means.
import { useId, useState } from 'react';

export const NumberField = (props: {
  label: string;
  value: number;
  /** What is shown is the value times this: 100 for percent. */
  scale?: number;
  unit: string;
  least: number;
  most: number;
  /** In shown units; 1 unless told. */
  step?: number;
  onChange: (value: number) => void;
}) => {
  const { label, value, scale = 1, unit, least, most, step = 1, onChange } = props;
  const id = useId();
  const [typed, setTyped] = useState<string | null>(null);
  const shown = String(Math.round(value * scale * 10) / 10);
  const set = (next: number) => {
    setTyped(null);
    if (!Number.isFinite(next)) return;
    const clamped = Math.min(most, Math.max(least, next / scale));
    if (clamped !== value) onChange(clamped);
  };
  const done = () => {
    if (typed !== null) set(Number(typed.replace(',', '.').trim() || NaN));
  };
  return (
    <div className="number-field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        className="input"
        inputMode="decimal"
        autoComplete="off"
        value={typed ?? shown}
        aria-description={unit === '%' ? 'percent' : unit}
        onChange={(event) => setTyped(event.target.value)}
        onBlur={done}
        onKeyDown={(event) => {
          const way = event.key === 'ArrowUp' ? 1 : event.key === 'ArrowDown' ? -1 : 0;
          if (event.key === 'Enter') event.currentTarget.blur();
          else if (event.key === 'Escape') setTyped(null);
          else if (way !== 0) {
            event.preventDefault();
            set(value * scale + way * step * (event.shiftKey ? 5 : 1));
          }
        }}
      />
    </div>
  );
};
