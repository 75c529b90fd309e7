// How numbers become words on every page: money, stock, durations, rates. Pure; the same wording everywhere.
// Not its job: choosing what to say (each page) or reading clocks.
import { maxPriceMinor, type Stock } from '../../sfu-server/protocol/shop.ts';

/** Made once: a new one costs as much as the rest of a card, which is worded anew with every sale and every second. */
const moneyFormats = new Map<string, Intl.NumberFormat>();

const moneyFormat = (currency: string, locale?: string, leastDigits?: number): Intl.NumberFormat => {
  const key = `${currency} ${locale} ${leastDigits}`;
  const made =
    moneyFormats.get(key) ??
    new Intl.NumberFormat(locale, {
      style: 'currency',
      currency,
      ...(leastDigits === undefined ? {} : { minimumFractionDigits: leastDigits }),
    });
  moneyFormats.set(key, made);
  return made;
};

/** Decimal places of a currency: 2 for EUR, 0 for JPY (ISO 4217, as the browser knows it). */
export const currencyDigits = (currency: string): number =>
  moneyFormat(currency, 'en').resolvedOptions().maximumFractionDigits ?? 2;

/** Minor units as money: `formatMoney(2000, 'GBP')` is "£20", with the pennies only where there are any. */
export const formatMoney = (priceMinor: number, currency: string, locale?: string): string => {
  const digits = currencyDigits(currency);
  const amount = priceMinor / 10 ** digits;
  return moneyFormat(currency, locale, Number.isInteger(amount) ? 0 : digits).format(amount);
};

/** What a person types as a price, in minor units; null when it is no amount. Takes "20", "19.90" and "19,90". */
export const parseMoney = (text: string, currency: string): number | null => {
  const digits = currencyDigits(currency);
  const match = /^(\d{1,9})(?:[.,](\d{1,3}))?$/.exec(text.trim());
  if (!match) return null;
  const [, whole = '0', fraction = ''] = match;
  if (fraction.length > digits) return null;
  const minor = Number(whole) * 10 ** digits + Number(fraction.padEnd(digits, '0') || '0');
  return minor <= maxPriceMinor ? minor : null;
};

/** What a price field takes, to go on after "Write the price as": "a number such as 19.90, 1,000,000 at most". */
export const moneyHint = (currency: string): string => {
  const digits = currencyDigits(currency);
  const most = formatWhole(maxPriceMinor / 10 ** digits);
  return `a number such as ${digits === 0 ? '1990' : (19.9).toFixed(digits)}, ${most} at most`;
};

/** Minor units as the text of a price field: 1990 GBP is "19.90", 2000 JPY is "2000". */
export const moneyForField = (priceMinor: number, currency: string): string => {
  const digits = currencyDigits(currency);
  return (priceMinor / 10 ** digits).toFixed(priceMinor % 10 ** digits === 0 ? 0 : digits);
};

const wholeNumbers = new Intl.NumberFormat();
/** A count as the reader's language writes it. */
export const formatWhole = (count: number): string => wholeNumbers.format(count);

export const formatStock = ({ left, total }: Pick<Stock, 'left' | 'total'>): string =>
  left === 0 ? 'Sold out' : `${formatWhole(left)} left of ${formatWhole(total)}`;

/** The whole count, for those who want to know: "50 in all · 3 held · 12 sold". */
export const formatCounts = ({ total, held, sold }: Pick<Stock, 'total' | 'held' | 'sold'>): string =>
  [
    `${formatWhole(total)} in all`,
    ...(held > 0 ? [`${formatWhole(held)} held`] : []),
    ...(sold > 0 ? [`${formatWhole(sold)} sold`] : []),
  ].join(' · ');

const two = (value: number): string => String(value).padStart(2, '0');

/** `m:ss`, or `h:mm:ss` from an hour on. Negative times count as 0. */
export const formatDuration = (durationMs: number): string => {
  const seconds = Math.max(0, Math.floor(durationMs / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
};

/** `hh:mm:ss`: a show's running time, which must not change its width. */
export const formatRunningTime = (durationMs: number): string => {
  const seconds = Math.max(0, Math.floor(durationMs / 1000));
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
};

/** How long something lasts, for people who plan: "1 h 30 min", "5 min". */
export const formatRoom = (ms: number): string => {
  const minutes = Math.floor(ms / 60_000);
  return minutes >= 60 ? `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min` : `${minutes} min`;
};

/** A moment of today as "21:05". */
export const formatTime = (ms: number): string =>
  new Date(ms).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });

/** kbit/s as "850 kb/s" or "1.2 Mb/s". */
export const formatRate = (kbps: number): string =>
  kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mb/s` : `${Math.round(kbps)} kb/s`;

export const formatCount = (count: number, one: string, many = `${one}s`): string =>
  `${formatWhole(count)} ${count === 1 ? one : many}`;
