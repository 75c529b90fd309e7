// The importer of standby clips in a real Chromium: files made there, converted in the real worker, read back by the
// server's own player and by the page.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadStandbyClip } from '../../sfu-server/media/standby.ts';
import type { ClipOrder } from './fixture/clips.ts';
import { useLab } from './lab-page.ts';

const openPage = useLab();
const shopUrl = 'https://drops.example.com/watch/night-market';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clip-import-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Makes a clip on the page, imports it, and looks into every file it became. */
async function convert(page: Page, order: ClipOrder, points: readonly (readonly [number, number])[]) {
  return page.evaluate(
    async ({ order, points, shopUrl }) => {
      const shares: number[] = [];
      const steps: string[] = [];
      const clip = await lab.importClip(await lab.makeClip(order), {
        shopUrl,
        title: 'Night market drop',
        signal: new AbortController().signal,
        onStep: (step) => {
          if (step.kind === 'converting') shares.push(step.share);
          if (steps.at(-1) !== step.kind) steps.push(step.kind);
        },
      });
      const files = [];
      for (const { name, bytes } of clip.files) {
        const seen = await lab.lookInto(bytes, 1.5, points);
        files.push({ name, size: bytes.size, base64: await lab.toBase64(bytes), ...seen });
      }
      const thumbnail = await createImageBitmap(clip.thumbnail);
      return {
        files,
        lengthMs: clip.lengthMs,
        shares,
        steps,
        thumbnail: {
          type: clip.thumbnail.type,
          width: thumbnail.width,
          height: thumbnail.height,
          base64: await lab.toBase64(clip.thumbnail),
        },
      };
    },
    { order, points, shopUrl },
  );
}

type Converted = Awaited<ReturnType<typeof convert>>;

/** What the server makes of the files, per codec. */
async function loadOnServer({ files }: Converted) {
  for (const { name, base64 } of files) await writeFile(join(folder, name), Buffer.from(base64, 'base64'));
  const path = (name: string) => join(folder, name);
  return {
    vp8: await loadStandbyClip([path('vp8-lo.webm'), path('vp8-hi.webm')], 'VP8'),
    h264: await loadStandbyClip([path('h264-lo.mp4'), path('h264-hi.mp4')], 'H264'),
    small: await loadStandbyClip([path('small.mp4')], 'H264'),
  };
}

const colours = {
  red: [192, 32, 32],
  green: [32, 192, 32],
  blue: [32, 32, 192],
  grey: [192, 192, 192],
  ground: [12, 13, 16],
} as const;

/** The name of the colour each point nearly has, else its numbers. */
const namesOf = (rgb: readonly (readonly number[])[]): string[] =>
  rgb.map((seen) => {
    const found = Object.entries(colours).find(([, wanted]) =>
      wanted.every((value, i) => Math.abs(value - (seen[i] ?? -99)) < 40),
    );
    return found?.[0] ?? seen.join();
  });

test('a film clip becomes both codecs in both layers and a small copy, levelled, with a code every layer shows', async () => {
  const page = await openPage();
  // 24 frames a second and 44.1 kHz are nothing the program has.
  const result = await convert(
    page,
    {
      container: 'mov',
      picture: { codec: 'avc', width: 1280, height: 720, fps: 24 },
      toneDbfs: -30,
      seconds: 3.05,
    },
    [
      [0.1, 0.3],
      [0.6, 0.3],
      [0.1, 0.7],
      [0.6, 0.7],
    ],
  );
  if (process.env['CLIP_OUT'])
    await writeFile(
      join(process.env['CLIP_OUT'], 'thumb.jpg'),
      Buffer.from(result.thumbnail.base64, 'base64'),
    );
  expect(result.lengthMs).toBe(3000);
  expect(result.steps).toEqual(['reading', 'converting', 'checking']);
  expect(result.shares).toEqual(result.shares.toSorted((a, b) => a - b));
  expect(result.shares.at(-1)).toBe(1);
  expect(result.thumbnail).toMatchObject({ type: 'image/jpeg', width: 320, height: 180 });
  const sizes = Object.fromEntries(
    result.files.map(({ name, width, height }) => [name, `${width}×${height}`]),
  );
  expect(sizes).toEqual({
    'vp8-lo.webm': '320×180',
    'vp8-hi.webm': '640×360',
    'h264-lo.mp4': '320×180',
    'h264-hi.mp4': '640×360',
    'small.mp4': '320×180',
  });
  for (const { name, rgb, qrText, sound } of result.files) {
    const seen = { name, qrText, colours: namesOf(rgb), hasSound: sound !== null };
    expect(seen).toEqual({
      name,
      qrText: shopUrl,
      colours: ['red', 'green', 'blue', 'grey'],
      hasSound: !name.includes('lo'),
    });
    if (sound === null) continue;
    expect(Math.abs(sound.lufs + 16)).toBeLessThan(1);
    expect(sound.peakDbtp).toBeLessThanOrEqual(-1);
  }
  const { vp8, h264, small } = await loadOnServer(result);
  for (const clip of [vp8, h264, small]) {
    expect(clip.lengthMs).toBe(3000);
    expect(clip.audio).toHaveLength(150);
    for (const layer of clip.layers) {
      expect(layer).toHaveLength(90);
      const keyTimesMs = layer.filter(({ isKeyFrame }) => isKeyFrame).map(({ atMs }) => Math.round(atMs));
      expect(keyTimesMs.filter((atMs) => atMs % 1000 === 0)).toEqual([0, 1000, 2000]);
    }
  }
  expect(vp8.layers).toHaveLength(2);
  expect(h264.layers).toHaveLength(2);
});

test('a phone clip held upright stands upright between bars, silent where it has no sound', async () => {
  const page = await openPage();
  // Stored lying, shown upright: turned clockwise, the left bottom quadrant comes to the left top.
  const result = await convert(
    page,
    {
      container: 'mp4',
      picture: { codec: 'avc', width: 640, height: 360, fps: 30, rotation: 90 },
      toneDbfs: null,
      seconds: 2,
    },
    [
      [0.1, 0.5],
      [0.42, 0.25],
      [0.55, 0.25],
      [0.42, 0.75],
    ],
  );
  for (const { name, rgb, qrText, sound } of result.files) {
    expect({ name, qrText, colours: namesOf(rgb) }).toEqual({
      name,
      qrText: shopUrl,
      colours: ['ground', 'blue', 'red', 'grey'],
    });
    if (!name.includes('lo')) expect(sound?.lufs).toBe(-Infinity);
  }
  const { vp8, h264 } = await loadOnServer(result);
  expect([vp8.lengthMs, h264.lengthMs]).toEqual([2000, 2000]);
});

test('what cannot become a clip is refused with words that say why and what to do', async () => {
  const page = await openPage();
  const refusals = await page.evaluate(async (shopUrl) => {
    const tiny = { codec: 'avc', width: 160, height: 90, fps: 10 } as const;
    const film = await lab.makeClip({ container: 'mp4', picture: tiny, toneDbfs: null, seconds: 3 });
    const web = await lab.makeClip({
      container: 'webm',
      picture: { ...tiny, codec: 'vp8', noise: true },
      toneDbfs: null,
      seconds: 5,
    });
    const long = await lab.makeClip({
      container: 'mp4',
      picture: { ...tiny, fps: 1 },
      toneDbfs: null,
      seconds: 61,
    });
    const short = await lab.makeClip({ container: 'mp4', picture: tiny, toneDbfs: null, seconds: 1 });
    const song = await lab.makeClip({ container: 'mp4', picture: null, toneDbfs: -20, seconds: 3 });
    /** The file with one word in it, at every place, exchanged for another of the same length. */
    const exchange = async (file: File, from: string, to: string) => {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const [wanted, instead] = [new TextEncoder().encode(from), new TextEncoder().encode(to)];
      for (let at = 0; at < bytes.length - wanted.length; at++) {
        if (wanted.every((code, i) => bytes[at + i] === code)) bytes.set(instead, at);
      }
      return new File([bytes], 'exchanged.mp4');
    };
    const rain = { container: 'mp4', picture: { ...tiny, noise: true }, toneDbfs: null, seconds: 3 } as const;
    const holed = new Uint8Array(await (await lab.makeClip(rain)).arrayBuffer());
    holed.fill(0xa5, Math.floor(holed.length * 0.4), Math.floor(holed.length * 0.6));
    const files: Record<string, [File, url?: string]> = {
      empty: [new File([], 'empty.mp4')],
      garbage: [new File([new Uint8Array(50_000).map((_, i) => (i * 7919) & 255)], 'garbage.mp4')],
      song: [song],
      long: [long],
      short: [short],
      huge: [new File([new Uint8Array(101 * 1024 * 1024)], 'huge.mov')],
      cutFilm: [new File([film.slice(0, film.size * 0.6)], 'cut.mp4')],
      cutWeb: [new File([web.slice(0, web.size * 0.6)], 'cut.webm')],
      holed: [new File([holed], 'holed.mp4')],
      unknownCodec: [await exchange(film, 'avc1', 'zzz1')],
      protectedFilm: [await lab.protectedCopy(film)],
      longAddress: [film, `https://drops.example.com/watch/${'x'.repeat(300)}`],
    };
    const words: Record<string, string> = {};
    for (const [name, [file, url]] of Object.entries(files)) {
      words[name] = await lab
        .importClip(file, {
          shopUrl: url ?? shopUrl,
          title: 'Drop',
          signal: new AbortController().signal,
          onStep: () => undefined,
        })
        .then(
          () => 'taken',
          (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : 'no error'),
        );
    }
    // Played as a source, the same files are refused in the same words.
    const asSource = async (file: File) => {
      const opened = await lab.openVideoFile(file, { loop: true, onFault: () => undefined });
      if (opened.ok) opened.video.close();
      return opened.ok ? 'taken' : `AppError: ${opened.sentence}`;
    };
    for (const name of ['garbage', 'song', 'unknownCodec', 'protectedFilm']) {
      const [file] = files[name] ?? [];
      if (file) words[`${name} as a source`] = await asSource(file);
    }
    words['long as a source'] = await asSource(long);
    return words;
  }, shopUrl);
  expect(refusals['empty']).toContain('AppError: This is not a video file');
  expect(refusals['garbage']).toContain('AppError: This is not a video file');
  expect(refusals['song']).toContain('AppError: This file has no picture');
  expect(refusals['long']).toContain('AppError: This clip is 61 seconds long; 60 are the most');
  expect(refusals['short']).toContain('AppError: This clip is shorter than 2 seconds');
  expect(refusals['huge']).toContain('AppError: This file is 101 MB; a standby clip may have 100 MB');
  expect(refusals['cutFilm']).toContain('AppError: This file is damaged or was cut off');
  expect(refusals['cutWeb']).toContain('AppError: This file is damaged or was cut off');
  expect(refusals['holed']).toContain('AppError: This file is damaged or was cut off');
  expect(refusals['unknownCodec']).toContain('AppError: The picture of this video is in a format');
  expect(refusals['protectedFilm']).toContain('AppError: This video is copy-protected');
  for (const name of ['garbage', 'song', 'unknownCodec', 'protectedFilm']) {
    expect(refusals[`${name} as a source`]).toBe(refusals[name]);
  }
  expect(refusals['long as a source']).toBe('taken');
  expect(refusals['longAddress']).toContain('AppError: The address of the shop is too long');
});

test('cancelling ends the worker at once; no frame stays open, whether an import succeeds or fails', async () => {
  const page = await openPage();
  const cancelled = await page.evaluate(async (shopUrl) => {
    const order = {
      container: 'mp4',
      picture: { codec: 'avc', width: 640, height: 360, fps: 30 },
      toneDbfs: null,
      seconds: 2,
    } as const;
    const file = await lab.makeClip(order);
    const controller = new AbortController();
    let stepsAfter = 0;
    const error: unknown = await lab
      .importClip(file, {
        shopUrl,
        title: 'Drop',
        signal: controller.signal,
        onStep: (step) => {
          if (controller.signal.aborted) stepsAfter++;
          if (step.kind === 'converting' && step.share > 0.3) controller.abort();
        },
      })
      .catch((reason: unknown) => reason);
    const options = { shopUrl, title: 'Drop', onStep: () => undefined };
    const whole = await lab.countOpenFrames(async () => lab.convertClip(file, options));
    const bytes = new Uint8Array(await file.arrayBuffer());
    bytes.fill(0xa5, Math.floor(bytes.length * 0.4), Math.floor(bytes.length * 0.6));
    let words = '';
    const broken = await lab.countOpenFrames(async () =>
      lab.convertClip(new Blob([bytes]), options).catch((reason: unknown) => {
        words = String(reason);
      }),
    );
    const name = error instanceof Error ? error.name : 'no error';
    return { name, stepsAfter, whole, broken, words };
  }, shopUrl);
  expect(cancelled.name).toBe('AbortError');
  expect(cancelled.stepsAfter).toBe(0);
  await expect.poll(() => page.workers().length).toBe(0);
  expect(cancelled.whole.seen).toBeGreaterThan(300);
  expect(cancelled.whole.open).toBe(0);
  expect(cancelled.words).toContain('damaged');
  expect(cancelled.broken.open).toBe(0);
});
