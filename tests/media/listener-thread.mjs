// A thread that receives the program from a node through a pipe, as a further edge would, and measures the worst
// gap between packets. Plain JavaScript: only tests start it, with the mediasoup worker's path as workerData.
import { parentPort, workerData } from 'node:worker_threads';
import { createWorker } from 'mediasoup';

const worker = await createWorker({ workerBin: workerData.workerBin, logLevel: 'warn' });
const router = await worker.createRouter({ mediaCodecs: workerData.mediaCodecs });
const pipe = await router.createPipeTransport({
  listenInfo: { protocol: 'udp', ip: '127.0.0.1' },
  enableSrtp: true,
  enableRtx: true,
});
const streams = {};
const fresh = () => ({ packets: 0, lastMs: undefined, worstGapMs: 0 });

const handlers = {
  address: () => ({
    address: pipe.tuple.localAddress,
    port: pipe.tuple.localPort,
    srtpParameters: pipe.srtpParameters,
  }),
  connect: ({ address, port, srtpParameters }) => pipe.connect({ ip: address, port, srtpParameters }),
  async receive({ producers }) {
    const direct = await router.createDirectTransport();
    for (const { producerId, kind, rtpParameters } of producers) {
      const producer = await pipe.produce({ id: producerId, kind, rtpParameters });
      const consumer = await direct.consume({
        producerId: producer.id,
        rtpCapabilities: router.rtpCapabilities,
        pipe: true,
        enableRtx: false,
      });
      streams[kind] = fresh();
      consumer.on('rtp', () => {
        const stream = streams[kind];
        const nowMs = performance.now();
        if (stream.lastMs !== undefined)
          stream.worstGapMs = Math.max(stream.worstGapMs, nowMs - stream.lastMs);
        stream.lastMs = nowMs;
        stream.packets += 1;
      });
    }
  },
  reset() {
    for (const kind of Object.keys(streams)) streams[kind] = fresh();
  },
  read: () => structuredClone(streams),
  close() {
    worker.close();
    setImmediate(() => parentPort.close());
  },
};

const answer = async ({ id, name, params }) => {
  parentPort.postMessage({ id, result: (await handlers[name](params)) ?? null });
};
parentPort.on('message', (message) => void answer(message));
parentPort.postMessage({ id: 0, result: 'ready' });
