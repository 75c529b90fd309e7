// Cameras and microphones by role ("Cam A", "Lav L"): opened with a time-out, remembered, taken again when replugged,
// and never silently swapped for another device. What goes wrong comes back as a sentence for the director.
// Not its job: what is done with a track (compositor.ts, mixer.ts), or asking the director which device to use.

import * as z from 'zod/mini';

export type DeviceKind = 'camera' | 'microphone';

/** What tells one device from another. Ids are stable for an origin; label and group find it again when they change. */
export interface DeviceIdentity {
  readonly deviceId: string;
  readonly groupId: string;
  readonly label: string;
}

/** Why a device is not open; `sentence` says what the director may do. */
export interface DeviceProblem {
  readonly kind: 'denied' | 'insecure' | 'none' | 'busy' | 'timed-out' | 'gone' | 'cancelled' | 'unknown';
  readonly sentence: string;
}

export type OpenResult =
  | { readonly ok: true; readonly track: MediaStreamTrack; readonly identity: DeviceIdentity }
  | { readonly ok: false; readonly problem: DeviceProblem };

/** Where roles are remembered; `localStorage` fits. */
export interface DeviceMemory {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

interface OpenOptions {
  /** The director's word for this input; the device is remembered under it, unless `key` says otherwise. */
  readonly role: string;
  /** What the device is remembered under where the director may change the word. */
  readonly key?: string;
  /** The device the director chose. Without it: the one remembered for the role, else the browser's default. */
  readonly deviceId?: string;
  /** Includes the time the browser's permission question is on screen. Default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly memory?: DeviceMemory;
  /** Finds the remembered device among those present; {@link findSame} unless several roles have like devices. */
  readonly same?: SameDevice;
}

export type SameDevice = (
  wanted: DeviceIdentity,
  present: readonly DeviceIdentity[],
) => DeviceIdentity | undefined;

export interface CameraOptions extends OpenOptions {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
}

export interface MicrophoneOptions extends OpenOptions {
  /** `music` leaves the sound as it is (lavaliers, mixers); `speech` cancels echo and noise (laptop microphones). */
  readonly processing: 'music' | 'speech';
}

const defaultTimeoutMs = 10_000;
const memoryKey = 'studio.devices';
const identitySchema = z.object({ deviceId: z.string(), groupId: z.string(), label: z.string() });
const memorySchema = z.record(z.string(), identitySchema);

/** Opens a camera. Never rejects: what goes wrong is in the result. */
export async function openCamera(options: CameraOptions): Promise<OpenResult> {
  const { width, height, fps } = options;
  return open('camera', options, {
    width: { ideal: width },
    height: { ideal: height },
    frameRate: { ideal: fps },
  });
}

/** Opens a microphone. Never rejects: what goes wrong is in the result. */
export async function openMicrophone(options: MicrophoneOptions): Promise<OpenResult> {
  const speech = options.processing === 'speech';
  return open('microphone', options, {
    echoCancellation: speech,
    noiseSuppression: speech,
    autoGainControl: speech,
    channelCount: { ideal: speech ? 1 : 2 },
    sampleRate: { ideal: 48_000 },
  });
}

/** The devices of a kind. Labels and ids are empty until the director has allowed one device. */
export async function listDevices(kind: DeviceKind): Promise<readonly DeviceIdentity[]> {
  return (await listWithAliases(kind)).filter(({ deviceId }) => !isAlias(deviceId));
}

async function listWithAliases(kind: DeviceKind): Promise<readonly DeviceIdentity[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const wanted = kind === 'camera' ? 'videoinput' : 'audioinput';
  return devices
    .filter((device) => device.kind === wanted)
    .map(({ deviceId, groupId, label }) => ({ deviceId, groupId, label }));
}

/** Where to look for a device again. Some systems never tell which device their default is: that one is its alias. */
const listFor = (kind: DeviceKind, identity: DeviceIdentity): Promise<readonly DeviceIdentity[]> =>
  isAlias(identity.deviceId) ? listWithAliases(kind) : listDevices(kind);

/** Chromium lists "default" and "communications" beside the real devices; they change their meaning with the system's. */
const isAlias = (deviceId: string): boolean => deviceId === 'default' || deviceId === 'communications';

/** The same device in a new list: by id, else by label and group together. Never by label alone. */
export function findSame(
  wanted: DeviceIdentity,
  present: readonly DeviceIdentity[],
): DeviceIdentity | undefined {
  return (
    present.find(({ deviceId, label }) => deviceId === wanted.deviceId && label === wanted.label) ??
    present.find(({ label, groupId }) => label === wanted.label && groupId === wanted.groupId)
  );
}

/** The device remembered for a role, or null. A damaged memory counts as an empty one. */
export function recallDevice(role: string, memory: DeviceMemory = localStorage): DeviceIdentity | null {
  return readMemory(memory)[role] ?? null;
}

function readMemory(memory: DeviceMemory): Record<string, DeviceIdentity> {
  let stored: unknown;
  try {
    stored = JSON.parse(memory.getItem(memoryKey) ?? '{}');
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
  const parsed = memorySchema.safeParse(stored);
  return parsed.success ? parsed.data : {};
}

function remember(role: string, identity: DeviceIdentity, memory: DeviceMemory): void {
  memory.setItem(memoryKey, JSON.stringify({ ...readMemory(memory), [role]: identity }));
}

async function open(
  kind: DeviceKind,
  options: OpenOptions,
  constraints: MediaTrackConstraints,
): Promise<OpenResult> {
  const { role, key = role, timeoutMs = defaultTimeoutMs, memory = localStorage } = options;
  // The type says always present; pages without https have none.
  const devices: MediaDevices | undefined = navigator.mediaDevices;
  if (devices === undefined) return refuse('insecure', kind, role);

  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  try {
    const deviceId = options.deviceId ?? (await rememberedId(kind, key, memory, options.same ?? findSame));
    if (deviceId === null) return refuse('gone', kind, role, recallDevice(key, memory)?.label);
    const exact = deviceId === undefined ? {} : { deviceId: { exact: deviceId } };
    const wanted = { ...constraints, ...exact };
    const stream = await withSignal(
      devices.getUserMedia(kind === 'camera' ? { video: wanted } : { audio: wanted }),
      signal,
      stopStream,
    );
    const [track] = stream.getTracks();
    if (track === undefined) return refuse('unknown', kind, role, 'no track was delivered');
    const identity = await identityOf(kind, track);
    remember(key, identity, memory);
    return { ok: true, track, identity };
  } catch (error) {
    if (timeout.aborted) return refuse('timed-out', kind, role, String(Math.round(timeoutMs / 1000)));
    if (options.signal?.aborted === true) return refuse('cancelled', kind, role);
    return refuse(problemKind(error), kind, role, error instanceof Error ? error.message : String(error));
  }
}

/** Undefined: nothing remembered, any device will do. Null: remembered, but not here. */
async function rememberedId(
  kind: DeviceKind,
  key: string,
  memory: DeviceMemory,
  same: SameDevice,
): Promise<string | null | undefined> {
  const remembered = recallDevice(key, memory);
  if (remembered === null) return undefined;
  const present = await listFor(kind, remembered);
  // Before the first permission the list has no names: asking for the remembered id then finds out.
  if (present.some(({ label }) => label === '')) return remembered.deviceId;
  return same(remembered, present)?.deviceId ?? null;
}

async function identityOf(kind: DeviceKind, track: MediaStreamTrack): Promise<DeviceIdentity> {
  const { deviceId = '', groupId = '' } = track.getSettings();
  const real = isAlias(deviceId) ? await behindAlias(kind, groupId) : undefined;
  return real ?? { deviceId, groupId, label: track.label };
}

/** The device an alias stands for, if that can be told: the only one there is, where the system does not say. */
async function behindAlias(kind: DeviceKind, groupId: string): Promise<DeviceIdentity | undefined> {
  const devices = await listDevices(kind);
  return (
    devices.find((device) => device.groupId === groupId) ?? (devices.length === 1 ? devices[0] : undefined)
  );
}

/** Waits for the promise unless the signal comes first; what arrives too late is handed to `discard`. */
async function withSignal<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  discard: (late: T) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const giveUp = (): void => {
      reject(signal.reason instanceof Error ? signal.reason : new Error('given up'));
      promise.then(discard, () => undefined);
    };
    if (signal.aborted) {
      giveUp();
      return;
    }
    signal.addEventListener('abort', giveUp, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}

function stopStream(stream: MediaStream): void {
  stream.getTracks().forEach((track) => track.stop());
}

function problemKind(error: unknown): DeviceProblem['kind'] {
  switch (error instanceof Error ? error.name : '') {
    case 'NotAllowedError':
      return 'denied';
    case 'SecurityError':
      return 'insecure';
    case 'NotFoundError':
      return 'none';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    case 'OverconstrainedError':
      return 'gone';
    default:
      return 'unknown';
  }
}

function refuse(problem: DeviceProblem['kind'], kind: DeviceKind, role: string, detail = ''): OpenResult {
  return { ok: false, problem: { kind: problem, sentence: sentenceFor(problem, kind, role, detail) } };
}

function sentenceFor(problem: DeviceProblem['kind'], kind: DeviceKind, role: string, detail: string): string {
  switch (problem) {
    case 'denied':
      return `${role}: the ${kind} is not allowed. Allow it for this page in the browser and in the system's privacy settings, then try again.`;
    case 'insecure':
      return `${role}: the browser gives no ${kind} to an insecure page. Open the studio by https or on this computer.`;
    case 'none':
      return `${role}: no ${kind} is connected. Plug one in and try again.`;
    case 'busy':
      return `${role}: another program is using the ${kind}, or it does not answer. Close that program, or unplug the ${kind} and plug it in again.`;
    case 'timed-out':
      return `${role}: the ${kind} did not open within ${detail} s. Answer the browser's question if it asks, or unplug the ${kind} and plug it in again.`;
    case 'gone':
      return `${role}: its ${kind} is not connected. Plug it in again, or choose another for ${role}.`;
    case 'cancelled':
      return `${role}: opening the ${kind} was cancelled.`;
    case 'unknown':
      return `${role}: the ${kind} could not be opened (${detail}). Try again, or choose another.`;
  }
}

// Slots

export type SlotState =
  | { readonly kind: 'empty' }
  | { readonly kind: 'opening' }
  | { readonly kind: 'live'; readonly track: MediaStreamTrack; readonly identity: DeviceIdentity }
  /** It was there and went; it is taken again as soon as the same device is back. */
  | { readonly kind: 'unplugged'; readonly identity: DeviceIdentity; readonly sinceMs: number }
  | { readonly kind: 'failed'; readonly problem: DeviceProblem };

export interface DeviceSlotOptions {
  readonly kind: DeviceKind;
  /** What its device is remembered under. */
  readonly role: string;
  /** Opens the device; `openCamera` or `openMicrophone` with the caller's wishes. */
  readonly open: (request: { deviceId?: string; signal: AbortSignal }) => Promise<OpenResult>;
  /** Every new track: the first and each after a replug. It replaces the one before in place. */
  readonly onTrack: (track: MediaStreamTrack) => void;
  readonly onState: (state: SlotState) => void;
  readonly memory?: DeviceMemory;
  /** As in `open`. */
  readonly same?: SameDevice;
}

/** One input of the studio, with the device that belongs to it. */
export interface DeviceSlot {
  readonly role: string;
  /** Opens the chosen, remembered or default device; ends any earlier one first. */
  open(deviceId?: string): Promise<SlotState>;
  /** Lets the device go. The slot may be opened again. */
  empty(): void;
  /** Lets the device go and stops watching for it. */
  close(): void;
  snapshot(): { readonly role: string; readonly kind: DeviceKind; readonly state: SlotState };
}

/** A device just plugged in may be listed before it answers. */
const replugRetryMs = [0, 250, 500, 1000, 2000, 4000];

/**
 * How often the list is looked at. Systems do not tell the browser of every change: with PulseAudio an unplugged
 * microphone's track stays live and is quietly moved to another source, and only the list shows it.
 */
const lookMs = 1000;

/** Makes a slot, empty until `open()`. */
export function createDeviceSlot(options: DeviceSlotOptions): DeviceSlot {
  const { kind, role, memory, same: findAgain = findSame } = options;
  let state: SlotState = { kind: 'empty' };
  let attempt = new AbortController();
  let replugging = false;
  let closed = false;

  const enter = (next: SlotState): SlotState => {
    state = next;
    if (!closed) options.onState(next);
    return next;
  };

  /** Ends what runs: a pending opening, a replug in progress, the open track. */
  const letGo = (): AbortController => {
    attempt.abort();
    attempt = new AbortController();
    if (state.kind === 'live') state.track.stop();
    return attempt;
  };

  const goLive = (track: MediaStreamTrack, identity: DeviceIdentity): SlotState => {
    // Not fired by our own stop(): the device went, or was taken from us.
    track.addEventListener('ended', () => {
      if (state.kind === 'live' && state.track === track) lose(identity);
    });
    const live = enter({ kind: 'live', track, identity });
    options.onTrack(track);
    return live;
  };

  const lose = (identity: DeviceIdentity): void => {
    letGo();
    enter({ kind: 'unplugged', identity, sinceMs: Date.now() });
    void takeAgain(identity);
  };

  /** Opens the same device again if it is listed; otherwise, and when another attempt runs, leaves all as it is. */
  const takeAgain = async (identity: DeviceIdentity): Promise<void> => {
    if (replugging) return;
    replugging = true;
    const { signal } = attempt;
    try {
      for (const waitMs of replugRetryMs) {
        await wait(waitMs, signal);
        const same = findAgain(identity, await listFor(kind, identity));
        if (signal.aborted || same === undefined) return;
        const result = await options.open({ deviceId: same.deviceId, signal });
        if (signal.aborted) {
          if (result.ok) result.track.stop();
          return;
        }
        if (result.ok) {
          goLive(result.track, result.identity);
          return;
        }
        if (result.problem.kind === 'denied' || waitMs === replugRetryMs.at(-1)) {
          enter({ kind: 'failed', problem: result.problem });
          return;
        }
      }
    } finally {
      replugging = false;
    }
  };

  const look = async (): Promise<void> => {
    if (state.kind === 'unplugged') {
      await takeAgain(state.identity);
      return;
    }
    if (state.kind !== 'live') return;
    const { identity } = state;
    const present = await listFor(kind, identity);
    // The list knows before the track ends, if that ever does.
    const stillLive = state.kind === 'live' && state.identity === identity;
    if (stillLive && findAgain(identity, present) === undefined) lose(identity);
  };
  const lookNow = (): void => void look();
  const devices: MediaDevices | undefined = navigator.mediaDevices;
  devices?.addEventListener('devicechange', lookNow);
  const looking = setInterval(lookNow, lookMs);

  return {
    role,

    async open(deviceId) {
      const { signal } = letGo();
      enter({ kind: 'opening' });
      const result = await options.open(deviceId === undefined ? { signal } : { deviceId, signal });
      if (signal.aborted) {
        if (result.ok) result.track.stop();
        return state;
      }
      if (result.ok) return goLive(result.track, result.identity);
      const remembered = deviceId === undefined ? recallDevice(role, memory) : null;
      if (result.problem.kind === 'gone' && remembered !== null) {
        return enter({ kind: 'unplugged', identity: remembered, sinceMs: Date.now() });
      }
      return enter({ kind: 'failed', problem: result.problem });
    },

    empty() {
      letGo();
      enter({ kind: 'empty' });
    },

    close() {
      if (closed) return;
      closed = true;
      letGo();
      state = { kind: 'empty' };
      clearInterval(looking);
      devices?.removeEventListener('devicechange', lookNow);
    },

    snapshot: () => ({ role, kind, state }),
  };
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
