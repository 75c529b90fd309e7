// An upright level meter with loudness and true peak in figures. It paints itself from a feed, outside React: twenty reports a
// second must not re-render a page. Not its job: measuring (media/sound-meter.ts).
import { useEffect, useRef } from 'react';
import type { ChannelLevels } from './media/mixer.ts';

const floorDb = -60;
/** How fast the bar falls once the sound is gone, so that a short word can be read: about what a programme meter does. */
const fallDbPerSecond = 24;
const peakHeldMs = 1_500;
/** Figures that change faster cannot be read. */
const figuresEveryMs = 300;
const spokenEveryMs = 1_000;
const share = (db: number): number => Math.min(1, Math.max(0, (db - floorDb) / -floorDb));
const figure = (db: number): string =>
  db <= floorDb - 10 ? '–' : `${db < 0 ? '−' : ''}${Math.abs(db).toFixed(0)}`;

export const LevelMeter = (props: {
  label: string;
  feed: (onLevel: (level: ChannelLevels) => void) => () => void;
  /** A mark at this loudness, in LUFS. */
  target?: number;
}) => {
  const root = useRef<HTMLDivElement>(null);
  const bar = useRef<HTMLDivElement>(null);
  const mark = useRef<HTMLDivElement>(null);
  const reduction = useRef<HTMLDivElement>(null);
  const lufs = useRef<HTMLSpanElement>(null);
  const peak = useRef<HTMLSpanElement>(null);
  const { feed } = props;
  useEffect(() => {
    /** Moved by transforms alone, and only when it shows: a meter that lays the page out costs more than the sound. */
    const place = (element: HTMLElement | null, transform: string) => {
      if (element && element.style.transform !== transform) element.style.transform = transform;
    };
    const write = (element: HTMLElement | null, text: string) => {
      if (element && element.textContent !== text) element.textContent = text;
    };
    let shownDb = floorDb;
    let shownAt = performance.now();
    let figuresAt = 0;
    let spokenAt = 0;
    let held = { db: floorDb, atMs: 0 };
    return feed((level) => {
      const element = root.current;
      if (!element) return;
      const now = performance.now();
      shownDb = Math.max(level.rmsDb, shownDb - (fallDbPerSecond * (now - shownAt)) / 1000, floorDb);
      shownAt = now;
      if (level.truePeakDb >= held.db || now - held.atMs > peakHeldMs) {
        held = { db: level.truePeakDb, atMs: now };
      }
      place(bar.current, `scaleY(${share(shownDb).toFixed(2)})`);
      place(mark.current, `translateY(${Math.round((1 - share(Math.max(held.db, shownDb))) * 100)}%)`);
      place(reduction.current, `scaleY(${Math.min(1, -level.reductionDb / 24).toFixed(2)})`);
      const zone = held.db > -3 ? 'hot' : held.db > -50 ? 'sound' : 'quiet';
      if (element.dataset['zone'] !== zone) element.dataset['zone'] = zone;
      if (now - figuresAt >= figuresEveryMs) {
        figuresAt = now;
        write(lufs.current, figure(level.shortTermLufs));
        write(peak.current, figure(held.db));
      }
      if (now - spokenAt < spokenEveryMs) return;
      spokenAt = now;
      const spoken = Math.round(shownDb);
      element.setAttribute('aria-valuenow', String(spoken));
      element.setAttribute('aria-valuetext', spoken <= floorDb ? 'silent' : `${spoken} decibels`);
    });
  }, [feed]);
  return (
    <div className="level">
      <div
        ref={root}
        className="level-meter"
        role="meter"
        aria-label={`${props.label} level`}
        aria-valuemin={floorDb}
        aria-valuemax={0}
        aria-valuenow={floorDb}
      >
        <div ref={bar} className="level-bar" />
        <div ref={reduction} className="level-reduction" title="Turned down by gate or compressor" />
        <div ref={mark} className="level-peak" />
        {props.target !== undefined && (
          <div className="level-target" style={{ bottom: `${share(props.target) * 100}%` }} />
        )}
      </div>
      <dl className="level-figures">
        <div title="Loudness of the last three seconds, in LUFS">
          <dt>LUFS</dt>
          <dd>
            <span ref={lufs}>–</span>
          </dd>
        </div>
        <div title="True peak, in dB below full scale">
          <dt>TP</dt>
          <dd>
            <span ref={peak}>–</span>
          </dd>
        </div>
      </dl>
    </div>
  );
};
