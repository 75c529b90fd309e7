// The form of a drop: what it sells, how long, when it starts by itself, and codes for those who may come early. How many of each
// product at what price is drop-item-form.tsx; starting it by tap is drop.tsx.
import { useState, type SyntheticEvent } from 'react';
import type { DropDraft } from '../../sfu-server/protocol/shop-messages.ts';
import type { Drop, Product } from '../../sfu-server/protocol/shop.ts';
import { featuredProduct } from '../../sfu-server/protocol/state.ts';
import { Button, Field, Select, TwiceButton } from '../ui/controls.tsx';
import {
  DropItemForm,
  fieldsOf,
  itemOf,
  minutesOf,
  minutesText,
  type ItemFields,
} from './drop-item-form.tsx';
import { useShow, useStudio } from './hooks.ts';

const lengths = [
  ...[1, 2, 3, 5, 8, 10, 15, 20].map((minutes) => ({ value: String(minutes), text: `${minutes} min` })),
  { value: '', text: 'until sold out' },
];
const minuteMs = 60_000;

/** `datetime-local` speaks of this machine's clock, without a zone. */
const localTime = (ms: number): string =>
  new Date(ms - new Date(ms).getTimezoneOffset() * minuteMs).toISOString().slice(0, 16);

/** As many as the server takes in one drop. */
const maxItems = 20;

const noProducts: readonly Product[] = [];

/** What is in the drop; of a new one, what fans are being shown. */
const firstItems = (
  drop: Drop | null,
  products: readonly Product[],
  featured: Product | null,
): ItemFields[] => {
  const known = (drop?.items ?? []).flatMap((item) => {
    const product = products.find(({ id }) => id === item.productId);
    return product ? [fieldsOf(product, item)] : [];
  });
  const first = featured ?? products.at(0);
  return known.length > 0 || !first ? known : [fieldsOf(first, null)];
};

export const DropForm = ({ drop, onDone }: { drop: Drop | null; onDone: () => void }) => {
  const { shop, session } = useStudio();
  const products = useShow((show) => show?.products ?? noProducts);
  const featured = useShow((show) => show && featuredProduct(show));
  const count = useShow((show) => show?.drops.length ?? 0);
  const begun = drop !== null && drop.state.kind !== 'ready' && drop.state.kind !== 'scheduled';
  const [name, setName] = useState(drop?.name ?? `Drop ${count + 1}`);
  const [items, setItems] = useState(() => firstItems(drop, products, featured));
  const [length, setLength] = useState(drop ? minutesText(drop.lengthMs) : '10');
  const [early, setEarly] = useState(minutesText(drop?.earlyAccessMs));
  const [startsAt, setStartsAt] = useState(
    drop?.state.kind === 'scheduled' ? localTime(drop.state.startsMs) : '',
  );
  const [codes, setCodes] = useState<readonly string[]>([]);
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const productOf = (fields: ItemFields) => products.find(({ id }) => id === fields.productId);
  const spare = products.filter(({ id }) => !items.some((one) => one.productId === id));

  const draft = (): DropDraft | string => {
    const made: DropDraft['items'] = [];
    for (const fields of items) {
      const product = productOf(fields);
      const item = product && itemOf(fields, product);
      if (typeof item === 'string') return item;
      if (item) made.push(item);
    }
    if (made.length === 0) return 'Choose what the drop sells.';
    return {
      id: drop?.id ?? null,
      name: name.trim(),
      items: made,
      lengthMs: minutesOf(length),
      earlyAccessMs: minutesOf(early),
    };
  };

  const save = async (event: SyntheticEvent) => {
    event.preventDefault();
    const made = draft();
    if (typeof made === 'string') return setWrong(made);
    setBusy(true);
    const saved = await shop.ask('saveDrop', { draft: made });
    // A new one is seen at once, unless another is on: that one keeps buttons and keys.
    if (saved.ok && drop === null) shop.turnTo(null);
    let text = saved.ok ? null : saved.text;
    if (saved.ok && startsAt !== '') {
      const startsMs = new Date(startsAt).getTime() + session.clockOffsetMs();
      const scheduled = await shop.ask('scheduleDrop', {
        dropId: saved.result.dropId,
        startsMs: Math.round(startsMs),
        countdownMs: minuteMs,
      });
      text = scheduled.ok ? null : scheduled.text;
    }
    setBusy(false);
    if (text === null) onDone();
    else setWrong(text);
  };

  const makeCodes = async () => {
    if (!drop) return;
    const made = await shop.ask('addEarlyAccessCodes', { dropId: drop.id, count: 10, usesEach: 1 });
    if (made.ok) setCodes([...codes, ...made.result.codes]);
    else setWrong(made.text);
  };

  return (
    <form className="drop-form" aria-label="Drop" onSubmit={(event) => void save(event)}>
      <Field label="Name of the drop" value={name} onChange={setName} maxLength={80} />
      {begun ? (
        <p className="hint">It has begun: only its name can change. Length: use +1 min.</p>
      ) : (
        <>
          {items.map((fields) => {
            const product = productOf(fields);
            const replace = (next: ItemFields | null) =>
              setItems(items.flatMap((one) => (one === fields ? (next ?? []) : one)));
            return (
              product && (
                <DropItemForm
                  key={product.id}
                  product={product}
                  fields={fields}
                  choices={products.filter((one) => one === product || spare.includes(one))}
                  onChange={replace}
                  onChoose={(chosen) => replace(fieldsOf(chosen, null))}
                  onRemove={items.length > 1 ? () => replace(null) : null}
                />
              )
            );
          })}
          {spare[0] && items.length < maxItems && (
            <div>
              <Button
                kind="quiet"
                onPress={() => setItems([...items, ...spare.slice(0, 1).map((one) => fieldsOf(one, null))])}
              >
                + Another product
              </Button>
            </div>
          )}
          <Select label="Length" value={length} choices={lengths} onChange={setLength} />
          <div className="form-row form-pair">
            <label className="field">
              <span className="field-label">Starts by itself at</span>
              <input
                type="datetime-local"
                className="input"
                value={startsAt}
                onChange={(event) => setStartsAt(event.target.value)}
              />
            </label>
            <Field
              label="Codes open it early, min"
              value={early}
              onChange={setEarly}
              inputMode="decimal"
              placeholder="never"
            />
          </div>
        </>
      )}
      {drop && drop.earlyAccessMs !== null && !begun && (
        <div className="form-fields">
          <Button onPress={() => void makeCodes()}>Make 10 early-access codes</Button>
          {codes.length > 0 && (
            <>
              <p className="hint">Shown once: copy them now. Each opens the drop for one hold.</p>
              <textarea
                className="input area"
                aria-label="Early-access codes"
                readOnly
                rows={4}
                value={codes.join('\n')}
              />
            </>
          )}
        </div>
      )}
      {wrong !== null && (
        <p className="form-wrong" role="alert">
          {wrong}
        </p>
      )}
      <div className="form-row form-end">
        {drop && !begun && (
          <TwiceButton
            label={`Remove ${drop.name}`}
            onPress={() =>
              void shop
                .ask('removeDrop', { dropId: drop.id })
                .then((done) => (done.ok ? onDone() : setWrong(done.text)))
            }
          >
            Remove
          </TwiceButton>
        )}
        <Button kind="quiet" onPress={onDone}>
          Cancel
        </Button>
        <button type="submit" className="button button-action" disabled={busy}>
          {drop ? 'Save' : 'Make the drop'}
        </button>
      </div>
    </form>
  );
};
