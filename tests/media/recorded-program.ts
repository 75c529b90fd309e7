// A process that is killed in the middle of a recording: a real program (clip → studio → clip → studio) on a real worker,
// recorded into the folder in argv. Says "sent <ms>" with every second of program, for whoever kills it.
import { createWorker } from 'mediasoup';
import { mediaCodecs } from '../../sfu-server/media/media-node.ts';
import { ProgramBus } from '../../sfu-server/media/program-bus.ts';
import { createRecorder } from '../../sfu-server/media/recorder.ts';
import { StudioStandIn, shortClip } from './stand-ins.ts';

const [folder = '', wanted] = process.argv.slice(2);
const codec = wanted === 'H264' ? 'H264' : 'VP8';
const worker = await createWorker({ logLevel: 'warn' });
const router = await worker.createRouter({ mediaCodecs });
const say = (text: string) => process.stdout.write(`${text}\n`);
const clip = await shortClip(codec);
const bus = await ProgramBus.create({
  router,
  codec,
  layers: 2,
  standby: clip,
  onProgram: ({ source }) => say(`shows ${source}`),
  onStudioMedia: () => {},
  warn: (message) => say(`warning ${message}`),
});
const recorder = await createRecorder({
  router,
  program: { video: bus.videoProducer, audio: bus.audioProducer },
  codec,
  folder,
  warn: (message, cause) => say(`warning ${message} ${String(cause)}`),
  minFreeBytes: 0,
});
const studio = await StudioStandIn.open(router, clip, 2);
recorder.start('show');
bus.setOnAir(true);
const onAirMs = performance.now();
setInterval(() => say(`sent ${Math.round(performance.now() - onAirMs)}`), 250);
studio.start();
await bus.attachStudio({ video: studio.video, audio: studio.audio });
process.stdin.on('data', (order) => {
  if (order.toString().startsWith('die')) studio.stop();
  else studio.start();
});
