// From the room's state and the director's settings to what the compositor lays over the picture; and which words on the
// picture change when the director edits them. Pure.
// Not its job: switching (overlay-desk.ts), files (overlay-files.ts), drawing (media/overlay.ts).
import {
  maxTickerLine,
  maxTickerLines,
  type OverlaySettings,
  type Ticker,
} from '../../sfu-server/protocol/overlays.ts';
import type { Product, Stock } from '../../sfu-server/protocol/shop.ts';
import type { Scene, ShowState } from '../../sfu-server/protocol/state.ts';
import { formatMoney, formatStock } from '../ui/format.ts';
import { offerOf, saleClock, type Offer } from '../ui/offer.ts';
import type { Overlays, QrCard } from './media/scene.ts';

/** What a director turns on and off by itself. A pinned message comes and goes with its words. */
export const overlayNames = ['qr', 'title', 'lowerThird', 'ticker', 'logo'] as const;
export type OverlayName = (typeof overlayNames)[number];

export const isShown = (scene: Scene, name: OverlayName): boolean => {
  switch (name) {
    case 'qr':
      return scene.qrVisible;
    case 'logo':
      return scene.logoVisible;
    case 'title':
    case 'lowerThird':
    case 'ticker':
      return scene[name] !== null;
  }
};

/** The card on the picture is narrow: large numbers leave the total out. */
const cardStock = (stock: Stock): string =>
  stock.total < 1_000 ? formatStock(stock) : formatStock(stock).replace(/ of .*$/, '');

const stockWords = (offer: Offer): string => {
  switch (offer.sale.kind) {
    case 'before':
      return 'Starts in';
    case 'paused':
      return 'Paused';
    case 'open':
    case 'soldOut':
    case 'notOnSale':
    case 'showEnded':
      return cardStock(offer.stock);
  }
};

/** As it will be offered when one more is gone. */
const withOneLess = (offer: Offer): Offer => {
  const stock = { ...offer.stock, left: offer.stock.left - 1 };
  return { ...offer, stock, sale: stock.left > 0 ? offer.sale : { kind: 'soldOut' } };
};

export type SaleCards = {
  qr: QrCard;
  /** What it will most likely be next: with one less, or with its clock a second on. */
  qrSoon: QrCard[];
};

/** The card that sells this product. `origin`: where fans reach the server, no trailing slash. */
export const saleCards = (facts: {
  show: ShowState;
  product: Product;
  settings: OverlaySettings['qrCard'];
  origin: string;
  nowMs: number;
}): SaleCards => {
  const { show, product, settings, origin, nowMs } = facts;
  const money = (priceMinor: number) => formatMoney(priceMinor, product.currency);
  const cardOf = (offer: Offer, atMs: number): QrCard => ({
    url: `${origin}/shop/${show.id}/${product.id}`,
    productName: product.name,
    priceText: money(offer.priceMinor),
    insteadOfText: offer.insteadOfMinor === null ? '' : money(offer.insteadOfMinor),
    stockText: stockWords(offer),
    clockText: saleClock(offer, atMs),
    soldOut: offer.stock.left === 0,
    ...settings,
  });
  const offer = offerOf(show, product, nowMs);
  const qr = cardOf(offer, nowMs);
  const soonMs = nowMs + 1_000;
  const later = cardOf(offerOf(show, product, soonMs), soonMs);
  const qrSoon = offer.sale.kind === 'open' ? [cardOf(withOneLess(offer), nowMs)] : [];
  if (later.clockText !== qr.clockText) qrSoon.push(later);
  return { qr, qrSoon };
};

/** Between two lines of the ticker. */
const tickerGap = '   •   ';

/** `hasLogo`: its picture is on this machine. */
export const overlaysOf = (facts: {
  scene: Scene;
  settings: OverlaySettings;
  sale: SaleCards | null;
  hasLogo: boolean;
}): Overlays => {
  const { scene, settings, sale, hasLogo } = facts;
  const { fileId, corner } = settings.logo;
  return {
    qr: sale?.qr ?? null,
    qrSoon: sale?.qrSoon ?? [],
    lowerThird: scene.lowerThird,
    title: scene.title,
    logo: scene.logoVisible && hasLogo && fileId !== null ? { logoId: fileId, corner } : null,
    ticker: scene.ticker && { text: scene.ticker.lines.join(tickerGap) },
    pinned: scene.pinned,
    brand: settings.brand,
  };
};

/** The scene with an overlay on; null: it has no words yet. */
export const withWords = (
  settings: OverlaySettings,
  name: 'title' | 'lowerThird' | 'ticker',
): Partial<Scene> | null => {
  const { title, lowerThird, ticker } = settings;
  switch (name) {
    case 'title':
      return title.text.trim() === '' ? null : { title };
    case 'lowerThird':
      return lowerThird.title.trim() === '' ? null : { lowerThird };
    case 'ticker':
      return ticker.lines.length === 0 ? null : { ticker };
  }
};

/** What an edit of words changes on the picture: those that are on follow it, and without words they go. Null: nothing. */
export const followWords = (
  scene: Scene,
  before: OverlaySettings,
  now: OverlaySettings,
): Partial<Scene> | null => {
  const changes = (['title', 'lowerThird', 'ticker'] as const)
    .filter((name) => scene[name] !== null && JSON.stringify(before[name]) !== JSON.stringify(now[name]))
    .map((name): Partial<Scene> => withWords(now, name) ?? { [name]: null });
  return changes.length === 0 ? null : changes.reduce((all, each) => ({ ...all, ...each }));
};

/** What was typed, one line each. What is too much is left out. */
export const tickerOf = (typed: string): Ticker => ({
  lines: typed
    .split('\n')
    .map((line) => line.replaceAll(/\s+/g, ' ').trim().slice(0, maxTickerLine))
    .filter((line) => line !== '')
    .slice(0, maxTickerLines),
});
