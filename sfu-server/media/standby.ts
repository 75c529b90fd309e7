// The standby clip: read from files, checked, cut into RTP packets once, then played in a seamless loop.
// The player behaves like a live source (its own sequence numbers, timestamps, picture ids), so that the bus
// treats both alike. It works only while it plays. When it plays is decided by the chooser, not here.

import { basename } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input, type InputTrack } from 'mediabunny';
import * as z from 'zod/mini';
import { AppError } from '../protocol/errors.ts';
import type { VideoCodec } from '../protocol/media.ts';
import {
  hasIdrSlice,
  packetizeH264,
  packetizeVp8,
  programTimestamp,
  readVp8Descriptor,
  rtpHeaderBytes,
  splitNalUnits,
  startsKeyFrame,
  writeRtpHeader,
  type ProgramCodec,
} from './rtp.ts';

// ── the clip ────────────────────────────────────────────────────────────────────────────────────────────

/** One encoded frame, ready to send: whole RTP packets whose headers are filled in when they are due. */
export type ClipFrame = {
  readonly atMs: number;
  readonly isKeyFrame: boolean;
  readonly packets: readonly Buffer[];
};

export type StandbyClip = {
  readonly codec: VideoCodec;
  /** A multiple of 20 ms, so that no Opus frame straddles the seam. */
  readonly lengthMs: number;
  /** Video frames per layer, low to high. Each layer begins with a key frame at 0. */
  readonly layers: readonly (readonly ClipFrame[])[];
  readonly audio: readonly ClipFrame[];
};

const opusFrameMs = 20;
const shortestClipMs = 2000;
const longestClipMs = 120_000;
/** One second, and a frame of tolerance. */
const longestKeyFrameGapMs = 1050;
/** One 20 ms frame of fullband CELT silence (RFC 6716): for clips without sound, and to fill up the loop. */
export const silentOpusFrame = Buffer.from([0xf8, 0xff, 0xfe]);

/** A clip may be read while the thread relays the program: after so many frames whatever is due goes first. */
const framesPerTurn = 15;

/** What we read of a decoder configuration; its DOM type does not exist in Node. */
const decoderConfig = z.object({ codec: z.string(), description: z.optional(z.unknown()) });

/**
 * Reads one file per layer, low to high, all of the same content; sound is taken from the last.
 * Throws `AppError('badClip')` with a sentence that says what to do.
 */
export async function loadStandbyClip(files: readonly string[], codec: VideoCodec): Promise<StandbyClip> {
  const renditions = [];
  for (const file of files) renditions.push(await readRendition(file, codec));
  const best = renditions.at(-1);
  if (!best) throw new AppError('badClip', 'There is no standby clip. Choose a video file for it.');
  const lengthMs = Math.round(best.endMs / opusFrameMs) * opusFrameMs;
  for (const rendition of renditions) {
    if (Math.abs(rendition.endMs - lengthMs) > 100) {
      refuse(rendition.file, 'is not as long as its other sizes. Export all sizes from the same video.');
    }
  }
  return {
    codec,
    lengthMs,
    layers: renditions.map(({ video }) => video.filter((frame) => frame.atMs < lengthMs)),
    audio: fillWithSilence(best.audio, lengthMs),
  };
}

type Rendition = { file: string; endMs: number; video: ClipFrame[]; audio: ClipFrame[] };
type EncodedFrame = { readonly atMs: number; readonly durationMs: number; readonly data: Buffer };

async function readRendition(file: string, codec: VideoCodec): Promise<Rendition> {
  const input = new Input({ source: new FilePathSource(file), formats: ALL_FORMATS });
  try {
    const videoTrack = await input.getPrimaryVideoTrack();
    if (!videoTrack) refuse(file, 'has no picture. Choose a video file.');
    const config = z.safeParse(decoderConfig, await videoTrack.getDecoderConfig());
    const found = config.success ? config.data.codec : 'an unknown format';
    if (!config.success || !isCodec(found, codec)) {
      refuse(file, `is encoded as ${found}, but this show needs ${codec}. Export it as ${codec}.`);
    }
    const encodedVideo = await readTrack(videoTrack);
    const audioTrack = await input.getPrimaryAudioTrack();
    const encodedAudio = audioTrack ? await readTrack(audioTrack) : [];
    const audioConfig = audioTrack
      ? z.safeParse(decoderConfig, await audioTrack.getDecoderConfig())
      : undefined;
    if (audioConfig && !(audioConfig.success && audioConfig.data.codec === 'opus')) {
      refuse(file, 'has sound that is not Opus. Export it with Opus sound, or without sound.');
    }
    checkTiming(file, encodedVideo);
    const video =
      codec === 'VP8'
        ? await packVp8(encodedVideo)
        : await packH264(file, encodedVideo, config.data.description);
    checkKeyFrames(file, video);
    const last = encodedVideo.at(-1);
    return {
      file,
      endMs: last ? last.atMs + last.durationMs : 0,
      video,
      audio: encodedAudio.map(({ atMs, data }) => ({ atMs, isKeyFrame: true, packets: frame([data]) })),
    };
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError(
      'badClip',
      `The standby clip ${basename(file)} cannot be read. It may be damaged or not a video; export it again as WebM or MP4.`,
      { cause: error },
    );
  } finally {
    input.dispose();
  }
}

function refuse(file: string, why: string): never {
  throw new AppError('badClip', `The standby clip ${basename(file)} ${why}`);
}

function isCodec(found: string, wanted: VideoCodec): boolean {
  return wanted === 'VP8' ? found === 'vp8' : found.startsWith('avc1') || found.startsWith('avc3');
}

/** All frames of a track in decoding order, times from the track's own start. */
async function readTrack(track: InputTrack): Promise<EncodedFrame[]> {
  const frames: EncodedFrame[] = [];
  let startMs: number | undefined;
  for await (const packet of new EncodedPacketSink(track).packets()) {
    const atMs = packet.timestamp * 1000;
    startMs ??= atMs;
    frames.push({ atMs: atMs - startMs, durationMs: packet.duration * 1000, data: Buffer.from(packet.data) });
    if (frames.length % framesPerTurn === 0) await nextTurn();
    // Before anything is known about it a clip must not be able to fill the memory.
    if (atMs - startMs > longestClipMs) break;
  }
  return frames;
}

function checkTiming(file: string, video: readonly EncodedFrame[]): void {
  const last = video.at(-1);
  // Thirtieths of a second do not add up exactly.
  const endMs = last ? Math.round(last.atMs + last.durationMs) : 0;
  if (endMs < shortestClipMs) refuse(file, 'is shorter than 2 seconds. Choose a longer one.');
  if (endMs > longestClipMs)
    refuse(file, 'is longer than 2 minutes. Choose a shorter one; it plays in a loop.');
  for (const [index, next] of video.entries()) {
    if (index > 0 && next.atMs <= (video[index - 1]?.atMs ?? -1)) {
      refuse(file, 'has B-frames, which cannot be sent live. Export it without B-frames (baseline profile).');
    }
  }
}

function checkKeyFrames(file: string, video: readonly ClipFrame[]): void {
  const keyTimesMs = video.filter((each) => each.isKeyFrame).map((each) => each.atMs);
  const last = video.at(-1);
  if (keyTimesMs[0] !== 0 || !last) refuse(file, 'does not begin with a key frame. Export it again.');
  const gapsMs = [...keyTimesMs, last.atMs].map((atMs, index, all) => atMs - (all[index - 1] ?? 0));
  const longestMs = Math.max(...gapsMs);
  if (longestMs > longestKeyFrameGapMs) {
    const seconds = (longestMs / 1000).toFixed(1);
    refuse(
      file,
      `has key frames ${seconds} seconds apart, so fans who join would wait. Export it with a key frame every second.`,
    );
  }
}

/** As `map`, letting the thread do other things in between. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => R): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) {
    results.push(work(item));
    if (results.length % framesPerTurn === 0) await nextTurn();
  }
  return results;
}

function packVp8(video: readonly EncodedFrame[]): Promise<ClipFrame[]> {
  return inTurns(video, ({ atMs, data }) => {
    const payloads = packetizeVp8(data);
    const first = payloads[0];
    return {
      atMs,
      isKeyFrame: first !== undefined && startsKeyFrame('vp8', first),
      packets: frame(payloads),
    };
  });
}

function packH264(file: string, video: readonly EncodedFrame[], description: unknown): Promise<ClipFrame[]> {
  const { lengthBytes, parameterSets } = readAvcConfiguration(file, description);
  return inTurns(video, ({ atMs, data }) => {
    const units = splitNalUnits(data, lengthBytes);
    // The bitstream is asked, not the container: files whose flags lie are common.
    const isKeyFrame = hasIdrSlice(units);
    return { atMs, isKeyFrame, packets: frame(packetizeH264(units, isKeyFrame ? parameterSets : [])) };
  });
}

/** AVCDecoderConfigurationRecord (ISO 14496-15 §5.3.3.1): NAL unit length size, SPS and PPS. */
function readAvcConfiguration(
  file: string,
  description: unknown,
): { lengthBytes: number; parameterSets: Buffer[] } {
  const record =
    description instanceof ArrayBuffer
      ? Buffer.from(description)
      : ArrayBuffer.isView(description)
        ? Buffer.from(description.buffer, description.byteOffset, description.byteLength)
        : undefined;
  if (!record || record.length < 7) refuse(file, 'has no H.264 header. Export it again as MP4.');
  const parameterSets: Buffer[] = [];
  let at = 5;
  for (const mask of [0x1f, 0xff]) {
    const count = record.readUInt8(at) & mask;
    at += 1;
    for (let index = 0; index < count; index += 1) {
      const length = record.readUInt16BE(at);
      parameterSets.push(record.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return { lengthBytes: (record.readUInt8(4) & 3) + 1, parameterSets };
}

/** Payloads of one frame as RTP packets with empty headers; the marker on the last ends the frame. */
function frame(payloads: readonly Buffer[]): Buffer[] {
  return payloads.map((payload, index) => {
    const packet = Buffer.concat([Buffer.alloc(rtpHeaderBytes), payload]);
    writeRtpHeader(packet, {
      payloadType: 0,
      marker: index === payloads.length - 1,
      sequenceNumber: 0,
      timestamp: 0,
      ssrc: 0,
    });
    return packet;
  });
}

/** Sound that fills the loop exactly: what sticks out is cut, what is missing is silence. */
function fillWithSilence(audio: readonly ClipFrame[], lengthMs: number): ClipFrame[] {
  const filled = audio.filter((each) => each.atMs + opusFrameMs <= lengthMs + 1);
  const last = filled.at(-1);
  for (
    let atMs = last ? last.atMs + opusFrameMs : 0;
    atMs + opusFrameMs <= lengthMs + 1;
    atMs += opusFrameMs
  ) {
    filled.push({ atMs, isKeyFrame: true, packets: frame([silentOpusFrame]) });
  }
  return filled;
}

// ── the player ──────────────────────────────────────────────────────────────────────────────────────────

/** Which of the clip's streams a packet belongs to. Audio has layer 0 only. */
export type ClipStream = { readonly kind: 'audio' | 'video'; readonly layer: number };

/** `dueMs`: the instant the packet's frame was due, on the node's monotonic clock. The packet is reused: copy it. */
export type ClipSink = (stream: ClipStream, packet: Buffer, dueMs: number) => void;

type ScheduledFrame = ClipFrame & { readonly stream: NumberedStream };
/** A stream and where its numbers have got to; they run on over loops and restarts. */
type NumberedStream = ClipStream & {
  readonly codec: ProgramCodec;
  sequenceNumber: number;
  pictureId: number;
};

type Playing = { readonly startedMs: number; loop: number; index: number; timer: NodeJS.Timeout | undefined };

/** A timer may fire this much early rather than make a frame a whole tick late. */
const earlyMs = 0.5;
/** After a stall longer than this (a laptop that slept) the loop starts anew instead of hurrying after time. */
const giveUpMs = 1000;
/** A key frame that comes this soon is waited for. */
const worthSkippingMs = 150;

/** Plays a clip into `sink`, every frame at `start + loop × length + its time`. */
export class StandbyPlayer {
  readonly #clip: StandbyClip;
  readonly #sink: ClipSink;
  readonly #now: () => number;
  readonly #schedule: readonly ScheduledFrame[];
  /** Where the lowest layer has a key frame; the others follow right behind. */
  readonly #keyFrameIndexes: readonly number[];
  #playing: Playing | undefined;
  #worstLateMs = 0;
  #loops = 0;

  constructor(clip: StandbyClip, sink: ClipSink, now: () => number = () => performance.now()) {
    this.#clip = clip;
    this.#sink = sink;
    this.#now = now;
    const videoCodec: ProgramCodec = clip.codec === 'VP8' ? 'vp8' : 'h264';
    const number = (kind: 'audio' | 'video', layer: number, codec: ProgramCodec): NumberedStream => ({
      kind,
      layer,
      codec,
      sequenceNumber: 0,
      pictureId: 0,
    });
    const schedule: ScheduledFrame[] = [];
    for (const [layer, frames] of clip.layers.entries()) {
      const stream = number('video', layer, videoCodec);
      for (const each of frames) schedule.push({ ...each, stream });
    }
    const sound = number('audio', 0, 'opus');
    for (const each of clip.audio) schedule.push({ ...each, stream: sound });
    // Stable sort: at the same instant video goes first, so that audio finds the picture already switched.
    this.#schedule = schedule.sort((a, b) => a.atMs - b.atMs);
    this.#keyFrameIndexes = this.#schedule.flatMap(({ stream, isKeyFrame }, index) =>
      stream.kind === 'video' && stream.layer === 0 && isKeyFrame ? [index] : [],
    );
  }

  get layers(): number {
    return this.#clip.layers.length;
  }

  get isPlaying(): boolean {
    return this.#playing !== undefined;
  }

  /** Plays from the beginning, at once: the first key frame of every layer is sent before this returns. */
  start(): void {
    this.stop();
    this.#playing = { startedMs: this.#now(), loop: 0, index: 0, timer: undefined };
    this.#send(this.#playing);
  }

  /**
   * Goes to the next key frame at once: for an audience that has just come and has nothing to decode yet. Those who
   * watch see the clip skip up to a second, so it is done sparingly. Does nothing where the key frame is due anyway.
   */
  skipToKeyFrame(): void {
    const playing = this.#playing;
    if (!playing) return;
    const { lengthMs } = this.#clip;
    const nowMs = this.#now();
    const positionMs = nowMs - playing.startedMs - playing.loop * lengthMs;
    const found = this.#keyFrameIndexes.find((index) => index >= playing.index);
    const aheadMs = (found === undefined ? lengthMs : (this.#schedule[found]?.atMs ?? lengthMs)) - positionMs;
    if (aheadMs < worthSkippingMs) return;
    clearTimeout(playing.timer);
    if (found === undefined) {
      this.#loops += 1;
      this.#playing = { startedMs: nowMs, loop: 0, index: 0, timer: undefined };
    } else {
      this.#playing = { ...playing, startedMs: playing.startedMs - aheadMs, index: found, timer: undefined };
    }
    this.#send(this.#playing);
  }

  stop(): void {
    clearTimeout(this.#playing?.timer);
    this.#playing = undefined;
  }

  close(): void {
    this.stop();
  }

  snapshot() {
    return {
      playing: this.isPlaying,
      lengthMs: this.#clip.lengthMs,
      layers: this.layers,
      loops: this.#loops,
      worstLateMs: Math.round(this.#worstLateMs * 10) / 10,
    };
  }

  #send(playing: Playing): void {
    for (;;) {
      // The sink may stop the player or start it anew.
      if (this.#playing !== playing) return;
      const next = this.#schedule[playing.index];
      if (!next) return;
      const dueMs = playing.startedMs + playing.loop * this.#clip.lengthMs + next.atMs;
      const lateMs = this.#now() - dueMs;
      if (lateMs < -earlyMs) {
        playing.timer = setTimeout(() => this.#send(playing), -lateMs);
        return;
      }
      if (lateMs > giveUpMs) return this.start();
      this.#worstLateMs = Math.max(this.#worstLateMs, lateMs);
      playing.index += 1;
      if (playing.index === this.#schedule.length) {
        playing.index = 0;
        playing.loop += 1;
        this.#loops += 1;
      }
      this.#sendFrame(next, dueMs);
    }
  }

  #sendFrame(next: ScheduledFrame, dueMs: number): void {
    const { stream } = next;
    const timestamp = programTimestamp(dueMs, stream.codec);
    stream.pictureId = (stream.pictureId + 1) & 0x7fff;
    for (const packet of next.packets) {
      stream.sequenceNumber = (stream.sequenceNumber + 1) & 0xffff;
      packet.writeUInt16BE(stream.sequenceNumber, 2);
      packet.writeUInt32BE(timestamp, 4);
      if (stream.codec === 'vp8') numberPicture(packet, stream.pictureId);
      this.#sink(stream, packet, dueMs);
    }
  }
}

/** One temporal layer: TL0PICIDX counts frames as the picture id does (RFC 7741 §4.2). */
function numberPicture(packet: Buffer, pictureId: number): void {
  const descriptor = readVp8Descriptor(packet.subarray(rtpHeaderBytes));
  if (!descriptor || descriptor.pictureIdAt < 0 || descriptor.tl0PicIdxAt < 0) return;
  packet.writeUInt16BE(0x8000 | pictureId, rtpHeaderBytes + descriptor.pictureIdAt);
  packet.writeUInt8(pictureId & 0xff, rtpHeaderBytes + descriptor.tl0PicIdxAt);
}
