// Things to sell, as a page sees them, for tests that need a state with something in it.
// The real shop with real stock is made by the server under test.
import type { ShopSettings } from '../../sfu-server/protocol/shop.ts';
import { productId, variantId, type Product, type Stock } from '../../sfu-server/protocol/shop.ts';
import type { ShowState, StateChange } from '../../sfu-server/protocol/state.ts';

const settings: ShopSettings = {
  currency: 'EUR',
  money: 'test',
  holdMs: 300_000,
  offerMs: 120_000,
  vatNote: '',
  seller: '',
};

/** The shop's part of a show's state, with nothing in it. */
export const emptyShop: Pick<
  ShowState,
  'standby' | 'shop' | 'products' | 'featuredProductId' | 'drops' | 'crew' | 'encoders'
> = {
  standby: { clipId: null, name: 'Built-in clip', fallbackUrl: '/clips/own/small.mp4', problem: null },
  shop: settings,
  products: [],
  featuredProductId: null,
  drops: [],
  crew: [],
  encoders: [],
};

/** `total` of which `sold` are sold, counted for the `seq`th time. */
export const counted = (total: number, sold = 0, seq = 1): Stock => ({
  total,
  held: 0,
  sold,
  left: total - sold,
  seq,
});

/** A product of one variant, both with the same id. */
export const oneVariant = (name: string, stock: Stock, currency = 'EUR'): Product => ({
  id: productId.parse(name.toLowerCase()),
  kind: 'physical',
  name,
  description: '',
  priceMinor: 2500,
  currency,
  vatNote: '',
  maxPerBuyer: null,
  selling: 'open',
  pictureUrl: null,
  variants: [
    {
      id: variantId.parse(name.toLowerCase()),
      name: '',
      sku: name,
      priceMinor: null,
      stock,
      components: [{ sku: name, quantity: 1 }],
    },
  ],
  stock,
});

/** The news that a product of one variant stands so. */
export const stockOf = (product: Product, stock: Stock): StateChange => ({
  kind: 'stock',
  products: [
    {
      productId: product.id,
      stock,
      variants: product.variants.map((variant) => ({ variantId: variant.id, stock })),
    },
  ],
  drops: [],
});

/** What most shows of the tests sell, as `setProduct` takes it. */
export const nightTee = {
  name: 'Night tee',
  priceMinor: 2500,
  currency: 'GBP',
  stockTotal: 50,
  pictureUrl: null,
} as const;
