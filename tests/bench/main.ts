// What a frame, a message, a viewer and a rush on a drop cost, each against a baseline in the same run.
// `npm run bench [-- NAME…] [-- --json FILE]`, NAME being `compute`, `drop`, `compositor` or `recording`;
// what needs a whole show is measured by the rehearsal.
import { availableParallelism, cpus, loadavg } from 'node:os';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { copyPicture, createPicture, createScaler } from '../../renderer/studio/media/i420.ts';
import { blendOverlay, createOverlay } from '../../renderer/studio/media/mixing.ts';
import {
  encodeEvent,
  serveChannel,
  strangerLimits,
  type Handlers,
  type Wire,
} from '../../sfu-server/protocol/channel.ts';
import { showContract, type ShowContract } from '../../sfu-server/protocol/messages.ts';
import { benchCompositor } from './compositor.ts';
import { rushOnADrop } from './drop.ts';
import { benchRecording, measureRecordingLost } from './recording.ts';
import { counted, oneVariant, stockOf } from '../support/products.ts';
import { fakeClock } from '../support/wires.ts';

const { values: flags, positionals } = parseArgs({
  options: { json: { type: 'string' } },
  allowPositionals: true,
});

type Case = { name: string; ms: number; baseline: string; baselineMs: number; times: number };

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Alternates the two, so that a busy moment hits both; medians of rounds. */
const compare = (
  name: string,
  run: () => void,
  baseline: string,
  base: () => void,
  perRound: number,
): Case => {
  const time = (work: () => void) => {
    const before = performance.now();
    for (let n = 0; n < perRound; n += 1) work();
    return (performance.now() - before) / perRound;
  };
  time(run);
  time(base);
  const rounds = Array.from({ length: 15 }, () => ({ a: time(run), b: time(base) }));
  const ms = median(rounds.map(({ a }) => a));
  const baselineMs = median(rounds.map(({ b }) => b));
  return { name, ms, baseline, baselineMs, times: ms / baselineMs };
};

const compositing = (width: number, height: number): Case[] => {
  const camera = createPicture(width, height);
  const guest = createPicture(640, 360);
  const program = createPicture(width, height);
  for (const picture of [camera, guest]) {
    for (let n = 0; n < picture.data.length; n += 1) picture.data[n] = 16 + ((n * 31) % 200);
  }
  const rgba = new Uint8ClampedArray(width * height * 4);
  // A card of a fifth of the picture, half transparent at its edge, as the QR card is.
  for (let y = 0; y < height * 0.5; y += 1) {
    for (let x = Math.floor(width * 0.65); x < width * 0.95; x += 1) {
      rgba.set([240, 240, 240, x % 7 === 0 ? 128 : 255], (y * width + x) * 4);
    }
  }
  const overlay = createOverlay(rgba, width, height);
  const scaler = createScaler();
  const side = createPicture(width >> 1, height);
  const passThrough = () => copyPicture(camera, program, 0, 0);
  return [
    compare(
      `compose ${height}p: camera + overlay`,
      () => {
        copyPicture(camera, program, 0, 0);
        blendOverlay(overlay, program);
      },
      'copy of the camera',
      passThrough,
      40,
    ),
    compare(
      `compose ${height}p: camera + scaled guest + overlay`,
      () => {
        copyPicture(camera, program, 0, 0);
        scaler.scale(guest, { x: 160, y: 0, width: 320, height: 360 }, side);
        copyPicture(side, program, width >> 1, 0);
        blendOverlay(overlay, program);
      },
      'copy of the camera',
      passThrough,
      20,
    ),
  ];
};

/** A stock change told to many viewers: bytes are made once, whatever their number. */
const fanOut = (viewers: number): Case => {
  // Nobody asks anything here.
  const handlers: Handlers<ShowContract> = new Proxy(Object.create(null), {});
  const clock = fakeClock();
  let sent = 0;
  const ends = Array.from({ length: viewers }, () => {
    let hear: (text: string) => void = () => {};
    const wire: Wire = {
      send: (text) => {
        sent += text.length;
      },
      close: () => {},
      onText: (listener) => {
        hear = listener;
      },
      onClose: () => {},
      backlog: () => 0,
    };
    const end = serveChannel({
      contract: showContract,
      wire,
      clock,
      handlers,
      role: () => 'viewer',
      limits: strangerLimits,
      onBug: () => {},
    });
    hear(JSON.stringify({ hello: showContract.name, v: showContract.version }));
    return end;
  });
  const event = { seq: 99, change: stockOf(oneVariant('Tee', counted(50)), counted(50, 12, 16)) };
  const result = compare(
    `tell ${viewers} viewers of a sale`,
    () => {
      const encoded = encodeEvent(showContract, 'state', event);
      for (const end of ends) end.emitEncoded(encoded);
    },
    'encoded for each viewer',
    () => {
      for (const end of ends) end.emit('state', event);
    },
    20,
  );
  if (sent === 0) throw new Error('Nothing was sent.');
  for (const end of ends) end.close('done');
  return result;
};

const compute = () => {
  const cases = [...compositing(640, 360), ...compositing(1280, 720), fanOut(500)];
  for (const { name, ms, baseline, baselineMs, times } of cases) {
    console.log(
      `${name.padEnd(52)} ${ms.toFixed(3).padStart(8)} ms   ${times.toFixed(2).padStart(6)} × ${baseline} (${baselineMs.toFixed(3)} ms)`,
    );
  }
  return { cases };
};

const drop = async () => {
  const result = await rushOnADrop();
  const { attempts, sold, stock, doubleCharged, holdMs, echoMs, doorMs, stockMessagesPerPage, naive } =
    result;
  console.log(
    [
      `${attempts} buyers at once for ${stock} pieces: ${sold} sold, ${doubleCharged} charged twice`,
      `a hold as the buyer sees it: median ${holdMs.p50.toFixed(1)} ms, p99 ${holdMs.p99.toFixed(1)} ms (500 sockets, client and server on this machine)`,
      `a bare server's answer to the same rush: median ${echoMs.p50.toFixed(1)} ms, p99 ${echoMs.p99.toFixed(1)} ms`,
      `at the door without sockets: median ${doorMs.p50.toFixed(1)} ms, p99 ${doorMs.p99.toFixed(1)} ms`,
      `${stockMessagesPerPage} messages about stock to each page`,
      `reading first and writing later sold ${naive.sold} of ${naive.stock}`,
    ].join('\n'),
  );
  return result;
};

const load = () => (loadavg()[0] ?? 0) / availableParallelism();

const benches: Record<string, () => Promise<object>> = {
  compute: async () => Promise.resolve({ ...compute(), loadPerCore: load() }),
  drop: async () => ({ ...(await drop()), loadPerCore: load() }),
  compositor: async () => benchCompositor({ measureRecordingLoss: measureRecordingLost }),
  recording: benchRecording,
};
const unknown = positionals.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(', ')}. Known: ${Object.keys(benches).join(', ')}.`);
  process.exit(1);
}
const chosen = Object.entries(benches).filter(
  ([name]) => positionals.length === 0 || positionals.includes(name),
);
const results: [string, object][] = [];
for (const [name, run] of chosen) results.push([name, await run()]);
console.log(
  `load per core ${load().toFixed(2)} on ${cpus().length} cores${load() > 1 ? ': a contended run, do not compare it with others' : ''}`,
);
// One bench alone is the whole file; several stand under their names.
const [only] = results;
const written = results.length === 1 && only !== undefined ? only[1] : Object.fromEntries(results);
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(written, null, 2)}\n`);
