// Builds every page of the studio into dist/renderer with hashed assets; sfu-server/http.ts serves them.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, gzip as gzipCallback } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const brotli = promisify(brotliCompress);
const gzip = promisify(gzipCallback);
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The fan page's player is loaded beside the session instead of after it: one trip less before the first picture. */
const preloadPlayer = (): Plugin => ({
  name: 'preload-player',
  transformIndexHtml: {
    order: 'post',
    handler: (_, { bundle, filename }) => {
      if (!filename.endsWith('/viewer/index.html')) return [];
      const player = Object.values(bundle ?? {}).find(
        (chunk) => chunk.type === 'chunk' && chunk.facadeModuleId === here('session/media.ts'),
      );
      if (!player) return []; // The development server has no bundle.
      const attrs = { rel: 'modulepreload', crossorigin: true, href: `/${player.fileName}` };
      return [{ tag: 'link', attrs, injectTo: 'head' }];
    },
  },
});

const compressible = /\.(?:js|css|svg|html)$/;

/** Writes a Brotli and a gzip copy beside every text file once, so that the server compresses nothing per fan. */
const precompress = (): Plugin => ({
  name: 'precompress',
  apply: 'build',
  writeBundle: async ({ dir }, bundle) => {
    if (dir === undefined) return;
    const names = Object.keys(bundle).filter((name) => compressible.test(name));
    await Promise.all(
      names.map(async (name) => {
        const file = join(dir, name);
        const bytes = await readFile(file);
        await writeFile(`${file}.br`, await brotli(bytes));
        await writeFile(`${file}.gz`, await gzip(bytes, { level: 9 }));
      }),
    );
  },
});

export default defineConfig({
  root: here('.'),
  base: '/',
  plugins: [react(), preloadPlayer(), precompress()],
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
        crew: here('crew/index.html'),
        debug: here('debug/index.html'),
      },
      // What all pages of people need comes in one piece: over HTTP/1.1 a browser fetches six files at a time, and a phone far away
      // waits for every trip. React, and what binds a store to it, stays out of the product page.
      output: {
        codeSplitting: {
          groups: [
            {
              name: 'page',
              test: /sfu-server\/protocol|node_modules\/(?:zod|zustand\/esm\/vanilla)|renderer\/(?:session|ui)|vite\/preload-helper/,
              minShareCount: 5,
            },
          ],
        },
      },
    },
  },
});
