// What is for sale: the product as fans see it, sales at the table, and the form that changes it.
// Not its job: keeping stock (the server does) or drawing the QR card into the picture (engine.ts).
import { useState, type SyntheticEvent } from 'react';
import type { Product } from '../../sfu-server/protocol/shop.ts';
import { featuredProduct } from '../../sfu-server/protocol/state.ts';
import { Button, Field, Select, type Choice } from '../ui/controls.tsx';
import { formatMoney, formatStock, moneyForField, parseMoney } from '../ui/format.ts';
import { useShow, useStudio } from './hooks.ts';

export const DropPanel = () => {
  const product = useShow((show) => show && featuredProduct(show));
  const [editing, setEditing] = useState(false);
  return (
    <section className="panel drop" aria-labelledby="drop-head">
      <div className="panel-head">
        <h2 id="drop-head">Drop</h2>
        {product && !editing && (
          <Button kind="quiet" onPress={() => setEditing(true)}>
            Edit
          </Button>
        )}
      </div>
      {editing || !product ? (
        <ProductForm product={product} onDone={() => setEditing(false)} />
      ) : (
        <ProductCard product={product} />
      )}
    </section>
  );
};

const ProductCard = ({ product }: { product: Product }) => {
  const studio = useStudio();
  const { stock } = product;
  const share = stock.total === 0 ? 0 : stock.left / stock.total;
  return (
    <div className="drop-card">
      {product.pictureUrl !== null ? (
        <img className="drop-picture" src={product.pictureUrl} alt="" />
      ) : (
        <div className="drop-picture drop-picture-none">No picture</div>
      )}
      <div className="drop-words">
        <p className="drop-name" title={product.name}>
          {product.name}
        </p>
        <p className="drop-price">{formatMoney(product.priceMinor, product.currency)}</p>
      </div>
      <div className="drop-stock">
        <p role="status">
          <strong>{formatStock(stock)}</strong>
          {stock.held > 0 && ` · ${stock.held.toLocaleString()} held`}
        </p>
        <div className="stock-bar" aria-hidden="true">
          <div style={{ transform: `scaleX(${share})` }} />
        </div>
      </div>
      <div className="drop-sale" role="group" aria-label="Sales at the table">
        <span>{stock.sold.toLocaleString()} sold</span>
        <Button
          label="−1: take one sale back"
          disabled={stock.sold === 0}
          onPress={() => void studio.recordSale(-1)}
        >
          −1
        </Button>
        <Button
          label="+1 sold: record one sale"
          disabled={stock.left === 0}
          onPress={() => void studio.recordSale(1)}
        >
          +1 sold
        </Button>
      </div>
    </div>
  );
};

const currencies: readonly Choice[] = [
  'EUR',
  'GBP',
  'USD',
  'CHF',
  'JPY',
  'SEK',
  'DKK',
  'NOK',
  'PLN',
  'CAD',
  'AUD',
].map((code) => ({ value: code, text: code }));

const acceptedPictures = 'image/png,image/jpeg,image/webp,image/avif';

const ProductForm = ({ product, onDone }: { product: Product | null; onDone: () => void }) => {
  const studio = useStudio();
  const [name, setName] = useState(product?.name ?? '');
  const [currency, setCurrency] = useState(product?.currency ?? 'EUR');
  const [price, setPrice] = useState(product ? moneyForField(product.priceMinor, product.currency) : '');
  const [stock, setStock] = useState(product ? String(product.stock.total) : '');
  const [pictureUrl, setPictureUrl] = useState(product?.pictureUrl ?? null);
  const [wrong, setWrong] = useState<{ field: 'name' | 'price' | 'stock' | 'form'; text: string } | null>(
    null,
  );
  const [busy, setBusy] = useState<'saving' | 'uploading' | null>(null);

  const save = async (event: SyntheticEvent) => {
    event.preventDefault();
    const priceMinor = parseMoney(price, currency);
    const stockTotal = /^\d{1,7}$/.test(stock.trim()) ? Number(stock.trim()) : null;
    if (name.trim() === '') return setWrong({ field: 'name', text: 'Give it a name.' });
    if (priceMinor === null)
      return setWrong({ field: 'price', text: 'Write the price as a number, such as 19.90.' });
    if (stockTotal === null)
      return setWrong({ field: 'stock', text: 'Write how many there are, such as 50.' });
    setBusy('saving');
    const outcome = await studio.saveProduct({
      name: name.trim(),
      priceMinor,
      currency,
      stockTotal,
      pictureUrl,
    });
    setBusy(null);
    if (outcome.ok) onDone();
    else setWrong({ field: 'form', text: outcome.text });
  };

  const upload = async (file: File | undefined) => {
    if (!file) return;
    setBusy('uploading');
    const outcome = await studio.uploadPicture(file);
    setBusy(null);
    if (outcome.ok) {
      setPictureUrl(outcome.pictureUrl);
      setWrong(null);
    } else setWrong({ field: 'form', text: outcome.text });
  };

  return (
    <form className="drop-form" onSubmit={(event) => void save(event)}>
      {!product && <p className="hint">What do you sell? Fans see it beside the picture.</p>}
      <Field
        label="Name"
        value={name}
        onChange={setName}
        maxLength={80}
        placeholder="Night tee"
        invalid={wrong?.field === 'name'}
      />
      <div className="form-row">
        <Field
          label="Price"
          value={price}
          onChange={setPrice}
          inputMode="decimal"
          placeholder="20"
          invalid={wrong?.field === 'price'}
        />
        <Select
          label="Currency"
          value={currency}
          choices={
            currencies.some(({ value }) => value === currency)
              ? currencies
              : [{ value: currency, text: currency }, ...currencies]
          }
          onChange={setCurrency}
        />
        <Field
          label="How many"
          value={stock}
          onChange={setStock}
          inputMode="numeric"
          placeholder="50"
          invalid={wrong?.field === 'stock'}
        />
      </div>
      <div className="form-row form-picture">
        {pictureUrl !== null && <img className="form-thumb" src={pictureUrl} alt="Product" />}
        <label className="button">
          {busy === 'uploading' ? 'Uploading' : pictureUrl === null ? 'Add a picture' : 'Change picture'}
          <input
            type="file"
            className="visually-hidden"
            accept={acceptedPictures}
            onChange={(event) => void upload(event.target.files?.[0])}
          />
        </label>
        {pictureUrl !== null && (
          <Button kind="quiet" onPress={() => setPictureUrl(null)}>
            Remove
          </Button>
        )}
      </div>
      {wrong && (
        <p className="form-wrong" role="alert">
          {wrong.text}
        </p>
      )}
      <div className="form-row form-end">
        {product && (
          <Button kind="quiet" onPress={onDone}>
            Cancel
          </Button>
        )}
        <button type="submit" className="button button-action" disabled={busy !== null}>
          {busy === 'saving' ? 'Saving' : product ? 'Save' : 'Add product'}
        </button>
      </div>
    </form>
  );
};
