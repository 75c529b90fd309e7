// What there is to record beside the program: every picture as it enters the compositor, and every sound after its gain and
// before its mute, so that a take can be mixed anew. Not its job: whether and when (desk.ts).
import type { Compositor } from '../media/compositor.ts';
import type { Mixer } from '../media/mixer.ts';
import type { RecordingSource } from './desk.ts';

export const listRecordingSources = (options: {
  compositor: Pick<Compositor, 'sourceTracks'>;
  mixer: Pick<Mixer, 'snapshot' | 'stemTrack' | 'releaseStem'>;
  /** As the director knows it. */
  nameOf: (sourceId: string) => string;
}): RecordingSource[] => {
  const { compositor, mixer, nameOf } = options;
  // The compositor keeps the last picture of a source that has ended; there is nothing more to record of it.
  const live = [...compositor.sourceTracks()].filter(([, track]) => track.readyState === 'live');
  const pictures = live.map(([id, track]): RecordingSource => ({
    id: `picture ${id}`,
    name: nameOf(id),
    kind: 'picture',
    input: track,
    open: () => track,
    close: () => {},
  }));
  const names = new Set(pictures.map(({ name }) => name));
  const sounds = Object.keys(mixer.snapshot().inputs).map((id): RecordingSource => {
    const name = nameOf(id);
    return {
      id: `sound ${id}`,
      // A guest has both, and two files.
      name: names.has(name) ? `${name} sound` : name,
      kind: 'sound',
      input: id,
      open: () => mixer.stemTrack(id),
      close: () => mixer.releaseStem(id),
    };
  });
  return [...pictures, ...sounds];
};
