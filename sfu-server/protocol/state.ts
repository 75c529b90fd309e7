// The state of a show as every page sees it, and the one function that folds changes into it.
// Not here: who may change it (messages.ts) and how it is kept (show/, store/).
import * as z from 'zod/mini';
import {
  crewId,
  crewMember,
  drop,
  dropId,
  product,
  productId,
  shopSettings,
  stock,
  variantId,
  type Drop,
  type Product,
  type Stock,
} from './shop.ts';
import { lowerThird, pinnedMessage, ticker, titleCard } from './overlays.ts';
import { producersOf } from './media.ts';
import { guestId, programPicture, type GuestId } from './production.ts';
import { encoders } from './encoders.ts';
import { standby, type Standby } from './standby.ts';

export { guestId, type GuestId } from './production.ts';

const id = z.string().check(z.minLength(1), z.maxLength(64));
const timestampMs = z.number();

// Branded ids: a guest's id cannot be passed where a product's is meant.
export const showId = id.brand('ShowId');
export type ShowId = z.infer<typeof showId>;

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

export const program = z.object({
  source: onAirSource,
  reason: switchReason,
  sinceMs: timestampMs,
  lock: z.enum(['none', 'standby']),
});
export type Program = z.infer<typeof program>;

/** What is on program. Kept by the server so that a reloaded studio shows the same picture. */
export const scene = z.object({
  /** The picture that was taken; null: none yet in this show. */
  picture: z.nullable(programPicture),
  /** The guests who are in it. */
  guestIds: z.array(guestId).check(z.maxLength(8)),
  // Overlays: the words that fans read, null where they are off. Shows kept by an older server have only the first two.
  lowerThird: z.nullable(lowerThird),
  qrVisible: z.boolean(),
  title: z.prefault(z.nullable(titleCard), null),
  ticker: z.prefault(z.nullable(ticker), null),
  pinned: z.prefault(z.nullable(pinnedMessage), null),
  logoVisible: z.prefault(z.boolean(), false),
});
export type Scene = z.infer<typeof scene>;

/** Nothing on the picture at all. */
export const emptyScene: Scene = {
  picture: null,
  guestIds: [],
  lowerThird: null,
  qrVisible: false,
  title: null,
  ticker: null,
  pinned: null,
  logoVisible: false,
};

export const guest = z.object({
  id: guestId,
  name: z.string().check(z.minLength(1, 'give a name'), z.maxLength(40)),
  presence: z.discriminatedUnion('kind', [
    /** The link exists, nobody has used it or they have left. */
    z.object({ kind: z.literal('away') }),
    z.object({ kind: z.literal('here'), ...producersOf }),
  ]),
});
export type Guest = z.infer<typeof guest>;

export const showState = z.object({
  seq: z.int(),
  id: showId,
  title: z.string(),
  phase: showPhase,
  program,
  standby,
  shop: shopSettings,
  /** In the order they were added. */
  products: z.array(product),
  /** What the picture and the viewer's card show. */
  featuredProductId: z.nullable(productId),
  /** In the order they were made; a viewer's copy holds none that is `ready`. */
  drops: z.array(drop),
  viewers: z.int(),
  studio: z.enum(['absent', 'present']),
  scene,
  /** Crew and co-hosts only; empty in a viewer's copy. */
  guests: z.array(guest),
  /** The studio only. */
  crew: z.array(crewMember),
  /** The studio only. */
  encoders,
});
export type ShowState = z.infer<typeof showState>;

/** One change. Who gets it is in `changeFor`. */
export const stateChange = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('title'), title: z.string() }),
  z.object({ kind: z.literal('phase'), phase: showPhase }),
  z.object({ kind: z.literal('program'), program }),
  z.object({ kind: z.literal('standby'), standby }),
  z.object({ kind: z.literal('shop'), shop: shopSettings }),
  z.object({ kind: z.literal('product'), product }),
  z.object({ kind: z.literal('productRemoved'), productId }),
  z.object({ kind: z.literal('featured'), productId: z.nullable(productId) }),
  z.object({ kind: z.literal('drop'), drop }),
  z.object({ kind: z.literal('dropRemoved'), dropId }),
  /** The newest counts of all stock that has changed since the last one; sales in between are never told one by one. */
  z.object({
    kind: z.literal('stock'),
    products: z.array(z.object({ productId, stock, variants: z.array(z.object({ variantId, stock })) })),
    drops: z.array(z.object({ dropId, productId, stock })),
  }),
  z.object({ kind: z.literal('viewers'), viewers: z.int() }),
  z.object({ kind: z.literal('studio'), studio: z.enum(['absent', 'present']) }),
  z.object({ kind: z.literal('scene'), scene }),
  z.object({ kind: z.literal('guest'), guest }),
  z.object({ kind: z.literal('guestRemoved'), guestId }),
  z.object({ kind: z.literal('crew'), crew: crewMember }),
  z.object({ kind: z.literal('crewRemoved'), crewId }),
  z.object({ kind: z.literal('encoders'), encoders }),
]);
export type StateChange = z.infer<typeof stateChange>;

export type Role = 'studio' | 'cohost' | 'crew' | 'viewer';

const studioOnly: readonly StateChange['kind'][] = ['crew', 'crewRemoved', 'encoders'];
const castOnly: readonly StateChange['kind'][] = ['guest', 'guestRemoved', 'scene', 'studio'];
/** What is wrong with a clip is the director's to mend. */
const withoutProblem = (standby: Standby): Standby => ({ ...standby, problem: null });
const isPublic = (drop: Drop): boolean => drop.state.kind !== 'ready';

/** The copy of the state a role gets when it joins; later changes it may see keep it equal to this. */
export const stateFor = (role: Role, state: ShowState): ShowState => {
  switch (role) {
    case 'studio':
      return state;
    case 'cohost':
      return { ...state, standby: withoutProblem(state.standby), crew: [], encoders: [] };
    case 'crew':
      return {
        ...state,
        standby: withoutProblem(state.standby),
        guests: [],
        scene: emptyScene,
        studio: 'absent',
        crew: [],
        encoders: [],
      };
    case 'viewer':
      return {
        ...state,
        standby: withoutProblem(state.standby),
        guests: [],
        scene: emptyScene,
        studio: 'absent',
        crew: [],
        encoders: [],
        drops: state.drops.filter(isPublic),
      };
  }
};

/**
 * What a role is told of a change; null: nothing. Guests and crew are people with personal links, so fans learn nothing of them, nor
 * of how the studio composes, nor of drops that nobody has announced.
 */
export const changeFor = (role: Role, change: StateChange): StateChange | null => {
  if (change.kind === 'drop' && role === 'viewer' && !isPublic(change.drop)) {
    return { kind: 'dropRemoved', dropId: change.drop.id };
  }
  if (change.kind === 'standby' && role !== 'studio') {
    return { kind: 'standby', standby: withoutProblem(change.standby) };
  }
  if (studioOnly.includes(change.kind)) return role === 'studio' ? change : null;
  if (castOnly.includes(change.kind)) return role === 'studio' || role === 'cohost' ? change : null;
  return change;
};

/** Adds or replaces by id, keeping the order. */
const withOne = <T extends { readonly id: string }>(list: readonly T[], one: T): T[] =>
  list.some(({ id }) => id === one.id)
    ? list.map((other) => (other.id === one.id ? one : other))
    : [...list, one];

/** By when they were made: a drop that fans hear of late stands where it stands for everybody. */
const inOrder = (drops: Drop[]): Drop[] =>
  drops.sort((a, b) => a.createdMs - b.createdMs || (a.id < b.id ? -1 : 1));

const newer = (now: Stock, next: Stock | undefined): Stock => (next && next.seq > now.seq ? next : now);

type StockChange = Extract<StateChange, { kind: 'stock' }>;

const withStock = (product: Product, change: StockChange): Product => {
  const counts = change.products.find((one) => one.productId === product.id);
  if (!counts) return product;
  const of = new Map(counts.variants.map((one) => [one.variantId, one.stock]));
  return {
    ...product,
    stock: newer(product.stock, counts.stock),
    variants: product.variants.map((one) => ({ ...one, stock: newer(one.stock, of.get(one.id)) })),
  };
};

const withDropStock = (drop: Drop, change: StockChange): Drop => {
  const counts = change.drops.filter((one) => one.dropId === drop.id);
  if (counts.length === 0) return drop;
  const of = new Map(counts.map((one) => [one.productId, one.stock]));
  return {
    ...drop,
    items: drop.items.map((item) => ({ ...item, stock: newer(item.stock, of.get(item.productId)) })),
  };
};

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
    case 'standby':
      return { ...next, standby: change.standby };
    case 'shop':
      return { ...next, shop: change.shop };
    case 'product':
      return { ...next, products: withOne(state.products, change.product) };
    case 'productRemoved':
      return { ...next, products: state.products.filter(({ id }) => id !== change.productId) };
    case 'featured':
      return { ...next, featuredProductId: change.productId };
    case 'drop':
      return { ...next, drops: inOrder(withOne(state.drops, change.drop)) };
    case 'dropRemoved':
      return { ...next, drops: state.drops.filter(({ id }) => id !== change.dropId) };
    case 'stock':
      return {
        ...next,
        products: state.products.map((product) => withStock(product, change)),
        drops: state.drops.map((drop) => withDropStock(drop, change)),
      };
    case 'viewers':
      return { ...next, viewers: change.viewers };
    case 'studio':
      return { ...next, studio: change.studio };
    case 'scene':
      return { ...next, scene: change.scene };
    case 'guest':
      return { ...next, guests: withOne(state.guests, change.guest) };
    case 'guestRemoved':
      return { ...next, guests: state.guests.filter((guest) => guest.id !== change.guestId) };
    case 'crew':
      return { ...next, crew: withOne(state.crew, change.crew) };
    case 'crewRemoved':
      return { ...next, crew: state.crew.filter(({ id }) => id !== change.crewId) };
    case 'encoders':
      return { ...next, encoders: change.encoders };
  }
};

/** The product on the picture and on the viewer's card. */
export const featuredProduct = (state: ShowState): Product | null =>
  state.products.find(({ id }) => id === state.featuredProductId) ?? null;

/** Whether this guest is in what fans see right now. */
export const isOnAir = (state: ShowState, guest: GuestId): boolean =>
  state.phase.kind === 'live' && state.program.source === 'studio' && state.scene.guestIds.includes(guest);
