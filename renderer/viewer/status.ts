// What a fan is told about the show, derived from what is known and what arrives. Pure.
// One truth for the badge, the message on the stage, the page's title and the screen reader.
import type { Rung } from '../session/ladder.ts';
import type { SessionState } from '../session/session.ts';

export type Status =
  | { kind: 'opening' }
  | { kind: 'soon' }
  | { kind: 'live' }
  /** The standby clip plays, or nothing yet: the show is on and comes back by itself. */
  | { kind: 'standby' }
  /** `trying`: what was tried last; null while it is the server that cannot be reached. */
  | { kind: 'reconnecting'; trying: Rung | null }
  | { kind: 'ended' }
  | { kind: 'refused'; code: string; text: string };

/** `lost`: the server has been unreachable for more than a moment. */
export const statusOf = (
  state: Pick<SessionState, 'connection' | 'show' | 'picture'>,
  lost: boolean,
): Status => {
  const { connection, show, picture } = state;
  if (show?.phase.kind === 'ended') return { kind: 'ended' };
  if (connection.kind === 'refused') {
    return { kind: 'refused', code: connection.code, text: connection.text };
  }
  if (!show || show.phase.kind === 'setup') {
    if (lost) return { kind: 'reconnecting', trying: null };
    return show ? { kind: 'soon' } : { kind: 'opening' };
  }
  switch (picture.kind) {
    // The picture itself decides: it may still come while the server's word does not, and the other way round.
    case 'stalled':
      return { kind: 'reconnecting', trying: connection.kind === 'joined' ? picture.trying : null };
    case 'none':
      return lost ? { kind: 'reconnecting', trying: null } : { kind: 'opening' };
    case 'flowing':
      return show.program.source === 'studio' ? { kind: 'live' } : { kind: 'standby' };
  }
};

export type StatusWords = {
  badge: string;
  /** Message over the stage where there is no picture to look at. */
  headline: string;
  detail: string;
};

const tryingWords: Record<Rung, string> = {
  keyframe: 'Asking for a fresh picture.',
  consumer: 'Starting the picture anew.',
  ice: 'Looking for another way to the show.',
  transport: 'Opening a new connection.',
  session: 'Joining the show again.',
};

export const wordsFor = (status: Status): StatusWords => {
  switch (status.kind) {
    case 'opening':
      return { badge: 'Opening', headline: '', detail: '' };
    case 'soon':
      return {
        badge: 'Not live yet',
        headline: 'Starts soon',
        detail: 'Keep this page open. The picture starts by itself.',
      };
    case 'live':
      return { badge: 'LIVE', headline: '', detail: '' };
    case 'standby':
      return { badge: 'Back in a moment', headline: '', detail: '' };
    case 'reconnecting':
      return {
        badge: 'Reconnecting',
        headline: 'Reconnecting',
        detail: status.trying
          ? tryingWords[status.trying]
          : 'The show cannot be reached. Trying again by itself.',
      };
    case 'ended':
      return { badge: 'Ended', headline: 'The show has ended', detail: 'Thanks for watching.' };
    case 'refused':
      return {
        badge: 'Not connected',
        headline: status.code === 'noShow' ? 'No show here' : 'Not connected',
        detail: status.text,
      };
  }
};
