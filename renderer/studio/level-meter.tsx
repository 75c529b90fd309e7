// An upright level meter with loudness and true peak in figures. Not its job: how it moves
// (ui/meter.tsx), or measuring (media/sound-meter.ts).
import { useRef } from 'react';
import { place, shareOf, silentDb, useMeter } from '../ui/meter.tsx';
import type { ChannelLevels } from './media/mixer.ts';

/** Figures that change faster cannot be read. */
const figuresEveryMs = 300;
const figure = (db: number): string =>
  db <= silentDb - 10 ? '–' : `${db < 0 ? '−' : ''}${Math.abs(db).toFixed(0)}`;
/** The peak of such a meter is the true one, between the samples. */
const levelOf = ({ truePeakDb, rmsDb }: ChannelLevels) => ({ peakDb: truePeakDb, rmsDb });
const write = (element: HTMLElement | null, text: string) => {
  if (element && element.textContent !== text) element.textContent = text;
};

export const LevelMeter = (props: {
  label: string;
  feed: (onLevel: (level: ChannelLevels) => void) => () => void;
  /** A mark at this loudness, in LUFS. */
  target?: number;
}) => {
  const bar = useRef<HTMLDivElement>(null);
  const mark = useRef<HTMLDivElement>(null);
  const reduction = useRef<HTMLDivElement>(null);
  const lufs = useRef<HTMLSpanElement>(null);
  const peak = useRef<HTMLSpanElement>(null);
  const figuresAtMs = useRef(0);
  const root = useMeter(props.feed, levelOf, (shown, level) => {
    place(bar.current, `scaleY(${shown.bar.toFixed(2)})`);
    place(mark.current, `translateY(${Math.round((1 - shown.mark) * 100)}%)`);
    place(reduction.current, `scaleY(${Math.min(1, -level.reductionDb / 24).toFixed(2)})`);
    if (shown.atMs - figuresAtMs.current < figuresEveryMs) return;
    figuresAtMs.current = shown.atMs;
    write(lufs.current, figure(level.shortTermLufs));
    write(peak.current, figure(shown.peakDb));
  });
  return (
    <div className="level">
      <div
        ref={root}
        className="level-meter"
        role="meter"
        aria-label={`${props.label} level`}
        aria-valuemin={silentDb}
        aria-valuemax={0}
        aria-valuenow={silentDb}
      >
        <div ref={bar} className="level-bar" />
        <div ref={reduction} className="level-reduction" title="Turned down by gate or compressor" />
        <div ref={mark} className="level-peak" />
        {props.target !== undefined && (
          <div className="level-target" style={{ bottom: `${shareOf(props.target) * 100}%` }} />
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
