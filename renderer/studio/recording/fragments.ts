// A recording that was cut off, by a crash or a reload, is finished here: whatever came after the last whole piece goes,
// and the index that a finished file ends with is made from the pieces (ISO/IEC 14496-12: moof, mdat, mfra).
// Reads headers only, never the pictures. Not its job: changing files (recorder.worker.ts, desktop-files.ts).

/** Bytes `from` to `to` of a file; fewer at its end. */
export type ReadAt = (from: number, to: number) => Promise<Uint8Array>;

export type Mending =
  /** It has its index: nothing to do. */
  | { readonly kind: 'finished' }
  /** Not one whole piece: nothing in it can be played. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'cutOff'; readonly keepBytes: number; readonly index: Uint8Array<ArrayBuffer> };

type Box = { readonly type: string; readonly from: number; readonly to: number; readonly bodyFrom: number };

type Piece = { readonly moofAt: number; readonly tracks: readonly { id: number; time: bigint }[] };

const headerBytes = 16;
/** Of a piece's description; more is no file of ours. */
const mostMoofBytes = 4 * 1024 ** 2;

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The box that begins `at` in `bytes`, which begin at `base` in the file; null where none can be read. */
const readBox = (bytes: Uint8Array, at: number, base: number): Box | null => {
  if (at + 8 > bytes.length) return null;
  const data = view(bytes);
  const type = String.fromCodePoint(...bytes.subarray(at + 4, at + 8));
  const short = data.getUint32(at);
  const isLong = short === 1;
  if (isLong && at + 16 > bytes.length) return null;
  const size = isLong ? Number(data.getBigUint64(at + 8)) : short;
  const headerSize = isLong ? 16 : 8;
  if (size < headerSize) return null;
  return { type, from: base + at, to: base + at + size, bodyFrom: base + at + headerSize };
};

/** The boxes directly inside a stretch of bytes. */
const boxesIn = (bytes: Uint8Array, from: number, to: number): Box[] => {
  const found: Box[] = [];
  for (let at = from; at < to;) {
    const box = readBox(bytes, at, 0);
    if (box === null || box.to > to) break;
    found.push(box);
    at = box.to;
  }
  return found;
};

/** Which tracks a piece has, and when each begins in it, in the track's own units. */
const readMoof = (moof: Uint8Array): Piece['tracks'] => {
  const data = view(moof);
  return boxesIn(moof, 8, moof.length)
    .filter(({ type }) => type === 'traf')
    .flatMap((traf) => {
      const inside = boxesIn(moof, traf.bodyFrom, traf.to);
      const tfhd = inside.find(({ type }) => type === 'tfhd');
      const tfdt = inside.find(({ type }) => type === 'tfdt');
      if (tfhd === undefined || tfdt === undefined || tfhd.to - tfhd.bodyFrom < 8) return [];
      const isWide = data.getUint8(tfdt.bodyFrom) === 1;
      if (tfdt.to - tfdt.bodyFrom < (isWide ? 12 : 8)) return [];
      const time = isWide ? data.getBigUint64(tfdt.bodyFrom + 4) : BigInt(data.getUint32(tfdt.bodyFrom + 4));
      return [{ id: data.getUint32(tfhd.bodyFrom + 4), time }];
    });
};

const randomAccessBox = (pieces: readonly Piece[]): Uint8Array<ArrayBuffer> => {
  const ids = [...new Set(pieces.flatMap(({ tracks }) => tracks.map(({ id }) => id)))];
  const entries = ids.map((id) =>
    pieces.flatMap(({ moofAt, tracks }) => {
      const traf = tracks.findIndex((track) => track.id === id);
      const time = tracks[traf]?.time;
      return time === undefined ? [] : [{ moofAt, time, trafNumber: traf + 1 }];
    }),
  );
  const entryBytes = 28;
  const tableBytes = entries.map((each) => 24 + each.length * entryBytes);
  const size = 8 + tableBytes.reduce((sum, bytes) => sum + bytes, 0) + 16;
  const bytes = new Uint8Array(size);
  const data = view(bytes);
  let at = 0;
  const u32 = (value: number): void => {
    data.setUint32(at, value);
    at += 4;
  };
  const u64 = (value: bigint): void => {
    data.setBigUint64(at, value);
    at += 8;
  };
  const head = (boxSize: number, type: string): void => {
    u32(boxSize);
    bytes.set(new TextEncoder().encode(type), at);
    at += 4;
  };
  head(size, 'mfra');
  for (const [index, table] of entries.entries()) {
    head(tableBytes[index] ?? 0, 'tfra');
    u32(1 << 24); // Version 1: times and places of 64 bits.
    u32(ids[index] ?? 0);
    u32(0b111111); // Numbers of 32 bits.
    u32(table.length);
    for (const { time, moofAt, trafNumber } of table) {
      u64(time);
      u64(BigInt(moofAt));
      u32(trafNumber);
      u32(1);
      u32(1);
    }
  }
  head(16, 'mfro');
  u32(0);
  u32(size);
  return bytes;
};

const isFinished = async (size: number, read: ReadAt): Promise<boolean> => {
  if (size < headerBytes) return false;
  const end = await read(size - headerBytes, size);
  const box = readBox(end, 0, 0);
  return end.length === headerBytes && box?.type === 'mfro' && box.to === headerBytes;
};

/** Looks through a fragmented MP4 of `size` bytes. Takes one small read per second of recording. */
export const examineRecording = async (size: number, read: ReadAt): Promise<Mending> => {
  if (await isFinished(size, read)) return { kind: 'finished' };
  const pieces: Piece[] = [];
  let keepBytes = 0;
  let moof: Box | null = null;
  for (let at = 0; at < size;) {
    const box = readBox(await read(at, at + headerBytes), 0, at);
    if (box === null || box.to > size) break;
    if (box.type === 'moof') moof = box;
    else if (box.type === 'mdat' && moof !== null) {
      if (moof.to - moof.from > mostMoofBytes) break;
      pieces.push({ moofAt: moof.from, tracks: readMoof(await read(moof.from, moof.to)) });
      keepBytes = box.to;
      moof = null;
    } else if (box.type !== 'ftyp' && box.type !== 'moov') break;
    at = box.to;
  }
  if (pieces.length === 0) return { kind: 'empty' };
  return { kind: 'cutOff', keepBytes, index: randomAccessBox(pieces) };
};
