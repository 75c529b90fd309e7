// Markers: moments the director wants to find again. Kept beside a take's files as JSON for this program and as WebVTT
// (W3C, "chapters") for players and editors. Pure. Not its job: when one is set (desk.ts), or writing files (files.ts).
import * as z from 'zod/mini';

export const maxMarkers = 1_000;

export const maxMarkerLabel = 80;

export const marker = z.object({
  /** From the take's start, which is 0 in each of its files. */
  atMs: z.number().check(z.nonnegative()),
  label: z.string().check(z.maxLength(maxMarkerLabel)),
});
export type Marker = z.output<typeof marker>;

/** What a marker is called until the director gives it a name. */
const plainLabel = (index: number): string => `Marker ${index + 1}`;

export const withMarker = (markers: readonly Marker[], atMs: number): readonly Marker[] =>
  markers.length >= maxMarkers ? markers : [...markers, { atMs, label: plainLabel(markers.length) }];

/** The same list when there is no such marker; an empty name gives it its plain one back. */
export const withMarkerName = (markers: readonly Marker[], index: number, name: string): readonly Marker[] =>
  markers.map((each, at) =>
    at === index
      ? { ...each, label: name.replaceAll(/\s+/g, ' ').trim().slice(0, maxMarkerLabel) || plainLabel(at) }
      : each,
  );

/** The sidecar as it is on disk; older ones must stay readable. */
export const takeNotes = z.object({
  version: z.literal(1),
  show: z.string(),
  /** Start of the take, which is 0 in its markers and its program, by this machine's clock (Unix time). */
  startMs: z.number(),
  /** A source that joined later has a later start of its own. */
  files: z.array(z.object({ name: z.string(), source: z.string(), startMs: z.number() })),
  markers: z.array(marker).check(z.maxLength(maxMarkers)),
});
export type TakeNotes = z.output<typeof takeNotes>;

const two = (value: number): string => String(value).padStart(2, '0');

/** `hh:mm:ss.ttt`, as WebVTT wants it. */
const vttTime = (ms: number): string => {
  const whole = Math.round(ms);
  const seconds = Math.floor(whole / 1000);
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(':');
  return `${clock}.${String(whole % 1000).padStart(3, '0')}`;
};

/** A cue reaches to the next marker, the last one for a few seconds. */
const lastCueMs = 5_000;

/** In order of time, whatever the order they were set in. */
export const toWebVtt = (markers: readonly Marker[]): string => {
  const inOrder = markers.toSorted((a, b) => a.atMs - b.atMs);
  const cues = inOrder.map(({ atMs, label }, index) => {
    const endMs = Math.max(inOrder[index + 1]?.atMs ?? atMs + lastCueMs, atMs + 1);
    // A cue's text must not hold an arrow or a blank line, and these three characters mean something in it.
    const text = label
      .replaceAll(/\s+/g, ' ')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;');
    return `${index + 1}\n${vttTime(atMs)} --> ${vttTime(endMs)}\n${text}\n`;
  });
  return ['WEBVTT\n', ...cues].join('\n');
};
