// Turns WebRTC statistics of the program into what people and the server are told. Pure.
// What follows from them is program-watch.ts.
import type { ProgramStats } from './media-part.ts';

/** What is read of one moment (W3C webrtc-stats `inbound-rtp`, `transport`, `candidate-pair`); seconds as the browser gives them. */
export type PlaybackSample = {
  atMs: number;
  /** Everything that came over the path, RTCP included; connectivity checks are not. */
  pathBytes: number;
  videoBytes: number;
  audioBytes: number;
  framesDecoded: number;
  width: number;
  height: number;
  freezes: number;
  processingSeconds: number;
  /** What all samples of sound so far have waited in the jitter buffer, together, and how many there were. */
  soundWaitedSeconds: number;
  soundSamples: number;
  rttMs: number | null;
};

const numberIn = (stat: object, name: string): number => {
  const value: unknown = Reflect.get(stat, name);
  return typeof value === 'number' ? value : 0;
};
const textIn = (stat: object, name: string): string => {
  const value: unknown = Reflect.get(stat, name);
  return typeof value === 'string' ? value : '';
};

/** Reads one receive transport's report; `videoTrackId` tells the program from other feeds on the same transport. */
export const readSample = (
  report: RTCStatsReport,
  tracks: { video: string; audio: string },
  atMs: number,
): PlaybackSample => {
  const sample: PlaybackSample = {
    atMs,
    pathBytes: 0,
    videoBytes: 0,
    audioBytes: 0,
    framesDecoded: 0,
    width: 0,
    height: 0,
    freezes: 0,
    processingSeconds: 0,
    soundWaitedSeconds: 0,
    soundSamples: 0,
    rttMs: null,
  };
  report.forEach((stat: unknown) => {
    if (typeof stat !== 'object' || stat === null) return;
    const type = textIn(stat, 'type');
    if (type === 'inbound-rtp') {
      const track = textIn(stat, 'trackIdentifier');
      if (track === tracks.video) {
        sample.videoBytes = numberIn(stat, 'bytesReceived');
        sample.framesDecoded = numberIn(stat, 'framesDecoded');
        sample.width = numberIn(stat, 'frameWidth');
        sample.height = numberIn(stat, 'frameHeight');
        sample.freezes = numberIn(stat, 'freezeCount');
        sample.processingSeconds = numberIn(stat, 'totalProcessingDelay');
      } else if (track === tracks.audio) {
        sample.audioBytes = numberIn(stat, 'bytesReceived');
        sample.soundWaitedSeconds = numberIn(stat, 'jitterBufferDelay');
        sample.soundSamples = numberIn(stat, 'jitterBufferEmittedCount');
      }
    } else if (type === 'transport') {
      sample.pathBytes += numberIn(stat, 'bytesReceived');
    } else if (type === 'candidate-pair' && textIn(stat, 'state') === 'succeeded') {
      const seconds = numberIn(stat, 'currentRoundTripTime');
      if (seconds > 0) sample.rttMs = Math.round(seconds * 1000);
    }
  });
  return sample;
};

/** How long sound has waited in its buffer between two samples; null when none was played. */
export const soundBufferedMs = (before: PlaybackSample, now: PlaybackSample): number | null => {
  const samples = now.soundSamples - before.soundSamples;
  return samples > 0 ? ((now.soundWaitedSeconds - before.soundWaitedSeconds) * 1000) / samples : null;
};

/** Of a send transport: what the server has said of it so far (RTCP), and what has been sent. */
export const readSent = (report: RTCStatsReport): { rtcpBytes: number; packets: number } => {
  const read = { rtcpBytes: 0, packets: 0 };
  report.forEach((stat: unknown) => {
    if (typeof stat !== 'object' || stat === null) return;
    const type = textIn(stat, 'type');
    if (type === 'transport') read.rtcpBytes += numberIn(stat, 'bytesReceived');
    else if (type === 'outbound-rtp') read.packets += numberIn(stat, 'packetsSent');
  });
  return read;
};

/** Rates over the time between two samples of the same transport. */
export const statsBetween = (
  before: PlaybackSample | null,
  now: PlaybackSample,
  freezesBefore: number,
): ProgramStats => {
  const seconds = before ? (now.atMs - before.atMs) / 1000 : 0;
  const frames = now.framesDecoded - (before?.framesDecoded ?? 0);
  const bytes = now.videoBytes + now.audioBytes - (before ? before.videoBytes + before.audioBytes : 0);
  const processingMs =
    frames > 0 ? ((now.processingSeconds - (before?.processingSeconds ?? 0)) * 1000) / frames : null;
  return {
    fps: seconds > 0 ? Math.round((frames / seconds) * 10) / 10 : 0,
    width: now.width,
    height: now.height,
    delayMs: processingMs === null ? null : Math.round(processingMs + (now.rttMs ?? 0) / 2),
    freezes: freezesBefore + now.freezes,
    rttMs: now.rttMs,
    kbps: seconds > 0 ? Math.round((bytes * 8) / 1000 / seconds) : 0,
  };
};

/** Spatial layer whose height is enough for `wanted` device pixels, out of `layers` that halve down from `topHeight`. */
export const layerFor = (wanted: number, layers: number, topHeight: number): number => {
  for (let layer = 0; layer < layers; layer += 1) {
    const height = topHeight / 2 ** (layers - 1 - layer);
    // A little upscaling is not seen; twice the bandwidth is.
    if (height * 1.15 >= wanted) return layer;
  }
  return Math.max(0, layers - 1);
};
