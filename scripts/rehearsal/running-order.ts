// The running order of a scripted show: what a director does on a night, by the keys and the words on the page, again and again
// until the time is up. Keeps note of when which camera alone could be read on program. Not its job: counting (accounts.ts).
import type { Browser, Page } from 'playwright-core';
import type { Stretch } from './accounts.ts';
import { holdOnePiece } from './buyer.ts';
import { inviteGuest, recordSale } from './people.ts';
import { observe, onScreen, say } from './screens.ts';

export type Cast = {
  studio: Page;
  fan: Page;
  /** Where guests sit. */
  browser: Browser;
  origin: string;
  showId: string;
  /** Called around what is not the studio's to answer for: fans see the standby clip from the one to the other. */
  standby: (is: 'coming' | 'over') => Promise<void>;
};

/** The scenes as the set-up left them, by the digit that calls them up. `camera`: whose bars can be read in it. */
const scenes = {
  camA: { digit: '1', name: 'Cam A', camera: 0 },
  camB: { digit: '2', name: 'Cam B', camera: 1 },
  both: { digit: '3', name: 'Both', camera: 0 },
} as const;
type SceneName = keyof typeof scenes;

const transitionMs = 500;
/** Between a key and what was painted when it took effect, on a busy machine. */
const leastSureMs = 150;
/** Long enough for the source’s own clock and the program’s to have met. */
const settledMs = 400;
const stayMs = 2_500;

const pictureSource = (studio: Page, name: string) => studio.locator('.picture-source', { hasText: name });
const sceneButton = (studio: Page, name: string) =>
  studio.getByRole('group', { name: 'Scenes' }).getByRole('button', { name });
const isOnProgram = (studio: Page, name: string) =>
  sceneButton(studio, name)
    .getByText(/^on (program|air)$/)
    .waitFor();

/** Two cameras of one make, three scenes, a backup, words for the lower third. Before going live. */
export const setUpDesk = async (studio: Page): Promise<void> => {
  await studio.getByRole('button', { name: 'Turn on camera and microphone' }).click();
  await studio.getByLabel('Show title').fill('Scripted show');
  await studio.getByLabel('Show title').press('Enter');
  await studio.getByLabel('Add a source').selectOption({ label: 'Camera' });
  await pictureSource(studio, 'Cam B')
    .getByText(/live \d+\.\d fps/)
    .waitFor();
  await studio.getByRole('button', { name: 'More: Cam A' }).click();
  await studio.getByLabel('When it fails').selectOption({ label: 'show Cam B' });
  await studio.getByRole('tab', { name: 'Scene' }).click();
  const addScene = async (name: string, layout: string, place: string) => {
    await studio.getByRole('button', { name: 'Add scene' }).click();
    await studio.getByLabel('Scene name').fill(name);
    await studio.keyboard.press('Enter');
    await studio.getByLabel('Layout').selectOption({ label: layout });
    await studio.getByLabel(`${place}: source`).selectOption({ label: 'Cam B' });
  };
  await addScene(scenes.camB.name, 'Full', 'Picture');
  await addScene(scenes.both.name, 'Picture in picture', 'In front');
  await studio.getByRole('tab', { name: 'Sources' }).click();
  await studio.getByRole('tab', { name: 'Overlays' }).click();
  const write = async (field: string, words: string) => {
    await studio.getByLabel(field).fill(words);
    await studio.keyboard.press('Enter');
  };
  await write('Lower third, name', 'Ada Lane');
  await write('Lower third, second line', 'Printed tonight');
  await write('Title, headline', 'Midnight drop');
  await studio.getByLabel('Ticker, one line each').fill('Doors close at eleven');
  await studio.getByRole('tab', { name: 'Sources' }).click();
};

/**
 * Plays the order until `untilMs` (`performance.now()`), at least once to its end. Returns the stretches in which one camera
 * filled the program and nothing stood over its bars.
 */
export const playShow = async (cast: Cast, untilMs: number): Promise<Stretch[]> => {
  const { studio, fan } = cast;
  const stretches: Stretch[] = [];
  let open: Pick<Stretch, 'camera' | 'fromMs' | 'during'> | null = null;
  let fansSeeIt = true;
  let round = 0;
  let during = '';

  /** By the clock that stamps the pictures. */
  const clockMs = () => studio.evaluate(() => performance.timeOrigin + performance.now());
  const leave = async () => {
    const nowMs = await clockMs();
    if (open && nowMs - leastSureMs > open.fromMs)
      stretches.push({ ...open, toMs: nowMs - leastSureMs, fans: fansSeeIt });
    open = null;
  };
  /** From when a fan sees the camera. */
  const seen = async (camera: number) => {
    await fan.waitForFunction(
      (wanted) => window.rehearsal.frames.slice(-5).every((frame) => frame.camera === wanted),
      camera,
      { polling: 50 },
    );
    await arrive(camera);
  };
  const arrive = async (camera: number, afterMs = settledMs) => {
    open = { camera, fromMs: (await clockMs()) + afterMs, during };
  };
  const press = async (keys: string) => {
    await studio.evaluate(() => {
      if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    });
    await studio.keyboard.press(keys);
  };
  const take = async (scene: SceneName, how: 'Cut' | 'Fade' | 'Wipe') => {
    const { digit, name, camera } = scenes[scene];
    if (how !== 'Cut') await studio.getByLabel('Transition', { exact: true }).selectOption({ label: how });
    await press(digit);
    await leave();
    await press(how === 'Cut' ? 'Space' : 'Enter');
    await isOnProgram(studio, name);
    await arrive(camera, how === 'Cut' ? settledMs : transitionMs + settledMs);
    await observe(stayMs);
  };
  const camera = (number: number, isIn: boolean) =>
    studio.evaluate(([which, plugged]) => window.rehearsalCameras?.[which]?.plug(plugged), [
      number,
      isIn,
    ] as const);

  const numbers: Readonly<Record<string, () => Promise<void>>> = {
    'lower third, ticker, code': async () => {
      await press('t');
      await press('y');
      await observe(stayMs);
      await press('q');
      await observe(1_000);
      await press('q');
      await press('y');
      await press('t');
    },
    'a title': async () => {
      // It may stand over the bars.
      await leave();
      await press('Shift+T');
      await observe(stayMs);
      await press('Shift+T');
      await seen(0);
    },
    'takes: cut, fade, wipe': async () => {
      await take('camB', 'Cut');
      await take('camA', 'Fade');
      await take('both', 'Wipe');
      await take('camB', 'Fade');
      await take('camA', 'Cut');
    },
    'a drop, with sales': async () => {
      await press('Shift+D');
      const held = await holdOnePiece(cast.origin, cast.showId);
      const leftOf = fan.getByText(/\d+ left of \d+/).first();
      const before = await leftOf.textContent();
      for (let sold = 0; sold < 3; sold += 1) await recordSale(studio).click();
      await fan.waitForFunction((words) => !document.body.innerText.includes(words ?? ''), before);
      await observe(stayMs);
      if ((await held.lost(cast.origin)) > 0) throw new Error('A hold was lost.');
      await press('Shift+D');
    },
    'a camera pulled and put back': async () => {
      await leave();
      await camera(0, false);
      await studio
        .getByText(/Cam A .*showing Cam B/)
        .first()
        .waitFor();
      await observe(stayMs);
      await camera(0, true);
      await studio
        .getByText(/showing Cam B/)
        .first()
        .waitFor({ state: 'detached' });
      await seen(0);
      await observe(stayMs);
    },
    'mute and solo': async () => {
      await press(']');
      for (const key of ['m', 'm', 's', 's']) {
        await press(key);
        await observe(1_000);
      }
    },
    'standby and back': async () => {
      await leave();
      await cast.standby('coming');
      await press('Shift+S');
      await onScreen(fan, 'standby');
      fansSeeIt = false;
      await arrive(0);
      await observe(stayMs);
      await leave();
      await press('Shift+S');
      await onScreen(fan, 'studio');
      fansSeeIt = true;
      await cast.standby('over');
      await seen(0);
      await observe(stayMs);
    },
    'a co-host joins and leaves': async () => {
      const name = `Ada ${round}`;
      const guest = await inviteGuest(studio, cast.browser, name);
      await guest.page.getByText('Waiting').first().waitFor();
      await leave();
      await studio.getByRole('button', { name: `Side by side: ${name}` }).click();
      await guest.page.getByText('ON AIR').first().waitFor();
      await observe(stayMs);
      await studio.getByRole('button', { name: `Take off ${name}` }).click();
      await guest.page.getByText('Waiting').first().waitFor();
      await seen(0);
      await guest.context.close();
      await studio.getByRole('button', { name: `Remove ${name}` }).click();
      await studio.getByRole('button', { name: `Remove for good: ${name}` }).click();
      await take('camA', 'Cut');
    },
    'a marker': async () => {
      await press('k');
    },
  };

  await arrive(0);
  do {
    round += 1;
    for (const [name, play] of Object.entries(numbers)) {
      if (round > 1 && performance.now() > untilMs) break;
      during = name;
      await play();
      say(`round ${round}: ${name}`);
    }
  } while (performance.now() < untilMs);
  await leave();
  return stretches;
};
