// The programs of others that tests work with and no npm package brings: PulseAudio, whose microphones a test can unplug, and
// ffprobe, which reads recordings. Only tests use them. Chromium, which the studio may need as well, is browser.mjs's.

import { installDebianPackages, isDebian } from './debian.mjs';
import { findOnPath } from './processes.mjs';
import { SetupError } from './steps.mjs';

/** Programs and the Debian packages that have them. */
const packageOf = { pulseaudio: 'pulseaudio', pactl: 'pulseaudio-utils', ffprobe: 'ffmpeg' };

/**
 * @param {{ report?: (text: string) => void, env?: Record<string, string | undefined>,
 *   install?: typeof installDebianPackages, debian?: boolean }} options
 * @returns {Promise<string[]>} names of the programs, all of which are on PATH now
 * @throws {SetupError}
 */
export async function ensureTestTools({
  report = () => {},
  env = process.env,
  install = installDebianPackages,
  debian = isDebian(env),
}) {
  const programs = Object.keys(packageOf);
  const missing = () => programs.filter((program) => findOnPath([program], env.PATH) === undefined);
  const before = missing();
  if (before.length > 0 && debian)
    await install(
      before.map((program) => packageOf[program]),
      report,
    );
  const still = missing();
  if (still.length > 0)
    throw new SetupError(
      `The tests need ${still.join(', ')}, not found on PATH.`,
      `Install PulseAudio and FFmpeg (on Debian: sudo apt-get install --no-install-recommends ${Object.values(packageOf).join(' ')}).`,
    );
  return programs;
}
