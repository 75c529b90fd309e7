// Orders and money on a real database: what is charged, sold, released and given back, whatever the provider, the network and the
// process do in between. The real Stripe SDK speaks to the fake; only its clock and the money are not real.
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OrderActor } from '../../sfu-server/protocol/order-messages.ts';
import { crewId, productId, type OrderId } from '../../sfu-server/protocol/shop.ts';
import { refusal } from '../support/client.ts';
import { ada, bob, cyd, openRig, pickup, table, type Rig } from './order-rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await openRig();
  rig.settings({ money: 'real' });
});
afterEach(() => rig.close());

const pay = (id: OrderId, provider: 'stripe' | 'counter' | 'free' | 'test' = 'stripe') =>
  rig.checkout().pay({ orderId: id, provider });
const state = async (id: OrderId) =>
  (await rig.checkout().status({ orderId: id, returned: false })).order.state.kind;
const receipt = (id: OrderId) => rig.checkout().status({ orderId: id, returned: false });
/** Every penny taken is in the books of both sides, and in an order or given back. */
const balanced = () => {
  const [ours] = rig.rows(
    `SELECT COALESCE(SUM(CASE kind WHEN 'charge' THEN amount_minor END), 0) AS taken,
       COALESCE(SUM(CASE kind WHEN 'refund' THEN amount_minor END), 0) AS refunded FROM ledger WHERE provider = 'stripe'`,
  );
  const { takenMinor, refundedMinor, doubleCharged } = rig.fake.books();
  expect(ours).toEqual({ taken: takenMinor, refunded: refundedMinor });
  expect(doubleCharged).toBe(0);
};

describe('paying', () => {
  it('[ORDER1] leads from a hold to a receipt, and asks for what is missing on the way', async () => {
    const tee = rig.sell({ name: 'Night tee', stockTotal: 3 });
    const holdId = rig.hold(ada, tee, 2);
    expect(await refusal((async () => rig.checkout().begin(bob, { holdIds: [holdId] }, ''))())).toBe(
      'notFound',
    );
    const { order, deadlineMs } = rig.checkout().begin(ada, { holdIds: [holdId] }, '192.0.2.0/24');
    expect(order).toMatchObject({
      state: { kind: 'details' },
      totalMinor: 5000,
      currency: 'EUR',
      money: 'real',
    });
    expect(deadlineMs).toBe(rig.clock.now() + 300_000);
    expect(rig.checkout().begin(ada, { holdIds: [holdId] }, '').order.id).toBe(order.id);
    expect(await refusal(pay(order.id))).toBe('invalidParams');
    const details = { orderId: order.id, email: 'ada@example.com', name: 'Ada' };
    rig.checkout().saveDetails({ ...details, fulfilment: pickup });
    expect(await refusal(pay(order.id, 'test'))).toBe('paymentRefused');
    expect(await refusal(pay(order.id, 'free'))).toBe('paymentRefused');
    const paying = await pay(order.id);
    expect(paying.payUrl).toContain('checkout.stripe.com');
    expect(paying.order.state).toMatchObject({ kind: 'awaitingPayment', provider: 'stripe' });
    expect(rig.stock(tee)).toEqual({ total: 3, held: 2, sold: 0, left: 1 });
    const heard: string[] = [];
    rig.checkout().follow(order.id, (next) => void heard.push(next.order.state.kind));
    rig.fake.pay(order.id);
    expect((await rig.checkout().status({ orderId: order.id, returned: true })).order.state.kind).toBe(
      'paid',
    );
    expect(rig.stock(tee)).toEqual({ total: 3, held: 0, sold: 2, left: 1 });
    expect(heard).toEqual(['confirming', 'paid']);
    expect(rig.told.counter.at(-1)).toMatchObject({ id: order.id, state: { kind: 'paid' } });
    expect(
      await refusal((async () => rig.checkout().saveDetails({ ...details, fulfilment: pickup }))()),
    ).toBe('wrongPhase');
    balanced();
  });

  it('[ORDER2] finds out by asking when no callback ever comes, and says "confirming" until it knows', async () => {
    const id = rig.order(ada, rig.sell({ name: 'Tee' }));
    await pay(id);
    rig.fake.pay(id);
    rig.fake.fail('retrieve', 'lostBefore', 'lostBefore', 'lostBefore');
    expect((await rig.checkout().status({ orderId: id, returned: true })).order.state.kind).toBe(
      'confirming',
    );
    await rig.pass(10_000);
    expect(await state(id)).toBe('paid');
    const slow = rig.order(bob, rig.sell({ name: 'Zine' }));
    await pay(slow);
    rig.fake.paySlowly(slow);
    await rig.pass(10_000);
    expect(await state(slow)).toBe('confirming');
    // Much longer than any hold: the money is on its way, so the stock waits.
    await rig.pass(600_000);
    expect(await state(slow)).toBe('confirming');
    rig.fake.slowPaymentEnds(slow, 'succeeded');
    await rig.pass(5_000);
    expect(await state(slow)).toBe('paid');
    balanced();
  });

  it('[ORDER3] settles once, however often, in whichever order and how late callbacks come', async () => {
    const tee = rig.sell({ name: 'Tee' });
    const ids = [rig.order(ada, tee), rig.order(bob, tee)] as const;
    for (const id of ids) {
      await pay(id);
      rig.fake.pay(id);
    }
    const events = rig.fake.take();
    const stripe = events.map((event) => JSON.parse(event.body));
    const deliver = (event: (typeof stripe)[number]) => {
      const { id: eventRef, data } = event;
      return rig
        .checkout()
        .noticed(
          { eventRef, orderId: data.object.client_reference_id, paymentRef: data.object.id },
          data.object.client_reference_id,
        );
    };
    for (const event of [...stripe, ...stripe.toReversed(), ...stripe]) await deliver(event);
    expect(await Promise.all(ids.map(state))).toEqual(['paid', 'paid']);
    expect(rig.stock(tee)).toMatchObject({ held: 0, sold: 2 });
    expect(rig.rows('SELECT COUNT(*) AS n FROM ledger')).toEqual([{ n: 2 }]);
    // Believed by nobody: a genuine callback about somebody else's session moves nothing.
    const third = rig.order(ada, rig.sell({ name: 'Zine' }));
    await pay(third);
    await rig
      .checkout()
      .noticed({ eventRef: 'evt_other', orderId: third, paymentRef: stripe[0].data.object.id }, third);
    expect(await state(third)).toBe('awaitingPayment');
    balanced();
  });

  it('[ORDER4] ends the payment at the provider before the stock is released, and money that was faster wins', async () => {
    const tee = rig.sell({ name: 'Tee', stockTotal: 2 });
    const [idle, faster] = [rig.order(ada, tee), rig.order(bob, tee)];
    await Promise.all([pay(idle), pay(faster)]);
    await rig.pass(290_000);
    expect(rig.stock(tee)).toMatchObject({ held: 2, left: 0 });
    rig.fake.pay(faster);
    rig.fake.fail('expire', 'lostBefore', 'lostBefore', 'lostBefore');
    await rig.pass(30_000);
    expect([await state(idle), await state(faster)]).toEqual(['closed', 'paid']);
    expect(() => rig.fake.pay(idle)).toThrow('expired');
    expect(rig.stock(tee)).toEqual({ total: 2, held: 0, sold: 1, left: 1 });
    expect((await receipt(idle)).order.state).toMatchObject({ because: 'expired' });
    balanced();
  });

  it('[ORDER5] gives late money back where nothing is left, and flags it; where something is left it counts', async () => {
    const tee = rig.sell({ name: 'Tee', stockTotal: 1 });
    const late = rig.order(ada, tee);
    await pay(late);
    const session = rig.fake.sessionOf(late);
    await rig.pass(320_000);
    expect(await state(late)).toBe('closed');
    // As if the bank had been slower than the provider's own clock.
    session.status = 'open';
    const quick = rig.order(bob, tee);
    await pay(quick);
    rig.fake.pay(quick);
    await rig.checkout().status({ orderId: quick, returned: true });
    rig.fake.pay(late);
    await rig.checkout().noticed({ eventRef: 'evt_late', orderId: late, paymentRef: session.id }, late);
    await rig.pass(5_000);
    const { order, refunds } = await receipt(late);
    expect([order.state.kind, refunds]).toMatchObject(['closed', [{ amountMinor: 2500, stage: 'done' }]]);
    expect(rig.checkout().inspect(late).flag).toContain('too late');
    expect(rig.fake.books()).toMatchObject({ takenMinor: 5000, refundedMinor: 2500, refunds: 1 });
    expect(rig.stock(tee)).toEqual({ total: 1, held: 0, sold: 1, left: 0 });

    const zine = rig.sell({ name: 'Zine', stockTotal: 1 });
    const lucky = rig.order(bob, zine);
    await pay(lucky);
    await rig.pass(320_000);
    rig.fake.sessionOf(lucky).status = 'open';
    rig.fake.pay(lucky);
    await rig
      .checkout()
      .noticed({ eventRef: 'evt_lucky', orderId: lucky, paymentRef: rig.fake.sessionOf(lucky).id }, lucky);
    expect(await state(lucky)).toBe('paid');
    expect(rig.stock(zine)).toMatchObject({ sold: 1, left: 0 });
    balanced();
  });

  it('[ORDER6] picks up where it was after the process was gone between charge and record', async () => {
    const tee = rig.sell({ name: 'Tee' });
    const [paid, abandoned, begunTwice] = [
      rig.order(ada, tee),
      rig.order(bob, tee),
      rig.order(cyd, rig.sell({ name: 'Zine' })),
    ];
    await Promise.all([pay(paid), pay(abandoned)]);
    // The answer is lost although the session was made: the same key finds the same session.
    rig.fake.fail('create', 'lostAfter', 'lostAfter', 'lostAfter');
    expect(await refusal(pay(begunTwice))).toBe('paymentUnavailable');
    rig.fake.pay(paid);
    await rig.restart();
    expect((await pay(begunTwice)).payUrl).toContain(rig.fake.sessionOf(begunTwice).id);
    expect(
      [...rig.fake.sessions.values()].filter((one) => one.client_reference_id === begunTwice),
    ).toHaveLength(1);
    await rig.pass(10_000);
    expect([await state(paid), await state(abandoned)]).toEqual(['paid', 'awaitingPayment']);
    await rig.pass(320_000);
    expect(await state(abandoned)).toBe('closed');
    balanced();
  });

  it('[ORDER7] takes money at the table once, ends the card payment first, and takes none when the card was faster', async () => {
    const tee = rig.sell({ name: 'Tee' });
    const [cash, card] = [rig.order(ada, tee), rig.order(bob, tee)];
    await pay(cash);
    const crew: OrderActor = { kind: 'crew', crewId: crewId.parse('kim'), name: 'Kim' };
    const confirm = (orderId: OrderId) => rig.checkout().confirmCounter({ orderId, tender: 'cash' }, crew);
    const [first, second] = await Promise.all([confirm(cash), confirm(cash)]);
    expect([first.state, second.state]).toMatchObject([
      { kind: 'paid', provider: 'counter' },
      { kind: 'paid' },
    ]);
    expect(() => rig.fake.pay(cash)).toThrow('expired');
    expect(rig.rows(`SELECT COUNT(*) AS n FROM ledger WHERE provider = 'counter'`)).toEqual([{ n: 1 }]);
    expect(
      rig
        .checkout()
        .inspect(cash)
        .events.map(({ text }) => text),
    ).toContain('EUR 25.00 received by cash by Kim.');
    await pay(card);
    rig.fake.pay(card);
    expect(await refusal(confirm(card))).toBe('wrongPhase');
    expect(await state(card)).toBe('paid');
    expect(rig.stock(tee)).toMatchObject({ sold: 2, held: 0 });
    const waits = rig.order(ada, rig.sell({ name: 'Zine' }));
    expect((await pay(waits, 'counter')).order.state.kind).toBe('awaitingPayment');
    expect(
      rig
        .checkout()
        .counterQueue()
        .map(({ id }) => id),
    ).toContain(waits);
    await rig.pass(29 * 60_000);
    expect(await state(waits)).toBe('awaitingPayment');
    await rig.pass(2 * 60_000);
    expect(await state(waits)).toBe('closed');
    balanced();
  });

  it('[ORDER8] lets the buyer change how to pay and cancel, without losing or doubling anything', async () => {
    const tee = rig.sell({ name: 'Tee', stockTotal: 1 });
    const id = rig.order(ada, tee);
    await pay(id);
    await pay(id, 'counter');
    expect(() => rig.fake.pay(id)).toThrow('expired');
    const again = await pay(id);
    expect(again.payUrl).toContain('stripe');
    expect(rig.stock(tee)).toMatchObject({ held: 1 });
    expect((await rig.checkout().cancel(id)).order.state).toMatchObject({
      kind: 'closed',
      because: 'cancelled',
    });
    expect(rig.stock(tee)).toEqual({ total: 1, held: 0, sold: 0, left: 1 });
    const paid = rig.order(bob, tee);
    await pay(paid);
    rig.fake.pay(paid);
    expect(await refusal(rig.checkout().cancel(paid))).toBe('wrongPhase');
    expect(await state(paid)).toBe('paid');
    const stuck = rig.order(ada, rig.sell({ name: 'Zine' }));
    for (let n = 0; n < 3; n += 1) {
      await pay(stuck);
      await pay(stuck, 'counter');
    }
    expect(await refusal(pay(stuck))).toBe('limit');
    balanced();
  });

  it('[ORDER9] needs no money for what costs nothing, and play money only in a rehearsal', async () => {
    const free = rig.order(ada, rig.sell({ name: 'Sticker', priceMinor: 0 }));
    expect(await refusal(pay(free))).toBe('paymentRefused');
    expect((await pay(free, 'free')).order.state.kind).toBe('paid');
    rig.settings({ money: 'test' });
    expect(rig.checkout().options().ways).toEqual(['test', 'counter']);
    const played = rig.order(bob, rig.sell({ name: 'Tee' }));
    expect(await refusal(pay(played))).toBe('paymentRefused');
    expect((await pay(played, 'test')).order).toMatchObject({ state: { kind: 'paid' }, money: 'test' });
    expect(rig.checkout().receiptText(played).subject).toContain('[Test]');
    rig.settings({ money: 'real' });
    expect(rig.checkout().options().ways).toEqual(['stripe', 'counter']);
  });
});

describe('giving back', () => {
  it('[ORDER10] refunds pieces and shipping, each once, and puts on sale again only what is chosen', async () => {
    const tee = rig.sell({ name: 'Tee', stockTotal: 5 });
    const { lanes } = rig.checkout().saveDeliverySetup({
      windows: [],
      lanes: [
        {
          id: null,
          name: 'Post',
          countries: ['DE'],
          priceMinor: 490,
          freeFromMinor: 10_000,
          estimate: '2 days',
        },
      ],
    });
    const id = rig.order(ada, tee, 3);
    const address = { lines: ['Street 1'], city: 'Berlin', postcode: '10115', country: 'DE' };
    const shipped = rig.checkout().saveDetails({
      orderId: id,
      email: 'ada@example.com',
      name: 'Ada',
      fulfilment: { kind: 'shipping', laneId: lanes[0]?.id ?? '', address },
    });
    expect(shipped.order).toMatchObject({ shippingMinor: 490, totalMinor: 7990 });
    await pay(id);
    rig.fake.pay(id);
    await rig.checkout().status({ orderId: id, returned: true });
    const lineId = shipped.order.lines[0]?.id ?? '';
    const back = (quantity: number, restock: boolean, shippingMinor = 0) =>
      rig.checkout().refund({
        orderId: id,
        lines: quantity > 0 ? [{ lineId, quantity, restock }] : [],
        shippingMinor,
        reason: 'Too small',
      });
    rig.fake.fail('refund', 'lostAfter', 'lostAfter', 'lostAfter');
    expect((await back(1, true)).refunds).toMatchObject([{ amountMinor: 2500, stage: 'open' }]);
    await rig.pass(5_000);
    expect((await receipt(id)).refunds).toMatchObject([{ stage: 'done' }]);
    expect(rig.stock(tee)).toEqual({ total: 5, held: 0, sold: 2, left: 3 });
    await back(1, false, 490);
    expect(rig.stock(tee)).toEqual({ total: 5, held: 0, sold: 2, left: 3 });
    expect(await refusal(back(2, true))).toBe('invalidParams');
    expect(await refusal(back(0, true, 1))).toBe('invalidParams');
    expect(await refusal(back(0, true))).toBe('invalidParams');
    const last = await back(1, true);
    expect(last.order).toMatchObject({ state: { kind: 'refunded' }, refundedMinor: 7990 });
    expect(rig.fake.books()).toMatchObject({ takenMinor: 7990, refundedMinor: 7990, refunds: 3 });
    balanced();
  });

  it('[ORDER11] says so when the provider will not give back, and can be tried again', async () => {
    const tee = rig.sell({ name: 'Tee' });
    const id = rig.order(ada, tee);
    await pay(id);
    rig.fake.pay(id);
    const { order } = await rig.checkout().status({ orderId: id, returned: true });
    const lines = [{ lineId: order.lines[0]?.id ?? '', quantity: 1, restock: true }];
    const give = () => rig.checkout().refund({ orderId: id, lines, shippingMinor: 0, reason: 'Sorry' });
    const restore = rig.fake.freezeRefunds();
    expect((await give()).order).toMatchObject({ state: { kind: 'paid' }, refundedMinor: 0 });
    expect(rig.checkout().inspect(id).flag).toContain('did not work');
    expect(rig.stock(tee)).toMatchObject({ sold: 1 });
    restore();
    expect((await give()).order).toMatchObject({ state: { kind: 'refunded' }, refundedMinor: 2500 });
    expect(rig.stock(tee)).toMatchObject({ sold: 0 });
    rig.checkout().clearFlag(id);
    expect(rig.checkout().list({ before: null, only: 'flagged' }).orders).toEqual([]);
    balanced();
  });
});

describe('a refund that the bank takes its time over', () => {
  it('[ORDER10] is open until the bank has answered, also over a restart, and flagged when the bank says no', async () => {
    const tee = rig.sell({ name: 'Tee' });
    const id = rig.order(ada, tee);
    await pay(id);
    rig.fake.pay(id);
    const { order } = await rig.checkout().status({ orderId: id, returned: true });
    const lines = [{ lineId: order.lines[0]?.id ?? '', quantity: 1, restock: true }];
    const give = () => rig.checkout().refund({ orderId: id, lines, shippingMinor: 0, reason: 'Sorry' });
    const refunded = () => rig.rows(`SELECT amount_minor FROM ledger WHERE kind = 'refund'`);
    const bankSaysNo = rig.fake.delayRefunds();
    expect((await give()).refunds).toMatchObject([{ stage: 'open' }]);
    await rig.pass(130_000, 5_000);
    expect((await receipt(id)).refunds).toMatchObject([{ stage: 'open' }]);
    expect([refunded(), rig.stock(tee).sold]).toEqual([[], 1]);
    bankSaysNo('failed');
    await rig.restart();
    await rig.pass(65_000, 5_000);
    expect(await receipt(id)).toMatchObject({
      order: { state: { kind: 'paid' }, refundedMinor: 0 },
      refunds: [{ stage: 'failed' }],
    });
    expect(rig.checkout().inspect(id).flag).toContain('did not work');
    balanced();
    const bankSaysYes = rig.fake.delayRefunds();
    await give();
    bankSaysYes('succeeded');
    await rig.pass(65_000, 5_000);
    expect(await receipt(id)).toMatchObject({ order: { state: { kind: 'refunded' } } });
    expect([refunded(), rig.stock(tee).sold]).toEqual([[{ amount_minor: 2500 }], 0]);
    balanced();
  });
});

describe('delivery', () => {
  it('[ORDER12] has room in pickup windows for as many as fit, and hands out once', async () => {
    const at = rig.clock.now();
    const tee = rig.sell({ name: 'Tee' });
    const { windows } = rig.checkout().saveDeliverySetup({
      windows: [{ id: null, place: 'Gate 2', startsMs: at, endsMs: at + 3_600_000, capacity: 1 }],
      lanes: [],
    });
    const [first, second] = [rig.order(ada, tee), rig.order(bob, tee)];
    const choose = (orderId: OrderId) =>
      rig.checkout().saveDetails({
        orderId,
        email: 'ada@example.com',
        name: 'Ada',
        fulfilment: { kind: 'pickup', windowId: windows[0]?.id ?? '' },
      });
    choose(first);
    choose(first);
    expect(await refusal((async () => choose(second))())).toBe('limit');
    expect(await refusal((async () => rig.checkout().saveDeliverySetup({ windows: [], lanes: [] }))())).toBe(
      'limit',
    );
    await rig.checkout().cancel(first);
    choose(second);
    expect(
      await refusal((async () => rig.checkout().handOver({ orderId: second, undo: false }, table))()),
    ).toBe('wrongPhase');
    const { pickupCode } = await rig
      .checkout()
      .confirmCounter({ orderId: second, tender: 'cardReader' }, table);
    const packing = rig.checkout().packingList();
    expect(packing.groups).toMatchObject([
      { title: expect.stringContaining('Gate 2'), pieces: [{ quantity: 1 }], orders: [{ pickupCode }] },
    ]);
    expect(rig.checkout().find(pickupCode.toLowerCase()).id).toBe(second);
    expect(rig.checkout().handOver({ orderId: second, undo: false }, table).state.kind).toBe('fulfilled');
    expect(rig.checkout().packingList().groups).toEqual([]);
    const again = (async () => rig.checkout().handOver({ orderId: second, undo: false }, table))();
    await expect(again).rejects.toThrow(/already handed out at .* by the desk/);
    expect(rig.checkout().handOver({ orderId: second, undo: true }, table).state.kind).toBe('paid');
  });

  it('[GOODS1] a download can be had for 24 hours, also out of a bundle, and anew when the seller says so', async () => {
    const song = rig.sell({ name: 'Song', kind: 'digital' });
    rig.sell({ name: 'Tee' });
    const components = rig.skus().map((sku) => ({ sku, quantity: 1 }));
    const [set] = rig.saveProduct({
      kind: 'bundle',
      id: null,
      name: 'Song and tee',
      description: '',
      priceMinor: 3000,
      vatNote: '',
      maxPerBuyer: null,
      selling: 'open',
      pictureUrl: null,
      variants: [{ id: null, name: '', sku: 'SET', priceMinor: null, components }],
    });
    if (set === undefined) throw new Error('There is no bundle.');
    const [row] = rig.rows(`SELECT id FROM products WHERE kind = 'digital'`);
    const product = productId.parse(row?.['id']);
    await rig.checkout().addFile(product, 'song.flac', Readable.from([Buffer.from('la la la')]));
    const dayMs = 24 * 3_600_000;
    for (const [buyer, variant] of [[ada, song] as const, [bob, set] as const]) {
      const orderId = rig.order(buyer, variant);
      await pay(orderId, 'counter');
      await rig.checkout().confirmCounter({ orderId, tender: 'cash' }, table);
      const { order, deliveries } = await receipt(orderId);
      expect(deliveries).toMatchObject([
        { expiresMs: rig.clock.now() + dayMs, what: { kind: 'file', fileName: 'song.flac' } },
      ]);
      const wanted = { orderId, lineId: order.lines[0]?.id ?? '', productId: product };
      const { token } = rig.checkout().downloadToken(wanted);
      rig.clock.advance(dayMs - 1);
      expect(rig.checkout().openDownload(token).bytes).toBe(8);
      rig.clock.advance(1);
      expect((await receipt(orderId)).deliveries[0]?.what).toEqual({ kind: 'expired' });
      expect(() => rig.checkout().openDownload(token)).toThrow('expired');
      expect(() => rig.checkout().downloadToken(wanted)).toThrow('expired');
      expect(rig.checkout().renewDelivery(orderId).deliveries[0]?.what.kind).toBe('file');
      // What was passed on stays over; the buyer gets a link of their own.
      expect(() => rig.checkout().openDownload(token)).toThrow('expired');
      expect(rig.checkout().openDownload(rig.checkout().downloadToken(wanted).token).bytes).toBe(8);
    }
    const demo = rig.order(cyd, rig.sell({ name: 'Demo', kind: 'digital', linkLifeMs: 2 * 3_600_000 }));
    await pay(demo, 'counter');
    await rig.checkout().confirmCounter({ orderId: demo, tender: 'cash' }, table);
    expect((await receipt(demo)).deliveries[0]?.expiresMs).toBe(rig.clock.now() + 2 * 3_600_000);
  });
});
