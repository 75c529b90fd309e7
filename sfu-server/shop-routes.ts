// The shop's HTTP doors beside http.ts: pictures of products. What is behind them is in shop/.
// Strangers are limited in rate and size here; what only the studio may do asks for its key.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from './protocol/errors.ts';
import { maxPictureBytes, type Images } from './shop/images.ts';

export type ShopRoutesOptions = {
  images: Images;
  /** Throws `badToken` unless the request carries the studio key. */
  requireStudio: (request: FastifyRequest) => void;
};

const pictureTypes = ['image/png', 'image/jpeg', 'image/webp', 'image/avif'];
/** Addresses name the content, so what they lead to never changes. */
const forever = 'public, max-age=31536000, immutable';

/** A scope of its own: its body parsers are nobody else's. */
export const shopRoutes =
  ({ images, requireStudio }: ShopRoutesOptions) =>
  (app: FastifyInstance, _: object, ready: () => void): void => {
    for (const type of pictureTypes) {
      app.addContentTypeParser(type, { parseAs: 'buffer', bodyLimit: maxPictureBytes }, (_, body, done) =>
        done(null, body),
      );
    }
    app.post(
      '/api/pictures',
      {
        config: { rateLimit: { max: 60, timeWindow: '1 minute' } },
        bodyLimit: maxPictureBytes,
        // Before a byte of a stranger's file is read.
        onRequest: (request, _reply, done) => {
          requireStudio(request);
          done();
        },
      },
      (request) => {
        if (!Buffer.isBuffer(request.body)) throw new AppError('invalidParams');
        return images.add(request.body);
      },
    );

    app.get<{ Params: { name: string }; Querystring: { w?: unknown } }>(
      '/pictures/:name',
      async (request, reply) => {
        const { name } = request.params;
        // A picture of an earlier version: one file, as it was uploaded.
        if (/^[a-f0-9]{64}\.(png|jpg|webp|avif)$/.test(name)) return sendForever(reply, name);
        const width = typeof request.query.w === 'string' ? request.query.w : undefined;
        const found = await images.find(name, width, request.headers.accept);
        if (!found) throw new AppError('notFound', 'There is no such picture.');
        reply.header('vary', 'Accept').header('etag', found.etag);
        if (request.headers['if-none-match']?.split(/\s*,\s*/).includes(found.etag)) {
          return reply.header('cache-control', forever).code(304).send();
        }
        return sendForever(reply.type(found.type), found.path);
      },
    );
    const sendForever = (reply: FastifyReply, path: string) =>
      reply
        .header('cache-control', forever)
        .sendFile(path, images.folder, { cacheControl: false, etag: false, lastModified: false });
    ready();
  };
