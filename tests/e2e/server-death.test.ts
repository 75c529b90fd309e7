// A server on its own, as a fan sees it: the server is killed and comes back, then the laptop with the studio dies, and
// another takes the show up. Real processes, killed the hard way; nobody reloads a page.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserServer, type Page } from 'playwright-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { productId } from '../../sfu-server/protocol/shop.ts';
import * as z from 'zod';
import { chromiumArgs, chromiumBin, launchBrowser } from '../support/browser.ts';
import { joinStudio } from '../support/client.ts';
import { nightTee } from '../support/products.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { openSyntheticStudio } from '../support/synthetic-studio/index.ts';

let data: string;
let server: TestServer;
let fans: Browser;
let laptop: BrowserServer;
let fan: Page;
let loads = 0;
const patient = { timeout: 60_000 };

const standalone = (port = 0) =>
  startServer({ data, port, args: ['--public-address', '127.0.0.1', '--log-level', 'warn'] });

/** A browser in processes of its own, with the studio of that server in it. */
const openLaptop = async () => {
  laptop = await chromium.launchServer({ executablePath: chromiumBin(), args: chromiumArgs });
  return openSyntheticStudio(await chromium.connect(laptop.wsEndpoint()), server);
};

const badge = (kind: string) => fan.locator(`.badge-${kind}`).waitFor(patient);

/** New pictures on the fan's screen from now on. */
const pictures = async (count: number) => {
  await fan.evaluate(
    (wanted) =>
      new Promise<void>((resolve) => {
        const shown = (left: number) => {
          if (left === 0) return resolve();
          const video = document.querySelector('video');
          if (video) video.requestVideoFrameCallback(() => shown(left - 1));
          else setTimeout(() => shown(left), 100);
        };
        shown(wanted);
      }),
    count,
  );
};

const onAir = async (source: 'studio' | 'standby') => {
  const shape = z.object({
    shows: z.object({ current: z.object({ phase: z.string(), program: z.object({ source: z.string() }) }) }),
  });
  await expect
    .poll(async () => {
      const headers = { authorization: `Bearer ${server.studioKey}` };
      const { shows } = shape.parse(await (await fetch(`${server.origin}/api/debug`, { headers })).json());
      return [shows.current.phase, shows.current.program.source];
    }, patient)
    .toEqual(['live', source]);
};

const shownStock = () => fan.getByRole('article', { name: 'Night tee' }).innerText();

// All anew for a second try.
beforeEach(async () => {
  loads = 0;
  data = await mkdtemp(join(tmpdir(), 'live-drop-alone-'));
  [server, fans] = await Promise.all([standalone(), launchBrowser()]);
});
afterEach(async () => {
  await laptop.kill();
  await fans.close();
  await server.close();
  await rm(data, { recursive: true, force: true });
});

test('[SHOW5] [SHOW2] the server is killed: live again on its own, studio and fans come back; the laptop dies: another takes over', async () => {
  const studio = await openLaptop();
  await studio.call('setProduct', nightTee);
  await studio.goLive();
  fan = await (await fans.newContext({ viewport: { width: 640, height: 900 } })).newPage();
  fan.on('load', () => (loads += 1));
  await fan.goto(server.viewerUrl);
  await badge('live');
  await pictures(10);

  const port = Number(new URL(server.origin).port);
  const killedAtMs = performance.now();
  await server.stop('SIGKILL');
  server = await standalone(port);
  console.log(`server killed to ready again: ${(performance.now() - killedAtMs).toFixed(0)} ms`);
  await onAir('studio');
  await pictures(10);
  await badge('live');
  expect(await shownStock()).toContain('50 left of 50');

  // The laptop dies: the clip plays, the table sells on by phone.
  await laptop.kill();
  await onAir('standby');
  await pictures(20);
  // The director's phone: the same key, no media.
  const phone = await joinStudio(server.origin, server.studioKey);
  const [product] = phone.joined.state.products;
  await phone.channel.call('recordSale', { productId: productId.parse(product?.id), quantity: 8 });
  await expect.poll(shownStock, patient).toContain('42 left of 50');
  phone.close();

  await openLaptop();
  await onAir('studio');
  await pictures(20);
  await badge('live');
  expect(loads).toBe(1);
});
