// The private folder of sources' files in a real Chromium: found again, and emptied of what nothing names any more.
import { expect, test } from 'vitest';
import { useLab } from './lab-page.ts';

const openPage = useLab();

test('files are found again under what is in them; a sweep takes those nobody names, but nothing of the last day', async () => {
  const page = await openPage();
  const seen = await page.evaluate(async () => {
    const files = lab.createSourceFiles();
    const [named, unnamed] = [await files.put(new Blob(['logo'])), await files.put(new Blob(['old video']))];
    const again = await files.put(new Blob(['logo']));
    const there = async () =>
      [await files.get(named), await files.get(unnamed)].map((file) => file?.size ?? null);
    const dayMs = 24 * 60 * 60_000;
    const nowMs = Date.now();
    await files.sweep(new Set([named]), nowMs);
    const sameDay = await there();
    await files.sweep(new Set([named]), nowMs + 2 * dayMs);
    return { isSame: again === named, sameDay, dayAfter: await there() };
  });
  expect(seen).toEqual({ isSame: true, sameDay: [4, 9], dayAfter: [4, null] });
});
