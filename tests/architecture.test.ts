// Who may import whom (docs/architecture.md), read from the sources themselves. Also: a header in every file, no file too long,
// and a test for every rule of the protocol (SPEC.md).
import { globSync, readFileSync } from 'node:fs';
import { dirname, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const folders = ['electron', 'renderer', 'sfu-server', 'tests', 'scripts'];
const asPosix = (path: string) => path.split(sep).join(posix.sep);

type Import = { target: string; typeOnly: boolean };
type Source = { path: string; text: string; imports: Import[] };

// Static and dynamic imports, re-exports and worker URLs; type-only ones are marked.
const statement = /^\s*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+\s+from\s+)?'([^']+)'/gm;
const dynamic = /(?:import\(|new URL\()\s*'(\.[^']+|[a-z@][^']*)'/g;

const read = (path: string): Source => {
  const text = readFileSync(resolve(root, path), 'utf8');
  const local = (specifier: string) => {
    const clean = specifier.replace(/\?.*$/, '');
    return clean.startsWith('.') ? asPosix(relative(root, resolve(root, dirname(path), clean))) : clean;
  };
  const imports = [
    ...[...text.matchAll(statement)].map((match) => ({
      target: local(match[2] ?? ''),
      typeOnly: match[1] !== undefined,
    })),
    ...[...text.matchAll(dynamic)].map((match) => ({ target: local(match[1] ?? ''), typeOnly: false })),
  ];
  return { path, text, imports };
};

const sources: Source[] = folders
  .flatMap((folder) => globSync(`${folder}/**/*.{ts,tsx,mjs}`, { cwd: root }))
  .map(asPosix)
  .filter((path) => !path.endsWith('.d.ts') && !path.includes('node_modules'))
  .map(read);

/** Every import from `from` whose target `is` matches, as "file → target". */
const offenders = (
  from: (path: string) => boolean,
  bad: (target: string, typeOnly: boolean, path: string) => boolean,
) =>
  sources
    .filter(({ path }) => from(path))
    .flatMap(({ path, imports }) =>
      imports
        .filter(({ target, typeOnly }) => bad(target, typeOnly, path))
        .map(({ target }) => `${path} → ${target}`),
    );

const inside = (folder: string) => (path: string) => path.startsWith(`${folder}/`);
const isPackage = (target: string, name: string) => target === name || target.startsWith(`${name}/`);
const pages = ['studio', 'cohost', 'viewer', 'shop', 'crew', 'debug'];

describe('architecture', () => {
  it('reads the sources it speaks about', () => {
    expect(sources.length).toBeGreaterThan(30);
    expect(
      offenders(inside('sfu-server'), (target) => target === 'sfu-server/protocol/channel.ts').length,
    ).toBeGreaterThan(3);
  });

  it('protocol imports only its schema library and itself', () => {
    const allowed = (target: string) => target === 'zod/mini' || inside('sfu-server/protocol')(target);
    expect(
      offenders(inside('sfu-server/protocol'), (target, typeOnly) => !typeOnly && !allowed(target)),
    ).toEqual([]);
  });

  it('renderer knows of the server only its protocol, and of Electron only the desktop contract, as types, in the studio', () => {
    expect(
      offenders(
        inside('renderer'),
        (target) => inside('sfu-server')(target) && !inside('sfu-server/protocol')(target),
      ),
    ).toEqual([]);
    expect(
      offenders(
        inside('renderer'),
        (target, typeOnly, path) =>
          (inside('electron')(target) || isPackage(target, 'electron')) &&
          !(typeOnly && target === 'electron/desktop-api.ts' && inside('renderer/studio')(path)),
      ),
    ).toEqual([]);
    expect(
      offenders(
        (path) => inside('renderer')(path) && path !== 'renderer/vite.config.ts',
        (target) => target.startsWith('node:'),
      ),
    ).toEqual([]);
  });

  it('in the renderer: page → ui → session → protocol, and pages never import each other', () => {
    for (const page of pages) {
      const others = pages.filter((other) => other !== page);
      expect(
        offenders(inside(`renderer/${page}`), (target) =>
          others.some((other) => inside(`renderer/${other}`)(target)),
        ),
      ).toEqual([]);
    }
    expect(
      offenders(inside('renderer/ui'), (target) => pages.some((page) => inside(`renderer/${page}`)(target))),
    ).toEqual([]);
    // The checkout is what two pages share: it stands between them and ui, and knows no framework.
    expect(
      offenders(
        inside('renderer/checkout'),
        (target) =>
          pages.some((page) => inside(`renderer/${page}`)(target)) ||
          isPackage(target, 'react') ||
          isPackage(target, 'react-dom') ||
          target.endsWith('.tsx'),
      ),
    ).toEqual([]);
    expect(
      offenders(
        (path) => inside('renderer/ui')(path) || inside('renderer/session')(path),
        (target) => inside('renderer/checkout')(target),
      ),
    ).toEqual([]);
    expect(
      offenders(
        inside('renderer/session'),
        (target) =>
          (inside('renderer')(target) && !inside('renderer/session')(target)) ||
          isPackage(target, 'react') ||
          isPackage(target, 'react-dom'),
      ),
    ).toEqual([]);
    expect(
      offenders(
        (path) => inside('renderer')(path) && !inside('renderer/session')(path),
        (target) => isPackage(target, 'mediasoup-client'),
      ),
    ).toEqual([]);
  });

  it('only media nodes run mediasoup, and the rest of the server reaches them through node-api', () => {
    const outsideMedia = (path: string) => inside('sfu-server')(path) && !inside('sfu-server/media')(path);
    expect(
      offenders(outsideMedia, (target, typeOnly) => !typeOnly && isPackage(target, 'mediasoup')),
    ).toEqual([]);
    expect(
      offenders(
        outsideMedia,
        (target, _typeOnly, path) =>
          inside('sfu-server/media')(target) &&
          target !== 'sfu-server/media/node-api.ts' &&
          // main.ts names the thread's entry; it never runs it in its own thread.
          !(path === 'sfu-server/main.ts' && target === 'sfu-server/media/node.ts'),
      ),
    ).toEqual([]);
    expect(
      offenders(
        inside('sfu-server/media'),
        (target, typeOnly) =>
          !typeOnly &&
          inside('sfu-server')(target) &&
          !inside('sfu-server/media')(target) &&
          !inside('sfu-server/protocol')(target) &&
          target !== 'sfu-server/clock.ts',
      ),
    ).toEqual([]);
    const forbiddenInNode = new Set(['node:sqlite', 'node:http', 'fastify']);
    expect(offenders(inside('sfu-server/media'), (target) => forbiddenInNode.has(target))).toEqual([]);
  });

  it('in the server: main → http, participant → show → shop, chat → access, store; nothing points back up', () => {
    const order = [
      'sfu-server/store/',
      'sfu-server/access/',
      'sfu-server/shop/',
      'sfu-server/chat/',
      'sfu-server/show/placement.ts',
      'sfu-server/show/show.ts',
      'sfu-server/show/shows.ts',
      'sfu-server/show/participant.ts',
      'sfu-server/main.ts',
    ];
    const rank = (path: string) => order.findIndex((prefix) => path.startsWith(prefix));
    expect(
      offenders(
        inside('sfu-server'),
        (target, _typeOnly, path) => rank(path) >= 0 && rank(target) > rank(path),
      ),
    ).toEqual([]);
    expect(offenders(inside('sfu-server/chat'), (target) => inside('sfu-server/shop')(target))).toEqual([]);
    expect(offenders(inside('sfu-server'), (target) => isPackage(target, 'electron'))).toEqual([]);
  });

  it('electron knows of the server its protocol, its path and its ready message only', () => {
    expect(
      offenders(
        inside('electron'),
        (target) =>
          (inside('sfu-server')(target) && !inside('sfu-server/protocol')(target)) ||
          inside('renderer')(target),
      ).filter(
        // The build configuration names the entries it bundles.
        (line) => !/^electron\/vite\.[\w.]+ /.test(line),
      ),
    ).toEqual([]);
  });

  it('every file says at its top what its job is, has a telling name and stays readable', () => {
    const product = sources.filter(({ path }) => !inside('tests')(path));
    const headless = sources
      .filter(({ text }) => !/^(#!.*\n)?\s*(\/\/|\/\*)/.test(text))
      .map(({ path }) => path);
    expect(headless).toEqual([]);
    const vague = product.filter(({ path }) =>
      /(^|\/)(utils?|helpers?|managers?|services?|misc|common)\b/i.test(path),
    );
    expect(vague.map(({ path }) => path)).toEqual([]);
    const long = sources
      .map(({ path, text }) => [path, text.split('\n').length] as const)
      .filter(([, lines]) => lines > 700);
    expect(long).toEqual([]);
  });

  it('every rule of SPEC.md has a test whose title begins with its id, and no title names a rule that is not there', () => {
    const spec = readFileSync(resolve(root, 'sfu-server/protocol/SPEC.md'), 'utf8');
    const rules = [...spec.matchAll(/^- \*\*([A-Z]+\d+)\*\*/gm)].map((match) => match[1] ?? '');
    expect(rules.length).toBeGreaterThan(100);
    expect(rules.filter((rule, index) => rules.indexOf(rule) !== index)).toEqual([]);
    // A title is the first thing a call is given; those of a group count for its tests.
    const tested = sources
      .filter(({ path }) => path.endsWith('.test.ts'))
      .flatMap(({ text }) => [...text.matchAll(/\(\s*['"`]((?:\[[A-Z]+\d+\] )+)/g)])
      .flatMap((match) => match[1]?.match(/[A-Z]+\d+/g) ?? []);
    expect(rules.filter((rule) => !tested.includes(rule))).toEqual([]);
    expect([...new Set(tested)].filter((rule) => !rules.includes(rule))).toEqual([]);
  });
});
