// The HTTP doors of the standby clips beside http.ts: parts come in, a clip is made of them, and its parts can be had by
// address for good. What a clip must be is in show/clips.ts; who may bring one is decided here: the studio alone.
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest, preHandlerHookHandler } from 'fastify';
import * as z from 'zod/mini';
import { describeIssues } from './protocol/channel.ts';
import { AppError } from './protocol/errors.ts';
import { clipPart, maxPartBytes, newClip } from './protocol/standby.ts';
import type { Clips } from './show/clips.ts';

export type ClipRoutesOptions = {
  clips: Clips;
  /** Throws `badToken` unless the request carries the studio key. */
  requireStudio: (request: FastifyRequest) => void;
};

/** Addresses name the content, so what they lead to never changes. */
const forever = 'public, max-age=31536000, immutable';
const perMinute = (max: number) => ({ rateLimit: { max, timeWindow: '1 minute' } });
const maxPart = Math.max(...Object.values(maxPartBytes));

/** A scope of its own: its body parsers are nobody else's. */
export const clipRoutes =
  ({ clips, requireStudio }: ClipRoutesOptions) =>
  (app: FastifyInstance, _: object, ready: () => void): void => {
    // Before a byte of a stranger's body is read.
    const studioOnly: preHandlerHookHandler = (request, _reply, done) => {
      requireStudio(request);
      done();
    };
    // Never whole in memory: the stream goes to the disk as it comes.
    app.addContentTypeParser('application/octet-stream', { bodyLimit: maxPart }, (_request, body, done) =>
      done(null, body),
    );
    app.post(
      '/api/clip-parts',
      { config: perMinute(120), bodyLimit: maxPart, onRequest: studioOnly },
      (request) => {
        if (!(request.body instanceof Readable)) throw new AppError('invalidParams', 'Send the file itself.');
        return clips.receive(request.body);
      },
    );
    app.post('/api/clips', { config: perMinute(30), onRequest: studioOnly }, (request) => {
      const clip = newClip.safeParse(request.body);
      if (!clip.success) throw new AppError('invalidParams', describeIssues(clip.error));
      return clips.add(clip.data);
    });

    app.get<{ Params: { id: string; part: string } }>('/clips/:id/:part', (request, reply) => {
      const part = z.safeParse(clipPart, request.params.part);
      const found = part.success ? clips.find(request.params.id, part.data) : undefined;
      if (!found) throw new AppError('notFound', 'There is no such clip.');
      return reply
        .header('cache-control', forever)
        .sendFile(found.path, found.root, { cacheControl: false, etag: false, lastModified: false });
    });
    ready();
  };
