// Builds what runs outside the window: the main process, the bundled server and its media node's thread, as ES modules
// with every package but sharp inside, so that the packaged app needs no node_modules of its own. Used by Forge and by `vite build -c`.
// The pages are not built here (renderer/vite.config.ts), nor the preload (vite.preload.config.ts).
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { forNode, serverEntries } from '../sfu-server/vite.config.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig(
  forNode({ main: here('main.ts'), ...serverEntries }, here('../.vite/build'), ['electron', 'electron/main']),
);
