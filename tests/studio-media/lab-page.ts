// One browser and one built fixture for a test file; a fresh page for each test.

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import type { LabServer } from './lab-server.ts';
import { startLabServer } from './lab-server.ts';

/** Registers the file's set-up and tear-down. The answer opens a page on which `lab` is ready; errors on it are thrown. */
export function useLab(browserArgs: readonly string[] = []): () => Promise<Page> {
  let server: LabServer | undefined;
  let browser: Browser | undefined;
  beforeAll(async () => {
    server = await startLabServer();
    browser = await launchBrowser(browserArgs);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  return async () => {
    if (browser === undefined || server === undefined) throw new Error('The lab is not running.');
    const page = await browser.newPage();
    page.on('pageerror', (error) => {
      throw error;
    });
    await page.goto(server.url);
    await page.waitForFunction(() => 'lab' in globalThis);
    return page;
  };
}
