// Links to hand out, and the guests who came by them: who is here, what they look like, and whether they are on program.
// Not its job: their streams (guests.ts) or what their link opens (the co-host page).
import { useState } from 'react';
import type { Guest } from '../../sfu-server/protocol/state.ts';
import { Button, CopyLink } from '../ui/controls.tsx';
import { Picture, QrCode } from '../ui/picture.tsx';
import { useDesk, useGuestFeeds, useSession, useShow, useStudio } from './hooks.ts';
import { InviteForm } from './invite-form.tsx';
import './people.css';

export const PeoplePanel = () => {
  const studio = useStudio();
  const guests = useShow((show) => show?.guests ?? noGuests);
  return (
    <section className="panel people" aria-labelledby="people-head">
      <div className="panel-head">
        <h2 id="people-head">People</h2>
      </div>
      <ViewerLink />
      <h3>Guests</h3>
      {guests.length === 0 && (
        <p className="hint">Invite somebody: they get a link of their own and appear here when they join.</p>
      )}
      <ul className="guests">
        {guests.map((guest) => (
          <GuestRow key={guest.id} guest={guest} />
        ))}
      </ul>
      <InviteForm
        label="Guest’s name"
        emptyText="Write the guest’s name first."
        buttonText="Invite"
        onInvite={(name) => studio.invite(name)}
      />
    </section>
  );
};

const noGuests: readonly Guest[] = [];

const ViewerLink = () => {
  const showId = useShow((show) => show?.id ?? '');
  const origin = useSession(({ connection }) =>
    connection.kind === 'joined' ? connection.publicOrigin : null,
  );
  const [codeShown, setCodeShown] = useState(false);
  const [known, setKnown] = useState(origin);
  // The link stays while the connection comes back.
  if (origin !== null && origin !== known) setKnown(origin);
  if (known === null) return null;
  const url = `${known}/watch/${showId}`;
  return (
    <div className="viewer-link">
      <h3>Viewer link</h3>
      <CopyLink label="viewer link" url={url}>
        <Button pressed={codeShown} onPress={() => setCodeShown(!codeShown)}>
          Code
        </Button>
      </CopyLink>
      {codeShown && (
        <div className="viewer-code">
          <QrCode label="QR code of the viewer link" text={url} />
        </div>
      )}
    </div>
  );
};

const GuestRow = ({ guest }: { guest: Guest }) => {
  const studio = useStudio();
  const feed = useGuestFeeds((feeds) => feeds[guest.id] ?? null);
  const scene = useDesk((desk) => desk.scene);
  const link = useDesk((desk) => desk.guestLinks[guest.id] ?? null);
  const live = useShow((show) => show?.phase.kind === 'live' && show.program.source === 'studio');
  const here = guest.presence.kind === 'here';
  const onProgram = scene.guestIds.includes(guest.id);
  const state = !here ? 'not here' : onProgram ? (live ? 'ON AIR' : 'on program') : 'waiting';
  return (
    <li className="guest">
      <div className="guest-head">
        <div className="guest-picture">
          <Picture
            label={`${guest.name}’s camera`}
            track={feed?.video ?? null}
            frame={onProgram && live ? 'onAir' : 'plain'}
            placeholder={<span>{here ? 'camera off' : 'away'}</span>}
          />
        </div>
        <div className="guest-words">
          <p className="guest-name" title={guest.name}>
            {guest.name}
          </p>
          <p className="guest-state" data-state={!here ? 'away' : onProgram ? 'program' : 'waiting'}>
            {state}
          </p>
        </div>
        {here && (
          <Button
            pressed={feed?.heard ?? false}
            disabled={!feed?.audio}
            label={`Hear ${guest.name}`}
            title="Only you hear this, on this computer"
            onPress={() => studio.guests.setHeard(guest.id, !(feed?.heard ?? false))}
          >
            Hear
          </Button>
        )}
      </div>
      {here && (
        <div className="button-row" role="group" aria-label={`${guest.name} on program`}>
          <Button
            pressed={onProgram && scene.picture?.layout === 'sideBySide'}
            label={`Side by side: ${guest.name}`}
            onPress={() => studio.setView('sideBySide', guest.id)}
          >
            Side by side
          </Button>
          <Button
            pressed={onProgram && scene.picture?.layout === 'full'}
            label={`Full: ${guest.name}`}
            onPress={() => studio.setView('guest', guest.id)}
          >
            Full
          </Button>
          {onProgram ? (
            <Button label={`Take off ${guest.name}`} onPress={() => studio.setView('camera')}>
              Take off
            </Button>
          ) : (
            <Remove guest={guest} />
          )}
        </div>
      )}
      {!here && (
        <>
          {link !== null && <CopyLink label={`link for ${guest.name}`} url={link} />}
          <div className="button-row">
            <Button
              kind={link === null ? 'plain' : 'quiet'}
              label={`New link for ${guest.name}`}
              title="Makes a new link; the old one stops working"
              onPress={() => void studio.renewLink(guest.id)}
            >
              New link
            </Button>
            <Remove guest={guest} />
          </div>
        </>
      )}
    </li>
  );
};

/** Two presses: a removed guest's link stops working for good. */
const Remove = ({ guest }: { guest: Guest }) => {
  const studio = useStudio();
  const [asked, setAsked] = useState(false);
  if (!asked) {
    return (
      <Button kind="quiet" label={`Remove ${guest.name}`} onPress={() => setAsked(true)}>
        Remove
      </Button>
    );
  }
  return (
    <>
      <Button
        kind="look"
        label={`Remove for good: ${guest.name}`}
        onPress={() => void studio.revoke(guest.id)}
      >
        Remove for good
      </Button>
      <Button kind="quiet" onPress={() => setAsked(false)}>
        Keep
      </Button>
    </>
  );
};
