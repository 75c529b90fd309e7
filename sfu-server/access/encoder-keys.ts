// Keys of WHIP encoders by source, as hashes in a file that only its owner can read, beside the studio key: they belong to the server
// and its sources, not to a show. Written whole and moved into place, so that a crash leaves the old file or the new.
// Not its job: who may ask for a key (participant.ts), or what is done with a stream (show/encoders.ts).
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { AppError } from '../protocol/errors.ts';
import { maxSources, sourceId, type SourceId } from '../protocol/production.ts';
import { hashToken, newToken, sameToken } from './tokens.ts';

const shape = z.array(z.object({ sourceId, keyHash: z.string() }));

export type EncoderKeys = ReturnType<typeof openEncoderKeys>;

const read = (file: string): z.infer<typeof shape> => {
  try {
    return z.parse(shape, JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw new AppError(
      'badConfig',
      `The encoder keys in ${file} are damaged. Delete the file, start again and make new keys in the studio.`,
      { cause: error },
    );
  }
};

/** Throws `badConfig` when the file is there and cannot be read. */
export const openEncoderKeys = (file: string) => {
  let kept = read(file);

  const keep = (next: typeof kept) => {
    try {
      writeFileSync(`${file}.new`, JSON.stringify(next), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    } catch (error) {
      throw new AppError('storeFailed', undefined, { cause: error });
    }
    kept = next;
  };

  return {
    /** Sources that have a key, in the order in which they got their first. */
    sources: (): SourceId[] => kept.map(({ sourceId }) => sourceId),
    /**
     * The key itself is known to nobody but the caller. Where there is no more room, the oldest key of a source that is no longer
     * in use makes some. Throws `limit`, and `storeFailed` when it cannot be kept.
     */
    renew: (id: SourceId, isInUse: (id: SourceId) => boolean): string => {
      const known = kept.some(({ sourceId }) => sourceId === id);
      const isFull = !known && kept.length >= maxSources;
      const unused = isFull ? kept.find(({ sourceId }) => !isInUse(sourceId)) : undefined;
      if (isFull && !unused) {
        throw new AppError('limit', `There are already ${maxSources} encoder keys. Withdraw one first.`);
      }
      const key = newToken();
      const entry = { sourceId: id, keyHash: hashToken(key) };
      const others = kept.filter((each) => each !== unused);
      keep(known ? kept.map((each) => (each.sourceId === id ? entry : each)) : [...others, entry]);
      return key;
    },
    withdraw: (id: SourceId): void => keep(kept.filter(({ sourceId }) => sourceId !== id)),
    /** In constant time, also for a source that has none. */
    opens: (id: SourceId, key: string): boolean =>
      sameToken(hashToken(key), kept.find(({ sourceId }) => sourceId === id)?.keyHash ?? ''),
  };
};
