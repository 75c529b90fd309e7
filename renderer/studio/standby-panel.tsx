// The standby clip in use, and a sheet over the side panels with all clips: import, look at, use, remove.
// Not its job: what any of it does (standby.ts).
import { useEffect, useState } from 'react';
import { useStore } from 'zustand';
import { clipPath, type ClipId, type Standby, type StoredClip } from '../../sfu-server/protocol/standby.ts';
import { Button, TwiceButton } from '../ui/controls.tsx';
import { Sheet } from './frame.tsx';
import { useLayout, useSession, useShow, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import type { ImportProgress } from './standby.ts';
import './standby-panel.css';

const accepted = 'video/*,.mp4,.m4v,.mov,.webm,.mkv';

export const StandbyPanel = () => {
  const studio = useStudio();
  const layout = useLayout();
  const standby = useShow((show) => show?.standby ?? null);
  const live = useShow((show) => show?.phase.kind === 'live');
  const { importing, rehearsal } = useStore(studio.standby.store);
  if (!standby) return null;
  const rehearsing = rehearsal !== null;
  return (
    <section className="panel standby" aria-labelledby="standby-head">
      <h2 id="standby-head">Standby</h2>
      <div className="standby-now">
        <Still standby={standby} />
        <div className="standby-words">
          {importing ? <Progress importing={importing} /> : <p title={standby.name}>{standby.name}</p>}
          <p className="hint">Fans see it whenever your picture is gone.</p>
          <div className="button-row">
            <Button onPress={() => layout.toggleSheet('clips')}>Clips</Button>
            <Button
              keyHint={keyHint('rehearse')}
              pressed={rehearsing}
              disabled={live}
              title={live ? 'The show is live: Standby (⇧S) shows it to fans' : 'Only you see and hear it'}
              onPress={() => void studio.standby.rehearse()}
            >
              {rehearsing ? 'Stop' : 'Rehearse'}
            </Button>
          </div>
        </div>
      </div>
    </section>
  );
};

const Still = ({ standby }: { standby: Standby }) =>
  standby.clipId === null ? (
    <video className="clip-still" src={standby.fallbackUrl} preload="metadata" muted aria-hidden="true" />
  ) : (
    <img className="clip-still" src={clipPath(standby.clipId, 'thumbnail.jpg')} alt="" />
  );

const stepWords = {
  reading: 'Reading',
  converting: 'Converting',
  checking: 'Checking',
  uploading: 'Storing',
} as const satisfies Record<ImportProgress['kind'], string>;

const Progress = ({ importing }: { importing: ImportProgress }) => {
  const share = 'share' in importing ? importing.share : undefined;
  return (
    <p className="clip-progress">
      <progress aria-label={`Importing ${importing.name}`} max={1} value={share} />
      <span>
        {stepWords[importing.kind]}
        {share !== undefined && ` ${Math.round(share * 100)} %`}
      </span>
    </p>
  );
};

/** Over the side panels, never over the program. */
export const ClipSheet = ({ onClose }: { onClose: () => void }) => {
  const studio = useStudio();
  const standby = useShow((show) => show?.standby ?? null);
  const live = useShow((show) => show?.phase.kind === 'live');
  const { clips, importing, outcome } = useStore(studio.standby.store);
  const [seen, setSeen] = useState<string | null>(null);
  useEffect(() => void studio.standby.refresh(), [studio]);
  const take = (file: File | undefined) => {
    if (file) void studio.standby.importFile(file);
  };
  if (!standby) return null;
  return (
    <Sheet label="Standby clips" className="clip-sheet" onClose={onClose} onDrop={take}>
      <p className="hint">
        Fans see this clip whenever your picture is gone. It plays in a loop, up to a minute, and gets a code
        that leads to your shop.
      </p>
      {importing ? (
        <div className="clip-import">
          <p>{importing.name}</p>
          <Progress importing={importing} />
          <Button onPress={() => studio.standby.cancelImport()}>Cancel</Button>
        </div>
      ) : (
        <label className="button button-action">
          Import a clip
          <input
            type="file"
            className="visually-hidden"
            accept={accepted}
            onChange={(event) => {
              take(event.target.files?.[0]);
              event.target.value = '';
            }}
          />
        </label>
      )}
      {live && !importing && (
        <p className="hint">You are live. Converting takes power from the picture; better before the show.</p>
      )}
      <div role="status">
        {outcome && <p className={outcome.tone === 'wrong' ? 'form-wrong' : 'hint'}>{outcome.text}</p>}
        {standby.problem !== null && <p className="form-wrong">{standby.problem}</p>}
      </div>
      {seen !== null && (
        <video
          className="clip-preview"
          src={seen}
          controls
          autoPlay
          loop
          aria-label="The clip as it is stored"
        >
          <track kind="captions" />
        </video>
      )}
      <ul className="clip-list">
        <ClipLine
          name="Built-in clip"
          detail="Comes with the studio; no code to your shop"
          chosen={standby.clipId === null}
          onUse={() => void studio.standby.choose(null)}
        />
        {(clips ?? []).map((clip) => (
          <ImportedLine key={clip.id} clip={clip} chosen={standby.clipId} onLook={setSeen} />
        ))}
      </ul>
    </Sheet>
  );
};

const ImportedLine = (props: {
  clip: StoredClip;
  chosen: ClipId | null;
  onLook: (url: string | null) => void;
}) => {
  const { clip, chosen, onLook } = props;
  const studio = useStudio();
  const origin = useSession(({ connection }) =>
    connection.kind === 'joined' ? connection.publicOrigin : null,
  );
  const leadsElsewhere = origin !== null && clip.shopUrl !== `${origin}/`;
  return (
    <ClipLine
      name={clip.name}
      detail={`${Math.round(clip.lengthMs / 1000)} s`}
      warning={leadsElsewhere ? `Its code leads to ${clip.shopUrl}. Import it again for this address.` : null}
      still={clipPath(clip.id, 'thumbnail.jpg')}
      chosen={chosen === clip.id}
      onUse={() => void studio.standby.choose(clip.id)}
      onLook={() => onLook(clipPath(clip.id, 'h264-hi.mp4'))}
      onRemove={() => {
        onLook(null);
        void studio.standby.remove(clip.id);
      }}
    />
  );
};

const ClipLine = (props: {
  name: string;
  detail: string;
  warning?: string | null;
  still?: string;
  chosen: boolean;
  onUse: () => void;
  onLook?: () => void;
  onRemove?: () => void;
}) => (
  <li className="clip-line" aria-current={props.chosen || undefined}>
    {props.still === undefined ? (
      <div className="clip-still" aria-hidden="true" />
    ) : (
      <img className="clip-still" src={props.still} alt="" />
    )}
    <div className="standby-words">
      <p title={props.name}>
        <strong>{props.name}</strong>
      </p>
      <p className="hint">{props.detail}</p>
      {typeof props.warning === 'string' && <p className="form-wrong">{props.warning}</p>}
      <div className="button-row">
        {props.chosen ? (
          <span className="clip-used">● In use</span>
        ) : (
          <Button label={`Use ${props.name}`} onPress={props.onUse}>
            Use
          </Button>
        )}
        {props.onLook && (
          <Button kind="quiet" label={`Preview ${props.name}`} onPress={props.onLook}>
            Preview
          </Button>
        )}
        {props.onRemove && !props.chosen && (
          <TwiceButton label={`Remove ${props.name}`} onPress={props.onRemove}>
            Remove
          </TwiceButton>
        )}
      </div>
    </div>
  </li>
);
