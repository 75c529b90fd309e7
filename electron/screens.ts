// Which screen or window the studio page may show: it is told what there is, says which one the director chose, and gets that one
// once, soon after. Where the system has a picker of its own, that one asks instead.
// Not its job: who may call (ipc.ts, windows.ts), or what is done with the picture.
import type { DesktopCapturer, DesktopCapturerSource } from 'electron';
import { AppError } from '../sfu-server/protocol/errors.ts';
import { maxScreens, type DesktopHandlers } from './desktop-api.ts';

export type Screens = ReturnType<typeof createScreens>;

/** The page asks for the picture in the same breath; whoever asks later has not been chosen for. */
const choiceMs = 10_000;
const thumbnailSize = { width: 320, height: 180 };

export const createScreens = (options: {
  desktopCapturer: Pick<DesktopCapturer, 'getSources'>;
  /** The system asks by itself (macOS 15 and later): there is nothing to list. */
  systemPicker: boolean;
  nowMs: () => number;
}) => {
  let listed: readonly DesktopCapturerSource[] = [];
  let chosen: { readonly source: DesktopCapturerSource; readonly atMs: number } | undefined;
  let closed = false;
  const isFresh = () => chosen !== undefined && options.nowMs() - chosen.atMs <= choiceMs;

  const handlers: Pick<DesktopHandlers, 'screens' | 'chooseScreen'> = {
    screens: async () => {
      if (options.systemPicker) return { systemPicker: true, screens: [] };
      const sources = await options.desktopCapturer.getSources({
        types: ['screen', 'window'],
        thumbnailSize,
      });
      listed = closed ? [] : sources.slice(0, maxScreens);
      return {
        systemPicker: false,
        screens: listed.map(({ id, name, thumbnail }) => ({
          id,
          name: name.slice(0, 100),
          kind: id.startsWith('screen:') ? ('screen' as const) : ('window' as const),
          // A window that is minimized has no picture.
          thumbnailUrl: thumbnail.isEmpty()
            ? null
            : `data:image/jpeg;base64,${thumbnail.toJPEG(70).toString('base64')}`,
        })),
      };
    },
    chooseScreen: ({ id }) => {
      const source = listed.find((each) => each.id === id);
      if (!source) throw new AppError('notFound', 'This window is not there any more. Choose again.');
      chosen = { source, atMs: options.nowMs() };
      return {};
    },
  };

  return {
    handlers,
    systemPicker: options.systemPicker,
    /** A choice waits for its picture, or the system will ask for one. */
    mayCapture: (): boolean => options.systemPicker || isFresh(),
    /** What was chosen, once; undefined when nothing was, or too long ago. */
    take: (): DesktopCapturerSource | undefined => {
      const source = isFresh() ? chosen?.source : undefined;
      chosen = undefined;
      return source;
    },
    /** What was listed or chosen is no longer given to anybody. */
    close: () => {
      closed = true;
      listed = [];
      chosen = undefined;
    },
    // Names of windows may be private.
    snapshot: () => ({ listed: listed.length, chosen: isFresh() }),
  };
};
