// One buyer's way through the shop: who they are, what is held for them, their order. Asks the server and keeps what it answers; a
// page that is opened again, or reconnects, finds everything where it was. Not here: what it looks like (steps/), and what is on
// offer (ui/offer.ts).
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { ShowResult } from '../../sfu-server/protocol/messages.ts';
import type { Receipt } from '../../sfu-server/protocol/order-messages.ts';
import {
  orderId,
  type BuyerState,
  type Fulfilment,
  type Hold,
  type HoldId,
  type OrderId,
  type PaymentProvider,
  type ProductId,
  type VariantId,
} from '../../sfu-server/protocol/shop.ts';
import type { Session } from '../session/session.ts';
import { keepBuyerToken, keepOrderId, readBuyerToken, readOrderId } from './device.ts';

export type CheckoutOptions = ShowResult<'checkoutOptions'>;

export type PurchaseState = {
  /** False until the server knows who is buying, and again while the connection is away. */
  ready: boolean;
  mine: BuyerState;
  options: CheckoutOptions | null;
  /** The order under way or done; null while there are only holds. */
  receipt: Receipt | null;
  /** A hold whose time ran out while its buyer was here: said once, then put away. */
  lapsed: Hold | null;
  /** What is being asked of the server right now, in the words of the button. */
  busy: string | null;
  /** The last thing that did not work, in one sentence. */
  trouble: string | null;
};

/** What the buyer filled in. */
export type Details = { email: string; name: string; fulfilment: Fulfilment };

export type Purchase = ReturnType<typeof createPurchase>;

const nothingYet: PurchaseState = {
  ready: false,
  mine: { holds: [], waiting: [], wishes: [], mails: [] },
  options: null,
  receipt: null,
  lapsed: null,
  busy: null,
  trouble: null,
};

const hasEnded = ({ order }: Receipt): boolean =>
  order.state.kind === 'closed' || order.state.kind === 'refunded';

/** `arrivedFor`: the order whose page this is; it is asked of its provider at once. */
export const createPurchase = (session: Session, options: { arrivedFor?: OrderId } = {}) => {
  const store: StoreApi<PurchaseState> = createStore(() => nothingYet);
  const { arrivedFor } = options;
  let closed = false;
  /** Holds this page gave back itself: their end is no news. */
  const givenBack = new Set<HoldId>();

  const showId = (): string => session.store.getState().show?.id ?? '';

  const takeReceipt = (receipt: Receipt) => {
    const current = store.getState().receipt;
    // News of another order than the one on the page: not asked for.
    if (current && current.order.id !== receipt.order.id && arrivedFor !== undefined) return;
    store.setState({ receipt });
    if (arrivedFor === undefined) keepOrderId(showId(), receipt.order.id);
  };

  const takeMine = (mine: BuyerState) => {
    const { mine: before, receipt } = store.getState();
    const inOrder = receipt !== null && receipt.order.state.kind !== 'details' && !hasEnded(receipt);
    const now = session.clockOffsetMs() + Date.now();
    const gone = before.holds.find(
      (hold) =>
        hold.stage === 'held' &&
        !givenBack.has(hold.id) &&
        hold.deadlineMs <= now + 1_000 &&
        !mine.holds.some(({ id }) => id === hold.id),
    );
    store.setState(gone && !inOrder ? { mine, lapsed: gone } : { mine });
  };

  /** Runs one request at a time; what fails is said in words and changes nothing. */
  const act = async <T>(words: string, work: () => Promise<T>): Promise<T | undefined> => {
    if (store.getState().busy !== null) return undefined;
    store.setState({ busy: words, trouble: null });
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      store.setState({ trouble: error.message });
      return undefined;
    } finally {
      store.setState({ busy: null });
    }
  };

  const lastOrder = async (): Promise<Receipt | null> => {
    const wanted = arrivedFor ?? z.safeParse(orderId, readOrderId(showId())).data;
    if (wanted === undefined) return null;
    try {
      return await session.call('orderStatus', { orderId: wanted, returned: arrivedFor !== undefined });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (arrivedFor !== undefined) store.setState({ trouble: error.message });
      else if (!error.retry) keepOrderId(showId(), null);
      return null;
    }
  };

  const identify = async () => {
    try {
      const { buyerToken, mine } = await session.call('identifyBuyer', { buyerToken: readBuyerToken() });
      keepBuyerToken(buyerToken);
      if (closed) return;
      takeMine(mine);
      store.setState({ ready: true });
      // Holding waits for neither.
      const [checkout, receipt] = await Promise.all([session.call('checkoutOptions', {}), lastOrder()]);
      if (closed) return;
      if (receipt && (arrivedFor !== undefined || !hasEnded(receipt))) store.setState({ receipt });
      store.setState({ options: checkout });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // A lost connection comes back and asks again; all else is said.
      if (error.code !== 'closed') store.setState({ trouble: error.message });
    }
  };

  let joinedAs: string | null = null;
  const look = () => {
    const { connection } = session.store.getState();
    const now = connection.kind === 'joined' ? connection.participantId : null;
    if (now === joinedAs) return;
    joinedAs = now;
    if (now === null) store.setState({ ready: false });
    else void identify();
  };
  const stops = [
    session.listen('mine', takeMine),
    session.listen('receipt', (receipt) => {
      if (receipt.order.id === store.getState().receipt?.order.id) takeReceipt(receipt);
    }),
    session.store.subscribe(look),
  ];
  look();

  /** The order goes on with what is held now: one that was begun with other holds is given back first. */
  const ordered = async (holds: readonly Hold[]): Promise<Receipt> => {
    const receipt = await session.call('beginCheckout', { holdIds: holds.map(({ id }) => id) });
    takeReceipt(receipt);
    return receipt;
  };

  return {
    store,

    hold: (variantId: VariantId, quantity: number, code: string) =>
      act('Holding', async () => {
        const wanted = code.trim() === '' ? { variantId, quantity } : { variantId, quantity, code };
        const hold = await session.call('hold', wanted);
        const { mine } = store.getState();
        store.setState({
          lapsed: null,
          mine: { ...mine, holds: [...mine.holds.filter(({ id }) => id !== hold.id), hold] },
        });
      }),
    changeHold: (holdId: HoldId, quantity: number) =>
      act('Changing', async () => {
        const hold = await session.call('changeHold', { holdId, quantity });
        const { mine } = store.getState();
        store.setState({
          mine: { ...mine, holds: mine.holds.map((one) => (one.id === holdId ? hold : one)) },
        });
      }),
    release: (holdId: HoldId) =>
      act('Giving it back', async () => {
        givenBack.add(holdId);
        await session.call('releaseHold', { holdId });
        const { mine } = store.getState();
        store.setState({ mine: { ...mine, holds: mine.holds.filter(({ id }) => id !== holdId) } });
      }),
    joinWaiting: (variantId: VariantId, quantity: number) =>
      act('Joining', async () => {
        await session.call('joinWaiting', { variantId, quantity });
        store.setState({ lapsed: null });
      }),
    leaveWaiting: (variantId: VariantId) => act('Leaving', () => session.call('leaveWaiting', { variantId })),
    wish: (productId: ProductId, wished: boolean) =>
      act('Saving', async () => {
        await session.call('wish', { productId, wished });
        const { mine } = store.getState();
        const others = mine.wishes.filter((one) => one !== productId);
        store.setState({ mine: { ...mine, wishes: wished ? [...others, productId] : others } });
      }),
    /** Null: no mail after all. Gives whether it was taken. */
    mailWhenItDrops: (productId: ProductId, email: string | null) =>
      act('Saving', async () => {
        await session.call('mailWhenItDrops', { productId, email });
        const { mine } = store.getState();
        const others = mine.mails.filter((one) => one !== productId);
        store.setState({ mine: { ...mine, mails: email === null ? others : [...others, productId] } });
        return true;
      }),

    /** Order, details and payment in one press; pressed again after a failure it goes on where it stopped. */
    pay: (holds: readonly Hold[], details: Details, provider: PaymentProvider) =>
      act('Paying', async () => {
        const { order } = await ordered(holds);
        takeReceipt(await session.call('saveOrderDetails', { orderId: order.id, ...details }));
        takeReceipt(await session.call('payOrder', { orderId: order.id, provider }));
      }),
    refresh: () =>
      act('Asking', async () => {
        const { receipt } = store.getState();
        if (receipt)
          takeReceipt(await session.call('orderStatus', { orderId: receipt.order.id, returned: true }));
      }),
    cancel: () =>
      act('Cancelling', async () => {
        const { receipt } = store.getState();
        if (!receipt) return;
        for (const hold of store.getState().mine.holds) givenBack.add(hold.id);
        takeReceipt(await session.call('cancelOrder', { orderId: receipt.order.id }));
      }),
    /** Puts a finished order away, so that something else can be bought. It stays under its own address. */
    putAway: () => {
      keepOrderId(showId(), null);
      store.setState({ receipt: null, lapsed: null, trouble: null });
    },
    /** The address to post a download to. */
    downloadToken: (lineId: string, productId: ProductId) =>
      act('Preparing', async () => {
        const { receipt } = store.getState();
        if (!receipt) throw new AppError('notFound');
        return session.call('downloadToken', { orderId: receipt.order.id, lineId, productId });
      }),
    receiptText: () =>
      act('Preparing', async () => {
        const { receipt } = store.getState();
        if (!receipt) throw new AppError('notFound');
        return session.call('receiptText', { orderId: receipt.order.id });
      }),
    say: (trouble: string | null) => store.setState({ trouble }),
    seenLapse: () => store.setState({ lapsed: null }),

    close: () => {
      if (closed) return;
      closed = true;
      for (const stop of stops) stop();
    },
    snapshot: () => {
      const { ready, mine, receipt, busy } = store.getState();
      return {
        ready,
        holds: mine.holds.length,
        waiting: mine.waiting.length,
        order: receipt?.order.state.kind,
        busy,
      };
    },
  };
};
