// Who holds what until when: a hold takes stock in one transaction or not at all, and gives it back exactly once. Also the waiting
// list, which is offered in order what comes free. The server's clock decides; a buyer is known by the hash of a secret token only.
// Not here: on what terms something can be had (drops.ts) and how it is paid (orders), which ends a hold by `sell` or `release`.
import * as z from 'zod/mini';
import { newPublicId } from '../access/tokens.ts';
import type { Clock } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import {
  dropId,
  holdId,
  holdStage,
  productId,
  variantId,
  type DropId,
  type Hold,
  type HoldId,
  type ProductId,
  type VariantId,
  type Waiting,
} from '../protocol/shop.ts';
import type { ShowId } from '../protocol/state.ts';
import type { Store } from '../store/database.ts';
import type { Catalogue } from './catalogue.ts';
import type { Drops, Terms } from './drops.ts';

/** The hash of a buyer's token: what the database knows of them. */
export type BuyerHash = string & z.core.$brand<'BuyerHash'>;
export const buyerHash = z.string().brand('BuyerHash');

const maxHoldsPerBuyer = 20;
const maxWaitsPerBuyer = 20;
const maxWaiting = 10_000;

const offeredRow = z.object({
  product_id: productId,
  product_price_minor: z.int(),
  variant_price_minor: z.nullable(z.int()),
  selling: z.enum(['open', 'dropsOnly']),
  max_per_buyer: z.nullable(z.int()),
});
type OfferedRow = z.infer<typeof offeredRow>;

const holdRow = z.object({
  id: holdId,
  buyer_hash: buyerHash,
  product_id: productId,
  variant_id: variantId,
  drop_id: z.nullable(dropId),
  origin: z.enum(['taken', 'offered']),
  quantity: z.int(),
  price_minor: z.int(),
  currency: z.string(),
  stage: holdStage,
  made_ms: z.int(),
  deadline_ms: z.int(),
});
type HoldRow = z.infer<typeof holdRow>;

const partRow = z.object({ sku_id: z.string(), quantity: z.int() });

const holdOf = (row: HoldRow): Hold => ({
  id: row.id,
  productId: row.product_id,
  variantId: row.variant_id,
  dropId: row.drop_id,
  origin: row.origin,
  quantity: row.quantity,
  priceMinor: row.price_minor,
  currency: row.currency,
  stage: row.stage,
  madeMs: row.made_ms,
  deadlineMs: row.deadline_ms,
});

const inForce = ({ stage }: HoldRow): boolean => stage === 'held' || stage === 'paying';
/** Made once: in a rush, the stack of a new one would cost more than all else about a refusal. */
const allTaken = new AppError('soldOut');
/** Another's hold and one that never was look the same. */
const noSuchHold = () => new AppError('notFound', 'This is not held for you any more.');

export type Holds = ReturnType<typeof createHolds>;

export type HoldsOptions = {
  store: Store;
  show: ShowId;
  clock: Clock;
  catalogue: Pick<Catalogue, 'settings'>;
  drops: Pick<Drops, 'terms' | 'useCode'>;
  /** Nothing is taken any more once the show is over; what is held can still be paid. */
  isOver: () => boolean;
  /** These SKUs move with the transaction around the call. */
  moved: (skus: Iterable<string>) => void;
  /** What this buyer may see of themselves changes with the transaction around the call. */
  buyerChanged: (buyer: BuyerHash) => void;
  log: { error(detail: object, text: string): void };
};

export const createHolds = (options: HoldsOptions) => {
  const { store, show, clock, drops } = options;
  const { query, command, transaction } = store;

  const offeredOf = query(
    offeredRow,
    `SELECT p.id AS product_id, p.price_minor AS product_price_minor, v.price_minor AS variant_price_minor, p.selling, p.max_per_buyer
       FROM variants v JOIN products p ON p.id = v.product_id
      WHERE v.id = ? AND p.show_id = ? AND v.removed_ms IS NULL AND p.removed_ms IS NULL`,
  );
  const leftOf = query(
    z.object({ left: z.nullable(z.int()) }),
    `SELECT MIN((s.stock - s.held - s.sold) / c.quantity) AS left
       FROM variant_components c JOIN skus s ON s.id = c.sku_id WHERE c.variant_id = ?`,
  );
  const itemLeftOf = query(
    z.object({ left: z.nullable(z.int()) }),
    'SELECT quantity - held - sold AS left FROM drop_items WHERE drop_id = ? AND product_id = ?',
  );
  const partsOf = query(partRow, 'SELECT sku_id, quantity FROM variant_components WHERE variant_id = ?');

  const holdColumns = `h.id, h.buyer_hash, v.product_id, h.variant_id, h.drop_id, h.origin, h.quantity, h.price_minor, h.currency,
    h.stage, h.made_ms, h.deadline_ms`;
  const holdById = query(
    holdRow,
    `SELECT ${holdColumns} FROM holds h JOIN variants v ON v.id = h.variant_id WHERE h.id = ? AND h.show_id = ?`,
  );
  const holdInForce = query(
    holdRow,
    `SELECT ${holdColumns} FROM holds h JOIN variants v ON v.id = h.variant_id
      WHERE h.buyer_hash = ? AND h.variant_id = ? AND h.stage IN ('held', 'paying')`,
  );
  const holdsOfBuyer = query(
    holdRow,
    `SELECT ${holdColumns} FROM holds h JOIN variants v ON v.id = h.variant_id
      WHERE h.buyer_hash = ? AND h.show_id = ? AND h.stage IN ('held', 'paying') ORDER BY h.made_ms, h.id`,
  );
  const piecesOfBuyer = query(
    z.object({ pieces: z.int() }),
    `SELECT COALESCE(SUM(h.quantity - h.returned), 0) AS pieces FROM holds h JOIN variants v ON v.id = h.variant_id
      WHERE h.buyer_hash = ? AND h.stage IN ('held', 'paying', 'sold') AND v.product_id = ?`,
  );
  const holdCount = query(
    z.object({ holds: z.int() }),
    `SELECT COUNT(*) AS holds FROM holds WHERE buyer_hash = ? AND stage IN ('held', 'paying')`,
  );
  const insertHold = command(
    `INSERT INTO holds (id, show_id, buyer_hash, variant_id, drop_id, origin, quantity, price_minor, currency, made_ms, deadline_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertPart = command('INSERT INTO hold_components (hold_id, sku_id, quantity) VALUES (?, ?, ?)');
  const heldParts = query(partRow, 'SELECT sku_id, quantity FROM hold_components WHERE hold_id = ?');
  const setQuantity = command(`UPDATE holds SET quantity = ? WHERE id = ? AND stage = 'held'`);
  const setStage = command(
    `UPDATE holds SET stage = ?, ended_ms = ? WHERE id = ? AND stage IN ('held', 'paying')`,
  );
  const setPaying = command(
    `UPDATE holds SET stage = 'paying', deadline_ms = ? WHERE id = ? AND stage IN ('held', 'paying')`,
  );
  const setHeld = command(
    `UPDATE holds SET stage = 'held', deadline_ms = ? WHERE id = ? AND stage = 'paying'`,
  );
  const sellEnded = command(
    `UPDATE holds SET stage = 'sold', ended_ms = ? WHERE id = ? AND stage IN ('released', 'expired')`,
  );
  const returnPieces = command(
    `UPDATE holds SET returned = returned + ?1 WHERE id = ?2 AND stage = 'sold' AND returned + ?1 <= quantity`,
  );
  const buyersHolding = query(
    z.object({ buyer_hash: buyerHash }),
    `SELECT DISTINCT buyer_hash FROM holds WHERE show_id = ? AND stage IN ('held', 'paying')`,
  );
  const due = query(
    z.object({ id: holdId }),
    `SELECT id FROM holds WHERE show_id = ? AND stage = 'held' AND deadline_ms <= ? ORDER BY deadline_ms, id LIMIT 200`,
  );
  const nextDeadline = query(
    z.object({ ms: z.nullable(z.int()) }),
    `SELECT MIN(deadline_ms) AS ms FROM holds WHERE show_id = ? AND stage = 'held'`,
  );

  // Counts move by conditional statements: whoever comes too late changes no row.
  const takeSku = command(
    'UPDATE skus SET held = held + ?1, seq = seq + 1 WHERE id = ?2 AND held + sold + ?1 <= stock',
  );
  const takeItem = command(
    `UPDATE drop_items SET held = held + ?1, seq = seq + 1
      WHERE drop_id = ?2 AND product_id = ?3 AND (quantity IS NULL OR held + sold + ?1 <= quantity)`,
  );
  const moveSku = command('UPDATE skus SET held = held + ?1, sold = sold + ?2, seq = seq + 1 WHERE id = ?3');
  const moveItem = command(
    'UPDATE drop_items SET held = held + ?1, sold = sold + ?2, seq = seq + 1 WHERE drop_id = ?3 AND product_id = ?4',
  );
  const moveVariant = command('UPDATE variants SET held = held + ?1, sold = sold + ?2 WHERE id = ?3');

  const waitingRow = z.object({
    id: z.int(),
    buyer_hash: buyerHash,
    variant_id: variantId,
    quantity: z.int(),
  });
  const firstInLine = query(
    waitingRow,
    `SELECT id, buyer_hash, variant_id, quantity FROM waiting
      WHERE variant_id = ? AND stage = 'waiting' ORDER BY id LIMIT 1`,
  );
  const waitedFor = query(
    z.object({ id: variantId }),
    `SELECT DISTINCT variant_id AS id FROM waiting WHERE show_id = ? AND stage = 'waiting'`,
  );
  const someoneWaits = query(
    z.object({ waits: z.int() }),
    `SELECT EXISTS (SELECT 1 FROM waiting WHERE variant_id = ? AND stage = 'waiting') AS waits`,
  );
  const lineLength = query(
    z.object({ mine: z.int(), all: z.int() }),
    `SELECT COALESCE(SUM(buyer_hash = ?), 0) AS mine, COUNT(*) AS "all" FROM waiting WHERE show_id = ? AND stage = 'waiting'`,
  );
  const joinLine = command(
    'INSERT INTO waiting (show_id, buyer_hash, variant_id, quantity, joined_ms) VALUES (?, ?, ?, ?, ?)',
  );
  const leaveLine = command(
    `UPDATE waiting SET stage = 'left' WHERE buyer_hash = ? AND variant_id = ? AND stage = 'waiting'`,
  );
  const setOffered = command(`UPDATE waiting SET stage = 'offered', hold_id = ? WHERE id = ?`);
  const setLeft = command(`UPDATE waiting SET stage = 'left' WHERE id = ?`);
  const waitsOfBuyer = query(
    z.object({
      id: z.int(),
      product_id: productId,
      variant_id: variantId,
      quantity: z.int(),
      place: z.int(),
    }),
    `SELECT w.id, v.product_id, w.variant_id, w.quantity,
       (SELECT COUNT(*) FROM waiting o WHERE o.variant_id = w.variant_id AND o.stage = 'waiting' AND o.id <= w.id) AS place
       FROM waiting w JOIN variants v ON v.id = w.variant_id
      WHERE w.buyer_hash = ? AND w.show_id = ? AND w.stage = 'waiting' ORDER BY w.id`,
  );
  const buyersInLine = query(
    z.object({ buyer_hash: buyerHash }),
    `SELECT buyer_hash FROM waiting WHERE variant_id = ? AND stage = 'waiting'`,
  );

  const wishesOf = query(
    z.object({ id: productId }),
    `SELECT w.product_id AS id FROM wishes w JOIN products p ON p.id = w.product_id
      WHERE w.buyer_hash = ? AND p.show_id = ? AND p.removed_ms IS NULL ORDER BY w.at_ms`,
  );
  const addWish = command('INSERT OR IGNORE INTO wishes (buyer_hash, product_id, at_ms) VALUES (?, ?, ?)');
  const removeWish = command('DELETE FROM wishes WHERE buyer_hash = ? AND product_id = ?');

  /**
   * Variants of which not one piece can be had. Emptied whenever something may have come back, so that most of a crowd, which comes too
   * late, costs one read each.
   */
  const gone = new Set<VariantId>();
  /** Everybody who may have a hold in force, and some who no longer do: whoever is not in it needs no look into the database. */
  const holders = new Set(buyersHolding.all(show).map(({ buyer_hash: buyer }) => buyer));
  let timer: { atMs: number; cancel: () => void } | undefined;
  let closed = false;

  /** Expired holds are swept at their deadline; a timer is set for the first one. */
  const wakeAt = (atMs: number): void => {
    if (closed || (timer && timer.atMs <= atMs)) return;
    timer?.cancel();
    const cancel = clock.after(Math.max(0, atMs - clock.now()), () => {
      timer = undefined;
      try {
        sweep();
      } catch (error) {
        options.log.error({ err: error }, 'expired holds could not be released');
        wakeAt(clock.now() + 1_000);
      }
    });
    timer = { atMs, cancel };
  };

  const known = (variant: VariantId): OfferedRow => {
    const row = offeredOf.one(variant, show);
    if (!row) throw new AppError('notFound', 'This is not in the show any more.');
    return row;
  };
  const termsOf = (variant: VariantId, row: OfferedRow, code?: string): Terms =>
    drops.terms(
      {
        productId: row.product_id,
        variantId: variant,
        productPriceMinor: row.product_price_minor,
        variantPriceMinor: row.variant_price_minor,
        selling: row.selling,
      },
      code,
    );
  /** Pieces that can be taken on these terms now. */
  const left = (variant: VariantId, product: ProductId, drop: DropId | null): number => {
    const inStock = leftOf.one(variant)?.left ?? 0;
    const inDrop = drop === null ? null : (itemLeftOf.one(drop, product)?.left ?? null);
    return inDrop === null ? inStock : Math.min(inStock, inDrop);
  };

  const checkBuyer = (buyer: BuyerHash, row: OfferedRow, more: number): void => {
    if (row.max_per_buyer === null) return;
    const pieces = piecesOfBuyer.one(buyer, row.product_id)?.pieces ?? 0;
    if (pieces + more <= row.max_per_buyer) return;
    throw new AppError(
      'buyerLimit',
      pieces === 0
        ? `One person may have ${row.max_per_buyer} of this.`
        : `One person may have ${row.max_per_buyer} of this, and you have ${pieces}.`,
    );
  };

  /** Takes stock for `quantity` pieces, or throws `soldOut`; part of a transaction that fails with it. */
  const take = (
    parts: readonly z.infer<typeof partRow>[],
    variant: VariantId,
    product: ProductId,
    drop: DropId | null,
    quantity: number,
  ): void => {
    if (parts.length === 0) throw new AppError('soldOut');
    for (const part of parts) {
      if (takeSku(quantity * part.quantity, part.sku_id) === 0) throw new AppError('soldOut');
    }
    if (drop !== null && takeItem(quantity, drop, product) === 0) throw new AppError('soldOut');
    moveVariant(quantity, 0, variant);
    options.moved(parts.map((part) => part.sku_id));
  };

  /** Moves the pieces of a hold between held, sold and the shelf, by what it took when it was made. */
  const move = (row: HoldRow, held: number, sold: number): void => {
    const parts = heldParts.all(row.id);
    for (const part of parts) moveSku(held * part.quantity, sold * part.quantity, part.sku_id);
    if (row.drop_id !== null) moveItem(held, sold, row.drop_id, row.product_id);
    moveVariant(held, sold, row.variant_id);
    options.moved(parts.map((part) => part.sku_id));
  };

  const make = (
    buyer: BuyerHash,
    variant: VariantId,
    row: OfferedRow,
    terms: Terms,
    quantity: number,
    origin: Hold['origin'],
  ): Hold => {
    const { holdMs, offerMs, currency } = options.catalogue.settings();
    const madeMs = clock.now();
    const parts = partsOf.all(variant);
    take(parts, variant, row.product_id, terms.dropId, quantity);
    if (terms.dropId !== null && terms.codeHash !== null) drops.useCode(terms.dropId, terms.codeHash);
    const hold: Hold = {
      id: holdId.parse(newPublicId()),
      productId: row.product_id,
      variantId: variant,
      dropId: terms.dropId,
      origin,
      quantity,
      priceMinor: terms.priceMinor,
      currency,
      stage: 'held',
      madeMs,
      deadlineMs: madeMs + (origin === 'offered' ? offerMs : holdMs),
    };
    insertHold(
      hold.id,
      show,
      buyer,
      variant,
      hold.dropId,
      origin,
      quantity,
      hold.priceMinor,
      currency,
      madeMs,
      hold.deadlineMs,
    );
    for (const part of parts) insertPart(hold.id, part.sku_id, part.quantity);
    holders.add(buyer);
    options.buyerChanged(buyer);
    wakeAt(hold.deadlineMs);
    return hold;
  };

  /** Serves the first in line for this variant. False: they, and so all behind them, must go on waiting. */
  const offerOne = (variant: VariantId): boolean => {
    const first = firstInLine.one(variant);
    if (!first) return false;
    const tellLine = () => {
      options.buyerChanged(first.buyer_hash);
      for (const { buyer_hash: buyer } of buyersInLine.all(variant)) options.buyerChanged(buyer);
    };
    try {
      // Has got hold of one in some other way: the next one's turn.
      if (holdInForce.one(first.buyer_hash, variant)) {
        setLeft(first.id);
        tellLine();
        return true;
      }
      const row = known(variant);
      const terms = termsOf(variant, row);
      const quantity = Math.min(first.quantity, left(variant, row.product_id, terms.dropId));
      if (quantity < 1) return false;
      transaction(() => {
        checkBuyer(first.buyer_hash, row, quantity);
        setOffered(make(first.buyer_hash, variant, row, terms, quantity, 'offered').id, first.id);
      });
      tellLine();
      return true;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // Not on sale at the moment: the line stays.
      if (error.code !== 'buyerLimit') return false;
      setLeft(first.id);
      tellLine();
      return true;
    }
  };

  /** Offers what is free to those who wait, in the order in which they came, over all variants. */
  const offer = (): void => {
    gone.clear();
    if (options.isOver()) return;
    const open = new Set(waitedFor.all(show).map(({ id }) => id));
    while (open.size > 0) {
      const lines = [...open].flatMap((variant) => firstInLine.one(variant) ?? []);
      const next = lines.sort((a, b) => a.id - b.id)[0];
      if (!next) return;
      if (!offerOne(next.variant_id)) open.delete(next.variant_id);
    }
  };

  /** Ends a hold in force without a sale. False: it had ended before, and nothing moved. */
  const giveBack = (id: HoldId, stage: 'released' | 'expired'): boolean =>
    transaction(() => {
      const row = holdById.one(id, show);
      if (!row || !inForce(row) || setStage(stage, clock.now(), id) === 0) return false;
      move(row, -row.quantity, 0);
      options.buyerChanged(row.buyer_hash);
      offer();
      return true;
    });

  /** Releases what is past its deadline, and wakes again for the next. A hold that is being paid waits for its payment. */
  const sweep = (): void => {
    transaction(() => {
      for (const { id } of due.all(show, clock.now())) giveBack(id, 'expired');
    });
    const next = nextDeadline.one(show)?.ms ?? null;
    if (next !== null) wakeAt(next);
  };

  const own = (buyer: BuyerHash, id: HoldId): HoldRow => {
    const row = holdById.one(id, show);
    if (!row || row.buyer_hash !== buyer || !inForce(row)) throw noSuchHold();
    if (row.stage === 'held' && row.deadline_ms <= clock.now()) {
      giveBack(id, 'expired');
      throw noSuchHold();
    }
    return row;
  };

  const standInLine = (variant: VariantId): boolean => (someoneWaits.one(variant)?.waits ?? 0) > 0;

  sweep();

  /** What most of a crowd hears, who come too late, without a look into the database. */
  const isGone = (buyer: BuyerHash, variant: VariantId, code: string | undefined): boolean =>
    gone.has(variant) && code === undefined && !holders.has(buyer);

  const hold = (buyer: BuyerHash, variant: VariantId, quantity: number, code?: string): Hold => {
    if (isGone(buyer, variant, code)) throw allTaken;
    const before = holders.has(buyer) ? holdInForce.one(buyer, variant) : undefined;
    if (before && (before.stage === 'paying' || before.deadline_ms > clock.now())) return holdOf(before);
    if (before) giveBack(before.id, 'expired');
    if (options.isOver()) throw new AppError('notOnSale', 'The show is over.');
    const row = known(variant);
    const terms = termsOf(variant, row, code);
    const free = standInLine(variant) ? 0 : left(variant, row.product_id, terms.dropId);
    if (free < quantity) {
      if (free < 1) gone.add(variant);
      throw allTaken;
    }
    if (holders.has(buyer) && (holdCount.one(buyer)?.holds ?? 0) >= maxHoldsPerBuyer) {
      throw new AppError('limit', 'You hold a lot already. Pay or let go of something first.');
    }
    checkBuyer(buyer, row, quantity);
    return transaction(() => make(buyer, variant, row, terms, quantity, 'taken'));
  };

  return {
    /**
     * Keeps `quantity` pieces for this buyer until the deadline. A hold in force on the same variant is given as it is, so that asking
     * twice takes once. Throws `soldOut`, `notOnSale`, `buyerLimit`, `badCode`, `limit`, `notFound`.
     */
    hold,
    /** As `hold`, for one of many: all who ask in the same turn of the event loop share one commit, in the order in which they asked. */
    holdInRush: async (
      buyer: BuyerHash,
      variant: VariantId,
      quantity: number,
      code?: string,
    ): Promise<Hold> => {
      if (isGone(buyer, variant, code)) throw allTaken;
      try {
        return await store.gather(() => hold(buyer, variant, quantity, code));
      } catch (error) {
        // The commit may have failed, and with it what had emptied the shelf.
        if (error !== allTaken) gone.clear();
        throw error;
      }
    },
    /** More or fewer pieces at the locked price and deadline. Not while it is being paid. */
    change: (buyer: BuyerHash, id: HoldId, quantity: number): Hold => {
      const row = own(buyer, id);
      if (row.stage === 'paying')
        throw new AppError('wrongPhase', 'This is being paid. Cancel the payment first.');
      const more = quantity - row.quantity;
      if (more === 0) return holdOf(row);
      transaction(() => {
        if (more > 0) {
          if (options.isOver()) throw new AppError('notOnSale', 'The show is over.');
          if (standInLine(row.variant_id)) throw new AppError('soldOut');
          checkBuyer(buyer, known(row.variant_id), more);
          take(heldParts.all(id), row.variant_id, row.product_id, row.drop_id, more);
        }
        setQuantity(quantity, id);
        if (more < 0) {
          move(row, more, 0);
          offer();
        }
        options.buyerChanged(buyer);
      });
      return { ...holdOf(row), quantity };
    },
    /** The buyer lets go. Throws `notFound` for what is not theirs, `wrongPhase` while it is being paid. */
    letGo: (buyer: BuyerHash, id: HoldId): void => {
      if (own(buyer, id).stage === 'paying') {
        throw new AppError('wrongPhase', 'This is being paid. Cancel the payment first.');
      }
      giveBack(id, 'released');
    },

    // For orders: each may be called inside the transaction that settles, and does its work once however often it is called.

    find: (id: HoldId): (Hold & { buyer: BuyerHash }) | undefined => {
      const row = holdById.one(id, show);
      return row && { ...holdOf(row), buyer: row.buyer_hash };
    },
    /** A payment is under way: the hold is not released at its deadline but by `release`. Throws `notFound` when it has ended. */
    pay: (buyer: BuyerHash, id: HoldId, untilMs: number): Hold => {
      const row = own(buyer, id);
      setPaying(Math.max(untilMs, row.deadline_ms), id);
      options.buyerChanged(buyer);
      return { ...holdOf(row), stage: 'paying', deadlineMs: Math.max(untilMs, row.deadline_ms) };
    },
    /** The payment was called off: the hold is the buyer's again until `deadlineMs`. */
    unpay: (id: HoldId, deadlineMs: number): void => {
      if (setHeld(deadlineMs, id) === 0) return;
      const row = holdById.one(id, show);
      if (row) options.buyerChanged(row.buyer_hash);
      wakeAt(deadlineMs);
    },
    /**
     * Paid: what was held is sold. When the hold had ended, the same pieces are taken afresh if they are there. False: they are not,
     * and the money has to go back.
     */
    sell: (id: HoldId): boolean =>
      transaction(() => {
        const row = holdById.one(id, show);
        if (!row) return false;
        if (row.stage === 'sold') return true;
        if (setStage('sold', clock.now(), id) === 0) {
          try {
            transaction(() =>
              take(heldParts.all(id), row.variant_id, row.product_id, row.drop_id, row.quantity),
            );
          } catch (error) {
            if (error instanceof AppError && error.code === 'soldOut') return false;
            throw error;
          }
          sellEnded(clock.now(), id);
        }
        move(row, -row.quantity, row.quantity);
        options.buyerChanged(row.buyer_hash);
        return true;
      }),
    /** Never paid: back on the shelf. False: it had ended before. */
    release: (id: HoldId): boolean => giveBack(id, 'released'),
    /** Sold pieces come back on the shelf. False: not that many were sold by this hold. */
    putBack: (id: HoldId, quantity: number): boolean =>
      transaction(() => {
        const row = holdById.one(id, show);
        if (!row || quantity < 1 || returnPieces(quantity, id) === 0) return false;
        move(row, 0, -quantity);
        offer();
        return true;
      }),

    // Waiting and wishing.

    /** Gives the place in line, 1 being next. Throws `limit` while there is enough for everybody. */
    joinWaiting: (buyer: BuyerHash, variant: VariantId, quantity: number): number => {
      if (options.isOver()) throw new AppError('notOnSale', 'The show is over.');
      const row = known(variant);
      const place = () => waitsOfBuyer.all(buyer, show).find((one) => one.variant_id === variant)?.place ?? 0;
      if (place() > 0) return place();
      if (holdInForce.one(buyer, variant)) throw new AppError('limit', 'This is already held for you.');
      if (leftOf.one(variant)?.left ?? 0) {
        let terms: Terms | undefined;
        try {
          terms = termsOf(variant, row);
        } catch (error) {
          // Not to be had at the moment: one may wait for it.
          if (!(error instanceof AppError)) throw error;
        }
        if (terms && !standInLine(variant) && left(variant, row.product_id, terms.dropId) >= quantity) {
          throw new AppError('limit', 'There are some left: no need to wait.');
        }
      }
      checkBuyer(buyer, row, quantity);
      const { mine, all } = lineLength.one(buyer, show) ?? { mine: 0, all: 0 };
      if (mine >= maxWaitsPerBuyer || all >= maxWaiting) {
        throw new AppError('limit', 'This waiting list is full.');
      }
      joinLine(show, buyer, variant, quantity, clock.now());
      options.buyerChanged(buyer);
      return place();
    },
    leaveWaiting: (buyer: BuyerHash, variant: VariantId): void => {
      if (leaveLine(buyer, variant) === 0) return;
      gone.delete(variant);
      options.buyerChanged(buyer);
      for (const { buyer_hash: other } of buyersInLine.all(variant)) options.buyerChanged(other);
    },
    /** Stock or terms may have become better for those who wait. */
    offer: () => transaction(offer),
    wish: (buyer: BuyerHash, product: ProductId, wished: boolean): void => {
      if (!wished) removeWish(buyer, product);
      else if (wishesOf.all(buyer, show).length >= 200)
        throw new AppError('limit', 'You have wished for a lot already.');
      else addWish(buyer, product, clock.now());
      options.buyerChanged(buyer);
    },

    of: (buyer: BuyerHash): { holds: Hold[]; waiting: Waiting[]; wishes: ProductId[] } => ({
      holds: holdsOfBuyer.all(buyer, show).map(holdOf),
      waiting: waitsOfBuyer.all(buyer, show).map((row) => ({
        id: row.id,
        productId: row.product_id,
        variantId: row.variant_id,
        quantity: row.quantity,
        place: row.place,
      })),
      wishes: wishesOf.all(buyer, show).map(({ id }) => id),
    }),

    close: () => {
      closed = true;
      timer?.cancel();
      timer = undefined;
    },
    snapshot: () => ({ nextSweepMs: timer?.atMs ?? null }),
  };
};
