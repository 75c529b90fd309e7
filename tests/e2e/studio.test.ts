// The studio page in a real Chromium, against the real server, with Chromium's synthetic camera and microphone.
import type { Browser } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { expectAccessible } from '../support/accessible.ts';
import { fakeMediaArgs } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import {
  addProduct,
  difference,
  patiently,
  expectNoOverflow,
  goLive,
  microphoneLives,
  openPerson,
  openStudio,
  pixelsOf,
  readCode,
  seePictures,
  turnOn,
  useServerPerTry,
} from './studio-steps.ts';

const preview = '[aria-label="Preview: the scene that is next"]';
const program = '[aria-label="Program: the picture fans get"]';
// A 2×2 PNG, for a product's picture.
const smallPicture = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAEklEQVQImWOI7vkf3fOfAUIBADKmB5kfHbXwAAAAAElFTkSuQmCC',
  'base64',
);

describe('studio', () => {
  let browser: Browser;
  let server: TestServer;
  useServerPerTry(fakeMediaArgs, (openBrowser, started) => {
    [browser, server] = [openBrowser, started];
  });

  it('goes from a fresh machine to a live show that fans see, can scan and that ends on the second press', async () => {
    const { context, page, errors } = await openPerson(browser, server.studioUrl);
    await page.getByText('OFF AIR', { exact: true }).waitFor();
    expect(page.url()).toBe(`${server.origin}/studio`);
    await expectAccessible(page);

    // Without a picture there is no show.
    await page.keyboard.press('Shift+L');
    await page.getByText('There is no picture yet. Turn on a camera, then go live.').waitFor();
    await page.getByRole('button', { name: 'Dismiss' }).click();

    await turnOn(page);
    await seePictures(page, preview);

    // The form says what is wrong where it is wrong; keys are letters while typing.
    await page.getByLabel('Name', { exact: true }).fill('Quiet tee, QT');
    await page.getByLabel('Price').fill('cheap');
    await page.getByLabel('How many').fill('50');
    await page.getByRole('button', { name: 'Add product' }).click();
    await page.getByText(/^Write the price as a number such as 19\.90, .* at most\.$/).waitFor();
    await page.getByLabel('Price').fill('19,90');
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'tee.png', mimeType: 'image/png', buffer: smallPicture });
    await page.getByAltText('Product').waitFor();
    await page.getByRole('button', { name: 'Add product' }).click();
    await page.getByText('50 left of 50').waitFor();

    const fan = await openPerson(browser, server.viewerUrl, { width: 1280, height: 800 });
    await goLive(page);
    await fan.page.locator('.badge-live').waitFor();
    await seePictures(fan.page, '#program');
    await seePictures(page, program);
    await expectAccessible(page);

    // The code on the fan's picture leads to the product, and goes when it is switched off.
    const shopUrl = new RegExp(`^${server.origin}/shop/${server.showId}/`);
    await expect.poll(async () => readCode(await pixelsOf(fan.page, '#program')), patiently).toMatch(shopUrl);
    await page.keyboard.press('q');
    await expect.poll(async () => readCode(await pixelsOf(fan.page, '#program')), patiently).toBeNull();
    await page.keyboard.press('q');
    await expect.poll(async () => readCode(await pixelsOf(fan.page, '#program')), patiently).toMatch(shopUrl);

    // A sale reaches the picture within 200 ms: the words under the code change.
    const before = await pixelsOf(page, program);
    await page.getByRole('button', { name: '+1 sold' }).click();
    await page.getByText('49 left of 50').waitFor();
    await fan.page.getByText('49 left of 50').waitFor();
    await expect
      .poll(async () => difference(before, await pixelsOf(page, program)), patiently)
      .toBeGreaterThan(0);
    await page.getByRole('button', { name: /take one sale back/ }).click();
    await page.getByText('50 left of 50').waitFor();

    // The figures are those of a picture that flows.
    await expect
      .poll(() => page.locator('.health-figures').innerText(), patiently)
      .toMatch(/kb\/s \+ \d+ kb\/s/);
    await expect.poll(() => page.getByText('1 watching').isVisible(), patiently).toBe(true);

    // Standby is the director's word: locked it stays, unlocked it goes.
    await page.keyboard.press('Shift+S');
    await page.getByText('STANDBY CLIP ON AIR', { exact: true }).waitFor();
    await fan.page.locator('.badge-standby').waitFor();
    await page
      .getByText(/you locked it/)
      .first()
      .waitFor();
    await page.keyboard.press('Shift+S');
    await fan.page.locator('.badge-live').waitFor();

    await page.keyboard.press('Shift+E');
    await page.getByText('Press again to end').waitFor();
    expect(await fan.page.locator('.badge-live').isVisible()).toBe(true);
    await page.keyboard.press('Shift+E');
    await page.getByText('SHOW ENDED').waitFor();
    await fan.page.locator('.badge-ended').waitFor();

    await page.getByRole('button', { name: 'Prepare the next show' }).click();
    await page.getByText('OFF AIR', { exact: true }).waitFor();
    await goLive(page);

    expect(errors).toEqual([]);
    await Promise.all([context.close(), fan.context.close()]);
  });

  it('comes back after a reload with the same scene, and fans see standby until the director resumes', async () => {
    const { context, page, errors } = await openStudio(browser, server);
    await addProduct(page);
    await page.getByRole('tab', { name: 'Overlays' }).click();
    await page.getByLabel('Lower third, name').fill('Mika');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: /^Lower third/ }).click();
    await page.getByRole('tab', { name: 'Sources' }).click();
    await goLive(page);
    const fan = await openPerson(browser, server.viewerUrl);
    await fan.page.locator('.badge-live').waitFor();

    // The desk is laid out by pointer and by keyboard; the pictures give way, and nothing lies over them.
    const box = async (selector: string) => {
      const found = await page.locator(selector).boundingBox();
      if (!found) throw new Error(`${selector} is not on the page.`);
      return found;
    };
    const side = page.getByRole('separator', { name: 'Width of the side' });
    const edge = await side.boundingBox();
    const [wide, program640] = [await box('.side'), await box(program)];
    await page.mouse.move((edge?.x ?? 0) + 6, 300);
    await page.mouse.down();
    await page.mouse.move((edge?.x ?? 0) - 94, 300, { steps: 3 });
    await page.mouse.up();
    expect((await box('.side')).width).toBeCloseTo(wide.width + 100, -1);
    expect((await box(program)).width).toBeLessThan(program640.width);
    await page.getByRole('separator', { name: 'Height of the panels' }).focus();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('End');
    const [pictureBox, dockBox] = [await box(program), await box('.dock')];
    expect(pictureBox.y + pictureBox.height).toBeLessThan(dockBox.y);
    await page.keyboard.press('Enter');
    await page.getByRole('tab', { name: 'Mixer' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.getByRole('region', { name: 'Health' }).getByText('Work per frame').waitFor();
    await page.keyboard.press('End');
    await page.getByRole('region', { name: 'Connection' }).waitFor();

    await page.reload();
    await fan.page.locator('.badge-standby').waitFor();
    const resume = page.getByRole('button', { name: /^Resume the show/ });
    await resume.waitFor();
    await page.getByText('LIVE · STANDBY CLIP').waitFor();
    await page.getByRole('region', { name: 'Connection' }).waitFor();
    // Devices open by themselves, in the roles they had.
    await page.getByText(/live \d+\.\d fps/).waitFor();
    // The tab that was open is open again.
    await page.getByRole('region', { name: 'Connection' }).waitFor();
    await page.getByRole('tab', { name: 'Mixer' }).click();
    await microphoneLives(page);
    await expect.poll(() => resume.isEnabled(), patiently).toBe(true);
    await page.keyboard.press('Enter');
    await fan.page.locator('.badge-live').waitFor();
    await seePictures(fan.page, '#program');

    expect(await page.getByRole('button', { name: /^Lower third/ }).getAttribute('aria-pressed')).toBe(
      'true',
    );
    await page.getByRole('tab', { name: 'Overlays' }).click();
    expect(await page.getByLabel('Lower third, name').inputValue()).toBe('Mika');
    expect((await box('.side')).width).toBeCloseTo(wide.width + 100, -1);
    await page.keyboard.press('j');
    const log = page.getByRole('region', { name: 'Log' });
    await log.getByText('Live.').waitFor();
    await log.getByText('the show is on, fans see the standby clip').waitFor();
    await log.getByText('Program is back on the studio’s picture.').first().waitFor();
    await expect.poll(async () => readCode(await pixelsOf(fan.page, '#program')), patiently).not.toBeNull();
    await expectNoOverflow(page);

    expect(errors).toEqual([]);
    await Promise.all([context.close(), fan.context.close()]);
  });

  it('mutes, lists its keys, and survives a server that restarts', async () => {
    const { context, page } = await openStudio(browser, server);
    await page.getByRole('button', { name: 'Mute: Lav L' }).click();
    const muted = page.getByRole('button', { name: 'Muted: Lav L' });
    expect(await muted.getAttribute('aria-pressed')).toBe('true');

    await page.keyboard.press('?');
    const keys = page.getByRole('dialog', { name: 'Keys' });
    await keys.getByText('Go live').waitFor();
    const [sheet, picture] = await Promise.all([keys.boundingBox(), page.locator(preview).boundingBox()]);
    expect(sheet?.x ?? 0).toBeGreaterThan((picture?.x ?? 0) + (picture?.width ?? 0));
    await expectAccessible(page);
    await page.keyboard.press('Escape');
    await keys.waitFor({ state: 'detached' });

    await page.getByLabel('Show title').fill('Alley drop');
    await page.keyboard.press('Enter');

    // What is not ready asks before the show goes live, and never forbids it.
    await page.getByRole('button', { name: 'More: Lav L' }).click();
    const strip = page.getByRole('dialog', { name: 'Lav L, all settings' });
    await strip.getByLabel('Microphone').selectOption({ label: 'No microphone' });
    await strip.getByRole('button', { name: 'Close' }).click();
    const goLiveButton = page.locator('.top').getByRole('button', { name: /^Go live/ });
    await goLiveButton.click();
    const skip = page.getByRole('button', { name: /^Skip the test/ });
    await skip.click();
    const card = page.getByRole('dialog', { name: 'Pre-flight' });
    await card.getByText('Not ready: Levels.').waitFor();
    await card.getByText('No microphone is on. Fans will hear nothing.').first().waitFor();
    await card.getByText(`${server.viewerUrl} opens.`).first().waitFor();
    await expectAccessible(page);
    await card.getByRole('button', { name: 'Not yet' }).click();
    await card.waitFor({ state: 'detached' });
    await page.getByText('OFF AIR', { exact: true }).waitFor();
    await goLiveButton.click();
    await skip.or(card).first().waitFor();
    void skip.click().catch(() => undefined);
    await card.getByRole('button', { name: /^Go live anyway/ }).click();
    await card.waitFor({ state: 'detached' });
    await page.getByText('ON AIR', { exact: true }).first().waitFor();
    await server.stop('SIGKILL');
    await page.getByText(/The server cannot be reached/).waitFor();
    const port = Number(new URL(server.origin).port);
    const again = await startServer({ data: server.data, port });
    try {
      // The same page goes on with the same show: nobody has to press anything.
      await page.getByText('ON AIR', { exact: true }).first().waitFor();
      expect(await page.getByLabel('Show title').inputValue()).toBe('Alley drop');
      await seePictures(page, program);
    } finally {
      await again.close();
      await context.close();
    }
  });
});
