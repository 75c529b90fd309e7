// The panel of sources: what the director composes with, and the program's size, shape and rate.
// Not its job: the sources themselves (source-list.tsx), sound (mixer-panel.tsx) or guests' links (people.tsx).
import { Select } from '../ui/controls.tsx';
import { useSettings, useShow, useStudio } from './hooks.ts';
import { outputFor, qualities, rates, studioSettings, type ProgramFormat } from './settings.ts';
import { SourceList } from './source-list.tsx';
import './sources.css';

export const SourcesPanel = () => (
  <section className="panel sources" aria-labelledby="sources-head">
    <div className="panel-head">
      <h2 id="sources-head">Sources</h2>
      <Format />
    </div>
    <SourceList />
  </section>
);

/** The browser needs a new compositor for another format; the simplest honest way to it is a fresh page. */
const Format = () => {
  const studio = useStudio();
  const format = useSettings((settings) => settings);
  const live = useShow((show) => show?.phase.kind === 'live');
  const change = (changed: Partial<Record<keyof ProgramFormat, string | number>>) => {
    const chosen = studioSettings.safeParse({ ...format, ...changed });
    if (!chosen.success) return;
    studio.settings.change(chosen.data);
    location.reload();
  };
  return (
    <div className="program-format" role="group" aria-label="Program format">
      <Select
        label="Program size"
        labelHidden
        value={`${format.quality} ${format.shape}`}
        disabled={live}
        choices={(['landscape', 'portrait'] as const).flatMap((shape) =>
          qualities.map((quality) => {
            const { width, height } = outputFor({ ...format, quality, shape });
            return { value: `${quality} ${shape}`, text: `${width} × ${height}` };
          }),
        )}
        onChange={(value) => {
          const [quality = '', shape = ''] = value.split(' ');
          change({ quality, shape });
        }}
      />
      <Select
        label="Frames per second"
        labelHidden
        value={String(format.fps)}
        disabled={live}
        choices={rates.map((fps) => ({ value: String(fps), text: `${fps} fps` }))}
        onChange={(value) => change({ fps: Number(value) })}
      />
    </div>
  );
};
