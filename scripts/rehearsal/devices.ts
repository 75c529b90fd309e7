// Synthetic cameras and a microphone for the rehearsal, put in the place of the browser's own before a page loads.
// A camera paints the time of capture as bars a machine can read; the microphone beeps every two seconds.
// Everything inside the installed function runs in the page and may use nothing from this module.

/** Where a camera's bars stand in its picture, as shares of its width and height. Read back by probe.ts. */
export type Bars = {
  readonly left: number;
  readonly width: number;
  readonly top: number;
  readonly height: number;
  /** Cells: a fixed start pattern, 24 bits of time in ms, 4 bits of checksum. */
  readonly start: readonly number[];
  readonly timeBits: number;
  readonly checkBits: number;
};

export const bars: Bars = {
  left: 0.04,
  width: 0.56,
  top: 0.08,
  height: 0.1,
  start: [1, 0, 1, 1, 0, 0, 1, 0],
  timeBits: 24,
  checkBits: 4,
};
/** Of a second camera: below the first one's, so that both can be read while one fades into the other. */
export const lowerBars: Bars = { ...bars, top: 0.22 };

export const flashEveryMs = 2_000;
export const beepMs = 80;

export type CameraSetUp = {
  /** Shown as the device's name; those of one make have the same. */
  label: string;
  bars: Bars | null;
  /** Luma and chroma of the background, so that pictures can be told apart. */
  colour: readonly [number, number, number];
};

export type DeviceSetUp = {
  cameras: readonly CameraSetUp[];
  microphone: string;
  /** Tone of the beep; each person has their own. */
  toneHz: number;
  flashEveryMs: number;
  beepMs: number;
};

/** What can happen to a camera, and what it has done. */
export type SyntheticCamera = {
  /** `frozen`: it goes on delivering, always the same picture, as one whose sensor has stopped. */
  set(state: 'running' | 'frozen'): void;
  /** As when it fails: the track ends. It can be opened again at once. */
  end(): void;
  /** As when its cable is pulled, or put back: the track ends, and the list of devices is another. */
  plug(isIn: boolean): void;
  /** When each picture was painted that the browser took (epoch ms, as the bars say it), known up to a second ago. */
  readonly paintedMs: number[];
  /** Pictures for which nobody had room. */
  readonly notTaken: number;
};

declare global {
  interface Window {
    /** In the order of the set-up. */
    rehearsalCameras?: SyntheticCamera[];
  }
}

/** For `page.addInitScript(installSyntheticDevices, setUp)`. */
export const installSyntheticDevices = (setUp: DeviceSetUp): void => {
  type Work = Pick<DeviceSetUp, 'toneHz' | 'flashEveryMs' | 'beepMs'> & Pick<CameraSetUp, 'bars' | 'colour'>;
  type Painted = { paintedMs: number[]; notTaken: number };
  const work = (given: Work) => {
    type Opened = { writable: WritableStream; width: number; height: number; fps: number };
    type Job = ({ kind: 'video' } & Opened) | ({ kind: 'audio' } & Opened);
    /** Frames that wait in the track are given back; a thread that is simply ended would leave them lying. */
    const endWith = (writer: WritableStreamDefaultWriter) => {
      stop = () => {
        stop = () => {};
        clearTimeout(timer);
        clearInterval(timer);
        void writer
          .close()
          .catch(() => undefined)
          .finally(() => close());
      };
    };
    let stop = () => close();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const now = () => performance.timeOrigin + performance.now();
    const paint = ({ writable, width, height, fps }: Opened) => {
      const writer = writable.getWriter();
      endWith(writer);
      const chromaWidth = width >> 1;
      const chromaSize = chromaWidth * (height >> 1);
      const luma = width * height;
      const frame = new Uint8Array(luma + 2 * chromaSize);
      // A camera on a tripod: a still background and somebody walking through it.
      const background = new Uint8Array(luma);
      for (let y = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1) {
          background[y * width + x] = given.colour[0] + 30 * Math.sin(x / 23) * Math.cos(y / 17);
        }
      }
      const walker = { width: width >> 3, top: Math.floor(height * 0.45), bottom: Math.floor(height * 0.9) };
      frame.fill(given.colour[1], luma, luma + chromaSize);
      frame.fill(given.colour[2], luma + chromaSize);
      let count = 0;
      let due = performance.now();
      let drawnMs = 0;
      let painted: Painted = { paintedMs: [], notTaken: 0 };
      setInterval(() => {
        postMessage(painted);
        painted = { paintedMs: [], notTaken: 0 };
      }, 1_000);
      const draw = () => {
        frame.set(background);
        const walked = (count * 3) % (width - walker.width);
        for (let y = walker.top; y < walker.bottom; y += 1) {
          const from = y * width + walked;
          frame.fill(90 + ((y * 5) & 63), from, from + walker.width);
        }
        const time = Math.floor(now());
        drawnMs = time;
        if (given.bars) {
          const { left, width: share, top, height: tall, start, timeBits, checkBits } = given.bars;
          let check = 0;
          for (let bit = 0; bit < timeBits; bit += checkBits) check ^= (time >> bit) & (2 ** checkBits - 1);
          const cells: number[] = [...start];
          for (let bit = 0; bit < timeBits; bit += 1) cells.push((time >> bit) & 1);
          for (let bit = 0; bit < checkBits; bit += 1) cells.push((check >> bit) & 1);
          const cell = (width * share) / cells.length;
          const y0 = Math.floor(height * top);
          const y1 = Math.floor(height * (top + tall));
          for (const [index, on] of cells.entries()) {
            const x0 = Math.round(width * left + index * cell);
            const x1 = Math.round(width * left + (index + 1) * cell);
            for (let y = y0; y < y1; y += 1) frame.fill(on ? 235 : 16, y * width + x0, y * width + x1);
          }
        }
      };
      const tick = () => {
        if (!frozen) draw();
        // A camera drops what nobody takes in time; it never queues.
        if ((writer.desiredSize ?? 0) > 0) {
          const picture = new VideoFrame(frame, {
            format: 'I420',
            codedWidth: width,
            codedHeight: height,
            timestamp: Math.round(performance.now() * 1000),
            // As cameras in Chromium deliver it; left out, it would be taken for HD colours and converted.
            colorSpace: {
              matrix: 'smpte170m',
              primaries: 'smpte170m',
              transfer: 'smpte170m',
              fullRange: false,
            },
          });
          writer.write(picture).catch(() => {
            picture.close();
            stop();
          });
          painted.paintedMs.push(drawnMs);
        } else painted.notTaken += 1;
        count += 1;
        due += 1000 / fps;
        if (due < performance.now() - 200) due = performance.now();
        timer = setTimeout(tick, Math.max(0, due - performance.now()));
      };
      timer = setTimeout(tick, 0);
    };
    const sound = ({ writable }: Opened) => {
      const writer = writable.getWriter();
      endWith(writer);
      const rate = 48_000;
      const size = 480;
      const base = now();
      let sent = 0;
      const tick = () => {
        const due = Math.floor(((now() - base) / 1000) * (rate / size));
        for (let most = 0; sent < due && most < 100; most += 1, sent += 1) {
          const data = new Float32Array(size * 2);
          for (let n = 0; n < size; n += 1) {
            const sample = sent * size + n;
            const beeping = (base + (sample / rate) * 1000) % given.flashEveryMs < given.beepMs;
            const value = (beeping ? 0.5 : 0.004) * Math.sin((2 * Math.PI * given.toneHz * sample) / rate);
            data[n] = value;
            data[size + n] = value;
          }
          const chunk = new AudioData({
            format: 'f32-planar',
            sampleRate: rate,
            numberOfFrames: size,
            numberOfChannels: 2,
            timestamp: sent * 10_000,
            data,
          });
          writer.write(chunk).catch(() => {
            chunk.close();
            stop();
          });
        }
      };
      timer = setInterval(tick, 5);
    };
    let frozen = false;
    type Order = Job | { kind: 'freeze'; frozen: boolean } | { kind: 'stop' };
    addEventListener('message', ({ data }: MessageEvent<Order>) => {
      if (data.kind === 'stop') stop();
      else if (data.kind === 'video') paint(data);
      else if (data.kind === 'audio') sound(data);
      else ({ frozen } = data);
    });
  };

  const { cameras, microphone, ...common } = setUp;
  const pulled = new Set<number>();
  const running = new Map<number, { worker: Worker; track: MediaStreamTrack }>();
  const idOf = (camera: number) => (camera === 0 ? 'synthetic-camera' : `synthetic-camera-${camera + 1}`);
  const failed = { bars: null, colour: [0, 0, 0] } as const;
  const start = (
    kind: 'video' | 'audio',
    camera: number,
    size: { width: number; height: number; fps: number },
  ) => {
    const { bars: own, colour } = cameras[camera] ?? failed;
    const source = `(${work.toString()})(${JSON.stringify({ ...common, bars: own, colour })})`;
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
    const track =
      kind === 'video'
        ? new MediaStreamTrackGenerator({ kind: 'video' })
        : new MediaStreamTrackGenerator({ kind: 'audio' });
    const settings = {
      deviceId: kind === 'video' ? idOf(camera) : 'synthetic-microphone',
      groupId: 'synthetic',
      ...(kind === 'video' ? { frameRate: size.fps } : {}),
    };
    Object.defineProperty(track, 'label', {
      value: kind === 'video' ? cameras[camera]?.label : microphone,
    });
    Object.defineProperty(track, 'getSettings', { value: () => settings });
    const stop = track.stop.bind(track);
    Object.defineProperty(track, 'stop', {
      value: () => {
        worker.postMessage({ kind: 'stop' });
        stop();
      },
    });
    if (kind === 'video') {
      running.set(camera, { worker, track });
      worker.addEventListener('message', ({ data }: MessageEvent<Painted>) => {
        const known = window.rehearsalCameras?.[camera];
        known?.paintedMs.push(...data.paintedMs);
        notTaken.set(camera, (notTaken.get(camera) ?? 0) + data.notTaken);
      });
    }
    worker.postMessage({ kind, writable: track.writable, ...size }, [track.writable]);
    return track;
  };
  const notTaken = new Map<number, number>();
  const end = (camera: number) => {
    const track = running.get(camera)?.track;
    track?.stop();
    track?.dispatchEvent(new Event('ended'));
  };
  window.rehearsalCameras = cameras.map((_, camera) => ({
    set: (state) => running.get(camera)?.worker.postMessage({ kind: 'freeze', frozen: state === 'frozen' }),
    end: () => end(camera),
    plug: (isIn) => {
      if (isIn) pulled.delete(camera);
      else {
        pulled.add(camera);
        end(camera);
      }
      navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
    },
    paintedMs: [],
    get notTaken() {
      return notTaken.get(camera) ?? 0;
    },
  }));
  const numberOf = (value: ConstrainULong | undefined, fallback: number): number => {
    if (typeof value === 'number') return value;
    return value?.exact ?? value?.ideal ?? fallback;
  };
  /** By the name of a device that is wanted, else the first there is. */
  const cameraFor = (wanted: ConstrainDOMString | undefined): number => {
    const there = cameras.map((_, camera) => camera).filter((camera) => !pulled.has(camera));
    const isExact = typeof wanted === 'object' && !Array.isArray(wanted) && wanted.exact !== undefined;
    const ids = [isExact ? wanted.exact : wanted].flat();
    const named = there.find((camera) => ids.includes(idOf(camera)));
    const found = isExact ? named : (named ?? there[0]);
    if (found === undefined) throw new DOMException('There is no such camera.', 'NotFoundError');
    return found;
  };
  const open = async (constraints: MediaStreamConstraints = {}): Promise<MediaStream> => {
    await Promise.resolve(); // What is refused is refused as the browser does it.
    const tracks: MediaStreamTrack[] = [];
    const size = { width: 640, height: 360, fps: 30 };
    if (constraints.video) {
      const wanted = constraints.video === true ? {} : constraints.video;
      size.width = numberOf(wanted.width, 640);
      size.height = numberOf(wanted.height, 360);
      tracks.push(start('video', cameraFor(wanted.deviceId), size));
    }
    if (constraints.audio) tracks.push(start('audio', 0, size));
    return new MediaStream(tracks);
  };
  const device = (kind: MediaDeviceKind, deviceId: string, label: string): MediaDeviceInfo => {
    const plain = { kind, deviceId, groupId: 'synthetic', label };
    return { ...plain, toJSON: () => plain };
  };
  Object.defineProperty(navigator.mediaDevices, 'getUserMedia', { value: open });
  Object.defineProperty(navigator.mediaDevices, 'enumerateDevices', {
    value: () =>
      Promise.resolve([
        ...cameras.flatMap(({ label }, camera) =>
          pulled.has(camera) ? [] : [device('videoinput', idOf(camera), label)],
        ),
        device('audioinput', 'synthetic-microphone', microphone),
      ]),
  });
};
