// What the machine does to a running server: it is told to stop, its clock is set, its disk fills up, another program
// holds its database. A real process each time.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { openStore } from '../../sfu-server/store/database.ts';
import type { Receiving } from '../../sfu-server/protocol/messages.ts';
import { connect, join, joinStudio, joinViewer, refusal, type JoinedClient } from '../support/client.ts';
import { startServer, type TestServer } from '../support/server.ts';

let data = '';
let server: TestServer | undefined;
beforeEach(async () => {
  data = await mkdtemp(joinPath(tmpdir(), 'live-drop-failures-'));
});
afterEach(async () => {
  await server?.stop('SIGKILL');
  server = undefined;
  await rm(data, { recursive: true, force: true });
});

/** A show that was live when the server ended. */
const liveShow = () => {
  const store = openStore(joinPath(data, 'show.db'));
  const { id } = store.addShow('live-show', 'Alley', 1);
  store.savePhase(id, { kind: 'live', sinceMs: 1 });
  store.close();
};

const noticeTo = (client: JoinedClient) =>
  new Promise<string>((resolve) => void client.channel.on('notice', ({ text }) => resolve(text)));

const debugShape = z.object({
  wallClockAheadMs: z.number(),
  shows: z.object({ current: z.object({ program: z.object({ source: z.string() }) }) }),
  placement: z.object({
    nodes: z.array(z.object({ state: z.string(), generation: z.number() })),
    pipes: z.array(z.object({ open: z.boolean() })),
  }),
  nodes: z.array(
    z.object({
      role: z.string(),
      detail: z.object({
        workerPid: z.number(),
        rtcPort: z.number(),
        bus: z.nullable(
          z.object({
            video: z.array(z.object({ packetCount: z.number() })),
            standby: z.object({ playing: z.boolean(), worstLateMs: z.number() }),
          }),
        ),
      }),
    }),
  ),
});
const debugOf = async ({ origin, studioKey }: TestServer) => {
  const answer = await fetch(`${origin}/api/debug`, { headers: { authorization: `Bearer ${studioKey}` } });
  return debugShape.parse(await answer.json());
};

describe('a server that is told to stop', () => {
  it('[STOP1] takes nobody in, says so, lets requests finish, and ends with code 0', async () => {
    server = await startServer({ data });
    const studio = await joinStudio(server.origin, server.studioKey);
    const viewer = await joinViewer(server.origin, server.showId);
    const late = await connect(server.origin);
    const told = Promise.all([noticeTo(studio), noticeTo(viewer)]);
    // Waits for a picture, so that there is something in work.
    const waiting = refusal(studio.channel.call('goLive', {}));
    const ended = server.stop();
    expect(await told).toEqual([expect.stringContaining('restarted'), expect.stringContaining('restarted')]);
    const health = await fetch(`${server.origin}/healthz`);
    expect([health.status, await health.json()]).toEqual([503, { ok: false, draining: true }]);
    const joining = late.channel.call('join', { as: 'viewer', showId: server.showId, rtpCapabilities: null });
    expect(await refusal(joining)).toBe('draining');
    expect(await Promise.all([studio.closed, viewer.closed])).toEqual(['serverClosing', 'serverClosing']);
    expect(await waiting).toBe('closed');
    expect(await ended).toBe(0);
    expect(server.log()).not.toContain('did not close cleanly');
  });
});

describe('media nodes', () => {
  it('[MEDIA2] [MEDIA6] serve viewers from the origin when the only edge dies and there is no spare', async () => {
    server = await startServer({ data, args: ['--spares', '0'] });
    const { showId } = server;
    const viewer = await join(server.origin, (rtpCapabilities) => ({
      as: 'viewer',
      showId,
      rtpCapabilities,
    }));
    const portOf = (receiving: Receiving | null) => receiving?.transport.iceCandidates[0]?.port;
    const { nodes } = await debugOf(server);
    const node = (role: string) => nodes.find((each) => each.role === role)?.detail;
    expect(portOf(viewer.joined.media)).toBe(node('edge')?.rtcPort);
    const reset = new Promise<{ receiving: Receiving | null }>(
      (resolve) => void viewer.channel.on('mediaReset', resolve),
    );
    process.kill(node('edge')?.workerPid ?? 0, 'SIGKILL');
    const { receiving, ...lost } = await reset;
    expect(lost).toEqual({ receive: true, send: false });
    expect(portOf(receiving)).toBe(node('origin')?.rtcPort);
    expect(receiving?.consumers.map(({ kind }) => kind)).toEqual(['video', 'audio']);
    // Who asks all the same gets another, and the one before is done with.
    const before = receiving?.transport.id ?? '';
    const again = await viewer.channel.call('openReceive', { rtpCapabilities: viewer.capabilities });
    expect(portOf(again)).toBe(node('origin')?.rtcPort);
    expect(again.consumers.map(({ kind }) => kind)).toEqual(['video', 'audio']);
    expect(await refusal(viewer.channel.call('restartIce', { transportId: before }))).toBe('notFound');
    // The edge comes back, and those who come from now on are served by it.
    await expect
      .poll(async () => (server ? (await debugOf(server)).nodes.map(({ role }) => role) : []))
      .toContain('edge');
    viewer.close();
  });
});

/** A node for each part, and the spare joined to both of the others. */
const whole = async (of: TestServer) => {
  await expect
    .poll(async () => {
      const { nodes, placement } = await debugOf(of);
      return [nodes.map(({ role }) => role).toSorted(), placement.pipes.filter(({ open }) => open).length];
    })
    .toEqual([['edge', 'origin', 'spare'], 3]);
  return debugOf(of);
};

describe('an origin whose thread is gone', () => {
  it('[NODE2] [NODE4] [MEDIA6] is the spare at once; viewers receive anew on the transport they have, and it comes back', async () => {
    const crashing = new URL('fixture/crashing-origin.mjs', import.meta.url);
    server = await startServer({ data, env: { NODE_OPTIONS: `--import ${crashing.href}` } });
    const { showId } = server;
    const before = await whole(server);
    const viewer = await join(server.origin, (rtpCapabilities) => ({
      as: 'viewer',
      showId,
      rtpCapabilities,
    }));
    const resets: unknown[] = [];
    viewer.channel.on('mediaReset', (what) => resets.push(what));
    const ended: string[] = [];
    const told = new Promise<void>((resolve) => {
      viewer.channel.on('consumerClosed', ({ consumerId }) => {
        if (ended.push(consumerId) === 2) resolve();
      });
    });
    process.kill(server.pid, 'SIGUSR2');
    await told;
    expect(ended.toSorted()).toEqual(viewer.joined.media?.consumers.map(({ id }) => id).toSorted());
    const { consumers } = await viewer.channel.call('consume', {
      target: { kind: 'program' },
      rtpCapabilities: viewer.capabilities,
    });
    expect(consumers.map(({ kind }) => kind)).toEqual(['video', 'audio']);
    expect(server.log()).toContain('a bug in the origin');

    const after = await whole(server);
    const pidOf = ({ nodes }: typeof before, wanted: string) =>
      nodes.find(({ role }) => role === wanted)?.detail.workerPid;
    expect(pidOf(after, 'origin')).toBe(pidOf(before, 'spare'));
    expect(pidOf(after, 'edge')).toBe(pidOf(before, 'edge'));
    await expect.poll(() => server?.workerPids()).not.toContain(pidOf(before, 'origin'));
    expect(resets).toEqual([]);
    viewer.close();
  });
});

describe('the machine', () => {
  it('[TIME1] may have its clock set an hour on and back: no connection, node or frame is lost', async () => {
    liveShow();
    const stepping = new URL('fixture/stepping-wall-clock.mjs', import.meta.url);
    server = await startServer({ data, env: { NODE_OPTIONS: `--import ${stepping.href}` } });
    const viewer = await joinViewer(server.origin, server.showId);
    const before = await debugOf(server);
    // Clocks are read one after the other, and slewed: an hour, give or take a few milliseconds.
    for (const told of [/"aheadMs":(35999|36000)\d\d\b/, /"aheadMs":-(35999|36000)\d\d\b/]) {
      process.kill(server.pid, 'SIGUSR2');
      await expect.poll(() => server?.log()).toMatch(told);
    }
    const after = await debugOf(server);
    expect(Math.abs(after.wallClockAheadMs + 3_600_000)).toBeLessThan(100);
    expect(after.placement.nodes.map(({ generation }) => generation)).toEqual([1, 1, 1]);
    const bus = (debug: typeof after) => debug.nodes.find(({ role }) => role === 'origin')?.detail.bus;
    expect(bus(after)?.standby.playing).toBe(true);
    // Ten seconds of clip went out, none of it in a hurry.
    expect(bus(after)?.video[0]?.packetCount).toBeGreaterThan(
      (bus(before)?.video[0]?.packetCount ?? 0) + 100,
    );
    expect(bus(after)?.standby.worstLateMs).toBeLessThan(60_000);
    expect(viewer.channel.snapshot().state).toBe('open');
    viewer.close();
  });

  // The limit is a Unix shell's, as in store.test.ts.
  it.skipIf(process.platform === 'win32')(
    '[STORE1] may run out of disk: what cannot be saved is refused in words, the show goes on',
    async () => {
      liveShow();
      server = await startServer({ data, fileBlocks: 300 });
      const studio = await joinStudio(server.origin, server.studioKey);
      const viewer = await joinViewer(server.origin, server.showId);
      let saved = '';
      let failure: unknown;
      for (let n = 0; n < 60 && failure === undefined; n += 1) {
        const title = `${n} ${'x'.repeat(70)}`;
        try {
          await studio.channel.call('setTitle', { title });
          saved = title;
        } catch (error) {
          failure = error;
        }
      }
      expect(failure).toMatchObject({ code: expect.stringMatching(/^store(Full|Failed)$/) });
      expect(failure).toMatchObject({ message: expect.stringMatching(/disk/) });
      // Fans see the last title that was saved, and the show survives a node even though it cannot be noted down.
      const fresh = await joinViewer(server.origin, server.showId);
      expect(fresh.joined.state.title).toBe(saved);
      const { nodes } = await debugOf(server);
      process.kill(nodes.find(({ role }) => role === 'origin')?.detail.workerPid ?? 0, 'SIGKILL');
      await viewer.change((change) => change.kind === 'program' && change.program.source === 'none');
      await expect
        .poll(async () => (server ? (await debugOf(server)).shows.current.program.source : ''))
        .toBe('standby');
      expect(server.log()).toContain('an event of the show could not be kept');
      expect(studio.channel.snapshot().state).toBe('open');
      // Nothing half-written: the next start finds the last title that was saved.
      await server.stop('SIGKILL');
      server = await startServer({ data });
      const again = await joinViewer(server.origin, server.showId);
      expect(again.joined.state).toMatchObject({ title: saved, phase: { kind: 'live' } });
    },
  );

  it('[STORE2] may run a program that holds the database: a moment is waited for, longer is refused and nothing lost', async () => {
    server = await startServer({ data });
    const studio = await joinStudio(server.origin, server.studioKey);
    const other = new DatabaseSync(joinPath(data, 'show.db'));
    other.exec('BEGIN IMMEDIATE');
    const short = studio.channel.call('setTitle', { title: 'A moment later' });
    // The answer to a later request shows that the first is waiting, or has been: either way it must succeed.
    setTimeout(() => other.exec('COMMIT'), 300);
    await short;
    other.exec('BEGIN IMMEDIATE');
    const refused = studio.channel.call('setTitle', { title: 'Never' });
    await expect(refused).rejects.toMatchObject({
      code: 'storeBusy',
      message: expect.stringContaining('Another program'),
    });
    other.exec('COMMIT');
    other.close();
    const viewer = await joinViewer(server.origin, server.showId);
    expect(viewer.joined.state.title).toBe('A moment later');
    await studio.channel.call('setTitle', { title: 'Free again' });
    viewer.close();
  });
});
