// What a show sells: products, their variants, the SKUs they take from stock, and the shop's settings. Also sales that are only counted.
// Not here: drops (drops.ts) and who holds what (holds.ts). That stock is never oversold is held by the tables (store/migrations).
import * as z from 'zod/mini';
import { newPublicId } from '../access/tokens.ts';
import { AppError } from '../protocol/errors.ts';
import type { ProductDraft } from '../protocol/shop-messages.ts';
import {
  productId,
  productKind,
  variantId,
  type DropId,
  type Product,
  type ProductId,
  type ShopSettings,
  type Stock,
  type Variant,
  type VariantId,
} from '../protocol/shop.ts';
import type { ShowId } from '../protocol/state.ts';
import { isConstraint, type Store } from '../store/database.ts';

const maxProducts = 200;

const productRow = z.object({
  id: productId,
  kind: productKind,
  name: z.string(),
  description: z.string(),
  price_minor: z.int(),
  vat_note: z.string(),
  max_per_buyer: z.nullable(z.int()),
  selling: z.enum(['open', 'dropsOnly']),
  picture_url: z.nullable(z.string()),
  link_life_ms: z.int(),
});

const variantRow = z.object({
  id: variantId,
  name: z.string(),
  sku: z.string(),
  price_minor: z.nullable(z.int()),
  held: z.int(),
  sold: z.int(),
});

const componentRow = z.object({
  variant_id: variantId,
  code: z.string(),
  quantity: z.int(),
  stock: z.int(),
  held: z.int(),
  sold: z.int(),
  seq: z.int(),
});
type Component = z.infer<typeof componentRow>;

const settingsRow = z.pipe(
  z.object({
    currency: z.string(),
    money: z.enum(['test', 'real']),
    hold_ms: z.int(),
    offer_ms: z.int(),
    vat_note: z.string(),
    seller: z.string(),
  }),
  z.transform((row): ShopSettings => ({
    currency: row.currency,
    money: row.money,
    holdMs: row.hold_ms,
    offerMs: row.offer_ms,
    vatNote: row.vat_note,
    seller: row.seller,
  })),
);

const leftOf = ({ stock, held, sold }: Component): number => stock - held - sold;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Of what is sold by itself the SKU's own counts; of a bundle its own sales, and what can still be made. */
const variantStock = (kind: Product['kind'], row: z.infer<typeof variantRow>, parts: Component[]): Stock => {
  const [own] = parts;
  const seq = sum(parts.map((part) => part.seq));
  if (kind !== 'bundle' && own) {
    return { total: own.stock, held: own.held, sold: own.sold, left: leftOf(own), seq };
  }
  const left = Math.min(...parts.map((part) => Math.floor(leftOf(part) / part.quantity)));
  return { total: row.held + row.sold + left, held: row.held, sold: row.sold, left, seq };
};

/** What all variants need is there once: sizes of a bundle that share a print cannot be more than there are prints. */
const productStock = (variants: readonly Variant[], parts: readonly Component[]): Stock => {
  const everywhere = [...new Set(parts.map(({ code }) => code))]
    .map((code) => parts.filter((part) => part.code === code))
    .filter((uses) => uses.length === variants.length && variants.length > 1)
    .flatMap(([first, ...others]) =>
      first
        ? Math.floor(leftOf(first) / Math.min(first.quantity, ...others.map(({ quantity }) => quantity)))
        : [],
    );
  const held = sum(variants.map(({ stock }) => stock.held));
  const sold = sum(variants.map(({ stock }) => stock.sold));
  const left = Math.min(sum(variants.map(({ stock }) => stock.left)), ...everywhere);
  return { total: held + sold + left, held, sold, left, seq: sum(variants.map(({ stock }) => stock.seq)) };
};

export type Catalogue = ReturnType<typeof createCatalogue>;

/** Statements are prepared once per show; every writing call is one transaction, or a part of the one around it. */
export const createCatalogue = (store: Store, show: ShowId, now: () => number) => {
  const { query, command, transaction } = store;

  command('INSERT OR IGNORE INTO shop_settings (show_id) VALUES (?)')(show);
  const settingsOf = query(
    settingsRow,
    'SELECT currency, money, hold_ms, offer_ms, vat_note, seller FROM shop_settings WHERE show_id = ?',
  );
  const saveSettings = command(
    'UPDATE shop_settings SET currency = ?, money = ?, hold_ms = ?, offer_ms = ?, vat_note = ?, seller = ? WHERE show_id = ?',
  );
  const featured = query(
    z.object({ id: z.nullable(productId) }),
    'SELECT featured_product_id AS id FROM shop_settings WHERE show_id = ?',
  );
  const saveFeatured = command('UPDATE shop_settings SET featured_product_id = ? WHERE show_id = ?');
  const traded = query(
    z.object({ traded: z.int() }),
    `SELECT EXISTS (SELECT 1 FROM holds WHERE show_id = ?1) OR EXISTS (SELECT 1 FROM tallies WHERE show_id = ?1) AS traded`,
  );

  const productColumns =
    'id, kind, name, description, price_minor, vat_note, max_per_buyer, selling, picture_url';
  const productIds = query(
    z.object({ id: productId }),
    'SELECT id FROM products WHERE show_id = ? AND removed_ms IS NULL ORDER BY created_ms, rowid',
  );
  const productById = query(
    productRow,
    `SELECT ${productColumns}, link_life_ms FROM products WHERE id = ? AND show_id = ? AND removed_ms IS NULL`,
  );
  const insertProduct = command(
    `INSERT INTO products (${productColumns}, show_id, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const updateProduct = command(
    `UPDATE products SET kind = ?, name = ?, description = ?, price_minor = ?, vat_note = ?, max_per_buyer = ?, selling = ?,
       picture_url = ? WHERE id = ?`,
  );
  const updateLinkLife = command('UPDATE products SET link_life_ms = ? WHERE id = ?');
  const removeProduct = command('UPDATE products SET removed_ms = ? WHERE id = ?');

  const variantsOf = query(
    variantRow,
    'SELECT id, name, sku, price_minor, held, sold FROM variants WHERE product_id = ? AND removed_ms IS NULL ORDER BY position',
  );
  const insertVariant = command(
    'INSERT INTO variants (id, product_id, name, sku, price_minor, position) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const updateVariant = command(
    'UPDATE variants SET name = ?, sku = ?, price_minor = ?, position = ? WHERE id = ? AND product_id = ?',
  );
  const removeVariant = command('UPDATE variants SET removed_ms = ? WHERE id = ?');
  const inForce = query(
    z.object({ pieces: z.int() }),
    `SELECT COALESCE(SUM(quantity), 0) AS pieces FROM holds WHERE variant_id = ? AND stage IN ('held', 'paying')`,
  );

  const componentsOf = query(
    componentRow,
    `SELECT c.variant_id, s.code, c.quantity, s.stock, s.held, s.sold, s.seq
       FROM variants v JOIN variant_components c ON c.variant_id = v.id JOIN skus s ON s.id = c.sku_id
      WHERE v.product_id = ? AND v.removed_ms IS NULL ORDER BY v.position, s.code`,
  );
  const skuByCode = query(
    z.object({ id: z.string(), ours: z.int() }),
    `SELECT s.id, EXISTS (SELECT 1 FROM variants v JOIN variant_components c ON c.variant_id = v.id JOIN products p ON p.id = v.product_id
        WHERE c.sku_id = s.id AND p.kind <> 'bundle') AS ours
       FROM skus s WHERE s.show_id = ? AND s.code = ?`,
  );
  const insertSku = command('INSERT INTO skus (id, show_id, code, stock) VALUES (?, ?, ?, ?)');
  const updateSku = command('UPDATE skus SET code = ?, stock = ?, seq = seq + 1 WHERE id = ?');
  const ownSku = query(
    z.object({ id: z.string() }),
    'SELECT sku_id AS id FROM variant_components WHERE variant_id = ?',
  );
  const productsWith = query(
    z.object({ id: productId }),
    'SELECT DISTINCT v.product_id AS id FROM variant_components c JOIN variants v ON v.id = c.variant_id WHERE c.sku_id = ?',
  );
  const clearComponents = command('DELETE FROM variant_components WHERE variant_id = ?');
  const insertComponent = command(
    'INSERT INTO variant_components (variant_id, sku_id, quantity) VALUES (?, ?, ?)',
  );
  const bundleUsing = query(
    z.object({ name: z.string() }),
    `SELECT p.name FROM variant_components mine
       JOIN variant_components other ON other.sku_id = mine.sku_id AND other.variant_id <> mine.variant_id
       JOIN variants v ON v.id = other.variant_id AND v.removed_ms IS NULL
       JOIN products p ON p.id = v.product_id AND p.removed_ms IS NULL AND p.kind = 'bundle'
      WHERE mine.variant_id = ? LIMIT 1`,
  );
  /** Its code may be given to another piece from then on. */
  const retireSku = command(`UPDATE skus SET code = code || '~' || id WHERE id = ?`);
  const dropUsing = query(
    z.object({ name: z.string() }),
    `SELECT d.name FROM drop_items i JOIN drops d ON d.id = i.drop_id AND d.removed_ms IS NULL
      WHERE i.product_id = ? AND json_extract(d.state, '$.kind') <> 'ended' LIMIT 1`,
  );

  const moveSold = command(
    `UPDATE skus SET sold = skus.sold + ?1 * c.quantity, seq = seq + 1 FROM variant_components c
      WHERE c.variant_id = ?2 AND skus.id = c.sku_id`,
  );
  const moveVariantSold = command('UPDATE variants SET sold = sold + ? WHERE id = ?');
  const moveItemSold = command(
    'UPDATE drop_items SET sold = sold + ?, seq = seq + 1 WHERE drop_id = ? AND product_id = ?',
  );
  const tallied = query(
    z.object({ pieces: z.int() }),
    'SELECT COALESCE(SUM(quantity), 0) AS pieces FROM tallies WHERE variant_id = ?1 AND drop_id IS ?2',
  );
  const insertTally = command(
    'INSERT INTO tallies (show_id, variant_id, drop_id, quantity, price_minor, at_ms) VALUES (?, ?, ?, ?, ?, ?)',
  );

  /** Every hold and every product of a list asks. What a transaction wrote that came to nothing is not kept. */
  let kept: { row: ShopSettings; rollbacks: number } | undefined;
  const settings = (): ShopSettings => {
    const rollbacks = store.rollbacks();
    if (kept?.rollbacks === rollbacks) return kept.row;
    const row = settingsOf.one(show);
    if (!row) throw new Error('a show without settings of its shop');
    kept = { row, rollbacks };
    return row;
  };

  const find = (id: ProductId): Product | undefined => {
    const row = productById.one(id, show);
    if (!row) return undefined;
    const parts = componentsOf.all(id);
    const variants = variantsOf.all(id).map((each): Variant => {
      const own = parts.filter(({ variant_id: of }) => of === each.id);
      return {
        id: each.id,
        name: each.name,
        sku: each.sku,
        priceMinor: each.price_minor,
        stock: variantStock(row.kind, each, own),
        components: own.map(({ code, quantity }) => ({ sku: code, quantity })),
      };
    });
    return {
      id: row.id,
      kind: row.kind,
      name: row.name,
      description: row.description,
      priceMinor: row.price_minor,
      currency: settings().currency,
      vatNote: row.vat_note,
      maxPerBuyer: row.max_per_buyer,
      selling: row.selling,
      pictureUrl: row.picture_url,
      ...(row.kind === 'digital' && { linkLifeMs: row.link_life_ms }),
      variants,
      stock: productStock(variants, parts),
    };
  };

  const known = (id: ProductId): Product => {
    const product = find(id);
    if (!product) throw new AppError('notFound', 'This product is not in the show any more.');
    return product;
  };

  /** Names a SKU for which nobody has written one. */
  const newSku = (): string =>
    `S-${newPublicId()
      .replace(/[^A-Za-z0-9]/g, '')
      .slice(0, 6)
      .toUpperCase()}`;

  const stockOf = (code: string): string => {
    const sku = skuByCode.one(show, code);
    if (!sku?.ours) {
      throw new AppError(
        'invalidParams',
        `No product of this show has the SKU ${code}. Add that product first, then the bundle.`,
      );
    }
    return sku.id;
  };

  const dropVariant = (product: Product, id: VariantId) => {
    if ((inForce.one(id)?.pieces ?? 0) > 0) {
      throw new AppError(
        'limit',
        `Somebody is buying ${product.name} right now. Try again in a few minutes.`,
      );
    }
    if (product.kind !== 'bundle') {
      const bundle = bundleUsing.one(id);
      if (bundle) {
        throw new AppError('limit', `The bundle ${bundle.name} is made of this. Change the bundle first.`);
      }
      const own = ownSku.one(id);
      if (own) retireSku(own.id);
    }
    removeVariant(now(), id);
  };

  const saveVariant = (product: ProductId, variant: ProductDraft['variants'][number], position: number) => {
    const code = variant.sku ?? newSku();
    const id = variant.id ?? variantId.parse(newPublicId());
    if (variant.id === null) insertVariant(id, product, variant.name, code, variant.priceMinor, position);
    else if (updateVariant(variant.name, code, variant.priceMinor, position, id, product) === 0) {
      throw new AppError('notFound', 'This variant is not in the product any more.');
    }
    if ('components' in variant) {
      clearComponents(id);
      for (const component of variant.components) {
        insertComponent(id, stockOf(component.sku), component.quantity);
      }
      return;
    }
    const own = ownSku.one(id);
    if (own) updateSku(code, variant.stockTotal, own.id);
    else {
      const sku = newPublicId();
      insertSku(sku, show, code, variant.stockTotal);
      insertComponent(id, sku, 1);
    }
  };

  const save = (draft: ProductDraft): ProductId =>
    transaction(() => {
      const before = draft.id === null ? undefined : known(draft.id);
      if (before && (before.kind === 'bundle') !== (draft.kind === 'bundle')) {
        throw new AppError('invalidParams', 'A bundle stays a bundle. Make a new product instead.');
      }
      if (!before && productIds.all(show).length >= maxProducts) {
        throw new AppError('limit', `There are already ${maxProducts} products. Remove one first.`);
      }
      const id = draft.id ?? productId.parse(newPublicId());
      const { name, description, vatNote, maxPerBuyer, selling, pictureUrl } = draft;
      const fields = [
        name,
        description,
        draft.priceMinor,
        vatNote,
        maxPerBuyer,
        selling,
        pictureUrl,
      ] as const;
      if (before) updateProduct(draft.kind, ...fields, id);
      else insertProduct(id, draft.kind, ...fields, show, now());
      if (draft.kind === 'digital' && draft.linkLifeMs !== undefined) updateLinkLife(draft.linkLifeMs, id);
      const kept = new Set(draft.variants.map((variant) => variant.id));
      for (const variant of before?.variants ?? []) {
        if (before && !kept.has(variant.id)) dropVariant(before, variant.id);
      }
      try {
        for (const [position, variant] of draft.variants.entries()) saveVariant(id, variant, position);
      } catch (error) {
        if (!isConstraint(error)) throw error;
        throw new AppError(
          'limit',
          'More is already held or sold than that, or a SKU is used twice. Check the stock and the SKUs.',
          { cause: error },
        );
      }
      return id;
    });

  return {
    settings,
    /** Throws `limit` when the currency would change after something was held or sold. */
    saveSettings: (next: ShopSettings) =>
      transaction(() => {
        if (next.currency !== settings().currency && traded.one(show)?.traded) {
          throw new AppError('limit', 'The currency stays: something was already held or sold in it.');
        }
        saveSettings(next.currency, next.money, next.holdMs, next.offerMs, next.vatNote, next.seller, show);
        kept = undefined;
      }),

    featured: (): ProductId | null => featured.one(show)?.id ?? null,
    feature: (id: ProductId | null) => {
      if (id !== null) known(id);
      saveFeatured(id, show);
    },

    all: (): Product[] => productIds.all(show).flatMap(({ id }) => find(id) ?? []),
    find,
    /** Throws `notFound`. */
    known,
    /** Throws `limit` when stock would fall under what is held and sold, `notFound` for a variant of another product. */
    save,
    /** Throws `limit` while somebody holds it, a bundle is made of it or a drop sells it. */
    remove: (id: ProductId) =>
      transaction(() => {
        const product = known(id);
        const drop = dropUsing.one(id);
        if (drop)
          throw new AppError('limit', `The drop ${drop.name} sells this. End or remove the drop first.`);
        for (const variant of product.variants) dropVariant(product, variant.id);
        removeProduct(now(), id);
        if (featured.one(show)?.id === id) saveFeatured(null, show);
      }),

    /**
     * Counts pieces sold at the table, or takes counted ones back; never what was sold by an order. In a drop they count as the
     * drop's. Throws `limit` when there is not that much.
     */
    tally: (variant: Variant, product: Product, drop: DropId | null, quantity: number, priceMinor: number) =>
      transaction(() => {
        if (quantity === 0) return;
        if (quantity < 0 && (tallied.one(variant.id, drop)?.pieces ?? 0) + quantity < 0) {
          throw new AppError(
            'limit',
            'Not that many were counted at the table. Orders are taken back as refunds.',
          );
        }
        try {
          moveSold(quantity, variant.id);
          moveVariantSold(quantity, variant.id);
          if (drop !== null) moveItemSold(quantity, drop, product.id);
        } catch (error) {
          if (!isConstraint(error)) throw error;
          throw new AppError('limit', 'There is not that much stock. Check the total and what is sold.', {
            cause: error,
          });
        }
        insertTally(show, variant.id, drop, quantity, priceMinor, now());
      }),
    /** The SKUs that one piece of this variant takes. */
    skusOf: (variant: VariantId): string[] => ownSku.all(variant).map(({ id }) => id),
    /** Products whose counts move with this SKU. */
    withSku: (sku: string): ProductId[] => productsWith.all(sku).map(({ id }) => id),
    /** Pieces of this variant counted at the table in this drop (null: outside of drops). */
    tallied: (variant: VariantId, drop: DropId | null): number => tallied.one(variant, drop)?.pieces ?? 0,
  };
};
