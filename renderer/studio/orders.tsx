// Orders at the desk: the till, who has bought what, and for one order all that can be done: refund, cancel, send, explain to a bank.
// Handing over at the table is the crew's phone.
import { useEffect, useState } from 'react';
import type { ShowParamsInput, ShowResult } from '../../sfu-server/protocol/messages.ts';
import type { Order, OrderId, OrderState } from '../../sfu-server/protocol/shop.ts';
import { Button, Field, Select, TwiceButton } from '../ui/controls.tsx';
import { formatMoney, formatTime, formatWhole, moneyForField, parseMoney } from '../ui/format.ts';
import { saveFile } from '../ui/save-file.ts';
import { useShow, useStudio } from './hooks.ts';
import type { Answer } from './shop-desk.ts';

type List = ShowResult<'listOrders'>;
type Detail = ShowResult<'inspectOrder'>;
type Packing = ShowResult<'packingList'>;
type Query = ShowParamsInput<'listOrders'>;
type Only = Query['only'];

const filters: readonly { value: Only; text: string }[] = [
  { value: 'all', text: 'All' },
  { value: 'open', text: 'Not paid yet' },
  { value: 'toDeliver', text: 'To hand out or send' },
  { value: 'flagged', text: 'Look at these' },
];

export const orderWords = (state: OrderState): string => {
  switch (state.kind) {
    case 'details':
      return 'filling in';
    case 'awaitingPayment':
      return state.provider === 'counter' ? 'pays at the table' : 'paying';
    case 'confirming':
      return 'confirming';
    case 'paid':
      return 'paid';
    case 'fulfilled':
      return 'done';
    case 'refunded':
      return 'refunded';
    case 'closed':
      return { cancelled: 'cancelled', expired: 'not paid in time', declined: 'declined' }[state.because];
  }
};

const pieces = (order: Order): string =>
  order.lines
    .map(
      (line) =>
        `${line.quantity} × ${[line.productName, line.variantName].filter((one) => one !== '').join(', ')}`,
    )
    .join(', ');

export const OrdersPanel = () => {
  const { shop, session } = useStudio();
  // A copy asks again.
  const [query, setQuery] = useState<Query>({ before: null, only: 'all' });
  const { only } = query;
  const [list, setList] = useState<List | null>(null);
  const [more, setMore] = useState(false);
  const [openId, setOpen] = useState<OrderId | null>(null);
  const [packing, setPacking] = useState<Packing | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const currency = useShow((show) => show?.shop.currency ?? 'EUR');

  const load = () => setQuery((now) => ({ ...now }));
  useEffect(() => {
    let current = true;
    const take = (answer: Answer<List>) => {
      if (!current) return;
      setWrong(answer.ok ? null : answer.text);
      if (!answer.ok) return;
      setList(answer.result);
      setMore(answer.result.orders.length >= 20);
    };
    void shop.ask('listOrders', query).then(take);
    return () => {
      current = false;
    };
  }, [shop, query]);
  useEffect(() => {
    // Many orders may change at once: asked for again at most twice a second.
    let due: ReturnType<typeof setTimeout> | undefined;
    const stop = session.listen('counterOrder', () => {
      due ??= setTimeout(() => {
        due = undefined;
        setQuery((now) => ({ ...now }));
      }, 500);
    });
    return () => {
      stop();
      clearTimeout(due);
    };
  }, [session]);

  const loadMore = async () => {
    const last = list?.orders.at(-1);
    if (!list || !last) return;
    const answer = await shop.ask('listOrders', { before: last.order.id, only });
    if (!answer.ok) return setWrong(answer.text);
    setMore(answer.result.orders.length > 0);
    setList({ ...answer.result, orders: [...list.orders, ...answer.result.orders] });
  };

  const showPacking = async () => {
    const answer = await shop.ask('packingList', {});
    if (answer.ok) setPacking(answer.result);
    else setWrong(answer.text);
  };

  if (packing) return <PackingList packing={packing} onClose={() => setPacking(null)} />;
  if (openId !== null)
    return <OneOrder key={openId} id={openId} onClose={() => setOpen(null)} onChange={load} />;
  return (
    <>
      {list && (
        <dl className="till">
          <div>
            <dt>Orders</dt>
            <dd>{formatWhole(list.totals.orders)}</dd>
          </div>
          <div>
            <dt>Taken</dt>
            <dd>{formatMoney(list.totals.takenMinor, currency)}</dd>
          </div>
          <div>
            <dt>Given back</dt>
            <dd>{formatMoney(list.totals.refundedMinor, currency)}</dd>
          </div>
        </dl>
      )}
      <Select
        label="Show"
        labelHidden
        value={only}
        choices={filters}
        onChange={(value) => {
          const chosen = filters.find((one) => one.value === value);
          if (chosen) setQuery({ before: null, only: chosen.value });
        }}
      />
      {wrong !== null && (
        <p className="form-wrong" role="alert">
          {wrong}
        </p>
      )}
      {list?.orders.length === 0 && <p className="hint">None yet.</p>}
      <ul className="orders">
        {list?.orders.map(({ order, flag }) => (
          <li key={order.id}>
            <button type="button" className="order-row" onClick={() => setOpen(order.id)}>
              <strong>{order.pickupCode}</strong>
              <span>{formatMoney(order.totalMinor, order.currency)}</span>
              <span className="order-state">{flag === '' ? orderWords(order.state) : `▲ ${flag}`}</span>
              <span className="hint">
                {formatTime(order.createdMs)} · {pieces(order)}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <div className="button-row">
        {more && <Button onPress={() => void loadMore()}>Older</Button>}
        <Button onPress={() => void showPacking()}>Packing list</Button>
        <Button onPress={() => void shop.download('/api/orders.csv', 'orders.csv')}>Save as CSV</Button>
      </div>
    </>
  );
};

const PackingList = ({ packing, onClose }: { packing: Packing; onClose: () => void }) => (
  <>
    <div className="button-row">
      <Button onPress={onClose}>Back</Button>
      <Button onPress={() => window.print()}>Print</Button>
    </div>
    {packing.groups.length === 0 && <p className="hint">There is nothing to pack.</p>}
    {packing.groups.map((group) => (
      <section key={group.title} className="packing">
        <h3>{group.title}</h3>
        <p>{group.pieces.map((one) => `${one.quantity} × ${one.name}`).join(', ')}</p>
        <ul>
          {group.orders.map((one) => (
            <li key={one.pickupCode}>
              <strong>{one.pickupCode}</strong> {one.name}{' '}
              <span className="hint">
                {one.lines.map((line) => `${line.quantity} × ${line.name}`).join(', ')}
              </span>
              {one.address.length > 0 && <address className="hint">{one.address.join(', ')}</address>}
            </li>
          ))}
        </ul>
      </section>
    ))}
  </>
);

const OneOrder = (props: { id: OrderId; onClose: () => void; onChange: () => void }) => {
  const { id, onClose, onChange } = props;
  const { shop } = useStudio();
  const [detail, setDetail] = useState<Detail | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const [refunding, setRefunding] = useState(false);
  const [tracking, setTracking] = useState('');
  // A copy asks again.
  const [query, setQuery] = useState({ orderId: id });
  useEffect(() => {
    let current = true;
    const take = (answer: Answer<Detail>) => {
      if (!current) return;
      if (answer.ok) setDetail(answer.result);
      else setWrong(answer.text);
    };
    void shop.ask('inspectOrder', query).then(take);
    return () => {
      current = false;
    };
  }, [shop, query]);

  /** Does it, then shows the order as it is now. */
  const act = async (work: Promise<{ ok: true } | { ok: false; text: string }>) => {
    const answer = await work;
    setWrong(answer.ok ? null : answer.text);
    setRefunding(false);
    setQuery({ orderId: id });
    onChange();
  };

  if (!detail) {
    return (
      <>
        <Button onPress={onClose}>Back</Button>
        {wrong !== null && (
          <p className="form-wrong" role="alert">
            {wrong}
          </p>
        )}
      </>
    );
  }
  const { order } = detail.receipt;
  const { kind } = order.state;
  const isPaid = kind === 'paid' || kind === 'fulfilled';
  const saveEvidence = () =>
    saveFile(new Blob([detail.evidence], { type: 'text/plain' }), `order-${order.pickupCode}.txt`);
  return (
    <div className="one-order">
      <div className="button-row">
        <Button onPress={onClose}>Back</Button>
        <strong>{order.pickupCode}</strong>
        <span>{orderWords(order.state)}</span>
        {order.money === 'test' && <span className="test-money">Test</span>}
      </div>
      {detail.flag !== '' && (
        <p className="form-wrong">
          {detail.flag}{' '}
          <Button kind="quiet" onPress={() => void act(shop.ask('clearFlag', { orderId: id }))}>
            I have looked
          </Button>
        </p>
      )}
      <p>{pieces(order)}</p>
      <p className="hint">
        {formatMoney(order.totalMinor, order.currency)}
        {order.refundedMinor > 0 && `, ${formatMoney(order.refundedMinor, order.currency)} given back`} ·{' '}
        {order.email}
        {order.name !== '' && ` · ${order.name}`}
      </p>
      {order.fulfilment.kind === 'shipping' && (
        <address className="hint">
          {[
            ...order.fulfilment.address.lines,
            `${order.fulfilment.address.postcode} ${order.fulfilment.address.city}`,
            order.fulfilment.address.country,
          ].join(', ')}
        </address>
      )}
      {wrong !== null && (
        <p className="form-wrong" role="alert">
          {wrong}
        </p>
      )}
      {refunding ? (
        <RefundForm
          order={order}
          onCancel={() => setRefunding(false)}
          onRefund={(params) => act(shop.ask('refundOrder', { orderId: id, ...params }))}
        />
      ) : (
        <div className="button-row">
          {isPaid && <Button onPress={() => setRefunding(true)}>Refund</Button>}
          {(kind === 'details' || kind === 'awaitingPayment') && (
            <TwiceButton
              kind="plain"
              label="Cancel it: the order"
              onPress={() => void act(shop.ask('cancelOrderByCrew', { orderId: id }))}
            >
              Cancel it
            </TwiceButton>
          )}
          {isPaid && (
            <Button onPress={() => void act(shop.ask('sendReceipt', { orderId: id }))}>Mail receipt</Button>
          )}
          {detail.receipt.deliveries.length > 0 && (
            <Button onPress={() => void act(shop.ask('renewDelivery', { orderId: id }))}>
              Renew downloads
            </Button>
          )}
          <Button onPress={saveEvidence}>Evidence</Button>
        </div>
      )}
      {kind === 'paid' && order.fulfilment.kind === 'shipping' && (
        <div className="form-row form-pair">
          <Field label="Tracking number" value={tracking} onChange={setTracking} maxLength={200} />
          <Button onPress={() => void act(shop.ask('markShipped', { orderId: id, tracking }))}>Sent</Button>
        </div>
      )}
      <ol className="order-events">
        {detail.events.map(({ atMs, text }) => (
          <li key={`${atMs} ${text}`}>
            <time>{formatTime(atMs)}</time> {text}
          </li>
        ))}
      </ol>
    </div>
  );
};

type Refund = {
  lines: { lineId: string; quantity: number; restock: boolean }[];
  shippingMinor: number;
  reason: string;
};

const RefundForm = (props: {
  order: Order;
  onCancel: () => void;
  onRefund: (refund: Refund) => Promise<void>;
}) => {
  const { order, onCancel, onRefund } = props;
  const left = order.lines.filter((line) => line.returned < line.quantity);
  const [counts, setCounts] = useState<Readonly<Record<string, string>>>(() =>
    Object.fromEntries(left.map((line) => [line.id, String(line.quantity - line.returned)])),
  );
  const [restock, setRestock] = useState(true);
  const [shipping, setShipping] = useState(moneyForField(0, order.currency));
  const [reason, setReason] = useState('');
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const refund = async () => {
    const lines = left.map((line) => ({ lineId: line.id, quantity: Number(counts[line.id] ?? 0), restock }));
    const shippingMinor = parseMoney(shipping, order.currency);
    if (lines.some(({ quantity }) => !Number.isInteger(quantity) || quantity < 0) || shippingMinor === null) {
      return setWrong('Write how many pieces come back, and how much of the shipping, as numbers.');
    }
    setBusy(true);
    await onRefund({ lines: lines.filter(({ quantity }) => quantity > 0), shippingMinor, reason });
    setBusy(false);
  };
  return (
    <div className="form-fields" role="group" aria-label="Refund">
      {left.map((line) => (
        <Field
          key={line.id}
          label={`${line.productName} ${line.variantName}: pieces`}
          value={counts[line.id] ?? '0'}
          onChange={(value) => setCounts({ ...counts, [line.id]: value })}
          inputMode="numeric"
        />
      ))}
      {order.shippingMinor > 0 && (
        <Field label="of the shipping" value={shipping} onChange={setShipping} inputMode="decimal" />
      )}
      <Field label="Reason, on the receipt" value={reason} onChange={setReason} maxLength={200} />
      <label className="check">
        <input type="checkbox" checked={restock} onChange={(event) => setRestock(event.target.checked)} />
        The pieces go on sale again
      </label>
      {wrong !== null && (
        <p className="form-wrong" role="alert">
          {wrong}
        </p>
      )}
      <div className="button-row">
        <Button kind="quiet" onPress={onCancel}>
          Cancel
        </Button>
        <Button kind="action" disabled={busy} onPress={() => void refund()}>
          {busy ? 'Giving back' : 'Give the money back'}
        </Button>
      </div>
    </div>
  );
};
