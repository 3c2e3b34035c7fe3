import { OnnxError } from '../../onnx-error.ts';
import type { FlatTable } from '../flatbuffer/flat-table.ts';

/** Bytes a sparse constant may unfold to; a few stored bytes must not become gigabytes. */
const maxDenseBytes = 256 << 20;

type Level =
  | { readonly kind: 'dense'; readonly size: number }
  | { readonly kind: 'sparse'; readonly segments: readonly number[]; readonly indices: readonly number[] };

/**
 * The dense elements of a sparse constant (the TACO format of the TFLite schema: levels in traversal order, each dense
 * or compressed; blocks as extra inner levels).
 * @throws OnnxError `source_malformed`, `too_large`
 */
export function densified(
  values: Uint8Array,
  shape: readonly number[],
  elementBytes: number,
  sparsity: FlatTable,
  name: string,
): Uint8Array {
  const damaged = (what: string): OnnxError =>
    new OnnxError('source_malformed', `The sparse tensor ${name} is damaged: ${what}; convert the model again.`, {
      node: name,
    });
  const order = sparsity.ints(0);
  const blockMap = sparsity.ints(1);
  const levels = sparsity.tables(2).map(readLevel);
  const rank = shape.length;
  const total = shape.reduce((product, size) => product * size, 1);
  if (total * elementBytes > maxDenseBytes)
    throw new OnnxError('too_large', `The sparse tensor ${name} would unfold to ${total} elements.`, { node: name });
  if (!Number.isInteger(elementBytes)) throw damaged('its type cannot be sparse');
  if (levels.length !== order.length || order.length !== rank + blockMap.length)
    throw damaged('its dimensions do not fit its shape');
  const isOrder = [...order].sort((a, b) => a - b).every((dimension, i) => dimension === i);
  if (!isOrder || blockMap.some(dimension => !(dimension >= 0 && dimension < rank)))
    throw damaged('its traversal order is no order');
  const blockSizes = blockMap.map((_, i) => {
    const level = levels[order.indexOf(rank + i)];
    if (level?.kind !== 'dense' || level.size < 1) throw damaged('a block has no size');
    return level.size;
  });
  const dense = new Uint8Array(total * elementBytes);
  const position = new Array<number>(order.length).fill(0);
  let taken = 0;
  const place = (): void => {
    let flat = 0;
    for (let dimension = 0; dimension < rank; dimension++) {
      let at = position[dimension]!;
      blockMap.forEach((mapped, i) => {
        if (mapped === dimension) at = at * blockSizes[i]! + position[rank + i]!;
      });
      if (at >= shape[dimension]!) throw damaged('an index lies outside its shape');
      flat = flat * shape[dimension]! + at;
    }
    const start = taken++ * elementBytes;
    if (start + elementBytes > values.length) throw damaged('it has fewer values than indices');
    dense.set(values.subarray(start, start + elementBytes), flat * elementBytes);
  };
  const walk = (depth: number, parent: number): void => {
    const level = levels[depth];
    if (level === undefined) {
      place();
      return;
    }
    const dimension = order[depth]!;
    if (level.kind === 'dense') {
      for (let i = 0; i < level.size; i++) {
        position[dimension] = i;
        walk(depth + 1, parent * level.size + i);
      }
      return;
    }
    const [start, end] = [level.segments[parent], level.segments[parent + 1]];
    if (start === undefined || end === undefined || start < 0 || end < start || end > level.indices.length)
      throw damaged('a segment lies outside its indices');
    for (let i = start; i < end; i++) {
      position[dimension] = level.indices[i]!;
      walk(depth + 1, i);
    }
  };
  // Each path of the walk ends in a value or in an error, so the values in the file bound it, except where a dense
  // level holds only empty segments; those are as many as its segments.
  const branches = levels.reduce(
    (product, level) => product * (level.kind === 'dense' ? Math.max(1, level.size) : 1),
    1,
  );
  if (branches > total || levels.some(level => level.kind === 'dense' && level.size < 0))
    throw damaged('its levels are larger than its shape');
  walk(0, 0);
  return dense;
}

function readLevel(table: FlatTable): Level {
  if (table.int8(0) === 0) return { kind: 'dense', size: table.int32(1) };
  return { kind: 'sparse', segments: readIndices(table, 2), indices: readIndices(table, 4) };
}

/** A union of vectors of 32, 16 or 8 bits; the kind lies in the field before. */
function readIndices(table: FlatTable, kindField: number): readonly number[] {
  const vector = table.table(kindField + 1);
  if (vector === undefined) return [];
  const kind = table.uint8(kindField);
  return kind === 1 ? vector.ints(0) : kind === 2 ? vector.uint16s(0) : vector.uint8s(0);
}
