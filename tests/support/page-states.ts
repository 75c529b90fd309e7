// What a page knows once it has joined, for tests of what follows from it. A page that really joins is made by the server under
// test.
import { initialSession, type Connection, type SessionState } from '../../renderer/session/session.ts';
import type { Joined } from '../../sfu-server/protocol/messages.ts';
import { emptyScene, showId, showState, type ShowState } from '../../sfu-server/protocol/state.ts';
import { emptyShop } from './products.ts';

export const joined: Extract<Connection, { kind: 'joined' }> = {
  kind: 'joined',
  participantId: 'p',
  guestId: null,
  codec: 'VP8',
  publicOrigin: '',
  sameMachine: false,
};

/** A show that is being set up: nobody watches, nothing is for sale. */
export const freshShow: ShowState = showState.parse({
  seq: 1,
  id: 'show1',
  title: 'Night market',
  phase: { kind: 'setup' },
  program: { source: 'none', reason: 'notOnAir', sinceMs: 0, lock: 'none' },
  ...emptyShop,
  viewers: 0,
  studio: 'absent',
  scene: emptyScene,
  guests: [],
});

/** The server's answer to a page that joins without media. */
export const joinAnswer = (state: ShowState): Joined => ({
  participantId: 'p1',
  guestId: null,
  crewId: null,
  resumeToken: 'resume-token-0123456789',
  state,
  media: null,
  codec: 'VP8',
  publicOrigin: 'http://drop.example',
  sameMachine: false,
});

/** A show with the studio's picture on air. */
export const liveShow: ShowState = {
  ...freshShow,
  id: showId.parse('s'),
  title: 'Drop',
  phase: { kind: 'live', sinceMs: 0 },
  program: { source: 'studio', reason: 'studioHealthy', sinceMs: 0, lock: 'none' },
  viewers: 1,
};

/** Of a page that has joined and has no picture yet. */
export const joinedSession = (change: Partial<SessionState> = {}): SessionState => ({
  ...initialSession,
  connection: joined,
  ...change,
});
