// Encoders that send a source's picture and sound by WHIP (RFC 9725): what the studio is told of them, and the requests that make
// and withdraw their keys.
// Not its job: the HTTP door (whip-routes.ts), or the source itself (production.ts).
import * as z from 'zod/mini';
import { producersOf } from './media.ts';
import { maxSources, sourceId } from './production.ts';

/** Of one source: that it has a key, and whether somebody sends with it. */
export const encoder = z.object({
  sourceId,
  presence: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('away') }),
    z.object({
      kind: z.literal('here'),
      ...producersOf,
      /** It took the place of another that was sending with the same key. */
      tookOver: z.boolean(),
    }),
  ]),
});
export type Encoder = z.infer<typeof encoder>;

/** In the order in which their keys were made. */
export const encoders = z.array(encoder).check(z.maxLength(maxSources));

/** Bytes of an offer: a browser's with every codec it knows is some 8 KB. */
export const maxOfferBytes = 64 * 1024;

export const encoderRequests = {
  /** A new key for the source's encoder, shown once; the one before stops working at once, and whoever sends with it is cut off. */
  renewEncoderKey: {
    from: ['studio'],
    params: z.object({ sourceId }),
    result: z.object({ key: z.string() }),
  },
  /** Nobody can send to the source any more, and whoever does is cut off. */
  withdrawEncoderKey: { from: ['studio'], params: z.object({ sourceId }), result: z.object({}) },
} as const;
