// The shop's HTTP doors beside http.ts: pictures, tables, digital goods, callbacks of the payment provider. What is behind them is in
// shop/. Strangers are limited in rate and size here; what only the studio may do asks for its key.
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, preHandlerHookHandler } from 'fastify';
import * as z from 'zod/mini';
import { AppError } from './protocol/errors.ts';
import { maxPictureBytes } from './protocol/shop-messages.ts';
import { orderId, productId, type OrderId } from './protocol/shop.ts';
import { exportCatalogue, exportOrders, maxCsvBytes } from './shop/csv.ts';
import { maxFileBytes, streamOf } from './shop/digital.ts';
import type { Images } from './shop/images.ts';
import type { PaymentDesk } from './shop/payments/desk.ts';
import type { Shop } from './shop/shop.ts';

export type ShopRoutesOptions = {
  images: Images;
  desk: PaymentDesk;
  /** Of the show the studio works on. */
  currentShop: () => Shop;
  /** Of whichever show the order belongs to. */
  shopOfOrder: (id: OrderId) => Shop | undefined;
  /** Of whichever show the order behind a download's token belongs to. */
  shopOfDownload: (token: string) => Shop | undefined;
  /** Deletes the address that the link in a mail was sent to. */
  forgetAddress: (token: string) => void;
  /** Throws `badToken` unless the request carries the studio key. */
  requireStudio: (request: FastifyRequest) => void;
};

const pictureTypes = ['image/png', 'image/jpeg', 'image/webp', 'image/avif'];
/** Addresses name the content, so what they lead to never changes. */
const forever = 'public, max-age=31536000, immutable';
const maxNoticeBytes = 256 * 1024;
const perMinute = (max: number) => ({ rateLimit: { max, timeWindow: '1 minute' } });

const fileName = z
  .string()
  .check(
    z.trim(),
    z.minLength(1, 'give the file a name'),
    z.maxLength(120),
    z.regex(/^[^/\\:*?"<>|\p{Cc}]+$/u, 'a plain file name'),
  );

/** RFC 6266 §4.1 and RFC 8187: a name of any language, and one for those who cannot read it. */
const attachment = (name: string): string =>
  `attachment; filename="${name.replaceAll(/[^\w.-]/g, '_')}"; filename*=UTF-8''${encodeURIComponent(name).replaceAll(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`)}`;

/** A scope of its own: its body parsers are nobody else's. */
export const shopRoutes =
  (options: ShopRoutesOptions) =>
  (app: FastifyInstance, _: object, ready: () => void): void => {
    const { images, desk, currentShop } = options;
    // Before a byte of a stranger's body is read.
    const studioOnly: preHandlerHookHandler = (request, _reply, done) => {
      options.requireStudio(request);
      done();
    };

    // --- pictures ----------------------------------------------------------------------------------------------------------

    for (const type of pictureTypes) {
      app.addContentTypeParser(
        type,
        { parseAs: 'buffer', bodyLimit: maxPictureBytes },
        (_request, body, done) => done(null, body),
      );
    }
    app.post(
      '/api/pictures',
      { config: perMinute(60), bodyLimit: maxPictureBytes, onRequest: studioOnly },
      (request) => {
        if (!Buffer.isBuffer(request.body)) throw new AppError('invalidParams');
        return images.add(request.body);
      },
    );

    const sendForever = (reply: FastifyReply, path: string) =>
      reply
        .header('cache-control', forever)
        .sendFile(path, images.folder, { cacheControl: false, etag: false, lastModified: false });
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

    // --- tables ------------------------------------------------------------------------------------------------------------

    app.addContentTypeParser(
      'text/csv',
      { parseAs: 'string', bodyLimit: maxCsvBytes },
      (_request, body, done) => done(null, body),
    );
    const sendTable = (reply: FastifyReply, name: string, text: string) =>
      reply
        .type('text/csv; charset=utf-8')
        .header('cache-control', 'no-store')
        .header('content-disposition', attachment(name))
        .send(text);
    app.get('/api/catalogue.csv', { onRequest: studioOnly }, (_request, reply) =>
      sendTable(reply, 'catalogue.csv', exportCatalogue(currentShop().catalogue.all())),
    );
    app.get('/api/orders.csv', { onRequest: studioOnly }, (_request, reply) =>
      sendTable(reply, 'orders.csv', exportOrders(currentShop().checkout.all())),
    );
    app.post(
      '/api/catalogue.csv',
      { config: perMinute(30), bodyLimit: maxCsvBytes, onRequest: studioOnly },
      (request) => {
        if (typeof request.body !== 'string')
          throw new AppError('invalidParams', 'Send the table as text/csv.');
        return currentShop().importCatalogue(request.body);
      },
    );

    // --- digital goods -------------------------------------------------------------------------------------------------------

    // Never whole in memory: the stream goes to the disk as it comes.
    app.addContentTypeParser(
      'application/octet-stream',
      { bodyLimit: maxFileBytes },
      (_request, body, done) => done(null, body),
    );
    app.post<{ Params: { product: string }; Querystring: { name?: unknown } }>(
      '/api/goods/:product',
      { config: perMinute(30), bodyLimit: maxFileBytes, onRequest: studioOnly },
      async (request) => {
        const name = z.safeParse(fileName, request.query.name);
        if (!name.success)
          throw new AppError('invalidParams', 'Give the file a plain name, as in ?name=song.flac.');
        if (!(request.body instanceof Readable)) throw new AppError('invalidParams', 'Send the file itself.');
        return currentShop().checkout.addFile(
          z.parse(productId, request.params.product),
          name.data,
          request.body,
        );
      },
    );
    // A form's body, so that the token is in no address and no log.
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: 2_048 },
      (_request, body, done) => done(null, new URLSearchParams(String(body))),
    );
    app.post('/download', { config: perMinute(300), bodyLimit: 2_048 }, (request, reply) => {
      const token = request.body instanceof URLSearchParams ? (request.body.get('token') ?? '') : '';
      const shop = token.length > 200 ? undefined : options.shopOfDownload(token);
      if (!shop)
        throw new AppError('notFound', 'This link does not lead to a file. Open the receipt for a new one.');
      const download = shop.checkout.openDownload(token);
      return reply
        .type('application/octet-stream')
        .header('cache-control', 'no-store')
        .header('content-disposition', attachment(download.fileName))
        .header('content-length', download.bytes)
        .send(streamOf(download));
    });

    // --- the link in a mail ---------------------------------------------------------------------------------------------------

    // A press in the mail program posts (RFC 8058), a press on the link gets; both are one click, and whoever looks first does no harm:
    // the mail has been sent. The answer is the same for every token.
    app.route<{ Params: { token: string } }>({
      method: ['GET', 'POST'],
      url: '/forget/:token',
      config: perMinute(60),
      bodyLimit: 2_048,
      handler: (request, reply) => {
        options.forgetAddress(request.params.token);
        return reply
          .type('text/plain; charset=utf-8')
          .header('cache-control', 'no-store')
          .send('Done. Your address is deleted, and no mail about this show’s drops will come.');
      },
    });

    // --- callbacks of the payment provider -------------------------------------------------------------------------------------

    void app.register((scope, _scopeOptions, done) => {
      // The signature is over the very bytes.
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser(
        '*',
        { parseAs: 'buffer', bodyLimit: maxNoticeBytes },
        (_request, body, parsed) => parsed(null, body),
      );
      scope.post(
        '/api/webhooks/stripe',
        { config: perMinute(600), bodyLimit: maxNoticeBytes },
        async (request) => {
          const signature = request.headers['stripe-signature'];
          const stripe = desk.provider('stripe');
          if (!stripe?.readNotice || !Buffer.isBuffer(request.body))
            throw new AppError('notFound', 'No callbacks are expected here.');
          const notice = stripe.readNotice(
            request.body,
            typeof signature === 'string' ? signature : undefined,
          );
          const id = z.safeParse(orderId, notice?.orderId);
          // Genuine, but about something that is not ours: the provider must not send it again and again.
          if (notice && id.success) await options.shopOfOrder(id.data)?.checkout.noticed(notice, id.data);
          return {};
        },
      );
      done();
    });
    ready();
  };
