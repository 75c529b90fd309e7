// What a source's own media say of its health: the judges by themselves, and the compositor with sick cameras in Chromium.

import { describe, expect, test } from 'vitest';
import {
  createPictureJudge,
  createSoundJudge,
  samplePicture,
} from '../../renderer/studio/media/source-health.ts';
import { useLab } from './lab-page.ts';

const width = 640;
const height = 360;
/** A camera's picture: a scene, and a sensor's noise that never repeats. */
const noisy = (seed: number, base = 90): Uint8Array =>
  Uint8Array.from({ length: width * height }, (_, i) => base + ((i * 7 + (i >> 8) * seed * 13 + seed) % 3));
const sampleOf = (luma: Uint8Array) => samplePicture(luma, width, height);
const frameMs = 1000 / 30;

describe('a picture', () => {
  test('moves while its noise changes, and is frozen a second after it last did', () => {
    const judge = createPictureJudge();
    expect(judge.health(0)).toEqual({ kind: 'waiting' });
    let nowMs = 0;
    for (let n = 0; n < 60; n += 1) judge.frame(sampleOf(noisy(n)), (nowMs += frameMs));
    expect(judge.health(nowMs)).toEqual({ kind: 'moving' });
    const last = sampleOf(noisy(59));
    const frozenSinceMs = nowMs;
    while (nowMs < frozenSinceMs + 990) judge.frame(last, (nowMs += frameMs));
    while (nowMs < frozenSinceMs + 1_100) judge.frame(last, (nowMs += frameMs));
    expect(judge.health(nowMs)).toEqual({ kind: 'frozen', sinceMs: frozenSinceMs });
    judge.frame(sampleOf(noisy(60)), (nowMs += frameMs));
    expect(judge.health(nowMs)).toEqual({ kind: 'moving' });
  });

  test('is black under a lens cap though noise goes on, and not in a dark alley with one lamp', () => {
    const capped = createPictureJudge();
    const alley = createPictureJudge();
    for (let nowMs = 0; nowMs <= 700; nowMs += 50) {
      const cap = noisy(nowMs, 16);
      const lamp = noisy(nowMs, 16);
      for (let row = 100; row < 124; row += 1) lamp.fill(200, row * width + 300, row * width + 324);
      capped.frame(sampleOf(cap), nowMs);
      alley.frame(sampleOf(lamp), nowMs);
    }
    expect(capped.health(700)).toEqual({ kind: 'black', sinceMs: 0 });
    expect(alley.health(700)).toEqual({ kind: 'moving' });
  });

  test('that no longer comes has stopped, and a new track begins without the old one’s past', () => {
    const judge = createPictureJudge();
    judge.frame(sampleOf(noisy(1)), 1_000);
    expect(judge.health(1_600)).toEqual({ kind: 'moving' });
    expect(judge.health(1_700)).toEqual({ kind: 'stopped', sinceMs: 1_000 });
    judge.restart();
    expect(judge.health(1_700)).toEqual({ kind: 'waiting' });
  });
});

describe('a sound', () => {
  test('is silent when nothing but the converter’s floor comes, and alive again at the first word', () => {
    const judge = createSoundJudge();
    expect(judge.health(0)).toEqual({ kind: 'waiting' });
    judge.reading(-40, 0);
    for (let nowMs = 50; nowMs <= 1_000; nowMs += 50) judge.reading(-96, nowMs);
    expect(judge.health(1_000)).toEqual({ kind: 'silent', sinceMs: 50 });
    judge.reading(-38, 1_050);
    expect(judge.health(1_050)).toEqual({ kind: 'alive' });
  });

  test('is clipped when full scale comes again and again, not for one clap, and no longer once it is turned down', () => {
    const judge = createSoundJudge();
    judge.reading(0, 0);
    judge.reading(-20, 50);
    expect(judge.health(50)).toEqual({ kind: 'alive' });
    for (const nowMs of [2_000, 2_200, 2_400, 2_600]) judge.reading(0, nowMs);
    expect(judge.health(2_600)).toEqual({ kind: 'clipped', sinceMs: 2_000 });
    judge.reading(-6, 4_700);
    expect(judge.health(4_700)).toEqual({ kind: 'alive' });
  });
});

describe('in the compositor', () => {
  const openPage = useLab();

  test('each sick camera is told from a healthy one, and its recovery is said too', async () => {
    const page = await openPage();
    const told = await page.evaluate(async () => {
      const compositor = lab.createCompositor({ output: { width: 640, height: 360, fps: 30 } });
      compositor.setScene(lab.layoutScene({ layout: 'full', cameraId: 'cam', guestId: null }));
      const said: string[] = [];
      const watchers = new Set<() => void>();
      compositor.onHealth((sourceId, health) => {
        said.push(`${sourceId} ${health.kind}`);
        for (const watcher of watchers) watcher();
      });
      const until = (wanted: string) =>
        new Promise<void>((resolve) => {
          const look = () => {
            if (said.at(-1) !== wanted) return;
            watchers.delete(look);
            resolve();
          };
          watchers.add(look);
          look();
        });
      const black = [0, 0, 0] as const;
      const grey = [120, 120, 120] as const;
      const camera = lab.startCamera();
      compositor.addSource('cam', camera.track);
      await until('cam moving');
      camera.freeze(true);
      await until('cam stopped');
      camera.freeze(false);
      await until('cam moving');
      const still = lab.startCamera({ picture: { quadrants: [grey, grey, black, grey] } });
      compositor.addSource('cam', still.track);
      await until('cam frozen');
      const capped = lab.startCamera({ picture: { quadrants: [black, black, black, black] } });
      compositor.addSource('cam', capped.track);
      await until('cam black');
      compositor.addSource('cam', lab.startCamera().track);
      await until('cam moving');
      compositor.close();
      return said;
    });
    // A picture that has only just stood still counts as moving; what counts is that each sickness was told, and no other.
    const sick = told.filter((each) => !/moving|waiting/.test(each));
    expect(sick).toEqual(['cam stopped', 'cam frozen', 'cam black']);
    expect(told.at(-1)).toBe('cam moving');
    await page.close();
  });
});
