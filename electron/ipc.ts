// The shell's end of desktop-api.ts: who may call, what they may send, and what an error becomes.
// It does not know what the requests do (main.ts hands in the handlers) nor what carries the page (windows.ts).
import type { IpcMain } from 'electron';
import { AppError, errorTable } from '../sfu-server/protocol/errors.ts';
import {
  desktopChannel,
  desktopRequests,
  desktopSpecs,
  type DesktopHandlers,
  type DesktopParams,
  type DesktopReply,
  type DesktopRequest,
  type DesktopResult,
} from './desktop-api.ts';

/** The frame a call comes from, as much of Electron's `WebFrameMain` as is needed. */
type SenderFrame = { readonly url: string; readonly parent: object | null } | null;

export type DesktopServer = { close(): void };

/**
 * Answers every request of the contract. Only the top frame of a page of `origin()` is heard; anything else gets
 * `forbidden`. Expected errors answer with code and sentence, bugs are logged with their stack and answer `internal`.
 */
export const serveDesktop = (options: {
  ipcMain: Pick<IpcMain, 'handle' | 'removeHandler'>;
  /** Origin of the studio page; undefined while the server has not said. */
  origin: () => string | undefined;
  handlers: DesktopHandlers;
  logBug: (message: string, error: unknown) => void;
}): DesktopServer => {
  const { ipcMain, handlers } = options;

  const run = <N extends DesktopRequest>(
    name: N,
    input: unknown,
  ): DesktopResult<N> | Promise<DesktopResult<N>> => handlers[name](parseParams(name, input));

  const answer = async (name: DesktopRequest, frame: SenderFrame, input: unknown): Promise<DesktopReply> => {
    try {
      if (!isStudioFrame(frame, options.origin())) throw new AppError('forbidden');
      return { ok: true, value: await run(name, input) };
    } catch (error) {
      if (error instanceof AppError) return { ok: false, code: error.code, text: error.message };
      options.logBug(`The desktop request ${name} failed.`, error);
      return { ok: false, code: 'internal', text: errorTable.internal.text };
    }
  };

  const names = Object.keys(desktopRequests).filter(isDesktopRequest);
  for (const name of names) {
    ipcMain.handle(desktopChannel(name), (event, input: unknown) => answer(name, event.senderFrame, input));
  }
  return {
    close: () => {
      for (const name of names) ipcMain.removeHandler(desktopChannel(name));
    },
  };
};

const isDesktopRequest = (name: string): name is DesktopRequest => Object.hasOwn(desktopRequests, name);

const isStudioFrame = (frame: SenderFrame, origin: string | undefined): boolean =>
  frame !== null && frame.parent === null && origin !== undefined && originOf(frame.url) === origin;

const originOf = (url: string): string | undefined => (URL.canParse(url) ? new URL(url).origin : undefined);

const parseParams = <N extends DesktopRequest>(name: N, input: unknown): DesktopParams<N> => {
  const parsed = desktopSpecs[name].params.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new AppError('invalidParams', `The desktop request ${name} got something it cannot read.`);
};
