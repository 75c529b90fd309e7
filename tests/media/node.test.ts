// Media nodes in real threads, spoken to only through the contract: start, pipes with SRTP, a blocked control
// thread, refusals, a worker that dies, a port that is taken, a clean end.
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { mediaCodecs } from '../../sfu-server/media/media-node.ts';
import { nodeContract, type NodeConfig, type NodeContract } from '../../sfu-server/media/node-api.ts';
import { startNode, type NodeConnection } from '../../sfu-server/nodes.ts';
import type { ClientEnd, Clock } from '../../sfu-server/protocol/channel.ts';
import { clipFiles, watchFor } from './stand-ins.ts';

const entry = new URL('../../sfu-server/media/node.ts', import.meta.url);
const workerBin = process.env['MEDIASOUP_WORKER_BIN'];
const clock: Clock = {
  now: () => Date.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

const config = (role: NodeConfig['role'], extra: Partial<NodeConfig> = {}): NodeConfig => ({
  name: role,
  role,
  listenIp: '127.0.0.1',
  announcedAddress: '127.0.0.1',
  rtcPort: 0,
  program: { codec: 'VP8', layers: 2 },
  standbyFiles: role === 'origin' ? clipFiles('VP8') : [],
  ...(workerBin === undefined ? {} : { workerBin }),
  logLevel: 'error',
  ...extra,
});

const start = (nodeConfig: NodeConfig, entryOfThread = entry): NodeConnection => {
  const node = startNode({
    name: nodeConfig.name,
    config: () => nodeConfig,
    entry: entryOfThread,
    clock,
    log: { info: () => {}, error: () => {} },
  });
  open.push(node);
  return node;
};

type Up = { end: ClientEnd<NodeContract>; workerPid: number; rtcPort: number; generation: number };
const whenUp = (node: NodeConnection, generation = 1): Promise<Up> =>
  new Promise((resolve, reject) => {
    const look = () => {
      const state = node.state();
      if (state.kind === 'up' && state.generation >= generation)
        resolve({ end: state.end, generation: state.generation, ...state.ready });
      if (state.kind === 'down' && generation === 1) reject(new Error(state.reason));
      // Nobody stands in for it.
      if (state.kind === 'down') node.hurry();
    };
    node.onState(look);
    look();
  });

const event = (end: ClientEnd<NodeContract>, name: 'program' | 'workerDied') =>
  new Promise<unknown>((resolve) => {
    const stop = end.on(name, (payload) => {
      stop();
      resolve(payload);
    });
  });

/** The thread of listener-thread.mjs as typed calls. */
const addressShape = nodeContract.requests.openPipe.result;
const streamShape = z.object({ packets: z.number(), worstGapMs: z.number() });
const readShape = z.object({ audio: streamShape, video: streamShape });
const startListener = async () => {
  const thread = new Worker(new URL('listener-thread.mjs', import.meta.url), {
    workerData: { workerBin, mediaCodecs },
  });
  let nextId = 1;
  const answer = (id: number) =>
    new Promise<unknown>((resolve, reject) => {
      thread.once('error', reject);
      const listen = (message: { id: number; result: unknown }) => {
        if (message.id !== id) return;
        thread.off('message', listen);
        resolve(message.result);
      };
      thread.on('message', listen);
    });
  const call = (name: string, params: object = {}) => {
    const id = nextId++;
    const result = answer(id);
    thread.postMessage({ id, name, params });
    return result;
  };
  await answer(0);
  const exited = new Promise((resolve) => void thread.once('exit', resolve));
  open.push({ close: () => call('close').then(() => exited) });
  return {
    call,
    address: async () => z.parse(addressShape, await call('address')),
    read: async () => z.parse(readShape, await call('read')),
  };
};

describe('media nodes in threads', () => {
  it('[NODE1] carry the program through pipes, and a control thread blocked for a second is not seen', async () => {
    const [origin, edge, listener] = await Promise.all([
      whenUp(start(config('origin'))),
      whenUp(start(config('edge'))),
      startListener(),
    ]);
    // origin → edge
    const [atOrigin, atEdge] = await Promise.all(
      [origin, edge].map(({ end }) => end.call('openPipe', { pipeId: 'between' })),
    );
    if (!atOrigin || !atEdge) throw new Error('no pipes');
    await origin.end.call('connectPipe', { pipeId: 'between', ...atEdge });
    await edge.end.call('connectPipe', { pipeId: 'between', ...atOrigin });
    const { producers } = await origin.end.call('sendProgram', { pipeId: 'between' });
    await edge.end.call('receiveProgram', { pipeId: 'between', producers });
    await edge.end.call('useProgram', { pipeId: 'between' });
    // edge → listener, as if it were one more edge
    const out = await edge.end.call('openPipe', { pipeId: 'out' });
    await edge.end.call('connectPipe', { pipeId: 'out', ...(await listener.address()) });
    await listener.call('connect', out);
    await listener.call('receive', await edge.end.call('sendProgram', { pipeId: 'out' }));

    const shown = event(origin.end, 'program');
    await origin.end.call('setOnAir', { onAir: true });
    expect(await shown).toEqual({ source: 'standby', reason: 'studioClosed' });
    await watchFor(500);

    await listener.call('reset');
    await watchFor(600);
    const calm = await listener.read();
    await listener.call('reset');
    const blockedUntilMs = performance.now() + 1_000;
    while (performance.now() < blockedUntilMs);
    const blocked = await listener.read();
    console.log(
      `worst audio gap at the far end: ${calm.audio.worstGapMs.toFixed(0)} ms calm, ${blocked.audio.worstGapMs.toFixed(0)} ms while control was blocked for 1000 ms`,
    );
    // Fifty and thirty were sent. What goes through the control thread would have come at its end, all at once.
    expect(blocked.audio.packets).toBeGreaterThan(25);
    expect(blocked.video.packets).toBeGreaterThan(15);
    expect(blocked.audio.worstGapMs).toBeLessThan(600);

    const inspected = await origin.end.call('inspect', {});
    expect(inspected.workerCpuMs).toBeGreaterThan(0);
    expect(inspected.ingest).toBeNull();
  });

  it('[NODE3] refuse what is not there with a sentence, and close twice without complaint', async () => {
    const { end } = await whenUp(start(config('edge')));
    const { id: transportId } = await end.call('openTransport', {
      participantId: 'p',
      maxIncomingBitrate: 3_000_000,
    });
    const asking = { transportId, producerIds: [], rtpCapabilities: { codecs: [], headerExtensions: [] } };
    await expect(end.call('consume', { ...asking, program: 'both' })).rejects.toMatchObject({
      code: 'mediaUnavailable',
    });
    await expect(end.call('setOnAir', { onAir: true })).rejects.toMatchObject({ code: 'mediaUnavailable' });
    await expect(end.call('restartIce', { transportId: 'gone' })).rejects.toMatchObject({ code: 'notFound' });
    const rtpParameters = {
      codecs: [{ mimeType: 'video/AV1', payloadType: 99, clockRate: 90_000 }],
      encodings: [{ ssrc: 1 }],
    };
    await expect(end.call('produce', { transportId, kind: 'video', rtpParameters })).rejects.toMatchObject({
      code: 'invalidParams',
    });
    await end.call('closeTransport', { transportId });
    await end.call('closeTransport', { transportId });
    expect(await end.call('inspect', {})).toMatchObject({ transports: 0 });
  });

  it('[NODE2] end when their mediasoup worker dies or hangs, and come back', async () => {
    const node = start(config('origin'));
    const first = await whenUp(node);
    const died = event(first.end, 'workerDied');
    process.kill(first.workerPid, 'SIGKILL');
    await died;
    const second = await whenUp(node, 2);
    expect(second.workerPid).not.toBe(first.workerPid);
    await second.end.call('setOnAir', { onAir: true });

    process.kill(second.workerPid, 'SIGSTOP');
    const third = await whenUp(node, 3);
    expect(isRunning(second.workerPid)).toBe(false);
    expect(await third.end.call('inspect', {})).toMatchObject({ transports: 0 });
  });

  it('[NODE2] whose thread is gone take their mediasoup worker with them, and come back', async () => {
    const crashes = new BroadcastChannel('crash-node');
    open.push(crashes);
    const node = start(config('edge'), new URL('fixture/crashing-node.mjs', import.meta.url));
    const first = await whenUp(node);
    const down = new Promise<string>((resolve) =>
      node.onState((state) => {
        if (state.kind === 'down') resolve(state.reason);
      }),
    );
    crashes.postMessage('now');
    expect(await down).toContain('a bug in the node');
    const second = await whenUp(node, 2);
    expect(second.workerPid).not.toBe(first.workerPid);
    await expect.poll(() => isRunning(first.workerPid)).toBe(false);
  });

  it('say which port is taken, and which clip cannot be used', async () => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => void socket.bind(0, '127.0.0.1', () => resolve()));
    const { port } = socket.address();
    try {
      await expect(whenUp(start(config('edge', { rtcPort: port })))).rejects.toThrow(
        new RegExp(`cannot use port ${port} .*choose other ports`),
      );
    } finally {
      socket.close();
    }
    await expect(whenUp(start(config('origin', { standbyFiles: clipFiles('H264') })))).rejects.toThrow(
      /needs VP8/,
    );
  });

  it('end cleanly when told to, with their worker', async () => {
    const node = start(config('origin'));
    const { workerPid } = await whenUp(node);
    await node.close();
    expect(node.state().kind).toBe('closed');
    await expect.poll(() => isRunning(workerPid), { interval: 20 }).toBe(false);
  });
});

/** Not so for one that has ended and only waits for its parent to take note. */
const isRunning = (pid: number): boolean => {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() !== '' && !stdout.trim().startsWith('Z');
};
