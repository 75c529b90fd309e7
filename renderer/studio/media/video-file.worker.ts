// The thread that plays a video file: decodes its pictures and hands each over when its time has come.
// Not its job: anything of the page, or what the compositor makes of the pictures.
import { BlobSource, Input, MATROSKA, MP4, QTFF, VideoSampleSink, WEBM, type VideoSample } from 'mediabunny';

/** From the page. */
export type VideoFileCommand =
  | {
      readonly kind: 'open';
      readonly file: Blob;
      readonly loop: boolean;
      readonly writable: WritableStream<VideoFrame>;
    }
  | { readonly kind: 'restart' };

/** To the page. `refused`: nothing is played. `fault`: it was played until now. */
export type VideoFileReport =
  | { readonly kind: 'opened'; readonly lengthMs: number }
  | { readonly kind: 'refused'; readonly sentence: string }
  | { readonly kind: 'fault'; readonly sentence: string };

/** A picture later than this is left out, so that a slow machine stays in time. */
const lateMs = 250;
/** Camera colours at 4K are the most a laptop decodes beside a show. */
const mostPixels = 3840 * 2160;

const report = (message: VideoFileReport): void => self.postMessage(message);

/** Counts up when playing starts over; what still runs for an earlier run ends. */
let run = 0;
let play: (() => Promise<void>) | null = null;

self.addEventListener('message', ({ data }: MessageEvent<VideoFileCommand>) => {
  if (data.kind === 'open') void open(data.file, data.loop, data.writable);
  else void play?.();
});

async function open(file: Blob, loop: boolean, writable: WritableStream<VideoFrame>): Promise<void> {
  try {
    const input = new Input({ source: new BlobSource(file), formats: [MP4, QTFF, WEBM, MATROSKA] });
    if (!(await input.canRead())) {
      throw new Error('This is no video file that can be read here. Choose an MP4, MOV or WebM file.');
    }
    const track = await input.getPrimaryVideoTrack();
    if (track === null) throw new Error('This file has no picture, only sound.');
    if (!(await track.canDecode())) {
      throw new Error('This computer cannot decode the video. Export it as MP4 with H.264.');
    }
    if (track.displayWidth * track.displayHeight > mostPixels) {
      throw new Error('The picture of this video is larger than 4K. Export it at 1080p or less.');
    }
    const startS = Math.max(0, await track.getFirstTimestamp());
    const lengthS = (await track.computeDuration()) - startS;
    if (!(lengthS > 0.1)) throw new Error('This video has hardly any pictures in it.');
    const sink = new VideoSampleSink(track);
    const writer = writable.getWriter();
    play = () => playFrom(sink, writer, startS, lengthS, loop);
    report({ kind: 'opened', lengthMs: Math.round(lengthS * 1000) });
    void play();
  } catch (error) {
    report({ kind: 'refused', sentence: error instanceof Error ? error.message : String(error) });
  }
}

/** Numbers each time through the video: one, or as many as there are. */
function* rounds(loop: boolean): Generator<number> {
  yield 0;
  if (loop) for (let round = 1; ; round++) yield round;
}

async function playFrom(
  sink: VideoSampleSink,
  writer: WritableStreamDefaultWriter<VideoFrame>,
  startS: number,
  lengthS: number,
  loop: boolean,
): Promise<void> {
  const mine = ++run;
  const beganMs = performance.now();
  try {
    for (const round of rounds(loop)) {
      for await (const sample of sink.samples(startS)) {
        const dueMs = beganMs + (round * lengthS + sample.timestamp - startS) * 1000;
        try {
          const aheadMs = dueMs - performance.now();
          if (aheadMs > 1) await wait(aheadMs);
          if (mine !== run) return;
          if (aheadMs > -lateMs) await write(sample, writer, dueMs);
        } finally {
          sample.close();
        }
      }
    }
  } catch (error) {
    if (mine !== run) return;
    const reason = error instanceof Error ? error.message : String(error);
    report({ kind: 'fault', sentence: `The video stopped, its last picture stays (${reason}).` });
  }
}

async function write(
  sample: VideoSample,
  writer: WritableStreamDefaultWriter<VideoFrame>,
  dueMs: number,
): Promise<void> {
  const decoded = sample.toVideoFrame();
  // Its own times start over with each round; the track's must not.
  const frame = new VideoFrame(decoded, { timestamp: Math.round(dueMs * 1000) });
  decoded.close();
  try {
    await writer.write(frame);
  } catch (error) {
    frame.close();
    throw error;
  }
}

const wait = async (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
