// The crew's page, for one thumb: the drop with one tap, orders that wait, the order in hand with two large answers.
// Everything that cannot be taken back asks for a second press; handing over and a sale counted by hand can be taken back.
import { useState } from 'react';
import { useStore } from 'zustand';
import type { CounterOrder } from '../../sfu-server/protocol/order-messages.ts';
import type { Drop, Product, Variant } from '../../sfu-server/protocol/shop.ts';
import type { Session } from '../session/session.ts';
import { ConnectionNotice } from '../ui/connection.tsx';
import { formatCount, formatDuration, formatMoney, formatWhole } from '../ui/format.ts';
import { countdown } from '../ui/offer.ts';
import { useServerNow, useSession } from '../ui/use-session.ts';
import { useTwice } from '../ui/use-twice.ts';
import { Scan } from './scan.tsx';
import { isReady, owes, type Table } from './table.ts';

type Parts = { session: Session; table: Table };

export const App = ({ session, table }: Parts) => {
  const show = useSession(session, (state) => state.show);
  const current = useStore(table.store, (state) => state.current);
  const trouble = useStore(table.store, (state) => state.trouble);
  return (
    <main className="crew">
      <header className="crew-head">
        <h1>{show?.title ?? 'Crew'}</h1>
        {show?.shop.money === 'test' && <p className="test-money">Test: nothing is charged</p>}
      </header>
      <ConnectionNotice session={session} />
      {trouble !== null && (
        <p className="crew-trouble" role="alert">
          {trouble}
          <button type="button" onClick={() => table.say(null)}>
            Got it
          </button>
        </p>
      )}
      {current ? (
        <InHand order={current} table={table} />
      ) : (
        <>
          {show && <Drops drops={show.drops} session={session} table={table} />}
          <Scan onCode={(code) => void table.find(code)} onTrouble={(text) => table.say(text)} />
          <Queue table={table} />
          {show && <SoldByHand products={show.products} table={table} />}
        </>
      )}
    </main>
  );
};

/** Asks for a second press within a few seconds. */
const Twice = (props: { words: string; again: string; disabled?: boolean; onPress: () => void }) => {
  const { armed, press } = useTwice(props.onPress);
  return (
    <button type="button" className={armed ? 'look' : ''} disabled={props.disabled} onClick={press}>
      {armed ? props.again : props.words}
    </button>
  );
};

const Drops = ({ drops, session, table }: { drops: readonly Drop[]; session: Session; table: Table }) => {
  const nowMs = useServerNow(session, 500);
  const shown = drops
    .filter(({ state }) => state.kind !== 'ended')
    .toSorted((a, b) => b.createdMs - a.createdMs);
  const last = drops.findLast(({ state }) => state.kind === 'ended');
  const list = shown.length > 0 || !last ? shown : [last];
  return (
    <section aria-labelledby="drops-head" className="crew-part">
      <h2 id="drops-head">Drop</h2>
      {list.length === 0 && <p className="dim">There is none yet. The director makes it at the desk.</p>}
      {list.map((drop) => (
        <OneDrop key={drop.id} drop={drop} nowMs={nowMs} table={table} />
      ))}
    </section>
  );
};

const dropWords = ({ state }: Drop, nowMs: number): string => {
  switch (state.kind) {
    case 'ready':
      return 'Ready';
    case 'scheduled':
    case 'countdown':
      return `Starts in ${countdown(state.startsMs, nowMs)}`;
    case 'running':
      return state.endsMs === null
        ? 'Running until sold out'
        : `Running, ends in ${countdown(state.endsMs, nowMs)}`;
    case 'paused':
      return state.endsMs === null
        ? 'Paused'
        : `Paused, ${formatDuration(state.endsMs - state.pausedMs)} left`;
    case 'soldOut':
      return 'Sold out';
    case 'ended':
      return 'Ended';
  }
};

const Press = ({
  words,
  main = false,
  disabled,
  onPress,
}: {
  words: string;
  main?: boolean;
  disabled: boolean;
  onPress: () => void;
}) => (
  <button type="button" className={main ? 'primary' : undefined} disabled={disabled} onClick={onPress}>
    {words}
  </button>
);

const OneDrop = ({ drop, nowMs, table }: { drop: Drop; nowMs: number; table: Table }) => {
  const busy = useStore(table.store, (state) => state.busy);
  const { id: dropId, state } = drop;
  const left = drop.items.reduce((sum, { stock }) => sum + stock.left, 0);
  const held = drop.items.reduce((sum, { stock }) => sum + stock.held, 0);
  const end = (
    <Twice
      words="End"
      again="Press again to end"
      disabled={busy}
      onPress={() => void table.press('endDrop', { dropId })}
    />
  );
  const buttons = () => {
    switch (state.kind) {
      case 'ready':
        return (
          <>
            <Press
              words="Start in 10 s"
              main
              disabled={busy}
              onPress={() => void table.press('startDrop', { dropId, countdownMs: 10_000 })}
            />
            <Press
              words="Start now"
              disabled={busy}
              onPress={() => void table.press('startDrop', { dropId, countdownMs: null })}
            />
          </>
        );
      case 'scheduled':
      case 'countdown':
        return (
          <>
            <Press
              words="Call it off"
              main
              disabled={busy}
              onPress={() => void table.press('cancelDropStart', { dropId })}
            />
            <Press
              words="Start now"
              disabled={busy}
              onPress={() => void table.press('startDrop', { dropId, countdownMs: null })}
            />
          </>
        );
      case 'running':
        return (
          <>
            <Press
              words="Pause"
              main
              disabled={busy}
              onPress={() => void table.press('pauseDrop', { dropId })}
            />
            {end}
          </>
        );
      case 'paused':
        return (
          <>
            <Press
              words="Go on"
              main
              disabled={busy}
              onPress={() => void table.press('resumeDrop', { dropId })}
            />
            {end}
          </>
        );
      case 'soldOut':
      case 'ended':
        return (
          <Twice
            words="Start it again"
            again="Press again to start"
            disabled={busy}
            onPress={() => void table.press('restartDrop', { dropId, countdownMs: 10_000 })}
          />
        );
    }
  };
  return (
    <div className="crew-drop">
      <p className="crew-drop-name">{drop.name}</p>
      <p className="crew-drop-state">{dropWords(drop, nowMs)}</p>
      <p className="dim">
        {formatWhole(left)} left{held > 0 && `, ${formatWhole(held)} held`}
      </p>
      <div className="two">{buttons()}</div>
    </div>
  );
};

const linesWords = ({ lines }: CounterOrder): string =>
  lines
    .map(
      (line) =>
        `${line.quantity - line.returned} × ${[line.productName, line.variantName].filter((one) => one !== '').join(', ')}`,
    )
    .join(', ');

const Queue = ({ table }: { table: Table }) => {
  const queue = useStore(table.store, (state) => state.queue);
  const [packing, setPacking] = useState(false);
  const ready = queue.filter(isReady);
  const pieces = new Map<string, number>();
  for (const line of ready.flatMap(({ lines }) => lines)) {
    const name = [line.productName, line.variantName].filter((one) => one !== '').join(', ');
    pieces.set(name, (pieces.get(name) ?? 0) + line.quantity - line.returned);
  }
  return (
    <section aria-labelledby="queue-head" className="crew-part">
      <h2 id="queue-head">Waiting</h2>
      {queue.length === 0 && <p className="dim">Nobody waits. Orders appear here by themselves.</p>}
      {ready.length > 0 && (
        <button type="button" aria-expanded={packing} onClick={() => setPacking(!packing)}>
          {packing ? 'Hide the packing list' : `Packing list: ${formatCount(ready.length, 'order')}`}
        </button>
      )}
      {packing && (
        <ul className="packing-list">
          {[...pieces].map(([name, quantity]) => (
            <li key={name}>
              <strong>{quantity} ×</strong> {name}
            </li>
          ))}
        </ul>
      )}
      <ul className="queue">
        {queue.map((order) => (
          <li key={order.id}>
            <button type="button" className="queue-row" onClick={() => table.choose(order)}>
              <strong>{order.pickupCode}</strong>
              <span className={owes(order) ? 'owes' : 'dim'}>
                {owes(order) ? `takes ${formatMoney(order.totalMinor, order.currency)}` : 'paid, hand out'}
              </span>
              <span className="dim queue-lines">
                {order.name !== '' && `${order.name}: `}
                {linesWords(order)}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
};

const variantName = (product: Product, variant: Variant): string =>
  variant.name === '' ? product.name : `${product.name}, ${variant.name}`;

/** For those who pay without a phone of their own: counted, without an order or a receipt. */
const SoldByHand = ({ products, table }: { products: readonly Product[]; table: Table }) => {
  const busy = useStore(table.store, (state) => state.busy);
  const [last, setLast] = useState<{ product: Product; variant: Variant } | null>(null);
  const record = async (product: Product, variant: Variant, quantity: 1 | -1) => {
    const sale = { productId: product.id, variantId: variant.id, quantity };
    if (await table.press('recordSale', sale)) setLast(quantity > 0 ? { product, variant } : null);
  };
  if (products.length === 0) return null;
  return (
    <details className="crew-part by-hand">
      <summary>Sold without a phone</summary>
      {last && (
        <p className="by-hand-last" role="status">
          Counted: 1 × {variantName(last.product, last.variant)}
          <button type="button" disabled={busy} onClick={() => void record(last.product, last.variant, -1)}>
            Take it back
          </button>
        </p>
      )}
      <ul className="by-hand-list">
        {products.flatMap((product) =>
          product.variants.map((variant) => (
            <li key={variant.id}>
              <span>
                {variantName(product, variant)}
                <span className="dim"> {formatWhole(variant.stock.left)} left</span>
              </span>
              <button
                type="button"
                aria-label={`Sold one: ${variantName(product, variant)}`}
                disabled={busy || variant.stock.left === 0}
                onClick={() => void record(product, variant, 1)}
              >
                Sold one
              </button>
            </li>
          )),
        )}
      </ul>
    </details>
  );
};

const stateWords = (order: CounterOrder): string => {
  const { state } = order;
  if (owes(order)) return `Takes ${formatMoney(order.totalMinor, order.currency)}`;
  switch (state.kind) {
    case 'paid':
      return order.fulfilment === 'pickup' ? 'Paid: hand it out' : 'Paid: it is not handed out here';
    case 'fulfilled':
      return 'Already handed out';
    case 'refunded':
      return 'Refunded: do not hand it out';
    case 'closed':
      return 'Never paid: do not hand it out';
    case 'details':
    case 'awaitingPayment':
    case 'confirming':
      return 'Not paid yet: wait for the payment';
  }
};

const InHand = ({ order, table }: { order: CounterOrder; table: Table }) => {
  const busy = useStore(table.store, (state) => state.busy);
  const wrong = !owes(order) && !isReady(order) && order.state.kind !== 'fulfilled';
  return (
    <section className="in-hand" aria-labelledby="in-hand-code">
      <h2 id="in-hand-code" className="in-hand-code">
        {order.pickupCode}
      </h2>
      {order.name !== '' && <p className="in-hand-name">{order.name}</p>}
      <p className={wrong ? 'crew-trouble' : 'in-hand-state'} role="status">
        {stateWords(order)}
      </p>
      {order.money === 'test' && <p className="test-money">Test order</p>}
      <ul className="in-hand-lines">
        {order.lines.map((line) => (
          <li key={line.id}>
            <strong>{line.quantity - line.returned} ×</strong> {line.productName}
            {line.variantName !== '' && <span className="dim"> {line.variantName}</span>}
          </li>
        ))}
      </ul>
      {order.flag !== '' && <p className="crew-trouble">{order.flag}</p>}
      <div className="answers">
        {owes(order) && (
          <>
            <button
              type="button"
              className="primary"
              disabled={busy}
              onClick={() => void table.confirm(order.id, 'cash')}
            >
              Got cash
            </button>
            <button
              type="button"
              className="primary"
              disabled={busy}
              onClick={() => void table.confirm(order.id, 'cardReader')}
            >
              Card reader took it
            </button>
          </>
        )}
        {isReady(order) && (
          <button
            type="button"
            className="primary"
            disabled={busy}
            onClick={() => void table.handOver(order.id, false)}
          >
            Handed out
          </button>
        )}
        {order.state.kind === 'fulfilled' && (
          <button type="button" disabled={busy} onClick={() => void table.handOver(order.id, true)}>
            Undo: it was not handed out
          </button>
        )}
        <button type="button" onClick={() => table.choose(null)}>
          Next one
        </button>
      </div>
    </section>
  );
};
