// The state of a show as every page sees it, and the one function that folds changes into it.
// Not here: who may change it (messages.ts) and how it is kept (show/, store/).
import * as z from 'zod/mini';

const id = z.string().check(z.minLength(1), z.maxLength(64));
const timestampMs = z.number();

// Branded ids: a guest's id cannot be passed where a product's is meant.
export const showId = id.brand('ShowId');
export type ShowId = z.infer<typeof showId>;
export const productId = id.brand('ProductId');
export type ProductId = z.infer<typeof productId>;
export const guestId = id.brand('GuestId');
export type GuestId = z.infer<typeof guestId>;

/** What fans get. `none`: not on air. */
export const onAirSource = z.enum(['none', 'studio', 'standby']);
export type OnAirSource = z.infer<typeof onAirSource>;
/** Why the program is what it is. */
export const switchReason = z.enum([
  'notOnAir',
  'studioHealthy',
  'studioSilent',
  'studioClosed',
  'studioFrozen',
  'studioNotReady',
  'directorLock',
  'nodeRestarted',
]);
export type SwitchReason = z.infer<typeof switchReason>;

export const showPhase = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('setup') }),
  z.object({ kind: z.literal('live'), sinceMs: timestampMs }),
  z.object({ kind: z.literal('ended'), sinceMs: timestampMs, endedMs: timestampMs }),
]);
export type ShowPhase = z.infer<typeof showPhase>;

export const stock = z.object({
  total: z.int(),
  held: z.int(),
  sold: z.int(),
  left: z.int(),
  /** Rises with every change of this product's stock; a page never shows an older count over a newer one. */
  seq: z.int(),
});
export type Stock = z.infer<typeof stock>;

export const currency = z.string().check(z.regex(/^[A-Z]{3}$/, 'three letters, as in EUR'));

export const product = z.object({
  id: productId,
  name: z.string().check(z.minLength(1, 'give it a name'), z.maxLength(80)),
  priceMinor: z.int().check(z.minimum(0), z.maximum(100_000_000)),
  currency,
  /** Path on this server, or null without a picture. */
  pictureUrl: z.nullable(z.string().check(z.maxLength(256))),
  stock,
});
export type Product = z.infer<typeof product>;

export const program = z.object({
  source: onAirSource,
  reason: switchReason,
  sinceMs: timestampMs,
  lock: z.enum(['none', 'standby']),
});
export type Program = z.infer<typeof program>;

export const layout = z.enum(['full', 'sideBySide']);
export type Layout = z.infer<typeof layout>;

export const lowerThird = z.object({
  title: z.string().check(z.maxLength(60)),
  subtitle: z.string().check(z.maxLength(80)),
});

/** What the studio composes. Kept by the server so that a reloaded studio shows the same picture. */
export const scene = z.object({
  layout,
  /** The guest beside the camera (`sideBySide`) or instead of it (`full` with a guest); null: camera alone. */
  guestId: z.nullable(guestId),
  lowerThird: z.nullable(lowerThird),
  qrVisible: z.boolean(),
});
export type Scene = z.infer<typeof scene>;

export const guest = z.object({
  id: guestId,
  name: z.string().check(z.minLength(1, 'give a name'), z.maxLength(40)),
  presence: z.discriminatedUnion('kind', [
    /** The link exists, nobody has used it or they have left. */
    z.object({ kind: z.literal('away') }),
    z.object({
      kind: z.literal('here'),
      videoProducerId: z.nullable(id),
      audioProducerId: z.nullable(id),
    }),
  ]),
});
export type Guest = z.infer<typeof guest>;

export const showState = z.object({
  seq: z.int(),
  id: showId,
  title: z.string(),
  phase: showPhase,
  program,
  product: z.nullable(product),
  viewers: z.int(),
  studio: z.enum(['absent', 'present']),
  scene,
  /** Crew and co-hosts only; empty in a viewer's copy. */
  guests: z.array(guest),
});
export type ShowState = z.infer<typeof showState>;

/** One change. `audience` rules are in `visibleTo`. */
export const stateChange = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('title'), title: z.string() }),
  z.object({ kind: z.literal('phase'), phase: showPhase }),
  z.object({ kind: z.literal('program'), program }),
  z.object({ kind: z.literal('product'), product: z.nullable(product) }),
  z.object({ kind: z.literal('stock'), productId, stock }),
  z.object({ kind: z.literal('viewers'), viewers: z.int() }),
  z.object({ kind: z.literal('studio'), studio: z.enum(['absent', 'present']) }),
  z.object({ kind: z.literal('scene'), scene }),
  z.object({ kind: z.literal('guest'), guest }),
  z.object({ kind: z.literal('guestRemoved'), guestId }),
]);
export type StateChange = z.infer<typeof stateChange>;

export type Role = 'studio' | 'cohost' | 'viewer';

/** Guests are people with personal links: viewers learn nothing of them, nor of how the studio composes. */
export const visibleTo = (role: Role, change: StateChange): boolean =>
  role !== 'viewer' || !['guest', 'guestRemoved', 'scene', 'studio'].includes(change.kind);

const viewerScene: Scene = { layout: 'full', guestId: null, lowerThird: null, qrVisible: false };

/** The copy of the state a role gets when it joins; later changes it may see keep it equal to this. */
export const stateFor = (role: Role, state: ShowState): ShowState =>
  role === 'viewer' ? { ...state, guests: [], scene: viewerScene, studio: 'absent' } : state;

/** Folds one change into a state; the same on the server and on every page. Pure. `seq` is the change's own number. */
export const applyChange = (state: ShowState, seq: number, change: StateChange): ShowState => {
  const next = { ...state, seq };
  switch (change.kind) {
    case 'title':
      return { ...next, title: change.title };
    case 'phase':
      return { ...next, phase: change.phase };
    case 'program':
      return { ...next, program: change.program };
    case 'product':
      return { ...next, product: change.product };
    case 'stock': {
      const { product } = state;
      if (product?.id !== change.productId || product.stock.seq >= change.stock.seq) return next;
      return { ...next, product: { ...product, stock: change.stock } };
    }
    case 'viewers':
      return { ...next, viewers: change.viewers };
    case 'studio':
      return { ...next, studio: change.studio };
    case 'scene':
      return { ...next, scene: change.scene };
    case 'guest': {
      const known = state.guests.some((guest) => guest.id === change.guest.id);
      const guests = known
        ? state.guests.map((guest) => (guest.id === change.guest.id ? change.guest : guest))
        : [...state.guests, change.guest];
      return { ...next, guests };
    }
    case 'guestRemoved':
      return { ...next, guests: state.guests.filter((guest) => guest.id !== change.guestId) };
  }
};

/** Whether this guest is in what fans see right now. */
export const isOnAir = (state: ShowState, guest: GuestId): boolean =>
  state.phase.kind === 'live' && state.program.source === 'studio' && state.scene.guestId === guest;
