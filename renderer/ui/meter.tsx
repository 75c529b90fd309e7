// Level meters: how fast the bar falls, how long a peak is held, what screen readers are told. A meter paints itself from a
// feed, outside React: twenty reports a second must not re-render a page. Not its job: measuring.
import { useEffect, useEffectEvent, useRef, type RefObject } from 'react';

/** Peak and average level, in dBFS. */
export type Level = { peakDb: number; rmsDb: number };

/** What a meter shows at one moment: shares of its length, and the held peak in dBFS. */
export type Shown = { bar: number; mark: number; peakDb: number; atMs: number };

export const silentDb = -60;
/** How fast a bar falls once the sound is gone, so that a short word can be read: about what a programme meter does. */
const fallDbPerSecond = 24;
const peakHeldMs = 1_500;
/** Screen readers are told the level this often; the bar itself moves with every report. */
const spokenEveryMs = 1_000;

export const shareOf = (db: number): number => Math.min(1, Math.max(0, (db - silentDb) / -silentDb));

/** Moved by transforms alone, and only when it shows: a meter that lays the page out costs more than the sound. */
export const place = (element: HTMLElement | null, transform: string): void => {
  if (element && element.style.transform !== transform) element.style.transform = transform;
};

/** For the element with the role `meter`, whose zone and words are kept here; `paint` moves the rest. */
export const useMeter = <Report,>(
  feed: (onReport: (report: Report) => void) => () => void,
  levelOf: (report: Report) => Level,
  paint: (shown: Shown, report: Report) => void,
): RefObject<HTMLDivElement | null> => {
  const root = useRef<HTMLDivElement>(null);
  const read = useEffectEvent(levelOf);
  const onShown = useEffectEvent(paint);
  useEffect(() => {
    let spokenAt = 0;
    let shownAt = performance.now();
    let shownDb = silentDb;
    let peak = { db: silentDb, atMs: 0 };
    return feed((report) => {
      const element = root.current;
      if (!element) return;
      const { peakDb, rmsDb } = read(report);
      const now = performance.now();
      shownDb = Math.max(rmsDb, shownDb - (fallDbPerSecond * (now - shownAt)) / 1000, silentDb);
      shownAt = now;
      if (peakDb >= peak.db || now - peak.atMs > peakHeldMs) peak = { db: peakDb, atMs: now };
      const mark = shareOf(Math.max(peak.db, shownDb));
      onShown({ bar: shareOf(shownDb), mark, peakDb: peak.db, atMs: now }, report);
      const zone = peak.db > -3 ? 'hot' : peak.db > -50 ? 'sound' : 'quiet';
      if (element.dataset['zone'] !== zone) element.dataset['zone'] = zone;
      if (now - spokenAt < spokenEveryMs) return;
      spokenAt = now;
      const spoken = Math.round(shownDb);
      element.setAttribute('aria-valuenow', String(spoken));
      element.setAttribute('aria-valuetext', spoken <= silentDb ? 'silent' : `${spoken} decibels`);
    });
  }, [feed]);
  return root;
};

const itself = (level: Level): Level => level;

/** A bar that lies, for one sound. */
export const Meter = (props: { label: string; feed: (onLevel: (level: Level) => void) => () => void }) => {
  const bar = useRef<HTMLDivElement>(null);
  const mark = useRef<HTMLDivElement>(null);
  const root = useMeter(props.feed, itself, (shown) => {
    place(bar.current, `scaleX(${shown.bar.toFixed(2)})`);
    place(mark.current, `translateX(${Math.round(shown.mark * 100)}%)`);
  });
  return (
    <div
      ref={root}
      className="meter"
      role="meter"
      aria-label={`${props.label} level`}
      aria-valuemin={silentDb}
      aria-valuemax={0}
      aria-valuenow={silentDb}
    >
      <div ref={bar} className="meter-bar" />
      <div ref={mark} className="meter-peak" />
    </div>
  );
};
