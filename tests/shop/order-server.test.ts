// Orders over real sockets and HTTP of a real server process: who may do what, what strangers try, callbacks, tables, downloads, mail,
// and a server that is killed between charge and record. Only Stripe and the mail server are stand-ins.
import { readFile } from 'node:fs/promises';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { orderId, type OrderId, type ProductId } from '../../sfu-server/protocol/shop.ts';
import type { ProductDraft } from '../../sfu-server/protocol/shop-messages.ts';
import { join, joinStudio, joinViewer, refusal, type JoinedClient } from '../support/client.ts';
import { startMailServer, type MailServer } from '../support/mail-server.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { startStripeFake, stripeKey, webhookSecret, type StripeFake } from '../support/stripe-fake.ts';

let fake: StripeFake;
let post: MailServer;
let server: TestServer;
let studio: JoinedClient;
let env: Record<string, string>;
beforeAll(async () => {
  [fake, post] = await Promise.all([startStripeFake(), startMailServer()]);
  env = {
    LIVE_DROP_STRIPE_KEY: stripeKey,
    LIVE_DROP_STRIPE_WEBHOOK_SECRET: webhookSecret,
    LIVE_DROP_STRIPE_API: fake.apiOrigin,
    LIVE_DROP_SMTP_URL: post.url,
    LIVE_DROP_MAIL_FROM: 'Night Market <shop@example.com>',
  };
  server = await startServer({ args: ['--log-level', 'debug', '--edges', '1'], env });
  studio = await joinStudio(server.origin, server.studioKey);
  const settings = { ...studio.joined.state.shop, money: 'real' as const };
  await studio.channel.call('saveShopSettings', { settings });
});
afterAll(async () => {
  studio.close();
  await server.close();
  await Promise.all([fake.close(), post.close()]);
});

const product = async (change: { name: string; kind?: 'physical' | 'digital'; stock?: number }) => {
  const draft: ProductDraft = {
    kind: change.kind ?? 'physical',
    id: null,
    name: change.name,
    description: '',
    priceMinor: 2500,
    vatNote: 'incl. 19 % VAT',
    maxPerBuyer: null,
    selling: 'open',
    pictureUrl: null,
    variants: [{ id: null, name: '', sku: null, priceMinor: null, stockTotal: change.stock ?? 20 }],
  };
  const { productId } = await studio.channel.call('saveProduct', { draft });
  const fresh = await joinViewer(server.origin, server.showId);
  const variantId = fresh.joined.state.products.find(({ id }) => id === productId)?.variants[0]?.id;
  fresh.close();
  if (variantId === undefined) throw new Error('The product is not there.');
  return { productId, variantId };
};

const buyer = async () => {
  const client = await joinViewer(server.origin, server.showId);
  await client.channel.call('identifyBuyer', { buyerToken: null });
  return client;
};
/** From nothing to an order that can be paid. */
const ordered = async (
  client: JoinedClient,
  what: Awaited<ReturnType<typeof product>>,
  email: string,
  digital = false,
) => {
  const hold = await client.channel.call('hold', { variantId: what.variantId, quantity: 1 });
  const { order } = await client.channel.call('beginCheckout', { holdIds: [hold.id] });
  await client.channel.call('saveOrderDetails', {
    orderId: order.id,
    email,
    name: 'Ada',
    fulfilment: digital ? { kind: 'download' } : { kind: 'pickup', windowId: null },
  });
  return order.id;
};
const callback = (body: string, signature: string) =>
  fetch(`${server.origin}/api/webhooks/stripe`, {
    method: 'POST',
    headers: { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': signature },
    body,
  });
const studioHeaders = (more: Record<string, string> = {}): Record<string, string> => ({
  authorization: `Bearer ${server.studioKey}`,
  ...more,
});
const statusOf = async (client: JoinedClient, id: OrderId) =>
  (await client.channel.call('orderStatus', { orderId: id, returned: false })).order.state.kind;

describe('buying', () => {
  it('[PAY5] [MAIL1] goes from hold to receipt by a callback over the raw bytes, and mails the receipt', async () => {
    const tee = await product({ name: 'Night tee' });
    const ada = await buyer();
    const id = await ordered(ada, tee, 'ada@example.com');
    const paying = await ada.channel.call('payOrder', { orderId: id, provider: 'stripe' });
    expect(paying.payUrl).toContain('https://checkout.stripe.com/');
    expect(fake.sessionOf(id).customer_email).toBe('ada@example.com');
    const paid = new Promise<string>((resolve) => {
      ada.channel.on('receipt', ({ order }) => {
        if (order.state.kind === 'paid') resolve(order.pickupCode);
      });
    });
    // The first question comes within a second, the next one much later: between them a callback is the only news.
    await expect.poll(() => fake.calls.retrieve).toBeGreaterThan(0);
    fake.pay(id);
    const [event] = fake.take().slice(-1);
    const body = event?.body ?? '';
    expect((await callback(body, 't=1,v1=00')).status).toBe(401);
    expect((await callback(body.replace('2500', '2501'), fake.sign(body))).status).toBe(401);
    expect((await callback(`${body} `, fake.sign(body))).status).toBe(401);
    expect(await statusOf(ada, id)).toBe('awaitingPayment');
    expect((await callback(body, fake.sign(body))).status).toBe(200);
    expect((await callback(body, fake.sign(body))).status).toBe(200);
    const code = await paid;
    const mail = await post.mailTo('ada@example.com');
    expect(mail).toContain(`Your order ${code}`);
    expect(mail.replaceAll('=\r\n', '')).toContain('EUR 25.00');
    expect(mail).toContain('incl. 19 % VAT');
    const another = JSON.stringify({
      id: 'evt_1',
      type: 'x',
      data: { object: { id: 'cs_x', object: 'checkout.session', client_reference_id: 'nobody' } },
    });
    expect((await callback(another, fake.sign(another))).status).toBe(200);
    expect((await callback('x'.repeat(300 * 1024), 'x')).status).toBe(413);
    ada.close();
  });

  it('[ORDER14] refuses what is not theirs, what is no amount, and those who try ids', async () => {
    const tee = await product({ name: 'Cap' });
    const [ada, eve] = await Promise.all([buyer(), buyer()]);
    const hold = await ada.channel.call('hold', { variantId: tee.variantId, quantity: 2 });
    expect(await refusal(eve.channel.call('beginCheckout', { holdIds: [hold.id] }))).toBe('notFound');
    const { order } = await ada.channel.call('beginCheckout', { holdIds: [hold.id] });
    const details = {
      orderId: order.id,
      email: 'ada@example.com',
      name: 'Ada',
      fulfilment: { kind: 'undecided' } as const,
    };
    for (const email of [
      'ada',
      'ada@',
      'a b@example.com',
      `${'x'.repeat(250)}@example.com`,
      'ada@example.com\nbcc: eve@example.com',
      'Ada <ada@example.com>',
    ]) {
      expect([email, await refusal(ada.channel.call('saveOrderDetails', { ...details, email }))]).toEqual([
        email,
        'invalidParams',
      ]);
    }
    expect(await refusal(ada.channel.call('payOrder', { orderId: order.id, provider: 'free' }))).toMatch(
      /paymentRefused|invalidParams/,
    );
    expect(await refusal(ada.channel.call('payOrder', { orderId: order.id, provider: 'test' }))).toBe(
      'paymentRefused',
    );
    const refund = { orderId: order.id, lines: [], shippingMinor: 0, reason: 'mine' };
    expect(await refusal(ada.channel.call('refundOrder', refund))).toBe('forbidden');
    for (const shippingMinor of [-1, 0.5, 1e12]) {
      expect(await refusal(studio.channel.call('refundOrder', { ...refund, shippingMinor }))).toBe(
        'invalidParams',
      );
    }
    const line = { lineId: order.lines[0]?.id ?? '', restock: true };
    for (const quantity of [-1, 0, 0.5, 1e9]) {
      expect(
        await refusal(studio.channel.call('refundOrder', { ...refund, lines: [{ ...line, quantity }] })),
      ).toBe('invalidParams');
    }
    expect(await refusal(studio.channel.call('refundOrder', refund))).toBe('wrongPhase');
    const answers = new Set<string>();
    for (let n = 0; n < 40; n += 1) {
      const guess = `${String(n).padStart(4, '0')}${order.id.slice(4)}`;
      answers.add(
        await refusal(eve.channel.call('orderStatus', { orderId: orderId.parse(guess), returned: false })),
      );
    }
    expect([...answers]).toEqual(['notFound', 'tooFast']);
    // Somebody else in the same room is served.
    expect(await statusOf(ada, order.id)).toBe('details');
    expect((await ada.channel.call('myOrders', {})).orders.map(({ id }) => id)).toEqual([order.id]);
    expect((await eve.channel.call('myOrders', {})).orders).toEqual([]);
    ada.close();
    eve.close();
  });

  it('[ORDER7] [ORDER12] the crew takes money and hands out by what it scans, and sees no address', async () => {
    const tee = await product({ name: 'Mug' });
    const ada = await buyer();
    const id = await ordered(ada, tee, 'mug@example.com');
    await ada.channel.call('payOrder', { orderId: id, provider: 'counter' });
    const { token } = await studio.channel.call('inviteCrew', { name: 'Kim' });
    const kim = await join(server.origin, () => ({ as: 'crew', token }));
    const queue = await kim.channel.call('counterQueue', {});
    expect(queue.orders.map((one) => one.id)).toContain(id);
    expect(JSON.stringify(queue)).not.toContain('@example.com');
    expect(await refusal(kim.channel.call('handOver', { orderId: id, undo: false }))).toBe('wrongPhase');
    const taken = await kim.channel.call('confirmCounter', { orderId: id, tender: 'cash' });
    expect(taken.state).toMatchObject({ kind: 'paid', provider: 'counter' });
    const found = await kim.channel.call('findOrder', { code: taken.pickupCode.toLowerCase() });
    expect((await kim.channel.call('handOver', { orderId: found.id, undo: false })).state.kind).toBe(
      'fulfilled',
    );
    expect(await refusal(kim.channel.call('handOver', { orderId: id, undo: false }))).toBe('wrongPhase');
    expect(await statusOf(ada, id)).toBe('fulfilled');
    const { evidence } = await studio.channel.call('inspectOrder', { orderId: id });
    for (const part of ['mug@example.com', '127.0.0.0/24', 'by cash by Kim', 'Handed out by Kim'])
      expect(evidence).toContain(part);
    kim.close();
    ada.close();
  });
});

describe('beside the socket', () => {
  it('[GOODS1] [GOODS2] gives a file for a posted token and a code on the receipt, counted and to the right buyer only', async () => {
    const song = await product({ name: 'Song', kind: 'digital' });
    const upload = (productId: ProductId, key = server.studioKey, name = 'Séng 1.flac') =>
      fetch(`${server.origin}/api/goods/${productId}?name=${encodeURIComponent(name)}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/octet-stream' },
        body: 'la la la',
      });
    expect((await upload(song.productId, 'guess')).status).toBe(401);
    expect((await upload(song.productId, server.studioKey, '../../x')).status).toBe(400);
    expect((await upload((await product({ name: 'Pin' })).productId)).status).toBe(404);
    expect(await (await upload(song.productId)).json()).toEqual({ bytes: 8 });
    const ada = await buyer();
    const id = await ordered(ada, song, 'song@example.com', true);
    const line =
      (await ada.channel.call('orderStatus', { orderId: id, returned: false })).order.lines[0]?.id ?? '';
    const wanted = { orderId: id, lineId: line, productId: song.productId };
    expect(await refusal(ada.channel.call('downloadToken', wanted))).toBe('notFound');
    await ada.channel.call('payOrder', { orderId: id, provider: 'stripe' });
    fake.pay(id);
    const paid = await ada.channel.call('orderStatus', { orderId: id, returned: true });
    expect(paid.deliveries).toMatchObject([
      { what: { kind: 'file', fileName: 'Séng 1.flac', bytes: 8, downloads: 0 } },
    ]);
    const { token } = await ada.channel.call('downloadToken', wanted);
    const fetchFile = (value: string) =>
      fetch(`${server.origin}/download`, { method: 'POST', body: new URLSearchParams({ token: value }) });
    const file = await fetchFile(token);
    expect([file.status, await file.text()]).toEqual([200, 'la la la']);
    expect(file.headers.get('content-disposition')).toContain(`filename*=UTF-8''S%C3%A9ng%201.flac`);
    expect(file.headers.get('cache-control')).toBe('no-store');
    for (const other of ['', 'x', `${token}x`, token.replace(song.productId, 'other')]) {
      expect((await fetchFile(other)).status).toBe(404);
    }
    for (let n = 0; n < 19; n += 1) expect((await fetchFile(token)).status).toBe(200);
    expect((await fetchFile(token)).status).toBe(429);
    expect((await studio.channel.call('inspectOrder', { orderId: id })).evidence).toContain(
      'downloaded 20 times',
    );

    const voucher = await product({ name: 'Voucher', kind: 'digital' });
    const next = await ordered(ada, voucher, 'song@example.com', true);
    await ada.channel.call('payOrder', { orderId: next, provider: 'stripe' });
    fake.pay(next);
    const none = await ada.channel.call('orderStatus', { orderId: next, returned: true });
    expect([none.order.state.kind, none.deliveries[0]?.what.kind]).toEqual(['paid', 'pending']);
    expect((await studio.channel.call('inspectOrder', { orderId: next })).flag).toContain('no code or file');
    const added = await studio.channel.call('addDigitalCodes', {
      productId: voucher.productId,
      codes: ['AAA', 'BBB', 'AAA'],
    });
    expect(added).toEqual({ added: 2, left: 1 });
    const served = await ada.channel.call('orderStatus', { orderId: next, returned: false });
    expect(served.deliveries[0]?.what).toEqual({ kind: 'codes', codes: ['AAA'] });
    ada.close();
  });

  it('[CSV1] [CSV2] takes and gives tables with the studio key only', async () => {
    const csv = (body: string, headers = studioHeaders({ 'content-type': 'text/csv' })) =>
      fetch(`${server.origin}/api/catalogue.csv`, { method: 'POST', headers, body });
    const table = 'product,sku,price,stock\nPoster,POSTER,12.50,30\n';
    expect(
      (await csv(table, studioHeaders({ authorization: 'Bearer guess', 'content-type': 'text/csv' }))).status,
    ).toBe(401);
    expect(await (await csv(table)).json()).toEqual({ products: 1, variants: 1, errors: [] });
    const told = await studio.change(
      (change) => change.kind === 'product' && change.product.name === 'Poster',
    );
    expect(told).toMatchObject({ product: { priceMinor: 1250 } });
    expect(await (await csv('product,sku,price,stock\nPoster,POSTER,abc,30')).json()).toMatchObject({
      products: 0,
      errors: [{ row: 2 }],
    });
    expect((await csv('x'.repeat(1_100_000))).status).toBe(413);
    for (const path of ['/api/catalogue.csv', '/api/orders.csv']) {
      expect((await fetch(`${server.origin}${path}`)).status).toBe(401);
      const given = await fetch(`${server.origin}${path}`, { headers: studioHeaders() });
      expect(given.headers.get('content-type')).toContain('text/csv');
      expect(await given.text()).toContain(path.includes('orders') ? 'mug@example.com' : 'POSTER');
    }
  });

  it('[PAY6] keeps keys, tokens and ids of orders out of its log, its answers and its database', async () => {
    const debug = await (await fetch(`${server.origin}/api/debug`, { headers: studioHeaders() })).text();
    const setup = JSON.stringify(await studio.channel.call('paymentSetup', {}));
    expect(JSON.parse(setup)).toEqual({ stripe: 'liveKey', webhook: true, mail: true });
    // Wrong on purpose, so that the provider's own words about it reach the log.
    const wrong = await startServer({ env: { ...env, LIVE_DROP_STRIPE_KEY: 'sk_live_wrongkey123' } });
    const desk = await joinStudio(wrong.origin, wrong.studioKey);
    await desk.channel.call('saveShopSettings', { settings: { ...desk.joined.state.shop, money: 'real' } });
    await desk.channel.call('setProduct', {
      name: 'Tee',
      priceMinor: 100,
      currency: 'EUR',
      stockTotal: 5,
      pictureUrl: null,
    });
    const fan = await joinViewer(wrong.origin, wrong.showId);
    await fan.channel.call('identifyBuyer', { buyerToken: null });
    const variantId = fan.joined.state.products[0]?.variants[0]?.id;
    if (variantId === undefined) throw new Error('no product');
    const hold = await fan.channel.call('hold', { variantId, quantity: 1 });
    const { order } = await fan.channel.call('beginCheckout', { holdIds: [hold.id] });
    await fan.channel.call('saveOrderDetails', {
      orderId: order.id,
      email: 'a@example.com',
      name: '',
      fulfilment: { kind: 'pickup', windowId: null },
    });
    expect(await refusal(fan.channel.call('payOrder', { orderId: order.id, provider: 'stripe' }))).toBe(
      'paymentRefused',
    );
    // Nothing is lost: another way to pay is open.
    expect(
      (await fan.channel.call('payOrder', { orderId: order.id, provider: 'counter' })).order.state.kind,
    ).toBe('awaitingPayment');
    desk.close();
    fan.close();
    await wrong.close();
    const database = (
      await Promise.all(
        ['show.db', 'show.db-wal'].map((name) => readFile(joinPath(server.data, name), 'latin1')),
      )
    ).join('');
    for (const text of [debug, setup, server.log(), wrong.log(), database]) {
      for (const secret of [stripeKey, webhookSecret, 'hunter2secret', 'sk_live_wrongkey123'])
        expect(text).not.toContain(secret);
    }
    const { orders } = await studio.channel.call('listOrders', { before: null, only: 'all' });
    for (const { order: one } of orders) expect(server.log()).not.toContain(one.id);
  });
});

describe('a server that is killed', () => {
  it('[ORDER6] knows after its return who has paid meanwhile, without a callback, and charges nobody twice', async () => {
    const tee = await product({ name: 'Vinyl' });
    const before = await studio.channel.call('listOrders', { before: null, only: 'all' });
    const atTheTableMinor = before.totals.takenMinor - fake.books().takenMinor;
    const ada = await buyer();
    const bob = await buyer();
    const [one, two] = [
      await ordered(ada, tee, 'one@example.com'),
      await ordered(bob, tee, 'two@example.com'),
    ];
    await ada.channel.call('payOrder', { orderId: one, provider: 'stripe' });
    fake.fail('create', 'lostAfter', 'lostAfter', 'lostAfter');
    const losing = refusal(bob.channel.call('payOrder', { orderId: two, provider: 'stripe' }));
    fake.pay(one);
    expect(await losing).toBe('paymentUnavailable');
    await server.stop('SIGKILL');
    const { data, origin } = server;
    server = await startServer({ data, port: Number(new URL(origin).port), args: ['--edges', '1'], env });
    const back = await joinViewer(server.origin, server.showId);
    await expect.poll(() => statusOf(back, one)).toBe('paid');
    const again = await back.channel.call('payOrder', { orderId: two, provider: 'stripe' });
    expect(again.payUrl).toContain(fake.sessionOf(two).id);
    fake.pay(two);
    await back.channel.call('orderStatus', { orderId: two, returned: true });
    await expect.poll(() => statusOf(back, two)).toBe('paid');
    expect([...fake.sessions.values()].filter((session) => session.client_reference_id === two)).toHaveLength(
      1,
    );
    studio = await joinStudio(server.origin, server.studioKey);
    const { totals } = await studio.channel.call('listOrders', { before: null, only: 'all' });
    const { takenMinor, refundedMinor, doubleCharged } = fake.books();
    expect(totals).toMatchObject({ takenMinor: takenMinor + atTheTableMinor, refundedMinor });
    expect(doubleCharged).toBe(0);
    back.close();
  });
});
