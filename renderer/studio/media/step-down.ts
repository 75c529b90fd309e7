// When the machine cannot make every frame in time: what the compositor gives up, in which order, and how the director is
// told. First what only helps the director, then smoothness, then sharpness; never the program itself. Pure.
// Not its job: measuring (compositor.worker.ts), or stepping up again, which would flap: a reload of the page does that.

import type { Output } from './scene.ts';

/** What one second of the program was like. */
export interface SecondOfFrames {
  readonly framesOut: number;
  readonly late: number;
  readonly meanWorkMs: number;
}

/** What is running, and what of it could be given up. */
export interface Load {
  readonly output: Output;
  readonly hasSecond: boolean;
  /** The preview runs at its full rate. */
  readonly hasFastPreview: boolean;
}

export type StepDown =
  | { readonly kind: 'closeSecond'; readonly sentence: string }
  | { readonly kind: 'slowPreview'; readonly sentence: string }
  | { readonly kind: 'output'; readonly output: Output; readonly sentence: string };

/** So many late frames count only while composing takes its time: a camera that is slow itself is not made faster by less. */
const mostLateShare = 0.1;
const busyShare = 0.4;
/** Composing alone must leave time for reading and for the encoder. */
const mostWorkShare = 0.8;
/** One bad second is a hiccup. */
const badSeconds = 3;
/** A step needs a moment to show what it brought. */
const graceSeconds = 3;

const slowFps = 30;
/** Lines of the steps below; the shorter side of an upright picture. */
const steps = [720, 540, 360] as const;

export interface StepDownJudge {
  /** Told once a second; answers what to give up now, null for nothing. */
  second(frames: SecondOfFrames, load: Load): StepDown | null;
}

export function createStepDownJudge(): StepDownJudge {
  let bad = 0;
  let grace = graceSeconds;
  return {
    second({ framesOut, late, meanWorkMs }, load) {
      if (grace > 0) {
        grace--;
        return null;
      }
      const workShare = (meanWorkMs * load.output.fps) / 1000;
      const isLate = framesOut > 0 && late / framesOut > mostLateShare && workShare > busyShare;
      bad = isLate || workShare > mostWorkShare ? bad + 1 : 0;
      if (bad < badSeconds) return null;
      bad = 0;
      grace = graceSeconds;
      return nextStep(load);
    },
  };
}

function nextStep({ output, hasSecond, hasFastPreview }: Load): StepDown | null {
  const why = 'Frames were late, so the studio does less';
  if (hasSecond) {
    return {
      kind: 'closeSecond',
      sentence: `${why}: the program in its other shape is off. The program itself goes on.`,
    };
  }
  if (hasFastPreview) {
    return { kind: 'slowPreview', sentence: `${why}: the preview moves more slowly. The program goes on.` };
  }
  if (output.fps > slowFps) {
    const next = { ...output, fps: slowFps };
    return { kind: 'output', output: next, sentence: `${why}: the program runs at ${slowFps} frames/s now.` };
  }
  const shorter = Math.min(output.width, output.height);
  const lines = steps.find((step) => step < shorter);
  if (lines === undefined) return null;
  const scaled = (side: number): number => Math.round((side * lines) / shorter / 2) * 2;
  const next = { ...output, width: scaled(output.width), height: scaled(output.height) };
  const sentence = `${why}: the program is ${lines} lines high now. Close what else runs on this computer, or use fewer sources.`;
  return { kind: 'output', output: next, sentence };
}
