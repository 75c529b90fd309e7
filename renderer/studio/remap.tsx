// The question which of several like cameras is which, with a live picture of each: asked before any of them is used, so
// that two of a kind are never swapped behind the director's back.
// Not its job: finding out that it is unclear (camera-match.ts).
import { useEffect, useState } from 'react';
import type { SourceId } from '../../sfu-server/protocol/production.ts';
import type { DeviceIdentity } from '../ui/devices.ts';
import { Button, Select } from '../ui/controls.tsx';
import { Picture } from '../ui/picture.tsx';
import { guessByOrder, type UnclearCameras } from './camera-match.ts';
import { useProduction, useStudio } from './hooks.ts';

/** A look at a camera, small and slow; null while it opens or when it does not. */
const useGlance = (deviceId: string): MediaStreamTrack | null => {
  const [track, setTrack] = useState<MediaStreamTrack | null>(null);
  useEffect(() => {
    let gone = false;
    let opened: MediaStreamTrack | undefined;
    const look = async () => {
      const video = { deviceId: { exact: deviceId }, width: 320, height: 180, frameRate: 10 };
      const stream = await navigator.mediaDevices.getUserMedia({ video }).catch(() => null);
      [opened] = stream?.getVideoTracks() ?? [];
      if (gone) opened?.stop();
      // Without one its place stays empty: the director can still tell it by what the others show.
      else setTrack(opened ?? null);
    };
    void look();
    return () => {
      gone = true;
      opened?.stop();
    };
  }, [deviceId]);
  return track;
};

const Candidate = (props: {
  device: DeviceIdentity;
  number: number;
  value: string;
  choices: readonly { value: string; text: string }[];
  onChange: (value: string) => void;
}) => {
  const track = useGlance(props.device.deviceId);
  return (
    <div className="remap-candidate">
      <Picture
        label={`Camera ${props.number}`}
        track={track}
        placeholder={<span>no picture from this one</span>}
      />
      <Select
        label={`Camera ${props.number} is`}
        value={props.value}
        choices={props.choices}
        onChange={props.onChange}
      />
    </div>
  );
};

const none = '';

export const Remap = ({ unclear }: { unclear: UnclearCameras }) => {
  const studio = useStudio();
  const sources = useProduction(({ production }) => production.sources);
  const [answer, setAnswer] = useState<ReadonlyMap<SourceId, DeviceIdentity>>(() => guessByOrder(unclear));
  const named = unclear.sourceIds.flatMap((id) => {
    const name = sources.find((source) => source.id === id)?.name;
    return name === undefined ? [] : [{ value: id, text: name }];
  });
  const sourceOf = (device: DeviceIdentity): string =>
    [...answer].find(([, each]) => each.deviceId === device.deviceId)?.[0] ?? none;
  const choose = (device: DeviceIdentity, value: string) => {
    const id = unclear.sourceIds.find((each) => each === value);
    const others = [...answer].filter(([each, { deviceId }]) => each !== id && deviceId !== device.deviceId);
    setAnswer(new Map(id === undefined ? others : [...others, [id, device]]));
  };
  return (
    <div className="remap" role="group" aria-label="Which camera is which?">
      <p>
        <strong>Which camera is which?</strong> They look alike to this computer, so nothing was swapped.
      </p>
      <div className="remap-candidates">
        {unclear.candidates.map((device, index) => (
          <Candidate
            key={device.deviceId}
            device={device}
            number={index + 1}
            value={sourceOf(device)}
            choices={[{ value: none, text: 'none of them' }, ...named]}
            onChange={(value) => choose(device, value)}
          />
        ))}
      </div>
      <Button kind="action" disabled={answer.size === 0} onPress={() => void studio.pictures.assign(answer)}>
        That is right
      </Button>
    </div>
  );
};
