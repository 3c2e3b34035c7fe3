import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fault } from '@holdfast/api';
import type { ConvertOptions } from '@holdfast/onnx/convert';
import { type ChildEnd, describeEnd, startChild } from '../runtime/index.ts';
import type { ChangeRequest, ConversionResult, FromConverter, SourcePath, ToConverter } from './conversion-messages.ts';

export interface ConvertModelOptions {
  readonly convert?: ConvertOptions;
  /** What to do with the graph once it is checked. */
  readonly change?: ChangeRequest | undefined;
  /** Time for reading, converting and checking together, in ms. @default 300000 */
  readonly timeoutMs?: number;
  /** Memory that the conversion may take, in bytes, where the system has `prlimit`; no limit when absent. */
  readonly memoryBytes?: number;
  readonly onPhase?: (phase: string) => void;
  /** Called before a refusal with the Python script that exports such a source, when there is one. */
  readonly onRecipe?: (script: string) => void;
  /** Aborting ends the conversion's process. */
  readonly signal?: AbortSignal;
}

/** A converted model in a temporary folder, which disposing removes. */
export interface ConvertedModel extends AsyncDisposable {
  readonly path: string;
  readonly result: ConversionResult;
}

const defaultTimeoutMs = 300_000;
/** A source that its own engine cannot run in this time is not compared; the conversion itself goes on. */
const mostEngineMs = 120_000;

/**
 * Converts the files of one model, or of several that become one pipeline, in a child process of its own, under time and memory limits, and checks the result
 * there: neither a hostile file nor a crash of native code can harm this process.
 * @throws Fault `model_rejected` with the reason; the signal's reason when aborted
 */
export async function convertModel(
  sources: readonly (readonly SourcePath[])[],
  options: ConvertModelOptions = {},
): Promise<ConvertedModel> {
  options.signal?.throwIfAborted();
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-convert-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const workFolder = join(folder, 'work');
    await mkdir(workFolder);
    const outputPath = join(folder, 'model.onnx');
    const absolute = sources.map(files => files.map(({ name, path }) => ({ name, path: resolve(path) })));
    const result = await runConverter(
      {
        kind: 'convert',
        sources: absolute,
        options: options.convert ?? {},
        change: options.change,
        outputPath,
        workFolder,
        engineTimeoutMs: Math.min(mostEngineMs, (options.timeoutMs ?? defaultTimeoutMs) / 2),
      },
      options,
    );
    return { path: outputPath, result, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function runConverter(request: ToConverter, options: ConvertModelOptions): Promise<ConversionResult> {
  const { promise, resolve: finish, reject } = Promise.withResolvers<ConversionResult>();
  const { timeoutMs = defaultTimeoutMs, memoryBytes, onPhase, onRecipe, signal } = options;
  let phase = 'starting';
  let result: ConversionResult | undefined;
  let refusal: string | undefined;
  const child = startChild<ToConverter>({
    entry: join(import.meta.dirname, 'conversion-process'),
    cwd: request.workFolder,
    memoryBytes,
    onMessage: message => {
      if (!isFromConverter(message)) return;
      if (message.kind === 'done') result = message.result;
      else if (message.kind === 'refused') {
        refusal ??= message.why;
        if (message.recipe !== undefined) onRecipe?.(message.recipe);
      } else {
        phase = message.phase;
        onPhase?.(phase);
      }
    },
    onEnd: end => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted) reject(signal.reason);
      else if (result !== undefined && refusal === undefined) finish(result);
      else reject(fault('model_rejected', refusal ?? endedEarly(end, phase, memoryBytes)));
    },
  });
  const abort = (): void => child.kill('SIGKILL');
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  const timer = setTimeout(() => {
    refusal ??= `its conversion did not finish within ${timeoutMs / 1000} s (${phase}).`;
    child.kill('SIGKILL');
  }, timeoutMs);
  child.send(request);
  return promise;
}

const memoryWords = /bad_alloc|allocat|out of memory|memory limit|heap/i;

function endedEarly(end: ChildEnd, phase: string, memoryBytes: number | undefined): string {
  const why = `${describeEnd(end)} while ${phase}`;
  if (memoryBytes === undefined || !memoryWords.test(end.errors)) return `${why}.`;
  return `its conversion needs more than the ${Math.floor(memoryBytes / 2 ** 20)} MiB of memory that are allowed (${why}).`;
}

function isFromConverter(message: unknown): message is FromConverter {
  if (typeof message !== 'object' || message === null || !('kind' in message)) return false;
  return message.kind === 'phase' || message.kind === 'done' || message.kind === 'refused';
}
