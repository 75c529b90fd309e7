// What a page concludes from statistics and state, as pure functions: layers, rates, status words.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLipSync, heldBackMs, moreThanSoundMs } from '../../renderer/session/lip-sync.ts';
import {
  layerFor,
  readSample,
  soundBufferedMs,
  statsBetween,
  type PlaybackSample,
} from '../../renderer/session/playback.ts';
import { layerBitrates } from '../../renderer/session/media-part.ts';
import type { SessionState } from '../../renderer/session/session.ts';
import { statusOf, wordsFor, type Status } from '../../renderer/viewer/status.ts';
import type { ShowState } from '../../sfu-server/protocol/state.ts';
import { joined, liveShow } from '../support/page-states.ts';

describe('the layer asked for', () => {
  test.each([
    [150, 2, 360, 0],
    [200, 2, 360, 0],
    [219, 2, 360, 1],
    [2_000, 2, 360, 1],
    [170, 3, 720, 0],
    [400, 3, 720, 1],
    [1_080, 3, 720, 2],
  ])('shown %d px high, %d layers up to %d px: layer %d', (shown, layers, top, layer) => {
    expect(layerFor(shown, layers, top)).toBe(layer);
  });
  test('is never smaller than needed while a larger one exists', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4_000 }), fc.integer({ min: 1, max: 3 }), (shown, layers) => {
        const layer = layerFor(shown, layers, 720);
        const height = 720 / 2 ** (layers - 1 - layer);
        expect(layer === layers - 1 || height * 1.15 >= shown).toBe(true);
      }),
    );
  });
  test('bitrates rise with the layers up to the given one', () => {
    expect(layerBitrates(2, 800)).toEqual([224_000, 800_000]);
    expect(layerBitrates(1, 500)).toEqual([500_000]);
  });
});

describe('statistics', () => {
  const sample = (changes: Partial<PlaybackSample>): PlaybackSample => ({
    atMs: 0,
    pathBytes: 0,
    videoBytes: 0,
    audioBytes: 0,
    framesDecoded: 0,
    width: 640,
    height: 360,
    freezes: 0,
    processingSeconds: 0,
    soundWaitedSeconds: 0,
    soundSamples: 0,
    rttMs: null,
    ...changes,
  });

  test('rates are over the time between two samples; the delay is per frame plus half the round trip', () => {
    const before = sample({
      atMs: 1_000,
      videoBytes: 1_000,
      framesDecoded: 100,
      processingSeconds: 2,
      freezes: 1,
    });
    const now = sample({
      atMs: 3_000,
      videoBytes: 201_000,
      audioBytes: 25_000,
      framesDecoded: 160,
      processingSeconds: 3.8,
      freezes: 2,
      rttMs: 20,
    });
    expect(statsBetween(before, now, 5)).toEqual({
      fps: 30,
      width: 640,
      height: 360,
      delayMs: 40,
      freezes: 7,
      rttMs: 20,
      kbps: 900,
    });
  });
  test('without a decoded frame there is no delay to report', () => {
    expect(statsBetween(null, sample({}), 0).delayMs).toBeNull();
  });
  test('only the program’s own streams are read, and missing fields count as zero', () => {
    const report = new Map<string, object>([
      [
        'a',
        { type: 'inbound-rtp', trackIdentifier: 'v', bytesReceived: 10, framesDecoded: 3, frameHeight: 180 },
      ],
      ['b', { type: 'inbound-rtp', trackIdentifier: 'a', bytesReceived: 5 }],
      ['c', { type: 'inbound-rtp', trackIdentifier: 'a guest', bytesReceived: 99, framesDecoded: 99 }],
      ['d', { type: 'candidate-pair', state: 'succeeded', currentRoundTripTime: 0.012 }],
      ['e', { type: 'candidate-pair', state: 'waiting', currentRoundTripTime: 9 }],
      ['f', { type: 'transport', bytesReceived: 120 }],
    ]);
    expect(readSample(report, { video: 'v', audio: 'a' }, 7)).toEqual(
      sample({
        atMs: 7,
        pathBytes: 120,
        videoBytes: 10,
        audioBytes: 5,
        framesDecoded: 3,
        width: 0,
        height: 180,
        rttMs: 12,
      }),
    );
  });
});

describe('picture and sound', () => {
  test('the picture is held back a little longer than the sound waits, never for long, and not for every millisecond', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 2_000, noNaN: true }),
        fc.integer({ min: 0, max: 300 }),
        (buffered, now) => {
          const held = heldBackMs(buffered, now);
          expect(held === now || held <= Math.min(300, Math.ceil(buffered + moreThanSoundMs))).toBe(true);
          expect(Math.abs(heldBackMs(buffered, held) - held)).toBe(0);
        },
      ),
    );
    const held = 100 + moreThanSoundMs;
    expect([heldBackMs(100, 0), heldBackMs(105, held), heldBackMs(900, 80)]).toEqual([held, held, 300]);
  });

  test('it is held back from when sound is on until it is off, also over a new consumer', () => {
    const blank = {
      pathBytes: 0,
      videoBytes: 0,
      audioBytes: 0,
      framesDecoded: 0,
      width: 0,
      height: 0,
      freezes: 0,
      processingSeconds: 0,
      rttMs: null,
    };
    let atMs = 0;
    let played = 0;
    let waitedSeconds = 0;
    let receiver: { jitterBufferTarget: number | null } = { jitterBufferTarget: 0 };
    const lips = createLipSync({ receiver: () => receiver });
    const look = (afterMs: number, bufferedMs: number | null) => {
      atMs += afterMs;
      const samples = bufferedMs === null ? 0 : afterMs * 48;
      played += samples;
      waitedSeconds += (samples * (bufferedMs ?? 0)) / 1000;
      lips.sampled({ ...blank, atMs, soundSamples: played, soundWaitedSeconds: waitedSeconds });
      return receiver.jitterBufferTarget;
    };
    // Muted, nothing is sent; the first look after the click tells already.
    expect([look(1_000, null), look(1_000, null)]).toEqual([0, 0]);
    lips.follow('on');
    expect(look(1_000, 100)).toBe(100 + moreThanSoundMs);
    // During an outage the program is looked at far more often: too little sound for a judgement.
    expect([look(50, 250), look(50, 250)]).toEqual([100 + moreThanSoundMs, 100 + moreThanSoundMs]);
    receiver = { jitterBufferTarget: 0 };
    lips.consumersChanged();
    expect(receiver.jitterBufferTarget).toBe(100 + moreThanSoundMs);
    lips.follow('off');
    expect([look(1_000, 100), look(1_000, 100)]).toEqual([0, 0]);
    lips.close();
  });

  test('what sound waits is counted per sample of it', () => {
    const at = (soundSamples: number, soundWaitedSeconds: number) => {
      const stat = {
        type: 'inbound-rtp',
        trackIdentifier: 'a',
        jitterBufferDelay: soundWaitedSeconds,
        jitterBufferEmittedCount: soundSamples,
      };
      return readSample(new Map([['a', stat]]), { video: 'v', audio: 'a' }, 0);
    };
    expect(soundBufferedMs(at(48_000, 4_800), at(96_000, 7_200))).toBe(50);
    expect(soundBufferedMs(at(48_000, 4_800), at(48_000, 4_800))).toBeNull();
  });
});

describe('what a fan is told', () => {
  type Known = Pick<SessionState, 'connection' | 'show' | 'picture'>;
  const show = (phase: ShowState['phase'], source: ShowState['program']['source'] = 'studio'): ShowState => ({
    ...liveShow,
    phase,
    program: { ...liveShow.program, source },
  });
  const lostNow: Known['connection'] = { kind: 'reconnecting', sinceMs: 0, attempt: 3 };
  const refused: Known['connection'] = { kind: 'refused', code: 'noShow', text: 'No such show.' };
  const live = show({ kind: 'live', sinceMs: 0 });
  const standby = show({ kind: 'live', sinceMs: 0 }, 'standby');
  const soon = show({ kind: 'setup' });
  const over = show({ kind: 'ended', sinceMs: 0, endedMs: 1 });
  const none: Known['picture'] = { kind: 'none' };
  const flowing: Known['picture'] = { kind: 'flowing' };
  const stalled: Known['picture'] = {
    kind: 'stalled',
    sinceMs: 0,
    trying: null,
    owesSinceMs: null,
    leftAtMs: null,
  };

  test.each<[string, Known, boolean, Status['kind']]>([
    [
      'before the answer',
      { connection: { kind: 'connecting' }, show: null, picture: none },
      false,
      'opening',
    ],
    ['in set-up', { connection: joined, show: soon, picture: none }, false, 'soon'],
    ['live, before the first frame', { connection: joined, show: live, picture: none }, false, 'opening'],
    ['live with frames', { connection: joined, show: live, picture: flowing }, false, 'live'],
    ['the clip plays', { connection: joined, show: standby, picture: flowing }, false, 'standby'],
    ['frames stop', { connection: joined, show: live, picture: stalled }, false, 'reconnecting'],
    [
      'the server is away but frames come',
      { connection: lostNow, show: live, picture: flowing },
      true,
      'live',
    ],
    [
      'the server is away in set-up',
      { connection: lostNow, show: soon, picture: none },
      true,
      'reconnecting',
    ],
    ['a blink in set-up', { connection: lostNow, show: soon, picture: none }, false, 'soon'],
    ['ended', { connection: joined, show: over, picture: flowing }, false, 'ended'],
    ['ended, then the server is stopped', { connection: lostNow, show: over, picture: none }, true, 'ended'],
    ['refused', { connection: refused, show: null, picture: none }, false, 'refused'],
  ])('%s', (_, known, lost, kind) => {
    const status = statusOf(known, lost);
    expect(status.kind).toBe(kind);
    expect(wordsFor(status).badge).not.toBe('');
  });
});
