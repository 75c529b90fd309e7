// Everything the shop has: which product fans see, each with its stock, and the whole list as a table file, both ways.
import { useState } from 'react';
import type { Product } from '../../sfu-server/protocol/shop.ts';
import { Button, TwiceButton } from '../ui/controls.tsx';
import { formatCounts, formatMoney, formatStock } from '../ui/format.ts';
import { useShow, useStudio } from './hooks.ts';
import { ProductForm } from './product-form.tsx';
import type { ImportReport } from './shop-desk.ts';

const noProducts: readonly Product[] = [];

export const CataloguePanel = () => {
  const products = useShow((show) => show?.products ?? noProducts);
  const featuredId = useShow((show) => show?.featuredProductId ?? null);
  const { shop } = useStudio();
  const [editing, setEditing] = useState<Product['id'] | 'new' | null>(null);
  const edited = products.find(({ id }) => id === editing) ?? null;
  if (editing !== null && (editing === 'new' || edited)) {
    return <ProductForm key={editing} product={edited} onDone={() => setEditing(null)} />;
  }
  return (
    <>
      <ul className="catalogue">
        {products.map((product) => (
          <li key={product.id}>
            <div className="catalogue-words">
              <p className="drop-title" title={product.name}>
                {product.name}
              </p>
              <p className="hint">
                {formatMoney(product.priceMinor, product.currency)} · {formatStock(product.stock)}
              </p>
              <p className="hint">
                {product.kind === 'bundle' ? 'Bundle' : formatCounts(product.stock)}
                {product.variants.length > 1 && ` · ${product.variants.length} variants`}
              </p>
            </div>
            <div className="button-row">
              <Button
                pressed={product.id === featuredId}
                label={
                  product.id === featuredId
                    ? `Shown to fans: ${product.name}`
                    : `Show ${product.name} to fans`
                }
                onPress={() =>
                  void shop.press('featureProduct', {
                    productId: product.id === featuredId ? null : product.id,
                  })
                }
              >
                {product.id === featuredId ? 'Shown' : 'Show'}
              </Button>
              <Button label={`Edit ${product.name}`} onPress={() => setEditing(product.id)}>
                Edit
              </Button>
              <TwiceButton
                label={`Remove ${product.name}`}
                onPress={() => void shop.press('removeProduct', { productId: product.id })}
              >
                Remove
              </TwiceButton>
            </div>
            {product.kind === 'digital' && <DigitalGoods product={product} />}
          </li>
        ))}
      </ul>
      <div className="button-row">
        <Button kind="action" onPress={() => setEditing('new')}>
          New product
        </Button>
        <Button onPress={() => void shop.download('/api/catalogue.csv', 'catalogue.csv')}>Save as CSV</Button>
      </div>
      <ImportButton />
    </>
  );
};

/** A file for everybody, or one code per piece, one per line. */
const DigitalGoods = ({ product }: { product: Product }) => {
  const { shop } = useStudio();
  const [text, setText] = useState('');
  const [said, setSaid] = useState<string | null>(null);
  const codes = text.split(/\s*\n\s*/).filter((line) => line !== '');
  const add = async () => {
    const answer = await shop.ask('addDigitalCodes', { productId: product.id, codes });
    setSaid(answer.ok ? `${answer.result.added} added, ${answer.result.left} to give out.` : answer.text);
    if (answer.ok) setText('');
  };
  const upload = async (file: File | undefined) => {
    if (!file) return;
    setSaid('Uploading.');
    const answer = await shop.uploadGoods(product.id, file);
    setSaid(answer.ok ? `${file.name} is what buyers download.` : answer.text);
  };
  return (
    <details className="form-more">
      <summary>What buyers get: a file, or codes</summary>
      <div className="form-fields">
        <label className="button">
          Upload the file
          <input
            type="file"
            className="visually-hidden"
            onChange={(event) => void upload(event.target.files?.[0])}
          />
        </label>
        <textarea
          className="input area"
          aria-label={`Codes of ${product.name}, one per line`}
          rows={3}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <Button disabled={codes.length === 0} onPress={() => void add()}>
          Add codes
        </Button>
        {said !== null && (
          <p className="hint" role="status">
            {said}
          </p>
        )}
      </div>
    </details>
  );
};

const ImportButton = () => {
  const { shop } = useStudio();
  const [said, setSaid] = useState<string | null>(null);
  const [errors, setErrors] = useState<ImportReport['errors']>([]);
  const load = async (file: File | undefined) => {
    if (!file) return;
    const answer = await shop.importCatalogue(file);
    setErrors(answer.ok ? answer.result.errors : []);
    if (!answer.ok) setSaid(answer.text);
    else if (answer.result.errors.length > 0)
      setSaid('Nothing was imported. Mend these rows, then try again:');
    else setSaid(`${answer.result.products} products with ${answer.result.variants} variants are in.`);
  };
  return (
    <div className="import">
      <label className="button">
        Import CSV
        <input
          type="file"
          className="visually-hidden"
          accept=".csv,text/csv"
          onChange={(event) => {
            void load(event.target.files?.[0]);
            event.target.value = ''; // The same file again, mended, is a new choice.
          }}
        />
      </label>
      {said !== null && (
        <p className="hint" role="status">
          {said}
        </p>
      )}
      {errors.length > 0 && (
        <ul className="import-errors">
          {errors.map(({ row, text }) => (
            <li key={`${row} ${text}`}>
              <strong>Row {row}</strong> {text}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
};
