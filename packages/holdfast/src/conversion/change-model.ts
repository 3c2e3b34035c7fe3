import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspectModel, OnnxError } from '@holdfast/onnx';
import { changeBetween, drawTensors, elementsOf, type NamedTensor, plainElements } from '@holdfast/onnx/convert';
import {
  calibrate,
  floatWeightsLeft,
  quantizeDynamic,
  quantizeStatic,
  quantizeWeights,
  toFloat16,
  toFloat32,
  toOpset,
} from '@holdfast/onnx/quantize';
import { OrtSession } from '../runtime/index.ts';
import type { ChangeRequest, ModelChange } from './conversion-messages.ts';
import { type InputSpec, readExamples } from './example-data.ts';
import type { ModelRunner } from './model-runner.ts';

export interface ChangedModel {
  readonly model: Uint8Array;
  readonly changes: readonly ModelChange[];
  /** What a reader of the report should know beside the measurements. */
  readonly notes: readonly string[];
}

const timedRuns = 9;

/**
 * Changes a finished graph step by step and measures each step against the graph before it.
 * @throws OnnxError `bad_option` when a step loses more than was allowed, or cannot be done
 */
export async function changeModel(
  original: Uint8Array,
  request: ChangeRequest,
  { runner, workFolder }: { readonly runner: ModelRunner; readonly workFolder: string },
): Promise<ChangedModel> {
  const batches = await examplesFor(original, request.data);
  const measuredOn = request.data ?? 'random inputs';
  const changes: ModelChange[] = [];
  let model = original;
  const step = async (
    what: string,
    edit: (bytes: Uint8Array) => Promise<Uint8Array> | Uint8Array,
    maxLoss = request.maxLoss,
  ): Promise<void> => {
    const edited = await edit(model);
    const [before, after] = [await timed(runner, model, batches), await timed(runner, edited, batches)];
    const loss = Math.max(...batches.map((_, i) => changeBetween(before.answers[i] ?? [], after.answers[i] ?? [])));
    changes.push({
      what,
      bytesBefore: model.length,
      bytesAfter: edited.length,
      msBefore: before.ms,
      msAfter: after.ms,
      loss,
      measuredOn,
    });
    if (!(loss <= maxLoss))
      throw new OnnxError(
        'bad_option',
        `${what} changes the answers by ${(100 * loss).toPrecision(3)} % on ${measuredOn}, more than the ${100 * maxLoss} % that ${maxLoss === request.maxLoss ? '--max-loss allows' : 'rounding explains'}; nothing was written.`,
      );
    model = edited;
  };
  if (request.float32 === true) await step('float32', toFloat32);
  if (request.quantize === 'int8-weights') await step('int8-weights', quantizeWeights);
  if (request.quantize === 'int8-dynamic') await step('int8-dynamic', quantizeDynamic);
  if (request.quantize === 'fp16') await step('fp16', toFloat16);
  if (request.quantize === 'int8-static') {
    const typical = await examplesFor(model, request.calibration);
    await step('int8-static', async bytes =>
      quantizeStatic(
        bytes,
        await calibrate(
          bytes,
          typical.map(batch => fitted(batch, bytes)),
          runner.run,
        ),
      ),
    );
  }
  const left = request.quantize === undefined ? [] : floatWeightsLeft(model);
  const notes = left.length === 0 ? [] : [`${request.quantize} leaves the weights of ${left.join(', ')} in float32`];
  if (request.optimize === true) await step('optimized', bytes => optimized(bytes, workFolder));
  const { opset } = request;
  if (opset !== undefined) await step(`opset ${opset}`, bytes => toOpset(bytes, opset), rounding);
  return { model, changes, notes };
}

/** What computing the same in other operators may change, relative to the largest output. */
const rounding = 1e-5;

async function optimized(bytes: Uint8Array, folder: string): Promise<Uint8Array> {
  const [from, to] = [join(folder, 'plain.onnx'), join(folder, 'optimized.onnx')];
  await writeFile(from, bytes);
  await OrtSession.writeOptimized(from, to);
  return new Uint8Array(await readFile(to));
}

function inputsOf(model: Uint8Array): InputSpec[] {
  return inspectModel(model).signature.inputs.map(({ name, dtype, shape }) => {
    if (dtype === 'BF16')
      throw new OnnxError('unsupported_dtype', `The input "${name}" is bfloat16; cast it to float.`);
    return { name, datatype: dtype, shape };
  });
}

async function examplesFor(model: Uint8Array, path: string | undefined): Promise<(readonly NamedTensor[])[]> {
  if (path !== undefined) {
    const { featureNames } = inspectModel(model);
    return readExamples(path, { inputs: inputsOf(model), featureNames });
  }
  const { inputs } = inspectModel(model).signature;
  return [1, 2, 3, 4].map(seed => drawTensors(inputs, { seed }).tensors);
}

/** The same inputs in the dtypes that a changed graph takes. */
function fitted(batch: readonly NamedTensor[], model: Uint8Array): NamedTensor[] {
  const wanted = new Map(inputsOf(model).map(input => [input.name, input.datatype]));
  return batch.map(tensor => {
    const datatype = wanted.get(tensor.name) ?? tensor.datatype;
    return datatype === tensor.datatype
      ? tensor
      : { ...tensor, datatype, data: elementsOf(datatype, plainElements(tensor)) };
  });
}

async function timed(
  runner: ModelRunner,
  model: Uint8Array,
  batches: readonly (readonly NamedTensor[])[],
): Promise<{ readonly ms: number; readonly answers: readonly (readonly NamedTensor[])[] }> {
  const given = batches.map(batch => fitted(batch, model));
  const answers: (readonly NamedTensor[])[] = [];
  for (const batch of given) answers.push(await runner.run(model, batch));
  const times: number[] = [];
  for (let i = 0; i < timedRuns; i++) {
    const began = performance.now();
    await runner.run(model, given[i % given.length] ?? []);
    times.push(performance.now() - began);
  }
  return { ms: times.sort((a, b) => a - b)[Math.floor(timedRuns / 2)] ?? 0, answers };
}
