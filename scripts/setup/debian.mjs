// Installs what Debian has packages for, where that is allowed; elsewhere says the command.
// What is needed, and what it is needed for, is the caller's to know.

import { existsSync } from 'node:fs';
import { findOnPath, runCommand } from './processes.mjs';
import { SetupError } from './steps.mjs';

/** Whether this system installs Debian packages. */
export function isDebian(env = process.env) {
  return existsSync('/etc/debian_version') && findOnPath(['apt-get'], env.PATH) !== undefined;
}

/** The package lists are read once in a run: several steps may have something to install. */
let listsRead = false;

/**
 * Installs what is missing when that is allowed, else says the command.
 * @param {string[]} missing names of packages
 * @param {(text: string) => void} report
 * @throws {SetupError}
 */
export async function installDebianPackages(missing, report, { isRoot = process.getuid?.() === 0 } = {}) {
  if (missing.length === 0) return;
  if (!isRoot || findOnPath(['apt-get']) === undefined)
    throw new SetupError(
      `Debian packages are missing: ${missing.join(', ')}.`,
      `Run: sudo apt-get install -y --no-install-recommends ${missing.join(' ')}`,
    );
  report(`installing Debian packages: ${missing.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Nothing that somebody uses on this system may go for it.
  const install = ['install', '-y', '-q', '--no-install-recommends', '--no-remove', ...missing];
  try {
    if (!listsRead) await runCommand('apt-get', ['update', '-q'], { env });
    listsRead = true;
    await runCommand('apt-get', install, { env });
  } catch (error) {
    throw new SetupError(
      `apt-get could not install ${missing.join(', ')}. ${error.message}`,
      'Mend the package sources of this system (apt-get update must work), then start again.',
      { cause: error },
    );
  }
}
