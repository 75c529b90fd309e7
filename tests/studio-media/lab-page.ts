// One browser and one built fixture for a test file; a fresh page for each test, gone when the test is.

import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import type { LabServer } from './lab-server.ts';
import { startLabServer } from './lab-server.ts';

/** Registers the file's set-up and tear-down. The answer opens a page on which `lab` is ready; an error on it fails the test. */
export function useLab(browserArgs: readonly string[] = []): () => Promise<Page> {
  let server: LabServer | undefined;
  let browser: Browser | undefined;
  const errors: Error[] = [];
  /** Of the test that runs; what was opened before all tests stays. */
  let pages: Page[] = [];
  beforeAll(async () => {
    server = await startLabServer();
    browser = await launchBrowser(browserArgs);
  });
  beforeEach(() => {
    pages = [];
  });
  // What a test that failed has left running would be in the way of its second try.
  afterEach(async () => {
    for (const page of pages) await page.close();
    const [error] = errors.splice(0);
    if (error !== undefined) throw error;
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  return async () => {
    if (browser === undefined || server === undefined) throw new Error('The lab is not running.');
    const page = await browser.newPage();
    pages.push(page);
    page.on('pageerror', (error) => errors.push(error));
    await page.goto(server.url);
    await page.waitForFunction(() => 'lab' in globalThis);
    return page;
  };
}
