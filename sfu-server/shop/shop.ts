// The shop of one show: puts catalogue, drops and holds together and tells pages what has changed. All rules are in those parts.
// It knows no sockets and no media; show/ hands it who asks, and a payment settles through `holds`.
import type { Clock } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { ProductDraft } from '../protocol/shop-messages.ts';
import {
  dropPriceMinor,
  type Product,
  type ProductId,
  type ShopSettings,
  type Variant,
} from '../protocol/shop.ts';
import type { ShowParams } from '../protocol/messages.ts';
import type { ShowId, ShowState, StateChange } from '../protocol/state.ts';
import type { Store } from '../store/database.ts';
import { createCatalogue } from './catalogue.ts';
import { createStockNews } from './stock-news.ts';

export type ShopOptions = {
  store: Store;
  show: ShowId;
  clock: Clock;
  /** To everybody in the show. */
  tell: (change: StateChange) => void;
};

export type Shop = ReturnType<typeof createShop>;

export const createShop = ({ store, show, clock, tell }: ShopOptions) => {
  const catalogue = createCatalogue(store, show, () => clock.now());
  const news = createStockNews({ clock, catalogue, drops: () => [], tell });

  const tellProduct = (id: ProductId) => tell({ kind: 'product', product: catalogue.known(id) });

  const saveProduct = (draft: ProductDraft): ProductId => {
    const id = catalogue.save(draft);
    tellProduct(id);
    return id;
  };
  const feature = (id: ProductId | null) => {
    catalogue.feature(id);
    tell({ kind: 'featured', productId: id });
  };
  const saveSettings = (settings: ShopSettings) => {
    catalogue.saveSettings(settings);
    tell({ kind: 'shop', shop: catalogue.settings() });
    for (const product of catalogue.all()) tell({ kind: 'product', product });
  };

  /** The one meant: a product with several variants wants it said. */
  const variantMeant = (product: Product, id: Variant['id'] | undefined): Variant => {
    const [only, another] = product.variants;
    const found =
      id === undefined ? (another ? undefined : only) : product.variants.find((one) => one.id === id);
    if (found) return found;
    throw new AppError(
      'invalidParams',
      `Say which ${product.name}: ${product.variants.map(({ name }) => name).join(', ')}.`,
    );
  };

  return {
    /** What a show's state begins with. */
    state: (): Pick<ShowState, 'shop' | 'products' | 'featuredProductId' | 'drops'> => ({
      shop: catalogue.settings(),
      products: catalogue.all(),
      featuredProductId: catalogue.featured(),
      drops: [],
    }),

    /** The short form of the desk: changes the featured product where that has one variant, else adds one. */
    setProduct: ({
      name,
      priceMinor,
      currency,
      stockTotal,
      pictureUrl,
    }: ShowParams<'setProduct'>): ProductId => {
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
      tellProduct(id);
      if (!before) feature(id);
      return id;
    },
    saveProduct,
    removeProduct: (id: ProductId) => {
      const wasFeatured = catalogue.featured() === id;
      catalogue.remove(id);
      if (wasFeatured) tell({ kind: 'featured', productId: null });
      tell({ kind: 'productRemoved', productId: id });
    },
    feature,
    saveSettings,
    /** Moves stock by what was sold at the table, or taken back. */
    recordSale: ({ productId, variantId, quantity }: ShowParams<'recordSale'>) => {
      const product = catalogue.known(productId);
      const variant = variantMeant(product, variantId);
      const priceMinor = dropPriceMinor(product, variant, null, null, clock.now());
      catalogue.tally(variant, product, null, quantity, priceMinor);
      news.moved(catalogue.skusOf(variant.id));
    },

    close: () => news.close(),
    snapshot: () => ({ products: catalogue.all().length, news: news.snapshot() }),
  };
};
