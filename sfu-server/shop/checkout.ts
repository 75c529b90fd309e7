// Everything of one show about orders, put together: checkout, till, delivery, receipts and the mail that goes out.
// Who may ask for what is in protocol/order-messages.ts, and is answered through show/order-door.ts.
import * as z from 'zod/mini';
import type { Clock } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { ShowParams, ShowResult } from '../protocol/messages.ts';
import type { CounterOrder, OrderActor, Receipt } from '../protocol/order-messages.ts';
import { orderId, type Order, type OrderId, type ShopSettings } from '../protocol/shop.ts';
import type { ShowId } from '../protocol/state.ts';
import type { Store } from '../store/database.ts';
import { createDigital } from './digital.ts';
import { createFulfilments } from './fulfilments.ts';
import type { BuyerHash, Holds } from './holds.ts';
import type { Mailer } from './mail.ts';
import type { OrderRow } from './order-book.ts';
import { createOrders } from './orders.ts';
import type { PaymentDesk } from './payments/desk.ts';
import type { PaymentNotice } from './payments/provider.ts';
import { createReceipts } from './receipts.ts';
import { createTill } from './till.ts';

const mailRoundMs = 2_000;
const maxMailAttempts = 5;
const mailRetryMs = 30_000;
const pageSize = 50;
const counterQueueSize = 100;
const maxOrdersInFile = 100_000;

export type CheckoutOptions = {
  store: Store;
  show: ShowId;
  clock: Clock;
  holds: Holds;
  desk: PaymentDesk;
  /** Where buyers reach this server, no trailing slash. */
  publicOrigin: () => string;
  /** Folder of digital goods. */
  goods: string;
  settings: () => ShopSettings;
  title: () => string;
  /** To desk and crew. */
  tellCrew: (order: CounterOrder) => void;
  log: { info(detail: object, text: string): void; error(detail: object, text: string): void };
};

export type Checkout = ReturnType<typeof createCheckout>;

const mailRow = z.object({ id: z.int(), order_id: orderId, address: z.string() });

/** Where a buyer finds the receipt: the order's id is the key to it, and a fragment stays out of every log. */
export const receiptPath = (show: ShowId, id: OrderId): string => `/order/${show}#${id}`;

export const createCheckout = (options: CheckoutOptions) => {
  const { store, show, clock, desk, settings, log } = options;
  const { query, command } = store;
  const now = () => clock.now();

  const insertMail = command(
    `INSERT INTO mails (order_id, kind, address, subject, text, stage, created_ms) VALUES (?, 'receipt', ?, '', '', ?, ?)
       ON CONFLICT (order_id, kind) DO UPDATE SET address = excluded.address, stage = excluded.stage`,
  );
  const mailStage = query(
    z.object({ stage: z.enum(['waiting', 'sent', 'failed', 'notConfigured']) }),
    `SELECT stage FROM mails WHERE order_id = ? AND kind = 'receipt'`,
  );
  const waitingMails = query(
    mailRow,
    `SELECT m.id, m.order_id, m.address FROM mails m JOIN orders o ON o.id = m.order_id
      WHERE o.show_id = ? AND m.stage = 'waiting' ORDER BY m.id LIMIT 20`,
  );
  const endMail = command('UPDATE mails SET stage = ?, subject = ?, text = ?, sent_ms = ? WHERE id = ?');
  const oldestToServe = query(
    z.object({ id: orderId }),
    `SELECT id FROM orders WHERE show_id = ? AND ((stage = 'awaitingPayment' AND json_extract(state, '$.provider') = 'counter')
        OR (stage = 'paid' AND json_extract(fulfilment, '$.kind') = 'pickup')) ORDER BY created_ms, rowid LIMIT ?`,
  );

  const fulfilments = createFulfilments(store, show);
  const digital = createDigital(store, show, options.goods, now);

  /** Pages that have an order on screen. */
  const following = new Map<OrderId, Set<(receipt: Receipt) => void>>();

  const putMail = (order: OrderRow) =>
    void insertMail(order.id, order.email, desk.mailer() ? 'waiting' : 'notConfigured', now());

  const orders = createOrders({
    store,
    show,
    now,
    holds: options.holds,
    fulfilments,
    money: () => settings().money,
    onPaid: (id) => {
      digital.assign(id);
      if (digital.deliveries(id).some(({ what }) => what.kind === 'pending')) {
        orders.markFlag(id, 'There is no code or file left for this order. Add one in the catalogue.');
      }
      putMail(orders.known(id));
    },
    changed: (id) => {
      const order = orders.known(id);
      const followers = following.get(id);
      if (followers) {
        const receipt = receipts.receipt(order);
        for (const follower of followers) follower(receipt);
      }
      options.tellCrew(receipts.counter(order));
    },
  });
  const receipts = createReceipts({
    orders,
    fulfilments,
    digital,
    settings,
    mailStage: ({ id }) => mailStage.one(id)?.stage ?? 'none',
  });
  const till = createTill({
    orders,
    clock,
    settings,
    provider: desk.provider,
    publicOrigin: options.publicOrigin,
    receiptPath: (id) => receiptPath(show, id),
    log,
  });

  const receiptOf = (id: OrderId): Receipt => receipts.receipt(orders.known(id));
  const counterOf = (id: OrderId): CounterOrder => receipts.counter(orders.known(id));
  const mailOf = (order: OrderRow) =>
    receipts.mail(order, options.title(), `${options.publicOrigin()}${receiptPath(show, order.id)}`);

  // --- mail ------------------------------------------------------------------------------------------------------------

  const mailAttempts = new Map<number, { failures: number; nextMs: number }>();
  let cancelMail = () => {};
  let closed = false;

  const sendOne = async (mailer: Mailer, row: z.infer<typeof mailRow>): Promise<void> => {
    const before = mailAttempts.get(row.id) ?? { failures: 0, nextMs: 0 };
    if (before.nextMs > now()) return;
    const { subject, text } = mailOf(orders.known(row.order_id));
    try {
      await mailer.send(row.address, subject, text, `<receipt-${row.id}-${show}@live-drop>`);
      endMail('sent', subject, text, now(), row.id);
      mailAttempts.delete(row.id);
      orders.note(row.order_id, 'mailed');
    } catch (error) {
      const failures = before.failures + 1;
      mailAttempts.set(row.id, { failures, nextMs: now() + mailRetryMs * failures });
      log.error({ err: error, failures }, 'a receipt could not be mailed');
      if (failures < maxMailAttempts) return;
      mailAttempts.delete(row.id);
      endMail('failed', subject, text, null, row.id);
      orders.flag(row.order_id, 'The receipt could not be mailed. Check the address with the buyer.');
    }
  };
  const sendMails = async (): Promise<void> => {
    const mailer = desk.mailer();
    // Before the door is open the receipt's address is not known.
    if (!mailer || options.publicOrigin() === '') return;
    for (const row of waitingMails.all(show)) {
      if (closed) return;
      await sendOne(mailer, row);
    }
  };
  let mailing: Promise<void> = Promise.resolve();
  const mailLoop = () => {
    if (closed) return;
    mailing = sendMails()
      .catch((error: unknown) => log.error({ err: error }, 'the mail round failed'))
      .finally(() => {
        if (!closed) cancelMail = clock.after(mailRoundMs, mailLoop);
      });
  };
  cancelMail = clock.after(0, mailLoop);

  return {
    // --- buyers ----------------------------------------------------------------------------------------------------------

    options: (): ShowResult<'checkoutOptions'> => ({
      ways: till.ways(null),
      ...fulfilments.setup(),
      mail: desk.mailer() !== undefined,
    }),
    begin: (buyer: BuyerHash, { holdIds }: ShowParams<'beginCheckout'>, addressPrefix: string): Receipt =>
      receiptOf(orders.begin(buyer, holdIds, addressPrefix)),
    saveDetails: (params: ShowParams<'saveOrderDetails'>): Receipt => receiptOf(orders.saveDetails(params)),
    pay: async ({ orderId: id, provider }: ShowParams<'payOrder'>): Promise<Receipt> => {
      await till.pay(id, provider);
      return receiptOf(id);
    },
    status: async ({ orderId: id, returned }: ShowParams<'orderStatus'>): Promise<Receipt> => {
      orders.known(id);
      if (returned) await till.returned(id);
      return receiptOf(id);
    },
    cancel: async (id: OrderId): Promise<Receipt> => {
      orders.known(id);
      await till.cancel(id);
      return receiptOf(id);
    },
    ofBuyer: (buyer: BuyerHash): Order[] => orders.ofBuyer(buyer).map(receipts.order),
    downloadToken: ({ orderId: id, lineId, productId }: ShowParams<'downloadToken'>) =>
      digital.token(orders.known(id).id, lineId, productId),
    receiptText: (id: OrderId) => mailOf(orders.known(id)),

    // --- crew ------------------------------------------------------------------------------------------------------------

    find: (code: string): CounterOrder => receipts.counter(orders.find(code)),
    counterQueue: (): CounterOrder[] =>
      oldestToServe.all(show, counterQueueSize).map(({ id }) => counterOf(id)),
    confirmCounter: async (
      { orderId: id, tender }: ShowParams<'confirmCounter'>,
      actor: OrderActor,
    ): Promise<CounterOrder> => {
      await till.confirmCounter(orders.known(id).id, tender, actor);
      return counterOf(id);
    },
    handOver: ({ orderId: id, undo }: ShowParams<'handOver'>, actor: OrderActor): CounterOrder => {
      orders.handOver(id, undo, actor);
      return counterOf(id);
    },

    // --- the director ----------------------------------------------------------------------------------------------------

    list: ({ before, only }: ShowParams<'listOrders'>): ShowResult<'listOrders'> => ({
      orders: orders
        .list(only, before, pageSize)
        .map((row) => ({ order: receipts.order(row), flag: row.flag })),
      totals: orders.totals(),
    }),
    inspect: (id: OrderId): ShowResult<'inspectOrder'> => {
      const row = orders.known(id);
      return {
        receipt: receipts.receipt(row),
        flag: row.flag,
        events: receipts.events(row),
        evidence: receipts.evidence(row),
      };
    },
    refund: async (params: ShowParams<'refundOrder'>): Promise<Receipt> => {
      orders.requestRefund(params);
      await till.refund(params.orderId);
      return receiptOf(params.orderId);
    },
    markShipped: ({ orderId: id, tracking }: ShowParams<'markShipped'>): Receipt => {
      orders.markShipped(id, tracking);
      return receiptOf(id);
    },
    clearFlag: orders.clearFlag,
    renewDelivery: (id: OrderId): Receipt => {
      orders.note(id, 'deliveryRenewed');
      return receiptOf(id);
    },
    sendReceipt: (id: OrderId): Receipt => {
      const order = orders.known(id);
      if (order.email === '') throw new AppError('invalidParams', 'This order has no e-mail address yet.');
      if (!desk.mailer())
        throw new AppError('wrongPhase', 'No mail server is set up. Show or save the text instead.');
      putMail(order);
      return receiptOf(id);
    },
    packingList: fulfilments.packingList,
    deliverySetup: fulfilments.setup,
    saveDeliverySetup: (params: ShowParams<'saveDeliverySetup'>) => fulfilments.save(params, now()),
    paymentSetup: (): ShowResult<'paymentSetup'> => {
      const card = desk.provider('stripe');
      const stripe = card === undefined ? 'absent' : card.realMoney ? 'liveKey' : 'testKey';
      return { stripe, webhook: desk.hasWebhook(), mail: desk.mailer() !== undefined };
    },
    addCodes: ({ productId, codes }: ShowParams<'addDigitalCodes'>) => {
      const { added, left, served } = digital.addCodes(productId, codes);
      for (const id of served) orders.note(id, 'codesAdded');
      return { added, left };
    },

    /** Calls back on every change of the order. Returns the way to stop. */
    follow: (id: OrderId, listener: (receipt: Receipt) => void): (() => void) => {
      const listeners = following.get(id) ?? new Set();
      following.set(id, listeners.add(listener));
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) following.delete(id);
      };
    },

    // --- doors beside the socket -------------------------------------------------------------------------------------------

    addFile: digital.addFile,
    /** Counts the download and notes it for disputes. */
    openDownload: (token: string) => {
      const { orderId: id, download } = digital.open(token);
      orders.note(id, 'downloaded', { text: download.fileName });
      return download;
    },
    noticed: (notice: PaymentNotice, id: OrderId) => till.noticed(notice, id),
    /** All orders of the show, newest first, for the CSV. */
    all: () =>
      orders
        .list('all', null, maxOrdersInFile)
        .map((row) => ({ order: receipts.order(row), flag: row.flag })),

    /** When nobody is being spoken to: providers have answered, mails are out. */
    idle: async () => {
      await Promise.all([till.idle(), mailing]);
    },
    close: async () => {
      closed = true;
      cancelMail();
      // A mail that is under way is sent again after a restart, under the same message id.
      await till.close();
    },
    snapshot: () => ({ till: till.snapshot(), totals: orders.totals(), mailsFailing: mailAttempts.size }),
  };
};
