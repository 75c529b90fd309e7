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
import { openStore } from '../../sfu-server/store/database.ts';
import { productId, type Product } from '../../sfu-server/protocol/state.ts';

const run = promisify(execFile);
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'live-drop-store-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const tee = (total: number): Product => ({
  id: productId.parse('tee'),
  name: 'Night tee',
  priceMinor: 2500,
  currency: 'EUR',
  pictureUrl: null,
  stock: { total, held: 0, sold: 0, left: total, seq: 1 },
});

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
    store.saveScene(show.id, { ...show.scene, layout: 'sideBySide', guestId: anna.id });
    store.revokeGuest(ben.id, 4);
    store.addProduct(show.id, tee(50), 5);
    store.addSold(tee(50).id, 8);
    store.addEvent(show.id, 'sale', { quantity: 8 }, 6);
    store.close();
    store.close();

    store = openStore(file);
    expect(store.newestShow()).toMatchObject({
      id: 'show-1',
      title: 'Alley at night',
      phase: { kind: 'live', sinceMs: 5 },
      scene: { layout: 'sideBySide', guestId: 'g-1' },
      lock: 'standby',
    });
    expect(store.guests(show.id)).toEqual([{ id: 'g-1', name: 'Anna' }]);
    expect(store.guestByToken('hash-2')).toMatchObject({ revoked_ms: 4 });
    expect(store.newestProduct(show.id)?.stock).toEqual({ total: 50, held: 0, sold: 8, left: 42, seq: 2 });
    expect(store.events(show.id)).toEqual([{ at_ms: 6, kind: 'sale', detail: { quantity: 8 } }]);
    store.close();
  });

  it('[SHOP1] [SHOP2] never lets stock leave 0…total, whatever is sold and taken back', () => {
    const store = openStore(':memory:');
    const show = store.addShow('show-1', 'Alley', 1);
    store.addProduct(show.id, tee(10), 1);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -12, max: 12 }), { maxLength: 30 }), (sales) => {
        let expected = store.product(tee(10).id)?.stock.sold ?? Number.NaN;
        for (const quantity of sales) {
          const fits = expected + quantity >= 0 && expected + quantity <= 10;
          if (fits) {
            store.addSold(tee(10).id, quantity);
            expected += quantity;
          } else {
            expect(() => store.addSold(tee(10).id, quantity)).toThrow(
              expect.objectContaining({ code: 'limit' }),
            );
          }
        }
        const stock = store.product(tee(10).id)?.stock;
        expect(stock).toMatchObject({ sold: expected, left: 10 - expected, total: 10 });
      }),
    );
    const sold = store.product(tee(10).id)?.stock.sold ?? 0;
    store.addSold(tee(10).id, 5 - sold);
    const less = { ...tee(10), stockTotal: 4 };
    expect(() => store.saveProduct(less)).toThrow(expect.objectContaining({ code: 'limit' }));
    expect(store.product(tee(10).id)?.stock.total).toBe(10);
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
        'ulimit -f 400; exec "$0" --input-type=module -e "$1" "$2"',
        process.execPath,
        script,
        join(folder, 'full.db'),
      ],
      { timeout: 20_000 },
    );
    const outcome: unknown = JSON.parse(stdout);
    expect(outcome).toMatchObject({ code: expect.stringMatching(/^store(Full|Failed)$/) });
    expect(outcome).toMatchObject({ message: expect.stringMatching(/disk/) });
    const { saved, kept } = JSON.parse(stdout);
    expect(saved).toBeGreaterThan(5);
    expect(kept).toBe(saved);
  });
});
