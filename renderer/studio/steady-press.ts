// Which presses are meant: none of a double click's second half or a held key, and none on what has only just come to stand there. For
// buttons in lists that change by themselves. Not its job: what a press does.

/** Whoever presses sooner has aimed at what stood there before. */
const steadyMs = 500;

export const createSteadyPress = (now: () => number) => {
  let before: readonly string[] = [];
  let movedMs = Number.NEGATIVE_INFINITY;
  let pressedMs = Number.NEGATIVE_INFINITY;
  return {
    /** What is in which place now. More at the end moves nothing. */
    stands: (places: readonly string[]): void => {
      if (before.some((one, at) => one !== places[at])) movedMs = now();
      before = places;
    },
    /** All of it has come under the pointer. */
    appeared: (): void => {
      movedMs = now();
    },
    /** `detail` of a click: how many in a row, 0 by keyboard. A key stays with what has the focus, wherever that has moved. */
    counts: ({ detail }: { detail: number }): boolean => {
      const isMeant =
        detail === 0 ? now() - pressedMs >= steadyMs : detail === 1 && now() - movedMs >= steadyMs;
      if (isMeant) pressedMs = now();
      return isMeant;
    },
  };
};
