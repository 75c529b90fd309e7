// Builds what runs outside the window: the main process, the bundled server and its media node's thread, as ES modules
// with every package but sharp inside, so that the packaged app needs no node_modules of its own. Used by Forge and by `vite build -c`.
// The pages are not built here (renderer/vite.config.ts), nor the preload (vite.preload.config.ts).
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('..'),
  publicDir: false,
  // A build for a server, not a library: Node's modules stay outside, `import.meta.url` and `new Worker()` untouched.
  ssr: { target: 'node', noExternal: true },
  build: {
    ssr: true,
    // Forge would add a CommonJS library build of its own if this were left undefined.
    lib: false,
    outDir: here('../.vite/build'),
    emptyOutDir: false,
    target: 'node24',
    minify: false,
    sourcemap: false,
    rolldownOptions: {
      input: {
        main: here('main.ts'),
        server: here('../sfu-server/main.ts'),
        'media-node': here('../sfu-server/media/node.ts'),
      },
      // sharp is native: it lies outside the asar, where forge.config.ts puts it.
      external: ['electron', 'electron/main', 'bufferutil', 'utf-8-validate', 'sharp'],
      output: { format: 'es', entryFileNames: '[name].mjs', chunkFileNames: 'chunks/[name]-[hash].mjs' },
    },
  },
});
