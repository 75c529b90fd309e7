// The words of the crew pages, pure: the studio's health line, the co-host's banner, money and durations.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bannerFor } from '../../renderer/cohost/banner.ts';
import type { Gone } from '../../renderer/studio/device-words.ts';
import { healthFigures, healthLines, type HealthFacts } from '../../renderer/studio/health.ts';
import {
  currencyDigits,
  formatDuration,
  formatMoney,
  formatRate,
  formatRunningTime,
  formatStock,
  moneyForField,
  moneyHint,
  parseMoney,
} from '../../renderer/ui/format.ts';
import type { Health } from '../../sfu-server/protocol/messages.ts';
import { maxPriceMinor } from '../../sfu-server/protocol/shop.ts';
import { emptyScene, guestId, type ShowState } from '../../sfu-server/protocol/state.ts';
import { liveShow } from '../support/page-states.ts';

const nowMs = 1_000_000;
const ana = guestId.parse('ana');

const show = (change: Partial<ShowState> = {}): ShowState => ({
  ...liveShow,
  title: 'Night drop',
  viewers: 0,
  studio: 'present',
  ...change,
});

const health: Health = {
  layers: [
    { kbps: 150, fps: 30 },
    { kbps: 800, fps: 30 },
  ],
  audioKbps: 110,
  rttMs: 24,
  lossPct: 0,
  studioMedia: 'ready',
  recordingStopped: null,
  viewerDelayMs: { median: 84, p95: 120 },
  viewerFps: 30,
};

const camA = (
  input: HealthFacts['pictures'][number]['input'],
  change: Partial<HealthFacts['pictures'][number]> = {},
): HealthFacts['pictures'][number] => ({
  name: 'Cam A',
  input,
  picture: { kind: 'moving' },
  onProgram: true,
  instead: null,
  ...change,
});

const facts = (change: Partial<HealthFacts> = {}): HealthFacts => ({
  nowMs,
  connection: 'joined',
  show: show(),
  health,
  pictures: [camA({ kind: 'live' })],
  clipFor: null,
  microphones: [{ role: 'Lav L', input: { kind: 'live' }, sound: { kind: 'alive' } }],
  sending: 'sending',
  latePct: 0,
  recording: null,
  fault: null,
  ...change,
});

const standby = (change: Partial<ShowState['program']>): ShowState =>
  show({
    program: { source: 'standby', reason: 'studioSilent', sinceMs: nowMs - 8_000, lock: 'none', ...change },
  });

describe('health line', () => {
  it('is one calm line with the delay fans have when all is well', () => {
    expect(healthLines(facts())).toEqual([
      { tone: 'fine', text: 'All well. Fans see you 84 ms after it happens.' },
    ]);
  });

  it('names what is missing before the show, in one sentence', () => {
    const before = facts({
      show: show({ phase: { kind: 'setup' } }),
      sending: 'idle',
      pictures: [camA({ kind: 'off' })],
      microphones: [{ role: 'Lav L', input: { kind: 'off' }, sound: { kind: 'waiting' } }],
    });
    expect(healthLines(before)).toEqual([
      { tone: 'look', text: 'Before you go live: a camera, a microphone and something to sell.' },
    ]);
  });

  it('says what went wrong, since when, what the studio did and what comes next', () => {
    const went = (how: Gone, change: Parameters<typeof camA>[1], clipFor: string | null = null) =>
      healthLines(facts({ pictures: [camA({ kind: 'gone', how, forMs: 8_000 }, change)], clipFor }))[0];
    const pulled = (change: Parameters<typeof camA>[1], clipFor: string | null = null) =>
      went('unplugged', change, clipFor);
    expect(pulled({})).toEqual({
      tone: 'wrong',
      text: 'Cam A unplugged 0:08 ago, holding its last picture. Plug it back in: it returns by itself.',
    });
    expect(pulled({ instead: 'Cam B' })).toEqual({
      tone: 'look',
      text: 'Cam A unplugged 0:08 ago, showing Cam B. Plug it back in: it returns by itself.',
    });
    for (const kind of ['opening', 'live'] as const) {
      expect(healthLines(facts({ pictures: [camA({ kind }, { instead: 'Cam B' })] }))[0]).toEqual({
        tone: 'look',
        text: 'Cam A is coming back: showing Cam B until it is steady.',
      });
    }
    expect(pulled({}, 'Cam A')?.text).toMatch(/^Cam A unplugged 0:08 ago, fans see the standby clip\./);
    expect(pulled({ onProgram: false })?.text).toMatch(/^Cam A unplugged 0:08 ago\. Plug/);
    expect(went('left', {})?.text).toMatch(
      /^Cam A left 0:08 ago.*It returns by itself when it sends again\.$/,
    );
    expect(went('ended', {})?.text).toMatch(/^Cam A ended 0:08 ago.*Share it again under Sources\.$/);
    const picture = (kind: 'stopped' | 'frozen' | 'black') =>
      healthLines(
        facts({ pictures: [camA({ kind: 'live' }, { picture: { kind, sinceMs: nowMs - 3_000 } })] }),
      )[0];
    expect(picture('stopped')?.text).toMatch(/^Cam A has sent no pictures for 0:03/);
    expect(picture('frozen')?.text).toMatch(/^Cam A has been frozen for 0:03/);
    expect(picture('black')).toEqual({
      tone: 'wrong',
      text: 'Cam A has been black for 0:03, holding its last picture. Is the lens cap on?',
    });
    expect(
      healthLines(
        facts({ show: standby({ lock: 'standby', reason: 'directorLock' }), clipFor: 'Cam A', pictures: [] }),
      )[0]?.text,
    ).toMatch(/^Standby clip on air for 0:08: Cam A has no picture/);
    const sound = (kind: 'silent' | 'clipped', spokenForBy?: string) => {
      const health = { kind, sinceMs: nowMs - 5_000 };
      const lav = { role: 'Lav L', input: { kind: 'live' }, sound: health, spokenForBy } as const;
      return healthLines(facts({ microphones: [lav] }))[0];
    };
    expect(sound('silent')?.text).toBe('Lav L has been silent for 0:05. Check its switch, battery and plug.');
    expect(sound('silent', 'Lav R')?.text).toContain('Lav R has taken its place.');
    const text = 'Lav L: no microphone is connected. Plug one in and try again.';
    const gone = { role: 'Lav L', input: { kind: 'failed', text }, sound: { kind: 'waiting' } } as const;
    expect(healthLines(facts({ microphones: [gone] }))[0]?.text).toBe(text);
    expect(sound('clipped')?.text).toBe('Lav L is too loud and distorts. Turn it down at the mixer.');
    expect(healthLines(facts({ show: standby({}) }))[0]).toEqual({
      tone: 'wrong',
      text: 'Standby clip on air for 0:08: nothing came from this studio. Back by itself as soon as the picture is healthy.',
    });
    expect(healthLines(facts({ health: { ...health, lossPct: 4 } }))[0]?.text).toMatch(
      /^4\.0 % of what you send/,
    );
    const recordingStopped = 'the disk is too slow';
    expect(healthLines(facts({ health: { ...health, recordingStopped } }))).toEqual([
      {
        tone: 'look',
        text: 'The server no longer records the show: the disk is too slow. Fans are not affected.',
      },
    ]);
    expect(healthLines(facts({ latePct: 37.5 }))[0]?.text).toMatch(/^38 % of the frames are late/);
    expect(healthLines(facts({ recording: { sinceMs: nowMs - 761_000, roomMs: 5_400_000 } }))[0]?.text).toBe(
      'All well. Fans see you 84 ms after it happens. Recording 00:12:41, room for 1 h 30 min.',
    );
    expect(healthLines(facts({ connection: 'reconnecting' }))[0]?.text).toMatch(/fans see the standby clip/);
  });

  it('puts what fans notice before what only the director should know', () => {
    const tones = healthLines(
      facts({
        show: standby({ lock: 'standby', reason: 'directorLock' }),
        pictures: [camA({ kind: 'gone', how: 'unplugged', forMs: 1_000 })],
        health: { ...health, rttMs: 400 },
      }),
    ).map(({ tone }) => tone);
    expect(tones).toEqual(['wrong', 'look', 'look']);
  });

  it('shows only figures that are known', () => {
    expect(healthFigures(null, null)).toEqual([]);
    expect(healthFigures({ ...health, layers: [] }, 29.97).map(({ name }) => name)).toEqual(['Camera']);
    expect(healthFigures(health, 30).map(({ value }) => value)).toEqual([
      '30.0 fps',
      '150 kb/s + 800 kb/s',
      '110 kb/s',
      '24 ms',
      '0.0 %',
      '84 ms',
    ]);
  });
});

describe('co-host banner', () => {
  const placed = { ...emptyScene, guestIds: [ana] };

  it('claims ON AIR only when fans see this guest', () => {
    expect(bannerFor('joined', show({ scene: placed }), ana).title).toBe('ON AIR');
    const notOnAir: [Parameters<typeof bannerFor>[0], ShowState | null][] = [
      ['joined', show()],
      ['joined', show({ scene: { ...placed, guestIds: [guestId.parse('bo')] } })],
      ['joined', show({ scene: placed, phase: { kind: 'setup' } })],
      ['joined', { ...standby({}), scene: placed }],
      ['joined', show({ scene: placed, phase: { kind: 'ended', sinceMs: 0, endedMs: 1 } })],
      ['reconnecting', show({ scene: placed })],
      ['connecting', null],
    ];
    for (const [connection, state] of notOnAir) {
      expect(bannerFor(connection, state, ana).title).not.toBe('ON AIR');
    }
    expect(bannerFor('joined', show({ scene: placed }), null).title).toBe('Joining');
  });
});

describe('words for numbers', () => {
  it('reads back every price it writes into a field, in every currency', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 100_000_000 }),
        fc.constantFrom('EUR', 'JPY', 'KWD', 'GBP'),
        (minor, currency) => parseMoney(moneyForField(minor, currency), currency) === minor,
      ),
    );
    expect(currencyDigits('JPY')).toBe(0);
  });

  it('takes a comma or a point, and nothing that is no price', () => {
    expect(parseMoney('19,90', 'EUR')).toBe(1990);
    expect(parseMoney(' 20 ', 'GBP')).toBe(2000);
    for (const text of ['', '-1', '1.999', '20 €', '1e3', 'cheap', '0.5.5']) {
      expect(parseMoney(text, 'EUR')).toBeNull();
    }
    expect(parseMoney('19.5', 'JPY')).toBeNull();
    // The server takes no more; the form says so in words before it is asked.
    expect(parseMoney('1000000.00', 'EUR')).toBe(maxPriceMinor);
    expect(parseMoney('1000000.01', 'EUR')).toBeNull();
    expect(moneyHint('EUR')).toMatch(/^a number such as 19\.90, 1.000.000 at most$/);
    expect(moneyHint('JPY')).toMatch(/^a number such as 1990, 100.000.000 at most$/);
  });

  it('writes money, stock, durations and rates as people say them', () => {
    expect(formatMoney(2000, 'GBP', 'en-GB')).toBe('£20');
    expect(formatMoney(1990, 'GBP', 'en-GB')).toBe('£19.90');
    expect(formatMoney(2000, 'JPY', 'en-US')).toBe('¥2,000');
    expect(formatStock({ left: 12, total: 50 })).toBe('12 left of 50');
    expect(formatStock({ left: 0, total: 50 })).toBe('Sold out');
    expect(formatDuration(252_900)).toBe('4:12');
    expect(formatDuration(-5)).toBe('0:00');
    expect(formatDuration(3_600_000)).toBe('1:00:00');
    expect(formatRunningTime(761_000)).toBe('00:12:41');
    expect(formatRate(850.4)).toBe('850 kb/s');
    expect(formatRate(5_900)).toBe('5.9 Mb/s');
  });
});
