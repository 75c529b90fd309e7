// Answers what a page asks about orders: checkout, receipt, counter, delivery. The rules are in shop/.
import type { Handlers } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { ShowContract } from '../protocol/messages.ts';
import type { orderRequests } from '../protocol/order-messages.ts';

type OrderHandlers = Pick<Handlers<ShowContract>, keyof typeof orderRequests>;

export const orderHandlers = (): OrderHandlers => {
  const notYet = () => {
    throw new AppError('notFound', 'This server does not do that yet.');
  };
  return {
    checkoutOptions: notYet,
    beginCheckout: notYet,
    saveOrderDetails: notYet,
    payOrder: notYet,
    orderStatus: notYet,
    cancelOrder: notYet,
    myOrders: notYet,
    downloadToken: notYet,
    receiptText: notYet,
    findOrder: notYet,
    counterQueue: notYet,
    confirmCounter: notYet,
    handOver: notYet,
    listOrders: notYet,
    inspectOrder: notYet,
    refundOrder: notYet,
    cancelOrderByCrew: notYet,
    markShipped: notYet,
    clearFlag: notYet,
    renewDelivery: notYet,
    sendReceipt: notYet,
    packingList: notYet,
    deliverySetup: notYet,
    saveDeliverySetup: notYet,
    paymentSetup: notYet,
    addDigitalCodes: notYet,
  };
};
