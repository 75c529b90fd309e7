// How set-up speaks: one line for each step with its duration, and for a failed step what failed, why and what to do.
// Also the user's cache folder and the notes kept there. No step's own knowledge is here.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** A failure the person at the keyboard can act on. */
export class SetupError extends Error {
  /**
   * @param {string} why one sentence, or a sentence and a program's last words
   * @param {string} todo one sentence that says what to do
   */
  constructor(why, todo, options) {
    super(why, options);
    this.name = 'SetupError';
    this.todo = todo;
  }
}

/**
 * Runs and prints one step.
 * @template T
 * @param {string} name
 * @param {(report: (text: string) => void) => Promise<T> | T} work `report` announces slow work before it starts
 * @param {{ describe?: (result: T) => string, write?: (text: string) => void }} [options]
 * @returns {Promise<T>}
 * @throws what `work` throws, with the step's name in `step`
 */
export async function step(
  name,
  work,
  { describe = () => '', write = (text) => process.stdout.write(text) } = {},
) {
  const startedAt = performance.now();
  const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  try {
    const result = await work((text) => write(`  ${name}: ${text}\n`));
    write(`✓ ${name.padEnd(10)} ${seconds().padStart(7)}  ${describe(result)}`.trimEnd() + '\n');
    return result;
  } catch (error) {
    write(`✗ ${name.padEnd(10)} ${seconds().padStart(7)}\n`);
    if (error instanceof Error) error.step = name;
    throw error;
  }
}

/** The words for a failed run: step, reason, remedy. */
export function explain(error) {
  if (!(error instanceof Error)) return String(error);
  const where = error.step === undefined ? '' : `The step "${error.step}" failed. `;
  if (error instanceof SetupError) return `${where}${error.message}\nWhat to do: ${error.todo}`;
  return `${where}${error.stack ?? error.message}`;
}

/** The user's cache folder for this project. */
export function cacheDir(env = process.env) {
  const base =
    env.XDG_CACHE_HOME || (process.platform === 'win32' && env.LOCALAPPDATA) || join(homedir(), '.cache');
  return join(base, 'live-drop-studio');
}

/**
 * A note that something was tried and failed, so that the next start does not wait for it again.
 * @param {string} path file of the note
 * @param {number} lifetimeMs how long it counts
 */
export function failureNote(path, lifetimeMs, now = Date.now) {
  return {
    /** Why it failed last time, or undefined when it is worth trying. */
    read() {
      try {
        const note = JSON.parse(readFileSync(path, 'utf8'));
        return typeof note.at === 'number' && now() - note.at < lifetimeMs ? String(note.why) : undefined;
      } catch {
        // No note, or one that cannot be read: trying again is always right.
        return undefined;
      }
    },
    write(why) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, JSON.stringify({ at: now(), why }));
    },
    forget() {
      rmSync(path, { force: true });
    },
  };
}
