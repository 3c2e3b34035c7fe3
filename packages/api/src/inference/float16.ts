/** Nearest whole number, ties to even; `value` is not negative. */
function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function bitsOf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // Half way between the largest half, 65504, and the next power of two, and beyond.
  if (size >= 65_520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | roundToEven(size * 2 ** 24);
  let exponent = Math.floor(Math.log2(size));
  if (2 ** exponent > size) exponent--;
  else if (2 ** (exponent + 1) <= size) exponent++;
  const significand = roundToEven((size / 2 ** exponent) * 1024) - 1024;
  // A significand rounded up to 1024 carries into the exponent, as it should.
  return sign | (((exponent + 15) << 10) + significand);
}

function numberOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const significand = bits & 0x3ff;
  if (exponent === 0x1f) return significand === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * significand * 2 ** -24;
  return sign * (1 + significand / 1024) * 2 ** (exponent - 15);
}

/** Numbers as IEEE 754 half precision bits, rounded to nearest, ties to even: the data of an FP16 tensor. */
export function toFloat16(values: ArrayLike<number>): Uint16Array {
  return Uint16Array.from(values, bitsOf);
}

/** The numbers that an FP16 tensor holds. */
export function fromFloat16(bits: ArrayLike<number>): Float32Array {
  return Float32Array.from(bits, numberOf);
}
