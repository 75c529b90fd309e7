// Starting other programs: quietly with their last words kept, or in the foreground with signals passed on.
// Plain JavaScript for Node 20 and later. What to start, and what a failure means, is the caller's to know.

import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const tailLines = 40;

/** A program that could not be started, took too long or ended with a code other than 0. */
export class CommandError extends Error {
  /**
   * @param {string} message
   * @param {string[]} lines what it wrote; the message ends with the last of it
   */
  constructor(message, lines) {
    super([message, ...lines.slice(-tailLines)].join('\n'));
    this.name = 'CommandError';
    this.output = lines.join('\n');
  }
}

/**
 * Runs a program to its end with its output captured.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, timeoutMs?: number, onLine?: (line: string) => void }} [options]
 * @returns {Promise<string>} what it wrote
 * @throws {CommandError}
 */
export function runCommand(command, args, { cwd, env, timeoutMs, onLine = () => {} } = {}) {
  return new Promise((resolve, reject) => {
    // Captured output is read by people in a report, not by a terminal: no colour codes in it.
    const plain = { ...(env ?? process.env), NO_COLOR: '1', FORCE_COLOR: undefined };
    const child = spawn(command, args, { cwd, env: plain, stdio: ['ignore', 'pipe', 'pipe'] });
    const lines = [];
    let timedOut = false;
    const limit =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            child.kill('SIGKILL');
          }, timeoutMs);
    const readers = [child.stdout, child.stderr].map((stream) => {
      let rest = '';
      stream.setEncoding('utf8').on('data', (chunk) => {
        const pieces = (rest + chunk).split(/\r?\n/);
        rest = pieces.pop() ?? '';
        for (const line of pieces) take(line);
      });
      return () => take(rest);
    });
    const take = (line) => {
      if (line.trim() === '') return;
      lines.push(line);
      onLine(line);
    };
    child.on('error', (error) => {
      clearTimeout(limit);
      reject(new CommandError(`${command} cannot be run (${error.code ?? error.message}).`, []));
    });
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      for (const finish of readers) finish();
      if (code === 0) return resolve(lines.join('\n'));
      const how = timedOut
        ? `took longer than ${timeoutMs / 1000} s`
        : `ended with ${signal ?? `code ${code}`}`;
      return reject(new CommandError(`${command} ${how}.`, lines));
    });
  });
}

/**
 * Runs a program on this terminal and passes SIGTERM, SIGHUP and (when no terminal does so) SIGINT on to it.
 * @returns {Promise<number>} its exit code; 128 + n when signal n ended it
 */
export function runForeground(command, args, { cwd, env } = {}) {
  const child = spawn(command, args, { cwd, env, stdio: 'inherit' });
  const stopForwarding = forwardSignals(child);
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      stopForwarding();
      reject(new CommandError(`${command} cannot be run (${error.code ?? error.message}).`, []));
    });
    child.on('close', (code, signal) => {
      stopForwarding();
      resolve(code ?? 128 + (signal === 'SIGINT' ? 2 : 15));
    });
  });
}

/** Passes this process's stop signals on to a child; returns the undo. */
export function forwardSignals(child) {
  const handlers = ['SIGTERM', 'SIGHUP', 'SIGINT'].map((signal) => {
    const handler = () => {
      // Ctrl-C reaches the whole foreground group: sent again, it would read as "stop at once".
      if (signal === 'SIGINT' && process.stdin.isTTY) return;
      child.kill(signal);
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return () => {
    for (const undo of handlers) undo();
  };
}

/**
 * The script behind a command of an installed package, to be run with this Node.
 * @param {string} root folder that holds node_modules
 */
export function binOf(root, packageName, command = packageName) {
  const dir = join(root, 'node_modules', packageName);
  const { bin } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  const path = typeof bin === 'string' ? bin : bin?.[command];
  if (path === undefined) throw new Error(`The package ${packageName} has no command "${command}".`);
  return join(dir, path);
}

/** First of the programs found on a PATH, or undefined. */
export function findOnPath(names, path = process.env.PATH ?? '') {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  for (const name of names)
    for (const dir of path.split(delimiter))
      if (dir !== '' && isExecutable(join(dir, name + suffix))) return join(dir, name + suffix);
  return undefined;
}

export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Absent or not for us to run: both mean "not a program here", which is the answer.
    return false;
  }
}
