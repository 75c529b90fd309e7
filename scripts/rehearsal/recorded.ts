// Reads a recording as a player would: how long picture and sound are, and what each picture's bars say. Taken apart here,
// decoded in a browser. Not its job: comparing it with anything (accounts.ts).
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } from 'mediabunny';
import type { Page } from 'playwright-core';
import type { Captured } from './probe.ts';

export type Recorded = {
  pictures: number;
  /** What the bars of each decoded picture say, in the order of the file; pictures without any are left out. */
  seen: Captured[];
  pictureMs: number;
  soundMs: number;
  /** Longest time from one picture to the next. */
  longestGapMs: number;
};

type Piece = { type: EncodedVideoChunkType; timestampUs: number; base64: string };

const piecesAtOnce = 60;

/** In a page with the probe: decodes what it is given, one batch after the other. */
const openDecoder = (page: Page, config: { codec: string; description: string | null }) =>
  page.evaluateHandle(({ codec, description }) => {
    const bytes = (base64: string) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const seen: Captured[] = [];
    let reading = Promise.resolve();
    const decoder = new VideoDecoder({
      output: (frame) => {
        const read = async (earlier: Promise<void>) => {
          await earlier;
          const captured = await window.rehearsal.read(frame, performance.timeOrigin + performance.now());
          frame.close();
          if (captured) seen.push(captured);
        };
        reading = read(reading);
      },
      error: (error) => reportError(error),
    });
    decoder.configure({ codec, ...(description === null ? {} : { description: bytes(description) }) });
    return {
      feed: async (pieces: Piece[]) => {
        for (const { type, timestampUs, base64 } of pieces)
          decoder.decode(new EncodedVideoChunk({ type, timestamp: timestampUs, data: bytes(base64) }));
        while (decoder.decodeQueueSize > 0)
          await new Promise((resolve) => decoder.addEventListener('dequeue', resolve, { once: true }));
        await reading;
      },
      end: async () => {
        await decoder.flush();
        await reading;
        decoder.close();
        return seen;
      },
    };
  }, config);

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const bytesOf = (data: AllowSharedBufferSource): Uint8Array =>
  ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);

/** `page`: one with the probe in it. Throws for a file without picture or sound. */
export const readRecording = async (file: string, page: Page): Promise<Recorded> => {
  const input = new Input({ source: new FilePathSource(file), formats: ALL_FORMATS });
  const [picture, sound] = await Promise.all([input.getPrimaryVideoTrack(), input.getPrimaryAudioTrack()]);
  const config = await picture?.getDecoderConfig();
  if (!picture || !sound || !config) throw new Error(`${file} has no picture or no sound.`);
  const decoder = await openDecoder(page, {
    codec: config.codec,
    description: config.description ? toBase64(bytesOf(config.description)) : null,
  });
  let pictures = 0;
  let longestGapMs = 0;
  let firstMs: number | undefined;
  let lastMs = 0;
  let endMs = 0;
  let batch: Piece[] = [];
  const hand = async () => {
    const pieces = batch;
    batch = [];
    await decoder.evaluate((open, given) => open.feed(given), pieces);
  };
  for await (const packet of new EncodedPacketSink(picture).packets()) {
    const atMs = packet.timestamp * 1000;
    if (firstMs !== undefined) longestGapMs = Math.max(longestGapMs, atMs - lastMs);
    firstMs ??= atMs;
    lastMs = atMs;
    endMs = atMs + packet.duration * 1000;
    pictures += 1;
    batch.push({
      type: packet.type,
      timestampUs: Math.round(packet.timestamp * 1e6),
      base64: toBase64(packet.data),
    });
    if (batch.length >= piecesAtOnce) await hand();
  }
  await hand();
  const seen = await decoder.evaluate((open) => open.end());
  let soundMs = 0;
  for await (const packet of new EncodedPacketSink(sound).packets(undefined, undefined, {
    metadataOnly: true,
  }))
    soundMs += packet.duration * 1000;
  input.dispose();
  return { pictures, seen, pictureMs: endMs - (firstMs ?? 0), soundMs, longestGapMs };
};
