// The program bus on a real mediasoup worker with real frames: what a viewer receives over starts, switches, a
// studio that dies, missing layers, and the seam of the clip. Timings are generous; figures are printed.
import { createSocket } from 'node:dgram';
import { createWorker, type types } from 'mediasoup';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mediaCodecs } from '../../sfu-server/media/media-node.ts';
import { soundUntoldMs, ProgramBus, type ProgramBusOptions } from '../../sfu-server/media/program-bus.ts';
import { circularDistance, readRtcp, readRtpHeader, type SenderReport } from '../../sfu-server/media/rtp.ts';
import { StudioStandIn, ViewerStandIn, shortClip, watchFor, type Received } from './stand-ins.ts';

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
  return {
    bus,
    viewer,
    log,
    shows: (source) =>
      bus.decision.source === source
        ? Promise.resolve()
        : new Promise((resolve) => waiting.push({ source, resolve })),
    close: () => {
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

const ofKind = (rig: Rig, kind: 'audio' | 'video') =>
  rig.viewer.layers.filter((packets) => packets[0]?.kind === kind);

describe.each([
  { codec: 'VP8' as const, layers: 2 },
  { codec: 'H264' as const, layers: 2 },
  { codec: 'VP8' as const, layers: 1 },
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
      expect((await locked).atMs - lockedMs).toBeLessThan(60);
      // An encoder that has just made a key frame is a case of its own, below.
      while (performance.now() - studio.keyFrameMs < 400) await watchFor(20);
      const unlocked = rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'studio');
      const unlockedMs = performance.now();
      rig.bus.setLock('none');
      const plannedMs = (await unlocked).atMs - unlockedMs;
      expect(plannedMs).toBeLessThan(150);
      await watchFor(400);

      const dead = rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'standby');
      studio.stop();
      const lastLiveMs = rig.viewer.packets.at(-1)?.atMs ?? 0;
      const killMs = (await dead).atMs - lastLiveMs;
      expect(rig.log.at(-1)).toMatchObject({ source: 'standby', reason: 'studioSilent' });
      expect(killMs).toBeGreaterThan(120);
      expect(killMs).toBeLessThan(450);

      const back = rig.viewer.next(({ kind, source }) => kind === 'audio' && source === 'studio');
      const backMs = performance.now();
      studio.start();
      const returnMs = (await back).atMs - backMs;
      expect(returnMs).toBeGreaterThan(1000);
      await watchFor(300);

      const closed = rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'standby');
      const closedMs = performance.now();
      studio.close();
      expect((await closed).atMs - closedMs).toBeLessThan(80);
      expect(rig.log.at(-1)).toMatchObject({ source: 'standby', reason: 'studioClosed' });
      await watchFor(300);

      expect(rig.viewer.layers).toHaveLength(layers + 1);
      expectContinuous(rig.viewer.layers);
      const gaps = ofKind(rig, 'video').map(worstGapMs);
      expect(Math.max(...gaps)).toBeLessThan(450);
      console.log(
        `${codec} × ${layers}: planned ${plannedMs.toFixed(0)} ms, kill ${killMs.toFixed(0)} ms, return ${returnMs.toFixed(0)} ms, worst video gap ${Math.max(...gaps).toFixed(0)} ms`,
      );
      rig.bus.setOnAir(false);
      // What was under way arrives; then nothing does.
      await watchFor(150);
      const count = rig.viewer.packets.length;
      await watchFor(150);
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
      await watchFor(4600);
      rig.bus.setOnAir(false);
      expectContinuous(rig.viewer.layers);
      for (const packets of rig.viewer.layers) {
        const times = [...new Set(packets.map(({ timestamp }) => timestamp))];
        const steps = times.slice(1).map((time, index) => circularDistance(times[index] ?? 0, time, 32));
        const nominal = packets[0]?.kind === 'audio' ? 960 : 3000;
        // Two seams are in here; 90 ticks are a millisecond.
        for (const step of steps) expect(Math.abs(step - nominal)).toBeLessThanOrEqual(90);
        expect(times.length).toBeGreaterThan(packets[0]?.kind === 'audio' ? 220 : 130);
      }
      const keyTimes = (ofKind(rig, 'video')[0] ?? [])
        .filter(({ keyFrame }) => keyFrame)
        .map(({ atMs }) => atMs);
      expect(keyTimes.length).toBeGreaterThanOrEqual(4);
      console.log(
        `seam: worst gaps ${rig.viewer.layers.map((each) => worstGapMs(each).toFixed(0)).join(', ')} ms`,
      );
      expect(Math.max(...rig.viewer.layers.map(worstGapMs))).toBeLessThan(200);
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
    const owners = () => rig.bus.snapshot().video.map(({ owner }) => owner);
    const fromLayer = async (owner: string) => {
      while (owners()[1] !== owner) await rig.viewer.next(({ kind }) => kind === 'video');
    };
    try {
      studio.start();
      await rig.bus.attachStudio({ video: studio.video, audio: studio.audio });
      rig.bus.setOnAir(true);
      await rig.shows('studio');
      await fromLayer('studio/1');
      expect(owners()).toEqual(['studio/0', 'studio/1']);
      studio.pausedLayers.add(1);
      await fromLayer('studio/0');
      expect(owners()).toEqual(['studio/0', 'studio/0']);
      studio.pausedLayers.delete(1);
      await fromLayer('studio/1');
      await watchFor(200);
      expectContinuous(rig.viewer.layers);
      expect(Math.max(...ofKind(rig, 'video').map(worstGapMs))).toBeLessThan(900);
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
      const from = browser.packets.length;
      await watchFor(1000);
      const frames = new Set(browser.packets.slice(from).map(({ timestamp }) => timestamp));
      // A quarter of them would be 8.
      expect(frames.size).toBeGreaterThan(22);
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
        const back = rig.viewer.next(({ kind, source }) => kind === 'video' && source === 'studio');
        rig.bus.setLock('none');
        // A request in vain is repeated by mediasoup after a second; one that waited for the encoder is answered.
        await back;
        expect(rig.bus.snapshot().counts.keyFramesAsked - asked).toBe(1);
        expect(performance.now() - studio.keyFrameMs).toBeLessThan(300);
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
      expect(keyFramesAsked - before.keyFramesAsked).toBeLessThanOrEqual(4);
    } finally {
      studio.close();
      rig.close();
    }
  });

  it('tells viewers the true time of picture and sound, whatever clock the studio has', async () => {
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
      const count = reports.length;
      await watchFor(2500);
      expect(reports.length - count).toBeGreaterThan(2);
      const errorsMs = ssrcs.map((ssrc, index) => {
        const report = reports.findLast((each) => each.ssrc === ssrc);
        const recent = arrivals.get(ssrc)?.slice(-40) ?? [];
        if (!report || recent.length === 0) throw new Error(`no report or packets for ${ssrc}`);
        const perMs = index === 0 ? 90 : 48;
        // The quickest packet: report time of its timestamp against the time it came.
        const delays = recent.map(
          ({ timestamp, unixMs }) =>
            unixMs - (report.unixMs + circularDistance(report.timestamp, timestamp, 32) / perMs),
        );
        // What no browser's report tells of its sound is added by the bus.
        return Math.min(...delays) - (index === 0 ? 0 : soundUntoldMs);
      });
      console.log(
        `report against arrival: video ${errorsMs[0]?.toFixed(1)} ms, audio ${errorsMs[1]?.toFixed(1)} ms`,
      );
      for (const error of errorsMs) expect(Math.abs(error)).toBeLessThan(25);
      expect(Math.abs((errorsMs[0] ?? 0) - (errorsMs[1] ?? 99))).toBeLessThan(20);
      expect(rig.bus.ingestHealth?.layers[0]?.fps).toBeGreaterThan(20);
    } finally {
      plain.close();
      socket.close();
      studio.close();
      rig.close();
    }
  });
});
