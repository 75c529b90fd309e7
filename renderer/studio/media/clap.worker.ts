// Watches and listens to the program for claps, on its own thread, so that a busy page does not shift what it measures.
// Not its job: what counts as a flash or a beep, or what follows (clap.ts).
import { clapGrid, createBeepDetector, createFlashDetector, type BeepDetector } from './clap.ts';

/** From the page: the two tracks of the program. */
export interface ClapCommand {
  readonly video: ReadableStream<VideoFrame>;
  readonly audio: ReadableStream<AudioData>;
}

/** To the page; ms of this machine's clock. */
export interface ClapReport {
  readonly kind: 'flash' | 'beep';
  readonly atMs: number;
}

const nowMs = (): number => performance.timeOrigin + performance.now();
const tell = (report: ClapReport): void => self.postMessage(report);

self.addEventListener('message', ({ data }: MessageEvent<ClapCommand>) => {
  void watch(data.video);
  void listen(data.audio);
});

async function watch(video: ReadableStream<VideoFrame>): Promise<void> {
  const detector = createFlashDetector();
  const grid = new Float32Array(clapGrid.columns * clapGrid.rows);
  let pixels = new Uint8Array(0);
  const reader = video.getReader();
  for (let frame = (await reader.read()).value; frame !== undefined; frame = (await reader.read()).value) {
    const atMs = nowMs();
    const { width, height } = frame.visibleRect ?? { width: 0, height: 0 };
    // The first plane is luma in every format that cameras, compositor and encoders use.
    if (frame.format === 'I420' || frame.format === 'NV12') {
      const size = frame.allocationSize();
      if (pixels.length < size) pixels = new Uint8Array(size);
      const [plane] = await frame.copyTo(pixels);
      if (plane) readGrid(pixels, plane, width, height, grid);
      if (detector.picture(grid, atMs)) tell({ kind: 'flash', atMs });
    }
    frame.close();
  }
}

/** Each cell by every fourth pixel of every fourth row. */
function readGrid(
  pixels: Uint8Array,
  { offset, stride }: PlaneLayout,
  width: number,
  height: number,
  grid: Float32Array,
): void {
  const { columns, rows } = clapGrid;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      let count = 0;
      for (let y = Math.floor((row * height) / rows); y < ((row + 1) * height) / rows; y += 4) {
        for (let x = Math.floor((column * width) / columns); x < ((column + 1) * width) / columns; x += 4) {
          sum += pixels[offset + y * stride + x] ?? 0;
          count++;
        }
      }
      grid[row * columns + column] = count > 0 ? sum / count : 0;
    }
  }
}

async function listen(audio: ReadableStream<AudioData>): Promise<void> {
  let detector: BeepDetector | null = null;
  let samples = new Float32Array(0);
  const reader = audio.getReader();
  for (let sound = (await reader.read()).value; sound !== undefined; sound = (await reader.read()).value) {
    const endMs = nowMs();
    const { numberOfFrames, sampleRate } = sound;
    detector ??= createBeepDetector(sampleRate);
    if (samples.length !== numberOfFrames) samples = new Float32Array(numberOfFrames);
    sound.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
    sound.close();
    const startMs = endMs - (numberOfFrames / sampleRate) * 1000;
    for (const offsetMs of detector.samples(samples)) tell({ kind: 'beep', atMs: startMs + offsetMs });
  }
}
