import type { OpCall, OpRule } from '../op-call.ts';
import { dt } from '../tf-graph.ts';

/** Where TensorFlow looks for output position `at`, in the float arithmetic it uses. */
function sourcePosition(at: number, size: number, out: number, isAligned: boolean, isHalfPixel: boolean): number {
  const scale = Math.fround(isAligned && out > 1 ? (size - 1) / (out - 1) : size / out);
  const place = isHalfPixel ? Math.fround(Math.fround(at + 0.5) * scale) : Math.fround(at * scale);
  const whole = isAligned ? Math.floor(place + 0.5) : Math.floor(place);
  return Math.min(Math.max(whole, 0), size - 1);
}

/** Nearest neighbours of known sizes are picked by index, so that rounding is TensorFlow's own. */
function pickNearest(call: OpCall, name: string, sizes: readonly [number, number], out: readonly number[]): string {
  const [isAligned, isHalfPixel] = [call.flag('align_corners'), call.flag('half_pixel_centers')];
  return sizes.reduce((value, size, i) => {
    const count = out[i] ?? 1;
    const index = Array.from({ length: count }, (_, at) => sourcePosition(at, size, count, isAligned, isHalfPixel));
    return call.op('Gather', [value, call.w.ints(index)], { axis: BigInt(i + 1) });
  }, name);
}

/** Most positions written out as an index. */
const maxPicked = 4096;

const resize =
  (mode: 'linear' | 'nearest'): OpRule =>
  call => {
    const { name, dtype, shape } = call.tensor(0);
    const out = call.constantInts(1);
    const dims = [shape?.[0] ?? null, out?.[0] ?? null, out?.[1] ?? null, shape?.[3] ?? null];
    const [height, width] = [shape?.[1], shape?.[2]];
    const isSmall = out !== undefined && out.length === 2 && out.every(size => size > 0 && size <= maxPicked);
    const to = mode === 'linear' ? dt.float : dtype;
    if (mode === 'nearest' && isSmall && typeof height === 'number' && typeof width === 'number')
      return call.value(pickNearest(call, name, [height, width], out), to, dims);
    const isAligned = call.flag('align_corners');
    const isHalfPixel = call.flag('half_pixel_centers');
    if (dtype === dt.double) return call.refuse('resizing is computed in float32 only');
    const x = dtype === dt.float ? name : call.cast(name, dt.float);
    const first = call.transpose(x, [0, 3, 1, 2]);
    const lead = call.op('Slice', [call.op('Shape', [first]), call.w.ints([0]), call.w.ints([2])]);
    const sizes = call.op('Concat', [lead, call.int64(1)], { axis: 0n });
    const resized = call.op('Resize', [first, '', '', sizes], {
      mode,
      coordinate_transformation_mode: isAligned ? 'align_corners' : isHalfPixel ? 'half_pixel' : 'asymmetric',
      nearest_mode: mode === 'linear' ? undefined : isAligned || isHalfPixel ? 'round_prefer_ceil' : 'floor',
    });
    const back = call.transpose(resized, [0, 2, 3, 1]);
    return call.value(to === dt.float ? back : call.cast(back, to), to, dims);
  };

/** Boxes that overlap a better one go; the result is as long as what is left. */
const suppress: OpRule = call => {
  const box = call.op('Unsqueeze', [call.in(0), call.w.ints([0])]);
  const scores = call.op('Unsqueeze', [call.in(1), call.w.ints([0, 1])]);
  const limits = [call.vector64(2), call.op('Reshape', [call.in(3), call.w.ints([1])])];
  const least = call.inputs.length > 4 ? [call.op('Reshape', [call.in(4), call.w.ints([1])])] : [];
  const found = call.op('NonMaxSuppression', [box, scores, ...limits, ...least]);
  const index = call.op('Gather', [found, call.w.int(2)], { axis: 1n });
  return call.value(call.cast(index, dt.int32), dt.int32, [null]);
};

export const imageOps: readonly [string, OpRule][] = [
  ['ResizeBilinear', resize('linear')],
  ['ResizeNearestNeighbor', resize('nearest')],
  ['NonMaxSuppressionV2', suppress],
  ['NonMaxSuppressionV3', suppress],
];
