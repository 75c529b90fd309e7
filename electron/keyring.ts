// The desktop app's ring of keys of others (Stripe, mail): encrypted by the system's own safe storage, handed to the server in memory.
// Where the system has none they are not kept at all: a key in a readable file would only look safe.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { AppError } from '../sfu-server/protocol/errors.ts';
import { secrets, type Secrets } from '../sfu-server/protocol/secrets.ts';

/** As much of Electron's `safeStorage` as is needed. */
export interface SafeStorage {
  isEncryptionAvailable(): boolean;
  /** Linux only; `basic_text` encrypts with a password everybody knows. */
  getSelectedStorageBackend?(): string;
  encryptString(text: string): Buffer;
  decryptString(encrypted: Buffer): string;
}

export type KeyringOptions = {
  /** Only after the app is ready. */
  safeStorage: SafeStorage;
  file: string;
  /** Whenever the keys change. */
  changed: (keys: Secrets) => void;
  log: (line: string) => void;
};

/** Undefined: as it was. Null: forget it. */
export type KeyChange = { readonly [Name in keyof Secrets]?: Secrets[Name] | null };

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

export const createKeyring = ({ safeStorage, file, changed, log }: KeyringOptions) => {
  const isSafe = () =>
    safeStorage.isEncryptionAvailable() && safeStorage.getSelectedStorageBackend?.() !== 'basic_text';

  const read = (): Secrets => {
    try {
      return z.parse(secrets, JSON.parse(safeStorage.decryptString(readFileSync(file))));
    } catch (error) {
      // Another user's, another machine's or a damaged file: the director enters the keys again.
      if (!isMissing(error)) log('keys: the stored keys cannot be read and are left alone');
      return {};
    }
  };

  return {
    keys: (): Secrets => (isSafe() ? read() : {}),
    /** Names only. */
    names: (): string[] => (isSafe() ? Object.keys(read()) : []),
    isSafe,
    /** Throws `wrongPhase` where there is no safe storage, `storeFailed` when the file cannot be written. */
    change: (change: KeyChange): void => {
      if (!isSafe()) {
        throw new AppError(
          'wrongPhase',
          'This system has no safe storage for keys. Unlock its keyring, or give the keys by the environment.',
        );
      }
      const next = z.parse(
        secrets,
        Object.fromEntries(
          Object.entries({ ...read(), ...change }).filter(
            ([, value]) => value !== null && value !== undefined,
          ),
        ),
      );
      try {
        if (Object.keys(next).length === 0) rmSync(file, { force: true });
        else writeFileSync(file, safeStorage.encryptString(JSON.stringify(next)), { mode: 0o600 });
      } catch (error) {
        throw new AppError('storeFailed', 'The keys could not be saved. Check the disk, then try again.', {
          cause: error,
        });
      }
      changed(next);
    },
  };
};
