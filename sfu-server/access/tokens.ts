// Secrets that open doors: the studio key (kept in a file only its owner can read) and co-hosts' link tokens (kept as hashes).
// Who may do what with them is decided in show/participant.ts.
import { createHash, randomBytes, randomFillSync, timingSafeEqual } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError } from '../protocol/errors.ts';

/** 192 random bits, safe in a URL fragment. */
export const newToken = (): string => randomBytes(24).toString('base64url');

const publicIdBytes = 9;
/** In a rush, asking the system for each id would be a fifth of what a hold costs: random bytes are fetched by the hundred ids. */
const fetched = Buffer.alloc(100 * publicIdBytes);
let fetchedUsed = fetched.length;

/** Short and unguessable enough for a public link that is not a secret: 72 random bits. */
export const newPublicId = (): string => {
  if (fetchedUsed === fetched.length) {
    randomFillSync(fetched);
    fetchedUsed = 0;
  }
  const from = fetchedUsed;
  fetchedUsed += publicIdBytes;
  return fetched.toString('base64url', from, fetchedUsed);
};

/** What the database keeps of a token: a leaked database opens no door. A fast hash is enough for 192 random bits. */
export const hashToken = (token: string): string => createHash('sha256').update(token).digest('base64url');

/** Compares in constant time, whatever the lengths. */
export const sameToken = (given: string, expected: string): boolean =>
  timingSafeEqual(
    createHash('sha256').update(given).digest(),
    createHash('sha256').update(expected).digest(),
  );

const isMissingFile = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** Reads the studio key, or makes it at the first start. Mode 0600 is restored if somebody loosened it. */
export const loadStudioKey = (file: string): string => {
  try {
    const key = readFileSync(file, 'utf8').trim();
    if (key.length < 24) {
      throw new AppError(
        'badConfig',
        `The studio key in ${file} is damaged. Delete the file and start again.`,
      );
    }
    chmodSync(file, 0o600);
    return key;
  } catch (error) {
    if (!isMissingFile(error)) throw error;
  }
  const key = newToken();
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${key}\n`, { mode: 0o600, flag: 'wx' });
  return key;
};
