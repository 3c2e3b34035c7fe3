import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fault } from '@holdfast/api';
import { describeEnd, startChild } from './child.ts';
import { hasFreeBatch } from './golden-inputs.ts';
import type { FromLatencyProcess, ToLatencyProcess } from './latency-messages.ts';
import { validateModel } from './validate-model.ts';

export interface LatencyOptions {
  /** Rows of a request. @default 1 */
  readonly rows?: number;
  /** Measured runs, after some to warm up. @default 50 */
  readonly runs?: number;
  /** Time for all of it, in ms. @default 60_000 */
  readonly timeoutMs?: number;
}

/**
 * Median time of one request to a model, in milliseconds, as a runner of this machine takes for it: one thread, the graph
 * as it would be served, made-up input, in a process of its own under the limits of a validation.
 *
 * @throws Fault `model_rejected` when it cannot be served, fails, takes too long, or has no room for so many rows
 */
export async function measureLatencyMs(modelPath: string, options: LatencyOptions = {}): Promise<number> {
  const { rows = 1, runs = 50, timeoutMs = 60_000 } = options;
  const { bytes, inputs } = await validateModel(modelPath);
  if (rows > 1 && !hasFreeBatch(inputs))
    throw fault('model_rejected', `its input has a fixed number of rows, so ${rows} rows at once cannot be measured`);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-latency-'));
  try {
    // The child's working directory stays empty: external data of the model must not be found.
    const cwd = join(folder, 'empty');
    await mkdir(cwd);
    const served = join(folder, 'model.onnx');
    await writeFile(served, bytes);
    return await measureInChild(cwd, { modelPath: served, inputs, rows, runs }, timeoutMs);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function measureInChild(cwd: string, request: ToLatencyProcess, timeoutMs: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let answer: FromLatencyProcess | undefined;
  let isLate = false;
  const child = startChild<ToLatencyProcess>({
    entry: 'latency-process',
    cwd,
    onMessage: message => {
      if (isAnswer(message)) answer = message;
    },
    onEnd: end => {
      clearTimeout(timer);
      if (answer?.kind === 'measured') resolve(answer.medianMs);
      else if (isLate) reject(fault('model_rejected', `${request.runs} runs took more than ${timeoutMs / 1000} s`));
      else reject(fault('model_rejected', answer?.why ?? `${describeEnd(end)} while its latency was measured`));
    },
  });
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  child.send(request);
  return promise;
}

function isAnswer(message: unknown): message is FromLatencyProcess {
  if (typeof message !== 'object' || message === null || !('kind' in message)) return false;
  return message.kind === 'measured' || message.kind === 'rejected';
}
