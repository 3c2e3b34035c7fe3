import type { Attributes } from '../onnx-writer.ts';
import type { OpCall } from '../op-call.ts';
import { isChannelsFirst } from './layout.ts';

interface Padding {
  readonly attributes: Attributes;
  /** Sizes of the result, null where they depend on the input. */
  readonly sizes: readonly (number | null)[];
}

/**
 * The padding of a convolution or pool. SAME puts the odd element behind; it is written as numbers where they are
 * known, which is also the case at stride 1 whatever the input.
 */
export function samePads(
  call: OpCall,
  kernel: readonly (number | null)[],
  inputs: readonly (number | null)[],
  strides: readonly number[],
  dilations: readonly number[],
): Padding {
  const kind = call.text('padding', 'VALID');
  const reach = strides.map((_, i) => {
    const size = kernel[i];
    return typeof size === 'number' ? (size - 1) * dilations[i]! + 1 : null;
  });
  const out = (i: number, pads: number): number | null => {
    const [size, wide] = [inputs[i], reach[i]];
    return typeof size === 'number' && typeof wide === 'number'
      ? Math.max(0, Math.floor((size + pads - wide) / strides[i]!) + 1)
      : null;
  };
  if (kind === 'VALID') return { attributes: {}, sizes: strides.map((_, i) => out(i, 0)) };
  if (kind === 'EXPLICIT') {
    const all = call.ints('explicit_paddings');
    const first = isChannelsFirst(call) ? 2 : 1;
    const begins = strides.map((_, i) => all[2 * (first + i)] ?? 0);
    const ends = strides.map((_, i) => all[2 * (first + i) + 1] ?? 0);
    const pads = [...begins, ...ends].map(BigInt);
    return { attributes: { pads }, sizes: strides.map((_, i) => out(i, begins[i]! + ends[i]!)) };
  }
  if (kind !== 'SAME') return call.refuse(`the padding ${kind} is unknown`);
  const sizes = strides.map((stride, i) => {
    const size = inputs[i];
    return typeof size === 'number' ? Math.ceil(size / stride) : null;
  });
  const totals = strides.map((stride, i) => {
    const [wide, size, steps] = [reach[i], inputs[i], sizes[i]];
    if (typeof wide !== 'number') return null;
    if (stride === 1) return wide - 1;
    return typeof size === 'number' && typeof steps === 'number'
      ? Math.max(0, (steps - 1) * stride + wide - size)
      : null;
  });
  const known = totals.filter(total => total !== null);
  if (known.length === totals.length) {
    const begins = known.map(total => Math.floor(total / 2));
    const ends = known.map((total, i) => total - begins[i]!);
    return { attributes: { pads: [...begins, ...ends].map(BigInt) }, sizes };
  }
  if (dilations.some(one => one !== 1))
    return call.refuse('SAME padding with stride and dilation needs an input of known size');
  return { attributes: { auto_pad: 'SAME_UPPER' }, sizes };
}
