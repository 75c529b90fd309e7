// What a recording is decided by, without a browser: names, room on the disk, places in the file, markers, and how a file
// that was cut off at any byte is finished.
import fc from 'fast-check';
import {
  BufferSource,
  BufferTarget,
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  Input,
  MP4,
  Mp4OutputFormat,
  Output,
} from 'mediabunny';
import { describe, expect, test } from 'vitest';
import { recordingFileName } from '../../electron/desktop-api.ts';
import type { DesktopFiles } from '../../renderer/studio/recording/files.ts';
import { examineRecording } from '../../renderer/studio/recording/fragments.ts';
import {
  createLoadGuard,
  createRate,
  formatBytes,
  formatForecast,
  judgeDisk,
} from '../../renderer/studio/recording/guard.ts';
import { createRecordingLibrary } from '../../renderer/studio/recording/library.ts';
import {
  maxMarkerLabel,
  maxMarkers,
  takeNotes,
  toWebVtt,
  withMarker,
  withMarkerName,
  type Marker,
} from '../../renderer/studio/recording/markers.ts';
import {
  markerNames,
  readRecordingName,
  recordingName,
  takeName,
  takeOf,
} from '../../renderer/studio/recording/names.ts';
import { createPictureTimeline, createSoundTimeline } from '../../renderer/studio/recording/timeline.ts';

const evening = new Date(2026, 10, 22, 21, 4, 9).getTime();

describe('names', () => {
  test('say show, time and source, and are read back', () => {
    const name = recordingName('Night drop', evening, 'Cam A');
    expect(name).toBe('Night drop 2026-11-22 21-04-09 Cam A.mp4');
    expect(readRecordingName(name)).toEqual({
      show: 'Night drop',
      stamp: '2026-11-22 21-04-09',
      source: 'Cam A',
    });
    expect(takeOf(name)).toBe(takeName('Night drop', evening));
    expect(readRecordingName('holiday.mp4')).toBeNull();
    expect(takeOf(markerNames(takeName('Night drop', evening)).vtt)).toBeNull();
  });

  test('whatever a show or a source is called, the name is one every disk and the desktop app take', () => {
    const words = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.constantFrom(
        '',
        '..',
        '../../etc/passwd',
        'CON',
        'a/b\\c:d*e?"f<g>h|i',
        '.hidden',
        '  x . ',
        '🎥'.repeat(99),
      ),
    );
    fc.assert(
      fc.property(words, words, (show, source) => {
        const name = recordingName(show, evening, source);
        expect(recordingFileName.safeParse(name).success).toBe(true);
        expect(new TextEncoder().encode(name).length).toBeLessThan(255);
        const take = takeOf(name);
        expect(take).toBe(takeName(show, evening));
        for (const each of Object.values(markerNames(take ?? ''))) {
          expect(recordingFileName.safeParse(each).success).toBe(true);
        }
      }),
    );
  });

  test('the desktop app takes no path, no hidden file and no other kind of file', () => {
    const refused = [
      '../x.mp4',
      'a/b.mp4',
      'a\\b.mp4',
      '.x.mp4',
      ' x.mp4',
      'x.exe',
      'x.mp4.exe',
      'x\n.mp4',
      '.mp4',
      'C:x.mp4',
    ];
    expect(refused.filter((name) => recordingFileName.safeParse(name).success)).toEqual([]);
  });
});

describe('the disk', () => {
  const judge = (freeBytes: number | null, sources = false) =>
    judgeDisk({ freeBytes, bytesPerSecond: 1_000_000, sources });
  const reserve = 256 * 1024 ** 2;
  /** Bytes for so many minutes at a megabyte a second, above what is kept free. */
  const minutes = (count: number) => reserve + count * 60_000_000;

  test('warns below ten minutes, stops sources below five, and everything with room left to close the files', () => {
    expect(judge(null)).toEqual({ kind: 'unknown' });
    expect(judge(minutes(11))).toMatchObject({ kind: 'roomy', leftMs: 660_000 });
    expect(judge(minutes(9), true).kind).toBe('low');
    expect(judge(minutes(4), true).kind).toBe('stopSources');
    expect(judge(minutes(4), false).kind).toBe('low');
    expect(judge(reserve - 1, false)).toMatchObject({ kind: 'full', leftMs: 0 });
  });

  test('the forecast goes by what was written lately, and by what is expected before that', () => {
    const rate = createRate(10_000);
    expect(rate.bytesPerSecond(7)).toBe(7);
    for (let second = 0; second <= 20; second += 1)
      rate.add(second * (second > 10 ? 500 : 100), second * 1000);
    expect(rate.bytesPerSecond(7)).toBeGreaterThan(400);
    // A new take begins at nothing: what was before says nothing about it.
    rate.add(0, 21_000);
    expect(rate.bytesPerSecond(7)).toBe(7);
    expect([formatForecast(11_100_000), formatForecast(59_000), formatForecast(1e12)]).toEqual([
      '3:05 h',
      '0:00 h',
      'over 99 hours',
    ]);
    expect([
      formatBytes(41.2e9),
      formatBytes(1.25e9),
      formatBytes(850e6),
      formatBytes(2.34e6),
      formatBytes(900),
    ]).toEqual(['41 GB', '1.3 GB', '850 MB', '2.3 MB', '1 kB']);
  });

  test('sources give way when the program is late in three of five seconds, not for one bad moment', () => {
    const guard = createLoadGuard();
    const late = (count: number) => guard.second({ late: count, framesOut: 30 });
    expect([late(9), late(0), late(0), late(9), late(0), late(0), late(1)]).not.toContain(true);
    expect([late(9), late(2), late(0), late(4)]).toEqual([false, false, false, true]);
    expect(late(9)).toBe(false);
  });
});

describe('places in the file', () => {
  test('pictures stand where they arrived, evenly, the first at 0 and none from before the take', () => {
    const pictures = createPictureTimeline(10_000);
    // The stream's own clock began elsewhere, and delivery is uneven.
    const at = (timestampMs: number, arrivalMs: number) => pictures.place(timestampMs * 1000, arrivalMs);
    expect(at(500, 9_990)).toBeNull();
    expect(at(533, 10_040)).toBe(0);
    expect(at(566, 10_057)).toBeCloseTo(56, 0);
    expect(at(600, 10_190)).toBeCloseTo(90, 0);
    expect(at(633, 10_200)).toBeCloseTo(123, 0);
    expect(pictures.repeat(600)).toBe(600);
    // One that was overtaken by the repeat stays in order.
    expect(at(666, 10_600)).toBe(601);
    // Held back in the program, it stands where the program shows it; let go, it stays in order.
    pictures.holdBack(500);
    expect(at(700, 10_634)).toBeCloseTo(190 + 500, 0);
    pictures.holdBack(0);
    expect(at(733, 10_657)).toBeCloseTo(691, 0);
  });

  test('sound keeps its place: gaps become silence, what is there already is left out, small strays are left alone', () => {
    const sounds = createSoundTimeline(0, 48_000);
    const block = (timestampMs: number, arrivalMs: number) =>
      sounds.place(timestampMs * 1000, 480, arrivalMs);
    // The first sound comes a second into the take.
    expect(block(0, 1_000)).toEqual({ silentFrames: 48_000, isWanted: true });
    expect(block(10, 1_040)).toEqual({ silentFrames: 0, isWanted: true });
    expect(block(60, 1_060)).toEqual({ silentFrames: 0, isWanted: true });
    expect(sounds.endMs()).toBeCloseTo(1_030);
    expect(block(270, 1_270)).toEqual({ silentFrames: 11_520, isWanted: true });
    expect(sounds.endMs()).toBeCloseTo(1_280);
    // Filled ahead because it stayed away; when it comes late after all, the file has these moments.
    expect(sounds.fill(1_500)).toBe(10_560);
    expect(block(280, 1_520)).toEqual({ silentFrames: 0, isWanted: false });
    expect(block(500, 1_520).isWanted).toBe(true);
  });
});

test('a marker is called by its number until it gets a name, and again when the name is taken away', () => {
  let markers = withMarker(withMarker([], 1_000), 2_000);
  markers = withMarkerName(markers, 1, '  First\n sale ');
  expect(markers).toEqual([
    { atMs: 1_000, label: 'Marker 1' },
    { atMs: 2_000, label: 'First sale' },
  ]);
  expect(withMarkerName(markers, 1, ' ')[1]?.label).toBe('Marker 2');
  expect(withMarkerName(markers, 1, 'x'.repeat(500))[1]?.label).toHaveLength(maxMarkerLabel);
  expect(withMarkerName(markers, 7, 'Nobody')).toEqual(markers);
  const full: readonly Marker[] = Array.from({ length: maxMarkers }, () => ({ atMs: 0, label: '' }));
  expect(withMarker(full, 5)).toHaveLength(maxMarkers);
});

test('markers become chapters any player reads, and notes that are read back', () => {
  const markers = [
    { atMs: 3_723_004, label: 'Sold <out> & gone\n\n--> next' },
    { atMs: 61_500, label: 'Start' },
  ];
  expect(toWebVtt(markers)).toBe(
    [
      'WEBVTT\n',
      '1\n00:01:01.500 --> 01:02:03.004\nStart\n',
      '2\n01:02:03.004 --> 01:02:08.004\nSold &lt;out&gt; &amp; gone --&gt; next\n',
    ].join('\n'),
  );
  expect(toWebVtt([])).toBe('WEBVTT\n');
  const notes = { version: 1, show: 'Drop', startMs: 1, files: [], markers };
  expect(takeNotes.safeParse(JSON.parse(JSON.stringify(notes))).success).toBe(true);
  expect(takeNotes.safeParse({ ...notes, markers: [{ atMs: -1, label: '' }] }).success).toBe(false);
});

/** A folder in memory, as the desktop app gives one. */
const createFolder = (): DesktopFiles & { contents: Map<string, Uint8Array<ArrayBuffer>> } => {
  const contents = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    kind: 'desktop',
    contents,
    list: () =>
      Promise.resolve([...contents].map(([name, { length }]) => ({ name, bytes: length, changedMs: 0 }))),
    read: (name, from, to) => Promise.resolve((contents.get(name) ?? new Uint8Array()).slice(from, to)),
    writeText: (name, text) => {
      contents.set(name, new TextEncoder().encode(text));
      return Promise.resolve();
    },
    remove: (name) => {
      contents.delete(name);
      return Promise.resolve();
    },
    freeBytes: () => Promise.resolve(null),
    create: () => Promise.reject(new Error('Nothing is recorded here.')),
    mend: () => Promise.resolve('leftAlone'),
    folder: () => Promise.resolve('/videos'),
    chooseFolder: () => Promise.resolve('/videos'),
    show: () => Promise.resolve(),
  };
};

test('a source that joined later is listed, and removed, with the take it belongs to', async () => {
  const folder = createFolder();
  const take = takeName('Night drop', evening);
  const lateMs = evening + 65_000;
  const named = [
    { source: 'Program', startMs: evening },
    { source: 'Cam A', startMs: evening },
    { source: 'Anna', startMs: lateMs },
  ].map(({ source, startMs }) => ({ name: recordingName('Night drop', startMs, source), source, startMs }));
  const another = recordingName('Night drop', lateMs, 'Program');
  // The late one comes first: order on the disk says nothing.
  for (const name of [another, ...named.map(({ name }) => name).toReversed()]) {
    folder.contents.set(name, new Uint8Array(40));
  }
  const markers = [{ atMs: 1_000, label: 'First sale' }];
  const notes = { version: 1, show: 'Night drop', startMs: evening, files: named, markers };
  await folder.writeText(markerNames(take).json, JSON.stringify(notes));
  const library = createRecordingLibrary({ files: folder, key: 'none' });
  await library.refresh([]);
  const listed = () =>
    library.store
      .getState()
      .takes?.map(({ take: name, files, markers: found }) => [
        name,
        files.map(({ source }) => source),
        found.length,
      ]);
  expect(listed()).toEqual([
    [takeName('Night drop', lateMs), ['Program'], 0],
    [take, ['Program', 'Anna', 'Cam A'], 1],
  ]);
  await library.remove(take);
  expect([...folder.contents.keys()]).toEqual([another]);
  library.close();
});

describe('a file that was cut off', () => {
  const seconds = 6;

  /** Six seconds of packets nobody could decode, in the pieces a recording has. */
  const writeFile = async (): Promise<Uint8Array<ArrayBuffer>> => {
    const target = new BufferTarget();
    const output = new Output({
      format: new Mp4OutputFormat({ fastStart: 'fragmented', minimumFragmentDuration: 1 }),
      target,
    });
    const video = new EncodedVideoPacketSource('vp8');
    const audio = new EncodedAudioPacketSource('opus');
    output.addVideoTrack(video);
    output.addAudioTrack(audio);
    await output.start();
    const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 37) % 256);
    const picture = { decoderConfig: { codec: 'vp8', codedWidth: 64, codedHeight: 36 } };
    const sound = { decoderConfig: { codec: 'opus', numberOfChannels: 2, sampleRate: 48_000 } };
    for (let tick = 0; tick < seconds * 50; tick += 1) {
      await audio.add(new EncodedPacket(bytes(20), 'key', tick / 50, 1 / 50), sound);
      if (tick % 2 === 0) {
        const isKey = tick % 50 === 0;
        const packet = new EncodedPacket(bytes(isKey ? 300 : 40), isKey ? 'key' : 'delta', tick / 50, 1 / 25);
        await video.add(packet, picture);
      }
    }
    await output.finalize();
    if (target.buffer === null) throw new Error('Nothing was written.');
    return new Uint8Array(target.buffer);
  };
  const examine = (bytes: Uint8Array<ArrayBuffer>) =>
    examineRecording(bytes.length, (from, to) => Promise.resolve(bytes.subarray(from, to)));
  const packetsOf = async (bytes: Uint8Array<ArrayBuffer>) => {
    const input = new Input({ source: new BufferSource(bytes), formats: [MP4] });
    const tracks = await input.getTracks();
    return Promise.all(
      tracks.map(async (track) => {
        const times: number[] = [];
        for await (const { timestamp } of new EncodedPacketSink(track).packets()) times.push(timestamp);
        return times;
      }),
    );
  };

  test('gets the very index it would have had, and is left alone afterwards', async () => {
    const whole = await writeFile();
    expect(await examine(whole)).toEqual({ kind: 'finished' });
    const indexBytes = new DataView(whole.buffer).getUint32(whole.length - 4);
    const cut = whole.slice(0, whole.length - indexBytes);
    const mending = await examine(cut);
    expect(mending).toMatchObject({ kind: 'cutOff', keepBytes: cut.length });
    expect(mending.kind === 'cutOff' && mending.index).toEqual(whole.slice(cut.length));
  });

  test('at any byte at all can be played up to its last whole piece', async () => {
    const whole = await writeFile();
    const all = await packetsOf(whole);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length - 1 }), async (at) => {
        const cut = whole.slice(0, at);
        const mending = await examine(cut);
        if (mending.kind !== 'cutOff') {
          expect(mending.kind).toBe('empty');
          return;
        }
        const mended = Uint8Array.from([...cut.subarray(0, mending.keepBytes), ...mending.index]);
        expect(await examine(mended)).toEqual({ kind: 'finished' });
        for (const [index, times] of (await packetsOf(mended)).entries()) {
          expect(times.length).toBeGreaterThan(20);
          expect(times).toEqual(all[index]?.slice(0, times.length));
        }
      }),
      { numRuns: 60 },
    );
  });

  test('and then overwritten with anything is never read beyond its end, nor for ever', async () => {
    const whole = await writeFile();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: whole.length - 64 }),
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        async (at, noise) => {
          const spoiled = whole.slice(0, -16);
          spoiled.set(noise.subarray(0, Math.max(0, spoiled.length - at)), at);
          const mending = await examine(spoiled);
          if (mending.kind === 'cutOff') expect(mending.keepBytes).toBeLessThanOrEqual(spoiled.length);
        },
      ),
      { numRuns: 100 },
    );
  });
});
