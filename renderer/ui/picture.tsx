// Pictures on crew pages: a live track in a 16:9 frame, and a QR code of a link.
// Not its job: opening cameras or knowing what is on air; the frame's colour is told to it.
import { useEffect, useMemo, useRef, type ReactNode } from 'react';
import { qrPath } from './qr.ts';

/** `onAir`: what fans see right now, framed in red. `standby`: fans see the clip, framed in amber. */
export type Frame = 'plain' | 'onAir' | 'standby';

export const Picture = (props: {
  /** What the picture is, for those who cannot see it. */
  label: string;
  track: MediaStreamTrack | null;
  /** Heard as well where given; otherwise the picture is silent. */
  audio?: MediaStreamTrack | null;
  frame?: Frame;
  mirrored?: boolean;
  /** Shown in the frame while there is no track. */
  placeholder?: ReactNode;
  /** Laid over the picture's top left corner. */
  badge?: ReactNode;
}) => {
  const video = useRef<HTMLVideoElement>(null);
  const { track, audio } = props;
  useEffect(() => {
    const element = video.current;
    if (!element) return;
    const tracks = [track, audio].filter((each) => each !== null && each !== undefined);
    element.srcObject = tracks.length > 0 ? new MediaStream(tracks) : null;
    return () => {
      element.srcObject = null;
    };
  }, [track, audio]);
  return (
    <figure className={`picture picture-${props.frame ?? 'plain'}`}>
      <video
        ref={video}
        aria-label={props.label}
        autoPlay
        playsInline
        muted={!audio}
        className={props.mirrored ? 'mirrored' : undefined}
        hidden={!track}
      />
      {!track && <div className="picture-empty">{props.placeholder}</div>}
      {props.badge !== undefined && <figcaption className="picture-badge">{props.badge}</figcaption>}
    </figure>
  );
};

export const QrCode = (props: { label: string; text: string }) => {
  const { side, path } = useMemo(() => qrPath(props.text), [props.text]);
  return (
    <svg className="qr-code" role="img" aria-label={props.label} viewBox={`0 0 ${side} ${side}`}>
      <rect width={side} height={side} fill="#fff" />
      <path d={path} fill="#000" shapeRendering="crispEdges" />
    </svg>
  );
};
