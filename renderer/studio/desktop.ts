// The desktop bridge as the studio uses it. Optional: in a plain browser tab there is none, and nothing essential
// depends on it. The contract itself is electron/desktop-api.ts.
import type { DesktopApi } from '../../electron/desktop-api.ts';

declare global {
  interface Window {
    /** Present in the desktop app only. */
    readonly desktop?: DesktopApi;
  }
}

/** Keeps the machine awake while a show is on air; without the desktop app the browser's wake lock has to do. */
export const keepAwake = (): { setLive(live: boolean): void; close(): void } => {
  let wanted = false;
  let closed = false;
  let lock: WakeLockSentinel | null = null;

  const takeLock = async () => {
    const sentinel = await navigator.wakeLock.request('screen');
    if (!wanted || closed) return sentinel.release();
    lock = sentinel;
    sentinel.addEventListener('release', () => {
      lock = null;
    });
  };
  const hold = () => {
    const possible = document.visibilityState === 'visible' && 'wakeLock' in navigator;
    if (!wanted || closed || lock || !possible) return;
    takeLock().catch(() => {}); // Low battery or no permission: the show goes on, the screen may dim.
  };
  // The browser drops the lock whenever the page is hidden.
  document.addEventListener('visibilitychange', hold);

  const setLive = (live: boolean) => {
    if (wanted === live) return;
    wanted = live;
    if (window.desktop) {
      window.desktop.setLive(live).catch(() => {}); // The shell logs why; the show itself does not need it.
      return;
    }
    if (live) hold();
    else void lock?.release();
  };

  return {
    setLive,
    close: () => {
      if (closed) return;
      setLive(false);
      closed = true;
      document.removeEventListener('visibilitychange', hold);
    },
  };
};
