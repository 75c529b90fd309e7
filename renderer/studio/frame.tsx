// The page's frame: slots that hold panels, separators between them, sheets over the side. All of it by pointer and keyboard.
// Not its job: what is in a panel (panels.tsx lists them) or how sizes are kept (layout.ts).
import {
  useEffect,
  useId,
  useRef,
  type ComponentType,
  type DragEvent,
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
} from 'react';
import { Button } from '../ui/controls.tsx';
import { useLayout, useLayoutState } from './hooks.ts';
import { edges, type EdgeId } from './layout.ts';

export type SlotId = 'dockLeft' | 'dockRight' | 'sideTop' | 'sideBottom';

export type PanelEntry = {
  id: string;
  slot: SlotId;
  /** On its tab; the panel's own heading says the same. */
  title: string;
  Panel: ComponentType;
  /** Beside the title, as the panel may be behind another: how much waits in it. */
  TabCount?: ComponentType;
};

/** Something that lies over the side until it is closed. */
export type SheetEntry = { id: string; Content: ComponentType<{ onClose: () => void }> };

/** One place of the page. Two or more panels share it by tabs; one alone has its own heading. */
export const Slot = ({ id, label, panels }: { id: SlotId; label: string; panels: readonly PanelEntry[] }) => {
  const layout = useLayout();
  const opened = useLayoutState((state) => state.opened);
  const base = useId();
  const own = panels.filter(({ slot }) => slot === id);
  const front = own.toSorted((a, b) => rank(opened, a.id) - rank(opened, b.id))[0];
  if (!front) return null;
  const tabbed = own.length > 1;
  const { Panel } = front;
  const onKey = (event: KeyboardEvent<HTMLDivElement>) => {
    const at = own.indexOf(front);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: own.length - 1 }[event.key];
    const next = to === undefined ? undefined : own[(to + own.length) % own.length];
    if (!next) return;
    event.preventDefault();
    layout.open(next.id);
    document.getElementById(`${base}${next.id}`)?.focus();
  };
  return (
    <div className={`slot slot-${id}`}>
      {tabbed && (
        <div className="slot-tabs" role="tablist" aria-label={label} onKeyDown={onKey}>
          {own.map((each) => (
            <button
              key={each.id}
              id={`${base}${each.id}`}
              type="button"
              role="tab"
              className="slot-tab"
              aria-selected={each === front}
              aria-controls={`${base}panel`}
              tabIndex={each === front ? 0 : -1}
              onClick={() => layout.open(each.id)}
            >
              {each.title}
              {each.TabCount && <each.TabCount />}
            </button>
          ))}
        </div>
      )}
      <div
        className={tabbed ? 'slot-body slot-body-tabbed' : 'slot-body'}
        {...(tabbed && {
          id: `${base}panel`,
          role: 'tabpanel',
          // What scrolls must be reached by keyboard, whether or not it holds a button.
          tabIndex: 0,
          'aria-labelledby': `${base}${front.id}`,
        })}
      >
        <Panel key={front.id} />
      </div>
    </div>
  );
};

/** Never opened ones come last, in the order of the list. */
const rank = (opened: readonly string[], id: string): number => {
  const at = opened.indexOf(id);
  return at === -1 ? opened.length : at;
};

/**
 * An edge that can be dragged, or moved with the arrow keys; Enter or a double click puts it back. `along`: the direction in
 * which it moves. `grows`: which way makes what it sizes larger.
 */
export const Separator = (props: {
  edge: EdgeId;
  label: string;
  along: 'x' | 'y';
  grows: 'forward' | 'backward';
}) => {
  const { edge, label, along, grows } = props;
  const layout = useLayout();
  const size = useLayoutState((state) => state.sizes[edge]);
  const grip = useRef<{ atPx: number; size: number; roomPx: number } | null>(null);
  const { unit, least, most, step } = edges[edge];
  const sign = grows === 'forward' ? 1 : -1;

  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    const room = event.currentTarget.parentElement?.getBoundingClientRect();
    if (event.button !== 0 || !room) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    grip.current = {
      atPx: along === 'x' ? event.clientX : event.clientY,
      size,
      roomPx: along === 'x' ? room.width : room.height,
    };
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>) => {
    if (!grip.current) return;
    const movedPx = (along === 'x' ? event.clientX : event.clientY) - grip.current.atPx;
    const moved = unit === 'px' ? movedPx : (movedPx / grip.current.roomPx) * 100;
    layout.setSize(edge, grip.current.size + sign * moved);
  };
  const letGo = () => {
    grip.current = null;
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const [less, more] = along === 'x' ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown'];
    const by = step * (event.shiftKey ? 4 : 1) * sign;
    if (event.key === more) layout.setSize(edge, size + by);
    else if (event.key === less) layout.setSize(edge, size - by);
    else if (event.key === 'Home') layout.setSize(edge, least);
    else if (event.key === 'End') layout.setSize(edge, most);
    else if (event.key === 'Enter') layout.resetSize(edge);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      className={`separator separator-${along}`}
      role="separator"
      tabIndex={0}
      aria-label={label}
      aria-orientation={along === 'x' ? 'vertical' : 'horizontal'}
      aria-valuenow={size}
      aria-valuemin={least}
      aria-valuemax={most}
      aria-valuetext={unit === 'px' ? `${size} pixels` : `${size} percent`}
      title={`${label}. Double click puts it back.`}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={letGo}
      onPointerCancel={letGo}
      onDoubleClick={() => layout.resetSize(edge)}
      onKeyDown={onKeyDown}
    />
  );
};

/** Over the side panels, never over the program. Escape closes it; the focus goes to its first button and back. */
export const Sheet = (props: {
  label: string;
  onClose: () => void;
  children: ReactNode;
  className?: string;
  /** A file that was dropped on the sheet. */
  onDrop?: (file: File | undefined) => void;
}) => {
  const { label, onClose, className, onDrop } = props;
  const sheet = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    sheet.current?.querySelector('button')?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  // Of the whole page: the button that was pressed may be gone, and the focus with it.
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key === 'Escape') onClose();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [onClose]);
  return (
    <div
      ref={sheet}
      className={`sheet ${className ?? ''}`}
      role="dialog"
      aria-label={label}
      {...(onDrop && {
        onDragOver: (event: DragEvent) => event.preventDefault(),
        onDrop: (event: DragEvent) => {
          event.preventDefault();
          onDrop(event.dataTransfer.files[0]);
        },
      })}
    >
      <div className="panel-head">
        <h2>{label}</h2>
        <Button kind="quiet" onPress={onClose}>
          Close
        </Button>
      </div>
      {props.children}
    </div>
  );
};
