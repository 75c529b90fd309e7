// The first step: which one, how many, one press. Also what to do instead while there is none: wait in line, be told of the start,
// come in early with a code. What it shows follows the show's state and the server's clock.
import type { Product, VariantId } from '../../sfu-server/protocol/shop.ts';
import { countdown, type Offer, type VariantOffer } from '../ui/offer.ts';
import { formatMoney, formatWhole } from '../ui/format.ts';
import { mailMeView } from './mail-me.ts';
import { make, say, stepper, write, type View } from './elements.ts';
import type { Checkout } from './checkout.ts';

const mostAtOnce = 100;

/** "2 left", "Sold out", "First minutes only": what a variant's own line says. */
const variantWords = ({ left, collector }: VariantOffer, nowMs: number): string => {
  if (collector.kind === 'gone') return 'Gone: first minutes only';
  if (collector.kind === 'soon') return 'In the first minutes only';
  if (left === 0) return 'Sold out';
  if (collector.kind === 'here')
    return `${formatWhole(left)} left · only for ${countdown(collector.endsMs, nowMs)}`;
  return `${formatWhole(left)} left`;
};

const choosable = ({ collector }: VariantOffer): boolean => collector.kind !== 'gone';

export const chooseView = (checkout: Checkout, product: () => Product | null): View => {
  const { purchase } = checkout;
  let chosen: VariantId | null = null;
  let quantity = 1;
  const offer = (): Offer | null => {
    const one = product();
    return one && checkout.offer(one);
  };
  const variantChosen = (now: Offer): VariantOffer | null =>
    now.variants.find(({ variant }) => variant.id === chosen) ?? now.variants.find(choosable) ?? null;

  const variantList = make('div', { class: 'variants', role: 'radiogroup', 'aria-label': 'Which one' });
  let listed = '';
  let lines = new Map<VariantId, { input: HTMLInputElement; price: HTMLElement; words: HTMLElement }>();
  const listVariants = (now: Offer) => {
    const key = now.variants.map(({ variant }) => `${variant.id} ${variant.name}`).join('\n');
    if (key === listed) return;
    listed = key;
    lines = new Map();
    const rows = now.variants.map(({ variant }) => {
      const input = make('input', {
        type: 'radio',
        name: 'variant',
        value: variant.id,
        onchange: () => {
          chosen = variant.id;
          quantity = 1;
          checkout.update();
        },
      });
      const price = make('span', { class: 'variant-price' });
      const words = make('span', { class: 'variant-words' });
      lines.set(variant.id, { input, price, words });
      const name = make(
        'span',
        { class: 'variant-name' },
        variant.name === '' ? now.product.name : variant.name,
      );
      return make('label', { class: 'variant' }, input, name, price, words);
    });
    variantList.replaceChildren(...rows);
  };

  const most = (): number => {
    const now = offer();
    const one = now && variantChosen(now);
    return one ? Math.max(1, Math.min(one.left, now.product.maxPerBuyer ?? mostAtOnce, mostAtOnce)) : 1;
  };
  const pieces = stepper({
    label: 'How many',
    value: () => quantity,
    most,
    onChange: (value) => {
      quantity = value;
      checkout.update();
    },
    disabled: () => purchase.store.getState().busy !== null,
  });
  const piecesRow = make('div', { class: 'row' }, make('span', {}, 'How many'), pieces.root);

  const code = make('input', {
    id: 'early-code',
    name: 'code',
    maxlength: 40,
    autocapitalize: 'characters',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const codeRow = make(
    'div',
    { class: 'checkout-field' },
    make('label', { for: 'early-code' }, 'Early-access code'),
    code,
  );

  const press = () => {
    const now = offer();
    const one = now && variantChosen(now);
    if (!now || !one) return;
    if (mainAction(now, one) === 'hold') void purchase.hold(one.variant.id, quantity, code.value);
    else if (mainAction(now, one) === 'wait') void purchase.joinWaiting(one.variant.id, quantity);
    else if (mainAction(now, one) === 'tell') {
      checkout.askToTell();
      void purchase.wish(now.product.id, true);
    }
  };
  const main = make('button', { type: 'button', class: 'primary main-action', onclick: press });
  const mailMe = mailMeView(checkout, product);
  const waits = make('p', { class: 'checkout-note', role: 'status' });
  const leave = make(
    'button',
    {
      type: 'button',
      class: 'quiet',
      onclick: () => {
        const waiting = purchase.store
          .getState()
          .mine.waiting.find(({ productId }) => productId === product()?.id);
        if (waiting) void purchase.leaveWaiting(waiting.variantId);
      },
    },
    'Leave the waiting list',
  );
  const wish = make('button', {
    type: 'button',
    class: 'quiet wish',
    onclick: () => {
      const one = product();
      if (one) void purchase.wish(one.id, !purchase.store.getState().mine.wishes.includes(one.id));
    },
  });

  const mainAction = ({ sale }: Offer, one: VariantOffer): 'hold' | 'wait' | 'tell' | 'none' => {
    if (sale.kind === 'showEnded' || sale.kind === 'paused') return 'none';
    const early = sale.kind === 'before' && sale.opensMs !== null && code.value.trim() !== '';
    if (early) return 'hold';
    if (sale.kind === 'before' || sale.kind === 'notOnSale') return 'tell';
    if (one.collector.kind === 'soon') return 'tell';
    return one.left > 0 ? 'hold' : 'wait';
  };
  code.addEventListener('input', () => checkout.update());

  const mainWords = (now: Offer, one: VariantOffer, wished: boolean): string => {
    switch (mainAction(now, one)) {
      case 'hold':
        return `Hold ${quantity === 1 ? 'one' : quantity} for ${formatMoney(one.priceMinor * quantity, now.product.currency)}`;
      case 'wait':
        return 'Join the waiting list';
      case 'tell':
        return wished ? 'This page tells you: keep it open' : 'Tell me when it drops';
      case 'none':
        return now.sale.kind === 'paused' ? 'Paused for a moment' : 'The show has ended';
    }
  };

  return {
    root: make(
      'div',
      { class: 'step step-choose' },
      variantList,
      piecesRow,
      codeRow,
      main,
      mailMe.root,
      waits,
      make('div', { class: 'row row-quiet' }, wish, leave),
    ),
    update: () => {
      const now = offer();
      const one = now && variantChosen(now);
      if (!now || !one) {
        main.hidden = true;
        return;
      }
      const { mine, busy, ready } = purchase.store.getState();
      const nowMs = checkout.nowMs();
      listVariants(now);
      variantList.hidden = now.variants.length < 2;
      for (const variant of now.variants) {
        const line = lines.get(variant.variant.id);
        if (!line) continue;
        line.input.checked = variant === one;
        line.input.disabled = !choosable(variant);
        write(line.price, formatMoney(variant.priceMinor, now.product.currency));
        write(line.words, variantWords(variant, nowMs));
      }
      quantity = Math.min(quantity, most());
      const action = mainAction(now, one);
      const waiting = mine.waiting.find(({ variantId }) => variantId === one.variant.id);
      const wished = mine.wishes.includes(now.product.id);
      pieces.update();
      piecesRow.hidden = action !== 'hold' || most() < 2;
      codeRow.hidden = !(now.sale.kind === 'before' && now.sale.opensMs !== null);
      main.hidden = waiting !== undefined;
      main.disabled = !ready || busy !== null || action === 'none' || (action === 'tell' && wished);
      write(main, busy ?? mainWords(now, one, wished));
      mailMe.show(action === 'tell');
      mailMe.update();
      say(
        waits,
        waiting
          ? `You are number ${formatWhole(waiting.place)} on the waiting list. When one comes free it is held for you, and this page says so.`
          : action === 'wait'
            ? 'All are taken. What comes back is offered in order; nothing is charged for waiting.'
            : '',
      );
      leave.hidden = waiting === undefined;
      wish.hidden = action === 'tell' && !wished;
      write(wish, wished ? '♥ On your wish list' : '♡ Save to the wish list');
      wish.setAttribute('aria-pressed', String(wished));
      wish.disabled = !ready || busy !== null;
    },
  };
};
