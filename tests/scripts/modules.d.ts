// Types of the plain JavaScript set-up modules, as far as the tests beside this file use them.
// The modules are JavaScript because they run before TypeScript can; with `allowJs` this file is not needed.

declare module '*/scripts/worker/recipe.mjs' {
  export function workerSources(workerDir: string): string[];
  export function workerSchemas(workerDir: string): string[];
  export function compileUnits(sources: string[]): { name: string; sources: string[] }[];
  export function patched(file: string, text: string): string;
  export function recipeHash(): string;
  export class RecipeError extends Error {}
}

declare module '*/scripts/worker/srtp.mjs' {
  export type Profile = { keyLength: number; saltLength: number; tagLength: number; aead: boolean };
  export type Master = { key: Buffer; salt: Buffer };
  export const srtpProfiles: Record<string, Profile>;
  export function deriveKey(master: Master, label: number, length: number): Buffer;
  export function createSrtpContext(
    profile: Profile,
    master: Master,
  ): Record<'protectRtp' | 'unprotectRtp' | 'protectRtcp' | 'unprotectRtcp', (packet: Buffer) => Buffer>;
}

declare module '*/scripts/worker/prove.mjs' {
  export function proveWorker(
    workerBin: string,
    options?: { timeoutMs?: number },
  ): Promise<{ profile: string; packetsBack: number; ms: number }[]>;
}

declare module '*/scripts/setup/steps.mjs' {
  export class SetupError extends Error {
    constructor(why: string, todo: string, options?: ErrorOptions);
    readonly todo: string;
  }
  export function step<T>(
    name: string,
    work: (report: (text: string) => void) => T | Promise<T>,
    options?: { describe?: (result: T) => string; write?: (text: string) => void },
  ): Promise<T>;
  export function explain(error: unknown): string;
  export function failureNote(
    path: string,
    lifetimeMs: number,
    now?: () => number,
  ): { read(): string | undefined; write(why: string): void; forget(): void };
}

declare module '*/scripts/setup/tree.mjs' {
  type Npm = (args: string[], where: { cwd: string; node: string }) => Promise<void>;
  type Report = (text: string) => void;
  export function ensureNode(
    root: string,
    report: Report,
    options?: { version?: string; npm?: Npm },
  ): Promise<string>;
  /** Without `npm` the real one runs: the script that `npm_execpath` names. */
  export function ensurePackages(root: string, report: Report, npm?: Npm): Promise<boolean>;
  export function ensurePages(root: string, report: Report): Promise<boolean>;
  /** Builds `dist/server.mjs` when its sources changed. */
  export function ensureServer(root: string, report: (text: string) => void): Promise<boolean>;
  /** Builds `dist/lab` when its sources changed. */
  export function ensureLab(root: string, report: (text: string) => void): Promise<boolean>;
  export function packagesStamp(root: string, major?: number): string;
}

declare module '*/scripts/setup/worker.mjs' {
  type Download = (options: { version: string; dir: string }) => Promise<string>;
  type Build = (options: { workerDir: string; dir: string }) => Promise<string>;
  export function ensureWorker(options: {
    root: string;
    cache: string;
    env: Record<string, string | undefined>;
    download?: Download;
    build?: Build;
  }): Promise<{ path: string; from: 'given' | 'cache' | 'download' | 'build' }>;
  export function buildLocally(options: {
    workerDir: string;
    dir: string;
    report: (text: string) => void;
    missing: () => Promise<string[]>;
    compile: () => Promise<string>;
    prove: (path: string) => Promise<void>;
  }): Promise<string>;
  export function cachedWorkerPath(cache: string, version: string): string;
  export function downloadWorker(options: {
    version: string;
    dir: string;
    env: Record<string, string | undefined>;
    timeoutMs?: number;
  }): Promise<string>;
}

declare module '*/scripts/setup/debian.mjs' {
  export function installDebianPackages(
    missing: string[],
    report: (text: string) => void,
    options: { isRoot: boolean },
  ): Promise<void>;
}

declare module '*/scripts/setup/test-tools.mjs' {
  export function ensureTestTools(options: {
    env: Record<string, string | undefined>;
    install: (packages: string[]) => Promise<void>;
    debian: boolean;
  }): Promise<string[]>;
}

declare module '*/scripts/setup/browser.mjs' {
  export function ensureChromium(options: {
    root: string;
    env: Record<string, string | undefined>;
    install: (packages: string[]) => Promise<void>;
    playwrightPath: () => string | undefined;
  }): Promise<string>;
  export function ensureElectron(options: {
    root: string;
    cache: string;
    retry?: boolean;
    reachable: () => Promise<void>;
    download: (root: string) => Promise<void>;
  }): Promise<{ installed: true } | { installed: false; why: string }>;
}

declare module '*/scripts/setup/checks.mjs' {
  export function countTests(
    report: unknown,
    exitCode: number,
  ): { passed: number; failed: number; why?: string };
}

declare module '*/scripts/setup/start.mjs' {
  import type { ChildProcess } from 'node:child_process';
  export function readyLine(server: ChildProcess, options?: { limitMs?: number }): Promise<unknown>;
  export function startAppWindow(options: {
    root: string;
    chromium: string;
    args: string[];
  }): Promise<number>;
  export function startRemoteWindow(options: {
    chromium: string;
    server: string;
    keyFile: string | undefined;
    profileDir: string;
  }): Promise<number>;
  export function startServerAlone(options: { root: string; args: string[] }): Promise<number>;
  export function keepServer(
    start: (args: string[]) => ChildProcess,
    limits?: { firstDelayMs?: number; lastDelayMs?: number; settledAfterMs?: number },
  ): { ready: Promise<unknown>; stop(): Promise<void> };
  export function joinSwitches(args: readonly string[]): string[];
  export function hasDisplay(env: Record<string, string | undefined>, platform: string): boolean;
}
