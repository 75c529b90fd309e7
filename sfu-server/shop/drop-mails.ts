// "Tell me when it drops", by mail: one mail to an address for each drop, at its start, and then the address is deleted. It is also
// deleted by the link in the mail, by the buyer on the page, and with the end of the show.
// Not here: telling pages that are open (news.ts), and the mail server itself (mail.ts).
import * as z from 'zod/mini';
import { hashToken, newToken } from '../access/tokens.ts';
import type { Clock } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import { dropId, productId, type Drop, type DropId, type ProductId } from '../protocol/shop.ts';
import type { ShowId } from '../protocol/state.ts';
import type { Store } from '../store/database.ts';
import type { BuyerHash } from './holds.ts';
import type { Mailer } from './mail.ts';

const maxAddressesPerBuyer = 3;
const maxProductsPerBuyer = 20;
const maxAsked = 10_000;
const maxAttempts = 4;
const retryMs = 30_000;

export type DropMails = ReturnType<typeof createDropMails>;

export type DropMailsOptions = {
  store: Store;
  show: ShowId;
  clock: Clock;
  mailer: () => Mailer | undefined;
  /** Where fans reach this server, no trailing slash; empty while it is not known. */
  publicOrigin: () => string;
  /** Of the show. */
  title: () => string;
  drops: () => readonly Drop[];
  productName: (id: ProductId) => string | undefined;
  isOver: () => boolean;
  /** What this buyer may see of themselves has changed. */
  buyerChanged: (buyer: BuyerHash) => void;
  log: { info(detail: object, text: string): void; error(detail: object, text: string): void };
};

const hasBegun = ({ state }: Drop): boolean =>
  state.kind === 'running' || state.kind === 'paused' || state.kind === 'soldOut';

export const createDropMails = (options: DropMailsOptions) => {
  const { store, show, clock, log } = options;
  const { query, command } = store;

  const ask = command(
    `INSERT INTO drop_mails (show_id, product_id, buyer_hash, address, asked_ms) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (show_id, product_id, address) DO NOTHING`,
  );
  const forgetOfBuyer = command(
    'DELETE FROM drop_mails WHERE buyer_hash = ? AND show_id = ? AND product_id = ?',
  );
  const ofBuyer = query(
    z.object({ id: productId }),
    `SELECT DISTINCT product_id AS id FROM drop_mails WHERE buyer_hash = ? AND show_id = ? AND sent_ms IS NULL ORDER BY id`,
  );
  const counts = query(
    z.object({ mine: z.int(), addresses: z.int(), all: z.int() }),
    `SELECT COALESCE(SUM(buyer_hash = ?1), 0) AS mine, COUNT(*) AS "all",
       COUNT(DISTINCT CASE WHEN buyer_hash = ?1 AND address <> ?3 THEN address END) AS addresses
       FROM drop_mails WHERE show_id = ?2`,
  );
  const makeDue = command(
    'UPDATE drop_mails SET drop_id = ? WHERE show_id = ? AND product_id = ? AND drop_id IS NULL',
  );
  const forgetDrop = command('DELETE FROM drop_mails WHERE drop_id = ?');
  const forgetShow = command('DELETE FROM drop_mails WHERE show_id = ?');
  const due = query(
    z.object({ drop_id: dropId, address: z.string() }),
    `SELECT drop_id, address FROM drop_mails WHERE show_id = ? AND drop_id IS NOT NULL AND sent_ms IS NULL
      GROUP BY drop_id, address ORDER BY MIN(id)`,
  );
  const productsOf = query(
    z.object({ id: z.int(), product_id: productId }),
    'SELECT id, product_id FROM drop_mails WHERE drop_id = ? AND address = ? AND sent_ms IS NULL ORDER BY id',
  );
  const setLink = command('UPDATE drop_mails SET forget_hash = ? WHERE drop_id = ? AND address = ?');
  const setSent = command('UPDATE drop_mails SET sent_ms = ? WHERE drop_id = ? AND address = ?');
  const forgetMail = command('DELETE FROM drop_mails WHERE drop_id = ? AND address = ?');

  /** A link once mailed stays good while the same mail is tried again. */
  const attempts = new Map<string, { failures: number; nextMs: number; token: string }>();
  let cancelRound: (() => void) | undefined;
  let sending: Promise<void> | undefined;
  let closed = false;

  const sendOne = async (mailer: Mailer, drop: DropId, address: string): Promise<void> => {
    const rows = productsOf.all(drop, address);
    const [first] = rows;
    // Forgotten while others were sent to.
    if (!first) return;
    const key = `${drop} ${address}`;
    const before = attempts.get(key) ?? { failures: 0, nextMs: 0, token: newToken() };
    if (before.nextMs > clock.now()) return;
    const origin = options.publicOrigin();
    const wanted = rows.flatMap(({ product_id: id }) => {
      const name = options.productName(id);
      return name === undefined ? [] : [{ name, url: `${origin}/shop/${show}/${id}` }];
    });
    setLink(hashToken(before.token), drop, address);
    const forgetUrl = `${origin}/forget/${before.token}`;
    const text = [
      `It has begun: ${options.title()}.`,
      ...wanted.map(({ name, url }) => `${name}: ${url}`),
      'You asked for this one mail on the page of the show. Your address is deleted when the drop is over.',
      `Delete it now: ${forgetUrl}`,
    ].join('\n\n');
    const subject = `It’s on: ${wanted.map(({ name }) => name).join(', ')}`.slice(0, 150);
    try {
      await mailer.send(address, subject, text, `<drop-${drop}-${first.id}@live-drop>`, { forgetUrl });
    } catch (error) {
      const failures = before.failures + 1;
      log.error({ err: error, failures }, 'the mail about a drop could not be sent');
      if (failures < maxAttempts) {
        attempts.set(key, { ...before, failures, nextMs: clock.now() + retryMs * failures });
        return;
      }
      attempts.delete(key);
      forgetMail(drop, address);
      return;
    }
    setSent(clock.now(), drop, address);
    attempts.delete(key);
  };

  const sendAll = async (): Promise<void> => {
    const mailer = options.mailer();
    if (!mailer || options.publicOrigin() === '') return;
    for (const { drop_id: drop, address } of due.all(show)) {
      if (closed) return;
      await sendOne(mailer, drop, address);
    }
  };
  /** One round at a time; another one follows while something is due, for what failed or was not to be sent yet. */
  const round = (afterMs: number): void => {
    if (closed || sending) return;
    cancelRound?.();
    cancelRound = clock.after(afterMs, () => {
      cancelRound = undefined;
      sending = sendAll()
        .catch((error: unknown) => log.error({ err: error }, 'the round of mails about drops failed'))
        .finally(() => {
          sending = undefined;
          if (!closed && due.one(show)) round(retryMs / 10);
        });
    });
  };

  const changed = (drop: Drop): void => {
    if (drop.state.kind === 'ended') forgetDrop(drop.id);
    else if (hasBegun(drop)) {
      const made = drop.items.map(({ productId: id }) => makeDue(drop.id, show, id));
      if (made.some((rows) => rows > 0)) round(0);
    }
  };

  // What happened while the server was away.
  if (options.isOver()) forgetShow(show);
  for (const drop of options.drops()) changed(drop);
  if (due.one(show)) round(0);

  return {
    /** Whether mail goes out at all. Without, only an open page is told. */
    canMail: () => options.mailer() !== undefined,
    /**
     * Mails this address once, at the next start of a drop of the product. Throws `wrongPhase` where no mail is set up, the show is over
     * or the drop has begun; `limit` for one buyer with many addresses or products.
     */
    ask: (buyer: BuyerHash, product: ProductId, address: string): void => {
      if (!options.mailer())
        throw new AppError('wrongPhase', 'This show sends no mail. Keep its page open instead.');
      if (options.isOver()) throw new AppError('wrongPhase', 'The show is over.');
      const sells = ({ items }: Drop) => items.some(({ productId: id }) => id === product);
      if (options.drops().some((drop) => hasBegun(drop) && sells(drop))) {
        throw new AppError('wrongPhase', 'The drop has begun: no need to wait for a mail.');
      }
      const { mine, addresses, all } = counts.one(buyer, show, address) ?? { mine: 0, addresses: 0, all: 0 };
      if (addresses >= maxAddressesPerBuyer)
        throw new AppError('limit', 'That is many addresses for one person. Use one of those before.');
      if (mine >= maxProductsPerBuyer || all >= maxAsked)
        throw new AppError('limit', 'No more mails can be asked for. Keep the page open instead.');
      ask(show, product, buyer, address, clock.now());
      options.buyerChanged(buyer);
    },
    /** The buyer thinks otherwise. */
    forget: (buyer: BuyerHash, product: ProductId): void => {
      if (forgetOfBuyer(buyer, show, product) > 0) options.buyerChanged(buyer);
    },
    /** Products this buyer is still to be mailed about. */
    of: (buyer: BuyerHash): ProductId[] => ofBuyer.all(buyer, show).map(({ id }) => id),
    /** State of the drop has changed: mails become due with its start and are forgotten with its end. */
    changed,
    showEnded: () => void forgetShow(show),
    /** Ends with the mail that is under way; what is due goes out after a restart, under the same message id. */
    close: async () => {
      closed = true;
      cancelRound?.();
      await sending;
    },
    snapshot: () => ({ due: due.all(show).length, failing: attempts.size }),
  };
};

/** Deletes the address the link in a mail was sent to, in all of that show. Whether there was one is nobody's business. */
export const forgetAddress = (store: Store, token: string): void => {
  store.command(
    `DELETE FROM drop_mails WHERE (show_id, address) IN (SELECT show_id, address FROM drop_mails WHERE forget_hash = ?)`,
  )(hashToken(token));
};
