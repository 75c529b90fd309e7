// What the shop asks of a way to pay, whoever moves the money. A provider only reports; what an outcome means for stock and
// orders is decided in one place, orders.ts. Nothing here knows the database.

/** The ways to pay a show may offer. `test` is for rehearsals and never moves money. */
export type ProviderName = 'stripe' | 'counter' | 'free' | 'test';

/** What the provider says of one payment, in the order in which it may change. `paid` and `void` are final. */
export type PaymentOutcome =
  /** The buyer can still pay. */
  | { kind: 'open' }
  /** The buyer has done their part, the money is on its way: neither paid nor to be called failed. */
  | { kind: 'processing' }
  | {
      kind: 'paid';
      amountMinor: number;
      currency: string;
      /** The provider's name for the money itself, needed to refund it. */
      chargeRef: string;
    }
  /** Nobody can pay this any more, and nobody has. */
  | { kind: 'void' };

export type PaymentLine = { name: string; unitMinor: number; quantity: number };

/** One payment to begin. Equal requests with equal `key` give the same payment, however often they are sent. */
export type PaymentRequest = {
  orderId: string;
  /** Idempotency key, derived from the order: after a crash the same request finds the same payment. */
  key: string;
  currency: string;
  /** Sum of the lines; the provider is never asked for anything else. */
  amountMinor: number;
  lines: readonly PaymentLine[];
  email: string;
  /** Where the buyer lands afterwards. Whatever they come with, the order's state is asked of the provider. */
  returnUrl: string;
  cancelUrl: string;
  /** Unix milliseconds, whole seconds. Part of the request, so it must be the same on a repetition. */
  expiresAtMs: number;
};

export type BegunPayment = {
  /** The provider's name for this payment. */
  paymentRef: string;
  /** Where the buyer pays: a page of the provider, or null where nothing is to be opened. */
  payUrl: string | null;
  outcome: PaymentOutcome;
};

export type RefundRequest = {
  chargeRef: string;
  amountMinor: number;
  currency: string;
  /** Idempotency key, derived from the refund's own record. */
  key: string;
};

/** `pending`: the provider has taken the order; `pollRefund` tells what becomes of it, which may be that it fails. */
export type RefundOutcome =
  | { kind: 'done' | 'pending'; refundRef: string }
  | { kind: 'refused'; reason: string };

/** A callback that was proven to come from the provider. */
export type PaymentNotice = { eventRef: string; orderId: string; paymentRef: string };

/** Every call may fail with `paymentUnavailable` (try again) or `paymentRefused` (do not); the payment may exist all the same. */
export interface PaymentProvider {
  readonly name: ProviderName;
  /** False where no real money moves. */
  readonly realMoney: boolean;
  begin(request: PaymentRequest): Promise<BegunPayment>;
  /** What is true now. The only source of outcomes: a callback merely says when to look. */
  poll(paymentRef: string): Promise<PaymentOutcome>;
  /** Makes sure that nobody can pay any more. The answer may be `paid` or `processing`: somebody was faster. */
  expire(paymentRef: string): Promise<PaymentOutcome>;
  refund(request: RefundRequest): Promise<RefundOutcome>;
  /** What has become of a `pending` refund. Absent where none is ever pending. */
  pollRefund?(refundRef: string): Promise<RefundOutcome>;
  /**
   * Reads a callback from its raw bytes. Null: genuine but of no interest. Throws `badToken` for a forged or stale one.
   * Absent where the provider sends none.
   */
  readNotice?(raw: Buffer, signature: string | undefined): PaymentNotice | null;
}
