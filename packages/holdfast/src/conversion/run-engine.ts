import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import type { EngineAnswer } from '@holdfast/onnx/convert';
import { type ChildEnd, describeEnd, startChild } from '../runtime/index.ts';
import type { Batches, ToEngine } from './engine-messages.ts';

export interface EngineRun extends Pick<ToEngine, 'format' | 'files' | 'choice'> {
  readonly batches: Batches;
  /** An empty folder for files in between. */
  readonly folder: string;
  /** Time that the engine may take, ms. */
  readonly timeoutMs: number;
}

/**
 * Runs a source by the engine of its own framework in a process of its own, which inherits the memory limit of this one:
 * whatever happens to it is an answer, never the end of the conversion.
 */
export async function runEngine(run: EngineRun): Promise<EngineAnswer> {
  const { format, files, choice, batches, folder, timeoutMs } = run;
  const inputsPath = join(folder, 'engine-inputs');
  const answerPath = join(folder, 'engine-answer');
  await writeFile(inputsPath, serialize(batches));
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let hasAnswered = false;
  let isLate = false;
  const child = startChild<ToEngine>({
    entry: join(import.meta.dirname, 'engine-process'),
    cwd: folder,
    onMessage: () => {
      hasAnswered = true;
    },
    onEnd: end => resolve(hasAnswered ? undefined : why(end, isLate, timeoutMs)),
  });
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  child.send({ kind: 'run', format, files, choice, inputsPath, answerPath });
  const failure = await promise;
  clearTimeout(timer);
  if (failure !== undefined)
    return {
      kind: 'none',
      because: `Not verified by an independent engine: ${failure}; the graph was loaded and run.`,
    };
  return deserialize(await readFile(answerPath));
}

function why(end: ChildEnd, isLate: boolean, timeoutMs: number): string {
  if (isLate) return `it did not finish within ${timeoutMs / 1000} s`;
  if (/out of memory|allocat|heap/i.test(end.errors)) return 'it needs more memory than it may have';
  return describeEnd(end);
}
