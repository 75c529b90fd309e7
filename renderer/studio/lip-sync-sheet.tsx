// The clap tool: this screen flashes and beeps once a second while the program's camera and microphone take it in; then the
// delays are set. Only off air, because fans would see it. Not its job: measuring or setting (lip-sync.ts).
import { useEffect, useRef } from 'react';
import { useStore } from 'zustand';
import { Button } from '../ui/controls.tsx';
import { useShow, useSound, useStudio } from './hooks.ts';
import { clapWords } from './lip-sync.ts';
import { clapEveryMs, clapHz, clapLengthMs } from './media/clap.ts';
import { longestVideoDelayMs } from './media/compositor.ts';
import { Slider } from './strip-sheet.tsx';

export const LipSyncSheet = ({ onClose }: { onClose: () => void }) => {
  const studio = useStudio();
  const { lipSync } = studio.sound;
  const state = useStore(lipSync.store);
  const live = useShow((show) => show?.phase.kind === 'live');
  const videoDelayMs = useSound((sound) => sound.settings.videoDelayMs);
  const sheet = useRef<HTMLDivElement>(null);
  useEffect(() => sheet.current?.querySelector('button')?.focus(), []);
  useEffect(() => () => lipSync.stop(), [lipSync]);
  const measured = state.kind === 'measured';
  return (
    <div
      ref={sheet}
      className="strip-sheet"
      role="dialog"
      aria-label="Lip sync"
      onKeyDown={(event) => {
        if (event.key === 'Escape') onClose();
      }}
    >
      <div className="panel-head">
        <h3>Lip sync</h3>
        <Button kind="quiet" onPress={onClose}>
          Close
        </Button>
      </div>
      <p className="hint">
        Put the camera on program and point it at this screen, hold its microphone to the loudspeaker, and
        measure. This screen flashes and beeps ten times.
      </p>
      <p role="status">
        {state.kind === 'listening' && `Seen ${state.seen}, heard ${state.heard}.`}
        {state.kind === 'idle' && state.last && clapWords(state.last)}
        {measured &&
          (state.set
            ? 'The delays are set. Measure again to see that they are right.'
            : clapWords({ kind: 'measured', offsetMs: state.offsetMs, claps: 0 }))}
      </p>
      <div className="button-row">
        <Button
          kind={measured && !state.set ? 'plain' : 'action'}
          disabled={live || state.kind === 'listening'}
          title={live ? 'Fans would see it: measure before going live' : undefined}
          onPress={() => void lipSync.measure()}
        >
          {measured ? 'Measure again' : 'Measure'}
        </Button>
        {measured && !state.set && (
          <Button kind="action" onPress={() => lipSync.apply()}>
            Set the delays
          </Button>
        )}
      </div>
      <Slider
        label="Picture delay"
        value={videoDelayMs}
        low={0}
        high={longestVideoDelayMs}
        step={5}
        words={`${videoDelayMs} ms`}
        onChange={(delayMs) => studio.sound.setVideoDelayMs(delayMs)}
      />
      {state.kind === 'listening' && <Claps onStop={() => lipSync.stop()} />}
    </div>
  );
};

/** The beep is on its way before the flash, by what loudspeaker and screen take. */
const leadMs = 200;
/** From a style change to light: two refreshes of a common screen. */
const screenMs = 32;

/** The whole screen, dark, with a flash and a beep a second. */
const Claps = ({ onStop }: { onStop: () => void }) => {
  const light = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const context = new AudioContext({ latencyHint: 'interactive' });
    let closed = false;
    let nextMs = performance.now() + clapEveryMs;
    let beepedMs = 0;
    const beep = (atMs: number) => {
      const { contextTime = 0, performanceTime = 0 } = context.getOutputTimestamp();
      const start = Math.max(context.currentTime, contextTime + (atMs + screenMs - performanceTime) / 1000);
      const tone = new OscillatorNode(context, { frequency: clapHz });
      tone.connect(new GainNode(context, { gain: 0.8 })).connect(context.destination);
      tone.start(start);
      tone.stop(start + clapLengthMs / 1000);
    };
    const draw = (nowMs: number) => {
      if (closed) return;
      if (nextMs - nowMs < leadMs && beepedMs !== nextMs) {
        beepedMs = nextMs;
        beep(nextMs);
      }
      const lit = nowMs >= nextMs && nowMs < nextMs + clapLengthMs;
      if (light.current) light.current.dataset['lit'] = String(lit);
      if (nowMs >= nextMs + clapLengthMs) nextMs += clapEveryMs;
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
    return () => {
      closed = true;
      void context.close();
    };
  }, []);
  return (
    <div ref={light} className="claps" data-lit="false">
      <Button large onPress={onStop}>
        Stop
      </Button>
    </div>
  );
};
