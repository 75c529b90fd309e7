// Loaded before the app's main script (`node --import`): makes `import … from 'electron'` find the stand-in, and lets the
// test run functions in this process with the electron module at hand, as Playwright's ElectronApplication.evaluate does.
import { registerHooks } from 'node:module';
import * as z from 'zod/mini';

const standIn = new URL('./electron.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'electron' ? { url: standIn, shortCircuit: true } : next(specifier, context),
});
// Plain Node has no such entry; the app reports it to the page.
Object.defineProperty(process, 'versions', { value: { ...process.versions, electron: 'stand-in' } });

const call = z.object({ evaluate: z.number(), source: z.string(), arg: z.unknown() });

process.on('message', (message: unknown) => {
  const parsed = call.safeParse(message);
  if (!parsed.success) return;
  const { evaluate: id, source, arg } = parsed.data;
  const run = async () => {
    const electron: unknown = await import(standIn);
    // The function comes from the test itself, which owns this process.
    // oxlint-disable-next-line no-eval, typescript/no-unsafe-call
    const value: unknown = await (0, eval)(`(${source})`)(electron, arg);
    return value;
  };
  run().then(
    (value) => process.send?.({ evaluated: id, value }),
    (error: unknown) => process.send?.({ evaluated: id, error: String(error) }),
  );
});
// The listener alone must not keep the app alive.
process.channel?.unref();
