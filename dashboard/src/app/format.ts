/** How numbers and times are written for one language; every time is written in `timeZone` when one is given. */
export interface Format {
  readonly count: (value: number) => string;
  readonly compact: (value: number) => string;
  /** Three significant digits. */
  readonly rate: (value: number) => string;
  readonly ms: (value: number | null) => string;
  /** A share from 0 to 1 as a percentage. */
  readonly percent: (share: number) => string;
  /** A metric or statistic: four digits after the point where small, three significant where large. */
  readonly metric: (value: number) => string;
  readonly bytes: (value: number) => string;
  readonly duration: (ms: number) => string;
  /** As `duration`, as short as the language allows: `7d`. */
  readonly shortDuration: (ms: number) => string;
  /** How long before `nowMs` something happened. */
  readonly ago: (atMs: number, nowMs: number) => string;
  readonly dateTime: (atMs: number, timeZone?: string) => string;
  readonly day: (atMs: number, timeZone?: string) => string;
  readonly time: (atMs: number, timeZone?: string) => string;
  readonly range: (fromMs: number, toMs: number, timeZone?: string) => string;
}

/** The missing value on the page. */
export const dash = '–';

const steps = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const;

/** The largest unit that fits into a length of time, at least a second. */
export function unitOf(ms: number): { readonly unit: (typeof steps)[number][0]; readonly length: number } {
  for (const [unit, length] of steps) if (Math.abs(ms) >= length) return { unit, length };
  return { unit: 'second', length: 1000 };
}

function byteText(locale: string, value: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
  let scaled = value;
  let at = 0;
  while (scaled >= 1000 && at < units.length - 1) {
    scaled /= 1000;
    at++;
  }
  return new Intl.NumberFormat(locale, { style: 'unit', unit: units[at]!, maximumSignificantDigits: 3 }).format(scaled);
}

function durationText(locale: string, ms: number, unitDisplay: 'long' | 'narrow'): string {
  const { unit, length } = unitOf(ms);
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay, maximumFractionDigits: 1 }).format(
    ms / length,
  );
}

export function formatFor(locale: string): Format {
  const number = (options: Intl.NumberFormatOptions) => {
    const formatter = new Intl.NumberFormat(locale, options);
    return (value: number) => formatter.format(value);
  };
  const dates = new Map<string, Intl.DateTimeFormat>();
  const dated = (style: string, options: Intl.DateTimeFormatOptions, timeZone: string | undefined) => {
    const key = `${style} ${timeZone ?? ''}`;
    const known = dates.get(key);
    if (known !== undefined) return known;
    const made = new Intl.DateTimeFormat(locale, timeZone === undefined ? options : { ...options, timeZone });
    dates.set(key, made);
    return made;
  };
  const count = number({ maximumFractionDigits: 0 });
  const rate = number({ maximumSignificantDigits: 3 });
  const small = number({ minimumFractionDigits: 4, maximumFractionDigits: 4 });
  const percents = [0, 1, 2, 3].map(digits => number({ style: 'percent', maximumFractionDigits: digits }));
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' });
  const dateOptions: Intl.DateTimeFormatOptions = { year: 'numeric', month: 'short', day: 'numeric' };
  const clockOptions: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
  return {
    count,
    compact: number({ notation: 'compact', maximumSignificantDigits: 3 }),
    rate,
    ms: value => (value === null ? dash : value >= 1000 ? `${rate(value / 1000)} s` : `${rate(value)} ms`),
    percent: share => {
      const size = Math.abs(share);
      const digits = size === 0 || size >= 0.995 ? 0 : size >= 0.1 ? 1 : size >= 0.01 ? 2 : 3;
      return percents[digits]!(share);
    },
    metric: value => (Math.abs(value) < 10 ? small(value) : number({ maximumSignificantDigits: 5 })(value)),
    bytes: value => byteText(locale, value),
    duration: ms => durationText(locale, ms, 'long'),
    shortDuration: ms => durationText(locale, ms, 'narrow'),
    ago: (atMs, nowMs) => {
      const { unit, length } = unitOf(nowMs - atMs);
      return relative.format(-Math.round((nowMs - atMs) / length), unit);
    },
    dateTime: (atMs, timeZone) => dated('dateTime', { ...dateOptions, ...clockOptions }, timeZone).format(atMs),
    day: (atMs, timeZone) => dated('day', { month: 'short', day: 'numeric' }, timeZone).format(atMs),
    time: (atMs, timeZone) => dated('time', clockOptions, timeZone).format(atMs),
    range: (fromMs, toMs, timeZone) =>
      dated('range', { ...dateOptions, ...clockOptions }, timeZone).formatRange(fromMs, toMs),
  };
}
