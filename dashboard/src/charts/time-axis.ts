const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** Writes the times of an axis whose marks are `stepMs` apart: as short as can be told apart, the date where it changes. */
export function timeLabels(
  marks: readonly number[],
  stepMs: number,
  locale: string,
  timeZone: string | undefined,
): readonly string[] {
  const formatter = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat(locale, timeZone === undefined ? options : { ...options, timeZone });
  const date = formatter({ month: 'short', day: 'numeric' });
  if (stepMs >= 28 * day) {
    const month = formatter({ month: 'short', year: 'numeric' });
    return marks.map(mark => month.format(mark));
  }
  if (stepMs >= day) return marks.map(mark => date.format(mark));
  const clock = formatter({
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    ...(stepMs < minute && { second: '2-digit' }),
  });
  let shown = '';
  return marks.map(mark => {
    const today = date.format(mark);
    const text = clock.format(mark);
    if (today === shown) return text;
    shown = today;
    return `${text}\n${today}`;
  });
}
