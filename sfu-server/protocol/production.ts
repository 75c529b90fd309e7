// What a director composes with, as one document: sources, scenes, overlays, and the transition of the next take. It belongs
// to the server and not to a show, so that the next show begins with it. Also the requests that load and keep it.
// Not its job: what is on program right now (state.ts `scene`), or what becomes of an edit (studio/scenes.ts).
import * as z from 'zod/mini';
import { strangerLimits } from './channel.ts';
import { defaultOverlays, digest, fileOnMachine, hexColour, overlaySettings } from './overlays.ts';

const id = z.string().check(z.minLength(1), z.maxLength(64));

export const guestId = id.brand('GuestId');
export type GuestId = z.infer<typeof guestId>;
export const sourceId = id.brand('SourceId');
export type SourceId = z.infer<typeof sourceId>;
export const sceneId = id.brand('SceneId');
export type SceneId = z.infer<typeof sceneId>;

export const maxSources = 24;
export const maxScenes = 32;
export const maxItems = 6;

const name = z.string().check(z.trim(), z.minLength(1, 'give it a name'), z.maxLength(40));
const fraction = z.number().check(z.minimum(0), z.maximum(1));

/** In fractions of the picture it lies in; a layer may hang over the edge. */
const overhang = z.number().check(z.minimum(-1), z.maximum(2));
export const rect = z.object({
  x: overhang,
  y: overhang,
  width: z.number().check(z.minimum(0.02), z.maximum(2)),
  height: z.number().check(z.minimum(0.02), z.maximum(2)),
});
/** What is left of a source after cutting, in fractions of its upright picture. */
export const crop = z
  .object({
    x: fraction,
    y: fraction,
    width: z.number().check(z.minimum(0.05), z.maximum(1)),
    height: z.number().check(z.minimum(0.05), z.maximum(1)),
  })
  .check(
    z.refine(
      ({ x, y, width, height }) => x + width <= 1.000_001 && y + height <= 1.000_001,
      'the cut lies outside the picture',
    ),
  );

/** How a source's colours are changed; the same numbers as the compositor's. */
export const colour = z.object({
  exposureEv: z.number().check(z.minimum(-3), z.maximum(3)),
  /** 1: as it is. */
  contrast: z.number().check(z.minimum(0), z.maximum(2)),
  /** 1: as it is. */
  saturation: z.number().check(z.minimum(0), z.maximum(2)),
  /** Below 0 colder, above 0 warmer. */
  temperature: z.number().check(z.minimum(-1), z.maximum(1)),
  lutId: z.nullable(digest),
  lutAmount: fraction,
});
export type ColourSettings = z.infer<typeof colour>;

/** How a camera is mounted and graded: the same wherever the source is placed. */
export const look = z.object({
  flip: z.enum(['none', 'horizontal', 'vertical', 'both']),
  rotation: z.union([z.literal(0), z.literal(90), z.literal(180), z.literal(270)]),
  /** Null: as the camera sends it. */
  colour: z.nullable(colour),
});
export type Look = z.infer<typeof look>;

export const sourceOrigin = z.discriminatedUnion('kind', [
  /** Which device it is, the studio's machine remembers. */
  z.object({ kind: z.literal('camera') }),
  z.object({ kind: z.literal('screen') }),
  /** Sends by WHIP; its key is the server's (encoders.ts). */
  z.object({ kind: z.literal('encoder') }),
  z.object({ kind: z.literal('image'), ...fileOnMachine }),
  z.object({ kind: z.literal('video'), ...fileOnMachine, loop: z.boolean() }),
  /** A seat for a co-host; null: the first who is here and has no seat of their own. */
  z.object({ kind: z.literal('guest'), guestId: z.nullable(guestId) }),
  z.object({ kind: z.literal('colour'), hex: hexColour }),
  z.object({ kind: z.literal('testCard') }),
]);
export type SourceOrigin = z.infer<typeof sourceOrigin>;

/** What the studio does by itself when a source on program gives no picture (L1). It first holds the last one for a second. */
export const lossRule = z.object({
  /** A picture that never changes counts as lost; not for slides or a locked-off still life. */
  frozen: z.boolean(),
  /** A black picture counts as lost. */
  black: z.boolean(),
  /** Shown instead; null: none. */
  backupId: z.nullable(sourceId),
  /** When there is no backup either, and nothing else in the scene: the standby clip, the slate, or its last picture. */
  otherwise: z.enum(['clip', 'slate', 'hold']),
});
export type LossRule = z.infer<typeof lossRule>;

export const maxVideoDelayMs = 1_000;

export const source = z.object({
  id: sourceId,
  /** The director's word for it, such as "Cam A". */
  name,
  origin: sourceOrigin,
  look,
  lossRule,
  /** Its picture is held back by this long, to meet cameras or sound that arrive later. */
  videoDelayMs: z.prefault(z.int().check(z.minimum(0), z.maximum(maxVideoDelayMs)), 0),
});
export type Source = z.infer<typeof source>;

export const layouts = [
  'full',
  'sideBySide',
  'pictureInPicture',
  'three',
  'four',
  'productCloseUp',
  'free',
] as const;
/** `free`: every item has a rectangle of its own. */
export const layout = z.enum(layouts);
export type Layout = z.infer<typeof layout>;

/** One source in a scene. Later items lie over earlier ones; a layout takes them in order. */
export const item = z.object({
  sourceId,
  /** Where it lies in a free scene; layouts do not look at it. */
  rect,
  crop,
  fit: z.enum(['cover', 'contain']),
});
export type Item = z.infer<typeof item>;

const items = z.array(item).check(z.maxLength(maxItems, `a scene holds ${maxItems} sources at most`));

export const productionScene = z.object({ id: sceneId, name, layout, items });
export type ProductionScene = z.infer<typeof productionScene>;

/** What was taken to program: a copy, so that an edit of its scene changes nothing on air until it is taken again. */
export const programPicture = z.object({ sceneId: z.nullable(sceneId), layout, items });
export type ProgramPicture = z.infer<typeof programPicture>;

/** A clip with alpha that covers a change of scene. */
export const stinger = z.object({
  fileId: digest,
  fileName: z.string().check(z.maxLength(200)),
  /** When the scene changes under it. */
  cutAtMs: z.int().check(z.minimum(0), z.maximum(4_000)),
});

export const transitionKinds = ['fade', 'wipe', 'stinger'] as const;
/** What an automatic take does; a cut needs no settings. A stinger that is not at hand is a fade. */
export const transition = z.object({
  kind: z.enum(transitionKinds),
  /** Of a fade or wipe. */
  durationMs: z.int().check(z.minimum(100), z.maximum(5_000)),
  /** Null: no clip has been chosen yet. */
  stinger: z.prefault(z.nullable(stinger), null),
});
export type TransitionSettings = z.infer<typeof transition>;

const unique = (list: readonly { readonly id: string }[]): boolean =>
  new Set(list.map((one) => one.id)).size === list.length;

export const production = z.object({
  /** Rises when an older studio could no longer make sense of the document. */
  version: z.literal(1),
  sources: z
    .array(source)
    .check(
      z.maxLength(maxSources, `at most ${maxSources} sources`),
      z.refine(unique, 'two sources have the same id'),
    ),
  scenes: z
    .array(productionScene)
    .check(
      z.minLength(1, 'a production has at least one scene'),
      z.maxLength(maxScenes, `at most ${maxScenes} scenes`),
      z.refine(unique, 'two scenes have the same id'),
    ),
  transition,
  /** What an older studio kept has none. */
  overlays: z.prefault(overlaySettings, defaultOverlays),
});
export type Production = z.infer<typeof production>;

/** The rest of a message is its envelope. What every limit above allows at once is more: `fitsOneMessage` has the last word. */
export const maxProductionChars = strangerLimits.maxMessageChars - 1_024;
/** Whether a document can be sent to be kept; a larger message would end the connection. */
export const fitsOneMessage = (document: Production): boolean =>
  JSON.stringify(document).length <= maxProductionChars;

export const productionRequests = {
  /** The newest document that can be read; null where none was ever kept. */
  production: {
    from: ['studio'],
    params: z.object({}),
    result: z.object({
      production: z.nullable(production),
      /** When it was kept. */
      savedMs: z.nullable(z.number()),
      /** Set when a newer one was kept but cannot be read: when the one given was kept, or null when none is readable. */
      fellBack: z.nullable(z.object({ savedMs: z.nullable(z.number()) })),
    }),
  },
  saveProduction: {
    from: ['studio'],
    params: z.object({ production }),
    result: z.object({ savedMs: z.number() }),
  },
} as const;
