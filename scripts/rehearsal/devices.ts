// Synthetic camera and microphone for the rehearsal, put in the place of the browser's own before a page loads.
// The camera paints the time of capture as bars a machine can read and flashes every two seconds; the microphone beeps with it.
// Everything inside the installed function runs in the page and may use nothing from this module.

/** Where the bars stand in the camera's picture, as shares of its width and height. Read back by probe.ts. */
export const bars = {
  left: 0.04,
  width: 0.56,
  top: 0.08,
  height: 0.1,
  /** Cells: a fixed start pattern, 24 bits of time in ms, 4 bits of checksum. */
  start: [1, 0, 1, 1, 0, 0, 1, 0],
  timeBits: 24,
  checkBits: 4,
} as const;

export const flashEveryMs = 2_000;
export const beepMs = 80;

export type DeviceSetUp = {
  /** Shown as the devices' name. */
  name: string;
  bars: typeof bars | null;
  /** Tone of the beep; each person has their own. */
  toneHz: number;
  flashEveryMs: number;
  beepMs: number;
  /** Luma and chroma of the background, so that people can be told apart. */
  colour: readonly [number, number, number];
};

/** What can happen to a camera. */
export type SyntheticCamera = {
  /** `frozen`: it goes on delivering, always the same picture, as one whose sensor has stopped. */
  set(state: 'running' | 'frozen'): void;
  /** As when its cable is pulled: the track ends. It can be opened again at once. */
  end(): void;
};

declare global {
  interface Window {
    rehearsalCamera?: SyntheticCamera;
  }
}

/** For `page.addInitScript(installSyntheticDevices, setUp)`. */
export const installSyntheticDevices = (setUp: DeviceSetUp): void => {
  const work = (given: DeviceSetUp) => {
    type Opened = { writable: WritableStream; width: number; height: number; fps: number };
    type Job = ({ kind: 'video' } & Opened) | ({ kind: 'audio' } & Opened);
    const now = () => performance.timeOrigin + performance.now();
    const paint = ({ writable, width, height, fps }: Opened) => {
      const writer = writable.getWriter();
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
      const draw = () => {
        frame.set(background);
        const walked = (count * 3) % (width - walker.width);
        for (let y = walker.top; y < walker.bottom; y += 1) {
          const from = y * width + walked;
          frame.fill(90 + ((y * 5) & 63), from, from + walker.width);
        }
        const time = Math.floor(now());
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
            clearTimeout(timer);
          });
        }
        count += 1;
        due += 1000 / fps;
        if (due < performance.now() - 200) due = performance.now();
        timer = setTimeout(tick, Math.max(0, due - performance.now()));
      };
      let timer = setTimeout(tick, 0);
    };
    const sound = ({ writable }: Opened) => {
      const writer = writable.getWriter();
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
            clearInterval(timer);
          });
        }
      };
      const timer = setInterval(tick, 5);
    };
    let frozen = false;
    addEventListener('message', ({ data }: MessageEvent<Job | { kind: 'freeze'; frozen: boolean }>) => {
      if (data.kind === 'video') paint(data);
      else if (data.kind === 'audio') sound(data);
      else ({ frozen } = data);
    });
  };

  const source = `(${work.toString()})(${JSON.stringify(setUp)})`;
  const start = (kind: 'video' | 'audio', size: { width: number; height: number; fps: number }) => {
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
    const track =
      kind === 'video'
        ? new MediaStreamTrackGenerator({ kind: 'video' })
        : new MediaStreamTrackGenerator({ kind: 'audio' });
    const id = kind === 'video' ? 'synthetic-camera' : 'synthetic-microphone';
    const settings = {
      deviceId: id,
      groupId: 'synthetic',
      ...(kind === 'video' ? { frameRate: size.fps } : {}),
    };
    Object.defineProperty(track, 'label', {
      value: `${setUp.name} ${kind === 'video' ? 'camera' : 'microphone'}`,
    });
    Object.defineProperty(track, 'getSettings', { value: () => settings });
    const stop = track.stop.bind(track);
    Object.defineProperty(track, 'stop', {
      value: () => {
        worker.terminate();
        stop();
      },
    });
    if (kind === 'video') {
      window.rehearsalCamera = {
        set: (state) => worker.postMessage({ kind: 'freeze', frozen: state === 'frozen' }),
        end: () => {
          track.stop();
          track.dispatchEvent(new Event('ended'));
        },
      };
    }
    worker.postMessage({ kind, writable: track.writable, ...size }, [track.writable]);
    return track;
  };
  const numberOf = (value: ConstrainULong | undefined, fallback: number): number => {
    if (typeof value === 'number') return value;
    return value?.exact ?? value?.ideal ?? fallback;
  };
  const open = (constraints: MediaStreamConstraints = {}): Promise<MediaStream> => {
    const tracks: MediaStreamTrack[] = [];
    const size = { width: 640, height: 360, fps: 30 };
    if (constraints.video) {
      const wanted = constraints.video === true ? {} : constraints.video;
      size.width = numberOf(wanted.width, 640);
      size.height = numberOf(wanted.height, 360);
      tracks.push(start('video', size));
    }
    if (constraints.audio) tracks.push(start('audio', size));
    return Promise.resolve(new MediaStream(tracks));
  };
  const device = (kind: MediaDeviceKind, deviceId: string, what: string): MediaDeviceInfo => {
    const plain = { kind, deviceId, groupId: 'synthetic', label: `${setUp.name} ${what}` };
    return { ...plain, toJSON: () => plain };
  };
  Object.defineProperty(navigator.mediaDevices, 'getUserMedia', { value: open });
  Object.defineProperty(navigator.mediaDevices, 'enumerateDevices', {
    value: () =>
      Promise.resolve([
        device('videoinput', 'synthetic-camera', 'camera'),
        device('audioinput', 'synthetic-microphone', 'microphone'),
      ]),
  });
};
