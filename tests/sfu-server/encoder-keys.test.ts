// Keys of encoders in their file: how many there may be, and which goes first. What a key opens is tested in whip.test.ts.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openEncoderKeys } from '../../sfu-server/access/encoder-keys.ts';
import { maxSources, sourceId } from '../../sfu-server/protocol/production.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'live-drop-keys-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('[WHIP2] where there is no more room the oldest key of a removed source makes some, and none that is in use', () => {
  const file = join(folder, 'encoder-keys.json');
  const keys = openEncoderKeys(file);
  const ids = Array.from({ length: maxSources + 1 }, (_, n) => sourceId.parse(`source ${n}`));
  const [first, second] = ids;
  const last = ids.at(-1);
  if (!first || !second || !last) throw new Error('no ids');
  const kept = new Map(ids.slice(0, -1).map((id) => [id, keys.renew(id, () => true)]));
  expect(() => keys.renew(last, () => true)).toThrow('Withdraw one first');
  const newest = keys.renew(last, (id) => id !== second);
  const again = openEncoderKeys(file);
  expect(again.sources()).toEqual(ids.filter((id) => id !== second));
  expect([again.opens(last, newest), again.opens(first, kept.get(first) ?? '')]).toEqual([true, true]);
  expect(again.opens(second, kept.get(second) ?? '')).toBe(false);
  // A source that has one gets another, however full it is.
  expect(
    again.opens(
      first,
      again.renew(first, () => true),
    ),
  ).toBe(true);
});
