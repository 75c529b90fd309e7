// What one product is offered at right now: its drop, prices, variants, what is left, and the words for its clock. The same on the
// picture, the viewer's card, the product page, the desk and the crew's phones. Pure; the server decides when something is held.
import {
  dropPriceMinor,
  windowEndsMs,
  type Drop,
  type DropItem,
  type DropState,
  type Product,
  type ProductId,
  type Stock,
  type Variant,
} from '../../sfu-server/protocol/shop.ts';
import type { ShowState } from '../../sfu-server/protocol/state.ts';
import { formatDuration, formatWhole } from './format.ts';

/** Whether a piece can be held now, and if not, what comes next. */
export type Sale =
  | { kind: 'open' }
  /** `opensMs`: from when on codes work; null: nobody gets in early. */
  | { kind: 'before'; startsMs: number; opensMs: number | null }
  | { kind: 'paused' }
  | { kind: 'soldOut' }
  | { kind: 'notOnSale' }
  | { kind: 'showEnded' };

/** `soon`: its time has not begun. `gone`: it is over for good. */
export type Collector =
  | { kind: 'no' }
  | { kind: 'soon' }
  | { kind: 'here'; endsMs: number }
  | { kind: 'gone' };

export type VariantOffer = {
  variant: Variant;
  priceMinor: number;
  /** The price it stands in for, to be struck through; null: it is the usual one. */
  insteadOfMinor: number | null;
  left: number;
  collector: Collector;
};

export type Offer = {
  product: Product;
  drop: Drop | null;
  sale: Sale;
  /** The lowest there is now, and what that one costs otherwise. */
  priceMinor: number;
  insteadOfMinor: number | null;
  /** Null while there is no flash price, or its clock stands still. */
  flashEndsMs: number | null;
  endsMs: number | null;
  /** The drop's own share while there is a drop, else the product's. */
  stock: Stock;
  variants: readonly VariantOffer[];
};

const weight: Record<DropState['kind'], number> = {
  running: 6,
  soldOut: 5,
  paused: 4,
  countdown: 3,
  scheduled: 2,
  ended: 1,
  ready: 0,
};

const startOf = ({ state }: Drop): number =>
  state.kind === 'scheduled' || state.kind === 'countdown' ? state.startsMs : 0;

/** The drop that speaks for a product: one that is on, else the next, else the last. */
export const dropOf = (drops: readonly Drop[], product: ProductId): Drop | null => {
  const [best] = drops
    .filter(
      ({ state, items }) => state.kind !== 'ready' && items.some(({ productId }) => productId === product),
    )
    .toSorted((a, b) => {
      const byWeight = weight[b.state.kind] - weight[a.state.kind];
      if (byWeight !== 0) return byWeight;
      return a.state.kind === 'ended' ? b.createdMs - a.createdMs : startOf(a) - startOf(b);
    });
  return best ?? null;
};

const collectorOf = (
  drops: readonly Drop[],
  variant: Variant,
  drop: Drop | null,
  nowMs: number,
): Collector => {
  const windows = drops.flatMap((one) =>
    one.items.flatMap(({ collector }) =>
      collector?.variantId === variant.id ? [{ drop: one, collector }] : [],
    ),
  );
  if (windows.length === 0) return { kind: 'no' };
  const here = windows.find((one) => one.drop.id === drop?.id);
  if (!here) return { kind: 'gone' };
  const { state } = here.drop;
  if (state.kind === 'ended') return { kind: 'gone' };
  const endsMs = windowEndsMs(state, here.collector.windowMs);
  if (state.kind === 'paused') return { kind: 'soon' };
  if (endsMs === null || state.kind === 'scheduled' || state.kind === 'countdown') return { kind: 'soon' };
  return nowMs < endsMs ? { kind: 'here', endsMs } : { kind: 'gone' };
};

const saleOf = (show: ShowState, product: Product, drop: Drop | null, stock: Stock): Sale => {
  if (show.phase.kind === 'ended') return { kind: 'showEnded' };
  const state = drop?.state;
  switch (state?.kind) {
    case 'running':
    case 'soldOut':
      return stock.left > 0 ? { kind: 'open' } : { kind: 'soldOut' };
    case 'paused':
      return { kind: 'paused' };
    case 'scheduled':
      if (product.selling === 'open' && stock.left > 0) return { kind: 'open' };
      return before(drop, state.startsMs);
    case 'countdown':
      return before(drop, state.startsMs);
    case 'ready':
    case 'ended':
    case undefined:
      if (product.selling === 'dropsOnly') return { kind: 'notOnSale' };
      return stock.left > 0 ? { kind: 'open' } : { kind: 'soldOut' };
  }
};

const before = (drop: Drop | null, startsMs: number): Sale => ({
  kind: 'before',
  startsMs,
  opensMs: drop?.earlyAccessMs ? startsMs - drop.earlyAccessMs : null,
});

/** `on`: the drop whose terms hold or are announced; null: the product by itself. */
const priced = (
  product: Product,
  variant: Variant,
  on: { drop: Drop; item: DropItem } | null,
  nowMs: number,
) => {
  const usual = variant.priceMinor ?? product.priceMinor;
  if (!on) return { priceMinor: usual, insteadOfMinor: null };
  const { state } = on.drop;
  // What is announced is what the start will bring.
  const atMs = Math.max(nowMs, startOf(on.drop));
  const priceMinor = dropPriceMinor(product, variant, on.item, state, atMs);
  const regular = dropPriceMinor(product, variant, { ...on.item, flash: null }, state, atMs);
  const insteadOf = Math.max(usual, regular);
  return { priceMinor, insteadOfMinor: priceMinor < insteadOf ? insteadOf : null };
};

export const offerOf = (show: ShowState, product: Product, nowMs: number): Offer => {
  const drop = dropOf(show.drops, product.id);
  const item = drop?.items.find(({ productId }) => productId === product.id) ?? null;
  const over = drop === null || drop.state.kind === 'ended';
  const stock = item && !over ? item.stock : product.stock;
  const sale = saleOf(show, product, drop, stock);
  const byItself = over || (drop.state.kind === 'scheduled' && sale.kind === 'open');
  const on = item && !byItself ? { drop, item } : null;
  const variants = product.variants.map((variant): VariantOffer => {
    const collector = collectorOf(show.drops, variant, drop, nowMs);
    return {
      variant,
      ...priced(product, variant, on, nowMs),
      left: Math.min(variant.stock.left, stock.left),
      collector,
    };
  });
  const [cheapest] = variants
    .filter(({ collector }) => collector.kind !== 'gone')
    .toSorted((a, b) => a.priceMinor - b.priceMinor);
  const flashEndsMs = item?.flash && drop ? windowEndsMs(drop.state, item.flash.windowMs) : null;
  const { state } = drop ?? {};
  return {
    product,
    drop,
    sale,
    priceMinor: cheapest?.priceMinor ?? product.priceMinor,
    insteadOfMinor: cheapest?.insteadOfMinor ?? null,
    flashEndsMs:
      flashEndsMs !== null && nowMs < flashEndsMs && state?.kind === 'running' ? flashEndsMs : null,
    endsMs: state?.kind === 'running' || state?.kind === 'soldOut' ? state.endsMs : null,
    stock,
    variants,
  };
};

/** What else the drop of this offer sells, in the director's order; nothing when no drop is ahead or on. */
export const alsoInDrop = (show: ShowState, { drop, product }: Offer, nowMs: number): Offer[] => {
  if (!drop || drop.state.kind === 'ended' || drop.state.kind === 'ready') return [];
  return drop.items
    .filter(({ productId }) => productId !== product.id)
    .flatMap((item) => show.products.find(({ id }) => id === item.productId) ?? [])
    .map((other) => offerOf(show, other, nowMs));
};

/** Rounded up, so that a clock reads 0:01 until it is over. */
const clock = (untilMs: number, nowMs: number): string =>
  formatDuration(Math.ceil(Math.max(0, untilMs - nowMs) / 1000) * 1000);

/** The one line that says where the drop stands; empty where there is nothing to say. */
export const saleWords = ({ sale, flashEndsMs, endsMs, stock, drop }: Offer, nowMs: number): string => {
  switch (sale.kind) {
    case 'before':
      return `Starts in ${clock(sale.startsMs, nowMs)}`;
    case 'paused':
      return 'Paused for a moment';
    case 'soldOut':
      return stock.held > 0 ? `All held right now · ${formatWhole(stock.held)} may come back` : '';
    case 'notOnSale':
      return drop?.state.kind === 'ended' ? 'This drop is over' : 'Not on sale yet';
    case 'showEnded':
      return 'The show has ended';
    case 'open':
      if (flashEndsMs !== null) return `Flash price for ${clock(flashEndsMs, nowMs)}`;
      return endsMs === null ? '' : `Ends in ${clock(endsMs, nowMs)}`;
  }
};

/** Whole minutes until the last one, then by the second: every change is drawn into the picture anew, and that has its price. */
const pictureClock = (untilMs: number, nowMs: number): string => {
  const leftMs = untilMs - nowMs;
  return leftMs > 60_000 ? `${Math.ceil(leftMs / 60_000)} min` : clock(untilMs, nowMs);
};

/** The same in the space of a word or two: on the picture. */
export const saleClock = ({ sale, flashEndsMs, endsMs }: Offer, nowMs: number): string => {
  if (sale.kind === 'before') return pictureClock(sale.startsMs, nowMs);
  if (sale.kind !== 'open') return '';
  const untilMs = flashEndsMs ?? endsMs;
  return untilMs === null ? '' : pictureClock(untilMs, nowMs);
};
export { clock as countdown };
