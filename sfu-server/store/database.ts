// The one SQLite writer: opens, migrates, runs transactions, and holds the statements of the show and its people. Rows are checked on
// the way out and typed from there on. The shop keeps its own statements beside its rules (shop/), made by `query` and `command` here.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import * as z from 'zod/mini';
import { AppError } from '../protocol/errors.ts';
import {
  emptyScene,
  guestId,
  scene,
  showId,
  showPhase,
  type GuestId,
  type Scene,
  type ShowId,
  type ShowPhase,
} from '../protocol/state.ts';
import { crewId, type CrewId, type OrderId } from '../protocol/shop.ts';
import { sql as firstLight } from './migrations/0001-first-light.ts';
import { sql as theDrop } from './migrations/0002-the-drop.ts';
import { sql as standbyClips } from './migrations/0003-standby-clips.ts';
import { sql as productions } from './migrations/0004-productions.ts';
import { sql as dropMails } from './migrations/0005-drop-mails.ts';
import { sql as chat } from './migrations/0006-chat.ts';

/** In order; the position is the schema's version. */
const migrations: readonly string[] = [firstLight, theDrop, standbyClips, productions, dropMails, chat];

/** A column that holds JSON of a shape. */
export const json = <T extends z.ZodMiniType>(schema: T) =>
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

const crewRow = z.object({ id: crewId, name: z.string() });
export type CrewRow = z.infer<typeof crewRow>;

const eventRow = z.object({ at_ms: z.int(), kind: z.string(), detail: json(z.unknown()) });

/** A show begins with its code on the picture. */
const firstScene: Scene = { ...emptyScene, qrVisible: true };

// SQLite result codes, https://sqlite.org/rescode.html
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
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
  // Only after `busy_timeout` of waiting: somebody holds the lock for good.
  if (code === SQLITE_BUSY || code === SQLITE_LOCKED) {
    return new AppError('storeBusy', undefined, { cause: error });
  }
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
  let rollbacks = 0;

  const attempt = <T>(run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw mapped(error);
    }
  };
  /**
   * All or nothing; the only writer takes the lock at once instead of upgrading late. Inside another transaction it is a part of that
   * one, which may catch its error and go on without it. `run` must not wait for anything.
   */
  const whole = { begin: db.prepare('BEGIN IMMEDIATE'), commit: db.prepare('COMMIT') };
  const part = { begin: db.prepare('SAVEPOINT part'), commit: db.prepare('RELEASE part') };
  const transaction = <T>(run: () => T): T =>
    attempt(() => {
      const nested = db.isTransaction;
      const { begin, commit } = nested ? part : whole;
      begin.run();
      try {
        const result = run();
        commit.run();
        writes += 1;
        return result;
      } catch (error) {
        rollbacks += 1;
        if (db.isTransaction) db.exec(nested ? 'ROLLBACK TO part; RELEASE part' : 'ROLLBACK');
        throw error;
      }
    });
  /**
   * As `transaction`, and on the disk when it returns: for money. Everything else reaches the disk a little later, which a power cut
   * may lose and a crash of the process never does. Not inside another transaction.
   */
  const durable = <T>(run: () => T): T => {
    db.exec('PRAGMA synchronous = FULL');
    try {
      return transaction(run);
    } finally {
      db.exec('PRAGMA synchronous = NORMAL');
    }
  };

  type Part = { run: () => () => void; failed: (error: unknown) => void };
  let gathered: Part[] = [];
  const commitGathered = () => {
    const parts = gathered;
    gathered = [];
    const answers: (() => void)[] = [];
    try {
      transaction(() => {
        for (const { run } of parts) answers.push(run());
      });
    } catch (error) {
      // Not committed: nothing of it has happened, whatever each of them had found.
      for (const { failed } of parts) failed(error);
      return;
    }
    for (const answer of answers) answer();
  };
  /**
   * One transaction for all that ask in this turn of the event loop: a crowd shares a commit, and none is answered before it. One that
   * throws takes nothing from the others; what of its own must go with it, it puts into a `transaction`, which is a part of this one.
   */
  const gather = <T>(run: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      if (gathered.length === 0) setImmediate(commitGathered);
      gathered.push({
        run: () => {
          try {
            const result = run();
            return () => resolve(result);
          } catch (error) {
            return () => reject(error);
          }
        },
        failed: reject,
      });
    });

  try {
    db.exec(
      'PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON',
    );
    migrate(db, transaction);
  } catch (error) {
    db.close();
    const known = mapped(error);
    if (known instanceof AppError) throw known;
    throw new AppError(
      'storeFailed',
      `The show data in ${file} cannot be opened. Move the file away and start again.`,
      {
        cause: error,
      },
    );
  }

  /** A reading statement, prepared once. Throws when a row is not of the shape: the file was changed by something else. */
  const query = <T extends z.ZodMiniType>(schema: T, text: string) => {
    const statement = db.prepare(text);
    return {
      all: (...values: SQLInputValue[]): z.infer<T>[] =>
        attempt(() => statement.all(...values).map((row) => z.parse(schema, row))),
      one: (...values: SQLInputValue[]): z.infer<T> | undefined =>
        attempt(() => {
          const row = statement.get(...values);
          return row === undefined ? undefined : z.parse(schema, row);
        }),
    };
  };
  /** A writing statement, prepared once. Gives the number of rows it changed. */
  const command = (text: string) => {
    const statement = db.prepare(text);
    return (...values: SQLInputValue[]): number => Number(attempt(() => statement.run(...values)).changes);
  };

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

  return {
    query,
    command,
    transaction,
    durable,
    gather,
    /** How many transactions came to nothing: what was read in one of them may not be so. */
    rollbacks: () => rollbacks,

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
        JSON.stringify(firstScene),
        nowMs,
      );
      return { id: z.parse(showId, id), title, phase, scene: firstScene, lock: 'none' };
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

    crew: (show: ShowId) =>
      all(
        crewRow,
        'SELECT id, name FROM crew WHERE show_id = ? AND revoked_ms IS NULL ORDER BY created_ms, rowid',
        show,
      ),
    addCrew: (show: ShowId, id: string, name: string, tokenHash: string, nowMs: number): CrewRow => {
      write(
        'INSERT INTO crew (id, show_id, name, token_hash, created_ms) VALUES (?, ?, ?, ?, ?)',
        id,
        show,
        name,
        tokenHash,
        nowMs,
      );
      return { id: z.parse(crewId, id), name };
    },
    renewCrewToken: (id: CrewId, tokenHash: string) =>
      void write('UPDATE crew SET token_hash = ? WHERE id = ?', tokenHash, id),
    revokeCrew: (id: CrewId, nowMs: number) =>
      void write('UPDATE crew SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL', nowMs, id),
    /** Also finds revoked links, so that their holders are told so. */
    crewByToken: (tokenHash: string) =>
      one(
        z.object({ id: crewId, name: z.string(), show_id: showId, revoked_ms: z.nullable(z.int()) }),
        'SELECT id, name, show_id, revoked_ms FROM crew WHERE token_hash = ?',
        tokenHash,
      ),

    showOfOrder: (order: OrderId) =>
      one(z.object({ id: showId }), 'SELECT show_id AS id FROM orders WHERE id = ?', order)?.id,
    showOfDownload: (tokenHash: string) =>
      one(
        z.object({ id: showId }),
        `SELECT o.show_id AS id FROM digital_links d JOIN order_lines l ON l.id = d.order_line_id JOIN orders o ON o.id = l.order_id
          WHERE d.token_hash = ?`,
        tokenHash,
      )?.id,
    /** Shows with payments or refunds that are not at their end. */
    showsWithOpenMoney: () =>
      all(
        z.object({ id: showId }),
        `SELECT show_id AS id FROM orders WHERE id IN (SELECT order_id FROM payments WHERE stage = 'open')
         UNION SELECT show_id FROM orders WHERE id IN (SELECT order_id FROM refunds WHERE stage = 'open')`,
      ).map(({ id }) => id),

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

/** Whether the tables refused a change: a CHECK, a unique index or a reference. */
export const isConstraint = (error: unknown): boolean => primaryCode(error) === SQLITE_CONSTRAINT;

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
