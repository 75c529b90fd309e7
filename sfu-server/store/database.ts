// The one SQLite writer: opens, migrates, and holds every statement. Rows are checked on the way out and typed from there on.
// No rules of the show or the shop here beyond the invariants that the tables themselves enforce.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import * as z from 'zod/mini';
import { AppError } from '../protocol/errors.ts';
import {
  guestId,
  productId,
  scene,
  showId,
  showPhase,
  type GuestId,
  type Product,
  type ProductId,
  type Scene,
  type ShowId,
  type ShowPhase,
} from '../protocol/state.ts';
import { sql as firstLight } from './migrations/0001-first-light.ts';

/** In order; the position is the schema's version. */
const migrations: readonly string[] = [firstLight];

const json = <T extends z.ZodMiniType>(schema: T) =>
  z.pipe(
    z.pipe(
      z.string(),
      z.transform((text: string): unknown => JSON.parse(text)),
    ),
    schema,
  );

const showRow = z.object({
  id: showId,
  title: z.string(),
  phase: json(showPhase),
  scene: json(scene),
  lock: z.enum(['none', 'standby']),
});
export type ShowRow = z.infer<typeof showRow>;

const guestRow = z.object({ id: guestId, name: z.string() });
export type GuestRow = z.infer<typeof guestRow>;

const productRow = z.pipe(
  z.object({
    id: productId,
    name: z.string(),
    price_minor: z.int(),
    currency: z.string(),
    picture_url: z.nullable(z.string()),
    stock: z.int(),
    held: z.int(),
    sold: z.int(),
    seq: z.int(),
  }),
  z.transform((row): Product => ({
    id: row.id,
    name: row.name,
    priceMinor: row.price_minor,
    currency: row.currency,
    pictureUrl: row.picture_url,
    stock: {
      total: row.stock,
      held: row.held,
      sold: row.sold,
      left: row.stock - row.held - row.sold,
      seq: row.seq,
    },
  })),
);

const eventRow = z.object({ at_ms: z.int(), kind: z.string(), detail: json(z.unknown()) });
export type EventRow = z.infer<typeof eventRow>;

const emptyScene: Scene = { layout: 'full', guestId: null, lowerThird: null, qrVisible: true };

// SQLite result codes, https://sqlite.org/rescode.html
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
const SQLITE_CONSTRAINT = 19;

const primaryCode = (error: unknown): number =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : 0;

/** Turns what SQLite says into a sentence for the director; bugs pass through unchanged. */
const mapped = (error: unknown): unknown => {
  const code = primaryCode(error);
  if (code === SQLITE_FULL) return new AppError('storeFull', undefined, { cause: error });
  if (code === SQLITE_IOERR) return new AppError('storeFailed', undefined, { cause: error });
  return error;
};

export type Store = ReturnType<typeof openStore>;

/** `file` may be `:memory:` in tests. Throws `storeFailed` when the file is no database of ours or newer than this program. */
export const openStore = (file: string) => {
  if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true });
  const db = new DatabaseSync(file);
  let writes = 0;

  const attempt = <T>(run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw mapped(error);
    }
  };
  /** All or nothing; the only writer takes the lock at once instead of upgrading late. */
  const transaction = <T>(run: () => T): T =>
    attempt(() => {
      db.exec('BEGIN IMMEDIATE');
      try {
        const result = run();
        db.exec('COMMIT');
        writes += 1;
        return result;
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK');
        throw error;
      }
    });

  try {
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 2000',
    );
    migrate(db, transaction);
  } catch (error) {
    db.close();
    if (error instanceof AppError) throw error;
    throw new AppError(
      'storeFailed',
      `The show data in ${file} cannot be opened. Move the file away and start again.`,
      {
        cause: error,
      },
    );
  }

  const all = <T extends z.ZodMiniType>(schema: T, text: string, ...values: SQLInputValue[]): z.infer<T>[] =>
    attempt(() =>
      db
        .prepare(text)
        .all(...values)
        .map((row) => z.parse(schema, row)),
    );
  const one = <T extends z.ZodMiniType>(
    schema: T,
    text: string,
    ...values: SQLInputValue[]
  ): z.infer<T> | undefined => all(schema, text, ...values)[0];
  const run = (text: string, ...values: SQLInputValue[]) => db.prepare(text).run(...values);
  const write = (text: string, ...values: SQLInputValue[]) => transaction(() => run(text, ...values));

  const showColumns = 'id, title, phase, scene, lock';
  const productColumns = 'id, name, price_minor, currency, picture_url, stock, held, sold, seq';

  return {
    /** The newest show, which is the one the studio works on. */
    newestShow: () =>
      one(showRow, `SELECT ${showColumns} FROM shows ORDER BY created_ms DESC, rowid DESC LIMIT 1`),
    show: (id: ShowId) => one(showRow, `SELECT ${showColumns} FROM shows WHERE id = ?`, id),
    addShow: (id: string, title: string, nowMs: number): ShowRow => {
      const phase: ShowPhase = { kind: 'setup' };
      write(
        'INSERT INTO shows (id, title, phase, scene, created_ms) VALUES (?, ?, ?, ?, ?)',
        id,
        title,
        JSON.stringify(phase),
        JSON.stringify(emptyScene),
        nowMs,
      );
      return { id: z.parse(showId, id), title, phase, scene: emptyScene, lock: 'none' };
    },
    saveTitle: (id: ShowId, title: string) =>
      void write('UPDATE shows SET title = ? WHERE id = ?', title, id),
    savePhase: (id: ShowId, phase: ShowPhase) =>
      void write('UPDATE shows SET phase = ? WHERE id = ?', JSON.stringify(phase), id),
    saveScene: (id: ShowId, next: Scene) =>
      void write('UPDATE shows SET scene = ? WHERE id = ?', JSON.stringify(next), id),
    saveLock: (id: ShowId, lock: ShowRow['lock']) =>
      void write('UPDATE shows SET lock = ? WHERE id = ?', lock, id),

    guests: (show: ShowId) =>
      all(
        guestRow,
        'SELECT id, name FROM guests WHERE show_id = ? AND revoked_ms IS NULL ORDER BY created_ms',
        show,
      ),
    addGuest: (show: ShowId, id: string, name: string, tokenHash: string, nowMs: number): GuestRow => {
      write(
        'INSERT INTO guests (id, show_id, name, token_hash, created_ms) VALUES (?, ?, ?, ?, ?)',
        id,
        show,
        name,
        tokenHash,
        nowMs,
      );
      return { id: z.parse(guestId, id), name };
    },
    renewGuestToken: (id: GuestId, tokenHash: string) =>
      void write('UPDATE guests SET token_hash = ? WHERE id = ?', tokenHash, id),
    revokeGuest: (id: GuestId, nowMs: number) =>
      void write('UPDATE guests SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL', nowMs, id),
    /** Also finds revoked links, so that their holders are told so. */
    guestByToken: (tokenHash: string) =>
      one(
        z.object({ id: guestId, name: z.string(), show_id: showId, revoked_ms: z.nullable(z.int()) }),
        'SELECT id, name, show_id, revoked_ms FROM guests WHERE token_hash = ?',
        tokenHash,
      ),

    newestProduct: (show: ShowId) =>
      one(
        productRow,
        `SELECT ${productColumns} FROM products WHERE show_id = ? ORDER BY created_ms DESC, rowid DESC LIMIT 1`,
        show,
      ),
    product: (id: ProductId) => one(productRow, `SELECT ${productColumns} FROM products WHERE id = ?`, id),
    addProduct: (show: ShowId, product: Product, nowMs: number) =>
      void write(
        `INSERT INTO products (${productColumns}, show_id, created_ms) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 1, ?, ?)`,
        product.id,
        product.name,
        product.priceMinor,
        product.currency,
        product.pictureUrl,
        product.stock.total,
        show,
        nowMs,
      ),
    /** Throws `limit` when more is already held or sold than the new total; nothing changes then. */
    saveProduct: (product: Omit<Product, 'stock'> & { stockTotal: number }) =>
      withinStock(() =>
        write(
          'UPDATE products SET name = ?, price_minor = ?, currency = ?, picture_url = ?, stock = ?, seq = seq + 1 WHERE id = ?',
          product.name,
          product.priceMinor,
          product.currency,
          product.pictureUrl,
          product.stockTotal,
          product.id,
        ),
      ),
    /** Adds to what is sold (negative takes back) in one conditional statement; `limit` when stock would be left negative. */
    addSold: (id: ProductId, quantity: number) =>
      withinStock(() =>
        write('UPDATE products SET sold = sold + ?, seq = seq + 1 WHERE id = ?', quantity, id),
      ),

    addEvent: (show: ShowId, kind: string, detail: unknown, nowMs: number) =>
      void write(
        'INSERT INTO events (show_id, at_ms, kind, detail) VALUES (?, ?, ?, ?)',
        show,
        nowMs,
        kind,
        JSON.stringify(detail),
      ),
    events: (show: ShowId) =>
      all(eventRow, 'SELECT at_ms, kind, detail FROM events WHERE show_id = ? ORDER BY id', show),

    close: () => {
      if (db.isOpen) db.close();
    },
    snapshot: () => ({ file, writes, version: migrations.length, open: db.isOpen }),
  };
};

const withinStock = (change: () => unknown): void => {
  try {
    change();
  } catch (error) {
    if (primaryCode(error) !== SQLITE_CONSTRAINT) throw error;
    throw new AppError('limit', 'There is not that much stock. Check the total and what is sold.', {
      cause: error,
    });
  }
};

const migrate = (db: DatabaseSync, transaction: (run: () => void) => void): void => {
  const { user_version: version } = z.parse(
    z.object({ user_version: z.int() }),
    db.prepare('PRAGMA user_version').get(),
  );
  if (version > migrations.length) {
    throw new AppError(
      'storeFailed',
      'The show data was written by a newer version of the studio. Update the studio.',
    );
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    transaction(() => {
      db.exec(migration);
      db.exec(`PRAGMA user_version = ${index + 1}`);
    });
  }
};
