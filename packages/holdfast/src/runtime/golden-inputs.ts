import type { Tensor, TensorData, TensorSpec } from '@holdfast/api';
import { elementKindOf } from './element-kinds.ts';

/** Elements of one input beyond which no golden input is made: 256 MB of doubles. */
export const maxGoldenElements = 32 * 1024 * 1024;

/** How golden values are chosen: all zero and empty, or small and different from row to row. */
export type GoldenValues = 'zero' | 'varied';

/**
 * A request that any model of this signature should be able to answer: `batch` in the first dimension where that is
 * free, 1 in every other free dimension. Integers stay at 0 or 1, so that they are valid as indices.
 * Undefined when a fixed shape makes an input larger than `maxGoldenElements`.
 */
export function goldenInputs(
  specs: readonly TensorSpec[],
  batch: number,
  values: GoldenValues = 'zero',
): readonly Tensor[] | undefined {
  const tensors: Tensor[] = [];
  for (const spec of specs) {
    if (spec.optional) continue;
    const shape = spec.shape.map((dim, i) => (dim === -1 ? (i === 0 ? batch : 1) : dim));
    const count = shape.reduce((product, dim) => product * dim, 1);
    if (count > maxGoldenElements) return undefined;
    const data = values === 'zero' ? zeroElements(spec, count) : varied(spec, count);
    tensors.push({ name: spec.name, datatype: spec.datatype, shape, data });
  }
  return tensors;
}

/** True when every input lets the caller choose its first dimension, so that rows can share one run. */
export function hasFreeBatch(specs: readonly TensorSpec[]): boolean {
  return specs.length > 0 && specs.every(spec => spec.shape[0] === -1);
}

/** Zeros, or empty texts. */
export function zeroElements(spec: TensorSpec, count: number): TensorData {
  const { array: Elements } = elementKindOf(spec.datatype);
  if (Elements === undefined) return Array.from({ length: count }, () => '');
  return new Elements(new ArrayBuffer(count * Elements.BYTES_PER_ELEMENT), 0, count);
}

/** Bits of the half-precision numbers 0, 0.25, 0.5, 0.75 and 1. */
const halves = [0, 0x3400, 0x3800, 0x3a00, 0x3c00];

function varied(spec: TensorSpec, count: number): TensorData {
  const data = zeroElements(spec, count);
  const mix = (i: number): number => Math.imul(i + 1, 0x9e3779b1) >>> 20;
  if (data instanceof Float32Array || data instanceof Float64Array) {
    for (let i = 0; i < count; i++) data[i] = (mix(i) % 17) / 16;
  } else if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < count; i++) data[i] = BigInt(mix(i) % 2);
  } else if (isTexts(data)) {
    return data.map((_, i) => String.fromCharCode(97 + (mix(i) % 26)));
  } else if (spec.datatype === 'FP16') {
    for (let i = 0; i < count; i++) data[i] = halves[mix(i) % halves.length]!;
  } else {
    for (let i = 0; i < count; i++) data[i] = mix(i) % 2;
  }
  return data;
}

function isTexts(data: TensorData): data is readonly string[] {
  return Array.isArray(data);
}
