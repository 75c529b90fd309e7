// The contract between the studio page and the desktop shell: request and event names, their shapes, and the object
// the page finds as `window.desktop`. Pure: no Electron, no DOM, no Node. The shell's side is ipc.ts.
// The bridge is optional: a studio in a plain browser tab has no `window.desktop` and works without it.
import * as z from 'zod/mini';
import { secrets } from '../sfu-server/protocol/secrets.ts';

/** In Electron's words. At least Control or Alt: a page never gets letters that are typed elsewhere. */
const accelerator = z
  .string()
  .check(z.regex(/^(?:CommandOrControl|Alt)(?:\+(?:Alt|Shift))*\+[A-Z0-9]$/, 'keys such as Alt+Shift+S'));
const hotkey = z.strictObject({
  id: z.string().check(z.regex(/^[A-Za-z]{1,24}$/)),
  accelerator,
});

/** What the page may ask of the shell. Each takes one object and answers with one. */
export const desktopRequests = {
  /** While live the machine neither sleeps nor dims, and closing the window asks first. */
  setLive: { params: z.object({ live: z.boolean() }), result: z.object({}) },
  appInfo: {
    params: z.object({}),
    result: z.object({ version: z.string(), electron: z.string(), platform: z.string() }),
  },
  /** Keys of others (Stripe, mail) for the system's safe storage. Left out: as it was; null: forgotten. */
  setKeys: {
    params: z.strictObject({
      stripeKey: z.nullish(secrets.shape.stripeKey),
      stripeWebhookSecret: z.nullish(secrets.shape.stripeWebhookSecret),
      smtpUrl: z.nullish(secrets.shape.smtpUrl),
      mailFrom: z.nullish(secrets.shape.mailFrom),
    }),
    result: z.object({}),
  },
  /** Which keys there are, never their values. `safe` false: this system has no safe storage, so none are kept. */
  keysSet: { params: z.object({}), result: z.object({ safe: z.boolean(), names: z.array(z.string()) }) },
  /**
   * Keys that reach the studio while another program has the keyboard; they replace those set before, none: no keys. `taken`: ids
   * whose keys belong to another program.
   */
  setHotkeys: {
    params: z.strictObject({ hotkeys: z.array(hotkey).check(z.maxLength(8)) }),
    result: z.object({ taken: z.array(z.string()) }),
  },
} as const satisfies Record<string, { params: z.ZodMiniType; result: z.ZodMiniType }>;

/** What the shell tells the page. */
export const desktopEvents = {
  /** The bundled server changed phase; `text` is a sentence for the health line. */
  serverState: z.object({
    phase: z.enum(['starting', 'ready', 'restarting', 'failed', 'stopped']),
    /** Times the server was started again since the app opened. */
    restarts: z.int(),
    text: z.string(),
  }),
  /** A key set by `setHotkeys` was pressed. */
  hotkey: z.object({ id: z.string() }),
} as const satisfies Record<string, z.ZodMiniType>;

export type DesktopRequest = keyof typeof desktopRequests;
export type DesktopParams<N extends DesktopRequest> = z.output<(typeof desktopRequests)[N]['params']>;
export type DesktopResult<N extends DesktopRequest> = z.output<(typeof desktopRequests)[N]['result']>;
export type DesktopEvent = keyof typeof desktopEvents;
export type DesktopPayload<N extends DesktopEvent> = z.output<(typeof desktopEvents)[N]>;

/** The same table with name and shapes tied together, so that generic code over N needs no cast. */
export const desktopSpecs: {
  readonly [N in DesktopRequest]: {
    readonly params: z.ZodMiniType<DesktopParams<N>>;
    readonly result: z.ZodMiniType<DesktopResult<N>>;
  };
} = desktopRequests;

const eventSpecs: { readonly [N in DesktopEvent]: z.ZodMiniType<DesktopPayload<N>> } = desktopEvents;

/** One handler for every request: a forgotten one does not compile. */
export type DesktopHandlers = {
  [N in DesktopRequest]: (params: DesktopParams<N>) => DesktopResult<N> | Promise<DesktopResult<N>>;
};

/** How a request is answered on the wire. Electron would turn a thrown error into a string with a prefix of its own. */
export const desktopReply = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: z.unknown() }),
  z.object({ ok: z.literal(false), code: z.string(), text: z.string() }),
]);
export type DesktopReply = z.output<typeof desktopReply>;

/** IPC channel of a request or an event. */
export const desktopChannel = (name: DesktopRequest | DesktopEvent): string => `desktop:${name}`;

/** What the studio page sees. Rejections carry a sentence for the director; the code stays in the shell's log. */
export interface DesktopApi {
  setLive(live: boolean): Promise<void>;
  appInfo(): Promise<DesktopResult<'appInfo'>>;
  /** Keeps them and hands them to the server at once. Rejects where the system has no safe storage. */
  setKeys(keys: DesktopParams<'setKeys'>): Promise<void>;
  keysSet(): Promise<DesktopResult<'keysSet'>>;
  /** Resolves with the ids whose keys another program has. */
  setHotkeys(hotkeys: DesktopParams<'setHotkeys'>['hotkeys']): Promise<readonly string[]>;
  /** Calls back with the id of a hotkey that was pressed. Returns the way to stop. */
  onHotkey(listener: (id: string) => void): () => void;
  /** Calls back on every change of the bundled server's phase. Returns the way to stop. */
  onServerState(listener: (state: DesktopPayload<'serverState'>) => void): () => void;
}

/** The three calls of Electron's `ipcRenderer` this contract needs. */
export interface RendererIpc {
  invoke(channel: string, params: unknown): Promise<unknown>;
  on(channel: string, listener: (event: unknown, payload: unknown) => void): unknown;
  off(channel: string, listener: (event: unknown, payload: unknown) => void): unknown;
}

/** Builds the page's object over the preload's IPC. Both directions are checked against the tables above. */
export const createDesktopApi = (ipc: RendererIpc): DesktopApi => {
  const call = async <N extends DesktopRequest>(
    name: N,
    params: DesktopParams<N>,
  ): Promise<DesktopResult<N>> => {
    const reply = desktopReply.parse(await ipc.invoke(desktopChannel(name), params));
    if (!reply.ok) throw new Error(reply.text);
    return desktopSpecs[name].result.parse(reply.value);
  };
  const listen = <N extends DesktopEvent>(name: N, heard: (payload: DesktopPayload<N>) => void) => {
    const channel = desktopChannel(name);
    const receive = (_event: unknown, payload: unknown) => heard(eventSpecs[name].parse(payload));
    ipc.on(channel, receive);
    return () => void ipc.off(channel, receive);
  };
  return {
    setLive: async (live) => {
      await call('setLive', { live });
    },
    appInfo: () => call('appInfo', {}),
    setKeys: async (keys) => {
      await call('setKeys', keys);
    },
    keysSet: () => call('keysSet', {}),
    setHotkeys: async (hotkeys) => (await call('setHotkeys', { hotkeys })).taken,
    onHotkey: (listener) => listen('hotkey', ({ id }) => listener(id)),
    onServerState: (listener) => listen('serverState', listener),
  };
};
