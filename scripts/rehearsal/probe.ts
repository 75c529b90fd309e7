// Looks at a viewer's page from outside the product: what is on its screen, when, and what is heard.
// Installed before the page loads; it only reads the page's own video element. Runs in the page, uses nothing from this module.
import type { Bars } from './devices.ts';

/** What a picture says of itself: which camera painted it, and when (epoch ms). */
export type Captured = { camera: number; capturedMs: number };
/**
 * One picture on screen. `capturedMs` null: no bars in it, so it is not the studio's camera. Times are epoch ms.
 * `toEyeMs`: from `atMs` until it lights up, as the browser expects.
 */
export type SeenFrame = {
  atMs: number;
  toEyeMs: number;
  camera: number | null;
  capturedMs: number | null;
  width: number;
};

export type Probe = {
  /** Epoch ms of navigation, and of the first picture on screen. */
  navigatedMs: number;
  firstFrameMs: number | null;
  frames: SeenFrame[];
  /** Pictures the browser has put on the screen by its own count, also those this page was too busy to look at. */
  presented: number;
  /** Epoch ms of each onset of the beep as it left the jitter buffer. */
  beeps: number[];
  /** Watches a part of the picture (shares): epoch ms when it first differs from what it was at the call. */
  whenChanged(part: { left: number; top: number; width: number; height: number }): Promise<number>;
  /** Reads a picture's bars, which were painted at most four hours before `atMs`; null where none can be read. Does not close it. */
  read(frame: VideoFrame, atMs: number): Promise<Captured | null>;
  /** The picture as RGBA, base64. */
  picture(): { width: number; height: number; rgba: string };
};

declare global {
  interface Window {
    rehearsal: Probe;
  }
}

/** For `page.addInitScript(installProbe, [bars])`: of every camera, by its number. */
export const installProbe = (cameras: readonly Bars[]): void => {
  const epoch = () => performance.timeOrigin + performance.now();
  let video: HTMLVideoElement | undefined;
  const probe: Probe = {
    navigatedMs: performance.timeOrigin,
    firstFrameMs: null,
    frames: [],
    presented: 0,
    beeps: [],
    whenChanged: () => Promise.reject(new Error('no picture yet')),
    read: () => Promise.resolve(null),
    picture: () => {
      throw new Error('no picture yet');
    },
  };
  window.rehearsal = probe;
  const pen = (width: number, height: number) => {
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (!context) throw new Error('no canvas');
    return context;
  };

  let luma = new Uint8Array(0);
  /** Reads two rows of a picture, without converting the rest of it. */
  const readBars = async (frame: VideoFrame, layout: Bars, atMs: number): Promise<number | null> => {
    const cells = layout.start.length + layout.timeBits + layout.checkBits;
    const { width: w, height: h } = frame.visibleRect ?? { width: 0, height: 0 };
    const even = (value: number) => Math.floor(value / 2) * 2;
    const rect = {
      x: even(w * layout.left),
      y: even(h * (layout.top + layout.height / 2)),
      width: even(w * layout.width),
      height: 2,
    };
    const size = frame.allocationSize({ rect });
    if (luma.length < size) luma = new Uint8Array(size);
    const rows = luma;
    const [plane] = await frame.copyTo(rows, { rect });
    const at = plane?.offset ?? 0;
    // The middle of a cell, so that the encoder's soft edges do not matter.
    const lumaOf = (cell: number): number => rows[at + Math.floor(((cell + 0.5) * rect.width) / cells)] ?? 0;
    const mean = (wanted: number) => {
      const values = layout.start.flatMap((bit, cell) => (bit === wanted ? [lumaOf(cell)] : []));
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    // Half faded into another picture, white and black come closer.
    const [black, white] = [mean(0), mean(1)];
    if (white - black < 50) return null;
    const bit = (cell: number): number => (lumaOf(cell) > (black + white) / 2 ? 1 : 0);
    if (layout.start.some((expected, cell) => bit(cell) !== expected)) return null;
    let time = 0;
    let check = 0;
    for (let n = 0; n < layout.timeBits; n += 1) time |= bit(layout.start.length + n) << n;
    for (let n = 0; n < layout.checkBits; n += 1)
      check |= bit(layout.start.length + layout.timeBits + n) << n;
    let expected = 0;
    for (let n = 0; n < layout.timeBits; n += layout.checkBits)
      expected ^= (time >> n) & (2 ** layout.checkBits - 1);
    if (check !== expected) return null;
    // The bars hold the low bits; the rest is that of now.
    const span = 2 ** layout.timeBits;
    const captured = Math.floor(atMs / span) * span + time;
    return captured > atMs + 1000 ? captured - span : captured;
  };
  probe.read = async (frame, atMs) => {
    for (const [camera, layout] of cameras.entries()) {
      const capturedMs = await readBars(frame, layout, atMs);
      if (capturedMs !== null) return { camera, capturedMs };
    }
    return null;
  };
  const readScreen = async (from: HTMLVideoElement, atMs: number): Promise<Captured | null> => {
    const frame = new VideoFrame(from);
    try {
      return await probe.read(frame, atMs);
    } finally {
      frame.close();
    }
  };

  const isAudio = (track: MediaStreamTrack): track is MediaStreamAudioTrack => track.kind === 'audio';
  const listen = async (track: MediaStreamTrack) => {
    const own = track.clone();
    if (!isAudio(own)) return;
    const reader = new MediaStreamTrackProcessor({ track: own }).readable.getReader();
    let quietMs = 0;
    let samples = new Float32Array(4800);
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const atMs = epoch();
      const frames = value.numberOfFrames;
      if (samples.length < frames) samples = new Float32Array(frames);
      value.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
      const lengthMs = (frames / value.sampleRate) * 1000;
      value.close();
      let onset = -1;
      for (let n = 0; n < frames && onset < 0; n += 1) if (Math.abs(samples[n] ?? 0) > 0.08) onset = n;
      if (onset < 0) quietMs += lengthMs;
      else {
        // What was read now ends now.
        if (quietMs > 500) probe.beeps.push(atMs - lengthMs + (onset / frames) * lengthMs);
        quietMs = 0;
      }
    }
  };

  const follow = (element: HTMLVideoElement) => {
    video = element;
    const heard = new Set<string>();
    const onFrame: VideoFrameRequestCallback = (_, { presentedFrames, expectedDisplayTime }) => {
      const atMs = epoch();
      probe.presented = presentedFrames;
      probe.firstFrameMs ??= atMs;
      const toEyeMs = performance.timeOrigin + expectedDisplayTime - atMs;
      const seen = { atMs, toEyeMs, width: element.videoWidth };
      const see = async () => {
        const { camera = null, capturedMs = null } = (await readScreen(element, atMs)) ?? {};
        probe.frames.push({ ...seen, camera, capturedMs });
      };
      see().catch(reportError);
      const stream = element.srcObject;
      for (const track of stream instanceof MediaStream ? stream.getAudioTracks() : []) {
        if (heard.has(track.id)) continue;
        heard.add(track.id);
        listen(track).catch(reportError);
      }
      element.requestVideoFrameCallback(onFrame);
    };
    element.requestVideoFrameCallback(onFrame);
    probe.whenChanged = ({ left, top, width, height }) =>
      new Promise((resolve) => {
        const small = pen(64, 32);
        const look = () => {
          const { videoWidth: w, videoHeight: h } = element;
          small.drawImage(element, w * left, h * top, w * width, h * height, 0, 0, 64, 32);
          return small.getImageData(0, 0, 64, 32).data;
        };
        const before = look();
        const again = () => {
          const after = look();
          let changed = 0;
          for (let n = 0; n < after.length; n += 4)
            if (Math.abs((after[n] ?? 0) - (before[n] ?? 0)) > 60) changed += 1;
          if (changed >= 3) resolve(epoch());
          else element.requestVideoFrameCallback(again);
        };
        element.requestVideoFrameCallback(again);
      });
    probe.picture = () => {
      const { videoWidth: width, videoHeight: height } = element;
      const whole = pen(width, height);
      whole.drawImage(element, 0, 0);
      const { data } = whole.getImageData(0, 0, width, height);
      let text = '';
      for (let n = 0; n < data.length; n += 8_192)
        text += String.fromCharCode(...data.subarray(n, n + 8_192));
      return { width, height, rgba: btoa(text) };
    };
  };
  new MutationObserver(() => {
    const element = document.querySelector('video');
    if (element && element !== video) follow(element);
  }).observe(document, { childList: true, subtree: true });
};
