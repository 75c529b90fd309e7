// The figures behind the health line: every source, the picture's pipeline, the way up to the server. Drawn once a second
// from what those parts say of themselves. Not its job: judging them in words (health.ts).
import type { ReactNode } from 'react';
import { Meter } from '../ui/meter.tsx';
import { formatRate } from '../ui/format.ts';
import { pipelineFigures, sourceState, type Tone } from './health.ts';
import { useReading, useSession, useSettings, useStudio } from './hooks.ts';
import type { SourceReport } from './source-report.ts';
import './health-panel.css';

export const HealthPanel = () => {
  const studio = useStudio();
  const fps = useSettings((settings) => settings.fps);
  const health = useSession((session) => session.health);
  const { picture } = useReading(1_000, () => studio.pipeline());
  return (
    <section className="panel health-panel" aria-labelledby="health-head">
      <h2 id="health-head">Health</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Source</th>
            <th scope="col">State</th>
            <th scope="col">Picture</th>
            <th scope="col">Level</th>
            <th scope="col">Buffer</th>
            <th scope="col">Drift</th>
          </tr>
        </thead>
        <tbody>
          {studio.sources().map((source) => (
            <SourceRow key={source.id} source={source} />
          ))}
        </tbody>
      </table>
      <div className="health-groups">
        <Figures title="Composing">
          {pipelineFigures(picture, fps).map(({ name, value, tone, detail }) => (
            <Figure key={name} name={name} value={value} tone={tone} detail={detail} />
          ))}
        </Figures>
        <Figures title="Uplink">
          {!health || health.layers.length === 0 ? (
            <p className="hint">Nothing is sent yet.</p>
          ) : (
            <>
              {health.layers.map(({ kbps, fps: layerFps }, layer) => (
                <Figure
                  key={layer}
                  name={`Layer ${layer + 1}`}
                  value={`${formatRate(kbps)} · ${Math.round(layerFps)} fps`}
                  tone={layerFps > 0 && layerFps < fps * 0.8 ? 'look' : 'fine'}
                  detail="From small to large"
                />
              ))}
              <Figure name="Sound" value={formatRate(health.audioKbps)} tone="fine" detail="Program sound" />
              <Figure
                name="Loss"
                value={`${health.lossPct.toFixed(1)} %`}
                tone={health.lossPct >= 2 ? 'look' : 'fine'}
                detail="Packets lost on the way up"
              />
              <Figure
                name="Round trip"
                value={`${Math.round(health.rttMs)} ms`}
                tone={health.rttMs >= 250 ? 'look' : 'fine'}
                detail="To the server and back"
              />
            </>
          )}
        </Figures>
      </div>
    </section>
  );
};

const SourceRow = ({ source }: { source: SourceReport }) => {
  const studio = useStudio();
  const { tone, text } = sourceState(source);
  const unknown = <span className="hint">–</span>;
  return (
    <tr>
      <th scope="row" title={source.name}>
        {source.name}
      </th>
      <td>
        <span className="source-state" data-tone={tone}>
          {text}
        </span>
      </td>
      <td>
        {source.framesPerSecond === null
          ? unknown
          : `${source.framesPerSecond.toFixed(1)} fps${source.size ? ` · ${source.size.width} × ${source.size.height}` : ''}`}
      </td>
      <td>
        {source.medium === 'sound' && source.input.kind === 'live' ? (
          <Meter label={source.name} feed={studio.meterFeed(source.id)} />
        ) : (
          unknown
        )}
      </td>
      <td>
        {source.bufferedMs === null
          ? unknown
          : `${Math.round(source.bufferedMs)} ms${source.underruns ? ` · ran dry ${source.underruns}×` : ''}`}
      </td>
      <td>{source.driftPpm === null ? unknown : `${Math.round(source.driftPpm)} ppm`}</td>
    </tr>
  );
};

const Figures = ({ title, children }: { title: string; children: ReactNode }) => (
  <div>
    <h3>{title}</h3>
    <dl>{children}</dl>
  </div>
);

const Figure = (props: { name: string; value: string; tone: Tone; detail: string }) => (
  <div title={props.detail} data-tone={props.tone}>
    <dt>{props.name}</dt>
    <dd>{props.value}</dd>
  </div>
);
