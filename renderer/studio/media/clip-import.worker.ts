// The thread on which a clip is converted: away from the page, whose buttons stay quick, and from the program's picture.
// Not its job: the conversion itself (clip-conversion.ts), or when this thread ends (clip-import.ts).

import { AppError } from '../../../sfu-server/protocol/errors.ts';
import { convertClip } from './clip-conversion.ts';
import type { ImportStep, ImportedClip } from './clip-import.ts';

/** The one message from the page. */
export type ImportCommand = { readonly file: File; readonly shopUrl: string; readonly title: string };

export type ImportReport =
  | { readonly kind: 'step'; readonly step: ImportStep }
  | { readonly kind: 'done'; readonly clip: ImportedClip }
  /** `sentence`: for the director. */
  | { readonly kind: 'refused'; readonly sentence: string };

const report = (message: ImportReport): void => self.postMessage(message);

self.addEventListener('message', ({ data }: MessageEvent<ImportCommand>) => {
  void convert(data);
});

async function convert({ file, shopUrl, title }: ImportCommand): Promise<void> {
  try {
    const onStep = (step: ImportStep): void => report({ kind: 'step', step });
    report({ kind: 'done', clip: await convertClip(file, { shopUrl, title, onStep }) });
  } catch (error) {
    report({ kind: 'refused', sentence: sentenceFor(error) });
  }
}

function sentenceFor(error: unknown): string {
  if (error instanceof AppError) return error.message;
  const reason = error instanceof Error ? error.message : String(error);
  return `This clip could not be converted on this computer (${reason}). Export it again as MP4 (H.264) and try that.`;
}
