// A co-host's booth without its page: camera, microphone, the membership of the show, and what they hear.
// Not its job: drawing, or deciding when the guest is on air (the director does; the session's state says so).
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { GuestId } from '../../sfu-server/protocol/state.ts';
import { createSession, type Publication, type Session, type Subscription } from '../session/session.ts';
import type { Level } from '../ui/meter.tsx';
import {
  createDeviceSlot,
  listDevices,
  openCamera,
  openMicrophone,
  type DeviceIdentity,
  type DeviceSlot,
  type SlotState,
} from '../ui/devices.ts';

export type Stage =
  /** Looking at themselves; the director does not see them yet. */
  { kind: 'checking' } | { kind: 'joined'; session: Session };

export type BoothState = {
  stage: Stage;
  /** Who the guest is in the show; kept while the connection comes back. */
  me: GuestId | null;
  camera: SlotState;
  microphone: SlotState;
  /** Wanted on; a camera that is wanted may still be opening, unplugged or refused. */
  cameraOn: boolean;
  muted: boolean;
  cameras: readonly DeviceIdentity[];
  microphones: readonly DeviceIdentity[];
  /** `blocked`: the browser plays nothing until the guest taps. */
  hearing: 'nothing' | 'playing' | 'blocked';
  trouble: string | null;
};

export interface Booth {
  readonly store: StoreApi<BoothState>;
  /** Asks for camera and microphone; both are remembered for the next visit. */
  openDevices(): Promise<void>;
  readonly chooseCamera: (deviceId?: string) => void;
  readonly chooseMicrophone: (deviceId?: string) => void;
  setCamera(on: boolean): void;
  setMuted(muted: boolean): void;
  join(): void;
  leave(): void;
  /** From a tap, when the browser wants one. */
  startHearing(): void;
  /** The guest's own microphone, about 20 times a second. */
  readonly levels: (onLevel: (level: Level) => void) => () => void;
  close(): void;
  snapshot(): object;
}

const cameraRole = 'Your camera';
const microphoneRole = 'Your microphone';
/** Enough for half of a 720p program; phones keep cool. */
const picture = { width: 640, height: 360, fps: 30 };
const monitorHeight = 180;
const cameraKbps = 900;
const microphoneKbps = 64;
const levelEveryMs = 50;
/** This tab joined before: a reload goes back to the same place without a question. */
const joinedKey = 'cohost.joined';

export const createBooth = (options: { token: string }): Booth => {
  const store = createStore<BoothState>(() => ({
    stage: { kind: 'checking' },
    me: null,
    camera: { kind: 'empty' },
    microphone: { kind: 'empty' },
    cameraOn: true,
    muted: false,
    cameras: [],
    microphones: [],
    hearing: 'nothing',
    trouble: null,
  }));
  const tell = (trouble: string) => store.setState({ trouble });
  let closed = false;

  const readLists = async () => {
    const [cameras, microphones] = await Promise.all([listDevices('camera'), listDevices('microphone')]);
    if (!closed) store.setState({ cameras, microphones });
  };
  const refreshLists = () => {
    readLists().catch((error: unknown) => tell(`The list of devices cannot be read (${String(error)}).`));
  };

  // --- What is sent ------------------------------------------------------------------------------------------------

  type Way = { publication: Publication | null; wanted: MediaStreamTrack | null; busy: boolean };
  const ways: Record<'video' | 'audio', Way> = {
    video: { publication: null, wanted: null, busy: false },
    audio: { publication: null, wanted: null, busy: false },
  };

  /** A guest who waits is seen only by the director: their picture need not take the studio's uplink and processor. */
  const fitEffort = async () => {
    const { stage } = store.getState();
    if (stage.kind !== 'joined') return;
    const { show, connection } = stage.session.store.getState();
    const me = connection.kind === 'joined' ? connection.guestId : null;
    const placed = me !== null && (show?.scene.guestIds.includes(me) ?? false);
    await ways.video.publication?.setEffort(placed ? 'full' : 'spare');
  };

  /** Brings what is sent in line with what is wanted, one step at a time per kind. */
  const align = async (kind: 'video' | 'audio') => {
    const way = ways[kind];
    if (way.busy) return;
    way.busy = true;
    try {
      let sent: MediaStreamTrack | null = null;
      for (;;) {
        const { stage } = store.getState();
        const track = stage.kind === 'joined' && !closed ? way.wanted : null;
        if (track === sent && (track !== null || way.publication === null)) return;
        if (stage.kind !== 'joined' || track === null) {
          way.publication?.close();
          way.publication = null;
        } else if (way.publication) await way.publication.replaceTrack(track);
        else {
          way.publication = await stage.session.publish(
            track,
            { kind: 'guest' },
            { maxKbps: kind === 'video' ? cameraKbps : microphoneKbps },
          );
        }
        sent = track;
        if (kind === 'video') await fitEffort();
      }
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code !== 'closed') tell(error.message);
    } finally {
      way.busy = false;
    }
  };
  const send = (kind: 'video' | 'audio', track: MediaStreamTrack | null) => {
    ways[kind].wanted = track;
    void align(kind);
  };

  const slot = (kind: 'camera' | 'microphone'): DeviceSlot =>
    createDeviceSlot({
      kind,
      role: kind === 'camera' ? cameraRole : microphoneRole,
      open: (request) =>
        kind === 'camera'
          ? openCamera({ ...picture, ...request, role: cameraRole })
          : openMicrophone({ ...request, role: microphoneRole, processing: 'speech' }),
      onTrack: (track) => {
        if (kind === 'microphone') {
          track.enabled = !store.getState().muted;
          measure(track);
        }
        send(kind === 'camera' ? 'video' : 'audio', track);
      },
      onState: (state) => {
        store.setState({ [kind]: state });
        refreshLists();
      },
    });
  const cameraSlot = slot('camera');
  const microphoneSlot = slot('microphone');

  // --- Own level ---------------------------------------------------------------------------------------------------

  const audioContext = new AudioContext();
  const analyser = new AnalyserNode(audioContext, { fftSize: 2048 });
  let measured: MediaStreamAudioSourceNode | null = null;
  const measure = (track: MediaStreamTrack) => {
    measured?.disconnect();
    measured = new MediaStreamAudioSourceNode(audioContext, { mediaStream: new MediaStream([track]) });
    measured.connect(analyser);
  };
  const samples = new Float32Array(analyser.fftSize);
  const readLevel = (): Level => {
    analyser.getFloatTimeDomainData(samples);
    let peak = 0;
    let sum = 0;
    for (const sample of samples) {
      peak = Math.max(peak, Math.abs(sample));
      sum += sample * sample;
    }
    return { peakDb: toDb(peak), rmsDb: toDb(Math.sqrt(sum / samples.length)) };
  };

  // --- What is heard -----------------------------------------------------------------------------------------------

  const ears = new Audio();
  let subscription: Subscription | null = null;

  const startHearing = () => {
    if (!ears.srcObject) return;
    ears.play().then(
      () => store.setState({ hearing: 'playing' }),
      (error: unknown) => {
        // Replaced while starting: the newer sound reports for itself.
        if (error instanceof DOMException && error.name === 'AbortError') return;
        store.setState({ hearing: 'blocked' });
      },
    );
  };
  const hear = (track: MediaStreamTrack | null) => {
    ears.srcObject = track ? new MediaStream([track]) : null;
    if (track) startHearing();
    else store.setState({ hearing: 'nothing' });
  };
  const listen = async (session: Session) => {
    const opened = await session.subscribe({ kind: 'mixMinus' });
    const { stage } = store.getState();
    if (closed || stage.kind !== 'joined' || stage.session !== session) return opened.close();
    subscription = opened;
    opened.onTracks(({ audio }) => hear(audio));
    hear(opened.tracks.audio);
  };

  const leave = () => {
    const { stage } = store.getState();
    sessionStorage.removeItem(joinedKey);
    if (stage.kind !== 'joined') return;
    store.setState({ stage: { kind: 'checking' }, trouble: null });
    for (const way of Object.values(ways)) {
      way.publication?.close();
      way.publication = null;
    }
    subscription?.close();
    subscription = null;
    hear(null);
    stage.session.close();
  };

  const join = () => {
    if (store.getState().stage.kind === 'joined') return;
    const session = createSession({ identity: { as: 'cohost', token: options.token }, media: true });
    sessionStorage.setItem(joinedKey, 'yes');
    store.setState({ stage: { kind: 'joined', session }, me: null, trouble: null });
    // The returned program is a monitor, not a show: its low layer spares the laptop's uplink.
    session.preferLayer(monitorHeight);
    session.store.subscribe(({ connection, show }, before) => {
      if (connection.kind === 'joined') store.setState({ me: connection.guestId });
      if (show?.scene !== before.show?.scene) fitEffort().catch(reportError);
    });
    void align('video');
    void align('audio');
    listen(session).catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error;
      tell(error.message);
    });
  };

  const openDevices = async () => {
    // One after another: two permission questions at once cover each other.
    if (store.getState().cameraOn) await cameraSlot.open();
    await microphoneSlot.open();
  };

  const onGesture = () => {
    void audioContext.resume();
    if (store.getState().hearing === 'blocked') startHearing();
  };
  document.addEventListener('pointerdown', onGesture);
  document.addEventListener('keydown', onGesture);
  const devices: MediaDevices | undefined = navigator.mediaDevices;
  devices?.addEventListener('devicechange', refreshLists);
  if (sessionStorage.getItem(joinedKey) !== null) {
    void openDevices();
    join();
  }

  return {
    store,
    openDevices,
    chooseCamera: (deviceId) => {
      store.setState({ cameraOn: true });
      void cameraSlot.open(deviceId);
    },
    chooseMicrophone: (deviceId) => void microphoneSlot.open(deviceId),
    setCamera: (cameraOn) => {
      store.setState({ cameraOn });
      if (cameraOn) return void cameraSlot.open();
      cameraSlot.empty();
      send('video', null);
    },
    setMuted: (muted) => {
      store.setState({ muted });
      const { microphone } = store.getState();
      if (microphone.kind === 'live') microphone.track.enabled = !muted;
    },
    join,
    leave,
    startHearing,
    levels: (onLevel) => {
      const timer = setInterval(() => onLevel(readLevel()), levelEveryMs);
      return () => clearInterval(timer);
    },
    close: () => {
      if (closed) return;
      const { stage } = store.getState();
      closed = true;
      document.removeEventListener('pointerdown', onGesture);
      document.removeEventListener('keydown', onGesture);
      devices?.removeEventListener('devicechange', refreshLists);
      for (const way of Object.values(ways)) way.publication?.close();
      subscription?.close();
      ears.srcObject = null;
      if (stage.kind === 'joined') stage.session.close();
      cameraSlot.close();
      microphoneSlot.close();
      void audioContext.close();
    },
    snapshot: () => {
      const { stage, ...rest } = store.getState();
      return {
        ...rest,
        stage: stage.kind,
        session: stage.kind === 'joined' ? stage.session.snapshot() : null,
      };
    },
  };
};

const toDb = (level: number): number => (level > 1e-5 ? 20 * Math.log10(level) : -100);
