// The checkout as an element that any page can put where it likes: choose → held → paid → receipt, in place, never losing what was
// typed. Framework-free, so that the product page stays light and the fan page shows the very same over its playing picture.
// What a step looks like is in its own file; what the server is asked is in purchase.ts.
import type { Hold, Product, ProductId } from '../../sfu-server/protocol/shop.ts';
import type { Session } from '../session/session.ts';
import { countdown, offerOf, type Offer } from '../ui/offer.ts';
import { chooseView } from './choose.ts';
import { detailsView } from './details.ts';
import { make, say, write, type View } from './elements.ts';
import type { Purchase, PurchaseState } from './purchase.ts';

/** What the steps know of their surroundings. */
export type Checkout = {
  readonly purchase: Purchase;
  /** How the payment page opens: the fan page stays open beside it. */
  readonly leaving: 'here' | 'newTab';
  nowMs(): number;
  product(id: ProductId): Product | null;
  offer(product: Product): Offer;
  /** May notify when the drop begins; asks the person for leave. */
  askToTell(): void;
  update(): void;
};

export type CheckoutElement = { readonly root: HTMLElement; close(): void };

type Step = 'choose' | 'details' | 'receipt';

const stepOf = ({ receipt, mine }: PurchaseState): Step => {
  // Details are filled in on the hold's own page until the order waits for its payment.
  const isOpen = receipt !== null && receipt.order.state.kind === 'details';
  if (receipt !== null && !isOpen) return 'receipt';
  return mine.holds.some(({ stage }) => stage === 'held' || stage === 'paying') ? 'details' : 'choose';
};

const tickMs = 500;
/** From here on the clock asks for attention. */
const hurryMs = 60_000;

const notify = (words: string): Notification | null => {
  if (!('Notification' in window) || Notification.permission !== 'granted') return null;
  try {
    return new Notification(words);
  } catch (error) {
    // Phones notify through a service worker only; the page itself has said it.
    if (!(error instanceof TypeError)) throw error;
    return null;
  }
};

export const mountCheckout = (options: {
  session: Session;
  purchase: Purchase;
  leaving: Checkout['leaving'];
  /** What the page is about; null on a receipt's own page. */
  product: () => Product | null;
}): CheckoutElement => {
  const { session, purchase } = options;
  const show = () => session.store.getState().show;
  const nowMs = () => Date.now() + session.clockOffsetMs();

  const checkout: Checkout = {
    purchase,
    leaving: options.leaving,
    nowMs,
    product: (id) => show()?.products.find((one) => one.id === id) ?? null,
    offer: (product) => {
      const state = show();
      if (!state) throw new Error('There is no offer before there is a show.');
      return offerOf(state, product, nowMs());
    },
    askToTell: () => {
      // Only where the browser has it, and never a reason to stop.
      if ('Notification' in window && Notification.permission === 'default') {
        void Notification.requestPermission();
      }
    },
    update: () => update(),
  };

  const testMark = make('p', { class: 'test-money' }, 'Test: nothing is charged.');
  const clock = make('p', { class: 'hold-clock' });
  const time = make('strong', { class: 'hold-time', role: 'timer' });
  const clockWords = make('span');
  clock.append(clockWords, time);
  const news = make('p', { class: 'checkout-news', role: 'status' });
  const seen = make('button', { type: 'button', onclick: () => purchase.seenLapse() }, 'Got it');
  const newsBox = make('div', { class: 'checkout-lapsed' }, news, seen);
  const trouble = make('p', { class: 'checkout-trouble', role: 'alert' });
  const place = make('div');
  const root = make('div', { class: 'checkout' }, testMark, clock, newsBox, trouble, place);

  let step: Step | null = null;
  let view: View | null = null;
  let closed = false;
  const put = (next: View) => {
    view = next;
    place.replaceChildren(next.root);
  };
  /** The receipt draws a code, which is fetched when there is one. */
  const loadReceipt = async () => {
    const { receiptView } = await import('./receipt.ts');
    if (closed || step !== 'receipt') return;
    put(receiptView(checkout));
    update();
  };
  const open = (next: Step) => {
    const first = step === null;
    step = next;
    if (next === 'receipt') void loadReceipt();
    else put(next === 'details' ? detailsView(checkout) : chooseView(checkout, options.product));
    // On a phone the step that follows may be out of sight.
    if (!first) root.scrollIntoView({ block: 'nearest' });
  };

  const lapsedWords = (hold: Hold): string => {
    const product = checkout.product(hold.productId);
    const left = product ? checkout.offer(product).stock.left : 0;
    const name = product?.name ?? 'it';
    return left > 0
      ? `The time for ${name} ran out, and it went back. There are some left: hold one again.`
      : `The time for ${name} ran out, and others were waiting. Join the waiting list to get the next one.`;
  };

  let toldOpen: boolean | null = null;
  /** "Tell me when it drops", while this page is open. */
  const tellStart = () => {
    const product = options.product();
    if (!product || !show()) return;
    const isOpen = checkout.offer(product).sale.kind === 'open';
    const wished = purchase.store.getState().mine.wishes.includes(product.id);
    if (isOpen && toldOpen === false && wished) {
      document.title = `It’s on: ${product.name}`;
      navigator.vibrate?.(200);
      notify(`${product.name} is on sale now`);
    }
    toldOpen = isOpen;
  };

  const update = () => {
    if (closed || !show()) return;
    const state = purchase.store.getState();
    const next = stepOf(state);
    if (next !== step) open(next);
    testMark.hidden = show()?.shop.money !== 'test';
    const holds = state.mine.holds.filter(({ stage }) => stage === 'held' || stage === 'paying');
    const deadlineMs = Math.min(...holds.map((hold) => hold.deadlineMs));
    clock.hidden = next !== 'details';
    if (next === 'details') {
      const offered = holds.some(({ origin }) => origin === 'offered');
      write(clockWords, offered ? 'One came free: held for you for ' : 'Held for you for ');
      write(time, countdown(deadlineMs, nowMs()));
      clock.dataset['hurry'] = String(deadlineMs - nowMs() < hurryMs);
    }
    say(news, state.lapsed ? lapsedWords(state.lapsed) : '');
    newsBox.hidden = state.lapsed === null;
    const { connection } = session.store.getState();
    const away = connection.kind === 'reconnecting' || connection.kind === 'refused';
    say(
      trouble,
      state.trouble ??
        (away ? 'Not connected. Trying again by itself; your hold and what you typed are kept.' : ''),
    );
    tellStart();
    view?.update();
  };

  // Someone who looks has a clock that moves; the rest follows what changes.
  const ticking = setInterval(update, tickMs);
  const stops = [purchase.store.subscribe(update), session.store.subscribe(update)];
  update();

  return {
    root,
    close: () => {
      if (closed) return;
      closed = true;
      clearInterval(ticking);
      for (const stop of stops) stop();
      root.remove();
    },
  };
};
