// What the director is told about the connection: what was measured, how many fans that means, and the one thing to do.
import { describe, expect, test } from 'vitest';
import { createStore } from 'zustand/vanilla';
import type { LoopReport } from '../../renderer/session/session.ts';
import {
  connectionWords,
  createConnectionDesk,
  type ConnectionFacts,
} from '../../renderer/studio/connection.ts';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { programSend } from '../../renderer/studio/settings.ts';
import { joinedSession } from '../support/page-states.ts';

const open = (
  way: 'udp' | 'tcp',
  figures: Partial<{ address: string; kbps: number; limit: 'test'; lossPct: number; rttMs: number }> = {},
): LoopReport => ({
  kind: 'open',
  way,
  address: '192.168.1.20',
  port: 4400,
  kbps: 5_000,
  limit: 'line',
  lossPct: 0,
  rttMs: 4,
  ...figures,
});
const shut = (way: 'udp' | 'tcp'): LoopReport => ({ kind: 'shut', way, address: '192.168.1.20', port: 4400 });

const words = (udp: LoopReport, tcp: LoopReport, rest: Partial<ConnectionFacts> = {}) =>
  connectionWords({
    report: { udp, tcp },
    ...programSend({ quality: '360p', shape: 'landscape', fps: 30 }),
    serverIsHere: true,
    ...rest,
  });

describe('the words of the connection test', () => {
  test('a server on this laptop: the line was not measured, and nothing is said of what it carries', () => {
    // Of 10 Mb/s 80 % are used: 928 kb/s for a fan at 360p with sound, 352 kb/s at 180p.
    const local = words(open('udp', { kbps: 7_600, limit: 'test' }), open('tcp'));
    expect(local).toEqual({
      tone: 'look',
      verdict:
        'The picture went out and came back on this computer. The line to fans was not measured: every 10 Mb/s of upload carries 8 fans at 360p, or 22 fans at 180p.',
      fix: 'Measure the upload of the line with a speed test, or run the server elsewhere: this test then measures the way to it.',
    });
    // Neither does a figure of one computer's inside become a judgement on the network.
    for (const strained of [{ kbps: 900 }, { lossPct: 5 }, { rttMs: 400 }]) {
      expect(words(open('udp', strained), open('tcp')).fix).toMatch(/^This computer is too busy/);
    }
    expect(words(open('udp', { address: '127.0.0.1' }), open('tcp')).fix).toMatch(/^Only this computer/);
  });

  test('a server elsewhere: whether the show fits through', () => {
    const fits = words(open('udp'), open('tcp'), { serverIsHere: false });
    expect(fits).toMatchObject({ tone: 'fine', fix: null });
    expect(fits.verdict).toBe('The way to the server carries 5.0 Mb/s; the show needs 1.2 Mb/s.');
    const thin = words(open('udp', { kbps: 900 }), open('tcp'), { serverIsHere: false });
    expect(thin.tone).toBe('wrong');
    expect(thin.verdict).toContain('carries only 0.9 Mb/s');
    expect(thin.fix).toContain('too thin');
    const least = words(open('udp', { kbps: 7_600, limit: 'test' }), open('tcp'), { serverIsHere: false });
    expect(least.verdict).toBe('The way to the server carries at least 7.6 Mb/s; the show needs 1.2 Mb/s.');
  });

  test('one thing to fix, and what shuts fans out before what annoys them', () => {
    expect(words(shut('udp'), shut('tcp'))).toMatchObject({
      tone: 'wrong',
      verdict: 'No picture comes through.',
      fix: expect.stringContaining('192.168.1.20, port 4400. Open this port for UDP and TCP'),
    });
    const lossy = { lossPct: 5, rttMs: 400 };
    expect(words(shut('udp'), open('tcp', lossy)).fix).toMatch(/^UDP does not come through/);
    expect(words(open('udp', lossy), shut('tcp')).fix).toMatch(/^TCP does not come through/);
    const away = { serverIsHere: false };
    expect(words(open('udp', lossy), open('tcp'), away).fix).toMatch(/^5\.0 % of the packets get lost/);
    expect(words(open('udp', { rttMs: 400 }), open('tcp'), away).fix).toContain('400 ms');
  });
});

test('the main and the backup line each keep their own result; a test stays with the line it began on', async () => {
  const store = createStore(() => joinedSession());
  let kbps = 5_000;
  const desk = createConnectionDesk({
    store,
    measureLoop: (way) =>
      kbps === 0
        ? Promise.reject(new AppError('mediaUnavailable', 'The way is gone.'))
        : Promise.resolve(open(way, { kbps })),
  });
  const rates = () =>
    Object.values(desk.store.getState().tests).map((each) =>
      each.kind === 'done' && each.report.udp.kind === 'open' ? each.report.udp.kbps : each.kind,
    );
  const first = desk.run('full');
  desk.choose('backup');
  await Promise.all([first, desk.run('full')]);
  expect(desk.store.getState().line).toBe('main');
  expect(rates()).toEqual([5_000, 'never']);
  expect(desk.isFresh()).toBe(true);

  desk.choose('backup');
  expect(desk.isFresh()).toBe(false);
  kbps = 900;
  await desk.run('quick');
  expect(rates()).toEqual([5_000, 900]);
  kbps = 0;
  await desk.run('quick');
  expect(desk.test()).toEqual({ kind: 'failed', text: 'The way is gone.' });
  expect(rates()).toEqual([5_000, 'failed']);
});
