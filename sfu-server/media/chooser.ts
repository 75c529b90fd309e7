// Decides what the program shows: the studio while its media is healthy, the standby clip otherwise.
// A pure state machine: it is told about packets, attachments and the director's lock, and asked at an
// instant; it owns no timer. How a decision is carried out (key frames, clocks) is program-bus.ts's job.
//
// Liveness is media, never connection state. Opus arrives every 20 ms, so a short silence of audio *and*
// video means the sender is gone. Video alone may pause a little (a scene cut, a slow key frame); for longer
// than `frozenMs` fans would be looking at a still. Lost audio alone is a degraded studio, which still shows.
// The lock on standby is absolute. There is no lock on the studio: it could only mean a black picture.

import type { OnAirSource, SwitchReason } from '../protocol/state.ts';

export type ChooserTimings = {
  /** No audio and no video for this long: dead. */
  readonly silentMs: number;
  /**
   * The same at most, for a studio that has lately paused for nearly as long and come back (a busy laptop, a poor
   * uplink): one and a half times its longest pause, up to this.
   */
  readonly silentMostMs: number;
  /** The same for a studio that sends only one kind, whose packets come less densely. */
  readonly silentSingleKindMs: number;
  /** No video for this long, whatever audio does: dead. */
  readonly frozenMs: number;
  /** One kind missing for this long: degraded. */
  readonly degradedMs: number;
  /** Healthy media, with a key frame in it, for this long before the studio is trusted (again). */
  readonly settleMs: number;
};

export const defaultTimings: ChooserTimings = {
  silentMs: 160,
  silentMostMs: 260,
  silentSingleKindMs: 500,
  frozenMs: 1000,
  degradedMs: 400,
  settleMs: 1000,
};

/** Pauses count for this long; longer ones than a second are outages and teach nothing. */
const pauseMemoryMs = 15_000;
const longestPauseMs = 1000;

export type StudioMediaState = 'absent' | 'warming' | 'ready' | 'degraded' | 'dead';
export type ProgramLock = 'none' | 'standby';
export type Decision = {
  readonly source: OnAirSource;
  readonly reason: SwitchReason;
  /** When this source was chosen, in the caller's clock. */
  readonly sinceMs: number;
};

type Studio =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'attached';
      hasAudio: boolean;
      lastVideoMs: number | undefined;
      lastAudioMs: number | undefined;
      /** The longest pause of everything that ended lately. */
      pause: { readonly lastedMs: number; readonly endedMs: number } | undefined;
      /** Start of the current unbroken stretch of healthy media, and whether it holds a key frame. */
      health: { readonly sinceMs: number; keyFrame: boolean } | undefined;
    };

export class Chooser {
  readonly #timings: ChooserTimings;
  #studio: Studio = { kind: 'absent' };
  #onAir = false;
  #lock: ProgramLock = 'none';
  #standbyReady: boolean;
  #decision: Decision;

  constructor(options: { standbyReady: boolean; nowMs: number; timings?: Partial<ChooserTimings> }) {
    this.#timings = { ...defaultTimings, ...options.timings };
    this.#standbyReady = options.standbyReady;
    this.#decision = { source: 'none', reason: 'notOnAir', sinceMs: options.nowMs };
  }

  get decision(): Decision {
    return this.#decision;
  }

  setOnAir(onAir: boolean, nowMs: number): Decision {
    this.#onAir = onAir;
    return this.decide(nowMs);
  }

  setLock(lock: ProgramLock, nowMs: number): Decision {
    this.#lock = lock;
    return this.decide(nowMs);
  }

  /** There is a clip to fall back on from now on. */
  setStandbyReady(nowMs: number): Decision {
    this.#standbyReady = true;
    return this.decide(nowMs);
  }

  /** The studio's producers exist now. Replaces earlier ones: their health does not count for these. */
  studioAttached(kinds: { hasAudio: boolean }, nowMs: number): Decision {
    this.#studio = {
      kind: 'attached',
      hasAudio: kinds.hasAudio,
      lastVideoMs: undefined,
      lastAudioMs: undefined,
      pause: undefined,
      health: undefined,
    };
    return this.decide(nowMs);
  }

  /** The studio's video is closed. Known at once, so nobody waits for the watchdog. */
  studioDetached(nowMs: number): Decision {
    this.#studio = { kind: 'absent' };
    return this.decide(nowMs);
  }

  /** The studio's sound is closed, its picture stays: it is judged by its picture alone from now on. */
  audioDetached(nowMs: number): Decision {
    if (this.#studio.kind === 'attached') this.#studio.hasAudio = false;
    return this.decide(nowMs);
  }

  /** Media came from the studio. Cheap: called for every packet. */
  heard(kind: 'audio' | 'video', nowMs: number): void {
    const studio = this.#studio;
    if (studio.kind !== 'attached') return;
    const lastedMs = nowMs - Math.max(studio.lastAudioMs ?? -Infinity, studio.lastVideoMs ?? -Infinity);
    const forgotten = studio.pause === undefined || nowMs - studio.pause.endedMs > pauseMemoryMs;
    if (lastedMs < longestPauseMs && (forgotten || lastedMs > (studio.pause?.lastedMs ?? 0))) {
      studio.pause = { lastedMs, endedMs: nowMs };
    }
    if (kind === 'audio') studio.lastAudioMs = nowMs;
    else studio.lastVideoMs = nowMs;
  }

  /** A key frame of the studio began. */
  keyFrame(nowMs: number): void {
    this.heard('video', nowMs);
    if (this.#studio.kind === 'attached' && this.#studio.health) this.#studio.health.keyFrame = true;
  }

  /** Whether the studio's media is healthy but no key frame has been seen yet: the moment to ask for one. */
  get wantsKeyFrame(): boolean {
    return this.#studio.kind === 'attached' && this.#studio.health?.keyFrame === false;
  }

  studioMedia(nowMs: number): StudioMediaState {
    const studio = this.#studio;
    if (studio.kind === 'absent') return 'absent';
    if (studio.lastVideoMs === undefined) return 'warming';
    const videoAgeMs = nowMs - studio.lastVideoMs;
    const audioAgeMs = studio.hasAudio ? nowMs - (studio.lastAudioMs ?? -Infinity) : undefined;
    if (this.#deadReason(videoAgeMs, audioAgeMs)) return 'dead';
    if (videoAgeMs > this.#timings.degradedMs) return 'degraded';
    const settled =
      studio.health?.keyFrame === true && nowMs - studio.health.sinceMs >= this.#timings.settleMs;
    if (!settled) return 'warming';
    return audioAgeMs !== undefined && audioAgeMs > this.#timings.degradedMs ? 'degraded' : 'ready';
  }

  /** Looks at everything as of `nowMs`; called often (every 20 ms) and after every event that matters. */
  decide(nowMs: number): Decision {
    this.#judgeHealth(nowMs);
    const next = this.#choose(nowMs);
    const current = this.#decision;
    if (next.source !== current.source) this.#decision = { ...next, sinceMs: nowMs };
    else if (next.reason !== current.reason) this.#decision = { ...next, sinceMs: current.sinceMs };
    return this.#decision;
  }

  snapshot(nowMs: number) {
    return { ...this.#decision, onAir: this.#onAir, lock: this.#lock, studioMedia: this.studioMedia(nowMs) };
  }

  #judgeHealth(nowMs: number): void {
    const studio = this.#studio;
    if (studio.kind !== 'attached') return;
    // Silent audio alone does not spoil health: a studio without sound is still better than a clip.
    const flowing =
      studio.lastVideoMs !== undefined &&
      nowMs - studio.lastVideoMs <= this.#timings.degradedMs &&
      this.#studioTrouble(nowMs) === undefined;
    if (!flowing) studio.health = undefined;
    else studio.health ??= { sinceMs: nowMs, keyFrame: false };
  }

  #choose(nowMs: number): Omit<Decision, 'sinceMs'> {
    if (!this.#onAir) return { source: 'none', reason: 'notOnAir' };
    const trouble = this.#studioTrouble(nowMs);
    if (!this.#standbyReady) {
      return trouble === 'studioClosed'
        ? { source: 'none', reason: trouble }
        : { source: 'studio', reason: 'studioHealthy' };
    }
    if (this.#lock === 'standby') return { source: 'standby', reason: 'directorLock' };
    if (this.#decision.source === 'studio') {
      return trouble ? { source: 'standby', reason: trouble } : { source: 'studio', reason: 'studioHealthy' };
    }
    const state = this.studioMedia(nowMs);
    if (state === 'ready' || (state === 'degraded' && this.#settledPicture(nowMs))) {
      return { source: 'studio', reason: 'studioHealthy' };
    }
    // The clip stays on for the reason it came on, unless that reason no longer says anything.
    const { source, reason } = this.#decision;
    if (source !== 'standby' || reason === 'directorLock') {
      return { source: 'standby', reason: trouble ?? 'studioNotReady' };
    }
    return { source, reason };
  }

  /** Degraded by lost sound only, picture settled: may go on air. */
  #settledPicture(nowMs: number): boolean {
    const health = this.#studio.kind === 'attached' ? this.#studio.health : undefined;
    return health?.keyFrame === true && nowMs - health.sinceMs >= this.#timings.settleMs;
  }

  /** Why the studio must leave the air, if it must. */
  #studioTrouble(nowMs: number): 'studioClosed' | 'studioSilent' | 'studioFrozen' | undefined {
    const studio = this.#studio;
    if (studio.kind === 'absent') return 'studioClosed';
    const videoAgeMs = nowMs - (studio.lastVideoMs ?? -Infinity);
    return this.#deadReason(
      videoAgeMs,
      studio.hasAudio ? nowMs - (studio.lastAudioMs ?? -Infinity) : undefined,
    );
  }

  /** The watchdog's patience with this studio. */
  get #silentMs(): number {
    const { silentMs, silentMostMs } = this.#timings;
    const pauseMs = this.#studio.kind === 'attached' ? (this.#studio.pause?.lastedMs ?? 0) : 0;
    return Math.max(silentMs, Math.min(silentMostMs, pauseMs * 1.5));
  }

  #deadReason(
    videoAgeMs: number,
    audioAgeMs: number | undefined,
  ): 'studioSilent' | 'studioFrozen' | undefined {
    const { silentSingleKindMs, frozenMs } = this.#timings;
    const silentMs = this.#silentMs;
    if (audioAgeMs === undefined) return videoAgeMs > silentSingleKindMs ? 'studioSilent' : undefined;
    // Sound that stopped long ago says nothing about now: then video alone is the sign of life.
    const videoLimitMs = audioAgeMs > silentSingleKindMs ? silentSingleKindMs : silentMs;
    if (audioAgeMs > silentMs && videoAgeMs > videoLimitMs) return 'studioSilent';
    return videoAgeMs > frozenMs ? 'studioFrozen' : undefined;
  }
}
