// A page's session against a far end in memory, with a clock that stands still: joining, folding, coming back, giving up.
// Sound and picture need a browser: tests/e2e/viewer.test.ts.
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { backOffMs, createSession, type Session } from '../../renderer/session/session.ts';
import type { Awake } from '../../renderer/session/socket.ts';
import { serveChannel, type Handlers, type ServerEnd } from '../../sfu-server/protocol/channel.ts';
import { AppError, type CloseReason } from '../../sfu-server/protocol/errors.ts';
import {
  showContract,
  type Joined,
  type ShowContract,
  type ShowParams,
} from '../../sfu-server/protocol/messages.ts';
import { applyChange, type ShowState, type StateChange } from '../../sfu-server/protocol/state.ts';
import { freshShow, joinAnswer } from '../support/page-states.ts';
import { counted, oneVariant, stockOf } from '../support/products.ts';
import { fakeClock, settled, wirePair } from '../support/wires.ts';

const { id } = freshShow;
const tee = oneVariant('Tee', counted(50), 'GBP');
const fresh: ShowState = { ...freshShow, seq: 4, products: [tee], featuredProductId: tee.id, viewers: 1 };
const { resumeToken } = joinAnswer(fresh);

const refuse = () => Promise.reject(new AppError('forbidden'));
// Whatever is asked: these tests only join.
const refuseAll: Handlers<ShowContract> = new Proxy(Object.create(null), { get: () => refuse });

type Answer = (params: ShowParams<'join'>) => Joined | Promise<Joined>;

/** A far end that answers `join` as told and keeps every connection that was opened. */
const farEnd = (firstAnswer: Answer = () => joinAnswer(fresh)) => {
  const clock = fakeClock();
  const joins: ShowParams<'join'>[] = [];
  const ends: ServerEnd<ShowContract>[] = [];
  const carriers: { lose: () => void }[] = [];
  let answer = firstAnswer;
  let wake = (_why: Awake) => {};
  let unreachable = false;

  const open = () => {
    const { client, server } = wirePair();
    carriers.push({ lose: () => server.close(1006, '') });
    if (unreachable) {
      server.close(1006, '');
      return client;
    }
    ends.push(
      serveChannel<ShowContract>({
        contract: showContract,
        wire: server,
        clock,
        role: () => 'anonymous',
        onBug: (error) => {
          throw error;
        },
        handlers: {
          ...refuseAll,
          join: (params) => {
            joins.push(params);
            return answer(params);
          },
        },
      }),
    );
    return client;
  };
  const session = createSession({
    identity: { as: 'viewer', showId: id },
    media: false,
    location: { origin: 'http://drop.example' },
    clock,
    open,
    awake: (listener) => {
      wake = listener;
      return () => {
        wake = () => {};
      };
    },
    random: () => 1,
  });
  opened.push(session);
  const latest = (): ServerEnd<ShowContract> => {
    const end = ends.at(-1);
    if (!end) throw new Error('Nothing has connected.');
    return end;
  };
  return {
    session,
    clock,
    joins,
    attempts: () => carriers.length,
    latest,
    loseCarrier: () => carriers.at(-1)?.lose(),
    tell: (seq: number, change: StateChange) => latest().emit('state', { seq, change }),
    answerWith: (next: Answer) => {
      answer = next;
    },
    setUnreachable: (value: boolean) => {
      unreachable = value;
    },
    wake: () => wake('networkChanged'),
    connection: () => session.store.getState().connection,
    show: () => session.store.getState().show,
  };
};

const opened: Session[] = [];
afterEach(() => {
  for (const session of opened.splice(0)) session.close();
});

describe('joining and folding', () => {
  test('a page without media joins in its first message and shows the snapshot', async () => {
    const far = farEnd();
    await settled();
    expect(far.joins).toEqual([{ as: 'viewer', showId: id, rtpCapabilities: null }]);
    expect(far.connection()).toMatchObject({
      kind: 'joined',
      codec: 'VP8',
      publicOrigin: 'http://drop.example',
    });
    expect(far.show()).toEqual(fresh);
  });

  test('[STATE3] changes that overtake the answer to join are folded into the snapshot it brings, each once', async () => {
    const far = farEnd(async () => {
      far.tell(4, { kind: 'title', title: 'already in the snapshot' });
      far.tell(5, { kind: 'viewers', viewers: 7 });
      return joinAnswer(fresh);
    });
    await settled();
    expect(far.show()).toEqual({ ...fresh, seq: 5, viewers: 7 });
  });

  test('whatever the series of changes, the folded state equals the far end’s, and old numbers change nothing', async () => {
    const anyChange: fc.Arbitrary<StateChange> = fc.oneof(
      fc.string({ maxLength: 20 }).map((title) => ({ kind: 'title' as const, title })),
      fc.nat(10_000).map((viewers) => ({ kind: 'viewers' as const, viewers })),
      fc.tuple(fc.nat(50), fc.nat(20)).map(([sold, seq]) => stockOf(tee, counted(50, sold, seq))),
      fc.nat(9_999).map((sinceMs) => ({ kind: 'phase' as const, phase: { kind: 'live' as const, sinceMs } })),
      fc.constantFrom('studio' as const, 'standby' as const).map((source) => ({
        kind: 'program' as const,
        program: { source, reason: 'studioHealthy' as const, sinceMs: 1, lock: 'none' as const },
      })),
      fc.constant({ kind: 'featured' as const, productId: null }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(anyChange, { maxLength: 25 }), async (changes) => {
        const far = farEnd();
        await settled();
        let truth = fresh;
        for (const change of changes) {
          truth = applyChange(truth, truth.seq + 1, change);
          far.tell(truth.seq, change);
        }
        far.tell(fresh.seq, { kind: 'title', title: 'from the past' });
        await settled();
        expect(far.show()).toEqual(truth);
        far.session.close();
      }),
      { numRuns: 40 },
    );
  });
});

describe('coming back', () => {
  test('a lost connection keeps the show on the page and joins again with the resume token', async () => {
    const far = farEnd();
    await settled();
    far.tell(5, { kind: 'viewers', viewers: 9 });
    await settled();
    far.loseCarrier();
    await settled();
    expect(far.connection()).toEqual({ kind: 'reconnecting', sinceMs: far.clock.now(), attempt: 1 });
    expect(far.show()?.viewers).toBe(9);

    far.answerWith(() => joinAnswer({ ...fresh, seq: 2, title: 'after a restart of the server' }));
    far.clock.advance(250);
    await settled();
    expect(far.connection().kind).toBe('joined');
    expect(far.joins.at(-1)).toMatchObject({ resumeToken });
    // The server's numbers may begin anew: the snapshot replaces everything.
    expect(far.show()).toMatchObject({ seq: 2, title: 'after a restart of the server' });
  });

  test('while the server stays away the waits double up to 4 s, and the outage keeps its beginning', async () => {
    const far = farEnd();
    await settled();
    const began = far.clock.now();
    far.setUnreachable(true);
    far.loseCarrier();
    await settled();
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 7; attempt += 1) {
      const before = far.attempts();
      let waited = 0;
      while (far.attempts() === before) {
        far.clock.advance(50);
        waited += 50;
      }
      waits.push(waited);
      await settled();
    }
    expect(waits).toEqual([250, 500, 1_000, 1_000, 1_000, 1_000, 1_000]);
    expect(far.connection()).toEqual({ kind: 'reconnecting', sinceMs: began, attempt: 8 });

    far.setUnreachable(false);
    far.wake(); // The network is back: no more waiting.
    await settled();
    expect(far.connection().kind).toBe('joined');
  });

  test('waits are spread so that a crowd does not come back in one instant', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (attempt, dice) => {
          // Close together for a server that is being started again, rarer for one that stays away.
          const full = Math.min(attempt <= 12 ? 1_000 : 4_000, 250 * 2 ** (attempt - 1));
          const wait = backOffMs(attempt, dice);
          expect(wait).toBeGreaterThanOrEqual(full / 2);
          expect(wait).toBeLessThanOrEqual(full);
          // Nobody comes with the studio, and everybody waits for it.
          expect(backOffMs(attempt, dice, 'studio')).toBeLessThanOrEqual(400);
        },
      ),
    );
  });

  test('a full show is tried again and its sentence shown meanwhile', async () => {
    const far = farEnd(() => {
      throw new AppError('full');
    });
    await settled();
    expect(far.connection()).toMatchObject({ kind: 'reconnecting', attempt: 1 });
    expect(far.session.store.getState().notice).toMatch(/full/);
    far.answerWith(() => joinAnswer(fresh));
    far.clock.advance(250);
    await settled();
    expect(far.connection().kind).toBe('joined');
    expect(far.session.store.getState().notice).toBeNull();
  });

  test('a server that answers nothing any more counts as lost', async () => {
    const far = farEnd();
    await settled();
    far.latest().close('slow');
    await settled();
    expect(far.connection().kind).toBe('reconnecting');
  });
});

describe('giving up', () => {
  const final: CloseReason[] = ['malformed', 'revoked', 'version', 'replaced', 'tooBig', 'flood'];
  test.each(final)('closed as %s: one sentence, no further attempt until asked', async (reason) => {
    const far = farEnd();
    await settled();
    far.latest().close(reason);
    await settled();
    const connection = far.connection();
    expect(connection).toMatchObject({ kind: 'refused', code: reason });
    expect(connection.kind === 'refused' && connection.text).toMatch(/^[A-Z].*\.$/);
    far.clock.advance(60_000);
    far.wake();
    await settled();
    expect(far.attempts()).toBe(1);

    far.session.retryNow();
    await settled();
    expect(far.connection().kind).toBe('joined');
  });

  test.each(['noShow', 'badToken', 'revoked', 'forbidden'] as const)(
    'a join refused with %s is final and says why',
    async (code) => {
      const far = farEnd(() => {
        throw new AppError(code);
      });
      await settled();
      expect(far.connection()).toEqual({ kind: 'refused', code, text: new AppError(code).message });
      far.clock.advance(60_000);
      await settled();
      expect(far.attempts()).toBe(1);
    },
  );

  test('closing ends everything once: no timer, no attempt, calls are refused', async () => {
    const far = farEnd();
    await settled();
    far.session.close();
    far.session.close();
    await settled();
    far.wake();
    far.clock.advance(60_000);
    expect(far.attempts()).toBe(1);
    expect(far.clock.pending()).toBe(0);
    await expect(far.session.call('setTitle', { title: 'x' })).rejects.toMatchObject({ code: 'closed' });
  });
});
