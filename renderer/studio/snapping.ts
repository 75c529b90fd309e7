// Moving and sizing a rectangle in a free scene: it catches at the picture's edges, middle and thirds, and at the edges of its
// neighbours. Pure, in fractions of the picture.
// Not its job: pointers and keys (placement-editor.tsx), or how the compositor draws it.
import type { Rect } from './media/scene.ts';

/** A line at which something has caught: drawn while it is dragged. */
export type Guide = { readonly axis: 'x' | 'y'; readonly at: number };
export type Snapped = { readonly rect: Rect; readonly guides: readonly Guide[] };
export type Corner = 'topLeft' | 'topRight' | 'bottomLeft' | 'bottomRight';
export type Targets = { readonly x: readonly number[]; readonly y: readonly number[] };

const lines = [0, 1 / 3, 1 / 2, 2 / 3, 1] as const;
export const smallestSide = 0.05;

/** What a rectangle catches at: `others` are its neighbours. */
export const snapTargets = (others: readonly Rect[]): Targets => ({
  x: [...lines, ...others.flatMap(({ x, width }) => [x, x + width])],
  y: [...lines, ...others.flatMap(({ y, height }) => [y, y + height])],
});

/** The least shift that brings one of `edges` onto a target; 0 when none is near. */
const nearest = (
  edges: readonly number[],
  targets: readonly number[],
  tolerance: number,
): { shift: number; at: number | null } => {
  let best: { shift: number; at: number | null } = { shift: 0, at: null };
  let least = tolerance;
  for (const edge of edges) {
    for (const target of targets) {
      const distance = Math.abs(target - edge);
      // Of two equally near ones the first stays: edges of the picture come before neighbours.
      if (distance > least || (distance === least && best.at !== null)) continue;
      least = distance;
      best = { shift: target - edge, at: target };
    }
  }
  return best;
};

/** A part always stays on the picture, so that it can be taken hold of again. */
const reachable = (rect: Rect): Rect => ({
  ...rect,
  x: Math.min(1 - smallestSide, Math.max(smallestSide - rect.width, rect.x)),
  y: Math.min(1 - smallestSide, Math.max(smallestSide - rect.height, rect.y)),
});

const tidy = ({ x, y, width, height }: Rect): Rect => {
  const short = (value: number) => Math.round(value * 10_000) / 10_000;
  return { x: short(x), y: short(y), width: short(width), height: short(height) };
};

/** `tolerance` per axis, as a screen pixel is another fraction of the width than of the height. 0: nothing catches. */
export type Tolerance = { readonly x: number; readonly y: number };

export const moveRect = (
  start: Rect,
  by: { readonly x: number; readonly y: number },
  targets: Targets,
  tolerance: Tolerance,
): Snapped => {
  const { width, height } = start;
  const x = start.x + by.x;
  const y = start.y + by.y;
  const inX = nearest([x, x + width / 2, x + width], targets.x, tolerance.x);
  const inY = nearest([y, y + height / 2, y + height], targets.y, tolerance.y);
  return {
    rect: tidy(reachable({ x: x + inX.shift, y: y + inY.shift, width, height })),
    guides: guidesOf(inX.at, inY.at),
  };
};

/** Drags one corner. `keepShape`: width and height stay in proportion. */
export const sizeRect = (
  start: Rect,
  corner: Corner,
  by: { readonly x: number; readonly y: number },
  options: { readonly targets: Targets; readonly tolerance: Tolerance; readonly keepShape: boolean },
): Snapped => {
  const { targets, tolerance, keepShape } = options;
  const atLeft = corner === 'topLeft' || corner === 'bottomLeft';
  const atTop = corner === 'topLeft' || corner === 'topRight';
  const right = start.x + start.width;
  const bottom = start.y + start.height;
  const x = (atLeft ? start.x : right) + by.x;
  const y = (atTop ? start.y : bottom) + by.y;
  const inX = nearest([x], targets.x, tolerance.x);
  const inY = nearest([y], targets.y, tolerance.y);
  const edgeX = x + inX.shift;
  const edgeY = y + inY.shift;
  const most = 2;
  const limited = (side: number) => Math.min(most, Math.max(smallestSide, side));
  let width = limited(atLeft ? right - edgeX : edgeX - start.x);
  let height = limited(atTop ? bottom - edgeY : edgeY - start.y);
  if (keepShape) {
    const scale = Math.max(width / start.width, height / start.height);
    width = limited(start.width * scale);
    height = limited(start.height * scale);
  }
  return {
    rect: tidy({
      x: atLeft ? right - width : start.x,
      y: atTop ? bottom - height : start.y,
      width,
      height,
    }),
    guides: keepShape ? [] : guidesOf(inX.at, inY.at),
  };
};

const guidesOf = (x: number | null, y: number | null): Guide[] => [
  ...(x === null ? [] : [{ axis: 'x' as const, at: x }]),
  ...(y === null ? [] : [{ axis: 'y' as const, at: y }]),
];
