// The channel over an in-memory pair: handshake, validation, roles, limits, time-outs, and whatever bytes a stranger sends.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import {
  connectChannel,
  serveChannel,
  silenceMs,
  strangerLimits,
  type Handlers,
  type Limits,
  type Wire,
} from '../../sfu-server/protocol/channel.ts';
import { AppError, closeCodes, type CloseReason } from '../../sfu-server/protocol/errors.ts';
import { fakeClock, settled, wirePair } from '../support/wires.ts';

const contract = {
  name: 'test',
  version: 3,
  requests: {
    add: {
      from: ['adult', 'child'],
      params: z.object({ a: z.number(), b: z.number() }),
      result: z.object({ sum: z.number() }),
    },
    drive: { from: ['adult'], params: z.object({ km: z.number() }), result: z.object({}) },
    fail: { from: ['child'], params: z.object({ how: z.enum(['expected', 'bug']) }), result: z.object({}) },
    never: { from: ['child'], params: z.object({}), result: z.object({}), timeoutMs: 700 },
    lie: { from: ['child'], params: z.object({}), result: z.object({ truth: z.literal(true) }) },
  },
  events: { news: z.object({ text: z.string() }) },
} as const;

const setUp = (limits?: Partial<Limits>, wires = wirePair()) => {
  const clock = fakeClock();
  const bugs: unknown[] = [];
  let driven = 0;
  const handlers: Handlers<typeof contract> = {
    add: ({ a, b }) => ({ sum: a + b }),
    drive: () => {
      driven += 1;
      return {};
    },
    fail: ({ how }) => {
      throw how === 'expected' ? new AppError('limit', 'Too many apples.') : new TypeError('secret detail');
    },
    never: () => new Promise<never>(() => {}),
    // A server that breaks its own contract, as an old one might.
    lie: () => JSON.parse('{"truth":false}'),
  };
  const server = serveChannel({
    contract,
    wire: wires.server,
    clock,
    handlers,
    role: () => 'child',
    limits: { ...strangerLimits, ...limits },
    onBug: (error) => bugs.push(error),
  });
  const endings: CloseReason[] = [];
  server.onClose((reason) => endings.push(reason));
  return { clock, bugs, server, wires, endings, driven: () => driven };
};

const withClient = (limits?: Partial<Limits>) => {
  const all = setUp(limits);
  const violations: string[] = [];
  const client = connectChannel({
    contract,
    wire: all.wires.client,
    clock: all.clock,
    onViolation: (what) => violations.push(what),
  });
  return { ...all, client, violations };
};

const failure = async (promise: Promise<unknown>): Promise<AppError> => {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('expected a failure');
};

describe('handshake', () => {
  it('[CH1] answers requests that travel right behind the hello', async () => {
    const { client } = withClient();
    expect(await client.call('add', { a: 2, b: 3 })).toEqual({ sum: 5 });
    expect(client.snapshot()).toMatchObject({ state: 'open', pending: 0 });
  });

  it('[CH1] closes on a request before the hello, and on silence', async () => {
    const early = setUp();
    early.wires.client.send(JSON.stringify({ q: 1, m: 'add', p: { a: 1, b: 1 } }));
    await settled();
    expect(early.wires.client.closedWith()).toBe(closeCodes.malformed.code);

    const silent = setUp();
    silent.clock.advance(strangerLimits.handshakeTimeoutMs + 1);
    await settled();
    expect(silent.wires.client.closedWith()).toBe(closeCodes.handshakeTimeout.code);
    expect(silent.endings).toEqual(['handshakeTimeout']);
    expect(silent.clock.pending()).toBe(0);
  });

  it.each([
    ['an older version', { hello: 'test', v: 2 }],
    ['another contract', { hello: 'toast', v: 3 }],
  ])('[CH2] refuses %s so that the page can say "reload"', async (_, hello) => {
    const { wires } = setUp();
    wires.client.send(JSON.stringify(hello));
    await settled();
    expect(wires.client.closedWith()).toBe(closeCodes.version.code);
  });
});

describe('requests', () => {
  it('[CH5] names the field that is wrong and keeps the connection', async () => {
    const { client, wires } = withClient();
    const params = JSON.parse('{"a":"two","b":3}');
    const error = await failure(client.call('add', params));
    expect(error.code).toBe('invalidParams');
    expect(error.message).toMatch(/^a: /);
    expect(await client.call('add', { a: 1, b: 1 })).toEqual({ sum: 2 });

    wires.client.send(JSON.stringify({ q: 99, m: 'constructor', p: {} }));
    wires.client.send(JSON.stringify({ q: 100, m: '__proto__', p: {} }));
    await settled();
    expect(wires.client.closedWith()).toBeUndefined();
  });

  it('[CH6] refuses what the role may not do before looking at the params', async () => {
    const { client, driven } = withClient();
    const error = await failure(client.call('drive', JSON.parse('{"km":"far"}')));
    expect(error.code).toBe('forbidden');
    expect(driven()).toBe(0);
  });

  it('[CH7] sends expected failures as code and sentence, and hides bugs', async () => {
    const { client, bugs } = withClient();
    const expected = await failure(client.call('fail', { how: 'expected' }));
    expect([expected.code, expected.message]).toEqual(['limit', 'Too many apples.']);
    const bug = await failure(client.call('fail', { how: 'bug' }));
    expect(bug.code).toBe('internal');
    expect(bug.message).not.toContain('secret');
    expect(bugs).toHaveLength(1);
  });

  it('[CH8] gives up in time, and on close fails what is pending', async () => {
    const { client, clock, server } = withClient();
    const late = failure(client.call('never', {}));
    clock.advance(701);
    expect((await late).code).toBe('timeout');
    const cut = failure(client.call('never', {}));
    await settled();
    server.close('serverClosing');
    expect((await cut).code).toBe('closed');
    expect((await failure(client.call('add', { a: 1, b: 1 }))).code).toBe('closed');
    expect(clock.pending()).toBe(0);
  });

  it('[CH12] drops events outside the contract and refuses a result that is not the promised one', async () => {
    const { client, wires, violations, server } = withClient();
    const news: string[] = [];
    const stop = client.on('news', ({ text }) => news.push(text));
    await client.call('add', { a: 0, b: 0 });
    wires.server.send(JSON.stringify({ n: 'news', p: { text: 7 } }));
    wires.server.send(JSON.stringify({ n: 'gossip', p: {} }));
    wires.server.send('{{{');
    server.emit('news', { text: 'true' });
    await settled();
    expect(news).toEqual(['true']);
    expect(violations).toHaveLength(3);
    expect((await failure(client.call('lie', {}))).code).toBe('malformed');
    stop();
    server.emit('news', { text: 'unheard' });
    await settled();
    expect(news).toEqual(['true']);
  });
});

describe('limits', () => {
  it('[CH4] closes on a message that is too big', async () => {
    const { client, wires } = withClient();
    await client.call('add', { a: 0, b: 0 });
    wires.client.send(JSON.stringify({ q: 7, m: 'add', p: 'x'.repeat(strangerLimits.maxMessageChars) }));
    await settled();
    expect(wires.client.closedWith()).toBe(closeCodes.tooBig.code);
  });

  it('[CH4] closes on a flood and lets a steady talker be', async () => {
    const steady = withClient();
    for (let second = 0; second < 30; second += 1) {
      for (let n = 0; n < strangerLimits.perSecond; n += 1) await steady.client.call('add', { a: 1, b: 1 });
      steady.clock.advance(1_000);
    }
    expect(steady.endings).toEqual([]);

    const flood = withClient();
    const calls = Array.from({ length: strangerLimits.burst + 5 }, () =>
      failure(flood.client.call('never', {})),
    );
    await settled();
    expect(flood.endings).toEqual(['flood']);
    expect(new Set((await Promise.all(calls)).map((error) => error.code))).toEqual(
      new Set(['closed', 'limit']),
    );
  });

  it('[CH10] lets go of a client that does not read', async () => {
    const wires = wirePair();
    let backlog = 0;
    const slow: Wire = { ...wires.server, backlog: () => backlog };
    const { server, endings } = setUp(
      {},
      { client: wires.client, server: { ...slow, closedWith: wires.server.closedWith } },
    );
    wires.client.send(JSON.stringify({ hello: 'test', v: 3 }));
    await settled();
    backlog = strangerLimits.maxBacklogChars + 1;
    server.emit('news', { text: 'one more' });
    expect(endings).toEqual(['slow']);
  });

  it('[CH11] refuses more than the allowed requests in work', async () => {
    const { client } = withClient({ maxPending: 2 });
    void failure(client.call('never', {}));
    void failure(client.call('never', {}));
    await settled();
    expect((await failure(client.call('add', { a: 1, b: 1 }))).code).toBe('limit');
  });
});

describe('liveness', () => {
  it('[CH9] hears the beat, learns the clock offset, and notices a dead far end', async () => {
    const { client, clock, wires } = withClient();
    const endings: CloseReason[] = [];
    client.onClose((reason) => endings.push(reason));
    await client.call('add', { a: 0, b: 0 });
    for (let n = 0; n < 10; n += 1) {
      clock.advance(4_000);
      await settled();
    }
    expect(endings).toEqual([]);
    wires.server.send(JSON.stringify({ beat: clock.now() + 5_000 }));
    await settled();
    expect(client.clockOffsetMs()).toBe(5_000);

    wires.server.send = () => {}; // The carrier still looks open, but nothing comes any more.
    clock.advance(silenceMs * 1.3);
    expect(endings).toEqual(['lost']);
    client.close();
    expect(endings).toEqual(['lost']);
  });
});

describe('strangers', () => {
  const frames = fc.oneof(
    fc.string(),
    fc.json(),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc
      .record(
        {
          q: fc.oneof(fc.integer(), fc.string(), fc.constant(null)),
          m: fc.oneof(fc.constantFrom('add', 'drive', 'fail', 'never', '__proto__', 'toString'), fc.string()),
          p: fc.jsonValue(),
          hello: fc.oneof(fc.constant('test'), fc.string()),
          v: fc.oneof(fc.constant(3), fc.integer()),
        },
        { requiredKeys: [] },
      )
      .map((frame) => JSON.stringify(frame)),
  );

  it('[CH3] survives any series of messages: an answer, an error or a close, never a crash', async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(frames, { maxLength: 20 }), async (greets, texts) => {
        const { wires, bugs, clock, server } = setUp();
        const replies: unknown[] = [];
        wires.client.onText((text) => replies.push(JSON.parse(text)));
        if (greets) wires.client.send(JSON.stringify({ hello: 'test', v: 3 }));
        for (const text of texts) wires.client.send(text);
        await settled();
        for (const bug of bugs) expect(bug).toMatchObject({ message: 'secret detail' });
        const known = Object.values(closeCodes).map(({ code }): number => code);
        const code = wires.client.closedWith();
        if (code !== undefined) expect(known).toContain(code);
        server.close('done');
        server.close('done');
        expect(clock.pending()).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
