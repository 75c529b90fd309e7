// The studio page: one window with everything a director needs, laid out so that nothing covers the program.
// Here: the page and what stands in its place while it cannot open. Its parts are in files of their own; panels are
// listed in panels.tsx, keys in key-map.ts, and what anything does is in engine.ts.
import { useEffect, useState, type CSSProperties } from 'react';
import { Button } from '../ui/controls.tsx';
import type { Studio } from './engine.ts';
import { Separator, Slot } from './frame.tsx';
import { HealthLine } from './health-line.tsx';
import {
  LayoutContext,
  StudioContext,
  useDesk,
  useLayout,
  useLayoutState,
  useSession,
  useShow,
  useStudio,
} from './hooks.ts';
import { useKeys } from './key-list.tsx';
import { createLayout } from './layout.ts';
import { panels, sheets } from './panels.tsx';
import { Stage } from './stage.tsx';
import { TopBar } from './top-bar.tsx';

export const App = ({ studio }: { studio: Studio }) => {
  const [layout] = useState(createLayout);
  return (
    <StudioContext value={studio}>
      <LayoutContext value={layout}>
        <Page />
      </LayoutContext>
    </StudioContext>
  );
};

const Page = () => {
  const connection = useSession((state) => state.connection);
  const ready = useShow((show) => show !== null);
  useKeys();
  if (connection.kind === 'refused') return <Refused text={connection.text} />;
  if (!ready) return <Opening />;
  return <DeskPage />;
};

const DeskPage = () => {
  const layout = useLayout();
  useEffect(() => {
    const fit = () => layout.fit();
    window.addEventListener('resize', fit);
    return () => window.removeEventListener('resize', fit);
  }, [layout]);
  const sizes = useLayoutState((state) => state.sizes);
  const style: CSSProperties & Record<`--${string}`, string | number> = {
    '--side': `${sizes.side}px`,
    '--dock': `${sizes.dock}px`,
    '--dock-left': sizes.dockSplit,
    '--side-top': sizes.sideSplit,
  };
  return (
    <div className="studio" style={style}>
      <TopBar />
      <main className="desk">
        <Stage />
        <Separator edge="dock" label="Height of the panels" along="y" grows="backward" />
        <div className="dock">
          <Slot id="dockLeft" label="Panels, left" panels={panels} />
          <Separator edge="dockSplit" label="Width of the left panels" along="x" grows="forward" />
          <Slot id="dockRight" label="Panels, right" panels={panels} />
        </div>
      </main>
      <Separator edge="side" label="Width of the side" along="x" grows="backward" />
      <aside className="side" aria-label="Drop, chat and people">
        <Slot id="sideTop" label="Shop" panels={panels} />
        <Separator edge="sideSplit" label="Height of the shop" along="y" grows="forward" />
        <Slot id="sideBottom" label="Chat and people" panels={panels} />
      </aside>
      <HealthLine />
      <OpenSheet />
    </div>
  );
};

const OpenSheet = () => {
  const layout = useLayout();
  // Going live asks beside the program, on the list that says what for; once answered the list goes.
  const asking = useDesk((desk) => desk.going === 'asking');
  useEffect(() => {
    if (!asking) return;
    layout.showSheet('preflight');
    return () => layout.closeSheet('preflight');
  }, [asking, layout]);
  const open = useLayoutState((state) => state.sheet);
  const entry = sheets.find(({ id }) => id === open);
  return entry ? <entry.Content onClose={() => layout.closeSheet()} /> : null;
};

const Opening = () => (
  <main className="notice-page">
    <h1>Opening the studio</h1>
    <p role="status">Connecting to the server.</p>
  </main>
);

const Refused = ({ text }: { text: string }) => {
  const studio = useStudio();
  return (
    <main className="notice-page">
      <h1>The studio cannot open</h1>
      <p role="alert">{text}</p>
      <Button kind="action" large onPress={() => studio.session.retryNow()}>
        Try again
      </Button>
    </main>
  );
};
