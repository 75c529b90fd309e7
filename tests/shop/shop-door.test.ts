// The shop through real sockets of a real server: buyers who race, repeat, guess and reach for what is another's; the crew's phone;
// and a server that is killed while somebody holds something.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuyerState, DropId, ProductId, VariantId } from '../../sfu-server/protocol/shop.ts';
import { join, joinStudio, joinViewer, refusal, type JoinedClient } from '../support/client.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let studio: JoinedClient;
beforeAll(async () => {
  server = await startServer();
  studio = await joinStudio(server.origin, server.studioKey);
});
afterAll(async () => {
  studio.close();
  await server.close();
});

/** A product of one variant and, unless `open`, a drop that is not started yet. */
const stall = async (
  director: JoinedClient,
  name: string,
  stockTotal: number,
  selling: 'open' | 'dropsOnly' = 'open',
): Promise<{ productId: ProductId; variantId: VariantId; dropId: DropId }> => {
  const variants = [{ id: null, name: '', sku: null, priceMinor: null, stockTotal }];
  const basics = { description: '', priceMinor: 2000, vatNote: '', maxPerBuyer: 4, pictureUrl: null };
  const { productId } = await director.channel.call('saveProduct', {
    draft: { kind: 'physical', id: null, name, ...basics, selling, variants },
  });
  const item = { productId, quantity: null, priceMinor: null, flash: null, collector: null };
  const { dropId } = await director.channel.call('saveDrop', {
    draft: { id: null, name, items: [item], lengthMs: null, earlyAccessMs: 3_600_000 },
  });
  const added = await director.change(
    (change) => change.kind === 'product' && change.product.id === productId,
  );
  const variantId = added.kind === 'product' ? added.product.variants[0]?.id : undefined;
  if (!variantId) throw new Error('There is nothing to buy.');
  await director.change((change) => change.kind === 'drop' && change.drop.id === dropId);
  return { productId, variantId, dropId };
};

type Buyer = JoinedClient & { token: string; mine: BuyerState[] };

const comeToBuy = async (at = server, token: string | null = null): Promise<Buyer> => {
  const page = await joinViewer(at.origin, at.showId);
  const mine: BuyerState[] = [];
  page.channel.on('mine', (state) => mine.push(state));
  const identified = await page.channel.call('identifyBuyer', { buyerToken: token });
  mine.push(identified.mine);
  return { ...page, token: identified.buyerToken, mine };
};

describe('buyers', () => {
  it('[HOLD1] [WAIT4] hold on one page, see it on another of the same device, and nobody else can touch it', async () => {
    const { variantId, productId } = await stall(studio, 'Tee', 5);
    const ada = await comeToBuy();
    const hold = await ada.channel.call('hold', { variantId, quantity: 2 });
    const again = await comeToBuy(server, ada.token);
    expect(again.mine[0]?.holds).toEqual([hold]);
    await again.channel.call('changeHold', { holdId: hold.id, quantity: 3 });
    await expect.poll(() => ada.mine.at(-1)?.holds[0]?.quantity).toBe(3);

    const mallory = await comeToBuy();
    expect(mallory.mine[0]).toEqual({ holds: [], waiting: [], wishes: [], mails: [] });
    const { id: holdId } = hold;
    expect(await refusal(mallory.channel.call('changeHold', { holdId, quantity: 1 }))).toBe('notFound');
    expect(await refusal(mallory.channel.call('releaseHold', { holdId }))).toBe('notFound');
    const stranger = await joinViewer(server.origin, server.showId);
    expect(await refusal(stranger.channel.call('hold', { variantId, quantity: 1 }))).toBe('forbidden');
    expect(await refusal(stranger.channel.call('releaseHold', { holdId }))).toBe('forbidden');

    await ada.channel.call('wish', { productId, wished: true });
    await expect.poll(() => again.mine.at(-1)?.wishes).toEqual([productId]);
    await ada.channel.call('releaseHold', { holdId });
    await expect.poll(() => again.mine.at(-1)?.holds).toEqual([]);
    for (const page of [ada, again, mallory, stranger]) page.close();
  });

  it('[HOLD2] what is negative, huge, fractional, forged or repeated takes nothing, or takes once', async () => {
    const { variantId, productId } = await stall(studio, 'Mug', 5);
    const ada = await comeToBuy();
    for (const quantity of [0, -1, 1.5, 101, 1e300]) {
      expect(await refusal(ada.channel.call('hold', { variantId, quantity }))).toBe('invalidParams');
    }
    const odd = JSON.parse(
      '[{"variantId":"x","quantity":"1"},{"variantId":{},"quantity":1},{"quantity":1},[],null]',
    );
    for (const params of odd) expect(await refusal(ada.channel.call('hold', params))).toBe('invalidParams');
    const forged = JSON.parse(JSON.stringify({ variantId: `${variantId}'--`, quantity: 1, priceMinor: 1 }));
    expect(await refusal(ada.channel.call('hold', forged))).toBe('notFound');
    expect(await refusal(ada.channel.call('identifyBuyer', { buyerToken: 'guessed' }))).toBe('invalidParams');
    expect(await refusal(ada.channel.call('hold', { variantId, quantity: 5 }))).toBe('buyerLimit');

    const holds = await Promise.all(
      Array.from({ length: 4 }, () => ada.channel.call('hold', { variantId, quantity: 1 })),
    );
    expect(new Set(holds.map(({ id }) => id)).size).toBe(1);
    const moved = await studio.change(
      (change) => change.kind === 'stock' && change.products.some((one) => one.productId === productId),
    );
    expect(moved).toMatchObject({ products: [{ stock: { held: 1, sold: 0, left: 4 } }] });
    ada.close();
  });

  it('[HOLD2] [SHOP2] thirty at once for five pieces: five get one, and nobody is told of each sale', async () => {
    const { variantId, dropId, productId } = await stall(studio, 'Print', 5, 'dropsOnly');
    const crowd = await Promise.all(Array.from({ length: 30 }, () => comeToBuy()));
    const want = (page: Buyer) => page.channel.call('hold', { variantId, quantity: 1 });
    const [first] = crowd;
    if (!first) throw new Error('Nobody came.');
    expect(await refusal(want(first))).toBe('notOnSale');
    await studio.channel.call('startDrop', { dropId, countdownMs: null });
    const outcomes = await Promise.allSettled(crowd.map(want));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    const codes = outcomes.flatMap((one) =>
      one.status === 'rejected' ? [Reflect.get(Object(one.reason), 'code')] : [],
    );
    expect(new Set(codes)).toEqual(new Set(['soldOut']));
    const gone = await first.change(
      (change) =>
        change.kind === 'stock' &&
        change.products.some((one) => one.productId === productId && one.stock.left === 0),
    );
    expect(gone).toMatchObject({ drops: [{ dropId, stock: { total: 5, held: 5, sold: 0, left: 0 } }] });
    expect(first.changes.filter((change) => change.kind === 'stock').length).toBeLessThan(5);
    for (const page of crowd) page.close();
  });

  it('[HOLD4] [DROP5] who asks too often or guesses codes is told to wait, and others are not', async () => {
    const { variantId, dropId } = await stall(studio, 'Zine', 5, 'dropsOnly');
    const { codes } = await studio.channel.call('addEarlyAccessCodes', { dropId, count: 1, usesEach: 1 });
    const startsMs = Date.now() + 1_800_000;
    await studio.channel.call('scheduleDrop', { dropId, startsMs, countdownMs: null });
    const guess = (page: Buyer, code?: string) =>
      refusal(page.channel.call('hold', { variantId, quantity: 1, code }));
    const mallory = await comeToBuy();
    // All at once: what is still being looked at counts as well.
    const guesses = await Promise.all(
      Array.from({ length: 7 }, (_, n) => guess(mallory, `AAAA-AAA${n + 2}`)),
    );
    expect(guesses.toSorted()).toEqual([...Array(5).fill('badCode'), ...Array(2).fill('tooFast')]);
    const again: string[] = [];
    for (let n = 0; n < 30; n += 1) again.push(await guess(mallory));
    expect(again).toContain('notOnSale');
    expect(again).toContain('tooFast');
    const ada = await comeToBuy();
    expect(await ada.channel.call('hold', { variantId, quantity: 1, code: codes[0] })).toMatchObject({
      dropId,
    });
    mallory.close();
    ada.close();
  });
});

describe('the crew', () => {
  it('[CREW1] [STATE2] [SHOP4] a phone runs the drop and counts sales by its link until that is withdrawn; fans hear of a drop when it is announced', async () => {
    const { dropId, productId, variantId } = await stall(studio, 'Cap', 5, 'dropsOnly');
    const fan = await joinViewer(server.origin, server.showId);
    expect(fan.joined.state.drops.some(({ id }) => id === dropId)).toBe(false);
    const { crew, token } = await studio.channel.call('inviteCrew', { name: 'Cleo' });
    const phone = await join(server.origin, () => ({ as: 'crew', token }));
    expect(phone.joined).toMatchObject({ crewId: crew.id, media: null });
    expect(phone.joined.state.drops.some(({ id }) => id === dropId)).toBe(true);
    await studio.change((change) => change.kind === 'crew' && change.crew.presence === 'here');
    expect(await refusal(fan.channel.call('startDrop', { dropId, countdownMs: null }))).toBe('forbidden');

    await phone.channel.call('startDrop', { dropId, countdownMs: 60_000 });
    await fan.change((change) => change.kind === 'drop' && change.drop.state.kind === 'countdown');
    await phone.channel.call('cancelDropStart', { dropId });
    await fan.change((change) => change.kind === 'dropRemoved' && change.dropId === dropId);
    expect(await refusal(phone.channel.call('pauseDrop', { dropId }))).toBe('wrongPhase');
    await phone.channel.call('startDrop', { dropId, countdownMs: null });
    await fan.change((change) => change.kind === 'drop' && change.drop.state.kind === 'running');

    const sale = { productId, variantId, quantity: 2 };
    await phone.channel.call('recordSale', sale);
    const sold = (pieces: number) =>
      fan.change(
        (change) =>
          change.kind === 'stock' &&
          change.drops.some((one) => one.dropId === dropId && one.stock.sold === pieces),
      );
    await sold(2);
    await phone.channel.call('recordSale', { ...sale, quantity: -1 });
    await sold(1);
    expect(await refusal(phone.channel.call('recordSale', { ...sale, quantity: 5 }))).toBe('limit');
    expect(await refusal(fan.channel.call('recordSale', sale))).toBe('forbidden');

    await studio.channel.call('revokeCrew', { crewId: crew.id });
    expect(await phone.closed).toBe('revoked');
    expect(await refusal(join(server.origin, () => ({ as: 'crew', token })))).toBe('revoked');
    fan.close();
  });
});

describe('a killed server', () => {
  it('[HOLD7] [DROP7] is back with the drop, the hold and its buyer, and sells on', async () => {
    const data = await mkdtemp(joinPath(tmpdir(), 'live-drop-killed-'));
    const before = await startServer({ data });
    const director = await joinStudio(before.origin, before.studioKey);
    const { variantId, dropId, productId } = await stall(director, 'Tee', 3, 'dropsOnly');
    await director.channel.call('startDrop', { dropId, countdownMs: null });
    const ada = await comeToBuy(before);
    const hold = await ada.channel.call('hold', { variantId, quantity: 2 });
    await before.stop('SIGKILL');

    const after = await startServer({ data });
    const back = await comeToBuy(after, ada.token);
    expect(back.mine[0]?.holds).toEqual([hold]);
    expect(back.joined.state.drops).toMatchObject([{ id: dropId, state: { kind: 'running' } }]);
    const ben = await comeToBuy(after);
    expect(await refusal(ben.channel.call('hold', { variantId, quantity: 2 }))).toBe('soldOut');
    expect(await ben.channel.call('joinWaiting', { variantId, quantity: 2 })).toEqual({ place: 1 });
    await back.channel.call('releaseHold', { holdId: hold.id });
    await expect
      .poll(() => ben.mine.at(-1)?.holds)
      .toMatchObject([{ productId, origin: 'offered', quantity: 2 }]);
    for (const page of [back, ben]) page.close();
    await after.stop();
    await rm(data, { recursive: true, force: true });
  });
});
