// Holds, the waiting list and bundles on the real database under a clock that moves when told; then any series of events at all,
// a process killed in the middle of a burst, and a copy of the database taken while it is written.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, backup } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { HoldId, Product } from '../../sfu-server/protocol/shop.ts';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { applyChange, emptyScene, type ShowState } from '../../sfu-server/protocol/state.ts';
import type { Store } from '../../sfu-server/store/database.ts';
import { emptyShop } from '../support/products.ts';
import {
  addBundle,
  addDrop,
  addProduct,
  buyer,
  minute,
  only,
  openStall,
  refused,
  type Stall,
} from '../support/stall.ts';

const stockOf = (stall: Stall, product: Product) => stall.shop.catalogue.known(product.id).stock;
const take = (stall: Stall, name: string, product: Product, quantity = 1, sku?: string) =>
  stall.shop.holds.hold(buyer(name), only(product, sku).id, quantity);

/** Every count follows from what is held, sold, tallied and returned, on every level. Gives what is wrong. */
const imbalance = (store: Pick<Store, 'query'> | DatabaseSync): unknown[] => {
  const sql = `
    WITH took AS (
      SELECT h.id, h.variant_id, h.drop_id, v.product_id,
        CASE WHEN h.stage IN ('held', 'paying') THEN h.quantity ELSE 0 END AS held,
        CASE WHEN h.stage = 'sold' THEN h.quantity - h.returned ELSE 0 END AS sold
      FROM holds h JOIN variants v ON v.id = h.variant_id),
    bySku AS (
      SELECT s.id, s.stock, s.held, s.sold,
        (SELECT COALESCE(SUM(t.held * c.quantity), 0) FROM took t JOIN hold_components c ON c.hold_id = t.id WHERE c.sku_id = s.id) AS h,
        (SELECT COALESCE(SUM(t.sold * c.quantity), 0) FROM took t JOIN hold_components c ON c.hold_id = t.id WHERE c.sku_id = s.id)
        + (SELECT COALESCE(SUM(y.quantity * c.quantity), 0) FROM tallies y JOIN variant_components c ON c.variant_id = y.variant_id WHERE c.sku_id = s.id) AS d
      FROM skus s),
    byVariant AS (
      SELECT v.id, v.held, v.sold,
        (SELECT COALESCE(SUM(held), 0) FROM took t WHERE t.variant_id = v.id) AS h,
        (SELECT COALESCE(SUM(sold), 0) FROM took t WHERE t.variant_id = v.id)
        + (SELECT COALESCE(SUM(quantity), 0) FROM tallies y WHERE y.variant_id = v.id) AS d
      FROM variants v),
    byItem AS (
      SELECT i.drop_id || i.product_id AS id, i.quantity, i.held, i.sold,
        (SELECT COALESCE(SUM(held), 0) FROM took t WHERE t.drop_id = i.drop_id AND t.product_id = i.product_id) AS h,
        (SELECT COALESCE(SUM(sold), 0) FROM took t WHERE t.drop_id = i.drop_id AND t.product_id = i.product_id)
        + (SELECT COALESCE(SUM(y.quantity), 0) FROM tallies y JOIN variants v ON v.id = y.variant_id
            WHERE y.drop_id = i.drop_id AND v.product_id = i.product_id) AS d
      FROM drop_items i)
    SELECT 'sku' AS kind, id FROM bySku WHERE held <> h OR sold <> d OR held + sold > stock OR held < 0 OR sold < 0
    UNION ALL SELECT 'variant', id FROM byVariant WHERE held <> h OR sold <> d
    UNION ALL SELECT 'item', id FROM byItem WHERE held <> h OR sold <> d OR held + sold > quantity`;
  return store instanceof DatabaseSync
    ? store.prepare(sql).all()
    : store.query(z.object({ kind: z.string(), id: z.string() }), sql).all();
};

describe('a hold', () => {
  it('[HOLD1] [HOLD2] takes once however often it is asked for, ends at its deadline, and gives back once', () => {
    const stall = openStall();
    const { shop, clock } = stall;
    const tee = addProduct(stall, 'Tee', { tee: 3 });
    const hold = take(stall, 'ada', tee, 2);
    expect(hold).toMatchObject({
      quantity: 2,
      priceMinor: 2500,
      currency: 'EUR',
      deadlineMs: clock.now() + 5 * minute,
    });
    expect(take(stall, 'ada', tee, 1)).toEqual(hold);
    expect(stockOf(stall, tee)).toMatchObject({ total: 3, held: 2, sold: 0, left: 1 });
    expect(refused(() => take(stall, 'ben', tee, 2)).code).toBe('soldOut');

    shop.saveProduct({ ...draftOf(tee), priceMinor: 9900 });
    expect(shop.holds.change(buyer('ada'), hold.id, 3)).toMatchObject({
      quantity: 3,
      priceMinor: 2500,
      deadlineMs: hold.deadlineMs,
    });
    expect(shop.holds.change(buyer('ada'), hold.id, 1).quantity).toBe(1);
    expect(take(stall, 'ben', tee, 2).priceMinor).toBe(9900);
    expect(refused(() => shop.holds.change(buyer('ada'), hold.id, 2)).code).toBe('soldOut');

    clock.advance(5 * minute - 1);
    expect(shop.holds.of(buyer('ada')).holds).toHaveLength(1);
    clock.advance(1);
    expect(shop.holds.of(buyer('ada')).holds).toHaveLength(0);
    expect(stockOf(stall, tee)).toMatchObject({ held: 0, sold: 0, left: 3 });
    expect(shop.holds.release(hold.id)).toBe(false);
    expect(stockOf(stall, tee).left).toBe(3);
    expect(imbalance(stall.store)).toEqual([]);
    stall.close();
    expect(clock.pending()).toBe(0);
  });

  it('[HOLD3] is its buyer’s alone: another’s, an ended and an invented one look the same', () => {
    const stall = openStall();
    const { holds } = stall.shop;
    const tee = addProduct(stall, 'Tee', { tee: 3 });
    const hold = take(stall, 'ada', tee);
    const mallory = buyer('mallory');
    const invented = holds.find(hold.id) && JSON.parse(JSON.stringify('invented'));
    const answers = [
      refused(() => holds.change(mallory, hold.id, 2)),
      refused(() => holds.letGo(mallory, hold.id)),
      refused(() => holds.pay(mallory, hold.id, 1)),
      refused(() => holds.letGo(mallory, invented)),
    ];
    holds.letGo(buyer('ada'), hold.id);
    answers.push(refused(() => holds.letGo(buyer('ada'), hold.id)));
    expect(new Set(answers.map(({ code, text }) => `${code}: ${text}`))).toEqual(
      new Set(['notFound: This is not held for you any more.']),
    );
    expect(stockOf(stall, tee).left).toBe(3);
    stall.close();
  });

  it('[HOLD4] keeps one buyer within what one person may have, over variants, holds and purchases', () => {
    const stall = openStall();
    const { holds } = stall.shop;
    const tee = addProduct(stall, 'Tee', { s: 9, m: 9 }, { maxPerBuyer: 3 });
    const hold = take(stall, 'ada', tee, 2, 's');
    expect(holds.sell(hold.id)).toBe(true);
    expect(refused(() => take(stall, 'ada', tee, 2, 'm')).text).toBe(
      'One person may have 3 of this, and you have 2.',
    );
    const more = take(stall, 'ada', tee, 1, 'm');
    expect(refused(() => holds.change(buyer('ada'), more.id, 2)).code).toBe('buyerLimit');
    expect(holds.putBack(hold.id, 1)).toBe(true);
    expect(holds.change(buyer('ada'), more.id, 2).quantity).toBe(2);
    stall.close();
  });

  it('[HOLD5] waits for its payment instead of its deadline, is sold once, and is taken afresh when money comes late', () => {
    const stall = openStall();
    const { shop, clock } = stall;
    const tee = addProduct(stall, 'Tee', { tee: 2 });
    const { holds } = shop;
    const ada = take(stall, 'ada', tee);
    expect(holds.pay(buyer('ada'), ada.id, clock.now() + 30 * minute).stage).toBe('paying');
    expect(refused(() => holds.change(buyer('ada'), ada.id, 2)).code).toBe('wrongPhase');
    expect(refused(() => holds.letGo(buyer('ada'), ada.id)).code).toBe('wrongPhase');
    clock.advance(60 * minute);
    expect(holds.of(buyer('ada')).holds).toHaveLength(1);
    expect([holds.sell(ada.id), holds.sell(ada.id)]).toEqual([true, true]);
    expect(holds.release(ada.id)).toBe(false);
    expect(stockOf(stall, tee)).toMatchObject({ held: 0, sold: 1, left: 1 });

    const late = take(stall, 'ben', tee);
    clock.advance(6 * minute);
    expect(stockOf(stall, tee).left).toBe(1);
    expect(holds.sell(late.id)).toBe(true);
    const gone = take(stall, 'ben', addProduct(stall, 'Mug', { mug: 1 }));
    expect(holds.release(gone.id)).toBe(true);
    expect(stall.shop.holds.hold(buyer('cleo'), gone.variantId, 1).quantity).toBe(1);
    expect(holds.sell(gone.id)).toBe(false);
    expect(stockOf(stall, tee)).toMatchObject({ held: 0, sold: 2, left: 0 });

    expect([holds.putBack(late.id, 1), holds.putBack(late.id, 1)]).toEqual([true, false]);
    expect(stockOf(stall, tee)).toMatchObject({ sold: 1, left: 1 });
    const again = take(stall, 'dora', tee);
    holds.pay(buyer('dora'), again.id, clock.now() + 30 * minute);
    holds.unpay(again.id, clock.now() + minute);
    clock.advance(minute);
    expect(stockOf(stall, tee)).toMatchObject({ held: 0, left: 1 });
    expect(imbalance(stall.store)).toEqual([]);
    stall.close();
  });

  it('[HOLD6] [SHOP3] a bundle takes all its components in one transaction or none, and shares them with what is sold alone', () => {
    const stall = openStall();
    const tee = addProduct(stall, 'Tee', { tee: 5 });
    const zine = addProduct(stall, 'Zine', { zine: 3 });
    const kit = addBundle(stall, 'Kit', { tee: 1, zine: 2 });
    expect(stockOf(stall, kit)).toMatchObject({ total: 1, held: 0, sold: 0, left: 1 });
    expect(refused(() => take(stall, 'ada', kit, 2)).code).toBe('soldOut');
    expect([stockOf(stall, tee).held, stockOf(stall, zine).held]).toEqual([0, 0]);
    const hold = take(stall, 'ada', kit);
    expect([stockOf(stall, tee).left, stockOf(stall, zine).left]).toEqual([4, 1]);
    expect(stockOf(stall, kit)).toMatchObject({ total: 1, held: 1, left: 0 });
    expect(refused(() => stall.shop.removeProduct(tee.id)).text).toMatch(/bundle Kit is made of this/);
    // The bundle changes while it is held: what was taken goes back.
    const variants = [
      { id: only(kit).id, name: '', sku: 'Kit', priceMinor: null, components: [{ sku: 'tee', quantity: 3 }] },
    ];
    stall.shop.saveProduct({ ...draftOf(kit), kind: 'bundle', variants });
    expect(stall.shop.holds.release(hold.id)).toBe(true);
    expect([stockOf(stall, tee).left, stockOf(stall, zine).left, stockOf(stall, kit).left]).toEqual([
      5, 3, 1,
    ]);
    expect(refused(() => addBundle(stall, 'Odd', { nothing: 1 })).text).toMatch(
      /No product .* has the SKU nothing/,
    );
    stall.close();
  });
});

describe('what was sold', () => {
  it('[SHOP5] keeps its currency, and no product goes that is held, in a drop or in a bundle', () => {
    const stall = openStall();
    const { shop } = stall;
    const currencyIs = (currency: string) => shop.saveSettings({ ...shop.catalogue.settings(), currency });
    const removing = (product: Product) => refused(() => shop.removeProduct(product.id)).text;
    const tee = addProduct(stall, 'Tee', { tee: 5 });
    const kit = addBundle(stall, 'Kit', { tee: 1 });
    currencyIs('SEK');
    expect(shop.catalogue.known(tee.id).currency).toBe('SEK');
    const cutOff = new Error('cut off');
    const comesToNothing = () =>
      stall.store.transaction(() => {
        currencyIs('NOK');
        expect(shop.catalogue.settings().currency).toBe('NOK');
        throw cutOff;
      });
    expect(comesToNothing).toThrow(cutOff);
    expect(shop.catalogue.settings().currency).toBe('SEK');
    expect(removing(tee)).toMatch(/bundle Kit is made of this/);
    shop.removeProduct(kit.id);
    const drop = addDrop(stall, tee);
    expect(removing(tee)).toMatch(/drop/);
    shop.drops.remove(drop);
    const hold = take(stall, 'ada', tee);
    expect(removing(tee)).toMatch(/Somebody is buying Tee/);
    expect(refused(() => currencyIs('EUR')).text).toMatch(/The currency stays/);
    expect(shop.holds.sell(hold.id)).toBe(true);
    shop.removeProduct(tee.id);
    expect(refused(() => currencyIs('EUR')).code).toBe('limit');
    stall.close();
  });
});

const draftOf = (product: Product) => ({
  kind: 'physical' as const,
  id: product.id,
  name: product.name,
  description: '',
  priceMinor: product.priceMinor,
  vatNote: '',
  maxPerBuyer: product.maxPerBuyer,
  selling: product.selling,
  pictureUrl: null,
  variants: product.variants.map(({ id, name, sku, priceMinor, stock }) => ({
    id,
    name,
    sku,
    priceMinor,
    stockTotal: stock.total,
  })),
});

describe('the waiting list', () => {
  it('[WAIT1] [WAIT2] offers what comes free in the order of the line, each offer with a deadline of its own', () => {
    const stall = openStall();
    const { shop, clock } = stall;
    const tee = addProduct(stall, 'Tee', { tee: 2 });
    const hold = take(stall, 'ada', tee, 2);
    const variant = only(tee).id;
    const join = (name: string, quantity = 1) => shop.holds.joinWaiting(buyer(name), variant, quantity);
    expect([join('ben'), join('cleo', 2), join('dora'), join('ben')]).toEqual([1, 2, 3, 1]);
    expect(refused(() => join('ada')).text).toBe('This is already held for you.');
    const seen: number[] = [];
    const unwatch = shop.watchBuyer(buyer('dora'), ({ waiting }) => seen.push(waiting[0]?.place ?? 0));

    shop.holds.letGo(buyer('ada'), hold.id);
    const offers = () =>
      ['ben', 'cleo', 'dora'].map((name) => shop.holds.of(buyer(name)).holds[0]?.quantity ?? 0);
    expect(offers()).toEqual([1, 1, 0]);
    expect(shop.holds.of(buyer('ben')).holds[0]).toMatchObject({
      origin: 'offered',
      deadlineMs: clock.now() + 2 * minute,
    });
    expect(refused(() => take(stall, 'eve', tee)).code).toBe('soldOut');
    clock.advance(40);
    expect(seen).toEqual([1]);

    expect(shop.holds.sell(shop.holds.of(buyer('ben')).holds[0]?.id ?? hold.id)).toBe(true);
    clock.advance(2 * minute - 40);
    expect(offers()).toEqual([0, 0, 1]);
    clock.advance(40);
    expect(seen.at(-1)).toBe(0);
    clock.advance(2 * minute);
    expect(offers()).toEqual([0, 0, 0]);
    expect(stockOf(stall, tee)).toMatchObject({ held: 0, sold: 1, left: 1 });
    expect(refused(() => join('eve')).text).toMatch(/no need to wait/);
    unwatch();
    stall.close();
  });

  it('[WAIT3] waits for what is not on sale yet, for more stock and for a drop, and nobody passes the line', () => {
    const stall = openStall();
    const { shop, clock } = stall;
    const tee = addProduct(stall, 'Tee', { tee: 1 }, { selling: 'dropsOnly' });
    const drop = addDrop(stall, tee, { priceMinor: 1900 });
    const variant = only(tee).id;
    shop.holds.joinWaiting(buyer('ada'), variant, 1);
    shop.holds.joinWaiting(buyer('ben'), variant, 1);
    expect(shop.holds.of(buyer('ada'))).toMatchObject({ holds: [], waiting: [{ place: 1 }] });
    shop.drops.act(drop, { kind: 'start', countdownMs: null });
    expect(shop.holds.of(buyer('ada'))).toMatchObject({
      holds: [{ priceMinor: 1900, dropId: drop }],
      waiting: [],
    });
    expect(refused(() => take(stall, 'eve', tee)).code).toBe('soldOut');
    shop.saveProduct({
      ...draftOf(stall.shop.catalogue.known(tee.id)),
      variants: [{ id: variant, name: 'tee', sku: 'tee', priceMinor: null, stockTotal: 2 }],
    });
    expect(shop.holds.of(buyer('ben')).holds).toHaveLength(1);
    shop.holds.joinWaiting(buyer('cleo'), variant, 1);
    shop.holds.joinWaiting(buyer('dora'), variant, 1);
    shop.holds.leaveWaiting(buyer('cleo'), variant);
    expect(shop.holds.of(buyer('dora')).waiting[0]?.place).toBe(1);
    clock.advance(2 * minute);
    expect(shop.holds.of(buyer('dora')).holds).toHaveLength(1);
    shop.wish(buyer('eve'), tee.id, true);
    shop.wish(buyer('eve'), tee.id, true);
    expect(shop.holds.of(buyer('eve')).wishes).toEqual([tee.id]);
    shop.wish(buyer('eve'), tee.id, false);
    expect(shop.holds.of(buyer('eve')).wishes).toEqual([]);
    stall.close();
  });
});

describe('any series of events', () => {
  type Event =
    | { do: 'hold'; who: number; what: number; quantity: number }
    | { do: 'change' | 'letGo' | 'pay' | 'sell' | 'release' | 'putBack'; hold: number; quantity: number }
    | { do: 'wait'; who: number; what: number; quantity: number }
    | { do: 'tally'; what: number; quantity: number }
    | { do: 'restock'; what: number; quantity: number }
    | { do: 'drop'; action: 'start' | 'pause' | 'resume' | 'end' | 'extend' | 'restart' }
    | { do: 'time'; byMs: number };

  const who = fc.nat(5);
  const what = fc.nat(4);
  const quantity = fc.integer({ min: 1, max: 3 });
  const event: fc.Arbitrary<Event> = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('hold' as const), who, what, quantity }) },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constantFrom('change' as const, 'letGo', 'pay', 'sell', 'release', 'putBack'),
        hold: fc.nat(30),
        quantity,
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), who, what, quantity }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('tally' as const),
        what,
        quantity: fc.integer({ min: -2, max: 2 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('restock' as const), what: fc.nat(2), quantity: fc.nat(6) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('drop' as const),
        action: fc.constantFrom('start' as const, 'pause', 'resume', 'end', 'extend', 'restart'),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('time' as const),
        byMs: fc.constantFrom(100, minute, 3 * minute),
      }),
    },
  );

  /** Tee and mug alone, a kit of both, a double kit that shares the tee, and a collector's tee in the drop. */
  const set = () => {
    const stall = openStall();
    const tee = addProduct(stall, 'Tee', { tee: 5, signed: 1 }, { maxPerBuyer: 4 });
    const mug = addProduct(stall, 'Mug', { mug: 4 });
    const kit = addBundle(stall, 'Kit', { tee: 1, mug: 1 });
    const double = addBundle(stall, 'Double', { tee: 2, signed: 1 });
    const variants = [only(tee, 'tee'), only(mug), only(tee, 'signed'), only(kit), only(double)];
    const drop = addDrop(stall, tee, {
      quantity: 3,
      flash: { priceMinor: 1000, windowMs: minute },
      collector: { variantId: only(tee, 'signed').id, windowMs: 2 * minute },
      lengthMs: 6 * minute,
    });
    return { stall, variants, products: [tee, mug, tee, kit, double], drop };
  };

  const play = (table: ReturnType<typeof set>, events: Event[], holds: HoldId[], each: () => void) => {
    const { stall, variants, products } = table;
    const { shop } = stall;
    let { drop } = table;
    const dropActions = {
      start: () => shop.drops.act(drop, { kind: 'start', countdownMs: null }),
      pause: () => shop.drops.act(drop, { kind: 'pause' }),
      resume: () => shop.drops.act(drop, { kind: 'resume' }),
      end: () => shop.drops.act(drop, { kind: 'end', by: 'director' }),
      extend: () => shop.drops.act(drop, { kind: 'extend', byMs: minute }),
      restart: () => {
        drop = shop.restartDrop(drop, null);
      },
    };
    const run = (one: Event) => {
      if (one.do === 'time') return stall.clock.advance(one.byMs);
      if (one.do === 'drop') return dropActions[one.action]();
      if ('hold' in one) {
        const id = holds[one.hold % Math.max(1, holds.length)];
        const held = id && shop.holds.find(id);
        if (!id || !held) return;
        if (one.do === 'change') shop.holds.change(held.buyer, id, one.quantity);
        else if (one.do === 'letGo') shop.holds.letGo(held.buyer, id);
        else if (one.do === 'pay') shop.holds.pay(held.buyer, id, stall.clock.now() + minute);
        else if (one.do === 'sell') shop.holds.sell(id);
        else if (one.do === 'putBack') shop.holds.putBack(id, one.quantity);
        else shop.holds.release(id);
        return;
      }
      const variant = variants[one.what];
      const product = products[one.what];
      if (!variant || !product) return;
      if (one.do === 'hold') holds.push(shop.holds.hold(buyer(`b${one.who}`), variant.id, one.quantity).id);
      else if (one.do === 'wait') shop.holds.joinWaiting(buyer(`b${one.who}`), variant.id, one.quantity);
      else if (one.do === 'tally')
        shop.recordSale({ productId: product.id, variantId: variant.id, quantity: one.quantity });
      else {
        const now = shop.catalogue.known(product.id);
        const draft = draftOf(now);
        shop.saveProduct({
          ...draft,
          variants: draft.variants.map((each) =>
            each.id === variant.id ? { ...each, stockTotal: one.quantity } : each,
          ),
        });
      }
    };
    for (const one of events) {
      try {
        run(one);
      } catch (error) {
        // Refused in words is an answer; what must hold, holds after it too.
        if (!(error instanceof AppError) || error.code === 'internal') throw error;
      }
      each();
    }
  };

  it('[SHOP1] [HOLD2] [HOLD6] every count balances after every step, nothing is oversold, and pages end up with the same', () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 5, maxLength: 60 }), (events) => {
        const table = set();
        const { stall } = table;
        stall.clock.advance(100);
        stall.told.splice(0);
        const start: ShowState = {
          ...emptyShop,
          seq: 0,
          id: stall.store.newestShow()?.id ?? JSON.parse('""'),
          title: '',
          phase: { kind: 'setup' },
          program: { source: 'none', reason: 'notOnAir', sinceMs: 0, lock: 'none' },
          viewers: 0,
          studio: 'absent',
          scene: emptyScene,
          guests: [],
          ...stall.shop.state(),
        };
        play(table, events, [], () => {
          expect(imbalance(stall.store)).toEqual([]);
          for (const { stock } of stall.shop.catalogue.all()) {
            expect(stock.total).toBe(stock.held + stock.sold + stock.left);
            expect(stock.left).toBeGreaterThanOrEqual(0);
          }
        });
        stall.clock.advance(100);
        const folded = stall.told.reduce(
          (state, change, index) => applyChange(state, index + 1, change),
          start,
        );
        const { products, drops } = stall.shop.state();
        expect(folded.products).toEqual(products);
        expect(folded.drops).toEqual(drops);
        stall.close();
      }),
      { numRuns: 40 },
    );
  });

  it('[WAIT2] whoever came first in a line is never passed by one who came later', () => {
    const line = z.object({ id: z.int(), variant_id: z.string(), stage: z.string(), buyer_hash: z.string() });
    fc.assert(
      fc.property(fc.array(event, { minLength: 20, maxLength: 60 }), (events) => {
        const table = set();
        const { stall } = table;
        const lines = stall.store.query(
          line,
          'SELECT id, variant_id, stage, buyer_hash FROM waiting ORDER BY id',
        );
        let before = lines.all();
        play(table, events, [], () => {
          const now = lines.all();
          const served = now.filter(
            ({ id, stage }) =>
              stage === 'offered' && before.find((one) => one.id === id)?.stage !== 'offered',
          );
          for (const { id, variant_id: variant } of served) {
            const passed = now.filter(
              (one) => one.variant_id === variant && one.id < id && one.stage === 'waiting',
            );
            expect(passed).toEqual([]);
          }
          before = now;
        });
        stall.close();
      }),
      { numRuns: 25 },
    );
  });
});

describe('a rush', () => {
  const asks = (stall: Stall, product: Product, names: readonly string[]) =>
    Promise.allSettled(names.map((name) => stall.shop.holds.holdInRush(buyer(name), only(product).id, 1)));
  const outcome = (one: PromiseSettledResult<unknown>) => {
    if (one.status === 'fulfilled') return 'held';
    return one.reason instanceof AppError ? one.reason.code : 'broken';
  };

  it('[HOLD2] [HOLD8] is answered in the order in which it came, and who is refused takes nothing from the others', async () => {
    const stall = openStall();
    const tee = addProduct(stall, 'Tee', { tee: 3 }, { maxPerBuyer: 1 });
    addProduct(stall, 'Mug', { mug: 1 });
    const kit = addBundle(stall, 'Kit', { tee: 1, mug: 2 });
    const mixed = await Promise.allSettled([
      stall.shop.holds.holdInRush(buyer('ada'), only(tee).id, 1),
      stall.shop.holds.holdInRush(buyer('bob'), only(tee).id, 2),
      stall.shop.holds.holdInRush(buyer('cem'), only(kit).id, 1),
      stall.shop.holds.holdInRush(buyer('ada'), only(tee).id, 1),
      stall.shop.holds.holdInRush(buyer('dee'), only(tee).id, 1),
    ]);
    expect(mixed.map(outcome)).toEqual(['held', 'buyerLimit', 'soldOut', 'held', 'held']);
    expect(stockOf(stall, tee)).toMatchObject({ held: 2, left: 1 });
    expect((await asks(stall, tee, ['eve', 'fay', 'gus'])).map(outcome)).toEqual([
      'held',
      'soldOut',
      'soldOut',
    ]);
    expect(imbalance(stall.store)).toEqual([]);
    stall.close();
  });

  it('[HOLD6] [HOLD8] of five hundred at once for a piece and the bundles made of it as many get one as there is', async () => {
    const stall = openStall();
    const tee = addProduct(stall, 'Tee', { tee: 50 });
    addProduct(stall, 'Mug', { mug: 20 });
    const wanted = [tee, addBundle(stall, 'Kit', { tee: 1, mug: 1 }), addBundle(stall, 'Pair', { tee: 2 })];
    const drop = addDrop(stall, tee, { quantity: 40 });
    stall.shop.drops.act(drop, { kind: 'start', countdownMs: null });
    const rush = await Promise.allSettled(
      Array.from({ length: 500 }, (_, n) =>
        stall.shop.holds.holdInRush(buyer(`b${n}`), only(wanted[n % 3] ?? tee).id, 1),
      ),
    );
    // Twelve rounds take four tees each; then one more and a kit, and nothing is left for anybody.
    expect(rush.slice(0, 38).map(outcome)).toEqual(Array.from({ length: 38 }, () => 'held'));
    expect(new Set(rush.slice(38).map(outcome))).toEqual(new Set(['soldOut']));
    expect(stockOf(stall, tee)).toMatchObject({ total: 50, held: 50, sold: 0, left: 0 });
    for (const one of rush) {
      if (one.status === 'rejected') continue;
      // Told twice, as by a callback and an answer.
      stall.shop.holds.sell(one.value.id);
      stall.shop.holds.sell(one.value.id);
    }
    expect(stockOf(stall, tee)).toMatchObject({ total: 50, held: 0, sold: 50, left: 0 });
    expect(imbalance(stall.store)).toEqual([]);
    stall.close();
  });

  it('[HOLD8] of a commit that fails nothing has happened, and the pieces are there for the next', async () => {
    const stall = openStall();
    const tee = addProduct(stall, 'Tee', { tee: 1 });
    const checkAtCommit = stall.store.command('PRAGMA defer_foreign_keys = ON');
    const addOrphan = stall.store.command(
      `INSERT INTO hold_components (hold_id, sku_id, quantity) VALUES ('nobody', 'nothing', 1)`,
    );
    const rush = asks(stall, tee, ['ada', 'bob']);
    const broken = stall.store.gather(() => {
      checkAtCommit();
      addOrphan();
    });
    await expect(broken).rejects.toThrow('FOREIGN KEY');
    expect((await rush).map(outcome)).toEqual(['broken', 'broken']);
    expect(stockOf(stall, tee)).toMatchObject({ held: 0, left: 1 });
    expect((await asks(stall, tee, ['cem'])).map(outcome)).toEqual(['held']);
    expect(imbalance(stall.store)).toEqual([]);
    stall.close();
  });
});

describe('a process that dies', () => {
  it('[HOLD7] killed in the middle of a burst it keeps every hold it has answered, and every count balances', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'live-drop-kill-'));
    const file = join(folder, 'show.db');
    const module = (path: string) => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));
    const script = `
      import { openStall, addProduct, addBundle, addDrop, buyer } from ${module('../support/stall.ts')};
      const stall = openStall(process.argv[1]);
      const tee = addProduct(stall, 'Tee', { tee: 100000 });
      const mug = addProduct(stall, 'Mug', { mug: 100000 });
      const kit = addBundle(stall, 'Kit', { tee: 1, mug: 2 });
      const drop = addDrop(stall, kit, { quantity: 100000 });
      stall.shop.drops.act(drop, { kind: 'start', countdownMs: null });
      for (let n = 0; ; n += 10) {
        await Promise.all(Array.from({ length: 10 }, async (_, i) => {
          const hold = await stall.shop.holds.holdInRush(buyer('b' + (n + i)), (i % 2 ? kit : tee).variants[0].id, 1);
          process.stdout.write(hold.id + '\\n');
          if (i % 3 === 0) stall.shop.holds.sell(hold.id);
        }));
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.setEncoding('utf8');
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => resolve());
      child.stdout.on('data', (text: string) => {
        out += text;
        // A copy of the database is taken elsewhere; here it dies without a word.
        if (out.length > 20_000) child.kill('SIGKILL');
      });
    });
    const answered = out.split('\n').slice(0, -1);
    expect(answered.length).toBeGreaterThan(500);
    const db = new DatabaseSync(file);
    expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    expect(imbalance(db)).toEqual([]);
    const kept = new Set(
      db
        .prepare('SELECT id FROM holds')
        .all()
        .map((row) => row['id']),
    );
    expect(answered.filter((id) => !kept.has(id))).toEqual([]);
    db.close();
    openStall(file).close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('[HOLD7] a copy of the database taken while it sells opens clean and balances', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'live-drop-copy-'));
    const file = join(folder, 'show.db');
    const stall = openStall(file);
    const tee = addProduct(stall, 'Tee', { tee: 10_000 });
    let sold = 0;
    const sell = () => {
      stall.shop.holds.sell(take(stall, `b${sold}`, tee).id);
      sold += 1;
    };
    for (let n = 0; n < 200; n += 1) sell();
    const source = new DatabaseSync(file, { readOnly: true });
    // Each sale makes SQLite begin the copy anew, so that it ends only when the rush does.
    const progress = () => {
      if (sold < 260) sell();
    };
    await backup(source, join(folder, 'copy.db'), { rate: 5, progress });
    source.close();
    expect(sold).toBe(260);
    stall.close();
    const copy = new DatabaseSync(join(folder, 'copy.db'));
    expect(copy.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    expect(imbalance(copy)).toEqual([]);
    copy.close();
    const again = openStall(join(folder, 'copy.db'));
    expect(stockOf(again, tee).sold).toBeGreaterThanOrEqual(200);
    again.close();
    rmSync(folder, { recursive: true, force: true });
  });
});
