// Answers what a page asks of its show's shop. Knows who is on the line, what they may do and how often; the rules are in shop/.
import type { Handlers } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { ShowContract } from '../protocol/messages.ts';
import type { shopRequests } from '../protocol/shop-messages.ts';
import type { Show } from './show.ts';

type ShopHandlers = Pick<Handlers<ShowContract>, keyof typeof shopRequests>;

/** `joined` throws `forbidden` before the page has joined. */
export const shopHandlers = (joined: () => { show: Show }): ShopHandlers => {
  const shop = () => joined().show.shop;
  const notYet = () => {
    throw new AppError('notFound', 'This server does not do that yet.');
  };
  return {
    setProduct: (params) => ({ productId: shop().setProduct(params) }),
    saveProduct: ({ draft }) => ({ productId: shop().saveProduct(draft) }),
    removeProduct: ({ productId }) => done(shop().removeProduct(productId)),
    featureProduct: ({ productId }) => done(shop().feature(productId)),
    recordSale: (params) => done(shop().recordSale(params)),
    saveShopSettings: ({ settings }) => done(shop().saveSettings(settings)),

    saveDrop: notYet,
    removeDrop: notYet,
    startDrop: notYet,
    scheduleDrop: notYet,
    cancelDropStart: notYet,
    pauseDrop: notYet,
    resumeDrop: notYet,
    extendDrop: notYet,
    endDrop: notYet,
    restartDrop: notYet,
    addEarlyAccessCodes: notYet,

    inviteCrew: ({ name }) => joined().show.inviteCrew(name),
    renewCrewLink: ({ crewId }) => ({ token: joined().show.renewCrewLink(crewId) }),
    revokeCrew: ({ crewId }) => done(joined().show.revokeCrew(crewId)),

    identifyBuyer: notYet,
    hold: notYet,
    changeHold: notYet,
    releaseHold: notYet,
    joinWaiting: notYet,
    leaveWaiting: notYet,
    wish: notYet,
  };
};

/** Requests that only do something answer with nothing. */
const done = (_result: void): Record<string, never> => ({});
