// Orders as people read them: the buyer's receipt and its mail, the crew's slip, what happened in words, the sheet for a dispute.
// Reads only; nothing here changes an order.
import type { CounterOrder, PickupWindow, Receipt, ShippingLane } from '../protocol/order-messages.ts';
import type { Order } from '../protocol/shop.ts';
import type { Digital } from './digital.ts';
import type { Fulfilments } from './fulfilments.ts';
import type { OrderEvent, OrderRow } from './order-book.ts';
import type { Orders } from './orders.ts';

export type ReceiptsOptions = {
  orders: Orders;
  fulfilments: Fulfilments;
  digital: Digital;
  mailStage: (order: OrderRow) => Receipt['mail'];
  settings: () => { seller: string; vatNote: string };
};

export type Receipts = ReturnType<typeof createReceipts>;

/** As the currency writes it, without a locale's surprises: "EUR 25.00". */
export const moneyText = (minor: number, currency: string): string => {
  const digits =
    new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
  return `${currency} ${(minor / 10 ** digits).toFixed(digits)}`;
};

const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

const windowText = ({
  place,
  startsMs,
  endsMs,
}: Pick<PickupWindow, 'place' | 'startsMs' | 'endsMs'>): string =>
  `${place}, ${timeText(startsMs)} to ${timeText(endsMs)}`;

const lineName = ({ productName, variantName }: Order['lines'][number]): string =>
  variantName === '' ? productName : `${productName}, ${variantName}`;

/** One event of an order, for the desk and for the evidence sheet. */
export const eventText = ({ kind, detail }: OrderEvent): string => {
  const { amountMinor, currency, by, reason, tender, provider, because, tracking, text } = detail;
  const amount =
    typeof amountMinor === 'number'
      ? typeof currency === 'string'
        ? moneyText(amountMinor, currency)
        : String(amountMinor)
      : '';
  const said = typeof by === 'string' ? ` by ${by}` : '';
  switch (kind) {
    case 'begun':
      return 'Checkout begun.';
    case 'details':
      return 'The buyer chooses another way to pay.';
    case 'awaitingPayment':
      return 'Waiting for the payment.';
    case 'confirming':
      return 'The payment is being confirmed.';
    case 'charged':
      return `${amount} received by ${String(tender ?? provider)}${said}.`;
    case 'paid':
      return detail['undone'] === true ? `Handing out was undone${said}.` : 'Paid.';
    case 'fulfilled':
      return typeof tracking === 'string' ? `Shipped${said}. ${tracking}` : `Handed out${said}.`;
    case 'closed':
      return `Closed without payment (${String(because)}).`;
    case 'refundAsked':
      return `A refund was asked for: ${String(reason)}`;
    case 'refunded':
      return typeof reason === 'string' ? `Money given back: ${reason}` : 'All of it was given back.';
    case 'flag':
      return String(text);
    case 'downloaded':
      return `Downloaded: ${String(text)}`;
    case 'deliveryRenewed':
      return 'The downloads were renewed.';
    case 'mailed':
      return 'The receipt was sent by mail.';
    default:
      return kind;
  }
};

export const createReceipts = ({ orders, fulfilments, digital, mailStage, settings }: ReceiptsOptions) => {
  const order = (row: OrderRow): Order => ({
    id: row.id,
    pickupCode: row.pickup_code,
    state: row.state,
    money: row.money,
    lines: orders.lines(row.id).map((line) => ({
      id: line.id,
      productName: line.product_name,
      variantName: line.variant_name,
      sku: line.sku,
      quantity: line.quantity,
      priceMinor: line.price_minor,
      returned: line.returned,
    })),
    fulfilment: row.fulfilment,
    email: row.email,
    name: row.name,
    currency: row.currency,
    itemsMinor: row.items_minor,
    shippingMinor: row.shipping_minor,
    totalMinor: row.total_minor,
    refundedMinor: row.refunded_minor,
    createdMs: row.created_ms,
  });

  const lane = ({ fulfilment: chosen }: OrderRow): ShippingLane | undefined =>
    chosen.kind === 'shipping' ? fulfilments.lane(chosen.laneId) : undefined;
  const window = ({ fulfilment: chosen }: OrderRow): PickupWindow | undefined =>
    chosen.kind === 'pickup' && chosen.windowId !== null ? fulfilments.window(chosen.windowId) : undefined;
  const tracking = ({ id }: OrderRow): string => {
    const shipped = orders
      .events(id)
      .findLast(({ kind, detail }) => kind === 'fulfilled' && 'tracking' in detail);
    return String(shipped?.detail['tracking'] ?? '');
  };

  /** A product without a note of its own has the shop's. */
  const vatNote = ({ id }: OrderRow): string => {
    const notes = orders.lines(id).map((line) => line.vat_note || settings().vatNote);
    return [...new Set(notes)].filter((note) => note !== '').join('; ');
  };

  const receipt = (row: OrderRow): Receipt => {
    const chosenWindow = window(row);
    const chosenLane = lane(row);
    return {
      order: order(row),
      deadlineMs: orders.deadlineMs(row),
      payUrl: orders.openPayment(row.id)?.redirect_url ?? null,
      seller: settings().seller,
      vatNote: vatNote(row),
      pickup: chosenWindow
        ? { place: chosenWindow.place, startsMs: chosenWindow.startsMs, endsMs: chosenWindow.endsMs }
        : null,
      shipping: chosenLane
        ? { name: chosenLane.name, estimate: chosenLane.estimate, tracking: tracking(row) }
        : null,
      deliveries: digital.deliveries(row.id),
      refunds: orders.refunds(row.id).map((one) => ({
        amountMinor: one.amount_minor,
        reason: one.reason,
        stage: one.stage,
        atMs: one.created_ms,
      })),
      mail: mailStage(row),
    };
  };

  return {
    order,
    receipt,
    counter: (row: OrderRow): CounterOrder => {
      const {
        id,
        pickupCode,
        name,
        state,
        money,
        lines,
        fulfilment,
        currency,
        totalMinor,
        refundedMinor,
        createdMs,
      } = order(row);
      return {
        id,
        pickupCode,
        name,
        state,
        money,
        lines,
        fulfilment: fulfilment.kind,
        currency,
        totalMinor,
        refundedMinor,
        flag: row.flag,
        createdMs,
      };
    },

    /** `link`: the receipt's address, which is also the way to downloads. */
    mail: (row: OrderRow, showTitle: string, link: string): { subject: string; text: string } => {
      const { order: made, pickup, shipping, deliveries, seller, vatNote, refunds } = receipt(row);
      const money = (minor: number) => moneyText(minor, made.currency);
      const lines = [
        ...(made.money === 'test' ? ['REHEARSAL: this is a test order. No money was charged.', ''] : []),
        made.name === '' ? 'Thank you!' : `Thank you, ${made.name}!`,
        '',
        `Order ${made.pickupCode}, ${timeText(made.createdMs)}`,
        '',
        ...made.lines.map(
          (line) => `${line.quantity} × ${lineName(line)}  ${money(line.quantity * line.priceMinor)}`,
        ),
        ...(made.shippingMinor > 0 ? [`Shipping  ${money(made.shippingMinor)}`] : []),
        `Total  ${money(made.totalMinor)}`,
        ...(vatNote === '' ? [] : [vatNote]),
        ...refunds.map((one) => `Given back  ${money(one.amountMinor)} (${one.reason})`),
        '',
        ...(made.fulfilment.kind === 'pickup'
          ? [
              `Pickup: ${pickup ? windowText(pickup) : 'at the table'}. Show the code ${made.pickupCode} or the QR code on your receipt.`,
            ]
          : []),
        ...(shipping
          ? [
              `Shipping: ${shipping.name}${shipping.estimate === '' ? '' : `, ${shipping.estimate}`}. ${shipping.tracking}`.trim(),
            ]
          : []),
        ...deliveries.map((one) => `${one.name}: on your receipt until ${timeText(one.expiresMs)}.`),
        '',
        `Your receipt: ${link}`,
        'Whoever has this link sees the receipt, so keep it to yourself.',
        ...(seller === '' ? [] : ['', seller]),
      ];
      return {
        subject: `${made.money === 'test' ? '[Test] ' : ''}Your order ${made.pickupCode} from ${showTitle}`,
        text: lines.join('\n'),
      };
    },

    events: (row: OrderRow) =>
      orders.events(row.id).map((event) => ({ atMs: event.at_ms, text: eventText(event) })),

    /** What a bank asks for when a payment is disputed: who, what, when, from where, and that it was delivered. */
    evidence: (row: OrderRow): string => {
      const made = order(row);
      const { deliveries } = receipt(row);
      const to = made.fulfilment.kind === 'shipping' ? made.fulfilment.address : undefined;
      return [
        `Evidence for order ${made.pickupCode}${made.money === 'test' ? ' (rehearsal, no money)' : ''}`,
        '',
        `Buyer: ${made.name === '' ? '(no name given)' : made.name}, ${made.email}`,
        `Network: ${row.address_prefix === '' ? 'unknown' : row.address_prefix} (prefix only)`,
        ...(to ? [`Shipped to: ${[...to.lines, `${to.postcode} ${to.city}`, to.country].join(', ')}`] : []),
        `Total: ${moneyText(made.totalMinor, made.currency)}, given back: ${moneyText(made.refundedMinor, made.currency)}`,
        '',
        'Goods:',
        ...made.lines.map(
          (line) =>
            `- ${line.quantity} × ${lineName(line)} (${line.sku}), ${moneyText(line.priceMinor, made.currency)} each`,
        ),
        ...deliveries.map((one) =>
          one.what.kind === 'file'
            ? `- file ${one.what.fileName}: downloaded ${one.what.downloads} times`
            : `- ${one.name}: ${one.what.kind}`,
        ),
        '',
        'Payments:',
        ...orders
          .payments(row.id)
          .map(
            (one) =>
              `- ${one.provider} ${one.provider_ref ?? ''} ${one.stage}, begun ${timeText(one.created_ms)}`,
          ),
        '',
        'What happened:',
        ...orders
          .events(row.id)
          .map((event) => `- ${new Date(event.at_ms).toISOString()} ${eventText(event)}`),
      ].join('\n');
    },
  };
};
