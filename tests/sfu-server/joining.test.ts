// Who gets in, with which media, and what of it stays when they are gone: the server as a process, over real sockets.
// What each role may ask for is server.test.ts; pictures that really arrive are tests/e2e.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import type { RtpParameters } from '../../sfu-server/protocol/media.ts';
import { freshProduction } from '../../renderer/studio/scenes.ts';
import { sceneId, sourceId } from '../../sfu-server/protocol/production.ts';
import { showId, type ShowId } from '../../sfu-server/protocol/state.ts';
import { openStore } from '../../sfu-server/store/database.ts';
import {
  connect,
  join,
  joinGuest,
  joinStudio,
  joinViewer,
  refusal,
  type JoinedClient,
} from '../support/client.ts';
import { startServer, type TestServer } from '../support/server.ts';

const maxViewers = 2;
const liveShow = showId.parse('a-show-of-the-past');

let data: string;
let server: TestServer;
let studio: JoinedClient;
beforeAll(async () => {
  data = await mkdtemp(joinPath(tmpdir(), 'live-drop-joining-'));
  // A show that was on when its server was killed: it is live again, and can be ended without a picture.
  const store = openStore(joinPath(data, 'show.db'));
  store.addShow(liveShow, 'Alley', Date.now());
  store.savePhase(liveShow, { kind: 'live', sinceMs: Date.now() });
  store.close();
  server = await startServer({ data, args: [`--max-viewers=${maxViewers}`, '--edges=1', '--spares=0'] });
  studio = await joinStudio(server.origin, server.studioKey);
});
/** Whoever a test let in has left before the next one counts heads: the studio alone is still in. */
afterEach(async () => {
  await vi.waitUntil(async () => (await debug()).shows.current.members === 1, { timeout: 60_000 });
});
afterAll(async () => {
  studio.close();
  await server.close();
  await rm(data, { recursive: true, force: true });
});

const watch = (id: ShowId | string = server.showId, resumeToken?: string) =>
  join(server.origin, (rtpCapabilities) => ({ as: 'viewer', showId: id, resumeToken, rtpCapabilities }));

const kindsOf = (joined: JoinedClient['joined']) =>
  (joined.media?.consumers ?? []).map(({ kind }) => kind).toSorted();

const snapshot = z.object({
  participants: z.array(
    z.object({ role: z.string(), transports: z.number(), producers: z.array(z.string()) }),
  ),
  shows: z.object({
    current: z.object({
      members: z.number(),
      program: z.unknown(),
      studioMedia: z.unknown(),
      studioProducers: z.unknown(),
    }),
  }),
});
const debug = async () => {
  const headers = { authorization: `Bearer ${server.studioKey}` };
  return snapshot.parse(await (await fetch(`${server.origin}/api/debug`, { headers })).json());
};
const here = async (role: string) =>
  (await debug()).participants.filter((participant) => participant.role === role);

const opus: RtpParameters = {
  codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }],
  encodings: [{ ssrc: 4711 }],
};
const vp8: RtpParameters = {
  codecs: [{ mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000 }],
  encodings: [{ ssrc: 4712 }],
};

describe('joining', () => {
  it('[JOIN1] is told the capabilities first, may then only join, and has all in one answer', async () => {
    const page = await connect(server.origin);
    expect(page.capabilities.codecs?.map(({ mimeType }) => mimeType)).toContain('audio/opus');
    expect(await refusal(page.channel.call('openReceive', { rtpCapabilities: page.capabilities }))).toBe(
      'forbidden',
    );
    const { capabilities: rtpCapabilities } = page;
    const wanted = { as: 'viewer', showId: showId.parse(server.showId), rtpCapabilities } as const;
    const joined = await page.channel.call('join', wanted);
    expect(joined).toMatchObject({ sameMachine: true, state: { title: 'Alley' }, codec: 'VP8' });
    expect(joined.media?.transport.iceCandidates.length).toBeGreaterThan(0);
    expect(kindsOf(joined)).toEqual(['audio', 'video']);
    expect(await refusal(page.channel.call('join', wanted))).toBe('forbidden');
    page.close();
    await expect.poll(() => here('viewer')).toEqual([]);
  });
});

describe('media of a connection', () => {
  it('[MEDIA4] a co-host gets the picture of the program, and sound only from the mix made for them', async () => {
    const { guest, token } = await studio.channel.call('inviteGuest', { name: 'Ada' });
    const ada = await joinGuest(server.origin, token);
    const { capabilities: rtpCapabilities } = ada;
    expect(kindsOf(ada.joined)).toEqual(['video']);
    const consume = (target: { kind: 'program' } | { kind: 'mixMinus' }) =>
      ada.channel.call('consume', { target, rtpCapabilities });
    const program = await consume({ kind: 'program' });
    expect(program.consumers.map(({ kind }) => kind)).toEqual(['video']);
    expect(await refusal(consume({ kind: 'mixMinus' }))).toBe('notFound');
    const { id: transportId } = await studio.channel.call('openSend', {});
    const { producerId } = await studio.channel.call('produce', {
      transportId,
      kind: 'audio',
      rtpParameters: opus,
      use: { kind: 'mixMinus', guestId: guest.id },
    });
    const mix = await consume({ kind: 'mixMinus' });
    expect(mix.consumers).toMatchObject([{ kind: 'audio', producerId }]);
    await studio.channel.call('closeProducer', { producerId });
    await studio.channel.call('revokeGuest', { guestId: guest.id });
  });

  it('[MEDIA8] the studio’s test picture is seen by nobody else, one pair at a time, and ends with the test', async () => {
    const { capabilities: rtpCapabilities } = studio;
    const program = async () => {
      const { program: now, studioMedia, studioProducers } = (await debug()).shows.current;
      return { now, studioMedia, studioProducers };
    };
    const before = await program();
    const open = (await here('studio'))[0]?.transports ?? 0;
    const changesBefore = studio.changes.length;
    const first = await studio.channel.call('openLoop', {});
    expect((await here('studio'))[0]?.transports).toBe(open + 2);
    const second = await studio.channel.call('openLoop', {});
    expect((await here('studio'))[0]?.transports).toBe(open + 2);
    const send = (transportId: string) =>
      studio.channel.call('produce', {
        transportId,
        kind: 'video',
        rtpParameters: vp8,
        use: { kind: 'loop' },
      });
    expect(await refusal(send(first.send.id))).toBe('notFound');
    const { producerId } = await send(second.send.id);
    const { consumers } = await studio.channel.call('consumeLoop', { producerId, rtpCapabilities });
    expect(consumers).toMatchObject([{ kind: 'video', producerId }]);
    expect(await program()).toEqual(before);
    await studio.channel.call('closeLoop', {});
    expect((await here('studio'))[0]).toMatchObject({ transports: open, producers: [] });
    expect(await refusal(studio.channel.call('consumeLoop', { producerId, rtpCapabilities }))).toBe(
      'notFound',
    );
    // The number of viewers alone is told of late.
    expect(studio.changes.slice(changesBefore).filter(({ kind }) => kind !== 'viewers')).toEqual([]);
  });

  it('[MEDIA5] outlives a lost socket for a while, and ends at once with a viewer’s goodbye', async () => {
    const { guest, token } = await studio.channel.call('inviteGuest', { name: 'Ben' });
    const leaving = await watch();
    const ben = await joinGuest(server.origin, token);
    const { id: transportId } = await ben.channel.call('openSend', {});
    const use = { kind: 'guest' } as const;
    await ben.channel.call('produce', { transportId, kind: 'audio', rtpParameters: opus, use });
    const sends = ({ guestId }: { guestId: typeof guest.id }) =>
      studio.change(
        (change) =>
          change.kind === 'guest' &&
          change.guest.id === guestId &&
          change.guest.presence.kind === 'here' &&
          change.guest.presence.audioProducerId !== null,
      );
    await sends({ guestId: guest.id });

    ben.drop();
    leaving.close();
    await expect.poll(() => here('viewer')).toEqual([]);
    // The viewer said goodbye after the guest was lost, whose sound is still with the studio.
    expect(await here('cohost')).toMatchObject([{ producers: ['guest/audio'] }]);
    const back = await joinGuest(server.origin, token);
    const audio = back.joined.state.guests.find(({ id }) => id === guest.id)?.presence;
    expect(audio).toMatchObject({ kind: 'here', audioProducerId: expect.any(String) });
    expect(await here('cohost')).toHaveLength(2);
    await expect.poll(async () => (await here('cohost')).length).toBe(1);
    await studio.change(
      (change) =>
        change.kind === 'guest' &&
        change.guest.id === guest.id &&
        change.guest.presence.kind === 'here' &&
        change.guest.presence.audioProducerId === null,
    );
    back.close();
    await studio.channel.call('revokeGuest', { guestId: guest.id });
  });
});

describe('joining where not all is as it should be', () => {
  it('[JOIN7] is full with as many as may watch; who comes back and who only buys still gets in', async () => {
    const fans = [await watch(), await watch()];
    expect(await refusal(watch())).toBe('full');
    const shop = await joinViewer(server.origin, server.showId);
    const again = await watch(server.showId, fans[1]?.joined.resumeToken);
    expect(await fans[1]?.closed).toBe('replaced');
    expect(await refusal(watch())).toBe('full');
    fans[0]?.close();
    // Its goodbye travels beside the next one's hello.
    const entered = async () => {
      try {
        const page = await watch();
        page.close();
        return kindsOf(page.joined);
      } catch {
        return 'full';
      }
    };
    await expect.poll(entered).toEqual(['audio', 'video']);
    for (const page of [shop, again]) page.close();
  });

  it('[JOIN5] is not stopped by media nodes that restart: the picture follows', async () => {
    const fan = await connect(server.origin);
    const { capabilities: rtpCapabilities } = fan;
    const reset = new Promise<{ receiving: unknown }>(
      (resolve) => void fan.channel.on('mediaReset', resolve),
    );
    const pids = server.workerPids();
    expect(pids.length).toBe(2);
    // Stopped first, so that the join finds nodes that cannot answer, and killed only once it is in work.
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    const wanted = { as: 'viewer', showId: showId.parse(server.showId), rtpCapabilities } as const;
    const joining = fan.channel.call('join', wanted);
    await refusal(fan.channel.call('setTitle', { title: 'Not theirs' }));
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    const joined = await joining;
    expect([joined.media, joined.state.title]).toEqual([null, 'Alley']);
    // It may have been told of the one node before the other was known to be gone: then there is no path with it.
    const { receiving, ...lost } = await reset;
    expect(lost).toEqual({ receive: true, send: false });
    expect(receiving === null || typeof receiving === 'object').toBe(true);
    const received = async () => {
      try {
        const { consumers } = await fan.channel.call('openReceive', { rtpCapabilities });
        return consumers.map(({ kind }) => kind).toSorted();
      } catch {
        return 'not yet';
      }
    };
    await expect.poll(received).toEqual(['audio', 'video']);
    fan.close();
  });
});

describe('guests', () => {
  it('[GUEST2] are eight at most; one whose link is withdrawn is off the program', async () => {
    const guests = [];
    for (let n = 1; n <= 8; n += 1) {
      guests.push((await studio.channel.call('inviteGuest', { name: `Guest ${n}` })).guest);
    }
    await expect(studio.channel.call('inviteGuest', { name: 'Guest 9' })).rejects.toThrow(
      'There are already 8 guests. Remove one first.',
    );
    const guestIds = guests.slice(0, 2).map(({ id }) => id);
    await studio.channel.call('setScene', {
      scene: { picture: null, guestIds, lowerThird: null, qrVisible: true },
    });
    for (const { id } of guests) await studio.channel.call('revokeGuest', { guestId: id });
    const scenes = studio.changes.flatMap((change) =>
      change.kind === 'scene' ? [change.scene.guestIds] : [],
    );
    expect(scenes.slice(-3)).toEqual([guestIds, guestIds.slice(1), []]);
  });

  it('[SCENE4] see no document of the director’s, and learn from the scene that they are in the picture', async () => {
    const { guest, token } = await studio.channel.call('inviteGuest', { name: 'Cleo' });
    const cleo = await joinGuest(server.origin, token);
    const source = sourceId.parse('what-the-director-alone-sees');
    const production = freshProduction({ source, scene: sceneId.parse('scene') });
    expect(await refusal(cleo.channel.call('production', {}))).toBe('forbidden');
    expect(await refusal(cleo.channel.call('saveProduction', { production }))).toBe('forbidden');
    const scene = { picture: null, guestIds: [guest.id], lowerThird: null, qrVisible: true };
    await studio.channel.call('setScene', { scene });
    await cleo.change((change) => change.kind === 'scene' && change.scene.guestIds[0] === guest.id);
    await studio.channel.call('saveProduction', { production });
    await studio.channel.call('setTitle', { title: 'After the document' });
    await cleo.change((change) => change.kind === 'title');
    expect(JSON.stringify([cleo.joined, cleo.changes])).not.toContain(source);
    await studio.channel.call('revokeGuest', { guestId: guest.id });
  });
});

describe('the end of a show', () => {
  it('[SHOW4] [JOIN6] is for good; who holds the old link finds its last state and no media', async () => {
    const fan = await watch(liveShow);
    expect(fan.joined.state.phase.kind).toBe('live');
    await expect(studio.channel.call('newShow', { title: 'Too early' })).rejects.toThrow(/End the show/);
    await studio.channel.call('setTitle', { title: 'Last words' });
    await studio.channel.call('endShow', {});
    await fan.change((change) => change.kind === 'phase' && change.phase.kind === 'ended');
    await expect(studio.channel.call('goLive', {})).rejects.toThrow(/has ended. Start a new show/);
    const { showId: next } = await studio.channel.call('newShow', { title: 'Second night' });
    expect(next).not.toBe(liveShow);
    studio.close();
    studio = await joinStudio(server.origin, server.studioKey);
    expect(studio.joined.state).toMatchObject({ title: 'Second night', phase: { kind: 'setup' } });

    const late = await watch(liveShow);
    expect(late.joined).toMatchObject({
      media: null,
      state: { title: 'Last words', phase: { kind: 'ended' } },
    });
    const { capabilities: rtpCapabilities } = late;
    expect(
      await refusal(late.channel.call('consume', { target: { kind: 'program' }, rtpCapabilities })),
    ).toBe('mediaUnavailable');
    const early = await watch(next);
    expect(early.joined.media).not.toBeNull();
    early.close();
  });
});
