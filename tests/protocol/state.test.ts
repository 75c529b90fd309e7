// Folding: a page that joined early and followed every change has what a page that joins now gets.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyChange,
  guestId,
  isOnAir,
  productId,
  showId,
  stateFor,
  visibleTo,
  type Product,
  type Role,
  type ShowState,
  type StateChange,
} from '../../sfu-server/protocol/state.ts';

const anna = guestId.parse('anna');
const ben = guestId.parse('ben');
const tee: Product = {
  id: productId.parse('tee'),
  name: 'Night tee',
  priceMinor: 2500,
  currency: 'EUR',
  pictureUrl: null,
  stock: { total: 50, held: 0, sold: 0, left: 50, seq: 1 },
};

const start: ShowState = {
  seq: 0,
  id: showId.parse('show'),
  title: 'Alley',
  phase: { kind: 'setup' },
  program: { source: 'none', reason: 'notOnAir', sinceMs: 0, lock: 'none' },
  product: null,
  viewers: 0,
  studio: 'absent',
  scene: { layout: 'full', guestId: null, lowerThird: null, qrVisible: true },
  guests: [],
};

const stock = fc
  .tuple(fc.nat(50), fc.nat(100))
  .map(([sold, seq]) => ({ total: 50, held: 0, sold, left: 50 - sold, seq }));

const changes: fc.Arbitrary<StateChange> = fc.oneof(
  fc.string().map((title): StateChange => ({ kind: 'title', title })),
  fc.nat().map((sinceMs): StateChange => ({ kind: 'phase', phase: { kind: 'live', sinceMs } })),
  fc.constantFrom('none', 'studio', 'standby').map((source): StateChange => ({
    kind: 'program',
    program: { source, reason: 'studioHealthy', sinceMs: 1, lock: 'none' },
  })),
  fc
    .option(stock)
    .map((value): StateChange => ({ kind: 'product', product: value && { ...tee, stock: value } })),
  stock.map((value): StateChange => ({ kind: 'stock', productId: tee.id, stock: value })),
  fc.nat().map((viewers): StateChange => ({ kind: 'viewers', viewers })),
  fc.constantFrom('absent', 'present').map((studio): StateChange => ({ kind: 'studio', studio })),
  fc
    .constantFrom(anna, null)
    .map((guest): StateChange => ({ kind: 'scene', scene: { ...start.scene, guestId: guest } })),
  fc
    .constantFrom(anna, ben)
    .map((id): StateChange => ({ kind: 'guest', guest: { id, name: id, presence: { kind: 'away' } } })),
  fc.constantFrom(anna, ben).map((guest): StateChange => ({ kind: 'guestRemoved', guestId: guest })),
);

describe('state', () => {
  it.each<Role>(['studio', 'cohost', 'viewer'])(
    '[STATE1] [STATE2] a %s who followed every change has what a fresh join gives',
    (role) => {
      fc.assert(
        fc.property(fc.array(changes, { maxLength: 40 }), fc.nat(40), (series, joinedAt) => {
          let server = start;
          let page: ShowState | undefined;
          for (const [index, change] of series.entries()) {
            if (index === joinedAt) page = stateFor(role, server);
            server = applyChange(server, index + 1, change);
            if (page && visibleTo(role, change)) page = applyChange(page, index + 1, change);
          }
          if (page) expect({ ...page, seq: 0 }).toEqual({ ...stateFor(role, server), seq: 0 });
        }),
      );
    },
  );

  it('[STATE4] never puts an older stock count over a newer one', () => {
    const at = (seq: number, sold: number): StateChange => ({
      kind: 'stock',
      productId: tee.id,
      stock: { total: 50, held: 0, sold, left: 50 - sold, seq },
    });
    let state = applyChange(start, 1, { kind: 'product', product: tee });
    state = applyChange(state, 2, at(5, 7));
    state = applyChange(state, 3, at(4, 6));
    expect(state.product?.stock.left).toBe(43);
    const other: StateChange = {
      kind: 'stock',
      productId: productId.parse('mug'),
      stock: { ...tee.stock, seq: 9 },
    };
    expect(applyChange(state, 4, other).product?.stock.left).toBe(43);
  });

  it('[GUEST3] a guest is on air only in the scene of a live show that the studio feeds', () => {
    let state = applyChange(start, 1, { kind: 'scene', scene: { ...start.scene, guestId: anna } });
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
