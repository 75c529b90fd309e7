// Composes on the CPU: frames become I420 pictures in the program's colours, layers are cut and scaled once per frame,
// the overlay is blended last. Also states the interface any backend (a WebGL2 one later) has to meet.
// Not its job: when a picture is due, or where frames come from (compositor.worker.ts).

import type { ColourCoding, ColourTransform, Overlay, Picture, Scaler } from './i420.ts';
import {
  applyColour,
  blendOverlay,
  colourTransform,
  copyPicture,
  createOverlay,
  createPicture,
  createScaler,
  fillArea,
  rgbToPicture,
  rgbToYuv,
  rotatePicture,
  splitChroma,
} from './i420.ts';
import { drawOverlay, drawSlate } from './overlay.ts';
import type { Layer, Output, Scene } from './scene.ts';
import { defaultSlate, placeLayer } from './scene.ts';

/** One way to turn source frames and a scene into program pictures. */
export interface Backend {
  readonly name: string;
  /** Takes the picture out of a frame; the caller still closes the frame. Calls for one source do not overlap. */
  ingest(sourceId: string, frame: VideoFrame): Promise<void>;
  /** Forgets a source's picture. */
  forget(sourceId: string): void;
  /** True when the source has a picture to show. */
  has(sourceId: string): boolean;
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
  current: Picture | null;
  spare: Picture | null;
  scratch: Uint8Array<ArrayBuffer>;
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

/** VP8 carries no colour description and viewers take BT.601 limited: the frame says exactly that. */
const programColourSpace: VideoColorSpaceInit = {
  primaries: 'smpte170m',
  transfer: 'smpte170m',
  matrix: 'smpte170m',
  fullRange: false,
};

export function createCpuBackend(output: Output): Backend {
  const { width, height } = output;
  const program = createPicture(width, height);
  const sources = new Map<string, SourcePictures>();
  const layerCache = new Map<number, CachedLayer>();
  const scaler: Scaler = createScaler();
  const transforms = new Map<string, ColourTransform | null>();
  let scene: Scene = { layers: [], lowerThird: null, qr: null, slate: defaultSlate };
  let overlay: { readonly key: string; readonly drawn: Overlay | null } = { key: '', drawn: null };
  let slate: { readonly key: string; readonly picture: Picture } | null = null;

  const transformFor = (coding: ColourCoding): ColourTransform | null => {
    const key = `${coding.matrix}${coding.fullRange}`;
    const kept = transforms.get(key);
    if (kept !== undefined) return kept;
    const made = colourTransform(coding);
    transforms.set(key, made);
    return made;
  };

  const prepareOverlay = ({ lowerThird, qr }: Pick<Scene, 'lowerThird' | 'qr'>): void => {
    const key = JSON.stringify([lowerThird, qr]);
    if (overlay.key === key) return;
    const rgba = drawOverlay(output, { lowerThird, qr });
    overlay = { key, drawn: rgba === null ? null : createOverlay(rgba, width, height) };
  };

  // The first words and the first code take a tenth of a second (fonts, cold code): better now than on air.
  prepareOverlay({
    lowerThird: { title: 'Live soon', subtitle: '12 left of 50' },
    qr: { url: 'https://a.example/shop', productName: 'x', priceText: '£1', stockText: '1', soldOut: false },
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
        source = { current: null, spare: null, scratch: new Uint8Array(0), version: 0 };
        sources.set(sourceId, source);
      }
      const filled = await readFrame(frame, source, transformFor);
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
      return new VideoFrame(program.data, {
        format: 'I420',
        codedWidth: width,
        codedHeight: height,
        timestamp: timestampUs,
        colorSpace: programColourSpace,
      });
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

function pictureOf(size: { width: number; height: number }, kept: Picture | null): Picture {
  return kept?.width === size.width && kept.height === size.height
    ? kept
    : createPicture(size.width, size.height);
}

function scratchOf(source: SourcePictures, size: number): Uint8Array<ArrayBuffer> {
  if (source.scratch.length < size) source.scratch = new Uint8Array(size);
  return source.scratch.subarray(0, size);
}

/** Reads the visible part of a frame, whatever its layout, upright and in the program's colours. */
async function readFrame(
  frame: VideoFrame,
  source: SourcePictures,
  transformFor: (coding: ColourCoding) => ColourTransform | null,
): Promise<Picture> {
  const visible = frame.visibleRect;
  if (visible === null) throw new Error('A closed frame cannot be drawn.');
  const size = { width: visible.width, height: visible.height };
  const rotation = rotationOf(frame);
  const stored = rotation === 0 ? pictureOf(size, source.spare) : createPicture(size.width, size.height);
  const lumaSize = size.width * size.height;
  const chromaSize = stored.u.length;

  switch (frame.format) {
    case 'I420':
      await frame.copyTo(stored.data, {
        layout: [
          { offset: 0, stride: size.width },
          { offset: lumaSize, stride: stored.chromaWidth },
          { offset: lumaSize + chromaSize, stride: stored.chromaWidth },
        ],
      });
      break;
    case 'NV12': {
      const scratch = scratchOf(source, lumaSize + 2 * chromaSize);
      await frame.copyTo(scratch, {
        layout: [
          { offset: 0, stride: size.width },
          { offset: lumaSize, stride: stored.chromaWidth * 2 },
        ],
      });
      stored.y.set(scratch.subarray(0, lumaSize));
      splitChroma(scratch.subarray(lumaSize), stored);
      break;
    }
    case 'BGRA':
    case 'BGRX':
    case 'RGBA':
    case 'RGBX': {
      const scratch = scratchOf(source, lumaSize * 4);
      await frame.copyTo(scratch, { layout: [{ offset: 0, stride: size.width * 4 }] });
      rgbToPicture(scratch, frame.format.startsWith('BGR') ? 'bgr' : 'rgb', stored);
      break;
    }
    case 'I420A':
    case 'I422':
    case 'I444':
    case null:
    default: {
      // Everything rarer (4:2:2, 4:4:4, ten bits, textures) the browser turns into RGB for us.
      const scratch = scratchOf(source, lumaSize * 4);
      await frame.copyTo(scratch, { format: 'RGBA', layout: [{ offset: 0, stride: size.width * 4 }] });
      rgbToPicture(scratch, 'rgb', stored);
    }
  }
  if (frame.format === 'I420' || frame.format === 'NV12') {
    const transform = transformFor(codingOf(frame.colorSpace));
    if (transform !== null) applyColour(stored, transform);
  }
  if (rotation === 0) return stored;
  const turned = rotation === 180 ? size : { width: size.height, height: size.width };
  const upright = pictureOf(turned, source.spare);
  rotatePicture(stored, upright, rotation);
  return upright;
}

function codingOf(space: VideoColorSpace): ColourCoding {
  const name: string | null = space.matrix;
  const matrix = name === 'bt709' ? 'bt709' : name === 'bt2020-ncl' ? 'bt2020' : 'bt601';
  return { matrix, fullRange: space.fullRange === true };
}

/** A phone held upright sends lying pictures and says so. Browsers that do not know the property turn them already. */
function rotationOf(frame: VideoFrame): 0 | 90 | 180 | 270 {
  const rotation: unknown = 'rotation' in frame ? frame.rotation : 0;
  return rotation === 90 || rotation === 180 || rotation === 270 ? rotation : 0;
}
