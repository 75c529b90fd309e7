// The rehearsal's report: exactly these keys in its file, and each of them a line of its table.
import { expect, test } from 'vitest';
import { rehearsalReport, reportLines, type RehearsalReport } from '../../scripts/rehearsal/report.ts';

const report: RehearsalReport = {
  glassToGlassMs: { median: 61, p95: 98 },
  joinMs: { median: 640, max: 910 },
  switchGapMs: { max: 84 },
  killGapMs: 233,
  returnMs: 1_120,
  avOffsetMs: -12,
  qrDecoded: 'http://127.0.0.1:4400/shop/a/b',
  stockLagMs: 140,
  viewers: 3,
  framesDroppedPct: 0.4,
  machineLoad: 0.71,
};

test('the file holds every key and no other, on every level', () => {
  expect(rehearsalReport.parse(report)).toEqual(report);
  for (const key of Object.keys(report)) {
    const without = Object.fromEntries(Object.entries(report).filter(([each]) => each !== key));
    expect([key, rehearsalReport.safeParse(without).success]).toEqual([key, false]);
  }
  expect(rehearsalReport.safeParse({ ...report, mood: 'good' }).success).toBe(false);
  expect(rehearsalReport.safeParse({ ...report, joinMs: { ...report.joinMs, min: 1 } }).success).toBe(false);
  // A measurement that saw nothing is no figure.
  expect(rehearsalReport.safeParse({ ...report, killGapMs: Number.NaN }).success).toBe(false);
});

test('the table has a line for each of them under its name, and marks the goals that were missed', () => {
  const leaves = Object.entries(report).flatMap(([key, value]) =>
    typeof value === 'object' ? Object.keys(value).map((part) => `${key}.${part}`) : [key],
  );
  const lines = reportLines(report);
  expect(lines.map(({ name }) => name)).toEqual(leaves);
  const missed = (change: Partial<RehearsalReport>) =>
    reportLines({ ...report, ...change }).flatMap(({ name, met }) => (met === false ? [name] : []));
  expect(missed({})).toEqual([]);
  expect(missed({ killGapMs: 401, avOffsetMs: -61, qrDecoded: 'nothing' })).toEqual([
    'killGapMs',
    'avOffsetMs',
    'qrDecoded',
  ]);
  expect(missed({ glassToGlassMs: { median: 60, p95: 151 }, switchGapMs: { max: 151 } })).toEqual([
    'glassToGlassMs.p95',
    'switchGapMs.max',
  ]);
});
