// Pictures: what is made of them, how they are served, and what is refused; with sharp itself and a real HTTP door.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync, crc32 } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImages, pictureWidths } from '../../sfu-server/shop/images.ts';
import { refusal } from '../support/client.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let folder: string;
beforeAll(async () => {
  server = await startServer({ args: ['--log-level', 'warn'] });
  folder = await mkdtemp(join(tmpdir(), 'live-drop-images-'));
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const photo = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#ff7043' } });

/** A PNG that says it is huge and is a few hundred bytes. PNG specification, §5 and §11.2.2. */
const bomb = (side: number): Buffer => {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 0, 0, 0, 0], 8);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  const pixels = chunk('IDAT', deflateSync(Buffer.alloc(1_000)));
  return Buffer.concat([signature, chunk('IHDR', header), pixels, chunk('IEND', Buffer.alloc(0))]);
};

const post = (body: Buffer, type = 'image/png', key = server.studioKey) =>
  fetch(`${server.origin}/api/pictures`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': type },
    body: Uint8Array.from(body),
  });

/** Says that it will send so many bytes, and sends none. */
const announce = (bytes: number): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${server.studioKey}`,
      'content-type': 'image/png',
      'content-length': bytes,
    };
    const sending = request(`${server.origin}/api/pictures`, { method: 'POST', headers }, (answer) => {
      resolve(answer.statusCode);
      sending.destroy();
    });
    sending.once('error', reject);
    sending.flushHeaders();
  });

describe('pictures', () => {
  it('[IMG1] are made once into three sizes and formats, upright, without what the camera noted', async () => {
    const images = createImages(folder);
    // Orientation 6: held upright, stored lying. The tag's place of capture must not reach fans.
    const original = await photo(2000, 1000)
      .jpeg()
      .withExif({
        IFD0: { Copyright: 'somebody' },
        IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' },
      })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const first = await images.add(original);
    expect(await images.add(original)).toEqual(first);
    expect(images.snapshot()).toMatchObject({ made: 1, waiting: 0 });
    const digest = createHash('sha256').update(original).digest('hex');
    expect(first.pictureUrl).toBe(`/pictures/${digest}`);
    for (const width of pictureWidths) {
      for (const [name, format] of [
        ['avif', 'heif'],
        ['webp', 'webp'],
        ['jpg', 'jpeg'],
      ] as const) {
        const made = await sharp(join(folder, digest, `${width}.${name}`)).metadata();
        const upright = [Math.min(width, 1000), 2 * Math.min(width, 1000)];
        expect([made.format, made.width, made.height, made.exif]).toEqual([format, ...upright, undefined]);
      }
    }
    await images.close();
  });

  it('[IMG2] are served in the best format the browser takes, under an address that never changes', async () => {
    const stored = await post(await photo(400, 300).png().toBuffer());
    const { pictureUrl } = await stored.json();
    const get = (accept: string, headers: Record<string, string> = {}, query = '') =>
      fetch(`${server.origin}${pictureUrl}${query}`, { headers: { accept, ...headers } });
    const chrome = await get('image/avif,image/webp,image/*,*/*;q=0.8', {}, '?w=320');
    const types = await Promise.all(
      ['image/webp,*/*', 'image/avif;q=0,*/*', '*/*'].map(async (accept) =>
        (await get(accept)).headers.get('content-type'),
      ),
    );
    expect([chrome.headers.get('content-type'), ...types]).toEqual([
      'image/avif',
      'image/webp',
      'image/jpeg',
      'image/jpeg',
    ]);
    expect(chrome.headers.get('vary')).toContain('Accept');
    expect(chrome.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect((await sharp(await chrome.arrayBuffer()).metadata()).width).toBe(320);
    const etag = chrome.headers.get('etag') ?? '';
    expect(etag.length).toBeLessThan(24);
    const again = await get('image/avif', { 'if-none-match': etag }, '?w=320');
    expect([again.status, again.headers.get('etag')]).toEqual([304, etag]);
    expect((await get('image/webp', { 'if-none-match': etag }, '?w=320')).status).toBe(200);
    // A width nobody offers is not made to order.
    expect((await sharp(await (await get('*/*', {}, '?w=99999')).arrayBuffer()).metadata()).width).toBe(400);
    for (const path of [
      `/pictures/${'0'.repeat(64)}`,
      '/pictures/..%2f..%2fstudio.key',
      '/pictures/draft-x',
    ]) {
      expect((await fetch(`${server.origin}${path}`)).status).toBe(404);
    }
    // The address an earlier version gave out.
    const old = `${'ab'.repeat(32)}.png`;
    await writeFile(join(server.data, 'pictures', old), await photo(10, 10).png().toBuffer());
    expect((await fetch(`${server.origin}/pictures/${old}`)).headers.get('content-type')).toBe('image/png');
  });

  it('[IMG3] are refused in words when they are no pictures, damaged, too large or a trap', async () => {
    const words = async (body: Buffer, type?: string) => (await (await post(body, type)).json()).message;
    expect(await words(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'.padEnd(64)))).toContain(
      'Choose a PNG',
    );
    expect(await words(await photo(8, 8).gif().toBuffer())).toContain('Choose a PNG');
    expect(await words(bomb(30_000))).toContain('50 million pixels');
    const whole = await photo(600, 600).jpeg().toBuffer();
    expect(await words(whole.subarray(0, whole.length / 2), 'image/jpeg')).toContain('damaged');
    expect((await post(whole, 'image/svg+xml')).status).toBe(415);
    expect((await post(whole, 'image/jpeg', 'guess')).status).toBe(401);
    // By its announced size, before it is sent.
    expect(await announce(11 * 1024 * 1024)).toBe(413);
    const left = await readdir(join(server.data, 'pictures'));
    expect(left.filter((name) => name.startsWith('draft-'))).toEqual([]);
  });

  it('[IMG4] wait for each other, and too many at once are refused', async () => {
    const images = createImages(folder);
    const many = await Promise.all(
      Array.from({ length: 9 }, (_, n) =>
        photo(64 + n, 64)
          .png()
          .toBuffer(),
      ),
    );
    const results = await Promise.allSettled(many.map(async (bytes) => images.add(bytes)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(8);
    await images.close();
    expect(await refusal((async () => images.add(many[0] ?? Buffer.alloc(0)))())).toBe('closed');
  });
});
