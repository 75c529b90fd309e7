// Where the panels are and how large: the edges a director can drag, which panel is in front of its slot, which sheet lies
// over the side. Kept on this machine. Not its job: drawing (frame.tsx) or which panels there are (panels.tsx).
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';

/** Each separator by what it sizes. `px` grows towards the pictures, `%` is the share of the first of two slots. */
export const edges = {
  /** Width of the side panels. */
  side: { unit: 'px', least: 336, most: 560, step: 16 },
  /** Height of the panels under the pictures. */
  dock: { unit: 'px', least: 132, most: 420, step: 16 },
  /** Where the dock is divided. */
  dockSplit: { unit: '%', least: 25, most: 75, step: 2 },
  /** Where the side is divided. */
  sideSplit: { unit: '%', least: 20, most: 80, step: 2 },
} as const satisfies Record<string, Edge>;

type Edge = { unit: 'px' | '%'; least: number; most: number; step: number };
export type EdgeId = keyof typeof edges;
export type Sizes = Readonly<Record<EdgeId, number>>;

/** A whole number within what the edge allows. */
export const clampSize = (edge: EdgeId, size: number): number =>
  Math.round(Math.min(edges[edge].most, Math.max(edges[edge].least, size)));

export type WindowSize = { innerWidth: number; innerHeight: number };

const usualSidePx = 352;

/** The dock gets what the window leaves under two pictures of full width and the rows of controls below them. */
export const usualSizes = ({ innerWidth, innerHeight }: WindowSize): Sizes => {
  const pictureHeightPx = ((innerWidth - usualSidePx - 60) / 2) * (9 / 16);
  const barsAndControlsPx = 247;
  return {
    side: usualSidePx,
    dock: clampSize('dock', innerHeight - barsAndControlsPx - pictureHeightPx),
    dockSplit: 45,
    sideSplit: 54,
  };
};

export type LayoutState = {
  sizes: Sizes;
  /** Edges the director has moved; the others follow the window. */
  moved: Partial<Sizes>;
  /** Ids of panels, the one opened last first: each slot shows the first of its own. */
  opened: readonly string[];
  /** The sheet over the side panels; one at a time, so that it can never pile up over the program. */
  sheet: string | null;
};

const kept = z.object({
  moved: z.partial(
    z.object({ side: z.number(), dock: z.number(), dockSplit: z.number(), sideSplit: z.number() }),
  ),
  opened: z.array(z.string().check(z.maxLength(40))).check(z.maxLength(40)),
});

const layoutKey = 'studio.layout';

/** Where it is kept, as much of it as is needed. */
type Keep = Pick<Storage, 'getItem' | 'setItem'>;

const readKept = (storage: Keep): Pick<LayoutState, 'moved' | 'opened'> => {
  try {
    const stored = kept.safeParse(JSON.parse(storage.getItem(layoutKey) ?? 'null'));
    return stored.success ? stored.data : { moved: {}, opened: [] };
  } catch (error) {
    if (error instanceof SyntaxError) return { moved: {}, opened: [] };
    throw error;
  }
};

/** Bounds may have changed since a size was kept. */
const sizesIn = (room: WindowSize, moved: Partial<Sizes>): Sizes => {
  const usual = usualSizes(room);
  const size = (edge: EdgeId) => clampSize(edge, moved[edge] ?? usual[edge]);
  return {
    side: size('side'),
    dock: size('dock'),
    dockSplit: size('dockSplit'),
    sideSplit: size('sideSplit'),
  };
};

export interface Layout {
  readonly store: StoreApi<LayoutState>;
  /** Clamped to what the edge allows. */
  setSize(edge: EdgeId, size: number): void;
  resetSize(edge: EdgeId): void;
  /** The window has another size. */
  fit(): void;
  /** Brings a panel to the front of its slot. */
  open(panelId: string): void;
  showSheet(sheet: string): void;
  /** Shows a sheet, or closes it when it is the one that is open. */
  toggleSheet(sheet: string): void;
  /** Closes this sheet, or whichever is open. */
  closeSheet(sheet?: string): void;
}

/** `room`: the window, which sizes nobody has chosen depend on. */
export const createLayout = (storage: Keep = localStorage, room: WindowSize = window): Layout => {
  const store = createStore<LayoutState>(() => {
    const { moved, opened } = readKept(storage);
    return { sizes: sizesIn(room, moved), moved, opened, sheet: null };
  });
  const keep = (change: Partial<Pick<LayoutState, 'moved' | 'opened'>>) => {
    store.setState(change);
    const { moved, opened } = store.getState();
    store.setState({ sizes: sizesIn(room, moved) });
    storage.setItem(layoutKey, JSON.stringify({ moved, opened }));
  };
  return {
    store,
    setSize: (edge, size) => keep({ moved: { ...store.getState().moved, [edge]: clampSize(edge, size) } }),
    resetSize: (edge) => {
      const moved: Partial<Record<EdgeId, number>> = { ...store.getState().moved };
      delete moved[edge];
      keep({ moved });
    },
    fit: () => store.setState(({ moved }) => ({ sizes: sizesIn(room, moved) })),
    open: (panelId) =>
      keep({ opened: [panelId, ...store.getState().opened.filter((id) => id !== panelId)].slice(0, 40) }),
    showSheet: (sheet) => store.setState({ sheet }),
    toggleSheet: (sheet) => store.setState((now) => ({ sheet: now.sheet === sheet ? null : sheet })),
    closeSheet: (sheet) => {
      if (sheet === undefined || sheet === store.getState().sheet) store.setState({ sheet: null });
    },
  };
};
