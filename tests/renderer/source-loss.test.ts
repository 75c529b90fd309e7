// When a source counts as lost and when it is back (L1), by the second.
import { describe, expect, it } from 'vitest';
import type { PictureHealth } from '../../renderer/studio/media/source-health.ts';
import { newSource } from '../../renderer/studio/scenes.ts';
import { confirmMs, createLossWatch, holdMs, steadyMs } from '../../renderer/studio/source-loss.ts';
import { sourceId } from '../../sfu-server/protocol/production.ts';

const { lossRule } = newSource(sourceId.parse('a'), 'Cam A', { kind: 'camera' });
const moving: PictureHealth = { kind: 'moving' };
const live = { here: true, health: moving };

const watched = (startMs: number) => {
  const watch = createLossWatch();
  expect(watch.look({ here: true, health: { kind: 'waiting' } }, lossRule, startMs).kind).toBe('absent');
  expect(watch.look(live, lossRule, startMs).kind).toBe('good');
  return watch;
};

describe('[L1] a source that fails', () => {
  it('holds its last picture for a second after it was unplugged, and comes back once it is steady', () => {
    const watch = watched(0);
    const gone = { here: false, health: moving };
    expect(watch.look(gone, lossRule, 5_000)).toEqual({
      kind: 'holding',
      sinceMs: 5_000,
      noticedMs: 5_000,
    });
    expect(watch.dueMs()).toBe(5_000 + holdMs);
    expect(watch.look(gone, lossRule, 5_999).kind).toBe('holding');
    expect(watch.look(gone, lossRule, 6_000)).toEqual({ kind: 'lost', sinceMs: 5_000, why: 'unplugged' });
    expect(watch.dueMs()).toBeNull();

    // Plugged in again: first nothing, then pictures.
    expect(watch.look({ here: true, health: { kind: 'waiting' } }, lossRule, 9_000).kind).toBe('lost');
    expect(watch.look(live, lossRule, 9_400).kind).toBe('lost');
    expect(watch.dueMs()).toBe(9_400 + steadyMs);
    expect(watch.look(live, lossRule, 9_400 + steadyMs).kind).toBe('good');
    expect(watch.dueMs()).toBeNull();
  });

  it('counts from when its picture stopped, not from when that was noticed', () => {
    const watch = watched(0);
    const stopped = { here: true, health: { kind: 'stopped', sinceMs: 4_000 } } as const;
    expect(watch.look(stopped, lossRule, 4_700)).toMatchObject({ kind: 'holding', sinceMs: 4_000 });
    expect(watch.look(stopped, lossRule, 5_000).kind).toBe('lost');
    const frozen = { here: true, health: { kind: 'frozen', sinceMs: 20_000 } } as const;
    const hung = watched(0);
    expect(hung.look(frozen, lossRule, 21_000).kind).toBe('holding');
    expect(hung.dueMs()).toBe(21_000 + confirmMs);
    expect(hung.look(frozen, lossRule, 21_000 + confirmMs).kind).toBe('lost');
  });

  it('is not lost when the machine itself stood still and all moves again at once', () => {
    const watch = watched(0);
    const stopped = { here: true, health: { kind: 'stopped', sinceMs: 4_000 } } as const;
    expect(watch.look(stopped, lossRule, 6_500).kind).toBe('holding');
    expect(watch.look(live, lossRule, 6_700).kind).toBe('good');
  });

  it('is not lost by a pause that ends in time, and a wobbling plug makes no picture jump', () => {
    const watch = watched(0);
    const gone = { here: false, health: moving };
    watch.look(gone, lossRule, 1_000);
    expect(watch.look(live, lossRule, 1_900).kind).toBe('good');
    watch.look(gone, lossRule, 3_000);
    expect(watch.look(gone, lossRule, 4_000).kind).toBe('lost');
    // Back for less than it takes to be steady, again and again.
    for (let nowMs = 5_000; nowMs < 9_000; nowMs += 1_000) {
      expect(watch.look(live, lossRule, nowMs).kind).toBe('lost');
      expect(watch.look(gone, lossRule, nowMs + 500).kind).toBe('lost');
    }
    expect(watch.look(live, lossRule, 10_000).kind).toBe('lost');
    expect(watch.look(live, lossRule, 10_000 + steadyMs).kind).toBe('good');
  });

  it('follows its rule: what may stand still or be dark is not lost by that', () => {
    const still = { ...lossRule, frozen: false, black: false };
    const frozen = { here: true, health: { kind: 'frozen', sinceMs: 1_000 } } as const;
    const black = { here: true, health: { kind: 'black', sinceMs: 1_000 } } as const;
    const watch = watched(0);
    expect(watch.look(frozen, still, 9_000).kind).toBe('good');
    expect(watch.look(black, still, 9_000).kind).toBe('good');
    // The director changes the rule while it is so.
    watch.look(black, lossRule, 9_000);
    expect(watch.look(black, lossRule, 9_300)).toEqual({ kind: 'lost', sinceMs: 1_000, why: 'black' });
    expect(watch.look(frozen, lossRule, 9_400)).toMatchObject({ kind: 'lost', why: 'frozen' });
  });

  it('that is opened anew shows its last picture until the new one comes, for a second at most', () => {
    const watch = watched(0);
    const opening = { here: true, health: { kind: 'waiting' } } as const;
    expect(watch.look(opening, lossRule, 2_000).kind).toBe('holding');
    expect(watch.look(opening, lossRule, 3_000).kind).toBe('lost');
    expect(createLossWatch().look({ here: false, health: moving }, lossRule, 0).kind).toBe('absent');
  });
});
