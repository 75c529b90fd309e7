// Composes on the CPU: frames become I420 pictures in the program's colours, layers are cut and scaled once per frame,
// the overlay is blended last. Also states the interface any backend (a WebGL2 one later) has to meet.
// Not its job: when a picture is due, or where frames come from (compositor.worker.ts).

import type { FrameReader } from './frames.ts';
import { createFrameReader, toProgramFrame } from './frames.ts';
import type { Overlay, Picture, Scaler } from './i420.ts';
import {
  blendOverlay,
  copyPicture,
  createOverlay,
  createPicture,
  createScaler,
  fillArea,
  rgbToPicture,
  rgbToYuv,
} from './i420.ts';
import { drawOverlay, drawSlate } from './overlay.ts';
import type { Layer, Output, Scene } from './scene.ts';
import { defaultSlate, placeLayer } from './scene.ts';
import { samplePicture, type PictureSample } from './source-health.ts';

/** One way to turn source frames and a scene into program pictures. */
export interface Backend {
  readonly name: string;
  /** Takes the picture out of a frame; the caller still closes the frame. Calls for one source do not overlap. */
  ingest(sourceId: string, frame: VideoFrame): Promise<void>;
  /** Forgets a source's picture. */
  forget(sourceId: string): void;
  /** True when the source has a picture to show. */
  has(sourceId: string): boolean;
  /** A thin sample of the picture taken in last; null before the first. */
  sample(sourceId: string): PictureSample | null;
  /**
   * Makes this the scene to compose and prepares its overlay.
   * Throws {@link QrTooLongError} when its code cannot be drawn; the scene then shows without the card.
   */
  show(scene: Scene): void;
  /** Draws the scene from the pictures at hand. The frame belongs to the caller. */
  compose(timestampUs: number): VideoFrame;
  close(): void;
}

/** What a source shows now, and a second picture to be filled while that one is in use. */
interface SourcePictures {
  readonly reader: FrameReader;
  current: Picture | null;
  spare: Picture | null;
  version: number;
}

interface CachedLayer {
  readonly key: string;
  readonly picture: Picture;
  version: number;
}

const groundYuv = roundYuv(rgbToYuv(0x0c, 0x0d, 0x10));
const emptyYuv = roundYuv(rgbToYuv(0x15, 0x17, 0x1c));

function roundYuv([y, u, v]: readonly [number, number, number]): readonly [number, number, number] {
  return [Math.round(y), Math.round(u), Math.round(v)];
}

export function createCpuBackend(output: Output): Backend {
  const { width, height } = output;
  const program = createPicture(width, height);
  const sources = new Map<string, SourcePictures>();
  const layerCache = new Map<number, CachedLayer>();
  const scaler: Scaler = createScaler();
  let scene: Scene = { layers: [], lowerThird: null, qr: null, slate: defaultSlate };
  let overlay: { readonly key: string; readonly drawn: Overlay | null } = { key: '', drawn: null };
  let slate: { readonly key: string; readonly picture: Picture } | null = null;

  const prepareOverlay = ({ lowerThird, qr }: Pick<Scene, 'lowerThird' | 'qr'>): void => {
    const key = JSON.stringify([lowerThird, qr]);
    if (overlay.key === key) return;
    const rgba = drawOverlay(output, { lowerThird, qr });
    overlay = { key, drawn: rgba === null ? null : createOverlay(rgba, width, height) };
  };

  // The first words and the first code take a tenth of a second (fonts, cold code): better now than on air.
  prepareOverlay({
    lowerThird: { title: 'Live soon', subtitle: '12 left of 50' },
    qr: {
      url: 'https://a.example/shop',
      productName: 'x',
      priceText: '£1',
      stockText: '1',
      insteadOfText: '',
      clockText: '',
      soldOut: false,
    },
  });
  if (overlay.drawn !== null) blendOverlay(overlay.drawn, program);
  prepareOverlay(scene);

  const slatePicture = (): Picture => {
    const key = JSON.stringify(scene.slate);
    if (slate?.key !== key) {
      const picture = createPicture(width, height);
      const rgba = drawSlate(output, scene.slate);
      rgbToPicture(new Uint8Array(rgba.buffer, rgba.byteOffset, rgba.length), 'rgb', picture);
      slate = { key, picture };
    }
    return slate.picture;
  };

  const drawLayer = (index: number, layer: Layer): void => {
    const source = sources.get(layer.sourceId);
    const picture = source?.current ?? null;
    if (source === undefined || picture === null) {
      const empty = placeLayer({ ...layer, fit: 'cover' }, output, output);
      if (empty !== null) fillArea(program, empty.target, emptyYuv);
      return;
    }
    const placement = placeLayer(layer, picture, output);
    if (placement === null) return;
    const { crop, target } = placement;
    const untouched =
      crop.width === target.width && crop.height === target.height && picture.width === crop.width;
    if (untouched && picture.height === crop.height) {
      copyPicture(picture, program, target.x, target.y);
      return;
    }
    const key = `${layer.sourceId} ${picture.width}×${picture.height} ${JSON.stringify(placement)}`;
    let cached = layerCache.get(index);
    if (cached?.key !== key) {
      cached = { key, picture: createPicture(target.width, target.height), version: -1 };
      layerCache.set(index, cached);
    }
    if (cached.version !== source.version) {
      scaler.scale(picture, crop, cached.picture);
      cached.version = source.version;
    }
    copyPicture(cached.picture, program, target.x, target.y);
  };

  return {
    name: 'cpu-i420',

    async ingest(sourceId, frame) {
      let source = sources.get(sourceId);
      if (source === undefined) {
        source = { reader: createFrameReader(), current: null, spare: null, version: 0 };
        sources.set(sourceId, source);
      }
      const filled = await source.reader.read(frame, source.spare);
      // Removed while the pixels were on their way: nobody wants them any more.
      if (sources.get(sourceId) !== source) return;
      source.spare = source.current;
      source.current = filled;
      source.version++;
    },

    forget(sourceId) {
      sources.delete(sourceId);
    },

    has: (sourceId) => (sources.get(sourceId)?.current ?? null) !== null,

    sample(sourceId) {
      const picture = sources.get(sourceId)?.current ?? null;
      return picture === null ? null : samplePicture(picture.y, picture.width, picture.height);
    },

    show(next) {
      scene = next;
      try {
        prepareOverlay(next);
      } catch (error) {
        prepareOverlay({ lowerThird: next.lowerThird, qr: null });
        throw error;
      }
    },

    compose(timestampUs) {
      const anyPicture = scene.layers.some(
        ({ sourceId }) => (sources.get(sourceId)?.current ?? null) !== null,
      );
      if (anyPicture) {
        if (!coversAll(scene)) fillArea(program, { x: 0, y: 0, width, height }, groundYuv);
        scene.layers.forEach((layer, index) => drawLayer(index, layer));
      } else {
        copyPicture(slatePicture(), program, 0, 0);
      }
      if (overlay.drawn !== null) blendOverlay(overlay.drawn, program);
      return toProgramFrame(program, timestampUs);
    },

    close() {
      sources.clear();
      layerCache.clear();
      slate = null;
    },
  };
}

function coversAll(scene: Scene): boolean {
  return scene.layers.some(
    ({ fit, rect }) => fit === 'cover' && rect.x <= 0 && rect.y <= 0 && rect.width >= 1 && rect.height >= 1,
  );
}
