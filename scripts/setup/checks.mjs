// The two checks: `test` runs vitest and ends with "N passed, N failed"; `check:fast` runs everything that needs no
// media (types of each runtime, lint, format, architecture) side by side.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binOf, runCommand, runForeground } from './processes.mjs';

/**
 * Runs the tests; the last line printed is the count.
 * @param {string} root
 * @param {string[]} args passed on to vitest
 * @returns {Promise<number>} exit code
 */
export async function runTests(root, args) {
  const dir = mkdtempSync(join(tmpdir(), 'live-drop-tests-'));
  const report = join(dir, 'report.json');
  try {
    const reporting = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const config = ['--config', join('tests', 'vitest.config.ts')];
    const code = await runForeground(
      process.execPath,
      [binOf(root, 'vitest'), 'run', ...config, ...reporting, ...args],
      { cwd: root },
    );
    const count = countTests(readReport(report), code);
    if (count.why !== undefined) console.log(count.why);
    console.log(`${count.passed} passed, ${count.failed} failed`);
    return count.failed === 0 ? 0 : code || 1;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/**
 * Counts a vitest JSON report. A file that could not be loaded, a run that ended badly without a failed test and a run
 * without any test each count as a failure: none of them may look like success.
 * @param {unknown} report
 * @param {number} exitCode vitest's
 * @returns {{ passed: number, failed: number, why?: string }}
 */
export function countTests(report, exitCode) {
  if (report === undefined)
    return { passed: 0, failed: 1, why: `vitest ended with code ${exitCode} and left no report` };
  const passed = report.numPassedTests;
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  const failed = report.numFailedTests + unloaded.length;
  if (failed > 0) return { passed, failed };
  if (passed === 0) return { passed, failed: 1, why: 'no test ran' };
  if (exitCode !== 0)
    return {
      passed,
      failed: 1,
      why: `every test passed, but vitest ended with code ${exitCode}: see the errors above`,
    };
  return { passed, failed: 0 };
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // No report is a result in itself: vitest did not get that far.
    return undefined;
  }
}

/** The parts of `check:fast`: name, package, its command and arguments. */
function fastChecks(root) {
  const types = ['sfu-server/protocol', 'sfu-server', 'renderer', 'electron', 'tests'].map((dir) => ({
    name: `types ${dir}`,
    args: [
      binOf(root, 'typescript', 'tsc'),
      '-p',
      join(dir, 'tsconfig.json'),
      // Five of them run side by side: what more checkers gain in time each, they lose in work done twice.
      '--checkers',
      '1',
      // What has not changed since the last check is not checked again; new packages begin anew.
      '--incremental',
      '--tsBuildInfoFile',
      join('node_modules', '.cache', 'types', `${dir.replaceAll('/', '-')}.tsbuildinfo`),
    ],
  }));
  return [
    ...types,
    { name: 'lint', args: [binOf(root, 'oxlint'), '--type-aware', '--quiet'] },
    { name: 'format', args: [binOf(root, 'oxfmt'), '--check', '.'] },
    {
      name: 'architecture',
      args: [
        binOf(root, 'vitest'),
        'run',
        '--config',
        'tests/vitest.config.ts',
        'tests/architecture.test.ts',
      ],
    },
  ];
}

/**
 * Runs the fast checks side by side; prints each result, and the output of those that failed.
 * @returns {Promise<number>} exit code
 */
export async function runFastChecks(root, checks = fastChecks(root)) {
  const startedAt = performance.now();
  const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  const failures = [];
  await Promise.all(
    checks.map(async ({ name, args }) => {
      try {
        await runCommand(process.execPath, args, { cwd: root });
        console.log(`✓ ${name.padEnd(26)} ${seconds()}`);
      } catch (error) {
        console.log(`✗ ${name.padEnd(26)} ${seconds()}`);
        failures.push({ name, output: error.output ?? error.message });
      }
    }),
  );
  for (const { name, output } of failures) console.log(`\n── ${name} ──\n${output}`);
  console.log(
    failures.length === 0
      ? `All ${checks.length} checks passed.`
      : `${failures.length} of ${checks.length} checks failed.`,
  );
  return failures.length === 0 ? 0 : 1;
}
