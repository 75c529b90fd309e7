// What a rehearsal reports: the keys of its JSON file, each of them a line of the table on the terminal, and the goals.
// Not its job: measuring (rehearse.ts, screens.ts).
import * as z from 'zod';
import type { Line } from './lines.ts';

const ms = z.number();

/** All times in ms. Nothing else goes into the file: whoever compares two runs finds the same keys in both. */
export const rehearsalReport = z.strictObject({
  /** Camera to screen, over all viewers and frames of the steady show, without sound. */
  glassToGlassMs: z.strictObject({ median: ms, p95: ms }),
  /** Navigation to the first decoded frame. */
  joinMs: z.strictObject({ median: ms, max: ms }),
  /** Longest gap between two frames on a viewer's screen over three planned switches. */
  switchGapMs: z.strictObject({ max: ms }),
  /** Studio page killed: last live frame to first standby frame on screen. */
  killGapMs: ms,
  /** The director's "Resume the show" to the live picture on every screen. */
  returnMs: ms,
  /** Flash against beep at the viewer; positive: the sound is late. */
  avOffsetMs: z.number(),
  /** The text read from a viewer's picture. */
  qrDecoded: z.string(),
  /** A sale to the new number on every card and in every picture, one of which waits for its sound: the middle of five sales. */
  stockLagMs: ms,
  viewers: z.int(),
  framesDroppedPct: z.number().min(0).max(100),
  /** Share of all processors' time that was busy, 0-1. */
  machineLoad: z.number().min(0).max(1),
});
export type RehearsalReport = z.infer<typeof rehearsalReport>;

/** The table: a line for each key of the report, under the key's name. */
export const reportLines = (report: RehearsalReport): Line[] => {
  const time = (name: string, value: number, note: string): Line => ({ name, value: `${value} ms`, note });
  const atMost = (name: string, value: number, mostMs: number, what: string): Line => ({
    ...time(name, value, `≤ ${mostMs} ms · ${what}`),
    met: value <= mostMs,
  });
  const { glassToGlassMs, joinMs, switchGapMs, avOffsetMs, qrDecoded } = report;
  return [
    time('glassToGlassMs.median', glassToGlassMs.median, 'camera to screen'),
    atMost('glassToGlassMs.p95', glassToGlassMs.p95, 150, 'camera to screen'),
    time('joinMs.median', joinMs.median, 'page opened → first picture'),
    time('joinMs.max', joinMs.max, 'page opened → first picture'),
    atMost('switchGapMs.max', switchGapMs.max, 150, 'longest gap of three planned switches'),
    atMost('killGapMs', report.killGapMs, 400, 'studio killed → standby on screen'),
    time('returnMs', report.returnMs, 'studio resumed → live on screen'),
    {
      ...time('avOffsetMs', avOffsetMs, '± 60 ms · sound behind picture'),
      met: Math.abs(avOffsetMs) <= 60,
    },
    { name: 'qrDecoded', value: qrDecoded, note: 'read from the picture', met: qrDecoded.includes('/shop/') },
    atMost('stockLagMs', report.stockLagMs, 200, 'sale → card and picture'),
    { name: 'viewers', value: String(report.viewers) },
    { name: 'framesDroppedPct', value: `${report.framesDroppedPct} %` },
    { name: 'machineLoad', value: `${Math.round(report.machineLoad * 100)} %` },
  ];
};
