// Any series of events around orders: buyers who pay, dawdle, change their mind and come back, a provider that loses answers, a crew
// that takes money and gives it back, a process that dies. Whatever the series, stock, orders, ledger and the provider's books agree.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OrderId, VariantId } from '../../sfu-server/protocol/shop.ts';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { ada, bob, cyd, openRig, table, type Rig } from './order-rig.ts';

const buyers = [ada, bob, cyd] as const;
type Step =
  | { kind: 'order'; buyer: number; variant: number; quantity: number }
  | { kind: 'pay'; order: number; provider: 'stripe' | 'counter' }
  | {
      kind: 'payAtStripe' | 'paySlowly' | 'return' | 'cancel' | 'takeMoney' | 'handOver' | 'callback';
      order: number;
    }
  | { kind: 'slowEnds'; order: number; well: boolean }
  | { kind: 'refund'; order: number; quantity: number; restock: boolean }
  | { kind: 'pass'; seconds: number }
  | {
      kind: 'fault';
      operation: 'create' | 'retrieve' | 'expire' | 'refund';
      fault: 'lostBefore' | 'lostAfter' | 'error500';
    }
  | { kind: 'restart' };

const which = fc.nat({ max: 7 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('order' as const),
      buyer: fc.nat({ max: 2 }),
      variant: fc.nat({ max: 2 }),
      quantity: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('pay' as const),
      order: which,
      provider: fc.constantFrom('stripe' as const, 'stripe' as const, 'counter' as const),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'payAtStripe' as const,
        'paySlowly' as const,
        'return' as const,
        'cancel' as const,
        'takeMoney' as const,
        'handOver' as const,
        'callback' as const,
      ),
      order: which,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('slowEnds' as const), order: which, well: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('refund' as const),
      order: which,
      quantity: fc.integer({ min: 1, max: 2 }),
      restock: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), seconds: fc.constantFrom(1, 5, 200, 400) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      operation: fc.constantFrom(
        'create' as const,
        'retrieve' as const,
        'expire' as const,
        'refund' as const,
      ),
      fault: fc.constantFrom('lostBefore' as const, 'lostAfter' as const, 'error500' as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'restart' }) },
);

/** What the fake and the shop refuse is part of the series; anything else is a bug. */
const refusable = async (run: () => unknown): Promise<void> => {
  try {
    await run();
  } catch (error) {
    if (error instanceof AppError && error.code !== 'internal') return;
    if (
      error instanceof Error &&
      /^(This session is|No session for|No payment under way)/.test(error.message)
    )
      return;
    throw error;
  }
};

const act = async (rig: Rig, orders: OrderId[], variants: readonly VariantId[], one: Step): Promise<void> => {
  const checkout = rig.checkout();
  const at = (index: number): OrderId => {
    const id = orders[index % Math.max(1, orders.length)];
    if (id === undefined) throw new AppError('notFound');
    return id;
  };
  switch (one.kind) {
    case 'order': {
      const [buyer, variant] = [buyers[one.buyer], variants[one.variant]];
      if (!buyer || !variant) return;
      const id = rig.order(buyer, variant, one.quantity);
      if (!orders.includes(id)) orders.push(id);
      return;
    }
    case 'pay':
      return void (await checkout.pay({ orderId: at(one.order), provider: one.provider }));
    case 'payAtStripe':
      return rig.fake.pay(at(one.order));
    case 'paySlowly':
      return rig.fake.paySlowly(at(one.order));
    case 'slowEnds':
      return rig.fake.slowPaymentEnds(at(one.order), one.well ? 'succeeded' : 'failed');
    case 'return':
      return void (await checkout.status({ orderId: at(one.order), returned: true }));
    case 'cancel':
      return void (await checkout.cancel(at(one.order)));
    case 'takeMoney':
      return void (await checkout.confirmCounter({ orderId: at(one.order), tender: 'cash' }, table));
    case 'handOver':
      return void checkout.handOver({ orderId: at(one.order), undo: false }, table);
    case 'callback': {
      const id = at(one.order);
      const session = rig.fake.sessionOf(id);
      return checkout.noticed(
        { eventRef: `evt-${rig.clock.now()}`, orderId: id, paymentRef: session.id },
        id,
      );
    }
    case 'refund': {
      const id = at(one.order);
      const lineId = (await checkout.status({ orderId: id, returned: false })).order.lines[0]?.id ?? '';
      const lines = [{ lineId, quantity: one.quantity, restock: one.restock }];
      return void (await checkout.refund({ orderId: id, lines, shippingMinor: 0, reason: 'test' }));
    }
    case 'pass':
      return rig.pass(one.seconds * 1_000, Math.max(500, one.seconds * 20));
    case 'fault':
      return rig.fake.fail(one.operation, one.fault);
    case 'restart':
      return rig.restart();
  }
};

/** Straight from the tables: every row here is something that does not add up. */
const imbalances = (rig: Rig) => [
  ...rig.rows(
    `SELECT s.code AS sku, s.held, s.sold, h.held AS should_hold, h.sold AS should_have_sold FROM skus s JOIN
       (SELECT s.id, COALESCE(SUM(CASE WHEN h.stage IN ('held', 'paying') THEN h.quantity * c.quantity END), 0) AS held,
          COALESCE(SUM(CASE WHEN h.stage = 'sold' THEN (h.quantity - h.returned) * c.quantity END), 0) AS sold
          FROM skus s LEFT JOIN hold_components c ON c.sku_id = s.id LEFT JOIN holds h ON h.id = c.hold_id GROUP BY s.id) h
       ON h.id = s.id WHERE s.held <> h.held OR s.sold <> h.sold OR s.held + s.sold > s.stock`,
  ),
  // Paid orders and sold holds are the same thing seen from two sides.
  ...rig.rows(
    `SELECT o.id AS orders, o.stage, h.stage AS hold FROM orders o JOIN order_lines l ON l.order_id = o.id JOIN holds h ON h.id = l.hold_id
      WHERE (o.stage IN ('paid', 'fulfilled', 'refunded')) <> (h.stage = 'sold')`,
  ),
];
/** At the end, when everybody has answered: money taken is money owed. */
const unsettled = (rig: Rig) => [
  ...rig.rows(`SELECT 'payment' AS what, id FROM payments WHERE stage = 'open'`),
  ...rig.rows(`SELECT 'refund' AS what, id FROM refunds WHERE stage = 'open'`),
  ...rig.rows(`SELECT 'hold' AS what, id FROM holds WHERE stage IN ('held', 'paying')`),
  ...rig.rows(
    `SELECT o.id AS orders, o.stage, o.total_minor, o.refunded_minor, SUM(CASE l.kind WHEN 'charge' THEN l.amount_minor ELSE -l.amount_minor END) AS kept
       FROM orders o LEFT JOIN ledger l ON l.order_id = o.id GROUP BY o.id
      HAVING COALESCE(kept, 0) <> CASE WHEN o.stage IN ('paid', 'fulfilled', 'refunded') THEN o.total_minor - o.refunded_minor ELSE 0 END`,
  ),
];

describe('any series of events', () => {
  it('[ORDER13] leaves stock, orders, ledger and the provider in balance', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), async (steps) => {
        const rig = await openRig();
        try {
          rig.settings({ money: 'real' });
          const variants = [
            rig.sell({ name: 'Tee', stockTotal: 3 }),
            rig.sell({ name: 'Zine', stockTotal: 2, priceMinor: 700 }),
          ];
          variants.push(
            ...rig.saveProduct({
              kind: 'bundle',
              id: null,
              name: 'Set',
              description: '',
              priceMinor: 3000,
              vatNote: '',
              maxPerBuyer: null,
              selling: 'open',
              pictureUrl: null,
              variants: [
                {
                  id: null,
                  name: '',
                  sku: 'SET',
                  priceMinor: null,
                  components: rig.skus().map((sku) => ({ sku, quantity: 1 })),
                },
              ],
            }),
          );
          const orders: OrderId[] = [];
          for (const one of steps) {
            await refusable(() => act(rig, orders, variants, one));
            expect(imbalances(rig)).toEqual([]);
          }
          for (const id of orders) await refusable(() => rig.fake.slowPaymentEnds(id, 'succeeded'));
          await rig.pass(3_600_000, 30_000);
          await rig.pass(300_000, 10_000);
          expect([...imbalances(rig), ...unsettled(rig)]).toEqual([]);
          const [ledger] = rig.rows(
            `SELECT COALESCE(SUM(CASE kind WHEN 'charge' THEN amount_minor END), 0) AS taken,
               COALESCE(SUM(CASE kind WHEN 'refund' THEN amount_minor END), 0) AS refunded FROM ledger WHERE provider = 'stripe'`,
          );
          const { takenMinor, refundedMinor } = rig.fake.books();
          expect(ledger).toEqual({ taken: takenMinor, refunded: refundedMinor });
          expect(rig.told.logged.filter((detail) => JSON.stringify(detail).includes('err'))).toEqual([]);
        } finally {
          await rig.close();
        }
      }),
      {
        numRuns: Number(process.env['MONEY_RUNS'] ?? 15),
        endOnFailure: false,
        interruptAfterTimeLimit: 100_000,
      },
    );
  });
});
