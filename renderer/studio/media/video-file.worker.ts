// The thread that plays a video file: decodes its pictures and its sound, and hands each over when its time has come.
// Not its job: anything of the page, or what compositor and mixer make of it.
import { AudioSampleSink, VideoSampleSink, type VideoSample } from 'mediabunny';
import { downmix } from './downmix.ts';
import { playRounds } from './rounds.ts';
import { openVideoInput } from './video-input.ts';

/** From the page. */
export type VideoFileCommand =
  | {
      readonly kind: 'open';
      readonly file: Blob;
      readonly loop: boolean;
      readonly writable: WritableStream<VideoFrame>;
      readonly soundWritable: WritableStream<AudioData>;
    }
  | { readonly kind: 'restart' };

/** To the page. `refused`: nothing is played. `fault`: it was played until now, or goes on without what failed. */
export type VideoFileReport =
  | { readonly kind: 'opened'; readonly lengthMs: number; readonly hasSound: boolean }
  | { readonly kind: 'refused'; readonly sentence: string }
  | { readonly kind: 'fault'; readonly sentence: string };

/** What is later than this is left out, so that a slow machine stays in time. */
const lateMs = 250;
/** Sound goes out in pieces of this length, whatever its codec's are: the mixer waits for one of them. */
const soundPieceMs = 10;
/** The mixer has sound so long before it is due: stalls of the machine's threads, up to this long, are not heard. */
const soundAheadMs = 200;
/**
 * So much later than its picture the sound is due: as late as a calm machine's microphones are after their camera, which sender
 * reports allow for (`soundUntoldMs` in program-bus.ts).
 */
const soundLateMs = 30;

const report = (message: VideoFileReport): void => self.postMessage(message);
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What is played, again and again from `startS` of the file on. */
interface Recording {
  readonly picture: VideoSampleSink;
  readonly pictureOut: WritableStreamDefaultWriter<VideoFrame>;
  readonly sound: AudioSampleSink | null;
  readonly soundOut: WritableStreamDefaultWriter<AudioData>;
  readonly startS: number;
  readonly lengthS: number;
  readonly loop: boolean;
}

/** Counts up when playing starts over; what still runs for an earlier run ends. */
let run = 0;
let recording: Recording | null = null;

self.addEventListener('message', ({ data }: MessageEvent<VideoFileCommand>) => {
  if (data.kind === 'open') void open(data);
  else play();
});

async function open(command: Extract<VideoFileCommand, { kind: 'open' }>): Promise<void> {
  const { file, loop, writable, soundWritable } = command;
  try {
    const { video, audio, canHear, startS, orRefuse } = await openVideoInput(file);
    const lengthS = (await orRefuse(video.computeDuration())) - startS;
    if (!(lengthS > 0.1)) throw new Error('This video has hardly any pictures in it.');
    recording = {
      picture: new VideoSampleSink(video),
      pictureOut: writable.getWriter(),
      sound: audio !== null && canHear ? new AudioSampleSink(audio) : null,
      soundOut: soundWritable.getWriter(),
      startS,
      lengthS,
      loop,
    };
    report({ kind: 'opened', lengthMs: Math.round(lengthS * 1000), hasSound: canHear });
    if (audio !== null && !canHear) {
      const sentence =
        'This computer cannot decode the video’s sound, it plays without. Export it with AAC sound.';
      report({ kind: 'fault', sentence });
    }
    play();
  } catch (error) {
    report({ kind: 'refused', sentence: reasonOf(error) });
  }
}

function play(): void {
  if (recording === null) return;
  const mine = ++run;
  const beganMs = performance.now();
  const orSay = (what: string, work: Promise<void>) =>
    work.catch((error: unknown) => {
      if (mine === run) report({ kind: 'fault', sentence: `${what} (${reasonOf(error)}).` });
    });
  const { sound } = recording;
  void orSay('The video stopped, its last picture stays', playPicture(recording, mine, beganMs));
  if (sound !== null) {
    void orSay('The video’s sound stopped', playSound(recording, sound, mine, beganMs));
  }
}

function playPicture(of: Recording, mine: number, beganMs: number): Promise<void> {
  const { picture, pictureOut, startS, lengthS, loop } = of;
  return playRounds(loop, async (round) => {
    let isEmpty = true;
    for await (const sample of picture.samples(startS)) {
      try {
        const dueMs = beganMs + (round * lengthS + sample.timestamp - startS) * 1000;
        isEmpty = false;
        const aheadMs = await until(dueMs);
        if (mine !== run) return 'stopped';
        if (aheadMs > -lateMs) await writePicture(sample, pictureOut, dueMs);
      } finally {
        sample.close();
      }
    }
    return isEmpty ? 'empty' : 'played';
  });
}

async function writePicture(
  sample: VideoSample,
  out: WritableStreamDefaultWriter<VideoFrame>,
  dueMs: number,
): Promise<void> {
  const decoded = sample.toVideoFrame();
  // Its own times start over with each round; the track's must not.
  const frame = new VideoFrame(decoded, { timestamp: Math.round(dueMs * 1000) });
  decoded.close();
  try {
    await out.write(frame);
  } catch (error) {
    frame.close();
    throw error;
  }
}

function playSound(of: Recording, sound: AudioSampleSink, mine: number, beganMs: number): Promise<void> {
  const { soundOut, startS, lengthS, loop } = of;
  return playRounds(loop, async (round) => {
    let isEmpty = true;
    // Until the last picture's end and no further: the next round begins with the first.
    for await (const sample of sound.samples(startS, startS + lengthS)) {
      try {
        const { sampleRate, timestamp } = sample;
        const [left, right] = downmix(sample);
        const first = Math.max(0, Math.round((startS - timestamp) * sampleRate));
        const end = Math.min(left.length, Math.round((startS + lengthS - timestamp) * sampleRate));
        const pieceFrames = Math.round((soundPieceMs / 1000) * sampleRate);
        for (let from = first; from < end; from += pieceFrames) {
          const to = Math.min(end, from + pieceFrames);
          const atS = timestamp - startS + from / sampleRate;
          const dueMs = beganMs + (round * lengthS + atS) * 1000 + soundLateMs;
          isEmpty = false;
          const aheadMs = await until(dueMs - soundAheadMs);
          if (mine !== run) return 'stopped';
          if (aheadMs <= -soundAheadMs) continue;
          await writeSound(left.subarray(from, to), right.subarray(from, to), sampleRate, soundOut, dueMs);
        }
      } finally {
        sample.close();
      }
    }
    return isEmpty ? 'empty' : 'played';
  });
}

/** Its time is the moment at which it is due, which the mixer gets by its own thread's clock. */
async function writeSound(
  left: Float32Array,
  right: Float32Array,
  sampleRate: number,
  out: WritableStreamDefaultWriter<AudioData>,
  dueMs: number,
): Promise<void> {
  const data = new Float32Array(left.length + right.length);
  data.set(left);
  data.set(right, left.length);
  const piece = new AudioData({
    format: 'f32-planar',
    sampleRate,
    numberOfChannels: 2,
    numberOfFrames: left.length,
    timestamp: Math.round(dueMs * 1000),
    data,
  });
  try {
    await out.write(piece);
  } catch (error) {
    piece.close();
    throw error;
  }
}

/** Waits for a moment of this thread's clock. Answers how far ahead it was when asked: negative, it has passed. */
async function until(dueMs: number): Promise<number> {
  const aheadMs = dueMs - performance.now();
  if (aheadMs > 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, aheadMs);
    });
  }
  return aheadMs;
}
