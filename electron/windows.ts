// The studio window and the fences around every page the shell shows: media permissions, navigation, new windows.
// The content security policy comes with the pages from the server. What the page may call is ipc.ts.
import { BrowserWindow, dialog, shell, type App, type Session, type WebContents } from 'electron';
import type { Screens } from './screens.ts';
import { desktopChannel, desktopEvents, type DesktopEvent, type DesktopPayload } from './desktop-api.ts';

/** The origin of the studio page; undefined until the server has said. */
export type StudioOrigin = () => string | undefined;

const isStudio = (url: string | undefined, origin: StudioOrigin): boolean =>
  url !== undefined && URL.canParse(url) && new URL(url).origin === origin();

/**
 * Beside media itself: choosing where it is heard, reaching the media nodes next door, and copying the links for guests
 * and fans. Reading the clipboard stays refused.
 */
const grantedBesideMedia: ReadonlySet<string> = new Set([
  'speaker-selection',
  'local-network-access',
  'local-network',
  'loopback-network',
  'clipboard-sanitized-write',
]);

/**
 * Camera, microphone, audio outputs, and the screen the director chose, for the studio's own top page. Everything else, and
 * everybody else: no.
 */
export const guardPermissions = (
  session: Session,
  origin: StudioOrigin,
  screens: Pick<Screens, 'mayCapture' | 'take' | 'systemPicker'>,
): void => {
  session.setPermissionRequestHandler((contents, permission, answer, details) => {
    const ours =
      details.isMainFrame && isStudio(details.requestingUrl, origin) && isStudio(contents.getURL(), origin);
    const media = permission === 'media' && 'mediaTypes' in details && (details.mediaTypes?.length ?? 0) > 0;
    const display = permission === 'display-capture' && screens.mayCapture();
    answer(ours && (media || display || grantedBesideMedia.has(permission)));
  });
  session.setPermissionCheckHandler(
    (_contents, permission, requestingOrigin, details) =>
      details.isMainFrame &&
      isStudio(requestingOrigin, origin) &&
      (permission === 'media' || grantedBesideMedia.has(permission)),
  );
  session.setDevicePermissionHandler(() => false);
  session.setDisplayMediaRequestHandler(
    ({ frame, videoRequested }, answer) => {
      const ours = frame !== null && frame.parent === null && isStudio(frame.url, origin);
      const video = ours && videoRequested ? screens.take() : undefined;
      answer(video === undefined ? {} : { video });
    },
    { useSystemPicker: screens.systemPicker },
  );
};

/**
 * No page leaves the studio's origin and none opens a window. Links to elsewhere open in the system's browser when they
 * are https, or lead to the studio's own server (the fan page, a co-host's link); other addresses go nowhere.
 */
export const guardNavigation = (options: {
  app: App;
  origin: StudioOrigin;
  /** Every origin the server is reached by: the fans' may be the local network's address or a domain. */
  serverOrigins: () => readonly string[];
  log: (line: string) => void;
}): void => {
  const { app, origin, log } = options;
  const mayOpenOutside = (url: URL) =>
    url.protocol === 'https:' || options.serverOrigins().includes(url.origin);
  const stay = (event: { url: string; preventDefault(): void }) => {
    if (isStudio(event.url, origin)) return;
    event.preventDefault();
    log(`window: refused to leave for ${originOrScheme(event.url)}`);
  };
  app.on('web-contents-created', (_event, contents) => {
    contents.on('will-navigate', stay);
    contents.on('will-redirect', stay);
    contents.on('will-frame-navigate', stay);
    contents.on('will-attach-webview', (event) => event.preventDefault());
    contents.setWindowOpenHandler(({ url }) => {
      if (URL.canParse(url) && mayOpenOutside(new URL(url))) {
        shell
          .openExternal(url)
          .catch((error: unknown) => log(`window: no browser took the link (${String(error)})`));
      } else {
        log(`window: refused to open ${originOrScheme(url)}`);
      }
      return { action: 'deny' };
    });
  });
};

/** For the log: never a path, a query or a fragment, which may hold keys. */
const originOrScheme = (url: string): string => {
  if (!URL.canParse(url)) return 'something that is no address';
  const { origin, protocol } = new URL(url);
  return origin === 'null' ? protocol : origin;
};

export type StudioWindowOptions = {
  preload: string;
  /** Asked when the window is about to close. */
  isLive: () => boolean;
  /** Another page took its place, or it crashed: what it had open is nobody's. */
  onPageGone: () => void;
  log: (line: string) => void;
};

const maxCrashReloads = 5;
const crashWindowMs = 60_000;
const retryLoadMs = 1_000;

/** The one window of the app. It may be closed and, on a second start of the app, shown again. */
export class StudioWindow {
  readonly #options: StudioWindowOptions;
  readonly #window: BrowserWindow;
  #url: string | undefined;
  /** The last load did not reach the server: the page cannot come back by itself. */
  #loadFailed = false;
  #retry: NodeJS.Timeout | undefined;
  #crashesMs: number[] = [];
  #closeConfirmed = false;

  constructor(options: StudioWindowOptions) {
    this.#options = options;
    this.#window = new BrowserWindow({
      title: 'Live Drop Studio',
      width: 1440,
      height: 900,
      minWidth: 1024,
      minHeight: 640,
      show: false,
      backgroundColor: '#0c0d10',
      webPreferences: {
        preload: options.preload,
        sandbox: true,
        contextIsolation: true,
        nodeIntegration: false,
        webviewTag: false,
        spellcheck: false,
        // The compositor, the meters and the monitor must go on in a covered window and start without a click.
        backgroundThrottling: false,
        autoplayPolicy: 'no-user-gesture-required',
      },
    });
    const contents = this.#window.webContents;
    this.#window.on('closed', () => clearTimeout(this.#retry));
    this.#window.once('ready-to-show', () => this.#window.show());
    this.#window.on('close', (event) => this.#onClose(event));
    contents.on('did-fail-load', (_event, code, text, _url, isMainFrame) => {
      // -3 is ERR_ABORTED: the navigation lock, not a failure.
      if (!isMainFrame || code === -3) return;
      this.#loadFailed = true;
      options.log(`window: the studio page did not load (${text})`);
      // The server may have come up in the very moment the load failed: nobody would call show() again.
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#url !== undefined && this.show(this.#url), retryLoadMs);
    });
    // A page that would rather stay must not block a close the director has already confirmed.
    contents.on('will-prevent-unload', (event) => event.preventDefault());
    // Not when a navigation begins: most are refused, and the page stays.
    contents.on('did-navigate', () => options.onPageGone());
    contents.on('render-process-gone', (_event, { reason }) => {
      options.onPageGone();
      this.#onCrash(contents, reason);
    });
  }

  /** Shows the studio page. A page that is up and only lost its server is left alone: it reconnects by itself. */
  show(studioUrl: string): void {
    if (this.#window.isDestroyed() || (this.#url === studioUrl && !this.#loadFailed)) return;
    this.#url = studioUrl;
    this.#loadFailed = false;
    // A failure is also reported by did-fail-load, which decides what happens next.
    this.#window.loadURL(studioUrl).catch(() => undefined);
  }

  focus(): void {
    if (this.#window.isDestroyed()) return;
    if (this.#window.isMinimized()) this.#window.restore();
    this.#window.show();
    this.#window.focus();
  }

  send<N extends DesktopEvent>(name: N, payload: DesktopPayload<N>): void {
    if (this.#window.isDestroyed()) return;
    this.#window.webContents.send(desktopChannel(name), desktopEvents[name].parse(payload));
  }

  close(): void {
    this.#closeConfirmed = true;
    if (!this.#window.isDestroyed()) this.#window.close();
  }

  snapshot() {
    const open = !this.#window.isDestroyed();
    return { open, visible: open && this.#window.isVisible(), crashes: this.#crashesMs.length };
  }

  #onClose(event: { preventDefault(): void }): void {
    if (this.#closeConfirmed || !this.#options.isLive()) return;
    event.preventDefault();
    const ask = async () => {
      const { response } = await dialog.showMessageBox(this.#window, {
        type: 'warning',
        message: 'You are live.',
        detail:
          'Closing the studio stops the server: fans lose the picture and the shop. End the show first.',
        buttons: ['Stay live', 'Close anyway'],
        defaultId: 0,
        cancelId: 0,
      });
      if (response === 1) this.close();
    };
    ask().catch((error: unknown) =>
      this.#options.log(`window: could not ask before closing (${String(error)})`),
    );
  }

  /** A crashed studio is back in a moment and offers to resume; one that crashes over and over is left for the director. */
  #onCrash(contents: WebContents, reason: string): void {
    this.#options.log(`window: the studio page crashed (${reason})`);
    if (reason === 'clean-exit' || this.#window.isDestroyed()) return;
    const nowMs = performance.now();
    this.#crashesMs = [...this.#crashesMs.filter((atMs) => nowMs - atMs < crashWindowMs), nowMs];
    if (this.#crashesMs.length <= maxCrashReloads) contents.reload();
  }
}
