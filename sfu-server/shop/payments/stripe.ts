// Card payments by Stripe Checkout (hosted page): https://docs.stripe.com/api/checkout/sessions. The real SDK; host, port and
// protocol can be given so that tests speak to a fake of the same HTTP API.
// A laptop behind NAT gets no webhooks, so every outcome can be polled; a webhook only says when to look.
import { Stripe } from 'stripe';
import * as z from 'zod/mini';
import { AppError } from '../../protocol/errors.ts';
import type {
  BegunPayment,
  PaymentNotice,
  PaymentOutcome,
  PaymentProvider,
  RefundOutcome,
} from './provider.ts';

export type StripeOptions = {
  secretKey: string;
  /** Of the webhook endpoint (`whsec_…`); without it callbacks are refused and polling alone is used. */
  webhookSecret: string | undefined;
  /** Origin of the API instead of Stripe's own. */
  apiOrigin: string | undefined;
};

/** Stripe makes a session live for half an hour at least; the shop ends it with its hold, by `expire`. */
export const minSessionLifeMs = 31 * 60_000;
const requestTimeoutMs = 8_000;
/** A callback older than this is refused as replayed. */
const noticeAgeS = 300;

// https://docs.stripe.com/currencies: amounts are in the smallest unit, with these exceptions to ISO 4217.
const sentAsHundredths = new Set(['ISK', 'UGX']);
const inThousandths = new Set(['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND']);

const toStripe = (minor: number, currency: string): number => {
  if (inThousandths.has(currency)) {
    throw new AppError(
      'paymentRefused',
      `Cards cannot be charged in ${currency} here. Choose another currency.`,
    );
  }
  return sentAsHundredths.has(currency) ? minor * 100 : minor;
};
const fromStripe = (amount: number, currency: string): number =>
  sentAsHundredths.has(currency) ? Math.round(amount / 100) : amount;

/** Only what is used of a session is believed, and only after a look at it. */
const sessionShape = z.object({
  id: z.string(),
  status: z.nullable(z.string()),
  payment_status: z.string(),
  amount_total: z.nullable(z.int()),
  currency: z.nullable(z.string()),
  url: z.nullish(z.string()),
  payment_intent: z.nullish(z.union([z.string(), z.object({ id: z.string(), status: z.string() })])),
});

const noticeShape = z.object({
  id: z.string(),
  type: z.string(),
  data: z.object({
    object: z.object({ id: z.string(), object: z.string(), client_reference_id: z.nullish(z.string()) }),
  }),
});

const outcomeOf = (raw: unknown): PaymentOutcome => {
  const session = z.parse(sessionShape, raw);
  const intent = session.payment_intent;
  if (session.payment_status === 'paid') {
    const currency = (session.currency ?? '').toUpperCase();
    const chargeRef = typeof intent === 'string' ? intent : (intent?.id ?? '');
    return {
      kind: 'paid',
      amountMinor: fromStripe(session.amount_total ?? 0, currency),
      currency,
      chargeRef,
    };
  }
  if (session.status === 'expired') return { kind: 'void' };
  if (session.status === 'complete') {
    // Unpaid although complete: a bank's transfer under way, unless the intent has been given up.
    const dead =
      typeof intent === 'object' && ['canceled', 'requires_payment_method'].includes(intent?.status ?? '');
    return { kind: dead ? 'void' : 'processing' };
  }
  return { kind: 'open' };
};

/** Some banks take days, and may say no after all. */
const refundOutcomeOf = ({ id, status, failure_reason: why }: Stripe.Refund): RefundOutcome => {
  if (status === 'failed' || status === 'canceled') {
    return { kind: 'refused', reason: `Stripe says: ${why ?? status}.` };
  }
  return { kind: status === 'succeeded' ? 'done' : 'pending', refundRef: id };
};

/** What Stripe's refusal means for the caller. Its own words may name the key, so they go into `cause` only. */
const mapped = (error: unknown): AppError => {
  if (
    error instanceof Stripe.errors.StripeAuthenticationError ||
    error instanceof Stripe.errors.StripePermissionError
  ) {
    return new AppError(
      'paymentRefused',
      'Stripe does not accept the key of this shop. The director must check it.',
      {
        cause: error,
      },
    );
  }
  if (
    error instanceof Stripe.errors.StripeInvalidRequestError ||
    error instanceof Stripe.errors.StripeIdempotencyError
  ) {
    return new AppError('paymentRefused', undefined, { cause: error });
  }
  return new AppError('paymentUnavailable', undefined, { cause: error });
};

const attempt = async <T>(run: () => Promise<T>): Promise<T> => {
  try {
    return await run();
  } catch (error) {
    if (error instanceof Stripe.errors.StripeError) throw mapped(error);
    throw error;
  }
};

export const createStripePayments = (options: StripeOptions): PaymentProvider => {
  const api = options.apiOrigin === undefined ? undefined : new URL(options.apiOrigin);
  const stripe = new Stripe(options.secretKey, {
    timeout: requestTimeoutMs,
    maxNetworkRetries: 2,
    telemetry: false,
    ...(api && {
      host: api.hostname,
      port: api.port,
      protocol: api.protocol === 'http:' ? 'http' : 'https',
    }),
  });

  const look = (paymentRef: string): Promise<PaymentOutcome> =>
    attempt(async () =>
      outcomeOf(await stripe.checkout.sessions.retrieve(paymentRef, { expand: ['payment_intent'] })),
    );

  return {
    name: 'stripe',
    realMoney: !/^[sr]k_test_/.test(options.secretKey),
    begin: (request): Promise<BegunPayment> =>
      attempt(async () => {
        const { currency, orderId } = request;
        const session = await stripe.checkout.sessions.create(
          {
            mode: 'payment',
            client_reference_id: orderId,
            metadata: { orderId },
            payment_intent_data: { metadata: { orderId } },
            customer_email: request.email,
            line_items: request.lines.map((line) => ({
              quantity: line.quantity,
              price_data: {
                currency: currency.toLowerCase(),
                unit_amount: toStripe(line.unitMinor, currency),
                product_data: { name: line.name },
              },
            })),
            success_url: request.returnUrl,
            cancel_url: request.cancelUrl,
            expires_at: Math.floor(request.expiresAtMs / 1000),
          },
          { idempotencyKey: request.key },
        );
        return { paymentRef: session.id, payUrl: session.url ?? null, outcome: outcomeOf(session) };
      }),
    poll: look,
    expire: async (paymentRef) => {
      try {
        return outcomeOf(await stripe.checkout.sessions.expire(paymentRef));
      } catch (error) {
        // Only an open session can be expired: somebody has paid, or it is over already.
        if (error instanceof Stripe.errors.StripeInvalidRequestError) return look(paymentRef);
        if (error instanceof Stripe.errors.StripeError) throw mapped(error);
        throw error;
      }
    },
    refund: async ({ chargeRef, amountMinor, currency, key }) => {
      try {
        const refund = await stripe.refunds.create(
          { payment_intent: chargeRef, amount: toStripe(amountMinor, currency) },
          { idempotencyKey: key },
        );
        return refundOutcomeOf(refund);
      } catch (error) {
        if (error instanceof Stripe.errors.StripeInvalidRequestError) {
          return { kind: 'refused', reason: `Stripe says: ${error.message.slice(0, 200)}` };
        }
        if (error instanceof Stripe.errors.StripeError) throw mapped(error);
        throw error;
      }
    },
    pollRefund: (refundRef) => attempt(async () => refundOutcomeOf(await stripe.refunds.retrieve(refundRef))),
    readNotice: (raw, signature): PaymentNotice | null => {
      if (options.webhookSecret === undefined || signature === undefined) throw new AppError('badToken');
      let event: unknown;
      try {
        event = stripe.webhooks.constructEvent(raw, signature, options.webhookSecret, noticeAgeS);
      } catch (error) {
        throw new AppError('badToken', 'The signature does not belong to this message.', { cause: error });
      }
      const notice = z.safeParse(noticeShape, event);
      if (!notice.success || notice.data.data.object.object !== 'checkout.session') return null;
      const session = notice.data.data.object;
      if (typeof session.client_reference_id !== 'string') return null;
      return { eventRef: notice.data.id, orderId: session.client_reference_id, paymentRef: session.id };
    },
  };
};
