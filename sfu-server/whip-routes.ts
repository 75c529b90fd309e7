// The HTTP door of WHIP (RFC 9725) beside http.ts: an encoder brings its offer and its key, gets an answer, and says goodbye. Open to
// every origin, as the RFC asks: what counts is the key. What becomes of a stream is show/encoders.ts's.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as z from 'zod/mini';
import { maxOfferBytes } from './protocol/encoders.ts';
import { AppError } from './protocol/errors.ts';
import { sourceId, type SourceId } from './protocol/production.ts';
import type { Encoders } from './show/encoders.ts';

export type WhipRoutesOptions = { encoders: Encoders };

const offerType = 'application/sdp';
/** Not by address: a guesser behind the venue's router must not lock out an encoder behind the same. Keys are limited in show/encoders.ts. */
const limitedByKey = { rateLimit: false } as const;

const keyOf = (request: FastifyRequest): string => {
  const key = /^Bearer (\S{1,128})$/i.exec(request.headers.authorization ?? '')?.[1];
  if (key === undefined) {
    throw new AppError('badToken', 'Give the encoder the key of this source as its bearer token.');
  }
  return key;
};

const sourceOf = (id: string): SourceId => {
  const parsed = z.safeParse(sourceId, id);
  if (!parsed.success) throw new AppError('notFound', 'There is no such source.');
  return parsed.data;
};

/** A scope of its own: its headers and its body parser are nobody else's. */
export const whipRoutes =
  ({ encoders }: WhipRoutesOptions) =>
  (app: FastifyInstance, _: object, ready: () => void): void => {
    app.addHook('onRequest', (_request, reply, done) => {
      // Also on refusals: an encoder that is a page has to be able to read why.
      reply.headers({
        'access-control-allow-origin': '*',
        'access-control-expose-headers': 'Location, Retry-After',
        'cache-control': 'no-store',
      });
      done();
    });
    app.addHook('onError', (_request, reply, error, done) => {
      if (!(error instanceof AppError)) return done();
      if (error.code === 'badToken') reply.header('www-authenticate', 'Bearer');
      if (error.code === 'mediaUnavailable') reply.header('retry-after', '2');
      if (error.code === 'tooFast') reply.header('retry-after', '10');
      done();
    });
    app.addContentTypeParser(
      offerType,
      { parseAs: 'string', bodyLimit: maxOfferBytes },
      (_request, body, done) => done(null, body),
    );

    const endpoint = '/whip/:source';
    app.post<{ Params: { source: string } }>(
      endpoint,
      {
        config: limitedByKey,
        bodyLimit: maxOfferBytes,
        // Before a byte of a stranger's body is read.
        onRequest: (request, _reply, done) => {
          keyOf(request);
          done();
        },
      },
      async (request, reply) => {
        if (typeof request.body !== 'string') {
          throw new AppError('invalidParams', `Send an SDP offer as ${offerType}.`);
        }
        const source = sourceOf(request.params.source);
        const { sessionId, answer } = await encoders.publish(source, {
          key: keyOf(request),
          address: request.ip,
          sdp: request.body,
        });
        return reply
          .code(201)
          .header('location', `/whip/${encodeURIComponent(source)}/${sessionId}`)
          .type(offerType)
          .send(answer);
      },
    );
    app.delete<{ Params: { source: string; session: string } }>(
      `${endpoint}/:session`,
      { config: limitedByKey },
      (request, reply) => {
        const { source, session } = request.params;
        const from = { key: keyOf(request), address: request.ip, sessionId: session };
        encoders.unpublish(sourceOf(source), from);
        return reply.code(200).send();
      },
    );
    const allowed = { [endpoint]: 'POST, OPTIONS', [`${endpoint}/:session`]: 'DELETE, OPTIONS' };
    for (const [url, methods] of Object.entries(allowed)) {
      app.options(url, (_request, reply) =>
        reply
          .headers({
            allow: methods,
            'accept-post': offerType,
            'access-control-allow-methods': methods,
            'access-control-allow-headers': 'Authorization, Content-Type, If-Match',
            'access-control-max-age': '600',
          })
          .code(204)
          .send(),
      );
      // Kept free by the RFC; every candidate is in the answer, so there is nothing to trickle and nothing to patch.
      app.route({
        url,
        method: url === endpoint ? ['GET', 'PUT', 'PATCH', 'DELETE'] : ['GET', 'POST', 'PUT', 'PATCH'],
        handler: (_request, reply) =>
          reply
            .code(405)
            .header('allow', methods)
            .send({ code: 'unknownRequest', message: `Only ${methods} are understood here.` }),
      });
    }
    ready();
  };
