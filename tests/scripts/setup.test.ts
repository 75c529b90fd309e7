// The set-up steps: what they print, when they work and when they rest, and what they say when they fail.
// npm, apt-get and Electron's download are replaced by records of having been called; programs and files are real.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ensureChromium, ensureElectron } from '../../scripts/setup/browser.mjs';
import { countTests } from '../../scripts/setup/checks.mjs';
import { installDebianPackages } from '../../scripts/setup/debian.mjs';
import {
  hasDisplay,
  joinSwitches,
  keepServer,
  readyLine,
  startAppWindow,
  startRemoteWindow,
  startServerAlone,
} from '../../scripts/setup/start.mjs';
import { parseConfig } from '../../sfu-server/config.ts';
import { flagsGiven } from '../../sfu-server/protocol/flags.ts';
import { explain, failureNote, SetupError, step } from '../../scripts/setup/steps.mjs';
import { ensureTestTools } from '../../scripts/setup/test-tools.mjs';
import {
  ensureNode,
  ensurePackages,
  ensurePages,
  ensureServer,
  packagesStamp,
} from '../../scripts/setup/tree.mjs';

/** A Node 20 of this system; this one where there is none. */
const oldNode =
  ['/usr/bin/node', '/usr/local/bin/node'].find(
    (path) =>
      existsSync(path) && spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout.startsWith('v20.'),
  ) ?? process.execPath;

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'setup-test-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

const file = (path: string, text: string, mode = 0o644) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

describe('steps', () => {
  it('print their name, duration and result; a failed one is explained with its remedy', async () => {
    let printed = '';
    const write = (text: string) => {
      printed += text;
    };
    await step('pages', () => 3, { describe: (count) => `${count} pages`, write });
    expect(printed).toMatch(/^✓ pages +\d+\.\d s {2}3 pages\n$/);
    const failed = step('worker', () => Promise.reject(new SetupError('No compiler.', 'Install g++.')), {
      write,
    });
    const error: unknown = await failed.catch((reason: unknown) => reason);
    expect(printed).toMatch(/✗ worker/);
    expect(explain(error)).toBe('The step "worker" failed. No compiler.\nWhat to do: Install g++.');
  });

  it('an unknown target is refused with the list of those there are', () => {
    const run = fileURLToPath(new URL('../../scripts/run.mjs', import.meta.url));
    const result = spawnSync(process.execPath, [run, 'fly'], { encoding: 'utf8' });
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/no target "fly"[\s\S]*start, test, rehearse/);
  });

  it('a failure is remembered for its lifetime only', () => {
    let nowMs = 1000;
    const note = failureNote(join(dir, 'deep/note.json'), 500, () => nowMs);
    expect(note.read()).toBeUndefined();
    note.write('away');
    nowMs += 499;
    expect(note.read()).toBe('away');
    nowMs += 1;
    expect(note.read()).toBeUndefined();
  });
});

describe('Node', () => {
  const never = () => Promise.reject(new Error('npm was asked'));
  const installed = () => join(dir, 'tools/node/node_modules/node-here/bin/node');
  const older = (npm: (args: string[], where: { cwd: string }) => Promise<void>) =>
    ensureNode(dir, () => {}, { version: '20.20.2', npm });

  it('is the one that runs this where it is new enough; else one from the registry, installed once', async () => {
    await expect(ensureNode(dir, () => {}, { version: '24.0.0', npm: never })).resolves.toBe(
      process.execPath,
    );
    const asked: unknown[] = [];
    const npm = async ([command]: string[], { cwd }: { cwd: string }) => {
      asked.push([command, cwd]);
      file(installed(), '#!/bin/sh\n', 0o755);
    };
    await expect(older(npm)).resolves.toBe(installed());
    await expect(older(never)).resolves.toBe(installed());
    expect(asked).toEqual([['ci', join(dir, 'tools/node')]]);
  });

  it('that cannot be had is a sentence: none for this system, or npm’s own reasons', async () => {
    await expect(older(async () => {})).rejects.toMatchObject({
      message: expect.stringMatching(
        /^Node 20\.20\.2 is too old and the registry has no newer one for \w+ \w+\.$/,
      ),
      todo: expect.stringMatching(/^Install Node 24 or later from nodejs\.org/),
    });
    mkdirSync(join(dir, 'tools/node'), { recursive: true });
    // npm as it fails: reasons first, then a page on how to use it.
    const cli = file(
      join(dir, 'npm/npm-cli.js'),
      `console.error('npm error code ECONNREFUSED\\nnpm error connect 127.0.0.1:9\\nUsage: npm ci');
       process.exit(process.env.npm_config_prefix ? 2 : 1)`,
    );
    vi.stubEnv('npm_execpath', cli);
    vi.stubEnv('npm_config_prefix', '/the/npm/that/started/this');
    const failed = ensureNode(dir, () => {}, { version: '20.20.2' });
    await expect(failed).rejects.toMatchObject({
      message: `npm ci failed in ${join(dir, 'tools/node')}.\nnpm error code ECONNREFUSED\nnpm error connect 127.0.0.1:9`,
      todo: expect.stringMatching(/npm registry can be reached and that the folder may be written/),
    });
    await expect(failed).rejects.toHaveProperty('cause.message', expect.stringMatching(/ended with code 1/));
  });

  it('of twenty, where this system has one, can read all that set-up consists of', () => {
    const run = fileURLToPath(new URL('../../scripts/run.mjs', import.meta.url));
    const { stderr, status } = spawnSync(oldNode, [run, 'fly'], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/no target "fly"/)]);
  });
});

describe('builds', () => {
  const vite = (script: string) => {
    file(join(dir, 'node_modules/vite/package.json'), '{"bin":{"vite":"vite.mjs"}}');
    file(join(dir, 'node_modules/vite/vite.mjs'), script);
  };
  const said: string[] = [];
  const build = () => ensurePages(dir, (text) => said.push(text));

  it('are made when a source has changed, not when it was only touched, and name the source that does not build', async () => {
    file(join(dir, 'package-lock.json'), '{}');
    const page = file(join(dir, 'renderer/page.tsx'), 'one');
    vite(`console.error('page.tsx:1: Unexpected token'); process.exit(1)`);
    await expect(build()).rejects.toMatchObject({
      message: expect.stringMatching(/^renderer does not build\. [\s\S]*page\.tsx:1: Unexpected token/),
      todo: 'Mend the source the message names.',
    });
    vite('');
    await expect(build()).resolves.toBe(true);
    await expect(build()).resolves.toBe(false);
    utimesSync(page, 1, 1);
    await expect(build()).resolves.toBe(false);
    file(page, 'two');
    await expect(build()).resolves.toBe(true);
    expect(said).toHaveLength(3);
    file(join(dir, 'dist/renderer/.stamp'), '{"quick":');
    await expect(build()).resolves.toBe(true);
  });
});

describe('packages', () => {
  const tree = () => {
    file(join(dir, 'package-lock.json'), '{"lockfileVersion":3}');
    mkdirSync(join(dir, 'node_modules'));
  };

  it('are installed once for a lockfile and a Node version', async () => {
    tree();
    const calls: string[][] = [];
    const npm = async (args: string[]) => void calls.push(args);
    await expect(ensurePackages(dir, () => {}, npm)).resolves.toBe(true);
    await expect(ensurePackages(dir, () => {}, npm)).resolves.toBe(false);
    expect(packagesStamp(dir, 24)).not.toBe(packagesStamp(dir, 26));
    file(join(dir, 'package-lock.json'), '{"lockfileVersion":3,"name":"changed"}');
    await expect(ensurePackages(dir, () => {}, npm)).resolves.toBe(true);
    expect(calls.map(([command]) => command)).toEqual(['ci', 'ci']);
    expect(calls[0]).toContain('--ignore-scripts');
  });

  it('that could not be installed leave no stamp, so that the next start tries again', async () => {
    tree();
    const npm = async () => {
      throw new SetupError('the registry did not answer', 'try again');
    };
    await expect(ensurePackages(dir, () => {}, npm)).rejects.toThrow(/registry/);
    expect(existsSync(join(dir, 'node_modules/.live-drop-stamp'))).toBe(false);
  });

  it('of Debian are installed only by root; others are told the command', async () => {
    const asUser = installDebianPackages(['ninja-build', 'g++'], () => {}, { isRoot: false });
    await expect(asUser).rejects.toMatchObject({
      todo: expect.stringMatching(/sudo apt-get install .*ninja-build g\+\+/),
    });
    await installDebianPackages([], () => {}, { isRoot: false });
    // As root, with an apt-get that cannot reach anything.
    file(
      join(dir, 'bin/apt-get'),
      '#!/bin/sh\necho "E: Temporary failure resolving deb.example"\nexit 100\n',
      0o755,
    );
    vi.stubEnv('PATH', join(dir, 'bin'));
    await expect(installDebianPackages(['g++'], () => {}, { isRoot: true })).rejects.toMatchObject({
      message: expect.stringMatching(/^apt-get could not install g\+\+\.[\s\S]*Temporary failure resolving/),
      todo: expect.stringMatching(/apt-get update must work/),
    });
    // With one that works: the lists are read once for all steps, and nothing may be removed.
    const said = join(dir, 'apt.txt');
    file(join(dir, 'bin/apt-get'), `#!/bin/sh\necho "$@" >> '${said}'\n`, 0o755);
    await installDebianPackages(['g++'], () => {}, { isRoot: true });
    await installDebianPackages(['ffmpeg'], () => {}, { isRoot: true });
    const lines = readFileSync(said, 'utf8').trim().split('\n');
    expect(lines.filter((line) => line.startsWith('update')).length).toBeLessThan(2);
    expect(lines.at(-2)).toMatch(/^install .*g\+\+$/);
    expect(lines.at(-1)).toMatch(/^install .* --no-install-recommends --no-remove ffmpeg$/);
  });
});

describe('test tools', () => {
  it('are found on PATH, else installed, only what is missing; a system without their packages is told', async () => {
    const asked: string[][] = [];
    const bin = join(dir, 'bin');
    const has = (program: string) => file(join(bin, program), '#!/bin/sh\n', 0o755);
    has('pulseaudio');
    const ensure = (debian: boolean) =>
      ensureTestTools({
        env: { PATH: bin },
        debian,
        install: async (packages) => {
          asked.push(packages);
          ['pactl', 'ffprobe'].forEach(has);
        },
      });
    await expect(ensure(false)).rejects.toMatchObject({
      message: 'The tests need pactl, ffprobe, not found on PATH.',
      todo: expect.stringMatching(/apt-get install .*pulseaudio pulseaudio-utils ffmpeg/),
    });
    const programs = ['pulseaudio', 'pactl', 'ffprobe'];
    await expect(ensure(true)).resolves.toEqual(programs);
    await expect(ensure(true)).resolves.toEqual(programs);
    expect(asked).toEqual([['pulseaudio-utils', 'ffmpeg']]);
  });
});

describe('browsers', () => {
  const find = (env: Record<string, string>, playwright?: string) =>
    ensureChromium({
      root: dir,
      env,
      install: async () => {
        throw new SetupError('apt-get was asked', '');
      },
      playwrightPath: () => playwright,
    });

  it('are looked for in CHROMIUM_BIN, on PATH, at Playwright, and only then installed', async () => {
    const onPath = file(join(dir, 'bin/google-chrome'), '#!/bin/sh\n', 0o755);
    const given = file(join(dir, 'mine'), '#!/bin/sh\n', 0o755);
    const empty = join(dir, 'empty');
    await expect(find({ CHROMIUM_BIN: given, PATH: dirname(onPath) })).resolves.toBe(given);
    await expect(find({ CHROMIUM_BIN: join(dir, 'gone'), PATH: dirname(onPath) })).rejects.toThrow(
      /CHROMIUM_BIN/,
    );
    await expect(find({ PATH: dirname(onPath) }, given)).resolves.toBe(onPath);
    await expect(find({ PATH: empty }, given)).resolves.toBe(given);
    await expect(find({ PATH: empty })).rejects.toThrow(/No Chromium or Chrome was found/);
  });

  it('Electron is tried once, the failure remembered, and forgotten on request', async () => {
    const electron = join(dir, 'node_modules/electron');
    file(join(electron, 'package.json'), '{"version":"45.0.0"}');
    let tries = 0;
    const attempt = (retry: boolean, works: boolean) =>
      ensureElectron({
        root: dir,
        cache: join(dir, 'cache'),
        retry,
        reachable: async () => {
          tries++;
          if (!works) throw new Error('github.com cannot be reached');
        },
        download: async () => {
          file(join(electron, 'dist/electron'), '');
          file(join(electron, 'path.txt'), 'electron');
        },
      });
    await expect(attempt(false, false)).resolves.toMatchObject({
      installed: false,
      why: expect.stringMatching(/cannot be reached/),
    });
    await expect(attempt(false, true)).resolves.toMatchObject({
      installed: false,
      why: expect.stringMatching(/--retry-electron/),
    });
    expect(tries).toBe(1);
    await expect(attempt(true, true)).resolves.toEqual({ installed: true });
    await expect(attempt(false, false)).resolves.toEqual({ installed: true });
    expect(tries).toBe(2);
  });
});

describe('start', () => {
  it('hands flags on to Electron in one piece each, as it reads them', () => {
    expect(
      joinSwitches(['--port', '80', '--codec=H264', '--public-origin', 'https://a.example', '--no-sandbox']),
    ).toEqual(['--port=80', '--codec=H264', '--public-origin=https://a.example', '--no-sandbox']);
    // What the app then finds, read by the server.
    const switches = new Map([
      ['max-viewers', '7'],
      ['tls-cert', 'c'],
      ['tls-key', 'k'],
      ['user-data-dir', '/u'],
    ]);
    const flags = flagsGiven((flag) => switches.get(flag));
    expect(parseConfig(flags, {})).toMatchObject({ maxViewers: 7, tlsCert: 'c', tlsKey: 'k' });
  });

  it('knows a display, reads the server’s ready line, and explains a server that ends instead', async () => {
    expect(hasDisplay({}, 'linux')).toBe(false);
    expect(hasDisplay({ WAYLAND_DISPLAY: 'wayland-0' }, 'linux')).toBe(true);
    expect(hasDisplay({}, 'darwin')).toBe(true);
    const say = (script: string) =>
      spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const addresses = { viewerUrl: 'https://a.example/w' };
    const server = say(
      `console.log('LIVE_DROP_READY ' + '${JSON.stringify(addresses)}'); setInterval(() => {}, 1000)`,
    );
    await expect(readyLine(server)).resolves.toEqual(addresses);
    server.kill();
    await expect(readyLine(say('process.exit(3)'))).rejects.toThrow(/ended with code 3/);
  });
});

describe('the server beside an app window', () => {
  it('is started again on its port when it ends by itself, and not when it was stopped', async () => {
    const starts: { args: string[]; child: ChildProcess }[] = [];
    const again = Promise.withResolvers<void>();
    const line = JSON.stringify({ origin: 'http://127.0.0.1:4711' });
    const script = `console.log('LIVE_DROP_READY ' + '${line}'); setInterval(() => {}, 1000)`;
    const server = keepServer(
      (args) => {
        const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
        starts.push({ args, child });
        if (starts.length === 2) child.stdout.once('data', () => again.resolve());
        return child;
      },
      { firstDelayMs: 1 },
    );
    await server.ready;
    starts[0]?.child.kill('SIGKILL');
    await again.promise;
    await server.stop();
    expect(starts.map(({ args }) => args)).toEqual([[], ['--port', '4711']]);
    expect(starts[1]?.child.signalCode).toBe('SIGTERM');
  });

  it('may run elsewhere: its address must be secure and its key at hand, which goes into the fragment', async () => {
    const keyFile = file(join(dir, 'studio.key'), 'k'.repeat(32));
    const open = (server: string, key: string | undefined = keyFile) =>
      startRemoteWindow({
        chromium: join(dir, 'see'),
        server,
        keyFile: key,
        profileDir: join(dir, 'profile'),
      });
    const note = join(dir, 'seen.txt');
    file(join(dir, 'see'), `#!/bin/sh\nprintf %s "$1" > '${note}'\n`, 0o755);
    const said = vi.spyOn(console, 'log').mockImplementation(() => {});
    await expect(open('https://drop.example')).resolves.toBe(0);
    const printed = said.mock.calls.flat().join('\n');
    said.mockRestore();
    expect(printed).toContain('█');
    expect(printed).toMatch(
      /Viewers {3}https:\/\/drop\.example\/\nCo-hosts {2}https:\/\/drop\.example\/cohost$/,
    );
    expect(printed).not.toContain('kkk');
    expect(readFileSync(note, 'utf8')).toBe(`--app=https://drop.example/studio#key=${'k'.repeat(32)}`);
    await expect(open('http://drop.example')).rejects.toThrow(/must be https/);
    await expect(open('drop.example')).rejects.toThrow(/such as https:/);
    await expect(open('https://drop.example', join(dir, 'none'))).rejects.toThrow(/cannot be read/);
    await expect(open('https://drop.example', file(join(dir, 'empty'), 'no'))).rejects.toThrow(
      /no studio key/,
    );
  });
});

describe('the server on its own', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const alone = (args: string[]) => {
    const start = `import { startServerAlone } from ${JSON.stringify(join(root, 'scripts/setup/start.mjs'))};
      process.exitCode = await startServerAlone({ root: ${JSON.stringify(root)}, args: ${JSON.stringify(args)} });`;
    return spawn(process.execPath, ['--input-type=module', '-e', start], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  };

  it('prints where fans and co-hosts come in, their code, what a studio needs, and not the key; ends when told', async () => {
    await ensureServer(root, () => {});
    const data = join(dir, 'data');
    const where = ['--port=0', '--host=127.0.0.1', '--announced-address=loopback', `--data=${data}`];
    const server = alone([...where, '--log-level=silent', '--edges=1', '--spares=0']);
    let printed = '';
    const complete = Promise.withResolvers<void>();
    server.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
      if (/^Key .*\n/m.test(printed)) complete.resolve();
    });
    const ended = new Promise((resolve) => void server.once('close', resolve));
    await Promise.race([complete.promise, ended]);
    const [, address] = /^Viewers {3}(http:\/\/127\.0\.0\.1:\d+)\/watch\/[\w-]+$/m.exec(printed) ?? [];
    expect(printed).toContain('█▀▀');
    expect(printed).toContain(`Co-hosts  ${address}/cohost`);
    expect(printed).toContain(`Studio    npm start -- --server ${address} --key-file studio.key`);
    expect(printed).toContain(`Key       ${join(data, 'studio.key')}`);
    expect(printed).not.toContain(readFileSync(join(data, 'studio.key'), 'utf8').trim());
    server.kill('SIGTERM');
    expect(await ended).toBe(0);
  }, 90_000);

  it('says which setting is wrong before anything starts', async () => {
    await expect(startServerAlone({ root, args: ['--port', 'eleven'] })).rejects.toMatchObject({
      message: expect.stringMatching(/The setting --port is not valid/),
      todo: 'See the settings in docs/server.md.',
    });
  });
});

describe('app window', () => {
  it('opens the studio of a server of its own, and takes the server with it when it closes', async () => {
    const note = join(dir, 'window.txt');
    // Stands in for Chromium: a window that shows it was given the studio's address, sees the server up, and closes.
    const look = `const [url] = process.argv.slice(-1); const { status } = await fetch(new URL('/healthz', url));
      (await import('node:fs')).writeFileSync(${JSON.stringify(note)}, status + ' ' + url);`;
    const script = file(join(dir, 'look.mjs'), look);
    const chromium = file(
      join(dir, 'window'),
      `#!/bin/sh\nexec '${process.execPath}' '${script}' "\${1#--app=}"\n`,
      0o755,
    );
    const args = [
      '--port',
      '0',
      '--host',
      '127.0.0.1',
      '--announced-address',
      'loopback',
      '--data',
      join(dir, 'data'),
    ];
    const root = fileURLToPath(new URL('../..', import.meta.url));
    await expect(startAppWindow({ root, chromium, args: [...args, '--log-level', 'warn'] })).resolves.toBe(0);
    const [status, url] = readFileSync(note, 'utf8').split(' ');
    expect(status).toBe('200');
    expect(url).toMatch(/\/studio#/);
    await expect(fetch(new URL('/healthz', url))).rejects.toThrow(/fetch failed/);
    // A server starts in 2 s on a free machine; a crowded one takes its time.
  });
});

describe('test count', () => {
  const report = (passed: number, failed: number, files: { status: string; tests: string[] }[]) => ({
    numPassedTests: passed,
    numFailedTests: failed,
    testResults: files.map(({ status, tests }) => ({
      status,
      assertionResults: tests.map((test) => ({ status: test })),
    })),
  });

  it('counts passed and failed tests', () => {
    const mixed = [{ status: 'failed', tests: ['passed', 'failed'] }];
    expect(countTests(report(5, 0, [{ status: 'passed', tests: ['passed'] }]), 0)).toEqual({
      passed: 5,
      failed: 0,
    });
    expect(countTests(report(5, 1, mixed), 1)).toEqual({ passed: 5, failed: 1 });
  });

  it('counts as a failure a file that did not load, a run without tests, a crash and a missing report', () => {
    expect(countTests(report(5, 0, [{ status: 'failed', tests: [] }]), 1)).toEqual({ passed: 5, failed: 1 });
    expect(countTests(report(0, 0, []), 0)).toMatchObject({ passed: 0, failed: 1, why: 'no test ran' });
    expect(countTests(report(5, 0, []), 1)).toMatchObject({
      passed: 5,
      failed: 1,
      why: expect.stringContaining('code 1'),
    });
    expect(countTests(undefined, 1)).toMatchObject({ passed: 0, failed: 1 });
  });
});
