// The first level of failover (L1): when a source counts as lost, and when it is back. It holds its last picture for a second,
// then gives its place away, and gets it again once its picture has moved for a moment. Pure: facts and times come in.
// Not its job: judging pictures (media/source-health.ts), or who takes the place (picture.ts).
import type { LossRule } from '../../sfu-server/protocol/production.ts';
import type { PictureHealth } from './media/source-health.ts';

export type Standing =
  /** It has had no picture since it was opened: nothing can be held. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'good' }
  /** No picture any more; its last one is still shown. */
  | { readonly kind: 'holding'; readonly sinceMs: number; readonly noticedMs: number }
  /** Its place goes to its backup, or whatever its rule says. */
  | { readonly kind: 'lost'; readonly sinceMs: number; readonly why: LossReason };

export type LossReason = 'unplugged' | 'stopped' | 'frozen' | 'black';

export interface SourceFacts {
  /** Its device, feed or file is there. */
  readonly here: boolean;
  readonly health: PictureHealth;
}

/** A cable that is knocked makes a pause; nobody wants a cut for that. */
export const holdMs = 1_000;
/** When this machine itself has stood still, every source seems to have: what moves again at once was not lost. */
export const confirmMs = 300;
/** A plug that wobbles must not make the picture jump to and fro. */
export const steadyMs = 700;

export interface LossWatch {
  /** Takes the newest facts; the rule may have been edited since. */
  look(facts: SourceFacts, rule: LossRule, nowMs: number): Standing;
  /** When the standing changes though no fact does; null: not by itself. */
  dueMs(): number | null;
}

const lossOf = (facts: SourceFacts, rule: LossRule): { why: LossReason; sinceMs: number | null } | null => {
  if (!facts.here) return { why: 'unplugged', sinceMs: null };
  const { health } = facts;
  switch (health.kind) {
    case 'waiting':
    case 'moving':
      return null;
    case 'stopped':
      return { why: 'stopped', sinceMs: health.sinceMs };
    case 'frozen':
      return rule.frozen ? { why: 'frozen', sinceMs: health.sinceMs } : null;
    case 'black':
      return rule.black ? { why: 'black', sinceMs: health.sinceMs } : null;
  }
};

export function createLossWatch(): LossWatch {
  let standing: Standing = { kind: 'absent' };
  /** Since when a lost source has had a picture again; null: it has none. */
  let backSinceMs: number | null = null;

  const hold = (sinceMs: number, nowMs: number): Standing => ({ kind: 'holding', sinceMs, noticedMs: nowMs });
  const heldUntilMs = (sinceMs: number, noticedMs: number): number =>
    Math.max(sinceMs + holdMs, noticedMs + confirmMs);
  const heldOrLost = (
    held: Extract<Standing, { kind: 'holding' }>,
    why: LossReason,
    nowMs: number,
  ): Standing => {
    const { sinceMs, noticedMs } = held;
    return nowMs >= heldUntilMs(sinceMs, noticedMs) ? { kind: 'lost', sinceMs, why } : held;
  };

  return {
    look(facts, rule, nowMs) {
      const loss = lossOf(facts, rule);
      if (loss === null) {
        // A track that took the place of a lost one has shown nothing yet.
        if (facts.health.kind === 'waiting') {
          if (standing.kind === 'good') standing = hold(nowMs, nowMs);
          else if (standing.kind === 'holding') standing = heldOrLost(standing, 'stopped', nowMs);
          backSinceMs = null;
          return standing;
        }
        if (standing.kind === 'lost') {
          backSinceMs ??= nowMs;
          if (nowMs - backSinceMs < steadyMs) return standing;
        }
        backSinceMs = null;
        standing = { kind: 'good' };
        return standing;
      }
      backSinceMs = null;
      switch (standing.kind) {
        case 'absent':
          // Dark or still from its first picture on: there is nothing better to hold.
          if (loss.why !== 'unplugged' && loss.why !== 'stopped') {
            standing = hold(loss.sinceMs ?? nowMs, nowMs);
          }
          return standing;
        case 'good':
          standing = hold(loss.sinceMs ?? nowMs, nowMs);
          return standing;
        case 'holding':
          standing = heldOrLost(standing, loss.why, nowMs);
          return standing;
        case 'lost':
          if (standing.why !== loss.why) standing = { ...standing, why: loss.why };
          return standing;
      }
    },
    dueMs() {
      if (standing.kind === 'holding') return heldUntilMs(standing.sinceMs, standing.noticedMs);
      return standing.kind === 'lost' && backSinceMs !== null ? backSinceMs + steadyMs : null;
    },
  };
}
