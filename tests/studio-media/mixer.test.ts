// The mixer in a real Chromium, by known tones: who is heard where, how loud, and how late.

import { expect, test } from 'vitest';
import { useLab } from './lab-page.ts';

const openPage = useLab();

/** The tones of these tests have an amplitude of 0.2; interpolation and a change of speed may cost a little. */
const whole = (amplitude: number | undefined) => amplitude !== undefined && Math.abs(amplitude - 0.2) < 0.02;
const silent = (amplitude: number | undefined) => amplitude !== undefined && amplitude < 0.002;

test('the program carries everyone, a mix-minus everyone but its guest, and guests come and go', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    const hertz = [600, 1400, 2200];
    const mixer = lab.createMixer();
    const ids = ['lav', 'guestA', 'guestB'];
    ids.forEach((id, i) => {
      const { track } = lab.startMicrophone({ tones: [hertz[i] ?? 0], level: 0.2 });
      mixer.addInput(id, track, { kind: id === 'lav' ? 'local' : 'guest' });
    });
    const minusTrack = mixer.mixMinusTrack('guestA');
    const minus = lab.startProbe(minusTrack);
    const program = lab.startProbe(mixer.programTrack);
    const allLive = (reading: { inputs: Record<string, { peakDb: number }> }) =>
      ids.every((id) => (reading.inputs[id]?.peakDb ?? -100) > -20);
    await lab.untilMeters(mixer, allLive);
    const whole = await lab.heard(program, hertz, [0.2, 0.2, 0.2]);
    const without = await lab.heard(minus, hertz, [0.2, 0, 0.2]);
    mixer.updateInput('lav', { muted: true });
    mixer.removeInput('guestB');
    const later = await lab.heard(program, hertz, [0, 0.2, 0]);
    const laterMeters = await lab.untilMeters(mixer, () => true);
    const sameTrack = mixer.mixMinusTrack('guestA') === minusTrack;
    mixer.releaseMixMinus('guestA');
    return {
      whole,
      without,
      later,
      laterMeters,
      sameTrack,
      ended: minusTrack.readyState,
      snapshot: mixer.snapshot(),
    };
  });
  for (const channel of [0, 1]) {
    expect(result.whole[channel]?.map(whole)).toEqual([true, true, true]);
    expect(result.without[channel]?.map(whole)).toEqual([true, false, true]);
    expect(result.without[channel]?.map(silent)).toEqual([false, true, false]);
    expect(result.later[channel]?.map(silent)).toEqual([true, false, true]);
  }
  expect(result.laterMeters.inputs['lav']?.peakDb, 'a muted input still shows its level').toBeGreaterThan(
    -16,
  );
  expect(Object.keys(result.laterMeters.inputs)).toEqual(['lav', 'guestA']);
  expect(result.sameTrack).toBe(true);
  expect(result.ended).toBe('ended');
  expect(result.snapshot).toMatchObject({
    state: 'running',
    sampleRate: 48_000,
    mixMinusIds: [],
    monitor: { on: false },
  });
  await page.close();
});

test('left and right of one device are two inputs, gain is in dB, and a replaced track takes the place', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    const hertz = [600, 1400, 2200];
    const mixer = lab.createMixer();
    const { track } = lab.startMicrophone({ tones: [600, 1400], level: 0.2 });
    mixer.addInput('left', track, { mode: 'left' });
    mixer.addInput('right', track, { mode: 'right', muted: true });
    const program = lab.startProbe(mixer.programTrack);
    const heard = async (...wanted: number[]) => lab.heard(program, hertz, wanted);
    await lab.untilMeters(mixer, ({ program: level }) => level.peakDb > -20);
    const left = await heard(0.2, 0, 0);
    mixer.updateInput('right', { muted: false, gainDb: 6 });
    mixer.updateInput('left', { muted: true });
    const right = await heard(0, 0.2 * 10 ** (6 / 20), 0);
    mixer.updateInput('right', { mode: 'stereo', gainDb: 0 });
    const stereo = await lab.heard(program, hertz, [
      [0.2, 0, 0],
      [0, 0.2, 0],
    ]);
    mixer.replaceTrack('right', lab.startMicrophone({ tones: [2200], level: 0.2 }).track);
    const replaced = await heard(0, 0, 0.2);
    const refusals = ['addInput', 'updateInput'].map((call) => {
      try {
        if (call === 'addInput') mixer.addInput('left', track);
        else mixer.updateInput('nobody', {});
        return '';
      } catch (error) {
        return String(error);
      }
    });
    mixer.close();
    mixer.close();
    return { left, right, stereo, replaced, refusals, state: mixer.snapshot().state };
  });
  for (const channel of [0, 1]) {
    expect(result.left[channel]?.map(whole)).toEqual([true, false, false]);
    expect(result.left[channel]?.map(silent)).toEqual([false, true, true]);
    expect(result.right[channel]?.[1]).toBeCloseTo(0.2 * 10 ** (6 / 20), 1);
    expect(silent(result.right[channel]?.[0])).toBe(true);
    expect(result.replaced[channel]?.map(whole)).toEqual([false, false, true]);
  }
  expect([whole(result.stereo[0]?.[0]), silent(result.stereo[0]?.[1])]).toEqual([true, true]);
  expect([silent(result.stereo[1]?.[0]), whole(result.stereo[1]?.[1])]).toEqual([true, true]);
  expect(result.refusals[0]).toContain('exists already');
  expect(result.refusals[1]).toContain('no sound input "nobody"');
  expect(result.state).toBe('closed');
  await page.close();
});

test('however loud the inputs, nothing passes -1 dBTP, and quiet sound is untouched', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    const mixer = lab.createMixer();
    const hertz = [600, 1400];
    mixer.addInput('a', lab.startMicrophone({ tones: [600], level: 0.9 }).track);
    mixer.addInput('b', lab.startMicrophone({ tones: [1400], level: 0.9 }).track, { gainDb: 12 });
    const program = lab.startProbe(mixer.programTrack);
    await lab.untilMeters(
      mixer,
      ({ inputs }) => (inputs['a']?.peakDb ?? -100) > -3 && (inputs['b']?.peakDb ?? -100) > 8,
    );
    const loud = [
      await program.spectrum(hertz),
      await program.spectrum(hertz),
      await program.spectrum(hertz),
    ];
    const meters = await lab.untilMeters(mixer, () => true);
    mixer.updateInput('a', { gainDb: -20 });
    mixer.updateInput('b', { muted: true });
    await lab.untilMeters(mixer, ({ program: level }) => level.peakDb < -18);
    const quiet = await lab.heard(program, hertz, [0.09, 0]);
    return { peaks: loud.map(({ peak }) => peak), meters, quiet: quiet[0]?.[0] };
  });
  const ceiling = 10 ** (-1 / 20);
  for (const peak of result.peaks) {
    expect(peak).toBeLessThanOrEqual(ceiling + 0.0001);
    expect(peak).toBeGreaterThan(0.7);
  }
  expect(result.meters.program.peakDb).toBeLessThanOrEqual(-0.99);
  expect(result.meters.program.rmsDb).toBeLessThan(result.meters.program.peakDb);
  expect(Math.abs((result.quiet ?? 0) - 0.09)).toBeLessThan(0.009);
  await page.close();
});

test('sound is not late, and a hiccup of the machine does not leave it late', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    const mixer = lab.createMixer();
    const microphone = lab.startMicrophone({ beep: true });
    mixer.addInput('lav', microphone.track);
    const program = lab.startProbe(mixer.programTrack);
    const before = await lab.beepDelays(program, mixer, 4);
    microphone.hiccup(250);
    const untilMs = performance.now() + 250;
    while (performance.now() < untilMs);
    await lab.beepDelays(program, mixer, 3);
    const after = await lab.beepDelays(program, mixer, 3);
    mixer.updateInput('lav', { delayMs: 200 });
    await lab.beepDelays(program, mixer, 1);
    const delayed = await lab.beepDelays(program, mixer, 3);
    return { before, after, delayed };
  });
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
  // A calm machine shows some 35 ms, a busy one holds more. What must not happen is that the 250 ms of the hiccup stay.
  expect(median(result.before.slice(1))).toBeLessThan(400);
  expect(median(result.after) - median(result.before.slice(1))).toBeLessThan(150);
  // Neither no delay nor twice as much.
  expect(Math.abs(median(result.delayed) - median(result.after) - 200)).toBeLessThan(120);
  await page.close();
});

test('solo is heard by the director alone, talkback by guests alone, and a stem is one input by itself', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    const hertz = [600, 1400, 2200];
    const mixer = lab.createMixer();
    const add = (id: string, tone: number, kind: 'local' | 'guest' | 'talkback', muted = false) =>
      mixer.addInput(id, lab.startMicrophone({ tones: [tone], level: 0.2 }).track, { kind, muted });
    add('lav', 600, 'local');
    add('guest', 1400, 'guest');
    add('director', 2200, 'talkback');
    const probes = {
      program: lab.startProbe(mixer.programTrack),
      monitor: lab.startProbe(mixer.monitorTrack),
      mixMinus: lab.startProbe(mixer.mixMinusTrack('guest')),
      stem: lab.startProbe(mixer.stemTrack('lav')),
    };
    const [onLav, onGuest, onDirector] = [
      [0.2, 0, 0],
      [0, 0.2, 0],
      [0, 0, 0.2],
    ];
    type Where = 'program' | 'monitor' | 'mixMinus' | 'stem';
    const listen = async (wanted: Record<Where, readonly number[]>) => {
      const on = (where: Where) => lab.heard(probes[where], hertz, wanted[where]);
      const [program, monitor, mixMinus, stem] = await Promise.all([
        on('program'),
        on('monitor'),
        on('mixMinus'),
        on('stem'),
      ]);
      return { program, monitor, mixMinus, stem };
    };
    await lab.untilMeters(mixer, ({ inputs }) =>
      ['lav', 'guest', 'director'].every((id) => (inputs[id]?.peakDb ?? -100) > -20),
    );
    await mixer.setMonitor({ on: true, source: 'guests', outputId: '' });
    const before = await listen({
      program: [0.2, 0.2, 0],
      monitor: onGuest,
      mixMinus: onLav,
      stem: onLav,
    });
    mixer.setSolo(['lav']);
    mixer.updateInput('lav', { muted: true });
    mixer.setTalkback(true);
    const during = await listen({ program: onGuest, monitor: onLav, mixMinus: onDirector, stem: onLav });
    mixer.setSolo([]);
    await mixer.setMonitor({ on: true, source: 'program', outputId: '' });
    mixer.setTalkback(false);
    const after = await listen({ program: onGuest, monitor: onGuest, mixMinus: [0, 0, 0], stem: onLav });
    const refused = await mixer.setMonitor({ on: true, source: 'program', outputId: 'no such output' }).then(
      () => '',
      (error: unknown) => String(error),
    );
    const { monitor } = mixer.snapshot();
    const stem = mixer.stemTrack('lav');
    mixer.releaseStem('lav');
    return { before, during, after, refused, monitor, stemState: stem.readyState };
  });
  // While an input is still being steered to its reserve its tone is bent a little, and correlates less.
  const which = (heard: readonly (readonly number[])[]) =>
    (heard[0] ?? []).map((amplitude) => (amplitude > 0.1 ? 'heard' : silent(amplitude) ? '' : amplitude));
  expect(which(result.before.program)).toEqual(['heard', 'heard', '']);
  expect(which(result.before.monitor)).toEqual(['', 'heard', '']);
  expect(which(result.before.mixMinus)).toEqual(['heard', '', '']);
  expect(which(result.before.stem)).toEqual(['heard', '', '']);
  expect(which(result.during.program)).toEqual(['', 'heard', '']);
  expect(which(result.during.monitor), 'solo, though muted').toEqual(['heard', '', '']);
  expect(which(result.during.mixMinus)).toEqual(['', '', 'heard']);
  expect(which(result.during.stem)).toEqual(['heard', '', '']);
  expect(which(result.after.program)).toEqual(['', 'heard', '']);
  expect(which(result.after.monitor)).toEqual(['', 'heard', '']);
  expect(which(result.after.mixMinus)).toEqual(['', '', '']);
  expect(result.refused).toMatch(/NotFoundError|SecurityError/);
  expect(result.monitor.on).toBe(false);
  expect(result.stemState).toBe('ended');
  await page.close();
});

test('a strip does what the browser’s own filter and gain do, by known tones through an OfflineAudioContext', async () => {
  const page = await openPage();
  const worst = await page.evaluate(async () => {
    const render = async (work: (tones: GainNode) => AudioNode) => {
      const context = new OfflineAudioContext({ numberOfChannels: 2, length: 48_000, sampleRate: 48_000 });
      const tones = new GainNode(context, { gain: 0.1 });
      for (const frequency of [60, 120, 440, 2000]) {
        const tone = new OscillatorNode(context, { frequency });
        tone.connect(tones);
        tone.start();
      }
      work(tones).connect(context.destination);
      return (await context.startRendering()).getChannelData(0);
    };
    const raw = await render((tones) => tones);
    // Web Audio gives a high-pass its resonance in dB: -3.01 is Butterworth.
    const reference = await render((tones) => {
      const gain = new GainNode(tones.context, { gain: 10 ** (-6 / 20) });
      const filter = new BiquadFilterNode(tones.context, { type: 'highpass', frequency: 120, Q: -3.0103 });
      return tones.connect(filter).connect(gain);
    });
    const strip = new lab.ChannelStrip(48_000, { ...lab.plainStrip, highPassHz: 120, gainDb: -6 });
    const [own, post] = [raw.slice(), new Float32Array(raw.length)];
    strip.process(own, raw.slice(), post, new Float32Array(raw.length));
    return post.reduce((most, sample, i) => Math.max(most, Math.abs(sample - (reference[i] ?? 0))), 0);
  });
  expect(worst).toBeLessThan(0.0005);
  await page.close();
});

test('the desk keeps its own time: a page that stands still costs no sound', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    const mixer = lab.createMixer();
    mixer.addInput('lav', lab.startMicrophone({ tones: [600], level: 0.2 }).track);
    const program = lab.startProbe(mixer.programTrack);
    await lab.untilMeters(mixer, ({ program: level }) => level.peakDb > -20);
    // Whatever was made up for at the start is over then.
    await lab.untilClock(mixer);
    await program.takeTimes();
    const startMs = performance.now();
    for (let n = 0; n < 3; n++) {
      const untilMs = performance.now() + 700;
      while (performance.now() < untilMs);
      await lab.untilMeters(mixer, () => true);
    }
    const { arrivalsMs } = await program.takeTimes();
    const tookMs = performance.now() - startMs;
    const clock = await lab.untilClock(mixer);
    mixer.close();
    return { heardMs: arrivalsMs.length * 10, tookMs, clock };
  });
  // Every 10 ms of the time it took were heard; the ends may lie inside a delivery, which a busy machine makes late. A desk on the
  // page's thread makes up for 500 of every 700 ms, so that it would lose 600.
  expect(Math.abs(result.heardMs - result.tookMs)).toBeLessThan(500);
  expect(result.clock?.skippedMs).toBeLessThan(500);
  await page.close();
});

test('claps show how far sound and picture are apart, and the delays then bring them together', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    const output = { width: 640, height: 360, fps: 30 };
    const compositor = lab.createCompositor({ output });
    const mixer = lab.createMixer();
    compositor.addSource('cam', lab.startCamera({ picture: 'flash' }).track);
    compositor.setScene(lab.layoutScene({ layout: 'full', cameraId: 'cam', guestId: null }));
    const clap = lab.startMicrophone({ tones: [2000], level: 0.3, beep: true });
    mixer.addInput('lav', clap.track, { delayMs: 200 });
    const set = { videoDelayMs: 0, lav: 200 };
    const lipSync = lab.createLipSync({
      video: compositor.track,
      audio: mixer.programTrack,
      delays: {
        videoDelayMs: () => set.videoDelayMs,
        setVideoDelayMs: (delayMs) => (set.videoDelayMs = delayMs),
        soundDelayMs: () => ({ lav: set.lav }),
        setSoundDelayMs: (id, delayMs) => {
          set.lav = delayMs;
          mixer.updateInput(id, { delayMs });
        },
      },
    });
    const measured = await lipSync.measure();
    lipSync.apply();
    mixer.close();
    compositor.close();
    return { measured, set, state: lipSync.store.getState() };
  });
  const offsetMs = result.measured.kind === 'measured' ? result.measured.offsetMs : NaN;
  // What the mixer takes more than the compositor comes on top of the 200 ms, or off it.
  expect(Math.abs(offsetMs - 200)).toBeLessThan(150);
  expect(result.set.lav - result.set.videoDelayMs).toBe(200 - offsetMs);
  expect(result.state).toMatchObject({ kind: 'measured', set: true });
  await page.close();
});
