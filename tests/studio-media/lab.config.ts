// Builds the fixture page as the product's pages are built (workers and worklets included) into dist/lab, which lab-server.ts serves.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('fixture'),
  worker: { format: 'es' },
  build: { outDir: here('../../dist/lab'), emptyOutDir: true, target: 'esnext', minify: false },
});
