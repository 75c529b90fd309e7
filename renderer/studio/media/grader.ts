// Sees to it that every grade a scene asks for is baked and given to the backend: one at a time, the wanted ones only, so
// that a slider being dragged bakes what it shows now and not each step on its way.
// Not its job: the maths (grade.ts) or applying it (the backends).

import type { Backend } from './backend.ts';
import { gradeKey } from './backend.ts';
import type { Preparation } from './preparation.ts';
import type { Colour, Scene } from './scene.ts';

export interface Grader {
  /** The scenes that are on any output now. */
  want(scenes: readonly Scene[]): void;
  /** The table came, changed or went: what was baked with it is baked again. */
  lutChanged(lutId: string): void;
}

export function createGrader(
  backend: Backend,
  preparation: Preparation,
  onFault: (error: unknown) => void,
): Grader {
  const baked = new Map<string, Colour>();
  let wanted = new Map<string, Colour>();
  let isBaking = false;

  const bakeNext = (): void => {
    if (isBaking) return;
    const next = [...wanted].find(([key]) => !baked.has(key));
    if (next === undefined) return;
    const [key, colour] = next;
    isBaking = true;
    baked.set(key, colour);
    preparation
      .bake(colour)
      .then((grade) => backend.setGrade(key, grade), onFault)
      .finally(() => {
        isBaking = false;
        bakeNext();
      });
  };

  return {
    want(scenes) {
      wanted = new Map(
        scenes.flatMap(({ layers }) =>
          layers.flatMap(({ colour }): readonly (readonly [string, Colour])[] => {
            const key = gradeKey(colour);
            return key === null || colour === null ? [] : [[key, colour]];
          }),
        ),
      );
      // What nobody shows any more may be let go by the backend, too.
      for (const key of baked.keys()) if (!wanted.has(key)) baked.delete(key);
      bakeNext();
    },
    lutChanged(lutId) {
      for (const [key, colour] of baked) if (colour.lutId === lutId) baked.delete(key);
      bakeNext();
    },
  };
}
