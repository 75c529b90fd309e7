// How recordings are called: `<show> <YYYY-MM-DD HH-MM-SS> <source>.mp4`, so that the files of one take stand together in
// any list, and the same name without the source for what belongs to the whole take. A source that joins a take later bears
// its own start; the take's notes (markers.ts) say that it belongs there. Pure. Not its job: where files lie (files.ts).

/** The program among the sources. */
export const programSource = 'Program';

export type RecordingName = {
  readonly show: string;
  /** Local time of the take's start, `2026-11-22 21-04-09`. */
  readonly stamp: string;
  readonly source: string;
};

/** Together with stamp, ending and spaces below the 255 bytes a file's name may have anywhere. */
const mostShowBytes = 110;
const mostSourceBytes = 80;

/** Characters that no common file system takes amiss, and a name that is never empty, a dot or too long. */
const tame = (text: string, mostBytes: number, instead: string): string => {
  const calm = text
    .normalize('NFC')
    .replaceAll(/[\p{C}<>:"/\\|?*]+/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .replace(/^[. ]+/, '');
  const encoder = new TextEncoder();
  let short = '';
  let bytes = 0;
  for (const character of calm) {
    bytes += encoder.encode(character).length;
    if (bytes > mostBytes) break;
    short += character;
  }
  return short.replace(/[. ]+$/, '') || instead;
};

const two = (value: number): string => String(value).padStart(2, '0');

/** The start of a take by this machine's clock and time zone, to the second. */
export const stampOf = (atMs: number): string => {
  const at = new Date(atMs);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}-${two(at.getMinutes())}-${two(at.getSeconds())}`;
};

/** What every file of a take begins with. */
export const takeName = (show: string, startMs: number): string =>
  `${tame(show, mostShowBytes, 'Show')} ${stampOf(startMs)}`;

export const recordingName = (show: string, startMs: number, source: string): string =>
  `${takeName(show, startMs)} ${tame(source, mostSourceBytes, 'Source')}.mp4`;

/** Where a take's markers are kept: for this program, and for players and editors. */
export const markerNames = (take: string): { json: string; vtt: string } => ({
  json: `${take}.markers.json`,
  vtt: `${take}.markers.vtt`,
});

/** Null for a file that is no recording of this program. */
export const readRecordingName = (name: string): RecordingName | null => {
  const match = /^(.+) (\d{4}-\d\d-\d\d \d\d-\d\d-\d\d) (.+)\.mp4$/u.exec(name);
  const [, show, stamp, source] = match ?? [];
  return show !== undefined && stamp !== undefined && source !== undefined ? { show, stamp, source } : null;
};

/** The take whose markers are kept in a file of this name; null for any other file. */
export const takeOfNotes = (name: string): string | null => /^(.+)\.markers\.json$/u.exec(name)?.[1] ?? null;

/** Null for what is no take's name. */
export const readTakeName = (take: string): Pick<RecordingName, 'show' | 'stamp'> | null =>
  readRecordingName(`${take} ${programSource}.mp4`);

/** The take a recording was begun as, going by its name alone; null for a file that is no recording of this program. */
export const takeOf = (name: string): string | null => {
  const parts = readRecordingName(name);
  return parts && `${parts.show} ${parts.stamp}`;
};
