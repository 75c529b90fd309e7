// The studio's log and its field card, pure: what changes become which sentences, and what asks before a show goes live.
import { describe, expect, it } from 'vitest';
import {
  changesInWords,
  createLog,
  logAsText,
  type LogFacts,
  type SourceFacts,
} from '../../renderer/studio/log.ts';
import { createUplinkJudge } from '../../renderer/studio/log-facts.ts';
import { cardSummary, fieldCard, type CardFacts, type CardItemId } from '../../renderer/studio/preflight.ts';
import type { SourceReport } from '../../renderer/studio/source-report.ts';

const camera = (name: string, change: Partial<SourceFacts> = {}): SourceFacts => ({
  id: name,
  name,
  medium: 'picture',
  condition: 'live',
  instead: null,
  failure: null,
  ...change,
});
const mic = (name: string, change: Partial<SourceFacts> = {}): SourceFacts =>
  camera(name, { medium: 'sound', ...change });

type Show = NonNullable<LogFacts['show']>;
const show: Show = {
  id: 'one',
  title: 'Night drop',
  phase: 'live',
  source: 'studio',
  reason: 'studioHealthy',
  standbyName: 'Rain loop',
  guests: [{ id: 'ada', name: 'Ada', here: true, onProgram: false }],
  drops: [{ id: 'd', name: 'Night tee', state: { kind: 'ready' } }],
  products: [{ id: 'p', name: 'Tee', soldOut: false }],
};
const facts = (change: Partial<LogFacts> = {}, showChange: Partial<Show> = {}): LogFacts => ({
  connection: 'joined',
  show: { ...show, ...showChange },
  sources: [camera('Cam A'), camera('Cam B'), mic('Lav L')],
  uplink: 'good',
  recording: { on: false, name: '', note: null },
  recordingStopped: null,
  sendingFailed: null,
  fault: null,
  trouble: null,
  ...change,
});
const said = (before: LogFacts | null, now: LogFacts) => changesInWords(before, now).map(({ text }) => text);
const withCamB = (change: Partial<SourceFacts>) =>
  facts({ sources: [camera('Cam A'), camera('Cam B', change), mic('Lav L')] });

describe('log', () => {
  it('says nothing while nothing changes, and where things stand when the page opens', () => {
    expect(said(facts(), facts())).toEqual([]);
    expect(said(null, facts({ sources: [] }))).toEqual(['Studio opened on “Night drop”: the show is on.']);
  });

  it('says what happened to a source, what is shown instead, and that it is back', () => {
    const unplugged = withCamB({ condition: 'unplugged', instead: 'Cam A' });
    expect(said(facts(), unplugged)).toEqual(['Cam B unplugged. Showing Cam A. It returns when plugged in.']);
    expect(said(unplugged, facts())).toEqual(['Cam B is back in its place.']);
    // It has its picture again, and its place a moment later.
    const steadying = withCamB({ instead: 'Cam A' });
    expect(said(unplugged, steadying)).toEqual([]);
    expect(said(steadying, facts())).toEqual(['Cam B is back in its place.']);
    // Nobody can plug in an encoder or a share.
    expect(said(facts(), withCamB({ condition: 'left' }))).toEqual([
      'Cam B left. Holding its last picture. It returns when it sends again.',
    ]);
    expect(said(facts(), withCamB({ condition: 'ended', instead: 'Cam A' }))).toEqual([
      'Cam B ended. Showing Cam A. It returns when shared again.',
    ]);
    // Held for a moment first, then replaced.
    const held = withCamB({ condition: 'stopped' });
    expect(said(facts(), held)).toEqual(['Cam B sends no pictures. Holding its last picture.']);
    expect(said(held, withCamB({ condition: 'stopped', instead: 'Cam A' }))).toEqual([
      'Cam B sends no pictures. Showing Cam A.',
    ]);
    const silent = facts({
      sources: [camera('Cam A'), camera('Cam B'), mic('Lav L', { condition: 'silent', instead: 'Lav R' })],
    });
    expect(said(facts(), silent)).toEqual(['Lav L has gone silent. Lav R takes over.']);
    expect(said(silent, facts())).toEqual(['Lav L is heard again.']);
    const denied = withCamB({ condition: 'failed', failure: 'Cam B: the camera is not allowed.' });
    expect(said(facts(), denied)).toEqual(['Cam B: the camera is not allowed.']);
    expect(said(facts(), withCamB({ condition: 'off' }))).toEqual(['Cam B turned off.']);
    // A source that waits for its feed was never on.
    expect(said(withCamB({ condition: 'opening' }), withCamB({ condition: 'off' }))).toEqual([]);
  });

  it('tells the director’s standby from one that came by itself', () => {
    const own = facts({}, { source: 'standby', reason: 'directorLock' });
    expect(said(facts(), own)).toEqual(['Standby locked: fans see “Rain loop”.']);
    const fallen = facts({}, { source: 'standby', reason: 'studioSilent' });
    expect(said(facts(), fallen)).toEqual([
      'Standby clip on air: nothing came from this studio. It goes back by itself.',
    ]);
    expect(said(fallen, facts())).toEqual(['Program is back on the studio’s picture.']);
    expect(said(facts({}, { phase: 'setup', source: 'none' }), facts())).toEqual(['Live.']);
    expect(said(facts(), facts({ connection: 'reconnecting' }))[0]).toMatch(/Fans see the standby clip/);
  });

  it('says where the recording goes, and what it had to do', () => {
    const on = facts({ recording: { on: true, name: 'Night drop 2026-11-22', note: null } });
    expect(said(facts(), on)).toEqual(['Recording to “Night drop 2026-11-22”.']);
    const note = { tone: 'look' as const, text: 'Sources are no longer recorded: the program comes late.' };
    expect(said(on, facts({ recording: { on: true, name: 'Night drop 2026-11-22', note } }))).toEqual([
      note.text,
    ]);
    expect(said(on, facts())).toEqual(['Recording stopped; its files are closed.']);
  });

  it('follows guests and drops', () => {
    const on = facts({}, { guests: [{ id: 'ada', name: 'Ada', here: true, onProgram: true }] });
    const away = facts({}, { guests: [{ id: 'ada', name: 'Ada', here: false, onProgram: true }] });
    expect(said(facts(), on)).toEqual(['Ada on program.']);
    expect(said(on, away)).toEqual(['Ada is gone while on program. Showing the camera.']);
    const running = facts(
      {},
      {
        drops: [
          {
            id: 'd',
            name: 'Night tee',
            state: { kind: 'running', startedMs: 1, pausedForMs: 0, endsMs: null },
          },
        ],
        products: [{ id: 'p', name: 'Tee', soldOut: true }],
      },
    );
    expect(said(facts(), running)).toEqual(['Drop “Night tee” started.', 'Tee is sold out.']);
  });

  it('is bounded, counts what repeats, and survives a reload but not a damaged store', () => {
    let kept: string | null = null;
    let nowMs = 0;
    const storage = {
      getItem: () => kept,
      setItem: (_key: string, text: string) => {
        kept = text;
      },
    };
    const open = () => createLog({ storage, nowMs: () => (nowMs += 1_000) });
    const log = open();
    for (let n = 0; n < 600; n += 1) log.say('fine', `line ${n}`);
    log.say('look', 'Cam A is black.');
    log.say('look', 'Cam A is black.');
    const { lines } = open().store.getState();
    expect(lines).toHaveLength(500);
    expect(lines.at(-1)).toEqual({ atMs: 602_000, tone: 'look', text: 'Cam A is black.', times: 2 });
    expect(logAsText(lines.slice(-1))).toMatch(/^\d\d:\d\d:\d\d {2}Cam A is black\. \(2 times\)\n$/);
    kept = '[{"text":1}]';
    expect(open().store.getState().lines).toEqual([]);
  });

  it('takes a few bad seconds of the uplink for news, one not', () => {
    const judge = createUplinkJudge();
    const health = (lossPct: number) => ({
      layers: [{ kbps: 800, fps: 30 }],
      audioKbps: 100,
      rttMs: 20,
      lossPct,
      studioMedia: 'ready' as const,
      recordingStopped: null,
      viewerDelayMs: null,
      viewerFps: null,
    });
    const heard = [0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9].map((lossPct, second) =>
      judge.look(health(lossPct), second * 1_000),
    );
    expect(heard[4]).toBe('good');
    expect(heard.slice(5, 15).every((uplink) => uplink === 'good')).toBe(true);
    expect(heard[15]).toBe('lossy');
  });
});

const nowMs = 1_000_000;
const source = (
  name: string,
  medium: 'picture' | 'sound',
  change: Partial<SourceReport> = {},
): SourceReport => ({
  id: name,
  name,
  medium,
  input: { kind: 'live' },
  media: 'well',
  instead: null,
  framesPerSecond: medium === 'picture' ? 30 : null,
  lastFrameAgeMs: null,
  size: medium === 'picture' ? { width: 1280, height: 720 } : null,
  bufferedMs: null,
  underruns: null,
  driftPpm: null,
  muted: false,
  ...change,
});
const ready: CardFacts = {
  nowMs,
  sources: [source('Cam A', 'picture'), source('Lav L', 'sound')],
  heard: { 'Lav L': { onSinceMs: 0, lastMs: nowMs - 2_000 } },
  luts: { wanted: 1, missing: [] },
  latePct: 0,
  recording: { kind: 'ready', place: 'Videos', roomMs: 5 * 3_600_000 },
  standby: { name: 'Rain loop', builtIn: false, problem: null, file: { kind: 'ok', tookMs: 20 } },
  uplink: {
    kind: 'done',
    atMs: nowMs,
    words: { tone: 'fine', verdict: 'This network carries 9.0 Mb/s: 9 fans at 360p.', fix: null },
  },
  products: { count: 1, featured: { name: 'Night tee', left: 12 } },
  link: { url: 'https://drop.example/watch/1', reached: { kind: 'ok', tookMs: 30 } },
  power: { charging: true, level: 0.9 },
};

describe('field card', () => {
  const item = (id: CardItemId, change: Partial<CardFacts>) => {
    const found = fieldCard({ ...ready, ...change }).find((one) => one.id === id);
    return found && [found.tone, found.text];
  };

  it('is ready when all is', () => {
    const items = fieldCard(ready);
    expect(items.filter(({ tone }) => tone !== 'fine')).toEqual([]);
    expect(cardSummary(items)).toEqual({ tone: 'fine', text: 'Ready.' });
  });

  it('hears each microphone within ten seconds, and gives one that was just turned on time', () => {
    const twoMics = [...ready.sources, source('Lav R', 'sound')];
    const heard = (lastMs: number | null, onSinceMs = 0) => ({
      ...ready.heard,
      'Lav R': { onSinceMs, lastMs },
    });
    expect(item('levels', { sources: twoMics, heard: heard(nowMs - 11_000) })).toEqual([
      'wrong',
      'Nothing heard for 10 seconds from Lav R.',
    ]);
    expect(item('levels', { sources: twoMics, heard: heard(null, nowMs - 3_000) })).toEqual([
      'look',
      'Not heard yet: Lav R.',
    ]);
    expect(item('levels', { sources: [source('Lav L', 'sound', { muted: true })] })?.[0]).toBe('look');
    expect(item('levels', { sources: [] })?.[0]).toBe('wrong');
  });

  it('names what is not ready and what to do about it', () => {
    const unplugged = source('Cam A', 'picture', { input: { kind: 'gone', how: 'unplugged', forMs: 8_000 } });
    expect(item('cameras', { sources: [unplugged] })).toEqual(['wrong', 'Cam A: unplugged 0:08 ago.']);
    expect(item('cameras', { sources: [source('Cam A', 'picture', { framesPerSecond: 12 })] })?.[0]).toBe(
      'look',
    );
    expect(item('lut', { luts: { wanted: 1, missing: ['night.cube'] } })).toEqual([
      'wrong',
      'Not loaded: night.cube.',
    ]);
    expect(item('standby', { standby: { ...ready.standby, problem: 'Its file is damaged.' } })).toEqual([
      'wrong',
      'Its file is damaged.',
    ]);
    expect(item('standby', { standby: { ...ready.standby, builtIn: true } })?.[0]).toBe('look');
    expect(item('uplink', { uplink: { kind: 'never' } })?.[0]).toBe('look');
    const old = { ...ready.uplink, atMs: nowMs - 15 * 60_000 };
    expect(item('uplink', { uplink: old })?.[1]).toMatch(/15 min ago/);
    expect(
      item('link', {
        link: { url: 'https://x.example', reached: { kind: 'failed', text: 'nothing answers.' } },
      }),
    ).toEqual(['wrong', 'https://x.example does not open: nothing answers.']);
    const room = (roomMs: number) =>
      item('recording', { recording: { kind: 'ready', place: 'Videos', roomMs } });
    expect(room(5 * 60_000)).toEqual(['wrong', 'To Videos, room for 5 min.']);
    expect(room(90 * 60_000)).toEqual(['look', 'To Videos, room for 1 h 30 min.']);
    expect(item('products', { products: { count: 0, featured: null } })?.[0]).toBe('look');
    expect(item('power', { power: { charging: false, level: 0.1 } })?.[0]).toBe('wrong');
    const items = fieldCard({ ...ready, sources: [], power: { charging: false, level: 0.6 } });
    expect(cardSummary(items).text).toBe('Not ready: Cameras, Levels.');
  });
});
