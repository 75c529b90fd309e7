// A video file as a source of the compositor and the mixer: decoded and paced on a thread of its own, so that a busy or
// hidden page does not stop it. Picture and sound run by one clock.
// Not its job: choosing or keeping the file, who hears it, or when it starts over (the studio's desks).
import type { VideoFileCommand, VideoFileReport } from './video-file.worker.ts';

export interface VideoFile {
  readonly track: MediaStreamTrack;
  /** In step with the picture; null where the file has none, or none that can be decoded here. */
  readonly sound: MediaStreamTrack | null;
  readonly lengthMs: number;
  /** From the beginning, at once. */
  restart(): void;
  close(): void;
}

export type OpenedVideoFile =
  | { readonly ok: true; readonly video: VideoFile }
  | { readonly ok: false; readonly sentence: string };

/** Opens the file and plays it. Without `loop` its last picture stays. What cannot be played is a sentence. */
export function openVideoFile(
  file: Blob,
  options: { readonly loop: boolean; readonly onFault: (sentence: string) => void },
): Promise<OpenedVideoFile> {
  const worker = new Worker(new URL('./video-file.worker.ts', import.meta.url), {
    type: 'module',
    name: 'video file',
  });
  const track = new MediaStreamTrackGenerator({ kind: 'video' });
  const sound = new MediaStreamTrackGenerator({ kind: 'audio' });
  const send = (command: VideoFileCommand, transfer: Transferable[] = []): void =>
    worker.postMessage(command, transfer);
  const close = (): void => {
    worker.terminate();
    track.stop();
    sound.stop();
  };
  return new Promise((resolve) => {
    const refuse = (sentence: string): void => {
      close();
      resolve({ ok: false, sentence });
    };
    worker.addEventListener('message', ({ data }: MessageEvent<VideoFileReport>) => {
      switch (data.kind) {
        case 'opened':
          resolve({
            ok: true,
            video: {
              track,
              sound: data.hasSound ? sound : null,
              lengthMs: data.lengthMs,
              restart: () => send({ kind: 'restart' }),
              close,
            },
          });
          break;
        case 'refused':
          refuse(data.sentence);
          break;
        case 'fault':
          options.onFault(data.sentence);
          break;
      }
    });
    worker.addEventListener('error', (event) =>
      refuse(`The video cannot be played (${event.message || 'its player could not be loaded'}).`),
    );
    const { writable } = track;
    const { writable: soundWritable } = sound;
    send({ kind: 'open', file, loop: options.loop, writable, soundWritable }, [writable, soundWritable]);
  });
}
