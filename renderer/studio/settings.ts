// What this studio remembers of itself on this machine, and what follows from the program's chosen size, shape and rate: the
// compositor's output and what is sent of it.
// Not its job: devices (picture-sources.ts, sound.ts), scenes (production-desk.ts), or the page's layout (layout.ts).
import { layerBitrates } from '../session/media-part.ts';
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { Output } from './media/scene.ts';

export const qualities = ['360p', '540p', '720p', '1080p'] as const;
/** Frames a second: film, PAL and NTSC worlds, and twice that. */
export const rates = [24, 25, 30, 50, 60] as const;

export const studioSettings = z.object({
  /** The program's size, by the shorter side as people know it. */
  quality: z.enum(qualities),
  shape: z.prefault(z.enum(['landscape', 'portrait']), 'landscape'),
  fps: z.prefault(z.literal(rates), 30),
});
export type StudioSettings = z.infer<typeof studioSettings>;
/** What the program is made and sent as. */
export type ProgramFormat = Pick<StudioSettings, 'quality' | 'shape' | 'fps'>;

const defaultSettings: StudioSettings = { quality: '360p', shape: 'landscape', fps: 30 };

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

type Quality = StudioSettings['quality'];

/** Of 16:9; portrait is the same on its side. `kbps`: of the top layer at 30 frames a second. */
const sizes: Readonly<Record<Quality, { long: number; short: number; layers: 2 | 3; kbps: number }>> = {
  '360p': { long: 640, short: 360, layers: 2, kbps: 800 },
  '540p': { long: 960, short: 540, layers: 2, kbps: 1_300 },
  '720p': { long: 1280, short: 720, layers: 3, kbps: 2_000 },
  '1080p': { long: 1920, short: 1080, layers: 3, kbps: 4_000 },
};

export const outputFor = ({ quality, shape, fps }: ProgramFormat): Output => {
  const { long, short } = sizes[quality];
  return shape === 'portrait' ? { width: short, height: long, fps } : { width: long, height: short, fps };
};

/** Twice the pictures are less than twice the data: neighbours are more alike. */
const fastShare = 1.4;

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

export const programSend = ({ quality, fps }: ProgramFormat): ProgramSend => {
  const { short: height, layers, kbps } = sizes[quality];
  const videoKbps = fps > 30 ? kbps * fastShare : kbps;
  const audioKbps = 128;
  const bitrates = layerBitrates(layers, videoKbps).map((bitrate) => bitrate / 1000);
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
