// The session's sound and picture in real Chromium against the real server: guests, mixes, and media nodes that die.
// What fans see of the program is tests/e2e/viewer.test.ts.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { guest } from '../../sfu-server/protocol/state.ts';
import { launchBrowser } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import {
  openSessionPage,
  openSyntheticStudio,
  type SyntheticStudio,
} from '../support/synthetic-studio/index.ts';
import type { SyntheticStudioPage } from '../support/synthetic-studio/page.ts';

declare const syntheticStudio: SyntheticStudioPage;

let server: TestServer;
let browser: Browser;
let studio: SyntheticStudio;
let guestPage: Page;
let invited: { guest: z.infer<typeof guest>; token: string };

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  studio = await openSyntheticStudio(browser, server);
  await studio.goLive();
  invited = z.object({ guest, token: z.string() }).parse(await studio.call('inviteGuest', { name: 'Ada' }));
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

/** Resolves when the studio gets these tracks of the guest. */
const studioGets = (wanted: string) =>
  studio.page.evaluate(async (tracks) => {
    if (!syntheticStudio.subscription) throw new Error('Not subscribed.');
    await syntheticStudio.tracksBecome(syntheticStudio.subscription, tracks);
  }, wanted);

const studioSeesFrames = () =>
  studio.page.evaluate(() => {
    const track = syntheticStudio.subscription?.tracks.video;
    if (!track) throw new Error('No picture of the guest.');
    return syntheticStudio.framesOf(track, 5);
  });

const guestGets = (wanted: string) =>
  guestPage.evaluate(async (tracks) => {
    if (!syntheticStudio.guest) throw new Error('The guest is not there.');
    await syntheticStudio.tracksBecome(syntheticStudio.guest.mix, tracks);
  }, wanted);

const joinAsGuest = async (token: string) => {
  guestPage = await openSessionPage(browser, server);
  await guestPage.evaluate(async (link) => {
    syntheticStudio.guest = await syntheticStudio.openGuest(link);
  }, token);
};

test('a subscription made before the guest comes gets their picture and sound when they send', async () => {
  await studio.page.evaluate(async (guestId) => {
    const { open } = syntheticStudio;
    if (!open) throw new Error('The studio is not open.');
    syntheticStudio.subscription = await open.session.subscribe({ kind: 'guest', guestId });
  }, invited.guest.id);
  await joinAsGuest(invited.token);
  await studioGets('video+audio');
  expect(await studioSeesFrames()).toBe(5);
});

test('the mix made for a guest reaches that guest', async () => {
  await studio.page.evaluate(async (guestId) => {
    const { open } = syntheticStudio;
    if (!open) throw new Error('The studio is not open.');
    await open.session.publish(open.source.audio, { kind: 'mixMinus', guestId });
  }, invited.guest.id);
  await guestGets('audio');
});

test('what a guest may not send is refused, and the page learns it', async () => {
  const code = await guestPage.evaluate(async () => {
    const { guest } = syntheticStudio;
    if (!guest) throw new Error('The guest is not there.');
    try {
      await guest.session.publish(guest.source.audio, { kind: 'program' });
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : String(error);
    }
    return 'accepted';
  });
  expect(code).toBe('forbidden');
});

test('when every media worker is killed, all streams come back by themselves in all directions', async () => {
  const pids = server.workerPids();
  expect(pids.length).toBeGreaterThanOrEqual(2);
  const before = await studio.page.evaluate(() => syntheticStudio.subscription?.tracks.video?.id);
  const replaced = studio.page.evaluate((old) => {
    const { subscription } = syntheticStudio;
    if (!subscription) throw new Error('Not subscribed.');
    return new Promise<void>((resolve) => {
      const stop = subscription.onTracks(({ video, audio }) => {
        if (!video || !audio || video.id === old) return;
        stop();
        resolve();
      });
    });
  }, before);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  await replaced;
  expect(await studioSeesFrames()).toBe(5);
  await guestGets('audio');
  await studio.page.evaluate(async () => {
    if (syntheticStudio.open) await syntheticStudio.mediaReady(syntheticStudio.open.session);
  });
});

test('a guest who reloads is seen again through the same subscription; one whose link is withdrawn is not', async () => {
  await guestPage.context().close();
  await studioGets('none');
  await joinAsGuest(invited.token);
  await studioGets('video+audio');
  expect(await studioSeesFrames()).toBe(5);

  await studio.call('revokeGuest', { guestId: invited.guest.id });
  await guestPage.waitForFunction(
    () => syntheticStudio.guest?.session.store.getState().connection.kind === 'refused',
  );
  const refused = await guestPage.evaluate(() => syntheticStudio.guest?.session.store.getState().connection);
  expect(refused).toMatchObject({
    code: 'revoked',
    text: 'The director has withdrawn this link. Ask for a new one.',
  });
  await studioGets('none');
});
