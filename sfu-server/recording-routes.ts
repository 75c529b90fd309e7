// Lists the recordings of the program and hands them out, to the studio key only, or for a ticket that was given for it.
// Writing them is media/recorder.ts.
import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as z from 'zod/mini';
import { AppError } from './protocol/errors.ts';

export type RecordingRoutesOptions = {
  folder: string;
  /** Throws `badToken` unless the request carries the studio key. */
  requireStudio: (request: FastifyRequest) => void;
};

/** Newest first; older ones stay on the disk. */
const maxListed = 200;
const withTicket = z.object({ ticket: z.string().check(z.maxLength(64)) });
/** A ticket is used by the click it is asked for. */
const ticketMs = 60_000;
const maxTickets = 100;
const nameShape = /^[\w-]{1,100}\.(webm|mkv)$/;

/** Each opens one recording once: a browser's own download, which cannot carry the key, goes to disk as it comes. */
const createTickets = () => {
  const given = new Map<string, { name: string; untilMs: number }>();
  return {
    give: (name: string): string => {
      const ticket = randomBytes(16).toString('base64url');
      given.set(ticket, { name, untilMs: performance.now() + ticketMs });
      const [oldest] = given.keys();
      if (given.size > maxTickets && oldest !== undefined) given.delete(oldest);
      return ticket;
    },
    take: (ticket: string, name: string): boolean => {
      const found = given.get(ticket);
      given.delete(ticket);
      return found?.name === name && performance.now() < found.untilMs;
    },
  };
};

export const recordingRoutes =
  ({ folder, requireStudio }: RecordingRoutesOptions) =>
  (app: FastifyInstance, _: object, ready: () => void): void => {
    const tickets = createTickets();

    /** `{ recordings: [{ name, bytes, changedMs }] }`; one that is being written is there, too, as far as it is. */
    app.get('/api/recordings', async (request) => {
      requireStudio(request);
      const names = await readdir(folder).catch(() => []);
      const found = await Promise.allSettled(
        names
          .filter((name) => nameShape.test(name))
          .map(async (name) => {
            const { size, mtimeMs } = await stat(join(folder, name));
            return { name, bytes: size, changedMs: Math.round(mtimeMs) };
          }),
      );
      const recordings = found.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      return { recordings: recordings.sort((a, b) => b.changedMs - a.changedMs).slice(0, maxListed) };
    });

    /** `{ ticket }`, for one download of this file within a minute without the key. */
    app.post<{ Params: { name: string } }>('/api/recordings/:name/ticket', async (request) => {
      requireStudio(request);
      const { name } = request.params;
      const found = nameShape.test(name) && (await stat(join(folder, name)).catch(() => null));
      if (!found) throw new AppError('notFound');
      return { ticket: tickets.give(name) };
    });

    /** The file, or a part of it (`Range`, RFC 9110 §14); `ticket` in the query stands for the key, once. */
    app.get<{ Params: { name: string } }>('/api/recordings/:name', (request, reply) => {
      const { name } = request.params;
      const query = withTicket.safeParse(request.query);
      if (!query.success || !tickets.take(query.data.ticket, name)) requireStudio(request);
      if (!nameShape.test(name)) throw new AppError('notFound');
      return reply
        .header('content-disposition', `attachment; filename="${name}"`)
        .header('cache-control', 'no-store')
        .sendFile(name, folder, { cacheControl: false });
    });
    ready();
  };
