// Takes a picture of every page in its main states at phone and laptop size, for looking at. `npm run shots [-- --readme]`.
// Pictures go to dist/shots; with --readme the two of the README are renewed as well. Real server, real pages, real media.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchBrowser } from '../tests/support/browser.ts';
import { startServer, type TestServer } from '../tests/support/server.ts';
import { takeChat } from './shots-chat.ts';
import { takeShop } from './shots-shop.ts';

const { values: flags } = parseArgs({ options: { readme: { type: 'boolean', default: false } } });
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'dist', 'shots');
mkdirSync(folder, { recursive: true });

const sizes = {
  phone: { width: 390, height: 844 },
  sideways: { width: 844, height: 390 },
  laptop: { width: 1280, height: 800 },
  small: { width: 1280, height: 720 },
  wide: { width: 1600, height: 900 },
} as const;
type Size = keyof typeof sizes;

/** A street at night instead of a real camera: lights out of focus and somebody in front of them. Runs in the page. */
const installStreetCamera = (hue: number): void => {
  const paint = (canvas: HTMLCanvasElement) => {
    const pen = canvas.getContext('2d');
    if (!pen) throw new Error('no canvas');
    const { width: w, height: h } = canvas;
    const lights = Array.from({ length: 46 }, (_, n) => ({
      x: ((n * 97) % 100) / 100,
      y: 0.08 + (((n * 53) % 100) / 100) * 0.55,
      size: 0.012 + ((n * 31) % 7) * 0.006,
      hue: (hue + ((n * 47) % 90)) % 360,
    }));
    const draw = (atMs: number) => {
      const sky = pen.createLinearGradient(0, 0, 0, h);
      sky.addColorStop(0, `hsl(${hue + 200} 40% 9%)`);
      sky.addColorStop(0.7, `hsl(${hue + 180} 35% 19%)`);
      sky.addColorStop(1, '#07080b');
      pen.fillStyle = sky;
      pen.fillRect(0, 0, w, h);
      for (const light of lights) {
        pen.globalAlpha = 0.35 + 0.25 * Math.sin(atMs / 900 + light.x * 20);
        pen.fillStyle = `hsl(${light.hue} 90% 62%)`;
        pen.beginPath();
        pen.arc(light.x * w, light.y * h, light.size * w, 0, 7);
        pen.fill();
      }
      pen.globalAlpha = 1;
      const sway = Math.sin(atMs / 1500) * w * 0.006;
      const body = pen.createLinearGradient(w * 0.3, 0, w * 0.7, 0);
      body.addColorStop(0, '#11141b');
      body.addColorStop(0.5, `hsl(${hue} 22% 24%)`);
      body.addColorStop(1, '#0d0f14');
      pen.fillStyle = body;
      pen.beginPath();
      pen.ellipse(w * 0.42 + sway, h * 1.06, w * 0.2, h * 0.46, 0, 0, 7);
      pen.fill();
      pen.fillStyle = `hsl(${(hue + 20) % 360} 32% 48%)`;
      pen.beginPath();
      pen.ellipse(w * 0.42 + sway * 1.6, h * 0.46, w * 0.062, h * 0.155, 0, 0, 7);
      pen.fill();
      pen.fillStyle = '#16120f';
      pen.beginPath();
      pen.ellipse(w * 0.42 + sway * 1.6, h * 0.375, w * 0.068, h * 0.1, 0, Math.PI, 0);
      pen.fill();
    };
    setInterval(() => draw(performance.now()), 33);
    draw(0);
  };
  // The studio knows a device by its place in the list, its id and its name.
  const named = (track: MediaStreamTrack, deviceId: string, label: string) => {
    const settings = { deviceId, groupId: 'street', ...(track.kind === 'video' ? { frameRate: 30 } : {}) };
    Object.defineProperty(track, 'label', { value: label });
    Object.defineProperty(track, 'getSettings', { value: () => settings });
    return track;
  };
  const listed = (kind: MediaDeviceKind, deviceId: string, label: string): MediaDeviceInfo => {
    const plain = { kind, deviceId, groupId: 'street', label };
    return { ...plain, toJSON: () => plain };
  };
  const cameraName = 'Pocket cam';
  const microphoneName = 'Field mixer';
  Object.defineProperty(navigator.mediaDevices, 'enumerateDevices', {
    value: () =>
      Promise.resolve([
        listed('videoinput', 'street-camera', cameraName),
        listed('audioinput', 'street-microphone', microphoneName),
      ]),
  });
  Object.defineProperty(navigator.mediaDevices, 'getUserMedia', {
    value: (constraints: MediaStreamConstraints) => {
      const stream = new MediaStream();
      if (constraints.video) {
        const canvas = document.createElement('canvas');
        canvas.width = 640;
        canvas.height = 360;
        paint(canvas);
        for (const track of canvas.captureStream(30).getVideoTracks()) {
          stream.addTrack(named(track, 'street-camera', cameraName));
        }
      }
      if (constraints.audio) {
        const context = new AudioContext();
        const tone = context.createOscillator();
        const level = context.createGain();
        const wobble = context.createOscillator();
        const depth = context.createGain();
        wobble.frequency.value = 1.7;
        depth.gain.value = 0.12;
        level.gain.value = 0.16;
        tone.frequency.value = 220;
        wobble.connect(depth).connect(level.gain);
        const out = context.createMediaStreamDestination();
        tone.connect(level).connect(out);
        tone.start();
        wobble.start();
        for (const track of out.stream.getAudioTracks()) {
          stream.addTrack(named(track, 'street-microphone', microphoneName));
        }
      }
      return Promise.resolve(stream);
    },
  });
};

const taken: string[] = [];
const shoot = async (page: Page, name: string, size: Size) => {
  await page.setViewportSize(sizes[size]);
  // Two frames: one to lay out, one to paint.
  await page.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
  );
  const path = join(folder, `${name}-${sizes[size].width}x${sizes[size].height}.png`);
  await page.screenshot({ path });
  taken.push(path);
  console.log(path.slice(root.length));
  return path;
};

const open = async (context: BrowserContext, url: string) => {
  const page = await context.newPage();
  await page.goto(url);
  return page;
};

const playing = (page: Page) =>
  page.waitForFunction(() => {
    // A fan's page has a second one, for when the server is gone.
    const video = [...document.querySelectorAll('video')].findLast(({ id }) => id !== 'standby');
    return (
      video !== undefined && video.videoWidth > 0 && video.getVideoPlaybackQuality().totalVideoFrames > 60
    );
  });

const takeAll = async (server: TestServer, browser: Browser) => {
  const crew = await browser.newContext({ viewport: sizes.laptop });
  await crew.addInitScript(installStreetCamera, 30);
  const studio = await open(crew, server.studioUrl);
  await studio.getByRole('button', { name: 'Turn on camera and microphone' }).waitFor();
  await shoot(studio, 'studio-first-start', 'small');

  const fans = await browser.newContext();
  const viewer = await open(fans, server.viewerUrl);
  await viewer.getByText(/soon/i).first().waitFor();
  await shoot(viewer, 'viewer-soon', 'phone');

  await studio.getByRole('button', { name: 'Turn on camera and microphone' }).click();
  await studio.getByLabel('Show title').fill('Night market drop');
  await studio.getByLabel('Show title').press('Enter');
  await studio.getByLabel('Name', { exact: true }).fill('Night tee, heavy cotton');
  await studio.getByLabel('Price').fill('25');
  await studio.getByLabel('How many').fill('50');
  await studio.getByRole('button', { name: 'Add product' }).click();
  const sale = studio.getByRole('button', { name: '+1 sold' });
  for (let sold = 0; sold < 8; sold += 1) await sale.click();
  await studio.getByRole('tab', { name: 'Overlays' }).click();
  await studio.getByLabel('Lower third, name').fill('Mara Voss');
  await studio.getByLabel('Lower third, second line').fill('Screen prints, two nights only');
  await studio.getByLabel('Title, headline').fill('Night market drop');
  await studio.getByLabel('Ticker, one line each').fill('Free returns\nTwo nights only');
  await studio.getByLabel('Message to pin').fill('Is the tee true to size?');
  await studio.getByRole('button', { name: /^Lower third/ }).click();
  await shoot(studio, 'studio-overlays', 'small');
  await studio.getByRole('tab', { name: 'Sources' }).click();
  await studio.locator('body').click({ position: { x: 5, y: 5 } });
  await studio.keyboard.press('p');
  await studio
    .locator('.preflight-item')
    .getByText(/opens\.$/)
    .waitFor();
  await shoot(studio, 'studio-preflight', 'small');
  await studio.emulateMedia({ media: 'print' });
  await studio.setViewportSize({ width: 794, height: 1123 });
  await studio.screenshot({ path: join(folder, 'field-card-print.png'), fullPage: true });
  await studio.pdf({ path: join(folder, 'field-card.pdf'), format: 'A4', printBackground: false });
  await studio.emulateMedia({ media: null });
  await studio.setViewportSize(sizes.laptop);
  await studio.keyboard.press('Escape');
  await studio.getByRole('button', { name: /^Go live/ }).click();
  await studio.getByRole('button', { name: /^End/ }).waitFor();

  await studio.getByRole('tab', { name: 'People' }).click();
  await studio.getByLabel('Guest’s name').fill('Ada');
  await studio.getByRole('button', { name: 'Invite' }).click();
  const link = await studio.getByRole('textbox', { name: 'link for Ada' }).inputValue();
  const guests = await browser.newContext({ viewport: sizes.phone });
  await guests.addInitScript(installStreetCamera, 300);
  const guest = await open(guests, link);
  await guest.getByRole('button', { name: 'Turn on camera and microphone' }).waitFor();
  await shoot(guest, 'cohost-check', 'phone');
  await guest.getByRole('button', { name: 'Turn on camera and microphone' }).click();
  await guest.getByRole('button', { name: 'Join the show' }).click();
  await guest.getByText('Waiting').first().waitFor();
  await playing(guest);
  await shoot(guest, 'cohost-waiting', 'phone');

  await playing(viewer);
  await playing(studio);
  const studioPicture = await shoot(studio, 'studio-live', 'laptop');
  await shoot(studio, 'studio-live', 'small');
  await shoot(studio, 'studio-live', 'wide');
  await shoot(viewer, 'viewer-live', 'phone');
  const viewerPicture = await shoot(viewer, 'viewer-live', 'laptop');

  await studio.setViewportSize(sizes.laptop);
  await studio.locator('body').click({ position: { x: 5, y: 5 } });
  await studio.getByRole('button', { name: /^Side by side: / }).click();
  await guest.getByText('ON AIR').first().waitFor();
  await shoot(guest, 'cohost-on-air', 'phone');
  await shoot(guest, 'cohost-on-air', 'laptop');
  await shoot(studio, 'studio-guest', 'laptop');
  await studio.keyboard.press('?');
  await shoot(studio, 'studio-keys', 'laptop');
  await studio.keyboard.press('?');
  await studio.keyboard.press('h');
  await shoot(studio, 'studio-health', 'small');
  await studio.keyboard.press('j');
  await shoot(studio, 'studio-log', 'wide');
  await studio.getByRole('tab', { name: 'Mixer' }).click();

  await takeChat({ browser, studio, viewer, guest, viewerUrl: server.viewerUrl, shoot });
  await studio.locator('body').click({ position: { x: 5, y: 5 } });

  await studio.keyboard.press('Shift+S');
  await viewer.getByText('Back in a moment').first().waitFor();
  await shoot(viewer, 'viewer-standby', 'phone');
  await shoot(studio, 'studio-standby', 'laptop');
  await studio.keyboard.press('Shift+S');

  await takeShop({ browser, studio, viewer, origin: server.origin, shoot });

  const debug = await open(crew, `${server.origin}/debug#key=${server.studioKey}`);
  await debug.getByText('origin').first().waitFor();
  await shoot(debug, 'debug', 'laptop');
  await studio.bringToFront();

  await studio.keyboard.press('Shift+E');
  await studio.keyboard.press('Shift+E');
  await viewer.getByText(/ended/i).first().waitFor();
  await shoot(viewer, 'viewer-ended', 'phone');
  await shoot(studio, 'studio-ended', 'laptop');
  return { studioPicture, viewerPicture };
};

// Nobody is mailed: a server that could is all the pages ask for.
const env = {
  LIVE_DROP_SMTP_URL: 'smtp://127.0.0.1:9',
  LIVE_DROP_MAIL_FROM: 'Night Press <shop@example.com>',
};
const server = await startServer({ args: ['--log-level', 'warn'], env });
const browser = await launchBrowser();
try {
  const { studioPicture, viewerPicture } = await takeAll(server, browser);
  if (flags.readme) {
    const pictures = join(root, 'docs', 'pictures');
    mkdirSync(pictures, { recursive: true });
    copyFileSync(studioPicture, join(pictures, 'studio.png'));
    copyFileSync(viewerPicture, join(pictures, 'viewer.png'));
  }
  console.log(`${taken.length} pictures`);
} finally {
  await browser.close();
  await server.close();
}
