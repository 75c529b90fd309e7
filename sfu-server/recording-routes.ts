// Lists the recordings of the program and hands them out, to the studio key only. Writing them is media/recorder.ts.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppError } from './protocol/errors.ts';

export type RecordingRoutesOptions = {
  folder: string;
  /** Throws `badToken` unless the request carries the studio key. */
  requireStudio: (request: FastifyRequest) => void;
};

/** Newest first; older ones stay on the disk. */
const maxListed = 200;
const nameShape = /^[\w-]{1,100}\.(webm|mkv)$/;

export const recordingRoutes =
  ({ folder, requireStudio }: RecordingRoutesOptions) =>
  (app: FastifyInstance, _: object, ready: () => void): void => {
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

    /** The file, or a part of it (`Range`, RFC 9110 §14). */
    app.get<{ Params: { name: string } }>('/api/recordings/:name', (request, reply) => {
      requireStudio(request);
      const { name } = request.params;
      if (!nameShape.test(name)) throw new AppError('notFound');
      return reply
        .header('content-disposition', `attachment; filename="${name}"`)
        .header('cache-control', 'no-store')
        .sendFile(name, folder, { cacheControl: false });
    });
    ready();
  };
