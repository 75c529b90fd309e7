// A PulseAudio daemon of a test's own, with virtual microphones that are plugged in and pulled out as the system's own are.
// What a browser makes of that is the test's. The daemon is nobody else's sound system, and ends with the test's process.

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

/** A microphone in the system's list, sounding on one tone at half of full scale, both sides alike. */
export interface VirtualMicrophone {
  /** What tells it from others, also when it is plugged in again: letters, digits and `_`. */
  readonly name: string;
  /** What the director reads; those of one make share it. */
  readonly make: string;
  readonly toneHz: number;
}

export interface SoundSystem {
  /** For the process that is to have these microphones. */
  readonly env: { readonly PULSE_SERVER: string };
  /** It is listed when this resolves. */
  plug(microphone: VirtualMicrophone): Promise<void>;
  /** As the plug is pulled: whoever records from it is moved to another microphone by PulseAudio, if there is one. */
  unplug(name: string): Promise<void>;
  close(): Promise<void>;
}

const run = promisify(execFile);

/** Without microphones. Rejects with the daemon's words when it does not start. */
export async function startSoundSystem(): Promise<SoundSystem> {
  const dir = await mkdtemp(join(tmpdir(), 'ld-sound-'));
  const socket = join(dir, 'native');
  // Settings and keys of the user's own PulseAudio stay out of it; its words are read below.
  const own = { HOME: dir, XDG_CONFIG_HOME: dir, XDG_RUNTIME_DIR: dir, PULSE_RUNTIME_PATH: dir, LC_ALL: 'C' };
  const settings = '-n --daemonize=no --system=false --use-pid-file=no --disable-shm=yes --exit-idle-time=-1';
  const daemon = spawn(
    'pulseaudio',
    [
      ...settings.split(' '),
      '--log-target=stderr',
      '--log-level=info',
      `--load=module-native-protocol-unix socket=${socket} auth-anonymous=1`,
      // It ends when its input does, which it does with this process at the latest.
      '--load=module-cli exit_on_eof=1',
    ],
    { env: { ...process.env, ...own }, stdio: ['pipe', 'ignore', 'pipe'] },
  );
  const ended = new Promise<void>((resolve) => void daemon.once('close', () => resolve()));
  const words: string[] = [];
  const ready = new Promise<void>((resolve, reject) => {
    daemon.once('error', (error) =>
      reject(new Error('PulseAudio cannot be run; `npm test` installs it.', { cause: error })),
    );
    daemon.once('close', () => reject(new Error(`PulseAudio ended:\n${words.slice(-10).join('\n')}`)));
    createInterface({ input: daemon.stderr }).on('line', (line) => {
      words.push(line);
      if (line.includes('Daemon startup complete')) resolve();
    });
  });
  const close = async () => {
    daemon.stdin.end();
    await ended;
    await rm(dir, { recursive: true, force: true });
  };

  const env = { PULSE_SERVER: `unix:${socket}` };
  /** `load-module` answers the module's number, by which `unload-module` knows it. */
  const pactl = async (...args: string[]): Promise<string> => {
    const { stdout } = await run('pactl', args, { env: { ...process.env, ...own, ...env } });
    return stdout.trim();
  };

  /** A tone that nobody sees in the list: it sounds in a room, of which a microphone is the way out. */
  const rooms = new Set<string>();
  const roomOf = async ({ name, toneHz }: VirtualMicrophone): Promise<string> => {
    const room = `room_${name}`;
    if (rooms.has(room)) return room;
    rooms.add(room);
    await pactl('load-module', 'module-null-sink', `sink_name=${room}`, 'rate=48000', 'format=float32le');
    await pactl('load-module', 'module-sine', `sink=${room}`, `frequency=${toneHz}`);
    return room;
  };
  const plugged = new Map<string, string>();

  try {
    await ready;
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
  return {
    env,
    async plug(microphone) {
      const { name, make } = microphone;
      const room = await roomOf(microphone);
      const module = await pactl(
        'load-module',
        'module-remap-source',
        `master=${room}.monitor`,
        `source_name=${name}`,
        `source_properties=device.description="${make.replaceAll(' ', '\\ ')}"`,
      );
      plugged.set(name, module);
    },
    async unplug(name) {
      const module = plugged.get(name);
      if (module === undefined) throw new Error(`No microphone ${name} is plugged in.`);
      plugged.delete(name);
      await pactl('unload-module', module);
    },
    close,
  };
}
