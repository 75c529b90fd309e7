// What a run has measured, as a table on the terminal: a line each, with a mark where there was a goal.
// Not its job: measuring, or whether a missed goal fails the run.

/** `met` undefined: there was no goal. */
export type Line = { name: string; value: string; note?: string; met?: boolean };

export const printLines = (lines: readonly Line[]): void => {
  const width = (of: (line: Line) => string) => Math.max(...lines.map((line) => of(line).length));
  const [names, values] = [width(({ name }) => name), width(({ value }) => value)];
  console.log();
  for (const { name, value, note = '', met } of lines) {
    const mark = met === undefined ? ' ' : met ? '✓' : '✗';
    console.log(`${mark} ${name.padEnd(names)}  ${value.padEnd(values)}  ${note}`.trimEnd());
  }
};
