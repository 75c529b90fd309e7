// "Tell me when it drops" by mail, for those who will not keep the page open: an address, what becomes of it, one press. Where the
// server sends no mail it says that only this page will tell.
import type { Product } from '../../sfu-server/protocol/shop.ts';
import type { Checkout } from './checkout.ts';
import { make, newId, write, type View } from './elements.ts';

export type MailMe = View & {
  /** Only while there is something to be told of. */
  show(visible: boolean): void;
};

export const mailMeView = ({ purchase }: Checkout, product: () => Product | null): MailMe => {
  const id = newId();
  const address = make('input', {
    id,
    name: 'email',
    type: 'email',
    inputmode: 'email',
    autocomplete: 'email',
    autocapitalize: 'off',
    spellcheck: 'false',
    maxlength: 254,
    required: true,
  });
  const button = make('button', { type: 'submit' }, 'Mail me');
  const form = make(
    'form',
    {
      class: 'mail-me',
      onsubmit: (event) => {
        event.preventDefault();
        const one = product();
        if (one) void purchase.mailWhenItDrops(one.id, address.value);
      },
    },
    make('label', { for: id }, 'Or by e-mail'),
    make('div', { class: 'mail-me-row' }, address, button),
    make(
      'p',
      { class: 'checkout-note' },
      'One mail when it starts, with a link to take your address back. It is deleted when the drop is over, and used for nothing else.',
    ),
  );
  const words = make('p', { class: 'checkout-note', role: 'status' });
  const stop = make(
    'button',
    {
      type: 'button',
      class: 'quiet',
      onclick: () => {
        const one = product();
        if (one) void purchase.mailWhenItDrops(one.id, null);
      },
    },
    'No mail after all',
  );
  const done = make('div', { class: 'row row-quiet' }, words, stop);
  const root = make('div', { hidden: true }, form, done);
  return {
    root,
    show: (visible) => {
      root.hidden = !visible;
    },
    update: () => {
      const one = product();
      const { mine, options, ready, busy } = purchase.store.getState();
      const asked = one !== null && mine.mails.includes(one.id);
      const sends = options?.mail ?? false;
      form.hidden = asked || !sends;
      done.hidden = options === null || (sends && !asked);
      stop.hidden = !asked;
      write(
        words,
        asked
          ? 'A mail goes out when it starts.'
          : 'This show sends no mail: keep this page open, and it tells you.',
      );
      button.disabled = !ready || busy !== null;
      stop.disabled = button.disabled;
    },
  };
};
