// A video file that is to become a standby clip: refuses in plain words what is too long, too short or cut off, and delivers
// the rest as pictures of a wanted size at a constant rate, and as 48 kHz stereo sound.
// Not its job: which files can be read at all (video-input.ts), what is drawn over the pictures, or encoding (clip-conversion.ts).

import type { Input, InputAudioTrack, InputVideoTrack, VideoSample } from 'mediabunny';
import { AudioSampleSink, EncodedPacketSink, VideoSampleSink } from 'mediabunny';
import { AppError } from '../../../sfu-server/protocol/errors.ts';
import type { ClipSize } from './clip-format.ts';
import { clipFps, clipLengthStepMs, clipSampleRate, importLimits } from './clip-format.ts';
import { downmix } from './downmix.ts';
import { createFrameReader } from './frames.ts';
import type { Picture } from './i420.ts';
import { copyPicture, createPicture, createScaler, fillArea, rgbToYuv, rotatePicture } from './i420.ts';
import type { Stereo } from './loudness.ts';
import { resample } from './resample.ts';
import { placeLayer } from './placement.ts';
import { createLayer } from './scene.ts';
import { openVideoInput, videoRefusal } from './video-input.ts';

export interface ClipSource {
  /** Of the clip to be made: a multiple of 100 ms. */
  readonly lengthMs: number;
  /**
   * One picture for each frame of the clip, letterboxed or cropped to the size. The same picture object is filled
   * again and again; `changed` is false where it is still the last one. Rejects with `AppError('badClip')`.
   */
  pictures(size: ClipSize): AsyncGenerator<{ readonly picture: Picture; readonly changed: boolean }>;
  /** As long as the clip; null where the file has no sound. Rejects with `AppError('badClip')`. */
  sound(): Promise<Stereo | null>;
  close(): void;
}

/** Rejects with `AppError('badClip')` when the file cannot become a clip. The caller closes what it gets. */
export async function openClip(file: Blob): Promise<ClipSource> {
  const { input, video, audio, canHear, startS, orRefuse, close } = await openVideoInput(file);
  try {
    const lengthMs = await orRefuse(checkLength(input, video, startS));
    if (audio !== null && !canHear) throw new AppError('badClip', unknownSound);
    return {
      lengthMs,

      async *pictures(size) {
        const samples = frameTimes(video, startS, lengthMs);
        try {
          const draw = createPainter(size);
          let lastTimeS: number | null = null;
          for (;;) {
            const next = await orRefuse(samples.next());
            if (next.done === true) return;
            const sample = next.value;
            try {
              const changed = sample !== null && sample.timestamp !== lastTimeS;
              if (changed) lastTimeS = sample.timestamp;
              yield { picture: await orRefuse(draw(changed ? sample : null)), changed };
            } finally {
              sample?.close();
            }
          }
        } finally {
          await samples.return();
        }
      },

      sound: async () => (audio === null ? null : orRefuse(readSound(audio, startS, lengthMs))),

      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

const unknownSound =
  'The sound of this video is in a format this computer cannot decode. Export it as MP4 with AAC sound, or without sound.';
const tooShort = `This clip is shorter than ${importLimits.shortestMs / 1000} seconds. Choose a longer one; it plays in a loop.`;

/** A clip of exactly a minute, or of two seconds, often ends a few frames later or earlier in its container. */
const lengthToleranceMs = 100;

async function checkLength(input: Input, video: InputVideoTrack, startS: number): Promise<number> {
  const endS = await video.computeDuration();
  const declaredS = (await input.getDurationFromMetadata()) ?? 0;
  const lengthMs = Math.round((endS - startS) * 1000);
  if (lengthMs > importLimits.longestMs + lengthToleranceMs) {
    throw new AppError(
      'badClip',
      `This clip is ${Math.ceil(lengthMs / 1000)} seconds long; ${importLimits.longestMs / 1000} are the most. Cut it shorter; it plays in a loop.`,
    );
  }
  // A file cut off keeps what its header promised: a length (WebM), or a table of frames that are not there (MP4).
  const last = await new EncodedPacketSink(video).getPacket(Number.MAX_SAFE_INTEGER);
  if (last === null || declaredS - (await input.computeDuration()) > 1) throw videoRefusal('damaged');
  if (lengthMs < importLimits.shortestMs - lengthToleranceMs) throw new AppError('badClip', tooShort);
  const whole = Math.floor(lengthMs / clipLengthStepMs) * clipLengthStepMs;
  return Math.max(importLimits.shortestMs, Math.min(importLimits.longestMs, whole));
}

/** What is to be seen at each frame time of the clip. */
function frameTimes(
  video: InputVideoTrack,
  startS: number,
  lengthMs: number,
): AsyncGenerator<VideoSample | null, void, unknown> {
  // Containers round times to a millisecond: looked for exactly, a frame would come one too late.
  const toleranceS = 0.001;
  const times = Array.from(
    { length: (lengthMs * clipFps) / 1000 },
    (_, index) => startS + index / clipFps + toleranceS,
  );
  return new VideoSampleSink(video).samplesAtTimestamps(times);
}

/** The studio's dark ground, as bars. */
const [groundY, groundU, groundV] = rgbToYuv(0x0c, 0x0d, 0x10);
const groundYuv = [Math.round(groundY), Math.round(groundU), Math.round(groundV)] as const;

/** More than this of the picture is never cut away to fill 16:9; there are bars instead. */
const mostCropped = 0.12;

/** Answers the picture with the sample on it, or as it was where there is none. */
function createPainter(size: ClipSize): (sample: VideoSample | null) => Promise<Picture> {
  const picture = createPicture(size.width, size.height);
  const whole = { x: 0, y: 0, width: size.width, height: size.height };
  fillArea(picture, whole, groundYuv);
  const reader = createFrameReader();
  const scaler = createScaler();
  let spare: Picture | null = null;
  let scaled: Picture | null = null;
  return async (sample) => {
    if (sample === null) return picture;
    const frame = sample.toVideoFrame();
    try {
      spare = await reader.read(frame, spare);
    } finally {
      frame.close();
    }
    const upright = turn(spare, sample.rotation);
    const display = { width: sample.displayWidth, height: sample.displayHeight };
    const kept = (display.width * size.height) / (display.height * size.width);
    const fit = Math.min(kept, 1 / kept) >= 1 - mostCropped ? 'cover' : 'contain';
    const placement = placeLayer(createLayer('clip', { fit }), display, size);
    if (placement === null) throw videoRefusal('damaged');
    const { crop, target } = placement;
    // Pixels of some cameras are not square: the placement is in shown pixels, the cut in stored ones.
    const across = upright.width / display.width;
    const down = upright.height / display.height;
    const cut = {
      x: crop.x * across,
      y: crop.y * down,
      width: crop.width * across,
      height: crop.height * down,
    };
    if (scaled?.width !== target.width || scaled.height !== target.height) {
      scaled = createPicture(target.width, target.height);
      fillArea(picture, whole, groundYuv);
    }
    scaler.scale(upright, cut, scaled);
    copyPicture(scaled, picture, target.x, target.y);
    return picture;
  };
}

function turn(picture: Picture, degrees: number): Picture {
  if (degrees !== 90 && degrees !== 180 && degrees !== 270) return picture;
  const upright =
    degrees === 180
      ? createPicture(picture.width, picture.height)
      : createPicture(picture.height, picture.width);
  rotatePicture(picture, upright, degrees);
  return upright;
}

async function readSound(audio: InputAudioTrack, startS: number, lengthMs: number): Promise<Stereo> {
  const fromRate = await audio.getSampleRate();
  const length = Math.ceil((lengthMs / 1000) * fromRate);
  const left = new Float32Array(length);
  const right = new Float32Array(length);
  for await (const sample of new AudioSampleSink(audio).samples(startS, startS + lengthMs / 1000)) {
    try {
      const from = Math.round((sample.timestamp - startS) * fromRate);
      const [fromLeft, fromRight] = downmix(sample);
      const end = Math.min(fromLeft.length, length - from);
      for (let i = Math.max(0, -from); i < end; i++) {
        left[from + i] = (left[from + i] ?? 0) + (fromLeft[i] ?? 0);
        right[from + i] = (right[from + i] ?? 0) + (fromRight[i] ?? 0);
      }
    } finally {
      sample.close();
    }
  }
  const frames = (lengthMs / 1000) * clipSampleRate;
  return [
    resample(left, fromRate, clipSampleRate, frames),
    resample(right, fromRate, clipSampleRate, frames),
  ];
}
