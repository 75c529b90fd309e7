// What this studio remembers of itself on this machine, and what follows from the chosen size of the program: the compositor's
// output and what is sent of it.
// Not its job: devices (picture-sources.ts, sound.ts), scenes (production-desk.ts), or the page's layout (layout.ts).
import { layerBitrates } from '../session/media-part.ts';
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { Output } from './media/scene.ts';

export const studioSettings = z.object({
  quality: z.enum(['360p', '720p']),
});
export type StudioSettings = z.infer<typeof studioSettings>;

const defaultSettings: StudioSettings = { quality: '360p' };

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

export interface Settings {
  readonly store: StoreApi<StudioSettings>;
  /** Kept on this machine at once. */
  change(change: Partial<StudioSettings>): void;
}

export const createSettings = (storage: Storage = localStorage): Settings => {
  const store = createStore<StudioSettings>(() => readSettings(storage));
  return {
    store,
    change: (change) => {
      store.setState(change);
      writeSettings(store.getState(), storage);
    },
  };
};
