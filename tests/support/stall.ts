// A shop without a server around it: the real store (in memory or in a file) and the real rules, under a clock that moves when told.
// For tests of what is sold to whom when; what crosses the wire is tested through sockets.
import { createPaymentDesk } from '../../sfu-server/shop/payments/desk.ts';
import { createShop, type Shop } from '../../sfu-server/shop/shop.ts';
import type { Secrets } from '../../sfu-server/protocol/secrets.ts';
import { openStore, type Store } from '../../sfu-server/store/database.ts';
import { buyerHash, type BuyerHash } from '../../sfu-server/shop/holds.ts';
import { AppError, type ErrorCode } from '../../sfu-server/protocol/errors.ts';
import type { DropDraft, ProductDraft } from '../../sfu-server/protocol/shop-messages.ts';
import type { DropId, Product, ProductId, Variant } from '../../sfu-server/protocol/shop.ts';
import { showId, type ShowState, type StateChange } from '../../sfu-server/protocol/state.ts';
import { fakeClock, type FakeClock } from './wires.ts';

export const minute = 60_000;
const show = showId.parse('show-1');

const silent = { info: () => {}, error: () => {} };

export type Stall = {
  shop: Shop;
  store: Store;
  clock: FakeClock;
  /** Everything pages were told. */
  told: StateChange[];
  /** The show is over: nothing new is held. */
  end: () => void;
  close: () => void;
};

/** `secrets`: a mail server, where there is one. `onError`: told what else would fail the test. */
export const openStall = (
  file = ':memory:',
  clock = fakeClock(),
  secrets: Secrets = {},
  onError?: (text: string) => void,
): Stall => {
  const store = openStore(file);
  if (!store.show(show)) store.addShow(show, 'Alley', clock.now());
  const told: StateChange[] = [];
  let over = false;
  const shop = createShop({
    store,
    show,
    clock,
    isOver: () => over,
    tell: (change) => told.push(change),
    title: () => 'Alley',
    tellCrew: () => {},
    trade: {
      desk: createPaymentDesk(secrets),
      goods: '/nowhere',
      publicOrigin: () => 'https://drop.example',
    },
    log: {
      ...silent,
      error: (detail, text) => {
        if (onError) return onError(text);
        throw new Error(text, { cause: detail });
      },
    },
  });
  return {
    shop,
    store,
    clock,
    told,
    end: () => {
      over = true;
      shop.showEnded();
    },
    close: () => {
      // Nobody is being paid here, so that there is nothing to wait for.
      void shop.close();
      store.close();
    },
  };
};

type Basics = Partial<Pick<ProductDraft, 'id' | 'priceMinor' | 'maxPerBuyer' | 'selling'>>;
const basics = {
  id: null,
  description: '',
  priceMinor: 2500,
  vatNote: '',
  maxPerBuyer: null,
  selling: 'open' as const,
  pictureUrl: null,
};

/** A product with a variant for each SKU; gives it as pages see it. */
export const addProduct = (
  { shop }: Pick<Stall, 'shop'>,
  name: string,
  stock: Record<string, number>,
  more: Basics & { prices?: Record<string, number> } = {},
): Product => {
  const { prices, ...rest } = more;
  const variants = Object.entries(stock).map(([sku, stockTotal]) => ({
    id: null,
    name: sku,
    sku,
    priceMinor: prices?.[sku] ?? null,
    stockTotal,
  }));
  return shop.catalogue.known(shop.saveProduct({ kind: 'physical', ...basics, ...rest, name, variants }));
};

/** A bundle of one variant. */
export const addBundle = (
  { shop }: Pick<Stall, 'shop'>,
  name: string,
  components: Record<string, number>,
  more: Basics = {},
): Product => {
  const parts = Object.entries(components).map(([sku, quantity]) => ({ sku, quantity }));
  const variants = [{ id: null, name: '', sku: name, priceMinor: null, components: parts }];
  return shop.catalogue.known(shop.saveProduct({ kind: 'bundle', ...basics, ...more, name, variants }));
};

export const addDrop = (
  { shop }: Pick<Stall, 'shop'>,
  product: Product | ProductId,
  terms: Partial<DropDraft['items'][0] & Pick<DropDraft, 'lengthMs' | 'earlyAccessMs'>> = {},
): DropId => {
  const { lengthMs = 10 * minute, earlyAccessMs = null, ...item } = terms;
  const id = typeof product === 'string' ? product : product.id;
  return shop.drops.save({
    id: null,
    name: 'Drop',
    items: [{ productId: id, quantity: null, priceMinor: null, flash: null, collector: null, ...item }],
    lengthMs,
    earlyAccessMs,
  });
};

export const only = (product: Product, sku?: string): Variant => {
  const variant = sku === undefined ? product.variants[0] : product.variants.find((one) => one.sku === sku);
  if (!variant) throw new Error(`${product.name} has no ${sku ?? 'variant'}.`);
  return variant;
};

export const buyer = (name: string): BuyerHash => buyerHash.parse(name);

/** The code and sentence of what was refused. */
export const refused = (run: () => unknown): { code: ErrorCode; text: string } => {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, text: error.message };
    throw error;
  }
  throw new Error('It was not refused.');
};

export const dropState = ({ shop }: Pick<Stall, 'shop'>, id: DropId): ShowState['drops'][0]['state'] => {
  const drop = shop.drops.find(id);
  if (!drop) throw new Error('There is no such drop.');
  return drop.state;
};
