// Builds every page of the studio into dist/renderer with hashed assets; sfu-server/http.ts serves them.
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('.'),
  base: '/',
  plugins: [react()],
  worker: { format: 'es' },
  build: {
    outDir: here('../dist/renderer'),
    emptyOutDir: true,
    target: ['chrome120', 'safari17', 'firefox128'],
    // The content security policy allows no inline anything, data: URLs included.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        studio: here('studio/index.html'),
        cohost: here('cohost/index.html'),
        viewer: here('viewer/index.html'),
        shop: here('shop/index.html'),
        debug: here('debug/index.html'),
      },
    },
  },
});
