// Stopping, by a clock that moves only when told: in order, bounded, and at once when asked twice.
import { describe, expect, it } from 'vitest';
import { createShutdown } from '../../sfu-server/shutdown.ts';
import { fakeClock, settled } from '../support/wires.ts';

const people = (pending: number) => {
  const heard: string[] = [];
  const person = {
    pending: () => pending,
    notify: (text: string) => void heard.push(text),
    close: (reason: string) => void heard.push(reason),
  };
  return { heard, person, finish: () => (pending = 0) };
};

const begin = (pending = 0) => {
  const clock = fakeClock();
  const done: string[] = [];
  const { heard, person, finish } = people(pending);
  const shutdown = createShutdown({
    clock,
    log: { info: () => {}, error: (_, text) => void done.push(text) },
    participants: new Set([person]),
    exit: () => void done.push('exit'),
  });
  const advance = async (byMs: number) => {
    clock.advance(byMs);
    await settled();
  };
  return { shutdown, done, heard, finish, advance };
};

describe('stopping the server', () => {
  it('[STOP1] tells everybody, waits for what is in work, then closes the newest part first', async () => {
    const { shutdown, done, heard, finish, advance } = begin(1);
    for (const name of ['store', 'nodes', 'http']) shutdown.add({ close: () => void done.push(name) });
    expect(shutdown.draining()).toBe(false);
    shutdown.stop();
    shutdown.stop();
    expect(shutdown.draining()).toBe(true);
    expect(heard).toEqual([expect.stringContaining('comes back by itself')]);
    await advance(500);
    expect([heard.length, done]).toEqual([1, []]);
    finish();
    await advance(50);
    expect(heard.at(-1)).toBe('serverClosing');
    expect(done).toEqual(['http', 'nodes', 'store', 'exit']);
  });

  it('[STOP2] does not wait for what hangs, nor stumble over what fails', async () => {
    const { shutdown, done, heard, advance } = begin(1);
    shutdown.add({ close: () => new Promise<void>(() => {}) });
    shutdown.add({ close: () => Promise.reject(new Error('no')) });
    shutdown.stop();
    await advance(1_050);
    expect(heard.at(-1)).toBe('serverClosing');
    expect(done).toEqual(['a part of the server did not close cleanly']);
    await advance(3_500);
    expect(done.slice(1)).toEqual(['stopping took too long and was cut short', 'exit']);
  });

  it('[STOP2] ends at once on a second signal, but takes a doubled Ctrl+C for one', async () => {
    const { shutdown, done, advance } = begin(1);
    shutdown.signalled();
    shutdown.signalled();
    await advance(400);
    expect(done).toEqual([]);
    shutdown.signalled();
    expect(done).toEqual(['exit']);
  });
});
