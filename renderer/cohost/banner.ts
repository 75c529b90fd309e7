// What the co-host's banner says: one pure function from what is known to words that cannot be mistaken.
// Not its job: drawing it (app.tsx) or deciding who is on air (the director does).
import { isOnAir, type GuestId, type ShowState } from '../../sfu-server/protocol/state.ts';
import type { Connection } from '../session/session.ts';

export type Air = 'check' | 'waiting' | 'next' | 'onAir' | 'standby' | 'lost' | 'ended';
export type Banner = { air: Air; title: string; text: string };

/** What the guest must know at one glance. Claims ON AIR only when fans do see them. */
export const bannerFor = (
  connection: Connection['kind'],
  show: ShowState | null,
  me: GuestId | null,
): Banner => {
  if (connection === 'connecting' || !show || me === null) {
    return { air: 'waiting', title: 'Joining', text: 'One moment.' };
  }
  if (connection === 'reconnecting') {
    return {
      air: 'lost',
      title: 'Connection lost',
      text: 'Coming back by itself. Nobody hears you meanwhile.',
    };
  }
  if (show.phase.kind === 'ended') return { air: 'ended', title: 'The show has ended', text: 'Thank you.' };
  if (isOnAir(show, me)) return { air: 'onAir', title: 'ON AIR', text: 'Everybody sees and hears you.' };
  const placed = show.scene.guestIds.includes(me);
  if (show.phase.kind === 'setup') {
    return placed
      ? { air: 'next', title: 'Get ready', text: 'You are on the picture. The show has not started yet.' }
      : { air: 'waiting', title: 'Waiting', text: 'You are in. The show has not started yet.' };
  }
  return placed
    ? { air: 'standby', title: 'One moment', text: 'Fans see the standby clip. You are next on the picture.' }
    : { air: 'waiting', title: 'Waiting', text: 'You are not on air. The director sees you.' };
};
