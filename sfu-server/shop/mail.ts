// Sends mail by SMTP where it is set up. What is sent, to whom and how often it is tried is checkout.ts and drop-mails.ts.
import { createTransport } from 'nodemailer';

export type MailOptions = {
  /** Such as smtps://user:password@mail.example:465 */
  smtpUrl: string;
  /** Such as "Night Market <shop@example.com>" */
  from: string;
};

export type Mailer = ReturnType<typeof createMailer>;

const timeoutMs = 15_000;

export const createMailer = ({ smtpUrl, from }: MailOptions) => {
  const transport = createTransport(smtpUrl, { from, disableFileAccess: true, disableUrlAccess: true });
  return {
    /**
     * Rejects when the server does not take it, or not in time. `messageId` makes a repetition recognisable. `forgetUrl`: the mail
     * program may offer a button that posts there (RFC 8058), so that nobody has to look for the link.
     */
    send: async (
      to: string,
      subject: string,
      text: string,
      messageId: string,
      { forgetUrl }: { forgetUrl?: string } = {},
    ): Promise<void> => {
      const headers =
        forgetUrl === undefined
          ? {}
          : {
              'List-Unsubscribe': `<${forgetUrl}>`,
              'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
            };
      const sending = transport.sendMail({ to, subject, text, messageId, headers });
      const late = AbortSignal.timeout(timeoutMs);
      await Promise.race([
        sending,
        new Promise<never>((_, reject) => {
          late.addEventListener('abort', () => reject(new Error('the mail server does not answer')), {
            once: true,
          });
        }),
      ]);
    },
    close: () => transport.close(),
  };
};
