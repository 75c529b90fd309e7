// What comes next and what is on program, side by side, with the scenes and the controls that change the picture.
// Not its job: composing (program-desk.ts), what is in a scene (scene-panel.tsx), what is behind a source (source-list.tsx).
import { useStore } from 'zustand';
import { transitionKinds, type TransitionSettings } from '../../sfu-server/protocol/production.ts';
import { featuredProduct } from '../../sfu-server/protocol/state.ts';
import type { Tracks } from '../session/session.ts';
import { Button, Select } from '../ui/controls.tsx';
import { Picture, type Frame } from '../ui/picture.tsx';
import { useDesk, usePictures, useProduction, useSession, useShow, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import { isShown, overlayNames, type OverlayName } from './overlays.ts';
import { PlacementEditor } from './placement-editor.tsx';
import { newSceneId } from './production-desk.ts';
import { newScene } from './scenes.ts';
import './scene-row.css';
import './stage.css';

export const Stage = () => (
  <>
    <section className="pictures" aria-label="Pictures">
      <Preview />
      <Program />
    </section>
    <div className="picture-rows">
      <SceneRow />
      <TakeRow />
    </div>
  </>
);

const Preview = () => {
  const studio = useStudio();
  const sources = useProduction(({ production }) => production.sources);
  const settingUp = usePictures(({ feeds }) =>
    sources.every(({ id }) => (feeds[id]?.state.kind ?? 'off') === 'off'),
  );
  const offer = useDesk((desk) => desk.sending.kind === 'offerResume');
  const scene = useProduction(({ production, previewId }) =>
    production.scenes.find(({ id }) => id === previewId),
  );
  return (
    <div className="picture-box">
      <h2>
        Preview
        {scene && <span className="picture-name">{scene.name}</span>}
      </h2>
      {settingUp ? (
        <SetUp showIsOn={offer} />
      ) : (
        <div className="picture-stack">
          <Picture label="Preview: the scene that is next" track={studio.previewTrack} />
          {scene?.layout === 'free' && <PlacementEditor scene={scene} />}
        </div>
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
  const ready = useDesk((desk) => !desk.cover.empty);
  return (
    <div className="resume" role="group" aria-label="Resume the show">
      <p>
        <strong>The show is still on.</strong> Fans see the standby clip.
      </p>
      <Button kind="action" large keyHint={keyHint('auto')} disabled={!ready} onPress={() => studio.resume()}>
        Resume the show
      </Button>
      {!ready && <p>Waiting for the camera’s picture.</p>}
    </div>
  );
};

/** On air it is what comes back from the server: what fans get, and not what this page hopes they get. */
const Program = () => {
  const studio = useStudio();
  const rehearsal = useStore(studio.standby.store, (standby) => standby.rehearsal);
  const phase = useShow((show) => show?.phase.kind ?? 'setup');
  const source = useShow((show) => show?.program.source ?? 'none');
  const video = useSession((session) => session.program.video);
  const connected = useSession((session) => session.connection.kind === 'joined');
  const name = useProgramName();
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
        {name !== null && frame !== 'standby' && <span className="picture-name">{name}</span>}
      </h2>
      <Picture
        label={onAir ? 'Program: the picture fans get' : 'Program: the picture as it is composed'}
        track={onAir ? video : phase === 'ended' ? null : studio.programTrack}
        frame={frame}
        placeholder={
          <p>
            {!onAir
              ? 'The show has ended. Fans see the closing page.'
              : connected
                ? 'The program is on its way back to you.'
                : 'The connection is lost. Coming back.'}
          </p>
        }
      />
    </div>
  );
};

/** What is on program, by the name of its scene; null for a guest who was put on by hand. */
const useProgramName = (): string | null => {
  const picture = useDesk((desk) => desk.scene.picture);
  return useProduction(({ production }) => {
    const id = picture === null ? production.scenes[0]?.id : picture.sceneId;
    return production.scenes.find((scene) => scene.id === id)?.name ?? null;
  });
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

// --- Scenes ----------------------------------------------------------------------------------------------------------

/** Of edits, never of a take: the sources on program and their places stay. */
const UndoButtons = () => {
  const studio = useStudio();
  const canUndo = useProduction((state) => state.canUndo);
  const canRedo = useProduction((state) => state.canRedo);
  return (
    <div className="button-row" role="group" aria-label="Edits">
      <Button
        kind="quiet"
        keyHint={keyHint('undo')}
        disabled={!canUndo}
        title="Takes the last edit of scenes, sources or overlays back. What was taken to program stays there; looks and words on it follow."
        onPress={() => studio.production.undo()}
      >
        Undo
      </Button>
      <Button
        kind="quiet"
        label="Redo"
        title="Ctrl+Shift+Z"
        disabled={!canRedo}
        onPress={() => studio.production.redo()}
      >
        Redo
      </Button>
    </div>
  );
};

const SceneRow = () => {
  const studio = useStudio();
  const scenes = useProduction(({ production }) => production.scenes);
  const previewId = useProduction((state) => state.previewId);
  const picture = useDesk((desk) => desk.scene.picture);
  // Red is for what fans see: while the standby clip is on, that is no scene.
  const live = useShow((show) => show?.phase.kind === 'live' && show.program.source === 'studio');
  const programId = picture === null ? scenes[0]?.id : picture.sceneId;
  const add = () => {
    const id = newSceneId();
    const [camera] = studio.production.store.getState().production.sources;
    const scene = newScene(id, `Scene ${scenes.length + 1}`, 'full', camera ? [camera.id] : []);
    studio.production.edit({ kind: 'addScene', scene });
    studio.production.choose(id);
  };
  return (
    <div className="scene-line">
      <div className="scene-row" role="group" aria-label="Scenes">
        {scenes.map((scene, index) => {
          const place = scene.id === programId ? (live ? 'on air' : 'on program') : null;
          return (
            <button
              key={scene.id}
              type="button"
              className="scene-button"
              aria-pressed={scene.id === previewId}
              data-program={place !== null}
              data-live={live}
              title={`Puts ${scene.name} into preview${index < 9 ? `. Shift+${index + 1} takes it at once` : ''}`}
              onClick={() => studio.production.choose(scene.id)}
              onDoubleClick={() => studio.takeScene(scene.id)}
            >
              <span className="scene-button-name">{scene.name}</span>
              {place !== null && <span className="scene-button-place">{place}</span>}
              {index < 9 && (
                <kbd className="key-hint" aria-hidden="true">
                  {index + 1}
                </kbd>
              )}
            </button>
          );
        })}
        <Button kind="quiet" onPress={add}>
          Add scene
        </Button>
      </div>
      <UndoButtons />
    </div>
  );
};

const transitionWords: Readonly<Record<TransitionSettings['kind'], string>> = {
  fade: 'Fade',
  wipe: 'Wipe',
  stinger: 'Stinger',
};
const durationsMs = [200, 300, 500, 1_000, 2_000] as const;

const TakeRow = () => {
  const studio = useStudio();
  const transition = useProduction(({ production }) => production.transition);
  const set = (change: Partial<TransitionSettings>) =>
    studio.production.edit({ kind: 'setTransition', transition: { ...transition, ...change } }, 'transition');
  const durations = [...new Set([...durationsMs, transition.durationMs])].sort((a, b) => a - b);
  return (
    <section className="picture-controls" aria-label="Picture">
      <div className="button-row" role="group" aria-label="Take">
        <Button
          keyHint={keyHint('cut')}
          title="Preview becomes program at once"
          onPress={() => studio.take('cut')}
        >
          Cut
        </Button>
        <Button
          kind="action"
          keyHint={keyHint('auto')}
          title="Preview becomes program by the transition beside"
          onPress={() => studio.take('auto')}
        >
          Auto
        </Button>
        <Select
          label="Transition"
          labelHidden
          value={transition.kind}
          choices={transitionKinds.map((kind) => ({ value: kind, text: transitionWords[kind] }))}
          onChange={(value) => {
            const kind = transitionKinds.find((each) => each === value);
            if (kind) set({ kind });
          }}
        />
        {transition.kind === 'stinger' ? (
          <StingerState />
        ) : (
          <Select
            label="Length of the transition"
            labelHidden
            value={String(transition.durationMs)}
            choices={durations.map((ms) => ({ value: String(ms), text: `${ms / 1000} s` }))}
            onChange={(value) => set({ durationMs: Number(value) })}
          />
        )}
      </div>
      <Overlays />
    </section>
  );
};

/** Why the take will be a fade: what a director has to know before they press. */
const stingerTrouble = {
  none: 'No clip has been chosen: the take will be a fade. Choose one under Overlays.',
  opening: 'The clip is being made ready: until then the take will be a fade.',
  missing: 'The clip is not on this computer: the take will be a fade. Choose it again under Overlays.',
  failed: 'The clip cannot be used: the take will be a fade. Choose another under Overlays.',
} as const;

const StingerState = () => {
  const studio = useStudio();
  const { kind } = useStore(studio.overlayFiles.store, (state) => state.stinger);
  if (kind === 'ready') return null;
  return (
    <span className="stinger-state" title={stingerTrouble[kind]}>
      ▲ fades
    </span>
  );
};

const overlayWords: Readonly<Record<OverlayName, string>> = {
  qr: 'QR',
  title: 'Title',
  lowerThird: 'Lower third',
  ticker: 'Ticker',
  logo: 'Logo',
};

const Overlays = () => {
  const studio = useStudio();
  const scene = useDesk((desk) => desk.scene);
  const product = useShow((show) => !show || featuredProduct(show) !== null);
  return (
    <div className="button-row overlays" role="group" aria-label="Overlays">
      {overlayNames.map((name) => {
        const isPossible = name !== 'qr' || product;
        return (
          <Button
            key={name}
            keyHint={keyHint(name)}
            pressed={isShown(scene, name) && isPossible}
            disabled={!isPossible}
            {...(!isPossible && { title: 'There is nothing to sell yet. Add a product under Drop.' })}
            onPress={() => studio.overlays.toggle(name)}
          >
            {overlayWords[name]}
          </Button>
        );
      })}
      {scene.pinned && (
        <Button
          keyHint={keyHint('pin')}
          pressed
          title={`Takes it off the picture: ${scene.pinned.text}`}
          onPress={() => studio.overlays.unpin()}
        >
          Pin
        </Button>
      )}
    </div>
  );
};
