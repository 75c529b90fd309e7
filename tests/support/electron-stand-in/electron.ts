// The stand-in for the `electron` module where Electron's binary cannot be had: the parts of its main-process API this app
// uses, over a real Chromium driven by playwright-core and real child processes. It decides nothing by itself: handlers and
// listeners the app registers are asked at the moments Electron would ask them, and Chromium carries the answers out.
// Differences that no test here can see: world isolation of the preload, fuses, the asar, native menus and dialogs.
import { fork, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod/mini';
import { Browser } from './browser.ts';

export { BrowserWindow } from './browser.ts';

const mainScript = process.argv[1] ?? '';
const switches = new Map(
  process.argv.slice(2).flatMap((argument) => {
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(argument);
    return match?.[1] === undefined ? [] : [[match[1], match[2] ?? ''] as const];
  }),
);

const findPackage = (folder: string): string =>
  existsSync(join(folder, 'package.json')) || dirname(folder) === folder
    ? folder
    : findPackage(dirname(folder));
const appPath = findPackage(dirname(mainScript));
const packageJson = z.object({ version: z.string() });

const userData = switches.get('user-data-dir') ?? join(tmpdir(), 'electron-stand-in');

class App extends EventEmitter {
  readonly isPackaged = false;
  readonly commandLine = {
    hasSwitch: (name: string) => switches.has(name),
    getSwitchValue: (name: string) => switches.get(name) ?? '',
  };
  readonly #ready: Promise<void>;
  #browser: Browser | undefined;
  #exiting = false;
  #quitting = false;
  #releaseLock = () => {};
  /** Work a quick `exit` must not cut off: telling the first instance about this one. */
  #pending: Promise<unknown> = Promise.resolve();

  constructor() {
    super();
    // Electron becomes ready after the main script ran, and not at all when that script ends the app.
    this.#ready = new Promise((resolve, reject) => {
      setImmediate(() => {
        if (this.#exiting) return;
        this.#start().then(resolve, reject);
      });
    });
  }

  async #start(): Promise<void> {
    this.#browser = await Browser.launch(join(userData, 'chromium'), this);
    process.send?.({ debugger: this.#browser.debuggerUrl });
    this.emit('ready');
  }

  whenReady(): Promise<void> {
    return this.#ready;
  }

  get browser(): Browser {
    if (this.#browser === undefined) throw new Error('This cannot be used before the app is ready.');
    return this.#browser;
  }

  getVersion(): string {
    return packageJson.parse(JSON.parse(readFileSync(join(appPath, 'package.json'), 'utf8'))).version;
  }

  getAppPath(): string {
    return appPath;
  }

  getPath(name: string): string {
    if (name === 'userData') return userData;
    if (name === 'videos') return join(userData, 'Videos');
    throw new Error(`The stand-in does not know the path ${name}.`);
  }

  getAppMetrics() {
    return [
      { pid: process.pid, type: 'Browser', name: 'app' },
      ...[...utilities].map(({ pid, serviceName }) => ({ pid, type: 'Utility', name: serviceName })),
    ];
  }

  requestSingleInstanceLock(): boolean {
    mkdirSync(userData, { recursive: true });
    const lock = join(userData, 'instance.pid');
    const socket = join(userData, 'instance.sock');
    if (existsSync(lock) && isAlive(Number(readFileSync(lock, 'utf8')))) {
      this.#pending = new Promise<void>((resolve) => {
        const told = connect(socket, () => told.end(JSON.stringify(process.argv)));
        told.on('close', () => resolve());
        told.on('error', () => resolve());
      });
      return false;
    }
    rmSync(lock, { force: true });
    rmSync(socket, { force: true });
    const file = openSync(lock, 'wx');
    writeSync(file, String(process.pid));
    closeSync(file);
    const door = createServer((second) => {
      let text = '';
      second.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      second.on('end', () => this.emit('second-instance', {}, JSON.parse(text), '', null));
    });
    door.listen(socket).unref();
    this.#releaseLock = () => {
      door.close();
      rmSync(lock, { force: true });
    };
    return true;
  }

  quit(): void {
    if (this.#exiting) return;
    let held = false;
    const event = { preventDefault: () => void (held = true) };
    this.emit('before-quit', event);
    if (held) return;
    this.#quitting = true;
    const closeAll = async () => {
      for (const window of this.#browser?.windows ?? []) {
        if (!(await window.closeForQuit())) {
          this.#quitting = false;
          return;
        }
      }
      this.emit('will-quit', event);
      if (!held) this.exit(0);
    };
    void closeAll();
  }

  /** Called by the browser when its last window has gone. */
  lastWindowClosed(): void {
    if (!this.#quitting && !this.#exiting) this.emit('window-all-closed');
  }

  exit(code = 0): void {
    if (this.#exiting) return;
    this.#exiting = true;
    this.emit('quit', {}, code);
    const end = async () => {
      await this.#pending;
      await this.#browser?.close();
      for (const utility of utilities) utility.kill();
      this.#releaseLock();
      process.exit(code);
    };
    void end();
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // ESRCH: no such process, so the lock is a leftover.
  }
};

export const app = new App();
process.on('SIGTERM', () => app.quit());
process.on('SIGINT', () => app.quit());

export const session = {
  get defaultSession() {
    return app.browser.session;
  },
};

export const ipcMain = Browser.ipcMain;

class UtilityProcess extends EventEmitter {
  readonly serviceName: string;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, serviceName: string) {
    super();
    this.#child = child;
    this.serviceName = serviceName;
    child.on('spawn', () => this.emit('spawn'));
    child.on('message', (message) => this.emit('message', message));
    child.on('exit', (code) => {
      utilities.delete(this);
      this.emit('exit', code ?? 1);
    });
  }

  get pid() {
    return this.#child.pid;
  }
  get stdout() {
    return this.#child.stdout;
  }
  get stderr() {
    return this.#child.stderr;
  }
  postMessage(message: object): void {
    if (this.#child.connected) this.#child.send(message);
  }
  kill(): boolean {
    return this.#child.kill('SIGTERM');
  }
}
const utilities = new Set<UtilityProcess>();

export const utilityProcess = {
  fork: (
    modulePath: string,
    args: readonly string[] = [],
    options: { env?: NodeJS.ProcessEnv; serviceName?: string } = {},
  ) => {
    const child = fork(modulePath, args, {
      env: options.env ?? process.env,
      execArgv: ['--import', fileURLToPath(new URL('./utility-bootstrap.ts', import.meta.url))],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const utility = new UtilityProcess(child, options.serviceName ?? '');
    utilities.add(utility);
    return utility;
  },
};

const blockers = new Map<number, string>();
let lastBlocker = 0;
/** The system's keys; none of them is ever pressed here. */
export const globalShortcut = {
  register: (_accelerator: string, _pressed: () => void): boolean => true,
  unregister: (_accelerator: string): void => {},
};

/** There is no screen here; tests put their own. */
export const desktopCapturer = { getSources: (): Promise<object[]> => Promise.resolve([]) };

export const powerSaveBlocker = {
  start: (type: string): number => {
    lastBlocker += 1;
    blockers.set(lastBlocker, type);
    return lastBlocker;
  },
  stop: (id: number): boolean => blockers.delete(id),
  isStarted: (id: number): boolean => blockers.has(id),
};

// Tests put their own function here, as they do on the real module.
/** This is no encryption, but enough to see that nobody writes or sends a key as it is. */
export const safeStorage = {
  isEncryptionAvailable: () => true,
  getSelectedStorageBackend: () => 'gnome_libsecret',
  encryptString: (text: string) => Buffer.from(Buffer.from(text).toString('base64')),
  decryptString: (encrypted: Buffer) => Buffer.from(encrypted.toString(), 'base64').toString(),
};

export const shell = {
  openExternal: (url: string): Promise<void> => Promise.reject(new Error(`No browser to open ${url}`)),
  openPath: (): Promise<string> => Promise.resolve('No display for a folder'),
  showItemInFolder: (): void => {},
};
export const dialog = {
  showMessageBox: (): Promise<{ response: number }> => Promise.reject(new Error('No display for a dialog')),
  showOpenDialog: (): Promise<{ canceled: boolean; filePaths: string[] }> =>
    Promise.reject(new Error('No display for a dialog')),
};

export const Menu = {
  buildFromTemplate: (template: readonly object[]) => ({ template }),
  setApplicationMenu: () => {},
};
