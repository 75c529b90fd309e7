// The catalogue and orders as tables: what comes out goes in again, wrong rows are named and nothing is half imported.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCatalogue, type Catalogue } from '../../sfu-server/shop/catalogue.ts';
import { exportCatalogue, exportOrders, importCatalogue } from '../../sfu-server/shop/csv.ts';
import { showId } from '../../sfu-server/protocol/state.ts';
import { openStore, type Store } from '../../sfu-server/store/database.ts';
import { ada, openRig } from './order-rig.ts';

const open = (currency = 'EUR'): { store: Store; catalogue: Catalogue } => {
  const store = openStore(':memory:');
  const show = showId.parse('show');
  store.addShow(show, 'Night market', 0);
  const catalogue = createCatalogue(store, show, () => 0);
  catalogue.saveSettings({ ...catalogue.settings(), currency });
  return { store, catalogue };
};

let shop: ReturnType<typeof open>;
beforeEach(() => {
  shop = open();
});
afterEach(() => shop.store.close());

const load = (text: string) => importCatalogue(text, shop.store, shop.catalogue);
const header = 'product,kind,variant,sku,price,variantPrice,stock,components';

describe('catalogue', () => {
  it('[CSV1] imports products with variants and bundles, exports them, and reads its own export', () => {
    const text = [
      header,
      'Night set,bundle,,SET,40.00,,,TEE-M + ZINE×2',
      'Night tee,physical,M,TEE-M,25.00,,10,',
      'Night tee,physical,L,TEE-L,25.00,27.50,5,',
      '"Zine, ""one""",printOnDemand,,ZINE,8,,40,',
      '',
    ].join('\n');
    expect(load(text)).toMatchObject({ products: 3, variants: 4, errors: [] });
    const before = shop.catalogue.all();
    expect(before.map(({ name, kind, priceMinor }) => [name, kind, priceMinor])).toEqual([
      ['Night tee', 'physical', 2500],
      ['Zine, "one"', 'printOnDemand', 800],
      ['Night set', 'bundle', 4000],
    ]);
    expect(before[2]?.variants[0]?.components).toEqual([
      { sku: 'TEE-M', quantity: 1 },
      { sku: 'ZINE', quantity: 2 },
    ]);
    const exported = exportCatalogue(before);
    const other = open();
    expect(importCatalogue(exported, other.store, other.catalogue).errors).toEqual([]);
    expect(exportCatalogue(other.catalogue.all())).toBe(exported);
    other.store.close();
    // The same names change what is there, and only that.
    expect(load(exported.replace('25.00,,10', '30.00,,12')).products).toBe(3);
    expect(shop.catalogue.all().map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    expect(shop.catalogue.all()[0]?.variants[0]?.stock.total).toBe(12);
  });

  it('[CSV2] names every row that is wrong, in words, and then imports none', () => {
    const { errors, products } = load(
      [
        header,
        'Good,physical,,GOOD,5,,3,',
        'Tee,physical,M,TEE,25.001,,3,',
        'Cap,physical,,,10,,3,',
        'Mug,physical,,MUG,10,,-3,',
        'Pin,ghost,,PIN,1,,3,',
        'Bag,physical,,GOOD,9,,3,',
        'Box,bundle,,BOX,9,,,NOBODY',
        ',physical,,X,9,,1,',
        'Vinyl,physical,,V,"1,234.50",,1,',
        'Gold,physical,,GOLD,1000000.01,,1,',
        'Sand,physical,,SAND,1,,1000001,',
        `${'Long '.repeat(17)},physical,,LONG,1,,1,`,
        `Sock,physical,${'left '.repeat(13)},SOCK,1,,1,`,
      ].join('\r\n'),
    );
    expect(products).toBe(0);
    expect(errors.map(({ row }) => row)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    expect(errors.map(({ text }) => text)).toEqual([
      'The price "25.001" is no amount such as 25.00.',
      'The SKU is missing.',
      'The stock "-3" is no whole number.',
      'kind: physical, printOnDemand, digital or bundle.',
      'The SKU GOOD is used twice in this file.',
      'No product of this show has the SKU NOBODY. Add that product first, then the bundle.',
      expect.stringContaining('name'),
      'The price "1,234.50" is no amount such as 25.00.',
      'The price "1000000.01" is more than 1000000.00.',
      'stock: at most 1000000 pieces.',
      'product: at most 80 letters.',
      'variant: at most 60 letters.',
    ]);
    expect(shop.catalogue.all()).toEqual([]);
    expect(() => load('a,b\n1,2')).toThrow('product, sku, price is missing');
    expect(() => load(`${header}\n"never closed`)).toThrow('not a table');
    expect(() =>
      load([header, ...Array.from({ length: 2001 }, (_, n) => `P${n},,,S${n},1,,1,`)].join('\n')),
    ).toThrow('2000 rows');
  });

  it('[CSV3] reads what spreadsheets elsewhere write, and money without cents', () => {
    expect(load('\uFEFFSKU;Product;Price;Stock\nTEE;Tee;25,50;3').errors).toEqual([]);
    expect(shop.catalogue.all()[0]).toMatchObject({ priceMinor: 2550, currency: 'EUR' });
    const yen = open('JPY');
    expect(
      importCatalogue('product,sku,price,stock\nTee,TEE,2500,3', yen.store, yen.catalogue).errors,
    ).toEqual([]);
    expect(yen.catalogue.all()[0]?.priceMinor).toBe(2500);
    expect(
      importCatalogue('product,sku,price,stock\nCap,CAP,25.50,3', yen.store, yen.catalogue).errors,
    ).toHaveLength(1);
    yen.store.close();
  });

  it('[CSV4] gives a spreadsheet nothing to run, neither names of products nor what buyers typed', async () => {
    load(`${header}\n"=HYPERLINK(""http://evil"")",physical,,EVIL,1,,1,`);
    expect(shop.catalogue.all()[0]?.name).toBe('=HYPERLINK("http://evil")');
    const exported = exportCatalogue(shop.catalogue.all());
    expect(exported).toContain(`"'=HYPERLINK`);
    expect(load(exported).errors).toEqual([]);
    expect(shop.catalogue.all().map(({ name }) => name)).toEqual(['=HYPERLINK("http://evil")']);
    const rig = await openRig();
    const id = rig.order(ada, rig.sell({ name: '@SUM(A1)' }));
    const { order } = await rig.checkout().status({ orderId: id, returned: false });
    const text = exportOrders([{ order: { ...order, name: '=1+1', email: '+49@example.com' }, flag: '-' }]);
    for (const cell of text.split(/[\r\n,]+/)) expect(cell.replace(/^"/, '')).not.toMatch(/^[=+@-]/);
    expect(text).toContain("'=1+1");
    await rig.close();
  });
});
