// Keys of others, such as Stripe's, as the desktop app and the server hand them to each other. Never part of what a page is told.
import * as z from 'zod/mini';

export const secrets = z.object({
  stripeKey: z.optional(
    z
      .string()
      .check(z.regex(/^[sr]k_(live|test)_\w{6,200}$/, 'a secret key of Stripe, sk_live_… or sk_test_…')),
  ),
  stripeWebhookSecret: z.optional(
    z.string().check(z.regex(/^whsec_\w{6,200}$/, 'the signing secret of the webhook, whsec_…')),
  ),
  /** Another origin of Stripe's API, for tests and proxies. */
  stripeApi: z.optional(z.url('an address such as https://api.stripe.com')),
  smtpUrl: z.optional(
    z
      .string()
      .check(
        z.maxLength(500),
        z.regex(/^smtps?:\/\/\S+$/, 'an address such as smtps://user:password@mail.example'),
      ),
  ),
  mailFrom: z.optional(
    z
      .string()
      .check(z.maxLength(200), z.regex(/^[^\r\n]*@[^\r\n]+$/, 'such as "Night Market <shop@example.com>"')),
  ),
});
export type Secrets = Readonly<z.infer<typeof secrets>>;
