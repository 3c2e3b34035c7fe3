import type { OpCall, OpRule } from '../op-call.ts';
import { dilatedConvolution } from './convolution.ts';

/** The dims of input 0 as an int64 vector, from `start` on. */
function dimsFrom(call: OpCall, name: string, start: number, end: number): string {
  return call.op('Slice', [call.op('Shape', [name]), call.w.ints([start]), call.w.ints([end])]);
}

/** Moves blocks of the spatial axes into the batch, after padding. */
const spaceToBatch: OpRule = call => {
  const block = call.requireInts(1, 'the block shape');
  const pads = call.requireInts(2, 'the padding');
  const rank = call.requireRank(0);
  const m = block.length;
  const befores = [0, ...pads.filter((_, i) => i % 2 === 0), ...new Array<number>(rank - m - 1).fill(0)];
  const afters = [0, ...pads.filter((_, i) => i % 2 === 1), ...new Array<number>(rank - m - 1).fill(0)];
  const padded = call.op('Pad', [call.in(0), call.w.ints([...befores, ...afters])]);
  const batch = dimsFrom(call, padded, 0, 1);
  const parts = block.flatMap((size, i) => [
    call.op('Div', [dimsFrom(call, padded, i + 1, i + 2), call.w.ints([size])]),
    call.w.ints([size]),
  ]);
  const rest = rank > m + 1 ? [dimsFrom(call, padded, m + 1, rank)] : [];
  const split = call.op('Reshape', [padded, call.op('Concat', [batch, ...parts, ...rest], { axis: 0n })]);
  const inner = block.map((_, i) => 2 * i + 2);
  const outer = block.map((_, i) => 2 * i + 1);
  const tail = Array.from({ length: rank - m - 1 }, (_, i) => 2 * m + 1 + i);
  const moved = call.transpose(split, [...inner, 0, ...outer, ...tail]);
  const sizes = block.map((_, i) => parts[2 * i] ?? '');
  const total = call.w.ints([block.reduce((product, size) => product * size, 1)]);
  const shape = call.op('Concat', [call.op('Mul', [batch, total]), ...sizes, ...rest], { axis: 0n });
  const channels = call.tensor(0).shape?.slice(m + 1) ?? [];
  return call.like(call.op('Reshape', [moved, shape]), [null, ...block.map(() => null), ...channels]);
};

/** The way back, with a crop at the end. */
const batchToSpace: OpRule = call => {
  const dilated = dilatedConvolution(call);
  if (dilated !== undefined) return dilated;
  const block = call.requireInts(1, 'the block shape');
  const crops = call.requireInts(2, 'the crop');
  const rank = call.requireRank(0);
  const m = block.length;
  const x = call.in(0);
  const total = block.reduce((product, size) => product * size, 1);
  const batch = call.op('Div', [dimsFrom(call, x, 0, 1), call.w.ints([total])]);
  const sizes = block.map((_, i) => dimsFrom(call, x, i + 1, i + 2));
  const rest = rank > m + 1 ? [dimsFrom(call, x, m + 1, rank)] : [];
  const split = call.op('Reshape', [
    x,
    call.op('Concat', [call.w.ints(block), batch, ...sizes, ...rest], { axis: 0n }),
  ]);
  const pairs = block.flatMap((_, i) => [m + 1 + i, i]);
  const tail = Array.from({ length: rank - m - 1 }, (_, i) => 2 * m + 1 + i);
  const moved = call.transpose(split, [m, ...pairs, ...tail]);
  const wide = sizes.map((name, i) => call.op('Mul', [name, call.w.ints([block[i] ?? 1])]));
  const joined = call.op('Reshape', [moved, call.op('Concat', [batch, ...wide, ...rest], { axis: 0n })]);
  const channels = call.tensor(0).shape?.slice(m + 1) ?? [];
  const cropped = call.op('Slice', [
    joined,
    call.w.ints(block.map((_, i) => crops[2 * i] ?? 0)),
    call.w.ints(block.map((_, i) => ((crops[2 * i + 1] ?? 0) === 0 ? 2147483647 : -(crops[2 * i + 1] ?? 0)))),
    call.w.ints(block.map((_, i) => i + 1)),
  ]);
  return call.like(cropped, [null, ...block.map(() => null), ...channels]);
};

export const batchSpaceOps: readonly [string, OpRule][] = [
  ['SpaceToBatchND', spaceToBatch],
  ['BatchToSpaceND', batchToSpace],
];
