// A show's shop without sockets, for tests of money: the real catalogue, drops, holds, orders and till on a real database, a clock
// that is moved by hand, and Stripe's SDK pointed at the fake. Buyers here are hashes, as the shop knows them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Secrets } from '../../sfu-server/protocol/secrets.ts';
import type { CounterOrder, OrderActor } from '../../sfu-server/protocol/order-messages.ts';
import type { HoldId, OrderId, ShopSettings, VariantId } from '../../sfu-server/protocol/shop.ts';
import type { ProductDraft } from '../../sfu-server/protocol/shop-messages.ts';
import { showId } from '../../sfu-server/protocol/state.ts';
import { createPaymentDesk } from '../../sfu-server/shop/payments/desk.ts';
import type { Checkout } from '../../sfu-server/shop/checkout.ts';
import { buyerHash, type Holds } from '../../sfu-server/shop/holds.ts';
import { createShop } from '../../sfu-server/shop/shop.ts';
import { openStore } from '../../sfu-server/store/database.ts';
import { startStripeFake, stripeKey, webhookSecret, type StripeFake } from '../support/stripe-fake.ts';
import { fakeClock, settled, type FakeClock } from '../support/wires.ts';

export const show = showId.parse('show');
export const ada = buyerHash.parse('ada');
export const bob = buyerHash.parse('bob');
export const cyd = buyerHash.parse('cyd');
export const table: OrderActor = { kind: 'studio' };
export const pickup = { kind: 'pickup', windowId: null } as const;

export type Rig = {
  fake: StripeFake;
  clock: FakeClock;
  /** A new process over the same database, when there was one before. */
  checkout: () => Checkout;
  holds: () => Holds;
  restart: () => Promise<void>;
  /** A product of this many pieces; gives its only variant. */
  sell: (draft: Partial<ProductDraft> & { stockTotal?: number; name: string }) => VariantId;
  saveProduct: (draft: ProductDraft) => VariantId[];
  settings: (change: Partial<ShopSettings>) => void;
  hold: (buyer: typeof ada, variant: VariantId, quantity?: number) => HoldId;
  /** From a hold to an order that is ready to be paid. */
  order: (buyer: typeof ada, variant: VariantId, quantity?: number) => OrderId;
  /** Lets the till work: time passes in steps, and what was asked of the provider is answered. */
  pass: (byMs: number, stepMs?: number) => Promise<void>;
  /** Of everything that is no bundle. */
  skus: () => string[];
  stock: (variant: VariantId) => { total: number; held: number; sold: number; left: number };
  /** Straight from the file. */
  rows: (sql: string) => Record<string, unknown>[];
  told: { counter: CounterOrder[]; logged: unknown[] };
  goods: string;
  close: () => Promise<void>;
};

const basics = {
  kind: 'physical',
  id: null,
  description: '',
  priceMinor: 2500,
  vatNote: '',
  maxPerBuyer: null,
  selling: 'open',
  pictureUrl: null,
} as const;

export const openRig = async (secrets: Partial<Secrets> = {}): Promise<Rig> => {
  const folder = mkdtempSync(join(tmpdir(), 'live-drop-orders-'));
  const file = join(folder, 'show.db');
  const fake = await startStripeFake();
  const clock = fakeClock(Date.now());
  const told: Rig['told'] = { counter: [], logged: [] };
  const log = {
    info: (detail: object) => void told.logged.push(detail),
    error: (detail: object) => void told.logged.push(detail),
  };
  const desk = createPaymentDesk({
    stripeKey,
    stripeWebhookSecret: webhookSecret,
    stripeApi: fake.apiOrigin,
    ...secrets,
  });

  const open = () => {
    const store = openStore(file);
    if (!store.show(show)) store.addShow(show, 'Night market', clock.now());
    const shop = createShop({
      store,
      show,
      clock,
      isOver: () => false,
      tell: () => {},
      title: () => 'Night market',
      tellCrew: (order) => void told.counter.push(order),
      trade: { desk, goods: join(folder, 'goods'), publicOrigin: () => 'https://drop.example' },
      log,
    });
    return { store, shop };
  };
  let process = open();
  const shut = async () => {
    await process.shop.close();
    process.store.close();
  };

  const saveProduct = (draft: ProductDraft): VariantId[] =>
    process.shop.catalogue.known(process.shop.catalogue.save(draft)).variants.map(({ id }) => id);
  const hold = (buyer: typeof ada, variant: VariantId, quantity = 1) =>
    process.shop.holds.hold(buyer, variant, quantity).id;

  return {
    fake,
    clock,
    told,
    goods: join(folder, 'goods'),
    checkout: () => process.shop.checkout,
    holds: () => process.shop.holds,
    restart: async () => {
      await shut();
      process = open();
    },
    saveProduct,
    sell: ({ name, stockTotal = 8, ...rest }) => {
      const variants = [{ id: null, name: '', sku: null, priceMinor: null, stockTotal }];
      const kind = rest.kind === 'digital' ? 'digital' : 'physical';
      const [variant] = saveProduct({ ...basics, ...rest, kind, name, variants });
      if (variant === undefined) throw new Error('A product without a variant.');
      return variant;
    },
    settings: (change) =>
      process.shop.catalogue.saveSettings({ ...process.shop.catalogue.settings(), ...change }),
    hold,
    order: (buyer, variant, quantity) => {
      const { order } = process.shop.checkout.begin(
        buyer,
        { holdIds: [hold(buyer, variant, quantity)] },
        '192.0.2.0/24',
      );
      const digital =
        order.lines.length > 0 &&
        process.shop.catalogue
          .all()
          .some((one) => one.kind === 'digital' && one.variants.some(({ id }) => id === variant));
      process.shop.checkout.saveDetails({
        orderId: order.id,
        email: 'ada@example.com',
        name: 'Ada',
        fulfilment: digital ? { kind: 'download' } : pickup,
      });
      return order.id;
    },
    skus: () => process.shop.catalogue.all().flatMap(({ variants }) => variants.map(({ sku }) => sku)),
    pass: async (byMs, stepMs = 500) => {
      for (let left = byMs; left > 0; left -= stepMs) {
        clock.advance(Math.min(left, stepMs));
        await settled();
        await process.shop.checkout.idle();
        await settled();
      }
    },
    stock: (variant) => {
      const found = process.shop.catalogue
        .all()
        .flatMap(({ variants }) => variants)
        .find(({ id }) => id === variant);
      if (!found) throw new Error('No such variant.');
      const { total, held, sold, left } = found.stock;
      return { total, held, sold, left };
    },
    rows: (sql) => {
      const db = new DatabaseSync(file, { readOnly: true });
      const rows = db.prepare(sql).all();
      db.close();
      return rows;
    },
    close: async () => {
      await shut();
      desk.close();
      await fake.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
