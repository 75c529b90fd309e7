// Builds the shell as the app ships it, once per test run; specs and the packaging test share the result.
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('../..', import.meta.url));
let built: Promise<string> | undefined;

/** Builds main process, server, media node and preload into `.vite/build`; resolves with that folder. */
export const buildDesktop = (): Promise<string> => {
  built ??= (async () => {
    for (const name of ['main', 'preload']) {
      await build({ configFile: `${root}electron/vite.${name}.config.ts`, logLevel: 'error' });
    }
    return `${root}.vite/build`;
  })();
  return built;
};
