// What the director is told about the connection: how many fans it carries, and the one thing to fix.
import { describe, expect, test } from 'vitest';
import type { LoopReport } from '../../renderer/session/session.ts';
import { connectionWords, type ConnectionFacts } from '../../renderer/studio/connection.ts';
import { programSend } from '../../renderer/studio/settings.ts';

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
    report: { atMs: 0, udp, tcp },
    ...programSend({ quality: '360p', shape: 'landscape', fps: 30 }),
    serverIsHere: true,
    ...rest,
  });

describe('the words of the connection test', () => {
  test('a server on this laptop: how many fans at which size, from what is left of the line', () => {
    // 5000 kb/s, of which 80 % are used: 928 kb/s for a fan at 360p with sound, 352 kb/s at 180p.
    expect(words(open('udp'), open('tcp'))).toEqual({
      tone: 'fine',
      verdict: 'This network carries 5.0 Mb/s: 4 fans at 360p, or 11 fans at 180p.',
      fix: null,
    });
  });

  test('a line that carried all the test had to send is said to carry at least as much', () => {
    const { verdict } = words(open('udp', { kbps: 7_600, limit: 'test' }), open('tcp'));
    expect(verdict).toBe(
      'This network carries at least 7.6 Mb/s: at least 6 fans at 360p, or 17 fans at 180p.',
    );
  });

  test('a server elsewhere: whether the show fits through', () => {
    const fits = words(open('udp'), open('tcp'), { serverIsHere: false });
    expect(fits).toMatchObject({ tone: 'fine', fix: null });
    expect(fits.verdict).toBe('The way to the server carries 5.0 Mb/s; the show needs 1.2 Mb/s.');
    const thin = words(open('udp', { kbps: 900 }), open('tcp'), { serverIsHere: false });
    expect(thin.tone).toBe('wrong');
    expect(thin.verdict).toContain('carries only 0.9 Mb/s');
    expect(thin.fix).toContain('too thin');
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
    expect(words(open('udp', lossy), open('tcp')).fix).toMatch(/^5\.0 % of the packets get lost/);
    expect(words(open('udp', { rttMs: 400 }), open('tcp')).fix).toContain('400 ms');
    expect(words(open('udp', { address: '127.0.0.1' }), open('tcp')).fix).toMatch(/^Only this computer/);
  });
});
