// What a way to make pictures has to do, whether on the CPU or on a graphics card: keep the sources' latest pictures, and
// compose them into as many outputs as are open. One description, so that both are tested against the same pictures.
// Not its job: when a picture is due, where frames come from, or what moves (compositor.worker.ts, stage.ts).

import type { BakedGrade } from './grade.ts';
import type { Overlay } from './mixing.ts';
import type { Colour, Scene, Size } from './scene.ts';
import { isNeutral } from './scene.ts';
import type { PictureSample } from './source-health.ts';

/** Something drawn, ready for either backend. All numbers in output pixels, position and size even. */
export interface Drawing {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Straight alpha. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
  readonly planes: Overlay;
}

/** A drawing at its place of this moment, which may be partly outside the picture. */
export interface PlacedDrawing {
  readonly drawing: Drawing;
  /** Even. */
  readonly x: number;
  readonly y: number;
  /** 0..1. */
  readonly opacity: number;
}

/** Everything one frame shows. */
export interface Composition {
  readonly shot:
    | { readonly kind: 'scene'; readonly scene: Scene }
    | { readonly kind: 'fade' | 'wipe'; readonly from: Scene; readonly to: Scene; readonly amount: number };
  /** Fills the picture while a scene has no picture to show; null: the plain ground does. */
  readonly slate: Drawing | null;
  /** From the lowest to the highest. */
  readonly overlays: readonly PlacedDrawing[];
}

/** One output. */
export interface BackendView {
  /** Draws from the pictures at hand. The frame belongs to the caller. */
  compose(composition: Composition, timestampUs: number): VideoFrame;
  close(): void;
}

export interface Backend {
  readonly name: string;
  /** Takes the picture out of a frame; the caller still closes the frame. Calls for one source do not overlap. */
  ingest(sourceId: string, frame: VideoFrame): Promise<void>;
  /** Forgets a source's picture. */
  forget(sourceId: string): void;
  /** True when the source has a picture to show. */
  has(sourceId: string): boolean;
  /** A thin sample of a picture taken in lately; null before the first. */
  sample(sourceId: string): PictureSample | null;
  /** Makes a grade ready for layers whose {@link gradeKey} this is. Until then they show their last one. */
  setGrade(key: string, grade: BakedGrade): void;
  /** An output of even width and height. */
  openView(size: Size): BackendView;
  close(): void;
}

/** A backend that the machine may take away at any time. */
export interface FragileBackend extends Backend {
  /** True from then on: nothing it draws is right. */
  isLost(): boolean;
}

/** Baked grades that are kept: each is a megabyte, and a director who moves a slider makes many. */
export const mostGrades = 12;

/** What a layer's colour is baked under; null when it changes nothing. */
export function gradeKey(colour: Colour | null): string | null {
  if (colour === null || isNeutral(colour)) return null;
  const { exposureEv, contrast, saturation, temperature, lutId, lutAmount } = colour;
  return JSON.stringify([exposureEv, contrast, saturation, temperature, lutId, lutAmount]);
}

/** The studio's dark ground, and a place whose source has no picture yet; RGB 0..255. */
export const groundRgb = [0x0c, 0x0d, 0x10] as const;
export const emptyRgb = [0x15, 0x17, 0x1c] as const;
