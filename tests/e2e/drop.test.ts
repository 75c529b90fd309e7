// A whole drop as people live through it, in real browsers: a director at the desk, twenty fans on the product page, somebody at the
// table with a phone. Eight pieces; one is paid at the table, one refunded and held for who waits first, who walks away: it goes to the next.
import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DropId, ProductId } from '../../sfu-server/protocol/shop.ts';
import { expectAccessible } from '../support/accessible.ts';
import { launchBrowser, patienceMs } from '../support/browser.ts';
import { joinStudio, joinViewer, refusal } from '../support/client.ts';
import { startMailServer, type MailServer } from '../support/mail-server.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { closePeople } from './studio-steps.ts';

const phone = { width: 390, height: 844 };
const laptop = { width: 1280, height: 720 };
const fans = 20;
const pieces = 8;
/** The shortest a shop may set: one fan from the waiting list walks away. */
const offerMs = 30_000;
/** Nobody here may run out of time because the machine is slow. */
const holdMs = 3_600_000;
const collectorMs = 40_000;

let server: TestServer;
let browser: Browser;
let post: MailServer;
const problems: string[] = [];

const openPage = async (url: string, viewport: typeof phone): Promise<Page> => {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  page.on('pageerror', (error) => problems.push(`${url}: ${error.message}`));
  await page.goto(url);
  return page;
};

/** Product, drop and crew link, as the director made them before the doors opened. */
const setUp = async (): Promise<{ productId: ProductId; dropId: DropId; crewToken: string }> => {
  const director = await joinStudio(server.origin, server.studioKey);
  const { channel, joined } = director;
  await channel.call('saveShopSettings', {
    settings: { ...joined.state.shop, currency: 'GBP', holdMs, offerMs, seller: 'Night Press' },
  });
  const { productId } = await channel.call('saveProduct', {
    draft: {
      kind: 'physical',
      id: null,
      name: 'Night tee',
      description: 'Printed tonight.',
      priceMinor: 2_500,
      vatNote: 'incl. 20 % VAT',
      maxPerBuyer: 1,
      selling: 'dropsOnly',
      pictureUrl: null,
      variants: [
        { id: null, name: 'Plain', sku: 'TEE', priceMinor: null, stockTotal: pieces },
        { id: null, name: 'Signed', sku: 'TEE-S', priceMinor: 4_500, stockTotal: 2 },
      ],
    },
  });
  await channel.call('featureProduct', { productId });
  const viewer = await joinViewer(server.origin, server.showId);
  const signed = viewer.joined.state.products[0]?.variants.find(({ name }) => name === 'Signed');
  viewer.close();
  if (!signed) throw new Error('The product has no signed variant.');
  const { dropId } = await channel.call('saveDrop', {
    draft: {
      id: null,
      name: 'Midnight',
      items: [
        {
          productId,
          quantity: pieces,
          priceMinor: 2_000,
          flash: { priceMinor: 1_500, windowMs: 600_000 },
          collector: { variantId: signed.id, windowMs: collectorMs },
        },
      ],
      lengthMs: 600_000,
      earlyAccessMs: null,
    },
  });
  const { token } = await channel.call('inviteCrew', { name: 'Sam' });
  director.close();
  return { productId, dropId, crewToken: token };
};

/** Every page hears of it: of something new about the shop. */
const renameSeller = async (seller: string): Promise<void> => {
  const director = await joinStudio(server.origin, server.studioKey);
  const settings = { ...director.joined.state.shop, seller };
  await director.channel.call('saveShopSettings', { settings });
  director.close();
};

/** Gives the phone a camera that sees nothing, until it is held before a picture. */
const giveCamera = (page: Page): Promise<void> =>
  page.evaluate(() => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [1280, 720];
    const pen = canvas.getContext('2d');
    let seen: HTMLImageElement | null = null;
    addEventListener('hold-before', (event) => {
      if (event instanceof CustomEvent && event.detail instanceof HTMLImageElement) seen = event.detail;
    });
    setInterval(() => {
      pen?.fillRect(0, 0, canvas.width, canvas.height);
      if (seen) pen?.drawImage(seen, 440, 160, 400, 400);
    }, 100);
    let opened = 0;
    navigator.mediaDevices.getUserMedia = () => {
      document.body.dataset['cameraOpened'] = String((opened += 1));
      return Promise.resolve(canvas.captureStream(10));
    };
  });
const holdBefore = (page: Page, png: Buffer): Promise<void> =>
  page.evaluate(
    async (address) => {
      const picture = new Image();
      picture.src = address;
      await picture.decode();
      dispatchEvent(new CustomEvent('hold-before', { detail: picture }));
    },
    `data:image/png;base64,${png.toString('base64')}`,
  );

/** When the page first says this of a variant, by its clock. */
const variantSays = (page: Page, words: string): Promise<number> =>
  page.evaluate(
    (wanted) =>
      new Promise<number>((resolve) => {
        const look = () => {
          const said = [...document.querySelectorAll('.variant-words')].map((one) => one.textContent);
          if (!said.includes(wanted)) return;
          watching.disconnect();
          resolve(Date.now());
        };
        const watching = new MutationObserver(look);
        watching.observe(document.body, { subtree: true, childList: true, characterData: true });
        look();
      }),
    words,
  );

const main = (page: Page) => page.locator('.main-action:visible');

/** As fast as a page can; who comes when nothing is left has no such button any more. */
const pressHold = (page: Page): Promise<void> =>
  page.locator('.main-action').evaluate((button: HTMLElement) => {
    if (button.textContent.startsWith('Hold')) button.click();
  });

/** From the hold to the receipt. */
const pay = async (page: Page, email: string, way: string): Promise<void> => {
  await page.getByLabel('E-mail, for the receipt').fill(email);
  await page.getByText(way, { exact: true }).click();
  await main(page).click();
  await page.locator('.receipt-title').waitFor();
};
const paidTitle = (page: Page) => page.getByRole('heading', { name: 'It’s yours' });

beforeAll(async () => {
  post = await startMailServer();
  browser = await launchBrowser();
});
// A shop for each test, and for its second try.
beforeEach(async () => {
  const env = { LIVE_DROP_SMTP_URL: post.url, LIVE_DROP_MAIL_FROM: 'Night Press <shop@example.com>' };
  server = await startServer({ env });
  problems.length = 0;
  post.received.length = 0;
  return async () => {
    await closePeople(browser);
    await server.close();
  };
});
afterAll(async () => {
  await browser.close();
  await post.close();
});

describe('a drop', () => {
  test('[SHOP1] twenty fans, eight pieces: each is sold once, what comes back goes to who waited, the till is right', async () => {
    const { productId, crewToken } = await setUp();
    const url = `${server.origin}/shop/${server.showId}/${productId}`;
    const desk = await openPage(server.studioUrl, laptop);
    const crowd = await Promise.all(Array.from({ length: fans }, () => openPage(url, phone)));
    const [first] = crowd;
    if (!first) throw new Error('Nobody came.');

    // Before the start nothing can be held; whoever wants is told.
    await Promise.all(
      crowd.map((page) => page.getByRole('button', { name: 'Tell me when it drops' }).waitFor()),
    );
    await expectAccessible(first);

    // One key at the desk opens every page. The collector variant is there, for a while.
    await desk.getByText('Midnight').first().waitFor();
    await desk.keyboard.press('Shift+D');
    await first.getByText('Signed').click();
    await first.getByRole('button', { name: 'Hold one for £45' }).click();
    await first.getByText('Held for you for').waitFor();
    await expectAccessible(first);

    // Everybody at once: seven pieces are left for nineteen.
    const others = crowd.slice(1);
    await Promise.all(others.map((page) => page.getByRole('button', { name: 'Hold one for £15' }).waitFor()));
    await Promise.all(others.map(pressHold));
    const held = (page: Page) => page.getByText('Held for you for');
    const line = (page: Page) => page.getByRole('button', { name: 'Join the waiting list' });
    await Promise.all(others.map((page) => held(page).or(line(page)).waitFor()));
    const holding: Page[] = [];
    const without: Page[] = [];
    for (const page of others) ((await held(page).isVisible()) ? holding : without).push(page);
    expect(holding).toHaveLength(pieces - 1);
    const [atTable, refunded, ...rest] = holding;
    const [absent, next] = without;
    const onlooker = without.at(-1);
    if (!atTable || !refunded || !absent || !next || !onlooker) throw new Error('Not enough fans.');
    const goneMs = variantSays(onlooker, 'Gone: first minutes only');

    // Two wait in line, in this order.
    await absent.getByRole('button', { name: 'Join the waiting list' }).click();
    await absent.getByText('You are number 1').waitFor();
    await next.getByRole('button', { name: 'Join the waiting list' }).click();
    await next.getByText('You are number 2').waitFor();

    // A refund at the desk puts the piece back, and it is held for the first in line, who has walked away.
    await pay(refunded, 'refunded@example.com', 'Test payment');
    await paidTitle(refunded).waitFor();
    const refundCode = await refunded.locator('.pickup-code').innerText();
    await desk.getByRole('button', { name: 'Orders', exact: true }).click();
    await desk.getByRole('button', { name: refundCode }).click();
    await desk.getByRole('button', { name: 'Refund' }).click();
    await desk.getByRole('button', { name: 'Give the money back' }).click();
    await refunded.getByRole('heading', { name: 'Refunded' }).waitFor();
    await absent.getByText('One came free: held for you for').waitFor();

    // What is typed and held is still there after the page was away.
    await first.getByLabel('E-mail, for the receipt').fill('first@example.com');
    await first.reload();
    await first.getByText('Held for you for').waitFor();
    expect(await first.getByLabel('E-mail, for the receipt').inputValue()).toBe('first@example.com');

    await pay(first, 'first@example.com', 'Test payment');
    await pay(atTable, 'table@example.com', 'At the table');
    await Promise.all(rest.map((page, index) => pay(page, `fan${index}@example.com`, 'Test payment')));
    await Promise.all([first, ...rest].map((page) => paidTitle(page).waitFor()));
    await expectAccessible(first);
    const firstCode = await first.locator('.pickup-code').innerText();
    const [saved] = await Promise.all([
      first.waitForEvent('download'),
      first.getByRole('button', { name: 'Save the receipt as text' }).click(),
    ]);
    expect(await readFile(await saved.path(), 'utf8')).toContain(`Order ${firstCode}`);

    // At the table: money by the code that is read out, then the piece by the one on the fan's screen. The camera stays open while
    // there is news.
    const code = await atTable.locator('.pickup-code').innerText();
    const crew = await openPage(`${server.origin}/crew#t=${crewToken}`, phone);
    await crew.getByLabel('Or type the code').fill(code.toLowerCase());
    await crew.getByRole('button', { name: 'Find' }).click();
    await crew.getByRole('button', { name: 'Got cash' }).click();
    await crew.getByRole('button', { name: 'Handed out' }).waitFor();
    await crew.getByRole('button', { name: 'Next one' }).click();
    await giveCamera(crew);
    await crew.getByRole('button', { name: 'Scan a code' }).click();
    await crew.locator('body[data-camera-opened="1"]').waitFor();
    await renameSeller('Night Press, at the gate');
    await holdBefore(crew, await atTable.locator('.receipt-qr').screenshot());
    await crew.getByRole('button', { name: 'Handed out' }).click();
    await crew.getByRole('button', { name: /^Undo/ }).waitFor();
    expect(await crew.locator('body').getAttribute('data-camera-opened')).toBe('1');
    await expectAccessible(crew);
    await atTable.getByRole('heading', { name: 'Done' }).waitFor();

    // The collector variant goes by the server's clock, on every page, and cannot be had any more. (The first minutes here are
    // seconds; a page's own clock may be off by half a round trip.)
    const seenMs = await goneMs;
    const late = await joinViewer(server.origin, server.showId);
    const drop = late.joined.state.drops.at(-1)?.state;
    const signed = late.joined.state.products[0]?.variants.find(({ name }) => name === 'Signed');
    if ((drop?.kind !== 'soldOut' && drop?.kind !== 'running') || !signed) throw new Error('Nothing is on.');
    expect(seenMs - drop.startedMs).toBeGreaterThan(collectorMs / 2);
    await late.channel.call('identifyBuyer', { buyerToken: null });
    expect(await refusal(late.channel.call('hold', { variantId: signed.id, quantity: 1 }))).toBe('notOnSale');
    late.close();

    // The fan who walked away is told what happened; the piece goes to the second in line.
    await next.getByText('One came free: held for you for').waitFor();
    await absent.getByText('The time for Night tee ran out').waitFor();
    await pay(next, 'next@example.com', 'Test payment');
    await paidTitle(next).waitFor();

    // The counts, the till and every page say the same.
    await Promise.all(
      without.slice(2).map((page) => page.getByText('Sold out', { exact: true }).first().waitFor()),
    );
    const check = await joinViewer(server.origin, server.showId);
    const item = check.joined.state.drops.at(-1)?.items[0];
    expect(item?.stock).toMatchObject({ total: pieces, held: 0, sold: pieces, left: 0 });
    check.close();
    const director = await joinStudio(server.origin, server.studioKey);
    const { totals } = await director.channel.call('listOrders', { before: null, only: 'all' });
    // One signed at 45; eight at 15, of which one was given back.
    expect(totals).toMatchObject({ takenMinor: 4_500 + 8 * 1_500, refundedMinor: 1_500 });
    director.close();
    expect(problems).toEqual([]);
  });

  test('of two products is made by the form at the desk, shown by the director’s tap, and each page leads to the other', async () => {
    const director = await joinStudio(server.origin, server.studioKey);
    const productOf = async (name: string) => {
      const { productId } = await director.channel.call('saveProduct', {
        draft: {
          kind: 'physical',
          id: null,
          name,
          description: '',
          priceMinor: 3_000,
          vatNote: '',
          maxPerBuyer: null,
          selling: 'dropsOnly',
          pictureUrl: null,
          variants: [{ id: null, name: '', sku: null, priceMinor: null, stockTotal: 9 }],
        },
      });
      return productId;
    };
    const hood = await productOf('Hood');
    const cap = await productOf('Cap');
    await director.channel.call('featureProduct', { productId: hood });
    director.close();
    const desk = await openPage(server.studioUrl, laptop);
    await desk
      .getByRole('button', { name: 'New drop' })
      .or(desk.getByRole('button', { name: 'Make a drop' }))
      .click();
    await desk.getByLabel('Name of the drop').fill('Late pair');
    await desk.getByRole('button', { name: '+ Another product' }).click();
    await desk.getByLabel('Sells').last().selectOption(cap);
    const capPart = desk.getByRole('group', { name: 'Cap in the drop' });
    await capPart.getByLabel('How many').fill('four');
    await desk.getByRole('button', { name: 'Make the drop' }).click();
    await desk.getByText('Cap: write how many the drop has').waitFor();
    await capPart.getByLabel('How many').fill('4');
    await capPart.getByLabel('Drop price').fill('12');
    await expectAccessible(desk);
    await desk.getByRole('button', { name: 'Make the drop' }).click();
    await desk.getByText('Late pair').first().waitFor();

    // A fan of the first one leaves an address, and need not keep the page open.
    const asker = await openPage(`${server.origin}/shop/${server.showId}/${hood}`, phone);
    await asker.getByLabel('Or by e-mail').fill('ada@example.com');
    await asker.getByRole('button', { name: 'Mail me' }).click();
    await asker.getByText('A mail goes out when it starts.').waitFor();
    await asker.getByRole('button', { name: 'Tell me when it drops' }).click();
    await asker.getByRole('button', { name: 'On your wish list' }).waitFor();
    await asker.goto(`${server.origin}/shop/${server.showId}/${cap}`);
    await asker
      .getByRole('navigation', { name: 'Your wish list' })
      .getByRole('link', { name: /^Hood/ })
      .waitFor();
    await expectAccessible(asker);
    await asker.context().close();
    await desk.getByRole('button', { name: 'Start the drop' }).click();
    expect(await post.mailTo('ada@example.com')).toContain('It has begun');
    const fan = await openPage(`${server.origin}/watch/${server.showId}`, phone);
    await fan.getByRole('link', { name: /^Cap.*12 · 4 left of 4/ }).waitFor();
    await desk.getByRole('button', { name: 'Show Cap on the card' }).click();
    await fan.getByRole('link', { name: /^Hood.*30 · 9 left of 9/ }).waitFor();
    await expectAccessible(fan);
    await fan.goto(`${server.origin}/shop/${server.showId}/${hood}`);
    await fan.getByRole('link', { name: /^Cap.*12 · 4 left of 4/ }).click();
    await fan.getByRole('button', { name: /^Hold one for .12$/ }).waitFor();
    await expectAccessible(fan);
    await desk.context().close();
    await fan.context().close();
  });
});
