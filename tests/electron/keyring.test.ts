// The desktop app's keys: kept only where the system keeps them safe, never readable in the file. Electron's part is a stand-in.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createKeyring, type SafeStorage } from '../../electron/keyring.ts';
import type { Secrets } from '../../sfu-server/protocol/secrets.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ld-keys-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const system = (backend = 'gnome_libsecret'): SafeStorage => ({
  isEncryptionAvailable: () => true,
  getSelectedStorageBackend: () => backend,
  encryptString: (text) => Buffer.from(Buffer.from(text).map((byte) => byte ^ 0x5a)),
  decryptString: (encrypted) => Buffer.from(encrypted.map((byte) => byte ^ 0x5a)).toString(),
});

const open = (safeStorage = system()) => {
  const handed: Secrets[] = [];
  const lines: string[] = [];
  const file = join(folder, 'keys');
  const keyring = createKeyring({
    safeStorage,
    file,
    changed: (keys) => void handed.push(keys),
    log: (line) => void lines.push(line),
  });
  return { keyring, handed, lines, file };
};

test('keeps keys over a restart, encrypted, for their owner alone, and hands them on at every change', async () => {
  const { keyring, handed, file } = open();
  keyring.change({ stripeKey: 'sk_live_abcdef' });
  keyring.change({ stripeWebhookSecret: 'whsec_abcdef' });
  expect(handed.at(-1)).toEqual({ stripeKey: 'sk_live_abcdef', stripeWebhookSecret: 'whsec_abcdef' });
  expect((await readFile(file, 'latin1')).includes('sk_live')).toBe(false);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const again = open().keyring;
  expect(again.keys()).toEqual(handed.at(-1));
  again.change({ stripeKey: null });
  expect(again.names()).toEqual(['stripeWebhookSecret']);
  again.change({ stripeWebhookSecret: null });
  await expect(stat(file)).rejects.toThrow('ENOENT');
});

test('keeps nothing where the storage is not safe, and says so', async () => {
  const { keyring, file, handed } = open(system('basic_text'));
  expect(keyring.isSafe()).toBe(false);
  expect(() => keyring.change({ stripeKey: 'sk_live_abcdef' })).toThrow('no safe storage');
  expect([keyring.keys(), handed]).toEqual([{}, []]);
  await expect(stat(file)).rejects.toThrow('ENOENT');
});

test('goes on without keys when the file is damaged, and names no key in the log', async () => {
  const { keyring, lines, file } = open();
  await writeFile(file, 'sk_live_garbage');
  expect(keyring.keys()).toEqual({});
  expect(lines.join()).toContain('cannot be read');
  expect(lines.join()).not.toContain('sk_live');
});
