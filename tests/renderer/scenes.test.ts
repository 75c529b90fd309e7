// Scenes and sources as the director edits them, pure: edits and their undo, who is in which place, what catches where, and
// which of two like cameras is which.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guessByOrder, matchCameras } from '../../renderer/studio/camera-match.ts';
import { castOf, guestSourceId, resolvePicture, transitionOf } from '../../renderer/studio/picture.ts';
import {
  applyEdit,
  edited,
  filesNamedIn,
  freshProduction,
  newItem,
  newScene,
  newSource,
  nextName,
  plainColour,
  redone,
  refusal,
  startHistory,
  undone,
  type Edit,
} from '../../renderer/studio/scenes.ts';
import { moveRect, sizeRect, snapTargets } from '../../renderer/studio/snapping.ts';
import type { Standing } from '../../renderer/studio/source-loss.ts';
import { overlaysOf, followWords, tickerOf } from '../../renderer/studio/overlays.ts';
import {
  defaultOverlays,
  maxTickerLine,
  maxTickerLines,
  ticker as tickerSchema,
  type OverlaySettings,
} from '../../sfu-server/protocol/overlays.ts';
import {
  guestId,
  maxItems,
  maxScenes,
  production as productionSchema,
  sceneId,
  sourceId,
  type Layout,
  type Production,
  type SourceId,
} from '../../sfu-server/protocol/production.ts';
import { emptyScene, type Guest } from '../../sfu-server/protocol/state.ts';

const camA = sourceId.parse('a');
const camB = sourceId.parse('b');
const slides = sourceId.parse('slides');
const seat = sourceId.parse('seat');
const one = sceneId.parse('one');
const two = sceneId.parse('two');
const ana = guestId.parse('ana');
const bo = guestId.parse('bo');

const desk: Production = {
  version: 1,
  sources: [
    newSource(camA, 'Cam A', { kind: 'camera' }),
    newSource(camB, 'Cam B', { kind: 'camera' }),
    newSource(slides, 'Slides', { kind: 'image', fileId: null, fileName: '' }),
    newSource(seat, 'Guest', { kind: 'guest', guestId: null }),
  ],
  scenes: [newScene(one, 'Alone', 'full', [camA]), newScene(two, 'Both', 'sideBySide', [camA, camB])],
  transition: { kind: 'fade', durationMs: 300, stinger: null },
  overlays: defaultOverlays,
};

describe('edits of a production', () => {
  const ids = fc.constantFrom(camA, camB, slides, seat, sourceId.parse('gone'));
  const scenes = fc.constantFrom(one, two, sceneId.parse('gone'));
  const edit: fc.Arbitrary<Edit> = fc.oneof(
    ids.map((id): Edit => ({ kind: 'removeSource', id })),
    ids.map((id): Edit => ({ kind: 'changeSource', id, change: { name: 'Renamed' } })),
    ids.map((id): Edit => ({
      kind: 'changeSource',
      id,
      change: { look: { flip: 'both', rotation: 90, colour: plainColour } },
    })),
    fc.nat(1_000).map((n): Edit => {
      const id = sourceId.parse(`new-${n}`);
      return { kind: 'addSource', source: newSource(id, 'New', { kind: 'testCard' }) };
    }),
    fc.tuple(scenes, ids).map(([id, source]): Edit => ({
      kind: 'addItem',
      sceneId: id,
      item: newItem(source),
    })),
    fc.tuple(scenes, fc.nat(4)).map(([id, index]): Edit => ({ kind: 'removeItem', sceneId: id, index })),
    fc.tuple(scenes, fc.nat(4), fc.integer({ min: -9, max: 9 })).map(([id, index, by]): Edit => ({
      kind: 'moveItem',
      sceneId: id,
      index,
      by,
    })),
    scenes.map((id): Edit => ({ kind: 'removeScene', id })),
    fc.tuple(scenes, fc.integer({ min: -3, max: 3 })).map(([id, by]): Edit => ({
      kind: 'moveScene',
      id,
      by,
    })),
    scenes.map((id): Edit => ({ kind: 'changeScene', id, change: { layout: 'free' } })),
    fc.string({ maxLength: 80 }).map((text): Edit => ({
      kind: 'setOverlays',
      change: { title: { text, note: '' } },
    })),
    fc.nat(4_000).map((cutAtMs): Edit => ({
      kind: 'setTransition',
      transition: {
        kind: 'stinger',
        durationMs: 300,
        stinger: { fileId: 'a'.repeat(64), fileName: 'swoosh.webm', cutAtMs },
      },
    })),
  );

  it('leave a document that can be kept, whatever is done, and undo leads back step by step', () => {
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 30 }), (edits) => {
        let history = startHistory(desk);
        const states = [desk];
        for (const each of edits) {
          const next = edited(history, each);
          if (next !== history) states.push(next.present);
          history = next;
        }
        const unique = new Set(history.present.sources.map(({ id }) => id)).size;
        if (unique === history.present.sources.length) {
          expect(productionSchema.safeParse(history.present).success).toBe(true);
        }
        for (const state of states.toReversed()) {
          expect(history.present).toEqual(state);
          history = undone(history);
        }
        expect(undone(history)).toBe(history);
        for (const state of states.slice(1)) {
          history = redone(history);
          expect(history.present).toEqual(state);
        }
      }),
    );
  });

  it('take one drag back at once, and an edit after undo ends what could be redone', () => {
    const nudge = (x: number): Edit => ({
      kind: 'changeItem',
      sceneId: one,
      index: 0,
      change: { rect: { x, y: 0, width: 0.5, height: 0.5 } },
    });
    let history = startHistory(desk);
    for (const x of [0.1, 0.2, 0.3]) history = edited(history, nudge(x), 'drag 1');
    history = edited(history, nudge(0.4), 'drag 2');
    expect(history.past).toHaveLength(2);
    history = undone(history);
    expect(history.present.scenes[0]?.items[0]?.rect.x).toBe(0.3);
    expect(undone(history).present).toEqual(desk);
    history = edited(history, { kind: 'removeScene', id: two });
    expect(history.future).toEqual([]);
  });

  it('remove a source from scenes and rules too, and say why the last scene stays', () => {
    const ruled = applyEdit(desk, {
      kind: 'changeSource',
      id: camA,
      change: { lossRule: { frozen: true, black: true, backupId: camB, otherwise: 'clip' } },
    });
    const without = applyEdit(ruled, { kind: 'removeSource', id: camB });
    expect(without.sources.find(({ id }) => id === camA)?.lossRule.backupId).toBeNull();
    expect(without.scenes.map(({ items }) => items.length)).toEqual([1, 1]);

    const single = applyEdit(desk, { kind: 'removeScene', id: two });
    expect(refusal(single, { kind: 'removeScene', id: one })).toMatch(/only scene/);
    let full = desk;
    for (let n = 0; n < maxScenes + 3; n += 1) {
      full = applyEdit(full, {
        kind: 'addScene',
        scene: newScene(sceneId.parse(`s${n}`), 'S', 'full', []),
      });
    }
    for (let n = 0; n < maxItems + 3; n += 1) {
      full = applyEdit(full, { kind: 'addItem', sceneId: one, item: newItem(camB) });
    }
    expect(full.scenes).toHaveLength(maxScenes);
    expect(full.scenes[0]?.items).toHaveLength(maxItems);
    expect(productionSchema.safeParse(full).success).toBe(true);
  });

  it('name new sources by the next free word', () => {
    const fresh = freshProduction({ source: camA, scene: one });
    expect(productionSchema.safeParse(fresh).success).toBe(true);
    expect(nextName(fresh, 'camera')).toBe('Cam B');
    expect(nextName(desk, 'camera')).toBe('Cam C');
    expect(nextName(desk, 'testCard')).toBe('Test card');
    expect(nextName(desk, 'guest')).toBe('Guest 2');
  });
});

describe('the picture of a scene', () => {
  const here = (id: typeof ana): Guest => ({
    id,
    name: id,
    presence: { kind: 'here', videoProducerId: null, audioProducerId: null },
  });
  const picture = (
    layout: Layout,
    ids: readonly SourceId[],
    standing: Readonly<Record<string, Standing['kind']>>,
    options: { production?: Production; guests?: readonly Guest[] } = {},
  ) => {
    const production = options.production ?? desk;
    return resolvePicture(
      { layout, items: ids.map(newItem) },
      {
        production,
        cast: castOf(production, options.guests ?? []),
        standingOf: (id) => standing[id] ?? 'absent',
        aspect: 'landscape',
      },
    );
  };
  const shown = (resolved: ReturnType<typeof picture>) => resolved.layers.map(({ sourceId: id }) => id);
  const withRule = (backupId: SourceId | null, otherwise: 'clip' | 'slate' | 'hold'): Production =>
    applyEdit(desk, {
      kind: 'changeSource',
      id: camA,
      change: { lossRule: { frozen: true, black: true, backupId, otherwise } },
    });

  it('[L1] holds what has just been lost, then shows its backup, then gives its place to the others', () => {
    const backed = withRule(slides, 'clip');
    const rule = (standing: Record<string, Standing['kind']>) =>
      picture('sideBySide', [camA, camB], standing, { production: backed });
    expect(shown(rule({ a: 'good', b: 'good', slides: 'good' }))).toEqual([camA, camB]);
    expect(shown(rule({ a: 'holding', b: 'good', slides: 'good' }))).toEqual([camA, camB]);
    const covered = rule({ a: 'lost', b: 'good', slides: 'good' });
    expect(shown(covered)).toEqual([slides, camB]);
    expect(covered.standIns).toEqual([{ for: camA, by: slides }]);
    const alone = rule({ a: 'lost', b: 'good' });
    expect(shown(alone)).toEqual([camB]);
    expect(alone.layers[0]?.rect).toEqual({ x: 0, y: 0, width: 1, height: 1 });
    expect(alone.nothing).toBeNull();
  });

  it('[L1] asks for the clip, the title or the last picture when nothing of the scene is left', () => {
    const lost = { a: 'lost' } as const;
    expect(picture('full', [camA], lost, { production: withRule(null, 'clip') })).toMatchObject({
      nothing: 'clip',
      layers: [{ sourceId: camA }],
    });
    expect(picture('full', [camA], lost, { production: withRule(null, 'slate') })).toMatchObject({
      nothing: 'slate',
      layers: [],
    });
    expect(picture('full', [camA], lost, { production: withRule(null, 'hold') })).toMatchObject({
      nothing: 'hold',
      layers: [{ sourceId: camA }],
    });
    // A camera that was never there has nothing that fans would miss.
    expect(picture('full', [camA], {}).nothing).toBe('slate');
    // Two that are each other's backup.
    const circle = applyEdit(withRule(camB, 'slate'), {
      kind: 'changeSource',
      id: camB,
      change: { lossRule: { frozen: true, black: true, backupId: camA, otherwise: 'slate' } },
    });
    expect(picture('full', [camA], { a: 'lost', b: 'lost' }, { production: circle }).nothing).toBe('slate');
  });

  it('[GUEST3] seats guests, and counts one as in the picture whose camera is off', () => {
    const guests = [here(ana), here(bo)];
    const boId = guestSourceId(bo);
    const seated = picture('sideBySide', [camA, seat], { a: 'good', 'guest:ana': 'good' }, { guests });
    expect(shown(seated)).toEqual([camA, 'guest:ana']);
    expect(seated.guestIds).toEqual([ana]);
    // The second seat takes the second guest; a guest who is named is on no other seat.
    const named = applyEdit(desk, {
      kind: 'addSource',
      source: newSource(sourceId.parse('second'), 'Guest 2', { kind: 'guest', guestId: ana }),
    });
    expect(castOf(named, guests).get(seat)).toBe(bo);
    const byHand = picture('full', [boId, camA], { a: 'good' }, { guests });
    expect(shown(byHand)).toEqual([camA]);
    expect(byHand.guestIds).toEqual([bo]);
    // Behind a full picture nobody is on air.
    expect(picture('full', [camA, seat], { a: 'good', 'guest:ana': 'good' }, { guests }).guestIds).toEqual(
      [],
    );
    expect(picture('full', [seat], {}).layers).toEqual([]);
  });

  it('keeps mounting, grading and cut of each source, and places of a free scene as they are', () => {
    const colour = { ...plainColour, exposureEv: 0.5 };
    const production = applyEdit(desk, {
      kind: 'changeSource',
      id: camA,
      change: { look: { flip: 'horizontal', rotation: 90, colour } },
    });
    const rect = { x: 0.1, y: 0.2, width: 0.3, height: 0.4 };
    const crop = { x: 0.25, y: 0, width: 0.5, height: 1 };
    const resolved = resolvePicture(
      { layout: 'free', items: [newItem(camB), { sourceId: camA, rect, crop, fit: 'contain' }] },
      {
        production,
        cast: castOf(production, []),
        standingOf: () => 'good',
        aspect: 'landscape',
      },
    );
    expect(resolved.layers).toMatchObject([
      { sourceId: camB, rect: { x: 0, y: 0, width: 1, height: 1 } },
      { sourceId: camA, rect, crop, fit: 'contain', flip: 'horizontal', rotation: 90, colour },
    ]);
  });
});

describe('free placement', () => {
  const start = { x: 0.4, y: 0.4, width: 0.2, height: 0.2 };
  const near = { x: 0.02, y: 0.02 };

  it('catches at edges, middle, thirds and neighbours, by the nearest of its own edges', () => {
    const targets = snapTargets([{ x: 0.8, y: 0, width: 0.2, height: 0.1 }]);
    expect(moveRect(start, { x: -0.39, y: 0 }, targets, near).rect.x).toBe(0);
    expect(moveRect(start, { x: 0.01, y: 0 }, targets, near)).toEqual({
      rect: start,
      guides: [
        { axis: 'x', at: 0.5 },
        { axis: 'y', at: 0.5 },
      ],
    });
    // Its right edge at the neighbour's left.
    expect(moveRect(start, { x: 0.195, y: 0 }, targets, near).rect.x).toBeCloseTo(0.6, 4);
    const free = moveRect(start, { x: 0.013, y: 0.017 }, targets, { x: 0, y: 0 });
    expect(free).toEqual({ rect: { ...start, x: 0.413, y: 0.417 }, guides: [] });
  });

  it('sizes by a corner while the opposite one stays, in shape where asked, and never to nothing', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('topLeft', 'topRight', 'bottomLeft', 'bottomRight'),
        fc.double({ min: -2, max: 2, noNaN: true }),
        fc.double({ min: -2, max: 2, noNaN: true }),
        fc.boolean(),
        (corner, x, y, keepShape) => {
          const options = { targets: snapTargets([]), tolerance: near, keepShape };
          const { rect } = sizeRect(start, corner, { x, y }, options);
          const right = corner.endsWith('Left') ? rect.x + rect.width : rect.x;
          expect(right).toBeCloseTo(corner.endsWith('Left') ? 0.6 : 0.4, 3);
          expect(rect.width).toBeGreaterThanOrEqual(0.05);
          expect(rect.height).toBeGreaterThanOrEqual(0.05);
          if (keepShape) expect(rect.width).toBeCloseTo(rect.height, 3);
          const moved = moveRect(rect, { x: x * 3, y: y * 3 }, options.targets, near).rect;
          // Something of it can always be taken hold of.
          expect(moved.x).toBeLessThan(1);
          expect(moved.x + moved.width).toBeGreaterThan(0);
        },
      ),
    );
  });
});

describe('like cameras', () => {
  const pocket = (deviceId: string, groupId = 'pocket') => ({ deviceId, groupId, label: 'Pocket 3' });
  const wanted = [
    { sourceId: camA, identity: pocket('1') },
    { sourceId: camB, identity: pocket('2') },
  ];
  const names = (match: ReturnType<typeof matchCameras>) =>
    Object.fromEntries([...match.found].map(([id, { deviceId }]) => [id, deviceId]));

  it('are told apart by their own ids, in whatever order they are listed', () => {
    const match = matchCameras(wanted, [pocket('2'), pocket('1')]);
    expect(names(match)).toEqual({ a: '1', b: '2' });
    expect(match.unclear).toEqual([]);
  });

  it('are never swapped: one that is unplugged does not take the other’s picture', () => {
    const match = matchCameras(wanted, [pocket('1')]);
    expect(names(match)).toEqual({ a: '1' });
    expect(match.unclear).toEqual([]);
  });

  it('go back to their place under a new id where only one answer is possible', () => {
    expect(names(matchCameras(wanted, [pocket('1'), pocket('new')]))).toEqual({ a: '1', b: 'new' });
  });

  it('are asked about where more than one answer is possible, with the order as a guess', () => {
    const both = matchCameras(wanted, [pocket('x'), pocket('y')]);
    expect(both.found.size).toBe(0);
    expect(both.unclear).toEqual([{ sourceIds: [camA, camB], candidates: [pocket('x'), pocket('y')] }]);
    const [question] = both.unclear;
    if (!question) throw new Error('Nobody is asked.');
    expect([...guessByOrder(question)].map(([id, { deviceId }]) => [id, deviceId])).toEqual([
      ['a', 'x'],
      ['b', 'y'],
    ]);
    // One camera for two that are missing, or one of another group: still a question.
    expect(matchCameras(wanted, [pocket('x')]).unclear).toHaveLength(1);
    const [, second] = wanted;
    if (!second) throw new Error('There are two.');
    const moved = matchCameras([second], [pocket('x', 'other bus')]);
    expect(moved.found.size).toBe(0);
    expect(moved.unclear).toHaveLength(1);
    // Another model is no answer at all.
    expect(matchCameras(wanted, [{ deviceId: 'z', groupId: 'pocket', label: 'Webcam' }]).unclear).toEqual([]);
  });
});

it('runs a stinger whose clip is ready, and fades with a word where it is not', () => {
  const stinger = { fileId: 'd'.repeat(64), fileName: 'swoosh.webm', cutAtMs: 400 };
  const chosen = { kind: 'stinger', durationMs: 300, stinger } as const;
  const run = { kind: 'stinger', stingerId: stinger.fileId, cutAtMs: 400 };
  const fade = { kind: 'fade', durationMs: 300 };
  expect(transitionOf(chosen, { kind: 'ready', lengthMs: 900 })).toEqual({ made: run, word: null });
  for (const clip of [{ kind: 'none' }, { kind: 'opening' }, { kind: 'missing' }] as const) {
    const { made, word } = transitionOf(chosen, clip);
    expect(made).toEqual(fade);
    expect(word).toContain('The take was a fade.');
  }
  const wipe = { ...chosen, kind: 'wipe' } as const;
  expect(transitionOf(wipe, { kind: 'missing' })).toEqual({
    made: { kind: 'wipe', durationMs: 300 },
    word: null,
  });
});

it('a file is named as long as the document, its undo or its redo has it: sources, colour tables, logo, stinger', () => {
  const [logo, stinger, lut, slide, replaced] = ['1', '2', '3', '4', '5'].map((digit) => digit.repeat(64));
  if (!logo || !stinger || !lut || !slide || !replaced) throw new Error('There are five.');
  const image = (fileId: string) => ({ kind: 'image', fileId, fileName: 'slide.png' }) as const;
  const colour = { ...plainColour, lutId: lut };
  const edits: readonly Edit[] = [
    { kind: 'changeSource', id: slides, change: { origin: image(replaced) } },
    { kind: 'changeSource', id: slides, change: { origin: image(slide) } },
    { kind: 'changeSource', id: camA, change: { look: { flip: 'none', rotation: 0, colour } } },
    { kind: 'setOverlays', change: { logo: { fileId: logo, fileName: 'mark.png', corner: 'topLeft' } } },
    {
      kind: 'setTransition',
      transition: {
        ...desk.transition,
        stinger: { fileId: stinger, fileName: 'sting.webm', cutAtMs: 100 },
      },
    },
  ];
  const after = edits.reduce((history, edit) => edited(history, edit), startHistory(desk));
  const all = [logo, stinger, lut, slide, replaced];
  expect([...filesNamedIn(after)].toSorted()).toEqual(all);
  expect([...filesNamedIn(undone(undone(after)))].toSorted()).toEqual(all);
  // The next page has no undo of this one.
  expect([...filesNamedIn(startHistory(after.present))].toSorted()).toEqual([logo, stinger, lut, slide]);
});

describe('overlays', () => {
  const logoId = 'c'.repeat(64);
  const settings: OverlaySettings = {
    ...defaultOverlays,
    logo: { fileId: logoId, fileName: 'mark.png', corner: 'bottomLeft' },
    title: { text: 'Night market', note: '' },
    ticker: { lines: ['Free returns', 'Two nights only'] },
  };

  it('are on the picture with the words of the room, in the look of the document', () => {
    const brand = { ...defaultOverlays.brand, accent: '#ff8800' };
    const scene = {
      ...emptyScene,
      title: { text: 'Taken before the edit', note: '' },
      ticker: settings.ticker,
      pinned: { name: 'Ana', text: 'Is it true to size?' },
      logoVisible: true,
    };
    const shown = overlaysOf({ scene, settings: { ...settings, brand }, sale: null, hasLogo: true });
    expect(shown).toEqual({
      brand,
      qr: null,
      qrSoon: [],
      lowerThird: null,
      title: scene.title,
      ticker: { text: 'Free returns   •   Two nights only' },
      pinned: scene.pinned,
      logo: { logoId, corner: 'bottomLeft' },
    });
    // A logo whose file is on another machine leaves no hole.
    expect(overlaysOf({ scene, settings, sale: null, hasLogo: false }).logo).toBeNull();
  });

  it('follow an edit while they are on, go without words, and stay off while they are off', () => {
    const renamed = { ...settings, title: { text: 'Last hour', note: '' } };
    const wordless = { ...renamed, ticker: { lines: [] } };
    const on = { ...emptyScene, title: settings.title, ticker: settings.ticker };
    expect(followWords(on, settings, renamed)).toEqual({ title: renamed.title });
    expect(followWords(on, settings, wordless)).toEqual({ title: renamed.title, ticker: null });
    expect(followWords(emptyScene, settings, wordless)).toBeNull();
    const look = { ...settings, qrCard: { style: 'strip', corner: 'topLeft' } } as const;
    expect(followWords(on, settings, look)).toBeNull();
  });

  it('take whatever is typed for the ticker within its limits', () => {
    expect(tickerOf('  One \n\n two\twords ')).toEqual({ lines: ['One', 'two words'] });
    const typed = fc.array(fc.string({ maxLength: 2 * maxTickerLine }), { maxLength: 2 * maxTickerLines });
    fc.assert(
      fc.property(typed, (lines) => {
        expect(tickerSchema.safeParse(tickerOf(lines.join('\n'))).success).toBe(true);
      }),
    );
  });
});
