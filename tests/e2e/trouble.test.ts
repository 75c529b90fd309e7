// What the pages of studio and co-host say when there is no camera, no permission or no key. No media flows here.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectAccessible } from '../support/accessible.ts';
import { launchBrowser } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { expectNoOverflow, openPerson, phone } from './studio-steps.ts';

let server: TestServer;
/** Nobody answers its question for the camera, which counts as a no. */
let denying: Browser;
beforeAll(async () => {
  [server, denying] = await Promise.all([
    startServer(),
    launchBrowser(['--use-fake-device-for-media-stream']),
  ]);
});
afterAll(async () => {
  await denying.close();
  await server.close();
});

const studioSays = async (browser: Browser, sentence: RegExp): Promise<void> => {
  const { context, page } = await openPerson(browser, server.studioUrl);
  await page.getByRole('button', { name: 'Turn on camera and microphone' }).click();
  await page.getByText(sentence).waitFor();
  await page.getByRole('button', { name: 'Try again' }).first().waitFor();
  await page.keyboard.press('Shift+L');
  await page.getByText('There is no picture yet. Turn on a camera, then go live.').waitFor();
  await expectAccessible(page);
  await context.close();
};

it('the studio says what to do when the camera is denied', async () => {
  await studioSays(denying, /Cam A: the camera is not allowed\. Allow it for this page/);
});

it('the studio says what to do when there is no camera at all', async () => {
  const bare = await launchBrowser(['--use-fake-ui-for-media-stream']);
  try {
    await studioSays(bare, /Cam A: no camera is connected\. Plug one in and try again\./);
  } finally {
    await bare.close();
  }
});

it('the studio asks for its key, and says so when the key is wrong', async () => {
  const without = await openPerson(denying, `${server.origin}/studio`);
  await without.page.getByRole('heading', { name: 'The studio needs its key' }).waitFor();
  await without.context.close();
  const wrong = await openPerson(denying, `${server.origin}/studio#key=${'x'.repeat(32)}`);
  await wrong.page.getByRole('heading', { name: 'The studio cannot open' }).waitFor();
  await expectAccessible(wrong.page);
  await wrong.context.close();
});

it('a co-host is told what to do when camera and microphone are denied, and when the link is not whole', async () => {
  const { context, page } = await openPerson(denying, `${server.origin}/cohost#t=${'x'.repeat(32)}`, phone);
  await page.getByRole('button', { name: 'Turn on camera and microphone' }).click();
  await page.getByText(/Your camera: the camera is not allowed\. Allow it for this page/).waitFor();
  await page.getByText(/Your microphone: the microphone is not allowed/).waitFor();
  expect(await page.getByRole('button', { name: 'Join the show' }).isDisabled()).toBe(true);
  await expectAccessible(page);
  await expectNoOverflow(page);
  await context.close();
  const bare = await openPerson(denying, `${server.origin}/cohost`, phone);
  await bare.page.getByRole('heading', { name: 'This link is not complete' }).waitFor();
  await bare.context.close();
});
