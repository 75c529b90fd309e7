// What pages may ask about orders: checkout and receipt for buyers, counter and pickup for the crew, refunds and delivery for the
// director. Part of messages.ts. The shapes of an order are in shop.ts, the rules in SPEC.md ([ORDER…], [PAY…]).
import * as z from 'zod/mini';
import type { RequestSpec } from './channel.ts';
import {
  type CrewId,
  fulfilment,
  holdId,
  order,
  orderId,
  paymentProvider,
  priceMinor,
  productId,
  emailAddress,
} from './shop.ts';

const nothing = z.object({});
const id = z.string().check(z.minLength(1), z.maxLength(64));
const timestampMs = z.int().check(z.minimum(0));
const director = ['studio'] as const;
const crew = ['studio', 'crew'] as const;
const buyer = ['viewer'] as const;

const personName = z.string().check(z.trim(), z.maxLength(80));
const sentence = z.string().check(z.trim(), z.maxLength(200));

// --- what a receipt shows ----------------------------------------------------------------------------------------------------

/** A digital good of a paid order. After `expiresMs` neither file nor code is given out. */
export const delivery = z.object({
  lineId: id,
  /** Of a bundle each digital component is a delivery of its own. */
  productId,
  name: z.string(),
  expiresMs: timestampMs,
  /** `pending`: the shop has no code left and the director has been told. */
  what: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('file'), fileName: z.string(), bytes: z.int(), downloads: z.int() }),
    z.object({ kind: z.literal('codes'), codes: z.array(z.string()) }),
    z.object({ kind: z.literal('pending') }),
    z.object({ kind: z.literal('expired') }),
  ]),
});
export type Delivery = z.infer<typeof delivery>;

export const refundNote = z.object({
  amountMinor: priceMinor,
  reason: z.string(),
  stage: z.enum(['open', 'done', 'failed']),
  atMs: timestampMs,
});

/** An order with all its buyer may see. Whoever has the order's id has the receipt. */
export const receipt = z.object({
  order,
  /** Until when the stock waits for the payment; null when it no longer has to. */
  deadlineMs: z.nullable(timestampMs),
  /** Page of the provider to go to, while it can be paid there. */
  payUrl: z.nullable(z.string().check(z.maxLength(2_048))),
  seller: z.string(),
  vatNote: z.string(),
  pickup: z.nullable(z.object({ place: z.string(), startsMs: timestampMs, endsMs: timestampMs })),
  shipping: z.nullable(z.object({ name: z.string(), estimate: z.string(), tracking: z.string() })),
  deliveries: z.array(delivery),
  refunds: z.array(refundNote),
  /** `notConfigured`: nobody sends mail here; the page shows the text and offers it as a file. */
  mail: z.enum(['none', 'waiting', 'sent', 'failed', 'notConfigured']),
});
export type Receipt = z.infer<typeof receipt>;

/** What the crew at the table sees: no address, no e-mail. */
export const counterOrder = z.object({
  id: orderId,
  pickupCode: z.string(),
  name: z.string(),
  state: order.shape.state,
  money: order.shape.money,
  lines: order.shape.lines,
  fulfilment: z.enum(['undecided', 'pickup', 'shipping', 'download']),
  currency: order.shape.currency,
  totalMinor: z.int(),
  refundedMinor: z.int(),
  flag: z.string(),
  createdMs: timestampMs,
});
export type CounterOrder = z.infer<typeof counterOrder>;

// --- pickup and shipping -----------------------------------------------------------------------------------------------------

export const pickupWindow = z.object({
  id,
  place: z.string().check(z.trim(), z.minLength(1, 'say where'), z.maxLength(80)),
  startsMs: timestampMs,
  endsMs: timestampMs,
  /** Orders; null: no bound. */
  capacity: z.nullable(z.int().check(z.minimum(1), z.maximum(100_000))),
  /** Orders that chose it. */
  taken: z.int(),
});
export type PickupWindow = z.infer<typeof pickupWindow>;

export const shippingLane = z.object({
  id,
  name: z.string().check(z.trim(), z.minLength(1, 'give it a name'), z.maxLength(60)),
  /** ISO 3166-1 alpha-2; empty: everywhere. */
  countries: z
    .array(z.string().check(z.regex(/^[A-Z]{2}$/, 'two letters, as in DE')))
    .check(z.maxLength(250)),
  priceMinor,
  /** Free from this value of goods; null: never. */
  freeFromMinor: z.nullable(priceMinor),
  /** Such as "2-3 days". */
  estimate: z.string().check(z.trim(), z.maxLength(60)),
});
export type ShippingLane = z.infer<typeof shippingLane>;

const draftId = z.nullable(id);
const windowDraft = z.object({ ...z.omit(pickupWindow, { id: true, taken: true }).shape, id: draftId });
const laneDraft = z.object({ ...z.omit(shippingLane, { id: true }).shape, id: draftId });

export const tender = z.enum(['cash', 'cardReader']);

export const orderRequests = {
  // Buyers. All of it after identifyBuyer.
  /** How this shop can be paid and how it delivers. `ways` in the order in which to offer them. */
  checkoutOptions: {
    from: buyer,
    params: nothing,
    result: z.object({
      ways: z.array(paymentProvider),
      windows: z.array(pickupWindow),
      lanes: z.array(shippingLane),
      /** Whether this server sends mail. */
      mail: z.boolean(),
    }),
  },
  /** Own holds in force become one order. Asked again with holds of that order it is the same order. */
  beginCheckout: {
    from: buyer,
    params: z.object({ holdIds: z.array(holdId).check(z.minLength(1), z.maxLength(20)) }),
    result: receipt,
  },
  /** Until payment begins. Only digital goods: `download`; everything else is picked up or shipped. */
  saveOrderDetails: {
    from: buyer,
    params: z.object({ orderId, email: emailAddress, name: personName, fulfilment }),
    result: receipt,
  },
  /** Begins the payment, or gives the one under way. `payUrl` in the answer: go there. */
  payOrder: {
    from: buyer,
    params: z.object({ orderId, provider: paymentProvider }),
    result: receipt,
    timeoutMs: 30_000,
  },
  /** The receipt as it is. `returned`: the buyer comes back from the provider, so it is asked now. */
  orderStatus: {
    from: buyer,
    params: z.object({ orderId, returned: z.boolean() }),
    result: receipt,
    timeoutMs: 30_000,
  },
  /** Gives the stock back, after the provider has confirmed that nobody can pay any more. */
  cancelOrder: { from: buyer, params: z.object({ orderId }), result: receipt, timeoutMs: 30_000 },
  /** Orders of this device, newest first. */
  myOrders: { from: buyer, params: nothing, result: z.object({ orders: z.array(order) }) },
  /** A token to post to `/download`; good until the delivery expires. */
  downloadToken: {
    from: buyer,
    params: z.object({ orderId, lineId: id, productId }),
    result: z.object({ token: z.string(), expiresMs: timestampMs }),
  },
  /** The mail's text, to show or to save where no mail is sent. */
  receiptText: {
    from: buyer,
    params: z.object({ orderId }),
    result: z.object({ subject: z.string(), text: z.string() }),
  },

  // Crew at the table.
  /** By what was scanned (the order's id) or read out (the short code). */
  findOrder: {
    from: crew,
    params: z.object({ code: z.string().check(z.trim(), z.minLength(3), z.maxLength(64)) }),
    result: counterOrder,
  },
  /** Orders that wait for money or for their buyer, oldest first. */
  counterQueue: { from: crew, params: nothing, result: z.object({ orders: z.array(counterOrder) }) },
  /** Money has come in at the table. Tapped twice it is still one payment. */
  confirmCounter: { from: crew, params: z.object({ orderId, tender }), result: counterOrder },
  /** Handed out; `undo` within ten minutes. Answers `wrongPhase` with when and by whom if it already was. */
  handOver: { from: crew, params: z.object({ orderId, undo: z.boolean() }), result: counterOrder },

  // The director.
  listOrders: {
    from: director,
    params: z.object({
      /** Older than this order; null: the newest. */
      before: z.nullable(orderId),
      only: z.enum(['all', 'open', 'toDeliver', 'flagged']),
    }),
    result: z.object({
      orders: z.array(z.object({ order, flag: z.string() })),
      /** Over the whole show. `takenMinor` − `refundedMinor` is what is in the till. */
      totals: z.object({ orders: z.int(), takenMinor: z.int(), refundedMinor: z.int() }),
    }),
  },
  /** All of one order: receipt, what happened, what was sent. */
  inspectOrder: {
    from: director,
    params: z.object({ orderId }),
    result: z.object({
      receipt,
      flag: z.string(),
      events: z.array(z.object({ atMs: timestampMs, text: z.string() })),
      /** For the bank in a dispute: times, address prefix, delivery. */
      evidence: z.string(),
    }),
  },
  /** Money back for these pieces and this much of the shipping. `restock`: the piece goes on sale again. */
  refundOrder: {
    from: director,
    params: z.object({
      orderId,
      lines: z
        .array(
          z.object({
            lineId: id,
            quantity: z.int().check(z.minimum(1), z.maximum(100)),
            restock: z.boolean(),
          }),
        )
        .check(z.maxLength(20)),
      shippingMinor: priceMinor,
      reason: sentence,
    }),
    result: receipt,
    timeoutMs: 30_000,
  },
  /** An order nobody has paid. */
  cancelOrderByCrew: { from: director, params: z.object({ orderId }), result: receipt, timeoutMs: 30_000 },
  markShipped: { from: director, params: z.object({ orderId, tracking: sentence }), result: receipt },
  /** Takes the flag off an order after somebody has looked at it. */
  clearFlag: { from: director, params: z.object({ orderId }), result: nothing },
  /** Digital goods of this order can be had again for as long as at first. */
  renewDelivery: { from: director, params: z.object({ orderId }), result: receipt },
  sendReceipt: { from: director, params: z.object({ orderId }), result: receipt },
  /** What is to be packed, by lane and by pickup window. */
  packingList: {
    from: director,
    params: nothing,
    result: z.object({
      groups: z.array(
        z.object({
          title: z.string(),
          pieces: z.array(z.object({ sku: z.string(), name: z.string(), quantity: z.int() })),
          orders: z.array(
            z.object({
              pickupCode: z.string(),
              name: z.string(),
              address: z.array(z.string()),
              lines: z.array(z.object({ sku: z.string(), name: z.string(), quantity: z.int() })),
            }),
          ),
        }),
      ),
    }),
  },
  deliverySetup: {
    from: director,
    params: nothing,
    result: z.object({ windows: z.array(pickupWindow), lanes: z.array(shippingLane) }),
  },
  /** The whole list; one left out is no longer offered (and refused while an unpaid order has chosen it). */
  saveDeliverySetup: {
    from: director,
    params: z.object({
      windows: z.array(windowDraft).check(z.maxLength(50)),
      lanes: z.array(laneDraft).check(z.maxLength(20)),
    }),
    result: z.object({ windows: z.array(pickupWindow), lanes: z.array(shippingLane) }),
  },
  /** How money can be taken. Keys themselves are never told to a page. */
  paymentSetup: {
    from: director,
    params: nothing,
    result: z.object({
      stripe: z.enum(['absent', 'testKey', 'liveKey']),
      /** Whether callbacks can be believed; without, outcomes are polled. */
      webhook: z.boolean(),
      mail: z.boolean(),
    }),
  },
  /** One code per piece sold of a digital product. Those it already has are skipped. */
  addDigitalCodes: {
    from: director,
    params: z.object({
      productId,
      codes: z
        .array(z.string().check(z.trim(), z.minLength(1), z.maxLength(200)))
        .check(z.minLength(1), z.maxLength(500)),
    }),
    result: z.object({ added: z.int(), left: z.int() }),
  },
} as const satisfies Record<string, RequestSpec>;

export const orderEvents = {
  /** To all pages of its buyer: an order has changed. */
  receipt,
  /** To desk and crew: this order is new or has changed. */
  counterOrder,
} as const;

export type OrderActor = { kind: 'studio' } | { kind: 'crew'; crewId: CrewId; name: string };
