// The server's standby clips: parts are taken in one by one, become a clip when all are there and a media node could read
// them, and are kept in a folder named by their digest. One clip is chosen, or the product's own. Survives restarts.
// Not here: HTTP (clip-routes.ts), playing (media/), who may ask (participant.ts).
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod/mini';
import { newToken } from '../access/tokens.ts';
import type { ClipFiles } from '../media/node-api.ts';
import type { Clock } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { VideoCodec } from '../protocol/media.ts';
import {
  clipId,
  clipPath,
  clipParts,
  maxClips,
  maxPartBytes,
  type ClipId,
  type ClipPart,
  type NewClip,
  type Standby,
  type StoredClip,
} from '../protocol/standby.ts';
import type { Store } from '../store/database.ts';

export type ClipsOptions = {
  store: Store;
  /** Made when missing. */
  folder: string;
  /** Holds the clip that comes with the product. */
  ownFolder: string;
  /** The codec of the program: which parts are played. */
  codec: VideoCodec;
  clock: Clock;
  log: { info(detail: object, text: string): void; error(detail: object, text: string): void };
};

/** What the media nodes do for the clips. */
export type ClipPlayer = {
  /** Throws `badClip` with what to do. */
  checkClip(codec: VideoCodec, files: string[]): Promise<{ lengthMs: number }>;
  setStandby(clip: ClipFiles | null): Promise<void>;
};

export type Clips = ReturnType<typeof createClips>;

/** Two imports side by side, and one that was given up. */
const maxWaitingParts = 3 * clipParts.length;
const ownName = 'Built-in clip';
/** Of the product's own clip only the small version has an address. */
const ownSmallName = 'small.mp4';
const partsOf = {
  VP8: ['vp8-lo.webm', 'vp8-hi.webm'],
  H264: ['h264-lo.mp4', 'h264-hi.mp4'],
} as const satisfies Record<VideoCodec, readonly ClipPart[]>;
/** A node says how long the clip plays; the studio's word may differ by a rounded frame. */
const lengthToleranceMs = 60;

const clipRow = z.pipe(
  z.object({
    id: clipId,
    name: z.string(),
    length_ms: z.int(),
    shop_url: z.string(),
    bytes: z.int(),
    added_ms: z.int(),
  }),
  z.transform((row): StoredClip => ({
    id: row.id,
    name: row.name,
    lengthMs: row.length_ms,
    shopUrl: row.shop_url,
    bytes: row.bytes,
    addedMs: row.added_ms,
  })),
);

const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

const onFullDisk = (error: unknown): unknown =>
  error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EFBIG')
    ? new AppError(
        'storeFull',
        'The disk is full, so the clip was not kept. Free some space and import it again.',
        {
          cause: error,
        },
      )
    : error;

/** Files whose beginning is not what their name says are refused before anybody plays them. */
const startsAs = {
  'small.mp4': (bytes: Buffer) => bytes.toString('latin1', 4, 8) === 'ftyp',
  'thumbnail.jpg': (bytes: Buffer) => bytes.readUInt16BE(0) === 0xffd8,
} as const satisfies Partial<Record<ClipPart, (bytes: Buffer) => boolean>>;

export const createClips = ({ store, folder, ownFolder, codec, clock, log }: ClipsOptions) => {
  const incoming = join(folder, 'incoming');
  const columns = 'id, name, length_ms, shop_url, bytes, added_ms';
  const allClips = store.query(clipRow, `SELECT ${columns} FROM standby_clips ORDER BY added_ms, rowid`);
  const oneClip = store.query(clipRow, `SELECT ${columns} FROM standby_clips WHERE id = ?`);
  const insertClip = store.command(
    'INSERT INTO standby_clips (id, name, length_ms, shop_url, bytes, added_ms) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const deleteClip = store.command('DELETE FROM standby_clips WHERE id = ?');
  const choiceRow = store.query(z.object({ clip_id: clipId }), 'SELECT clip_id FROM standby_choice');
  const saveChoice = store.command(
    'INSERT INTO standby_choice (one, clip_id) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET clip_id = excluded.clip_id',
  );
  const clearChoice = store.command('DELETE FROM standby_choice');

  let player: ClipPlayer | undefined;
  let listener = () => {};
  let problem: string | null = null;
  /** Changes of the library run one after another. */
  let queue: Promise<unknown> = Promise.resolve();
  const serial = <T>(run: () => Promise<T>): Promise<T> => {
    const result = queue.then(run);
    queue = result.catch(() => undefined); // The caller gets the error; the queue goes on.
    return result;
  };

  // What an import left behind that never came to its end, and folders nobody knows.
  rmSync(incoming, { recursive: true, force: true });
  const known = new Set<string>(allClips.all().map(({ id }) => id));
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (!known.has(name)) rmSync(join(folder, name), { recursive: true, force: true });
  }

  // The product's own clip has an address by digest, too: a new version of the product is a new address.
  const ownSmall = join(ownFolder, ownSmallName);
  const ownId = sha256(existsSync(ownSmall) ? readFileSync(ownSmall) : '');

  const chosenClip = (): StoredClip | undefined => {
    const id = choiceRow.one()?.clip_id;
    return id === undefined ? undefined : oneClip.one(id);
  };
  const filesOf = (id: ClipId): ClipFiles => ({
    clipId: id,
    files: partsOf[codec].map((part) => join(folder, id, part)),
  });
  const needPlayer = (): ClipPlayer => {
    if (!player) throw new AppError('mediaUnavailable');
    return player;
  };

  const checkParts = async (draft: string, { lengthMs }: NewClip) => {
    for (const [part, fits] of Object.entries(startsAs)) {
      const file = await open(join(draft, part));
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
        if (bytesRead < 16 || !fits(buffer))
          throw new AppError('badClip', `The clip's ${part} is damaged. ${again}`);
      } finally {
        await file.close();
      }
    }
    for (const each of ['VP8', 'H264'] as const) {
      const files = partsOf[each].map((part) => join(draft, part));
      const read = await needPlayer().checkClip(each, files);
      if (Math.abs(read.lengthMs - lengthMs) > lengthToleranceMs) {
        throw new AppError('badClip', `The clip plays ${read.lengthMs} ms, not ${lengthMs} ms. ${again}`);
      }
    }
  };

  /** Throws `invalidParams` where a part is missing, `tooLarge` where one is larger than its kind may be. */
  const collectParts = async (clip: NewClip, draft: string): Promise<number> => {
    let bytes = 0;
    for (const part of clipParts) {
      const from = join(incoming, clip.parts[part]);
      const size = await stat(from).then(
        (found) => found.size,
        () => undefined,
      );
      if (size === undefined)
        throw new AppError('invalidParams', `The clip's ${part} has not arrived. ${again}`);
      if (size > maxPartBytes[part]) {
        throw new AppError('tooLarge', `The clip's ${part} is larger than ${maxPartBytes[part]} bytes.`);
      }
      bytes += size;
      await copyFile(from, join(draft, part));
    }
    return bytes;
  };

  /** The choice is kept before anybody plays it: a crash in between starts with what was asked for. */
  const choose = (id: ClipId | null): Promise<void> =>
    serial(async () => {
      if (id !== null && !oneClip.one(id)) throw new AppError('notFound', noSuchClip);
      store.transaction(() => (id === null ? clearChoice() : saveChoice(id)));
      problem = null;
      listener();
      await player?.setStandby(id === null ? null : filesOf(id));
    });

  return {
    folder,
    /** The media nodes, once there are any; they are told the choice from then on. */
    playOn: (next: ClipPlayer) => {
      player = next;
    },
    /** Called when what `standby` answers has changed. */
    onChange: (next: () => void) => {
      listener = next;
    },
    /** For the show's state. */
    standby: (): Standby => {
      const clip = chosenClip();
      return {
        clipId: clip?.id ?? null,
        name: clip?.name ?? ownName,
        fallbackUrl: clipPath(clip?.id ?? ownId, 'small.mp4'),
        problem,
      };
    },
    /** What the media nodes begin with; null: the product's own. */
    chosen: (): ClipFiles | null => {
      const clip = chosenClip();
      return clip ? filesOf(clip.id) : null;
    },
    list: (): StoredClip[] => allClips.all(),

    /** Streams one part to the disk. The answer's `digest` is what `add` names it by. */
    receive: async (content: Readable): Promise<{ digest: string; bytes: number }> => {
      await mkdir(incoming, { recursive: true });
      if ((await readdir(incoming)).length >= maxWaitingParts) {
        throw new AppError('limit', 'Other clips are being imported. Wait until they are done.');
      }
      const draft = join(incoming, `draft-${newToken()}`);
      const hash = createHash('sha256');
      let bytes = 0;
      const most = Math.max(...Object.values(maxPartBytes));
      const counted = new Transform({
        transform: (chunk: Buffer, _encoding, done) => {
          bytes += chunk.length;
          hash.update(chunk);
          done(bytes > most ? new AppError('tooLarge', 'A part of a clip has at most 40 MB.') : null, chunk);
        },
      });
      try {
        await pipeline(content, counted, createWriteStream(draft, { mode: 0o600 }));
        if (bytes === 0) throw new AppError('invalidParams', 'This part of the clip is empty.');
        const digest = hash.digest('hex');
        await rename(draft, join(incoming, digest));
        return { digest, bytes };
      } catch (error) {
        await rm(draft, { force: true });
        throw onFullDisk(error);
      }
    },
    /** Makes a clip of parts that have arrived, or throws and keeps nothing. The same parts are the same clip. */
    add: (clip: NewClip): Promise<StoredClip> =>
      serial(async () => {
        const id = z.parse(clipId, sha256(clipParts.map((part) => clip.parts[part]).join(' ')));
        const before = oneClip.one(id);
        const dropParts = async () => {
          for (const digest of Object.values(clip.parts)) await rm(join(incoming, digest), { force: true });
        };
        if (before) {
          await dropParts();
          return before;
        }
        if (allClips.all().length >= maxClips) {
          throw new AppError('limit', `There are already ${maxClips} clips. Remove one first.`);
        }
        const draft = join(folder, `draft-${newToken()}`);
        try {
          await mkdir(draft, { recursive: true });
          const bytes = await collectParts(clip, draft);
          await checkParts(draft, clip);
          await rename(draft, join(folder, id));
          const addedMs = Math.round(clock.now());
          store.transaction(() => insertClip(id, clip.name, clip.lengthMs, clip.shopUrl, bytes, addedMs));
          log.info({ clip: id, bytes }, 'standby clip added');
          return { id, name: clip.name, lengthMs: clip.lengthMs, shopUrl: clip.shopUrl, bytes, addedMs };
        } catch (error) {
          await rm(draft, { recursive: true, force: true });
          if (!oneClip.one(id)) await rm(join(folder, id), { recursive: true, force: true });
          throw onFullDisk(error);
        } finally {
          await dropParts();
        }
      }),
    choose,
    remove: (id: ClipId): Promise<void> =>
      serial(async () => {
        if (!oneClip.one(id)) throw new AppError('notFound', noSuchClip);
        if (choiceRow.one()?.clip_id === id) {
          throw new AppError('wrongPhase', 'This clip is in use. Choose another one, then remove it.');
        }
        store.transaction(() => deleteClip(id));
        await rm(join(folder, id), { recursive: true, force: true });
      }),
    /** A node could not play it: the product's own is used, and the director is told why. */
    failed: ({ clipId: id }: ClipFiles, why: string) => {
      const clip = chosenClip();
      if (clip?.id !== id) return;
      log.error({ clip: id, why }, 'the chosen standby clip cannot be played');
      store.transaction(() => clearChoice());
      problem = `“${clip.name}” cannot be played, so fans would get the built-in clip. ${why}`;
      listener();
      player
        ?.setStandby(null)
        .catch((error: unknown) => log.error({ err: error }, 'the clip could not be reset'));
    },
    /** Where a part is on the disk; undefined when there is none. */
    find: (id: string, part: ClipPart): { root: string; path: string } | undefined => {
      if (id === ownId) {
        return part === 'small.mp4' ? { root: ownFolder, path: ownSmallName } : undefined;
      }
      const found = z.safeParse(clipId, id);
      if (!found.success || !oneClip.one(found.data)) return undefined;
      return { root: folder, path: join(found.data, part) };
    },
    close: async () => {
      await queue;
    },
    snapshot: () => ({
      chosen: choiceRow.one()?.clip_id ?? null,
      problem,
      clips: allClips.all().map(({ id, name, bytes }) => ({ id, name, bytes })),
    }),
  };
};

const again = 'Import the clip again.';
const noSuchClip = 'This clip is not there any more.';
