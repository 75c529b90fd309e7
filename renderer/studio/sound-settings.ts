// What this machine remembers of the sound: channels with their devices and strips, strips of guests, files and encoders,
// monitor, loudness target.
// Not its job: doing any of it (sound.ts).
import * as z from 'zod/mini';
import { loudnessTargets } from './loudness-hint.ts';
import {
  longestSoundDelayMs,
  plainStrip,
  type Compressor,
  type StripSettings,
} from './media/channel-strip.ts';
import { longestVideoDelayMs } from './media/compositor.ts';

const within = (low: number, high: number) => z.number().check(z.minimum(low), z.maximum(high));

const compressorSettings = z.object({
  thresholdDb: within(-60, 0),
  ratio: within(1, 20),
  attackMs: within(1, 200),
  releaseMs: within(20, 2000),
  makeUpDb: within(0, 24),
});

export const stripSettings = z.object({
  mode: z.enum(['stereo', 'left', 'right']),
  gainDb: within(-60, 24),
  highPassHz: z.nullable(within(20, 400)),
  gateDb: z.nullable(within(-80, -10)),
  compressor: z.nullable(compressorSettings),
  delayMs: within(0, longestSoundDelayMs),
  pan: within(-1, 1),
  muted: z.boolean(),
});

export const channelId = z.string().check(z.minLength(1), z.maxLength(64)).brand('ChannelId');
/** One microphone or line of the mixer. Two channels may use the two sides of one device. */
export type ChannelId = z.infer<typeof channelId>;

export const longestChannelName = 24;
export const mostChannels = 16;

const channelSettings = z.object({
  id: channelId,
  name: z.string().check(z.minLength(1), z.maxLength(longestChannelName)),
  strip: stripSettings,
  /** `talkback`: the director's own, heard by guests alone while the talkback key is held. */
  use: z.enum(['program', 'talkback']),
  /** `music`: the sound as it is. `speech`: echo and noise cancelled, for a microphone near a loudspeaker. */
  processing: z.enum(['music', 'speech']),
  /** The device that belongs to it; null: the system's default. */
  device: z.nullable(z.object({ deviceId: z.string(), groupId: z.string(), label: z.string() })),
  /** Opened by itself when the page opens. */
  inUse: z.boolean(),
  /** The channel that takes its place when it is silent or gone. */
  backupId: z.nullable(channelId),
});
export type ChannelSettings = z.infer<typeof channelSettings>;

/** More guests, files and encoders than anybody mixes in a season. */
export const mostAttachedStrips = 64;

const attachedStrips = z
  .record(z.string(), stripSettings)
  .check(z.refine((strips) => Object.keys(strips).length <= mostAttachedStrips, 'too many strips'));
export type AttachedStrips = z.infer<typeof attachedStrips>;

export const soundSettings = z.object({
  channels: z.array(channelSettings).check(z.maxLength(mostChannels)),
  /** By the id of the guest, file or encoder; only what was ever changed, the latest change last. */
  attached: z.prefault(attachedStrips, {}),
  monitor: z.object({ on: z.boolean(), source: z.enum(['guests', 'program']), outputId: z.string() }),
  targetLufs: z.literal(loudnessTargets),
  /** Of the whole picture, to meet the sound. */
  videoDelayMs: within(0, longestVideoDelayMs),
});
export type SoundSettings = z.infer<typeof soundSettings>;

/** A start for speech: evens out a voice by some 6 dB and brings it back up. */
export const speechCompressor: Compressor = {
  thresholdDb: -24,
  ratio: 3,
  attackMs: 8,
  releaseMs: 160,
  makeUpDb: 5,
};

export const newChannel = (id: ChannelId, name: string): ChannelSettings => ({
  id,
  name,
  strip: plainStrip,
  use: 'program',
  processing: 'music',
  device: null,
  inUse: false,
  backupId: null,
});

/** With one more strip remembered; the one that was changed longest ago makes room. */
export const withAttachedStrip = (
  strips: AttachedStrips,
  id: string,
  strip: StripSettings,
): AttachedStrips => {
  const others = Object.entries(strips).filter(([each]) => each !== id);
  return Object.fromEntries([...others.slice(1 - mostAttachedStrips), [id, strip]]);
};

/** Two lavaliers, as most drops begin. */
export const defaultSound: SoundSettings = {
  channels: [newChannel(channelId.parse('mic-1'), 'Lav L'), newChannel(channelId.parse('mic-2'), 'Lav R')],
  attached: {},
  monitor: { on: false, source: 'guests', outputId: '' },
  targetLufs: -16,
  videoDelayMs: 0,
};

const settingsKey = 'studio.sound';

/** What this machine remembers; the defaults when there is nothing, or nothing that can be read. */
export const readSound = (storage: Storage = localStorage): SoundSettings => {
  try {
    const stored = soundSettings.safeParse(JSON.parse(storage.getItem(settingsKey) ?? 'null'));
    return stored.success ? stored.data : defaultSound;
  } catch (error) {
    if (error instanceof SyntaxError) return defaultSound;
    throw error;
  }
};

export const writeSound = (settings: SoundSettings, storage: Storage = localStorage): void =>
  storage.setItem(settingsKey, JSON.stringify(settings));
