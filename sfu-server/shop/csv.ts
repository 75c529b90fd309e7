// The catalogue and the orders as tables for spreadsheets. A file is imported as a whole or not at all, with a sentence for every row
// that is wrong; what is exported can be imported again. Who may do it is shop-routes.ts.
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import * as z from 'zod/mini';
import { AppError } from '../protocol/errors.ts';
import { productDraft, type ProductDraft } from '../protocol/shop-messages.ts';
import { maxPriceMinor, type Order, type Product, type ProductId } from '../protocol/shop.ts';
import type { Store } from '../store/database.ts';
import type { Catalogue } from './catalogue.ts';

export const maxCsvBytes = 1024 * 1024;
const maxRows = 2_000;
const maxErrors = 50;

const columns = [
  'product',
  'kind',
  'variant',
  'sku',
  'price',
  'variantPrice',
  'stock',
  'components',
  'description',
  'vatNote',
  'maxPerBuyer',
  'selling',
] as const;
type Column = (typeof columns)[number];
const required = ['product', 'sku', 'price'] as const;
type Row = { line: number; cell: (name: Column) => string };

/** What the fields of a product are called in a table. */
const columnOf = new Map<string, Column>([
  ['name', 'product'],
  ['stockTotal', 'stock'],
  ['variants', 'variant'],
]);

export type ImportReport = {
  products: number;
  variants: number;
  /** Nothing was imported when there is any. `row` counts as a spreadsheet does: the header is row 1. */
  errors: { row: number; text: string }[];
};

const digitsOf = (currency: string): number =>
  new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;

/** "25", "25.5", "25,50" → 2550; undefined for anything else, also for a thousands separator. */
const minorFrom = (text: string, currency: string): number | undefined => {
  const digits = digitsOf(currency);
  const [, whole, fraction = ''] = /^(\d{1,7})(?:[.,](\d+))?$/.exec(text) ?? [];
  if (whole === undefined || fraction.length > digits) return undefined;
  return Number(whole) * 10 ** digits + Number(fraction.padEnd(digits, '0') || '0');
};
const majorFrom = (minor: number, currency: string): string => {
  const digits = digitsOf(currency);
  return (minor / 10 ** digits).toFixed(digits);
};

const wholeFrom = (text: string): number | undefined => (/^\d{1,7}$/.test(text) ? Number(text) : undefined);

/** Spreadsheets run what begins like this: on the way out it is quoted by an apostrophe, which comes off again on the way in. */
const formulaStart = /^[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20]/;
const unquoted = (text: string): string =>
  text.startsWith("'") && formulaStart.test(text.slice(1)) ? text.slice(1) : text;

const table = (header: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  stringify([header, ...rows.map((row) => row.map(String))], { bom: true, escape_formulas: true });

/** Throws `invalidParams` when it is no table or has no such columns. */
const rowsOf = (text: string): Row[] => {
  const [firstLine = ''] = text.split(/\r?\n/, 1);
  const delimiter = [';', '\t'].find((one) => firstLine.includes(one)) ?? ',';
  let cells: string[][];
  try {
    cells = z.parse(
      z.array(z.array(z.string())),
      parse(text, { bom: true, delimiter, relax_column_count: true, trim: true, max_record_size: 20_000 }),
    );
  } catch (error) {
    const where = error instanceof Error && 'lines' in error ? ` Look at line ${String(error.lines)}.` : '';
    throw new AppError('invalidParams', `This is not a table that can be read.${where}`, { cause: error });
  }
  const header = (cells[0] ?? []).map((name) => name.toLowerCase());
  const at = new Map(columns.map((name) => [name, header.indexOf(name.toLowerCase())]));
  const missing = required.filter((name) => (at.get(name) ?? -1) < 0);
  if (missing.length > 0) {
    throw new AppError(
      'invalidParams',
      `The first row must name the columns; ${missing.join(', ')} is missing. Known are: ${columns.join(', ')}.`,
    );
  }
  if (cells.length - 1 > maxRows) {
    throw new AppError(
      'invalidParams',
      `At most ${maxRows} rows at once; this file has ${cells.length - 1}.`,
    );
  }
  return cells
    .slice(1)
    .flatMap((row, index) =>
      row.every((cell) => cell === '')
        ? []
        : [{ line: index + 2, cell: (name: Column) => unquoted(row[at.get(name) ?? -1] ?? '') }],
    );
};

/** `A×2 + B`, also with x and commas. */
const componentsFrom = (text: string): { sku: string; quantity: number }[] | undefined => {
  const parts = text
    .split(/\s*[+,]\s*/)
    .map((part) => /^([A-Za-z0-9._-]{1,40}?)(?:\s*[x×]\s*(\d{1,3}))?$/.exec(part));
  const found = parts.flatMap((part) =>
    part?.[1] === undefined ? [] : [{ sku: part[1], quantity: Number(part[2] ?? 1) }],
  );
  return found.length === parts.length ? found : undefined;
};

/** One product's rows → what the director would have written. Says into `wrong` what is wrong with which row. */
const draftFrom = (
  rows: readonly Row[],
  before: Product | undefined,
  currency: string,
  wrong: (row: Row, text: string) => void,
): ProductDraft | undefined => {
  const [first] = rows;
  if (!first) return undefined;
  let errors = 0;
  const bad = (row: Row, text: string) => {
    errors += 1;
    wrong(row, text);
    return 0;
  };
  const price = (row: Row, name: 'price' | 'variantPrice') => {
    const typed = row.cell(name);
    const minor = minorFrom(typed, currency);
    if (minor === undefined)
      return bad(row, `The ${name} "${typed}" is no amount such as ${majorFrom(2500, currency)}.`);
    if (minor > maxPriceMinor)
      return bad(row, `The ${name} "${typed}" is more than ${majorFrom(maxPriceMinor, currency)}.`);
    return minor;
  };
  const kind = first.cell('kind') || before?.kind || 'physical';
  const limit = first.cell('maxPerBuyer');
  const variants = rows.map((row) => {
    const sku = row.cell('sku');
    const known = before?.variants.find((variant) => variant.sku === sku);
    const basics = {
      id: known?.id ?? null,
      name: row.cell('variant'),
      sku,
      priceMinor: row.cell('variantPrice') === '' ? null : price(row, 'variantPrice'),
    };
    if (sku === '') bad(row, 'The SKU is missing.');
    if (kind === 'bundle') {
      const components = componentsFrom(row.cell('components'));
      if (!components) bad(row, 'A bundle needs components such as TEE-M + ZINE×2.');
      return { ...basics, components: components ?? [] };
    }
    const stock = wholeFrom(row.cell('stock'));
    if (stock === undefined) bad(row, `The stock "${row.cell('stock')}" is no whole number.`);
    return { ...basics, stockTotal: stock ?? 0 };
  });
  const draft = {
    kind,
    id: before?.id ?? null,
    name: first.cell('product'),
    description: first.cell('description') || (before?.description ?? ''),
    priceMinor: price(first, 'price'),
    vatNote: first.cell('vatNote') || (before?.vatNote ?? ''),
    maxPerBuyer:
      limit === ''
        ? (before?.maxPerBuyer ?? null)
        : (wholeFrom(limit) ?? bad(first, `maxPerBuyer "${limit}" is no whole number.`)),
    selling: first.cell('selling') || (before?.selling ?? 'open'),
    pictureUrl: before?.pictureUrl ?? null,
    variants,
  };
  if (errors > 0) return undefined;
  const parsed = z.safeParse(productDraft, draft);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues.slice(0, 5)) {
    const at = issue.path[0] === 'variants' ? rows[Number(issue.path[1])] : first;
    const field = String(issue.path.at(-1) ?? 'row');
    const known =
      field === 'kind'
        ? 'physical, printOnDemand, digital or bundle'
        : field === 'selling'
          ? 'open or dropsOnly'
          : issue.message;
    const inVariant = issue.path[0] === 'variants' && field === 'name';
    wrong(at ?? first, `${inVariant ? 'variant' : (columnOf.get(field) ?? field)}: ${known}.`);
  }
  return undefined;
};

const rolledBack = new Error('an import with errors');

/** Adds the products of a table, and changes those of the same name. Gives the ids that were saved. */
export const importCatalogue = (
  text: string,
  store: Pick<Store, 'transaction'>,
  catalogue: Pick<Catalogue, 'all' | 'save' | 'settings'>,
): ImportReport & { saved: ProductId[] } => {
  const rows = rowsOf(text);
  const { currency } = catalogue.settings();
  const existing = catalogue.all();
  const errors: ImportReport['errors'] = [];
  const wrong = (row: Row, said: string) => void errors.push({ row: row.line, text: said });
  const byProduct = new Map<string, Row[]>();
  const skus = new Set<string>();
  for (const row of rows) {
    const name = row.cell('product');
    if (name === '') wrong(row, 'The product has no name.');
    if (row.cell('sku') !== '' && skus.has(row.cell('sku')))
      wrong(row, `The SKU ${row.cell('sku')} is used twice in this file.`);
    skus.add(row.cell('sku'));
    byProduct.set(name, [...(byProduct.get(name) ?? []), row]);
  }
  const drafts = [...byProduct].flatMap(([name, own]) => {
    if (errors.some((error) => own.some((row) => row.line === error.row))) return [];
    const draft = draftFrom(
      own,
      existing.find((product) => product.name === name),
      currency,
      wrong,
    );
    return draft ? [{ draft, rows: own }] : [];
  });
  const saved: ProductId[] = [];
  try {
    store.transaction(() => {
      // Bundles last: what they are made of may be in the same file.
      for (const { draft, rows: own } of drafts.toSorted(
        (a, b) => Number(a.draft.kind === 'bundle') - Number(b.draft.kind === 'bundle'),
      )) {
        try {
          saved.push(store.transaction(() => catalogue.save(draft)));
        } catch (error) {
          const [row] = own;
          if (!(error instanceof AppError) || !row) throw error;
          wrong(row, error.message);
        }
      }
      if (errors.length > 0) throw rolledBack;
    });
  } catch (error) {
    if (error !== rolledBack) throw error;
    const sorted = errors.toSorted((a, b) => a.row - b.row).slice(0, maxErrors);
    return { products: 0, variants: 0, errors: sorted, saved: [] };
  }
  return { products: saved.length, variants: rows.length, errors: [], saved };
};

export const exportCatalogue = (products: readonly Product[]): string =>
  table(
    columns,
    products.flatMap((product) =>
      product.variants.map((variant) => {
        const parts = product.kind === 'bundle' ? variant.components : [];
        const { currency } = product;
        const cells: Record<Column, string | number> = {
          product: product.name,
          kind: product.kind,
          variant: variant.name,
          sku: variant.sku,
          price: majorFrom(product.priceMinor, currency),
          variantPrice: variant.priceMinor === null ? '' : majorFrom(variant.priceMinor, currency),
          stock: product.kind === 'bundle' ? '' : variant.stock.total,
          components: parts.map(({ sku, quantity }) => `${sku}×${quantity}`).join(' + '),
          description: product.description,
          vatNote: product.vatNote,
          maxPerBuyer: product.maxPerBuyer ?? '',
          selling: product.selling,
        };
        return columns.map((name) => cells[name]);
      }),
    ),
  );

const orderColumns = [
  'order',
  'createdUtc',
  'state',
  'money',
  'sku',
  'product',
  'variant',
  'quantity',
  'returned',
  'price',
  'currency',
  'orderShipping',
  'orderTotal',
  'orderRefunded',
  'name',
  'email',
  'fulfilment',
  'address',
  'flag',
] as const;

/** One row per line of an order; what concerns the whole order is repeated. */
export const exportOrders = (orders: readonly { order: Order; flag: string }[]): string =>
  table(
    orderColumns,
    orders.flatMap(({ order, flag }) => {
      const major = (minor: number) => majorFrom(minor, order.currency);
      const to = order.fulfilment.kind === 'shipping' ? order.fulfilment.address : undefined;
      const address = to ? [...to.lines, `${to.postcode} ${to.city}`, to.country].join(', ') : '';
      return order.lines.map((line) => [
        order.pickupCode,
        new Date(order.createdMs).toISOString(),
        order.state.kind,
        order.money,
        line.sku,
        line.productName,
        line.variantName,
        line.quantity,
        line.returned,
        major(line.priceMinor),
        order.currency,
        major(order.shippingMinor),
        major(order.totalMinor),
        major(order.refundedMinor),
        order.name,
        order.email,
        order.fulfilment.kind,
        address,
        flag,
      ]);
    }),
  );
