/**
 * Converts every fixture of the shared model collection twice (the bytes must be the same), runs the result and compares
 * it with the reference outputs the collection ships; hostile files must be refused as the collection demands. Prints one
 * line per file and a table per format. Every conversion also verifies itself, as it does for users. Exit code 1 when anything is wrong: beyond its bar, accepted though hostile, or an
 * exception that is not ours.
 *
 *   node --conditions=source bench/convert.ts [format...] [--only NAME] [--models FOLDER] [--opset N] [--quiet]
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { OnnxError } from '@holdfast/onnx';
import { convert, type SourceFile, type Verification, verifyConversion } from '@holdfast/onnx/convert';
import { findEngine } from '@holdfast/onnx/engines';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { testRuntime } from '../packages/onnx/src/testing/run-model.ts';

interface Entry {
  readonly name: string;
  readonly format: string;
  readonly model_files?: readonly string[];
  readonly expect?: string;
  readonly must_mention?: readonly string[];
}

interface Case {
  readonly inputs: Readonly<Record<string, Values>>;
  readonly outputs: Readonly<Record<string, Values>>;
}

interface Values {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data?: readonly (number | string)[];
  readonly file?: string;
  /** Elements come from the collection's generator with this seed instead. */
  readonly seed?: number;
  /** Every 997th element only. */
  readonly every_997th?: readonly number[];
}

interface Row {
  readonly file: string;
  readonly format: string;
  readonly status: 'converted' | 'refused' | 'wrong' | 'crashed';
  readonly difference?: number;
  readonly note: string;
  readonly ms: number;
  /** How the conversion verifies itself, as it does on a user's machine. */
  readonly verification?: Verification;
}

const given = process.argv.indexOf('--models');
const root = given > 0 ? resolve(process.argv[given + 1] ?? '') : resolve(import.meta.dirname, '../../shared/models');
const opsetAt = process.argv.indexOf('--opset');
const opset = opsetAt > 0 ? Number(process.argv[opsetAt + 1]) : undefined;
const numeric = (value: number | string | boolean): number =>
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
function feeds(session: InferenceSession, given: Case['inputs'], folder: string): Record<string, Tensor> {
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

function plainData(values: Values, folder: string): readonly (number | string)[] {
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

/** Our output that answers a reference output, by meaning. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  predict: ['prediction', 'label', 'probabilities'],
  predict_proba: ['probabilities'],
  decision_function: ['scores', 'score'],
  transform: ['transformed', 'distances'],
  margin: ['margin'],
  raw: ['margin'],
  leaf: [],
  predict_best: [],
};

interface Comparison {
  readonly compared: number;
  /** Share of elements of quantised outputs that are more than one step off. */
  readonly offSteps: number;
  readonly worst: number;
  readonly wrongLabels: number;
}

function compare(results: InferenceSession.OnnxValueMapType, expected: Case['outputs'], folder: string): Comparison {
  let compared = 0;
  let worst = 0;
  let wrongLabels = 0;
  let steps = 0;
  let offSteps = 0;
  const names = Object.keys(results);
  for (const [name, reference] of Object.entries(expected)) {
    const [, stem = name, number = ''] = /^(predict|predict_proba)(_\d+)$/.exec(name) ?? [];
    const candidates = [name, ...(aliases[stem] ?? []).map(alias => `${alias}${number}`)];
    const every = reference.every_997th;
    if (every !== undefined) {
      const whole = results[name] ?? results[names[Object.keys(expected).indexOf(name)] ?? ''];
      if (whole === undefined) continue;
      compared++;
      every.forEach((theirs, i) => {
        worst = Math.max(worst, Math.abs(Number(whole.data[997 * i]) - theirs) / Math.max(1, Math.abs(theirs)));
      });
      continue;
    }
    const data = plainData(reference, folder);
    const found =
      (reference.dtype.startsWith('float') ? secondColumn(results, name, data.length) : undefined) ??
      candidates.map(item => results[item]).find(item => item !== undefined && item.data.length === data.length) ??
      positional(results, names, expected, name, data.length);
    if (found === undefined) continue;
    compared++;
    for (let i = 0; i < data.length; i++) {
      const ours = found.data[i] as number | bigint | string;
      if (typeof ours === 'string') {
        if (ours !== String(data[i])) wrongLabels++;
        continue;
      }
      const theirs = numeric(data[i]!);
      const mine = Number(ours);
      if (Number.isNaN(theirs) && Number.isNaN(mine)) continue;
      if (/^u?int(8|16)$/.test(reference.dtype)) {
        steps++;
        if (Math.abs(mine - theirs) > 1) offSteps++;
        continue;
      }
      const difference = Math.abs(mine - theirs) / Math.max(1, Math.abs(theirs));
      if (mine !== theirs) worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
    }
  }
  return { compared, worst, wrongLabels, offSteps: steps === 0 ? 0 : offSteps / steps };
}

/** Boosters answer the probability of the second class alone. */
function secondColumn(
  results: InferenceSession.OnnxValueMapType,
  name: string,
  length: number,
): { readonly data: readonly unknown[] } | undefined {
  const both = results.probabilities;
  if (name !== 'predict' || both === undefined || both.data.length !== length * 2) return undefined;
  return { data: Array.from({ length }, (_, i) => both.data[2 * i + 1]) };
}

/** Outputs without a known name are paired in order when both sides have as many. */
function positional(
  results: InferenceSession.OnnxValueMapType,
  names: readonly string[],
  expected: Case['outputs'],
  name: string,
  length: number,
): InferenceSession.OnnxValueMapType[string] | undefined {
  if (name in aliases) return undefined;
  const keys = Object.keys(expected);
  if (keys.length !== names.length) return undefined;
  const found = results[names[keys.indexOf(name)]!];
  return found?.data.length === length ? found : undefined;
}

const bars: Readonly<Record<string, number>> = {
  sklearn: 1e-6,
  xgboost: 1e-6,
  lightgbm: 1e-6,
  keras: 1e-4,
  tfjs: 1e-4,
  tflite: 1e-4,
  'tflite-ops': 1e-4,
  catboost: 1e-6,
  onnx: 1e-4,
  graphdef: 1e-4,
  savedmodel: 1e-4,
  torch: 1e-4,
};

/**
 * Outputs in place of a reference that is itself wrong. The one of emotion_mini_xception was computed by Keras 3.8 on
 * PyTorch, which shifts a 1x1 convolution of stride 2 over an even number of pixels by one (Keras has since repaired
 * it); these are the outputs of TensorFlow 2.21, with which the model was trained.
 */
const corrected: Readonly<Record<string, Case['outputs']>> = {
  emotion_mini_xception: {
    out: {
      dtype: 'float32',
      shape: [2, 7],
      data: [
        0.0964474007487297, 7.662366260774434e-5, 0.08562979847192764, 0.6443265676498413, 0.1672481894493103,
        0.005661001428961754, 0.0006104280473664403, 0.05043204501271248, 5.143117959960364e-5, 0.019833996891975403,
        0.45356154441833496, 0.4600805342197418, 0.013249906711280346, 0.002790602622553706,
      ],
    },
  },
};

async function tryFixture(entry: Entry, file: string, signature?: string): Promise<Row> {
  const folder = join(root, entry.format, entry.name);
  const started = performance.now();
  const done = (status: Row['status'], note: string, difference?: number): Row => ({
    file: `${entry.format}/${entry.name}/${file}`,
    format: entry.format,
    status,
    note,
    ms: performance.now() - started,
    ...(difference === undefined ? {} : { difference }),
  });
  try {
    const source = sourceFiles(folder, file);
    // The dart reference was computed with the first 10 of 20 rounds.
    const options = { ...(entry.name === 'leaves_dart' && { rounds: 10 }), signature, opset };
    const { model, report } = await convert(source, options);
    const again = await convert(source, options);
    if (Buffer.compare(model, again.model) !== 0) return done('wrong', 'not deterministic');
    const ms = performance.now() - started;
    const session = await InferenceSession.create(model, { logSeverityLevel: 4 });
    const reference = readCase(folder) ?? readTable(folder) ?? readRows(folder);
    if (reference === undefined) return { ...done('converted', 'no reference'), ms };
    const results = await session.run(feeds(session, reference.inputs, folder));
    const expected =
      signature === undefined
        ? (corrected[entry.name] ?? reference.outputs)
        : { output_0: reference.outputs[signature]! };
    const { compared, worst, wrongLabels, offSteps } = compare(results, expected, folder);
    const bar = bars[entry.format] ?? 0;
    if (compared === 0)
      return done(
        'wrong',
        `nothing to compare: ours ${session.outputNames.join(',')}, theirs ${Object.keys(reference.outputs).join(',')}`,
      );
    const verification = await verifyConversion(
      source,
      { model, report },
      {
        run: await testRuntime(),
        engineFor: (conversion, files) => findEngine(conversion, files, options),
        ...('rounds' in options && { rounds: options.rounds }),
      },
    );
    const note = `${verification.kind === 'agrees' ? '' : `${verification.how} `}${report.source.modelClass} ${report.source.frameworkVersion ?? ''} ${compared}/${Object.keys(reference.outputs).length} outputs${report.notes.length > 0 ? `, ${report.notes.length} notes` : ''}`;
    await session.release();
    return {
      ...done(
        worst > bar || wrongLabels > 0 || offSteps > 0.01 ? 'wrong' : 'converted',
        wrongLabels > 0 ? `${wrongLabels} wrong labels; ${note}` : note,
        worst,
      ),
      ms,
      verification,
    };
  } catch (error) {
    if (error instanceof OnnxError && error.code === 'conversion_wrong') return done('wrong', error.message);
    if (error instanceof OnnxError) return done('refused', `${error.code}: ${error.message}`);
    return done('crashed', error instanceof Error ? (error.stack ?? error.message).slice(0, 600) : String(error));
  }
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
function sourceFiles(folder: string, file: string): Uint8Array | SourceFile[] {
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
const isModel = (file: string): boolean => !/\.bin$|(^|\/)variables\/|fingerprint\.pb$/.test(file);

async function tryHostile(entry: Entry): Promise<Row> {
  const path = join(root, 'hostile', entry.name);
  const started = performance.now();
  const done = (status: Row['status'], note: string): Row => ({
    file: `hostile/${entry.name}`,
    format: entry.format,
    status,
    note,
    ms: performance.now() - started,
  });
  try {
    const source = statSync(path).isDirectory()
      ? readdirSync(path).map(name => ({ name, bytes: new Uint8Array(readFileSync(join(path, name))) }))
      : new Uint8Array(readFileSync(path));
    await convert(source);
    return done(entry.expect === 'reject' ? 'wrong' : 'converted', 'accepted');
  } catch (error) {
    if (!(error instanceof OnnxError))
      return done('crashed', error instanceof Error ? (error.stack ?? error.message).slice(0, 400) : String(error));
    const text = `${error.message} ${error.node ?? ''} ${error.op ?? ''}`;
    const missing = (entry.must_mention ?? []).filter(
      words => !words.split('|').some(word => text.toLowerCase().includes(word.toLowerCase())),
    );
    if (entry.expect === 'accept') return done('wrong', `refused: ${error.message}`);
    return done(
      missing.length > 0 ? 'wrong' : 'refused',
      `${missing.length > 0 ? `does not mention ${missing.join(' and ')}; ` : ''}${error.code}: ${error.message}`,
    );
  }
}

async function main(): Promise<void> {
  if (!existsSync(join(root, 'MANIFEST.json'))) {
    console.error(`No model collection at ${root}; nothing to do.`);
    return;
  }
  const args = process.argv.slice(2);
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
  const formats = args.filter(
    (arg, i) => !arg.startsWith('--') && !['--only', '--models', '--opset'].includes(args[i - 1] ?? ''),
  );
  const { entries } = JSON.parse(readFileSync(join(root, 'MANIFEST.json'), 'utf8')) as { entries: readonly Entry[] };
  const rows: Row[] = [];
  let printed = 0;
  for (const entry of entries) {
    if (formats.length > 0 && !formats.includes(entry.format.split('/')[0]!)) continue;
    if (only !== undefined && !entry.name.includes(only)) continue;
    if (entry.format.startsWith('hostile')) rows.push(await tryHostile(entry));
    else if (entry.name === 'tfjsnode_module_with_multiple_signatures')
      for (const signature of ['serving_default', 'timestwo'])
        rows.push(await tryFixture(entry, 'saved_model/saved_model.pb', signature));
    else for (const file of (entry.model_files ?? []).filter(isModel)) rows.push(await tryFixture(entry, file));
    while (printed < rows.length) print(rows[printed++], args.includes('--quiet'));
  }
  summary(rows);
  const wrong = rows.filter(row => row.status === 'wrong' || row.status === 'crashed').length;
  console.log(`\n${rows.length} files, ${wrong} wrong`);
  if (wrong > 0) process.exitCode = 1;
}

function print(row: Row | undefined, isQuiet: boolean): void {
  if (row === undefined || (isQuiet && row.status !== 'wrong' && row.status !== 'crashed')) return;
  const difference = row.difference === undefined ? '' : row.difference.toExponential(1);
  console.log(
    `${row.status.padEnd(9)} ${difference.padStart(8)} ${row.ms.toFixed(0).padStart(5)} ms  ${row.file}  ${row.note.split('\n')[0]}`,
  );
}

function summary(rows: readonly Row[]): void {
  console.log('\nformat               converted  refused  wrong  largest difference  bar     verified by itself');
  for (const format of [...new Set(rows.map(row => row.format))]) {
    const own = rows.filter(row => row.format === format);
    const count = (status: Row['status']): number => own.filter(row => row.status === status).length;
    const worst = Math.max(0, ...own.map(row => row.difference ?? 0));
    const agreeing = own.filter(row => row.verification?.kind === 'agrees').length;
    const partly = own.filter(row => row.verification?.kind === 'partly').length;
    console.log(
      `${format.padEnd(20)} ${String(count('converted')).padStart(9)} ${String(count('refused')).padStart(8)} ${String(count('wrong') + count('crashed')).padStart(6)}  ${worst.toExponential(1).padStart(18)}  ${String(bars[format] ?? '-').padEnd(6)}  ${agreeing}${partly > 0 ? ` and ${partly} in part` : ''}`,
    );
  }
}

await main();
