// What there is to record beside the program: the same show in the other shape, every picture as it enters the compositor, and
// every sound after its gain and before its mute, so that a take can be mixed anew. Not its job: whether and when (desk.ts).
import type { Compositor } from '../media/compositor.ts';
import type { Mixer } from '../media/mixer.ts';
import { aspectOf, type Size } from '../media/scene.ts';
import type { RecordingSource } from './desk.ts';
import { programSource } from './names.ts';

/** The program on its side: 9:16 beside 16:9. The compositor makes it only while somebody records it. */
export const secondOutputSource = (
  compositor: Pick<Compositor, 'openSecondOutput' | 'closeSecondOutput' | 'snapshot'>,
  program: Size,
): RecordingSource => ({
  id: 'second output',
  name: `${programSource} ${aspectOf(program) === 'landscape' ? '9x16' : '16x9'}`,
  kind: 'output',
  input: 'second output',
  heldBackMs: 0,
  open: () => {
    // By now the program may be smaller than it was begun with.
    const { width, height } = compositor.snapshot().output;
    return compositor.openSecondOutput({ width: height, height: width });
  },
  close: () => compositor.closeSecondOutput(),
});

export const listRecordingSources = (options: {
  compositor: Pick<Compositor, 'sourceTracks' | 'snapshot'>;
  mixer: Pick<Mixer, 'snapshot' | 'stemTrack' | 'releaseStem'>;
  /** As the director knows it. */
  nameOf: (sourceId: string) => string;
}): RecordingSource[] => {
  const { compositor, mixer, nameOf } = options;
  const { videoDelayMs, sourceDelaysMs } = compositor.snapshot();
  // The compositor keeps the last picture of a source that has ended; there is nothing more to record of it.
  const live = [...compositor.sourceTracks()].filter(([, track]) => track.readyState === 'live');
  const pictures = live.map(([id, track]): RecordingSource => ({
    id: `picture ${id}`,
    name: nameOf(id),
    kind: 'picture',
    input: track,
    heldBackMs: videoDelayMs + (sourceDelaysMs[id] ?? 0),
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
      heldBackMs: 0,
      open: () => mixer.stemTrack(id),
      close: () => mixer.releaseStem(id),
    };
  });
  return [...pictures, ...sounds];
};
