// Pictures of the shop in its main states: desk, product page, checkout, receipt, crew's phone. Part of shots.ts, whose show is live.
import type { Browser, Page } from 'playwright-core';
import { showId } from '../sfu-server/protocol/state.ts';
import { joinViewer } from '../tests/support/client.ts';

export type ShopShots = {
  browser: Browser;
  /** The desk of a live show with one product. */
  studio: Page;
  /** A fan's page on a phone, with the product's card. */
  viewer: Page;
  origin: string;
  shoot: (page: Page, name: string, size: 'phone' | 'laptop' | 'small') => Promise<string>;
};

const desk = (studio: Page, name: string) => studio.getByRole('button', { name, exact: true });

/** Runs a drop with a flash price, buys one piece at the table and one on the page, and leaves all pages closed but the two given. */
export const takeShop = async (shots: ShopShots): Promise<void> => {
  const { browser, studio, viewer, origin, shoot } = shots;
  const href = await viewer.locator('a[href*="/shop/"]').first().getAttribute('href');
  const buyer = async (): Promise<Page> => {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
    const page = await context.newPage();
    await page.goto(new URL(href ?? '', origin).href);
    await page
      .getByText(/left of/)
      .first()
      .waitFor();
    return page;
  };
  const hold = async (page: Page) => {
    await page.getByRole('button', { name: /^Hold/ }).click();
    await page.getByLabel('E-mail, for the receipt').fill('ada@example.com');
  };
  const first = await buyer();
  await shoot(first, 'shop', 'phone');
  await shoot(first, 'shop', 'laptop');

  await studio.getByRole('button', { name: 'Make a drop' }).click();
  await studio.getByLabel('Name of the drop').fill('Midnight drop');
  await studio.getByLabel('How many').fill('20');
  await studio.getByLabel('Flash price').fill('18');
  await shoot(studio, 'desk-drop-form', 'small');
  await studio.getByRole('button', { name: 'Make the drop' }).click();
  await desk(studio, 'Setup').click();
  await studio.getByLabel('Crew member’s name').fill('Sam');
  await studio.getByRole('button', { name: 'Make a link' }).click();
  const crewLink = await studio.getByRole('textbox', { name: 'crew link of Sam' }).inputValue();
  await shoot(studio, 'desk-setup', 'small');
  await desk(studio, 'Drop').click();
  await studio.getByRole('button', { name: 'Count down' }).click();
  await first.getByText(/^Starts in/).waitFor();
  await shoot(first, 'shop-countdown', 'phone');
  await studio.getByRole('button', { name: 'Start now' }).click();
  await first.getByText(/^Flash price for/).waitFor();
  await shoot(first, 'shop-flash', 'phone');
  await shoot(studio, 'desk-drop', 'small');

  await hold(first);
  await shoot(first, 'checkout-details', 'phone');
  await shoot(first, 'checkout-details', 'laptop');
  await first.getByText('At the table', { exact: true }).last().click();
  await first.getByRole('button', { name: /^Order/ }).click();
  await first.locator('.pickup-code').waitFor();
  await shoot(first, 'receipt-counter', 'phone');
  const second = await buyer();
  await hold(second);
  await second.getByText('Test payment', { exact: true }).click();
  await second.getByRole('button', { name: /^Pay/ }).click();
  await second.getByRole('heading', { name: 'It’s yours' }).waitFor();
  await shoot(second, 'receipt-paid', 'phone');
  await shoot(second, 'receipt-paid', 'laptop');

  const crewContext = await browser.newContext({ viewport: { width: 390, height: 844 } });
  const crew = await crewContext.newPage();
  await crew.goto(crewLink);
  await crew.locator('.queue-row').nth(1).waitFor();
  await shoot(crew, 'crew', 'laptop');
  await shoot(crew, 'crew', 'phone');
  await crew.getByText('Sold without a phone').click();
  await crew
    .getByRole('button', { name: /^Sold one: / })
    .first()
    .click();
  await crew.getByText(/^Counted: 1/).waitFor();
  await shoot(crew, 'crew-by-hand', 'phone');
  await crew.locator('.queue-row').first().click();
  await shoot(crew, 'crew-order', 'phone');

  await desk(studio, 'Orders').click();
  await studio.locator('.order-row').nth(1).waitFor();
  await shoot(studio, 'desk-orders', 'small');
  await desk(studio, 'Products').click();
  await shoot(studio, 'desk-products', 'small');
  await desk(studio, 'Drop').click();

  // A file to download; then something that is not on sale yet: a wish, and a mail when it drops.
  await desk(studio, 'Products').click();
  await studio.getByRole('button', { name: 'New product' }).click();
  await studio.getByText('More: sizes and colours, bundle, limits').click();
  await studio.getByLabel('Kind').selectOption('digital');
  await studio.getByLabel('Hours to download it after paying').scrollIntoViewIfNeeded();
  await shoot(studio, 'desk-product-digital', 'small');
  await studio.getByLabel('Kind').selectOption('physical');
  const name = 'Night hood, heavy cotton, printed on both sides';
  await studio.getByLabel('Name', { exact: true }).fill(name);
  await studio.getByLabel('Price', { exact: true }).fill('59');
  await studio.getByLabel('How many').fill('20');
  await studio.getByLabel('On sale').selectOption('dropsOnly');
  await studio.getByRole('button', { name: 'Add product' }).click();
  await studio.getByText(name).first().waitFor();
  await desk(studio, 'Drop').click();
  const [, show] = new URL(first.url()).pathname.split('/').filter((part) => part !== '');
  const visitor = await joinViewer(origin, showId.parse(show));
  const productId = visitor.joined.state.products.find((product) => product.name === name)?.id;
  visitor.close();
  if (productId === undefined) throw new Error('The product was not made.');
  const waiting = await buyer();
  await waiting.getByRole('button', { name: 'wish list' }).click();
  await waiting.goto(new URL(productId, waiting.url()).href);
  await waiting.getByLabel('Or by e-mail').waitFor();
  for (const size of ['phone', 'laptop'] as const) await shoot(waiting, 'shop-mail-and-wishes', size);
  await waiting.context().close();

  await viewer.locator('.product-button').click();
  await viewer.locator('.buy-sheet .main-action').waitFor();
  await shoot(viewer, 'viewer-checkout', 'phone');
  await viewer.getByRole('button', { name: 'Close' }).click();
  for (const page of [first, second, crew]) await page.context().close();
};
