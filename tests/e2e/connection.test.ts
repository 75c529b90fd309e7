// The studio's connection test in a real Chromium against the real server: real media there and back on each way.
import type { Browser, Page, WebSocketRoute } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAccessible } from '../support/accessible.ts';
import { fakeMediaArgs, launchBrowser, patienceMs } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { expectNoOverflow, goLive, openPerson, turnOn } from './studio-steps.ts';

/** Nobody listens on the discard port of this machine. */
const shutPort = 9;

/** As a firewall would: what the server offers on UDP leads nowhere. */
const shutUdp = (page: Page) =>
  page.routeWebSocket(/\/socket$/, (socket: WebSocketRoute) => {
    const server = socket.connectToServer();
    socket.onMessage((text) => server.send(text));
    server.onMessage((text) =>
      socket.send(String(text).replaceAll(/("protocol":"udp","port":)\d+/g, `$1${shutPort}`)),
    );
  });

describe('connection test', () => {
  let browser: Browser;
  let server: TestServer;
  beforeAll(async () => {
    [browser, server] = await Promise.all([
      launchBrowser(fakeMediaArgs),
      startServer({ args: ['--log-level', 'warn'] }),
    ]);
  });
  afterAll(() => Promise.all([browser.close(), server.close()]));

  it('sends a picture by UDP and by TCP, and says what was measured, what was not, and the one thing to do', async () => {
    const { context, page, errors } = await openPerson(browser, server.studioUrl);
    const panel = page.getByRole('region', { name: 'Connection' });
    await page.getByRole('tab', { name: 'Connection' }).click();
    await panel.getByText('Not tested yet').waitFor();
    await page.keyboard.press('c');
    await panel.getByRole('progressbar').waitFor();
    await panel.getByText(/^● UDP \d/).waitFor();
    await panel.getByText(/^● TCP \d/).waitFor();
    expect(await panel.innerText()).toMatch(/The line to fans was not measured: .* at 360p/);
    // The test's server announces loopback, and says so before a fan finds out.
    await panel.getByText('Only this computer can watch').waitFor();
    // The backup line is another line: it has a test of its own, and the main one's result stays in sight.
    await panel.getByRole('combobox', { name: 'This computer is on' }).selectOption('Backup line');
    await panel.getByText('Put this computer on the backup line').waitFor();
    await panel.getByText(/^Main line, tested at .*The picture went out and came back/).waitFor();
    await expectAccessible(page);
    await expectNoOverflow(page);
    expect(errors).toEqual([]);
    await context.close();
  });

  it('keeps a director from going live into a firewall, once: says what to open, and goes live on the second press', async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    page.setDefaultTimeout(patienceMs);
    await shutUdp(page);
    await page.goto(server.studioUrl);
    await turnOn(page);
    await page.getByRole('button', { name: /^Go live/ }).click();
    await page.getByRole('button', { name: /^Skip the test/ }).waitFor();
    await page.getByRole('tab', { name: 'Connection' }).click();
    const panel = page.getByRole('region', { name: 'Connection' });
    await panel.getByText('○ UDP shut').waitFor();
    await panel.getByText(/^● TCP \d/).waitFor();
    const advice = `UDP does not come through to 127.0.0.1, port ${shutPort}`;
    await page.getByText(new RegExp(`${advice}.*Go live again to go live as it is`)).waitFor();
    await page.getByText('OFF AIR', { exact: true }).waitFor();
    await goLive(page);
    await context.close();
  });
});
