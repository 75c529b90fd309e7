// The log as a list, the newest on top; to copy or to save. What is in it is log.ts.
import { useEffect, useState } from 'react';
import { useStore } from 'zustand';
import { Button } from '../ui/controls.tsx';
import { saveFile } from '../ui/save-file.ts';
import { useShow, useStudio } from './hooks.ts';
import { clockTime, logAsText } from './log.ts';
import './log-panel.css';

const copiedForMs = 2_000;

export const LogPanel = () => {
  const { log } = useStudio();
  const lines = useStore(log.store, (state) => state.lines);
  const title = useShow((show) => show?.title ?? 'Show');
  const [copied, setCopied] = useState<'no' | 'yes' | 'refused'>('no');
  useEffect(() => {
    if (copied === 'no') return;
    const timer = setTimeout(() => setCopied('no'), copiedForMs);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = () =>
    void navigator.clipboard.writeText(logAsText(lines)).then(
      () => setCopied('yes'),
      () => setCopied('refused'),
    );
  const save = () => saveFile(new Blob([logAsText(lines)], { type: 'text/plain' }), `${title} log.txt`);
  return (
    <section className="panel log" aria-labelledby="log-head">
      <div className="panel-head">
        <h2 id="log-head">Log</h2>
        <p className="hint">What happened, and what the studio did about it.</p>
        <div className="button-row">
          <Button kind="quiet" disabled={lines.length === 0} onPress={copy}>
            <span aria-live="polite">{{ no: 'Copy', yes: 'Copied', refused: 'Not allowed' }[copied]}</span>
          </Button>
          <Button kind="quiet" disabled={lines.length === 0} onPress={save}>
            Save
          </Button>
        </div>
      </div>
      <ol className="log-lines">
        {lines.toReversed().map(({ atMs, tone, text, times }) => (
          <li key={`${atMs} ${text}`} data-tone={tone}>
            <time dateTime={new Date(atMs).toISOString()}>{clockTime(atMs)}</time>
            <span>
              {text}
              {times > 1 && <span className="hint"> {times} times</span>}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
};
