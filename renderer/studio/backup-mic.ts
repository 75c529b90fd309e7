// When a backup microphone takes a microphone's place, and when it gives it back. Pure: lives and times come in.
// Not its job: judging a microphone (media/source-health.ts), or switching anything (sound.ts).

/** `opening`: its device is on the way, or nothing has been heard of it yet. `gone`: unplugged, or it cannot be opened. */
export type MicLife = 'alive' | 'opening' | 'silent' | 'gone';

/** Who speaks for the pair. Times are epoch milliseconds. */
export type Stand =
  | { readonly kind: 'main' }
  | { readonly kind: 'backup'; readonly sinceMs: number; readonly because: MicLife };

/** A loose plug crackles: the first must be heard for this long before the place is its own again. */
export const giveBackAfterMs = 2_000;

export interface BackupRule {
  /** To be called whenever something may have changed, and at least a few times a second. */
  look(main: MicLife, backup: MicLife, nowMs: number): Stand;
}

export const createBackupRule = (): BackupRule => {
  let stand: Stand = { kind: 'main' };
  let mainAliveSinceMs: number | null = null;
  return {
    look: (main, backup, nowMs) => {
      mainAliveSinceMs = main === 'alive' ? (mainAliveSinceMs ?? nowMs) : null;
      if (stand.kind === 'main') {
        const lost = main === 'silent' || main === 'gone';
        // A backup that is as dead gains nothing, and would be one thing more to wonder about.
        if (lost && backup === 'alive') stand = { kind: 'backup', sinceMs: nowMs, because: main };
        return stand;
      }
      const steady = mainAliveSinceMs !== null && nowMs - mainAliveSinceMs >= giveBackAfterMs;
      const only = main === 'alive' && (backup === 'silent' || backup === 'gone');
      if (steady || only) stand = { kind: 'main' };
      return stand;
    },
  };
};
