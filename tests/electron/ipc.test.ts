// The shell's end of the desktop contract: who is heard, what is let in, what an error becomes.
import { expect, test } from 'vitest';
import { createDesktopApi, desktopReply, type DesktopHandlers } from '../../electron/desktop-api.ts';
import { createRecordings } from '../../electron/recordings.ts';
import { serveDesktop } from '../../electron/ipc.ts';
import { AppError } from '../../sfu-server/protocol/errors.ts';

type Frame = { url: string; parent: object | null } | null;
type Listener = (event: { senderFrame: Frame }, input: unknown) => unknown;

/** Nothing here comes as far as a disk. */
const recordings = createRecordings({
  defaultFolder: '/nowhere/at/all',
  noteFile: '/nowhere/at/all',
  askForFolder: () => Promise.resolve(undefined),
  show: () => Promise.resolve(),
});

const studio: Frame = { url: 'http://127.0.0.1:4400/studio#key=x', parent: null };

const serve = (
  handlers: Partial<DesktopHandlers> = {},
  origin: string | undefined = 'http://127.0.0.1:4400',
) => {
  const table = new Map<string, Listener>();
  const bugs: unknown[] = [];
  const live: boolean[] = [];
  const server = serveDesktop({
    ipcMain: {
      handle: (channel: string, listener: unknown) => {
        if (typeof listener === 'function') {
          table.set(channel, (event, input) => Reflect.apply(listener, undefined, [event, input]));
        }
      },
      removeHandler: (channel) => void table.delete(channel),
    },
    origin: () => origin,
    handlers: {
      setLive: (params) => {
        live.push(params.live);
        return {};
      },
      appInfo: () => ({ version: '1.2.3', electron: '45', platform: 'linux' }),
      setKeys: () => ({}),
      keysSet: () => ({ safe: true, names: [] }),
      setHotkeys: () => ({ taken: [] }),
      screens: () => ({ systemPicker: true, screens: [] }),
      chooseScreen: () => ({}),
      ...recordings.handlers,
      ...handlers,
    },
    logBug: (_message, error) => bugs.push(error),
  });
  const call = async (frame: Frame, channel: string, input: unknown) =>
    desktopReply.parse(await table.get(channel)?.({ senderFrame: frame }, input));
  return { server, table, bugs, live, call };
};

test('only the top frame of a studio page is heard', async () => {
  const { call, live } = serve();
  const strangers: Frame[] = [
    null,
    { url: 'http://127.0.0.1:4401/studio', parent: null },
    { url: 'https://127.0.0.1:4400/studio', parent: null },
    { url: 'http://127.0.0.1:4400/studio', parent: {} },
    { url: 'about:blank', parent: null },
    { url: '', parent: null },
  ];
  for (const frame of strangers) {
    expect(await call(frame, 'desktop:setLive', { live: true })).toMatchObject({
      ok: false,
      code: 'forbidden',
    });
  }
  expect(live).toEqual([]);
  expect(await call(studio, 'desktop:setLive', { live: true })).toEqual({ ok: true, value: {} });
  expect(live).toEqual([true]);
});

test('nobody is heard before the server has said its origin', async () => {
  const table = serve({}, undefined);
  expect(await table.call({ url: 'undefined', parent: null }, 'desktop:appInfo', {})).toMatchObject({
    code: 'forbidden',
  });
});

test('anything but the declared shape is refused before the handler', async () => {
  const { call, live } = serve();
  for (const input of [undefined, null, 'yes', 1, [], {}, { live: 'yes' }, { live: null }]) {
    expect(await call(studio, 'desktop:setLive', input)).toMatchObject({ ok: false, code: 'invalidParams' });
  }
  expect(live).toEqual([]);
});

test('an expected error keeps its sentence; a bug is logged and tells the page nothing', async () => {
  const bug = new Error('at line 7 of /secret/path');
  const { call, bugs } = serve({
    setLive: () => {
      throw new AppError('wrongPhase', 'The show has ended.');
    },
    appInfo: () => Promise.reject(bug),
  });
  expect(await call(studio, 'desktop:setLive', { live: true })).toEqual({
    ok: false,
    code: 'wrongPhase',
    text: 'The show has ended.',
  });
  const reply = await call(studio, 'desktop:appInfo', {});
  expect(reply).toMatchObject({ ok: false, code: 'internal' });
  expect(JSON.stringify(reply)).not.toContain('secret');
  expect(bugs).toEqual([bug]);
});

test('the page gets results, sentences and events, and close() ends the service', async () => {
  const { server, table, call } = serve();
  const listeners = new Map<string, (event: unknown, payload: unknown) => void>();
  const desktop = createDesktopApi({
    invoke: (channel, params) => call(studio, channel, params),
    on: (channel, listener) => listeners.set(channel, listener),
    off: (channel) => listeners.delete(channel),
  });
  expect(await desktop.appInfo()).toEqual({ version: '1.2.3', electron: '45', platform: 'linux' });
  const phases: string[] = [];
  const stop = desktop.onServerState(({ phase }) => phases.push(phase));
  listeners.get('desktop:serverState')?.({}, { phase: 'restarting', restarts: 1, text: 'Back soon.' });
  stop();
  expect(phases).toEqual(['restarting']);
  expect(listeners.size).toBe(0);
  server.close();
  expect(table.size).toBe(0);
});
