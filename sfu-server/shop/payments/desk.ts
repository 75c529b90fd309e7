// The ways to pay and the mail server that are set up at this moment, for all shows. Keys may come or change while the server runs:
// the desktop app hands them over from its safe storage.
import type { Secrets } from '../../protocol/secrets.ts';
import { createMailer, type Mailer } from '../mail.ts';
import { counterPayments, freePayments, testPayments } from './own.ts';
import type { PaymentProvider, ProviderName } from './provider.ts';
import { createStripePayments } from './stripe.ts';

export type PaymentDesk = ReturnType<typeof createPaymentDesk>;

type Equipment = { stripe: PaymentProvider | undefined; webhook: boolean; mailer: Mailer | undefined };

const setUp = (secrets: Secrets): Equipment => ({
  stripe:
    secrets.stripeKey === undefined
      ? undefined
      : createStripePayments({
          secretKey: secrets.stripeKey,
          webhookSecret: secrets.stripeWebhookSecret,
          apiOrigin: secrets.stripeApi,
        }),
  webhook: secrets.stripeWebhookSecret !== undefined,
  mailer:
    secrets.smtpUrl === undefined || secrets.mailFrom === undefined
      ? undefined
      : createMailer({ smtpUrl: secrets.smtpUrl, from: secrets.mailFrom }),
});

export const createPaymentDesk = (secrets: Secrets) => {
  let set = setUp(secrets);
  return {
    provider: (name: ProviderName): PaymentProvider | undefined => {
      switch (name) {
        case 'stripe':
          return set.stripe;
        case 'counter':
          return counterPayments;
        case 'free':
          return freePayments;
        case 'test':
          return testPayments;
      }
    },
    mailer: () => set.mailer,
    hasWebhook: () => set.webhook,
    replace: (next: Secrets) => {
      set.mailer?.close();
      set = setUp(next);
    },
    close: () => set.mailer?.close(),
    /** That there are keys, never which. */
    snapshot: () => ({
      stripe: set.stripe !== undefined,
      webhook: set.webhook,
      mail: set.mailer !== undefined,
    }),
  };
};
