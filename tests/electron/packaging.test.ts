// The package Forge makes, except for Electron's own binary: an empty one with a fuse wire takes its place. What is in the
// asar, what lies outside, how the fuses are set, and that the packaged server runs from nothing but the package.
import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { FuseState, FuseV1Options, getCurrentFuseWire } from '@electron/fuses';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod/mini';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const version = z.object({ version: z.string() });

let folder: string;
let app: string;

type ZipEntry = { name: string; text: string; mode: number };

/** A zip archive of stored files (PKWARE APPNOTE 4.3). Debian's `zip` is not on every machine. */
const zipOf = (entries: readonly ZipEntry[]): Buffer => {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, text, mode } of entries) {
    const path = Buffer.from(name);
    const data = Buffer.from(text, 'latin1');
    // Version, flags, method, time and date of 1980, checksum, both sizes, length of the name, no extra field.
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x21, 8);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(path.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, path, data]);
    const where = Buffer.alloc(14);
    where.writeUInt32LE((0o100000 + mode) * 0x10000, 6);
    where.writeUInt32LE(offset, 10);
    // Made by a Unix system, so that the mode counts.
    directory.push(Buffer.from('PK\x01\x02\x14\x03'), common, where, path);
    files.push(local);
    offset += local.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(listed.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...files, listed, Buffer.from('PK\x05\x06'), end]);
};

/** The archive Forge would have downloaded: an executable with Electron's fuse wire (sentinel, version 1, 9 fuses) and little else. */
const writeElectronZip = async (into: string, electronVersion: string): Promise<void> => {
  const wire =
    '#!/bin/sh\nexit 0\n' +
    'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX' +
    '\u0001\u0009' +
    '101001001' +
    '\n'.repeat(64);
  const archive = zipOf([
    { name: 'electron', text: wire, mode: 0o755 },
    { name: 'version', text: electronVersion, mode: 0o644 },
    { name: 'resources/default_app.asar', text: '', mode: 0o644 },
  ]);
  await writeFile(join(into, `electron-v${electronVersion}-linux-x64.zip`), archive);
};

type AsarFile = { size: number; offset: string };
type AsarFolder = { files: Record<string, AsarFolder | AsarFile> };
const asarFolder: z.ZodMiniType<AsarFolder> = z.object({
  files: z.record(
    z.string(),
    z.union([z.lazy(() => asarFolder), z.object({ size: z.number(), offset: z.string() })]),
  ),
});

/** Reads an asar: a pickled header size, a pickled JSON header, then the files. https://github.com/electron/asar#format */
const readAsar = async (path: string): Promise<Map<string, Buffer>> => {
  const bytes = await readFile(path);
  const start = 8 + bytes.readUInt32LE(4);
  const header = bytes.subarray(16, 16 + bytes.readUInt32LE(12)).toString();
  const found = new Map<string, Buffer>();
  const walk = ({ files }: AsarFolder, at: string) => {
    for (const [name, entry] of Object.entries(files)) {
      const path = `${at}/${name}`;
      if ('files' in entry) walk(entry, path);
      else
        found.set(
          path,
          bytes.subarray(start + Number(entry.offset), start + Number(entry.offset) + entry.size),
        );
    }
  };
  walk(asarFolder.parse(JSON.parse(header)), '');
  return found;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ld-package-'));
  const electron = version.parse(
    JSON.parse(await readFile(join(root, 'node_modules/electron/package.json'), 'utf8')),
  );
  await writeElectronZip(folder, electron.version);
  const forge = join(root, 'node_modules/@electron-forge/cli/dist/electron-forge.js');
  await run(process.execPath, [forge, 'package', '--platform', 'linux', '--arch', 'x64'], {
    cwd: root,
    env: { ...process.env, ELECTRON_ZIP_DIR: folder, ELECTRON_FORGE_OUT_DIR: join(folder, 'out') },
  });
  app = join(folder, 'out', 'Live Drop Studio-linux-x64');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('holds the builds in the asar and worker, pages, clips and sharp beside it', async () => {
  const files = [...(await readAsar(join(app, 'resources', 'app.asar'))).keys()];
  expect(files.filter((path) => !path.startsWith('/.vite/build/chunks/')).sort()).toEqual([
    '/.vite/build/main.mjs',
    '/.vite/build/media-node.mjs',
    '/.vite/build/preload.cjs',
    '/.vite/build/server.mjs',
    '/package.json',
  ]);
  expect(await readdir(join(app, 'resources'))).toEqual(
    expect.arrayContaining(['app.asar', 'assets', 'mediasoup-worker', 'node_modules', 'renderer']),
  );
  expect(await readdir(join(app, 'resources', 'renderer'))).toContain('studio');
});

test('turns off every way to run the app as something else', async () => {
  const wire = await getCurrentFuseWire(join(app, 'live-drop-studio'));
  const off = [
    FuseV1Options.RunAsNode,
    FuseV1Options.EnableNodeOptionsEnvironmentVariable,
    FuseV1Options.EnableNodeCliInspectArguments,
    FuseV1Options.GrantFileProtocolExtraPrivileges,
  ];
  const on = [
    FuseV1Options.EnableCookieEncryption,
    FuseV1Options.EnableEmbeddedAsarIntegrityValidation,
    FuseV1Options.OnlyLoadAppFromAsar,
  ];
  expect(off.filter((fuse) => wire[fuse] !== FuseState.DISABLE)).toEqual([]);
  expect(on.filter((fuse) => wire[fuse] !== FuseState.ENABLE)).toEqual([]);
});

test('carries a server that needs nothing outside the package', async () => {
  // Plain Node cannot read an asar, so its content is laid out as files where the asar lies: the only node_modules above it
  // is the one of the package.
  const unpacked = join(app, 'resources', 'unpacked');
  for (const [path, bytes] of await readAsar(join(app, 'resources', 'app.asar'))) {
    await mkdir(dirname(join(unpacked, path)), { recursive: true });
    await writeFile(join(unpacked, path), bytes);
  }
  const build = join(unpacked, '.vite', 'build');
  const resources = join(app, 'resources');
  const server = spawn(
    process.execPath,
    [
      join(build, 'server.mjs'),
      '--data',
      join(folder, 'data'),
      '--port',
      '0',
      '--announced-address',
      'loopback',
    ],
    {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env.PATH,
        LIVE_DROP_LOG: 'warn',
        LIVE_DROP_READY_KEY: 'shown',
        LIVE_DROP_EDGES: '1',
        LIVE_DROP_PAGES: join(resources, 'renderer'),
        LIVE_DROP_ASSETS: join(resources, 'assets'),
        MEDIASOUP_WORKER_BIN: join(resources, 'mediasoup-worker'),
      },
    },
  );
  const exited = new Promise<number | null>((resolve) => void server.once('exit', (code) => resolve(code)));
  try {
    const line = await new Promise<string>((resolve, reject) => {
      let out = '';
      server.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        out += chunk;
        if (out.includes('\n')) resolve(out);
      });
      server.once('exit', (code) => reject(new Error(`The packaged server ended with code ${code}.`)));
    });
    const ready = z
      .object({ origin: z.string(), studioUrl: z.string() })
      .parse(JSON.parse(line.slice(line.indexOf('{'))));
    const studio = await fetch(`${ready.origin}/studio`);
    expect(studio.status).toBe(200);
    expect(await studio.text()).toContain('<title>Studio');
    expect((await fetch(`${ready.origin}/healthz`)).status).toBe(200);
    const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#ff7043' } })
      .png()
      .toBuffer();
    const stored = await fetch(`${ready.origin}/api/pictures`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${new URL(ready.studioUrl).hash.replace('#key=', '')}`,
        'content-type': 'image/png',
      },
      body: Uint8Array.from(picture),
    });
    expect(await stored.json()).toMatchObject({ pictureUrl: expect.stringMatching(/^\/pictures\//) });
  } finally {
    server.kill('SIGTERM');
    expect(await exited).toBe(0);
  }
});
