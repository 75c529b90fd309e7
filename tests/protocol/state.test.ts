// Folding: a page that joined early and followed every change has what a page that joins now gets.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyChange,
  changeFor,
  emptyScene,
  guestId,
  isOnAir,
  showId,
  stateFor,
  type Role,
  type ShowState,
  type StateChange,
} from '../../sfu-server/protocol/state.ts';
import { crewId, dropId, type Drop } from '../../sfu-server/protocol/shop.ts';
import { counted, emptyShop, oneVariant, stockOf } from '../support/products.ts';

const anna = guestId.parse('anna');
const ben = guestId.parse('ben');
const tee = oneVariant('Tee', counted(50));

const start: ShowState = {
  seq: 0,
  id: showId.parse('show'),
  title: 'Alley',
  phase: { kind: 'setup' },
  program: { source: 'none', reason: 'notOnAir', sinceMs: 0, lock: 'none' },
  ...emptyShop,
  viewers: 0,
  studio: 'absent',
  scene: { ...emptyScene, qrVisible: true },
  guests: [],
};

const mug = oneVariant('Mug', counted(9));
const stock = fc.tuple(fc.nat(50), fc.nat(100)).map(([sold, seq]) => counted(50, sold, seq));
const dropState = fc.constantFrom<Drop['state'][]>(
  { kind: 'ready' },
  { kind: 'countdown', startsMs: 5 },
  { kind: 'ended', startedMs: 5, endedMs: 9, by: 'time' },
);
const item = { productId: tee.id, quantity: 8, priceMinor: null, flash: null, collector: null };
const drops = fc.tuple(fc.nat(3), dropState, stock).map(([n, state, counts]): Drop => ({
  id: dropId.parse(`drop-${n}`),
  name: 'Drop',
  items: [{ ...item, stock: counts }],
  lengthMs: null,
  earlyAccessMs: null,
  state,
  createdMs: n >> 1,
}));

const changes: fc.Arbitrary<StateChange> = fc.oneof(
  fc.string().map((title): StateChange => ({ kind: 'title', title })),
  fc.nat().map((sinceMs): StateChange => ({ kind: 'phase', phase: { kind: 'live', sinceMs } })),
  fc.constantFrom('none', 'studio', 'standby').map((source): StateChange => ({
    kind: 'program',
    program: { source, reason: 'studioHealthy', sinceMs: 1, lock: 'none' },
  })),
  fc
    .tuple(fc.constantFrom(tee, mug), stock)
    .map(([product, value]): StateChange => ({ kind: 'product', product: { ...product, stock: value } })),
  fc.constantFrom(tee, mug).map(({ id }): StateChange => ({ kind: 'productRemoved', productId: id })),
  fc.constantFrom(tee.id, null).map((id): StateChange => ({ kind: 'featured', productId: id })),
  fc.tuple(fc.constantFrom(tee, mug), stock).map(([product, value]) => stockOf(product, value)),
  fc.tuple(fc.nat(3), stock).map(([n, value]): StateChange => ({
    kind: 'stock',
    products: [],
    drops: [{ dropId: dropId.parse(`drop-${n}`), productId: tee.id, stock: value }],
  })),
  drops.map((drop): StateChange => ({ kind: 'drop', drop })),
  fc.nat(3).map((n): StateChange => ({ kind: 'dropRemoved', dropId: dropId.parse(`drop-${n}`) })),
  fc.constantFrom<('here' | 'away')[]>('here', 'away').map((presence): StateChange => ({
    kind: 'crew',
    crew: { id: crewId.parse('cleo'), name: 'Cleo', presence },
  })),
  fc.nat().map((viewers): StateChange => ({ kind: 'viewers', viewers })),
  fc.constantFrom('absent', 'present').map((studio): StateChange => ({ kind: 'studio', studio })),
  fc
    .subarray([anna, ben])
    .map((guestIds): StateChange => ({ kind: 'scene', scene: { ...start.scene, guestIds } })),
  fc
    .constantFrom(anna, ben)
    .map((id): StateChange => ({ kind: 'guest', guest: { id, name: id, presence: { kind: 'away' } } })),
  fc.constantFrom(anna, ben).map((guest): StateChange => ({ kind: 'guestRemoved', guestId: guest })),
);

describe('state', () => {
  it.each<Role>(['studio', 'cohost', 'crew', 'viewer'])(
    '[STATE1] [STATE2] a %s who followed every change has what a fresh join gives',
    (role) => {
      fc.assert(
        fc.property(fc.array(changes, { maxLength: 40 }), fc.nat(40), (series, joinedAt) => {
          let server = start;
          let page: ShowState | undefined;
          for (const [index, change] of series.entries()) {
            if (index === joinedAt) page = stateFor(role, server);
            server = applyChange(server, index + 1, change);
            const told = changeFor(role, change);
            if (page && told) page = applyChange(page, index + 1, told);
          }
          if (page) expect({ ...page, seq: 0 }).toEqual({ ...stateFor(role, server), seq: 0 });
        }),
      );
    },
  );

  it('[STATE4] never puts an older stock count over a newer one', () => {
    let state = applyChange(start, 1, { kind: 'product', product: tee });
    state = applyChange(state, 2, stockOf(tee, counted(50, 7, 5)));
    state = applyChange(state, 3, stockOf(tee, counted(50, 6, 4)));
    expect(state.products[0]?.stock.left).toBe(43);
    expect(state.products[0]?.variants[0]?.stock.left).toBe(43);
    expect(applyChange(state, 4, stockOf(mug, counted(50, 1, 9))).products[0]?.stock.left).toBe(43);
  });

  it('[GUEST3] a guest is on air only in the scene of a live show that the studio feeds', () => {
    let state = applyChange(start, 1, { kind: 'scene', scene: { ...start.scene, guestIds: [anna] } });
    expect(isOnAir(state, anna)).toBe(false);
    state = applyChange(state, 2, { kind: 'phase', phase: { kind: 'live', sinceMs: 1 } });
    expect(isOnAir(state, anna)).toBe(false);
    const program = { source: 'studio', reason: 'studioHealthy', sinceMs: 1, lock: 'none' } as const;
    state = applyChange(state, 3, { kind: 'program', program });
    expect(isOnAir(state, anna)).toBe(true);
    expect(isOnAir(state, ben)).toBe(false);
    state = applyChange(state, 4, { kind: 'program', program: { ...program, source: 'standby' } });
    expect(isOnAir(state, anna)).toBe(false);
  });
});
