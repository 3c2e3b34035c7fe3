import { inspectModel } from '../../inspect-model.ts';
import type { Conversion } from '../convert.ts';
import { compareOutput } from './compare-outputs.ts';
import { drawTensors } from './draw-tensors.ts';
import { elementsOf, type NamedTensor, plainElements, type RunModel } from './tensor.ts';
import { nearly, type Verification } from './verification.ts';

/**
 * How far the answers of a changed model are from those of the original: the largest change of a number relative to
 * the largest number of its output, or the share of rows whose label changed; infinite when an output is missing.
 */
export function changeBetween(before: readonly NamedTensor[], after: readonly NamedTensor[]): number {
  let worst = 0;
  for (const original of before) {
    const changed = after.find(tensor => tensor.name === original.name);
    if (changed === undefined || changed.data.length !== original.data.length) return Number.POSITIVE_INFINITY;
    const [a, b] = [plainElements(original), plainElements(changed)];
    const isReal = original.datatype.startsWith('FP');
    const largest = isReal ? a.reduce((most: number, x) => Math.max(most, finite(Math.abs(Number(x)))), 0) || 1 : 1;
    let differing = 0;
    for (let i = 0; i < a.length; i++) {
      if (Object.is(a[i], b[i])) continue;
      if (!isReal) differing++;
      else {
        const change = Math.abs(Number(a[i]) - Number(b[i])) / largest;
        worst = Math.max(worst, Number.isNaN(change) ? Number.POSITIVE_INFINITY : change);
      }
    }
    if (!isReal && a.length > 0) worst = Math.max(worst, differing / a.length);
  }
  return worst;
}

const finite = (x: number): number => (Number.isFinite(x) ? x : 0);

/** Rounding at the casts between stages. */
const pipelineBar = 1e-4;

/**
 * Compares a composed graph with its stages run one after the other on random inputs, and sums up how the stages
 * themselves were checked.
 * @throws OnnxError `conversion_wrong`
 */
export async function verifyPipeline(
  stages: readonly Conversion[],
  model: Uint8Array,
  verifications: readonly Verification[],
  run: RunModel,
): Promise<Verification> {
  const { rows, tensors } = drawTensors(inspectModel(stages[0]!.model).signature.inputs);
  let current: readonly NamedTensor[] = tensors;
  for (const [i, stage] of stages.entries()) {
    const { inputs } = inspectModel(stage.model).signature;
    current = await run(stage.model, i === 0 ? current : handedOn(current, inputs));
  }
  const answers = await run(model, tensors);
  const outputs = current.map((output, at) => {
    const expected = { name: answers[at]!.name, values: plainElements(output), bar: nearly(pipelineBar) };
    return compareOutput(answers[at]!, expected, 'its parts, run one after the other,');
  });
  const kinds = new Set(verifications.map(verification => verification.kind));
  return {
    kind:
      kinds.size === 1 && kinds.has('agrees')
        ? 'agrees'
        : kinds.has('agrees') || kinds.has('partly')
          ? 'partly'
          : 'not-compared',
    how: `Compared with its parts run one after the other. ${verifications.map((one, i) => `Part ${i + 1}: ${one.how}`).join(' ')}`,
    rows,
    outputs: [
      ...outputs,
      ...verifications.flatMap((one, i) =>
        one.outputs.map(output => ({ ...output, name: `${output.name} of part ${i + 1}` })),
      ),
    ],
    consistency: verifications.map(one => one.consistency).join(' '),
  };
}

/** Outputs of one stage as the inputs of the next, in its dtypes: by name, all columns side by side, or in order. */
function handedOn(
  outputs: readonly NamedTensor[],
  inputs: ReturnType<typeof inspectModel>['signature']['inputs'],
): NamedTensor[] {
  const fit = (tensor: NamedTensor, i: number): NamedTensor => {
    const { name, dtype, shape } = inputs[i]!;
    const datatype = dtype === 'BF16' ? 'FP32' : dtype;
    const turned = tensor.shape.length === 1 && shape?.length === 2 ? [tensor.shape[0]!, 1] : tensor.shape;
    return { name, datatype, shape: turned, data: elementsOf(datatype, plainElements(tensor)) };
  };
  const named = inputs.map(input => outputs.find(output => output.name === input.name));
  if (named.every(output => output !== undefined)) return inputs.map((_, i) => fit(named[i]!, i));
  if (inputs.length > 1) return inputs.map((_, i) => fit(outputs[i]!, i));
  const parts = outputs.filter(output => output.name !== 'label' || outputs.length === 1);
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return [fit(first, 0)];
  const rows = first?.shape[0] ?? 0;
  const widths = parts.map(part => part.data.length / (rows || 1));
  const plain = parts.map(plainElements);
  const values = Array.from({ length: rows }, (_, row) =>
    plain.flatMap((part, k) => part.slice(row * widths[k]!, (row + 1) * widths[k]!)),
  ).flat();
  const width = widths.reduce((sum, one) => sum + one, 0);
  return [fit({ name: '', datatype: 'FP64', shape: [rows, width], data: elementsOf('FP64', values) }, 0)];
}
