// Whether a page in real Chromium keeps WCAG 2.2 A and AA, by axe. Not its job: what a rule cannot see, such as good words.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const axeSource = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What fades in is judged once it is there; what breathes for ever (the live dot) is judged as it is. */
const arrived = async (page: Page): Promise<void> => {
  await page.evaluate(() =>
    Promise.allSettled(
      document
        .getAnimations()
        .filter((animation) => animation.effect?.getComputedTiming().iterations !== Infinity)
        .map((animation) => animation.finished),
    ).then(() => undefined),
  );
};

/** Fails with the rules broken, each as "rule: elements". */
export const expectAccessible = async (page: Page): Promise<void> => {
  await arrived(page);
  // Evaluated by the debugger, which the content security policy does not concern.
  await page.evaluate(await axeSource);
  const violations: unknown = await page.evaluate(
    `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'] })
      .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target.join(' ')).join(', ')))`,
  );
  expect(violations).toEqual([]);
};
