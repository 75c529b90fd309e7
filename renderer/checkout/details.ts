// The second step, under the clock of the hold: what is held, where it goes, how it is paid, one press. What is typed is kept on the
// device with every key, and nothing is asked that delivering does not need.
import type { Fulfilment, Hold, PaymentProvider } from '../../sfu-server/protocol/shop.ts';
import { formatMoney, formatTime } from '../ui/format.ts';
import type { Checkout } from './checkout.ts';
import { keepTyped, readTyped } from './device.ts';
import { make, newId, say, stepper, write, type View } from './elements.ts';

type Input = HTMLInputElement | HTMLTextAreaElement;

/** A labelled field that remembers. `auto`: an autofill token of HTML §4.10.18.7.1. */
const field = (
  name: string,
  label: string,
  auto: string,
  more: Record<string, string | number | boolean> = {},
) => {
  const id = newId();
  const input = make('input', { id, name, autocomplete: auto, maxlength: 120, ...more });
  input.value = readTyped().get(name) ?? '';
  input.addEventListener('input', () => keepTyped(name, input.value));
  const wrong = make('p', { id: `${id}-wrong`, class: 'checkout-wrong', hidden: true });
  const caption = make('label', { for: id }, label);
  const root = make('div', { class: 'checkout-field' }, caption, input, wrong);
  /** Empty words: it is right. */
  const judge = (words: string): boolean => {
    say(wrong, words);
    if (words === '') input.removeAttribute('aria-invalid');
    else input.setAttribute('aria-invalid', 'true');
    if (words === '') input.removeAttribute('aria-describedby');
    else input.setAttribute('aria-describedby', wrong.id);
    return words === '';
  };
  // Judged again at the next press, not at every key.
  input.addEventListener('input', () => judge(''));
  return { root, input, judge, call: (words: string) => write(caption, words) };
};

const choice = (group: string, value: string, words: string, note: string, onchange: () => void) => {
  const input = make('input', { type: 'radio', name: group, value, onchange });
  return {
    input,
    root: make(
      'label',
      { class: 'choice' },
      input,
      make('span', { class: 'choice-words' }, words),
      note === '' ? null : make('span', { class: 'choice-note' }, note),
    ),
  };
};

const wayWords: Record<PaymentProvider, { name: string; note: string }> = {
  stripe: { name: 'Card or wallet', note: 'on the payment page' },
  counter: { name: 'At the table', note: 'cash or card' },
  free: { name: 'Nothing to pay', note: '' },
  test: { name: 'Test payment', note: 'nothing is charged' },
};

const day = (ms: number): string => new Date(ms).toLocaleDateString(undefined, { weekday: 'short' });
export const windowWords = (one: { startsMs: number; endsMs: number }): string =>
  `${day(one.startsMs)} ${formatTime(one.startsMs)} to ${formatTime(one.endsMs)}`;

const pickupAnyTime = 'pickup:';

export const detailsView = (checkout: Checkout): View => {
  const { purchase } = checkout;
  const state = () => purchase.store.getState();
  const held = (): Hold[] => state().mine.holds.filter(({ stage }) => stage === 'held' || stage === 'paying');
  const changing = (): boolean => state().busy !== null;
  /** Once it is an order its pieces stay as they are. */
  const isOrder = (): boolean => state().receipt !== null;

  // --- what is held ----------------------------------------------------------------------------------------------------

  const lines = make('ul', { class: 'lines' });
  let listed = '';
  let views: { hold: () => Hold | undefined; update: () => void }[] = [];
  const line = (id: Hold['id']) => {
    const hold = () => held().find((one) => one.id === id);
    const name = make('span', { class: 'line-name' });
    const price = make('span', { class: 'line-price' });
    const pieces = stepper({
      label: 'How many',
      value: () => hold()?.quantity ?? 1,
      most: () => {
        const one = hold();
        const found = one && checkout.product(one.productId);
        const left = found?.variants.find((variant) => variant.id === one?.variantId)?.stock.left ?? 0;
        return Math.min((one?.quantity ?? 1) + left, found?.maxPerBuyer ?? 100);
      },
      onChange: (value) => void purchase.changeHold(id, value),
      disabled: () => changing() || isOrder(),
    });
    const drop = make(
      'button',
      { type: 'button', class: 'quiet', onclick: () => void purchase.release(id) },
      'Give back',
    );
    return {
      hold,
      root: make('li', { class: 'line' }, name, price, pieces.root, drop),
      update: () => {
        const one = hold();
        if (!one) return;
        const found = checkout.product(one.productId);
        const variant = found?.variants.find((each) => each.id === one.variantId);
        write(
          name,
          [found?.name ?? 'This one', variant?.name ?? ''].filter((part) => part !== '').join(', '),
        );
        write(price, formatMoney(one.priceMinor * one.quantity, one.currency));
        pieces.update();
        pieces.root.hidden = isOrder();
        drop.hidden = isOrder();
        drop.disabled = changing();
      },
    };
  };
  const listHolds = () => {
    const key = held()
      .map(({ id }) => id)
      .join(' ');
    if (key === listed) return;
    listed = key;
    const made = held().map(({ id }) => line(id));
    views = made;
    lines.replaceChildren(...made.map(({ root }) => root));
  };

  // --- where it goes ---------------------------------------------------------------------------------------------------

  const update = () => checkout.update();
  const delivery = make('fieldset', { class: 'choices' });
  let offered = '';
  let places: ReturnType<typeof choice>[] = [];
  const onlyDigital = (): boolean =>
    held().length > 0 && held().every(({ productId }) => checkout.product(productId)?.kind === 'digital');
  const shipsTo = (): string => country.input.value.trim().toUpperCase();
  const chosenPlace = (): string => places.find(({ input }) => input.checked)?.input.value ?? '';
  const listPlaces = () => {
    const { options } = state();
    const currency = held()[0]?.currency ?? 'EUR';
    const key = JSON.stringify([options?.windows, options?.lanes, onlyDigital(), currency]);
    if (key === offered || !options) return;
    offered = key;
    const before = chosenPlace() || (readTyped().get('place') ?? '');
    const keep = () => {
      keepTyped('place', chosenPlace());
      update();
    };
    const windows = options.windows.map((one) => {
      const full = one.capacity !== null && one.taken >= one.capacity;
      const made = choice(
        'place',
        `pickup:${one.id}`,
        `Pick up: ${one.place}`,
        full ? 'full' : windowWords(one),
        keep,
      );
      made.input.disabled = full;
      return made;
    });
    const pickups =
      windows.length > 0
        ? windows
        : [choice('place', pickupAnyTime, 'Pick up at the table', 'with a code, during the show', keep)];
    const lanes = options.lanes.map((one) =>
      choice(
        'place',
        `ship:${one.id}`,
        one.name,
        [one.priceMinor === 0 ? 'free' : formatMoney(one.priceMinor, currency), one.estimate]
          .filter((part) => part !== '')
          .join(' · '),
        keep,
      ),
    );
    places = onlyDigital()
      ? [choice('place', 'download', 'Download', 'link on the receipt and by e-mail', keep)]
      : [...pickups, ...lanes];
    const first = places.find(({ input }) => !input.disabled);
    const same = places.find(({ input }) => input.value === before && !input.disabled) ?? first;
    if (same) same.input.checked = true;
    delivery.replaceChildren(make('legend', {}, 'How you get it'), ...places.map(({ root }) => root));
  };

  const email = field('email', 'E-mail, for the receipt', 'email', {
    type: 'email',
    inputmode: 'email',
    maxlength: 254,
    autocapitalize: 'none',
    spellcheck: 'false',
  });
  const name = field('name', 'Name', 'name', { maxlength: 80 });
  const street = field('street', 'Street and number', 'street-address');
  const postcode = field('postcode', 'Postcode', 'postal-code', { maxlength: 20 });
  const city = field('city', 'City', 'address-level2', { maxlength: 80 });
  const country = field('country', 'Country code, such as DE', 'country', {
    maxlength: 2,
    autocapitalize: 'characters',
  });
  const address = make(
    'div',
    { class: 'address' },
    street.root,
    make('div', { class: 'pair' }, postcode.root, city.root),
    country.root,
  );

  // --- how it is paid --------------------------------------------------------------------------------------------------

  const payment = make('fieldset', { class: 'choices' });
  let waysListed = '';
  let ways: { way: PaymentProvider; input: HTMLInputElement }[] = [];
  const lane = () => state().options?.lanes.find(({ id }) => chosenPlace() === `ship:${id}`);
  const itemsMinor = (): number => held().reduce((sum, one) => sum + one.priceMinor * one.quantity, 0);
  const shippingMinor = (): number => {
    const one = lane();
    if (!one) return 0;
    return one.freeFromMinor !== null && itemsMinor() >= one.freeFromMinor ? 0 : one.priceMinor;
  };
  const totalMinor = (): number => itemsMinor() + shippingMinor();
  const listWays = () => {
    const all = state().options?.ways ?? [];
    const fit = all.filter((way) => {
      if (totalMinor() === 0) return way === 'free';
      // Who has it sent, or downloads it, is not at the table.
      return way !== 'free' && (way !== 'counter' || chosenPlace().startsWith('pickup'));
    });
    const key = fit.join(' ');
    if (key === waysListed) return;
    waysListed = key;
    const before = ways.find(({ input }) => input.checked)?.way ?? readTyped().get('way');
    const made = fit.map((way) => ({
      way,
      ...choice('way', way, wayWords[way].name, wayWords[way].note, () => keepTyped('way', way)),
    }));
    ways = made;
    const same = made.find(({ way }) => way === before) ?? made[0];
    if (same) same.input.checked = true;
    payment.replaceChildren(make('legend', {}, 'How you pay'), ...made.map(({ root }) => root));
  };

  // --- the press -------------------------------------------------------------------------------------------------------

  const fulfilment = (): Fulfilment => {
    const place = chosenPlace();
    const one = lane();
    if (place === 'download') return { kind: 'download' };
    if (one) {
      return {
        kind: 'shipping',
        laneId: one.id,
        address: {
          lines: [street.input.value.trim()],
          city: city.input.value.trim(),
          postcode: postcode.input.value.trim(),
          country: shipsTo(),
        },
      };
    }
    const windowId = place.slice(pickupAnyTime.length);
    return { kind: 'pickup', windowId: windowId === '' ? null : windowId };
  };

  const complete = (): boolean => {
    const one = lane();
    const need = (input: Input, words: string) => (input.value.trim() === '' ? words : '');
    const unreachable =
      one && one.countries.length > 0 && !one.countries.includes(shipsTo())
        ? `${one.name} goes to ${one.countries.join(', ')}. Choose another way to get it.`
        : '';
    const checks = [
      email.judge(
        /^[^\s@]+@[^\s@]+\.[^\s@.]{2,}$/.test(email.input.value.trim())
          ? ''
          : 'Write your e-mail address, such as ada@example.com.',
      ),
      name.judge(one ? need(name.input, 'Write the name on the parcel.') : ''),
      street.judge(one ? need(street.input, 'Write the street and number.') : ''),
      postcode.judge(''),
      city.judge(one ? need(city.input, 'Write the city.') : ''),
      country.judge(
        one ? (/^[A-Z]{2}$/.test(shipsTo()) ? unreachable : 'Write two letters, such as DE.') : '',
      ),
    ];
    if (checks.every(Boolean)) return true;
    form.querySelector<HTMLElement>('[aria-invalid]')?.focus();
    return false;
  };

  const pay = make('button', { type: 'submit', class: 'primary main-action' });
  const total = make('p', { class: 'total' });
  const submit = (event: Event) => {
    event.preventDefault();
    const way = ways.find(({ input }) => input.checked)?.way;
    if (!way || !complete()) return;
    void purchase.pay(
      held(),
      { email: email.input.value.trim(), name: name.input.value.trim(), fulfilment: fulfilment() },
      way,
    );
  };
  const stop = make(
    'button',
    { type: 'button', class: 'quiet', onclick: () => void purchase.cancel() },
    'Cancel this order',
  );
  const form = make(
    'form',
    { class: 'details', novalidate: true, onsubmit: submit },
    delivery,
    email.root,
    name.root,
    address,
    payment,
    total,
    pay,
    stop,
  );
  const none = make('p', { class: 'checkout-wrong', hidden: true });

  return {
    root: make('div', { class: 'step step-details' }, lines, none, form),
    update: () => {
      listHolds();
      for (const view of views) view.update();
      listPlaces();
      const one = lane();
      address.hidden = !one;
      name.root.hidden = chosenPlace() === 'download';
      // Only a parcel needs one: an address for the receipt is enough to buy.
      name.call(one ? 'Name' : 'Name, if you like');
      listWays();
      const way = ways.find(({ input }) => input.checked)?.way;
      const currency = held()[0]?.currency ?? 'EUR';
      const shipping = one ? `, with ${formatMoney(shippingMinor(), currency)} shipping` : '';
      write(total, `Total ${formatMoney(totalMinor(), currency)}${shipping}`);
      const words =
        way === 'counter' ? 'Order, pay at the table' : `Pay ${formatMoney(totalMinor(), currency)}`;
      write(pay, state().busy ?? (totalMinor() === 0 ? 'Get it' : words));
      pay.disabled = !state().ready || changing() || ways.length === 0;
      say(
        none,
        state().options && ways.length === 0
          ? 'There is no way to pay on this page yet. Ask at the table; your hold stays until its clock runs out.'
          : '',
      );
      stop.hidden = !isOrder();
      stop.disabled = changing();
    },
  };
};
