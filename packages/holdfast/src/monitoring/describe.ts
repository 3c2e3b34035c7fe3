/** A number as a person writes it: three significant digits, no exponent where it can be helped. */
export function describeNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  // Edges next to nought are the smallest doubles there are.
  if (size < 1e-12) return '0';
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

/** A share as a percentage with at most one digit where it is large, more where it is small. */
export function describeShare(share: number): string {
  const percent = share * 100;
  const digits = Math.abs(percent) >= 10 ? 1 : Math.abs(percent) >= 1 ? 2 : 3;
  return `${Number(percent.toFixed(digits))} %`;
}

export function describeCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** A length of time in its largest whole unit, such as `7 days` or `90 seconds`. */
export function describeDuration(ms: number): string {
  for (const [unit, length] of units) {
    if (ms % length !== 0 || ms < length) continue;
    const count = ms / length;
    return `${describeCount(count)} ${unit}${count === 1 ? '' : 's'}`;
  }
  return `${describeCount(ms)} ms`;
}

const units = [
  ['week', 604_800_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const;

/** A value from a user's data inside a sentence: short, without line breaks. */
export function describeText(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > 60 ? `"${line.slice(0, 57)}..."` : `"${line}"`;
}

/** How often an alarm like this is raised although nothing changed. */
export function describePromise(rate: number): string {
  return `such an alarm is raised in at most ${describeShare(rate)} of quiet windows`;
}
