// What a page knows once it has joined, for tests of what follows from it. A page that really joins is made by the server under
// test.
import type { Connection, SessionState } from '../../renderer/session/session.ts';
import { emptyScene, showId, type ShowState } from '../../sfu-server/protocol/state.ts';
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
export const liveShow: ShowState = {
  seq: 1,
  id: showId.parse('s'),
  title: 'Drop',
  phase: { kind: 'live', sinceMs: 0 },
  program: { source: 'studio', reason: 'studioHealthy', sinceMs: 0, lock: 'none' },
  ...emptyShop,
  viewers: 1,
  studio: 'absent',
  scene: emptyScene,
  guests: [],
};

/** Of a page that has joined and has no picture yet. */
export const joinedSession = (change: Partial<SessionState> = {}): SessionState => ({
  connection: joined,
  show: null,
  health: null,
  mixMinusAvailable: false,
  notice: null,
  program: { video: null, audio: null },
  picture: { kind: 'none' },
  sending: { kind: 'none' },
  ...change,
});
