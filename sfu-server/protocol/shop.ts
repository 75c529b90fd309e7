// The shop as pages see it: products with their variants and stock, drops, holds, a buyer's own things, orders.
// Also which terms a drop gives at a moment, so that pages count down to what the server will decide. Not here: who may ask for what
// (shop-messages.ts), and the rules of holding and paying (SPEC.md, sfu-server/shop/).
import * as z from 'zod/mini';

const id = z.string().check(z.minLength(1), z.maxLength(64));
const timestampMs = z.number();

export const productId = id.brand('ProductId');
export type ProductId = z.infer<typeof productId>;
export const variantId = id.brand('VariantId');
export type VariantId = z.infer<typeof variantId>;
export const dropId = id.brand('DropId');
export type DropId = z.infer<typeof dropId>;
export const holdId = id.brand('HoldId');
export type HoldId = z.infer<typeof holdId>;
export const orderId = id.brand('OrderId');
export type OrderId = z.infer<typeof orderId>;
export const crewId = id.brand('CrewId');
export type CrewId = z.infer<typeof crewId>;

export const currency = z.string().check(z.regex(/^[A-Z]{3}$/, 'three letters, as in EUR'));
export const maxPriceMinor = 100_000_000;
/** Minor units: cents, pence, yen. */
export const priceMinor = z
  .int()
  .check(
    z.minimum(0, 'a price cannot be negative'),
    z.maximum(maxPriceMinor, `at most ${maxPriceMinor} minor units`),
  );
const count = z.int().check(z.minimum(0));

// --- stock -----------------------------------------------------------------------------------------------------------------

/** `total = held + sold + left`, always. */
export const stock = z.object({
  total: z.int(),
  held: z.int(),
  sold: z.int(),
  left: z.int(),
  /** Rises with every change of this stock; a page never shows an older count over a newer one. */
  seq: z.int(),
});
export type Stock = z.infer<typeof stock>;

// --- catalogue -------------------------------------------------------------------------------------------------------------

/** `ticket`, `tier` and `pass` are known to the store and not offered yet. */
export const productKind = z.enum(['physical', 'printOnDemand', 'digital', 'bundle']);

export const variant = z.object({
  id: variantId,
  /** Such as "M / black"; empty where a product has only one. */
  name: z.string(),
  sku: z.string(),
  /** Null: the product's price, and the drop's. A variant with a price of its own keeps it in every drop. */
  priceMinor: z.nullable(priceMinor),
  /** Of a bundle: how many can be made from what is left of its components. */
  stock,
  /** What one piece takes from stock, by SKU: of a bundle several, of all else its own. */
  components: z.array(z.object({ sku: z.string(), quantity: z.int() })),
});
export type Variant = z.infer<typeof variant>;

export const product = z.object({
  id: productId,
  kind: productKind,
  name: z.string().check(z.minLength(1, 'give it a name'), z.maxLength(80)),
  description: z.string(),
  priceMinor,
  currency,
  /** Such as "incl. 19 % VAT"; empty: the shop's. */
  vatNote: z.string(),
  /** Pieces one buyer may hold and buy, over all variants; null: no bound but the shop's. */
  maxPerBuyer: z.nullable(z.int()),
  /** `open`: on sale also when no drop is running. `dropsOnly`: only in a drop. */
  selling: z.enum(['open', 'dropsOnly']),
  /** Path on this server, or null without a picture. */
  pictureUrl: z.nullable(z.string().check(z.maxLength(256))),
  /** Of digital goods: how long a buyer can have them after paying. */
  linkLifeMs: z.optional(z.int()),
  /** At least one. */
  variants: z.array(variant),
  /** Over all variants. */
  stock,
});
export type Product = z.infer<typeof product>;

/** Settings of a show's shop. */
export const shopSettings = z.object({
  currency,
  /** `test`: nothing is charged, and every page says so. */
  money: z.enum(['test', 'real']),
  holdMs: z.int().check(z.minimum(30_000, 'at least 30 seconds'), z.maximum(3_600_000, 'at most an hour')),
  /** How long somebody from the waiting list has to take what came free. */
  offerMs: z.int().check(z.minimum(30_000, 'at least 30 seconds'), z.maximum(3_600_000, 'at most an hour')),
  vatNote: z.string().check(z.maxLength(120)),
  /** Who sells, for receipts: name, address, contact. */
  seller: z.string().check(z.maxLength(500)),
});
export type ShopSettings = z.infer<typeof shopSettings>;

// --- drops -----------------------------------------------------------------------------------------------------------------

/** All times are the server's. `ready` waits for a tap; `soldOut` runs again when stock comes back in time. */
export const dropState = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready') }),
  /** The countdown begins `countdownMs` before `startsMs`. */
  z.object({ kind: z.literal('scheduled'), startsMs: timestampMs, countdownMs: count }),
  z.object({ kind: z.literal('countdown'), startsMs: timestampMs }),
  /** `endsMs` null: until sold out. `pausedForMs`: time that did not count, so windows end that much later. */
  z.object({
    kind: z.literal('running'),
    startedMs: timestampMs,
    pausedForMs: count,
    endsMs: z.nullable(timestampMs),
  }),
  z.object({
    kind: z.literal('paused'),
    startedMs: timestampMs,
    pausedForMs: count,
    pausedMs: timestampMs,
    endsMs: z.nullable(timestampMs),
  }),
  z.object({
    kind: z.literal('soldOut'),
    startedMs: timestampMs,
    pausedForMs: count,
    soldOutMs: timestampMs,
    endsMs: z.nullable(timestampMs),
  }),
  z.object({
    kind: z.literal('ended'),
    startedMs: z.nullable(timestampMs),
    endedMs: timestampMs,
    /** `nextDrop`: another drop of the same product has begun. */
    by: z.enum(['time', 'director', 'nextDrop', 'showEnd']),
  }),
]);
export type DropState = z.infer<typeof dropState>;

export const dropItem = z.object({
  productId,
  /** The drop's own share; null: all there is. */
  quantity: z.nullable(z.int()),
  /** Null: the product's price. */
  priceMinor: z.nullable(priceMinor),
  flash: z.nullable(z.object({ priceMinor, windowMs: z.int() })),
  /** This variant can be had only in the first `windowMs`, and only in this drop. */
  collector: z.nullable(z.object({ variantId, windowMs: z.int() })),
  /** What the drop still has: never more than the product has. */
  stock,
});
export type DropItem = z.infer<typeof dropItem>;

export const drop = z.object({
  id: dropId,
  name: z.string(),
  items: z.array(dropItem),
  /** Null: until sold out. */
  lengthMs: z.nullable(z.int()),
  /** With a code one may hold this long before the start; null: nobody may. */
  earlyAccessMs: z.nullable(z.int()),
  state: dropState,
  createdMs: timestampMs,
});
export type Drop = z.infer<typeof drop>;

/** When a window that opened with the drop closes, by the server's clock; null while its clock does not run. */
export const windowEndsMs = (state: DropState, windowMs: number): number | null => {
  switch (state.kind) {
    case 'running':
    case 'soldOut':
      return state.startedMs + state.pausedForMs + windowMs;
    case 'scheduled':
    case 'countdown':
      return state.startsMs + windowMs;
    case 'ready':
    case 'paused':
    case 'ended':
      return null;
  }
};

/** The price of one piece in this drop at `nowMs`. A variant with a price of its own keeps it. */
export const dropPriceMinor = (
  product: Pick<Product, 'priceMinor'>,
  variant: Pick<Variant, 'priceMinor'>,
  item: Pick<DropItem, 'priceMinor' | 'flash'> | null,
  state: DropState | null,
  nowMs: number,
): number => {
  if (variant.priceMinor !== null) return variant.priceMinor;
  if (!item || !state) return product.priceMinor;
  if (item.flash) {
    const endsMs = windowEndsMs(state, item.flash.windowMs);
    if (endsMs !== null && nowMs < endsMs) return item.flash.priceMinor;
  }
  return item.priceMinor ?? product.priceMinor;
};

// --- a buyer's own things --------------------------------------------------------------------------------------------------

/** `paying`: a payment is under way, and the deadline waits for its outcome. */
export const holdStage = z.enum(['held', 'paying', 'sold', 'released', 'expired']);

/** Stock kept for one buyer: quantity, price, variant and deadline are locked. */
export const hold = z.object({
  id: holdId,
  productId,
  variantId,
  dropId: z.nullable(dropId),
  /** `offered`: it came free, and this buyer was next in line. */
  origin: z.enum(['taken', 'offered']),
  quantity: z.int(),
  /** Of one piece. */
  priceMinor,
  currency,
  stage: holdStage,
  madeMs: timestampMs,
  deadlineMs: timestampMs,
});
export type Hold = z.infer<typeof hold>;

export const waiting = z.object({
  id: z.int(),
  productId,
  variantId,
  quantity: z.int(),
  /** 1: next in line for this variant. */
  place: z.int(),
});
export type Waiting = z.infer<typeof waiting>;

// RFC 5321 §4.5.3.1.3: a path is at most 254 characters. More than "something@domain.tld" only the delivery can tell.
export const emailAddress = z
  .string()
  .check(
    z.trim(),
    z.maxLength(254),
    z.regex(
      /^[^\s@<>"(),;:\\]{1,64}@[^\s@<>"(),;:\\]+\.[^\s@<>"(),;:\\.]{2,}$/,
      'an e-mail address such as ada@example.com',
    ),
  );

/** What the buyer's device may know of itself: holds in force, places in line, wishes, and what a mail is still to come about. */
export const buyerState = z.object({
  holds: z.array(hold),
  waiting: z.array(waiting),
  wishes: z.array(productId),
  mails: z.array(productId),
});
export type BuyerState = z.infer<typeof buyerState>;

// --- crew ------------------------------------------------------------------------------------------------------------------

/** Somebody with a personal link for their phone: starts drops, takes money at the table, hands out orders. */
export const crewMember = z.object({
  id: crewId,
  name: z.string(),
  presence: z.enum(['away', 'here']),
});
export type CrewMember = z.infer<typeof crewMember>;

// --- orders ----------------------------------------------------------------------------------------------------------------

export const paymentProvider = z.enum(['stripe', 'counter', 'free', 'test']);
export type PaymentProvider = z.infer<typeof paymentProvider>;

export const orderState = z.discriminatedUnion('kind', [
  /** Holds are taken together, the buyer fills in the rest. */
  z.object({ kind: z.literal('details') }),
  z.object({ kind: z.literal('awaitingPayment'), provider: paymentProvider, sinceMs: timestampMs }),
  /** The buyer says paid, or the provider is being asked: never shown as failed. */
  z.object({ kind: z.literal('confirming'), provider: paymentProvider, sinceMs: timestampMs }),
  z.object({ kind: z.literal('paid'), provider: paymentProvider, paidMs: timestampMs }),
  z.object({
    kind: z.literal('fulfilled'),
    provider: paymentProvider,
    paidMs: timestampMs,
    fulfilledMs: timestampMs,
  }),
  z.object({ kind: z.literal('refunded'), refundedMs: timestampMs }),
  /** Never paid: the stock went back. */
  z.object({
    kind: z.literal('closed'),
    closedMs: timestampMs,
    because: z.enum(['cancelled', 'expired', 'declined']),
  }),
]);
export type OrderState = z.infer<typeof orderState>;

export const fulfilment = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('undecided') }),
  z.object({ kind: z.literal('pickup'), windowId: z.nullable(id) }),
  z.object({
    kind: z.literal('shipping'),
    laneId: id,
    address: z.object({
      lines: z.array(z.string().check(z.maxLength(120))).check(z.minLength(1), z.maxLength(5)),
      city: z.string().check(z.maxLength(80)),
      postcode: z.string().check(z.maxLength(20)),
      /** ISO 3166-1 alpha-2. */
      country: z.string().check(z.regex(/^[A-Z]{2}$/, 'two letters, as in DE')),
    }),
  }),
  /** Only digital goods. */
  z.object({ kind: z.literal('download') }),
]);
export type Fulfilment = z.infer<typeof fulfilment>;

export const orderLine = z.object({
  id,
  productName: z.string(),
  variantName: z.string(),
  sku: z.string(),
  quantity: z.int(),
  /** Of one piece. */
  priceMinor,
  returned: z.int(),
});

export const order = z.object({
  id: orderId,
  /** Short, read out at the table. */
  pickupCode: z.string(),
  state: orderState,
  money: z.enum(['test', 'real']),
  lines: z.array(orderLine),
  fulfilment,
  email: z.string(),
  name: z.string(),
  currency,
  itemsMinor: z.int(),
  shippingMinor: z.int(),
  totalMinor: z.int(),
  refundedMinor: z.int(),
  createdMs: timestampMs,
});
export type Order = z.infer<typeof order>;
