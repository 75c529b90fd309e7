// Compiles the mediasoup worker from the npm package's sources and the distribution's libraries, in a scratch folder.
// Deciding whether a build is needed, proving the result and caching it is scripts/setup/worker.mjs's job.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../setup/processes.mjs';
import {
  compilerFlags,
  compileUnits,
  debianPackages,
  flatcFlags,
  joinedText,
  linkerFlags,
  patched,
  patches,
  precompiledHeaders,
  shimsDir,
  workerSchemas,
  workerSources,
} from './recipe.mjs';

/** Debian packages of the recipe that are not installed; empty on systems without dpkg. */
export function missingDebianPackages() {
  const query = spawnSync('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n', ...debianPackages], {
    encoding: 'utf8',
  });
  if (query.error) return [];
  const installed = new Set(
    query.stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return debianPackages.filter((name) => !installed.has(name));
}

/**
 * Builds the worker.
 * @param {{ workerDir: string, buildDir: string, onProgress?: (line: string) => void }} options
 *   `workerDir` is the npm package's `worker` folder (only read); `buildDir` is scratch and may hold an earlier build.
 * @returns {Promise<string>} path of the binary
 * @throws {RecipeError} when the package's layout is not known; CommandError with the compiler's words
 */
export async function buildWorker({ workerDir, buildDir, onProgress = () => {} }) {
  const sources = workerSources(workerDir);
  const schemas = workerSchemas(workerDir);
  mkdirSync(join(buildDir, 'gen/FBS'), { recursive: true });
  mkdirSync(join(buildDir, 'units'), { recursive: true });

  await runCommand('flatc', [
    ...flatcFlags,
    '-o',
    join(buildDir, 'gen/FBS'),
    ...schemas.map((schema) => join(workerDir, schema)),
  ]);

  const replaced = new Map();
  for (const { file } of patches) {
    const path = join(buildDir, 'units', file.replaceAll('/', '-'));
    writeIfChanged(path, patched(file, readFileSync(join(workerDir, file), 'utf8')));
    replaced.set(file, path);
  }
  const units = compileUnits(sources).map(({ name, sources: members }) => {
    const paths = members.map((member) => replaced.get(member) ?? join(workerDir, member));
    if (paths.length === 1) return { name, path: paths[0] };
    const path = join(buildDir, 'units', `${name}.cpp`);
    writeIfChanged(path, joinedText(paths));
    return { name, path };
  });
  writeIfChanged(
    join(buildDir, 'precompiled.hpp'),
    precompiledHeaders.map((header) => `#include "${header}"\n`).join(''),
  );
  writeIfChanged(join(buildDir, 'build.ninja'), ninjaFile(workerDir, buildDir, units));

  await runCommand('ninja', ['-C', buildDir, '-j', String(Math.max(2, cpus().length)), 'mediasoup-worker'], {
    onLine: onProgress,
  });
  return join(buildDir, 'mediasoup-worker');
}

function ninjaFile(workerDir, buildDir, units) {
  const includes = [
    buildDir,
    join(buildDir, 'gen'),
    shimsDir,
    join(workerDir, 'include'),
    join(workerDir, 'deps/libwebrtc'),
    join(workerDir, 'deps/libwebrtc/libwebrtc'),
  ];
  const path = (text) => text.replaceAll('$', '$$').replaceAll(' ', '$ ').replaceAll(':', '$:');
  return [
    'ninja_required_version = 1.5',
    `flags = ${[...compilerFlags, ...includes.map((dir) => `-I'${dir}'`)].join(' ').replaceAll('$', '$$')}`,
    'rule precompile',
    '  command = g++ $flags -x c++-header -c $in -o $out',
    '  description = precompiled headers',
    'rule compile',
    '  command = g++ $flags -include precompiled.hpp -MMD -MF $out.d -c $in -o $out',
    '  depfile = $out.d',
    '  deps = gcc',
    '  description = $out',
    'rule link',
    `  command = g++ -O3 -s $in -o $out ${linkerFlags.join(' ')}`,
    '  description = link',
    'build precompiled.hpp.gch: precompile precompiled.hpp',
    ...units.map(
      ({ name, path: source }) => `build ${path(`${name}.o`)}: compile ${path(source)} | precompiled.hpp.gch`,
    ),
    `build mediasoup-worker: link ${units.map(({ name }) => path(`${name}.o`)).join(' ')}`,
    '',
  ].join('\n');
}

function writeIfChanged(path, text) {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  writeFileSync(path, text);
}
