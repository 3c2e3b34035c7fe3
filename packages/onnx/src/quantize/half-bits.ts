const single = new Float32Array(1);
const word = new Uint32Array(single.buffer);

/** The largest finite float16. */
export const largestHalf = 65504;

/** The bits of the float16 nearest to a number (IEEE 754 binary16, ties to even); beyond its range, infinity. */
export function halfBits(value: number): number {
  single[0] = value;
  const bits = word[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) return sign | (fraction === 0 ? 0x7c00 : 0x7e00);
  const shifted = exponent - 127 + 15;
  if (shifted >= 31) return sign | 0x7c00;
  if (shifted > 0) return sign | roundedShift((shifted << 23) | fraction, 13);
  // A subnormal: the hidden bit becomes explicit and moves right; below half of the smallest one, zero is left.
  return shifted < -10 ? sign : sign | roundedShift(fraction | 0x800000, 14 - shifted);
}

/** `bits` without its last `count` bits, rounded to the nearest, ties to even; a carry may reach the exponent, rightly. */
function roundedShift(bits: number, count: number): number {
  const kept = bits >>> count;
  const rest = bits & ((1 << count) - 1);
  const half = 1 << (count - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}
