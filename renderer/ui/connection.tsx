// Says how the page stands with the server, in one sentence, on every crew and co-host page.
// Nothing is shown while all is well; the fan page words the picture instead (viewer/status.ts).
import { noticeMs } from '../session/ladder.ts';
import type { Session } from '../session/session.ts';
import { useLasting, useSession } from './use-session.ts';
import './connection.css';

/** Short breaks heal unnoticed and are not worth a sentence. */
const sayAfterMs = 1_000;

export const ConnectionNotice = ({ session }: { session: Session }) => {
  const connection = useSession(session, (state) => state.connection);
  const notice = useSession(session, (state) => state.notice);
  const lasting = useLasting(
    connection.kind === 'reconnecting' ? connection.sinceMs : connection.kind === 'connecting' ? 0 : null,
    sayAfterMs,
  );
  const sending = useSession(session, (state) => state.sending);
  const unheard = useLasting(sending.kind === 'stalled' ? sending.sinceMs : null, sayAfterMs - noticeMs);
  const text = () => {
    switch (connection.kind) {
      case 'refused':
        return connection.text;
      case 'reconnecting':
        return lasting ? `The server cannot be reached. Trying again by itself. ${notice ?? ''}` : '';
      case 'connecting':
        return lasting ? 'Connecting to the server.' : '';
      case 'joined':
        return unheard
          ? 'What this page sends does not arrive. Looking for another way to the server.'
          : (notice ?? '');
    }
  };
  const words = text();
  return (
    <div role="status" className={`connection connection-${connection.kind}`} hidden={words === ''}>
      <p>{words}</p>
      {(connection.kind === 'refused' || connection.kind === 'reconnecting' || unheard) && (
        <button type="button" onClick={() => session.retryNow()}>
          Try now
        </button>
      )}
      {connection.kind === 'joined' && !unheard && (
        <button type="button" onClick={() => session.store.setState({ notice: null })}>
          Got it
        </button>
      )}
    </div>
  );
};
