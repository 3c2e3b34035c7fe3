/** The model collection beside the repository as programs here use it: its files, and inputs with the answers they should get. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SourceFile } from '@holdfast/onnx/convert';
import { type InferenceSession, Tensor } from 'onnxruntime-node';

export interface Entry {
  readonly name: string;
  readonly format: string;
  readonly model_files?: readonly string[];
  readonly expect?: string;
  readonly must_mention?: readonly string[];
}

export interface Case {
  readonly inputs: Readonly<Record<string, Values>>;
  readonly outputs: Readonly<Record<string, Values>>;
}

export interface Values {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data?: readonly (number | string)[];
  readonly file?: string;
  /** Elements come from the collection's generator with this seed instead. */
  readonly seed?: number;
  /** Every 997th element only. */
  readonly every_997th?: readonly number[];
}

export const numeric = (value: number | string | boolean): number =>
  value === 'NaN'
    ? Number.NaN
    : value === 'Infinity'
      ? Number.POSITIVE_INFINITY
      : value === '-Infinity'
        ? Number.NEGATIVE_INFINITY
        : Number(value);

function readCase(folder: string): Case | undefined {
  const path = join(folder, 'io/case0.json');
  if (!existsSync(path)) return undefined;
  const found = JSON.parse(readFileSync(path, 'utf8')) as Case;
  return { ...found, inputs: generated(found.inputs) };
}

/** Fills inputs that are given as a generator: one stream of a linear congruence runs through all of them in order. */
function generated(inputs: Case['inputs']): Case['inputs'] {
  let state = Object.values(inputs).find(values => values.seed !== undefined)?.seed ?? 0;
  const draw = (dtype: string): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const u = state / 2 ** 32;
    if (dtype === 'float32') return Math.fround(u * 2 - 1);
    return dtype === 'int8' ? Math.floor(u * 256) - 128 : Math.floor(u * (dtype === 'uint8' ? 256 : 4));
  };
  return Object.fromEntries(
    Object.entries(inputs).map(([name, values]) => {
      if (values.seed === undefined) return [name, values];
      const length = values.shape.reduce((product, size) => product * size, 1);
      return [name, { ...values, data: Array.from({ length }, () => draw(values.dtype)) }];
    }),
  );
}

/** References of CatBoost: rows of features with probabilities. */
function readRows(folder: string): Case | undefined {
  const path = join(folder, 'io/reference.json');
  if (!existsSync(path)) return undefined;
  const { rows } = JSON.parse(readFileSync(path, 'utf8')) as {
    rows: readonly { features: readonly number[]; prob?: readonly number[]; multi_prob?: readonly number[] }[];
  };
  const list = (of: (row: (typeof rows)[number]) => readonly number[]): Values => ({
    dtype: 'float64',
    shape: [rows.length, of(rows[0]!).length],
    data: rows.flatMap(of),
  });
  return {
    inputs: { X: list(row => row.features) },
    outputs: { predict_proba: list(row => row.prob ?? row.multi_prob ?? []) },
  };
}

/** Inputs of a fixture laid out as the converted model wants them. */
export function feeds(session: InferenceSession, given: Case['inputs'], folder: string): Record<string, Tensor> {
  const names = Object.keys(given);
  return Object.fromEntries(
    session.inputNames.map((name, i) => {
      const meta = session.inputMetadata[i]!;
      const source = given[name] ?? given[names[i] ?? ''];
      if (!meta.isTensor) throw new Error(`input ${name} is no tensor`);
      if (source === undefined || (session.inputNames.length === 1 && names.length > 1))
        return [name, joined(given, meta.type)];
      return [name, tensor(source, meta.type, meta.shape.length, folder)];
    }),
  );
}

/** Columns given one by one, side by side as one matrix. */
function joined(given: Case['inputs'], type: string): Tensor {
  const columns = Object.values(given);
  const rows = columns[0]?.shape[0] ?? 0;
  const values = Array.from({ length: rows * columns.length }, (_, i) =>
    numeric(columns[i % columns.length]!.data![Math.floor(i / columns.length)]!),
  );
  return type === 'float32'
    ? new Tensor('float32', Float32Array.from(values), [rows, columns.length])
    : new Tensor('float64', Float64Array.from(values), [rows, columns.length]);
}

export function plainData(values: Values, folder: string): readonly (number | string)[] {
  if (values.data !== undefined) return values.data;
  const bytes = readFileSync(join(folder, 'io', values.file ?? ''));
  const copy = new Uint8Array(bytes).buffer;
  const types: Readonly<Record<string, (buffer: ArrayBuffer) => ArrayLike<number | bigint>>> = {
    float32: buffer => new Float32Array(buffer),
    float64: buffer => new Float64Array(buffer),
    int32: buffer => new Int32Array(buffer),
    int64: buffer => new BigInt64Array(buffer),
    uint8: buffer => new Uint8Array(buffer),
    int8: buffer => new Int8Array(buffer),
  };
  const read = types[values.dtype];
  if (read === undefined) throw new Error(`unknown dtype ${values.dtype}`);
  return Array.from(read(copy), Number);
}

function tensor(values: Values, type: string, rank: number, folder: string): Tensor {
  const data = plainData(values, folder);
  const shape = rank === values.shape.length + 1 ? [...values.shape, 1] : [...values.shape];
  if (type === 'string')
    return new Tensor(
      'string',
      data.map(item => (item === 'NaN' || item === null ? '' : String(item))),
      shape,
    );
  if (type === 'int64')
    return new Tensor(
      'int64',
      BigInt64Array.from(data, item => BigInt(item)),
      shape,
    );
  if (type === 'int32') return new Tensor('int32', Int32Array.from(data, numeric), shape);
  if (type === 'float64') return new Tensor('float64', Float64Array.from(data, numeric), shape);
  if (type === 'uint8') return new Tensor('uint8', Uint8Array.from(data, numeric), shape);
  if (type === 'int8') return new Tensor('int8', Int8Array.from(data, numeric), shape);
  if (type === 'bool') return new Tensor('bool', Uint8Array.from(data, numeric), shape);
  return new Tensor('float32', Float32Array.from(data, numeric), shape);
}

/** References that come as tab-separated features and predictions, or libsvm rows. */
function readTable(folder: string): Case | undefined {
  const io = join(folder, 'io');
  if (!existsSync(io)) return undefined;
  const files = readdirSync(io);
  const lines = (name: string): string[] => readFileSync(join(io, name), 'utf8').trim().split(/\r?\n/).slice(0, 2000);
  const numbers = (line: string): number[] =>
    line
      .trim()
      .split(/[\t ,]+/)
      .map(Number);
  const predictions = files.find(name => name.startsWith('predictions'));
  if (predictions === undefined) return undefined;
  // The dart reference holds raw margins of a logistic model.
  const isMargin = folder.includes('leaves_dart');
  const outputs = lines(predictions).map(line =>
    numbers(line).map(value => (isMargin ? 1 / (1 + Math.exp(-value)) : value)),
  );
  if (files.includes('features.tsv')) {
    const all = lines('features.tsv').map(numbers).slice(0, outputs.length);
    // Some files carry the target as their first column.
    const rows = folder.includes('multiclass5') ? all.map(row => row.slice(1)) : all;
    return tableCase(rows, outputs);
  }
  if (files.includes('features.libsvm')) {
    const sparse = lines('features.libsvm').map(line =>
      line
        .trim()
        .split(' ')
        .slice(1)
        .map(pair => pair.split(':').map(Number)),
    );
    return tableCase(
      sparse
        .slice(0, outputs.length)
        .map(row => new Map(row.map(([at, value]) => [at!, value!])))
        .map(row => Array.from({ length: sparseWidth }, (_, i) => row.get(i) ?? Number.NaN)),
      outputs,
    );
  }
  return undefined;
}

const sparseWidth = 127;

function tableCase(rows: readonly (readonly number[])[], outputs: readonly (readonly number[])[]): Case {
  return {
    inputs: { X: { dtype: 'float64', shape: [rows.length, rows[0]?.length ?? 0], data: rows.flat() } },
    outputs: { predict: { dtype: 'float64', shape: [outputs.length, outputs[0]?.length ?? 1], data: outputs.flat() } },
  };
}

/** One file, or a folder with everything the model consists of. */
export function sourceFiles(folder: string, file: string): Uint8Array | SourceFile[] {
  const path = join(folder, file);
  const needsSiblings =
    file.endsWith('saved_model.pb') ||
    (file.endsWith('.json') && readdirSync(folder).some(name => name.endsWith('.bin')));
  if (!needsSiblings && !statSync(path).isDirectory()) return new Uint8Array(readFileSync(path));
  const found: SourceFile[] = [];
  const walk = (relative: string): void => {
    for (const name of readdirSync(join(folder, relative)).sort()) {
      const inner = relative === '' ? name : `${relative}/${name}`;
      if (inner === 'io') continue;
      if (statSync(join(folder, inner)).isDirectory()) walk(inner);
      else found.push({ name: inner, bytes: new Uint8Array(readFileSync(join(folder, inner))) });
    }
  };
  walk('');
  return found.sort((a, b) => Number(b.name === file) - Number(a.name === file));
}

/** Weights that another file names are no models by themselves. */
export const isModel = (file: string): boolean => !/\.bin$|(^|\/)variables\/|fingerprint\.pb$/.test(file);

/** Everything known about the right answers of a fixture. */
export function caseOf(folder: string): Case | undefined {
  return readCase(folder) ?? readTable(folder) ?? readRows(folder);
}
