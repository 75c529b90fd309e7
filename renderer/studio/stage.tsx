// What is composed and what fans get, side by side, with the controls that change the picture.
// Not its job: composing (engine.ts); which source is behind a role (sources.tsx).
import { useState } from 'react';
import { useStore } from 'zustand';
import { featuredProduct } from '../../sfu-server/protocol/state.ts';
import type { Tracks } from '../session/session.ts';
import { Button, Field } from '../ui/controls.tsx';
import { Picture, QrCode, type Frame } from '../ui/picture.tsx';
import { useDesk, useInputs, useSession, useShow, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import './stage.css';

export const Stage = () => (
  <>
    <section className="pictures" aria-label="Pictures">
      <Preview />
      <Program />
    </section>
    <PictureControls />
  </>
);

const Preview = () => {
  const studio = useStudio();
  const camera = useInputs((inputs) => inputs.camera.kind);
  const hasGuest = useDesk((desk) => desk.scene.guestId !== null);
  const offer = useDesk((desk) => desk.sending.kind === 'offerResume');
  const settingUp = camera === 'empty' && !hasGuest;
  return (
    <div className="picture-box">
      <h2>Preview</h2>
      {settingUp ? (
        <SetUp showIsOn={offer} />
      ) : (
        <Picture label="Preview: the picture as it is composed" track={studio.previewTrack} />
      )}
      {offer && !settingUp && <ResumeOffer />}
    </div>
  );
};

/** Before the first picture: one press, one question of the browser, a picture. */
const SetUp = ({ showIsOn }: { showIsOn: boolean }) => {
  const studio = useStudio();
  return (
    <div className="set-up">
      <p className="set-up-title">{showIsOn ? 'The show is still on' : 'Let’s get a picture'}</p>
      <p>
        {showIsOn
          ? 'Fans see the standby clip. Turn on your camera and microphone, then resume.'
          : 'Plug in your camera and microphone, then turn them on. The browser asks once.'}
      </p>
      <Button kind="action" large onPress={() => void studio.openDevices()}>
        Turn on camera and microphone
      </Button>
    </div>
  );
};

const ResumeOffer = () => {
  const studio = useStudio();
  const ready = useInputs(
    ({ camera, cameraStats }) =>
      camera.kind === 'live' && cameraStats !== null && cameraStats.lastFrameAgeMs !== null,
  );
  return (
    <div className="resume" role="group" aria-label="Resume the show">
      <p>
        <strong>The show is still on.</strong> Fans see the standby clip.
      </p>
      <Button
        kind="action"
        large
        keyHint={keyHint('resume')}
        disabled={!ready}
        onPress={() => studio.resume()}
      >
        Resume the show
      </Button>
      {!ready && <p>Waiting for the camera’s picture.</p>}
    </div>
  );
};

const Program = () => {
  const rehearsal = useStore(useStudio().standby.store, (standby) => standby.rehearsal);
  const phase = useShow((show) => show?.phase.kind ?? 'setup');
  const source = useShow((show) => show?.program.source ?? 'none');
  const video = useSession((session) => session.program.video);
  const connected = useSession((session) => session.connection.kind === 'joined');
  if (rehearsal) return <Rehearsal tracks={rehearsal} />;
  const onAir = phase === 'live' && source !== 'none';
  const frame: Frame = !onAir ? 'plain' : source === 'standby' ? 'standby' : 'onAir';
  return (
    <div className="picture-box">
      <h2>
        Program
        <span className={`air-tag air-tag-${frame}`}>
          {frame === 'onAir' ? 'ON AIR' : frame === 'standby' ? 'STANDBY CLIP ON AIR' : 'not on air'}
        </span>
      </h2>
      <Picture
        label="Program: the picture fans get"
        track={onAir ? video : null}
        frame={frame}
        placeholder={
          onAir ? (
            <p>
              {connected ? 'The program is on its way back to you.' : 'The connection is lost. Coming back.'}
            </p>
          ) : (
            <OffAir ended={phase === 'ended'} />
          )
        }
      />
    </div>
  );
};

/** The standby clip as it would come to fans, in the place of the program. */
const Rehearsal = ({ tracks }: { tracks: Tracks }) => (
  <div className="picture-box">
    <h2>
      Program
      <span className="air-tag air-tag-standby">REHEARSING STANDBY · only you see this</span>
    </h2>
    <Picture
      label="Rehearsal: the standby clip as fans would get it"
      track={tracks.video}
      audio={tracks.audio}
      frame="standby"
      placeholder={<p>The clip is on its way from the server.</p>}
    />
  </div>
);

/** While nothing is on air the place of the program says how fans get here. */
const OffAir = ({ ended }: { ended: boolean }) => {
  const showId = useShow((show) => show?.id ?? '');
  const origin = useSession(({ connection }) =>
    connection.kind === 'joined' ? connection.publicOrigin : null,
  );
  if (ended) return <p>The show has ended. Fans see the closing page.</p>;
  if (origin === null) return <p>Off air.</p>;
  return (
    <div className="off-air">
      <QrCode label="QR code of the viewer link" text={`${origin}/watch/${showId}`} />
      <div>
        <p className="off-air-title">Off air</p>
        <p>Fans who scan this wait for you. They see the title and “Starts soon”.</p>
      </div>
    </div>
  );
};

const PictureControls = () => {
  const studio = useStudio();
  const scene = useDesk((desk) => desk.scene);
  const guestHere = useShow((show) => (show?.guests ?? []).some(({ presence }) => presence.kind === 'here'));
  const product = useShow((show) => !show || featuredProduct(show) !== null);
  const view = scene.guestId === null ? 'camera' : scene.layout === 'sideBySide' ? 'sideBySide' : 'guest';
  const noGuest = guestHere ? undefined : 'No guest is here yet. Invite one under People.';
  return (
    <section className="picture-controls" aria-label="Picture">
      <div className="button-row" role="group" aria-label="View">
        <Button
          keyHint={keyHint('camera')}
          pressed={view === 'camera'}
          onPress={() => studio.setView('camera')}
        >
          Camera
        </Button>
        <Button
          keyHint={keyHint('sideBySide')}
          pressed={view === 'sideBySide'}
          disabled={!guestHere}
          title={noGuest}
          onPress={() => studio.setView('sideBySide')}
        >
          Side by side
        </Button>
        <Button
          keyHint={keyHint('guest')}
          pressed={view === 'guest'}
          disabled={!guestHere}
          title={noGuest}
          onPress={() => studio.setView('guest')}
        >
          Guest
        </Button>
      </div>
      <div className="button-row overlays" role="group" aria-label="Overlays">
        <Button
          keyHint={keyHint('qr')}
          pressed={scene.qrVisible && product}
          disabled={!product}
          title={product ? undefined : 'There is nothing to sell yet. Add a product under Drop.'}
          onPress={() => studio.setQr(!scene.qrVisible)}
        >
          QR code
        </Button>
        <Button
          keyHint={keyHint('lowerThird')}
          pressed={scene.lowerThird !== null}
          onPress={() => studio.setLowerThird(scene.lowerThird === null)}
        >
          Lower third
        </Button>
        <LowerThirdWords />
      </div>
    </section>
  );
};

const LowerThirdWords = () => {
  const studio = useStudio();
  const kept = useInputs((inputs) => inputs.settings.lowerThird);
  const [words, setWords] = useState(kept);
  const save = () => {
    if (words.title !== kept.title || words.subtitle !== kept.subtitle) studio.setLowerThirdWords(words);
  };
  return (
    <>
      <Field
        label="Lower third, name"
        labelHidden
        placeholder="Name"
        maxLength={60}
        value={words.title}
        onChange={(title) => setWords({ ...words, title })}
        onDone={save}
      />
      <Field
        label="Lower third, second line"
        labelHidden
        placeholder="Second line"
        maxLength={80}
        value={words.subtitle}
        onChange={(subtitle) => setWords({ ...words, subtitle })}
        onDone={save}
      />
    </>
  );
};
