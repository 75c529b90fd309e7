// The ingest clock: capture times from sender reports, the shortest way, and arrivals without any report.
import { describe, expect, it } from 'vitest';
import { IngestClock } from '../../sfu-server/media/ingest-clock.ts';
import { createFeed, quickestTransitMs } from '../../sfu-server/media/studio-ingest.ts';

/** 30 frames a second whose way takes `transitMs(frame)`; timestamps start just before they wrap. */
const feed = (clock: IngestClock, frames: number, transitMs: (frame: number) => number, from = 0): void => {
  for (let frame = from; frame < from + frames; frame += 1) {
    clock.arrived(stamp(frame), frame * (100 / 3) + transitMs(frame));
  }
};
const stamp = (frame: number) => (0xffff_f000 + frame * 3000) >>> 0;

describe('an ingest clock', () => {
  it('knows when frames were captured, across wrap-around, in a sender clock of any offset', () => {
    const clock = new IngestClock(90_000);
    expect(clock.captureMs(stamp(5))).toBeUndefined();
    clock.reported(1e12, stamp(0));
    expect(clock.captureMs(stamp(30))).toBeCloseTo(1e12 + 1000, 6);
    expect(clock.captureMs(stamp(-30))).toBeCloseTo(1e12 - 1000, 6);
  });

  it('takes the shortest way of the last two seconds, and forgets older ones', () => {
    const clock = new IngestClock(90_000);
    clock.reported(0, stamp(0));
    feed(clock, 30, (frame) => (frame === 7 ? 20 : 45));
    expect(clock.minTransitMs()).toBeCloseTo(20, 6);
    feed(clock, 70, () => 45, 30);
    expect(clock.minTransitMs()).toBeCloseTo(45, 6);
  });

  it('goes by the quickest arrival when there are no reports', () => {
    const clock = new IngestClock(90_000);
    expect(clock.minTransitMs()).toBeUndefined();
    expect(clock.earliestArrivalMs(stamp(0))).toBeUndefined();
    feed(clock, 30, (frame) => (frame % 10 === 3 ? 5 : 60));
    expect(clock.earliestArrivalMs(stamp(29))).toBeCloseTo(29 * (100 / 3) + 5, 6);
  });

  it('knows the quickest of five seconds by arrivals alone, whatever a report says', () => {
    const clock = new IngestClock(90_000);
    expect(clock.quickestArrivalMs(stamp(0))).toBeUndefined();
    feed(clock, 60, (frame) => (frame === 31 ? 8 : 20 + (frame % 7)));
    expect(clock.quickestArrivalMs(stamp(59))).toBeCloseTo(59 * (100 / 3) + 8, 6);
    expect(clock.quickestTransitMs()).toBeUndefined();
    clock.reported(1e12, stamp(0));
    expect(clock.quickestTransitMs()).toBeCloseTo(8 - 1e12, 2);
    // Another constant in the reports moves the transit, never the arrival.
    clock.reported(1e12 + 140, stamp(0));
    expect(clock.quickestTransitMs()).toBeCloseTo(8 - 1e12 - 140, 2);
    expect(clock.quickestArrivalMs(stamp(0))).toBeCloseTo(8, 6);
    // Frame 31 came a second into it: still known after five seconds, forgotten after seven.
    feed(clock, 100, () => 20, 60);
    expect(clock.quickestArrivalMs(stamp(0))).toBeCloseTo(8, 6);
    feed(clock, 50, () => 20, 160);
    expect(clock.quickestArrivalMs(stamp(0))).toBeCloseTo(20, 6);
  });

  it('takes what comes later by a steady way for sound that its sender has lost', () => {
    const clock = new IngestClock(90_000);
    feed(clock, 60, () => 10);
    feed(clock, 70, () => 310, 60);
    expect(clock.quickestArrivalMs(stamp(0), 'unsteady')).toBeCloseTo(10, 6);
    expect(clock.quickestArrivalMs(stamp(0), 'steady')).toBeCloseTo(310, 6);
    // A little later is only uneven.
    const uneven = new IngestClock(90_000);
    feed(uneven, 60, () => 10);
    feed(uneven, 70, () => 40, 60);
    expect(uneven.quickestArrivalMs(stamp(0), 'steady')).toBeCloseTo(10, 6);
  });

  it('does not ask a paused layer how long the way is now', () => {
    const [low, top] = [createFeed('studio', 'video', 0), createFeed('studio', 'video', 1)];
    for (const { clock } of [low, top]) clock.reported(0, stamp(0));
    feed(low.clock, 30, () => 40);
    feed(top.clock, 30, () => 30);
    low.lastPacketMs = 1_000;
    top.lastPacketMs = 1_000;
    expect(quickestTransitMs([low, top], 1_100)).toBeCloseTo(30, 6);
    // The top layer pauses, and the way becomes longer for what still comes.
    feed(low.clock, 200, () => 100, 30);
    low.lastPacketMs = 7_700;
    expect(quickestTransitMs([low, top], 7_750)).toBeCloseTo(100, 6);
    expect(quickestTransitMs([low, top], 9_000)).toBeCloseTo(30, 6);
  });

  it('begins anew with a sender whose timestamps jumped back', () => {
    const clock = new IngestClock(90_000);
    feed(clock, 30, () => 10);
    clock.arrived(stamp(-4000), 5000);
    expect(clock.earliestArrivalMs(stamp(-4000))).toBe(5000);
    expect(clock.quickestArrivalMs(stamp(-4000))).toBe(5000);
  });
});
