// The books of the scripted show: what is found, what is lost, and for how long.
import { expect, test } from 'vitest';
import { flow, look, sum, type Moment } from '../../scripts/rehearsal/accounts.ts';
import type { RtcStat } from '../../scripts/rehearsal/counters.ts';

const painted = (count: number) => Array.from({ length: count }, (_, n) => 1_000 + n * 33);

test('only what a camera painted while it filled the program is looked for, by camera and by time', () => {
  const frames = painted(60);
  const seen = frames.map((capturedMs) => ({ camera: 0, capturedMs }));
  const stretch = { camera: 0, fromMs: 1_000, toMs: 1_000 + 29 * 33, fans: true, during: 'takes' };
  expect(look([frames, frames], [stretch], seen)).toEqual({
    painted: 30,
    lost: 0,
    lostPct: 0,
    longestLoss: { ms: 0, during: '' },
  });
  expect(look([frames, frames], [{ ...stretch, camera: 1 }], seen)).toMatchObject({ painted: 30, lost: 30 });
});

test('frames that are missing are counted, and the longest run of them is told in time', () => {
  const frames = painted(30);
  const seen = frames
    .filter((_, n) => n !== 3 && (n < 10 || n > 13))
    .map((capturedMs) => ({ camera: 0, capturedMs }));
  const found = look([frames], [{ camera: 0, fromMs: 0, toMs: 9_000, fans: true, during: 'takes' }], seen);
  // Four in a row: 132 ms after the last one that was seen.
  expect(found).toMatchObject({ painted: 30, lost: 5, longestLoss: { ms: 4 * 33, during: 'takes' } });
});

test('between two moments each station gets its share; a fan’s page that received anew counts from nothing', () => {
  const outbound = { type: 'outbound-rtp', kind: 'video', ssrc: 1, packetsSent: 0, framesSent: 0 } as const;
  const source = { type: 'media-source', kind: 'video', id: 'v', totalSamplesDuration: 0 } as const;
  const nothing = {
    packetsReceived: 0,
    packetsLost: 0,
    packetsDiscarded: 0,
    framesDropped: 0,
    freezeCount: 0,
    totalSamplesReceived: 0,
    concealedSamples: 0,
    silentConcealedSamples: 0,
    insertedSamplesForDeceleration: 0,
    removedSamplesForAcceleration: 0,
    jitterBufferDelay: 0,
    jitterBufferEmittedCount: 0,
  };
  const moment = (atMs: number, composed: number, encoded: number, received: number): Moment => {
    const sent: RtcStat[] = [
      { ...source, frames: composed },
      { ...outbound, framesEncoded: encoded, frameHeight: 360 },
      { ...outbound, ssrc: 2, framesEncoded: encoded - 5, frameHeight: 180 },
    ];
    const arrived: RtcStat = {
      ...nothing,
      type: 'inbound-rtp',
      kind: 'video',
      ssrc: 3,
      framesReceived: received,
      framesDecoded: received,
      frameHeight: 180,
    };
    const picture = { atMs, framesIn: composed, framesOut: composed, repeats: 0, late: 0, dropped: 0 };
    return {
      atMs,
      totals: {
        picture: { ...picture, worstGapMs: 0, openFrames: 0, read: {} },
        sound: {
          atMs,
          renderedMs: atMs,
          skippedMs: 0,
          droppedBlocks: 0,
          underruns: 0,
          bufferedMs: 0,
        },
      },
      sent,
      received: [arrived],
      presented: received,
    };
  };
  const first = flow(moment(0, 0, 5, 10), moment(10_000, 300, 299, 304));
  expect(first).toMatchObject({ seconds: 10, composed: 300, toEncoder: 300, encoded: 294, received: 294 });
  // The fan gets the small one.
  expect(first.encodedForFan).toBe(294);
  const second = flow(moment(10_000, 300, 299, 304), moment(11_000, 330, 329, 29));
  expect(sum([first, second])).toMatchObject({ seconds: 11, composed: 330, received: 294 + 29 });
});
