// The studio's side of every guest who is here: their picture into the compositor, their sound into the mixer, and
// the mix without themselves sent back to them.
// Not its job: links and names (engine.ts), or which guest is on program (the scene decides; this follows it).
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { Guest, GuestId } from '../../sfu-server/protocol/state.ts';
import { guestSourceId } from './picture.ts';
import type { Publication, Session, Subscription, Tracks } from '../session/session.ts';
import type { Compositor } from './media/compositor.ts';
import type { Mixer } from './media/mixer.ts';
import type { SoundDesk } from './sound.ts';

/** A guest as the director sees them. `heard`: in the director's ears, whether or not on program. */
export type GuestFeed = {
  video: MediaStreamTrack | null;
  audio: MediaStreamTrack | null;
  heard: boolean;
};
export type GuestFeeds = Readonly<Record<GuestId, GuestFeed>>;

/** Speech and music of everyone else, in stereo. */
const mixMinusKbps = 96;

export interface GuestDesk {
  readonly store: StoreApi<GuestFeeds>;
  /** Seats those who are here, clears the seats of those who left, opens the sound of those on program. */
  follow(guests: readonly Guest[], onProgram: readonly GuestId[]): void;
  /** The director listens to a guest, on the default output. */
  setHeard(guestId: GuestId, heard: boolean): void;
  close(): void;
  snapshot(): {
    seats: Record<string, { video: boolean; audio: boolean; mixMinus: boolean; heard: boolean }>;
  };
}

type Seat = {
  readonly sourceId: string;
  readonly name: string;
  tracks: Tracks;
  onProgram: boolean;
  subscription: Subscription | null;
  mixMinus: Publication | null;
  readonly ears: HTMLAudioElement;
  readonly leaving: AbortController;
};

export const createGuestDesk = (options: {
  session: Session;
  compositor: Compositor;
  mixer: Mixer;
  sound: SoundDesk;
  /** Told in one sentence what failed for which guest. */
  onTrouble: (text: string) => void;
}): GuestDesk => {
  const { session, compositor, mixer, sound } = options;
  const store = createStore<GuestFeeds>(() => ({}));
  const seats = new Map<GuestId, Seat>();

  const report = (guestId: GuestId, seat: Seat) => {
    const feed = { video: seat.tracks.video, audio: seat.tracks.audio, heard: !seat.ears.paused };
    store.setState({ [guestId]: feed });
  };

  const take = (guestId: GuestId, seat: Seat, tracks: Tracks) => {
    const before = seat.tracks;
    seat.tracks = tracks;
    if (tracks.video !== before.video) {
      if (tracks.video) compositor.addSource(seat.sourceId, tracks.video);
      else compositor.removeSource(seat.sourceId);
    }
    if (tracks.audio !== before.audio) {
      const { name, onProgram } = seat;
      if (tracks.audio)
        sound.attach(seat.sourceId, { name, kind: 'guest', onAir: onProgram, track: tracks.audio });
      else sound.detach(seat.sourceId);
      seat.ears.srcObject = tracks.audio ? new MediaStream([tracks.audio]) : null;
    }
    report(guestId, seat);
  };

  const sit = async (guest: Guest, onProgram: boolean) => {
    const seat: Seat = {
      sourceId: guestSourceId(guest.id),
      name: guest.name,
      tracks: { video: null, audio: null },
      onProgram,
      subscription: null,
      mixMinus: null,
      ears: new Audio(),
      leaving: new AbortController(),
    };
    const { signal } = seat.leaving;
    seats.set(guest.id, seat);
    report(guest.id, seat);
    const receive = async () => {
      const subscription = await session.subscribe({ kind: 'guest', guestId: guest.id });
      if (signal.aborted) return subscription.close();
      seat.subscription = subscription;
      subscription.onTracks((tracks) => take(guest.id, seat, tracks));
      take(guest.id, seat, subscription.tracks);
    };
    const sendBack = async () => {
      const track = mixer.mixMinusTrack(seat.sourceId);
      const publication = await session.publish(
        track,
        { kind: 'mixMinus', guestId: guest.id },
        { maxKbps: mixMinusKbps },
      );
      if (signal.aborted) publication.close();
      else seat.mixMinus = publication;
    };
    const [received, sent] = await Promise.allSettled([receive(), sendBack()]);
    if (signal.aborted) return;
    if (received.status === 'rejected') {
      options.onTrouble(`${guest.name}’s picture and sound do not arrive. Ask them to reload their page.`);
    }
    if (sent.status === 'rejected') {
      options.onTrouble(`${guest.name} cannot hear the show. Ask them to reload their page.`);
    }
  };

  const leave = (guestId: GuestId, seat: Seat) => {
    seats.delete(guestId);
    seat.leaving.abort();
    seat.subscription?.close();
    seat.mixMinus?.close();
    seat.ears.pause();
    seat.ears.srcObject = null;
    compositor.removeSource(seat.sourceId);
    sound.detach(seat.sourceId);
    mixer.releaseMixMinus(seat.sourceId);
    const others = Object.entries(store.getState()).filter(([each]) => each !== guestId);
    store.setState(Object.fromEntries(others), true);
  };

  const aim = (seat: Seat, onProgram: boolean) => {
    if (seat.onProgram === onProgram) return;
    seat.onProgram = onProgram;
    sound.setOnAir(seat.sourceId, onProgram);
  };

  return {
    store,
    follow: (guests, onProgram) => {
      const here = new Map(
        guests.flatMap((guest) => (guest.presence.kind === 'here' ? [[guest.id, guest]] : [])),
      );
      for (const [guestId, seat] of seats) {
        if (here.has(guestId)) aim(seat, onProgram.includes(guestId));
        else leave(guestId, seat);
      }
      for (const [guestId, guest] of here) {
        if (!seats.has(guestId)) void sit(guest, onProgram.includes(guestId));
      }
    },
    setHeard: (guestId, heard) => {
      const seat = seats.get(guestId);
      if (!seat) return;
      if (!heard) {
        seat.ears.pause();
        return report(guestId, seat);
      }
      seat.ears.play().then(
        () => report(guestId, seat),
        () =>
          options.onTrouble('The browser refuses to play sound. Click into the page, then press Hear again.'),
      );
    },
    close: () => {
      for (const [guestId, seat] of seats) leave(guestId, seat);
    },
    snapshot: () => ({
      seats: Object.fromEntries(
        [...seats].map(([guestId, { tracks, mixMinus, ears }]) => [
          guestId,
          {
            video: tracks.video !== null,
            audio: tracks.audio !== null,
            mixMinus: mixMinus !== null,
            heard: !ears.paused,
          },
        ]),
      ),
    }),
  };
};
