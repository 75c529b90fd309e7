// From a scene to what the compositor draws: which source is in which place, who stands in for one that is lost, what is left
// when nobody can, and the way to the next scene. Pure.
// Not its job: when a source counts as lost (source-loss.ts), overlays (overlays.ts), or rectangles of layouts (media/scene.ts).
import {
  sourceId as parsedSourceId,
  type GuestId,
  type Item,
  type Layout,
  type LossRule,
  type Production,
  type SourceId,
  type TransitionSettings,
} from '../../sfu-server/protocol/production.ts';
import type { Guest } from '../../sfu-server/protocol/state.ts';
import { createLayer, layoutLayers, type Aspect, type Layer, type Transition } from './media/scene.ts';
import type { FileState } from './overlay-files.ts';
import { slotsOf } from './scenes.ts';
import type { Standing } from './source-loss.ts';

/** Id of a guest's picture in the compositor and of their sound in the mixer; also a source that needs no seat. */
export const guestSourceId = (guestId: GuestId): SourceId => parsedSourceId.parse(`guest:${guestId}`);

/** Which guest is behind a source, for every seat that is taken and every guest by themselves. */
export type Cast = ReadonlyMap<SourceId, GuestId>;

/** Seats that name a guest have theirs; the others take those who are here, in order. */
export const castOf = (production: Production, guests: readonly Guest[]): Cast => {
  const seats = production.sources.flatMap(({ id, origin }) =>
    origin.kind === 'guest' ? [{ id, guestId: origin.guestId }] : [],
  );
  const named = new Set(seats.map(({ guestId }) => guestId));
  const waiting = guests.filter(({ id, presence }) => presence.kind === 'here' && !named.has(id));
  const cast = new Map(guests.map(({ id }) => [guestSourceId(id), id]));
  for (const { id, guestId } of seats) {
    const known = guestId === null ? waiting.shift()?.id : guests.find((guest) => guest.id === guestId)?.id;
    if (known !== undefined) cast.set(id, known);
  }
  return cast;
};

/** The id a source has in the compositor; null: a seat that nobody has taken. */
export const compositorIdOf = (sourceId: SourceId, production: Production, cast: Cast): SourceId | null => {
  const guestId = cast.get(sourceId);
  if (guestId !== undefined) return guestSourceId(guestId);
  const isSeat = production.sources.some(({ id, origin }) => id === sourceId && origin.kind === 'guest');
  return isSeat ? null : sourceId;
};

export type ResolvedPicture = {
  readonly layers: readonly Layer[];
  /** Sources that are drawn for others that are lost. */
  readonly standIns: readonly { readonly for: SourceId; readonly by: SourceId }[];
  /** Every guest whose picture or sound belongs in it. */
  readonly guestIds: readonly GuestId[];
  /** Nothing of it has a picture: what its first source's rule says. Null: something has. */
  readonly nothing: LossRule['otherwise'] | null;
};

export type PictureFacts = {
  readonly production: Production;
  readonly cast: Cast;
  /** By id in the compositor. */
  readonly standingOf: (compositorId: SourceId) => Standing['kind'];
  readonly aspect: Aspect;
};

export const resolvePicture = (
  picture: { readonly layout: Layout; readonly items: readonly Item[] },
  { production, cast, standingOf, aspect }: PictureFacts,
): ResolvedPicture => {
  const { layout, items } = picture;
  const sources = new Map(production.sources.map((one) => [one.id, one]));
  const standing = (sourceId: SourceId): Standing['kind'] => {
    const compositorId = compositorIdOf(sourceId, production, cast);
    return compositorId === null ? 'absent' : standingOf(compositorId);
  };
  /** Itself, or the first of its backups that has a picture; backups may have backups, in a circle too. */
  const shownFor = (sourceId: SourceId): SourceId | null => {
    const asked = new Set<SourceId>();
    for (let next: SourceId | null = sourceId; next !== null && !asked.has(next);) {
      const kind = standing(next);
      if (kind === 'good' || kind === 'holding') return next;
      asked.add(next);
      next = sources.get(next)?.lossRule.backupId ?? null;
    }
    return null;
  };
  const layersOf = (shown: readonly (SourceId | null)[]): Layer[] => {
    // Places are numbered: two of them may show the same source.
    const taken = shown.map((one, index) => (one === null ? null : String(index)));
    const placed =
      layout === 'free'
        ? taken.flatMap((place) => (place === null ? [] : [createLayer(place)]))
        : layoutLayers(layout, taken, aspect);
    return placed.flatMap((layer) => {
      const item = items[Number(layer.sourceId)];
      const one = shown[Number(layer.sourceId)];
      const compositorId = one ? compositorIdOf(one, production, cast) : null;
      if (!item || !one || compositorId === null) return [];
      const isWhole = item.crop.width === 1 && item.crop.height === 1;
      return [
        {
          ...layer,
          ...sources.get(one)?.look,
          ...(layout === 'free' && { rect: item.rect, fit: item.fit }),
          sourceId: compositorId,
          crop: isWhole ? layer.crop : item.crop,
        },
      ];
    });
  };

  const shown = items.map(({ sourceId }) => shownFor(sourceId));
  // A full picture goes to the first that has one; a guest whose camera is off is still heard.
  const full = shown.findIndex((one) => one !== null);
  const isPlaced = (index: number) =>
    layout === 'full' ? index === 0 || index === full : index < slotsOf[layout];
  const placed = items.flatMap(({ sourceId }, index) =>
    isPlaced(index) ? [{ sourceId, by: shown[index] ?? null }] : [],
  );
  const standIns = placed.flatMap(({ sourceId, by }) =>
    by === null || by === sourceId ? [] : [{ for: sourceId, by }],
  );
  const guestIds = new Set<GuestId>();
  for (const sourceId of placed.flatMap(({ sourceId, by }) => (by === null ? [sourceId] : [sourceId, by]))) {
    const guestId = cast.get(sourceId);
    if (guestId !== undefined) guestIds.add(guestId);
  }
  const layers = layersOf(shown);
  if (layers.length > 0) return { layers, standIns, guestIds: [...guestIds], nothing: null };

  // One that is lost still has its last picture, which stays while the clip takes over.
  const lost = items.map(({ sourceId }) => (standing(sourceId) === 'lost' ? sourceId : null));
  const first = lost.find((one) => one !== null);
  const nothing = (first && sources.get(first)?.lossRule.otherwise) ?? 'slate';
  return {
    layers: nothing === 'slate' ? [] : layersOf(lost),
    standIns,
    guestIds: [...guestIds],
    nothing,
  };
};

const noStinger: Readonly<Record<Exclude<FileState['kind'], 'ready'>, string>> = {
  none: 'No clip has been chosen for the stinger',
  opening: 'The stinger is still being made ready',
  missing: 'The stinger’s clip is not on this computer: choose it again',
  failed: 'The stinger’s clip cannot be used: choose another',
};

/** The automatic take as it can be made now: a stinger that is not at hand is a fade, and the `word` tells the director. */
export const transitionOf = (
  { kind, durationMs, stinger }: TransitionSettings,
  clip: FileState,
): { made: Transition; word: string | null } => {
  if (kind !== 'stinger') return { made: { kind, durationMs }, word: null };
  if (clip.kind === 'ready' && stinger !== null) {
    return { made: { kind, stingerId: stinger.fileId, cutAtMs: stinger.cutAtMs }, word: null };
  }
  const why = noStinger[clip.kind === 'ready' ? 'none' : clip.kind];
  return { made: { kind: 'fade', durationMs }, word: `${why}. The take was a fade.` };
};
