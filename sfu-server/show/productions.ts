// The director's production as the server keeps it: the last versions of one document, so that one that can no longer be
// read costs the latest edits and never the scenes.
// Not here: what the document means (protocol/production.ts), who may ask (participant.ts).
import * as z from 'zod/mini';
import type { Clock } from '../protocol/channel.ts';
import { production, type Production, type SourceId } from '../protocol/production.ts';
import type { Store } from '../store/database.ts';

export type ProductionsOptions = {
  store: Store;
  clock: Clock;
  log: { error(detail: object, text: string): void };
};

export type Productions = ReturnType<typeof createProductions>;

const versionsKept = 5;
/** Edits within this time are one version: five of them reach back half an hour of work, not five drags of a slider. */
const versionMs = 5 * 60_000;

const versionRow = z.object({
  id: z.int(),
  document: z.string(),
  begun_ms: z.int(),
  saved_ms: z.int(),
});

const readable = (text: string): Production | null => {
  try {
    const parsed = production.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
};

export const createProductions = ({ store, clock, log }: ProductionsOptions) => {
  const versions = store.query(
    versionRow,
    'SELECT id, document, begun_ms, saved_ms FROM productions ORDER BY id DESC',
  );
  const insert = store.command('INSERT INTO productions (document, begun_ms, saved_ms) VALUES (?, ?, ?)');
  const replace = store.command('UPDATE productions SET document = ?, saved_ms = ? WHERE id = ?');
  const forget = store.command(
    `DELETE FROM productions WHERE id NOT IN (SELECT id FROM productions ORDER BY id DESC LIMIT ${versionsKept})`,
  );

  const load = (): {
    production: Production | null;
    savedMs: number | null;
    fellBack: { savedMs: number | null } | null;
  } => {
    const kept = versions.all();
    for (const [index, version] of kept.entries()) {
      const document = readable(version.document);
      if (document === null) {
        log.error({ version: version.id, savedMs: version.saved_ms }, 'kept scenes cannot be read');
        continue;
      }
      const savedMs = version.saved_ms;
      return { production: document, savedMs, fellBack: index === 0 ? null : { savedMs } };
    }
    return { production: null, savedMs: null, fellBack: kept.length === 0 ? null : { savedMs: null } };
  };

  return {
    /** The newest version that can be read, and whether a newer one cannot. */
    load,
    /** Whether the source is in the document, and an encoder is behind it. */
    hasEncoder: (id: SourceId): boolean =>
      (load().production?.sources ?? []).some((one) => one.id === id && one.origin.kind === 'encoder'),
    /** When it was kept. A version that cannot be read is never overwritten, only outlived. */
    save: (document: Production): number => {
      const nowMs = clock.now();
      const text = JSON.stringify(document);
      store.transaction(() => {
        const [newest] = versions.all();
        const sameVersion =
          newest !== undefined && nowMs - newest.begun_ms < versionMs && readable(newest.document) !== null;
        if (sameVersion) replace(text, nowMs, newest.id);
        else insert(text, nowMs, nowMs);
        forget();
      });
      return nowMs;
    },
    snapshot: () => ({ versions: versions.all().map(({ id, saved_ms }) => ({ id, savedMs: saved_ms })) }),
  };
};
