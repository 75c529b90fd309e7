// Environment and flags become one frozen Config, parsed once at start. Nothing else reads process.env or argv.
// Secrets are not settings: the studio key is in access/tokens.ts.
import { cpus, homedir, networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as z from 'zod/mini';
import { describeIssues } from './protocol/channel.ts';
import { AppError } from './protocol/errors.ts';
import { flagOf, settingVariables } from './protocol/flags.ts';
import { videoCodec } from './protocol/media.ts';

const portNumber = z.coerce.number().check(z.minimum(0), z.maximum(65535));
const root = fileURLToPath(new URL('..', import.meta.url));

const settings = z.object({
  /** Folder for the database, the studio key, pictures. */
  data: z.string(),
  host: z.string(),
  port: portNumber,
  /**
   * Under what others reach this machine: an address, a name, or an origin such as https://drop.example. It is what
   * links begin with and, unless `announcedAddress` says otherwise, where media goes.
   */
  publicAddress: z.optional(z.string()),
  /** Address or name written into ICE candidates; `loopback` and `lan` are understood. */
  announcedAddress: z.string(),
  /** First of the media ports, one per node (UDP and TCP); 0: the system chooses. */
  rtcPort: portNumber,
  /** Media nodes that serve viewers. */
  edges: z.coerce.number().check(z.minimum(1), z.maximum(64)),
  /** Media nodes kept warm that take over at once when another dies; 0: fans wait for a new one to start. */
  spares: z.coerce.number().check(z.minimum(0), z.maximum(8)),
  codec: videoCodec,
  layers: z.coerce.number().check(z.minimum(1), z.maximum(3)),
  maxViewers: z.coerce.number().check(z.minimum(1), z.maximum(100_000)),
  /** Whether the program is recorded while a show is live. */
  record: z.enum(['on', 'off']),
  /** Origin fans use, when it is not this server's own (a tunnel, a proxy). */
  publicOrigin: z.optional(z.url('an address such as https://drop.example')),
  tlsCert: z.optional(z.string()),
  tlsKey: z.optional(z.string()),
  /** Whether the ready line on stdout holds the studio key: for a parent that reads it, never for a log. */
  readyKey: z.enum(['hidden', 'shown']),
  pages: z.string(),
  assets: z.string(),
  workerBin: z.optional(z.string()),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']),
});

export type Config = Readonly<
  z.infer<typeof settings> & {
    /** The name or address links begin with, unless `publicOrigin` says the whole. */
    publicHost: string;
  }
>;

/** A setting without a variable and a variable without a setting are errors of compilation. */
const sources: Record<keyof z.infer<typeof settings>, string> = settingVariables;

/** The first IPv4 address other machines of the local network can reach, or loopback where there is none. */
const lanAddress = (): string => {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) {
      if (address.family === 'IPv4' && !address.internal) return address.address;
    }
  }
  return '127.0.0.1';
};

/** Whether a connection from this address came from this computer. IPv4 may be written as IPv6 (`::ffff:127.0.0.1`). */
export const isOwnAddress = (address: string): boolean => {
  const plain = address.replace(/^::ffff:/, '');
  if (plain === '::1' || plain.startsWith('127.')) return true;
  return Object.values(networkInterfaces()).some((own) => own?.some((one) => one.address === plain));
};

const defaultDataDir = (env: NodeJS.ProcessEnv): string => {
  if (process.platform === 'win32') return join(env.APPDATA ?? homedir(), 'Live Drop Studio');
  if (process.platform === 'darwin')
    return join(homedir(), 'Library', 'Application Support', 'Live Drop Studio');
  return join(env.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'live-drop-studio');
};

/** Throws `badConfig` with the flag's name and what it expects. */
export const parseConfig = (argv: readonly string[], env: NodeJS.ProcessEnv): Config => {
  const names = Object.keys(sources);
  const flags = readFlags(argv, names);
  const given = Object.fromEntries(
    Object.entries(sources).flatMap(([name, variable]) => {
      const value = flags[flagOf(name)] ?? env[variable];
      return typeof value === 'string' && value !== '' ? [[name, value]] : [];
    }),
  );
  const publicAddress =
    given.publicAddress === undefined ? undefined : readPublicAddress(given.publicAddress);
  const isLoopback = ['loopback', '127.0.0.1', 'localhost'].includes(
    given.announcedAddress ?? publicAddress?.host ?? '',
  );
  const defaults = {
    data: defaultDataDir(env),
    // Announced on loopback only: nobody else is meant to come in.
    host: isLoopback ? '127.0.0.1' : '0.0.0.0',
    port: 4400,
    announcedAddress: publicAddress?.host ?? 'lan',
    publicOrigin: publicAddress?.origin,
    // A machine on its own has a firewall, whose owner must know what to open.
    rtcPort: publicAddress === undefined ? 0 : firstPublicRtcPort,
    // One core is the studio's own; of the rest one is the origin. Viewers always get a node of their own.
    edges: Math.max(1, cpus().length - 2),
    spares: 1,
    codec: 'VP8',
    layers: 2,
    maxViewers: 500,
    record: 'on',
    readyKey: 'hidden',
    pages: join(root, 'dist', 'renderer'),
    assets: join(root, 'assets'),
    logLevel: 'info',
  };
  const parsed = z.safeParse(settings, { ...defaults, ...given });
  if (!parsed.success) {
    const at = String(parsed.error.issues[0]?.path[0] ?? '');
    throw new AppError(
      'badConfig',
      `The setting --${flagOf(at)} is not valid. ${describeIssues(parsed.error)}.`,
    );
  }
  const config = parsed.data;
  if ((config.tlsCert === undefined) !== (config.tlsKey === undefined)) {
    throw new AppError('badConfig', 'Give both --tls-cert and --tls-key, or neither.');
  }
  const announcedAddress = meantBy(config.announcedAddress);
  return Object.freeze({
    ...config,
    data: resolve(config.data),
    announcedAddress,
    publicOrigin: config.publicOrigin?.replace(/\/$/, ''),
    publicHost: publicAddress?.host ?? announcedAddress,
  });
};

const firstPublicRtcPort = 40_000;

const meantBy = (address: string): string => {
  if (address === 'lan') return lanAddress();
  return address === 'loopback' || address === 'localhost' ? '127.0.0.1' : address;
};

/** `host` alone leaves the origin to how this server listens. */
const readPublicAddress = (text: string): { host: string; origin: string | undefined } => {
  const url = URL.canParse(text.includes('://') ? text : `http://${text}`)
    ? new URL(text.includes('://') ? text : `http://${text}`)
    : undefined;
  const plain =
    url && ['http:', 'https:'].includes(url.protocol) && url.pathname === '/' && url.username === '';
  if (!plain || (url.port !== '' && !text.includes('://'))) {
    throw new AppError(
      'badConfig',
      `The setting --public-address is not valid: "${text}". Give an address (203.0.113.7), a name (drop.example) or an origin (https://drop.example).`,
    );
  }
  return { host: url.hostname, origin: text.includes('://') ? url.origin : undefined };
};

const readFlags = (argv: readonly string[], names: readonly string[]): Record<string, unknown> => {
  const options = Object.fromEntries(names.map((name) => [flagOf(name), { type: 'string' as const }]));
  try {
    return parseArgs({ args: [...argv], options, strict: true }).values;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AppError(
      'badConfig',
      `${reason} Known flags: ${names.map((name) => `--${flagOf(name)}`).join(' ')}`,
      {
        cause: error,
      },
    );
  }
};
