// React's thin binding to the studio engine and the page's layout: context, selectors, and a clock tick for running times.
// No logic.
import { createContext, use, useEffect, useState } from 'react';
import { useStore } from 'zustand';
import type { ShowState } from '../../sfu-server/protocol/state.ts';
import type { SessionState } from '../session/session.ts';
import type { DeskState, Studio } from './engine.ts';
import type { GuestFeeds } from './guests.ts';
import type { StudioSettings } from './settings.ts';
import type { PictureSourcesState } from './picture-sources.ts';
import type { ProductionState } from './production-desk.ts';
import type { Layout, LayoutState } from './layout.ts';
import type { ShopDeskState } from './shop-desk.ts';
import type { SoundState } from './sound.ts';

export const StudioContext = createContext<Studio | null>(null);

export const useStudio = (): Studio => {
  const studio = use(StudioContext);
  if (!studio) throw new Error('This part of the studio page is outside StudioContext.');
  return studio;
};

export const LayoutContext = createContext<Layout | null>(null);

export const useLayout = (): Layout => {
  const layout = use(LayoutContext);
  if (!layout) throw new Error('This part of the studio page is outside LayoutContext.');
  return layout;
};

export const useLayoutState = <T>(select: (state: LayoutState) => T): T =>
  useStore(useLayout().store, select);
export const useDesk = <T>(select: (state: DeskState) => T): T => useStore(useStudio().store, select);
export const useShopDesk = <T>(select: (state: ShopDeskState) => T): T =>
  useStore(useStudio().shop.store, select);
export const useSession = <T>(select: (state: SessionState) => T): T =>
  useStore(useStudio().session.store, select);
export const useShow = <T>(select: (show: ShowState | null) => T): T =>
  useSession(({ show }) => select(show));
export const useSettings = <T>(select: (state: StudioSettings) => T): T =>
  useStore(useStudio().settings.store, select);
export const useSound = <T>(select: (state: SoundState) => T): T => useStore(useStudio().sound.store, select);
export const usePictures = <T>(select: (state: PictureSourcesState) => T): T =>
  useStore(useStudio().pictures.store, select);
export const useProduction = <T>(select: (state: ProductionState) => T): T =>
  useStore(useStudio().production.store, select);
export const useGuestFeeds = <T>(select: (feeds: GuestFeeds) => T): T =>
  useStore(useStudio().guests.store, select);

/** This machine's clock in ms, as of the last of ticks `everyMs` apart; null: it stands still. */
export const useNow = (everyMs: number | null): number => {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    if (everyMs === null) return;
    const tick = () => setNowMs(Date.now());
    tick();
    const timer = setInterval(tick, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return nowMs;
};

/** What `read` gives, read anew every `everyMs`: for figures that no store tells of. */
export const useReading = <T>(everyMs: number, read: () => T): T => {
  useNow(everyMs);
  return read();
};

/** The same as `useNow` by the server's clock, on which the show's times are. */
export const useServerNow = (everyMs: number | null): number =>
  useNow(everyMs) + useStudio().session.clockOffsetMs();
