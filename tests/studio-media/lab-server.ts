// Serves the fixture page on loopback. It is built once for all test files, and again when a source of it has changed.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureLab } from '../../scripts/setup/tree.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** A browser runs a script only under its own type. */
const typeOf: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };

export interface LabServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts the server on a free port. */
export async function startLabServer(): Promise<LabServer> {
  await ensureLab(root, () => {});
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://lab');
    const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
    readFile(join(root, 'dist/lab', path)).then(
      (bytes) => response.setHeader('Content-Type', typeOf[extname(path)] ?? 'text/plain').end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The lab has no address.');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}
