// The director's scenes on real SQLite: what survives a restart, how many versions there are, and what a damaged one costs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { strangerLimits } from '../../sfu-server/protocol/channel.ts';
import { defaultOverlays, maxTickerLine, maxTickerLines } from '../../sfu-server/protocol/overlays.ts';
import { showContract } from '../../sfu-server/protocol/messages.ts';
import {
  fitsOneMessage,
  maxItems,
  maxProductionChars,
  maxScenes,
  maxSources,
  production as productionSchema,
  type Production,
} from '../../sfu-server/protocol/production.ts';
import { createProductions } from '../../sfu-server/show/productions.ts';
import { openStore } from '../../sfu-server/store/database.ts';
import { fakeClock } from '../support/wires.ts';

const minuteMs = 60_000;
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'live-drop-productions-'));
  file = join(folder, 'show.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const whole = { x: 0, y: 0, width: 1, height: 1 };
const named = (name: string, sizes = { sources: 1, scenes: 1, items: 1 }): Production => {
  const some = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, n) => make(n));
  return productionSchema.parse({
    version: 1,
    sources: some(sizes.sources, (n) => ({
      id: `${'s'.repeat(20)}${n}`,
      name: 'N'.repeat(40),
      origin: { kind: 'image', fileId: 'a'.repeat(64), fileName: 'f'.repeat(200) },
      look: {
        flip: 'horizontal',
        rotation: 270,
        colour: {
          exposureEv: -1.05,
          contrast: 1.05,
          saturation: 1.05,
          temperature: -0.05,
          lutId: 'b'.repeat(64),
          lutAmount: 0.95,
        },
      },
      lossRule: { frozen: false, black: false, backupId: `${'s'.repeat(20)}0`, otherwise: 'slate' },
    })),
    scenes: some(sizes.scenes, (n) => ({
      id: `${'c'.repeat(20)}${n}`,
      name,
      layout: 'pictureInPicture',
      items: some(sizes.items, () => ({
        sourceId: `${'s'.repeat(20)}0`,
        rect: { x: 0.1234, y: 0.1234, width: 0.1234, height: 0.1234 },
        crop: { ...whole, x: 0.1234, width: 0.1234 },
        fit: 'contain',
      })),
    })),
    transition: { kind: 'fade', durationMs: 300 },
  });
};

/** A server's life: from opening the file to closing it. */
const life = <T>(
  clock: ReturnType<typeof fakeClock>,
  live: (productions: ReturnType<typeof createProductions>) => T,
): T => {
  const store = openStore(file);
  try {
    return live(createProductions({ store, clock, log: { error: () => {} } }));
  } finally {
    store.close();
  }
};

const damage = (statement: string) => {
  const db = new DatabaseSync(file);
  db.exec(statement);
  db.close();
};

it('[SCENE1] keeps the document over restarts, in five versions of five minutes', () => {
  const clock = fakeClock();
  life(clock, (kept) => {
    expect(kept.load()).toEqual({ production: null, savedMs: null, fellBack: null });
    kept.save(named('First'));
    clock.advance(minuteMs);
    kept.save(named('Also first'));
    expect(kept.snapshot().versions).toHaveLength(1);
  });
  life(clock, (kept) => {
    expect(kept.load()).toEqual({ production: named('Also first'), savedMs: clock.now(), fellBack: null });
    for (let n = 0; n < 9; n += 1) {
      clock.advance(6 * minuteMs);
      kept.save(named(`Version ${n}`));
    }
    expect(kept.snapshot().versions).toHaveLength(5);
    expect(kept.load().production).toEqual(named('Version 8'));
  });
});

it('[SCENE5] reads what a studio without overlays, stinger and camera delays has kept', () => {
  life(fakeClock(), (kept) => kept.save(named('Old')));
  damage(
    `UPDATE productions SET document =
       json_remove(document, '$.overlays', '$.transition.stinger', '$.sources[0].videoDelayMs')`,
  );
  life(fakeClock(), (kept) => {
    const { production, fellBack } = kept.load();
    expect(fellBack).toBeNull();
    expect(production).toEqual({ ...named('Old'), overlays: defaultOverlays });
    expect(production).toMatchObject({ transition: { stinger: null }, sources: [{ videoDelayMs: 0 }] });
  });
});

it('[SCENE2] gives the last good version when a newer one cannot be read, and never writes over the damaged one', () => {
  const clock = fakeClock();
  const goodMs = life(clock, (kept) => {
    const savedMs = kept.save(named('Good'));
    clock.advance(6 * minuteMs);
    kept.save(named('Lost'));
    return savedMs;
  });
  damage(`UPDATE productions SET document = substr(document, 1, 100) WHERE id = 2`);
  life(clock, (kept) => {
    expect(kept.load()).toEqual({
      production: named('Good'),
      savedMs: goodMs,
      fellBack: { savedMs: goodMs },
    });
    kept.save(named('After'));
    expect(kept.load()).toEqual({ production: named('After'), savedMs: clock.now(), fellBack: null });
    expect(kept.snapshot().versions).toHaveLength(3);
  });
  // A whole document of another shape is as little use as half of one.
  damage(`UPDATE productions SET document = '{"version":1,"sources":[],"scenes":[]}'`);
  life(clock, (kept) =>
    expect(kept.load()).toEqual({ production: null, savedMs: null, fellBack: { savedMs: null } }),
  );
});

it('[SCENE3] takes a document with as much of everything as there can be in one message, and nothing outside the contract', () => {
  const { params } = showContract.requests.saveProduction;
  const largest = {
    ...named('N'.repeat(40), { sources: maxSources, scenes: maxScenes, items: maxItems }),
    overlays: {
      ...defaultOverlays,
      ticker: { lines: Array.from({ length: maxTickerLines }, () => 'T'.repeat(maxTickerLine)) },
    },
  };
  expect(params.safeParse({ production: largest }).success).toBe(true);
  expect(fitsOneMessage(productionSchema.parse(largest))).toBe(true);
  // The measure leaves room for the envelope, whatever the number of the request.
  const envelope = { q: Number.MAX_SAFE_INTEGER, m: 'saveProduction', p: { production: '' } };
  expect(maxProductionChars + JSON.stringify(envelope).length).toBeLessThan(strangerLimits.maxMessageChars);
  const { scenes, sources } = largest;
  const [scene] = scenes;
  const [source] = sources;
  if (!scene || !source) throw new Error('The largest document has scenes and sources.');
  const refused: unknown[] = [
    { ...largest, scenes: [] },
    { ...largest, scenes: [...scenes, { ...scene, id: 'one too many' }] },
    { ...largest, scenes: [scene, scene] },
    { ...largest, sources: [source, source] },
    { ...largest, version: 2 },
    { ...largest, overlays: { ...defaultOverlays, brand: { ...defaultOverlays.brand, text: 'red' } } },
    { ...largest, overlays: { ...defaultOverlays, ticker: { lines: ['T'.repeat(maxTickerLine + 1)] } } },
    { ...largest, sources: [{ ...source, videoDelayMs: 1_001 }] },
    { ...largest, scenes: [{ ...scene, items: [{ ...scene.items[0], crop: { ...whole, x: 0.5 } }] }] },
    { ...largest, sources: [{ ...source, origin: { kind: 'colour', hex: 'url(http://x)' } }] },
  ];
  for (const production of refused) expect(params.safeParse({ production }).success).toBe(false);
});
