// The shop of one show: puts catalogue, drops, holds, checkout and news together and tells pages what has changed. All rules are in
// those parts.
// It knows no sockets and no media; show/ hands it who asks, and an order settles through `holds`.
import type { Clock } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { ShowParams } from '../protocol/messages.ts';
import type { CounterOrder } from '../protocol/order-messages.ts';
import type { ProductDraft } from '../protocol/shop-messages.ts';
import type { BuyerState, DropId, Product, ProductId, ShopSettings, Variant } from '../protocol/shop.ts';
import type { ShowId, ShowState, StateChange } from '../protocol/state.ts';
import type { Store } from '../store/database.ts';
import { createCatalogue } from './catalogue.ts';
import { createCheckout, type CheckoutOptions } from './checkout.ts';
import { importCatalogue, type ImportReport } from './csv.ts';
import { createDropMails } from './drop-mails.ts';
import { createDrops, type Drops } from './drops.ts';
import { createHolds, type BuyerHash, type Holds } from './holds.ts';
import { createNews } from './news.ts';

/** What the server as a whole gives to every show's shop. */
export type Trade = Pick<CheckoutOptions, 'desk' | 'publicOrigin' | 'goods'>;

export type ShopOptions = {
  store: Store;
  show: ShowId;
  clock: Clock;
  /** Nothing new is held once the show is over. */
  isOver: () => boolean;
  /** To everybody in the show. Not called before `createShop` has returned. */
  tell: (change: StateChange) => void;
  title: () => string;
  /** To desk and crew: an order is new or has changed. */
  tellCrew: (order: CounterOrder) => void;
  trade: Trade;
  log: { info(detail: object, text: string): void; error(detail: object, text: string): void };
};

export type Shop = ReturnType<typeof createShop>;

export const createShop = (options: ShopOptions) => {
  const { store, show, clock, isOver, tell, log } = options;
  const catalogue = createCatalogue(store, show, () => clock.now());
  const news = createNews({
    clock,
    catalogue,
    drops: () => drops,
    buyerState: (buyer) => buyerState(buyer),
    tell,
    log,
  });
  let offer = () => {};
  let mailAbout = (_drop: DropId) => {};
  const drops: Drops = createDrops({
    store,
    show,
    clock,
    catalogue,
    changed: (id) => {
      news.dropChanged(id);
      mailAbout(id);
    },
    removed: (id) => tell({ kind: 'dropRemoved', dropId: id }),
    opened: () => offer(),
    log,
  });
  const holds: Holds = createHolds({
    store,
    show,
    clock,
    catalogue,
    drops,
    isOver,
    moved: (skus) => news.stockMoved(skus),
    buyerChanged: news.buyerChanged,
    log,
  });
  const checkout = createCheckout({
    store,
    show,
    clock,
    holds,
    ...options.trade,
    settings: catalogue.settings,
    title: options.title,
    tellCrew: options.tellCrew,
    log,
  });
  const dropMails = createDropMails({
    store,
    show,
    clock,
    mailer: options.trade.desk.mailer,
    publicOrigin: options.trade.publicOrigin,
    title: options.title,
    drops: () => drops.all(),
    productName: (id) => catalogue.find(id)?.name,
    isOver,
    buyerChanged: news.buyerChanged,
    log,
  });
  const buyerState = (buyer: BuyerHash): BuyerState => ({
    ...holds.of(buyer),
    mails: dropMails.of(buyer),
  });
  mailAbout = (id) => {
    const drop = drops.find(id);
    if (drop) dropMails.changed(drop);
  };
  // All are there now: what time changed while the server was away is for those who wait, too.
  offer = holds.offer;
  offer();
  drops.stockMoved(new Set(catalogue.all().map(({ id }) => id)));

  /** A product is told whole, with the drops that sell it: their counts hang on it. */
  const tellProduct = (id: ProductId) => {
    tell({ kind: 'product', product: catalogue.known(id) });
    for (const drop of drops.selling(id)) news.dropChanged(drop.id);
  };
  const saved = (id: ProductId) => {
    drops.stockMoved(new Set([id]));
    tellProduct(id);
    holds.offer();
  };
  const feature = (id: ProductId | null) => {
    catalogue.feature(id);
    tell({ kind: 'featured', productId: id });
  };

  /** The one meant: a product with several variants wants it said. */
  const variantMeant = (product: Product, id: Variant['id'] | undefined): Variant => {
    const { variants } = product;
    const found = variants.find((one) => one.id === id) ?? (variants.length === 1 ? variants[0] : undefined);
    if (found && (id === undefined || id === found.id)) return found;
    throw new AppError(
      'invalidParams',
      `Say which ${product.name}: ${variants.map(({ name, sku }) => name || sku).join(', ')}.`,
    );
  };

  return {
    catalogue,
    drops,
    holds,
    checkout,
    watchBuyer: news.watchBuyer,
    buyerState,

    /** What a show's state begins with. */
    state: (): Pick<ShowState, 'shop' | 'products' | 'featuredProductId' | 'drops'> => ({
      shop: catalogue.settings(),
      products: catalogue.all(),
      featuredProductId: catalogue.featured(),
      drops: drops.all(),
    }),

    /** The short form of the desk: changes the featured product where that has one variant, else adds one. */
    setProduct: (params: ShowParams<'setProduct'>): ProductId => {
      const { name, priceMinor, currency, stockTotal, pictureUrl } = params;
      const featured = catalogue.featured();
      const before = featured === null ? undefined : catalogue.find(featured);
      if (before && (before.kind === 'bundle' || before.variants.length > 1)) {
        throw new AppError('limit', 'This product has variants. Change it in the catalogue.');
      }
      const [variant] = before?.variants ?? [];
      const settings = catalogue.settings();
      const id = store.transaction(() => {
        if (settings.currency !== currency) catalogue.saveSettings({ ...settings, currency });
        return catalogue.save({
          kind: before && before.kind !== 'bundle' ? before.kind : 'physical',
          id: before?.id ?? null,
          name,
          description: before?.description ?? '',
          priceMinor,
          vatNote: before?.vatNote ?? '',
          maxPerBuyer: before?.maxPerBuyer ?? null,
          selling: before?.selling ?? 'open',
          pictureUrl,
          variants: [
            { id: variant?.id ?? null, name: '', sku: variant?.sku ?? null, priceMinor: null, stockTotal },
          ],
        });
      });
      if (settings.currency !== currency) tell({ kind: 'shop', shop: catalogue.settings() });
      saved(id);
      if (!before) feature(id);
      return id;
    },
    saveProduct: (draft: ProductDraft): ProductId => {
      const id = catalogue.save(draft);
      // A component with more stock makes more bundles.
      const sharing = new Set(
        catalogue
          .known(id)
          .variants.flatMap((variant) => catalogue.skusOf(variant.id))
          .flatMap(catalogue.withSku),
      );
      for (const other of sharing) if (other !== id && catalogue.find(other)) tellProduct(other);
      saved(id);
      return id;
    },
    /** All of a table or nothing. Throws `invalidParams` for what is no table at all. */
    importCatalogue: (text: string): ImportReport => {
      const { saved: ids, ...report } = importCatalogue(text, store, catalogue);
      for (const id of ids) saved(id);
      return report;
    },
    /** Throws `limit` while somebody holds it, a bundle is made of it or a drop sells it. */
    removeProduct: (id: ProductId) => {
      const wasFeatured = catalogue.featured() === id;
      catalogue.remove(id);
      if (wasFeatured) tell({ kind: 'featured', productId: null });
      tell({ kind: 'productRemoved', productId: id });
    },
    feature,
    saveSettings: (settings: ShopSettings) => {
      catalogue.saveSettings(settings);
      tell({ kind: 'shop', shop: catalogue.settings() });
      for (const product of catalogue.all()) tell({ kind: 'product', product });
    },
    /** Moves stock by what was sold at the table, or taken back: of the drop that runs, or of none. */
    recordSale: ({ productId, variantId, quantity }: ShowParams<'recordSale'>) => {
      const product = catalogue.known(productId);
      const variant = variantMeant(product, variantId);
      const terms = drops.tableTerms(product, variant);
      const inDrop =
        terms.dropId !== null && quantity < 0 && catalogue.tallied(variant.id, terms.dropId) + quantity < 0
          ? null
          : terms.dropId;
      catalogue.tally(variant, product, inDrop, quantity, terms.priceMinor);
      news.stockMoved(catalogue.skusOf(variant.id), 'crew');
      if (quantity < 0) holds.offer();
    },

    /** Throws `wrongPhase` for a show that is over, or a drop that is not. */
    restartDrop: (id: DropId, countdownMs: number | null): DropId => {
      if (isOver()) throw new AppError('wrongPhase', 'The show is over.');
      return drops.restart(id, countdownMs);
    },
    wish: (buyer: BuyerHash, id: ProductId, wished: boolean) => {
      catalogue.known(id);
      holds.wish(buyer, id, wished);
    },
    /** A mail to `email` at the next start; null: none. */
    mailWhenItDrops: (buyer: BuyerHash, { productId: id, email }: ShowParams<'mailWhenItDrops'>) => {
      catalogue.known(id);
      if (email === null) dropMails.forget(buyer, id);
      else dropMails.ask(buyer, id, email);
    },
    /** A show that ends takes its drops with it, and the addresses of those who waited for one. */
    showEnded: () => {
      drops.endAll();
      dropMails.showEnded();
    },

    close: async () => {
      news.close();
      holds.close();
      drops.close();
      await Promise.all([dropMails.close(), checkout.close()]);
    },
    snapshot: () => ({
      products: catalogue.all().length,
      drops: drops.snapshot(),
      holds: holds.snapshot(),
      dropMails: dropMails.snapshot(),
      checkout: checkout.snapshot(),
      news: news.snapshot(),
    }),
  };
};
