// The fan page and the product page in real Chromium, against the real server and a studio that really sends.
// One show from set-up to its end, as a fan lives through it, outage of the server included.
import type { Browser, Page, Response } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { productId } from '../../sfu-server/protocol/shop.ts';
import { expectAccessible } from '../support/accessible.ts';
import { launchBrowser, patienceMs } from '../support/browser.ts';
import { joinViewer } from '../support/client.ts';
import { nightTee } from '../support/products.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { openSyntheticStudio, type SyntheticStudio } from '../support/synthetic-studio/index.ts';
import { closePeople } from './studio-steps.ts';

const phone = { width: 390, height: 844 };
const laptop = { width: 1280, height: 800 };

let server: TestServer;
let browser: Browser;
let studio: SyntheticStudio;
const problems: string[] = [];

declare global {
  interface Window {
    connections: RTCPeerConnection[];
  }
}

/** Runs in the page: keeps its connections where a test can ask them what they received. */
const keepConnections = () => {
  window.connections = [];
  class KeptConnection extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      window.connections.push(this);
    }
  }
  Object.defineProperty(window, 'RTCPeerConnection', { value: KeptConnection });
};

/** A page of its own context, whose errors fail the suite at its end. */
const openPage = async (viewport: typeof phone, url: string): Promise<Page> => {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  await page.addInitScript(keepConnections);
  page.on('pageerror', (error) => problems.push(`${url}: ${error.message}`));
  await page.goto(url);
  return page;
};

const status = (page: Page) => page.locator('[role="status"]').first();
const badge = (page: Page, kind: string) => page.locator(`.badge-${kind}`).waitFor({ timeout: patienceMs });

/** Resolves when `count` more frames have been on the page's screen. */
const frames = (page: Page, count: number) =>
  page.evaluate(
    (wanted) =>
      new Promise<number>((resolve) => {
        const video = document.querySelector<HTMLVideoElement>('#program');
        if (!video) throw new Error('There is no video.');
        let seen = 0;
        const next = () => {
          seen += 1;
          if (seen >= wanted) resolve(seen);
          else video.requestVideoFrameCallback(next);
        };
        video.requestVideoFrameCallback(next);
      }),
    count,
  );

/** Packets of one kind that the page's connections have received, all together. */
const received = (page: Page, kind: 'audio' | 'video') =>
  page.evaluate(async (wanted) => {
    const reports = await Promise.all(window.connections.map((connection) => connection.getStats()));
    return reports
      .flatMap((report) => [...report.values()])
      .filter((entry) => entry.type === 'inbound-rtp' && entry.kind === wanted)
      .reduce((sum: number, entry) => sum + Number(entry.packetsReceived), 0);
  }, kind);

const shownHeight = (page: Page) =>
  page.evaluate(() => document.querySelector<HTMLVideoElement>('#program')?.videoHeight ?? 0);

/** Mean brightness, 0-255, of what the video element shows: a black frame is near 0. */
const brightness = (page: Page) =>
  page.evaluate(() => {
    const video = document.querySelector<HTMLVideoElement>('#program');
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 16;
    const context = canvas.getContext('2d');
    if (!video || !context) throw new Error('Nothing to look at.');
    context.drawImage(video, 0, 0, 16, 16);
    const { data } = context.getImageData(0, 0, 16, 16);
    return data.reduce((sum, value, index) => (index % 4 === 3 ? sum : sum + value), 0) / (16 * 16 * 3);
  });

/** What the server holds for the buyer on this page, by another connection with the page's own token. */
const heldBy = async (page: Page) => {
  const buyerToken = await page.evaluate(() => localStorage.getItem('buyer'));
  const other = await joinViewer(server.origin, server.showId);
  const { mine } = await other.channel.call('identifyBuyer', { buyerToken });
  other.close();
  return mine.holds.map(({ id, stage, deadlineMs }) => ({ id, stage, deadlineMs }));
};

const productUrl = async (page: Page) => {
  const path = await page.getByRole('link', { name: /Get it/ }).getAttribute('href');
  return `${server.origin}${path}`;
};

/** The studio's show has a product and goes on air. */
const goOnAir = async () => {
  await studio.call('setTitle', { title: 'Night market drop' });
  await studio.call('setProduct', nightTee);
  await studio.goLive();
};

beforeAll(async () => {
  browser = await launchBrowser();
});
// A show for each test, and for its second try.
beforeEach(async () => {
  problems.length = 0;
  server = await startServer();
  return async () => {
    await closePeople(browser);
    await server.close();
  };
});
afterAll(() => browser.close());

describe('a show as a fan lives through it', () => {
  let fan: Page;

  beforeEach(async () => {
    studio = await openSyntheticStudio(browser, server);
    fan = await openPage(phone, server.viewerUrl); // Resolves with the load event.
  });

  const begin = async () => {
    await goOnAir();
    await badge(fan, 'live');
    await frames(fan, 10);
    expect(await brightness(fan)).toBeGreaterThan(20);
  };

  test('[MEDIA7] it starts by itself, muted and without sound being sent; the card is whole; the layer follows its size', async () => {
    // Before it the page says so, and has finished loading.
    await badge(fan, 'soon');
    await expect.poll(() => status(fan).textContent()).toContain('Starts soon');
    await expectAccessible(fan);

    await begin();

    // One tap gives sound; m takes it away again.
    const muted = () => fan.evaluate(() => document.querySelector<HTMLVideoElement>('#program')?.muted);
    const audioPackets = () => received(fan, 'audio');
    expect(await muted()).toBe(true);
    // The picture has come for a while, and not one packet of sound.
    expect(await received(fan, 'video')).toBeGreaterThan(0);
    expect(await audioPackets()).toBe(0);
    await fan.getByRole('button', { name: 'Tap for sound' }).click();
    expect(await muted()).toBe(false);
    await expect.poll(audioPackets).toBeGreaterThan(0);
    await fan.keyboard.press('m');
    expect(await muted()).toBe(true);

    // The card is below the picture and not over it.
    const card = fan.getByRole('article', { name: 'Night tee' });
    expect(await card.innerText()).toMatch(/£25[\s\S]*50 left of 50/);
    const picture = await fan.locator('#program').boundingBox();
    const box = await card.boundingBox();
    expect(box && picture && box.y >= picture.y + picture.height).toBe(true);
    expect(box && box.y + box.height <= phone.height).toBe(true);
    await expectAccessible(fan);

    // On a laptop the card is beside a larger picture.
    await fan.setViewportSize({ width: 320, height: 640 });
    await expect.poll(() => shownHeight(fan)).toBe(180);
    const before = await fan.locator('#program').boundingBox();
    await fan.setViewportSize(laptop);
    await expect.poll(() => shownHeight(fan)).toBe(360);
    const after = await fan.locator('#program').boundingBox();
    expect((after?.height ?? 0) / (before?.height ?? 1)).toBeGreaterThan(2);
    const beside = await card.boundingBox();
    expect(beside && after && beside.x >= after.x + after.width).toBe(true);
    await expectAccessible(fan);
    expect(problems).toEqual([]);
  });

  test('sales are on the fan page and the product page at once; the clip is called what it is; the end is said', async () => {
    await begin();
    const shop = await openPage(phone, await productUrl(fan));
    await expect.poll(() => shop.locator('#stock').textContent()).toBe('50 left of 50');
    await expectAccessible(shop);
    const product = new URL(shop.url()).pathname.split('/').at(-1) ?? '';
    const sell = async (quantity: number, words: string) => {
      const seen = [shop.locator('#stock'), fan.locator('.stock-words')].map((place) =>
        place.filter({ hasText: words }).waitFor({ timeout: patienceMs }),
      );
      await studio.call('recordSale', { productId: productId.parse(product), quantity });
      await Promise.all(seen);
    };
    await sell(38, '12 left of 50');
    await sell(12, 'Sold out');
    await shop.getByRole('button', { name: 'Join the waiting list' }).waitFor();
    await sell(-3, '3 left of 50');
    await shop.context().close();

    // The clip still sells.
    await studio.call('lockProgram', { lock: 'standby' });
    await badge(fan, 'standby');
    await frames(fan, 5);
    expect(await status(fan).textContent()).toBe('Back in a moment');
    expect(await fan.getByRole('link', { name: /Get it/ }).isVisible()).toBe(true);
    await studio.call('lockProgram', { lock: 'none' });
    await badge(fan, 'live');

    // Said to who is here, and to who comes afterwards.
    await studio.call('endShow', {});
    await badge(fan, 'ended');
    const late = await openPage(laptop, server.viewerUrl);
    await badge(late, 'ended');
    await expectAccessible(late);
    expect(problems).toEqual([]);
  });

  test('through a stopped picture and a killed server the last picture stays and the page says so; it comes back without a reload', async () => {
    await begin();
    // The picture stops while the server still answers.
    const workers = server.workerPids();
    expect(workers.length).toBeGreaterThanOrEqual(2);
    for (const pid of workers) process.kill(pid, 'SIGSTOP');
    try {
      await badge(fan, 'reconnecting');
      expect(await brightness(fan)).toBeGreaterThan(20);
      expect(await fan.getByText('Not connected').count()).toBe(0);
    } finally {
      const still = server.workerPids();
      // Where the page was slow, the server has ended those that hung and started others.
      for (const pid of workers.filter((each) => still.includes(each))) process.kill(pid, 'SIGCONT');
    }
    await badge(fan, 'live');
    await frames(fan, 10);

    // The server dies.
    await fan.evaluate(() => {
      document.body.dataset['sameDocument'] = 'yes';
    });
    // In the middle of buying: one is held, the form is half filled in.
    await fan.getByRole('link', { name: /Get it/ }).click();
    await fan.getByRole('button', { name: /^Hold one/ }).click();
    await fan.getByText('Held for you for').waitFor();
    await fan.getByLabel('E-mail, for the receipt').fill('ada@example.com');
    const held = await heldBy(fan);
    expect(held).toHaveLength(1);
    await fan.getByRole('button', { name: 'Close' }).click();

    const port = Number(new URL(server.origin).port);
    const dead = server;
    await dead.stop('SIGKILL');
    await badge(fan, 'reconnecting');
    expect(await brightness(fan)).toBeGreaterThan(20);
    await fan.getByText('Not connected: the number left may have changed.').waitFor();
    await expectAccessible(fan);

    server = await startServer({ data: dead.data, port });
    // The studio's page publishes again by itself, so the fan is back at the live picture.
    await badge(fan, 'live');
    await frames(fan, 10);
    expect(await brightness(fan)).toBeGreaterThan(20);
    expect(await fan.evaluate(() => document.body.dataset['sameDocument'])).toBe('yes');
    expect(await fan.locator('.stock-words').innerText()).toContain('49 left of 50');
    // The same piece until the same moment, and what was typed; the purchase goes on where it was.
    expect(await heldBy(fan)).toEqual(held);
    await fan.getByRole('link', { name: /^Go on: yours for/ }).click();
    await fan.getByText('Held for you for').waitFor();
    expect(await fan.getByLabel('E-mail, for the receipt').inputValue()).toBe('ada@example.com');
    await fan.getByText('At the table', { exact: true }).click();
    await fan.locator('.main-action:visible').click();
    await fan.locator('.receipt-title').waitFor();
    expect(problems).toEqual([]);
  });
});

describe('addresses that lead nowhere', () => {
  test('a show that does not exist: one sentence on either page', async () => {
    const watch = await openPage(laptop, `${server.origin}/watch/nosuchshow`);
    await badge(watch, 'refused');
    await watch.locator('.message').getByText('There is no show at this address').waitFor();
    await expectAccessible(watch);
    const shop = await openPage(phone, `${server.origin}/shop/nosuchshow/nothing`);
    await shop.getByText('There is no show at this address').waitFor();
    await expectAccessible(shop);
  });
});

describe('the crew’s look into the server', () => {
  const debugUrl = (key: string) => `${server.origin}/debug${key === '' ? '' : `#key=${key}`}`;

  test('is read with the studio key only, which is in no address that is asked for', async () => {
    const visitor = await joinViewer(server.origin, server.showId);
    const context = await browser.newContext({ viewport: laptop });
    const page = await context.newPage();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    const answer = await page.goto(debugUrl(server.studioKey));
    const tree = page.getByRole('region', { name: 'Snapshot' });
    for (const part of ['shows', 'nodes', 'participants', 'store']) {
      await tree.locator('summary').filter({ hasText: part }).first().waitFor();
    }
    await page.getByText(/^As of /).waitFor();
    // A browser keeps the fragment to itself.
    expect(asked.map((url) => url.replace(/#.*/, '')).join(' ')).not.toContain(server.studioKey);
    await expectAccessible(page);
    await page.setViewportSize(phone);
    await expectAccessible(page);

    // The snapshot holds words of strangers; were one to become a script, it would not run.
    expect(answer?.headers()['content-security-policy']).toMatch(/^default-src 'self';/);
    const ran = await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'document.title = "it ran"';
      document.head.append(script);
      return document.title;
    });
    expect(ran).not.toBe('it ran');
    visitor.close();
  });

  test('says why it shows nothing: another key, or none', async () => {
    for (const [key, words] of [
      ['of-another-house', 'The server refuses this key.'],
      ['', 'This page needs the studio key.'],
    ] as const) {
      const page = await openPage(phone, debugUrl(key));
      await page.getByRole('status').filter({ hasText: words }).waitFor();
      expect(await page.locator('#tree').innerText()).toBe('');
      await expectAccessible(page);
      await page.context().close();
    }
  });
});

describe('weight', () => {
  /** Bytes on the wire of all scripts a page has loaded when it has settled, and their text. */
  const scriptBytes = async (url: string, ready: (page: Page) => Promise<unknown>) => {
    const context = await browser.newContext({ viewport: phone });
    const page = await context.newPage();
    const scripts: Response[] = [];
    page.on('response', (response) => {
      if (response.url().endsWith('.js')) scripts.push(response);
    });
    await page.goto(url);
    await ready(page);
    const text = (await Promise.all(scripts.map((script) => script.text()))).join('\n');
    const sizes = await Promise.all(scripts.map((script) => script.request().sizes()));
    await context.close();
    return { bytes: sizes.reduce((sum, { responseBodySize }) => sum + responseBodySize, 0), text };
  };

  test('the product page is under 60 kB of scripts, without player and interface library', async () => {
    const { bytes, text } = await scriptBytes(`${server.origin}/shop/${server.showId}/nothing`, (page) =>
      page.locator('#empty').waitFor(),
    );
    console.log(`product page: ${(bytes / 1000).toFixed(1)} kB of scripts`);
    expect(bytes).toBeGreaterThan(1_000);
    expect(bytes).toBeLessThan(60_000);
    expect(text).not.toMatch(/createRecvTransport|react\.element|useLayoutEffect/);
  });

  test('the fan page stays under 160 kB with picture and card', async () => {
    studio = await openSyntheticStudio(browser, server);
    await goOnAir();
    const { bytes } = await scriptBytes(server.viewerUrl, async (page) => {
      await badge(page, 'live');
      await page.getByRole('article').waitFor();
    });
    console.log(`fan page: ${(bytes / 1000).toFixed(1)} kB of scripts`);
    expect(bytes).toBeLessThan(160_000);
  });
});
