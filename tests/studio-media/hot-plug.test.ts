// Microphones of a real sound system, PulseAudio, pulled out and plugged in again under the studio's sound desk in a real
// Chromium. Two are of one make, so that their tones tell what their names do not: whether one was taken for the other.

import { expect, test } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startSoundSystem } from '../support/sound-system.ts';
import { startLabServer } from './lab-server.ts';

const make = 'Pocket Lav';
const main = { name: 'lav_main', make, toneHz: 600 };
const spare = { name: 'lav_spare', make, toneHz: 1400 };

test('a microphone pulled out is said, its twin speaks for it only as its backup, and plugged in it has its place again', async () => {
  const sound = await startSoundSystem();
  const server = await startLabServer();
  const browser = await launchBrowser(['--use-fake-ui-for-media-stream'], sound.env);
  try {
    await sound.plug(main);
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.waitForFunction(() => 'lab' in globalThis);

    const rig = await page.evaluateHandle(
      async (tonesHz) => {
        const mixer = lab.createMixer();
        const compositor = lab.createCompositor({ output: { width: 320, height: 180, fps: 30 } });
        const troubles: string[] = [];
        const onTrouble = (text: string) => void troubles.push(text);
        const desk = lab.createSoundDesk({ mixer, compositor, onTrouble });
        const [main, spare] = desk.store.getState().settings.channels;
        if (!main || !spare) throw new Error('The desk begins with two channels.');
        // Each is half of full scale: together they would meet the limiter.
        for (const { id } of [main, spare]) desk.setStrip(id, { gainDb: -8 });
        // A new desk begins with the system's default.
        await desk.openAll(true);
        const slots = [desk.store.getState().channels[main.id]?.slot];
        desk.store.subscribe(({ channels }) => {
          const slot = channels[main.id]?.slot;
          if (slots.at(-1) !== slot) slots.push(slot);
        });
        const [mains] = await lab.listDevices('microphone');
        const program = lab.startProbe(mixer.programTrack);
        return {
          /** Waits for the main one's state and both places, then listens: the main one's tone and the spare's, in tenths. */
          heard: async (
            [kind, place, sparePlace]: readonly ['live' | 'unplugged', 'own' | 'backup', 'own' | 'waiting'],
            wanted: readonly [number, number],
          ) => {
            await lab.untilState(desk.store, ({ channels }) => {
              const [first, second] = [channels[main.id], channels[spare.id]];
              if (first?.slot.kind !== kind || first.place.kind !== place) return false;
              if (kind === 'live' && first.health.kind !== 'alive') return false;
              return second?.health.kind === 'alive' && second.place.kind === sparePlace;
            });
            const [left = []] = await lab.heard(program, tonesHz, wanted);
            return left.map((amplitude) => Math.round(amplitude * 10) / 10);
          },
          openSpare: async () => {
            const listed = await lab.listDevices('microphone');
            const another = listed.find(({ deviceId }) => deviceId !== mains?.deviceId);
            if (another) await desk.open(spare.id, another.deviceId);
            return listed.map(({ label }) => label);
          },
          report: () => desk.report(main.id),
          standBy: () => desk.change(main.id, { backupId: spare.id }),
          story: () =>
            slots.map((slot) => [
              slot?.kind,
              slot && 'identity' in slot && slot.identity.deviceId === mains?.deviceId,
            ]),
          troubles,
        };
      },
      [main.toneHz, spare.toneHz],
    );

    await sound.plug(spare);
    expect(await rig.evaluate(({ openSpare }) => openSpare())).toEqual([make, make]);
    expect(await rig.evaluate(({ heard }) => heard(['live', 'own', 'own'], [0.2, 0.2]))).toEqual([0.2, 0.2]);

    // PulseAudio moves who records from it to the twin. Were that let through, the twin would be heard twice: 0.4.
    await sound.unplug(main.name);
    expect(await rig.evaluate(({ heard }) => heard(['unplugged', 'own', 'own'], [0, 0.2]))).toEqual([0, 0.2]);
    expect(await rig.evaluate(({ report }) => report())).toMatchObject({ kind: 'gone', how: 'unplugged' });
    await sound.plug(main);
    expect(await rig.evaluate(({ heard }) => heard(['live', 'own', 'own'], [0.2, 0.2]))).toEqual([0.2, 0.2]);

    await rig.evaluate(({ standBy }) => standBy());
    expect(await rig.evaluate(({ heard }) => heard(['live', 'own', 'waiting'], [0.2, 0]))).toEqual([0.2, 0]);
    await sound.unplug(main.name);
    expect(await rig.evaluate(({ heard }) => heard(['unplugged', 'backup', 'own'], [0, 0.2]))).toEqual([
      0, 0.2,
    ]);
    await sound.plug(main);
    expect(await rig.evaluate(({ heard }) => heard(['live', 'own', 'waiting'], [0.2, 0]))).toEqual([0.2, 0]);

    // Nothing else was ever in its place.
    const kinds = ['live', 'unplugged', 'live', 'unplugged', 'live'];
    expect(await rig.evaluate(({ story }) => story())).toEqual(kinds.map((kind) => [kind, true]));
    expect(await rig.evaluate(({ troubles }) => troubles)).toEqual([]);
  } finally {
    await browser.close();
    await server.close();
    await sound.close();
  }
});
