// A code into a word: the phone's camera where the page may use it, else typed. The camera is on only while somebody scans.
import { useEffect, useEffectEvent, useRef, useState, type SyntheticEvent } from 'react';
import * as z from 'zod/mini';

const everyMs = 150;
/** Large enough for a code held half a metre away, small enough to read several times a second on an old phone. */
const readWidth = 640;

/** Reads one frame: the browser's own reader where there is one (W3C Shape Detection), else ours. */
type Reader = (video: HTMLVideoElement) => Promise<string | null>;

const detected = z.array(z.object({ rawValue: z.string() }));

const ownReader = async (): Promise<Reader> => {
  const { decodeQR } = await import('qr/decode.js');
  const canvas = document.createElement('canvas');
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  return async (video) => {
    if (!pen || video.videoWidth === 0) return null;
    canvas.width = readWidth;
    canvas.height = Math.round((video.videoHeight / video.videoWidth) * readWidth);
    pen.drawImage(video, 0, 0, canvas.width, canvas.height);
    try {
      return decodeQR(pen.getImageData(0, 0, canvas.width, canvas.height)) || null;
    } catch {
      return null; // No code in this frame: the usual case, and the reader's only way to say so.
    }
  };
};

const makeReader = async (): Promise<Reader> => {
  const Detector: unknown = Reflect.get(globalThis, 'BarcodeDetector');
  if (typeof Detector !== 'function') return ownReader();
  try {
    const detector: unknown = Reflect.construct(Detector, [{ formats: ['qr_code'] }]);
    const detect: unknown =
      detector !== null && typeof detector === 'object' ? Reflect.get(detector, 'detect') : null;
    if (typeof detect !== 'function') return await ownReader();
    return async (video) => {
      if (video.videoWidth === 0) return null;
      const codes = detected.safeParse(await Reflect.apply(detect, detector, [video]));
      return codes.success ? (codes.data[0]?.rawValue ?? null) : null;
    };
  } catch {
    return ownReader(); // There in name only: some desktops have no reader behind it.
  }
};

const CameraView = ({
  onCode,
  onTrouble,
}: {
  onCode: (code: string) => void;
  onTrouble: (text: string) => void;
}) => {
  const video = useRef<HTMLVideoElement>(null);
  // The page is drawn anew with every sale; the camera stays open meanwhile.
  const found = useEffectEvent(onCode);
  const failed = useEffectEvent(onTrouble);
  useEffect(() => {
    let stopped = false;
    let stream: MediaStream | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async () => {
      const [opened, read] = await Promise.all([
        navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' }, audio: false }),
        makeReader(),
      ]);
      stream = opened;
      const element = video.current;
      if (stopped || !element) return close();
      element.srcObject = stream;
      await element.play();
      const look = async () => {
        if (stopped) return;
        const code = await read(element);
        if (code !== null && !stopped) found(code);
        else timer = setTimeout(() => void look(), everyMs);
      };
      void look();
    };
    const close = () => {
      for (const track of stream?.getTracks() ?? []) track.stop();
    };
    run().catch((error: unknown) => {
      close();
      if (!stopped) {
        const refused = error instanceof DOMException && error.name === 'NotAllowedError';
        failed(
          refused
            ? 'The camera is not allowed for this page. Allow it in the browser, or type the code.'
            : 'No camera can be used here. Type the code instead.',
        );
      }
    });
    return () => {
      stopped = true;
      clearTimeout(timer);
      close();
    };
  }, []);
  return (
    <video ref={video} className="scan-picture" muted playsInline aria-label="Camera, looking for a code" />
  );
};

export const Scan = ({
  onCode,
  onTrouble,
}: {
  onCode: (code: string) => void;
  onTrouble: (text: string) => void;
}) => {
  const [camera, setCamera] = useState(false);
  const [typed, setTyped] = useState('');
  // Without a secure connection a browser gives no page a camera.
  const canScan = Reflect.get(navigator, 'mediaDevices') !== undefined;
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (typed.trim() === '') return;
    onCode(typed);
    setTyped('');
  };
  return (
    <div className="scan">
      {camera && (
        <CameraView
          onCode={(code) => {
            setCamera(false);
            onCode(code);
          }}
          onTrouble={(text) => {
            setCamera(false);
            onTrouble(text);
          }}
        />
      )}
      {canScan && (
        <button type="button" className={camera ? '' : 'primary'} onClick={() => setCamera(!camera)}>
          {camera ? 'Stop the camera' : 'Scan a code'}
        </button>
      )}
      <form className="scan-typed" onSubmit={submit}>
        <label>
          <span>Or type the code</span>
          <input
            value={typed}
            maxLength={64}
            autoCapitalize="characters"
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        <button type="submit">Find</button>
      </form>
    </div>
  );
};
