// What the mediasoup worker is made of: sources, flags, patches and compile units, read from the npm package's own
// Meson files. Pure: it reads files and returns plans. Running compilers is build.mjs's job.
//
// A new mediasoup version either fits this reading of its build files or fails here, with a sentence that says what
// changed, rather than as a link error or, worse, as a worker without congestion control.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** Folder with the headers that stand in for libraries the distribution lacks. */
export const shimsDir = join(here, 'shims');

/** Debian and Ubuntu packages the local build and its proof need. */
export const debianPackages = [
  'g++',
  'ninja-build',
  'libssl-dev',
  'libuv1-dev',
  'libsrtp2-dev',
  'libabsl-dev',
  'libflatbuffers-dev',
  'flatbuffers-compiler',
  'openssl',
];

/** Subprojects of the worker's meson.build and where this recipe takes each from. */
const knownSubprojects = new Map([
  ['libuv', 'libuv1-dev'],
  ['openssl', 'libssl-dev'],
  ['libsrtp3', 'shims/srtp.h over libsrtp2-dev'],
  ['flatbuffers', 'libflatbuffers-dev'],
  ['abseil-cpp', 'libabsl-dev'],
  ['wingetopt', 'Windows only'],
  ['catch2', 'tests only'],
]);

export const compilerFlags = [
  '-std=c++20',
  '-O3',
  '-DNDEBUG',
  '-DMS_LITTLE_ENDIAN',
  '-DMS_EXECUTABLE',
  '-DFLATBUFFERS_LOCALE_INDEPENDENT=1',
  '-w',
];

export const flatcFlags = [
  '--cpp',
  '--cpp-field-case-style',
  'lower',
  '--reflect-names',
  '--scoped-enums',
  '--filename-suffix',
  '',
];

export const linkerFlags = [
  '-lsrtp2',
  '-lssl',
  '-lcrypto',
  '-luv',
  '-labsl_strings',
  '-labsl_throw_delegate',
  '-labsl_bad_optional_access',
  '-lpthread',
  '-ldl',
];

/** Precompiled once: the headers most units read, largest first to parse. */
export const precompiledHeaders = [
  'common.hpp',
  'FBS/message.h',
  'FBS/notification.h',
  'FBS/request.h',
  'FBS/response.h',
  'Logger.hpp',
  'Utils.hpp',
  'MediaSoupErrors.hpp',
];

/**
 * Edits to the worker's sources. Each must match exactly once.
 *
 * DtlsTransport.cpp: OpenSSL calls a BIO callback a second time with `BIO_CB_RETURN | BIO_CB_WRITE`, and what the
 * callback returns then becomes BIO_write()'s result. Compared for equality, the flag is never seen, BIO_write()
 * reports 1 byte written, and OpenSSL aborts in the first DTLS handshake (BIO_set_callback_ex(3)).
 */
export const patches = [
  {
    file: 'src/RTC/DtlsTransport.cpp',
    from: '(operationType == BIO_CB_RETURN)',
    to: '((operationType & BIO_CB_RETURN) != 0)',
  },
];

/** Sources whose file-level names clash with their neighbours' when joined. */
const loners =
  /\/(TransmissionControlBlock|trendline_estimator|Feedback|RtxStream|LossBasedController|TargetRateController)\.(cpp|cc)$/;
/** Folders whose sources may share a compile unit. */
const joinable = [
  /^src\/RTC\/SCTP\//,
  /^src\/RTC\/RTCP\//,
  /^src\/RTC\/RTP\//,
  /^src\/RTC\/BWE\//,
  /^src\/RTC\/(ICE|NEW_RTCP|RtpDictionaries|SctpDictionaries)\//,
  /^src\/(Channel|Utils)\//,
  /^deps\/libwebrtc\//,
];
const sourcesPerUnit = 10;

/** Raised when the mediasoup package is not laid out as this recipe expects. */
export class RecipeError extends Error {
  constructor(message) {
    super(
      `${message} The worker recipe (scripts/worker/recipe.mjs) does not know this mediasoup version: update it, or set MEDIASOUP_WORKER_BIN to a worker you trust.`,
    );
    this.name = 'RecipeError';
  }
}

/**
 * The sources of the worker program, relative to `workerDir`, in Meson's order.
 * @param {string} workerDir the npm package's `worker` folder
 * @returns {string[]}
 * @throws {RecipeError} when the Meson files have a shape this reading does not cover
 */
export function workerSources(workerDir) {
  const meson = readText(workerDir, 'meson.build');
  checkSubprojects(meson);
  checkOptions(readText(workerDir, 'meson_options.txt'));
  const sources = mesonList(meson, 'common_sources', 'meson.build');
  if (!/executable\(\s*'mediasoup-worker',[^)]*sources: common_sources \+ \['src\/main\.cpp'\]/.test(meson))
    throw new RecipeError(
      "meson.build no longer makes 'mediasoup-worker' from common_sources and src/main.cpp.",
    );
  sources.push('src/main.cpp');

  const libwebrtcDir = 'deps/libwebrtc';
  if (!meson.includes(`subdir('${libwebrtcDir}')`))
    throw new RecipeError(`meson.build no longer builds ${libwebrtcDir}.`);
  const libwebrtc = mesonList(
    readText(workerDir, `${libwebrtcDir}/meson.build`),
    'libwebrtc_sources',
    `${libwebrtcDir}/meson.build`,
  );
  for (const source of libwebrtc) sources.push(`${libwebrtcDir}/${source}`);

  const missing = sources.filter((source) => !existsSync(join(workerDir, source)));
  if (missing.length > 0)
    throw new RecipeError(
      `meson.build lists sources that are not in the package: ${missing.slice(0, 3).join(', ')}.`,
    );
  return sources;
}

/**
 * The flatbuffers schemas, relative to `workerDir`.
 * @throws {RecipeError} when the generator's flags changed
 */
export function workerSchemas(workerDir) {
  const schemas = mesonList(readText(workerDir, 'fbs/meson.build'), 'flatbuffers_schemas', 'fbs/meson.build');
  const generator = readText(workerDir, 'fbs/FBS/meson.build');
  const command = /command\s*:\s*\[\s*flatc,([^\]]*)\]/.exec(generator)?.[1] ?? '';
  const flags = [...command.matchAll(/'([^']*)'/g)].map((match) => match[1]);
  const expected = [...flatcFlags, '-o', '@OUTDIR@', '@INPUT@'];
  if (flags.join('\n') !== expected.join('\n'))
    throw new RecipeError(`fbs/FBS/meson.build calls flatc with other flags: ${flags.join(' ')}.`);
  return schemas.map((schema) => `fbs/${schema}`);
}

/**
 * Compile units: most sources alone, the many small ones joined. Largest sources first, so that two cores finish
 * together.
 * @param {string[]} sources
 * @returns {{ name: string, sources: string[] }[]}
 */
export function compileUnits(sources) {
  const units = [];
  const groups = joinable.map(() => []);
  for (const source of sources) {
    const group = loners.test(source) ? -1 : joinable.findIndex((pattern) => pattern.test(source));
    if (group >= 0) groups[group].push(source);
    else units.push({ name: unitName(source), sources: [source] });
  }
  for (const [group, members] of groups.entries())
    for (let start = 0; start < members.length; start += sourcesPerUnit)
      units.unshift({
        name: `joined-${group}-${start / sourcesPerUnit}`,
        sources: members.slice(start, start + sourcesPerUnit),
      });
  return units;
}

/**
 * Applies the patches of one file.
 * @throws {RecipeError} when a patch does not match exactly once
 */
export function patched(file, text) {
  let result = text;
  for (const patch of patches) {
    if (patch.file !== file) continue;
    const pieces = result.split(patch.from);
    if (pieces.length !== 2)
      throw new RecipeError(
        `${file} has ${pieces.length - 1} places that read "${patch.from}"; exactly one was expected.`,
      );
    result = pieces.join(patch.to);
  }
  return result;
}

/** The text of a unit that joins several sources. Each source names its own logging class. */
export function joinedText(paths) {
  return paths.map((path) => `#include "${path}"\n#undef MS_CLASS\n`).join('');
}

/** Version of the mediasoup package a `worker` folder belongs to. */
export function packageVersion(workerDir) {
  return JSON.parse(readFileSync(join(workerDir, '..', 'package.json'), 'utf8')).version;
}

/**
 * A short hash of everything here that shapes the binary: this file, its shims, and the CPU architecture. The
 * package's own sources are covered by its version.
 */
export function recipeHash() {
  const hash = createHash('sha256').update(process.arch);
  for (const path of [fileURLToPath(import.meta.url), ...shimHeaders()])
    hash.update(relative(here, path)).update('\0').update(readFileSync(path)).update('\0');
  return hash.digest('hex').slice(0, 12);
}

function readText(workerDir, file) {
  try {
    return readFileSync(join(workerDir, file), 'utf8');
  } catch (error) {
    throw new RecipeError(
      `${file} cannot be read in the package's worker folder (${error.code ?? error.message}).`,
    );
  }
}

/** All `name = [...]` and `name += [...]`, each of them known to be part of the default build. */
function mesonList(text, name, file) {
  const entries = [];
  const conditions = [];
  let assigned = false;
  let open = false;
  for (const line of text.split('\n')) {
    const code = line.replace(/#.*$/, '').trim();
    if (!open) {
      if (/^if\b/.test(code)) conditions.push(code);
      else if (/^(elif|else)\b/.test(code)) conditions.splice(-1, 1, code);
      else if (code === 'endif') conditions.pop();
      const start = new RegExp(`^${name}\\s*(\\+?=)\\s*\\[`).exec(code);
      if (!start) continue;
      const unknown = conditions.find((condition) => condition !== "if not get_option('ms_use_builtin_bwe')");
      if (unknown !== undefined) throw new RecipeError(`${file} now extends ${name} under "${unknown}".`);
      assigned ||= start[1] === '=';
      open = true;
    }
    for (const match of code.matchAll(/'([^']*)'/g)) entries.push(match[1]);
    if (code.includes(']')) open = false;
  }
  if (!assigned || entries.length === 0) throw new RecipeError(`${file} has no list named ${name}.`);
  return entries;
}

function checkSubprojects(meson) {
  for (const match of meson.matchAll(/(?:subproject|dependency)\(\s*'([^']+)'/g)) {
    const name = match[1];
    if (name !== 'unordered_dense' && !knownSubprojects.has(name))
      throw new RecipeError(`meson.build needs a library this recipe has no source for: ${name}.`);
  }
}

function checkOptions(options) {
  for (const match of options.matchAll(/option\('(\w+)', type: '\w+', value: (\w+)/g))
    if (match[2] !== 'false') throw new RecipeError(`meson_options.txt turns ${match[1]} on by default.`);
}

function unitName(source) {
  return `${dirname(source).replaceAll('/', '-')}-${basename(source).replace(/\.\w+$/, '')}`;
}

function shimHeaders() {
  const names = readdirSync(shimsDir, { recursive: true }).filter((name) => name.endsWith('.h'));
  return names.toSorted((a, b) => a.localeCompare(b)).map((name) => join(shimsDir, name));
}
