// The store on real SQLite files: what survives a restart, what the tables refuse, and a disk that is full.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../sfu-server/store/database.ts';
import type { Product, ProductId } from '../../sfu-server/protocol/shop.ts';
import { emptyScene, type ShowId } from '../../sfu-server/protocol/state.ts';
import { createCatalogue } from '../../sfu-server/shop/catalogue.ts';
import { sql as firstLight } from '../../sfu-server/store/migrations/0001-first-light.ts';

const run = promisify(execFile);
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'live-drop-store-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A table with `total` tees on it. */
const stall = (store: Store, show: ShowId, total: number) => {
  const catalogue = createCatalogue(store, show, () => 5);
  const save = (id: ProductId | null, variant: Product['variants'][0]['id'] | null, stockTotal: number) =>
    catalogue.save({
      kind: 'physical',
      id,
      name: 'Night tee',
      description: '',
      priceMinor: 2500,
      vatNote: '',
      maxPerBuyer: null,
      selling: 'open',
      pictureUrl: null,
      variants: [{ id: variant, name: '', sku: 'TEE', priceMinor: null, stockTotal }],
    });
  const id = save(null, null, total);
  const tee = () => {
    const product = catalogue.known(id);
    const [variant] = product.variants;
    if (!variant) throw new Error('A product has a variant.');
    return { product, variant };
  };
  return {
    id,
    stock: () => tee().product.stock,
    sell: (quantity: number) => {
      const { product, variant } = tee();
      catalogue.tally(variant, product, null, quantity, 2500);
    },
    restock: (stockTotal: number) => save(id, tee().variant.id, stockTotal),
  };
};

describe('store', () => {
  it('[SHOW5] finds shows, links, products and events again after a restart', () => {
    const file = join(folder, 'deep', 'show.db');
    let store = openStore(file);
    const show = store.addShow('show-1', 'Alley', 1);
    store.savePhase(show.id, { kind: 'live', sinceMs: 5 });
    store.saveTitle(show.id, 'Alley at night');
    store.saveLock(show.id, 'standby');
    const anna = store.addGuest(show.id, 'g-1', 'Anna', 'hash-1', 2);
    const ben = store.addGuest(show.id, 'g-2', 'Ben', 'hash-2', 3);
    store.saveScene(show.id, { ...show.scene, guestIds: [anna.id] });
    store.revokeGuest(ben.id, 4);
    const shop = stall(store, show.id, 50);
    shop.sell(8);
    store.addEvent(show.id, 'sale', { quantity: 8 }, 6);
    store.close();
    store.close();

    store = openStore(file);
    expect(store.newestShow()).toMatchObject({
      id: 'show-1',
      title: 'Alley at night',
      phase: { kind: 'live', sinceMs: 5 },
      scene: { picture: null, guestIds: ['g-1'], qrVisible: true },
      lock: 'standby',
    });
    expect(store.guests(show.id)).toEqual([{ id: 'g-1', name: 'Anna' }]);
    expect(store.guestByToken('hash-2')).toMatchObject({ revoked_ms: 4 });
    expect(createCatalogue(store, show.id, () => 7).known(shop.id).stock).toEqual({
      total: 50,
      held: 0,
      sold: 8,
      left: 42,
      seq: 2,
    });
    expect(store.events(show.id)).toEqual([{ at_ms: 6, kind: 'sale', detail: { quantity: 8 } }]);
    store.close();
  });

  it('[SHOP1] [SHOP2] never lets stock leave 0…total, whatever is sold and taken back', () => {
    const store = openStore(':memory:');
    const show = store.addShow('show-1', 'Alley', 1);
    const shop = stall(store, show.id, 10);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -12, max: 12 }), { maxLength: 30 }), (sales) => {
        let expected = shop.stock().sold;
        for (const quantity of sales) {
          const fits = expected + quantity >= 0 && expected + quantity <= 10;
          if (fits) {
            shop.sell(quantity);
            expected += quantity;
          } else {
            expect(() => shop.sell(quantity)).toThrow(expect.objectContaining({ code: 'limit' }));
          }
        }
        expect(shop.stock()).toMatchObject({ sold: expected, left: 10 - expected, total: 10 });
      }),
    );
    shop.sell(5 - shop.stock().sold);
    expect(() => shop.restock(4)).toThrow(expect.objectContaining({ code: 'limit' }));
    expect(shop.stock().total).toBe(10);
    store.close();
  });

  it('keeps the product, its stock and its sales of a show that the first version set up', () => {
    const file = join(folder, 'show.db');
    const db = new DatabaseSync(file);
    db.exec(firstLight);
    db.exec(`
      PRAGMA user_version = 1;
      INSERT INTO shows (id, title, phase, scene, created_ms) VALUES
        ('old', 'Alley', '{"kind":"setup"}', '{"layout":"full","guestId":null,"lowerThird":null,"qrVisible":true}', 1);
      INSERT INTO products (id, show_id, name, price_minor, currency, picture_url, stock, sold, seq, created_ms) VALUES
        ('mug', 'old', 'Mug', 900, 'GBP', NULL, 5, 0, 1, 2), ('tee', 'old', 'Night tee', 2500, 'GBP', '/pictures/a.png', 50, 8, 9, 3);
    `);
    db.close();

    const store = openStore(file);
    const show = store.newestShow();
    if (!show) throw new Error('The show is gone.');
    expect(show.scene).toEqual({ ...emptyScene, qrVisible: true });
    const catalogue = createCatalogue(store, show.id, () => 7);
    const tee = {
      id: 'tee',
      name: 'Night tee',
      priceMinor: 2500,
      currency: 'GBP',
      pictureUrl: '/pictures/a.png',
      stock: { total: 50, held: 0, sold: 8, left: 42, seq: 10 },
    };
    expect(catalogue.all()).toMatchObject([{ id: 'mug', stock: { left: 5 } }, tee]);
    expect(catalogue.featured()).toBe('tee');
    const [, product] = catalogue.all();
    const [variant] = product?.variants ?? [];
    if (!product || !variant) throw new Error('The tee is gone.');
    catalogue.tally(variant, product, null, -8, 2500);
    expect(catalogue.known(product.id).stock.left).toBe(50);
    store.close();
  });

  it('refuses a file that is no database, and one of a newer version, in a sentence', () => {
    const file = join(folder, 'show.db');
    writeFileSync(file, 'not a database, but long enough to be looked at as one'.repeat(40));
    expect(() => openStore(file)).toThrow(/cannot be opened. Move the file away/);

    const newer = join(folder, 'newer.db');
    openStore(newer).close();
    const db = new DatabaseSync(newer);
    db.exec('PRAGMA user_version = 999');
    db.close();
    expect(() => openStore(newer)).toThrow(/newer version of the studio/);
  });

  // The limit is a Unix shell's; Windows has no such thing to fill a disk with, and shares the code under test.
  it.skipIf(process.platform === 'win32')('says so in a sentence when the disk takes no more', async () => {
    // A file-size limit of the shell makes every write beyond it fail, as a full disk does.
    const script = `
      import { openStore } from ${JSON.stringify(fileURLToPath(new URL('../../sfu-server/store/database.ts', import.meta.url)))};
      const store = openStore(process.argv[1]);
      const show = store.addShow('show-1', 'Alley', 1);
      let saved = 0;
      try {
        for (;;) { store.addEvent(show.id, 'note', 'x'.repeat(4000), saved); saved += 1; }
      } catch (error) {
        console.log(JSON.stringify({ code: error.code, message: error.message, saved, kept: store.events(show.id).length }));
      }`;
    const { stdout } = await run(
      '/bin/sh',
      [
        '-c',
        'ulimit -f 2000; exec "$0" --input-type=module -e "$1" "$2"',
        process.execPath,
        script,
        join(folder, 'full.db'),
      ],
      { timeout: 120_000 },
    );
    const outcome: unknown = JSON.parse(stdout);
    expect(outcome).toMatchObject({ code: expect.stringMatching(/^store(Full|Failed)$/) });
    expect(outcome).toMatchObject({ message: expect.stringMatching(/disk/) });
    const { saved, kept } = JSON.parse(stdout);
    expect(saved).toBeGreaterThan(5);
    expect(kept).toBe(saved);
  });
});
