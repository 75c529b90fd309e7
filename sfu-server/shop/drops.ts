// The drops of one show: what each sells on which terms, kept in the database and driven by the server's clock. Says on what terms a
// variant can be had at a moment. The state machine is drop-state.ts; who takes what is holds.ts.
import { randomInt } from 'node:crypto';
import * as z from 'zod/mini';
import { hashToken, newPublicId } from '../access/tokens.ts';
import type { Clock } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { DropDraft } from '../protocol/shop-messages.ts';
import {
  dropId,
  dropPriceMinor,
  dropState,
  productId,
  variantId,
  windowEndsMs,
  type Drop,
  type DropId,
  type DropItem,
  type DropState,
  type Product,
  type ProductId,
  type Variant,
  type VariantId,
} from '../protocol/shop.ts';
import type { ShowId } from '../protocol/state.ts';
import { json, type Store } from '../store/database.ts';
import type { Catalogue } from './catalogue.ts';
import { acted, advanced, nextChangeMs, withStockLeft, type DropAction } from './drop-state.ts';

const maxDrops = 100;
const maxCodes = 5_000;
/** A timer further away than this is set anew on the way: timers cannot be longer than 24 days. */
const maxTimerMs = 3_600_000;

const dropRow = z.object({
  id: dropId,
  name: z.string(),
  length_ms: z.nullable(z.int()),
  early_access_ms: z.nullable(z.int()),
  state: json(dropState),
  created_ms: z.int(),
});
const itemRow = z.object({
  product_id: productId,
  quantity: z.nullable(z.int()),
  held: z.int(),
  sold: z.int(),
  seq: z.int(),
  price_minor: z.nullable(z.int()),
  flash_price_minor: z.nullable(z.int()),
  flash_window_ms: z.nullable(z.int()),
  collector_variant_id: z.nullable(variantId),
  collector_window_ms: z.nullable(z.int()),
});
type ItemRow = z.infer<typeof itemRow>;

/** A drop without its counts. */
type Known = Omit<Drop, 'items'> & { items: Omit<DropItem, 'stock'>[] };

/** On what terms a piece can be had now. `codeHash`: an early-access code has to be used up for it. */
export type Terms = { dropId: DropId | null; priceMinor: number; codeHash: string | null };

/** What `terms` must know of the variant asked for. */
export type Offered = {
  productId: ProductId;
  variantId: VariantId;
  productPriceMinor: number;
  variantPriceMinor: number | null;
  selling: Product['selling'];
};

// Without 0/O, 1/I/L: read out, typed in the dark. 8 of 31 are 39 bits, behind a limit of guesses.
const codeLetters = '23456789ABCDEFGHJKMNPQRSTUVWXYZ';
const newCode = (): string =>
  Array.from({ length: 8 }, () => codeLetters.charAt(randomInt(codeLetters.length))).join('');
const codeHashOf = (typed: string): string => hashToken(typed.toUpperCase().replaceAll(/[^A-Z0-9]/g, ''));

const itemOf = (row: ItemRow): Omit<DropItem, 'stock'> => ({
  productId: row.product_id,
  quantity: row.quantity,
  priceMinor: row.price_minor,
  flash:
    row.flash_price_minor === null || row.flash_window_ms === null
      ? null
      : { priceMinor: row.flash_price_minor, windowMs: row.flash_window_ms },
  collector:
    row.collector_variant_id === null || row.collector_window_ms === null
      ? null
      : { variantId: row.collector_variant_id, windowMs: row.collector_window_ms },
});

/** Which drop speaks for a product that is in several: the one furthest on its way. */
const rank: Record<DropState['kind'], number> = {
  running: 5,
  soldOut: 4,
  paused: 3,
  countdown: 2,
  scheduled: 1,
  ready: 0,
  ended: 0,
};

const atTheStartOnly = (): AppError =>
  new AppError('notOnSale', 'This one is sold at the start of a drop only.');
const seconds = (ms: number): string => `${Math.max(1, Math.ceil(ms / 1_000))} seconds`;

export type Drops = ReturnType<typeof createDrops>;

export type DropsOptions = {
  store: Store;
  show: ShowId;
  clock: Clock;
  catalogue: Catalogue;
  /** Terms or state of this drop have changed, or will have when the transaction around the call is through. */
  changed: (id: DropId) => void;
  removed: (id: DropId) => void;
  /** Something that was not for sale may be now. */
  opened: () => void;
  log: { info(detail: object, text: string): void; error(detail: object, text: string): void };
};

export const createDrops = (options: DropsOptions) => {
  const { store, show, clock, catalogue } = options;
  const { query, command, transaction } = store;

  const rowsOf = query(
    dropRow,
    `SELECT id, name, length_ms, early_access_ms, state, created_ms FROM drops
      WHERE show_id = ? AND removed_ms IS NULL ORDER BY created_ms, id`,
  );
  const itemsOf = query(
    itemRow,
    `SELECT product_id, quantity, held, sold, seq, price_minor, flash_price_minor, flash_window_ms, collector_variant_id,
       collector_window_ms FROM drop_items WHERE drop_id = ? ORDER BY position`,
  );
  const insertDrop = command(
    'INSERT INTO drops (id, show_id, name, length_ms, early_access_ms, state, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const updateDrop = command('UPDATE drops SET name = ?, length_ms = ?, early_access_ms = ? WHERE id = ?');
  const saveState = command('UPDATE drops SET state = ? WHERE id = ?');
  const removeDrop = command('UPDATE drops SET removed_ms = ? WHERE id = ?');
  const clearItems = command('DELETE FROM drop_items WHERE drop_id = ?');
  const insertItem = command(
    `INSERT INTO drop_items (drop_id, product_id, position, quantity, price_minor, flash_price_minor, flash_window_ms,
       collector_variant_id, collector_window_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertCode = command(
    'INSERT INTO early_access_codes (drop_id, code_hash, max_uses) VALUES (?, ?, ?)',
  );
  const codeCount = query(
    z.object({ codes: z.int() }),
    'SELECT COUNT(*) AS codes FROM early_access_codes WHERE drop_id = ?',
  );
  const codeOf = query(
    z.object({ unused: z.int() }),
    'SELECT max_uses - uses AS unused FROM early_access_codes WHERE drop_id = ? AND code_hash = ?',
  );
  const useCode = command(
    'UPDATE early_access_codes SET uses = uses + 1 WHERE drop_id = ? AND code_hash = ? AND uses < max_uses',
  );

  const known = new Map<DropId, Known>(
    rowsOf.all(show).map((row) => [
      row.id,
      {
        id: row.id,
        name: row.name,
        items: itemsOf.all(row.id).map(itemOf),
        lengthMs: row.length_ms,
        earlyAccessMs: row.early_access_ms,
        state: row.state,
        createdMs: row.created_ms,
      },
    ]),
  );
  let cancelTimer: (() => void) | undefined;
  let closed = false;

  /** As `transaction`; what is known goes back too when it fails. */
  const together = <T>(run: () => T): T => {
    const before = [...known];
    try {
      return transaction(run);
    } catch (error) {
      known.clear();
      for (const [id, drop] of before) known.set(id, drop);
      throw error;
    }
  };

  const find = (id: DropId): Known => {
    const drop = known.get(id);
    if (!drop) throw new AppError('notFound', 'This drop is not in the show any more.');
    return drop;
  };

  const counted = (drop: Known): Drop => {
    const rows = itemsOf.all(drop.id);
    return {
      ...drop,
      items: drop.items.flatMap((item) => {
        const row = rows.find((one) => one.product_id === item.productId);
        const product = catalogue.find(item.productId);
        if (!row || !product) return [];
        const { held, sold } = row;
        const share = row.quantity === null ? Number.POSITIVE_INFINITY : row.quantity - held - sold;
        const left = Math.min(share, product.stock.left);
        const seq = row.seq + product.stock.seq;
        return [{ ...item, stock: { total: held + sold + left, held, sold, left, seq } }];
      }),
    };
  };
  const tell = (id: DropId) => options.changed(id);

  const put = (drop: Known, state: DropState): void => {
    if (state === drop.state) return;
    saveState(JSON.stringify(state), drop.id);
    known.set(drop.id, { ...drop, state });
    options.log.info({ drop: drop.id, from: drop.state.kind, to: state.kind }, 'a drop went on');
  };

  const sells = (drop: Known, product: ProductId): boolean =>
    drop.items.some((item) => item.productId === product);

  /** A product is in one drop at a time: the newest start ends the ones before. Gives the ids of those. */
  const makeRoomFor = (started: Known, nowMs: number): DropId[] => {
    const inTheWay = [...known.values()].filter(
      (drop) =>
        drop.id !== started.id &&
        rank[drop.state.kind] >= rank.paused &&
        drop.items.some(({ productId: id }) => sells(started, id)),
    );
    for (const drop of inTheWay) put(drop, acted(drop.state, { kind: 'end', by: 'nextDrop' }, drop, nowMs));
    return inTheWay.map(({ id }) => id);
  };

  /** Gives all that have changed by it. */
  const go = (drop: Known, state: DropState, nowMs: number): DropId[] => {
    if (state === drop.state) return [];
    const starts = state.kind === 'running' && rank[drop.state.kind] < rank.paused;
    const ended = starts ? makeRoomFor(drop, nowMs) : [];
    put(drop, state);
    return [...ended, drop.id];
  };

  const after = (changed: DropId[]): void => {
    for (const id of new Set(changed)) tell(id);
    if (changed.length > 0) options.opened();
    setTimer();
  };

  /** Lets time do what it does. Called by the timer, and before every decision that depends on it. */
  const catchUp = (): void => {
    const nowMs = clock.now();
    const due = [...known.values()].filter(({ state }) => (nextChangeMs(state) ?? Infinity) <= nowMs);
    if (due.length === 0) return;
    // In the order of their times, so that of two starts the later one stays.
    due.sort((a, b) => (nextChangeMs(a.state) ?? 0) - (nextChangeMs(b.state) ?? 0));
    after(
      together(() =>
        due.flatMap(({ id }) => {
          const drop = find(id);
          return go(drop, advanced(drop.state, drop, nowMs), nowMs);
        }),
      ),
    );
  };

  const setTimer = (): void => {
    cancelTimer?.();
    cancelTimer = undefined;
    if (closed) return;
    const nextMs = Math.min(...[...known.values()].map(({ state }) => nextChangeMs(state) ?? Infinity));
    if (nextMs === Infinity) return;
    cancelTimer = clock.after(Math.min(maxTimerMs, Math.max(0, nextMs - clock.now())), () => {
      try {
        catchUp();
      } catch (error) {
        options.log.error({ err: error }, 'a drop could not go on');
      }
      setTimer();
    });
  };

  const act = (id: DropId, action: DropAction): void => {
    catchUp();
    const nowMs = clock.now();
    const drop = find(id);
    after(together(() => go(drop, acted(drop.state, action, drop, nowMs), nowMs)));
  };

  const checkItems = (draft: DropDraft): void => {
    if (new Set(draft.items.map((item) => item.productId)).size < draft.items.length) {
      throw new AppError('invalidParams', 'A product is in the drop twice.');
    }
    for (const { productId: id, collector } of draft.items) {
      const product = catalogue.known(id);
      if (collector && !product.variants.some((variant) => variant.id === collector.variantId)) {
        throw new AppError('notFound', 'The collector variant is not in the product any more.');
      }
    }
  };

  const writeItems = (id: DropId, items: DropDraft['items']): void => {
    clearItems(id);
    for (const [position, item] of items.entries()) {
      const { quantity, priceMinor, flash, collector } = item;
      insertItem(
        id,
        item.productId,
        position,
        quantity,
        priceMinor,
        flash?.priceMinor ?? null,
        flash?.windowMs ?? null,
        collector?.variantId ?? null,
        collector?.windowMs ?? null,
      );
    }
  };

  const add = (draft: Omit<DropDraft, 'id'>): DropId => {
    if (known.size >= maxDrops)
      throw new AppError('limit', `There are already ${maxDrops} drops. Remove one first.`);
    const { name, lengthMs, earlyAccessMs } = draft;
    const drop: Known = {
      id: dropId.parse(newPublicId()),
      name,
      items: draft.items,
      lengthMs,
      earlyAccessMs,
      state: { kind: 'ready' },
      createdMs: clock.now(),
    };
    insertDrop(drop.id, show, name, lengthMs, earlyAccessMs, JSON.stringify(drop.state), drop.createdMs);
    writeItems(drop.id, draft.items);
    known.set(drop.id, drop);
    return drop.id;
  };

  const save = (draft: DropDraft): DropId => {
    catchUp();
    checkItems(draft);
    if (draft.id === null) {
      const id = together(() => add(draft));
      tell(id);
      return id;
    }
    const before = find(draft.id);
    const begun = rank[before.state.kind] >= rank.paused;
    if (before.state.kind === 'ended')
      throw new AppError('wrongPhase', 'This drop is over. Restart it instead.');
    const { name } = draft;
    const { lengthMs, earlyAccessMs, items } = begun ? before : draft;
    transaction(() => {
      updateDrop(name, lengthMs, earlyAccessMs, before.id);
      // Counts begin with the start, so nothing is lost here.
      if (!begun) writeItems(before.id, items);
    });
    known.set(before.id, { ...before, name, lengthMs, earlyAccessMs, items });
    tell(before.id);
    return before.id;
  };

  const speaksFor = (product: ProductId): Known | undefined => {
    let best: Known | undefined;
    for (const drop of known.values()) {
      if (rank[drop.state.kind] === 0 || !sells(drop, product)) continue;
      const startsMs = nextChangeMs(drop.state) ?? 0;
      const better = best && rank[best.state.kind] - rank[drop.state.kind];
      if (!best || (better ?? 0) < 0 || (better === 0 && startsMs < (nextChangeMs(best.state) ?? 0)))
        best = drop;
    }
    return best;
  };

  const isCollector = (variant: VariantId): boolean =>
    [...known.values()].some(({ items }) => items.some(({ collector }) => collector?.variantId === variant));

  /** Whether the code opens the drop now. Throws `badCode` for one that opens nothing. */
  const earlyCode = (drop: Known, startsMs: number, code: string | undefined): string | null => {
    if (code === undefined) return null;
    const codeHash = codeHashOf(code);
    const found = codeOf.one(drop.id, codeHash);
    if (!found) throw new AppError('badCode');
    if (found.unused <= 0) throw new AppError('badCode', 'This code has already been used.');
    const opensMs = startsMs - (drop.earlyAccessMs ?? 0);
    if (clock.now() < opensMs) {
      throw new AppError('notOnSale', `Your code opens this in ${seconds(opensMs - clock.now())}.`);
    }
    return codeHash;
  };

  const outsideOfDrops = (offered: Offered): Terms => {
    if (offered.selling === 'dropsOnly')
      throw new AppError('notOnSale', 'This is sold in a drop only. Watch the show for it.');
    return {
      dropId: null,
      priceMinor: offered.variantPriceMinor ?? offered.productPriceMinor,
      codeHash: null,
    };
  };

  /** Throws `notOnSale` or `badCode`, each with the sentence a fan reads. */
  const terms = (offered: Offered, code?: string): Terms => {
    catchUp();
    const nowMs = clock.now();
    const drop = speaksFor(offered.productId);
    const item = drop?.items.find((one) => one.productId === offered.productId);
    const state = drop?.state;
    const collectorHere = item?.collector?.variantId === offered.variantId ? item.collector : null;
    if (!collectorHere && isCollector(offered.variantId)) {
      throw atTheStartOnly();
    }
    if (!drop || !item || !state) {
      return outsideOfDrops(offered);
    }
    const inDrop = (codeHash: string | null): Terms => ({
      dropId: drop.id,
      priceMinor: dropPriceMinor(
        { priceMinor: offered.productPriceMinor },
        { priceMinor: offered.variantPriceMinor },
        item,
        state,
        nowMs,
      ),
      codeHash,
    });
    switch (state.kind) {
      // Counts decide, not the state: what has just come back may not have been told yet.
      case 'running':
      case 'soldOut': {
        const endsMs = collectorHere && windowEndsMs(state, collectorHere.windowMs);
        if (endsMs !== null && nowMs >= endsMs) {
          throw atTheStartOnly();
        }
        return inDrop(null);
      }
      case 'paused':
        throw new AppError('notOnSale', 'The drop is paused for a moment.');
      case 'countdown': {
        const codeHash = earlyCode(drop, state.startsMs, code);
        if (codeHash === null)
          throw new AppError('notOnSale', `The drop starts in ${seconds(state.startsMs - nowMs)}.`);
        return inDrop(codeHash);
      }
      case 'scheduled': {
        const codeHash = earlyCode(drop, state.startsMs, code);
        if (codeHash !== null) return inDrop(codeHash);
        if (collectorHere) throw atTheStartOnly();
        return outsideOfDrops(offered);
      }
      case 'ready':
      case 'ended':
        return outsideOfDrops(offered);
    }
  };

  together(() => {
    for (const drop of known.values()) {
      const nowMs = clock.now();
      go(drop, advanced(drop.state, drop, nowMs), nowMs);
    }
  });
  setTimer();

  return {
    /** With the newest counts. */
    all: (): Drop[] => [...known.values()].map(counted),
    find: (id: DropId): Drop | undefined => {
      const drop = known.get(id);
      return drop && counted(drop);
    },
    /** Drops that sell this product. */
    selling: (product: ProductId): Drop[] =>
      [...known.values()].filter((drop) => sells(drop, product)).map(counted),
    save,
    /** Throws `wrongPhase` while it sells. */
    remove: (id: DropId) => {
      catchUp();
      const { state } = find(id);
      if (rank[state.kind] >= rank.countdown) throw new AppError('wrongPhase', 'End this drop first.');
      transaction(() => removeDrop(clock.now(), id));
      known.delete(id);
      options.removed(id);
      setTimer();
    },
    act,
    /** The same terms again, as a drop of its own. Gives its id. */
    restart: (id: DropId, countdownMs: number | null): DropId => {
      catchUp();
      const before = find(id);
      if (before.state.kind !== 'ended' && before.state.kind !== 'soldOut') {
        throw new AppError('wrongPhase', 'Only a drop that is over can be restarted.');
      }
      for (const item of before.items) catalogue.known(item.productId);
      const again = together(() => {
        if (before.state.kind === 'soldOut')
          put(before, acted(before.state, { kind: 'end', by: 'director' }, before, clock.now()));
        return add(before);
      });
      tell(id);
      act(again, { kind: 'start', countdownMs });
      return again;
    },
    /** Everything that has not ended, ends. */
    endAll: () => {
      catchUp();
      const nowMs = clock.now();
      after(
        transaction(() =>
          [...known.values()]
            .filter(({ state }) => state.kind !== 'ended' && state.kind !== 'ready')
            .flatMap((drop) =>
              go(drop, acted(drop.state, { kind: 'end', by: 'showEnd' }, drop, nowMs), nowMs),
            ),
        ),
      );
    },
    /** Words that open this drop early. Shown once. */
    addCodes: (id: DropId, count: number, usesEach: number): string[] => {
      const drop = find(id);
      if (drop.earlyAccessMs === null) {
        throw new AppError('invalidParams', 'This drop has no early access. Say how early first.');
      }
      if ((codeCount.one(id)?.codes ?? 0) + count > maxCodes) {
        throw new AppError('limit', `A drop has at most ${maxCodes} codes.`);
      }
      return transaction(() => {
        const codes = new Set<string>();
        while (codes.size < count) codes.add(newCode());
        for (const code of codes) insertCode(id, codeHashOf(code), usesEach);
        return [...codes].map((code) => `${code.slice(0, 4)}-${code.slice(4)}`);
      });
    },
    /** Part of the transaction that makes the hold. Throws `badCode` when somebody else has used it up. */
    useCode: (id: DropId, codeHash: string) => {
      if (useCode(id, codeHash) === 0) throw new AppError('badCode', 'This code has already been used.');
    },
    terms,
    /** Where a sale at the table counts, and at what price: crew may always sell. */
    tableTerms: (product: Product, variant: Variant): Pick<Terms, 'dropId' | 'priceMinor'> => {
      catchUp();
      const drop = speaksFor(product.id);
      const on = drop?.state.kind === 'running' ? drop : undefined;
      const item = on?.items.find((one) => one.productId === product.id) ?? null;
      const priceMinor = dropPriceMinor(product, variant, item, on?.state ?? null, clock.now());
      return { dropId: on?.id ?? null, priceMinor };
    },
    /** Stock has moved: what is gone is sold out, what is back runs again. */
    stockMoved: (products: ReadonlySet<ProductId>) => {
      const nowMs = clock.now();
      const changed = together(() =>
        [...known.values()]
          .filter(({ state }) => state.kind === 'running' || state.kind === 'soldOut')
          .filter((drop) => drop.items.some(({ productId: id }) => products.has(id)))
          .flatMap((drop) => {
            const selling = counted(drop).items.some(({ stock }) => stock.left > 0 || stock.held > 0);
            return go(drop, withStockLeft(drop.state, selling, nowMs), nowMs);
          }),
      );
      for (const id of changed) tell(id);
      setTimer();
    },
    close: () => {
      closed = true;
      cancelTimer?.();
      cancelTimer = undefined;
    },
    snapshot: () => [...known.values()].map(({ id, name, state }) => ({ id, name, state: state.kind })),
  };
};
