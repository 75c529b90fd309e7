// Between the browser's video frames and pictures in the program's colours, both ways.
// Not its job: when frames are read or closed (their owner does that), or what is done with a picture (i420.ts).

import type { ColourCoding, ColourTransform, Picture } from './i420.ts';
import {
  applyColour,
  colourTransform,
  createPicture,
  rgbToPicture,
  rotatePicture,
  splitChroma,
} from './i420.ts';

/** Keeps its working memory from frame to frame: one for each source. */
export interface FrameReader {
  /**
   * The visible part of a frame, whatever its layout, upright and in the program's colours. Fills and returns `spare`
   * where its size is right. Calls do not overlap.
   */
  read(frame: VideoFrame, spare: Picture | null): Promise<Picture>;
}

export function createFrameReader(): FrameReader {
  const transforms = new Map<string, ColourTransform | null>();
  let scratch = new Uint8Array(0);
  const transformFor = (coding: ColourCoding): ColourTransform | null => {
    const key = `${coding.matrix}${coding.fullRange}`;
    const kept = transforms.get(key);
    if (kept !== undefined) return kept;
    const made = colourTransform(coding);
    transforms.set(key, made);
    return made;
  };
  const scratchOf = (size: number): Uint8Array<ArrayBuffer> => {
    if (scratch.length < size) scratch = new Uint8Array(size);
    return scratch.subarray(0, size);
  };
  return { read: async (frame, spare) => readFrame(frame, spare, scratchOf, transformFor) };
}

/** VP8 carries no colour description and viewers take BT.601 limited: the frame says exactly that. */
const programColourSpace: VideoColorSpaceInit = {
  primaries: 'smpte170m',
  transfer: 'smpte170m',
  matrix: 'smpte170m',
  fullRange: false,
};

/** A frame that says what a program picture is; it holds a copy and belongs to the caller. */
export const toProgramFrame = (picture: Picture, timestampUs: number): VideoFrame =>
  programFrameOf(picture.data, picture, timestampUs);

/** The same from the bytes of an I420 picture without padding. */
export function programFrameOf(
  data: Uint8Array<ArrayBuffer>,
  size: { readonly width: number; readonly height: number },
  timestampUs: number,
): VideoFrame {
  return new VideoFrame(data, {
    format: 'I420',
    codedWidth: size.width,
    codedHeight: size.height,
    timestamp: timestampUs,
    colorSpace: programColourSpace,
  });
}

function pictureOf(size: { width: number; height: number }, kept: Picture | null): Picture {
  return kept?.width === size.width && kept.height === size.height
    ? kept
    : createPicture(size.width, size.height);
}

async function readFrame(
  frame: VideoFrame,
  spare: Picture | null,
  scratchOf: (size: number) => Uint8Array<ArrayBuffer>,
  transformFor: (coding: ColourCoding) => ColourTransform | null,
): Promise<Picture> {
  const visible = frame.visibleRect;
  if (visible === null) throw new Error('A closed frame cannot be drawn.');
  const size = { width: visible.width, height: visible.height };
  const rotation = rotationOf(frame);
  const stored = rotation === 0 ? pictureOf(size, spare) : createPicture(size.width, size.height);
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
      const scratch = scratchOf(lumaSize + 2 * chromaSize);
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
      const scratch = scratchOf(lumaSize * 4);
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
      const scratch = scratchOf(lumaSize * 4);
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
  const upright = pictureOf(turned, spare);
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
