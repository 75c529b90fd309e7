// One product's part of the form of a drop: how many, at what price, and what only the first minutes have. What is typed becomes an
// item of a draft here, or a sentence that says what to mend. Name, length and start of the whole drop are drop-form.tsx.
import { maxStock, type DropDraft } from '../../sfu-server/protocol/shop-messages.ts';
import type { DropItem, Product, ProductId } from '../../sfu-server/protocol/shop.ts';
import { Button, Field, Select } from '../ui/controls.tsx';
import { moneyForField, moneyHint, parseMoney } from '../ui/format.ts';

const minuteMs = 60_000;

/** Minutes as typed, in milliseconds; null for what is no length of time. */
export const minutesOf = (text: string): number | null => {
  const minutes = Number(text.trim().replace(',', '.'));
  return text.trim() !== '' && Number.isFinite(minutes) && minutes > 0
    ? Math.round(minutes * minuteMs)
    : null;
};
export const minutesText = (ms: number | undefined | null): string => (ms ? String(ms / minuteMs) : '');

/** As typed. */
export type ItemFields = {
  productId: ProductId;
  quantity: string;
  price: string;
  flashPrice: string;
  flashMinutes: string;
  /** Empty: none. */
  collectorId: string;
  collectorMinutes: string;
};

export const fieldsOf = (product: Product, item: DropItem | null): ItemFields => {
  const money = (minor: number | null | undefined) =>
    minor === null || minor === undefined ? '' : moneyForField(minor, product.currency);
  return {
    productId: product.id,
    quantity: item?.quantity?.toString() ?? '',
    price: money(item?.priceMinor),
    flashPrice: money(item?.flash?.priceMinor),
    flashMinutes: minutesText(item?.flash?.windowMs) || '10',
    collectorId: item?.collector?.variantId ?? '',
    collectorMinutes: minutesText(item?.collector?.windowMs) || '10',
  };
};

/** The item, or what is wrong with it. */
export const itemOf = (fields: ItemFields, product: Product): DropDraft['items'][number] | string => {
  const { currency, name, variants } = product;
  const quantity = fields.quantity.trim() === '' ? null : Number(fields.quantity);
  if (quantity !== null && !(Number.isInteger(quantity) && quantity > 0 && quantity <= maxStock))
    return `${name}: write how many the drop has, or leave it empty for all.`;
  const priceMinor = fields.price.trim() === '' ? null : parseMoney(fields.price, currency);
  if (fields.price.trim() !== '' && priceMinor === null)
    return `${name}: write the price as ${moneyHint(currency)}.`;
  const flashMinor = fields.flashPrice.trim() === '' ? null : parseMoney(fields.flashPrice, currency);
  const flashMs = minutesOf(fields.flashMinutes);
  if (fields.flashPrice.trim() !== '' && (flashMinor === null || flashMs === null))
    return `${name}: write the flash price as ${moneyHint(currency)}, and for how many minutes.`;
  const collector = variants.find(({ id }) => id === fields.collectorId);
  const collectorMs = minutesOf(fields.collectorMinutes);
  if (collector && collectorMs === null)
    return `${name}: write for how many minutes the collector variant can be had.`;
  return {
    productId: product.id,
    quantity,
    priceMinor,
    flash: flashMinor !== null && flashMs !== null ? { priceMinor: flashMinor, windowMs: flashMs } : null,
    collector: collector && collectorMs !== null ? { variantId: collector.id, windowMs: collectorMs } : null,
  };
};

export const DropItemForm = (props: {
  product: Product;
  fields: ItemFields;
  /** This product and those that are not in the drop yet. */
  choices: readonly Product[];
  onChange: (next: ItemFields) => void;
  onChoose: (product: Product) => void;
  /** Null: a drop sells at least one thing. */
  onRemove: (() => void) | null;
}) => {
  const { product, fields, choices, onChange, onChoose, onRemove } = props;
  const set = (part: keyof ItemFields) => (value: string) => onChange({ ...fields, [part]: value });
  const collectors = [
    { value: '', text: 'none' },
    ...product.variants.map((one) => ({ value: one.id, text: one.name === '' ? one.sku : one.name })),
  ];
  return (
    <div className="drop-item" role="group" aria-label={`${product.name} in the drop`}>
      <div className="drop-item-head">
        <Select
          label="Sells"
          value={product.id}
          choices={choices.map((one) => ({ value: one.id, text: one.name }))}
          onChange={(id) => {
            const chosen = choices.find((one) => one.id === id);
            if (chosen) onChoose(chosen);
          }}
        />
        {onRemove && (
          <Button kind="quiet" label={`Take out ${product.name}`} onPress={onRemove}>
            Take out
          </Button>
        )}
      </div>
      <div className="form-row form-pair">
        <Field
          label="How many"
          value={fields.quantity}
          onChange={set('quantity')}
          inputMode="numeric"
          placeholder="all"
        />
        <Field
          label="Drop price"
          value={fields.price}
          onChange={set('price')}
          inputMode="decimal"
          placeholder="as usual"
        />
      </div>
      <div className="form-row form-pair">
        <Field
          label="Flash price"
          value={fields.flashPrice}
          onChange={set('flashPrice')}
          inputMode="decimal"
          placeholder="none"
        />
        <Field
          label="for the first minutes"
          value={fields.flashMinutes}
          onChange={set('flashMinutes')}
          inputMode="decimal"
        />
      </div>
      {collectors.length > 2 && (
        <div className="form-row form-pair">
          <Select
            label="Collector variant"
            value={fields.collectorId}
            choices={collectors}
            onChange={set('collectorId')}
          />
          <Field
            label="in the first minutes"
            value={fields.collectorMinutes}
            onChange={set('collectorMinutes')}
            inputMode="decimal"
          />
        </div>
      )}
    </div>
  );
};
