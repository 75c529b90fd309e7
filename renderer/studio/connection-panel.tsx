// The connection test: what it found, the one thing to fix, and the button that runs it.
// Not its job: measuring or judging (connection.ts).
import { useStore } from 'zustand';
import type { LoopReport } from '../session/session.ts';
import { Button } from '../ui/controls.tsx';
import { formatRate } from '../ui/format.ts';
import { connectionWords, factsOf, type ConnectionReport } from './connection.ts';
import { useSettings, useShow, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import './connection-panel.css';

const wayNames = { udp: 'UDP', tcp: 'TCP' } as const;

export const ConnectionPanel = () => {
  const studio = useStudio();
  const test = useStore(studio.connection.store);
  const live = useShow((show) => show?.phase.kind === 'live');
  return (
    <section className="panel connection" aria-labelledby="connection-head">
      <h2 id="connection-head">Connection</h2>
      <div className="connection-words" role="status">
        {test.kind === 'never' && <p className="hint">Not tested yet. Go live tests it first.</p>}
        {test.kind === 'running' && (
          <>
            <p>Sending a picture to the server and back by {wayNames[test.way]}.</p>
            <progress aria-label="Connection test" />
          </>
        )}
        {test.kind === 'failed' && <p data-tone="wrong">{test.text}</p>}
        {test.kind === 'done' && <Result report={test.report} />}
      </div>
      <Button
        keyHint={keyHint('testConnection')}
        disabled={live || test.kind === 'running'}
        title={live ? 'The test would take bandwidth from the fans' : ''}
        onPress={() => void studio.connection.run('full')}
      >
        Test
      </Button>
    </section>
  );
};

const Result = ({ report }: { report: ConnectionReport }) => {
  const format = useSettings((settings) => settings);
  const words = connectionWords(factsOf(report, format));
  return (
    <>
      <p data-tone={words.tone}>
        {words.verdict} {words.fix !== null && <strong>{words.fix}</strong>}
      </p>
      <ul className="connection-ways">
        <WayLine report={report.udp} />
        <WayLine report={report.tcp} />
      </ul>
    </>
  );
};

const WayLine = ({ report }: { report: LoopReport }) => (
  <li data-state={report.kind}>
    <span aria-hidden="true">{report.kind === 'open' ? '●' : '○'}</span> {wayNames[report.way]}{' '}
    {report.kind === 'shut'
      ? 'shut'
      : `${formatRate(report.kbps)} · ${report.lossPct.toFixed(1)} % lost · ${report.rttMs} ms`}
  </li>
);
