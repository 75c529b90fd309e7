// Builds the fixture page as the product's pages are built (workers and worklets included) and serves it on loopback.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, preview } from 'vite';

const root = new URL('./fixture', import.meta.url).pathname;

export interface LabServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts the server on a free port. */
export async function startLabServer(): Promise<LabServer> {
  const outDir = await mkdtemp(join(tmpdir(), 'studio-media-lab-'));
  const common = { root, configFile: false, logLevel: 'error', worker: { format: 'es' } } as const;
  await build({ ...common, build: { outDir, emptyOutDir: true, target: 'esnext', minify: false } });
  const server = await preview({ ...common, build: { outDir }, preview: { port: 0, host: '127.0.0.1' } });
  const url = server.resolvedUrls?.local[0];
  if (url === undefined) throw new Error('The fixture server has no address.');
  return {
    url,
    async close() {
      await server.close();
      await rm(outDir, { recursive: true, force: true });
    },
  };
}
