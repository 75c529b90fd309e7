// The studio's own camera and microphones: which device plays which role, how each microphone is mixed, and their way
// into compositor and mixer. What the director chose is kept on this machine and opened again by itself.
// Not its job: how a device is opened or found again (ui/devices.ts), or what is shown of it (the panels).
import { layerBitrates } from '../session/media-part.ts';
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { InputReport } from './health.ts';
import type { Compositor, SourceStats } from './media/compositor.ts';
import {
  createDeviceSlot,
  listDevices,
  openCamera,
  openMicrophone,
  recallDevice,
  type DeviceIdentity,
  type DeviceSlot,
  type SlotState,
} from '../ui/devices.ts';
import type { Mixer } from './media/mixer.ts';
import type { Output } from './media/scene.ts';
import {
  createSoundJudge,
  type PictureHealth,
  type SoundHealth,
  type SoundJudge,
} from './media/source-health.ts';

export const cameraRole = 'Cam A';
export const micRoles = ['Lav L', 'Lav R'] as const;
export type MicRole = (typeof micRoles)[number];
export type InputRole = typeof cameraRole | MicRole;

const micSettings = z.object({
  /** One side of a stereo device may carry a lavalier of its own. */
  mode: z.enum(['stereo', 'left', 'right']),
  gainDb: z.number().check(z.minimum(-24), z.maximum(24)),
  muted: z.boolean(),
  /** `music`: the sound as it is. `speech`: echo and noise cancelled, for a microphone near a loudspeaker. */
  processing: z.enum(['music', 'speech']),
});
export type MicSettings = z.infer<typeof micSettings>;

export const studioSettings = z.object({
  quality: z.enum(['360p', '720p']),
  camera: z.boolean(),
  mics: z.object({ 'Lav L': micSettings, 'Lav R': micSettings }),
  /** Roles opened when the page opens: those in use when it was last closed. */
  micsInUse: z.array(z.enum(micRoles)),
  lowerThird: z.object({ title: z.string(), subtitle: z.string() }),
});
export type StudioSettings = z.infer<typeof studioSettings>;

const defaultMic: MicSettings = { mode: 'stereo', gainDb: 0, muted: false, processing: 'music' };
const defaultSettings: StudioSettings = {
  quality: '360p',
  camera: false,
  mics: { 'Lav L': defaultMic, 'Lav R': defaultMic },
  micsInUse: [],
  lowerThird: { title: '', subtitle: '' },
};

const settingsKey = 'studio.settings';

/** What this machine remembers; the defaults when there is nothing, or nothing that can be read. */
export const readSettings = (storage: Storage = localStorage): StudioSettings => {
  try {
    const stored = studioSettings.safeParse(JSON.parse(storage.getItem(settingsKey) ?? 'null'));
    return stored.success ? stored.data : defaultSettings;
  } catch (error) {
    if (error instanceof SyntaxError) return defaultSettings;
    throw error;
  }
};

export const writeSettings = (settings: StudioSettings, storage: Storage = localStorage): void =>
  storage.setItem(settingsKey, JSON.stringify(settings));

export const outputFor = (quality: Quality): Output =>
  quality === '720p' ? { width: 1280, height: 720, fps: 30 } : { width: 640, height: 360, fps: 30 };

/** The program's size, by the height people know it by. */
export type Quality = StudioSettings['quality'];

export type ProgramSend = {
  layers: 2 | 3;
  /** Of the top layer. */
  videoKbps: number;
  audioKbps: number;
  /** All of it together: what this page sends. */
  sendKbps: number;
  /** What a fan takes at each size, sound included, from low to high. */
  ladder: readonly { height: number; kbps: number }[];
};

export const programSend = (quality: Quality): ProgramSend => {
  const layers = quality === '720p' ? 3 : 2;
  const videoKbps = quality === '720p' ? 2_000 : 800;
  const audioKbps = 128;
  const bitrates = layerBitrates(layers, videoKbps).map((bitrate) => bitrate / 1000);
  const { height } = outputFor(quality);
  return {
    layers,
    videoKbps,
    audioKbps,
    sendKbps: Math.round(bitrates.reduce((sum, kbps) => sum + kbps, audioKbps)),
    ladder: bitrates.map((kbps, layer) => ({
      height: height / 2 ** (layers - 1 - layer),
      kbps: Math.round(kbps + audioKbps),
    })),
  };
};

export type InputsState = {
  camera: SlotState;
  mics: Readonly<Record<MicRole, SlotState>>;
  settings: StudioSettings;
  /** Devices to choose from; without names until one of a kind has been allowed. */
  cameras: readonly DeviceIdentity[];
  microphones: readonly DeviceIdentity[];
  /** The camera as the compositor receives it, once a second; null before. */
  cameraStats: SourceStats | null;
  /** What the media of each input says of it; `waiting` without a device. */
  cameraHealth: PictureHealth;
  micHealth: Readonly<Record<MicRole, SoundHealth>>;
};

export interface Inputs {
  readonly store: StoreApi<InputsState>;
  /** Whether this machine has been set up before, so that opening devices asks nobody anything. */
  readonly setUpBefore: boolean;
  /** Opens what was in use last time; on a fresh machine the default camera and one microphone. */
  openAll(): Promise<void>;
  /** Opens a device for a role: the given one, else the remembered or the default one. */
  open(role: InputRole, deviceId?: string): Promise<SlotState>;
  /** Lets the role's device go and does not open it again by itself. */
  empty(role: InputRole): void;
  setMic(role: MicRole, change: Partial<MicSettings>): void;
  setSettings(change: Partial<StudioSettings>): void;
  /** A camera picture has reached the compositor and its device is still there. */
  hasPicture(): boolean;
  report(role: InputRole): InputReport;
  close(): void;
  snapshot(): { slots: ReturnType<DeviceSlot['snapshot']>[]; settings: StudioSettings };
}

const isMic = (role: InputRole): role is MicRole => role !== cameraRole;

export const createInputs = (options: {
  compositor: Compositor;
  mixer: Mixer;
  output: Output;
  onTrouble: (text: string) => void;
}): Inputs => {
  const { compositor, mixer, output } = options;
  const settings = readSettings();
  const store = createStore<InputsState>(() => ({
    camera: { kind: 'empty' },
    mics: { 'Lav L': { kind: 'empty' }, 'Lav R': { kind: 'empty' } },
    settings,
    cameras: [],
    microphones: [],
    cameraStats: null,
    cameraHealth: { kind: 'waiting' },
    micHealth: { 'Lav L': { kind: 'waiting' }, 'Lav R': { kind: 'waiting' } },
  }));
  let closed = false;

  const setSettings = (change: Partial<StudioSettings>) => {
    const next = { ...store.getState().settings, ...change };
    store.setState({ settings: next });
    writeSettings(next);
  };

  const readLists = async () => {
    const [cameras, microphones] = await Promise.all([listDevices('camera'), listDevices('microphone')]);
    if (!closed) store.setState({ cameras, microphones });
  };
  const refreshLists = () => {
    readLists().catch((error: unknown) =>
      options.onTrouble(`The list of devices cannot be read (${String(error)}).`),
    );
  };

  const cameraSlot = createDeviceSlot({
    kind: 'camera',
    role: cameraRole,
    open: (request) => openCamera({ ...output, ...request, role: cameraRole }),
    onTrack: (track) => {
      compositor.addSource(cameraRole, track);
      setSettings({ camera: true });
    },
    onState: (camera) => {
      store.setState({ camera });
      refreshLists();
    },
  });

  const micIsMixed = (role: MicRole): boolean => Object.hasOwn(mixer.snapshot().inputs, role);
  const micSlot = (role: MicRole): DeviceSlot =>
    createDeviceSlot({
      kind: 'microphone',
      role,
      open: (request) =>
        openMicrophone({ ...request, role, processing: store.getState().settings.mics[role].processing }),
      onTrack: (track) => {
        const { settings } = store.getState();
        if (micIsMixed(role)) mixer.replaceTrack(role, track);
        else {
          const { mode, gainDb, muted } = settings.mics[role];
          mixer.addInput(role, track, { kind: 'local', mode, gainDb, muted });
        }
        setSettings({ micsInUse: [...new Set([...settings.micsInUse, role])] });
      },
      onState: (state) => {
        store.setState(({ mics }) => ({ mics: { ...mics, [role]: state } }));
        refreshLists();
      },
    });
  const micSlots: Readonly<Record<MicRole, DeviceSlot>> = {
    'Lav L': micSlot('Lav L'),
    'Lav R': micSlot('Lav R'),
  };
  const slotOf = (role: InputRole): DeviceSlot => (isMic(role) ? micSlots[role] : cameraSlot);
  const stateOf = (role: InputRole): SlotState => {
    const { camera, mics } = store.getState();
    return isMic(role) ? mics[role] : camera;
  };

  const stopStats = compositor.onStats(({ sources }) =>
    store.setState({ cameraStats: sources[cameraRole] ?? null }),
  );
  const stopPictureHealth = compositor.onHealth((sourceId, cameraHealth) => {
    if (sourceId === cameraRole) store.setState({ cameraHealth });
  });
  const soundJudges: Readonly<Record<MicRole, SoundJudge>> = {
    'Lav L': createSoundJudge(),
    'Lav R': createSoundJudge(),
  };
  const stopSoundHealth = mixer.onMeters((reading) => {
    const nowMs = Date.now();
    for (const role of micRoles) {
      const judge = soundJudges[role];
      const levels = reading.inputs[role];
      // The meter reads after the gain; a device is judged by what it delivers itself.
      if (levels) judge.reading(levels.peakDb - store.getState().settings.mics[role].gainDb, nowMs);
      else judge.restart();
      const health = judge.health(nowMs);
      const { micHealth } = store.getState();
      if (micHealth[role].kind !== health.kind)
        store.setState({ micHealth: { ...micHealth, [role]: health } });
    }
  });
  // Absent on pages that are neither https nor this machine; opening a device then says so.
  const devices: MediaDevices | undefined = navigator.mediaDevices;
  devices?.addEventListener('devicechange', refreshLists);
  if (devices) refreshLists();

  return {
    store,
    setUpBefore: settings.camera || settings.micsInUse.length > 0 || recallDevice(cameraRole) !== null,
    openAll: async () => {
      const { camera, micsInUse } = store.getState().settings;
      const fresh = !camera && micsInUse.length === 0;
      // One after another: two permission questions at once cover each other.
      if (camera || fresh) await cameraSlot.open();
      for (const role of fresh ? [micRoles[0]] : micsInUse) await micSlots[role].open();
    },
    open: (role, deviceId) => slotOf(role).open(deviceId),
    empty: (role) => {
      slotOf(role).empty();
      if (isMic(role)) {
        mixer.removeInput(role);
        const { micsInUse } = store.getState().settings;
        setSettings({ micsInUse: micsInUse.filter((each) => each !== role) });
      } else {
        compositor.removeSource(cameraRole);
        setSettings({ camera: false });
        store.setState({ cameraStats: null, cameraHealth: { kind: 'waiting' } });
      }
    },
    setMic: (role, change) => {
      const { mics } = store.getState().settings;
      const next = { ...mics[role], ...change };
      setSettings({ mics: { ...mics, [role]: next } });
      const { mode, gainDb, muted } = next;
      if (micIsMixed(role)) mixer.updateInput(role, { mode, gainDb, muted });
      const state = stateOf(role);
      // Processing is decided when a device is opened, so that change opens it anew; the mix keeps its input.
      if (change.processing !== undefined && state.kind === 'live')
        void micSlots[role].open(state.identity.deviceId);
    },
    setSettings,
    hasPicture: () => {
      const { camera, cameraStats } = store.getState();
      return camera.kind === 'live' && cameraStats?.lastFrameAgeMs !== null && cameraStats !== null;
    },
    report: (role) => {
      const state = stateOf(role);
      switch (state.kind) {
        case 'empty':
          return { kind: 'off' };
        case 'opening':
        case 'live':
          return { kind: state.kind };
        case 'unplugged':
          return { kind: 'unplugged', forMs: Date.now() - state.sinceMs };
        case 'failed':
          return { kind: 'failed', text: state.problem.sentence };
      }
    },
    close: () => {
      if (closed) return;
      closed = true;
      stopStats();
      stopPictureHealth();
      stopSoundHealth();
      devices?.removeEventListener('devicechange', refreshLists);
      for (const slot of [cameraSlot, ...Object.values(micSlots)]) slot.close();
    },
    snapshot: () => ({
      slots: [cameraSlot, ...Object.values(micSlots)].map((slot) => slot.snapshot()),
      settings: store.getState().settings,
    }),
  };
};
