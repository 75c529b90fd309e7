// "Tell me when it drops" by mail: real rules, real database, a real mail server that keeps what it is given, a clock that moves when
// told.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Product } from '../../sfu-server/protocol/shop.ts';
import { forgetAddress } from '../../sfu-server/shop/drop-mails.ts';
import { startMailServer, type MailServer } from '../support/mail-server.ts';
import { addDrop, addProduct, buyer, minute, openStall, refused, type Stall } from '../support/stall.ts';
import { fakeClock } from '../support/wires.ts';

let post: MailServer;
let clock = fakeClock();
const errors: string[] = [];
beforeAll(async () => {
  post = await startMailServer();
});
afterAll(() => post.close());
beforeEach(() => {
  post.received.length = 0;
  errors.length = 0;
  clock = fakeClock();
});

const mailing = (file?: string): Stall =>
  openStall(file, clock, { smtpUrl: post.url, mailFrom: 'Shop <shop@example.com>' }, (text) =>
    errors.push(text),
  );
const ask = ({ shop }: Stall, name: string, product: Product, email: string | null = `${name}@example.com`) =>
  shop.mailWhenItDrops(buyer(name), { productId: product.id, email });
const start = ({ shop }: Stall, drop: ReturnType<typeof addDrop>) =>
  shop.drops.act(drop, { kind: 'start', countdownMs: null });
/** As people read it: folded headers and quoted-printable lines joined. */
const textTo = async (to: string) =>
  (await post.mailTo(to)).replaceAll('\r\n ', ' ').replaceAll('=\r\n', '').replaceAll('=3D', '=');
const refusal = (run: () => void): string => refused(run).code;
/** The mail server has taken it, and it is written down. */
const told = async ({ shop }: Stall, name: string): Promise<void> => {
  await expect.poll(() => shop.buyerState(buyer(name)).mails).toEqual([]);
};
const kept = ({ store }: Stall): string[] =>
  store
    .query(z.object({ address: z.string() }), 'SELECT address FROM drop_mails ORDER BY id')
    .all()
    .map(({ address }) => address);

describe('a mail when it drops', () => {
  it('[MAIL2] goes out once to each address at the start, names all of the drop that was asked for, and the address goes with the drop', async () => {
    const stall = mailing();
    const tee = addProduct(stall, 'Tee', { tee: 5 });
    const mug = addProduct(stall, 'Mug', { mug: 5 });
    const terms = { quantity: 5, priceMinor: null, flash: null, collector: null };
    const drop = stall.shop.drops.save({
      id: null,
      name: 'Pair',
      items: [tee, mug].map(({ id }) => ({ productId: id, ...terms })),
      lengthMs: 10 * minute,
      earlyAccessMs: null,
    });
    const later = addProduct(stall, 'Later', { later: 5 });
    ask(stall, 'ada', tee);
    ask(stall, 'ada', tee);
    ask(stall, 'ada', mug);
    ask(stall, 'bob', tee);
    ask(stall, 'cem', later);
    expect(stall.shop.buyerState(buyer('ada')).mails.toSorted()).toEqual([mug.id, tee.id].toSorted());
    start(stall, drop);
    clock.advance(1);
    const mail = await textTo('ada@example.com');
    expect(mail).toContain('https://drop.example/shop/show-1/' + tee.id);
    expect(mail).toContain('https://drop.example/shop/show-1/' + mug.id);
    expect(mail).toMatch(/^List-Unsubscribe: +<https:\/\/drop\.example\/forget\/[\w-]{32}>/m);
    expect(mail).toContain('List-Unsubscribe-Post: List-Unsubscribe=One-Click');
    await told(stall, 'bob');
    stall.shop.drops.act(drop, { kind: 'pause' });
    stall.shop.drops.act(drop, { kind: 'resume' });
    clock.advance(minute);
    expect(post.received.map(({ to }) => to)).toEqual(['ada@example.com', 'bob@example.com']);
    expect(refusal(() => ask(stall, 'dee', tee))).toBe('wrongPhase');
    stall.shop.drops.act(drop, { kind: 'end', by: 'director' });
    expect(kept(stall)).toEqual(['cem@example.com']);
    stall.end();
    expect(kept(stall)).toEqual([]);
    expect(refusal(() => ask(stall, 'dee', tee))).toBe('wrongPhase');
    stall.close();
  });

  it('[MAIL3] is called off on the page, or by the link in the mail for all of the show; another’s link and a wrong one do nothing', async () => {
    const stall = mailing();
    const tee = addProduct(stall, 'Tee', { tee: 5 });
    const mug = addProduct(stall, 'Mug', { mug: 5 });
    const drop = addDrop(stall, tee, { quantity: 5 });
    for (const name of ['ada', 'bob', 'cem']) ask(stall, name, tee);
    ask(stall, 'ada', mug);
    ask(stall, 'cem', tee, null);
    expect(stall.shop.buyerState(buyer('cem')).mails).toEqual([]);
    start(stall, drop);
    clock.advance(1);
    const token = /forget\/([\w-]{32})/.exec(await textTo('ada@example.com'))?.[1] ?? '';
    await told(stall, 'bob');
    forgetAddress(stall.store, 'x'.repeat(32));
    expect(kept(stall)).toEqual(['ada@example.com', 'bob@example.com', 'ada@example.com']);
    forgetAddress(stall.store, token);
    expect(kept(stall)).toEqual(['bob@example.com']);
    forgetAddress(stall.store, token);
    expect(post.received.map(({ to }) => to)).not.toContain('cem@example.com');
    stall.close();
  });

  it('[MAIL2] is tried again under the same id when the mail server refuses, and after a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'live-drop-mails-'));
    const file = join(folder, 'show.db');
    const before = mailing(file);
    const tee = addProduct(before, 'Tee', { tee: 5 });
    const drop = addDrop(before, tee, { quantity: 5 });
    ask(before, 'ada', tee);
    post.refuseNext(1);
    start(before, drop);
    clock.advance(1);
    await expect.poll(() => errors).toEqual(['the mail about a drop could not be sent']);
    before.close();
    const after = mailing(file);
    clock.advance(1);
    expect(await textTo('ada@example.com')).toContain(`Message-ID: <drop-${drop}-1@live-drop>`);
    await told(after, 'ada');
    after.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('[MAIL4] is refused where no mail is sent, and to one who asks for many', () => {
    const without = openStall();
    const plain = addProduct(without, 'Tee', { tee: 5 });
    expect(refusal(() => ask(without, 'ada', plain))).toBe('wrongPhase');
    without.close();
    const stall = mailing();
    const products = Array.from({ length: 21 }, (_, n) => addProduct(stall, `Tee ${n}`, { [`tee${n}`]: 1 }));
    const [first] = products;
    if (!first) throw new Error('There is no product.');
    for (const name of ['one', 'two', 'three']) ask(stall, 'ada', first, `${name}@example.com`);
    expect(refusal(() => ask(stall, 'ada', first, 'four@example.com'))).toBe('limit');
    for (const product of products.slice(0, 20)) ask(stall, 'bob', product);
    expect(refusal(() => products.slice(20).forEach((product) => ask(stall, 'bob', product)))).toBe('limit');
    expect(refusal(() => ask(stall, 'cem', { ...first, id: plain.id }))).toBe('notFound');
    stall.close();
  });
});
