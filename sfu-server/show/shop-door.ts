// Answers what a page asks of its show's shop. Knows who is on the line, which buyer they are and how often they may ask; the rules of
// selling are in shop/, those of orders behind order-door.ts.
import { hashToken, newToken } from '../access/tokens.ts';
import { createRate } from '../access/rates.ts';
import type { Clock, Handlers } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { ShowContract, ShowParams } from '../protocol/messages.ts';
import type { shopRequests } from '../protocol/shop-messages.ts';
import type { BuyerState, DropId, Hold } from '../protocol/shop.ts';
import type { DropAction } from '../shop/drop-state.ts';
import { buyerHash, type BuyerHash } from '../shop/holds.ts';
import type { Show } from './show.ts';

type ShopHandlers = Pick<Handlers<ShowContract>, keyof typeof shopRequests>;

/**
 * Shared by all connections. Fans in one room share an address, so that an address may do a lot; guessing codes it may not.
 */
export type ShopLimits = ReturnType<typeof createShopLimits>;
export const createShopLimits = (clock: Clock) => {
  const now = () => clock.now();
  return {
    newBuyersOfAddress: createRate({ now, burst: 2_000, perSecond: 50 }),
    holdsOfAddress: createRate({ now, burst: 4_000, perSecond: 400 }),
    holdsOfBuyer: createRate({ now, burst: 20, perSecond: 1 }),
    wrongCodesOfAddress: createRate({ now, burst: 60, perSecond: 0.5 }),
    /** Each may send a mail to somebody who never asked. */
    mailsOfAddress: createRate({ now, burst: 100, perSecond: 0.2 }),
    wrongCodesOfBuyer: createRate({ now, burst: 5, perSecond: 0.1 }),
  };
};

export type ShopDoorOptions = {
  /** Throws `forbidden` before the page has joined. */
  joined: () => { show: Show };
  /** Network address of the page. */
  address: string;
  limits: ShopLimits;
  /** To this page: what its buyer may know of themselves. */
  tellMine: (mine: BuyerState) => void;
};

export const createShopDoor = ({ joined, address, limits, tellMine }: ShopDoorOptions) => {
  const shop = () => joined().show.shop;
  let identity: { buyer: BuyerHash; unwatch: () => void } | undefined;

  /** Throws `forbidden` for a page that has not said who is buying. */
  const buyer = (): BuyerHash => {
    if (!identity) throw new AppError('forbidden', 'Say who is buying first.');
    return identity.buyer;
  };

  const identify = (given: string | null) => {
    if (given === null) limits.newBuyersOfAddress.spend(address);
    const buyerToken = given ?? newToken();
    const hash = buyerHash.parse(hashToken(buyerToken));
    identity?.unwatch();
    identity = { buyer: hash, unwatch: shop().watchBuyer(hash, tellMine) };
    return { buyerToken, mine: shop().buyerState(hash) };
  };

  /** A buyer who wants something: counted by buyer and by address. */
  const wanting = (): BuyerHash => {
    const hash = buyer();
    limits.holdsOfBuyer.spend(hash);
    limits.holdsOfAddress.spend(address);
    return hash;
  };

  const hold = async ({ variantId, quantity, code }: ShowParams<'hold'>) => {
    const hash = wanting();
    const holding = () => shop().holds.holdInRush(hash, variantId, quantity, code);
    return code === undefined ? holding() : guessing(hash, holding);
  };

  /** Counted before it is known whether the code is right: many guesses may be on their way at once. */
  const guessing = async (hash: BuyerHash, holding: () => Promise<Hold>): Promise<Hold> => {
    limits.wrongCodesOfBuyer.check(hash);
    limits.wrongCodesOfAddress.spend(address);
    limits.wrongCodesOfBuyer.spend(hash);
    let isWrong = false;
    try {
      return await holding();
    } catch (error) {
      isWrong = error instanceof AppError && error.code === 'badCode';
      throw error;
    } finally {
      if (!isWrong) {
        limits.wrongCodesOfBuyer.giveBack(hash);
        limits.wrongCodesOfAddress.giveBack(address);
      }
    }
  };

  const act = (id: DropId, action: DropAction) => {
    const { show } = joined();
    if (show.state().phase.kind === 'ended') throw new AppError('wrongPhase', 'The show is over.');
    show.shop.drops.act(id, action);
    return {};
  };

  const handlers: ShopHandlers = {
    setProduct: (params) => ({ productId: shop().setProduct(params) }),
    saveProduct: ({ draft }) => ({ productId: shop().saveProduct(draft) }),
    removeProduct: ({ productId }) => done(shop().removeProduct(productId)),
    featureProduct: ({ productId }) => done(shop().feature(productId)),
    recordSale: (params) => done(shop().recordSale(params)),
    saveShopSettings: ({ settings }) => done(shop().saveSettings(settings)),

    saveDrop: ({ draft }) => ({ dropId: shop().drops.save(draft) }),
    removeDrop: ({ dropId }) => done(shop().drops.remove(dropId)),
    startDrop: ({ dropId, countdownMs }) => act(dropId, { kind: 'start', countdownMs }),
    scheduleDrop: ({ dropId, startsMs, countdownMs }) =>
      act(dropId, { kind: 'schedule', startsMs, countdownMs }),
    cancelDropStart: ({ dropId }) => act(dropId, { kind: 'cancelStart' }),
    pauseDrop: ({ dropId }) => act(dropId, { kind: 'pause' }),
    resumeDrop: ({ dropId }) => act(dropId, { kind: 'resume' }),
    extendDrop: ({ dropId, byMs }) => act(dropId, { kind: 'extend', byMs }),
    endDrop: ({ dropId }) => act(dropId, { kind: 'end', by: 'director' }),
    restartDrop: ({ dropId, countdownMs }) => ({ dropId: shop().restartDrop(dropId, countdownMs) }),
    addEarlyAccessCodes: ({ dropId, count, usesEach }) => ({
      codes: shop().drops.addCodes(dropId, count, usesEach),
    }),

    inviteCrew: ({ name }) => joined().show.inviteCrew(name),
    renewCrewLink: ({ crewId }) => ({ token: joined().show.renewCrewLink(crewId) }),
    revokeCrew: ({ crewId }) => done(joined().show.revokeCrew(crewId)),

    identifyBuyer: ({ buyerToken }) => identify(buyerToken),
    hold,
    changeHold: ({ holdId, quantity }) => shop().holds.change(wanting(), holdId, quantity),
    releaseHold: ({ holdId }) => done(shop().holds.letGo(buyer(), holdId)),
    joinWaiting: ({ variantId, quantity }) => ({
      place: shop().holds.joinWaiting(wanting(), variantId, quantity),
    }),
    leaveWaiting: ({ variantId }) => done(shop().holds.leaveWaiting(buyer(), variantId)),
    mailWhenItDrops: (params) => {
      const hash = wanting();
      if (params.email !== null) limits.mailsOfAddress.spend(address);
      return done(shop().mailWhenItDrops(hash, params));
    },
    wish: ({ productId, wished }) => done(shop().wish(wanting(), productId, wished)),
  };

  return {
    handlers,
    buyer,
    close: () => {
      identity?.unwatch();
      identity = undefined;
    },
  };
};

/** Requests that only do something answer with nothing. */
const done = (_result: void): Record<string, never> => ({});
