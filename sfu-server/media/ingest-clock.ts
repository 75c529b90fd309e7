// Where a frame of one incoming RTP stream lies in time. Sender reports say when it was captured by the
// sender's clock; arrivals say how long the way takes; together they give a program time that does not
// wander with the network's mood. Pure: all instants are passed in. One per stream (source, kind, layer).
// Two clocks meet here: *capture* is the sender's Unix time, *program* is the node's monotonic time (ms).

import { circularDistance } from './rtp.ts';

/** Transits older than this say nothing about the way now. */
const windowMs = 2000;
const maxSamples = 240;
/** How far back the quickest arrival is looked for: longer than a sender takes to empty what has queued up before a narrow line. */
const quickestWindowMs = 5000;
/** Later by this much for two seconds is more than unevenness. */
const lostMs = 60;
type Report = { readonly captureMs: number; readonly timestamp: number };
type Sample = { readonly arrivedMs: number; readonly timestamp: number };

export class IngestClock {
  readonly #clockRate: number;
  #report: Report | undefined;
  #samples: Sample[] = [];
  /** The quickest of its window, then the quickest after it, and so on: each later, none quicker. */
  readonly #quickest: Sample[] = [];
  #reports = 0;

  constructor(clockRateHz: number) {
    this.#clockRate = clockRateHz;
  }

  /** How many reports have come. */
  get reports(): number {
    return this.#reports;
  }

  /** A sender report: the frame stamped `timestamp` was captured at `captureMs` (Unix, sender's clock). */
  reported(captureMs: number, timestamp: number): void {
    this.#reports += 1;
    this.#report = { captureMs, timestamp };
  }

  /** A packet came. Only the first of each frame counts: the later ones waited for the pacer. */
  arrived(timestamp: number, nowMs: number): void {
    const last = this.#samples.at(-1);
    const elapsed = last ? circularDistance(last.timestamp, timestamp, 32) : 1;
    // Far back in time is no straggler but a sender that began anew.
    if (elapsed < -this.#clockRate) {
      this.#samples = [];
      this.#quickest.length = 0;
    } else if (elapsed <= 0) return;
    const sample = { arrivedMs: nowMs, timestamp };
    this.#samples.push(sample);
    this.#noteQuickest(sample);
    while (
      this.#samples.length > maxSamples ||
      (this.#samples[0] && this.#samples[0].arrivedMs < nowMs - windowMs)
    ) {
      this.#samples.shift();
    }
  }

  /** Capture instant of a frame, or `undefined` before the first report. */
  captureMs(timestamp: number): number | undefined {
    return this.#report && this.#from(this.#report, timestamp);
  }

  /**
   * The shortest way from capture to arrival in the last two seconds, milliseconds. It holds the difference
   * of the two machines' clocks and so may be any number; `undefined` without reports or packets.
   */
  minTransitMs(): number | undefined {
    const report = this.#report;
    if (!report || this.#samples.length === 0) return undefined;
    return Math.min(
      ...this.#samples.map(({ arrivedMs, timestamp }) => arrivedMs - this.#from(report, timestamp)),
    );
  }

  /**
   * When a frame would have arrived on the shortest way seen: what there is to go by without any report.
   * `undefined` without packets.
   */
  earliestArrivalMs(timestamp: number): number | undefined {
    if (this.#samples.length === 0) return undefined;
    return Math.min(...this.#samples.map((sample) => this.#arrivalLike(sample, timestamp)));
  }

  /**
   * The same over five seconds: how streams of one sender lie to each other. Their reports cannot be asked for that: Chromium's give a
   * track's times a constant of their own, which is settled by how busy the machine was when the track began to be sent (measured:
   * 7 to 200 ms). Ways are alike for all of them. `way`: whether the sender's other streams are as quick as before; what has come
   * later than before by a steady way was not delayed: its sender has lost some of it, and its timestamps with it.
   */
  quickestArrivalMs(timestamp: number, way: 'steady' | 'unsteady' = 'unsteady'): number | undefined {
    const [quickest] = this.#quickest;
    if (!quickest) return undefined;
    const everMs = this.#arrivalLike(quickest, timestamp);
    const latelyMs = this.earliestArrivalMs(timestamp) ?? everMs;
    return way === 'steady' && latelyMs - everMs > lostMs ? latelyMs : everMs;
  }

  /** The shortest way of five seconds, as `minTransitMs`. */
  quickestTransitMs(): number | undefined {
    const [quickest] = this.#quickest;
    return this.#report && quickest
      ? quickest.arrivedMs - this.#from(this.#report, quickest.timestamp)
      : undefined;
  }

  #noteQuickest(sample: Sample): void {
    const kept = this.#quickest;
    for (let last = kept.at(-1); last; last = kept.at(-1)) {
      if (this.#arrivalLike(last, sample.timestamp) < sample.arrivedMs) break;
      kept.pop();
    }
    kept.push(sample);
    while (kept[0] && kept[0].arrivedMs < sample.arrivedMs - quickestWindowMs) kept.shift();
  }

  /** When a frame would have come, had it been as quick as this one. */
  #arrivalLike({ arrivedMs, timestamp: itsOwn }: Sample, timestamp: number): number {
    return arrivedMs + (circularDistance(itsOwn, timestamp, 32) * 1000) / this.#clockRate;
  }

  #from(report: Report, timestamp: number): number {
    return report.captureMs + (circularDistance(report.timestamp, timestamp, 32) * 1000) / this.#clockRate;
  }
}
