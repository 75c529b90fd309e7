// The server's recording of the program, on a real worker in a process of its own that is killed without warning: what
// is in the file afterwards, read by mediabunny.
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input, type InputTrack } from 'mediabunny';
import { createWorker } from 'mediasoup';
import { expect, it } from 'vitest';
import { mediaCodecs } from '../../sfu-server/media/media-node.ts';
import { ProgramBus } from '../../sfu-server/media/program-bus.ts';
import { createRecorder } from '../../sfu-server/media/recorder.ts';
import { ViewerStandIn, shortClip } from './stand-ins.ts';

const program = new URL('recorded-program.ts', import.meta.url).pathname;

const packetsOf = async (track: InputTrack) => {
  const packets = [];
  for await (const { timestamp, type } of new EncodedPacketSink(track).packets())
    packets.push({ timestamp, type });
  return packets;
};

/** Clip, studio, clip again, studio again; then `kill -9`. Answers with how long the program had been on air. */
const recordAndKill = async (folder: string, codec: string): Promise<number> => {
  const child = spawn(process.execPath, [program, folder, codec], { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  let sentMs = 0;
  let studioShown = 0;
  let killAtMs = Infinity;
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const [word, value] = line.split(' ');
      if (word === 'warning') throw new Error(line);
      if (word === 'sent') sentMs = Number(value);
      if (line === 'shows studio') {
        studioShown += 1;
        if (studioShown === 1) child.stdin.write('die\n');
        else killAtMs = sentMs + 1500;
      }
      if (line === 'shows standby' && studioShown === 1) child.stdin.write('live\n');
      if (sentMs >= killAtMs) break;
    }
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
  expect(studioShown).toBe(2);
  return sentMs;
};

it.each(['VP8', 'H264'])(
  '[RECORD1] a recording of %s that is cut off by kill -9 is whole up to two seconds before',
  async (codec) => {
    const folder = await mkdtemp(join(tmpdir(), 'recording-'));
    try {
      const sentMs = await recordAndKill(folder, codec);
      const names = await readdir(folder);
      expect(names).toEqual([
        expect.stringMatching(codec === 'VP8' ? /^show-\d{8}T\d{9}Z\.webm$/ : /^show-\d{8}T\d{9}Z\.mkv$/),
      ]);
      using input = new Input({
        formats: ALL_FORMATS,
        source: new FilePathSource(join(folder, names[0] ?? '')),
      });
      const video = await input.getPrimaryVideoTrack();
      const audio = await input.getPrimaryAudioTrack();
      if (!video || !audio) throw new Error('a track is missing');
      expect([video.codec, audio.codec]).toEqual([codec === 'VP8' ? 'vp8' : 'avc', 'opus']);
      // The top layer from the first frame on.
      expect(video.codedWidth).toBe(640);

      for (const [track, longestGapS] of [
        [video, 1.5],
        [audio, 1],
      ] as const) {
        const packets = await packetsOf(track);
        expect(packets[0]?.type).toBe('key');
        expect(packets[0]?.timestamp).toBeLessThan(1);
        const steps = packets
          .slice(1)
          .map(({ timestamp }, index) => timestamp - (packets[index]?.timestamp ?? 0));
        expect(Math.min(...steps)).toBeGreaterThan(0);
        expect(Math.max(...steps)).toBeLessThan(longestGapS);
        const lengthMs = (packets.at(-1)?.timestamp ?? 0) * 1000;
        expect(Math.abs(sentMs - lengthMs)).toBeLessThan(2000);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

it('[RECORD2] a disk that is nearly full, refuses or is too slow ends the recording in words and not the program', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'recording-'));
  const worker = await createWorker({ logLevel: 'warn' });
  try {
    const router = await worker.createRouter({ mediaCodecs });
    const ignore = () => {};
    const bus = await ProgramBus.create({
      router,
      codec: 'VP8',
      layers: 2,
      standby: await shortClip('VP8'),
      onProgram: ignore,
      onStudioMedia: ignore,
      warn: ignore,
    });
    const program = { video: bus.videoProducer, audio: bus.audioProducer };
    const viewer = await ViewerStandIn.open(router, [program.video, program.audio]);
    const stopped = (recordings: string, minFreeBytes: number, maxQueuedBytes?: number) =>
      new Promise<string>((resolve, reject) => {
        createRecorder({
          router,
          program,
          codec: 'VP8',
          folder: recordings,
          minFreeBytes,
          ...(maxQueuedBytes === undefined ? {} : { maxQueuedBytes }),
          warn: resolve,
        }).then((recorder) => recorder.start('show'), reject);
      });
    bus.setOnAir(true);
    expect(await stopped(folder, Number.MAX_SAFE_INTEGER)).toMatch(/GB are free on the server's disk/);
    expect(await stopped(join('/dev/null', 'no-folder'), 0)).toMatch(/the file cannot be written/);
    // It may owe less than one picture: no disk is that fast.
    expect(await stopped(folder, 0, 100)).toMatch(/the disk is too slow/);
    expect(await viewer.next(({ kind, keyFrame }) => kind === 'video' && keyFrame)).toMatchObject({
      source: 'standby',
    });
    bus.close();
  } finally {
    worker.close();
    await rm(folder, { recursive: true, force: true });
  }
});
