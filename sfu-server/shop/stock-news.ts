// Tells pages how stock stands: at once when it moves, then at most every `everyMs`, always the newest counts.
// A burst of a thousand sales costs a viewer a handful of messages. Not here: what the counts are (catalogue.ts, drops.ts).
import type { Clock } from '../protocol/channel.ts';
import type { Drop, Product, ProductId } from '../protocol/shop.ts';
import type { StateChange } from '../protocol/state.ts';
import type { Catalogue } from './catalogue.ts';

/** Well within the 200 ms that picture, card and desk may differ, also on a slow line. */
const everyMs = 80;

export type StockNews = ReturnType<typeof createStockNews>;

export type StockNewsOptions = {
  clock: Clock;
  catalogue: Pick<Catalogue, 'find' | 'withSku'>;
  /** All drops of the show with their newest counts. */
  drops: () => readonly Drop[];
  tell: (change: StateChange) => void;
};

const counts = ({ id, stock, variants }: Product) => ({
  productId: id,
  stock,
  variants: variants.map((variant) => ({ variantId: variant.id, stock: variant.stock })),
});

export const createStockNews = ({ clock, catalogue, drops, tell }: StockNewsOptions) => {
  const moved = new Set<string>();
  let cancel: (() => void) | undefined;
  let toldMs = Number.NEGATIVE_INFINITY;
  let closed = false;

  const tellNow = () => {
    cancel = undefined;
    if (moved.size === 0 || closed) return;
    const affected = new Set<ProductId>([...moved].flatMap((sku) => catalogue.withSku(sku)));
    moved.clear();
    toldMs = clock.now();
    const products = [...affected].flatMap((id) => catalogue.find(id) ?? []);
    if (products.length === 0) return;
    tell({
      kind: 'stock',
      products: products.map(counts),
      drops: drops().flatMap(({ id: dropId, items }) =>
        items
          .filter(({ productId }) => affected.has(productId))
          .map(({ productId, stock }) => ({ dropId, productId, stock })),
      ),
    });
  };

  return {
    /** These SKUs have moved, or will have when the transaction around this call is through: it is told after that. */
    moved: (skus: Iterable<string>) => {
      for (const sku of skus) moved.add(sku);
      if (moved.size === 0 || closed) return;
      cancel ??= clock.after(Math.max(0, toldMs + everyMs - clock.now()), tellNow);
    },
    close: () => {
      closed = true;
      cancel?.();
      cancel = undefined;
    },
    snapshot: () => ({ waiting: moved.size }),
  };
};
