// How often somebody may knock: token buckets by key, such as a buyer or a network address. Forgets those who have been quiet.
// What is limited, and how far, is said where it is used.
import { isIPv6 } from 'node:net';
import { AppError } from '../protocol/errors.ts';

export type RateOptions = {
  now: () => number;
  /** So much at once, … */
  burst: number;
  /** … and then so much a second. */
  perSecond: number;
  /** For whoever comes too often; the one of `tooFast` when left out. */
  sentence?: string;
};

/** Beyond this many keys, those with a full bucket are forgotten: they would begin with a full one anyway. */
const maxKeys = 20_000;

export const createRate = ({ now, burst, perSecond, sentence }: RateOptions) => {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  const tokensOf = (key: string): number => {
    const bucket = buckets.get(key);
    if (!bucket) return burst;
    return Math.min(burst, bucket.tokens + ((now() - bucket.atMs) / 1_000) * perSecond);
  };
  const forget = () => {
    for (const key of buckets.keys()) if (tokensOf(key) >= burst) buckets.delete(key);
    // A flood of new keys, all of them busy: the oldest begin anew.
    for (const key of buckets.keys()) {
      if (buckets.size <= maxKeys) return;
      buckets.delete(key);
    }
  };
  const check = (key: string): void => {
    if (tokensOf(key) < 1) throw new AppError('tooFast', sentence);
  };
  const count = (key: string, by: number): void => {
    buckets.set(key, { tokens: Math.min(burst, tokensOf(key) - by), atMs: now() });
    if (buckets.size > maxKeys) forget();
  };
  return {
    /** Throws `tooFast` when there has been too much of it. Takes nothing. */
    check,
    /** Counts one, or throws `tooFast` and counts nothing. */
    spend: (key: string): void => {
      check(key);
      count(key, 1);
    },
    /** What was spent turned out to be none of what is limited. */
    giveBack: (key: string): void => count(key, -1),
    snapshot: () => ({ keys: buckets.size }),
  };
};

/** What one household or phone has for itself: of IPv6 the first 64 bits (RFC 6177), of IPv4 the address. */
export const networkOf = (address: string): string => {
  const [plain = ''] = address.split('%');
  const asIpv4 = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(plain)?.[1];
  if (asIpv4 !== undefined) return asIpv4;
  if (!isIPv6(plain)) return address;
  const [start = [], end] = plain.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const all = [...start];
  if (end) all.push(...Array<string>(Math.max(0, 8 - start.length - end.length)).fill('0'), ...end);
  const prefix = all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${prefix.join(':')}::/64`;
};
