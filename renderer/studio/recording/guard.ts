// When a recording must give way: to a disk that fills up, or to a program that comes late. Sources give way first, the
// program last, and always with time left to close the file. Pure: it decides, the desk acts.

export type DiskVerdict =
  /** Nobody says how much room there is. */
  | { readonly kind: 'unknown' }
  /** `leftMs`: how long the room lasts at the present rate. */
  | {
      readonly kind: 'roomy' | 'low' | 'stopSources' | 'full';
      readonly freeBytes: number;
      readonly leftMs: number;
    };

/** Kept free, so that the file can be closed and the machine goes on. */
const reserveBytes = 256 * 1024 ** 2;
const warnBelowMs = 10 * 60_000;
const stopSourcesBelowMs = 5 * 60_000;

export const judgeDisk = (facts: {
  /** Null: not known. */
  freeBytes: number | null;
  /** Of everything that is being written, or would be. */
  bytesPerSecond: number;
  /** Whether there is more than the program to stop. */
  sources: boolean;
}): DiskVerdict => {
  const { freeBytes, bytesPerSecond, sources } = facts;
  if (freeBytes === null) return { kind: 'unknown' };
  const usableBytes = Math.max(0, freeBytes - reserveBytes);
  const leftMs = (usableBytes / Math.max(1, bytesPerSecond)) * 1000;
  const said = { freeBytes, leftMs };
  if (usableBytes === 0) return { kind: 'full', ...said };
  if (sources && leftMs < stopSourcesBelowMs) return { kind: 'stopSources', ...said };
  return { kind: leftMs < warnBelowMs ? 'low' : 'roomy', ...said };
};

/** What was written in the last while, as a rate; the expected rate until there is something to go by. */
export const createRate = (windowMs = 30_000) => {
  let marks: { atMs: number; bytes: number }[] = [];
  return {
    /** `bytes`: all so far; it falls when files are closed, and the measuring begins anew. */
    add: (bytes: number, atMs: number): void => {
      if (bytes < (marks.at(-1)?.bytes ?? 0)) marks = [];
      marks = [...marks.filter((mark) => atMs - mark.atMs <= windowMs), { atMs, bytes }];
    },
    bytesPerSecond: (expected: number): number => {
      const [first] = marks;
      const last = marks.at(-1);
      // Pieces come once a second: less than a few say nothing.
      if (first === undefined || last === undefined || last.atMs - first.atMs < 5_000) return expected;
      return ((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs);
    },
  };
};

const lateShare = 0.05;
const lateSeconds = { most: 3, of: 5 };

/** Tells from the compositor's figures of each second whether sources cost the program frames. */
export const createLoadGuard = () => {
  let seconds: boolean[] = [];
  return {
    /** True when the recording of sources has to stop; it begins to count anew then. */
    second: ({ late, framesOut }: { late: number; framesOut: number }): boolean => {
      seconds = [...seconds, late > framesOut * lateShare].slice(-lateSeconds.of);
      if (seconds.filter(Boolean).length < lateSeconds.most) return false;
      seconds = [];
      return true;
    },
    restart: (): void => {
      seconds = [];
    },
  };
};

/** "3:05" hours and minutes; "over 99 hours" where nobody counts any more. */
export const formatForecast = (leftMs: number): string => {
  const minutes = Math.floor(leftMs / 60_000);
  if (minutes >= 99 * 60) return 'over 99 hours';
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')} h`;
};

/** "41 GB", "850 MB". */
export const formatBytes = (bytes: number): string => {
  const megabytes = bytes / 1e6;
  if (megabytes < 1) return `${Math.max(0, Math.round(bytes / 1000))} kB`;
  if (megabytes < 1000) return `${megabytes < 10 ? megabytes.toFixed(1) : Math.round(megabytes)} MB`;
  return `${megabytes < 10_000 ? (megabytes / 1000).toFixed(1) : Math.round(megabytes / 1000)} GB`;
};
