// What pages say is on offer, over the life of a drop, by the server's clock. Pure: the rules themselves are the server's.
import { describe, expect, it } from 'vitest';
import {
  dropId,
  variantId,
  type Drop,
  type DropState,
  type Product,
} from '../../sfu-server/protocol/shop.ts';
import { emptyScene, showId, type ShowState } from '../../sfu-server/protocol/state.ts';
import { alsoInDrop, dropOf, offerOf, saleClock, saleWords } from '../../renderer/ui/offer.ts';
import { defaultOverlays } from '../../sfu-server/protocol/overlays.ts';
import { saleCards } from '../../renderer/studio/overlays.ts';
import { currentDrop, tableVariant } from '../../renderer/studio/shop-desk.ts';
import { isThinLine, pictureSources } from '../../renderer/ui/product-picture.ts';
import { counted, emptyShop, oneVariant } from '../support/products.ts';

const minuteMs = 60_000;
const startMs = 1_000_000;

const plain = oneVariant('Tee', counted(10));
const signed = variantId.parse('signed');
const tee: Product = {
  ...plain,
  priceMinor: 2_500,
  variants: [
    ...plain.variants,
    {
      id: signed,
      name: 'Signed',
      sku: 'SIGNED',
      priceMinor: 4_000,
      stock: counted(2),
      components: [{ sku: 'SIGNED', quantity: 1 }],
    },
  ],
};
const dropWith = (state: DropState, more: Partial<Drop['items'][number]> = {}): Drop => ({
  id: dropId.parse('drop'),
  name: 'Midnight',
  items: [
    {
      productId: tee.id,
      quantity: 5,
      priceMinor: 2_000,
      flash: { priceMinor: 1_500, windowMs: 2 * minuteMs },
      collector: { variantId: signed, windowMs: minuteMs },
      stock: counted(5),
      ...more,
    },
  ],
  lengthMs: 10 * minuteMs,
  earlyAccessMs: null,
  state,
  createdMs: 0,
});
const running: DropState = {
  kind: 'running',
  startedMs: startMs,
  pausedForMs: 0,
  endsMs: startMs + 10 * minuteMs,
};
const showWith = (drops: Drop[], product: Product = tee): ShowState => ({
  seq: 1,
  id: showId.parse('show'),
  title: 'Night market',
  phase: { kind: 'live', sinceMs: 0 },
  program: { source: 'studio', reason: 'studioHealthy', sinceMs: 0, lock: 'none' },
  viewers: 1,
  studio: 'present',
  scene: { ...emptyScene, qrVisible: true },
  guests: [],
  ...emptyShop,
  products: [product],
  drops,
});
const at = (drop: Drop, nowMs: number, product = tee) => offerOf(showWith([drop], product), product, nowMs);

describe('what is on offer', () => {
  it('without a drop a product has its own price, unless it is only sold in drops', () => {
    const offer = offerOf(showWith([]), tee, startMs);
    expect(offer).toMatchObject({ sale: { kind: 'open' }, priceMinor: 2_500, insteadOfMinor: null });
    const dropsOnly: Product = { ...tee, selling: 'dropsOnly' };
    expect(offerOf(showWith([], dropsOnly), dropsOnly, startMs).sale.kind).toBe('notOnSale');
  });

  it('a countdown announces the price of the start, and nothing can be had before', () => {
    const offer = at(dropWith({ kind: 'countdown', startsMs: startMs }), startMs - 9_500);
    expect(offer).toMatchObject({ sale: { kind: 'before' }, priceMinor: 1_500, insteadOfMinor: 2_500 });
    expect(saleWords(offer, startMs - 9_500)).toBe('Starts in 0:10');
    expect(offer.variants[1]?.collector.kind).toBe('soon');
  });

  it('what is on sale anyway keeps its own price until a scheduled drop begins', () => {
    const scheduled: DropState = { kind: 'scheduled', startsMs: startMs, countdownMs: 10_000 };
    expect(at(dropWith(scheduled), startMs - minuteMs)).toMatchObject({
      sale: { kind: 'open' },
      priceMinor: 2_500,
      insteadOfMinor: null,
    });
  });

  it('the flash price holds for its minutes, then the price of the drop; a variant of its own price keeps it', () => {
    const during = at(dropWith(running), startMs + minuteMs);
    expect(during).toMatchObject({ priceMinor: 1_500, insteadOfMinor: 2_500 });
    expect(saleWords(during, startMs + minuteMs)).toBe('Flash price for 1:00');
    const after = at(dropWith(running), startMs + 2 * minuteMs);
    expect(after).toMatchObject({ priceMinor: 2_000, insteadOfMinor: 2_500, flashEndsMs: null });
    expect(saleWords(after, startMs + 2 * minuteMs)).toBe('Ends in 8:00');
    expect(saleClock(after, startMs + 2 * minuteMs)).toBe('8 min');
    expect(saleClock(after, startMs + 10 * minuteMs - 9_001)).toBe('0:10');
    expect(after.variants[1]).toMatchObject({ priceMinor: 4_000, insteadOfMinor: null });
  });

  it('the collector variant is there for the first minutes and then gone for good; time in a pause does not count', () => {
    const collector = (drop: Drop, nowMs: number) => at(drop, nowMs).variants[1]?.collector.kind;
    expect(collector(dropWith(running), startMs + minuteMs - 1)).toBe('here');
    expect(collector(dropWith(running), startMs + minuteMs)).toBe('gone');
    const resumed = dropWith({ ...running, pausedForMs: minuteMs });
    expect(collector(resumed, startMs + minuteMs)).toBe('here');
    const over = dropWith({ kind: 'ended', startedMs: startMs, endedMs: startMs + 1, by: 'director' });
    expect(collector(over, startMs + 2)).toBe('gone');
  });

  it('says what is held apart from what is sold, and never more than the drop has', () => {
    const held = { ...counted(5), held: 2, sold: 3, left: 0 };
    const offer = at(dropWith(running, { stock: held }), startMs);
    expect(offer.sale.kind).toBe('soldOut');
    expect(saleWords(offer, startMs)).toBe('All held right now · 2 may come back');
    expect(at(dropWith(running, { stock: counted(5, 4) }), startMs).variants[0]?.left).toBe(1);
  });

  it('the card on the picture knows which cards may be next: the sale of one more, the last, and the next second', () => {
    const cards = (sold: number, nowMs: number, state: DropState = running) => {
      const show = showWith([dropWith(state, { stock: counted(5, sold) })]);
      const settings = defaultOverlays.qrCard;
      return saleCards({ show, product: tee, settings, origin: 'https://drop.example', nowMs });
    };
    const lastMinute = startMs + 2 * minuteMs - 30_000;
    const now = cards(2, lastMinute);
    expect(now.qr).toMatchObject({ stockText: '3 left of 5', clockText: '0:30', soldOut: false });
    expect(now.qrSoon).toEqual([cards(3, lastMinute).qr, cards(2, lastMinute + 1_000).qr]);
    // While minutes are counted a second changes nothing.
    expect(cards(2, startMs).qrSoon).toEqual([cards(3, startMs).qr]);
    expect(cards(4, startMs).qrSoon[0]).toMatchObject({ soldOut: true, clockText: '' });
    expect(cards(4, startMs).qrSoon[0]).toEqual(cards(5, startMs).qr);
    // With none left, or before it begins, nothing can be sold next.
    expect(cards(5, startMs).qrSoon).toEqual([]);
    const counting: DropState = { kind: 'countdown', startsMs: startMs };
    expect(cards(2, startMs - 5_000, counting).qrSoon).toEqual([cards(2, startMs - 4_000, counting).qr]);
  });

  it('of a drop of several products each offer names the others, at their own price and count, until it is over', () => {
    const mug: Product = { ...oneVariant('Mug', counted(6)), priceMinor: 1_200 };
    const both = (state: DropState): ShowState => {
      const drop = dropWith(state);
      const more = { productId: mug.id, quantity: 3, priceMinor: 900, flash: null, collector: null };
      return {
        ...showWith([{ ...drop, items: [...drop.items, { ...more, stock: counted(3, 1) }] }]),
        products: [tee, mug],
      };
    };
    const others = (show: ShowState, product: Product) =>
      alsoInDrop(show, offerOf(show, product, startMs), startMs).map((one) => [
        one.product.name,
        one.priceMinor,
        one.stock.left,
      ]);
    expect(others(both(running), tee)).toEqual([['Mug', 900, 2]]);
    expect(others(both(running), mug)).toEqual([['Tee', 1_500, 5]]);
    expect(others(both({ kind: 'countdown', startsMs: startMs + 1 }), tee)).toEqual([['Mug', 900, 2]]);
    const over: DropState = { kind: 'ended', startedMs: 0, endedMs: startMs, by: 'time' };
    expect(others(both(over), tee)).toEqual([]);
    expect(others(showWith([dropWith(running)]), tee)).toEqual([]);
  });

  it('of several drops the one that is on speaks for a product, else the next, else nobody', () => {
    const next = {
      ...dropWith({ kind: 'scheduled', startsMs: startMs, countdownMs: 0 }),
      id: dropId.parse('next'),
    };
    const later = {
      ...dropWith({ kind: 'scheduled', startsMs: startMs + 1, countdownMs: 0 }),
      id: dropId.parse('later'),
    };
    expect(dropOf([later, next, dropWith(running)], tee.id)?.id).toBe('drop');
    expect(dropOf([later, next], tee.id)?.id).toBe('next');
    expect(dropOf([dropWith({ kind: 'ready' })], tee.id)).toBeNull();
  });
});

describe('the drop the desk means', () => {
  it('is the one that is on, else the newest that waits, unless the director has turned to another; until that ends', () => {
    const named = (name: string, state: DropState, createdMs: number): Drop => ({
      ...dropWith(state),
      id: dropId.parse(name),
      createdMs,
    });
    const over: DropState = { kind: 'ended', startedMs: 0, endedMs: startMs, by: 'time' };
    const early = named('early', { kind: 'ready' }, 1);
    const late = named('late', { kind: 'ready' }, 2);
    const on = named('on', running, 0);
    expect(currentDrop([early, late], null)?.id).toBe('late');
    expect(currentDrop([early, late], early.id)?.id).toBe('early');
    expect(currentDrop([early, on, late], null)?.id).toBe('on');
    expect(currentDrop([early, on, late], late.id)?.id).toBe('late');
    expect(currentDrop([named('late', over, 2), early], late.id)?.id).toBe('early');
    expect(currentDrop([], late.id)).toBeNull();
  });
});

describe('a sale at the table', () => {
  it('is of the variant the director chose, until another product is shown', () => {
    expect(tableVariant(tee, null)?.id).toBe(plain.variants[0]?.id);
    expect(tableVariant(tee, signed)?.id).toBe(signed);
    expect(tableVariant(plain, signed)?.id).toBe(plain.variants[0]?.id);
  });
});

describe('a product’s picture', () => {
  it('comes in the sizes that fit, none of the large ones over a thin line, and as it is from an earlier version', () => {
    const widths = (thin: boolean) =>
      pictureSources('/pictures/ab', thin)
        .srcset.split(', ')
        .map((one) => one.split(' ')[1]);
    expect([widths(false), widths(true)]).toEqual([
      ['320w', '640w', '1280w'],
      ['320w', '640w'],
    ]);
    expect(pictureSources('/pictures/ab.png')).toEqual({ src: '/pictures/ab.png', srcset: '' });
    const lines = [{}, { connection: { effectiveType: '4g', saveData: false } }].map(isThinLine);
    const thin = [{ connection: { effectiveType: '3g' } }, { connection: { saveData: true } }].map(
      isThinLine,
    );
    expect([lines, thin]).toEqual([
      [false, false],
      [true, true],
    ]);
  });
});
