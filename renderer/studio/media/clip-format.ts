// What a standby clip is made of: its sizes, rates, limits and files. Pure numbers, shared by the studio's importer and
// scripts/make-standby-clip.ts. Not its job: converting (clip-conversion.ts), or playing (sfu-server/media/standby.ts).

export const clipFps = 30;
/** A fan who joins while a clip plays sees nothing until the next key frame. */
export const clipKeyFrameIntervalS = 1;
export const clipSampleRate = 48_000;
export const clipAudioBitrate = 96_000;
export const opusFrameMs = 20;
/** A length both 30 frames/s and 20 ms of Opus divide: neither has a half frame at the seam of the loop. */
export const clipLengthStepMs = 100;
/** Opus frames encoded and thrown away before the first that counts, so that the loop's seam is not heard. */
export const opusWarmUpFrames = 50;

export interface ClipSize {
  readonly width: number;
  readonly height: number;
  /** Bits per second of the picture. */
  readonly bitrate: number;
}

/** The program's two layers. */
export const clipSizes = {
  lo: { width: 320, height: 180, bitrate: 200_000 },
  hi: { width: 640, height: 360, bitrate: 700_000 },
} as const satisfies Record<string, ClipSize>;

/** Codec strings of WebCodecs; H.264 is constrained baseline, which has no B-frames. */
export const clipCodecs = {
  vp8: { codecString: 'vp8', extension: 'webm' },
  avc: { codecString: 'avc1.42001f', extension: 'mp4' },
} as const;

/** What the director may choose. */
export const importLimits = { shortestMs: 2000, longestMs: 60_000, mostBytes: 100 * 1024 * 1024 } as const;

/** The copy a fan's page keeps for when the server is gone. */
export const smallClip = {
  name: 'small.mp4',
  mostBytes: 1_500_000,
  /** What its rates are chosen for, below the limit by what a variable rate may overshoot. */
  targetBytes: 1_350_000,
  audioBitrate: 48_000,
} as const;
