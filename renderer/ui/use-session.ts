// React's view of a session: re-renders when the selected part changes, and when a moment has passed.
// The session itself is made by the page, outside React, so that nothing React does can end it.
import { useEffect, useState } from 'react';
import { useStore } from 'zustand';
import type { Session, SessionState } from '../session/session.ts';

/** `select` must return something that stays identical while nothing has changed (a field, not a new object). */
export const useSession = <T>(session: Session, select: (state: SessionState) => T): T =>
  useStore(session.store, select);

/** False at first, true once `delayMs` have passed with `key` unchanged and not null. For "say so after a second". */
export const useLasting = (key: string | number | null, delayMs: number): boolean => {
  const [lasted, setLasted] = useState<string | number | null>(null);
  useEffect(() => {
    if (key === null) return;
    const timer = setTimeout(() => setLasted(key), delayMs);
    return () => clearTimeout(timer);
  }, [key, delayMs]);
  return key !== null && lasted === key;
};

/** The server's clock in ms, as of the last of ticks `everyMs` apart. */
export const useServerNow = (session: Session, everyMs: number): number => {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return nowMs + session.clockOffsetMs();
};
