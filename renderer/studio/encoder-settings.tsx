// How an encoder gets in: the address and the key to copy into it, and whether it sends. The key is shown once, when it is made.
// Not its job: its picture and sound (source-content.ts), or what the server does with a key.
import { useState } from 'react';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { Source } from '../../sfu-server/protocol/production.ts';
import { Button, CopyLink, TwiceButton } from '../ui/controls.tsx';
import { useSession, useShow, useStudio } from './hooks.ts';

const useEncoder = (source: Source) =>
  useShow((show) => show?.encoders.find(({ sourceId }) => sourceId === source.id) ?? null);

/** For the source's row, where a device would be. */
export const EncoderState = ({ source }: { source: Source }) => {
  const encoder = useEncoder(source);
  const { presence } = encoder ?? {};
  const words =
    presence === undefined
      ? 'no key yet: More'
      : presence.kind === 'away'
        ? 'waits for its encoder'
        : presence.tookOver
          ? 'another encoder took over'
          : 'encoder connected';
  return <span className="hint">{words}</span>;
};

export const EncoderSettings = ({ source }: { source: Source }) => {
  const studio = useStudio();
  const encoder = useEncoder(source);
  const origin = useSession(({ connection }) =>
    connection.kind === 'joined' ? connection.publicOrigin : location.origin,
  );
  const [key, setKey] = useState<string | null>(null);
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      studio.tell(error.message);
    }
  };
  const renew = () =>
    void attempt(async () =>
      setKey((await studio.session.call('renewEncoderKey', { sourceId: source.id })).key),
    );
  const withdraw = () =>
    void attempt(async () => {
      await studio.session.call('withdrawEncoderKey', { sourceId: source.id });
      setKey(null);
    });
  return (
    <div className="encoder-settings" role="group" aria-label={`Encoder of ${source.name}`}>
      <p className="hint">
        {key === null
          ? 'In OBS: Settings, Stream, Service WHIP. Server is the address, Bearer Token the key. H.264 without B-frames, a keyframe every second.'
          : 'Copy the key now: it is not shown again.'}
      </p>
      <CopyLink label={`address for ${source.name}`} url={`${origin}/whip/${source.id}`} />
      {key !== null && <CopyLink label={`key for ${source.name}`} url={key} />}
      <div className="button-row">
        {encoder === null ? (
          <Button label={`Make a key for ${source.name}`} onPress={renew}>
            Make a key
          </Button>
        ) : (
          <>
            <TwiceButton label={`New key for ${source.name}, the old one stops working`} onPress={renew}>
              New key
            </TwiceButton>
            <TwiceButton label={`Withdraw the key for ${source.name}`} onPress={withdraw}>
              Withdraw
            </TwiceButton>
          </>
        )}
      </div>
    </div>
  );
};
