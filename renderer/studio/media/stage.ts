// One output of the compositor: which scene is on it, what lies over it, and what each frame therefore shows. Asks for
// drawings when words change and goes on with the old ones until they come; the card that may be next it has drawn beforehand.
// Not its job: sources, clocks (compositor.worker.ts), pixels (the backend).

import type { BackendView, Composition, Drawing, PlacedDrawing } from './backend.ts';
import { overlayKey } from './overlay-layout.ts';
import type { OverlayKind, OverlayMotion } from './overlay-motion.ts';
import { createOverlayMotion, overlayKinds } from './overlay-motion.ts';
import type { Preparation } from './preparation.ts';
import type { Overlays, Scene, Size, Transition } from './scene.ts';
import { createScene } from './scene.ts';
import { createSwitcher } from './switcher.ts';

export interface Stage {
  readonly scene: Scene;
  /** Changes what is shown without a transition. */
  show(scene: Scene): void;
  take(scene: Scene, transition: Transition): void;
  /** Scenes that are seen now: two while one becomes the other. */
  scenes(): readonly Scene[];
  /** A frame for this moment of program time, in microseconds. It belongs to the caller. */
  compose(timestampUs: number): VideoFrame;
  /** A logo's picture came or changed: it is drawn again. */
  redrawLogo(): void;
  close(): void;
}

export interface Stingers {
  /** Null while it is not loaded. */
  lengthMs(stingerId: string): number | null;
  /** Null where the clip shows nothing. */
  at(stingerId: string, atMs: number, size: Size): PlacedDrawing | null;
}

export interface StageOptions {
  readonly view: BackendView;
  readonly size: Size;
  readonly preparation: Preparation;
  readonly stingers: Stingers;
  /** False for a preview: overlays are there at once. */
  readonly animated: boolean;
  readonly onFault: (what: string, error: unknown) => void;
}

/** One kind of drawing: what it should show, what it shows, and whether a drawing is on its way. */
interface Slot {
  wantedKey: string | null;
  drawnKey: string | null;
  isDrawing: boolean;
}

const freshSlot = (): Slot => ({ wantedKey: null, drawnKey: null, isDrawing: false });

export function createStage(options: StageOptions): Stage {
  const { view, size, preparation, stingers, animated, onFault } = options;
  const switcher = createSwitcher(createScene([]), (stingerId) => stingers.lengthMs(stingerId));
  const motions = new Map<OverlayKind, OverlayMotion>(
    overlayKinds.map((kind) => [kind, createOverlayMotion(kind, size, animated)]),
  );
  const slots = new Map<OverlayKind, Slot>(overlayKinds.map((kind) => [kind, freshSlot()]));
  const slateSlot = freshSlot();
  /** Cards that may be the next, by their key; null: they cannot be drawn. */
  const ahead = new Map<string, Drawing | null>();
  let isDrawingAhead = false;
  let slate: Drawing | null = null;
  let logoVersion = 0;
  let closed = false;

  /** Draws until what is drawn is what is wanted. */
  const refresh = async (
    slot: Slot,
    draw: (key: string) => Drawing | Promise<Drawing | null>,
    use: (drawing: Drawing | null) => void,
  ): Promise<void> => {
    if (slot.isDrawing) return;
    slot.isDrawing = true;
    for (;;) {
      if (closed || slot.wantedKey === slot.drawnKey) break;
      const key = slot.wantedKey;
      let drawing: Drawing | null = null;
      try {
        // Taken off at once; only what has to be drawn is waited for.
        const made = key === null ? null : draw(key);
        drawing = made instanceof Promise ? await made : made;
      } catch (error) {
        onFault('The overlay cannot be drawn', error);
      }
      slot.drawnKey = key;
      if (!closed && (key === null || slot.wantedKey !== null)) use(drawing);
    }
    slot.isDrawing = false;
  };

  const soon = (): ReadonlyMap<string, Overlays> => {
    const { overlays } = switcher.scene;
    return new Map(
      overlays.qrSoon.flatMap((qr): (readonly [string, Overlays])[] => {
        const next = { ...overlays, qr, qrSoon: [] };
        const key = overlayKey('qr', next);
        return key === null ? [] : [[key, next]];
      }),
    );
  };

  /** One at a time, and after what is wanted now: at most one of them stands before an order that fans wait for. */
  const drawAhead = async (): Promise<void> => {
    if (isDrawingAhead) return;
    isDrawingAhead = true;
    for (;;) {
      const next = [...soon()].find(([key]) => !ahead.has(key));
      if (closed || next === undefined || slots.get('qr')?.isDrawing === true) break;
      const [key, overlays] = next;
      // Should it come to be wanted, it is asked for again, and then the failure is told.
      const drawing = await preparation
        .draw({ kind: 'overlay', overlay: 'qr', overlays, size })
        .catch(() => null);
      ahead.set(key, drawing);
    }
    isDrawingAhead = false;
  };

  const refreshAll = (): void => {
    const { scene } = switcher;
    for (const [kind, slot] of slots) {
      slot.wantedKey = overlayKey(kind, scene.overlays);
      if (kind === 'logo' && slot.wantedKey !== null) slot.wantedKey += String(logoVersion);
      const motion = motions.get(kind);
      void refresh(
        slot,
        (key) =>
          (kind === 'qr' ? ahead.get(key) : null) ??
          preparation.draw({ kind: 'overlay', overlay: kind, overlays: switcher.scene.overlays, size }),
        (drawing) => {
          if (drawing === null) motion?.hide();
          else motion?.show(drawing);
        },
      ).then(kind === 'qr' ? drawAhead : undefined);
    }
    const stillSoon = soon();
    for (const key of ahead.keys()) if (!stillSoon.has(key)) ahead.delete(key);
    slateSlot.wantedKey = JSON.stringify([scene.slate, scene.overlays.brand]);
    void refresh(
      slateSlot,
      async () => {
        const { slate: words, overlays } = switcher.scene;
        return preparation.draw({ kind: 'slate', slate: words, brand: overlays.brand, size });
      },
      (drawing) => {
        slate = drawing;
      },
    );
  };
  refreshAll();

  const shotOf = (timestampUs: number): Pick<Composition, 'shot' | 'overlays'> => {
    const over = overlayKinds.flatMap((kind) => motions.get(kind)?.at(timestampUs) ?? []);
    const shot = switcher.at(timestampUs);
    if (shot.kind !== 'stinger') return { shot, overlays: over };
    const stinger = stingers.at(shot.stingerId, shot.atMs, size);
    return {
      shot: { kind: 'scene', scene: shot.scene },
      overlays: stinger === null ? over : [stinger, ...over],
    };
  };

  return {
    get scene() {
      return switcher.scene;
    },
    show(scene) {
      switcher.show(scene);
      refreshAll();
    },
    take(scene, transition) {
      switcher.take(scene, transition);
      refreshAll();
    },
    scenes: () => switcher.scenes(),
    compose: (timestampUs) => view.compose({ ...shotOf(timestampUs), slate }, timestampUs),
    redrawLogo() {
      logoVersion++;
      refreshAll();
    },
    close() {
      if (closed) return;
      closed = true;
      view.close();
    },
  };
}
