// What takes longer than a frame is made on a thread of its own (preparation.worker.ts): drawings, baked grades, decoded stingers. This
// is the frame thread's side: it asks, and goes on making frames meanwhile.
// Not its job: knowing what is wanted when (stage.ts, grader.ts).

import type { Drawing } from './backend.ts';
import type { Lut } from './cube.ts';
import type { BakedGrade } from './grade.ts';
import type { OverlayKind } from './overlay-motion.ts';
import type { Brand, Colour, Overlays, Size, Slate } from './scene.ts';
import type { StingerClip } from './stinger.ts';

export type PreparationOrder =
  | {
      readonly kind: 'overlay';
      readonly overlay: OverlayKind;
      readonly overlays: Overlays;
      readonly size: Size;
    }
  | { readonly kind: 'slate'; readonly slate: Slate; readonly brand: Brand; readonly size: Size }
  | { readonly kind: 'grade'; readonly colour: Colour }
  | { readonly kind: 'stinger'; readonly file: Blob; readonly size: Size };

export type PreparationCommand =
  | { readonly kind: 'order'; readonly id: number; readonly order: PreparationOrder }
  /** Null takes it away. */
  | { readonly kind: 'lut'; readonly lutId: string; readonly lut: Lut | null }
  | { readonly kind: 'logo'; readonly logoId: string; readonly picture: ImageBitmap | null };

export type PreparationResult =
  /** Null: there is nothing to draw. */
  | { readonly kind: 'drawing'; readonly drawing: Drawing | null }
  | { readonly kind: 'grade'; readonly grade: BakedGrade }
  | { readonly kind: 'stinger'; readonly clip: StingerClip }
  | { readonly kind: 'failed'; readonly sentence: string };

export interface PreparationAnswer {
  readonly id: number;
  readonly result: PreparationResult;
}

export interface Preparation {
  /** Rejects with a sentence when it cannot be drawn, such as a code for too long an address. */
  draw(order: Extract<PreparationOrder, { kind: 'overlay' | 'slate' }>): Promise<Drawing | null>;
  bake(colour: Colour): Promise<BakedGrade>;
  /** Rejects with a sentence when the file cannot be a stinger. */
  decodeStinger(file: Blob, size: Size): Promise<StingerClip>;
  setLut(lutId: string, lut: Lut | null): void;
  /** The picture is handed over. */
  setLogo(logoId: string, picture: ImageBitmap | null): void;
  close(): void;
}

export function createPreparation(): Preparation {
  const worker = new Worker(new URL('./preparation.worker.ts', import.meta.url), {
    type: 'module',
    name: 'preparation',
  });
  const waiting = new Map<number, (result: PreparationResult) => void>();
  let lastId = 0;

  worker.addEventListener('message', ({ data }: MessageEvent<PreparationAnswer>) => {
    waiting.get(data.id)?.(data.result);
    waiting.delete(data.id);
  });
  worker.addEventListener('error', (event) => {
    const sentence = `The drawing thread stopped (${event.message || 'it could not be loaded'}): reload the studio page.`;
    for (const answer of waiting.values()) answer({ kind: 'failed', sentence });
    waiting.clear();
  });

  const send = (command: PreparationCommand, transfer: Transferable[] = []): void =>
    worker.postMessage(command, transfer);

  const ask = async (order: PreparationOrder): Promise<Exclude<PreparationResult, { kind: 'failed' }>> => {
    const id = ++lastId;
    const result = await new Promise<PreparationResult>((resolve) => {
      waiting.set(id, resolve);
      send({ kind: 'order', id, order });
    });
    if (result.kind === 'failed') throw new Error(result.sentence);
    return result;
  };

  return {
    async draw(order) {
      const result = await ask(order);
      return result.kind === 'drawing' ? result.drawing : null;
    },
    async bake(colour) {
      const result = await ask({ kind: 'grade', colour });
      if (result.kind !== 'grade') throw new Error('A grade was asked for.');
      return result.grade;
    },
    async decodeStinger(file, size) {
      const result = await ask({ kind: 'stinger', file, size });
      if (result.kind !== 'stinger') throw new Error('A stinger was asked for.');
      return result.clip;
    },
    setLut: (lutId, lut) => send({ kind: 'lut', lutId, lut }),
    setLogo: (logoId, picture) => send({ kind: 'logo', logoId, picture }, picture === null ? [] : [picture]),
    close() {
      worker.terminate();
      waiting.clear();
    },
  };
}
