// The chat of a show as people meet it: two fans, the director at the desk and a co-host, in real Chromium. No media flows here.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectAccessible } from '../support/accessible.ts';
import { launchBrowser } from '../support/browser.ts';
import { joinGuest } from '../support/client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { expectNoOverflow, laptop, openPerson, phone } from './studio-steps.ts';

let server: TestServer;
let browser: Browser;
beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

const feed = (page: Page) => page.getByRole('log', { name: 'Chat messages' });
const says = (page: Page, text: string) => feed(page).getByText(text, { exact: true });
const gone = (page: Page, text: string) => says(page, text).waitFor({ state: 'detached' });
const write = async (page: Page, text: string) => {
  const line = page.getByLabel('Write a message');
  await line.fill(text);
  await line.press('Enter');
};
const pictureBox = (page: Page) => page.locator('#frame').boundingBox();

it('a fan writes, the director answers, lets through, pins and removes, and nobody’s picture moves', async () => {
  const [desk, adas, bobs] = await Promise.all([
    openPerson(browser, server.studioUrl, laptop),
    openPerson(browser, server.viewerUrl, phone),
    openPerson(browser, server.viewerUrl, { width: 844, height: 390 }),
  ]);
  const [studio, ada, bob] = [desk.page, adas.page, bobs.page];
  const focused = () => studio.evaluate(() => document.activeElement?.getAttribute('aria-label'));
  await ada.getByLabel('Write a message').waitFor();
  const before = { ada: await pictureBox(ada), bob: await pictureBox(bob) };

  // Nothing is asked before somebody wants to write; then the name, once, under the rules.
  expect(await ada.getByLabel('Your name here').count()).toBe(0);
  await write(ada, 'is it heavy cotton?');
  await ada.getByText(/^Be kind\./).waitFor();
  const name = ada.getByLabel('Your name here');
  await name.fill('Host');
  await name.press('Enter');
  await ada.getByText('That name is for those who make the show. Choose another.').waitFor();
  await expectAccessible(ada);
  await name.fill('Ada');
  await name.press('Enter');
  await says(bob, 'is it heavy cotton?').waitFor();
  await says(studio, 'is it heavy cotton?').waitFor();

  // What may not be seen yet, is not; its writer is told.
  await write(ada, 'my shop: ada.shop/new');
  await feed(ada).getByText('Waits for the host').waitFor();
  await studio.getByText('1 waits for you').waitFor();
  expect(await says(bob, 'my shop: ada.shop/new').count()).toBe(0);
  await studio.keyboard.press('n');
  await expect.poll(focused).toBe('Show what Ada wrote');
  await expectAccessible(studio);
  await studio.keyboard.press('Enter');
  await says(bob, 'my shop: ada.shop/new').waitFor();
  await gone(ada, 'Waits for the host');

  await expect.poll(focused).toBe('Write as host');
  await studio.keyboard.type('It is: 240 g');
  await studio.keyboard.press('Enter');
  await says(bob, 'It is: 240 g').waitFor();
  await feed(bob).locator('[data-role="host"]').getByText('Host', { exact: true }).waitFor();
  await studio.keyboard.press('Escape');

  // On the picture with its writer's name, and off it with the message.
  await studio.getByRole('tab', { name: 'People' }).click();
  await studio.getByLabel('Guest’s name').fill('Mira');
  await studio.getByRole('button', { name: 'Invite' }).click();
  const link = await studio.getByRole('textbox', { name: 'link for Mira' }).inputValue();
  // What is written behind another panel is counted on the tab.
  await write(bob, 'still here');
  await bob.getByLabel('Your name here').fill('Bob');
  await bob.getByLabel('Your name here').press('Enter');
  await studio.getByRole('tab', { name: 'Chat 1 new' }).waitFor();
  const mira = await joinGuest(server.origin, new URL(link).hash.slice(3));
  await studio.getByRole('tab', { name: 'Chat' }).click();
  await studio.getByRole('tab', { name: 'Chat', exact: true }).waitFor();
  // A click leaves the keyboard where it is: with the line, where figures and spaces are words, …
  const line = studio.getByLabel('Write as host');
  const scenes = () =>
    studio
      .getByRole('group', { name: 'Scenes' })
      .locator('.scene-button')
      .evaluateAll((all) => all.map((one) => [one.getAttribute('aria-pressed'), one.textContent]));
  await studio.getByRole('button', { name: 'Add scene' }).click();
  await expect.poll(async () => (await scenes()).length).toBe(2);
  const standing = await scenes();
  await line.focus();
  await says(studio, 'is it heavy cotton?').click();
  await studio.keyboard.type('240 g ');
  expect([await line.inputValue(), await scenes()]).toEqual(['240 g ', standing]);
  // … or with the desk.
  await line.fill('');
  await line.press('Escape');
  await says(studio, 'is it heavy cotton?').click();
  await studio.keyboard.press('1');
  await expect.poll(scenes).not.toEqual(standing);
  await studio.getByRole('button', { name: 'Pin Ada’s message to the picture' }).click();
  const pinned = await mira.change((change) => change.kind === 'scene' && change.scene.pinned !== null);
  expect(pinned).toMatchObject({ scene: { pinned: { name: 'Ada', text: 'is it heavy cotton?' } } });
  await feed(studio).getByText('On the picture').waitFor();
  mira.changes.length = 0;
  // By keyboard: Enter on a message leads to what can be done about it, Delete removes it and not what the pointer is on.
  await line.focus();
  await studio.keyboard.press('Shift+Tab');
  for (let n = 0; n < 3; n += 1) await studio.keyboard.press('ArrowUp');
  await studio.keyboard.press('Enter');
  expect(await focused()).toBe('Take it off the picture');
  await says(studio, 'still here').hover();
  await studio.keyboard.press('Delete');
  await Promise.all([
    gone(bob, 'is it heavy cotton?'),
    gone(ada, 'is it heavy cotton?'),
    mira.change((change) => change.kind === 'scene' && change.scene.pinned === null),
  ]);
  expect(await says(bob, 'still here').count()).toBe(1);
  // Unpin is gone, and the keyboard still on the message.
  await expect
    .poll(() => studio.locator('.chat-message:focus').textContent())
    .toContain('is it heavy cotton?');
  mira.close();

  // A page that is loaded anew knows its fan, and what was said.
  await ada.reload();
  await says(ada, 'my shop: ada.shop/new').waitFor();
  await write(ada, 'thanks!');
  await says(bob, 'thanks!').waitFor();

  // Who reads further up is left there, and told how much is new.
  const tell = async (text: string) => {
    await line.fill(text);
    await line.press('Enter');
    await says(bob, text).waitFor();
  };
  await tell('More than a low window shows at once. '.repeat(7).trim());
  const fromEnd = () => feed(bob).evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight);
  await expect.poll(fromEnd).toBeLessThan(2);
  await feed(bob).evaluate((list) => list.scrollTo(0, 0));
  await tell('one more');
  await tell('and another');
  expect(await fromEnd()).toBeGreaterThan(32);
  await bob.getByRole('button', { name: '2 new' }).click();
  await expect.poll(fromEnd).toBeLessThan(2);
  expect(await bob.getByRole('button', { name: /new$/ }).count()).toBe(0);
  // Who hears the page is told what the host says, and not a crowd.
  const aloud = bob.locator('.visually-hidden[aria-live="polite"] .chat-text');
  await expect.poll(() => aloud.last().textContent()).toBe('and another');
  expect(await feed(bob).getAttribute('aria-live')).toBe('off');

  // Under the director's pointer nothing moves.
  const fromDeskEnd = () =>
    feed(studio).evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight);
  await studio.mouse.move(2, 2);
  await feed(studio).evaluate((list) => list.scrollTo(0, list.scrollHeight));
  await tell('More than the panel shows at once, with what there is. '.repeat(5).trim());
  await expect.poll(fromDeskEnd).toBeLessThan(2);
  await feed(studio).hover({ position: { x: 8, y: 8 } });
  await write(bob, 'is it too late?');
  await studio.getByRole('button', { name: '1 new' }).waitFor();
  await studio.mouse.move(2, 2);
  await expect.poll(fromDeskEnd).toBeLessThan(2);
  expect(await studio.getByRole('button', { name: '1 new' }).count()).toBe(0);

  // A phone's keyboard over the page: room is made for who writes here, and not for the checkout's fields.
  const room = () => ada.evaluate(() => document.documentElement.style.getPropertyValue('--keyboard'));
  await ada.getByLabel('Write a message').focus();
  await ada.evaluate(() => {
    Object.defineProperty(visualViewport ?? {}, 'height', {
      configurable: true,
      get: () => innerHeight - 300,
    });
    visualViewport?.dispatchEvent(new Event('resize'));
  });
  expect(await room()).toBe('300px');
  await ada.evaluate(() => {
    const field = document.createElement('input');
    document.body.append(field);
    field.focus();
    field.remove();
  });
  expect(await room()).toBe('0px');
  await ada.evaluate(() => void Reflect.deleteProperty(visualViewport ?? {}, 'height'));

  await says(studio, 'thanks!').hover();
  await studio.getByRole('button', { name: 'Mute Ada' }).click();
  await write(ada, 'and one more');
  await ada.getByText('The host has muted you for the rest of this show.').waitFor();
  expect(await ada.getByLabel('Write a message').inputValue()).toBe('and one more');
  await studio.getByRole('button', { name: /^House/ }).click();
  const rules = studio.getByLabel('Shown to fans before they first write');
  await rules.fill('Given up');
  await rules.press('Escape');
  await tell('a moment, please');
  expect(await rules.inputValue()).toMatch(/^Be kind\./);
  // The button takes the keyboard from the field: both are saved.
  await rules.fill('Only kind words.');
  await studio.getByRole('button', { name: 'Close to fans' }).click();
  await bob.getByText('The host has closed the chat for now.').waitFor();
  await studio.getByRole('button', { name: 'Open to fans again' }).waitFor();
  expect(await rules.inputValue()).toBe('Only kind words.');

  expect({ ada: await pictureBox(ada), bob: await pictureBox(bob) }).toEqual(before);
  await expectAccessible(bob);
  await Promise.all([ada, bob, studio].map(expectNoOverflow));
  expect([...desk.errors, ...adas.errors, ...bobs.errors]).toEqual([]);
});
