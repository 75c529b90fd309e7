// The typed channel between two parts of the product: a page and the server, or the control plane and a media node.
// It owns the handshake, parsing, validation, role check, correlation, time-outs, limits and error mapping.
// It does not know what the messages mean (messages.ts, node-api.ts) nor what carries them (a socket or a thread port).
import * as z from 'zod/mini';
import {
  AppError,
  closeCodes,
  closeReason,
  errorTable,
  isErrorCode,
  type CloseReason,
  type ErrorCode,
} from './errors.ts';

/** Whatever carries text both ways, in order. `close` must lead to the close listener being called once. */
export interface Wire {
  send(text: string): void;
  close(code: number, reason: string): void;
  onText(listener: (text: string) => void): void;
  onClose(listener: (code: number) => void): void;
  /** Characters or bytes accepted by `send` but not yet on their way; 0 where the carrier cannot tell. */
  backlog(): number;
}

/** Time as the channel sees it: milliseconds, and a timer that returns its own cancel. The real one or a test's. */
export interface Clock {
  now(): number;
  after(delayMs: number, run: () => void): () => void;
}

/** A request: who may call it, what it takes, what it gives. `timeoutMs` defaults to 10 s. */
export type RequestSpec = {
  readonly from: readonly string[];
  readonly params: z.ZodMiniType;
  readonly result: z.ZodMiniType;
  readonly timeoutMs?: number;
};

/** Everything two ends may say to each other. Requests go from client to server, events from server to client. */
export type Contract = {
  readonly name: string;
  readonly version: number;
  readonly requests: Readonly<Record<string, RequestSpec>>;
  readonly events: Readonly<Record<string, z.ZodMiniType>>;
};

export type RequestName<C extends Contract> = Extract<keyof C['requests'], string>;
export type EventName<C extends Contract> = Extract<keyof C['events'], string>;
export type Params<C extends Contract, N extends RequestName<C>> = z.output<C['requests'][N]['params']>;
export type ParamsInput<C extends Contract, N extends RequestName<C>> = z.input<C['requests'][N]['params']>;
export type Result<C extends Contract, N extends RequestName<C>> = z.output<C['requests'][N]['result']>;
export type Payload<C extends Contract, N extends EventName<C>> = z.output<C['events'][N]>;
export type RoleOf<C extends Contract> = C['requests'][RequestName<C>]['from'][number];

/** One handler for every request of the contract: a forgotten one does not compile. */
export type Handlers<C extends Contract> = {
  [N in RequestName<C>]: (params: Params<C, N>) => Result<C, N> | Promise<Result<C, N>>;
};

/** What a stranger may send at most. Crossing a limit closes the channel, except `maxPending`, which answers `limit`. */
export type Limits = {
  readonly maxMessageChars: number;
  readonly maxPending: number;
  /** Token bucket: `burst` messages at once, refilled at `perSecond`. */
  readonly perSecond: number;
  readonly burst: number;
  readonly handshakeTimeoutMs: number;
  /** A client that lets this many characters pile up is too slow to follow the show and is closed. */
  readonly maxBacklogChars: number;
};

export const strangerLimits: Limits = {
  maxMessageChars: 64 * 1024,
  maxPending: 32,
  perSecond: 20,
  burst: 80,
  handshakeTimeoutMs: 5_000,
  maxBacklogChars: 1024 * 1024,
};

/** Between our own threads: large, but not endless. */
export const trustedLimits: Limits = {
  maxMessageChars: 4 * 1024 * 1024,
  maxPending: 10_000,
  perSecond: 100_000,
  burst: 100_000,
  handshakeTimeoutMs: 20_000,
  maxBacklogChars: Number.MAX_SAFE_INTEGER,
};

export const heartbeatMs = 4_000;
/** Three missed heartbeats: the far end is gone even if the carrier says otherwise. */
export const silenceMs = 3 * heartbeatMs + 500;
const defaultTimeoutMs = 10_000;

// Frames are told apart by their only (or first) key; one letter each, as they are sent per viewer.
const helloFrame = z.object({ hello: z.string().check(z.maxLength(64)), v: z.int() });
const requestFrame = z.object({
  q: z.int().check(z.minimum(1)),
  m: z.string().check(z.maxLength(64)),
  p: z.optional(z.unknown()),
});
const welcomeFrame = z.object({ welcome: z.int() });
const resultFrame = z.object({ r: z.int(), ok: z.optional(z.unknown()) });
const errorFrame = z.object({
  r: z.int(),
  e: z.object({ code: z.string().check(z.maxLength(64)), message: z.string().check(z.maxLength(1_000)) }),
});
const eventFrame = z.object({ n: z.string().check(z.maxLength(64)), p: z.optional(z.unknown()) });
/** The server's clock, so that pages count down by it. */
const beatFrame = z.object({ beat: z.number() });
const inboundAtClient = z.union([welcomeFrame, errorFrame, resultFrame, eventFrame, beatFrame]);
const inboundAtServer = z.union([helloFrame, requestFrame]);

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // No JSON value parses to undefined, so the schema refuses it.
  }
};

/** One sentence that names the field at fault and what was expected there. */
export const describeIssues = (error: z.core.$ZodError): string =>
  error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.map(String).join('.') || 'message'}: ${issue.message}`)
    .join('; ')
    .slice(0, 900);

/** An event encoded once for many receivers of the same contract. */
export type EncodedEvent<C extends Contract> = { readonly contract: C; readonly text: string };

export const encodeEvent = <C extends Contract, N extends EventName<C>>(
  contract: C,
  name: N,
  payload: z.input<C['events'][N]>,
): EncodedEvent<C> => ({ contract, text: JSON.stringify({ n: name, p: payload }) });

export type ServerEnd<C extends Contract> = {
  /** For one event to many: one encoding, however many viewers. */
  emitEncoded(event: EncodedEvent<C>): void;
  emit<N extends EventName<C>>(name: N, payload: z.input<C['events'][N]>): void;
  close(reason: CloseReason, text?: string): void;
  /** Called once, however the channel ended. */
  onClose(listener: (reason: CloseReason) => void): void;
  snapshot(): ChannelSnapshot;
};

export type ChannelSnapshot = {
  state: 'handshake' | 'open' | 'closed';
  received: number;
  sent: number;
  pending: number;
  refused: number;
};

export type ServeOptions<C extends Contract> = {
  contract: C;
  wire: Wire;
  clock: Clock;
  handlers: Handlers<C>;
  /** Asked anew for every request, because `join` changes it. */
  role: () => RoleOf<C>;
  limits?: Limits;
  /** Told about thrown errors that are not an `AppError`: bugs. */
  onBug: (error: unknown, request: string) => void;
  /** Called when the versions agree: the moment for events that must come first. */
  onReady?: () => void;
};

/** The answering end. Refuses what `role` may not call with `forbidden`; closes on anything that is not the protocol. */
export const serveChannel = <C extends Contract>(options: ServeOptions<C>): ServerEnd<C> => {
  const { contract, wire, clock, handlers } = options;
  const requests: C['requests'] = contract.requests;
  const limits = options.limits ?? strangerLimits;
  const closeListeners: ((reason: CloseReason) => void)[] = [];
  let state: ChannelSnapshot['state'] = 'handshake';
  let endedAs: CloseReason | undefined;
  let tokens = limits.burst;
  let refilledAt = clock.now();
  const counts = { received: 0, sent: 0, pending: 0, refused: 0 };

  const ended = (reason: CloseReason) => {
    if (state === 'closed') return;
    state = 'closed';
    endedAs = reason;
    cancelHandshakeTimer();
    cancelBeat();
    for (const listener of closeListeners) listener(reason);
  };
  const close = (reason: CloseReason, text?: string) => {
    if (state === 'closed') return;
    wire.close(closeCodes[reason].code, (text ?? reason).slice(0, 100));
    ended(reason);
  };
  const sendText = (text: string) => {
    if (state === 'closed') return;
    if (wire.backlog() > limits.maxBacklogChars) return close('slow');
    counts.sent += 1;
    wire.send(text);
  };
  const send = (frame: object) => sendText(JSON.stringify(frame));

  const cancelHandshakeTimer = clock.after(limits.handshakeTimeoutMs, () => {
    if (state === 'handshake') close('handshakeTimeout');
  });
  let cancelBeat = () => {};
  const beat = () => {
    send({ beat: clock.now() });
    if (state === 'open') cancelBeat = clock.after(heartbeatMs, beat);
  };

  const withinRate = (): boolean => {
    const now = clock.now();
    tokens = Math.min(limits.burst, tokens + ((now - refilledAt) / 1000) * limits.perSecond);
    refilledAt = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };

  const refuse = (id: number, code: ErrorCode, message?: string) => {
    counts.refused += 1;
    send({ r: id, e: { code, message: (message ?? errorTable[code].text).slice(0, 1_000) } });
  };

  const isRequestName = (name: string): name is RequestName<C> => Object.hasOwn(contract.requests, name);

  // N ties the params that were parsed to the handler that takes them.
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters
  const answer = async <N extends RequestName<C>>(id: number, name: N, raw: unknown) => {
    const spec = requests[name];
    if (!spec) return refuse(id, 'unknownRequest');
    if (!spec.from.includes(options.role())) return refuse(id, 'forbidden');
    if (counts.pending >= limits.maxPending) return refuse(id, 'limit', 'Too many requests at once.');
    const params = z.safeParse<C['requests'][N]['params']>(spec.params, raw ?? {});
    if (!params.success) return refuse(id, 'invalidParams', describeIssues(params.error));
    counts.pending += 1;
    try {
      send({ r: id, ok: await handlers[name](params.data) });
    } catch (error) {
      if (error instanceof AppError) return refuse(id, error.code, error.message);
      options.onBug(error, name);
      refuse(id, 'internal');
    } finally {
      counts.pending -= 1;
    }
  };

  wire.onText((text) => {
    if (state === 'closed') return;
    counts.received += 1;
    if (text.length > limits.maxMessageChars) return close('tooBig');
    if (!withinRate()) return close('flood');
    const frame = z.safeParse(inboundAtServer, parseJson(text));
    if (!frame.success) return close('malformed');
    if ('hello' in frame.data) {
      if (state !== 'handshake') return close('malformed');
      if (frame.data.hello !== contract.name || frame.data.v !== contract.version) {
        return close('version', `This server speaks version ${contract.version}. Reload the page.`);
      }
      state = 'open';
      cancelHandshakeTimer();
      send({ welcome: contract.version });
      options.onReady?.();
      beat();
      return;
    }
    if (state === 'handshake') return close('malformed', 'hello must come first');
    const { q, m, p } = frame.data;
    if (!isRequestName(m)) return refuse(q, 'unknownRequest');
    void answer(q, m, p);
  });
  // Only a page that says goodbye is done; everything else may come back.
  wire.onClose((code) => ended(closeReason(code) === 'done' ? 'done' : 'lost'));

  return {
    emit: (name, payload) => sendText(encodeEvent(contract, name, payload).text),
    emitEncoded: (event) => sendText(event.text),
    close,
    onClose: (listener) => {
      if (endedAs) listener(endedAs);
      else closeListeners.push(listener);
    },
    snapshot: () => ({ state, ...counts }),
  };
};

export type ClientEnd<C extends Contract> = {
  /** Resolves with the validated result; rejects with an `AppError` (`timeout`, `closed` or what the server said). */
  call<N extends RequestName<C>>(name: N, params: ParamsInput<C, N>): Promise<Result<C, N>>;
  /** Returns its own unsubscribe. */
  on<N extends EventName<C>>(name: N, listener: (payload: Payload<C, N>) => void): () => void;
  onClose(listener: (reason: CloseReason) => void): void;
  /** Server clock minus local clock in milliseconds, as of the last heartbeat. */
  clockOffsetMs(): number;
  close(reason?: CloseReason): void;
  snapshot(): ChannelSnapshot;
};

export type ConnectOptions<C extends Contract> = {
  contract: C;
  wire: Wire;
  clock: Clock;
  /** How long the far end may take to its first word; longer than usual for one that is still starting. */
  firstWordMs?: number;
  /** The far end sent something outside the contract; the message is dropped. */
  onViolation: (what: string) => void;
};

/** The asking end. Requests may be sent at once: they travel behind the hello. */
export const connectChannel = <C extends Contract>(options: ConnectOptions<C>): ClientEnd<C> => {
  const { contract, wire, clock, firstWordMs = silenceMs } = options;
  const requests: C['requests'] = contract.requests;
  const events: C['events'] = contract.events;
  type Pending = { done: (raw: unknown) => void; failed: (error: AppError) => void };
  const pending = new Map<number, Pending>();
  const listeners = new Map<string, Set<(raw: unknown) => void>>();
  const closeListeners: ((reason: CloseReason) => void)[] = [];
  let state: ChannelSnapshot['state'] = 'handshake';
  let endedAs: CloseReason | undefined;
  let nextId = 1;
  let offsetMs = 0;
  const counts = { received: 0, sent: 0, refused: 0 };

  const ended = (reason: CloseReason) => {
    if (state === 'closed') return;
    state = 'closed';
    endedAs = reason;
    cancelSilence();
    for (const request of pending.values()) request.failed(new AppError('closed'));
    pending.clear();
    for (const listener of closeListeners) listener(reason);
  };
  const close = (reason: CloseReason = 'done') => {
    if (state === 'closed') return;
    wire.close(closeCodes[reason].code, reason);
    ended(reason);
  };
  const send = (frame: object) => {
    counts.sent += 1;
    wire.send(JSON.stringify(frame));
  };

  let heardAt = clock.now();
  // One timer for the life of the channel, not one per message: it looks at when something was last heard.
  const watchSilence = (): (() => void) =>
    clock.after(silenceMs / 4, () => {
      const patienceMs = state === 'open' ? silenceMs : firstWordMs;
      if (clock.now() - heardAt > patienceMs) close('lost');
      else cancelSilence = watchSilence();
    });
  let cancelSilence = watchSilence();

  const settle = (id: number, finish: (request: Pending) => void) => {
    const request = pending.get(id);
    if (!request) return; // Answered after its time-out.
    pending.delete(id);
    finish(request);
  };

  wire.onText((text) => {
    if (state === 'closed') return;
    counts.received += 1;
    heardAt = clock.now();
    const frame = z.safeParse(inboundAtClient, parseJson(text));
    if (!frame.success) return options.onViolation('a message that is no frame');
    const data = frame.data;
    if ('welcome' in data) state = 'open';
    else if ('beat' in data) offsetMs = data.beat - clock.now();
    else if ('e' in data) {
      counts.refused += 1;
      const { code, message } = data.e;
      settle(data.r, (request) =>
        request.failed(new AppError(isErrorCode(code) ? code : 'internal', message)),
      );
    } else if ('r' in data) {
      settle(data.r, (request) => request.done(data.ok ?? {}));
    } else if (Object.hasOwn(contract.events, data.n)) {
      for (const listener of listeners.get(data.n) ?? []) listener(data.p);
    } else options.onViolation(`unknown event ${data.n}`);
  });
  wire.onClose((code) => ended(closeReason(code)));
  send({ hello: contract.name, v: contract.version });

  return {
    call: <N extends RequestName<C>>(name: N, params: ParamsInput<C, N>) =>
      new Promise<Result<C, N>>((resolve, reject) => {
        if (state === 'closed') return reject(new AppError('closed'));
        const spec = requests[name];
        if (!spec) return reject(new AppError('unknownRequest'));
        const id = nextId++;
        const cancel = clock.after(spec.timeoutMs ?? defaultTimeoutMs, () =>
          settle(id, (request) => request.failed(new AppError('timeout'))),
        );
        pending.set(id, {
          done: (raw) => {
            cancel();
            const result = z.safeParse<C['requests'][N]['result']>(spec.result, raw);
            if (result.success) return resolve(result.data);
            options.onViolation(`result of ${name}: ${describeIssues(result.error)}`);
            reject(new AppError('malformed'));
          },
          failed: (error) => {
            cancel();
            reject(error);
          },
        });
        send({ q: id, m: name, p: params });
      }),
    on: <N extends EventName<C>>(name: N, listener: (payload: Payload<C, N>) => void) => {
      const schema = events[name];
      const set = listeners.get(name) ?? new Set();
      const validated = (raw: unknown) => {
        const payload = z.safeParse<C['events'][N]>(schema, raw);
        if (payload.success) listener(payload.data);
        else options.onViolation(`event ${name}: ${describeIssues(payload.error)}`);
      };
      listeners.set(name, set);
      set.add(validated);
      return () => void set.delete(validated);
    },
    onClose: (listener) => {
      if (endedAs) listener(endedAs);
      else closeListeners.push(listener);
    },
    clockOffsetMs: () => offsetMs,
    close,
    snapshot: () => ({ state, pending: pending.size, ...counts }),
  };
};
