import { allNodes, type TensorSpec } from '../../inspect-model.ts';
import type { GraphProto, NodeProto } from '../../model/proto.ts';
import { elementCount, integerValues } from '../../model/tensor-values.ts';
import { OnnxError } from '../../onnx-error.ts';
import { seededNumbers } from './draw-rows.ts';
import { elementsOf, type NamedTensor } from './tensor.ts';

const freeRows = 4;
/** Size of every other dimension that the signature leaves open. */
const freeSize = 8;
const maxElements = 1 << 24;

/** The dtype in which an input can be given. @throws OnnxError `unsupported_dtype` */
export function servable(spec: TensorSpec): NamedTensor['datatype'] {
  if (spec.dtype === 'BF16')
    throw new OnnxError(
      'unsupported_dtype',
      `The input "${spec.name}" is bfloat16, which the runtime does not take; cast it to float inside the model.`,
    );
  return spec.dtype;
}

interface DrawOptions {
  /** @default 1 */
  readonly seed?: number;
  /** Rows where the signature leaves their number open. @default 4 */
  readonly rows?: number;
  /** Shapes to give to inputs by name instead of those the signature leaves open. */
  readonly shapes?: ReadonlyMap<string, readonly number[]>;
  /** Inputs that hold indices, with the number of things they choose from. */
  readonly indices?: ReadonlyMap<string, number>;
  /** Half of the real numbers from -2 to 2 instead of from 0 to 1. */
  readonly isWide?: boolean;
}

/** Random tensors of a signature: a free first dimension gets a few rows, every other free one a small size. */
export function drawTensors(
  specs: readonly TensorSpec[],
  options: DrawOptions = {},
): { readonly rows: number; readonly tensors: readonly NamedTensor[] } {
  const random = seededNumbers(options.seed ?? 1);
  const rows = rowsOf(specs, options);
  const sizes = new Map<string, number>();
  const shapeOf = (spec: TensorSpec): readonly number[] =>
    (spec.shape ?? [null]).map((size, axis) => {
      if (typeof size === 'number') return size;
      if (axis === 0) return rows;
      const known = typeof size === 'string' ? sizes.get(size) : undefined;
      const chosen = known ?? freeSize;
      if (typeof size === 'string') sizes.set(size, chosen);
      return chosen;
    });
  const tensors = specs.map(spec => {
    const shape = options.shapes?.get(spec.name) ?? shapeOf(spec);
    const count = shape.reduce((product, size) => product * size, 1);
    if (count > maxElements)
      throw new OnnxError('too_large', `The input "${spec.name}" has ${count} elements, too many to try it out.`);
    const datatype = servable(spec);
    const things = options.indices?.get(spec.name);
    const isState = options.shapes !== undefined && !options.shapes.has(spec.name);
    const draw = (): number | string => {
      if (isState) return datatype === 'BYTES' ? '' : 0;
      if (datatype === 'BYTES') return String.fromCharCode(97 + Math.floor(random() * 26));
      if (datatype === 'BOOL') return random() < 0.5 ? 0 : 1;
      if (datatype === 'UINT8') return Math.floor(random() * Math.min(256, things ?? 256));
      if (things !== undefined) return Math.floor(random() * things);
      if (datatype === 'INT8') return Math.floor(random() * 256) - 128;
      // Without a known use, whole numbers may be indices of anything; small ones are valid everywhere.
      if (!datatype.startsWith('FP')) return Math.floor(random() * 2);
      return options.isWide === true && random() < 0.5 ? 4 * random() - 2 : random();
    };
    return { name: spec.name, datatype, shape, data: elementsOf(datatype, Array.from({ length: count }, draw)) };
  });
  return { rows, tensors };
}

/** Whether the number of rows is the caller's to choose; scalars have no rows. */
export function hasOpenRows(specs: readonly TensorSpec[]): boolean {
  const tensors = specs.filter(spec => spec.shape?.length !== 0);
  return tensors.length > 0 && tensors.every(spec => typeof spec.shape?.[0] !== 'number');
}

function rowsOf(specs: readonly TensorSpec[], { shapes, rows }: DrawOptions): number {
  const first = specs.find(spec => spec.shape?.length !== 0);
  if (shapes !== undefined) return shapes.get(first?.name ?? '')?.[0] ?? 1;
  return hasOpenRows(specs) ? (rows ?? freeRows) : Number(first?.shape?.[0] ?? 1);
}

/** Operators that hand indices on unchanged. */
const passing = new Set([
  'Cast',
  'Identity',
  'Reshape',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Flatten',
  'Floor',
  'Expand',
]);

/** Inputs of a graph that choose from a constant table (embeddings, one-hot), with the smallest number of its entries. */
export function indexInputs(graph: GraphProto): ReadonlyMap<string, number> {
  const tables = new Map(graph.initializers.map(tensor => [tensor.name, tensor]));
  const origins = new Map(graph.inputs.map(input => [input.name, input.name]));
  const found = new Map<string, number>();
  const note = (index: string | undefined, entries: number | undefined): void => {
    const origin = origins.get(index ?? '');
    if (origin === undefined || entries === undefined || !(entries > 1)) return;
    found.set(origin, Math.min(found.get(origin) ?? Number.POSITIVE_INFINITY, entries));
  };
  const entriesOf = (name: string | undefined): number | undefined => {
    const table = tables.get(name ?? '');
    return table === undefined ? undefined : Number(elementCount(table));
  };
  for (const node of allNodes(graph)) {
    const [first, second] = node.inputs;
    const origin = passing.has(node.opType) ? origins.get(first ?? '') : undefined;
    if (origin !== undefined) origins.set(node.outputs[0] ?? '', origin);
    if (node.opType === 'Gather') {
      const rows = tables.get(first ?? '')?.dims[axisOf(node)];
      note(second, rows === undefined ? undefined : Number(rows));
    } else if (node.opType === 'OneHot') {
      const depth = tables.get(second ?? '');
      note(first, depth === undefined ? undefined : Number(integerValues(depth)?.[0] ?? 0));
    } else if (node.opType === 'Equal') {
      note(first, entriesOf(second));
      note(second, entriesOf(first));
    }
  }
  return found;
}

function axisOf(node: NodeProto): number {
  return Number(node.attributes.find(attribute => attribute.name === 'axis')?.i ?? 0);
}
