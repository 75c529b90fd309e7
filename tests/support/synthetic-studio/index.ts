// A studio without its interface: a page on the server's own origin that publishes through the product's session.
// For tests that need a live show but are not about the studio page.
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import type { ShowParamsInput, ShowRequest } from '../../../sfu-server/protocol/messages.ts';
import type { TestServer } from '../server.ts';
import type { WeakPath } from '../weak-path.ts';
import type { SyntheticStudioPage } from './page.ts';

declare const syntheticStudio: SyntheticStudioPage;

let bundle: Promise<string> | undefined;

/** One script with everything in it, made once per test process. */
const bundled = (): Promise<string> => {
  bundle ??= (async () => {
    const result = await build({
      configFile: false,
      logLevel: 'error',
      build: {
        write: false,
        minify: false,
        target: 'esnext',
        rolldownOptions: {
          input: fileURLToPath(new URL('page.ts', import.meta.url)),
          output: { format: 'es', codeSplitting: false },
        },
      },
    });
    for (const one of Array.isArray(result) ? result : [result]) {
      if (!('output' in one)) continue;
      for (const file of one.output) if (file.type === 'chunk') return file.code;
    }
    throw new Error('Nothing was built.');
  })();
  return bundle;
};

export type SyntheticStudio = {
  page: Page;
  /** A request as the studio; its result as it came. */
  call<N extends ShowRequest>(name: N, params: ShowParamsInput<N>): Promise<unknown>;
  /** A busy picture takes all the bandwidth it may; it is calm unless told. */
  show(picture: 'calm' | 'busy'): Promise<void>;
  /** Puts the show on air once the server has picture and sound. */
  goLive(): Promise<void>;
  close(): Promise<void>;
};

/** A blank page on the server's origin with the product's session in it; `path`: it reaches the server by this way. */
export const openSessionPage = async (
  browser: Browser,
  server: TestServer,
  path?: WeakPath,
): Promise<Page> => {
  const code = await bundled();
  const context = await browser.newContext();
  await path?.install(context);
  const page = await context.newPage();
  await page.route('**/test-page.js', (route) =>
    route.fulfill({ contentType: 'text/javascript', body: code }),
  );
  // A document the server itself sent: one made up by the test may not speak to the local network.
  await page.goto(`${path?.origin ?? server.origin}/healthz`);
  await page.addScriptTag({ url: '/test-page.js', type: 'module' });
  await page.waitForFunction(() => 'syntheticStudio' in globalThis);
  return page;
};

/** Joins as the studio and sends; resolves when the server takes picture and sound for ready. */
export const openSyntheticStudio = async (
  browser: Browser,
  server: TestServer,
  path?: WeakPath,
): Promise<SyntheticStudio> => {
  const page = await openSessionPage(browser, server, path);
  await page.evaluate(async (key) => {
    const studio = await syntheticStudio.openStudio({ key });
    syntheticStudio.open = studio;
    await syntheticStudio.mediaReady(studio.session);
  }, server.studioKey);
  return {
    page,
    call: (name, params) =>
      page.evaluate(([request, json]) => syntheticStudio.call(request, json), [
        name,
        JSON.stringify(params),
      ] as const),
    show: (picture) => page.evaluate((wanted) => syntheticStudio.open?.source.show(wanted), picture),
    goLive: () =>
      page.evaluate(async () => {
        if (!syntheticStudio.open) throw new Error('The studio is not open.');
        await syntheticStudio.goLive(syntheticStudio.open.session);
      }),
    close: () => page.context().close(),
  };
};
