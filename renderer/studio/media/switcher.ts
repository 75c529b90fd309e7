// Which scene is on an output at a moment of program time, and how far a transition between two has come. Time is that
// of the frames themselves, never of a timer: a transition is as long on the picture as the director asked.
// Not its job: pixels (the backends), or when a frame is due (compositor.worker.ts).

import type { Scene, Transition } from './scene.ts';
import { longestTransitionMs } from './scene.ts';

/** What a frame shows. `amount` is how much of `to` is seen, 0..1. */
export type Shot =
  | { readonly kind: 'scene'; readonly scene: Scene }
  | { readonly kind: 'fade' | 'wipe'; readonly from: Scene; readonly to: Scene; readonly amount: number }
  | { readonly kind: 'stinger'; readonly scene: Scene; readonly stingerId: string; readonly atMs: number };

export interface Switcher {
  /** The scene that is, or is becoming, the program. */
  readonly scene: Scene;
  /** Changes that scene; a running transition goes on. */
  show(scene: Scene): void;
  /**
   * Starts a transition with the frame after the last one. A transition that still runs ends at once. A stinger that
   * is not loaded is a cut.
   */
  take(scene: Scene, transition: Transition): void;
  /** What the frame of this time shows. Times never run backwards. */
  at(timestampUs: number): Shot;
  /** Every scene that is seen now. */
  scenes(): readonly Scene[];
}

/** `stingerLengthMs` answers null for a stinger that is not loaded. */
export function createSwitcher(
  first: Scene,
  stingerLengthMs: (stingerId: string) => number | null,
): Switcher {
  let scene = first;
  let running: {
    readonly from: Scene;
    readonly transition: Exclude<Transition, { kind: 'cut' }>;
    readonly lengthMs: number;
    readonly startUs: number;
  } | null = null;
  let lastUs = 0;

  const lengthOf = (transition: Transition): number => {
    switch (transition.kind) {
      case 'cut':
        return 0;
      case 'fade':
      case 'wipe':
        return Math.min(longestTransitionMs, Math.max(0, transition.durationMs));
      case 'stinger':
        return Math.min(longestTransitionMs, stingerLengthMs(transition.stingerId) ?? 0);
    }
  };

  return {
    get scene() {
      return scene;
    },
    show(next) {
      scene = next;
    },
    take(next, transition) {
      const lengthMs = lengthOf(transition);
      running =
        transition.kind === 'cut' || lengthMs === 0
          ? null
          : { from: scene, transition, lengthMs, startUs: lastUs };
      scene = next;
    },
    at(timestampUs) {
      lastUs = timestampUs;
      if (running === null) return { kind: 'scene', scene };
      const { from, transition, lengthMs, startUs } = running;
      const atMs = (timestampUs - startUs) / 1000;
      if (atMs >= lengthMs) {
        running = null;
        return { kind: 'scene', scene };
      }
      if (transition.kind === 'stinger') {
        const { stingerId, cutAtMs } = transition;
        return { kind: 'stinger', scene: atMs < cutAtMs ? from : scene, stingerId, atMs };
      }
      return { kind: transition.kind, from, to: scene, amount: atMs / lengthMs };
    },
    scenes: () => (running === null ? [scene] : [running.from, scene]),
  };
}
