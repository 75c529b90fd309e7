// The books of a show: where each frame and each sample went, from station to station, and what nobody can account for. Pure.
// Not its job: reading counters (counters.ts), screens (probe.ts) or files (recorded.ts).
import type { Inbound, RtcStat, StudioTotals } from './counters.ts';
import { inbound } from './counters.ts';
import type { Captured } from './probe.ts';

/**
 * One camera filled the program: all it painted in between (epoch ms) is to be found. `fans`: it was on air, too.
 * `during`: which number of the running order it began in.
 */
export type Stretch = { camera: number; fromMs: number; toMs: number; fans: boolean; during: string };

/** `longestLoss`: the longest run of lost frames, from the last one found to the last one lost. */
export type Found = {
  painted: number;
  lost: number;
  lostPct: number;
  longestLoss: { ms: number; during: string };
};

const keyOf = ({ camera, capturedMs }: Captured): string => `${camera} ${capturedMs}`;

/** Of what the cameras painted in these stretches, what is not among what was seen. `painted`: by camera, in order, epoch ms. */
export const look = (
  painted: readonly (readonly number[])[],
  stretches: readonly Stretch[],
  seen: readonly Captured[],
): Found => {
  const found = new Set(seen.map(keyOf));
  let count = 0;
  let lost = 0;
  let longestLoss = { ms: 0, during: '' };
  for (const { camera, fromMs, toMs, during } of stretches) {
    const due = (painted[camera] ?? []).filter((atMs) => atMs >= fromMs && atMs <= toMs);
    let lastMs = due[0] ?? 0;
    for (const capturedMs of due) {
      count += 1;
      if (found.has(keyOf({ camera, capturedMs }))) lastMs = capturedMs;
      else {
        lost += 1;
        if (capturedMs - lastMs > longestLoss.ms) longestLoss = { ms: capturedMs - lastMs, during };
      }
    }
  }
  return { painted: count, lost, lostPct: count > 0 ? (lost / count) * 100 : 0, longestLoss };
};

/** All counters at one moment. */
export type Moment = {
  atMs: number;
  totals: StudioTotals;
  /** Of the studio’s and the fan’s connections. */
  sent: readonly RtcStat[];
  received: readonly RtcStat[];
  /** Pictures the fan's browser has put on the screen. */
  presented: number;
};

export type Flow = {
  seconds: number;
  composed: number;
  repeats: number;
  late: number;
  dropped: number;
  toEncoder: number;
  encoded: number;
  received: number;
  decoded: number;
  decoderDropped: number;
  presented: number;
  /** Of the layer that the fan gets. */
  encodedForFan: number;
  mixedMs: number;
  mixSkippedMs: number;
  mixWallMs: number;
  droppedBlocks: number;
  underruns: number;
  soundToEncoderMs: number;
  soundPacketsSent: number;
  soundPacketsReceived: number;
  soundPacketsLost: number;
  playedSamples: number;
  concealedSamples: number;
  stretchedSamples: number;
};

/** Frames of these sources that the compositor took out of their tracks. */
export const framesRead = (before: Moment, now: Moment, sourceIds: readonly string[]): number =>
  sourceIds.reduce(
    (sum, id) => sum + (now.totals.picture.read[id] ?? 0) - (before.totals.picture.read[id] ?? 0),
    0,
  );

type Counted<T> = { [K in keyof T]: T[K] extends number ? K : never }[keyof T];

/** The program is what has been sent longest: mixes for guests and their like come later. */
const sources = (stats: readonly RtcStat[], fanHeight = 0) => {
  const media = stats.filter((stat) => stat.type === 'media-source');
  const sent = stats.filter((stat) => stat.type === 'outbound-rtp');
  const sound = media
    .filter(({ kind }) => kind === 'audio')
    .sort((a, b) => b.totalSamplesDuration - a.totalSamplesDuration)[0];
  return {
    frames: Math.max(0, ...media.map(({ frames }) => frames)),
    // Of the layers the one that was sent most: a narrow line may have paused the others.
    encoded: Math.max(0, ...sent.map(({ framesEncoded }) => framesEncoded)),
    encodedForFan: sent.find(({ frameHeight }) => frameHeight === fanHeight)?.framesEncoded ?? 0,
    soundMs: (sound?.totalSamplesDuration ?? 0) * 1000,
    soundPackets: sent.find(({ mediaSourceId }) => mediaSourceId === sound?.id)?.packetsSent ?? 0,
  };
};

/** What happened from one moment to the next. Counters that began anew in between count from 0. */
export const flow = (before: Moment, now: Moment): Flow => {
  const change = (from: number, to: number) => (to >= from ? to - from : to);
  const fanHeight = inbound(now.received, 'video')?.frameHeight;
  const [sentBefore, sentNow] = [sources(before.sent, fanHeight), sources(now.sent, fanHeight)];
  const arrived = (
    kind: 'audio' | 'video',
    name: Counted<Omit<Inbound, 'ssrc' | 'estimatedPlayoutTimestamp'>>,
  ) => change(inbound(before.received, kind)?.[name] ?? 0, inbound(now.received, kind)?.[name] ?? 0);
  const picture = (name: Counted<StudioTotals['picture']>) =>
    change(before.totals.picture[name], now.totals.picture[name]);
  const sound = (name: Counted<StudioTotals['sound']>) =>
    change(before.totals.sound[name], now.totals.sound[name]);
  return {
    seconds: (now.atMs - before.atMs) / 1000,
    composed: picture('framesOut'),
    repeats: picture('repeats'),
    late: picture('late'),
    dropped: picture('dropped'),
    toEncoder: change(sentBefore.frames, sentNow.frames),
    encoded: change(sentBefore.encoded, sentNow.encoded),
    received: arrived('video', 'framesReceived'),
    decoded: arrived('video', 'framesDecoded'),
    decoderDropped: arrived('video', 'framesDropped'),
    presented: change(before.presented, now.presented),
    encodedForFan: change(sentBefore.encodedForFan, sentNow.encodedForFan),
    mixedMs: sound('renderedMs'),
    mixSkippedMs: sound('skippedMs'),
    mixWallMs: sound('atMs'),
    droppedBlocks: sound('droppedBlocks'),
    underruns: sound('underruns'),
    soundToEncoderMs: change(sentBefore.soundMs, sentNow.soundMs),
    soundPacketsSent: change(sentBefore.soundPackets, sentNow.soundPackets),
    soundPacketsReceived: arrived('audio', 'packetsReceived'),
    soundPacketsLost: arrived('audio', 'packetsLost'),
    playedSamples: arrived('audio', 'totalSamplesReceived'),
    concealedSamples: arrived('audio', 'concealedSamples'),
    stretchedSamples:
      arrived('audio', 'insertedSamplesForDeceleration') + arrived('audio', 'removedSamplesForAcceleration'),
  };
};

/** One after the other, or several stretches of a show together. */
export const sum = (flows: readonly Flow[]): Flow => {
  const [first, ...rest] = flows;
  if (!first) throw new Error('Nothing was counted.');
  return rest.reduce((total, one) => {
    const names = Object.keys(total).filter((name): name is keyof Flow => name in one);
    return names.reduce((added, name) => ({ ...added, [name]: added[name] + one[name] }), total);
  }, first);
};
