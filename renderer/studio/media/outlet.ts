// The way of finished frames into a track: at once or held back, and dropped rather than queued when nobody takes them.
// Every frame given to it is closed by the track or here.
// Not its job: making frames, or counting what they cost.

export interface Outlet {
  /** Takes the frame over. */
  put(frame: VideoFrame): void;
  /** Holds later frames back by this long; those that wait follow the new delay. */
  setDelayMs(delayMs: number): void;
  /** Frames that wait here or that the track has not taken yet. */
  readonly openFrames: number;
  /** Frames nobody took, since the last call. */
  takeDropped(): number;
  close(): void;
}

/** Frames handed to the track that it has not taken. A picture that waited longer would make all later ones late for good. */
const mostWriting = 3;

export function createOutlet(
  writable: WritableStream<VideoFrame>,
  onFault: (error: unknown) => void,
): Outlet {
  const writer = writable.getWriter();
  const waiting: { readonly frame: VideoFrame; readonly dueMs: number }[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let delayMs = 0;
  let writing = 0;
  let dropped = 0;

  const write = (frame: VideoFrame): void => {
    if (writing >= mostWriting) {
      frame.close();
      dropped++;
      return;
    }
    writing++;
    writer
      .write(frame)
      .catch((error: unknown) => {
        frame.close();
        onFault(error);
      })
      .finally(() => {
        writing--;
      });
  };

  const arm = (): void => {
    clearTimeout(timer);
    const first = waiting[0];
    if (first !== undefined) timer = setTimeout(release, first.dueMs - performance.now());
  };

  const release = (): void => {
    const nowMs = performance.now();
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      if (first.dueMs > nowMs + 1 && first.dueMs <= nowMs + delayMs) break;
      waiting.shift();
      write(first.frame);
    }
    arm();
  };

  return {
    put(frame) {
      if (delayMs === 0 && waiting.length === 0) return write(frame);
      waiting.push({ frame, dueMs: performance.now() + delayMs });
      if (waiting.length === 1) arm();
    },
    setDelayMs(next) {
      delayMs = next;
      release();
    },
    get openFrames() {
      return waiting.length + writing;
    },
    takeDropped() {
      const taken = dropped;
      dropped = 0;
      return taken;
    },
    close() {
      clearTimeout(timer);
      for (const { frame } of waiting.splice(0)) frame.close();
      writer.close().catch(onFault);
    },
  };
}
