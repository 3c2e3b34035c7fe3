import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fault, type TensorSpec } from '@holdfast/api';
import {
  checkModel,
  inspectModel,
  type ModelInspection,
  OnnxError,
  type TensorSpec as OnnxTensorSpec,
  prepareModel,
} from '@holdfast/onnx';
import { type ChildEnd, describeEnd, startChild } from './child.ts';
import { elementKindOf } from './element-kinds.ts';
import type { GoldenReport } from './golden-check.ts';
import type { RuntimeTensor } from './ort-session.ts';
import type { FromValidator, ToValidator } from './validator-messages.ts';

export interface ValidateOptions {
  /** Time for loading and golden requests together, in ms. @default 10000 */
  readonly timeoutMs?: number;
  /** Memory that the model may take, in bytes, where the system has `prlimit`. @default 1 GiB + 3 x the file's size */
  readonly memoryBytes?: number;
}

/** A model that was read, loaded and run under limits, as it may be served. */
export interface ModelValidation {
  /** The graph as it will be served. */
  readonly bytes: Uint8Array;
  /** What was changed for that, one sentence each. */
  readonly changes: readonly string[];
  /** From the file itself; a free dimension is -1. */
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Names of the columns of the only input, where the file records them. */
  readonly featureNames: readonly string[];
  /** What the file says about itself: producer, operator sets, size. */
  readonly facts: Readonly<Record<string, string>>;
  readonly inspection: ModelInspection;
  /** Milliseconds to load it into the runtime. */
  readonly loadMs: number;
  readonly golden: GoldenReport;
}

const gibibyte = 2 ** 30;
const defaultTimeoutMs = 10_000;

/**
 * Decides whether an untrusted model may be served: a static check of the file, then a child process that loads it and
 * runs golden requests under time and memory limits in an empty folder.
 * @throws Fault `model_rejected` with the reason: malformed, hostile, too slow, too large, crashing, or not servable
 */
export async function validateModel(
  bytesOrPath: Uint8Array | string,
  options: ValidateOptions = {},
): Promise<ModelValidation> {
  const source = typeof bytesOrPath === 'string' ? await readFile(bytesOrPath) : bytesOrPath;
  const { bytes, changes, inspection, leftToRuntime } = checkStatically(source);
  const inputs = inspection.signature.inputs.map(spec => servableSpec(spec, 'input'));
  const outputs = inspection.signature.outputs.map(spec => servableSpec(spec, 'output'));
  const trial = await tryInChild(bytes, inputs, {
    timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
    memoryBytes: options.memoryBytes ?? gibibyte + 3 * bytes.length,
  });
  requireSame('input', inputs, trial.inputs);
  requireSame('output', outputs, trial.outputs);
  return {
    bytes,
    changes,
    inputs,
    outputs,
    featureNames: inspection.featureNames ?? [],
    facts: factsOf(inspection),
    inspection,
    loadMs: trial.loadMs,
    golden: { ...trial.golden, notes: [...leftToRuntime, ...trial.golden.notes] },
  };
}

interface StaticResult {
  readonly bytes: Uint8Array;
  readonly changes: readonly string[];
  readonly inspection: ModelInspection;
  readonly leftToRuntime: readonly string[];
}

function checkStatically(source: Uint8Array): StaticResult {
  try {
    const { bytes, changes } = prepareModel(source);
    const { leftToRuntime } = checkModel(bytes);
    return { bytes, changes, inspection: inspectModel(bytes), leftToRuntime };
  } catch (error) {
    if (error instanceof OnnxError) throw fault('model_rejected', error.message);
    throw error;
  }
}

/** The tensor as callers see it. The gate in front of the runtime needs the rank of every input. */
function servableSpec({ name, dtype, shape, optional }: OnnxTensorSpec, side: 'input' | 'output'): TensorSpec {
  if (shape === undefined && side === 'input') {
    throw fault(
      'model_rejected',
      `the input "${name}" does not declare its shape, so requests cannot be checked; export the model with input shapes.`,
    );
  }
  if (dtype === 'BF16') {
    throw fault(
      'model_rejected',
      `the ${side} "${name}" is bfloat16, which the runtime does not hand over; cast it to float.`,
    );
  }
  const dims = (shape ?? [-1]).map(dim => (typeof dim === 'number' && dim > 0 ? dim : -1));
  return { name, datatype: dtype, shape: dims, optional: optional === true };
}

/** The file and the runtime must agree, or the gate would let through what the runtime does not expect. */
function requireSame(
  side: 'input' | 'output',
  declared: readonly TensorSpec[],
  loaded: readonly RuntimeTensor[],
): void {
  const types = new Map(loaded.map(tensor => [tensor.name, tensor.type]));
  for (const { name, datatype, optional } of declared) {
    const type = types.get(name);
    types.delete(name);
    if (type === elementKindOf(datatype).ortType || optional) continue;
    const found = type === undefined ? 'does not have it' : `has ${type}`;
    throw fault('model_rejected', `the file declares the ${side} "${name}" as ${datatype}, but the runtime ${found}.`);
  }
  for (const name of types.keys()) {
    throw fault('model_rejected', `the runtime has an ${side} "${name}" that the file does not declare.`);
  }
}

function factsOf(inspection: ModelInspection): Record<string, string> {
  const { producer, opsets, irVersion, nodeCount } = inspection;
  return {
    ...(producer.name !== '' && { producer: `${producer.name} ${producer.version}`.trim() }),
    opsets: Object.entries(opsets)
      .map(([domain, version]) => `${domain} ${version}`)
      .join(', '),
    irVersion: String(irVersion),
    nodes: String(nodeCount),
  };
}

interface Trial {
  readonly loadMs: number;
  readonly inputs: readonly RuntimeTensor[];
  readonly outputs: readonly RuntimeTensor[];
  readonly golden: GoldenReport;
}

interface Limits {
  readonly timeoutMs: number;
  readonly memoryBytes: number;
}

async function tryInChild(bytes: Uint8Array, inputs: readonly TensorSpec[], limits: Limits): Promise<Trial> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-validate-'));
  try {
    const modelPath = join(folder, 'model.onnx');
    const cwd = join(folder, 'empty');
    await Promise.all([writeFile(modelPath, bytes), mkdir(cwd)]);
    return await runValidator(
      cwd,
      { kind: 'validate', modelPath, inputs, goldenBudgetMs: limits.timeoutMs / 2 },
      limits,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runValidator(cwd: string, request: ToValidator, { timeoutMs, memoryBytes }: Limits): Promise<Trial> {
  const { promise, resolve, reject } = Promise.withResolvers<Trial>();
  let loaded: Extract<FromValidator, { kind: 'loaded' }> | undefined;
  let golden: GoldenReport | undefined;
  let refusal: string | undefined;
  const phase = (): string => (loaded === undefined ? 'while it was loaded' : 'on a golden request');
  const child = startChild<ToValidator>({
    entry: 'validator-process',
    cwd,
    memoryBytes,
    onMessage: message => {
      if (!isFromValidator(message)) return;
      if (message.kind === 'loaded') loaded = message;
      else if (message.kind === 'ran') golden = message.golden;
      else refusal ??= message.why;
    },
    onEnd: end => {
      clearTimeout(timer);
      refusal ??= golden === undefined ? undefined : lackOfMemory(golden);
      if (refusal === undefined && loaded !== undefined && golden !== undefined) resolve({ ...loaded, golden });
      else reject(fault('model_rejected', withMemory(refusal ?? endedEarly(end, phase()), end, memoryBytes)));
    },
  });
  const timer = setTimeout(() => {
    refusal ??= `it did not finish within ${timeoutMs / 1000} s ${phase()}; it may contain an endless loop, or need more time than is allowed.`;
    child.kill('SIGKILL');
  }, timeoutMs);
  child.send(request);
  return promise;
}

function endedEarly(end: ChildEnd, phase: string): string {
  return `${describeEnd(end)} ${phase}; the runtime cannot execute it safely.`;
}

const memoryWords = /bad_alloc|allocat|out of memory|memory limit/i;

/** A model that cannot answer even one row within the memory allowed is refused; other failures are notes. */
function lackOfMemory(golden: GoldenReport): string | undefined {
  return golden.runs.length === 0 ? golden.notes.find(note => memoryWords.test(note)) : undefined;
}

/** Adds the limit to a refusal that looks like a lack of memory. */
function withMemory(why: string, end: ChildEnd, memoryBytes: number): string {
  if (!memoryWords.test(why + end.errors)) return why;
  return `it needs more than the ${Math.floor(memoryBytes / 2 ** 20)} MiB of memory that are allowed (${why})`;
}

function isFromValidator(message: unknown): message is FromValidator {
  if (typeof message !== 'object' || message === null || !('kind' in message)) return false;
  return message.kind === 'loaded' || message.kind === 'ran' || message.kind === 'rejected';
}
