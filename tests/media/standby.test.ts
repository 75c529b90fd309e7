// The standby clip as files: what the default clip holds, how the player keeps time, and what a director is told
// about a clip that cannot be used. Bad files are made from the good ones by mediabunny.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ALL_FORMATS,
  BufferTarget,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  FilePathSource,
  Input,
  Mp4OutputFormat,
  Output,
  WebMOutputFormat,
  type EncodedPacket,
} from 'mediabunny';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { circularDistance, readRtpHeader, startsKeyFrame } from '../../sfu-server/media/rtp.ts';
import { StandbyPlayer, loadStandbyClip } from '../../sfu-server/media/standby.ts';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { clipFiles, shortClip } from './stand-ins.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'standby-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The default clip's large picture without its sound, packet by packet, rewritten by `change`. */
const variant = async (
  name: string,
  change: (packets: EncodedPacket[]) => EncodedPacket[],
  codec: 'VP8' | 'H264' = 'VP8',
): Promise<string> => {
  const [, best] = clipFiles(codec);
  const input = new Input({ source: new FilePathSource(best ?? ''), formats: ALL_FORMATS });
  const track = await input.getPrimaryVideoTrack();
  const decoderConfig = await track?.getDecoderConfig();
  if (!track || !decoderConfig) throw new Error('the default clip has no picture');
  const packets: EncodedPacket[] = [];
  for await (const packet of new EncodedPacketSink(track).packets()) packets.push(packet);
  const target = new BufferTarget();
  const format = codec === 'VP8' ? new WebMOutputFormat() : new Mp4OutputFormat();
  const output = new Output({ format, target });
  const source = new EncodedVideoPacketSource(codec === 'VP8' ? 'vp8' : 'avc');
  output.addVideoTrack(source);
  await output.start();
  for (const packet of change(packets)) await source.add(packet, { decoderConfig });
  await output.finalize();
  input.dispose();
  const file = join(folder, name);
  await writeFile(file, new Uint8Array(target.buffer ?? new ArrayBuffer(0)));
  return file;
};

describe('the default clip', () => {
  it.each(['VP8', 'H264'] as const)(
    'in %s has a key frame every second on all layers, and gapless sound',
    async (codec) => {
      const clip = await loadStandbyClip(clipFiles(codec), codec);
      expect(clip.lengthMs % 20).toBe(0);
      expect(clip.layers).toHaveLength(2);
      for (const frames of clip.layers) {
        expect(frames.length).toBe((clip.lengthMs / 1000) * 30);
        const keys = frames.filter(({ isKeyFrame }) => isKeyFrame).map(({ atMs }) => Math.round(atMs));
        expect(keys).toEqual(Array.from({ length: clip.lengthMs / 1000 }, (_, second) => second * 1000));
        // One encoding per layer: the small one must be far lighter.
      }
      const size = clip.layers.map((frames) =>
        frames.flatMap(({ packets }) => packets).reduce((sum, p) => sum + p.length, 0),
      );
      expect(size[0] ?? 0).toBeLessThan((size[1] ?? 0) / 2);
      expect(clip.audio.map(({ atMs }) => Math.round(atMs))).toEqual(
        Array.from({ length: clip.lengthMs / 20 }, (_, index) => index * 20),
      );
    },
  );
});

describe('the player', () => {
  it('sends every frame when it is due and hands out whole streams across the seam', async () => {
    vi.useFakeTimers();
    try {
      const clip = await shortClip('H264');
      let nowMs = 1000;
      const sent: { stream: string; dueMs: number; atMs: number; packet: Buffer }[] = [];
      const player = new StandbyPlayer(
        clip,
        ({ kind, layer }, packet, dueMs) =>
          sent.push({ stream: `${kind}${layer}`, dueMs, atMs: nowMs, packet: Buffer.from(packet) }),
        () => nowMs,
      );
      player.start();
      const opening = new Set(sent.map(({ stream }) => stream));
      expect([...opening].sort()).toEqual(['audio0', 'video0', 'video1']);
      expect(sent[0] && startsKeyFrame('h264', sent[0].packet.subarray(12))).toBe(true);
      while (nowMs < 1000 + 3 * clip.lengthMs) {
        nowMs += 1;
        vi.advanceTimersByTime(1);
      }
      player.stop();
      const count = sent.length;
      vi.advanceTimersByTime(500);
      expect(sent).toHaveLength(count);
      expect(player.snapshot().loops).toBeGreaterThanOrEqual(2);
      for (const { dueMs, atMs } of sent) expect(Math.abs(atMs - dueMs)).toBeLessThanOrEqual(1.5);
      for (const packets of Map.groupBy(sent, ({ stream }) => stream).values()) {
        const headers = packets.map(({ packet }) => readRtpHeader(packet));
        headers.slice(1).forEach((header, index) => {
          expect(circularDistance(headers[index]?.sequenceNumber ?? 0, header?.sequenceNumber ?? 0, 16)).toBe(
            1,
          );
        });
        const dues = [...new Set(packets.map(({ dueMs }) => dueMs))];
        const steps = dues.slice(1).map((due, index) => due - (dues[index] ?? 0));
        const nominal = packets[0]?.stream === 'audio0' ? 20 : 1000 / 30;
        expect(Math.max(...steps.map((step) => Math.abs(step - nominal)))).toBeLessThan(1.1);
      }
    } finally {
      vi.useRealTimers();
    }
  });

  it('[NODE5] skips to the next key frame without breaking its streams, and not where one is due anyway', async () => {
    vi.useFakeTimers();
    try {
      const clip = await shortClip('VP8');
      let nowMs = 0;
      const sent: { stream: string; dueMs: number; packet: Buffer }[] = [];
      const player = new StandbyPlayer(
        clip,
        ({ kind, layer }, packet, dueMs) =>
          sent.push({ stream: `${kind}${layer}`, dueMs, packet: Buffer.from(packet) }),
        () => nowMs,
      );
      const play = (forMs: number) => {
        const untilMs = nowMs + forMs;
        while (nowMs < untilMs) {
          nowMs += 1;
          vi.advanceTimersByTime(1);
        }
      };
      /** Streams that got a key frame at this very instant. */
      const skip = () => {
        const before = sent.length;
        player.skipToKeyFrame();
        return sent
          .slice(before)
          .filter(({ stream, packet }) => stream !== 'audio0' && startsKeyFrame('vp8', packet.subarray(12)))
          .map(({ stream }) => stream);
      };
      player.start();
      play(300);
      expect(skip()).toEqual(['video0', 'video1']);
      play(900);
      expect(skip()).toEqual([]); // The next one is due in 100 ms.
      // Out of the last second of the clip: over the seam.
      play(clip.lengthMs - 1_000 - 900 + 400);
      expect(skip()).toEqual(['video0', 'video1']);
      play(1_500);
      player.close();
      for (const packets of Map.groupBy(sent, ({ stream }) => stream).values()) {
        const headers = packets.map(({ packet }) => readRtpHeader(packet));
        headers.slice(1).forEach((header, index) => {
          const before = headers[index];
          expect(circularDistance(before?.sequenceNumber ?? 0, header?.sequenceNumber ?? 0, 16)).toBe(1);
          expect(circularDistance(before?.timestamp ?? 0, header?.timestamp ?? 0, 32)).toBeGreaterThanOrEqual(
            0,
          );
        });
        const dues = packets.map(({ dueMs }) => dueMs);
        expect(Math.max(...dues.slice(1).map((due, index) => due - (dues[index] ?? 0)))).toBeLessThan(36);
      }
    } finally {
      vi.useRealTimers();
    }
  });

  it('starts anew after a long stall instead of hurrying after time', async () => {
    vi.useFakeTimers();
    try {
      let nowMs = 0;
      let count = 0;
      const player = new StandbyPlayer(
        await shortClip('VP8'),
        () => (count += 1),
        () => nowMs,
      );
      player.start();
      const opening = count;
      nowMs = 60_000;
      vi.advanceTimersByTime(100);
      // The frame that was due and the key frames of the new start; not a minute of catching up.
      expect(count).toBeLessThanOrEqual(opening * 2 + 4);
      player.close();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a clip that cannot be used', () => {
  const refusal = async (files: string[], codec: 'VP8' | 'H264' = 'VP8'): Promise<string> => {
    try {
      await loadStandbyClip(files, codec);
    } catch (error) {
      if (error instanceof AppError && error.code === 'badClip') return error.message;
      throw error;
    }
    throw new Error('the clip was accepted');
  };

  it('is named, with what to do, when it is damaged, missing or no video', async () => {
    const noise = join(folder, 'noise.webm');
    await writeFile(noise, Buffer.alloc(5000, 7));
    expect(await refusal([noise])).toMatch(/noise\.webm cannot be read.*export it again/i);
    expect(await refusal([join(folder, 'missing.webm')])).toMatch(/missing\.webm cannot be read/);
    expect(await refusal([])).toMatch(/no standby clip/i);
  });

  it('is refused with the codec it has and the codec it needs', async () => {
    expect(await refusal(clipFiles('H264'), 'VP8')).toMatch(
      /lo\.mp4 is encoded as avc1\S* but this show needs VP8/,
    );
  });

  it('is refused when fans would wait for a key frame', async () => {
    const file = await variant('sparse.webm', (packets) =>
      packets.map((p, index) =>
        index % 90 === 0
          ? p
          : p.type === 'key'
            ? (packets[index + 1] ?? p).clone({ timestamp: p.timestamp })
            : p,
      ),
    );
    expect(await refusal([file])).toMatch(/key frames 3\.0 seconds apart.*every second/);
  });

  it('is refused when its frames are not in the order they are shown', async () => {
    const swap = [0, 2, 1];
    const file = await variant(
      'b-frames.mp4',
      (packets) =>
        packets.map((p, index) => p.clone({ timestamp: packets[swap[index] ?? index]?.timestamp })),
      'H264',
    );
    expect(await refusal([file], 'H264')).toMatch(/B-frames.*baseline/);
  });

  it('is refused when it is too short, too long, or of unequal sizes', async () => {
    const short = await variant('short.webm', (packets) => packets.slice(0, 30));
    expect(await refusal([short])).toMatch(/shorter than 2 seconds/);
    const long = await variant('long.webm', (packets) =>
      Array.from({ length: 16 }, (_, loop) =>
        packets.map((p) => p.clone({ timestamp: p.timestamp + loop * 8 })),
      ).flat(),
    );
    expect(await refusal([long])).toMatch(/longer than 2 minutes/);
    const half = await variant('half.webm', (packets) => packets.slice(0, 120));
    expect(await refusal([half, clipFiles('VP8')[1] ?? ''])).toMatch(/half\.webm is not as long/);
  });

  it('is not one without sound: silence takes its place', async () => {
    const mute = await variant('mute.webm', (packets) => packets);
    const clip = await loadStandbyClip([mute], 'VP8');
    expect(clip.audio).toHaveLength(clip.lengthMs / 20);
  });
});
