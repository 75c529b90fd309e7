// Sources that are no camera, from the document to the program's pixels, in a real Chromium: a colour, a test card, an image, a shared
// screen; what is wrong with one is said in words, and mended by choosing again.
import { expect, test } from 'vitest';
import { fakeMediaArgs } from '../support/browser.ts';
import { useLab } from './lab-page.ts';

const openPage = useLab(fakeMediaArgs);

test('a colour, a test card, an image and a shared screen come to the picture; a wrong file is told in words, and so is a screen that goes', async () => {
  const page = await openPage();
  const result = await page.evaluate(async () => {
    const output = { width: 320, height: 180, fps: 30 };
    const compositor = lab.createCompositor({ output });
    const files = lab.createSourceFiles();
    const troubles: string[] = [];
    const pictures = lab.createPictureSources({
      compositor,
      sound: { attach: () => {}, detach: () => {}, setOnAir: () => {}, setPictureDelayMs: () => {} },
      subscribe: () => Promise.reject(new Error('There is no server.')),
      files,
      output,
      onTrouble: (text) => void troubles.push(text),
    });
    const probe = lab.startProbe(compositor.track);
    const middle = [0.5, 0.5] as const;
    const show = (id: string) => compositor.setScene(lab.createScene([lab.createLayer(id)]));
    const stateOf = (id: string) =>
      Object.entries(pictures.store.getState().feeds).find(([each]) => each === id)?.[1].state;
    const until = async (id: string, kind: string) => {
      await lab.untilState(pictures.store, () => stateOf(id)?.kind === kind);
      return stateOf(id);
    };
    const id = (text: string) => lab.sourceId.parse(text);

    const canvas = new OffscreenCanvas(64, 36);
    const pen = canvas.getContext('2d');
    if (!pen) throw new Error('no canvas');
    pen.fillStyle = '#e08020';
    pen.fillRect(0, 0, 64, 36);
    const imageFile = await files.put(await canvas.convertToBlob({ type: 'image/png' }));
    const damaged = await files.put(new Blob(['This was a picture once.']));
    const image = (fileId: string | null) =>
      lab.newSource(id('slide'), 'Slide', { kind: 'image', fileId, fileName: 'slide.png' });
    const colour = lab.newSource(id('blue'), 'Blue', { kind: 'colour', hex: '#2040c0' });
    const card = lab.newSource(id('card'), 'Card', { kind: 'testCard' });
    const screen = lab.newSource(id('screen'), 'Screen', { kind: 'screen' });

    pictures.follow([colour, card, image(null), screen]);
    const words: string[] = [];
    const failed = async () => {
      const state = await until('slide', 'failed');
      if (state?.kind === 'failed') words.push(`${state.word}: ${state.sentence}`);
    };
    await failed();
    for (const fileId of ['0'.repeat(64), damaged]) {
      pictures.follow([colour, card, image(fileId), screen]);
      await until('slide', 'opening');
      await failed();
    }
    pictures.follow([colour, card, image(imageFile), screen]);
    await until('slide', 'live');
    show('slide');
    await lab.untilColour(probe, [middle], 0, [224, 128, 32]);
    show('blue');
    await lab.untilColour(probe, [middle], 0, [32, 64, 192]);
    show('card');
    const bars = await lab.untilColour(
      probe,
      [
        [0.05, 0.2],
        [0.2, 0.2],
        [0.95, 0.2],
      ],
      0,
      [191, 191, 191],
    );

    const before = stateOf('screen')?.kind;
    await pictures.shareScreen(screen.id);
    const shared = (await until('screen', 'live'))?.kind;
    await lab.untilStats(compositor, ({ sources }) => (sources['screen']?.framesPerSecond ?? 0) > 0);
    // Another answer to the browser's question takes the place of the first, whose end is then nobody's affair.
    const first = await navigator.mediaDevices.getDisplayMedia({ video: true });
    const [own] = first.getVideoTracks();
    Object.defineProperty(navigator.mediaDevices, 'getDisplayMedia', {
      configurable: true,
      value: () => Promise.resolve(first),
    });
    await pictures.shareScreen(screen.id);
    own?.stop();
    own?.dispatchEvent(new Event('ended'));
    const gone = (await until('screen', 'unplugged'))?.kind;
    Object.defineProperty(navigator.mediaDevices, 'getDisplayMedia', {
      configurable: true,
      value: () => Promise.reject(new DOMException('The person said no.', 'NotAllowedError')),
    });
    await pictures.shareScreen(screen.id);
    const afterNo = stateOf('screen')?.kind;

    pictures.follow([]);
    const left = Object.keys(pictures.store.getState().feeds);
    pictures.close();
    compositor.close();
    return { words, bars: bars.rgb, before, shared, gone, afterNo, left, troubles };
  });
  expect(result.words).toEqual([
    'no file: Slide: Choose a file for it.',
    'no file: Slide: Its file is not on this computer. Choose it again.',
    'no file: Slide: This is no image that can be read. Choose a PNG, JPEG or WebP.',
  ]);
  const [grey, yellow, blue] = result.bars;
  expect([grey, yellow, blue].map((rgb) => (rgb ?? []).map((value) => value > 100))).toEqual([
    [true, true, true],
    [true, true, false],
    [false, false, true],
  ]);
  expect(result).toMatchObject({ before: 'off', shared: 'live', gone: 'unplugged', afterNo: 'unplugged' });
  expect(result).toMatchObject({ left: [], troubles: [] });
});
