// A standby clip as the studio page uploads it, without the page: parts made of the product's own clip, so that they can be
// played for real. `mark`, well apart, makes it another clip.
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import * as z from 'zod';
import {
  clipPart,
  clipParts,
  storedClip,
  type ClipPart,
  type StoredClip,
} from '../../sfu-server/protocol/standby.ts';
import { loadStandbyClip } from '../../sfu-server/media/standby.ts';
import { clipFiles } from '../media/stand-ins.ts';
import type { TestServer } from './server.ts';

const own = (name: string) => readFile(new URL(`../../assets/standby/${name}`, import.meta.url));

export type ClipBytes = Record<ClipPart, Uint8Array>;

export const clipBytes = async (mark = 0): Promise<ClipBytes> => ({
  'vp8-lo.webm': await own('lo.webm'),
  'vp8-hi.webm': await own('hi.webm'),
  'h264-lo.mp4': await own('lo.mp4'),
  'h264-hi.mp4': await own('hi.mp4'),
  'small.mp4': await own('lo.mp4'),
  'thumbnail.jpg': await sharp({
    create: { width: 320, height: 180, channels: 3, background: { r: mark, g: 90, b: 160 } },
  })
    .jpeg()
    .toBuffer(),
});

export const ownLengthMs = async (): Promise<number> =>
  (await loadStandbyClip(clipFiles('VP8'), 'VP8')).lengthMs;

type To = Pick<TestServer, 'origin' | 'studioKey'>;

export const post = ({ origin, studioKey }: To, path: string, type: string, body: Uint8Array | string) =>
  fetch(`${origin}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${studioKey}`, 'content-type': type },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });

/** The digest of each part as the server answered. */
export const uploadParts = async (to: To, clip: ClipBytes): Promise<Record<ClipPart, string>> => {
  const digests: Record<string, unknown> = {};
  for (const part of clipParts) {
    const answer = await post(to, '/api/clip-parts', 'application/octet-stream', clip[part]);
    if (!answer.ok) throw new Error(`${part} was refused: ${await answer.text()}`);
    digests[part] = z.object({ digest: z.string() }).parse(await answer.json()).digest;
  }
  return z.record(clipPart, z.string()).parse(digests);
};

export const addClip = async (to: To, name: string, clip: ClipBytes): Promise<StoredClip> => {
  const parts = await uploadParts(to, clip);
  const lengthMs = await ownLengthMs();
  const answer = await post(
    to,
    '/api/clips',
    'application/json',
    JSON.stringify({ name, lengthMs, shopUrl: `${to.origin}/`, parts }),
  );
  return storedClip.parse(await answer.json());
};
