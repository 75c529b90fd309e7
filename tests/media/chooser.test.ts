// The chooser under a fake clock: packets are simulated by the millisecond, decisions are read off.
import { describe, expect, it } from 'vitest';
import { Chooser, type ProgramLock } from '../../sfu-server/media/chooser.ts';

/** A show in simulated time: audio every 20 ms, video every 33 ms, decided every 20 ms. */
class Show {
  nowMs = 0;
  readonly chooser: Chooser;
  readonly log: string[] = [];
  sends = { audio: false, video: false };

  constructor(standbyReady = true) {
    this.chooser = new Chooser({ standbyReady, nowMs: 0 });
    this.note();
  }

  note(): void {
    const { source, reason } = this.chooser.decision;
    const entry = `${source} ${reason}`;
    if (this.log.at(-1) !== entry) this.log.push(entry);
  }

  attach(hasAudio = true): this {
    this.sends = { audio: hasAudio, video: true };
    this.chooser.studioAttached({ hasAudio }, this.nowMs);
    this.chooser.keyFrame(this.nowMs);
    this.note();
    return this;
  }

  onAir(onAir: boolean): this {
    this.chooser.setOnAir(onAir, this.nowMs);
    this.note();
    return this;
  }

  lock(lock: ProgramLock): this {
    this.chooser.setLock(lock, this.nowMs);
    this.note();
    return this;
  }

  /** Lets time pass; returns the time at which the source changed, if it did. */
  run(durationMs: number): number | undefined {
    const endMs = this.nowMs + durationMs;
    const before = this.chooser.decision.source;
    let changedMs: number | undefined;
    while (this.nowMs < endMs) {
      this.nowMs += 1;
      if (this.sends.audio && this.nowMs % 20 === 0) this.chooser.heard('audio', this.nowMs);
      if (this.sends.video && this.nowMs % 33 === 0) {
        if (this.chooser.wantsKeyFrame) this.chooser.keyFrame(this.nowMs);
        else this.chooser.heard('video', this.nowMs);
      }
      if (this.nowMs % 20 === 10) this.chooser.decide(this.nowMs);
      this.note();
      if (this.chooser.decision.source !== before) changedMs ??= this.nowMs;
    }
    return changedMs;
  }

  get media() {
    return this.chooser.studioMedia(this.nowMs);
  }
}

const live = () => {
  const show = new Show().attach();
  show.run(1500);
  return show.onAir(true);
};

describe('the chooser', () => {
  it('sends nothing off air, and goes to a ready studio at once', () => {
    const show = live();
    expect(show.log).toEqual(['none notOnAir', 'studio studioHealthy']);
    show.onAir(false);
    expect(show.chooser.decision.source).toBe('none');
  });

  it('bridges the start with the clip until the studio has been healthy for a second', () => {
    const show = new Show().onAir(true);
    expect(show.chooser.decision).toMatchObject({ source: 'standby', reason: 'studioClosed' });
    show.attach();
    const changedMs = show.run(3000);
    expect(changedMs).toBeGreaterThanOrEqual(1000);
    expect(changedMs).toBeLessThan(1150);
  });

  it('takes silence of audio and video for death within 160-200 ms', () => {
    const show = live();
    show.sends = { audio: false, video: false };
    const stoppedMs = show.nowMs;
    const changedMs = show.run(400) ?? NaN;
    expect(show.chooser.decision).toMatchObject({ source: 'standby', reason: 'studioSilent' });
    expect(changedMs - stoppedMs).toBeGreaterThan(120);
    expect(changedMs - stoppedMs).toBeLessThanOrEqual(200);
    expect(show.media).toBe('dead');
  });

  it('rides out a pause of 100 ms', () => {
    const show = live();
    show.sends = { audio: false, video: false };
    show.run(100);
    show.sends = { audio: true, video: true };
    expect(show.run(2000)).toBeUndefined();
  });

  it('is more patient for a while with a studio that has just paused, up to 260 ms', () => {
    const show = live();
    const pause = (durationMs: number) => {
      show.sends = { audio: false, video: false };
      const changedMs = show.run(durationMs);
      show.sends = { audio: true, video: true };
      show.run(100);
      return changedMs;
    };
    expect(pause(140)).toBeUndefined();
    expect(pause(190)).toBeUndefined();
    expect(pause(300)).toBeDefined();
    show.run(20_000);
    expect(show.chooser.decision.source).toBe('studio');
    expect(pause(210)).toBeDefined();
  });

  it('leaves a frozen picture after a second, and not for a shorter pause', () => {
    const show = live();
    show.sends.video = false;
    expect(show.run(800)).toBeUndefined();
    expect(show.media).toBe('degraded');
    show.run(400);
    expect(show.chooser.decision).toMatchObject({ source: 'standby', reason: 'studioFrozen' });
  });

  it('stays with a studio that lost only its sound', () => {
    const show = live();
    show.sends.audio = false;
    expect(show.run(5000)).toBeUndefined();
    expect(show.media).toBe('degraded');
    show.sends.video = false;
    expect(show.run(700)).toBeDefined();
  });

  it('judges a studio without sound by its picture, with more patience', () => {
    const show = new Show().attach(false);
    show.run(1500);
    show.onAir(true);
    show.sends.video = false;
    expect(show.run(400)).toBeUndefined();
    expect(show.run(200)).toBeDefined();
  });

  it('leaves at once when the studio closes, without waiting for the watchdog', () => {
    const show = live();
    show.chooser.studioDetached(show.nowMs);
    expect(show.chooser.decision).toMatchObject({ source: 'standby', reason: 'studioClosed' });
  });

  it('returns only after a second of unbroken media with a key frame', () => {
    const show = live();
    show.sends = { audio: false, video: false };
    show.run(500);
    show.sends = { audio: true, video: true };
    show.run(600);
    show.sends = { audio: false, video: false };
    show.run(500);
    expect(show.chooser.decision.source).toBe('standby');
    const backMs = show.nowMs;
    show.sends = { audio: true, video: true };
    const changedMs = show.run(3000) ?? NaN;
    expect(changedMs - backMs).toBeGreaterThanOrEqual(1000);
    expect(changedMs - backMs).toBeLessThan(1150);
  });

  it('lets a studio settle again even after the shortest death', () => {
    const show = live();
    show.sends = { audio: false, video: false };
    const diedMs = show.run(250) ?? NaN;
    show.sends = { audio: true, video: true };
    expect((show.run(3000) ?? NaN) - diedMs).toBeGreaterThanOrEqual(1000);
  });

  it('[SHOW3] obeys the lock on standby whatever the studio does, and returns at once when it is lifted', () => {
    const show = live().lock('standby');
    expect(show.chooser.decision).toMatchObject({ source: 'standby', reason: 'directorLock' });
    expect(show.run(5000)).toBeUndefined();
    show.sends = { audio: false, video: false };
    show.run(1000);
    show.sends = { audio: true, video: true };
    expect(show.run(3000)).toBeUndefined();
    expect(show.lock('none').chooser.decision).toMatchObject({ source: 'studio', reason: 'studioHealthy' });
  });

  it('says why the clip stays when the lock is lifted and there is no studio', () => {
    const show = live().lock('standby');
    show.chooser.studioDetached(show.nowMs);
    expect(show.lock('none').chooser.decision).toMatchObject({ source: 'standby', reason: 'studioClosed' });
  });

  it('stays with the studio when there is no clip', () => {
    const show = new Show(false).attach();
    show.run(1500);
    show.onAir(true);
    show.sends = { audio: false, video: false };
    expect(show.run(2000)).toBeUndefined();
    show.chooser.studioDetached(show.nowMs);
    expect(show.chooser.decision).toMatchObject({ source: 'none', reason: 'studioClosed' });
  });
});
