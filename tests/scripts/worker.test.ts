// The mediasoup worker's recipe, proof and search order, against the real package and the worker these tests run with.
// Compiling it is not tested here: it takes minutes; `npm test` on a fresh machine does it.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { proveWorker } from '../../scripts/worker/prove.mjs';
import {
  compileUnits,
  patched,
  RecipeError,
  recipeHash,
  workerSchemas,
  workerSources,
} from '../../scripts/worker/recipe.mjs';
import { createSrtpContext, deriveKey, srtpProfiles } from '../../scripts/worker/srtp.mjs';
import { buildLocally, cachedWorkerPath, downloadWorker, ensureWorker } from '../../scripts/setup/worker.mjs';

const packageDir = fileURLToPath(new URL('../../node_modules/mediasoup', import.meta.url));
const workerDir = join(packageDir, 'worker');

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'worker-test-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A program that ends with a code; 41 is how a worker says that it starts here. */
const program = (path: string, exitCode: number) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\nexit ${exitCode}\n`);
  chmodSync(path, 0o755);
  return path;
};

describe('recipe', () => {
  it('takes the sources from the package’s Meson files, each into exactly one compile unit', () => {
    const sources = workerSources(workerDir);
    expect(sources).toContain('src/main.cpp');
    expect(sources).toContain('src/RTC/TransportCongestionControlClient.cpp');
    expect(sources.some((source) => source.endsWith('goog_cc_network_control.cc'))).toBe(true);
    expect(sources.some((source) => source.startsWith('test/'))).toBe(false);
    const compiled = compileUnits(sources).flatMap((unit) => unit.sources);
    expect(compiled.toSorted()).toEqual(sources.toSorted());
    expect(workerSchemas(workerDir)).toContain('fbs/message.fbs');
  });

  /** The real package with one of its files changed. */
  const changedPackage = (file: string, from: string, to: string) => {
    const text = readFileSync(join(workerDir, file), 'utf8');
    expect(text).toContain(from);
    for (const name of ['src', 'deps', 'meson.build', 'meson_options.txt'])
      if (name !== file) symlinkSync(join(workerDir, name), join(dir, name));
    mkdirSync(join(dir, 'fbs/FBS'), { recursive: true });
    for (const name of ['fbs/meson.build', 'fbs/FBS/meson.build'])
      if (name !== file) symlinkSync(join(workerDir, name), join(dir, name));
    writeFileSync(join(dir, file), text.replace(from, to));
    return dir;
  };

  it.each([
    ['a new library', 'meson.build', "subproject(\n  'libuv'", "subproject(\n  'libquic'", /libquic/],
    [
      'sources under a new condition',
      'meson.build',
      "if not get_option('ms_use_builtin_bwe')",
      "if get_option('ms_new')",
      /ms_new/,
    ],
    ['a renamed source list', 'meson.build', 'common_sources = [', 'worker_sources = [', /common_sources/],
    ['a source that is not there', 'meson.build', "'src/lib.cpp'", "'src/lib2.cpp'", /src\/lib2\.cpp/],
    [
      'a new default',
      'meson_options.txt',
      "ms_use_builtin_bwe', type: 'boolean', value: false",
      "ms_use_builtin_bwe', type: 'boolean', value: true",
      /ms_use_builtin_bwe/,
    ],
  ])('refuses %s and says which', (_what, file, from, to, words) => {
    expect(() => workerSources(changedPackage(file, from, to))).toThrow(words);
  });

  it('refuses other generator flags and a patch that no longer fits', () => {
    const other = changedPackage(
      'fbs/FBS/meson.build',
      "'--scoped-enums',",
      "'--scoped-enums', '--gen-mutable',",
    );
    expect(() => workerSchemas(other)).toThrow(/--gen-mutable/);
    const file = 'src/RTC/DtlsTransport.cpp';
    const text = readFileSync(join(workerDir, file), 'utf8');
    expect(patched(file, text)).toContain('(operationType & BIO_CB_RETURN) != 0');
    expect(() => patched(file, patched(file, text))).toThrow(/exactly one/);
  });
});

describe('proof', () => {
  it('derives session keys as RFC 3711 appendix B.3 does', () => {
    const master = {
      key: Buffer.from('E1F97A0D3E018BE0D64FA32C06DE4139', 'hex'),
      salt: Buffer.from('0EC675AD498AFEEBB6960B3AABE6', 'hex'),
    };
    const hex = (label: number, length: number) =>
      deriveKey(master, label, length).toString('hex').toUpperCase();
    expect(hex(0, 16)).toBe('C61E7A93744F39EE10734AFE3FF7A087');
    expect(hex(1, 20)).toBe('CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4');
    expect(hex(2, 14)).toBe('30CBBC08863D8C85D49DB34A9AE1');
  });

  it.each(Object.values(srtpProfiles))('opens what it sealed and nothing that was touched: %o', (profile) => {
    const master = { key: randomBytes(profile.keyLength), salt: randomBytes(profile.saltLength) };
    const sender = createSrtpContext(profile, master);
    const receiver = createSrtpContext(profile, master);
    const rtp = Buffer.concat([Buffer.from('806000010000000a0000000b', 'hex'), randomBytes(40)]);
    const rtcp = Buffer.concat([Buffer.from('80c800060000000b', 'hex'), randomBytes(20)]);
    const sealedRtp = sender.protectRtp(rtp);
    const sealedRtcp = sender.protectRtcp(rtcp);
    expect(receiver.unprotectRtp(sealedRtp)).toEqual(rtp);
    expect(receiver.unprotectRtcp(sealedRtcp)).toEqual(rtcp);
    const touched = (packet: Buffer) =>
      Buffer.from(packet.map((byte, index) => (index === 15 ? byte ^ 1 : byte)));
    expect(() => receiver.unprotectRtp(touched(sealedRtp))).toThrow(/authenticat/);
    expect(() => receiver.unprotectRtcp(touched(sealedRtcp))).toThrow(/authenticat/);
  });

  it('carries media both ways through the worker in use, in both SRTP profiles', async () => {
    const worker = process.env.MEDIASOUP_WORKER_BIN;
    if (worker === undefined) throw new Error('run through "npm test", which sets MEDIASOUP_WORKER_BIN');
    const results = await proveWorker(worker);
    expect(results.map(({ profile }) => profile)).toEqual(Object.keys(srtpProfiles));
    for (const { packetsBack } of results) expect(packetsBack).toBeGreaterThanOrEqual(20);
  });

  it('names the stage at which a bad worker fails', async () => {
    await expect(proveWorker(program(join(dir, 'bad'), 1))).rejects.toThrow(/at "starting the worker"/);
  });
});

describe('search order', () => {
  let root = '';
  let cache = '';
  let calls: string[] = [];
  beforeEach(() => {
    root = join(dir, 'root');
    cache = join(dir, 'cache');
    calls = [];
    mkdirSync(join(root, 'node_modules/mediasoup/worker'), { recursive: true });
    writeFileSync(join(root, 'node_modules/mediasoup/package.json'), '{"version":"9.9.9"}');
  });
  const find = (downloadWorks: boolean, env: Record<string, string> = {}) =>
    ensureWorker({
      root,
      cache,
      env,
      download: async ({ dir: scratch }) => {
        calls.push('download');
        if (!downloadWorks) throw new Error('the server is away');
        return program(join(scratch, 'downloaded'), 41);
      },
      build: async ({ dir: scratch }) => {
        calls.push('build');
        return program(join(scratch, 'built'), 41);
      },
    });

  it('takes the one given first, and refuses one that does not run', async () => {
    const good = program(join(dir, 'good'), 41);
    await expect(find(true, { MEDIASOUP_WORKER_BIN: good })).resolves.toEqual({ path: good, from: 'given' });
    const bad = program(join(dir, 'bad'), 1);
    await expect(find(true, { MEDIASOUP_WORKER_BIN: bad })).rejects.toThrow(/MEDIASOUP_WORKER_BIN/);
    expect(calls).toEqual([]);
  });

  it('downloads into the cache once, and leaves no scratch behind', async () => {
    const path = cachedWorkerPath(cache, '9.9.9');
    await expect(find(true)).resolves.toEqual({ path, from: 'download' });
    await expect(find(true)).resolves.toEqual({ path, from: 'cache' });
    expect(calls).toEqual(['download']);
    expect(existsSync(join(cache, 'mediasoup-worker', `scratch-${process.pid}`))).toBe(false);
  });

  it('builds when the download fails, remembers that, and replaces a cached worker that no longer runs', async () => {
    const path = cachedWorkerPath(cache, '9.9.9');
    await expect(find(false)).resolves.toEqual({ path, from: 'build' });
    program(path, 127);
    await expect(find(false)).resolves.toEqual({ path, from: 'build' });
    expect(calls).toEqual(['download', 'build', 'build']);
  });
});

describe('a local build', () => {
  const build = (steps: { compile?: () => Promise<string>; prove?: () => Promise<void> }) =>
    buildLocally({
      workerDir: join(dir, 'worker'),
      dir,
      report: () => {},
      missing: async () => [],
      compile: async () => program(join(dir, 'built'), 41),
      prove: async () => {},
      ...steps,
    });
  const fails = (reason: Error) => async (): Promise<never> => {
    throw reason;
  };

  it('that fails says why and what to do: an unknown package, a compiler’s words, a worker that carries no media', async () => {
    await expect(build({})).resolves.toBe(join(dir, 'built'));
    await expect(
      build({ compile: fails(new Error('g++ ended with code 1.\nfatal error: uv.h')) }),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/cannot be built here\. g\+\+ ended with code 1\.[\s\S]*uv\.h/),
      todo: expect.stringMatching(
        /once as root, or allow access to github\.com .* or set MEDIASOUP_WORKER_BIN/,
      ),
    });
    const changed = new RecipeError('meson.build has a new list.');
    await expect(build({ compile: fails(changed) })).rejects.toThrow(
      /new list\. .* update it, or set MEDIASOUP_WORKER_BIN/,
    );
    await expect(build({ prove: fails(new Error('no media came back')) })).rejects.toMatchObject({
      message: 'The worker was built, but no media came back.',
      todo: expect.stringMatching(/^It is not kept\./),
    });
  });

  it('is kept only when it was proven, under the version of the package and of the recipe', async () => {
    const root = join(dir, 'root');
    const cache = join(dir, 'cache');
    mkdirSync(join(root, 'node_modules/mediasoup/worker'), { recursive: true });
    const version = (name: string) =>
      writeFileSync(join(root, 'node_modules/mediasoup/package.json'), JSON.stringify({ version: name }));
    version('1.0.0');
    const find = (prove: () => Promise<void>) =>
      ensureWorker({
        root,
        cache,
        env: {},
        download: fails(new Error('away')),
        build: () => build({ prove }),
      });
    await expect(find(fails(new Error('it is deaf')))).rejects.toThrow(/it is deaf/);
    expect(existsSync(cachedWorkerPath(cache, '1.0.0'))).toBe(false);
    await expect(find(async () => {})).resolves.toMatchObject({ from: 'build' });
    await expect(find(fails(new Error('not asked again')))).resolves.toMatchObject({ from: 'cache' });
    version('1.0.1');
    await expect(find(async () => {})).resolves.toMatchObject({ from: 'build' });
    expect(cachedWorkerPath(cache, '1.0.0')).toContain(`1.0.0-${recipeHash()}`);
    // Another recipe, or the same for another processor, is another worker.
    const copy = join(dir, 'recipe');
    cpSync(fileURLToPath(new URL('../../scripts/worker', import.meta.url)), copy, { recursive: true });
    const hashOf = (arch: string) => {
      const script = `Object.defineProperty(process, 'arch', { value: '${arch}' });
        console.log((await import(${JSON.stringify(join(copy, 'recipe.mjs'))})).recipeHash())`;
      return spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
      }).stdout.trim();
    };
    expect(hashOf(process.arch)).toBe(recipeHash());
    expect(hashOf('another')).not.toBe(recipeHash());
    appendFileSync(join(copy, 'recipe.mjs'), '// A flag more.\n');
    expect(hashOf(process.arch)).not.toBe(recipeHash());
  });
});

describe('official build', () => {
  const serve = async (answer: (path: string) => Buffer | undefined | 'silence') => {
    const server = createServer((request, response) => {
      const body = answer(request.url ?? '');
      if (body === 'silence') return;
      response.writeHead(body === undefined ? 404 : 200).end(body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return {
      env: { MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL: `http://127.0.0.1:${address.port}` },
      close: () => {
        server.closeAllConnections();
        server.close();
      },
    };
  };

  it('is unpacked and started; an absent or silent server is an error within the limit', async () => {
    program(join(dir, 'packed/mediasoup-worker'), 41);
    const archive = join(dir, 'worker.tgz');
    expect(spawnSync('tar', ['-czf', archive, '-C', join(dir, 'packed'), 'mediasoup-worker']).status).toBe(0);
    const server = await serve((path) =>
      path.includes('/1.0.0/') ? readFileSync(archive) : path.includes('/2.0.0/') ? undefined : 'silence',
    );
    try {
      const path = await downloadWorker({ version: '1.0.0', dir, env: server.env });
      expect(spawnSync(path).status).toBe(41);
      await expect(downloadWorker({ version: '2.0.0', dir, env: server.env })).rejects.toThrow(/404/);
      await expect(
        downloadWorker({ version: '3.0.0', dir, env: server.env, timeoutMs: 200 }),
      ).rejects.toThrow(/within 0\.2 s/);
      // Unless told otherwise it is given 15 s, for the answer and all that follows.
      const limit = vi.spyOn(AbortSignal, 'timeout');
      await expect(downloadWorker({ version: '2.0.0', dir, env: server.env })).rejects.toThrow(/404/);
      expect(limit.mock.calls).toEqual([[15_000]]);
      limit.mockRestore();
    } finally {
      server.close();
    }
  });
});
