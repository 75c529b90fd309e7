// Wiring of the server: configuration, store, media nodes, shows, HTTP. Reads like a table of contents; decides nothing.
// Started by npm start, by the desktop app as a utility process, or by hand on any machine.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import pino, { type Logger } from 'pino';
import * as z from 'zod/mini';
import { parseSecrets, takeSecrets, withoutSecrets } from './access/secrets.ts';
import { openEncoderKeys } from './access/encoder-keys.ts';
import { hashToken, loadStudioKey } from './access/tokens.ts';
import { steadyClock as clock, watchWallClock } from './clock.ts';
import { isOwnAddress, parseConfig, type Config } from './config.ts';
import { startHttp } from './http.ts';
import { forgetAddress } from './shop/drop-mails.ts';
import { nodeConfig, type ClipFiles, type NodeConfig } from './media/node-api.ts';
import { firstStart, startNode } from './nodes.ts';
import { AppError } from './protocol/errors.ts';
import { createParticipant, type Participant } from './show/participant.ts';
import type { ShowId } from './protocol/state.ts';
import { createOrderLimits } from './show/order-door.ts';
import { createClips } from './show/clips.ts';
import { createEncoders } from './show/encoders.ts';
import { createProductions } from './show/productions.ts';
import { createPlacement } from './show/placement.ts';
import { createShopLimits } from './show/shop-door.ts';
import { createShows } from './show/shows.ts';
import { createShutdown } from './shutdown.ts';
import { createImages } from './shop/images.ts';
import { createPaymentDesk } from './shop/payments/desk.ts';
import { openStore } from './store/database.ts';

const spareAfterReturnMs = 8_000;

const start = async () => {
  const given = parseConfig(process.argv.slice(2), process.env);
  const config = { ...given, announcedAddress: await addressOf(given.announcedAddress) };
  // Logs go to stderr: stdout carries only the ready line.
  const stderr = pino.destination({ fd: 2, sync: false });
  const log = pino({ level: config.logLevel }, { write: (line) => void stderr.write(withoutSecrets(line)) });
  const secrets = takeSecrets(process.env);
  const studioKey = loadStudioKey(join(config.data, 'studio.key'));
  const participants = new Set<Participant>();
  const shutdown = createShutdown({
    clock,
    log,
    participants,
    exit: () => {
      stderr.flushSync();
      // The parent port or an inspector may keep the loop alive.
      process.exit(0);
    },
  });
  process.on('SIGTERM', shutdown.signalled);
  process.on('SIGINT', shutdown.signalled);
  surviveExpected(log, () => stderr.flushSync());

  const store = shutdown.add(openStore(join(config.data, 'show.db')));
  const wallClock = watchWallClock((aheadMs) =>
    log.warn(
      { aheadMs },
      "the machine's clock was changed; this server keeps its own time until it is started again",
    ),
  );

  const built = import.meta.url.endsWith('.mjs');
  const entry = new URL(built ? './media-node.mjs' : './media/node.ts', import.meta.url);
  const clips = shutdown.add(
    createClips({
      store,
      folder: join(config.data, 'clips'),
      ownFolder: join(config.assets, 'standby'),
      codec: config.codec,
      clock,
      log,
    }),
  );
  /** `part`: what it is started as; one that comes back is a spare, because another has taken its part. */
  const node = (part: 'origin' | 'edge' | 'spare', index: number) => {
    const name = `node-${index}`;
    const configOf = (generation: number) =>
      configOfNode(config, name, index, generation === 1 ? part : 'spare', clips.chosen());
    return startNode({ name, config: configOf, entry, clock, log });
  };
  const nodes = [
    node('origin', 0),
    ...Array.from({ length: config.edges }, (_, index) => node('edge', index + 1)),
  ];
  const placement = shutdown.add(createPlacement({ edges: config.edges, clip: clips.chosen(), clock, log }));
  for (const each of nodes) placement.add(each);
  clips.playOn(placement);
  const desk = shutdown.add(createPaymentDesk(secrets));
  let publicOrigin = '';
  const trade = { desk, goods: join(config.data, 'goods'), publicOrigin: () => publicOrigin };
  const productions = createProductions({ store, clock, log });
  const encoders = shutdown.add(
    createEncoders({
      keys: openEncoderKeys(join(config.data, 'encoder-keys.json')),
      placement,
      hasSource: productions.hasEncoder,
      clock,
      log,
    }),
  );
  const shows = shutdown.add(createShows({ store, placement, clips, encoders, trade, clock, log }));
  const images = shutdown.add(createImages(join(config.data, 'pictures')));
  const shopLimits = createShopLimits(clock);
  const orderLimits = createOrderLimits(clock);
  const shopOf = (show: ShowId | undefined) => (show === undefined ? undefined : shows.find(show).shop);

  const http = await startHttp({
    config,
    studioKey,
    log,
    currentShowId: () => shows.current().id,
    capabilities: () => placement.capabilities(),
    draining: () => shutdown.draining(),
    clips,
    encoders,
    shop: {
      images,
      desk,
      currentShop: () => shows.current().shop,
      shopOfOrder: (id) => shopOf(store.showOfOrder(id)),
      forgetAddress: (token) => forgetAddress(store, token),
      shopOfDownload: (token) => shopOf(store.showOfDownload(hashToken(token))),
    },
    recordings: recordingsFolder(config),
    viewers: () => shows.current().viewerCount(),
    snapshot: async () => ({
      shows: shows.snapshot(),
      placement: placement.snapshot(),
      nodes: await placement.inspectAll(),
      participants: [...participants].map((participant) => participant.snapshot()),
      store: store.snapshot(),
      images: images.snapshot(),
      clips: clips.snapshot(),
      productions: productions.snapshot(),
      encoders: encoders.snapshot(),
      desk: desk.snapshot(),
      ...wallClock.snapshot(),
    }),
    onSocket: (wire, origin, address) => {
      const participant = createParticipant({
        wire,
        clock,
        shows,
        placement,
        store,
        clips,
        productions,
        encoders,
        studioKey,
        codec: config.codec,
        publicOrigin: origin,
        sameMachine: isOwnAddress(address),
        maxViewers: config.maxViewers,
        draining: () => shutdown.draining(),
        address,
        shopLimits,
        orderLimits,
        log,
      });
      participants.add(participant);
      participant.onGone(() => participants.delete(participant));
    },
  });

  shutdown.add(http);
  publicOrigin = http.publicOrigin;
  shutdown.add(wallClock);

  await Promise.all(nodes.map(firstStart));
  await placement.ready('viewer');
  const ready = {
    type: 'ready',
    origin: http.localOrigin,
    studioUrl: `${http.studioOrigin}/studio#key=${studioKey}`,
    viewerUrl: `${http.publicOrigin}/watch/${shows.current().id}`,
    cohostUrl: `${http.publicOrigin}/cohost`,
  };
  // After everybody else, so that nobody waits for those who wait; a show on air has its picture back first.
  const addSpares = () => {
    for (let index = 0; index < config.spares; index += 1) {
      placement.add(node('spare', config.edges + 1 + index));
    }
  };
  if (shows.current().isLive()) shutdown.add({ close: clock.after(spareAfterReturnMs, addSpares) });
  else addSpares();
  const shown = config.readyKey === 'shown' ? ready : { ...ready, studioUrl: `${http.studioOrigin}/studio` };
  console.log(`LIVE_DROP_READY ${JSON.stringify(shown)}`);
  if (config.readyKey === 'hidden' && !process.parentPort) tellOperator(log, http.publicOrigin, config);
  announceToDesktop(ready, {
    stop: shutdown.stop,
    // What the environment gave stays where the app has nothing.
    secrets: (given) => desk.replace(parseSecrets({ ...secrets, ...given })),
    log,
  });
};

/** For who reads the log of a server on its own: where it is, and what will not work. */
const tellOperator = (log: Logger, publicOrigin: string, { data }: Config) => {
  const { protocol, hostname } = new URL(publicOrigin);
  const keyFile = join(data, 'studio.key');
  log.info({ publicOrigin, keyFile }, 'ready; open the studio with: npm start -- --server … --key-file …');
  if (protocol === 'https:' || hostname === 'localhost' || hostname.startsWith('127.')) return;
  log.warn(
    { publicOrigin },
    'NOT SECURE: browsers give no camera or microphone to pages by http, so neither the studio nor co-hosts can use this address. Give --tls-cert and --tls-key, or put a proxy before it and say --public-address https://…',
  );
};

/** Browsers understand names in ICE candidates only partly: they get an address. */
const addressOf = async (name: string): Promise<string> => {
  try {
    return isIP(name) > 0 ? name : (await lookup(name)).address;
  } catch (error) {
    throw new AppError(
      'badConfig',
      `The name ${name} cannot be found. Correct --public-address, or give the address with --announced-address.`,
      { cause: error },
    );
  }
};

/**
 * An expected failure that nobody waited for (a full disk met by a timer) is logged and survived. Anything else is a bug:
 * the process ends, and what watches over it starts it again from a known state.
 */
const surviveExpected = (log: Logger, flush: () => void) => {
  process.on('uncaughtException', (error) => {
    log.error({ err: error }, 'nobody was waiting for this failure');
    if (error instanceof AppError) return;
    flush();
    process.exit(1);
  });
};

const recordingsFolder = ({ data }: Config) => join(data, 'recordings');

/** What a media node's thread is told when it starts. */
const configOfNode = (
  config: Config,
  name: string,
  index: number,
  role: 'origin' | 'edge' | 'spare',
  chosenClip: ClipFiles | null,
): NodeConfig => {
  const extension = config.codec === 'VP8' ? 'webm' : 'mp4';
  return nodeConfig.parse({
    name,
    role,
    listenIp: config.announcedAddress === '127.0.0.1' ? '127.0.0.1' : '0.0.0.0',
    announcedAddress: config.announcedAddress,
    rtcPort: config.rtcPort === 0 ? 0 : config.rtcPort + index,
    program: { codec: config.codec, layers: config.layers },
    standbyFiles: ['lo', 'hi'].map((size) => join(config.assets, 'standby', `${size}.${extension}`)),
    chosenClip: chosenClip ?? undefined,
    recordings: config.record === 'on' ? recordingsFolder(config) : undefined,
    workerBin: config.workerBin,
    logLevel: 'warn',
  });
};

/** In the desktop app this process is a utility process with a port to its parent. */
const announceToDesktop = (
  ready: object,
  orders: { stop: () => void; secrets: (given: Record<string, unknown>) => void; log: Logger },
) => {
  const { parentPort } = process;
  if (!parentPort) return;
  parentPort.on('message', ({ data }) => {
    const message = desktopMessage.safeParse(data);
    if (!message.success) return;
    if (message.data.type === 'stop') return orders.stop();
    try {
      orders.secrets(message.data.secrets);
    } catch (error) {
      orders.log.error({ err: error }, 'the keys of the desktop app cannot be used');
    }
  });
  parentPort.postMessage(ready);
};

/** What the desktop app tells this process. */
const desktopMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('stop') }),
  z.object({ type: z.literal('secrets'), secrets: z.record(z.string(), z.unknown()) }),
]);

start().catch((error: unknown) => {
  const sentence = error instanceof AppError ? error.message : error;
  console.error('Live Drop Studio could not start:', sentence);
  process.exit(1);
});
