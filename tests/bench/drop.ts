// 500 buyers on real sockets go for 50 pieces at once, against the real server in a process of its own; then the same rush on a shop
// that reads first and writes later. Says how many were sold, whether anybody was charged twice, and how long a buyer waited.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import * as z from 'zod';
import { connectChannel, serveChannel } from '../../sfu-server/protocol/channel.ts';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { showContract, type ShowContract, type ShowParams } from '../../sfu-server/protocol/messages.ts';
import { receipt, type Receipt } from '../../sfu-server/protocol/order-messages.ts';
import { hold, holdId, variantId as variant } from '../../sfu-server/protocol/shop.ts';
import { createPaymentDesk } from '../../sfu-server/shop/payments/desk.ts';
import { createShopDoor, createShopLimits } from '../../sfu-server/show/shop-door.ts';
import { createShow } from '../../sfu-server/show/show.ts';
import { openStore } from '../../sfu-server/store/database.ts';
import { joinStudio, realClock } from '../support/client.ts';
import { emptyShop } from '../support/products.ts';
import { startServer } from '../support/server.ts';
import { wirePair } from '../support/wires.ts';

export type DropResult = {
  /** Buyers who asked for a piece, all at once. */
  attempts: number;
  sold: number;
  stock: number;
  /** Orders with more than one charge in the ledger. */
  doubleCharged: number;
  /** As buyers saw it: request sent → answer there, with 500 sockets in one client process on the same machine. */
  holdMs: { p50: number; p99: number };
  /** The same rush of the same client on a bare server that answers as many bytes and does nothing else: the floor of this machine. */
  echoMs: { p50: number; p99: number };
  /** The same rush through the same door and database without sockets: what waits for the server alone, not for the network. */
  doorMs: { p50: number; p99: number };
  /** While all were held and sold; a message for each would be 2 × `stock`. */
  stockMessagesPerPage: number;
  /** The same rush, reading first and writing later. */
  naive: { sold: number; stock: number };
};

const buyers = 500;
const stock = 50;
/** How often each of them has pressed before the drop began. */
const pressesTooEarly = 3;

type Names = 'join' | 'identifyBuyer' | 'hold' | 'beginCheckout' | 'saveOrderDetails' | 'payOrder';
const answer = z.union([
  z.object({ r: z.int(), ok: z.unknown() }),
  z.object({ r: z.int(), e: z.object({ code: z.string() }) }),
]);

/** As little of a page as can buy: 500 of these share a process with each other, so they must cost next to nothing. */
const openBuyer = async (origin: string) => {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/socket`, { perMessageDeflate: false });
  const waiting = new Map<number, (text: string, atMs: number) => void>();
  let last = 0;
  let stockMessages = 0;
  socket.on('message', (data: Buffer) => {
    const atMs = performance.now();
    const text = data.toString('utf8');
    if (!text.startsWith('{"r":')) {
      if (text.includes('"kind":"stock"')) stockMessages += 1;
      return;
    }
    const id = Number.parseInt(text.slice(5), 10);
    const resolve = waiting.get(id);
    waiting.delete(id);
    resolve?.(text, atMs);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  socket.send(JSON.stringify({ hello: showContract.name, v: showContract.version }));
  const ask = <N extends Names>(name: N, params: ShowParams<N>) => {
    const id = ++last;
    const sentMs = performance.now();
    const text = JSON.stringify({ q: id, m: name, p: params });
    return new Promise<{ text: string; ms: number }>((resolve) => {
      waiting.set(id, (raw, atMs) => resolve({ text: raw, ms: atMs - sentMs }));
      socket.send(text);
    });
  };
  return { ask, stockMessages: () => stockMessages, close: () => socket.close() };
};

/** A winner pays with test money, and presses twice: the second press must not charge again. */
const buy = async (page: Awaited<ReturnType<typeof openBuyer>>, held: string): Promise<void> => {
  const result = async <N extends Names>(name: N, params: ShowParams<N>): Promise<Receipt> => {
    const outcome = answer.parse(JSON.parse((await page.ask(name, params)).text));
    if ('e' in outcome) throw new Error(`${name} was refused with ${outcome.e.code}.`);
    return receipt.parse(outcome.ok);
  };
  const { order } = await result('beginCheckout', { holdIds: [holdId.parse(held)] });
  const orderId = order.id;
  const fulfilment = { kind: 'pickup', windowId: null } as const;
  await result('saveOrderDetails', { orderId, email: 'fan@example.com', name: 'Fan', fulfilment });
  const twice = Array.from({ length: 2 }, () => page.ask('payOrder', { orderId, provider: 'test' }));
  const paid = (await Promise.all(twice)).flatMap(({ text }) => {
    const outcome = answer.parse(JSON.parse(text));
    // The other press finds it paid already.
    return 'ok' in outcome ? [receipt.parse(outcome.ok).order.state.kind] : [];
  });
  if (!paid.includes('paid')) throw new Error('A payment is still open.');
};

const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
};

const middleAndWorst = (values: readonly number[]) => ({
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
});

/** 500 channels in memory, all asking in one turn of the event loop; the database is a file, as on the night. */
const rushAtTheDoor = async (): Promise<DropResult['doorMs']> => {
  const folder = mkdtempSync(joinPath(tmpdir(), 'live-drop-rush-'));
  const log = { info: () => {}, error: () => {} };
  const store = openStore(joinPath(folder, 'show.db'));
  const row = store.addShow('show-1', 'Alley', realClock.now());
  const desk = createPaymentDesk({});
  const trade = { desk, goods: folder, publicOrigin: () => 'https://drop.example' };
  const show = createShow({
    row,
    store,
    clock: realClock,
    log,
    placement: null,
    encoders: () => [],
    standby: () => emptyShop.standby,
    trade,
  });
  const productId = show.shop.setProduct({
    name: 'Night tee',
    priceMinor: 2500,
    currency: 'EUR',
    stockTotal: stock,
    pictureUrl: null,
  });
  const variantId = show.shop.catalogue.known(productId).variants[0]?.id;
  if (!variantId) throw new Error('There is nothing to buy.');
  const limits = createShopLimits(realClock);
  const crowd = Array.from({ length: buyers }, () => {
    const { client, server } = wirePair();
    const door = createShopDoor({ joined: () => ({ show }), address: 'here', limits, tellMine: () => {} });
    serveChannel<ShowContract>({
      contract: showContract,
      wire: server,
      clock: realClock,
      // Nothing else is asked here.
      handlers: Object.assign(Object.create(null), door.handlers),
      role: () => 'viewer',
      onBug: (error) => {
        throw error;
      },
    });
    const channel = connectChannel<ShowContract>({
      contract: showContract,
      wire: client,
      clock: realClock,
      onViolation: () => {},
    });
    return { channel, door };
  });
  for (const { channel } of crowd) await channel.call('identifyBuyer', { buyerToken: null });
  const times: number[] = [];
  const beganMs = performance.now();
  await Promise.all(
    crowd.map(async ({ channel }) => {
      await channel.call('hold', { variantId, quantity: 1 }).catch((error: unknown) => {
        if (!(error instanceof AppError && error.code === 'soldOut')) throw error;
      });
      times.push(performance.now() - beganMs);
    }),
  );
  if (show.shop.catalogue.known(productId).stock.held !== stock) throw new Error('Not all were taken.');
  for (const { channel, door } of crowd) {
    channel.close();
    door.close();
  }
  await show.close();
  desk.close();
  store.close();
  rmSync(folder, { recursive: true, force: true });
  return middleAndWorst(times);
};

/** The same 500 pages ask a server that only answers. */
const rushOnAnEcho = async (): Promise<DropResult['echoMs']> => {
  const child = fork(fileURLToPath(new URL('echo-server.ts', import.meta.url)));
  const crowd: Awaited<ReturnType<typeof openBuyer>>[] = [];
  try {
    const { port } = z.object({ port: z.int() }).parse((await once(child, 'message'))[0]);
    for (let n = 0; n < buyers; n += 1) crowd.push(await openBuyer(`http://127.0.0.1:${port}`));
    const variantId = variant.parse('v'.repeat(16));
    const everybodyAsks = () =>
      Promise.all(crowd.map((page) => page.ask('hold', { variantId, quantity: 1 })));
    for (let n = 0; n < pressesTooEarly; n += 1) await everybodyAsks();
    return middleAndWorst((await everybodyAsks()).map(({ ms }) => ms));
  } finally {
    for (const page of crowd) page.close();
    child.disconnect();
    await once(child, 'exit');
  }
};

/** What happens without a condition in the write: everybody reads that there is one left. */
const naiveRush = async (): Promise<DropResult['naive']> => {
  const db = new DatabaseSync(':memory:');
  db.exec(`CREATE TABLE shelf (stock INTEGER, sold INTEGER); INSERT INTO shelf VALUES (${stock}, 0)`);
  const read = db.prepare('SELECT stock - sold AS left FROM shelf');
  const write = db.prepare('UPDATE shelf SET sold = sold + 1');
  const buy = async () => {
    const left = Number(read.get()?.['left']);
    await nextTurn(); // Any I/O in between: a payment, another query, a template.
    if (left > 0) write.run();
  };
  await Promise.all(Array.from({ length: buyers }, buy));
  const sold = Number(db.prepare('SELECT sold FROM shelf').get()?.['sold']);
  db.close();
  return { sold, stock };
};

export const rushOnADrop = async (): Promise<DropResult> => {
  const server = await startServer({ args: [`--max-viewers=${buyers + 10}`, '--log-level=warn'] });
  const open: { close: () => void }[] = [];
  try {
    const studio = await joinStudio(server.origin, server.studioKey);
    open.push(studio);
    const listed = studio.change((change) => change.kind === 'product');
    const { productId } = await studio.channel.call('saveProduct', {
      draft: {
        kind: 'physical',
        id: null,
        name: 'Night tee',
        description: '',
        priceMinor: 2500,
        vatNote: '',
        maxPerBuyer: null,
        selling: 'dropsOnly',
        pictureUrl: null,
        variants: [{ id: null, name: '', sku: null, priceMinor: null, stockTotal: stock }],
      },
    });
    const told = await listed;
    const variantId = told.kind === 'product' ? told.product.variants[0]?.id : undefined;
    if (!variantId) throw new Error('There is nothing to buy.');
    const { dropId } = await studio.channel.call('saveDrop', {
      draft: {
        id: null,
        name: 'Night tees',
        items: [{ productId, quantity: stock, priceMinor: 2000, flash: null, collector: null }],
        lengthMs: 600_000,
        earlyAccessMs: null,
      },
    });
    const showId = studio.joined.state.id;
    const crowd: Awaited<ReturnType<typeof openBuyer>>[] = [];
    for (let n = 0; n < buyers; n += 1) {
      const page = await openBuyer(server.origin);
      crowd.push(page);
      open.push(page);
      await page.ask('join', { as: 'viewer', showId, rtpCapabilities: null });
      await page.ask('identifyBuyer', { buyerToken: null });
    }
    const everybodyAsks = () =>
      Promise.all(crowd.map((page) => page.ask('hold', { variantId, quantity: 1 })));
    // Fans press before it begins. A server that has answered nobody yet runs cold code, which no drop of an evening meets.
    for (let n = 0; n < pressesTooEarly; n += 1) {
      const early = (await everybodyAsks()).map(({ text }) => answer.parse(JSON.parse(text)));
      if (early.some((one) => !('e' in one) || one.e.code !== 'notOnSale'))
        throw new Error('Something was sold before the drop.');
    }
    await studio.channel.call('startDrop', { dropId, countdownMs: null });
    const started = await studio.change(
      (change) => change.kind === 'drop' && change.drop.state.kind === 'running',
    );
    if (started.kind !== 'drop') throw new Error('The drop has not begun.');

    const answers = await everybodyAsks();
    const outcomes = answers.map(({ text }) => answer.parse(JSON.parse(text)));
    const codes = outcomes.flatMap((one) => ('e' in one ? [one.e.code] : []));
    const odd = codes.filter((code) => code !== 'soldOut');
    if (odd.length > 0) throw new Error(`Buyers were refused with ${[...new Set(odd)].join(', ')}.`);

    const winners = outcomes.flatMap((one, index) => {
      const page = crowd[index];
      return 'ok' in one && page ? [{ page, id: hold.parse(one.ok).id }] : [];
    });
    await Promise.all(winners.map(({ page, id }) => buy(page, id)));

    const db = new DatabaseSync(joinPath(server.data, 'show.db'), { readOnly: true });
    const doubled = db
      .prepare(`SELECT order_id FROM ledger WHERE kind = 'charge' GROUP BY order_id HAVING COUNT(*) > 1`)
      .all().length;
    const sold = Number(db.prepare('SELECT SUM(sold) AS sold FROM skus').get()?.['sold']);
    db.close();
    return {
      attempts: buyers,
      sold,
      stock,
      doubleCharged: doubled,
      holdMs: middleAndWorst(answers.map(({ ms }) => ms)),
      echoMs: await rushOnAnEcho(),
      doorMs: await rushAtTheDoor(),
      stockMessagesPerPage: Math.max(...crowd.map((page) => page.stockMessages())),
      naive: await naiveRush(),
    };
  } finally {
    for (const page of open) page.close();
    await server.close();
  }
};
