// Converts a video file to the files of a standby clip. Runs in a worker (clip-import.worker.ts).
// Not its job: choosing the file, showing progress, or storing the result.

import { AppError } from '../../../sfu-server/protocol/errors.ts';
import type { ImportOptions, ImportedClip } from './clip-import.ts';

/** Rejects with `AppError('badClip')` when the file cannot become a clip; the sentence is for the director. */
export async function convertClip(
  file: File,
  { onStep }: Pick<ImportOptions, 'shopUrl' | 'title' | 'onStep'>,
): Promise<ImportedClip> {
  onStep({ kind: 'reading' });
  await file.slice(0, 1).arrayBuffer();
  throw new AppError('badClip', 'This build of the studio cannot convert clips yet.');
}
