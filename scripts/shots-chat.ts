// Pictures of the chat at the desk, on fans' phones held either way, and on a co-host's page. Part of shots.ts, whose show is live.
import type { Browser, Page } from 'playwright-core';

export type ChatShots = {
  browser: Browser;
  studio: Page;
  /** A fan's page. */
  viewer: Page;
  guest: Page;
  viewerUrl: string;
  shoot: (
    page: Page,
    name: string,
    size: 'phone' | 'sideways' | 'laptop' | 'small' | 'wide',
  ) => Promise<string>;
};

const write = async (page: Page, label: string | RegExp, text: string) => {
  const line = page.getByLabel(label);
  await line.fill(text);
  await line.press('Enter');
};
const writeAs = async (page: Page, name: string, text: string) => {
  await write(page, 'Write a message', text);
  await page.getByLabel('Your name here').fill(name);
  await page.getByLabel('Your name here').press('Enter');
};
const says = (page: Page, text: string) => page.getByRole('log').getByText(text, { exact: true }).waitFor();

/** Leaves all pages as they were, but for what was written. */
export const takeChat = async ({
  browser,
  studio,
  viewer,
  guest,
  viewerUrl,
  shoot,
}: ChatShots): Promise<void> => {
  await viewer.setViewportSize({ width: 390, height: 844 });
  await viewer.getByLabel('Write a message').fill('Is it true to size?');
  await viewer.getByLabel('Write a message').focus();
  await shoot(viewer, 'viewer-chat-name', 'phone');
  await writeAs(viewer, 'Ines', 'Is it true to size?');
  await says(viewer, 'Is it true to size?');

  const others = await browser.newContext();
  const other = await others.newPage();
  await other.goto(viewerUrl);
  await writeAs(
    other,
    'Tom from the night market',
    'Watching from Lisbon. Will there be a second colour, or only black?',
  );
  await says(viewer, 'Watching from Lisbon. Will there be a second colour, or only black?');
  await write(viewer, 'Write a message', 'more of mine at ines.shop/new');
  await viewer.getByText('Waits for the host').waitFor();
  await write(guest, 'Write as co-host', 'I wear mine a size up.');
  await studio.getByRole('tab', { name: 'Chat' }).click();
  await write(studio, 'Write as host', 'True to size. Ada wears hers a size up.');
  await says(viewer, 'True to size. Ada wears hers a size up.');
  await studio.getByRole('log').getByText('Is it true to size?').hover();
  await shoot(studio, 'studio-chat', 'small');
  await studio.getByRole('log').getByText('Is it true to size?').hover();
  await studio.getByRole('button', { name: /^Pin Ines/ }).click();
  await shoot(studio, 'studio-chat', 'wide');
  await shoot(viewer, 'viewer-chat', 'phone');
  await shoot(viewer, 'viewer-chat', 'sideways');
  await shoot(viewer, 'viewer-chat', 'laptop');
  await guest.getByLabel('Write as co-host').scrollIntoViewIfNeeded();
  await shoot(guest, 'cohost-chat', 'phone');
  await studio.getByRole('button', { name: 'Pin', exact: true }).click();
  await others.close();
};
