// The ways to pay, one by one: the real Stripe SDK against the fake's HTTP API, and those that need no other company.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { counterPayments, freePayments, testPayments } from '../../sfu-server/shop/payments/own.ts';
import type { PaymentRequest } from '../../sfu-server/shop/payments/provider.ts';
import { createStripePayments, minSessionLifeMs } from '../../sfu-server/shop/payments/stripe.ts';
import { refusal } from '../support/client.ts';
import { startStripeFake, stripeKey, webhookSecret, type StripeFake } from '../support/stripe-fake.ts';

let fake: StripeFake;
beforeAll(async () => {
  fake = await startStripeFake();
});
afterAll(() => fake.close());

const stripe = (change: { secretKey?: string; webhookSecret?: string } = {}) =>
  createStripePayments({ secretKey: stripeKey, webhookSecret, apiOrigin: fake.apiOrigin, ...change });

let orders = 0;
const request = (change: Partial<PaymentRequest> = {}): PaymentRequest => {
  orders += 1;
  return {
    orderId: `order-${orders}`,
    key: `order-${orders}-pay`,
    currency: 'EUR',
    amountMinor: 5400,
    lines: [
      { name: 'Night tee', unitMinor: 2500, quantity: 2 },
      { name: 'Post', unitMinor: 400, quantity: 1 },
    ],
    email: 'fan@example.com',
    returnUrl: 'https://drop.example/order#t',
    cancelUrl: 'https://drop.example/order#t',
    expiresAtMs: Date.now() + minSessionLifeMs,
    ...change,
  };
};

describe('stripe', () => {
  it('[PAY1] begins one payment however often it is asked, also when answers are lost on the way', async () => {
    const wanted = request();
    fake.fail('create', 'lostBefore', 'lostAfter');
    const first = await stripe().begin(wanted);
    const again = await stripe().begin(wanted);
    expect(again.paymentRef).toBe(first.paymentRef);
    expect(first).toMatchObject({
      outcome: { kind: 'open' },
      payUrl: expect.stringContaining('checkout.stripe.com'),
    });
    expect(
      [...fake.sessions.values()].filter((one) => one.client_reference_id === wanted.orderId),
    ).toHaveLength(1);
    expect(fake.sessionOf(wanted.orderId)).toMatchObject({ amount_total: 5400, currency: 'eur' });
  });

  it('[PAY2] reports open, processing, paid and void as they are', async () => {
    const [quick, slow, given] = [request(), request(), request()];
    const refs = await Promise.all(
      [quick, slow, given].map(async (each) => (await stripe().begin(each)).paymentRef),
    );
    const [quickRef = '', slowRef = '', givenRef = ''] = refs;
    expect(await stripe().poll(quickRef)).toEqual({ kind: 'open' });
    fake.pay(quick.orderId);
    expect(await stripe().poll(quickRef)).toMatchObject({ kind: 'paid', amountMinor: 5400, currency: 'EUR' });
    fake.paySlowly(slow.orderId);
    fake.paySlowly(given.orderId);
    expect(await stripe().poll(slowRef)).toEqual({ kind: 'processing' });
    fake.slowPaymentEnds(slow.orderId, 'succeeded');
    fake.slowPaymentEnds(given.orderId, 'failed');
    expect(await stripe().poll(slowRef)).toMatchObject({ kind: 'paid' });
    expect(await stripe().poll(givenRef)).toEqual({ kind: 'void' });
  });

  it('[PAY3] ends a payment before its stock is released, and says when somebody was faster', async () => {
    const [idle, faster] = [request(), request()];
    const idleRef = (await stripe().begin(idle)).paymentRef;
    const fasterRef = (await stripe().begin(faster)).paymentRef;
    expect(await stripe().expire(idleRef)).toEqual({ kind: 'void' });
    expect(() => fake.pay(idle.orderId)).toThrow('expired');
    expect(await stripe().expire(idleRef)).toEqual({ kind: 'void' });
    fake.pay(faster.orderId);
    expect(await stripe().expire(fasterRef)).toMatchObject({ kind: 'paid', amountMinor: 5400 });
  });

  it('[PAY4] refunds once per key, in parts, and never more than was paid', async () => {
    const wanted = request();
    const { paymentRef } = await stripe().begin(wanted);
    fake.pay(wanted.orderId);
    const paid = await stripe().poll(paymentRef);
    if (paid.kind !== 'paid') throw new Error('It was not paid.');
    const part = { chargeRef: paid.chargeRef, amountMinor: 2500, currency: 'EUR', key: 'refund-a' };
    fake.fail('refund', 'lostAfter');
    const before = fake.books().refundedMinor;
    expect(await stripe().refund(part)).toMatchObject({ kind: 'done' });
    expect(await stripe().refund(part)).toMatchObject({ kind: 'done' });
    expect(fake.books().refundedMinor - before).toBe(2500);
    const tooMuch = await stripe().refund({ ...part, amountMinor: 5000, key: 'refund-b' });
    expect(tooMuch).toMatchObject({ kind: 'refused', reason: expect.stringContaining('greater than') });
  });

  it('[PAY5] believes a callback only with a fresh signature over its very bytes', async () => {
    const wanted = request();
    await stripe().begin(wanted);
    fake.take();
    fake.pay(wanted.orderId);
    const [event] = fake.take();
    const raw = Buffer.from(event?.body ?? '');
    const read = (bytes: Buffer, signature?: string, provider = stripe()) =>
      provider.readNotice?.(bytes, signature);
    const genuine = fake.sign(raw.toString());
    expect(read(raw, genuine)).toMatchObject({ orderId: wanted.orderId, eventRef: event?.id });
    expect(() => read(Buffer.from(raw.toString().replace('"paid"', '"open"')), genuine)).toThrow('signature');
    expect(() => read(raw, fake.sign(raw.toString(), { secret: 'whsec_guess' }))).toThrow('signature');
    expect(() => read(raw, fake.sign(raw.toString(), { ageS: 3_600 }))).toThrow('signature');
    expect(() => read(raw)).toThrow('not valid');
    const unset = createStripePayments({
      secretKey: stripeKey,
      webhookSecret: undefined,
      apiOrigin: fake.apiOrigin,
    });
    expect(() => read(raw, genuine, unset)).toThrow('not valid');
    const other = JSON.stringify({
      id: 'evt_x',
      type: 'charge.updated',
      data: { object: { id: 'ch', object: 'charge' } },
    });
    expect(read(Buffer.from(other), fake.sign(other))).toBeNull();
  });

  it('[PAY6] tells a wrong key and a silent service apart, and names the key to nobody', async () => {
    expect(await refusal(stripe({ secretKey: 'sk_live_wrong' }).begin(request()))).toBe('paymentRefused');
    const wrong = await stripe({ secretKey: 'sk_live_wrong' })
      .begin(request())
      .catch((error: unknown) => String(error));
    expect(wrong).not.toContain('sk_live');
    fake.fail('retrieve', 'lostBefore', 'lostBefore', 'lostBefore');
    expect(await refusal(stripe().poll('cs_1'))).toBe('paymentUnavailable');
    expect(await refusal(stripe().begin(request({ currency: 'KWD' })))).toBe('paymentRefused');
    await stripe().begin(
      request({
        orderId: 'isk',
        currency: 'ISK',
        amountMinor: 900,
        lines: [{ name: 'Zine', unitMinor: 900, quantity: 1 }],
      }),
    );
    expect(fake.sessionOf('isk').amount_total).toBe(90_000);
    fake.pay('isk');
    expect(await stripe().poll(fake.sessionOf('isk').id)).toMatchObject({
      amountMinor: 900,
      currency: 'ISK',
    });
    expect([stripe().realMoney, stripe({ secretKey: 'sk_test_1' }).realMoney]).toEqual([true, false]);
  });
});

describe('without another company', () => {
  it('[PAY7] pays nothing with free, play money with test, and waits for the crew at the counter', async () => {
    expect((await freePayments.begin(request({ amountMinor: 0, lines: [] }))).outcome).toMatchObject({
      kind: 'paid',
      amountMinor: 0,
    });
    expect(await refusal(freePayments.begin(request()))).toBe('paymentRefused');
    expect((await testPayments.begin(request())).outcome).toMatchObject({ kind: 'paid', amountMinor: 5400 });
    const { paymentRef, outcome } = await counterPayments.begin(request());
    expect([outcome, await counterPayments.poll(paymentRef)]).toEqual([{ kind: 'open' }, { kind: 'open' }]);
    expect([counterPayments, freePayments, testPayments].map(({ realMoney }) => realMoney)).toEqual([
      true,
      false,
      false,
    ]);
  });
});
