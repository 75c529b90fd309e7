// Answers what a page asks about orders: checkout and receipt for buyers, counter and pickup for the crew, the rest for the desk.
// Knows who asks, how often they may, and which orders this page follows; the rules are in shop/.
import { createRate } from '../access/rates.ts';
import type { Clock, Handlers } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { ShowContract } from '../protocol/messages.ts';
import type { OrderActor, orderRequests, Receipt } from '../protocol/order-messages.ts';
import type { OrderId } from '../protocol/shop.ts';
import type { BuyerHash } from '../shop/holds.ts';
import type { Member, Show } from './show.ts';

type OrderHandlers = Pick<Handlers<ShowContract>, keyof typeof orderRequests>;

/** Shared by all connections. */
export type OrderLimits = ReturnType<typeof createOrderLimits>;
export const createOrderLimits = (clock: Clock) => {
  const now = () => clock.now();
  return {
    /** Everything that writes or makes a provider work. */
    stepsOfBuyer: createRate({ now, burst: 30, perSecond: 1 }),
    stepsOfAddress: createRate({ now, burst: 4_000, perSecond: 200 }),
  };
};

export type OrderDoorOptions = {
  joined: () => { show: Show; member: Member };
  /** Throws `forbidden` for a page that has not said who is buying. */
  buyer: () => BuyerHash;
  address: string;
  limits: OrderLimits;
  /** To this page: an order it has looked at has changed. */
  tell: (receipt: Receipt) => void;
};

/** Of one connection. Ids cannot be guessed anyway; an address would be that of everybody in the room. */
const maxWrongIds = 30;

/** So much of an address is kept for disputes: a neighbourhood, not a household. */
export const addressPrefix = (address: string): string => {
  const ipv4 = /^(?:::ffff:)?(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}$/.exec(address)?.[1];
  if (ipv4 !== undefined) return `${ipv4}.0/24`;
  const groups = address.split('%')[0]?.split('::')[0]?.split(':').filter(Boolean) ?? [];
  return groups.length < 3 ? '' : `${groups.slice(0, 3).join(':')}::/48`;
};

export const createOrderDoor = ({ joined, buyer, address, limits, tell }: OrderDoorOptions) => {
  const checkout = () => joined().show.shop.checkout;
  const followed = new Map<OrderId, () => void>();
  let wrongIds = 0;

  /** From now on this page hears when the order changes. */
  const following = (receipt: Receipt): Receipt => {
    const { id } = receipt.order;
    if (!followed.has(id)) followed.set(id, checkout().follow(id, tell));
    return receipt;
  };
  /** Counts the step, and ids that lead nowhere. */
  const step = async (run: () => Receipt | Promise<Receipt>): Promise<Receipt> => {
    limits.stepsOfAddress.spend(address);
    if (wrongIds >= maxWrongIds) throw new AppError('tooFast');
    try {
      return following(await run());
    } catch (error) {
      if (error instanceof AppError && error.code === 'notFound') wrongIds += 1;
      throw error;
    }
  };
  const actor = (): OrderActor => {
    const { show, member } = joined();
    if (member.crewId === null) return { kind: 'studio' };
    const name = show.state().crew.find(({ id }) => id === member.crewId)?.name ?? 'crew';
    return { kind: 'crew', crewId: member.crewId, name };
  };

  const handlers: OrderHandlers = {
    checkoutOptions: () => checkout().options(),
    beginCheckout: (params) =>
      step(() => {
        limits.stepsOfBuyer.spend(buyer());
        return checkout().begin(buyer(), params, addressPrefix(address));
      }),
    saveOrderDetails: (params) => step(() => checkout().saveDetails(params)),
    payOrder: (params) =>
      step(() => {
        limits.stepsOfBuyer.spend(params.orderId);
        return checkout().pay(params);
      }),
    orderStatus: (params) => step(() => checkout().status(params)),
    cancelOrder: ({ orderId }) => step(() => checkout().cancel(orderId)),
    myOrders: () => ({ orders: checkout().ofBuyer(buyer()) }),
    downloadToken: (params) => {
      limits.stepsOfBuyer.spend(params.orderId);
      return checkout().downloadToken(params);
    },
    receiptText: ({ orderId }) => checkout().receiptText(orderId),

    findOrder: ({ code }) => checkout().find(code),
    counterQueue: () => ({ orders: checkout().counterQueue() }),
    confirmCounter: (params) => checkout().confirmCounter(params, actor()),
    handOver: (params) => checkout().handOver(params, actor()),

    listOrders: (params) => checkout().list(params),
    inspectOrder: ({ orderId }) => checkout().inspect(orderId),
    refundOrder: (params) => checkout().refund(params),
    cancelOrderByCrew: ({ orderId }) => checkout().cancel(orderId),
    markShipped: (params) => checkout().markShipped(params),
    clearFlag: ({ orderId }) => {
      checkout().clearFlag(orderId);
      return {};
    },
    renewDelivery: ({ orderId }) => checkout().renewDelivery(orderId),
    sendReceipt: ({ orderId }) => checkout().sendReceipt(orderId),
    packingList: () => checkout().packingList(),
    deliverySetup: () => checkout().deliverySetup(),
    saveDeliverySetup: (params) => checkout().saveDeliverySetup(params),
    paymentSetup: () => checkout().paymentSetup(),
    addDigitalCodes: (params) => checkout().addCodes(params),
  };

  return {
    handlers,
    close: () => {
      for (const unfollow of followed.values()) unfollow();
      followed.clear();
    },
  };
};
