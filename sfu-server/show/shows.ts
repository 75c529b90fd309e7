// Which show is the current one, and shows of the past for those who still hold their link.
// Passes what the media nodes report on to the current show. No rules of a show here.
import type { Clock } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { ShowId } from '../protocol/state.ts';
import { newPublicId } from '../access/tokens.ts';
import type { Store } from '../store/database.ts';
import type { Placement } from './placement.ts';
import type { Trade } from '../shop/shop.ts';
import type { Clips } from './clips.ts';
import type { Encoders } from './encoders.ts';
import { createShow, type Show } from './show.ts';

export type Shows = ReturnType<typeof createShows>;

export type ShowsOptions = {
  trade: Trade;
  store: Store;
  placement: Placement;
  clips: Clips;
  encoders: Encoders;
  clock: Clock;
  log: { info(detail: object, text: string): void; error(detail: object, text: string): void };
};

const firstTitle = 'My first drop';
/** Shows of the past kept in memory for latecomers. */
const maxPast = 20;

export const createShows = ({ store, placement, clips, encoders, trade, clock, log }: ShowsOptions) => {
  const common = { store, clock, log, standby: clips.standby, encoders: encoders.state, trade };
  const open = (title: string) => store.addShow(newPublicId(), title, clock.now());
  let current: Show = createShow({
    row: store.newestShow() ?? open(firstTitle),
    ...common,
    placement,
  });
  const past = new Map<ShowId, Show>();

  placement.listen({
    program: (event) => current.programSwitched(event),
    studioMedia: (state) => current.studioMedia(state),
    nodeLost: (node) => {
      encoders.nodeLost(node);
      current.nodeLost(node);
    },
    feedLost: (node) => current.feedLost(node),
    producerClosed: (producerId) => current.producerClosed(producerId),
    transportState: encoders.transportState,
    consumerClosed: (consumerId) => current.consumerClosed(consumerId),
    clipFailed: clips.failed,
  });
  clips.onChange(() => current.standbyChanged());
  encoders.onChange(() => current.encodersChanged());

  const find = (id: ShowId): Show => {
    if (id === current.id) return current;
    const known = past.get(id);
    if (known) return known;
    const row = store.show(id);
    if (!row) throw new AppError('noShow');
    const show = createShow({ row, ...common, placement: null });
    const oldest = past.keys().next();
    if (past.size >= maxPast && !oldest.done) {
      past
        .get(oldest.value)
        ?.close()
        .catch((error: unknown) => log.error({ err: error }, 'a show of the past could not be closed'));
      past.delete(oldest.value);
    }
    past.set(id, show);
    return show;
  };
  // Money of shows that are over is followed to its end, too.
  for (const id of store.showsWithOpenMoney()) find(id);

  return {
    current: () => current,
    /** Throws `noShow` for an id that never was. */
    find,
    /** The ended show's viewers keep its last state; the studio joins the new one. */
    startNew: (title: string): ShowId => {
      const { phase } = current.state();
      if (phase.kind === 'live') throw new AppError('wrongPhase', 'End the show before you start a new one.');
      const ended = current;
      past.set(ended.id, ended);
      current = createShow({ row: open(title), ...common, placement });
      return current.id;
    },
    close: async () => {
      const all = [current, ...past.values()];
      past.clear();
      await Promise.all(all.map((show) => show.close()));
    },
    snapshot: () => ({ current: current.snapshot(), past: past.size }),
  };
};
