// Every source of the studio in one list, as log, health panel and field card speak of it: what its device does, what its
// media say, and its figures. The one place that knows where these are kept.
// Not its job: words (log.ts, health-panel.tsx, preflight.ts).
import type { CompositorStats } from './media/compositor.ts';
import type { SourcePicture } from './picture-report.ts';
import type { MixerSnapshot } from './media/mixer.ts';
import type { PictureHealth, SoundHealth } from './media/source-health.ts';
import type { InputReport } from './health.ts';
import type { SoundDesk } from './sound.ts';

export type MediaCondition = 'well' | 'stopped' | 'frozen' | 'black' | 'silent' | 'clipped';

export type SourceReport = {
  id: string;
  name: string;
  medium: 'picture' | 'sound';
  input: InputReport;
  /** What the pictures or the sound say; `well` too while nothing is known. */
  media: MediaCondition;
  /** What is shown or heard in its place, by name; null: nothing is. */
  instead: string | null;
  /** Pictures only; null while unknown. */
  framesPerSecond: number | null;
  lastFrameAgeMs: number | null;
  size: { width: number; height: number } | null;
  /** Sound only: delay by buffering and times the buffer ran dry in the last second; null while unknown. */
  bufferedMs: number | null;
  underruns: number | null;
  /** How far the device's clock is from the program's; null while unknown. */
  driftPpm: number | null;
  muted: boolean;
};

/** What the pipeline says of itself, once a second. `latePct`: of the program frames of the last five. */
export type Pipeline = { picture: CompositorStats | null; sound: MixerSnapshot; latePct: number | null };

const lateOverSeconds = 5;

/** One bad second is no news. */
export const createLateShare = () => {
  let seconds: { late: number; framesOut: number }[] = [];
  return {
    second: ({ late, framesOut }: { late: number; framesOut: number }): void => {
      seconds = [...seconds, { late, framesOut }].slice(-lateOverSeconds);
    },
    pct: (): number | null => {
      const frames = seconds.reduce((sum, { framesOut }) => sum + framesOut, 0);
      return frames === 0 ? null : (seconds.reduce((sum, { late }) => sum + late, 0) / frames) * 100;
    },
  };
};

const ofPicture = (health: PictureHealth): MediaCondition =>
  health.kind === 'waiting' || health.kind === 'moving' ? 'well' : health.kind;
const ofSound = (health: SoundHealth): MediaCondition =>
  health.kind === 'waiting' || health.kind === 'alive' ? 'well' : health.kind;

export const reportSources = (
  pictures: readonly SourcePicture[],
  soundDesk: SoundDesk,
  { sound }: Pick<Pipeline, 'sound'>,
): SourceReport[] => {
  const cameras = pictures.map(({ id, name, input, picture, instead, stats }): SourceReport => ({
    id,
    name,
    medium: 'picture',
    input,
    media: ofPicture(picture),
    instead,
    framesPerSecond: stats?.framesPerSecond ?? null,
    lastFrameAgeMs: stats?.lastFrameAgeMs ?? null,
    size: stats && stats.width > 0 ? { width: stats.width, height: stats.height } : null,
    bufferedMs: null,
    underruns: null,
    driftPpm: null,
    muted: false,
  }));
  const { settings, channels } = soundDesk.store.getState();
  const microphones = settings.channels.map(({ id, name, strip, backupId }): SourceReport => {
    const mixed = sound.inputs[id];
    const channel = channels[id];
    const backup = settings.channels.find((each) => each.id === backupId);
    return {
      id,
      name,
      medium: 'sound',
      input: soundDesk.report(id),
      media: ofSound(channel?.health ?? { kind: 'waiting' }),
      instead: channel?.place.kind === 'backup' ? (backup?.name ?? null) : null,
      framesPerSecond: null,
      lastFrameAgeMs: null,
      size: null,
      bufferedMs: mixed?.bufferedMs ?? null,
      underruns: mixed?.underruns ?? null,
      driftPpm: mixed?.driftPpm ?? null,
      muted: strip.muted,
    };
  });
  return [...cameras, ...microphones];
};
