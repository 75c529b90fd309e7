// What the database keeps of orders: rows of orders, lines, payments, refunds and what happened, with the statements over them.
// Rows are checked on the way out. No rules here: those are orders.ts.
import * as z from 'zod/mini';
import { fulfilment, holdId, orderId, orderState, paymentProvider, productKind } from '../protocol/shop.ts';
import { json, type Store } from '../store/database.ts';
import { buyerHash } from './holds.ts';

const orderRow = z.object({
  id: orderId,
  buyer_hash: buyerHash,
  pickup_code: z.string(),
  state: json(orderState),
  money: z.enum(['test', 'real']),
  email: z.string(),
  name: z.string(),
  fulfilment: json(fulfilment),
  currency: z.string(),
  items_minor: z.int(),
  shipping_minor: z.int(),
  total_minor: z.int(),
  refunded_minor: z.int(),
  address_prefix: z.string(),
  flag: z.string(),
  created_ms: z.int(),
});
export type OrderRow = z.infer<typeof orderRow>;
const orderColumns = Object.keys(orderRow.shape).join(', ');

const lineRow = z.object({
  id: z.string(),
  hold_id: holdId,
  variant_id: z.string(),
  kind: productKind,
  product_name: z.string(),
  variant_name: z.string(),
  sku: z.string(),
  vat_note: z.string(),
  quantity: z.int(),
  price_minor: z.int(),
  returned: z.int(),
});

const paymentRow = z.object({
  id: z.string(),
  order_id: orderId,
  provider: paymentProvider,
  provider_ref: z.nullable(z.string()),
  idempotency_key: z.string(),
  stage: z.enum(['open', 'paid', 'failed', 'expired']),
  amount_minor: z.int(),
  currency: z.string(),
  redirect_url: z.nullable(z.string()),
  created_ms: z.int(),
});
export type PaymentRow = z.infer<typeof paymentRow>;
const paymentColumns = Object.keys(paymentRow.shape).join(', ');

/** What a refund is for. `surplus`: money that bought nothing, such as a second payment; no piece comes back for it. */
export const refundWhat = z.object({
  chargeRef: z.string(),
  surplus: z.boolean(),
  shippingMinor: z.int(),
  lines: z.array(z.object({ lineId: z.string(), quantity: z.int(), restock: z.boolean() })),
});
export type RefundWhat = z.infer<typeof refundWhat>;

const refundRow = z.object({
  id: z.string(),
  order_id: orderId,
  payment_id: z.string(),
  provider: paymentProvider,
  currency: z.string(),
  idempotency_key: z.string(),
  stage: z.enum(['open', 'done', 'failed']),
  amount_minor: z.int(),
  reason: z.string(),
  lines: json(refundWhat),
  /** The provider's name for it, once it has taken the order. */
  provider_ref: z.nullable(z.string()),
  created_ms: z.int(),
});
export type RefundRow = z.infer<typeof refundRow>;

const eventDetail = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));
export type EventDetail = z.infer<typeof eventDetail>;
const eventRow = z.object({
  at_ms: z.int(),
  kind: z.string(),
  detail: json(eventDetail),
});
export type OrderEvent = z.infer<typeof eventRow>;

/** Statements are prepared once per show. */
export const createOrderBook = ({ query, command }: Store) => {
  const orderById = query(orderRow, `SELECT ${orderColumns} FROM orders WHERE id = ? AND show_id = ?`);
  const orderByCode = query(
    orderRow,
    `SELECT ${orderColumns} FROM orders WHERE pickup_code = ? AND show_id = ?`,
  );
  const ordersOfBuyer = query(
    orderRow,
    `SELECT ${orderColumns} FROM orders WHERE buyer_hash = ? AND show_id = ? ORDER BY created_ms DESC, rowid DESC LIMIT 50`,
  );
  const openOfBuyer = query(
    orderRow,
    `SELECT ${orderColumns} FROM orders WHERE buyer_hash = ? AND show_id = ?
        AND stage IN ('details', 'awaitingPayment', 'confirming')`,
  );
  const insertOrder = command(
    `INSERT INTO orders (id, show_id, buyer_hash, pickup_code, state, money, fulfilment, currency, items_minor, address_prefix,
       created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, '{"kind":"undecided"}', ?, ?, ?, ?, ?)`,
  );
  const updateState = command('UPDATE orders SET state = ?, updated_ms = ? WHERE id = ?');
  const updateItems = command('UPDATE orders SET items_minor = ?, updated_ms = ? WHERE id = ?');
  const updateDetails = command(
    `UPDATE orders SET email = ?, name = ?, fulfilment = ?, pickup_window_id = ?, shipping_lane_id = ?, shipping_minor = ?,
       updated_ms = ? WHERE id = ?`,
  );
  const updateMoney = command('UPDATE orders SET money = ? WHERE id = ?');
  const updateFlag = command('UPDATE orders SET flag = ?, updated_ms = ? WHERE id = ? AND show_id = ?');
  const moveRefunded = command(
    'UPDATE orders SET refunded_minor = refunded_minor + ?, updated_ms = ? WHERE id = ?',
  );

  const linesOf = query(
    lineRow,
    `SELECT l.id, l.hold_id, l.variant_id, p.kind, l.product_name, l.variant_name, l.sku, p.vat_note, l.quantity, l.price_minor, l.returned
       FROM order_lines l JOIN variants v ON v.id = l.variant_id JOIN products p ON p.id = v.product_id
      WHERE l.order_id = ? ORDER BY l.position`,
  );
  const clearLines = command('DELETE FROM order_lines WHERE order_id = ?');
  const insertLine = command(
    `INSERT INTO order_lines (id, order_id, hold_id, variant_id, product_name, variant_name, sku, quantity, price_minor, position)
     SELECT ?1, ?2, h.id, v.id, p.name, v.name, v.sku, h.quantity, h.price_minor, ?4
       FROM holds h JOIN variants v ON v.id = h.variant_id JOIN products p ON p.id = v.product_id WHERE h.id = ?3`,
  );
  const moveReturned = command(
    'UPDATE order_lines SET returned = returned + ? WHERE id = ? AND order_id = ?',
  );
  /** Unpaid orders whose stock has gone back because their time was over. */
  const lapsed = query(
    z.object({ id: orderId }),
    `SELECT o.id FROM orders o WHERE o.show_id = ? AND o.stage = 'details' AND EXISTS
       (SELECT 1 FROM order_lines l JOIN holds h ON h.id = l.hold_id
         WHERE l.order_id = o.id AND h.stage NOT IN ('held', 'paying'))`,
  );

  const paymentById = query(paymentRow, `SELECT ${paymentColumns} FROM payments WHERE id = ?`);
  const paymentsOf = query(
    paymentRow,
    `SELECT ${paymentColumns} FROM payments WHERE order_id = ? ORDER BY rowid`,
  );
  const openPayments = query(
    paymentRow,
    `SELECT ${paymentColumns
      .split(', ')
      .map((name) => `p.${name}`)
      .join(', ')}
       FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.stage = 'open' AND o.show_id = ? ORDER BY p.created_ms`,
  );
  const insertPayment = command(
    `INSERT INTO payments (id, order_id, provider, idempotency_key, stage, amount_minor, currency, created_ms)
     VALUES (?, ?, ?, ?, 'open', ?, ?, ?)`,
  );
  const paymentBegun = command('UPDATE payments SET provider_ref = ?, redirect_url = ? WHERE id = ?');
  const endPayment = command('UPDATE payments SET stage = ?, ended_ms = ?, redirect_url = NULL WHERE id = ?');

  const refundColumns = `r.id, r.order_id, r.payment_id, p.provider, p.currency, r.idempotency_key, r.stage, r.amount_minor, r.reason,
    r.lines, r.provider_ref, r.created_ms`;
  const refundById = query(
    refundRow,
    `SELECT ${refundColumns} FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.id = ?`,
  );
  const refundsOf = query(
    refundRow,
    `SELECT ${refundColumns} FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.order_id = ? ORDER BY r.rowid`,
  );
  const openRefunds = query(
    refundRow,
    `SELECT ${refundColumns} FROM refunds r JOIN payments p ON p.id = r.payment_id JOIN orders o ON o.id = r.order_id
      WHERE r.stage = 'open' AND o.show_id = ? ORDER BY r.created_ms`,
  );
  const insertRefund = command(
    `INSERT INTO refunds (id, order_id, payment_id, idempotency_key, stage, amount_minor, reason, lines, created_ms)
     VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?)`,
  );
  const refundTaken = command(`UPDATE refunds SET provider_ref = ? WHERE id = ? AND stage = 'open'`);
  const endRefund = command('UPDATE refunds SET stage = ?, provider_ref = ?, ended_ms = ? WHERE id = ?');

  /** Changes nothing when this money is in the books already. */
  const insertLedger = command(
    `INSERT OR IGNORE INTO ledger (order_id, kind, provider, provider_ref, amount_minor, currency, at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const chargesOf = query(
    z.object({ provider: paymentProvider, provider_ref: z.string() }),
    `SELECT provider, provider_ref FROM ledger WHERE order_id = ? AND kind = 'charge' ORDER BY id`,
  );
  const totals = query(
    z.object({ orders: z.int(), taken: z.int(), refunded: z.int() }),
    `SELECT (SELECT COUNT(*) FROM orders WHERE show_id = ?1 AND stage IN ('paid', 'fulfilled', 'refunded')) AS orders,
       COALESCE(SUM(CASE l.kind WHEN 'charge' THEN l.amount_minor END), 0) AS taken,
       COALESCE(SUM(CASE l.kind WHEN 'refund' THEN l.amount_minor END), 0) AS refunded
       FROM ledger l JOIN orders o ON o.id = l.order_id WHERE o.show_id = ?1`,
  );
  const noticeDone = command(
    'INSERT OR IGNORE INTO provider_events (provider, event_id, at_ms) VALUES (?, ?, ?)',
  );
  const noticeSeen = query(
    z.object({ at_ms: z.int() }),
    'SELECT at_ms FROM provider_events WHERE provider = ? AND event_id = ?',
  );

  const insertEvent = command('INSERT INTO order_events (order_id, at_ms, kind, detail) VALUES (?, ?, ?, ?)');
  const eventsOf = query(
    eventRow,
    'SELECT at_ms, kind, detail FROM order_events WHERE order_id = ? ORDER BY id',
  );

  const listedWhere = (condition: string) =>
    query(
      orderRow,
      `SELECT ${orderColumns} FROM orders WHERE show_id = ?1 AND ${condition}
          AND (?2 IS NULL OR (created_ms, rowid) < (SELECT created_ms, rowid FROM orders WHERE id = ?2))
        ORDER BY created_ms DESC, rowid DESC LIMIT ?3`,
    );
  /** Newest first; older than the order given, if one is. */
  const listed = {
    all: listedWhere('TRUE'),
    open: listedWhere(`stage IN ('details', 'awaitingPayment', 'confirming')`),
    toDeliver: listedWhere(`stage = 'paid' AND json_extract(fulfilment, '$.kind') <> 'download'`),
    flagged: listedWhere(`flag <> ''`),
  };

  return {
    orderById,
    orderByCode,
    ordersOfBuyer,
    openOfBuyer,
    insertOrder,
    updateState,
    updateItems,
    updateDetails,
    updateMoney,
    updateFlag,
    moveRefunded,
    linesOf,
    clearLines,
    insertLine,
    moveReturned,
    lapsed,
    paymentById,
    paymentsOf,
    openPayments,
    insertPayment,
    paymentBegun,
    endPayment,
    refundById,
    refundsOf,
    openRefunds,
    insertRefund,
    refundTaken,
    endRefund,
    insertLedger,
    chargesOf,
    totals,
    noticeDone,
    noticeSeen,
    insertEvent,
    eventsOf,
    listed,
  };
};
