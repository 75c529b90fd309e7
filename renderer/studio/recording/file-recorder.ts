// One file, written while it happens: pictures and sound are encoded by WebCodecs (hardware where there is some) and
// muxed to fragmented MP4, whose pieces of a second are on disk as soon as they are whole. Runs in the recording's thread.
// What does not keep up (encoder, disk) costs the recording frames, never the program, whose frames are only borrowed.
// Not its job: where bytes go (the `writer`), or when to record (desk.ts).
import {
  AudioSample,
  AudioSampleSource,
  canEncodeAudio,
  canEncodeVideo,
  Mp4OutputFormat,
  Output,
  Quality,
  StreamTarget,
  VideoSample,
  VideoSampleSource,
  type AudioCodec,
  type StreamTargetChunk,
  type VideoCodec,
} from 'mediabunny';
import type { FileProgress, PieceWriter } from './files.ts';
import { createPictureTimeline, createSoundTimeline } from './timeline.ts';

export interface PictureOrder {
  readonly frames: ReadableStream<VideoFrame>;
  /** How much later than it comes the picture stands in the file. */
  readonly heldBackMs: number;
  readonly bitsPerPixel: number;
}

export interface FileOrder {
  readonly writer: PieceWriter;
  /** The take's start, 0 in the file, in ms of Unix time. */
  readonly zeroMs: number;
  readonly title: string;
  readonly picture: PictureOrder | null;
  readonly sound: { readonly blocks: ReadableStream<AudioData> } | null;
  /** Called once, when nothing more can be written; what came before stays readable. */
  readonly failed: (error: unknown) => void;
}

export interface FileRecorder {
  /** From the next picture on. */
  holdBack(heldBackMs: number): void;
  /** Ends the file properly. Resolves when its last byte is on disk; may be called twice. */
  close(): Promise<void>;
  snapshot(): FileProgress;
}

/** A key frame each time, which ends a piece. */
const pieceSeconds = 1;
/** Less than the time between two key frames by any jitter: a piece that is a hair too short would wait for the next. */
const leastPieceSeconds = 0.5;
const soundBitsPerSecond = 160_000;
const channels = 2;
/** The mixer's. Sound of another rate is not recorded. */
const soundRate = 48_000;
/** By which bits per pixel become bits per second. */
const nominalFps = 30;
/**
 * A piece waits for picture and sound, so whichever stays away is made up: silence, or the last picture again. Longer than
 * any hiccup of a busy machine, short enough that a piece is never late by more than this.
 */
const patienceMs = 500;
/** As many as wait in a stream of sound (recorder.ts). */
const mostFirstBlocks = 100;
/** How long the end waits for streams that their owner has stopped. */
const drainMs = 300;
const leastBitsPerSecond = 1_000_000;
const mostBitsPerSecond = 25_000_000;

const epochMs = (): number => performance.timeOrigin + performance.now();

/** Runs one piece of work after the other; a failure is given to `failed` and ends the row. */
const createRow = (failed: (error: unknown) => void) => {
  let row: Promise<void> = Promise.resolve();
  let broken = false;
  return {
    add: (work: () => Promise<void>): Promise<void> => {
      const after = async (earlier: Promise<void>) => {
        await earlier;
        if (broken) return;
        try {
          await work();
        } catch (error) {
          broken = true;
          failed(error);
        }
      };
      row = after(row);
      return row;
    },
    settled: (): Promise<void> => row,
  };
};

/** Encoders take halves of the colour planes only. */
const even = (length: number): number => length - (length % 2);

/** H.264 where this browser has it, because everything plays it; on hardware where there is some. */
const choosePictureCodec = async (size: { width: number; height: number }, quality: Quality) => {
  const codecs: readonly VideoCodec[] = ['avc', 'vp9', 'av1'];
  for (const codec of codecs) {
    for (const hardwareAcceleration of ['prefer-hardware', 'no-preference'] as const) {
      const encoding = { quality, hardwareAcceleration, latencyMode: 'realtime' } as const;
      if (await canEncodeVideo(codec, { ...size, ...encoding })) return { codec, ...encoding };
    }
  }
  throw new Error('This browser cannot encode video.');
};

const chooseSoundCodec = async () => {
  const codecs: readonly AudioCodec[] = ['aac', 'opus'];
  const quality = new Quality({ bitrate: soundBitsPerSecond });
  for (const codec of codecs) {
    if (await canEncodeAudio(codec, { numberOfChannels: channels, sampleRate: soundRate, quality })) {
      return { codec, quality };
    }
  }
  throw new Error('This browser cannot encode sound.');
};

/** Both channels of a block, one after the other; a single one is heard on both sides. */
const stereo = (block: AudioData): Float32Array<ArrayBuffer> => {
  const frames = block.numberOfFrames;
  const planes = new Float32Array(frames * channels);
  for (let channel = 0; channel < channels; channel += 1) {
    const planeIndex = Math.min(channel, block.numberOfChannels - 1);
    block.copyTo(planes.subarray(channel * frames, (channel + 1) * frames), {
      planeIndex,
      format: 'f32-planar',
    });
  }
  return planes;
};

/** Starts at once; the file gets its first bytes when the first second is whole. */
export const recordFile = (order: FileOrder): FileRecorder => {
  const { writer, zeroMs, picture, sound } = order;
  const counts = { bytes: 0, pieces: 0, frames: 0, repeats: 0 };
  const codecs: string[] = [];
  const pictures = createPictureTimeline(zeroMs);
  pictures.holdBack(picture?.heldBackMs ?? 0);
  const sounds = createSoundTimeline(zeroMs, soundRate);
  let state: 'open' | 'failed' | 'closed' = 'open';
  /** The last picture, in case it must be shown again. */
  let held: VideoFrame | undefined;
  let closing: Promise<void> | undefined;

  const output = new Output({
    format: new Mp4OutputFormat({ fastStart: 'fragmented', minimumFragmentDuration: leastPieceSeconds }),
    target: new StreamTarget(
      new WritableStream<StreamTargetChunk>({
        write: async ({ position, data }) => {
          await writer.write(position, data);
          counts.bytes = Math.max(counts.bytes, position + data.length);
          counts.pieces += 1;
        },
      }),
    ),
  });
  output.setMetadataTags({ title: order.title, date: new Date(zeroMs) });

  const pictureReader = picture?.frames.getReader();
  const soundReader = sound?.blocks.getReader();
  const stopReading = () => {
    for (const reader of [pictureReader, soundReader]) reader?.cancel().catch(() => undefined);
  };
  const fail = (error: unknown) => {
    if (state !== 'open') return;
    state = 'failed';
    order.failed(error);
  };

  // A file's tracks are made before its first byte, and the picture's size is known with the first picture only.
  const video = Promise.withResolvers<VideoSampleSource | null>();
  const addSoundTrack = async () => {
    if (!sound) return null;
    const encoding = await chooseSoundCodec();
    const source = new AudioSampleSource(encoding);
    output.addAudioTrack(source);
    codecs.push(encoding.codec);
    return source;
  };
  const begin = async () => {
    const [pictureTrack, soundTrack] = await Promise.all([video.promise, addSoundTrack()]);
    await output.start();
    return { pictureTrack, soundTrack };
  };
  const begun = begin();
  begun.catch(fail);
  if (!picture) video.resolve(null);

  const addPictureTrack = async (first: VideoFrame, bitsPerPixel: number): Promise<void> => {
    const shown = first.visibleRect ?? { width: first.codedWidth, height: first.codedHeight };
    const size = { width: even(shown.width), height: even(shown.height) };
    const wantedRate = Math.round(size.width * size.height * nominalFps * bitsPerPixel);
    const bitrate = Math.min(mostBitsPerSecond, Math.max(leastBitsPerSecond, wantedRate));
    const encoding = await choosePictureCodec(size, new Quality({ bitrate, bitrateMode: 'variable' }));
    const isOdd = size.width !== shown.width || size.height !== shown.height;
    const source = new VideoSampleSource({
      ...encoding,
      keyFrameInterval: pieceSeconds,
      // A guest's picture changes its size with the connection and with the phone's position.
      sizeChangeBehavior: 'contain',
      ...(isOdd && { transform: { ...size, fit: 'fill' } }),
    });
    output.addVideoTrack(source);
    codecs.push(encoding.codec);
    video.resolve(source);
  };

  const pictureRow = createRow(fail);
  const soundRow = createRow(fail);
  /** Takes the frame: it is closed when it has been encoded, or could not be. */
  const encodePicture = async (frame: VideoFrame, atMs: number): Promise<void> => {
    const sample = new VideoSample(frame, { timestamp: atMs / 1000 });
    try {
      await pictureRow.add(async () => (await begun).pictureTrack?.add(sample));
    } finally {
      sample.close();
    }
  };
  const encodeSound = async (planes: Float32Array<ArrayBuffer>, atMs: number): Promise<void> => {
    const sample = new AudioSample({
      data: planes,
      format: 'f32-planar',
      numberOfChannels: channels,
      sampleRate: soundRate,
      timestamp: atMs / 1000,
    });
    try {
      await soundRow.add(async () => (await begun).soundTrack?.add(sample));
    } finally {
      sample.close();
    }
  };

  const takePicture = async (frame: VideoFrame): Promise<void> => {
    const atMs = pictures.place(frame.timestamp, epochMs());
    if (atMs === null) return frame.close();
    counts.frames += 1;
    if (sound) {
      held?.close();
      held = frame.clone();
    }
    await encodePicture(frame, atMs);
  };

  const takeSound = async (block: AudioData): Promise<void> => {
    if (block.sampleRate !== soundRate) throw new Error('The sound has an unknown sample rate.');
    const { silentFrames, isWanted } = sounds.place(block.timestamp, block.numberOfFrames, epochMs());
    if (!isWanted) return;
    const atMs = sounds.endMs() - framesToMs(block.numberOfFrames);
    const planes = stereo(block);
    if (silentFrames > 0) await encodeSound(silence(silentFrames), atMs - framesToMs(silentFrames));
    await encodeSound(planes, atMs);
  };

  /** Makes up for the one that stays away, so that the other gets to disk. */
  const keepPace = async (): Promise<void> => {
    if (!picture || !sound || pictures.endMs() < 0) return;
    const nowMs = epochMs() - zeroMs;
    const dueMs = nowMs - patienceMs / 2;
    if (nowMs - sounds.endMs() > patienceMs) {
      const fromMs = sounds.endMs();
      const frames = sounds.fill(dueMs);
      if (frames > 0) await encodeSound(silence(frames), fromMs);
    }
    if (nowMs - pictures.endMs() > patienceMs && held !== undefined) {
      counts.repeats += 1;
      await encodePicture(held.clone(), pictures.repeat(dueMs));
    }
  };
  let keepingPace = false;
  const pace = setInterval(() => {
    if (keepingPace || state !== 'open') return;
    keepingPace = true;
    keepPace()
      .catch(fail)
      .finally(() => {
        keepingPace = false;
      });
  }, patienceMs / 4);

  const pumpPictures = async () => {
    let isFirst = true;
    for (;;) {
      const frame = (await pictureReader?.read())?.value;
      if (frame === undefined) return;
      try {
        if (state !== 'open') continue;
        if (isFirst) await addPictureTrack(frame, picture?.bitsPerPixel ?? 0);
        isFirst = false;
        await takePicture(frame);
      } finally {
        frame.close();
      }
    }
  };
  /** What came while the file was being opened comes all at once; the last of it tells when each belongs. */
  const takeFirstSound = async () => {
    const waiting: AudioData[] = [];
    for (let waited = false; !waited && waiting.length < mostFirstBlocks;) {
      const askedMs = performance.now();
      const block = (await soundReader?.read())?.value;
      if (block === undefined) break;
      waited = performance.now() - askedMs > 2;
      waiting.push(block);
      sounds.hear(block.timestamp, epochMs());
    }
    for (const block of waiting) {
      try {
        if (state === 'open') await takeSound(block);
      } finally {
        block.close();
      }
    }
  };
  const pumpSound = async () => {
    await takeFirstSound();
    for (;;) {
      const block = (await soundReader?.read())?.value;
      if (block === undefined) return;
      try {
        if (state === 'open') await takeSound(block);
      } finally {
        block.close();
      }
    }
  };
  const pumps = Promise.all([pumpPictures().catch(fail), pumpSound().catch(fail)]);

  const end = async (): Promise<void> => {
    const wasOpen = state === 'open';
    if (wasOpen) state = 'closed';
    clearInterval(pace);
    // Without a picture there is no file; whoever waits for one must not wait for ever.
    video.reject(new Error('No picture came.'));
    // Frames that are on their way are taken and closed; thrown away with their stream they would be held until collected.
    const patience = setTimeout(stopReading, drainMs);
    await pumps;
    clearTimeout(patience);
    await Promise.all([pictureRow.settled(), soundRow.settled()]);
    held?.close();
    try {
      if (wasOpen && output.state === 'started') await output.finalize();
      else if (output.state !== 'canceled') await output.cancel();
    } catch (error) {
      if (wasOpen) order.failed(error);
    } finally {
      await writer.close();
    }
  };

  return {
    holdBack: (heldBackMs) => pictures.holdBack(heldBackMs),
    close: () => {
      closing ??= end();
      return closing;
    },
    snapshot: () => ({
      ...counts,
      pictureMs: Math.max(0, Math.round(pictures.endMs())),
      soundMs: Math.round(sounds.endMs()),
      codecs: [...codecs],
    }),
  };
};

const framesToMs = (frames: number): number => (frames * 1000) / soundRate;
const silence = (frames: number): Float32Array<ArrayBuffer> => new Float32Array(frames * channels);
