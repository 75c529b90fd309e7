// The standby clips of a server: what a clip consists of, how large its parts may be, which one is chosen, and the requests of
// the director about them. The bytes travel over HTTP (clip-routes.ts); how a clip is made is the studio's business.
import * as z from 'zod/mini';

/** SHA-256 of what the clip consists of: the same files are the same clip. */
export const clipId = z
  .string()
  .check(z.regex(/^[a-f0-9]{64}$/, 'not the id of a clip'))
  .brand('ClipId');
export type ClipId = z.infer<typeof clipId>;

/** The parts of a clip: two sizes in each codec of the program, a small one for viewers' pages, a still. */
export const clipParts = [
  'vp8-lo.webm',
  'vp8-hi.webm',
  'h264-lo.mp4',
  'h264-hi.mp4',
  'small.mp4',
  'thumbnail.jpg',
] as const;
export const clipPart = z.enum(clipParts);
export type ClipPart = z.infer<typeof clipPart>;

const largePartBytes = 40_000_000;
export const maxPartBytes: Readonly<Record<ClipPart, number>> = {
  'vp8-lo.webm': largePartBytes,
  'vp8-hi.webm': largePartBytes,
  'h264-lo.mp4': largePartBytes,
  'h264-hi.mp4': largePartBytes,
  // What a fan's page keeps quietly (RECOVER7).
  'small.mp4': 1_500_000,
  'thumbnail.jpg': 200_000,
};

export const maxClips = 12;
export const maxClipMs = 60_000;

const digest = z.string().check(z.regex(/^[a-f0-9]{64}$/, 'a SHA-256 in hexadecimal'));
const webAddress = z.url({ protocol: /^https?$/, error: 'a web address' }).check(z.maxLength(256));

/** Parts are uploaded one by one; a clip exists from this on. */
export const newClip = z.object({
  name: z.string().check(z.trim(), z.minLength(1, 'give the clip a name'), z.maxLength(80)),
  lengthMs: z.int().check(z.minimum(2_000), z.maximum(maxClipMs, 'at most a minute')),
  /** Where the QR code in its picture leads. */
  shopUrl: webAddress,
  /** Digest of each part, as the upload answered. */
  parts: z.record(clipPart, digest),
});
export type NewClip = z.infer<typeof newClip>;

export const storedClip = z.object({
  id: clipId,
  name: z.string(),
  lengthMs: z.int(),
  shopUrl: z.string(),
  bytes: z.int(),
  addedMs: z.number(),
});
export type StoredClip = z.infer<typeof storedClip>;

/** What fans get when the studio's picture is gone. `clipId` null: the clip that comes with the product. */
export const standby = z.object({
  clipId: z.nullable(clipId),
  name: z.string(),
  /** Path of the small version, for good: pages keep it for when nothing else can be reached. */
  fallbackUrl: z.string(),
  /** The studio only: why the chosen clip is not in use, in one sentence. */
  problem: z.nullable(z.string()),
});
export type Standby = z.infer<typeof standby>;

/** Where a part of a clip is, relative to the server. */
export const clipPath = (id: string, part: ClipPart): string => `/clips/${id}/${part}`;

const director = ['studio'] as const;

export const standbyRequests = {
  /** In the order they were added. */
  clips: { from: director, params: z.object({}), result: z.object({ clips: z.array(storedClip) }) },
  /** Also while it is on air: fans see the next clip begin, without a gap. Null: the clip that comes with the product. */
  chooseClip: {
    from: director,
    params: z.object({ clipId: z.nullable(clipId) }),
    result: z.object({}),
    timeoutMs: 30_000,
  },
  /** Not the chosen one. */
  removeClip: { from: director, params: z.object({ clipId }), result: z.object({}) },
} as const;
