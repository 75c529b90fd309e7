// The desktop app end to end: built main process and preload, a real server process, a real Chromium page.
// Runs in Electron where its binary is installed, else in the stand-in; the suite's title says which.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Frame, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { desktopDriver, type DesktopApp, type LaunchOptions } from '../support/electron-stand-in/driver.ts';
import type { DesktopApi } from '../../electron/desktop-api.ts';
import { buildDesktop } from './build.ts';

declare global {
  interface Window {
    readonly desktop?: DesktopApi;
    states?: string[];
    mark?: string;
  }
}

const driver = desktopDriver();
const fixtureServer = fileURLToPath(new URL('./fixture/server.ts', import.meta.url));
const key = 'secret-of-the-fixture';

let userData: string;
let app: DesktopApp;
let studio: Page;
let elsewhere: Server;
let elsewhereOrigin: string;
let elsewhereHits = 0;
const { promise: held, resolve: answerHold } = Promise.withResolvers<void>();

const options = (env: NodeJS.ProcessEnv): LaunchOptions => ({
  args: [`--user-data-dir=${userData}`, '--port=0', '--public-origin=https://fans.example', '--codec=H264'],
  env: { ...process.env, ...env },
});

const launch = async (env: NodeJS.ProcessEnv) => {
  userData = await mkdtemp(join(tmpdir(), 'ld-app-'));
  app = await driver.launch(options(env));
};

const endApp = async () => {
  await app.dispose();
  await rm(userData, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
};

const patient = { timeout: 60_000 };
/** Three launches of a browser and an app on a machine that may be busy. */
const slow = { timeout: 60_000 };

const metrics = z.array(z.object({ pid: z.number(), type: z.string(), name: z.optional(z.string()) }));
const serverPid = async (): Promise<number> => {
  const all = metrics.parse(await app.main((electron) => electron.app.getAppMetrics(), null));
  const server = all.find(({ name, type }) => type === 'Utility' && name === 'Live Drop Studio server');
  if (server === undefined) throw new Error('No server process is running.');
  return server.pid;
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** The mediasoup workers among them. Read from /proc, so on other systems there are none to look at. */
const childrenOf = async (pid: number): Promise<number[]> => {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
  );
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
};

/** Origin, one edge and the spare. */
const mediaWorkers = process.platform === 'linux' ? 3 : 0;

const awake = () =>
  app.main(({ powerSaveBlocker }) => [0, 1, 2, 3, 4].some((id) => powerSaveBlocker.isStarted(id)), null);

beforeAll(async () => {
  await buildDesktop();
  elsewhere = createServer((request, response) => {
    if (request.url === '/hold') {
      void held.then(() => response.end());
      return;
    }
    elsewhereHits += 1;
    response.setHeader('content-type', 'text/html').end('<title>elsewhere</title>');
  });
  await new Promise<void>((resolve) => void elsewhere.listen(0, '127.0.0.1', resolve));
  const address = elsewhere.address();
  elsewhereOrigin = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
});
afterAll(() => {
  elsewhere.close();
  elsewhere.closeAllConnections();
});

describe(`desktop app in ${driver.name}`, slow, () => {
  // One app for the whole suite: each test leaves it as it found it, the last two end it.
  beforeAll(async () => {
    await launch({ LIVE_DROP_SERVER_ENTRY: fixtureServer });
    studio = await app.page('http://127.0.0.1');
    await studio.getByText('server').waitFor();
  });
  afterAll(endApp);

  test('opens the studio with its key in the fragment and a small checked bridge', async () => {
    expect(new URL(studio.url()).hash).toBe(`#key=${key}`);
    expect(await studio.evaluate(() => window.desktop?.appInfo())).toMatchObject({
      version: '0.1.0',
      platform: process.platform,
    });
    expect(await studio.evaluate(() => Object.keys(window.desktop ?? {}).sort())).toEqual([
      'appInfo',
      'keysSet',
      'onHotkey',
      'onServerState',
      'recordings',
      'screens',
      'setHotkeys',
      'setKeys',
      'setLive',
    ]);
    expect(await studio.evaluate(() => typeof Reflect.get(globalThis, 'require'))).toBe('undefined');
    const refused = studio.evaluate(async (): Promise<unknown> => {
      const setLive: unknown = Reflect.get(window.desktop ?? {}, 'setLive');
      return typeof setLive === 'function' ? Reflect.apply(setLive, undefined, ['yes']) : 'missing';
    });
    await expect(refused).rejects.toThrow('The desktop request setLive got something it cannot read.');
  });

  test('hands every server flag on, and prints where fans and co-hosts come in, never the key', () => {
    const { origin } = new URL(studio.url());
    expect(app.output()).toMatch(/Started with .*"codec":"H264","public-origin":"https:..fans\.example"/);
    expect(app.output()).toContain(`Viewers   ${origin}/watch/1\nCo-hosts  ${origin}/cohost\n`);
    expect(app.output()).toContain('█');
    expect(app.output()).not.toContain(key);
  });

  test('takes a recording through the bridge, piece by piece, into the folder and nowhere else', async () => {
    const seen = await studio.evaluate(async () => {
      const recordings = window.desktop?.recordings;
      if (!recordings) throw new Error('There is no bridge.');
      const file = await recordings.create('Night 2026-11-22 21-04-09 Program.mp4');
      await recordings.write(file, 0, Uint8Array.of(1, 2, 3));
      await recordings.write(file, 3, Uint8Array.of(250, 0, 255));
      await recordings.close(file);
      const outside = await recordings.create('../outside.mp4').catch((error: unknown) => String(error));
      const bytes = await recordings.read('Night 2026-11-22 21-04-09 Program.mp4', 1, 99);
      const { folder, freeBytes } = await recordings.folder();
      return { bytes: [...bytes], folder, freeBytes, outside, list: await recordings.list() };
    });
    expect(seen.bytes).toEqual([2, 3, 250, 0, 255]);
    expect(seen.freeBytes).toBeGreaterThan(0);
    expect(seen.outside).toContain('something it cannot read');
    expect(seen.list.map(({ name, bytes }) => [name, bytes])).toEqual([
      ['Night 2026-11-22 21-04-09 Program.mp4', 6],
    ]);
    expect([...(await readFile(join(seen.folder, seen.list[0]?.name ?? '')))]).toEqual([
      1, 2, 3, 250, 0, 255,
    ]);
    expect(seen.folder).toContain('Live Drop Studio');
    await rm(join(seen.folder, seen.list[0]?.name ?? ''));
  });

  test('keeps the machine awake while live and only then', async () => {
    expect(await awake()).toBe(false);
    await studio.evaluate(() => window.desktop?.setLive(true));
    await studio.evaluate(() => window.desktop?.setLive(true));
    expect(await awake()).toBe(true);
    await studio.evaluate(() => window.desktop?.setLive(false));
    expect(await awake()).toBe(false);
  });

  test('passes global hotkeys on to the page while they are set, and says which another program has', async () => {
    await app.main(({ globalShortcut }) => {
      const keys = new Map<string, () => void>();
      Reflect.set(globalThis, 'keys', keys);
      globalShortcut.register = (accelerator, pressed) => {
        if (accelerator === 'Alt+T') return false;
        keys.set(accelerator, pressed);
        return true;
      };
      globalShortcut.unregister = (accelerator) => void keys.delete(accelerator);
    }, null);
    /** As the system would: the keys held, after pressing them all. */
    const pressAll = () =>
      app.main(() => {
        const keys: unknown = Reflect.get(globalThis, 'keys');
        if (!(keys instanceof Map)) throw new Error('no keys');
        for (const pressed of keys.values()) Reflect.apply(pressed, undefined, []);
        return [...keys.keys()].map(String);
      }, null);
    await studio.evaluate(() => {
      window.states = [];
      window.desktop?.onHotkey((id) => window.states?.push(id));
    });
    const set = (hotkeys: { id: string; accelerator: string }[]) =>
      studio.evaluate((hotkeys) => window.desktop?.setHotkeys(hotkeys), hotkeys);
    expect(
      await set([
        { id: 'standby', accelerator: 'CommandOrControl+Alt+S' },
        { id: 'take', accelerator: 'Alt+T' },
      ]),
    ).toEqual(['take']);
    expect(await pressAll()).toEqual(['CommandOrControl+Alt+S']);
    await expect.poll(() => studio.evaluate(() => window.states)).toEqual(['standby']);
    await expect(set([{ id: 'spy', accelerator: 'A' }])).rejects.toThrow('setHotkeys');
    expect(await set([])).toEqual([]);
    expect(await pressAll()).toEqual([]);
  });

  test('grants camera and microphone to the studio page, and nothing else to anybody', async () => {
    const useMedia = (page: Page | Frame) =>
      page.evaluate(async () => {
        try {
          const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
          const kinds = stream.getTracks().map(({ kind }) => kind);
          for (const track of stream.getTracks()) track.stop();
          return kinds.sort().join();
        } catch (error) {
          return error instanceof Error ? error.name : String(error);
        }
      });
    expect(await useMedia(studio)).toBe('audio,video');
    const others = await studio.evaluate(async () => ({
      notifications: await Notification.requestPermission(),
      geolocation: await new Promise((resolve) =>
        navigator.geolocation.getCurrentPosition(
          () => resolve('granted'),
          ({ code }) => resolve(code),
        ),
      ),
    }));
    expect(others).toEqual({ notifications: 'denied', geolocation: 1 });

    // A foreign page in the same session.
    await app.main(
      ({ BrowserWindow }, url) => new BrowserWindow({ show: false }).loadURL(url),
      elsewhereOrigin,
    );
    const foreign = await app.page(elsewhereOrigin);
    expect(await useMedia(foreign)).toBe('NotAllowedError');
    expect(await foreign.evaluate(() => typeof window.desktop)).toBe('undefined');
    // And the studio's own page as a frame of a foreign one.
    await foreign.evaluate(
      (url) =>
        new Promise((resolve) => {
          const frame = document.createElement('iframe');
          Object.assign(frame, { src: url, allow: 'camera; microphone', onload: resolve });
          document.body.append(frame);
        }),
      new URL(studio.url()).origin,
    );
    const framed = foreign.frames().find((frame) => frame !== foreign.mainFrame());
    if (framed === undefined) throw new Error('The foreign page has no frame.');
    expect(framed.url()).toBe(`${new URL(studio.url()).origin}/`);
    expect(await useMedia(framed)).toBe('NotAllowedError');
    await app.main(({ BrowserWindow }, url) => {
      for (const window of BrowserWindow.getAllWindows()) {
        if (window.webContents.getURL().startsWith(url)) window.close();
      }
    }, elsewhereOrigin);
  });

  test('shares the screen or window the director chose, once, and nothing without a choice', async () => {
    await app.main(({ desktopCapturer }) => {
      const thumbnail = { isEmpty: () => false, toJPEG: () => Buffer.from('a picture') };
      const sources = [
        { id: 'screen:1:0', name: 'Entire screen', thumbnail },
        { id: 'window:7:0', name: 'Slides', thumbnail: { ...thumbnail, isEmpty: () => true } },
      ];
      Object.assign(desktopCapturer, { getSources: () => Promise.resolve(sources) });
    }, null);
    const share = (page: Page) =>
      page.evaluate(async () => {
        try {
          const stream = await navigator.mediaDevices.getDisplayMedia({ video: true });
          return stream.getVideoTracks()[0]?.label;
        } catch (error) {
          return error instanceof Error ? error.name : String(error);
        }
      });
    const choose = (id: string) => studio.evaluate((id) => window.desktop?.screens.choose(id), id);
    expect(await share(studio)).toBe('NotAllowedError');
    await expect(choose('screen:1:0')).rejects.toThrow('Choose again');
    expect(await studio.evaluate(() => window.desktop?.screens.list())).toEqual({
      systemPicker: false,
      screens: [
        {
          id: 'screen:1:0',
          name: 'Entire screen',
          kind: 'screen',
          thumbnailUrl: `data:image/jpeg;base64,${Buffer.from('a picture').toString('base64')}`,
        },
        { id: 'window:7:0', name: 'Slides', kind: 'window', thumbnailUrl: null },
      ],
    });
    await choose('window:7:0');
    expect(await share(studio)).toBe('window:7:0');
    expect(await share(studio)).toBe('NotAllowedError');
    // A choice is the studio's: a page from elsewhere gets nothing by it.
    await choose('screen:1:0');
    await app.main(
      ({ BrowserWindow }, url) => new BrowserWindow({ show: false }).loadURL(url),
      elsewhereOrigin,
    );
    expect(await share(await app.page(elsewhereOrigin))).toBe('NotAllowedError');
    expect(await share(studio)).toBe('screen:1:0');
    await app.main(({ BrowserWindow }, url) => {
      for (const window of BrowserWindow.getAllWindows()) {
        if (window.webContents.getURL().startsWith(url)) window.close();
      }
    }, elsewhereOrigin);
  });

  test('stays on its own origin; links open in the system browser only when they are safe', async () => {
    await app.main(({ shell }) => {
      const opened: string[] = [];
      Reflect.set(globalThis, 'opened', opened);
      shell.openExternal = (url) => {
        opened.push(url);
        return Promise.resolve();
      };
    }, null);
    const opened = () => app.main(() => Reflect.get(globalThis, 'opened') as unknown, null);
    const address = studio.url();
    const hitsBefore = elsewhereHits;

    await studio.evaluate((url) => void (location.href = url), `${elsewhereOrigin}/steal`);
    await expect
      .poll(() => app.output(), patient)
      .toContain(`window: refused to leave for ${elsewhereOrigin}\n`);
    expect(studio.url()).toBe(address);

    // One after another, so that each is known to have been answered.
    const popup = async (url: string) => {
      await studio.evaluate((url) => {
        const link = document.createElement('a');
        Object.assign(link, { href: url, target: '_blank', rel: 'opener' });
        document.body.append(link);
        link.click();
        link.remove();
        void window.open(url);
      }, url);
    };
    await popup(`${elsewhereOrigin}/plain-http`);
    await popup('file:///etc/passwd');
    await popup(`${new URL(address).origin}/watch/1`);
    await popup('https://drop.example/');
    await expect
      .poll(opened)
      .toEqual([
        `${new URL(address).origin}/watch/1`,
        `${new URL(address).origin}/watch/1`,
        'https://drop.example/',
        'https://drop.example/',
      ]);
    await expect.poll(() => app.pages().length, patient).toBe(1);
    expect(await app.main(({ BrowserWindow }) => BrowserWindow.getAllWindows().length, null)).toBe(1);
    expect(elsewhereHits).toBe(hitsBefore);
    expect(studio.url()).toBe(address);
  });

  test('a second start brings the first to the front and ends', async () => {
    await app.main(({ BrowserWindow }) => {
      const [window] = BrowserWindow.getAllWindows();
      window?.minimize();
      window?.blur();
    }, null);
    expect(await driver.launchAgain(options({ LIVE_DROP_SERVER_ENTRY: fixtureServer }))).toBe(0);
    const front = () =>
      app.main(({ BrowserWindow }) => {
        const [window] = BrowserWindow.getAllWindows();
        return {
          minimized: window?.isMinimized(),
          visible: window?.isVisible(),
          focused: window?.isFocused(),
        };
      }, null);
    await expect.poll(front, patient).toEqual({ minimized: false, visible: true, focused: true });
  });

  test('a killed server is back on the same port and the page comes back by itself', async () => {
    const first = await serverPid();
    await studio.getByText(`server ${first}`).waitFor();
    await studio.evaluate(() => {
      window.mark = 'same page';
      window.states = [];
      window.desktop?.onServerState(({ phase }) => window.states?.push(phase));
    });
    const killedAtMs = performance.now();
    process.kill(first, 'SIGKILL');
    await studio
      .getByText(/server \d+/)
      .filter({ hasNotText: `server ${first}` })
      .waitFor();
    console.log(`server killed to page back: ${Math.round(performance.now() - killedAtMs)} ms`);

    const second = await serverPid();
    expect(second).not.toBe(first);
    expect(await studio.evaluate(() => window.mark)).toBe('same page');
    await expect
      .poll(() => studio.evaluate(() => window.states))
      .toEqual(['restarting', 'starting', 'ready']);

    // A page that was being loaded while the server was gone is loaded again once it is there.
    process.kill(second, 'SIGKILL');
    await studio.evaluate(() => location.reload()).catch(() => undefined);
    await expect
      .poll(
        () => studio.evaluate(() => document.getElementById('link')?.textContent).catch(() => undefined),
        patient,
      )
      .toMatch(/^server \d+$/);
    expect(await studio.evaluate(() => window.mark)).toBeUndefined();
  });

  test('a crashed studio page is loaded again', async () => {
    await studio.evaluate(() => {
      window.mark = 'before the crash';
    });
    await app.main(({ BrowserWindow }) => {
      BrowserWindow.getAllWindows()[0]?.webContents.forcefullyCrashRenderer();
    }, null);
    const seen = () =>
      app.main(
        ({ BrowserWindow }) =>
          BrowserWindow.getAllWindows()[0]
            ?.webContents.executeJavaScript(
              '`${document.getElementById("link").textContent}, mark ${window.mark}`',
            )
            .catch(() => 'no page'),
        null,
      );
    await expect.poll(seen, patient).toMatch(/^server \d+, mark undefined$/);
    await expect.poll(() => app.pages().length, patient).toBe(1);
    studio = await app.page('http://127.0.0.1');
    expect(new URL(studio.url()).hash).toBe(`#key=${key}`);
  });

  test('closing the window while live asks first; otherwise it ends the app and leaves nothing behind', async () => {
    await app.main(({ dialog }) => {
      const asked: string[] = [];
      Reflect.set(globalThis, 'asked', asked);
      Object.assign(dialog, {
        showMessageBox: (_window: unknown, box: { message: string }) => {
          asked.push(box.message);
          return Promise.resolve({ response: 0, checkboxChecked: false });
        },
      });
    }, null);
    const close = () => app.main(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.close(), null);
    await studio.evaluate(() => window.desktop?.setLive(true));
    await close();
    const asked = () => app.main(() => Reflect.get(globalThis, 'asked') as unknown, null);
    await expect.poll(asked, patient).toEqual(['You are live.']);
    expect(studio.isClosed()).toBe(false);
    await studio.evaluate(() => window.desktop?.setLive(false));

    const server = await serverPid();
    await close();
    expect(await app.exited).toBe(0);
    expect(isAlive(server)).toBe(false);
    expect(app.output()).toContain('server: ready');
    expect(app.output()).not.toContain(key);
  });
});

describe(`desktop app whose server cannot start, in ${driver.name}`, slow, () => {
  afterAll(endApp);

  test('says why, tries again when told to, and quits when told to', async () => {
    const why = 'Another program uses port 4400. Close it or choose another port.';
    await launch({
      LIVE_DROP_SERVER_ENTRY: fixtureServer,
      FIXTURE_FAIL: why,
      FIXTURE_HOLD: `${elsewhereOrigin}/hold`,
    });
    // The server waits until there is somebody to answer the dialog: first "Try again", then "Quit".
    await app.main(({ dialog }) => {
      let asked = 0;
      Object.assign(dialog, {
        showMessageBox: () => Promise.resolve({ response: asked++, checkboxChecked: false }),
      });
    }, null);
    answerHold();
    expect(await app.exited).toBe(0);
    expect(app.output().split(`could not start (${why})`)).toHaveLength(3);
  });
});

describe(`desktop app for a server elsewhere, in ${driver.name}`, slow, () => {
  afterAll(endApp);

  test('opens its studio with the key from a file, starts no server of its own, and logs no key', async () => {
    userData = await mkdtemp(join(tmpdir(), 'ld-app-'));
    const keyFile = join(userData, 'copied.key');
    await writeFile(keyFile, `${'k'.repeat(32)}\n`);
    app = await driver.launch({
      args: [`--user-data-dir=${userData}`, `--server=${elsewhereOrigin}`, `--key-file=${keyFile}`],
      env: process.env,
    });
    const page = await app.page(elsewhereOrigin);
    expect(page.url()).toBe(`${elsewhereOrigin}/studio#key=${'k'.repeat(32)}`);
    expect(await page.evaluate(() => typeof window.desktop?.setLive)).toBe('function');
    const all = metrics.parse(await app.main((electron) => electron.app.getAppMetrics(), null));
    expect(all.filter(({ name }) => name === 'Live Drop Studio server')).toEqual([]);
    await app.main(({ app }) => app.quit(), null);
    expect(await app.exited).toBe(0);
    expect(app.output()).not.toContain('kkkk');
  });
});

describe(`desktop app with its bundled server, in ${driver.name}`, slow, () => {
  beforeAll(async () => {
    await launch({ LIVE_DROP_ANNOUNCED_ADDRESS: 'loopback', LIVE_DROP_EDGES: '1' });
    studio = await app.page('http://');
  });
  afterAll(endApp);

  test('shows the studio under a policy that runs no inline script', async () => {
    await studio.waitForFunction(() => document.getElementById('page')?.childElementCount !== 0);
    expect(await studio.title()).toContain('Studio');
    const injected = await studio.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.mark = "injected"';
      document.head.append(script);
      return window.mark;
    });
    expect(injected).toBeUndefined();
    expect(await studio.evaluate(() => typeof window.desktop?.setLive)).toBe('function');
  });

  test('comes back by itself when the server is killed, and quitting ends server and media workers', async () => {
    const first = await serverPid();
    await expect.poll(() => childrenOf(first), patient).toHaveLength(mediaWorkers);
    // Keys go from the page to the safe storage and to the server, and come back to nobody.
    const studioKey = (await readFile(join(userData, 'data', 'studio.key'), 'utf8')).trim();
    const knowsKey = async () => {
      const headers = { authorization: `Bearer ${studioKey}` };
      return (await fetch(new URL('/api/debug', studio.url()), { headers })).text();
    };
    await studio.evaluate(() => window.desktop?.setKeys({ stripeKey: 'sk_test_desktop123' }));
    await expect.poll(knowsKey, patient).toContain('"stripe":true');
    expect(await studio.evaluate(() => window.desktop?.keysSet())).toEqual({
      safe: true,
      names: ['stripeKey'],
    });
    const firstWorkers = await childrenOf(first);
    await studio.evaluate(() => {
      window.mark = 'same page';
    });
    const rejoined = new Promise<void>((resolve) => {
      studio.on('websocket', (socket) => socket.once('framereceived', () => resolve()));
    });
    const killedAtMs = performance.now();
    process.kill(first, 'SIGKILL');
    await rejoined;
    console.log(
      `bundled server killed to studio joined again: ${Math.round(performance.now() - killedAtMs)} ms`,
    );
    expect(await studio.evaluate(() => window.mark)).toBe('same page');
    await expect.poll(knowsKey, patient).toContain('"stripe":true');
    expect(
      [await knowsKey(), app.output(), await readFile(join(userData, 'keys'), 'latin1')].join(),
    ).not.toContain('sk_test_desktop123');
    await expect.poll(() => firstWorkers.filter(isAlive), patient).toEqual([]);

    const second = await serverPid();
    // The page joins as soon as the server listens; its media nodes come up a moment later.
    await expect.poll(() => childrenOf(second), patient).toHaveLength(mediaWorkers);
    const workers = await childrenOf(second);
    await app.main(({ app }) => app.quit(), null);
    expect(await app.exited).toBe(0);
    await expect.poll(() => [second, ...workers].filter(isAlive), patient).toEqual([]);
    expect(app.output()).not.toContain('key=');
  });
});
