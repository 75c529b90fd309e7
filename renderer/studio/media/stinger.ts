// A stinger: a short clip with alpha that covers a change of scene. Decodes the file once into drawings of an output's
// size, so that a frame of it costs what any overlay costs.
// Not its job: when it runs (switcher.ts), or the built-in transitions.

import type { InputVideoTrack } from 'mediabunny';
import { BlobSource, Input, MP4, QTFF, VideoSampleSink, WEBM, MATROSKA } from 'mediabunny';
import { AppError } from '../../../sfu-server/protocol/errors.ts';
import type { Drawing } from './backend.ts';
import { openCanvas, toDrawing } from './pen.ts';
import type { Size } from './scene.ts';

export interface StingerClip {
  readonly lengthMs: number;
  /** In order; each is shown until the next one's time. Null shows nothing. */
  readonly frames: readonly { readonly atMs: number; readonly drawing: Drawing | null }[];
}

export const longestStingerMs = 4_000;
/** All frames of one stinger at one output size; beyond it only every second, third … frame is kept. */
const mostBytes = 96_000_000;
/** Straight RGBA, and the same in I420 with its alpha. */
const bytesPerPixel = 4 + 1.5 + 1.25;
const mostFps = 30;

/** Rejects with `AppError('badClip')` when the file cannot be a stinger. */
export async function decodeStinger(file: Blob, size: Size): Promise<StingerClip> {
  const input = new Input({ source: new BlobSource(file), formats: [WEBM, MATROSKA, MP4, QTFF] });
  try {
    const readable = await input.canRead().catch(() => false);
    const video = readable ? await input.getPrimaryVideoTrack() : null;
    if (video === null || !(await video.canDecode())) {
      throw refusal('This file cannot be a stinger. Export it as WebM with VP8 or VP9 and alpha.');
    }
    const lengthMs = Math.round((await video.computeDuration()) * 1000);
    if (lengthMs > longestStingerMs) {
      throw refusal(
        `This stinger is ${(lengthMs / 1000).toFixed(1)} seconds long; ${longestStingerMs / 1000} are the most. Cut it shorter.`,
      );
    }
    if (!(await video.canBeTransparent())) {
      throw refusal('This stinger has no transparency. Export it as WebM with VP8 or VP9 and alpha.');
    }
    return { lengthMs, frames: await readFrames(video, size, lengthMs) };
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw refusal('This file is damaged or was cut off. Export the stinger again.', error);
  } finally {
    input.dispose();
  }
}

const refusal = (sentence: string, cause?: unknown): AppError => new AppError('badClip', sentence, { cause });

async function readFrames(
  video: InputVideoTrack,
  size: Size,
  lengthMs: number,
): Promise<StingerClip['frames']> {
  const stepMs = frameStepMs(size, lengthMs);
  const pen = openCanvas(size);
  const frames: { atMs: number; drawing: Drawing | null }[] = [];
  for await (const sample of new VideoSampleSink(video).samples()) {
    const atMs = Math.max(0, sample.timestamp * 1000);
    try {
      // Half a step of grace: containers round times to a millisecond.
      if (atMs < frames.length * stepMs - stepMs / 2) continue;
      pen.clearRect(0, 0, size.width, size.height);
      const scale = Math.max(size.width / sample.displayWidth, size.height / sample.displayHeight);
      const width = sample.displayWidth * scale;
      const height = sample.displayHeight * scale;
      sample.draw(pen, (size.width - width) / 2, (size.height - height) / 2, width, height);
      frames.push({ atMs, drawing: toDrawing(pen, { x: 0, y: 0, ...size }) });
    } finally {
      sample.close();
    }
  }
  if (frames.length === 0) throw refusal('This stinger has no pictures. Export it again.');
  return frames;
}

function frameStepMs(size: Size, lengthMs: number): number {
  const stepMs = 1000 / mostFps;
  const bytes = (lengthMs / stepMs) * size.width * size.height * bytesPerPixel;
  return stepMs * Math.max(1, Math.ceil(bytes / mostBytes));
}

/** The drawing at a moment of the clip. */
export function stingerAt({ frames }: StingerClip, atMs: number): Drawing | null {
  return frames.findLast((frame) => frame.atMs <= atMs)?.drawing ?? null;
}
