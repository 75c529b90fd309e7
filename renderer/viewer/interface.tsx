// The fan page's interface: badge and sound over the picture, title and product beside it.
// It only shows what session and playing already know; the video element is not React's.
import { lazy, StrictMode, Suspense, useCallback, useEffect, useState, type ReactNode } from 'react';
import { createPortal } from 'react-dom';
import { createRoot } from 'react-dom/client';
import { useStore } from 'zustand';
import type { Product } from '../../sfu-server/protocol/shop.ts';
import { featuredProduct, type ShowState } from '../../sfu-server/protocol/state.ts';
import { noticeMs } from '../session/ladder.ts';
import type { Session } from '../session/session.ts';
import { formatWhole } from '../ui/format.ts';
import { alsoInDrop, offerOf } from '../ui/offer.ts';
import { useLasting, useServerNow, useSession } from '../ui/use-session.ts';
import type { Playing } from './playing.ts';
import type { StandbyCopy } from './standby-copy.ts';
import { statusOf, wordsFor, type Status, type StatusWords } from './status.ts';

const ProductCard = lazy(async () => ({ default: (await import('../ui/product-card.tsx')).ProductCard }));
/** After the picture and the card: it comes when the page is idle, soon in any case. */
const ViewerChat = lazy(async () => {
  await new Promise<void>((resolve) => {
    // Safari has no such callback.
    if ('requestIdleCallback' in window) requestIdleCallback(() => resolve(), { timeout: 1_500 });
    else setTimeout(resolve, 500);
  });
  return { default: (await import('./chat.tsx')).ViewerChat };
});
const BuySheet = lazy(async () => ({ default: (await import('./buy-sheet.tsx')).BuySheet }));

/** Shorter breaks are over before anybody has read about them. */
const sayAfterMs = 1_000;
const flowing = { kind: 'flowing' } as const;

type Parts = { session: Session; playing: Playing; standby: StandbyCopy };

const useStatus = (session: Session): { status: Status; lost: boolean } => {
  const connection = useSession(session, (state) => state.connection);
  const show = useSession(session, (state) => state.show);
  const picture = useSession(session, (state) => state.picture);
  const since = connection.kind === 'reconnecting' ? connection.sinceMs : null;
  const lost = useLasting(since, sayAfterMs);
  // A stall is known before it is said; what heals in that time was nobody's business.
  const stalled = useLasting(picture.kind === 'stalled' ? picture.sinceMs : null, sayAfterMs - noticeMs);
  const said = picture.kind === 'stalled' && !stalled ? flowing : picture;
  return { status: statusOf({ connection, show, picture: said }, lost), lost };
};

const Badge = ({ status, words }: { status: Status; words: StatusWords }) => (
  <p className={`badge badge-${status.kind}`}>
    <span className="badge-dot" aria-hidden="true" />
    {words.badge}
  </p>
);

const Icon = ({ path }: { path: string }) => (
  <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
    <path
      d={path}
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
    />
  </svg>
);
const speaker = 'M4 9.500v5h3.500L12 18.500v-13L7.500 9.500H4z';
const icons = {
  silent: `${speaker}M16 9.500l5 5M21 9.500l-5 5`,
  sound: `${speaker}M15.500 9a4.200 4.200 0 0 1 0 6M18.300 6.500a7.800 7.800 0 0 1 0 11`,
  fullscreen: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
};

const Controls = ({ playing, status }: { playing: Playing; status: Status }) => {
  const sound = useStore(playing.store, (state) => state.sound);
  const needsTap = useStore(playing.store, (state) => state.needsTap);
  const hasFrame = useStore(playing.store, (state) => state.hasFrame);
  if (!hasFrame || status.kind === 'ended' || status.kind === 'soon') return null;
  return (
    <div className="controls">
      {sound === 'off' ? (
        <button
          type="button"
          className="sound-offer"
          aria-keyshortcuts="m"
          onClick={() => playing.setSound('on')}
        >
          <Icon path={icons.silent} />
          {needsTap ? 'Tap to play' : 'Tap for sound'}
        </button>
      ) : (
        <button
          type="button"
          className="control"
          aria-label="Mute"
          aria-keyshortcuts="m"
          title="Mute (m)"
          onClick={() => playing.setSound('off')}
        >
          <Icon path={icons.sound} />
        </button>
      )}
      {document.fullscreenEnabled && (
        <button
          type="button"
          className="control"
          aria-label="Full screen"
          aria-keyshortcuts="f"
          title="Full screen (f)"
          onClick={() => playing.toggleFullscreen()}
        >
          <Icon path={icons.fullscreen} />
        </button>
      )}
    </div>
  );
};

/** Words in place of a picture. Over a picture that is still worth looking at, the badge alone speaks. */
const StageMessage = (props: { status: Status; words: StatusWords; hasFrame: boolean; session: Session }) => {
  const { status, words, hasFrame, session } = props;
  if (words.headline === '') return null;
  if (status.kind === 'reconnecting' && hasFrame) return null;
  return (
    <div className={`message message-${status.kind}`}>
      <p className="message-headline">{words.headline}</p>
      <p className="message-detail">{words.detail}</p>
      {status.kind === 'refused' &&
        (status.code === 'noShow' ? (
          <a className="button" href="/">
            Go to the current show
          </a>
        ) : (
          <button type="button" onClick={() => session.retryNow()}>
            Try again
          </button>
        ))}
    </div>
  );
};

/** Over a picture that is still worth looking at: what is being tried, and a way not to wait for it. */
const Recovering = ({ words, session }: { words: StatusWords; session: Session }) => (
  <div className="recovering">
    <p className="recovering-detail">{words.detail}</p>
    <button type="button" onClick={() => session.retryNow()}>
      Retry now
    </button>
  </div>
);

const Beside = ({ session, status, lost }: { session: Session; status: Status; lost: boolean }) => {
  const show = useSession(session, (state) => state.show);
  if (!show) return null;
  const product = featuredProduct(show);
  const behind = lost || status.kind === 'refused';
  return (
    <>
      <header className="about">
        <h1 className="about-title">{show.title}</h1>
        {show.phase.kind !== 'ended' && show.viewers > 0 && (
          <p className="about-viewers">
            {formatWhole(show.viewers)} {show.phase.kind === 'live' ? 'watching' : 'waiting'}
          </p>
        )}
      </header>
      {product && (
        <Suspense fallback={null}>
          <Selling
            session={session}
            show={show}
            product={product}
            caution={behind ? 'Not connected: the number left may have changed.' : null}
          />
        </Suspense>
      )}
      <Suspense fallback={null}>
        <ViewerChat session={session} />
      </Suspense>
    </>
  );
};

/** The card, and the checkout in its place once somebody wants to buy. */
const Selling = (props: { session: Session; show: ShowState; product: Product; caution: string | null }) => {
  const { session, show, product, caution } = props;
  const nowMs = useServerNow(session, 500);
  // What is bought stays what it was when the director shows the next thing.
  const [bought, setBought] = useState<Product | null>(null);
  const [open, setOpen] = useState(false);
  const [heldUntilMs, setHeld] = useState<number | null>(null);
  const close = useCallback(() => setOpen(false), []);
  const offer = offerOf(show, product, nowMs);
  return (
    <>
      <div className="card-slot">
        <ProductCard
          showId={show.id}
          product={product}
          offer={offer}
          also={alsoInDrop(show, offer, nowMs)}
          nowMs={nowMs}
          heldUntilMs={heldUntilMs}
          caution={caution}
          onBuy={() => {
            if (bought === null || heldUntilMs === null) setBought(product);
            setOpen(true);
          }}
        />
      </div>
      {bought && (
        <Suspense fallback={null}>
          <BuySheet
            session={session}
            productId={bought.id}
            title={bought.name}
            open={open}
            onClose={close}
            onHeld={setHeld}
          />
        </Suspense>
      )}
    </>
  );
};

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null;

const Interface = ({ session, playing, standby, beside }: Parts & { beside: HTMLElement }): ReactNode => {
  const { status, lost } = useStatus(session);
  const hasProgram = useStore(playing.store, (state) => state.hasFrame);
  const standbyOnScreen = useStore(standby.store, (state) => state.onScreen);
  const hasFrame = hasProgram || standbyOnScreen;
  const title = useSession(session, (state) => state.show?.title ?? 'Live drop');
  const words = wordsFor(status);

  useEffect(() => {
    document.title = status.kind === 'live' ? `LIVE: ${title}` : title;
  }, [status.kind, title]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (event.key === 'm') playing.setSound(playing.store.getState().sound === 'on' ? 'off' : 'on');
      else if (event.key === 'f') playing.toggleFullscreen();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [playing]);

  return (
    <>
      <div className="shade" data-over={hasFrame ? 'picture' : 'nothing'} aria-hidden="true" />
      <StageMessage status={status} words={words} hasFrame={hasFrame} session={session} />
      <Badge status={status} words={words} />
      {status.kind === 'reconnecting' && hasFrame && <Recovering words={words} session={session} />}
      <Controls playing={playing} status={status} />
      <p className="visually-hidden" role="status">
        {words.headline === '' ? words.badge : `${words.headline}. ${words.detail}`}
      </p>
      {createPortal(<Beside session={session} status={status} lost={lost} />, beside)}
    </>
  );
};

export const mountInterface = (parts: Parts & { overlay: HTMLElement; beside: HTMLElement }): void => {
  const { overlay, ...rest } = parts;
  createRoot(overlay).render(
    <StrictMode>
      <Interface {...rest} />
    </StrictMode>,
  );
};
