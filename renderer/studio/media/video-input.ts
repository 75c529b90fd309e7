// Opens a video file that somebody chose, for whatever is to be done with it: the one place that says which files can be
// read here, and why another cannot. Not its job: playing it (video-file.worker.ts), making a clip of it (clip-source.ts).
import {
  BlobSource,
  EncodedPacketSink,
  Input,
  MATROSKA,
  MP4,
  QTFF,
  WEBM,
  type InputAudioTrack,
  type InputVideoTrack,
} from 'mediabunny';
import { AppError } from '../../../sfu-server/protocol/errors.ts';

export interface VideoInput {
  readonly input: Input;
  readonly video: InputVideoTrack;
  readonly audio: InputAudioTrack | null;
  /** Whether this computer can decode the sound, where there is any. */
  readonly canHear: boolean;
  /** When its first picture is to be seen, in its own time. */
  readonly startS: number;
  /** For later reads: what fails inside the file is the file's fault, and is said as such. */
  readonly orRefuse: <T>(work: Promise<T>) => Promise<T>;
  readonly close: () => void;
}

const sentences = {
  notVideo: 'This is not a video file that can be read here. Choose an MP4, MOV or WebM file.',
  noPicture: 'This file has no picture, only sound. Choose a video file.',
  protected: 'This video is copy-protected, so it cannot be used. Choose one without protection.',
  unknownPicture:
    'The picture of this video is in a format this computer cannot decode. Export it as MP4 with H.264.',
  tooLarge: 'The picture of this video is larger than 4K. Export it at 1080p or less.',
  damaged:
    'This file is damaged or was cut off. Copy it again from the camera, or export it again, and choose that.',
} as const;

export const videoRefusal = (why: keyof typeof sentences, cause?: unknown): AppError =>
  new AppError('badClip', sentences[why], { cause });

/** Camera 4K (DCI, 4096 wide), as it is stored: the most a laptop decodes beside a show. */
const mostPixels = 4096 * 2304;

/** Rejects with `AppError('badClip')` when there is nothing to be seen in it here. The caller closes what it gets. */
export async function openVideoInput(file: Blob): Promise<VideoInput> {
  let isProtected = false;
  const input = new Input({
    source: new BlobSource(file),
    // Only what is whole in one file: a playlist would make this page fetch what it names.
    formats: [MP4, QTFF, WEBM, MATROSKA],
    formatOptions: {
      isobmff: {
        resolveKeyId: () => {
          isProtected = true;
          throw new Error('There is no key.');
        },
      },
    },
  });
  const orRefuse = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw isProtected ? videoRefusal('protected') : videoRefusal('damaged', error);
    }
  };
  try {
    if (!(await orRefuse(input.canRead()))) throw videoRefusal('notVideo');
    const video = await orRefuse(input.getPrimaryVideoTrack());
    if (video === null) throw videoRefusal('noPicture');
    const startS = Math.max(0, await orRefuse(video.getFirstTimestamp()));
    await orRefuse(checkPicture(video));
    // Whether it is copy-protected shows only where its pictures are read.
    const first = await orRefuse(new EncodedPacketSink(video).getFirstPacket());
    if (first === null) throw videoRefusal('damaged');
    const audio = await orRefuse(input.getPrimaryAudioTrack());
    const canHear = audio !== null && (await orRefuse(audio.canDecode()));
    return { input, video, audio, canHear, startS, orRefuse, close: () => input.dispose() };
  } catch (error) {
    input.dispose();
    throw error;
  }
}

async function checkPicture(video: InputVideoTrack): Promise<void> {
  if (!(await video.canDecode())) throw videoRefusal('unknownPicture');
  if ((await video.getCodedWidth()) * (await video.getCodedHeight()) > mostPixels) {
    throw videoRefusal('tooLarge');
  }
}
