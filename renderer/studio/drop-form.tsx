// The form of a drop: what it sells, how many, at what price, how long, and what only the first minutes have. Also when it starts by
// itself, and codes for those who may come early. Starting it by tap is drop.tsx.
import { useState, type SyntheticEvent } from 'react';
import type { DropDraft } from '../../sfu-server/protocol/shop-messages.ts';
import type { Drop, Product } from '../../sfu-server/protocol/shop.ts';
import { featuredProduct } from '../../sfu-server/protocol/state.ts';
import { Button, Field, Select, TwiceButton } from '../ui/controls.tsx';
import { moneyForField, parseMoney } from '../ui/format.ts';
import { useShow, useStudio } from './hooks.ts';

const lengths = [
  ...[1, 2, 3, 5, 8, 10, 15, 20].map((minutes) => ({ value: String(minutes), text: `${minutes} min` })),
  { value: '', text: 'until sold out' },
];
const minuteMs = 60_000;

const minutesOf = (text: string): number | null => {
  const minutes = Number(text.trim().replace(',', '.'));
  return text.trim() !== '' && Number.isFinite(minutes) && minutes > 0
    ? Math.round(minutes * minuteMs)
    : null;
};
const minutesText = (ms: number | undefined | null): string => (ms ? String(ms / minuteMs) : '');
/** `datetime-local` speaks of this machine's clock, without a zone. */
const localTime = (ms: number): string =>
  new Date(ms - new Date(ms).getTimezoneOffset() * minuteMs).toISOString().slice(0, 16);

const noProducts: readonly Product[] = [];

export const DropForm = ({ drop, onDone }: { drop: Drop | null; onDone: () => void }) => {
  const { shop, session } = useStudio();
  const products = useShow((show) => show?.products ?? noProducts);
  const featured = useShow((show) => show && featuredProduct(show));
  const count = useShow((show) => show?.drops.length ?? 0);
  const begun = drop !== null && drop.state.kind !== 'ready' && drop.state.kind !== 'scheduled';
  const [item] = drop?.items ?? [];
  const [name, setName] = useState(drop?.name ?? `Drop ${count + 1}`);
  const [productId, setProduct] = useState<string>(item?.productId ?? featured?.id ?? products[0]?.id ?? '');
  const product = products.find(({ id }) => id === productId);
  const currency = product?.currency ?? 'EUR';
  const money = (minor: number | null | undefined) =>
    minor === null || minor === undefined ? '' : moneyForField(minor, currency);
  const [quantity, setQuantity] = useState(item?.quantity?.toString() ?? '');
  const [price, setPrice] = useState(money(item?.priceMinor));
  const [length, setLength] = useState(drop ? minutesText(drop.lengthMs) : '10');
  const [flashPrice, setFlashPrice] = useState(money(item?.flash?.priceMinor));
  const [flashMinutes, setFlashMinutes] = useState(minutesText(item?.flash?.windowMs) || '10');
  const [collectorId, setCollector] = useState<string>(item?.collector?.variantId ?? '');
  const [collectorMinutes, setCollectorMinutes] = useState(minutesText(item?.collector?.windowMs) || '10');
  const [early, setEarly] = useState(minutesText(drop?.earlyAccessMs));
  const [startsAt, setStartsAt] = useState(
    drop?.state.kind === 'scheduled' ? localTime(drop.state.startsMs) : '',
  );
  const [codes, setCodes] = useState<readonly string[]>([]);
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const draft = (): DropDraft | string => {
    if (!product) return 'Choose what the drop sells.';
    const number = quantity.trim() === '' ? null : Number(quantity);
    if (number !== null && !(Number.isInteger(number) && number > 0))
      return 'Write how many the drop has, or leave it empty for all.';
    const priceMinor = price.trim() === '' ? null : parseMoney(price, currency);
    if (price.trim() !== '' && priceMinor === null) return 'Write the price as a number, such as 19.90.';
    const flashMinor = flashPrice.trim() === '' ? null : parseMoney(flashPrice, currency);
    const flashMs = minutesOf(flashMinutes);
    if (flashPrice.trim() !== '' && (flashMinor === null || flashMs === null))
      return 'Write the flash price as a number, and for how many minutes.';
    const collector = product.variants.find(({ id }) => id === collectorId);
    const collectorMs = minutesOf(collectorMinutes);
    if (collector && collectorMs === null)
      return 'Write for how many minutes the collector variant can be had.';
    const others =
      drop?.items
        .filter((one) => one.productId !== product.id)
        .slice(item?.productId === product.id ? 0 : 1) ?? [];
    return {
      id: drop?.id ?? null,
      name: name.trim(),
      items: [
        {
          productId: product.id,
          quantity: number,
          priceMinor,
          flash:
            flashMinor !== null && flashMs !== null ? { priceMinor: flashMinor, windowMs: flashMs } : null,
          collector:
            collector && collectorMs !== null ? { variantId: collector.id, windowMs: collectorMs } : null,
        },
        ...others,
      ],
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

  const collectors = [
    { value: '', text: 'none' },
    ...(product?.variants ?? []).map((one) => ({
      value: one.id,
      text: one.name === '' ? one.sku : one.name,
    })),
  ];
  return (
    <form className="drop-form" aria-label="Drop" onSubmit={(event) => void save(event)}>
      <Field label="Name of the drop" value={name} onChange={setName} maxLength={80} />
      {begun ? (
        <p className="hint">It has begun: only its name can change. Length: use +1 min.</p>
      ) : (
        <>
          <div className="form-row form-pair">
            <Select
              label="Sells"
              value={productId}
              choices={products.map((one) => ({ value: one.id, text: one.name }))}
              onChange={setProduct}
            />
            <Select label="Length" value={length} choices={lengths} onChange={setLength} />
          </div>
          <div className="form-row form-pair">
            <Field
              label="How many"
              value={quantity}
              onChange={setQuantity}
              inputMode="numeric"
              placeholder="all"
            />
            <Field
              label="Drop price"
              value={price}
              onChange={setPrice}
              inputMode="decimal"
              placeholder="as usual"
            />
          </div>
          <div className="form-row form-pair">
            <Field
              label="Flash price"
              value={flashPrice}
              onChange={setFlashPrice}
              inputMode="decimal"
              placeholder="none"
            />
            <Field
              label="for the first minutes"
              value={flashMinutes}
              onChange={setFlashMinutes}
              inputMode="decimal"
            />
          </div>
          {collectors.length > 2 && (
            <div className="form-row form-pair">
              <Select
                label="Collector variant"
                value={collectorId}
                choices={collectors}
                onChange={setCollector}
              />
              <Field
                label="in the first minutes"
                value={collectorMinutes}
                onChange={setCollectorMinutes}
                inputMode="decimal"
              />
            </div>
          )}
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
