// The co-host's page: a banner that cannot be mistaken, own picture and level, large device controls, the program.
// Not its job: devices and streams (booth.ts).
import { createContext, use } from 'react';
import { useStore } from 'zustand';
import type { Session, SessionState } from '../session/session.ts';
import { Button, Select } from '../ui/controls.tsx';
import { Meter } from '../ui/meter.tsx';
import { Picture } from '../ui/picture.tsx';
import { BoothChat } from './booth-chat.tsx';
import type { DeviceIdentity, SlotState } from '../ui/devices.ts';
import { bannerFor } from './banner.ts';
import type { Booth, BoothState } from './booth.ts';

const BoothContext = createContext<Booth | null>(null);
const useBooth = (): Booth => {
  const booth = use(BoothContext);
  if (!booth) throw new Error('This part of the co-host page is outside BoothContext.');
  return booth;
};
const useBoothState = <T,>(select: (state: BoothState) => T): T => useStore(useBooth().store, select);

export const App = ({ booth }: { booth: Booth }) => (
  <BoothContext value={booth}>
    <Page />
  </BoothContext>
);

const Page = () => {
  const stage = useBoothState((state) => state.stage);
  return stage.kind === 'joined' ? <Joined session={stage.session} /> : <Checking />;
};

// --- Before joining ---------------------------------------------------------------------------------------------------

const Checking = () => {
  const booth = useBooth();
  const camera = useBoothState((state) => state.camera.kind);
  const microphone = useBoothState((state) => state.microphone.kind);
  const untouched = camera === 'empty' && microphone === 'empty';
  const ready = camera === 'live' || microphone === 'live';
  return (
    <main className="booth">
      <header className="banner" data-air="check">
        <h1>{ready ? 'Ready to join' : 'You are invited'}</h1>
        <p>{ready ? 'Nobody sees or hears you yet.' : 'Check your camera and microphone first.'}</p>
      </header>
      <div className="booth-pictures booth-pictures-one">
        <OwnPicture />
      </div>
      {untouched ? (
        <Button kind="action" large onPress={() => void booth.openDevices()}>
          Turn on camera and microphone
        </Button>
      ) : (
        <>
          <Devices />
          <Button kind="action" large disabled={!ready} onPress={() => booth.join()}>
            Join the show
          </Button>
        </>
      )}
      <p className="booth-hint">Use headphones: the others then hear no echo of themselves.</p>
    </main>
  );
};

// --- In the show ------------------------------------------------------------------------------------------------------

const Joined = ({ session }: { session: Session }) => {
  const booth = useBooth();
  const { connection, show, program } = useStore(session.store, (state: SessionState) => state);
  const trouble = useBoothState((state) => state.trouble);
  const hearing = useBoothState((state) => state.hearing);
  const me = useBoothState((state) => state.me);
  if (connection.kind === 'refused') return <Refused text={connection.text} />;
  const banner = bannerFor(connection.kind, show, me);
  const programShown = show?.phase.kind === 'live' && show.program.source !== 'none';
  return (
    <main className="booth">
      <header className="banner" data-air={banner.air} role="status">
        <h1>{banner.title}</h1>
        <p>{banner.text}</p>
      </header>
      {trouble !== null && (
        <p className="booth-trouble" role="alert">
          {trouble}
        </p>
      )}
      {hearing === 'blocked' && (
        <Button kind="look" large onPress={() => booth.startHearing()}>
          Tap to hear the others
        </Button>
      )}
      <div className="booth-pictures">
        <OwnPicture onAir={banner.air === 'onAir'} />
        <div className="booth-picture">
          <h2>{show?.title ?? 'The show'}</h2>
          <Picture
            label="The program fans see"
            track={programShown ? program.video : null}
            placeholder={
              <p>{show?.phase.kind === 'ended' ? 'The show is over.' : 'The show is not on air yet.'}</p>
            }
          />
        </div>
      </div>
      <Devices />
      <BoothChat session={session} />
      <Button kind="quiet" onPress={() => booth.leave()}>
        Leave the show
      </Button>
    </main>
  );
};

const Refused = ({ text }: { text: string }) => {
  const booth = useBooth();
  return (
    <main className="booth">
      <div className="sorry" role="alert">
        <h1>You are not in the show</h1>
        <p>{text}</p>
      </div>
      <Button large onPress={() => booth.leave()}>
        Back to the camera check
      </Button>
    </main>
  );
};

// --- Camera and microphone --------------------------------------------------------------------------------------------

const OwnPicture = ({ onAir = false }: { onAir?: boolean }) => {
  const booth = useBooth();
  const camera = useBoothState((state) => state.camera);
  const microphone = useBoothState((state) => state.microphone.kind);
  const muted = useBoothState((state) => state.muted);
  const words =
    camera.kind === 'opening'
      ? 'Opening your camera. Answer the browser’s question if it asks.'
      : camera.kind === 'unplugged'
        ? 'Your camera is unplugged. Plug it in: it comes back by itself.'
        : camera.kind === 'failed'
          ? camera.problem.sentence
          : 'Your camera is off.';
  return (
    <div className="booth-picture">
      <h2>You{muted && <span className="muted-tag">muted</span>}</h2>
      <Picture
        label="Your own picture"
        track={camera.kind === 'live' ? camera.track : null}
        mirrored
        frame={onAir ? 'onAir' : 'plain'}
        placeholder={<p role={camera.kind === 'failed' ? 'alert' : undefined}>{words}</p>}
      />
      {microphone === 'live' && <Meter label="Your microphone" feed={booth.levels} />}
    </div>
  );
};

const Devices = () => {
  const booth = useBooth();
  const { camera, microphone, cameraOn, muted, cameras, microphones } = useBoothState((state) => state);
  return (
    <section className="devices" aria-label="Your devices">
      <Button large pressed={!cameraOn} onPress={() => booth.setCamera(!cameraOn)}>
        {cameraOn ? 'Turn camera off' : 'Turn camera on'}
      </Button>
      <Button
        large
        kind={muted ? 'look' : 'plain'}
        pressed={muted}
        disabled={microphone.kind !== 'live'}
        onPress={() => booth.setMuted(!muted)}
      >
        {muted ? 'Unmute' : 'Mute'}
      </Button>
      {cameraOn && (
        <DeviceSelect label="Camera" state={camera} devices={cameras} onChoose={booth.chooseCamera} />
      )}
      <DeviceSelect
        label="Microphone"
        state={microphone}
        devices={microphones}
        onChoose={booth.chooseMicrophone}
      />
      {microphone.kind === 'failed' && (
        <p className="booth-trouble" role="alert">
          {microphone.problem.sentence}
        </p>
      )}
    </section>
  );
};

const DeviceSelect = (props: {
  label: string;
  state: SlotState;
  devices: readonly DeviceIdentity[];
  onChoose: (deviceId?: string) => void;
}) => {
  const { label, state, devices, onChoose } = props;
  const named = devices.filter(({ deviceId }) => deviceId !== '');
  if (state.kind === 'failed' || named.length === 0) {
    return (
      <Button large onPress={() => onChoose()}>
        {state.kind === 'failed' ? `Try the ${label.toLowerCase()} again` : `Turn on ${label.toLowerCase()}`}
      </Button>
    );
  }
  const current = 'identity' in state ? state.identity : null;
  const choices = named.map((device) => ({ value: device.deviceId, text: device.label || label }));
  if (current && !named.some(({ deviceId }) => deviceId === current.deviceId)) {
    choices.unshift({ value: current.deviceId, text: current.label });
  }
  if (!current) choices.unshift({ value: '', text: `Choose a ${label.toLowerCase()}` });
  return (
    <Select
      label={label}
      value={current?.deviceId ?? ''}
      choices={choices}
      onChange={(deviceId) => {
        if (deviceId !== '') onChoose(deviceId);
      }}
    />
  );
};
