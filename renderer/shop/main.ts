// The product page behind the QR code and the button: what it is, what it costs, how many are left right now, and the checkout.
// The same page shows an order by its own address. No framework and no player: it opens fast on a phone that is watching a stream.
import * as z from 'zod/mini';
import {
  orderId,
  productId,
  type Product,
  type ProductId,
  type Stock,
  type Variant,
} from '../../sfu-server/protocol/shop.ts';
import { featuredProduct, showId, type ShowState } from '../../sfu-server/protocol/state.ts';
import { mountCheckout } from '../checkout/checkout.ts';
import { createPurchase } from '../checkout/purchase.ts';
import { createSession, type SessionState } from '../session/session.ts';
import { formatCounts, formatMoney, formatStock, formatWhole } from '../ui/format.ts';
import { alsoInDrop, offerOf, saleWords, type Offer } from '../ui/offer.ts';
import { pictureSources } from '../ui/product-picture.ts';

const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}.`);
  return found;
};
const write = (id: string, text: string): void => {
  const target = element(id);
  // Writing the same words again would make a screen reader say them again.
  if (target.textContent !== text) target.textContent = text;
};
const say = (id: string, text: string): void => {
  write(id, text);
  show(id, text !== '');
};
const linkTo = (id: string, href: string): void => element(id).setAttribute('href', href);
const show = (id: string, visible: boolean): void => {
  element(id).hidden = !visible;
};

const readPart = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return ''; // A broken link leads to no product, which the page says.
  }
};
const [, kind = '', showPart = '', productPart = ''] = location.pathname.split('/').map(readPart);
const wantedPage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('shop'), showId, productId }),
  // The order's id is the key to its receipt: it stays in the fragment, out of every log.
  z.object({ kind: z.literal('order'), showId, orderId }),
]);
const wanted = z.safeParse(wantedPage, {
  kind,
  showId: showPart,
  productId: productPart,
  orderId: location.hash.slice(1),
});

const showWords = (state: ShowState): string => {
  switch (state.phase.kind) {
    case 'setup':
      return 'The show starts soon';
    case 'live':
      return 'The show is live';
    case 'ended':
      return 'The show has ended';
  }
};

const renderEmpty = (title: string, text: string, link: { href: string; words: string }) => {
  show('sheet', false);
  show('empty', true);
  write('empty-title', title);
  write('empty-text', text);
  write('empty-link', link.words);
  linkTo('empty-link', link.href);
};

const renderPicture = (url: string | null) => {
  show('picture-frame', url !== null);
  const image = element('picture');
  if (url === null || image.dataset['url'] === url) return;
  image.dataset['url'] = url;
  const { src, srcset } = pictureSources(url);
  if (srcset !== '') image.setAttribute('srcset', srcset);
  image.setAttribute('src', src);
};

/** Of a bundle: "2 × Poster", by the products its parts belong to. */
const contentsOf = (variant: Variant | undefined, state: ShowState): string[] =>
  (variant?.components ?? []).map(({ sku, quantity }) => {
    const owner = state.products.find(
      (one) => one.kind !== 'bundle' && one.variants.some((each) => each.sku === sku),
    );
    const part = owner?.variants.find((each) => each.sku === sku);
    const name = [owner?.name ?? sku, part?.name ?? ''].filter((words) => words !== '').join(', ');
    return `${quantity} × ${name}`;
  });

/** What is held may come back: that is not sold out yet. */
const stockWords = (stock: Stock): string =>
  stock.left === 0 && stock.held > 0 ? `0 left of ${formatWhole(stock.total)}` : formatStock(stock);

const linksShown = new Map<string, string>();
/** Other products, each a link. Their words change with every sale, so the links are made anew only when they do. */
const renderLinks = (id: 'also' | 'wishes', others: readonly Offer[], state: ShowState) => {
  show(id, others.length > 0);
  const rows = others.map(({ product, priceMinor, stock }) => ({
    href: `/shop/${encodeURIComponent(state.id)}/${encodeURIComponent(product.id)}`,
    name: product.name,
    words: `${formatMoney(priceMinor, product.currency)} · ${formatStock(stock)}`,
  }));
  const now = JSON.stringify(rows);
  if (now === linksShown.get(id)) return;
  linksShown.set(id, now);
  element(`${id}-list`).replaceChildren(
    ...rows.map(({ href, name, words }) => {
      const item = document.createElement('li');
      const link = document.createElement('a');
      const aside = document.createElement('span');
      link.href = href;
      aside.textContent = words;
      link.append(name, aside);
      item.append(link);
      return item;
    }),
  );
};

let contentsShown = '';
const renderProduct = (
  product: Product,
  state: ShowState,
  wishes: readonly ProductId[],
  behind: boolean,
  nowMs: number,
) => {
  const offer = offerOf(state, product, nowMs);
  const title = `${product.name} · ${state.title}`;
  if (!document.title.startsWith('It’s on')) document.title = title;
  show('empty', false);
  show('sheet', true);
  write('name', product.name);
  write('price', formatMoney(offer.priceMinor, product.currency));
  say(
    'price-before',
    offer.insteadOfMinor === null ? '' : formatMoney(offer.insteadOfMinor, product.currency),
  );
  write('vat', product.vatNote || state.shop.vatNote);
  say('drop-line', saleWords(offer, nowMs));
  write('stock', stockWords(offer.stock));
  element('stock').dataset['left'] = offer.stock.left === 0 ? 'none' : 'some';
  // A bundle counts what its parts still make: there is no number of its own to tell.
  say('counts', product.kind === 'bundle' ? '' : formatCounts(offer.stock));
  renderPicture(product.pictureUrl);
  say('description', product.description);
  const contents = product.kind === 'bundle' ? contentsOf(product.variants[0], state) : [];
  show('contents-box', contents.length > 0);
  if (contents.join('\n') !== contentsShown) {
    contentsShown = contents.join('\n');
    element('contents').replaceChildren(
      ...contents.map((words) => {
        const item = document.createElement('li');
        item.textContent = words;
        return item;
      }),
    );
  }
  renderLinks('also', alsoInDrop(state, offer, nowMs), state);
  const wished = state.products.filter(({ id }) => id !== product.id && wishes.includes(id));
  renderLinks(
    'wishes',
    wished.map((one) => offerOf(state, one, nowMs)),
    state,
  );
  say('seller', state.shop.seller === '' ? '' : `Sold by ${state.shop.seller}`);
  say('caution', behind ? 'Not connected: the number left may have changed. Trying again by itself.' : '');
};

const open = (page: z.infer<typeof wantedPage>) => {
  const session = createSession({ identity: { as: 'viewer', showId: page.showId }, media: false });
  const purchase = createPurchase(session, page.kind === 'order' ? { arrivedFor: page.orderId } : {});
  const mine = (): Product | null => {
    if (page.kind === 'order') return null;
    return session.store.getState().show?.products.find(({ id }) => id === page.productId) ?? null;
  };
  const checkout = mountCheckout({ session, purchase, leaving: 'here', product: mine });
  element('checkout').append(checkout.root);
  let goneTo = '';
  const followPayment = () => {
    const { receipt } = purchase.store.getState();
    // Once, right after Pay: who comes back finds the receipt and a button.
    const url = receipt?.order.state.kind === 'awaitingPayment' ? receipt.payUrl : null;
    if (page.kind === 'order' || url === null || url === goneTo || !pressedPay) return;
    goneTo = url;
    location.assign(url);
  };
  let pressedPay = false;
  purchase.store.subscribe(({ busy }) => {
    if (busy === 'Paying') pressedPay = true;
    followPayment();
  });

  const render = (state: SessionState): void => {
    const { connection } = state;
    if (!state.show) {
      if (connection.kind === 'refused') {
        renderEmpty('Nothing to see here', connection.text, { href: '/', words: 'Go to the current show' });
      } else if (connection.kind === 'reconnecting') {
        write('show-state', 'No connection. Trying again by itself.');
      }
      return;
    }
    const watch = `/watch/${encodeURIComponent(state.show.id)}`;
    linkTo('back', watch);
    write('show-state', showWords(state.show));
    element('show-state').dataset['phase'] = state.show.phase.kind;
    if (page.kind === 'order') {
      document.title = `Your order · ${state.show.title}`;
      show('facts', false);
      show('about', false);
      show('sheet', true);
      return;
    }
    const product = mine();
    const other = featuredProduct(state.show);
    // Who has an order or a hold keeps their page, also when the product is gone from the shop.
    const { receipt, mine: own } = purchase.store.getState();
    if (product) {
      const behind = connection.kind === 'reconnecting' || connection.kind === 'refused';
      renderProduct(product, state.show, own.wishes, behind, Date.now() + session.clockOffsetMs());
    } else if (receipt || own.holds.length > 0) {
      show('empty', false);
      show('facts', false);
      show('sheet', true);
    } else if (other) {
      renderEmpty('This one is not on sale any more', `On sale now: ${other.name}.`, {
        href: `/shop/${encodeURIComponent(state.show.id)}/${encodeURIComponent(other.id)}`,
        words: 'See what is on sale',
      });
    } else {
      renderEmpty('Nothing is on sale right now', 'It may come back during the show.', {
        href: watch,
        words: 'Watch the show',
      });
    }
  };

  const renderNow = () => render(session.store.getState());
  session.store.subscribe(renderNow);
  purchase.store.subscribe(renderNow);
  setInterval(renderNow, 500);
  renderNow();
  addEventListener('pagehide', (event) => {
    if (event.persisted) return; // It may come back, and then reconnects by itself.
    checkout.close();
    purchase.close();
    session.close();
  });
};

if (wanted.success) open(wanted.data);
else {
  renderEmpty('There is no product at this address', 'Check the link, or go to the show.', {
    href: '/',
    words: 'Go to the current show',
  });
}
