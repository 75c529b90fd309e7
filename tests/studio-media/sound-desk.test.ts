// The sound desk in a real Chromium with microphones that fall silent, are unplugged and come back, and with a video file: who
// is heard when, and what is remembered.

import { expect, test } from 'vitest';
import { useLab } from './lab-page.ts';

const openPage = useLab();

test('a backup microphone speaks while the first is silent or unplugged, and gives the place back', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    localStorage.clear();
    const devices = lab.installMicrophones({ lav: 600, spare: 1400 });
    const mixer = lab.createMixer();
    const compositor = lab.createCompositor({ output: { width: 640, height: 360, fps: 30 } });
    const troubles: string[] = [];
    const desk = lab.createSoundDesk({ mixer, compositor, onTrouble: (text) => troubles.push(text) });
    const [first, second] = desk.store.getState().settings.channels;
    if (!first || !second) throw new Error('The desk begins with two channels.');
    await desk.open(first.id, 'lav');
    await desk.open(second.id, 'spare');
    desk.change(first.id, { backupId: second.id, name: 'Mika' });
    const program = lab.startProbe(mixer.programTrack);
    /** Waits for the first one's state, then listens. */
    const placeOf = () => desk.store.getState().channels[first.id]?.place.kind;
    const heardOnce = async (place: 'own' | 'backup', wanted = place === 'own' ? [0.2, 0] : [0, 0.2]) => {
      await lab.untilState(desk.store, ({ channels }) => {
        const [main, backup] = [channels[first.id], channels[second.id]];
        return (
          main?.place.kind === place &&
          backup?.place.kind === (place === 'own' ? 'waiting' : 'own') &&
          (place === 'backup' || main.health.kind === 'alive')
        );
      });
      const [left] = await lab.heard(program, [600, 1400], wanted);
      return left?.map((amplitude) => (amplitude > 0.15 ? 1 : amplitude < 0.005 ? 0 : amplitude));
    };
    const health = () => desk.store.getState().channels[first.id]?.health.kind;
    const states: unknown[] = [await heardOnce('own')];
    devices.silence('lav', true);
    states.push(await heardOnce('backup'), health());
    devices.silence('lav', false);
    states.push(await heardOnce('own'));
    devices.unplug('lav');
    states.push(await heardOnce('backup'), desk.report(first.id).kind);
    devices.plug('lav');
    states.push(await heardOnce('own'));
    // The director mutes the first on purpose: nobody speaks for it.
    desk.setStrip(first.id, { muted: true, highPassHz: 80 });
    states.push(await heardOnce('own', [0, 0]), placeOf());
    desk.close();
    mixer.close();
    const again = lab.createSoundDesk({
      mixer: lab.createMixer(),
      compositor,
      onTrouble: (text) => troubles.push(text),
    });
    const [kept] = again.store.getState().settings.channels;
    again.close();
    compositor.close();
    return { states, kept, troubles };
  });
  expect(result.states).toEqual([[1, 0], [0, 1], 'silent', [1, 0], [0, 1], 'gone', [1, 0], [0, 0], 'own']);
  expect(result.kept).toMatchObject({
    name: 'Mika',
    backupId: 'mic-2',
    inUse: true,
    device: { deviceId: 'lav', label: 'The lav' },
    strip: { muted: true, highPassHz: 80 },
  });
  expect(result.troubles).toEqual([]);
  await page.close();
});

test('a stereo device is split into two lavs, and talkback without a microphone says what to do', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    localStorage.clear();
    lab.installMicrophones({ mixer: 600 });
    const mixer = lab.createMixer();
    const compositor = lab.createCompositor({ output: { width: 640, height: 360, fps: 30 } });
    const troubles: string[] = [];
    const desk = lab.createSoundDesk({ mixer, compositor, onTrouble: (text) => troubles.push(text) });
    await desk.openAll(true);
    const [first] = desk.store.getState().settings.channels;
    if (!first) throw new Error('The desk begins with two channels.');
    await desk.split(first.id);
    const split = desk.store.getState().settings.channels.map(({ name, strip, device }) => ({
      name,
      mode: strip.mode,
      deviceId: device?.deviceId,
    }));
    desk.talk(true);
    const silent = desk.store.getState().talking;
    desk.change(first.id, { use: 'talkback' });
    desk.talk(true);
    const { talking } = desk.store.getState();
    const { talkback, inputs } = mixer.snapshot();
    for (let n = 0; n < 20; n++) desk.addChannel();
    const { length } = desk.store.getState().settings.channels;
    desk.close();
    mixer.close();
    compositor.close();
    return { split, silent, talking, talkback, kind: inputs[first.id]?.kind, length, troubles };
  });
  expect(result.split).toEqual([
    { name: 'Lav L', mode: 'left', deviceId: 'mixer' },
    { name: 'Lav R', mode: 'right', deviceId: 'mixer' },
  ]);
  expect(result).toMatchObject({
    silent: false,
    talking: true,
    talkback: true,
    kind: 'talkback',
    length: 16,
  });
  expect(result.troubles[0]).toContain('no talkback microphone');
  expect(result.troubles[1]).toContain('Remove one first');
  await page.close();
});

test('a video file’s sound keeps step with its picture over its loop, and is in the program only while the picture is', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    localStorage.clear();
    const mixer = lab.createMixer();
    const compositor = lab.createCompositor({ output: { width: 320, height: 180, fps: 30 } });
    const troubles: string[] = [];
    const onTrouble = (text: string) => void troubles.push(text);
    const desk = lab.createSoundDesk({ mixer, compositor, onTrouble });
    const file = await lab.makeClap();
    const pictures = lab.createPictureSources({
      compositor,
      sound: desk,
      subscribe: () => Promise.reject(new Error('There is no server.')),
      files: { get: () => Promise.resolve(file) },
      output: { width: 320, height: 180, fps: 30 },
      onTrouble,
    });
    const origin = { kind: 'video', fileId: 'a'.repeat(64), fileName: 'clap.webm', loop: true } as const;
    const video = lab.newSource(lab.sourceId.parse('clap'), 'Clap', origin);
    pictures.follow([video]);
    pictures.followProgram(new Set(['clap']));
    compositor.setScene(lab.createScene([lab.createLayer('clap')]));
    const [seen, heard] = [lab.startProbe(compositor.track), lab.startProbe(mixer.programTrack)];
    const apart = async () => {
      const [flashes, beeps] = await Promise.all([seen.onsets(4), heard.onsets(4)]);
      // A clap every 600 ms: each flash has one beep that can be its own.
      return flashes.flatMap((flash) =>
        beeps.filter((beep) => Math.abs(beep - flash) < 300).map((beep) => beep - flash),
      );
    };
    const inStep = await apart();
    // The whole picture waits for late microphones, and this one for another beside it: the file's sound waits for both.
    desk.setVideoDelayMs(200);
    pictures.follow([{ ...video, videoDelayMs: 200 }]);
    await Promise.all([seen.onsets(2), heard.onsets(2)]);
    const delayed = await apart();

    pictures.followProgram(new Set());
    const off = desk.store.getState().attached['clap']?.onAir;
    await lab.untilMeters(mixer, ({ inputs }) => (inputs['clap']?.peakDb ?? -100) > -20);
    await seen.onsets(1);
    await heard.takeTimes();
    await seen.onsets(2);
    const beepsOff = (await heard.takeTimes()).onsetsMs.length;
    // Reading a track begins with a new processor, an empty buffer and so a hole: a new name needs none.
    const { MediaStreamTrackProcessor } = globalThis;
    let readAnew = 0;
    globalThis.MediaStreamTrackProcessor = new Proxy(MediaStreamTrackProcessor, {
      construct: (target, init: unknown[]) => {
        readAnew += 1;
        const made: object = Reflect.construct(target, init);
        return made;
      },
    });
    pictures.follow([{ ...video, name: 'Trailer' }]);
    globalThis.MediaStreamTrackProcessor = MediaStreamTrackProcessor;
    const { name } = desk.store.getState().attached['clap'] ?? {};
    desk.setStrip('clap', { muted: true, delayMs: 40 });
    pictures.follow([]);
    const left = { input: mixer.hasInput('clap'), strips: Object.keys(desk.store.getState().attached) };
    pictures.close();
    desk.close();
    // The page is loaded again.
    const again = lab.createSoundDesk({ mixer, compositor, onTrouble });
    const kept = again.stripOf('clap');
    again.close();
    mixer.close();
    compositor.close();
    return { inStep, delayed, off, beepsOff, name, readAnew, left, kept, troubles };
  });
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
  // Meant to be 30 ms late, as microphones are. The sound leaves on its moment; when a picture has been composed is the machine's
  // affair. Without the delay of 200 ms, or with a mixer's whole buffer before it, it would be further off than this.
  expect(Math.abs(median(result.inStep) - 30)).toBeLessThan(60);
  expect(Math.abs(median(result.delayed) - 30)).toBeLessThan(60);
  expect(result).toMatchObject({ off: false, beepsOff: 0, name: 'Trailer', readAnew: 0, troubles: [] });
  expect(result.left).toEqual({ input: false, strips: [] });
  expect(result.kept).toMatchObject({ muted: true, delayMs: 40 });
  await page.close();
});
