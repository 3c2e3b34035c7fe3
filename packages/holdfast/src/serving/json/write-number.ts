import type { Datatype, TensorData } from '@holdfast/api';

/** Decimal digits after which a float of this power of ten is tried: 10^-5 to 10^9 cover all but odd data. */
const powersOfTen: readonly number[] = Array.from({ length: 16 }, (_, i) => 10 ** i);

function isSafelyRounded(decimal: number, value: number): boolean {
  // A reader may round the decimal to a float directly or by way of a double: both must give `value`.
  return Math.fround(decimal * (1 + 2 ** -50)) === value && Math.fround(decimal * (1 - 2 ** -50)) === value;
}

/** The same by text, for magnitudes where scaling would not be exact. */
function shortestByText(value: number): number {
  for (let significant = 1; significant <= 9; significant++) {
    const decimal = Number(value.toPrecision(significant));
    if (Math.fround(decimal) === value && isSafelyRounded(decimal, value)) return decimal;
  }
  return value;
}

/**
 * The double whose shortest decimal text is the shortest text that reads back as this 32-bit float: 0.1 for
 * Math.fround(0.1), not 0.10000000149011612.
 */
export function shortestFloat32(value: number): number {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return value;
  if (!(size >= 1e-5 && size < 1e9)) return Number.isFinite(value) ? shortestByText(value) : value;
  // Digits before the point; those after it make 6 to 9 significant ones.
  const magnitude = Math.floor(Math.log10(size)) + 1;
  for (let significant = 6; significant <= 9; significant++) {
    const places = significant - magnitude;
    if (places < 0) continue;
    const power = powersOfTen[places];
    if (power === undefined) break;
    const decimal = Math.round(value * power) / power;
    if (Math.fround(decimal) === value && isSafelyRounded(decimal, value)) return decimal;
  }
  return shortestByText(value);
}

/** A number as both protocols spell it: the shortest text that reads back, or the bare words. */
function writeNumber(value: number): string {
  // Negative zero would lose its sign in String().
  return value === 0 && 1 / value < 0 ? '-0.0' : String(value);
}

/** Element writer of one dtype: the JSON text of elements `from` to `to`, comma separated. */
export type ElementWriter = (data: TensorData, from: number, to: number) => string;

function writeFloats(data: TensorData, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) text += (i === from ? '' : ',') + writeNumber(shortestFloat32(Number(data[i])));
  return text;
}

function writeDoubles(data: TensorData, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) text += (i === from ? '' : ',') + writeNumber(Number(data[i]));
  return text;
}

function writeIntegers(data: TensorData, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) text += i === from ? String(data[i]) : `,${String(data[i])}`;
  return text;
}

function writeBooleans(data: TensorData, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) text += (i === from ? '' : ',') + (data[i] === 0 ? 'false' : 'true');
  return text;
}

function writeTexts(data: TensorData, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) text += (i === from ? '' : ',') + JSON.stringify(data[i]);
  return text;
}

/** How the elements of each dtype are written as JSON. FP16 has no JSON form. */
export const elementWriters: Readonly<Record<Exclude<Datatype, 'FP16'>, ElementWriter>> = {
  FP32: writeFloats,
  FP64: writeDoubles,
  BOOL: writeBooleans,
  BYTES: writeTexts,
  UINT8: writeIntegers,
  UINT16: writeIntegers,
  UINT32: writeIntegers,
  UINT64: writeIntegers,
  INT8: writeIntegers,
  INT16: writeIntegers,
  INT32: writeIntegers,
  INT64: writeIntegers,
};
