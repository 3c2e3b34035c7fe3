import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { copyFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import {
  type ChangeRequest,
  type ConversionResult,
  convertModel,
  convertWithPython,
  quantizeModes,
  sourceFilesOf,
} from '../conversion/index.ts';
import {
  type Command,
  exitCodes,
  flag,
  jsonHelp,
  jsonOption,
  type Parsed,
  text,
  UsageError,
  wholeNumber,
} from './command.ts';
import { renderConversion } from './conversion-report.ts';
import { sourceChoiceOf, sourceHelp, sourceOptions } from './source-options.ts';

/** Exit code of a command that Ctrl-C ended. */
const interrupted = 130;

/** The file to write: asked for, or named after the source. @throws UsageError when it exists or cannot be written */
function targetOf(parsed: Parsed, source: string): string {
  const stem = basename(resolve(source), extname(source));
  const target = text(parsed, 'output') ?? `${stem === '' ? 'model' : stem}.onnx`;
  const facts = statSync(target, { throwIfNoEntry: false });
  if (facts?.isDirectory()) throw new UsageError(`${target} is a folder; give a file with -o, such as model.onnx`);
  if (facts !== undefined && !flag(parsed, 'force'))
    throw new UsageError(`${target} exists already; give another file with -o, or --force to overwrite it`);
  const folder = dirname(resolve(target));
  try {
    accessSync(folder, constants.W_OK);
  } catch {
    throw new UsageError(
      existsSync(folder) ? `the folder ${folder} cannot be written to` : `there is no folder ${folder} to write to`,
    );
  }
  return target;
}

/** @throws UsageError for a mode that does not exist, or static quantization without data */
function changeOf(parsed: Parsed): ChangeRequest | undefined {
  const mode = text(parsed, 'quantize');
  const quantize = quantizeModes.find(known => known === mode);
  if (mode !== undefined && quantize === undefined)
    throw new UsageError(`--quantize is ${quantizeModes.join(', ')}, not "${mode}"`);
  const calibration = text(parsed, 'calibration');
  if (quantize === 'int8-static' && calibration === undefined)
    throw new UsageError('--quantize int8-static needs --calibration FILE with typical inputs');
  if (quantize !== 'int8-static' && calibration !== undefined)
    throw new UsageError('--calibration is for --quantize int8-static; --data FILE measures the other modes');
  const float32 = flag(parsed, 'float32');
  const optimize = flag(parsed, 'optimize');
  const maxLoss = Number(text(parsed, 'max-loss') ?? 0.05);
  if (!(maxLoss >= 0)) throw new UsageError('--max-loss takes a number of at least 0, such as 0.01');
  const data = text(parsed, 'data');
  if (!float32 && !optimize && quantize === undefined) {
    const unused = ['data', 'max-loss'].find(name => text(parsed, name) !== undefined);
    if (unused === undefined) return undefined;
    throw new UsageError(`--${unused} is for --quantize, --float32 or --optimize, which change the answers`);
  }
  return {
    float32,
    optimize,
    maxLoss,
    ...(quantize !== undefined && { quantize }),
    ...(calibration !== undefined && { calibration: existingFile(calibration) }),
    ...(data !== undefined && { data: existingFile(data) }),
  };
}

/** @throws UsageError for options of the Python export without `--python`, several sources, or shapes that are none */
function pythonOf(parsed: Parsed): Omit<Parameters<typeof convertWithPython>[1], 'onRun'> | undefined {
  const python = text(parsed, 'python');
  const allowCode = flag(parsed, 'allow-code');
  const shapes = text(parsed, 'example-shapes');
  if (python === undefined) {
    if (allowCode) throw new UsageError('--allow-code needs --python PATH, the Python that may run code');
    if (shapes !== undefined) throw new UsageError('--example-shapes needs --python PATH');
    return undefined;
  }
  if (parsed.positionals.length > 1) throw new UsageError('--python takes one PATH; convert each by itself first');
  if (shapes !== undefined && !/^\s*\[(\s*\[[\d\s,]*\]\s*,?)+\s*\]\s*$/.test(shapes))
    throw new UsageError('--example-shapes takes lists of sizes, such as [[1, 3, 224, 224]]');
  return { python, allowCode, shapes };
}

function existingFile(path: string): string {
  if (!existsSync(path)) throw new UsageError(`there is no file ${path}`);
  return resolve(path);
}

/** Puts a finished file in place in one step, so that nobody ever sees half of it. */
async function place(from: string, target: string): Promise<void> {
  const partial = join(dirname(resolve(target)), `.${basename(target)}.${process.pid}.partial`);
  try {
    await copyFile(from, partial);
    await rename(partial, target);
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason';
    throw new UsageError(`${target} cannot be written (${why}); give another file with -o`);
  } finally {
    await rm(partial, { force: true });
  }
}

export const convertCommand: Command = {
  usage: 'convert PATH... [-o model.onnx] [options]',
  options: {
    ...jsonOption,
    ...sourceOptions,
    output: { type: 'string', short: 'o' },
    name: { type: 'string' },
    opset: { type: 'string' },
    force: { type: 'boolean' },
    timeout: { type: 'string' },
    python: { type: 'string' },
    'allow-code': { type: 'boolean' },
    'example-shapes': { type: 'string' },
    float32: { type: 'boolean' },
    quantize: { type: 'string' },
    calibration: { type: 'string' },
    optimize: { type: 'boolean' },
    data: { type: 'string' },
    'max-loss': { type: 'string' },
  },
  optionHelp: [
    ['-o, --output FILE', 'ONNX file to write (default: named after the source, in this folder)'],
    ['--force', 'overwrite that file when it exists'],
    ['--name NAME', 'name of the graph inside the file'],
    ...sourceHelp,
    ['--opset N', 'newest version of ai.onnx to use, 13 to 21, for older runtimes (default 21)'],
    ['--float32', 'compute in float32 what the source computes in float64'],
    ['--quantize MODE', 'fp16, int8-weights, int8-dynamic, or int8-static with --calibration'],
    ['--calibration FILE', 'typical inputs for int8-static: .csv, or .jsonl with one inference request per line'],
    ['--optimize', "write the graph as ONNX Runtime's portable optimisations leave it"],
    ['--data FILE', 'inputs to measure the change of answers on (default: random ones); .csv or .jsonl'],
    ['--max-loss SHARE', 'largest change of answers by these options; more is refused (default 0.05)'],
    ['--python PATH', 'Python with which to export what needs its own framework (PyTorch files)'],
    ['--allow-code', 'let that Python load the file, which can execute code stored in it'],
    ['--example-shapes JSON', 'shapes of the example inputs for that export (default [[1, 3, 224, 224]])'],
    ['--timeout SECONDS', 'longest time for the whole conversion (default 600)'],
    jsonHelp,
  ],
  run: async (parsed, terminal) => {
    const paths = parsed.positionals;
    const last = paths.at(-1);
    if (last === undefined) throw new UsageError('expected: PATH..., model files or folders');
    const change = changeOf(parsed);
    const target = targetOf(parsed, last);
    const name = text(parsed, 'name');
    const opset = wholeNumber(parsed, 'opset', 13, 21);
    const python = pythonOf(parsed);
    // The process that converts takes a moment to start; nobody should wonder meanwhile.
    terminal.stderr('starting ...\n');
    const sources = await Promise.all(paths.map(sourceFilesOf));
    const cancel = new AbortController();
    const onInterrupt = (): void => cancel.abort();
    process.once('SIGINT', onInterrupt);
    try {
      const options = {
        change,
        convert: {
          ...sourceChoiceOf(parsed),
          ...(name !== undefined && { name }),
          ...(opset !== undefined && { opset }),
        },
        timeoutMs: (wholeNumber(parsed, 'timeout', 1, 86_400) ?? 600) * 1000,
        signal: cancel.signal,
        onPhase: (phase: string) => terminal.stderr(`${phase} ...\n`),
      };
      await using converted =
        python === undefined
          ? await convertModel(sources, options)
          : await convertWithPython(last, { ...python, onRun: terminal.stderr }, options);
      await place(converted.path, target);
      terminal.stdout(printed(converted.result, target, flag(parsed, 'json')));
      return exitCodes.ok;
    } catch (error) {
      if (!cancel.signal.aborted) throw error;
      terminal.stderr('holdfast: cancelled; nothing was written\n');
      return interrupted;
    } finally {
      process.removeListener('SIGINT', onInterrupt);
    }
  },
};

function printed(result: ConversionResult, target: string, asJson: boolean): string {
  return asJson ? `${JSON.stringify({ output: target, ...result })}\n` : renderConversion(result, target);
}
