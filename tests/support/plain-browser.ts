// A Chromium as a director has it: with its own throttling of what nobody sees, and without a driver that pretends every
// page is looked at. Spoken to over the DevTools protocol itself, because playwright keeps all its pages visible.
// Not its job: anything that playwright does (browser.ts).

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { chromiumArgs, chromiumBin, debuggerAddress, patienceMs } from './browser.ts';

export interface PlainBrowser {
  /** The value of an expression on the first page, after it settled. Rejects with what the page threw. */
  evaluate(expression: string): Promise<unknown>;
  /** Puts another tab in front of it. */
  cover(): Promise<void>;
  minimise(): Promise<void>;
  close(): Promise<void>;
}

const keepsAwake = [
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
];

const answer = z.object({
  id: z.number(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ message: z.string() }).optional(),
});
const targets = z.object({
  targetInfos: z.array(z.object({ targetId: z.string(), type: z.string(), url: z.string() })),
});
const evaluated = z.object({
  result: z.object({ value: z.unknown().optional() }),
  exceptionDetails: z
    .object({ exception: z.object({ description: z.string().optional() }).optional(), text: z.string() })
    .optional(),
});

const startWithinMs = patienceMs;

/** Opens the page in the browser's first tab. */
export async function launchPlain(url: string): Promise<PlainBrowser> {
  const profile = await mkdtemp(join(tmpdir(), 'ld-plain-browser-'));
  const args = chromiumArgs.filter((arg) => !keepsAwake.includes(arg));
  const child = spawn(
    chromiumBin(),
    [...args, `--user-data-dir=${profile}`, '--remote-debugging-port=0', url],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  try {
    const socket = await connect(child.stderr);
    const page = speak(socket);
    const target = await firstPage(page, url);
    const attached = z
      .object({ sessionId: z.string() })
      .parse(await page('Target.attachToTarget', { targetId: target, flatten: true }));
    const evaluate = async (expression: string): Promise<unknown> => {
      const params = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = evaluated.parse(
        await page('Runtime.evaluate', params, attached.sessionId),
      );
      if (exceptionDetails !== undefined) {
        throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      }
      return result.value;
    };
    await until(async () => {
      const state = `location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`;
      // The first tab begins as another page, whose end answers nothing.
      return (await evaluate(state).catch(() => false)) === true;
    }, `${url} did not load.`);
    return {
      evaluate,
      async cover() {
        await page('Target.createTarget', { url: 'about:blank' });
      },
      async minimise() {
        const found = await page('Browser.getWindowForTarget', { targetId: target });
        const { windowId } = z.object({ windowId: z.number() }).parse(found);
        await page('Browser.setWindowBounds', { windowId, bounds: { windowState: 'minimized' } });
      },
      async close() {
        socket.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

async function connect(output: NodeJS.ReadableStream): Promise<WebSocket> {
  const socket = new WebSocket(await debuggerAddress(output));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return socket;
}

type Ask = (method: string, params?: object, sessionId?: string) => Promise<unknown>;

function speak(socket: WebSocket): Ask {
  const waiting = new Map<number, (message: z.infer<typeof answer>) => void>();
  let lastId = 0;
  socket.on('message', (data: Buffer) => {
    const parsed = answer.safeParse(JSON.parse(data.toString()));
    if (!parsed.success) return;
    waiting.get(parsed.data.id)?.(parsed.data);
    waiting.delete(parsed.data.id);
  });
  return async (method, params = {}, sessionId) => {
    const id = ++lastId;
    const { result, error } = await new Promise<z.infer<typeof answer>>((resolve) => {
      waiting.set(id, resolve);
      socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    });
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  };
}

async function firstPage(ask: Ask, url: string): Promise<string> {
  let targetId = '';
  await until(async () => {
    const { targetInfos } = targets.parse(await ask('Target.getTargets'));
    const page = targetInfos.find((target) => target.type === 'page' && target.url.startsWith(url));
    targetId = page?.targetId ?? '';
    return page !== undefined;
  }, `${url} did not open.`);
  return targetId;
}

async function until(holds: () => Promise<boolean>, otherwise: string): Promise<void> {
  const untilMs = performance.now() + startWithinMs;
  while (performance.now() < untilMs) {
    if (await holds()) return;
    await new Promise((resolve) => void setTimeout(resolve, 50));
  }
  throw new Error(otherwise);
}
