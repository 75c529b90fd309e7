// Which backend this machine gets: the graphics card where there is a real one that makes frames well within their time,
// the CPU otherwise, and the CPU again when the card is taken away in the middle of a show.
// Not its job: drawing.

import type { Backend, BackendView, Composition, FragileBackend } from './backend.ts';
import { mostGrades } from './backend.ts';
import { createCpuBackend } from './cpu-backend.ts';
import type { BakedGrade } from './grade.ts';
import type { Output, Size } from './scene.ts';
import { createScene, layoutLayers } from './scene.ts';
import { createWebglBackend } from './webgl-backend.ts';

/** `auto` measures; the others are for a director who knows better, and for tests. */
export type BackendWish = 'auto' | 'cpu' | 'webgl';

/** What software calls itself when it plays a graphics card. */
export const isSoftwareRenderer = (renderer: string): boolean =>
  /swiftshader|llvmpipe|softpipe|software|basic render|swrast|mesa offscreen/i.test(renderer);

/** Three layers must take no more than this share of a frame's time: the rest is for reading, encoding and the page. */
const budgetShare = 0.35;
const probeFrames = 12;

/** `onFallback` is called when a card was lost and the CPU has taken over: stills must be given again. */
export function chooseBackend(wish: BackendWish, output: Output, onFallback: () => void): Backend {
  if (wish === 'cpu') return createCpuBackend();
  let webgl: ReturnType<typeof createWebglBackend>;
  try {
    webgl = createWebglBackend();
  } catch {
    return createCpuBackend();
  }
  if (wish === 'auto' && (isSoftwareRenderer(webgl.renderer) || !meetsBudget(webgl, output))) {
    webgl.close();
    return createCpuBackend();
  }
  return withFallback(webgl, createCpuBackend, onFallback);
}

/** Composes a few pictures as on a busy night; the middle one counts. */
function meetsBudget(backend: Backend, output: Output): boolean {
  const { width, height, fps } = output;
  const view = backend.openView(output);
  const sourceIds = ['a', 'b', 'c'];
  const shot = { kind: 'scene', scene: createScene(layoutLayers('three', sourceIds)) } as const;
  const pixels = new Uint8Array((width * height * 3) / 2).fill(100);
  const timesMs: number[] = [];
  try {
    for (let i = 0; i < probeFrames; i++) {
      const frame = new VideoFrame(pixels, {
        format: 'I420',
        codedWidth: width,
        codedHeight: height,
        timestamp: i,
      });
      const startMs = performance.now();
      for (const sourceId of sourceIds) void backend.ingest(sourceId, frame);
      view.compose({ shot, slate: null, overlays: [] }, i).close();
      timesMs.push(performance.now() - startMs);
      frame.close();
    }
  } finally {
    view.close();
    sourceIds.forEach((sourceId) => backend.forget(sourceId));
  }
  // The first ones compile shaders.
  const settled = timesMs.slice(3).sort((a, b) => a - b);
  return (settled[settled.length >> 1] ?? Infinity) < (budgetShare * 1000) / fps;
}

/** How long the last good picture stands in while sources come in again. */
const longestHoldMs = 1_000;

/** Goes on with the second backend when the first is lost; no frame is ever black for it. */
export function withFallback(
  first: FragileBackend,
  makeSecond: () => Backend,
  onFallback: () => void,
): Backend {
  let backend: Backend = first;
  let lostAtMs: number | null = null;
  const known = new Set<string>();
  const grades = new Map<string, BakedGrade>();
  const views = new Set<{ reopen: () => void }>();

  const check = (): void => {
    if (lostAtMs !== null || !first.isLost()) return;
    lostAtMs = performance.now();
    backend = makeSecond();
    for (const [key, grade] of grades) backend.setGrade(key, grade);
    for (const view of views) view.reopen();
    first.close();
    onFallback();
  };

  /** True while something the scene showed before the loss has not come in again. */
  const misses = (shot: Composition['shot']): boolean => {
    if (lostAtMs === null || performance.now() - lostAtMs > longestHoldMs) return false;
    const { layers } = shot.kind === 'scene' ? shot.scene : shot.to;
    return layers.some(({ sourceId }) => known.has(sourceId) && !backend.has(sourceId));
  };

  const openView = (size: Size): BackendView => {
    let view = backend.openView(size);
    let last: VideoFrame | null = null;
    const entry = {
      reopen: () => {
        view = backend.openView(size);
      },
    };
    views.add(entry);
    return {
      compose(composition, timestampUs) {
        check();
        if (last !== null && misses(composition.shot))
          return new VideoFrame(last, { timestamp: timestampUs });
        const frame = view.compose(composition, timestampUs);
        // Lost in the middle of drawing: what was read back is not to be trusted.
        if (lostAtMs === null && first.isLost() && last !== null) {
          frame.close();
          check();
          return new VideoFrame(last, { timestamp: timestampUs });
        }
        last?.close();
        last = lostAtMs === null ? frame.clone() : null;
        return frame;
      },
      close() {
        views.delete(entry);
        last?.close();
        last = null;
        view.close();
      },
    };
  };

  return {
    get name() {
      return backend.name;
    },
    async ingest(sourceId, frame) {
      check();
      known.add(sourceId);
      await backend.ingest(sourceId, frame);
    },
    forget(sourceId) {
      known.delete(sourceId);
      backend.forget(sourceId);
    },
    has: (sourceId) => backend.has(sourceId),
    sample: (sourceId) => backend.sample(sourceId),
    setGrade(key, grade) {
      grades.delete(key);
      grades.set(key, grade);
      const [oldest] = grades.keys();
      if (grades.size > mostGrades && oldest !== undefined) grades.delete(oldest);
      backend.setGrade(key, grade);
    },
    openView,
    close() {
      views.clear();
      grades.clear();
      known.clear();
      backend.close();
    },
  };
}
