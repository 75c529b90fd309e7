// The form of one product. The first one is a name, a price and a number; all else (variants, bundles, limits) is under "More".
// Not its job: what the server accepts (protocol/shop-messages.ts), whose sentence is shown as it is.
import { useState, type SyntheticEvent } from 'react';
import {
  defaultLinkLifeMs,
  maxPictureBytes,
  maxPieces,
  maxStock,
  type ProductDraft,
} from '../../sfu-server/protocol/shop-messages.ts';
import type { Product, Variant } from '../../sfu-server/protocol/shop.ts';
import { Button, Field, Select, type Choice } from '../ui/controls.tsx';
import { formatWhole, moneyForField, moneyHint, parseMoney } from '../ui/format.ts';
import { pictureSources } from '../ui/product-picture.ts';
import { useShow, useStudio } from './hooks.ts';

export const currencies: readonly Choice[] = [
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

const hourMs = 3_600_000;
const acceptedPictures = 'image/png,image/jpeg,image/webp,image/avif';

const kinds: readonly (Choice & { value: ProductDraft['kind'] })[] = [
  { value: 'physical', text: 'A thing' },
  { value: 'printOnDemand', text: 'Printed on demand' },
  { value: 'digital', text: 'Digital: file or code' },
  { value: 'bundle', text: 'Bundle of others' },
];

/** A variant as it is typed. `parts`: of a bundle, "2 × TEE-M" as SKU and number. */
type Row = {
  key: number;
  id: Variant['id'] | null;
  name: string;
  sku: string;
  price: string;
  stock: string;
  parts: { sku: string; quantity: string }[];
};

let keys = 0;
const emptyRow = (): Row => ({
  key: (keys += 1),
  id: null,
  name: '',
  sku: '',
  price: '',
  stock: '',
  parts: [],
});

const rowOf = (variant: Variant, product: Product): Row => ({
  key: (keys += 1),
  id: variant.id,
  name: variant.name,
  sku: variant.sku,
  price: variant.priceMinor === null ? '' : moneyForField(variant.priceMinor, product.currency),
  stock: String(variant.stock.total),
  parts: variant.components.map(({ sku, quantity }) => ({ sku, quantity: String(quantity) })),
});

const whole = (text: string, most = maxStock): number | null =>
  /^\d{1,7}$/.test(text.trim()) && Number(text) <= most ? Number(text) : null;
/** A number of pieces that one buyer or one bundle can have. */
const pieces = (text: string): number | null => whole(text, maxPieces) || null;

type Wrong = { field: 'name' | 'price' | 'stock' | 'form'; text: string };

export const ProductForm = ({ product, onDone }: { product: Product | null; onDone: () => void }) => {
  const { shop } = useStudio();
  const known = useShow((show) => show?.products ?? noProducts);
  const shopCurrency = useShow((show) => show?.shop.currency ?? 'EUR');
  const first = known.length === 0;
  const [name, setName] = useState(product?.name ?? '');
  const [firstCurrency, setCurrency] = useState<string | null>(null);
  const currency = product?.currency ?? firstCurrency ?? shopCurrency;
  const [price, setPrice] = useState(product ? moneyForField(product.priceMinor, product.currency) : '');
  const [rows, setRows] = useState<readonly Row[]>(() =>
    product ? product.variants.map((variant) => rowOf(variant, product)) : [emptyRow()],
  );
  const [pictureUrl, setPictureUrl] = useState(product?.pictureUrl ?? null);
  const [kind, setKind] = useState<ProductDraft['kind']>(product?.kind ?? 'physical');
  const [description, setDescription] = useState(product?.description ?? '');
  const [vatNote, setVatNote] = useState(product?.vatNote ?? '');
  const [maxPerBuyer, setMaxPerBuyer] = useState(product?.maxPerBuyer?.toString() ?? '');
  const [selling, setSelling] = useState<ProductDraft['selling']>(product?.selling ?? 'open');
  const [linkHours, setLinkHours] = useState(String((product?.linkLifeMs ?? defaultLinkLifeMs) / hourMs));
  const [wrong, setWrong] = useState<Wrong | null>(null);
  const [busy, setBusy] = useState<'saving' | 'uploading' | null>(null);
  const single = rows.length === 1 && kind !== 'bundle';

  const setRow = (key: number, change: Partial<Row>) =>
    setRows(rows.map((row) => (row.key === key ? { ...row, ...change } : row)));

  /** The draft, or what is wrong with it. */
  const draft = (): ProductDraft | Wrong => {
    const priceMinor = parseMoney(price, currency);
    if (name.trim() === '') return { field: 'name', text: 'Give it a name.' };
    if (priceMinor === null) return { field: 'price', text: `Write the price as ${moneyHint(currency)}.` };
    if (maxPerBuyer.trim() !== '' && pieces(maxPerBuyer) === null)
      return {
        field: 'form',
        text: `Write the most per buyer as a number from 1 to ${maxPieces}, or leave it empty.`,
      };
    const basics = {
      id: product?.id ?? null,
      name: name.trim(),
      description,
      priceMinor,
      vatNote,
      maxPerBuyer: pieces(maxPerBuyer),
      selling,
      pictureUrl,
    };
    const ofRow = (row: Row) => ({
      id: row.id,
      name: row.name.trim(),
      sku: row.sku.trim() === '' ? null : row.sku.trim(),
      priceMinor: row.price.trim() === '' ? null : parseMoney(row.price, currency),
    });
    if (rows.some((row) => row.price.trim() !== '' && parseMoney(row.price, currency) === null))
      return {
        field: 'form',
        text: `Write a variant’s price as ${moneyHint(currency)}, or leave it empty for the product’s.`,
      };
    if (kind === 'bundle') {
      if (
        rows.some(({ parts }) => parts.length === 0 || parts.some((part) => pieces(part.quantity) === null))
      )
        return { field: 'form', text: `A bundle needs parts, each with a number from 1 to ${maxPieces}.` };
      return {
        kind,
        ...basics,
        variants: rows.map((row) => ({
          ...ofRow(row),
          components: row.parts.map((part) => ({ sku: part.sku, quantity: pieces(part.quantity) ?? 1 })),
        })),
      };
    }
    if (rows.some((row) => whole(row.stock) === null))
      return {
        field: 'stock',
        text: `Write how many there are, such as 50; ${formatWhole(maxStock)} at most.`,
      };
    const variants = rows.map((row) => ({ ...ofRow(row), stockTotal: whole(row.stock) ?? 0 }));
    if (kind !== 'digital') return { kind, ...basics, variants };
    const hours = whole(linkHours);
    if (hours === null || hours < 1 || hours > 720)
      return { field: 'form', text: 'Write for how many hours buyers can have it, from 1 to 720.' };
    return { kind, ...basics, linkLifeMs: hours * hourMs, variants };
  };

  const store = async (made: ProductDraft): Promise<string | null> => {
    const [variant] = made.variants;
    // The short way also says the shop's currency.
    if (first && single && variant && 'stockTotal' in variant) {
      const { name: called, priceMinor } = made;
      const { stockTotal } = variant;
      const begun = await shop.ask('setProduct', {
        name: called,
        priceMinor,
        currency,
        stockTotal,
        pictureUrl,
      });
      if (!begun.ok) return begun.text;
      const id = begun.result.productId;
      const plain = made.description + made.vatNote === '' && made.maxPerBuyer === null;
      if (plain && made.kind === 'physical' && made.selling === 'open') return null;
      // The server has made a variant by now: it is told once more, with the rest.
      const [there] = shop.product(id)?.variants ?? [];
      if (made.kind === 'bundle' || !there) return null;
      const variants = [
        { ...made.variants[0], id: there.id, sku: there.sku, name: '', priceMinor: null, stockTotal },
      ];
      const rest = await shop.ask('saveProduct', { draft: { ...made, id, variants } });
      return rest.ok ? null : rest.text;
    }
    const saved = await shop.ask('saveProduct', { draft: made });
    if (!saved.ok) return saved.text;
    if (shop.featured() === null) await shop.press('featureProduct', saved.result);
    return null;
  };

  const save = async (event: SyntheticEvent) => {
    event.preventDefault();
    const made = draft();
    if ('field' in made) return setWrong(made);
    setBusy('saving');
    const text = await store(made);
    setBusy(null);
    if (text === null) onDone();
    else setWrong({ field: 'form', text });
  };

  const upload = async (file: File | undefined) => {
    if (!file) return;
    // Said before minutes of an uplink that is on air are spent on it.
    if (file.size > maxPictureBytes) {
      const text = `This picture is larger than ${maxPictureBytes / 1024 ** 2} MB. Choose a smaller one.`;
      return setWrong({ field: 'form', text });
    }
    setBusy('uploading');
    const answer = await shop.uploadPicture(file);
    setBusy(null);
    if (answer.ok) {
      setPictureUrl(answer.result.pictureUrl);
      setWrong(null);
    } else setWrong({ field: 'form', text: answer.text });
  };

  const [only] = rows;
  return (
    <form className="drop-form" onSubmit={(event) => void save(event)}>
      {first && <p className="hint">What do you sell? Fans see it beside the picture.</p>}
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
        {first ? (
          <Select label="Currency" value={currency} choices={currencies} onChange={setCurrency} />
        ) : (
          <p className="form-unit">{currency}</p>
        )}
        {single && only && (
          <Field
            label="How many"
            value={only.stock}
            onChange={(stock) => setRow(only.key, { stock })}
            inputMode="numeric"
            placeholder="50"
            invalid={wrong?.field === 'stock'}
          />
        )}
      </div>
      <div className="form-row form-picture">
        {pictureUrl !== null && (
          <img className="form-thumb" src={pictureSources(pictureUrl).src} alt="Product" />
        )}
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
      {!single && <Variants rows={rows} kind={kind} known={known} setRow={setRow} setRows={setRows} />}
      <details className="form-more">
        <summary>More: sizes and colours, bundle, limits</summary>
        <div className="form-fields">
          <Select
            label="Kind"
            value={kind}
            choices={kinds}
            disabled={product !== null}
            onChange={(value) => setKind(kinds.find((one) => one.value === value)?.value ?? 'physical')}
          />
          {kind !== 'bundle' && single && (
            <Button onPress={() => setRows([...rows, emptyRow()])}>Add sizes or colours</Button>
          )}
          {kind === 'digital' && (
            <Field
              label="Hours to download it after paying"
              value={linkHours}
              onChange={setLinkHours}
              inputMode="numeric"
            />
          )}
          <label className="field">
            <span className="field-label">Description</span>
            <textarea
              className="input area"
              value={description}
              maxLength={2_000}
              rows={3}
              onChange={(event) => setDescription(event.target.value)}
            />
          </label>
          <div className="form-row form-pair">
            <Field
              label="Most per buyer"
              value={maxPerBuyer}
              onChange={setMaxPerBuyer}
              inputMode="numeric"
              placeholder="no limit"
            />
            <Field
              label="VAT note"
              value={vatNote}
              onChange={setVatNote}
              maxLength={120}
              placeholder="the shop’s"
            />
          </div>
          <Select
            label="On sale"
            value={selling}
            choices={[
              { value: 'open', text: 'Also outside of drops' },
              { value: 'dropsOnly', text: 'Only in a drop' },
            ]}
            onChange={(value) => setSelling(value === 'open' ? 'open' : 'dropsOnly')}
          />
        </div>
      </details>
      {wrong && (
        <p className="form-wrong" role="alert">
          {wrong.text}
        </p>
      )}
      <div className="form-row form-end">
        {!first && (
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

const noProducts: readonly Product[] = [];

const Variants = (props: {
  rows: readonly Row[];
  kind: ProductDraft['kind'];
  known: readonly Product[];
  setRow: (key: number, change: Partial<Row>) => void;
  setRows: (rows: readonly Row[]) => void;
}) => {
  const { rows, kind, known, setRow, setRows } = props;
  const parts: Choice[] = known
    .filter((one) => one.kind !== 'bundle')
    .flatMap((one) =>
      one.variants.map(({ sku, name }) => ({
        value: sku,
        text: [one.name, name].filter((word) => word !== '').join(', '),
      })),
    );
  return (
    <fieldset className="form-variants">
      <legend>{kind === 'bundle' ? 'What is in it' : 'Sizes and colours'}</legend>
      {rows.map((row) => (
        <div key={row.key} className="form-variant">
          <div className="form-row form-pair">
            <Field
              label="Variant"
              value={row.name}
              onChange={(name) => setRow(row.key, { name })}
              maxLength={60}
              placeholder={kind === 'bundle' ? 'optional' : 'M / black'}
            />
            <Field
              label="SKU"
              value={row.sku}
              onChange={(sku) => setRow(row.key, { sku })}
              maxLength={40}
              placeholder="automatic"
            />
          </div>
          <div className="form-row form-pair">
            <Field
              label="Own price"
              value={row.price}
              onChange={(price) => setRow(row.key, { price })}
              inputMode="decimal"
              placeholder="same"
            />
            {kind !== 'bundle' && (
              <Field
                label="How many"
                value={row.stock}
                onChange={(stock) => setRow(row.key, { stock })}
                inputMode="numeric"
                placeholder="50"
              />
            )}
            {rows.length > 1 && (
              <Button
                kind="quiet"
                label={`Remove ${row.name === '' ? 'this variant' : row.name}`}
                onPress={() => setRows(rows.filter(({ key }) => key !== row.key))}
              >
                Remove
              </Button>
            )}
          </div>
          {kind === 'bundle' && (
            <Parts parts={row.parts} choices={parts} onChange={(next) => setRow(row.key, { parts: next })} />
          )}
        </div>
      ))}
      {kind !== 'bundle' && <Button onPress={() => setRows([...rows, emptyRow()])}>Add another</Button>}
    </fieldset>
  );
};

const Parts = (props: {
  parts: Row['parts'];
  choices: readonly Choice[];
  onChange: (parts: Row['parts']) => void;
}) => {
  const { parts, choices, onChange } = props;
  const next = choices.find(({ value }) => !parts.some(({ sku }) => sku === value));
  return (
    <>
      {parts.map((part, index) => (
        <div key={part.sku} className="form-row">
          <Select
            label="Part"
            labelHidden={index > 0}
            value={part.sku}
            choices={choices}
            onChange={(sku) => onChange(parts.map((one) => (one === part ? { ...one, sku } : one)))}
          />
          <Field
            label="Pieces"
            labelHidden={index > 0}
            value={part.quantity}
            onChange={(quantity) => onChange(parts.map((one) => (one === part ? { ...one, quantity } : one)))}
            inputMode="numeric"
          />
          <Button kind="quiet" onPress={() => onChange(parts.filter((one) => one !== part))}>
            Remove
          </Button>
        </div>
      ))}
      <Button
        disabled={!next}
        title={choices.length === 0 ? 'Add the products first that the bundle is made of' : undefined}
        onPress={() => next && onChange([...parts, { sku: next.value, quantity: '1' }])}
      >
        Add a part
      </Button>
    </>
  );
};
