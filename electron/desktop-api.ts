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

/**
 * The name of a file in the recording folder: no path, no hidden file, nothing a file system minds, and only what a
 * recording consists of.
 */
export const recordingFileName = z
  .string()
  .check(z.maxLength(255), z.regex(/^(?![. ])[^\p{C}<>:"/\\|?*]+\.(?:mp4|markers\.json|markers\.vtt)$/u));
const recordingName = recordingFileName.check(z.endsWith('.mp4'));
const noteName = recordingFileName.check(z.regex(/\.markers\.(?:json|vtt)$/));

/** A piece is a second of video; an index some kilobytes per minute. */
const maxPieceBytes = 32 * 1024 * 1024;
const piece = z
  .instanceof(Uint8Array<ArrayBuffer>)
  .check(z.refine((bytes) => bytes.length <= maxPieceBytes, 'This is more than one piece of a recording.'));
const place = z.int().check(z.nonnegative());
const recordingFile = z.int().check(z.positive());
const recordingFolder = z.object({
  folder: z.string(),
  /** Null where the system does not say. */
  freeBytes: z.nullable(z.number()),
});

/** A crowded desktop; more are nobody's choice. */
export const maxScreens = 48;
const screenId = z.string().check(z.minLength(1), z.maxLength(100));
const screen = z.object({
  id: screenId,
  name: z.string().check(z.maxLength(100)),
  kind: z.enum(['screen', 'window']),
  /** A small JPEG; null for a window that shows nothing. */
  thumbnailUrl: z.nullable(z.string().check(z.startsWith('data:image/jpeg;base64,'), z.maxLength(200_000))),
});
export type DesktopScreen = z.output<typeof screen>;

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
  /** What can be shared. `systemPicker`: the system asks by itself when the page asks for a screen, and nothing is listed. */
  screens: {
    params: z.object({}),
    result: z.object({
      systemPicker: z.boolean(),
      screens: z.array(screen).check(z.maxLength(maxScreens)),
    }),
  },
  /** One of those last listed: the page's next `getDisplayMedia`, within 10 s, gets it. Without a choice it gets nothing. */
  chooseScreen: { params: z.strictObject({ id: screenId }), result: z.object({}) },
  /** Where recordings go, and how much room there is. */
  recordingFolder: { params: z.object({}), result: recordingFolder },
  /** Asks the director for another folder; answers with the one it is then. */
  chooseRecordingFolder: { params: z.object({}), result: recordingFolder },
  /** Opens the folder in the system's own window, with the recording chosen. */
  showRecording: { params: z.object({ name: z.optional(recordingFileName) }), result: z.object({}) },
  /** A new file. `storeFailed` when there is one of that name: nothing is written over. */
  createRecording: { params: z.object({ name: recordingName }), result: z.object({ file: recordingFile }) },
  /** Answered when the bytes are on the disk. Positions leave no holes. */
  writeRecording: {
    params: z.object({ file: recordingFile, position: place, bytes: piece }),
    result: z.object({}),
  },
  closeRecording: { params: z.object({ file: recordingFile }), result: z.object({}) },
  listRecordings: {
    params: z.object({}),
    result: z.object({
      files: z.array(z.object({ name: z.string(), bytes: z.number(), changedMs: z.number() })),
    }),
  },
  /** Bytes `from` to `to` of a file; fewer at its end. */
  readRecording: {
    params: z
      .object({ name: recordingFileName, from: place, to: place })
      .check(z.refine(({ from, to }) => to - from <= maxPieceBytes, 'Ask for less at once.')),
    result: z.object({ bytes: piece }),
  },
  /** Cuts a recording that a crash left unfinished after its last whole piece, and ends it with its index. */
  mendRecording: {
    params: z.object({ name: recordingName, keepBytes: place, index: piece }),
    result: z.object({}),
  },
  /** A take's markers: written whole or not at all. */
  writeRecordingNote: {
    params: z.object({ name: noteName, text: z.string().check(z.maxLength(1_000_000)) }),
    result: z.object({}),
  },
  removeRecording: { params: z.object({ name: recordingFileName }), result: z.object({}) },
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

/** The recording folder as the page sees it; names as in {@link recordingFileName}. */
export interface DesktopRecordings {
  folder(): Promise<DesktopResult<'recordingFolder'>>;
  chooseFolder(): Promise<DesktopResult<'chooseRecordingFolder'>>;
  show(name?: string): Promise<void>;
  create(name: string): Promise<number>;
  write(file: number, position: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  close(file: number): Promise<void>;
  list(): Promise<DesktopResult<'listRecordings'>['files']>;
  read(name: string, from: number, to: number): Promise<Uint8Array<ArrayBuffer>>;
  mend(name: string, keepBytes: number, index: Uint8Array<ArrayBuffer>): Promise<void>;
  writeNote(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
}

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
  readonly screens: {
    list(): Promise<DesktopResult<'screens'>>;
    /** Rejects when it is not there any more. */
    choose(id: string): Promise<void>;
  };
  readonly recordings: DesktopRecordings;
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
    screens: {
      list: () => call('screens', {}),
      choose: async (id) => {
        await call('chooseScreen', { id });
      },
    },
    recordings: {
      folder: () => call('recordingFolder', {}),
      chooseFolder: () => call('chooseRecordingFolder', {}),
      show: async (name) => {
        await call('showRecording', { name });
      },
      create: async (name) => (await call('createRecording', { name })).file,
      write: async (file, position, bytes) => {
        await call('writeRecording', { file, position, bytes });
      },
      close: async (file) => {
        await call('closeRecording', { file });
      },
      list: async () => (await call('listRecordings', {})).files,
      read: async (name, from, to) => (await call('readRecording', { name, from, to })).bytes,
      mend: async (name, keepBytes, index) => {
        await call('mendRecording', { name, keepBytes, index });
      },
      writeNote: async (name, text) => {
        await call('writeRecordingNote', { name, text });
      },
      remove: async (name) => {
        await call('removeRecording', { name });
      },
    },
  };
};
