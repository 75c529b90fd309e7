// The ways to pay that need no other company: at the table, nothing at all, and rehearsal money.
// They hold no state: what the crew has confirmed, or that a rehearsal was paid, is in the order itself.
import { AppError } from '../../protocol/errors.ts';
import type { PaymentProvider } from './provider.ts';

/** How money came in at the table. */
export type CounterTender = 'cash' | 'cardReader';

/** Pay at the table: stays open until the crew confirms it (orders.ts hands that outcome to `settle`). */
export const counterPayments: PaymentProvider = {
  name: 'counter',
  realMoney: true,
  begin: ({ key }) => Promise.resolve({ paymentRef: key, payUrl: null, outcome: { kind: 'open' } }),
  poll: () => Promise.resolve({ kind: 'open' }),
  expire: () => Promise.resolve({ kind: 'void' }),
  // The crew hands the money back; recording it is all there is to do.
  refund: ({ key }) => Promise.resolve({ kind: 'done', refundRef: key }),
};

/** For orders over nothing. */
export const freePayments: PaymentProvider = {
  name: 'free',
  realMoney: false,
  begin: ({ key, amountMinor, currency }) => {
    if (amountMinor !== 0) {
      return Promise.reject(new AppError('paymentRefused', 'This order has a price. Choose how to pay.'));
    }
    return Promise.resolve({
      paymentRef: key,
      payUrl: null,
      outcome: { kind: 'paid', amountMinor, currency, chargeRef: key },
    });
  },
  poll: () => Promise.resolve({ kind: 'open' }),
  expire: () => Promise.resolve({ kind: 'void' }),
  refund: ({ key }) => Promise.resolve({ kind: 'done', refundRef: key }),
};

/** Rehearsals: pays at once with money that does not exist. orders.ts refuses it in a show set to real money. */
export const testPayments: PaymentProvider = {
  name: 'test',
  realMoney: false,
  begin: ({ key, amountMinor, currency }) =>
    Promise.resolve({
      paymentRef: key,
      payUrl: null,
      outcome: { kind: 'paid', amountMinor, currency, chargeRef: key },
    }),
  poll: () => Promise.resolve({ kind: 'open' }),
  expire: () => Promise.resolve({ kind: 'void' }),
  refund: ({ key }) => Promise.resolve({ kind: 'done', refundRef: key }),
};
