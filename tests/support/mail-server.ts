// A mail server as small as it can be (RFC 5321): takes what it is given and keeps it. It can be told to refuse.
// For receipts only: no encryption, no authentication, one message after the other.
import { createServer, type Socket } from 'node:net';

export type MailServer = Awaited<ReturnType<typeof startMailServer>>;

export const startMailServer = async () => {
  const received: { to: string; text: string }[] = [];
  const waiting = new Set<() => void>();
  let refuse = 0;

  const serve = (socket: Socket) => {
    let buffer = '';
    let to = '';
    let inData = false;
    const say = (line: string) => socket.write(`${line}\r\n`);
    socket.setEncoding('utf8').on('error', () => socket.destroy());
    socket.on('data', (chunk: string) => {
      buffer += chunk;
      if (inData && buffer.includes('\r\n.\r\n')) {
        received.push({ to, text: buffer.slice(0, buffer.indexOf('\r\n.\r\n')) });
        buffer = '';
        inData = false;
        say('250 taken');
        for (const look of waiting) look();
      }
      while (!inData && buffer.includes('\r\n')) {
        const line = buffer.slice(0, buffer.indexOf('\r\n'));
        buffer = buffer.slice(line.length + 2);
        const verb = line.slice(0, 4).toUpperCase();
        if (verb === 'RCPT' && refuse > 0) {
          refuse -= 1;
          say('451 not now');
        } else if (verb === 'RCPT') {
          to = /<([^>]+)>/.exec(line)?.[1] ?? '';
          say('250 ok');
        } else if (verb === 'DATA') {
          inData = true;
          say('354 go on');
        } else if (verb === 'QUIT') socket.end('221 bye\r\n');
        else say('250 ok');
      }
    });
    say('220 test');
  };
  const server = createServer(serve);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return {
    url: `smtp://user:hunter2secret@127.0.0.1:${port}`,
    received,
    refuseNext: (times: number) => {
      refuse = times;
    },
    /** Resolves with the first mail to this address. */
    mailTo: (to: string) =>
      new Promise<string>((resolve) => {
        const look = () => {
          const found = received.find((mail) => mail.to === to);
          if (!found) return;
          waiting.delete(look);
          resolve(found.text);
        };
        waiting.add(look);
        look();
      }),
    close: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
};
