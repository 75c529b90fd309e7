// Builds the server and its media node's thread into two files, `dist/server.mjs` and `dist/media-node.mjs`, packages inside. Loaded from
// its sources the server starts in twice the time, which fans feel when it has to be started again. Also the server's part of the app
// (electron/vite.main.config.ts). Nothing else is built here.
import { fileURLToPath } from 'node:url';
import { defineConfig, type UserConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const serverEntries = { server: here('main.ts'), 'media-node': here('media/node.ts') };

/** A build for Node, not a library: Node's modules stay outside, `import.meta.url` and `new Worker()` untouched. */
export const forNode = (
  entries: Record<string, string>,
  outDir: string,
  external: readonly string[] = [],
): UserConfig => ({
  root: here('..'),
  publicDir: false,
  ssr: { target: 'node', noExternal: true },
  build: {
    ssr: true,
    // Forge would add a CommonJS library build of its own if this were left undefined.
    lib: false,
    outDir,
    emptyOutDir: false,
    target: 'node24',
    minify: false,
    sourcemap: false,
    rolldownOptions: {
      input: entries,
      // sharp is native: it is found in node_modules, or where forge.config.ts puts it.
      external: ['bufferutil', 'utf-8-validate', 'sharp', ...external],
      output: { format: 'es', entryFileNames: '[name].mjs', chunkFileNames: 'chunks/[name].mjs' },
    },
  },
});

export default defineConfig(forNode(serverEntries, here('../dist')));
