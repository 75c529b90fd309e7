// Drops under a clock that moves only when told: every transition of the state machine, and what each state sells to whom at what price.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DropState } from '../../sfu-server/protocol/shop.ts';
import {
  acted,
  advanced,
  nextChangeMs,
  withStockLeft,
  type DropAction,
} from '../../sfu-server/shop/drop-state.ts';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { addDrop, addProduct, buyer, dropState, minute, only, openStall, refused } from '../support/stall.ts';

describe('the state machine', () => {
  const timed = { lengthMs: 600 };
  const open = { lengthMs: null };
  const states = {
    ready: { kind: 'ready' },
    scheduled: { kind: 'scheduled', startsMs: 1_000, countdownMs: 200 },
    countdown: { kind: 'countdown', startsMs: 1_000 },
    running: { kind: 'running', startedMs: 1_000, pausedForMs: 0, endsMs: 1_600 },
    paused: { kind: 'paused', startedMs: 1_000, pausedForMs: 0, pausedMs: 1_100, endsMs: 1_600 },
    soldOut: { kind: 'soldOut', startedMs: 1_000, pausedForMs: 0, soldOutMs: 1_050, endsMs: 1_600 },
    ended: { kind: 'ended', startedMs: 1_000, endedMs: 1_600, by: 'time' },
  } as const satisfies Record<DropState['kind'], DropState>;
  const actions = {
    start: { kind: 'start', countdownMs: null },
    startIn: { kind: 'start', countdownMs: 30 },
    schedule: { kind: 'schedule', startsMs: 5_000, countdownMs: 100 },
    cancelStart: { kind: 'cancelStart' },
    pause: { kind: 'pause' },
    resume: { kind: 'resume' },
    extend: { kind: 'extend', byMs: 300 },
    end: { kind: 'end', by: 'director' },
    showEnd: { kind: 'end', by: 'showEnd' },
  } as const satisfies Record<string, DropAction>;

  const nowMs = 1_200;
  const after = (state: DropState, action: DropAction, atMs = nowMs): string => {
    try {
      return acted(state, action, timed, atMs).kind;
    } catch (error) {
      if (error instanceof AppError && error.code === 'wrongPhase') return '–';
      throw error;
    }
  };
  const row = (state: DropState) =>
    Object.fromEntries(Object.entries(actions).map(([name, action]) => [name, after(state, action)]));

  it('[DROP1] does what a person may do in each state, and refuses all else in words', () => {
    const waits = {
      start: 'running',
      startIn: 'countdown',
      schedule: 'scheduled',
      pause: '–',
      resume: '–',
      extend: '–',
      end: '–',
      showEnd: 'ended',
    };
    const none = { start: '–', startIn: '–', schedule: '–', cancelStart: '–', pause: '–', resume: '–' };
    const ends = { end: 'ended', showEnd: 'ended' };
    expect(row(states.ready)).toEqual({ ...waits, cancelStart: '–' });
    expect(row(states.scheduled)).toEqual({ ...waits, cancelStart: 'ready' });
    expect(row(states.countdown)).toEqual({ ...waits, cancelStart: 'ready' });
    expect(row(states.running)).toEqual({ ...none, pause: 'paused', extend: 'running', ...ends });
    expect(row(states.paused)).toEqual({ ...none, resume: 'running', extend: 'paused', ...ends });
    expect(row(states.soldOut)).toEqual({ ...none, extend: 'soldOut', ...ends });
    expect(row(states.ended)).toEqual({ ...none, extend: '–', end: '–', showEnd: '–' });
  });

  it('[DROP1] keeps the times: the end moves by what was paused and what was added', () => {
    const resumed = acted(states.paused, actions.resume, timed, 1_400);
    expect(resumed).toEqual({ kind: 'running', startedMs: 1_000, pausedForMs: 300, endsMs: 1_900 });
    expect(acted(resumed, actions.extend, timed, 1_500)).toMatchObject({ endsMs: 2_200 });
    expect(acted(states.ready, actions.start, open, nowMs)).toMatchObject({ startedMs: nowMs, endsMs: null });
    const endless = acted(states.ready, actions.start, open, nowMs);
    expect(refused(() => acted(endless, actions.extend, open, nowMs)).text).toMatch(/until it is sold out/);
    expect(refused(() => acted(states.ready, actions.schedule, timed, 4_950)).text).toMatch(/too soon/);
  });

  it('[DROP2] goes on by time alone, in one step or many, however long nobody looked', () => {
    const scheduled: DropState = { kind: 'scheduled', startsMs: 1_000, countdownMs: 200 };
    expect(nextChangeMs(scheduled)).toBe(800);
    expect(advanced(scheduled, timed, 799)).toBe(scheduled);
    expect(advanced(scheduled, timed, 800)).toEqual({ kind: 'countdown', startsMs: 1_000 });
    const running = { kind: 'running', startedMs: 1_000, pausedForMs: 0, endsMs: 1_600 };
    expect(advanced(scheduled, timed, 1_000)).toEqual(running);
    expect(advanced(states.countdown, timed, 1_001)).toEqual(running);
    expect(advanced(scheduled, timed, 9_999)).toEqual(states.ended);
    expect(advanced(states.soldOut, timed, 1_600)).toEqual(states.ended);
    expect(advanced(states.countdown, open, 9_999)).toMatchObject({ kind: 'running', endsMs: null });
    for (const state of [states.ready, states.paused, states.ended]) {
      expect(nextChangeMs(state)).toBeNull();
      expect(advanced(state, timed, 99_999)).toBe(state);
    }
    expect(advanced({ ...scheduled, countdownMs: 0 }, timed, 999)).toMatchObject({ kind: 'scheduled' });
  });

  it('[DROP3] is sold out when nothing can come back by itself, and runs again when something does', () => {
    expect(withStockLeft(states.running, false, 1_050)).toEqual(states.soldOut);
    expect(withStockLeft(states.soldOut, true, 1_060)).toEqual(states.running);
    for (const state of [states.ready, states.countdown, states.paused, states.ended]) {
      expect(withStockLeft(state, false, 1_050)).toBe(state);
      expect(withStockLeft(state, true, 1_050)).toBe(state);
    }
  });

  it('[DROP1] [DROP2] over any series of presses, waits and sales it runs for the time it was given, whoever looks when', () => {
    const event = fc.oneof(
      fc.record({ waitMs: fc.constantFrom(1, 50, 199) }),
      fc.record({
        press: fc.constantFrom(
          'start' as const,
          'startIn',
          'schedule',
          'cancelStart',
          'pause',
          'resume',
          'extend',
          'end',
        ),
      }),
      fc.record({ selling: fc.boolean() }),
    );
    const counts = ({ kind }: DropState) => kind === 'running' || kind === 'soldOut';
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        let atMs = 0;
        let ranMs = 0;
        let givenMs = timed.lengthMs;
        // One is looked at all the time, the other only when somebody does something.
        let watched: DropState = states.ready;
        let alone: DropState = states.ready;
        const both = (change: (state: DropState) => DropState) => {
          alone = advanced(alone, timed, atMs);
          expect(alone).toEqual(watched);
          const before = watched;
          watched = change(watched);
          alone = change(alone);
          if (before.kind === 'ended') expect(watched).toBe(before);
        };
        for (const one of events) {
          if ('waitMs' in one) {
            for (let left = one.waitMs; left > 0; left -= 1) {
              if (counts(watched)) ranMs += 1;
              atMs += 1;
              watched = advanced(watched, timed, atMs);
            }
          } else if ('selling' in one) both((state) => withStockLeft(state, one.selling, atMs));
          else {
            const action: DropAction =
              one.press === 'schedule'
                ? { kind: 'schedule', startsMs: atMs + 150, countdownMs: 100 }
                : actions[one.press];
            const taken = after(watched, action, atMs) !== '–';
            if (taken && one.press === 'extend') givenMs += actions.extend.byMs;
            both((state) => (taken ? acted(state, action, timed, atMs) : state));
          }
          if (watched.kind === 'ended' && watched.by === 'time') expect(ranMs).toBe(givenMs);
          else expect(ranMs).toBeLessThan(givenMs);
          if (watched.kind === 'running' || watched.kind === 'soldOut') {
            expect((watched.endsMs ?? 0) - watched.startedMs - watched.pausedForMs).toBe(givenMs);
          }
        }
      }),
    );
  });
});

describe('a drop in a shop', () => {
  it('[DROP2] starts by tap, by countdown and by schedule, and tells every step', () => {
    const stall = openStall();
    const { shop, clock, told } = stall;
    const tee = addProduct(stall, 'Tee', { tee: 10 }, { selling: 'dropsOnly' });
    const tapped = addDrop(stall, tee, { lengthMs: minute });
    const wants = () => shop.holds.hold(buyer('ada'), only(tee).id, 1);
    expect(refused(wants).code).toBe('notOnSale');
    shop.drops.act(tapped, { kind: 'start', countdownMs: 10_000 });
    expect(refused(wants)).toEqual({ code: 'notOnSale', text: 'The drop starts in 10 seconds.' });
    clock.advance(9_999);
    expect(refused(wants).text).toBe('The drop starts in 1 seconds.');
    clock.advance(1);
    expect(dropState(stall, tapped).kind).toBe('running');
    expect(wants()).toMatchObject({ dropId: tapped, quantity: 1, stage: 'held' });
    clock.advance(minute);
    expect(dropState(stall, tapped)).toMatchObject({ kind: 'ended', by: 'time' });

    const startsMs = clock.now() + 40 * 24 * 60 * minute;
    const planned = addDrop(stall, tee, { lengthMs: minute });
    shop.drops.act(planned, { kind: 'schedule', startsMs, countdownMs: 30_000 });
    clock.advance(startsMs - clock.now() - 30_000);
    expect(dropState(stall, planned).kind).toBe('countdown');
    clock.advance(30_000);
    expect(dropState(stall, planned)).toMatchObject({ kind: 'running', startedMs: startsMs });
    clock.advance(40);
    const seen = told.flatMap((change) =>
      change.kind === 'drop' && change.drop.id === planned ? [change.drop.state.kind] : [],
    );
    expect(seen).toEqual(['scheduled', 'countdown', 'running']);
    stall.close();
  });

  it('[DROP4] locks price and window by the server’s clock: flash price, collector variant, own-priced variant, pause', () => {
    const stall = openStall();
    const { shop, clock } = stall;
    const tee = addProduct(
      stall,
      'Tee',
      { plain: 50, xxl: 50, signed: 5 },
      { prices: { xxl: 2700, signed: 9000 } },
    );
    const drop = addDrop(stall, tee, {
      priceMinor: 2000,
      flash: { priceMinor: 1500, windowMs: 2 * minute },
      collector: { variantId: only(tee, 'signed').id, windowMs: 3 * minute },
    });
    const price = (name: string, sku: string) =>
      shop.holds.hold(buyer(name), only(tee, sku).id, 1).priceMinor;
    expect(price('early', 'plain')).toBe(2500);
    expect(refused(() => price('early', 'signed')).text).toMatch(/start of a drop only/);
    shop.drops.act(drop, { kind: 'start', countdownMs: null });
    expect(price('a', 'plain')).toBe(1500);
    expect(price('a', 'xxl')).toBe(2700);
    expect(price('a', 'signed')).toBe(9000);
    clock.advance(2 * minute - 1);
    expect(price('b', 'plain')).toBe(1500);
    clock.advance(1);
    expect(price('c', 'plain')).toBe(2000);
    expect(shop.holds.of(buyer('b')).holds[0]?.priceMinor).toBe(1500);

    shop.drops.act(drop, { kind: 'pause' });
    clock.advance(5 * minute);
    expect(refused(() => price('d', 'plain')).text).toMatch(/paused/);
    shop.drops.act(drop, { kind: 'resume' });
    clock.advance(minute - 1);
    expect(price('e', 'signed')).toBe(9000);
    clock.advance(1);
    expect(refused(() => price('f', 'signed')).code).toBe('notOnSale');
    expect(price('f', 'plain')).toBe(2000);
    clock.advance(7 * minute);
    expect(dropState(stall, drop).kind).toBe('ended');
    expect(refused(() => price('g', 'signed')).code).toBe('notOnSale');
    expect(price('g', 'plain')).toBe(2500);
    stall.close();
  });

  it('[DROP5] opens early to codes, each as often as it may be used, and tells nobody which exist', () => {
    const stall = openStall();
    const { shop, clock } = stall;
    const tee = addProduct(stall, 'Tee', { tee: 10 }, { selling: 'dropsOnly' });
    const drop = addDrop(stall, tee, { earlyAccessMs: minute });
    const [code = '', other = ''] = shop.drops.addCodes(drop, 2, 1);
    expect(code).toMatch(/^[2-9A-Z]{4}-[2-9A-Z]{4}$/);
    const wants = (name: string, typed: string) => shop.holds.hold(buyer(name), only(tee).id, 1, typed);
    shop.drops.act(drop, { kind: 'schedule', startsMs: clock.now() + 5 * minute, countdownMs: 30_000 });
    expect(refused(() => wants('ada', code)).text).toBe('Your code opens this in 240 seconds.');
    clock.advance(4 * minute);
    expect(refused(() => wants('ada', 'AAAA-AAAA')).code).toBe('badCode');
    expect(wants('ada', ` ${code.toLowerCase().replace('-', ' ')}`)).toMatchObject({ dropId: drop });
    expect(refused(() => wants('ben', code)).code).toBe('badCode');
    clock.advance(30_000);
    expect(dropState(stall, drop).kind).toBe('countdown');
    expect(wants('ben', other).quantity).toBe(1);
    clock.advance(30_000);
    expect(wants('cleo', 'needs none any more').quantity).toBe(1);
    stall.close();
  });

  it('[DROP3] [DROP6] sells its own share only, is sold out, comes back, and is restarted with a share anew', () => {
    const stall = openStall();
    const { shop, clock } = stall;
    const tee = addProduct(stall, 'Tee', { tee: 10 }, { selling: 'dropsOnly' });
    const drop = addDrop(stall, tee, { quantity: 3, lengthMs: null });
    shop.drops.act(drop, { kind: 'start', countdownMs: null });
    const first = shop.holds.hold(buyer('ada'), only(tee).id, 2);
    const second = shop.holds.hold(buyer('ben'), only(tee).id, 1);
    const wants = (name: string) => shop.holds.hold(buyer(name), only(tee).id, 1);
    expect(refused(() => wants('cleo')).code).toBe('soldOut');
    expect(shop.drops.find(drop)?.items[0]?.stock).toMatchObject({ total: 3, held: 3, sold: 0, left: 0 });
    clock.advance(100);
    expect(dropState(stall, drop).kind).toBe('running');
    expect(shop.holds.sell(first.id) && shop.holds.sell(second.id)).toBe(true);
    clock.advance(100);
    expect(dropState(stall, drop).kind).toBe('soldOut');
    expect(shop.holds.putBack(second.id, 1)).toBe(true);
    clock.advance(100);
    expect(dropState(stall, drop).kind).toBe('running');
    expect(refused(() => shop.restartDrop(drop, null)).code).toBe('wrongPhase');
    expect(shop.holds.sell(wants('dora').id)).toBe(true);
    clock.advance(100);

    const again = shop.restartDrop(drop, null);
    expect(dropState(stall, drop)).toMatchObject({ kind: 'ended', by: 'director' });
    expect(shop.drops.find(again)?.items[0]?.stock).toMatchObject({ total: 3, held: 0, sold: 0, left: 3 });
    expect(wants('eve').dropId).toBe(again);
    // The drop that starts later takes the product over.
    const next = addDrop(stall, tee, { quantity: 1 });
    shop.drops.act(next, { kind: 'start', countdownMs: null });
    expect(dropState(stall, again)).toMatchObject({ kind: 'ended', by: 'nextDrop' });
    expect(wants('finn').dropId).toBe(next);
    stall.end();
    expect(dropState(stall, next)).toMatchObject({ kind: 'ended', by: 'showEnd' });
    expect(refused(() => wants('gus')).text).toBe('The show is over.');
    stall.close();
  });

  it('[SHOP4] counts a sale at the table to the drop that runs, else to none, and takes back there only what was counted there', () => {
    const stall = openStall();
    const { shop } = stall;
    const tee = addProduct(stall, 'Tee', { tee: 10 });
    const drop = addDrop(stall, tee, { quantity: 5 });
    const count = (quantity: number) =>
      shop.recordSale({ productId: tee.id, variantId: only(tee).id, quantity });
    const sold = () => [shop.catalogue.known(tee.id).stock.sold, shop.drops.find(drop)?.items[0]?.stock.sold];
    count(2);
    expect(sold()).toEqual([2, 0]);
    shop.drops.act(drop, { kind: 'start', countdownMs: null });
    count(3);
    expect(sold()).toEqual([5, 3]);
    expect(shop.holds.sell(shop.holds.hold(buyer('ada'), only(tee).id, 1).id)).toBe(true);
    expect(sold()).toEqual([6, 4]);
    count(-3);
    expect(sold()).toEqual([3, 1]);
    // What the drop still has was sold by an order: the next one back is of before the drop.
    count(-1);
    expect(sold()).toEqual([2, 1]);
    expect(refused(() => count(-2)).code).toBe('limit');
    count(-1);
    expect(refused(() => count(-1)).code).toBe('limit');
    expect(sold()).toEqual([1, 1]);
    stall.close();
  });

  it('[DROP7] comes back after a restart where its times say, and refuses changes of what has begun', () => {
    const folder = mkdtempSync(join(tmpdir(), 'live-drop-drops-'));
    const file = join(folder, 'show.db');
    const before = openStall(file);
    const tee = addProduct(before, 'Tee', { tee: 10 });
    const mug = addProduct(before, 'Mug', { mug: 10 });
    const short = addDrop(before, tee, { lengthMs: minute });
    const long = addDrop(before, mug, { lengthMs: 20 * minute });
    before.shop.drops.act(short, { kind: 'start', countdownMs: 10_000 });
    before.shop.drops.act(long, { kind: 'start', countdownMs: null });
    const draft = { id: long, name: 'Mugs', items: [], lengthMs: minute, earlyAccessMs: null };
    before.shop.drops.save(draft);
    expect(before.shop.drops.find(long)).toMatchObject({ name: 'Mugs', lengthMs: 20 * minute, items: [{}] });
    expect(refused(() => before.shop.drops.remove(long)).code).toBe('wrongPhase');
    expect(refused(() => before.shop.removeProduct(mug.id)).code).toBe('limit');
    const { clock } = before;
    before.close();
    expect(clock.pending()).toBe(0);

    clock.advance(5 * minute);
    const after = openStall(file, clock);
    expect(dropState(after, short)).toMatchObject({ kind: 'ended', by: 'time' });
    expect(dropState(after, long).kind).toBe('running');
    expect(after.shop.holds.hold(buyer('ada'), only(mug).id, 1).dropId).toBe(long);
    clock.advance(15 * minute);
    expect(dropState(after, long).kind).toBe('ended');
    after.shop.drops.remove(long);
    expect(after.shop.drops.find(long)).toBeUndefined();
    after.close();
    rmSync(folder, { recursive: true, force: true });
  });
});
