// The counters a studio's and a fan's page keep anyway, read from outside: what the compositor and the mixing desk report from
// their workers, and what the browser counts of each connection. Not its job: what is on a screen (probe.ts), or any judgement.
import type { Page } from 'playwright-core';
import * as z from 'zod';

/** Since the page was loaded; `atMs` is epoch ms. Both workers report once a second, so a total is that old at most. */
export type StudioTotals = {
  picture: {
    atMs: number;
    framesIn: number;
    framesOut: number;
    repeats: number;
    late: number;
    dropped: number;
    worstGapMs: number;
    openFrames: number;
    /** Frames of each source that were taken out of its track, by the compositor's own id for it. */
    read: Record<string, number>;
  };
  sound: {
    atMs: number;
    renderedMs: number;
    skippedMs: number;
    /** Of the program. */
    droppedBlocks: number;
    underruns: number;
    /** What the slowest input waits in its buffer now. */
    bufferedMs: number;
  };
};

type Counters = {
  totals: StudioTotals;
  /** Resolves with the compositor’s next report, when the totals of the picture are of this moment. */
  next(): Promise<StudioTotals>;
  peers: RTCPeerConnection[];
};

declare global {
  interface Window {
    counters: Counters;
  }
}

/** For `page.addInitScript(installCounters)`. Runs in the page and uses nothing from this module. */
export const installCounters = (): void => {
  const epochMs = () => performance.timeOrigin + performance.now();
  const totals: StudioTotals = {
    picture: {
      atMs: 0,
      framesIn: 0,
      framesOut: 0,
      repeats: 0,
      late: 0,
      dropped: 0,
      worstGapMs: 0,
      openFrames: 0,
      read: {},
    },
    sound: { atMs: 0, renderedMs: 0, skippedMs: 0, droppedBlocks: 0, underruns: 0, bufferedMs: 0 },
  };
  const waiting: ((now: StudioTotals) => void)[] = [];
  const peers: RTCPeerConnection[] = [];
  window.counters = { totals, peers, next: () => new Promise((resolve) => waiting.push(resolve)) };
  const numberIn = (object: unknown, name: string): number => {
    const value: unknown = typeof object === 'object' && object !== null ? Reflect.get(object, name) : 0;
    return typeof value === 'number' ? value : 0;
  };
  const partIn = (object: unknown, name: string): unknown =>
    typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined;

  const picture = (data: unknown) => {
    const stats = partIn(data, 'stats');
    if (stats === undefined) return;
    totals.picture.atMs = epochMs();
    for (const name of ['framesIn', 'framesOut', 'repeats', 'late', 'dropped'] as const)
      totals.picture[name] += numberIn(stats, name);
    totals.picture.worstGapMs = Math.max(totals.picture.worstGapMs, numberIn(stats, 'worstGapMs'));
    totals.picture.openFrames = numberIn(stats, 'openFrames');
    const { read } = totals.picture;
    for (const [id, source] of Object.entries(partIn(stats, 'sources') ?? {}))
      read[id] = (read[id] ?? 0) + numberIn(source, 'framesPerSecond');
    for (const resolve of waiting.splice(0)) resolve(structuredClone(totals));
  };
  const sound = (data: unknown) => {
    const clock = partIn(data, 'clock');
    if (clock === undefined) return;
    totals.sound.atMs = epochMs();
    for (const name of ['renderedMs', 'skippedMs'] as const) totals.sound[name] = numberIn(clock, name);
    totals.sound.droppedBlocks = numberIn(partIn(clock, 'droppedBlocks'), 'program');
    const inputs = Object.values(partIn(data, 'inputs') ?? {});
    totals.sound.bufferedMs = Math.max(0, ...inputs.map((input) => numberIn(input, 'bufferedMs')));
    totals.sound.underruns += inputs.reduce<number>((sum, input) => sum + numberIn(input, 'underruns'), 0);
  };
  window.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      const read =
        options?.name === 'compositor' ? picture : options?.name === 'mixing-desk' ? sound : undefined;
      if (read)
        this.addEventListener('message', (event) => read(event instanceof MessageEvent ? event.data : null));
    }
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      peers.push(this);
    }
  };
};

const count = z.number().default(0);
const ofStream = { ssrc: z.number() };

/** W3C webrtc-stats, as far as it is counted here; seconds as the browser gives them. */
const rtcStat = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('inbound-rtp'),
    kind: z.enum(['audio', 'video']),
    ...ofStream,
    packetsReceived: count,
    packetsLost: count,
    packetsDiscarded: count,
    framesReceived: count,
    framesDecoded: count,
    framesDropped: count,
    freezeCount: count,
    frameHeight: count,
    totalSamplesReceived: count,
    concealedSamples: count,
    silentConcealedSamples: count,
    insertedSamplesForDeceleration: count,
    removedSamplesForAcceleration: count,
    jitterBufferDelay: count,
    jitterBufferEmittedCount: count,
    estimatedPlayoutTimestamp: z.number().optional(),
  }),
  z.object({
    type: z.literal('outbound-rtp'),
    kind: z.enum(['audio', 'video']),
    ...ofStream,
    mediaSourceId: z.string().optional(),
    packetsSent: count,
    framesEncoded: count,
    framesSent: count,
    frameHeight: count,
  }),
  z.object({
    type: z.literal('media-source'),
    kind: z.enum(['audio', 'video']),
    id: z.string(),
    frames: count,
    totalSamplesDuration: count,
  }),
  // How long sound takes from the jitter buffer to the ear, as the browser knows it: seconds, summed over samples.
  z.object({ type: z.literal('media-playout'), totalPlayoutDelay: count, totalSamplesCount: count }),
]);
export type RtcStat = z.infer<typeof rtcStat>;
export type Inbound = Extract<RtcStat, { type: 'inbound-rtp' }>;

export const studioTotals = (page: Page): Promise<StudioTotals> =>
  page.evaluate(() => window.counters.next());

/** Of all connections the page has now. */
export const rtcStats = async (page: Page): Promise<RtcStat[]> => {
  const found = await page.evaluate(async () => {
    const open = window.counters.peers.filter(({ connectionState }) => connectionState !== 'closed');
    const reports = await Promise.all(open.map((peer) => peer.getStats()));
    const stats: unknown[] = [];
    for (const report of reports) report.forEach((stat: unknown) => stats.push(stat));
    return stats;
  });
  return found.flatMap((stat) => {
    const read = rtcStat.safeParse(stat);
    return read.success ? [read.data] : [];
  });
};

/**
 * What of the program arrives at a fan's; undefined while there is none. A page that received it anew keeps no earlier one;
 * packets that only probe the line count as a stream of their own.
 */
export const inbound = (stats: readonly RtcStat[], kind: 'audio' | 'video'): Inbound | undefined =>
  stats
    .filter((stat): stat is Inbound => stat.type === 'inbound-rtp' && stat.kind === kind)
    // Probes outnumber a program that was only just received anew, but nothing of them is ever shown.
    .sort((a, b) => b.framesDecoded - a.framesDecoded || b.packetsReceived - a.packetsReceived)[0];

/** How long sound that left the jitter buffer between two looks took to the ear, in ms; 0 where the browser does not say. */
export const playoutMs = (before: readonly RtcStat[], now: readonly RtcStat[]): number => {
  const of = (stats: readonly RtcStat[]) => stats.find((stat) => stat.type === 'media-playout');
  const [from, to] = [of(before), of(now)];
  if (!from || !to) return 0;
  const samples = to.totalSamplesCount - from.totalSamplesCount;
  return samples > 0 ? ((to.totalPlayoutDelay - from.totalPlayoutDelay) * 1000) / samples : 0;
};
