// The recording on the desk: whether it runs, how long the disk lasts, a marker by hand; and a sheet over the side panels
// with what was recorded. Not its job: what any of it does (recording/desk.ts, recording/library.ts).
import { useEffect, useState } from 'react';
import { useStore } from 'zustand';
import { Button, Field, TwiceButton } from '../ui/controls.tsx';
import { formatDuration, formatRunningTime } from '../ui/format.ts';
import { Sheet } from './frame.tsx';
import { useLayout, useNow, useShow, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import type { RecordingState } from './recording/desk.ts';
import { formatBytes, formatForecast } from './recording/guard.ts';
import type { ListedFile, ListedTake, ServerRecording } from './recording/library.ts';
import { maxMarkerLabel, type Marker } from './recording/markers.ts';
import { programSource, stampOf } from './recording/names.ts';
import './recording.css';

export const RecordingPanel = () => {
  const studio = useStudio();
  const { phase, files, disk, markers, note, settings } = useStore(studio.recording.store);
  const live = useShow((show) => show?.phase.kind === 'live');
  const nowMs = useNow(phase.kind === 'recording' ? 500 : null);
  const layout = useLayout();
  const recording = phase.kind === 'recording';
  const others = files.filter((file) => file.source !== programSource && file.state === 'recording').length;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return (
    <section className="panel recording" aria-labelledby="recording-head">
      <div className="recording-words">
        <h2 id="recording-head">Recording</h2>
        <p className="recording-state" data-phase={phase.kind}>
          <span className="recording-mark" aria-hidden="true" />
          {recording ? (
            <>
              <strong>{formatRunningTime(nowMs - phase.startMs)}</strong>
              <span>
                {formatBytes(bytes)}
                {others > 0 && ` · program and ${others} more`}
              </span>
            </>
          ) : phase.kind === 'stopping' ? (
            <span>Closing the files</span>
          ) : (
            <span>{settings.withShow && !live ? 'Off; starts with the show' : 'Off'}</span>
          )}
        </p>
        <DiskLine disk={disk} />
      </div>
      <div className="button-row">
        {recording ? (
          <TwiceButton kind="plain" label="Stop the recording" onPress={() => void studio.recording.stop()}>
            Stop
          </TwiceButton>
        ) : (
          <Button disabled={phase.kind === 'stopping'} onPress={() => void studio.recording.start()}>
            Record
          </Button>
        )}
        <Button
          keyHint={keyHint('marker')}
          disabled={!recording}
          title="Marks this moment, to find it again"
          onPress={() => studio.recording.mark()}
        >
          Marker{markers.length > 0 && ` (${markers.length})`}
        </Button>
        <Button onPress={() => layout.toggleSheet('recordings')}>Recordings</Button>
      </div>
      <LastMarker />
      {note && (
        <p className={note.tone === 'done' ? 'hint' : 'form-wrong'} role="status">
          {note.text}{' '}
          <Button kind="quiet" onPress={() => studio.recording.dismissNote()}>
            Dismiss
          </Button>
        </p>
      )}
    </section>
  );
};

/** The newest can be named while the moment is still fresh; the others in the list of recordings. */
const LastMarker = () => {
  const studio = useStudio();
  const { phase, markers } = useStore(studio.recording.store);
  const last = markers.length - 1;
  const marker = markers[last];
  if (phase.kind !== 'recording' || !marker) return null;
  return (
    <div className="recording-last-marker">
      <MarkerName
        key={`${last} ${marker.label}`}
        marker={marker}
        onName={(name) => studio.recording.nameMarker(last, name)}
      />
    </div>
  );
};

const DiskLine = ({ disk }: { disk: RecordingState['disk'] }) => {
  if (disk.kind === 'unknown')
    return <p className="hint">This browser does not say how much room there is.</p>;
  const text = `${formatBytes(disk.freeBytes)} free, room for ${formatForecast(disk.leftMs)}`;
  return <p className={disk.kind === 'roomy' ? 'hint' : 'form-wrong'}>{text}</p>;
};

/** Over the side panels, never over the program. */
export const RecordingSheet = ({ onClose }: { onClose: () => void }) => {
  const studio = useStudio();
  const { phase, files, markers, settings } = useStore(studio.recording.store);
  const { takes, server, problem } = useStore(studio.recordings.store);
  const running = phase.kind === 'off' ? [] : files;
  const names = running.map(({ name }) => name).join('\n');
  useEffect(() => {
    void studio.recordings.refresh(names.split('\n'));
  }, [studio, names]);
  return (
    <Sheet label="Recordings" className="recording-sheet" onClose={onClose}>
      <Place />
      <Check
        label="Record by itself while the show is live"
        checked={settings.withShow}
        onChange={(withShow) => studio.recording.setSettings({ withShow })}
      />
      <Check
        label="Every source and every sound in a file of its own, too"
        hint="Costs power; ends by itself when the program comes late"
        checked={settings.sources}
        onChange={(sources) => studio.recording.setSettings({ sources })}
      />
      <Check
        label={`“${studio.recording.secondOutputName}”: the show laid out for the other shape, too`}
        hint="For clips and social, with the program's sound; ends by itself when this computer is too slow"
        checked={settings.secondOutput}
        onChange={(secondOutput) => studio.recording.setSettings({ secondOutput })}
      />
      {problem !== null && (
        <p className="form-wrong" role="status">
          {problem}
        </p>
      )}
      {phase.kind === 'recording' && (
        <div className="take">
          <p>
            <strong>Now</strong>
          </p>
          <ul className="take-files">
            {running.map((file) => (
              <li key={file.name}>
                <span>{file.source}</span>
                <span className="hint">
                  {formatDuration(file.lengthMs)} · {formatBytes(file.bytes)}
                  {(file.state === 'failed' || file.state === 'gaveWay') && ' · ended early'}
                </span>
              </li>
            ))}
          </ul>
          <Markers
            markers={markers}
            open
            onName={(index, name) => studio.recording.nameMarker(index, name)}
          />
        </div>
      )}
      {takes?.length === 0 && <p className="hint">Nothing was recorded here yet.</p>}
      <ul className="take-list">
        {(takes ?? []).map((take) => (
          <li key={take.take} className="take">
            <Take take={take} />
          </li>
        ))}
      </ul>
      {server !== null && server.length > 0 && <ServerCopies recordings={server} />}
    </Sheet>
  );
};

const Check = (props: {
  label: string;
  hint?: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) => (
  <label className="recording-check">
    <input
      type="checkbox"
      checked={props.checked}
      onChange={(event) => props.onChange(event.target.checked)}
    />
    <span>
      {props.label}
      {props.hint !== undefined && <span className="hint">{props.hint}</span>}
    </span>
  </label>
);

/** Where the files are, and the way there. */
const Place = () => {
  const { files } = useStudio().recording;
  const [folder, setFolder] = useState('');
  useEffect(() => {
    if (files.kind === 'desktop') void files.folder().then(setFolder);
  }, [files]);
  if (files.kind === 'browser') {
    return (
      <p className="hint">
        Recordings are kept in this browser. Download what you want to keep; clearing the browser&apos;s data
        deletes them.
      </p>
    );
  }
  return (
    <div className="recording-place">
      <p className="hint" title={folder}>
        {folder}
      </p>
      <div className="button-row">
        <Button onPress={() => void files.show()}>Open folder</Button>
        <Button kind="quiet" onPress={() => void files.chooseFolder().then(setFolder)}>
          Change
        </Button>
      </div>
    </div>
  );
};

const when = (stamp: string): string => {
  const [day = '', time = ''] = stamp.split(' ');
  return `${day} ${time.replaceAll('-', ':')}`;
};

const Take = ({ take }: { take: ListedTake }) => {
  const studio = useStudio();
  const [program, ...others] = take.files;
  if (!program) return null;
  return (
    <>
      <div className="take-head">
        <Still file={program} />
        <div className="standby-words">
          <p title={take.show}>
            <strong>{take.show}</strong>
          </p>
          <p className="hint">{when(take.stamp)}</p>
          <p className="hint">{figures(program)}</p>
        </div>
      </div>
      <div className="button-row">
        <HandOut file={program} of={take} />
        <TwiceButton label={`Delete ${take.take}`} onPress={() => void studio.recordings.remove(take.take)}>
          Delete
        </TwiceButton>
      </div>
      {others.length > 0 && (
        <details>
          <summary>
            {others.length === 1 ? '1 file more' : `${others.length} files more`} of this take
          </summary>
          <ul className="take-files">
            {others.map((file) => (
              <li key={file.name}>
                <Still file={file} />
                <span>
                  {file.source}
                  <span className="hint">{figures(file)}</span>
                </span>
                <HandOut file={file} of={take} />
              </li>
            ))}
          </ul>
        </details>
      )}
      <Markers
        markers={take.markers}
        onName={(index, name) => void studio.recordings.nameMarker(take.take, index, name)}
      />
    </>
  );
};

const figures = ({ lengthMs, bytes }: ListedFile): string =>
  `${lengthMs === null ? 'length not known' : formatDuration(lengthMs)} · ${formatBytes(bytes)}`;

const Still = ({ file }: { file: ListedFile }) =>
  file.stillUrl === null ? (
    <div className="clip-still" aria-hidden="true" />
  ) : (
    <img className="clip-still" src={file.stillUrl} alt="" />
  );

const HandOut = ({ file, of }: { file: ListedFile; of: ListedTake }) => {
  const studio = useStudio();
  const words = studio.recording.files.kind === 'desktop' ? 'Show in folder' : 'Download';
  return (
    <Button
      label={`${words}: ${of.take}, ${file.source}`}
      onPress={() => void studio.recordings.handOut(file.name)}
    >
      {words}
    </Button>
  );
};

const Markers = (props: {
  markers: ListedTake['markers'];
  open?: boolean;
  onName: (index: number, name: string) => void;
}) => {
  const { markers, open, onName } = props;
  if (markers.length === 0) return null;
  return (
    <details open={open}>
      <summary>{markers.length === 1 ? '1 marker' : `${markers.length} markers`}</summary>
      <ol className="take-markers">
        {markers.map((marker, index) => (
          <li key={`${marker.atMs} ${marker.label}`}>
            <MarkerName marker={marker} onName={(name) => onName(index, name)} />
          </li>
        ))}
      </ol>
    </details>
  );
};

/** When, and what the director calls it: kept with Enter. */
const MarkerName = ({ marker, onName }: { marker: Marker; onName: (name: string) => void }) => {
  const [name, setName] = useState(marker.label);
  const time = formatRunningTime(marker.atMs);
  return (
    <div className="marker-name">
      <time>{time}</time>
      <Field
        label={`Name of the marker at ${time}`}
        labelHidden
        maxLength={maxMarkerLabel}
        value={name}
        onChange={setName}
        onDone={() => {
          if (name.trim() !== marker.label) onName(name);
        }}
      />
    </div>
  );
};

const ServerCopies = ({ recordings }: { recordings: readonly ServerRecording[] }) => {
  const studio = useStudio();
  return (
    <details>
      <summary>
        {recordings.length === 1 ? '1 copy' : `${recordings.length} copies`} on the server, as fans saw it
      </summary>
      <ul className="take-files">
        {recordings.map(({ name, bytes, changedMs }) => (
          <li key={name}>
            <span>
              {when(stampOf(changedMs))}
              <span className="hint">{formatBytes(bytes)}</span>
            </span>
            <Button
              label={`Download ${name} from the server`}
              onPress={() => void studio.recordings.handOutServer(name)}
            >
              Download
            </Button>
          </li>
        ))}
      </ul>
    </details>
  );
};
