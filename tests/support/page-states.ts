// What a page knows once it has joined, for tests of what follows from it. A page that really joins is made by the server under
// test.
import { initialSession, type Connection, type SessionState } from '../../renderer/session/session.ts';
import { emptyScene, showState, type ShowState } from '../../sfu-server/protocol/state.ts';
import { emptyShop } from './products.ts';

export const joined: Extract<Connection, { kind: 'joined' }> = {
  kind: 'joined',
  participantId: 'p',
  guestId: null,
  codec: 'VP8',
  publicOrigin: '',
  sameMachine: false,
};

/** A show with the studio's picture on air. */
export const liveShow: ShowState = showState.parse({
  seq: 1,
  id: 's',
  title: 'Drop',
  phase: { kind: 'live', sinceMs: 0 },
  program: { source: 'studio', reason: 'studioHealthy', sinceMs: 0, lock: 'none' },
  ...emptyShop,
  viewers: 1,
  studio: 'absent',
  scene: emptyScene,
  guests: [],
});

/** Of a page that has joined and has no picture yet. */
export const joinedSession = (change: Partial<SessionState> = {}): SessionState => ({
  ...initialSession,
  connection: joined,
  ...change,
});
