// The checkout beside the playing picture: the very same as on the product page, in the place of the card while it is open.
// Loaded when somebody first wants to buy; from then on it keeps their hold, and tells the card of it.
import { useEffect, useRef } from 'react';
import { mountCheckout } from '../checkout/checkout.ts';
import { createPurchase } from '../checkout/purchase.ts';
import type { ProductId } from '../../sfu-server/protocol/shop.ts';
import type { Session } from '../session/session.ts';
import './buy-sheet.css';

export const BuySheet = (props: {
  session: Session;
  productId: ProductId;
  title: string;
  open: boolean;
  onClose: () => void;
  /** When what this buyer holds runs out; null: they hold nothing. */
  onHeld: (deadlineMs: number | null) => void;
}) => {
  const { session, productId, title, open, onClose, onHeld } = props;
  const place = useRef<HTMLDivElement>(null);
  const close = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    const purchase = createPurchase(session);
    const checkout = mountCheckout({
      session,
      purchase,
      leaving: 'newTab',
      product: () => session.store.getState().show?.products.find(({ id }) => id === productId) ?? null,
    });
    place.current?.append(checkout.root);
    const stop = purchase.store.subscribe(({ mine }) => {
      const held = mine.holds.filter(({ stage }) => stage === 'held' || stage === 'paying');
      onHeld(held.length === 0 ? null : Math.min(...held.map(({ deadlineMs }) => deadlineMs)));
    });
    return () => {
      stop();
      checkout.close();
      purchase.close();
    };
  }, [session, productId, onHeld]);

  useEffect(() => {
    if (!open) return;
    close.current?.focus();
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape') onClose();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [open, onClose]);

  return (
    <section className="buy-sheet" role="dialog" aria-label={`Get ${title}`} hidden={!open}>
      <header className="buy-head">
        <h2>{title}</h2>
        <button ref={close} type="button" onClick={onClose}>
          Close
        </button>
      </header>
      <div ref={place} />
    </section>
  );
};
