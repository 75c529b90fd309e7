// Somebody who holds a piece through a failure and looks afterwards whether it is still theirs, with the same deadline.
// Speaks the protocol as a shop page does, each time over a new connection; no page, no payment.
import { joinViewer } from '../../tests/support/client.ts';

export type HeldPiece = {
  /** 1 when the hold is gone or was changed, else 0. What is left of it is given back. */
  lost(origin: string): Promise<number>;
};

const asBuyer = async (origin: string, showId: string, buyerToken: string | null) => {
  const page = await joinViewer(origin, showId);
  const identified = await page.channel.call('identifyBuyer', { buyerToken });
  return { page, ...identified };
};

/** Holds one of the first variant on sale. */
export const holdOnePiece = async (origin: string, showId: string): Promise<HeldPiece> => {
  const { page, buyerToken } = await asBuyer(origin, showId, null);
  const variantId = page.joined.state.products[0]?.variants[0]?.id;
  if (variantId === undefined) throw new Error('There is nothing to hold.');
  const hold = await page.channel.call('hold', { variantId, quantity: 1 });
  page.close();
  return {
    lost: async (now) => {
      const back = await asBuyer(now, showId, buyerToken);
      const found = back.mine.holds.find(({ id }) => id === hold.id);
      if (found) await back.page.channel.call('releaseHold', { holdId: found.id });
      back.page.close();
      return found?.stage === 'held' && found.deadlineMs === hold.deadlineMs ? 0 : 1;
    },
  };
};
