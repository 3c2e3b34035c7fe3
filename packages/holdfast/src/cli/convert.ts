import { existsSync } from 'node:fs';
import { copyFile, rename, rm } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { type ConversionResult, convertModel, sourceFilesOf } from '../conversion/index.ts';
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

/** The file to write: asked for, or named after the source. @throws UsageError when it exists already */
function targetOf(parsed: Parsed, source: string): string {
  const stem = basename(resolve(source), extname(source));
  const target = text(parsed, 'output') ?? `${stem === '' ? 'model' : stem}.onnx`;
  if (existsSync(target) && !flag(parsed, 'force'))
    throw new UsageError(`${target} exists already; give another file with -o, or --force to overwrite it`);
  return target;
}

/** Puts a finished file in place in one step, so that nobody ever sees half of it. */
async function place(from: string, target: string): Promise<void> {
  const partial = join(resolve(target, '..'), `.${basename(target)}.${process.pid}.partial`);
  try {
    await copyFile(from, partial);
    await rename(partial, target);
  } finally {
    await rm(partial, { force: true });
  }
}

export const convertCommand: Command = {
  name: 'convert',
  usage: 'convert PATH [-o model.onnx] [options]',
  summary: 'Convert a model file or folder of another framework to ONNX, check it against its source, and report.',
  options: {
    ...jsonOption,
    ...sourceOptions,
    output: { type: 'string', short: 'o' },
    name: { type: 'string' },
    force: { type: 'boolean' },
    timeout: { type: 'string' },
  },
  optionHelp: [
    ['-o, --output FILE', 'ONNX file to write (default: named after the source, in this folder)'],
    ['--force', 'overwrite that file when it exists'],
    ['--name NAME', 'name of the graph inside the file'],
    ...sourceHelp,
    ['--timeout SECONDS', 'longest time for the whole conversion (default 600)'],
    jsonHelp,
  ],
  run: async (parsed, terminal) => {
    const [path, ...more] = parsed.positionals;
    if (path === undefined || more.length > 0) throw new UsageError('expected: PATH, one model file or folder');
    const target = targetOf(parsed, path);
    const name = text(parsed, 'name');
    const files = await sourceFilesOf(path);
    const cancel = new AbortController();
    const onInterrupt = (): void => cancel.abort();
    process.once('SIGINT', onInterrupt);
    try {
      await using converted = await convertModel(files, {
        convert: { ...sourceChoiceOf(parsed), ...(name !== undefined && { name }) },
        timeoutMs: (wholeNumber(parsed, 'timeout', 1, 86_400) ?? 600) * 1000,
        signal: cancel.signal,
        onPhase: phase => terminal.stderr(`${phase} ...\n`),
      });
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
