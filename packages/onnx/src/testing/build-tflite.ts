import { builtinNames } from '../convert/tflite/builtin-names.ts';
import { tensorTypes } from '../convert/tflite/tensor-types.ts';
import { type FlatFields, flatbuffer, int8, int32, ints, table, tables, text, uint32, vector } from './flat-writer.ts';

export interface TestTensor {
  readonly type: 'FLOAT32' | 'FLOAT16' | 'INT32' | 'UINT8' | 'INT64' | 'BOOL' | 'INT16' | 'INT8' | 'RESOURCE';
  readonly shape: readonly number[];
  readonly values?: ArrayLike<number>;
  readonly scale?: number | readonly number[];
  readonly zero?: number;
  readonly axis?: number;
  readonly isVariable?: boolean;
  readonly open?: readonly number[];
  readonly sparsity?: FlatFields;
}

export interface TestOperator {
  readonly name: string;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Number of the options in the schema's union, and their fields. */
  readonly options?: readonly [number, FlatFields];
}

export interface TestSubgraph {
  readonly tensors: readonly TestTensor[];
  readonly operators: readonly TestOperator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

function elements(tensor: TestTensor): Uint8Array | undefined {
  if (tensor.values === undefined) return undefined;
  const { values } = tensor;
  switch (tensor.type) {
    case 'FLOAT32':
      return new Uint8Array(Float32Array.from(values).buffer);
    case 'INT32':
      return new Uint8Array(Int32Array.from(values).buffer);
    case 'INT64':
      return new Uint8Array(BigInt64Array.from(Array.from(values, BigInt)).buffer);
    case 'INT16':
      return new Uint8Array(Int16Array.from(values).buffer);
    case 'FLOAT16':
      return new Uint8Array(Uint16Array.from(values).buffer);
    default:
      return Uint8Array.from(values);
  }
}

/** The bytes of a TFLite model; tensor i of a subgraph is named t0, t1, ... */
export function buildTflite(
  subgraphs: readonly TestSubgraph[],
  signatures: readonly { key: string; inputs: Record<string, number>; outputs: Record<string, number> }[] = [],
): Uint8Array {
  const names = [...new Set(subgraphs.flatMap(({ operators }) => operators.map(({ name }) => name)))];
  const buffers: FlatFields[] = [{}];
  const codes = names.map(name => {
    const code = builtinNames.indexOf(name);
    return code < 0
      ? { 0: int8(32), 1: text(name), 2: int32(1), 3: int32(32) }
      : { 0: int8(Math.min(code, 127)), 2: int32(1), 3: int32(code) };
  });
  const built = subgraphs.map(subgraph => ({
    0: tables(
      subgraph.tensors.map((tensor, i) => {
        const raw = elements(tensor);
        if (raw !== undefined) buffers.push({ 0: vector(raw) });
        const scales = tensor.scale === undefined ? undefined : [tensor.scale].flat();
        return {
          0: ints(...tensor.shape),
          1: int8(tensorTypes.findIndex(({ name }) => name === tensor.type)),
          2: uint32(raw === undefined ? 0 : buffers.length - 1),
          3: text(`t${i}`),
          4:
            scales === undefined
              ? undefined
              : table({
                  2: vector(Float32Array.from(scales)),
                  3: vector(BigInt64Array.from(scales.map(() => BigInt(tensor.zero ?? 0)))),
                  6: int32(tensor.axis ?? 0),
                }),
          5: tensor.isVariable === true ? int8(1) : undefined,
          6: tensor.sparsity === undefined ? undefined : table(tensor.sparsity),
          7: tensor.open === undefined ? undefined : ints(...tensor.open),
        };
      }),
    ),
    1: ints(...subgraph.inputs),
    2: ints(...subgraph.outputs),
    3: tables(
      subgraph.operators.map(operator => ({
        0: uint32(names.indexOf(operator.name)),
        1: ints(...operator.inputs),
        2: ints(...operator.outputs),
        3: operator.options === undefined ? undefined : int8(operator.options[0]),
        4: operator.options === undefined ? undefined : table(operator.options[1]),
      })),
    ),
    4: text('main'),
  }));
  const map = (entries: Record<string, number>): FlatFields[] =>
    Object.entries(entries).map(([name, index]) => ({ 0: text(name), 1: uint32(index) }));
  return flatbuffer(
    {
      0: uint32(3),
      1: tables(codes),
      2: tables(built),
      3: text('made for a test'),
      4: tables(buffers),
      7: tables(
        signatures.map(signature => ({
          0: tables(map(signature.inputs)),
          1: tables(map(signature.outputs)),
          2: text(signature.key),
          4: uint32(0),
        })),
      ),
    },
    'TFL3',
  );
}
