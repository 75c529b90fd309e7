// Makes the default standby clip: assets/standby/{lo,hi}.{webm,mp4} and small.mp4. Picture and sound are generated here, so
// the clip is ours to give away. Encoded by Chromium's WebCodecs, written by mediabunny. Run by hand when the
// design changes: `node scripts/make-standby-clip.ts [folder]`. Not part of any build.
//
// Everything moves in whole cycles per loop, tails of sounds wrap around to the start, and the Opus encoder is
// warmed up with the end of the loop: neither eye nor ear finds the seam.

import { writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import {
  BufferTarget,
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedVideoPacketSource,
  Mp4OutputFormat,
  Output,
  WebMOutputFormat,
} from 'mediabunny';
import type { ClipSize } from '../renderer/studio/media/clip-format.ts';
import {
  clipAudioBitrate,
  clipCodecs,
  clipFps,
  clipSampleRate,
  clipSizes,
  opusWarmUpFrames,
  smallClip,
} from '../renderer/studio/media/clip-format.ts';

const lengthS = 8;
const fps = clipFps;
const origin = 'http://localhost:9';

type Rendition = ClipSize & { name: 'lo' | 'hi' };
const renditions: readonly Rendition[] = [
  { name: 'lo', ...clipSizes.lo },
  { name: 'hi', ...clipSizes.hi },
];
const codecs = [
  { track: 'vp8', ...clipCodecs.vp8 },
  { track: 'avc', ...clipCodecs.avc },
] as const;

type Chunk = { data: string; key: boolean };
type Encoded<Config> = { chunks: Chunk[]; config: Config & { description?: string } };

/** Runs in the page: paints every frame and encodes it. */
async function encodeVideo(
  options: Rendition & { codec: string; lengthS: number; fps: number },
): Promise<Encoded<{ codec: string; codedWidth: number; codedHeight: number }>> {
  const { width, height, codec, bitrate, lengthS, fps } = options;
  const accent = '91, 140, 255';
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  if (!pen) throw new Error('no canvas');
  const turn = 2 * Math.PI;
  const wrap = (value: number) => value - Math.floor(value);
  const easeOut = (value: number) => 1 - (1 - value) ** 3;
  /** A fixed number in 0..1 for each particle. */
  const chance = (seed: number) => wrap(Math.sin(seed * 127.1 + 11.7) * 43758.5453);

  /** `at`: position in the loop, 0..1. Coordinates are those of 640 × 360. */
  const paint = (at: number) => {
    const beats = at * lengthS * 2;
    const beat = wrap(beats);
    const kick = (1 - beat) ** 3;
    pen.setTransform(width / 640, 0, 0, height / 360, 0, 0);
    pen.globalAlpha = 1;
    pen.fillStyle = '#0c0d10';
    pen.fillRect(0, 0, 640, 360);

    // Slanted beams drifting across, four to the loop.
    for (let beam = 0; beam < 6; beam += 1) {
      const x = wrap(beam / 6 + at * 2) * 1000 - 180;
      pen.fillStyle = `rgba(${accent}, ${beam % 2 === 0 ? 0.16 : 0.08})`;
      pen.beginPath();
      pen.moveTo(x, 0);
      pen.lineTo(x + 64, 0);
      pen.lineTo(x - 96, 360);
      pen.lineTo(x - 160, 360);
      pen.fill();
    }
    // Two rings that the kick sends out.
    for (const delay of [0, 1]) {
      const age = (beat + delay) / 2;
      pen.strokeStyle = `rgba(${accent}, ${0.55 * (1 - age)})`;
      pen.lineWidth = 10 * (1 - age) + 1;
      pen.beginPath();
      pen.arc(320, 158, 40 + 300 * easeOut(age), 0, turn);
      pen.stroke();
    }
    // Sparks rising.
    for (let spark = 0; spark < 28; spark += 1) {
      const speed = 1 + Math.floor(chance(spark) * 3);
      const y = 360 * (1 - wrap(chance(spark + 50) + at * speed));
      const x = 640 * chance(spark + 100) + 14 * Math.sin(turn * (at * 2 + chance(spark)));
      pen.fillStyle = `rgba(255, 255, 255, ${0.2 + 0.5 * chance(spark + 150)})`;
      const size = 2 + 3 * chance(spark + 200);
      pen.fillRect(x, y, size, size);
    }
    // A row of level bars along the bottom.
    for (let bar = 0; bar < 32; bar += 1) {
      const phase = chance(bar + 300);
      const wave = 0.5 + 0.5 * Math.sin(turn * (at * (4 + (bar % 5)) + phase));
      const level = 10 + 54 * wave * (0.45 + 0.55 * kick) + 14 * kick;
      pen.fillStyle = `rgba(${bar % 8 === 0 ? '255, 255, 255' : accent}, 0.92)`;
      pen.fillRect(bar * 20 + 3, 360 - level, 14, level);
    }
    // The words change with every bar, one beat early, so that the first frame of the clip has them in full.
    const lines = [
      ['THE DROP IS', 'STILL ON'],
      ['BACK IN', 'A MOMENT'],
    ];
    const slot = Math.floor((beats + 1) / 4);
    const within = wrap((beats + 1) / 4) * 4;
    const shown = easeOut(Math.min(1, within / 0.5)) * easeOut(Math.min(1, (4 - within) / 0.35));
    const words = lines[slot % 2] ?? [];
    pen.save();
    pen.translate(320, 150);
    const grow = 1 + 0.045 * kick;
    pen.scale(grow, grow);
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.font = '900 66px "Inter", "Helvetica Neue", "Liberation Sans", "DejaVu Sans", Arial, sans-serif';
    pen.globalAlpha = shown;
    for (const [line, text] of words.entries()) {
      const slide = (1 - shown) * (line === 0 ? -60 : 60);
      pen.fillStyle = line === 0 ? '#ffffff' : `rgb(${accent})`;
      pen.fillText(text, slide, line === 0 ? -36 : 36, 600);
    }
    pen.restore();
    pen.textAlign = 'center';
    // A line under the words that runs through once per phrase.
    pen.fillStyle = '#ffffff';
    pen.fillRect(320 - 150 * shown, 232, 300 * shown * (within / 4), 5);
    // A lamp that breathes with the beat, below the words: the corners belong to what pages lay over the picture.
    pen.font = '700 17px "Inter", "Helvetica Neue", "Liberation Sans", "DejaVu Sans", Arial, sans-serif';
    pen.textBaseline = 'middle';
    pen.fillStyle = '#ffffff';
    pen.fillText('STAY HERE', 331, 260);
    const lampX = 331 - pen.measureText('STAY HERE').width / 2 - 20;
    pen.fillStyle = `rgb(${accent})`;
    pen.beginPath();
    pen.arc(lampX, 259, 7 + 4 * kick, 0, turn);
    pen.fill();
  };

  /**
   * The painted picture as I420, BT.601 limited range: what WebRTC viewers decode. Frames made from a canvas are
   * full range, and a VP8 stream cannot say so: black would be crushed.
   */
  const toFrame = (timestamp: number) => {
    const { data } = pen.getImageData(0, 0, width, height);
    const half = width / 2;
    const planes = new Uint8Array((width * height * 3) / 2);
    const uAt = width * height;
    const vAt = uAt + uAt / 4;
    const rgb = (at: number): [number, number, number] => [
      data[at] ?? 0,
      data[at + 1] ?? 0,
      data[at + 2] ?? 0,
    ];
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const [r, g, b] = rgb(4 * (y * width + x));
        planes[y * width + x] = 16.5 + 0.25679 * r + 0.50413 * g + 0.09791 * b;
      }
    }
    for (let y = 0; y < height; y += 2) {
      for (let x = 0; x < width; x += 2) {
        let [red, green, blue] = [0, 0, 0];
        for (const at of [y * width + x, y * width + x + 1, (y + 1) * width + x, (y + 1) * width + x + 1]) {
          const [r, g, b] = rgb(4 * at);
          red += r / 4;
          green += g / 4;
          blue += b / 4;
        }
        const at = (y / 2) * half + x / 2;
        planes[uAt + at] = 128.5 - 0.14822 * red - 0.29099 * green + 0.43922 * blue;
        planes[vAt + at] = 128.5 + 0.43922 * red - 0.36779 * green - 0.07143 * blue;
      }
    }
    return new VideoFrame(planes, {
      format: 'I420',
      codedWidth: width,
      codedHeight: height,
      timestamp,
      duration: 1e6 / fps,
      colorSpace: { primaries: 'smpte170m', transfer: 'smpte170m', matrix: 'smpte170m', fullRange: false },
    });
  };
  const toBase64 = (bytes: Uint8Array) => {
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  };
  const chunks: Chunk[] = [];
  let description: string | undefined;
  let failure: DOMException | undefined;
  const encoder = new VideoEncoder({
    output: (chunk, meta) => {
      const bytes = new Uint8Array(chunk.byteLength);
      chunk.copyTo(bytes);
      const extra = meta?.decoderConfig?.description;
      if (extra && !description) {
        description = toBase64(
          ArrayBuffer.isView(extra) ? new Uint8Array(extra.buffer) : new Uint8Array(extra),
        );
      }
      chunks.push({ data: toBase64(bytes), key: chunk.type === 'key' });
    },
    error: (error) => {
      failure = error;
    },
  });
  encoder.configure({
    codec,
    width,
    height,
    bitrate,
    framerate: fps,
    // Variable: a constant rate may drop frames, and a loop must not.
    bitrateMode: 'variable',
    latencyMode: 'realtime',
    ...(codec.startsWith('avc1') ? { avc: { format: 'avc' } } : {}),
  });
  for (let index = 0; index < lengthS * fps; index += 1) {
    paint(index / (lengthS * fps));
    const frame = toFrame((index * 1e6) / fps);
    encoder.encode(frame, { keyFrame: index % fps === 0 });
    frame.close();
    while (encoder.encodeQueueSize > 4) await new Promise((resolve) => setTimeout(resolve, 1));
    if (failure) throw failure;
  }
  await encoder.flush();
  encoder.close();
  return {
    chunks,
    config: { codec, codedWidth: width, codedHeight: height, ...(description ? { description } : {}) },
  };
}

/** Runs in the page: a four bar loop at 120 beats a minute, synthesized and encoded as 20 ms Opus frames. */
async function encodeAudio({
  lengthS,
  rate,
  bitrate,
  warmUp,
}: {
  lengthS: number;
  rate: number;
  bitrate: number;
  /** Frames. */
  warmUp: number;
}): Promise<Encoded<{ codec: string; sampleRate: number; numberOfChannels: number }>> {
  const total = lengthS * rate;
  const left = new Float32Array(total);
  const right = new Float32Array(total);
  let seed = 1;
  const noise = () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 31 - 1;
  };
  /** Adds a sound that begins at `atS`; what rings beyond the end rings into the beginning. */
  const add = (atS: number, lastsS: number, pan: number, sample: (t: number) => number) => {
    const start = Math.round(atS * rate);
    for (let index = 0; index < lastsS * rate; index += 1) {
      const value = sample(index / rate);
      const at = (start + index) % total;
      left[at] = (left[at] ?? 0) + value * (1 - Math.max(0, pan));
      right[at] = (right[at] ?? 0) + value * (1 + Math.min(0, pan));
    }
  };
  const turn = 2 * Math.PI;
  const beatS = 0.5;
  const beats = lengthS / beatS;
  // A minor, F, C, G: one bar each.
  const roots = [55, 43.65, 65.41, 49];
  const chords = [
    [220, 261.63, 329.63],
    [174.61, 220, 261.63],
    [196, 261.63, 329.63],
    [196, 246.94, 293.66],
  ];
  for (let beat = 0; beat < beats; beat += 1) {
    const atS = beat * beatS;
    const bar = Math.floor(beat / 4) % 4;
    add(
      atS,
      0.3,
      0,
      (t) => 0.62 * Math.sin(turn * (48 * t + 3.1 * (1 - Math.exp(-t * 32)))) * Math.exp(-t * 13),
    );
    add(atS + beatS / 2, 0.09, 0.25, (t) => 0.13 * noise() * Math.exp(-t * 60));
    add(atS + beatS / 4, 0.05, -0.3, (t) => 0.05 * noise() * Math.exp(-t * 90));
    if (beat % 2 === 1) add(atS, 0.2, 0, (t) => 0.2 * noise() * Math.exp(-t * 24));
    for (const eighth of [0, 1]) {
      const root = (roots[bar] ?? 55) * (eighth === 1 && beat % 4 === 3 ? 1.5 : 1);
      // Softer on the beat, where the kick is.
      const level = eighth === 0 ? 0.16 : 0.27;
      add(atS + (eighth * beatS) / 2, 0.24, 0, (t) => {
        const tone =
          Math.sin(turn * root * t) +
          0.4 * Math.sin(turn * 2 * root * t) +
          0.15 * Math.sin(turn * 3 * root * t);
        return level * tone * Math.min(1, t * 200) * Math.exp(-t * 7);
      });
    }
    const chord = chords[bar] ?? [];
    // An arpeggio up and down the chord, an octave higher.
    for (let step = 0; step < 2; step += 1) {
      const note = 2 * (chord[(beat * 2 + step) % 3] ?? 220);
      add(atS + (step * beatS) / 2, 0.35, step === 0 ? -0.4 : 0.4, (t) => {
        const tone = Math.sin(turn * note * t) + 0.3 * Math.sin(turn * 2 * note * t);
        return 0.085 * tone * Math.min(1, t * 300) * Math.exp(-t * 9);
      });
    }
    if (beat % 4 === 0) {
      for (const note of chord) {
        add(
          atS,
          2.2,
          0,
          (t) => 0.035 * Math.sin(turn * note * t) * Math.min(1, t * 4) * Math.min(1, (2.2 - t) * 5),
        );
      }
    }
  }
  for (const channel of [left, right]) {
    // A soft ceiling: nothing clips however the sounds meet.
    for (const [index, value] of channel.entries()) channel[index] = 0.8 * Math.tanh(1.15 * value);
  }
  const toBase64 = (bytes: Uint8Array) =>
    btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  const chunks: Chunk[] = [];
  let failure: DOMException | undefined;
  const encoder = new AudioEncoder({
    output: (chunk) => {
      const bytes = new Uint8Array(chunk.byteLength);
      chunk.copyTo(bytes);
      chunks.push({ data: toBase64(bytes), key: true });
    },
    error: (error) => {
      failure = error;
    },
  });
  encoder.configure({
    codec: 'opus',
    sampleRate: rate,
    numberOfChannels: 2,
    bitrate,
    opus: { frameDuration: 20_000 },
  });
  const frameSamples = rate / 50;
  const frames = total / frameSamples;
  for (let index = -warmUp; index < frames + 1; index += 1) {
    const from = ((index + frames) % frames) * frameSamples;
    const data = new Float32Array(2 * frameSamples);
    data.set(left.subarray(from, from + frameSamples), 0);
    data.set(right.subarray(from, from + frameSamples), frameSamples);
    const audio = new AudioData({
      format: 'f32-planar',
      sampleRate: rate,
      numberOfFrames: frameSamples,
      numberOfChannels: 2,
      timestamp: (index + warmUp) * 20_000,
      data,
    });
    encoder.encode(audio);
    audio.close();
    if (failure) throw failure;
  }
  await encoder.flush();
  encoder.close();
  return {
    chunks: chunks.slice(warmUp, warmUp + frames),
    config: { codec: 'opus', sampleRate: rate, numberOfChannels: 2 },
  };
}

const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
const describe = <C extends { description?: string }>({ description, ...config }: C) => ({
  ...config,
  ...(description === undefined ? {} : { description: bytesOf(description) }),
});

type Picture = Awaited<ReturnType<typeof encodeVideo>>;
type Sound = Awaited<ReturnType<typeof encodeAudio>>;

async function writeClip(
  name: string,
  track: 'vp8' | 'avc',
  picture: Picture,
  sound: Sound | null,
): Promise<void> {
  const target = new BufferTarget();
  const format = track === 'vp8' ? new WebMOutputFormat() : new Mp4OutputFormat();
  const output = new Output({ format, target });
  const video = new EncodedVideoPacketSource(track);
  const audio = new EncodedAudioPacketSource('opus');
  output.addVideoTrack(video, { frameRate: fps });
  if (sound) output.addAudioTrack(audio);
  await output.start();
  for (const [index, { data, key }] of picture.chunks.entries()) {
    const packet = new EncodedPacket(bytesOf(data), key ? 'key' : 'delta', index / fps, 1 / fps);
    await video.add(packet, { decoderConfig: describe(picture.config) });
  }
  for (const [index, { data }] of (sound?.chunks ?? []).entries()) {
    const packet = new EncodedPacket(bytesOf(data), 'key', index / 50, 1 / 50);
    await audio.add(packet, sound ? { decoderConfig: describe(sound.config) } : undefined);
  }
  await output.finalize();
  if (!target.buffer) throw new Error('nothing was written');
  const file = join(folder, name);
  await writeFile(file, new Uint8Array(target.buffer));
  console.log(`${file}: ${Math.round(target.buffer.byteLength / 1024)} kB`);
}

const folder = process.argv[2] ?? new URL('../assets/standby', import.meta.url).pathname;
await mkdir(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM_BIN'] ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--headless=new',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
  ],
});
try {
  const page = await browser.newPage();
  // WebCodecs exist only in secure contexts: an empty page on localhost is one, and no server is needed.
  await page.route(`${origin}/**`, (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }),
  );
  await page.goto(`${origin}/`);
  const encodeSound = async (bitrate: number) =>
    page.evaluate(encodeAudio, { lengthS, rate: clipSampleRate, bitrate, warmUp: opusWarmUpFrames });
  const fullSound = await encodeSound(clipAudioBitrate);
  const smallSound = await encodeSound(smallClip.audioBitrate);
  for (const { codecString, track, extension } of codecs) {
    for (const rendition of renditions) {
      const picture = await page.evaluate(encodeVideo, { ...rendition, codec: codecString, lengthS, fps });
      if (picture.chunks.length !== lengthS * fps) throw new Error(`${codecString} dropped frames`);
      // One sound for both layers: the player takes it from the high one.
      const sound = rendition.name === 'hi' ? fullSound : null;
      await writeClip(`${rendition.name}.${extension}`, track, picture, sound);
      // What a fan's page keeps for when the server is gone: the low layer again, with sound.
      if (rendition.name === 'lo' && track === 'avc')
        await writeClip(smallClip.name, track, picture, smallSound);
    }
  }
} finally {
  await browser.close();
}
