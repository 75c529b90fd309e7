// The director's standby clips on a real server: taken in part by part, checked, chosen, removed, and there after a restart.
// How a clip reaches the screen is tests/media/program-bus.test.ts (no gap).
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { clipId, clipPath, type StoredClip } from '../../sfu-server/protocol/standby.ts';
import {
  addClip,
  clipBytes,
  ownLengthMs,
  post,
  uploadParts,
  type ClipBytes,
} from '../support/clip-upload.ts';
import { joinStudio, joinViewer, refusal, type JoinedClient } from '../support/client.ts';
import { startServer, type TestServer } from '../support/server.ts';

let data: string;
let server: TestServer;
let studio: JoinedClient;
const nightTee = await clipBytes(10);
const harbour = await clipBytes(200);
let first: StoredClip;
let second: StoredClip;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'live-drop-clips-'));
  server = await startServer({ data });
  studio = await joinStudio(server.origin, server.studioKey);
});
afterAll(async () => {
  studio.close();
  await server.close();
  await rm(data, { recursive: true, force: true });
});

const refused = z.object({ code: z.string(), message: z.string() });
const commit = async (change: object, clip: ClipBytes = nightTee) => {
  const parts = await uploadParts(server, clip);
  const whole = { name: 'Night tee', lengthMs: await ownLengthMs(), shopUrl: 'https://drop.example/', parts };
  const answer = await post(
    server,
    '/api/clips',
    'application/json',
    JSON.stringify({ ...whole, ...change }),
  );
  return { status: answer.status, ...refused.parse(await answer.json()) };
};
const folders = () => readdirSync(join(data, 'clips')).toSorted();
const library = async () => (await studio.channel.call('clips', {})).clips.map(({ name }) => name);

test('[STANDBY1] what is no clip is refused in words, and nothing of it stays', async () => {
  const stranger = await post(
    { origin: server.origin, studioKey: 'x'.repeat(32) },
    '/api/clip-parts',
    'application/octet-stream',
    nightTee['small.mp4'],
  );
  expect(stranger.status).toBe(401);
  expect(await commit({ name: '  ' })).toMatchObject({
    status: 400,
    message: expect.stringContaining('name'),
  });
  expect(await commit({ lengthMs: 61_000 })).toMatchObject({ status: 400 });
  expect(await commit({ lengthMs: 5_000 })).toMatchObject({ code: 'badClip' });
  expect(await commit({ parts: {} })).toMatchObject({ status: 400 });
  const swapped = { ...nightTee, 'vp8-hi.webm': nightTee['h264-hi.mp4'] };
  expect(await commit({}, swapped)).toMatchObject({
    code: 'badClip',
    message: expect.stringMatching(/encoded as avc.*needs VP8/),
  });
  const half = nightTee['h264-hi.mp4'].subarray(0, 100_000);
  expect(await commit({}, { ...nightTee, 'h264-hi.mp4': half })).toMatchObject({ code: 'badClip' });
  expect(await commit({}, { ...nightTee, 'thumbnail.jpg': new Uint8Array(1_000) })).toMatchObject({
    code: 'badClip',
    message: expect.stringContaining('thumbnail'),
  });
  const heavy = new Uint8Array(1_600_000);
  expect(await commit({}, { ...nightTee, 'small.mp4': heavy })).toMatchObject({ status: 413 });
  expect(folders()).toEqual(['incoming']);
  expect(await library()).toEqual([]);
});

test('[STANDBY2] a clip is kept by the digest of its parts; the same parts are the same clip', async () => {
  first = await addClip(server, 'Night tee', nightTee);
  expect(await addClip(server, 'Another name', nightTee)).toEqual(first);
  second = await addClip(server, 'Harbour', harbour);
  expect(folders()).toEqual([first.id, 'incoming', second.id].toSorted());
  expect(readdirSync(join(data, 'clips', 'incoming'))).toEqual([]);
  expect(await library()).toEqual(['Night tee', 'Harbour']);

  const small = await fetch(`${server.origin}${clipPath(first.id, 'small.mp4')}`);
  expect(small.headers.get('cache-control')).toContain('immutable');
  expect(small.headers.get('content-type')).toBe('video/mp4');
  expect(new Uint8Array(await small.arrayBuffer())).toEqual(new Uint8Array(nightTee['small.mp4']));
  for (const path of [
    `/clips/${'0'.repeat(64)}/small.mp4`,
    `/clips/${first.id}/show.db`,
    '/clips/incoming/x',
  ]) {
    expect((await fetch(`${server.origin}${path}`)).status).toBe(404);
  }
});

test('[STANDBY3] everybody is told of the chosen clip; it cannot be removed, others can', async () => {
  const fan = await joinViewer(server.origin, server.showId);
  const own = fan.joined.state.standby;
  expect(own).toMatchObject({ clipId: null, name: 'Built-in clip', problem: null });
  const builtIn = await fetch(`${server.origin}${own.fallbackUrl}`);
  expect(builtIn.ok).toBe(true);
  expect((await builtIn.arrayBuffer()).byteLength).toBeLessThanOrEqual(1_500_000);

  await studio.channel.call('chooseClip', { clipId: first.id });
  expect(await fan.change(({ kind }) => kind === 'standby')).toEqual({
    kind: 'standby',
    standby: {
      clipId: first.id,
      name: 'Night tee',
      fallbackUrl: clipPath(first.id, 'small.mp4'),
      problem: null,
    },
  });
  expect(await refusal(studio.channel.call('removeClip', { clipId: first.id }))).toBe('wrongPhase');
  expect(await refusal(fan.channel.call('chooseClip', { clipId: null }))).toBe('forbidden');
  const unknown = clipId.parse('f'.repeat(64));
  expect(await refusal(studio.channel.call('chooseClip', { clipId: unknown }))).toBe('notFound');
  await studio.channel.call('removeClip', { clipId: second.id });
  expect(await library()).toEqual(['Night tee']);
  expect(folders()).not.toContain(second.id);
  fan.close();
});

test('[STANDBY4] clips and choice survive a restart; what was only half there is swept', async () => {
  await post(server, '/api/clip-parts', 'application/octet-stream', harbour['h264-hi.mp4']);
  expect(readdirSync(join(data, 'clips', 'incoming'))).toHaveLength(1);
  await server.stop('SIGKILL');
  await writeFile(join(data, 'clips', 'stray'), 'x');
  server = await startServer({ data });
  studio = await joinStudio(server.origin, server.studioKey);
  expect(studio.joined.state.standby).toMatchObject({ clipId: first.id, name: 'Night tee' });
  expect(folders()).toEqual([first.id]);
});

test('[STANDBY5] a chosen clip that cannot be read gives way to the built-in one, and the studio alone is told', async () => {
  await server.stop();
  await writeFile(join(data, 'clips', first.id, 'vp8-hi.webm'), 'not a video any more');
  server = await startServer({ data });
  studio = await joinStudio(server.origin, server.studioKey);
  const isBack = ({ clipId, problem }: { clipId: string | null; problem: string | null }) =>
    clipId === null && problem !== null;
  const { standby } = studio.joined.state;
  const told = isBack(standby)
    ? standby
    : await studio.change((change) => change.kind === 'standby' && isBack(change.standby));
  expect(JSON.stringify(told)).toMatch(/“Night tee” cannot be played.*vp8-hi\.webm/);
  const fan = await joinViewer(server.origin, server.showId);
  expect(fan.joined.state.standby).toMatchObject({ clipId: null, problem: null });
  fan.close();
});

test('[STANDBY6] a full disk and too many clips are said in words, and nothing half-stored stays', async () => {
  studio.close();
  await server.stop();
  // Blocks of 512 bytes or 1 KiB: enough for the database, too small for a clip's large part.
  server = await startServer({ data, fileBlocks: 500 });
  const answer = await post(server, '/api/clip-parts', 'application/octet-stream', harbour['h264-hi.mp4']);
  expect(refused.parse(await answer.json())).toMatchObject({ code: 'storeFull' });
  expect(answer.status).toBe(507);
  const incoming = join(data, 'clips', 'incoming');
  expect(existsSync(incoming) ? readdirSync(incoming) : []).toEqual([]);
  await server.stop();

  // As if eleven more had been imported.
  const db = new DatabaseSync(join(data, 'show.db'));
  const insert = db.prepare(
    "INSERT INTO standby_clips SELECT ?, 'Copy', length_ms, shop_url, bytes, added_ms FROM standby_clips WHERE id = ?",
  );
  for (let count = 1; count < 12; count += 1) insert.run(String(count).padStart(64, '0'), first.id);
  db.close();
  server = await startServer({ data });
  studio = await joinStudio(server.origin, server.studioKey);
  expect(await library()).toHaveLength(12);
  expect(await commit({}, harbour)).toMatchObject({
    status: 429,
    message: expect.stringContaining('12 clips'),
  });
});
