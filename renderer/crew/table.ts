// What somebody at the table works with: the orders that wait for money or for their buyer, kept fresh, and what can be done to one.
// Not its job: what it looks like (app.tsx) or how a code gets in (scan.ts).
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { ShowParamsInput, ShowRequest, ShowResult } from '../../sfu-server/protocol/messages.ts';
import type { CounterOrder } from '../../sfu-server/protocol/order-messages.ts';
import type { OrderId } from '../../sfu-server/protocol/shop.ts';
import type { Session } from '../session/session.ts';

export type TableState = {
  /** Oldest first. */
  queue: readonly CounterOrder[];
  /** The order in hand: scanned, typed or tapped. */
  current: CounterOrder | null;
  busy: boolean;
  /** What did not work, in one sentence. */
  trouble: string | null;
};

export type Table = ReturnType<typeof createTable>;

/** Whether the order waits for money at the table. */
export const owes = ({ state }: CounterOrder): boolean =>
  state.kind === 'awaitingPayment' && state.provider === 'counter';
/** Whether its buyer may have it. */
export const isReady = ({ state, fulfilment }: CounterOrder): boolean =>
  state.kind === 'paid' && fulfilment === 'pickup';

const waits = (order: CounterOrder): boolean => owes(order) || isReady(order);

/** An address of a receipt has the order's id in its fragment; our own code is the id itself. */
export const orderCode = (scanned: string): string => scanned.trim().replace(/^.*#/, '');

export const createTable = (session: Session) => {
  const store: StoreApi<TableState> = createStore(() => ({
    queue: [],
    current: null,
    busy: false,
    trouble: null,
  }));
  let closed = false;

  const act = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    store.setState({ busy: true, trouble: null });
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      store.setState({ trouble: error.message });
      return undefined;
    } finally {
      store.setState({ busy: false });
    }
  };

  /** In its place by age, or out of the queue. */
  const take = (order: CounterOrder) => {
    const { queue, current } = store.getState();
    const others = queue.filter(({ id }) => id !== order.id);
    const next = waits(order) ? [...others, order].toSorted((a, b) => a.createdMs - b.createdMs) : others;
    store.setState({ queue: next, current: current?.id === order.id ? order : current });
  };

  const load = () =>
    act(async () => {
      const { orders } = await session.call('counterQueue', {});
      if (!closed) store.setState({ queue: orders });
    });

  let joinedAs: string | null = null;
  const look = () => {
    const { connection } = session.store.getState();
    const now = connection.kind === 'joined' ? connection.participantId : null;
    if (now === joinedAs) return;
    joinedAs = now;
    if (now !== null) void load();
  };
  const stops = [session.listen('counterOrder', take), session.store.subscribe(look)];
  look();

  return {
    store,
    find: (code: string) =>
      act(async () => {
        const current = await session.call('findOrder', { code: orderCode(code) });
        store.setState({ current });
      }),
    choose: (current: CounterOrder | null) => store.setState({ current, trouble: null }),
    confirm: (orderId: OrderId, tender: 'cash' | 'cardReader') =>
      act(async () => {
        take(await session.call('confirmCounter', { orderId, tender }));
      }),
    handOver: (orderId: OrderId, undo: boolean) =>
      act(async () => {
        take(await session.call('handOver', { orderId, undo }));
      }),
    /** Anything a button does to a drop. */
    press: <N extends ShowRequest>(name: N, params: ShowParamsInput<N>): Promise<ShowResult<N> | undefined> =>
      act(() => session.call(name, params)),
    say: (trouble: string | null) => store.setState({ trouble }),
    close: () => {
      if (closed) return;
      closed = true;
      for (const stop of stops) stop();
    },
    snapshot: () => ({ queue: store.getState().queue.length, current: store.getState().current?.id ?? null }),
  };
};
