// The thread for what takes longer than a frame: draws overlays and slates, bakes grades, decodes stingers. Keeps the LUTs and logos they
// are made from. One order after another, in the order they came.
// Not its job: pictures of sources, or when something is shown.

import type { Drawing } from './backend.ts';
import type { Lut } from './cube.ts';
import { bakeGrade } from './grade.ts';
import { decodeStinger } from './stinger.ts';
import { drawOverlay, drawSlate, warmUpDrawing } from './overlay.ts';
import type {
  PreparationAnswer,
  PreparationCommand,
  PreparationOrder,
  PreparationResult,
} from './preparation.ts';

const luts = new Map<string, Lut>();
const logos = new Map<string, ImageBitmap>();

// The first words and the first code take a tenth of a second (fonts, cold code): better now than when one is wanted.
warmUpDrawing();

self.addEventListener('message', ({ data }: MessageEvent<PreparationCommand>) => {
  switch (data.kind) {
    case 'order':
      void answer(data.id, data.order);
      break;
    case 'lut':
      if (data.lut === null) luts.delete(data.lutId);
      else luts.set(data.lutId, data.lut);
      break;
    case 'logo':
      logos.get(data.logoId)?.close();
      if (data.picture === null) logos.delete(data.logoId);
      else logos.set(data.logoId, data.picture);
      break;
  }
});

async function answer(id: number, order: PreparationOrder): Promise<void> {
  const result = await fulfil(order);
  const message: PreparationAnswer = { id, result };
  self.postMessage(message, { transfer: buffersOf(result) });
}

async function fulfil(order: PreparationOrder): Promise<PreparationResult> {
  try {
    switch (order.kind) {
      case 'overlay': {
        const logo = logos.get(order.overlays.logo?.logoId ?? '') ?? null;
        return { kind: 'drawing', drawing: drawOverlay(order.overlay, order.overlays, order.size, logo) };
      }
      case 'slate':
        return { kind: 'drawing', drawing: drawSlate(order.size, order.slate, order.brand) };
      case 'grade': {
        const lut = luts.get(order.colour.lutId ?? '') ?? null;
        return { kind: 'grade', grade: bakeGrade(order.colour, lut) };
      }
      case 'stinger':
        return { kind: 'stinger', clip: await decodeStinger(order.file, order.size) };
    }
  } catch (error) {
    return { kind: 'failed', sentence: error instanceof Error ? error.message : String(error) };
  }
}

/** Handed over, not copied: a drawing of a whole picture is a megabyte at 360p. */
function buffersOf(result: PreparationResult): Transferable[] {
  switch (result.kind) {
    case 'grade': {
      const { luma, chroma, cube } = result.grade;
      return [luma.buffer, chroma.buffer, cube.buffer];
    }
    case 'drawing':
      return result.drawing === null ? [] : drawingBuffers(result.drawing);
    case 'stinger':
      return result.clip.frames.flatMap(({ drawing }) => (drawing === null ? [] : drawingBuffers(drawing)));
    case 'failed':
      return [];
  }
}

function drawingBuffers({ rgba, planes }: Drawing): Transferable[] {
  const { colour, lumaThrough, chromaThrough, lumaRuns, chromaRuns } = planes;
  return [rgba, colour.data, lumaThrough, chromaThrough, lumaRuns, chromaRuns].map(({ buffer }) => buffer);
}
