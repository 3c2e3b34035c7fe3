import type { TensorSpec } from '@holdfast/api';
import { inspectModel, OnnxError } from '@holdfast/onnx';
import type { Verification } from '@holdfast/onnx/convert';
import { checkGolden, reasonOf } from '../runtime/index.ts';
import type { ModelRunner } from './model-runner.ts';

/** Time for the golden requests, ms. */
const budgetMs = 10_000;

/**
 * Loads an ONNX source and asks it golden requests. There is nothing to compare it with, and that it does not like our
 * inputs says nothing about real ones: only a graph that cannot be loaded is refused.
 * @throws OnnxError or Error of the runtime
 */
export async function tryOnnx(model: Uint8Array, runner: ModelRunner): Promise<Verification> {
  const session = await runner.load(model);
  const specs = inspectModel(model).signature.inputs.map(({ name, dtype, shape, optional }): TensorSpec => {
    if (dtype === 'BF16')
      throw new OnnxError('unsupported_dtype', `The input "${name}" is bfloat16; cast it to float inside the model.`);
    const dims = (shape ?? [null]).map(size => (typeof size === 'number' ? size : -1));
    return { name, datatype: dtype, shape: dims, optional: optional === true };
  });
  const { runs, sharesRuns, notes } = await checkGolden({ run: session.run.bind(session), reasonOf }, specs, budgetMs);
  const agreeing = { yes: '1 row and 8 rows agree.', no: 'Rows are not answered one by one.', unknown: '' };
  return {
    kind: 'not-compared',
    how: `The source is ONNX itself; its graph was loaded${runs.length === 0 ? '' : ' and run'}.`,
    rows: Math.max(0, ...runs.map(({ batch }) => batch)),
    outputs: [],
    consistency: [agreeing[sharesRuns], ...notes.slice(0, 1)].filter(part => part !== '').join(' '),
  };
}
