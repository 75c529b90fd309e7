// Digital goods: files and codes, which order may have them until when, and how often they were fetched.
// A link's token is made when the buyer asks for it; the database keeps its hash. The bytes over HTTP are in shop-routes.ts.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod/mini';
import { hashToken, newToken } from '../access/tokens.ts';
import { AppError } from '../protocol/errors.ts';
import type { Delivery } from '../protocol/order-messages.ts';
import { orderId, productId, type OrderId, type ProductId } from '../protocol/shop.ts';
import type { ShowId } from '../protocol/state.ts';
import type { Store } from '../store/database.ts';

export const maxFileBytes = 500 * 1024 * 1024;
/** Of one delivery: a browser that resumes or tries again needs a few, a link that was passed on needs many. */
const maxDownloads = 20;

const goodRow = z.object({
  line_id: z.string(),
  product_id: productId,
  name: z.string(),
  link_life_ms: z.int(),
  pieces: z.int(),
  paid_ms: z.int(),
});
const fileRow = z.object({ digest: z.string(), file_name: z.string(), bytes: z.int() });

export type Download = { path: string; fileName: string; bytes: number };
export type Digital = ReturnType<typeof createDigital>;

/** `folder` is made when missing; files in it are named by the digest of their content. */
export const createDigital = (store: Store, show: ShowId, folder: string, now: () => number) => {
  const { query, command, transaction } = store;

  /** What is digital in an order, also inside bundles. Only a paid order has any; what was given back counts no more. */
  const goodsOf = query(
    goodRow,
    `SELECT l.id AS line_id, p.id AS product_id, p.name, p.link_life_ms,
       SUM((l.quantity - l.returned) * hc.quantity) AS pieces,
       MAX(json_extract(o.state, '$.paidMs'), COALESCE(
         (SELECT MAX(e.at_ms) FROM order_events e WHERE e.order_id = o.id AND e.kind = 'deliveryRenewed'), 0)) AS paid_ms
       FROM orders o JOIN order_lines l ON l.order_id = o.id JOIN hold_components hc ON hc.hold_id = l.hold_id
       JOIN variant_components vc ON vc.sku_id = hc.sku_id JOIN variants v ON v.id = vc.variant_id
       JOIN products p ON p.id = v.product_id AND p.kind = 'digital'
      WHERE o.id = ? AND o.show_id = ? AND o.stage IN ('paid', 'fulfilled') AND l.quantity > l.returned
      GROUP BY l.id, p.id ORDER BY l.position, p.id`,
  );
  const fileOf = query(fileRow, 'SELECT digest, file_name, bytes FROM digital_files WHERE product_id = ?');
  const saveFile = command(
    `INSERT INTO digital_files (product_id, digest, file_name, bytes) VALUES (?, ?, ?, ?)
       ON CONFLICT (product_id) DO UPDATE SET digest = excluded.digest, file_name = excluded.file_name, bytes = excluded.bytes`,
  );
  const codesOf = query(
    z.object({ code: z.string() }),
    'SELECT code FROM digital_codes WHERE product_id = ? AND order_line_id = ? ORDER BY id',
  );
  const insertCode = command('INSERT OR IGNORE INTO digital_codes (product_id, code) VALUES (?, ?)');
  const takeCode = command(
    `UPDATE digital_codes SET order_line_id = ?1 WHERE id =
       (SELECT id FROM digital_codes WHERE product_id = ?2 AND order_line_id IS NULL ORDER BY id LIMIT 1)`,
  );
  const codesLeft = query(
    z.object({ total: z.int(), free: z.int() }),
    'SELECT COUNT(*) AS total, COALESCE(SUM(order_line_id IS NULL), 0) AS free FROM digital_codes WHERE product_id = ?',
  );
  const isDigital = query(
    z.object({ id: productId }),
    `SELECT id FROM products WHERE id = ? AND show_id = ? AND kind = 'digital'`,
  );
  const paidOrders = query(
    z.object({ id: orderId }),
    `SELECT id FROM orders WHERE show_id = ? AND stage IN ('paid', 'fulfilled') ORDER BY created_ms`,
  );
  const insertLink = command(
    'INSERT INTO digital_links (token_hash, order_line_id, expires_ms) VALUES (?, ?, ?)',
  );
  const linkByHash = query(
    z.object({ order_line_id: z.string(), order_id: orderId, expires_ms: z.int() }),
    `SELECT d.order_line_id, l.order_id, d.expires_ms FROM digital_links d JOIN order_lines l ON l.id = d.order_line_id
      WHERE d.token_hash = ?`,
  );
  const countDownload = command(
    'UPDATE digital_links SET downloads = downloads + 1, last_ms = ? WHERE token_hash = ?',
  );
  const downloadsOf = query(
    z.object({ downloads: z.int() }),
    'SELECT COALESCE(SUM(downloads), 0) AS downloads FROM digital_links WHERE order_line_id = ?',
  );

  const known = (id: ProductId) => {
    if (!isDigital.one(id, show))
      throw new AppError('notFound', 'There is no such digital product in this show.');
  };

  /** As many codes as pieces, as far as there are any. */
  const assign = (id: OrderId) => {
    for (const good of goodsOf.all(id, show)) {
      if ((codesLeft.one(good.product_id)?.total ?? 0) === 0) continue;
      const has = codesOf.all(good.product_id, good.line_id).length;
      for (let piece = has; piece < good.pieces; piece += 1) {
        if (takeCode(good.line_id, good.product_id) === 0) break;
      }
    }
  };

  const what = (good: z.infer<typeof goodRow>): Delivery['what'] => {
    if (good.paid_ms + good.link_life_ms <= now()) return { kind: 'expired' };
    const codes = codesOf.all(good.product_id, good.line_id).map(({ code }) => code);
    if (codes.length >= good.pieces) return { kind: 'codes', codes };
    const file = fileOf.one(good.product_id);
    if (codes.length > 0 || !file) return { kind: 'pending' };
    const { downloads = 0 } = downloadsOf.one(good.line_id) ?? {};
    return { kind: 'file', fileName: file.file_name, bytes: file.bytes, downloads };
  };

  const deliveries = (id: OrderId): Delivery[] =>
    goodsOf.all(id, show).map((good) => ({
      lineId: good.line_id,
      productId: good.product_id,
      name: good.name,
      expiresMs: good.paid_ms + good.link_life_ms,
      what: what(good),
    }));

  return {
    assign,
    deliveries,
    /** A link of its own for each request. Throws `notFound` when there is no file to be had, or no longer. */
    token: (id: OrderId, lineId: string, product: ProductId): { token: string; expiresMs: number } => {
      const found = deliveries(id).find((one) => one.lineId === lineId && one.productId === product);
      if (found?.what.kind === 'expired') throw new AppError('notFound', expired);
      if (found?.what.kind !== 'file') throw new AppError('notFound', 'There is no file for this.');
      if (found.what.downloads >= maxDownloads) throw new AppError('limit', usedUp);
      // Which product it is for is in the token itself, and so in its hash.
      const token = `${newToken()}.${product}`;
      insertLink(hashToken(token), lineId, found.expiresMs);
      return { token, expiresMs: found.expiresMs };
    },
    /** Counts one download. Throws `notFound` for a token that never was or is over, `limit` after too many. */
    open: (token: string): { orderId: OrderId; download: Download } => {
      const link = linkByHash.one(hashToken(token));
      if (!link)
        throw new AppError('notFound', 'This link does not lead to a file. Open the receipt for a new one.');
      const product = token.slice(token.indexOf('.') + 1);
      const good = deliveries(link.order_id).find(
        (one) => one.lineId === link.order_line_id && one.productId === product,
      );
      if (link.expires_ms <= now() || good?.what.kind !== 'file') throw new AppError('notFound', expired);
      if (good.what.downloads >= maxDownloads) throw new AppError('limit', usedUp);
      const file = fileOf.one(product);
      if (!file) throw new AppError('notFound', expired);
      countDownload(now(), hashToken(token));
      return {
        orderId: link.order_id,
        download: { path: join(folder, file.digest), fileName: file.file_name, bytes: file.bytes },
      };
    },
    /** Orders that wait for a code get theirs. */
    addCodes: (
      product: ProductId,
      codes: readonly string[],
    ): { added: number; left: number; served: OrderId[] } =>
      transaction(() => {
        known(product);
        const added = codes.reduce((sum, code) => sum + insertCode(product, code), 0);
        const waiting = paidOrders
          .all(show)
          .map(({ id }) => id)
          .filter((id) =>
            deliveries(id).some((one) => one.productId === product && one.what.kind === 'pending'),
          );
        for (const id of waiting) assign(id);
        return { added, left: codesLeft.one(product)?.free ?? 0, served: waiting };
      }),
    /** Stored as it comes in, never whole in memory. Throws `tooLarge`, and `storeFull` when the disk is. */
    addFile: async (product: ProductId, fileName: string, content: Readable): Promise<{ bytes: number }> => {
      known(product);
      await mkdir(folder, { recursive: true });
      const draft = join(folder, `draft-${newToken()}`);
      const hash = createHash('sha256');
      let bytes = 0;
      const counted = new Transform({
        transform: (chunk: Buffer, _encoding, done) => {
          bytes += chunk.length;
          hash.update(chunk);
          done(
            bytes > maxFileBytes ? new AppError('tooLarge', 'This file is larger than 500 MB.') : null,
            chunk,
          );
        },
      });
      try {
        await pipeline(content, counted, createWriteStream(draft, { mode: 0o600 }));
        if (bytes === 0) throw new AppError('invalidParams', 'This file is empty.');
        const digest = hash.digest('hex');
        await rename(draft, join(folder, digest));
        saveFile(product, digest, fileName, bytes);
        return { bytes };
      } catch (error) {
        await rm(draft, { force: true });
        if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') {
          throw new AppError('storeFull', undefined, { cause: error });
        }
        throw error;
      }
    },
  };
};

const expired = 'This download has expired. Ask the seller for a new one.';
const usedUp = 'This was downloaded many times already. Ask the seller for a new link.';

export const streamOf = ({ path }: Download): Readable => createReadStream(path);
