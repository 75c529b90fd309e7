// Orders of one show, from holds to a receipt, and the one place where what a provider says becomes stock and money: `settle`.
// Everything here is synchronous, one transaction each. Talking to providers and waiting is till.ts; what pages see is receipts.ts.
import { randomInt } from 'node:crypto';
import { newPublicId, newToken } from '../access/tokens.ts';
import { AppError } from '../protocol/errors.ts';
import type { ShowParams } from '../protocol/messages.ts';
import type { OrderActor } from '../protocol/order-messages.ts';
import { orderId, type Fulfilment, type HoldId, type OrderId, type OrderState } from '../protocol/shop.ts';
import type { ShowId } from '../protocol/state.ts';
import { isConstraint, type Store } from '../store/database.ts';
import type { Fulfilments } from './fulfilments.ts';
import type { BuyerHash, Holds } from './holds.ts';
import {
  createOrderBook,
  type EventDetail,
  type OrderRow,
  type PaymentRow,
  type RefundWhat,
} from './order-book.ts';
import type { PaymentOutcome, ProviderName, RefundOutcome } from './payments/provider.ts';

/** How long an order waits for its money from when the payment began; a hold that lasts longer wins. */
const payableMs = { stripe: 180_000, counter: 30 * 60_000, free: 60_000, test: 60_000 } as const;
/** What is left at least after a change of mind about how to pay. */
const changeOfMindMs = 120_000;
/** So that nobody holds stock for good by beginning payments. */
const maxPayments = 6;
const undoMs = 10 * 60_000;
const maxOpenOrders = 5;

/** Why a payment that nobody can make any more is over. `switched`: the buyer pays in another way. */
export type VoidReason = 'cancelled' | 'expired' | 'declined' | 'switched';

export type OrdersOptions = {
  store: Store;
  show: ShowId;
  now: () => number;
  holds: Pick<Holds, 'find' | 'pay' | 'unpay' | 'sell' | 'release' | 'putBack'>;
  fulfilments: Fulfilments;
  /** The show's shop, at this moment. */
  money: () => 'test' | 'real';
  /** Runs inside the transaction in which an order becomes paid. */
  onPaid: (id: OrderId) => void;
  /** After the transaction. */
  changed: (id: OrderId) => void;
};

export type Orders = ReturnType<typeof createOrders>;

// Without letters and digits that are misread or misheard.
const codeLetters = 'ACDEFHJKLMNPRTUVWXY347';
const newPickupCode = (): string =>
  Array.from({ length: 4 }, () => codeLetters[randomInt(codeLetters.length)]).join('');

export const actorName = (actor: OrderActor): string => (actor.kind === 'crew' ? actor.name : 'the desk');

export const createOrders = (options: OrdersOptions) => {
  const { store, show, now, holds, fulfilments } = options;
  const { transaction } = store;

  const {
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
    endRefund,
    refundTaken,
    insertLedger,
    chargesOf,
    totals,
    noticeDone,
    noticeSeen,
    insertEvent,
    eventsOf,
    listed,
  } = createOrderBook(store);

  // --- small steps, inside a transaction ---------------------------------------------------------------------------------

  const note = (id: OrderId, kind: string, detail: EventDetail = {}) =>
    void insertEvent(id, now(), kind, JSON.stringify(detail));

  const known = (id: OrderId): OrderRow => {
    const row = orderById.one(id, show);
    if (!row) throw new AppError('notFound', 'There is no such order. Check the link or the code.');
    return row;
  };

  const enter = (id: OrderId, state: OrderState, detail: EventDetail = {}) => {
    updateState(JSON.stringify(state), now(), id);
    note(id, state.kind, detail);
  };

  const flag = (id: OrderId, text: string) => {
    updateFlag(text, now(), id, show);
    note(id, 'flag', { text });
  };

  const deadlineOf = (order: OrderRow): number | null => {
    if (!['details', 'awaitingPayment', 'confirming'].includes(order.state.kind)) return null;
    return Math.min(...linesOf.all(order.id).map((line) => holds.find(line.hold_id)?.deadlineMs ?? 0));
  };

  const openPaymentOf = (id: OrderId): PaymentRow | undefined =>
    paymentsOf.all(id).findLast(({ stage }) => stage === 'open');

  /** The stock goes back, once; holds that are over already have given theirs back. */
  const close = (order: OrderRow, because: 'cancelled' | 'expired' | 'declined') => {
    for (const line of linesOf.all(order.id)) holds.release(line.hold_id);
    fulfilments.leave(order.id);
    enter(order.id, { kind: 'closed', closedMs: now(), because }, { because });
  };

  const outOfStock = new Error('not enough stock');
  /** All lines or none. What was given back in the meantime is taken again where there is any left. */
  const sellAll = (order: OrderRow): boolean => {
    try {
      transaction(() => {
        for (const line of linesOf.all(order.id)) {
          if (!holds.sell(line.hold_id)) throw outOfStock;
        }
      });
      return true;
    } catch (error) {
      if (error === outOfStock) return false;
      throw error;
    }
  };

  const giveBackSurplus = (order: OrderRow, payment: PaymentRow, paid: PaidOutcome, why: string) => {
    const id = newPublicId();
    const what: RefundWhat = {
      chargeRef: paid.chargeRef,
      surplus: true,
      shippingMinor: 0,
      lines: [],
    };
    insertRefund(
      id,
      order.id,
      payment.id,
      `refund-${id}`,
      paid.amountMinor,
      why,
      JSON.stringify(what),
      now(),
    );
    flag(order.id, `${why} The money is being given back.`);
  };

  type PaidOutcome = Extract<PaymentOutcome, { kind: 'paid' }>;

  const settlePaid = (order: OrderRow, payment: PaymentRow, paid: PaidOutcome, detail: EventDetail) => {
    const at = now();
    const { amountMinor, currency, chargeRef } = paid;
    if (insertLedger(order.id, 'charge', payment.provider, chargeRef, amountMinor, currency, at) === 0)
      return;
    const late = payment.stage !== 'open' || order.state.kind === 'closed';
    endPayment('paid', at, payment.id);
    note(order.id, 'charged', { provider: payment.provider, amountMinor, currency, ...detail });
    if (amountMinor !== order.total_minor || currency !== order.currency) {
      return giveBackSurplus(order, payment, paid, 'Another amount was paid than this order costs.');
    }
    if (['paid', 'fulfilled', 'refunded'].includes(order.state.kind)) {
      return giveBackSurplus(order, payment, paid, 'This order was paid twice.');
    }
    if (!sellAll(order)) {
      return giveBackSurplus(order, payment, paid, 'The money came too late: nothing was left.');
    }
    if (late && !fulfilments.rejoin(order.id)) {
      flag(
        order.id,
        'Paid late, and its pickup window is full by now. Agree on another time with the buyer.',
      );
    }
    enter(order.id, { kind: 'paid', provider: payment.provider, paidMs: at }, late ? { late } : {});
    options.onPaid(order.id);
  };

  const settleWithin = (
    paymentId: string,
    outcome: PaymentOutcome,
    because: VoidReason,
    detail: EventDetail,
  ) => {
    const payment = paymentById.one(paymentId);
    const order = payment && orderById.one(payment.order_id, show);
    if (!payment || !order) throw new AppError('notFound', 'There is no such payment.');
    const waits = order.state.kind === 'awaitingPayment' || order.state.kind === 'confirming';
    const current = waits && openPaymentOf(order.id)?.id === payment.id;
    const { provider } = payment;
    switch (outcome.kind) {
      case 'paid':
        settlePaid(order, payment, outcome, detail);
        break;
      case 'open':
        if (current && order.state.kind === 'confirming') {
          enter(order.id, { kind: 'awaitingPayment', provider, sinceMs: now() });
        }
        break;
      case 'processing':
        if (current && order.state.kind === 'awaitingPayment') {
          enter(order.id, { kind: 'confirming', provider, sinceMs: now() });
        }
        break;
      case 'void':
        if (payment.stage !== 'open') break;
        endPayment(because === 'declined' ? 'failed' : 'expired', now(), payment.id);
        if (!current) break;
        if (because === 'switched') {
          const begun = eventsOf.all(order.id).findLast(({ kind }) => kind === 'awaitingPayment');
          const heldMs = Number(begun?.detail['heldMs'] ?? 0);
          for (const line of linesOf.all(order.id)) {
            holds.unpay(line.hold_id, Math.max(heldMs, now() + changeOfMindMs));
          }
          enter(order.id, { kind: 'details' }, { switched: true });
        } else close(order, because);
        break;
    }
    return order.id;
  };

  const priced = (order: OrderRow, chosen: Fulfilment): number => {
    const kinds = linesOf.all(order.id).map(({ kind }) => kind);
    const digitalOnly = kinds.every((kind) => kind === 'digital');
    if (chosen.kind === 'download' && !digitalOnly) {
      throw new AppError('invalidParams', 'Some of this is made of matter: choose pickup or shipping.');
    }
    if ((chosen.kind === 'pickup' || chosen.kind === 'shipping') && digitalOnly) {
      throw new AppError('invalidParams', 'All of this is digital: there is nothing to pick up or to ship.');
    }
    return chosen.kind === 'shipping'
      ? fulfilments.shippingMinor(chosen.laneId, chosen.address.country, order.items_minor)
      : 0;
  };

  const itemsMinor = (id: OrderId): number =>
    linesOf.all(id).reduce((sum, line) => sum + line.quantity * line.price_minor, 0);

  const putLines = (id: OrderId, ids: readonly HoldId[]) => {
    clearLines(id);
    for (const [position, hold] of ids.entries()) insertLine(newPublicId(), id, hold, position);
    updateItems(itemsMinor(id), now(), id);
  };

  const insertWithCode = (id: OrderId, buyer: BuyerHash, currency: string, addressPrefix: string) => {
    const state: OrderState = { kind: 'details' };
    for (let attempts = 1; ; attempts += 1) {
      try {
        const at = now();
        insertOrder(
          id,
          show,
          buyer,
          newPickupCode(),
          JSON.stringify(state),
          options.money(),
          currency,
          0,
          addressPrefix,
          at,
          at,
        );
        return;
      } catch (error) {
        // The code is taken: 200 thousand are possible in a show.
        if (!isConstraint(error) || attempts === 20) throw error;
      }
    }
  };

  /** Runs in one transaction that is on the disk when it returns, then tells. */
  const changing = (run: () => OrderId): OrderId => {
    const id = store.durable(run);
    options.changed(id);
    return id;
  };

  const delivered = (order: OrderRow, kind: 'fulfilled' | 'paid', detail: EventDetail) => {
    if (order.state.kind !== 'paid' && order.state.kind !== 'fulfilled') return;
    const { provider, paidMs } = order.state;
    enter(
      order.id,
      kind === 'paid' ? { kind, provider, paidMs } : { kind, provider, paidMs, fulfilledMs: now() },
      detail,
    );
  };

  return {
    known,
    /** By its id or its short code, however it was typed. */
    find: (code: string): OrderRow => {
      const row = orderById.one(code, show) ?? orderByCode.one(code.toUpperCase(), show);
      if (!row) throw new AppError('notFound', 'No order has this code. Check it with the buyer.');
      return row;
    },
    lines: (id: OrderId) => linesOf.all(id),
    events: (id: OrderId) => eventsOf.all(id),
    refunds: (id: OrderId) => refundsOf.all(id),
    payments: (id: OrderId) => paymentsOf.all(id),
    openPayment: openPaymentOf,
    ofBuyer: (buyer: BuyerHash) => ordersOfBuyer.all(buyer, show),
    list: (only: keyof typeof listed, before: OrderId | null, limit: number) =>
      listed[only].all(show, before, limit),
    totals: () => {
      const { orders = 0, taken = 0, refunded = 0 } = totals.one(show) ?? {};
      return { orders, takenMinor: taken, refundedMinor: refunded };
    },
    /** Until when its stock waits; null once it no longer does. */
    deadlineMs: (order: OrderRow) => deadlineOf(order),

    // --- checkout ------------------------------------------------------------------------------------------------------------

    /** Own holds in force become one order. Holds that are being paid for already lead to their order. */
    begin: (buyer: BuyerHash, ids: readonly HoldId[], addressPrefix: string): OrderId =>
      changing(() => {
        const wanted = [...new Set(ids)].map((id) => holds.find(id));
        const mine = wanted.filter((hold) => hold !== undefined && hold.buyer === buyer);
        const gone = mine.length === 0 || mine.length < wanted.length;
        if (gone || mine.some((hold) => hold?.stage !== 'held' && hold?.stage !== 'paying')) {
          throw new AppError('notFound', 'The time for this was over. Look whether there is one left.');
        }
        const open = openOfBuyer.all(buyer, show);
        const paying = open.find(
          ({ id, state }) =>
            state.kind !== 'details' && linesOf.all(id).some(({ hold_id: hold }) => ids.includes(hold)),
        );
        if (paying) return paying.id;
        const before = open.find(({ state }) => state.kind === 'details');
        if (!before && open.length >= maxOpenOrders) {
          throw new AppError('limit', 'You have several unpaid orders. Pay or cancel one of them first.');
        }
        const id = before?.id ?? orderId.parse(newToken());
        if (!before) insertWithCode(id, buyer, mine[0]?.currency ?? '', addressPrefix);
        putLines(
          id,
          mine.flatMap((hold) => hold?.id ?? []),
        );
        // What was chosen before may not fit what is in it now.
        fulfilments.leave(id);
        const { email, name } = known(id);
        updateDetails(email, name, '{"kind":"undecided"}', null, null, 0, now(), id);
        if (!before) note(id, 'begun');
        return id;
      }),

    saveDetails: ({ orderId: id, email, name, fulfilment: chosen }: ShowParams<'saveOrderDetails'>) =>
      changing(() => {
        const order = known(id);
        if (order.state.kind !== 'details') {
          throw new AppError('wrongPhase', 'The payment has begun. Cancel it to change something.');
        }
        const shippingMinor = priced(order, chosen);
        fulfilments.leave(id);
        if (chosen.kind === 'pickup' && chosen.windowId !== null) fulfilments.join(chosen.windowId);
        const windowId = chosen.kind === 'pickup' ? chosen.windowId : null;
        const laneId = chosen.kind === 'shipping' ? chosen.laneId : null;
        updateDetails(email, name, JSON.stringify(chosen), windowId, laneId, shippingMinor, now(), id);
        return id;
      }),

    /** The payment to be begun at the provider, or the one that already is. Throws when something is missing or the time is over. */
    startPayment: (id: OrderId, provider: ProviderName): PaymentRow => {
      const start = () => {
        const order = known(id);
        const open = openPaymentOf(id);
        if (open?.provider === provider) return id;
        if (open || order.state.kind !== 'details') {
          throw new AppError(
            'wrongPhase',
            'This order is paid, being paid or closed. The receipt says which.',
          );
        }
        if (order.email === '' || order.fulfilment.kind === 'undecided') {
          throw new AppError('invalidParams', 'Say where the receipt goes and how you get it first.');
        }
        if ((order.total_minor === 0) !== (provider === 'free')) throw new AppError('paymentRefused');
        const attempt = paymentsOf.all(id).length + 1;
        if (attempt > maxPayments)
          throw new AppError('limit', 'This was tried often enough. Pay at the table, please.');
        const heldMs = deadlineOf(order);
        for (const line of linesOf.all(id))
          holds.pay(order.buyer_hash, line.hold_id, now() + payableMs[provider]);
        updateMoney(options.money(), id);
        insertPayment(
          newPublicId(),
          id,
          provider,
          `order-${id}-pay-${attempt}`,
          order.total_minor,
          order.currency,
          now(),
        );
        enter(id, { kind: 'awaitingPayment', provider, sinceMs: now() }, { heldMs });
        return id;
      };
      changing(start);
      const payment = openPaymentOf(id);
      if (!payment) throw new Error('a payment that was just begun is not there');
      return payment;
    },
    /** The provider knows it now. */
    paymentBegun: (payment: PaymentRow, paymentRef: string, payUrl: string | null) => {
      paymentBegun(paymentRef, payUrl, payment.id);
      options.changed(payment.order_id);
    },
    /** The buyer says that they have paid. */
    claimPaid: (id: OrderId) => {
      const { state } = known(id);
      if (state.kind !== 'awaitingPayment' || state.provider === 'counter') return;
      changing(() => {
        enter(id, { kind: 'confirming', provider: state.provider, sinceMs: now() });
        return id;
      });
    },

    /**
     * What the provider says of a payment becomes stock and money, exactly once: whoever brings it, how often, in which order
     * and how late. `because`: why a payment that is void is over. On the disk when it returns.
     */
    settle: (
      paymentId: string,
      outcome: PaymentOutcome,
      because: VoidReason = 'declined',
      detail: EventDetail = {},
    ) => {
      changing(() => settleWithin(paymentId, outcome, because, detail));
    },
    /** An order whose payment has not begun: the stock goes back. */
    cancelUnpaid: (id: OrderId) => {
      if (known(id).state.kind !== 'details') return;
      changing(() => {
        close(known(id), 'cancelled');
        return id;
      });
    },
    /** Orders that were never paid and whose holds have run out are closed. */
    sweep: () => {
      for (const { id } of lapsed.all(show)) {
        changing(() => {
          close(known(id), 'expired');
          return id;
        });
      }
    },
    /** Whether this callback was dealt with before. */
    knowsNotice: (provider: ProviderName, eventRef: string): boolean =>
      noticeSeen.one(provider, eventRef) !== undefined,
    noticeDone: (provider: ProviderName, eventRef: string) => void noticeDone(provider, eventRef, now()),
    openPayments: () =>
      openPayments.all(show).map((payment) => {
        const order = known(payment.order_id);
        return { payment, order, deadlineMs: deadlineOf(order) };
      }),

    // --- refunds -------------------------------------------------------------------------------------------------------------

    openRefunds: () => openRefunds.all(show),
    /** Records what is to be given back; the till does it. A free order only puts its pieces back. */
    requestRefund: ({ orderId: id, lines, shippingMinor, reason }: ShowParams<'refundOrder'>) => {
      changing(() => {
        const order = known(id);
        const payment = paymentsOf.all(id).find(({ stage }) => stage === 'paid');
        if ((order.state.kind !== 'paid' && order.state.kind !== 'fulfilled') || !payment) {
          throw new AppError('wrongPhase', 'Only a paid order can be given back.');
        }
        const before = refundsOf
          .all(id)
          .filter(({ stage, lines: what }) => stage !== 'failed' && !what.surplus);
        const shippingBefore = before.reduce((sum, one) => sum + one.lines.shippingMinor, 0);
        if (shippingMinor + shippingBefore > order.shipping_minor) {
          throw new AppError('invalidParams', 'That is more shipping than was paid.');
        }
        let amountMinor = shippingMinor;
        for (const { lineId, quantity } of lines) {
          const line = linesOf.all(id).find((one) => one.id === lineId);
          if (!line || line.returned + quantity > line.quantity) {
            throw new AppError('invalidParams', 'That is more than was bought, or was given back already.');
          }
          amountMinor += quantity * line.price_minor;
          moveReturned(quantity, lineId, id);
        }
        if (lines.length === 0 && shippingMinor === 0) {
          throw new AppError('invalidParams', 'Choose what is given back.');
        }
        const refundId = newPublicId();
        const chargeRef =
          chargesOf.all(id).find(({ provider }) => provider === payment.provider)?.provider_ref ?? '';
        const what: RefundWhat = { chargeRef, surplus: false, shippingMinor, lines };
        insertRefund(
          refundId,
          id,
          payment.id,
          `refund-${refundId}`,
          amountMinor,
          reason,
          JSON.stringify(what),
          now(),
        );
        moveRefunded(amountMinor, now(), id);
        note(id, 'refundAsked', { amountMinor, reason });
        return id;
      });
    },
    /** What became of it at the provider; `pending` leaves it open. Pieces go back on sale when it is done, where chosen. */
    refundEnded: (refundId: string, outcome: RefundOutcome) => {
      changing(() => {
        const refund = refundById.one(refundId);
        if (!refund) throw new Error('a refund that is not there');
        const { order_id: id, lines: what, amount_minor: amountMinor } = refund;
        if (refund.stage !== 'open') return id;
        if (outcome.kind === 'pending') {
          refundTaken(outcome.refundRef, refundId);
          return id;
        }
        const at = now();
        if (outcome.kind === 'refused') {
          endRefund('failed', refund.provider_ref, at, refundId);
          if (!what.surplus) moveRefunded(-amountMinor, at, id);
          for (const { lineId, quantity } of what.lines) moveReturned(-quantity, lineId, id);
          flag(id, `Giving back the money did not work. ${outcome.reason}`);
          return id;
        }
        endRefund('done', outcome.refundRef, at, refundId);
        if (amountMinor > 0) {
          insertLedger(id, 'refund', refund.provider, outcome.refundRef, amountMinor, refund.currency, at);
        }
        note(id, 'refunded', { amountMinor, reason: refund.reason });
        const lines = linesOf.all(id);
        for (const { lineId, quantity, restock } of what.lines) {
          const line = lines.find((one) => one.id === lineId);
          if (restock && line) holds.putBack(line.hold_id, quantity);
        }
        const order = known(id);
        const settled = refundsOf.all(id).every(({ stage }) => stage !== 'open');
        const everything =
          order.refunded_minor === order.total_minor &&
          lines.every((line) => line.returned === line.quantity);
        if (!what.surplus && settled && everything) enter(id, { kind: 'refunded', refundedMs: at });
        return id;
      });
    },

    // --- delivery ------------------------------------------------------------------------------------------------------------

    handOver: (id: OrderId, undo: boolean, actor: OrderActor) => {
      changing(() => {
        const order = known(id);
        const { state } = order;
        if (undo) {
          if (state.kind !== 'fulfilled' || now() - state.fulfilledMs > undoMs) {
            throw new AppError(
              'wrongPhase',
              'Only what was handed out in the last ten minutes can be taken back.',
            );
          }
          delivered(order, 'paid', { undone: true, by: actorName(actor) });
          return id;
        }
        if (state.kind === 'fulfilled') {
          const by = eventsOf.all(id).findLast(({ kind }) => kind === 'fulfilled')?.detail['by'];
          const at = new Date(state.fulfilledMs).toISOString().slice(11, 16);
          throw new AppError(
            'wrongPhase',
            `This was already handed out at ${at} UTC by ${String(by ?? 'somebody')}.`,
          );
        }
        if (state.kind !== 'paid')
          throw new AppError('wrongPhase', 'This is not paid. Take the money first.');
        if (order.fulfilment.kind !== 'pickup') {
          throw new AppError('wrongPhase', 'This is not for pickup: it is shipped or downloaded.');
        }
        delivered(order, 'fulfilled', { by: actorName(actor) });
        return id;
      });
    },
    markShipped: (id: OrderId, tracking: string) => {
      changing(() => {
        const order = known(id);
        if (order.fulfilment.kind !== 'shipping' || !['paid', 'fulfilled'].includes(order.state.kind)) {
          throw new AppError('wrongPhase', 'Only a paid order that is to be shipped can be marked so.');
        }
        delivered(order, 'fulfilled', { tracking, by: 'the desk' });
        return id;
      });
    },
    /** Inside `onPaid`. */
    markFlag: flag,
    flag: (id: OrderId, text: string) => {
      flag(known(id).id, text);
      options.changed(id);
    },
    clearFlag: (id: OrderId) => {
      known(id);
      updateFlag('', now(), id, show);
      options.changed(id);
    },
    note: (id: OrderId, kind: string, detail: EventDetail = {}) => {
      note(known(id).id, kind, detail);
      options.changed(id);
    },
  };
};
