// The frames of a free scene's items, laid over the preview: dragged, sized by a corner, moved by the arrow keys.
// Not its job: where things catch (snapping.ts), numbers and order (scene-panel.tsx), drawing the picture.
import { useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import type { Item, ProductionScene } from '../../sfu-server/protocol/production.ts';
import { useProduction, useStudio } from './hooks.ts';
import { moveRect, sizeRect, snapTargets, type Corner, type Guide } from './snapping.ts';
import type { Rect } from './media/scene.ts';
import './placement-editor.css';

const corners: readonly { corner: Corner; words: string }[] = [
  { corner: 'topLeft', words: 'top left' },
  { corner: 'topRight', words: 'top right' },
  { corner: 'bottomLeft', words: 'bottom left' },
  { corner: 'bottomRight', words: 'bottom right' },
];
/** How near an edge has to come before it catches. */
const catchPx = 7;
const noGuides: readonly Guide[] = [];

type Grip = {
  readonly index: number;
  readonly corner: Corner | null;
  readonly start: Rect;
  readonly atX: number;
  readonly atY: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** One drag is one step of undo. */
  readonly gesture: string;
};

const arrows: Readonly<Record<string, { x: number; y: number }>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

export const PlacementEditor = ({ scene }: { scene: ProductionScene }) => {
  const studio = useStudio();
  const sources = useProduction(({ production }) => production.sources);
  const area = useRef<HTMLDivElement>(null);
  const grip = useRef<Grip | null>(null);
  const drags = useRef(0);
  const [guides, setGuides] = useState(noGuides);

  const place = (index: number, rect: Rect, gesture: string) =>
    studio.production.edit({ kind: 'changeItem', sceneId: scene.id, index, change: { rect } }, gesture);
  const nameOf = (item: Item): string =>
    sources.find(({ id }) => id === item.sourceId)?.name ?? 'A source that is gone';
  const othersOf = (index: number) => scene.items.filter((_, at) => at !== index).map(({ rect }) => rect);

  const onPointerDown = (event: PointerEvent, index: number, corner: Corner | null) => {
    const bounds = area.current?.getBoundingClientRect();
    const start = scene.items[index]?.rect;
    if (event.button !== 0 || !bounds || !start) return;
    event.stopPropagation();
    event.currentTarget.setPointerCapture(event.pointerId);
    drags.current += 1;
    grip.current = {
      index,
      corner,
      start,
      atX: event.clientX,
      atY: event.clientY,
      widthPx: bounds.width,
      heightPx: bounds.height,
      gesture: `drag ${drags.current}`,
    };
  };
  const onPointerMove = (event: PointerEvent) => {
    const held = grip.current;
    if (!held) return;
    const by = {
      x: (event.clientX - held.atX) / held.widthPx,
      y: (event.clientY - held.atY) / held.heightPx,
    };
    // Alt: freely, past everything that would catch.
    const px = event.altKey ? 0 : catchPx;
    const tolerance = { x: px / held.widthPx, y: px / held.heightPx };
    const targets = snapTargets(othersOf(held.index));
    const snapped = held.corner
      ? sizeRect(held.start, held.corner, by, { targets, tolerance, keepShape: event.shiftKey })
      : moveRect(held.start, by, targets, tolerance);
    setGuides(snapped.guides);
    place(held.index, snapped.rect, held.gesture);
  };
  const letGo = () => {
    grip.current = null;
    setGuides(noGuides);
  };
  const onKeyDown = (event: KeyboardEvent, index: number, corner: Corner | null) => {
    const way = arrows[event.key];
    const rect = scene.items[index]?.rect;
    if (!way || !rect || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const step = event.shiftKey ? 0.05 : 0.01;
    const by = { x: way.x * step, y: way.y * step };
    const tolerance = { x: 0, y: 0 };
    const targets = { x: [], y: [] };
    const { rect: next } = corner
      ? sizeRect(rect, corner, by, { targets, tolerance, keepShape: false })
      : moveRect(rect, by, targets, tolerance);
    place(index, next, `arrows ${scene.id} ${index} ${corner ?? ''}`);
  };

  return (
    <div ref={area} className="placement" role="group" aria-label="Places in the scene">
      {scene.items.map((item, index) => (
        <div
          key={`${index} ${item.sourceId}`}
          className="placement-item"
          role="group"
          tabIndex={0}
          aria-label={`${nameOf(item)}: arrow keys move it`}
          style={toPercent(item.rect)}
          onPointerDown={(event) => onPointerDown(event, index, null)}
          onPointerMove={onPointerMove}
          onPointerUp={letGo}
          onPointerCancel={letGo}
          onKeyDown={(event) => onKeyDown(event, index, null)}
        >
          <span className="placement-name">{nameOf(item)}</span>
          {corners.map(({ corner, words }) => (
            <button
              key={corner}
              type="button"
              className={`placement-corner placement-${corner}`}
              aria-label={`${nameOf(item)}, ${words} corner: arrow keys size it`}
              onPointerDown={(event) => onPointerDown(event, index, corner)}
              onPointerMove={onPointerMove}
              onPointerUp={letGo}
              onPointerCancel={letGo}
              onKeyDown={(event) => onKeyDown(event, index, corner)}
            />
          ))}
        </div>
      ))}
      {guides.map(({ axis, at }) => (
        <div
          key={`${axis}${at}`}
          className={`placement-guide placement-guide-${axis}`}
          style={axis === 'x' ? { left: `${at * 100}%` } : { top: `${at * 100}%` }}
        />
      ))}
    </div>
  );
};

const toPercent = ({ x, y, width, height }: Rect) => ({
  left: `${x * 100}%`,
  top: `${y * 100}%`,
  width: `${width * 100}%`,
  height: `${height * 100}%`,
});
