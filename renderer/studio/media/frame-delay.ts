// Holds one source's pictures back, so that a fast camera meets a slow one, or its sound. It holds copies: a camera has only a
// few frames of its own, and would stop if it got none of them back.
// Not its job: the delay of the whole program (outlet.ts), or what becomes of a picture that is due (source-intake.ts).

export interface FrameDelay {
  /** Copies a frame, which stays the caller's. Its `mediaMs` comes back with it, later by the delay. */
  hold(frame: VideoFrame, mediaMs: number): Promise<void>;
  /** Pictures that wait follow the new delay; those that it makes late are let go. */
  setDelayMs(delayMs: number): void;
  readonly heldFrames: number;
  close(): void;
}

/** A second of 60 frames and some that are late. */
const mostHeld = 64;

/** `show` gets each picture when it is due, one after another, and does not close it. */
export function createFrameDelay(
  first: number,
  show: (frame: VideoFrame, mediaMs: number) => Promise<void>,
  onFault: (error: unknown) => void,
): FrameDelay {
  const held: { readonly frame: VideoFrame; readonly mediaMs: number; readonly atMs: number }[] = [];
  let delayMs = first;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isShowing = false;
  let closed = false;

  const arm = (): void => {
    clearTimeout(timer);
    const next = held[0];
    if (next === undefined || isShowing || closed) return;
    timer = setTimeout(() => void showDue(), Math.max(0, next.atMs + delayMs - performance.now()));
  };

  const showDue = async (): Promise<void> => {
    const nowMs = performance.now();
    // A millisecond early is the timer's own error. Of several that are due only the newest is of use.
    const due = held.filter(({ atMs }) => atMs + delayMs <= nowMs + 1).length;
    const taken = held.splice(0, due);
    for (const { frame } of taken.slice(0, -1)) frame.close();
    const next = taken.at(-1);
    if (next !== undefined) {
      isShowing = true;
      try {
        await show(next.frame, next.mediaMs + delayMs);
      } catch (error) {
        onFault(error);
      } finally {
        next.frame.close();
        isShowing = false;
      }
    }
    arm();
  };

  return {
    async hold(frame, mediaMs) {
      const atMs = performance.now();
      const copy = await copyFrame(frame);
      if (closed) return copy.close();
      held.push({ frame: copy, mediaMs, atMs });
      if (held.length > mostHeld) held.shift()?.frame.close();
      if (held.length === 1) arm();
    },
    setDelayMs(next) {
      delayMs = next;
      arm();
    },
    get heldFrames() {
      return held.length + (isShowing ? 1 : 0);
    },
    close() {
      closed = true;
      clearTimeout(timer);
      for (const { frame } of held.splice(0)) frame.close();
    },
  };
}

/** The visible part of a frame in memory of its own; what is rarer than I420 and NV12 the browser turns into RGB. */
async function copyFrame(frame: VideoFrame): Promise<VideoFrame> {
  const { visibleRect, format, timestamp, colorSpace } = frame;
  if (visibleRect === null) throw new Error('A closed frame cannot be held.');
  const size = { codedWidth: visibleRect.width, codedHeight: visibleRect.height };
  // Newer browsers keep how a phone was held beside the pixels.
  const turned = 'rotation' in frame && { rotation: frame.rotation };
  if (format === 'I420' || format === 'NV12') {
    const data = new ArrayBuffer(frame.allocationSize());
    const layout = await frame.copyTo(data);
    // The bytes become the frame's: nothing is copied twice.
    const handedOver = { transfer: [data] };
    const kept = { format, timestamp, colorSpace: colorSpace.toJSON(), layout };
    return new VideoFrame(data, { ...size, ...turned, ...kept, ...handedOver });
  }
  const data = new ArrayBuffer(size.codedWidth * size.codedHeight * 4);
  const layout = [{ offset: 0, stride: size.codedWidth * 4 }];
  await frame.copyTo(data, { format: 'RGBA', layout });
  const handedOver = { transfer: [data] };
  return new VideoFrame(data, { ...size, ...turned, format: 'RGBA', timestamp, layout, ...handedOver });
}
