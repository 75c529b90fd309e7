// The program bus on a real mediasoup worker with real frames: what a viewer receives over starts, switches, a
// studio that dies, missing layers, and the seam of the clip. Times are printed; what is asserted of them tells right from wrong,
// not quick from slow: `npm run bench` and `npm run chaos` measure.
import { createSocket } from 'node:dgram';
import { createWorker, type types } from 'mediasoup';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mediaCodecs } from '../../sfu-server/media/media-node.ts';
import { soundUntoldMs, ProgramBus, type ProgramBusOptions } from '../../sfu-server/media/program-bus.ts';
import { circularDistance, readRtcp, readRtpHeader, type SenderReport } from '../../sfu-server/media/rtp.ts';
import {
  StudioStandIn,
  ViewerStandIn,
  shortClip,
  watchFor,
  watchStalls,
  type Received,
} from './stand-ins.ts';

let worker: types.Worker;
let router: types.Router;

beforeAll(async () => {
  worker = await createWorker({ logLevel: 'warn' });
  router = await worker.createRouter({ mediaCodecs });
});
afterAll(() => worker.close());

type Rig = {
  bus: ProgramBus;
  viewer: ViewerStandIn;
  log: { source: string; reason: string; atMs: number }[];
  /** So many milliseconds, and what the machine itself has stood still meanwhile. */
  within(ms: number): number;
  /** Resolves when the bus says it shows this source. */
  shows(source: string): Promise<void>;
  close(): void;
};

const openRig = async (codec: 'VP8' | 'H264', layers: number, withClip = true): Promise<Rig> => {
  const log: Rig['log'] = [];
  let waiting: { source: string; resolve: () => void }[] = [];
  const warnings: string[] = [];
  const options: ProgramBusOptions = {
    router,
    codec,
    layers,
    standby: withClip ? await shortClip(codec) : undefined,
    onProgram: ({ source, reason }) => {
      log.push({ source, reason, atMs: performance.now() });
      for (const each of waiting) if (each.source === source) each.resolve();
      waiting = waiting.filter((each) => each.source !== source);
    },
    onStudioMedia: () => {},
    warn: (message) => warnings.push(message),
  };
  const bus = await ProgramBus.create(options);
  const viewer = await ViewerStandIn.open(router, [bus.videoProducer, bus.audioProducer]);
  const stalls = watchStalls();
  return {
    bus,
    viewer,
    log,
    within: (ms) => ms + 2 * stalls.worstMs(),
    shows: (source) =>
      bus.decision.source === source
        ? Promise.resolve()
        : new Promise((resolve) => waiting.push({ source, resolve })),
    close: () => {
      stalls.close();
      viewer.close();
      bus.close();
      expect(warnings).toEqual([]);
    },
  };
};

/** Every layer must be one stream: nothing lost, repeated or out of order, time rising, pictures counted. */
const expectContinuous = (layers: readonly (readonly Received[])[]) => {
  for (const packets of layers) {
    let before: Received | undefined;
    for (const packet of packets) {
      if (before) {
        expect(circularDistance(before.sequence, packet.sequence, 16)).toBe(1);
        const step = circularDistance(before.timestamp, packet.timestamp, 32);
        expect(step).toBeGreaterThanOrEqual(packet.kind === 'audio' ? 960 : 0);
        if (packet.pictureId !== undefined && before.pictureId !== undefined) {
          const pictures = circularDistance(before.pictureId, packet.pictureId, 15);
          expect(pictures).toBe(step === 0 ? 0 : 1);
          expect(circularDistance(before.tl0 ?? 0, packet.tl0 ?? 0, 8)).toBe(pictures);
        }
        // A frame is never cut by a switch without its successor being a key frame.
        if (before.source !== packet.source && packet.kind === 'video') expect(packet.keyFrame).toBe(true);
      }
      before = packet;
    }
  }
};

/** Largest distance between arrivals of successive frames, milliseconds. */
const worstGapMs = (packets: readonly Received[]): number => {
  const firsts = packets.filter((packet, index) => packet.timestamp !== packets[index - 1]?.timestamp);
  return Math.max(...firsts.slice(1).map((packet, index) => packet.atMs - (firsts[index]?.atMs ?? 0)));
};

/** Who waits for a key frame that nobody asked for waits half a second on average, and who looks at connections for many. */
const promptMs = 450;

const ofKind = (rig: Rig, kind: 'audio' | 'video') =>
  rig.viewer.layers.filter((packets) => packets[0]?.kind === kind);

describe.each([
  { codec: 'VP8' as const, layers: 2 },
  { codec: 'H264' as const, layers: 1 },
])('a $codec program with $layers layer(s)', ({ codec, layers }) => {
  it('is one continuous stream over clip, studio, lock, death and return', async () => {
    const rig = await openRig(codec, layers);
    const studio = await StudioStandIn.open(router, await shortClip(codec), layers);
    try {
      const opening = rig.viewer.next(({ kind }) => kind === 'video');
      rig.bus.setOnAir(true);
      expect(await opening).toMatchObject({ source: 'standby', keyFrame: true });

      studio.start();
      await rig.bus.attachStudio({ video: studio.video, audio: studio.audio });
      const live = rig.viewer.next(({ kind, source }) => kind === 'audio' && source === 'studio');
      await rig.shows('studio');
      await live;

      const locked = rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'standby');
      const lockedMs = performance.now();
      rig.bus.setLock('standby');
      expect((await locked).atMs - lockedMs).toBeLessThan(rig.within(promptMs));
      // An encoder that has just made a key frame is a case of its own, below.
      while (performance.now() - studio.keyFrameMs < 400) await watchFor(20);
      const unlocked = rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'studio');
      const { keyFramesAsked } = rig.bus.snapshot().counts;
      const unlockedMs = performance.now();
      rig.bus.setLock('none');
      const plannedMs = (await unlocked).atMs - unlockedMs;
      expect(plannedMs).toBeLessThan(rig.within(promptMs));
      expect(rig.bus.snapshot().counts.keyFramesAsked).toBeGreaterThan(keyFramesAsked);
      await watchFor(400);

      const dead = rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'standby');
      studio.stop();
      const lastLiveMs = rig.viewer.packets.at(-1)?.atMs ?? 0;
      const killMs = (await dead).atMs - lastLiveMs;
      expect(rig.log.at(-1)).toMatchObject({ source: 'standby', reason: 'studioSilent' });
      expect(killMs).toBeGreaterThan(120);
      expect(killMs).toBeLessThan(rig.within(1_000));

      const back = rig.viewer.next(({ kind, source }) => kind === 'audio' && source === 'studio');
      const backMs = performance.now();
      studio.start();
      const returnMs = (await back).atMs - backMs;
      expect(returnMs).toBeGreaterThan(1000);
      await watchFor(300);

      const closed = rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'standby');
      const closedMs = performance.now();
      studio.close();
      expect((await closed).atMs - closedMs).toBeLessThan(rig.within(promptMs));
      expect(rig.log.at(-1)).toMatchObject({ source: 'standby', reason: 'studioClosed' });
      await watchFor(300);

      expect(rig.viewer.layers).toHaveLength(layers + 1);
      expectContinuous(rig.viewer.layers);
      const gaps = ofKind(rig, 'video').map(worstGapMs);
      expect(Math.max(...gaps)).toBeLessThan(rig.within(1_000));
      console.log(
        `${codec} × ${layers}: planned ${plannedMs.toFixed(0)} ms, kill ${killMs.toFixed(0)} ms, return ${returnMs.toFixed(0)} ms, worst video gap ${Math.max(...gaps).toFixed(0)} ms`,
      );
      rig.bus.setOnAir(false);
      // What was under way arrives; then nothing does.
      let count = -1;
      for (let look = 0; look < 10 && count !== rig.viewer.packets.length; look += 1) {
        count = rig.viewer.packets.length;
        await watchFor(150);
      }
      expect(rig.viewer.packets.length).toBe(count);
    } finally {
      studio.close();
      rig.close();
    }
  });
});

describe('the standby clip', () => {
  it('has no seam: frames keep their spacing from loop to loop', async () => {
    const rig = await openRig('VP8', 2);
    try {
      rig.bus.setOnAir(true);
      // Two seams, after two and four seconds.
      for (let sounds = 0; sounds < 225; sounds += 1) await rig.viewer.next(({ kind }) => kind === 'audio');
      rig.bus.setOnAir(false);
      expectContinuous(rig.viewer.layers);
      for (const packets of rig.viewer.layers) {
        const times = [...new Set(packets.map(({ timestamp }) => timestamp))];
        const steps = times.slice(1).map((time, index) => circularDistance(times[index] ?? 0, time, 32));
        const nominal = packets[0]?.kind === 'audio' ? 960 : 3000;
        // 90 ticks are a millisecond.
        for (const step of steps) expect(Math.abs(step - nominal)).toBeLessThanOrEqual(90);
        expect(times.length).toBeGreaterThan(packets[0]?.kind === 'audio' ? 210 : 125);
      }
      const keyTimes = (ofKind(rig, 'video')[0] ?? [])
        .filter(({ keyFrame }) => keyFrame)
        .map(({ atMs }) => atMs);
      expect(keyTimes.length).toBeGreaterThanOrEqual(4);
      console.log(
        `seam: worst gaps ${rig.viewer.layers.map((each) => worstGapMs(each).toFixed(0)).join(', ')} ms`,
      );
      // A clip that waits at its end for a frame of the next second.
      expect(Math.max(...rig.viewer.layers.map(worstGapMs))).toBeLessThan(rig.within(700));
    } finally {
      rig.close();
    }
  });

  it('[STANDBY7] gives way on air to another clip by a cut, and stays the fallback when it was off air', async () => {
    const rig = await openRig('VP8', 2);
    const whole = await shortClip('VP8');
    const early = ({ atMs }: { atMs: number }) => atMs < 1500;
    const other = {
      ...whole,
      lengthMs: 1500,
      layers: whole.layers.map((frames) => frames.filter(early)),
      audio: whole.audio.filter(early),
    };
    try {
      // Off air the choice is only kept.
      rig.bus.setStandby(other);
      expect(rig.bus.snapshot().standby).toMatchObject({ lengthMs: 1500, playing: false });
      rig.bus.setOnAir(true);
      await rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'standby');
      await watchFor(430);
      const takeovers = rig.bus.snapshot().counts.takeovers;
      const cut = rig.viewer.next(({ kind, keyFrame }) => kind === 'video' && keyFrame);
      rig.bus.setStandby(whole);
      await cut;
      expect(rig.bus.snapshot().counts.takeovers).toBeGreaterThanOrEqual(takeovers + 2);
      await watchFor(700);
      expect(rig.bus.snapshot().standby).toMatchObject({ lengthMs: 2000, playing: true });
      rig.bus.setOnAir(false);
      expectContinuous(rig.viewer.layers);
      expect(rig.viewer.layers).toHaveLength(3);
      // Fans' pictures keep their spacing over the cut: no more than a frame is missing on any layer.
      for (const packets of rig.viewer.layers) {
        const times = [...new Set(packets.map(({ timestamp }) => timestamp))];
        const steps = times.slice(1).map((time, index) => circularDistance(times[index] ?? 0, time, 32));
        const nominal = packets[0]?.kind === 'audio' ? 960 : 3000;
        expect(Math.max(...steps)).toBeLessThanOrEqual(2 * nominal);
      }
    } finally {
      rig.close();
    }
  });

  it('costs nothing while it is not on air', async () => {
    const rig = await openRig('VP8', 2);
    const studio = await StudioStandIn.open(router, await shortClip('VP8'), 2);
    try {
      studio.start();
      await rig.bus.attachStudio({ video: studio.video, audio: studio.audio });
      rig.bus.setOnAir(true);
      await rig.shows('studio');
      await rig.viewer.next(({ kind, source }) => kind === 'audio' && source === 'studio');
      await watchFor(600);
      expect(rig.bus.snapshot().standby).toMatchObject({ playing: false });
    } finally {
      studio.close();
      rig.close();
    }
  });
});

describe('the program', () => {
  it('feeds every layer from what there is when the studio sends fewer', async () => {
    const rig = await openRig('VP8', 2);
    const studio = await StudioStandIn.open(router, await shortClip('VP8'), 2);
    const owners = () =>
      rig.bus
        .snapshot()
        .video.map(({ owner }) => owner)
        .join();
    const untilOwners = async (wanted: string) => {
      while (owners() !== wanted) await rig.viewer.next(({ kind }) => kind === 'video');
    };
    try {
      studio.start();
      await rig.bus.attachStudio({ video: studio.video, audio: studio.audio });
      rig.bus.setOnAir(true);
      await rig.shows('studio');
      await untilOwners('studio/0,studio/1');
      studio.pausedLayers.add(1);
      await untilOwners('studio/0,studio/0');
      studio.pausedLayers.delete(1);
      await untilOwners('studio/0,studio/1');
      await watchFor(200);
      expectContinuous(rig.viewer.layers);
      // A layer counts as silent after 400 ms; the other then feeds it from a key frame that is asked for.
      expect(Math.max(...ofKind(rig, 'video').map(worstGapMs))).toBeLessThan(rig.within(1_500));
    } finally {
      studio.close();
      rig.close();
    }
  });

  it('gives a viewer all frames of a studio with temporal layers', async () => {
    const rig = await openRig('VP8', 2);
    const studio = await StudioStandIn.open(router, await shortClip('VP8'), 2);
    studio.temporalLayers = true;
    const browser = await ViewerStandIn.open(router, [rig.bus.videoProducer], false);
    try {
      studio.start();
      await rig.bus.attachStudio({ video: studio.video, audio: studio.audio });
      rig.bus.setOnAir(true);
      await rig.shows('studio');
      await browser.next(({ source }) => source === 'studio');
      await watchFor(300);
      const first = await browser.next(() => true);
      const frames = new Set([first.timestamp]);
      let last = first;
      while (frames.size < 30) {
        last = await browser.next(() => true);
        frames.add(last.timestamp);
      }
      // Without the upper layers it would be every fourth.
      const sent = circularDistance(first.timestamp, last.timestamp, 32) / 3_000 + 1;
      expect(frames.size / sent).toBeGreaterThan(0.7);
    } finally {
      browser.close();
      studio.close();
      rig.close();
    }
  });

  it('asks again in time when a switch comes right after a key frame, which encoders do not repeat at once', async () => {
    const rig = await openRig('VP8', 2);
    const studio = await StudioStandIn.open(router, await shortClip('VP8'), 2);
    try {
      studio.start();
      await rig.bus.attachStudio({ video: studio.video, audio: studio.audio });
      rig.bus.setOnAir(true);
      await rig.shows('studio');
      await rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'studio');
      for (let round = 0; round < 2; round += 1) {
        rig.bus.setLock('standby');
        await rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'standby');
        // Goes back the moment the studio has made one by itself.
        const before = studio.keyFrameMs;
        while (studio.keyFrameMs === before) await watchFor(10);
        const asked = rig.bus.snapshot().counts.keyFramesAsked;
        const madeMs = studio.keyFrameMs;
        const back = rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'studio');
        rig.bus.setLock('none');
        // A request in vain is repeated by mediasoup after a second; one that waited for the encoder is answered.
        expect((await back).atMs - madeMs).toBeLessThan(rig.within(800));
        expect(rig.bus.snapshot().counts.keyFramesAsked - asked).toBe(1);
        await watchFor(400);
      }
    } finally {
      studio.close();
      rig.close();
    }
  });

  it('answers many key frame requests with few, and the last one too', async () => {
    const rig = await openRig('VP8', 2);
    const studio = await StudioStandIn.open(router, await shortClip('VP8'), 2);
    try {
      studio.start();
      await rig.bus.attachStudio({ video: studio.video, audio: studio.audio });
      rig.bus.setOnAir(true);
      await rig.shows('studio');
      await rig.viewer.next(({ kind, source }) => kind === 'audio' && source === 'studio');
      await watchFor(300);
      const before = rig.bus.snapshot().counts;
      const beforeMs = performance.now();
      const video = rig.viewer.consumers[0];
      for (let request = 0; request < 20; request += 1) {
        await video?.requestKeyFrame();
        await watchFor(10);
      }
      const answered = rig.viewer.next(({ kind, keyFrame }) => kind === 'video' && keyFrame);
      await video?.requestKeyFrame();
      await answered;
      const { keyFrameRequests, keyFramesAsked } = rig.bus.snapshot().counts;
      // mediasoup itself folds requests that are not yet answered.
      expect(keyFrameRequests - before.keyFrameRequests).toBeGreaterThan(1);
      // One at once, and one in every third of a second.
      const most = 2 + (performance.now() - beforeMs) / 300;
      expect(keyFramesAsked - before.keyFramesAsked).toBeLessThanOrEqual(most);
    } finally {
      studio.close();
      rig.close();
    }
  });

  it('tells viewers the true time of picture and sound, whatever clock the studio has and its reports say of its sound', async () => {
    const rig = await openRig('VP8', 1);
    const studio = await StudioStandIn.open(router, await shortClip('VP8'), 1);
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => void socket.bind(0, '127.0.0.1', () => resolve()));
    const plain = await router.createPlainTransport({
      listenInfo: { protocol: 'udp', ip: '127.0.0.1' },
      rtcpMux: true,
    });
    const reports: SenderReport[] = [];
    const arrivals = new Map<number, { timestamp: number; unixMs: number }[]>();
    socket.on('message', (packet) => {
      const type = packet.readUInt8(1);
      if (type >= 192 && type <= 223) return void reports.push(...readRtcp(packet).senderReports);
      const header = readRtpHeader(packet);
      if (!header) return;
      const list = arrivals.get(header.ssrc) ?? [];
      list.push({ timestamp: header.timestamp, unixMs: performance.timeOrigin + performance.now() });
      arrivals.set(header.ssrc, list);
    });
    try {
      await plain.connect({ ip: '127.0.0.1', port: socket.address().port });
      const ssrcs: number[] = [];
      for (const producer of [rig.bus.videoProducer, rig.bus.audioProducer]) {
        const consumer = await plain.consume({
          producerId: producer.id,
          rtpCapabilities: router.rtpCapabilities,
        });
        ssrcs.push(consumer.rtpParameters.encodings?.[0]?.ssrc ?? 0);
      }
      studio.start();
      await rig.bus.attachStudio({ video: studio.video, audio: studio.audio });
      rig.bus.setOnAir(true);
      await rig.shows('studio');
      await watchFor(2_000);
      // mediasoup sends a viewer one report per second or so for the picture, and every five or so for the sound.
      const count = reports.length;
      const [pictureSsrc] = ssrcs;
      while (!reports.slice(count).some(({ ssrc }) => ssrc === pictureSsrc)) await watchFor(100);
      const errorsMs = ssrcs.map((ssrc, index) => {
        const report = reports.findLast((each) => each.ssrc === ssrc);
        const recent = arrivals.get(ssrc)?.slice(-90) ?? [];
        if (!report || recent.length === 0) throw new Error(`no report or packets for ${ssrc}`);
        const perMs = index === 0 ? 90 : 48;
        // The quickest packet: report time of its timestamp against the time it came.
        const delays = recent.map(
          ({ timestamp, unixMs }) =>
            unixMs - (report.unixMs + circularDistance(report.timestamp, timestamp, 32) / perMs),
        );
        // What sound has waited longer in a studio than its picture is added by the bus.
        return Math.min(...delays) - (index === 0 ? 0 : soundUntoldMs);
      });
      console.log(
        `report against arrival: video ${errorsMs[0]?.toFixed(1)} ms, audio ${errorsMs[1]?.toFixed(1)} ms`,
      );
      // A millisecond or two where packets are not kept waiting; the studio's own clock is a day and a half off.
      for (const error of errorsMs) expect(Math.abs(error)).toBeLessThan(80);
      expect(Math.abs((errorsMs[0] ?? 0) - (errorsMs[1] ?? 999))).toBeLessThan(60);
      expect(rig.bus.ingestHealth?.layers[0]?.fps).toBeGreaterThan(10);
    } finally {
      plain.close();
      socket.close();
      studio.close();
      rig.close();
    }
  });
});
