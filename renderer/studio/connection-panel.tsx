// The connection test: what it found, the one thing to fix, and the button that runs it.
// Not its job: measuring or judging (connection.ts).
import { useStore } from 'zustand';
import type { LoopReport } from '../session/session.ts';
import { Button, Select } from '../ui/controls.tsx';
import { formatRate, formatTime } from '../ui/format.ts';
import {
  connectionWords,
  factsOf,
  lineNames,
  lines,
  type ConnectionReport,
  type ConnectionTest,
  type Line,
} from './connection.ts';
import { useSettings, useShow, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import './connection-panel.css';

const wayNames = { udp: 'UDP', tcp: 'TCP' } as const;

export const ConnectionPanel = () => {
  const studio = useStudio();
  const { line, tests } = useStore(studio.connection.store);
  const live = useShow((show) => show?.phase.kind === 'live');
  const test = tests[line];
  const other = lines.find((each) => each !== line && tests[each].kind === 'done');
  return (
    <section className="panel connection" aria-labelledby="connection-head">
      <h2 id="connection-head">Connection</h2>
      <div className="connection-words">
        <div role="status">
          {test.kind === 'never' && (
            <p className="hint">
              {line === 'main'
                ? 'Not tested yet. Go live tests it first.'
                : 'Not tested yet. Put this computer on the backup line, a phone’s hotspot for example, then test.'}
            </p>
          )}
          {test.kind === 'running' && (
            <>
              <p>Sending a picture to the server and back by {wayNames[test.way]}.</p>
              <progress aria-label="Connection test" />
            </>
          )}
          {test.kind === 'failed' && <p data-tone="wrong">{test.text}</p>}
          {test.kind === 'done' && <Result report={test.report} />}
        </div>
        {other !== undefined && <OtherLine line={other} test={tests[other]} />}
      </div>
      <Select
        label="This computer is on"
        labelHidden
        value={line}
        choices={lines.map((each) => ({ value: each, text: lineNames[each] }))}
        disabled={live || test.kind === 'running'}
        onChange={(value) => {
          const chosen = lines.find((each) => each === value);
          if (chosen !== undefined) studio.connection.choose(chosen);
        }}
      />
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

/** What the line found out on which this computer is not. */
const OtherLine = ({ line, test }: { line: Line; test: ConnectionTest }) => {
  const format = useSettings((settings) => settings);
  if (test.kind !== 'done') return null;
  const { tone, verdict } = connectionWords(factsOf(test.report, format));
  return (
    <p className="connection-other" data-tone={tone}>
      {lineNames[line]}, tested at {formatTime(test.report.atMs)}: {verdict}
    </p>
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
