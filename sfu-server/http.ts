// The one HTTP door: built pages with hashed assets, the WebSocket, health, metrics and the debug snapshot; the shop's own
// addresses are in shop-routes.ts, those of the standby clips in clip-routes.ts, of encoders in whip-routes.ts.
// Decides who may knock (origin, size, rate, studio key); what is said on the socket is show/participant.ts.
import { readFileSync } from 'node:fs';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import fastifyStatic from '@fastify/static';
import websocket from '@fastify/websocket';
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { Logger } from 'pino';
import { Registry, collectDefaultMetrics, Gauge } from 'prom-client';
import type { WebSocket } from 'ws';
import { strangerLimits, type Wire } from './protocol/channel.ts';
import type { RtpCapabilities } from './protocol/media.ts';
import { AppError, errorTable, type ErrorCode } from './protocol/errors.ts';
import { sameToken } from './access/tokens.ts';
import type { Config } from './config.ts';
import { clipRoutes } from './clip-routes.ts';
import { recordingRoutes } from './recording-routes.ts';
import { shopRoutes, type ShopRoutesOptions } from './shop-routes.ts';
import type { Clips } from './show/clips.ts';
import type { Encoders } from './show/encoders.ts';
import { whipRoutes } from './whip-routes.ts';

export type HttpOptions = {
  config: Config;
  studioKey: string;
  log: Logger;
  /** A page has opened its socket. */
  onSocket: (wire: Wire, publicOrigin: string, address: string) => void;
  currentShowId: () => string;
  /** What the media nodes can do; null while the server cannot serve a join. */
  capabilities: () => RtpCapabilities | null;
  shop: Omit<ShopRoutesOptions, 'requireStudio'>;
  clips: Clips;
  encoders: Encoders;
  /** Folder of the recorded program. */
  recordings: string;
  viewers: () => number;
  /** The server is about to stop: whoever spreads the load shall send nobody here. */
  draining: () => boolean;
  snapshot: () => Promise<unknown>;
};

/** What a stranger may send where a route does not say otherwise. */
const maxBodyBytes = 64 * 1024;

const statusOf: Partial<Record<ErrorCode, number>> = {
  badToken: 401,
  forbidden: 403,
  revoked: 403,
  noShow: 404,
  notFound: 404,
  invalidParams: 400,
  tooLarge: 413,
  malformed: 400,
  limit: 429,
  tooFast: 429,
  full: 503,
  mediaUnavailable: 503,
  storeFull: 507,
  storeBusy: 503,
  draining: 503,
};

const socketWire = (socket: WebSocket): Wire => ({
  send: (text) => socket.send(text),
  close: (code, reason) => socket.close(code, reason),
  onText: (listener) =>
    void socket.on('message', (data, isBinary) => {
      // Binary frames are no part of the protocol; an empty text is refused as malformed.
      listener(isBinary || !Buffer.isBuffer(data) ? '' : data.toString('utf8'));
    }),
  onClose: (listener) => void socket.once('close', (code) => listener(code)),
  backlog: () => socket.bufferedAmount,
});

/** Listens at once. Throws `portTaken` with what to do about it. */
export const startHttp = async (options: HttpOptions) => {
  const { config, log } = options;
  const secure = config.tlsCert !== undefined && config.tlsKey !== undefined;
  const loggerInstance: FastifyBaseLogger = log;
  const app = Fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxBodyBytes,
    // Behind a proxy on this machine people are told apart by what it says of them.
    trustProxy: 'loopback',
    routerOptions: { maxParamLength: 128 },
    https:
      config.tlsCert !== undefined && config.tlsKey !== undefined
        ? { cert: readFileSync(config.tlsCert), key: readFileSync(config.tlsKey) }
        : null,
  });
  const scheme = secure ? 'https' : 'http';
  const listeningPort = (): number => {
    const address = app.server.address();
    return address !== null && typeof address === 'object' ? address.port : config.port;
  };
  const publicOrigin = () =>
    config.publicOrigin ?? new URL(`${scheme}://${config.publicHost}:${listeningPort()}`).origin;
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  metrics.registerMetric(
    new Gauge({
      name: 'live_drop_viewers',
      help: 'Viewers of the current show',
      registers: [],
      collect() {
        this.set(options.viewers());
      },
    }),
  );

  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        imgSrc: ["'self'", 'blob:', 'data:'],
        mediaSrc: ["'self'", 'blob:', 'mediastream:'],
        connectSrc: ["'self'", 'ws:', 'wss:'],
        workerSrc: ["'self'", 'blob:'],
        styleSrc: ["'self'"],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: secure,
    crossOriginEmbedderPolicy: false,
    referrerPolicy: { policy: 'no-referrer' },
  });
  await app.register(rateLimit, { max: 600, timeWindow: '1 minute', allowList: ['127.0.0.1', '::1'] });
  await app.register(websocket, {
    options: {
      maxPayload: strangerLimits.maxMessageChars * 4,
      // A browser always says where the page came from; other programs do not and carry a token anyway.
      verifyClient: ({ origin, req }: { origin?: string; req: { headers: { host?: string } } }) =>
        origin === undefined || isOwnOrigin(origin, req.headers.host, config.publicOrigin),
    },
  });
  await app.register(fastifyStatic, { root: config.pages, serve: false, preCompressed: true });

  const requireStudio = (request: FastifyRequest) => {
    const given = /^Bearer (\S{1,128})$/.exec(request.headers.authorization ?? '')?.[1];
    if (given === undefined || !sameToken(given, options.studioKey)) throw new AppError('badToken');
  };

  // Pages are small and change with every version; what they load is named by its hash and kept for good.
  const page = (name: string) => (_: FastifyRequest, reply: FastifyReply) =>
    reply.header('cache-control', 'no-cache').sendFile(`${name}/index.html`);
  app.get('/', (_, reply) => reply.redirect(`/watch/${options.currentShowId()}`));
  app.get('/watch/:show', page('viewer'));
  app.get('/shop/:show/:product', page('shop'));
  app.get('/order/:show', page('shop'));
  // The field card opens the viewer link for real, under the address fans have.
  app.get('/studio', (request, reply) => {
    const policy = String(reply.getHeader('content-security-policy'));
    reply.header(
      'content-security-policy',
      policy.replace("connect-src 'self'", `connect-src 'self' ${publicOrigin()}`),
    );
    return page('studio')(request, reply);
  });
  app.get('/cohost', page('cohost'));
  app.get('/crew', page('crew'));
  app.get('/debug', page('debug'));
  app.get<{ Params: { '*': string } }>('/assets/*', (request, reply) =>
    reply
      .header('cache-control', 'public, max-age=31536000, immutable')
      .sendFile(`assets/${request.params['*']}`, {
        cacheControl: false,
      }),
  );

  app.get('/healthz', (_, reply) => {
    const draining = options.draining();
    const ok = options.capabilities() !== null && !draining;
    return reply.code(ok ? 200 : 503).send({ ok, draining });
  });
  // The socket says the same; a page that asks here beside it has its player ready when the socket opens.
  app.get('/api/capabilities', (_, reply) => {
    const capabilities = options.capabilities();
    if (!capabilities) throw new AppError('mediaUnavailable');
    return reply.send(capabilities);
  });
  app.get('/metrics', async (request, reply) => {
    requireStudio(request);
    return reply.type(metrics.contentType).send(await metrics.metrics());
  });
  app.get('/api/debug', (request) => {
    requireStudio(request);
    return options.snapshot();
  });

  app.get('/socket', { websocket: true }, (socket, request) => {
    socket.on('error', (error) => log.warn({ err: error }, 'socket error'));
    options.onSocket(socketWire(socket), publicOrigin(), request.ip);
  });

  app.setNotFoundHandler((_, reply) =>
    reply.code(404).send(answer(new AppError('notFound', 'There is no such page.'))),
  );
  app.setErrorHandler((error: FastifyError | AppError, request, reply) => {
    if (error instanceof AppError) {
      if (error.code === 'storeFull') log.error({ err: error }, error.message);
      return reply.code(statusOf[error.code] ?? 400).send(answer(error));
    }
    const status = error.statusCode ?? 500;
    if (status === 413) {
      const megabytes = Math.ceil(request.routeOptions.bodyLimit / (1024 * 1024));
      return reply.code(413).send(answer(new AppError('tooLarge', `This is larger than ${megabytes} MB.`)));
    }
    if (status < 500) return reply.code(status).send({ code: 'malformed', message: error.message });
    log.error({ err: error, path: request.routeOptions.url }, 'a request failed by a bug');
    return reply.code(500).send(answer(new AppError('internal')));
  });

  // After the error handler, which a scope takes over as it finds it.
  await app.register(shopRoutes({ ...options.shop, requireStudio }));
  await app.register(clipRoutes({ clips: options.clips, requireStudio }));
  await app.register(whipRoutes({ encoders: options.encoders }));

  await app.register(recordingRoutes({ folder: options.recordings, requireStudio }));

  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (error) {
    await app.close();
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new AppError(
        'portTaken',
        `Port ${config.port} is used by another program. Close it, or start with --port and another number.`,
        { cause: error },
      );
    }
    throw error;
  }
  const port = listeningPort();
  return {
    port,
    /** Where it listens, for programs on this machine. */
    localOrigin: `${scheme}://127.0.0.1:${port}`,
    /**
     * For the studio on this machine. Cameras need a secure context: loopback is one, but a certificate is made out to
     * the public name and to that only.
     */
    studioOrigin: secure ? publicOrigin() : `http://127.0.0.1:${port}`,
    publicOrigin: publicOrigin(),
    close: () => app.close(),
  };
};

const answer = (error: AppError) => ({
  code: error.code,
  message: error.message || errorTable[error.code].text,
});

/** A page of this server, under whatever name it was reached. */
const isOwnOrigin = (origin: string, host: string | undefined, publicOrigin: string | undefined): boolean => {
  if (!URL.canParse(origin)) return false;
  return new URL(origin).host === host || origin === publicOrigin;
};
