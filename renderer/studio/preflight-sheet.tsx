// The field card on a sheet beside the program: every item with its colour, its sentence and the one thing to do; for printing,
// one page per role. Not its job: judging (preflight.ts).
import { useEffect } from 'react';
import { useStore } from 'zustand';
import { Button } from '../ui/controls.tsx';
import { QrCode } from '../ui/picture.tsx';
import { Sheet } from './frame.tsx';
import { useDesk, useLayout, useNow, useReading, useSession, useShow, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import { cardRoles, cardSummary, type CardItem, type CardItemId, type CardRole } from './preflight.ts';
import './preflight.css';

const roleTitles: Record<CardRole, string> = {
  director: 'Director and host',
  camera: 'Camera',
  audio: 'Audio and power',
};

const toneWords = { fine: 'ready', look: 'look here', wrong: 'not ready' } as const;

/** Where an item is mended. */
const panelOf: Partial<Record<CardItemId, string>> = {
  standby: 'standby',
  uplink: 'connection',
  cameras: 'sources',
  lut: 'sources',
  pipeline: 'health',
  levels: 'mixer',
  recording: 'recording',
};

export const PreflightSheet = ({ onClose }: { onClose: () => void }) => {
  const studio = useStudio();
  const { preflight } = studio;
  const asking = useDesk((desk) => desk.going === 'asking');
  const items = useReading(500, () => preflight.items());
  const looking = useStore(preflight.store, ({ link, clip }) =>
    [link, clip].some(({ kind }) => kind === 'looking'),
  );
  useEffect(() => void preflight.check(), [preflight]);
  const { tone, text } = cardSummary(items);
  const close = () => {
    studio.notYet();
    onClose();
  };
  return (
    <Sheet label="Pre-flight" onClose={close} className="preflight">
      <p className="preflight-summary" data-tone={tone} role="status">
        {text}
      </p>
      <div className="button-row">
        <Button disabled={looking} onPress={() => void preflight.check()}>
          Check again
        </Button>
        <Button onPress={() => window.print()}>Print the field cards</Button>
      </div>
      {asking && (
        <div className="preflight-ask" role="group" aria-label="Go live">
          <Button kind="look" keyHint={keyHint('goLive')} onPress={() => void studio.goLive()}>
            Go live anyway
          </Button>
          <Button onPress={close}>Not yet</Button>
        </div>
      )}
      {cardRoles.map((role) => (
        <section key={role}>
          <h3>{roleTitles[role]}</h3>
          <ul className="preflight-items">
            {items
              .filter((item) => item.role === role)
              .map((item) => (
                <Item key={item.id} item={item} />
              ))}
          </ul>
        </section>
      ))}
      <Pages items={items} />
    </Sheet>
  );
};

const Item = ({ item }: { item: CardItem }) => {
  const layout = useLayout();
  const panel = panelOf[item.id];
  return (
    <li className="preflight-item" data-tone={item.tone}>
      <span className="preflight-mark">
        <span className="visually-hidden">{toneWords[item.tone]}</span>
      </span>
      <div>
        <p>
          <strong>{item.title}</strong>
        </p>
        <p>{item.text}</p>
        {item.todo !== null && <p className="preflight-todo">{item.todo}</p>}
      </div>
      {item.todo !== null && panel !== undefined && (
        <Button kind="quiet" label={`Show ${panel} for ${item.title}`} onPress={() => layout.open(panel)}>
          Show
        </Button>
      )}
    </li>
  );
};

/** What no machine can look at, by role; ticked by hand on paper. */
const byHand: Record<CardRole, readonly string[]> = {
  director: [
    'Running order and prices are agreed with the host.',
    'The viewer link was opened on a phone outside this network.',
    'Everybody knows: Standby covers the picture, the shop goes on.',
  ],
  camera: [
    'Lenses clean, focus and exposure locked, white balance the same on all cameras.',
    'Cameras on their own power, auto power-off disabled.',
    'Cables taped where somebody walks.',
  ],
  audio: [
    'Fresh batteries in every transmitter, spares in the pocket.',
    'Lavs do not rub; the backup microphone is within reach.',
    'Laptop plugged in, notifications off, a second way to the internet ready.',
  ],
};

/** On paper only: one page per role. */
const Pages = ({ items }: { items: readonly CardItem[] }) => {
  const nowMs = useNow(60_000);
  const title = useShow((show) => show?.title ?? '');
  const showId = useShow((show) => show?.id ?? '');
  const origin = useSession(({ connection }) =>
    connection.kind === 'joined' ? connection.publicOrigin : null,
  );
  const printed = new Intl.DateTimeFormat(undefined, { dateStyle: 'long', timeStyle: 'short' });
  return (
    <div className="card-pages">
      {cardRoles.map((role) => (
        <article key={role} className="card-page">
          <header>
            <div>
              <p>{title}</p>
              <h1>{roleTitles[role]}</h1>
              <p>Field card, {printed.format(nowMs)}</p>
            </div>
            {origin !== null && (
              <div className="card-code">
                <QrCode label="Viewer link" text={`${origin}/watch/${showId}`} />
              </div>
            )}
          </header>
          <ul>
            {items
              .filter((item) => item.role === role)
              .map(({ id, tone, title: name, text, todo }) => (
                <li key={id}>
                  <span className="card-box">{tone === 'fine' ? '✓' : ''}</span>
                  <div>
                    <p>
                      <strong>{name}</strong>: {text}
                    </p>
                    {todo !== null && <p>→ {todo}</p>}
                  </div>
                </li>
              ))}
            {byHand[role].map((text) => (
              <li key={text}>
                <span className="card-box" />
                <p>{text}</p>
              </li>
            ))}
          </ul>
          {role === 'director' && origin !== null && <p>Fans watch at {`${origin}/watch/${showId}`}</p>}
          <footer>
            <span>Checked by</span>
            <span>Time</span>
          </footer>
        </article>
      ))}
    </div>
  );
};
