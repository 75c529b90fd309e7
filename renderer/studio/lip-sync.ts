// Lip-sync calibration: watches and listens to the program while claps are made, says how far sound and picture are apart, and
// sets the delays. What was set is kept on this machine with the other settings of the sound.
// Not its job: judging claps (media/clap.ts), or making them (clap-sheet.tsx).
import { createStore, type StoreApi } from 'zustand/vanilla';
import { alignDelays, clapsNeeded, judgeClaps, type ClapResult } from './media/clap.ts';
import type { ClapCommand, ClapReport } from './media/clap.worker.ts';

export type LipSyncState =
  | { readonly kind: 'idle'; readonly last: Exclude<ClapResult, { kind: 'measured' }> | null }
  | { readonly kind: 'listening'; readonly seen: number; readonly heard: number }
  /** `set`: the delays are as they should be. */
  | { readonly kind: 'measured'; readonly offsetMs: number; readonly set: boolean };

export interface LipSync {
  readonly store: StoreApi<LipSyncState>;
  /** Watches until there are claps enough, at most ten seconds. */
  measure(): Promise<ClapResult>;
  /** Sets the delays by what was measured. */
  apply(): void;
  stop(): void;
}

/** What calibration sets: the picture's delay, and the delays of what is in the program by id. */
export interface DelayDesk {
  videoDelayMs(): number;
  setVideoDelayMs(delayMs: number): void;
  soundDelayMs(): Readonly<Record<string, number>>;
  setSoundDelayMs(id: string, delayMs: number): void;
}

const patienceMs = 10_000;
/** More than are needed, so that one that was missed or doubled does not count. */
const clapsWanted = clapsNeeded + 3;

export const createLipSync = (options: {
  video: MediaStreamVideoTrack;
  audio: MediaStreamTrack;
  delays: DelayDesk;
}): LipSync => {
  const { delays } = options;
  const store = createStore<LipSyncState>(() => ({ kind: 'idle', last: null }));
  const enter = (state: LipSyncState) => store.setState(state, true);
  let end = () => {};

  return {
    store,
    measure: () => {
      end();
      return new Promise((resolve) => {
        const video = options.video.clone();
        const audio = options.audio.clone();
        const worker = new Worker(new URL('./media/clap.worker.ts', import.meta.url), {
          type: 'module',
          name: 'clap',
        });
        const flashesMs: number[] = [];
        const beepsMs: number[] = [];
        const finish = (result: ClapResult) => {
          clearTimeout(patience);
          worker.terminate();
          video.stop();
          audio.stop();
          end = () => {};
          if (result.kind === 'measured') enter({ kind: 'measured', offsetMs: result.offsetMs, set: false });
          else enter({ kind: 'idle', last: result });
          resolve(result);
        };
        const patience = setTimeout(() => finish(judgeClaps(flashesMs, beepsMs)), patienceMs);
        end = () => finish({ kind: 'unsteady' });
        worker.addEventListener('message', ({ data }: MessageEvent<ClapReport>) => {
          (data.kind === 'flash' ? flashesMs : beepsMs).push(data.atMs);
          enter({ kind: 'listening', seen: flashesMs.length, heard: beepsMs.length });
          if (Math.min(flashesMs.length, beepsMs.length) >= clapsWanted)
            finish(judgeClaps(flashesMs, beepsMs));
        });
        const command: ClapCommand = { video: streamOf(video), audio: soundOf(audio) };
        worker.postMessage(command, [command.video, command.audio]);
        enter({ kind: 'listening', seen: 0, heard: 0 });
      });
    },
    apply: () => {
      const state = store.getState();
      if (state.kind !== 'measured' || state.set) return;
      const now = { videoDelayMs: delays.videoDelayMs(), soundDelayMs: delays.soundDelayMs() };
      const next = alignDelays(now, state.offsetMs);
      delays.setVideoDelayMs(next.videoDelayMs);
      for (const [id, delayMs] of Object.entries(next.soundDelayMs)) delays.setSoundDelayMs(id, delayMs);
      enter({ ...state, set: true });
    },
    stop: () => {
      end();
      enter({ kind: 'idle', last: null });
    },
  };
};

const streamOf = (track: MediaStreamVideoTrack): ReadableStream<VideoFrame> =>
  new MediaStreamTrackProcessor({ track, maxBufferSize: 2 }).readable;

const isSound = (track: MediaStreamTrack): track is MediaStreamAudioTrack => track.kind === 'audio';
const soundOf = (track: MediaStreamTrack): ReadableStream<AudioData> => {
  if (!isSound(track)) throw new TypeError('A picture cannot be heard: give the calibration a sound track.');
  return new MediaStreamTrackProcessor({ track }).readable;
};

/** What came of it and what to do, in a sentence. */
export const clapWords = (result: ClapResult): string => {
  switch (result.kind) {
    case 'measured': {
      const { offsetMs } = result;
      if (Math.abs(offsetMs) <= 20) return 'Sound and picture are together.';
      return `The sound comes ${Math.abs(offsetMs)} ms ${offsetMs > 0 ? 'after' : 'before'} the picture.`;
    }
    case 'notSeen':
      return 'The flash was not seen. Point the camera that is on program at this screen, close enough to fill the picture.';
    case 'notHeard':
      return 'The beep was not heard. Turn the loudspeaker up and hold the microphone to it; its channel must not be muted.';
    case 'unsteady':
      return 'Flash and beep were not at a steady distance. Keep camera and microphone still, and measure again.';
  }
};
