// What pages hear of the shop: stock when it moves and then at most every `stockEveryMs`, always the newest counts; drops and a buyer's
// own things when the transaction that changed them is through. A thousand sales cost a viewer a handful of messages.
// Not here: what the counts are (catalogue.ts, drops.ts, holds.ts).
import type { Clock } from '../protocol/channel.ts';
import type { BuyerState, DropId, Product, ProductId } from '../protocol/shop.ts';
import type { StateChange } from '../protocol/state.ts';
import type { Catalogue } from './catalogue.ts';
import type { Drops } from './drops.ts';
import type { BuyerHash } from './holds.ts';

/** Well within the 200 ms that picture, card and desk may differ, also on a slow line. */
const stockEveryMs = 80;
/** One sale is told almost at once. In a rush the answers to those who ask go first, and what they did is told together. */
const gatherMs = 10;
const rushMoves = 8;
const rushGatherMs = 100;
/** A buyer's own news gather by the action that made them; those of a rush wait for its answers, which say the same. */
const buyerGatherMs = 40;

export type News = ReturnType<typeof createNews>;

export type NewsOptions = {
  clock: Clock;
  catalogue: Pick<Catalogue, 'find' | 'withSku'>;
  /** Asked when there is something to tell, so these may be made later. */
  drops: () => Pick<Drops, 'find' | 'selling' | 'stockMoved'>;
  /** All that a buyer's device may know of itself. */
  buyerState: (buyer: BuyerHash) => BuyerState;
  tell: (change: StateChange) => void;
  log: { error(detail: object, text: string): void };
};

const counts = ({ id, stock, variants }: Product) => ({
  productId: id,
  stock,
  variants: variants.map((variant) => ({ variantId: variant.id, stock: variant.stock })),
});

export const createNews = ({ clock, catalogue, drops, buyerState, tell, log }: NewsOptions) => {
  const skus = new Set<string>();
  const changedDrops = new Set<DropId>();
  const changedBuyers = new Set<BuyerHash>();
  const watchers = new Map<BuyerHash, Set<(state: BuyerState) => void>>();
  let cancelStock: (() => void) | undefined;
  let cancelDrops: (() => void) | undefined;
  let cancelBuyers: (() => void) | undefined;
  let stockToldMs = Number.NEGATIVE_INFINITY;
  let movesUntold = 0;
  let closed = false;

  const tellStock = () => {
    const affected = new Set<ProductId>([...skus].flatMap((sku) => catalogue.withSku(sku)));
    skus.clear();
    movesUntold = 0;
    stockToldMs = clock.now();
    drops().stockMoved(affected);
    const products = [...affected].flatMap((id) => catalogue.find(id) ?? []);
    if (products.length === 0) return;
    const selling = new Map(
      [...affected].flatMap((id) => drops().selling(id)).map((drop) => [drop.id, drop]),
    );
    tell({
      kind: 'stock',
      products: products.map(counts),
      drops: [...selling.values()].flatMap(({ id: dropId, items }) =>
        items
          .filter(({ productId }) => affected.has(productId))
          .map(({ productId, stock }) => ({ dropId, productId, stock })),
      ),
    });
  };

  const tellDrops = () => {
    for (const id of changedDrops) {
      const drop = drops().find(id);
      if (drop) tell({ kind: 'drop', drop });
    }
    changedDrops.clear();
  };

  const tellBuyers = () => {
    for (const buyer of changedBuyers) {
      const listeners = watchers.get(buyer);
      if (!listeners) continue;
      const state = buyerState(buyer);
      for (const listener of listeners) listener(state);
    }
    changedBuyers.clear();
  };

  /** A database that fails here fails the next request too; news are told again with the next change. */
  const safely = (run: () => void) => () => {
    try {
      run();
    } catch (error) {
      log.error({ err: error }, 'news of the shop could not be told');
    }
  };
  return {
    /** Each of these may be called inside a transaction; it is told after that. What the crew does is no rush: told without gathering. */
    stockMoved: (moved: Iterable<string>, by: 'crowd' | 'crew' = 'crowd') => {
      for (const sku of moved) skus.add(sku);
      if (skus.size === 0 || closed) return;
      movesUntold += 1;
      if (cancelStock) return;
      const sinceMs = clock.now();
      const tellAfter = (waitMs: number) => {
        cancelStock = clock.after(waitMs, () => {
          const restMs = movesUntold < rushMoves ? 0 : sinceMs + rushGatherMs - clock.now();
          if (restMs > 0) return tellAfter(restMs);
          cancelStock = undefined;
          safely(tellStock)();
        });
      };
      tellAfter(Math.max(by === 'crowd' ? gatherMs : 0, stockToldMs + stockEveryMs - sinceMs));
    },
    dropChanged: (id: DropId) => {
      changedDrops.add(id);
      if (closed) return;
      cancelDrops ??= clock.after(0, () => {
        cancelDrops = undefined;
        safely(tellDrops)();
      });
    },
    buyerChanged: (buyer: BuyerHash) => {
      if (!watchers.has(buyer)) return;
      changedBuyers.add(buyer);
      if (closed) return;
      if (cancelBuyers) return;
      const tellAfter = (waitMs: number) => {
        cancelBuyers = clock.after(waitMs, () => {
          if (changedBuyers.size >= rushMoves && waitMs < rushGatherMs) return tellAfter(rushGatherMs);
          cancelBuyers = undefined;
          safely(tellBuyers)();
        });
      };
      tellAfter(buyerGatherMs);
    },
    /** Calls back with everything of this buyer whenever something of it has changed. Returns its own end. */
    watchBuyer: (buyer: BuyerHash, listener: (state: BuyerState) => void): (() => void) => {
      const listeners = watchers.get(buyer) ?? new Set();
      watchers.set(buyer, listeners.add(listener));
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0 && watchers.get(buyer) === listeners) watchers.delete(buyer);
      };
    },
    close: () => {
      closed = true;
      cancelStock?.();
      cancelDrops?.();
      cancelBuyers?.();
      watchers.clear();
    },
    snapshot: () => ({ buyersWatched: watchers.size, skusWaiting: skus.size }),
  };
};
