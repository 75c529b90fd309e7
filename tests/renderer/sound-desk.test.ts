// The sound desk's rules and words by themselves: when a backup microphone speaks, how loud is right, what is remembered.
import { describe, expect, test } from 'vitest';
import { createBackupRule, giveBackAfterMs } from '../../renderer/studio/backup-mic.ts';
import { createLoudnessWindow, loudnessHint } from '../../renderer/studio/loudness-hint.ts';
import { plainStrip } from '../../renderer/studio/media/channel-strip.ts';
import {
  defaultSound,
  mostAttachedStrips,
  readSound,
  withAttachedStrip,
  writeSound,
  type AttachedStrips,
} from '../../renderer/studio/sound-settings.ts';
import { createBrowserStorage } from '../support/browser-storage.ts';

describe('a backup microphone', () => {
  test('takes over from a silent or unplugged one, and gives back when the first has lived for two seconds', () => {
    const rule = createBackupRule();
    expect(rule.look('alive', 'alive', 0)).toEqual({ kind: 'main' });
    expect(rule.look('silent', 'alive', 1_000)).toEqual({
      kind: 'backup',
      sinceMs: 1_000,
      because: 'silent',
    });
    // A loose plug: alive for a moment is not enough.
    rule.look('alive', 'alive', 2_000);
    rule.look('silent', 'alive', 3_500);
    expect(rule.look('alive', 'alive', 4_000).kind).toBe('backup');
    expect(rule.look('alive', 'alive', 4_000 + giveBackAfterMs - 1).kind).toBe('backup');
    expect(rule.look('alive', 'alive', 4_000 + giveBackAfterMs)).toEqual({ kind: 'main' });
    expect(rule.look('gone', 'alive', 9_000)).toEqual({ kind: 'backup', sinceMs: 9_000, because: 'gone' });
  });

  test('stays away while it is as dead, while the first is only opening, and leaves at once when it dies itself', () => {
    const rule = createBackupRule();
    expect(rule.look('silent', 'silent', 0).kind).toBe('main');
    expect(rule.look('opening', 'alive', 100).kind).toBe('main');
    expect(rule.look('gone', 'gone', 200).kind).toBe('main');
    expect(rule.look('gone', 'alive', 300).kind).toBe('backup');
    expect(rule.look('gone', 'gone', 400).kind).toBe('backup');
    expect(rule.look('alive', 'gone', 500).kind).toBe('main');
  });
});

test('the loudness hint speaks of the last half minute without its pauses', () => {
  const window = createLoudnessWindow();
  expect(loudnessHint(window.gatedLufs(), -16)).toContain('Speak for a few seconds');
  let nowMs = 0;
  const add = (lufs: number, seconds: number) => {
    for (const end = nowMs + seconds * 1000; nowMs < end; nowMs += 50) window.add(lufs, nowMs);
  };
  add(-19, 10);
  add(-100, 10);
  expect(window.gatedLufs()).toBeCloseTo(-19, 1);
  expect(loudnessHint(window.gatedLufs(), -16)).toBe('3 LU too quiet.');
  add(-15, 30);
  expect(loudnessHint(window.gatedLufs(), -16)).toBe('Right on target.');
  expect(loudnessHint(window.gatedLufs(), -23)).toBe('8 LU too loud.');
});

test('what is remembered comes back, and a damaged memory is an empty one', () => {
  const kept = new Map<string, string>();
  const storage = createBrowserStorage(kept);
  expect(readSound(storage)).toEqual(defaultSound);
  const [first, ...others] = defaultSound.channels;
  if (!first) throw new Error('The default has no channel.');
  const changed = {
    ...defaultSound,
    targetLufs: -23 as const,
    channels: [{ ...first, name: 'Mika', strip: { ...first.strip, highPassHz: 80, delayMs: 40 } }, ...others],
  };
  writeSound(changed, storage);
  expect(readSound(storage)).toEqual(changed);
  // What an older studio kept has no strips of guests.
  const [key = ''] = kept.keys();
  storage.setItem(key, JSON.stringify({ ...changed, attached: undefined }));
  expect(readSound(storage)).toEqual(changed);
  // However many guests there were, what is written can be read; who was changed longest ago is forgotten.
  let attached: AttachedStrips = {};
  for (let n = 0; n <= mostAttachedStrips; n += 1) {
    attached = withAttachedStrip(attached, `guest:${n}`, { ...plainStrip, gainDb: -n / 2 });
    if (n === 1) attached = withAttachedStrip(attached, 'guest:0', { ...plainStrip, muted: true });
  }
  writeSound({ ...changed, attached }, storage);
  const read = readSound(storage).attached;
  expect(read).toEqual(attached);
  expect(read['guest:0']).toMatchObject({ muted: true });
  expect(read['guest:1']).toBeUndefined();
  for (const damaged of ['{', '{}', JSON.stringify({ ...changed, targetLufs: 3 })]) {
    storage.setItem(key, damaged);
    expect(readSound(storage)).toEqual(defaultSound);
  }
});
