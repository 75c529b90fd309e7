// The last step: the order as the server has it. What is to be done next stands first (pay, wait, come to the table), then what was
// bought. A payment that nobody has confirmed yet is "confirming", never failed.
import type { Delivery, Receipt } from '../../sfu-server/protocol/order-messages.ts';
import { formatMoney } from '../ui/format.ts';
import { countdown } from '../ui/offer.ts';
import { qrPath } from '../ui/qr.ts';
import { saveFile } from '../ui/save-file.ts';
import type { Checkout } from './checkout.ts';
import { windowWords } from './details.ts';
import { make, say, write, type View } from './elements.ts';

type Words = { title: string; text: string };

const wordsFor = ({ order, pickup, mail, payUrl }: Receipt): Words => {
  const { state, fulfilment } = order;
  const where = pickup ? `${pickup.place}, ${windowWords(pickup)}` : 'at the table';
  const mailed = mail === 'sent' || mail === 'waiting' ? ` The receipt goes to ${order.email}.` : '';
  switch (state.kind) {
    case 'details':
      return { title: 'Not ordered yet', text: 'Fill in the rest to go on.' };
    case 'awaitingPayment':
      if (state.provider === 'counter') {
        return {
          title: 'Pay at the table',
          text: 'Show this code there. It is yours until the clock runs out.',
        };
      }
      return payUrl === null
        ? { title: 'Opening the payment', text: 'This takes a moment.' }
        : { title: 'Not paid yet', text: 'Pay on the payment page before the clock runs out.' };
    case 'confirming':
      return {
        title: 'Confirming your payment',
        text: 'The payment service is being asked. You need not wait here: this page, opened again, knows how it went.',
      };
    case 'paid':
      if (fulfilment.kind === 'pickup')
        return { title: 'It’s yours', text: `Show this code to get it: ${where}.${mailed}` };
      if (fulfilment.kind === 'shipping')
        return { title: 'It’s yours', text: `It is being packed for you.${mailed}` };
      return { title: 'It’s yours', text: `Here it is.${mailed}` };
    case 'fulfilled':
      return fulfilment.kind === 'shipping'
        ? { title: 'On its way', text: `It has been sent.${mailed}` }
        : { title: 'Done', text: `It has been handed over.${mailed}` };
    case 'refunded':
      return { title: 'Refunded', text: 'The money goes back the way it came. That can take a few days.' };
    case 'closed':
      return {
        cancelled: { title: 'Cancelled', text: 'Nothing was charged.' },
        expired: { title: 'The time ran out', text: 'Nothing was charged, and what was held went back.' },
        declined: {
          title: 'The payment did not go through',
          text: 'Nothing was charged. You can try again.',
        },
      }[state.because];
  }
};

/** Whether somebody at the table will scan it. */
const showsCode = ({ order }: Receipt): boolean =>
  (order.state.kind === 'awaitingPayment' && order.state.provider === 'counter') ||
  (order.state.kind === 'paid' && order.fulfilment.kind === 'pickup');

const svgSpace = 'http://www.w3.org/2000/svg';
const qrImage = (text: string): SVGSVGElement => {
  const { side, path } = qrPath(text);
  const svg = document.createElementNS(svgSpace, 'svg');
  svg.setAttribute('viewBox', `0 0 ${side} ${side}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', 'Code to scan at the table');
  svg.setAttribute('class', 'receipt-qr');
  const ground = document.createElementNS(svgSpace, 'rect');
  for (const name of ['width', 'height']) ground.setAttribute(name, String(side));
  ground.setAttribute('fill', '#fff');
  const modules = document.createElementNS(svgSpace, 'path');
  modules.setAttribute('d', path);
  modules.setAttribute('fill', '#000');
  svg.append(ground, modules);
  return svg;
};

const moment = (ms: number): string =>
  new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export const receiptView = (checkout: Checkout): View => {
  const { purchase } = checkout;
  const title = make('h2', { class: 'receipt-title', tabindex: -1 });
  const text = make('p', { class: 'receipt-text', role: 'status' });
  const codeBox = make('div', { class: 'receipt-code', hidden: true });
  const code = make('p', { class: 'pickup-code' });
  const payLink = make('a', { class: 'button primary main-action', rel: 'noopener' }, 'Go to the payment');
  if (checkout.leaving === 'newTab') payLink.target = '_blank';
  const again = make('button', { type: 'button', onclick: () => void purchase.refresh() }, 'I have paid');
  const cancel = make(
    'button',
    { type: 'button', class: 'quiet', onclick: () => void purchase.cancel() },
    'Cancel this order',
  );
  const done = make('button', { type: 'button', onclick: () => purchase.putAway() });
  const goods = make('div', { class: 'deliveries' });
  const body = make('dl', { class: 'receipt-body' });
  const lines = make('ul', { class: 'lines' });
  const saved = make('button', { type: 'button', class: 'quiet' }, 'Save the receipt as text');
  const save = async () => {
    const mail = await purchase.receiptText();
    if (!mail) return;
    saveFile(new Blob([`${mail.subject}\n\n${mail.text}`], { type: 'text/plain' }), 'receipt.txt');
  };
  saved.addEventListener('click', () => void save());

  // The form of a download is its own: a browser starts it without leaving the page, and no token is in an address.
  const download = make('form', { method: 'post', action: '/download', hidden: true });
  const downloadToken = make('input', { type: 'hidden', name: 'token' });
  download.append(downloadToken);

  const startDownload = async ({ lineId, productId }: Delivery) => {
    const made = await purchase.downloadToken(lineId, productId);
    if (!made) return;
    downloadToken.value = made.token;
    download.submit();
  };

  const deliveryRow = (one: Delivery): HTMLElement => {
    const { what } = one;
    switch (what.kind) {
      case 'file':
        return make(
          'div',
          { class: 'delivery' },
          make('p', {}, `${one.name}, until ${moment(one.expiresMs)}`),
          make(
            'button',
            {
              type: 'button',
              onclick: () => void startDownload(one),
            },
            `Download ${what.fileName}`,
          ),
        );
      case 'codes':
        return make(
          'div',
          { class: 'delivery' },
          make('p', {}, `${one.name}, until ${moment(one.expiresMs)}`),
          ...what.codes.map((each) => make('p', { class: 'delivery-code' }, each)),
        );
      case 'pending':
        return make(
          'p',
          { class: 'delivery' },
          `${one.name}: the shop sends it as soon as it can. It is paid and safe.`,
        );
      case 'expired':
        return make(
          'p',
          { class: 'delivery' },
          `${one.name}: the link has expired. Ask the shop for a new one.`,
        );
    }
  };

  const factRows = (receipt: Receipt): [string, string][] => {
    const { order, shipping, refunds, seller, vatNote } = receipt;
    const money = (minor: number) => formatMoney(minor, order.currency);
    return [
      ...(order.shippingMinor > 0
        ? [['Shipping', money(order.shippingMinor)] satisfies [string, string]]
        : []),
      ['Total', `${money(order.totalMinor)}${vatNote === '' ? '' : ` (${vatNote})`}`],
      ...refunds.map(({ amountMinor, stage }): [string, string] => [
        'Refund',
        `${money(amountMinor)}${stage === 'open' ? ', on its way' : ''}`,
      ]),
      ['Ordered', moment(order.createdMs)],
      ...(shipping
        ? [
            [
              'Shipping by',
              [shipping.name, shipping.estimate, shipping.tracking].filter((part) => part !== '').join(', '),
            ] satisfies [string, string],
          ]
        : []),
      ['Number', order.pickupCode],
      ...(seller === '' ? [] : [['Sold by', seller] satisfies [string, string]]),
    ];
  };

  let drawn = '';
  let shownCode: Receipt['order']['id'] | null = null;
  const draw = (receipt: Receipt) => {
    const key = JSON.stringify(receipt);
    if (key === drawn) return;
    drawn = key;
    const { order } = receipt;
    const words = wordsFor(receipt);
    write(title, words.title);
    write(text, words.text);
    const coded = showsCode(receipt) ? order.id : null;
    if (coded !== shownCode) {
      // Otherwise left alone: a camera may be looking at it.
      codeBox.hidden = coded === null;
      codeBox.replaceChildren(...(coded === null ? [] : [qrImage(coded), code]));
      shownCode = coded;
    }
    write(code, order.pickupCode);
    lines.replaceChildren(
      ...order.lines.map((line) =>
        make(
          'li',
          { class: 'line' },
          make(
            'span',
            { class: 'line-name' },
            `${line.quantity} × ${[line.productName, line.variantName].filter((part) => part !== '').join(', ')}`,
          ),
          make('span', { class: 'line-price' }, formatMoney(line.priceMinor * line.quantity, order.currency)),
        ),
      ),
    );
    goods.replaceChildren(...receipt.deliveries.map(deliveryRow));
    body.replaceChildren(
      ...factRows(receipt).flatMap(([term, fact]) => [make('dt', {}, term), make('dd', {}, fact)]),
    );
  };

  const clock = make('p', { class: 'checkout-note', role: 'timer' });
  let asked = 0;
  return {
    root: make(
      'div',
      { class: 'step step-receipt' },
      title,
      text,
      codeBox,
      clock,
      payLink,
      again,
      goods,
      lines,
      body,
      make('div', { class: 'row row-quiet' }, done, saved, cancel),
      download,
    ),
    update: () => {
      const { receipt, busy } = purchase.store.getState();
      if (!receipt) return;
      draw(receipt);
      const { state } = receipt.order;
      const nowMs = checkout.nowMs();
      const payable = state.kind === 'awaitingPayment' && receipt.payUrl !== null;
      say(
        clock,
        receipt.deadlineMs !== null && (state.kind === 'awaitingPayment' || state.kind === 'details')
          ? `Held for you for ${countdown(receipt.deadlineMs, nowMs)}`
          : '',
      );
      payLink.hidden = !payable;
      if (receipt.payUrl !== null) payLink.href = receipt.payUrl;
      again.hidden = !(payable || state.kind === 'confirming');
      write(again, state.kind === 'confirming' ? 'Ask again' : 'I have paid');
      again.disabled = busy !== null;
      cancel.hidden = state.kind !== 'awaitingPayment';
      cancel.disabled = busy !== null;
      const over = !['awaitingPayment', 'confirming', 'details'].includes(state.kind);
      done.hidden = !over;
      write(done, state.kind === 'closed' ? 'Start again' : 'Buy something else');
      saved.hidden = !over || state.kind === 'closed';
      // Without a push (a sleeping phone) it is asked for every few seconds.
      if (state.kind === 'confirming' && busy === null && nowMs - asked > 5_000) {
        asked = nowMs;
        void purchase.refresh();
      }
    },
  };
};
