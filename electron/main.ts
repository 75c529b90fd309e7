// The desktop app, wired: one window, one bundled server, one bridge between them. Every part has its own file.
import { join } from 'node:path';
import {
  app,
  desktopCapturer,
  dialog,
  globalShortcut,
  ipcMain,
  Menu,
  powerSaveBlocker,
  safeStorage,
  session,
  shell,
  utilityProcess,
} from 'electron';
import { AppError } from '../sfu-server/protocol/errors.ts';
import { flagsGiven } from '../sfu-server/protocol/flags.ts';
import type { Secrets } from '../sfu-server/protocol/secrets.ts';
import { addressLines } from './address-lines.ts';
import { createHotkeys } from './hotkeys.ts';
import { serveDesktop } from './ipc.ts';
import { RemoteServer } from './remote-server.ts';
import { createKeyring } from './keyring.ts';
import { createRecordings } from './recordings.ts';
import { createScreens } from './screens.ts';
import { ServerProcess, type ServerAddresses, type ServerState } from './server-process.ts';
import { guardNavigation, guardPermissions, StudioWindow } from './windows.ts';

const log = (line: string) => process.stderr.write(`${line}\n`);

if (app.requestSingleInstanceLock()) {
  run().catch((error: unknown) => {
    log(`app: could not start (${error instanceof Error ? (error.stack ?? error.message) : String(error)})`);
    app.exit(1);
  });
} else {
  // The app that is already open comes to the front: see 'second-instance'.
  app.exit(0);
}

async function run(): Promise<void> {
  const elsewhere = switchValue('server');
  const server =
    elsewhere === undefined
      ? new ServerProcess({ fork: forkServer, args: serverArgs(), log, onState: onServerState })
      : new RemoteServer({ server: elsewhere, keyFile: switchValue('key-file'), onState: onServerState });
  const origin = () => server.addresses && new URL(server.addresses.studioUrl).origin;
  const serverOrigins = () => Object.values(server.addresses ?? {}).map((url) => new URL(url).origin);
  const live = keepAwakeWhileLive();
  const keyring = createKeyring({
    safeStorage,
    file: join(app.getPath('userData'), 'keys'),
    changed: handKeys,
    log,
  });
  const hotkeys = createHotkeys({ globalShortcut, onPress: (id) => studio?.send('hotkey', { id }) });
  const recordings = createRecordings({
    defaultFolder: join(app.getPath('videos'), 'Live Drop Studio'),
    noteFile: join(app.getPath('userData'), 'recording-folder.json'),
    askForFolder: async (now) => {
      const { canceled, filePaths } = await dialog.showOpenDialog({
        title: 'Recordings go to',
        defaultPath: now,
        properties: ['openDirectory', 'createDirectory'],
      });
      return canceled ? undefined : filePaths[0];
    },
    show: async (folder, file) => {
      if (file !== undefined) return shell.showItemInFolder(file);
      const trouble = await shell.openPath(folder);
      if (trouble !== '') throw new AppError('notFound', 'The recording folder cannot be opened.');
    },
  });
  const screens = createScreens({
    desktopCapturer,
    systemPicker: process.platform === 'darwin' && Number.parseInt(process.getSystemVersion(), 10) >= 15,
    nowMs: () => performance.now(),
  });
  let studio: StudioWindow | undefined;
  let printed = '';

  guardNavigation({ app, origin, serverOrigins, log });
  const desktop = serveDesktop({
    ipcMain,
    origin,
    handlers: {
      setLive: (params) => {
        live.set(params.live);
        return {};
      },
      appInfo: () => ({
        version: app.getVersion(),
        electron: process.versions.electron ?? '',
        platform: process.platform,
      }),
      setKeys: (params) => {
        keyring.change(params);
        return {};
      },
      keysSet: () => ({ safe: keyring.isSafe(), names: keyring.names() }),
      setHotkeys: (params) => ({ taken: hotkeys.set(params.hotkeys) }),
      ...screens.handlers,
      ...recordings.handlers,
    },
    logBug: (message, error) => log(`${message} ${error instanceof Error ? error.stack : String(error)}`),
  });
  app.on('second-instance', () => studio?.focus());
  app.on('window-all-closed', () => app.quit());
  app.on('will-quit', (event) => {
    if (server.state.phase === 'stopped') return;
    // Electron does not wait for promises here: hold the quit, stop the server, quit again.
    event.preventDefault();
    desktop.close();
    hotkeys.close();
    screens.close();
    live.set(false);
    server.close().then(
      () => app.quit(),
      (error: unknown) => {
        log(`app: the server did not stop (${String(error)})`);
        app.exit(1);
      },
    );
  });

  await app.whenReady();
  Menu.setApplicationMenu(menu());
  guardPermissions(session.defaultSession, origin, screens);
  studio = new StudioWindow({
    preload: join(import.meta.dirname, 'preload.cjs'),
    isLive: live.get,
    onPageGone: () => void recordings.closeFiles(),
    log,
  });
  server.start();

  /** Only to the bundled server: one elsewhere has keys of its own. */
  function handKeys(keys: Secrets): void {
    if (server instanceof ServerProcess) server.send({ type: 'secrets', secrets: keys });
  }

  function onServerState(state: ServerState): void {
    if (state.phase === 'ready') {
      studio?.show(state.addresses.studioUrl);
      printAddresses(state.addresses);
      handKeys(keyring.keys());
    }
    if (state.phase === 'restarting' || state.phase === 'failed') logState(`server ${state.phase}`);
    if (state.phase === 'failed') {
      askAfterFailure(state.reason).catch((error: unknown) => {
        log(`app: could not ask what to do (${String(error)})`);
        app.exit(1);
      });
    }
    if (state.phase === 'stopping') return;
    studio?.send('serverState', { phase: state.phase, restarts: server.restarts, text: sentence(state) });
  }

  /** How every part stood, for whoever reads the log afterwards. */
  function logState(when: string): void {
    const parts = { server, recordings, screens, ...(studio && { studio }) };
    const stood = Object.entries(parts).map(([name, part]) => [name, part.snapshot()]);
    log(`app: ${when}: ${JSON.stringify(Object.fromEntries(stood))}`);
  }

  /** Once, and again only when a server came back under another address. */
  function printAddresses(addresses: ServerAddresses): void {
    const lines = addressLines(addresses, process.stdout.isTTY ? 'term' : 'ascii');
    if (lines !== printed) process.stdout.write(`${lines}\n`);
    printed = lines;
  }

  async function askAfterFailure(reason: string): Promise<void> {
    const { response } = await dialog.showMessageBox({
      type: 'error',
      message: elsewhere === undefined ? 'The studio server did not start.' : 'The server cannot be used.',
      detail: reason,
      buttons: ['Try again', 'Quit'],
    });
    if (response === 0) server.start();
    else app.quit();
  }
}

/** Sound and picture die when the machine sleeps, so while live it must not. */
function keepAwakeWhileLive() {
  let blocker: number | undefined;
  return {
    get: () => blocker !== undefined,
    set: (live: boolean) => {
      if (live && blocker === undefined) {
        blocker = powerSaveBlocker.start('prevent-display-sleep');
      } else if (!live && blocker !== undefined) {
        powerSaveBlocker.stop(blocker);
        blocker = undefined;
      }
    },
  };
}

function sentence(state: ServerState): string {
  switch (state.phase) {
    case 'ready':
      return 'The server is running.';
    case 'restarting':
      return 'The server stopped and is being started again. The show goes on by itself.';
    case 'failed':
      return `The server did not start. ${state.reason}`;
    case 'starting':
      return 'The server is starting.';
    case 'stopped':
    case 'stopping':
      return 'The server has stopped.';
  }
}

/** The bundled server beside this file, told where to find what cannot live in the asar: worker, pages, clip. */
function forkServer(args: readonly string[]) {
  const built = import.meta.dirname;
  const env = app.isPackaged
    ? { ...process.env, ...serverFiles(process.resourcesPath, process.resourcesPath) }
    : { ...serverFiles(join(app.getAppPath(), 'dist'), app.getAppPath()), ...process.env };
  const elsewhere = app.isPackaged ? undefined : process.env.LIVE_DROP_SERVER_ENTRY;
  return utilityProcess.fork(elsewhere ?? join(built, 'server.mjs'), [...args], {
    serviceName: 'Live Drop Studio server',
    stdio: 'pipe',
    env,
  });
}

/** `resources` of a package holds all three; in a working copy the worker is given by the environment. */
function serverFiles(pagesIn: string, assetsIn: string) {
  const files = { LIVE_DROP_PAGES: join(pagesIn, 'renderer'), LIVE_DROP_ASSETS: join(assetsIn, 'assets') };
  if (!app.isPackaged) return files;
  const worker = process.platform === 'win32' ? 'mediasoup-worker.exe' : 'mediasoup-worker';
  return { ...files, MEDIASOUP_WORKER_BIN: join(process.resourcesPath, worker) };
}

/** `--server=https://…` with `--key-file=…`: the studio of a server that runs elsewhere, instead of the bundled one. */
function switchValue(name: string): string | undefined {
  return app.commandLine.hasSwitch(name) ? app.commandLine.getSwitchValue(name) : undefined;
}

/** Every flag of the server given to the app is handed on; the last of a name wins. */
function serverArgs(): string[] {
  return [`--data=${join(app.getPath('userData'), 'data')}`, ...flagsGiven(switchValue)];
}

/** No "Reload" and no "Close" by accident in the middle of a show; developers get their tools. */
function menu(): Menu {
  return Menu.buildFromTemplate([
    ...(process.platform === 'darwin' ? [{ role: 'appMenu' as const }] : []),
    { role: 'editMenu' },
    {
      label: 'View',
      submenu: [
        { role: 'togglefullscreen' },
        ...(app.isPackaged ? [] : [{ role: 'toggleDevTools' as const }]),
      ],
    },
  ]);
}
