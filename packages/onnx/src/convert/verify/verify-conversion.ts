import { inspectModel } from '../../inspect-model.ts';
import { readModel } from '../../model/read-model.ts';
import { OnnxError } from '../../onnx-error.ts';
import type { Conversion, SourceFile } from '../convert.ts';
import { compareOutput, together, wrong } from './compare-outputs.ts';
import { checkConsistency } from './consistency.ts';
import { drawRows } from './draw-rows.ts';
import { drawTensors, hasOpenRows, indexInputs, servable } from './draw-tensors.ts';
import { findReference } from './find-reference.ts';
import { elementsOf, type NamedTensor, plainElements, type RunModel } from './tensor.ts';
import type { ComparedOutput, EngineAnswer, SourceEngine, SourceReference, Verification } from './verification.ts';

export interface VerifyOptions {
  /** Runs ONNX bytes; the caller owns the runtime and its limits. */
  readonly run: RunModel;
  /** Rounds that `convert` was told to use. */
  readonly rounds?: number;
  /**
   * The engine of the source's own framework, for sources that no evaluator here walks: `findEngine` of
   * `@holdfast/onnx/engines`, or one of the caller's. Undefined when there is none for such a source.
   */
  readonly engineFor?: (conversion: Conversion, files: readonly SourceFile[]) => Promise<SourceEngine | undefined>;
}

/**
 * Checks a conversion against its source on random inputs that cross every split, and the graph against itself: one
 * row, no rows and many rows must agree.
 * @throws OnnxError `conversion_wrong` naming the output, the row and both values, when they are further apart than the
 * bar; the model must not be used then
 */
export async function verifyConversion(
  source: Uint8Array | readonly SourceFile[],
  conversion: Conversion,
  options: VerifyOptions,
): Promise<Verification> {
  const files = source instanceof Uint8Array ? [{ name: 'model', bytes: source }] : source;
  const reference = await findReference(files, conversion, options.rounds);
  if (reference.kind === 'rows') return verifyByRows(conversion, reference.reference, options.run);
  const engine = await options.engineFor?.(conversion, files);
  if (engine !== undefined) return verifyByEngine(conversion, engine, options.run);
  const { model } = conversion;
  const indices = indexInputs(readModel(model).graph);
  const { rows, tensors } = drawTensors(inspectModel(model).signature.inputs, { indices });
  const answers = await attempt(options.run, model, tensors);
  const consistency =
    'failed' in answers
      ? `Random inputs do not fit it (${answers.failed}).`
      : await checkConsistency(model, { tensors, rows, answers: answers.outputs }, options.run);
  return { kind: 'not-compared', how: reference.because, rows, outputs: [], consistency };
}

/**
 * Runs the graph on inputs that it may not take: nobody knows which sizes of open dimensions and which texts fit a model.
 * @throws OnnxError when the graph cannot be run at all
 */
async function attempt(
  run: RunModel,
  model: Uint8Array,
  tensors: readonly NamedTensor[],
): Promise<{ readonly outputs: readonly NamedTensor[] } | { readonly failed: string }> {
  try {
    return { outputs: await run(model, tensors) };
  } catch (error) {
    if (error instanceof OnnxError) throw error;
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return { failed: line.slice(0, 200) };
  }
}

async function verifyByRows({ model }: Conversion, reference: SourceReference, run: RunModel): Promise<Verification> {
  const drawn = drawRows(reference.columns);
  const tensors = asInputs(model, drawn);
  const answers = await run(model, tensors);
  const { describes, bar } = reference;
  const outputs = reference.evaluate(rowsOf(tensors)).map(expected => {
    const answer = answers.find(candidate => candidate.name === expected.name);
    if (answer === undefined) throw wrong(expected.name, `${describes} gives it, but the graph does not`);
    return compareOutput(answer, { ...expected, bar }, describes);
  });
  const consistency = await checkConsistency(model, { tensors, rows: drawn.length, answers }, run);
  return { ...verdict(answers, outputs, describes), rows: drawn.length, outputs, consistency };
}

function asInputs(model: Uint8Array, drawn: readonly (readonly (number | string)[])[]): NamedTensor[] {
  let column = 0;
  return inspectModel(model).signature.inputs.map(spec => {
    const width = spec.shape?.length === 1 ? 1 : Number(spec.shape?.at(-1) ?? 1);
    const values = drawn.flatMap(row => row.slice(column, column + width));
    column += width;
    const shape = spec.shape?.length === 1 ? [drawn.length] : [drawn.length, width];
    return { name: spec.name, datatype: servable(spec), shape, data: elementsOf(servable(spec), values) };
  });
}

/** The rows as the graph got them, rounded to the dtypes of its inputs. */
function rowsOf(tensors: readonly NamedTensor[]): (number | string)[][] {
  const rows = tensors[0]?.shape[0] ?? 0;
  const plain = tensors.map(tensor => ({
    width: tensor.shape.length === 1 ? 1 : tensor.shape[1]!,
    values: plainElements(tensor),
  }));
  return Array.from({ length: rows }, (_, row) =>
    plain.flatMap(({ width, values }) => values.slice(row * width, (row + 1) * width)),
  );
}

/** Rows that an engine is given: many of short ones, few where a row is as large as a picture. */
const shortElements = 10_000;
const [manyRows, fewRows] = [16, 2];

/** One batch of several rows, or as many batches where the graph or the engine fixes the number of rows. */
function drawBatches(model: Uint8Array, { shapes }: SourceEngine): ReturnType<typeof drawTensors>[] {
  const { inputs } = inspectModel(model).signature;
  const indices = indexInputs(readModel(model).graph);
  const options = { indices, isWide: true, ...(shapes !== undefined && { shapes }) };
  const isFree = shapes === undefined && hasOpenRows(inputs);
  const sample = drawTensors(inputs, { ...options, rows: 1 });
  const rowElements = sample.tensors.reduce((sum, tensor) => sum + tensor.data.length, 0) / Math.max(1, sample.rows);
  const rows = rowElements > shortElements ? fewRows : manyRows;
  if (isFree) return [drawTensors(inputs, { ...options, rows })];
  return Array.from({ length: Math.max(1, Math.floor(rows / Math.max(1, sample.rows))) }, (_, i) =>
    drawTensors(inputs, { ...options, seed: i + 1 }),
  );
}

async function verifyByEngine({ model }: Conversion, engine: SourceEngine, run: RunModel): Promise<Verification> {
  const batches = drawBatches(model, engine);
  const total = batches.reduce((sum, batch) => sum + batch.rows, 0);
  const answered = await engine.evaluate(batches.map(batch => batch.tensors));
  const attempts: Awaited<ReturnType<typeof attempt>>[] = [];
  for (const { tensors } of batches) attempts.push(await attempt(run, model, tensors));
  const failure = attempts.find(one => 'failed' in one);
  if (failure !== undefined) {
    if (answered.kind === 'outputs')
      throw new OnnxError(
        'conversion_wrong',
        `The converted model cannot run on inputs that ${answered.describes} takes: ${failure.failed}. It was not written; please report the model's class.`,
      );
    const consistency = `Random inputs do not fit it (${failure.failed}).`;
    return { kind: 'not-compared', how: answered.because, rows: total, outputs: [], consistency };
  }
  const answers = attempts.map(one => ('outputs' in one ? one.outputs : []));
  const { tensors, rows } = batches[0]!;
  const consistency = await checkConsistency(model, { tensors, rows, answers: answers[0]! }, run);
  if (answered.kind === 'none')
    return { kind: 'not-compared', how: answered.because, rows: total, outputs: [], consistency };
  const outputs = comparedWith(answers, answered);
  return { ...verdict(answers[0]!, outputs, answered.describes), rows: total, outputs, consistency };
}

function comparedWith(
  answers: readonly (readonly NamedTensor[])[],
  { batches, describes }: Extract<EngineAnswer, { kind: 'outputs' }>,
): ComparedOutput[] {
  const compared = answers.map((ours, i) =>
    (batches[i] ?? []).flatMap(expected => {
      const answer = ours.find(candidate => candidate.name === expected.name);
      return answer === undefined ? [] : [compareOutput(answer, expected, describes)];
    }),
  );
  const names = new Set(compared.flat().map(output => output.name));
  return [...names].map(name => together(compared.flat().filter(output => output.name === name)));
}

function verdict(
  answers: readonly NamedTensor[],
  outputs: readonly ComparedOutput[],
  describes: string,
): Pick<Verification, 'kind' | 'how'> {
  const missing = answers.filter(
    answer => !outputs.some(output => output.name === answer.name && (output.elements > 0 || answer.data.length === 0)),
  );
  if (missing.length === 0) return { kind: 'agrees', how: `Compared with ${describes}.` };
  const names = missing.map(answer => answer.name).join(', ');
  return { kind: 'partly', how: `Compared with ${describes}; not compared: ${names}.` };
}
