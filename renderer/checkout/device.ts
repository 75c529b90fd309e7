// What a buyer's own device remembers: who is buying (the key to their holds and orders), the order under way, and what they typed.
// Nothing here is sent anywhere; a browser that keeps nothing (private windows) still buys, only without coming back.

/** The buyer's token, per server. */
const buyerKey = 'buyer';
const orderKey = (show: string) => `order.${show}`;
const typedKey = 'typed';

const forThisPage = new Map<string, string>();

const read = (storage: () => Storage, key: string): string | null => {
  try {
    return storage().getItem(key) ?? forThisPage.get(key) ?? null;
  } catch {
    return forThisPage.get(key) ?? null; // The browser keeps nothing for this page.
  }
};
const write = (storage: () => Storage, key: string, value: string | null): void => {
  if (value === null) forThisPage.delete(key);
  else forThisPage.set(key, value);
  try {
    if (value === null) storage().removeItem(key);
    else storage().setItem(key, value);
  } catch {
    // Full or forbidden: it lasts as long as the page.
  }
};
const lasting = () => localStorage;
const tab = () => sessionStorage;

export const readBuyerToken = (): string | null => read(lasting, buyerKey);
export const keepBuyerToken = (token: string): void => write(lasting, buyerKey, token);

/** The order this device is paying or has paid, until its buyer puts it away. */
export const readOrderId = (show: string): string | null => read(lasting, orderKey(show));
export const keepOrderId = (show: string, order: string | null): void =>
  write(lasting, orderKey(show), order);

/** Fields by name. Kept for the tab only: a shared phone forgets them with it. */
export const readTyped = (): URLSearchParams => new URLSearchParams(read(tab, typedKey) ?? '');
export const keepTyped = (name: string, value: string): void => {
  const typed = readTyped();
  typed.set(name, value);
  write(tab, typedKey, typed.toString());
};
