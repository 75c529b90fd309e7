// Composes on a graphics card with WebGL2: the same layers, grades, transitions and drawings as cpu-backend.ts, within a
// code or two. The finished picture is packed into I420 on the card and read back once: exactly BT.601 limited whatever
// the platform would make of a canvas, and what a software encoder needs anyway.
// Not its job: deciding whether this machine should (backend-choice.ts), or anything in time.

import type { BackendView, Composition, Drawing, FragileBackend, PlacedDrawing } from './backend.ts';
import { emptyRgb, gradeKey, groundRgb, mostGrades } from './backend.ts';
import { programFrameOf } from './frames.ts';
import type { Placement } from './placement.ts';
import { placeLayer } from './placement.ts';
import type { Layer, Rect, Scene, Size } from './scene.ts';
import { wholeRect } from './scene.ts';
import type { PictureSample } from './source-health.ts';
import { samplePicture } from './source-health.ts';
import type { Surface } from './webgl-surface.ts';
import { createSurface } from './webgl-surface.ts';

interface GpuSource extends Size {
  readonly texture: WebGLTexture;
  framesSinceSample: number;
  sample: PictureSample | null;
}

/** A sample stalls the card for a moment; a source's health is judged by the second. */
const sampleEveryFrames = 6;
const sampleSize: Size = { width: 64, height: 36 };

/** Drawings that no frame used for this long give their texture back. */
const keptFrames = 60;

/** Throws where there is no WebGL2. */
export function createWebglBackend(): FragileBackend & { readonly renderer: string } {
  const surface = createSurface();
  const sources = new Map<string, GpuSource>();
  const grades = new Map<string, WebGLTexture>();
  const lastGrades = new Map<string, string>();
  const sampleTarget = surface.createTarget(sampleSize);

  const gradeFor = ({ sourceId, colour }: Layer): WebGLTexture | null => {
    const wanted = gradeKey(colour);
    if (wanted === null) {
      lastGrades.delete(sourceId);
      return null;
    }
    if (grades.has(wanted)) lastGrades.set(sourceId, wanted);
    return grades.get(lastGrades.get(sourceId) ?? wanted) ?? null;
  };

  const forget = (sourceId: string): void => {
    const source = sources.get(sourceId);
    if (source === undefined) return;
    sources.delete(sourceId);
    lastGrades.delete(sourceId);
    surface.deleteTexture(source.texture);
  };

  /** The picture itself, made small. */
  const takeSample = (source: GpuSource): PictureSample => {
    surface.begin(sampleTarget);
    surface.drawTexture({ texture: source.texture, target: wholeOf(sampleSize), uv: upright });
    const rgba = surface.read(sampleTarget);
    const luma = new Uint8Array(sampleSize.width * sampleSize.height);
    for (let i = 0; i < luma.length; i++) {
      const [red = 0, green = 0, blue = 0] = rgba.subarray(i * 4, i * 4 + 3);
      luma[i] = 16 + (0.299 * red + 0.587 * green + 0.114 * blue) * (219 / 255);
    }
    return samplePicture(luma, sampleSize.width, sampleSize.height);
  };

  return {
    name: 'webgl2',
    renderer: surface.renderer,
    isLost: () => surface.isLost(),

    async ingest(sourceId, frame) {
      const { displayWidth: width, displayHeight: height } = frame;
      let source = sources.get(sourceId);
      if (source === undefined || source.width !== width || source.height !== height) {
        forget(sourceId);
        const texture = surface.createTexture();
        source = { texture, width, height, framesSinceSample: sampleEveryFrames, sample: null };
        sources.set(sourceId, source);
      }
      surface.uploadFrame(source.texture, frame);
      source.framesSinceSample++;
      if (source.framesSinceSample >= sampleEveryFrames) {
        source.framesSinceSample = 0;
        source.sample = takeSample(source);
      }
      return Promise.resolve();
    },

    forget,

    has: (sourceId) => sources.has(sourceId),

    sample: (sourceId) => sources.get(sourceId)?.sample ?? null,

    setGrade(key, grade) {
      const before = grades.get(key);
      if (before !== undefined) surface.deleteTexture(before);
      grades.delete(key);
      grades.set(key, surface.createCube(grade.cube, grade.cubeSize));
      const [oldest] = grades;
      if (grades.size > mostGrades && oldest !== undefined) {
        grades.delete(oldest[0]);
        surface.deleteTexture(oldest[1]);
      }
    },

    openView: (size) => openView(size, surface, sources, gradeFor),

    close() {
      sources.clear();
      grades.clear();
      lastGrades.clear();
      surface.close();
    },
  };
}

/** Corners of the picture as they lie in a texture: left top, right top, left bottom, right bottom. */
const upright = [0, 0, 1, 0, 0, 1, 1, 1] as const;

const wholeOf = ({ width, height }: Size) => ({ x: 0, y: 0, width, height });

function openView(
  size: Size,
  surface: Surface,
  sources: ReadonlyMap<string, GpuSource>,
  gradeFor: (layer: Layer) => WebGLTexture | null,
): BackendView {
  const program = surface.createTarget(size);
  const second = surface.createTarget(size);
  const packer = surface.createPacker(size);
  const drawings = new Map<Drawing, { readonly texture: WebGLTexture; usedInFrame: number }>();
  let frameNumber = 0;

  const drawLayer = (layer: Layer): void => {
    const source = sources.get(layer.sourceId);
    if (layer.opacity <= 0) return;
    if (source === undefined) {
      const empty = placeLayer({ ...layer, fit: 'cover', crop: wholeRect }, size, size);
      if (empty !== null) surface.fill(empty.target, emptyRgb);
      return;
    }
    const placement = placeLayer(layer, source, size);
    if (placement === null) return;
    surface.drawTexture({
      texture: source.texture,
      target: placement.target,
      uv: cornersOf(placement, source),
      opacity: layer.opacity,
      grade: gradeFor(layer),
    });
  };

  const drawDrawing = ({ drawing, x, y, opacity }: PlacedDrawing): void => {
    let kept = drawings.get(drawing);
    if (kept === undefined) {
      const texture = surface.createTexture();
      surface.uploadPixels(texture, drawing.rgba, drawing);
      kept = { texture, usedInFrame: frameNumber };
      drawings.set(drawing, kept);
    }
    kept.usedInFrame = frameNumber;
    const { width, height } = drawing;
    surface.drawTexture({
      texture: kept.texture,
      target: { x, y, width, height },
      uv: upright,
      opacity,
      hasAlpha: true,
    });
  };

  const drawScene = (scene: Scene, slate: Composition['slate']): void => {
    surface.fill(wholeOf(size), groundRgb);
    if (scene.layers.some(({ sourceId }) => sources.has(sourceId))) scene.layers.forEach(drawLayer);
    else if (slate !== null) drawDrawing({ drawing: slate, x: slate.x, y: slate.y, opacity: 1 });
  };

  const letGo = (): void => {
    for (const [drawing, { texture, usedInFrame }] of drawings) {
      if (frameNumber - usedInFrame <= keptFrames) continue;
      drawings.delete(drawing);
      surface.deleteTexture(texture);
    }
  };

  return {
    compose({ shot, slate, overlays }, timestampUs) {
      frameNumber++;
      if (shot.kind !== 'scene') {
        surface.begin(second);
        drawScene(shot.to, slate);
      }
      surface.begin(program);
      drawScene(shot.kind === 'scene' ? shot.scene : shot.from, slate);
      if (shot.kind === 'fade') {
        const { texture } = second;
        surface.drawTexture({ texture, target: wholeOf(size), uv: upright, opacity: shot.amount });
      } else if (shot.kind === 'wipe') {
        const width = Math.round((shot.amount * size.width) / 2) * 2;
        const share = width / size.width;
        const { texture } = second;
        const uv = [0, 0, share, 0, 0, 1, share, 1] as const;
        if (width > 0) surface.drawTexture({ texture, target: { ...wholeOf(size), width }, uv });
      }
      overlays.forEach(drawDrawing);
      if (frameNumber % keptFrames === 0) letGo();
      return programFrameOf(packer.pack(program), size, timestampUs);
    },
    close() {
      for (const { texture } of drawings.values()) surface.deleteTexture(texture);
      drawings.clear();
      surface.deleteTarget(program);
      surface.deleteTarget(second);
      packer.close();
    },
  };
}

/** Where each corner of the target lies in the texture: mirrored, then turned back. */
function cornersOf({ crop, rotation, flip }: Placement, source: Size): readonly number[] {
  const mirrored = flip === 'horizontal' || flip === 'both';
  const upsideDown = flip === 'vertical' || flip === 'both';
  const part: Rect = {
    x: crop.x / source.width,
    y: crop.y / source.height,
    width: crop.width / source.width,
    height: crop.height / source.height,
  };
  return [0, 1, 2, 3].flatMap((corner) => {
    const right = (corner % 2 === 1) !== mirrored;
    const low = corner >= 2 !== upsideDown;
    const u = right ? 1 : 0;
    const v = low ? 1 : 0;
    const [x, y] =
      rotation === 0 ? [u, v] : rotation === 90 ? [v, 1 - u] : rotation === 180 ? [1 - u, 1 - v] : [1 - v, u];
    return [part.x + x * part.width, part.y + y * part.height];
  });
}
