import type { BuildType } from '../../model/build.ts';
import { OnnxError } from '../../onnx-error.ts';
import { field, listField, numberField, optionalField, textField } from '../boosting/json-fields.ts';
import { pick } from '../simplify/rearrange.ts';
import { ZipArchive } from '../zip/zip-archive.ts';
import { readTorchArchive, torchTensors } from './torch-tensors.ts';

/** Largest file inside an archive: the graph as JSON, and one tensor. */
const maxJsonBytes = 256 << 20;
const maxTensorBytes = 2 ** 31;

/** A size the graph fixes, or the expression it leaves open, such as `s0`. */
export type SymbolicSize = number | string;

export interface TensorMeta {
  readonly type: Exclude<BuildType, 'string'> | undefined;
  /** Name of the type for sentences. */
  readonly typeName: string;
  readonly shape: readonly SymbolicSize[];
}

/** A weight, buffer or constant with its elements in row-major order. */
export interface Pt2Constant {
  readonly type: Exclude<BuildType, 'string'>;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface Pt2Node {
  /** Operator without its name space and overload, such as `addmm`. */
  readonly name: string;
  readonly target: string;
  readonly inputs: ReadonlyMap<string, unknown>;
  readonly outputs: readonly unknown[];
}

export interface Pt2Program {
  readonly torchVersion: string | undefined;
  readonly nodes: readonly Pt2Node[];
  readonly tensors: ReadonlyMap<string, TensorMeta>;
  readonly userInputs: readonly unknown[];
  readonly userOutputs: readonly unknown[];
  /** Graph inputs that are parameters, buffers or constants, with their values. */
  readonly constants: ReadonlyMap<string, Pt2Constant>;
}

const scalarTypes: ReadonlyMap<
  number,
  { readonly name: string; readonly type?: Exclude<BuildType, 'string'>; readonly bytes: number }
> = new Map([
  [1, { name: 'uint8', type: 'uint8', bytes: 1 }],
  [2, { name: 'int8', type: 'int8', bytes: 1 }],
  [3, { name: 'int16', type: 'int16', bytes: 2 }],
  [4, { name: 'int32', type: 'int32', bytes: 4 }],
  [5, { name: 'int64', type: 'int64', bytes: 8 }],
  [6, { name: 'float16', type: 'float16', bytes: 2 }],
  [7, { name: 'float32', type: 'float', bytes: 4 }],
  [8, { name: 'float64', type: 'double', bytes: 8 }],
  [12, { name: 'bool', type: 'bool', bytes: 1 }],
  [13, { name: 'bfloat16', bytes: 2 }],
]);

function damaged(what: string): OnnxError {
  return new OnnxError('source_malformed', `The torch.export archive is damaged: ${what}; save it again.`);
}

function sizeOf(value: unknown): SymbolicSize {
  const size = optionalField(value, 'as_int');
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size;
  const expression = optionalField(value, 'as_expr', 'expr_str');
  if (typeof expression === 'string') return expression;
  throw damaged('a tensor has a size that is neither a number nor an expression');
}

function metaOf(value: unknown): TensorMeta {
  const code = numberField(value, 'dtype');
  const known = scalarTypes.get(code);
  return {
    type: known?.type,
    typeName: known?.name ?? `number ${code}`,
    shape: listField(value, 'sizes').map(sizeOf),
  };
}

function entriesOf(value: unknown): [string, unknown][] {
  return value !== null && typeof value === 'object' ? Object.entries(value) : [];
}

function parseJson(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new OnnxError('source_malformed', `The file "${name}" of the archive is no valid JSON; save it again.`, {
      cause,
    });
  }
}

/**
 * Reads a torch.export archive: the graph of core ATen operators and its weights, in the layout of the PT2 archive
 * specification and in the one before it (`serialized_exported_program.json`).
 */
export function readPt2(bytes: Uint8Array): Pt2Program {
  const archive = new ZipArchive(bytes);
  const models = archive.names.filter(name => /(^|\/)models\/[^/]+\.json$/.test(name));
  const old = archive.names.find(name => /(^|\/)serialized_exported_program\.json$/.test(name));
  const chosen = models.find(name => name.endsWith('/model.json')) ?? models[0] ?? old;
  if (chosen === undefined) throw damaged('it holds no exported program');
  if (models.length > 1 && !models.some(name => name.endsWith('/model.json')))
    throw new OnnxError(
      'unsupported_source',
      `The archive holds several programs (${models.join(', ')}); save the one to convert alone.`,
    );
  const program = parseJson(archive.read(chosen, maxJsonBytes), chosen);
  const graph = field(program, 'graph_module', 'graph');
  const tensors = new Map(entriesOf(field(graph, 'tensor_values')).map(([name, meta]) => [name, metaOf(meta)]));
  const weights = chosen === old ? oldWeights(archive, chosen) : newWeights(archive, chosen);
  const userInputs: unknown[] = [];
  const constants = new Map<string, Pt2Constant>();
  for (const spec of listField(program, 'graph_module', 'signature', 'input_specs')) {
    const user = optionalField(spec, 'user_input', 'arg');
    if (user !== undefined) {
      userInputs.push(user);
      continue;
    }
    const fixed = [
      ['parameter', 'parameter_name'],
      ['buffer', 'buffer_name'],
      ['tensor_constant', 'tensor_constant_name'],
    ].find(([kind]) => optionalField(spec, kind!) !== undefined);
    if (fixed === undefined) {
      const kind = entriesOf(spec)[0]?.[0] ?? 'nothing';
      throw new OnnxError(
        'unsupported_source',
        `The exported program takes an input of the kind "${kind}", which does not convert.`,
        {
          unsupported: [`input ${kind}`],
        },
      );
    }
    const [kind, key] = fixed as [string, string];
    const name = textField(spec, kind, 'arg', 'name');
    const fqn = textField(spec, kind, key);
    constants.set(name, weights(fqn, tensors.get(name)));
  }
  return {
    torchVersion: torchVersion(program),
    nodes: listField(graph, 'nodes').map(readNode),
    tensors,
    userInputs,
    userOutputs: listField(program, 'graph_module', 'signature', 'output_specs').flatMap(spec => {
      refuseMutation(spec);
      const output = optionalField(spec, 'user_output', 'arg');
      return output === undefined ? [] : [output];
    }),
    constants,
  };
}

/** A state that lives on between calls would be lost, and every answer after the first would be wrong. */
function refuseMutation(spec: unknown): void {
  const name = optionalField(spec, 'buffer_mutation', 'buffer_name');
  if (name === undefined) return;
  throw new OnnxError(
    'unsupported_source',
    `The exported program changes its buffer "${String(name)}", a state that lives on between calls; call model.eval() before the export, or take the state as an input.`,
    { node: String(name), unsupported: [`buffer mutation ${String(name)}`] },
  );
}

function torchVersion(program: unknown): string | undefined {
  const version = optionalField(program, 'torch_version');
  return typeof version === 'string' && /^[\w.+<=-]{1,40}$/.test(version) ? version : undefined;
}

function readNode(node: unknown): Pt2Node {
  const target = textField(node, 'target');
  return {
    target,
    name:
      target
        .replace(/^torch\.ops\.aten\./, '')
        .replace(/^torch\.ops\.prims\./, '')
        .replace(/^_operator\./, '_operator_')
        .split('.')[0] ?? target,
    inputs: new Map(listField(node, 'inputs').map(input => [textField(input, 'name'), field(input, 'arg')])),
    outputs: listField(node, 'outputs'),
  };
}

type Weights = (fqn: string, meta: TensorMeta | undefined) => Pt2Constant;

function newWeights(archive: ZipArchive, model: string): Weights {
  const root = model.replace(/models\/[^/]+$/, '');
  const stem = model.replace(/^.*\//, '').replace(/\.json$/, '');
  const found = new Map<string, { readonly path: string; readonly entry: unknown }>();
  for (const folder of ['weights', 'constants']) {
    const path = `${root}data/${folder}/${stem}_${folder}_config.json`;
    if (!archive.has(path)) continue;
    const config = parseJson(archive.read(path, maxJsonBytes), path);
    for (const [fqn, entry] of entriesOf(optionalField(config, 'config') ?? config))
      found.set(fqn, { path: `${root}data/${folder}/${textField(entry, 'path_name')}`, entry });
  }
  return fqn => {
    const weight = found.get(fqn);
    if (weight === undefined) throw damaged(`it has no values for "${fqn}"`);
    if (optionalField(weight.entry, 'use_pickle') === true)
      throw new OnnxError(
        'unsupported_source',
        `The weight "${fqn}" is pickled; save the program from plain tensors.`,
        { node: fqn },
      );
    const meta = field(weight.entry, 'tensor_meta');
    const shape = metaOf(meta).shape.map(size => (typeof size === 'number' ? size : Number.NaN));
    const strides = listField(meta, 'strides').map(stride => Number(sizeOf(stride)));
    const offset = Number(sizeOf(field(meta, 'storage_offset')));
    return laidOut(
      fqn,
      scalarTypes.get(numberField(meta, 'dtype')),
      shape,
      strides,
      offset,
      archive.read(weight.path, maxTensorBytes),
    );
  };
}

/** Element names of storage classes, as numbers of ScalarType. */
const storageTypes: Readonly<Record<string, number>> = {
  Byte: 1,
  Char: 2,
  Short: 3,
  Int: 4,
  Long: 5,
  Half: 6,
  Float: 7,
  Double: 8,
  Bool: 12,
  BFloat16: 13,
};

/** Weights of the older layout: archives of `torch.save` inside the archive. */
function oldWeights(archive: ZipArchive, model: string): Weights {
  const root = model.replace(/[^/]+$/, '');
  const found = new Map<string, () => Pt2Constant>();
  for (const name of ['serialized_state_dict.pt', 'serialized_constants.pt']) {
    if (!archive.has(`${root}${name}`)) continue;
    const bytes = archive.read(`${root}${name}`, maxTensorBytes);
    if (bytes.length === 0) continue;
    const inner = readTorchArchive(bytes);
    for (const tensor of torchTensors(inner.value))
      found.set(tensor.name, () =>
        laidOut(
          tensor.name,
          scalarTypes.get(storageTypes[tensor.element] ?? 0),
          tensor.shape,
          tensor.strides,
          tensor.offset,
          inner.archive.read(`${inner.root}data/${tensor.storage}`, maxTensorBytes),
        ),
      );
  }
  return fqn => {
    const weight = found.get(fqn);
    if (weight === undefined) throw damaged(`it has no values for "${fqn}"`);
    return weight();
  };
}

/** The elements of a strided tensor in row-major order. */
function laidOut(
  name: string,
  kind: { readonly name: string; readonly type?: Exclude<BuildType, 'string'>; readonly bytes: number } | undefined,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
  raw: Uint8Array,
): Pt2Constant {
  if (kind === undefined) throw damaged(`"${name}" has an unknown type`);
  if (!shape.every(Number.isSafeInteger) || strides.length !== shape.length || !strides.every(Number.isSafeInteger))
    throw damaged(`"${name}" has no fixed shape`);
  const total = shape.reduce((product, size) => product * size, 1);
  const last = shape.reduce((at, size, i) => at + Math.max(0, size - 1) * strides[i]!, offset);
  if (total > 0 && !((last + 1) * kind.bytes <= raw.length && total * kind.bytes <= maxTensorBytes))
    throw damaged(`"${name}" of shape [${shape.join(', ')}] needs more bytes than the ${raw.length} it has`);
  if (total * kind.bytes > 4 * raw.length) throw damaged(`"${name}" repeats few bytes many times`);
  const bytes = total === 0 ? new Uint8Array() : pick(raw, shape, strides, offset, kind.bytes);
  if (kind.type !== undefined) return { type: kind.type, shape, bytes };
  // bfloat16 is the upper half of a float32.
  const wide = new Uint8Array(bytes.length * 2);
  for (let i = 0; i < total; i++) wide.set(bytes.subarray(2 * i, 2 * i + 2), 4 * i + 2);
  return { type: 'float', shape, bytes: wide };
}
