// The thing on sale, as fans see it beside the picture: what it is, where its drop stands, what it costs, how many are left, one button.
// It counts nothing and sells nothing; what is on offer is offer.ts, buying is the checkout's.
import type { MouseEvent } from 'react';
import type { Product, Stock } from '../../sfu-server/protocol/shop.ts';
import type { ShowId } from '../../sfu-server/protocol/state.ts';
import { formatMoney, formatStock } from './format.ts';
import { countdown, saleWords, type Offer } from './offer.ts';
import { pictureSources } from './product-picture.ts';
import './product-card.css';

/** At or below this share of the stock the count asks for attention. */
const fewShare = 0.2;

export const StockLine = ({ stock }: { stock: Stock }) => {
  const { left, total } = stock;
  const share = total > 0 ? left / total : 0;
  const few = left > 0 && share <= fewShare;
  return (
    <div className="stock" data-level={left === 0 ? 'none' : few ? 'few' : 'plenty'}>
      <p className="stock-words">
        <span>{formatStock(stock)}</span>
        {few && <span className="stock-hint">Almost gone</span>}
      </p>
      <meter className="stock-bar" min={0} max={Math.max(1, total)} value={left} aria-hidden="true" />
    </div>
  );
};

/** The collector variant, while there is something to say of it. */
const collectorWords = ({ variants }: Offer, nowMs: number): string => {
  const one = variants.find(({ collector }) => collector.kind !== 'no');
  switch (one?.collector.kind) {
    case 'here':
      return `${one.variant.name}: only for ${countdown(one.collector.endsMs, nowMs)}`;
    case 'soon':
      return `${one.variant.name}: in the first minutes only`;
    case 'gone':
    case 'no':
    case undefined:
      return '';
  }
};

const buttonWords = ({ sale }: Offer): string => {
  switch (sale.kind) {
    case 'open':
      return 'Get it';
    case 'before':
    case 'notOnSale':
      return 'Tell me when it drops';
    case 'soldOut':
      return 'Join the waiting list';
    case 'paused':
    case 'showEnded':
      return 'See the details';
  }
};

export const ProductCard = (props: {
  showId: ShowId;
  product: Product;
  offer: Offer;
  /** What else the same drop sells: each a link to its own page. */
  also: readonly Offer[];
  /** By the server's clock. */
  nowMs: number;
  /** What this fan holds runs out then; null: they hold nothing. */
  heldUntilMs: number | null;
  /** Why the numbers may be behind, or null while they are live. */
  caution: string | null;
  /** Buying beside the picture. The link itself leads to the product page, for another tab or another phone. */
  onBuy: () => void;
}) => {
  const { product, offer, also, showId, nowMs, heldUntilMs, caution, onBuy } = props;
  const words = saleWords(offer, nowMs);
  const collector = collectorWords(offer, nowMs);
  const held = heldUntilMs !== null && heldUntilMs > nowMs;
  const press = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    onBuy();
  };
  return (
    <article className="product" aria-label={product.name}>
      {product.pictureUrl !== null && (
        <img
          className="product-picture"
          {...pictureAttributes(product.pictureUrl)}
          sizes="(orientation: landscape) 27vw, 100vw"
          alt=""
          decoding="async"
        />
      )}
      <div className="product-text">
        <h2 className="product-name">{product.name}</h2>
        <p className="product-price">
          {offer.insteadOfMinor !== null && <s>{formatMoney(offer.insteadOfMinor, product.currency)}</s>}{' '}
          {formatMoney(offer.priceMinor, product.currency)}
        </p>
      </div>
      {(words !== '' || collector !== '') && (
        <p className="product-drop">
          <span>{words}</span>
          {collector !== '' && <span>{collector}</span>}
        </p>
      )}
      <StockLine stock={offer.stock} />
      {caution !== null && <p className="product-caution">{caution}</p>}
      <a
        className={`button product-button ${offer.sale.kind === 'open' || held ? 'primary' : ''}`}
        href={`/shop/${showId}/${product.id}`}
        onClick={press}
      >
        {held ? `Go on: yours for ${countdown(heldUntilMs, nowMs)}` : buttonWords(offer)}
      </a>
      {also.length > 0 && (
        <nav className="product-also" aria-label="Also in this drop">
          <p aria-hidden="true">Also in this drop</p>
          {also.map(({ product: other, priceMinor, stock }) => (
            <a key={other.id} href={`/shop/${showId}/${other.id}`} target="_blank" rel="noreferrer">
              <span>{other.name}</span>
              <span>
                {formatMoney(priceMinor, other.currency)} · {formatStock(stock)}
              </span>
            </a>
          ))}
        </nav>
      )}
    </article>
  );
};

const pictureAttributes = (url: string): { src: string; srcSet?: string } => {
  const { src, srcset } = pictureSources(url);
  return srcset === '' ? { src } : { src, srcSet: srcset };
};
