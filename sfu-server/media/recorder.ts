// The server's own copy of the program: a member without a socket. It consumes the program as a viewer does, joins RTP
// into frames and writes them to a Matroska file while they come, block by block, so that a crash loses next to nothing.
// Trouble with the disk ends the recording and never touches the program. When to record is the control plane's order;
// lists and downloads are recordings.ts. Format and limits: docs/decisions/0012-recording-the-program.md.
import { mkdir, open, statfs, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import {
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedVideoPacketSource,
  MkvOutputFormat,
  Output,
  StreamTarget,
  WebMOutputFormat,
  type StreamTargetChunk,
} from 'mediabunny';
import type { types } from 'mediasoup';
import type { VideoCodec } from '../protocol/media.ts';
import {
  circularDistance,
  clockRateHz,
  describeH264,
  joinH264,
  joinVp8,
  prefixNalUnits,
  programTimestamp,
  readRtpHeader,
  readVp8Size,
  splitNalUnits,
  startsKeyFrame,
  type ProgramCodec,
  type RtpHeader,
} from './rtp.ts';
import { silentOpusFrame } from './standby.ts';
import type { Kind } from './studio-ingest.ts';

export type RecordingState =
  | { kind: 'idle' }
  | { kind: 'recording'; name: string }
  | { kind: 'stopped'; reason: string };

export type RecorderOptions = {
  readonly router: types.Router;
  readonly program: Readonly<Record<Kind, types.Producer>>;
  readonly codec: VideoCodec;
  /** Where files go; made if it is not there. */
  readonly folder: string;
  readonly warn: (message: string, cause?: unknown) => void;
  /** Bytes that must stay free on the disk. */
  readonly minFreeBytes?: number;
  /** What the disk may owe before the recording is given up. */
  readonly maxQueuedBytes?: number;
};

export type Recorder = Awaited<ReturnType<typeof createRecorder>>;

/** One file per run of a node; long shows go on in the next file. */
const maxFileMs = 4 * 3_600_000;
const defaultMinFreeBytes = 1_000_000_000;
const diskCheckMs = 5_000;
/** Half a minute of program. */
const defaultMaxQueuedBytes = 16 * 1024 * 1024;
/** Packets that may overtake one that was sent again. */
const maxEarly: Readonly<Record<Kind, number>> = { video: 96, audio: 12 };
const opusFrameMs = 20;
/** A top layer that is missing this long is replaced by a lower one. */
const layerPatienceMs = 1_000;
const keyFrameIntervalMs = 1_000;
/** Sound that is missing this long is written as silence: the file is written in order, and picture would wait for it. */
const maxSoundLagMs = 400;
/** Sound without a picture is not written: it would wait for one. */
const maxSoundLeadMs = 2_000;

/** OpusHead (RFC 7845 §5.1): version 1, two channels, no pre-skip, 48 kHz, no gain. */
const opusHead = Buffer.from([...Buffer.from('OpusHead'), 1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0]);

type Frame = { readonly data: Buffer; readonly isKeyFrame: boolean; readonly atMs: number };

/** Puts a stream's packets in order; a hole that stays open is told with the packet after it. */
const createOrder = (
  maxWaiting: number,
  next: (packet: Buffer, header: RtpHeader, afterHole: boolean) => void,
) => {
  const waiting = new Map<number, { packet: Buffer; header: RtpHeader }>();
  let expected: number | undefined;
  let afterHole = false;
  const drain = () => {
    for (;;) {
      const found = expected === undefined ? undefined : waiting.get(expected);
      if (!found) return;
      waiting.delete(found.header.sequenceNumber);
      expected = (found.header.sequenceNumber + 1) & 0xffff;
      next(found.packet, found.header, afterHole);
      afterHole = false;
    }
  };
  return (packet: Buffer) => {
    const header = readRtpHeader(packet);
    if (!header) return;
    const from = expected ?? header.sequenceNumber;
    expected = from;
    if (circularDistance(from, header.sequenceNumber, 16) < 0) return;
    waiting.set(header.sequenceNumber, { packet, header });
    drain();
    if (waiting.size <= maxWaiting) return;
    const steps = [...waiting.keys()].map((number) => circularDistance(from, number, 16));
    expected = (from + Math.min(...steps)) & 0xffff;
    afterHole = true;
    drain();
  };
};

/** Program time of a stream, ms of this node's clock, from its 32 bit timestamps. */
const createTimeline = (codec: ProgramCodec) => {
  let last: { timestamp: number; atMs: number } | undefined;
  return (timestamp: number): number => {
    const nowMs = performance.now();
    const from = last ?? { timestamp: programTimestamp(nowMs, codec), atMs: nowMs };
    const ticks = circularDistance(from.timestamp, timestamp, 32);
    const atMs = from.atMs + (ticks * 1000) / clockRateHz[codec];
    last = { timestamp, atMs };
    return atMs;
  };
};

/** Joins packets of the program's video to frames; after a loss nothing until the next key frame. */
const createFrameJoiner = (codec: VideoCodec, found: (frame: Frame) => void, lost: () => void) => {
  const programCodec = codec === 'VP8' ? 'vp8' : 'h264';
  const timeline = createTimeline(programCodec);
  let payloads: Buffer[] = [];
  let timestamp: number | undefined;
  let isWhole = false;
  let needsKeyFrame = true;

  const finish = () => {
    const [first] = payloads;
    if (first === undefined || timestamp === undefined) return;
    const isKeyFrame = startsKeyFrame(programCodec, first);
    const joined =
      codec === 'VP8' ? joinVp8(payloads) : mapDefined(joinH264(payloads), (units) => prefixNalUnits(units));
    payloads = [];
    const atMs = timeline(timestamp);
    if (!isWhole || !joined) {
      needsKeyFrame = true;
      return lost();
    }
    if (needsKeyFrame && !isKeyFrame) return;
    needsKeyFrame = false;
    found({ data: joined, isKeyFrame, atMs });
  };

  return (packet: Buffer, header: RtpHeader, afterHole: boolean) => {
    if (afterHole) {
      // Whether the hole was in the frame before or in this one cannot be told.
      isWhole = false;
      needsKeyFrame = true;
    }
    if (timestamp !== header.timestamp) {
      finish();
      timestamp = header.timestamp;
      isWhole = true;
    }
    if (header.payloadEnd > header.payloadAt) {
      payloads.push(packet.subarray(header.payloadAt, header.payloadEnd));
    }
    if (header.marker) finish();
  };
};

const mapDefined = <T, U>(value: T | undefined, map: (value: T) => U): U | undefined =>
  value === undefined ? undefined : map(value);

/** One file from its first key frame on. Writes one after the other; `failed` is called once, and nothing is written after. */
const createFile = (
  {
    codec,
    folder,
    maxQueuedBytes = defaultMaxQueuedBytes,
  }: Pick<RecorderOptions, 'codec' | 'folder' | 'maxQueuedBytes'>,
  name: string,
  failed: (reason: string, cause?: unknown) => void,
) => {
  const format =
    codec === 'VP8'
      ? new WebMOutputFormat({ appendOnly: true, minimumClusterDuration: 1 })
      : new MkvOutputFormat({ appendOnly: true, minimumClusterDuration: 1 });
  let handle: FileHandle | undefined;
  const writable = new WritableStream<StreamTargetChunk>({
    write: async ({ data, position }) => void (await handle?.write(data, 0, data.length, position)),
  });
  const output = new Output({ format, target: new StreamTarget(writable) });
  const video = new EncodedVideoPacketSource(codec === 'VP8' ? 'vp8' : 'avc');
  const audio = new EncodedAudioPacketSource('opus');
  output.addVideoTrack(video);
  output.addAudioTrack(audio);

  let beginMs: number | undefined;
  let videoMs = 0;
  let audioMs = 0;
  let queuedBytes = 0;
  let bytes = 0;
  let ended = false;
  let isFirstSound = true;
  const fail = (reason: string, cause?: unknown) => {
    if (ended) return;
    ended = true;
    failed(reason, cause);
  };
  let queue = (async () => {
    handle = await open(join(folder, name), 'wx', 0o600);
    await output.start();
  })();
  queue.catch((error: unknown) => fail('the file cannot be written', error));

  const writeAfter = async (earlier: Promise<void>, size: number, write: () => Promise<void>) => {
    await earlier;
    if (ended) return;
    await write();
    queuedBytes -= size;
    bytes += size;
  };
  const enqueue = (size: number, write: () => Promise<void>) => {
    if (ended) return;
    queuedBytes += size;
    if (queuedBytes > maxQueuedBytes) return fail('the disk is too slow');
    queue = writeAfter(queue, size, write);
    queue.catch((error: unknown) => fail('the file cannot be written', error));
  };
  const writeSound = (data: Uint8Array, atMs: number) => {
    audioMs = atMs;
    const packet = new EncodedPacket(data, 'key', atMs / 1000, opusFrameMs / 1000);
    const meta = isFirstSound ? { decoderConfig: soundConfig } : undefined;
    isFirstSound = false;
    enqueue(data.length, () => audio.add(packet, meta));
  };
  const fillSilence = (untilMs: number) => {
    for (let atMs = audioMs + opusFrameMs; atMs <= untilMs; atMs += opusFrameMs)
      writeSound(silentOpusFrame, atMs);
  };

  return {
    ageMs: () => videoMs,
    addPicture: ({ data, isKeyFrame, atMs }: Frame) => {
      const config = beginMs === undefined ? pictureConfig(codec, data) : undefined;
      if (beginMs === undefined) {
        if (!isKeyFrame) return;
        if (!config) return fail('the picture has a format that cannot be recorded');
        beginMs = atMs;
        audioMs = -opusFrameMs;
      }
      // Equal or falling times would make the file unreadable; a millisecond is its resolution.
      const stepMs = videoMs === 0 && config ? 0 : videoMs + 1;
      videoMs = Math.max(stepMs, atMs - beginMs);
      const packet = new EncodedPacket(data, isKeyFrame ? 'key' : 'delta', videoMs / 1000, 0);
      enqueue(data.length, () => video.add(packet, config ? { decoderConfig: config } : undefined));
      if (videoMs - audioMs > maxSoundLagMs) fillSilence(videoMs - maxSoundLagMs / 2);
    },
    addSound: ({ data, atMs }: Frame) => {
      if (beginMs === undefined) return;
      const soundMs = atMs - beginMs;
      if (soundMs < audioMs + opusFrameMs / 2 || soundMs > videoMs + maxSoundLeadMs) return;
      writeSound(data, soundMs);
    },
    /** Resolves when all that came is in the file, or it was given up. */
    close: async () => {
      await queue.catch(() => undefined);
      if (!ended) {
        ended = true;
        await output.finalize().catch((error: unknown) => failed('the file cannot be written', error));
      }
      await handle?.close().catch(() => undefined);
      handle = undefined;
    },
    snapshot: () => ({
      name,
      bytes,
      queuedBytes,
      videoMs: Math.round(videoMs),
      audioMs: Math.round(audioMs),
    }),
  };
};

const soundConfig = {
  codec: 'opus',
  sampleRate: clockRateHz.opus,
  numberOfChannels: 2,
  description: opusHead,
};

/** What the container must know before the first frame, read from that frame. */
const pictureConfig = (codec: VideoCodec, keyFrame: Buffer) => {
  if (codec === 'VP8') {
    const size = readVp8Size(keyFrame);
    return size && { codec: 'vp8', codedWidth: size.width, codedHeight: size.height };
  }
  const described = describeH264(splitNalUnits(keyFrame, 4));
  return (
    described && {
      codec: described.codec,
      codedWidth: described.width,
      codedHeight: described.height,
      description: described.record,
    }
  );
};

/** To the millisecond: a node that takes over at once needs a name of its own. */
const fileStart = (date: Date): string => date.toISOString().replaceAll(/[-:.]/g, '');

/** Attached to the program from the start, so that not a frame is missed; writes only between `start` and `stop`. */
export const createRecorder = async (options: RecorderOptions) => {
  const { router, program, codec, folder, warn } = options;
  const minFreeBytes = options.minFreeBytes ?? defaultMinFreeBytes;
  // A disk that refuses is no reason to have no program: the first file will say so.
  await mkdir(folder, { recursive: true }).catch(() => undefined);
  const transport = await router.createDirectTransport();
  // Without congestion feedback, which nobody here would answer.
  const codecs = (router.rtpCapabilities.codecs ?? []).map((each) => ({
    ...each,
    rtcpFeedback: each.rtcpFeedback?.filter(({ type }) => type === 'nack' || type === 'ccm'),
  }));
  const consume = (kind: Kind) =>
    transport.consume({
      producerId: program[kind].id,
      rtpCapabilities: { codecs, headerExtensions: [] },
      enableRtx: false,
      // Every layer as it is sent: no bandwidth to guess, no start on a small one.
      pipe: true,
    });
  const [videoConsumer, audioConsumer] = await Promise.all([consume('video'), consume('audio')]);

  let state: RecordingState = { kind: 'idle' };
  let file: ReturnType<typeof createFile> | undefined;
  let show = '';
  /** Of the file being written: its layer (-1: none yet), and program times in ms. */
  let layer = -1;
  let pictureMs = 0;
  let firstKeyFrameMs: number | undefined;
  let askedMs = -Infinity;
  let closing = Promise.resolve();
  const askKeyFrame = () => {
    const nowMs = performance.now();
    if (!file || nowMs - askedMs < keyFrameIntervalMs) return;
    askedMs = nowMs;
    videoConsumer.requestKeyFrame().catch(() => undefined);
  };
  const finish = () => {
    const finished = file;
    file = undefined;
    if (finished) closing = Promise.all([closing, finished.close()]).then(() => undefined);
  };
  const giveUp = (reason: string, cause?: unknown) => {
    if (state.kind !== 'recording') return;
    state = { kind: 'stopped', reason };
    warn(`The recording has stopped: ${reason}.`, cause);
    finish();
  };
  const begin = () => {
    const name = `${show}-${fileStart(new Date())}.${codec === 'VP8' ? 'webm' : 'mkv'}`;
    state = { kind: 'recording', name };
    const opened = createFile(options, name, (reason, cause) => {
      if (file === opened) giveUp(reason, cause);
    });
    file = opened;
    layer = -1;
    firstKeyFrameMs = undefined;
    askKeyFrame();
  };

  const layers = videoConsumer.rtpParameters.encodings?.map(({ ssrc }) => ssrc) ?? [];
  const top = layers.length - 1;
  /** Layers share the program's clock, so a file may go from one to another at a key frame: the best there is. */
  const takePicture = (index: number, frame: Frame) => {
    if (!file) return;
    if (index !== layer) {
      const isLate = frame.atMs - pictureMs > layerPatienceMs;
      if (index < layer && isLate) askKeyFrame();
      if (!frame.isKeyFrame) return;
      if (layer < 0) firstKeyFrameMs ??= frame.atMs;
      const waitedMs = frame.atMs - (firstKeyFrameMs ?? frame.atMs);
      const isBetter = index > layer && (layer >= 0 || index === top || waitedMs > layerPatienceMs);
      if (!isBetter && !(index < layer && isLate)) return;
      layer = index;
    }
    pictureMs = frame.atMs;
    if (frame.isKeyFrame && file.ageMs() > maxFileMs) {
      finish();
      begin();
      layer = index;
    }
    file.addPicture(frame);
  };
  const videoOrders = new Map(
    layers.map((ssrc, index) => {
      const join = createFrameJoiner(codec, (frame) => takePicture(index, frame), askKeyFrame);
      return [ssrc, createOrder(maxEarly.video, join)];
    }),
  );
  const soundTime = createTimeline('opus');
  const audioOrder = createOrder(maxEarly.audio, (packet, header) => {
    const data = packet.subarray(header.payloadAt, header.payloadEnd);
    const atMs = soundTime(header.timestamp);
    if (data.length > 0) file?.addSound({ data, isKeyFrame: true, atMs });
  });
  videoConsumer.on('rtp', (packet) => {
    const header = readRtpHeader(packet);
    if (header) videoOrders.get(header.ssrc)?.(packet);
  });
  audioConsumer.on('rtp', audioOrder);

  const checkDisk = async () => {
    if (state.kind !== 'recording') return;
    const free = await statfs(folder).catch(() => undefined);
    if (free && free.bavail * free.bsize < minFreeBytes) {
      giveUp(`less than ${(minFreeBytes / 1e9).toFixed(1)} GB are free on the server's disk`);
    }
  };
  const diskTimer = setInterval(() => void checkDisk(), diskCheckMs);

  return {
    /** Begins a file at the next key frame, unless one is being written. */
    start: (showId: string) => {
      if (state.kind === 'recording' && show === showId) return;
      finish();
      show = showId;
      begin();
      void checkDisk();
    },
    stop: () => {
      state = { kind: 'idle' };
      finish();
    },
    state: () => state,
    /** Idempotent. Resolves when the file is whole. */
    close: async () => {
      clearInterval(diskTimer);
      state = { kind: 'idle' };
      finish();
      transport.close();
      await closing;
    },
    snapshot: () => ({ state, file: file?.snapshot() ?? null }),
  };
};
