// The panel of sources: what the director composes with, and the size of the program.
// Not its job: the sources themselves (source-list.tsx), sound (mixer-panel.tsx) or guests' links (people.tsx).
import { Select } from '../ui/controls.tsx';
import { useSettings, useShow, useStudio } from './hooks.ts';
import { studioSettings } from './settings.ts';
import { SourceList } from './source-list.tsx';
import './sources.css';

export const SourcesPanel = () => (
  <section className="panel sources" aria-labelledby="sources-head">
    <div className="panel-head">
      <h2 id="sources-head">Sources</h2>
      <Quality />
    </div>
    <SourceList />
  </section>
);

/** The browser needs a new compositor for another size; the simplest honest way to it is a fresh page. */
const Quality = () => {
  const studio = useStudio();
  const quality = useSettings((settings) => settings.quality);
  const live = useShow((show) => show?.phase.kind === 'live');
  return (
    <Select
      label="Program size"
      labelHidden
      value={quality}
      disabled={live}
      choices={[
        { value: '360p', text: '640 × 360' },
        { value: '720p', text: '1280 × 720' },
      ]}
      onChange={(value) => {
        const chosen = studioSettings.shape.quality.safeParse(value);
        if (!chosen.success) return;
        studio.settings.change({ quality: chosen.data });
        location.reload();
      }}
    />
  );
};
