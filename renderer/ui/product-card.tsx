// The thing on sale, as fans see it beside the picture: what it is, what it costs, how many are left, one button.
// It counts nothing and sells nothing; stock comes from the show's state, buying is the product page's.
import type { Product } from '../../sfu-server/protocol/shop.ts';
import type { ShowId } from '../../sfu-server/protocol/state.ts';
import { formatMoney, formatStock } from './format.ts';
import './product-card.css';

/** At or below this share of the stock the count asks for attention. */
const fewShare = 0.2;

export const StockLine = ({ stock }: { stock: Product['stock'] }) => {
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

export const ProductCard = (props: {
  showId: ShowId;
  product: Product;
  /** False once the show is over. */
  onSale: boolean;
  /** Why the numbers may be behind, or null while they are live. */
  caution: string | null;
}) => {
  const { product, showId, onSale, caution } = props;
  const available = onSale && product.stock.left > 0;
  return (
    <article className="product" aria-label={product.name}>
      {product.pictureUrl !== null && (
        <img className="product-picture" src={product.pictureUrl} alt="" decoding="async" />
      )}
      <div className="product-text">
        <h2 className="product-name">{product.name}</h2>
        <p className="product-price">{formatMoney(product.priceMinor, product.currency)}</p>
      </div>
      <StockLine stock={product.stock} />
      {caution !== null && <p className="product-caution">{caution}</p>}
      {/* Another tab, so that the picture goes on. */}
      <a
        className={`button product-button ${available ? 'primary' : ''}`}
        href={`/shop/${showId}/${product.id}`}
        target="_blank"
        rel="noopener"
      >
        {available ? 'Get it' : 'See the details'}
        <span className="visually-hidden"> (opens in a new tab)</span>
      </a>
    </article>
  );
};
