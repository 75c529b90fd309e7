// Keys of others: Stripe's and the mail server's. From the server's environment or from the desktop app's safe storage, held in memory
// only: never in the database, never in a log, never told to a page.
import * as z from 'zod/mini';
import { describeIssues } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import { secrets as secretsShape, type Secrets } from '../protocol/secrets.ts';

/** Flags would show them to everybody who can list processes. */
const variables = {
  stripeKey: 'LIVE_DROP_STRIPE_KEY',
  stripeWebhookSecret: 'LIVE_DROP_STRIPE_WEBHOOK_SECRET',
  stripeApi: 'LIVE_DROP_STRIPE_API',
  smtpUrl: 'LIVE_DROP_SMTP_URL',
  mailFrom: 'LIVE_DROP_MAIL_FROM',
} as const satisfies Record<keyof Secrets, string>;

/** Throws `badConfig` with the name of what is wrong, never with its value. */
export const parseSecrets = (given: unknown): Secrets => {
  const parsed = z.safeParse(secretsShape, given);
  if (!parsed.success) {
    const at = parsed.error.issues[0]?.path[0];
    const name = Object.entries(variables).find(([key]) => key === at)?.[1] ?? 'A key';
    throw new AppError('badConfig', `${name} is not valid. ${describeIssues(parsed.error)}.`);
  }
  if (parsed.data.smtpUrl !== undefined && parsed.data.mailFrom === undefined) {
    throw new AppError('badConfig', `Give ${variables.mailFrom} too: the address receipts come from.`);
  }
  return parsed.data;
};

/** Takes them out of the environment, which child processes inherit. */
export const takeSecrets = (env: NodeJS.ProcessEnv): Secrets => {
  const given = Object.fromEntries(
    Object.entries(variables).flatMap(([key, variable]) => {
      const value = env[variable];
      delete env[variable];
      return value === undefined || value === '' ? [] : [[key, value]];
    }),
  );
  return parseSecrets(given);
};

/** Cuts whatever looks like a key out of a line for the log, wherever it came from. */
export const withoutSecrets = (line: string): string =>
  line
    .replaceAll(/\b(sk|rk|pk)_(live|test)_\w+/g, '$1_$2_…')
    .replaceAll(/\bwhsec_\w+/g, 'whsec_…')
    .replaceAll(/\b(smtps?:\/\/)[^\s@"]+@/g, '$1…@');
