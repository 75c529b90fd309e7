// The stingers at hand: decodes each file for each output's size, one after another, and finds the drawing for a moment.
// Not its job: decoding (stinger.ts), or when one runs (switcher.ts).

import type { PlacedDrawing } from './backend.ts';
import type { Size } from './scene.ts';
import type { Stingers } from './stage.ts';
import type { StingerClip } from './stinger.ts';
import { stingerAt } from './stinger.ts';

export interface StingerStore extends Stingers {
  /** Null takes it away. */
  set(stingerId: string, file: Blob | null): void;
  /** Stingers are made ready for outputs of this size, too. */
  addSize(size: Size): void;
  /** The output is closed: what was made for it is let go. */
  removeSize(size: Size): void;
}

export type StingerReport =
  /** Decoded for every output there is. */
  | { readonly kind: 'ready'; readonly lengthMs: number }
  /** `sentence`: why the file cannot be a stinger, and what to do. */
  | { readonly kind: 'failed'; readonly sentence: string };

interface Stinger {
  readonly file: Blob;
  readonly clips: Map<string, StingerClip | 'decoding'>;
}

/** Each may take 96 MB at each size. */
const mostStingers = 3;

export function createStingerStore(
  decode: (file: Blob, size: Size) => Promise<StingerClip>,
  onReport: (stingerId: string, stinger: StingerReport) => void,
): StingerStore {
  const stingers = new Map<string, Stinger>();
  const sizes = new Map<string, { readonly size: Size; outputs: number }>();
  const keyOf = ({ width, height }: Size): string => `${width}×${height}`;

  const makeReady = (): void => {
    for (const [stingerId, { file, clips }] of stingers) {
      for (const [key, { size }] of sizes) {
        if (clips.has(key)) continue;
        clips.set(key, 'decoding');
        void decodeFor(stingerId, file, clips, key, size);
      }
    }
  };

  const decodeFor = async (
    stingerId: string,
    file: Blob,
    clips: Stinger['clips'],
    key: string,
    size: Size,
  ): Promise<void> => {
    try {
      const clip = await decode(file, size);
      if (clips.get(key) !== 'decoding') return;
      clips.set(key, clip);
      const isReady = ![...clips.values()].includes('decoding');
      if (isReady && stingers.get(stingerId)?.file === file) {
        onReport(stingerId, { kind: 'ready', lengthMs: clip.lengthMs });
      }
    } catch (error) {
      // Told once, however many sizes it was wanted in.
      if (stingers.get(stingerId)?.file !== file) return;
      stingers.delete(stingerId);
      onReport(stingerId, {
        kind: 'failed',
        sentence: error instanceof Error ? error.message : String(error),
      });
    }
  };

  const clipOf = (stingerId: string, key: string): StingerClip | null => {
    const clip = stingers.get(stingerId)?.clips.get(key);
    return clip === undefined || clip === 'decoding' ? null : clip;
  };

  return {
    set(stingerId, file) {
      stingers.delete(stingerId);
      if (file === null) return;
      const [oldest] = stingers.keys();
      if (stingers.size >= mostStingers && oldest !== undefined) stingers.delete(oldest);
      stingers.set(stingerId, { file, clips: new Map() });
      makeReady();
    },
    addSize(size) {
      const outputs = (sizes.get(keyOf(size))?.outputs ?? 0) + 1;
      sizes.set(keyOf(size), { size, outputs });
      makeReady();
    },
    removeSize(size) {
      const kept = sizes.get(keyOf(size));
      if (kept !== undefined) kept.outputs--;
      if (kept !== undefined && kept.outputs > 0) return;
      sizes.delete(keyOf(size));
      for (const { clips } of stingers.values()) clips.delete(keyOf(size));
    },
    lengthMs(stingerId) {
      for (const key of sizes.keys()) {
        const clip = clipOf(stingerId, key);
        if (clip !== null) return clip.lengthMs;
      }
      return null;
    },
    at(stingerId, atMs, size): PlacedDrawing | null {
      const clip = clipOf(stingerId, keyOf(size));
      const drawing = clip === null ? null : stingerAt(clip, atMs);
      return drawing === null ? null : { drawing, x: drawing.x, y: drawing.y, opacity: 1 };
    },
  };
}
