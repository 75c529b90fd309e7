// What there is to record beside the program: every picture as it enters the compositor.
// Not its job: whether and when (desk.ts).
import type { Compositor } from '../media/compositor.ts';
import type { RecordingSource } from './desk.ts';

export const listRecordingSources = (options: {
  compositor: Pick<Compositor, 'sourceTracks'>;
  /** As the director knows it. */
  nameOf: (sourceId: string) => string;
}): RecordingSource[] =>
  [...options.compositor.sourceTracks()].map(([id, track]) => ({
    id: `picture ${id}`,
    name: options.nameOf(id),
    kind: 'picture',
    input: track,
    open: () => track,
    close: () => {},
  }));
