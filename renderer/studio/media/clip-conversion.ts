// Converts a video file to the files of a standby clip: two codecs in the program's two layers, a small copy for fans'
// pages and a thumbnail, with the shop's code drawn in and the sound levelled. Runs in a worker (clip-import.worker.ts).
// Not its job: reading the file (clip-source.ts), showing progress, or storing the result.

import type { AudioCodec } from 'mediabunny';
import {
  BlobSource,
  BufferTarget,
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedPacketSink,
  Input,
  MP4,
  Mp4OutputFormat,
  Output,
  Quality,
  VideoSample,
  VideoSampleSource,
  WEBM,
  WebMOutputFormat,
} from 'mediabunny';
import { AppError } from '../../../sfu-server/protocol/errors.ts';
import type { ClipSize } from './clip-format.ts';
import {
  clipAudioBitrate,
  clipCodecs,
  clipFps,
  clipKeyFrameIntervalS,
  clipLengthStepMs,
  clipSampleRate,
  clipSizes,
  importLimits,
  opusFrameMs,
  opusWarmUpFrames,
  smallClip,
} from './clip-format.ts';
import type { ClipFile, ImportOptions, ImportedClip } from './clip-import.ts';
import type { ClipSource } from './clip-source.ts';
import { openClip } from './clip-source.ts';
import { toProgramFrame } from './frames.ts';
import { copyPicture, createPicture, createScaler } from './i420.ts';
import type { Overlay } from './mixing.ts';
import { blendOverlay, createOverlay } from './mixing.ts';
import { levelLoudness, type Stereo } from './loudness.ts';
import { drawShopCard, QrTooLongError } from './qr-card.ts';

/** One file to be written. */
type Rendition = {
  readonly name: ClipFile['name'];
  readonly layer: keyof typeof clipSizes;
  readonly codec: keyof typeof clipCodecs;
  /** Bits per second. */
  readonly videoBitrate: number;
  /** As long as the clip; the small copy of one that is hard to encode is only its beginning. */
  readonly lengthMs: number;
  /** Null for the low layers: the player takes one sound for all, from the high one. */
  readonly audioBitrate: number | null;
};

const layersOf = (lengthMs: number): readonly Rendition[] => [
  rendition('vp8-lo.webm', 'lo', 'vp8', null, lengthMs),
  rendition('vp8-hi.webm', 'hi', 'vp8', clipAudioBitrate, lengthMs),
  rendition('h264-lo.mp4', 'lo', 'avc', null, lengthMs),
  rendition('h264-hi.mp4', 'hi', 'avc', clipAudioBitrate, lengthMs),
];

function rendition(
  name: ClipFile['name'],
  layer: Rendition['layer'],
  codec: Rendition['codec'],
  audioBitrate: number | null,
  lengthMs: number,
): Rendition {
  return { name, layer, codec, videoBitrate: clipSizes[layer].bitrate, audioBitrate, lengthMs };
}

/** As good as fits into the small copy's limit. */
function smallRendition(lengthMs: number): Rendition {
  const totalBitrate = (smallClip.targetBytes * 8000) / lengthMs;
  const videoBitrate = Math.min(clipSizes.lo.bitrate, Math.floor(totalBitrate - smallClip.audioBitrate));
  return { ...rendition(smallClip.name, 'lo', 'avc', smallClip.audioBitrate, lengthMs), videoBitrate };
}

/** Bits per second below which the small copy is not worth watching. */
const lowestSmallBitrate = 30_000;

/** Rejects with `AppError('badClip')` when the file cannot become a clip; the sentence is for the director. */
export async function convertClip(
  file: Blob,
  { shopUrl, title, onStep }: Pick<ImportOptions, 'shopUrl' | 'title' | 'onStep'>,
): Promise<ImportedClip> {
  onStep({ kind: 'reading' });
  const overlays = drawOverlays({ url: shopUrl, title });
  const source = await openClip(file);
  try {
    const { lengthMs } = source;
    const sound = (await source.sound()) ?? silence(lengthMs);
    const levelled = levelLoudness(sound);
    const encodedSound = new Map<number, EncodedSound>();
    for (const bitrate of [clipAudioBitrate, smallClip.audioBitrate]) {
      encodedSound.set(bitrate, await encodeSound(levelled, bitrate));
    }
    const progress = (share: number): void => onStep({ kind: 'converting', share });
    progress(0);
    const small = smallRendition(lengthMs);
    const writing = { overlays, encodedSound, progress };
    const { files, thumbnail } = await writeFiles(source, [...layersOf(lengthMs), small], writing);
    const smallLengthMs = await fitSmallCopy(source, small, files, { ...writing, progress: () => undefined });
    onStep({ kind: 'checking' });
    for (const { name, bytes } of files) {
      await checkFile(name, bytes, name === smallClip.name ? smallLengthMs : lengthMs);
    }
    if (thumbnail === null) throw new Error('There was no picture for the thumbnail.');
    return { lengthMs, files, thumbnail };
  } finally {
    source.close();
  }
}

/**
 * A picture that is hard to encode (rain, confetti) overshoots its rate: the small copy is made again, with a lower
 * rate first, and then shorter. Exchanges it in `files`, where it is the last, and answers its length.
 */
async function fitSmallCopy(
  source: ClipSource,
  first: Rendition,
  files: ClipFile[],
  writing: Writing,
): Promise<number> {
  let small = first;
  for (let round = 0; round < 4; round++) {
    const overshoot = (files.at(-1)?.bytes.size ?? 0) / smallClip.mostBytes;
    if (overshoot <= 1) break;
    small =
      round === 0
        ? {
            ...small,
            videoBitrate: Math.max(lowestSmallBitrate, Math.floor(small.videoBitrate / (1.2 * overshoot))),
          }
        : { ...small, lengthMs: wholeLength(small.lengthMs / (1.1 * overshoot)) };
    const again = await writeFiles(source, [small], writing);
    files.splice(-1, 1, ...again.files);
  }
  return small.lengthMs;
}

const wholeLength = (lengthMs: number): number =>
  Math.max(importLimits.shortestMs, Math.floor(lengthMs / clipLengthStepMs) * clipLengthStepMs);

type Overlays = Readonly<Record<keyof typeof clipSizes, Overlay>>;

function drawOverlays(card: { url: string; title: string }): Overlays {
  const draw = ({ width, height }: ClipSize): Overlay =>
    createOverlay(drawShopCard({ width, height }, card), width, height);
  try {
    return { lo: draw(clipSizes.lo), hi: draw(clipSizes.hi) };
  } catch (error) {
    if (error instanceof QrTooLongError) throw new AppError('badClip', error.message, { cause: error });
    throw error;
  }
}

const silence = (lengthMs: number): Stereo => {
  const frames = (lengthMs * clipSampleRate) / 1000;
  return [new Float32Array(frames), new Float32Array(frames)];
};

// Sound

type EncodedSound = {
  readonly packets: readonly Uint8Array[];
  readonly config: AudioDecoderConfig & { codec: 'opus' };
};

/** 20 ms Opus packets of the whole clip; the encoder has heard the end of the loop when the start comes. */
async function encodeSound([left, right]: Stereo, bitrate: number): Promise<EncodedSound> {
  const packets: Uint8Array[] = [];
  let failure: DOMException | null = null;
  const encoder = new AudioEncoder({
    output: (chunk) => {
      const bytes = new Uint8Array(chunk.byteLength);
      chunk.copyTo(bytes);
      packets.push(bytes);
    },
    error: (error) => {
      failure = error;
    },
  });
  try {
    encoder.configure({
      codec: 'opus',
      sampleRate: clipSampleRate,
      numberOfChannels: 2,
      bitrate,
      opus: { frameDuration: opusFrameMs * 1000 },
    });
    const frameSamples = (clipSampleRate * opusFrameMs) / 1000;
    const frames = left.length / frameSamples;
    for (let index = -opusWarmUpFrames; index < frames + 1; index++) {
      const from = ((index + frames) % frames) * frameSamples;
      const data = new Float32Array(2 * frameSamples);
      data.set(left.subarray(from, from + frameSamples), 0);
      data.set(right.subarray(from, from + frameSamples), frameSamples);
      const audio = new AudioData({
        format: 'f32-planar',
        sampleRate: clipSampleRate,
        numberOfFrames: frameSamples,
        numberOfChannels: 2,
        timestamp: (index + opusWarmUpFrames) * opusFrameMs * 1000,
        data,
      });
      encoder.encode(audio);
      audio.close();
    }
    await encoder.flush();
    if (failure !== null) throw failure;
    return {
      packets: packets.slice(opusWarmUpFrames, opusWarmUpFrames + frames),
      config: { codec: 'opus', sampleRate: clipSampleRate, numberOfChannels: 2 },
    };
  } finally {
    if (encoder.state !== 'closed') encoder.close();
  }
}

// Picture and files

type Writing = {
  readonly overlays: Overlays;
  readonly encodedSound: ReadonlyMap<number, EncodedSound>;
  readonly progress: (share: number) => void;
};

/** A third into the clip there is something to see; at its start there often is not. */
const thumbnailAt = 1 / 3;

/**
 * Reads the pictures once and hands each to one encoder after the other, waiting for each: slower than all at once,
 * but a program that is on air keeps the processor it needs.
 */
async function writeFiles(
  source: ClipSource,
  renditions: readonly Rendition[],
  { overlays, encodedSound, progress }: Writing,
): Promise<{ files: ClipFile[]; thumbnail: Blob | null }> {
  const frames = (source.lengthMs * clipFps) / 1000;
  const scaler = createScaler();
  const pictures = {
    lo: createPicture(clipSizes.lo.width, clipSizes.lo.height),
    hi: createPicture(clipSizes.hi.width, clipSizes.hi.height),
  };
  const writers: Writer[] = [];
  let thumbnail: Blob | null = null;
  try {
    for (const each of renditions) writers.push(await createWriter(each, encodedSound));
    let index = 0;
    for await (const { picture, changed } of source.pictures(clipSizes.hi)) {
      if (changed) {
        scaler.scale(picture, { x: 0, y: 0, width: picture.width, height: picture.height }, pictures.lo);
        copyPicture(picture, pictures.hi, 0, 0);
        blendOverlay(overlays.lo, pictures.lo);
        blendOverlay(overlays.hi, pictures.hi);
      }
      const wanted = writers.filter(({ rendition }) => index * 1000 < rendition.lengthMs * clipFps);
      if (wanted.length === 0) break;
      for (const writer of wanted) {
        const frame = toProgramFrame(pictures[writer.rendition.layer], Math.round((index * 1e6) / clipFps));
        await writer.add(frame, index);
      }
      if (index === Math.floor(frames * thumbnailAt)) {
        thumbnail = await toJpeg(toProgramFrame(pictures.lo, 0));
      }
      index++;
      progress(index / frames);
    }
    const files: ClipFile[] = [];
    for (const writer of writers) files.push(await writer.finish());
    return { files, thumbnail };
  } finally {
    for (const writer of writers) await writer.close();
  }
}

interface Writer {
  readonly rendition: Rendition;
  /** Encodes and closes the frame; resolves when the encoder is ready for the next. */
  add(frame: VideoFrame, index: number): Promise<void>;
  finish(): Promise<ClipFile>;
  /** Lets go of encoder and memory; may be called twice. */
  close(): Promise<void>;
}

async function createWriter(
  rendition: Rendition,
  encodedSound: ReadonlyMap<number, EncodedSound>,
): Promise<Writer> {
  const { name, codec, videoBitrate, audioBitrate, lengthMs } = rendition;
  const target = new BufferTarget();
  const isWebM = clipCodecs[codec].extension === 'webm';
  const output = new Output({ format: isWebM ? new WebMOutputFormat() : new Mp4OutputFormat(), target });
  const video = new VideoSampleSource({
    codec,
    fullCodecString: clipCodecs[codec].codecString,
    // A constant rate may drop frames, and a loop must not.
    quality: new Quality({ bitrate: videoBitrate, bitrateMode: 'variable' }),
    keyFrameInterval: clipKeyFrameIntervalS,
    latencyMode: 'quality',
    hardwareAcceleration: 'no-preference',
  });
  output.addVideoTrack(video, { frameRate: clipFps });
  const sound = audioBitrate === null ? undefined : encodedSound.get(audioBitrate);
  const audioCodec: AudioCodec = 'opus';
  const audio = new EncodedAudioPacketSource(audioCodec);
  if (sound !== undefined) output.addAudioTrack(audio);
  await output.start();
  const packets = sound?.packets.slice(0, lengthMs / opusFrameMs) ?? [];
  for (const [index, bytes] of packets.entries()) {
    const packet = new EncodedPacket(bytes, 'key', (index * opusFrameMs) / 1000, opusFrameMs / 1000);
    await audio.add(packet, sound === undefined ? undefined : { decoderConfig: sound.config });
  }
  if (sound !== undefined) audio.close();
  return {
    rendition,

    async add(frame, index) {
      const sample = new VideoSample(frame, { timestamp: index / clipFps, duration: 1 / clipFps });
      try {
        await video.add(sample, { keyFrame: index % (clipFps * clipKeyFrameIntervalS) === 0 });
      } finally {
        sample.close();
      }
    },

    async finish() {
      await output.finalize();
      if (target.buffer === null) throw new Error(`${name} was not written.`);
      return { name, bytes: new Blob([target.buffer], { type: isWebM ? 'video/webm' : 'video/mp4' }) };
    },

    async close() {
      if (output.state !== 'finalized' && output.state !== 'canceled') await output.cancel();
    },
  };
}

/** Closes the frame. */
async function toJpeg(frame: VideoFrame): Promise<Blob> {
  try {
    const canvas = new OffscreenCanvas(frame.displayWidth, frame.displayHeight);
    const pen = canvas.getContext('2d');
    if (pen === null) throw new Error('This browser has no canvas to draw the thumbnail on.');
    pen.drawImage(frame, 0, 0);
    return await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.8 });
  } finally {
    frame.close();
  }
}

// Reading back

/** Reads a finished file as the player will: every frame there, in order, at its time, a key frame each second. */
async function checkFile(name: ClipFile['name'], bytes: Blob, lengthMs: number): Promise<void> {
  const wrong = (what: string): AppError =>
    new AppError(
      'badClip',
      `The converted clip came out wrong (${name}: ${what}). Try again; if it stays so, export the clip as MP4 (H.264) first.`,
    );
  if (name === smallClip.name && bytes.size > smallClip.mostBytes) throw wrong('too large');
  const input = new Input({ source: new BlobSource(bytes), formats: [MP4, WEBM] });
  try {
    const video = await input.getPrimaryVideoTrack();
    if (video === null) throw wrong('no picture');
    // WebM keeps times to a millisecond.
    const toleranceMs = 2;
    let index = 0;
    for await (const packet of new EncodedPacketSink(video).packets()) {
      const dueMs = (index * 1000) / clipFps;
      if (Math.abs(packet.timestamp * 1000 - dueMs) > toleranceMs)
        throw wrong('frames out of order or missing');
      const keyFrameDue = index % (clipFps * clipKeyFrameIntervalS) === 0;
      if (keyFrameDue && packet.type !== 'key') throw wrong('a key frame is missing');
      index++;
    }
    if (index !== (lengthMs * clipFps) / 1000) throw wrong('frames missing at the end');
    const audio = await input.getPrimaryAudioTrack();
    if (audio !== null) {
      let packets = 0;
      for await (const packet of new EncodedPacketSink(audio).packets()) {
        if (Math.abs(packet.timestamp * 1000 - packets * opusFrameMs) > toleranceMs)
          throw wrong('sound out of time');
        packets++;
      }
      if (packets !== lengthMs / opusFrameMs) throw wrong('sound missing');
    }
  } finally {
    input.dispose();
  }
}
