// Pictures of products: decoded once, made into three sizes and three formats, kept by the digest of what was uploaded.
// Bad, huge and booby-trapped files are refused in words. Who may upload and how it is served over HTTP: shop-routes.ts.
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Metadata, Sharp, SharpOptions } from 'sharp';
import { AppError } from '../protocol/errors.ts';
import { maxPictureBytes } from '../protocol/shop-messages.ts';

/** A picture of a few kilobytes can decode to gigabytes; a phone's camera makes 12 to 50 million pixels. */
const maxPixels = 50_000_000;
const maxDecodeS = 30;
/** One at a time: the work is done in libuv's pool, whose other threads serve holds' disk writes and DNS. */
const maxWaiting = 8;

/** Widths in CSS pixels × density that the pages ask for. A smaller original is never enlarged. */
export const pictureWidths = [320, 640, 1280] as const;
export type PictureWidth = (typeof pictureWidths)[number];
const defaultWidth: PictureWidth = 640;

// Best first; the last is what every browser reads.
const formats = [
  { name: 'avif', type: 'image/avif' },
  { name: 'webp', type: 'image/webp' },
  { name: 'jpg', type: 'image/jpeg' },
] as const;
type Format = (typeof formats)[number];

const signatures: readonly { format: Metadata['format']; matches: (bytes: Buffer) => boolean }[] = [
  { format: 'png', matches: (bytes) => bytes.readUInt32BE(0) === 0x8950_4e47 },
  { format: 'jpeg', matches: (bytes) => bytes.readUInt16BE(0) === 0xffd8 },
  { format: 'webp', matches: (bytes) => bytes.toString('latin1', 8, 12) === 'WEBP' },
  { format: 'heif', matches: (bytes) => bytes.toString('latin1', 4, 11) === 'ftypavi' },
];

const notAPicture = 'Choose a PNG, JPEG, WebP or AVIF picture.';
const damaged = 'This picture is damaged. Open it in another program, save it again and try that.';

type MakeSharp = (input: Buffer, options: SharpOptions) => Sharp;

/** Loaded at the first picture: a machine where it cannot be loaded still runs the show. */
const loadSharp = async (): Promise<MakeSharp> => {
  try {
    const { default: sharp } = await import('sharp');
    sharp.concurrency(1);
    sharp.cache(false);
    return sharp;
  } catch (error) {
    throw new AppError(
      'storeFailed',
      'Pictures cannot be made on this machine: a part of the studio is missing.',
      {
        cause: error,
      },
    );
  }
};

const isNoSpace = (error: unknown): boolean =>
  error instanceof Error &&
  (('code' in error && error.code === 'ENOSPC') || /no space left/i.test(error.message));

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** The formats a browser says it takes (RFC 9110 §12.5.1); one it gives no weight is one it refuses. */
const formatFor = (accept: string | undefined): Format => {
  const taken = new Set(
    (accept ?? '')
      .split(',')
      .filter((part) => !/;\s*q=0(\.0*)?\s*$/.test(part))
      .map((part) => part.split(';')[0]?.trim().toLowerCase()),
  );
  return formats.find(({ type }) => taken.has(type)) ?? formats[2];
};

export type Images = ReturnType<typeof createImages>;

/** `folder` is made when missing. Files that an earlier version put there are left alone. */
export const createImages = (folder: string) => {
  let sharp: Promise<MakeSharp> | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let made = 0;
  let closed = false;

  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    if (closed) throw new AppError('closed');
    if (waiting >= maxWaiting) throw new AppError('limit', 'Too many pictures at once. Wait for the others.');
    waiting += 1;
    const result = queue.then(run).finally(() => {
      waiting -= 1;
    });
    queue = result.catch(() => undefined); // The caller gets the error; the queue goes on.
    return result;
  };

  const look = async (make: MakeSharp, bytes: Buffer, expected: Metadata['format']): Promise<void> => {
    let found: Metadata;
    try {
      found = await make(bytes, { limitInputPixels: maxPixels }).metadata();
    } catch (error) {
      throw new AppError('invalidParams', pixelLimit(error) ?? damaged, { cause: error });
    }
    if (found.format !== expected) throw new AppError('invalidParams', notAPicture);
    if (found.width * found.height > maxPixels) throw new AppError('invalidParams', tooManyPixels);
  };

  /** All or nothing: the folder gets its final name when every file is in it. */
  const write = async (make: MakeSharp, bytes: Buffer, digest: string): Promise<void> => {
    await mkdir(folder, { recursive: true });
    const draft = await mkdtemp(join(folder, 'draft-'));
    try {
      // Turned as the camera was held; everything else a camera notes (place, owner) is left out.
      const upright = make(bytes, { limitInputPixels: maxPixels, failOn: 'error' })
        .timeout({ seconds: maxDecodeS })
        .rotate();
      for (const width of pictureWidths) {
        const sized = upright
          .clone()
          .resize({ width, height: 2 * width, fit: 'inside', withoutEnlargement: true });
        const path = (format: Format) => join(draft, `${width}.${format.name}`);
        await sized.clone().avif({ quality: 55, effort: 3 }).toFile(path(formats[0]));
        await sized.clone().webp({ quality: 78 }).toFile(path(formats[1]));
        await sized
          .clone()
          .flatten({ background: '#ffffff' })
          .jpeg({ quality: 80, progressive: true })
          .toFile(path(formats[2]));
      }
      await rename(draft, join(folder, digest));
      made += 1;
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      if (isNoSpace(error)) {
        throw new AppError(
          'storeFull',
          'The picture could not be saved. Free some disk space and try again.',
          {
            cause: error,
          },
        );
      }
      throw new AppError('invalidParams', pixelLimit(error) ?? damaged, { cause: error });
    }
  };

  return {
    /** Gives the picture's address. The same bytes give the same address at once. Throws `invalidParams` with what to do. */
    add: (bytes: Buffer): Promise<{ pictureUrl: string }> => {
      const signature = bytes.length < 16 ? undefined : signatures.find(({ matches }) => matches(bytes));
      if (!signature) throw new AppError('invalidParams', notAPicture);
      if (bytes.length > maxPictureBytes)
        throw new AppError('tooLarge', `The picture is larger than ${maxPictureBytes / 1024 ** 2} MB.`);
      const digest = createHash('sha256').update(bytes).digest('hex');
      return inTurn(async () => {
        if (!(await exists(join(folder, digest)))) {
          sharp ??= loadSharp();
          const make = await sharp;
          await look(make, bytes, signature.format);
          await write(make, bytes, digest);
        }
        return { pictureUrl: `/pictures/${digest}` };
      });
    },
    /** The file for this width and what the browser takes; undefined when there is no such picture. */
    find: async (digest: string, width: string | undefined, accept: string | undefined) => {
      if (!/^[a-f0-9]{64}$/.test(digest)) return undefined;
      const wanted = pictureWidths.find((each) => String(each) === width) ?? defaultWidth;
      const format = formatFor(accept);
      const path = `${digest}/${wanted}.${format.name}`;
      if (!(await exists(join(folder, path)))) return undefined;
      return { path, type: format.type, etag: `"${digest.slice(0, 10)}-${wanted}${format.name[0]}"` };
    },
    folder,
    close: async () => {
      closed = true;
      await queue;
    },
    snapshot: () => ({ folder, made, waiting }),
  };
};

const tooManyPixels = 'This picture has more than 50 million pixels. Make it smaller and try again.';

const pixelLimit = (error: unknown): string | undefined =>
  error instanceof Error && /exceeds pixel limit/i.test(error.message) ? tooManyPixels : undefined;
