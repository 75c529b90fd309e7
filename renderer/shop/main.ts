// The product page behind the QR code and the button: what it is, what it costs, how many are left right now, how to get it.
// No framework and no player: it opens fast on a phone that is watching a stream at the same time.
import * as z from 'zod/mini';
import { productId, type Product } from '../../sfu-server/protocol/shop.ts';
import { featuredProduct, showId, type ShowState } from '../../sfu-server/protocol/state.ts';
import { createSession, type SessionState } from '../session/session.ts';
import { formatMoney, formatStock } from '../ui/format.ts';

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
const linkTo = (id: string, href: string): void => element(id).setAttribute('href', href);
const show = (id: string, visible: boolean): void => {
  element(id).hidden = !visible;
};

const [, , showPart = '', productPart = ''] = location.pathname.split('/').map(decodeURIComponent);
const wanted = z.safeParse(z.object({ showId, productId }), { showId: showPart, productId: productPart });

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

/** How to get one now. Paying on this page is not offered until it works. */
const howToGet = (product: Product, state: ShowState): { title: string; text: string } => {
  if (product.stock.left === 0) {
    return {
      title: 'Sold out',
      text: 'Every piece has found somebody. This page says so if one comes back.',
    };
  }
  if (state.phase.kind === 'ended') {
    return { title: 'The show has ended', text: 'Ask at the table whether there are pieces left.' };
  }
  return {
    title: 'Show this page at the table to buy',
    text: 'You pay there. Nothing is reserved until the crew hands it over, and the number above is live.',
  };
};

const renderEmpty = (title: string, text: string, link: { href: string; words: string }) => {
  show('sheet', false);
  show('empty', true);
  write('empty-title', title);
  write('empty-text', text);
  write('empty-link', link.words);
  linkTo('empty-link', link.href);
};

const renderProduct = (product: Product, state: ShowState, behind: boolean) => {
  document.title = `${product.name} · ${state.title}`;
  show('empty', false);
  show('sheet', true);
  write('name', product.name);
  write('price', formatMoney(product.priceMinor, product.currency));
  write('stock', formatStock(product.stock));
  element('stock').dataset['left'] = product.stock.left === 0 ? 'none' : 'some';
  const picture = element('picture');
  picture.hidden = product.pictureUrl === null;
  if (product.pictureUrl !== null && picture.getAttribute('src') !== product.pictureUrl) {
    picture.setAttribute('src', product.pictureUrl);
  }
  const how = howToGet(product, state);
  write('how-title', how.title);
  write('how-text', how.text);
  show('caution', behind);
  write('caution', behind ? 'Not connected: the number left may have changed. Trying again by itself.' : '');
};

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
  const mine = state.show.products.find(({ id }) => wanted.success && id === wanted.data.productId);
  const product = featuredProduct(state.show);
  if (mine) {
    renderProduct(mine, state.show, connection.kind === 'reconnecting' || connection.kind === 'refused');
    return;
  }
  if (product) {
    renderEmpty('This one is not on sale any more', `On sale now: ${product.name}.`, {
      href: `/shop/${encodeURIComponent(state.show.id)}/${encodeURIComponent(product.id)}`,
      words: 'See what is on sale',
    });
  } else {
    renderEmpty('Nothing is on sale right now', 'It may come back during the show.', {
      href: watch,
      words: 'Watch the show',
    });
  }
};

if (wanted.success) {
  const session = createSession({ identity: { as: 'viewer', showId: wanted.data.showId }, media: false });
  session.store.subscribe(render);
  render(session.store.getState());
  addEventListener('pagehide', (event) => {
    if (!event.persisted) session.close();
  });
} else {
  renderEmpty('There is no product at this address', 'Check the link, or go to the show.', {
    href: '/',
    words: 'Go to the current show',
  });
}
