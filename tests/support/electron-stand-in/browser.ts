// The stand-in's windows: BrowserWindow, webContents, the session's permission handlers and ipcMain over one Chromium.
// Every question Electron would ask is asked at its moment: navigations are held by Playwright's routing, new windows by the page
// script, permissions are set in Chromium by what the app's handlers answer, just before the page's own call goes through.
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  chromium,
  type BrowserContext,
  type CDPSession,
  type Frame,
  type Page,
  type Route,
} from 'playwright-core';
import * as z from 'zod/mini';
import { chromiumBin, quietArgs } from '../browser.ts';
import { bindings, pageScript } from './page-script.ts';

const chromiumArgs = [
  ...quietArgs,
  // Devices are fake, permissions are not: there is deliberately no --use-fake-ui-for-media-stream.
  '--use-fake-device-for-media-stream',
  '--remote-debugging-port=0',
];

type Host = EventEmitter & { lastWindowClosed(): void };
type IpcHandler = (
  event: { sender: WebContents; senderFrame: SenderFrame | null },
  ...args: unknown[]
) => unknown;
type SenderFrame = { url: string; parent: SenderFrame | null };
type RequestHandler = (
  contents: WebContents,
  permission: string,
  answer: (granted: boolean) => void,
  details: object,
) => void;
type DisplayHandler = (
  request: { frame: SenderFrame; securityOrigin: string; videoRequested: boolean; audioRequested: boolean },
  answer: (streams: { video?: { id: string } }) => void,
) => void;
type CheckHandler = (contents: WebContents, permission: string, origin: string, details: object) => boolean;

const permissionQuestion = z.object({
  kind: z.enum(['request', 'check']),
  permission: z.string(),
  mediaTypes: z.optional(z.array(z.enum(['audio', 'video']))),
});

/** Electron's permission names in Chromium's DevTools protocol (Browser.setPermission). */
const chromiumNames = (permission: string, mediaTypes: readonly string[] = []): readonly string[] => {
  if (permission !== 'media') return [permission];
  return mediaTypes.map((type) => (type === 'video' ? 'camera' : 'microphone'));
};

class Session {
  request: RequestHandler | undefined;
  check: CheckHandler | undefined;
  setPermissionRequestHandler(handler: RequestHandler): void {
    this.request = handler;
  }
  setPermissionCheckHandler(handler: CheckHandler): void {
    this.check = handler;
  }
  display: DisplayHandler | undefined;
  setDisplayMediaRequestHandler(handler: DisplayHandler): void {
    this.display = handler;
  }
  // Cannot be reached from a page in headless Chromium; kept so that the app may call it.
  setDevicePermissionHandler(): void {}
}

let current: Browser | undefined;

export class Browser {
  static readonly #handlers = new Map<string, IpcHandler>();
  static readonly ipcMain = {
    handle: (channel: string, handler: IpcHandler) => void Browser.#handlers.set(channel, handler),
    removeHandler: (channel: string) => void Browser.#handlers.delete(channel),
  };

  readonly session = new Session();
  readonly windows = new Set<BrowserWindow>();
  readonly debuggerUrl: string;
  readonly host: Host;
  readonly #context: BrowserContext;
  readonly #devtools: CDPSession;
  #blank: Page | undefined;

  static async launch(profile: string, host: Host): Promise<Browser> {
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: chromiumBin(),
      headless: false,
      args: chromiumArgs,
      viewport: null,
    });
    const [port] = readFileSync(join(profile, 'DevToolsActivePort'), 'utf8').split('\n');
    const blank = context.pages()[0] ?? (await context.newPage());
    const browser = new Browser(
      context,
      blank,
      await context.newCDPSession(blank),
      host,
      `http://127.0.0.1:${port}`,
    );
    await context.exposeBinding(bindings.invoke, ({ page, frame }, channel, args) =>
      browser.#invoke(page, frame, channel, args),
    );
    await context.exposeBinding(bindings.permission, ({ page, frame }, question) =>
      browser.#decide(page, frame, question),
    );
    await context.exposeBinding(bindings.display, ({ page, frame }, video) =>
      browser.#display(page, frame, video === true),
    );
    await context.exposeBinding(bindings.open, ({ page }, url) => {
      browser.windowOf(page)?.webContents.windowOpened(String(url));
    });
    await context.route('**/*', (route) => browser.#onRequest(route));
    current = browser;
    return browser;
  }

  static get current(): Browser {
    if (current === undefined) throw new Error('A window cannot be made before the app is ready.');
    return current;
  }

  private constructor(
    context: BrowserContext,
    blank: Page,
    devtools: CDPSession,
    host: Host,
    debuggerUrl: string,
  ) {
    this.#context = context;
    this.#blank = blank;
    this.#devtools = devtools;
    this.host = host;
    this.debuggerUrl = debuggerUrl;
  }

  async newPage(): Promise<Page> {
    const blank = this.#blank;
    this.#blank = undefined;
    return blank ?? this.#context.newPage();
  }

  windowOf(page: Page | null): BrowserWindow | undefined {
    return page === null ? undefined : [...this.windows].find((window) => window.webContents.page === page);
  }

  async close(): Promise<void> {
    await this.#context.close();
  }

  async #invoke(page: Page, frame: Frame, channel: unknown, args: unknown): Promise<unknown> {
    const sender = this.windowOf(page)?.webContents;
    const handler = Browser.#handlers.get(String(channel));
    if (sender === undefined || handler === undefined)
      throw new Error(`No handler registered for '${String(channel)}'`);
    return handler({ sender, senderFrame: senderFrame(frame) }, ...z.array(z.unknown()).parse(args));
  }

  async #decide(page: Page, frame: Frame, question: unknown): Promise<void> {
    const { kind, permission, mediaTypes } = permissionQuestion.parse(question);
    const contents = this.windowOf(page)?.webContents;
    const url = frame.url();
    const { origin } = new URL(url);
    const isMainFrame = frame.parentFrame() === null;
    for (const name of chromiumNames(permission, mediaTypes)) {
      const granted =
        contents !== undefined &&
        (kind === 'check'
          ? (this.session.check?.(contents, permission, origin, {
              isMainFrame,
              requestingUrl: url,
              securityOrigin: origin,
            }) ?? true)
          : await this.#ask(contents, permission, {
              isMainFrame,
              requestingUrl: url,
              securityOrigin: origin,
              mediaTypes,
            }));
      const setting = granted ? 'granted' : 'denied';
      await this.#devtools.send('Browser.setPermission', { permission: { name }, setting, origin });
    }
  }

  /** The id of what is granted; null: nothing is. */
  async #display(page: Page, frame: Frame, videoRequested: boolean): Promise<string | null> {
    const contents = this.windowOf(page)?.webContents;
    if (contents === undefined) return null;
    const { origin } = new URL(frame.url());
    const details = {
      isMainFrame: frame.parentFrame() === null,
      requestingUrl: frame.url(),
      securityOrigin: origin,
      mediaTypes: ['video'],
    };
    if (!(await this.#ask(contents, 'display-capture', details))) return null;
    const request = {
      frame: senderFrame(frame),
      securityOrigin: origin,
      videoRequested,
      audioRequested: false,
    };
    return new Promise((resolve) => {
      if (this.session.display === undefined) resolve(null);
      else this.session.display(request, ({ video }) => resolve(video?.id ?? null));
    });
  }

  #ask(contents: WebContents, permission: string, details: object): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.session.request === undefined) resolve(true);
      else this.session.request(contents, permission, resolve, details);
    });
  }

  async #onRequest(route: Route): Promise<void> {
    const request = route.request();
    if (!request.isNavigationRequest()) return route.continue();
    // A popup's first request comes before its page exists for us, or its page belongs to no window: it must not leave.
    const frame = await frameOf(request.frame.bind(request));
    const window = frame === undefined ? undefined : this.windowOf(frame.page());
    if (frame === undefined || window === undefined) return route.abort('aborted');
    const allowed = window.webContents.mayNavigate(frame, request.url());
    return allowed ? route.continue() : route.abort('aborted');
  }
}

const frameOf = async (read: () => Frame): Promise<Frame | undefined> => {
  try {
    return read();
  } catch {
    return undefined; // Playwright: the frame of a new page's first navigation is not available yet.
  }
};

const senderFrame = (frame: Frame): SenderFrame => {
  const parent = frame.parentFrame();
  return { url: frame.url(), parent: parent === null ? null : senderFrame(parent) };
};

/** This app's handler allows no window, and the type says that no other answer is understood. */
type OpenHandler = (details: { url: string }) => { action: 'deny' };

export class WebContents extends EventEmitter {
  page: Page | undefined;
  readonly #opened: Promise<Page>;
  readonly #window: BrowserWindow;
  readonly #preload: string | undefined;
  #openHandler: OpenHandler = () => ({ action: 'deny' });
  /** The address the app itself is loading: such a navigation is nobody's to refuse. */
  #loading: string | undefined;
  #crashedAt: string | undefined;
  #devtools: CDPSession | undefined;

  constructor(window: BrowserWindow, preload: string | undefined) {
    super();
    this.#window = window;
    this.#preload = preload === undefined ? undefined : readFileSync(preload, 'utf8');
    this.#opened = this.#open();
  }

  async #open(): Promise<Page> {
    const page = await Browser.current.newPage();
    this.page = page;
    await page.addInitScript({ content: pageScript(this.#preload) });
    this.#devtools = await page.context().newCDPSession(page);
    // What page-script.ts cannot hold back (a middle click) at least does not stay.
    page.on('popup', (popup) => void popup.close());
    page.on('crash', () => void this.#onCrash(page));
    page.on('domcontentloaded', () => {
      if (page.url() !== 'about:blank') this.#window.readyToShow();
    });
    page.on('requestfailed', (request) => {
      if (!request.isNavigationRequest() || request.frame() !== page.mainFrame()) return;
      const text = request.failure()?.errorText ?? '';
      this.emit('did-fail-load', {}, text === 'net::ERR_ABORTED' ? -3 : -102, text, request.url(), true);
    });
    return page;
  }

  /** A crashed page cannot be driven again: a new one takes its place in the window. */
  async #onCrash(page: Page): Promise<void> {
    const url = page.url();
    this.page = await this.#open();
    await page.close();
    this.#crashedAt = url;
    this.emit('render-process-gone', {}, { reason: 'crashed', exitCode: 1 });
  }

  windowOpened(url: string): void {
    this.#openHandler({ url });
  }

  forcefullyCrashRenderer(): void {
    // The answer never comes: the page that would give it is gone.
    this.#devtools?.send('Page.crash').catch(() => undefined);
  }

  async executeJavaScript(code: string): Promise<unknown> {
    return (await this.#opened, this.page)?.evaluate(code);
  }

  mayNavigate(frame: Frame, url: string): boolean {
    const isMainFrame = frame.parentFrame() === null;
    if (isMainFrame && this.#loading === withoutFragment(url)) {
      this.#loading = undefined;
      return true;
    }
    let allowed = true;
    const event = { url, isMainFrame, isSameDocument: false, preventDefault: () => void (allowed = false) };
    this.emit('will-frame-navigate', event);
    if (isMainFrame && allowed) this.emit('will-navigate', event, url);
    return allowed;
  }

  async loadURL(url: string): Promise<void> {
    const page = await this.#opened;
    this.#loading = withoutFragment(url);
    await (this.page ?? page).goto(url, { waitUntil: 'commit' });
  }

  reload(): void {
    const url = this.#crashedAt ?? this.getURL();
    this.#crashedAt = undefined;
    this.loadURL(url).catch((error: unknown) => process.stderr.write(`stand-in: ${String(error)}\n`));
  }

  getURL(): string {
    return this.page?.url() ?? '';
  }

  setWindowOpenHandler(handler: OpenHandler): void {
    this.#openHandler = handler;
  }

  send(channel: string, ...args: unknown[]): void {
    const page = this.page;
    if (page === undefined || page.isClosed()) return;
    page
      .evaluate(
        ([name, channel, args]) => {
          const deliver: unknown = Reflect.get(window, name);
          if (typeof deliver === 'function') deliver(channel, args);
        },
        [bindings.deliver, channel, args] as const,
      )
      // A page that is being replaced or closed hears nothing, as in Electron.
      .catch(() => undefined);
  }
}

const withoutFragment = (address: string): string => {
  const url = new URL(address);
  url.hash = '';
  return url.href;
};

type Options = { show?: boolean; webPreferences?: { preload?: string } };

export class BrowserWindow extends EventEmitter {
  readonly webContents: WebContents;
  readonly options: Options;
  #visible: boolean;
  #minimized = false;
  #focused = false;
  #destroyed = false;
  #shownOnce = false;

  static getAllWindows(): BrowserWindow[] {
    return [...Browser.current.windows];
  }

  constructor(options: Options = {}) {
    super();
    this.options = options;
    this.#visible = options.show ?? true;
    this.webContents = new WebContents(this, options.webPreferences?.preload);
    Browser.current.windows.add(this);
    Browser.current.host.emit('web-contents-created', {}, this.webContents);
  }

  loadURL(url: string): Promise<void> {
    return this.webContents.loadURL(url);
  }
  readyToShow(): void {
    if (this.#shownOnce) return;
    this.#shownOnce = true;
    this.emit('ready-to-show');
  }
  show(): void {
    this.#visible = true;
  }
  focus(): void {
    this.#focused = true;
    this.emit('focus');
  }
  blur(): void {
    this.#focused = false;
  }
  minimize(): void {
    this.#minimized = true;
    this.#focused = false;
  }
  restore(): void {
    this.#minimized = false;
  }
  isVisible(): boolean {
    return this.#visible && !this.#minimized;
  }
  isMinimized(): boolean {
    return this.#minimized;
  }
  isFocused(): boolean {
    return this.#focused;
  }
  isDestroyed(): boolean {
    return this.#destroyed;
  }

  close(): void {
    void this.closeForQuit();
  }

  /** True when it closed; false when the app held it open. */
  async closeForQuit(): Promise<boolean> {
    if (this.#destroyed) return true;
    let held = false;
    this.emit('close', { preventDefault: () => void (held = true) });
    if (held) return false;
    this.#destroyed = true;
    Browser.current.windows.delete(this);
    this.emit('closed');
    await this.webContents.page?.close();
    if (Browser.current.windows.size === 0) Browser.current.host.lastWindowClosed();
    return true;
  }
}
