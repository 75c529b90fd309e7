// The desktop app end to end: built main process and preload, a real server process, a real Chromium page.
// Runs in Electron where its binary is installed, else in the stand-in; the suite's title says which.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
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
let app: DesktopApp | undefined;
let elsewhere: Server;
let elsewhereOrigin: string;
let elsewhereHits = 0;

const options = (env: NodeJS.ProcessEnv = {}): LaunchOptions => ({
  args: [`--user-data-dir=${userData}`],
  env: { ...process.env, LIVE_DROP_SERVER_ENTRY: fixtureServer, ...env },
});

const launch = async (env?: NodeJS.ProcessEnv): Promise<{ app: DesktopApp; studio: Page }> => {
  userData = await mkdtemp(join(tmpdir(), 'ld-app-'));
  app = await driver.launch(options(env));
  return { app, studio: await app.page('http://127.0.0.1') };
};

const metrics = z.array(z.object({ pid: z.number(), type: z.string(), name: z.optional(z.string()) }));
const serverPid = async (running: DesktopApp): Promise<number> => {
  const all = metrics.parse(await running.main((electron) => electron.app.getAppMetrics(), null));
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

const awake = (running: DesktopApp) =>
  running.main(({ powerSaveBlocker }) => [0, 1, 2, 3, 4].some((id) => powerSaveBlocker.isStarted(id)), null);

beforeAll(async () => {
  await buildDesktop();
  elsewhere = createServer((_request, response) => {
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
afterEach(async () => {
  await app?.dispose();
  app = undefined;
  await rm(userData, { recursive: true, force: true });
});

describe(`desktop app in ${driver.name}`, () => {
  test('opens the studio with its key in the fragment, awake while live, and quits leaving nothing behind', async () => {
    const { app, studio } = await launch();
    await studio.getByText('server').waitFor();
    expect(new URL(studio.url()).hash).toBe(`#key=${key}`);

    expect(await studio.evaluate(() => window.desktop?.appInfo())).toMatchObject({
      version: '0.1.0',
      platform: process.platform,
    });
    expect(await studio.evaluate(() => Object.keys(window.desktop ?? {}).sort())).toEqual([
      'appInfo',
      'onServerState',
      'setLive',
    ]);
    expect(await studio.evaluate(() => typeof Reflect.get(globalThis, 'require'))).toBe('undefined');

    expect(await awake(app)).toBe(false);
    await studio.evaluate(() => window.desktop?.setLive(true));
    await studio.evaluate(() => window.desktop?.setLive(true));
    expect(await awake(app)).toBe(true);
    await studio.evaluate(() => window.desktop?.setLive(false));
    expect(await awake(app)).toBe(false);
    const refused = studio.evaluate(async (): Promise<unknown> => {
      const setLive: unknown = Reflect.get(window.desktop ?? {}, 'setLive');
      return typeof setLive === 'function' ? Reflect.apply(setLive, undefined, ['yes']) : 'missing';
    });
    await expect(refused).rejects.toThrow('The desktop request setLive got something it cannot read.');

    const server = await serverPid(app);
    await app.main(({ app }) => app.quit(), null).catch(() => undefined);
    expect(await app.exited).toBe(0);
    expect(isAlive(server)).toBe(false);
    expect(app.output()).toContain('server: ready');
    expect(app.output()).not.toContain(key);
  });

  test('grants camera and microphone to the studio page, and nothing else to anybody', async () => {
    const { app, studio } = await launch();
    const useMedia = (page: Page) =>
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

    // A foreign page in the same session, and the same page as a frame that the studio would have let use the camera.
    await app.main(
      ({ BrowserWindow }, url) => new BrowserWindow({ show: false }).loadURL(url),
      elsewhereOrigin,
    );
    expect(await useMedia(await app.page(elsewhereOrigin))).toBe('NotAllowedError');
  });

  test('stays on its own origin; links open in the system browser only when they are safe', async () => {
    const { app, studio } = await launch();
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

    const refused = studio.waitForEvent('requestfailed', (request) => request.isNavigationRequest());
    await studio.evaluate((url) => void (location.href = url), `${elsewhereOrigin}/steal`);
    await refused;
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
    await expect.poll(() => app.pages().length).toBe(1);
    expect(await app.main(({ BrowserWindow }) => BrowserWindow.getAllWindows().length, null)).toBe(1);
    expect(elsewhereHits).toBe(hitsBefore);
    expect(studio.url()).toBe(address);
  });

  test('a second start brings the first to the front and ends', async () => {
    const { app } = await launch();
    await app.main(({ BrowserWindow }) => {
      const [window] = BrowserWindow.getAllWindows();
      window?.minimize();
      window?.blur();
    }, null);
    expect(await driver.launchAgain(options())).toBe(0);
    const front = () =>
      app.main(({ BrowserWindow }) => {
        const [window] = BrowserWindow.getAllWindows();
        return {
          minimized: window?.isMinimized(),
          visible: window?.isVisible(),
          focused: window?.isFocused(),
        };
      }, null);
    await expect.poll(front).toEqual({ minimized: false, visible: true, focused: true });
  });

  test('a killed server is back on the same port and the page comes back by itself', async () => {
    const { app, studio } = await launch();
    const first = await serverPid(app);
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

    const second = await serverPid(app);
    expect(second).not.toBe(first);
    expect(await studio.evaluate(() => window.mark)).toBe('same page');
    await expect
      .poll(() => studio.evaluate(() => window.states))
      .toEqual(['restarting', 'starting', 'ready']);

    // A page that was being loaded while the server was gone is loaded again once it is there.
    process.kill(second, 'SIGKILL');
    await studio.evaluate(() => location.reload()).catch(() => undefined);
    await expect
      .poll(() => studio.evaluate(() => document.getElementById('link')?.textContent).catch(() => undefined))
      .toMatch(/^server \d+$/);
    expect(await studio.evaluate(() => window.mark)).toBeUndefined();
  });

  test('closing the window while live asks first; closing it otherwise ends the app', async () => {
    const { app, studio } = await launch();
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
    await expect
      .poll(() => app.main(() => Reflect.get(globalThis, 'asked') as unknown, null))
      .toEqual(['You are live.']);
    expect(studio.isClosed()).toBe(false);
    await studio.evaluate(() => window.desktop?.setLive(false));
    await close().catch(() => undefined);
    expect(await app.exited).toBe(0);
  });
});
