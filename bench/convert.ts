/**
 * Converts every fixture of the shared model collection twice (the bytes must be the same), runs the result and compares
 * it with the reference outputs the collection ships; hostile files must be refused as the collection demands. Prints one
 * line per file and a table per format. Every conversion also verifies itself, as it does for users. Exit code 1 when
 * anything is wrong: beyond its bar, accepted though hostile, or an exception that is not ours.
 *
 *   node --conditions=source bench/convert.ts [format...] [--only NAME] [--models FOLDER] [--opset N] [--quiet]
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { OnnxError } from '@holdfast/onnx';
import { convert, type Verification, verifyConversion } from '@holdfast/onnx/convert';
import { findEngine } from '@holdfast/onnx/engines';
import { InferenceSession } from 'onnxruntime-node';
import { testRuntime } from '../packages/onnx/src/testing/run-model.ts';
import { type Case, caseOf, type Entry, feeds, isModel, numeric, plainData, sourceFiles } from './fixture-cases.ts';

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
    const reference = caseOf(folder);
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
