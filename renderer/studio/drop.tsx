// The shop at the desk, beside the program: what sells now, the drop and its clock, one tap for each thing a director does live.
// Behind tabs in the same place: products, orders, setup. Not its job: keeping stock (the server) or drawing the QR card (engine.ts).
import { useState } from 'react';
import type { Drop, DropState, Product } from '../../sfu-server/protocol/shop.ts';
import { featuredProduct } from '../../sfu-server/protocol/state.ts';
import { Button, Select } from '../ui/controls.tsx';
import { formatCounts, formatDuration, formatMoney, formatStock, formatWhole } from '../ui/format.ts';
import { countdown, offerOf, saleWords } from '../ui/offer.ts';
import { pictureSources } from '../ui/product-picture.ts';
import { CataloguePanel } from './catalogue.tsx';
import { DropForm } from './drop-form.tsx';
import { useServerNow, useShopDesk, useShow, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import { OrdersPanel } from './orders.tsx';
import { ProductForm } from './product-form.tsx';
import { currentDrop, tableVariant } from './shop-desk.ts';
import { ShopSetup } from './shop-setup.tsx';
import './drop.css';

const tabs = ['Drop', 'Products', 'Orders', 'Setup'] as const;
type Tab = (typeof tabs)[number];

export const DropPanel = () => {
  const [tab, setTab] = useState<Tab>('Drop');
  const hasProducts = useShow((show) => (show?.products.length ?? 0) > 0);
  return (
    <section className="panel drop" aria-labelledby="drop-head" data-tab={tab}>
      <div className="panel-head">
        <h2 id="drop-head">Shop</h2>
        {hasProducts && (
          <div className="tabs" role="group" aria-label="Parts of the shop">
            {tabs.map((each) => (
              <Button key={each} kind="quiet" pressed={each === tab} onPress={() => setTab(each)}>
                {each}
              </Button>
            ))}
          </div>
        )}
      </div>
      {tab === 'Drop' && <Live />}
      {tab === 'Products' && <CataloguePanel />}
      {tab === 'Orders' && <OrdersPanel />}
      {tab === 'Setup' && <ShopSetup />}
    </section>
  );
};

const Live = () => {
  const product = useShow((show) => show && featuredProduct(show));
  const hasProducts = useShow((show) => (show?.products.length ?? 0) > 0);
  const [editing, setEditing] = useState<'product' | 'newDrop' | 'drop' | null>(null);
  const drops = useShow((show) => show?.drops ?? noDrops);
  const chosen = useShopDesk((desk) => desk.chosenDropId);
  const drop = currentDrop(drops, chosen);
  const done = () => setEditing(null);
  if (!hasProducts) return <ProductForm product={null} onDone={done} />;
  if (editing === 'product' && product) return <ProductForm product={product} onDone={done} />;
  if (editing === 'newDrop' || editing === 'drop') {
    return <DropForm drop={editing === 'drop' ? drop : null} onDone={done} />;
  }
  return (
    <>
      {product ? (
        <ProductCard product={product} onEdit={() => setEditing('product')} />
      ) : (
        <p className="hint">Nothing is shown to fans. Choose a product under Products.</p>
      )}
      <DropControl drop={drop} onNew={() => setEditing('newDrop')} onEdit={() => setEditing('drop')} />
    </>
  );
};

const noDrops: readonly Drop[] = [];

const ProductCard = ({ product, onEdit }: { product: Product; onEdit: () => void }) => {
  const { shop } = useStudio();
  const show = useShow((state) => state);
  const nowMs = useServerNow(500);
  const { stock } = product;
  const offer = show && offerOf(show, product, nowMs);
  const atTable = tableVariant(
    product,
    useShopDesk((desk) => desk.tableVariantId),
  );
  const share = stock.total === 0 ? 0 : stock.left / stock.total;
  return (
    <div className="drop-card">
      {product.pictureUrl !== null ? (
        <img className="drop-picture" src={pictureSources(product.pictureUrl).src} alt="" />
      ) : (
        <div className="drop-picture drop-picture-none">No picture</div>
      )}
      <div className="drop-words">
        <p className="drop-name" title={product.name}>
          {product.name}
        </p>
        <p className="drop-price">
          {formatMoney(offer?.priceMinor ?? product.priceMinor, product.currency)}
          {offer && offer.insteadOfMinor !== null && (
            <s>{formatMoney(offer.insteadOfMinor, product.currency)}</s>
          )}
          <Button kind="quiet" label={`Edit ${product.name}`} onPress={onEdit}>
            Edit
          </Button>
        </p>
      </div>
      <div className="drop-stock">
        <p role="status">
          <strong>{formatStock(stock)}</strong>
          <span>{formatCounts(stock)}</span>
        </p>
        <div className="stock-bar" aria-hidden="true">
          <div style={{ transform: `scaleX(${share})` }} />
        </div>
      </div>
      <div className="drop-sale" role="group" aria-label="Sales at the table">
        <span>At the table</span>
        {product.variants.length > 1 && atTable && (
          <Select
            label="Which one is sold at the table"
            labelHidden
            value={atTable.id}
            choices={product.variants.map(({ id, name, sku }) => ({
              value: id,
              text: name === '' ? sku : name,
            }))}
            onChange={shop.chooseTableVariant}
          />
        )}
        <Button
          label="−1: take one sale back"
          disabled={(atTable ?? product).stock.sold === 0}
          onPress={() => void shop.recordSale(-1)}
        >
          −1
        </Button>
        <Button
          keyHint={keyHint('sold')}
          title="Record one sale at the table"
          disabled={(atTable ?? product).stock.left === 0}
          onPress={() => void shop.recordSale(1)}
        >
          +1 sold
        </Button>
      </div>
    </div>
  );
};

const stateWords: Record<DropState['kind'], string> = {
  ready: 'Ready',
  scheduled: 'Scheduled',
  countdown: 'Counting down',
  running: 'Running',
  paused: 'Paused',
  soldOut: 'Sold out',
  ended: 'Ended',
};

/** The clock a director reads: what happens next, and when. */
const clockWords = (state: DropState, nowMs: number): string => {
  switch (state.kind) {
    case 'scheduled':
    case 'countdown':
      return `starts in ${countdown(state.startsMs, nowMs)}`;
    case 'running':
    case 'soldOut':
      return state.endsMs === null ? 'until sold out' : `ends in ${countdown(state.endsMs, nowMs)}`;
    case 'paused':
      return state.endsMs === null ? '' : `${formatDuration(state.endsMs - state.pausedMs)} left`;
    case 'ready':
      return '';
    case 'ended':
      return { time: 'time is up', director: '', nextDrop: 'another one began', showEnd: 'with the show' }[
        state.by
      ];
  }
};

const mainWords: Record<DropState['kind'], string> = {
  ready: 'Start the drop',
  scheduled: 'Start now',
  countdown: 'Start now',
  running: 'Pause',
  paused: 'Go on',
  soldOut: 'Again',
  ended: 'Again',
};

const countdowns = [10, 30, 60, 120, 300].map((seconds) => ({
  value: String(seconds * 1000),
  text: seconds < 60 ? `${seconds} s` : `${seconds / 60} min`,
}));

const DropControl = (props: { drop: Drop | null; onNew: () => void; onEdit: () => void }) => {
  const { drop, onNew, onEdit } = props;
  const { shop } = useStudio();
  const nowMs = useServerNow(500);
  const endArmed = useShopDesk((desk) => desk.endArmed);
  const [countdownMs, setCountdownMs] = useState('10000');
  if (!drop) {
    return (
      <div className="drop-none">
        <p className="hint">A drop sells for a few minutes, with its own price, number and clock.</p>
        <Button onPress={onNew}>Make a drop</Button>
      </div>
    );
  }
  const { state } = drop;
  const waits = state.kind === 'ready' || state.kind === 'ended' || state.kind === 'soldOut';
  const on = state.kind === 'running' || state.kind === 'paused' || state.kind === 'soldOut';
  return (
    <div className="drop-control" data-state={state.kind}>
      <DropChoice drop={drop} />
      <div className="drop-clock" role="group" aria-label={`Drop ${drop.name}`}>
        <p className="drop-title" title={drop.name}>
          {drop.name}
        </p>
        <p className="drop-state">
          <strong>{stateWords[state.kind]}</strong> {clockWords(state, nowMs)}
        </p>
      </div>
      <DropLine drop={drop} nowMs={nowMs} />
      <div className="button-row">
        <Button
          kind={state.kind === 'running' ? 'plain' : 'action'}
          keyHint={keyHint('drop')}
          onPress={() => void shop.startOrPause()}
        >
          {mainWords[state.kind]}
        </Button>
        {on && (
          <Button
            keyHint={keyHint('extendDrop')}
            disabled={drop.lengthMs === null}
            onPress={() => void shop.extend()}
          >
            +1 min
          </Button>
        )}
        {(on || state.kind === 'scheduled' || state.kind === 'countdown') && (
          <Button
            keyHint={keyHint('endDrop')}
            kind={endArmed ? 'look' : 'plain'}
            onPress={() => void shop.end()}
          >
            {endArmed ? 'Press again' : on ? 'End' : 'Call off'}
          </Button>
        )}
      </div>
      {waits && (
        <div className="button-row">
          <Button keyHint={keyHint('countDown')} onPress={() => void shop.countDown(Number(countdownMs))}>
            Count down
          </Button>
          <Select
            label="Countdown"
            labelHidden
            value={countdownMs}
            choices={countdowns}
            onChange={setCountdownMs}
          />
        </div>
      )}
      <div className="button-row">
        {state.kind !== 'ended' && (
          <Button kind="quiet" onPress={onEdit}>
            Edit drop
          </Button>
        )}
        <Button kind="quiet" onPress={onNew}>
          New drop
        </Button>
      </div>
    </div>
  );
};

/** Several drops are made for one night: buttons and keys mean the one that is turned to. */
const DropChoice = ({ drop }: { drop: Drop }) => {
  const { shop } = useStudio();
  const drops = useShow((show) => show?.drops ?? noDrops);
  const open = drops.filter(({ id, state }) => state.kind !== 'ended' || id === drop.id);
  if (open.length < 2) return null;
  return (
    <Select
      label="Which drop"
      value={drop.id}
      choices={open.map(({ id, name, state }) => ({
        value: id,
        text: `${name} · ${stateWords[state.kind]}`,
      }))}
      onChange={(value) => shop.turnTo(open.find(({ id }) => id === value)?.id ?? null)}
    />
  );
};

/** What the drop itself still has, and what its windows do. */
const DropLine = ({ drop, nowMs }: { drop: Drop; nowMs: number }) => {
  const { shop } = useStudio();
  const show = useShow((state) => state);
  if (!show) return null;
  // With one product in the drop and on the card there is nothing to choose.
  const choice = drop.items.some(({ productId }) => productId !== show.featuredProductId);
  return (
    <ul className="drop-items">
      {drop.items.map((item) => {
        const product = show.products.find(({ id }) => id === item.productId);
        if (!product) return null;
        const offer = offerOf(show, product, nowMs);
        return (
          <li key={item.productId}>
            <p>
              {product.name}: {formatWhole(item.stock.left)} left
              {item.stock.held > 0 && `, ${formatWhole(item.stock.held)} held`}
              {offer.drop?.id === drop.id && offer.flashEndsMs !== null && ` · ${saleWords(offer, nowMs)}`}
              {item.collector &&
                offer.variants
                  .filter(({ variant }) => variant.id === item.collector?.variantId)
                  .map(({ variant, collector }) => (
                    <span key={variant.id}>
                      {' '}
                      · {variant.name}:{' '}
                      {collector.kind === 'here'
                        ? countdown(collector.endsMs, nowMs)
                        : collector.kind === 'gone'
                          ? 'gone'
                          : 'at the start'}
                    </span>
                  ))}
            </p>
            {choice && (
              <Button
                kind="quiet"
                pressed={product.id === show.featuredProductId}
                label={`Show ${product.name} on the card`}
                onPress={() => void shop.press('featureProduct', { productId: product.id })}
              >
                {product.id === show.featuredProductId ? 'On the card' : 'Show'}
              </Button>
            )}
          </li>
        );
      })}
    </ul>
  );
};
