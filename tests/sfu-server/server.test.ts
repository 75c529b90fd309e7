// The server as a process, over real sockets: doors and keys, what each role may not do, what survives a restart, bad starts.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { WebSocket } from 'ws';
import { strangerLimits } from '../../sfu-server/protocol/channel.ts';
import { AppError, closeCodes } from '../../sfu-server/protocol/errors.ts';
import {
  showContract,
  type ConsumeTarget,
  type ProducerUse,
  type ShowParamsInput,
  type ShowRequest,
} from '../../sfu-server/protocol/messages.ts';
import type { Role } from '../../sfu-server/protocol/state.ts';
import {
  connect,
  join,
  joinGuest,
  joinStudio,
  joinViewer,
  refusal,
  type JoinedClient,
  type TestClient,
} from '../support/client.ts';
import { startServer, type TestServer } from '../support/server.ts';

const tee = { name: 'Night tee', priceMinor: 2500, currency: 'EUR', stockTotal: 50, pictureUrl: null };

let server: TestServer;
let studio: JoinedClient;
beforeAll(async () => {
  server = await startServer({ args: ['--log-level', 'warn'] });
  studio = await joinStudio(server.origin, server.studioKey);
});
afterAll(async () => {
  studio.close();
  await server.close();
});

const closing = (socket: WebSocket): Promise<number> =>
  new Promise((resolve) => void socket.once('close', (code) => resolve(code)));

describe('doors', () => {
  it('[JOIN2] opens nothing for a wrong key, and closes on the fifth guess', async () => {
    const client = await connect(server.origin);
    const guess = () =>
      refusal(client.channel.call('join', { as: 'studio', key: 'x'.repeat(32), rtpCapabilities: {} }));
    for (let n = 0; n < 4; n += 1) expect(await guess()).toBe('badToken');
    await guess();
    expect(await client.closed).toBe('flood');
    const stranger = { as: 'viewer', showId: 'no-such-show', rtpCapabilities: null } as const;
    expect(await refusal(join(server.origin, () => stranger))).toBe('noShow');
  });

  it('[CH2] tells an old page to reload', async () => {
    const socket = new WebSocket(`${server.origin.replace('http', 'ws')}/socket`);
    socket.once('open', () => socket.send(JSON.stringify({ hello: showContract.name, v: 0 })));
    expect(await closing(socket)).toBe(closeCodes.version.code);
  });

  it('lets no page of another origin speak to it', async () => {
    await expect(connect(server.origin, { origin: 'https://evil.example' })).rejects.toThrow(/40[13]/);
    const own = await connect(server.origin, { origin: server.origin });
    own.close();
  });

  it('keeps the studio key in a file of its owner alone, and out of the log', async () => {
    const { mode } = await stat(joinPath(server.data, 'studio.key'));
    expect(mode & 0o777).toBe(0o600);
    expect(server.studioKey.length).toBeGreaterThanOrEqual(32);
    expect(server.log()).not.toContain(server.studioKey);
    expect(new URL(server.studioUrl).pathname + new URL(server.studioUrl).search).not.toContain(
      server.studioKey,
    );
  });

  it('shows debug and metrics to the studio only, and health to all', async () => {
    const get = (path: string, key?: string) =>
      fetch(`${server.origin}${path}`, {
        headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
      });
    expect((await get('/healthz')).status).toBe(200);
    for (const path of ['/api/debug', '/metrics']) {
      expect((await get(path)).status).toBe(401);
      expect((await get(path, 'guess')).status).toBe(401);
      expect((await get(path, server.studioKey)).status).toBe(200);
    }
    const debug: unknown = await (await get('/api/debug', server.studioKey)).json();
    // A spare comes beside them when it is ready.
    expect(debug).toMatchObject({
      nodes: expect.arrayContaining([
        expect.objectContaining({ role: 'origin' }),
        expect.objectContaining({ role: 'edge' }),
      ]),
      shows: { current: {} },
    });
    const page = await get('/no/such/page');
    expect([page.status, await page.json()]).toEqual([
      404,
      { code: 'notFound', message: 'There is no such page.' },
    ]);
  });

  it('[RECORD3] lists and hands out recordings, whole or in part, to the studio only', async () => {
    const folder = joinPath(server.data, 'recordings');
    await mkdir(folder, { recursive: true });
    await writeFile(joinPath(folder, 'show-20260101T200000Z.webm'), '0123456789');
    await writeFile(joinPath(folder, 'notes.txt'), 'not a recording');
    const get = (path: string, headers: Record<string, string> = {}) =>
      fetch(`${server.origin}/api/recordings${path}`, { headers });
    const authorization = `Bearer ${server.studioKey}`;
    const file = '/show-20260101T200000Z.webm';
    for (const path of ['', file]) expect((await get(path)).status).toBe(401);
    expect(await (await get('', { authorization })).json()).toMatchObject({
      recordings: [{ name: 'show-20260101T200000Z.webm', bytes: 10 }],
    });
    const whole = await get(file, { authorization });
    expect([whole.status, await whole.text()]).toEqual([200, '0123456789']);
    const part = await get(file, { authorization, range: 'bytes=3-5' });
    expect([part.status, await part.text()]).toEqual([206, '345']);
    for (const path of ['/notes.txt', '/no-such.webm', '/..%2Fshow.db', '/..%2Fstudio.key']) {
      expect((await get(path, { authorization })).status).toBe(404);
    }
  });

  it('[RECORD4] gives the studio a ticket with which a plain download link opens one recording, once', async () => {
    const folder = joinPath(server.data, 'recordings');
    await mkdir(folder, { recursive: true });
    const [name, other] = ['show-20260101T210000Z.webm', 'show-20260101T220000Z.webm'];
    for (const each of [name, other]) await writeFile(joinPath(folder, each), each);
    const at = (path: string) => `${server.origin}/api/recordings/${path}`;
    const ask = (of: string, authorization: string) =>
      fetch(at(`${of}/ticket`), { method: 'POST', headers: { authorization } });
    expect((await ask(name, 'Bearer guess')).status).toBe(401);
    expect((await ask('no-such.webm', `Bearer ${server.studioKey}`)).status).toBe(404);
    const ticket = async () => {
      const answer: unknown = await (await ask(name, `Bearer ${server.studioKey}`)).json();
      return z.object({ ticket: z.string() }).parse(answer).ticket;
    };
    const first = await ticket();
    const given = await fetch(at(`${name}?ticket=${first}`));
    expect([given.status, await given.text()]).toEqual([200, name]);
    expect((await fetch(at(`${name}?ticket=${first}`))).status).toBe(401);
    expect((await fetch(at(`${other}?ticket=${await ticket()}`))).status).toBe(401);
  });
});

describe('strangers', () => {
  const { name: hello, version: v } = showContract;
  const names = fc.oneof(fc.constantFrom(...Object.keys(showContract.requests), '__proto__'), fc.string());
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 2_000 }),
    fc.string({ unit: 'binary', maxLength: 2_000 }),
    fc.json(),
    fc
      .record({ q: fc.oneof(fc.nat(), fc.jsonValue()), m: names, p: fc.jsonValue() })
      .map((each) => JSON.stringify(each)),
    fc
      .record({ hello: fc.constantFrom(hello, 'toast'), v: fc.integer() })
      .map((each) => JSON.stringify(each)),
    // More than the channel takes, and more than the socket does.
    fc.constantFrom('tooLong' as const, 'tooBig' as const),
  );
  const tooLong = 'x'.repeat(strangerLimits.maxMessageChars + 1);
  const tooBig = 'x'.repeat(strangerLimits.maxMessageChars * 4 + 1);
  /** WebSocket's own (RFC 6455 §7.4.1) for what is no message at all, and ours. */
  const closings = [1002, 1007, 1009, ...Object.values(closeCodes).map(({ code }): number => code)];

  it('[CH3] send any bytes, as text or binary: an answer or a close, and nobody else notices', async () => {
    const fan = await joinViewer(server.origin, server.showId);
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(frame, { maxLength: 12 }), async (greets, frames) => {
        const socket = new WebSocket(`${server.origin.replace('http', 'ws')}/socket`);
        const replies: unknown[] = [];
        socket.on('message', (data: Buffer) => replies.push(JSON.parse(data.toString('utf8'))));
        const code = closing(socket);
        // A far end that has closed reads no more: what is still being sent then fails, and the close says so.
        socket.on('error', () => {});
        await new Promise<void>((resolve) => void socket.once('open', () => resolve()));
        if (greets) socket.send(JSON.stringify({ hello, v }));
        for (const each of frames)
          socket.send(each === 'tooLong' ? tooLong : each === 'tooBig' ? tooBig : each);
        // A ping is answered when all before it was read; a goodbye when the far end has not closed before.
        socket.ping();
        await Promise.race([code, new Promise((resolve) => void socket.once('pong', resolve))]);
        socket.close(1000);
        // Cut off while it still sends, which only the largest take long enough for.
        const cut = frames.includes('tooBig') || frames.includes('tooLong') ? [1006] : [];
        expect([1000, ...closings, ...cut]).toContain(await code);
        for (const reply of replies) expect(reply).toBeTypeOf('object');
      }),
      { numRuns: 100 },
    );
    expect(server.log()).not.toMatch(/by a bug|"level":60/);
    await studio.channel.call('setTitle', { title: 'Still here' });
    await fan.change((change) => change.kind === 'title' && change.title === 'Still here');
    fan.close();
  });
});

describe('a server with a certificate', () => {
  it('opens its studio under the name on the certificate, by https and wss', async () => {
    const folder = await mkdtemp(joinPath(tmpdir(), 'live-drop-tls-'));
    const [cert, key] = [joinPath(folder, 'cert.pem'), joinPath(folder, 'key.pem')];
    const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-out', cert];
    await promisify(execFile)('openssl', ['req', '-x509', '-days', '2', ...name, ...made, '-keyout', key]);
    const args = [
      '--public-address=localhost',
      '--edges=1',
      '--spares=0',
      `--tls-cert=${cert}`,
      `--tls-key=${key}`,
    ];
    const safe = await startServer({ args });
    try {
      const ca = await readFile(cert, 'utf8');
      const { origin } = new URL(safe.studioUrl);
      expect(origin).toBe(`https://localhost:${new URL(safe.origin).port}`);
      expect(safe.viewerUrl).toBe(`${origin}/watch/${safe.showId}`);
      const status = await new Promise((resolve, reject) => {
        const asked = get(`${origin}/studio`, { ca }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        asked.once('error', reject);
      });
      expect(status).toBe(200);
      const client = await connect(origin, { origin }, ca);
      const { capabilities: rtpCapabilities } = client;
      const joined = await client.channel.call('join', {
        as: 'studio',
        key: safe.studioKey,
        rtpCapabilities,
      });
      expect(joined).toMatchObject({ publicOrigin: origin, sameMachine: true });
      client.close();
    } finally {
      await safe.close();
      await rm(folder, { recursive: true });
    }
  });
});

describe('roles', () => {
  // Anything will do: the role is looked at before the params.
  const anyParams = JSON.parse('{}');
  const requests = Object.entries(showContract.requests).map(([name, { from }]) => {
    const allowed: readonly string[] = from;
    return { name, allowed };
  });
  const isRequest = (name: string): name is ShowRequest => Object.hasOwn(showContract.requests, name);

  // A role that is added to the table has to be let in here before this file compiles.
  const enter: Record<Role | 'anonymous', () => Promise<TestClient>> = {
    anonymous: () => connect(server.origin),
    viewer: () => joinViewer(server.origin, server.showId),
    cohost: async () => {
      const { token } = await studio.channel.call('inviteGuest', { name: 'Ada' });
      return joinGuest(server.origin, token);
    },
    crew: async () => {
      const { token } = await studio.channel.call('inviteCrew', { name: 'Bo' });
      return join(server.origin, () => ({ as: 'crew', token }));
    },
    studio: async () => studio,
  };
  const everybodyOut = async () => {
    const { guests, crew } = (await joinStudioAnew()).joined.state;
    for (const { id } of guests) await studio.channel.call('revokeGuest', { guestId: id });
    for (const { id } of crew) await studio.channel.call('revokeCrew', { crewId: id });
  };
  /** With the state as it is now. */
  const joinStudioAnew = async () => {
    studio = await joinStudio(server.origin, server.studioKey);
    return studio;
  };

  it.each(Object.entries(enter))('[CH6] refuses a %s all that is not theirs', async (role, enterAs) => {
    expect(requests.flatMap(({ allowed }) => allowed).filter((each) => !Object.hasOwn(enter, each))).toEqual(
      [],
    );
    const forbidden = requests.filter(({ allowed }) => !allowed.includes(role)).map(({ name }) => name);
    expect(forbidden.length).toBeGreaterThan(0);
    const asked = forbidden.filter(isRequest);
    // A connection that asks more than its burst at once is closed as a flood, which is not what is asked here.
    const perConnection = strangerLimits.burst / 2;
    for (let from = 0; from < asked.length; from += perConnection) {
      const client = await enterAs();
      for (const name of asked.slice(from, from + perConnection)) {
        expect([name, await refusal(client.channel.call(name, anyParams))]).toEqual([name, 'forbidden']);
      }
      if (client !== studio) client.close();
    }
    await everybodyOut();
  });

  it('[MEDIA3] [MEDIA9] lets a page send and receive only what its role has, use by use and target by target', async () => {
    const ada = await studio.channel.call('inviteGuest', { name: 'Ada' });
    const pages = {
      studio,
      cohost: await joinGuest(server.origin, ada.token),
      viewer: await join(server.origin, (rtpCapabilities) => ({
        as: 'viewer',
        showId: server.showId,
        rtpCapabilities,
      })),
    };
    const guestId = ada.guest.id;
    const sourceId = 'cam';
    const targets: Record<
      ConsumeTarget['kind'],
      { target: ShowParamsInput<'consume'>['target']; by: (keyof typeof pages)[] }
    > = {
      program: { target: { kind: 'program' }, by: ['studio', 'cohost', 'viewer'] },
      guest: { target: { kind: 'guest', guestId }, by: ['studio'] },
      mixMinus: { target: { kind: 'mixMinus' }, by: ['cohost'] },
      rehearsal: { target: { kind: 'rehearsal' }, by: ['studio'] },
      encoder: { target: { kind: 'encoder', sourceId }, by: ['studio'] },
    };
    const codecs = {
      audio: { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 },
      video: { mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000 },
    };
    const uses: Record<ProducerUse['kind'], { use: ShowParamsInput<'produce'>['use']; by: string[] }> = {
      program: { use: { kind: 'program' }, by: ['studio audio', 'studio video'] },
      guest: { use: { kind: 'guest' }, by: ['cohost audio', 'cohost video'] },
      mixMinus: { use: { kind: 'mixMinus', guestId }, by: ['studio audio'] },
      loop: { use: { kind: 'loop' }, by: ['studio video'] },
    };
    /** What is allowed may still not be there, as a mix that nobody makes. */
    const outcome = async (asked: Promise<unknown>) => {
      try {
        await asked;
        return 'allowed';
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        return error.code === 'notFound' ? 'allowed' : error.code;
      }
    };
    const expected = (may: boolean) => (may ? 'allowed' : 'forbidden');
    let ssrc = 0;
    for (const [role, page] of Object.entries(pages)) {
      const { capabilities: rtpCapabilities } = page;
      for (const [kind, { target, by }] of Object.entries(targets)) {
        const got = await outcome(page.channel.call('consume', { target, rtpCapabilities }));
        expect([role, kind, got]).toEqual([role, kind, expected(by.some((each) => each === role))]);
      }
      if (page === pages.viewer) continue;
      const { id: transportId } = await page.channel.call('openSend', {});
      for (const [name, { use, by }] of Object.entries(uses)) {
        for (const kind of ['audio', 'video'] as const) {
          ssrc += 1;
          const rtpParameters = { codecs: [codecs[kind]], encodings: [{ ssrc }] };
          const produced = outcome(page.channel.call('produce', { transportId, kind, rtpParameters, use }));
          expect([role, name, kind, await produced]).toEqual([
            role,
            name,
            kind,
            expected(by.includes(`${role} ${kind}`)),
          ]);
        }
      }
    }
    pages.viewer.close();
    await everybodyOut();
  });

  it('[MEDIA1] [MEDIA3] gives nobody the transports of another, nor a use that is not theirs', async () => {
    const { token } = await studio.channel.call('inviteGuest', { name: 'Ben' });
    const guest = await joinGuest(server.origin, token);
    const { id: transportId } = await studio.channel.call('openSend', {});
    expect(await refusal(guest.channel.call('restartIce', { transportId }))).toBe('notFound');
    const own = await guest.channel.call('openSend', {});
    const rtpParameters = {
      codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }],
      encodings: [{ ssrc: 1234 }],
    };
    const produce = (use: { kind: 'program' } | { kind: 'guest' }) =>
      guest.channel.call('produce', { transportId: own.id, kind: 'audio', rtpParameters, use });
    expect(await refusal(produce({ kind: 'program' }))).toBe('forbidden');
    const { producerId } = await produce({ kind: 'guest' });
    expect(await refusal(studio.channel.call('closeProducer', { producerId }))).toBe('notFound');
    guest.close();
  });

  it('[MEDIA9] lets a viewer receive the program anew, nothing else and not without end', async () => {
    const { guest, token } = await studio.channel.call('inviteGuest', { name: 'Dora' });
    const viewer = await join(server.origin, (rtpCapabilities) => ({
      as: 'viewer',
      showId: server.showId,
      rtpCapabilities,
    }));
    const { capabilities: rtpCapabilities } = viewer;
    const anew = () => viewer.channel.call('consume', { target: { kind: 'program' }, rtpCapabilities });
    expect((await anew()).consumers.map(({ kind }) => kind).toSorted()).toEqual(['audio', 'video']);
    for (const target of [{ kind: 'guest', guestId: guest.id }, { kind: 'mixMinus' }] as const) {
      expect(await refusal(viewer.channel.call('consume', { target, rtpCapabilities }))).toBe('forbidden');
    }
    // Two came with the join, two just now: forty is all a page may have.
    for (let n = 0; n < 18; n += 1) await anew();
    expect(await refusal(anew())).toBe('limit');
    viewer.close();

    // A sender whose path does not come back opens one after the other; the oldest go.
    const sender = await joinGuest(server.origin, token);
    for (let n = 0; n < 10; n += 1) await sender.channel.call('openSend', {});
    sender.close();
    await studio.channel.call('revokeGuest', { guestId: guest.id });
  });

  it('[JOIN3] [GUEST1] shuts out a revoked or renewed link, and whoever is in by it', async () => {
    const invited = await studio.channel.call('inviteGuest', { name: 'Cleo' });
    const guest = await joinGuest(server.origin, invited.token);
    const { token } = await studio.channel.call('renewGuestLink', { guestId: invited.guest.id });
    expect(await guest.closed).toBe('revoked');
    expect(await refusal(joinGuest(server.origin, invited.token))).toBe('badToken');
    const again = await joinGuest(server.origin, token);
    expect(again.joined.guestId).toBe(invited.guest.id);
    await studio.channel.call('setScene', {
      scene: { picture: null, guestIds: [invited.guest.id], lowerThird: null, qrVisible: true },
    });
    await studio.channel.call('revokeGuest', { guestId: invited.guest.id });
    expect(await again.closed).toBe('revoked');
    expect(await refusal(joinGuest(server.origin, token))).toBe('revoked');
    await studio.change((change) => change.kind === 'scene' && change.scene.guestIds.length === 0);
  });

  it('[JOIN4] puts a page that comes back in the place of the one that was there', async () => {
    const first = await joinViewer(server.origin, server.showId);
    const second = await joinViewer(server.origin, server.showId, first.joined.resumeToken);
    expect(await first.closed).toBe('replaced');
    second.close();
    const other = await joinStudio(server.origin, server.studioKey);
    expect(await studio.closed).toBe('replaced');
    studio = other;
  });

  it('[STATE2] tells a viewer nothing of guests and scene', async () => {
    const viewer = await joinViewer(server.origin, server.showId);
    expect(viewer.joined.state).toMatchObject({ guests: [], studio: 'absent' });
    const { guest } = await studio.channel.call('inviteGuest', { name: 'Dora' });
    await studio.channel.call('setTitle', { title: 'After the guest' });
    await viewer.change((change) => change.kind === 'title');
    expect(viewer.changes.map(({ kind }) => kind)).not.toContain('guest');
    await studio.channel.call('revokeGuest', { guestId: guest.id });
    viewer.close();
  });
});

describe('show', () => {
  it('[SHOW1] does not go live without a picture, and says why', async () => {
    await expect(studio.channel.call('goLive', {})).rejects.toThrow(/no picture from the studio yet/);
    expect(await refusal(studio.channel.call('endShow', {}))).toBe('wrongPhase');
  });

  it('[SHOP2] pushes every change of stock, and refuses what is not there', async () => {
    const viewer = await joinViewer(server.origin, server.showId);
    const { productId } = await studio.channel.call('setProduct', tee);
    await studio.channel.call('recordSale', { productId, quantity: 48 });
    await viewer.change((change) => change.kind === 'stock' && change.products[0]?.stock.left === 2);
    expect(await refusal(studio.channel.call('recordSale', { productId, quantity: 3 }))).toBe('limit');
    expect(await refusal(studio.channel.call('recordSale', { productId, quantity: -49 }))).toBe('limit');
    expect(await refusal(studio.channel.call('setProduct', { ...tee, stockTotal: 47 }))).toBe('limit');
    const bad = JSON.parse(
      '{"name":" ","priceMinor":-1,"currency":"euro","stockTotal":1.5,"pictureUrl":"http://evil"}',
    );
    expect(await refusal(studio.channel.call('setProduct', bad))).toBe('invalidParams');
    const fresh = await joinViewer(server.origin, server.showId);
    expect(fresh.joined.state.products[0]?.stock).toMatchObject({ total: 50, sold: 48, left: 2 });
    viewer.close();
    fresh.close();
  });
});

describe('process', () => {
  it('[SHOW5] comes back with title, product, stock and links after it was killed', async () => {
    const data = await mkdtemp(joinPath(tmpdir(), 'live-drop-restart-'));
    const before = await startServer({ data });
    const director = await joinStudio(before.origin, before.studioKey);
    await director.channel.call('setTitle', { title: 'Alley at night' });
    const { productId } = await director.channel.call('setProduct', tee);
    await director.channel.call('recordSale', { productId, quantity: 8 });
    const { token, guest } = await director.channel.call('inviteGuest', { name: 'Ada' });
    await before.stop('SIGKILL');
    expect(await director.closed).toBe('lost');

    const after = await startServer({ data });
    expect(after.studioKey).toBe(before.studioKey);
    expect(after.showId).toBe(before.showId);
    const viewer = await joinViewer(after.origin, after.showId);
    expect(viewer.joined.state).toMatchObject({
      title: 'Alley at night',
      products: [{ stock: { left: 42, sold: 8 } }],
      featuredProductId: productId,
    });
    const ada = await joinGuest(after.origin, token);
    expect(ada.joined.guestId).toBe(guest.id);
    viewer.close();
    ada.close();
    expect(await after.stop()).toBe(0);
    await rm(data, { recursive: true, force: true });
  });

  const main = fileURLToPath(new URL('../../dist/server.mjs', import.meta.url));
  const failedStart = (args: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile(process.execPath, [main, ...args], { timeout: 120_000 }, (error, _stdout, stderr) => {
        if (error) resolve(stderr);
        else reject(new Error('It started.'));
      });
    });

  it('says in a sentence what is wrong with a busy port, a wrong flag and a broken standby clip', async () => {
    const data = await mkdtemp(joinPath(tmpdir(), 'live-drop-bad-start-'));
    const taken = createServer();
    await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', () => resolve()));
    const address = taken.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const common = ['--data', data, '--announced-address', '127.0.0.1', '--log-level', 'silent'];
    expect(await failedStart([...common, '--port', String(port)])).toContain(
      `Port ${port} is used by another program. Close it, or start with --port and another number.`,
    );
    taken.close();
    expect(await failedStart(['--port', 'eleven'])).toMatch(/The setting --port is not valid/);
    expect(await failedStart(['--colour', 'red'])).toMatch(/Known flags: .*--port/);
    expect(await failedStart(['--tls-cert', 'x.pem'])).toMatch(/both --tls-cert and --tls-key/);
    const noClip = await failedStart([...common, '--port', '0', '--assets', data]);
    expect(noClip).toMatch(/The video server \(node-0\) does not start: The standby clip lo\.webm/);
    await rm(data, { recursive: true, force: true });
  });
});
