// Composes on the CPU: frames become I420 pictures in the program's colours; layers are cut, scaled, graded and turned
// once per source frame and kept; drawings are blended last.
// Not its job: when a picture is due, or where frames come from (source-intake.ts).

import type { Backend, BackendView, Composition } from './backend.ts';
import { emptyRgb, gradeKey, groundRgb, mostGrades } from './backend.ts';
import type { FrameReader } from './frames.ts';
import { createFrameReader, toProgramFrame } from './frames.ts';
import type { BakedGrade } from './grade.ts';
import { gradePicture } from './grade.ts';
import type { Picture, Scaler, Yuv } from './i420.ts';
import { createPicture, createScaler, fillArea, rgbToYuv, turnPicture } from './i420.ts';
import { blendOverlay, blendPicture, wipePicture } from './mixing.ts';
import type { Placement } from './placement.ts';
import { placeLayer, sideways } from './placement.ts';
import type { Layer, Scene, Size } from './scene.ts';
import { covers, wholeRect } from './scene.ts';
import { samplePicture } from './source-health.ts';

/** What a source shows now, and a second picture to be filled while that one is in use. */
interface SourcePictures {
  readonly reader: FrameReader;
  current: Picture | null;
  spare: Picture | null;
  version: number;
}

/** A layer as it was last made ready: cut and scaled as stored, then graded, then turned. */
interface ReadyLayer {
  readonly scaled: Picture;
  /** The same picture as `scaled` where nothing is turned. */
  readonly upright: Picture;
  version: number;
  grade: BakedGrade | null;
  usedInFrame: number;
}

const groundYuv = roundYuv(rgbToYuv(...groundRgb));
const emptyYuv = roundYuv(rgbToYuv(...emptyRgb));

function roundYuv([y, u, v]: Yuv): Yuv {
  return [Math.round(y), Math.round(u), Math.round(v)];
}

/** Ready layers that no frame used for this long are let go. */
const keptFrames = 60;

export function createCpuBackend(): Backend {
  const sources = new Map<string, SourcePictures>();
  const grades = new Map<string, BakedGrade>();
  /** What each source was last graded with, to go on with while its next grade is being baked. */
  const lastGrades = new Map<string, string>();

  const pictureOf = (sourceId: string): Picture | null => sources.get(sourceId)?.current ?? null;

  const gradeFor = ({ sourceId, colour }: Layer): { key: string; grade: BakedGrade } | null => {
    const wanted = gradeKey(colour);
    if (wanted === null) {
      lastGrades.delete(sourceId);
      return null;
    }
    const key = grades.has(wanted) ? wanted : lastGrades.get(sourceId);
    const grade = key === undefined ? undefined : grades.get(key);
    if (key === undefined || grade === undefined) return null;
    if (key === wanted) lastGrades.set(sourceId, key);
    return { key, grade };
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
      lastGrades.delete(sourceId);
    },

    has: (sourceId) => pictureOf(sourceId) !== null,

    sample(sourceId) {
      const picture = pictureOf(sourceId);
      return picture === null ? null : samplePicture(picture.y, picture.width, picture.height);
    },

    setGrade(key, grade) {
      grades.delete(key);
      grades.set(key, grade);
      const [oldest] = grades.keys();
      if (grades.size > mostGrades && oldest !== undefined) grades.delete(oldest);
    },

    openView: (size) => openView(size, sources, gradeFor),

    close() {
      sources.clear();
      grades.clear();
      lastGrades.clear();
    },
  };
}

function openView(
  size: Size,
  sources: ReadonlyMap<string, SourcePictures>,
  gradeFor: (layer: Layer) => { key: string; grade: BakedGrade } | null,
): BackendView {
  const { width, height } = size;
  const whole = { x: 0, y: 0, width, height };
  const program = createPicture(width, height);
  const ready = new Map<string, ReadyLayer>();
  const scaler: Scaler = createScaler();
  /** The other scene of a transition. */
  let second: Picture | null = null;
  let frameNumber = 0;

  const drawLayer = (layer: Layer, to: Picture): void => {
    const source = sources.get(layer.sourceId);
    const picture = source?.current ?? null;
    if (source === undefined || picture === null) {
      const empty = placeLayer({ ...layer, fit: 'cover', crop: wholeRect }, size, size);
      if (empty !== null && layer.opacity > 0) fillArea(to, empty.target, emptyYuv);
      return;
    }
    const placement = placeLayer(layer, picture, size);
    if (placement === null || layer.opacity <= 0) return;
    const { target } = placement;
    const graded = gradeFor(layer);
    if (graded === null && isPlain(placement, picture)) {
      blendPicture(picture, to, target.x, target.y, layer.opacity);
      return;
    }
    const made = readyLayer(layer.sourceId, source, picture, placement, graded);
    blendPicture(made, to, target.x, target.y, layer.opacity);
  };

  const readyLayer = (
    sourceId: string,
    source: SourcePictures,
    picture: Picture,
    placement: Placement,
    graded: { key: string; grade: BakedGrade } | null,
  ): Picture => {
    const { target, crop, rotation, flip } = placement;
    const key = `${sourceId} ${picture.width}×${picture.height} ${JSON.stringify(placement)} ${graded?.key ?? ''}`;
    let layer = ready.get(key);
    if (layer === undefined) {
      const scaled = sideways(rotation)
        ? createPicture(target.height, target.width)
        : createPicture(target.width, target.height);
      const turns = rotation !== 0 || flip !== 'none';
      const upright = turns ? createPicture(target.width, target.height) : scaled;
      layer = { scaled, upright, version: -1, grade: null, usedInFrame: frameNumber };
      ready.set(key, layer);
    }
    layer.usedInFrame = frameNumber;
    const grade = graded?.grade ?? null;
    // A still has one picture for good, and its LUT may be replaced.
    if (layer.version === source.version && layer.grade === grade) return layer.upright;
    layer.version = source.version;
    layer.grade = grade;
    const { scaled, upright } = layer;
    if (isUncut(placement, picture) && grade !== null) gradePicture(picture, scaled, grade);
    else {
      scaler.scale(picture, crop, scaled);
      if (grade !== null) gradePicture(scaled, scaled, grade);
    }
    if (upright !== scaled) {
      const mirrored = flip === 'horizontal' || flip === 'both';
      turnPicture(scaled, upright, rotation, mirrored, flip === 'vertical' || flip === 'both');
    }
    return upright;
  };

  const drawScene = (scene: Scene, slate: Composition['slate'], to: Picture): void => {
    if (!scene.layers.some(({ sourceId }) => (sources.get(sourceId)?.current ?? null) !== null)) {
      fillArea(to, whole, groundYuv);
      if (slate !== null) blendOverlay(slate.planes, to, slate.x, slate.y);
      return;
    }
    if (!coversAll(scene)) fillArea(to, whole, groundYuv);
    for (const layer of scene.layers) drawLayer(layer, to);
  };

  const letGo = (): void => {
    for (const [key, { usedInFrame }] of ready) if (frameNumber - usedInFrame > keptFrames) ready.delete(key);
  };

  return {
    compose({ shot, slate, overlays }, timestampUs) {
      frameNumber++;
      if (shot.kind === 'scene') drawScene(shot.scene, slate, program);
      else {
        second ??= createPicture(width, height);
        drawScene(shot.from, slate, program);
        drawScene(shot.to, slate, second);
        if (shot.kind === 'fade') blendPicture(second, program, 0, 0, shot.amount);
        else wipePicture(second, program, shot.amount);
      }
      for (const { drawing, x, y, opacity } of overlays) blendOverlay(drawing.planes, program, x, y, opacity);
      if (frameNumber % keptFrames === 0) letGo();
      return toProgramFrame(program, timestampUs);
    },
    close() {
      ready.clear();
      second = null;
    },
  };
}

/** True when the whole stored picture has the size it is shown in. */
const isUncut = ({ crop, target, rotation }: Placement, picture: Size): boolean =>
  crop.x === 0 &&
  crop.y === 0 &&
  crop.width === picture.width &&
  crop.height === picture.height &&
  picture.width === (sideways(rotation) ? target.height : target.width) &&
  picture.height === (sideways(rotation) ? target.width : target.height);

const isPlain = (placement: Placement, picture: Size): boolean =>
  placement.rotation === 0 && placement.flip === 'none' && isUncut(placement, picture);

const coversAll = (scene: Scene): boolean =>
  scene.layers.some(({ fit, rect, opacity }) => fit === 'cover' && opacity >= 1 && covers(rect));
