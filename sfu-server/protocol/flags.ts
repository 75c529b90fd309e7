// The names under which a server is told its settings: flags and environment variables. The one list, for the server that
// reads them (config.ts says what each means) and for the desktop app, which hands its own flags on to the server it starts.

/** Setting and the environment variable behind it; the flag is the setting's name in kebab case. A flag wins. */
export const settingVariables = {
  data: 'LIVE_DROP_DATA',
  host: 'LIVE_DROP_HOST',
  port: 'LIVE_DROP_PORT',
  publicAddress: 'LIVE_DROP_PUBLIC_ADDRESS',
  announcedAddress: 'LIVE_DROP_ANNOUNCED_ADDRESS',
  rtcPort: 'LIVE_DROP_RTC_PORT',
  edges: 'LIVE_DROP_EDGES',
  spares: 'LIVE_DROP_SPARES',
  codec: 'LIVE_DROP_CODEC',
  layers: 'LIVE_DROP_LAYERS',
  maxViewers: 'LIVE_DROP_MAX_VIEWERS',
  record: 'LIVE_DROP_RECORD',
  publicOrigin: 'LIVE_DROP_PUBLIC_ORIGIN',
  tlsCert: 'LIVE_DROP_TLS_CERT',
  tlsKey: 'LIVE_DROP_TLS_KEY',
  readyKey: 'LIVE_DROP_READY_KEY',
  pages: 'LIVE_DROP_PAGES',
  assets: 'LIVE_DROP_ASSETS',
  workerBin: 'MEDIASOUP_WORKER_BIN',
  logLevel: 'LIVE_DROP_LOG',
} as const;

/** `publicAddress` → `public-address`. */
export const flagOf = (setting: string): string =>
  setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * The flags of the server among those somebody else was started with, as `parseConfig` reads them.
 * @param valueOf what was given for a flag (without dashes), or undefined
 */
export const flagsGiven = (valueOf: (flag: string) => string | undefined): string[] =>
  Object.keys(settingVariables).flatMap((setting) => {
    const value = valueOf(flagOf(setting));
    return value === undefined ? [] : [`--${flagOf(setting)}=${value}`];
  });
