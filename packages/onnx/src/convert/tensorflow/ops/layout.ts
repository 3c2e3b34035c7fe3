import type { OpCall } from '../op-call.ts';

/** Whether channels stand before the spatial axes (NCHW, NCDHW). */
export function isChannelsFirst(call: OpCall): boolean {
  return call.text('data_format', call.text('dataFormat', 'NHWC')).startsWith('NC');
}

/** ONNX computes channels first; the simplifier cancels the transposes between neighbours. */
export function toChannelsFirst(call: OpCall, x: string, spatial: number): string {
  if (isChannelsFirst(call)) return x;
  return call.transpose(x, [0, spatial + 1, ...Array.from({ length: spatial }, (_, i) => i + 1)]);
}

export function fromChannelsFirst(call: OpCall, x: string, spatial: number): string {
  if (isChannelsFirst(call)) return x;
  return call.transpose(x, [0, ...Array.from({ length: spatial }, (_, i) => i + 2), 1]);
}

/** The spatial part of an attribute with one number per axis; 1 for each axis when it is absent. */
export function spatialAttribute(call: OpCall, name: string, spatial: number): readonly number[] {
  const all = call.ints(name);
  if (all.length === 0) return new Array<number>(spatial).fill(1);
  const first = isChannelsFirst(call) ? 2 : 1;
  const others = all.filter((_, i) => i < first || i >= first + spatial);
  if (all.length === spatial && name !== 'ksize') return all;
  if (all.length !== spatial + 2 || others.some(one => one !== 1))
    return call.refuse(`${name} [${all.join(', ')}] reaches beyond the spatial axes`);
  return all.slice(first, first + spatial);
}
