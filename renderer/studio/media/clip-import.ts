// Turns any video file Chromium can decode into the files of a standby clip, in a worker of its own that lives exactly
// as long as the import: however it ends, all memory, decoders and encoders go with it.
// Not its job: how a clip is converted (clip-conversion.ts), or what becomes of the files.

import { AppError } from '../../../sfu-server/protocol/errors.ts';
import { importLimits } from './clip-format.ts';
import type { ImportCommand, ImportReport } from './clip-import.worker.ts';

export type ClipFile = {
  name: 'vp8-lo.webm' | 'vp8-hi.webm' | 'h264-lo.mp4' | 'h264-hi.mp4' | 'small.mp4';
  bytes: Blob;
};

export type ImportedClip = {
  /** A multiple of 100 ms. Only the small copy may be shorter, where the clip is too hard to encode for its limit. */
  lengthMs: number;
  files: ClipFile[];
  /** A JPEG of 320×180. */
  thumbnail: Blob;
};

export type ImportStep =
  | { kind: 'reading' }
  /** `share`: 0 to 1, never less than before. */
  | { kind: 'converting'; share: number }
  | { kind: 'checking' };

export type ImportOptions = {
  /** Drawn into the picture as a QR code; an address that stays right whatever is for sale. */
  shopUrl: string;
  /** Stands below the code. */
  title: string;
  onStep: (step: ImportStep) => void;
  signal: AbortSignal;
};

/**
 * Converts a file of at most 60 s and 100 MB. Takes about as long as the clip lasts on a laptop that is on air.
 * Rejects with `AppError('badClip')`, whose sentence says what is wrong and what to do, or with the signal's reason
 * (an `AbortError`) when it is cancelled.
 */
export const importClip = async (file: File, options: ImportOptions): Promise<ImportedClip> => {
  const { shopUrl, title, onStep, signal } = options;
  signal.throwIfAborted();
  if (file.size > importLimits.mostBytes) {
    throw new AppError(
      'badClip',
      `This file is ${Math.ceil(file.size / 1024 ** 2)} MB; a standby clip may have ${importLimits.mostBytes / 1024 ** 2} MB. Export it smaller: 720p is more than enough.`,
    );
  }
  const worker = new Worker(new URL('./clip-import.worker.ts', import.meta.url), {
    type: 'module',
    name: 'clip-import',
  });
  const ended = new AbortController();
  try {
    return await new Promise<ImportedClip>((resolve, reject) => {
      const until = { signal: ended.signal };
      signal.addEventListener('abort', () => reject(abortReason(signal)), until);
      worker.addEventListener(
        'message',
        ({ data }: MessageEvent<ImportReport>) => {
          if (data.kind === 'step') onStep(data.step);
          else if (data.kind === 'done') resolve(data.clip);
          else reject(new AppError('badClip', data.sentence));
        },
        until,
      );
      worker.addEventListener(
        'error',
        (event) =>
          reject(
            new AppError(
              'badClip',
              `The clip could not be converted (${event.message || 'the converter did not load'}). Try again; if it stays so, export the clip as MP4.`,
            ),
          ),
        until,
      );
      const command: ImportCommand = { file, shopUrl, title };
      worker.postMessage(command);
    });
  } finally {
    ended.abort();
    worker.terminate();
  }
};

function abortReason(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new DOMException('The import was cancelled.', 'AbortError');
}
