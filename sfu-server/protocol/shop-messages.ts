// What pages may ask of the shop: catalogue, drops, crew links, and a buyer's holds, waiting and wishes. Part of messages.ts.
// The shapes are in shop.ts, the rules in SPEC.md. Checkout and orders have a table of their own.
import * as z from 'zod/mini';
import type { RequestSpec } from './channel.ts';
import {
  buyerState,
  crewId,
  crewMember,
  currency,
  dropId,
  emailAddress,
  hold,
  holdId,
  priceMinor,
  productId,
  shopSettings,
  variantId,
} from './shop.ts';

/** Of a product's picture as it is uploaded; pages say so before they send it. */
export const maxPictureBytes = 10 * 1024 * 1024;

const nothing = z.object({});
const director = ['studio'] as const;
/** The desk, and the crew's phones. */
const crew = ['studio', 'crew'] as const;
const buyer = ['viewer'] as const;

const name = z
  .string()
  .check(z.trim(), z.minLength(1, 'give it a name'), z.maxLength(80, 'at most 80 letters'));
/** Of one SKU. */
export const maxStock = 1_000_000;
const stockTotal = z
  .int()
  .check(z.minimum(0, 'stock cannot be negative'), z.maximum(maxStock, `at most ${maxStock} pieces`));
/** Of one variant, for one buyer or in one bundle. */
export const maxPieces = 100;
const pieces = z
  .int('a whole number of pieces')
  .check(z.minimum(1, 'at least one piece'), z.maximum(maxPieces, `at most ${maxPieces} at once`));
const pictureUrl = z.nullable(z.string().check(z.regex(/^\/pictures\/[a-z0-9.]{1,100}$/)));
const sku = z.string().check(z.trim(), z.regex(/^[A-Za-z0-9._-]{1,40}$/, 'letters, digits, . _ - only'));
const windowMs = z.int().check(z.minimum(1_000), z.maximum(20 * 60_000, 'at most 20 minutes'));
const countdownMs = z
  .int()
  .check(z.minimum(10_000, 'at least 10 seconds'), z.maximum(300_000, 'at most 5 minutes'));
const dropLengthMs = z
  .int()
  .check(z.minimum(60_000, 'at least a minute'), z.maximum(20 * 60_000, 'at most 20 minutes'));
const timestampMs = z.int().check(z.minimum(0));
const token = z.string().check(z.minLength(16), z.maxLength(128));

const variantDraft = {
  /** Null: a new variant. A variant left out is removed from sale. */
  id: z.nullable(variantId),
  name: z.string().check(z.trim(), z.maxLength(60, 'at most 60 letters')),
  /** Null: the server makes one. */
  sku: z.nullable(sku),
  priceMinor: z.nullable(priceMinor),
};
const stockedVariants = z
  .array(z.object({ ...variantDraft, stockTotal }))
  .check(z.minLength(1, 'a product needs something to sell'), z.maxLength(50, 'at most 50 variants'));
/** Of a download or code, from the payment on. */
export const defaultLinkLifeMs = 24 * 3_600_000;
const linkLifeMs = z
  .int()
  .check(z.minimum(3_600_000, 'at least an hour'), z.maximum(720 * 3_600_000, 'at most 30 days'));
const productBasics = {
  /** Null: a new product. */
  id: z.nullable(productId),
  name,
  description: z.string().check(z.trim(), z.maxLength(2_000, 'at most 2000 letters')),
  priceMinor,
  vatNote: z.string().check(z.trim(), z.maxLength(120, 'at most 120 letters')),
  maxPerBuyer: z.nullable(pieces),
  selling: z.enum(['open', 'dropsOnly']),
  pictureUrl,
};

/** A product as the director writes it. A bundle's variants are made of the SKUs of others. */
export const productDraft = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('physical'), ...productBasics, variants: stockedVariants }),
  z.object({ kind: z.literal('printOnDemand'), ...productBasics, variants: stockedVariants }),
  z.object({
    kind: z.literal('digital'),
    ...productBasics,
    /** Left out: as it was, at first a day. */
    linkLifeMs: z.optional(linkLifeMs),
    variants: stockedVariants,
  }),
  z.object({
    kind: z.literal('bundle'),
    ...productBasics,
    variants: z
      .array(
        z.object({
          ...variantDraft,
          components: z
            .array(z.object({ sku, quantity: pieces }))
            .check(z.minLength(1, 'a bundle needs components'), z.maxLength(20, 'at most 20 components')),
        }),
      )
      .check(z.minLength(1, 'a product needs something to sell'), z.maxLength(50, 'at most 50 variants')),
  }),
]);
export type ProductDraft = z.infer<typeof productDraft>;

/** A drop as the director writes it: what, how much, at what price, how long. When is a request of its own. */
export const dropDraft = z.object({
  /** Null: a new drop. */
  id: z.nullable(dropId),
  name,
  items: z
    .array(
      z.object({
        productId,
        quantity: z.nullable(z.int().check(z.minimum(1), z.maximum(maxStock))),
        priceMinor: z.nullable(priceMinor),
        flash: z.nullable(z.object({ priceMinor, windowMs })),
        collector: z.nullable(z.object({ variantId, windowMs })),
      }),
    )
    .check(z.minLength(1, 'choose what the drop sells'), z.maxLength(20, 'at most 20 products')),
  lengthMs: z.nullable(dropLengthMs),
  earlyAccessMs: z.nullable(z.int().check(z.minimum(10_000), z.maximum(24 * 3_600_000))),
});
export type DropDraft = z.infer<typeof dropDraft>;

export const shopRequests = {
  // Catalogue.
  /** The short way: one product with one variant. Changes the featured product, or makes it. */
  setProduct: {
    from: director,
    params: z.object({ name, priceMinor, currency, stockTotal, pictureUrl }),
    result: z.object({ productId }),
  },
  saveProduct: { from: director, params: z.object({ draft: productDraft }), result: z.object({ productId }) },
  /** Off sale. Refused while somebody holds it or a drop sells it; what was sold stays in the orders. */
  removeProduct: { from: director, params: z.object({ productId }), result: nothing },
  /** What the picture and the viewer's card show; null: nothing. */
  featureProduct: {
    from: crew,
    params: z.object({ productId: z.nullable(productId) }),
    result: nothing,
  },
  /** A sale at the table that is only counted; a negative quantity takes one back. `variantId` where there are several. */
  recordSale: {
    from: crew,
    params: z.object({
      productId,
      variantId: z.optional(variantId),
      quantity: z.int().check(z.minimum(-1_000), z.maximum(1_000)),
    }),
    result: nothing,
  },
  /** The currency cannot change once something was held or sold. */
  saveShopSettings: { from: director, params: z.object({ settings: shopSettings }), result: nothing },

  // Drops.
  /** From its start on only the name can change; what is over stays as it was. */
  saveDrop: { from: director, params: z.object({ draft: dropDraft }), result: z.object({ dropId }) },
  removeDrop: { from: director, params: z.object({ dropId }), result: nothing },
  /** `countdownMs` null: at once. */
  startDrop: {
    from: crew,
    params: z.object({ dropId, countdownMs: z.nullable(countdownMs) }),
    result: nothing,
  },
  scheduleDrop: {
    from: director,
    params: z.object({ dropId, startsMs: timestampMs, countdownMs: z.nullable(countdownMs) }),
    result: nothing,
  },
  /** Takes back a schedule or a countdown. */
  cancelDropStart: { from: crew, params: z.object({ dropId }), result: nothing },
  pauseDrop: { from: crew, params: z.object({ dropId }), result: nothing },
  resumeDrop: { from: crew, params: z.object({ dropId }), result: nothing },
  extendDrop: {
    from: crew,
    params: z.object({
      dropId,
      byMs: z.int().check(z.minimum(30_000), z.maximum(20 * 60_000, 'at most 20 minutes')),
    }),
    result: nothing,
  },
  endDrop: { from: crew, params: z.object({ dropId }), result: nothing },
  /** An ended or sold-out drop again: a new drop with the same terms, its own share and its own clock. The old one ends and stays. */
  restartDrop: {
    from: crew,
    params: z.object({ dropId, countdownMs: z.nullable(countdownMs) }),
    result: z.object({ dropId }),
  },
  /** New codes; they are shown once, the server keeps their hashes. */
  addEarlyAccessCodes: {
    from: director,
    params: z.object({
      dropId,
      count: z.int().check(z.minimum(1), z.maximum(500)),
      usesEach: z.int().check(z.minimum(1), z.maximum(10_000)),
    }),
    result: z.object({ codes: z.array(z.string()) }),
  },

  // Crew on their phones. A token is shown once; the server keeps only its hash.
  inviteCrew: {
    from: director,
    params: z.object({ name: z.string().check(z.trim(), z.minLength(1, 'give a name'), z.maxLength(40)) }),
    result: z.object({ crew: crewMember, token }),
  },
  renewCrewLink: { from: director, params: z.object({ crewId }), result: z.object({ token }) },
  revokeCrew: { from: director, params: z.object({ crewId }), result: nothing },

  // Buyers.
  /** First: who is buying. Without a token of before the server makes one, which the page keeps on the device. */
  identifyBuyer: {
    from: buyer,
    params: z.object({ buyerToken: z.nullable(z.string().check(z.regex(/^[A-Za-z0-9_-]{32}$/))) }),
    result: z.object({ buyerToken: token, mine: buyerState }),
  },
  /** A hold in force on the same variant is given back as it is. `code`: early access. */
  hold: {
    from: buyer,
    params: z.object({
      variantId,
      quantity: pieces,
      code: z.optional(z.string().check(z.trim(), z.maxLength(40))),
    }),
    result: hold,
  },
  /** Price and deadline stay. */
  changeHold: { from: buyer, params: z.object({ holdId, quantity: pieces }), result: hold },
  releaseHold: { from: buyer, params: z.object({ holdId }), result: nothing },
  /** Only while there is none left. What comes free is held for whoever is next. */
  joinWaiting: {
    from: buyer,
    params: z.object({ variantId, quantity: pieces }),
    result: z.object({ place: z.int() }),
  },
  leaveWaiting: { from: buyer, params: z.object({ variantId }), result: nothing },
  wish: { from: buyer, params: z.object({ productId, wished: z.boolean() }), result: nothing },
  /** One mail when the product drops next, then the address is deleted; null: no mail after all. */
  mailWhenItDrops: {
    from: buyer,
    params: z.object({ productId, email: z.nullable(emailAddress) }),
    result: nothing,
  },
} as const satisfies Record<string, RequestSpec>;

export const shopEvents = {
  /** To all pages of one buyer, whenever something of theirs changed: the whole of it. */
  mine: buyerState,
} as const;
