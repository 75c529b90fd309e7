// The director's production on a page, against the server's keeping of it on real SQLite and a real session over a carrier in
// memory: what becomes of edits that did not get out in time, and of a document that no message can carry.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSession } from '../../renderer/session/session.ts';
import { createProductionDesk } from '../../renderer/studio/production-desk.ts';
import { newItem } from '../../renderer/studio/scenes.ts';
import { serveChannel, type Handlers } from '../../sfu-server/protocol/channel.ts';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { showContract, type ShowContract } from '../../sfu-server/protocol/messages.ts';
import {
  maxItems,
  maxScenes,
  maxSources,
  sceneId,
  sourceId,
  type Production,
} from '../../sfu-server/protocol/production.ts';
import { createProductions } from '../../sfu-server/show/productions.ts';
import { openStore, type Store } from '../../sfu-server/store/database.ts';
import { createBrowserStorage } from '../support/browser-storage.ts';
import { freshShow } from '../support/page-states.ts';
import { fakeClock, wirePair, type FakeClock } from '../support/wires.ts';

const state = freshShow;
// Nothing else is asked here.
const refuseAll: Handlers<ShowContract> = new Proxy(Object.create(null), {
  get: () => () => Promise.reject(new AppError('forbidden')),
});

let folder: string;
let store: Store;
let clock: FakeClock;
let productions: ReturnType<typeof createProductions>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'live-drop-production-desk-'));
  store = openStore(join(folder, 'show.db'));
  clock = fakeClock();
  productions = createProductions({ store, clock, log: { error: () => {} } });
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens the studio in a browser and waits for its scenes. */
const openDesk = async (storage: Storage) => {
  const closes: number[] = [];
  const open = () => {
    const { client, server } = wirePair();
    client.onClose((code) => closes.push(code));
    let joined = false;
    serveChannel<ShowContract>({
      contract: showContract,
      wire: server,
      clock,
      role: () => (joined ? 'studio' : 'anonymous'),
      onBug: (error) => {
        throw error;
      },
      handlers: {
        ...refuseAll,
        join: () => {
          joined = true;
          return {
            participantId: 'p1',
            guestId: null,
            crewId: null,
            resumeToken: 'resume-token-0123456789',
            state,
            media: null,
            codec: 'VP8',
            publicOrigin: 'http://drop.example',
            sameMachine: true,
          };
        },
        production: () => productions.load(),
        saveProduction: ({ production }) => ({ savedMs: productions.save(production) }),
      },
    });
    return client;
  };
  const session = createSession({
    identity: { as: 'studio', key: 'k'.repeat(32) },
    media: false,
    location: { origin: 'http://drop.example' },
    clock,
    open,
    awake: () => () => {},
  });
  const told: string[] = [];
  const desk = createProductionDesk({ session, tell: (text) => told.push(text), storage });
  await vi.waitFor(() => expect(desk.store.getState().loaded).toBe(true));
  await vi.waitFor(() => expect(productions.load().production).not.toBeNull());
  return {
    desk,
    told,
    closes,
    rename: (name: string) => {
      const [scene] = desk.store.getState().production.scenes;
      if (scene) desk.edit({ kind: 'changeScene', id: scene.id, change: { name } });
    },
    name: () => desk.store.getState().production.scenes[0]?.name,
    saved: () => vi.waitFor(() => expect(desk.store.getState().saving.kind).toBe('saved'), 60_000),
    /** The machine dies: nothing gets out any more. */
    die: () => {
      session.close();
      desk.close();
    },
  };
};
const keptName = () => productions.load().production?.scenes[0]?.name;

test('[SCENE6] edits that did not get out come back, unless newer scenes were kept elsewhere: then one undo away', async () => {
  const laptop = createBrowserStorage();
  const first = await openDesk(laptop);
  first.rename('Evening');
  await first.saved();
  expect(keptName()).toBe('Evening');
  first.rename('Half a second before the battery died');
  first.die();

  clock.advance(60_000);
  const second = await openDesk(laptop);
  expect(second.name()).toBe('Half a second before the battery died');
  await vi.waitFor(() => expect(keptName()).toBe('Half a second before the battery died'));
  await second.saved();
  second.rename('Forgotten on the laptop');
  second.die();

  clock.advance(7 * 24 * 3_600_000);
  const desktop = await openDesk(createBrowserStorage());
  desktop.rename('A week of work');
  await desktop.saved();
  desktop.die();

  clock.advance(60_000);
  const third = await openDesk(laptop);
  expect(third.name()).toBe('A week of work');
  expect(third.told).toHaveLength(1);
  expect(third.told[0]).toContain('Undo brings this browser’s back');
  await third.saved();
  expect(keptName()).toBe('A week of work');
  third.desk.undo();
  expect(third.name()).toBe('Forgotten on the laptop');
  await third.saved();
  expect(keptName()).toBe('Forgotten on the laptop');
  third.die();
  const fourth = await openDesk(laptop);
  expect([fourth.name(), fourth.told]).toEqual(['Forgotten on the laptop', []]);
  fourth.die();
});

test('[SCENE3] an edit or a file that would make the document too large for a message is refused in words', async () => {
  const { desk, told, closes, saved, die } = await openDesk(createBrowserStorage());
  const before = desk.store.getState().production;
  const [camera] = before.sources;
  if (!camera) throw new Error('A fresh production has a camera.');
  const many = <T>(count: number, make: (n: number) => T): T[] =>
    Array.from({ length: count }, (_, n) => make(n));
  // Every list as long as it may be, and rectangles as a mouse leaves them.
  const third = 1 / 3;
  const rect = { x: third, y: third, width: third, height: third };
  const sources = many(maxSources, (n) => ({ ...camera, id: sourceId.parse(`${'s'.repeat(62)}${n}`) }));
  const [first] = sources;
  if (!first) throw new Error('There are sources.');
  const items = many(maxItems, () => ({ ...newItem(first.id), rect, crop: rect }));
  const withScenes = (count: number): Production => ({
    ...before,
    sources,
    scenes: many(count, (n) => ({
      id: sceneId.parse(`${'c'.repeat(62)}${n}`),
      name: 'N'.repeat(40),
      layout: 'free',
      items,
    })),
  });
  const importScenes = (production: Production) =>
    desk.importFile(new Blob([JSON.stringify({ kind: 'live-drop-production', production })]));

  await importScenes(withScenes(maxScenes));
  expect(told.splice(0)).toEqual([expect.stringContaining('too large to be saved')]);
  expect(desk.store.getState().production).toBe(before);

  let scenes = maxScenes;
  while (JSON.stringify(withScenes(scenes)).length > 60_000) scenes -= 1;
  await importScenes(withScenes(scenes));
  const added = many(maxScenes - scenes, (n) => sceneId.parse(`added ${n}`));
  for (const id of added) desk.edit({ kind: 'addScene', scene: { id, name: 'More', layout: 'free', items } });
  expect(told.length).toBeGreaterThan(0);
  expect(new Set(told).size).toBe(1);
  expect(told[0]).toContain('Remove a scene, source or layer');
  await saved();
  expect(productions.load().production).toEqual(desk.store.getState().production);
  expect(closes).toEqual([]);
  die();
});
