// The till: talks to the ways to pay and brings what they say to `settle`. Begins payments, asks after open ones, ends those whose
// time is over before their stock is released, gives money back; again and again until it is done, also after a crash.
// What an outcome means is orders.ts.
import type { Clock } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { OrderActor } from '../protocol/order-messages.ts';
import type { OrderId, ShopSettings } from '../protocol/shop.ts';
import type { PaymentRow, RefundRow } from './order-book.ts';
import { actorName, type Orders, type VoidReason } from './orders.ts';
import type { CounterTender } from './payments/own.ts';
import type {
  PaymentNotice,
  PaymentOutcome,
  PaymentProvider,
  ProviderName,
  RefundOutcome,
} from './payments/provider.ts';
import { minSessionLifeMs } from './payments/stripe.ts';

const roundMs = 1_000;
/** How often the provider is asked, by how eagerly the buyer waits. */
const askEveryMs = { confirming: 2_000, awaitingPayment: 8_000 } as const;
/** A bank takes its time over a refund. */
const refundPollMs = 60_000;
/** After an answer that did not come: doubled from the first to the last. */
const firstRetryMs = 2_000;
const lastRetryMs = 60_000;
/** At once, per show: a slow provider must not pile up work. */
const maxAsking = 8;
const closeWithinMs = 2_000;

export type TillOptions = {
  orders: Orders;
  clock: Clock;
  settings: () => Pick<ShopSettings, 'money'>;
  /** Those that are set up at this moment. */
  provider: (name: ProviderName) => PaymentProvider | undefined;
  /** Where buyers come back to, no trailing slash. */
  publicOrigin: () => string;
  receiptPath: (id: OrderId) => string;
  log: { info(detail: object, text: string): void; error(detail: object, text: string): void };
};

export const createTill = (options: TillOptions) => {
  const { orders, clock, log } = options;
  /** One conversation per order at a time. */
  const talking = new Map<OrderId, Promise<unknown>>();
  /** When a payment or a refund was last asked for, and how often that failed in a row. */
  const tried = new Map<string, { atMs: number; failures: number }>();
  let cancelRound = () => {};
  let closed = false;
  const isClosed = () => closed;

  const inTurn = <T>(id: OrderId, run: () => Promise<T>): Promise<T> => {
    const before = talking.get(id) ?? Promise.resolve();
    const turn = before.then(run);
    const settled = turn
      .catch(() => undefined)
      .finally(() => {
        if (talking.get(id) === settled) talking.delete(id);
      });
    talking.set(id, settled);
    return turn;
  };

  const ways = (totalMinor: number | null): ProviderName[] => {
    if (totalMinor === 0) return ['free'];
    const real = options.settings().money === 'real';
    const card = options.provider('stripe');
    // Real goods are not sold for play money, and a rehearsal does not charge a card.
    const cards: ProviderName[] = card && card.realMoney === real ? ['stripe'] : [];
    return real ? [...cards, 'counter'] : ['test', ...cards, 'counter'];
  };

  const providerOf = ({ provider }: Pick<PaymentRow, 'provider'>): PaymentProvider => {
    const found = options.provider(provider);
    if (!found)
      throw new AppError('paymentUnavailable', 'Card payments are not set up on this machine at the moment.');
    return found;
  };

  const begin = async (payment: PaymentRow): Promise<void> => {
    const order = orders.known(payment.order_id);
    const receipt = `${options.publicOrigin()}${options.receiptPath(order.id)}`;
    const lines = orders.lines(order.id).map((line) => ({
      name: line.variant_name === '' ? line.product_name : `${line.product_name}, ${line.variant_name}`,
      unitMinor: line.price_minor,
      quantity: line.quantity,
    }));
    const shipping = { name: 'Shipping', unitMinor: order.shipping_minor, quantity: 1 };
    try {
      const begun = await providerOf(payment).begin({
        orderId: order.id,
        key: payment.idempotency_key,
        currency: payment.currency,
        amountMinor: payment.amount_minor,
        lines: order.shipping_minor > 0 ? [...lines, shipping] : lines,
        email: order.email,
        returnUrl: receipt,
        cancelUrl: receipt,
        // From the record, so that a repetition says the same.
        expiresAtMs: Math.ceil((payment.created_ms + minSessionLifeMs) / 1000) * 1000,
      });
      orders.paymentBegun(payment, begun.paymentRef, begun.payUrl);
      orders.settle(payment.id, begun.outcome);
    } catch (error) {
      // Nobody has been given an address to pay at: the buyer may choose another way.
      if (error instanceof AppError && error.code === 'paymentRefused') {
        orders.settle(payment.id, { kind: 'void' }, 'switched');
      }
      throw error;
    }
  };

  /** Nobody can pay any more after this, or somebody has. A payment nobody was sent to cannot have been paid. */
  const end = async (payment: PaymentRow, because: VoidReason): Promise<PaymentOutcome> => {
    const outcome: PaymentOutcome =
      payment.provider_ref === null
        ? { kind: 'void' }
        : await providerOf(payment).expire(payment.provider_ref);
    orders.settle(payment.id, outcome, because);
    return outcome;
  };

  const ask = async (payment: PaymentRow): Promise<void> => {
    if (payment.provider_ref === null) return;
    const provider = providerOf(payment);
    // Nobody else can tell of these.
    if (provider.name !== 'stripe') return;
    orders.settle(payment.id, await provider.poll(payment.provider_ref));
  };

  const askForRefund = (row: RefundRow): Promise<RefundOutcome> => {
    const provider = providerOf(row);
    // Taken before: asking again by the same key would only bring the first answer again.
    if (row.provider_ref !== null && provider.pollRefund) return provider.pollRefund(row.provider_ref);
    return provider.refund({
      chargeRef: row.lines.chargeRef,
      amountMinor: row.amount_minor,
      currency: row.currency,
      key: row.idempotency_key,
    });
  };

  const refund = async (row: RefundRow): Promise<void> => {
    const outcome =
      row.amount_minor === 0
        ? ({ kind: 'done', refundRef: row.idempotency_key } as const)
        : await askForRefund(row);
    orders.refundEnded(row.id, outcome);
  };

  const refundAll = async (id: OrderId): Promise<void> => {
    for (const row of orders.refunds(id)) if (row.stage === 'open') await refund(row);
  };

  /** Runs it now unless that was done less than `everyMs` ago, or failed lately. Failures are logged and tried again later. */
  const attempt = async (key: string, everyMs: number, run: () => Promise<void>): Promise<void> => {
    const { atMs, failures } = tried.get(key) ?? { atMs: Number.NEGATIVE_INFINITY, failures: 0 };
    const pauseMs = failures === 0 ? everyMs : Math.min(firstRetryMs * 2 ** (failures - 1), lastRetryMs);
    if (clock.now() < atMs + pauseMs) return;
    tried.set(key, { atMs: clock.now(), failures });
    try {
      await run();
      tried.set(key, { atMs: clock.now(), failures: 0 });
    } catch (error) {
      tried.set(key, { atMs: clock.now(), failures: failures + 1 });
      if (error instanceof AppError) {
        log.info({ code: error.code, failures: failures + 1 }, 'a payment provider will be asked again');
      } else log.error({ err: error }, 'a payment could not be followed');
    }
  };

  const follow = async (open: ReturnType<Orders['openPayments']>[number]): Promise<void> => {
    const { payment, order, deadlineMs } = open;
    const waits = order.state.kind === 'awaitingPayment' || order.state.kind === 'confirming';
    const over = !waits || deadlineMs === null || deadlineMs <= clock.now();
    const everyMs = order.state.kind === 'confirming' ? askEveryMs.confirming : askEveryMs.awaitingPayment;
    await attempt(payment.id, over ? roundMs : everyMs, () =>
      inTurn(order.id, async () => {
        const now = orders.openPayment(order.id);
        if (now?.id !== payment.id) return;
        if (over) await end(now, 'expired');
        else await ask(now);
      }),
    );
  };

  const round = async (): Promise<void> => {
    orders.sweep();
    const payments = orders.openPayments();
    const refunds = orders.openRefunds();
    const alive = new Set([...payments.map(({ payment }) => payment.id), ...refunds.map(({ id }) => id)]);
    for (const key of tried.keys()) if (!alive.has(key)) tried.delete(key);
    const work = [
      ...payments.map((open) => () => follow(open)),
      ...refunds.map(
        (row) => () =>
          attempt(row.id, row.provider_ref === null ? firstRetryMs : refundPollMs, () =>
            inTurn(row.order_id, () => refundAll(row.order_id)),
          ),
      ),
    ];
    for (let at = 0; at < work.length; at += maxAsking) {
      if (isClosed()) return;
      await Promise.all(work.slice(at, at + maxAsking).map((one) => one()));
    }
  };

  let rounding: Promise<void> = Promise.resolve();
  const loop = () => {
    if (closed) return;
    rounding = round()
      .catch((error: unknown) => log.error({ err: error }, 'the till could not go on'))
      .finally(() => {
        if (!closed) cancelRound = clock.after(roundMs, loop);
      });
  };
  cancelRound = clock.after(0, loop);
  const idle = async (): Promise<void> => {
    await Promise.allSettled([rounding, ...talking.values()]);
  };

  return {
    /** What this order, or any order (null), can be paid with now. */
    ways,
    /** Begins the payment, or goes on with the one under way; another way ends the first. */
    pay: (id: OrderId, provider: ProviderName): Promise<void> =>
      inTurn(id, async () => {
        const order = orders.known(id);
        if (!ways(order.total_minor).includes(provider)) throw new AppError('paymentRefused');
        const before = orders.openPayment(id);
        if (before && before.provider !== provider) {
          const { kind } = await end(before, 'switched');
          if (kind !== 'void') return;
        }
        const payment = orders.startPayment(id, provider);
        if (payment.provider_ref === null) await begin(payment);
      }),
    /** The buyer comes back from the provider: ask now. Without an answer the order stays "confirming". */
    returned: async (id: OrderId): Promise<void> => {
      const open = orders.openPayment(id);
      if (!open || open.provider === 'counter') return;
      orders.claimPaid(id);
      await attempt(open.id, askEveryMs.confirming, () => inTurn(id, () => ask(open)));
    },
    /** Throws `wrongPhase` when it turns out to be paid. */
    cancel: (id: OrderId): Promise<void> =>
      inTurn(id, async () => {
        const open = orders.openPayment(id);
        if (!open) return orders.cancelUnpaid(id);
        const outcome = await end(open, 'cancelled');
        if (outcome.kind !== 'void') {
          throw new AppError('wrongPhase', 'This has just been paid. Look at the receipt.');
        }
      }),
    /** Money at the table. A card payment under way is ended first; when that was faster, it counts and no cash is taken. */
    confirmCounter: (id: OrderId, tender: CounterTender, actor: OrderActor): Promise<void> =>
      inTurn(id, async () => {
        const { state } = orders.known(id);
        if (state.kind === 'paid' || state.kind === 'fulfilled') return;
        const before = orders.openPayment(id);
        if (before && before.provider !== 'counter') {
          const { kind } = await end(before, 'switched');
          if (kind !== 'void')
            throw new AppError('wrongPhase', 'This has just been paid online. Take no money.');
        }
        const payment = orders.startPayment(id, 'counter');
        if (payment.provider_ref === null) orders.paymentBegun(payment, payment.idempotency_key, null);
        const { amount_minor: amountMinor, currency } = payment;
        orders.settle(
          payment.id,
          { kind: 'paid', amountMinor, currency, chargeRef: payment.idempotency_key },
          'declined',
          {
            tender,
            by: actorName(actor),
          },
        );
      }),
    /** A callback whose signature was good. It says when to ask, never what to believe. */
    noticed: async (notice: PaymentNotice, orderOf: OrderId): Promise<void> => {
      if (orders.knowsNotice('stripe', notice.eventRef)) return;
      await inTurn(orderOf, async () => {
        const payment = orders.payments(orderOf).find(({ provider_ref: ref }) => ref === notice.paymentRef);
        if (payment) await ask(payment);
        orders.noticeDone('stripe', notice.eventRef);
      });
    },
    /** Does what `requestRefund` has recorded; without an answer it is tried again until there is one. */
    refund: (id: OrderId): Promise<void> =>
      inTurn(id, () => refundAll(id)).catch((error: unknown) => {
        if (!(error instanceof AppError && error.retry)) throw error;
      }),
    /** When nobody is being spoken to. */
    idle,
    /** What was being said to a provider is ended; nothing new begins. */
    close: async (): Promise<void> => {
      closed = true;
      cancelRound();
      if (talking.size === 0) return;
      // A provider that does not answer keeps nobody: what it would have said is asked for at the next start.
      let cancelWait = () => {};
      const longEnough = new Promise<void>((resolve) => {
        cancelWait = clock.after(closeWithinMs, resolve);
      });
      await Promise.race([idle(), longEnough]);
      cancelWait();
    },
    snapshot: () => ({ talking: talking.size, following: tried.size }),
  };
};
