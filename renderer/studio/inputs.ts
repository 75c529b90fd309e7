// The studio's own camera: which device plays its role, and its way into the compositor. What the director chose is kept
// on this machine and opened again by itself.
// Not its job: microphones (sound.ts), how a device is opened or found again (ui/devices.ts), or what is shown (the panels).
import { layerBitrates } from '../session/media-part.ts';
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { InputReport } from './health.ts';
import type { Compositor, SourceStats } from './media/compositor.ts';
import {
  createDeviceSlot,
  listDevices,
  openCamera,
  recallDevice,
  type DeviceIdentity,
  type DeviceSlot,
  type SlotState,
} from '../ui/devices.ts';
import type { Output } from './media/scene.ts';
import type { PictureHealth } from './media/source-health.ts';

export const cameraRole = 'Cam A';

export const studioSettings = z.object({
  quality: z.enum(['360p', '720p']),
  camera: z.boolean(),
  lowerThird: z.object({ title: z.string(), subtitle: z.string() }),
});
export type StudioSettings = z.infer<typeof studioSettings>;

const defaultSettings: StudioSettings = {
  quality: '360p',
  camera: false,
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
  settings: StudioSettings;
  /** Devices to choose from; without names until one of a kind has been allowed. */
  cameras: readonly DeviceIdentity[];
  /** The camera as the compositor receives it, once a second; null before. */
  cameraStats: SourceStats | null;
  /** What its pictures say of it; `waiting` without a device. */
  cameraHealth: PictureHealth;
};

export interface Inputs {
  readonly store: StoreApi<InputsState>;
  /** Whether a camera has been in use on this machine before, so that opening it asks nobody anything. */
  readonly setUpBefore: boolean;
  /** Opens the camera that was in use last time; `fresh`: the default one. */
  openAll(fresh: boolean): Promise<void>;
  /** Opens the given device, else the remembered or the default one. */
  open(deviceId?: string): Promise<SlotState>;
  /** Lets the camera go and does not open it again by itself. */
  empty(): void;
  setSettings(change: Partial<StudioSettings>): void;
  /** A camera picture has reached the compositor and its device is still there. */
  hasPicture(): boolean;
  report(): InputReport;
  close(): void;
  snapshot(): { slots: ReturnType<DeviceSlot['snapshot']>[]; settings: StudioSettings };
}

export const createInputs = (options: {
  compositor: Compositor;
  output: Output;
  onTrouble: (text: string) => void;
}): Inputs => {
  const { compositor, output } = options;
  const settings = readSettings();
  const store = createStore<InputsState>(() => ({
    camera: { kind: 'empty' },
    settings,
    cameras: [],
    cameraStats: null,
    cameraHealth: { kind: 'waiting' },
  }));
  let closed = false;

  const setSettings = (change: Partial<StudioSettings>) => {
    const next = { ...store.getState().settings, ...change };
    store.setState({ settings: next });
    writeSettings(next);
  };

  const readLists = async () => {
    const cameras = await listDevices('camera');
    if (!closed) store.setState({ cameras });
  };
  const refreshLists = () => {
    readLists().catch((error: unknown) =>
      options.onTrouble(`The list of cameras cannot be read (${String(error)}).`),
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

  const stopStats = compositor.onStats(({ sources }) =>
    store.setState({ cameraStats: sources[cameraRole] ?? null }),
  );
  const stopPictureHealth = compositor.onHealth((sourceId, cameraHealth) => {
    if (sourceId === cameraRole) store.setState({ cameraHealth });
  });
  // Absent on pages that are neither https nor this machine; opening a device then says so.
  const devices: MediaDevices | undefined = navigator.mediaDevices;
  devices?.addEventListener('devicechange', refreshLists);
  if (devices) refreshLists();

  return {
    store,
    setUpBefore: settings.camera || recallDevice(cameraRole) !== null,
    openAll: async (fresh) => {
      if (store.getState().settings.camera || fresh) await cameraSlot.open();
    },
    open: (deviceId) => cameraSlot.open(deviceId),
    empty: () => {
      cameraSlot.empty();
      compositor.removeSource(cameraRole);
      setSettings({ camera: false });
      store.setState({ cameraStats: null, cameraHealth: { kind: 'waiting' } });
    },
    setSettings,
    hasPicture: () => {
      const { camera, cameraStats } = store.getState();
      return camera.kind === 'live' && cameraStats?.lastFrameAgeMs !== null && cameraStats !== null;
    },
    report: () => {
      const state = store.getState().camera;
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
      devices?.removeEventListener('devicechange', refreshLists);
      cameraSlot.close();
    },
    snapshot: () => ({
      slots: [cameraSlot.snapshot()],
      settings: store.getState().settings,
    }),
  };
};
